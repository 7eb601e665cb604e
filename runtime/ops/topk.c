/* ONNX TopK: the k largest (or smallest) elements along an axis and their indices, best first; of equal ones
 * the lower index. A NaN counts as the largest number, as numpy sorts it. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "infer.h"
#include "subspace.h"
#include "tick.h"

typedef struct attrs {
	int64_t axis, k;
	bool largest, sorted; /* without `sorted` the order is free: it is sorted all the same */
} attrs;

static clast_status infer_k(const infer_in *in, dim *k, clast_diag *d)
{
	size_t count;
	int64_t elements;
	*k = ((const attrs *)in->attrs)->k;
	if (in->version >= 10) {
		if (!has_input(in, 1))
			return fail(d, CLAST_ERROR_MODEL, "input 1 (K) is missing");
		const clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
		if (s)
			return s;
		if (infer_count(in, 1, &elements) && elements != 1)
			return fail(d, CLAST_ERROR_MODEL, "input 1 (K): expected one element, found %lld",
				    (long long)elements);
		const dim *given = infer_ints(in, 1, &count);
		*k = given && given[0] != DIM_UNKNOWN ? given[0] : infer_fresh(in, "k", 0, DIM_NO_MAX);
	}
	return dim_is_number(*k) && *k < 0 ? fail(d, CLAST_ERROR_MODEL,
						  "K: expected a number from 0 on, found %lld", (long long)*k)
					   : CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape s = in->in[0].shape;
	dim k;
	int axis;
	clast_status status = infer_k(in, &k, d);
	if (!status && s.rank >= 0)
		status = infer_axis(((const attrs *)in->attrs)->axis, s.rank, "attribute axis", &axis, d);
	if (status)
		return status;
	if (s.rank >= 0) {
		if (k != DIM_UNKNOWN && dim_known_less(in->dims, s.dims[axis], k))
			return fail(d, CLAST_ERROR_MODEL,
				    "K: there are fewer than %lld elements along axis %d",
				    (long long)(dim_is_number(k) ? k : -1), axis);
		s.dims[axis] = k;
	}
	if (wants_output(in, out, 0))
		infer_set(out, 0, in->in[0].dtype, &s);
	if (wants_output(in, out, 1))
		infer_set(out, 1, CLAST_INT64, &s);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	int axis;
	if ((operand == 1 && in->n_in > 1) || in->in[0].shape.rank < 0 ||
	    infer_axis(((const attrs *)in->attrs)->axis, in->in[0].shape.rank, "", &axis, NULL))
		return UINT32_MAX;
	return 1u << axis;
}

/* An element by its rank: of two the one with the larger key is better. */
typedef struct entry {
	int64_t key, index;
} entry;

static int64_t key_of(const tensor_view *x, int64_t at, bool largest)
{
	int64_t key;
	if (!dtype_is_float(x->dtype)) {
		key = load_int(x, at);
		if (!dtype_is_signed(x->dtype))
			key ^= INT64_MIN;
	} else {
		double v = load_real(x, at);
		if (isnan(v)) {
			key = INT64_MAX;
		} else {
			/* The bits of doubles order like integers of sign and magnitude; + 0 makes -0 and 0
			 * equal. */
			v += 0;
			memcpy(&key, &v, sizeof key);
			key = key < 0 ? (int64_t)((uint64_t)INT64_MIN - (uint64_t)key) : key;
		}
	}
	return largest ? key : ~key;
}

static bool better(const entry *a, const entry *b)
{
	return a->key > b->key || (a->key == b->key && a->index < b->index);
}

/* A heap with the worst entry on top. */
static void sift_down(entry *heap, int64_t n, int64_t i)
{
	for (;;) {
		int64_t worst = i;
		for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
			if (better(&heap[worst], &heap[child]))
				worst = child;
		if (worst == i)
			return;
		const entry e = heap[i];
		heap[i] = heap[worst];
		heap[worst] = e;
		i = worst;
	}
}

