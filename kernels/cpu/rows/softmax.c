/* Softmax along one axis: exp(x - max) / sum, or x - max - log(sum). A contiguous axis is taken in vectors
 * along it; if instead the innermost outer axis is contiguous, a block of neighbours is taken side by side;
 * anything else is copied into scratch first.
 *
 * Sums are taken in blocks of SUM_BLOCK terms a lane, whose sums are added up, so that rounding does not grow
 * with the extent. */
#include <math.h>

#include "conv/spatial.h"
#include "rows.h"
#include "rows/walk.h"
#include "vector/math.h"

typedef struct plan {
	const softmax_params *p;
	walk outer;
	bool columns; /* side by side */
	size_t cols, col_step, col_tasks;
	size_t outer_step;
} plan;

#define COLUMNS (4 * VEC)
#define SUM_BLOCK 64

static plan plan_of(const softmax_params *p)
{
	plan g = { .p = p, .cols = 1 };
	g.outer = walk_over(p->rank, p->outer, p->in_outer, p->out_outer);
	g.columns = (p->in_stride != 1 || p->out_stride != 1) && inner_stride(&g.outer, 0) == 1 &&
		    inner_stride(&g.outer, 1) == 1 && inner_extent(&g.outer) > 1;
	if (g.columns) {
		g.cols = inner_extent(&g.outer);
		g.outer = walk_outer(&g.outer);
	}
	g.col_step = COLUMNS;
	g.col_tasks = div_up(g.cols, g.col_step);
	g.outer_step = g.columns ? 1 : size_max(1, 8192 / size_max(1, p->extent));
	return g;
}

static size_t softmax_tasks(const void *params)
{
	const plan g = plan_of(params);
	return g.p->extent == 0 ? 0 : div_up(g.outer.count, g.outer_step) * g.col_tasks;
}

static size_t softmax_scratch(const void *params)
{
	const softmax_params *p = params;
	return p->in_stride == 1 && p->out_stride == 1 ? 0 : p->extent * sizeof(float);
}

/* Up to this many vectors of a row stay in registers between its passes. */
#define SHORT_ROW 4

/* The last vector of a row is filled up with -inf: that changes no maximum, and its exponential is 0. The
 * maximum may lose a NaN, but the sum of the exponentials does not, and makes every result NaN. */
ALWAYS_INLINE vec row_maximum(const float *in, size_t whole, vec last)
{
	vec top = last;
	for (size_t i = 0; i < whole; i += VEC)
		top = vec_max(top, load(in + i));
	return vec_max_lanes(top);
}

static void log_softmax_row(const float *in, float *out, size_t n)
{
	const size_t whole = (n - 1) / VEC * VEC;
	const vec_tail tail = tail_of(n - whole);
	const vec last = load_tail_or(in + whole, tail, splat(-INFINITY)), top = row_maximum(in, whole, last);
	vec sum = vec_exp(last - top);
	for (size_t i = 0; i < whole;) {
		vec part = splat(0);
		for (const size_t end = size_min(whole, i + SUM_BLOCK * VEC); i < end; i += VEC)
			part += vec_exp(load(in + i) - top);
		sum += part;
	}
	const vec shift = vec_log(vec_sum_lanes(sum));
	for (size_t i = 0; i < whole; i += VEC)
		store(out + i, load(in + i) - top - shift);
	store_tail(out + whole, last - top - shift, tail);
}

/* `vectors` whole vectors and a last one: with a constant the whole row stays in registers. */
ALWAYS_INLINE void softmax_short(const float *in, float *out, const int vectors, vec_tail tail)
{
	vec x[SHORT_ROW], last = load_tail_or(in + vectors * VEC, tail, splat(-INFINITY)), top = last;
	UNROLL for (int i = 0; i < vectors; i++)
	{
		x[i] = load(in + i * VEC);
		top = vec_max(top, x[i]);
	}
	top = vec_max_lanes(top);
	last = vec_exp(last - top);
	vec sum = last;
	UNROLL for (int i = 0; i < vectors; i++)
	{
		x[i] = vec_exp(x[i] - top);
		sum += x[i];
	}
	const vec factor = 1.0f / vec_sum_lanes(sum);
	UNROLL for (int i = 0; i < vectors; i++) store(out + i * VEC, x[i] * factor);
	store_tail(out + vectors * VEC, last * factor, tail);
}

