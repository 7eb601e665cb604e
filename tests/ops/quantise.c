/* Quantising operators. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define U8 CLAST_UINT8
#define I8 CLAST_INT8

Test(quantise, per_tensor_rounds_to_even_and_clamps)
{
	op_case *c = case_new("QuantizeLinear", 10);
	case_in(c, F, INTS(6), REALS(0, 1, 3, 1000, -1000, (double)NAN));
	case_in(c, F, NONE, REALS(2));
	case_in(c, U8, NONE, REALS(128));
	case_out(c, U8, INTS(6), REALS(128, 128, 130, 255, 0, 0));
	case_complete(c);
	case_run(c);
}

Test(quantise, per_axis_and_back)
{
	op_case *c = case_new("QuantizeLinear", 13);
	case_in(c, F, INTS(1, 3, 2), REALS(-162, 10, -100, 232, -20, -50));
	case_in(c, F, INTS(3), REALS(2, 4, 5));
	case_in(c, U8, INTS(3), REALS(84, 24, 196));
	case_out(c, U8, INTS(1, 3, 2), REALS(3, 89, 0, 82, 192, 186));
	case_complete(c);
	case_run(c);
	c = case_new("DequantizeLinear", 13);
	case_int(c, "axis", -2);
	case_in(c, U8, INTS(1, 3, 2), REALS(3, 89, 0, 82, 192, 186));
	case_in(c, F, INTS(3), REALS(2, 4, 5));
	case_in(c, U8, INTS(3), REALS(84, 24, 196));
	case_out(c, F, INTS(1, 3, 2), REALS(-162, 10, -96, 232, -20, -50));
	case_complete(c);
	case_run(c);
}

Test(quantise, blocks_of_which_the_last_is_short)
{
	op_case *c = case_new("DequantizeLinear", 21);
	case_int(c, "axis", 1);
	case_int(c, "block_size", 2);
	case_in(c, CLAST_INT4, INTS(2, 5, 1), REALS(1, 2, 3, 4, 5, -1, -2, -3, -4, -5));
	case_in(c, CLAST_FLOAT16, INTS(2, 3, 1), REALS(1, 10, 100, 2, 4, 8));
	case_in(c, CLAST_INT4, INTS(2, 3, 1), REALS(0, 1, 0, 0, 0, -1));
	case_out(c, CLAST_FLOAT16, INTS(2, 5, 1), REALS(1, 2, 20, 30, 500, -2, -4, -12, -16, -32));
	case_complete(c);
	case_run(c);
	c = case_new("QuantizeLinear", 21);
	case_int(c, "axis", -1);
	case_int(c, "block_size", 2);
	case_int(c, "output_dtype", CLAST_INT16);
	case_in(c, F, INTS(1, 4), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 2), REALS(0.5, 0.25));
	case_out(c, CLAST_INT16, INTS(1, 4), REALS(2, 4, 12, 16));
	case_complete(c);
	case_run(c);
}

Test(quantise, small_floats_and_integers)
{
	static const clast_dtype types[] = { CLAST_FLOAT8E4M3FN, CLAST_FLOAT8E5M2, CLAST_UINT4,
					     CLAST_INT4,         CLAST_FLOAT4E2M1, CLAST_INT2 };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		op_case *c = case_new("QuantizeLinear", 25);
		case_in(c, F, INTS(2), REALS(0, 4));
		case_in(c, F, NONE, REALS(4));
		case_in(c, types[i], NONE, REALS(0));
		case_out(c, types[i], INTS(2), REALS(0, 1));
		case_complete(c);
		case_run(c);
	}
	op_case *c = case_new("QuantizeLinear", 19);
	case_int(c, "saturate", 0);
	case_in(c, F, INTS(1), REALS(1e6));
	case_in(c, F, NONE, REALS(1));
	case_in(c, CLAST_FLOAT8E5M2, NONE, REALS(0));
	case_out_raw(c, CLAST_FLOAT8E5M2, INTS(1), (const uint8_t[]){ 0x7c });
	case_run(c);
}

Test(quantise, parameters_that_do_not_fit)
{
	op_case *c = case_new("QuantizeLinear", 13);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(2), 1, 2);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "y_scale");
	c = case_new("DequantizeLinear", 21);
	case_int(c, "block_size", 2);
	case_random(c, I8, INTS(2, 5), 0, 1);
	case_random(c, F, INTS(2, 2), 1, 2);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "block");
	c = case_new("QuantizeLinear", 21);
	case_int(c, "output_dtype", CLAST_INT16);
	case_random(c, F, INTS(2), 0, 1);
	case_in(c, F, NONE, REALS(1));
	case_in(c, I8, NONE, REALS(1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "output_dtype");
}

Test(quantise, dynamically)
{
	op_case *c = case_new("DynamicQuantizeLinear", 11);
	case_in(c, F, INTS(2, 3), REALS(0, 2, -3, -2.5, 1.34, 0.5));
	case_out(c, U8, INTS(2, 3), REALS(153, 255, 0, 26, 221, 179));
	case_out(c, F, NONE, REALS(5.0 / 255));
	case_out(c, U8, NONE, REALS(153));
	case_complete(c);
	case_run(c);
	c = case_new("DynamicQuantizeLinear", 11);
	case_in(c, F, INTS(2), REALS(0, 0));
	case_out(c, U8, INTS(2), REALS(0, 0));
	case_out(c, F, NONE, REALS(1.0 / 255));
	case_out(c, U8, NONE, REALS(0));
	case_run(c);
}

/* ---- Products ---- */

