/* Greedy: start from the graph as written, where kernels that wish for another order stand between
 * conversions, and push conversions down across the operators that do not care, from the inputs to the
 * outputs, as long as an operator thereby loses conversions on its inputs and the conversions around it do
 * not become more. Passes go on while their number falls. */
#include "strategy.h"

typedef struct pusher {
	const problem *p;
	assignment *a;
	size_t *first;    /* offset of each class in demand */
	uint32_t *demand; /* [first[class] + order]: ports that read the class in that order */
	size_t entries;
} pusher;

/* Adds `by` to the demand of group g's readers under configuration c. */
static void count_demand(pusher *u, const problem_group *g, uint32_t c, int by)
{
	for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++) {
		const problem_port *t = &u->p->port[i];
		const uint16_t q = problem_order(u->p, i, c);
		if (!t->produced && q != PROBLEM_ANY)
			u->demand[u->first[t->class] + q] += (uint32_t)by;
	}
}

/* Conversions that configuration c of g would need on what it reads (beyond those that others need) and on
 * what it writes. g's own demand must not be counted in on entry. */
static void count_conversions(pusher *u, const problem_group *g, uint32_t c, uint32_t *before,
			      uint32_t *after)
{
	*before = *after = 0;
	for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++) {
		const problem_port *t = &u->p->port[i];
		const uint16_t q = problem_order(u->p, i, c);
		uint32_t *demand = u->demand + u->first[t->class];
		if (t->produced) {
			for (uint32_t o = 0; o < u->p->class[t->class].orders; o++)
				*after += o != q && demand[o] > 0;
		} else if (!u->p->class[t->class].constant && q != PROBLEM_ANY) {
			*before += q != u->a->produced[t->class] && demand[q] == 0;
			demand[q]++;
		}
	}
	count_demand(u, g, c, -1);
}

/* Moves group k to the configuration with the fewest conversions before it if that pushes some down.
 * Returns by how much the conversions around it become fewer. */
static uint32_t push_group(pusher *u, uint32_t k)
{
	const problem_group *g = &u->p->group[k];
	const uint32_t old = u->a->config[k];
	uint32_t best = old, before, after, old_sum, least, least_sum;
	count_demand(u, g, old, -1);
	count_conversions(u, g, old, &before, &after);
	least = before;
	old_sum = least_sum = before + after;
	for (uint32_t c = 0; c < g->configs; c++) {
		count_conversions(u, g, c, &before, &after);
		if (before + after <= old_sum &&
		    (before < least || (before == least && before + after < least_sum))) {
			best = c;
			least = before;
			least_sum = before + after;
		}
	}
	count_demand(u, g, best, 1);
	u->a->config[k] = best;
	for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++)
		if (u->p->port[i].produced)
			u->a->produced[u->p->port[i].class] = problem_order(u->p, i, best);
	return old_sum - least_sum;
}

clast_status strategy_push(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	(void)options;
	pusher u = { .p = p, .a = a };
	order_tag tag = TAG_FIRST;
	for (size_t v = 0; v < p->classes; v++)
		u.entries += p->class[v].orders;
	u.first = mem_array(a->m, p->classes, sizeof *u.first);
	u.demand = mem_calloc(a->m, u.entries * sizeof *u.demand);
	clast_status s = u.first && u.demand ? CLAST_OK : fail_memory(d, u.entries * sizeof *u.demand);
	if (s != CLAST_OK)
		goto done;
	for (size_t v = 0, at = 0; v < p->classes; at += p->class[v++].orders)
		u.first[v] = at;
	for (uint32_t k = 0; k < p->groups; k++) {
		const uint32_t native = p->group[k].native;
		a->config[k] = native != PROBLEM_NONE ? native : best_config(p, a, k, score_tag, &tag);
		count_demand(&u, &p->group[k], a->config[k], 1);
	}
	s = assignment_complete(a, p, d);
	for (uint32_t fewer = 1; s == CLAST_OK && fewer > 0;) {
		fewer = 0;
		for (uint32_t k = 0; k < p->groups; k++)
			if (p->group[k].native == PROBLEM_NONE && p->group[k].configs > 1)
				fewer += push_group(&u, k);
	}
	if (s == CLAST_OK)
		s = assignment_complete(a, p, d);
done:
	mem_free(a->m, u.first, p->classes * sizeof *u.first);
	mem_free(a->m, u.demand, u.entries * sizeof *u.demand);
	return s;
}
