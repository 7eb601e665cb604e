/* Element types: properties, sets, and conversions of single elements. */
#ifndef CLAST_BASE_DTYPE_H
#define CLAST_BASE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "clast/clast.h"

/* Sets of dtypes are bit masks. */
#define DTYPE_BIT(t) (1u << (t))
#define DTYPES_FLOAT (DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT64))
#define DTYPES_FLOAT_BF16 (DTYPES_FLOAT | DTYPE_BIT(CLAST_BFLOAT16))
#define DTYPES_FLOAT8                                                                                        \
	(DTYPE_BIT(CLAST_FLOAT8E4M3FN) | DTYPE_BIT(CLAST_FLOAT8E4M3FNUZ) | DTYPE_BIT(CLAST_FLOAT8E5M2) |     \
	 DTYPE_BIT(CLAST_FLOAT8E5M2FNUZ))
#define DTYPES_SIGNED                                                                                        \
	(DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_INT16) | DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64))
#define DTYPES_UNSIGNED                                                                                      \
	(DTYPE_BIT(CLAST_UINT8) | DTYPE_BIT(CLAST_UINT16) | DTYPE_BIT(CLAST_UINT32) | DTYPE_BIT(CLAST_UINT64))
#define DTYPES_INT (DTYPES_SIGNED | DTYPES_UNSIGNED)
#define DTYPES_INT4 (DTYPE_BIT(CLAST_INT4) | DTYPE_BIT(CLAST_UINT4))
#define DTYPES_INT2 (DTYPE_BIT(CLAST_INT2) | DTYPE_BIT(CLAST_UINT2))
#define DTYPES_BOOL DTYPE_BIT(CLAST_BOOL)
#define DTYPES_STRING DTYPE_BIT(CLAST_STRING)
#define DTYPES_COMPLEX (DTYPE_BIT(CLAST_COMPLEX64) | DTYPE_BIT(CLAST_COMPLEX128))
/* "All numeric tensor types" of ONNX: integers of 8 bits and more, float16, float32, float64; and with
 * bfloat16. */
#define DTYPES_REAL (DTYPES_INT | DTYPES_FLOAT)
#define DTYPES_REAL_BF16 (DTYPES_INT | DTYPES_FLOAT_BF16)
/* "All tensor types" as they grew: up to opset 12, with bfloat16 (13), float8 (19), int4 (21), float4 (23),
 * float8e8m0 (24), int2 (25). */
#define DTYPES_ALL_12 (DTYPES_REAL | DTYPES_BOOL | DTYPES_STRING | DTYPES_COMPLEX)
#define DTYPES_ALL_13 (DTYPES_ALL_12 | DTYPE_BIT(CLAST_BFLOAT16))
#define DTYPES_ALL_19 (DTYPES_ALL_13 | DTYPES_FLOAT8)
#define DTYPES_ALL_21 (DTYPES_ALL_19 | DTYPES_INT4)
#define DTYPES_ALL_23 (DTYPES_ALL_21 | DTYPE_BIT(CLAST_FLOAT4E2M1))
#define DTYPES_ALL_24 (DTYPES_ALL_23 | DTYPE_BIT(CLAST_FLOAT8E8M0))
#define DTYPES_ALL_25 (DTYPES_ALL_24 | DTYPES_INT2)
#define DTYPES_ALL DTYPES_ALL_25

static inline bool dtype_in(clast_dtype t, uint32_t set)
{
	return (unsigned)t < 32 && (set >> t & 1);
}

static inline bool dtype_is_valid(clast_dtype t)
{
	return dtype_in(t, DTYPES_ALL);
}

/* Floating-point formats of every width. */
static inline bool dtype_is_float(clast_dtype t)
{
	return dtype_in(t, DTYPES_FLOAT_BF16 | DTYPES_FLOAT8 | DTYPE_BIT(CLAST_FLOAT4E2M1) |
				   DTYPE_BIT(CLAST_FLOAT8E8M0));
}

/* Integers of every width; bool is none. */
static inline bool dtype_is_integer(clast_dtype t)
{
	return dtype_in(t, DTYPES_INT | DTYPES_INT4 | DTYPES_INT2);
}

static inline bool dtype_is_signed(clast_dtype t)
{
	return dtype_in(t, DTYPES_SIGNED | DTYPE_BIT(CLAST_INT4) | DTYPE_BIT(CLAST_INT2)) ||
	       (dtype_is_float(t) && t != CLAST_FLOAT8E8M0);
}

static inline bool dtype_is_complex(clast_dtype t)
{
	return dtype_in(t, DTYPES_COMPLEX);
}

/* Bits an element has in ONNX's packed form: 4 and 2 for the small ones, else 8 times the bytes. */
size_t dtype_bits(clast_dtype t);
/* The range of an integer dtype (an upper bound of uint64 is INT64_MAX); of bool 0 and 1; else 0 and 0. */
int64_t dtype_min(clast_dtype t);
int64_t dtype_max(clast_dtype t);

/* ---- Single elements. To the small type always from double, rounded once, to the nearest and ties to even.
 * ---- */

float f16_to_float(uint16_t bits);
uint16_t f16_from_double(double x); /* overflow gives infinity, as in IEEE 754 */
uint16_t f16_from_float(float x);

static inline float bf16_to_float(uint16_t bits)
{
	const uint32_t u = (uint32_t)bits << 16;
	float f;
	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline uint16_t bf16_from_float(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof(u));
	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40); /* a NaN stays one, made quiet */
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
uint16_t bf16_from_double(double x);

/* The four float8 formats (https://onnx.ai/onnx/technical/float8.html); t must be one of them. saturate as in
 * ONNX Cast: finite values beyond the range give the largest finite number instead of infinity or NaN. */
float f8_to_float(clast_dtype t, uint8_t bits);
uint8_t f8_from_double(clast_dtype t, double x, bool saturate);

/* float4e2m1: 4 bits in the low half of a byte; values beyond 6 saturate; NaN gives 6. */
float f4_to_float(uint8_t bits);
uint8_t f4_from_double(double x);

/* float8e8m0: powers of two from 2^-127 to 2^127 without a sign; 255 is NaN. The magnitude of x is rounded
 * up, down or to the nearest (a tie goes up). Beyond the range, and for 0, the nearest end if saturated, else
 * NaN. */
typedef enum e8m0_round { E8M0_UP, E8M0_DOWN, E8M0_NEAREST } e8m0_round;
float e8m0_to_float(uint8_t bits);
uint8_t e8m0_from_double(double x, e8m0_round round, bool saturate);

/* A float32 at any address, such as one of a constant that lies where the model's file has it. */
typedef float loose_float __attribute__((aligned(1), may_alias));

#endif
