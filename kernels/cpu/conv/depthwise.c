/* Depthwise convolution: one filter a channel. A tile is PIXELS output pixels of one vector of channels, its
 * sums and one row of taps in registers; each input vector is loaded once for all taps of that row that meet
 * it. */
#include "checked.h"
#include "conv/spatial.h"
#include "program/run.h"

/* The widths of ImageNet feature maps are multiples of 7. */
#define PIXELS 7

#define FEW_TASKS 4

/* ---- Packing: for each vector of channels its biases, then each tap's weights. ---- */

static size_t packed_channel_vectors(const weights_shape *shape)
{
	return div_up(shape->groups, VEC);
}

static size_t pack_bytes(const weights_shape *shape)
{
	size_t taps = 1, channels, bytes;
	for (size_t i = 0; i < 3; i++)
		if (!size_mul(taps, shape->kernel[i], &taps))
			return SIZE_MAX;
	if (!size_add(taps, 1, &taps) || !size_round_up(shape->groups, VEC, &channels) ||
	    !size_mul(channels, taps, &bytes) || !size_mul(bytes, sizeof(float), &bytes))
		return SIZE_MAX;
	return bytes;
}

static void pack_channel(const weights_shape *shape, const weights_source *source, size_t q, float *to)
{
	const loose_float *from = source->data + (ptrdiff_t)q * source->group;
	*to = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
	for (size_t z = 0; z < shape->kernel[0]; z++)
		for (size_t y = 0; y < shape->kernel[1]; y++)
			for (size_t x = 0; x < shape->kernel[2]; x++)
				*(to += VEC) =
					from[(ptrdiff_t)z * source->tap[0] + (ptrdiff_t)y * source->tap[1] +
					     (ptrdiff_t)x * source->tap[2]];
}

static void pack(const weights_shape *shape, const weights_source *source, void *packed)
{
	const size_t taps = shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
	memset(packed, 0, packed_channel_vectors(shape) * VEC * (taps + 1) * sizeof(float));
	for (size_t c = 0; c < shape->groups; c++) {
		float *to = (float *)packed + c / VEC * VEC * (taps + 1) + c % VEC;
		pack_channel(shape, source, source->out_index ? source->out_index[c] : c, to);
	}
}

extern const weights_packing ISA(packing_depthwise);
const weights_packing ISA(packing_depthwise) = { "depthwise", pack_bytes, pack };

/* ---- Tiles: PIXELS output pixels of a line, one vector of channels after the other ---- */

typedef struct tile {
	const float
		*in; /* column of tap 0 of the first pixel (perhaps outside), before the offset of a row */
	ptrdiff_t in_pixel;
	size_t rows;          /* of taps that lie inside */
	const ptrdiff_t *row; /* offset of each in the image */
	const size_t *weight; /* and of its taps */
	const float *packed;  /* weights of channel 0 */
	size_t packed_vector;
	size_t kernel, stride, dilation; /* along the line */
	ptrdiff_t low, high;             /* input columns, counted from `in`, that lie inside */
	size_t count;                    /* pixels that are stored */
	float *out;
	ptrdiff_t out_pixel;
	const float *residual; /* or NULL */
	ptrdiff_t residual_pixel;
	bool clamp;
	float min, max;
} tile;

/* Adds bias and residual, clamps and stores. A bias may be far larger than the products: added last, it is
 * rounded once. What the loops need is in locals: stores could alias the struct.
 * tail: channels of an incomplete vector, or 0. */
