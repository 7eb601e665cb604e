/* Two labels a variable and functions of pairs: a minimum cut where the functions are submodular.
 *
 * With labels 0 and 1, flipped for some variables, f(0,0) + f(1,1) <= f(0,1) + f(1,0) for every pair, the
 * least sum is a minimum cut (Hammer 1965; Picard and Ratliff 1975), and the maximum flow is the dual: it
 * moves costs between functions and variables until the minima add up to the least sum. The flow is found
 * by pushing and relabelling (Goldberg and Tarjan 1988) with distances recomputed now and then; the second
 * phase, which would return excess to the source, is not needed, since excess that cannot reach the sink
 * is a cost that label 0 does not pay. */
#include <string.h>

#include "solve_search.h"

typedef struct arc {
	uint32_t from, to;   /* nodes */
	int64_t forth, back; /* residual capacities */
	int64_t start;       /* forth before any flow */
	factor *f;
	int64_t lift[2]; /* moved to `from`'s labels 0 and 1 to give the function its normal form */
	int64_t lift_to[2];
} arc;

typedef struct cut {
	network *n;
	uint32_t nodes, arcs;
	uint32_t *var, *node; /* of each node; of each variable */
	bool *flip;           /* label 1 of the node is position 0 of the variable */
	arc *arc;
	uint32_t *first, *list; /* arcs of each node: list[first[i] .. first[i + 1]) */
	int64_t *excess;        /* waiting to flow on */
	int64_t *sink;          /* residual capacity to the sink */
	uint32_t *distance, *current, *queue;
	uint32_t queue_first, queue_count;
	bool *queued;
} cut;

/* > 0: the labels of the pair had better differ, < 0: agree, 0: neither. */
static int preference(const factor *f)
{
	const int64_t *t = f->table;
	const bool equal = cost_is_infinite(t[0]) || cost_is_infinite(t[3]);
	const bool different = cost_is_infinite(t[1]) || cost_is_infinite(t[2]);
	if (equal || different)
		return (int)equal - (int)different;
	const int64_t sum = t[0] + t[3] - t[1] - t[2];
	return (sum > 0) - (sum < 0);
}

/* Whether every variable has two labels and every function two variables, with no label forbidden
 * altogether. */
static bool is_binary(network *n)
{
	for (uint32_t i = 0; i < n->vars; i++) {
		factor *f;
		if (n->var[i].gone)
			continue;
		if (n->var[i].labels != 2)
			return false;
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
			if (f->arity != 2)
				return false;
	}
	return true;
}

/* Chooses which variables to flip, by following the preferences; false: they contradict one another. */
static bool orient(cut *c)
{
	network *n = c->n;
	const uint32_t unset = PROBLEM_NONE;
	for (uint32_t i = 0; i < c->nodes; i++)
		c->distance[i] = unset;
	for (uint32_t root = 0; root < c->nodes; root++) {
		uint32_t first = 0, count = 0;
		if (c->distance[root] != unset)
			continue;
		c->distance[root] = 0;
		c->queue[count++] = root;
		while (first < count) {
			const uint32_t i = c->queue[first++];
			factor *f;
			for (uint32_t at = 0; (f = network_next(n, c->var[i], &at)); at++) {
				const uint32_t j = c->node[f->var[f->var[0] == c->var[i]]];
				const int want = preference(f);
				if (want == 0)
					continue;
				const uint32_t side = c->distance[i] ^ (want > 0);
				if (c->distance[j] == unset) {
					c->distance[j] = side;
					c->queue[count++] = j;
				} else if (c->distance[j] != side) {
					return false;
				}
			}
		}
	}
	for (uint32_t i = 0; i < c->nodes; i++)
		c->flip[i] = c->distance[i];
	return true;
}

/* Writes f as constant + costs of either label 1 + capacities for (0,1) and (1,0). */
static void normalise(const cut *c, factor *f, arc *a)
{
	*a = (arc){ .from = c->node[f->var[0]], .to = c->node[f->var[1]], .f = f };
	const int i = c->flip[a->from], j = c->flip[a->to];
	const int64_t t00 = f->table[2 * i + j], t01 = f->table[2 * i + !j], t10 = f->table[2 * !i + j],
		      t11 = f->table[2 * !i + !j];
	a->lift[0] = a->lift[1] = t00;
	if (!cost_is_infinite(t10)) {
		a->lift[1] += t10 - t00;
		a->lift_to[1] = t11 - t10;
	} else if (!cost_is_infinite(t01)) {
		a->lift_to[1] = t01 - t00;
		a->lift[1] += t11 - t01;
	} else {
		a->lift[1] += t11 - t00;
	}
	a->forth = cost_is_infinite(t01) ? COST_INFINITE : t01 - a->lift[0] - a->lift_to[1];
	a->back = cost_is_infinite(t10) ? COST_INFINITE : t10 - a->lift[1];
	a->start = a->forth;
}

