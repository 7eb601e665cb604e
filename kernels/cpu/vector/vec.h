/* One vector type for every ISA. VEC floats; arithmetic, comparison and bitwise operators are those of the
 * compiler's vector extension, and only what they lack is named here. A product added to something becomes
 * one FMA where the ISA has it (-ffp-contract=fast in kernel files). */
#ifndef CPU_VEC_H
#define CPU_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* name -> name_avx2: what one kernel file offers to others of the same ISA. */
#define ISA_JOIN2(name, isa) name##_##isa
#define ISA_JOIN(name, isa) ISA_JOIN2(name, isa)
#define ISA(name) ISA_JOIN(name, KERNEL_ISA)

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VEC 16
#elif defined(__AVX2__)
#define VEC 8
#else
#define VEC 4
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Before a loop of constant count: makes straight-line code of it, so that arrays it indexes become
 * registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

typedef float vec __attribute__((vector_size(4 * VEC)));
typedef int32_t ivec __attribute__((vector_size(4 * VEC)));
typedef uint32_t uvec __attribute__((vector_size(4 * VEC)));
/* The same at any address. */
typedef float vec_any __attribute__((vector_size(4 * VEC), aligned(4), may_alias));
typedef int32_t ivec_any __attribute__((vector_size(4 * VEC), aligned(4), may_alias));

ALWAYS_INLINE vec load(const float *p)
{
	return *(const vec_any *)p;
}

ALWAYS_INLINE void store(float *p, vec v)
{
	*(vec_any *)p = v;
}

ALWAYS_INLINE vec splat(float x)
{
#if defined(__AVX512F__)
	return (vec)_mm512_set1_ps(x);
#elif defined(__AVX2__)
	return (vec)_mm256_set1_ps(x);
#elif defined(__x86_64__)
	return (vec)_mm_set1_ps(x);
#elif defined(__aarch64__)
	return (vec)vdupq_n_f32(x);
#else
	return (vec){ x, x, x, x };
#endif
}

ALWAYS_INLINE ivec splat_int(int32_t x)
{
	return x + (ivec){ 0 };
}

