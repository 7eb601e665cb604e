/* Packs constant weights for the tiles of gemm/tile.h: for each group, panel by panel, a row of biases and
 * then a row of the panel's columns for each k, where k counts taps and, fastest, input channels. */
#include "checked.h"
#include "conv.h"
#include "gemm/tile.h"

/* Where output channel `at` of the packed form comes from. */
static const float *source_of(const weights_shape *shape, const weights_source *source, size_t at,
			      float *bias)
{
	const size_t q = source->out_index ? source->out_index[at] : at;
	const ptrdiff_t group = (ptrdiff_t)(q / shape->out_channels),
			out = (ptrdiff_t)(q % shape->out_channels);
	*bias = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
	return source->data + group * source->group + out * source->out;
}

static void pack_column(const weights_shape *shape, const weights_source *source, const float *from,
			float *to, size_t width)
{
	const size_t *taps = shape->kernel;
	for (size_t z = 0; z < taps[0]; z++)
		for (size_t y = 0; y < taps[1]; y++)
			for (size_t x = 0; x < taps[2]; x++) {
				const float *tap = from + (ptrdiff_t)z * source->tap[0] +
						   (ptrdiff_t)y * source->tap[1] +
						   (ptrdiff_t)x * source->tap[2];
				for (size_t i = 0; i < shape->in_channels; i++, to += width) {
					const size_t c = source->in_index ? source->in_index[i] : i;
					*to = tap[(ptrdiff_t)c * source->in];
				}
			}
}

static void pack_gemm(const weights_shape *shape, const weights_source *source, void *packed)
{
	const size_t n = shape->out_channels;
	const size_t k = shape->in_channels * shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
	float *to = packed;
	memset(packed, 0, shape->groups * packed_floats(n, k) * sizeof(float));
	for (size_t g = 0; g < shape->groups; g++)
		for (size_t col = 0; col < n; col = panel_next(n, col)) {
			const size_t width = panel_vectors(n, col) * VEC;
			for (size_t j = 0; j < size_min(width, n - col); j++) {
				const float *from = source_of(shape, source, g * n + col + j, to + j);
				pack_column(shape, source, from, to + width + j, width);
			}
			to += width * (k + 1);
		}
}

static size_t pack_gemm_bytes(const weights_shape *shape)
{
	size_t k = shape->in_channels, n, bytes;
	for (size_t i = 0; i < 3; i++)
		if (!size_mul(k, shape->kernel[i], &k))
			return SIZE_MAX;
	if (!size_add(k, 1, &k) || !size_round_up(shape->out_channels, VEC, &n) || !size_mul(n, k, &bytes) ||
	    !size_mul(bytes, shape->groups, &bytes) || !size_mul(bytes, sizeof(float), &bytes))
		return SIZE_MAX;
	return bytes;
}

extern const weights_packing ISA(packing_gemm);
const weights_packing ISA(packing_gemm) = { "gemm", pack_gemm_bytes, pack_gemm };
