/* ONNX OneHot: a new axis of extent depth, on which y is values[1] where its index equals the element of
 * indices and values[0] elsewhere. Indices in [-depth, -1] count from the end; others outside give values[0]
 * throughout. */
#include <math.h>
#include <stddef.h>

#include "infer.h"
#include "tick.h"

typedef struct attrs {
	int64_t axis;
} attrs;

/* Inputs may be real; a fraction is cut off. */
static bool depth_of(const infer_in *in, dim *depth)
{
	size_t count;
	double real;
	const dim *ints = infer_ints(in, 1, &count);
	if (ints && count == 1 && ints[0] != DIM_UNKNOWN) {
		*depth = ints[0];
		return true;
	}
	if (!infer_real(in, 1, 0, &real) || !(fabs(real) < 0x1p62))
		return false;
	*depth = (int64_t)real;
	return true;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape s = { .rank = -1 };
	dim depth;
	int axis;
	int64_t count;
	clast_status status = infer_dtype(in, 1, DTYPES_REAL, d);
	if (!status)
		status = infer_dtype(in, 2, in->version >= 28 ? DTYPES_ALL_13 : DTYPES_ALL_12, d);
	if (!status)
		status = infer_rank(in, 2, 1, 1, d);
	if (!status)
		status = infer_rank(in, 0, 0, CLAST_MAX_RANK - 1, d);
	if (status)
		return status;
	if (infer_count(in, 1, &count) && count != 1)
		return fail(d, CLAST_ERROR_MODEL, "input 1 (depth): expected one element, found %lld",
			    (long long)count);
	if (infer_count(in, 2, &count) && count != 2)
		return fail(d, CLAST_ERROR_MODEL, "input 2 (values): expected 2 elements, found %lld",
			    (long long)count);
	if (!depth_of(in, &depth))
		depth = infer_fresh(in, "depth", 1, DIM_NO_MAX);
	if (dim_is_number(depth) && depth < 0)
		return fail(d, CLAST_ERROR_MODEL, "input 1 (depth): expected a number above 0, found %lld",
			    (long long)depth);
	if (x->rank >= 0) {
		status =
			infer_axis(((const attrs *)in->attrs)->axis, x->rank + 1, "attribute axis", &axis, d);
		if (status)
			return status;
		s.rank = x->rank + 1;
		for (int i = 0, j = 0; i < s.rank; i++)
			s.dims[i] = i == axis ? depth : x->dims[j++];
	}
	infer_set(out, 0, in->in[2].dtype, &s);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	int axis;
	if (in->in[0].shape.rank < 0 ||
	    infer_axis(((const attrs *)in->attrs)->axis, in->in[0].shape.rank + 1, "", &axis, NULL))
		return UINT32_MAX;
	return operand == 0 ? 0 : operand < in->n_in ? UINT32_MAX : 1u << axis;
}

/* The hot place of an index, or -1. */
static int64_t place(const tensor_view *x, int64_t at, int64_t depth)
{
	int64_t i;
	if (dtype_is_float(x->dtype)) {
		const double v = load_real(x, at);
		if (!(v > -0x1p62 && v < 0x1p62))
			return -1;
		i = (int64_t)v;
	} else {
		i = load_int(x, at);
		if (x->dtype == CLAST_UINT64 && i < 0)
			return -1;
	}
	return i < -depth || i >= depth ? -1 : i < 0 ? i + depth : i;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0], *values = c->in[2];
	const int64_t cold = axis_offset(values, 0, 0), hot = axis_offset(values, 0, 1);
	int axis;
	clast_status s =
		infer_axis(((const attrs *)c->attrs)->axis, y->rank, "attribute axis", &axis, c->diag);
	ticker t = { .c = c };
	for (iter it = iter_over(x); !s && iter_next(&it);) {
		const int64_t depth = y->dims[axis], on = place(x, iter_offset(x, &it), depth);
		int64_t to = 0;
		for (int i = 0, j = 0; i < y->rank; i++)
			if (i != axis)
				to += axis_offset(y, i, it.index[j++]);
		for (int64_t i = 0; i < depth; i++)
			copy_element(y, to + axis_offset(y, axis, i), values, i == on ? hot : cold);
		s = tick(&t, depth);
	}
	return s;
}

static const op_version versions[] = { { 9, DTYPES_REAL }, { 11, DTYPES_REAL }, { 28, DTYPES_REAL }, { 0 } };
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = -1 }, { 0 } };
const op op_one_hot = { .name = "OneHot",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 3,
			.max_in = 3,
			.min_out = 1,
			.max_out = 1,
			.shape_inputs = 2,
			.rule = RULE_AXIS,
			.infer = infer,
			.reference = reference,
			.cut = cut };
