/* From a graph to the layout problem, and from its solution to orders.
 *
 * A class is a value. Its candidate orders are row-major, those that kernels ask for, and what views and tied operands make of them,
 * forwards and backwards, until nothing new turns up. A pure view is a group that maps each order of its input to what it becomes, for
 * nothing. Elementwise operands share one configuration an order; the ports of dense kernels are groups of their own. References read
 * and write any order and have no wish. Costs are bytes of conversions; unknown extents count as plan_extent says. */
#include <stdio.h>
#include <string.h>

#include "plan.h"
#include "solve.h"
#include "strategy.h"

#define MAX_CANDIDATES 48
#define MAX_SWEEPS 8

typedef struct candidates {
	uint32_t n, class;
	uint32_t *order; /* indices into plan.orders */
	size_t capacity;
} candidates;

typedef struct port_owner {
	node_id node;
	uint32_t input;
} port_owner;

typedef struct layout {
	clast_plan *p;
	clast_model *m;
	const graph *g;
	graph_id id;
	node_view *views;
	order_choice *choice;
	candidates *values;      /* by graph value */
	value_id *class_value;   /* by class */
	size_t class_capacity;
	port_owner *owner;       /* by port of the problem */
	size_t owner_count, owner_capacity;
	uint32_t *slots;         /* scratch: orders of the inputs of a join */
	size_t slot_capacity;
	problem problem;
	bool changed, failed;    /* failed: out of memory */
	clast_diag *d;
} layout;

/* ---- Candidates ---- */

static bool has_class(const layout *l, value_id v)
{
	return v != NO_ID && !l->m->values[v].constant && l->m->values[v].rank >= 0 && l->m->values[v].kind == KIND_TENSOR;
}

static uint32_t find(const candidates *c, uint32_t wanted)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->order[i] == wanted)
			return i;
	return NO_ID;
}

static void add(layout *l, value_id v, uint32_t made)
{
	candidates *c = &l->values[v];
	if (made == UINT32_MAX) {
		l->failed = true;
		return;
	}
	if (!has_class(l, v) || c->n == MAX_CANDIDATES || find(c, made) != NO_ID)
		return;
	if (!grow(&l->p->memory, &c->order, &c->capacity, c->n + 1, sizeof *c->order)) {
		l->failed = true;
		return;
	}
	c->order[c->n++] = made;
	l->changed = true;
}

static bool is_view(const node *n)
{
	for (uint32_t j = 1; j < n->n_out; j++)
		if (n->out[j] != NO_ID)
			return false;
	return (n->op->rule == RULE_PERMUTE || n->op->rule == RULE_REGROUP) && n->op->views;
}

static void add_last(layout *l, value_id v)
{
	shape s;
	order o;
	value_shape(l->m, v, &s);
	if (has_class(l, v) && order_last(l->m->dims, &s, &o))
		add(l, v, plan_order(l->p, &o));
}

static const port *port_of(const layout *l, node_id id, uint32_t operand)
{
	return &l->views[id].ports[operand];
}

/* Operand k of a node: inputs, then outputs. */
static value_id operand_of(const node *n, uint32_t k)
{
	return n->in[k]; /* one array */
}

static bool same_rank(const layout *l, value_id a, value_id b)
{
	return has_class(l, a) && has_class(l, b) && l->m->values[a].rank == l->m->values[b].rank;
}

/* What order `from` of value a is for value b of another shape. */
static uint32_t carry(layout *l, value_id a, uint32_t from, value_id b)
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
		const uint32_t from = l->values[a].order[i], to = same_shape ? from : carry(l, a, from, b);
		if (to != NO_ID)
			add(l, b, to);
	}
}

/* Whether the operands of a node are free to lie in whatever order they share. */
static bool ties_axes(const layout *l, node_id id, const node *n)
{
	if (!n->n_in || !n->n_out || n->out[0] == NO_ID || !same_rank(l, n->in[0], n->out[0]))
		return false;
	const port_need in = port_of(l, id, 0)->need, out = port_of(l, id, n->n_in)->need;
	return (in == PORT_WHOLE || in == PORT_VIEW || in == PORT_ROWS) && (out == PORT_WHOLE || out == PORT_VIEW || out == PORT_ROWS) &&
	       (n->op->rule == RULE_AXIS || n->op->rule == RULE_ANY || n->op->rule == RULE_CHANNELS || in == PORT_ROWS);
}

