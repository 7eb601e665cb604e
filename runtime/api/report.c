/* Reports on plans: totals and single steps. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "checked.h"
#include "spec.h"

/* ---- Totals ---- */

static bool is_floating(const clast_plan *p, const plan_step *step)
{
	const node *n = &p->model->nodes[step->node];
	for (uint32_t j = 0; j < n->n_out; j++)
		if (n->out[j] != NO_ID && dtype_is_float(p->model->values[n->out[j]].dtype))
			return true;
	return false;
}

static void count_steps(const clast_plan *p, clast_plan_report *r)
{
	for (size_t i = 0; i < p->step_count; i++) {
		const plan_step *step = &p->steps[i];
		if (step->kind == STEP_NODE && step->family == FAMILY_REFERENCE)
			r->reference_steps += is_floating(p, step);
	}
	for (size_t i = 0; i < p->transpose_count; i++) {
		const clast_transpose_info *t = &p->transposes[i];
		(*(t->io ? &r->io_transposes : &r->transposes))++;
		r->transpose_bytes += t->io ? 0 : t->bytes * t->times;
	}
	r->nodes = p->node_count;
	r->steps = p->step_count;
}

/* Views of the inputs at their declared extents. */
static void representative_inputs(clast_plan *p, tensor_view *views)
{
	const plan_block *b = &p->blocks[0];
	for (uint32_t i = 0; i < b->input_count; i++) {
		const plan_value *x = &p->values[p->refs[b->inputs + i]];
		const value *v = &p->model->values[p->facts[b->first_fact + x->fact]];
		int64_t dims[CLAST_MAX_RANK];
		for (int a = 0; a < v->rank; a++)
			dims[a] = plan_extent(p, v->dims[a]);
		view_dense(&views[i], v->dtype, v->rank < 0 ? 0 : v->rank, dims, NULL);
		for (int64_t stride = 1, a = v->rank - 1; x->whole && a >= 0; a--) {
			views[i].strides[x->perm[a]] = stride;
			stride *= dims[x->perm[a]];
		}
	}
}

clast_status plan_representative(clast_plan *p, specialisation **out)
{
	const plan_block *b = &p->blocks[0];
	clast_diag d = { 0 };
	tensor_view *views = mem_array(&p->memory, (size_t)b->input_count + 1, sizeof *views);
	*out = NULL;
	if (!views)
		return CLAST_ERROR_MEMORY;
	representative_inputs(p, views);
	const clast_status status = spec_create(p, 0, views, &p->memory, false, out, &d);
	mem_free(&p->memory, views, ((size_t)b->input_count + 1) * sizeof *views);
	return status == CLAST_ERROR_MEMORY || status == CLAST_ERROR_DEVICE ? status : CLAST_OK;
}

/* Sizes come from a specialisation, which also packs the weights. Where the representative extents do not fit the model they stay 0. */
static clast_status measure(clast_plan *p, clast_plan_report *r)
{
	const plan_block *b = &p->blocks[0];
	specialisation *s = NULL;
	const clast_status status = plan_representative(p, &s);
	if (!s)
		return status;
	r->copy_bytes = s->copy_bytes;
	r->arena_bytes = s->arena_bytes;
	r->arena_bound_bytes = s->live_bytes;
	for (uint32_t i = 0; p->device && i < b->step_count; i++) {
		r->device_steps += s->steps[i].mode == MODE_DEVICE;
		r->cpu_steps += s->steps[i].mode != MODE_DEVICE && s->steps[i].mode != MODE_NOTHING;
	}
	r->device_copies = s->copies;
	r->device_copy_bytes = s->moved_bytes;
	r->placement_cost = s->placement_cost;
	r->placement_bound = s->placement_bound;
	spec_free(&s);
	return CLAST_OK;
}

clast_status clast_plan_get_report(const clast_plan *plan, clast_plan_report *report)
{
	clast_plan_report r = { .struct_size = sizeof r };
	if (!plan || !report || !report->struct_size || report->struct_size > sizeof r)
		return CLAST_ERROR_ARGUMENT;
	clast_status s = plan_conversions((clast_plan *)plan);
	if (s)
		return s;
	count_steps(plan, &r);
	s = measure((clast_plan *)plan, &r); /* the pool of packed weights has its own lock */
	/* The bound is that of all costs of the layout problem; where it meets them, what is moved inside is least too. */
	r.optimal = plan->layout_bound && plan->layout_bound == plan->layout_cost;
	r.optimal |= !r.transposes && !plan->layout_cost;
	r.optimal &= !plan->left_out;
	r.left_out = plan->left_out;
	r.left_out_at = plan->left_out_at ? plan->left_out_at : "";
	r.lower_bound_bytes = r.optimal ? r.transpose_bytes : 0;
	r.layout_cost = plan->layout_cost;
	r.layout_bound = plan->layout_bound;
	r.weights_bytes = plan->weight_bytes;
	r.packings = plan->weight_count;
	r.tuned_layers = plan->tuned_layers;
	r.timed_layers = plan->tuned_timed;
	r.changed_layers = plan->tuned_other;
	r.struct_size = report->struct_size;
	memcpy(report, &r, report->struct_size);
	return s;
}

