/* Where each element of a resized axis comes from. */
#include "resize.h"

#include <math.h>

/* The place in x of element o of y. Where the length of y matters, ONNX's reference takes it before rounding
 * down. */
static double coordinate(resize_coordinates how, const resize_axis *a, double o)
{
	switch (how) {
	case RESIZE_ALIGN_CORNERS:
		return a->width == 1 ? 0 : o * (double)(a->in - 1) / (a->width - 1);
	case RESIZE_ASYMMETRIC:
		return o / a->scale;
	case RESIZE_CROP: {
		const double last = (double)(a->in - 1), size = a->roi_end - a->roi_start;
		return a->width == 1 ? 0.5 * (a->roi_start + a->roi_end) * last
				     : a->roi_start * last + o * size * last / (a->width - 1);
	}
	case RESIZE_HALF_PIXEL_FOR_NN:
		return (o + 0.5) / a->scale;
	case RESIZE_PYTORCH_HALF_PIXEL:
		return a->width == 1 ? 0 : (o + 0.5) / a->scale - 0.5;
	case RESIZE_HALF_PIXEL_SYMMETRIC:
		return (double)a->in / 2 * (1 - (double)a->out / a->width) + (o + 0.5) / a->scale - 0.5;
	default:
		return (o + 0.5) / a->scale - 0.5;
	}
}

static int64_t clamp_index(double x, int64_t n)
{
	return x <= 0 ? 0 : x >= (double)(n - 1) ? n - 1 : (int64_t)x;
}

static int64_t nearest(resize_rounding how, const resize_axis *a, double x)
{
	switch (how) {
	case RESIZE_ROUND_PREFER_FLOOR:
		return clamp_index(ceil(x - 0.5), a->in);
	case RESIZE_ROUND_PREFER_CEIL:
		return clamp_index(floor(x + 0.5), a->in);
	case RESIZE_FLOOR:
		return clamp_index(floor(x), a->in);
	case RESIZE_CEIL:
		return clamp_index(ceil(x), a->in);
	default:
		return clamp_index(a->scale < 1 ? ceil(x) : floor(x), a->in);
	}
}

/* The interpolation kernel: triangle, or Keys's cubic (equation 4 of "Cubic convolution interpolation for
 * digital image processing", 1981). */
static double kernel(const resize_attrs *at, double x)
{
	const double a = at->cubic_a;
	x = fabs(x);
	if (at->mode == RESIZE_LINEAR)
		return x < 1 ? 1 - x : 0;
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Weights of one element; index holds the unclamped places from `first` on. */
static void weigh(const resize_attrs *at, const resize_axis *a, double x, int64_t first, double shrink,
		  int64_t taps, int64_t *index, double *weight)
{
	double sum = 0;
	for (int64_t k = 0; k < taps; k++) {
		const int64_t i = first + k;
		const bool outside = i < 0 || i >= a->in;
		weight[k] = outside && at->exclude_outside ? 0 : kernel(at, shrink * ((double)i - x));
		index[k] = clamp_index((double)i, a->in);
		sum += weight[k];
	}
	for (int64_t k = 0; k < taps && sum != 0 && (shrink < 1 || at->exclude_outside); k++)
		weight[k] /= sum;
}

static void fill_table(const resize_attrs *at, const resize_axis *a, double shrink, resize_table *t)
{
	for (int64_t o = 0; o < t->n; o++) {
		int64_t *index = t->index + o * t->taps;
		const double x = coordinate(at->coordinates, a, (double)o);
		if (at->coordinates == RESIZE_CROP && !(x >= 0 && x <= (double)(a->in - 1)))
			index[0] = -1;
		else if (at->mode == RESIZE_NEAREST)
			index[0] = nearest(at->rounding, a, x);
		else
			weigh(at, a, x, (int64_t)floor(x) + 1 - t->taps / 2, shrink, t->taps, index,
			      t->weight + o * t->taps);
	}
}

clast_status resize_table_make(mem *m, const resize_attrs *at, const resize_axis *a, resize_table *t,
			       clast_diag *d)
{
	const double support = at->mode == RESIZE_CUBIC ? 2 : 1,
		     shrink = at->antialias ? fmin(a->scale, 1) : 1;
	*t = (resize_table){ .taps = 1, .n = a->out };
	if (!(support / shrink < 0x1p31) || !(fabs((double)a->out / a->scale) < 0x1p53))
		return fail(d, CLAST_ERROR_DATA, "scale %g: too small for an extent of %lld", a->scale,
			    (long long)a->out);
	if (at->mode != RESIZE_NEAREST)
		t->taps = 2 * (int64_t)ceil(support / shrink);
	t->index = mem_array(m, (size_t)t->n, (size_t)t->taps * sizeof *t->index);
	if (at->mode != RESIZE_NEAREST)
		t->weight = mem_array(m, (size_t)t->n, (size_t)t->taps * sizeof *t->weight);
	if (!t->index || (at->mode != RESIZE_NEAREST && !t->weight)) {
		resize_table_free(m, t);
		return fail_memory(d, 0);
	}
	fill_table(at, a, shrink, t);
	return CLAST_OK;
}

void resize_table_free(mem *m, resize_table *t)
{
	const size_t n = (size_t)t->n * (size_t)t->taps;
	mem_free(m, t->index, t->index ? n * sizeof *t->index : 0);
	mem_free(m, t->weight, t->weight ? n * sizeof *t->weight : 0);
	*t = (resize_table){ 0 };
}

bool resize_is_identity(const resize_axis *a)
{
	return a->in == a->out && a->scale == 1 && a->roi_start == 0 && a->roi_end == 1;
}
