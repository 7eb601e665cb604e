/* ONNX Shape and Size: the extents of a tensor [start, end), and the number of its elements. */
#include <stddef.h>

#include "infer.h"

typedef struct attrs {
	int64_t start, end;
} attrs;

/* Bounds beyond the rank are cut off (opset 15). */
static int bound(int64_t x, int rank)
{
	x = x < 0 ? x + rank : x;
	return x < 0 ? 0 : x > rank ? rank : (int)x;
}

static int part(const attrs *a, int version, int rank, int *start)
{
	*start = version < 15 ? 0 : bound(a->start, rank);
	const int n = (version < 15 ? rank : bound(a->end, rank)) - *start;
	return n > 0 ? n : 0;
}

static clast_status infer_shape(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape s = { .rank = 1, .dims = { DIM_UNKNOWN } };
	if (x->rank >= 0) {
		int start;
		const int n = part(in->attrs, in->version, x->rank, &start);
		dim *ints = infer_new_ints(in, (size_t)n);
		if (!ints)
			return fail_memory(d, (size_t)n * sizeof *ints);
		for (int i = 0; i < n; i++)
			ints[i] = x->dims[start + i];
		s.dims[0] = n;
		out->out[0].ints = ints;
		out->out[0].int_count = (size_t)n;
	} else {
		s.dims[0] = infer_fresh(in, "rank", 0, CLAST_MAX_RANK);
	}
	infer_set(out, 0, CLAST_INT64, &s);
	return CLAST_OK;
}

static clast_status reference_shape(call *c)
{
	int start;
	const int n = part(c->attrs, c->version, c->in[0]->rank, &start);
	for (int i = 0; i < n; i++)
		store_int(c->out[0], axis_offset(c->out[0], 0, i), c->in[0]->dims[start + i]);
	return CLAST_OK;
}

static clast_status infer_size(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	const shape s = { .rank = 0 };
	infer_set(out, 0, CLAST_INT64, &s);
	if (x->rank < 0)
		return CLAST_OK;
	dim *ints = infer_new_ints(in, 1);
	if (!ints)
		return fail_memory(d, sizeof *ints);
	ints[0] = dim_product(in->dims, (size_t)x->rank, x->dims);
	if (ints[0] == DIM_ERROR)
		return fail(d, CLAST_ERROR_LIMIT, "the number of elements of input 0 overflows");
	out->out[0].ints = ints;
	out->out[0].int_count = 1;
	return CLAST_OK;
}

static clast_status reference_size(call *c)
{
	store_int(c->out[0], 0, view_count(c->in[0]));
	return CLAST_OK;
}

/* The elements are not read: the input may lie in any order of whole axes, the output has none of its axes.
 */
static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return UINT32_MAX;
}

static const op_version shape_versions[] = {
	{ 1, DTYPES_ALL_12 },  { 13, DTYPES_ALL_13 }, { 15, DTYPES_ALL_13 },
	{ 19, DTYPES_ALL_19 }, { 21, DTYPES_ALL_21 }, { 23, DTYPES_ALL_23 },
	{ 24, DTYPES_ALL_24 }, { 25, DTYPES_ALL_25 }, { 0 }
};
static const op_version size_versions[] = { { 1, DTYPES_ALL_12 },  { 13, DTYPES_ALL_13 },
					    { 19, DTYPES_ALL_19 }, { 21, DTYPES_ALL_21 },
					    { 23, DTYPES_ALL_23 }, { 24, DTYPES_ALL_24 },
					    { 25, DTYPES_ALL_25 }, { 0 } };
/* The default end is the rank, whatever it is. */
static const attr_spec spec[] = { { "start", ATTR_INT, offsetof(attrs, start), .since = 15 },
				  { "end", ATTR_INT, offsetof(attrs, end), .i = INT64_MAX, .since = 15 },
				  { 0 } };
const op op_shape = { .name = "Shape",
		      .domain = "",
		      .versions = shape_versions,
		      .attrs = spec,
		      .attrs_bytes = sizeof(attrs),
		      .min_in = 1,
		      .max_in = 1,
		      .min_out = 1,
		      .max_out = 1,
		      .rule = RULE_AXIS,
		      .infer = infer_shape,
		      .reference = reference_shape,
		      .cut = cut };
const op op_size = { .name = "Size",
		     .domain = "",
		     .versions = size_versions,
		     .min_in = 1,
		     .max_in = 1,
		     .min_out = 1,
		     .max_out = 1,
		     .rule = RULE_AXIS,
		     .infer = infer_size,
		     .reference = reference_size,
		     .cut = cut };
