/* Walks the part of a tensor that some of its axes span: for operators that reduce, normalise or search over
 * axes. */
#ifndef CLAST_SUBSPACE_H
#define CLAST_SUBSPACE_H

#include "view.h"

/* The view of the axes in `mask`, those of the others at index 0. The offset of an element of v is the sum of
 * its offsets in the views of a mask and of the complement. */
tensor_view view_axes(const tensor_view *v, uint32_t mask);

/* All elements of a view in row-major order, at little more than an addition each:
 *     cells k = cells_of(&view);
 *     for (int64_t at; cells_next(&k, &at);) ... load_real(v, base + at) */
typedef struct cells {
	const tensor_view *v;
	iter it; /* the last axis's index stays 0 */
	int64_t row, i, length;
} cells;

cells cells_of(const tensor_view *v);
bool cells_next_row(cells *k, int64_t *offset);

static inline bool cells_next(cells *k, int64_t *offset)
{
	if (++k->i >= k->length)
		return cells_next_row(k, offset);
	*offset = k->row + axis_offset(k->v, k->v->rank - 1, k->i);
	return true;
}

#endif
