#include <criterion/criterion.h>

#include "harness.h"

#define F CLAST_FLOAT32

static op_case *small(void)
{
	op_case *c = case_new("ConvTranspose", 11);
	case_ints(c, "strides", INTS(2));
	case_in(c, F, INTS(1, 1, 3), REALS(1, 2, 3));
	case_in(c, F, INTS(1, 1, 3), REALS(1, 10, 100));
	return c;
}

Test(conv_transpose, spreads_every_input)
{
	op_case *c = small();
	case_in(c, F, INTS(1), REALS(0.5));
	case_out(c, F, INTS(1, 1, 7), REALS(1.5, 10.5, 102.5, 20.5, 203.5, 30.5, 300.5));
	case_complete(c);
	case_run(c);
}

Test(conv_transpose, pads_crop_and_output_padding_extends)
{
	op_case *c = small();
	case_ints(c, "pads", INTS(1, 2));
	case_ints(c, "output_padding", INTS(1));
	case_out(c, F, INTS(1, 1, 5), REALS(10, 102, 20, 203, 30));
	case_complete(c);
	case_run(c);
	c = small();
	case_ints(c, "output_padding", INTS(1));
	case_out(c, F, INTS(1, 1, 8), REALS(1, 10, 102, 20, 203, 30, 300, 0));
	case_run(c);
}

/* in * stride elements remain: one too many, which goes at the end for SAME_UPPER. */
Test(conv_transpose, automatic_pads)
{
	op_case *c = small();
	case_string(c, "auto_pad", "SAME_UPPER");
	case_out(c, F, INTS(1, 1, 6), REALS(1, 10, 102, 20, 203, 30));
	case_complete(c);
	case_run(c);
	c = small();
	case_string(c, "auto_pad", "SAME_LOWER");
	case_out(c, F, INTS(1, 1, 6), REALS(10, 102, 20, 203, 30, 300));
	case_run(c);
	c = small();
	case_string(c, "auto_pad", "VALID");
	case_out(c, F, INTS(1, 1, 7), REALS(1, 10, 102, 20, 203, 30, 300));
	case_run(c);
}

/* A given shape decides the pads; what lies beyond every window is 0. */
Test(conv_transpose, output_shape)
{
	op_case *c = small();
	case_ints(c, "output_shape", INTS(4));
	case_out(c, F, INTS(1, 1, 4), REALS(102, 20, 203, 30)); /* 2 pads before, 1 behind */
	case_complete(c);
	case_run(c);
	c = small();
	case_ints(c, "output_shape", INTS(9));
	case_out(c, F, INTS(1, 1, 9), REALS(1, 10, 102, 20, 203, 30, 300, 0, 0));
	case_run(c);
	c = small();
	case_ints(c, "output_shape", INTS(1, 1, 7)); /* with batch and channels */
	case_out(c, F, INTS(1, 1, 7), REALS(1, 10, 102, 20, 203, 30, 300));
	case_run(c);
}

Test(conv_transpose, groups_dilation_and_axes)
{
	op_case *c = case_new("ConvTranspose", 1);
	case_int(c, "group", 2);
	case_in(c, F, INTS(1, 2, 1), REALS(1, 2));
	case_in(c, F, INTS(2, 2, 1), REALS(1, 10, 100, 1000));
	case_out(c, F, INTS(1, 4, 1), REALS(1, 10, 200, 2000));
	case_run(c);
	for (size_t rank = 3; rank <= 5; rank++) {
		c = case_new("ConvTranspose", 22);
		case_int(c, "group", 2);
		case_ints(c, "dilations", rank - 2, (int64_t[]){ 2, 1, 3 });
		case_ints(c, "strides", rank - 2, (int64_t[]){ 1, 3, 2 });
		case_random(c, F, rank, (int64_t[]){ 2, 4, 3, 2, 2 }, -1, 1);
		case_random(c, F, rank, (int64_t[]){ 4, 3, 2, 2, 3 }, -1, 1);
		case_random(c, F, INTS(6), -1, 1);
		case_out(c, F, rank, (int64_t[]){ 2, 6, 5, 5, 9 }, NONE);
		case_complete(c);
		case_run(c);
	}
}

/* <ConvTranspose(x, w), y> = <x, Conv(y, w)>, whatever the pads, strides and dilations. */
Test(conv_transpose, is_the_adjoint_of_conv)
{
	for (int64_t stride = 1; stride <= 3; stride++)
		for (int64_t pad = 0; pad <= 1; pad++) {
			op_case *t = case_new("ConvTranspose", 11), *c = case_new("Conv", 11);
			op_case *both[] = { t, c };
			const int64_t out = 4 * stride + 5 - 2 * pad;
			for (int i = 0; i < 2; i++) {
				case_ints(both[i], "strides", INTS(stride));
				case_ints(both[i], "dilations", INTS(2));
				case_ints(both[i], "pads", INTS(pad, pad));
				case_random(both[i], CLAST_FLOAT64, 3,
					    (int64_t[]){ 1, i ? 3 : 2, i ? out : 5 }, -1, 1);
				if (i) /* the same weights: the first call on a fresh case draws the same
					  numbers */
					case_in_raw(c, CLAST_FLOAT64, INTS(2, 3, 3),
						    (double[18]){ 1, -2, 3, 5, -4, 6, 7 });
				else
					case_in_raw(t, CLAST_FLOAT64, INTS(2, 3, 3),
						    (double[18]){ 1, -2, 3, 5, -4, 6, 7 });
			}
			case_out(t, CLAST_FLOAT64, INTS(1, 3, out), NONE);
			case_out(c, CLAST_FLOAT64, INTS(1, 2, 5), NONE);
			const double *a = case_result(t, 0)->data, *b = case_result(c, 0)->data;
			double left = 0, right = 0;
			for (int64_t i = 0; i < 3 * out; i++)
				left += a[i] * ((const double *)case_input(c, 0)->data)[i];
			for (int64_t i = 0; i < 10; i++)
				right += b[i] * ((const double *)case_input(t, 0)->data)[i];
			cr_assert(left - right < 1e-9 && right - left < 1e-9, "%g and %g", left, right);
			case_run(t);
			case_run(c);
		}
}

Test(conv_transpose, refuses_what_does_not_fit)
{
	op_case *c = small();
	case_ints(c, "pads", INTS(4, 4));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "pads");
	c = small();
	case_ints(c, "output_shape", INTS(1, 2));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "output_shape");
	c = small();
	case_int(c, "group", 2);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "group");
	c = small();
	case_random(c, F, INTS(2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 2");
}
