/* What convolutions, pooling and resizing share: lines of output pixels, taps inside the image, parts of
 * scratch. */
#ifndef CPU_CONV_SPATIAL_H
#define CPU_CONV_SPATIAL_H

#include "conv.h"
#include "vector/vec.h"

/* An output pixel: image, depth, row (absolute), pixel. */
typedef struct pixel {
	size_t n, z, y, x;
} pixel;

/* The first pixel of the line-th line that is asked for, over depth and batch. */
static inline pixel line_at(const conv_window *w, size_t line)
{
	const size_t lines = w->row_end - w->row_begin;
	pixel at = { .x = 0 };
	at.y = line % lines + w->row_begin;
	line /= lines;
	at.z = line % w->out[DEPTH];
	at.n = line / w->out[DEPTH];
	return at;
}

/* Goes on to the next pixel, over lines, depth and batch. */
static inline void pixel_next(const conv_window *w, pixel *at)
{
	if (++at->x < w->out[PIXEL])
		return;
	at->x = 0;
	if (++at->y < w->row_end)
		return;
	at->y = w->row_begin;
	if (++at->z < w->out[DEPTH])
		return;
	at->z = 0;
	at->n++;
}

static inline size_t line_count(const conv_window *w, size_t batch)
{
	return batch * w->out[DEPTH] * (w->row_end - w->row_begin);
}

static inline size_t ring_slot(size_t ring, size_t row)
{
	return ring ? row % ring : row;
}

static inline ptrdiff_t output_offset(const conv_window *w, const image_strides *out, const pixel *at)
{
	return (ptrdiff_t)at->n * out->batch + (ptrdiff_t)at->z * out->axis[DEPTH] +
	       (ptrdiff_t)ring_slot(w->out_ring, at->y) * out->axis[ROW] +
	       (ptrdiff_t)at->x * out->axis[PIXEL];
}

static inline ptrdiff_t residual_offset(const epilogue *e, const pixel *at)
{
	return (ptrdiff_t)at->n * e->residual[0] + (ptrdiff_t)at->z * e->residual[1] +
	       (ptrdiff_t)at->y * e->residual[2] + (ptrdiff_t)at->x * e->residual[3];
}

/* Where a channel lies that begins a vector; block: of conv_params. */
static inline ptrdiff_t channel_offset(ptrdiff_t block, size_t channel)
{
	return block ? (ptrdiff_t)(channel / VEC) * block : (ptrdiff_t)channel;
}

/* The same in the residual. */
static inline ptrdiff_t residual_block(const conv_params *p)
{
	return p->out_block ? p->epilogue.residual[4] : 0;
}

/* Whether blocks of channels are whole, in each group. */
static inline bool whole_blocks(const conv_params *p)
{
	const weights_shape *s = &p->weights;
	const bool depthwise = s->in_channels == 1 && s->out_channels == 1;
	return (!p->in_block || (depthwise ? s->groups : s->in_channels) % VEC == 0) &&
	       (!p->out_block || (depthwise ? s->groups : s->out_channels) % VEC == 0);
}

/* Whether channels lie plainly: groups follow one another on both sides, and the output's are one run. */
static inline bool plain_channels(const conv_params *p)
{
	return !p->in_group && !p->out_group && !p->out_run;
}

/* Whether results can be written in runs as they are asked for, if they are. */
static inline bool whole_runs(const conv_params *p)
{
	return !p->out_run ||
	       (!p->out_group && !p->out_block && (p->out_channel | 1) == 1 &&
		!(p->epilogue.flags & EPILOGUE_RESIDUAL) &&
		p->out_run * p->out_runs[0] * p->out_runs[1] == p->weights.groups * p->weights.out_channels);
}

/* Where tap 0 of output position `at` reads along axis a. */
static inline ptrdiff_t first_tap(const conv_window *w, int a, size_t at)
{
	return (ptrdiff_t)(at * w->stride[a]) - w->pad[a];
}

typedef struct range {
	size_t begin, end;
} range;

/* The taps t of [0, count) with 0 <= first + t * dilation < in. */
static inline range taps_inside(ptrdiff_t first, size_t count, size_t dilation, size_t in)
{
	const ptrdiff_t d = (ptrdiff_t)dilation, left = (ptrdiff_t)in - first;
	range r;
	r.begin = first >= 0 ? 0 : size_min(count, (size_t)((-first + d - 1) / d));
	r.end = left <= 0 ? r.begin : size_max(r.begin, size_min(count, (size_t)((left + d - 1) / d)));
	return r;
}

/* How many taps along axis a count for the average at output position o. */
static inline size_t taps_counted(const pool_params *p, int a, size_t o)
{
	const conv_window *w = &p->window;
	ptrdiff_t first = first_tap(w, a, o);
	size_t extent = w->in[a];
	if (p->kind == POOL_AVERAGE_PADDED) {
		first += w->pad[a];
		extent = (size_t)((ptrdiff_t)extent + w->pad[a] + p->pad_end[a]);
	}
	const range r = taps_inside(first, w->kernel[a], w->dilation[a], extent);
	return r.end - r.begin;
}

/* Cuts a part off the scratch memory; with scratch NULL it only counts. */
static inline void *scratch_part(char *scratch, size_t *used, size_t bytes)
{
	void *part = scratch ? scratch + *used : NULL;
	*used += div_up(bytes, KERNEL_ALIGNMENT) * KERNEL_ALIGNMENT;
	return part;
}

#endif
