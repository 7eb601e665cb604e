#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define NAN_ ((double)NAN)
#define INF ((double)INFINITY)

static const char *const names[] = { "ReduceL1",  "ReduceL2",       "ReduceLogSum", "ReduceLogSumExp",
				     "ReduceMax", "ReduceMean",     "ReduceMin",    "ReduceProd",
				     "ReduceSum", "ReduceSumSquare" };

static double expected(const char *name, double a, double b)
{
	if (!strcmp(name, "ReduceL1"))
		return fabs(a) + fabs(b);
	if (!strcmp(name, "ReduceL2"))
		return hypot(a, b);
	if (!strcmp(name, "ReduceLogSum"))
		return log(a + b);
	if (!strcmp(name, "ReduceLogSumExp"))
		return log(exp(a) + exp(b));
	if (!strcmp(name, "ReduceMax"))
		return fmax(a, b);
	if (!strcmp(name, "ReduceMean"))
		return (a + b) / 2;
	if (!strcmp(name, "ReduceMin"))
		return fmin(a, b);
	if (!strcmp(name, "ReduceProd"))
		return a * b;
	return !strcmp(name, "ReduceSum") ? a + b : a * a + b * b;
}

Test(reduce, one_axis_of_three_as_attribute_and_as_input)
{
	for (int i = 0; i < 10; i++)
		for (int input = 0; input < 2; input++) {
			op_case *c = case_new(names[i], input ? 18 : 11);
			if (!input)
				case_ints(c, "axes", INTS(1));
			case_in(c, F, INTS(2, 2, 2), REALS(1, 2, 3, 4, 5, 6, 7, -5));
			if (input)
				case_in(c, CLAST_INT64, INTS(1), REALS(-2));
			case_out(c, F, INTS(2, 1, 2), 4,
				 (double[]){ expected(names[i], 1, 3), expected(names[i], 2, 4),
					     expected(names[i], 5, 7), expected(names[i], 6, -5) });
			case_complete(c);
			case_run(c);
		}
}

Test(reduce, keepdims_and_several_axes)
{
	for (int keep = 0; keep < 2; keep++) {
		op_case *c = case_new("ReduceSum", 13);
		case_int(c, "keepdims", keep);
		case_random(c, F, INTS(2, 3, 4, 5), -1, 1);
		case_in(c, CLAST_INT64, INTS(2), REALS(3, 1));
		case_out(c, F, keep ? 4 : 2, keep ? (int64_t[]){ 2, 1, 4, 1 } : (int64_t[]){ 2, 4 }, NONE);
		case_complete(c);
		case_run(c);
	}
}

Test(reduce, no_axes_are_all_axes_unless_told_otherwise)
{
	for (int noop = 0; noop < 2; noop++)
		for (int empty = 0; empty < 2; empty++) {
			op_case *c = case_new("ReduceSumSquare", 18);
			case_int(c, "noop_with_empty_axes", noop);
			case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
			if (empty)
				case_in(c, CLAST_INT64, INTS(0), NONE);
			if (noop)
				case_out(c, F, INTS(2, 2), REALS(1, 4, 9, 16));
			else
				case_out(c, F, INTS(1, 1), REALS(30));
			case_complete(c);
			case_run(c);
		}
}

Test(reduce, of_nothing)
{
	static const double neutral[] = { 0, 0, -INFINITY, -INFINITY, -INFINITY, NAN, INFINITY, 1, 0, 0 };
	for (int i = 0; i < 10; i++) {
		op_case *c = case_new(names[i], 18);
		case_in(c, F, INTS(2, 0), NONE);
		case_in(c, CLAST_INT64, INTS(1), REALS(1));
		case_out(c, F, INTS(2, 1), REALS(neutral[i], neutral[i]));
		case_run(c);
	}
	op_case *c = case_new("ReduceMin", 20);
	case_int(c, "keepdims", 0);
	case_in(c, CLAST_UINT64, INTS(0), NONE);
	case_out_ints(c, CLAST_UINT64, NONE, INTS(-1));
	case_run(c);
}

