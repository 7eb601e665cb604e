/* The plain rule for orders: a kernel that wants its output in some order gets it; everything else keeps the order of what comes in. */
#include <string.h>

#include "plan.h"

/* Whether the factors of the last axis lie side by side, innermost where `inner`. */
static bool columns_serve(dim_table *t, const order *o, const shape *s, bool inner)
{
	axis_digits d;
	return s->rank >= 1 && order_digits(t, o, s, s->rank - 1, &d) && d.together && d.n <= RUN_MAX_FACTORS && (d.innermost || !inner);
}

/* Whether only the channels differ from channels-last, in a way that the kernel allows. */
static bool channels_serve(dim_table *t, const order *o, const shape *s, const port *need)
{
	axis_digits d;
	dim rest;
	if (need->channels == CHANNELS_FIXED || s->rank < 3 || !order_digits(t, o, s, 1, &d) || !d.innermost || !d.whole || d.n > RUN_MAX_FACTORS)
		return false;
	/* Groups lie one after the other if the outermost digit is the highest and its steps cut no group. */
	return !need->block || d.n < 2 || (dim_mul(t, d.digit[0].stride, d.digit[0].extent) == s->dims[1] &&
	                                   dim_divide(t, need->block, d.digit[0].stride, &rest));
}

/* Channel-last with the groups of channels innermost. */
static bool interleaved_order(dim_table *t, const shape *s, const port *need, order *o)
{
	int axis[CLAST_MAX_RANK + 1], n = 0;
	order_factor digit[CLAST_MAX_RANK + 1];
	dim groups;
	if (s->rank < 3 || !need->block || !dim_divide(t, s->dims[1], need->block, &groups))
		return false;
	for (int a = 0; a < s->rank; a++)
		if (a != 1) {
			axis[n] = a;
			digit[n++] = (order_factor){ 1, s->dims[a] };
		}
	axis[n] = axis[n + 1] = 1;
	digit[n] = (order_factor){ 1, need->block };
	digit[n + 1] = (order_factor){ need->block, groups };
	return order_of_digits(t, s, n + 2, axis, digit, o);
}

/* The same, channels of a group permuted. */
static bool interleaved_serve(dim_table *t, const order *o, const shape *s, const port *need)
{
	axis_digits d;
	if (s->rank < 3 || need->block < 2 || !order_digits(t, o, s, 1, &d) || !d.innermost || !d.whole || d.n < 2 || d.n > RUN_MAX_FACTORS)
		return false;
	const order_factor *last = &d.digit[d.n - 1];
	return last->stride == need->block && dim_mul(t, last->stride, last->extent) == s->dims[1];
}

/* Whether channels lie in pieces that a kernel can write. */
static bool runs_serve(dim_table *t, const order *o, const shape *s)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], pieces[CLAST_MAX_RANK] = { 0 }, outside = 0;
	dim inner[ORDER_MAX_FACTORS], length = 1;
	bool innermost = true;
	if (s->rank < 3 || !order_split(t, o, s, &fine, axes, inner))
		return false;
	for (int i = fine.n - 1; i >= 0; i--) {
		if (axes[i] != 1) {
			innermost = false;
			if (pieces[axes[i]]++)
				return false;
		} else if (innermost) {
			length = dim_mul(t, length, fine.factors[i].extent);
		} else {
			outside++;
		}
	}
	return dim_is_number(length) && length >= PORT_RUNS_LEAST && outside >= 1 && outside <= 2;
}

/* Whether the last of three axes lies in two pieces around axis 1. */
static bool groups_serve(dim_table *t, const order *o, const shape *s)
{
	order fine;
	axis_digits last, groups;
	if (s->rank != 3 || !order_refine(t, o, s, &fine) || !order_digits(t, o, s, 2, &last) || !order_digits(t, o, s, 1, &groups) || last.n != 2)
		return false;
	if (s->dims[1] == 1) /* a single group lies around nothing */
		return last.innermost && last.whole;
	if (groups.n != 1 || fine.n < 3)
		return false;
	const order_factor *f = &fine.factors[fine.n - 3]; /* outermost of the three */
	return f[0].extent == last.digit[0].extent && f[2].extent == last.digit[1].extent && f[0].stride == last.digit[0].stride &&
	       f[2].stride == last.digit[1].stride && f[1].extent == s->dims[1] && f[1].stride == s->dims[2];
}

