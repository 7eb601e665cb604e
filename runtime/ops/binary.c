/* Elementwise operators with two operands, broadcast together: arithmetic, comparison, logic, bits; and
 * PRelu. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "elementwise.h"

static bool is_comparison(scalar f)
{
	return f >= SCALAR_EQUAL && f <= SCALAR_LESS_OR_EQUAL;
}

static bool gives_bool(scalar f)
{
	return is_comparison(f) || f == SCALAR_AND || f == SCALAR_OR || f == SCALAR_XOR;
}

/* ---- Scalar functions ---- */

/* The remainder with the sign of b (ONNX Mod with fmod = 0); C's fmod has that of a. */
static double floor_mod(double a, double b)
{
	if (isinf(b) && isfinite(a))
		return a == 0 ? copysign(0, b) : signbit(a) == signbit(b) ? a : b;
	const double r = fmod(a, b);
	if (r == 0)
		return copysign(0, b);
	return signbit(r) == signbit(b) ? r : r + b;
}

/* NaN wins, as in numpy.minimum; fmin would drop it. */
static double minimum(double a, double b)
{
	return isnan(a) || a < b ? a : b;
}

static double maximum(double a, double b)
{
	return isnan(a) || a > b ? a : b;
}

static double binary_real(scalar f, double a, double b, const elementwise_attrs *attrs)
{
	switch (f) {
	case SCALAR_ADD:
		return a + b;
	case SCALAR_SUB:
		return a - b;
	case SCALAR_MUL:
		return a * b;
	case SCALAR_DIV:
		return a / b;
	case SCALAR_MOD:
		return attrs->truncated ? fmod(a, b) : floor_mod(a, b);
	case SCALAR_POW:
		return pow(a, b);
	case SCALAR_MIN:
		return minimum(a, b);
	case SCALAR_MAX:
		return maximum(a, b);
	case SCALAR_PRELU:
		return a < 0 ? a * b : a;
	case SCALAR_EQUAL:
		return a == b;
	case SCALAR_GREATER:
		return a > b;
	case SCALAR_GREATER_OR_EQUAL:
		return a >= b;
	case SCALAR_LESS:
		return a < b;
	case SCALAR_LESS_OR_EQUAL:
		return a <= b;
	default:
		return NAN;
	}
}

/* How two integers are to be taken. */
typedef struct integers {
	scalar f;
	bool is_signed;
	int bits;
	const elementwise_attrs *attrs;
} integers;

static bool less(const integers *k, int64_t a, int64_t b)
{
	return k->is_signed ? a < b : (uint64_t)a < (uint64_t)b;
}

static bool compare(const integers *k, int64_t a, int64_t b)
{
	switch (k->f) {
	case SCALAR_EQUAL:
		return a == b;
	case SCALAR_GREATER:
		return less(k, b, a);
	case SCALAR_GREATER_OR_EQUAL:
		return !less(k, a, b);
	case SCALAR_LESS:
		return less(k, a, b);
	default:
		return !less(k, b, a);
	}
}

/* A shift by the width or more, or by a negative number, leaves what endless single shifts would leave. */
static int64_t shift(const integers *k, int64_t a, int64_t b)
{
	const bool all = b < 0 || b >= k->bits;
	if (!k->attrs->right)
		return all ? 0 : (int64_t)((uint64_t)a << b);
	if (k->is_signed)
		return a >> (all ? 63 : b);
	return all ? 0 : (int64_t)((uint64_t)a >> b);
}

