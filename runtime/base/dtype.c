#include "dtype.h"

#include <math.h>

static const struct {
	const char *name;
	uint8_t bytes, bits;
} table[CLAST_DTYPE_COUNT] = {
	[CLAST_UNDEFINED] = { "undefined", 0, 0 },
	[CLAST_FLOAT32] = { "float32", 4, 32 },
	[CLAST_UINT8] = { "uint8", 1, 8 },
	[CLAST_INT8] = { "int8", 1, 8 },
	[CLAST_UINT16] = { "uint16", 2, 16 },
	[CLAST_INT16] = { "int16", 2, 16 },
	[CLAST_INT32] = { "int32", 4, 32 },
	[CLAST_INT64] = { "int64", 8, 64 },
	[CLAST_STRING] = { "string", sizeof(clast_string), 8 * sizeof(clast_string) },
	[CLAST_BOOL] = { "bool", 1, 8 },
	[CLAST_FLOAT16] = { "float16", 2, 16 },
	[CLAST_FLOAT64] = { "float64", 8, 64 },
	[CLAST_UINT32] = { "uint32", 4, 32 },
	[CLAST_UINT64] = { "uint64", 8, 64 },
	[CLAST_COMPLEX64] = { "complex64", 8, 64 },
	[CLAST_COMPLEX128] = { "complex128", 16, 128 },
	[CLAST_BFLOAT16] = { "bfloat16", 2, 16 },
	[CLAST_FLOAT8E4M3FN] = { "float8e4m3fn", 1, 8 },
	[CLAST_FLOAT8E4M3FNUZ] = { "float8e4m3fnuz", 1, 8 },
	[CLAST_FLOAT8E5M2] = { "float8e5m2", 1, 8 },
	[CLAST_FLOAT8E5M2FNUZ] = { "float8e5m2fnuz", 1, 8 },
	[CLAST_UINT4] = { "uint4", 1, 4 },
	[CLAST_INT4] = { "int4", 1, 4 },
	[CLAST_FLOAT4E2M1] = { "float4e2m1", 1, 4 },
	[CLAST_FLOAT8E8M0] = { "float8e8m0", 1, 8 },
	[CLAST_UINT2] = { "uint2", 1, 2 },
	[CLAST_INT2] = { "int2", 1, 2 },
};

const char *clast_dtype_name(clast_dtype dtype)
{
	return table[dtype_is_valid(dtype) ? dtype : CLAST_UNDEFINED].name;
}

size_t clast_dtype_bytes(clast_dtype dtype)
{
	return dtype_is_valid(dtype) ? table[dtype].bytes : 0;
}

size_t dtype_bits(clast_dtype t)
{
	return dtype_is_valid(t) ? table[t].bits : 0;
}

int64_t dtype_max(clast_dtype t)
{
	if (t == CLAST_BOOL)
		return 1;
	if (!dtype_is_integer(t))
		return 0;
	const unsigned bits = table[t].bits - dtype_is_signed(t);
	return bits >= 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
}

int64_t dtype_min(clast_dtype t)
{
	return dtype_is_integer(t) && dtype_is_signed(t) ? -dtype_max(t) - 1 : 0;
}

/* A binary format with a sign: its exponent and mantissa bits, and the largest finite magnitude as a bit
 * pattern. */
typedef struct format {
	int exponent_bits, mantissa_bits, bias;
	uint32_t largest;
} format;

static double format_to_double(format f, uint32_t magnitude)
{
	const int exponent = (int)(magnitude >> f.mantissa_bits);
	const uint32_t mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
	if (!exponent)
		return ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
	return ldexp(mantissa | 1u << f.mantissa_bits, exponent - f.bias - f.mantissa_bits);
}

/* The pattern of the magnitude nearest to |x|, ties to even, as if exponents had no upper end, though never
 * more than largest + 1. x is finite. Works on the bits, so that neither the rounding mode nor flushing of
 * denormals matters. */
static uint32_t format_round(format f, double x)
{
	uint64_t u;
	memcpy(&u, &x, sizeof(u));
	int exponent = (int)(u >> 52 & 0x7ff);
	uint64_t mantissa = u & ((UINT64_C(1) << 52) - 1);
	if (!exponent)
		return 0; /* a denormal of double is below half of the smallest number of every small format
			   */
	mantissa |= UINT64_C(1) << 52;
	exponent += f.bias - 1023;
	/* Keep the mantissa bits and the hidden one; a denormal result keeps fewer. */
	int drop = 52 - f.mantissa_bits;
	if (exponent < 1) {
		drop += 1 - exponent;
		exponent = 1;
	}
	if (drop > 53)
		return 0;
	if (exponent > (1 << f.exponent_bits))
		return f.largest + 1;
	const uint64_t half = UINT64_C(1) << (drop - 1), odd = mantissa >> drop & 1;
	const uint64_t kept = (mantissa + half - 1 + odd) >> drop;
	/* The hidden bit adds one to the exponent field, and so does a carry out of the mantissa. */
	const uint64_t pattern = ((uint64_t)(exponent - 1) << f.mantissa_bits) + kept;
	return pattern > f.largest ? f.largest + 1 : (uint32_t)pattern;
}

