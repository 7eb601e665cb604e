#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "dtype.h"

/* A small format as the tests see it: bits of exponent and mantissa, the bias, and which patterns are what.
 */
typedef struct small {
	const char *name;
	int exponent, mantissa, bias;
	uint32_t largest; /* the largest finite magnitude */
	uint32_t sign;
	double (*decode)(uint32_t bits);
	uint32_t (*encode)(double x, bool saturate);
	bool unsigned_zero, saturates; /* saturates: even when not asked to */
} small;

static double decode_f16(uint32_t b)
{
	return f16_to_float((uint16_t)b);
}

static uint32_t encode_f16(double x, bool saturate)
{
	(void)saturate;
	return f16_from_double(x);
}

static double decode_bf16(uint32_t b)
{
	return bf16_to_float((uint16_t)b);
}

static uint32_t encode_bf16(double x, bool saturate)
{
	(void)saturate;
	return bf16_from_double(x);
}

static double decode_f4(uint32_t b)
{
	return f4_to_float((uint8_t)b);
}

static uint32_t encode_f4(double x, bool saturate)
{
	(void)saturate;
	return f4_from_double(x);
}

static double decode_e4m3fn(uint32_t b)
{
	return f8_to_float(CLAST_FLOAT8E4M3FN, (uint8_t)b);
}

static uint32_t encode_e4m3fn(double x, bool saturate)
{
	return f8_from_double(CLAST_FLOAT8E4M3FN, x, saturate);
}

static double decode_e4m3fnuz(uint32_t b)
{
	return f8_to_float(CLAST_FLOAT8E4M3FNUZ, (uint8_t)b);
}

static uint32_t encode_e4m3fnuz(double x, bool saturate)
{
	return f8_from_double(CLAST_FLOAT8E4M3FNUZ, x, saturate);
}

static double decode_e5m2(uint32_t b)
{
	return f8_to_float(CLAST_FLOAT8E5M2, (uint8_t)b);
}

static uint32_t encode_e5m2(double x, bool saturate)
{
	return f8_from_double(CLAST_FLOAT8E5M2, x, saturate);
}

static double decode_e5m2fnuz(uint32_t b)
{
	return f8_to_float(CLAST_FLOAT8E5M2FNUZ, (uint8_t)b);
}

static uint32_t encode_e5m2fnuz(double x, bool saturate)
{
	return f8_from_double(CLAST_FLOAT8E5M2FNUZ, x, saturate);
}

static const small formats[] = {
	{ "float16", 5, 10, 15, 0x7bff, 0x8000, decode_f16, encode_f16, false, false },
	{ "bfloat16", 8, 7, 127, 0x7f7f, 0x8000, decode_bf16, encode_bf16, false, false },
	{ "float8e4m3fn", 4, 3, 7, 0x7e, 0x80, decode_e4m3fn, encode_e4m3fn, false, false },
	{ "float8e4m3fnuz", 4, 3, 8, 0x7f, 0x80, decode_e4m3fnuz, encode_e4m3fnuz, true, false },
	{ "float8e5m2", 5, 2, 15, 0x7b, 0x80, decode_e5m2, encode_e5m2, false, false },
	{ "float8e5m2fnuz", 5, 2, 16, 0x7f, 0x80, decode_e5m2fnuz, encode_e5m2fnuz, true, false },
	{ "float4e2m1", 2, 1, 1, 7, 8, decode_f4, encode_f4, false, true },
};
enum { FORMATS = sizeof(formats) / sizeof(*formats) };

/* The value of a magnitude by the formula of the standard. */
static double value(const small *f, uint32_t magnitude)
{
	const uint32_t exponent = magnitude >> f->mantissa, mantissa = magnitude & ((1u << f->mantissa) - 1);
	const double fraction = mantissa / (double)(1 << f->mantissa);
	return exponent ? ldexp(1 + fraction, (int)exponent - f->bias) : ldexp(fraction, 1 - f->bias);
}

static double with_sign(double x, bool negative)
{
	return negative ? -x : x;
}

/* What a value beyond the range gives without saturation: infinity, NaN, or the largest. */
static bool overflow_is_right(const small *f, uint32_t bits, bool negative, bool saturate)
{
	const double x = f->decode(bits);
	if (saturate || f->saturates)
		return x == with_sign(value(f, f->largest), negative);
	const bool has_infinity = !isnan(f->decode(f->largest + 1)) && !f->unsigned_zero;
	return has_infinity ? isinf(x) && signbit(x) == negative : isnan(x);
}