/* b is not 0. Signed division by -1 is negation, which wraps for the lowest integer where C's would trap. */
static int64_t divide(const integers *k, int64_t a, int64_t b)
{
	if (!k->is_signed)
		return (int64_t)((uint64_t)a / (uint64_t)b);
	return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t remainder_of(const integers *k, int64_t a, int64_t b)
{
	if (!k->is_signed)
		return (int64_t)((uint64_t)a % (uint64_t)b);
	const int64_t r = b == -1 ? 0 : a % b;
	return !k->attrs->truncated && r && (r < 0) != (b < 0) ? r + b : r;
}

/* By squaring, modulo 2^64. A negative power is the reciprocal, cut off: 0 but for bases 1 and -1. */
static int64_t power(int64_t a, int64_t b, bool exponent_signed)
{
	if (exponent_signed && b < 0)
		return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
	uint64_t result = 1, square = (uint64_t)a;
	for (uint64_t n = (uint64_t)b; n; n >>= 1, square *= square)
		if (n & 1)
			result *= square;
	return (int64_t)result;
}

static int64_t binary_int(const integers *k, int64_t a, int64_t b)
{
	switch (k->f) {
	case SCALAR_ADD:
		return (int64_t)((uint64_t)a + (uint64_t)b);
	case SCALAR_SUB:
		return (int64_t)((uint64_t)a - (uint64_t)b);
	case SCALAR_MUL:
		return (int64_t)((uint64_t)a * (uint64_t)b);
	case SCALAR_DIV:
		return divide(k, a, b);
	case SCALAR_MOD:
		return remainder_of(k, a, b);
	case SCALAR_AND:
	case SCALAR_BITWISE_AND:
		return a & b;
	case SCALAR_OR:
	case SCALAR_BITWISE_OR:
		return a | b;
	case SCALAR_XOR:
	case SCALAR_BITWISE_XOR:
		return a ^ b;
	case SCALAR_BIT_SHIFT:
		return shift(k, a, b);
	case SCALAR_MIN:
		return less(k, a, b) ? a : b;
	case SCALAR_MAX:
		return less(k, a, b) ? b : a;
	case SCALAR_PRELU:
		return k->is_signed && a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a;
	default:
		return compare(k, a, b);
	}
}

/* ---- Inference ---- */

static dim divided(const infer_in *in, dim a, dim b, bool whole)
{
	dim quotient;
	if (dim_surely_equal(in, b, 0) != 0)
		return DIM_UNKNOWN;
	if (dim_divide(in->dims, a, b, &quotient))
		return quotient;
	if (!whole)
		return DIM_UNKNOWN;
	if (dim_is_number(a) && dim_is_number(b))
		return a / b;
	const bool floor_is_truncation = dim_surely_less(in, a, 0) == 0 && dim_surely_less(in, 0, b) == 1;
	return floor_is_truncation ? dim_floor_div(in->dims, a, b) : DIM_UNKNOWN;
}

static dim modulo(const infer_in *in, dim a, dim b)
{
	const elementwise_attrs *attrs = in->attrs;
	if (dim_surely_equal(in, b, 0) != 0)
		return DIM_UNKNOWN;
	if (attrs->truncated && (dim_surely_less(in, a, 0) != 0 || dim_surely_less(in, 0, b) != 1))
		return DIM_UNKNOWN;
	return dim_mod(in->dims, a, b);
}

static dim small_power(const infer_in *in, dim a, dim b)
{
	if (!dim_is_number(b) || b < 0 || b > 8)
		return DIM_UNKNOWN;
	dim result = 1;
	for (; b; b--)
		result = dim_mul(in->dims, result, a);
	return result;
}

static dim truth(int certain)
{
	return certain < 0 ? DIM_UNKNOWN : certain;
}

static dim opposite(int certain)
{
	return certain < 0 ? DIM_UNKNOWN : !certain;
}

static dim element_bool(const infer_in *in, dim a, dim b)
{
	const bool both = dim_is_number(a) && dim_is_number(b);
	switch ((scalar)in->op->family) {
	case SCALAR_EQUAL:
		return truth(dim_surely_equal(in, a, b));
	case SCALAR_GREATER:
		return truth(dim_surely_less(in, b, a));
	case SCALAR_GREATER_OR_EQUAL:
		return opposite(dim_surely_less(in, a, b));
	case SCALAR_LESS:
		return truth(dim_surely_less(in, a, b));
	case SCALAR_LESS_OR_EQUAL:
		return opposite(dim_surely_less(in, b, a));
	case SCALAR_AND:
		return a == 0 || b == 0 ? 0 : both ? 1 : DIM_UNKNOWN;
	case SCALAR_OR:
		return a == 1 || b == 1 ? 1 : both ? 0 : DIM_UNKNOWN;
	case SCALAR_XOR:
		return both ? a != b : DIM_UNKNOWN;
	default:
		return DIM_UNKNOWN;
	}
}

static dim element(const infer_in *in, size_t n, const dim *x)
{
	(void)n;
	const scalar f = (scalar)in->op->family;
	if (gives_bool(f))
		return element_bool(in, x[0], x[1]);
	if (x[0] == DIM_UNKNOWN || x[1] == DIM_UNKNOWN)
		return DIM_UNKNOWN;
	/* A product or quotient of 0 may be -0 in float, which no integer says. */
	if ((f == SCALAR_MUL || f == SCALAR_DIV) && dtype_is_float(in->in[0].dtype) && (!x[0] || !x[1]))
		return DIM_UNKNOWN;
	switch (f) {
	case SCALAR_ADD:
		return dim_add(in->dims, x[0], x[1]);
	case SCALAR_SUB:
		return dim_sub(in->dims, x[0], x[1]);
	case SCALAR_MUL:
		return dim_mul(in->dims, x[0], x[1]);
	case SCALAR_DIV:
		return divided(in, x[0], x[1], !dtype_is_float(in->in[0].dtype));
	case SCALAR_MOD:
		return modulo(in, x[0], x[1]);
	case SCALAR_POW:
		return small_power(in, x[0], x[1]);
	default:
		return DIM_UNKNOWN;
	}
}

static clast_status bad_operand(const infer_in *in, const char *rule, clast_diag *d)
{
	char a[160], b[160];
	shape_format(in->dims, &in->in[0].shape, a, sizeof a);
	shape_format(in->dims, &in->in[1].shape, b, sizeof b);
	return fail(d, CLAST_ERROR_MODEL,
		    "input 1 of shape %s cannot be broadcast to input 0 of shape %s (%s)", b, a, rule);
}

/* The place of b's axis 0 among a's axes before opset 7, where b is no larger than a; the end by default. */
static int aligned_axis(int a_rank, int b_rank, int64_t axis)
{
	return axis == NO_AXIS ? a_rank - b_rank : (int)(axis < 0 ? axis + a_rank : axis);
}

static bool one_element(const shape *s)
{
	for (int a = 0; a < s->rank; a++)
		if (s->dims[a] != 1)
			return false;
	return true;
}

/* Before opset 7: equal shapes, or with broadcast = 1 a second operand that is a contiguous part of the
 * first. */
static clast_status infer_aligned(const infer_in *in, int64_t axis, bool broadcast, clast_diag *d)
{
	const shape *a = &in->in[0].shape, *b = &in->in[1].shape;
	if (a->rank < 0 || b->rank < 0 || (broadcast && one_element(b)))
		return CLAST_OK;
	if (!broadcast && a->rank != b->rank)
		return bad_operand(in, "broadcast = 0", d);
	if (b->rank > a->rank || (axis != NO_AXIS && (axis < -a->rank || axis > a->rank)))
		return bad_operand(in, "broadcast with axis", d);
	const int start = aligned_axis(a->rank, b->rank, axis);
	if (start < 0 || start + b->rank > a->rank)
		return bad_operand(in, "broadcast with axis", d);
	for (int i = 0; i < b->rank; i++)
		if (dim_surely_equal(in, a->dims[start + i], b->dims[i]) == 0)
			return bad_operand(in, broadcast ? "broadcast with axis" : "broadcast = 0", d);
	return CLAST_OK;
}

/* PRelu before opset 7: one slope for all, or one a channel. */
static bool slope_per_channel(int x_rank, int slope_rank, bool single)
{
	return slope_rank == 1 && x_rank >= 2 && !single;
}

static clast_status infer_prelu(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *slope = &in->in[1].shape;
	if (x->rank < 0 || slope->rank < 0)
		return CLAST_OK;
	if (in->version < 7 && slope_per_channel(x->rank, slope->rank, one_element(slope)))
		return infer_aligned(in, 1, true, d);
	if (slope->rank > x->rank)
		return bad_operand(in, "one way", d);
	for (int i = 0; i < slope->rank; i++) {
		const dim to = x->dims[x->rank - slope->rank + i];
		if (slope->dims[i] != 1 && dim_surely_equal(in, slope->dims[i], to) == 0)
			return bad_operand(in, "one way", d);
	}
	return CLAST_OK;
}

static bool has_aligned_operand(const op *o, int version)
{
	return version < 7 && o->family != SCALAR_PRELU && o->versions[0].since < 7;
}

static clast_status infer_shape(const infer_in *in, shape *out, clast_diag *d)
{
	const elementwise_attrs *attrs = in->attrs;
	*out = in->in[0].shape;
	if (in->op->family == SCALAR_PRELU)
		return infer_prelu(in, d);
	if (has_aligned_operand(in->op, in->version))
		return infer_aligned(in, attrs->axis, attrs->broadcast, d);
	return infer_broadcast(in, 2, (const shape *const[]){ &in->in[0].shape, &in->in[1].shape }, out, d);
}

static uint32_t exponent_dtypes(int version)
{
	return version >= 15 ? DTYPES_REAL_BF16 : DTYPES_REAL;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const scalar f = (scalar)in->op->family;
	const elementwise_attrs *attrs = in->attrs;
	const clast_dtype t = in->in[0].dtype;
	shape s;
	clast_status status = f == SCALAR_POW && in->version >= 12
				      ? infer_dtype(in, 1, exponent_dtypes(in->version), d)
				      : infer_same_dtype(in, 0, 1, d);
	if (!status)
		status = infer_shape(in, &s, d);
	if (status)
		return status;
	if (f == SCALAR_MOD && in->version < 28 && !attrs->truncated && dtype_is_float(t))
		return fail(d, CLAST_ERROR_MODEL, "attribute fmod: must be 1 for input dtype %s",
			    clast_dtype_name(t));
	infer_set(out, 0, gives_bool(f) ? CLAST_BOOL : t, &s);
	return has_aligned_operand(in->op, in->version) ? CLAST_OK : infer_elements(in, 2, out, element, d);
}

/* ---- Reference ---- */

/* The second operand with as many axes as the first, its own from `axis` on. */
static void align(tensor_view *b, int rank, int axis)
{
	for (int i = b->rank; i < rank - axis; i++) {
		b->dims[i] = 1;
		b->strides[i] = 0;
		b->split[i] = 0;
	}
	b->rank = rank - axis;
}

static void broadcast_operands(const call *c, tensor_view *a, tensor_view *b)
{
	const elementwise_attrs *attrs = c->attrs;
	const tensor_view *y = c->out[0];
	*a = *c->in[0];
	*b = *c->in[1];
	const bool single = view_count(b) == 1;
	if (c->op->family == SCALAR_PRELU && c->version < 7 && slope_per_channel(a->rank, b->rank, single))
		align(b, a->rank, 1);
	else if (has_aligned_operand(c->op, c->version) && single)
		b->rank = 0;
	else if (has_aligned_operand(c->op, c->version))
		align(b, a->rank, aligned_axis(a->rank, b->rank, attrs->axis));
	view_broadcast(a, y->rank, y->dims);
	view_broadcast(b, y->rank, y->dims);
}

static clast_status reference_string(call *c, const tensor_view *a, const tensor_view *b)
{
	const tensor_view *y = c->out[0];
	for (iter it = iter_over(y); iter_next(&it);) {
		const clast_string *p = (const clast_string *)a->data + iter_offset(a, &it);
		const clast_string *q = (const clast_string *)b->data + iter_offset(b, &it);
		put_int(y, &it,
			p->length == q->length && (!p->length || !memcmp(p->bytes, q->bytes, p->length)));
	}
	return CLAST_OK;
}

static clast_status reference_int(call *c, const tensor_view *a, const tensor_view *b)
{
	const tensor_view *y = c->out[0];
	const integers k = { .f = (scalar)c->op->family,
			     .is_signed = dtype_is_signed(a->dtype),
			     .bits = (int)dtype_bits(a->dtype),
			     .attrs = c->attrs };
	const bool divides = k.f == SCALAR_DIV || k.f == SCALAR_MOD, raises = k.f == SCALAR_POW;
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t i0 = iter_offset(a, &r.it), i1 = iter_offset(b, &r.it),
			      o = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const int64_t p = load_int(a, i0 + along(a, i)), q = load_int(b, i1 + along(b, i));
			if (divides && !q)
				return fail(c->diag, CLAST_ERROR_DATA, "division of integers by zero");
			if (raises && !p && q < 0 && dtype_is_signed(b->dtype))
				return fail(c->diag, CLAST_ERROR_DATA, "zero raised to the power %lld",
					    (long long)q);
			store_int(y, o + along(y, i),
				  raises ? power(p, q, dtype_is_signed(b->dtype)) : binary_int(&k, p, q));
		}
	}
	return r.status;
}

