#include "balance.h"

#include <time.h>

static size_t lists(const balance *b)
{
	return b->calls + b->steps;
}

clast_status balance_create(const specialisation *s, size_t workers, mem *m, balance **out, clast_diag *d)
{
	balance *b = mem_calloc(m, sizeof *b);
	*out = b;
	if (!b)
		return fail_memory(d, sizeof *b);
	b->workers = workers;
	b->calls = s->call_count;
	b->steps = s->block->step_count;
	b->ns = mem_calloc(m, (lists(b) * workers + 1) * sizeof *b->ns);
	b->total = mem_calloc(m, (lists(b) + 1) * sizeof *b->total);
	b->critical = mem_calloc(m, (lists(b) + 1) * sizeof *b->critical);
	if (b->ns && b->total && b->critical)
		return CLAST_OK;
	balance_free(out, m);
	return fail_memory(d, 0);
}

void balance_free(balance **handle, mem *m)
{
	balance *b = *handle;
	*handle = NULL;
	if (!b)
		return;
	mem_free(m, b->ns, (lists(b) * b->workers + 1) * sizeof *b->ns);
	mem_free(m, b->total, (lists(b) + 1) * sizeof *b->total);
	mem_free(m, b->critical, (lists(b) + 1) * sizeof *b->critical);
	mem_free(m, b, sizeof *b);
}

uint64_t balance_start(const balance *b)
{
	struct timespec t;
	if (!b)
		return 0;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void balance_call(balance *b, size_t index, size_t worker, uint64_t start)
{
	b->ns[index * b->workers + worker] = balance_start(b) - start;
}

void balance_whole(balance *b, size_t step, size_t worker, uint64_t start)
{
	balance_call(b, b->calls + step, worker, start);
}

static void keep_least(uint64_t *least, uint64_t x)
{
	if (!*least || x < *least)
		*least = x;
}

/* Lists [first, end) as if they were one. */
static void note(balance *b, size_t first, size_t end)
{
	uint64_t total = 0, most = 0;
	for (size_t w = 0; w < b->workers; w++) {
		uint64_t sum = 0;
		for (size_t i = first; i < end; i++)
			sum += b->ns[i * b->workers + w];
		total += sum;
		most = sum > most ? sum : most;
	}
	keep_least(&b->total[first], total);
	keep_least(&b->critical[first], most);
}

void balance_run(balance *b, const specialisation *s)
{
	for (size_t i = 0, end; i < b->calls; i = end) {
		for (end = i + 1; end < b->calls && s->calls[end].beside; end++)
			;
		note(b, i, end);
	}
	for (size_t i = b->calls; i < lists(b); i++)
		note(b, i, i + 1);
}

void balance_step(const balance *b, const specialisation *s, size_t step, double *total, double *critical)
{
	const spec_step *x = &s->steps[step];
	*total = (double)b->total[b->calls + step];
	*critical = (double)b->critical[b->calls + step];
	for (size_t i = x->first_call; i < x->first_call + x->call_count && i < b->calls; i++) {
		*total += (double)b->total[i];
		*critical += (double)b->critical[i];
	}
}
