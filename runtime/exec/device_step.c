/* Steps on the plan's device, and bringing what steps read to the side on which they run. */
#include "diag.h"
#include "run.h"

/* Operand k of a step, inputs first, captures last. */
static uint32_t operand_of(const run *r, const plan_step *step, uint32_t k)
{
	const uint32_t own = (uint32_t)step->n_in + step->n_out + step->n_fused;
	return r->s->plan->refs[k < own ? step->refs + k : step->captures + k - own];
}

static size_t step_index(const run *r, const plan_step *step)
{
	return (size_t)(step - r->s->plan->steps);
}

static clast_status bring(run *r, uint32_t base, bool on_device)
{
	if (base >= r->base_count)
		return CLAST_OK;
	return on_device ? sides_to_device(&r->sides, base, r->bases[base], r->d) :
	                   sides_to_host(&r->sides, base, r->bases[base], r->d);
}

/* Outputs too, where they are part of what has been written. */
static clast_status bring_operands(run *r, const plan_step *step, bool on_device)
{
	clast_status s = CLAST_OK;
	const uint32_t count = (uint32_t)step->n_in + step->n_out + step->n_fused + step->capture_count;
	for (uint32_t k = 0; !s && k < count; k++) {
		const uint32_t pv = operand_of(r, step, k);
		if (pv != NO_ID && run_place(r, pv)->known)
			s = bring(r, run_place(r, pv)->base, on_device);
	}
	return s;
}

static void note_outputs(run *r, const plan_step *step, bool on_device)
{
	for (uint32_t j = 0; j < step->n_out; j++) {
		const uint32_t pv = step_out(r->s->plan, step)[j];
		if (pv != NO_ID && run_place(r, pv)->known)
			sides_written(&r->sides, run_place(r, pv)->base, on_device);
	}
}

static clast_status launch_call(run *r, const specialisation *s, const spec_call *c)
{
	device_arg args[SPEC_MAX_DEVICE_ARGS] = { { NULL, 0 } };
	for (uint32_t i = 0; i < c->arg_count; i++) {
		const spec_arg *a = &s->args[c->first_arg + i];
		if (a->base == BASE_NONE)
			continue;
		if (a->base == BASE_ABSOLUTE) {
			args[i] = (device_arg){ a->memory, (size_t)a->offset };
			continue;
		}
		const clast_status status = bring(r, a->base, true);
		if (status)
			return status;
		const side *at = &r->sides.list[a->base];
		args[i] = (device_arg){ at->memory, at->offset + (size_t)a->offset };
	}
	return device_launch(r->sides.queue, c->on_device, c->arg_count, args, r->d);
}

clast_status run_on_device(run *r, const specialisation *s, const spec_step *made, const plan_step *step)
{
	device_queue_mark(r->sides.queue, step_index(r, step));
	r->on_device = true;
	clast_status status = bring_operands(r, step, true);
	for (uint32_t i = 0; !status && i < made->call_count; i++)
		status = launch_call(r, s, &s->calls[made->first_call + i]);
	note_outputs(r, step, true);
	if (status && step->node != NO_ID)
		node_fail(r->s->plan->model, step->node, status, r->d);
	return status;
}

clast_status run_before_host(run *r, const plan_step *step)
{
	r->on_device = false;
	if (!r->sides.dev)
		return CLAST_OK;
	device_queue_mark(r->sides.queue, step_index(r, step));
	const clast_status status = bring_operands(r, step, false);
	if (!status)
		note_outputs(r, step, false);
	return status;
}

/* Inference looks into what holds shapes, not into images. */
enum { LOOK_BYTES = 4096 };

clast_status run_before_inference(run *r, const plan_step *step)
{
	clast_status s = CLAST_OK;
	if (r->sides.dev)
		device_queue_mark(r->sides.queue, step_index(r, step));
	for (uint32_t i = 0; r->sides.dev && !s && i < step->n_in; i++) {
		const uint32_t pv = step_in(r->s->plan, step)[i];
		const spec_place *p = pv == NO_ID ? NULL : run_place(r, pv);
		const side *at = p && p->known && p->base < r->base_count ? &r->sides.list[p->base] : NULL;
		if (at && (at->bytes <= LOOK_BYTES || (at->shared && at->on_host)))
			s = bring(r, p->base, false);
	}
	return s;
}

clast_status run_bring_value(run *r, uint32_t pv)
{
	const spec_place *p = run_place(r, pv);
	return r->sides.dev && p->known ? bring(r, p->base, false) : CLAST_OK;
}
