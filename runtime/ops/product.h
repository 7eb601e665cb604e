/* Sums of products in double, for the references of convolutions and matrix products: y[m][n] = sum over k of
 * a[m][k] * b[k][n], k ascending. Operands are fetched through callbacks block by block, so that whole
 * networks run in bearable time and memory whatever the order of the views. */
#ifndef CLAST_PRODUCT_H
#define CLAST_PRODUCT_H

#include "op.h"

#define PRODUCT_LANES 16

typedef struct product {
	int64_t m, n, k;
	/* Writes a[m][0..k). */
	void (*row)(const struct product *p, int64_t m, double *a);
	/* Writes b[k][n0 + lane] to b[k * PRODUCT_LANES + lane] for lane < count; the other lanes are zero on
	 * entry and are to stay finite. */
	void (*panel)(const struct product *p, int64_t n0, int count, double *b);
	void (*store)(const struct product *p, int64_t m, int64_t n0, int count, const double *y);
	void *context;
} product;

clast_status product_run(call *c, const product *p);

/* y[lane] = sum of a[i] * b[i * PRODUCT_LANES + lane] over i < k. */
void product_lanes(int64_t k, const double *a, const double *b, double *y);

/* out[i * step] = element at base + offsets[i]. */
void load_reals(const tensor_view *v, int64_t base, const int64_t *offsets, int64_t n, double *out,
		int64_t step);

/* ---- Products of elements that lie where tables say: a[m][k] at a_base + a_m[m] + a_k[k], and so on ---- */

typedef struct operand {
	const tensor_view *view;
	int64_t base;
	const int64_t *rows, *columns; /* offsets */
} operand;

/* y = alpha * a b (+ beta * c, where c.view is not NULL). Integers are computed modulo 2^64 and then wrap to
 * y's dtype. */
clast_status product_of_tables(call *c, int64_t m, int64_t n, int64_t k, const operand *a, const operand *b,
			       const operand *add, const operand *y, double alpha, double beta);

#endif
