/* ONNX GatherND: y[b, i] = x[b, indices[b, i, 0], indices[b, i, 1], ...]: the last axis of indices holds
 * coordinates, b runs over batch_dims leading axes that both inputs share. */
#include "move.h"

typedef struct attrs {
	int64_t batch_dims;
} attrs;
static const attr_spec spec[] = { { "batch_dims", ATTR_INT, offsetof(attrs, batch_dims), .since = 12 },
				  { 0 } };

static clast_status check(const infer_in *in, int64_t k, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	const int64_t b = ((const attrs *)in->attrs)->batch_dims;
	if (x->rank < 1 || index->rank < 1)
		return fail(d, CLAST_ERROR_MODEL,
			    "data and indices: expected rank 1 or more, found %d and %d", x->rank,
			    index->rank);
	if (b < 0 || b >= x->rank || b >= index->rank)
		return fail(d, CLAST_ERROR_MODEL,
			    "batch_dims: expected less than the ranks %d and %d, found %lld", x->rank,
			    index->rank, (long long)b);
	if (k < 1 || k > x->rank - b)
		return fail(d, CLAST_ERROR_MODEL, "indices: expected a last extent of 1 to %lld, found %lld",
			    (long long)(x->rank - b), (long long)k);
	for (int a = 0; a < b; a++)
		if (dim_is_number(x->dims[a]) && dim_is_number(index->dims[a]) &&
		    x->dims[a] != index->dims[a])
			return fail(d, CLAST_ERROR_MODEL,
				    "indices: expected extent %lld on batch axis %d, found %lld",
				    (long long)x->dims[a], a, (long long)index->dims[a]);
	if (index->rank - 1 + x->rank - b - k > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "the result has more than %d axes", CLAST_MAX_RANK);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	const int64_t b = ((const attrs *)in->attrs)->batch_dims;
	out->out[0].dtype = in->in[0].dtype;
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	if (s || x->rank < 0 || index->rank < 0 ||
	    (index->rank > 0 && !dim_is_number(index->dims[index->rank - 1])))
		return s;
	const int64_t k = index->rank > 0 ? index->dims[index->rank - 1] : 0;
	if ((s = check(in, k, d)))
		return s;
	shape y = *index;
	y.rank--;
	for (int a = 0; a < b; a++)
		dims_unify(&y.dims[a], x->dims[a]);
	for (int64_t a = b + k; a < x->rank; a++)
		y.dims[y.rank++] = x->dims[a];
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

/* Offsets of the slices: in y by the leading axes of indices, in x by the batch and the coordinates. */
static clast_status slice_offsets(call *c, int b, int64_t *to, int64_t *from)
{
	const tensor_view *x = c->in[0], *index = c->in[1], *y = c->out[0];
	const int q = index->rank - 1;
	const int64_t k = index->dims[q];
	int64_t n = 0;
	for (iter it = iter_dims(q, index->dims); iter_next(&it); n++) {
		int64_t base = 0;
		to[n] = from[n] = 0;
		for (int a = 0; a < q; a++) {
			to[n] += axis_offset(y, a, it.index[a]);
			base += axis_offset(index, a, it.index[a]);
			from[n] += a < b ? axis_offset(x, a, it.index[a]) : 0;
		}
		for (int64_t j = 0; j < k; j++) {
			int64_t i;
			const int axis = b + (int)j;
			const clast_status s =
				wrap_index(c, "indices", load_int(index, base + axis_offset(index, q, j)),
					   x->dims[axis], &i);
			if (s)
				return s;
			from[n] += axis_offset(x, axis, i);
		}
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *index = c->in[1];
	const int b = (int)((const attrs *)c->attrs)->batch_dims, q = index->rank - 1,
		  k = (int)index->dims[q];
	int64_t n = 1;
	for (int a = 0; a < q; a++)
		n *= index->dims[a];
	int64_t *to = mem_array(c->memory, (size_t)n, sizeof *to),
		*from = mem_array(c->memory, (size_t)n, sizeof *from);
	move m;
	move_start(&m, c, c->out[0], x);
	if (to && from)
		m.status = slice_offsets(c, b, to, from);
	move_offsets(&m, n, to, from);
	for (int a = b + k; a < x->rank; a++)
		move_whole(&m, q + a - b - k, a);
	return move_run(&m);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	if (x->rank < 0 || index->rank < 1 || !dim_is_number(index->dims[index->rank - 1]) || operand == 1)
		return UINT32_MAX;
	const int b = (int)((const attrs *)in->attrs)->batch_dims, k = (int)index->dims[index->rank - 1];
	return operand == 0 ? all_axes(b + k) : all_axes(index->rank - 1);
}

static const op_version versions[] = {
	{ 11, DTYPES_ALL_12 }, { 12, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 }
};
const op op_gather_nd = { .name = "GatherND",
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
			  .cut = cut };
