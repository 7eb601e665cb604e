/* Elementary functions on vectors. Polynomials are minimax fits (Remez) of our own; the bounds in the
 * comments are the largest error seen over all floats (random ones for two arguments) in units in the last
 * place, against the correctly rounded result, with FMA / without. NaN gives NaN. */
#ifndef CPU_MATH_H
#define CPU_MATH_H

#include <math.h>

#include "vec.h"

/* 2^n for -126 <= n <= 127 */
ALWAYS_INLINE vec vec_exp2_int(ivec n)
{
	return (vec)((uvec)(n + 127) << 23);
}

/* e^r - 1 for |r| <= ln 2 / 2 */
ALWAYS_INLINE vec expm1_small(vec r)
{
	vec p = r * 1.991430220e-4f + 1.394110222e-3f;
	p = p * r + 8.333272831e-3f;
	p = p * r + 4.166635354e-2f;
	p = p * r + 1.666666682e-1f;
	p = p * r + 5.000000047e-1f;
	return p * r * r + r;
}

/* x = n ln 2 + r. x must be within +-2^15. */
ALWAYS_INLINE vec reduce_ln2(vec x, vec *r)
{
	const vec n = vec_round(x * 1.44269504f);
	*r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
	return n;
}

/* x * 2^n for a whole n between -252 and 254, rounded once where that leaves the normal numbers. */
ALWAYS_INLINE vec vec_scale(vec x, vec n)
{
#if defined(__AVX512F__)
	return (vec)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
	/* In two steps, since 2^n alone may be no float although the product is one. */
	const ivec i = vec_to_int(n), half = i >> 1;
	return x * vec_exp2_int(half) * vec_exp2_int(i - half);
#endif
}

/* Underflows through denormals, overflows to infinity. 1 / 2 ulp. */
ALWAYS_INLINE vec vec_exp(vec x)
{
	vec r;
	const vec n = reduce_ln2(vec_clamp(x, splat(-104.0f), splat(89.0f)), &r);
	vec p = r * 1.381298374e-3f + 8.368823501e-3f;
	p = p * r + 4.166843430e-2f;
	p = p * r + 1.666651968e-1f;
	p = p * r + 4.999999316e-1f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	return vec_scale(p, n);
}

/* e^x - 1. 2 / 3 ulp. */
ALWAYS_INLINE vec vec_expm1(vec x)
{
	vec r;
	const vec n = reduce_ln2(vec_clamp(x, splat(-17.5f), splat(89.0f)), &r);
	const ivec i = vec_to_int(n), half = i >> 1;
	const vec a = vec_exp2_int(half), b = vec_exp2_int(i - half);
	const vec em1 = expm1_small(r);
	/* 2^n (1 + em1) - 1, where for small n the 1 cancels exactly before em1 is added. */
	const vec near = em1 * a * b + (a * b - 1.0f), far = (em1 * a + a) * b - 1.0f;
	const vec y = vec_select(n > 24.0f, far, near);
	return vec_select(x == 0.0f, x, y);
}

/* log of m * 2^e with m given in [sqrt(1/2), sqrt(2)) */
ALWAYS_INLINE vec log_reduced(vec m, vec e)
{
	const vec f = m - 1.0f;
	vec p = f * 6.915540659e-2f - 1.178986443e-1f;
	p = p * f + 1.187292564e-1f;
	p = p * f - 1.238433521e-1f;
	p = p * f + 1.421866386e-1f;
	p = p * f - 1.666925181e-1f;
	p = p * f + 2.000222632e-1f;
	p = p * f - 2.499998658e-1f;
	p = p * f + 3.333331045e-1f;
	const vec f2 = f * f;
	vec y = p * f2 * f - e * 2.12194440e-4f;
	y = y - f2 * 0.5f;
	return e * 0.693359375f + (y + f);
}

/* 1 / 2 ulp. */
ALWAYS_INLINE vec vec_log(vec x)
{
	/* Denormals are scaled up. */
	const ivec small = x < 1.17549435e-38f;
	const vec scaled = vec_select(small, x * 8388608.0f, x);
	const uvec bits = (uvec)scaled;
	/* The exponent such that the mantissa is at least sqrt(1/2). */
	const ivec e = (ivec)(bits - 0x3f3504f3) >> 23;
	const vec m = (vec)(bits - ((uvec)e << 23));
	vec y = log_reduced(m, int_to_vec(e - (small & 23)));
	y = vec_select(x == 0.0f, splat(-INFINITY), y);
	y = vec_select(x == INFINITY, x, y);
	return vec_select(x >= 0.0f, y, splat(NAN));
}

/* log(1 + x) for x >= 0. 2 / 3 ulp. */
ALWAYS_INLINE vec vec_log1p(vec x)
{
	const vec w = 1.0f + x;
	const vec y = vec_log(w) + (x - (w - 1.0f)) / w;
	return vec_select(x < 1e-8f, x, vec_select(w == INFINITY, w, y));
}

