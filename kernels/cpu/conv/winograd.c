/* 3x3 convolution of stride 1 by minimal filtering: an m x m tile of outputs from an (m + 2) x (m + 2) tile
 * of inputs takes (m + 2)^2 products instead of 9 m^2, each of which is a matrix product over channels when
 * many tiles are taken together.
 *
 * Points of the interpolation are 0, +-1, infinity for m = 2, and 0, +-p, +-q, infinity with p = sqrt(1/2),
 * q = sqrt(2) for m = 4: with p q = 1 the entries of the transforms stay near 1, and the error is a third of
 * that of the usual 0, +-1, +-2.
 *
 * A task transforms some tiles of the image, multiplies them by a block of columns, and transforms back, so
 * that everything between stays in the second-level cache: image -> v[(m + 2)^2][tiles][channels] -> s[(m +
 * 2)^2][tiles][columns] -> output. Transforms are vectorised over channels. Weights are transformed in double
 * when they are packed. */
#include <math.h>

#include "checked.h"
#include "conv/runs.h"
#include "gemm/block.h"
#include "program/run.h"

#define MAX_SIDE 6 /* m + 2 */

static const double root = 1.4142135623730950488;

/* ---- Packing: for each group the biases, then the weights of each of the (m + 2)^2 products as packing_gemm
 * has them (with biases of 0). ---- */

static size_t matrix_floats(const weights_shape *s)
{
	return packed_floats(s->out_channels, s->in_channels);
}

static size_t bias_floats(const weights_shape *s)
{
	return div_up(s->out_channels, VEC) * VEC;
}

static size_t pack_bytes(const weights_shape *s, size_t m)
{
	size_t floats, n;
	if (!size_round_up(s->out_channels, VEC, &n) || !size_add(s->in_channels, 2, &floats) ||
	    !size_mul(floats, n, &floats) || !size_mul(floats, (m + 2) * (m + 2), &floats) ||
	    !size_mul(floats, s->groups, &floats) || !size_mul(floats, sizeof(float), &floats))
		return SIZE_MAX;
	return s->groups * (bias_floats(s) + (m + 2) * (m + 2) * matrix_floats(s)) * sizeof(float);
}

/* The weights of VEC output channels are transformed at once, in double. */
typedef double dvec __attribute__((vector_size(8 * VEC)));

/* The transform of three taps along one axis: m + 2 values, `step` apart. */
ALWAYS_INLINE void transform_taps(size_t m, const dvec *g, dvec *to, size_t step)
{
	if (m == 2) {
		to[0] = g[0];
		to[step] = (g[0] + g[2] + g[1]) / 2;
		to[2 * step] = (g[0] + g[2] - g[1]) / 2;
		to[3 * step] = g[2];
		return;
	}
	/* Divided by the product of the differences of a point from the others: p^2 q^2 = 1, 2 p^2 (p^2 -
	 * q^2) = -3/2, 2 q^2 (q^2 - p^2) = 6. */
	const double p = root / 2, q = root;
	to[0] = g[0];
	to[step] = (g[0] + g[2] / 2 + p * g[1]) * (-2.0 / 3);
	to[2 * step] = (g[0] + g[2] / 2 - p * g[1]) * (-2.0 / 3);
	to[3 * step] = (g[0] + g[2] * 2 + q * g[1]) / 6;
	to[4 * step] = (g[0] + g[2] * 2 - q * g[1]) / 6;
	to[5 * step] = g[2];
}

ALWAYS_INLINE void transform_filters(size_t m, const dvec *taps, dvec *to)
{
	dvec rows[3][MAX_SIDE];
	for (int y = 0; y < 3; y++)
		transform_taps(m, taps + 3 * y, rows[y], 1);
	for (size_t x = 0; x < m + 2; x++) {
		const dvec g[3] = { rows[0][x], rows[1][x], rows[2][x] };
		transform_taps(m, g, to + x, m + 2);
	}
}

/* Input channel c of up to VEC output channels, whose weights begin at `from`; the others are zero. */
static void gather_taps(const weights_source *source, const loose_float *const *from, size_t columns,
			size_t c, dvec *taps)
{
	for (ptrdiff_t t = 0; t < 9; t++) {
		const ptrdiff_t at =
			(ptrdiff_t)c * source->in + t / 3 * source->tap[1] + t % 3 * source->tap[2];
		taps[t] = (dvec){ 0 };
		for (size_t j = 0; j < columns; j++)
			taps[t][j] = (double)from[j][at];
	}
}

