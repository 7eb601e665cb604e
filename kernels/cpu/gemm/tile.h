/* The tile: a block of at most TILE_ROWS rows by one panel of packed columns, held in registers over all of
 * k.
 *
 * Every element of the result is a sum of chains a0 * b0 + a1 * b1 + ... and of the bias, which comes last:
 * each step of a chain rounds what has come together so far, so that long chains and large biases in front of
 * them cost accuracy. Chains are fixed by k alone, so that tiles of other heights give the same bits, and columns
 * with equal weights too.
 */
#ifndef CPU_GEMM_TILE_H
#define CPU_GEMM_TILE_H

#include <stdbool.h>

#include "vector/vec.h"

/* Panels are two vectors wide; the last one has 3 or 1 if the number of vectors is odd. */
#define PANEL (2 * VEC)

/* Rows of the tallest tile: TILE_ROWS for a panel of two vectors, fewer for three. 32 registers hold 14 x 2
 * sums, 2 of b and one of a (NEON: 8 x 2, 2 of b and 8 of a, four steps of k each); 16 hold 6 x 2, 2 of b and
 * one of a, or 4 x 2 where a product needs a register of its own. */
#if defined(__AVX512F__)
#define TILE_ROWS 14
#define TILE_ROWS_3 9
#elif defined(__aarch64__)
#define TILE_ROWS 8
#define TILE_ROWS_3 6
#elif defined(__SSE2__) && !defined(__FMA__)
#define TILE_ROWS 4
#define TILE_ROWS_3 3
#else
#define TILE_ROWS 6
#define TILE_ROWS_3 4
#endif

typedef struct tile {
	const float *a; /* row i lies at a + i * a_row */
	ptrdiff_t a_row;
	/* Every a_run steps of k, a goes on a_block from where they began; 0: side by side. */
	ptrdiff_t a_block;
	size_t a_run; /* at least MAX_VECTORS; k and chain are multiples of it */
	const float *b; /* k rows of the panel's width */
	size_t k;          /* at least 1 */
	size_t chain;      /* steps of k in a chain, at least MAX_VECTORS */
	const float *bias; /* of the panel; NULL: the sums are added to what is in out */
	float *const *out; /* for each row, its first element of this panel is out[i][column] */
	ptrdiff_t column, out_step; /* vectors of columns are out_step apart, VEC where they are dense */
	const float *const *residual; /* NULL, or like out with columns of its own */
	ptrdiff_t residual_column, residual_step;
	bool clamp;
	float min, max;
	size_t cols; /* of this panel: what is stored */
} tile;

/* Computes rows x one panel of `vectors` vectors. rows <= tile_rows(vectors). */
#define tile_run ISA(tile_run)
void tile_run(const tile *t, size_t rows, size_t vectors);

ALWAYS_INLINE size_t tile_rows(size_t vectors)
{
	return vectors == 3 ? TILE_ROWS_3 : TILE_ROWS;
}

/* Vectors of the panel that begins at column `at` (a multiple of PANEL) of n columns. */
ALWAYS_INLINE size_t panel_vectors(size_t n, size_t at)
{
	const size_t left = div_up(n - at, VEC);
	return left == 3 || left == 1 ? left : 2;
}

/* The most columns of a panel. */
#define MAX_VECTORS 3
#define MAX_PANEL (MAX_VECTORS * VEC)

/* The panel after the one that begins at `at`. */
ALWAYS_INLINE size_t panel_next(size_t n, size_t at)
{
	return at + panel_vectors(n, at) * VEC;
}

/* Floats that n packed columns with k rows take: a bias row and k rows for each panel. */
ALWAYS_INLINE size_t packed_floats(size_t n, size_t k)
{
	return div_up(n, VEC) * VEC * (k + 1);
}

#endif
