/* What the kernels' C sides share: text, arguments, epilogues. */
#ifndef OPENCL_WORK_H
#define OPENCL_WORK_H

#include <limits.h>
#include <string.h>

#include "cl/args.h"
#include "opencl_kernels.h"

/* Output channels lie in blocks of so many in packed weights; tiles divide it. */
#define OPENCL_BLOCK 16

#define SOURCE(stem) extern const char opencl_source_##stem[];
SOURCE(args)
SOURCE(common)
SOURCE(program)
SOURCE(conv)
SOURCE(depthwise)
SOURCE(gemm)
SOURCE(tile)
SOURCE(winograd)
SOURCE(pool)
SOURCE(resize)
SOURCE(eltwise)
SOURCE(copy)
SOURCE(reduce)
SOURCE(softmax)
SOURCE(norm)
SOURCE(lrn)
#undef SOURCE

/* Packed weights: bias, zeros, weights. Sizes in elements. */
typedef struct packed_form {
	size_t blocks, taps; /* blocks of one group */
	size_t bias, zeros, weights;
	size_t begin; /* floats ahead of the weights */
	bool fits;
} packed_form;
packed_form packed_form_of(const weights_shape *s);

/* One of the variants of a kernel. */
typedef struct work_variant {
	uint32_t rows, vectors;    /* of a work item */
	uint32_t group_x, group_y; /* work items along columns and rows */
	uint32_t depth;            /* steps of the sum in local memory; 0: none */
} work_variant;
typedef struct work_product {
	size_t m, n, k, batch;
} work_product;
/* Variant t->variant, which is not 0; false where there is none or the device is too small for it. */
bool work_variant_get(const opencl_target *t, kernel_id id, work_variant *v);
/* The variant in local memory that is guessed best; false, and *v as it was: better without. */
bool work_variant_guess(const opencl_target *t, const work_product *p, work_variant *v);
/* Whether the device has kernels for Winograd tiles. */
bool work_takes_winograd(const opencl_target *t);
/* Definitions of cl/tile.cl. */
void work_tile(opencl_work *w, const work_variant *v);

/* Begins a launch of a source's function with vectors of `vector` floats. operands: those the kernel itself takes. */
void work_begin(opencl_work *w, const char *function, const char *body, uint32_t vector, uint32_t operands);
__attribute__((format(printf, 2, 3))) void work_text(opencl_work *w, const char *format, ...);
void work_define(opencl_work *w, const char *name, long value);
/* Copies the argument struct and, after all definitions are made, adds the list of operands. */
void work_arguments(opencl_work *w, const void *args, size_t bytes);
/* Global sizes rounded up to the local ones. */
void work_launch(opencl_work *w, const opencl_target *t, size_t x, size_t y, size_t z, size_t local_x, size_t local_y);

/* So many groups of a variant, each whole. */
void work_launch_groups(opencl_work *w, size_t x, size_t y, size_t z, const work_variant *v);

/* Whether channels are contiguous in an image's input and output; a stride of 0 means 1. */
void work_channels(opencl_work *w, ptrdiff_t in, ptrdiff_t out);
/* A number that has to fit into 32 bits. */
int32_t work_int(opencl_work *w, ptrdiff_t x);
/* Marks an overflow where offsets within an operand need more than 32 bits. */
void work_span(opencl_work *w, size_t rank, const size_t *extent, const ptrdiff_t *stride);

/* Whether the stride along the innermost axis of an operand is 0, 1 or else. */
typedef enum stride_class { STRIDE_BROADCAST, STRIDE_UNIT, STRIDE_ANY } stride_class;
stride_class class_of(ptrdiff_t stride);

/* Defines how operand `arg` is read (load_<arg>) and written (store_<arg>), vectors along the innermost axis. */
void work_accessors(opencl_work *w, unsigned arg, uint32_t dtype, stride_class inner, bool stored);
/* The statements of a program on registers r0..r7. load, store: formats that take the operand's index. */
void work_program(opencl_work *w, const program *p, unsigned first_operand, const char *where);

/* ", __global uchar *b3, ulong o3" with types, or ", b3, o3", for each operand of the mask. */
void work_operand_list(opencl_work *w, uint32_t mask, bool typed);

/* The function epilogue() and the macros through which kernels call it. axes: those of the kernel's output, channels
 * last; residual and operands are args[residual] and args[operands + i]. strides: NULL for those of the epilogue. */
#define WORK_MAX_AXES 11
typedef struct work_strides {
	ptrdiff_t residual[WORK_MAX_AXES], operand[EPILOGUE_MAX_OPERANDS][WORK_MAX_AXES];
} work_strides;
void work_epilogue(opencl_work *w, const epilogue *e, const work_strides *strides, size_t axes, unsigned residual,
		   unsigned operands, epilogue_args *args);

/* The kernels, one for each entry of opencl_kernel(). */
#define MAKE(id) bool opencl_make_##id(const opencl_target *t, const void *params, uint32_t present, opencl_work *w);
MAKE(conv_f32)
MAKE(winograd2_f32)
MAKE(depthwise_f32)
MAKE(conv_transpose_f32)
MAKE(gemm_f32)
MAKE(pool_f32)
MAKE(resize_f32)
MAKE(eltwise)
MAKE(reduce_f32)
MAKE(softmax_f32)
MAKE(layer_norm_f32)
MAKE(group_norm_f32)
MAKE(lrn_f32)
MAKE(copy)
MAKE(fill)
#undef MAKE

/* Work items that share a row of `extent` elements. */
uint32_t lanes_for(const opencl_target *t, size_t extent);

#endif