/* The larger; b if either is NaN on x86, NaN on ARM: with the constant as `a`, NaN in b always survives. */
ALWAYS_INLINE vec vec_max(vec a, vec b)
{
#if defined(__AVX512F__)
	return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
	return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
	return (vec)_mm_max_ps((__m128)a, (__m128)b);
#elif defined(__aarch64__)
	return (vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
	const ivec take = a > b;
	return (vec)(((ivec)a & take) | ((ivec)b & ~take));
#endif
}

ALWAYS_INLINE vec vec_min(vec a, vec b)
{
#if defined(__AVX512F__)
	return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
	return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
	return (vec)_mm_min_ps((__m128)a, (__m128)b);
#elif defined(__aarch64__)
	return (vec)vminq_f32((float32x4_t)a, (float32x4_t)b);
#else
	const ivec take = a < b;
	return (vec)(((ivec)a & take) | ((ivec)b & ~take));
#endif
}

/* Bitwise: mask ? a : b, where each lane of mask is all ones or all zeros. */
ALWAYS_INLINE vec vec_select(ivec mask, vec a, vec b)
{
#if defined(__AVX512F__)
	return (vec)_mm512_ternarylogic_epi32((__m512i)mask, (__m512i)a, (__m512i)b, 0xca);
#elif defined(__AVX2__)
	return (vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
	return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
#endif
}

ALWAYS_INLINE vec vec_abs(vec a)
{
	return (vec)((ivec)a & 0x7fffffff);
}

/* The magnitude of a with the sign of b. */
ALWAYS_INLINE vec vec_copysign(vec a, vec b)
{
	return (vec)(((ivec)a & 0x7fffffff) | ((ivec)b & (int32_t)0x80000000));
}

ALWAYS_INLINE vec vec_sqrt(vec a)
{
#if defined(__AVX512F__)
	return (vec)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
	return (vec)_mm256_sqrt_ps((__m256)a);
#elif defined(__x86_64__)
	return (vec)_mm_sqrt_ps((__m128)a);
#elif defined(__aarch64__)
	return (vec)vsqrtq_f32((float32x4_t)a);
#else
	for (int i = 0; i < VEC; i++)
		a[i] = __builtin_sqrtf(a[i]);
	return a;
#endif
}

/* Nearest integer, half to even; what has no fraction (and NaN, infinity) is returned as it is. */
ALWAYS_INLINE vec vec_round(vec a)
{
#if defined(__AVX512F__)
	return (vec)_mm512_roundscale_ps((__m512)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
	return (vec)_mm256_round_ps((__m256)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
	return (vec)vrndnq_f32((float32x4_t)a);
#else
	/* Adding 2^23 leaves no room for a fraction. */
	const vec big = vec_copysign(splat(8388608.0f), a);
	const vec rounded = vec_copysign((a + big) - big, a);
	return vec_select(vec_abs(a) < 8388608.0f, rounded, a);
#endif
}

ALWAYS_INLINE vec vec_floor(vec a)
{
#if defined(__AVX512F__)
	return (vec)_mm512_roundscale_ps((__m512)a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
	return (vec)_mm256_round_ps((__m256)a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
	return (vec)vrndmq_f32((float32x4_t)a);
#else
	const vec r = vec_round(a);
	const vec down = r - vec_select(r > a, splat(1), splat(0));
	return vec_select(r > a, down, r);
#endif
}

ALWAYS_INLINE vec vec_ceil(vec a)
{
	return -vec_floor(-a);
}

ALWAYS_INLINE vec vec_trunc(vec a)
{
	return vec_copysign(vec_floor(vec_abs(a)), a);
}

/* To integers, half to even; lanes beyond the range of int32_t become INT32_MIN on x86 and saturate on ARM.
 */
ALWAYS_INLINE ivec vec_to_int(vec a)
{
#if defined(__AVX512F__)
	return (ivec)_mm512_cvtps_epi32((__m512)a);
#elif defined(__AVX2__)
	return (ivec)_mm256_cvtps_epi32((__m256)a);
#elif defined(__x86_64__)
	return (ivec)_mm_cvtps_epi32((__m128)a);
#elif defined(__aarch64__)
	return (ivec)vcvtnq_s32_f32((float32x4_t)a);
#else
	return __builtin_convertvector(vec_round(a), ivec);
#endif
}

ALWAYS_INLINE vec int_to_vec(ivec a)
{
	return __builtin_convertvector(a, vec);
}

/* ---- Tails: the first n elements, 0 <= n <= VEC; nothing beyond them is read or written. ----
 *
 * Masked loads are cheap where they exist, and masked stores of AVX-512 (Zen 4: as fast as others). Those of AVX2
 * are not: on AMD machines they take 20 to 100 cycles, so that its tails are stored in pieces of falling powers
 * of two. */

#if defined(__AVX512F__)
#define TAIL_STORE_IS_CHEAP 1
#else
#define TAIL_STORE_IS_CHEAP 0
#endif

typedef struct vec_tail {
	size_t n;
#if defined(__AVX512F__)
	__mmask16 mask;
#elif defined(__AVX2__)
	__m256i mask;
#endif
} vec_tail;

ALWAYS_INLINE vec_tail tail_of(size_t n)
{
#if defined(__AVX512F__)
	return (vec_tail){ n, (__mmask16)((1u << n) - 1) };
#elif defined(__AVX2__)
	static const int32_t ones[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	return (vec_tail){ n, _mm256_loadu_si256((const __m256i *)(ones + 8 - n)) };
#else
	return (vec_tail){ n };
#endif
}

/* Lanes beyond the tail are 0. */
ALWAYS_INLINE vec load_tail(const float *p, vec_tail tail)
{
#if defined(__AVX512F__)
	return (vec)_mm512_maskz_loadu_ps(tail.mask, p);
#elif defined(__AVX2__)
	return (vec)_mm256_maskload_ps(p, tail.mask);
#else
	if (tail.n == VEC)
		return load(p);
	vec v = { 0 };
	for (size_t i = 0; i < tail.n; i++)
		v[i] = p[i];
	return v;
#endif
}

/* Lanes beyond the tail are those of `fill`. */
ALWAYS_INLINE vec load_tail_or(const float *p, vec_tail tail, vec fill)
{
#if defined(__AVX512F__)
	return (vec)_mm512_mask_loadu_ps((__m512)fill, tail.mask, p);
#elif defined(__AVX2__)
	return (vec)_mm256_blendv_ps((__m256)fill, _mm256_maskload_ps(p, tail.mask),
				     _mm256_castsi256_ps(tail.mask));
#else
	for (size_t i = 0; i < tail.n; i++)
		fill[i] = p[i];
	return fill;
#endif
}

ALWAYS_INLINE void store_tail(float *p, vec v, vec_tail tail)
{
#if defined(__AVX512F__)
	_mm512_mask_storeu_ps(p, tail.mask, (__m512)v);
#else
	if (tail.n == VEC) {
		store(p, v);
		return;
	}
#if defined(__AVX2__)
	__m128 x = _mm256_castps256_ps128((__m256)v);
	if (tail.n & 4) {
		_mm_storeu_ps(p, x);
		p += 4;
		x = _mm256_extractf128_ps((__m256)v, 1);
	}
#elif defined(__x86_64__)
	__m128 x = (__m128)v;
#endif
#if defined(__x86_64__)
	if (tail.n & 2) {
		_mm_storel_pi((__m64 *)p, x);
		p += 2;
		x = _mm_movehl_ps(x, x);
	}
	if (tail.n & 1)
		_mm_store_ss(p, x);
#else
	for (size_t i = 0; i < tail.n; i++)
		p[i] = v[i];
#endif
#endif
}

/* ---- Across lanes: in a fixed order, so that bits do not depend on anything else. ---- */

/* Lane i gets lane i ^ d; d is a constant power of two. */
#if VEC == 16
#define VEC_SWAP(v, d)                                                                                       \
	__builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, 8 ^ d, 9 ^ d,  \
				10 ^ d, 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d)
#elif VEC == 8
#define VEC_SWAP(v, d) __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d)
#else
#define VEC_SWAP(v, d) __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d)
#endif

/* The sum of all lanes, the same bits in each of them. */
ALWAYS_INLINE vec vec_sum_lanes(vec v)
{
#if VEC >= 16
	v += VEC_SWAP(v, 8);
#endif
#if VEC >= 8
	v += VEC_SWAP(v, 4);
#endif
	v += VEC_SWAP(v, 2);
	return v + VEC_SWAP(v, 1);
}

ALWAYS_INLINE float vec_sum(vec v)
{
	return vec_sum_lanes(v)[0];
}

/* The largest of all lanes, in each of them. */
ALWAYS_INLINE vec vec_max_lanes(vec v)
{
#if VEC >= 16
	v = vec_max(v, VEC_SWAP(v, 8));
#endif
#if VEC >= 8
	v = vec_max(v, VEC_SWAP(v, 4));
#endif
	v = vec_max(v, VEC_SWAP(v, 2));
	return vec_max(v, VEC_SWAP(v, 1));
}

/* min(max(v, low), high); NaN stays NaN. */
ALWAYS_INLINE vec vec_clamp(vec v, vec low, vec high)
{
	return vec_min(high, vec_max(low, v));
}

/* Copies n floats. Short runs, where a call of memcpy would dominate. */
ALWAYS_INLINE void copy_floats(float *restrict to, const float *restrict from, size_t n)
{
	if (n >= VEC) {
		/* The last vector overlaps the one before it. */
		for (size_t i = 0; i < n - VEC; i += VEC)
			store(to + i, load(from + i));
		store(to + (n - VEC), load(from + (n - VEC)));
	} else {
		const vec_tail tail = tail_of(n);
		store_tail(to, load_tail(from, tail), tail);
	}
}

ALWAYS_INLINE size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

ALWAYS_INLINE size_t size_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

ALWAYS_INLINE size_t div_up(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

#endif
