#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define NAN_ ((double)NAN)
#define INF ((double)INFINITY)

static op_case *cast(int64_t opset, clast_dtype to)
{
	op_case *c = case_new("Cast", opset);
	case_int(c, "to", to);
	return c;
}

Test(cast, between_all_numeric_dtypes)
{
	for (clast_dtype from = CLAST_FLOAT32; from < CLAST_DTYPE_COUNT; from++)
		for (clast_dtype to = CLAST_FLOAT32; to < CLAST_DTYPE_COUNT; to++) {
			if (from == CLAST_STRING || dtype_is_complex(from) || to == CLAST_STRING ||
			    dtype_is_complex(to))
				continue;
			op_case *c = cast(25, to);
			case_in(c, from, INTS(1, 2), REALS(1, from == CLAST_FLOAT8E8M0 ? 1 : 0));
			case_out(c, to, INTS(1, 2), REALS(1, from == CLAST_FLOAT8E8M0 ? 1 : 0));
			case_tolerance(c, to == CLAST_FLOAT8E8M0 ? 1e-30 : 0, 0);
			case_complete(c);
			case_run(c);
		}
}

Test(cast, reals_are_cut_off_and_integers_wrap)
{
	op_case *c = cast(13, CLAST_INT32);
	case_in(c, F, INTS(4), REALS(-1.9, 1.9, NAN_, 1e10));
	case_out_ints(c, CLAST_INT32, INTS(4), INTS(-1, 1, INT32_MIN, INT32_MIN));
	case_run(c);
	c = cast(13, CLAST_INT8);
	case_in(c, CLAST_INT16, INTS(2), REALS(200, -129));
	case_out(c, CLAST_INT8, INTS(2), REALS(-56, 127));
	case_run(c);
	c = cast(13, CLAST_BOOL);
	case_in(c, F, INTS(4), REALS(0, -0.0, 0.1, NAN_));
	case_out(c, CLAST_BOOL, INTS(4), REALS(0, 0, 1, 1));
	case_run(c);
	c = cast(13, CLAST_UINT64);
	case_in(c, CLAST_FLOAT64, INTS(1), REALS(0x1p63));
	case_out_ints(c, CLAST_UINT64, INTS(1), INTS(INT64_MIN));
	case_run(c);
}

Test(cast, large_integers_are_rounded_once)
{
	/* 2^54 + 2^30 + 1 lies just above the middle of two floats, and by way of double exactly there. */
	op_case *c = cast(13, F);
	case_in_ints(c, CLAST_INT64, INTS(1, 1), INTS((INT64_C(1) << 54) + (INT64_C(1) << 30) + 1));
	case_out(c, F, INTS(1, 1), REALS(0x1p54 + 0x1p31));
	case_tolerance(c, 0, 0);
	case_run(c);
}

Test(cast, float8_saturates_on_demand)
{
	static const uint8_t saturated[] = { 0x7b, 0xfb, 0x42 }, others[] = { 0x7c, 0xfc, 0x42 };
	for (int saturate = 0; saturate < 2; saturate++) {
		op_case *c = cast(19, CLAST_FLOAT8E5M2);
		case_int(c, "saturate", saturate);
		case_in(c, F, INTS(3), REALS(1e6, -INF, 3));
		case_out_raw(c, CLAST_FLOAT8E5M2, INTS(3), saturate ? saturated : others);
		case_run(c);
	}
}

Test(cast, float8e8m0_rounds_as_told)
{
	static const char *const modes[] = { "up", "down", "nearest" };
	static const double expected[][3] = { { 4, 8, 4 }, { 2, 4, 4 }, { 4, 4, 4 } };
	for (int i = 0; i < 3; i++) {
		op_case *c = cast(24, CLAST_FLOAT8E8M0);
		case_string(c, "round_mode", modes[i]);
		case_in(c, F, INTS(3), REALS(3, 4.5, 4));
		case_out(c, CLAST_FLOAT8E8M0, INTS(3), 3, expected[i]);
		case_run(c);
	}
}

Test(cast, strings_to_numbers)
{
	op_case *c = cast(13, F);
	case_in_strings(c, INTS(7), 7,
			(const char *const[]){ "3.5", "-1e3", "NaN", "INF", "+inf", "-INF", " 7 " });
	case_out(c, F, INTS(7), REALS(3.5, -1000, NAN_, INF, INF, -INF, 7));
	case_run(c);
	c = cast(13, CLAST_INT64);
	case_in_strings(c, INTS(2), 2, (const char *const[]){ "9223372036854775807", "100.5" });
	case_out_ints(c, CLAST_INT64, INTS(2), INTS(INT64_MAX, 100));
	case_run(c);
	c = cast(13, F);
	case_in_strings(c, INTS(1), 1, (const char *const[]){ "Hello" });
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "Hello");
}

Test(cast, numbers_to_strings)
{
	op_case *c = cast(13, CLAST_STRING);
	case_in(c, F, INTS(7), REALS(0.1, 1, -2.5, 1e-5, 1e20, NAN_, -INF));
	case_out_strings(c, INTS(7), 7,
			 (const char *const[]){ "0.1", "1.0", "-2.5", "1e-05", "1e+20", "nan", "-inf" });
	case_run(c);
	c = cast(13, CLAST_STRING);
	case_in_ints(c, CLAST_UINT64, INTS(2), INTS(-1, 7));
	case_out_strings(c, INTS(2), 2, (const char *const[]){ "18446744073709551615", "7" });
	case_run(c);
}

Test(cast, by_name_in_opset_1)
{
	op_case *c = case_new("Cast", 1);
	case_string(c, "to", "INT32");
	case_in(c, F, INTS(1), REALS(2.5));
	case_out(c, CLAST_INT32, INTS(1), REALS(2));
	case_run(c);
}

Test(cast, like_another_tensor)
{
	op_case *c = case_new("CastLike", 19);
	case_in(c, F, INTS(2), REALS(2.5, -1));
	case_random(c, CLAST_INT64, INTS(3, 3), 0, 1);
	case_out(c, CLAST_INT64, INTS(2), REALS(2, -1));
	case_complete(c);
	case_run(c);
}

Test(cast, to_what_the_version_lacks)
{
	op_case *c = cast(13, CLAST_FLOAT8E5M2);
	case_in(c, F, INTS(1), REALS(1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "float8e5m2");
}
