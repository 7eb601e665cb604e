/* Transposition of small matrices of floats in registers. */
#ifndef CPU_COPY_TRANSPOSE_H
#define CPU_COPY_TRANSPOSE_H

#include "vector/vec.h"

/* Within each 128 bits: (a0 b0 a1 b1), (a2 b2 a3 b3), (a0 a1 b0 b1), (a2 a3 b2 b3). */
#if defined(__AVX512F__)
#define ZIP_LOW(a, b) ((vec)_mm512_unpacklo_ps((__m512)(a), (__m512)(b)))
#define ZIP_HIGH(a, b) ((vec)_mm512_unpackhi_ps((__m512)(a), (__m512)(b)))
#define PAIR_LOW(a, b) ((vec)_mm512_unpacklo_pd((__m512d)(a), (__m512d)(b)))
#define PAIR_HIGH(a, b) ((vec)_mm512_unpackhi_pd((__m512d)(a), (__m512d)(b)))
#elif defined(__AVX2__)
#define ZIP_LOW(a, b) ((vec)_mm256_unpacklo_ps((__m256)(a), (__m256)(b)))
#define ZIP_HIGH(a, b) ((vec)_mm256_unpackhi_ps((__m256)(a), (__m256)(b)))
#define PAIR_LOW(a, b) ((vec)_mm256_unpacklo_pd((__m256d)(a), (__m256d)(b)))
#define PAIR_HIGH(a, b) ((vec)_mm256_unpackhi_pd((__m256d)(a), (__m256d)(b)))
#elif defined(__x86_64__)
#define ZIP_LOW(a, b) ((vec)_mm_unpacklo_ps((__m128)(a), (__m128)(b)))
#define ZIP_HIGH(a, b) ((vec)_mm_unpackhi_ps((__m128)(a), (__m128)(b)))
#define PAIR_LOW(a, b) ((vec)_mm_unpacklo_pd((__m128d)(a), (__m128d)(b)))
#define PAIR_HIGH(a, b) ((vec)_mm_unpackhi_pd((__m128d)(a), (__m128d)(b)))
#elif defined(__aarch64__)
#define ZIP_LOW(a, b) ((vec)vzip1q_f32((float32x4_t)(a), (float32x4_t)(b)))
#define ZIP_HIGH(a, b) ((vec)vzip2q_f32((float32x4_t)(a), (float32x4_t)(b)))
#define PAIR_LOW(a, b) ((vec)vzip1q_f64((float64x2_t)(a), (float64x2_t)(b)))
#define PAIR_HIGH(a, b) ((vec)vzip2q_f64((float64x2_t)(a), (float64x2_t)(b)))
#else
#define ZIP_LOW(a, b) ((vec){ (a)[0], (b)[0], (a)[1], (b)[1] })
#define ZIP_HIGH(a, b) ((vec){ (a)[2], (b)[2], (a)[3], (b)[3] })
#define PAIR_LOW(a, b) ((vec){ (a)[0], (a)[1], (b)[0], (b)[1] })
#define PAIR_HIGH(a, b) ((vec){ (a)[2], (a)[3], (b)[2], (b)[3] })
#endif

/* Four rows, in each 128 bits by itself. */
ALWAYS_INLINE void transpose_lanes(vec *r)
{
	const vec a = ZIP_LOW(r[0], r[1]), b = ZIP_HIGH(r[0], r[1]);
	const vec c = ZIP_LOW(r[2], r[3]), d = ZIP_HIGH(r[2], r[3]);
	r[0] = PAIR_LOW(a, c);
	r[1] = PAIR_HIGH(a, c);
	r[2] = PAIR_LOW(b, d);
	r[3] = PAIR_HIGH(b, d);
}

/* VEC rows of VEC elements. */
ALWAYS_INLINE void transpose_square(vec *r)
{
	UNROLL for (int i = 0; i < VEC; i += 4) transpose_lanes(r + i);
#if VEC == 8
	UNROLL for (int i = 0; i < 4; i++)
	{
		const __m256 a = (__m256)r[i], b = (__m256)r[i + 4];
		r[i] = (vec)_mm256_permute2f128_ps(a, b, 0x20);
		r[i + 4] = (vec)_mm256_permute2f128_ps(a, b, 0x31);
	}
#elif VEC == 16
	UNROLL for (int i = 0; i < 4; i++)
	{
		const __m512 a = (__m512)r[i], b = (__m512)r[i + 4], c = (__m512)r[i + 8],
			     d = (__m512)r[i + 12];
		const __m512 even = _mm512_shuffle_f32x4(a, b, 0x88), odd = _mm512_shuffle_f32x4(a, b, 0xdd);
		const __m512 even2 = _mm512_shuffle_f32x4(c, d, 0x88),
			     odd2 = _mm512_shuffle_f32x4(c, d, 0xdd);
		r[i] = (vec)_mm512_shuffle_f32x4(even, even2, 0x88);
		r[i + 4] = (vec)_mm512_shuffle_f32x4(odd, odd2, 0x88);
		r[i + 8] = (vec)_mm512_shuffle_f32x4(even, even2, 0xdd);
		r[i + 12] = (vec)_mm512_shuffle_f32x4(odd, odd2, 0xdd);
	}
#endif
}

/* to[x * to_row + y] = from[y * from_row + x] for x < width, y < height, both at most VEC. */
ALWAYS_INLINE void transpose_tile(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row,
				  size_t width, size_t height)
{
	vec r[VEC];
	if (width == VEC && height == VEC) {
		UNROLL for (int i = 0; i < VEC; i++) r[i] = load(from + i * from_row);
		transpose_square(r);
		UNROLL for (int i = 0; i < VEC; i++) store(to + i * to_row, r[i]);
		return;
	}
	const vec_tail wide = tail_of(width), high = tail_of(height);
	UNROLL for (size_t i = 0; i < VEC; i++) r[i] =
		i < height ? load_tail(from + (ptrdiff_t)i * from_row, wide) : splat(0);
	transpose_square(r);
	UNROLL for (size_t i = 0; i < VEC; i++)
	{
		if (i < width)
			store_tail(to + (ptrdiff_t)i * to_row, r[i], high);
	}
}

/* The same for any width and height. Strips of VEC columns of `from`: they are written row by row of `to`,
 * each whole before the next, and come back to a cache line of `from` while it is still near. */
static inline void transpose_floats(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row,
				    size_t width, size_t height)
{
	for (size_t x = 0; x < width; x += VEC)
		for (size_t y = 0; y < height; y += VEC)
			transpose_tile(from + (ptrdiff_t)y * from_row + x, from_row,
				       to + (ptrdiff_t)x * to_row + y, to_row, size_min(VEC, width - x),
				       size_min(VEC, height - y));
}

#endif
