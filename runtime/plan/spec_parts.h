/* The parts of making a specialisation, each a file: inference at numbers, storage, views and windows, joins, memory lent by operands, and
 * kernel calls. spec.c puts them together. */
#ifndef CLAST_PLAN_SPEC_PARTS_H
#define CLAST_PLAN_SPEC_PARTS_H

#include "spec.h"

static inline spec_place *place_of(const specialisation *s, uint32_t pv)
{
	return &s->places[pv - s->block->first_value];
}

static inline const infer_value *fact_of(const specialisation *s, uint32_t pv)
{
	return &s->facts[s->plan->values[pv].fact];
}

/* spec_infer.c */
clast_status spec_infer_node(specialisation *s, const plan_node *pn, clast_diag *d);
void spec_set_facts(specialisation *s, const tensor_view *inputs);

/* spec_storage.c */
clast_status spec_new_buffer(specialisation *s, size_t bytes, uint32_t step, uint32_t *base, clast_diag *d);
void spec_touch(specialisation *s, uint32_t base, uint32_t step);
/* The buffer at a base now holds this value too. */
void spec_hold(specialisation *s, uint32_t base, uint32_t pv);
/* The dense view of a value in its order. */
bool spec_dense_view(specialisation *s, uint32_t pv, tensor_view *v);
/* What the model knows of a value's shape, whose extents become 0 where they depend on data. */
bool spec_declared_shape(specialisation *s, uint32_t pv, int64_t *dims, int *rank);
/* New storage in the arena for an output. */
clast_status spec_allocate(specialisation *s, uint32_t pv, uint32_t step, clast_diag *d);

/* spec_record.c */
/* A copy call on places, apart from the operands of the step at hand. */
clast_status spec_record_copy(specialisation *s, const spec_place *from, const spec_place *to, uint32_t index, clast_diag *d);
/* A new buffer with the elements of a place in row-major order. */
clast_status spec_copy_row_major(specialisation *s, const spec_place *from, spec_place *to, uint32_t index, clast_diag *d);
/* Whether storage as it is serves the port. The order was seen to when planning; strides are known only now. */
bool spec_serves(const tensor_view *v, port need);
/* Kernel calls for a step whose operands have places. CLAST_ERROR_UNSUPPORTED: the reference has to do it. */
clast_status spec_record_step(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d);

/* spec_view.c */
clast_status spec_place_view(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d);
/* Whether the elements of v follow one another as those of the value's order do; axes that do not move may be anywhere. The factors of a
 * split axis lie as closely as in dense memory. */
bool spec_follows_order(specialisation *s, uint32_t pv, const tensor_view *v);
/* Outputs that are windows on the input become views of it. */
bool spec_place_windows(specialisation *s, const plan_step *step, uint32_t index);

/* spec_join.c */
bool spec_is_window_step(const clast_plan *p, const plan_step *step);
/* From the last join to the first, so that the joins inside larger ones find their own slot given. */
clast_status spec_place_joins(specialisation *s, clast_diag *d);
/* Which inputs of a join need no copy. */
bool *spec_slotted_inputs(specialisation *s, const plan_step *step);

/* placement.c: which of the steps that the device could compute (MODE_DEVICE, or late) the CPU had better, off[step]; *any: some. */
clast_status placement_choose(specialisation *s, const tensor_view *inputs, bool *off, bool *any, clast_diag *d);
/* How often and how much a run copies between the two sides, late steps aside: s->copies, s->moved_bytes. */
clast_status placement_count(specialisation *s, const tensor_view *inputs, clast_diag *d);

/* spec_reuse.c */
/* The last step that reads the memory of each value, be it through another view of it. Slots of joins are read for ever. */
clast_status spec_find_last_uses(specialisation *s, clast_diag *d);
/* An elementwise operand that nobody needs afterwards lends its memory to the output, if nothing else of the step lies in it. */
bool spec_place_over_operand(specialisation *s, const plan_step *step, uint32_t index);

#endif
