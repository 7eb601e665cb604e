/* Convolution as a product: rows are output pixels, columns output channels, k runs over taps and input
 * channels. A 1x1 convolution multiplies the image as it lies; others first collect the taps of a block of
 * pixels into scratch, which costs about 2 / columns of the product's time and makes pads, dilation and rings
 * a matter of copying. */
#include "conv.h"

#include "conv/results.h"
#include "conv/zones.h"
#include "program/run.h"

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

/* Few channels (the first layer of a network): the taps of a pixel are a run in each of some copied lines, and
 * runs of neighbours overlap, so that nothing has to be collected. */
static void plan_kept(plan *g)
{
	const conv_params *p = g->p;
	const size_t run = p->window.kernel[PIXEL] * p->weights.in_channels;
	g->kept = !g->direct && g->stretches == 1 && g->block >= g->k && p->weights.groups == 1 && run >= MAX_VECTORS &&
		  collector_keeps(p);
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

/* A task computes all groups of some rows, whose sums the second-level cache holds: a dense matrix for each
 * group. */
static void plan_interleaved(plan *g)
{
	const size_t groups = g->p->weights.groups;
	g->columns = g->n * groups;
	g->cut = product_cut(g->m, g->columns, g->k, 1, TILE_ROWS, g->direct ? 32 : 64, g->p->hint.size);
	g->cut.cols = div_up(g->n, PANEL) * PANEL;
	g->cut.col_tasks = 1;
	const size_t most = size_max(1, 32768 / size_max(1, g->columns) / TILE_ROWS) * TILE_ROWS;
	g->cut.rows = size_min(g->cut.rows, most);
	g->cut.row_tasks = div_up(g->m, g->cut.rows);
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
	plan_kept(&g);
	g.cut = product_cut(g.m, g.n, g.k, s->groups, TILE_ROWS, g.direct ? 32 : 64, p->hint.size);
	const uint32_t flags = p->epilogue.flags;
	g.interleave = p->out_group != 0;
	g.turn = !g.interleave && p->out_channel != 0 && p->out_channel != 1;
	g.turn_run = w->out[PIXEL];
	if (p->out.axis[PIXEL] == 1 && p->out.axis[ROW] == (ptrdiff_t)w->out[PIXEL] && !w->out_ring &&
	    !(flags & EPILOGUE_PROGRAM))
		g.turn_run *= g.lines;
	const bool once = g.stretches == 1 && g.block >= g.k; /* else sums wait for what is added to them */
	g.sums = flags & EPILOGUE_PROGRAM || (flags & EPILOGUE_RESIDUAL && !once) || g.turn || g.interleave ||
		 p->out_run;
	g.columns = size_min(g.cut.cols + VEC, g.n);
	if (g.interleave)
		plan_interleaved(&g);
	g.sums_row = g.interleave ? g.n : div_up(g.columns, VEC) * VEC;
	if (g.sums && !g.turn && !g.interleave && once && product_by_rows(g.k, g.columns, p->hint.pass))
		g.sums_rows = product_done_rows(g.columns);
	return g;
}

static size_t task_count(const plan *g)
{
	return (g->interleave ? 1 : g->p->weights.groups) * g->cut.row_tasks * g->cut.col_tasks;
}

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const uint32_t flags = g->p->epilogue.flags;
	w.out = scratch_part(scratch, &w.bytes, size_max(g->cut.rows, g->sums_rows) * sizeof(float *));
	if (flags & EPILOGUE_RESIDUAL)
		w.residual = scratch_part(scratch, &w.bytes, g->cut.rows * sizeof(float *));
	w.a_row = collected_row(g->block);
	if (!g->direct && !g->kept)
		w.a = scratch_part(scratch, &w.bytes, g->cut.rows * w.a_row * sizeof(float));
	if (!g->direct)
		w.collector = collector_make(g->p, g->kept, scratch, &w.bytes);
	if (g->sums)
		w.sums = scratch_part(scratch, &w.bytes,
				      (g->sums_rows ? g->sums_rows : g->cut.rows) *
					      size_max(g->sums_row, g->columns) * sizeof(float));
	if (g->interleave && flags & EPILOGUE_PROGRAM)
		w.turned = scratch_part(scratch, &w.bytes,
					size_min(g->cut.rows, g->p->window.out[PIXEL]) * g->columns *
						sizeof(float));
	if (g->turn && (flags & EPILOGUE_PROGRAM || g->p->out.axis[PIXEL] != 1))
		w.turned = scratch_part(scratch, &w.bytes,
					size_min(g->cut.rows, g->turn_run) * g->sums_row * sizeof(float));
	if (g->sums) /* an empty program copies */
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	return w;
}

/* The next `count` rows, from row m on, of those that begin with `begin`. out, residual: of that one. */
static void multiply_some(product *prod, size_t begin, size_t m, size_t count, float *const *out,
			  const float *const *residual)
{
	prod->rows = count;
	if (prod->done)
		((results *)prod->context)->begin = m;
	else
		prod->out = out + (m - begin);
	prod->residual = residual ? residual + (m - begin) : NULL;
	product_run(prod);
}

