/* Convolutions: the launches of cl/conv.cl, cl/depthwise.cl and, by tiles in local memory, cl/tile.cl. */
#include "work.h"

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

static bool rings(const conv_window *w)
{
	return w->in_ring || w->out_ring || w->row_begin || w->row_end != w->out[ROW];
}

/* Axis `outer` continues into `outer + 1` in every operand, so that both are one run of pixels. */
static bool runs_on(const conv_params *p, int outer)
{
	const int inner = outer + 1;
	const ptrdiff_t n = (ptrdiff_t)p->window.out[inner];
	const epilogue *e = &p->epilogue;
	bool same = p->in.axis[outer] == n * p->in.axis[inner] && p->out.axis[outer] == n * p->out.axis[inner];
	if (e->flags & EPILOGUE_RESIDUAL)
		same &= e->residual[1 + outer] == n * e->residual[1 + inner];
	for (uint32_t i = 0; i < e->operands && e->flags & EPILOGUE_PROGRAM; i++)
		same &= e->operand[i].stride[1 + outer] == n * e->operand[i].stride[1 + inner];
	return same;
}

/* A pointwise convolution has no rows: pixels of the whole image follow one another, which tiles divide better. */
static void flatten(conv_params *p)
{
	conv_window *w = &p->window;
	epilogue *e = &p->epilogue;
	for (int a = 0; a < 3; a++)
		if (w->kernel[a] != 1 || w->stride[a] != 1 || w->pad[a] || w->in[a] != w->out[a])
			return;
	for (int outer = ROW; outer >= DEPTH; outer--) {
		if (w->out[outer] != 1 && !runs_on(p, outer))
			return;
		w->out[PIXEL] *= w->out[outer];
		w->in[PIXEL] = w->out[PIXEL];
		w->out[outer] = w->in[outer] = 1;
		/* The axis, now empty, ends where the pixels do: that is what the next one has to follow. */
		const ptrdiff_t n = (ptrdiff_t)w->out[PIXEL];
		p->in.axis[outer] = n * p->in.axis[PIXEL];
		p->out.axis[outer] = n * p->out.axis[PIXEL];
		e->residual[1 + outer] = n * e->residual[1 + PIXEL];
		for (uint32_t i = 0; i < e->operands; i++)
			e->operand[i].stride[1 + outer] = n * e->operand[i].stride[1 + PIXEL];
	}
}

/* The number of pixels in a tile that wastes least. */
static uint32_t tile_pixels(const opencl_target *t, size_t pixels)
{
	static const uint32_t host[] = { 6, 7, 5, 4, 3, 2, 1 }, device[] = { 4, 2, 1 };
	const uint32_t *list = t->host_cpu ? host : device;
	const size_t count = t->host_cpu ? 7 : 3;
	uint32_t best = list[0];
	double least = 1e30;
	for (size_t i = 0; i < count; i++) {
		/* small tiles read more weights for each product */
		const double cost = (double)round_up(pixels, list[i]) * (1.0 + 0.6 / list[i]);
		if (cost < least * 0.97) {
			least = cost;
			best = list[i];
		}
	}
	return best;
}

/* Channels of a side as they count for its span: in blocks, those blocks. */
static void blocked_span(opencl_work *w, size_t channels, ptrdiff_t stride, size_t block)
{
	const size_t blocks = block ? channels / block : 0;
	work_span(w, 1, &blocks, &stride);
}

