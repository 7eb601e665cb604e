/* Layer, instance and group normalisation, and normalisation over neighbouring channels. Means are taken
 * first and deviations from them summed in a second pass, since sums of squares of large values would lose
 * the variance. */
#include <math.h>

#include "conv/spatial.h"
#include "rows.h"
#include "rows/walk.h"
#include "vector/math.h"

static size_t no_scratch(const void *params)
{
	(void)params;
	return 0;
}

/* ---- Layer normalisation ---- */

static size_t rows_of_task(size_t extent)
{
	return size_max(1, 8192 / size_max(1, extent));
}

static size_t layer_norm_tasks(const void *params)
{
	const layer_norm_params *p = params;
	size_t rows = 1;
	for (size_t i = 0; i < p->rank; i++)
		rows *= p->outer[i];
	return p->extent == 0 ? 0 : div_up(rows, rows_of_task(p->extent));
}

/* Sum over i < n of x - mean, or of its square. */
ALWAYS_INLINE float sum_row(const float *in, size_t n, float mean, const bool square)
{
	vec sum[4] = { splat(0), splat(0), splat(0), splat(0) };
	const vec m = splat(mean);
	size_t i = 0;
	for (; i + 4 * VEC <= n; i += 4 * VEC) {
		UNROLL for (int j = 0; j < 4; j++)
		{
			const vec x = load(in + i + (size_t)j * VEC) - m;
			sum[j] += square ? x * x : x;
		}
	}
	for (; i + VEC <= n; i += VEC) {
		const vec x = load(in + i) - m;
		sum[0] += square ? x * x : x;
	}
	float rest = 0;
	for (; i < n; i++) {
		const float x = in[i] - mean;
		rest += square ? x * x : x;
	}
	return vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

static void layer_norm_row(const layer_norm_params *p, const float *in, float *out, const float *scale,
			   const float *bias, float *mean_out, float *inv_out)
{
	const size_t n = p->extent;
	float mean = 0;
	if (!p->rms)
		mean = sum_row(in, n, 0, false) / (float)n;
	const float variance = sum_row(in, n, mean, true) / (float)n;
	const float inv = 1 / sqrtf(variance + p->epsilon);
	for (size_t i = 0; i < n; i += VEC) {
		const vec_tail t = tail_of(size_min(VEC, n - i));
		vec y = (load_tail(in + i, t) - mean) * inv;
		if (scale)
			y *= load_tail(scale + i, t);
		if (bias)
			y += load_tail(bias + i, t);
		store_tail(out + i, y, t);
	}
	if (mean_out)
		*mean_out = mean;
	if (inv_out)
		*inv_out = inv;
}

static void layer_norm_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	(void)scratch;
	const layer_norm_params *p = params;
	walk w = walk_over(p->rank, p->outer, p->in_outer, p->out_outer);
	const size_t step = rows_of_task(p->extent), last = size_min(w.count, end * step);
	float *means = args[LAYER_NORM_MEAN], *invs = args[LAYER_NORM_INV_STD];
	walk_seek(&w, begin * step);
	for (size_t i = begin * step; i < last; i++, walk_next(&w))
		layer_norm_row(p, (const float *)args[LAYER_NORM_IN] + w.offset[0],
			       (float *)args[LAYER_NORM_OUT] + w.offset[1], args[LAYER_NORM_SCALE],
			       args[LAYER_NORM_BIAS], means ? means + i : NULL, invs ? invs + i : NULL);
}

extern const compute_kernel ISA(layer_norm_f32);
const compute_kernel ISA(layer_norm_f32) = { "layer_norm_f32", sizeof(layer_norm_params), layer_norm_tasks,
					     no_scratch, layer_norm_run };

/* ---- Group normalisation: a task is one image's groups that lie in some vectors of channels ---- */

typedef struct group_plan {
	const group_norm_params *p;
	size_t group;    /* channels of a group */
	size_t channels; /* of a task: whole groups */
	size_t tasks;    /* of an image */
} group_plan;

static group_plan group_plan_of(const group_norm_params *p)
{
	group_plan g = { .p = p, .group = p->channels / size_max(1, p->groups) };
	const size_t group = size_max(1, g.group);
	g.channels = group * size_max(1, size_min(p->groups, 64 / group));
	g.tasks = div_up(p->channels, g.channels);
	return g;
}