/* Nodes whose kernels leave inputs or outputs where they are. */
static bool is_window(const layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	return n->op->window && l->views[id].family != FAMILY_REFERENCE && port_of(l, id, 0)->need == PORT_VIEW;
}

static bool is_join(const layout *l, node_id id)
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
				add(l, n->out[j], to);
		if (same_rank(l, n->out[j], n->in[0]))
			spread(l, n->out[j], n->in[0], false);
	}
}

/* Orders of the inputs in their slots, in l->slots; false if there are none. */
static bool slots_of(layout *l, const node *n, uint32_t from, bool *copies)
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
		const bool there = slots_of(l, n, l->values[n->out[0]].order[i], &copies);
		for (uint32_t k = 0; there && k < n->n_in; k++)
			add(l, n->in[k], l->slots[k]);
	}
	for (uint32_t k = 0; k < n->n_in; k++)
		if (same_rank(l, n->in[k], n->out[0]))
			spread(l, n->in[k], n->out[0], false);
}

static bool offers_ways(const layout *l, const node *n, node_id id, lower_way *ways, size_t *count)
{
	*count = is_view(n) ? 0 : plan_ways(l->p, n, &l->views[id], ways);
	return *count > 0 && has_class(l, n->in[0]) && has_class(l, n->out[0]);
}

/* Whether operand k of a node may be in an order if its port needs `need`. */
static bool serves_way(layout *l, node_id id, uint32_t k, port_need need, uint32_t o)
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
		const uint32_t o = l->values[from].order[i], kept = serves_way(l, id, a, need, o) ? carry(l, from, o, to) : NO_ID;
		if (kept != NO_ID && serves_way(l, id, b, need, kept))
			add(l, to, kept);
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
	if (!offers_ways(l, n, id, ways, &count))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!ways[i].alike && !(tied && ways[i].in == PORT_LAST && ways[i].out == PORT_LAST))
			continue;
		spread_alike(l, id, 0, n->n_in, ways[i].in);
		spread_alike(l, id, n->n_in, 0, ways[i].in);
	}
}

static bool keeps_axes_whole(const layout *l, value_id v, uint32_t o)
{
	shape s;
	int perm[CLAST_MAX_RANK];
	value_shape(l->m, v, &s);
	return !o || order_axes(l->m->dims, &l->p->orders[o], &s, perm);
}

static bool has_split(const layout *l, value_id v)
{
	for (uint32_t i = 0; i < l->values[v].n; i++)
		if (!keeps_axes_whole(l, v, l->values[v].order[i]))
			return true;
	return false;
}

/* The order of an operand that is broadcast to value v in order o. */
static uint32_t restricted(layout *l, value_id v, uint32_t o, value_id operand)
{
	shape s, x;
	order part;
	value_shape(l->m, v, &s);
	value_shape(l->m, operand, &x);
	return order_restricted(l->m->dims, &l->p->orders[o], &s, &x, &part) ? plan_order(l->p, &part) : NO_ID;
}

static bool is_broadcast(const layout *l, node_id id, uint32_t k)
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
		for (uint32_t i = 0; is_broadcast(l, id, k) && i < l->values[n->out[0]].n; i++) {
			const uint32_t o = l->values[n->out[0]].order[i];
			const uint32_t part = keeps_axes_whole(l, n->out[0], o) ? NO_ID : restricted(l, n->out[0], o, n->in[k]);
			if (part != NO_ID)
				add(l, n->in[k], part);
		}
}