ALWAYS_INLINE void finish(const tile *t, vec *sum, vec bias, size_t channel, const size_t count,
			  const size_t tail)
{
	UNROLL for (size_t i = 0; i < PIXELS; i++) sum[i] += bias;
	const vec_tail part = tail_of(tail ? tail : VEC);
	if (t->residual) {
		const float *from = t->residual + channel;
		const ptrdiff_t step = t->residual_pixel;
		UNROLL for (size_t i = 0; i < PIXELS; i++)
		{
			if (i < count) {
				sum[i] += tail ? load_tail(from, part) : load(from);
				from += step;
			}
		}
	}
	if (t->clamp) {
		const vec min = splat(t->min), max = splat(t->max);
		UNROLL for (size_t i = 0; i < PIXELS; i++) sum[i] = vec_clamp(sum[i], min, max);
	}
	float *to = t->out + channel;
	const ptrdiff_t step = t->out_pixel;
	UNROLL for (size_t i = 0; i < PIXELS; i++)
	{
		if (i < count) {
			if (tail)
				store_tail(to, sum[i], part);
			else
				store(to, sum[i]);
			to += step;
		}
	}
}

/* What a tile knows about its columns when it is compiled: all PIXELS pixels are stored, and no column, the
 * first `pad`, the last `pad` or both lie outside; or nothing (LOOK). */
enum { INSIDE = 0, LEFT = 1, RIGHT = 2, LOOK = 4 };

/* Inlined with constants for width, stride and edge. */
ALWAYS_INLINE void tile_vector(const tile *t, size_t channel, const int width, const int stride,
			       const int edge, const size_t tail)
{
	const int reach = (PIXELS - 1) * stride + width, pad = width / 2;
	const int first = edge & LEFT ? pad : 0, last = edge & RIGHT ? reach - pad : reach;
	const float *packed = t->packed + channel / VEC * t->packed_vector;
	const vec_tail part = tail_of(tail ? tail : VEC);
	const ptrdiff_t step = t->in_pixel, low = t->low, high = t->high;
	vec sum[PIXELS];
	UNROLL for (int i = 0; i < PIXELS; i++) sum[i] = splat(0);
	for (size_t r = 0; r < t->rows; r++) {
		const float *from = t->in + t->row[r] + channel + first * step;
		const float *weights = packed + VEC + t->weight[r];
		vec w[7];
		UNROLL for (int x = 0; x < width; x++) w[x] = load(weights + x * VEC);
		UNROLL for (int j = first; j < last; j++, from += step)
		{
			if (edge != LOOK || (j >= low && j < high)) {
				const vec v = tail ? load_tail(from, part) : load(from);
				UNROLL for (int i = 0; i < PIXELS; i++)
				{
					const int x = j - i * stride;
					if (x >= 0 && x < width)
						sum[i] += w[x] * v;
				}
			}
		}
	}
	finish(t, sum, load(packed), channel, edge == LOOK ? t->count : PIXELS, tail);
}

ALWAYS_INLINE void tile_vectors(const tile *t, size_t channel, size_t end, const int width, const int stride,
				const int edge)
{
	for (; channel < end; channel += VEC)
		tile_vector(t, channel, width, stride, edge, 0);
}

#define TILE(width, stride)                                                                                  \
	static void tile_##width##s##stride(const tile *t, size_t channel, size_t end, int edge)             \
	{                                                                                                    \
		const size_t tail = (end - channel) % VEC, whole = end - tail;                               \
		switch (edge) {                                                                              \
		case INSIDE:                                                                                 \
			tile_vectors(t, channel, whole, width, stride, INSIDE);                              \
			break;                                                                               \
		case LEFT:                                                                                   \
			tile_vectors(t, channel, whole, width, stride, LEFT);                                \
			break;                                                                               \
		case RIGHT:                                                                                  \
			tile_vectors(t, channel, whole, width, stride, RIGHT);                               \
			break;                                                                               \
		case LEFT | RIGHT:                                                                           \
			tile_vectors(t, channel, whole, width, stride, LEFT | RIGHT);                        \
			break;                                                                               \
		default:                                                                                     \
			tile_vectors(t, channel, whole, width, stride, LOOK);                                \
			break;                                                                               \
		}                                                                                            \
		if (tail)                                                                                    \
			tile_vector(t, whole, width, stride, LOOK, tail);                                    \
	}
TILE(3, 1)
TILE(3, 2)
TILE(5, 1)
TILE(5, 2)
TILE(7, 1)

