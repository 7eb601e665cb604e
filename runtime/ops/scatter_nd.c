/* ONNX ScatterND: a copy of data in which the slices at the coordinates held by the last axis of indices are
 * replaced by those of updates, or combined with them (opset 16 on). Where coordinates repeat, updates apply
 * in their row-major order. */
#include "scatter.h"

typedef struct attrs {
	int reduction;
} attrs;
static const attr_spec spec[] = { { "reduction", ATTR_ENUM, offsetof(attrs, reduction),
				    .names = reductions_16, .since = 16, .until = 18 },
				  { "reduction", ATTR_ENUM, offsetof(attrs, reduction),
				    .names = reductions_18, .since = 18 },
				  { 0 } };

static clast_status check_updates(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape, *u = &in->in[2].shape;
	const int q = index->rank - 1;
	if (x->rank == 0 || index->rank == 0)
		return fail(d, CLAST_ERROR_MODEL,
			    "data and indices: expected rank 1 or more, found %d and %d", x->rank,
			    index->rank);
	if (x->rank < 0 || q < 0 || u->rank < 0 || !dim_is_number(index->dims[q]))
		return CLAST_OK;
	const int64_t k = index->dims[q];
	if (k < 0 || k > x->rank)
		return fail(d, CLAST_ERROR_MODEL, "indices: expected a last extent of at most %d, found %lld",
			    x->rank, (long long)k);
	if (u->rank != q + x->rank - k)
		return fail(d, CLAST_ERROR_MODEL, "updates: expected rank %lld, found %d",
			    (long long)(q + x->rank - k), u->rank);
	for (int a = 0; a < u->rank; a++) {
		dim want = a < q ? index->dims[a] : x->dims[a - q + k];
		if (!dims_unify(&want, u->dims[a]))
			return fail(d, CLAST_ERROR_MODEL,
				    "updates: expected extent %lld on axis %d, found %lld", (long long)want,
				    a, (long long)u->dims[a]);
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	s = s ? s : infer_same_dtype(in, 0, 2, d);
	s = s ? s : check_reduction(((const attrs *)in->attrs)->reduction, in->in[0].dtype, d);
	s = s ? s : check_updates(in, d);
	return s ? s : infer_same_as_input(in, 0, out, d);
}

/* The sub-view of y at the coordinates that start at offset base of indices. */
static clast_status locate(call *c, int64_t base, tensor_view *slice)
{
	const tensor_view *index = c->in[1], *y = c->out[0];
	const int q = index->rank - 1;
	int64_t at = 0;
	for (int64_t j = 0; j < index->dims[q]; j++) {
		int64_t i;
		const clast_status s = wrap_index(
			c, "indices", load_int(index, base + axis_offset(index, q, j)), y->dims[j], &i);
		if (s)
			return s;
		at += axis_offset(y, (int)j, i);
	}
	slice->data = (char *)y->data + at * (int64_t)clast_dtype_bytes(y->dtype);
	return CLAST_OK;
}

static void apply(reduction r, const tensor_view *to, const tensor_view *from)
{
	if (r == REDUCTION_NONE) {
		view_copy(to, from);
		return;
	}
	for (iter it = iter_over(to); iter_next(&it);)
		combine_element(r, to, iter_offset(to, &it), from, iter_offset(from, &it));
}

/* v without its first n axes. */
static tensor_view drop_axes(const tensor_view *v, int n)
{
	tensor_view r = *v;
	for (int i = 0; i < n; i++) {
		const void *data = r.data;
		view_select(&r, 0, 0);
		r.data = (void *)data;
	}
	return r;
}

static clast_status reference(call *c)
{
	const tensor_view *index = c->in[1], *updates = c->in[2];
	const reduction r = ((const attrs *)c->attrs)->reduction;
	const int q = index->rank - 1;
	clast_status s = move_same(c, c->out[0], c->in[0]);
	if (s || !view_count(updates))
		return s;
	tensor_view to = drop_axes(c->out[0], (int)index->dims[q]), from = drop_axes(updates, q);
	for (iter it = iter_dims(q, index->dims); iter_next(&it);) {
		int64_t base = 0, at = 0;
		for (int a = 0; a < q; a++) {
			base += axis_offset(index, a, it.index[a]);
			at += axis_offset(updates, a, it.index[a]);
		}
		if ((s = locate(c, base, &to)))
			return s;
		from.data = (char *)updates->data + at * (int64_t)clast_dtype_bytes(updates->dtype);
		apply(r, &to, &from);
	}
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const shape *index = &in->in[1].shape;
	if (index->rank < 1 || !dim_is_number(index->dims[index->rank - 1]) || operand == 1)
		return UINT32_MAX;
	return operand == 2 ? all_axes(index->rank - 1) : all_axes((int)index->dims[index->rank - 1]);
}

static const op_version versions[] = {
	{ 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 16, DTYPES_ALL_13 }, { 18, DTYPES_ALL_13 }, { 0 }
};
const op op_scatter_nd = { .name = "ScatterND",
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