static bool channels_first(ptrdiff_t in_channel, ptrdiff_t out_channel)
{
	return (in_channel | 1) != 1 || (out_channel | 1) != 1;
}

/* Sum over a channel-first group of x - mean, or of its square; lines, channels and the group are summed
 * apart. */
static float sum_group(const group_norm_params *p, const float *in, size_t channels, float mean, bool square)
{
	const bool dense = p->in_row == (ptrdiff_t)p->pixels;
	const size_t rows = dense ? 1 : p->rows, run = dense ? p->rows * p->pixels : p->pixels;
	float group = 0;
	for (size_t c = 0; c < channels; c++) {
		float channel = 0;
		for (size_t y = 0; y < rows; y++) {
			const float *from = in + (ptrdiff_t)c * p->in_channel + (ptrdiff_t)y * p->in_row;
			channel += square ? sum_row(from, run, mean, true) : sum_row(from, run, mean, false);
		}
		group += channel;
	}
	return group;
}

/* A channels-first task is one group of one image. */
static void group_first_task(const group_norm_params *p, void *const *args, size_t task)
{
	const size_t channels = p->channels / p->groups, first = task % p->groups * channels;
	const ptrdiff_t image = (ptrdiff_t)(task / p->groups);
	const float *in = (const float *)args[GROUP_NORM_IN] + image * p->in_batch +
			  (ptrdiff_t)first * p->in_channel;
	float *out = (float *)args[GROUP_NORM_OUT] + image * p->out_batch + (ptrdiff_t)first * p->out_channel;
	const float *scale = args[GROUP_NORM_SCALE], *bias = args[GROUP_NORM_BIAS];
	const float count = (float)(p->rows * p->pixels * channels);
	const float mean = sum_group(p, in, channels, 0, false) / count;
	const float inv = 1 / sqrtf(sum_group(p, in, channels, mean, true) / count + p->epsilon);
	for (size_t c = 0; c < channels; c++) {
		const float factor = scale ? scale[first + c] * inv : inv, more = bias ? bias[first + c] : 0;
		for (size_t y = 0; y < p->rows; y++) {
			const float *from = in + (ptrdiff_t)c * p->in_channel + (ptrdiff_t)y * p->in_row;
			float *to = out + (ptrdiff_t)c * p->out_channel + (ptrdiff_t)y * p->out_row;
			for (size_t x = 0; x < p->pixels; x += VEC) {
				const vec_tail t = tail_of(size_min(VEC, p->pixels - x));
				store_tail(to + x, (load_tail(from + x, t) - mean) * factor + more, t);
			}
		}
	}
}

static bool group_norm_supports(const void *params)
{
	const group_norm_params *p = params;
	return !channels_first(p->in_channel, p->out_channel) || (p->in_pixel == 1 && p->out_pixel == 1);
}

static size_t group_norm_tasks(const void *params)
{
	const group_plan g = group_plan_of(params);
	if (channels_first(g.p->in_channel, g.p->out_channel))
		return g.p->rows * g.p->pixels * g.p->channels == 0 ? 0 : g.p->groups * g.p->batch;
	return g.p->rows * g.p->pixels == 0 ? 0 : g.tasks * g.p->batch;
}

/* For each channel of a task: sum of a line, sum over lines, factor and addend. */
static size_t group_norm_scratch(const void *params)
{
	const group_plan g = group_plan_of(params);
	return 3 * div_up(g.channels, VEC) * VEC * sizeof(float) + KERNEL_ALIGNMENT;
}

#define STRETCH 64

/* total[c] = sum over all pixels of x - mean[c], or of its square. Stretches of lines, and lines, are summed by themselves first: an image may
 * come as a single line. */
static void sum_channels(const group_norm_params *p, const float *in, size_t channels, const float *mean,
			 bool square, float *total)
{
	for (size_t c = 0; c < channels; c += VEC) {
		const vec_tail t = tail_of(size_min(VEC, channels - c));
		const vec m = load_tail(mean + c, t);
		vec sum = splat(0);
		for (size_t y = 0; y < p->rows; y++) {
			const float *from = in + (ptrdiff_t)y * p->in_row + c;
			vec line = splat(0);
			for (size_t x = 0; x < p->pixels;) {
				const size_t end = size_min(p->pixels, x + STRETCH);
				vec part = splat(0);
				for (; x < end; x++, from += p->in_pixel) {
					const vec d = load_tail(from, t) - m;
					part += square ? d * d : d;
				}
				line += part;
			}
			sum += line;
		}
		store_tail(total + c, sum, t);
	}
}

