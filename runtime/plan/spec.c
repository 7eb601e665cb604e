/* A specialisation as a whole: steps in order, then the arena. */
#include <string.h>

#include "spec_parts.h"
#include "strips.h"

static bool step_known(const specialisation *s, const plan_step *step)
{
	const clast_plan *p = s->plan;
	if (step->node != NO_ID && p->model->nodes[step->node].op->flags & (OP_BODIES | OP_DATA_SHAPED))
		return false;
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out + step->n_fused; i++)
		if (p->refs[step->refs + i] != NO_ID && !fact_known(fact_of(s, p->refs[step->refs + i])))
			return false;
	for (uint32_t i = 0; i < step->n_in; i++)
		if (p->refs[step->refs + i] != NO_ID && !place_of(s, p->refs[step->refs + i])->known)
			return false;
	for (uint32_t i = 0; i < step->n_fused; i++)
		if (!place_of(s, step_fused(p, step)[i])->known)
			return false;
	return true;
}

/* Every operand's storage is needed at least until this step. */
static void touch_operands(specialisation *s, const plan_step *step, uint32_t index)
{
	const clast_plan *p = s->plan;
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out + step->n_fused; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv != NO_ID && place_of(s, pv)->known)
			spec_touch(s, place_of(s, pv)->base, index);
	}
	for (uint32_t i = 0; i < step->capture_count; i++)
		if (place_of(s, p->refs[step->captures + i])->known)
			spec_touch(s, place_of(s, p->refs[step->captures + i])->base, index);
}

/* What a late view leaves lies in what it reads, which is needed as long. */
static void touch_late(specialisation *s, const plan_step *step, uint32_t index)
{
	touch_operands(s, step, index);
	if (!spec_is_window_step(s->plan, step))
		return;
	const uint32_t from = step_in(s->plan, step)[0], last = s->last_use[from - s->block->first_value];
	if (place_of(s, from)->known)
		spec_touch(s, place_of(s, from)->base, last < s->block->step_count ? last : s->block->step_count);
}

clast_status spec_place_outputs(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (uint32_t j = 0; !status && j < step->n_out; j++) {
		const uint32_t pv = step_out(s->plan, step)[j];
		if (pv != NO_ID && !place_of(s, pv)->known && fact_known(fact_of(s, pv)))
			status = spec_allocate(s, pv, index, d);
	}
	return status;
}

/* Gives a constant an aligned place if it has none. */
static clast_status align_constant(specialisation *s, uint32_t pv, clast_diag *d)
{
	spec_place *x = place_of(s, pv);
	const void *data;
	const clast_status status = plan_aligned(s->plan, &x->view, &data, d);
	x->view.data = (void *)data;
	return status;
}

static clast_status align_inputs(specialisation *s, const plan_step *step, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (uint32_t i = 0; !status && i < step->n_in; i++) {
		const uint32_t pv = step_in(s->plan, step)[i];
		if (pv != NO_ID && s->plan->values[pv].constant)
			status = align_constant(s, pv, d);
	}
	return status;
}

/* Whether the device's kernels are tried, and the reason if not. */
static step_why placed(const specialisation *s, const plan_step *step, uint32_t index)
{
	const step_why why = plan_step_why(s->plan, s->block, step);
	return why == WHY_DEVICE && s->off && s->off[index] ? WHY_COPIES : why;
}

static clast_status create_view(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	const clast_status status = spec_place_view(s, step, index, out, d);
	if (out->mode == MODE_CALLS && s->on_device)
		out->mode = MODE_DEVICE;
	if (out->mode == MODE_REFERENCE && s->on_device)
		out->why = WHY_REFUSED;
	if (!status && out->mode != MODE_NOTHING)
		touch_operands(s, step, index);
	return status;
}

