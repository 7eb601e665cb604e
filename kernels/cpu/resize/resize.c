/* Interpolation, separable. For each output line the input lines that it depends on are blended into scratch,
 * then each pixel blends its columns from there. With one tap along depth and row the input line is used as
 * it lies. Pixels are blended channels innermost: lines of a channels-first image are transposed once they
 * are blended, and results on their way to one. */
#include "conv/spatial.h"
#include "copy/transpose.h"
#include "program/run.h"

typedef struct plan {
	const resize_params *p;
	size_t lines, line_step;
	bool blend; /* lines are blended into scratch */
	bool in_first, out_first;
	size_t chunk; /* pixels of a line whose results are put together before they are transposed */
} plan;

static bool is_first(ptrdiff_t channel, size_t channels)
{
	return channel != 0 && channel != 1 && channels > 1;
}

static plan plan_of(const resize_params *p)
{
	plan g = { .p = p, .lines = p->batch * p->out[DEPTH] * p->out[ROW] };
	g.line_step = size_max(1, 16384 / size_max(1, p->out[PIXEL] * p->channels));
	g.blend = p->taps[DEPTH] * p->taps[ROW] > 1;
	g.in_first = is_first(p->in_channel, p->channels);
	g.out_first = is_first(p->out_channel, p->channels);
	g.chunk = p->out[PIXEL];
	if (g.out_first)
		g.chunk = size_min(g.chunk, size_max(64, 8192 / p->channels / 64 * 64));
	return g;
}

static size_t resize_tasks(const void *params)
{
	const plan g = plan_of(params);
	return div_up(g.lines, g.line_step);
}

typedef struct work {
	float *line;    /* blended, channels innermost */
	float *mixed;   /* blended, channels first */
	float *outside; /* one pixel of the constant */
	float *results; /* of a chunk */
	float *turned;  /* the same, channels first */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const resize_params *p = g->p;
	const size_t line_bytes = p->in[PIXEL] * p->channels * sizeof(float);
	const size_t chunk_bytes = g->chunk * p->channels * sizeof(float);
	const bool has_program = p->epilogue.flags & EPILOGUE_PROGRAM;
	if (g->blend || g->in_first)
		w.line = scratch_part(scratch, &w.bytes, line_bytes);
	if (g->blend && g->in_first)
		w.mixed = scratch_part(scratch, &w.bytes, line_bytes);
	w.outside = scratch_part(scratch, &w.bytes, p->channels * sizeof(float));
	if (has_program || g->out_first)
		w.results = scratch_part(scratch, &w.bytes, chunk_bytes);
	if (has_program && g->out_first)
		w.turned = scratch_part(scratch, &w.bytes, chunk_bytes);
	if (has_program)
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	return w;
}

static size_t resize_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

/* to = from * weight, or to += that. */
static void blend_run(float *to, const float *from, float weight, size_t n, bool first)
{
	const vec w = splat(weight);
	size_t i = 0;
	for (; i + VEC <= n; i += VEC) {
		const vec x = load(from + i);
		store(to + i, first ? x * w : x * w + load(to + i));
	}
	if (i < n) {
		const vec_tail t = tail_of(n - i);
		const vec x = load_tail(from + i, t);
		store_tail(to + i, first ? x * w : x * w + load_tail(to + i, t), t);
	}
}

/* Blends the input lines of output position (z, y). */
static void blend_lines(const plan *g, void *const *args, const float *in, size_t z, size_t y, float *to)
{
	const resize_params *p = g->p;
	const size_t tz = p->taps[DEPTH], ty = p->taps[ROW];
	const int32_t *iz = (const int32_t *)args[RESIZE_INDEX + DEPTH] + z * tz;
	const int32_t *iy = (const int32_t *)args[RESIZE_INDEX + ROW] + y * ty;
	const float *wz = (const float *)args[RESIZE_WEIGHT + DEPTH] + z * tz;
	const float *wy = (const float *)args[RESIZE_WEIGHT + ROW] + y * ty;
	bool first = true;
	for (size_t a = 0; a < tz; a++)
		for (size_t b = 0; b < ty; b++) {
			const float weight = (tz > 1 ? wz[a] : 1) * (ty > 1 ? wy[b] : 1);
			const float *from =
				in + iz[a] * p->in_stride.axis[DEPTH] + iy[b] * p->in_stride.axis[ROW];
			/* Runs of adjacent elements: pixels by channels, or channels by pixels. */
			const ptrdiff_t step = g->in_first ? p->in_channel : p->in_stride.axis[PIXEL];
			const size_t n = g->in_first ? p->in[PIXEL] : p->channels;
			const size_t runs = g->in_first ? p->channels : p->in[PIXEL];
			if (step == (ptrdiff_t)n)
				blend_run(to, from, weight, runs * n, first);
			else
				for (size_t i = 0; i < runs; i++)
					blend_run(to + i * n, from + (ptrdiff_t)i * step, weight, n, first);
			first = false;
		}
}

/* One output pixel from its columns. */
typedef struct columns {
	const float *line;
	ptrdiff_t pixel;
	const int32_t *index;
	const float *weight;
	size_t taps;
} columns;

static void blend_columns(const columns *c, float *to, size_t n, const float *residual, const epilogue *e)
{
	for (size_t i = 0; i < n; i += VEC) {
		const vec_tail tail = tail_of(size_min(VEC, n - i));
		vec v = load_tail(c->line + c->index[0] * c->pixel + i, tail);
		if (c->taps > 1) {
			v *= c->weight[0];
			for (size_t t = 1; t < c->taps; t++)
				v += load_tail(c->line + c->index[t] * c->pixel + i, tail) * c->weight[t];
		}
		if (residual)
			v += load_tail(residual + i, tail);
		if (e->flags & EPILOGUE_CLAMP)
			v = vec_clamp(v, splat(e->min), splat(e->max));
		store_tail(to + i, v, tail);
	}
}

