#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define INF ((double)INFINITY)

Test(max_pool, value_and_index)
{
	op_case *c = case_new("MaxPool", 12);
	case_ints(c, "kernel_shape", INTS(2, 2));
	case_ints(c, "strides", INTS(2, 2));
	case_in(c, F, INTS(1, 2, 2, 4), REALS(1, 2, 3, 4, 4, 3, 2, 1, -1, -2, -3, -4, -4, -3, -2, -1));
	case_out(c, F, INTS(1, 2, 1, 2), REALS(4, 4, -1, -1));
	case_out_ints(c, CLAST_INT64, INTS(1, 2, 1, 2), INTS(4, 3, 8, 15));
	case_complete(c);
	case_run(c);
}

Test(max_pool, column_major_indices)
{
	op_case *c = case_new("MaxPool", 8);
	case_ints(c, "kernel_shape", INTS(2, 2));
	case_int(c, "storage_order", 1);
	case_in(c, F, INTS(1, 1, 2, 3), REALS(1, 5, 3, 2, 4, 6));
	case_out(c, F, INTS(1, 1, 1, 2), REALS(5, 6));
	case_out_ints(c, CLAST_INT64, INTS(1, 1, 1, 2), INTS(2, 5));
	case_run(c);
}

Test(max_pool, takes_the_first_of_equals_and_any_nan)
{
	op_case *c = case_new("MaxPool", 12);
	case_ints(c, "kernel_shape", INTS(2));
	case_in(c, F, INTS(1, 1, 4), REALS(3, 3, (double)NAN, 1));
	case_out(c, F, INTS(1, 1, 3), REALS(3, (double)NAN, (double)NAN));
	case_out_ints(c, CLAST_INT64, INTS(1, 1, 3), INTS(0, 2, 2));
	case_run(c);
}

/* Five elements, windows of two: the third is incomplete. With pads at the end the last may start in the
 * padding and is left out. */
Test(max_pool, ceil_mode)
{
	op_case *c = case_new("MaxPool", 10);
	case_ints(c, "kernel_shape", INTS(2));
	case_ints(c, "strides", INTS(2));
	case_int(c, "ceil_mode", 1);
	case_in(c, F, INTS(1, 1, 5), REALS(1, 2, 3, 4, 5));
	case_out(c, F, INTS(1, 1, 3), REALS(2, 4, 5));
	case_complete(c);
	case_run(c);
	c = case_new("MaxPool", 10);
	case_ints(c, "kernel_shape", INTS(1));
	case_ints(c, "strides", INTS(2));
	case_ints(c, "pads", INTS(0, 0));
	case_int(c, "ceil_mode", 1);
	case_in(c, F, INTS(1, 1, 2), REALS(1, 2));
	case_out(c, F, INTS(1, 1, 1), REALS(1));
	case_complete(c);
	case_run(c);
}

Test(max_pool, dilation_and_pads)
{
	op_case *c = case_new("MaxPool", 12);
	case_ints(c, "kernel_shape", INTS(2, 2));
	case_ints(c, "dilations", INTS(2, 2));
	case_ints(c, "pads", INTS(1, 0, 0, 1));
	case_in(c, CLAST_INT8, INTS(1, 1, 3, 3), REALS(1, 2, 3, 4, 5, 6, 7, 8, 9));
	case_out(c, CLAST_INT8, INTS(1, 1, 2, 2), REALS(6, 5, 9, 8));
	case_run(c);
}

Test(max_pool, windows_in_the_padding)
{
	op_case *c = case_new("MaxPool", 12);
	case_ints(c, "kernel_shape", INTS(1));
	case_ints(c, "pads", INTS(1, 0));
	case_in(c, F, INTS(1, 1, 1), REALS(2));
	case_out(c, F, INTS(1, 1, 2), REALS(-INF, 2));
	case_out_ints(c, CLAST_INT64, INTS(1, 1, 2), INTS(-1, 0));
	case_run(c);
}

Test(max_pool, any_number_of_axes)
{
	for (size_t rank = 3; rank <= 6; rank++) {
		op_case *c = case_new("MaxPool", 12);
		case_ints(c, "kernel_shape", rank - 2, (int64_t[]){ 2, 3, 1, 2 });
		case_ints(c, "pads", 2 * (rank - 2), (int64_t[8]){ 0 });
		case_random(c, F, rank, (int64_t[]){ 2, 3, 4, 3, 4, 5 }, -1, 1);
		case_out(c, F, rank, (int64_t[]){ 2, 3, 3, 1, 4, 4 }, NONE);
		case_out(c, CLAST_INT64, rank, (int64_t[]){ 2, 3, 3, 1, 4, 4 }, NONE);
		case_complete(c);
		case_run(c);
	}
}

