/* Channels-first depthwise convolution and pooling: one channel at a time, vectors along the output line. The
 * input lines that an output line needs are first copied so that a tap is always one contiguous load: with a
 * border of zeros (or -infinity) on both sides, and taken apart into as many phases as the stride. */
#include <math.h>

#include "checked.h"
#include "conv/spatial.h"
#include "first/every.h"
#include "program/run.h"

/* ---- Packing of depthwise weights: for each channel its bias and taps ---- */

static size_t pack_bytes(const weights_shape *s)
{
	size_t bytes = 1;
	for (size_t i = 0; i < 3; i++)
		if (!size_mul(bytes, s->kernel[i], &bytes))
			return SIZE_MAX;
	if (!size_add(bytes, 1, &bytes) || !size_mul(bytes, s->groups, &bytes) ||
	    !size_mul(bytes, sizeof(float), &bytes))
		return SIZE_MAX;
	return bytes;
}

static void pack(const weights_shape *s, const weights_source *source, void *packed)
{
	float *to = packed;
	for (size_t at = 0; at < s->groups; at++) {
		const size_t q = source->out_index ? source->out_index[at] : at;
		const loose_float *from = source->data + (ptrdiff_t)q * source->group;
		*to++ = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
		for (size_t z = 0; z < s->kernel[0]; z++)
			for (size_t y = 0; y < s->kernel[1]; y++)
				for (size_t x = 0; x < s->kernel[2]; x++)
					*to++ = from[(ptrdiff_t)z * source->tap[0] +
						     (ptrdiff_t)y * source->tap[1] +
						     (ptrdiff_t)x * source->tap[2]];
	}
}

extern const weights_packing ISA(packing_depthwise_first);
const weights_packing ISA(packing_depthwise_first) = { "depthwise_first", pack_bytes, pack };

/* ---- Prepared lines ---- */

/* What depthwise convolution and pooling have in common. */
typedef struct plane {
	const conv_window *window;
	size_t batch, channels;
	const image_strides *in, *out;
	ptrdiff_t in_channel, out_channel;
	const epilogue *epilogue;
	size_t residual, operands; /* indices of arguments */
	float border;
	size_t phase; /* floats of a phase of a line */
	size_t lines; /* of the output, over depth and batch */
	size_t rows;  /* of taps */
} plane;

static plane plane_of_window(const conv_window *w, size_t batch)
{
	plane p = { .window = w, .batch = batch };
	const size_t reach = ((w->kernel[PIXEL] - 1) * w->dilation[PIXEL]) / w->stride[PIXEL] + 1;
	p.phase = div_up(w->out[PIXEL] + reach, VEC) * VEC + 4 * VEC;
	p.lines = line_count(w, batch);
	p.rows = w->kernel[DEPTH] * w->kernel[ROW];
	return p;
}

/* Lines of the image as prepared, held from one output line to the next. */
typedef struct lines {
	float *line;       /* `rows` slots of stride phases each */
	size_t *held;      /* input line of each slot, plus 1 */
	const float **row; /* for each row of taps: its prepared line; only those inside, `count` of them */
	size_t *tap;       /* and the index of its first tap */
	size_t count;
	float *results; /* of an output line, for the program */
	float *divisor; /* taps that count along the line for each of its pixels */
	void *program;
	size_t bytes;
} lines;

static lines lines_of(const plane *p, char *scratch)
{
	lines l = { .bytes = 0 };
	const size_t slot = p->phase * p->window->stride[PIXEL];
	l.line = scratch_part(scratch, &l.bytes, p->rows * slot * sizeof(float));
	l.held = scratch_part(scratch, &l.bytes, p->rows * sizeof *l.held);
	l.row = scratch_part(scratch, &l.bytes, p->rows * sizeof *l.row);
	l.tap = scratch_part(scratch, &l.bytes, p->rows * sizeof *l.tap);
	l.results = scratch_part(scratch, &l.bytes, (p->window->out[PIXEL] + VEC) * sizeof(float));
	l.divisor = scratch_part(scratch, &l.bytes, (p->window->out[PIXEL] + VEC) * sizeof(float));
	if (p->epilogue->flags & EPILOGUE_PROGRAM)
		l.program = scratch_part(scratch, &l.bytes, PROGRAM_SCRATCH_BYTES);
	return l;
}

