/* ONNX Conv, for any number of spatial axes:
 *
 *   y[n, m, o] = bias[m] + sum over channels c of the group of m and taps k of
 *                x[n, c, o * stride + k * dilation - pad] * w[m, c, k],   zero outside x
 *
 * x: [N, C, D1...], w: [M, C / group, K1...], bias: [M], y: [N, M, O1...]. */
#include "conv_sum.h"
#include "offsets.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_same_dtype(in, 0, 1, d);
	if (!s && has_input(in, 2))
		s = infer_same_dtype(in, 0, 2, d);
	shape y;
	if (!s)
		s = infer_conv_shape(in, 1, 2, &y, d);
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

static clast_status reference(call *c)
{
	conv_sum sum = { .x = c->in[0], .w = c->in[1], .y = c->out[0] };
	clast_status s =
		conv_geometry_of(c->attrs, sum.x->rank, sum.x->dims, sum.w->dims, &sum.geometry, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	if (c->n_in > 2 && c->in[2] && !(sum.bias = real_table(&b, c->in[2])))
		s = fail_memory(c->diag, 0);
	if (!s)
		s = conv_sum_run(c, &sum);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { WINDOW_ATTRS(conv_attrs, window, false, 1),
				  { "group", ATTR_INT, offsetof(conv_attrs, group), .i = 1 },
				  { 0 } };
static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 11, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_conv = { .name = "Conv",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(conv_attrs),
		     .min_in = 2,
		     .max_in = 3,
		     .min_out = 1,
		     .max_out = 1,
		     .rule = RULE_CHANNELS,
		     .infer = infer,
		     .reference = reference };