Test(average_pool, divides_by_what_it_counts)
{
	for (int include = 0; include < 2; include++) {
		op_case *c = case_new("AveragePool", 7);
		case_ints(c, "kernel_shape", INTS(3));
		case_ints(c, "pads", INTS(1, 1));
		case_int(c, "count_include_pad", include);
		case_in(c, F, INTS(1, 1, 3), REALS(3, 6, 9));
		case_out(c, F, INTS(1, 1, 3), 3, include ? (double[]){ 3, 6, 5 } : (double[]){ 4.5, 6, 7.5 });
		case_complete(c);
		case_run(c);
	}
}

/* What ceil_mode adds beyond the declared pads is never counted. */
Test(average_pool, ceil_mode_counts_no_extra)
{
	op_case *c = case_new("AveragePool", 19);
	case_ints(c, "kernel_shape", INTS(3));
	case_ints(c, "strides", INTS(2));
	case_ints(c, "pads", INTS(0, 1));
	case_int(c, "ceil_mode", 1);
	case_int(c, "count_include_pad", 1);
	case_in(c, F, INTS(1, 1, 5), REALS(3, 3, 3, 3, 6));
	case_out(c, F, INTS(1, 1, 3), REALS(3, 4, 3));
	case_run(c);
}

Test(average_pool, dilation_and_automatic_pads)
{
	op_case *c = case_new("AveragePool", 19);
	case_ints(c, "kernel_shape", INTS(2));
	case_ints(c, "dilations", INTS(2));
	case_string(c, "auto_pad", "SAME_LOWER");
	case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 3, 4));
	case_out(c, F, INTS(1, 1, 4), REALS(2, 2, 3, 3));
	case_complete(c);
	case_run(c);
}

Test(lp_pool, norms)
{
	for (int opset = 1; opset <= 18; opset += 17) {
		op_case *c = case_new("LpPool", opset);
		case_ints(c, "kernel_shape", INTS(2));
		if (opset == 1)
			case_float(c, "p", 1);
		case_in(c, F, INTS(1, 1, 3), REALS(3, -4, 0));
		case_out(c, F, INTS(1, 1, 2), 2, opset == 1 ? (double[]){ 7, 4 } : (double[]){ 5, 4 });
		case_run(c);
	}
}

Test(global_pool, means_maxima_norms)
{
	const char *const names[] = { "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool" };
	const double expected[3][2] = { { 1.75, -1 }, { 4, 5 }, { 5.91607978309962, 7.21110255092798 } };
	for (int i = 0; i < 3; i++) {
		op_case *c = case_new(names[i], 2);
		case_in(c, F, INTS(1, 2, 2, 2), REALS(3, -1, 1, 4, 5, -3, -3, -3));
		if (i == 2)
			case_int(c, "p", 2);
		case_out(c, F, INTS(1, 2, 1, 1), 2, i == 2 ? (double[]){ sqrt(27), sqrt(52) } : expected[i]);
		case_complete(c);
		case_run(c);
	}
}

Test(pool, refuses_what_does_not_fit)
{
	op_case *c = case_new("MaxPool", 12);
	case_ints(c, "kernel_shape", INTS(4, 1));
	case_random(c, F, INTS(1, 1, 3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "spans 4");
	c = case_new("MaxPool", 12);
	case_random(c, F, INTS(1, 1, 3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "kernel_shape is required");
	c = case_new("MaxPool", 8);
	case_ints(c, "kernel_shape", INTS(1, 1));
	case_ints(c, "dilations", INTS(1, 1));
	case_random(c, F, INTS(1, 1, 3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "dilations");
	c = case_new("AveragePool", 12);
	case_ints(c, "kernel_shape", INTS(1, 1));
	case_random(c, CLAST_INT8, INTS(1, 1, 3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "int8");
	c = case_new("GlobalLpPool", 2);
	case_int(c, "p", 0);
	case_random(c, F, INTS(1, 1, 3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "attribute p");
}
