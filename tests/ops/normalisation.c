#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

Test(batch_normalization, applies_given_statistics)
{
	const int opsets[] = { 1, 6, 7, 9, 14, 15 };
	for (int i = 0; i < 6; i++) {
		op_case *c = case_new("BatchNormalization", opsets[i]);
		case_float(c, "epsilon", 0);
		case_in(c, F, INTS(1, 2, 1, 2), REALS(1, 3, 5, 9));
		case_in(c, F, INTS(2), REALS(10, 100));
		case_in(c, F, INTS(2), REALS(1, 2));
		case_in(c, F, INTS(2), REALS(1, 5));
		case_in(c, F, INTS(2), REALS(4, 16));
		case_out(c, F, INTS(1, 2, 1, 2), REALS(1, 11, 2, 102));
		case_complete(c);
		case_run(c);
	}
}

Test(batch_normalization, trains)
{
	for (int opset = 9; opset <= 15; opset += 6) {
		op_case *c = case_new("BatchNormalization", opset);
		case_float(c, "epsilon", 0);
		case_float(c, "momentum", 0.75f);
		if (opset == 15)
			case_int(c, "training_mode", 1);
		case_in(c, F, INTS(2, 1, 2), REALS(1, 3, 5, 7));
		case_in(c, F, INTS(1), REALS(1));
		case_in(c, F, INTS(1), REALS(0));
		case_in(c, F, INTS(1), REALS(8));
		case_in(c, F, INTS(1), REALS(1));
		const double s = sqrt(5);
		case_out(c, F, INTS(2, 1, 2), REALS(-3 / s, -1 / s, 1 / s, 3 / s));
		case_out(c, F, INTS(1), REALS(7));
		case_out(c, F, INTS(1), REALS(2));
		if (opset == 9) {
			case_out(c, F, INTS(1), REALS(4));
			case_out(c, F, INTS(1), REALS(5));
		}
		case_run(c);
	}
}

Test(batch_normalization, statistics_of_every_activation)
{
	op_case *c = case_new("BatchNormalization", 7);
	case_float(c, "epsilon", 0);
	case_int(c, "spatial", 0);
	case_in(c, F, INTS(2, 1, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 2), REALS(1, 10));
	case_in(c, F, INTS(1, 2), REALS(0, 100));
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in(c, F, INTS(1, 2), REALS(1, 4));
	case_out(c, F, INTS(2, 1, 2), REALS(0, 100, 2, 110));
	case_run(c);
}