static void image_arguments(opencl_work *w, const conv_params *p, conv_args *a, size_t in_channels, size_t out_channels)
{
	work_define(w, "IN_BLOCKED", p->in_block != 0);
	work_define(w, "OUT_BLOCKED", p->out_block != 0);
	work_define(w, "OUT_RUNS", p->out_run != 0);
	work_define(w, "IN_GROUPED", p->in_group != 0);
	work_define(w, "OUT_GROUPED", p->out_group != 0);
	a->in_group = work_int(w, p->in_group);
	a->out_group = work_int(w, p->out_group);
	work_span(w, 1, &p->weights.groups, &p->in_group);
	work_span(w, 1, &p->weights.groups, &p->out_group);
	a->out_run = work_int(w, (ptrdiff_t)p->out_run);
	a->out_runs = work_int(w, (ptrdiff_t)p->out_runs[1]);
	work_span(w, p->out_run ? 2 : 0, p->out_runs, p->out_run_stride);
	for (int i = 0; i < 2; i++)
		a->out_run_stride[i] = work_int(w, p->out_run_stride[i]);
	a->block = work_int(w, (ptrdiff_t)p->block);
	a->in_block = work_int(w, p->in_block);
	a->out_block = work_int(w, p->out_block);
	blocked_span(w, in_channels, p->in_block, p->block);
	blocked_span(w, out_channels, p->out_block, p->block);
	const ptrdiff_t in_channel = p->in_channel ? p->in_channel : 1, out_channel = p->out_channel ? p->out_channel : 1;
	const size_t in[5] = { p->batch, p->window.in[0], p->window.in[1], p->window.in[2], in_channels };
	const size_t out[5] = { p->batch, p->window.out[0], p->window.out[1], p->window.out[2], out_channels };
	const ptrdiff_t from[5] = { p->in.batch, p->in.axis[0], p->in.axis[1], p->in.axis[2], in_channel };
	const ptrdiff_t to[5] = { p->out.batch, p->out.axis[0], p->out.axis[1], p->out.axis[2], out_channel };
	work_span(w, 5, in, from);
	work_span(w, 5, out, to);
	for (int i = 0; i < 5; i++) {
		a->in_stride[i] = work_int(w, from[i]);
		a->out_stride[i] = work_int(w, to[i]);
	}
	for (int i = 0; i < 3; i++) {
		const conv_window *v = &p->window;
		a->in[i] = work_int(w, (ptrdiff_t)v->in[i]);
		a->out[i] = work_int(w, (ptrdiff_t)v->out[i]);
		a->taps[i] = work_int(w, (ptrdiff_t)v->kernel[i]);
		a->stride[i] = work_int(w, (ptrdiff_t)v->stride[i]);
		a->dilation[i] = work_int(w, (ptrdiff_t)v->dilation[i]);
		a->pad[i] = work_int(w, v->pad[i]);
	}
}

/* A vector of channels stays in its block or run. */
static uint32_t vector_within(uint32_t vector, const conv_params *p)
{
	while ((p->block && p->block % vector) || (p->out_run && p->out_run % vector))
		vector /= 2;
	return vector;
}

/* Where groups take turns, channel c of group g is the one that lies at c * groups + g. */
static work_strides strides_of_turns(const conv_params *p)
{
	const epilogue *e = &p->epilogue;
	work_strides s = { 0 };
	for (uint32_t i = 0; i < e->operands && e->flags & EPILOGUE_PROGRAM; i++) {
		memcpy(s.operand[i], e->operand[i].stride, 5 * sizeof *s.operand[i]);
		s.operand[i][5] = s.operand[i][4] * (ptrdiff_t)p->weights.groups;
	}
	return s;
}

static void conv_arguments(opencl_work *w, const conv_params *p, conv_args *a)
{
	const weights_shape *s = &p->weights;
	const packed_form f = packed_form_of(s);
	work_channels(w, p->in_channel, p->out_channel);
	image_arguments(w, p, a, s->groups * s->in_channels, s->groups * s->out_channels);
	a->batch = work_int(w, (ptrdiff_t)p->batch);
	a->groups = work_int(w, (ptrdiff_t)s->groups);
	a->out_channels = work_int(w, (ptrdiff_t)s->out_channels);
	a->in_channels = work_int(w, (ptrdiff_t)s->in_channels);
	a->weight_blocks = work_int(w, (ptrdiff_t)f.blocks);
	a->zeros = work_int(w, (ptrdiff_t)f.bias);
	a->weights = work_int(w, (ptrdiff_t)f.begin);
	(void)work_int(w, (ptrdiff_t)f.weights); /* they are counted in 32 bits */
	const work_strides turns = strides_of_turns(p);
	const size_t axes = p->out_run ? 7 : p->out_block || p->out_group ? 6 : 5;
	work_epilogue(w, &p->epilogue, p->out_group ? &turns : NULL, axes, CONV_RESIDUAL, CONV_RESIDUAL + 1, &a->e);
}

