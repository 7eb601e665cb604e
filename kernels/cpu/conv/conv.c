/* Convolution as a product: rows are output pixels, columns output channels, k runs over taps and input
 * channels. A 1x1 convolution multiplies the image as it lies; others first collect the taps of a block of
 * pixels into scratch, which costs about 2 / columns of the product's time and makes pads, dilation and rings
 * a matter of copying. */
#include "conv.h"

#include "conv/collect.h"
#include "conv/zones.h"
#include "copy/transpose.h"
#include "gemm/block.h"
#include "program/run.h"

typedef struct plan {
	const conv_params *p;
	size_t lines;   /* output rows of one depth slice that are asked for */
	size_t m, n, k; /* k: taps * input channels */
	/* A zone of the output multiplies some of the weights: stretches of k, one for each row of taps. */
	size_t stretches, stretch_k;
	size_t packed_k, packed_first, packed_step; /* all weights, the first stretch, from one to the next */
	size_t block;                               /* of a stretch */
	cut cut;
	ptrdiff_t in_channel;
	bool direct; /* the image is the product's left side */
	ptrdiff_t a_row;
	size_t run; /* this many pixels are a_row apart, then the next line or image begins */
	bool sums;  /* sums are kept in scratch until the epilogue has run */
	size_t sums_row;
	size_t sums_rows; /* 0: for all rows of a task; else some at a time */
	bool turn;        /* sums are transposed on their way to a channels-first output */
	size_t turn_run;  /* pixels that lie side by side in it */
} plan;

/* Every tap lies inside the image. */
static bool no_padding(const conv_window *w)
{
	for (int a = 0; a < 3; a++) {
		const ptrdiff_t last =
			(ptrdiff_t)((w->out[a] - 1) * w->stride[a] + (w->kernel[a] - 1) * w->dilation[a]);
		if (w->pad[a] > 0 || last - w->pad[a] >= (ptrdiff_t)w->in[a])
			return false;
	}
	return true;
}

static void plan_direct(plan *g)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	const size_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
	g->direct = false;
	if (taps != 1 || g->in_channel != 1 || w->in_ring || g->m == 0 || !no_padding(w))
		return;
	g->a_row = p->in.axis[PIXEL] * (ptrdiff_t)w->stride[PIXEL];
	g->run = w->out[PIXEL];
	const size_t extent[3] = { g->lines, w->out[DEPTH], p->batch };
	const ptrdiff_t step[3] = { p->in.axis[ROW] * (ptrdiff_t)w->stride[ROW],
				    p->in.axis[DEPTH] * (ptrdiff_t)w->stride[DEPTH], p->in.batch };
	for (int i = 0; i < 3; i++) {
		if (extent[i] > 1 && step[i] != g->a_row * (ptrdiff_t)g->run)
			break;
		g->run *= extent[i];
	}
	/* Rows a multiple of 4 KiB apart share one set of the first-level cache: better copied. */
	const bool collide = g->a_row % 1024 == 0 && g->k > 64 && !p->in_block;
	g->direct = !collide && (g->run >= TILE_ROWS || g->run == g->m);
}

/* The whole kernel, or a zone's rows and columns of taps. */
static void plan_stretches(plan *g, const span *row, const span *column)
{
	const size_t *kernel = g->p->weights.kernel, channels = g->p->weights.in_channels;
	g->packed_k = g->stretch_k = g->k;
	g->stretches = 1;
	if (row) {
		g->packed_k = channels * kernel[DEPTH] * kernel[ROW] * kernel[PIXEL];
		g->packed_step = channels * kernel[PIXEL];
		g->packed_first = row->tap * g->packed_step + column->tap * channels;
		g->stretches = row->taps;
		g->stretch_k = column->taps * channels;
	}
	g->block = k_block(g->stretch_k);
}

