/* Runs of a plan on made up inputs, at representative extents and in one thread, to learn what its steps take. */
#ifndef CLAST_API_TRIAL_H
#define CLAST_API_TRIAL_H

#include "plan.h"

typedef struct trial {
	clast_plan *plan;
	clast_session *session;
	clast_tensor **inputs, **outputs;
	double *least; /* by step of the plan: nanoseconds of processor time, elapsed time with a device; 0 where it has not run */
	uint64_t last; /* the clock when the step before ended */
} trial;

/* Nothing is left after a failure. The plan must live as long as the trial. */
clast_status trial_open(clast_plan *p, trial *t, clast_diag *d);
/* Runs once and keeps the least time of each step. */
clast_status trial_run(trial *t, clast_diag *d);
void trial_close(trial *t);

#endif