/* Vectors of fewer channels where there are few. */
static uint32_t vector_of(const opencl_target *t, const conv_params *p)
{
	return vector_within(t->vector > p->weights.out_channels && t->vector > 4 ? t->vector / 2 : t->vector, p);
}

static bool make_in_registers(const opencl_target *t, const conv_params *p, bool transposed, const work_variant *v, opencl_work *w)
{
	conv_args a = { 0 };
	const uint32_t vector = vector_of(t, p);
	const size_t phases = transposed ? p->window.stride[PIXEL] : 1, tile = v->rows;
	const size_t pixels = (p->window.out[PIXEL] + phases - 1) / phases, width = (size_t)vector * v->vectors;
	work_begin(w, "conv", opencl_source_conv, vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "W_HALF", t->half);
	work_define(w, "NB", v->vectors);
	work_define(w, "PX", v->rows);
	work_define(w, "TRANSPOSED", transposed);
	work_define(w, "WIDE_LOADS", !t->host_cpu);
	a.blocks = work_int(w, (ptrdiff_t)((p->weights.out_channels + width - 1) / width));
	conv_arguments(w, p, &a);
	work_arguments(w, &a, sizeof a);
	const size_t rows = p->batch * p->window.out[DEPTH] * p->window.out[ROW];
	work_launch(w, t, (size_t)a.blocks * p->weights.groups, (pixels + tile - 1) / tile * phases, rows, v->group_x, v->group_y);
	return !w->overflow;
}

static work_product product_of(const conv_params *p)
{
	const conv_window *w = &p->window;
	return (work_product){ p->batch * w->out[DEPTH] * w->out[ROW] * w->out[PIXEL], p->weights.out_channels,
		               p->weights.in_channels * w->kernel[DEPTH] * w->kernel[ROW] * w->kernel[PIXEL], p->weights.groups };
}

static bool make_in_local_memory(const opencl_target *t, const conv_params *p, const work_variant *v, opencl_work *w)
{
	conv_args a = { 0 };
	const work_product d = product_of(p);
	const uint32_t vector = vector_within(t->vector, p);
	const size_t rows = v->rows * v->group_y, columns = (size_t)v->vectors * v->group_x * vector;
	work_begin(w, "conv_tiled", opencl_source_tile, vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "W_HALF", t->half);
	work_define(w, "CONV", 1);
	work_define(w, "B_PACKED", 1);
	work_tile(w, v);
	a.blocks = work_int(w, (ptrdiff_t)((d.n + columns - 1) / columns));
	conv_arguments(w, p, &a);
	work_arguments(w, &a, sizeof a);
	(void)work_int(w, (ptrdiff_t)(d.m + rows)); /* counted in 32 bits, as the steps of the sum are */
	(void)work_int(w, (ptrdiff_t)(d.k + v->depth));
	work_launch_groups(w, (size_t)a.blocks * d.batch, (d.m + rows - 1) / rows, 1, v);
	return !w->overflow;
}

static bool make_conv(const opencl_target *t, const conv_params *given, opencl_work *w, bool transposed)
{
	conv_params p = *given;
	const weights_shape *s = &p.weights;
	if (rings(&p.window) || !packed_form_of(s).fits || !s->out_channels || !s->in_channels || (transposed && p.block))
		return false;
	if (!transposed)
		flatten(&p);
	const work_product product = product_of(&p);
	const size_t phases = transposed ? p.window.stride[PIXEL] : 1;
	work_variant v = { tile_pixels(t, (p.window.out[PIXEL] + phases - 1) / phases), s->out_channels > vector_of(t, &p) ? 2 : 1,
		           t->host_cpu ? 4 : 8, 8, 0 };
	if (t->variant && !work_variant_get(t, KERNEL_conv_f32, &v))
		return false;
	if (!t->variant && !transposed)
		(void)work_variant_guess(t, &product, &v);
	if (v.depth)
		return !transposed && make_in_local_memory(t, &p, &v, w);
	return make_in_registers(t, &p, transposed, &v, w);
}

/* ---- Winograd tiles ---- */

#define WINOGRAD_ITEMS 256
#define WINOGRAD_TILES 16
#define WINOGRAD_COLUMNS 32
#define WINOGRAD_DEPTH 8