/* Any kernel, stride and dilation. */
static void tile_any(const tile *t, size_t channel, size_t end, int edge)
{
	(void)edge;
	for (; channel < end; channel += VEC) {
		const size_t tail = size_min(VEC, end - channel);
		const vec_tail part = tail_of(tail);
		const float *packed = t->packed + channel / VEC * t->packed_vector;
		vec sum[PIXELS];
		UNROLL for (int i = 0; i < PIXELS; i++) sum[i] = splat(0);
		for (size_t r = 0; r < t->rows; r++) {
			const float *in = t->in + t->row[r] + channel, *weights = packed + VEC + t->weight[r];
			for (size_t x = 0; x < t->kernel; x++) {
				const vec w = load(weights + x * VEC);
				UNROLL for (size_t i = 0; i < PIXELS; i++)
				{
					const ptrdiff_t j = (ptrdiff_t)(i * t->stride + x * t->dilation);
					if (i < t->count && j >= t->low && j < t->high)
						sum[i] += w * load_tail(in + j * t->in_pixel, part);
				}
			}
		}
		finish(t, sum, load(packed), channel, t->count, tail);
	}
}

typedef void tile_fn(const tile *t, size_t channel, size_t end, int edge);

static tile_fn *choose(const conv_window *w)
{
	const size_t width = w->kernel[PIXEL], stride = w->stride[PIXEL];
	if (w->dilation[PIXEL] == 1 && width == 3)
		return stride == 1 ? tile_3s1 : stride == 2 ? tile_3s2 : tile_any;
	if (w->dilation[PIXEL] == 1 && width == 5)
		return stride == 1 ? tile_5s1 : stride == 2 ? tile_5s2 : tile_any;
	if (w->dilation[PIXEL] == 1 && width == 7 && stride == 1)
		return tile_7s1;
	return tile_any;
}

/* Which columns of a tile lie outside. */
static int edge_of(const tile *t)
{
	const ptrdiff_t reach = (ptrdiff_t)((PIXELS - 1) * t->stride + (t->kernel - 1) * t->dilation) + 1;
	const ptrdiff_t pad = (ptrdiff_t)t->kernel / 2;
	const int left = t->low <= 0 ? INSIDE : t->low == pad ? LEFT : LOOK;
	const int right = t->high >= reach ? INSIDE : t->high == reach - pad ? RIGHT : LOOK;
	return left == LOOK || right == LOOK || t->count < PIXELS ? LOOK : left | right;
}

/* ---- Tasks: some lines by some vectors of channels ---- */

typedef struct plan {
	const conv_params *p;
	size_t channels, vectors;
	size_t lines, line_step, line_tasks;
	size_t vector_step, vector_tasks;
	size_t taps;
} plan;

static plan plan_of(const conv_params *p)
{
	const conv_window *w = &p->window;
	plan g = { .p = p, .channels = p->weights.groups };
	g.vectors = div_up(g.channels, VEC);
	g.lines = line_count(w, p->batch);
	g.taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
	/* About 100,000 multiplications a task. Many lines share the input rows that they read: so first the
	 * channels are cut, to 512, as long as lines are few. */
	const size_t line = w->out[PIXEL] * (g.taps + 1) * VEC;
	g.vector_step = size_max(1, size_min(g.vectors, 512 / VEC));
	g.vector_tasks = div_up(g.vectors, g.vector_step);
	g.line_step = size_max(1, size_min(g.lines, 131072 / size_max(1, line * g.vector_step)));
	/* Threads need tasks to share, also where all together is little. */
	if (g.vector_tasks * div_up(g.lines, g.line_step) < FEW_TASKS && g.lines * line * g.vectors > 32768)
		g.line_step = div_up(g.lines, FEW_TASKS);
	g.line_step = p->hint.size < 0 ? g.line_step >> -p->hint.size : g.line_step << p->hint.size;
	g.line_step = size_max(1, size_min(g.lines, g.line_step));
	g.line_tasks = div_up(g.lines, g.line_step);
	return g;
}

