/* Resize, Upsample, GridSample, AffineGrid, RoiAlign, MaxRoiPool, Col2Im, NonMaxSuppression. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define I64 CLAST_INT64

/* One axis, sizes given. */
static void resize(const char *mode, const char *coordinates, const char *rounding, size_t n, const double *x,
		   size_t m, const double *want)
{
	op_case *c = case_new("Resize", 19);
	case_string(c, "mode", mode);
	case_string(c, "coordinate_transformation_mode", coordinates);
	if (rounding)
		case_string(c, "nearest_mode", rounding);
	case_in(c, F, INTS((int64_t)n), n, x);
	case_absent(c);
	case_absent(c);
	case_in_ints(c, I64, INTS(1), INTS((int64_t)m));
	case_out(c, F, INTS((int64_t)m), m, want);
	case_tolerance(c, 1e-5, 1e-5);
	case_complete(c);
	case_run(c);
}

#define THREE REALS(1, 2, 4)

Test(resize, nearest_roundings)
{
	resize("nearest", "asymmetric", "floor", THREE, REALS(1, 1, 2, 2, 4, 4));
	resize("nearest", "asymmetric", "ceil", THREE, REALS(1, 2, 2, 4, 4, 4));
	resize("nearest", "asymmetric", "round_prefer_floor", THREE, REALS(1, 1, 2, 2, 4, 4));
	resize("nearest", "asymmetric", "round_prefer_ceil", THREE, REALS(1, 2, 2, 4, 4, 4));
	resize("nearest", "half_pixel", "round_prefer_floor", THREE, REALS(2));
	resize("nearest", "tf_half_pixel_for_nn", "floor", THREE, REALS(1, 1, 2, 2, 4, 4));
}

Test(resize, linear_coordinates)
{
	resize("linear", "half_pixel", NULL, REALS(1, 3), REALS(1, 1.5, 2.5, 3));
	resize("linear", "align_corners", NULL, REALS(1, 4), REALS(1, 2, 3, 4));
	resize("linear", "asymmetric", NULL, REALS(1, 3), REALS(1, 2, 3, 3));
	resize("linear", "pytorch_half_pixel", NULL, REALS(1, 3, 5), REALS(1));
	resize("linear", "half_pixel_symmetric", NULL, REALS(1, 3), REALS(1, 1.5, 2.5, 3));
}

/* Weights of Keys's cubic at a quarter: a = -0.75 gives -0.10546875, 0.87890625, 0.26171875, -0.03515625. */
Test(resize, cubic_with_both_borders)
{
	op_case *c = case_new("Resize", 11);
	case_string(c, "mode", "cubic");
	case_in(c, F, INTS(4), REALS(1, 0, 0, 0));
	case_in(c, F, INTS(0), NONE);
	case_in(c, F, INTS(1), REALS(2));
	case_out(c, F, INTS(8), REALS(1.10546875, 0.7734375, 0.2265625, -0.10546875, -0.03515625, 0, 0, 0));
	case_tolerance(c, 1e-6, 1e-6);
	case_complete(c);
	case_run(c);
	c = case_new("Resize", 13);
	case_string(c, "mode", "cubic");
	case_int(c, "exclude_outside", 1);
	case_float(c, "cubic_coeff_a", -0.5f);
	case_in(c, F, INTS(2), REALS(1, 1));
	case_absent(c);
	case_in(c, F, INTS(1), REALS(3));
	case_out(c, F, INTS(6), REALS(1, 1, 1, 1, 1, 1));
	case_tolerance(c, 1e-6, 1e-6);
	case_run(c);
}

Test(resize, antialias_averages)
{
	op_case *c = case_new("Resize", 18);
	case_string(c, "mode", "linear");
	case_int(c, "antialias", 1);
	case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 3, 4));
	case_absent(c);
	case_in(c, F, INTS(3), REALS(1, 1, 0.5));
	case_out(c, F, INTS(1, 1, 2), REALS(1.625, 3.375));
	case_tolerance(c, 1e-6, 1e-6);
	case_complete(c);
	case_run(c);
}

Test(resize, crop_and_extrapolate)
{
	op_case *c = case_new("Resize", 13);
	case_string(c, "mode", "linear");
	case_string(c, "coordinate_transformation_mode", "tf_crop_and_resize");
	case_float(c, "extrapolation_value", 10);
	case_in(c, F, INTS(3), REALS(1, 2, 4));
	case_in(c, F, INTS(2), REALS(0.5, 1.5));
	case_absent(c);
	case_in_ints(c, I64, INTS(1), INTS(3));
	case_out(c, F, INTS(3), REALS(2, 4, 10));
	case_complete(c);
	case_run(c);
}

