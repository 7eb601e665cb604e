/* Matrix products: tasks are blocks of rows and columns of each matrix of the batch. */
#include "gemm.h"

#include "conv/spatial.h"
#include "copy/transpose.h"
#include "gemm/block.h"
#include "program/run.h"

typedef struct plan {
	const gemm_params *p;
	size_t batch; /* product of all batch axes */
	size_t block; /* of k */
	cut cut;
	bool copy_a;
	bool keep_b; /* all k of a task's columns are packed at once, and serve the tasks of other rows after it */
	bool sums; /* sums are kept in scratch until the epilogue has run */
	size_t sums_row;
	size_t sums_rows; /* 0: for all rows of a task; else some at a time */
} plan;

/* The least columns of a task. A large product of runtime operands is cut into few columns at a time, because
 * every task may have to copy its rows: as many as stay near when they are packed, but enough tasks to share. */
static size_t least_columns(const gemm_params *p, size_t batch, bool copy_a)
{
	const size_t least = copy_a ? 64 : 32, rows = div_up(p->m, 16 * TILE_ROWS);
	if (p->packed || rows < 2)
		return least;
	size_t cols = size_min(p->n, 262144 / size_max(1, p->k));
	while (cols > least && rows * (p->n / cols) * batch < 16)
		cols /= 2;
	return size_max(least, cols);
}

static plan plan_of(const gemm_params *p)
{
	plan g = { .p = p, .batch = 1 };
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		g.batch *= p->batch[i];
	g.block = k_block(p->k);
	const bool collide = p->a_row % 1024 == 0 && p->k > 64 && p->m > 4;
	g.copy_a = p->a_col != 1 || (collide && p->n >= 4 * PANEL);
	/* Without packed weights every task packs the columns that it multiplies: that wants many rows to
	 * pay. */
	g.cut = product_cut(p->m, p->n, p->k, g.batch, p->packed ? TILE_ROWS : 16 * TILE_ROWS,
			    least_columns(p, g.batch, g.copy_a), p->hint.size);
	g.keep_b = !p->packed && (p->k + 1) * (g.cut.cols + VEC) <= 524288;
	const uint32_t flags = p->epilogue.flags;
	g.sums = flags & EPILOGUE_PROGRAM || (flags & EPILOGUE_RESIDUAL && g.block < p->k);
	const size_t cols = size_min(g.cut.cols + VEC, p->n);
	g.sums_row = div_up(cols, VEC) * VEC;
	if (g.sums && g.block >= p->k && product_by_rows(p->k, cols, p->hint.pass))
		g.sums_rows = product_done_rows(cols);
	return g;
}

static size_t gemm_tasks(const void *params)
{
	const plan g = plan_of(params);
	return g.batch * g.cut.row_tasks * g.cut.col_tasks;
}

typedef struct work {
	float **out;
	const float **residual;
	float *a, *b; /* copies of a block of k */
	size_t a_row;
	float *sums;
	void *program;
	/* Whose columns b holds, from which on, with keep_b; NULL: nobody's. */
	const float *b_of;
	size_t b_col;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const gemm_params *p = g->p;
	const size_t cols = div_up(size_min(g->cut.cols + VEC, p->n), VEC) * VEC;
	w.out = scratch_part(scratch, &w.bytes, size_max(g->cut.rows, g->sums_rows) * sizeof(float *));
	if (p->epilogue.flags & EPILOGUE_RESIDUAL)
		w.residual = scratch_part(scratch, &w.bytes, g->cut.rows * sizeof(float *));
	/* An odd number of cache lines to a row, so that the rows of a tile do not share a set. */
	w.a_row = (div_up(g->block, 16) | 1) * 16;
	if (g->copy_a)
		w.a = scratch_part(scratch, &w.bytes, g->cut.rows * w.a_row * sizeof(float));
	if (!p->packed)
		w.b = scratch_part(scratch, &w.bytes,
				   cols * (g->keep_b ? p->k + div_up(p->k, g->block) + 1 : g->block + 1) *
					   sizeof(float));
	if (g->sums)
		w.sums = scratch_part(scratch, &w.bytes,
				      (g->sums_rows ? g->sums_rows : g->cut.rows) * g->sums_row *
					      sizeof(float));
	if (g->sums)
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	return w;
}

