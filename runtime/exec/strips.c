/* Running a strip group: each worker takes strips that follow one another. */
#include "strips.h"

#include <string.h>

#include "run.h"

typedef struct member_state {
	strip_params params;
	void *args[MAX_ARGS];
} member_state;

/* Where each member reads and writes; between members, in the worker's scratch. */
static void find_args(const run *r, const specialisation *s, const strip_group *g, char *scratch, member_state *state)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const spec_call *c = &s->calls[g->member[i].call];
		memcpy(&state[i].params, c->params, c->kernel->params_bytes);
		run_args(r, s, c, state[i].args);
		if (i)
			state[i].args[CONV_IN] = state[i - 1].args[CONV_OUT];
		if (i + 1 < g->count)
			state[i].args[CONV_OUT] = scratch + g->member[i].offset;
	}
}

/* Row `row` of the image would lie at `rows` before its first byte. */
static void *before_rows(void *first, size_t row, size_t row_bytes)
{
	return (void *)((uintptr_t)first - row * row_bytes);
}

static void run_strip(const specialisation *s, const strip_group *g, const strip_range *range, char *scratch, member_state *state)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const strip_member *m = &g->member[i], *before = i ? m - 1 : NULL;
		const compute_kernel *k = s->calls[m->call].kernel;
		if (range[i].begin == range[i].end)
			continue;
		if (before && before->moves)
			state[i].args[CONV_IN] = before_rows(scratch + before->offset, range[i].begin, before->row_bytes);
		if (i + 1 < g->count && m->moves)
			state[i].args[CONV_OUT] = before_rows(scratch + m->offset, range[i].begin, m->row_bytes);
		strip_set_rows(m, before, i + 1 == g->count, &range[i], &state[i].params);
		k->run(&state[i].params, state[i].args, 0, k->tasks(&state[i].params), scratch);
	}
}

void run_strips(run *r, const specialisation *s, const strip_group *g, bool ask, size_t worker, size_t workers)
{
	member_state state[STRIP_MAX_MEMBERS];
	strip_range range[STRIP_MAX_MEMBERS];
	size_t done[STRIP_MAX_MEMBERS] = { 0 }, begin, end;
	char *scratch = (char *)r->s->scratch + worker * r->s->scratch_bytes;
	task_range(g->strips, worker, workers, &begin, &end);
	if (begin == end)
		return;
	find_args(r, s, g, scratch, state);
	for (size_t strip = begin; strip < end; strip++) {
		if (atomic_load_explicit(&r->cancelled, memory_order_relaxed) || (ask && !worker && !run_proceed(r)))
			return;
		strip_ranges(g, strip, done, range);
		run_strip(s, g, range, scratch, state);
	}
}
