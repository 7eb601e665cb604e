/* ONNX Gather: y[..., i0, i1, ..., ...] = x[..., indices[i0, i1, ...], ...]: the axes of indices take the
 * place of an axis of x. */
#include "move.h"

typedef struct attrs {
	int64_t axis;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis) }, { 0 } };

/* Shape arithmetic picks extents from Shape's result. */
static clast_status gather_ints(const infer_in *in, infer_out *out, clast_diag *d)
{
	tensor_view x, index;
	size_t n = 0;
	if (in->in[0].shape.rank != 1 || !ints_view(in, 0, &x) || !ints_view(in, 1, &index))
		return CLAST_OK;
	dim *ints = infer_new_ints(in, (size_t)view_count(&index));
	if (!ints)
		return fail_memory(d, 0);
	for (iter it = iter_over(&index); iter_next(&it);) {
		int64_t i = get_int(&index, &it);
		if (dim_is_number(i) && (i < -x.dims[0] || i >= x.dims[0]))
			return fail(d, CLAST_ERROR_MODEL,
				    "indices: expected indices in [%lld, %lld), found %lld",
				    (long long)-x.dims[0], (long long)x.dims[0], (long long)i);
		i = dim_is_number(i) && i < 0 ? i + x.dims[0] : i;
		ints[n++] = dim_is_number(i) ? ((const dim *)x.data)[i] : DIM_UNKNOWN;
	}
	size_t count;
	if (infer_small(out->out[0].dtype, &out->out[0].shape, &count) && count == n) {
		out->out[0].ints = ints;
		out->out[0].int_count = n;
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	shape y = { .rank = -1 };
	out->out[0].dtype = in->in[0].dtype;
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	if (s || x->rank < 0)
		return s;
	int axis;
	if ((s = infer_axis(((const attrs *)in->attrs)->axis, x->rank, "axis", &axis, d)) || index->rank < 0)
		return s;
	if (x->rank + index->rank - 1 > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "a result of rank %d, at most %d are possible",
			    x->rank + index->rank - 1, CLAST_MAX_RANK);
	y.rank = 0;
	for (int a = 0; a < axis; a++)
		y.dims[y.rank++] = x->dims[a];
	for (int a = 0; a < index->rank; a++)
		y.dims[y.rank++] = index->dims[a];
	for (int a = axis + 1; a < x->rank; a++)
		y.dims[y.rank++] = x->dims[a];
	infer_set(out, 0, in->in[0].dtype, &y);
	return gather_ints(in, out, d);
}

/* Offsets in y and in x of every index. */
static clast_status index_offsets(call *c, int axis, int64_t *to, int64_t *from)
{
	const tensor_view *x = c->in[0], *index = c->in[1], *y = c->out[0];
	int64_t n = 0;
	for (iter it = iter_over(index); iter_next(&it); n++) {
		int64_t i;
		const clast_status s = wrap_index(c, "indices", get_int(index, &it), x->dims[axis], &i);
		if (s)
			return s;
		from[n] = axis_offset(x, axis, i);
		to[n] = 0;
		for (int a = 0; a < index->rank; a++)
			to[n] += axis_offset(y, axis + a, it.index[a]);
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *index = c->in[1];
	const int axis = wrap_axis(((const attrs *)c->attrs)->axis, x->rank);
	const int64_t n = view_count(index);
	int64_t *to = mem_array(c->memory, (size_t)n, sizeof *to),
		*from = mem_array(c->memory, (size_t)n, sizeof *from);
	move m;
	move_start(&m, c, c->out[0], x);
	for (int a = 0; a < axis; a++)
		move_whole(&m, a, a);
	if (to && from)
		m.status = index_offsets(c, axis, to, from);
	move_offsets(&m, n, to, from);
	for (int a = axis + 1; a < x->rank; a++)
		move_whole(&m, a + index->rank - 1, a);
	return move_run(&m);
}

/* One index, or indices at equal distances. */
static bool window(const infer_in *in, const infer_value *out, size_t j, tensor_view *v)
{
	size_t n;
	const int axis = wrap_axis(((const attrs *)in->attrs)->axis, v->rank), rank = in->in[1].shape.rank;
	const int64_t extent = v->dims[axis], *index = infer_numbers(in, 1, &n);
	(void)out, (void)j;
	if (!index || rank > 1 || !n)
		return false;
	const int64_t first = index[0] < 0 ? index[0] + extent : index[0];
	const int64_t second = n > 1 ? (index[1] < 0 ? index[1] + extent : index[1]) : first + 1,
		      step = second - first;
	for (size_t i = 0; i < n; i++) {
		const int64_t x = index[i] < 0 ? index[i] + extent : index[i];
		if (x < 0 || x >= extent || x != first + (int64_t)i * step)
			return false;
	}
	if (rank == 1)
		return view_slice(v, axis, first, (int64_t)n, step);
	view_select(v, axis, first);
	return true;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank, q = in->in[1].shape.rank;
	if (rank < 0 || q < 0)
		return UINT32_MAX;
	const int axis = wrap_axis(((const attrs *)in->attrs)->axis, rank);
	return operand == 0 ? 1u << axis : operand == 1 ? all_axes(q) : all_axes(q) << axis;
}

static const op_version versions[] = {
	{ 1, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 }
};
const op op_gather = { .name = "Gather",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(attrs),
		       .min_in = 2,
		       .max_in = 2,
		       .min_out = 1,
		       .max_out = 1,
		       .rule = RULE_AXIS,
		       .infer = infer,
		       .reference = reference,
		       .cut = cut,
		       .window = window };
