/* A typed window on memory: logical dims and, for every axis, where its elements lie.
 *
 * An axis is one stride, or, where an order splits it into factors (blocked channels, a shuffle, a flattened image),
 * a short list of factors. References address elements through axis_offset() and therefore work in any order.
 * Strides count elements; they may be zero (broadcast) or negative. A view owns nothing. */
#ifndef CLAST_VIEW_H
#define CLAST_VIEW_H

#include "dtype.h"
#include "mem.h"
#include "clast/clast.h"

#define VIEW_MAX_FACTORS 24

typedef struct axis_factor {
	int64_t extent, stride;
} axis_factor;

typedef struct tensor_view {
	clast_dtype dtype;
	int rank;
	int64_t dims[CLAST_MAX_RANK];
	void *data;                              /* element (0, ..., 0) */
	int64_t strides[CLAST_MAX_RANK];         /* of an axis that is not split */
	uint8_t split[CLAST_MAX_RANK];           /* 0: one stride; else the number of factors */
	uint8_t first_factor[CLAST_MAX_RANK];    /* index of the axis's outermost factor in factors[] */
	uint8_t factor_count;
	axis_factor factors[VIEW_MAX_FACTORS];   /* of an axis: outermost first */
} tensor_view;

/* A row-major view of dense memory. */
void view_dense(tensor_view *v, clast_dtype dtype, int rank, const int64_t *dims, void *data);
int64_t view_count(const tensor_view *v);
/* Whether element order in memory is dense row-major. */
bool view_is_dense(const tensor_view *v);
/* The part of axis from start with count elements at distance step (which may be negative). False if that cuts through
 * a factor of a split axis, so that no view exists. */
bool view_slice(tensor_view *v, int axis, int64_t start, int64_t count, int64_t step);
/* Axis i of the result is axis perm[i] of v. */
void view_permute(tensor_view *v, const int *perm);
/* The same elements in row-major order under other dims of the same count, nothing moved; false if the strides do not allow that. */
bool view_reshape(tensor_view *v, int rank, const int64_t *dims);
/* Aligned from the right as ONNX broadcasting does; axes of extent 1 get stride 0. v must be broadcastable to dims. */
void view_broadcast(tensor_view *v, int rank, const int64_t *dims);
/* The bytes around the elements, counted from element (0, ..., 0): from low on. */
void view_span(const tensor_view *v, ptrdiff_t *low, size_t *bytes);
/* Copies every element, whatever the two orders; same dims and dtype. The plain loop that fast copies are tested with. */
void view_copy(const tensor_view *to, const tensor_view *from);

static inline int64_t axis_offset(const tensor_view *v, int axis, int64_t index)
{
	if (!v->split[axis])
		return index * v->strides[axis];
	int64_t offset = 0;
	const axis_factor *f = v->factors + v->first_factor[axis];
	for (int i = v->split[axis] - 1; i > 0; i--) {
		offset += index % f[i].extent * f[i].stride;
		index /= f[i].extent;
	}
	return offset + index * f[0].stride;
}

static inline int64_t view_offset(const tensor_view *v, const int64_t *index)
{
	int64_t offset = 0;
	for (int a = 0; a < v->rank; a++)
		offset += axis_offset(v, a, index[a]);
	return offset;
}

/* dims[axis] offsets of the elements of an axis, for inner loops of references; free with mem_free. NULL if out of memory. */
int64_t *axis_table(mem *m, const tensor_view *v, int axis);

/* Walks logical indices in row-major order:
 *     for (iter it = iter_over(out); iter_next(&it);) put_real(out, &it, f(get_real(x, &it)));
 * A view read with an iterator of larger rank or extents is broadcast, aligned from the right. */
typedef struct iter {
	int rank;
	int64_t dims[CLAST_MAX_RANK], index[CLAST_MAX_RANK];
	bool started, empty;
} iter;

iter iter_over(const tensor_view *v);
iter iter_dims(int rank, const int64_t *dims);
bool iter_next(iter *it);
/* Offset in v of the iterator's element. */
int64_t iter_offset(const tensor_view *v, const iter *it);

/* Elements at an offset, converted. Reals: any numeric or bool dtype. Ints: any integer or bool dtype; uint64 keeps its bits.
 * put_real rounds to floating-point dtypes to nearest even; for integers it truncates and saturates, and NaN gives 0. put_int wraps.
 * Complex and string elements: reading gives 0, writing does nothing. */
/* Constants of float32 may lie at any address, where the model's file has them. Packed weights are made from them so; everybody else gets
 * an aligned copy (model_align, spec.c). Of the functions here only load_real takes such a view. */
static inline bool view_is_aligned(const tensor_view *v)
{
	return v->dtype != CLAST_FLOAT32 || (uintptr_t)v->data % sizeof(float) == 0;
}

double load_real(const tensor_view *v, int64_t offset);
void store_real(const tensor_view *v, int64_t offset, double x);
int64_t load_int(const tensor_view *v, int64_t offset);
void store_int(const tensor_view *v, int64_t offset, int64_t x);
void copy_element(const tensor_view *to, int64_t to_offset, const tensor_view *from, int64_t from_offset);

static inline double get_real(const tensor_view *v, const iter *it)
{
	return load_real(v, iter_offset(v, it));
}
static inline void put_real(const tensor_view *v, const iter *it, double x)
{
	store_real(v, iter_offset(v, it), x);
}
static inline int64_t get_int(const tensor_view *v, const iter *it)
{
	return load_int(v, iter_offset(v, it));
}
static inline void put_int(const tensor_view *v, const iter *it, int64_t x)
{
	store_int(v, iter_offset(v, it), x);
}

#endif