uint32_t plan_port_order(clast_plan *p, const shape *s, port need, uint32_t now, uint32_t same)
{
	dim_table *t = p->model->dims;
	const order *o = &p->orders[now];
	int perm[CLAST_MAX_RANK];
	order last, blocked;
	switch (need.need) {
	case PORT_ABSENT:
	case PORT_VIEW:
		return now;
	case PORT_WHOLE:
		return s->rank >= 0 && (!o->n || order_axes(t, o, s, perm)) ? now : 0;
	case PORT_SAME:
		return same;
	case PORT_FIRST:
		return 0;
	case PORT_LAST:
		if (channels_serve(t, o, s, &need))
			return now;
		return order_last(t, s, &last) ? plan_order(p, &last) : 0;
	case PORT_BLOCKED:
		return order_blocked(t, s, 1, (int64_t)cpu_kernels_get()->vector, &blocked) ? plan_order(p, &blocked) : 0;
	case PORT_INTERLEAVED:
		if (interleaved_serve(t, o, s, &need))
			return now;
		return interleaved_order(t, s, &need, &last) ? plan_order(p, &last) : 0;
	case PORT_RUNS:
		if (runs_serve(t, o, s))
			return now;
		return now || !order_last(t, s, &last) ? 0 : plan_order(p, &last);
	case PORT_COLUMNS:
		return columns_serve(t, o, s, need.unit) ? now : 0;
	case PORT_TURNED:
		return s->rank >= 2 && order_axes(t, o, s, perm) && perm[s->rank - 1] == s->rank - 2 ? now : 0;
	case PORT_GROUPS:
		return groups_serve(t, o, s) ? now : 0;
	case PORT_MATRIX:
		return s->rank >= 2 && order_axes(t, o, s, perm) && perm[s->rank - 1] >= s->rank - 2 ? now : 0;
	case PORT_ROWS:
		return s->rank >= 1 && order_axes(t, o, s, perm) && perm[s->rank - 1] == s->rank - 1 ? now : 0;
	}
	return 0;
}

/* The order of the first operand that is no constant and, for PORT_SAME, is tied to the output. */
static uint32_t leading_order(clast_plan *p, const node *n, const node_view *view, const order_choice *c, bool tied)
{
	for (uint32_t i = 0; i < n->n_in; i++) {
		const value_id v = n->in[i];
		if (v == NO_ID || p->model->values[v].constant || (tied && view->ports[i].need != PORT_SAME))
			continue;
		if (p->model->values[v].rank < 0)
			return 0;
		return c->produced[v];
	}
	return 0;
}

static bool same_shape(const clast_model *m, value_id a, value_id b)
{
	const value *x = &m->values[a], *y = &m->values[b];
	return x->rank == y->rank && x->rank >= 0 && !memcmp(x->dims, y->dims, (size_t)x->rank * sizeof(dim));
}

/* An operator that works along axes of an input of the same rank keeps its order as a permutation of axes. */
static uint32_t keep_axes(clast_plan *p, const node *n, value_id out, uint32_t from)
{
	clast_model *m = p->model;
	shape in, to;
	order o;
	if (!n->n_in || n->in[0] == NO_ID)
		return 0;
	value_shape(m, n->in[0], &in);
	value_shape(m, out, &to);
	return in.rank >= 0 && from && order_carried(m->dims, &p->orders[from], &in, &to, &o) ? plan_order(p, &o) : 0;
}

static uint32_t choose_output(clast_plan *p, const node *n, const node_view *view, uint32_t j, const order_choice *c)
{
	const value_id v = n->out[j];
	shape s;
	value_shape(p->model, v, &s);
	if (s.rank < 0)
		return 0;
	if (view->family == FAMILY_REFERENCE) {
		const layout_rule r = n->op->rule;
		uint32_t o;
		if ((r == RULE_PERMUTE || r == RULE_REGROUP) && n->op->views)
			return plan_view_order(p, n, c->produced[n->in[0]], &o) || plan_view_order(p, n, 0, &o) ? o : 0;
		if (r == RULE_ANY && n->n_in && n->in[0] != NO_ID && same_shape(p->model, n->in[0], v))
			return leading_order(p, n, view, c, false);
		return r == RULE_AXIS || r == RULE_CHANNELS ? keep_axes(p, n, v, leading_order(p, n, view, c, false)) : 0;
	}
	const port need = view->ports[n->n_in + j];
	if (need.need == PORT_SAME)
		return leading_order(p, n, view, c, true);
	if (need.need == PORT_WHOLE || need.need == PORT_VIEW || need.need == PORT_ROWS || need.need == PORT_MATRIX ||
	    need.need == PORT_COLUMNS) {
		const uint32_t kept = keep_axes(p, n, v, leading_order(p, n, view, c, false));
		return plan_port_order(p, &s, need, kept, kept);
	}
	const bool tied = need.need == PORT_LAST && need.channels == CHANNELS_TIED && view->ports[0].need == PORT_LAST;
	if (tied || need.need == PORT_TURNED || need.need == PORT_GROUPS) {
		shape x;
		value_shape(p->model, n->in[0], &x);
		const uint32_t read = plan_port_order(p, &x, view->ports[0], c->produced[n->in[0]], 0), kept = keep_axes(p, n, v, read);
		return plan_port_order(p, &s, need, kept, kept);
	}
	return plan_port_order(p, &s, need, 0, 0);
}

