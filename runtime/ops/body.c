#include "body.h"

size_t body_symbols(const infer_in *in)
{
	return in->dims ? dim_symbol_count(in->dims) : 0;
}

dim body_outer_dim(const infer_in *in, dim d, size_t n_outer, const char *hint)
{
	if (!dim_is_expr(d))
		return d;
	/* Evaluation with the inner unknowns left out tells whether any of them matters. */
	const size_t n = dim_symbol_count(in->dims);
	int64_t *values = bump_array(in->memory, n, sizeof *values), result;
	for (size_t i = 0; values && i < n; i++)
		values[i] = i < n_outer ? 1 : DIM_UNKNOWN;
	return values && !dim_eval(in->dims, d, values, &result) ? d : fresh_like(in, hint);
}

static bool same_ints(const infer_value *a, const infer_value *b)
{
	if (!a->ints || !b->ints || a->int_count != b->int_count)
		return false;
	for (size_t i = 0; i < a->int_count; i++)
		if (a->ints[i] != b->ints[i])
			return false;
	return true;
}

clast_status body_unify(const infer_in *in, infer_value *a, const infer_value *b, const char *what, clast_diag *d)
{
	if (a->kind != b->kind)
		return fail(d, CLAST_ERROR_MODEL, "%s is a tensor in one place and a sequence or optional in the other", what);
	if (a->dtype == CLAST_UNDEFINED)
		a->dtype = b->dtype;
	if (b->dtype != CLAST_UNDEFINED && a->dtype != b->dtype)
		return fail(d, CLAST_ERROR_MODEL, "%s has dtype %s in one place and %s in the other", what,
		            clast_dtype_name(a->dtype), clast_dtype_name(b->dtype));
	if (!same_ints(a, b))
		a->ints = NULL;
	if (a->shape.rank != b->shape.rank)
		a->shape.rank = -1;
	for (int i = 0; i < a->shape.rank; i++)
		if (a->shape.dims[i] != b->shape.dims[i])
			a->shape.dims[i] = fresh_like(in, "branch");
	return CLAST_OK;
}

clast_status body_output(call *c, size_t i, const tensor_view *v)
{
	if (!c->out[i])
		return CLAST_OK;
	const clast_status s = call_output(c, i, v->dtype, v->rank, v->dims);
	return s ? s : move_same(c, c->out[i], v);
}