/* VEC columns of all products' panels; `to` is their place in the first row of the first product. */
ALWAYS_INLINE void pack_columns(const weights_shape *s, const weights_source *source, size_t m,
				const loose_float *const *from, size_t columns, float *to, size_t width)
{
	dvec taps[9], u[MAX_SIDE * MAX_SIDE];
	const size_t products = (m + 2) * (m + 2), matrix = matrix_floats(s);
	for (size_t e = 0; e < products; e++)
		memset(to + e * matrix, 0, VEC * sizeof(float)); /* biases */
	for (size_t i = 0; i < s->in_channels; i++) {
		gather_taps(source, from, columns, source->in_index ? source->in_index[i] : i, taps);
		transform_filters(m, taps, u);
		for (size_t e = 0; e < products; e++)
			store(to + e * matrix + (i + 1) * width, __builtin_convertvector(u[e], vec));
	}
}

static void pack_group(const weights_shape *s, const weights_source *source, size_t m, size_t g,
		       float *biases)
{
	const size_t n = s->out_channels;
	float *matrix = biases + bias_floats(s);
	memset(biases, 0, bias_floats(s) * sizeof(float));
	for (size_t col = 0; col < n; col += VEC) {
		const loose_float *from[VEC] = { NULL };
		const size_t columns = size_min(VEC, n - col);
		size_t panel = 0; /* the one that holds these columns */
		while (panel_next(n, panel) <= col)
			panel = panel_next(n, panel);
		const size_t width = panel_vectors(n, panel) * VEC;
		for (size_t j = 0; j < columns; j++) {
			const size_t at = g * n + col + j, q = source->out_index ? source->out_index[at] : at;
			from[j] = source->data + (ptrdiff_t)(q / n) * source->group +
				  (ptrdiff_t)(q % n) * source->out;
			biases[col + j] = source->bias ? source->bias[(ptrdiff_t)q * source->bias_stride] : 0;
		}
		float *to = matrix + panel * (s->in_channels + 1) + (col - panel);
		if (m == 2)
			pack_columns(s, source, 2, from, columns, to, width);
		else
			pack_columns(s, source, 4, from, columns, to, width);
	}
}

static void pack(const weights_shape *s, const weights_source *source, void *packed, size_t m)
{
	const size_t floats = s->groups ? pack_bytes(s, m) / sizeof(float) / s->groups : 0;
	for (size_t g = 0; g < s->groups; g++)
		pack_group(s, source, m, g, (float *)packed + g * floats);
}

/* ---- The plan: which tiles and columns a task takes ---- */

/* Tiles along an axis. At dilation d every d-th position makes an image of its own; the first `longer` of
 * these d images have one position more than the others. */
typedef struct tiling {
	size_t dilation, longer;
	size_t in_longer, in_shorter; /* tiles of each */
	size_t count;
} tiling;

typedef struct plan {
	const conv_params *p;
	size_t m;            /* outputs of a tile along an axis */
	size_t k, n;         /* channels of a group */
	tiling across, down; /* tiles of an image */
	size_t tiles;        /* of all images */
	size_t tile_step, tile_tasks;
	size_t col_step, col_tasks;
	size_t v_row, s_row; /* floats between tiles in v and s */
} plan;

/* Floats of v and s together that shall stay in the second-level cache. */
#define CACHE_FLOATS 98304

#define FEW_TASKS 16

static tiling tiling_of(size_t extent, size_t dilation, size_t m)
{
	tiling t = { .dilation = dilation, .longer = extent % dilation };
	t.in_longer = div_up(extent / dilation + 1, m);
	t.in_shorter = div_up(extent / dilation, m);
	t.count = t.longer * t.in_longer + (dilation - t.longer) * t.in_shorter;
	return t;
}

/* The first output position of a tile. */
static size_t tile_start(const tiling *t, size_t index, size_t m)
{
	const size_t longer = t->longer * t->in_longer;
	if (index < longer)
		return index / t->in_longer + index % t->in_longer * m * t->dilation;
	index -= longer;
	return t->longer + index / t->in_shorter + index % t->in_shorter * m * t->dilation;
}

