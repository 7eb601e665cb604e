/* Orders: how the elements of a value lie in memory, apart from where.
 *
 * A value's elements are numbered by their row-major position in the ONNX shape, the flat index. An order is a list of factors
 * of that index, outermost in memory first; a factor (stride, extent) is the digit (flat / stride) % extent. Normal form: factors of
 * extent 1 are dropped and a factor followed by the one just below it (stride == extent' * stride') is merged with it, so the
 * row-major order is one factor and written n = 0, whatever the shape. Extents and strides are dims and may be symbolic.
 *
 * Because an order speaks of flat indices, Reshape keeps it as it is; Transpose rewrites it (order_transpose). */
#ifndef CLAST_ORDER_H
#define CLAST_ORDER_H

#include "dim.h"
#include "view.h"

#define ORDER_MAX_FACTORS VIEW_MAX_FACTORS

typedef struct shape {
	int rank; /* -1: unknown */
	dim dims[CLAST_MAX_RANK];
} shape;

typedef struct order_factor {
	dim stride, extent;
} order_factor;

typedef struct order {
	int n; /* 0: row-major, ONNX's own order, called `first` */
	order_factor factors[ORDER_MAX_FACTORS];
} order;

static inline order order_first(void)
{
	return (order){ 0 };
}

bool order_equal(const order *a, const order *b);
/* Memory axis i holds logical axis perm[i], outermost first. False if the shape is unknown or an extent overflows. */
bool order_permuted(dim_table *t, const shape *s, const int *perm, order *out);
/* Axis 1 (channels) innermost: N H W C. Rank below 3: row-major. */
bool order_last(dim_table *t, const shape *s, order *out);
/* Axis split in blocks of `block` elements, the block innermost: N C/8 H W C%8. False unless the extent is provably divisible. */
bool order_blocked(dim_table *t, const shape *s, int axis, int64_t block, order *out);
/* Splits factors at the axis boundaries of s so that each lies within one axis; false where divisibility cannot be proved.
 * The result is not merged. */
bool order_refine(dim_table *t, const order *o, const shape *s, order *out);
/* The same, and for each factor the axis that holds it and its digit there: index along the axis / inner % extent. */
bool order_split(dim_table *t, const order *o, const shape *s, order *out, int *axes, dim *inner);
/* The order of Transpose(x, perm) when nothing moves; s is the shape of x. */
bool order_transpose(dim_table *t, const order *o, const shape *s, const int *perm, order *out);
/* The order with the factors of one axis moved innermost, among themselves as they were. */
bool order_innermost(dim_table *t, const order *o, const shape *s, int axis, order *out);
/* Memory axes as logical axes, outermost first, for orders that keep every axis whole: perm[i] is the axis at place i. Axes of
 * extent 1 are put where they keep the permutation closest to row-major. False if an axis is split. */
bool order_axes(dim_table *t, const order *o, const shape *s, int *perm);
/* The dense view of a value in this order: s numeric, o with every dim a number. */
bool order_view(const order *o, clast_dtype dtype, int rank, const int64_t *dims, void *data, tensor_view *out);
/* The order in which the elements of a view follow one another, whatever gaps lie between them. s is the shape, symbolic or not, v the view at
 * some numbers for its symbols; an axis whose extent is no number must be whole. False for axes that do not move or run backwards. */
bool order_of_view(dim_table *t, const tensor_view *v, const shape *s, order *out);
/* The same order of a value of another shape but equal rank: axes of equal extents keep their factors, others must be whole. */
bool order_carried(dim_table *t, const order *o, const shape *from, const shape *to, order *out);
/* The order of an operand that is broadcast to a value in order o: the factors of the axes that it has, aligned from the right. */
bool order_restricted(dim_table *t, const order *o, const shape *s, const shape *operand, order *out);
/* Factors of one axis as they follow one another in memory, outermost first: each digit's weight within the axis and its extent. */
typedef struct axis_digits {
	int n;
	order_factor digit[ORDER_MAX_FACTORS];
	bool together;  /* nothing of another axis lies between them */
	bool innermost; /* nor below them */
	bool whole;     /* every other axis is in one piece */
} axis_digits;
/* The order whose factors are these digits of these axes, outermost first; each axis has to be covered exactly. */
bool order_of_digits(dim_table *t, const shape *s, int n, const int *axis, const order_factor *digit, order *out);
bool order_digits(dim_table *t, const order *o, const shape *s, int axis, axis_digits *out);
/* Writes "N H W C" (rank 3 to 5) or "d0 d2 d1", factors of a split axis as "C/8" and "C%8". */
void order_format(dim_table *t, const order *o, const shape *s, char *buffer, size_t bytes);

#endif
