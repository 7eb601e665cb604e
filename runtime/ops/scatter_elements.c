/* ONNX ScatterElements and its former name Scatter: a copy of data in which element [i, indices[i, j, ...],
 * ...] is replaced by updates[i, j, ...], or combined with it (opset 16 on). Updates apply in row-major
 * order. */
#include "scatter.h"

typedef struct attrs {
	int64_t axis;
	int reduction;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis) },
				  { "reduction", ATTR_ENUM, offsetof(attrs, reduction),
				    .names = reductions_16, .since = 16, .until = 18 },
				  { "reduction", ATTR_ENUM, offsetof(attrs, reduction),
				    .names = reductions_18, .since = 18 },
				  { 0 } };

static clast_status check_shapes(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape, *u = &in->in[2].shape;
	int axis = 0;
	if (x->rank < 0)
		return CLAST_OK;
	const clast_status s = infer_axis(((const attrs *)in->attrs)->axis, x->rank, "axis", &axis, d);
	if (s)
		return s;
	for (size_t i = 1; i < 3; i++)
		if (in->in[i].shape.rank >= 0 && in->in[i].shape.rank != x->rank)
			return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d as data, found %d", i,
				    x->rank, in->in[i].shape.rank);
	for (int a = 0; a < index->rank; a++) {
		dim want = index->dims[a];
		if (u->rank >= 0 && !dims_unify(&want, u->dims[a]))
			return fail(d, CLAST_ERROR_MODEL,
				    "updates: expected extent %lld on axis %d as indices, found %lld",
				    (long long)index->dims[a], a, (long long)u->dims[a]);
		if (a != axis && dim_is_number(want) && dim_is_number(x->dims[a]) && want > x->dims[a])
			return fail(d, CLAST_ERROR_MODEL,
				    "indices: expected an extent of at most %lld on axis %d, found %lld",
				    (long long)x->dims[a], a, (long long)want);
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	s = s ? s : infer_same_dtype(in, 0, 2, d);
	s = s ? s : infer_rank(in, 0, 1, CLAST_MAX_RANK, d);
	s = s ? s : check_reduction(((const attrs *)in->attrs)->reduction, in->in[0].dtype, d);
	s = s ? s : check_shapes(in, d);
	return s ? s : infer_same_as_input(in, 0, out, d);
}

static clast_status apply(call *c, walk *index, walk *updates, walk *y)
{
	const attrs *at = c->attrs;
	const int axis = wrap_axis(at->axis, c->out[0]->rank);
	const int64_t n = view_count(c->in[1]);
	for (int64_t k = 0; k < n; k++, walk_next(index), walk_next(updates)) {
		int64_t i, to = 0;
		const clast_status s = wrap_index(c, "indices", load_int(c->in[1], walk_offset(index)),
						  c->out[0]->dims[axis], &i);
		if (s)
			return s;
		for (int a = 0; a < c->out[0]->rank; a++)
			to += y->table[a][a == axis ? i : index->index[a]];
		combine_element(at->reduction, c->out[0], to, c->in[2], walk_offset(updates));
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	walk index = { 0 }, updates = { 0 }, y = { 0 };
	clast_status s = move_same(c, c->out[0], c->in[0]);
	if (!s && walk_start(&index, c->memory, c->in[1]) && walk_start(&updates, c->memory, c->in[2]) &&
	    walk_start(&y, c->memory, c->out[0]))
		s = apply(c, &index, &updates, &y);
	else if (!s)
		s = fail_memory(c->diag, 0);
	walk_end(&index, c->memory);
	walk_end(&updates, c->memory);
	walk_end(&y, c->memory);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	(void)operand;
	if (x->rank < 0 || index->rank != x->rank)
		return UINT32_MAX;
	uint32_t mask = 1u << wrap_axis(((const attrs *)in->attrs)->axis, x->rank);
	for (int a = 0; a < x->rank; a++)
		mask |= x->dims[a] == index->dims[a] ? 0 : 1u << a;
	return mask;
}

static const op_version versions[] = {
	{ 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 16, DTYPES_ALL_13 }, { 18, DTYPES_ALL_13 }, { 0 }
};
static const op_version versions_scatter[] = { { 9, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 0 } };
const op op_scatter_elements = { .name = "ScatterElements",
				 .domain = "",
				 .versions = versions,
				 .attrs = spec,
				 .attrs_bytes = sizeof(attrs),
				 .min_in = 3,
				 .max_in = 3,
				 .min_out = 1,
				 .max_out = 1,
				 .rule = RULE_AXIS,
				 .infer = infer,
				 .reference = reference,
				 .cut = cut };
const op op_scatter = { .name = "Scatter",
			.domain = "",
			.versions = versions_scatter,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 3,
			.max_in = 3,
			.min_out = 1,
			.max_out = 1,
			.rule = RULE_AXIS,
			.infer = infer,
			.reference = reference,
			.cut = cut };