static plan plan_of(const conv_params *p, size_t m)
{
	const conv_window *w = &p->window;
	plan g = { .p = p, .m = m, .k = p->weights.in_channels, .n = p->weights.out_channels };
	const size_t products = (m + 2) * (m + 2);
	g.across = tiling_of(w->out[PIXEL], w->dilation[PIXEL], m);
	g.down = tiling_of(w->row_end - w->row_begin, w->dilation[ROW], m);
	g.tiles = p->batch * w->out[DEPTH] * g.down.count * g.across.count;
	g.col_step = g.n;
	size_t step = CACHE_FLOATS / (products * (g.k + size_min(g.n, 256)));
	step = size_max(TILE_ROWS / 2, step / (TILE_ROWS / 2) * (TILE_ROWS / 2));
	/* Weights that do not fit into the cache come from further away for each block of tiles. */
	if (products * g.k * g.n > 2 * CACHE_FLOATS)
		step = size_max(step, 2 * TILE_ROWS);
	step = p->hint.size < 0 ? step >> -p->hint.size : step << p->hint.size;
	step = size_max(1, size_min(g.tiles, step));
	/* Threads need tasks to share: tiles are cut as far as that costs little, then columns (the image is
	 * transformed anew for each block of them, which costs about 5 / columns), then tiles again. */
	while (div_up(g.tiles, step) * div_up(g.n, g.col_step) < FEW_TASKS) {
		if (step > 2 * TILE_ROWS)
			step /= 2;
		else if (g.col_step > 96)
			g.col_step = div_up(g.col_step / 2, PANEL) * PANEL;
		else if (step > TILE_ROWS)
			step /= 2;
		else
			break;
	}
	g.tile_tasks = div_up(g.tiles, step);
	g.tile_step = size_max(1, div_up(g.tiles, size_max(1, g.tile_tasks)));
	g.col_step = div_up(g.col_step, PANEL) * PANEL;
	g.col_tasks = div_up(g.n, g.col_step);
	if (g.col_tasks > 1 && g.n - (g.col_tasks - 1) * g.col_step <= VEC)
		g.col_tasks--;
	/* An odd number of cache lines, so that tiles do not share sets. */
	g.v_row = (div_up(g.k, 16) | 1) * 16;
	g.s_row = (div_up(size_min(g.n, g.col_step + VEC), 16) | 1) * 16;
	return g;
}

static size_t task_count(const conv_params *p, size_t m)
{
	const plan g = plan_of(p, m);
	return p->weights.groups * g.tile_tasks * g.col_tasks;
}

