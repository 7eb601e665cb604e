/* Classes and groups of the problem. A pure view is a group that maps each order of its input to what it becomes, for nothing; elementwise
 * operands share one configuration an order; ports of dense kernels whose weights decouple them are groups of their own. References read
 * and write any order and have no wish. */
#include <stdio.h>
#include <string.h>

#include "layout_group.h"

uint64_t layout_runs(const layout *l, value_id v)
{
	const node_id made = l->m->values[v].producer;
	return l->p->runs[made == NO_ID ? l->m->values[v].graph : l->m->nodes[made].graph];
}

uint64_t layout_value_cost(const layout *l, value_id id)
{
	const uint64_t most = (uint64_t)1 << 36, runs = layout_runs(l, id);
	const value *v = &l->m->values[id];
	uint64_t bytes = clast_dtype_bytes(v->dtype);
	for (int a = 0; a < v->rank; a++) {
		const uint64_t e = (uint64_t)plan_extent(l->p, v->dims[a]);
		if (__builtin_mul_overflow(bytes, e ? e : 1, &bytes) || bytes > most)
			bytes = most;
	}
	if (l->p->times)
		bytes = (uint64_t)((double)bytes * l->p->times->conversion);
	const uint64_t once = l->p->objective == OBJECTIVE_COUNT ? 1 : bytes + 1;
	return runs == 0 ? 1 : once > most / runs ? most : once * runs;
}

static clast_status add_class(layout *l, value_id v)
{
	candidates *c = &l->values[v];
	if (!has_class(l, v) || c->class != NO_ID || !c->n)
		return CLAST_OK;
	const uint64_t cost = layout_value_cost(l, v);
	const size_t entries = (size_t)c->n * c->n;
	uint64_t *table = mem_array(&l->p->memory, entries, sizeof *table);
	if (!table || !grow(&l->p->memory, &l->class_value, &l->class_capacity, l->problem.classes + 1, sizeof *l->class_value)) {
		mem_free(&l->p->memory, table, entries * sizeof *table);
		return fail_memory(l->d, 0);
	}
	for (size_t i = 0; i < entries; i++)
		table[i] = cost;
	clast_status s = problem_add_class(&l->problem, c->n, table, false, &c->class, l->d);
	mem_free(&l->p->memory, table, entries * sizeof *table);
	if (s)
		return s;
	l->class_value[c->class] = v;
	shape sh;
	order o;
	value_shape(l->m, v, &sh);
	const uint32_t first = find(c, 0);
	if (first != NO_ID)
		s = problem_set_tag(&l->problem, c->class, TAG_FIRST, first, l->d);
	if (!s && order_last(l->m->dims, &sh, &o)) {
		const uint32_t last = find(c, plan_order(l->p, &o));
		if (last != NO_ID)
			s = problem_set_tag(&l->problem, c->class, TAG_LAST, last, l->d);
	}
	if (!s && sh.rank > 2 && order_blocked(l->m->dims, &sh, 1, (int64_t)cpu_kernels_get()->vector, &o)) {
		const uint32_t blocked = find(c, plan_order(l->p, &o));
		if (blocked != NO_ID)
			s = problem_set_tag(&l->problem, c->class, TAG_BLOCKED, blocked, l->d);
	}
	return s;
}

bool group_port(layout *l, group_builder *b, value_id v, bool produced, node_id node_number, uint32_t input)
{
	if (b->ports == GROUP_MAX_PORTS) {
		b->left_out++;
		return false;
	}
	b->owner[b->ports] = (port_owner){ node_number, input };
	b->port[b->ports++] = (problem_port){ .class = l->values[v].class, .produced = produced };
	return true;
}

