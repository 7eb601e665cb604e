/* Weights packed for the kernels: the same form on every device. */
#include "work.h"

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

/* ---- Packing: biases, then [group][block of 16][tap][input channel][16], then zeros for taps outside the image ---- */

packed_form packed_form_of(const weights_shape *s)
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
	const packed_form f = packed_form_of(s);
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
	const packed_form f = packed_form_of(s);
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
	const packed_form f = packed_form_of(&one);
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