static void propagate(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	uint32_t to;
	if (is_window(l, id)) {
		propagate_window(l, n);
		return;
	}
	if (is_join(l, id)) {
		propagate_join(l, n);
		return;
	}
	if (is_view(n)) {
		if (!has_class(l, n->in[0]) || !has_class(l, n->out[0]))
			return;
		for (uint32_t i = 0; i < l->values[n->in[0]].n; i++)
			if (plan_view_order(l->p, n, l->values[n->in[0]].order[i], &to))
				add(l, n->out[0], to);
		for (uint32_t i = 0; i < l->values[n->out[0]].n; i++)
			if (plan_view_order_back(l->p, n, l->values[n->out[0]].order[i], &to))
				add(l, n->in[0], to);
		return;
	}
	const uint32_t count = n->n_in + n->n_out;
	const value_id out = n->n_out ? n->out[0] : NO_ID;
	if (out == NO_ID || !has_class(l, out))
		return;
	propagate_alike(l, id);
	const bool tied = ties_axes(l, id, n);
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

/* The order of a value that a way is made for. */
static uint32_t way_order(layout *l, value_id v, port_need need)
{
	shape s;
	value_shape(l->m, v, &s);
	return plan_port_order(l->p, &s, (port){ need, false }, 0, 0);
}

/* The order that the caller gives the value, or NO_ID. */
static uint32_t wish(const layout *l, value_id v)
{
	return l->p->wishes ? l->p->wishes[v] : NO_ID;
}

static void find_candidates(layout *l)
{
	for (size_t i = 0; i < l->g->input_count; i++)
		add(l, l->g->inputs[i], l->choice->produced[l->g->inputs[i]]);
	for (size_t i = 0; i < l->g->capture_count; i++)
		add(l, l->g->captures[i], l->choice->produced[l->g->captures[i]]);
	for (size_t i = 0; i < l->g->node_count; i++) {
		const node *n = &l->m->nodes[l->g->nodes[i]];
		lower_way ways[LOWER_MAX_WAYS];
		size_t way_count;
		if (offers_ways(l, n, l->g->nodes[i], ways, &way_count))
			for (size_t w = 0; w < way_count; w++) {
				add(l, n->in[0], way_order(l, n->in[0], ways[w].in));
				add(l, n->out[0], way_order(l, n->out[0], ways[w].out));
			}
		for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
			const value_id v = operand_of(n, k);
			if (!has_class(l, v))
				continue;
			if (wish(l, v) != NO_ID)
				add(l, v, wish(l, v));
			add(l, v, 0);
			if (!is_view(n) && port_of(l, l->g->nodes[i], k)->need == PORT_LAST)
				add_last(l, v);
		}
	}
	for (size_t i = 0; i < l->g->output_count; i++)
		add(l, l->g->outputs[i], 0);
	l->changed = true;
	for (int sweep = 0; sweep < MAX_SWEEPS && l->changed && !l->failed; sweep++) {
		l->changed = false;
		for (size_t i = 0; i < l->g->node_count; i++)
			propagate(l, l->g->nodes[i]);
		for (size_t i = l->g->node_count; i-- > 0;)
			propagate(l, l->g->nodes[i]);
	}
}

/* ---- Classes and groups ---- */

static uint64_t value_cost(const layout *l, value_id id)
{
	const value *v = &l->m->values[id];
	uint64_t bytes = clast_dtype_bytes(v->dtype);
	for (int a = 0; a < v->rank; a++) {
		const uint64_t e = (uint64_t)plan_extent(l->p, v->dims[a]);
		if (__builtin_mul_overflow(bytes, e ? e : 1, &bytes) || bytes > (uint64_t)1 << 36)
			return (uint64_t)1 << 36;
	}
	return l->p->count_conversions ? 1 : bytes + 1;
}

