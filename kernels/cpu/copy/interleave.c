/* Two tensors element by element: vectors of both are zipped in registers, so that each line of the output is written once. */
#include "copy.h"

#include "vector/vec.h"

#define TASK_ELEMENTS 8192 /* of one input */

#if VEC == 16
#define ZIP_FRONT(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_BACK(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VEC == 8
#define ZIP_FRONT(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_BACK(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_FRONT(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_BACK(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

static void zip(const float *a, const float *b, float *to, size_t count)
{
	size_t i = 0;
	for (; i + VEC <= count; i += VEC) {
		const vec x = load(a + i), y = load(b + i);
		store(to + 2 * i, ZIP_FRONT(x, y));
		store(to + 2 * i + VEC, ZIP_BACK(x, y));
	}
	if (i == count)
		return;
	const vec_tail tail = tail_of(count - i);
	const vec x = load_tail(a + i, tail), y = load_tail(b + i, tail);
	const size_t left = 2 * (count - i), front = size_min(left, VEC);
	store_tail(to + 2 * i, ZIP_FRONT(x, y), tail_of(front));
	if (left > front)
		store_tail(to + 2 * i + VEC, ZIP_BACK(x, y), tail_of(left - front));
}

/* Rows of the last axis in pieces of `step`, `rows` of them a task where there is one piece. */
typedef struct cut {
	size_t count, inner, step, pieces, rows;
} cut;

static cut cut_of(const interleave_params *p)
{
	cut c = { .count = 1, .inner = p->extent[p->rank - 1] };
	for (size_t i = 0; i + 1 < p->rank; i++)
		c.count *= p->extent[i];
	c.step = size_max(1, size_min(c.inner, TASK_ELEMENTS));
	c.pieces = (c.inner + c.step - 1) / c.step;
	c.rows = c.pieces > 1 ? 1 : size_max(1, TASK_ELEMENTS / size_max(1, c.inner));
	return c;
}

static size_t interleave_tasks(const void *params)
{
	const cut c = cut_of(params);
	return (c.count + c.rows - 1) / c.rows * c.pieces;
}

static void interleave_row(const interleave_params *p, void *const *args, size_t row, size_t begin, size_t count)
{
	ptrdiff_t in[2] = { (ptrdiff_t)begin, (ptrdiff_t)begin }, out = 2 * (ptrdiff_t)begin;
	for (size_t i = p->rank - 1; i-- > 0;) {
		const ptrdiff_t at = (ptrdiff_t)(row % p->extent[i]);
		row /= p->extent[i];
		in[0] += at * p->in[0][i];
		in[1] += at * p->in[1][i];
		out += at * p->out[i];
	}
	zip((const float *)args[INTERLEAVE_IN] + in[0], (const float *)args[INTERLEAVE_IN + 1] + in[1],
	    (float *)args[INTERLEAVE_OUT] + out, count);
}

static void interleave_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	(void)scratch;
	const interleave_params *p = params;
	const cut c = cut_of(p);
	for (size_t task = begin; task < end; task++) {
		const size_t piece = task % c.pieces * c.step, first = task / c.pieces * c.rows;
		for (size_t row = first; row < size_min(c.count, first + c.rows); row++)
			interleave_row(p, args, row, piece, size_min(c.step, c.inner - piece));
	}
}

static size_t no_scratch(const void *params)
{
	(void)params;
	return 0;
}

extern const compute_kernel ISA(interleave);
const compute_kernel ISA(interleave) = { "interleave", sizeof(interleave_params), interleave_tasks, no_scratch, interleave_run };
