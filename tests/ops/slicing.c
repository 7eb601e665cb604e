/* Slice, Split, Concat, Pad, Tile, Expand, CenterCropPad, Compress, ReverseSequence. */
#include <criterion/criterion.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define I64 CLAST_INT64
#define SIX REALS(0, 1, 2, 3, 4, 5)

/* One axis of extent 6. */
static void slice(int64_t start, int64_t end, int64_t step, size_t n, const double *want)
{
	op_case *c = case_new("Slice", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(1), INTS(start));
	case_in_ints(c, I64, INTS(1), INTS(end));
	case_in_ints(c, I64, INTS(1), INTS(-1));
	case_in_ints(c, I64, INTS(1), INTS(step));
	case_out(c, F, INTS((int64_t)n), n, want);
	case_complete(c);
	case_run(c);
}

Test(slice, bounds)
{
	slice(1, 4, 1, REALS(1, 2, 3));
	slice(0, INT64_MAX, 2, REALS(0, 2, 4));
	slice(1, INT32_MAX, 2, REALS(1, 3, 5));
	slice(-2, INT64_MAX, 1, REALS(4, 5));
	slice(-100, 2, 1, REALS(0, 1));
	slice(2, -1, 1, REALS(2, 3, 4));
	slice(4, 2, 1, NONE);
	slice(6, 9, 1, NONE);
	slice(2, 3, INT64_MAX, REALS(2));
}

Test(slice, backwards)
{
	slice(-1, INT64_MIN, -1, REALS(5, 4, 3, 2, 1, 0));
	slice(4, 0, -2, REALS(4, 2));
	slice(INT64_MAX, INT64_MIN, -3, REALS(5, 2));
	slice(INT32_MAX, INT32_MIN, -1, REALS(5, 4, 3, 2, 1, 0));
	slice(3, 3, -1, NONE);
	slice(5, INT64_MIN, INT64_MIN, REALS(5));
	/* The specification clamps the start into the axis, where Python would find nothing. */
	slice(-100, INT64_MIN, -1, REALS(0));
}

Test(slice, attributes_and_default_axes)
{
	op_case *c = case_new("Slice", 1);
	case_ints(c, "starts", INTS(0, 1));
	case_ints(c, "ends", INTS(1, INT64_MAX));
	case_in(c, F, INTS(2, 3), SIX);
	case_out(c, F, INTS(1, 2), REALS(1, 2));
	case_complete(c);
	case_run(c);
	c = case_new("Slice", 10);
	case_in(c, CLAST_INT32, INTS(2, 3), SIX);
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(1));
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(2));
	case_out(c, CLAST_INT32, INTS(1, 3), REALS(3, 4, 5));
	case_complete(c);
	case_run(c);
}

Test(slice, an_empty_axis_and_many_axes)
{
	op_case *c = case_new("Slice", 13);
	case_in(c, F, INTS(0, 3), NONE);
	case_in_ints(c, I64, INTS(2), INTS(-1, 2));
	case_in_ints(c, I64, INTS(2), INTS(INT64_MIN, 0));
	case_in_ints(c, I64, INTS(2), INTS(0, 1));
	case_in_ints(c, I64, INTS(2), INTS(-1, -1));
	case_out(c, F, INTS(0, 2), NONE);
	case_run(c);
	c = case_new("Slice", 13);
	case_random(c, F, INTS(2, 8, 3, 6), -1, 1);
	case_in_ints(c, I64, INTS(3), INTS(4, 0, 5));
	case_in_ints(c, I64, INTS(3), INTS(8, 2, 0));
	case_in_ints(c, I64, INTS(3), INTS(1, 2, -1));
	case_in_ints(c, I64, INTS(3), INTS(1, 1, -2));
	case_out(c, F, INTS(2, 4, 2, 3), NONE);
	case_complete(c);
	case_run(c);
}

