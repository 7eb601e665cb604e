/* ONNX QLinearConv: y = saturate(round(s * x_scale * w_scale / y_scale) + y_zero_point), where s is the
 * integer convolution of (x - x_zero_point) with (w - w_zero_point) plus bias; ties round to even.
 *
 * Inputs: x, its scale and zero point, w, its scale and zero point (one element or [M] each), y's scale and
 * zero point, bias (int32). */
#include <math.h>

#include "conv_sum.h"
#include "offsets.h"

#define DTYPES_8BIT (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

static clast_status check(const infer_in *in, clast_diag *d)
{
	const dim channels = in->in[W].shape.rank > 0 ? in->in[W].shape.dims[0] : DIM_UNKNOWN;
	static const struct {
		size_t input;
		bool per_channel;
		uint32_t dtypes;
	} rules[] = { { X_SCALE, false, DTYPE_BIT(CLAST_FLOAT32) }, { X_ZERO, false, DTYPES_8BIT },
		      { W_SCALE, true, DTYPE_BIT(CLAST_FLOAT32) },  { W_ZERO, true, DTYPES_8BIT },
		      { Y_SCALE, false, DTYPE_BIT(CLAST_FLOAT32) }, { Y_ZERO, false, DTYPES_8BIT } };
	clast_status s = infer_dtype(in, W, DTYPES_8BIT, d);
	for (size_t i = 0; !s && i < sizeof rules / sizeof *rules; i++) {
		s = infer_dtype(in, rules[i].input, rules[i].dtypes, d);
		if (!s)
			s = infer_zero_point(in, rules[i].input, rules[i].per_channel ? channels : 1, d);
	}
	if (!s)
		s = infer_same_dtype(in, X, X_ZERO, d);
	if (!s)
		s = infer_same_dtype(in, W, W_ZERO, d);
	if (!s && has_input(in, BIAS))
		s = infer_dtype(in, BIAS, DTYPE_BIT(CLAST_INT32), d);
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y;
	clast_status s = check(in, d);
	if (!s)
		s = infer_conv_shape(in, W, BIAS, &y, d);
	if (!s)
		infer_set(out, 0, in->in[Y_ZERO].dtype, &y);
	return s;
}

typedef struct scales {
	double x, y, y_zero;
	const double *w;
} scales;

static double requantise(const conv_sum *s, int64_t channel, double sum)
{
	const scales *k = s->context;
	return rint(sum * (k->x * k->w[channel] / k->y)) + k->y_zero;
}

static clast_status reference(call *c)
{
	conv_sum sum = { .x = c->in[X],
			 .w = c->in[W],
			 .y = c->out[0],
			 .x_zero = load_real(c->in[X_ZERO], 0),
			 .finish = requantise };
	clast_status s =
		conv_geometry_of(c->attrs, sum.x->rank, sum.x->dims, sum.w->dims, &sum.geometry, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	const int64_t channels = sum.geometry.out_channels;
	scales k = { load_real(c->in[X_SCALE], 0), load_real(c->in[Y_SCALE], 0), load_real(c->in[Y_ZERO], 0),
		     channel_table(&b, c->in[W_SCALE], channels) };
	const tensor_view *bias = c->n_in > BIAS ? c->in[BIAS] : NULL;
	sum.context = &k;
	sum.w_zero = channel_table(&b, c->in[W_ZERO], channels);
	sum.bias = bias ? real_table(&b, bias) : NULL;
	s = k.w && sum.w_zero && (!bias || sum.bias) ? conv_sum_run(c, &sum) : fail_memory(c->diag, 0);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { WINDOW_ATTRS(conv_attrs, window, false, 1),
				  { "group", ATTR_INT, offsetof(conv_attrs, group), .i = 1 },
				  { 0 } };
static const op_version versions[] = { { 10, DTYPES_8BIT }, { 0 } };
const op op_qlinear_conv = { .name = "QLinearConv",
			     .domain = "",
			     .versions = versions,
			     .attrs = spec,
			     .attrs_bytes = sizeof(conv_attrs),
			     .min_in = 8,
			     .max_in = 9,
			     .min_out = 1,
			     .max_out = 1,
			     .rule = RULE_CHANNELS,
			     .infer = infer,
			     .reference = reference };
