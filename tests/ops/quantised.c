#include <criterion/criterion.h>

#include "harness.h"

#define U8 CLAST_UINT8
#define I8 CLAST_INT8
#define F CLAST_FLOAT32

/* Padding counts as the zero point, so it adds nothing. */
Test(conv_integer, subtracts_zero_points)
{
	op_case *c = case_new("ConvInteger", 10);
	case_ints(c, "pads", INTS(1, 1));
	case_in(c, U8, INTS(1, 1, 3), REALS(11, 12, 255));
	case_in(c, I8, INTS(2, 1, 3), REALS(1, 2, 3, -128, 0, 127));
	case_in(c, U8, NONE, REALS(10));
	case_in(c, I8, INTS(2), REALS(1, 0));
	case_out(c, CLAST_INT32, INTS(1, 2, 3), REALS(5, 492, 245, 254, 30987, -256));
	case_complete(c);
	case_run(c);
}

Test(conv_integer, refuses_what_does_not_fit)
{
	op_case *c = case_new("ConvInteger", 10);
	case_random(c, U8, INTS(1, 1, 3), 0, 9);
	case_random(c, U8, INTS(2, 1, 3), 0, 9);
	case_absent(c);
	case_random(c, U8, INTS(3), 0, 9);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 3: expected 1 or 2 elements, found 3");
	c = case_new("ConvInteger", 10);
	case_random(c, U8, INTS(1, 1, 3), 0, 9);
	case_random(c, U8, INTS(2, 1, 3), 0, 9);
	case_random(c, I8, NONE, 0, 9);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "one dtype");
}

static op_case *qlinear_conv(size_t n, const double *w_scales)
{
	op_case *c = case_new("QLinearConv", 10);
	case_in(c, U8, INTS(1, 1, 2), REALS(11, 13));
	case_in(c, F, NONE, REALS(0.5));
	case_in(c, U8, NONE, REALS(10));
	case_in(c, I8, INTS(2, 1, 1), REALS(3, -5));
	case_in(c, F, INTS((int64_t)n), n, w_scales);
	case_in(c, I8, INTS(1), REALS(0));
	case_in(c, F, NONE, REALS(1));
	return c;
}

/* 1.5 and -2.5 round to 2 and -2, which the zero point then moves; what is out of range saturates. */
Test(qlinear_conv, rounds_half_to_even_and_saturates)
{
	op_case *c = qlinear_conv(2, (double[]){ 1, 1 });
	case_in(c, I8, NONE, REALS(1));
	case_out(c, I8, INTS(1, 2, 2), REALS(3, 5, -1, -7));
	case_complete(c);
	case_run(c);
	c = qlinear_conv(1, (double[]){ 100 });
	case_in(c, U8, NONE, REALS(7));
	case_in(c, CLAST_INT32, INTS(2), REALS(-3, 5));
	case_out(c, U8, INTS(1, 2, 2), REALS(7, 255, 7, 0));
	case_run(c);
}

Test(matmul_integer, zero_points_of_rows_and_columns)
{
	op_case *c = case_new("MatMulInteger", 10);
	case_in(c, U8, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, I8, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, U8, INTS(2), REALS(1, 2));
	case_in(c, I8, INTS(2), REALS(1, 2));
	case_out(c, CLAST_INT32, INTS(2, 2), REALS(2, 2, 4, 4));
	case_complete(c);
	case_run(c);
	c = case_new("MatMulInteger", 10); /* the same, for each matrix of a batch */
	case_in(c, U8, INTS(2, 1, 2), REALS(1, 2, 3, 4));
	case_in(c, I8, INTS(2, 2, 1), REALS(1, 2, 3, 4));
	case_in(c, U8, INTS(2, 1, 1), REALS(1, 2));
	case_in(c, I8, INTS(2, 1, 1), REALS(1, 3));
	case_out(c, CLAST_INT32, INTS(2, 1, 1), REALS(1, 2));
	case_complete(c);
	case_run(c);
	c = case_new("MatMulInteger", 10);
	case_random(c, U8, INTS(2, 3), 0, 9);
	case_random(c, U8, INTS(3, 4), 0, 9);
	case_random(c, U8, INTS(3), 0, 9);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 2");
}

Test(qlinear_matmul, scales_of_rows_and_columns)
{
	op_case *c = case_new("QLinearMatMul", 10);
	case_in(c, U8, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(2), REALS(1, 2));
	case_in(c, U8, INTS(2), REALS(0, 0));
	case_in(c, I8, INTS(2, 2), REALS(1, -1, 1, -1));
	case_in(c, F, INTS(2), REALS(1, 10));
	case_in(c, I8, INTS(2), REALS(0, 0));
	case_in(c, F, NONE, REALS(2));
	case_in(c, I8, NONE, REALS(5));
	case_out(c, I8, INTS(2, 2), REALS(7, -10, 12, -65));
	case_complete(c);
	case_run(c);
}

Test(qlinear_matmul, small_floats)
{
	op_case *c = case_new("QLinearMatMul", 21);
	case_in(c, CLAST_FLOAT8E4M3FN, INTS(1, 2), REALS(1, 2));
	case_in(c, CLAST_FLOAT16, NONE, REALS(0.5));
	case_in(c, CLAST_FLOAT8E4M3FN, NONE, REALS(0));
	case_in(c, CLAST_FLOAT8E4M3FN, INTS(2, 1), REALS(3, 4));
	case_in(c, CLAST_FLOAT16, NONE, REALS(1));
	case_in(c, CLAST_FLOAT8E4M3FN, NONE, REALS(0));
	case_in(c, CLAST_FLOAT16, NONE, REALS(1));
	case_in(c, CLAST_FLOAT8E4M3FN, NONE, REALS(0));
	case_out(c, CLAST_FLOAT8E4M3FN, INTS(1, 1), REALS(5.5));
	case_run(c);
}
