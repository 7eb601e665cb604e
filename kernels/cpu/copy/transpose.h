/* Transposition of small matrices of floats in registers. */
#ifndef CPU_COPY_TRANSPOSE_H
#define CPU_COPY_TRANSPOSE_H

#include "vector/vec.h"

/* Elements of a row that are taken together. */
#define TRANSPOSE_BLOCK 128

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

/* Each 128 bits from an address of their own, `step` elements apart. */
ALWAYS_INLINE vec load_lanes(const float *from, size_t step)
{
#if VEC == 16
	const __m256 low = _mm256_set_m128(_mm_loadu_ps(from + step), _mm_loadu_ps(from));
	const __m256 high = _mm256_set_m128(_mm_loadu_ps(from + 3 * step), _mm_loadu_ps(from + 2 * step));
	return (vec)_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
#elif VEC == 8
	return (vec)_mm256_set_m128(_mm_loadu_ps(from + step), _mm_loadu_ps(from));
#else
	(void)step;
	return load(from);
#endif
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

/* The same for up to 4 rows that become dense groups of `height`: each group is stored as 4 elements, of
 * which the next group overwrites what is too many. */
static inline void interleave_floats(const float *from, ptrdiff_t from_row, float *to, size_t width,
				     size_t height)
{
	size_t x = 0;
	/* The last groups are stored one by one. */
	for (; x + VEC + 4 <= width; x += VEC) {
		vec r[4];
		UNROLL for (size_t i = 0; i < 4; i++) r[i] =
			i < height ? load(from + (ptrdiff_t)i * from_row + x) : splat(0);
		transpose_lanes(r);
		UNROLL for (int lane = 0; lane < VEC; lane += 4)
		{
			UNROLL for (int i = 0; i < 4; i++)
			{
				float group[VEC];
				memcpy(group, &r[i], sizeof group);
				memcpy(to + (x + (size_t)(lane + i)) * height, group + lane,
				       4 * sizeof(float));
			}
		}
	}
	for (; x < width; x++)
		for (size_t y = 0; y < height; y++)
			to[x * height + y] = from[(ptrdiff_t)y * from_row + x];
}

/* The other way round: dense groups of `width` elements, up to 4, become rows. */
static inline void separate_floats(const float *from, float *to, ptrdiff_t to_row, size_t width,
				   size_t height)
{
	size_t y = 0;
	for (; y + VEC + 4 <= height; y += VEC) {
		vec r[4];
		UNROLL for (size_t i = 0; i < 4; i++) r[i] = load_lanes(from + (y + i) * width, 4 * width);
		transpose_lanes(r);
		UNROLL for (size_t i = 0; i < 4; i++)
		{
			if (i < width)
				store(to + (ptrdiff_t)i * to_row + y, r[i]);
		}
	}
	for (; y < height; y++)
		for (size_t x = 0; x < width; x++)
			to[(ptrdiff_t)x * to_row + y] = from[y * width + x];
}

/* The same for any width and height, in blocks whose rows are some cache lines long on one side: each line is
 * touched while its neighbours are, which is what prefetching and address translation need. */
static inline void transpose_floats(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row,
				    size_t width, size_t height)
{
	if (width == 0 || height == 0)
		return;
	if (height <= 4 && to_row == (ptrdiff_t)height) {
		interleave_floats(from, from_row, to, width, height);
		return;
	}
	if (width <= 4 && from_row == (ptrdiff_t)width) {
		separate_floats(from, to, to_row, width, height);
		return;
	}
	for (size_t x0 = 0; x0 < width; x0 += TRANSPOSE_BLOCK) {
		const size_t x1 = size_min(width, x0 + TRANSPOSE_BLOCK);
		for (size_t y = 0; y < height; y += VEC)
			for (size_t x = x0; x < x1; x += VEC)
				transpose_tile(from + (ptrdiff_t)y * from_row + x, from_row,
					       to + (ptrdiff_t)x * to_row + y, to_row,
					       size_min(VEC, width - x), size_min(VEC, height - y));
	}
}

#endif