/* Phase f of the line holds at i what lies in column i * stride + f - pad. */
static void prepare_line(const plane *p, const float *from, float *to)
{
	const conv_window *w = p->window;
	const size_t s = w->stride[PIXEL];
	for (size_t f = 0; f < s; f++, to += p->phase) {
		const ptrdiff_t first = (ptrdiff_t)f - w->pad[PIXEL], in = (ptrdiff_t)w->in[PIXEL];
		size_t begin = first < 0 ? (size_t)((-first + (ptrdiff_t)s - 1) / (ptrdiff_t)s) : 0;
		size_t end = first < in ? (size_t)((in - first + (ptrdiff_t)s - 1) / (ptrdiff_t)s) : 0;
		end = size_min(end, p->phase);
		begin = size_min(begin, end);
		for (size_t i = 0; i < begin; i++)
			to[i] = p->border;
		if (begin < end)
			copy_every(to + begin, from + first + (ptrdiff_t)(begin * s), s, end - begin);
		for (size_t i = end; i < p->phase; i++)
			to[i] = p->border;
	}
}

/* in: of the image and channel. */
static void find_lines(const plane *p, const float *in, const pixel *at, lines *l)
{
	const conv_window *w = p->window;
	const ptrdiff_t z0 = first_tap(w, DEPTH, at->z), y0 = first_tap(w, ROW, at->y);
	const range z = taps_inside(z0, w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	const range y = taps_inside(y0, w->kernel[ROW], w->dilation[ROW], w->in[ROW]);
	l->count = 0;
	for (size_t tz = z.begin; tz < z.end; tz++)
		for (size_t ty = y.begin; ty < y.end; ty++) {
			const size_t slice = (size_t)(z0 + (ptrdiff_t)(tz * w->dilation[DEPTH]));
			const size_t line = (size_t)(y0 + (ptrdiff_t)(ty * w->dilation[ROW]));
			const size_t slot = tz * w->kernel[ROW] + line / w->dilation[ROW] % w->kernel[ROW];
			const size_t id = slice * w->in[ROW] + line + 1;
			float *to = l->line + slot * p->phase * w->stride[PIXEL];
			if (l->held[slot] != id) {
				prepare_line(p,
					     in + (ptrdiff_t)slice * p->in->axis[DEPTH] +
						     (ptrdiff_t)line * p->in->axis[ROW],
					     to);
				l->held[slot] = id;
			}
			l->row[l->count] = to;
			l->tap[l->count++] = (tz * w->kernel[ROW] + ty) * w->kernel[PIXEL];
		}
}

/* Residual, clamp, and storing of n results. */
ALWAYS_INLINE void finish_vector(const epilogue *e, vec v, const float *residual, float *to, size_t n)
{
	const vec_tail tail = tail_of(n);
	if (residual)
		v += load_tail(residual, tail);
	if (e->flags & EPILOGUE_CLAMP)
		v = vec_clamp(v, splat(e->min), splat(e->max));
	store_tail(to, v, tail);
}

typedef void line_fn(const plane *p, const lines *l, const void *job, const pixel *at, size_t channel,
		     const float *residual, float *to);

/* All lines of one channel of one image. */
static void run_channel(const plane *p, void *const *args, size_t n, size_t channel, lines *l, line_fn *fn,
			const void *job)
{
	const conv_window *w = p->window;
	const epilogue *e = p->epilogue;
	const float *in = (const float *)args[CONV_IN] + (ptrdiff_t)n * p->in->batch +
			  (ptrdiff_t)channel * p->in_channel;
	memset(l->held, 0, p->rows * sizeof *l->held);
	const size_t each = p->lines / size_max(1, p->batch);
	for (size_t i = n * each; i < (n + 1) * each; i++) {
		const pixel at = line_at(w, i);
		float *out = (float *)args[CONV_OUT] + output_offset(w, p->out, &at) +
			     (ptrdiff_t)channel * p->out_channel;
		const float *residual = NULL;
		if (e->flags & EPILOGUE_RESIDUAL)
			residual = (const float *)args[p->residual] + residual_offset(e, &at) +
				   (ptrdiff_t)channel * e->residual[4];
		find_lines(p, in, &at, l);
		fn(p, l, job, &at, channel, residual, l->program ? l->results : out);
		if (l->program) {
			const size_t position[5] = { at.n, at.z, at.y, 0, channel };
			epilogue_run_along(e, args, p->operands, 5, position, 4, 3, 1, w->out[PIXEL],
					   l->results, 0, out, p->out_channel, l->program);
		}
	}
}

/* A task is one channel of one image. */
static size_t plane_tasks(const plane *p)
{
	return p->lines == 0 ? 0 : p->batch * p->channels;
}

/* ---- Depthwise convolution ---- */

static plane depthwise_plane(const conv_params *p)
{
	plane pl = plane_of_window(&p->window, p->batch);
	pl.channels = p->weights.groups;
	pl.in = &p->in;
	pl.out = &p->out;
	pl.in_channel = p->in_channel;
	pl.out_channel = p->out_channel;
	pl.epilogue = &p->epilogue;
	pl.residual = CONV_RESIDUAL;
	pl.operands = CONV_OPERANDS;
	return pl;
}

static size_t depthwise_tasks(const void *params)
{
	const plane p = depthwise_plane(params);
	return plane_tasks(&p);
}

static size_t depthwise_scratch(const void *params)
{
	const plane p = depthwise_plane(params);
	return lines_of(&p, NULL).bytes;
}

/* The pixels from x on, `vectors` vectors of them; the prepared lines have room for four. */
ALWAYS_INLINE void depthwise_pixels(const plane *p, const lines *l, const float *weights, size_t x,
				    const int vectors, const float *residual, float *to)
{
	const conv_window *w = p->window;
	const size_t taps = w->kernel[PIXEL], s = w->stride[PIXEL], width = w->out[PIXEL];
	vec sum[4];
	UNROLL for (int i = 0; i < vectors; i++) sum[i] = splat(0);
	for (size_t r = 0; r < l->count; r++) {
		const float *tap = weights + 1 + l->tap[r], *row = l->row[r] + x;
		for (size_t t = 0; t < taps; t++) {
			const size_t column = t * w->dilation[PIXEL];
			const float *from = s == 1 ? row + column : row + column % s * p->phase + column / s;
			const vec k = splat(tap[t]);
			UNROLL for (int i = 0; i < vectors; i++) sum[i] += k * load(from + i * VEC);
		}
	}
	UNROLL for (int i = 0; i < vectors; i++)
	{
		const size_t at = x + (size_t)i * VEC;
		if (at < width)
			finish_vector(p->epilogue, sum[i] + weights[0], residual ? residual + at : NULL,
				      to + at, size_min(VEC, width - at));
	}
}

/* job: the packed weights. */
static void depthwise_line(const plane *p, const lines *l, const void *job, const pixel *at_line,
			   size_t channel, const float *residual, float *to)
{
	(void)at_line;
	const size_t width = p->window->out[PIXEL];
	const float *weights = (const float *)job + channel * (p->rows * p->window->kernel[PIXEL] + 1);
	for (size_t x = 0; x < width; x += 4 * VEC) {
		if (width - x <= VEC)
			depthwise_pixels(p, l, weights, x, 1, residual, to);
		else if (width - x <= 2 * VEC)
			depthwise_pixels(p, l, weights, x, 2, residual, to);
		else
			depthwise_pixels(p, l, weights, x, 4, residual, to);
	}
}

static void depthwise_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plane p = depthwise_plane(params);
	lines l = lines_of(&p, scratch);
	for (size_t task = begin; task < end; task++)
		run_channel(&p, args, task / p.channels, task % p.channels, &l, depthwise_line,
			    args[CONV_WEIGHTS]);
}