static clast_status reference(call *c)
{
	const scalar f = (scalar)c->op->family;
	const tensor_view *y = c->out[0];
	tensor_view a, b;
	broadcast_operands(c, &a, &b);
	if (a.dtype == CLAST_STRING)
		return reference_string(c, &a, &b);
	if (!dtype_is_float(a.dtype) && !dtype_is_float(b.dtype))
		return reference_int(c, &a, &b);
	/* An integer to a real power is cut off. */
	const bool cut = !gives_bool(f) && !dtype_is_float(a.dtype);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t i0 = iter_offset(&a, &r.it), i1 = iter_offset(&b, &r.it),
			      o = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const double v = binary_real(f, load_real(&a, i0 + along(&a, i)),
						     load_real(&b, i1 + along(&b, i)), c->attrs);
			store_real(y, o + along(y, i), cut ? trunc(v) : v);
		}
	}
	return r.status;
}

/* ---- The operators ---- */

#define INT32_UP                                                                                             \
	(DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) | DTYPE_BIT(CLAST_UINT32) | DTYPE_BIT(CLAST_UINT64))
#define INT32_64 (DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64))
static const op_version arithmetic[] = { { 1, DTYPES_FLOAT },
					 { 6, DTYPES_FLOAT | INT32_UP },
					 { 7, DTYPES_FLOAT | INT32_UP },
					 { 13, DTYPES_FLOAT_BF16 | INT32_UP },
					 { 14, DTYPES_REAL_BF16 },
					 { 0 } };
