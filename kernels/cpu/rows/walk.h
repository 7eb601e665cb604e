/* Positions of a space of up to KERNEL_MAX_AXES axes, one after the other. */
#ifndef CPU_ROWS_WALK_H
#define CPU_ROWS_WALK_H

#include "kernel.h"
#include "vector/vec.h"

#define WALK_OPERANDS 2

typedef struct walk {
	size_t rank;
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t stride[WALK_OPERANDS][KERNEL_MAX_AXES];
	size_t count;
	size_t at[KERNEL_MAX_AXES];
	ptrdiff_t offset[WALK_OPERANDS]; /* of the current position in each operand */
} walk;

/* Over the given axes, merged. b may be NULL. */
static inline walk walk_over(size_t rank, const size_t *extent, const ptrdiff_t *a, const ptrdiff_t *b)
{
	walk w = { .count = 1 };
	memcpy(w.extent, extent, rank * sizeof *extent);
	memcpy(w.stride[0], a, rank * sizeof *a);
	if (b)
		memcpy(w.stride[1], b, rank * sizeof *b);
	ptrdiff_t *const strides[WALK_OPERANDS] = { w.stride[0], w.stride[1] };
	w.rank = strided_merge(rank, w.extent, WALK_OPERANDS, strides);
	for (size_t i = 0; i < w.rank; i++)
		w.count *= w.extent[i];
	return w;
}

/* The same without its innermost axis. */
static inline walk walk_outer(const walk *w)
{
	walk o = *w;
	if (o.rank > 0)
		o.rank--;
	o.count = 1;
	for (size_t i = 0; i < o.rank; i++)
		o.count *= o.extent[i];
	return o;
}

static inline void walk_seek(walk *w, size_t index)
{
	w->offset[0] = w->offset[1] = 0;
	if (index == 0) { /* also where an extent is 0 */
		memset(w->at, 0, sizeof w->at);
		return;
	}
	for (size_t i = w->rank; i-- > 0;) {
		w->at[i] = index % w->extent[i];
		index /= w->extent[i];
		w->offset[0] += (ptrdiff_t)w->at[i] * w->stride[0][i];
		w->offset[1] += (ptrdiff_t)w->at[i] * w->stride[1][i];
	}
}

static inline void walk_next(walk *w)
{
	for (size_t i = w->rank; i-- > 0;) {
		w->offset[0] += w->stride[0][i];
		w->offset[1] += w->stride[1][i];
		if (++w->at[i] < w->extent[i])
			return;
		w->at[i] = 0;
		w->offset[0] -= (ptrdiff_t)w->extent[i] * w->stride[0][i];
		w->offset[1] -= (ptrdiff_t)w->extent[i] * w->stride[1][i];
	}
}

/* Extent and strides of the innermost axis; a single position has an axis of extent 1. */
static inline size_t inner_extent(const walk *w)
{
	return w->rank > 0 ? w->extent[w->rank - 1] : 1;
}

static inline ptrdiff_t inner_stride(const walk *w, int operand)
{
	return w->rank > 0 ? w->stride[operand][w->rank - 1] : 0;
}

#endif
