/* ONNX Range: y[i] = start + i * delta for i < max(ceil((limit - start) / delta), 0). */
#include <math.h>
#include <stddef.h>

#include "elementwise.h"

typedef struct attrs {
	int64_t stash_type; /* the precision of the sum; here always double */
} attrs;

static clast_status zero_delta(clast_status s, clast_diag *d)
{
	return fail(d, s, "input 2 (delta): expected a number other than 0, found 0");
}

/* False if there is no such count: delta 0, a NaN, or too many. */
static bool count_real(double start, double limit, double delta, int64_t *count)
{
	const double n = ceil((limit - start) / delta);
	if (!(n < 0x1p62))
		return false;
	*count = n > 0 ? (int64_t)n : 0;
	return true;
}

/* delta is not 0. */
static int64_t count_int(int64_t start, int64_t limit, int64_t delta)
{
	if (delta > 0 ? start >= limit : start <= limit)
		return 0;
	const uint64_t distance =
		delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
	const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
	const uint64_t n = (distance - 1) / step + 1;
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static dim count_dim(const infer_in *in, dim start, dim limit, dim delta)
{
	if (start == DIM_UNKNOWN || limit == DIM_UNKNOWN || delta == DIM_UNKNOWN)
		return DIM_UNKNOWN;
	if (dim_is_number(start) && dim_is_number(limit) && dim_is_number(delta))
		return count_int(start, limit, delta);
	const bool positive = dim_known_less(in->dims, 0, delta),
		   negative = dim_known_less(in->dims, delta, 0);
	if (!positive && !negative)
		return DIM_UNKNOWN;
	return dim_max(in->dims, dim_ceil_div(in->dims, dim_sub(in->dims, limit, start), delta), 0);
}

static clast_status follow(const infer_in *in, infer_out *out, dim start, dim delta, clast_diag *d)
{
	size_t count;
	if (!infer_small(out->out[0].dtype, &out->out[0].shape, &count))
		return CLAST_OK;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return fail_memory(d, count * sizeof *ints);
	for (size_t i = 0; i < count; i++)
		ints[i] = dim_add(in->dims, start, dim_mul(in->dims, (dim)i, delta));
	out->out[0].ints = ints;
	out->out[0].int_count = count;
	return CLAST_OK;
}

static clast_status infer_count_real(const infer_in *in, dim *n, clast_diag *d)
{
	double x[3];
	int64_t count;
	for (size_t i = 0; i < 3; i++)
		if (!infer_real(in, i, 0, &x[i]))
			return CLAST_OK;
	if (x[2] == 0)
		return zero_delta(CLAST_ERROR_MODEL, d);
	if (!count_real(x[0], x[1], x[2], &count))
		return fail(d, CLAST_ERROR_MODEL, "no length follows from start %g, limit %g and delta %g",
			    x[0], x[1], x[2]);
	*n = count;
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	dim x[3] = { DIM_UNKNOWN, DIM_UNKNOWN, DIM_UNKNOWN };
	shape s = { .rank = 1, .dims = { DIM_UNKNOWN } };
	for (size_t i = 0; i < 3; i++) {
		int64_t elements;
		size_t count;
		const clast_status status = infer_same_dtype(in, 0, i, d);
		if (status)
			return status;
		if (infer_count(in, i, &elements) && elements != 1)
			return fail(d, CLAST_ERROR_MODEL, "input %zu: expected a scalar, found %lld elements",
				    i, (long long)elements);
		const dim *ints = infer_ints(in, i, &count);
		if (ints && count == 1)
			x[i] = dim_of_element(in->in[i].dtype, ints[0]);
	}
	if (x[2] == 0)
		return zero_delta(CLAST_ERROR_MODEL, d);
	s.dims[0] = count_dim(in, x[0], x[1], x[2]);
	if (s.dims[0] == DIM_UNKNOWN && dtype_is_float(in->in[0].dtype)) {
		const clast_status status = infer_count_real(in, &s.dims[0], d);
		if (status)
			return status;
	}
	const bool followed = dim_is_number(s.dims[0]) && x[0] != DIM_UNKNOWN && x[2] != DIM_UNKNOWN;
	if (s.dims[0] == DIM_UNKNOWN)
		s.dims[0] = infer_fresh(in, "range", 0, DIM_NO_MAX);
	infer_set(out, 0, in->in[0].dtype, &s);
	return followed ? follow(in, out, x[0], x[2], d) : CLAST_OK;
}

static clast_status reference(call *c)
{
	const bool whole = !dtype_is_float(c->in[0]->dtype);
	const double start = load_real(c->in[0], 0), limit = load_real(c->in[1], 0),
		     delta = load_real(c->in[2], 0);
	int64_t n;
	if (delta == 0)
		return zero_delta(CLAST_ERROR_DATA, c->diag);
	if (whole)
		n = count_int(load_int(c->in[0], 0), load_int(c->in[1], 0), load_int(c->in[2], 0));
	else if (!count_real(start, limit, delta, &n))
		return fail(c->diag, CLAST_ERROR_DATA,
			    "no length follows from start %g, limit %g and delta %g", start, limit, delta);
	const clast_status s = call_output(c, 0, c->in[0]->dtype, 1, &n);
	if (s)
		return s;
	for (iter it = iter_over(c->out[0]); iter_next(&it);)
		if (whole)
			put_int(c->out[0], &it,
				(int64_t)((uint64_t)load_int(c->in[0], 0) +
					  (uint64_t)it.index[0] * (uint64_t)load_int(c->in[2], 0)));
		else
			put_real(c->out[0], &it, start + (double)it.index[0] * delta);
	return CLAST_OK;
}

#define DTYPES_11                                                                                            \
	(DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT64) | DTYPE_BIT(CLAST_INT16) |                      \
	 DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64))
static const op_version versions[] = {
	{ 11, DTYPES_11 }, { 27, DTYPES_11 | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16) }, { 0 }
};
static const attr_spec spec[] = {
	{ "stash_type", ATTR_INT, offsetof(attrs, stash_type), .i = 1, .since = 27 }, { 0 }
};
const op op_range = { .name = "Range",
		      .domain = "",
		      .versions = versions,
		      .attrs = spec,
		      .attrs_bytes = sizeof(attrs),
		      .min_in = 3,
		      .max_in = 3,
		      .min_out = 1,
		      .max_out = 1,
		      .shape_inputs = 7,
		      .flags = OP_DATA_SHAPED,
		      .rule = RULE_FIXED,
		      .infer = infer,
		      .reference = reference };
