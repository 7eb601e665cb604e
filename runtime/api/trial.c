#include "trial.h"

#include <string.h>
#include <time.h>

/* The thread's own clock: other work on the machine does not advance it. */
static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(void *context, size_t step, uint64_t start, uint64_t end)
{
	trial *t = context;
	/* What a device takes no clock of this thread counts. */
	const double ns = (double)(t->plan->device ? end - start : cpu_ns() - t->last);
	if (step < t->plan->step_count && (t->least[step] == 0 || ns < t->least[step]))
		t->least[step] = ns;
	t->last = cpu_ns();
}

/* Floating-point elements are small and differ; all others are 0, which every index allows. */
static void fill(clast_tensor *t)
{
	float *x = clast_tensor_data(t);
	uint32_t state = 1;
	for (size_t i = 0; clast_tensor_dtype(t) == CLAST_FLOAT32 && i < clast_tensor_count(t); i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(state >> 8) / (1 << 24);
	}
}

static clast_status make_inputs(clast_plan *p, clast_tensor **inputs, clast_diag *d)
{
	const graph *g = &p->model->graphs[0];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++) {
		const value *v = &p->model->values[g->inputs[i]];
		int64_t dims[CLAST_MAX_RANK];
		for (int a = 0; a < v->rank; a++)
			dims[a] = plan_extent(p, v->dims[a]);
		s = clast_tensor_create(v->dtype, v->rank < 0 ? 0 : (size_t)v->rank, dims, &p->model->memory.allocator, &inputs[i], d);
		if (!s)
			fill(inputs[i]);
	}
	return s;
}

clast_status trial_open(clast_plan *p, trial *t, clast_diag *d)
{
	const graph *g = &p->model->graphs[0];
	const clast_session_options so = { .struct_size = sizeof so,
		                           .threads = 1,
		                           .allocator = &p->model->memory.allocator,
		                           .limits.memory_bytes = p->model->limits.memory_bytes,
		                           .progress = p->model->progress,
		                           .progress_context = p->model->progress_context,
		                           .profile = note,
		                           .profile_context = t };
	*t = (trial){ .plan = p };
	p->strip_cache = SIZE_MAX; /* each step is timed by itself */
	t->inputs = mem_calloc(&p->memory, (g->input_count + 1) * sizeof *t->inputs);
	t->outputs = mem_calloc(&p->memory, (g->output_count + 1) * sizeof *t->outputs);
	t->least = mem_calloc(&p->memory, (p->step_count + 1) * sizeof *t->least);
	pthread_mutex_lock(&p->model->lock); /* extents are computed with dims */
	clast_status s = t->inputs && t->outputs && t->least ? make_inputs(p, t->inputs, d) : fail_memory(d, 0);
	pthread_mutex_unlock(&p->model->lock);
	if (!s)
		s = clast_session_create(p, &so, &t->session, d);
	if (s)
		trial_close(t);
	return s;
}

clast_status trial_run(trial *t, clast_diag *d)
{
	const graph *g = &t->plan->model->graphs[0];
	memset(t->outputs, 0, (g->output_count + 1) * sizeof *t->outputs);
	t->last = cpu_ns();
	return clast_session_run(t->session, g->input_count, (const clast_tensor *const *)t->inputs, g->output_count, t->outputs, d);
}

void trial_close(trial *t)
{
	clast_plan *p = t->plan;
	if (!p)
		return;
	const graph *g = &p->model->graphs[0];
	clast_session_free(&t->session);
	for (size_t i = 0; t->inputs && i < g->input_count; i++)
		clast_tensor_free(&t->inputs[i]);
	mem_free(&p->memory, t->inputs, (g->input_count + 1) * sizeof *t->inputs);
	mem_free(&p->memory, t->outputs, (g->output_count + 1) * sizeof *t->outputs);
	mem_free(&p->memory, t->least, (p->step_count + 1) * sizeof *t->least);
	*t = (trial){ 0 };
}
