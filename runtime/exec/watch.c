/* What a caller sees of a run, and how he ends it. */
#include "diag.h"
#include "run.h"

/* How often the caller is asked whether to go on. */
enum { ASK_NANOSECONDS = 1000000 };

static void observe(run *r, const plan_step *step)
{
	const clast_plan *p = r->s->plan;
	const clast_session_options *o = &r->s->options;
	for (uint32_t j = 0; j < step->n_out && step->kind != STEP_CONVERT; j++) {
		const uint32_t pv = step_out(p, step)[j];
		if (pv == NO_ID || !run_place(r, pv)->known || run_bring_value(r, pv))
			continue;
		clast_tensor t = { .view = run_resolve(r, run_place(r, pv)) };
		const value_id v = p->facts[r->spec->block->first_fact + p->values[pv].fact];
		clast_tensor *dense = NULL;
		bool split = false;
		for (int a = 0; a < t.view.rank; a++)
			split |= t.view.split[a] != 0;
		if (split && !tensor_create(t.view.dtype, (size_t)t.view.rank, t.view.dims, NULL, &dense, NULL))
			fast_copy(&dense->view, &t.view);
		if (!split || dense)
			o->observe(o->observe_context, p->model->values[v].name, dense ? dense : &t);
		clast_tensor_free(&dense);
	}
}

void run_watch(run *r, uint32_t index, uint64_t start)
{
	const clast_session_options *o = &r->s->options;
	const uint32_t step = r->spec->block->first_step + index;
	if ((o->profile || o->activity) && !r->on_device) {
		const uint64_t end = now_ns();
		if (o->profile)
			o->profile(o->profile_context, step, start, end);
		if (o->activity)
			o->activity(o->activity_context, CLAST_ACTIVITY_CPU, step, 0, start, end);
	}
	if (o->observe && !atomic_load_explicit(&r->status, memory_order_relaxed))
		observe(r, &r->s->plan->steps[step]);
}

static void tell(void *context, const device_time *t)
{
	static const clast_activity names[] = { [DEVICE_KERNEL] = CLAST_ACTIVITY_DEVICE, [DEVICE_WRITE] = CLAST_ACTIVITY_UPLOAD,
		                                [DEVICE_READ] = CLAST_ACTIVITY_DOWNLOAD };
	const clast_session_options *o = context;
	if (o->profile && t->what == DEVICE_KERNEL)
		o->profile(o->profile_context, t->tag, t->start_ns, t->end_ns);
	if (o->activity)
		o->activity(o->activity_context, names[t->what], t->tag, t->bytes, t->start_ns, t->end_ns);
}

void session_tell_times(clast_session *s, clast_status of_run)
{
	if (s->queue && (s->options.profile || s->options.activity))
		(void)device_queue_times(s->queue, of_run ? NULL : tell, &s->options, NULL);
}

static bool cancel(run *r)
{
	atomic_store(&r->cancelled, true);
	fail(r->d, CLAST_ERROR_CANCELLED, "the run was cancelled");
	return false;
}

bool run_proceed(run *r)
{
	const clast_session_options *o = &r->s->options;
	if (atomic_load_explicit(&r->cancelled, memory_order_relaxed))
		return false;
	if (atomic_load_explicit(&r->s->cancel, memory_order_relaxed))
		return cancel(r);
	if (!o->progress)
		return true;
	const uint64_t now = now_ns();
	if (now - r->asked < ASK_NANOSECONDS)
		return true;
	r->asked = now;
	if (o->progress(o->progress_context, r->fraction))
		return true;
	return cancel(r);
}