static void build_arcs(cut *c)
{
	network *n = c->n;
	for (uint32_t i = 0; i < c->nodes; i++) {
		const int64_t *unary = n->var[c->var[i]].unary;
		c->excess[i] = unary[!c->flip[i]] - unary[c->flip[i]]; /* of label 1 over label 0 */
	}
	for (uint32_t i = 0; i < c->nodes; i++) {
		factor *f;
		for (uint32_t at = 0; (f = network_next(n, c->var[i], &at)); at++)
			if (f->var[0] == c->var[i])
				normalise(c, f, &c->arc[c->arcs++]);
	}
	for (uint32_t k = 0; k < c->arcs; k++) {
		const arc *a = &c->arc[k];
		c->excess[a->from] += a->lift[1] - a->lift[0];
		c->excess[a->to] += a->lift_to[1] - a->lift_to[0];
		c->first[a->from + 1]++;
		c->first[a->to + 1]++;
	}
	for (uint32_t i = 0; i < c->nodes; i++)
		c->first[i + 1] += c->first[i];
	for (uint32_t k = 0; k < c->arcs; k++) {
		c->list[c->first[c->arc[k].from] + c->current[c->arc[k].from]++] = k;
		c->list[c->first[c->arc[k].to] + c->current[c->arc[k].to]++] = k;
	}
	for (uint32_t i = 0; i < c->nodes; i++) {
		c->sink[i] = c->excess[i] < 0 ? -c->excess[i] : 0;
		c->excess[i] = c->excess[i] > 0 ? c->excess[i] : 0;
	}
}

/* Exact distances to the sink over residual arcs; nodes that cannot reach it get `nodes` + 1. */
static void measure(cut *c)
{
	uint32_t first = 0, count = 0;
	for (uint32_t i = 0; i < c->nodes; i++) {
		c->distance[i] = c->sink[i] > 0 ? 1 : c->nodes + 1;
		c->current[i] = c->first[i];
		if (c->sink[i] > 0)
			c->queue[count++] = i;
	}
	while (first < count) {
		const uint32_t i = c->queue[first++];
		for (uint32_t at = c->first[i]; at < c->first[i + 1]; at++) {
			const arc *a = &c->arc[c->list[at]];
			const uint32_t j = a->from == i ? a->to : a->from;
			if (c->distance[j] <= c->nodes || (a->from == i ? a->back : a->forth) == 0)
				continue;
			c->distance[j] = c->distance[i] + 1;
			c->queue[count++] = j;
		}
	}
}

static void activate(cut *c, uint32_t i)
{
	if (c->queued[i] || c->excess[i] == 0 || c->distance[i] > c->nodes)
		return;
	c->queued[i] = true;
	c->queue[(c->queue_first + c->queue_count++) % c->nodes] = i;
}

static void restart(cut *c)
{
	measure(c);
	c->queue_first = c->queue_count = 0;
	for (uint32_t i = 0; i < c->nodes; i++) {
		c->queued[i] = false;
		activate(c, i);
	}
}

/* Pushes along one arc; true if it was possible. */
static bool push(cut *c, uint32_t i, arc *a)
{
	const bool forth = a->from == i;
	const uint32_t j = forth ? a->to : a->from;
	int64_t *residual = forth ? &a->forth : &a->back, *reverse = forth ? &a->back : &a->forth;
	if (*residual == 0 || c->distance[i] != c->distance[j] + 1)
		return false;
	const int64_t amount = c->excess[i] < *residual ? c->excess[i] : *residual;
	*residual -= amount;
	*reverse += amount;
	c->excess[i] -= amount;
	c->excess[j] += amount;
	activate(c, j);
	return true;
}

static void relabel(cut *c, uint32_t i)
{
	uint32_t least = c->sink[i] > 0 ? 0 : c->nodes;
	for (uint32_t at = c->first[i]; at < c->first[i + 1]; at++) {
		const arc *a = &c->arc[c->list[at]];
		const bool forth = a->from == i;
		const uint32_t j = forth ? a->to : a->from;
		if ((forth ? a->forth : a->back) > 0 && c->distance[j] < least)
			least = c->distance[j];
	}
	c->distance[i] = least + 1;
	c->current[i] = c->first[i];
}

/* Empties a node as far as it can reach the sink; returns how often it was relabelled. */
static uint32_t discharge(cut *c, uint32_t i)
{
	uint32_t relabelled = 0;
	while (c->excess[i] > 0 && c->distance[i] <= c->nodes) {
		if (c->sink[i] > 0 && c->distance[i] == 1) {
			const int64_t amount = c->excess[i] < c->sink[i] ? c->excess[i] : c->sink[i];
			c->excess[i] -= amount;
			c->sink[i] -= amount;
		} else if (c->current[i] == c->first[i + 1]) {
			relabel(c, i);
			relabelled++;
		} else if (!push(c, i, &c->arc[c->list[c->current[i]]])) {
			c->current[i]++;
		}
	}
	return relabelled;
}

