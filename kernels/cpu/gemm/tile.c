#include "gemm/tile.h"

#define MAX_VECTORS 3

/* Makes the compiler forget where a pointer comes from. */
#define HIDE(p) __asm__("" : "+r"(p))

/* Inlined with constant `rows` and `vectors`, so that all loops but the one over k unroll and the sums stay
 * in registers. */
ALWAYS_INLINE void tile_body(const tile *t, const int rows, const int vectors)
{
	vec sum[TILE_ROWS][MAX_VECTORS];
	const vec_tail tail = tail_of(t->cols - (size_t)(vectors - 1) * VEC);
	UNROLL for (int j = 0; j < vectors; j++)
	{
		const vec v = t->init ? load(t->init + j * VEC) : splat(0);
		UNROLL for (int i = 0; i < rows; i++) sum[i][j] = v;
	}

	const float *a = t->a, *b = t->b;
	const ptrdiff_t row = t->a_row;
	/* Rows from the 8th on have a base of their own: 14 addresses from two bases and 6 offsets fit the
	 * general registers, from one base they do not. */
	const float *high = a + 7 * row;
	HIDE(high);
	for (const float *const end = b + t->k * (size_t)(vectors * VEC); b != end; b += vectors * VEC) {
		vec bv[MAX_VECTORS];
		UNROLL for (int j = 0; j < vectors; j++) bv[j] = load(b + j * VEC);
		UNROLL for (int i = 0; i < rows; i++)
		{
			const vec av = splat(i < 7 ? a[i * row] : high[(i - 7) * row]);
			UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += av * bv[j];
		}
		a++;
		high++;
	}

	if (!t->init) {
		UNROLL for (int i = 0; i < rows; i++)
		{
			const float *from = t->out[i] + t->column;
			UNROLL for (int j = 0; j < vectors - 1; j++) sum[i][j] += load(from + j * VEC);
			sum[i][vectors - 1] += load_tail(from + (vectors - 1) * VEC, tail);
		}
	}
	if (t->residual) {
		UNROLL for (int i = 0; i < rows; i++)
		{
			const float *from = t->residual[i] + t->residual_column;
			UNROLL for (int j = 0; j < vectors - 1; j++) sum[i][j] += load(from + j * VEC);
			sum[i][vectors - 1] += load_tail(from + (vectors - 1) * VEC, tail);
		}
	}
	if (t->clamp) {
		const vec min = splat(t->min), max = splat(t->max);
		UNROLL for (int i = 0; i < rows; i++)
		{
			UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vec_clamp(sum[i][j], min, max);
		}
	}
	if (tail.n == VEC) {
		UNROLL for (int i = 0; i < rows; i++)
		{
			float *to = t->out[i] + t->column;
			UNROLL for (int j = 0; j < vectors; j++) store(to + j * VEC, sum[i][j]);
		}
	} else {
		UNROLL for (int i = 0; i < rows; i++)
		{
			float *to = t->out[i] + t->column;
			UNROLL for (int j = 0; j < vectors - 1; j++) store(to + j * VEC, sum[i][j]);
			store_tail(to + (vectors - 1) * VEC, sum[i][vectors - 1], tail);
		}
	}
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
#elif TILE_ROWS_3 >= 8
ALL_VECTORS_3(5)
ALL_VECTORS_3(6)
ALL_VECTORS_3(7)
ALL_VECTORS_3(8)
#endif
#if TILE_ROWS == 12
ALL_VECTORS_2(9)
#elif TILE_ROWS == 14
ALL_VECTORS_3(9)
#endif
#if TILE_ROWS >= 12
ALL_VECTORS_2(10)
ALL_VECTORS_2(11)
ALL_VECTORS_2(12)
#endif
#if TILE_ROWS >= 14
ALL_VECTORS_2(13)
ALL_VECTORS_2(14)
#endif

static void (*const tiles[TILE_ROWS][MAX_VECTORS])(const tile *) = {
	ROW_3(1),  ROW_3(2),  ROW_3(3),
#if TILE_ROWS_3 == 3
	ROW_2(4),
#else
	ROW_3(4),
#endif
#if TILE_ROWS_3 == 4
	ROW_2(5),  ROW_2(6),
#elif TILE_ROWS_3 >= 8
	ROW_3(5), ROW_3(6), ROW_3(7), ROW_3(8),
#endif
#if TILE_ROWS == 12
	ROW_2(9),
#elif TILE_ROWS == 14
	ROW_3(9),
#endif
#if TILE_ROWS >= 12
	ROW_2(10), ROW_2(11), ROW_2(12),
#endif
#if TILE_ROWS >= 14
	ROW_2(13), ROW_2(14),
#endif
};

void tile_run(const tile *t, size_t rows, size_t vectors)
{
	tiles[rows - 1][vectors - 1](t);
}
