/* ONNX ConvInteger: Conv of (x - x_zero_point) with (w - w_zero_point) in 32-bit integers; padding counts as
 * x_zero_point. x, w: 8-bit integers; x_zero_point: one element, w_zero_point: one or [M]; y: int32. */
#include "conv_sum.h"
#include "offsets.h"

#define DTYPES_8BIT (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_dtype(in, 1, DTYPES_8BIT, d);
	if (!s && has_input(in, 2))
		s = infer_same_dtype(in, 0, 2, d);
	if (!s && has_input(in, 3))
		s = infer_same_dtype(in, 1, 3, d);
	if (!s)
		s = infer_zero_point(in, 2, 1, d);
	if (!s)
		s = infer_zero_point(in, 3, in->in[1].shape.rank > 0 ? in->in[1].shape.dims[0] : DIM_UNKNOWN,
				     d);
	shape y;
	if (!s)
		s = infer_conv_shape(in, 1, SIZE_MAX, &y, d);
	if (!s)
		infer_set(out, 0, CLAST_INT32, &y);
	return s;
}

static clast_status reference(call *c)
{
	const tensor_view *x_zero = c->n_in > 2 ? c->in[2] : NULL, *w_zero = c->n_in > 3 ? c->in[3] : NULL;
	conv_sum sum = { .x = c->in[0], .w = c->in[1], .y = c->out[0] };
	clast_status s =
		conv_geometry_of(c->attrs, sum.x->rank, sum.x->dims, sum.w->dims, &sum.geometry, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	if (x_zero)
		sum.x_zero = load_real(x_zero, 0);
	if (w_zero && !(sum.w_zero = channel_table(&b, w_zero, sum.geometry.out_channels)))
		s = fail_memory(c->diag, 0);
	if (!s)
		s = conv_sum_run(c, &sum);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { WINDOW_ATTRS(conv_attrs, window, false, 1),
				  { "group", ATTR_INT, offsetof(conv_attrs, group), .i = 1 },
				  { 0 } };
static const op_version versions[] = { { 10, DTYPES_8BIT }, { 0 } };
const op op_conv_integer = { .name = "ConvInteger",
			     .domain = "",
			     .versions = versions,
			     .attrs = spec,
			     .attrs_bytes = sizeof(conv_attrs),
			     .min_in = 2,
			     .max_in = 4,
			     .min_out = 1,
			     .max_out = 1,
			     .rule = RULE_CHANNELS,
			     .infer = infer,
			     .reference = reference };
