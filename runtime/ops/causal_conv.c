/* ONNX CausalConvWithState: depthwise convolution along a sequence that looks back only:
 *
 *   z[n, c, t] = bias[c] + sum over k < K of s[n, c, t + k] * w[c, 0, k],   y = z, or z * sigmoid(z)
 *
 * where s is past_state (or zeros) in front of x. present_state is the last K - 1 elements of s.
 * x, y: [N, C, L], w: [C, 1, K], bias: [C], states: [N, C, K - 1]. */
#include <math.h>

#include "conv_attrs.h"
#include "offsets.h"

enum { X, W, BIAS, PAST };
enum { NONE, SILU, SWISH };

typedef struct attrs {
	int activation;
} attrs;

static clast_status expect(const infer_in *in, size_t i, const dim *dims, clast_diag *d)
{
	if (!has_input(in, i))
		return CLAST_OK;
	const shape *s = &in->in[i].shape;
	clast_status status = infer_same_dtype(in, X, i, d);
	if (!status)
		status = infer_rank(in, i, 3, 3, d);
	for (int a = 0; !status && a < s->rank; a++)
		if (dim_is_number(dims[a]) && dim_is_number(s->dims[a]) && dims[a] != s->dims[a])
			return fail(d, CLAST_ERROR_MODEL, "input %zu: axis %d has extent %lld, expected %lld",
				    i, a, (long long)s->dims[a], (long long)dims[a]);
	return status;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[X].shape, *w = &in->in[W].shape;
	const dim batch = x->rank == 3 ? x->dims[0] : DIM_UNKNOWN,
		  channels = x->rank == 3 ? x->dims[1] : DIM_UNKNOWN;
	const dim kernel = w->rank == 3 ? w->dims[2] : DIM_UNKNOWN, kept = dim_sub(in->dims, kernel, 1);
	clast_status s = infer_rank(in, X, 3, 3, d);
	if (!s)
		s = expect(in, W, (dim[]){ channels, 1, DIM_UNKNOWN }, d);
	if (!s && dim_is_number(kernel) && kernel < 1)
		s = fail(d, CLAST_ERROR_MODEL, "input 1: the kernel has no elements");
	if (!s && has_input(in, BIAS))
		s = infer_same_dtype(in, X, BIAS, d);
	if (!s)
		s = infer_channel_vector(in, BIAS, channels, d);
	if (!s)
		s = expect(in, PAST, (dim[]){ batch, channels, kept }, d);
	if (s)
		return s;
	infer_set(out, 0, in->in[X].dtype, x);
	if (wants_output(in, out, 1))
		infer_set(out, 1, in->in[X].dtype, &(shape){ 3, { batch, channels, kept } });
	return CLAST_OK;
}

/* The sequence of one channel with the past in front. */
static void load_sequence(const call *c, int64_t n, int64_t channel, int64_t kept, double *to)
{
	const tensor_view *x = c->in[X], *past = c->n_in > PAST ? c->in[PAST] : NULL;
	for (int64_t t = 0; t < kept; t++)
		to[t] = past ? load_real(past, view_offset(past, (int64_t[]){ n, channel, t })) : 0;
	for (int64_t t = 0; t < x->dims[2]; t++)
		to[kept + t] = load_real(x, view_offset(x, (int64_t[]){ n, channel, t }));
}

static void convolve(const call *c, int64_t n, int64_t channel, const double *sequence, const double *w,
		     double bias)
{
	const tensor_view *y = c->out[0], *present = c->n_out > 1 ? c->out[1] : NULL;
	const int64_t kernel = c->in[W]->dims[2];
	for (int64_t t = 0; t < y->dims[2]; t++) {
		double z = bias;
		for (int64_t k = 0; k < kernel; k++)
			z += sequence[t + k] * w[channel * kernel + k];
		if (((const attrs *)c->attrs)->activation != NONE)
			z /= 1 + exp(-z);
		store_real(y, view_offset(y, (int64_t[]){ n, channel, t }), z);
	}
	for (int64_t t = 0; present && t < kernel - 1; t++)
		store_real(present, view_offset(present, (int64_t[]){ n, channel, t }),
			   sequence[y->dims[2] + t]);
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[X], *bias = c->n_in > BIAS ? c->in[BIAS] : NULL;
	const int64_t kept = c->in[W]->dims[2] - 1;
	bump b;
	bump_init(&b, c->memory);
	double *sequence = bump_array(&b, (size_t)(kept + x->dims[2] + 1), sizeof *sequence);
	const double *w = real_table(&b, c->in[W]), *biases = bias ? real_table(&b, bias) : NULL;
	clast_status s = sequence && w && (!bias || biases) ? CLAST_OK : fail_memory(c->diag, 0);
	for (int64_t n = 0; !s && n < x->dims[0]; n++)
		for (int64_t channel = 0; !s && channel < x->dims[1]; channel++) {
			load_sequence(c, n, channel, kept, sequence);
			convolve(c, n, channel, sequence, w, biases ? biases[channel] : 0);
			if (!call_proceed(c))
				s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
		}
	bump_release(&b);
	return s;
}

static const char *const activations[] = { "none", "silu", "swish", NULL };
static const attr_spec spec[] = {
	{ "activation", ATTR_ENUM, offsetof(attrs, activation), .names = activations }, { 0 }
};
static const op_version versions[] = {
	{ 27, DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16) }, { 0 }
};
const op op_causal_conv_with_state = { .name = "CausalConvWithState",
				       .domain = "",
				       .versions = versions,
				       .attrs = spec,
				       .attrs_bytes = sizeof(attrs),
				       .min_in = 2,
				       .max_in = 4,
				       .min_out = 1,
				       .max_out = 2,
				       .rule = RULE_FIXED,
				       .infer = infer,
				       .reference = reference };
