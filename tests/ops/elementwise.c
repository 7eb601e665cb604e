#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "elementwise.h"
#include "harness.h"

#define F CLAST_FLOAT32
#define NAN_ ((double)NAN)
#define INF ((double)INFINITY)

static const clast_dtype all_dtypes[] = { CLAST_FLOAT32, CLAST_FLOAT64, CLAST_FLOAT16, CLAST_BFLOAT16,
					  CLAST_INT8,    CLAST_INT16,   CLAST_INT32,   CLAST_INT64,
					  CLAST_UINT8,   CLAST_UINT16,  CLAST_UINT32,  CLAST_UINT64,
					  CLAST_BOOL };

/* Every operator of the families at every version and dtype it allows, in every order, with symbols. */
static void run_everywhere(const op *o, size_t inputs)
{
	for (const op_version *v = o->versions; v->since; v++)
		for (size_t i = 0; i < sizeof all_dtypes / sizeof *all_dtypes; i++) {
			const clast_dtype t = all_dtypes[i];
			/* Before opset 15 bfloat16 is a base of Pow but no exponent. */
			if (o->family == SCALAR_POW && v->since == 13 && t == CLAST_BFLOAT16)
				continue;
			if (!dtype_in(t, v->dtypes) ||
			    (o->family == SCALAR_MOD && v->since < 28 && dtype_is_float(t)))
				continue;
			op_case *c = case_new(o->name, v->since);
			if (o->family == SCALAR_BIT_SHIFT)
				case_string(c, "direction", "LEFT");
			for (size_t k = 0; k < inputs; k++)
				case_random(c, t, INTS(2, 3, 4),
					    dtype_is_signed(t) && t != CLAST_BOOL && !k ? -3 : 1,
					    t == CLAST_BOOL ? 1 : 3);
			const bool predicate = o->family == SCALAR_IS_INF || o->family == SCALAR_IS_NAN;
			const bool comparison =
				o->family >= SCALAR_EQUAL && o->family <= SCALAR_LESS_OR_EQUAL;
			case_out(c, predicate || comparison ? CLAST_BOOL : t, INTS(2, 3, 4), NONE);
			case_complete(c);
			case_run(c);
		}
}

Test(elementwise, every_operator_at_every_version_and_dtype)
{
	size_t unary = 0, binary = 0;
	for (size_t i = 0; i < op_count(); i++) {
		const op *o = op_at(i);
		if (!strcmp(o->domain, "") && o->rule == RULE_ANY && o->family >= SCALAR_ABS &&
		    o->family <= SCALAR_THRESHOLDED_RELU) {
			run_everywhere(o, 1);
			unary++;
		} else if (!strcmp(o->domain, "") && o->rule == RULE_ANY && o->family >= SCALAR_ADD &&
			   o->family <= SCALAR_SUM) {
			run_everywhere(o, 2);
			binary++;
		}
	}
	cr_assert_eq(unary, 42);
	cr_assert_eq(binary, 23);
}

static void unary(const char *name, int64_t opset, size_t n, const double *x, const double *y)
{
	const int64_t dims = (int64_t)n;
	op_case *c = case_new(name, opset);
	case_in(c, F, 1, &dims, n, x);
	case_out(c, F, 1, &dims, n, y);
	case_complete(c);
	case_run(c);
}

#define UNARY(name, opset, x, y) unary(name, opset, sizeof(x) / sizeof *(x), x, y)

Test(elementwise, special_values_of_mathematics)
{
	const double x[] = { NAN_, INF, -INF, 0, -1, 0.5 };
	UNARY("Abs", 13, x, ((double[]){ NAN_, INF, INF, 0, 1, 0.5 }));
	UNARY("Neg", 13, x, ((double[]){ NAN_, -INF, INF, 0, 1, -0.5 }));
	UNARY("Exp", 13, x, ((double[]){ NAN_, INF, 0, 1, exp(-1), exp(0.5) }));
	UNARY("Log", 13, x, ((double[]){ NAN_, INF, NAN_, -INF, NAN_, log(0.5) }));
	UNARY("Sqrt", 13, x, ((double[]){ NAN_, INF, NAN_, 0, NAN_, sqrt(0.5) }));
	UNARY("Reciprocal", 13, x, ((double[]){ NAN_, 0, 0, INF, -1, 2 }));
	UNARY("Sign", 13, x, ((double[]){ NAN_, 1, -1, 0, -1, 1 }));
	UNARY("Erf", 13, x, ((double[]){ NAN_, 1, -1, 0, erf(-1), erf(0.5) }));
	UNARY("Tanh", 13, x, ((double[]){ NAN_, 1, -1, 0, tanh(-1), tanh(0.5) }));
	UNARY("Acosh", 22, x, ((double[]){ NAN_, INF, NAN_, NAN_, NAN_, NAN_ }));
	UNARY("Atanh", 22, x, ((double[]){ NAN_, NAN_, NAN_, 0, -INF, atanh(0.5) }));
}

