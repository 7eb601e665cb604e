/* When the device did what a queue was given: OpenCL's events, on the host's clock.
 *
 * A device has a clock of its own. Its events say when the host asked for them (QUEUED), which the host notes too, just before: the
 * distance between the clocks is at least the difference of the two, so that the largest difference of a run is the best estimate. */
#include <time.h>

#include "opencl.h"

static uint64_t host_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

cl_event *opencl_stamp_next(opencl_queue *q, device_work what, size_t bytes)
{
	mem *m = &q->device->memory;
	if (!q->timed || !grow(m, &q->stamps, &q->stamp_capacity, q->stamp_count + 1, sizeof *q->stamps))
		return NULL;
	opencl_stamp *s = &q->stamps[q->stamp_count++];
	*s = (opencl_stamp){ .asked_ns = host_ns(), .what = what, .mark = q->mark, .tag = q->tag, .bytes = bytes };
	return &s->event;
}

void opencl_mark(device_queue *base, size_t tag)
{
	opencl_queue *q = (opencl_queue *)base;
	q->tag = tag;
	q->mark++;
}

void opencl_forget_times(opencl_queue *q)
{
	for (size_t i = 0; i < q->stamp_count; i++)
		if (q->stamps[i].event)
			q->device->cl->clReleaseEvent(q->stamps[i].event);
	q->stamp_count = 0;
}

static bool read_clock(const opencl_queue *q, const opencl_stamp *s, cl_profiling_info which, uint64_t *ns)
{
	cl_ulong t = 0;
	const bool known = s->event && !q->device->cl->clGetEventProfilingInfo(s->event, which, sizeof t, &t, NULL);
	*ns = t;
	return known;
}

/* What is added to the device's clock to give the host's. */
static int64_t distance_of(const opencl_queue *q)
{
	int64_t best = INT64_MIN;
	uint64_t queued;
	for (size_t i = 0; i < q->stamp_count; i++) {
		if (!read_clock(q, &q->stamps[i], CL_PROFILING_COMMAND_QUEUED, &queued))
			continue;
		const int64_t distance = (int64_t)(q->stamps[i].asked_ns - queued);
		best = distance > best ? distance : best;
	}
	return best;
}

clast_status opencl_times(device_queue *base, void (*tell)(void *context, const device_time *t), void *context, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	const clast_status s = opencl_finish(base, d);
	const int64_t distance = s || !tell ? 0 : distance_of(q);
	for (size_t i = 0; !s && tell && i < q->stamp_count;) {
		const opencl_stamp *first = &q->stamps[i];
		device_time t = { .what = first->what, .tag = first->tag, .bytes = first->bytes, .start_ns = UINT64_MAX };
		for (; i < q->stamp_count && q->stamps[i].mark == first->mark && q->stamps[i].what == first->what; i++) {
			uint64_t start, end;
			if (!read_clock(q, &q->stamps[i], CL_PROFILING_COMMAND_START, &start) ||
			    !read_clock(q, &q->stamps[i], CL_PROFILING_COMMAND_END, &end) || end < start)
				continue;
			t.start_ns = start + (uint64_t)distance < t.start_ns ? start + (uint64_t)distance : t.start_ns;
			t.end_ns = end + (uint64_t)distance > t.end_ns ? end + (uint64_t)distance : t.end_ns;
			t.bytes += &q->stamps[i] == first ? 0 : q->stamps[i].bytes;
		}
		if (t.end_ns)
			tell(context, &t);
	}
	opencl_forget_times(q);
	return s;
}
