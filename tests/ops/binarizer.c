#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

static op_case *binarizer(void)
{
	return case_new_in("ai.onnx.ml", "Binarizer", 1);
}

Test(binarizer, ones_only_above_the_threshold)
{
	static const clast_dtype dtypes[] = { CLAST_FLOAT32, CLAST_FLOAT64, CLAST_INT32, CLAST_INT64 };
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
		op_case *c = binarizer();
		case_float(c, "threshold", 2);
		case_in(c, dtypes[i], INTS(2, 1, 3), REALS(-3, 0, 1, 2, 3, 100));
		case_out(c, dtypes[i], INTS(2, 1, 3), REALS(0, 0, 0, 0, 1, 1));
		case_tolerance(c, 0, 0);
		case_complete(c);
		case_run(c);
	}
}

Test(binarizer, the_threshold_is_zero_unless_given)
{
	op_case *c = binarizer();
	case_in(c, CLAST_FLOAT32, INTS(6), REALS(-INFINITY, -0.0, 0, 1e-40, INFINITY, NAN));
	case_out(c, CLAST_FLOAT32, INTS(6), REALS(0, 0, 0, 1, 1, 0));
	case_tolerance(c, 0, 0);
	case_run(c);
}

Test(binarizer, a_scalar_and_an_empty_tensor)
{
	op_case *c = binarizer();
	case_in(c, CLAST_FLOAT64, NONE, REALS(0.5));
	case_out(c, CLAST_FLOAT64, NONE, REALS(1));
	case_run(c);
	c = binarizer();
	case_in(c, CLAST_INT32, INTS(2, 0), NONE);
	case_out(c, CLAST_INT32, INTS(2, 0), NONE);
	case_run(c);
}

/* 2^60 is a float; its neighbours are no doubles. */
Test(binarizer, compares_integers_exactly)
{
	const int64_t big = INT64_C(1) << 60;
	op_case *c = binarizer();
	case_float(c, "threshold", 0x1p60f);
	case_in_ints(c, CLAST_INT64, INTS(5), INTS(big - 1, big, big + 1, INT64_MIN, INT64_MAX));
	case_out_ints(c, CLAST_INT64, INTS(5), INTS(0, 0, 1, 0, 1));
	case_run(c);
	const float thresholds[] = { -1.5f, 0x1p63f, -0x1p63f, -0x1p64f, INFINITY, -INFINITY, NAN };
	/* Of -2, -1, INT64_MIN and INT64_MAX. */
	const int64_t above[][4] = { { 0, 1, 0, 1 }, { 0, 0, 0, 0 }, { 1, 1, 0, 1 }, { 1, 1, 1, 1 },
				     { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, { 0, 0, 0, 0 } };
	for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
		c = binarizer();
		case_float(c, "threshold", thresholds[i]);
		case_in_ints(c, CLAST_INT64, INTS(4), INTS(-2, -1, INT64_MIN, INT64_MAX));
		case_out_ints(c, CLAST_INT64, INTS(4), 4, above[i]);
		case_run(c);
	}
}

Test(binarizer, other_dtypes_are_errors)
{
	op_case *c = binarizer();
	case_in(c, CLAST_UINT8, INTS(1), REALS(1));
	case_out(c, CLAST_UINT8, INTS(1), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "uint8");
}
