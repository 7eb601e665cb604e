/* The exact planner. */
#include "solve.h"
#include "strategy.h"

clast_status strategy_min(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	solution r;
	const solve_options limits = { .seconds = options ? options->seconds : 0,
				       .manual = options ? options->manual : NULL };
	const clast_status s = solve(p, &limits, a->m, &r, d);
	if (s != CLAST_OK)
		return s;
	const assignment swap = *a;
	*a = r.best;
	r.best = swap;
	solution_release(&r);
	return CLAST_OK;
}