static bool unit_pixels(const image_strides *in, const image_strides *out, const conv_window *w,
			const epilogue *e)
{
	return in->axis[PIXEL] == 1 && out->axis[PIXEL] == 1 && !w->in_ring && !w->out_ring &&
	       (!(e->flags & EPILOGUE_RESIDUAL) || e->residual[3] == 1);
}

static bool depthwise_supports(const void *params)
{
	const conv_params *p = params;
	return p->weights.in_channels == 1 && p->weights.out_channels == 1 &&
	       unit_pixels(&p->in, &p->out, &p->window, &p->epilogue);
}

extern const compute_kernel ISA(depthwise_first_f32);
const compute_kernel ISA(depthwise_first_f32) = { "depthwise_first_f32", sizeof(conv_params),
						  depthwise_tasks,       depthwise_scratch,
						  depthwise_run,         depthwise_supports };

/* ---- Pooling. The arguments are in the order of conv's, without weights. ---- */

static plane pool_plane(const pool_params *p)
{
	plane pl = plane_of_window(&p->window, p->batch);
	pl.channels = p->channels;
	pl.in = &p->in;
	pl.out = &p->out;
	pl.in_channel = p->in_channel;
	pl.out_channel = p->out_channel;
	pl.epilogue = &p->epilogue;
	pl.residual = POOL_RESIDUAL;
	pl.operands = POOL_OPERANDS;
	pl.border = p->kind == POOL_MAX ? -INFINITY : 0;
	return pl;
}

