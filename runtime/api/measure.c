/* The objective "measured": the model is run, at representative extents, by strategies that together use most of the ways in which its nodes
 * can run. Each step's least time is noted with the way that its kernel took; ways that no strategy chose are estimated, in proportion. */
#include "api.h"
#include "trial.h"

#define RUNS 5

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

static void take_times(clast_plan *p, const double *least, plan_times *out, sums *x)
{
	for (size_t i = 0; i < p->transpose_count; i++) {
		x->conversion_ns += least[p->transposes[i].step];
		x->bytes += (double)p->transposes[i].bytes;
	}
	for (size_t i = 0; i < p->step_count; i++) {
		const plan_step *step = &p->steps[i];
		if (step->kind != STEP_NODE || step->family == FAMILY_REFERENCE || !step->n_in || !step->n_out || least[i] == 0)
			continue;
		const port *ports = p->ports + step->refs;
		add_way(&out->node[step->node], ports[0].need, ports[step->n_in].need, least[i]);
		compare_estimate(p, step, least[i], x);
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
	trial t;
	s = trial_open(p, &t, d);
	for (int i = 0; !s && i < RUNS; i++)
		s = trial_run(&t, d);
	if (!s)
		s = plan_conversions(p);
	pthread_mutex_lock(&m->lock);
	if (!s)
		take_times(p, t.least, out, x);
	pthread_mutex_unlock(&m->lock);
	trial_close(&t);
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
