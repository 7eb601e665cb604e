/* The exact planner, which starts from the best that the strategies without search find. */
#include "solve.h"
#include "strategy.h"

/* Tries the other strategies; the cheapest assignment ends up in *best. */
static clast_status best_of_others(const problem *p, const strategy_options *options, assignment *best,
				   clast_diag *d)
{
	clast_status s = CLAST_OK;
	bool any = false;
	for (size_t i = 0; s == CLAST_OK && i < strategy_count; i++) {
		assignment a;
		if (strategies[i].choose == strategy_min ||
		    (strategies[i].choose == strategy_manual && !(options && options->manual)))
			continue;
		s = assignment_init(&a, p, best->m, d);
		if (s == CLAST_OK)
			s = strategies[i].choose(p, options, &a, d);
		if (s == CLAST_OK && (!any || assignment_cost(&a) < assignment_cost(best))) {
			const assignment swap = *best;
			*best = a;
			a = swap;
			any = true;
		}
		assignment_release(&a);
	}
	return s;
}

clast_status strategy_min(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	solution r;
	const solve_options limits = { .seconds = options ? options->seconds : 0, .seed = a };
	clast_status s = best_of_others(p, options, a, d);
	if (s == CLAST_OK)
		s = solve(p, &limits, a->m, &r, d);
	if (s != CLAST_OK)
		return s;
	const assignment swap = *a;
	*a = r.best;
	r.best = swap;
	solution_release(&r);
	return CLAST_OK;
}