Test(reduce, a_scalar)
{
	op_case *c = case_new("ReduceLogSumExp", 18);
	case_in(c, F, NONE, REALS(3));
	case_out(c, F, NONE, REALS(3));
	case_complete(c);
	case_run(c);
}

Test(reduce, integers_exactly)
{
	op_case *c = case_new("ReduceSum", 13);
	case_int(c, "keepdims", 0);
	case_in_ints(c, CLAST_INT64, INTS(3), INTS((INT64_C(1) << 53) + 1, 1, -1));
	case_out_ints(c, CLAST_INT64, NONE, INTS((INT64_C(1) << 53) + 1));
	case_run(c);
	c = case_new("ReduceMean", 18);
	case_int(c, "keepdims", 0);
	case_in_ints(c, CLAST_INT32, INTS(2), INTS(-3, -4));
	case_out_ints(c, CLAST_INT32, NONE, INTS(-3));
	case_run(c);
	c = case_new("ReduceMax", 18);
	case_int(c, "keepdims", 0);
	case_in_ints(c, CLAST_UINT64, INTS(2), INTS(3, -4));
	case_out_ints(c, CLAST_UINT64, NONE, INTS(-4));
	case_run(c);
	c = case_new("ReduceMax", 20);
	case_in(c, CLAST_BOOL, INTS(2, 2), REALS(0, 1, 0, 0));
	case_in(c, CLAST_INT64, INTS(1), REALS(1));
	case_out(c, CLAST_BOOL, INTS(2, 1), REALS(1, 0));
	case_run(c);
}

Test(reduce, log_sum_exp_does_not_overflow)
{
	op_case *c = case_new("ReduceLogSumExp", 18);
	case_in(c, F, INTS(3, 2), REALS(1000, 1000, -INF, -INF, INF, 1));
	case_in(c, CLAST_INT64, INTS(1), REALS(1));
	case_out(c, F, INTS(3, 1), REALS(1000 + log(2), -INF, INF));
	case_run(c);
}

Test(reduce, nan_wins)
{
	op_case *c = case_new("ReduceMax", 18);
	case_in(c, F, INTS(2, 3), REALS(1, NAN_, 3, NAN_, 2, 1));
	case_in(c, CLAST_INT64, INTS(1), REALS(1));
	case_out(c, F, INTS(2, 1), REALS(NAN_, NAN_));
	case_run(c);
}

Test(reduce, bad_axes)
{
	op_case *c = case_new("ReduceSum", 13);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_in(c, CLAST_INT64, INTS(1), REALS(2));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axes");
	c = case_new("ReduceSum", 11);
	case_ints(c, "axes", INTS(0, -2));
	case_random(c, F, INTS(2, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "twice");
}

/* ---- ArgMax, ArgMin ---- */

static void arg(const char *name, int last, size_t n, const double *x, double index)
{
	const int64_t dims[] = { (int64_t)n, 1 };
	op_case *c = case_new(name, 13);
	case_int(c, "select_last_index", last);
	case_in(c, F, 2, dims, n, x);
	case_out(c, CLAST_INT64, INTS(1, 1), 1, &index);
	case_complete(c);
	case_run(c);
}

Test(reduce, index_of_the_extreme)
{
	arg("ArgMax", 0, REALS(1, 3, 2, 3), 1);
	arg("ArgMax", 1, REALS(1, 3, 2, 3), 3);
	arg("ArgMin", 0, REALS(2, 1, 1, 3), 1);
	arg("ArgMin", 1, REALS(2, 1, 1, 3), 2);
	arg("ArgMax", 0, REALS(1, NAN_, 2, NAN_), 1);
	arg("ArgMin", 1, REALS(1, NAN_, 2, NAN_), 3);
}

Test(reduce, index_along_a_middle_axis)
{
	for (int keep = 0; keep < 2; keep++) {
		op_case *c = case_new("ArgMax", 11);
		case_int(c, "axis", -2);
		case_int(c, "keepdims", keep);
		case_in(c, CLAST_UINT8, INTS(1, 3, 2), REALS(1, 200, 3, 2, 2, 9));
		case_out(c, CLAST_INT64, keep ? 3 : 2, keep ? (int64_t[]){ 1, 1, 2 } : (int64_t[]){ 1, 2 },
			 REALS(1, 0));
		case_complete(c);
		case_run(c);
	}
	op_case *c = case_new("ArgMax", 13);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(2, 0), NONE);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "no element");
}

