#include "contest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "elements.h"
#include "inputs.h"
#include "random_input.h"
#include "resident.h"

size_t threads_used(const options *o)
{
	return o->threads.count && o->threads.number ? o->threads.number : resident_cpus();
}

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

clast_status contest_once(contest *c, clast_session *session, double *ms, problem *p)
{
	engine one = *c->e;
	one.session = session;
	const double start = c->cpu_time ? cpu_ms() : now_ms();
	const clast_status s = engine_run(&one, c->inputs, c->outputs, p);
	*ms = (c->cpu_time ? cpu_ms() : now_ms()) - start;
	return s;
}

clast_status contest_inputs(contest *b, engine *e, const options *o, problem *p)
{
	b->e = e;
	b->cpu_time = o->cpu_time.count;
	clast_status s = inputs_read(b->e, o, &b->inputs, p);
	const uint64_t seed = o->seed.count ? o->seed.number : 1;
	for (size_t i = 0; !s && i < b->e->input_count; i++) {
		bool guessed = false;
		if (!b->inputs[i].tensor)
			s = random_input(&b->e->inputs[i], seed + i, &b->inputs[i], &guessed, p);
		if (!s && guessed) {
			char text[100];
			shape_text(clast_tensor_rank(b->inputs[i].tensor),
				   clast_tensor_dims(b->inputs[i].tensor), text, sizeof(text));
			fprintf(stderr, "clast: input %s: took %s; --shape sets another\n",
				b->e->inputs[i].name, text);
		}
		if (!s)
			s = engine_arrange(b->e, i, &b->inputs[i], p);
	}
	b->outputs = calloc(b->e->output_count + 1, sizeof(*b->outputs));
	return s || b->outputs ? s : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

static clast_status start_contenders(contest *b, const options *o, const char *list, problem *p)
{
	clast_status s = strategies_plan(b->e, o, list, b->plans, &b->count, p);
	for (size_t i = 0; !s && i < b->count; i++) {
		contender *c = &b->contenders[i];
		c->name = b->plans[i].name;
		c->plan = b->plans[i].plan;
		c->report.struct_size = sizeof(c->report);
		s = problem_in(p, b->e->path, clast_plan_get_report(c->plan, &c->report));
		if (!s)
			s = engine_start(b->e, o, c->plan, 0, NULL, NULL, &c->session, p);
	}
	return s;
}

static clast_status warm_up(contest *b, const options *o, problem *p)
{
	clast_status s = CLAST_OK;
	const size_t runs = o->warmup.count ? o->warmup.number : 2;
	for (size_t r = 0; !s && r < runs; r++)
		for (size_t i = 0; !s && i < b->count; i++) {
			double ms;
			s = contest_once(b, b->contenders[i].session, &ms, p);
		}
	return s;
}

static bool grow(contest *b, size_t *room)
{
	if (b->rounds < *room)
		return true;
	*room = *room ? 2 * *room : 64;
	for (size_t i = 0; i < b->count; i++) {
		double *more = realloc(b->contenders[i].ms, *room * sizeof(*more));
		if (!more)
			return false;
		b->contenders[i].ms = more;
	}
	return true;
}

/* Every round has an order of its own: what ran before leaves its traces in caches, clock rate and memory. */
static void shuffle(size_t *order, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		const size_t k = random_bits(state) % i, last = order[i - 1];
		order[i - 1] = order[k];
		order[k] = last;
	}
}

static clast_status time_rounds(contest *b, const options *o, double seconds, problem *p)
{
	clast_status s = CLAST_OK;
	size_t room = 0, order[STRATEGIES_MOST];
	uint64_t state = 1;
	for (size_t i = 0; i < b->count; i++)
		order[i] = i;
	const double start = now_ms();
	seconds = (o->seconds.count ? o->seconds.real : seconds) * (double)b->count;
	while (!s) {
		const double spent = (now_ms() - start) * 1e-3;
		if (o->runs.count ? b->rounds >= o->runs.number && b->rounds
				  : b->rounds >= 5 && spent >= seconds)
			break;
		progress_show("round %zu", b->rounds + 1);
		if (!grow(b, &room))
			s = problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
		shuffle(order, b->count, &state);
		for (size_t i = 0; !s && i < b->count; i++) {
			contender *c = &b->contenders[order[i]];
			s = contest_once(b, c->session, &c->ms[b->rounds], p);
		}
		b->rounds += !s;
	}
	progress_clear();
	return s;
}

static clast_status evaluate(contest *b, problem *p)
{
	double *ratios = malloc(b->rounds * sizeof(*ratios));
	if (!ratios)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	/* Sorting ends with the first, which the others are compared with. */
	for (size_t i = b->count; i-- > 0;) {
		contender *c = &b->contenders[i];
		for (size_t r = 0; r < b->rounds; r++)
			ratios[r] = c->ms[r] / b->contenders[0].ms[r];
		c->ratio = statistics_of(ratios, b->rounds);
		c->time = statistics_of(c->ms, b->rounds);
	}
	free(ratios);
	return CLAST_OK;
}

clast_status contest_start(contest *c, const options *o, const char *list, problem *p)
{
	const clast_status s = start_contenders(c, o, list, p);
	return s ? s : warm_up(c, o, p);
}

clast_status contest_run(contest *c, const options *o, double seconds, problem *p)
{
	const clast_status s = time_rounds(c, o, seconds, p);
	return s ? s : evaluate(c, p);
}

void contest_free(contest *c)
{
	for (size_t i = 0; i < c->count; i++) {
		clast_session_free(&c->contenders[i].session);
		free(c->contenders[i].ms);
	}
	strategies_free(c->plans, c->count);
	if (c->e)
		inputs_free(&c->inputs, c->e->input_count);
	free(c->outputs);
	*c = (contest){ 0 };
}