/* They live from local memory that is near, which that of a CPU is not. */
bool work_takes_winograd(const opencl_target *t)
{
	const size_t local = 16 * WINOGRAD_DEPTH * (WINOGRAD_TILES + 1 + WINOGRAD_COLUMNS) * sizeof(float);
	return !t->host_cpu && t->max_group >= WINOGRAD_ITEMS && t->local_bytes >= local;
}

/* Tiles of an image along one axis: of every phase of the dilation its own. */
static size_t tiles_along(const conv_window *w, int axis)
{
	const size_t d = w->dilation[axis];
	return ((w->out[axis] + d - 1) / d + 1) / 2 * d;
}

bool opencl_make_winograd2_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const conv_params *p = params;
	const conv_window *v = &p->window;
	const work_variant group = { .group_x = WINOGRAD_ITEMS, .group_y = 1 };
	conv_args a = { 0 };
	(void)present;
	if (!work_takes_winograd(t) || rings(v) || p->weights.groups != 1 || v->pad[DEPTH] || v->in[DEPTH] != v->out[DEPTH] ||
	    !packed_form_of(&p->weights).fits || vector_within(t->vector, p) != t->vector)
		return false;
	const size_t tiles = p->batch * v->out[DEPTH] * tiles_along(v, ROW) * tiles_along(v, PIXEL), n = p->weights.out_channels;
	work_begin(w, "winograd", opencl_source_winograd, t->vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "W_HALF", t->half);
	work_define(w, "DEPTH", WINOGRAD_DEPTH);
	work_define(w, "TM", WINOGRAD_TILES / 4);
	work_define(w, "TN", WINOGRAD_COLUMNS / (4 * (long)t->vector));
	conv_arguments(w, p, &a);
	a.tiles = work_int(w, (ptrdiff_t)tiles);
	a.weights = a.zeros; /* no zeros lie between */
	(void)work_int(w, (ptrdiff_t)(tiles + WINOGRAD_TILES)); /* counted in 32 bits, as weights are */
	(void)work_int(w, (ptrdiff_t)(16 * p->weights.in_channels * (n + OPENCL_BLOCK)));
	work_arguments(w, &a, sizeof a);
	work_launch_groups(w, (n + WINOGRAD_COLUMNS - 1) / WINOGRAD_COLUMNS, (tiles + WINOGRAD_TILES - 1) / WINOGRAD_TILES, 1, &group);
	return !w->overflow;
}

bool opencl_make_conv_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	(void)present;
	return make_conv(t, params, w, false);
}

bool opencl_make_conv_transpose_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	(void)present;
	return make_conv(t, params, w, true);
}

bool opencl_make_depthwise_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const conv_params *p = params;
	const size_t channels = p->weights.groups;
	work_variant v = { t->host_cpu ? 4 : 2, 1, t->host_cpu ? 4 : 16, t->host_cpu ? 8 : 4, 0 };
	(void)present;
	if (rings(&p->window) || p->in_group || p->out_group || p->out_run || (t->variant && !work_variant_get(t, KERNEL_depthwise_f32, &v)))
		return false;
	conv_args a = { 0 };
	const uint32_t vector = vector_within(t->vector, p);
	work_begin(w, "depthwise", opencl_source_depthwise, vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "W_HALF", t->half);
	work_define(w, "PX", v.rows);
	work_channels(w, p->in_channel, p->out_channel);
	image_arguments(w, p, &a, channels, channels);
	a.groups = work_int(w, (ptrdiff_t)channels);
	a.weights = work_int(w, (ptrdiff_t)round_up(channels, OPENCL_BLOCK));
	work_epilogue(w, &p->epilogue, NULL, p->out_block ? 6 : 5, CONV_RESIDUAL, CONV_RESIDUAL + 1, &a.e);
	work_arguments(w, &a, sizeof a);
	const size_t rows = p->batch * p->window.out[DEPTH] * p->window.out[ROW];
	work_launch(w, t, (channels + vector - 1) / vector, (p->window.out[PIXEL] + v.rows - 1) / v.rows, rows, v.group_x, v.group_y);
	return !w->overflow;
}
