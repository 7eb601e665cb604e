/* Interpolation, separable. For each output line the input lines that it depends on are blended into scratch,
 * then each pixel blends its columns from there. With one tap along depth and row the input line is used as
 * it lies. */
#include "conv/spatial.h"
#include "program/run.h"

typedef struct plan {
	const resize_params *p;
	size_t lines, line_step;
	bool blend; /* lines are blended into scratch */
} plan;

static plan plan_of(const resize_params *p)
{
	plan g = { .p = p, .lines = p->batch * p->out[DEPTH] * p->out[ROW] };
	g.line_step = size_max(1, 16384 / size_max(1, p->out[PIXEL] * p->channels));
	g.blend = p->taps[DEPTH] * p->taps[ROW] > 1;
	return g;
}

static size_t resize_tasks(const void *params)
{
	const plan g = plan_of(params);
	return div_up(g.lines, g.line_step);
}

typedef struct work {
	float *line;    /* blended */
	float *outside; /* one pixel of the constant */
	float *results; /* of a line, for the program */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const resize_params *p = g->p;
	if (g->blend)
		w.line = scratch_part(scratch, &w.bytes, p->in[PIXEL] * p->channels * sizeof(float));
	w.outside = scratch_part(scratch, &w.bytes, p->channels * sizeof(float));
	if (p->epilogue.flags & EPILOGUE_PROGRAM) {
		w.results = scratch_part(scratch, &w.bytes, p->out[PIXEL] * p->channels * sizeof(float));
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
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
static void blend_lines(const plan *g, void *const *args, const float *in, size_t z, size_t y, float *line)
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
			const ptrdiff_t column = p->in_stride.axis[PIXEL];
			const size_t n = p->channels;
			if (column == (ptrdiff_t)n)
				blend_run(line, from, weight, p->in[PIXEL] * n, first);
			else
				for (size_t x = 0; x < p->in[PIXEL]; x++)
					blend_run(line + x * n, from + (ptrdiff_t)x * column, weight, n,
						  first);
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

static void run_line(const plan *g, void *const *args, size_t line, const work *w)
{
	const resize_params *p = g->p;
	const epilogue *e = &p->epilogue;
	const size_t y = line % p->out[ROW], z = line / p->out[ROW] % p->out[DEPTH];
	const size_t n = line / p->out[ROW] / p->out[DEPTH];
	const float *in = (const float *)args[RESIZE_IN] + (ptrdiff_t)n * p->in_stride.batch;
	float *out = (float *)args[RESIZE_OUT] + (ptrdiff_t)n * p->out_stride.batch +
		     (ptrdiff_t)z * p->out_stride.axis[DEPTH] + (ptrdiff_t)y * p->out_stride.axis[ROW];
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[RESIZE_RESIDUAL] + (ptrdiff_t)n * e->residual[0] +
			   (ptrdiff_t)z * e->residual[1] + (ptrdiff_t)y * e->residual[2];
	columns c = { .taps = p->taps[PIXEL] };
	/* Where a position lies outside: one tap of a pixel that holds the constant. */
	static const int32_t zero;
	const columns outside = { .line = w->outside, .index = &zero, .taps = 1 };
	const int32_t iz = ((const int32_t *)args[RESIZE_INDEX + DEPTH])[z * p->taps[DEPTH]];
	const int32_t iy = ((const int32_t *)args[RESIZE_INDEX + ROW])[y * p->taps[ROW]];
	const bool line_inside = iz >= 0 && iy >= 0;
	if (line_inside && g->blend) {
		blend_lines(g, args, in, z, y, w->line);
		c.line = w->line;
		c.pixel = (ptrdiff_t)p->channels;
	} else if (line_inside) {
		c.line = in + iz * p->in_stride.axis[DEPTH] + iy * p->in_stride.axis[ROW];
		c.pixel = p->in_stride.axis[PIXEL];
	}
	for (size_t x = 0; x < p->out[PIXEL]; x++) {
		c.index = (const int32_t *)args[RESIZE_INDEX + PIXEL] + x * c.taps;
		c.weight = (const float *)args[RESIZE_WEIGHT + PIXEL] + x * c.taps;
		const columns *from = line_inside && c.index[0] >= 0 ? &c : &outside;
		float *to = w->results ? w->results + x * p->channels
				       : out + (ptrdiff_t)x * p->out_stride.axis[PIXEL];
		blend_columns(from, to, p->channels,
			      residual ? residual + (ptrdiff_t)x * e->residual[3] : NULL, e);
	}
	if (w->results) {
		const size_t position[5] = { n, z, y, 0, 0 };
		epilogue_run(e, args, RESIZE_OPERANDS, 5, position, p->out[PIXEL], p->channels, w->results,
			     (ptrdiff_t)p->channels, out, p->out_stride.axis[PIXEL], w->program);
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

extern const compute_kernel ISA(resize_f32);
const compute_kernel ISA(resize_f32) = { "resize_f32", sizeof(resize_params), resize_tasks, resize_scratch,
					 resize_run };
