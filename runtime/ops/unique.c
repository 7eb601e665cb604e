/* ONNX Unique: the different elements of a tensor, or the different slices along an axis, ascending or
 * (sorted = 0) in the order in which they first occur; where each first occurs; which one every input element
 * is; how often each occurs. NaNs are equal to one another and larger than numbers, as in numpy.unique. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "infer.h"
#include "subspace.h"

typedef struct attrs {
	int64_t axis;
	bool sorted;
} attrs;

#define NO_AXIS INT64_MIN

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const shape *x = &in->in[0].shape;
	shape y = { .rank = 1 }, flat = { .rank = 1 }, whole = { .rank = 1, .dims = { DIM_UNKNOWN } };
	if (x->rank >= 0)
		whole.dims[0] = dim_product(in->dims, (size_t)x->rank, x->dims);
	if (a->axis != NO_AXIS) {
		int axis;
		y = *x;
		if (x->rank >= 0) {
			const clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
			if (s)
				return s;
			whole.dims[0] = x->dims[axis];
		}
	}
	flat.dims[0] =
		infer_fresh(in, "unique", 0, dim_is_number(whole.dims[0]) ? whole.dims[0] : DIM_NO_MAX);
	if (y.rank > 0)
		y.dims[a->axis == NO_AXIS ? 0 : a->axis < 0 ? a->axis + y.rank : a->axis] = flat.dims[0];
	infer_set(out, 0, in->in[0].dtype, &y);
	for (size_t i = 1; i < 4; i++)
		if (wants_output(in, out, i))
			infer_set(out, i, CLAST_INT64, i == 2 ? &whole : &flat);
	return CLAST_OK;
}

/* ---- Order of elements ---- */

static int compare_real(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

static int compare_string(const clast_string *a, const clast_string *b)
{
	const size_t shorter = a->length < b->length ? a->length : b->length;
	const int c = shorter ? memcmp(a->bytes, b->bytes, shorter) : 0;
	return c ? c : (a->length > b->length) - (a->length < b->length);
}

static int compare_elements(const tensor_view *x, int64_t i, int64_t j)
{
	if (x->dtype == CLAST_STRING)
		return compare_string((const clast_string *)x->data + i, (const clast_string *)x->data + j);
	if (dtype_is_float(x->dtype))
		return compare_real(load_real(x, i), load_real(x, j));
	if (dtype_is_complex(x->dtype)) {
		tensor_view parts = *x;
		parts.dtype = x->dtype == CLAST_COMPLEX64 ? CLAST_FLOAT32 : CLAST_FLOAT64;
		const int c = compare_real(load_real(&parts, 2 * i), load_real(&parts, 2 * j));
		return c ? c : compare_real(load_real(&parts, 2 * i + 1), load_real(&parts, 2 * j + 1));
	}
	const int64_t a = load_int(x, i), b = load_int(x, j);
	if (!dtype_is_signed(x->dtype))
		return ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b);
	return (a > b) - (a < b);
}

/* ---- Grouping ---- */

/* An item is an element of the flattened tensor, or a slice. */
typedef struct items {
	const tensor_view *x;
	tensor_view slice; /* what of x belongs to every item: nothing but the element itself, or all axes but
			      one */
	int64_t n;
	int64_t *offset; /* of each item in x */
	int64_t *order;  /* items sorted, equal ones by index */
	int64_t *group;  /* of each item: a number from 0 on, in the order of the output */
	int64_t *first;  /* of each group: its first item */
	int64_t groups;
} items;

static int compare_items(const items *k, int64_t i, int64_t j)
{
	cells walk = cells_of(&k->slice);
	int c = 0;
	for (int64_t at; !c && cells_next(&walk, &at);)
		c = compare_elements(k->x, k->offset[i] + at, k->offset[j] + at);
	return c;
}

/* Merge sort from short runs to long ones: stable, and n log n whatever the data. */
static clast_status sort_items(call *c, items *k, int64_t *spare)
{
	for (int64_t width = 1; width < k->n; width *= 2) {
		for (int64_t lo = 0; lo < k->n; lo += 2 * width) {
			const int64_t middle = lo + width < k->n ? lo + width : k->n;
			const int64_t hi = middle + width < k->n ? middle + width : k->n;
			int64_t i = lo, j = middle;
			for (int64_t to = lo; to < hi; to++) {
				const bool left = i < middle && (j >= hi || compare_items(k, k->order[i],
											  k->order[j]) <= 0);
				spare[to] = k->order[left ? i++ : j++];
			}
		}
		memcpy(k->order, spare, (size_t)k->n * sizeof *spare);
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "the run was stopped");
	}
	return CLAST_OK;
}

