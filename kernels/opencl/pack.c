/* Weights packed for the kernels: biases, zeros that stand for taps outside the image, then the weights as float32 or float16. The
 * same form on every device. */
#include "work.h"

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

packed_form packed_form_of(const weights_shape *s)
{
	packed_form f = { .blocks = (s->out_channels + OPENCL_BLOCK - 1) / OPENCL_BLOCK, .zeros = round_up(s->in_channels, OPENCL_BLOCK) };
	size_t block, all = 0;
	bool bad = __builtin_mul_overflow(s->kernel[0], s->kernel[1], &f.taps) ||
		   __builtin_mul_overflow(f.taps, s->kernel[2], &f.taps) ||
		   __builtin_mul_overflow(f.taps * OPENCL_BLOCK, s->in_channels, &block) ||
		   __builtin_mul_overflow(s->groups * OPENCL_BLOCK, f.blocks, &f.bias) ||
		   __builtin_mul_overflow(s->groups * f.blocks, block, &f.weights) ||
		   __builtin_add_overflow(f.zeros, f.bias, &f.begin) ||
		   __builtin_add_overflow(f.weights, f.begin, &all);
	f.fits = !bad && all < SIZE_MAX / 8;
	return f;
}

/* Channels of a depthwise convolution are the columns of [tap][channel]. */
static packed_form depthwise_form(const weights_shape *s)
{
	const weights_shape one = { .groups = 1, .out_channels = s->groups, .in_channels = 1,
				    .kernel = { s->kernel[0], s->kernel[1], s->kernel[2] } };
	packed_form f = packed_form_of(&one);
	f.zeros = 0;
	f.begin = f.bias;
	return f;
}

/* Of a form that fits. */
static size_t whole(const packed_form *f, bool half)
{
	return f->begin * sizeof(float) + f->weights * (half ? sizeof(uint16_t) : sizeof(float));
}

static size_t bytes_of(const packed_form *f, bool half)
{
	return f->fits ? whole(f, half) : SIZE_MAX;
}

/* Where packed weights go. Those beyond the range of float16 become infinite, so that it shows. */
typedef struct sink {
	float *bias;
	float *wide;
	uint16_t *half; /* NULL: float32 */
} sink;

static sink sink_of(const packed_form *f, bool half, void *packed)
{
	float *weights = (float *)packed + f->begin;
	memset(packed, 0, whole(f, half));
	return (sink){ packed, half ? NULL : weights, half ? (uint16_t *)weights : NULL };
}

static void put(const sink *to, size_t at, float x)
{
	if (to->half)
		to->half[at] = f16_from_float(x);
	else
		to->wide[at] = x;
}

/* Channel p of the kernel's output, counted over all groups, is channel q of the source. */
static size_t source_channel(const weights_source *w, size_t p)
{
	return w->out_index ? w->out_index[p] : p;
}

/* ---- [group][block of 16][tap][input channel][16] ---- */

static void pack_column(const weights_shape *s, const weights_source *w, size_t q, const sink *to, size_t at)
{
	const loose_float *from = w->data + (ptrdiff_t)(q / s->out_channels) * w->group + (ptrdiff_t)(q % s->out_channels) * w->out;
	for (size_t z = 0; z < s->kernel[0]; z++)
		for (size_t y = 0; y < s->kernel[1]; y++)
			for (size_t x = 0; x < s->kernel[2]; x++) {
				const loose_float *tap = from + (ptrdiff_t)z * w->tap[0] + (ptrdiff_t)y * w->tap[1] + (ptrdiff_t)x * w->tap[2];
				for (size_t i = 0; i < s->in_channels; i++, at += OPENCL_BLOCK)
					put(to, at, tap[(ptrdiff_t)(w->in_index ? w->in_index[i] : i) * w->in]);
			}
}

static void gemm_pack_as(bool half, const weights_shape *s, const weights_source *w, void *packed)
{
	const packed_form f = packed_form_of(s);
	const sink to = sink_of(&f, half, packed);
	const size_t block = f.taps * s->in_channels * OPENCL_BLOCK;
	for (size_t g = 0; g < s->groups; g++)
		for (size_t o = 0; o < s->out_channels; o++) {
			const size_t q = source_channel(w, g * s->out_channels + o);
			if (w->bias)
				to.bias[g * f.blocks * OPENCL_BLOCK + o] = w->bias[(ptrdiff_t)q * w->bias_stride];
			pack_column(s, w, q, &to, (g * f.blocks + o / OPENCL_BLOCK) * block + o % OPENCL_BLOCK);
		}
}

/* ---- [tap][channel], channels rounded up to 16 ---- */

static void depthwise_pack_as(bool half, const weights_shape *s, const weights_source *w, void *packed)
{
	const packed_form f = depthwise_form(s);
	const sink to = sink_of(&f, half, packed);
	for (size_t p = 0; p < s->groups; p++) {
		const size_t q = source_channel(w, p);
		size_t at = p;
		to.bias[p] = w->bias ? w->bias[(ptrdiff_t)q * w->bias_stride] : 0;
		for (size_t z = 0; z < s->kernel[0]; z++)
			for (size_t y = 0; y < s->kernel[1]; y++)
				for (size_t x = 0; x < s->kernel[2]; x++, at += f.bias)
					put(&to, at, w->data[(ptrdiff_t)q * w->group + (ptrdiff_t)z * w->tap[0] +
							     (ptrdiff_t)y * w->tap[1] + (ptrdiff_t)x * w->tap[2]]);
	}
}