static clast_status add_class(layout *l, value_id v)
{
	candidates *c = &l->values[v];
	if (!has_class(l, v) || c->class != NO_ID || !c->n)
		return CLAST_OK;
	const uint64_t cost = value_cost(l, v);
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

#define MAX_PORTS 256
#define MAX_CONFIGS 4096
#define MAX_ENTRIES (MAX_CANDIDATES * MAX_PORTS) /* configurations times ports */

/* A group being put together: rows of candidate indices. */
typedef struct group_builder {
	problem_port port[MAX_PORTS];
	port_owner owner[MAX_PORTS];
	uint32_t ports, configs, native;
	uint16_t order[MAX_ENTRIES];
	uint64_t cost[MAX_CONFIGS];
} group_builder;

static bool group_port(layout *l, group_builder *b, value_id v, bool produced, node_id node_number, uint32_t input)
{
	if (b->ports == MAX_PORTS)
		return false;
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
	plan_order_text(l->p, &l->p->orders[wish(l, v)], &s, wanted, sizeof wanted);
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
		if (!b->port[k].produced || wish(l, v) == NO_ID)
			continue;
		for (uint32_t i = 0; i < b->configs; i++) {
			if (l->values[v].order[b->order[i * b->ports + k]] != wish(l, v))
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

static clast_status group_done(layout *l, group_builder *b)
{
	uint32_t unused;
	if (!b->ports || !b->configs)
		return CLAST_OK;
	if (!grow(&l->p->memory, &l->owner, &l->owner_capacity, l->owner_count + b->ports, sizeof *l->owner))
		return fail_memory(l->d, 0);
	const clast_status s = keep_wishes(l, b);
	if (s)
		return s;
	memcpy(l->owner + l->owner_count, b->owner, b->ports * sizeof *b->owner);
	l->owner_count += b->ports;
	return problem_add_group(&l->problem, b->ports, b->port, b->configs, b->cost, b->order, b->native, &unused, l->d);
}

static void reset(group_builder *b)
{
	b->ports = b->configs = 0;
	b->native = PROBLEM_NONE;
}

/* One port with every candidate that the need admits. */
static clast_status single(layout *l, group_builder *b, value_id v, bool produced, node_id id, uint32_t input, const port *need)
{
	const candidates *c = &l->values[v];
	shape s;
	if (c->class == NO_ID)
		return CLAST_OK;
	reset(b);
	group_port(l, b, v, produced, id, input);
	value_shape(l->m, v, &s);
	for (uint32_t i = 0; i < c->n; i++) {
		const bool admitted = plan_port_order(l->p, &s, *need, c->order[i], c->order[i]) == c->order[i];
		if (!admitted)
			continue;
		b->cost[b->configs] = 0;
		b->order[b->configs++] = (uint16_t)i;
	}
	return group_done(l, b);
}

/* Whether the order of a broadcast operand depends on that of the output. */
static bool follows_output(const layout *l, node_id id, uint32_t k)
{
	const node *n = &l->m->nodes[id];
	return is_broadcast(l, id, k) && l->values[n->in[k]].class != NO_ID && (has_split(l, n->out[0]) || has_split(l, n->in[k]));
}

/* What a broadcast operand has to be in, a candidate: where the output is whole, any whole order serves, and row-major stands for them. */
static uint32_t broadcast_candidate(layout *l, value_id out, uint32_t o, value_id operand)
{
	const candidates *c = &l->values[operand];
	const uint32_t part = restricted(l, out, o, operand), at = part == NO_ID ? NO_ID : find(c, part);
	return at != NO_ID || !keeps_axes_whole(l, out, o) ? at : find(c, 0);
}

/* Operands in one order: PORT_SAME ones by the order itself, others as the same permutation of axes. */
static clast_status tie(layout *l, group_builder *b, node_id id, bool by_axes)
{
	const node *n = &l->m->nodes[id];
	const value_id out = n->out[0];
	const candidates *c = &l->values[out];
	value_id member[MAX_PORTS];
	shape s;
	reset(b);
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		const value_id v = operand_of(n, k);
		const port_need need = port_of(l, id, k)->need;
		if (!has_class(l, v) || l->values[v].class == NO_ID || (by_axes ? !same_rank(l, v, out) || need == PORT_ABSENT : need != PORT_SAME && !follows_output(l, id, k)))
			continue;
		if (b->ports == MAX_PORTS)
			break;
		member[b->ports] = v;
		group_port(l, b, v, k >= n->n_in, id, k);
	}
	for (uint32_t i = 0; i < c->n; i++) {
		bool legal = true;
		for (uint32_t k = 0; legal && k < b->ports; k++) {
			const value_id v = member[k];
			if (!by_axes && is_broadcast(l, id, b->owner[k].input)) {
				const uint32_t part = broadcast_candidate(l, out, c->order[i], v);
				legal = part != NO_ID;
				b->order[b->configs * b->ports + k] = (uint16_t)part;
				continue;
			}
			const uint32_t o = !by_axes || v == out ? c->order[i] : carry(l, out, c->order[i], v);
			const uint32_t at = o == NO_ID ? NO_ID : find(&l->values[v], o);
			value_shape(l->m, v, &s);
			legal = at != NO_ID && plan_port_order(l->p, &s, *port_of(l, id, b->owner[k].input), o, o) == o;
			b->order[b->configs * b->ports + k] = (uint16_t)at;
		}
		b->cost[b->configs] = 0;
		b->configs += legal;
	}
	return group_done(l, b);
}

static clast_status view_group(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	if (!has_class(l, n->in[0]) || !has_class(l, n->out[0]))
		return has_class(l, n->out[0]) ? single(l, b, n->out[0], true, id, n->n_in, &(port){ PORT_FIRST, false }) : CLAST_OK;
	reset(b);
	group_port(l, b, n->in[0], false, id, 0);
	group_port(l, b, n->out[0], true, id, n->n_in);
	for (uint32_t i = 0; i < x->n; i++) {
		uint32_t to;
		const uint32_t at = plan_view_order(l->p, n, x->order[i], &to) ? find(y, to) : NO_ID;
		if (at == NO_ID)
			continue;
		b->order[b->configs * 2] = (uint16_t)i;
		b->order[b->configs * 2 + 1] = (uint16_t)at;
		b->cost[b->configs++] = 0;
	}
	const uint32_t first_in = find(x, 0), first_out = find(y, 0);
	uint32_t to;
	if (b->configs < MAX_CANDIDATES && first_in != NO_ID && first_out != NO_ID && !(plan_view_order(l->p, n, 0, &to) && to == 0)) {
		b->order[b->configs * 2] = (uint16_t)first_in; /* a copy */
		b->order[b->configs * 2 + 1] = (uint16_t)first_out;
		b->cost[b->configs++] = value_cost(l, n->out[0]);
	}
	return group_done(l, b);
}

/* What a way costs more than the fastest, in bytes of conversions that take as long: each is read and written. */
static uint64_t way_cost(const layout *l, const lower_way *ways, size_t count, size_t at)
{
	double least = lower_time(ways[0].flops, ways[0].bytes);
	for (size_t i = 1; i < count; i++) {
		const double t = lower_time(ways[i].flops, ways[i].bytes);
		least = t < least ? t : least;
	}
	const double more = (lower_time(ways[at].flops, ways[at].bytes) - least) / lower_time(0, 2);
	return l->p->count_conversions ? 0 : more < 1e10 ? (uint64_t)more : (uint64_t)1e10;
}

/* Whether some order serves a way other than the first, which alone would leave input and output independent of one another. */
static bool ways_matter(layout *l, node_id id, const lower_way *ways, size_t count)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	if (port_of(l, id, 0)->channels == CHANNELS_TIED)
		return true;
	for (size_t i = 1; i < count; i++) {
		bool in = false, out = false;
		for (uint32_t p = 0; !in && p < x->n; p++)
			in = serves_way(l, id, 0, ways[i].in, x->order[p]);
		for (uint32_t q = 0; in && !out && q < y->n; q++)
			out = serves_way(l, id, n->n_in, ways[i].out, y->order[q]);
		if (in && out)
			return true;
	}
	return false;
}

/* Input 0 and output 0 together, a configuration for each way of the family. Counting conversions makes sense within the kernels of one
 * order only: a network that stays in row-major order converts nothing and is slow. */
static bool add_pair(group_builder *b, uint32_t in, uint32_t out, uint64_t cost)
{
	if (b->configs == MAX_CONFIGS || (b->configs + 1) * 2 > MAX_ENTRIES)
		return false;
	b->order[b->configs * 2] = (uint16_t)in;
	b->order[b->configs * 2 + 1] = (uint16_t)out;
	b->cost[b->configs++] = cost;
	return true;
}

static clast_status way_group(layout *l, group_builder *b, node_id id, const lower_way *ways, size_t count)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	const bool all = !l->p->count_conversions || strcmp(l->p->strategy, "min");
	const bool tied = port_of(l, id, 0)->channels == CHANNELS_TIED;
	bool room = true;
	reset(b);
	group_port(l, b, n->in[0], false, id, 0);
	group_port(l, b, n->out[0], true, id, n->n_in);
	for (size_t i = 0; i < count; i++) {
		const bool alike = ways[i].alike || (tied && ways[i].in == PORT_LAST && ways[i].out == PORT_LAST);
		const uint32_t in = way_order(l, n->in[0], ways[i].in), out = way_order(l, n->out[0], ways[i].out);
		const uint64_t cost = way_cost(l, ways, count, i);
		if (!all && i && !ways[i].alike && ways[i].in != ways[0].in && ways[i].out != ways[0].out)
			continue;
		if (find(x, in) != NO_ID && find(y, out) != NO_ID && serves_way(l, id, 0, ways[i].in, in) &&
		    serves_way(l, id, n->n_in, ways[i].out, out)) { /* what the way is made for comes first */
			b->native = i ? b->native : b->configs;
			room = add_pair(b, find(x, in), find(y, out), cost);
		}
		for (uint32_t p = 0; p < x->n; p++) {
			if (!serves_way(l, id, 0, ways[i].in, x->order[p]))
				continue;
			const uint32_t kept = alike ? carry(l, n->in[0], x->order[p], n->out[0]) : NO_ID;
			for (uint32_t q = 0; room && q < y->n; q++) {
				const uint32_t o = y->order[q];
				if ((x->order[p] != in || o != out) && serves_way(l, id, n->n_in, ways[i].out, o) &&
				    (alike ? o == kept : !tied || (x->order[p] == in && o == out)))
					room = add_pair(b, p, q, cost);
			}
		}
	}
	return group_done(l, b);
}