static clast_status refuse_wish(layout *l, const group_builder *b, uint32_t at)
{
	const value_id v = l->class_value[b->port[at].class];
	const node_id id = b->owner[at].node;
	char wanted[128], possible[512];
	size_t used = 0;
	shape s;
	value_shape(l->m, v, &s);
	plan_order_text(l->p, &l->p->orders[layout_wish(l, v)], &s, wanted, sizeof wanted);
	possible[0] = 0;
	for (uint32_t i = 0; i < b->configs && used < sizeof possible; i++) {
		char text[128];
		plan_order_text(l->p, &l->p->orders[l->values[v].order[b->order[i * b->ports + at]]], &s, text, sizeof text);
		if (!strstr(possible, text))
			used += (size_t)snprintf(possible + used, sizeof possible - used, "%s%s", used ? ", or " : "", text);
	}
	if (l->d)
		diag_value(l->d, l->m->values[v].name);
	return id == NO_ID ? fail(l->d, CLAST_ERROR_ARGUMENT, "the order %s is asked for, but it is handed in as %s", wanted, possible) :
	                     fail(l->d, CLAST_ERROR_ARGUMENT, "the order %s is asked for, but %s writes %s", wanted, l->m->nodes[id].op->name, possible);
}

/* Leaves the configurations that write what the caller asked for. */
static clast_status keep_wishes(layout *l, group_builder *b)
{
	for (uint32_t k = 0; l->p->wishes && k < b->ports; k++) {
		const value_id v = l->class_value[b->port[k].class];
		uint32_t kept = 0, native = PROBLEM_NONE;
		if (!b->port[k].produced || layout_wish(l, v) == NO_ID)
			continue;
		for (uint32_t i = 0; i < b->configs; i++) {
			if (l->values[v].order[b->order[i * b->ports + k]] != layout_wish(l, v))
				continue;
			native = i == b->native ? kept : native;
			memmove(b->order + kept * b->ports, b->order + i * b->ports, b->ports * sizeof *b->order);
			b->cost[kept++] = b->cost[i];
		}
		if (!kept)
			return refuse_wish(l, b, k);
		b->configs = kept;
		b->native = native;
	}
	return CLAST_OK;
}

clast_status group_done(layout *l, group_builder *b)
{
	uint32_t unused;
	if (!b->ports || !b->configs)
		return CLAST_OK;
	layout_leave_out(l, b->left_out, NO_ID, b->owner[0].node);
	if (!grow(&l->p->memory, &l->owner, &l->owner_capacity, l->owner_count + b->ports, sizeof *l->owner))
		return fail_memory(l->d, 0);
	const clast_status s = keep_wishes(l, b);
	if (s)
		return s;
	memcpy(l->owner + l->owner_count, b->owner, b->ports * sizeof *b->owner);
	l->owner_count += b->ports;
	return problem_add_group(&l->problem, b->ports, b->port, b->configs, b->cost, b->order, b->native, &unused, l->d);
}

bool group_keep(group_builder *b)
{
	const bool room = b->configs < GROUP_MAX_CONFIGS && (b->configs + 1) * b->ports <= GROUP_MAX_ENTRIES;
	b->left_out += !room;
	b->configs += room;
	return room;
}

void group_reset(group_builder *b)
{
	b->ports = b->configs = 0;
	b->left_out = 0;
	b->native = PROBLEM_NONE;
}

/* One port with every candidate that the need admits. */
static clast_status single(layout *l, group_builder *b, value_id v, bool produced, node_id id, uint32_t input, const port *need)
{
	const candidates *c = &l->values[v];
	shape s;
	if (c->class == NO_ID)
		return CLAST_OK;
	group_reset(b);
	group_port(l, b, v, produced, id, input);
	value_shape(l->m, v, &s);
	for (uint32_t i = 0; i < c->n; i++) {
		const bool admitted = plan_port_order(l->p, &s, *need, c->order[i], c->order[i]) == c->order[i];
		if (!admitted)
			continue;
		b->cost[b->configs] = 0;
		b->order[b->configs] = (uint16_t)i;
		group_keep(b);
	}
	return group_done(l, b);
}

/* Whether the order of a broadcast operand depends on that of the output. */
static bool follows_output(const layout *l, node_id id, uint32_t k)
{
	const node *n = &l->m->nodes[id];
	return layout_is_broadcast(l, id, k) && l->values[n->in[k]].class != NO_ID && (layout_has_split(l, n->out[0]) || layout_has_split(l, n->in[k]));
}

