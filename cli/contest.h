/* Strategies timed against one another: every round runs each of them once, in an order of its own. */
#ifndef CLAST_CLI_CONTEST_H
#define CLAST_CLI_CONTEST_H

#include "engine.h"
#include "statistics.h"
#include "strategies.h"

typedef struct contender {
	const char *name;
	clast_plan *plan;
	clast_session *session;
	clast_plan_report report;
	double *ms;
	statistics time, ratio; /* ratio: to the first contender, round by round */
} contender;

typedef struct contest {
	engine *e;
	file_tensor *inputs;
	clast_tensor **outputs;
	strategy_plan plans[STRATEGIES_MOST];
	contender contenders[STRATEGIES_MOST];
	size_t count, rounds;
	bool cpu_time; /* of all threads together, which other work on the machine does not advance */
} contest;

/* Inputs as --input gives them, the others random. The contest must be zeroed; contest_free releases what it holds, but not the engine. */
CLAST_MUST_CHECK clast_status contest_inputs(contest *c, engine *e, const options *o, problem *p);
/* Plans and sessions for the strategies of a list, with warm-up runs. */
CLAST_MUST_CHECK clast_status contest_start(contest *c, const options *o, const char *list, problem *p);
/* Rounds as --runs says, or as many as fit into so many seconds for each contender; then their statistics. */
CLAST_MUST_CHECK clast_status contest_run(contest *c, const options *o, double seconds, problem *p);
CLAST_MUST_CHECK clast_status contest_once(contest *c, clast_session *s, double *ms, problem *p);
void contest_free(contest *c);

size_t threads_used(const options *o);

#endif
