/* Groups of nodes whose family can run them in several ways: the orders of input 0 and output 0 together. */
#include <string.h>

#include "layout_group.h"

/* Whether only conversions count and not what kernels take. That makes sense within the kernels of one order alone: a network that stays
 * in row-major order converts nothing and is slow. */
static bool only_conversions(const layout *l)
{
	return l->p->objective == OBJECTIVE_COUNT || l->p->objective == OBJECTIVE_BYTES;
}

static double way_time(const layout *l, node_id id, const lower_way *way)
{
	const plan_times *t = l->p->times;
	for (size_t i = 0; t && i < t->node[id].count; i++)
		if (t->node[id].way[i].in == way->in && t->node[id].way[i].out == way->out)
			return t->node[id].way[i].ns;
	return lower_time(way->flops, way->bytes) * (t ? t->estimate : 1);
}

/* What a way costs more than the fastest: in nanoseconds where times were measured, else in bytes of conversions that take as long, each of
 * which is read and written. */
static uint64_t way_cost(const layout *l, node_id id, const lower_way *ways, size_t count, size_t at)
{
	double least = way_time(l, id, &ways[0]);
	for (size_t i = 1; i < count; i++) {
		const double t = way_time(l, id, &ways[i]);
		least = t < least ? t : least;
	}
	const double more = (way_time(l, id, &ways[at]) - least) / (l->p->times ? 1 : lower_time(0, 2)) *
	                    (double)l->p->runs[l->m->nodes[id].graph];
	return only_conversions(l) ? 0 : more < 1e10 ? (uint64_t)more : (uint64_t)1e10;
}

/* Whether some order serves a way other than the first, which alone would leave input and output independent of one another. */
bool layout_ways_matter(layout *l, node_id id, const lower_way *ways, size_t count)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	if (port_of(l, id, 0)->channels == CHANNELS_TIED)
		return true;
	for (size_t i = 1; i < count; i++) {
		bool in = false, out = false;
		for (uint32_t p = 0; !in && p < x->n; p++)
			in = layout_serves_way(l, id, 0, ways[i].in, x->order[p]);
		for (uint32_t q = 0; in && !out && q < y->n; q++)
			out = layout_serves_way(l, id, n->n_in, ways[i].out, y->order[q]);
		if (in && out)
			return true;
	}
	return false;
}

/* An order of input 0 with one of output 0, as candidates, and what the way costs that takes them; in is NO_ID where there is no such pair. */
typedef struct way_pair {
	uint32_t in, out;
	uint64_t cost;
} way_pair;

static void add_pair(group_builder *b, const way_pair *p)
{
	b->order[b->configs * 2] = (uint16_t)p->in;
	b->order[b->configs * 2 + 1] = (uint16_t)p->out;
	b->cost[b->configs] = p->cost;
	group_keep(b);
}

/* The orders that a way is made for. */
static way_pair pair_of(layout *l, node_id id, const lower_way *ways, size_t count, size_t at)
{
	const node *n = &l->m->nodes[id];
	const lower_way *w = &ways[at];
	const uint32_t in = layout_way_order(l, n->in[0], w->in), out = layout_way_order(l, n->out[0], w->out);
	const way_pair p = { find(&l->values[n->in[0]], in), find(&l->values[n->out[0]], out), way_cost(l, id, ways, count, at) };
	const bool serves = layout_serves_way(l, id, 0, w->in, in) && layout_serves_way(l, id, n->n_in, w->out, out);
	return serves && p.out != NO_ID ? p : (way_pair){ NO_ID, p.out, p.cost };
}

/* Whether the orders that some way is made for, with conversions on both sides, cost no more. */
static bool is_dominated(const layout *l, const node *n, const way_pair *made, size_t count, const way_pair *p)
{
	for (size_t i = 0; i < count; i++) {
		const bool in = made[i].in != p->in, out = made[i].out != p->out;
		if (made[i].in != NO_ID && (in || out) &&
		    p->cost >= made[i].cost + (in ? layout_value_cost(l, n->in[0]) : 0) + (out ? layout_value_cost(l, n->out[0]) : 0))
			return true;
	}
	return false;
}

/* Whether a way is among those that are weighed. Counting conversions makes sense within the kernels of one order only: a network that stays
 * in row-major order converts nothing and is slow. */
static bool is_weighed(const layout *l, const lower_way *ways, size_t at)
{
	const bool all = !only_conversions(l) || strcmp(l->p->strategy, "min");
	return all || !at || ways[at].alike || ways[at].in == ways[0].in || ways[at].out == ways[0].out;
}

/* The orders that each way is made for come first, then all others that serve it. */
static void fill_ways(layout *l, group_builder *b, node_id id, const lower_way *ways, size_t count, bool drop)
{
	const node *n = &l->m->nodes[id];
	const candidates *x = &l->values[n->in[0]], *y = &l->values[n->out[0]];
	const bool tied = port_of(l, id, 0)->channels == CHANNELS_TIED;
	way_pair made[LOWER_MAX_WAYS];
	group_reset(b);
	group_port(l, b, n->in[0], false, id, 0);
	group_port(l, b, n->out[0], true, id, n->n_in);
	for (size_t i = 0; i < count; i++) {
		made[i] = pair_of(l, id, ways, count, i);
		made[i].in = is_weighed(l, ways, i) ? made[i].in : NO_ID;
	}
	for (size_t i = 0; i < count; i++) {
		const bool last = tied && ways[i].in == PORT_LAST && ways[i].out == PORT_LAST, alike = ways[i].alike || last;
		way_pair p = { .cost = made[i].cost };
		if (!is_weighed(l, ways, i))
			continue;
		if (made[i].in != NO_ID) {
			b->native = i ? b->native : b->configs;
			add_pair(b, &made[i]);
		}
		for (p.in = 0; p.in < x->n; p.in++) {
			const uint32_t from = x->order[p.in];
			if (!layout_serves_way(l, id, 0, ways[i].in, from))
				continue;
			const uint32_t kept = alike ? layout_carry(l, n->in[0], from, n->out[0]) : NO_ID;
			for (p.out = 0; p.out < y->n; p.out++) {
				const bool own = p.in == made[i].in && p.out == made[i].out;
				if (!own && layout_serves_way(l, id, n->n_in, ways[i].out, y->order[p.out]) && (alike ? y->order[p.out] == kept : !tied) &&
				    !(drop && is_dominated(l, n, made, count, &p)))
					add_pair(b, &p);
			}
		}
	}
}

clast_status layout_way_group(layout *l, group_builder *b, node_id id, const lower_way *ways, size_t count)
{
	fill_ways(l, b, id, ways, count, false);
	if (b->left_out && !l->p->wishes) /* a wish may be what no cost speaks for */
		fill_ways(l, b, id, ways, count, true);
	return group_done(l, b);
}
