/* Channels-first depthwise convolution and pooling: one channel at a time, a strip of output rows at once.
 * The part of the image that the strip needs is first copied into planes with a border of zeros (or
 * -infinity), one plane for each phase of the strides, in which a tap is an offset. Then the strip is one run
 * of vectors across its rows: what falls on the border between two rows is computed and thrown away. */
#include <math.h>

#include "checked.h"
#include "conv/spatial.h"
#include "first/every.h"
#include "pool/combine.h"
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

/* ---- Strips ---- */

/* What depthwise convolution and pooling have in common. */
typedef struct plan {
	const conv_window *window;
	size_t batch, channels;
	const image_strides *in, *out;
	ptrdiff_t in_channel, out_channel;
	const epilogue *epilogue;
	size_t residual, operands; /* indices of arguments */
	float border;
	size_t taps;
	size_t rows;  /* of the output in a strip */
	size_t pitch; /* floats of a row of a plane */
	size_t plane; /* floats of a plane */
	size_t planes;
	size_t flat; /* results of a strip: rows a pitch apart, whole vectors */
} plan;

/* Floats of all planes that should stay in the cache nearby. */
#define STRIP_FLOATS 16384

static size_t reach_of(const conv_window *w, int a)
{
	return (w->kernel[a] - 1) * w->dilation[a] / w->stride[a];
}

static plan plan_of_window(const conv_window *w, size_t batch)
{
	plan g = { .window = w, .batch = batch };
	const size_t lines = w->row_end - w->row_begin;
	g.taps = w->kernel[DEPTH] * w->kernel[ROW] * w->kernel[PIXEL];
	g.planes = w->kernel[DEPTH] * w->stride[ROW] * w->stride[PIXEL];
	g.pitch = w->out[PIXEL] + reach_of(w, PIXEL);
	const size_t room = STRIP_FLOATS / size_max(1, g.planes * g.pitch), reach = reach_of(w, ROW);
	g.rows = size_min(size_max(1, lines), room > reach + 4 ? room - reach : 4);
	g.plane = (g.rows + reach) * g.pitch;
	g.flat = div_up((g.rows - 1) * g.pitch + w->out[PIXEL], VEC) * VEC;
	return g;
}

typedef struct work {
	float *planes;
	float *results;
	size_t *offset; /* of each tap that lies within the depth of the image, `count` of them */
	size_t *tap;    /* and its index */
	size_t count;
	float *divisor; /* taps that count along the line for each of its pixels */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	/* The last vector of a tap may reach beyond its plane. */
	w.planes = scratch_part(scratch, &w.bytes, (g->planes * g->plane + 2 * VEC) * sizeof(float));
	w.results = scratch_part(scratch, &w.bytes, (g->flat + VEC) * sizeof(float));
	w.offset = scratch_part(scratch, &w.bytes, g->taps * sizeof *w.offset);
	w.tap = scratch_part(scratch, &w.bytes, g->taps * sizeof *w.tap);
	w.divisor = scratch_part(scratch, &w.bytes, (g->window->out[PIXEL] + VEC) * sizeof(float));
	if (g->epilogue->flags & EPILOGUE_PROGRAM)
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	return w;
}

