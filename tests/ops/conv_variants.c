#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

/* Whole offsets move the taps, halves take means, positions outside read 0. */
Test(deform_conv, reads_between_pixels)
{
	op_case *c = case_new("DeformConv", 19);
	case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 4, 8));
	case_in(c, F, INTS(1, 1, 2), REALS(1, 10));
	case_in(c, F, INTS(1, 2, 3), REALS(0, 0.5, -3, 1, 0, 0.5));
	case_in(c, F, INTS(1), REALS(100));
	case_in(c, F, INTS(1, 2, 3), REALS(1, 2, 1, 1, 1, 0.5));
	case_out(c, F, INTS(1, 1, 3), REALS(141, 146, 120));
	case_complete(c);
	case_run(c);
}

Test(deform_conv, groups_in_two_axes)
{
	op_case *c = case_new("DeformConv", 22);
	case_int(c, "group", 2);
	case_int(c, "offset_group", 4);
	case_ints(c, "pads", INTS(1, 0, 0, 1));
	case_ints(c, "strides", INTS(1, 2));
	case_random(c, F, INTS(2, 4, 4, 5), -1, 1);
	case_random(c, F, INTS(6, 2, 2, 2), -1, 1);
	case_random(c, F, INTS(2, 32, 4, 3), -2, 2);
	case_random(c, F, INTS(6), -1, 1);
	case_random(c, F, INTS(2, 16, 4, 3), -1, 1);
	case_out(c, F, INTS(2, 6, 4, 3), NONE);
	case_complete(c);
	case_run(c);
}

/* Without offsets it is Conv. */
Test(deform_conv, is_conv_without_offsets)
{
	float offsets[2 * 18 * 9] = { 0 };
	op_case *plain = case_new("Conv", 11), *deformed = case_new("DeformConv", 19);
	op_case *both[] = { plain, deformed };
	for (int i = 0; i < 2; i++) {
		case_ints(both[i], "pads", INTS(1, 1, 1, 1));
		case_ints(both[i], "strides", INTS(2, 2));
		case_random(both[i], F, INTS(2, 3, 5, 5), -1, 1);
		case_random(both[i], F, INTS(4, 3, 3, 3), -1, 1);
	}
	case_in_raw(deformed, F, INTS(2, 18, 3, 3), offsets);
	case_out(plain, F, INTS(2, 4, 3, 3), NONE);
	case_out_raw(deformed, F, INTS(2, 4, 3, 3), case_result(plain, 0)->data);
	case_run(deformed);
	case_run(plain);
}

