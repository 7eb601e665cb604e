/* clast bench: interleaved timings of strategies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"
#include "engine.h"
#include "inputs.h"
#include "emit.h"
#include "random_input.h"
#include "resident.h"
#include "statistics.h"
#include "strategies.h"
#include "trace.h"

typedef struct contender {
	const char *name;
	clast_plan *plan;
	clast_session *session;
	clast_plan_report report;
	double *ms;
	statistics time, ratio; /* ratio: to the first contender, round by round */
} contender;

typedef struct bench {
	engine e;
	file_tensor *inputs;
	clast_tensor **outputs;
	strategy_plan plans[STRATEGIES_MOST];
	contender contenders[STRATEGIES_MOST];
	size_t count, rounds;
	double load_ms, first_ms;
	size_t peak_bytes;
} bench;

/* ---- Running ---- */

static clast_status run_once(bench *b, contender *c, double *ms, problem *p)
{
	engine one = b->e;
	one.session = c->session;
	const double start = now_ms();
	const clast_status s = engine_run(&one, b->inputs, b->outputs, p);
	*ms = now_ms() - start;
	return s;
}

static clast_status prepare_inputs(bench *b, const options *o, problem *p)
{
	clast_status s = inputs_read(&b->e, o, &b->inputs, p);
	const uint64_t seed = o->seed.count ? o->seed.number : 1;
	for (size_t i = 0; !s && i < b->e.input_count; i++) {
		bool guessed = false;
		if (!b->inputs[i].tensor)
			s = random_input(&b->e.inputs[i], seed + i, &b->inputs[i], &guessed, p);
		if (!s && guessed) {
			char text[100];
			shape_text(clast_tensor_rank(b->inputs[i].tensor),
				   clast_tensor_dims(b->inputs[i].tensor), text, sizeof(text));
			fprintf(stderr, "clast: input %s: took %s; --shape sets another\n",
				b->e.inputs[i].name, text);
		}
		if (!s)
			s = engine_arrange(&b->e, &b->inputs[i], p);
	}
	b->outputs = calloc(b->e.output_count + 1, sizeof(*b->outputs));
	return s || b->outputs ? s : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

/* From the file to the first answer, with the memory that it takes, before anything else is made. */
static clast_status start_first(bench *b, const options *o, problem *p)
{
	const size_t before = resident_start();
	double start = now_ms();
	clast_status s = engine_load(&b->e, o, o->arguments[0], p);
	const char *list = o->strategies.count ? o->strategies.text : engine_strategy(o);
	char first[40];
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(list, ","), strcmp(list, "all") ? list : "min");
	if (!s)
		s = engine_plan(&b->e, o, first, &b->e.plan, p);
	if (!s)
		s = engine_start(&b->e, o, b->e.plan, 0, NULL, NULL, &b->e.session, p);
	b->load_ms = now_ms() - start;
	if (!s)
		s = prepare_inputs(b, o, p);
	start = now_ms();
	if (!s)
		s = engine_run(&b->e, b->inputs, b->outputs, p);
	b->first_ms = now_ms() - start;
	const size_t peak = resident_peak();
	b->peak_bytes = peak > before ? peak - before : 0;
	clast_session_free(&b->e.session);
	clast_plan_free(&b->e.plan);
	return s;
}

static clast_status start_contenders(bench *b, const options *o, problem *p)
{
	const char *list = o->strategies.count ? o->strategies.text : engine_strategy(o);
	clast_status s = strategies_plan(&b->e, o, list, b->plans, &b->count, p);
	for (size_t i = 0; !s && i < b->count; i++) {
		contender *c = &b->contenders[i];
		c->name = b->plans[i].name;
		c->plan = b->plans[i].plan;
		c->report.struct_size = sizeof(c->report);
		s = problem_in(p, b->e.path, clast_plan_get_report(c->plan, &c->report));
		if (!s)
			s = engine_start(&b->e, o, c->plan, 0, NULL, NULL, &c->session, p);
	}
	return s;
}

static clast_status warm_up(bench *b, const options *o, problem *p)
{
	clast_status s = CLAST_OK;
	const size_t runs = o->warmup.count ? o->warmup.number : 2;
	for (size_t r = 0; !s && r < runs; r++)
		for (size_t i = 0; !s && i < b->count; i++) {
			double ms;
			s = run_once(b, &b->contenders[i], &ms, p);
		}
	return s;
}

