/* Max, Min, Mean, Sum: any number of operands, broadcast together (from opset 8). */
#include <math.h>
#include <stddef.h>

#include "elementwise.h"

static dim element(const infer_in *in, size_t n, const dim *x)
{
	if (in->op->family != SCALAR_MIN && in->op->family != SCALAR_MAX)
		return DIM_UNKNOWN;
	dim result = x[0];
	for (size_t i = 0; i < n; i++) {
		if (x[i] == DIM_UNKNOWN)
			return DIM_UNKNOWN;
		result = in->op->family == SCALAR_MIN ? dim_min(in->dims, result, x[i])
						      : dim_max(in->dims, result, x[i]);
	}
	return result;
}

static bool may_be_equal(const infer_in *in, const shape *a, const shape *b)
{
	bool equal = a->rank == b->rank;
	for (int i = 0; equal && i < a->rank; i++)
		equal = dim_surely_equal(in, a->dims[i], b->dims[i]) != 0;
	return equal;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape s = in->in[0].shape;
	for (size_t i = 1; i < in->n_in; i++) {
		const shape before = s;
		clast_status status = infer_same_dtype(in, 0, i, d);
		if (!status)
			status = infer_broadcast(in, 2, (const shape *const[]){ &before, &in->in[i].shape },
						 &s, d);
		if (status)
			return status;
		if (in->version < 8 && s.rank >= 0 && !may_be_equal(in, &before, &in->in[i].shape))
			return fail(d, CLAST_ERROR_MODEL,
				    "input %zu: the shapes of all inputs must be equal before opset 8", i);
	}
	infer_set(out, 0, in->in[0].dtype, &s);
	return infer_elements(in, in->n_in, out, element, d);
}

static int64_t fold_int(scalar f, bool is_signed, int64_t a, int64_t b)
{
	const bool less = is_signed ? a < b : (uint64_t)a < (uint64_t)b;
	return less == (f == SCALAR_MIN) ? a : b;
}

static double fold_real(scalar f, double a, double b)
{
	if (f == SCALAR_SUM || f == SCALAR_MEAN)
		return a + b;
	/* NaN wins, as in numpy. */
	return isnan(a) || (f == SCALAR_MIN ? a < b : a > b) ? a : b;
}

static int64_t reduce_int(const call *c, scalar f, const iter *at)
{
	int64_t x = get_int(c->in[0], at);
	for (size_t j = 1; j < c->n_in; j++)
		x = fold_int(f, dtype_is_signed(c->out[0]->dtype), x, get_int(c->in[j], at));
	return x;
}

static double reduce_real(const call *c, scalar f, const iter *at)
{
	double x = get_real(c->in[0], at);
	for (size_t j = 1; j < c->n_in; j++)
		x = fold_real(f, x, get_real(c->in[j], at));
	return f == SCALAR_MEAN ? x / (double)c->n_in : x;
}

static clast_status reference(call *c)
{
	const scalar f = (scalar)c->op->family;
	const tensor_view *y = c->out[0];
	const bool whole = !dtype_is_float(y->dtype);
	rows r = rows_over(c, y);
	while (rows_next(&r))
		for (int64_t i = 0; i < r.length; i++) {
			iter at = r.it;
			if (y->rank)
				at.index[y->rank - 1] = i;
			if (whole)
				put_int(y, &at, reduce_int(c, f, &at));
			else
				put_real(y, &at, reduce_real(c, f, &at));
		}
	return r.status;
}

static const op_version extremes[] = { { 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT },      { 8, DTYPES_FLOAT },
				       { 12, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 } };
static const op_version sums[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT }, { 8, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 }
};
static const attr_spec consumed[] = {
	{ "consumed_inputs", ATTR_INTS, offsetof(elementwise_attrs, unused), .until = 6 }, { 0 }
};

#define VARIADIC(symbol, onnx, number, since)                                                                \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = since,                                                          \
				 .attrs = consumed,                                                          \
				 .attrs_bytes = sizeof(elementwise_attrs),                                   \
				 .min_in = 1,                                                                \
				 .max_in = UINT16_MAX,                                                       \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_ANY,                                                           \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .family = number }

VARIADIC(max, "Max", SCALAR_MAX, extremes);
VARIADIC(mean, "Mean", SCALAR_MEAN, sums);
VARIADIC(min, "Min", SCALAR_MIN, extremes);
VARIADIC(sum, "Sum", SCALAR_SUM, sums);
