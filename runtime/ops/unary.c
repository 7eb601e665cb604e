/* Elementwise operators with one operand: y = f(x). x: any shape; y: shape and order of x, and may alias it.
 */
#include <math.h>
#include <stddef.h>

#include "elementwise.h"

/* Bounds that let NaN through, which fmin and fmax would not. */
static double clamp01(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double activation(scalar f, double x, const elementwise_attrs *a)
{
	switch (f) {
	case SCALAR_CELU:
		return x > 0 ? x : a->alpha * expm1(x / a->alpha);
	case SCALAR_ELU:
		return x < 0 ? a->alpha * expm1(x) : x;
	case SCALAR_GELU:
		return 0.5 * x *
		       (1 + (a->tanh_approximation ? tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))
						   : erf(x * M_SQRT1_2)));
	case SCALAR_HARD_SIGMOID:
		return clamp01((double)a->alpha * x + a->beta);
	case SCALAR_HARD_SWISH:
		return x * clamp01(x / 6 + 0.5);
	case SCALAR_LEAKY_RELU:
		return x < 0 ? a->alpha * x : x;
	case SCALAR_MISH:
		return x * tanh(softplus(x));
	case SCALAR_RELU:
		return x < 0 ? 0 : x;
	case SCALAR_SELU:
		return a->gamma * (x > 0 ? x : a->alpha * expm1(x));
	case SCALAR_SHRINK:
		return x < -a->lambda ? x + a->bias : x > a->lambda ? x - a->bias : 0;
	case SCALAR_SIGMOID:
		return sigmoid(x);
	case SCALAR_SOFTPLUS:
		return softplus(x);
	case SCALAR_SOFTSIGN:
		return x / (1 + fabs(x));
	case SCALAR_SWISH:
		return x * sigmoid(a->alpha * x);
	case SCALAR_THRESHOLDED_RELU:
		return x > a->alpha ? x : 0;
	default:
		return NAN;
	}
}

double scalar_unary(scalar f, double x, const elementwise_attrs *a)
{
	switch (f) {
	case SCALAR_ABS:
		return fabs(x);
	case SCALAR_ACOS:
		return acos(x);
	case SCALAR_ACOSH:
		return acosh(x);
	case SCALAR_ASIN:
		return asin(x);
	case SCALAR_ASINH:
		return asinh(x);
	case SCALAR_ATAN:
		return atan(x);
	case SCALAR_ATANH:
		return atanh(x);
	case SCALAR_CEIL:
		return ceil(x);
	case SCALAR_COS:
		return cos(x);
	case SCALAR_COSH:
		return cosh(x);
	case SCALAR_ERF:
		return erf(x);
	case SCALAR_EXP:
		return exp(x);
	case SCALAR_FLOOR:
		return floor(x);
	case SCALAR_IS_INF:
		return isinf(x) && (x < 0 ? a->detect_negative : a->detect_positive);
	case SCALAR_IS_NAN:
		return isnan(x);
	case SCALAR_LOG:
		return log(x);
	case SCALAR_NEG:
		return -x;
	case SCALAR_RECIPROCAL:
		return 1 / x;
	case SCALAR_ROUND:
		return rint(x);
	case SCALAR_SIGN:
		return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;
	case SCALAR_SIN:
		return sin(x);
	case SCALAR_SINH:
		return sinh(x);
	case SCALAR_SQRT:
		return sqrt(x);
	case SCALAR_TAN:
		return tan(x);
	case SCALAR_TANH:
		return tanh(x);
	default:
		return activation(f, x, a);
	}
}

bool scalar_is_integral(scalar f)
{
	switch (f) {
	case SCALAR_ABS:
	case SCALAR_BITWISE_NOT:
	case SCALAR_NEG:
	case SCALAR_NOT:
	case SCALAR_RELU:
	case SCALAR_SIGN:
		return true;
	default:
		return false;
	}
}

