/* Candidate orders: row-major, what kernels ask for, and what views, windows, joins and tied operands make of those, forwards and
 * backwards, until nothing new turns up. */
#include "layout.h"

/* Each takes orders through the whole graph, once in each direction; networks need two or three. */
#define MAX_SWEEPS 64
#define MAX_REFUSED 4096

static void refuse(layout *l, candidates *c, uint32_t made)
{
	for (uint32_t i = 0; i < c->refused; i++)
		if (c->order[c->n + i] == made)
			return;
	if (c->refused == MAX_REFUSED)
		return;
	if (!grow(&l->p->memory, &c->order, &c->capacity, (size_t)c->n + c->refused + 1, sizeof *c->order)) {
		l->failed = true;
		return;
	}
	c->order[c->n + c->refused++] = made;
}

void layout_add(layout *l, value_id v, uint32_t made)
{
	candidates *c = &l->values[v];
	if (made == UINT32_MAX) {
		l->failed = true;
		return;
	}
	if (!has_class(l, v) || find(c, made) != NO_ID)
		return;
	if (c->n == LAYOUT_MAX_CANDIDATES) {
		refuse(l, c, made);
		return;
	}
	if (!grow(&l->p->memory, &c->order, &c->capacity, c->n + 1, sizeof *c->order)) {
		l->failed = true;
		return;
	}
	c->order[c->n++] = made;
	l->changed = true;
	l->grown = v;
}

static void add_last(layout *l, value_id v)
{
	shape s;
	order o;
	value_shape(l->m, v, &s);
	if (has_class(l, v) && order_last(l->m->dims, &s, &o))
		layout_add(l, v, plan_order(l->p, &o));
}

uint32_t layout_carry(layout *l, value_id a, uint32_t from, value_id b)
{
	shape x, y;
	order o;
	if (!from)
		return 0;
	value_shape(l->m, a, &x);
	value_shape(l->m, b, &y);
	return order_carried(l->m->dims, &l->p->orders[from], &x, &y, &o) ? plan_order(l->p, &o) : NO_ID;
}

static void spread(layout *l, value_id a, value_id b, bool same_shape)
{
	for (uint32_t i = 0; i < l->values[a].n; i++) {
		const uint32_t from = l->values[a].order[i], to = same_shape ? from : layout_carry(l, a, from, b);
		if (to != NO_ID)
			layout_add(l, b, to);
	}
}

bool layout_ties_axes(const layout *l, node_id id, const node *n)
{
	if (!n->n_in || !n->n_out || n->out[0] == NO_ID || !same_rank(l, n->in[0], n->out[0]))
		return false;
	const port_need in = port_of(l, id, 0)->need, out = port_of(l, id, n->n_in)->need;
	return (in == PORT_WHOLE || in == PORT_VIEW || in == PORT_ROWS) && (out == PORT_WHOLE || out == PORT_VIEW || out == PORT_ROWS) &&
	       (n->op->rule == RULE_AXIS || n->op->rule == RULE_ANY || n->op->rule == RULE_CHANNELS || in == PORT_ROWS);
}

bool layout_is_window(const layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	return n->op->window && l->views[id].family != FAMILY_REFERENCE && port_of(l, id, 0)->need == PORT_VIEW;
}

bool layout_is_join(const layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	return n->op->join && l->views[id].family != FAMILY_REFERENCE && port_of(l, id, 0)->need == PORT_VIEW;
}

static void propagate_window(layout *l, const node *n)
{
	uint32_t to;
	bool copies;
	if (!has_class(l, n->in[0]))
		return;
	for (uint32_t j = 0; j < n->n_out; j++) {
		if (!has_class(l, n->out[j]))
			continue;
		for (uint32_t i = 0; i < l->values[n->in[0]].n; i++)
			if (plan_window_order(l->p, n, j, l->values[n->in[0]].order[i], &to, &copies))
				layout_add(l, n->out[j], to);
		if (same_rank(l, n->out[j], n->in[0]))
			spread(l, n->out[j], n->in[0], false);
	}
}

bool layout_slots(layout *l, const node *n, uint32_t from, bool *copies)
{
	if (!grow(&l->p->memory, &l->slots, &l->slot_capacity, n->n_in, sizeof *l->slots)) {
		l->failed = true;
		return false;
	}
	return plan_slot_orders(l->p, n, from, l->slots, copies);
}