/* Replaces each channel's sum by the mean of its group. */
static void group_means(const group_plan *g, size_t channels, float *total)
{
	const float count = (float)(g->p->rows * g->p->pixels * g->group);
	for (size_t c = 0; c < channels; c += g->group) {
		float sum = 0;
		for (size_t i = 0; i < g->group; i++)
			sum += total[c + i];
		for (size_t i = 0; i < g->group; i++)
			total[c + i] = sum / count;
	}
}

static void group_norm_task(const group_plan *g, void *const *args, size_t task, float *mean, float *factor)
{
	const group_norm_params *p = g->p;
	const size_t first = task % g->tasks * g->channels,
		     channels = size_min(g->channels, p->channels - first);
	const ptrdiff_t image = (ptrdiff_t)(task / g->tasks);
	const float *in = (const float *)args[GROUP_NORM_IN] + image * p->in_batch + first;
	float *out = (float *)args[GROUP_NORM_OUT] + image * p->out_batch + first;
	const float *scale = args[GROUP_NORM_SCALE], *bias = args[GROUP_NORM_BIAS];
	for (size_t c = 0; c < channels; c++)
		factor[c] = 0;
	sum_channels(p, in, channels, factor, false, mean);
	group_means(g, channels, mean);
	sum_channels(p, in, channels, mean, true, factor);
	group_means(g, channels, factor);
	for (size_t c = 0; c < channels; c++)
		factor[c] = (scale ? scale[first + c] : 1) / sqrtf(factor[c] + p->epsilon);
	for (size_t y = 0; y < p->rows; y++)
		for (size_t x = 0; x < p->pixels; x++) {
			const float *from = in + (ptrdiff_t)y * p->in_row + (ptrdiff_t)x * p->in_pixel;
			float *to = out + (ptrdiff_t)y * p->out_row + (ptrdiff_t)x * p->out_pixel;
			for (size_t c = 0; c < channels; c += VEC) {
				const vec_tail t = tail_of(size_min(VEC, channels - c));
				vec v = (load_tail(from + c, t) - load_tail(mean + c, t)) *
					load_tail(factor + c, t);
				if (bias)
					v += load_tail(bias + first + c, t);
				store_tail(to + c, v, t);
			}
		}
}

static void group_norm_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const group_plan g = group_plan_of(params);
	float *mean = scratch, *factor = mean + div_up(g.channels, VEC) * VEC;
	for (size_t task = begin; task < end && channels_first(g.p->in_channel, g.p->out_channel); task++)
		group_first_task(g.p, args, task);
	for (size_t task = begin; task < end && !channels_first(g.p->in_channel, g.p->out_channel); task++)
		group_norm_task(&g, args, task, mean, factor);
}

extern const compute_kernel ISA(group_norm_f32);
const compute_kernel ISA(group_norm_f32) = { "group_norm_f32", sizeof(group_norm_params), group_norm_tasks,
					     group_norm_scratch, group_norm_run, group_norm_supports };

/* ---- Local response normalisation ---- */

/* Pixels of a channels-first task, which takes all channels of a stretch of a line. */
#define LRN_PIXELS 256

static size_t lrn_tasks(const void *params)
{
	const lrn_params *p = params;
	size_t rows = 1;
	if (channels_first(p->in_channel, p->out_channel)) {
		for (size_t i = 0; i + 1 < p->rank; i++)
			rows *= p->outer[i];
		return p->channels == 0 ? 0 : rows * div_up(p->outer[p->rank - 1], LRN_PIXELS);
	}
	for (size_t i = 0; i < p->rank; i++)
		rows *= p->outer[i];
	return p->channels == 0 ? 0 : div_up(rows, rows_of_task(p->channels));
}

/* Squares of one position, with zeros on both sides, as far as vectors read. */
static size_t lrn_scratch(const void *params)
{
	const lrn_params *p = params;
	return (p->channels + p->size + 2 * VEC) * sizeof(float);
}