Test(resize, extrapolates_complex_numbers)
{
	static const double x[4] = { 1, 2, 3, 4 }, y[6] = { 3, 4, 10, 0, 10, 0 };
	op_case *c = case_new("Resize", 13);
	case_string(c, "coordinate_transformation_mode", "tf_crop_and_resize");
	case_float(c, "extrapolation_value", 10);
	case_in_raw(c, CLAST_COMPLEX128, INTS(2), x);
	case_in(c, F, INTS(2), REALS(1, 3));
	case_absent(c);
	case_in_ints(c, I64, INTS(1), INTS(3));
	case_out_raw(c, CLAST_COMPLEX128, INTS(3), y);
	case_run(c);
}

Test(resize, policies_and_axes)
{
	static const struct {
		const char *policy;
		int64_t h, w;
	} cases[] = { { "stretch", 7, 8 }, { "not_larger", 7, 7 }, { "not_smaller", 8, 8 } };
	for (size_t i = 0; i < 3; i++) {
		op_case *c = case_new("Resize", 18);
		case_ints(c, "axes", INTS(-1, 0));
		case_string(c, "keep_aspect_ratio_policy", cases[i].policy);
		case_random(c, F, INTS(2, 3, 2), -1, 1);
		case_absent(c);
		case_absent(c);
		case_in_ints(c, I64, INTS(2), INTS(8, 7));
		case_out(c, F, INTS(cases[i].h, 3, cases[i].w), NONE);
		case_run(c);
	}
}

Test(resize, integers_are_rounded_and_nearest_takes_any_dtype)
{
	op_case *c = case_new("Resize", 13);
	case_string(c, "mode", "linear");
	case_in(c, CLAST_UINT8, INTS(2), REALS(0, 255));
	case_absent(c);
	case_in(c, F, INTS(1), REALS(2));
	case_out(c, CLAST_UINT8, INTS(4), REALS(0, 64, 191, 255));
	case_run(c);
	c = case_new("Resize", 13);
	case_in_strings(c, INTS(2), STRINGS("a", "b"));
	case_absent(c);
	case_in(c, F, INTS(1), REALS(2));
	case_out_strings(c, INTS(4), STRINGS("a", "a", "b", "b"));
	case_run(c);
}

Test(resize, older_versions)
{
	op_case *c = case_new("Resize", 10);
	case_in(c, F, INTS(1, 4), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(2), REALS(1, 0.6));
	case_out(c, F, INTS(1, 2), REALS(1, 3));
	case_run(c);
	c = case_new("Upsample", 9);
	case_in(c, F, INTS(1, 1, 2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(4), REALS(1, 1, 1, 2));
	case_out(c, F, INTS(1, 1, 2, 4), REALS(1, 1, 2, 2, 3, 3, 4, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Upsample", 7);
	case_string(c, "mode", "linear");
	case_floats(c, "scales", FLOATS(1, 1, 1, 2));
	case_in(c, F, INTS(1, 1, 1, 2), REALS(1, 3));
	case_out(c, F, INTS(1, 1, 1, 4), REALS(1, 2, 3, 3));
	case_complete(c);
	case_run(c);
	c = case_new("Upsample", 1);
	case_float(c, "height_scale", 2);
	case_float(c, "width_scale", 1);
	case_in(c, F, INTS(1, 1, 1, 2), REALS(1, 3));
	case_out(c, F, INTS(1, 1, 2, 2), REALS(1, 3, 1, 3));
	case_complete(c);
	case_run(c);
}

Test(resize, malformed)
{
	op_case *c = case_new("Resize", 13);
	case_in(c, F, INTS(2), REALS(1, 2));
	case_absent(c);
	case_in(c, F, INTS(1), REALS(0));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "scales: expected positive numbers");
	c = case_new("Resize", 13);
	case_in(c, F, INTS(2), REALS(1, 2));
	case_absent(c);
	case_in(c, F, INTS(2), REALS(1, 1));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "scales: expected 1 elements, found 2");
	c = case_new("Resize", 13);
	case_in(c, F, INTS(2), REALS(1, 2));
	case_absent(c);
	case_in(c, F, INTS(1), REALS(1));
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "both");
	c = case_new("Resize", 13);
	case_in(c, F, INTS(0), NONE);
	case_absent(c);
	case_absent(c);
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "cannot be resized to 2");
}

