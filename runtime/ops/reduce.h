/* Reductions over axes: ReduceSum and its kin, ArgMax, ArgMin. For reduce.c their op.family says which. */
#ifndef CLAST_REDUCE_H
#define CLAST_REDUCE_H

#include "infer.h"

typedef enum reduction {
	REDUCTION_L1 = 1,
	REDUCTION_L2,
	REDUCTION_LOG_SUM,
	REDUCTION_LOG_SUM_EXP,
	REDUCTION_MAX,
	REDUCTION_MEAN,
	REDUCTION_MIN,
	REDUCTION_PROD,
	REDUCTION_SUM,
	REDUCTION_SUM_SQUARE
} reduction;

typedef struct reduce_attrs {
	int_list axes; /* older versions: newer ones have input 1 */
	bool keepdims;
	bool noop_with_empty_axes;
} reduce_attrs;

/* The reduced axes of a Reduce* node; false if they are not known. Valid after its inference succeeded. */
bool reduce_axes(const infer_in *in, uint32_t *mask);
/* The shape left when the axes in mask are reduced. */
void reduce_shape(const shape *x, uint32_t mask, bool keepdims, shape *y);

#endif
