#include "gemm/block.h"

/* Floats of the rows that stay in the first-level cache: half of it, or less. */
#define GROUP_FLOATS 4096

/* slot: of the first row in p->out. */
static void run_rows(const product *p, tile *t, size_t row, size_t slot, size_t rows, size_t vectors)
{
	/* Tiles of nearly equal height: 49 rows are 4 of 13 and 12, not 3 of 14 and one of 7. */
	const size_t tiles = div_up(rows, tile_rows(vectors));
	const size_t height = rows / tiles, taller = rows % tiles;
	const ptrdiff_t step = p->a_row;
	for (size_t i = 0; i < tiles; i++) {
		const size_t count = height + (i < taller);
		if (p->k_count)
			t->a = p->a + (ptrdiff_t)row * step;
		t->out = p->out + slot;
		t->residual = p->residual && p->last ? p->residual + row : NULL;
		tile_run(t, count, vectors);
		row += count;
		slot += count;
	}
}

/* Where a column lies that begins a vector. */
static ptrdiff_t column_offset(size_t col, ptrdiff_t block)
{
	return block ? (ptrdiff_t)(col / VEC) * block : (ptrdiff_t)col;
}

static void run_panel(const product *p, size_t col, size_t row, size_t slot, size_t rows)
{
	const size_t vectors = panel_vectors(p->n, col), width = vectors * VEC;
	static const float zeros[MAX_PANEL];
	const size_t chain = chain_length(p->k_count, p->chain), run = p->a_run ? p->a_run : VEC;
	const float *panel = p->packed + (col - p->packed_col) * (p->packed_k + 1);
	tile t = {
		.a_row = p->a_row,
		.a_block = p->a_block,
		.a_run = run,
		.b = panel + (1 + p->k_begin) * width,
		.k = p->k_count,
		.chain = p->a_block ? div_up(chain, run) * run : chain,
		.bias = p->first ? panel : NULL,
		.column = column_offset(col - p->out_col, p->out_block),
		.out_step = p->out_block ? p->out_block : VEC,
		.residual_column = column_offset(col, p->residual_block),
		.residual_step = p->residual_block ? p->residual_block : VEC,
		.clamp = p->clamp && p->last,
		.min = p->min,
		.max = p->max,
		.cols = size_min(width, p->n - col),
	};
	if (p->k_count == 0) { /* tiles have a step of k at least */
		t.k = 1;
		t.b = t.a = zeros;
		t.a_row = 0;
	}
	run_rows(p, &t, row, slot, rows, vectors);
}

/* Asks for rows of a that come next, as far as the second-level cache. The hardware follows a few long
 * streams, but a tile reads many short ones. A prefetch of memory that is not there does nothing. */
static void prefetch_rows(const product *p, size_t row, size_t rows)
{
	const size_t line = 64, bytes = p->k_count * sizeof(float);
	const ptrdiff_t step = p->a_row * (ptrdiff_t)sizeof(float);
	for (size_t i = 0; i < rows; i++) {
		const uintptr_t at = (uintptr_t)p->a + (uintptr_t)((ptrdiff_t)(row + i) * step);
		for (size_t b = 0; b < bytes; b += line)
			__builtin_prefetch((const void *)(at + b), 0, 2);
	}
}

/* Rows that stay in the first-level cache while all weights pass: a tile's, or several tiles' where these are so
 * short that going from panel to panel would show. */
static size_t group_tiles(const product *p)
{
	const size_t tiles = GROUP_FLOATS / (TILE_ROWS * size_max(1, p->k_count));
	return size_max(1, p->done ? size_min(tiles, p->done_rows / TILE_ROWS) : tiles);
}

void product_run(const product *p)
{
	const bool by_rows = product_by_rows(p->k_count, p->col_end - p->col_begin, p->pass);
	const size_t tiles = group_tiles(p);
	const size_t groups = by_rows ? div_up(p->rows, tiles * TILE_ROWS) : 1;
	const size_t batch = p->done ? p->done_rows / (tiles * TILE_ROWS) : groups;
	for (size_t g = 0, row = 0, first = 0; g < groups; g++) {
		const size_t rows = p->rows / groups + (g < p->rows % groups);
		if (by_rows && p->prefetch)
			prefetch_rows(p, row + rows, rows);
		for (size_t col = p->col_begin; col < p->col_end; col = panel_next(p->n, col))
			run_panel(p, col, row, p->done ? row - first : row, rows);
		row += rows;
		if (p->done && ((g + 1) % batch == 0 || g + 1 == groups)) {
			p->done(p->context, first, row - first);
			first = row;
		}
	}
}

/* Fewer tasks than this are shared unevenly too often. */
#define FEW_TASKS 8

cut product_cut(size_t m, size_t n, size_t k, size_t repeats, size_t least, size_t least_cols, int size)
{
	cut c = { .rows = 1, .cols = PANEL };
	if (m == 0 || n == 0 || repeats == 0)
		return c;
	/* Multiplications of a task: a hundredth of all, so that many threads share them evenly, but not so
	 * few that starting a task shows, nor so many that its rows leave the second-level cache. */
	const double all = (double)m * (double)n * (double)(k + 1) * (double)repeats;
	double target = all / 96;
	/* Products of a few rows wait for their weights, and take longer for as many multiplications. */
	const size_t fewest = m >= TILE_ROWS ? 393216 : size_max(65536, 393216 * m / TILE_ROWS);
	target = target < (double)fewest ? (double)fewest : target > 4194304 ? 4194304 : target;
	target = size < 0 ? target / (1 << -size) : target * (1 << size);

	/* Weights that the second-level cache holds are shared by all rows of a task. Larger ones come from
	 * further away for every task, so that it should have many rows. */
	if ((k + 1) * n > 131072)
		least = size_max(least, 4 * TILE_ROWS);
	const double by_rows = target / ((double)n * (double)(k + 1));
	c.rows = by_rows < (double)least ? least : (size_t)by_rows;
	c.rows = size_min(m, c.rows / TILE_ROWS * TILE_ROWS);
	c.row_tasks = div_up(m, c.rows);
	/* Equal parts, on borders of tiles where that costs nothing. */
	c.rows = div_up(m, c.row_tasks);
	if (m >= 4 * TILE_ROWS)
		c.rows = div_up(c.rows, TILE_ROWS) * TILE_ROWS;
	c.row_tasks = div_up(m, c.rows);

	const double by_cols = target / ((double)c.rows * (double)(k + 1));
	const size_t cols = size_max(least_cols, by_cols < (double)n ? (size_t)by_cols : n);
	c.cols = size_min(cols / PANEL * PANEL, div_up(n, PANEL) * PANEL);
	c.col_tasks = div_up(n, c.cols);
	/* Threads need tasks to share: a few more, where tiles stay as high and weights are only read once more. */
	if (repeats * c.row_tasks * c.col_tasks < FEW_TASKS && all > FEW_TASKS * 65536.0 && m < 4 * TILE_ROWS &&
	    c.rows >= 2 * TILE_ROWS) {
		c.row_tasks *= 2;
		c.rows = div_up(m, c.row_tasks);
		c.row_tasks = div_up(m, c.rows);
	}
	/* A last panel of three vectors begins a panel earlier than a multiple of PANEL would: it may not be
	 * cut. */
	const size_t rest = n - (c.col_tasks - 1) * c.cols;
	if (c.col_tasks > 1 && rest <= VEC)
		c.col_tasks--;
	return c;
}