/* The lowest integer has no negative: it wraps, as in ONNX's other runtimes. */
static int64_t negative(int64_t x)
{
	return (int64_t)(0 - (uint64_t)x);
}

int64_t scalar_unary_int(scalar f, int64_t x)
{
	switch (f) {
	case SCALAR_ABS:
		return x < 0 ? negative(x) : x;
	case SCALAR_BITWISE_NOT:
		return ~x;
	case SCALAR_NEG:
		return negative(x);
	case SCALAR_NOT:
		return !x;
	case SCALAR_RELU:
		return x < 0 ? 0 : x;
	default: /* SCALAR_SIGN */
		return (x > 0) - (x < 0);
	}
}

static dim element(const infer_in *in, size_t n, const dim *x)
{
	(void)n;
	const int negative_sign = dim_surely_less(in, x[0], 0);
	const bool whole = !dtype_is_float(in->in[0].dtype);
	switch ((scalar)in->op->family) {
	case SCALAR_ABS:
		return negative_sign == 0            ? x[0]
		       : negative_sign == 1 && whole ? dim_sub(in->dims, 0, x[0])
						     : DIM_UNKNOWN;
	case SCALAR_RELU:
		return negative_sign == 0 ? x[0] : negative_sign == 1 ? 0 : DIM_UNKNOWN;
	case SCALAR_CEIL:
	case SCALAR_FLOOR:
	case SCALAR_ROUND:
		return x[0];
	case SCALAR_NEG: /* of 0 it would be -0 in float */
		return whole ? dim_sub(in->dims, 0, x[0]) : DIM_UNKNOWN;
	case SCALAR_NOT:
		return dim_is_number(x[0]) ? !x[0] : DIM_UNKNOWN;
	case SCALAR_SIGN:
		return dim_surely_less(in, 0, x[0]) == 1 ? 1 : negative_sign == 1 ? -1 : DIM_UNKNOWN;
	default:
		return DIM_UNKNOWN;
	}
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const scalar f = (scalar)in->op->family;
	const bool predicate = f == SCALAR_IS_INF || f == SCALAR_IS_NAN;
	infer_set(out, 0, predicate ? CLAST_BOOL : in->in[0].dtype, &in->in[0].shape);
	return infer_elements(in, 1, out, element, d);
}

static clast_status reference_int(call *c)
{
	const scalar f = (scalar)c->op->family;
	const tensor_view *x = c->in[0], *y = c->out[0];
	/* Their values above INT64_MAX look negative; none of the functions does anything to an unsigned
	 * number but these. */
	const bool sign_of_unsigned = f == SCALAR_SIGN && !dtype_is_signed(x->dtype);
	const bool nothing = (f == SCALAR_ABS || f == SCALAR_RELU) && !dtype_is_signed(x->dtype);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const int64_t v = load_int(x, from + along(x, i));
			store_int(y, to + along(y, i),
				  nothing            ? v
				  : sign_of_unsigned ? v != 0
						     : scalar_unary_int(f, v));
		}
	}
	return r.status;
}

static clast_status reference(call *c)
{
	const scalar f = (scalar)c->op->family;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool whole = !dtype_is_float(x->dtype);
	if (whole && scalar_is_integral(f))
		return reference_int(c);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const double v = scalar_unary(f, load_real(x, from + along(x, i)), c->attrs);
			/* Erf and Shrink of integers are cut off, not rounded. */
			store_real(y, to + along(y, i), whole ? trunc(v) : v);
		}
	}
	return r.status;
}