/* The input line of output position (z, y), blended, channels innermost. */
static void find_line(const plan *g, void *const *args, const float *in, size_t z, size_t y, const work *w,
		      columns *c)
{
	const resize_params *p = g->p;
	const int32_t iz = ((const int32_t *)args[RESIZE_INDEX + DEPTH])[z * p->taps[DEPTH]];
	const int32_t iy = ((const int32_t *)args[RESIZE_INDEX + ROW])[y * p->taps[ROW]];
	const float *line = in + iz * p->in_stride.axis[DEPTH] + iy * p->in_stride.axis[ROW];
	c->line = g->blend || g->in_first ? w->line : line;
	c->pixel = g->blend || g->in_first ? (ptrdiff_t)p->channels : p->in_stride.axis[PIXEL];
	if (g->blend)
		blend_lines(g, args, in, z, y, g->in_first ? w->mixed : w->line);
	if (g->in_first)
		transpose_floats(g->blend ? w->mixed : line,
				 g->blend ? (ptrdiff_t)p->in[PIXEL] : p->in_channel, w->line,
				 (ptrdiff_t)p->channels, p->in[PIXEL], p->channels);
}

/* The results of `count` pixels from `at` (image, depth, row, pixel) on go from scratch to the output. */
static void finish(const plan *g, void *const *args, const pixel *at, size_t count, float *out, const work *w)
{
	const resize_params *p = g->p;
	const size_t position[5] = { at->n, at->z, at->y, at->x, 0 };
	if (!g->out_first) {
		epilogue_run(&p->epilogue, args, RESIZE_OPERANDS, 5, position, count, p->channels, w->results,
			     (ptrdiff_t)p->channels, out, p->out_stride.axis[PIXEL], w->program);
		return;
	}
	transpose_floats(w->results, (ptrdiff_t)p->channels, w->turned ? w->turned : out,
			 w->turned ? (ptrdiff_t)count : p->out_channel, p->channels, count);
	if (w->turned)
		epilogue_run_along(&p->epilogue, args, RESIZE_OPERANDS, 5, position, 4, 3, p->channels, count,
				   w->turned, (ptrdiff_t)count, out, p->out_channel, w->program);
}

static void run_line(const plan *g, void *const *args, size_t line, const work *w)
{
	const resize_params *p = g->p;
	const epilogue *e = &p->epilogue;
	pixel at = { .y = line % p->out[ROW], .z = line / p->out[ROW] % p->out[DEPTH] };
	at.n = line / p->out[ROW] / p->out[DEPTH];
	const float *in = (const float *)args[RESIZE_IN] + (ptrdiff_t)at.n * p->in_stride.batch;
	float *out = (float *)args[RESIZE_OUT] + (ptrdiff_t)at.n * p->out_stride.batch +
		     (ptrdiff_t)at.z * p->out_stride.axis[DEPTH] + (ptrdiff_t)at.y * p->out_stride.axis[ROW];
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[RESIZE_RESIDUAL] + residual_offset(e, &at);
	columns c = { .taps = p->taps[PIXEL] };
	/* Where a position lies outside: one tap of a pixel that holds the constant. */
	static const int32_t zero;
	const columns outside = { .line = w->outside, .index = &zero, .taps = 1 };
	const bool line_inside = ((const int32_t *)args[RESIZE_INDEX + DEPTH])[at.z * p->taps[DEPTH]] >= 0 &&
				 ((const int32_t *)args[RESIZE_INDEX + ROW])[at.y * p->taps[ROW]] >= 0;
	if (line_inside)
		find_line(g, args, in, at.z, at.y, w, &c);
	for (at.x = 0; at.x < p->out[PIXEL]; at.x += g->chunk) {
		const size_t count = size_min(g->chunk, p->out[PIXEL] - at.x);
		for (size_t i = 0; i < count; i++) {
			const size_t x = at.x + i;
			c.index = (const int32_t *)args[RESIZE_INDEX + PIXEL] + x * c.taps;
			c.weight = (const float *)args[RESIZE_WEIGHT + PIXEL] + x * c.taps;
			const columns *from = line_inside && c.index[0] >= 0 ? &c : &outside;
			float *to = w->results ? w->results + i * p->channels
					       : out + (ptrdiff_t)x * p->out_stride.axis[PIXEL];
			blend_columns(from, to, p->channels,
				      residual ? residual + (ptrdiff_t)x * e->residual[3] : NULL, e);
		}
		if (w->results)
			finish(g, args, &at, count, out + (ptrdiff_t)at.x * p->out_stride.axis[PIXEL], w);
	}
}

static void resize_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params);
	const work w = work_of(&g, scratch);
	for (size_t c = 0; c < g.p->channels; c++)
		w.outside[c] = g.p->outside;
	for (size_t line = begin * g.line_step; line < size_min(g.lines, end * g.line_step); line++)
		run_line(&g, args, line, &w);
}

static bool resize_supports(const void *params)
{
	const resize_params *p = params;
	const bool in_first = is_first(p->in_channel, p->channels),
		   out_first = is_first(p->out_channel, p->channels);
	return (!in_first || p->in_stride.axis[PIXEL] == 1) && (!out_first || p->out_stride.axis[PIXEL] == 1) &&
	       !(out_first && p->epilogue.flags & EPILOGUE_RESIDUAL);
}

extern const compute_kernel ISA(resize_f32);
const compute_kernel ISA(resize_f32) = { "resize_f32",   sizeof(resize_params), resize_tasks,
					 resize_scratch, resize_run,            resize_supports };
