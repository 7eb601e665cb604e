/* Joins: inputs produced within the output. */
#include <string.h>

#include "spec_parts.h"

bool spec_is_window_step(const clast_plan *p, const plan_step *step)
{
	return step->kind == STEP_VIEW || (step->kind == STEP_NODE && p->model->nodes[step->node].op->window);
}

static bool slot_of(const tensor_view *whole, int axis, int64_t at, int64_t extent, tensor_view *slot)
{
	*slot = *whole;
	return view_slice(slot, axis, at, extent, 1) && extent > 0;
}

static bool same_place(const spec_place *a, uint32_t base, const tensor_view *v)
{
	if (!a->known || a->base != base || a->view.data != v->data)
		return false;
	for (int i = 0; i < v->rank; i++)
		if (a->view.split[i] || v->split[i] || (v->dims[i] != 1 && a->view.strides[i] != v->strides[i]))
			return false;
	return true;
}

/* All inputs lie side by side already, as slots of a larger join: the output is the window around them. */
static bool join_is_window(specialisation *s, const plan_step *step, int axis, spec_place *out)
{
	const clast_plan *p = s->plan;
	const uint32_t *in = step_in(p, step), pv = step_out(p, step)[0];
	const spec_place *first = place_of(s, in[0]);
	if (!first->known || first->base < s->input_count || first->base >= BASE_ABSOLUTE)
		return false;
	tensor_view whole = first->view;
	if (whole.split[axis])
		return false;
	whole.dims[axis] = fact_of(s, pv)->shape.dims[axis];
	int64_t at = 0;
	for (uint32_t i = 0; i < step->n_in; i++) {
		tensor_view slot;
		const int64_t extent = fact_of(s, in[i])->shape.dims[axis];
		if (!slot_of(&whole, axis, at, extent, &slot) || !same_place(place_of(s, in[i]), first->base, &slot))
			return false;
		at += extent;
	}
	if (!spec_follows_order(s, pv, &whole))
		return false;
	*out = (spec_place){ true, first->base, whole };
	return true;
}

/* Whether the step that makes a value can write it there. */
static bool maker_serves(const clast_plan *p, const plan_step *maker, uint32_t pv, const tensor_view *slot)
{
	for (uint32_t j = 0; j < maker->n_out; j++)
		if (step_out(p, maker)[j] == pv)
			return spec_serves(slot, p->ports[maker->refs + maker->n_in + j]);
	return false;
}

/* Gives inputs made by kernels of this block their slots. */
static clast_status place_join(specialisation *s, const plan_step *step, uint32_t index, int axis, const uint32_t *producer,
                               clast_diag *d)
{
	const clast_plan *p = s->plan;
	const uint32_t *in = step_in(p, step), pv = step_out(p, step)[0];
	spec_place *y = place_of(s, pv);
	if (!y->known && join_is_window(s, step, axis, y))
		return CLAST_OK;
	y->known = y->known && y->base != BASE_NONE;
	if (!y->known) {
		const clast_status status = spec_allocate(s, pv, index, d);
		if (status)
			return status;
	}
	int64_t at = 0;
	for (uint32_t i = 0; i < step->n_in; i++) {
		const int64_t extent = fact_of(s, in[i])->shape.dims[axis];
		spec_place *x = place_of(s, in[i]);
		const uint32_t made = producer[in[i] - s->block->first_value];
		tensor_view slot;
		if (!x->known && made != NO_ID && slot_of(&y->view, axis, at, extent, &slot) && !slot.split[axis] &&
		    spec_follows_order(s, in[i], &slot)) {
			const plan_step *maker = &p->steps[s->block->first_step + made];
			if (!spec_is_window_step(p, maker) && !p->values[in[i]].constant && maker_serves(p, maker, in[i], &slot)) {
				*x = (spec_place){ true, y->base, slot };
				spec_touch(s, y->base, made);
				s->buffers[y->base - s->input_count].shared = true;
			}
		}
		at += extent;
	}
	spec_touch(s, y->base, index);
	return CLAST_OK;
}

static bool facts_known(const specialisation *s, const plan_step *step)
{
	const clast_plan *p = s->plan;
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out + step->n_fused; i++)
		if (p->refs[step->refs + i] != NO_ID && !fact_known(fact_of(s, p->refs[step->refs + i])))
			return false;
	return true;
}

clast_status spec_place_joins(specialisation *s, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	uint32_t *producer = mem_array(s->memory, b->value_count + 1, sizeof *producer);
	clast_status status = producer ? CLAST_OK : fail_memory(d, 0);
	if (producer)
		memset(producer, 0xff, b->value_count * sizeof *producer);
	for (uint32_t i = 0; !status && i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		for (uint32_t j = 0; j < step->n_out; j++)
			if (step_out(p, step)[j] != NO_ID)
				producer[step_out(p, step)[j] - b->first_value] = i;
	}
	for (uint32_t i = b->step_count; !status && i-- > 0;) {
		const plan_step *step = &p->steps[b->first_step + i];
		if (step->kind != STEP_NODE || !p->model->nodes[step->node].op->join || step->fused != NO_ID || !facts_known(s, step))
			continue;
		const node *n = &p->model->nodes[step->node];
		const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out };
		const int rank = fact_of(s, step_out(p, step)[0])->shape.rank;
		status = place_join(s, step, i, n->op->join(&query, rank), producer, d);
	}
	mem_free(s->memory, producer, (b->value_count + 1) * sizeof *producer);
	return status;
}

bool *spec_slotted_inputs(specialisation *s, const plan_step *step)
{
	const clast_plan *p = s->plan;
	if (step->kind != STEP_NODE || !p->model->nodes[step->node].op->join)
		return NULL;
	const node *n = &p->model->nodes[step->node];
	const spec_place *y = place_of(s, step_out(p, step)[0]);
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out };
	const int axis = n->op->join(&query, y->view.rank);
	bool *list = bump_array(&s->region, step->n_in, sizeof *list);
	int64_t at = 0;
	for (uint32_t i = 0; list && i < step->n_in; i++) {
		const spec_place *x = place_of(s, step_in(p, step)[i]);
		tensor_view slot;
		list[i] = slot_of(&y->view, axis, at, x->view.dims[axis], &slot) && same_place(x, y->base, &slot);
		if (!list[i])
			s->copy_bytes += (size_t)view_count(&x->view) * clast_dtype_bytes(x->view.dtype);
		at += x->view.dims[axis];
	}
	return list;
}