static clast_status create(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	clast_status status;
	s->on_device = out->why == WHY_DEVICE;
	if (step->kind == STEP_VIEW)
		return create_view(s, step, index, out, d);
	if (spec_place_windows(s, step, index)) {
		out->mode = MODE_NOTHING;
		return CLAST_OK;
	}
	if (s->last_use)
		spec_place_over_operand(s, step, index);
	status = spec_place_outputs(s, step, index, d);
	if (status)
		return status;
	touch_operands(s, step, index);
	if (step->kind == STEP_NODE && step->family == FAMILY_REFERENCE)
		return CLAST_OK;
	const size_t args = s->arg_count;
	s->refused = KERNEL_COUNT;
	status = spec_record_step(s, step, index, d);
	if (status == CLAST_ERROR_UNSUPPORTED && s->on_device) { /* then on the CPU */
		s->call_count = out->first_call;
		s->arg_count = args;
		s->on_device = false;
		out->why = s->refused < KERNEL_COUNT && device_computes(s->plan->device, s->refused) ? WHY_REFUSED : WHY_NO_KERNEL;
		status = spec_record_step(s, step, index, d);
	}
	if (status == CLAST_ERROR_UNSUPPORTED) { /* references do it */
		out->why = WHY_REFERENCE;
		return align_inputs(s, step, d);
	}
	if (!status) {
		out->call_count = (uint32_t)(s->call_count - out->first_call);
		out->mode = !out->call_count ? MODE_NOTHING : s->on_device ? MODE_DEVICE : MODE_CALLS;
	}
	return status;
}

clast_status spec_step_create(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	*out = (spec_step){ .mode = MODE_REFERENCE, .why = placed(s, step, index), .first_call = (uint32_t)s->call_count };
	const clast_status status = create(s, step, index, out, d);
	if (out->mode == MODE_NOTHING)
		out->why = WHY_VIEW;
	return status;
}

/* Constants that go through bodies lie in the order of what they are carried with. */
static clast_status place_constant(specialisation *s, uint32_t pv, clast_diag *d)
{
	const clast_plan *p = s->plan;
	spec_place *x = place_of(s, pv);
	tensor_view turned;
	clast_status status = CLAST_OK;
	*x = (spec_place){ true, BASE_ABSOLUTE, *fact_of(s, pv)->data };
	if (p->values[pv].read)
		status = align_constant(s, pv, d);
	if (status || !p->values[pv].order || !spec_dense_view(s, pv, &turned))
		return status;
	status = plan_turned(s->plan, &x->view, &turned, d);
	x->view = turned;
	return status;
}

static clast_status place_inputs(specialisation *s, const tensor_view *inputs, clast_diag *d)
{
	clast_status status = CLAST_OK;
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->value_count; i++) {
		if (!status && p->values[b->first_value + i].constant)
			status = place_constant(s, b->first_value + i, d);
	}
	for (uint32_t i = 0; i < s->input_count; i++) {
		const uint32_t pv = p->refs[(i < b->input_count ? b->inputs : b->captures - b->input_count) + i];
		spec_place *x = place_of(s, pv);
		if (p->values[pv].constant)
			continue;
		*x = (spec_place){ true, i, inputs[i] };
		x->view.data = NULL;
	}
	return status;
}

/* Outputs are read after the last step; those of bodies outlive the run of the body. */
static void keep_outputs(specialisation *s)
{
	const clast_plan *p = s->plan;
	for (uint32_t i = 0; i < s->block->output_count; i++) {
		const spec_place *x = place_of(s, p->refs[s->block->outputs + i]);
		if (!x->known || x->base >= BASE_ABSOLUTE || x->base < s->input_count)
			continue;
		spec_touch(s, x->base, s->block->step_count);
		s->buffers[x->base - s->input_count].given = s->block != p->blocks;
	}
}