#define FLOAT8 (DTYPES_FLOAT_BF16 | DTYPES_FLOAT8)
#define F64 (DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT64))
static const op_version math_1[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 }
};
static const op_version math_7[] = { { 7, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version math_9[] = { { 9, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version abs_1[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 }
};
static const op_version neg_1[] = { { 1, DTYPES_FLOAT },
				    { 6, DTYPES_FLOAT | DTYPES_SIGNED },
				    { 13, DTYPES_FLOAT_BF16 | DTYPES_SIGNED },
				    { 0 } };
static const op_version erf_9[] = { { 9, DTYPES_REAL }, { 13, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version sign_9[] = { { 9, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 } };
static const op_version is_inf_10[] = { { 10, F64 }, { 20, FLOAT8 }, { 0 } };
static const op_version is_nan_9[] = {
	{ 9, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 20, FLOAT8 }, { 0 }
};
static const op_version round_11[] = { { 11, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version not_1[] = { { 1, DTYPES_BOOL }, { 0 } };
static const op_version bitwise_18[] = { { 18, DTYPES_INT }, { 0 } };
static const op_version relu_1[] = { { 1, DTYPES_FLOAT },
				     { 6, DTYPES_FLOAT },
				     { 13, DTYPES_FLOAT_BF16 },
				     { 14, DTYPES_FLOAT_BF16 | DTYPES_SIGNED },
				     { 0 } };
static const op_version leaky_1[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT }, { 16, DTYPES_FLOAT_BF16 }, { 0 }
};
static const op_version late_1[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
static const op_version soft_1[] = { { 1, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version celu_12[] = { { 12, DTYPE_BIT(CLAST_FLOAT32) }, { 28, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version threshold_10[] = { { 10, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version swish_14[] = { { 14, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version mish_18[] = { { 18, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version gelu_20[] = { { 20, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version swish_24[] = { { 24, DTYPES_FLOAT_BF16 }, { 0 } };
static const op_version shrink_9[] = { { 9, DTYPES_REAL }, { 0 } };

#define AT(member) offsetof(elementwise_attrs, member)
#define CONSUMED                                                                                             \
	{                                                                                                    \
		"consumed_inputs", ATTR_INTS, AT(unused), .until = 6                                         \
	}
#define ALPHA(value)                                                                                         \
	{                                                                                                    \
		"alpha", ATTR_FLOAT, AT(alpha), .f = value                                                   \
	}
static const attr_spec plain[] = { CONSUMED, { 0 } };
static const attr_spec is_inf[] = { { "detect_negative", ATTR_BOOL, AT(detect_negative), .i = 1 },
				    { "detect_positive", ATTR_BOOL, AT(detect_positive), .i = 1 },
				    { 0 } };
static const attr_spec alpha_001[] = { ALPHA(0.01f), CONSUMED, { 0 } };
static const attr_spec alpha_1[] = { ALPHA(1), CONSUMED, { 0 } };
static const attr_spec hard_sigmoid[] = {
	ALPHA(0.2f), { "beta", ATTR_FLOAT, AT(beta), .f = 0.5f }, CONSUMED, { 0 }
};
static const attr_spec selu[] = {
	{ "alpha", ATTR_FLOAT, AT(alpha), .f = 1.6732f, .until = 6 },
	{ "gamma", ATTR_FLOAT, AT(gamma), .f = 1.0507f, .until = 6 },
	{ "alpha", ATTR_FLOAT, AT(alpha), .f = 1.67326319217681884765625f, .since = 6 },
	{ "gamma", ATTR_FLOAT, AT(gamma), .f = 1.05070102214813232421875f, .since = 6 },
	CONSUMED,
	{ 0 }
};
static const attr_spec shrink[] = { { "bias", ATTR_FLOAT, AT(bias), .f = 0 },
				    { "lambd", ATTR_FLOAT, AT(lambda), .f = 0.5f },
				    { 0 } };
static const char *const approximations[] = { "none", "tanh", NULL };
static const attr_spec gelu[] = {
	{ "approximate", ATTR_ENUM, AT(tanh_approximation), .names = approximations }, { 0 }
};

#define UNARY(symbol, onnx, number, since, spec)                                                             \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = since,                                                          \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(elementwise_attrs),                                   \
				 .min_in = 1,                                                                \
				 .max_in = 1,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_ANY,                                                           \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .family = number }

UNARY(abs, "Abs", SCALAR_ABS, abs_1, plain);
UNARY(acos, "Acos", SCALAR_ACOS, math_7, plain);
UNARY(acosh, "Acosh", SCALAR_ACOSH, math_9, plain);
UNARY(asin, "Asin", SCALAR_ASIN, math_7, plain);
UNARY(asinh, "Asinh", SCALAR_ASINH, math_9, plain);
UNARY(atan, "Atan", SCALAR_ATAN, math_7, plain);
UNARY(atanh, "Atanh", SCALAR_ATANH, math_9, plain);
UNARY(bitwise_not, "BitwiseNot", SCALAR_BITWISE_NOT, bitwise_18, plain);
UNARY(ceil, "Ceil", SCALAR_CEIL, math_1, plain);
UNARY(celu, "Celu", SCALAR_CELU, celu_12, alpha_1);
UNARY(cos, "Cos", SCALAR_COS, math_7, plain);
UNARY(cosh, "Cosh", SCALAR_COSH, math_9, plain);
UNARY(elu, "Elu", SCALAR_ELU, late_1, alpha_1);
UNARY(erf, "Erf", SCALAR_ERF, erf_9, plain);
UNARY(exp, "Exp", SCALAR_EXP, math_1, plain);
UNARY(floor, "Floor", SCALAR_FLOOR, math_1, plain);
UNARY(gelu, "Gelu", SCALAR_GELU, gelu_20, gelu);
UNARY(hard_sigmoid, "HardSigmoid", SCALAR_HARD_SIGMOID, late_1, hard_sigmoid);
UNARY(hard_swish, "HardSwish", SCALAR_HARD_SWISH, swish_14, plain);
UNARY(is_inf, "IsInf", SCALAR_IS_INF, is_inf_10, is_inf);
UNARY(is_nan, "IsNaN", SCALAR_IS_NAN, is_nan_9, plain);
UNARY(leaky_relu, "LeakyRelu", SCALAR_LEAKY_RELU, leaky_1, alpha_001);
UNARY(log, "Log", SCALAR_LOG, math_1, plain);
UNARY(mish, "Mish", SCALAR_MISH, mish_18, plain);
UNARY(neg, "Neg", SCALAR_NEG, neg_1, plain);
UNARY(not, "Not", SCALAR_NOT, not_1, plain);
UNARY(reciprocal, "Reciprocal", SCALAR_RECIPROCAL, math_1, plain);
UNARY(relu, "Relu", SCALAR_RELU, relu_1, plain);
UNARY(round, "Round", SCALAR_ROUND, round_11, plain);
UNARY(selu, "Selu", SCALAR_SELU, late_1, selu);
UNARY(shrink, "Shrink", SCALAR_SHRINK, shrink_9, shrink);
UNARY(sigmoid, "Sigmoid", SCALAR_SIGMOID, math_1, plain);
UNARY(sign, "Sign", SCALAR_SIGN, sign_9, plain);
UNARY(sin, "Sin", SCALAR_SIN, math_7, plain);
UNARY(sinh, "Sinh", SCALAR_SINH, math_9, plain);
UNARY(softplus, "Softplus", SCALAR_SOFTPLUS, soft_1, plain);
UNARY(softsign, "Softsign", SCALAR_SOFTSIGN, soft_1, plain);
UNARY(sqrt, "Sqrt", SCALAR_SQRT, math_1, plain);
UNARY(swish, "Swish", SCALAR_SWISH, swish_24, alpha_1);
UNARY(tan, "Tan", SCALAR_TAN, math_7, plain);
UNARY(tanh, "Tanh", SCALAR_TANH, math_1, plain);
UNARY(thresholded_relu, "ThresholdedRelu", SCALAR_THRESHOLDED_RELU, threshold_10, alpha_1);
