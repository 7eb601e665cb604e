#include "step_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* ---- Measuring ---- */

enum { MOST_RUNS = 20 };

static bool is_copy(const trace_event *e)
{
	return e->what == CLAST_ACTIVITY_UPLOAD || e->what == CLAST_ACTIVITY_DOWNLOAD;
}

static double ms_of(const trace_event *e)
{
	return (double)(e->end_ns - e->start_ns) * 1e-6;
}

static clast_status take_medians(step_times *t, const trace *events, problem *p)
{
	double *ms = malloc((events->count + 1) * sizeof(*ms));
	if (!ms)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	for (size_t k = 0; k < t->count; k++) {
		size_t n = 0;
		for (size_t i = 0; i < events->count; i++)
			if (events->events[i].step == k && !is_copy(&events->events[i])) {
				t->list[k].on_device = events->events[i].what == CLAST_ACTIVITY_DEVICE;
				ms[n++] = ms_of(&events->events[i]);
			}
		if (n)
			t->list[k].ms = statistics_of(ms, n).median;
	}
	free(ms);
	return CLAST_OK;
}

/* Of one run on average. */
static void add_copies(step_times *t, const trace *events, size_t runs)
{
	for (size_t i = 0; i < events->count; i++)
		if (is_copy(&events->events[i])) {
			t->copies.count++;
			t->copies.bytes += events->events[i].bytes;
			t->copies.ms += ms_of(&events->events[i]);
		}
	t->copies.count /= runs ? runs : 1;
	t->copies.bytes /= runs ? runs : 1;
	t->copies.ms /= runs ? (double)runs : 1;
}

static clast_status measure_machine(step_times *t, const options *o, problem *p)
{
	clast_device_speed speed;
	if (!o->device.count || !strcmp(o->device.text, "cpu"))
		return machine_measure(threads_used(o), &t->can) ?
			       CLAST_OK :
			       problem_set(p, CLAST_ERROR_MEMORY, NULL, "the machine cannot be measured: not enough memory or threads");
	const clast_status s = problem_in(p, NULL, clast_device_measure(o->device.text, &speed, &p->diag));
	if (!s)
		t->can = (machine){ speed.gflops, speed.gbytes };
	return s;
}

static clast_status describe(step_times *t, const clast_plan *plan, const clast_session *session)
{
	clast_status s = CLAST_OK;
	for (size_t k = 0; !s && k < t->count; k++) {
		t->list[k].step.struct_size = sizeof(t->list[k].step);
		t->list[k].work.struct_size = sizeof(t->list[k].work);
		s = clast_plan_step(plan, k, &t->list[k].step);
		if (!s)
			s = clast_session_get_work(session, k, &t->list[k].work);
	}
	return s;
}

clast_status step_times_measure(step_times *t, contest *c, const options *o, problem *p)
{
	trace events = { 0 };
	clast_plan *plan = c->contenders[0].plan;
	clast_session *session = NULL;
	const size_t runs = c->rounds < MOST_RUNS ? c->rounds : MOST_RUNS;
	double ms;
	t->count = clast_plan_step_count(plan);
	t->list = calloc(t->count + 1, sizeof(*t->list));
	clast_status s = t->list ? engine_start(c->e, o, plan, 0, trace_add, &events, &session, p)
				 : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	if (!s)
		s = contest_once(c, session, &ms, p);
	events.count = 0;
	for (size_t r = 0; !s && r < runs; r++)
		s = contest_once(c, session, &ms, p);
	if (!s)
		s = take_medians(t, &events, p);
	if (!s)
		s = problem_in(p, c->e->path, describe(t, plan, session));
	if (!s && o->profile.count)
		s = trace_write(&events, plan, o->profile.text, p);
	if (!s)
		add_copies(t, &events, runs);
	if (!s && o->roofline.count)
		s = measure_machine(t, o, p);
	clast_session_free(&session);
	trace_free(&events);
	return s;
}

void step_times_free(step_times *t)
{
	free(t->list);
	*t = (step_times){ 0 };
}

/* ---- The roofline ---- */

typedef struct roof {
	double effective, hardware, bandwidth; /* per cent of what the machine can do */
	double limit_ms;                       /* the time below which it cannot be done by the direct form */
	const char *limit;                     /* "compute", "memory", or "" for a step without work */
} roof;