static void propagate_join(layout *l, const node *n)
{
	bool copies;
	if (!has_class(l, n->out[0]))
		return;
	for (uint32_t i = 0; i < l->values[n->out[0]].n; i++) {
		const bool there = layout_slots(l, n, l->values[n->out[0]].order[i], &copies);
		for (uint32_t k = 0; there && k < n->n_in; k++)
			layout_add(l, n->in[k], l->slots[k]);
	}
	for (uint32_t k = 0; k < n->n_in; k++)
		if (same_rank(l, n->in[k], n->out[0]))
			spread(l, n->in[k], n->out[0], false);
}

bool layout_ways(const layout *l, const node *n, node_id id, lower_way *ways, size_t *count)
{
	*count = is_view(n) ? 0 : plan_ways(l->p, n, &l->views[id], ways);
	return *count > 0 && has_class(l, n->in[0]) && has_class(l, n->out[0]);
}

bool layout_serves_way(layout *l, node_id id, uint32_t k, port_need need, uint32_t o)
{
	shape s;
	port p = *port_of(l, id, k);
	p.need = need;
	value_shape(l->m, operand_of(&l->m->nodes[id], k), &s);
	return plan_port_order(l->p, &s, p, o, o) == o;
}

/* Orders of operand a that admit the same order of operand b, if both need `need`. */
static void spread_alike(layout *l, node_id id, uint32_t a, uint32_t b, port_need need)
{
	const node *n = &l->m->nodes[id];
	const value_id from = operand_of(n, a), to = operand_of(n, b);
	for (uint32_t i = 0; i < l->values[from].n; i++) {
		const uint32_t o = l->values[from].order[i], kept = layout_serves_way(l, id, a, need, o) ? layout_carry(l, from, o, to) : NO_ID;
		if (kept != NO_ID && layout_serves_way(l, id, b, need, kept))
			layout_add(l, to, kept);
	}
}

/* Input 0 and output 0 of a node that may lie in any order of some kind if both do. */
static void propagate_alike(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	lower_way ways[LOWER_MAX_WAYS];
	size_t count;
	if (!n->n_in || !has_class(l, n->in[0]))
		return;
	const bool tied = port_of(l, id, 0)->channels == CHANNELS_TIED;
	if (!layout_ways(l, n, id, ways, &count))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!ways[i].alike && !(tied && ways[i].in == PORT_LAST && ways[i].out == PORT_LAST))
			continue;
		spread_alike(l, id, 0, n->n_in, ways[i].in);
		spread_alike(l, id, n->n_in, 0, ways[i].in);
	}
}

bool layout_is_whole(const layout *l, value_id v, uint32_t o)
{
	shape s;
	int perm[CLAST_MAX_RANK];
	value_shape(l->m, v, &s);
	return !o || order_axes(l->m->dims, &l->p->orders[o], &s, perm);
}

bool layout_has_split(const layout *l, value_id v)
{
	for (uint32_t i = 0; i < l->values[v].n; i++)
		if (!layout_is_whole(l, v, l->values[v].order[i]))
			return true;
	return false;
}

uint32_t layout_restricted(layout *l, value_id v, uint32_t o, value_id operand)
{
	shape s, x;
	order part;
	value_shape(l->m, v, &s);
	value_shape(l->m, operand, &x);
	return order_restricted(l->m->dims, &l->p->orders[o], &s, &x, &part) ? plan_order(l->p, &part) : NO_ID;
}

bool layout_is_broadcast(const layout *l, node_id id, uint32_t k)
{
	const node *n = &l->m->nodes[id];
	return k < n->n_in && port_of(l, id, k)->need == PORT_WHOLE && port_of(l, id, n->n_in)->need == PORT_SAME &&
	       has_class(l, n->in[k]) && has_class(l, n->out[0]) && n->in[k] != n->out[0];
}

/* Kernels walk a split axis of all operands alike. */
static void propagate_broadcast(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	for (uint32_t k = 0; k < n->n_in; k++)
		for (uint32_t i = 0; layout_is_broadcast(l, id, k) && i < l->values[n->out[0]].n; i++) {
			const uint32_t o = l->values[n->out[0]].order[i];
			const uint32_t part = layout_is_whole(l, n->out[0], o) ? NO_ID : layout_restricted(l, n->out[0], o, n->in[k]);
			if (part != NO_ID)
				layout_add(l, n->in[k], part);
		}
}

/* What a kernel that writes its last axis innermost makes of orders that others want: their axes as they are but for this one. */
static void propagate_rows(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	const port *need = port_of(l, id, n->n_in);
	const value_id v = n->out[0];
	shape s;
	order o;
	if ((need->need != PORT_ROWS && need->need != PORT_MATRIX && need->need != PORT_COLUMNS) || !need->unit)
		return;
	value_shape(l->m, v, &s);
	for (uint32_t i = 0; i < l->values[v].n; i++) {
		const uint32_t from = l->values[v].order[i];
		if (plan_port_order(l->p, &s, *need, from, from) != from && order_innermost(l->m->dims, &l->p->orders[from], &s, s.rank - 1, &o))
			layout_add(l, v, plan_order(l->p, &o));
	}
}

