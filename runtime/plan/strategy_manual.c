/* Orders given by the caller for each class; an operator follows as many of these wishes as it can. */
#include "strategy.h"

static int64_t score_wishes(const problem *p, const assignment *a, uint32_t group, uint32_t config,
			    void *context)
{
	(void)a;
	const uint16_t *wish = context;
	const problem_group *g = &p->group[group];
	int64_t score = 0;
	for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++)
		score += wish[p->port[i].class] != PROBLEM_ANY &&
			 wish[p->port[i].class] == problem_order(p, i, config);
	return score;
}

clast_status strategy_manual(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	const uint16_t *wish = options ? options->manual : NULL;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = best_config(p, a, g, wish ? score_wishes : NULL, (void *)wish);
	for (uint32_t v = 0; wish && v < p->classes; v++)
		a->produced[v] = wish[v];
	return assignment_complete(a, p, d);
}
