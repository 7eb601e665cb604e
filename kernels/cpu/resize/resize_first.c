/* Interpolation of channels-first images, a line of one channel at a time: the input lines are blended as they
 * lie, then vectors of output pixels gather their columns from the result. */
#include "conv/spatial.h"
#include "program/run.h"

typedef struct plan {
	const resize_params *p;
	size_t height; /* output lines of a channel */
	size_t lines, line_step;
	size_t width; /* of the output, in whole vectors */
	bool blend;
} plan;

static plan plan_of(const resize_params *p)
{
	plan g = { .p = p, .height = p->out[DEPTH] * p->out[ROW] };
	g.lines = p->batch * p->channels * g.height;
	g.line_step = size_max(1, 16384 / size_max(1, p->out[PIXEL]));
	g.width = div_up(p->out[PIXEL], VEC) * VEC;
	g.blend = p->taps[DEPTH] * p->taps[ROW] > 1;
	return g;
}

static size_t resize_tasks(const void *params)
{
	const plan g = plan_of(params);
	return div_up(g.lines, g.line_step);
}

typedef struct work {
	float *line;     /* blended */
	int32_t *index;  /* [taps][width], 0 where the position is outside and beyond the last pixel */
	float *weight;   /* likewise */
	int32_t *inside; /* -1 or 0 for each pixel; NULL: all are */
	float *results;  /* of a line, for the program */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const resize_params *p = g->p;
	const size_t table = p->taps[PIXEL] * g->width;
	if (g->blend)
		w.line = scratch_part(scratch, &w.bytes, p->in[PIXEL] * sizeof *w.line);
	w.index = scratch_part(scratch, &w.bytes, table * sizeof *w.index);
	w.weight = scratch_part(scratch, &w.bytes, table * sizeof *w.weight);
	w.inside = scratch_part(scratch, &w.bytes, g->width * sizeof *w.inside);
	if (p->epilogue.flags & EPILOGUE_PROGRAM) {
		w.results = scratch_part(scratch, &w.bytes, g->width * sizeof *w.results);
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
	return w;
}

static size_t resize_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

/* The tables of columns with taps outermost. */
static void turn_tables(const plan *g, void *const *args, work *w)
{
	const resize_params *p = g->p;
	const size_t taps = p->taps[PIXEL], n = p->out[PIXEL];
	const int32_t *index = args[RESIZE_INDEX + PIXEL];
	const float *weight = args[RESIZE_WEIGHT + PIXEL];
	bool all = true;
	for (size_t x = 0; x < g->width; x++) {
		const bool inside = x < n && index[x * taps] >= 0;
		all &= inside || x >= n;
		w->inside[x] = inside ? -1 : 0;
		for (size_t t = 0; t < taps; t++) {
			w->index[t * g->width + x] = inside ? index[x * taps + t] : 0;
			w->weight[t * g->width + x] = inside && taps > 1 ? weight[x * taps + t] : 0;
		}
	}
	if (all)
		w->inside = NULL;
}

ALWAYS_INLINE vec gather(const float *from, const int32_t *index)
{
#if defined(__AVX512F__)
	return (vec)_mm512_i32gather_ps(_mm512_loadu_si512(index), from, 4);
#elif defined(__AVX2__)
	return (vec)_mm256_i32gather_ps(from, _mm256_loadu_si256((const __m256i *)index), 4);
#else
	vec v;
	for (int i = 0; i < VEC; i++)
		v[i] = from[index[i]];
	return v;
#endif
}

/* to = from * weight, or to += that. */
static void blend_run(float *to, const float *from, float weight, size_t n, bool first)
{
	const vec w = splat(weight);
	for (size_t i = 0; i < n; i += VEC) {
		const vec_tail t = tail_of(size_min(VEC, n - i));
		const vec x = load_tail(from + i, t);
		store_tail(to + i, first ? x * w : x * w + load_tail(to + i, t), t);
	}
}

/* The line that output line (z, y) of a channel takes its columns from; NULL: all is outside. */
static const float *find_line(const plan *g, void *const *args, const float *in, size_t z, size_t y,
			      const work *w)
{
	const resize_params *p = g->p;
	const size_t tz = p->taps[DEPTH], ty = p->taps[ROW];
	const int32_t *iz = (const int32_t *)args[RESIZE_INDEX + DEPTH] + z * tz;
	const int32_t *iy = (const int32_t *)args[RESIZE_INDEX + ROW] + y * ty;
	const float *wz = (const float *)args[RESIZE_WEIGHT + DEPTH] + z * tz;
	const float *wy = (const float *)args[RESIZE_WEIGHT + ROW] + y * ty;
	if (iz[0] < 0 || iy[0] < 0)
		return NULL;
	if (!g->blend)
		return in + iz[0] * p->in_stride.axis[DEPTH] + iy[0] * p->in_stride.axis[ROW];
	for (size_t a = 0; a < tz; a++)
		for (size_t b = 0; b < ty; b++)
			blend_run(w->line,
				  in + iz[a] * p->in_stride.axis[DEPTH] + iy[b] * p->in_stride.axis[ROW],
				  (tz > 1 ? wz[a] : 1) * (ty > 1 ? wy[b] : 1), p->in[PIXEL], a + b == 0);
	return w->line;
}

static void blend_pixels(const plan *g, const float *line, const float *residual, float *to, const work *w)
{
	const resize_params *p = g->p;
	const epilogue *e = &p->epilogue;
	for (size_t x = 0; x < p->out[PIXEL]; x += VEC) {
		const vec_tail tail = tail_of(size_min(VEC, p->out[PIXEL] - x));
		vec v = splat(p->outside);
		if (line) {
			vec sum = gather(line, w->index + x);
			if (p->taps[PIXEL] > 1)
				sum *= load(w->weight + x);
			for (size_t t = 1; t < p->taps[PIXEL]; t++)
				sum += gather(line, w->index + t * g->width + x) *
				       load(w->weight + t * g->width + x);
			v = w->inside ? vec_select(*(const ivec_any *)(w->inside + x), sum, v) : sum;
		}
		if (residual)
			v += load_tail(residual + x, tail);
		if (e->flags & EPILOGUE_CLAMP)
			v = vec_clamp(v, splat(e->min), splat(e->max));
		store_tail(to + x, v, tail);
	}
}

static void run_line(const plan *g, void *const *args, size_t line, const work *w)
{
	const resize_params *p = g->p;
	const epilogue *e = &p->epilogue;
	const size_t image = line / g->height, channel = image % p->channels;
	const pixel at = { .n = image / p->channels,
			   .z = line % g->height / p->out[ROW],
			   .y = line % p->out[ROW] };
	const float *in = (const float *)args[RESIZE_IN] + (ptrdiff_t)at.n * p->in_stride.batch +
			  (ptrdiff_t)channel * p->in_channel;
	float *out = (float *)args[RESIZE_OUT] + (ptrdiff_t)at.n * p->out_stride.batch +
		     (ptrdiff_t)at.z * p->out_stride.axis[DEPTH] +
		     (ptrdiff_t)at.y * p->out_stride.axis[ROW] + (ptrdiff_t)channel * p->out_channel;
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[RESIZE_RESIDUAL] + residual_offset(e, &at) +
			   (ptrdiff_t)channel * e->residual[4];
	blend_pixels(g, find_line(g, args, in, at.z, at.y, w), residual, w->results ? w->results : out, w);
	if (w->results) {
		const size_t position[5] = { at.n, at.z, at.y, 0, channel };
		epilogue_run_along(e, args, RESIZE_OPERANDS, 5, position, 4, 3, 1, p->out[PIXEL], w->results,
				   0, out, p->out_channel, w->program);
	}
}

static void resize_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params);
	work w = work_of(&g, scratch);
	turn_tables(&g, args, &w);
	for (size_t line = begin * g.line_step; line < size_min(g.lines, end * g.line_step); line++)
		run_line(&g, args, line, &w);
}

static bool resize_supports(const void *params)
{
	const resize_params *p = params;
	return p->in_stride.axis[PIXEL] == 1 && p->out_stride.axis[PIXEL] == 1 &&
	       (!(p->epilogue.flags & EPILOGUE_RESIDUAL) || p->epilogue.residual[3] == 1);
}

extern const compute_kernel ISA(resize_first_f32);
const compute_kernel ISA(resize_first_f32) = { "resize_first_f32", sizeof(resize_params), resize_tasks,
					       resize_scratch,     resize_run,            resize_supports };