Test(slice, malformed)
{
	op_case *c = case_new("Slice", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_out(c, F, INTS(6), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "step 0 is 0");
	c = case_new("Slice", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(6), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axes");
	c = case_new("Slice", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(2), INTS(0, 0));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(6), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "2, 1");
}

Test(slice, small_integers_are_followed)
{
	op_case *c = case_new("Slice", 13);
	case_in_ints(c, I64, INTS(2, 2), INTS(7, 8, 9, 10));
	case_in_ints(c, I64, INTS(1), INTS(-1));
	case_in_ints(c, I64, INTS(1), INTS(INT64_MIN));
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_in_ints(c, I64, INTS(1), INTS(-1));
	case_out_ints(c, I64, INTS(2, 2), INTS(9, 10, 7, 8));
	case_run(c);
}

Test(split, sizes_equal_parts_and_a_smaller_last)
{
	op_case *c = case_new("Split", 11);
	case_int(c, "axis", -1);
	case_ints(c, "split", INTS(1, 2));
	case_in(c, F, INTS(2, 3), SIX);
	case_out(c, F, INTS(2, 1), REALS(0, 3));
	case_out(c, F, INTS(2, 2), REALS(1, 2, 4, 5));
	case_complete(c);
	case_run(c);
	c = case_new("Split", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(3), INTS(0, 4, 2));
	case_out(c, F, INTS(0), NONE);
	case_out_absent(c);
	case_out(c, F, INTS(2), REALS(4, 5));
	case_run(c);
	c = case_new("Split", 13);
	case_in(c, F, INTS(6), SIX);
	case_out(c, F, INTS(3), REALS(0, 1, 2));
	case_out(c, F, INTS(3), REALS(3, 4, 5));
	case_complete(c);
	case_run(c);
	c = case_new("Split", 18);
	case_int(c, "num_outputs", 2);
	case_in(c, F, INTS(5), REALS(0, 1, 2, 3, 4));
	case_out(c, F, INTS(3), REALS(0, 1, 2));
	case_out(c, F, INTS(2), REALS(3, 4));
	case_complete(c);
	case_run(c);
}

Test(split, malformed)
{
	op_case *c = case_new("Split", 13);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(2), INTS(1, 4));
	case_out(c, F, INTS(1), NONE);
	case_out(c, F, INTS(4), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "add up to 5");
	c = case_new("Split", 13);
	case_in(c, F, INTS(5), REALS(0, 1, 2, 3, 4));
	case_out(c, F, INTS(3), NONE);
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "2 equal parts");
	c = case_new("Split", 18);
	case_int(c, "num_outputs", 3);
	case_in(c, F, INTS(6), SIX);
	case_out(c, F, INTS(3), NONE);
	case_out(c, F, INTS(3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "num_outputs: expected 2");
}

Test(concat, along_any_axis)
{
	op_case *c = case_new("Concat", 13);
	case_int(c, "axis", -2);
	case_in(c, F, INTS(1, 2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 0, 2), NONE);
	case_in(c, F, INTS(1, 1, 2), REALS(5, 6));
	case_out(c, F, INTS(1, 3, 2), REALS(1, 2, 3, 4, 5, 6));
	case_run(c);
	c = case_new("Concat", 1);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in(c, F, INTS(1, 1), REALS(3));
	case_out(c, F, INTS(1, 3), REALS(1, 2, 3));
	case_complete(c);
	case_run(c);
	c = case_new("Concat", 13);
	case_int(c, "axis", 0);
	case_in_strings(c, INTS(2), STRINGS("a", "b"));
	case_in_strings(c, INTS(1), STRINGS("c"));
	case_out_strings(c, INTS(3), STRINGS("a", "b", "c"));
	case_run(c);
}

