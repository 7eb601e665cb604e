#include <criterion/criterion.h>

#include "conv_attrs.h"
#include "harness.h"

#define F CLAST_FLOAT32

Test(conv, sums_a_padded_window)
{
	op_case *c = case_new("Conv", 11);
	case_ints(c, "pads", INTS(1, 1, 1, 1));
	case_in(c, F, INTS(1, 1, 3, 3), REALS(1, 2, 3, 4, 5, 6, 7, 8, 9));
	case_in(c, F, INTS(1, 1, 3, 3), REALS(1, 0, 0, 0, 1, 0, 0, 0, 1));
	case_in(c, F, INTS(1), REALS(100));
	case_out(c, F, INTS(1, 1, 3, 3), REALS(106, 108, 103, 112, 115, 108, 107, 112, 114));
	case_complete(c);
	case_run(c);
}

Test(conv, uneven_pads_strides_and_dilation)
{
	op_case *c = case_new("Conv", 11);
	case_ints(c, "pads", INTS(0, 2, 1, 0));
	case_ints(c, "strides", INTS(2, 1));
	case_ints(c, "dilations", INTS(1, 2));
	case_in(c, F, INTS(1, 1, 3, 3), REALS(1, 2, 3, 4, 5, 6, 7, 8, 9));
	case_in(c, F, INTS(1, 1, 2, 2), REALS(1, 10, 100, 1000));
	case_out(c, F, INTS(1, 1, 2, 3), REALS(4010, 5020, 6431, 70, 80, 97));
	case_complete(c);
	case_run(c);
}

Test(conv, groups_and_depthwise)
{
	op_case *c = case_new("Conv", 1);
	case_int(c, "group", 2);
	case_in(c, F, INTS(1, 4, 1, 1), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(4, 2, 1, 1), REALS(1, 10, 2, 20, 3, 30, 4, 40));
	case_out(c, F, INTS(1, 4, 1, 1), REALS(21, 42, 129, 172));
	case_run(c);
	c = case_new("Conv", 22);
	case_int(c, "group", 6);
	case_random(c, F, INTS(2, 6, 5, 4), -1, 1);
	case_random(c, F, INTS(12, 1, 3, 3), -1, 1);
	case_random(c, F, INTS(12), -1, 1);
	case_out(c, F, INTS(2, 12, 3, 2), NONE);
	case_run(c);
}

Test(conv, any_number_of_spatial_axes)
{
	op_case *c = case_new("Conv", 11);
	case_ints(c, "kernel_shape", INTS(2));
	case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 1, 2), REALS(1, 10));
	case_out(c, F, INTS(1, 1, 3), REALS(21, 32, 43));
	case_run(c);
	for (int rank = 5; rank <= 6; rank++) {
		c = case_new("Conv", 11);
		case_random(c, CLAST_FLOAT64, (size_t)rank, (int64_t[]){ 2, 3, 4, 3, 5, 2 }, -1, 1);
		case_random(c, CLAST_FLOAT64, (size_t)rank, (int64_t[]){ 4, 3, 2, 1, 3, 2 }, -1, 1);
		case_out(c, CLAST_FLOAT64, (size_t)rank, (int64_t[]){ 2, 4, 3, 3, 3, 1 }, NONE);
		case_complete(c);
		case_run(c);
	}
}

/* The odd pad goes to the end for SAME_UPPER, to the beginning for SAME_LOWER. */
Test(conv, automatic_pads)
{
	const char *const modes[] = { "SAME_UPPER", "SAME_LOWER", "VALID" };
	const double expected[3][4] = { { 21, 32, 43, 4 }, { 10, 21, 32, 43 }, { 21, 32, 43 } };
	for (int i = 0; i < 3; i++) {
		op_case *c = case_new("Conv", 11);
		case_string(c, "auto_pad", modes[i]);
		case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 3, 4));
		case_in(c, F, INTS(1, 1, 2), REALS(1, 10));
		case_out(c, F, 3, (int64_t[]){ 1, 1, i == 2 ? 3 : 4 }, i == 2 ? 3 : 4, expected[i]);
		case_complete(c);
		case_run(c);
	}
}