static roof roof_of(const step_time *x, const machine *can)
{
	const double compute = x->work.operations / (can->gflops * 1e6), memory = x->work.bytes / (can->gbytes * 1e6);
	roof r = { .limit_ms = compute > memory ? compute : memory,
		   .limit = compute > memory ? "compute" : memory > 0 ? "memory" : "" };
	if (x->ms > 0) {
		r.effective = 100 * compute / x->ms;
		r.hardware = 100 * x->work.executed / (can->gflops * 1e6) / x->ms;
		r.bandwidth = 100 * memory / x->ms;
	}
	return r;
}

/* ---- Text ---- */

static int by_time(const void *a, const void *b)
{
	const double x = (*(step_time *const *)a)->ms, y = (*(step_time *const *)b)->ms;
	return (x < y) - (x > y);
}

static void print_nodes(step_time *const *sorted, size_t count, double sum)
{
	bool device = false;
	for (size_t i = 0; i < count; i++)
		device |= sorted[i]->on_device;
	printf("\n%9s %7s  %-20s %-14s %s%-24s %-12s %s\n", "ms", "share", "operator", "kernel", device ? "where   " : "", "output",
	       "order", "node");
	for (size_t i = 0; i < count; i++) {
		const clast_step_info *s = &sorted[i]->step;
		char text[300];
		value_text(&s->shape, text, sizeof(text));
		printf("%9.4f %6.1f%%  %-20s %-14s %s%-24s %-12s %s\n", sorted[i]->ms, sum > 0 ? 100 * sorted[i]->ms / sum : 0, s->op,
		       s->kernel, !device ? "" : sorted[i]->on_device ? "device  " : "cpu     ", text, s->order, s->node);
	}
}

static void print_roofline(step_time *const *sorted, const step_times *t, const options *o, double sum)
{
	double operations = 0, least = 0, conv_ms = 0, conv_operations = 0;
	printf("\nthis %s, in this run: %.1f GFLOP/s of multiply-adds, %.1f GB/s of copying\n",
	       o->device.count && strcmp(o->device.text, "cpu") ? "device" : "machine", t->can.gflops,
	       t->can.gbytes);
	printf("%9s %7s %9s %9s %6s %6s %9s %8s %6s %-8s %s\n", "ms", "share", "MFLOP", "GFLOP/s", "eff.", "hw.", "MB",
	       "GB/s", "bw.", "limit", "step");
	for (size_t i = 0; i < t->count; i++) {
		const step_time *x = sorted[i];
		const roof r = roof_of(x, &t->can);
		const double seconds = x->ms * 1e-3;
		operations += x->work.operations;
		least += r.limit_ms;
		if (!strcmp(x->step.op, "Conv") || !strcmp(x->step.op, "ConvTranspose")) {
			conv_ms += x->ms;
			conv_operations += x->work.operations;
		}
		if (x->ms <= 0)
			continue;
		printf("%9.4f %6.1f%% %9.2f %9.1f %5.0f%% %5.0f%% %9.3f %8.1f %5.0f%% %-8s %s %s %s\n", x->ms, 100 * x->ms / sum,
		       x->work.operations * 1e-6, x->work.operations * 1e-9 / seconds, r.effective, r.hardware,
		       x->work.bytes * 1e-6, x->work.bytes * 1e-9 / seconds, r.bandwidth, r.limit, x->step.op, x->step.kernel,
		       x->step.node);
	}
	printf("all steps: %.3f ms for %.3f GFLOP, %.1f GFLOP/s, %.0f%% of the multiply-adds; at every step's limit %.3f ms\n", sum,
	       operations * 1e-9, sum > 0 ? operations * 1e-6 / sum : 0,
	       sum > 0 ? 100 * operations / (t->can.gflops * 1e6) / sum : 0, least);
	if (conv_ms > 0)
		printf("convolutions: %.3f ms for %.3f GFLOP, %.0f%% of the multiply-adds\n", conv_ms, conv_operations * 1e-9,
		       100 * conv_operations / (t->can.gflops * 1e6) / conv_ms);
}

/* ---- How evenly threads share steps ---- */

/* What the busiest thread takes beyond its share, in milliseconds. */
static double lost(const step_time *x, size_t threads)
{
	return (x->work.critical_ns - x->work.total_ns / (double)threads) * 1e-6;
}

