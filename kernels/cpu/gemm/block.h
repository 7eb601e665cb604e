/* A product of some rows by some packed columns, tile by tile. */
#ifndef CPU_GEMM_BLOCK_H
#define CPU_GEMM_BLOCK_H

#include "gemm/tile.h"
#include "kernel.h"

typedef struct product {
	const float *a; /* element (row 0, first k) */
	ptrdiff_t a_row;
	/* With channels in blocks of VEC: from block to block of k, and of columns in `out` and `residual`.
	 * 0: side by side. Blocks of k may have another length: a_run, 0 means VEC. */
	ptrdiff_t a_block, out_block, residual_block;
	size_t a_run;
	size_t rows;
	bool prefetch;       /* a comes from far away, and what follows its rows is read next */
	uint8_t pass;        /* of a kernel_hint */
	const float *packed; /* panels of packed_k rows; the first begins at column packed_col */
	size_t packed_col, packed_k;
	size_t n;                  /* all columns: they decide where panels begin */
	size_t col_begin, col_end; /* borders of panels (col_end may be n) */
	size_t k_begin, k_count;   /* within packed_k */
	size_t chain;              /* longest_chain of all k */
	bool first, last;  /* first: bias + product, else added to what `out` holds; last: residual, clamp */
	float *const *out; /* row i, column c is out[i][c - out_col] */
	size_t out_col;
	const float *const *residual; /* or NULL: row i, column c is residual[i][c] */
	bool clamp;
	float min, max;
	/* NULL, or called when some rows have all their columns. `out` then has done_rows entries, a multiple
	 * of TILE_ROWS, which the rows of each call fill from the first on, so that what is done with them
	 * finds them in the first-level cache. Only where product_by_rows. */
	void (*done)(void *context, size_t row, size_t rows);
	void *context;
	size_t done_rows;
} product;

#define product_run ISA(product_run)
void product_run(const product *p);

/* Whether the weights of a product fit into the second-level cache: then some rows stay in the first level
 * while all weights pass; else each panel stays while all rows pass, so that weights leave memory once. */
ALWAYS_INLINE bool product_by_rows(size_t k, size_t cols, uint8_t pass)
{
	return pass == PASS_OWN ? k * cols <= 65536 : pass == PASS_ROWS;
}

/* Whether a left side of so many rows comes from beyond the second-level cache. Asking for one that is there already
 * took 5 % of mobilenet_v3_large. */
ALWAYS_INLINE bool product_far(size_t rows, size_t k)
{
	return rows * k > 262144;
}

/* Rows between calls of `done`: few, but enough for a program to be worth starting. */
ALWAYS_INLINE size_t product_done_rows(size_t cols)
{
	return TILE_ROWS * size_max(1, 8192 / (TILE_ROWS * cols));
}

/* The longest stretch of k for which rows of a tile stay in the first-level cache. */
#define K_BLOCK 512

/* k in equal blocks of at most K_BLOCK (but for a short rest, which is not worth a pass over the sums). */
ALWAYS_INLINE size_t k_block(size_t k)
{
	const size_t blocks = k <= K_BLOCK + K_BLOCK / 4 ? 1 : div_up(k, K_BLOCK);
	return size_max(1, div_up(div_up(k, blocks), VEC) * VEC);
}

/* The longest chains of a product of k steps. One of n steps is wrong by some sqrt(n / 2) times what rounding
 * its result once costs. PP-OCRv4, whose products have up to 960 steps, misses 1e-5 of the largest output
 * with chains of 128 (its recogniser: 1.04e-5; with chains of 48 6.0e-6, of which rounding values to float32
 * between layers costs 2.6e-6). Chains of 48 cost 1.3 % of a product's speed, of 128 half of that. */
#define LONG_CHAIN 128

/* chosen: of the kernel's params. */
ALWAYS_INLINE size_t longest_chain(size_t k, uint32_t chosen)
{
	return chosen ? chosen : k < 1024 ? 48 : LONG_CHAIN;
}

/* Chains of a block of k: equal parts of about `longest`. */
ALWAYS_INLINE size_t chain_length(size_t k, size_t longest)
{
	const size_t chains = size_max(1, (k + longest / 2) / longest);
	return size_max(1, div_up(div_up(k, chains), 4) * 4);
}

/* How `repeats` products of m x n x k are cut into tasks: fixed by shapes and ISA. least: rows of a task, at
 * least (a tile, or more where a task has to prepare its columns). size: of a kernel_hint. */
typedef struct cut {
	size_t rows, cols; /* of a task */
	size_t row_tasks, col_tasks;
} cut;
#define product_cut ISA(product_cut)
cut product_cut(size_t m, size_t n, size_t k, size_t repeats, size_t least, size_t least_cols, int size);

#endif