Test(elementwise, rounding)
{
	const double x[] = { -2.5, -1.5, -0.2, 0.5, 1.5, 2.5, 2.7 };
	UNARY("Round", 11, x, ((double[]){ -2, -2, 0, 0, 2, 2, 3 }));
	UNARY("Floor", 13, x, ((double[]){ -3, -2, -1, 0, 1, 2, 2 }));
	UNARY("Ceil", 13, x, ((double[]){ -2, -1, 0, 1, 2, 3, 3 }));
}

Test(elementwise, activations_pass_nan_on_and_saturate)
{
	const double x[] = { NAN_, INF, -INF, 0, 2, -2 };
	UNARY("Relu", 14, x, ((double[]){ NAN_, INF, 0, 0, 2, 0 }));
	UNARY("LeakyRelu", 16, x, ((double[]){ NAN_, INF, -INF, 0, 2, -0.02 }));
	UNARY("Elu", 22, x, ((double[]){ NAN_, INF, -1, 0, 2, expm1(-2) }));
	UNARY("Celu", 12, x, ((double[]){ NAN_, INF, -1, 0, 2, expm1(-2) }));
	UNARY("Selu", 22, x,
	      ((double[]){ NAN_, INF, -1.0507010221481323 * 1.6732631921768188, 0, 2 * 1.0507010221481323,
			   1.0507010221481323 * 1.6732631921768188 * expm1(-2) }));
	UNARY("Sigmoid", 13, x, ((double[]){ NAN_, 1, 0, 0.5, 1 / (1 + exp(-2)), 1 / (1 + exp(2)) }));
	UNARY("HardSigmoid", 22, x, ((double[]){ NAN_, 1, 0, 0.5, 0.9, 0.1 }));
	UNARY("HardSwish", 22, ((double[]){ NAN_, 4, -4, 0, 1, -1 }),
	      ((double[]){ NAN_, 4, 0, 0, 4.0 / 6, -2.0 / 6 }));
	UNARY("Softplus", 22, x, ((double[]){ NAN_, INF, 0, log(2), log1p(exp(2)), log1p(exp(-2)) }));
	UNARY("Softsign", 22, ((double[]){ NAN_, 1, -3, 0 }), ((double[]){ NAN_, 0.5, -0.75, 0 }));
	UNARY("ThresholdedRelu", 22, x, ((double[]){ 0, INF, 0, 0, 2, 0 }));
	UNARY("Shrink", 9, ((double[]){ 0, 1, -2, 0.5 }), ((double[]){ 0, 1, -2, 0 }));
	UNARY("Mish", 22, ((double[]){ NAN_, 0, 2, 1000 }),
	      ((double[]){ NAN_, 0, 2 * tanh(log1p(exp(2))), 1000 }));
	UNARY("Swish", 24, ((double[]){ NAN_, 0, 2 }), ((double[]){ NAN_, 0, 2 / (1 + exp(-2)) }));
	UNARY("Gelu", 20, ((double[]){ NAN_, 0, 2, -1 }),
	      ((double[]){ NAN_, 0, 1 + erf(sqrt(2)), -0.5 * (1 - erf(sqrt(0.5))) }));
}

Test(elementwise, old_selu_has_shorter_constants)
{
	op_case *c = case_new("Selu", 1);
	case_in(c, CLAST_FLOAT64, INTS(2), REALS(1, -INF));
	case_out(c, CLAST_FLOAT64, INTS(2), REALS((double)1.0507f, -(double)1.0507f * (double)1.6732f));
	case_tolerance(c, 1e-12, 0);
	case_run(c);
}

Test(elementwise, gelu_tanh_approximation)
{
	op_case *c = case_new("Gelu", 20);
	case_string(c, "approximate", "tanh");
	case_in(c, CLAST_FLOAT64, INTS(1), REALS(0.7));
	case_out(c, CLAST_FLOAT64, INTS(1),
		 REALS(0.35 * (1 + tanh(sqrt(2 / M_PI) * (0.7 + 0.044715 * 0.7 * 0.7 * 0.7)))));
	case_tolerance(c, 1e-12, 0);
	case_run(c);
}

