/* Channels in blocks wherever a kernel works in blocks, channels-first elsewhere. */
#include "strategy.h"

/* Blocks first; among configurations with equally many ports in blocks the one with more in `first`. */
static int64_t score_blocked(const problem *p, const assignment *a, uint32_t group, uint32_t config,
			     void *context)
{
	(void)context;
	order_tag blocked = TAG_BLOCKED, first = TAG_FIRST;
	return score_tag(p, a, group, config, &blocked) * ((int64_t)p->group[group].ports + 1) +
	       score_tag(p, a, group, config, &first);
}

clast_status strategy_blocked(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	(void)options;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = best_config(p, a, g, score_blocked, NULL);
	return assignment_complete(a, p, d);
}
