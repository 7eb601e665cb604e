/* Strided runs of any dtype to and from float32. */
#ifndef CPU_PROGRAM_CONVERT_H
#define CPU_PROGRAM_CONVERT_H

#include "kernel.h"
#include "vector/vec.h"

ALWAYS_INLINE float float_of_bits(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

ALWAYS_INLINE uint32_t bits_of_float(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof bits);
	return bits;
}

ALWAYS_INLINE float half_to_float(uint16_t h)
{
#if defined(__F16C__)
	return _cvtsh_ss(h);
#else
	const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
	/* Infinity and NaN keep the top exponent; all else, denormals too, is scaled by 2^112. */
	if (rest >= 0x0f800000)
		return float_of_bits(sign | rest | 0x7f800000 | (rest & 0x007fffff ? 0x00400000 : 0));
	return float_of_bits(sign | bits_of_float(float_of_bits(rest) * 5.192296858534827e33f));
#endif
}

ALWAYS_INLINE uint16_t float_to_half(float f)
{
#if defined(__F16C__)
	return (uint16_t)_cvtss_sh(f, 0);
#else
	const uint32_t bits = bits_of_float(f), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
	if (a > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
	if (a >= 0x477ff000)
		return (uint16_t)(sign | 0x7c00);
	if (a < 0x38800000) /* a denormal: the sum rounds it to a multiple of 2^-24 */
		return (uint16_t)(sign | (bits_of_float(float_of_bits(a) + 0.5f) - 0x3f000000));
	return (uint16_t)(sign | ((a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13));
#endif
}

ALWAYS_INLINE uint16_t float_to_bfloat(float f)
{
	const uint32_t bits = bits_of_float(f);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Nearest integer in [low, high], half to even; NaN is 0. The bounds are floats that int32_t holds or, above,
 * 2^31. */
ALWAYS_INLINE int32_t float_to_int(float f, float low, float high)
{
	if (f != f)
		return 0;
	if (f <= low)
		return (int32_t)low;
	if (f >= high)
		return high < 2147483648.0f ? (int32_t)high : INT32_MAX;
	return (int32_t)__builtin_rintf(f);
}

/* to[i] = element i of `from`, `stride` elements apart. */
static inline void convert_in(uint32_t dtype, const void *from, ptrdiff_t stride, size_t n, float *to)
{
	switch (dtype) {
	case KERNEL_F32:
		for (size_t i = 0; i < n; i++)
			to[i] = ((const float *)from)[(ptrdiff_t)i * stride];
		break;
	case KERNEL_U8:
		for (size_t i = 0; i < n; i++)
			to[i] = ((const uint8_t *)from)[(ptrdiff_t)i * stride];
		break;
	case KERNEL_I8:
		for (size_t i = 0; i < n; i++)
			to[i] = ((const int8_t *)from)[(ptrdiff_t)i * stride];
		break;
	case KERNEL_F16:
		for (size_t i = 0; i < n; i++)
			to[i] = half_to_float(((const uint16_t *)from)[(ptrdiff_t)i * stride]);
		break;
	case KERNEL_BF16:
		for (size_t i = 0; i < n; i++)
			to[i] = float_of_bits((uint32_t)((const uint16_t *)from)[(ptrdiff_t)i * stride]
					      << 16);
		break;
	case KERNEL_I32:
		for (size_t i = 0; i < n; i++)
			to[i] = (float)((const int32_t *)from)[(ptrdiff_t)i * stride];
		break;
	}
}

static inline void convert_out(uint32_t dtype, const float *from, size_t n, void *to, ptrdiff_t stride)
{
	switch (dtype) {
	case KERNEL_F32:
		for (size_t i = 0; i < n; i++)
			((float *)to)[(ptrdiff_t)i * stride] = from[i];
		break;
	case KERNEL_U8:
		for (size_t i = 0; i < n; i++)
			((uint8_t *)to)[(ptrdiff_t)i * stride] = (uint8_t)float_to_int(from[i], 0, 255);
		break;
	case KERNEL_I8:
		for (size_t i = 0; i < n; i++)
			((int8_t *)to)[(ptrdiff_t)i * stride] = (int8_t)float_to_int(from[i], -128, 127);
		break;
	case KERNEL_F16:
		for (size_t i = 0; i < n; i++)
			((uint16_t *)to)[(ptrdiff_t)i * stride] = float_to_half(from[i]);
		break;
	case KERNEL_BF16:
		for (size_t i = 0; i < n; i++)
			((uint16_t *)to)[(ptrdiff_t)i * stride] = float_to_bfloat(from[i]);
		break;
	case KERNEL_I32:
		for (size_t i = 0; i < n; i++)
			((int32_t *)to)[(ptrdiff_t)i * stride] =
				float_to_int(from[i], -2147483648.0f, 2147483648.0f);
		break;
	}
}

#endif
