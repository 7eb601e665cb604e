/* Robust statistics of timings. */
#ifndef CLAST_CLI_STATISTICS_H
#define CLAST_CLI_STATISTICS_H

#include <stddef.h>

typedef struct statistics {
	double median, least, mad, p95;
	double low, high; /* 95 % interval of the median, by order statistics; the range if there are too few
			     values */
} statistics;

/* Sorts x. n is at least 1. mad is the median absolute deviation from the median. */
statistics statistics_of(double *x, size_t n);

#endif