typedef struct work {
	float *v, *s;
	float **rows;   /* of s, for the products */
	float *zeros;   /* a pixel outside the image */
	float *results; /* of a tile, for the program or for runs */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const size_t products = (g->m + 2) * (g->m + 2);
	w.v = scratch_part(scratch, &w.bytes, products * g->tile_step * g->v_row * sizeof(float));
	w.s = scratch_part(scratch, &w.bytes, products * g->tile_step * g->s_row * sizeof(float));
	w.rows = scratch_part(scratch, &w.bytes, g->tile_step * sizeof(float *));
	w.zeros = scratch_part(scratch, &w.bytes, g->k * sizeof(float));
	if (g->p->epilogue.flags & EPILOGUE_PROGRAM || g->p->out_run) {
		w.results = scratch_part(scratch, &w.bytes, g->m * g->m * g->s_row * sizeof(float));
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
	return w;
}

static size_t scratch_of(const conv_params *p, size_t m)
{
	const plan g = plan_of(p, m);
	return work_of(&g, NULL).bytes;
}

/* The first output pixel of a tile. */
static pixel tile_at(const plan *g, size_t index)
{
	const conv_window *w = &g->p->window;
	pixel at;
	at.x = tile_start(&g->across, index % g->across.count, g->m);
	index /= g->across.count;
	at.y = tile_start(&g->down, index % g->down.count, g->m) + w->row_begin;
	index /= g->down.count;
	at.z = index % w->out[DEPTH];
	at.n = index / w->out[DEPTH];
	return at;
}

/* ---- Transforms along one axis; d and y are `step` vectors apart ---- */

#define P 0.707106781f
#define Q 1.41421356f

ALWAYS_INLINE void transform_in(const int m, const vec *d, vec *y, const int step)
{
	if (m == 2) {
		y[0] = d[0] - d[2];
		y[step] = d[1] + d[2];
		y[2 * step] = d[2] - d[1];
		y[3 * step] = d[3] - d[1];
		return;
	}
	const vec even_p = d[4] - d[2] * 2.0f, odd_p = (d[3] - d[1] * 2.0f) * P;
	const vec even_q = d[4] - d[2] * 0.5f, odd_q = (d[3] - d[1] * 0.5f) * Q;
	y[0] = d[0] + d[4] - d[2] * 2.5f;
	y[step] = even_p + odd_p;
	y[2 * step] = even_p - odd_p;
	y[3 * step] = even_q + odd_q;
	y[4 * step] = even_q - odd_q;
	y[5 * step] = d[1] + d[5] - d[3] * 2.5f;
}

ALWAYS_INLINE void transform_out(const int m, const vec *d, vec *y, const int step)
{
	const vec sum_p = d[1] + d[2], odd_p = d[1] - d[2];
	if (m == 2) {
		y[0] = d[0] + sum_p;
		y[step] = odd_p + d[3];
		return;
	}
	const vec sum_q = d[3] + d[4], odd_q = d[3] - d[4];
	y[0] = d[0] + sum_p + sum_q;
	y[step] = odd_p * P + odd_q * Q;
	y[2 * step] = sum_p * 0.5f + sum_q * 2.0f;
	y[3 * step] = odd_p * (P / 2) + odd_q * (Q * 2) + d[5];
}

/* ---- The image into v ---- */

/* Where the input pixels of a tile lie, row by row; those outside are a pixel of zeros. */
typedef struct patch {
	const float *pixel[MAX_SIDE][MAX_SIDE];
	ptrdiff_t step[MAX_SIDE][MAX_SIDE]; /* to the next vector of channels, where they lie in blocks */
} patch;

static patch patch_of(const plan *g, const float *in, const float *zeros, const pixel *at)
{
	const conv_params *p = g->p;
	const conv_window *w = &p->window;
	const ptrdiff_t y0 = first_tap(w, ROW, at->y), x0 = first_tap(w, PIXEL, at->x);
	const ptrdiff_t z = first_tap(w, DEPTH, at->z);
	in += (ptrdiff_t)at->n * p->in.batch + z * p->in.axis[DEPTH];
	patch from;
	for (size_t i = 0; i < g->m + 2; i++) {
		const ptrdiff_t y = y0 + (ptrdiff_t)(i * w->dilation[ROW]);
		const bool row_inside =
			y >= 0 && y < (ptrdiff_t)w->in[ROW] && z >= 0 && z < (ptrdiff_t)w->in[DEPTH];
		const float *row =
			row_inside ? in + (ptrdiff_t)ring_slot(w->in_ring, (size_t)y) * p->in.axis[ROW]
				   : NULL;
		for (size_t j = 0; j < g->m + 2; j++) {
			const ptrdiff_t x = x0 + (ptrdiff_t)(j * w->dilation[PIXEL]);
			const bool inside = row_inside && x >= 0 && x < (ptrdiff_t)w->in[PIXEL];
			from.pixel[i][j] = inside ? row + x * p->in.axis[PIXEL] : zeros;
			from.step[i][j] = inside ? p->in_block : 0;
		}
	}
	return from;
}

/* One vector of channels of one tile; the products are `step` floats apart. */
ALWAYS_INLINE void patch_vector(const patch *image, size_t channel, float *v, size_t step, const int m,
				const bool partial, vec_tail tail)
{
	vec half[MAX_SIDE * MAX_SIDE];
	UNROLL for (int j = 0; j < m + 2; j++)
	{
		vec d[MAX_SIDE];
		UNROLL for (int i = 0; i < m + 2; i++)
		{
			const float *from = image->pixel[i][j] + channel;
			d[i] = partial ? load_tail(from, tail) : load(from);
		}
		transform_in(m, d, half + j, m + 2);
	}
	UNROLL for (int i = 0; i < m + 2; i++)
	{
		vec y[MAX_SIDE];
		transform_in(m, half + i * (m + 2), y, 1);
		UNROLL for (int j = 0; j < m + 2; j++) store(v + (size_t)(i * (m + 2) + j) * step, y[j]);
	}
}

static void next_block(const plan *g, patch *image)
{
	for (size_t i = 0; i < g->m + 2; i++)
		for (size_t j = 0; j < g->m + 2; j++)
			image->pixel[i][j] += image->step[i][j];
}

/* Lanes beyond the last channel become 0 in v; its rows have room for them. */
ALWAYS_INLINE void transform_image(const plan *g, const float *in, size_t first, size_t last, const work *w,
				   const int m)
{
	const size_t step = g->tile_step * g->v_row;
	for (size_t t = first; t < last; t++) {
		const pixel at = tile_at(g, t);
		patch image = patch_of(g, in, w->zeros, &at);
		float *v = w->v + (t - first) * g->v_row;
		size_t c = 0;
		for (; g->p->in_block && c < g->k; c += VEC, next_block(g, &image))
			patch_vector(&image, 0, v + c, step, m, false, tail_of(0));
		for (; c + VEC <= g->k; c += VEC)
			patch_vector(&image, c, v + c, step, m, false, tail_of(0));
		if (c < g->k)
			patch_vector(&image, c, v + c, step, m, true, tail_of(g->k - c));
	}
}

/* ---- v times the weights into s ---- */

static void multiply(const plan *g, const float *matrices, size_t tiles, size_t col, size_t col_end,
		     const work *w)
{
	const size_t products = (g->m + 2) * (g->m + 2);
	for (size_t e = 0; e < products; e++) {
		for (size_t t = 0; t < tiles; t++)
			w->rows[t] = w->s + (e * g->tile_step + t) * g->s_row;
		const float *v = w->v + e * g->tile_step * g->v_row;
		const size_t block = k_block(g->k);
		for (size_t k = 0; k < g->k; k += block) {
			const product prod = {
				.a = v + k,
				.a_row = (ptrdiff_t)g->v_row,
				.rows = tiles,
				.packed = matrices + e * matrix_floats(&g->p->weights),
				.packed_k = g->k,
				.n = g->n,
				.col_begin = col,
				.col_end = col_end,
				.k_begin = k,
				.k_count = size_min(block, g->k - k),
				.chain = longest_chain(g->k, g->p->chain),
				.pass = g->p->hint.pass,
				.first = k == 0,
				.out = w->rows,
				.out_col = col,
			};
			product_run(&prod);
		}
	}
}

/* ---- s into the output ---- */

/* Where the outputs of a tile go: those of rows and columns beyond the image are not stored. */
typedef struct target {
	float *out;
	ptrdiff_t out_row[4], out_pixel;   /* rows may be slots of a ring */
	ptrdiff_t out_step, residual_step; /* from one vector of channels to the next */
	const float *residual;             /* or NULL */
	ptrdiff_t residual_row, residual_pixel;
	size_t rows, columns;
} target;

/* Vector `at` of the channels of one tile. s: of this tile and vector, products `step` floats apart. */
ALWAYS_INLINE void target_vector(const target *to, const epilogue *e, size_t at, const float *s, size_t step,
				 vec bias, const int m, const bool partial, vec_tail tail)
{
	vec half[MAX_SIDE * MAX_SIDE], y[4 * 4];
	UNROLL for (int j = 0; j < m + 2; j++)
	{
		vec d[MAX_SIDE];
		UNROLL for (int i = 0; i < m + 2; i++) d[i] = load(s + (size_t)(i * (m + 2) + j) * step);
		transform_out(m, d, half + j, m + 2);
	}
	UNROLL for (int i = 0; i < m; i++) transform_out(m, half + i * (m + 2), y + i * m, 1);
	const bool clamp = e->flags & EPILOGUE_CLAMP;
	const vec min = splat(e->min), max = splat(e->max);
	UNROLL for (int i = 0; i < m; i++)
	{
		if ((size_t)i >= to->rows)
			continue;
		float *row = to->out + to->out_row[i] + (ptrdiff_t)at * to->out_step;
		UNROLL for (int j = 0; j < m; j++)
		{
			if ((size_t)j >= to->columns)
				continue;
			vec v = y[i * m + j] + bias;
			if (to->residual) {
				const float *from = to->residual + i * to->residual_row +
						    j * to->residual_pixel +
						    (ptrdiff_t)at * to->residual_step;
				v += partial ? load_tail(from, tail) : load(from);
			}
			if (clamp)
				v = vec_clamp(v, min, max);
			if (partial)
				store_tail(row + j * to->out_pixel, v, tail);
			else
				store(row + j * to->out_pixel, v);
		}
	}
}

static target target_of(const plan *g, void *const *args, const pixel *at, size_t channel, const work *w)
{
	const conv_params *p = g->p;
	const conv_window *win = &p->window;
	const epilogue *e = &p->epilogue;
	const size_t row_step = win->dilation[ROW], column_step = win->dilation[PIXEL];
	target to = { .rows = size_min(g->m, div_up(win->row_end - at->y, row_step)),
		      .columns = size_min(g->m, div_up(win->out[PIXEL] - at->x, column_step)) };
	if (w->results) {
		to.out = w->results;
		to.out_pixel = (ptrdiff_t)g->s_row;
		to.out_step = VEC;
		for (size_t i = 0; i < g->m; i++)
			to.out_row[i] = (ptrdiff_t)(i * g->m * g->s_row);
	} else {
		to.out = (float *)args[CONV_OUT] + channel_offset(p->out_block, channel);
		to.out_pixel = p->out.axis[PIXEL] * (ptrdiff_t)column_step;
		to.out_step = p->out_block ? p->out_block : VEC;
		for (size_t i = 0; i < to.rows; i++) {
			pixel row = *at;
			row.y += i * row_step;
			to.out_row[i] = output_offset(win, &p->out, &row);
		}
	}
	if (e->flags & EPILOGUE_RESIDUAL) {
		to.residual = (const float *)args[CONV_RESIDUAL] + residual_offset(e, at) +
			      channel_offset(residual_block(p), channel);
		to.residual_step = p->out_block ? residual_block(p) : VEC;
		to.residual_row = e->residual[2] * (ptrdiff_t)row_step;
		to.residual_pixel = e->residual[3] * (ptrdiff_t)column_step;
	}
	return to;
}

/* The program over `count` pixels that lie side by side in the output. */
static void finish_run(const plan *g, void *const *args, const pixel *at, size_t count, const float *from,
		       ptrdiff_t from_pixel, size_t channel, size_t cols, const work *w)
{
	const conv_params *p = g->p;
	const size_t position[5] = { at->n, at->z, at->y, at->x, channel };
	float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, at);
	if (p->out_run)
		runs_write(p, args, at, count, channel, cols, from, from_pixel, w->program);
	else if (!p->out_block)
		epilogue_run(&p->epilogue, args, CONV_OPERANDS, 5, position, count, cols, from, from_pixel,
			     out + channel, p->out.axis[PIXEL], w->program);
	for (size_t c = 0; p->out_block && c < cols; c += VEC) {
		const size_t place[6] = { at->n, at->z, at->y, at->x, (channel + c) / VEC, 0 };
		epilogue_run_along(&p->epilogue, args, CONV_OPERANDS, 6, place, 3, 5, count, VEC, from + c,
				   from_pixel, out + channel_offset(p->out_block, channel + c),
				   p->out.axis[PIXEL], w->program);
	}
}

