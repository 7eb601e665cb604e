/* From a model to the layout problem, and from its solution to orders.
 *
 * A class is a value, of whichever graph: a body that captures a value of a graph around it reads the same class. Costs are bytes of
 * conversions, as often as a run makes them; unknown extents count as plan_extent says. */
#include <stdio.h>
#include <string.h>

#include "layout.h"
#include "solve.h"
#include "strategy.h"

void layout_leave_out(layout *l, size_t count, value_id v, node_id id)
{
	clast_plan *p = l->p;
	char text[300];
	if (count && !p->left_out) {
		if (id != NO_ID)
			snprintf(text, sizeof text, "node %s", node_name(l->m, id));
		else
			snprintf(text, sizeof text, "value %s", v == NO_ID ? "" : l->m->values[v].name);
		p->left_out_at = bump_string(&p->region, text, strlen(text));
		l->failed |= !p->left_out_at;
	}
	p->left_out += count;
}

/* What the ports of a node need from now on: those of the way whose orders were chosen. */
static void settle(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	const order_choice *c = l->choice;
	lower_way ways[LOWER_MAX_WAYS];
	size_t count;
	if (!layout_ways(l, n, id, ways, &count))
		return;
	const uint32_t *reads = c->reads[id];
	const uint32_t in = reads && reads[0] != NO_ID ? c->conversions[reads[0]].order : c->produced[n->in[0]];
	const uint32_t out = c->produced[n->out[0]];
	for (size_t i = 0; i < count; i++)
		if (layout_serves_way(l, id, 0, ways[i].in, in) && layout_serves_way(l, id, n->n_in, ways[i].out, out)) {
			plan_take_way(n, &l->views[id], &ways[i]);
			return;
		}
}

static clast_status take(layout *l, const assignment *a)
{
	clast_plan *p = l->p;
	order_choice *c = l->choice;
	for (size_t i = 0; i < l->problem.classes; i++)
		if (a->produced[i] != PROBLEM_ANY)
			c->produced[l->class_value[i]] = l->values[l->class_value[i]].order[a->produced[i]];
	const uint32_t base = (uint32_t)c->conversion_count;
	if (!grow(&p->memory, &c->conversions, &c->conversion_capacity, base + a->conversions, sizeof *c->conversions))
		return fail_memory(l->d, 0);
	for (size_t i = 0; i < a->conversions; i++) {
		const conversion_step *x = &a->conversion[i];
		const value_id v = l->class_value[x->class];
		c->conversions[c->conversion_count++] = (order_conversion){ v, l->values[v].order[x->order],
			                                                    x->from == PROBLEM_NONE ? NO_ID : base + x->from };
	}
	for (size_t i = 0; i < l->owner_count; i++) {
		const port_owner *o = &l->owner[i];
		if (o->node == NO_ID || l->problem.port[i].produced)
			continue;
		const node *n = &l->m->nodes[o->node];
		if (!c->reads[o->node]) {
			c->reads[o->node] = bump_array(&p->region, n->n_in, sizeof **c->reads);
			if (!c->reads[o->node])
				return fail_memory(l->d, 0);
			memset(c->reads[o->node], 0xff, n->n_in * sizeof **c->reads);
		}
		c->reads[o->node][o->input] = a->reads[i] == PROBLEM_NONE ? NO_ID : base + a->reads[i];
	}
	for (size_t i = 0; i < l->visit_count; i++)
		if (!l->visits[i].enters)
			settle(l, l->visits[i].node);
	return CLAST_OK;
}

static clast_status solve_min(layout *l)
{
	solution s;
	clast_status status = solve(&l->problem, NULL, &l->p->memory, &s, l->d);
	if (status)
		return status;
	status = take(l, &s.best);
	l->p->layout_cost += assignment_cost(&s.best);
	l->p->layout_bound += s.bound;
	solution_release(&s);
	return status;
}

static clast_status solve_by(layout *l, const strategy *how, const strategy_options *options)
{
	assignment a;
	clast_status s = assignment_init(&a, &l->problem, &l->p->memory, l->d);
	if (s)
		return s;
	s = how->choose(&l->problem, options, &a, l->d);
	if (!s)
		s = take(l, &a);
	l->p->layout_cost += assignment_cost(&a);
	assignment_release(&a);
	return s;
}

static bool add_visit(layout *l, node_id id, bool enters)
{
	if (!grow(&l->p->memory, &l->visits, &l->visit_capacity, l->visit_count + 1, sizeof *l->visits))
		return false;
	l->visits[l->visit_count++] = (visit){ id, enters };
	return true;
}

/* Depth is bounded by the importer. */
static clast_status list_visits(layout *l, graph_id g)
{
	const graph *x = &l->m->graphs[g];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && !x->refusal && i < x->node_count; i++) {
		const node *n = &l->m->nodes[x->nodes[i]];
		if (n->n_bodies && !add_visit(l, x->nodes[i], true))
			return fail_memory(l->d, 0);
		for (uint32_t j = 0; !s && j < n->n_bodies; j++)
			s = list_visits(l, n->bodies[j]);
		if (!s && !add_visit(l, x->nodes[i], false))
			return fail_memory(l->d, 0);
	}
	return s;
}

clast_status layout_choose(clast_plan *p, node_view *views, const uint32_t *output_orders, order_choice *choice, clast_diag *d)
{
	clast_model *m = p->model;
	layout l = { .p = p, .m = m, .views = views, .choice = choice, .d = d };
	strategy_options options = { 0 };
	const strategy *how = strategy_find(p->strategy, &options);
	const size_t bytes = (m->value_count + 1) * sizeof *l.values;
	l.values = mem_calloc(&p->memory, bytes);
	if (!l.values)
		return fail_memory(d, bytes);
	for (size_t i = 0; i < m->value_count; i++)
		l.values[i].class = NO_ID;
	problem_init(&l.problem, &p->memory);
	clast_status s = list_visits(&l, 0);
	if (!s) {
		layout_find_candidates(&l);
		s = l.failed ? fail_memory(d, 0) : layout_build(&l, output_orders);
		if (!s && l.failed)
			s = fail_memory(d, 0);
	}
	if (!s)
		s = !strcmp(how->name, "min") || l.p->wishes ? solve_min(&l) : solve_by(&l, how, &options);
	problem_release(&l.problem);
	for (size_t i = 0; i < m->value_count; i++)
		mem_free(&p->memory, l.values[i].order, l.values[i].capacity * sizeof *l.values[i].order);
	mem_free(&p->memory, l.values, bytes);
	mem_free(&p->memory, l.class_value, l.class_capacity * sizeof *l.class_value);
	mem_free(&p->memory, l.owner, l.owner_capacity * sizeof *l.owner);
	mem_free(&p->memory, l.slots, l.slot_capacity * sizeof *l.slots);
	mem_free(&p->memory, l.visits, l.visit_capacity * sizeof *l.visits);
	return s;
}
