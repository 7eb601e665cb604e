#include "quant.h"

#include <math.h>
#include <string.h>

/* ---- Inference ---- */

static clast_status wrong_shape(const infer_in *in, size_t i, const char *name, const char *expected,
				clast_diag *d)
{
	char x[160], v[160];
	shape_format(in->dims, &in->in[0].shape, x, sizeof x);
	shape_format(in->dims, &in->in[i].shape, v, sizeof v);
	return fail(d, CLAST_ERROR_MODEL,
		    "input %zu (%s): shape %s does not fit input 0 of shape %s: expected %s", i, name, v, x,
		    expected);
}

static bool may_be_equal(const infer_in *in, dim a, dim b)
{
	return a == DIM_UNKNOWN || b == DIM_UNKNOWN ||
	       !(dim_known_less(in->dims, a, b) || dim_known_less(in->dims, b, a));
}

static clast_status infer_blocked(const infer_in *in, const quant_attrs *a, size_t i, const char *name,
				  clast_diag *d)
{
	const shape *x = &in->in[0].shape, *v = &in->in[i].shape;
	int axis;
	const clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
	if (s)
		return s;
	if (v->rank != x->rank)
		return wrong_shape(in, i, name, "the same rank, as block_size is given", d);
	for (int k = 0; k < x->rank; k++) {
		const dim want = k == axis ? dim_ceil_div(in->dims, x->dims[k], a->block_size) : x->dims[k];
		if (!may_be_equal(in, v->dims[k], want))
			return wrong_shape(in, i, name, "one element for each block", d);
	}
	return CLAST_OK;
}

clast_status infer_quant(const infer_in *in, const quant_attrs *a, size_t i, const char *name, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *v = &in->in[i].shape;
	int64_t count;
	int axis;
	if (a->block_size < 0)
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute block_size: expected a number from 0 on, found %lld",
			    (long long)a->block_size);
	if (x->rank < 0 || v->rank < 0 || (infer_count(in, i, &count) && count == 1))
		return CLAST_OK;
	if (a->block_size)
		return infer_blocked(in, a, i, name, d);
	if (v->rank != 1)
		return wrong_shape(in, i, name, "a scalar or one axis", d);
	const clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
	if (s)
		return s;
	return may_be_equal(in, v->dims[0], x->dims[axis])
		       ? CLAST_OK
		       : wrong_shape(in, i, name, "one element for each index of the axis", d);
}

uint32_t quant_cut(const infer_in *in, size_t operand)
{
	const quant_attrs *a = in->attrs;
	const shape *x = &in->in[0].shape;
	const bool parameter = operand > 0 && operand < in->n_in;
	int64_t count;
	int axis;
	if (infer_count(in, 1, &count) && count == 1)
		return parameter ? UINT32_MAX : 0;
	if (x->rank < 0 || infer_axis(a->axis, x->rank, "", &axis, NULL))
		return UINT32_MAX;
	return parameter && !a->block_size ? UINT32_MAX : 1u << axis;
}

/* ---- References ---- */

/* Repeats each element of axis `axis` `times` times: the axis gets one more factor, innermost, of stride 0.
 */
static bool repeat(tensor_view *v, int axis, int64_t times)
{
	axis_factor factors[CLAST_MAX_RANK + VIEW_MAX_FACTORS + 1];
	int n = 0;
	for (int k = 0; k < v->rank; k++) {
		if (!v->split[k] && k != axis)
			continue;
		const int first = n;
		for (int i = 0; i < v->split[k]; i++)
			factors[n++] = v->factors[v->first_factor[k] + i];
		if (!v->split[k])
			factors[n++] = (axis_factor){ v->dims[k], v->strides[k] };
		if (k == axis)
			factors[n++] = (axis_factor){ times, 0 };
		if (n > VIEW_MAX_FACTORS)
			return false;
		v->first_factor[k] = (uint8_t)first;
		v->split[k] = (uint8_t)(n - first);
	}
	memcpy(v->factors, factors, (size_t)n * sizeof *factors);
	v->factor_count = (uint8_t)n;
	return true;
}

clast_status quant_broadcast(tensor_view *v, const tensor_view *x, const quant_attrs *a, clast_diag *d)
{
	int axis = 0;
	if (view_count(v) == 1) {
		v->rank = 0;
		view_broadcast(v, x->rank, x->dims);
		return CLAST_OK;
	}
	const clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
	if (s)
		return s;
	if (a->block_size) {
		if (!repeat(v, axis, a->block_size))
			return fail(d, CLAST_ERROR_UNSUPPORTED,
				    "the order of a blocked scale has too many factors");
		v->dims[axis] = x->dims[axis];
		return CLAST_OK;
	}
	for (int i = 1; i < x->rank - axis; i++) {
		v->dims[i] = 1;
		v->strides[i] = 0;
		v->split[i] = 0;
	}
	v->rank = x->rank - axis;
	view_broadcast(v, x->rank, x->dims);
	return CLAST_OK;
}

double quant_round(clast_dtype t, double x)
{
	switch (t) {
	case CLAST_FLOAT64:
		return x;
	case CLAST_FLOAT16:
		return f16_to_float(f16_from_double(x));
	case CLAST_BFLOAT16:
		return bf16_to_float(bf16_from_double(x));
	default:
		return (float)x;
	}
}

void quant_store(const tensor_view *y, int64_t at, double quotient, double zero_point, bool saturate)
{
	if (dtype_in(y->dtype, DTYPES_FLOAT8)) {
		((uint8_t *)y->data)[at] = f8_from_double(y->dtype, quotient + zero_point, saturate);
	} else if (y->dtype == CLAST_FLOAT4E2M1 && isnan(quotient)) {
		((uint8_t *)y->data)[at] = 8; /* -0, as Cast */
	} else if (dtype_is_float(y->dtype)) {
		store_real(y, at, quotient + zero_point);
	} else {
		const double v = rint(quotient) + zero_point, lo = (double)dtype_min(y->dtype),
			     hi = (double)dtype_max(y->dtype);
		store_int(y, at, v >= hi ? dtype_max(y->dtype) : v > lo ? (int64_t)v : dtype_min(y->dtype));
	}
}