/* What a broadcast operand has to be in, a candidate: where the output is whole, any whole order serves, and row-major stands for them. */
static uint32_t broadcast_candidate(layout *l, value_id out, uint32_t o, value_id operand)
{
	const candidates *c = &l->values[operand];
	const uint32_t part = layout_restricted(l, out, o, operand), at = part == NO_ID ? NO_ID : find(c, part);
	return at != NO_ID || !layout_is_whole(l, out, o) ? at : find(c, 0);
}

/* Whether operands in the orders that follow from order `from` of value `base` are a configuration, the next one of the builder. */
static bool tied_orders(layout *l, group_builder *b, node_id id, bool by_axes, value_id base, uint32_t from)
{
	const node *n = &l->m->nodes[id];
	uint16_t *row = b->order + b->configs * b->ports;
	for (uint32_t k = 0; k < b->ports; k++) {
		const uint32_t input = b->owner[k].input;
		const value_id v = operand_of(n, input);
		if (!by_axes && layout_is_broadcast(l, id, input)) {
			const uint32_t part = broadcast_candidate(l, base, from, v);
			if (part == NO_ID)
				return false;
			row[k] = (uint16_t)part;
			continue;
		}
		const uint32_t o = !by_axes || v == base ? from : layout_carry(l, base, from, v);
		const uint32_t at = o == NO_ID ? NO_ID : find(&l->values[v], o);
		shape s;
		value_shape(l->m, v, &s);
		if (at == NO_ID || plan_port_order(l->p, &s, *port_of(l, id, input), o, o) != o)
			return false;
		row[k] = (uint16_t)at;
	}
	for (uint32_t i = 0; i < b->configs; i++)
		if (!memcmp(b->order + i * b->ports, row, b->ports * sizeof *row))
			return false;
	return true;
}

/* Operands in one order: PORT_SAME ones by the order itself, others as the same permutation of axes. Where an axis has but one element on one
 * side (reductions), several orders of the other side are the same one there, so both sides are starting points. */
static clast_status same_group(layout *l, group_builder *b, node_id id, bool by_axes)
{
	const node *n = &l->m->nodes[id];
	const value_id out = n->out[0], base[] = { out, by_axes ? n->in[0] : out };
	group_reset(b);
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		const value_id v = operand_of(n, k);
		const port_need need = port_of(l, id, k)->need;
		if (has_class(l, v) && l->values[v].class != NO_ID && (by_axes ? same_rank(l, v, out) && need != PORT_ABSENT : need == PORT_SAME || follows_output(l, id, k)))
			group_port(l, b, v, k >= n->n_in, id, k);
	}
	for (int side = 0; side < 1 + by_axes; side++) {
		const candidates *c = &l->values[base[side]];
		for (uint32_t i = 0; i < c->n; i++) {
			b->cost[b->configs] = 0;
			if (tied_orders(l, b, id, by_axes, base[side], c->order[i]))
				group_keep(b);
		}
	}
	return group_done(l, b);
}

static clast_status view_group(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	if (!has_class(l, n->in[0]) || !has_class(l, n->out[0]))
		return has_class(l, n->out[0]) ? single(l, b, n->out[0], true, id, n->n_in, &(port){ PORT_FIRST, false }) : CLAST_OK;
	group_reset(b);
	group_port(l, b, n->in[0], false, id, 0);
	group_port(l, b, n->out[0], true, id, n->n_in);
	for (uint32_t i = 0; i < x->n; i++) {
		uint32_t to;
		const uint32_t at = plan_view_order(l->p, n, x->order[i], &to) ? find(y, to) : NO_ID;
		if (at == NO_ID)
			continue;
		b->order[b->configs * 2] = (uint16_t)i;
		b->order[b->configs * 2 + 1] = (uint16_t)at;
		b->cost[b->configs] = 0;
		group_keep(b);
	}
	const uint32_t first_in = find(x, 0), first_out = find(y, 0);
	uint32_t to;
	if (first_in != NO_ID && first_out != NO_ID && !(plan_view_order(l->p, n, 0, &to) && to == 0)) {
		b->order[b->configs * 2] = (uint16_t)first_in; /* a copy */
		b->order[b->configs * 2 + 1] = (uint16_t)first_out;
		b->cost[b->configs] = layout_value_cost(l, n->out[0]);
		group_keep(b);
	}
	return group_done(l, b);
}

