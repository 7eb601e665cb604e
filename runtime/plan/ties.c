/* Ties: values that a node with bodies hands in and out of them as one (op.h), and how the order of one end follows from that of another. A
 * loop carries a value on in the order in which it came in; the branches of an If leave their results in one order; what a Scan sees of
 * an input is a window on it, and what it leaves is written into its slot of the output. */
#include <stdlib.h>

#include "plan.h"

/* How often a body counts as run where data decide. */
#define TRIPS 10
/* Bodies within bodies: beyond this their weight makes no difference to any choice, and costs have to add up. */
#define MOST_RUNS 1000000

static void add_end(tie *t, end_role role, uint32_t body, int index, const value_id *list, size_t count)
{
	if (index >= 0 && (size_t)index < count && list[index] != NO_ID)
		t->end[t->n++] = (tie_end){ list[index], role, body, (uint32_t)index };
}

static bool is_ordered(const clast_model *m, value_id v)
{
	return m->values[v].rank >= 0 && m->values[v].kind == KIND_TENSOR;
}

/* Which end decides, and whether orders may differ from row-major at all. */
static void complete(const clast_model *m, tie *t, int64_t axis)
{
	const end_role first = t->kind == TIE_SLICE ? END_IN : t->kind == TIE_STACK ? END_OUT : END_BODY_IN;
	t->lead = t->n;
	t->bound = true;
	for (uint32_t k = t->n; k-- > 0;) {
		const tie_end *e = &t->end[k];
		t->bound &= is_ordered(m, e->value);
		if (e->role == first || (t->kind == TIE_SAME && t->lead == t->n && e->role == END_OUT))
			t->lead = k;
	}
	if (t->lead == t->n)
		return;
	const value *v = &m->values[t->end[t->lead].value];
	t->axis = (int)(axis < 0 ? axis + v->rank : axis);
	t->bound &= t->kind == TIE_SAME || (t->axis >= 0 && t->axis < v->rank);
	if (v->constant && t->kind != TIE_SLICE)
		t->lead = t->n;
}

bool plan_tie(const clast_model *m, const node *n, size_t index, tie *t)
{
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out };
	body_tie x;
	if (!n->op->tie || !n->op->tie(&query, index, &x))
		return false;
	t->kind = (uint8_t)x.kind;
	t->n = 0;
	add_end(t, END_IN, 0, x.in, n->in, n->n_in);
	for (uint32_t j = 0; j < n->n_bodies; j++) {
		const graph *g = &m->graphs[n->bodies[j]];
		if (g->refusal)
			continue;
		add_end(t, END_BODY_IN, j, x.body_in, g->inputs, g->input_count);
		add_end(t, END_BODY_OUT, j, x.body_out, g->outputs, g->output_count);
	}
	add_end(t, END_OUT, 0, x.out, n->out, n->n_out);
	complete(m, t, x.axis);
	return true;
}

static bool carried(clast_plan *p, value_id a, uint32_t from, value_id b, uint32_t *to)
{
	shape x, y;
	order o;
	value_shape(p->model, a, &x);
	value_shape(p->model, b, &y);
	*to = 0;
	if (!from)
		return true;
	if (!order_carried(p->model->dims, &p->orders[from], &x, &y, &o))
		return false;
	*to = plan_order(p, &o);
	return *to != UINT32_MAX;
}

bool plan_tie_order(clast_plan *p, const tie *t, uint32_t k, uint32_t from, uint32_t *to, bool *copies)
{
	const value_id lead = t->end[t->lead].value, v = t->end[k].value;
	*copies = false;
	*to = from;
	if (k == t->lead)
		return true;
	return t->kind == TIE_SAME ? carried(p, lead, from, v, to) : plan_part_order(p, lead, t->axis, from, v, to, copies);
}

bool plan_tie_lead_order(clast_plan *p, const tie *t, uint32_t k, uint32_t from, uint32_t *to)
{
	const value_id lead = t->end[t->lead].value, v = t->end[k].value;
	*to = from;
	if (k == t->lead)
		return true;
	return t->kind == TIE_SAME ? carried(p, v, from, lead, to) : plan_whole_order(p, v, from, lead, t->axis, to);
}

/* A slice of an input that lies as it is, or else as if the axis were outermost. */
static uint32_t sliced_order(clast_plan *p, const tie *t, const uint32_t *produced)
{
	const value_id whole = t->end[t->lead].value;
	for (uint32_t k = 0; k < t->n; k++) {
		uint32_t o;
		bool copies;
		if (k == t->lead)
			continue;
		if (plan_tie_order(p, t, k, produced[whole], &o, &copies) && o == produced[t->end[k].value])
			return produced[whole];
		return plan_tie_lead_order(p, t, k, produced[t->end[k].value], &o) ? o : 0;
	}
	return produced[whole];
}

uint32_t plan_end_order(clast_plan *p, const node *n, end_role role, uint32_t body, uint32_t index, const uint32_t *produced)
{
	tie t;
	for (size_t i = 0; plan_tie(p->model, n, i, &t); i++)
		for (uint32_t k = 0; k < t.n; k++) {
			const tie_end *e = &t.end[k];
			uint32_t o;
			bool copies;
			if (e->role != role || e->body != body || e->index != index)
				continue;
			if (!t.bound)
				return 0;
			if (t.lead == t.n)
				return produced[e->value];
			if (t.kind == TIE_SLICE && k == t.lead)
				return sliced_order(p, &t, produced);
			return plan_tie_order(p, &t, k, produced[t.end[t.lead].value], &o, &copies) ? o : 0;
		}
	return 0;
}

/* ---- How often graphs run ---- */

static uint64_t trips_of(clast_plan *p, const node *n)
{
	enum { FEW = 16 };
	const clast_model *m = p->model;
	infer_value in[FEW], result;
	if (!n->op->trips || !n->n_bodies)
		return 1;
	for (uint32_t i = 0; i < n->n_in && i < FEW; i++)
		value_infer(m, n->in[i], &in[i]);
	const graph *g = &m->graphs[n->bodies[0]];
	value_infer(m, g->output_count ? g->outputs[0] : NO_ID, &result);
	const infer_in query = { .op = n->op, .dims = m->dims, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out,
		                 .in = in, .memory = &p->region };
	const dim d = n->n_in <= FEW ? n->op->trips(&query, &result) : DIM_UNKNOWN;
	return d == DIM_UNKNOWN || d == DIM_ERROR ? TRIPS : (uint64_t)(dim_is_number(d) ? d : plan_extent(p, d));
}

static void count_runs(clast_plan *p, graph_id g, uint64_t runs)
{
	const graph *x = &p->model->graphs[g];
	p->runs[g] = runs;
	for (size_t i = 0; i < x->node_count; i++) {
		const node *n = &p->model->nodes[x->nodes[i]];
		uint64_t all;
		if (!n->n_bodies)
			continue;
		if (__builtin_mul_overflow(runs, trips_of(p, n), &all) || all > MOST_RUNS)
			all = MOST_RUNS;
		for (uint32_t j = 0; j < n->n_bodies; j++)
			count_runs(p, n->bodies[j], all);
	}
}

clast_status plan_count_runs(clast_plan *p, clast_diag *d)
{
	p->runs = bump_array(&p->region, p->model->graph_count + 1, sizeof *p->runs);
	if (!p->runs)
		return fail_memory(d, 0);
	count_runs(p, 0, 1);
	return CLAST_OK;
}
