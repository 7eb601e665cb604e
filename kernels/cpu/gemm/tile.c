#include "gemm/tile.h"

#define MAX_VECTORS 3

/* Makes the compiler forget where a pointer comes from. */
#define HIDE(p) __asm__("" : "+r"(p))

typedef vec sums[TILE_ROWS][MAX_VECTORS];

/* These are inlined with constant `rows` and `vectors`, so that all loops but the one over k unroll and the
 * sums stay in registers. */

ALWAYS_INLINE void add_one_k(sums sum, const float *a, const float *high, ptrdiff_t row, const float *b,
			     const int rows, const int vectors)
{
	vec bv[MAX_VECTORS];
	UNROLL for (int j = 0; j < vectors; j++) bv[j] = load(b + j * VEC);
	UNROLL for (int i = 0; i < rows; i++)
	{
		const vec av = splat(i < 7 ? a[i * row] : high[(i - 7) * row]);
		UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += av * bv[j];
	}
}

#if defined(__aarch64__)
/* Four steps of k at once: FMA takes one factor from a lane, so that a vector of a serves four. */
ALWAYS_INLINE void add_four_k(sums sum, const float *a, const float *high, ptrdiff_t row, const float *b,
			      const int rows, const int vectors)
{
	vec av[TILE_ROWS];
	UNROLL for (int i = 0; i < rows; i++) av[i] = load(i < 7 ? a + i * row : high + (i - 7) * row);
	UNROLL for (int k = 0; k < 4; k++)
	{
		vec bv[MAX_VECTORS];
		UNROLL for (int j = 0; j < vectors; j++) bv[j] = load(b + (k * vectors + j) * VEC);
		UNROLL for (int i = 0; i < rows; i++)
		{
			UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += bv[j] * av[i][k];
		}
	}
}
#endif

/* sum += `count` steps of k from a and b on. */
ALWAYS_INLINE void multiply(sums sum, const float *a, ptrdiff_t row, const float *b, size_t count,
			    const int rows, const int vectors)
{
	const float *const end = b + count * (size_t)(vectors * VEC);
	/* Rows from the 8th on have a base of their own: 14 addresses from two bases and 6 offsets fit the
	 * general registers, from one base they do not. */
	const float *high = a + 7 * row;
	HIDE(high);
#if defined(__aarch64__)
	for (size_t k = count; k >= 4; k -= 4) {
		add_four_k(sum, a, high, row, b, rows, vectors);
		a += 4;
		high += 4;
		b += 4 * vectors * VEC;
	}
#endif
	while (b != end) {
		add_one_k(sum, a, high, row, b, rows, vectors);
		a++;
		high++;
		b += vectors * VEC;
	}
}

/* The same where a lies in blocks of VEC steps. count: a multiple of VEC. */
ALWAYS_INLINE void multiply_blocks(sums sum, const float *a, ptrdiff_t row, ptrdiff_t block, const float *b,
				   size_t count, const int rows, const int vectors)
{
	for (; count > 0; count -= VEC, a += block, b += VEC * vectors * VEC)
		multiply(sum, a, row, b, VEC, rows, vectors);
}

/* sum += what lies at `from`, as put_sums left it. */
ALWAYS_INLINE void add_sums(sums sum, const float *from, const int rows, const int vectors)
{
	UNROLL for (int i = 0; i < rows; i++)
	{
		UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += load(from + (i * vectors + j) * VEC);
	}
}

ALWAYS_INLINE void put_sums(sums sum, float *to, const int rows, const int vectors)
{
	UNROLL for (int i = 0; i < rows; i++)
	{
		UNROLL for (int j = 0; j < vectors; j++) store(to + (i * vectors + j) * VEC, sum[i][j]);
	}
}

/* sum += all k, chain by chain. Registers hold one chain; the sum of those before it waits in memory. */
ALWAYS_INLINE void multiply_chains(const tile *t, sums sum, const int rows, const int vectors)
{
	float memory[TILE_ROWS * MAX_VECTORS * VEC] __attribute__((aligned(64)));
	float *before = memory;
	HIDE(before); /* else the compiler makes registers of it, of which there are not enough */
	const float *a = t->a, *b = t->b;
	for (size_t left = t->k;;) {
		const size_t count = size_min(t->chain, left);
		if (t->a_block)
			multiply_blocks(sum, a, t->a_row, t->a_block, b, count, rows, vectors);
		else
			multiply(sum, a, t->a_row, b, count, rows, vectors);
		if (left < t->k)
			add_sums(sum, before, rows, vectors);
		left -= count;
		if (left == 0)
			break;
		put_sums(sum, before, rows, vectors);
		UNROLL for (int i = 0; i < rows; i++)
		{
			UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = splat(0);
		}
		a += t->a_block ? (ptrdiff_t)(count / VEC) * t->a_block : (ptrdiff_t)count;
		b += count * (size_t)(vectors * VEC);
	}
}