static size_t depthwise_tasks(const void *params)
{
	const plan g = plan_of(params);
	return g.line_tasks * g.vector_tasks;
}

/* A line of output pixels and the rows of taps that lie inside the image for it. */
typedef struct line {
	pixel at;
	size_t rows;
	ptrdiff_t *row; /* offset of each in the image, at pixel 0 */
	size_t *weight; /* offset of its taps */
	float *out;     /* of channel 0 */
	ptrdiff_t out_pixel;
} line;

static void find_rows(const plan *g, line *l)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	const ptrdiff_t z0 = first_tap(w, DEPTH, l->at.z), y0 = first_tap(w, ROW, l->at.y);
	const range z = taps_inside(z0, w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	const range y = taps_inside(y0, w->kernel[ROW], w->dilation[ROW], w->in[ROW]);
	l->rows = 0;
	for (size_t tz = z.begin; tz < z.end; tz++)
		for (size_t ty = y.begin; ty < y.end; ty++) {
			const size_t slice = (size_t)(z0 + (ptrdiff_t)(tz * w->dilation[DEPTH]));
			const size_t row = (size_t)(y0 + (ptrdiff_t)(ty * w->dilation[ROW]));
			l->row[l->rows] = (ptrdiff_t)l->at.n * p->in.batch +
					  (ptrdiff_t)slice * p->in.axis[DEPTH] +
					  (ptrdiff_t)ring_slot(w->in_ring, row) * p->in.axis[ROW];
			l->weight[l->rows++] = (tz * w->kernel[ROW] + ty) * w->kernel[PIXEL] * VEC;
		}
}

static void run_channels(const plan *g, void *const *args, const line *l, size_t channel, size_t channel_end,
			 tile_fn *fn)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	const epilogue *e = &p->epilogue;
	const float *in = args[CONV_IN], *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[CONV_RESIDUAL] + residual_offset(e, &l->at);
	tile t = {
		.in_pixel = p->in.axis[PIXEL],
		.rows = l->rows,
		.row = l->row,
		.weight = l->weight,
		.packed = args[CONV_WEIGHTS],
		.packed_vector = (g->taps + 1) * VEC,
		.kernel = w->kernel[PIXEL],
		.stride = w->stride[PIXEL],
		.dilation = w->dilation[PIXEL],
		.out_pixel = l->out_pixel,
		.residual_pixel = e->residual[3],
		.clamp = e->flags & EPILOGUE_CLAMP,
		.min = e->min,
		.max = e->max,
	};
	for (size_t x = 0; x < w->out[PIXEL]; x += PIXELS) {
		const ptrdiff_t x0 = first_tap(w, PIXEL, x);
		t.in = in + x0 * t.in_pixel;
		t.low = -x0;
		t.high = (ptrdiff_t)w->in[PIXEL] - x0;
		t.count = size_min(PIXELS, w->out[PIXEL] - x);
		t.out = l->out + (ptrdiff_t)x * t.out_pixel;
		t.residual = residual ? residual + (ptrdiff_t)x * t.residual_pixel : NULL;
		fn(&t, channel, channel_end, edge_of(&t));
	}
}

