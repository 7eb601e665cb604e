/* The exact planner: an assignment of least cost, and a proof of it. See docs/planner.md for the
 * mathematics. */
#ifndef CLAST_PLAN_SOLVE_H
#define CLAST_PLAN_SOLVE_H

#include "certificate.h"
#include "problem.h"

typedef struct solve_options {
	/* Of computing, for the search; 0: 10. Only a search that meets it depends on the machine. */
	double seconds;
	/* Largest table that elimination may make for more than two variables; 0: 2^20. */
	size_t table_entries;
	/* Wishes of the strategy `manual`, which then is one of those tried. */
	const uint16_t *manual;
} solve_options;

typedef struct solution {
	assignment best;
	uint64_t bound; /* proved: no assignment costs less */
	bool optimal;   /* assignment_cost(&best) == bound */
	certificate proof;
} solution;

/* Where the search does not finish in time, all strategies are tried too and the best plan is taken, so
 * that none of them ever costs less. options may be NULL. The problem must be finished. On failure the
 * solution holds nothing. */
clast_status solve(const problem *p, const solve_options *options, mem *m, solution *s, clast_diag *d);
void solution_release(solution *s);

#endif