static void grid_sample(const char *mode, const char *padding, int64_t align, double at, double want)
{
	op_case *c = case_new("GridSample", 20);
	case_string(c, "mode", mode);
	case_string(c, "padding_mode", padding);
	case_int(c, "align_corners", align);
	case_in(c, F, INTS(1, 1, 4), REALS(1, 2, 4, 8));
	case_in(c, F, INTS(1, 1, 1), REALS(at));
	case_out(c, F, INTS(1, 1, 1), REALS(want));
	case_tolerance(c, 1e-5, 1e-5);
	case_complete(c);
	case_run(c);
}

Test(grid_sample, one_axis)
{
	grid_sample("linear", "zeros", 1, 0, 3);
	grid_sample("linear", "zeros", 0, -1, 0.5);
	grid_sample("linear", "border", 0, -1, 1);
	grid_sample("linear", "reflection", 1, 1 + 2.0 / 3, 4);
	grid_sample("linear", "reflection", 0, 1.25, 8);
	grid_sample("nearest", "zeros", 0, 5, 0);
	grid_sample("nearest", "border", 0, 5, 8);
	grid_sample("linear", "zeros", 0, (double)NAN, 0);
	grid_sample("cubic", "border", 1, -1, 1);
	grid_sample("cubic", "zeros", 1, 0, -0.09375 * 1 + 0.59375 * 2 + 0.59375 * 4 - 0.09375 * 8);
}

Test(grid_sample, coordinates_come_innermost_first)
{
	op_case *c = case_new("GridSample", 16);
	case_int(c, "align_corners", 1);
	case_in(c, F, INTS(1, 2, 2, 3), REALS(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15));
	case_in(c, F, INTS(1, 1, 2, 2), REALS(1, -1, -1, 1));
	case_out(c, F, INTS(1, 2, 1, 2), REALS(2, 3, 12, 13));
	case_complete(c);
	case_run(c);
	c = case_new("GridSample", 16);
	case_random(c, F, INTS(1, 2, 2, 3), -1, 1);
	case_random(c, F, INTS(1, 2, 2, 3), -1, 1);
	case_out(c, F, INTS(1, 2, 2, 2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "2 coordinates");
}

Test(affine_grid, identity)
{
	op_case *c = case_new("AffineGrid", 20);
	case_in(c, F, INTS(1, 2, 3), REALS(1, 0, 0, 0, 1, 0.5));
	case_in_ints(c, I64, INTS(4), INTS(1, 7, 2, 2));
	case_out(c, F, INTS(1, 2, 2, 2), REALS(-0.5, 0, 0.5, 0, -0.5, 1, 0.5, 1));
	case_complete(c);
	case_run(c);
	c = case_new("AffineGrid", 20);
	case_int(c, "align_corners", 1);
	case_in(c, F, INTS(1, 3, 4), REALS(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0));
	case_in_ints(c, I64, INTS(5), INTS(1, 1, 1, 1, 2));
	case_out(c, F, INTS(1, 1, 1, 2, 3), REALS(-1, -1, -1, 1, -1, -1));
	case_complete(c);
	case_run(c);
}

Test(roi_align, average_and_maximum)
{
	op_case *c = case_new("RoiAlign", 16);
	case_string(c, "coordinate_transformation_mode", "output_half_pixel");
	case_int(c, "output_height", 1);
	case_int(c, "output_width", 2);
	case_int(c, "sampling_ratio", 1);
	case_in(c, F, INTS(1, 1, 2, 3), REALS(0, 1, 2, 3, 4, 5));
	case_in(c, F, INTS(1, 4), REALS(0, 0, 2, 1));
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_out(c, F, INTS(1, 1, 1, 2), REALS(2, 3));
	case_complete(c);
	case_run(c);
	c = case_new("RoiAlign", 10);
	case_in(c, F, INTS(1, 1, 2, 3), REALS(0, 1, 2, 3, 4, 5));
	case_in(c, F, INTS(1, 4), REALS(0, 0, 2, 1));
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(1, 1, 1, 1), NONE);
	case_fails(c, CLAST_ERROR_DATA, "batch_indices");
}