/* row, column: of a zone, else NULL. */
static plan plan_of(const conv_params *p, const span *row, const span *column)
{
	plan g = { .p = p };
	const conv_window *w = &p->window;
	const weights_shape *s = &p->weights;
	g.lines = w->row_end - w->row_begin;
	g.m = p->batch * w->out[DEPTH] * g.lines * w->out[PIXEL];
	g.n = s->out_channels;
	g.k = s->in_channels * w->kernel[0] * w->kernel[1] * w->kernel[2];
	plan_stretches(&g, row, column);
	g.in_channel = p->in_channel ? p->in_channel : 1;
	plan_direct(&g);
	g.cut = product_cut(g.m, g.n, g.k, s->groups, TILE_ROWS, g.direct ? 32 : 64, p->hint.size);
	const uint32_t flags = p->epilogue.flags;
	g.turn = p->out_channel != 0 && p->out_channel != 1;
	g.turn_run = w->out[PIXEL];
	if (p->out.axis[PIXEL] == 1 && p->out.axis[ROW] == (ptrdiff_t)w->out[PIXEL] && !w->out_ring &&
	    !(flags & EPILOGUE_PROGRAM))
		g.turn_run *= g.lines;
	const bool once = g.stretches == 1 && g.block >= g.k; /* else sums wait for what is added to them */
	g.sums = flags & EPILOGUE_PROGRAM || (flags & EPILOGUE_RESIDUAL && !once) || g.turn;
	const size_t cols = size_min(g.cut.cols + VEC, g.n);
	g.sums_row = div_up(cols, VEC) * VEC;
	if (g.sums && !g.turn && once && product_by_rows(g.k, cols, p->hint.pass))
		g.sums_rows = product_done_rows(cols);
	return g;
}

static size_t task_count(const plan *g)
{
	return g->p->weights.groups * g->cut.row_tasks * g->cut.col_tasks;
}

/* Parts of scratch. */
typedef struct work {
	float **out; /* where each row of the task is written */
	const float **residual;
	collector collector;
	float *a; /* collected rows */
	size_t a_row;
	float *sums;
	float *turned; /* sums of a line, channels first, for the program */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const uint32_t flags = g->p->epilogue.flags;
	w.out = scratch_part(scratch, &w.bytes, size_max(g->cut.rows, g->sums_rows) * sizeof(float *));
	if (flags & EPILOGUE_RESIDUAL)
		w.residual = scratch_part(scratch, &w.bytes, g->cut.rows * sizeof(float *));
	w.a_row = collected_row(g->block);
	if (!g->direct) {
		w.a = scratch_part(scratch, &w.bytes, g->cut.rows * w.a_row * sizeof(float));
		w.collector = collector_make(g->p, scratch, &w.bytes);
	}
	if (g->sums)
		w.sums = scratch_part(scratch, &w.bytes,
				      (g->sums_rows ? g->sums_rows : g->cut.rows) * g->sums_row *
					      sizeof(float));
	if (g->turn && (flags & EPILOGUE_PROGRAM || g->p->out.axis[PIXEL] != 1))
		w.turned = scratch_part(scratch, &w.bytes,
					size_min(g->cut.rows, g->turn_run) * g->sums_row * sizeof(float));
	if (g->sums) /* an empty program copies */
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	return w;
}

static pixel pixel_of(const plan *g, size_t m)
{
	const size_t width = g->p->window.out[PIXEL];
	pixel at = line_at(&g->p->window, m / width);
	at.x = m % width;
	return at;
}

/* What the epilogue needs to know of a task while some of its rows are done. */
typedef struct some_rows {
	const plan *g;
	void *const *args;
	size_t begin; /* the product's first row */
	size_t channel, cols;
	const work *w;
} some_rows;