Test(elementwise, infinities_by_sign)
{
	op_case *c = case_new("IsInf", 10);
	case_int(c, "detect_negative", 0);
	case_in(c, F, INTS(4), REALS(INF, -INF, NAN_, 1));
	case_out(c, CLAST_BOOL, INTS(4), REALS(1, 0, 0, 0));
	case_run(c);
}

Test(elementwise, integers_wrap_and_unsigned_ones_have_no_sign)
{
	op_case *c = case_new("Abs", 13);
	case_in_ints(c, CLAST_INT64, INTS(3), INTS(INT64_MIN, -7, 7));
	case_out_ints(c, CLAST_INT64, INTS(3), INTS(INT64_MIN, 7, 7));
	case_run(c);
	c = case_new("Sign", 13);
	case_in_ints(c, CLAST_UINT64, INTS(3), INTS(-1, 0, 5));
	case_out_ints(c, CLAST_UINT64, INTS(3), INTS(1, 0, 1));
	case_run(c);
	c = case_new("BitwiseNot", 18);
	case_in_ints(c, CLAST_UINT8, INTS(2), INTS(0, 0x5a));
	case_out_ints(c, CLAST_UINT8, INTS(2), INTS(0xff, 0xa5));
	case_run(c);
}

/* ---- Two operands ---- */

static void integers(const char *name, int64_t opset, clast_dtype t, clast_dtype result, size_t n,
		     const int64_t *a, const int64_t *b, const int64_t *y)
{
	const int64_t dims = (int64_t)n;
	op_case *c = case_new(name, opset);
	case_in_ints(c, t, 1, &dims, n, a);
	case_in_ints(c, t, 1, &dims, n, b);
	case_out_ints(c, result, 1, &dims, n, y);
	case_complete(c);
	case_run(c);
}

#define INTEGERS(name, opset, t, result, a, b, y)                                                            \
	integers(name, opset, t, result, sizeof(a) / sizeof *(a), a, b, y)

Test(elementwise, integer_arithmetic)
{
	const int64_t a[] = { 7, -7, 7, -7, INT64_MIN }, b[] = { 2, 2, -2, -2, -1 };
	INTEGERS("Div", 14, CLAST_INT64, CLAST_INT64, a, b, ((int64_t[]){ 3, -3, -3, 3, INT64_MIN }));
	INTEGERS("Mod", 13, CLAST_INT64, CLAST_INT64, a, b, ((int64_t[]){ 1, 1, -1, -1, 0 }));
	INTEGERS("Add", 14, CLAST_INT8, CLAST_INT8, ((int64_t[]){ 127, -128 }), ((int64_t[]){ 1, -1 }),
		 ((int64_t[]){ -128, 127 }));
	INTEGERS("Mul", 14, CLAST_UINT8, CLAST_UINT8, ((int64_t[]){ 16, 255 }), ((int64_t[]){ 17, 255 }),
		 ((int64_t[]){ 16, 1 }));
	INTEGERS("Div", 14, CLAST_UINT64, CLAST_UINT64, ((int64_t[]){ -1 }), ((int64_t[]){ 2 }),
		 ((int64_t[]){ INT64_MAX }));
	INTEGERS("Max", 13, CLAST_UINT64, CLAST_UINT64, ((int64_t[]){ -1, 3 }), ((int64_t[]){ 2, 4 }),
		 ((int64_t[]){ -1, 4 }));
	INTEGERS("Less", 13, CLAST_UINT64, CLAST_BOOL, ((int64_t[]){ -1, 3 }), ((int64_t[]){ 2, 4 }),
		 ((int64_t[]){ 0, 1 }));
	INTEGERS("Less", 13, CLAST_INT64, CLAST_BOOL, ((int64_t[]){ -1, 3 }), ((int64_t[]){ 2, 3 }),
		 ((int64_t[]){ 1, 0 }));
	INTEGERS("Pow", 15, CLAST_INT64, CLAST_INT64, ((int64_t[]){ 3, -2, 2, -1 }),
		 ((int64_t[]){ 4, 3, -1, -3 }), ((int64_t[]){ 81, -8, 0, -1 }));
}

Test(elementwise, integer_arithmetic_without_a_result_is_an_error_of_the_data)
{
	const char *const names[] = { "Div", "Mod" };
	for (int i = 0; i < 2; i++) {
		op_case *c = case_new(names[i], 14);
		case_in_ints(c, CLAST_INT32, INTS(2), INTS(1, 2));
		case_in_ints(c, CLAST_INT32, INTS(2), INTS(1, 0));
		case_out(c, CLAST_UNDEFINED, NONE, NONE);
		case_fails(c, CLAST_ERROR_DATA, "zero");
	}
	op_case *c = case_new("Pow", 15);
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(0));
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(-1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "power");
}

