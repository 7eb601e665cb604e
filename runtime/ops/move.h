/* Operators that only move elements: copies described axis by axis, for any strides and orders of both sides.
 */
#ifndef CLAST_MOVE_H
#define CLAST_MOVE_H

#include "infer.h"

/* A product of axes: element (i0, i1, ...) of the product is copied from the sum of the axes' `from` offsets
 * to the sum of their `to` offsets. Axes that stay affine are merged before the copy, so that dense parts
 * become memcpy. */
typedef struct move_axis {
	int64_t n;
	int64_t *to,
		*from; /* n offsets; NULL: multiples of the stride. MOVE_FILL in from: the fill element */
	int64_t to_stride, from_stride;
} move_axis;
#define MOVE_FILL INT64_MIN

typedef struct move {
	call *c;
	const tensor_view *to, *from;
	const void *fill; /* one element; needed where a table holds MOVE_FILL */
	int64_t to_base, from_base;
	int n;
	move_axis axes[CLAST_MAX_RANK];
	clast_status status; /* the first failure; later steps do nothing */
} move;

/* move_start, then axes from the outermost to the innermost, then move_run, which copies and frees the tables
 * and returns the status of the whole. */
void move_start(move *m, call *c, const tensor_view *to, const tensor_view *from);
/* n elements: index to_start + i * to_step of an axis of `to`, from_start + i * from_step of an axis of
 * `from`. An axis of -1 does not move. */
void move_range(move *m, int64_t n, int to_axis, int64_t to_start, int64_t to_step, int from_axis,
		int64_t from_start, int64_t from_step);
/* All of an axis that both sides have. */
void move_whole(move *m, int to_axis, int from_axis);
/* Element i of the axis of `to` comes from index source[i] of the axis of `from`; -1 is the fill element. */
void move_indexed(move *m, int64_t n, int to_axis, int from_axis, const int64_t *source);
/* n pairs of offsets from mem_array(c->memory, n, sizeof(int64_t)), which move_run frees; a NULL fails for
 * want of memory. */
void move_offsets(move *m, int64_t n, int64_t *to, int64_t *from);
clast_status move_run(move *m);

/* Copies between views with as many elements, in row-major order of each: what Reshape means. */
clast_status move_flat(call *c, const tensor_view *to, const tensor_view *from);
clast_status move_same(call *c, const tensor_view *to, const tensor_view *from);

/* Offsets of a view's elements in row-major order. */
typedef struct walk {
	const tensor_view *v;
	int64_t *table[CLAST_MAX_RANK]; /* of the axis */
	int64_t index[CLAST_MAX_RANK];
	int64_t outer[CLAST_MAX_RANK]; /* sum of the offsets of the axes before this one */
} walk;

bool walk_start(walk *w, mem *m, const tensor_view *v); /* false: out of memory, nothing to end */
void walk_end(walk *w, mem *m);
static inline int64_t walk_offset(const walk *w)
{
	const int last = w->v->rank - 1;
	return last < 0 ? 0 : w->outer[last] + w->table[last][w->index[last]];
}
static inline void walk_carry(walk *w, int axis)
{
	int a = axis;
	while (a >= 0 && ++w->index[a] == w->v->dims[a])
		w->index[a--] = 0;
	for (a = a < 0 ? 0 : a; a + 1 < w->v->rank; a++)
		w->outer[a + 1] = w->outer[a] + w->table[a][w->index[a]];
}
/* To the next element, or to the first one of the next row of the last axis when at the first of one. Past
 * the end they start again. */
static inline void walk_next(walk *w)
{
	const int last = w->v->rank - 1;
	if (last >= 0 && w->index[last] + 1 < w->v->dims[last])
		w->index[last]++;
	else
		walk_carry(w, last);
}
static inline void walk_next_row(walk *w)
{
	walk_carry(w, w->v->rank - 2);
}

/* load_real and load_int with the usual dtypes inline, for loops that gather single elements. */
static inline double load_real_inline(const tensor_view *v, int64_t offset)
{
	return v->dtype == CLAST_FLOAT32 ? ((const float *)v->data)[offset] : load_real(v, offset);
}
static inline int64_t load_int_inline(const tensor_view *v, int64_t offset)
{
	return v->dtype == CLAST_INT64 ? ((const int64_t *)v->data)[offset] : load_int(v, offset);
}

/* The view without an axis, at one index of it. */
void view_select(tensor_view *v, int axis, int64_t index);

/* The integers of input i, at most max of them, while running. Absent: *n is 0. */
clast_status call_ints(call *c, size_t i, size_t max, int64_t *out, size_t *n);
/* axis in [-rank, rank) to [0, rank) while running: values were checked by inference. */
static inline int wrap_axis(int64_t axis, int rank)
{
	return (int)(axis < 0 ? axis + rank : axis);
}
/* index in [-extent, extent) to [0, extent), else CLAST_ERROR_DATA. */
clast_status wrap_index(call *c, const char *what, int64_t index, int64_t extent, int64_t *out);

/* A list that some versions have as an attribute and later ones as input i: its elements, or NULL where not
 * known. *given says whether it is there at all. */
const dim *list_or_input(const infer_in *in, const int_list *list, size_t i, size_t *n, bool *given);
/* The same, but only if all of them are numbers. */
const int64_t *numbers_or_input(const infer_in *in, const int_list *list, size_t i, size_t *n, bool *given);
/* The same while running. */
clast_status list_or_call(call *c, const int_list *list, size_t i, size_t max, int64_t *out, size_t *n,
			  bool *given);

/* Output 0 with the elements of input 0 as a plain change of shape: Reshape, Flatten, Squeeze, Unsqueeze. */
clast_status regroup_reference(call *c);
int regroup_views(const infer_in *in, const infer_value *out, view_step *steps);
/* Output 0 gets the elements known of input 0, in their order, where it has as many. */
void infer_same_ints(const infer_in *in, infer_out *out);
/* The known elements of input i as a view to be sliced, permuted or broadcast (its int64 elements are dims,
 * to be looked at only by infer_view_ints); false if they are not known. */
bool ints_view(const infer_in *in, size_t i, tensor_view *v);
/* Output i gets the elements of such a view if they are as many as its shape says and worth following. */
clast_status infer_view_ints(const infer_in *in, infer_out *out, size_t i, const tensor_view *v,
			     clast_diag *d);
/* Extents that must be equal: numbers win over expressions. False if they are two different numbers. */
bool dims_unify(dim *a, dim b);
dim fresh_like(const infer_in *in, const char *hint);
/* Rank known from a list's length, extents not. */
void infer_fresh_shape(const infer_in *in, const char *hint, int rank, shape *out);

static inline uint32_t all_axes(int rank)
{
	return rank < 0 ? UINT32_MAX : (1u << rank) - 1;
}

#endif
