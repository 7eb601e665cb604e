/* ONNX ConvInteger: the convolution of x - x_zero_point and w - w_zero_point in int32, and QLinearConv: the same, with an int32 bias of
 * scale x_scale * w_scale, scaled and quantised again. Parameters of w may be one for each output channel. Shapes as Conv. */
#include <math.h>
#include <stddef.h>

#include "conv_sum.h"
#include "offsets.h"
#include "quant.h"

/* Numbers of the inputs; -1 where the operator has none. */
typedef struct roles {
	int x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
} roles;

static const roles integer_roles = { -1, 2, 1, -1, 3, -1, -1, -1 };
static const roles linear_roles = { 1, 2, 3, 4, 5, 6, 7, 8 };

static const roles *roles_of(const op *o)
{
	return o->family ? &linear_roles : &integer_roles;
}

#define INT8 (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))

static clast_status infer_linear_dtypes(const infer_in *in, clast_diag *d)
{
	static const size_t scales[] = { 1, 4, 6 };
	clast_status s = CLAST_OK;
	for (int i = 0; !s && i < 3; i++)
		s = infer_dtype(in, scales[i], DTYPE_BIT(CLAST_FLOAT32), d);
	if (!s)
		s = infer_dtype(in, 7, INT8, d);
	if (!s && has_input(in, 8))
		s = infer_dtype(in, 8, DTYPE_BIT(CLAST_INT32), d);
	return s;
}

/* One number, or with `channels` one for each output channel. */
static clast_status infer_parameter(const infer_in *in, int i, bool channels, clast_diag *d)
{
	int64_t count;
	if (i < 0 || !has_input(in, (size_t)i) || (infer_count(in, (size_t)i, &count) && count == 1))
		return CLAST_OK;
	if (!channels && infer_count(in, (size_t)i, &count))
		return fail(d, CLAST_ERROR_MODEL, "input %d: expected a scalar, found %lld elements", i, (long long)count);
	const shape *w = &in->in[roles_of(in->op)->w].shape;
	return channels && w->rank > 0 ? infer_channel_vector(in, (size_t)i, w->dims[0], d) : CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const roles *r = roles_of(in->op);
	const bool linear = r->y_zero >= 0;
	shape y;
	clast_status s = infer_dtype(in, (size_t)r->w, INT8, d);
	if (!s && linear)
		s = infer_linear_dtypes(in, d);
	if (!s && has_input(in, (size_t)r->x_zero))
		s = infer_same_dtype(in, 0, (size_t)r->x_zero, d);
	if (!s && has_input(in, (size_t)r->w_zero))
		s = infer_same_dtype(in, (size_t)r->w, (size_t)r->w_zero, d);
	const int list[] = { r->x_scale, r->x_zero, r->y_scale, r->y_zero, r->w_scale, r->w_zero };
	for (int i = 0; !s && i < 6; i++)
		s = infer_parameter(in, list[i], i >= 4, d);
	if (!s)
		s = infer_conv_shape(in, (size_t)r->w, r->bias < 0 ? in->n_in : (size_t)r->bias, &y, d);
	if (!s)
		infer_set(out, 0, linear ? in->in[r->y_zero].dtype : CLAST_INT32, &y);
	return s;
}

typedef struct requantise {
	double *multiplier; /* of each output channel */
	double zero;
} requantise;

static double requantised(const conv_sum *s, int64_t channel, double sum)
{
	const requantise *q = s->context;
	return rint(sum * q->multiplier[channel]) + q->zero;
}

static const tensor_view *given(const call *c, int i)
{
	return i >= 0 && (size_t)i < c->n_in ? c->in[i] : NULL;
}

/* One number for each output channel, from a vector of them or a single one. */
static double *channel_table(bump *b, const tensor_view *v, int64_t channels)
{
	double *table = bump_array(b, (size_t)channels, sizeof *table);
	for (int64_t i = 0; table && i < channels; i++)
		table[i] = load_real(v, view_count(v) == 1 ? 0 : axis_offset(v, 0, i));
	return table;
}

static clast_status prepare_linear(call *c, bump *b, const roles *r, requantise *q, conv_sum *sum)
{
	const int64_t channels = sum->geometry.out_channels;
	const double x_scale = load_real(c->in[r->x_scale], 0), y_scale = load_real(c->in[r->y_scale], 0);
	q->multiplier = channel_table(b, c->in[r->w_scale], channels);
	if (given(c, r->bias))
		sum->bias = channel_table(b, c->in[r->bias], channels);
	if (!q->multiplier || (given(c, r->bias) && !sum->bias))
		return fail_memory(c->diag, 0);
	for (int64_t i = 0; i < channels; i++)
		q->multiplier[i] = quant_round(CLAST_FLOAT32, quant_round(CLAST_FLOAT32, x_scale * q->multiplier[i]) / y_scale);
	q->zero = load_real(c->in[r->y_zero], 0);
	sum->finish = requantised;
	sum->context = q;
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const roles *r = roles_of(c->op);
	conv_sum sum = { .x = c->in[0], .w = c->in[r->w], .y = c->out[0] };
	requantise q = { 0 };
	clast_status s = conv_geometry_of(c->attrs, sum.x->rank, sum.x->dims, sum.w->dims, &sum.geometry, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	if (given(c, r->x_zero))
		sum.x_zero = load_real(c->in[r->x_zero], 0);
	if (given(c, r->w_zero) && !(sum.w_zero = channel_table(&b, c->in[r->w_zero], sum.geometry.out_channels)))
		s = fail_memory(c->diag, 0);
	if (!s && r->y_zero >= 0)
		s = prepare_linear(c, &b, r, &q, &sum);
	if (!s)
		s = conv_sum_run(c, &sum);
	bump_release(&b);
	return s;
}

static const op_version versions[] = { { 10, INT8 }, { 0 } };
static const attr_spec spec[] = { WINDOW_ATTRS(conv_attrs, window, false, 1),
	                          { "group", ATTR_INT, offsetof(conv_attrs, group), .i = 1 },
	                          { 0 } };
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
	                     .reference = reference,
	                     .family = 1 };
