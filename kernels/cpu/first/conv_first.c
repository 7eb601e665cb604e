/* Channels-first convolution: out[channels][pixels] = weights[channels][k] * columns[k][pixels], where the
 * columns of some pixels (im2col) are gathered into panels of the same tile that the channels-last kernels
 * use. k runs over channels and, fastest, taps, as ONNX has the weights; after it goes one row of ones,
 * which meets the bias. */
#include "checked.h"
#include "conv/collect.h"
#include "first/every.h"
#include "gemm/block.h"
#include "program/run.h"

/* ---- Packing: for each output channel its k weights and its bias ---- */

static size_t taps_of(const weights_shape *s)
{
	return s->kernel[0] * s->kernel[1] * s->kernel[2];
}

static size_t weights_row(const weights_shape *s)
{
	return collected_row(1 + s->in_channels * taps_of(s));
}

static size_t pack_bytes(const weights_shape *s)
{
	size_t k = s->in_channels, channels, bytes;
	for (size_t i = 0; i < 3; i++)
		if (!size_mul(k, s->kernel[i], &k))
			return SIZE_MAX;
	/* collected_row adds less than 64. */
	if (!size_add(k, 64, &k) || !size_mul(s->groups, s->out_channels, &channels) ||
	    !size_mul(channels, k, &bytes) || !size_mul(bytes, sizeof(float), &bytes))
		return SIZE_MAX;
	return channels * weights_row(s) * sizeof(float);
}

static void pack(const weights_shape *s, const weights_source *source, void *packed)
{
	const size_t row = weights_row(s);
	memset(packed, 0, s->groups * s->out_channels * row * sizeof(float));
	for (size_t at = 0; at < s->groups * s->out_channels; at++) {
		const size_t q = source->out_index ? source->out_index[at] : at;
		const loose_float *from = source->data + (ptrdiff_t)(q / s->out_channels) * source->group +
				    (ptrdiff_t)(q % s->out_channels) * source->out;
		float *to = (float *)packed + at * row;
		for (size_t i = 0; i < s->in_channels; i++) {
			const size_t c = source->in_index ? source->in_index[i] : i;
			const loose_float *tap = from + (ptrdiff_t)c * source->in;
			for (size_t z = 0; z < s->kernel[0]; z++)
				for (size_t y = 0; y < s->kernel[1]; y++)
					for (size_t x = 0; x < s->kernel[2]; x++)
						*to++ = tap[(ptrdiff_t)z * source->tap[0] +
							    (ptrdiff_t)y * source->tap[1] +
							    (ptrdiff_t)x * source->tap[2]];
		}
		*to = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
	}
}

extern const weights_packing ISA(packing_first);
const weights_packing ISA(packing_first) = { "first", pack_bytes, pack };

/* ---- The plan: a task is a block of consecutive pixels by all channels of a group ---- */

#define MOST_COLUMNS 256

typedef struct plan {
	const conv_params *p;
	size_t n, k;  /* k with the row of ones */
	size_t block; /* of k */
	size_t run;   /* pixels that lie side by side in the output: lines of an image, or one line */
	size_t runs;
	size_t cols, blocks; /* columns of a task, tasks of a run */
	bool sums;
} plan;

static plan plan_of(const conv_params *p)
{
	plan g = { .p = p, .n = p->weights.out_channels };
	const conv_window *w = &p->window;
	const epilogue *e = &p->epilogue;
	const ptrdiff_t width = (ptrdiff_t)w->out[PIXEL];
	const size_t lines = w->row_end - w->row_begin;
	g.k = 1 + p->weights.in_channels * taps_of(&p->weights);
	g.block = k_block(g.k);
	const bool dense = p->out.axis[ROW] == width && !(e->flags & EPILOGUE_PROGRAM) &&
			   (!(e->flags & EPILOGUE_RESIDUAL) || e->residual[2] == width);
	g.run = dense ? w->out[PIXEL] * lines : w->out[PIXEL];
	g.runs = p->batch * w->out[DEPTH] * (dense ? lines > 0 : lines);
	/* Some 16 tasks, so that threads have something to share, of at least two panels. */
	const size_t total = g.run * g.runs * p->weights.groups;
	g.cols = size_max(2 * PANEL, div_up(total / 16, PANEL) * PANEL);
	g.cols = size_min(g.cols, MOST_COLUMNS);
	g.blocks = div_up(g.run, g.cols);
	g.sums = e->flags & EPILOGUE_PROGRAM || (e->flags & EPILOGUE_RESIDUAL && g.block < g.k);
	return g;
}

