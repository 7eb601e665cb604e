/* ONNX Expand: x broadcast with a shape; the result is the broadcast of both, so extents of 1 in the shape
 * keep those of x. */
#include "move.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	size_t n = 0;
	const dim *want = infer_ints(in, 1, &n);
	const shape *x = &in->in[0].shape;
	out->out[0].dtype = in->in[0].dtype;
	if (x->rank < 0)
		return CLAST_OK;
	if (!want && in->in[1].shape.rank == 1 && dim_is_number(in->in[1].shape.dims[0]))
		n = (size_t)in->in[1].shape.dims[0];
	else if (!want)
		return CLAST_OK;
	if (n > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "shape: %zu axes, at most %d are possible", n,
			    CLAST_MAX_RANK);
	shape target = { .rank = (int)n }, y;
	for (int a = 0; a < target.rank; a++) {
		const int from = x->rank - target.rank + a;
		const bool fixed = from >= 0 && dim_is_number(x->dims[from]) && x->dims[from] > 1;
		target.dims[a] = want ? want[a] : DIM_UNKNOWN;
		if (dim_is_number(target.dims[a]) && target.dims[a] < 0)
			return fail(d, CLAST_ERROR_MODEL, "shape: extent %d is %lld", a,
				    (long long)target.dims[a]);
		/* An unknown extent is 1 or that of x, if that is not 1. */
		if (target.dims[a] == DIM_UNKNOWN)
			target.dims[a] = fixed ? x->dims[from] : fresh_like(in, "expand");
	}
	const clast_status s = infer_broadcast(in, 2, (const shape *[]){ x, &target }, &y, d);
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &y);
	tensor_view ints;
	size_t count;
	if (!infer_small(in->in[0].dtype, &y, &count) || !ints_view(in, 0, &ints))
		return CLAST_OK;
	view_broadcast(&ints, y.rank, y.dims);
	return infer_view_ints(in, out, 0, &ints, d);
}

static clast_status reference(call *c)
{
	tensor_view x = *c->in[0];
	view_broadcast(&x, c->out[0]->rank, c->out[0]->dims);
	return move_same(c, c->out[0], &x);
}

static bool window(const infer_in *in, const infer_value *out, size_t j, tensor_view *v)
{
	int64_t dims[CLAST_MAX_RANK];
	(void)in;
	for (int a = 0; a < out[j].shape.rank; a++)
		dims[a] = out[j].shape.dims[a];
	view_broadcast(v, out[j].shape.rank, dims);
	return true;
}

/* Axes that are repeated must be whole; those that keep their extent go along in any order. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	const shape *x = &in->in[0].shape;
	size_t n = 0;
	const dim *want = infer_ints(in, 1, &n);
	if (operand == 1)
		return 0;
	if (x->rank < 0 || !want)
		return UINT32_MAX;
	const int rank = x->rank > (int)n ? x->rank : (int)n;
	uint32_t mask = 0;
	for (int a = 0; a < rank; a++) {
		const int from = a - (rank - x->rank), to = a - (rank - (int)n);
		const bool kept = from >= 0 && (to < 0 || want[to] == 1 || want[to] == x->dims[from]);
		mask |= kept ? 0 : 1u << a;
	}
	return operand == 0 ? mask >> (rank - x->rank) : mask;
}

static const op_version versions[] = { { 8, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 } };
const op op_expand = { .name = "Expand",
		       .domain = "",
		       .versions = versions,
		       .min_in = 2,
		       .max_in = 2,
		       .min_out = 1,
		       .max_out = 1,
		       .shape_inputs = 1u << 1,
		       .rule = RULE_AXIS,
		       .infer = infer,
		       .reference = reference,
		       .cut = cut,
		       .window = window };