Test(conv, dtypes)
{
	const clast_dtype dtypes[] = { CLAST_FLOAT16, CLAST_BFLOAT16, CLAST_FLOAT64 };
	for (int i = 0; i < 3; i++) {
		op_case *c = case_new("Conv", 22);
		case_in(c, dtypes[i], INTS(1, 1, 2, 2), REALS(1, 2, 3, 4));
		case_in(c, dtypes[i], INTS(1, 1, 2, 2), REALS(0.5, 0.5, 0.5, 0.5));
		case_out(c, dtypes[i], INTS(1, 1, 1, 1), REALS(5));
		case_run(c);
	}
}

/* More rows, columns and terms than one block of the product holds. */
Test(conv, large)
{
	op_case *c = case_new("Conv", 11);
	case_ints(c, "pads", INTS(1, 1, 1, 1));
	case_random(c, F, INTS(2, 20, 9, 7), -1, 1);
	case_random(c, F, INTS(33, 20, 3, 3), -1, 1);
	case_out(c, F, INTS(2, 33, 9, 7), NONE);
	const tensor_view *y = case_result(c, 0);
	cr_assert(view_count(y) == 2 * 33 * 63);
	case_run(c);
}

Test(conv, nothing_to_do)
{
	op_case *c = case_new("Conv", 11);
	case_in(c, F, INTS(0, 2, 3, 3), NONE);
	case_random(c, F, INTS(4, 2, 1, 1), -1, 1);
	case_out(c, F, INTS(0, 4, 3, 3), NONE);
	case_run(c);
	c = case_new("Conv", 11); /* no input channels: only the bias is left */
	case_in(c, F, INTS(1, 0, 2, 2), NONE);
	case_in(c, F, INTS(1, 0, 1, 1), NONE);
	case_in(c, F, INTS(1), REALS(7));
	case_out(c, F, INTS(1, 1, 2, 2), REALS(7, 7, 7, 7));
	case_run(c);
}

static op_case *bad(size_t rank, const int64_t *x, const int64_t *w)
{
	op_case *c = case_new("Conv", 11);
	case_random(c, F, rank, x, -1, 1);
	case_random(c, F, rank, w, -1, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	return c;
}

Test(conv, refuses_what_does_not_fit)
{
	const int64_t x[] = { 1, 4, 5, 5 }, w[] = { 4, 4, 3, 3 }, wide[] = { 4, 4, 7, 3 },
		      other[] = { 4, 3, 3, 3 };
	case_fails(bad(4, x, wide), CLAST_ERROR_MODEL, "spans 7 elements of spatial axis 0");
	case_fails(bad(4, x, other), CLAST_ERROR_MODEL, "input has 4 channels");
	case_fails(bad(2, x, w), CLAST_ERROR_MODEL, "rank");
	op_case *c = bad(4, x, w);
	case_ints(c, "strides", INTS(1, 0));
	case_fails(c, CLAST_ERROR_MODEL, "strides[1]");
	c = bad(4, x, w);
	case_ints(c, "pads", INTS(1, 1));
	case_fails(c, CLAST_ERROR_MODEL, "pads: expected 4 values, found 2");
	c = bad(4, x, w);
	case_ints(c, "pads", INTS(-1, 0, 0, 0));
	case_fails(c, CLAST_ERROR_MODEL, "pads[0]");
	c = bad(4, x, w);
	case_ints(c, "dilations", INTS(INT64_MAX, 1));
	case_fails(c, CLAST_ERROR_MODEL, "dilations[0]");
	c = bad(4, x, w);
	case_ints(c, "kernel_shape", INTS(3, 5));
	case_fails(c, CLAST_ERROR_MODEL, "kernel_shape[1] is 5");
	c = bad(4, x, w);
	case_int(c, "group", 0);
	case_fails(c, CLAST_ERROR_MODEL, "group");
	c = bad(4, x, w);
	case_string(c, "auto_pad", "SAME");
	case_fails(c, CLAST_ERROR_MODEL, "auto_pad");
}