/* 1 / (bias + alpha * sum)^beta; alpha: of the mean. */
ALWAYS_INLINE vec lrn_factor(const lrn_params *p, vec sum)
{
	const vec base = sum * splat(p->alpha / (float)p->size) + p->bias;
	/* 3/4 is the usual exponent, and two roots are more exact than a logarithm. */
	return p->beta == 0.75f ? 1.0f / (vec_sqrt(base) * vec_sqrt(vec_sqrt(base)))
				: vec_exp(-p->beta * vec_log(base));
}

static void lrn_columns(const lrn_params *p, const float *in, float *out, size_t pixels)
{
	const ptrdiff_t before = (ptrdiff_t)(p->size - 1) / 2, channels = (ptrdiff_t)p->channels;
	for (size_t x = 0; x < pixels; x += VEC) {
		const vec_tail t = tail_of(size_min(VEC, pixels - x));
		for (ptrdiff_t c = 0; c < channels; c++) {
			const ptrdiff_t first = c < before ? 0 : c - before;
			const ptrdiff_t last = c - before + (ptrdiff_t)p->size;
			vec sum = splat(0);
			for (ptrdiff_t k = first; k < (last < channels ? last : channels); k++) {
				const vec v = load_tail(in + k * p->in_channel + (ptrdiff_t)x, t);
				sum += v * v;
			}
			store_tail(out + c * p->out_channel + (ptrdiff_t)x,
				   load_tail(in + c * p->in_channel + (ptrdiff_t)x, t) * lrn_factor(p, sum),
				   t);
		}
	}
}

static void lrn_first(const lrn_params *p, void *const *args, size_t begin, size_t end)
{
	const size_t pixels = p->outer[p->rank - 1], pieces = div_up(pixels, LRN_PIXELS);
	walk w = walk_over(p->rank - 1, p->outer, p->in_outer, p->out_outer);
	for (size_t task = begin; task < end; task++) {
		const size_t x = task % pieces * LRN_PIXELS;
		walk_seek(&w, task / pieces);
		lrn_columns(p, (const float *)args[LRN_IN] + w.offset[0] + x,
			    (float *)args[LRN_OUT] + w.offset[1] + x, size_min(LRN_PIXELS, pixels - x));
	}
}

static bool lrn_supports(const void *params)
{
	const lrn_params *p = params;
	return !channels_first(p->in_channel, p->out_channel) ||
	       (p->rank > 0 && p->in_outer[p->rank - 1] == 1 && p->out_outer[p->rank - 1] == 1);
}

static void lrn_row(const lrn_params *p, const float *in, float *out, float *square)
{
	const size_t n = p->channels, before = (p->size - 1) / 2;
	float *middle = square + before;
	for (size_t i = 0; i < n; i += VEC) {
		const vec_tail t = tail_of(size_min(VEC, n - i));
		const vec x = load_tail(in + i, t);
		store_tail(middle + i, x * x, t);
	}
	for (size_t i = 0; i < n; i += VEC) {
		const vec_tail t = tail_of(size_min(VEC, n - i));
		vec sum = splat(0);
		for (size_t k = 0; k < p->size; k++)
			sum += load(square + i + k);
		store_tail(out + i, load_tail(in + i, t) * lrn_factor(p, sum), t);
	}
}

static void lrn_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const lrn_params *p = params;
	if (channels_first(p->in_channel, p->out_channel)) {
		lrn_first(p, args, begin, end);
		return;
	}
	walk w = walk_over(p->rank, p->outer, p->in_outer, p->out_outer);
	const size_t step = rows_of_task(p->channels), last = size_min(w.count, end * step);
	memset(scratch, 0, lrn_scratch(p));
	walk_seek(&w, begin * step);
	for (size_t i = begin * step; i < last; i++, walk_next(&w))
		lrn_row(p, (const float *)args[LRN_IN] + w.offset[0], (float *)args[LRN_OUT] + w.offset[1],
			scratch);
}

extern const compute_kernel ISA(lrn_f32);
const compute_kernel ISA(lrn_f32) = { "lrn_f32",   sizeof(lrn_params), lrn_tasks,
				      lrn_scratch, lrn_run,            lrn_supports };