static bool grow(bench *b, size_t *room)
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

static clast_status time_rounds(bench *b, const options *o, problem *p)
{
	clast_status s = CLAST_OK;
	size_t room = 0, order[STRATEGIES_MOST];
	uint64_t state = 1;
	for (size_t i = 0; i < b->count; i++)
		order[i] = i;
	const double seconds = (o->seconds.count ? o->seconds.real : 2) * (double)b->count, start = now_ms();
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
			s = run_once(b, c, &c->ms[b->rounds], p);
		}
		b->rounds += !s;
	}
	progress_clear();
	return s;
}

static clast_status evaluate(bench *b, problem *p)
{
	double *ratios = malloc(b->rounds * sizeof(*ratios));
	if (!ratios)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	for (size_t i = b->count;
	     i-- > 0;) { /* sorting ends with the first, which the others are compared with */
		contender *c = &b->contenders[i];
		for (size_t r = 0; r < b->rounds; r++)
			ratios[r] = c->ms[r] / b->contenders[0].ms[r];
		c->ratio = statistics_of(ratios, b->rounds);
		c->time = statistics_of(c->ms, b->rounds);
	}
	free(ratios);
	return CLAST_OK;
}

/* ---- Results ---- */

static size_t threads_used(const options *o)
{
	return o->threads.count && o->threads.number ? o->threads.number : resident_cpus();
}

static void print_text(const bench *b, const options *o)
{
	printf("%-12s %10s %10s %10s %10s %10s %14s", "strategy", "median ms", "min ms", "MAD ms", "p95 ms",
	       "transposes", "bytes moved");
	puts(b->count > 1 ? "  time relative to the first" : "");
	for (size_t i = 0; i < b->count; i++) {
		const contender *c = &b->contenders[i];
		printf("%-12s %10.3f %10.3f %10.3f %10.3f %10zu %14zu", c->name, c->time.median,
		       c->time.least, c->time.mad, c->time.p95, c->report.transposes,
		       c->report.transpose_bytes);
		if (b->count > 1)
			printf("  %.3f [%.3f, %.3f]", c->ratio.median, c->ratio.low, c->ratio.high);
		putchar('\n');
	}
	printf("%zu rounds on %zu threads; load %.1f ms, first run %.1f ms, peak memory %.1f MiB\n",
	       b->rounds, threads_used(o), b->load_ms, b->first_ms, (double)b->peak_bytes / (1 << 20));
}

typedef struct node_time {
	clast_step_info step;
	double ms;
} node_time;

static void write_nodes(emitter *j, const node_time *nodes, size_t count)
{
	emit_array(j, "nodes");
	for (size_t i = 0; i < count; i++) {
		emit_object(j, NULL);
		emit_string(j, "node", nodes[i].step.node);
		emit_string(j, "op", nodes[i].step.op);
		emit_string(j, "kernel", nodes[i].step.kernel);
		emit_string(j, "output", nodes[i].step.output);
		emit_string(j, "order", nodes[i].step.order);
		emit_real(j, "ms", nodes[i].ms);
		emit_end_object(j);
	}
	emit_end_array(j);
}

static bool print_json(const bench *b, const options *o, const node_time *nodes, size_t node_count)
{
	emitter j;
	if (!emit_open(&j, o))
		return false;
	emit_object(&j, NULL);
	emit_count(&j, "threads", threads_used(o));
	emit_count(&j, "rounds", b->rounds);
	emit_array(&j, "results");
	for (size_t i = 0; i < b->count; i++) {
		const contender *c = &b->contenders[i];
		emit_object(&j, NULL);
		emit_string(&j, "strategy", c->name);
		emit_real(&j, "median_ms", c->time.median);
		emit_real(&j, "min_ms", c->time.least);
		emit_real(&j, "mad_ms", c->time.mad);
		emit_real(&j, "p95_ms", c->time.p95);
		emit_count(&j, "transposes", c->report.transposes);
		emit_count(&j, "bytes", c->report.transpose_bytes);
		emit_real(&j, "ratio", c->ratio.median);
		emit_real(&j, "ratio_low", c->ratio.low);
		emit_real(&j, "ratio_high", c->ratio.high);
		emit_end_object(&j);
	}
	emit_end_array(&j);
	emit_real(&j, "load_ms", b->load_ms);
	emit_real(&j, "first_ms", b->first_ms);
	emit_count(&j, "peak_bytes", b->peak_bytes);
	if (nodes)
		write_nodes(&j, nodes, node_count);
	emit_end_object(&j);
	return emit_close(&j);
}

