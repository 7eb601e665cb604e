#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"

void trace_step(void *context, size_t step, uint64_t start_ns, uint64_t end_ns)
{
	trace *t = context;
	if (t->count == t->capacity) {
		const size_t capacity = t->capacity ? 2 * t->capacity : 1024;
		trace_event *more = realloc(t->events, capacity * sizeof(*more));
		if (!more) {
			t->lost = true;
			return;
		}
		t->events = more;
		t->capacity = capacity;
	}
	t->events[t->count++] = (trace_event){ step, start_ns, end_ns };
}

void trace_free(trace *t)
{
	free(t->events);
	*t = (trace){ 0 };
}

static clast_status write_event(const trace_event *e, uint64_t origin, const clast_plan *plan, emitter *j)
{
	clast_step_info step = { .struct_size = sizeof(step) };
	const clast_status s = clast_plan_step(plan, e->step, &step);
	if (s)
		return s;
	emit_object(j, NULL);
	emit_string(j, "name", *step.node ? step.node : step.op);
	emit_string(j, "cat", step.op);
	emit_string(j, "ph", "X");
	emit_real(j, "ts", (double)(e->start_ns - origin) * 1e-3);
	emit_real(j, "dur", (double)(e->end_ns - e->start_ns) * 1e-3);
	emit_count(j, "pid", 1);
	emit_count(j, "tid", 1);
	emit_object(j, "args");
	emit_string(j, "kernel", step.kernel);
	emit_string(j, "fused", step.fused);
	emit_string(j, "output", step.output);
	emit_string(j, "order", step.order);
	emit_end_object(j);
	emit_end_object(j);
	return CLAST_OK;
}

clast_status trace_write(const trace *t, const clast_plan *plan, const char *path, problem *p)
{
	emitter j = { .file = fopen(path, "w"), .path = path, .first = true };
	if (!j.file)
		return problem_set(p, CLAST_ERROR_IO, path, "%s", strerror(errno));
	clast_status s = t->lost ? problem_set(p, CLAST_ERROR_MEMORY, path, "not enough memory for the trace")
				 : CLAST_OK;
	emit_object(&j, NULL);
	emit_array(&j, "traceEvents");
	for (size_t i = 0; !s && i < t->count; i++)
		s = problem_in(p, path, write_event(&t->events[i], t->events[0].start_ns, plan, &j));
	emit_end_array(&j);
	emit_end_object(&j);
	if (!emit_close(&j) && !s)
		s = problem_set(p, CLAST_ERROR_IO, path, "cannot be written");
	return s;
}