static void softmax_long(const float *in, float *out, size_t n)
{
	const size_t whole = (n - 1) / VEC * VEC;
	const vec_tail tail = tail_of(n - whole);
	vec last = load_tail_or(in + whole, tail, splat(-INFINITY));
	const vec top = row_maximum(in, whole, last);
	last = vec_exp(last - top);
	vec sum = last;
	for (size_t i = 0; i < whole;) {
		vec part = splat(0);
		for (const size_t end = size_min(whole, i + SUM_BLOCK * VEC); i < end; i += VEC) {
			const vec e = vec_exp(load(in + i) - top);
			part += e;
			store(out + i, e);
		}
		sum += part;
	}
	const vec factor = 1.0f / vec_sum_lanes(sum);
	for (size_t i = 0; i < whole; i += VEC)
		store(out + i, load(out + i) * factor);
	store_tail(out + whole, last * factor, tail);
}

/* May be in place. */
static void softmax_row(const float *in, float *out, size_t n, bool logarithm)
{
	const size_t vectors = (n - 1) / VEC;
	const vec_tail tail = tail_of(n - vectors * VEC);
	if (logarithm)
		log_softmax_row(in, out, n);
	else if (vectors == 0)
		softmax_short(in, out, 0, tail);
	else if (vectors == 1)
		softmax_short(in, out, 1, tail);
	else if (vectors == 2)
		softmax_short(in, out, 2, tail);
	else if (vectors == 3)
		softmax_short(in, out, 3, tail);
	else if (vectors == 4)
		softmax_short(in, out, 4, tail);
	else
		softmax_long(in, out, n);
}

/* Up to VEC neighbours. */
ALWAYS_INLINE void softmax_vector(const softmax_params *p, const float *in, float *out, const bool partial,
				  vec_tail tail)
{
	vec top = splat(-INFINITY), sum = splat(0), part = splat(0);
	for (size_t k = 0; k < p->extent; k++) {
		const float *from = in + (ptrdiff_t)k * p->in_stride;
		top = vec_max(top, partial ? load_tail(from, tail) : load(from));
	}
	for (size_t k = 0; k < p->extent; k++) {
		const float *from = in + (ptrdiff_t)k * p->in_stride;
		float *to = out + (ptrdiff_t)k * p->out_stride;
		const vec e = vec_exp((partial ? load_tail(from, tail) : load(from)) - top);
		part += e;
		if ((k + 1) % SUM_BLOCK == 0) {
			sum += part;
			part = splat(0);
		}
		if (p->log)
			continue;
		if (partial)
			store_tail(to, e, tail);
		else
			store(to, e);
	}
	sum += part;
	const vec factor = 1.0f / sum, shift = p->log ? vec_log(sum) : sum;
	for (size_t k = 0; k < p->extent; k++) {
		const float *from =
			p->log ? in + (ptrdiff_t)k * p->in_stride : out + (ptrdiff_t)k * p->out_stride;
		float *to = out + (ptrdiff_t)k * p->out_stride;
		const vec x = partial ? load_tail(from, tail) : load(from);
		const vec y = p->log ? x - top - shift : x * factor;
		if (partial)
			store_tail(to, y, tail);
		else
			store(to, y);
	}
}

static void softmax_columns(const softmax_params *p, const float *in, float *out, size_t cols)
{
	size_t c = 0;
	for (; c + VEC <= cols; c += VEC)
		softmax_vector(p, in + c, out + c, false, tail_of(0));
	if (c < cols)
		softmax_vector(p, in + c, out + c, true, tail_of(cols - c));
}

static void softmax_any(const softmax_params *p, const float *in, float *out, float *row)
{
	if (p->in_stride == 1 && p->out_stride == 1) {
		softmax_row(in, out, p->extent, p->log);
		return;
	}
	for (size_t i = 0; i < p->extent; i++)
		row[i] = in[(ptrdiff_t)i * p->in_stride];
	softmax_row(row, row, p->extent, p->log);
	for (size_t i = 0; i < p->extent; i++)
		out[(ptrdiff_t)i * p->out_stride] = row[i];
}

static void softmax_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	plan g = plan_of(params);
	for (size_t task = begin; task < end; task++) {
		const size_t col = task % g.col_tasks * g.col_step;
		const size_t first = task / g.col_tasks * g.outer_step;
		const size_t last = size_min(g.outer.count, first + g.outer_step);
		walk_seek(&g.outer, first);
		for (size_t i = first; i < last; i++, walk_next(&g.outer)) {
			const float *in = (const float *)args[SOFTMAX_IN] + g.outer.offset[0];
			float *out = (float *)args[SOFTMAX_OUT] + g.outer.offset[1];
			if (g.columns)
				softmax_columns(g.p, in + col, out + col, size_min(g.col_step, g.cols - col));
			else
				softmax_any(g.p, in, out, scratch);
		}
	}
}

extern const compute_kernel ISA(softmax_f32);
const compute_kernel ISA(softmax_f32) = { "softmax_f32", sizeof(softmax_params), softmax_tasks,
					  softmax_scratch, softmax_run };
