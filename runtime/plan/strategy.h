/* Strategies: ways to choose the orders of a layout problem. All see the same problem, so that a
 * comparison of their plans isolates the choice of orders. strategy.def is the list; each is one file
 * strategy_<name>.c. */
#ifndef CLAST_PLAN_STRATEGY_H
#define CLAST_PLAN_STRATEGY_H

#include "problem.h"

typedef struct strategy_options {
	uint64_t seed; /* of `random` */
	const uint16_t
		*manual; /* of `manual`: the wish for each class, PROBLEM_ANY: none; NULL: none at all */
	double seconds;  /* time limit of `min`; 0: 10 s */
} strategy_options;

/* Fills an assignment that assignment_init has made. */
typedef clast_status strategy_choose(const problem *p, const strategy_options *options, assignment *a,
				     clast_diag *d);

typedef struct strategy {
	const char *name;
	const char *summary; /* what it does, and who else does so */
	strategy_choose *choose;
} strategy;

extern const strategy strategies[];
extern const size_t strategy_count;

/* The strategy of a name; "random:7" also fills in options->seed (options may be NULL). NULL if there is
 * none. */
const strategy *strategy_find(const char *name, strategy_options *options);

#define STRATEGY(NAME, SUMMARY) strategy_choose strategy_##NAME;
#include "strategy.def"
#undef STRATEGY

/* Shared by several strategies: the configuration with the highest score, the cheapest of those with equal
 * scores, the first of those. score may be NULL (the cheapest). */
typedef int64_t config_score(const problem *p, const assignment *a, uint32_t group, uint32_t config,
			     void *context);
uint32_t best_config(const problem *p, const assignment *a, uint32_t group, config_score *score,
		     void *context);

/* The number of ports of the group that work in the order which bears the tag. */
int64_t score_tag(const problem *p, const assignment *a, uint32_t group, uint32_t config, void *tag);

#endif
