/* OpenCL kernels: from the contract's parameters to source text and a launch. Nothing here calls OpenCL.
 *
 * A kernel is a .cl source with few compile-time variants: the width of vectors, the tile of a work item, which
 * operands there are, and the elementwise program turned into code. Extents and strides are arguments, so that
 * one compiled variant serves many layers.
 *
 * Every operand is passed as two arguments, the buffer and the offset of its first element in bytes: the
 * activations of a plan lie in one buffer, whose parts are not aligned as sub-buffers would have to be. Then
 * follows one struct of 32-bit numbers, which cl/args.h defines for both sides. */
#ifndef OPENCL_KERNELS_H
#define OPENCL_KERNELS_H

#include "kernels.h"

#define OPENCL_MAX_OPERANDS 24
#define OPENCL_MAX_ARGS_BYTES 640
#define OPENCL_MAX_TEXT 24576

/* What a device prefers. */
typedef struct opencl_target {
	uint32_t vector; /* floats in a vector: 4, 8 or 16 */
	uint32_t lanes;  /* work items that share a reduction: a power of two, 1 where they run one after the other */
	bool host_cpu;   /* work items are loops on a CPU: large tiles, scalar loads of the contracted axis */
	size_t max_group, local_bytes;
	uint32_t units;   /* compute units */
	bool half;        /* packed weights are float16; sums are float32 as ever */
	uint32_t variant; /* of the call to be made; 0: the one that is guessed best. See opencl_variant_count */
} opencl_target;

/* One launch. The program's text is text[0 .. text_length) and the sources in front and behind it. */
typedef struct opencl_work {
	const char *function;
	char text[OPENCL_MAX_TEXT]; /* definitions, then generated code from generated_at on */
	size_t text_length, generated_at;
	bool overflow;              /* something did not fit: text, arguments, a number */
	const char *library[3];     /* sources between the definitions and the generated code */
	const char *body;           /* the kernel */
	uint32_t operands;          /* bit i: args[i] is passed */
	unsigned char args[OPENCL_MAX_ARGS_BYTES];
	size_t args_bytes;
	size_t global[3], local[3];
} opencl_work;

/* Fills work for a call whose args[i] is not NULL where bit i of present is set. False: this call has no kernel on
 * the device. An extent of 0 makes global[0] 0: nothing is launched. */
typedef bool (*opencl_make)(const opencl_target *t, const void *params, uint32_t present, opencl_work *w);

/* Tuning: the calls of some kernels can be made in several variants, numbered from 1, which differ in tile, group and use of local memory.
 * Their results are the same but for the rounding of edges. opencl_make() makes the one that target.variant names, and returns false where
 * it suits neither device nor call; then there is still number 0. Whoever measures them keeps the text, not the number, which is that of a
 * place in a list. A kernel without variants has a count of 1. Builds with CLBlast take number opencl_variant_count(KERNEL_gemm_f32) as its. */
uint32_t opencl_variant_count(kernel_id id); /* with number 0 */
void opencl_variant_text(kernel_id id, uint32_t variant, char *text, size_t room);

/* NULL where no kernel computes id at all. */
opencl_make opencl_kernel(kernel_id id);

/* The form of packed weights depends on target.half alone; NULL where nothing reads the packing. */
const weights_packing *opencl_packing(const opencl_target *t, packing_id id);

#endif