static size_t gemm_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

static void copy_rows(const gemm_params *p, const float *a, size_t rows, size_t count, const work *w)
{
	if (p->a_row == 1 && p->a_col != 1) {
		transpose_floats(a, p->a_col, w->a, (ptrdiff_t)w->a_row, rows, count);
		return;
	}
	for (size_t i = 0; i < rows; i++) {
		const float *from = a + (ptrdiff_t)i * p->a_row;
		float *to = w->a + i * w->a_row;
		if (p->a_col == 1)
			copy_floats(to, from, count);
		else
			for (size_t k = 0; k < count; k++)
				to[k] = from[(ptrdiff_t)k * p->a_col];
	}
}

/* Rows of b that lie as they are read, one after the other through all panels: rows far apart, each on a page of
 * its own, are then visited once. */
static void pack_rows(const gemm_params *p, const float *b, size_t count, size_t col, size_t col_end, float *to)
{
	for (size_t k = 0; k < count; k++) {
		const float *from = b + (ptrdiff_t)k * p->b_row;
		float *panel = to;
		for (size_t c = col, width; c < col_end; c += width, panel += width * (count + 1)) {
			width = panel_vectors(p->n, c) * VEC;
			copy_floats(panel + (k + 1) * width, from + c, size_min(width, p->n - c));
		}
	}
}

/* Packs `count` rows of the columns [col, col_end) of b, with biases of 0. */
static void pack_columns(const gemm_params *p, const float *b, size_t count, size_t col, size_t col_end,
			 float *to)
{
	float *panel = to;
	for (size_t c = col, width; c < col_end; c += width, panel += width * (count + 1)) {
		width = panel_vectors(p->n, c) * VEC;
		const size_t used = size_min(width, p->n - c);
		const float *from = b + (ptrdiff_t)c * p->b_col;
		float *rows = panel + width;
		memset(panel, 0, (used < width ? width * (count + 1) : width) * sizeof(float));
		if (p->b_col == 1)
			continue;
		if (p->b_row == 1)
			transpose_floats(from, p->b_col, rows, (ptrdiff_t)width, count, used);
		else
			for (size_t j = 0; j < used; j++)
				for (size_t k = 0; k < count; k++)
					rows[k * width + j] =
						from[(ptrdiff_t)k * p->b_row + (ptrdiff_t)j * p->b_col];
	}
	if (p->b_col == 1)
		pack_rows(p, b, count, col, col_end, to);
}

static ptrdiff_t batch_offset(const ptrdiff_t *stride, const size_t *at)
{
	ptrdiff_t offset = 0;
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		offset += (ptrdiff_t)at[i] * stride[i];
	return offset;
}

/* One task's place: matrix, rows, columns. */
typedef struct place {
	size_t batch[GEMM_BATCH_AXES];
	size_t row, row_end, col, col_end;
} place;

static place place_of(const plan *g, size_t task)
{
	const size_t tasks = g->cut.row_tasks * g->cut.col_tasks, index = task % tasks;
	const size_t row = g->keep_b ? index % g->cut.row_tasks : index / g->cut.col_tasks;
	const size_t col = g->keep_b ? index / g->cut.row_tasks : index % g->cut.col_tasks;
	place at;
	at.col = col * g->cut.cols;
	at.col_end = col + 1 == g->cut.col_tasks ? g->p->n : at.col + g->cut.cols;
	at.row = row * g->cut.rows;
	at.row_end = size_min(g->p->m, at.row + g->cut.rows);
	task /= tasks;
	for (int i = GEMM_BATCH_AXES; i-- > 0;) {
		at.batch[i] = task % g->p->batch[i];
		task /= g->p->batch[i];
	}
	return at;
}

