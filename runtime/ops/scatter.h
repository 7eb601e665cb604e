/* What ScatterND and ScatterElements share: combining an update with what is there. */
#ifndef CLAST_SCATTER_H
#define CLAST_SCATTER_H

#include "move.h"

typedef enum reduction {
	REDUCTION_NONE,
	REDUCTION_ADD,
	REDUCTION_MUL,
	REDUCTION_MAX,
	REDUCTION_MIN
} reduction;
extern const char *const reductions_16[], *const reductions_18[];

/* Whether elements of this dtype can be combined so. */
clast_status check_reduction(reduction r, clast_dtype dtype, clast_diag *d);
/* to[i] = to[i] (r) from[j]. bool: add and max are or, mul and min are and. */
void combine_element(reduction r, const tensor_view *to, int64_t i, const tensor_view *from, int64_t j);

#endif