/* sum += what lies at from[i][column], vectors `step` apart, of which `tail` is the last. */
ALWAYS_INLINE void add_rows(sums sum, const float *const *from, ptrdiff_t column, ptrdiff_t step,
			    vec_tail tail, const int rows, const int vectors)
{
	UNROLL for (int i = 0; i < rows; i++)
	{
		const float *p = from[i] + column;
		UNROLL for (int j = 0; j < vectors - 1; j++) sum[i][j] += load(p + j * step);
		sum[i][vectors - 1] += load_tail(p + (vectors - 1) * step, tail);
	}
}

ALWAYS_INLINE void store_rows(const tile *t, sums sum, vec_tail tail, const int rows, const int vectors)
{
	const ptrdiff_t step = t->out_step;
	if (tail.n == VEC) {
		UNROLL for (int i = 0; i < rows; i++)
		{
			float *to = t->out[i] + t->column;
			UNROLL for (int j = 0; j < vectors; j++) store(to + j * step, sum[i][j]);
		}
	} else {
		UNROLL for (int i = 0; i < rows; i++)
		{
			float *to = t->out[i] + t->column;
			UNROLL for (int j = 0; j < vectors - 1; j++) store(to + j * step, sum[i][j]);
			store_tail(to + (vectors - 1) * step, sum[i][vectors - 1], tail);
		}
	}
}

ALWAYS_INLINE void tile_body(const tile *t, const int rows, const int vectors)
{
	sums sum;
	UNROLL for (int j = 0; j < vectors; j++)
	{
		UNROLL for (int i = 0; i < rows; i++) sum[i][j] = splat(0);
	}
	multiply_chains(t, sum, rows, vectors);
	if (t->bias) {
		UNROLL for (int j = 0; j < vectors; j++)
		{
			const vec v = load(t->bias + j * VEC);
			UNROLL for (int i = 0; i < rows; i++) sum[i][j] += v;
		}
	}
	const vec_tail tail = tail_of(t->cols - (size_t)(vectors - 1) * VEC);
	if (!t->bias)
		add_rows(sum, (const float *const *)t->out, t->column, t->out_step, tail, rows, vectors);
	if (t->residual)
		add_rows(sum, t->residual, t->residual_column, t->residual_step, tail, rows, vectors);
	if (t->clamp) {
		const vec min = splat(t->min), max = splat(t->max);
		UNROLL for (int i = 0; i < rows; i++)
		{
			UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vec_clamp(sum[i][j], min, max);
		}
	}
	store_rows(t, sum, tail, rows, vectors);
}

#define TILE(rows, vectors)                                                                                  \
	static void tile_##rows##x##vectors(const tile *t)                                                   \
	{                                                                                                    \
		tile_body(t, rows, vectors);                                                                 \
	}
#define ALL_VECTORS_2(rows) TILE(rows, 1) TILE(rows, 2)
#define ALL_VECTORS_3(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define ROW_2(rows)                                                                                          \
	{                                                                                                    \
		tile_##rows##x1, tile_##rows##x2, NULL                                                       \
	}
#define ROW_3(rows)                                                                                          \
	{                                                                                                    \
		tile_##rows##x1, tile_##rows##x2, tile_##rows##x3                                            \
	}

ALL_VECTORS_3(1)
ALL_VECTORS_3(2)
ALL_VECTORS_3(3)
#if TILE_ROWS_3 == 3
ALL_VECTORS_2(4)
#else
ALL_VECTORS_3(4)
#endif
#if TILE_ROWS_3 == 4
ALL_VECTORS_2(5)
ALL_VECTORS_2(6)
#elif TILE_ROWS_3 == 6
ALL_VECTORS_3(5)
ALL_VECTORS_3(6)
ALL_VECTORS_2(7)
ALL_VECTORS_2(8)
#elif TILE_ROWS_3 == 9
ALL_VECTORS_3(5)
ALL_VECTORS_3(6)
ALL_VECTORS_3(7)
ALL_VECTORS_3(8)
#endif
#if TILE_ROWS == 14
ALL_VECTORS_3(9)
ALL_VECTORS_2(10)
ALL_VECTORS_2(11)
ALL_VECTORS_2(12)
ALL_VECTORS_2(13)
ALL_VECTORS_2(14)
#endif

static void (*const tiles[TILE_ROWS][MAX_VECTORS])(const tile *) = {
	ROW_3(1), ROW_3(2), ROW_3(3),
#if TILE_ROWS_3 == 3
	ROW_2(4),
#else
	ROW_3(4),
#endif
#if TILE_ROWS_3 == 4
	ROW_2(5), ROW_2(6),
#elif TILE_ROWS_3 == 6
	ROW_3(5), ROW_3(6), ROW_2(7), ROW_2(8),
#elif TILE_ROWS_3 == 9
	ROW_3(5),  ROW_3(6),  ROW_3(7),  ROW_3(8),  ROW_3(9),
	ROW_2(10), ROW_2(11), ROW_2(12), ROW_2(13), ROW_2(14),
#endif
};

void tile_run(const tile *t, size_t rows, size_t vectors)
{
	tiles[rows - 1][vectors - 1](t);
}
