/* Gather and scatter in all their forms. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define I64 CLAST_INT64
#define SIX REALS(0, 1, 2, 3, 4, 5)

Test(gather, axes_of_indices_take_the_place_of_the_axis)
{
	op_case *c = case_new("Gather", 13);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, I64, INTS(2, 2), INTS(0, -1, 1, 1));
	case_out(c, F, INTS(2, 2, 2), REALS(0, 2, 1, 1, 3, 5, 4, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Gather", 1);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, CLAST_INT32, NONE, INTS(2));
	case_out(c, F, INTS(2), REALS(4, 5));
	case_complete(c);
	case_run(c);
	c = case_new("Gather", 13);
	static const double x[2 * 2 * 3 * 2] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
						 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 };
	static const double y[2 * 2 * 2] = { 8, 9, 10, 11, 20, 21, 22, 23 };
	case_int(c, "axis", -2);
	case_in_raw(c, CLAST_COMPLEX128, INTS(2, 3, 2), x);
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out_raw(c, CLAST_COMPLEX128, INTS(2, 1, 2), y);
	case_complete(c);
	case_run(c);
}

Test(gather, follows_small_integers)
{
	op_case *c = case_new("Gather", 13);
	case_in_ints(c, I64, INTS(4), INTS(10, 20, 30, 40));
	case_in_ints(c, I64, NONE, INTS(-1));
	case_out_ints(c, I64, NONE, INTS(40));
	case_run(c);
}

Test(gather, nothing_and_out_of_range)
{
	op_case *c = case_new("Gather", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(0), NONE);
	case_out(c, F, INTS(0, 2), NONE);
	case_run(c);
	c = case_new("Gather", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1), INTS(3));
	case_out(c, F, INTS(1, 2), NONE);
	case_fails(c, CLAST_ERROR_DATA, "indices: expected an index in [-3, 3), found 3");
	c = case_new("Gather", 13);
	case_int(c, "axis", 2);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_out(c, F, INTS(1, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis");
}

Test(gather_elements, one_axis)
{
	op_case *c = case_new("GatherElements", 13);
	case_int(c, "axis", -1);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(2, 3), INTS(0, 0, 1, -1, 0, -2));
	case_out(c, F, INTS(2, 3), REALS(1, 1, 2, 4, 3, 3));
	case_complete(c);
	case_run(c);
	c = case_new("GatherElements", 11);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, CLAST_INT32, INTS(1, 1), INTS(2));
	case_out(c, F, INTS(1, 1), REALS(4));
	case_run(c);
	c = case_new("GatherElements", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 1), INTS(-4));
	case_out(c, F, INTS(1, 1), NONE);
	case_fails(c, CLAST_ERROR_DATA, "found -4");
	c = case_new("GatherElements", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 3), INTS(0, 0, 0));
	case_out(c, F, INTS(1, 3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "at most 2 on axis 1");
}

/* The last extent of indices must be a number for inference. */
Test(gather_nd, coordinates_and_batches)
{
	op_case *c = case_new("GatherND", 13);
	case_in(c, F, INTS(2, 2), REALS(0, 1, 2, 3));
	case_in_ints(c, I64, INTS(2, 2), INTS(0, 0, 1, -1));
	case_out(c, F, INTS(2), REALS(0, 3));
	case_run(c);
	c = case_new("GatherND", 12);
	case_int(c, "batch_dims", 1);
	case_in(c, F, INTS(2, 2, 2), REALS(0, 1, 2, 3, 4, 5, 6, 7));
	case_in_ints(c, I64, INTS(2, 1), INTS(1, 0));
	case_out(c, F, INTS(2, 2), REALS(2, 3, 4, 5));
	case_run(c);
	c = case_new("GatherND", 11);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 1, 1), INTS(1));
	case_out(c, F, INTS(1, 1, 2), REALS(2, 3));
	case_run(c);
	c = case_new("GatherND", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 3), INTS(0, 0, 0));
	case_out(c, F, INTS(1), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "last extent of 1 to 2, found 3");
}

static void scatter_nd(const char *reduction, clast_dtype t, size_t n, const double *want)
{
	op_case *c = case_new("ScatterND", 18);
	case_string(c, "reduction", reduction);
	case_in(c, t, INTS(4), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(4, 1), INTS(1, -1, 1, 2));
	case_in(c, t, INTS(4), REALS(5, 6, 7, 1));
	case_out(c, t, INTS(4), n, want);
	case_complete(c);
	case_run(c);
}

Test(scatter_nd, reductions)
{
	const clast_dtype dtypes[] = { F, CLAST_FLOAT16, CLAST_INT32, CLAST_UINT64, CLAST_BFLOAT16 };
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
		scatter_nd("none", dtypes[i], REALS(1, 7, 1, 6));
		scatter_nd("add", dtypes[i], REALS(1, 14, 4, 10));
		scatter_nd("mul", dtypes[i], REALS(1, 70, 3, 24));
		scatter_nd("max", dtypes[i], REALS(1, 7, 3, 6));
		scatter_nd("min", dtypes[i], REALS(1, 2, 1, 4));
	}
}

Test(scatter_nd, slices)
{
	op_case *c = case_new("ScatterND", 11);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(2, 1), INTS(2, 0));
	case_in(c, F, INTS(2, 2), REALS(10, 11, 12, 13));
	case_out(c, F, INTS(3, 2), REALS(12, 13, 2, 3, 10, 11));
	case_complete(c);
	case_run(c);
	c = case_new("ScatterND", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(0, 1), NONE);
	case_in(c, F, INTS(0, 2), NONE);
	case_out(c, F, INTS(3, 2), SIX);
	case_run(c);
}