/* The k best of a line into heap, best first: a heap keeps the best so far, then sorts itself. */
static void select_line(const tensor_view *x, int64_t base, bool largest, entry *heap, int64_t k)
{
	for (int64_t i = 0; k && i < x->dims[0]; i++) {
		const entry e = { key_of(x, base + axis_offset(x, 0, i), largest), i };
		if (i < k) {
			heap[i] = e;
			for (int64_t j = k / 2 - 1; i == k - 1 && j >= 0; j--)
				sift_down(heap, k, j);
		} else if (better(&e, &heap[0])) {
			heap[0] = e;
			sift_down(heap, k, 0);
		}
	}
	for (int64_t n = k; n > 1; n--) {
		const entry e = heap[0];
		heap[0] = heap[n - 1];
		heap[n - 1] = e;
		sift_down(heap, n - 1, 0);
	}
}

/* A view of an output's axes, or of nothing where the output is not wanted. */
static tensor_view part(const tensor_view *v, uint32_t mask)
{
	return v ? view_axes(v, mask) : (tensor_view){ 0 };
}

static clast_status write_lines(call *c, int axis, int64_t k, entry *heap)
{
	const attrs *a = c->attrs;
	const uint32_t line = 1u << axis;
	const tensor_view *x = c->in[0], *values = c->out[0], *indices = c->n_out > 1 ? c->out[1] : NULL;
	const tensor_view x_line = view_axes(x, line), x_rest = view_axes(x, ~line);
	const tensor_view v_line = part(values, line), v_rest = part(values, ~line);
	const tensor_view i_line = part(indices, line), i_rest = part(indices, ~line);
	clast_status s = CLAST_OK;
	ticker t = { .c = c };
	for (iter it = iter_over(&x_rest); !s && iter_next(&it);) {
		const int64_t from = iter_offset(&x_rest, &it);
		select_line(&x_line, from, c->version < 11 || a->largest, heap, k);
		for (int64_t i = 0; i < k; i++) {
			if (values)
				copy_element(&v_rest, iter_offset(&v_rest, &it) + axis_offset(&v_line, 0, i),
					     &x_rest, from + axis_offset(&x_line, 0, heap[i].index));
			if (indices)
				store_int(&i_rest, iter_offset(&i_rest, &it) + axis_offset(&i_line, 0, i),
					  heap[i].index);
		}
		s = tick(&t, x->dims[axis] + k);
	}
	return s;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0];
	const int64_t k = c->version >= 10 ? load_int(c->in[1], 0) : a->k;
	int axis;
	clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, c->diag);
	if (s)
		return s;
	if (k < 0 || k > x->dims[axis])
		return fail(c->diag, CLAST_ERROR_DATA, "K: expected a number in [0, %lld], found %lld",
			    (long long)x->dims[axis], (long long)k);
	entry *heap = mem_array(c->memory, (size_t)k, sizeof *heap);
	if (!heap)
		return fail_memory(c->diag, (size_t)k * sizeof *heap);
	s = write_lines(c, axis, k, heap);
	mem_free(c->memory, heap, (size_t)k * sizeof *heap);
	return s;
}

static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 10, DTYPES_FLOAT }, { 11, DTYPES_REAL }, { 24, DTYPES_REAL_BF16 }, { 0 }
};
#define AT(member) offsetof(attrs, member)
static const attr_spec spec[] = { { "axis", ATTR_INT, AT(axis), .i = -1 },
				  { "k", ATTR_INT, AT(k), .required = true, .until = 10 },
				  { "largest", ATTR_BOOL, AT(largest), .i = 1, .since = 11 },
				  { "sorted", ATTR_BOOL, AT(sorted), .i = 1, .since = 11 },
				  { 0 } };
const op op_topk = { .name = "TopK",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(attrs),
		     .min_in = 1,
		     .max_in = 2,
		     .min_out = 2,
		     .max_out = 2,
		     .shape_inputs = 2,
		     .rule = RULE_AXIS,
		     .infer = infer,
		     .reference = reference,
		     .cut = cut };
