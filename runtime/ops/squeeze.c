/* ONNX Squeeze: x without the listed axes, which have extent 1; without a list, without every such axis. The
 * list is an attribute before opset 13 and an input since. */
#include "move.h"

typedef struct attrs {
	int_list axes;
} attrs;
static const attr_spec spec[] = { { "axes", ATTR_INTS, offsetof(attrs, axes), .until = 13 }, { 0 } };

/* Axes of extent 1; false where that is not known of every axis. */
static bool unit_axes(const infer_in *in, uint32_t *mask)
{
	const shape *x = &in->in[0].shape;
	*mask = 0;
	for (int a = 0; a < x->rank; a++) {
		int64_t lo, hi;
		if (x->dims[a] == 1)
			*mask |= 1u << a;
		else if (!dim_range(in->dims, x->dims[a], &lo, &hi) || (lo <= 1 && hi >= 1))
			return false;
	}
	return true;
}

static clast_status check_extents(const infer_in *in, uint32_t mask, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	for (int a = 0; a < x->rank; a++)
		if (mask >> a & 1 && dim_is_number(x->dims[a]) && x->dims[a] != 1)
			return fail(d, CLAST_ERROR_MODEL, "axes: axis %d has extent %lld, expected 1", a,
				    (long long)x->dims[a]);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	size_t n = 0;
	bool given;
	const int64_t *axes = numbers_or_input(in, &((const attrs *)in->attrs)->axes, 1, &n, &given);
	uint32_t mask = 0;
	bool known = x->rank >= 0 && (axes || !given);
	if (known && axes) {
		const clast_status s = infer_axes(axes, n, x->rank, &mask, d);
		if (s)
			return s;
	} else if (known) {
		known = unit_axes(in, &mask);
	}
	if (known) {
		const clast_status s = check_extents(in, mask, d);
		if (s)
			return s;
		y.rank = 0;
		for (int a = 0; a < x->rank; a++)
			if (!(mask >> a & 1))
				y.dims[y.rank++] = x->dims[a];
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	infer_same_ints(in, out);
	return CLAST_OK;
}

static const op_version versions[] = { { 1, DTYPES_ALL_12 },  { 11, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 }, { 21, DTYPES_ALL_21 },
				       { 23, DTYPES_ALL_23 }, { 24, DTYPES_ALL_24 },
				       { 25, DTYPES_ALL_25 }, { 0 } };
const op op_squeeze = { .name = "Squeeze",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 1,
			.max_in = 2,
			.min_out = 1,
			.max_out = 1,
			.shape_inputs = 1u << 1,
			.rule = RULE_REGROUP,
			.infer = infer,
			.reference = regroup_reference,
			.views = regroup_views };
