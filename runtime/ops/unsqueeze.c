/* ONNX Unsqueeze: x with axes of extent 1 put in, numbered as in the result. The list is an attribute before
 * opset 13 and an input since. */
#include "move.h"

typedef struct attrs {
	int_list axes;
} attrs;
static const attr_spec spec[] = { { "axes", ATTR_INTS, offsetof(attrs, axes), .required = true, .until = 13 },
				  { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	size_t n = 0;
	bool given;
	if (in->version >= 13 && !has_input(in, 1))
		return fail(d, CLAST_ERROR_MODEL, "input 1 (axes) is missing");
	const int64_t *axes = numbers_or_input(in, &((const attrs *)in->attrs)->axes, 1, &n, &given);
	if (axes && x->rank >= 0) {
		uint32_t mask;
		if (n > CLAST_MAX_RANK || x->rank + (int)n > CLAST_MAX_RANK)
			return fail(d, CLAST_ERROR_MODEL,
				    "axes: a result of rank %zu, at most %d are possible",
				    (size_t)x->rank + n, CLAST_MAX_RANK);
		const clast_status s = infer_axes(axes, n, x->rank + (int)n, &mask, d);
		if (s)
			return s;
		y.rank = x->rank + (int)n;
		for (int a = 0, from = 0; a < y.rank; a++)
			y.dims[a] = mask >> a & 1 ? 1 : x->dims[from++];
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	infer_same_ints(in, out);
	return CLAST_OK;
}

static const op_version versions[] = { { 1, DTYPES_ALL_12 },  { 11, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 }, { 21, DTYPES_ALL_21 },
				       { 23, DTYPES_ALL_23 }, { 24, DTYPES_ALL_24 },
				       { 25, DTYPES_ALL_25 }, { 0 } };
const op op_unsqueeze = { .name = "Unsqueeze",
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
