/* Constant weights, packed once into the form that a kernel reads.
 *
 * The packed form depends on weights_shape, the packing and the ISA, never on the extents of an image: one
 * packed copy serves every input size. Whoever owns the constants calls bytes(), allocates and calls pack().
 */
#ifndef CONTRACT_WEIGHTS_H
#define CONTRACT_WEIGHTS_H

#include "dtype.h"
#include "kernel.h"

typedef struct weights_shape {
	size_t groups;       /* also the slices of a batch of matrices */
	size_t out_channels; /* of one group; columns of a matrix */
	size_t in_channels;  /* of one group; rows of a matrix (the contracted axis) */
	size_t kernel[3];    /* depth, height, width; 1 1 1 for a matrix */
	/* Only PACKING_TRANSPOSE reads these: they decide which taps meet in one output pixel. */
	size_t stride[3], dilation[3];
} weights_shape;

/* Element (g, o, i, z, y, x) lies at data[g * group + o * out + i * in + z * tap[0] + y * tap[1] + x *
 * tap[2]]. Permutations of channels are absorbed here: with in_index, channel i of the kernel's input (within
 * any group) holds channel in_index[i] of the source; with out_index, channel p of the kernel's output
 * (counted over all groups) is channel q = out_index[p] of the source, that is g = q / out_channels, o = q %
 * out_channels. The channels of one output group must come from one source group. bias[q * bias_stride]
 * belongs to source channel q; NULL means zeros. */
typedef struct weights_source {
	const loose_float *data;
	ptrdiff_t group, out, in, tap[3];
	const uint32_t *in_index;
	const uint32_t *out_index;
	const loose_float *bias;
	ptrdiff_t bias_stride;
} weights_source;

typedef enum packing_id {
	PACKING_GEMM,            /* conv_f32, gemm_f32 */
	PACKING_DEPTHWISE,       /* depthwise_f32: groups channels, in_channels = out_channels = 1 */
	PACKING_TRANSPOSE,       /* conv_transpose_f32 */
	PACKING_WINOGRAD2,       /* winograd2_f32; 1.8 times the size of the weights */
	PACKING_WINOGRAD4,       /* winograd4_f32; 4 times */
	PACKING_FIRST,           /* conv_first_f32 */
	PACKING_DEPTHWISE_FIRST, /* depthwise_first_f32 */
	PACKING_COUNT
} packing_id;

typedef struct weights_packing {
	const char *name;
	size_t (*bytes)(const weights_shape *shape); /* SIZE_MAX where it does not fit into size_t */
	void (*pack)(const weights_shape *shape, const weights_source *source, void *packed);
} weights_packing;

#endif