/* ---- Steps ---- */

/* Operators of the group after the first, "Relu, Add". */
static void fused_text(const clast_plan *p, const plan_step *step, char *text, size_t size)
{
	size_t used = 0;
	text[0] = 0;
	for (uint32_t i = 1; i < step->node_count && used < size; i++) {
		const node *n = &p->model->nodes[p->nodes[p->step_nodes[step->nodes + i]].node];
		used += (size_t)snprintf(text + used, size - used, "%s%s", i > 1 ? "," : "", n->op->name);
	}
}

static const char *kernel_name(const plan_step *step)
{
	switch (step->kind) {
	case STEP_CONVERT:
		return "copy";
	case STEP_VIEW:
		return "view";
	case STEP_ELTWISE:
		return "eltwise";
	default:
		return step->family == FAMILY_REFERENCE ? "reference" : family_at(step->family)->name;
	}
}

static clast_status describe_output(const clast_plan *p, size_t index, clast_step_info *info, char *text, size_t size)
{
	const plan_block *b = plan_block_of(p, index);
	const uint32_t pv = step_out(p, &p->steps[index])[0];
	text[0] = 0;
	info->output = "";
	info->shape.name = "";
	info->shape.rank = -1;
	if (!b || pv == NO_ID)
		return CLAST_OK;
	const value_id v = p->facts[b->first_fact + p->values[pv].fact];
	shape s;
	value_shape(p->model, v, &s);
	plan_order_text(p, &p->orders[p->values[pv].order], &s, text, size);
	info->output = p->model->values[v].name;
	return value_describe(p->model, v, info->output, &info->shape);
}

/* Operands of the anchor, of the program, and what bodies capture. */
static clast_status list_operands(clast_plan *p, const plan_block *b, const plan_step *step, clast_step_info *info)
{
	const size_t most = (size_t)step->n_in + step->n_fused + step->capture_count;
	const char **names = bump_array(&p->region, most + 1, sizeof *names);
	size_t *sources = bump_array(&p->region, most + 1, sizeof *sources), n = 0;
	if (!names || !sources)
		return CLAST_ERROR_MEMORY;
	for (size_t i = 0; i < most; i++) {
		const uint32_t pv = i < step->n_in                          ? step_in(p, step)[i] :
		                    i < (size_t)step->n_in + step->n_fused ? step_fused(p, step)[i - step->n_in] :
		                                                              p->refs[step->captures + i - step->n_in - step->n_fused];
		if (pv == NO_ID || p->values[pv].constant)
			continue;
		names[n] = p->model->values[p->facts[b->first_fact + p->values[pv].fact]].name;
		sources[n++] = p->makers[pv] == NO_ID ? SIZE_MAX : p->makers[pv];
	}
	info->operand_count = n;
	info->operands = names;
	info->sources = sources;
	return CLAST_OK;
}

clast_status clast_plan_step(const clast_plan *plan, size_t index, clast_step_info *out)
{
	clast_plan *p = (clast_plan *)plan; /* texts are kept in its region */
	char with[512], written[256];
	if (!p || !out || !out->struct_size || out->struct_size > sizeof *out || index >= p->step_count)
		return CLAST_ERROR_ARGUMENT;
	const plan_step *step = &p->steps[index];
	const plan_block *b = plan_block_of(p, index);
	clast_status s = plan_conversions(p);
	if (s || !b)
		return s ? s : CLAST_ERROR_INTERNAL;
	clast_step_info info = { .struct_size = out->struct_size, .conversion = step_converts(step) };
	s = plan_place_text(p, index, &info.place, &info.place_reason);
	if (s)
		return s;
	info.node = step->node_count ? node_name(p->model, p->nodes[p->step_nodes[step->nodes]].node) : "";
	info.op = step->node == NO_ID ? "Transpose" : p->model->nodes[step->node].op->name;
	info.kernel = kernel_name(step);
	pthread_mutex_lock(&p->lock);
	pthread_mutex_lock(&p->model->lock); /* orders are written with dims */
	fused_text(p, step, with, sizeof with);
	s = describe_output(p, index, &info, written, sizeof written);
	if (!s)
		s = list_operands(p, b, step, &info);
	info.fused = bump_string(&p->region, with, strlen(with));
	info.order = bump_string(&p->region, written, strlen(written));
	pthread_mutex_unlock(&p->model->lock);
	pthread_mutex_unlock(&p->lock);
	if (!s && (!info.fused || !info.order))
		s = CLAST_ERROR_MEMORY;
	if (!s)
		memcpy(out, &info, out->struct_size);
	return s;
}