/* xorshift64*: a fixed sequence for each seed. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1Du;
}

/* Digits of axes in random order, for strategy random. */
typedef struct digits {
	int n, axis[ORDER_MAX_FACTORS];
	order_factor digit[ORDER_MAX_FACTORS];
} digits;

static void add_digit(digits *d, uint64_t *state, int from, int axis, dim inner, dim extent)
{
	const int at = from + (int)(next_random(state) % (uint64_t)(d->n - from + 1));
	memmove(d->axis + at + 1, d->axis + at, (size_t)(d->n - at) * sizeof *d->axis);
	memmove(d->digit + at + 1, d->digit + at, (size_t)(d->n - at) * sizeof *d->digit);
	d->axis[at] = axis;
	d->digit[at] = (order_factor){ inner, extent };
	d->n++;
}

/* An axis, in two factors if its extent allows and `split` asks for it, among the digits from `from` on. */
static void add_axis(digits *d, uint64_t *state, int from, int axis, dim extent, bool split)
{
	static const int64_t factors[] = { 2, 3, 5, 7 };
	for (size_t i = 0; split && dim_is_number(extent) && i < sizeof factors / sizeof *factors; i++)
		if (extent > factors[i] && extent % factors[i] == 0) {
			add_digit(d, state, from, axis, factors[i], extent / factors[i]);
			add_digit(d, state, from, axis, 1, factors[i]);
			return;
		}
	add_digit(d, state, from, axis, 1, extent);
}

/* Any order that the port allows: permutations of axes, and of factors where it takes those. */
static uint32_t random_order(clast_plan *p, value_id v, const port *need, uint64_t *state)
{
	shape s;
	order o;
	digits d = { 0 };
	value_shape(p->model, v, &s);
	if (s.rank < 0)
		return 0;
	const bool last = need->need == PORT_LAST, columns = need->need == PORT_COLUMNS;
	const bool splits = columns || need->need == PORT_SAME || need->need == PORT_VIEW;
	const int inner = last ? 1 : columns ? s.rank - 1 : -1;
	for (int a = 0; a < s.rank; a++)
		if (a != inner)
			add_axis(&d, state, last ? d.n : 0, a, s.dims[a], splits && next_random(state) % 3 == 0);
	if (inner >= 0 && inner < s.rank)
		add_axis(&d, state, d.n, inner, s.dims[inner], next_random(state) % 2);
	return order_of_digits(p->model->dims, &s, d.n, d.axis, d.digit, &o) ? plan_order(p, &o) : 0;
}

static bool is_free(const node *n, const node_view *view, uint32_t j)
{
	const bool pure_view = n->op->rule == RULE_PERMUTE || n->op->rule == RULE_REGROUP;
	if (view->family == FAMILY_REFERENCE)
		return !pure_view;
	const port *p = &view->ports[n->n_in + j];
	return p->need == PORT_SAME || p->need == PORT_WHOLE || p->need == PORT_VIEW || p->need == PORT_COLUMNS ||
	       (p->need == PORT_LAST && p->channels == CHANNELS_FREE);
}

size_t plan_ways(clast_plan *p, const node *n, const node_view *view, lower_way *ways)
{
	enum { FEW = 8 };
	infer_value facts[FEW];
	const kernel_family *family = family_at(view->family);
	if (!family || !family->ways || n->n_in + n->n_out > FEW || n->out[0] == NO_ID)
		return 0;
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		value_infer(p->model, n->in[i], &facts[i]);
		for (int a = 0; a < facts[i].shape.rank; a++)
			facts[i].shape.dims[a] = plan_extent(p, facts[i].shape.dims[a]);
	}
	const unsigned tile = p->tiles ? p->tiles[n - p->model->nodes] : 0;
	const size_t all = family->ways(&(lower_node){ p->model, n, facts, facts + n->n_in, tile }, ways);
	size_t kept = 0;
	/* Blocks are there to be compared with: no kernel is faster with them. */
	const bool blocks = p->seed || !strcmp(p->strategy, "blocked");
	for (size_t i = 0; i < all; i++)
		if (blocks || (ways[i].in != PORT_BLOCKED && ways[i].out != PORT_BLOCKED))
			ways[kept++] = ways[i];
	return kept;
}

