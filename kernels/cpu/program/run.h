/* The interpreter of elementwise programs, for kernels of the same ISA. */
#ifndef CPU_PROGRAM_RUN_H
#define CPU_PROGRAM_RUN_H

#include "conv.h"
#include "vector/vec.h"

/* A matrix of operand elements: element (r, c) lies at base + (r * row + c * col) elements. */
typedef struct program_view {
	char *base;
	uint32_t dtype;
	ptrdiff_t row, col;
} program_view;

/* Elements of a block. With 8 registers that is 16 KiB: half of the smallest first-level caches. */
#define PROGRAM_BLOCK 512
#define PROGRAM_SCRATCH_BYTES (PROGRAM_REGISTERS * PROGRAM_BLOCK * sizeof(float))

/* Runs p over rows x cols elements. view[i] is operand i. In an epilogue `in` is what register 0 holds before
 * and `out` where it goes afterwards; else both are NULL. scratch: PROGRAM_SCRATCH_BYTES, aligned. */
#define program_run ISA(program_run)
void program_run(const program *p, size_t rows, size_t cols, const program_view *view, const program_view *in,
		 const program_view *out, void *scratch);

/* The program of an epilogue over `rows` rows of `cols` columns, which are consecutive along two axes of the
 * kernel's output. at: coordinates of the first element, one for each of `axes` axes. in: what the kernel
 * computed, row by row in_row apart; out: where the results go. args: the kernel's, first: index of operand
 * 0. Without a program it copies. */
#define epilogue_run_along ISA(epilogue_run_along)
void epilogue_run_along(const epilogue *e, void *const *args, size_t first, size_t axes, const size_t *at,
			size_t row_axis, size_t col_axis, size_t rows, size_t cols, const float *in,
			ptrdiff_t in_row, float *out, ptrdiff_t out_row, void *scratch);

/* Along the last two axes. */
ALWAYS_INLINE void epilogue_run(const epilogue *e, void *const *args, size_t first, size_t axes,
				const size_t *at, size_t rows, size_t cols, const float *in, ptrdiff_t in_row,
				float *out, ptrdiff_t out_row, void *scratch)
{
	epilogue_run_along(e, args, first, axes, at, axes - 2, axes - 1, rows, cols, in, in_row, out, out_row,
			   scratch);
}

#endif
