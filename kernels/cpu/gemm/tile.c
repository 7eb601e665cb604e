#include "gemm/tile.h"

/* Makes the compiler forget where a pointer comes from. */
#define HIDE(p) __asm__("" : "+r"(p))

/* Makes the compiler compute v here. */
#if defined(__aarch64__)
#define PIN(v) __asm__ volatile("" : "+w"(v))
#elif defined(__x86_64__)
#define PIN(v) __asm__ volatile("" : "+v"(v))
#else
#define PIN(v)
#endif

/* No store moves across. */
#define KEEP_ORDER __asm__ volatile("" : : : "memory")

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

/* The step of k with which all begins. */
ALWAYS_INLINE void begin_one_k(sums sum, const float *a, const float *high, ptrdiff_t row, const float *b,
			       const int rows, const int vectors)
{
	vec bv[MAX_VECTORS];
	UNROLL for (int j = 0; j < vectors; j++) bv[j] = load(b + j * VEC);
	UNROLL for (int i = 0; i < rows; i++)
	{
		const vec av = splat(i < 7 ? a[i * row] : high[(i - 7) * row]);
		UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = av * bv[j];
	}
}

/* The step of k with which other chains begin: the sums of those before and of `from` leave for `to`, one by one between the products. */
ALWAYS_INLINE void turn_one_k(sums sum, const float *from, float *to, const float *a, const float *high, ptrdiff_t row, const float *b,
			      const int rows, const int vectors)
{
	vec bv[MAX_VECTORS];
	UNROLL for (int j = 0; j < vectors; j++) bv[j] = load(b + j * VEC);
	UNROLL for (int i = 0; i < rows; i++)
	{
		const vec av = splat(i < 7 ? a[i * row] : high[(i - 7) * row]);
		UNROLL for (int j = 0; j < vectors; j++)
		{
			const int at = (i * vectors + j) * VEC;
			store(to + at, sum[i][j] + load(from + at));
			sum[i][j] = av * bv[j];
			PIN(sum[i][j]);
			KEEP_ORDER;
		}
	}
}

/* A chain of each vector begins, and with BEGIN those before them were none; a, b: its first step. Returns how
 * many steps are done. */
enum { BEGIN, TURN };
ALWAYS_INLINE size_t begin_chains(sums sum, const int how, const float *from, float *to, const float *a,
				  const float *high, ptrdiff_t row, const float *b, const int rows,
				  const int vectors)
{
#if defined(__aarch64__)
	(void)a, (void)high, (void)row, (void)b; /* steps come in fours */
	UNROLL for (int i = 0; i < rows; i++)
	{
		UNROLL for (int j = 0; j < vectors; j++)
		{
			const int at = (i * vectors + j) * VEC;
			if (how == TURN)
				store(to + at, sum[i][j] + load(from + at));
			sum[i][j] = splat(0);
		}
	}
	return 0;
#else
	if (how == BEGIN) {
		begin_one_k(sum, a, high, row, b, rows, vectors);
		return 1;
	}
	turn_one_k(sum, from, to, a, high, row, b, rows, vectors);
	return 1;
#endif
}

/* sum += the steps of k from a and b on, as far as the end of b. */
ALWAYS_INLINE void multiply(sums sum, const float *a, const float *high, ptrdiff_t row, const float *b,
			    const float *end, const int rows, const int vectors)
{
#if defined(__aarch64__)
	for (; end - b >= 4 * vectors * VEC; a += 4, high += 4, b += 4 * vectors * VEC)
		add_four_k(sum, a, high, row, b, rows, vectors);
#endif
	for (; b != end; a++, high++, b += vectors * VEC)
		add_one_k(sum, a, high, row, b, rows, vectors);
}

/* sum += what lies at `from`. */
ALWAYS_INLINE void add_sums(sums sum, const float *from, const int rows, const int vectors)
{
	UNROLL for (int i = 0; i < rows; i++)
	{
		UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += load(from + (i * vectors + j) * VEC);
	}
}

static const float zeros[TILE_ROWS * MAX_VECTORS * VEC] __attribute__((aligned(64)));

/* sum = all k, chain by chain. Registers hold one chain of each column; the sum of those before it waits in
 * memory. Stores of all sums on end would hold up the products behind them (chains of 48 steps: 4 % of the
 * time): they go between the products with which the next chains begin. All columns begin theirs with the same step. */
ALWAYS_INLINE void multiply_chains(const tile *t, sums sum, const int rows, const int vectors)
{
	float memory[TILE_ROWS * MAX_VECTORS * VEC] __attribute__((aligned(64)));
	float *before = memory;
	HIDE(before); /* else the compiler makes registers of it, of which there are not enough */
	const size_t width = (size_t)(vectors * VEC);
	const ptrdiff_t row = t->a_row;
	const float *a = t->a, *b = t->b, *from = zeros;
	/* Rows from the 8th on have a base of their own: 14 addresses from two bases and 6 offsets fit the
	 * general registers, from one base they do not. */
	const float *high = a + 7 * row;
	HIDE(high);
	size_t left = t->k, done = begin_chains(sum, BEGIN, NULL, NULL, a, high, row, b, rows, vectors);
	for (;;) {
		size_t count = left < t->chain + MAX_VECTORS ? left : t->chain;
		left -= count;
		while (count > 0) {
			const size_t run = t->a_block ? t->a_run : count;
			const ptrdiff_t step = t->a_block ? t->a_block : (ptrdiff_t)run;
			multiply(sum, a + done, high + done, row, b + done * width, b + run * width, rows,
				 vectors);
			a += step;
			high += step;
			b += run * width;
			count -= run;
			done = 0;
		}
		if (left == 0)
			break;
		done = begin_chains(sum, TURN, from, before, a, high, row, b, rows, vectors);
		from = before;
		/* Read again, since compilers else keep what decides how to go on in vector registers, where it
		 * waits for products. */
		HIDE(t);
	}
	if (from != zeros)
		add_sums(sum, before, rows, vectors);
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
	if (!TAIL_STORE_IS_CHEAP && tail.n == VEC) {
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