/* Numbers the groups as they come in the sorted order, or by their first items. rank_of: n spare numbers. */
static void group_items(items *k, bool sorted, int64_t *rank_of)
{
	k->groups = 0;
	for (int64_t i = 0; i < k->n; i++) {
		const int64_t item = k->order[i];
		if (!i || compare_items(k, k->order[i - 1], item))
			k->first[k->groups++] = item;
		k->group[item] = k->groups - 1;
	}
	if (sorted)
		return;
	int64_t next = 0;
	for (int64_t i = 0; i < k->n; i++)
		if (k->first[k->group[i]] == i)
			rank_of[k->group[i]] = next++;
	for (int64_t i = 0; i < k->n; i++)
		k->group[i] = rank_of[k->group[i]];
	next = 0;
	for (int64_t i = 0; i < k->n; i++)
		if (k->group[i] == next)
			k->first[next++] = i;
}

static clast_status find_items(call *c, bump *b, int axis, items *k)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0];
	k->x = x;
	k->slice = view_axes(x, axis < 0 ? 0 : ~(1u << axis));
	k->n = axis < 0 ? view_count(x) : x->dims[axis];
	int64_t *block = bump_array(b, (size_t)k->n, 5 * sizeof *block);
	if (!block)
		return fail_memory(c->diag, (size_t)k->n * 5 * sizeof *block);
	k->offset = block;
	k->order = block + k->n;
	k->group = block + 2 * k->n;
	k->first = block + 3 * k->n;
	int64_t i = 0;
	if (axis < 0)
		for (iter it = iter_over(x); iter_next(&it);)
			k->offset[i++] = iter_offset(x, &it);
	for (; i < k->n; i++)
		k->offset[i] = axis_offset(x, axis, i);
	for (i = 0; i < k->n; i++)
		k->order[i] = i;
	const clast_status s = sort_items(c, k, block + 4 * k->n);
	if (!s)
		group_items(k, a->sorted, block + 4 * k->n);
	return s;
}

static clast_status write_values(call *c, int axis, const items *k)
{
	const tensor_view *x = c->in[0];
	int64_t dims[CLAST_MAX_RANK];
	for (int i = 0; axis >= 0 && i < x->rank; i++)
		dims[i] = x->dims[i];
	dims[axis < 0 ? 0 : axis] = k->groups;
	const clast_status s = call_output(c, 0, x->dtype, axis < 0 ? 1 : x->rank, dims);
	if (s)
		return s;
	const tensor_view *y = c->out[0], y_slice = view_axes(y, axis < 0 ? 0 : ~(1u << axis));
	for (int64_t g = 0; g < k->groups; g++) {
		cells from = cells_of(&k->slice), to = cells_of(&y_slice);
		const int64_t x_base = k->offset[k->first[g]],
			      y_base = axis_offset(y, axis < 0 ? 0 : axis, g);
		for (int64_t at_x, at_y; cells_next(&from, &at_x) && cells_next(&to, &at_y);)
			copy_element(y, y_base + at_y, x, x_base + at_x);
	}
	return CLAST_OK;
}

/* indices, inverse_indices, counts, those that are wanted. */
static clast_status write_numbers(call *c, const items *k)
{
	clast_status s = CLAST_OK;
	for (size_t i = 1; !s && i < c->n_out; i++) {
		const int64_t n = i == 2 ? k->n : k->groups;
		if (!c->out[i] || (s = call_output(c, i, CLAST_INT64, 1, &n)))
			continue;
		const tensor_view *y = c->out[i];
		for (int64_t j = 0; j < n; j++)
			store_int(y, axis_offset(y, 0, j), i == 1 ? k->first[j] : i == 2 ? k->group[j] : 0);
		for (int64_t j = 0; i == 3 && j < k->n; j++) {
			const int64_t at = axis_offset(y, 0, k->group[j]);
			store_int(y, at, load_int(y, at) + 1);
		}
	}
	return s;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	int axis = -1;
	items k;
	if (a->axis != NO_AXIS) {
		const clast_status s = infer_axis(a->axis, c->in[0]->rank, "attribute axis", &axis, c->diag);
		if (s)
			return s;
	}
	bump b;
	bump_init(&b, c->memory);
	clast_status s = find_items(c, &b, axis, &k);
	if (!s && c->out[0])
		s = write_values(c, axis, &k);
	if (!s)
		s = write_numbers(c, &k);
	bump_release(&b);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return UINT32_MAX;
}

static const op_version versions[] = { { 11, DTYPES_ALL_12 }, { 28, DTYPES_ALL_13 }, { 0 } };
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = NO_AXIS },
				  { "sorted", ATTR_BOOL, offsetof(attrs, sorted), .i = 1 },
				  { 0 } };
const op op_unique = { .name = "Unique",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(attrs),
		       .min_in = 1,
		       .max_in = 1,
		       .min_out = 1,
		       .max_out = 4,
		       .flags = OP_DATA_SHAPED,
		       .rule = RULE_AXIS,
		       .infer = infer,
		       .reference = reference,
		       .cut = cut };