Test(elementwise, shifts_by_the_width_or_more)
{
	for (int right = 0; right < 2; right++) {
		op_case *c = case_new("BitShift", 28);
		case_string(c, "direction", right ? "RIGHT" : "LEFT");
		case_in_ints(c, CLAST_INT8, INTS(5), INTS(-8, -8, -8, 8, 64));
		case_in_ints(c, CLAST_INT8, INTS(5), INTS(1, 8, -1, 9, 1));
		if (right)
			case_out_ints(c, CLAST_INT8, INTS(5), INTS(-4, -1, -1, 0, 32));
		else
			case_out_ints(c, CLAST_INT8, INTS(5), INTS(-16, 0, 0, 0, -128));
		case_run(c);
	}
}

Test(elementwise, remainders_of_reals)
{
	op_case *c = case_new("Mod", 28);
	case_in(c, F, INTS(7), REALS(-4.3, 7.2, 5, -5, INF, 3, 1));
	case_in(c, F, INTS(7), REALS(2.1, -3.4, INF, INF, 2, 0, -INF));
	case_out(c, F, INTS(7), REALS(2 * 2.1 - 4.3 + 2.1, 7.2 - 3 * 3.4, 5, INF, NAN_, NAN_, -INF));
	case_run(c);
	c = case_new("Mod", 13);
	case_int(c, "fmod", 1);
	case_in(c, F, INTS(3), REALS(-4.3, 7.2, 5));
	case_in(c, F, INTS(3), REALS(2.1, -3.4, 8));
	case_out(c, F, INTS(3), REALS(-0.1, 0.4, 5));
	case_run(c);
	c = case_new("Mod", 13);
	case_in(c, F, INTS(1), REALS(1));
	case_in(c, F, INTS(1), REALS(1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "fmod");
}

Test(elementwise, power_of_mixed_dtypes)
{
	op_case *c = case_new("Pow", 15);
	case_in(c, CLAST_INT32, INTS(3), REALS(2, 3, 10));
	case_in(c, F, INTS(3), REALS(0.5, 2, -1));
	case_out(c, CLAST_INT32, INTS(3), REALS(1, 9, 0));
	case_run(c);
	c = case_new("Pow", 12);
	case_in(c, F, INTS(3), REALS(2, -3, 10));
	case_in(c, CLAST_INT64, INTS(3), REALS(3, 2, -1));
	case_out(c, F, INTS(3), REALS(8, 9, 0.1));
	case_run(c);
}

Test(elementwise, extremes_let_nan_win)
{
	for (int max = 0; max < 2; max++) {
		op_case *c = case_new(max ? "Max" : "Min", 13);
		case_in(c, F, INTS(3), REALS(1, NAN_, 3));
		case_in(c, F, INTS(3), REALS(2, 2, NAN_));
		case_in(c, F, INTS(1), REALS(1.5));
		case_out(c, F, INTS(3), REALS(max ? 2 : 1, NAN_, NAN_));
		case_run(c);
	}
}

Test(elementwise, both_operands_broadcast)
{
	op_case *c = case_new("Sub", 14);
	case_in(c, F, INTS(2, 1, 3), REALS(1, 2, 3, 4, 5, 6));
	case_in(c, F, INTS(2, 1), REALS(10, 20));
	case_out(c, F, INTS(2, 2, 3), REALS(-9, -8, -7, -19, -18, -17, -6, -5, -4, -16, -15, -14));
	case_run(c);
	c = case_new("Add", 14);
	case_in(c, F, NONE, REALS(1));
	case_in(c, F, INTS(0, 3), NONE);
	case_out(c, F, INTS(0, 3), NONE);
	case_run(c);
	c = case_new("Mean", 13);
	case_in(c, F, INTS(2, 1), REALS(1, 2));
	case_in(c, F, INTS(3), REALS(1, 2, 3));
	case_in(c, F, NONE, REALS(4));
	case_out(c, F, INTS(2, 3), REALS(2, 7.0 / 3, 8.0 / 3, 7.0 / 3, 8.0 / 3, 3));
	case_run(c);
}

Test(elementwise, shapes_that_do_not_broadcast)
{
	op_case *c = case_new("Add", 14);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(2, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "broadcast");
	c = case_new("Add", 14);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, CLAST_INT32, INTS(2, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "dtype");
}

Test(elementwise, operands_aligned_at_an_axis_before_opset_7)
{
	op_case *c = case_new("Add", 6);
	case_int(c, "broadcast", 1);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(2, 3, 2), REALS(0, 0, 0, 0, 0, 0, 100, 100, 100, 100, 100, 100));
	case_in(c, F, INTS(3), REALS(1, 2, 3));
	case_out(c, F, INTS(2, 3, 2), REALS(1, 1, 2, 2, 3, 3, 101, 101, 102, 102, 103, 103));
	case_complete(c);
	case_run(c);
	c = case_new("Mul", 6);
	case_int(c, "broadcast", 1);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 1), REALS(3));
	case_out(c, F, INTS(2, 2), REALS(3, 6, 9, 12));
	case_run(c);
	c = case_new("Add", 6);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "broadcast");
	c = case_new("Add", 6);
	case_int(c, "broadcast", 1);
	case_int(c, "axis", 2);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	case_random(c, F, INTS(3, 4), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "broadcast");
}

