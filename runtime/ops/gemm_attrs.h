/* Attributes of Gemm and the extents of matrix products. */
#ifndef CLAST_GEMM_ATTRS_H
#define CLAST_GEMM_ATTRS_H

#include "infer.h"

typedef struct gemm_attrs {
	float alpha, beta;
	bool trans_a, trans_b;
	bool broadcast; /* before version 7: whether c may be smaller than the product */
} gemm_attrs;

/* Shape of a matrix product as in numpy.matmul: 1-D operands act as a row (a) or a column (b) whose axis then
 * vanishes, leading axes broadcast. Shared by MatMul, MatMulInteger and QLinearMatMul. */
clast_status infer_matmul_shape(const infer_in *in, size_t a, size_t b, shape *out, clast_diag *d);

/* The operands of one matrix product within a batch, for concrete views. */
typedef struct matmul_geometry {
	int64_t m, n, k;
	int batch_rank; /* leading axes of the output: batch_rank of them, then rows and columns where they
			   exist */
	int64_t batch[CLAST_MAX_RANK];
	int a_row, a_column, b_row, b_column, y_row, y_column; /* axes, -1: none (extent 1) */
} matmul_geometry;

matmul_geometry matmul_geometry_of(const tensor_view *a, const tensor_view *b);
/* Offset of a batch element (index of batch_rank numbers) in an operand whose last `matrix_axes` axes are the
 * matrix. */
int64_t matmul_batch_offset(const tensor_view *v, int matrix_axes, int batch_rank, const int64_t *index);

#endif