/* Multiplies the rows [begin, end) where the image itself is the left side, from channel k on. */
static void multiply_direct(const plan *g, const float *in, size_t begin, size_t end, size_t k, product *prod)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	float *const *out = prod->out;
	const float *const *residual = prod->residual;
	for (size_t m = begin; m < end;) {
		const size_t count = size_min(end - m, g->run - m % g->run);
		const pixel at = pixel_of(g, m);
		prod->a = in + (ptrdiff_t)at.n * p->in.batch + first_tap(w, DEPTH, at.z) * p->in.axis[DEPTH] +
			  first_tap(w, ROW, at.y) * p->in.axis[ROW] +
			  first_tap(w, PIXEL, at.x) * p->in.axis[PIXEL] + channel_offset(p->in_block, k);
		prod->a_block = p->in_block;
		prod->a_row = g->a_row;
		prod->rows = count;
		prod->prefetch = p->in_block == 0;
		if (prod->done)
			((some_rows *)prod->context)->begin = m;
		else
			prod->out = out + (m - begin);
		prod->residual = residual ? residual + (m - begin) : NULL;
		product_run(prod);
		m += count;
	}
	prod->out = out;
	prod->residual = residual;
}

static void multiply(const plan *g, const float *in, size_t begin, size_t end, product *prod, work *w)
{
	for (size_t i = 0; i < g->stretches; i++)
		for (size_t k = 0; k < g->stretch_k || k == 0; k += g->block) {
			const size_t count = size_min(g->block, g->stretch_k - k), at = i * g->stretch_k + k;
			prod->k_begin = g->packed_first + i * g->packed_step + k;
			prod->k_count = count;
			prod->first = at == 0;
			prod->last = at + count == g->k;
			if (g->direct) {
				multiply_direct(g, in, begin, end, at, prod);
				continue;
			}
			collector_image(&w->collector, in);
			collect(&w->collector, pixel_of(g, begin), end - begin, at, at + count, w->a,
				w->a_row);
			prod->a = w->a;
			prod->a_row = (ptrdiff_t)w->a_row;
			prod->rows = end - begin;
			product_run(prod);
		}
}

/* The same where the output is channels-first: transposes, then runs the program if there is one. */
static void finish_turned(const plan *g, void *const *args, size_t begin, size_t end, size_t channel,
			  size_t cols, const work *w)
{
	const conv_params *p = g->p;
	for (size_t m = begin; m < end;) {
		const size_t count = size_min(end - m, g->turn_run - m % g->turn_run);
		const pixel at = pixel_of(g, m);
		const size_t position[5] = { at.n, at.z, at.y, at.x, channel };
		float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, &at) +
			     (ptrdiff_t)channel * p->out_channel;
		transpose_floats(w->sums + (m - begin) * g->sums_row, (ptrdiff_t)g->sums_row,
				 w->turned ? w->turned : out, w->turned ? (ptrdiff_t)count : p->out_channel,
				 cols, count);
		const bool spread = p->out.axis[PIXEL] != 1;
		if (p->epilogue.flags & EPILOGUE_PROGRAM)
			epilogue_run_along(&p->epilogue, args, CONV_OPERANDS, 5, position, 4, 3, cols, count,
					   w->turned, (ptrdiff_t)count, spread ? w->turned : out,
					   spread ? (ptrdiff_t)count : p->out_channel, w->program);
		for (size_t c = 0; spread && c < cols; c++)
			for (size_t x = 0; x < count; x++)
				out[(ptrdiff_t)c * p->out_channel + (ptrdiff_t)x * p->out.axis[PIXEL]] =
					w->turned[c * count + x];
		m += count;
	}
}

/* The same where the output's channels lie in blocks. channel: of the first column. */
static void finish_blocks(const plan *g, void *const *args, const pixel *at, size_t count, size_t channel,
			  size_t cols, const float *sums, const work *w)
{
	const conv_params *p = g->p;
	float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, at);
	for (size_t c = 0; c < cols; c += VEC) {
		const size_t position[6] = { at->n, at->z, at->y, at->x, (channel + c) / VEC, 0 };
		epilogue_run_along(&p->epilogue, args, CONV_OPERANDS, 6, position, 3, 5, count, VEC, sums + c,
				   (ptrdiff_t)g->sums_row, out + channel_offset(p->out_block, channel + c),
				   p->out.axis[PIXEL], w->program);
	}
}