Test(concat, malformed)
{
	op_case *c = case_new("Concat", 13);
	case_int(c, "axis", 0);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in(c, F, INTS(1, 3), REALS(1, 2, 3));
	case_out(c, F, INTS(2, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 1: expected extent 2 on axis 1");
	c = case_new("Concat", 13);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_out(c, F, INTS(1, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis");
	c = case_new("Concat", 13);
	case_int(c, "axis", 1);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in(c, CLAST_INT32, INTS(1, 2), REALS(1, 2));
	case_out(c, F, INTS(1, 4), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "one dtype");
}

static void pad(const char *mode, int64_t before, int64_t after, size_t n, const double *want)
{
	op_case *c = case_new("Pad", 19);
	case_string(c, "mode", mode);
	case_in(c, F, INTS(4), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(2), INTS(before, after));
	case_in(c, F, NONE, REALS(9));
	case_out(c, F, INTS((int64_t)n), n, want);
	case_complete(c);
	case_run(c);
}

Test(pad, modes)
{
	pad("constant", 1, 2, REALS(9, 1, 2, 3, 4, 9, 9));
	pad("reflect", 2, 1, REALS(3, 2, 1, 2, 3, 4, 3));
	pad("reflect", 0, 7, REALS(1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3));
	pad("edge", 2, 1, REALS(1, 1, 1, 2, 3, 4, 4));
	pad("wrap", 2, 5, REALS(3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1));
}

Test(pad, negative_pads_take_away)
{
	pad("constant", -1, -2, REALS(2));
	pad("constant", -5, 3, REALS(9, 9));
	pad("constant", -2, 1, REALS(3, 4, 9));
	pad("reflect", -1, 2, REALS(2, 3, 4, 3, 2));
	pad("edge", 2, -3, REALS(1, 1, 1));
	pad("wrap", -2, 3, REALS(3, 4, 3, 4, 3));
}

Test(pad, older_versions_and_axes)
{
	op_case *c = case_new("Pad", 1);
	case_ints(c, "paddings", INTS(0, 1, 0, 0));
	case_float(c, "value", 2);
	case_in(c, F, INTS(1, 2), REALS(1, 3));
	case_out(c, F, INTS(1, 3), REALS(2, 1, 3));
	case_complete(c);
	case_run(c);
	c = case_new("Pad", 2);
	case_ints(c, "pads", INTS(0, 0, 1, 0));
	case_in(c, F, INTS(1, 2), REALS(1, 3));
	case_out(c, F, INTS(2, 2), REALS(1, 3, 0, 0));
	case_complete(c);
	case_run(c);
	c = case_new("Pad", 18);
	case_in(c, CLAST_INT8, INTS(1, 2), REALS(1, 3));
	case_in_ints(c, I64, INTS(2), INTS(1, 1));
	case_absent(c);
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(-1));
	case_out(c, CLAST_INT8, INTS(1, 4), REALS(0, 1, 3, 0));
	case_complete(c);
	case_run(c);
}

Test(pad, malformed)
{
	op_case *c = case_new("Pad", 13);
	case_in(c, F, INTS(4), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(5), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "pads: expected 2 elements");
	c = case_new("Pad", 13);
	case_in(c, F, INTS(4), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(2), INTS(-3, -2));
	case_out(c, F, INTS(5), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "no valid extent");
	c = case_new("Pad", 13);
	case_string(c, "mode", "edge");
	case_in(c, F, INTS(0), NONE);
	case_in_ints(c, I64, INTS(2), INTS(1, 0));
	case_out(c, F, INTS(1), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "mode edge");
	c = case_new("Pad", 13);
	case_string(c, "mode", "wrap");
	case_in(c, F, INTS(1), REALS(1));
	case_in_ints(c, I64, INTS(2), INTS(1, 0));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "mode");
}

Test(tile, repeats)
{
	op_case *c = case_new("Tile", 13);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in_ints(c, I64, INTS(2), INTS(2, 2));
	case_out(c, F, INTS(2, 4), REALS(1, 2, 1, 2, 1, 2, 1, 2));
	case_complete(c);
	case_run(c);
	c = case_new("Tile", 6);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(2), INTS(1, 0));
	case_out(c, F, INTS(2, 0), NONE);
	case_run(c);
	c = case_new("Tile", 1);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in(c, F, INTS(1), REALS(3));
	case_in(c, F, INTS(1), REALS(1));
	case_out(c, F, INTS(1, 6), REALS(1, 2, 1, 2, 1, 2));
	case_run(c);
	c = case_new("Tile", 13);
	case_in(c, F, INTS(1, 2), REALS(1, 2));
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(2, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "repeats: expected 2");
}

Test(expand, broadcasts_both_ways)
{
	op_case *c = case_new("Expand", 13);
	case_in(c, F, INTS(3, 1), REALS(1, 2, 3));
	case_in_ints(c, I64, INTS(3), INTS(2, 1, 2));
	case_out(c, F, INTS(2, 3, 2), REALS(1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3));
	case_run(c);
	c = case_new("Expand", 8);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Expand", 13);
	case_in_ints(c, I64, NONE, INTS(7));
	case_in_ints(c, I64, INTS(1), INTS(3));
	case_out_ints(c, I64, INTS(3), INTS(7, 7, 7));
	case_run(c);
	c = case_new("Expand", 13);
	case_random(c, F, INTS(2, 3), -1, 1);
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(2, 3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "do not broadcast");
}

Test(center_crop_pad, odd_differences)
{
	op_case *c = case_new("CenterCropPad", 18);
	case_in(c, F, INTS(6), SIX);
	case_in_ints(c, I64, INTS(1), INTS(3));
	case_out(c, F, INTS(3), REALS(1, 2, 3));
	case_complete(c);
	case_run(c);
	c = case_new("CenterCropPad", 18);
	case_ints(c, "axes", INTS(-1));
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in_ints(c, CLAST_INT32, INTS(1), INTS(5));
	case_out(c, F, INTS(2, 5), REALS(0, 1, 2, 0, 0, 0, 3, 4, 0, 0));
	case_complete(c);
	case_run(c);
}

Test(compress, axis_and_flattened)
{
	op_case *c = case_new("Compress", 11);
	case_int(c, "axis", -1);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, CLAST_BOOL, INTS(3), INTS(1, 0, 1));
	case_out(c, F, INTS(2, 2), REALS(0, 2, 3, 5));
	case_run(c);
	c = case_new("Compress", 9);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, CLAST_BOOL, INTS(5), INTS(0, 1, 0, 0, 1));
	case_out(c, F, INTS(2), REALS(1, 4));
	case_run(c);
	c = case_new("Compress", 9);
	case_int(c, "axis", 0);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, CLAST_BOOL, INTS(2), INTS(0, 0));
	case_out(c, F, INTS(0, 3), NONE);
	case_run(c);
	c = case_new("Compress", 9);
	case_int(c, "axis", 0);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, CLAST_BOOL, INTS(3), INTS(0, 0, 1));
	case_out(c, F, INTS(1, 3), NONE);
	case_fails(c, CLAST_ERROR_DATA, "element 2 is true");
}

Test(reverse_sequence, both_orders_of_axes)
{
	op_case *c = case_new("ReverseSequence", 10);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(2), INTS(3, 2));
	case_out(c, F, INTS(3, 2), REALS(4, 3, 2, 1, 0, 5));
	case_complete(c);
	case_run(c);
	c = case_new("ReverseSequence", 10);
	case_int(c, "batch_axis", 0);
	case_int(c, "time_axis", 1);
	case_in(c, F, INTS(2, 3), SIX);
	case_in_ints(c, I64, INTS(2), INTS(0, 3));
	case_out(c, F, INTS(2, 3), REALS(0, 1, 2, 5, 4, 3));
	case_complete(c);
	case_run(c);
	c = case_new("ReverseSequence", 10);
	case_in(c, F, INTS(3, 2), SIX);
	case_in_ints(c, I64, INTS(2), INTS(3, 4));
	case_out(c, F, INTS(3, 2), NONE);
	case_fails(c, CLAST_ERROR_DATA, "found 4");
}
