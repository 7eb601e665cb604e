/* What nodes with bodies pass through them: one group for each tie, whose configurations are the orders in which its ends can lie together. Where a
 * body leaves another order than its tie has, it converts, as often as it runs; what goes in is converted outside, once. */
#include "layout_group.h"

static bool is_free(const layout *l, const tie *t, uint32_t k)
{
	return l->m->values[t->end[k].value].constant != NULL;
}

void layout_propagate_ties(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	tie t;
	for (size_t i = 0; plan_tie(l->m, n, i, &t); i++)
		for (uint32_t k = 0; t.bound && t.lead < t.n && k < t.n; k++) {
			const value_id lead = t.end[t.lead].value, v = t.end[k].value;
			uint32_t to;
			bool copies;
			if (k == t.lead)
				continue;
			for (uint32_t o = 0; o < l->values[lead].n; o++)
				if (plan_tie_order(l->p, &t, k, l->values[lead].order[o], &to, &copies))
					layout_add(l, v, to);
			for (uint32_t o = 0; o < l->values[v].n; o++)
				if (plan_tie_lead_order(l->p, &t, k, l->values[v].order[o], &to))
					layout_add(l, lead, to);
		}
}

/* Who produces an end: the tie, but for what goes in and what bodies leave. */
static bool is_produced(const tie_end *e)
{
	return e->role == END_BODY_IN || e->role == END_OUT;
}

/* What a body leaves as it got it is where it has to be. */
static bool passes_through(const tie *t, uint32_t k)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->end[k].role == END_BODY_OUT && t->end[i].role == END_BODY_IN && t->end[i].value == t->end[k].value)
			return t->kind == TIE_SAME;
	return false;
}

static bool has_port(const layout *l, const tie *t, uint32_t k)
{
	return !is_free(l, t, k) && l->values[t->end[k].value].class != NO_ID && !passes_through(t, k);
}

static clast_status row_major_ends(layout *l, group_builder *b, const tie *t)
{
	clast_status s = CLAST_OK;
	for (uint32_t k = 0; !s && k < t->n; k++)
		if (has_port(l, t, k))
			s = group_fixed(l, b, t->end[k].value, is_produced(&t->end[k]), 0);
	return s;
}

/* The orders of all ends when that which leads is in order `from`. */
static bool add_config(layout *l, group_builder *b, const tie *t, const uint32_t *ends, uint32_t from)
{
	uint64_t cost = 0;
	for (uint32_t k = 0; k < b->ports; k++) {
		const value_id v = t->end[ends[k]].value;
		uint32_t o, at;
		bool copies;
		if (!plan_tie_order(l->p, t, ends[k], from, &o, &copies) || (at = find(&l->values[v], o)) == NO_ID)
			return false;
		cost += copies ? layout_copy_cost(l, v) : 0;
		b->order[b->configs * b->ports + k] = (uint16_t)at;
	}
	b->cost[b->configs] = cost;
	return group_keep(b);
}

static clast_status tie_group(layout *l, group_builder *b, node_id id, const tie *t)
{
	uint32_t ends[2 + 2 * MAX_BODIES];
	const candidates *lead = &l->values[t->end[t->lead].value];
	group_reset(b);
	for (uint32_t k = 0; k < t->n; k++) {
		const tie_end *e = &t->end[k];
		if (!has_port(l, t, k))
			continue;
		const bool own = e->role == END_IN || e->role == END_OUT;
		ends[b->ports] = k;
		group_port(l, b, e->value, is_produced(e), own ? id : NO_ID, e->role == END_OUT ? l->m->nodes[id].n_in + e->index : e->index);
	}
	if (is_free(l, t, t->lead)) /* a constant that is sliced */
		add_config(l, b, t, ends, 0);
	for (uint32_t i = 0; !is_free(l, t, t->lead) && i < lead->n; i++)
		add_config(l, b, t, ends, lead->order[i]);
	return b->configs ? group_done(l, b) : row_major_ends(l, b, t);
}

/* What is in no tie passes in row-major order. */
static clast_status untied(layout *l, group_builder *b, node_id id, end_role role, uint32_t body, uint32_t index, value_id v)
{
	tie t;
	if (v == NO_ID || l->m->values[v].constant || l->values[v].class == NO_ID)
		return CLAST_OK;
	for (size_t i = 0; plan_tie(l->m, &l->m->nodes[id], i, &t); i++)
		for (uint32_t k = 0; k < t.n; k++)
			if (t.end[k].role == role && t.end[k].body == body && t.end[k].index == index)
				return CLAST_OK;
	return group_fixed(l, b, v, role == END_BODY_IN || role == END_OUT, 0);
}

static clast_status untied_values(layout *l, group_builder *b, node_id id, bool enters)
{
	const node *n = &l->m->nodes[id];
	clast_status s = CLAST_OK;
	for (uint32_t i = 0; !s && enters && i < n->n_in; i++)
		s = untied(l, b, id, END_IN, 0, i, n->in[i]);
	for (uint32_t j = 0; !s && j < n->n_bodies; j++) {
		const graph *g = &l->m->graphs[n->bodies[j]];
		if (g->refusal)
			continue;
		for (size_t i = 0; !s && enters && i < g->input_count; i++)
			s = untied(l, b, id, END_BODY_IN, j, (uint32_t)i, g->inputs[i]);
		for (size_t i = 0; !s && !enters && i < g->output_count; i++)
			s = untied(l, b, id, END_BODY_OUT, j, (uint32_t)i, g->outputs[i]);
	}
	for (uint32_t i = 0; !s && !enters && i < n->n_out; i++)
		s = untied(l, b, id, END_OUT, 0, i, n->out[i]);
	return s;
}

static bool goes_in(const tie *t)
{
	for (uint32_t k = 0; k < t->n; k++)
		if (t->end[k].role == END_BODY_IN)
			return true;
	return false;
}

clast_status layout_tie_groups(layout *l, group_builder *b, node_id id, bool enters)
{
	clast_status s = untied_values(l, b, id, enters);
	tie t;
	for (size_t i = 0; !s && plan_tie(l->m, &l->m->nodes[id], i, &t); i++) {
		if (goes_in(&t) != enters)
			continue;
		if (!t.bound)
			s = row_major_ends(l, b, &t);
		else if (t.lead < t.n)
			s = tie_group(l, b, id, &t);
	}
	return s;
}
