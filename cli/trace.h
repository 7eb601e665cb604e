/* What runs spent their time on, collected by the activity callback. */
#ifndef CLAST_CLI_TRACE_H
#define CLAST_CLI_TRACE_H

#include "clast/clast.h"
#include "report.h"

typedef struct trace_event {
	clast_activity what;
	size_t step, bytes;
	uint64_t start_ns, end_ns;
} trace_event;

typedef struct trace {
	trace_event *events;
	size_t count, capacity;
	bool lost; /* memory was short */
} trace;

/* The activity callback; context is a trace. */
void trace_add(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start_ns, uint64_t end_ns);
/* Writes the events in the Trace Event Format that chrome://tracing and Perfetto read; the device and copies have rows of their own. */
CLAST_MUST_CHECK clast_status trace_write(const trace *t, const clast_plan *plan, const char *path,
					  problem *p);
void trace_free(trace *t);

#endif