/* The bytes of a value that a kernel copies on the way, a little less than a conversion, which is a step of its own; nothing where
 * conversions are counted. */
uint64_t layout_copy_cost(const layout *l, value_id v)
{
	return l->p->objective == OBJECTIVE_COUNT ? 0 : layout_value_cost(l, v) - 1;
}

/* Input 0 and the windows cut out of it, for each order of the input. */
static clast_status window_group(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]];
	clast_status s = CLAST_OK;
	group_reset(b);
	if (has_class(l, n->in[0]) && x->class != NO_ID)
		group_port(l, b, n->in[0], false, id, 0);
	for (uint32_t j = 0; b->ports && j < n->n_out; j++)
		if (has_class(l, n->out[j]) && !group_port(l, b, n->out[j], true, id, n->n_in + j))
			b->ports = 0;
	for (uint32_t i = 0; b->ports > 1 && i < x->n; i++) {
		bool legal = true;
		b->order[b->configs * b->ports] = (uint16_t)i;
		b->cost[b->configs] = 0;
		for (uint32_t k = 1; legal && k < b->ports; k++) {
			const uint32_t j = b->owner[k].input - n->n_in;
			uint32_t to;
			bool copies;
			const uint32_t at = plan_window_order(l->p, n, j, x->order[i], &to, &copies) ? find(&l->values[n->out[j]], to) : NO_ID;
			legal = at != NO_ID;
			b->order[b->configs * b->ports + k] = (uint16_t)at;
			b->cost[b->configs] += legal && copies ? layout_copy_cost(l, n->out[j]) : 0;
		}
		if (legal)
			group_keep(b);
	}
	if (b->configs)
		return group_done(l, b);
	layout_leave_out(l, b->left_out, NO_ID, id);
	for (uint32_t j = 0; !s && j < n->n_out; j++) /* no window in any order: copies */
		if (has_class(l, n->out[j]))
			s = single(l, b, n->out[j], true, id, n->n_in + j, port_of(l, id, n->n_in + j));
	return s;
}

/* Whether a value could be written into a slot, as windows and views on other values cannot. */
static bool made_by_kernel(const layout *l, value_id v)
{
	const node_id id = l->m->values[v].producer;
	return has_class(l, v) && id != NO_ID && !is_view(&l->m->nodes[id]) && !l->m->nodes[id].op->window;
}

/* The output and its inputs as they lie in their slots. */
static clast_status join_group(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const candidates *y = &l->values[n->out[0]];
	group_reset(b);
	if (!has_class(l, n->out[0]))
		return CLAST_OK;
	bool room = group_port(l, b, n->out[0], true, id, n->n_in);
	for (uint32_t k = 0; k < n->n_in; k++)
		if (has_class(l, n->in[k]) && l->values[n->in[k]].class != NO_ID)
			room &= group_port(l, b, n->in[k], false, id, k);
	for (uint32_t i = 0; room && i < y->n; i++) {
		bool copies, legal = layout_slots(l, n, y->order[i], &copies);
		b->order[b->configs * b->ports] = (uint16_t)i;
		b->cost[b->configs] = 0;
		for (uint32_t k = 0; legal && copies && k < n->n_in; k++)
			b->cost[b->configs] += made_by_kernel(l, n->in[k]) ? layout_copy_cost(l, n->in[k]) : 0;
		for (uint32_t k = 1; legal && k < b->ports; k++) {
			const uint32_t input = b->owner[k].input, at = find(&l->values[n->in[input]], l->slots[input]);
			legal = at != NO_ID;
			b->order[b->configs * b->ports + k] = (uint16_t)at;
		}
		if (legal)
			group_keep(b);
	}
	if (!b->configs)
		layout_leave_out(l, b->left_out, NO_ID, id);
	return b->configs ? group_done(l, b) : single(l, b, n->out[0], true, id, n->n_in, port_of(l, id, n->n_in));
}

