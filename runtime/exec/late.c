/* Steps whose shapes depend on data or that have bodies: inferred, given storage and run one by one. */
#include <string.h>

#include "run.h"

/* The data of what inference may look into. */
static void lend_data(run *r, const plan_step *step, tensor_view *views)
{
	const clast_plan *p = r->s->plan;
	for (uint32_t i = 0; i < step->n_in; i++) {
		const uint32_t pv = step_in(p, step)[i];
		if (pv == NO_ID || !run_place(r, pv)->known || p->values[pv].constant || !sides_on_host(&r->sides, run_place(r, pv)->base))
			continue;
		views[i] = run_resolve(r, run_place(r, pv));
		r->late.facts[p->values[pv].fact].data = &views[i];
	}
}

static void take_data_back(run *r, const plan_step *step)
{
	const clast_plan *p = r->s->plan;
	for (uint32_t i = 0; i < step->n_in; i++) {
		const uint32_t pv = step_in(p, step)[i];
		if (pv != NO_ID && !p->values[pv].constant)
			r->late.facts[p->values[pv].fact].data = NULL;
	}
}

static clast_status infer_late(run *r, const plan_step *step)
{
	if (step->node == NO_ID)
		return CLAST_OK;
	const clast_status brought = run_before_inference(r, step);
	if (brought)
		return brought;
	const size_t bytes = ((size_t)step->n_in + 1) * sizeof(tensor_view);
	tensor_view *views = mem_alloc(&r->s->runtime.memory, bytes);
	if (!views)
		return fail_memory(r->d, bytes);
	lend_data(r, step, views);
	const clast_status s = spec_infer_step(&r->late, step, r->d);
	take_data_back(r, step);
	mem_free(&r->s->runtime.memory, views, bytes);
	return s;
}

typedef struct late_calls {
	run *r;
	const spec_step *step;
} late_calls;

static void run_late_calls(void *context, size_t worker, size_t workers)
{
	const late_calls *x = context;
	const unsigned mode = run_enter_float_mode(x->r);
	run_calls(x->r, &x->r->late, x->step, 1, worker, workers);
	run_leave_float_mode(mode);
}

static clast_status back_buffers(run *r)
{
	clast_status s = CLAST_OK;
	while (!s && r->base_count < r->late.input_count + r->late.buffer_count) {
		void *memory;
		const size_t bytes = r->late.buffers[r->base_count - r->late.input_count].bytes;
		s = run_keep(r, bytes, &memory);
		if (!s)
			s = run_add_base(r, memory, bytes, NULL, 0, false);
	}
	return s;
}

clast_status late_step(run *r, uint32_t i)
{
	const clast_plan *p = r->s->plan;
	const plan_step *step = &p->steps[r->spec->block->first_step + i];
	specialisation *l = &r->late;
	clast_status s = infer_late(r, step);
	if (s)
		return s;
	bool known = true;
	for (uint32_t j = 0; j < step->n_out; j++) {
		const uint32_t pv = step_out(p, step)[j];
		known &= pv == NO_ID || fact_known(&l->facts[p->values[pv].fact]);
	}
	spec_step made = { .mode = MODE_REFERENCE };
	/* Bases and buffers number the same things from here on. */
	while (!s && l->buffer_count + l->input_count < r->base_count) {
		if (!grow(l->memory, &l->buffers, &l->buffer_capacity, l->buffer_count + 1, sizeof *l->buffers))
			return fail_memory(r->d, 0);
		l->buffers[l->buffer_count++] = (spec_buffer){ 0 };
	}
	l->call_count = l->arg_count = 0;
	const bool bodies = step->node != NO_ID && p->model->nodes[step->node].op->flags & OP_BODIES;
	const bool sizes_itself = step->node != NO_ID && p->model->nodes[step->node].op->flags & (OP_BODIES | OP_DATA_SHAPED);
	if (!known && !sizes_itself)
		return node_fail(p->model, step->node, fail(r->d, CLAST_ERROR_UNSUPPORTED, "the shape of its output cannot be told"),
		                 r->d);
	if (known && !bodies)
		s = spec_step_create(l, step, i, &made, r->d);
	if (!s)
		s = back_buffers(r);
	if (s || made.mode == MODE_NOTHING)
		return s;
	if (made.mode == MODE_DEVICE)
		return run_on_device(r, l, &made, step);
	s = run_before_host(r, step);
	if (s || made.mode == MODE_REFERENCE)
		return s ? s : run_reference(r, step);
	s = run_scratch(r->s, l->scratch_bytes);
	if (s)
		return fail_memory(r->d, l->scratch_bytes);
	late_calls x = { r, &made };
	thread_pool_run(r->s->pool->threads, run_late_calls, &x);
	return CLAST_OK;
}

clast_status late_begin(run *r)
{
	const specialisation *s = r->spec;
	specialisation *l = &r->late;
	if (!s->late_steps)
		return CLAST_OK;
	*l = *s;
	l->memory = &r->s->runtime.memory;
	bump_init(&l->region, l->memory);
	l->symbols = NULL;
	l->last_use = NULL; /* nothing is reused once memory comes piece by piece */
	l->calls = NULL;
	l->tables = NULL;
	l->table_count = l->table_capacity = 0;
	l->args = NULL;
	l->buffers = NULL;
	l->call_count = l->call_capacity = l->arg_count = l->arg_capacity = l->buffer_count = l->buffer_capacity = 0;
	l->facts = bump_array(&l->region, (size_t)s->block->fact_count + 1, sizeof *l->facts);
	l->places = bump_array(&l->region, (size_t)s->block->value_count + 1, sizeof *l->places);
	if (!l->facts || !l->places || !grow(l->memory, &l->buffers, &l->buffer_capacity, s->buffer_count + 1, sizeof *l->buffers))
		return fail_memory(r->d, 0);
	memcpy(l->facts, s->facts, s->block->fact_count * sizeof *l->facts);
	memcpy(l->places, s->places, s->block->value_count * sizeof *l->places);
	memset(l->buffers, 0, s->buffer_count * sizeof *l->buffers);
	l->buffer_count = s->buffer_count;
	return CLAST_OK;
}

void late_end(run *r)
{
	mem *a = r->late.memory;
	if (!a)
		return;
	mem_free(a, r->late.calls, r->late.call_capacity * sizeof *r->late.calls);
	mem_free(a, r->late.args, r->late.arg_capacity * sizeof *r->late.args);
	mem_free(a, r->late.buffers, r->late.buffer_capacity * sizeof *r->late.buffers);
	spec_free_tables(&r->late);
	bump_release(&r->late.region);
}