typedef struct work {
	ptrdiff_t *row;
	size_t *weight;
	float *sums; /* of a line, for the program */
	size_t sums_row;
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const size_t rows = g->p->window.kernel[DEPTH] * g->p->window.kernel[ROW];
	w.row = scratch_part(scratch, &w.bytes, rows * sizeof(*w.row));
	w.weight = scratch_part(scratch, &w.bytes, rows * sizeof(*w.weight));
	if (g->p->epilogue.flags & EPILOGUE_PROGRAM) {
		w.sums_row = g->vector_step * VEC;
		w.sums =
			scratch_part(scratch, &w.bytes, g->p->window.out[PIXEL] * w.sums_row * sizeof(float));
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
	return w;
}

static size_t depthwise_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

/* The channels of a line, block by block where they lie in blocks: then the tiles find each block where
 * channels side by side would have it. */
static void run_blocks(const plan *g, void *const *args, line *l, size_t channel, size_t channel_end,
		       const work *w, tile_fn *fn)
{
	const conv_params *p = g->p;
	float *out = l->out;
	void *moved[CONV_RESIDUAL + 1] = { [CONV_WEIGHTS] = args[CONV_WEIGHTS] };
	if (!p->in_block && !p->out_block) {
		run_channels(g, args, l, channel, channel_end, fn);
		return;
	}
	for (size_t c = channel; c < channel_end; c += VEC) {
		const ptrdiff_t at = (ptrdiff_t)c;
		moved[CONV_IN] = (float *)args[CONV_IN] + channel_offset(p->in_block, c) - at;
		if (p->epilogue.flags & EPILOGUE_RESIDUAL)
			moved[CONV_RESIDUAL] =
				(float *)args[CONV_RESIDUAL] + channel_offset(residual_block(p), c) - at;
		l->out = w->sums ? out : out + channel_offset(p->out_block, c) - at;
		run_channels(g, moved, l, c, c + VEC, fn);
	}
}

/* The program over a line whose results lie in scratch. */
static void finish_line(const plan *g, void *const *args, const line *l, float *out, size_t channel,
			size_t channel_end, const work *w)
{
	const conv_params *p = g->p;
	const size_t width = p->window.out[PIXEL];
	if (!p->out_block) {
		const size_t position[5] = { l->at.n, l->at.z, l->at.y, 0, channel };
		epilogue_run(&p->epilogue, args, CONV_OPERANDS, 5, position, width, channel_end - channel,
			     w->sums, (ptrdiff_t)w->sums_row, out + channel, p->out.axis[PIXEL], w->program);
		return;
	}
	for (size_t c = channel; c < channel_end; c += VEC) {
		const size_t position[6] = { l->at.n, l->at.z, l->at.y, 0, c / VEC, 0 };
		epilogue_run_along(&p->epilogue, args, CONV_OPERANDS, 6, position, 3, 5, width, VEC,
				   w->sums + (c - channel), (ptrdiff_t)w->sums_row,
				   out + channel_offset(p->out_block, c), p->out.axis[PIXEL], w->program);
	}
}

static void run_line(const plan *g, void *const *args, size_t index, size_t channel, size_t channel_end,
		     const work *w, tile_fn *fn)
{
	const conv_params *p = g->p;
	line l = { .at = line_at(&p->window, index), .row = w->row, .weight = w->weight };
	find_rows(g, &l);
	float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, &l.at);
	l.out = w->sums ? w->sums - channel : out;
	l.out_pixel = w->sums ? (ptrdiff_t)w->sums_row : p->out.axis[PIXEL];
	run_blocks(g, args, &l, channel, channel_end, w, fn);
	if (w->sums)
		finish_line(g, args, &l, out, channel, channel_end, w);
}

static void depthwise_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params);
	const work w = work_of(&g, scratch);
	tile_fn *fn = choose(&g.p->window);
	for (size_t task = begin; task < end; task++) {
		const size_t channel = task % g.vector_tasks * g.vector_step * VEC;
		const size_t channel_end = size_min(g.channels, channel + g.vector_step * VEC);
		const size_t first = task / g.vector_tasks * g.line_step;
		for (size_t i = first; i < size_min(g.lines, first + g.line_step); i++)
			run_line(&g, args, i, channel, channel_end, &w, fn);
	}
}

static bool depthwise_supports(const void *params)
{
	const conv_params *p = params;
	return p->weights.in_channels == 1 && p->weights.out_channels == 1 && (p->in_channel | 1) == 1 &&
	       (p->out_channel | 1) == 1 && whole_blocks(p) && plain_channels(p);
}

extern const compute_kernel ISA(depthwise_f32);
const compute_kernel ISA(depthwise_f32) = { "depthwise_f32",   sizeof(conv_params), depthwise_tasks,
					    depthwise_scratch, depthwise_run,       depthwise_supports };
