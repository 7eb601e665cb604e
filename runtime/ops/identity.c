/* ONNX Identity: y = x. */
#include "infer.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	(void)d;
	out->out[0] = in->in[0];
	out->out[0].present = true;
	out->out[0].data = NULL;
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	view_copy(c->out[0], c->in[0]);
	return CLAST_OK;
}

static int views(const infer_in *in, const infer_value *out, view_step *steps)
{
	(void)in, (void)out, (void)steps;
	return 0;
}

static const op_version versions[] = { { 1, DTYPES_ALL }, { 13, DTYPES_ALL }, { 14, DTYPES_ALL }, { 16, DTYPES_ALL },
	                               { 19, DTYPES_ALL }, { 21, DTYPES_ALL }, { 23, DTYPES_ALL }, { 24, DTYPES_ALL },
	                               { 25, DTYPES_ALL }, { 0 } };
const op op_identity = { .name = "Identity", .domain = "", .versions = versions, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
	                 .rule = RULE_REGROUP, .infer = infer, .reference = reference, .views = views };