static size_t first_tasks(const void *params)
{
	const plan g = plan_of(params);
	return g.p->weights.groups * g.runs * g.blocks;
}

typedef struct work {
	float **out;
	const float **residual;
	float *panels;
	float *row; /* one row of columns */
	float *sums;
	size_t sums_row;
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0, .sums_row = div_up(g->cols, 16) * 16 };
	w.out = scratch_part(scratch, &w.bytes, g->n * sizeof *w.out);
	w.residual = scratch_part(scratch, &w.bytes, g->n * sizeof *w.residual);
	w.panels = scratch_part(scratch, &w.bytes, packed_floats(g->cols, g->block) * sizeof(float));
	w.row = scratch_part(scratch, &w.bytes, g->cols * sizeof(float));
	if (g->sums) {
		w.sums = scratch_part(scratch, &w.bytes, g->n * w.sums_row * sizeof(float));
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
	return w;
}

static size_t first_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

/* ---- Columns ---- */

/* What `count` output pixels of a line from x on read of an input line through tap t. */
static void gather_line(const conv_params *p, const float *line, size_t t, size_t x, size_t count, float *to)
{
	const conv_window *w = &p->window;
	const ptrdiff_t s = (ptrdiff_t)w->stride[PIXEL], in = (ptrdiff_t)w->in[PIXEL];
	const ptrdiff_t x0 = first_tap(w, PIXEL, x) + (ptrdiff_t)(t * w->dilation[PIXEL]);
	/* Of the pixels, [begin, end) read inside. */
	size_t begin = x0 < 0 ? (size_t)((-x0 + s - 1) / s) : 0;
	size_t end = x0 < in ? (size_t)((in - x0 + s - 1) / s) : 0;
	end = size_min(end, count);
	begin = size_min(begin, end);
	memset(to, 0, begin * sizeof(float));
	memset(to + end, 0, (count - end) * sizeof(float));
	if (begin == end)
		return;
	copy_every(to + begin, line + x0 + (ptrdiff_t)begin * s, (size_t)s, end - begin);
}

/* Row k of the columns of `cols` pixels from `at` on. in: the first channel of the group. */
static void gather_row(const plan *g, const float *in, pixel at, size_t k, size_t cols, float *to)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	const size_t taps = taps_of(&p->weights), channel = k / taps, tap = k % taps;
	const size_t tx = tap % w->kernel[PIXEL], ty = tap / w->kernel[PIXEL] % w->kernel[ROW];
	const size_t tz = tap / w->kernel[PIXEL] / w->kernel[ROW];
	const ptrdiff_t z = first_tap(w, DEPTH, at.z) + (ptrdiff_t)(tz * w->dilation[DEPTH]);
	in += (ptrdiff_t)at.n * p->in.batch + (ptrdiff_t)channel * p->in_channel + z * p->in.axis[DEPTH];
	while (cols > 0) {
		const size_t count = size_min(cols, w->out[PIXEL] - at.x);
		const ptrdiff_t y = first_tap(w, ROW, at.y) + (ptrdiff_t)(ty * w->dilation[ROW]);
		if (z >= 0 && z < (ptrdiff_t)w->in[DEPTH] && y >= 0 && y < (ptrdiff_t)w->in[ROW])
			gather_line(p, in + y * p->in.axis[ROW], tx, at.x, count, to);
		else
			memset(to, 0, count * sizeof(float));
		to += count;
		cols -= count;
		at.x = 0;
		at.y++;
	}
}

