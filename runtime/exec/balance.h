/* How evenly workers share kernel calls, by their processor time, which other work on the machine does not advance. */
#ifndef CLAST_EXEC_BALANCE_H
#define CLAST_EXEC_BALANCE_H

#include "spec.h"

/* Of one specialisation. Calls that may run beside one another count as one. */
typedef struct balance {
	size_t workers, calls, steps;
	uint64_t *ns;       /* [calls + steps][workers]: of the run under way; those of steps are for references and strip groups */
	uint64_t *total;    /* [calls + steps]: of all workers, the least of all runs */
	uint64_t *critical; /* [calls + steps]: of the busiest worker, likewise */
} balance;

clast_status balance_create(const specialisation *s, size_t workers, mem *m, balance **out, clast_diag *d);
void balance_free(balance **b, mem *m);
/* The thread's clock now, 0 where b is NULL. */
uint64_t balance_start(const balance *b);
/* What a worker took since then for a call, or for all of a step. */
void balance_call(balance *b, size_t index, size_t worker, uint64_t start);
void balance_whole(balance *b, size_t step, size_t worker, uint64_t start);
/* After a run of all steps. */
void balance_run(balance *b, const specialisation *s);
/* Adds up a step: nanoseconds of all workers, and of the busiest of each call. */
void balance_step(const balance *b, const specialisation *s, size_t step, double *total, double *critical);

#endif
