#include "statistics.h"

#include <math.h>
#include <stdlib.h>

static int rising(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The value at a share of the sorted numbers, interpolated. */
static double quantile(const double *sorted, size_t n, double share)
{
	const double at = share * (double)(n - 1);
	const size_t i = (size_t)at;
	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* Values rank by rank around a fixed point, so the median of |x - median| needs no copy: widen a window from
 * the middle. */
static double median_deviation(const double *sorted, size_t n, double median)
{
	size_t low = 0, high = n - 1;
	while (high - low + 1 > n / 2 + 1) {
		if (median - sorted[low] > sorted[high] - median)
			low++;
		else
			high--;
	}
	return fmax(median - sorted[low], sorted[high] - median);
}

statistics statistics_of(double *x, size_t n)
{
	qsort(x, n, sizeof(*x), rising);
	statistics s = { .median = quantile(x, n, 0.5), .least = x[0], .p95 = quantile(x, n, 0.95) };
	s.mad = median_deviation(x, n, s.median);
	/* The number of values below the median is binomial; its normal approximation gives the ranks. */
	const double half = 0.98 * sqrt((double)n), middle = (double)n / 2;
	const double low = floor(middle - half), high = ceil(middle + half);
	s.low = low < 0 ? x[0] : x[(size_t)low];
	s.high = high > (double)n - 1 ? x[n - 1] : x[(size_t)high];
	return s;
}
