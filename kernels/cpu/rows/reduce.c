/* Reductions. Three ways to take them, by where memory is contiguous:
 *   columns: the innermost kept axis; some vectors of results are held while the reduced positions pass;
 *   rows: the innermost reduced axis; one result at a time, vectors along the axis;
 *   neither: one result at a time, element by element.
 * Sums are taken in blocks of BLOCK terms a lane, whose sums are added up: the error grows with the number of
 * blocks and the length of a block instead of their product. */
#include <math.h>

#include "rows.h"
#include "rows/walk.h"
#include "vector/math.h"

#define BLOCK 128
#define GROUP 4 /* vectors of results of the columns way */

typedef struct plan {
	const reduce_params *p;
	walk outer;  /* kept positions but the innermost axis */
	size_t cols; /* extent of the innermost kept axis */
	ptrdiff_t in_col, out_col;
	bool columns;
	size_t col_step, col_tasks;
	size_t outer_step;
	walk reduced; /* but its innermost axis */
	size_t inner; /* extent of that */
	ptrdiff_t in_inner;
} plan;

static plan plan_of(const reduce_params *p)
{
	plan g = { .p = p };
	const walk kept = walk_over(p->kept_rank, p->kept, p->in_kept, p->out_kept);
	const walk reduced = walk_over(p->reduced_rank, p->reduced, p->in_reduced, NULL);
	g.outer = walk_outer(&kept);
	g.cols = inner_extent(&kept);
	g.in_col = inner_stride(&kept, 0);
	g.out_col = inner_stride(&kept, 1);
	g.reduced = walk_outer(&reduced);
	g.inner = inner_extent(&reduced);
	g.in_inner = inner_stride(&reduced, 0);
	g.columns = g.in_col == 1 && g.out_col == 1 && g.cols > 1 && g.in_inner != 1;
	/* About 32,000 elements a task. */
	const size_t depth = size_max(1, reduced.count);
	g.col_step = size_max(1, size_min(g.cols, 32768 / depth));
	if (g.columns)
		g.col_step = div_up(g.col_step, GROUP * VEC) * GROUP * VEC;
	g.col_tasks = div_up(g.cols, g.col_step);
	g.outer_step = g.col_tasks == 1 ? size_max(1, 32768 / (depth * size_max(1, g.cols))) : 1;
	return g;
}

static size_t reduce_tasks(const void *params)
{
	const plan g = plan_of(params);
	return div_up(g.outer.count, g.outer_step) * g.col_tasks;
}

ALWAYS_INLINE float start_value(uint32_t kind)
{
	switch (kind) {
	case REDUCE_MAX:
		return -INFINITY;
	case REDUCE_MIN:
		return INFINITY;
	case REDUCE_PROD:
		return 1;
	default:
		return 0;
	}
}

ALWAYS_INLINE bool is_sum(uint32_t kind)
{
	return kind != REDUCE_MAX && kind != REDUCE_MIN && kind != REDUCE_PROD;
}

/* What one element adds; REDUCE_SUM_SQUARE stands for REDUCE_L2 too here, and REDUCE_SUM for the other sums of elements. shift: the maximum, for REDUCE_LOG_SUM_EXP. */
ALWAYS_INLINE vec term(uint32_t kind, vec x, vec shift)
{
	switch (kind) {
	case REDUCE_SUM_SQUARE:
		return x * x;
	case REDUCE_L1:
		return vec_abs(x);
	case REDUCE_LOG_SUM_EXP:
		return vec_exp(x - shift);
	default:
		return x;
	}
}

ALWAYS_INLINE vec join(uint32_t kind, vec a, vec x)
{
	switch (kind) {
	case REDUCE_MAX:
		return vec_select(a == a, vec_max(a, x), a); /* NaN stays */
	case REDUCE_MIN:
		return vec_select(a == a, vec_min(a, x), a);
	case REDUCE_PROD:
		return a * x;
	default:
		return a + x;
	}
}

