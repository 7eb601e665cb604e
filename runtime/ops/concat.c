/* ONNX Concat: the inputs one after the other along an axis; all other extents are equal. */
#include "move.h"

typedef struct attrs {
	int64_t axis;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = 1, .until = 4 },
				  { "axis", ATTR_INT, offsetof(attrs, axis), .required = true, .since = 4 },
				  { 0 } };

/* Adds input i to the shape of those before it. */
static clast_status join(const infer_in *in, size_t i, int axis, shape *y, clast_diag *d)
{
	const shape *x = &in->in[i].shape;
	if (x->rank != y->rank)
		return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d as input 0, found %d", i,
			    y->rank, x->rank);
	for (int a = 0; a < y->rank; a++) {
		if (a == axis)
			y->dims[a] = dim_add(in->dims, y->dims[a], x->dims[a]);
		else if (!dims_unify(&y->dims[a], x->dims[a]))
			return fail(
				d, CLAST_ERROR_MODEL,
				"input %zu: expected extent %lld on axis %d as those before it, found %lld",
				i, (long long)y->dims[a], a, (long long)x->dims[a]);
	}
	return CLAST_OK;
}

/* Shape arithmetic concatenates vectors. An input whose elements are not known leaves gaps. */
static clast_status join_ints(const infer_in *in, infer_out *out, clast_diag *d)
{
	size_t count, at = 0;
	if (out->out[0].shape.rank != 1 || !infer_small(out->out[0].dtype, &out->out[0].shape, &count))
		return CLAST_OK;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return fail_memory(d, count * sizeof *ints);
	for (size_t i = 0; i < in->n_in; i++) {
		size_t known = 0;
		const dim *x = infer_ints(in, i, &known);
		const size_t n = (size_t)in->in[i].shape.dims[0];
		for (size_t j = 0; j < n && at < count; j++)
			ints[at++] = x && j < known ? x[j] : DIM_UNKNOWN;
	}
	out->out[0].ints = ints;
	out->out[0].int_count = count;
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y = { .rank = -1 };
	bool known = true;
	for (size_t i = 0; i < in->n_in; i++) {
		if (!has_input(in, i))
			return fail(d, CLAST_ERROR_MODEL, "input %zu is missing", i);
		known &= in->in[i].shape.rank >= 0;
		const clast_status s = infer_same_dtype(in, 0, i, d);
		if (s)
			return s;
	}
	int axis = 0;
	if (known) {
		y = in->in[0].shape;
		clast_status s = infer_axis(((const attrs *)in->attrs)->axis, y.rank, "axis", &axis, d);
		for (size_t i = 1; i < in->n_in && !s; i++)
			s = join(in, i, axis, &y, d);
		if (s)
			return s;
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return join_ints(in, out, d);
}

static clast_status reference(call *c)
{
	const tensor_view *y = c->out[0];
	const int axis = wrap_axis(((const attrs *)c->attrs)->axis, y->rank);
	int64_t at = 0;
	for (size_t i = 0; i < c->n_in; i++) {
		move m;
		move_start(&m, c, y, c->in[i]);
		for (int a = 0; a < y->rank; a++) {
			if (a == axis)
				move_range(&m, c->in[i]->dims[a], a, at, 1, a, 0, 1);
			else
				move_whole(&m, a, a);
		}
		const clast_status s = move_run(&m);
		if (s)
			return s;
		at += c->in[i]->dims[axis];
	}
	return CLAST_OK;
}

static int joined_axis(const infer_in *in, int rank)
{
	return wrap_axis(((const attrs *)in->attrs)->axis, rank);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)operand;
	const int rank = in->in[0].shape.rank;
	return rank < 0 ? UINT32_MAX : 1u << wrap_axis(((const attrs *)in->attrs)->axis, rank);
}

static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 4, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 }
};
const op op_concat = { .name = "Concat",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(attrs),
		       .min_in = 1,
		       .max_in = UINT16_MAX,
		       .min_out = 1,
		       .max_out = 1,
		       .rule = RULE_AXIS,
		       .infer = infer,
		       .reference = reference,
		       .cut = cut,
		       .join = joined_axis };