/* ---- Winograd F(2x2, 3x3): [point][block of 16][input channel][16], the weights as G g G^T ---- */

static packed_form winograd_form(const weights_shape *s)
{
	const weights_shape points = { .groups = 1, .out_channels = s->out_channels, .in_channels = s->in_channels, .kernel = { 1, 4, 4 } };
	packed_form f = packed_form_of(&points);
	f.zeros = 0;
	f.begin = f.bias;
	return f;
}

/* Rows of G: 1 0 0, 1/2 1/2 1/2, 1/2 -1/2 1/2, 0 0 1. */
static void spread(const double *g, size_t step, double *out, size_t out_step)
{
	out[0] = g[0];
	out[out_step] = (g[0] + g[step] + g[2 * step]) / 2;
	out[2 * out_step] = (g[0] - g[step] + g[2 * step]) / 2;
	out[3 * out_step] = g[2 * step];
}

static void winograd_pack_as(bool half, const weights_shape *s, const weights_source *w, void *packed)
{
	const packed_form f = winograd_form(s);
	const sink to = sink_of(&f, half, packed);
	const size_t point = f.blocks * s->in_channels * OPENCL_BLOCK;
	for (size_t o = 0; o < s->out_channels; o++) {
		const size_t q = source_channel(w, o), column = o / OPENCL_BLOCK * s->in_channels * OPENCL_BLOCK + o % OPENCL_BLOCK;
		to.bias[o] = w->bias ? w->bias[(ptrdiff_t)q * w->bias_stride] : 0;
		for (size_t i = 0; i < s->in_channels; i++) {
			const loose_float *from = w->data + (ptrdiff_t)q * w->out + (ptrdiff_t)(w->in_index ? w->in_index[i] : i) * w->in;
			double g[9], rows[12], all[16];
			for (ptrdiff_t k = 0; k < 9; k++)
				g[k] = from[k / 3 * w->tap[1] + k % 3 * w->tap[2]];
			for (size_t x = 0; x < 3; x++)
				spread(g + x, 3, rows + x, 3);
			for (size_t y = 0; y < 4; y++)
				spread(rows + 3 * y, 1, all + 4 * y, 1);
			for (size_t k = 0; k < 16; k++)
				put(&to, k * point + column + i * OPENCL_BLOCK, (float)all[k]);
		}
	}
}

/* ---- The list: each packing in both widths ---- */

static size_t gemm_bytes(const weights_shape *s)
{
	const packed_form f = packed_form_of(s);
	return bytes_of(&f, false);
}

static size_t gemm_half_bytes(const weights_shape *s)
{
	const packed_form f = packed_form_of(s);
	return bytes_of(&f, true);
}

static size_t depthwise_bytes(const weights_shape *s)
{
	const packed_form f = depthwise_form(s);
	return bytes_of(&f, false);
}

static size_t depthwise_half_bytes(const weights_shape *s)
{
	const packed_form f = depthwise_form(s);
	return bytes_of(&f, true);
}

static size_t winograd_bytes(const weights_shape *s)
{
	const packed_form f = winograd_form(s);
	return bytes_of(&f, false);
}

static size_t winograd_half_bytes(const weights_shape *s)
{
	const packed_form f = winograd_form(s);
	return bytes_of(&f, true);
}

static void gemm_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	gemm_pack_as(false, s, w, packed);
}

static void gemm_half_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	gemm_pack_as(true, s, w, packed);
}

static void depthwise_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	depthwise_pack_as(false, s, w, packed);
}

static void depthwise_half_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	depthwise_pack_as(true, s, w, packed);
}

static void winograd_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	winograd_pack_as(false, s, w, packed);
}

static void winograd_half_pack(const weights_shape *s, const weights_source *w, void *packed)
{
	winograd_pack_as(true, s, w, packed);
}

const weights_packing *opencl_packing(const opencl_target *t, packing_id id)
{
	static const weights_packing gemm[2] = { { "opencl", gemm_bytes, gemm_pack }, { "opencl_half", gemm_half_bytes, gemm_half_pack } };
	static const weights_packing depthwise[2] = { { "opencl_depthwise", depthwise_bytes, depthwise_pack },
		                                      { "opencl_depthwise_half", depthwise_half_bytes, depthwise_half_pack } };
	static const weights_packing winograd[2] = { { "opencl_winograd", winograd_bytes, winograd_pack },
		                                     { "opencl_winograd_half", winograd_half_bytes, winograd_half_pack } };
	switch (id) {
	case PACKING_GEMM:
	case PACKING_TRANSPOSE:
	case PACKING_FIRST:
		return &gemm[t->half];
	case PACKING_DEPTHWISE:
	case PACKING_DEPTHWISE_FIRST:
		return &depthwise[t->half];
	case PACKING_WINOGRAD2:
		return work_takes_winograd(t) ? &winograd[t->half] : NULL;
	default:
		return NULL;
	}
}
