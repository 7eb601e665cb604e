/* ONNX If: the outputs of one of two subgraphs, chosen by a boolean of one element. */
#include "body.h"

#include <stdio.h>

typedef struct attrs {
	int then_branch, else_branch;
} attrs;
static const attr_spec spec[] = {
	{ "then_branch", ATTR_GRAPH, offsetof(attrs, then_branch), .required = true },
	{ "else_branch", ATTR_GRAPH, offsetof(attrs, else_branch), .required = true },
	{ 0 }
};

int if_branch(const void *attributes, bool condition)
{
	const attrs *at = attributes;
	return condition ? at->then_branch : at->else_branch;
}

/* Values of a branch as seen from outside. */
static clast_status infer_branch(const infer_in *in, int graph, infer_value *values, clast_diag *d)
{
	const size_t n_outer = body_symbols(in);
	const clast_status s = in->body(in, graph, 0, NULL, in->n_out, values, d);
	for (size_t i = 0; i < in->n_out && !s; i++) {
		values[i].data = NULL;
		for (size_t j = 0; values[i].ints && j < values[i].int_count; j++)
			if (dim_is_expr(values[i].ints[j]))
				values[i].ints = NULL;
		for (int a = 0; a < values[i].shape.rank; a++)
			values[i].shape.dims[a] =
				body_outer_dim(in, values[i].shape.dims[a], n_outer, "branch");
	}
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	size_t n;
	int64_t count;
	clast_status s = infer_dtype(in, 0, DTYPES_BOOL, d);
	if (!s && infer_count(in, 0, &count) && count != 1)
		return fail(d, CLAST_ERROR_MODEL, "cond: expected one element, found %lld", (long long)count);
	if (s || !in->body)
		return s;
	infer_value *yes = bump_array(in->memory, 2 * in->n_out, sizeof *yes), *no = yes + in->n_out;
	if (!yes)
		return fail_memory(d, 0);
	const int64_t *cond = infer_numbers(in, 0, &n);
	const bool only_yes = cond && cond[0], only_no = cond && !cond[0];
	clast_diag then_diag = { 0 }, else_diag = { 0 };
	const clast_status then_status = infer_branch(in, at->then_branch, yes, &then_diag);
	const clast_status else_status = infer_branch(in, at->else_branch, no, &else_diag);
	/* A branch that never runs may contradict the shapes at hand; functions written for any rank do. Where data decide, that is an
	 * error when it is taken. */
	const bool no_alone = only_no || (!cond && then_status == CLAST_ERROR_MODEL);
	const bool yes_alone = !no_alone && (only_yes || else_status == CLAST_ERROR_MODEL);
	s = no_alone ? else_status : then_status ? then_status : yes_alone ? CLAST_OK : else_status;
	if (s && d)
		*d = s == else_status && (no_alone || !then_status) ? else_diag : then_diag;
	for (size_t i = 0; i < in->n_out && !s; i++) {
		char what[32];
		snprintf(what, sizeof what, "output %zu", i);
		const bool present = out->out[i].present;
		out->out[i] = no_alone ? no[i] : yes[i];
		if (!no_alone && !yes_alone)
			s = body_unify(in, &out->out[i], &no[i], what, d);
		out->out[i].present = present;
	}
	return s;
}

static clast_status reference(call *c)
{
	const bool cond = load_int(c->in[0], 0) != 0;
	tensor_view *values = mem_calloc(c->memory, c->n_out * sizeof *values);
	if (!values)
		return fail_memory(c->diag, c->n_out * sizeof *values);
	clast_status s = call_body(c, if_branch(c->attrs, cond), 0, NULL, c->n_out, values);
	if (!s) {
		for (size_t i = 0; i < c->n_out; i++) {
			if (s)
				call_release(c, &values[i]);
			else
				s = call_give(c, i, &values[i]);
		}
	}
	mem_free(c->memory, values, c->n_out * sizeof *values);
	return s;
}

/* Both branches leave what comes out. */
static bool tie(const infer_in *in, size_t index, body_tie *t)
{
	*t = (body_tie){ .kind = TIE_SAME, .in = -1, .out = (int)index, .body_in = -1, .body_out = (int)index };
	return index < in->n_out;
}

static const op_version versions[] = { { 1, DTYPES_BOOL },  { 11, DTYPES_BOOL },
				       { 13, DTYPES_BOOL }, { 16, DTYPES_BOOL },
				       { 19, DTYPES_BOOL }, { 21, DTYPES_BOOL },
				       { 23, DTYPES_BOOL }, { 24, DTYPES_BOOL },
				       { 25, DTYPES_BOOL }, { 0 } };
const op op_if = { .name = "If",
		   .domain = "",
		   .versions = versions,
		   .attrs = spec,
		   .attrs_bytes = sizeof(attrs),
		   .min_in = 1,
		   .max_in = 1,
		   .min_out = 1,
		   .max_out = UINT16_MAX,
		   .flags = OP_BODIES | OP_DATA_SHAPED,
		   .rule = RULE_FIXED,
		   .infer = infer,
		   .reference = reference,
		   .tie = tie };
