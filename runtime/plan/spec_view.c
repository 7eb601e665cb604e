/* Views and windows: outputs that lie within an input. */
#include <stdlib.h>
#include <string.h>

#include "spec_parts.h"

/* The view of output 0 within a view of input 0; false where it has to be a copy. */
static bool follow_view(specialisation *s, const plan_step *step, const tensor_view *in, tensor_view *out)
{
	const clast_plan *p = s->plan;
	const node *n = &p->model->nodes[step->node];
	const infer_value *to = fact_of(s, step_out(p, step)[0]);
	const infer_value *from = fact_of(s, step_in(p, step)[0]);
	view_step steps[MAX_VIEW_STEPS];
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = 1, .n_out = 1, .in = from,
		                 .memory = &s->region };
	const int count = n->op->views(&query, to, steps);
	*out = *in;
	for (int i = 0; i < count; i++) {
		if (steps[i].permute) {
			view_permute(out, steps[i].perm);
			continue;
		}
		int64_t dims[CLAST_MAX_RANK];
		for (int a = 0; a < steps[i].shape.rank; a++)
			dims[a] = steps[i].shape.dims[a];
		if (!view_reshape(out, steps[i].shape.rank, dims))
			return false;
	}
	if (count < 0 || out->rank != to->shape.rank)
		return false;
	for (int a = 0; a < out->rank; a++)
		if (out->dims[a] != to->shape.dims[a])
			return false;
	return true;
}

/* Whether v certainly lies in another order than the plan gave the value: kernels may count on it. */
static bool contradicts_order(specialisation *s, uint32_t pv, const tensor_view *v)
{
	tensor_view dense;
	if (!spec_dense_view(s, pv, &dense))
		return false;
	for (int a = 0; a < v->rank; a++)
		if (v->split[a] || dense.split[a])
			return false;
	return !spec_follows_order(s, pv, v);
}

/* A view that is none at these strides, or in this order: the input is copied so that the view passes. If the result does not lie in
 * the order that the plan gave it, it is copied once more. */
static clast_status copy_view(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const uint32_t from = step_in(p, step)[0], to = step_out(p, step)[0];
	const size_t calls = s->call_count, args = s->arg_count;
	const spec_place *x = place_of(s, from);
	spec_place *y = place_of(s, to), dense = { 0 }, whole;
	const bool string = x->view.dtype == CLAST_STRING;
	clast_status status = string ? CLAST_ERROR_UNSUPPORTED : spec_copy_row_major(s, x, &dense, index, d);
	whole = dense;
	if (!status && !follow_view(s, step, &dense.view, &whole.view))
		status = CLAST_ERROR_UNSUPPORTED;
	if (!status && !y->known && spec_follows_order(s, to, &whole.view)) {
		*y = whole;
	} else {
		const clast_status made = y->known ? CLAST_OK : spec_allocate(s, to, index, d);
		if (made)
			return made;
		if (!status)
			status = spec_record_copy(s, &whole, y, index, d);
	}
	out->mode = MODE_CALLS;
	out->call_count = (uint32_t)(s->call_count - calls);
	if (!status)
		return CLAST_OK;
	s->call_count = calls;
	s->arg_count = args;
	out->call_count = 0;
	out->mode = MODE_REFERENCE;
	return status == CLAST_ERROR_UNSUPPORTED ? CLAST_OK : status;
}

clast_status spec_place_view(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const uint32_t from = step_in(p, step)[0], to = step_out(p, step)[0];
	spec_place *x = place_of(s, from), *y = place_of(s, to);
	out->mode = MODE_NOTHING;
	tensor_view v;
	if (!y->known && follow_view(s, step, &x->view, &v) && !contradicts_order(s, to, &v)) {
		y->base = x->base;
		y->view = v;
		y->known = true;
		spec_touch(s, y->base, index);
		spec_hold(s, y->base, to);
		return CLAST_OK;
	}
	return copy_view(s, step, index, out, d);
}

/* One piece of an axis, outermost first. */
typedef struct piece {
	int64_t extent, stride;
	bool split;
} piece;

static int pieces_of(const tensor_view *v, piece *list)
{
	int n = 0;
	for (int a = 0; a < v->rank; a++) {
		if (!v->split[a]) {
			list[n++] = (piece){ v->dims[a], llabs(v->strides[a]), false };
			continue;
		}
		for (int i = 0; i < v->split[a]; i++) {
			const axis_factor *f = &v->factors[v->first_factor[a] + i];
			if (f->extent != 1)
				list[n++] = (piece){ f->extent, llabs(f->stride), true };
		}
	}
	return n;
}

bool spec_follows_order(specialisation *s, uint32_t pv, const tensor_view *v)
{
	tensor_view dense;
	piece x[CLAST_MAX_RANK + VIEW_MAX_FACTORS], y[CLAST_MAX_RANK + VIEW_MAX_FACTORS];
	if (!spec_dense_view(s, pv, &dense) || dense.rank != v->rank)
		return false;
	const int n = pieces_of(v, x);
	if (n != pieces_of(&dense, y))
		return false;
	for (int i = 0; i < n; i++) {
		if (x[i].extent != y[i].extent || (y[i].split && x[i].stride != y[i].stride))
			return false;
		for (int k = 0; k < i; k++)
			if (x[i].extent != 1 && x[k].extent != 1 && x[i].stride && x[k].stride &&
			    (x[i].stride < x[k].stride) != (y[i].stride < y[k].stride))
				return false;
	}
	return true;
}

bool spec_place_windows(specialisation *s, const plan_step *step, uint32_t index)
{
	const clast_plan *p = s->plan;
	const node *n = &p->model->nodes[step->node];
	const uint32_t *out = step_out(p, step);
	infer_value in[8], to[64];
	tensor_view views[64];
	if (step->kind != STEP_NODE || !n->op->window || step->n_in > 8 || step->n_out > 64 || step->fused != NO_ID)
		return false;
	memset(in, 0, sizeof in);
	for (uint32_t i = 0; i < step->n_in; i++)
		if (step_in(p, step)[i] != NO_ID)
			in[i] = *fact_of(s, step_in(p, step)[i]);
	for (uint32_t j = 0; j < step->n_out; j++) {
		memset(&to[j], 0, sizeof to[j]);
		if (out[j] != NO_ID)
			to[j] = *fact_of(s, out[j]);
	}
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = step->n_in, .n_out = step->n_out,
		                 .in = in, .memory = &s->region };
	const spec_place *x = place_of(s, step_in(p, step)[0]);
	for (uint32_t j = 0; j < step->n_out; j++) {
		views[j] = x->view;
		if (out[j] != NO_ID && (place_of(s, out[j])->known || !n->op->window(&query, to, j, &views[j]) ||
		                        !spec_follows_order(s, out[j], &views[j])))
			return false;
	}
	for (uint32_t j = 0; j < step->n_out; j++)
		if (out[j] != NO_ID) {
			*place_of(s, out[j]) = (spec_place){ true, x->base, views[j] };
			spec_hold(s, x->base, out[j]);
		}
	spec_touch(s, x->base, index);
	return true;
}
