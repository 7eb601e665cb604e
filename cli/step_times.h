/* What the steps of a plan take, and what they could take on this machine. */
#ifndef CLAST_CLI_STEP_TIMES_H
#define CLAST_CLI_STEP_TIMES_H

#include "contest.h"
#include "emit.h"
#include "machine.h"

typedef struct step_time {
	clast_step_info step;
	clast_step_work work;
	double ms;
	bool on_device;
} step_time;

typedef struct step_times {
	step_time *list; /* in the order of the plan */
	size_t count;
	machine can;     /* with --roofline: the CPU, or the plan's device */
	struct {
		size_t count, bytes; /* a run */
		double ms;
	} copies;        /* between the two */
} step_times;

/* Times every step of the first contender in runs of its own, so that the callback does not disturb the comparison; writes the trace that
 * --profile asks for, and measures the machine for --roofline. */
CLAST_MUST_CHECK clast_status step_times_measure(step_times *t, contest *c, const options *o, problem *p);
/* What --per-node, --roofline and --balance ask for. */
void step_times_print(const step_times *t, const options *o);
void step_times_write(const step_times *t, const options *o, emitter *j);
void step_times_free(step_times *t);

#endif
