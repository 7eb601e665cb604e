/* The strategies that this build knows: the words of --strategy for which a plan can be made. */
#ifndef CLAST_CLI_STRATEGIES_H
#define CLAST_CLI_STRATEGIES_H

#include "engine.h"

typedef struct strategy_plan {
	char name[40];
	clast_plan *plan;
} strategy_plan;

enum { STRATEGIES_MOST = 32 };

/* Makes a plan for each strategy of the list "a,b", or for "all"; unknown names in a list are an error, in
 * "all" they are left out. Returns how many through count. */
CLAST_MUST_CHECK clast_status strategies_plan(engine *e, const options *o, const char *list,
					      strategy_plan plans[STRATEGIES_MOST], size_t *count,
					      problem *p);
void strategies_free(strategy_plan *plans, size_t count);

#endif
