/* ONNX RandomNormal, RandomUniform, their Like forms, and Bernoulli: independent random elements (random.h).
 */
#include "random.h"

#include <stddef.h>

#include "infer.h"

typedef struct attrs {
	int_list shape;
	clast_dtype dtype;
	float seed, mean, scale, low, high;
} attrs;

enum { RANDOM_NORMAL = 1, RANDOM_UNIFORM, RANDOM_BERNOULLI };

static clast_status infer_dtype_of(const infer_in *in, clast_dtype *t, clast_diag *d)
{
	const attrs *a = in->attrs;
	const uint32_t floats = in->version >= 22 ? DTYPES_FLOAT_BF16 : DTYPES_FLOAT;
	const uint32_t allowed = in->op->family == RANDOM_BERNOULLI ? DTYPES_BOOL | DTYPES_REAL_BF16 : floats;
	*t = a->dtype != CLAST_UNDEFINED || !in->n_in ? a->dtype : in->in[0].dtype;
	if (*t != CLAST_UNDEFINED && !dtype_in(*t, allowed))
		return fail(d, CLAST_ERROR_MODEL, "%s cannot have dtype %s", in->op->name,
			    clast_dtype_name(*t));
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	clast_dtype t;
	const clast_status status = infer_dtype_of(in, &t, d);
	if (status)
		return status;
	if (in->n_in) {
		infer_set(out, 0, t, &in->in[0].shape);
		return CLAST_OK;
	}
	if (a->shape.n > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_LIMIT, "attribute shape: %zu axes, more than %d", a->shape.n,
			    CLAST_MAX_RANK);
	shape s = { .rank = (int)a->shape.n };
	for (int i = 0; i < s.rank; i++) {
		s.dims[i] = a->shape.v[i];
		if (s.dims[i] < 0)
			return fail(d, CLAST_ERROR_MODEL,
				    "attribute shape: element %d: expected an extent, found %lld", i,
				    (long long)s.dims[i]);
	}
	infer_set(out, 0, t, &s);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const uint64_t seed = random_seed(a->seed);
	uint64_t i = 0;
	for (iter it = iter_over(c->out[0]); iter_next(&it); i++) {
		double v;
		if (c->op->family == RANDOM_NORMAL)
			v = a->mean + a->scale * random_normal(seed, i);
		else if (c->op->family == RANDOM_UNIFORM)
			v = a->low + ((double)a->high - a->low) * random_uniform(seed, i);
		else
			v = random_uniform(seed, i) < get_real(c->in[0], &it);
		put_real(c->out[0], &it, v);
		if (i % 65536 == 65535 && !call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "the run was stopped");
	}
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return 0;
}

static const op_version made[] = { { 1, 0 }, { 22, 0 }, { 0 } };
static const op_version like[] = { { 1, DTYPES_ALL_12 }, { 22, DTYPES_ALL_13 }, { 0 } };
static const op_version bernoulli_15[] = { { 15, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };

#define AT(member) offsetof(attrs, member)
#define SHAPE                                                                                                \
	{                                                                                                    \
		"shape", ATTR_INTS, AT(shape), .required = true                                              \
	}
#define DTYPE(value)                                                                                         \
	{                                                                                                    \
		"dtype", ATTR_DTYPE, AT(dtype), .i = value                                                   \
	}
#define SEED                                                                                                 \
	{                                                                                                    \
		"seed", ATTR_FLOAT, AT(seed)                                                                 \
	}
#define NORMAL                                                                                               \
	{ "mean", ATTR_FLOAT, AT(mean) },                                                                    \
	{                                                                                                    \
		"scale", ATTR_FLOAT, AT(scale), .f = 1                                                       \
	}
#define UNIFORM                                                                                              \
	{ "low", ATTR_FLOAT, AT(low) },                                                                      \
	{                                                                                                    \
		"high", ATTR_FLOAT, AT(high), .f = 1                                                         \
	}
static const attr_spec normal[] = { SHAPE, DTYPE(CLAST_FLOAT32), SEED, NORMAL, { 0 } };
static const attr_spec normal_like[] = { DTYPE(CLAST_UNDEFINED), SEED, NORMAL, { 0 } };
static const attr_spec uniform[] = { SHAPE, DTYPE(CLAST_FLOAT32), SEED, UNIFORM, { 0 } };
static const attr_spec uniform_like[] = { DTYPE(CLAST_UNDEFINED), SEED, UNIFORM, { 0 } };
static const attr_spec bernoulli[] = { DTYPE(CLAST_UNDEFINED), SEED, { 0 } };

#define RANDOM(symbol, onnx, number, since, spec, inputs)                                                    \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = since,                                                          \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(attrs),                                               \
				 .min_in = inputs,                                                           \
				 .max_in = inputs,                                                           \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .flags = OP_RANDOM,                                                         \
				 .rule = RULE_AXIS,                                                          \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .cut = cut,                                                                 \
				 .family = number }

RANDOM(bernoulli, "Bernoulli", RANDOM_BERNOULLI, bernoulli_15, bernoulli, 1);
RANDOM(random_normal, "RandomNormal", RANDOM_NORMAL, made, normal, 0);
RANDOM(random_normal_like, "RandomNormalLike", RANDOM_NORMAL, like, normal_like, 1);
RANDOM(random_uniform, "RandomUniform", RANDOM_UNIFORM, made, uniform, 0);
RANDOM(random_uniform_like, "RandomUniformLike", RANDOM_UNIFORM, like, uniform_like, 1);
