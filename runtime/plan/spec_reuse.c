/* When values are read last, and elementwise results in the memory of an operand. */
#include <string.h>

#include "spec_parts.h"
#include "strips.h"

/* By plan value: the value whose memory it may lie in. */
static void find_roots(const specialisation *s, uint32_t *root)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->value_count; i++)
		root[i] = i;
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		for (uint32_t j = 0; spec_is_window_step(p, step) && j < step->n_out; j++)
			if (step_out(p, step)[j] != NO_ID)
				root[step_out(p, step)[j] - b->first_value] = root[step_in(p, step)[0] - b->first_value];
	}
}

clast_status spec_find_last_uses(specialisation *s, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	s->last_use = bump_array(&s->region, b->value_count + 1, sizeof *s->last_use);
	uint32_t *root = mem_array(s->memory, b->value_count + 1, sizeof *root);
	if (!s->last_use || !root) {
		mem_free(s->memory, root, (b->value_count + 1) * sizeof *root);
		return fail_memory(d, 0);
	}
	find_roots(s, root);
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		const bool join = step->kind == STEP_NODE && p->model->nodes[step->node].op->join;
		for (uint32_t k = 0; k < (uint32_t)step->n_in + step->n_fused + step->capture_count; k++) {
			const uint32_t at = k < step->n_in ? step->refs + k : k < (uint32_t)step->n_in + step->n_fused ?
			                    step->refs + k + step->n_out : step->captures + k - step->n_in - step->n_fused;
			uint32_t *last = p->refs[at] == NO_ID ? NULL : &s->last_use[root[p->refs[at] - b->first_value]];
			if (last && *last != UINT32_MAX)
				*last = join ? UINT32_MAX : i;
		}
	}
	for (uint32_t i = 0; i < b->output_count; i++)
		s->last_use[root[p->refs[b->outputs + i] - b->first_value]] = UINT32_MAX;
	for (uint32_t i = 0; i < b->value_count; i++)
		s->last_use[i] = s->last_use[root[i]];
	mem_free(s->memory, root, (b->value_count + 1) * sizeof *root);
	return CLAST_OK;
}

bool spec_place_over_operand(specialisation *s, const plan_step *step, uint32_t index)
{
	const clast_plan *p = s->plan;
	const uint32_t out = step_out(p, step)[0];
	tensor_view dense;
	if (step->fused == NO_ID || s->keep || s->late_steps || place_of(s, out)->known || !spec_dense_view(s, out, &dense))
		return false;
	for (uint32_t i = 0; i < step->n_fused; i++) {
		const uint32_t pv = step_fused(p, step)[i];
		const spec_place *x = place_of(s, pv);
		if (x->base < s->input_count || x->base >= BASE_ABSOLUTE || s->buffers[x->base - s->input_count].shared ||
		    x->view.dtype != dense.dtype ||
		    s->buffers[x->base - s->input_count].last_read != index || x->view.rank != dense.rank ||
		    strips_read(s, index, x->base))
			continue;
		bool same = true;
		for (int a = 0; a < dense.rank; a++)
			same &= x->view.dims[a] == dense.dims[a] && !x->view.split[a] && !dense.split[a] &&
			        (dense.dims[a] == 1 || x->view.strides[a] == dense.strides[a]);
		for (uint32_t k = 0; same && k < (uint32_t)step->n_in + step->n_fused; k++) {
			const uint32_t other = k < step->n_in ? step_in(p, step)[k] : step_fused(p, step)[k - step->n_in];
			same &= other == NO_ID || k == step->n_in + i || place_of(s, other)->base != x->base;
		}
		if (!same)
			continue;
		*place_of(s, out) = *x;
		spec_touch(s, x->base, index);
		spec_hold(s, x->base, out);
		return true;
	}
	return false;
}