/* The program over a tile whose results lie in scratch. */
static void finish_tile(const plan *g, void *const *args, const target *to, const pixel *at, size_t channel,
			size_t cols, const work *w)
{
	const size_t row_step = g->p->window.dilation[ROW], column_step = g->p->window.dilation[PIXEL];
	const size_t run = column_step == 1 ? to->columns : 1;
	for (size_t i = 0; i < to->rows; i++)
		for (size_t j = 0; j < to->columns; j += run) {
			pixel first = *at;
			first.y += i * row_step;
			first.x += j * column_step;
			finish_run(g, args, &first, run,
				   to->out + to->out_row[i] + (ptrdiff_t)j * to->out_pixel, to->out_pixel,
				   channel, cols, w);
		}
}

/* channel: of the output, over all groups, of column `col`. */
ALWAYS_INLINE void transform_back(const plan *g, void *const *args, const float *biases, size_t first,
				  size_t last, size_t col, size_t cols, size_t channel, const work *w,
				  const int m)
{
	const size_t step = g->tile_step * g->s_row;
	const epilogue *e = &g->p->epilogue;
	for (size_t t = first; t < last; t++) {
		const pixel at = tile_at(g, t);
		const target to = target_of(g, args, &at, channel, w);
		const float *s = w->s + (t - first) * g->s_row, *bias = biases + col;
		size_t c = 0;
		for (; c + VEC <= cols; c += VEC)
			target_vector(&to, e, c / VEC, s + c, step, load(bias + c), m, false, tail_of(0));
		if (c < cols)
			target_vector(&to, e, c / VEC, s + c, step, load(bias + c), m, true,
				      tail_of(cols - c));
		if (w->results)
			finish_tile(g, args, &to, &at, channel, cols, w);
	}
}