/* The bytes of a value that a kernel copies on the way, a little less than a conversion, which is a step of its own; nothing where
 * conversions are counted. */
static uint64_t copy_cost(const layout *l, value_id v)
{
	return l->p->count_conversions ? 0 : value_cost(l, v) - 1;
}

/* Input 0 and the windows cut out of it, for each order of the input. */
static clast_status window_group(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]];
	clast_status s = CLAST_OK;
	reset(b);
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
			b->cost[b->configs] += legal && copies ? copy_cost(l, n->out[j]) : 0;
		}
		b->configs += legal;
	}
	if (b->configs)
		return group_done(l, b);
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
	reset(b);
	if (!has_class(l, n->out[0]))
		return CLAST_OK;
	bool room = group_port(l, b, n->out[0], true, id, n->n_in);
	for (uint32_t k = 0; room && k < n->n_in; k++)
		if (has_class(l, n->in[k]) && l->values[n->in[k]].class != NO_ID)
			room = group_port(l, b, n->in[k], false, id, k);
	for (uint32_t i = 0; room && i < y->n; i++) {
		bool copies, legal = slots_of(l, n, y->order[i], &copies);
		b->order[b->configs * b->ports] = (uint16_t)i;
		b->cost[b->configs] = 0;
		for (uint32_t k = 0; legal && copies && k < n->n_in; k++)
			b->cost[b->configs] += made_by_kernel(l, n->in[k]) ? copy_cost(l, n->in[k]) : 0;
		for (uint32_t k = 1; legal && k < b->ports; k++) {
			const uint32_t input = b->owner[k].input, at = find(&l->values[n->in[input]], l->slots[input]);
			legal = at != NO_ID;
			b->order[b->configs * b->ports + k] = (uint16_t)at;
		}
		b->configs += legal;
	}
	return b->configs ? group_done(l, b) : single(l, b, n->out[0], true, id, n->n_in, port_of(l, id, n->n_in));
}

