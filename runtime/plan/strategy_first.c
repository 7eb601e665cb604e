/* Everything channels-first. */
#include "strategy.h"

clast_status strategy_first(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	(void)options;
	order_tag tag = TAG_FIRST;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = best_config(p, a, g, score_tag, &tag);
	for (uint32_t v = 0; v < p->classes; v++)
		if (p->class[v].tag[tag] != PROBLEM_NONE)
			a->produced[v] = (uint16_t)p->class[v].tag[tag];
	return assignment_complete(a, p, d);
}