/* The columns of a task from step k on, packed; where they are kept, those of the last task may serve. */
static const float *packed_columns(const plan *g, const float *b, const place *at, size_t k, size_t count,
				   const work *w)
{
	const size_t width = div_up(at->col_end - at->col, VEC) * VEC;
	float *to = g->keep_b ? w->b + width * (k + k / g->block) : w->b;
	if (!g->keep_b || w->b_of != b || w->b_col != at->col)
		pack_columns(g->p, b + (ptrdiff_t)k * g->p->b_row, count, at->col, at->col_end, to);
	return to;
}

static void multiply(const plan *g, void *const *args, const place *at, product *prod, work *w)
{
	const gemm_params *p = g->p;
	const float *a = (const float *)args[GEMM_A] + batch_offset(p->a_batch, at->batch) +
			 (ptrdiff_t)at->row * p->a_row;
	const ptrdiff_t matrix = batch_offset(p->b_batch, at->batch);
	const float *b = (const float *)args[GEMM_B] + matrix;
	for (size_t k = 0; k < p->k || k == 0; k += g->block) {
		prod->k_count = size_min(g->block, p->k - k);
		prod->first = k == 0;
		prod->last = k + prod->k_count == p->k;
		if (p->packed) {
			prod->packed =
				(const float *)args[GEMM_B] + (size_t)matrix * packed_floats(p->n, p->k);
			prod->packed_col = 0;
			prod->packed_k = p->k;
			prod->k_begin = k;
		} else {
			prod->packed = packed_columns(g, b, at, k, prod->k_count, w);
			prod->packed_col = at->col;
			prod->packed_k = prod->k_count;
			prod->k_begin = 0;
		}
		prod->a = a + (ptrdiff_t)k * p->a_col;
		prod->a_row = p->a_row;
		if (g->copy_a) {
			copy_rows(p, prod->a, prod->rows, prod->k_count, w);
			prod->a = w->a;
			prod->a_row = (ptrdiff_t)w->a_row;
		}
		product_run(prod);
	}
	w->b_of = b;
	w->b_col = at->col;
}

/* Where rows lie that follow another order than those of a. */
static ptrdiff_t digits_offset(const gemm_params *p, const ptrdiff_t *stride, size_t row)
{
	ptrdiff_t offset = 0;
	for (uint32_t i = p->row_digits; i-- > 0;) {
		offset += (ptrdiff_t)(row % p->digit[i]) * stride[i];
		row /= p->digit[i];
	}
	return offset;
}

static ptrdiff_t out_row_at(const gemm_params *p, size_t row)
{
	return p->row_digits ? digits_offset(p, p->out_digit, row) : (ptrdiff_t)row * p->out_row;
}

/* Where a row lies in the output and in the residual. From one row to the next, since divisions for each took
 * a twentieth of the time of a product of 384 terms. */
typedef struct row_place {
	const gemm_params *p;
	size_t at[GEMM_ROW_DIGITS];
	ptrdiff_t out, residual;
} row_place;

static row_place row_at(const gemm_params *p, size_t row)
{
	row_place r = { .p = p, .out = out_row_at(p, row) };
	r.residual = p->row_digits ? digits_offset(p, p->residual_digit, row)
				   : (ptrdiff_t)row * p->epilogue.residual[GEMM_BATCH_AXES];
	for (uint32_t i = p->row_digits; i-- > 0; row /= p->digit[i])
		r.at[i] = row % p->digit[i];
	return r;
}

static void row_next(row_place *r)
{
	const gemm_params *p = r->p;
	if (!p->row_digits) {
		r->out += p->out_row;
		r->residual += p->epilogue.residual[GEMM_BATCH_AXES];
		return;
	}
	for (uint32_t i = p->row_digits; i-- > 0;) {
		r->out += p->out_digit[i];
		r->residual += p->residual_digit[i];
		if (++r->at[i] < p->digit[i])
			return;
		r->at[i] = 0;
		r->out -= (ptrdiff_t)p->digit[i] * p->out_digit[i];
		r->residual -= (ptrdiff_t)p->digit[i] * p->residual_digit[i];
	}
}

/* The epilogue, over runs of rows that lie at one distance: the rows [begin, end), whose sums lie from the
 * first on. */