Test(dtype, every_pattern_decodes_to_its_value_and_back)
{
	for (int k = 0; k < FORMATS; k++) {
		const small *f = &formats[k];
		for (uint32_t bits = 0; bits < 2 * f->sign; bits++) {
			const uint32_t magnitude = bits & (f->sign - 1);
			const bool negative = bits & f->sign;
			const double x = f->decode(bits);
			if (magnitude > f->largest || (f->unsigned_zero && bits == f->sign)) {
				const bool infinite = magnitude == f->largest + 1 &&
						      magnitude << 1 >> 1 == magnitude &&
						      (k == 0 || k == 1 || k == 4);
				cr_assert(infinite ? isinf(x) && !!signbit(x) == negative : isnan(x), "%s %x",
					  f->name, bits);
				cr_assert(infinite ? f->encode(x, false) == bits
						   : isnan(f->decode(f->encode(x, false))));
				continue;
			}
			cr_assert_eq(x, with_sign(value(f, magnitude), negative), "%s %x", f->name, bits);
			cr_assert_eq(!!signbit(x), negative);
			for (int saturate = 0; saturate < 2; saturate++)
				cr_assert_eq(f->encode(x, saturate), bits, "%s %x", f->name, bits);
		}
	}
}

Test(dtype, rounding_is_to_nearest_even_between_every_two_neighbours)
{
	for (int k = 0; k < FORMATS; k++) {
		const small *f = &formats[k];
		for (uint32_t low = 0; low < f->largest; low++) {
			const double a = value(f, low), b = value(f, low + 1), middle = (a + b) / 2;
			for (int negative = 0; negative < 2; negative++) {
				uint32_t sign = negative ? f->sign : 0;
				const uint32_t zero = f->unsigned_zero && !low ? 0 : sign | low;
				cr_assert_eq(f->encode(with_sign(nextafter(middle, 0), negative), true),
					     zero);
				cr_assert_eq(
					f->encode(with_sign(nextafter(middle, INFINITY), negative), true),
					sign | (low + 1));
				cr_assert_eq(f->encode(with_sign(middle, negative), true),
					     low & 1 ? sign | (low + 1) : zero, "%s %x", f->name, low);
				cr_assert_eq(f->encode(with_sign(nextafter(a, INFINITY), negative), false),
					     zero);
				cr_assert_eq(f->encode(with_sign(nextafter(b, 0), negative), false),
					     sign | (low + 1));
			}
		}
	}
}

Test(dtype, overflow_follows_the_saturation_table)
{
	for (int k = 0; k < FORMATS; k++) {
		const small *f = &formats[k];
		const double largest = value(f, f->largest), step = largest - value(f, f->largest - 1);
		const double tie = largest + step / 2;
		/* A tie above the largest goes to the even neighbour, which is the next power of two or
		 * pattern. */
		const bool tie_overflows = f->largest & 1;
		const double beyond[] = {
			nextafter(tie, INFINITY), largest + step, 2 * largest, 1e60, 1.7e308, INFINITY
		};
		for (int negative = 0; negative < 2; negative++) {
			const uint32_t sign = negative ? f->sign : 0;
			for (int saturate = 0; saturate < 2; saturate++) {
				for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++) {
					const uint32_t bits =
						f->encode(with_sign(beyond[i], negative), saturate);
					const bool ok =
						k < 2 ? bits == (sign | (f->largest + 1))
						      : overflow_is_right(f, bits, negative, saturate);
					cr_assert(ok, "%s %g %d gave %x", f->name, beyond[i], saturate, bits);
				}
				cr_assert_eq(f->encode(with_sign(nextafter(tie, 0), negative), saturate),
					     sign | f->largest);
				const uint32_t bits = f->encode(with_sign(tie, negative), saturate);
				cr_assert(k < 2           ? bits == (sign | (f->largest + 1))
					  : tie_overflows ? overflow_is_right(f, bits, negative, saturate)
							  : bits == (sign | f->largest));
			}
		}
	}
}

Test(dtype, nan_stays_nan_and_underflow_keeps_the_sign_of_zero)
{
	for (int k = 0; k < FORMATS; k++) {
		const small *f = &formats[k];
		for (int saturate = 0; saturate < 2; saturate++) {
			if (f->saturates)
				cr_assert_eq(f->encode(NAN, saturate), f->largest);
			else
				cr_assert(isnan(f->decode(f->encode(NAN, saturate))));
			const double tiny[] = { 0, 1e-60, 5e-324, value(f, 1) / 2 };
			for (int i = 0; i < 4; i++) {
				cr_assert_eq(f->encode(tiny[i], saturate), 0);
				cr_assert_eq(f->encode(-tiny[i], saturate), f->unsigned_zero ? 0 : f->sign);
			}
		}
	}
}

