/* Bilinear resampling with antialias, in the arithmetic of Pillow so that results agree to the bit: a
 * triangle filter as wide as the scale, weights normalised in double and rounded to 22 bits, 8-bit values
 * between the two passes. */
#include "image.h"

#include <math.h>
#include <stdlib.h>

enum { WEIGHT_BITS = 32 - 8 - 2 };

/* The filter of each output position: weights[i * most .. +count[i]) belong to inputs from first[i] on. */
typedef struct filter {
	size_t most, *first, *count;
	int32_t *weights;
} filter;

static void filter_free(filter *f)
{
	free(f->first);
	free(f->count);
	free(f->weights);
}

static void filter_position(filter *f, size_t i, size_t in, double scale, double width, double *exact)
{
	const double centre = ((double)i + 0.5) * scale;
	const double low = centre - width + 0.5, high = centre + width + 0.5;
	const size_t first = low < 0 ? 0 : (size_t)low, end = high > (double)in ? in : (size_t)high;
	double sum = 0;
	for (size_t k = first; k < end; k++) {
		const double x = fabs(((double)k - centre + 0.5) * (1 / width));
		exact[k - first] = x < 1 ? 1 - x : 0;
		sum += exact[k - first];
	}
	f->first[i] = first;
	f->count[i] = end - first;
	for (size_t k = 0; k < end - first; k++) {
		const double w = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << WEIGHT_BITS);
		f->weights[i * f->most + k] = (int32_t)(w + (w < 0 ? -0.5 : 0.5));
	}
}

static bool filter_create(filter *f, size_t in, size_t out)
{
	const double scale = (double)in / (double)out, width = scale < 1 ? 1 : scale;
	*f = (filter){ .most = 2 * (size_t)ceil(width) + 1 };
	f->first = malloc(out * sizeof(*f->first));
	f->count = malloc(out * sizeof(*f->count));
	f->weights = calloc(out * f->most, sizeof(*f->weights));
	double *exact = malloc(f->most * sizeof(*exact));
	const bool made = f->first && f->count && f->weights && exact;
	for (size_t i = 0; made && i < out; i++)
		filter_position(f, i, in, scale, width, exact);
	free(exact);
	return made;
}

static uint8_t apply(const filter *f, size_t i, const uint8_t *from, size_t stride)
{
	int32_t sum = 1 << (WEIGHT_BITS - 1);
	for (size_t k = 0; k < f->count[i]; k++)
		sum += from[(f->first[i] + k) * stride] * f->weights[i * f->most + k];
	sum >>= WEIGHT_BITS;
	return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One pass: `lines` lines of `in` elements `stride` apart become lines of `out` elements. */
static clast_status pass(const image *in, bool vertical, size_t size, image *out, problem *p)
{
	filter f;
	const size_t channels = in->channels, row = in->width * channels;
	*out = (image){ vertical ? in->width : size, vertical ? size : in->height, channels, NULL };
	out->pixels = malloc(out->width * out->height * channels);
	const bool made = filter_create(&f, vertical ? in->height : in->width, size) && out->pixels;
	for (size_t y = 0, i = 0; made && y < out->height; y++)
		for (size_t x = 0; x < out->width; x++)
			for (size_t c = 0; c < channels; c++, i++)
				out->pixels[i] = vertical ? apply(&f, y, in->pixels + x * channels + c, row)
							  : apply(&f, x, in->pixels + y * row + c, channels);
	filter_free(&f);
	if (made)
		return CLAST_OK;
	image_free(out);
	return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

clast_status image_resize(const image *in, size_t width, size_t height, image *out, problem *p)
{
	image across;
	*out = (image){ 0 };
	if (!width || !height || width > 1 << 16 || height > 1 << 16)
		return problem_set(p, CLAST_ERROR_LIMIT, NULL, "a picture of %zu x %zu pixels", width,
				   height);
	clast_status s = pass(in, false, width, &across, p);
	if (s)
		return s;
	s = pass(&across, true, height, out, p);
	image_free(&across);
	return s;
}
