/* ONNX Transpose: axis i of the result is axis perm[i] of x; without perm, the axes in reverse. */
#include "move.h"

typedef struct attrs {
	int_list perm;
} attrs;
static const attr_spec spec[] = { { "perm", ATTR_INTS, offsetof(attrs, perm) }, { 0 } };

static void read_perm(const attrs *at, int rank, int *perm)
{
	for (int a = 0; a < rank; a++)
		perm[a] = at->perm.given ? wrap_axis(at->perm.v[a], rank) : rank - 1 - a;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	uint32_t mask;
	if (x->rank < 0 && at->perm.given && at->perm.n <= CLAST_MAX_RANK)
		infer_fresh_shape(in, "transpose", (int)at->perm.n, &y);
	if (x->rank >= 0) {
		if (at->perm.given && at->perm.n != (size_t)x->rank)
			return fail(d, CLAST_ERROR_MODEL, "perm: expected %d axes, found %zu", x->rank,
				    at->perm.n);
		const clast_status s =
			at->perm.given ? infer_axes(at->perm.v, at->perm.n, x->rank, &mask, d) : CLAST_OK;
		if (s)
			return s;
		int perm[CLAST_MAX_RANK];
		read_perm(at, x->rank, perm);
		y.rank = x->rank;
		for (int a = 0; a < y.rank; a++)
			y.dims[a] = x->dims[perm[a]];
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	tensor_view ints;
	if (x->rank < 0 || !ints_view(in, 0, &ints))
		return CLAST_OK;
	int perm[CLAST_MAX_RANK];
	read_perm(at, x->rank, perm);
	view_permute(&ints, perm);
	return infer_view_ints(in, out, 0, &ints, d);
}

static clast_status reference(call *c)
{
	tensor_view x = *c->in[0];
	int perm[CLAST_MAX_RANK];
	read_perm(c->attrs, x.rank, perm);
	view_permute(&x, perm);
	return move_same(c, c->out[0], &x);
}

static int views(const infer_in *in, const infer_value *out, view_step *steps)
{
	if (in->in[0].shape.rank < 0)
		return -1;
	steps[0] = (view_step){ .permute = true, .shape = out->shape };
	read_perm(in->attrs, in->in[0].shape.rank, steps[0].perm);
	return 1;
}

static const op_version versions[] = { { 1, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 },
				       { 21, DTYPES_ALL_21 },
				       { 23, DTYPES_ALL_23 },
				       { 24, DTYPES_ALL_24 },
				       { 25, DTYPES_ALL_25 },
				       { 0 } };
const op op_transpose = { .name = "Transpose",
			  .domain = "",
			  .versions = versions,
			  .attrs = spec,
			  .attrs_bytes = sizeof(attrs),
			  .min_in = 1,
			  .max_in = 1,
			  .min_out = 1,
			  .max_out = 1,
			  .rule = RULE_PERMUTE,
			  .infer = infer,
			  .reference = reference,
			  .views = views };