static void flow(cut *c)
{
	restart(c);
	for (uint32_t relabelled = 0; c->queue_count > 0;) {
		const uint32_t i = c->queue[c->queue_first];
		c->queue_first = (c->queue_first + 1) % c->nodes;
		c->queue_count--;
		c->queued[i] = false;
		relabelled += discharge(c, i);
		if (relabelled > c->nodes / 2) {
			relabelled = 0;
			restart(c);
		}
	}
	measure(c);
}

/* Notes the moves that the flow amounts to, and adds them to the costs of the variables. */
static bool note_moves(cut *c)
{
	network *n = c->n;
	bool ok = c->arcs == 0 || proof_append(n->proof, (int64_t[]){ PROOF_MOVE, c->arcs }, 2);
	for (uint32_t k = 0; ok && k < c->arcs; k++) {
		const arc *a = &c->arc[k];
		const int64_t amount = a->start - a->forth;
		const uint32_t i = c->var[a->from], j = c->var[a->to];
		int64_t moved[4];
		moved[c->flip[a->from]] = a->lift[0];
		moved[!c->flip[a->from]] = a->lift[1] - amount;
		moved[2 + c->flip[a->to]] = a->lift_to[0];
		moved[2 + !c->flip[a->to]] = a->lift_to[1] + amount;
		ok = proof_append(
			n->proof,
			(int64_t[]){ 2, n->var[i].id, n->var[j].id, moved[0], moved[1], moved[2], moved[3] },
			7);
		for (int b = 0; b < 2; b++) {
			n->var[i].unary[b] += moved[b];
			n->var[j].unary[b] += moved[2 + b];
		}
	}
	return ok;
}

static bool cut_init(cut *c, network *n)
{
	*c = (cut){ .n = n };
	uint32_t arcs = 0;
	c->node = pool_alloc(&n->memory, n->vars * sizeof *c->node);
	c->var = pool_alloc(&n->memory, n->left * sizeof *c->var);
	if (!c->node || !c->var)
		return false;
	for (uint32_t i = 0; i < n->vars; i++)
		if (!n->var[i].gone) {
			arcs += n->var[i].live;
			c->node[i] = c->nodes;
			c->var[c->nodes++] = i;
		}
	arcs /= 2;
	c->flip = pool_alloc(&n->memory, c->nodes * sizeof *c->flip);
	c->arc = pool_alloc(&n->memory, arcs * sizeof *c->arc);
	c->first = pool_alloc(&n->memory, (c->nodes + (size_t)1) * sizeof *c->first);
	c->list = pool_alloc(&n->memory, 2 * (size_t)arcs * sizeof *c->list);
	c->excess = pool_alloc(&n->memory, c->nodes * sizeof *c->excess);
	c->sink = pool_alloc(&n->memory, c->nodes * sizeof *c->sink);
	c->distance = pool_alloc(&n->memory, c->nodes * sizeof *c->distance);
	c->current = pool_alloc(&n->memory, c->nodes * sizeof *c->current);
	c->queue = pool_alloc(&n->memory, c->nodes * sizeof *c->queue);
	c->queued = pool_alloc(&n->memory, c->nodes * sizeof *c->queued);
	if (!c->flip || !c->arc || !c->first || !c->list || !c->excess || !c->sink || !c->distance ||
	    !c->current || !c->queue || !c->queued)
		return false;
	memset(c->first, 0, (c->nodes + (size_t)1) * sizeof *c->first);
	memset(c->current, 0, c->nodes * sizeof *c->current);
	return true;
}

/* The flow has left each function a least value of 0, so that the costs of the variables make the bound.
 * Nodes that cannot reach the sink lie on the source's side: label 0. */
bool network_cut(network *n, uint16_t *label, int64_t *value, bool *applies)
{
	cut c;
	*applies = is_binary(n);
	if (!*applies)
		return true;
	if (!cut_init(&c, n))
		return false;
	*applies = orient(&c);
	if (!*applies)
		return true;
	build_arcs(&c);
	flow(&c);
	if (!note_moves(&c))
		return false;
	*value = n->constant;
	for (uint32_t k = 0; k < c.nodes; k++) {
		const variable *v = &n->var[c.var[k]];
		const bool one = c.distance[k] <= c.nodes;
		label[v->id] = network_label(n, c.var[k], one != c.flip[k]);
		*value += v->unary[0] < v->unary[1] ? v->unary[0] : v->unary[1];
	}
	return true;
}