static const format f16 = { 5, 10, 15, 0x7bff };
static const format bf16 = { 8, 7, 127, 0x7f7f };

static uint16_t ieee_from_double(format f, double x)
{
	const uint32_t sign = signbit(x) ? 0x8000 : 0, infinity = f.largest + 1;
	if (isnan(x))
		return (uint16_t)(sign | infinity | 1u << (f.mantissa_bits - 1));
	return (uint16_t)(sign | (isinf(x) ? infinity : format_round(f, x)));
}

float f16_to_float(uint16_t bits)
{
	const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
	uint32_t u;
	if (magnitude >= 0x7c00) { /* infinity; NaN keeps its payload and becomes quiet */
		u = 0x7f800000 | (magnitude & 0x3ff) << 13 | (magnitude > 0x7c00 ? 0x400000 : 0);
	} else if (magnitude >= 0x400) {
		u = (magnitude << 13) + ((127 - 15) << 23);
	} else {
		const float f = (float)magnitude * 0x1p-24f;
		memcpy(&u, &f, sizeof(u));
	}
	u |= sign;
	float f;
	memcpy(&f, &u, sizeof(f));
	return f;
}

uint16_t f16_from_double(double x)
{
	return ieee_from_double(f16, x);
}

uint16_t f16_from_float(float x)
{
	return ieee_from_double(f16, x);
}

uint16_t bf16_from_double(double x)
{
	return ieee_from_double(bf16, x);
}

static format f8_format(clast_dtype t)
{
	switch (t) {
	case CLAST_FLOAT8E4M3FN:
		return (format){ 4, 3, 7, 0x7e };
	case CLAST_FLOAT8E4M3FNUZ:
		return (format){ 4, 3, 8, 0x7f };
	case CLAST_FLOAT8E5M2:
		return (format){ 5, 2, 15, 0x7b };
	default:
		return (format){ 5, 2, 16, 0x7f };
	}
}

static bool f8_unsigned_zero(clast_dtype t)
{
	return t == CLAST_FLOAT8E4M3FNUZ || t == CLAST_FLOAT8E5M2FNUZ;
}

float f8_to_float(clast_dtype t, uint8_t bits)
{
	const format f = f8_format(t);
	const uint32_t magnitude = bits & 0x7f;
	double x;
	if (f8_unsigned_zero(t) && bits == 0x80)
		return NAN;
	if (magnitude <= f.largest)
		x = format_to_double(f, magnitude);
	else
		x = t == CLAST_FLOAT8E5M2 && magnitude == f.largest + 1 ? INFINITY : NAN;
	return (float)(bits & 0x80 ? -x : x);
}

uint8_t f8_from_double(clast_dtype t, double x, bool saturate)
{
	const format f = f8_format(t);
	const uint8_t sign = signbit(x) ? 0x80 : 0;
	const bool unsigned_zero = f8_unsigned_zero(t);
	if (isnan(x))
		return unsigned_zero ? 0x80 : sign | (t == CLAST_FLOAT8E5M2 ? 0x7e : 0x7f);
	const uint32_t magnitude = isinf(x) ? f.largest + 1 : format_round(f, x);
	if (magnitude > f.largest) {
		if (saturate)
			return sign | (uint8_t)f.largest;
		/* The pattern above the largest number is infinity in E5M2 and NaN in E4M3FN. */
		return unsigned_zero ? 0x80 : sign | (uint8_t)(f.largest + 1);
	}
	return magnitude || !unsigned_zero ? sign | (uint8_t)magnitude : 0;
}

static const format f4 = { 2, 1, 1, 7 };

float f4_to_float(uint8_t bits)
{
	const float x = (float)format_to_double(f4, bits & 7);
	return bits & 8 ? -x : x;
}

uint8_t f4_from_double(double x)
{
	const uint8_t sign = signbit(x) && !isnan(x) ? 8 : 0;
	const uint32_t magnitude = isnan(x) || isinf(x) ? f4.largest : format_round(f4, x);
	return sign | (uint8_t)(magnitude > f4.largest ? f4.largest : magnitude);
}

float e8m0_to_float(uint8_t bits)
{
	return bits == 0xff ? NAN : ldexpf(1, bits - 127);
}

uint8_t e8m0_from_double(double x, e8m0_round round, bool saturate)
{
	if (isnan(x))
		return 0xff;
	int exponent = x == 0 ? -1000 : 1000;
	if (x != 0 && !isinf(x)) {
		const double mantissa = fabs(frexp(x, &exponent)); /* in [0.5, 1) */
		exponent += 126 + ((round == E8M0_UP && mantissa > 0.5) ||
				   (round == E8M0_NEAREST && mantissa >= 0.75));
	}
	if (exponent < 0)
		return saturate ? 0 : 0xff;
	if (exponent > 254)
		return saturate ? 254 : 0xff;
	return (uint8_t)exponent;
}