static clast_status node_groups(layout *l, group_builder *b, node_id id)
{
	const node *n = &l->m->nodes[id];
	const bool reference = l->views[id].family == FAMILY_REFERENCE;
	const bool tied = !reference && ties_axes(l, id, n);
	const bool same = !reference && n->n_out && port_of(l, id, n->n_in)->need == PORT_SAME && has_class(l, n->out[0]);
	clast_status s = CLAST_OK;
	lower_way ways[LOWER_MAX_WAYS];
	size_t way_count;
	if (is_view(n))
		return view_group(l, b, id);
	if (is_window(l, id))
		return window_group(l, b, id);
	if (is_join(l, id))
		return join_group(l, b, id);
	const bool by_ways = offers_ways(l, n, id, ways, &way_count) && ways_matter(l, id, ways, way_count);
	if (by_ways)
		s = way_group(l, b, id, ways, way_count);
	else if (same || tied)
		s = tie(l, b, id, !same);
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

static clast_status fixed(layout *l, group_builder *b, value_id v, bool produced, uint32_t wanted)
{
	const uint32_t at = has_class(l, v) && l->values[v].class != NO_ID ? find(&l->values[v], wanted) : NO_ID;
	if (at == NO_ID)
		return CLAST_OK;
	reset(b);
	group_port(l, b, v, produced, NO_ID, 0);
	b->order[0] = (uint16_t)at;
	b->cost[0] = 0;
	b->configs = 1;
	return group_done(l, b);
}

static clast_status build(layout *l, const uint32_t *output_orders)
{
	clast_status s = CLAST_OK;
	group_builder *b = mem_alloc(&l->p->memory, sizeof *b);
	if (!b)
		return fail_memory(l->d, sizeof *b);
	for (size_t i = 0; !s && i < l->g->input_count; i++)
		s = add_class(l, l->g->inputs[i]);
	for (size_t i = 0; !s && i < l->g->capture_count; i++)
		s = add_class(l, l->g->captures[i]);
	for (size_t i = 0; !s && i < l->g->node_count; i++) {
		const node *n = &l->m->nodes[l->g->nodes[i]];
		for (uint32_t j = 0; !s && j < n->n_out; j++)
			if (n->out[j] != NO_ID)
				s = add_class(l, n->out[j]);
	}
	for (size_t i = 0; !s && i < l->g->input_count; i++)
		s = fixed(l, b, l->g->inputs[i], true, l->choice->produced[l->g->inputs[i]]);
	for (size_t i = 0; !s && i < l->g->capture_count; i++)
		s = fixed(l, b, l->g->captures[i], true, l->choice->produced[l->g->captures[i]]);
	for (size_t i = 0; !s && i < l->g->node_count; i++)
		s = node_groups(l, b, l->g->nodes[i]);
	for (size_t i = 0; !s && i < l->g->output_count; i++)
		s = fixed(l, b, l->g->outputs[i], false, output_orders[i]);
	mem_free(&l->p->memory, b, sizeof *b);
	return s ? s : problem_finish(&l->problem, l->d);
}

/* ---- The answer ---- */

/* What the ports of a node need from now on: those of the way whose orders were chosen. */
static void settle(layout *l, node_id id)
{
	const node *n = &l->m->nodes[id];
	const order_choice *c = l->choice;
	lower_way ways[LOWER_MAX_WAYS];
	size_t count;
	if (!offers_ways(l, n, id, ways, &count))
		return;
	const uint32_t *reads = c->reads[id];
	const uint32_t in = reads && reads[0] != NO_ID ? c->conversions[reads[0]].order : c->produced[n->in[0]];
	const uint32_t out = c->produced[n->out[0]];
	for (size_t i = 0; i < count; i++)
		if (serves_way(l, id, 0, ways[i].in, in) && serves_way(l, id, n->n_in, ways[i].out, out)) {
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
	for (size_t i = 0; i < l->g->node_count; i++)
		settle(l, l->g->nodes[i]);
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

clast_status layout_choose(clast_plan *p, graph_id g, node_view *views, const uint32_t *output_orders,
                           order_choice *choice, clast_diag *d)
{
	clast_model *m = p->model;
	layout l = { .p = p, .m = m, .g = &m->graphs[g], .id = g, .views = views, .choice = choice, .d = d };
	strategy_options options = { 0 };
	const strategy *how = strategy_find(p->strategy, &options);
	const size_t bytes = (m->value_count + 1) * sizeof *l.values;
	l.values = mem_calloc(&p->memory, bytes);
	if (!l.values)
		return fail_memory(d, bytes);
	for (size_t i = 0; i < m->value_count; i++)
		l.values[i].class = NO_ID;
	problem_init(&l.problem, &p->memory);
	find_candidates(&l);
	clast_status s = l.failed ? fail_memory(d, 0) : build(&l, output_orders);
	if (!s)
		s = !strcmp(how->name, "min") || l.p->wishes ? solve_min(&l) : solve_by(&l, how, &options);
	problem_release(&l.problem);
	for (size_t i = 0; i < m->value_count; i++)
		mem_free(&p->memory, l.values[i].order, l.values[i].capacity * sizeof *l.values[i].order);
	mem_free(&p->memory, l.values, bytes);
	mem_free(&p->memory, l.class_value, l.class_capacity * sizeof *l.class_value);
	mem_free(&p->memory, l.owner, l.owner_capacity * sizeof *l.owner);
	mem_free(&p->memory, l.slots, l.slot_capacity * sizeof *l.slots);
	return s;
}