/* What becomes of the result: the one thing in which kinds of the same terms differ, and so no reason for code of their own. */
static __attribute__((noinline)) vec conclude(const plan *g, vec a, vec shift)
{
	switch (g->p->kind) {
	case REDUCE_MEAN:
		return a / (float)(g->reduced.count * g->inner);
	case REDUCE_L2:
		return vec_sqrt(a);
	case REDUCE_LOG_SUM:
		return vec_log(a);
	case REDUCE_LOG_SUM_EXP:
		return vec_log(a) + shift;
	default:
		return a;
	}
}

/* An infinite maximum is no shift: the sum is then infinite or NaN as it is. */
ALWAYS_INLINE vec finite_or_zero(vec x)
{
	return vec_select(vec_abs(x) < INFINITY, x, splat(0));
}

/* ---- Columns: `vectors` vectors of results from `in` on; tail: of one vector, how many columns. ---- */

ALWAYS_INLINE void pass_columns(const plan *g, const float *in, const uint32_t kind, const int vectors,
				size_t tail, const vec *shift, vec *acc)
{
	walk w = g->reduced;
	const vec_tail t = tail_of(tail ? tail : VEC);
	vec part[GROUP];
	UNROLL for (int i = 0; i < vectors; i++) acc[i] = splat(start_value(kind));
	walk_seek(&w, 0);
	for (size_t r = 0; r < w.count; r++, walk_next(&w)) {
		const float *from = in + w.offset[0];
		for (size_t k = 0; k < g->inner;) {
			const size_t end = is_sum(kind) ? size_min(g->inner, k + BLOCK) : g->inner;
			UNROLL for (int i = 0; i < vectors; i++) part[i] = splat(start_value(kind));
			for (; k < end; k++, from += g->in_inner) {
				UNROLL for (int i = 0; i < vectors; i++)
				{
					const vec x = tail ? load_tail(from, t) : load(from + i * VEC);
					part[i] = join(kind, part[i], term(kind, x, shift[i]));
				}
			}
			UNROLL for (int i = 0; i < vectors; i++) acc[i] = join(kind, acc[i], part[i]);
		}
	}
}

ALWAYS_INLINE void reduce_columns(const plan *g, const float *in, float *out, const uint32_t kind,
				  const int vectors, size_t tail)
{
	vec acc[GROUP], shift[GROUP];
	UNROLL for (int i = 0; i < vectors; i++) shift[i] = splat(0);
	if (kind == REDUCE_LOG_SUM_EXP) {
		pass_columns(g, in, REDUCE_MAX, vectors, tail, shift, acc);
		UNROLL for (int i = 0; i < vectors; i++) shift[i] = finite_or_zero(acc[i]);
	}
	pass_columns(g, in, kind, vectors, tail, shift, acc);
	UNROLL for (int i = 0; i < vectors; i++)
	{
		const vec v = conclude(g, acc[i], shift[i]);
		if (tail)
			store_tail(out, v, tail_of(tail));
		else
			store(out + i * VEC, v);
	}
}

ALWAYS_INLINE void all_columns(const plan *g, const float *in, float *out, size_t cols, const uint32_t kind)
{
	size_t c = 0;
	for (; c + GROUP * VEC <= cols; c += GROUP * VEC)
		reduce_columns(g, in + c, out + c, kind, GROUP, 0);
	for (; c < cols; c += VEC)
		reduce_columns(g, in + c, out + c, kind, 1, size_min(VEC, cols - c));
}

/* ---- Rows: one result; elements `stride` apart (1: whole vectors). ---- */