static clast_status build(specialisation *s, const tensor_view *inputs, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	clast_status status = CLAST_OK;
	spec_set_facts(s, inputs);
	for (uint32_t i = 0; !status && i < b->node_count; i++)
		status = spec_infer_node(s, &p->nodes[b->first_node + i], d);
	if (!status)
		status = place_inputs(s, inputs, d);
	if (!status)
		status = spec_find_last_uses(s, d);
	if (!status && !s->keep)
		status = spec_place_joins(s, d);
	if (!status && !s->keep && !p->device)
		status = strips_mark(s, d);
	for (uint32_t i = 0; !status && i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		if (step_known(s, step)) {
			status = spec_step_create(s, step, i, &s->steps[i], d);
		} else {
			const step_why why = placed(s, step, i);
			s->steps[i] = (spec_step){ .mode = MODE_LATE, .why = why == WHY_DEVICE ? WHY_LATE : why };
			s->late_steps++;
			touch_late(s, step, i);
		}
	}
	if (status)
		return status;
	keep_outputs(s);
	if (s->follows)
		status = strips_form(s, d);
	return status ? status : arena_plan(s, d);
}

/* off, which may be NULL, belongs to the specialisation from then on. */
static clast_status create_placed(clast_plan *p, uint32_t block, const tensor_view *inputs, mem *memory, bool keep, const bool *off,
                                  specialisation **out, clast_diag *d)
{
	*out = NULL;
	specialisation *s = mem_calloc(memory, sizeof *s);
	const plan_block *b = &p->blocks[block];
	if (!s) {
		mem_free(memory, (void *)off, b->step_count);
		return fail_memory(d, sizeof *s);
	}
	s->off = off;
	s->plan = p;
	s->block = b;
	s->memory = memory;
	s->keep = keep;
	s->input_count = b->input_count + b->capture_count;
	bump_init(&s->region, memory);
	s->facts = bump_array(&s->region, (size_t)b->fact_count + 1, sizeof *s->facts);
	s->places = bump_array(&s->region, (size_t)b->value_count + 1, sizeof *s->places);
	s->steps = bump_array(&s->region, (size_t)b->step_count + 1, sizeof *s->steps);
	clast_status status = s->facts && s->places && s->steps ? build(s, inputs, d) : fail_memory(d, 0);
	if (status)
		spec_free(&s);
	*out = s;
	return status;
}

/* Made with everything on the device that can be, and once more if the CPU had better take some of it. */
clast_status spec_create(clast_plan *p, uint32_t block, const tensor_view *inputs, mem *memory, bool keep,
                         specialisation **out, clast_diag *d)
{
	const uint32_t steps = p->blocks[block].step_count;
	bool any = false;
	clast_status status = create_placed(p, block, inputs, memory, keep, NULL, out, d);
	if (status || !p->device)
		return status;
	bool *off = mem_calloc(memory, steps);
	status = off ? CLAST_OK : fail_memory(d, steps);
	if (!status)
		status = placement_choose(*out, inputs, off, &any, d);
	if (!status && any) {
		const uint64_t cost = (*out)->placement_cost, bound = (*out)->placement_bound;
		spec_free(out);
		status = create_placed(p, block, inputs, memory, keep, off, out, d);
		off = NULL;
		if (!status) {
			(*out)->placement_cost = cost;
			(*out)->placement_bound = bound;
		}
	}
	mem_free(memory, off, steps);
	if (!status)
		status = placement_count(*out, inputs, d);
	if (status)
		spec_free(out);
	return status;
}

void spec_free_tables(specialisation *s)
{
	for (size_t i = 0; i < s->table_count; i++)
		device_free(&s->tables[i]);
	mem_free(s->memory, s->tables, s->table_capacity * sizeof *s->tables);
	s->tables = NULL;
	s->table_count = s->table_capacity = 0;
}

void spec_free(specialisation **handle)
{
	specialisation *s = *handle;
	*handle = NULL;
	if (!s)
		return;
	mem *a = s->memory;
	mem_free(a, (void *)s->off, s->block->step_count);
	mem_free(a, s->calls, s->call_capacity * sizeof *s->calls);
	mem_free(a, s->args, s->arg_capacity * sizeof *s->args);
	mem_free(a, s->buffers, s->buffer_capacity * sizeof *s->buffers);
	spec_free_tables(s);
	bump_release(&s->region);
	mem_free(a, s, sizeof *s);
}
