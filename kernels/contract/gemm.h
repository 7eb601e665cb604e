/* Matrix products. */
#ifndef CONTRACT_GEMM_H
#define CONTRACT_GEMM_H

#include "program.h"
#include "weights.h"

#define GEMM_BATCH_AXES 4
#define GEMM_ROW_DIGITS 6

/* out[b.., m, n] = sum over k of a[b.., m, k] * b[b.., k, n] (+ bias[n] of packed weights), then the
 * epilogue, whose axes are the four batch axes, m, n. Scaling (alpha, beta of ONNX Gemm) belongs into the
 * weights or the epilogue. ONNX MatMul, Gemm, and what Einsum and attention come down to.
 *
 * With packed weights (PACKING_GEMM with in_channels = k, out_channels = n, groups = slices), b_batch strides
 * count slices. Otherwise b is any strided matrix, packed by the kernel while it runs. a is read as it lies
 * where a_col is 1, else packed too. out has stride 1 along n. Unused batch axes have extent 1, stride 0. The
 * order of summation is fixed by k and the ISA. */
typedef struct gemm_params {
	size_t batch[GEMM_BATCH_AXES];
	size_t m, n, k;
	uint32_t packed; /* b is packed weights */
	ptrdiff_t a_batch[GEMM_BATCH_AXES], b_batch[GEMM_BATCH_AXES], out_batch[GEMM_BATCH_AXES];
	ptrdiff_t a_row, a_col;
	ptrdiff_t b_row, b_col; /* not used with packed weights */
	ptrdiff_t out_row;
	size_t slices; /* of packed weights; 1 for one matrix */
	/* The most steps of k that are added up one after the other before their sum is added to others; 0: as accurate
	 * as it gets at little cost. */
	uint32_t chain;
	kernel_hint hint;
	/* With row_digits not 0 the rows are written in another order than a holds them: m is the product of digit[], outermost first, and
	 * row i lies at the sum of its digits times out_digit[] (out_row is not read), those of the residual and of the operands of the
	 * program likewise. */
	uint32_t row_digits;
	size_t digit[GEMM_ROW_DIGITS];
	ptrdiff_t out_digit[GEMM_ROW_DIGITS], residual_digit[GEMM_ROW_DIGITS];
	ptrdiff_t operand_digit[EPILOGUE_MAX_OPERANDS][GEMM_ROW_DIGITS];
	epilogue epilogue;
} gemm_params;

enum { GEMM_OUT, GEMM_A, GEMM_B, GEMM_RESIDUAL, GEMM_OPERANDS };

#endif
