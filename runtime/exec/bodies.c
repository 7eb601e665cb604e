/* Bodies of If, Loop and Scan, run for the operators' references. Nothing is copied on the way in or out: a body reads views of what is there, and
 * what it leaves goes to the step with the memory that holds it, in the order in which it lies. */
#include <string.h>

#include "run.h"
#include "spec_parts.h"

/* The allocation that holds a tensor; results of bodies are the last ones. */
static allocation *holder(const run *r, const void *data)
{
	for (size_t i = r->allocation_count; i-- > 0;) {
		allocation *a = &r->allocations[i];
		if (data == a->memory || ((const char *)data > (const char *)a->memory && (const char *)data < (const char *)a->memory + a->bytes))
			return a;
	}
	return NULL;
}

/* The allocation goes from one run to the other. */
static clast_status take_over(run *r, run *from, allocation *a)
{
	if (!grow(&r->s->runtime.memory, &r->allocations, &r->allocation_capacity, r->allocation_count + 1, sizeof *r->allocations))
		return fail_memory(r->d, 0);
	r->allocations[r->allocation_count++] = (allocation){ a->memory, a->bytes, 1 };
	*a = from->allocations[--from->allocation_count];
	return CLAST_OK;
}

static bool lies_alike(const tensor_view *a, const tensor_view *b)
{
	bool alike = a->dtype == b->dtype && a->rank == b->rank;
	for (int i = 0; alike && i < a->rank; i++)
		alike = a->dims[i] == b->dims[i] && !a->split[i] && !b->split[i] && (a->dims[i] == 1 || a->strides[i] == b->strides[i]);
	return alike;
}

void *run_wanted(const run *r, uint32_t index, const tensor_view *wanted)
{
	const specialisation *s = r->spec;
	for (uint32_t i = 0; wanted && i < s->block->output_count; i++) {
		const spec_place *x = &s->places[r->s->plan->refs[s->block->outputs + i] - s->block->first_value];
		if (wanted[i].data && x->known && x->base == s->input_count + index && !x->view.data && lies_alike(&x->view, &wanted[i]) &&
		    s->buffers[index].bytes == (size_t)view_count(&wanted[i]) * clast_dtype_bytes(wanted[i].dtype))
			return wanted[i].data;
	}
	return NULL;
}

/* Below this, a copy is less than looking for the memory that holds it. */
#define SMALL_BYTES 64

/* Output i of a body that has run. What lies in memory of others (a captured value, a constant, what the body was given) stays there: they
 * live as long as the step. */
static clast_status take_output(run *r, run *inner, uint32_t i, tensor_view *out)
{
	const void *slot = out->data;
	const uint32_t base = run_place(inner, r->s->plan->refs[inner->spec->block->outputs + i])->base;
	*out = block_output(inner, i);
	const size_t bytes = (size_t)view_count(out) * clast_dtype_bytes(out->dtype);
	if (base == BASE_ABSOLUTE || (slot && out->data == slot))
		return CLAST_OK;
	if (base < inner->spec->input_count && bytes <= SMALL_BYTES) {
		const tensor_view from = *out;
		void *memory;
		const clast_status s = run_keep(r, bytes, &memory);
		view_dense(out, from.dtype, from.rank, from.dims, memory);
		if (!s)
			view_copy(out, &from);
		return s;
	}
	allocation *a = holder(inner, out->data);
	if (a)
		return take_over(r, inner, a);
	a = holder(r, out->data);
	if (a)
		a->users++;
	return CLAST_OK;
}

static void release(run *r, const tensor_view *v)
{
	allocation *a = v->data ? holder(r, v->data) : NULL;
	if (!a || !a->users || --a->users)
		return;
	mem_free(&r->s->runtime.memory, a->memory, a->bytes);
	*a = r->allocations[--r->allocation_count];
}

void host_release(call *c, const tensor_view *v)
{
	const host_frame *f = c->context;
	release(f->r, v);
}

clast_status host_body(call *c, int body, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out)
{
	host_frame *f = c->context;
	run *r = f->r, *inner = NULL;
	const clast_plan *p = r->s->plan;
	const node *n = &p->model->nodes[f->step->node];
	if (body < 0 || (uint32_t)body >= n->n_bodies)
		return fail(r->d, CLAST_ERROR_MODEL, "a subgraph is missing");
	const graph *g = &p->model->graphs[n->bodies[body]];
	const plan_block *b = &p->blocks[n->bodies[body]];
	if (g->refusal)
		return fail(r->d, CLAST_ERROR_MODEL, "the subgraph that is taken contradicts the shapes: %s", g->refusal);
	uint32_t capture = f->step->captures;
	for (int j = 0; j < body; j++)
		capture += p->blocks[n->bodies[j]].capture_count;
	if (b->input_count != n_in || b->output_count != n_out)
		return fail(r->d, CLAST_ERROR_MODEL, "a subgraph has %u inputs and %u outputs, expected %zu and %zu", b->input_count,
		            b->output_count, n_in, n_out);
	if (f->rounds++ >= r->s->limits.loop_iterations)
		return fail(r->d, CLAST_ERROR_LIMIT, "more than %zu iterations (limit loop_iterations)", r->s->limits.loop_iterations);
	const size_t count = n_in + b->capture_count;
	tensor_view *views = mem_array(&r->s->runtime.memory, count + 1, sizeof *views);
	if (!views)
		return fail_memory(r->d, 0);
	for (size_t i = 0; i < n_in; i++)
		views[i] = *in[i];
	for (uint32_t i = 0; i < b->capture_count; i++)
		views[n_in + i] = run_resolve(r, run_place(r, p->refs[capture + i]));
	clast_status s = block_run(r->s, n->bodies[body], views, out, &inner, r->d);
	size_t taken = 0;
	for (; !s && taken < n_out; taken++)
		s = take_output(r, inner, (uint32_t)taken, &out[taken]);
	for (size_t i = 0; s && i + 1 < taken; i++)
		release(r, &out[i]);
	block_done(&inner);
	mem_free(&r->s->runtime.memory, views, (count + 1) * sizeof *views);
	return s;
}

clast_status host_give(call *c, size_t index, const tensor_view *v)
{
	host_frame *f = c->context;
	run *r = f->r;
	tensor_view *to = c->out[index];
	if (to && !to->data && holder(r, v->data)) {
		*to = *v;
		return CLAST_OK;
	}
	const clast_status s = to ? call_output(c, index, v->dtype, v->rank, v->dims) : CLAST_OK;
	if (to && !s) {
		fast_copy(to, v);
		r->s->handed_bytes += (size_t)view_count(v) * clast_dtype_bytes(v->dtype);
	}
	release(r, v);
	return s;
}