Test(quantise, integer_product)
{
	op_case *c = case_new("MatMulInteger", 10);
	case_in(c, U8, INTS(2, 3), REALS(11, 7, 3, 10, 6, 2));
	case_in(c, I8, INTS(3, 2), REALS(1, 4, -2, 5, 3, -6));
	case_in(c, U8, INTS(2), REALS(12, 10));
	case_in(c, I8, INTS(2), REALS(0, 1));
	/* a - [12; 10] = [-1 -5 -9; 0 -4 -8], b - [0 1] = [1 3; -2 4; 3 -7] */
	case_out(c, CLAST_INT32, INTS(2, 2), REALS(-18, 40, -16, 40));
	case_complete(c);
	case_run(c);
	c = case_new("MatMulInteger", 10);
	case_random(c, I8, INTS(2, 1, 3, 40), -128, 127);
	case_random(c, I8, INTS(2, 40, 5), -128, 127);
	case_random(c, I8, INTS(2, 1, 3, 1), -128, 127);
	case_random(c, I8, INTS(2, 1, 5), -128, 127);
	case_out(c, CLAST_INT32, INTS(2, 2, 3, 5), NONE);
	case_complete(c);
	case_run(c);
}

Test(quantise, scaled_product)
{
	op_case *c = case_new("QLinearMatMul", 21);
	case_in(c, U8, INTS(1, 2), REALS(130, 126));
	case_in(c, F, NONE, REALS(0.5));
	case_in(c, U8, NONE, REALS(128));
	case_in(c, I8, INTS(2, 2), REALS(10, -10, 20, 0));
	case_in(c, F, INTS(2), REALS(0.5, 2));
	case_in(c, I8, INTS(2), REALS(0, 0));
	case_in(c, F, NONE, REALS(0.25));
	case_in(c, I8, NONE, REALS(3));
	/* 2 * 10 - 2 * 20 = -20, times 0.5 * 0.5 / 0.25; 2 * -10 = -20, times 0.5 * 2 / 0.25 */
	case_out(c, I8, INTS(1, 2), REALS(-17, -77));
	case_complete(c);
	case_run(c);
	c = case_new("QLinearMatMul", 10);
	case_random(c, U8, INTS(2, 3), 0, 255);
	case_random(c, F, INTS(3), 1, 2);
	case_random(c, U8, INTS(3), 0, 255);
	case_random(c, U8, INTS(3, 2), 0, 255);
	case_in(c, F, NONE, REALS(1));
	case_in(c, U8, NONE, REALS(0));
	case_in(c, F, NONE, REALS(1));
	case_in(c, U8, NONE, REALS(0));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "row");
}

/* ---- Convolutions ---- */

Test(quantise, integer_convolution)
{
	op_case *c = case_new("ConvInteger", 10);
	case_ints(c, "pads", INTS(1, 1, 1, 1));
	case_in(c, U8, INTS(1, 1, 2, 2), REALS(2, 3, 5, 6));
	case_in(c, U8, INTS(1, 1, 2, 2), REALS(1, 1, 1, 1));
	case_in(c, U8, NONE, REALS(1));
	case_out(c, CLAST_INT32, INTS(1, 1, 3, 3), REALS(1, 3, 2, 5, 12, 7, 4, 9, 5));
	case_complete(c);
	case_run(c);
}

Test(quantise, scaled_convolution_with_bias)
{
	op_case *c = case_new("QLinearConv", 10);
	case_in(c, U8, INTS(1, 1, 1, 2), REALS(130, 120));
	case_in(c, F, NONE, REALS(0.5));
	case_in(c, U8, NONE, REALS(128));
	case_in(c, I8, INTS(2, 1, 1, 1), REALS(10, 4));
	case_in(c, F, INTS(2), REALS(0.5, 0.25));
	case_in(c, I8, INTS(2), REALS(0, 1));
	case_in(c, F, NONE, REALS(1));
	case_in(c, U8, NONE, REALS(100));
	case_in(c, CLAST_INT32, INTS(2), REALS(4, -8));
	/* 2 * 10 + 4 = 24, -8 * 10 + 4 = -76, times 0.25; 2 * 3 - 8 = -2, -8 * 3 - 8 = -32, times 0.125 */
	case_out(c, U8, INTS(1, 2, 1, 2), REALS(106, 81, 100, 96));
	case_complete(c);
	case_run(c);
}

Test(quantise, grouped_convolution_in_any_order)
{
	op_case *c = case_new("QLinearConv", 10);
	case_int(c, "group", 2);
	case_ints(c, "strides", INTS(2, 1));
	case_random(c, U8, INTS(2, 4, 5, 6), 0, 255);
	case_in(c, F, NONE, REALS(0.1));
	case_in(c, U8, NONE, REALS(120));
	case_random(c, I8, INTS(6, 2, 3, 3), -128, 127);
	case_random(c, F, INTS(6), 0.001, 0.002);
	case_in(c, I8, INTS(6), REALS(0, 1, 2, 3, 4, 5));
	case_in(c, F, NONE, REALS(0.3));
	case_in(c, U8, NONE, REALS(128));
	case_out(c, U8, INTS(2, 6, 2, 4), NONE);
	case_complete(c);
	case_run(c);
}
