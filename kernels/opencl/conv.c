/* Convolutions: the launches of cl/conv.cl and cl/depthwise.cl, and packed weights. */
#include "work.h"

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

/* ---- Packing: biases, then [group][block of 16][tap][input channel][16], then zeros for taps outside the image ---- */

typedef struct packed_form {
	size_t blocks, taps, bias, floats, zeros; /* blocks of one group; zeros: where they begin */
	bool fits;
} packed_form;

static packed_form form_of(const weights_shape *s)
{
	packed_form f = { .blocks = (s->out_channels + OPENCL_BLOCK - 1) / OPENCL_BLOCK };
	size_t block;
	bool bad = __builtin_mul_overflow(s->kernel[0], s->kernel[1], &f.taps) ||
		   __builtin_mul_overflow(f.taps, s->kernel[2], &f.taps) ||
		   __builtin_mul_overflow(f.taps * OPENCL_BLOCK, s->in_channels, &block) ||
		   __builtin_mul_overflow(s->groups * OPENCL_BLOCK, f.blocks, &f.bias) ||
		   __builtin_mul_overflow(s->groups * f.blocks, block, &f.zeros) ||
		   __builtin_add_overflow(f.zeros, f.bias, &f.zeros) ||
		   __builtin_add_overflow(f.zeros, round_up(s->in_channels, OPENCL_BLOCK), &f.floats);
	f.fits = !bad && f.floats < SIZE_MAX / 8;
	return f;
}

static size_t gemm_bytes(const weights_shape *s)
{
	const packed_form f = form_of(s);
	return f.fits ? f.floats * sizeof(float) : SIZE_MAX;
}

/* Channel p of the kernel's output, counted over all groups, is channel q of the source. */
static size_t source_channel(const weights_source *w, size_t p)
{
	return w->out_index ? w->out_index[p] : p;
}

static void pack_column(const weights_shape *s, const weights_source *w, size_t q, float *to)
{
	const loose_float *from = w->data + (ptrdiff_t)(q / s->out_channels) * w->group + (ptrdiff_t)(q % s->out_channels) * w->out;
	for (size_t z = 0; z < s->kernel[0]; z++)
		for (size_t y = 0; y < s->kernel[1]; y++)
			for (size_t x = 0; x < s->kernel[2]; x++) {
				const loose_float *tap = from + (ptrdiff_t)z * w->tap[0] + (ptrdiff_t)y * w->tap[1] + (ptrdiff_t)x * w->tap[2];
				for (size_t i = 0; i < s->in_channels; i++, to += OPENCL_BLOCK)
					*to = tap[(ptrdiff_t)(w->in_index ? w->in_index[i] : i) * w->in];
			}
}

static void gemm_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	const packed_form f = form_of(s);
	float *to = packed;
	const size_t block = f.taps * s->in_channels * OPENCL_BLOCK;
	memset(packed, 0, f.floats * sizeof(float));
	for (size_t g = 0; g < s->groups; g++)
		for (size_t o = 0; o < s->out_channels; o++) {
			const size_t q = source_channel(w, g * s->out_channels + o);
			if (w->bias)
				to[g * f.blocks * OPENCL_BLOCK + o] = w->bias[(ptrdiff_t)q * w->bias_stride];
			pack_column(s, w, q, to + f.bias + (g * f.blocks + o / OPENCL_BLOCK) * block + o % OPENCL_BLOCK);
		}
}

/* [tap][channel], channels rounded up to 16, the bias ahead. */
static size_t depthwise_bytes(const weights_shape *s)
{
	const weights_shape one = { .groups = 1, .out_channels = s->groups, .in_channels = 1,
				    .kernel = { s->kernel[0], s->kernel[1], s->kernel[2] } };
	const packed_form f = form_of(&one);
	return f.fits ? f.zeros * sizeof(float) : SIZE_MAX;
}

static void depthwise_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	const size_t line = round_up(s->groups, OPENCL_BLOCK);
	float *bias = packed, *to = bias + line;
	memset(packed, 0, depthwise_bytes(s));
	for (size_t p = 0; p < s->groups; p++) {
		const size_t q = source_channel(w, p);
		float *at = to + p;
		bias[p] = w->bias ? w->bias[(ptrdiff_t)q * w->bias_stride] : 0;
		for (size_t z = 0; z < s->kernel[0]; z++)
			for (size_t y = 0; y < s->kernel[1]; y++)
				for (size_t x = 0; x < s->kernel[2]; x++, at += line)
					*at = w->data[(ptrdiff_t)q * w->group + (ptrdiff_t)z * w->tap[0] + (ptrdiff_t)y * w->tap[1] +
						      (ptrdiff_t)x * w->tap[2]];
	}
}