static void finish(const plan *g, void *const *args, const place *at, size_t begin, size_t end, const work *w)
{
	const gemm_params *p = g->p;
	const size_t *b = at->batch, cols = at->col_end - at->col,
		     last = p->row_digits ? p->digit[p->row_digits - 1] : 0;
	float *out = (float *)args[GEMM_OUT] + batch_offset(p->out_batch, b) + at->col;
	void *moved[GEMM_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	for (size_t row = begin; row < end; row += count) {
		const float *sums = w->sums + (row - begin) * g->sums_row;
		count = end - row;
		if (!last) {
			const size_t position[6] = { b[0], b[1], b[2], b[3], row, at->col };
			epilogue_run(&p->epilogue, args, GEMM_OPERANDS, 6, position, count, cols, sums,
				     (ptrdiff_t)g->sums_row, out + out_row_at(p, row), p->out_row,
				     w->program);
			continue;
		}
		count = size_min(count, last - row % last);
		for (uint32_t i = 0; i < p->epilogue.operands; i++)
			moved[GEMM_OPERANDS + i] =
				(char *)args[GEMM_OPERANDS + i] +
				digits_offset(p, p->operand_digit[i], row) *
					(ptrdiff_t)kernel_dtype_bytes(p->epilogue.operand[i].dtype);
		const size_t position[6] = { b[0], b[1], b[2], b[3], 0, at->col };
		epilogue_run(&p->epilogue, moved, GEMM_OPERANDS, 6, position, count, cols, sums,
			     (ptrdiff_t)g->sums_row, out + out_row_at(p, row),
			     p->out_digit[p->row_digits - 1], w->program);
	}
}

typedef struct some_rows {
	const plan *g;
	void *const *args;
	const place *at;
	const work *w;
} some_rows;

static void finish_rows(void *context, size_t row, size_t rows)
{
	const some_rows *s = context;
	finish(s->g, s->args, s->at, s->at->row + row, s->at->row + row + rows, s->w);
}

static void run_task(const plan *g, void *const *args, size_t task, work *w)
{
	const gemm_params *p = g->p;
	const epilogue *e = &p->epilogue;
	const place at = place_of(g, task);
	const size_t rows = at.row_end - at.row;
	float *out = (float *)args[GEMM_OUT] + batch_offset(p->out_batch, at.batch);
	some_rows rows_done = { g, args, &at, w };
	for (size_t i = 0; g->sums && i < (g->sums_rows ? g->sums_rows : rows); i++)
		w->out[i] = w->sums + i * g->sums_row;
	row_place lies = row_at(p, at.row);
	for (size_t i = 0; i < rows; i++, row_next(&lies)) {
		if (!g->sums)
			w->out[i] = out + lies.out;
		if (e->flags & EPILOGUE_RESIDUAL)
			w->residual[i] = (const float *)args[GEMM_RESIDUAL] +
					 batch_offset(e->residual, at.batch) + lies.residual;
	}
	product prod = {
		.rows = rows,
		.prefetch = !g->copy_a && product_far(p->m, p->k),
		.pass = p->hint.pass,
		.n = p->n,
		.col_begin = at.col,
		.col_end = at.col_end,
		.chain = longest_chain(p->k, p->chain),
		.out = w->out,
		.out_col = g->sums ? at.col : 0,
		.residual = e->flags & EPILOGUE_RESIDUAL ? w->residual : NULL,
		.clamp = e->flags & EPILOGUE_CLAMP,
		.min = e->min,
		.max = e->max,
		.done = g->sums_rows ? finish_rows : NULL,
		.context = &rows_done,
		.done_rows = g->sums_rows,
	};
	multiply(g, args, &at, &prod, w);
	if (g->sums && !g->sums_rows)
		finish(g, args, &at, at.row, at.row_end, w);
}

static void gemm_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params);
	work w = work_of(&g, scratch);
	for (size_t task = begin; task < end; task++)
		run_task(&g, args, task, &w);
}

extern const compute_kernel ISA(gemm_f32);
const compute_kernel ISA(gemm_f32) = { "gemm_f32", sizeof(gemm_params), gemm_tasks, gemm_scratch, gemm_run };
