/* ONNX Flatten: x as a matrix; the axes before `axis` make the rows, the others the columns. */
#include "move.h"

typedef struct attrs {
	int64_t axis;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = 1 }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	int64_t axis = ((const attrs *)in->attrs)->axis;
	shape y;
	infer_fresh_shape(in, "flatten", 2, &y);
	if (x->rank >= 0) {
		const int64_t lowest = in->version >= 11 ? -x->rank : 0;
		if (axis < lowest || axis > x->rank)
			return fail(d, CLAST_ERROR_MODEL, "axis: expected a value in [%lld, %d], found %lld",
				    (long long)lowest, x->rank, (long long)axis);
		axis += axis < 0 ? x->rank : 0;
		y.dims[0] = dim_product(in->dims, (size_t)axis, x->dims);
		y.dims[1] = dim_product(in->dims, (size_t)(x->rank - axis), x->dims + axis);
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	infer_same_ints(in, out);
	return CLAST_OK;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT },   { 9, DTYPES_ALL_12 },  { 11, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 }, { 21, DTYPES_ALL_21 }, { 23, DTYPES_ALL_23 },
				       { 24, DTYPES_ALL_24 }, { 25, DTYPES_ALL_25 }, { 0 } };
const op op_flatten = { .name = "Flatten",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 1,
			.max_in = 1,
			.min_out = 1,
			.max_out = 1,
			.rule = RULE_REGROUP,
			.infer = infer,
			.reference = regroup_reference,
			.views = regroup_views };