const weights_packing *opencl_packing(packing_id id)
{
	static const weights_packing gemm = { "opencl", gemm_bytes, gemm_pack };
	static const weights_packing depthwise = { "opencl_depthwise", depthwise_bytes, depthwise_pack };
	switch (id) {
	case PACKING_GEMM:
	case PACKING_TRANSPOSE:
	case PACKING_FIRST:
		return &gemm;
	case PACKING_DEPTHWISE:
	case PACKING_DEPTHWISE_FIRST:
		return &depthwise;
	default:
		return NULL;
	}
}

/* ---- Launches ---- */

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

static void image_arguments(opencl_work *w, const conv_params *p, conv_args *a, size_t in_channels, size_t out_channels)
{
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

static bool make_conv(const opencl_target *t, const conv_params *given, opencl_work *w, bool transposed)
{
	conv_params p = *given;
	const weights_shape *s = &p.weights;
	const packed_form f = form_of(s);
	if (rings(&p.window) || p.in_block || p.out_block || !f.fits || !s->out_channels)
		return false;
	if (!transposed)
		flatten(&p);
	conv_args a = { .groups = (int32_t)s->groups };
	const uint32_t vector = t->vector > s->out_channels && t->vector > 4 ? t->vector / 2 : t->vector;
	const uint32_t vectors = s->out_channels > vector ? 2 : 1;
	const size_t phases = transposed ? p.window.stride[PIXEL] : 1;
	const size_t pixels = (p.window.out[PIXEL] + phases - 1) / phases;
	const uint32_t tile = tile_pixels(t, pixels);
	work_begin(w, "conv", opencl_source_conv, vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "NB", vectors);
	work_define(w, "PX", tile);
	work_define(w, "TRANSPOSED", transposed);
	work_channels(w, p.in_channel, p.out_channel);
	work_define(w, "WIDE_LOADS", !t->host_cpu);
	image_arguments(w, &p, &a, s->groups * s->in_channels, s->groups * s->out_channels);
	a.blocks = work_int(w, (ptrdiff_t)((s->out_channels + vector * vectors - 1) / (vector * vectors)));
	a.out_channels = work_int(w, (ptrdiff_t)s->out_channels);
	a.in_channels = work_int(w, (ptrdiff_t)s->in_channels);
	a.weight_blocks = work_int(w, (ptrdiff_t)f.blocks);
	a.bias_count = work_int(w, (ptrdiff_t)f.bias);
	a.zeros = work_int(w, (ptrdiff_t)f.zeros);
	work_epilogue(w, &p.epilogue, NULL, 5, CONV_RESIDUAL, CONV_RESIDUAL + 1, &a.e);
	work_arguments(w, &a, sizeof a);
	const size_t rows = p.batch * p.window.out[DEPTH] * p.window.out[ROW];
	work_launch(w, t, (size_t)a.blocks * s->groups, (pixels + tile - 1) / tile * phases, rows, t->host_cpu ? 4 : 8, 8);
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
	(void)present;
	if (rings(&p->window) || p->in_block || p->out_block)
		return false;
	conv_args a = { 0 };
	const uint32_t tile = t->host_cpu ? 4 : 2;
	work_begin(w, "depthwise", opencl_source_depthwise, t->vector, 1u << CONV_OUT | 1u << CONV_IN | 1u << CONV_WEIGHTS);
	work_define(w, "PX", tile);
	work_channels(w, p->in_channel, p->out_channel);
	image_arguments(w, p, &a, channels, channels);
	a.groups = work_int(w, (ptrdiff_t)channels);
	a.bias_count = work_int(w, (ptrdiff_t)round_up(channels, OPENCL_BLOCK));
	work_epilogue(w, &p->epilogue, NULL, 5, CONV_RESIDUAL, CONV_RESIDUAL + 1, &a.e);
	work_arguments(w, &a, sizeof a);
	const size_t rows = p->batch * p->window.out[DEPTH] * p->window.out[ROW];
	work_launch(w, t, (channels + t->vector - 1) / t->vector, (p->window.out[PIXEL] + tile - 1) / tile, rows,
		    t->host_cpu ? 4 : 16, t->host_cpu ? 8 : 4);
	return !w->overflow;
}