/* ---- --per-node ---- */

static int by_time(const void *a, const void *b)
{
	const double x = ((const node_time *)a)->ms, y = ((const node_time *)b)->ms;
	return (x < y) - (x > y);
}

static clast_status sum_times(const trace *t, const clast_plan *plan, size_t runs, node_time *nodes,
			      size_t count)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < count; i++) {
		nodes[i].step.struct_size = sizeof(nodes[i].step);
		s = clast_plan_step(plan, i, &nodes[i].step);
	}
	for (size_t i = 0; i < t->count; i++)
		if (t->events[i].step < count)
			nodes[t->events[i].step].ms +=
				(double)(t->events[i].end_ns - t->events[i].start_ns) * 1e-6 / (double)runs;
	qsort(nodes, count, sizeof(*nodes), by_time);
	return s;
}

/* Times every step of the first contender in runs of its own, so that the callback does not disturb the
 * comparison. */
static clast_status time_nodes(bench *b, const options *o, node_time **nodes, size_t *count, problem *p)
{
	trace t = { 0 };
	contender watched = b->contenders[0];
	const size_t runs = b->rounds < 20 ? b->rounds : 20;
	double ms;
	*count = clast_plan_step_count(watched.plan);
	*nodes = calloc(*count + 1, sizeof(**nodes));
	clast_status s = *nodes ? engine_start(&b->e, o, watched.plan, 0, trace_step, &t, &watched.session, p)
				: problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	if (!s)
		s = run_once(b, &watched, &ms, p);
	t.count = 0;
	for (size_t r = 0; !s && r < runs; r++)
		s = run_once(b, &watched, &ms, p);
	if (!s)
		s = problem_in(p, b->e.path, sum_times(&t, watched.plan, runs, *nodes, *count));
	if (watched.session != b->contenders[0].session)
		clast_session_free(&watched.session);
	trace_free(&t);
	return s;
}

static void print_nodes(const node_time *nodes, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += nodes[i].ms;
	printf("\n%9s %7s  %-20s %-14s %-24s %-12s %s\n", "ms", "share", "operator", "kernel", "output",
	       "order", "node");
	for (size_t i = 0; i < count; i++) {
		const clast_step_info *s = &nodes[i].step;
		char text[300];
		value_text(&s->shape, text, sizeof(text));
		printf("%9.4f %6.1f%%  %-20s %-14s %-24s %-12s %s\n", nodes[i].ms,
		       sum > 0 ? 100 * nodes[i].ms / sum : 0, s->op, s->kernel, text, s->order, s->node);
	}
}

static void bench_free(bench *b)
{
	for (size_t i = 0; i < b->count; i++) {
		clast_session_free(&b->contenders[i].session);
		free(b->contenders[i].ms);
	}
	strategies_free(b->plans, b->count);
	inputs_free(&b->inputs, b->e.input_count);
	free(b->outputs);
	engine_close(&b->e);
	free(b);
}

int command_bench(const options *o)
{
	if (!arguments_expected(o, 1))
		return EXIT_USAGE;
	problem p = { 0 };
	node_time *nodes = NULL;
	size_t node_count = 0;
	bench *b = calloc(1, sizeof(*b));
	if (!b) {
		report_error(NULL, "out of memory");
		return EXIT_IO;
	}
	clast_status s = start_first(b, o, &p);
	if (!s)
		s = start_contenders(b, o, &p);
	if (!s)
		s = warm_up(b, o, &p);
	if (!s)
		s = time_rounds(b, o, &p);
	if (!s && o->per_node.count)
		s = time_nodes(b, o, &nodes, &node_count, &p);
	if (!s)
		s = evaluate(b, &p);
	int code = s ? problem_report(&p) : EXIT_FINE;
	if (!s && o->json.count) {
		code = print_json(b, o, nodes, node_count) ? EXIT_FINE : EXIT_IO;
	} else if (!s) {
		print_text(b, o);
		if (nodes)
			print_nodes(nodes, node_count);
	}
	free(nodes);
	bench_free(b);
	return code;
}