Test(deform_conv, refuses_what_does_not_fit)
{
	op_case *c = case_new("DeformConv", 19);
	case_random(c, F, INTS(1, 1, 4, 4), -1, 1);
	case_random(c, F, INTS(1, 1, 2, 2), -1, 1);
	case_random(c, F, INTS(1, 4, 3, 3), -1, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 2: axis 1 has extent 4, expected 8");
	c = case_new("DeformConv", 19);
	case_int(c, "offset_group", 2);
	case_random(c, F, INTS(1, 3, 4, 4), -1, 1);
	case_random(c, F, INTS(1, 3, 2, 2), -1, 1);
	case_random(c, F, INTS(1, 16, 3, 3), -1, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "offset_group");
}

Test(max_unpool, puts_values_back)
{
	op_case *c = case_new("MaxUnpool", 11);
	case_ints(c, "kernel_shape", INTS(2, 2));
	case_ints(c, "strides", INTS(2, 2));
	case_in(c, F, INTS(1, 1, 1, 2), REALS(5, 6));
	case_in(c, CLAST_INT64, INTS(1, 1, 1, 2), REALS(1, 7));
	case_out(c, F, INTS(1, 1, 2, 4), REALS(0, 5, 0, 0, 0, 0, 0, 6));
	case_complete(c);
	case_run(c);
	c = case_new("MaxUnpool", 9); /* a larger output; indices count in the smaller one */
	case_ints(c, "kernel_shape", INTS(2, 2));
	case_ints(c, "strides", INTS(2, 2));
	case_in(c, F, INTS(1, 1, 1, 2), REALS(5, 6));
	case_in(c, CLAST_INT64, INTS(1, 1, 1, 2), REALS(1, 7));
	case_in(c, CLAST_INT64, INTS(4), REALS(1, 1, 2, 5));
	case_out(c, F, INTS(1, 1, 2, 5), REALS(0, 5, 0, 0, 0, 0, 0, 0, 6, 0));
	case_complete(c);
	case_run(c);
}

Test(max_unpool, checks_indices_and_shape)
{
	for (int i = 0; i < 3; i++) {
		op_case *c = case_new("MaxUnpool", 9);
		case_ints(c, "kernel_shape", INTS(2));
		case_in(c, F, INTS(1, 1, 1), REALS(5));
		case_in_ints(c, CLAST_INT64, INTS(1, 1, 1), INTS(i == 0 ? -1 : i == 1 ? 2 : 0));
		if (i == 2)
			case_in(c, CLAST_INT64, INTS(3), REALS(1, 1, 1));
		case_out(c, CLAST_UNDEFINED, NONE, NONE);
		case_fails(c, i < 2 ? CLAST_ERROR_DATA : CLAST_ERROR_MODEL,
			   i < 2 ? "index" : "axis 2 needs 2");
	}
}

Test(lp_normalization, divides_by_the_norm)
{
	op_case *c = case_new("LpNormalization", 1);
	case_in(c, F, INTS(3, 2), REALS(3, 4, 0, 0, -6, 8));
	case_out(c, F, INTS(3, 2), REALS(0.6, 0.8, 0, 0, -0.6, 0.8));
	case_complete(c);
	case_run(c);
	c = case_new("LpNormalization", 22);
	case_int(c, "axis", 0);
	case_int(c, "p", 1);
	case_in(c, CLAST_BFLOAT16, INTS(2, 2), REALS(1, 2, -3, 2));
	case_out(c, CLAST_BFLOAT16, INTS(2, 2), REALS(0.25, 0.5, -0.75, 0.5));
	case_run(c);
	c = case_new("LpNormalization", 22);
	case_int(c, "p", 3);
	case_random(c, F, INTS(2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "attribute p");
}

Test(mean_variance_normalization, over_listed_axes)
{
	op_case *c = case_new("MeanVarianceNormalization", 9);
	case_in(c, F, INTS(2, 2, 1, 1), REALS(1, 10, 3, 30));
	case_out(c, F, INTS(2, 2, 1, 1), REALS(-1, -1, 1, 1));
	case_complete(c);
	case_run(c);
	c = case_new("MeanVarianceNormalization", 13);
	case_ints(c, "axes", INTS(-1));
	case_in(c, F, INTS(2, 2), REALS(1, 3, 5, 5));
	case_out(c, F, INTS(2, 2), REALS(-1, 1, 0, 0));
	case_run(c);
	c = case_new("MeanVarianceNormalization", 13);
	case_random(c, F, INTS(2, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axes");
}

Test(bit_cast, keeps_bits)
{
	op_case *c = case_new("BitCast", 26);
	case_int(c, "to", CLAST_INT32);
	case_in(c, F, INTS(2), REALS(1, -2));
	case_out_ints(c, CLAST_INT32, INTS(2), INTS(0x3f800000, -0x40000000));
	case_complete(c);
	case_run(c);
	c = case_new("BitCast", 26);
	case_int(c, "to", CLAST_INT4);
	case_in(c, CLAST_UINT4, INTS(3), REALS(1, 7, 15));
	case_out(c, CLAST_INT4, INTS(3), REALS(1, 7, -1));
	case_run(c);
	c = case_new("BitCast", 26);
	case_int(c, "to", CLAST_UINT2);
	case_in(c, CLAST_INT2, INTS(3), REALS(1, -2, -1));
	case_out(c, CLAST_UINT2, INTS(3), REALS(1, 2, 3));
	case_run(c);
	c = case_new("BitCast", 26);
	case_int(c, "to", CLAST_COMPLEX64);
	case_in_raw(c, CLAST_FLOAT64, INTS(1), (float[]){ 1, 2 });
	case_out_raw(c, CLAST_COMPLEX64, INTS(1), (float[]){ 1, 2 });
	case_run(c);
	c = case_new("BitCast", 26);
	case_int(c, "to", CLAST_INT64);
	case_random(c, F, INTS(2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "int64 has 64 bits");
}

Test(causal_conv_with_state, looks_back)
{
	for (int past = 0; past < 2; past++) {
		op_case *c = case_new("CausalConvWithState", 27);
		case_in(c, F, INTS(1, 1, 2), REALS(1, 2));
		case_in(c, F, INTS(1, 1, 3), REALS(100, 10, 1));
		case_in(c, F, INTS(1), REALS(0.5));
		if (past)
			case_in(c, F, INTS(1, 1, 2), REALS(3, 4));
		case_out(c, F, INTS(1, 1, 2), 2, past ? (double[]){ 341.5, 412.5 } : (double[]){ 1.5, 12.5 });
		case_out(c, F, INTS(1, 1, 2), REALS(1, 2));
		case_complete(c);
		case_run(c);
	}
	op_case *c = case_new("CausalConvWithState", 27); /* shorter than the state */
	case_string(c, "activation", "silu");
	case_in(c, F, INTS(1, 1, 1), REALS(1));
	case_in(c, F, INTS(1, 1, 4), REALS(0, 0, 0, 0));
	case_absent(c);
	case_in(c, F, INTS(1, 1, 3), REALS(5, 6, 7));
	case_out(c, F, INTS(1, 1, 1), REALS(0));
	case_out(c, F, INTS(1, 1, 3), REALS(6, 7, 1));
	case_run(c);
}

Test(swi_glu, gates)
{
	op_case *c = case_new("SwiGLU", 28);
	case_float(c, "alpha", 2);
	case_in(c, F, INTS(2, 1), REALS(0.5, -1));
	case_in(c, F, INTS(2, 1), REALS(3, 2));
	case_out(c, F, INTS(2, 1), REALS(1.5 / (1 + exp(-1)), -2 / (1 + exp(2))));
	case_complete(c);
	case_run(c);
	c = case_new("SwiGLU", 28);
	case_random(c, F, INTS(2, 1), 0, 1);
	case_random(c, F, INTS(2, 2), 0, 1);
	case_fails(c, CLAST_ERROR_MODEL, "extents 1 and 2");
}