ALWAYS_INLINE void run_task(const plan *g, void *const *args, size_t task, const work *w, const int m)
{
	const weights_shape *shape = &g->p->weights;
	const size_t col_task = task % g->col_tasks, col = col_task * g->col_step;
	const size_t col_end = col_task + 1 == g->col_tasks ? g->n : col + g->col_step;
	const size_t first = task / g->col_tasks % g->tile_tasks * g->tile_step;
	const size_t last = size_min(g->tiles, first + g->tile_step);
	const size_t group = task / g->col_tasks / g->tile_tasks;
	const size_t products = (g->m + 2) * (g->m + 2);
	const float *biases = (const float *)args[CONV_WEIGHTS] +
			      group * (bias_floats(shape) + products * matrix_floats(shape));
	transform_image(g, (const float *)args[CONV_IN] + channel_offset(g->p->in_block, group * g->k), first,
			last, w, m);
	multiply(g, biases + bias_floats(shape), last - first, col, col_end, w);
	transform_back(g, args, biases, first, last, col, col_end - col, group * g->n + col, w, m);
}

static bool supports(const void *params)
{
	const conv_params *p = params;
	const conv_window *w = &p->window;
	bool ok = w->kernel[DEPTH] == 1 && w->kernel[ROW] == 3 && w->kernel[PIXEL] == 3 &&
		  (p->in_channel | 1) == 1 && (p->out_channel | 1) == 1 && whole_blocks(p) && !p->in_group &&
		  !p->out_group && whole_runs(p);
	for (int a = ROW; a <= PIXEL; a++)
		ok = ok && w->stride[a] == 1;
	return ok && p->weights.in_channels > 0;
}