/* The taps whose slice lies inside the image for output slice z. */
static void find_taps(const plan *g, size_t z, work *wk)
{
	const conv_window *w = g->window;
	const range inside =
		taps_inside(first_tap(w, DEPTH, z), w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	wk->count = 0;
	for (size_t tz = inside.begin; tz < inside.end; tz++)
		for (size_t ty = 0; ty < w->kernel[ROW]; ty++)
			for (size_t tx = 0; tx < w->kernel[PIXEL]; tx++) {
				const size_t y = ty * w->dilation[ROW], x = tx * w->dilation[PIXEL];
				const size_t row = tz * w->stride[ROW] + y % w->stride[ROW];
				const size_t plane = row * w->stride[PIXEL] + x % w->stride[PIXEL];
				wk->offset[wk->count] = plane * g->plane + y / w->stride[ROW] * g->pitch +
							x / w->stride[PIXEL];
				wk->tap[wk->count++] = (tz * w->kernel[ROW] + ty) * w->kernel[PIXEL] + tx;
			}
}

static void fill(float *to, float value, size_t n)
{
	size_t i = 0;
	for (; i + VEC <= n; i += VEC)
		store(to + i, splat(value));
	for (; i < n; i++)
		to[i] = value;
}

/* Element i of the plane's row is that of column i * stride + phase - pad. line: NULL: outside. */
static void copy_row(const plan *g, const float *line, size_t phase, float *to)
{
	const conv_window *w = g->window;
	const ptrdiff_t s = (ptrdiff_t)w->stride[PIXEL], in = (ptrdiff_t)w->in[PIXEL];
	const ptrdiff_t first = (ptrdiff_t)phase - w->pad[PIXEL];
	size_t begin = first < 0 ? (size_t)((-first + s - 1) / s) : 0;
	size_t end = line && first < in ? (size_t)((in - first + s - 1) / s) : 0;
	end = size_min(end, g->pitch);
	begin = size_min(begin, end);
	fill(to, g->border, begin);
	if (begin < end)
		copy_every(to + begin, line + first + (ptrdiff_t)begin * s, (size_t)s, end - begin);
	fill(to + end, g->border, g->pitch - end);
}

/* in: of the image and channel; at: the first output row of the strip. */
static void copy_planes(const plan *g, const float *in, const pixel *at, size_t rows, const work *wk)
{
	const conv_window *w = g->window;
	const ptrdiff_t z0 = first_tap(w, DEPTH, at->z), y0 = first_tap(w, ROW, at->y);
	const range inside = taps_inside(z0, w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	for (size_t tz = inside.begin; tz < inside.end; tz++)
		for (size_t py = 0; py < w->stride[ROW]; py++) {
			const float *slice =
				in + (z0 + (ptrdiff_t)(tz * w->dilation[DEPTH])) * g->in->axis[DEPTH];
			float *to = wk->planes + (tz * w->stride[ROW] + py) * w->stride[PIXEL] * g->plane;
			for (size_t h = 0; h < rows + reach_of(w, ROW); h++) {
				const ptrdiff_t y = y0 + (ptrdiff_t)(h * w->stride[ROW] + py);
				const bool there = y >= 0 && y < (ptrdiff_t)w->in[ROW];
				for (size_t px = 0; px < w->stride[PIXEL]; px++)
					copy_row(g, there ? slice + y * g->in->axis[ROW] : NULL, px,
						 to + px * g->plane + h * g->pitch);
			}
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

/* Rows that are finished but for the residual, the clamp and the program. */
static void finish_rows(const plan *g, void *const *args, const pixel *at, size_t channel, size_t rows,
			const work *wk)
{
	const epilogue *e = g->epilogue;
	const size_t width = g->window->out[PIXEL];
	float *out = (float *)args[CONV_OUT] + output_offset(g->window, g->out, at) +
		     (ptrdiff_t)channel * g->out_channel;
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[g->residual] + residual_offset(e, at) +
			   (ptrdiff_t)channel * e->residual[4];
	if (!wk->program || residual || e->flags & EPILOGUE_CLAMP)
		for (size_t r = 0; r < rows; r++) {
			const float *more = residual ? residual + (ptrdiff_t)r * e->residual[2] : NULL;
			float *from = wk->results + r * g->pitch;
			float *to = wk->program ? from : out + (ptrdiff_t)r * g->out->axis[ROW];
			for (size_t x = 0; x < width; x += VEC)
				finish_vector(e, load(from + x), more ? more + x : NULL, to + x,
					      size_min(VEC, width - x));
		}
	if (wk->program) {
		const size_t position[5] = { at->n, at->z, at->y, 0, channel };
		epilogue_run_along(e, args, g->operands, 5, position, 2, 3, rows, width, wk->results,
				   (ptrdiff_t)g->pitch, out, g->out->axis[ROW], wk->program);
	}
}

/* Computes the results of a strip from its planes. */
typedef void strip_fn(const plan *g, const work *wk, const void *job, const pixel *at, size_t channel,
		      size_t rows);

/* All strips of one channel of one image. */
static void run_channel(const plan *g, void *const *args, size_t n, size_t channel, work *wk, strip_fn *fn,
			const void *job)
{
	const conv_window *w = g->window;
	const float *in = (const float *)args[CONV_IN] + (ptrdiff_t)n * g->in->batch +
			  (ptrdiff_t)channel * g->in_channel;
	for (size_t z = 0; z < w->out[DEPTH]; z++) {
		find_taps(g, z, wk);
		for (size_t y = w->row_begin; y < w->row_end; y += g->rows) {
			const pixel at = { .n = n, .z = z, .y = y };
			const size_t rows = size_min(g->rows, w->row_end - y);
			copy_planes(g, in, &at, rows, wk);
			fn(g, wk, job, &at, channel, rows);
			finish_rows(g, args, &at, channel, rows, wk);
		}
	}
}

/* A task is one channel of one image. */
static size_t plan_tasks(const plan *g)
{
	return line_count(g->window, g->batch) == 0 || g->window->out[PIXEL] == 0 ? 0
										  : g->batch * g->channels;
}

/* Vectors of results of `rows` rows. */
static size_t strip_floats(const plan *g, size_t rows)
{
	return div_up((rows - 1) * g->pitch + g->window->out[PIXEL], VEC) * VEC;
}

/* ---- Depthwise convolution ---- */

static plan depthwise_plan(const conv_params *p)
{
	plan g = plan_of_window(&p->window, p->batch);
	g.channels = p->weights.groups;
	g.in = &p->in;
	g.out = &p->out;
	g.in_channel = p->in_channel;
	g.out_channel = p->out_channel;
	g.epilogue = &p->epilogue;
	g.residual = CONV_RESIDUAL;
	g.operands = CONV_OPERANDS;
	return g;
}

static size_t depthwise_tasks(const void *params)
{
	const plan g = depthwise_plan(params);
	return plan_tasks(&g);
}

static size_t depthwise_scratch(const void *params)
{
	const plan g = depthwise_plan(params);
	return work_of(&g, NULL).bytes;
}

ALWAYS_INLINE void depthwise_vectors(const work *wk, const float *weights, size_t at, const int vectors)
{
	vec sum[8];
	UNROLL for (int i = 0; i < vectors; i++) sum[i] = splat(0);
	for (size_t t = 0; t < wk->count; t++) {
		const float *from = wk->planes + wk->offset[t] + at;
		const vec k = splat(weights[1 + wk->tap[t]]);
		UNROLL for (int i = 0; i < vectors; i++) sum[i] += k * load(from + i * VEC);
	}
	UNROLL for (int i = 0; i < vectors; i++) store(wk->results + at + i * VEC, sum[i] + weights[0]);
}

/* job: the packed weights. */
static void depthwise_strip(const plan *g, const work *wk, const void *job, const pixel *place,
			    size_t channel, size_t rows)
{
	(void)place;
	const float *weights = (const float *)job + channel * (g->taps + 1);
	const size_t end = strip_floats(g, rows);
	size_t at = 0;
	for (; at + 8 * VEC <= end; at += 8 * VEC)
		depthwise_vectors(wk, weights, at, 8);
	for (; at + 4 * VEC <= end; at += 4 * VEC)
		depthwise_vectors(wk, weights, at, 4);
	for (; at + 2 * VEC <= end; at += 2 * VEC)
		depthwise_vectors(wk, weights, at, 2);
	if (at < end)
		depthwise_vectors(wk, weights, at, 1);
}

static void depthwise_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = depthwise_plan(params);
	work w = work_of(&g, scratch);
	for (size_t task = begin; task < end; task++)
		run_channel(&g, args, task / g.channels, task % g.channels, &w, depthwise_strip,
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
	return p->weights.in_channels == 1 && p->weights.out_channels == 1 && plain_channels(p) &&
	       unit_pixels(&p->in, &p->out, &p->window, &p->epilogue);
}

extern const compute_kernel ISA(depthwise_first_f32);
const compute_kernel ISA(depthwise_first_f32) = { "depthwise_first_f32", sizeof(conv_params),
						  depthwise_tasks,       depthwise_scratch,
						  depthwise_run,         depthwise_supports };

/* ---- Pooling. The arguments are in the order of conv's, without weights. ---- */

static plan pool_plan(const pool_params *p)
{
	plan g = plan_of_window(&p->window, p->batch);
	g.channels = p->channels;
	g.in = &p->in;
	g.out = &p->out;
	g.in_channel = p->in_channel;
	g.out_channel = p->out_channel;
	g.epilogue = &p->epilogue;
	g.residual = POOL_RESIDUAL;
	g.operands = POOL_OPERANDS;
	g.border = p->kind == POOL_MAX ? -INFINITY : 0;
	return g;
}

static size_t pool_tasks(const void *params)
{
	const plan g = pool_plan(params);
	return plan_tasks(&g);
}

static size_t pool_scratch(const void *params)
{
	const plan g = pool_plan(params);
	return work_of(&g, NULL).bytes;
}

/* Taps that are summed up before they meet the others: a chain of 1,920 was wrong by 1.4e-6 of its sum. */
#define POOL_BLOCK 32

ALWAYS_INLINE void pool_vectors(const work *wk, size_t at, const uint32_t kind, const int vectors)
{
	vec acc[4], all[4];
	UNROLL for (int i = 0; i < vectors; i++) all[i] = pool_start(kind);
	for (size_t t = 0; t < wk->count;) {
		const size_t end = size_min(wk->count, t + POOL_BLOCK);
		UNROLL for (int i = 0; i < vectors; i++) acc[i] = pool_start(kind);
		for (; t < end; t++) {
			const float *from = wk->planes + wk->offset[t] + at;
			UNROLL for (int i = 0; i < vectors; i++) acc[i] =
				pool_combine(kind, acc[i], load(from + i * VEC));
		}
		UNROLL for (int i = 0; i < vectors; i++) all[i] =
			kind == POOL_MAX ? pool_combine(kind, all[i], acc[i]) : all[i] + acc[i];
	}
	UNROLL for (int i = 0; i < vectors; i++)
		store(wk->results + at + i * VEC, kind == POOL_L2 ? vec_sqrt(all[i]) : all[i]);
}

ALWAYS_INLINE void pool_all(const work *wk, size_t end, const uint32_t kind)
{
	size_t at = 0;
	for (; at + 4 * VEC <= end; at += 4 * VEC)
		pool_vectors(wk, at, kind, 4);
	for (; at < end; at += VEC)
		pool_vectors(wk, at, kind, 1);
}

/* Sums become averages: divided by the number of taps that count. */
static void divide_rows(const plan *g, const work *wk, const pool_params *p, const pixel *at, size_t rows)
{
	const size_t deep = taps_counted(p, DEPTH, at->z);
	for (size_t r = 0; r < rows; r++) {
		const vec lines = splat((float)(deep * taps_counted(p, ROW, at->y + r)));
		float *row = wk->results + r * g->pitch;
		for (size_t x = 0; x < g->window->out[PIXEL]; x += VEC) {
			const vec_tail tail = tail_of(size_min(VEC, g->window->out[PIXEL] - x));
			store_tail(row + x, load(row + x) / (lines * load(wk->divisor + x)), tail);
		}
	}
}

/* job: the params. */
static void pool_strip(const plan *g, const work *wk, const void *job, const pixel *at, size_t channel,
		       size_t rows)
{
	const pool_params *p = job;
	const size_t end = strip_floats(g, rows);
	(void)channel;
	switch (p->kind) {
	case POOL_MAX:
		pool_all(wk, end, POOL_MAX);
		break;
	case POOL_L1:
		pool_all(wk, end, POOL_L1);
		break;
	case POOL_L2:
		pool_all(wk, end, POOL_L2);
		break;
	default:
		pool_all(wk, end, POOL_AVERAGE);
		divide_rows(g, wk, p, at, rows);
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
		UNROLL for (int j = 0; j < 4; j++) acc[j] =
			pool_combine(kind, acc[j], load(from + i + j * VEC));
	}
	for (; i + VEC <= n; i += VEC)
		acc[0] = pool_combine(kind, acc[0], load(from + i));
	if (i < n) {
		float rest[VEC];
		store(rest, splat(none));
		memcpy(rest, from + i, (n - i) * sizeof *rest);
		acc[1] = pool_combine(kind, acc[1], load(rest));
	}
	const vec all =
		pool_combine(join, pool_combine(join, acc[0], acc[1]), pool_combine(join, acc[2], acc[3]));
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

static void pool_image(const plan *g, void *const *args, size_t n, size_t channel, uint32_t kind,
		       const work *wk)
{
	const conv_window *w = g->window;
	const pixel at = { .n = n };
	const float *in = (const float *)args[POOL_IN] + (ptrdiff_t)n * g->in->batch +
			  (ptrdiff_t)channel * g->in_channel;
	wk->results[0] = pool_run_of(in, w->in[DEPTH] * w->in[ROW] * w->in[PIXEL], kind);
	finish_rows(g, args, &at, channel, 1, wk);
}

static void pool_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const pool_params *p = params;
	const plan g = pool_plan(p);
	work w = work_of(&g, scratch);
	for (size_t x = 0; x < g.window->out[PIXEL]; x++)
		w.divisor[x] = (float)taps_counted(p, PIXEL, x);
	const bool whole = takes_all(p);
	for (size_t task = begin; task < end; task++) {
		const size_t n = task / g.channels, channel = task % g.channels;
		if (whole)
			pool_image(&g, args, n, channel, p->kind, &w);
		else
			run_channel(&g, args, n, channel, &w, pool_strip, p);
	}
}

static bool pool_supports(const void *params)
{
	const pool_params *p = params;
	return unit_pixels(&p->in, &p->out, &p->window, &p->epilogue);
}

extern const compute_kernel ISA(pool_first_f32);
const compute_kernel ISA(pool_first_f32) = { "pool_first_f32", sizeof(pool_params), pool_tasks, pool_scratch,
					     pool_run,         pool_supports };