Test(batch_normalization, mixed_dtypes_and_rank_1)
{
	op_case *c = case_new("BatchNormalization", 15);
	case_float(c, "epsilon", 0);
	case_in(c, CLAST_FLOAT16, INTS(3), REALS(1, 2, 3));
	case_in(c, F, INTS(1), REALS(2));
	case_in(c, F, INTS(1), REALS(1));
	case_in(c, CLAST_FLOAT64, INTS(1), REALS(1));
	case_in(c, CLAST_FLOAT64, INTS(1), REALS(1));
	case_out(c, CLAST_FLOAT16, INTS(3), REALS(1, 3, 5));
	case_run(c);
	c = case_new("BatchNormalization", 9);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	for (int i = 0; i < 4; i++)
		case_random(c, F, INTS(i == 2 ? 4 : 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 3");
}

Test(layer_normalization, all_outputs)
{
	op_case *c = case_new("LayerNormalization", 17);
	case_float(c, "epsilon", 0);
	case_in(c, F, INTS(2, 2), REALS(1, 3, 10, 30));
	case_in(c, F, INTS(2), REALS(1, 2));
	case_in(c, F, INTS(2), REALS(5, 6));
	case_out(c, F, INTS(2, 2), REALS(4, 8, 4, 8));
	case_out(c, F, INTS(2, 1), REALS(2, 20));
	case_out(c, F, INTS(2, 1), REALS(1, 0.1));
	case_complete(c);
	case_run(c);
}

Test(layer_normalization, several_axes_and_broadcasts)
{
	op_case *c = case_new("LayerNormalization", 17);
	case_int(c, "axis", -2);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 4), -1, 1);
	case_random(c, CLAST_FLOAT16, INTS(3, 1), -1, 1);
	case_random(c, CLAST_FLOAT16, INTS(2, 1, 4), -1, 1);
	case_out(c, CLAST_FLOAT16, INTS(2, 3, 4), NONE);
	case_out(c, F, INTS(2, 1, 1), NONE);
	case_out(c, F, INTS(2, 1, 1), NONE);
	case_run(c);
	c = case_new("LayerNormalization", 17);
	case_int(c, "axis", 3);
	case_random(c, F, INTS(2, 3, 4), -1, 1);
	case_random(c, F, INTS(4), -1, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis");
	c = case_new("LayerNormalization", 17);
	case_random(c, F, INTS(2, 3, 4), -1, 1);
	case_random(c, F, INTS(3), -1, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "broadcast");
}

Test(rms_normalization, divides_by_the_root_mean_square)
{
	op_case *c = case_new("RMSNormalization", 23);
	case_float(c, "epsilon", 0);
	case_in(c, F, INTS(2, 2), REALS(1, 7, -5, 5));
	case_in(c, F, INTS(2), REALS(1, 10));
	case_out(c, F, INTS(2, 2), REALS(0.2, 14, -1, 10));
	case_complete(c);
	case_run(c);
}

Test(instance_normalization, of_every_channel)
{
	op_case *c = case_new("InstanceNormalization", 6);
	case_float(c, "epsilon", 0);
	case_in(c, F, INTS(2, 2, 2), REALS(1, 3, 2, 6, 10, 30, 0, 2));
	case_in(c, F, INTS(2), REALS(1, 2));
	case_in(c, F, INTS(2), REALS(0, 10));
	case_out(c, F, INTS(2, 2, 2), REALS(-1, 1, 8, 12, -1, 1, 8, 12));
	case_complete(c);
	case_run(c);
}

/* Version 18 has one scale for each group, version 21 one for each channel. */
Test(group_normalization, scales_of_groups_and_of_channels)
{
	for (int opset = 18; opset <= 21; opset += 3) {
		op_case *c = case_new("GroupNormalization", opset);
		case_float(c, "epsilon", 0);
		case_int(c, "num_groups", 2);
		case_in(c, F, INTS(1, 4, 1), REALS(1, 3, 10, 30));
		if (opset == 18) {
			case_in(c, F, INTS(2), REALS(1, 2));
			case_in(c, F, INTS(2), REALS(0, 10));
		} else {
			case_in(c, F, INTS(4), REALS(1, 2, 3, 4));
			case_in(c, F, INTS(4), REALS(0, 0, 0, 10));
		}
		case_out(c, F, INTS(1, 4, 1), 4,
			 opset == 18 ? (double[]){ -1, 1, 8, 12 } : (double[]){ -1, 2, -3, 14 });
		case_run(c);
	}
	op_case *c = case_new("GroupNormalization", 21);
	case_int(c, "num_groups", 3);
	for (int i = 0; i < 3; i++)
		case_random(c, F, (size_t)(i ? 1 : 3), i ? (int64_t[]){ 4 } : (int64_t[]){ 1, 4, 1 }, 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "3 groups");
}

Test(lrn, sums_neighbouring_channels)
{
	op_case *c = case_new("LRN", 13);
	case_int(c, "size", 2); /* this channel and the next */
	case_float(c, "alpha", 2);
	case_float(c, "beta", 1);
	case_float(c, "bias", 1);
	case_in(c, F, INTS(1, 3, 1), REALS(1, 2, 3));
	case_out(c, F, INTS(1, 3, 1), REALS(1.0 / 6, 2.0 / 14, 0.3));
	case_complete(c);
	case_run(c);
	c = case_new("LRN", 1);
	case_int(c, "size", 5);
	case_random(c, F, INTS(2, 7, 2, 3), -1, 1);
	case_out(c, F, INTS(2, 7, 2, 3), NONE);
	case_run(c);
}