static const op_version mod_10[] = {
	{ 10, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 28, DTYPES_REAL_BF16 }, { 0 }
};
static const op_version pow_1[] = { { 1, DTYPES_FLOAT },
				    { 7, DTYPES_FLOAT },
				    { 12, DTYPES_FLOAT | INT32_64 },
				    { 13, DTYPES_FLOAT_BF16 | INT32_64 },
				    { 15, DTYPES_FLOAT_BF16 | INT32_64 },
				    { 0 } };
static const op_version prelu_1[] = { { 1, DTYPES_FLOAT },
				      { 6, DTYPES_FLOAT },
				      { 7, DTYPES_FLOAT },
				      { 9, DTYPES_FLOAT | INT32_UP },
				      { 16, DTYPES_FLOAT_BF16 | INT32_UP },
				      { 0 } };
static const op_version logic[] = { { 1, DTYPES_BOOL }, { 7, DTYPES_BOOL }, { 0 } };
static const op_version equal_1[] = { { 1, DTYPES_BOOL | INT32_64 },
				      { 7, DTYPES_BOOL | INT32_64 },
				      { 11, DTYPES_BOOL | DTYPES_REAL },
				      { 13, DTYPES_BOOL | DTYPES_REAL_BF16 },
				      { 19, DTYPES_BOOL | DTYPES_REAL_BF16 | DTYPES_STRING },
				      { 0 } };