Test(elementwise, prelu_slopes)
{
	op_case *c = case_new("PRelu", 16);
	case_in(c, F, INTS(1, 2, 2), REALS(-1, 1, -2, NAN_));
	case_in(c, F, INTS(2, 1), REALS(0.5, 0.25));
	case_out(c, F, INTS(1, 2, 2), REALS(-0.5, 1, -0.5, NAN_));
	case_run(c);
	c = case_new("PRelu", 6);
	case_in(c, F, INTS(1, 2, 2), REALS(-1, 1, -2, 2));
	case_in(c, F, INTS(2), REALS(0.5, 0.25));
	case_out(c, F, INTS(1, 2, 2), REALS(-0.5, 1, -0.5, 2));
	case_run(c);
	c = case_new("PRelu", 16);
	case_random(c, F, INTS(3), 0, 1);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "one way");
}

Test(elementwise, equal_strings)
{
	op_case *c = case_new("Equal", 19);
	case_in_strings(c, INTS(2, 2), 4, (const char *const[]){ "a", "bc", "", "x" });
	case_in_strings(c, INTS(2), 2, (const char *const[]){ "a", "b" });
	case_out(c, CLAST_BOOL, INTS(2, 2), REALS(1, 0, 0, 0));
	case_run(c);
}

Test(elementwise, clip_bounds)
{
	op_case *c = case_new("Clip", 13);
	case_in(c, F, INTS(5), REALS(-2, 0, 2, NAN_, INF));
	case_in(c, F, NONE, REALS(-1));
	case_in(c, F, NONE, REALS(1));
	case_out(c, F, INTS(5), REALS(-1, 0, 1, NAN_, 1));
	case_complete(c);
	case_run(c);
	/* The upper bound wins. */
	c = case_new("Clip", 13);
	case_in(c, F, INTS(2), REALS(-2, 2));
	case_in(c, F, NONE, REALS(3));
	case_in(c, F, NONE, REALS(1));
	case_out(c, F, INTS(2), REALS(1, 1));
	case_run(c);
	c = case_new("Clip", 12);
	case_in_ints(c, CLAST_UINT64, INTS(3), INTS(1, 7, -1));
	case_absent(c);
	case_in_ints(c, CLAST_UINT64, NONE, INTS(5));
	case_out_ints(c, CLAST_UINT64, INTS(3), INTS(1, 5, 5));
	case_run(c);
	c = case_new("Clip", 6);
	case_float(c, "max", 6);
	case_in(c, F, INTS(3), REALS(-1, 3, 7));
	case_out(c, F, INTS(3), REALS(-1, 3, 6));
	case_run(c);
	c = case_new("Clip", 13);
	case_in(c, F, INTS(2), REALS(-2, 2));
	case_in(c, F, INTS(2), REALS(-2, 2));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "scalar");
}

Test(elementwise, where_broadcasts_all_three)
{
	op_case *c = case_new("Where", 16);
	case_in(c, CLAST_BOOL, INTS(2, 1), REALS(1, 0));
	case_in(c, F, INTS(3), REALS(1, 2, 3));
	case_in(c, F, NONE, REALS(9));
	case_out(c, F, INTS(2, 3), REALS(1, 2, 3, 9, 9, 9));
	case_run(c);
	c = case_new("Where", 9);
	case_in(c, CLAST_BOOL, INTS(2), REALS(1, 0));
	case_in_strings(c, INTS(2), 2, (const char *const[]){ "a", "b" });
	case_in_strings(c, INTS(2), 2, (const char *const[]){ "c", "d" });
	case_out_strings(c, INTS(2), 2, (const char *const[]){ "a", "d" });
	case_run(c);
}