static void print_balance(step_time **list, size_t count, size_t threads)
{
	double total = 0, critical = 0;
	for (size_t i = 1; i < count; i++) /* few enough to be sorted so */
		for (size_t j = i; j > 0 && lost(list[j - 1], threads) < lost(list[j], threads); j--) {
			step_time *x = list[j];
			list[j] = list[j - 1];
			list[j - 1] = x;
		}
	for (size_t i = 0; i < count; i++) {
		total += list[i]->work.total_ns * 1e-6;
		critical += list[i]->work.critical_ns * 1e-6;
	}
	printf("\nprocessor time of %zu threads: what the busiest takes beyond its share\n", threads);
	printf("%9s %9s %9s %7s  %-20s %-14s %-24s %s\n", "beyond ms", "all ms", "busiest", "tasks", "operator", "kernel", "output", "node");
	for (size_t i = 0; i < count; i++) {
		const step_time *x = list[i];
		char text[300];
		if (x->work.total_ns <= 0)
			continue;
		value_text(&x->step.shape, text, sizeof(text));
		printf("%9.4f %9.4f %9.4f %7zu  %-20s %-14s %-24s %s\n", lost(x, threads), x->work.total_ns * 1e-6, x->work.critical_ns * 1e-6,
		       x->work.tasks, x->step.op, x->step.kernel, text, x->step.node);
	}
	printf("all steps: %.3f ms of processor time, %.3f ms of the busiest threads: at most %.2f times as fast as one thread\n", total, critical,
	       critical > 0 ? total / critical : 1);
}

void step_times_print(const step_times *t, const options *o)
{
	step_time **sorted = malloc((t->count + 1) * sizeof(step_time *));
	double sum = 0;
	if (!sorted || !t->list) {
		free(sorted);
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		sorted[i] = &t->list[i];
		sum += t->list[i].ms;
	}
	qsort(sorted, t->count, sizeof(step_time *), by_time);
	if (o->per_node.count)
		print_nodes(sorted, t->count, sum);
	if (t->copies.count)
		printf("\n%zu copies to and from the device move %.3f MB in %.4f ms\n", t->copies.count, (double)t->copies.bytes * 1e-6,
		       t->copies.ms);
	if (o->roofline.count)
		print_roofline(sorted, t, o, sum);
	if (o->balance.count)
		print_balance(sorted, t->count, threads_used(o));
	free(sorted);
}

/* ---- JSON ---- */

static void write_step(const step_time *x, emitter *j)
{
	emit_string(j, "node", x->step.node);
	emit_string(j, "op", x->step.op);
	emit_string(j, "kernel", x->step.kernel);
	emit_string(j, "output", x->step.output);
	emit_string(j, "order", x->step.order);
	emit_real(j, "ms", x->ms);
	emit_string(j, "where", x->on_device ? "device" : "cpu");
}

static void write_roof(const step_time *x, const machine *can, emitter *j)
{
	const roof r = roof_of(x, can);
	emit_real(j, "flops", x->work.operations);
	emit_real(j, "executed_flops", x->work.executed);
	emit_real(j, "bytes", x->work.bytes);
	emit_real(j, "effective_percent", r.effective);
	emit_real(j, "hardware_percent", r.hardware);
	emit_real(j, "bandwidth_percent", r.bandwidth);
	emit_string(j, "limit", r.limit);
	emit_real(j, "limit_ms", r.limit_ms);
}

void step_times_write(const step_times *t, const options *o, emitter *j)
{
	if (o->per_node.count) {
		emit_array(j, "nodes");
		for (size_t i = 0; i < t->count; i++) {
			emit_object(j, NULL);
			write_step(&t->list[i], j);
			emit_end_object(j);
		}
		emit_end_array(j);
		emit_object(j, "copies");
		emit_count(j, "count", t->copies.count);
		emit_count(j, "bytes", t->copies.bytes);
		emit_real(j, "ms", t->copies.ms);
		emit_end_object(j);
	}
	if (o->balance.count) {
		emit_array(j, "balance");
		for (size_t i = 0; i < t->count; i++) {
			emit_object(j, NULL);
			write_step(&t->list[i], j);
			emit_count(j, "tasks", t->list[i].work.tasks);
			emit_real(j, "total_ms", t->list[i].work.total_ns * 1e-6);
			emit_real(j, "critical_ms", t->list[i].work.critical_ns * 1e-6);
			emit_end_object(j);
		}
		emit_end_array(j);
	}
	if (!o->roofline.count)
		return;
	emit_object(j, "roofline");
	emit_real(j, "peak_gflops", t->can.gflops);
	emit_real(j, "bandwidth_gbs", t->can.gbytes);
	emit_array(j, "layers");
	for (size_t i = 0; i < t->count; i++) {
		emit_object(j, NULL);
		write_step(&t->list[i], j);
		write_roof(&t->list[i], &t->can, j);
		emit_end_object(j);
	}
	emit_end_array(j);
	emit_end_object(j);
}
