/* Convolutions whose taps lie so far apart that many fall outside the image. The output is cut into
 * rectangles in each of which the same taps are inside; others are not multiplied. At dilation 24 an image of
 * 33 x 33 needs 2.4 taps of nine. */
#ifndef CPU_CONV_ZONES_H
#define CPU_CONV_ZONES_H

#include "conv.h"
#include "vector/vec.h"

/* Zones along an axis. Kernels with more different borders are run whole. */
#define ZONES_MOST 8

typedef struct span {
	size_t begin, end; /* output positions */
	size_t tap, taps;  /* the taps that are inside for all of them */
} span;

typedef struct zones {
	size_t rows, columns; /* 0: run it whole */
	span row[ZONES_MOST], column[ZONES_MOST];
} zones;

#define zones_of ISA(zones_of)
zones zones_of(const conv_params *p);

/* The convolution of one zone, with its taps for a kernel. */
#define zone_params ISA(zone_params)
conv_params zone_params(const conv_params *p, const span *row, const span *column);

/* Its operands. count: of args. */
#define zone_args ISA(zone_args)
void zone_args(const conv_params *p, const span *row, const span *column, void *const *args, void **to);

#endif
