#include <math.h>

#include "elementwise.h"

rows rows_over(call *c, const tensor_view *v)
{
	int64_t dims[CLAST_MAX_RANK];
	for (int a = 0; a < v->rank; a++)
		dims[a] = v->dims[a];
	const int64_t length = v->rank ? dims[v->rank - 1] : 1;
	if (v->rank)
		dims[v->rank - 1] = length > 0;
	return (rows){
		.it = iter_dims(v->rank, dims), .length = length, .ticker = { .c = c }, .status = CLAST_OK
	};
}

bool rows_next(rows *r)
{
	if (!iter_next(&r->it))
		return false;
	r->status = tick(&r->ticker, r->length);
	return !r->status;
}

int dim_surely_less(const infer_in *in, dim a, dim b)
{
	if (a == DIM_UNKNOWN || b == DIM_UNKNOWN)
		return -1;
	return dim_known_less(in->dims, a, b) ? 1 : dim_known_le(in->dims, b, a) ? 0 : -1;
}

int dim_surely_equal(const infer_in *in, dim a, dim b)
{
	if (a == DIM_UNKNOWN || b == DIM_UNKNOWN)
		return -1;
	if (a == b)
		return 1;
	return dim_known_less(in->dims, a, b) || dim_known_less(in->dims, b, a) ? 0 : -1;
}

/* What is known of the elements of one input: ints, or (of a float constant) which of its elements are
 * integral. */
typedef struct operand {
	const dim *ints;
	tensor_view positions; /* dense, data unused: gives the flat index of a broadcast element */
} operand;

dim dim_of_element(clast_dtype t, dim x)
{
	if (!dim_is_number(x))
		return x;
	return x == DIM_END_ID || (t == CLAST_UINT64 && x < 0) ? DIM_UNKNOWN : x;
}

/* Integers that float32 holds exactly. */
#define EXACT_INTEGER (INT64_C(1) << 24)

static const dim *integral_elements(const infer_in *in, size_t i, size_t count)
{
	const tensor_view *t = in->in[i].data;
	if (!t || !t->data || !dtype_is_float(t->dtype))
		return NULL;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return NULL;
	size_t at = 0;
	for (iter it = iter_over(t); iter_next(&it);) {
		const double x = get_real(t, &it);
		const bool small =
			x >= -(double)EXACT_INTEGER && x <= (double)EXACT_INTEGER; /* false for NaN */
		const bool integral = small && x == (double)(int64_t)x && !(x == 0 && signbit(x));
		ints[at++] = integral ? (dim)x : DIM_UNKNOWN;
	}
	return ints;
}

static bool read_operand(const infer_in *in, size_t i, operand *o)
{
	const infer_value *v = &in->in[i];
	size_t count, found = 0;
	/* The limits of infer_small hold for floats too. */
	if (!infer_small(CLAST_INT64, &v->shape, &count))
		return false;
	view_dense(&o->positions, CLAST_INT64, v->shape.rank, v->shape.dims, NULL);
	o->ints = infer_ints(in, i, &found);
	if (o->ints)
		return found == count;
	o->ints = integral_elements(in, i, count);
	return true;
}

static dim operand_at(const infer_in *in, size_t i, const operand *o, const iter *it)
{
	return o->ints ? dim_of_element(in->in[i].dtype, o->ints[iter_offset(&o->positions, it)])
		       : DIM_UNKNOWN;
}

/* A result that the dtype cannot hold wraps or is rounded: not followed. */
static dim representable(const infer_in *in, clast_dtype t, dim x)
{
	int64_t lo = -EXACT_INTEGER, hi = EXACT_INTEGER;
	if (x == DIM_ERROR || x == DIM_UNKNOWN)
		return DIM_UNKNOWN;
	if (dtype_is_float(t) && t != CLAST_FLOAT32 && t != CLAST_FLOAT64)
		return DIM_UNKNOWN;
	/* Extents, which symbols stand for, are taken to be below 2^24 too. */
	if (dtype_is_float(t))
		return !dim_is_number(x) || (x >= lo && x <= hi) ? x : DIM_UNKNOWN;
	lo = dtype_min(t);
	hi = dtype_max(t);
	if (dim_is_number(x))
		return x >= lo && x <= hi ? x : DIM_UNKNOWN;
	int64_t at_least, at_most;
	/* Extents are taken to fit a dtype of 32 bits and more; a sum that may be negative does not fit an
	 * unsigned one. */
	const bool fits = dim_range(in->dims, x, &at_least, &at_most) && at_least >= lo && hi >= INT32_MAX;
	return fits || (dtype_is_signed(t) && hi >= INT32_MAX) ? x : DIM_UNKNOWN;
}

#define MAX_FOLLOWED_OPERANDS 8

clast_status infer_elements(const infer_in *in, size_t n, infer_out *out, element_rule f, clast_diag *d)
{
	infer_value *y = &out->out[0];
	operand operands[MAX_FOLLOWED_OPERANDS];
	size_t count;
	bool known = false;
	if (n > MAX_FOLLOWED_OPERANDS || (dtype_is_float(y->dtype) && y->shape.rank > 1))
		return CLAST_OK;
	if (!infer_small(dtype_is_float(y->dtype) ? CLAST_INT64 : y->dtype, &y->shape, &count))
		return CLAST_OK;
	for (size_t i = 0; i < n; i++) {
		if (!read_operand(in, i, &operands[i]))
			return CLAST_OK;
		known |= operands[i].ints != NULL;
	}
	if (!known)
		return CLAST_OK;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return fail_memory(d, count * sizeof *ints);
	size_t at = 0;
	known = false;
	for (iter it = iter_dims(y->shape.rank, y->shape.dims); iter_next(&it); at++) {
		dim x[MAX_FOLLOWED_OPERANDS];
		for (size_t i = 0; i < n; i++)
			x[i] = operand_at(in, i, &operands[i], &it);
		ints[at] = representable(in, y->dtype, f(in, n, x));
		known |= ints[at] != DIM_UNKNOWN;
	}
	if (known || !count) {
		y->ints = ints;
		y->int_count = count;
	}
	return CLAST_OK;
}