Test(dtype, conversions_from_float_agree_with_those_from_double)
{
	for (uint64_t u = 0; u < UINT64_C(1) << 32; u += 1021) {
		const uint32_t bits = (uint32_t)u;
		float x;
		memcpy(&x, &bits, sizeof(x));
		cr_assert_eq(f16_from_float(x), f16_from_double(x));
		if (isnan(x))
			cr_assert(isnan(bf16_to_float(bf16_from_float(x))));
		else
			cr_assert_eq(bf16_from_float(x), bf16_from_double(x));
	}
}

Test(dtype, powers_of_two)
{
	for (unsigned bits = 0; bits < 255; bits++) {
		const double x = ldexp(1, (int)bits - 127);
		cr_assert_eq(e8m0_to_float((uint8_t)bits), (float)x);
		for (int mode = E8M0_UP; mode <= E8M0_NEAREST; mode++) {
			cr_assert_eq(e8m0_from_double(x, mode, true), bits);
			cr_assert_eq(e8m0_from_double(-x, mode, false), bits);
		}
		cr_assert_eq(e8m0_from_double(nextafter(x, INFINITY), E8M0_UP, true),
			     bits < 254 ? bits + 1 : 254);
		cr_assert_eq(e8m0_from_double(nextafter(x, INFINITY), E8M0_UP, false), bits + 1);
		cr_assert_eq(e8m0_from_double(1.99 * x, E8M0_DOWN, false), bits);
		cr_assert_eq(e8m0_from_double(nextafter(1.5 * x, 0), E8M0_NEAREST, false), bits);
		cr_assert_eq(e8m0_from_double(1.5 * x, E8M0_NEAREST, false), bits + 1);
	}
	cr_assert(isnan(e8m0_to_float(255)));
	cr_assert_eq(e8m0_from_double(NAN, E8M0_UP, true), 255);
	cr_assert_eq(e8m0_from_double(INFINITY, E8M0_UP, true), 254);
	cr_assert_eq(e8m0_from_double(INFINITY, E8M0_NEAREST, false), 255);
	cr_assert_eq(e8m0_from_double(0, E8M0_UP, true), 0);
	cr_assert_eq(e8m0_from_double(0, E8M0_NEAREST, false), 255);
	cr_assert_eq(e8m0_from_double(1e-60, E8M0_UP, true), 0);
	cr_assert_eq(e8m0_from_double(1e-60, E8M0_NEAREST, false), 255);
}

Test(dtype, properties)
{
	cr_assert_str_eq(clast_dtype_name(CLAST_FLOAT32), "float32");
	cr_assert_str_eq(clast_dtype_name(CLAST_UNDEFINED), "undefined");
	cr_assert_str_eq(clast_dtype_name(CLAST_DTYPE_COUNT), "undefined");
	cr_assert_str_eq(clast_dtype_name(-1), "undefined");
	cr_assert_eq(clast_dtype_bytes(CLAST_UNDEFINED), 0);
	cr_assert_eq(clast_dtype_bytes(CLAST_DTYPE_COUNT), 0);
	cr_assert_eq(clast_dtype_bytes(-5), 0);
	for (int t = 1; t < CLAST_DTYPE_COUNT; t++) {
		cr_assert(dtype_is_valid(t));
		cr_assert_gt(clast_dtype_bytes(t), 0);
		cr_assert_leq(dtype_bits(t), 8 * clast_dtype_bytes(t));
		cr_assert_str_neq(clast_dtype_name(t), "undefined");
		cr_assert_leq(dtype_is_float(t) + dtype_is_integer(t) + dtype_is_complex(t) +
				      (t == CLAST_BOOL) + (t == CLAST_STRING),
			      1);
		cr_assert_geq(dtype_is_float(t) + dtype_is_integer(t) + dtype_is_complex(t) +
				      (t == CLAST_BOOL) + (t == CLAST_STRING),
			      1);
	}
	cr_assert_eq(dtype_min(CLAST_INT8), -128);
	cr_assert_eq(dtype_max(CLAST_INT8), 127);
	cr_assert_eq(dtype_max(CLAST_UINT8), 255);
	cr_assert_eq(dtype_min(CLAST_UINT8), 0);
	cr_assert_eq(dtype_min(CLAST_INT64), INT64_MIN);
	cr_assert_eq(dtype_max(CLAST_INT64), INT64_MAX);
	cr_assert_eq(dtype_max(CLAST_UINT64), INT64_MAX);
	cr_assert_eq(dtype_max(CLAST_UINT32), UINT32_MAX);
	cr_assert_eq(dtype_min(CLAST_INT4), -8);
	cr_assert_eq(dtype_max(CLAST_UINT2), 3);
	cr_assert_eq(dtype_max(CLAST_FLOAT32), 0);
	cr_assert(dtype_is_signed(CLAST_FLOAT8E5M2));
	cr_assert_not(dtype_is_signed(CLAST_FLOAT8E8M0));
	cr_assert_not(dtype_is_signed(CLAST_UINT64));
}