/* ---- Running sums ---- */

Test(reduce, running_sums_and_products)
{
	static const double sums[][4] = { { 1, 3, 6, 10 }, { 0, 1, 3, 6 }, { 10, 9, 7, 4 }, { 9, 7, 4, 0 } };
	static const double products[][4] = {
		{ 1, 2, 6, 24 }, { 1, 1, 2, 6 }, { 24, 24, 12, 4 }, { 24, 12, 4, 1 }
	};
	for (int mode = 0; mode < 4; mode++)
		for (int product = 0; product < 2; product++) {
			op_case *c = case_new(product ? "CumProd" : "CumSum", product ? 26 : 14);
			case_int(c, "exclusive", mode & 1);
			case_int(c, "reverse", mode >> 1);
			case_in(c, mode & 1 ? CLAST_INT32 : F, INTS(1, 4, 1), REALS(1, 2, 3, 4));
			case_in(c, CLAST_INT32, NONE, REALS(-2));
			case_out(c, mode & 1 ? CLAST_INT32 : F, INTS(1, 4, 1), 4,
				 product ? products[mode] : sums[mode]);
			case_complete(c);
			case_run(c);
		}
	op_case *c = case_new("CumSum", 14);
	case_random(c, F, INTS(2), 0, 1);
	case_in(c, CLAST_INT64, NONE, REALS(1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis");
}

/* ---- Softmax ---- */

Test(softmax, over_one_axis_or_over_all_from_one_on)
{
	const double e = exp(1) + 1;
	op_case *c = case_new("Softmax", 13);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(1, 2, 2), REALS(1, 0, 0, 1));
	case_out(c, F, INTS(1, 2, 2), REALS(exp(1) / e, 1 / e, 1 / e, exp(1) / e));
	case_complete(c);
	case_run(c);
	c = case_new("Softmax", 11);
	case_in(c, F, INTS(1, 2, 2), REALS(1, 0, 0, 1));
	case_out(c, F, INTS(1, 2, 2), REALS(exp(1) / e / 2, 1 / e / 2, 1 / e / 2, exp(1) / e / 2));
	case_complete(c);
	case_run(c);
	c = case_new("LogSoftmax", 13);
	case_in(c, F, INTS(2, 2), REALS(1000, 1000, 0, -1000));
	case_out(c, F, INTS(2, 2), REALS(-log(2), -log(2), 0, -1000));
	case_run(c);
	c = case_new("Softmax", 1);
	case_int(c, "axis", 2);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_out(c, F, INTS(2, 2), REALS(1, 1, 1, 1));
	case_run(c);
}

Test(softmax, hardmax_takes_the_first)
{
	op_case *c = case_new("Hardmax", 13);
	case_in(c, F, INTS(3, 3), REALS(1, 3, 3, NAN_, 1, NAN_, 2, NAN_, INF));
	case_out(c, F, INTS(3, 3), REALS(0, 1, 0, 1, 0, 0, 0, 1, 0));
	case_run(c);
	c = case_new("Hardmax", 11);
	case_in(c, F, INTS(1, 2, 2), REALS(1, 3, 3, 2));
	case_out(c, F, INTS(1, 2, 2), REALS(0, 1, 0, 0));
	case_run(c);
}

Test(softmax, empty_and_bad_axis)
{
	op_case *c = case_new("Softmax", 13);
	case_in(c, F, INTS(2, 0), NONE);
	case_out(c, F, INTS(2, 0), NONE);
	case_run(c);
	c = case_new("Softmax", 13);
	case_int(c, "axis", 2);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis");
}