/* The rows [k, k + count) as panels. */
static void gather(const plan *g, const float *in, const pixel *at, size_t k, size_t count, size_t cols,
		   const work *w)
{
	for (size_t col = 0; col < cols; col = panel_next(cols, col))
		memset(w->panels + col * (count + 1), 0, panel_vectors(cols, col) * VEC * sizeof(float));
	for (size_t i = 0; i < count; i++) {
		if (k + i + 1 == g->k)
			for (size_t j = 0; j < cols; j++)
				w->row[j] = 1;
		else
			gather_row(g, in, *at, k + i, cols, w->row);
		for (size_t col = 0; col < cols; col = panel_next(cols, col)) {
			const size_t width = panel_vectors(cols, col) * VEC,
				     used = size_min(width, cols - col);
			float *to = w->panels + col * (count + 1) + (1 + i) * width;
			copy_floats(to, w->row + col, used);
			for (size_t j = used; j < width; j++)
				to[j] = 0;
		}
	}
}

/* ---- Tasks ---- */

typedef struct place {
	size_t group;
	pixel at;
	size_t cols;
} place;

static place place_of(const plan *g, size_t task)
{
	const conv_window *w = &g->p->window;
	const size_t first = task % g->blocks * g->cols, run = task / g->blocks % g->runs;
	const size_t lines = g->run / size_max(1, w->out[PIXEL]);
	place pl = { .group = task / g->blocks / g->runs, .cols = size_min(g->cols, g->run - first) };
	pl.at = line_at(w, run * lines + first / w->out[PIXEL]);
	pl.at.x = first % w->out[PIXEL];
	return pl;
}

static void run_task(const plan *g, void *const *args, size_t task, const work *w)
{
	const conv_params *p = g->p;
	const epilogue *e = &p->epilogue;
	const place pl = place_of(g, task);
	const size_t channel = pl.group * g->n, row = weights_row(&p->weights);
	float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, &pl.at) +
		     (ptrdiff_t)channel * p->out_channel;
	for (size_t i = 0; i < g->n; i++) {
		w->out[i] = g->sums ? w->sums + i * w->sums_row : out + (ptrdiff_t)i * p->out_channel;
		if (e->flags & EPILOGUE_RESIDUAL)
			w->residual[i] = (const float *)args[CONV_RESIDUAL] + residual_offset(e, &pl.at) +
					 (ptrdiff_t)(channel + i) * e->residual[4];
	}
	const float *in =
		(const float *)args[CONV_IN] + (ptrdiff_t)(pl.group * p->weights.in_channels) * p->in_channel;
	for (size_t k = 0; k < g->k; k += g->block) {
		const size_t count = size_min(g->block, g->k - k);
		gather(g, in, &pl.at, k, count, pl.cols, w);
		const product prod = {
			.a = (const float *)args[CONV_WEIGHTS] + channel * row + k,
			.a_row = (ptrdiff_t)row,
			.rows = g->n,
			.packed = w->panels,
			.packed_k = count,
			.n = pl.cols,
			.col_end = pl.cols,
			.k_count = count,
			.chain = longest_chain(g->k, g->p->chain),
			.first = k == 0,
			.last = k + count == g->k,
			.out = w->out,
			.residual = e->flags & EPILOGUE_RESIDUAL ? w->residual : NULL,
			.clamp = e->flags & EPILOGUE_CLAMP,
			.min = e->min,
			.max = e->max,
		};
		product_run(&prod);
	}
	if (g->sums) {
		/* With a program a run is one line; without one this only copies. */
		const size_t at[5] = { pl.at.n, pl.at.z, pl.at.y, pl.at.x, channel };
		epilogue_run_along(e, args, CONV_OPERANDS, 5, at, 4, 3, g->n, pl.cols, w->sums,
				   (ptrdiff_t)w->sums_row, out, p->out_channel, w->program);
	}
}

static void first_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params);
	const work w = work_of(&g, scratch);
	for (size_t task = begin; task < end; task++)
		run_task(&g, args, task, &w);
}

static bool first_supports(const void *params)
{
	const conv_params *p = params;
	return p->in.axis[PIXEL] == 1 && p->out.axis[PIXEL] == 1 && !p->window.in_ring &&
	       !p->window.out_ring && plain_channels(p) &&
	       (!(p->epilogue.flags & EPILOGUE_RESIDUAL) || p->epilogue.residual[3] == 1);
}

extern const compute_kernel ISA(conv_first_f32);
const compute_kernel ISA(conv_first_f32) = { "conv_first_f32", sizeof(conv_params), first_tasks,
					     first_scratch,    first_run,           first_supports };