/* 3 / 3 ulp. */
ALWAYS_INLINE vec vec_tanh(vec x)
{
	const vec t = vec_expm1(vec_min(splat(20.0f), vec_abs(x)) * 2.0f);
	return vec_select(x == x, vec_copysign(t / (t + 2.0f), x), x);
}

/* 2 / 3 ulp. */
ALWAYS_INLINE vec vec_sigmoid(vec x)
{
	const vec e = vec_exp(-vec_abs(x));
	return vec_select(x < 0.0f, e, splat(1.0f)) / (1.0f + e);
}

/* 2 / 3 ulp. */
ALWAYS_INLINE vec vec_erf(vec x)
{
	const vec a = vec_abs(x), t = x * x;
	vec p = t * 8.377593941e-5f - 8.145078752e-4f;
	p = p * t + 5.201304862e-3f;
	p = p * t - 2.685953914e-2f;
	p = p * t + 1.128369873e-1f;
	p = p * t - 3.761263400e-1f;
	p = p * t + 1.283791667e-1f;
	const vec near = p * x + x;
	/* Above 0.92: 1 - e^q with q near log(erfc). */
	const vec b = vec_min(splat(4.0f), a);
	vec q = b * -2.110114902e-5f + 4.345152891e-4f;
	q = q * b - 4.171228105e-3f;
	q = q * b + 2.511961648e-2f;
	q = q * b - 1.082799922e-1f;
	q = q * b - 6.333473549e-1f;
	q = q * b - 1.129514529f;
	q = q * b + 1.745636093e-4f;
	const vec far = vec_copysign(1.0f - vec_exp(q), x);
	return vec_select(a > 0.92f, far, near);
}

/* x times the distribution function of the normal distribution, which is e^q(|x|) below zero and 1 less that
 * above. Off by at most 4 / 5 ulp or |x| times 2^-24. */
ALWAYS_INLINE vec vec_gelu(vec x)
{
	const vec a = vec_min(splat(20.0f), vec_abs(x));
	vec q = a * -7.621875744e-7f + 1.311577780e-5f;
	q = q * a - 6.422989331e-5f;
	q = q * a - 2.422952397e-4f;
	q = q * a + 5.073268102e-3f;
	q = q * a - 3.649815753e-2f;
	q = q * a - 3.182664748e-1f;
	q = q * a - 7.978888182e-1f;
	q = q * a - 6.931471151e-1f;
	const vec below = vec_exp(q);
	return x * vec_select(x < 0.0f, below, 1.0f - below);
}

#define TRIG_LIMIT 8192.0f

/* sin (quadrant 0) or cos (quadrant 1) of x, |x| <= TRIG_LIMIT. */
ALWAYS_INLINE vec sin_reduced(vec x, int quadrant)
{
	const vec n = vec_round(x * 0.636619772f);
	/* pi / 2 in parts of at most 11 bits, so that each product with n is exact without FMA too. */
	vec r = x - n * 1.5703125f;
	r = r - n * 4.837512969970703125e-4f;
	r = r - n * 7.54953362047672271728515625e-8f;
	r = r - n * 2.56334406825708960298e-12f;
	const vec t = r * r;
	vec s = t * 2.718237277e-6f - 1.983932714e-4f;
	s = s * t + 8.333329362e-3f;
	s = s * t - 1.666666664e-1f;
	s = s * t * r + r;
	vec c = t * -2.720954792e-7f + 2.479951177e-5f;
	c = c * t - 1.388888372e-3f;
	c = c * t + 4.166666662e-2f;
	c = c * t * t + (1.0f - t * 0.5f);
	const ivec k = vec_to_int(n) + quadrant;
	const vec y = vec_select((k & 1) == 0, s, c);
	return (vec)((uvec)y ^ ((uvec)(k & 2) << 30));
}

/* 2 ulp near zero crossings as far as TRIG_LIMIT; beyond it the C library's. */
ALWAYS_INLINE vec vec_sin(vec x)
{
	const ivec far = vec_abs(x) > TRIG_LIMIT;
	vec y = sin_reduced(x, 0);
	for (int i = 0; i < VEC; i++)
		if (__builtin_expect(far[i], 0))
			y[i] = sinf(x[i]);
	return vec_select(x == 0.0f, x, y);
}

ALWAYS_INLINE vec vec_cos(vec x)
{
	const ivec far = vec_abs(x) > TRIG_LIMIT;
	vec y = sin_reduced(x, 1);
	for (int i = 0; i < VEC; i++)
		if (__builtin_expect(far[i], 0))
			y[i] = cosf(x[i]);
	return y;
}

#endif
