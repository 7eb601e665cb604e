/* The objective "measured": the model is run, at representative extents, by strategies that together use most of the ways in which its nodes
 * can run. Each step's least time is noted with the way that its kernel took; ways that no strategy chose are estimated, in proportion. */
#include <string.h>

#include "api.h"

#define RUNS 5

typedef struct timer {
	double *least; /* by step of the plan at hand */
	size_t steps;
} timer;

static void note(void *context, size_t step, uint64_t start, uint64_t end)
{
	timer *t = context;
	const double ns = (double)(end - start);
	if (step < t->steps && (t->least[step] == 0 || ns < t->least[step]))
		t->least[step] = ns;
}

/* Floating-point elements are small and differ; all others are 0, which every index allows. */
static void fill(clast_tensor *t)
{
	float *x = clast_tensor_data(t);
	uint32_t state = 1;
	for (size_t i = 0; clast_tensor_dtype(t) == CLAST_FLOAT32 && i < clast_tensor_count(t); i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(state >> 8) / (1 << 24);
	}
}

static clast_status make_inputs(clast_plan *p, clast_tensor **inputs, clast_diag *d)
{
	const graph *g = &p->model->graphs[0];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++) {
		const value *v = &p->model->values[g->inputs[i]];
		int64_t dims[CLAST_MAX_RANK];
		for (int a = 0; a < v->rank; a++)
			dims[a] = plan_extent(p, v->dims[a]);
		s = clast_tensor_create(v->dtype, v->rank < 0 ? 0 : (size_t)v->rank, dims, &p->model->memory.allocator, &inputs[i], d);
		if (!s)
			fill(inputs[i]);
	}
	return s;
}

static clast_status run_plan(clast_plan *p, timer *t, clast_diag *d)
{
	const graph *g = &p->model->graphs[0];
	const clast_session_options so = { .struct_size = sizeof so,
		                           .threads = 1,
		                           .allocator = &p->model->memory.allocator,
		                           .progress = p->model->progress,
		                           .progress_context = p->model->progress_context,
		                           .profile = note,
		                           .profile_context = t };
	clast_session *session = NULL;
	clast_tensor **inputs = mem_calloc(&p->memory, (g->input_count + 1) * sizeof *inputs);
	clast_tensor **outputs = mem_calloc(&p->memory, (g->output_count + 1) * sizeof *outputs);
	pthread_mutex_lock(&p->model->lock); /* extents are computed with dims */
	clast_status s = inputs && outputs ? make_inputs(p, inputs, d) : fail_memory(d, 0);
	pthread_mutex_unlock(&p->model->lock);
	if (!s)
		s = clast_session_create(p, &so, &session, d);
	for (int i = 0; !s && i < RUNS; i++) {
		memset(outputs, 0, (g->output_count + 1) * sizeof *outputs);
		s = clast_session_run(session, g->input_count, (const clast_tensor *const *)inputs, g->output_count, outputs, d);
	}
	clast_session_free(&session);
	for (size_t i = 0; inputs && i < g->input_count; i++)
		clast_tensor_free(&inputs[i]);
	mem_free(&p->memory, inputs, (g->input_count + 1) * sizeof *inputs);
	mem_free(&p->memory, outputs, (g->output_count + 1) * sizeof *outputs);
	return s;
}

static void add_way(way_times *w, port_need in, port_need out, double ns)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->way[i].in == in && w->way[i].out == out) {
			w->way[i].ns = ns < w->way[i].ns ? ns : w->way[i].ns;
			return;
		}
	if (w->count < LOWER_MAX_WAYS)
		w->way[w->count++] = (struct way_time){ in, out, ns };
}

/* What all runs together say of conversions and estimates. */
typedef struct sums {
	double conversion_ns, bytes, measured, estimated;
} sums;

static void compare_estimate(clast_plan *p, const plan_step *step, double ns, sums *x)
{
	const node *n = &p->model->nodes[step->node];
	const port *ports = p->ports + step->refs;
	const node_view view = { .family = step->family, .ports = (port *)ports };
	lower_way ways[LOWER_MAX_WAYS];
	const size_t count = plan_ways(p, n, &view, ways);
	for (size_t i = 0; i < count; i++)
		if (ways[i].in == ports[0].need && ways[i].out == ports[step->n_in].need) {
			x->measured += ns;
			x->estimated += lower_time(ways[i].flops, ways[i].bytes);
		}
}

static void take_times(clast_plan *p, const timer *t, plan_times *out, sums *x)
{
	for (size_t i = 0; i < p->transpose_count; i++) {
		x->conversion_ns += t->least[p->transposes[i].step];
		x->bytes += (double)p->transposes[i].bytes;
	}
	for (size_t i = 0; i < p->step_count; i++) {
		const plan_step *step = &p->steps[i];
		if (step->kind != STEP_NODE || step->family == FAMILY_REFERENCE || !step->n_in || !step->n_out || t->least[i] == 0)
			continue;
		const port *ports = p->ports + step->refs;
		add_way(&out->node[step->node], ports[0].need, ports[step->n_in].need, t->least[i]);
		compare_estimate(p, step, t->least[i], x);
	}
}

static clast_status measure_strategy(clast_model *m, clast_plan_options o, const char *strategy, plan_times *out, sums *x,
                                     clast_diag *d)
{
	clast_plan *p;
	o.strategy = strategy;
	o.objective = "time";
	o.order_count = 0;
	clast_status s = plan_create(m, &o, NULL, &p, d);
	if (s)
		return s;
	timer t = { mem_calloc(&p->memory, (p->step_count + 1) * sizeof *t.least), p->step_count };
	s = t.least ? run_plan(p, &t, d) : fail_memory(d, 0);
	if (!s)
		s = plan_conversions(p);
	pthread_mutex_lock(&m->lock);
	if (!s)
		take_times(p, &t, out, x);
	pthread_mutex_unlock(&m->lock);
	mem_free(&p->memory, t.least, (t.steps + 1) * sizeof *t.least);
	plan_release(p);
	return s;
}

clast_status measure_ways(clast_model *m, const clast_plan_options *o, plan_times *t, clast_diag *d)
{
	static const char *const strategies[] = { "last", "first", "blocked", "min" };
	sums x = { 0 };
	clast_status s = CLAST_OK;
	t->node = mem_calloc(&m->memory, (m->node_count + 1) * sizeof *t->node);
	if (!t->node)
		return fail_memory(d, 0);
	for (size_t i = 0; !s && i < sizeof strategies / sizeof *strategies; i++)
		s = measure_strategy(m, *o, strategies[i], t, &x, d);
	t->conversion = x.bytes > 0 ? x.conversion_ns / x.bytes : lower_time(0, 2);
	t->estimate = x.estimated > 0 ? x.measured / x.estimated : 1;
	if (s)
		measure_free(m, t);
	return s;
}

void measure_free(clast_model *m, plan_times *t)
{
	mem_free(&m->memory, t->node, (m->node_count + 1) * sizeof *t->node);
	t->node = NULL;
}