/* Multiplies the rows [begin, end) from kept lines, line by line. */
static void multiply_kept(const plan *g, const float *in, size_t begin, size_t end, product *prod, work *w)
{
	const size_t channels = g->p->weights.in_channels, width = g->p->window.out[PIXEL];
	float *const *out = prod->out;
	const float *const *residual = prod->residual;
	collector_image(&w->collector, in);
	prod->a_row = (ptrdiff_t)(g->p->window.stride[PIXEL] * channels);
	prod->a_block = (ptrdiff_t)w->collector.line_floats;
	prod->a_run = g->p->window.kernel[PIXEL] * channels;
	/* What the first layer rounds off, all others see: PP-OCRv4's detector misses 1e-5 of the largest output
	 * with chains of 27 (1.04e-5; with these 8.1e-6). They cost 4 % of the layer. */
	prod->chain = prod->a_run;
	for (size_t m = begin; m < end;) {
		const pixel at = pixel_of(g, m);
		const size_t count = size_min(end - m, width - at.x);
		prod->a = collected_lines(&w->collector, &at);
		multiply_some(prod, begin, m, count, out, residual);
		m += count;
	}
	prod->out = out;
	prod->residual = residual;
}

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
		prod->prefetch = p->in_block == 0 && product_far(g->m, g->k);
		multiply_some(prod, begin, m, count, out, residual);
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
			if (g->kept) {
				multiply_kept(g, in, begin, end, prod, w);
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

static void write_rows(void *context, size_t row, size_t rows)
{
	results r = *(const results *)context;
	r.begin += row;
	r.end = r.begin + rows;
	results_write(&r);
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

/* A group's columns [col, col_end) of the rows of r; sums go to the columns of scratch from `sums` on. */
static void run_group(results *r, size_t group, size_t col, size_t col_end, size_t sums, work *w)
{
	const plan *g = r->g;
	const conv_params *p = g->p;
	const uint32_t flags = p->epilogue.flags;
	product prod = {
		.packed = (const float *)r->args[CONV_WEIGHTS] + group * packed_floats(g->n, g->packed_k),
		.n = g->n,
		.packed_k = g->packed_k,
		.col_begin = col,
		.col_end = col_end,
		.chain = longest_chain(g->k, g->p->chain),
		.pass = p->hint.pass,
		.out = w->out,
		.out_col = g->sums ? col : 0,
		.out_block = g->sums ? 0 : p->out_block,
		.residual_block = residual_block(p),
		.residual = flags & EPILOGUE_RESIDUAL ? w->residual : NULL,
		.clamp = flags & EPILOGUE_CLAMP,
		.min = p->epilogue.min,
		.max = p->epilogue.max,
		.done = g->sums_rows ? write_rows : NULL,
		.context = r,
		.done_rows = g->sums_rows,
	};
	const size_t in_channel = group * p->weights.in_channels;
	const float *in = (const float *)r->args[CONV_IN];
	in += p->in_group   ? (ptrdiff_t)group * p->in_group
	      : p->in_block ? channel_offset(p->in_block, in_channel)
			    : (ptrdiff_t)in_channel * g->in_channel;
	const size_t begin = r->begin;
	place_rows(g, r->args, begin, r->end, group * g->n, w);
	for (size_t i = 0; sums && i < r->end - begin; i++)
		w->out[i] += sums;
	multiply(g, in, begin, r->end, &prod, w);
	r->begin = begin;
}

static void run_task(const plan *g, void *const *args, size_t task, work *w)
{
	const size_t col_task = task % g->cut.col_tasks,
		     row_task = task / g->cut.col_tasks % g->cut.row_tasks;
	const size_t group = task / g->cut.col_tasks / g->cut.row_tasks;
	const size_t begin = row_task * g->cut.rows, end = size_min(g->m, begin + g->cut.rows);
	const size_t col = col_task * g->cut.cols;
	const size_t col_end = col_task + 1 == g->cut.col_tasks ? g->n : col + g->cut.cols;
	results r = { g, args, begin, end, group * g->n + col, col_end - col, w };
	if (g->interleave) {
		for (size_t i = 0; i < g->p->weights.groups; i++)
			run_group(&r, i, 0, g->n, i * g->cut.rows * g->n, w);
		results_interleave(&r);
		return;
	}
	run_group(&r, group, col, col_end, 0, w);
	if (g->turn)
		results_turn(&r);
	else if (g->sums && !g->sums_rows)
		results_write(&r);
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
	if (!whole_runs(p) || !whole_blocks(p) || (p->in_block && ((p->in_channel | 1) != 1 || p->in_group)))
		return false;
	if (p->out_group)
		return p->out_group == 1 && p->out_channel == (ptrdiff_t)p->weights.groups && !p->out_block &&
		       !(p->epilogue.flags & EPILOGUE_RESIDUAL);
	return (p->out_channel | 1) == 1 || (!p->out_block && !(p->epilogue.flags & EPILOGUE_RESIDUAL));
}

extern const compute_kernel ISA(conv_f32);
const compute_kernel ISA(conv_f32) = { "conv_f32", sizeof(conv_params), conv_tasks, conv_scratch,
				       conv_run,   conv_supports };