static const op_version order_1[] = {
	{ 1, DTYPES_FLOAT }, { 7, DTYPES_FLOAT }, { 9, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 }
};
static const op_version order_12[] = { { 12, DTYPES_REAL }, { 16, DTYPES_REAL_BF16 }, { 0 } };
static const op_version shift_11[] = { { 11, DTYPES_UNSIGNED }, { 28, DTYPES_INT }, { 0 } };
static const op_version bitwise_18[] = { { 18, DTYPES_INT }, { 0 } };

#define AT(member) offsetof(elementwise_attrs, member)
static const attr_spec broadcasting[] = { { "axis", ATTR_INT, AT(axis), .i = NO_AXIS, .until = 7 },
					  { "broadcast", ATTR_BOOL, AT(broadcast), .until = 7 },
					  { "consumed_inputs", ATTR_INTS, AT(unused), .until = 6 },
					  { 0 } };
static const attr_spec consumed[] = { { "consumed_inputs", ATTR_INTS, AT(unused), .until = 6 }, { 0 } };
static const attr_spec mod_attrs[] = { { "fmod", ATTR_BOOL, AT(truncated) }, { 0 } };
static const char *const directions[] = { "LEFT", "RIGHT", NULL };
static const attr_spec shift_attrs[] = {
	{ "direction", ATTR_ENUM, AT(right), .names = directions, .required = true }, { 0 }
};
static const attr_spec none[] = { { 0 } };

