#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"

void trace_add(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start_ns, uint64_t end_ns)
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
	t->events[t->count++] = (trace_event){ what, step, bytes, start_ns, end_ns };
}

void trace_free(trace *t)
{
	free(t->events);
	*t = (trace){ 0 };
}

enum { ROW_CPU = 1, ROW_DEVICE, ROW_COPIES };

static int row_of(const trace_event *e)
{
	return e->what == CLAST_ACTIVITY_CPU ? ROW_CPU : e->what == CLAST_ACTIVITY_DEVICE ? ROW_DEVICE : ROW_COPIES;
}

/* The name under which a row is shown. */
static void write_row(int row, const char *name, emitter *j)
{
	emit_object(j, NULL);
	emit_string(j, "name", "thread_name");
	emit_string(j, "ph", "M");
	emit_count(j, "pid", 1);
	emit_count(j, "tid", (size_t)row);
	emit_object(j, "args");
	emit_string(j, "name", name);
	emit_end_object(j);
	emit_end_object(j);
}

static void write_rows(const trace *t, emitter *j)
{
	static const char *const names[] = { [ROW_CPU] = "CPU", [ROW_DEVICE] = "device", [ROW_COPIES] = "copies" };
	for (int row = ROW_CPU; row <= ROW_COPIES; row++)
		for (size_t i = 0; i < t->count; i++)
			if (row_of(&t->events[i]) == row) {
				write_row(row, names[row], j);
				break;
			}
}

static void write_arguments(const trace_event *e, const clast_step_info *step, emitter *j)
{
	emit_object(j, "args");
	if (row_of(e) == ROW_COPIES) {
		emit_count(j, "bytes", e->bytes);
	} else {
		emit_string(j, "kernel", step->kernel);
		emit_string(j, "fused", step->fused);
		emit_string(j, "output", step->output);
		emit_string(j, "order", step->order);
	}
	emit_end_object(j);
}

static clast_status write_event(const trace_event *e, uint64_t origin, const clast_plan *plan, emitter *j)
{
	clast_step_info step = { .struct_size = sizeof(step), .node = "outputs", .op = "" };
	const clast_status s = e->step == SIZE_MAX ? CLAST_OK : clast_plan_step(plan, e->step, &step);
	if (s)
		return s;
	emit_object(j, NULL);
	emit_string(j, "name", *step.node ? step.node : step.op);
	emit_string(j, "cat", e->what == CLAST_ACTIVITY_UPLOAD ? "upload" : e->what == CLAST_ACTIVITY_DOWNLOAD ? "download" : step.op);
	emit_string(j, "ph", "X");
	emit_real(j, "ts", (double)(int64_t)(e->start_ns - origin) * 1e-3);
	emit_real(j, "dur", (double)(e->end_ns - e->start_ns) * 1e-3);
	emit_count(j, "pid", 1);
	emit_count(j, "tid", (size_t)row_of(e));
	write_arguments(e, &step, j);
	emit_end_object(j);
	return CLAST_OK;
}

/* Of a device's events those of a run come after its end. */
static uint64_t origin_of(const trace *t)
{
	uint64_t first = UINT64_MAX;
	for (size_t i = 0; i < t->count; i++)
		first = t->events[i].start_ns < first ? t->events[i].start_ns : first;
	return first;
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
	write_rows(t, &j);
	const uint64_t origin = origin_of(t);
	for (size_t i = 0; !s && i < t->count; i++)
		s = problem_in(p, path, write_event(&t->events[i], origin, plan, &j));
	emit_end_array(&j);
	emit_end_object(&j);
	if (!emit_close(&j) && !s)
		s = problem_set(p, CLAST_ERROR_IO, path, "cannot be written");
	return s;
}
