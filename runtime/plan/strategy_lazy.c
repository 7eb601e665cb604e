/* Each operator takes the order in which most of its inputs arrive; those with a kernel of their own wish
 * take that. */
#include "strategy.h"

/* How many inputs arrive in the order that the configuration reads. */
static int64_t score_arrivals(const problem *p, const assignment *a, uint32_t group, uint32_t config,
			      void *context)
{
	(void)context;
	const problem_group *g = &p->group[group];
	int64_t score = 0;
	for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++) {
		const problem_port *t = &p->port[i];
		const uint16_t arrives = a->produced[t->class];
		score += !t->produced && arrives != PROBLEM_ANY && arrives == problem_order(p, i, config);
	}
	return score;
}

clast_status strategy_lazy(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	(void)options;
	for (uint32_t k = 0; k < p->groups; k++) {
		const problem_group *g = &p->group[k];
		a->config[k] =
			g->native != PROBLEM_NONE ? g->native : best_config(p, a, k, score_arrivals, NULL);
		for (uint32_t i = g->first_port; i < g->first_port + g->ports; i++)
			if (p->port[i].produced)
				a->produced[p->port[i].class] = problem_order(p, i, a->config[k]);
	}
	return assignment_complete(a, p, d);
}