/* Runs the program from the sums in scratch to the output, line by line. */
static void finish(const plan *g, void *const *args, size_t begin, size_t end, size_t channel, size_t cols,
		   const work *w)
{
	const conv_params *p = g->p;
	pixel at = pixel_of(g, begin);
	for (size_t m = begin; m < end;) {
		const size_t count = size_min(end - m, p->window.out[PIXEL] - at.x);
		const size_t position[5] = { at.n, at.z, at.y, at.x, channel };
		const float *sums = w->sums + (m - begin) * g->sums_row;
		float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, &at) + channel;
		if (p->out_block)
			finish_blocks(g, args, &at, count, channel, cols, sums, w);
		else
			epilogue_run(&p->epilogue, args, CONV_OPERANDS, 5, position, count, cols, sums,
				     (ptrdiff_t)g->sums_row, out, p->out.axis[PIXEL], w->program);
		m += count;
		at.x += count - 1;
		pixel_next(&g->p->window, &at);
	}
}

static void finish_rows(void *context, size_t row, size_t rows)
{
	const some_rows *s = context;
	finish(s->g, s->args, s->begin + row, s->begin + row + rows, s->channel, s->cols, s->w);
}

/* Where the rows [begin, end) are written and what is added to them. channel: the group's first. */
static void place_rows(const plan *g, void *const *args, size_t begin, size_t end, size_t channel,
		       const work *w)
{
	const conv_params *p = g->p;
	const size_t width = p->window.out[PIXEL], sums = g->sums_rows ? g->sums_rows : end - begin;
	for (size_t i = 0; g->sums && i < sums; i++)
		w->out[i] = w->sums + i * g->sums_row;
	if (g->sums && !w->residual)
		return;
	for (size_t m = begin; m < end;) {
		const pixel at = pixel_of(g, m);
		const size_t line_end = size_min(end, m + width - at.x);
		float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, &at) +
			     channel_offset(p->out_block, channel);
		const float *residual = w->residual ? (const float *)args[CONV_RESIDUAL] +
							      residual_offset(&p->epilogue, &at) +
							      channel_offset(residual_block(p), channel)
						    : NULL;
		const ptrdiff_t step = p->out.axis[PIXEL], residual_step = p->epilogue.residual[3];
		for (; m < line_end; m++) {
			if (!g->sums)
				w->out[m - begin] = out;
			if (residual)
				w->residual[m - begin] = residual;
			out += step;
			residual = residual ? residual + residual_step : NULL;
		}
	}
}

static void run_task(const plan *g, void *const *args, size_t task, work *w)
{
	const conv_params *p = g->p;
	const uint32_t flags = p->epilogue.flags;
	const size_t col_task = task % g->cut.col_tasks,
		     row_task = task / g->cut.col_tasks % g->cut.row_tasks;
	const size_t group = task / g->cut.col_tasks / g->cut.row_tasks;
	const size_t begin = row_task * g->cut.rows, end = size_min(g->m, begin + g->cut.rows);
	const size_t col = col_task * g->cut.cols;
	const size_t col_end = col_task + 1 == g->cut.col_tasks ? g->n : col + g->cut.cols;
	const size_t channel = group * g->n;

	some_rows rows_done = { g, args, begin, channel + col, col_end - col, w };
	place_rows(g, args, begin, end, channel, w);
	product prod = {
		.packed = (const float *)args[CONV_WEIGHTS] + group * packed_floats(g->n, g->packed_k),
		.n = g->n,
		.packed_k = g->packed_k,
		.col_begin = col,
		.col_end = col_end,
		.chain = longest_chain(g->k),
		.pass = p->hint.pass,
		.out = w->out,
		.out_col = g->sums ? col : 0,
		.out_block = g->sums ? 0 : p->out_block,
		.residual_block = residual_block(p),
		.residual = flags & EPILOGUE_RESIDUAL ? w->residual : NULL,
		.clamp = flags & EPILOGUE_CLAMP,
		.min = p->epilogue.min,
		.max = p->epilogue.max,
		.done = g->sums_rows ? finish_rows : NULL,
		.context = &rows_done,
		.done_rows = g->sums_rows,
	};
	const size_t in_channel = group * p->weights.in_channels;
	const float *in =
		(const float *)args[CONV_IN] + (p->in_block ? channel_offset(p->in_block, in_channel)
							    : (ptrdiff_t)in_channel * g->in_channel);
	multiply(g, in, begin, end, &prod, w);
	if (g->turn)
		finish_turned(g, args, begin, end, channel + col, col_end - col, w);
	else if (g->sums && !g->sums_rows)
		finish(g, args, begin, end, channel + col, col_end - col, w);
}