static size_t pool_tasks(const void *params)
{
	const plane p = pool_plane(params);
	return plane_tasks(&p);
}

static size_t pool_scratch(const void *params)
{
	const plane p = pool_plane(params);
	return lines_of(&p, NULL).bytes;
}

ALWAYS_INLINE vec combine(uint32_t kind, vec a, vec x)
{
	switch (kind) {
	case POOL_MAX:
		return vec_select(a == a, vec_max(a, x), a); /* NaN stays */
	case POOL_L1:
		return a + vec_abs(x);
	case POOL_L2:
		return x * x + a;
	default:
		return a + x;
	}
}

/* rows: how many taps count across lines. */
ALWAYS_INLINE void pool_pixels(const plane *p, const lines *l, const uint32_t kind, float rows,
			       const float *residual, float *to)
{
	const conv_window *w = p->window;
	const size_t taps = w->kernel[PIXEL], s = w->stride[PIXEL], width = w->out[PIXEL];
	for (size_t x = 0; x < width; x += 4 * VEC) {
		vec acc[4];
		UNROLL for (int i = 0; i < 4; i++) acc[i] = splat(kind == POOL_MAX ? -INFINITY : 0);
		for (size_t r = 0; r < l->count; r++)
			for (size_t t = 0; t < taps; t++) {
				const size_t column = t * w->dilation[PIXEL];
				const float *from = l->row[r] + column % s * p->phase + column / s + x;
				UNROLL for (int i = 0; i < 4; i++) acc[i] =
					combine(kind, acc[i], load(from + i * VEC));
			}
		UNROLL for (size_t i = 0; i < 4; i++)
		{
			const size_t at = x + i * VEC;
			if (at >= width)
				continue;
			const size_t n = size_min(VEC, width - at);
			vec v = acc[i];
			if (kind == POOL_AVERAGE)
				v /= load(l->divisor + at) * rows;
			if (kind == POOL_L2)
				v = vec_sqrt(v);
			finish_vector(p->epilogue, v, residual ? residual + at : NULL, to + at, n);
		}
	}
}

/* job: the params. */
static void pool_line(const plane *p, const lines *l, const void *job, const pixel *at, size_t channel,
		      const float *residual, float *to)
{
	const pool_params *pool = job;
	const float rows = (float)(taps_counted(pool, DEPTH, at->z) * taps_counted(pool, ROW, at->y));
	(void)channel;
	switch (pool->kind) {
	case POOL_MAX:
		pool_pixels(p, l, POOL_MAX, rows, residual, to);
		break;
	case POOL_AVERAGE:
	case POOL_AVERAGE_PADDED:
		pool_pixels(p, l, POOL_AVERAGE, rows, residual, to);
		break;
	case POOL_L1:
		pool_pixels(p, l, POOL_L1, rows, residual, to);
		break;
	case POOL_L2:
		pool_pixels(p, l, POOL_L2, rows, residual, to);
		break;
	}
}