Test(scatter_nd, complex_and_bool)
{
	op_case *c = case_new("ScatterND", 16);
	static const float x[4] = { 1, 2, 3, 4 }, u[2] = { 5, 6 }, want[4] = { 1, 2, 15 - 24, 18 + 20 };
	case_string(c, "reduction", "mul");
	case_in_raw(c, CLAST_COMPLEX64, INTS(2), x);
	case_in_ints(c, I64, INTS(1, 1), INTS(1));
	case_in_raw(c, CLAST_COMPLEX64, INTS(1), u);
	case_out_raw(c, CLAST_COMPLEX64, INTS(2), want);
	case_run(c);
	c = case_new("ScatterND", 16);
	case_string(c, "reduction", "add");
	case_in_ints(c, CLAST_BOOL, INTS(3), INTS(0, 1, 0));
	case_in_ints(c, I64, INTS(2, 1), INTS(0, 1));
	case_in_ints(c, CLAST_BOOL, INTS(2), INTS(1, 1));
	case_out_ints(c, CLAST_BOOL, INTS(3), INTS(1, 1, 0));
	case_run(c);
	c = case_new("ScatterND", 16);
	case_string(c, "reduction", "add");
	case_in_strings(c, INTS(1), STRINGS("a"));
	case_in_ints(c, I64, INTS(1, 1), INTS(0));
	case_in_strings(c, INTS(1), STRINGS("b"));
	case_out_strings(c, INTS(1), STRINGS("b"));
	case_fails(c, CLAST_ERROR_MODEL, "reduction add is not defined for string");
}

Test(scatter_nd, malformed)
{
	op_case *c = case_new("ScatterND", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 1), INTS(3));
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_out(c, F, INTS(3, 2), NONE);
	case_fails(c, CLAST_ERROR_DATA, "found 3");
	c = case_new("ScatterND", 13);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(1, 1), INTS(0));
	case_in(c, F, INTS(1, 3), REALS(1, 2, 3));
	case_out(c, F, INTS(3, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "updates: expected extent 2 on axis 1, found 3");
}

Test(scatter_elements, one_axis_with_reductions)
{
	op_case *c = case_new("ScatterElements", 13);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(1, 5), REALS(1, 2, 3, 4, 5));
	case_in_ints(c, I64, INTS(1, 2), INTS(1, -2));
	case_in(c, F, INTS(1, 2), REALS(10, 20));
	case_out(c, F, INTS(1, 5), REALS(1, 10, 3, 20, 5));
	case_complete(c);
	case_run(c);
	c = case_new("ScatterElements", 18);
	case_string(c, "reduction", "max");
	case_in(c, F, INTS(3), REALS(1, 2, (double)NAN));
	case_in_ints(c, CLAST_INT32, INTS(4), INTS(0, 0, 1, 2));
	case_in(c, F, INTS(4), REALS(5, 4, -1, 3));
	case_out(c, F, INTS(3), REALS(5, 2, (double)NAN));
	case_complete(c);
	case_run(c);
	c = case_new("Scatter", 9);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(1, 2), INTS(1, 0));
	case_in(c, F, INTS(1, 2), REALS(7, 8));
	case_out(c, F, INTS(2, 2), REALS(1, 8, 7, 4));
	case_complete(c);
	case_run(c);
	c = case_new("ScatterElements", 13);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(1, 2), INTS(1, 2));
	case_in(c, F, INTS(1, 2), REALS(7, 8));
	case_out(c, F, INTS(2, 2), NONE);
	case_fails(c, CLAST_ERROR_DATA, "found 2");
}

Test(tensor_scatter, linear_and_circular)
{
	op_case *c = case_new("TensorScatter", 24);
	case_in(c, F, INTS(2, 3, 1), SIX);
	case_in(c, F, INTS(2, 2, 1), REALS(10, 11, 12, 13));
	case_in_ints(c, I64, INTS(2), INTS(1, 0));
	case_out(c, F, INTS(2, 3, 1), REALS(0, 10, 11, 12, 13, 5));
	case_complete(c);
	case_run(c);
	c = case_new("TensorScatter", 24);
	case_string(c, "mode", "circular");
	case_in(c, F, INTS(2, 3, 1), SIX);
	case_in(c, F, INTS(2, 2, 1), REALS(10, 11, 12, 13));
	case_in_ints(c, I64, INTS(2), INTS(2, 4));
	case_out(c, F, INTS(2, 3, 1), REALS(11, 1, 10, 3, 12, 13));
	case_complete(c);
	case_run(c);
	c = case_new("TensorScatter", 24);
	case_in(c, F, INTS(2, 3, 1), SIX);
	case_in(c, F, INTS(2, 2, 1), REALS(10, 11, 12, 13));
	case_out(c, F, INTS(2, 3, 1), REALS(10, 11, 2, 12, 13, 5));
	case_complete(c);
	case_run(c);
	c = case_new("TensorScatter", 24);
	case_in(c, F, INTS(2, 3, 1), SIX);
	case_in(c, F, INTS(2, 2, 1), REALS(10, 11, 12, 13));
	case_in_ints(c, I64, INTS(2), INTS(2, 0));
	case_out(c, F, INTS(2, 3, 1), NONE);
	case_fails(c, CLAST_ERROR_DATA, "write_indices: expected an index in [0, 1], found 2");
}