/* ---- The two sizes of tiles ---- */

static size_t tasks_2(const void *params)
{
	return task_count(params, 2);
}

static size_t scratch_2(const void *params)
{
	return scratch_of(params, 2);
}

static void run_2(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params, 2);
	const work w = work_of(&g, scratch);
	memset(w.zeros, 0, g.k * sizeof(float));
	for (size_t task = begin; task < end; task++)
		run_task(&g, args, task, &w, 2);
}

static size_t bytes_2(const weights_shape *s)
{
	return pack_bytes(s, 2);
}

static void pack_2(const weights_shape *s, const weights_source *source, void *packed)
{
	pack(s, source, packed, 2);
}

static size_t tasks_4(const void *params)
{
	return task_count(params, 4);
}

static size_t scratch_4(const void *params)
{
	return scratch_of(params, 4);
}

static void run_4(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const plan g = plan_of(params, 4);
	const work w = work_of(&g, scratch);
	memset(w.zeros, 0, g.k * sizeof(float));
	for (size_t task = begin; task < end; task++)
		run_task(&g, args, task, &w, 4);
}

static size_t bytes_4(const weights_shape *s)
{
	return pack_bytes(s, 4);
}

static void pack_4(const weights_shape *s, const weights_source *source, void *packed)
{
	pack(s, source, packed, 4);
}

extern const weights_packing ISA(packing_winograd2), ISA(packing_winograd4);
const weights_packing ISA(packing_winograd2) = { "winograd2", bytes_2, pack_2 };
const weights_packing ISA(packing_winograd4) = { "winograd4", bytes_4, pack_4 };

extern const compute_kernel ISA(winograd2_f32), ISA(winograd4_f32);
const compute_kernel ISA(winograd2_f32) = { "winograd2_f32", sizeof(conv_params), tasks_2, scratch_2, run_2,
					    supports };
const compute_kernel ISA(winograd4_f32) = { "winograd4_f32", sizeof(conv_params), tasks_4, scratch_4, run_4,
					    supports };
