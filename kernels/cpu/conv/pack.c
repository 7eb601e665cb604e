/* Packs constant weights for the tiles of gemm/tile.h: for each group, panel by panel, a row of biases and
 * then a row of the panel's columns for each k, where k counts taps and, fastest, input channels. */
#include "checked.h"
#include "conv.h"
#include "copy/transpose.h"
#include "gemm/tile.h"

/* Where output channel `at` of the packed form comes from. */
static const loose_float *source_of(const weights_shape *shape, const weights_source *source, size_t at,
				    float *bias)
{
	const size_t q = source->out_index ? source->out_index[at] : at;
	const ptrdiff_t group = (ptrdiff_t)(q / shape->out_channels),
			out = (ptrdiff_t)(q % shape->out_channels);
	*bias = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
	return source->data + group * source->group + out * source->out;
}

/* Input channels whose rows are filled together: with 3x3 taps they and the source fit into the first-level
 * cache. */
enum { CHANNEL_BLOCK = 16 };

/* Channels [first, end) of one column, in the order in which a row-major source has them. */
static void pack_column(const weights_shape *shape, const weights_source *source, const loose_float *from,
			size_t first, size_t end, float *to, size_t width)
{
	const size_t *taps = shape->kernel;
	const size_t plane = shape->in_channels * width;
	for (size_t i = first; i < end; i++) {
		const size_t c = source->in_index ? source->in_index[i] : i;
		const loose_float *tap = from + (ptrdiff_t)c * source->in;
		float *row = to + i * width;
		for (size_t z = 0; z < taps[0]; z++)
			for (size_t y = 0; y < taps[1]; y++)
				for (size_t x = 0; x < taps[2]; x++, row += plane)
					*row = tap[(ptrdiff_t)z * source->tap[0] +
						   (ptrdiff_t)y * source->tap[1] +
						   (ptrdiff_t)x * source->tap[2]];
	}
}

typedef float vec_loose __attribute__((vector_size(4 * VEC), aligned(1), may_alias));

/* Whether the elements of an output channel follow one another, input channel by input channel. */
static bool is_run(const weights_shape *s, const weights_source *source)
{
	const size_t *taps = s->kernel;
	return !source->in_index && (taps[2] == 1 || source->tap[2] == 1) &&
	       (taps[1] == 1 || source->tap[1] == (ptrdiff_t)taps[2]) &&
	       (taps[0] == 1 || source->tap[0] == (ptrdiff_t)(taps[1] * taps[2])) &&
	       (s->in_channels == 1 || source->in == (ptrdiff_t)(taps[0] * taps[1] * taps[2]));
}

/* Columns that are runs: squares of them are transposed in registers, and their rows go where their taps belong. */
static void pack_runs(const weights_shape *shape, const loose_float *const *from, size_t columns, size_t width,
		      float *to)
{
	const size_t taps = shape->kernel[0] * shape->kernel[1] * shape->kernel[2], n = shape->in_channels;
	for (size_t j = 0; j < width; j += VEC) {
		size_t tap = 0, channel = 0;
		for (size_t at = 0; at < taps * n; at += VEC) {
			const size_t rows = size_min(VEC, taps * n - at);
			vec r[VEC];
			for (size_t i = 0; i < VEC; i++) {
				r[i] = (vec){ 0 };
				if (j + i < columns && rows == VEC)
					r[i] = *(const vec_loose *)(from[j + i] + at);
				else if (j + i < columns)
					memcpy(&r[i], from[j + i] + at, rows * sizeof(float));
			}
			transpose_square(r);
			for (size_t i = 0; i < rows; i++) {
				store(to + (tap * n + channel) * width + j, r[i]);
				if (++tap == taps) {
					tap = 0;
					channel++;
				}
			}
		}
	}
}

/* A panel of `columns` columns padded with zeros to `width`: its biases, then k rows. */
static void pack_panel(const weights_shape *shape, const weights_source *source, size_t at, size_t columns,
		       size_t width, size_t k, float *to)
{
	const loose_float *from[MAX_PANEL];
	memset(to, 0, width * sizeof(float));
	for (size_t j = 0; j < columns; j++)
		from[j] = source_of(shape, source, at + j, to + j);
	if (is_run(shape, source)) {
		pack_runs(shape, from, columns, width, to + width);
		return;
	}
	for (size_t row = 1; columns < width && row <= k; row++)
		memset(to + row * width + columns, 0, (width - columns) * sizeof(float));
	for (size_t i = 0; i < shape->in_channels; i += CHANNEL_BLOCK)
		for (size_t j = 0; j < columns; j++)
			pack_column(shape, source, from[j], i, size_min(i + CHANNEL_BLOCK, shape->in_channels),
				    to + width + j, width);
}

static void pack_gemm(const weights_shape *shape, const weights_source *source, void *packed)
{
	const size_t n = shape->out_channels;
	const size_t k = shape->in_channels * shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
	float *to = packed;
	for (size_t g = 0; g < shape->groups; g++)
		for (size_t col = 0; col < n; col = panel_next(n, col)) {
			const size_t width = panel_vectors(n, col) * VEC;
			pack_panel(shape, source, g * n + col, size_min(width, n - col), width, k, to);
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