static void propagate(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	uint32_t to;
	if (n->n_bodies) {
		layout_propagate_ties(l, id);
		return;
	}
	if (layout_is_window(l, id)) {
		propagate_window(l, n);
		return;
	}
	if (layout_is_join(l, id)) {
		propagate_join(l, n);
		return;
	}
	if (is_view(n)) {
		if (!has_class(l, n->in[0]) || !has_class(l, n->out[0]))
			return;
		for (uint32_t i = 0; i < l->values[n->in[0]].n; i++)
			if (plan_view_order(l->p, n, l->values[n->in[0]].order[i], &to))
				layout_add(l, n->out[0], to);
		for (uint32_t i = 0; i < l->values[n->out[0]].n; i++)
			if (plan_view_order_back(l->p, n, l->values[n->out[0]].order[i], &to))
				layout_add(l, n->in[0], to);
		return;
	}
	const uint32_t count = n->n_in + n->n_out;
	const value_id out = n->n_out ? n->out[0] : NO_ID;
	if (out == NO_ID || !has_class(l, out))
		return;
	propagate_alike(l, id);
	propagate_rows(l, id);
	const bool tied = layout_ties_axes(l, id, n);
	for (uint32_t k = 0; k < count; k++) {
		const value_id v = operand_of(n, k);
		if (v == out || !has_class(l, v))
			continue;
		const bool same = port_of(l, id, k)->need == PORT_SAME && port_of(l, id, n->n_in)->need == PORT_SAME;
		if (!same && !(tied && same_rank(l, v, out)))
			continue;
		spread(l, v, out, same);
		spread(l, out, v, same);
	}
	propagate_broadcast(l, id);
}

uint32_t layout_way_order(layout *l, value_id v, port_need need)
{
	shape s;
	value_shape(l->m, v, &s);
	return plan_port_order(l->p, &s, (port){ need, false }, 0, 0);
}

uint32_t layout_wish(const layout *l, value_id v)
{
	return l->p->wishes ? l->p->wishes[v] : NO_ID;
}

/* What a node asks for by itself. */
static void seed(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	lower_way ways[LOWER_MAX_WAYS];
	size_t way_count;
	if (layout_ways(l, n, id, ways, &way_count))
		for (size_t w = 0; w < way_count; w++) {
			layout_add(l, n->in[0], layout_way_order(l, n->in[0], ways[w].in));
			layout_add(l, n->out[0], layout_way_order(l, n->out[0], ways[w].out));
		}
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		const value_id v = operand_of(n, k);
		if (!has_class(l, v))
			continue;
		if (layout_wish(l, v) != NO_ID)
			layout_add(l, v, layout_wish(l, v));
		layout_add(l, v, 0);
		if (!is_view(n) && port_of(l, id, k)->need == PORT_LAST)
			add_last(l, v);
	}
}

static void seed_borders(layout *l, const graph *g)
{
	for (size_t i = 0; i < g->input_count; i++) {
		layout_add(l, g->inputs[i], l->choice->produced[g->inputs[i]]);
		if (has_class(l, g->inputs[i]) && layout_wish(l, g->inputs[i]) != NO_ID)
			layout_add(l, g->inputs[i], layout_wish(l, g->inputs[i]));
	}
	for (size_t i = 0; i < g->output_count; i++)
		layout_add(l, g->outputs[i], 0);
}

void layout_find_candidates(layout *l)
{
	seed_borders(l, &l->m->graphs[0]);
	for (size_t i = 0; i < l->visit_count; i++) {
		const node *n = &l->m->nodes[l->visits[i].node];
		for (uint32_t j = 0; l->visits[i].enters && j < n->n_bodies; j++)
			seed_borders(l, &l->m->graphs[n->bodies[j]]);
		seed(l, l->visits[i].node);
	}
	l->changed = true;
	for (int sweep = 0; sweep < MAX_SWEEPS && l->changed && !l->failed; sweep++) {
		l->changed = false;
		for (size_t i = 0; i < l->visit_count; i++)
			propagate(l, l->visits[i].node);
		for (size_t i = l->visit_count; i-- > 0;)
			propagate(l, l->visits[i].node);
	}
	for (value_id v = 0; v < l->m->value_count; v++)
		layout_leave_out(l, l->values[v].refused, v, NO_ID);
	layout_leave_out(l, l->changed, l->grown, NO_ID);
}