ALWAYS_INLINE vec join_lanes(uint32_t kind, vec v)
{
	float lane[VEC];
	memcpy(lane, &v, sizeof v);
	for (int half = VEC / 2; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			lane[i] = join(kind, splat(lane[i]), splat(lane[i + half]))[0];
	return splat(lane[0]);
}

/* Lanes that hold no element join as the start value. */
ALWAYS_INLINE vec pass_row(const plan *g, const float *in, const uint32_t kind, vec shift)
{
	const bool dense = g->in_inner == 1;
	walk w = g->reduced;
	const vec start = splat(start_value(kind));
	vec total = start;
	walk_seek(&w, 0);
	for (size_t r = 0; r < w.count; r++, walk_next(&w)) {
		const float *from = in + w.offset[0];
		for (size_t k = 0; k < g->inner;) {
			const size_t end = size_min(g->inner, k + BLOCK * 4 * VEC);
			vec part[4];
			UNROLL for (int i = 0; i < 4; i++) part[i] = start;
			for (; dense && k + 4 * VEC <= end; k += 4 * VEC) {
				UNROLL for (int i = 0; i < 4; i++) part[i] = join(
					kind, part[i], term(kind, load(from + k + (size_t)i * VEC), shift));
			}
			for (; k < end; k += VEC) {
				const size_t n = size_min(VEC, end - k);
				float lane[VEC];
				vec x;
				if (dense) {
					x = load_tail(from + k, tail_of(n));
				} else {
					for (size_t i = 0; i < n; i++)
						lane[i] = from[(ptrdiff_t)(k + i) * g->in_inner];
					for (size_t i = n; i < VEC; i++)
						lane[i] = 0;
					x = load(lane);
				}
				x = term(kind, x, shift);
				for (size_t i = n; i < VEC; i++)
					x[i] = start_value(kind);
				part[0] = join(kind, part[0], x);
			}
			part[0] = join(kind, join(kind, part[0], part[1]), join(kind, part[2], part[3]));
			total = join(kind, total, part[0]);
		}
	}
	return join_lanes(kind, total);
}

ALWAYS_INLINE void reduce_row(const plan *g, const float *in, float *out, const uint32_t kind)
{
	vec shift = splat(0);
	if (kind == REDUCE_LOG_SUM_EXP)
		shift = finite_or_zero(pass_row(g, in, REDUCE_MAX, shift));
	*out = conclude(g, pass_row(g, in, kind, shift), shift)[0];
}

ALWAYS_INLINE void reduce_part(const plan *g, const float *in, float *out, size_t cols, const uint32_t kind)
{
	if (g->columns) {
		all_columns(g, in, out, cols, kind);
		return;
	}
	for (size_t c = 0; c < cols; c++)
		reduce_row(g, in + (ptrdiff_t)c * g->in_col, out + (ptrdiff_t)c * g->out_col, kind);
}

#define CASE(kind)                                                                                           \
	case kind:                                                                                           \
		reduce_part(g, in, out, cols, kind);                                                         \
		break

static void run_part(const plan *g, const float *in, float *out, size_t cols)
{
	switch (g->p->kind) {
		CASE(REDUCE_MAX);
		CASE(REDUCE_MIN);
		CASE(REDUCE_PROD);
		CASE(REDUCE_L1);
		CASE(REDUCE_LOG_SUM_EXP);
	case REDUCE_L2:
		CASE(REDUCE_SUM_SQUARE);
	case REDUCE_MEAN:
	case REDUCE_LOG_SUM:
		CASE(REDUCE_SUM);
	}
}

static void reduce_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	(void)scratch;
	plan g = plan_of(params);
	for (size_t task = begin; task < end; task++) {
		const size_t col = task % g.col_tasks * g.col_step;
		const size_t first = task / g.col_tasks * g.outer_step;
		const size_t last = size_min(g.outer.count, first + g.outer_step);
		walk_seek(&g.outer, first);
		for (size_t i = first; i < last; i++, walk_next(&g.outer)) {
			const float *in = (const float *)args[REDUCE_IN] + g.outer.offset[0];
			float *out = (float *)args[REDUCE_OUT] + g.outer.offset[1];
			run_part(&g, in + (ptrdiff_t)col * g.in_col, out + (ptrdiff_t)col * g.out_col,
				 size_min(g.col_step, g.cols - col));
		}
	}
}

static size_t no_scratch(const void *params)
{
	(void)params;
	return 0;
}

extern const compute_kernel ISA(reduce_f32);
const compute_kernel ISA(reduce_f32) = { "reduce_f32", sizeof(reduce_params), reduce_tasks, no_scratch,
					 reduce_run };
