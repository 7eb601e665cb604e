/* Softmax, LogSoftmax, Hardmax: which one (op.family), and over which axes. */
#ifndef CLAST_SOFTMAX_H
#define CLAST_SOFTMAX_H

#include "infer.h"

typedef enum softmax_kind { SOFTMAX_SOFT = 1, SOFTMAX_LOG, SOFTMAX_HARD } softmax_kind;

typedef struct softmax_attrs {
	int64_t axis;
} softmax_attrs;

/* The axes that are normalised together; false if axis does not fit the rank, or the rank is unknown (-1). */
bool softmax_axes(const softmax_attrs *a, int version, int rank, uint32_t *mask);

#endif