static void run_tasks(const plan *g, void *const *args, size_t begin, size_t end, void *scratch)
{
	work w = work_of(g, scratch);
	for (size_t task = begin; task < end; task++)
		run_task(g, args, task, &w);
}

/* ---- The kernel: zone by zone, where that saves taps ---- */

typedef struct zone {
	const span *row, *column;
	conv_params p;
	plan plan;
} zone;

static void zone_at(const conv_params *p, const zones *z, size_t index, zone *to)
{
	to->row = &z->row[index / z->columns];
	to->column = &z->column[index % z->columns];
	to->p = zone_params(p, to->row, to->column);
	to->plan = plan_of(&to->p, to->row, to->column);
}

static size_t conv_tasks(const void *params)
{
	const zones z = zones_of(params);
	if (z.rows == 0) {
		const plan g = plan_of(params, NULL, NULL);
		return task_count(&g);
	}
	size_t tasks = 0;
	for (size_t i = 0; i < z.rows * z.columns; i++) {
		zone one;
		zone_at(params, &z, i, &one);
		tasks += task_count(&one.plan);
	}
	return tasks;
}

static size_t conv_scratch(const void *params)
{
	const zones z = zones_of(params);
	if (z.rows == 0) {
		const plan g = plan_of(params, NULL, NULL);
		return work_of(&g, NULL).bytes;
	}
	size_t bytes = 0;
	for (size_t i = 0; i < z.rows * z.columns; i++) {
		zone one;
		zone_at(params, &z, i, &one);
		bytes = size_max(bytes, work_of(&one.plan, NULL).bytes);
	}
	return bytes;
}

static void conv_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const conv_params *p = params;
	const zones z = zones_of(p);
	if (z.rows == 0) {
		const plan g = plan_of(p, NULL, NULL);
		run_tasks(&g, args, begin, end, scratch);
		return;
	}
	for (size_t i = 0, first = 0; i < z.rows * z.columns && first < end; i++) {
		zone one;
		void *zone_operands[CONV_OPERANDS + EPILOGUE_MAX_OPERANDS];
		zone_at(p, &z, i, &one);
		const size_t beyond = first + task_count(&one.plan);
		if (begin < beyond) {
			zone_args(p, one.row, one.column, args, zone_operands);
			run_tasks(&one.plan, zone_operands, size_max(begin, first) - first,
				  size_min(end, beyond) - first, scratch);
		}
		first = beyond;
	}
}

static bool conv_supports(const void *params)
{
	const conv_params *p = params;
	if (!whole_blocks(p) || (p->in_block && (p->in_channel | 1) != 1))
		return false;
	return (p->out_channel | 1) == 1 ||
	       (!p->out_block && !(p->epilogue.flags & EPILOGUE_RESIDUAL));
}

extern const compute_kernel ISA(conv_f32);
const compute_kernel ISA(conv_f32) = { "conv_f32", sizeof(conv_params), conv_tasks, conv_scratch,
				       conv_run,   conv_supports };