void plan_take_way(const node *n, node_view *view, const lower_way *way)
{
	view->ports[0].need = way->in;
	view->ports[n->n_in].need = way->out;
}

typedef struct chooser {
	clast_plan *p;
	node_view *views;
	order_choice *c;
	clast_diag *d;
} chooser;

static clast_status choose_node(chooser *x, node_id id, uint64_t *state)
{
	clast_plan *p = x->p;
	order_choice *c = x->c;
	const node *n = &p->model->nodes[id];
	node_view *view = &x->views[id];
	lower_way ways[LOWER_MAX_WAYS];
	const size_t way_count = p->seed ? plan_ways(p, n, view, ways) : 0;
	if (way_count)
		plan_take_way(n, view, &ways[next_random(state) % way_count]);
	for (uint32_t j = 0; j < n->n_out; j++) {
		if (n->out[j] == NO_ID)
			continue;
		uint32_t o = choose_output(p, n, view, j, c);
		if (p->seed && is_free(n, view, j)) {
			shape y;
			value_shape(p->model, n->out[j], &y);
			const uint32_t any = random_order(p, n->out[j], &view->ports[n->n_in + j], state);
			if (any == UINT32_MAX || plan_port_order(p, &y, view->ports[n->n_in + j], any, any) == any)
				o = any;
		}
		if (o == UINT32_MAX)
			return fail_memory(x->d, 0);
		c->produced[n->out[j]] = o;
	}
	return CLAST_OK;
}

/* Whether all ends can follow the one that leads. */
static bool tie_serves(clast_plan *p, const tie *t, uint32_t from)
{
	uint32_t o;
	bool copies;
	for (uint32_t k = 0; k < t->n; k++)
		if (!plan_tie_order(p, t, k, from, &o, &copies))
			return false;
	return true;
}

/* What the end that leads is in: any order, or else that of what goes in, or row-major. */
static uint32_t lead_order(chooser *x, const tie *t, uint64_t *state)
{
	clast_plan *p = x->p;
	const value_id lead = t->end[t->lead].value;
	const port any = { PORT_VIEW, false };
	uint32_t o;
	if (t->end[t->lead].role == END_IN)
		return tie_serves(p, t, x->c->produced[lead]) ? x->c->produced[lead] : 0;
	if (p->seed && !p->model->values[lead].constant) {
		o = random_order(p, lead, &any, state);
		if (o == UINT32_MAX || tie_serves(p, t, o))
			return o;
	}
	for (uint32_t k = 0; k < t->n; k++)
		if (t->end[k].role == END_IN && plan_tie_lead_order(p, t, k, x->c->produced[t->end[k].value], &o) && tie_serves(p, t, o))
			return o;
	return 0;
}

/* Orders of what a node hands to its bodies, or of what comes out of it. */
static clast_status choose_ties(chooser *x, const node *n, bool enters, uint64_t *state)
{
	tie t;
	for (size_t i = 0; plan_tie(x->p->model, n, i, &t); i++) {
		bool goes_in = false;
		for (uint32_t k = 0; k < t.n; k++)
			goes_in |= t.end[k].role == END_BODY_IN;
		if (goes_in != enters || !t.bound || t.lead == t.n)
			continue;
		const uint32_t from = lead_order(x, &t, state);
		if (from == UINT32_MAX)
			return fail_memory(x->d, 0);
		for (uint32_t k = 0; k < t.n; k++) {
			uint32_t o = 0;
			bool copies;
			if (t.end[k].role != END_BODY_IN && t.end[k].role != END_OUT)
				continue;
			if (!plan_tie_order(x->p, &t, k, from, &o, &copies))
				o = 0;
			x->c->produced[t.end[k].value] = o;
		}
	}
	return CLAST_OK;
}

/* Depth is bounded by the importer. */
static clast_status choose_graph(chooser *x, graph_id g)
{
	const clast_model *m = x->p->model;
	const graph *in = &m->graphs[g];
	uint64_t state = x->p->seed * 0x9E3779B97F4A7C15u + g + 1;
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && !in->refusal && i < in->node_count; i++) {
		const node *n = &m->nodes[in->nodes[i]];
		if (!n->n_bodies) {
			s = choose_node(x, in->nodes[i], &state);
			continue;
		}
		s = choose_ties(x, n, true, &state);
		for (uint32_t j = 0; !s && j < n->n_bodies; j++)
			s = choose_graph(x, n->bodies[j]);
		s = s ? s : choose_ties(x, n, false, &state);
	}
	return s;
}

clast_status choose_orders(clast_plan *p, node_view *views, order_choice *c, clast_diag *d)
{
	chooser x = { p, views, c, d };
	return choose_graph(&x, 0);
}
