/* Moving data: the order conversion, and everything that is a strided copy of elements of a fixed size. */
#ifndef CONTRACT_COPY_H
#define CONTRACT_COPY_H

#include "kernel.h"

/* out[i..] = in[i..] for elements of element_bytes (1, 2, 4, 8 or 16), any strides, `in` also 0 or negative.
 * Axes may come in any order and need not be merged. ONNX Transpose, Concat, Split, Slice, Pad, Expand,
 * DepthToSpace... */
typedef struct copy_params {
	uint32_t element_bytes;
	uint32_t rank;
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t in[KERNEL_MAX_AXES], out[KERNEL_MAX_AXES];
} copy_params;

enum { COPY_OUT, COPY_IN };

/* out[i.., 2 * j + k] = in_k[i.., j] for k = 0, 1 and elements of 4 bytes: joins two tensors element by element, as a Concat of
 * channels does whose output is written in the order that a shuffle of two groups leaves. j is the last axis, along which both
 * inputs have stride 1; out[] and in[][] hold the strides of the axes before it. rank >= 1. */
typedef struct interleave_params {
	uint32_t rank;
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t in[2][KERNEL_MAX_AXES], out[KERNEL_MAX_AXES];
} interleave_params;

enum { INTERLEAVE_OUT, INTERLEAVE_IN }; /* and INTERLEAVE_IN + 1 */

/* out[i..] = value. */
typedef struct fill_params {
	uint32_t element_bytes;
	uint32_t rank;
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t out[KERNEL_MAX_AXES];
	uint8_t value[16];
} fill_params;

enum { FILL_OUT };

#endif