#define BINARY(symbol, onnx, number, since, spec)                                                            \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = since,                                                          \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(elementwise_attrs),                                   \
				 .min_in = 2,                                                                \
				 .max_in = 2,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_ANY,                                                           \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .family = number }

BINARY(add, "Add", SCALAR_ADD, arithmetic, broadcasting);
BINARY(and, "And", SCALAR_AND, logic, broadcasting);
BINARY(bit_shift, "BitShift", SCALAR_BIT_SHIFT, shift_11, shift_attrs);
BINARY(bitwise_and, "BitwiseAnd", SCALAR_BITWISE_AND, bitwise_18, none);
BINARY(bitwise_or, "BitwiseOr", SCALAR_BITWISE_OR, bitwise_18, none);
BINARY(bitwise_xor, "BitwiseXor", SCALAR_BITWISE_XOR, bitwise_18, none);
BINARY(div, "Div", SCALAR_DIV, arithmetic, broadcasting);
BINARY(equal, "Equal", SCALAR_EQUAL, equal_1, broadcasting);
BINARY(greater, "Greater", SCALAR_GREATER, order_1, broadcasting);
BINARY(greater_or_equal, "GreaterOrEqual", SCALAR_GREATER_OR_EQUAL, order_12, none);
BINARY(less, "Less", SCALAR_LESS, order_1, broadcasting);
BINARY(less_or_equal, "LessOrEqual", SCALAR_LESS_OR_EQUAL, order_12, none);
BINARY(mod, "Mod", SCALAR_MOD, mod_10, mod_attrs);
BINARY(mul, "Mul", SCALAR_MUL, arithmetic, broadcasting);
BINARY(or, "Or", SCALAR_OR, logic, broadcasting);
BINARY(pow, "Pow", SCALAR_POW, pow_1, broadcasting);
BINARY(prelu, "PRelu", SCALAR_PRELU, prelu_1, consumed);
BINARY(sub, "Sub", SCALAR_SUB, arithmetic, broadcasting);
BINARY(xor, "Xor", SCALAR_XOR, logic, broadcasting);