static clast_status node_groups(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const bool reference = l->views[id].family == FAMILY_REFERENCE;
	const bool tied = !reference && layout_ties_axes(l, id, n);
	const bool same = !reference && n->n_out && port_of(l, id, n->n_in)->need == PORT_SAME && has_class(l, n->out[0]);
	clast_status s = CLAST_OK;
	lower_way ways[LOWER_MAX_WAYS];
	size_t way_count;
	if (is_view(n))
		return view_group(l, b, id);
	if (layout_is_window(l, id))
		return window_group(l, b, id);
	if (layout_is_join(l, id))
		return join_group(l, b, id);
	const bool by_ways = layout_ways(l, n, id, ways, &way_count) && layout_ways_matter(l, id, ways, way_count);
	if (by_ways)
		s = layout_way_group(l, b, id, ways, way_count);
	else if (same || tied)
		s = same_group(l, b, id, !same);
	for (uint32_t k = 0; !s && k < n->n_in + n->n_out; k++) {
		const value_id v = operand_of(n, k);
		const port *need = port_of(l, id, k);
		const bool produced = k >= n->n_in;
		if (!has_class(l, v) || (!produced && (reference || need->need == PORT_ABSENT || need->need == PORT_VIEW)))
			continue;
		if (by_ways && (k == 0 || k == n->n_in))
			continue;
		if ((same && (need->need == PORT_SAME || follows_output(l, id, k))) || (tied && same_rank(l, v, n->out[0])))
			continue;
		s = single(l, b, v, produced, id, k, need);
	}
	return s;
}

clast_status group_fixed(layout *l, group_builder *b, value_id v, bool produced, uint32_t wanted)
{
	const uint32_t at = has_class(l, v) && l->values[v].class != NO_ID ? find(&l->values[v], wanted) : NO_ID;
	if (at == NO_ID)
		return CLAST_OK;
	group_reset(b);
	group_port(l, b, v, produced, NO_ID, 0);
	b->order[0] = (uint16_t)at;
	b->cost[0] = 0;
	b->configs = 1;
	return group_done(l, b);
}

static clast_status add_classes(layout *l)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < l->m->graphs[0].input_count; i++)
		s = add_class(l, l->m->graphs[0].inputs[i]);
	for (size_t i = 0; !s && i < l->visit_count; i++) {
		const node *n = &l->m->nodes[l->visits[i].node];
		for (uint32_t j = 0; !s && l->visits[i].enters && j < n->n_bodies; j++)
			for (size_t k = 0; !s && k < l->m->graphs[n->bodies[j]].input_count; k++)
				s = add_class(l, l->m->graphs[n->bodies[j]].inputs[k]);
		for (uint32_t j = 0; !s && !l->visits[i].enters && j < n->n_out; j++)
			if (n->out[j] != NO_ID)
				s = add_class(l, n->out[j]);
	}
	return s;
}

clast_status layout_build(layout *l, const uint32_t *output_orders)
{
	const graph *g = &l->m->graphs[0];
	group_builder *b = mem_alloc(&l->p->memory, sizeof *b);
	if (!b)
		return fail_memory(l->d, sizeof *b);
	clast_status s = add_classes(l);
	for (size_t i = 0; !s && i < g->input_count; i++)
		s = group_fixed(l, b, g->inputs[i], true, l->choice->produced[g->inputs[i]]);
	for (size_t i = 0; !s && i < l->visit_count; i++) {
		const visit *v = &l->visits[i];
		s = l->m->nodes[v->node].n_bodies ? layout_tie_groups(l, b, v->node, v->enters) : node_groups(l, b, v->node);
	}
	for (size_t i = 0; !s && i < g->output_count; i++)
		s = group_fixed(l, b, g->outputs[i], false, output_orders[i]);
	mem_free(&l->p->memory, b, sizeof *b);
	return s ? s : problem_finish(&l->problem, l->d);
}