/* Whether each output combines the whole image of a channel, which lies in one piece. */
static bool takes_all(const pool_params *p)
{
	const conv_window *w = &p->window;
	ptrdiff_t size = 1;
	for (int a = 2; a >= 0; a--) {
		if (w->out[a] != 1 || w->kernel[a] != w->in[a] || w->pad[a] != 0 || w->dilation[a] != 1 ||
		    p->pad_end[a] != 0 || (w->in[a] != 1 && p->in.axis[a] != size))
			return false;
		size *= (ptrdiff_t)w->in[a];
	}
	return true;
}

/* All n elements from `from` on, before the division or root. Lanes are combined in a fixed order. */
ALWAYS_INLINE float combine_run(const float *from, size_t n, const uint32_t kind)
{
	const uint32_t join = kind == POOL_MAX ? POOL_MAX : POOL_AVERAGE;
	const float none = kind == POOL_MAX ? -INFINITY : 0;
	vec acc[4];
	size_t i = 0;
	UNROLL for (int j = 0; j < 4; j++) acc[j] = splat(none);
	for (; i + 4 * VEC <= n; i += 4 * VEC) {
		UNROLL for (int j = 0; j < 4; j++) acc[j] = combine(kind, acc[j], load(from + i + j * VEC));
	}
	for (; i + VEC <= n; i += VEC)
		acc[0] = combine(kind, acc[0], load(from + i));
	if (i < n) {
		float rest[VEC];
		store(rest, splat(none));
		memcpy(rest, from + i, (n - i) * sizeof *rest);
		acc[1] = combine(kind, acc[1], load(rest));
	}
	const vec all = combine(join, combine(join, acc[0], acc[1]), combine(join, acc[2], acc[3]));
	if (kind != POOL_MAX)
		return vec_sum(all);
	float max = all[0];
	for (int j = 1; j < VEC; j++)
		max = max != max || all[j] < max ? max : all[j];
	return max;
}

static float pool_run_of(const float *from, size_t n, uint32_t kind)
{
	switch (kind) {
	case POOL_MAX:
		return combine_run(from, n, POOL_MAX);
	case POOL_L1:
		return combine_run(from, n, POOL_L1);
	case POOL_L2:
		return sqrtf(combine_run(from, n, POOL_L2));
	default:
		return combine_run(from, n, POOL_AVERAGE) / (float)n;
	}
}

static void pool_image(const plane *p, void *const *args, size_t n, size_t channel, uint32_t kind, lines *l)
{
	const conv_window *w = p->window;
	const epilogue *e = p->epilogue;
	const pixel at = { .n = n };
	const float *in = (const float *)args[POOL_IN] + (ptrdiff_t)n * p->in->batch +
			  (ptrdiff_t)channel * p->in_channel;
	float *out = (float *)args[POOL_OUT] + output_offset(w, p->out, &at) +
		     (ptrdiff_t)channel * p->out_channel;
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[POOL_RESIDUAL] + residual_offset(e, &at) +
			   (ptrdiff_t)channel * e->residual[4];
	const float v = pool_run_of(in, w->in[DEPTH] * w->in[ROW] * w->in[PIXEL], kind);
	finish_vector(e, splat(v), residual, l->program ? l->results : out, 1);
	if (l->program) {
		const size_t position[5] = { n, 0, 0, 0, channel };
		epilogue_run_along(e, args, POOL_OPERANDS, 5, position, 4, 3, 1, 1, l->results, 0, out,
				   p->out_channel, l->program);
	}
}

static void pool_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const pool_params *pool = params;
	const plane p = pool_plane(pool);
	lines l = lines_of(&p, scratch);
	for (size_t x = 0; x < p.window->out[PIXEL]; x++)
		l.divisor[x] = (float)taps_counted(pool, PIXEL, x);
	const bool whole = takes_all(pool);
	for (size_t task = begin; task < end; task++)
		if (whole)
			pool_image(&p, args, task / p.channels, task % p.channels, pool->kind, &l);
		else
			run_channel(&p, args, task / p.channels, task % p.channels, &l, pool_line, pool);
}

static bool pool_supports(const void *params)
{
	const pool_params *p = params;
	return unit_pixels(&p->in, &p->out, &p->window, &p->epilogue);
}

extern const compute_kernel ISA(pool_first_f32);
const compute_kernel ISA(pool_first_f32) = { "pool_first_f32", sizeof(pool_params), pool_tasks, pool_scratch,
					     pool_run,         pool_supports };
