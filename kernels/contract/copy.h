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