Test(max_roi_pool, bins_of_whole_pixels)
{
	op_case *c = case_new("MaxRoiPool", 1);
	case_ints(c, "pooled_shape", INTS(2, 2));
	case_float(c, "spatial_scale", 0.5f);
	case_in(c, F, INTS(2, 1, 3, 3), REALS(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
	case_in(c, F, INTS(2, 5), REALS(1, 0, 0, 4, 4, 1, 8, 8, 9, 9));
	case_out(c, F, INTS(2, 1, 2, 2), REALS(5, 6, 8, 9, 0, 0, 0, 0));
	case_complete(c);
	case_run(c);
}

Test(col2im, overlapping_blocks_add_up)
{
	op_case *c = case_new("Col2Im", 18);
	case_in(c, F, INTS(1, 2, 3), REALS(1, 2, 3, 4, 5, 6));
	case_in_ints(c, I64, INTS(1), INTS(4));
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(1, 1, 4), REALS(1, 6, 8, 6));
	case_complete(c);
	case_run(c);
	c = case_new("Col2Im", 18);
	case_ints(c, "pads", INTS(1, 0));
	case_ints(c, "strides", INTS(2));
	case_ints(c, "dilations", INTS(2));
	case_in(c, CLAST_INT32, INTS(1, 4, 2), REALS(1, 2, 3, 4, 5, 6, 7, 8));
	case_in_ints(c, I64, INTS(1), INTS(4));
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, CLAST_INT32, INTS(1, 2, 4), REALS(0, 5, 0, 4, 0, 13, 0, 8));
	case_complete(c);
	case_run(c);
	c = case_new("Col2Im", 18);
	case_in(c, F, INTS(1, 2, 2), REALS(1, 2, 4, 5));
	case_in_ints(c, I64, INTS(1), INTS(4));
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(1, 1, 4), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "expected 3 blocks");
}

/* Three boxes on one place, one apart; the best first, equal scores by index. */
static op_case *nms(int64_t limit, double iou, double threshold)
{
	op_case *c = case_new("NonMaxSuppression", 11);
	case_in(c, F, INTS(1, 4, 4), REALS(0, 0, 1, 1, 0, 0.1, 1, 1.1, 5, 5, 6, 6, 1, 1, 0, 0));
	case_in(c, F, INTS(1, 2, 4), REALS(0.9, 0.8, 0.5, 0.9, 0.1, 0.2, 0.2, 0));
	case_in_ints(c, I64, INTS(1), INTS(limit));
	case_in(c, F, INTS(1), REALS(iou));
	case_in(c, F, INTS(1), REALS(threshold));
	return c;
}

Test(non_max_suppression, by_score_and_overlap)
{
	op_case *c = nms(10, 0.5, 0.15);
	case_out_ints(c, I64, INTS(4, 3), INTS(0, 0, 0, 0, 0, 2, 0, 1, 1, 0, 1, 2));
	case_run(c);
	c = nms(1, 0.5, 0.15);
	case_out_ints(c, I64, INTS(2, 3), INTS(0, 0, 0, 0, 1, 1));
	case_run(c);
	c = nms(10, 1, 0.7);
	case_out_ints(c, I64, INTS(3, 3), INTS(0, 0, 0, 0, 0, 3, 0, 0, 1));
	case_run(c);
	c = nms(0, 0.5, 0);
	case_out_ints(c, I64, INTS(0, 3), NONE);
	case_run(c);
	c = nms(1, 1.5, 0);
	case_out(c, I64, INTS(1, 3), NONE);
	case_fails(c, CLAST_ERROR_DATA, "iou_threshold");
}

Test(non_max_suppression, centred_boxes_and_no_limit_is_none)
{
	op_case *c = case_new("NonMaxSuppression", 10);
	case_int(c, "center_point_box", 1);
	case_in(c, F, INTS(1, 2, 4), REALS(0.5, 0.5, 1, 1, 0.5, 0.6, 1, 1));
	case_in(c, F, INTS(1, 1, 2), REALS(0.1, 0.2));
	case_in_ints(c, I64, NONE, INTS(5));
	case_in(c, F, NONE, REALS(0.5));
	case_out_ints(c, I64, INTS(1, 3), INTS(0, 0, 1));
	case_run(c);
	c = case_new("NonMaxSuppression", 10);
	case_in(c, F, INTS(1, 1, 4), REALS(0, 0, 1, 1));
	case_in(c, F, INTS(1, 1, 1), REALS(0.1));
	case_out_ints(c, I64, INTS(0, 3), NONE);
	case_run(c);
}
