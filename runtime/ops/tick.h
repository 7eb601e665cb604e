/* Asks a long loop's host now and then whether to go on: often enough to stop within milliseconds, seldom
 * enough to cost nothing. */
#ifndef CLAST_TICK_H
#define CLAST_TICK_H

#include "op.h"

#define ELEMENTS_PER_QUESTION 65536

typedef struct ticker {
	call *c;
	int64_t since;
} ticker;

/* So many elements were done. */
static inline clast_status tick(ticker *t, int64_t elements)
{
	t->since += elements;
	if (t->since < ELEMENTS_PER_QUESTION)
		return CLAST_OK;
	t->since = 0;
	return call_proceed(t->c) ? CLAST_OK : fail(t->c->diag, CLAST_ERROR_CANCELLED, "the run was stopped");
}

#endif
