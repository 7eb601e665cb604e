/* Reports on plans: totals and single steps. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "checked.h"
#include "spec.h"

/* ---- Totals ---- */

static size_t value_bytes(const specialisation *s, const clast_plan *p, uint32_t pv)
{
	const infer_value *f = &s->facts[p->values[pv].fact];
	size_t bytes = 0;
	int64_t dims[CLAST_MAX_RANK];
	if (!fact_known(f))
		return 0;
	for (int a = 0; a < f->shape.rank; a++)
		dims[a] = f->shape.dims[a];
	return tensor_bytes(f->dtype, (size_t)f->shape.rank, dims, &bytes) ? bytes : 0;
}

/* What is converted: by a step of its own, or by a view that could not be one. */
static bool converts(const plan_step *step)
{
	return step->kind == STEP_CONVERT || (step->kind == STEP_VIEW && step->barred);
}

/* A conversion is owed to the border if it reads an input of the model or leaves an output of it. */
static bool at_border(const clast_plan *p, const plan_step *step)
{
	const plan_block *b = &p->blocks[0];
	bool border = false;
	for (uint32_t i = 0; i < b->input_count; i++)
		border |= p->refs[b->inputs + i] == step_in(p, step)[0];
	for (uint32_t i = 0; i < b->output_count; i++)
		border |= p->refs[b->outputs + i] == step_out(p, step)[0];
	return border;
}

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
	const plan_block *b = &p->blocks[0];
	for (size_t i = 0; i < p->step_count; i++) {
		const plan_step *step = &p->steps[i];
		const bool main_block = i >= b->first_step && i < (size_t)b->first_step + b->step_count;
		if (converts(step))
			(*(main_block && at_border(p, step) ? &r->io_transposes : &r->transposes))++;
		else if (step->kind == STEP_NODE && step->family == FAMILY_REFERENCE)
			r->reference_steps += is_floating(p, step);
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

/* Sizes come from a specialisation, which also packs the weights. Where the representative extents do not fit the model they stay 0. */
static clast_status measure(clast_plan *p, clast_plan_report *r)
{
	const plan_block *b = &p->blocks[0];
	specialisation *s = NULL;
	clast_diag d = { 0 };
	tensor_view *views = mem_array(&p->memory, (size_t)b->input_count + 1, sizeof *views);
	if (!views)
		return CLAST_ERROR_MEMORY;
	representative_inputs(p, views);
	const clast_status status = spec_create(p, 0, views, &p->memory, false, &s, &d);
	mem_free(&p->memory, views, ((size_t)b->input_count + 1) * sizeof *views);
	if (status)
		return status == CLAST_ERROR_MEMORY ? status : CLAST_OK;
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		if (converts(step) && !at_border(p, step))
			r->transpose_bytes += value_bytes(s, p, step_out(p, step)[0]);
	}
	r->copy_bytes = s->copy_bytes;
	r->arena_bytes = s->arena_bytes;
	spec_free(&s);
	return CLAST_OK;
}

clast_status clast_plan_get_report(const clast_plan *plan, clast_plan_report *report)
{
	clast_plan_report r = { .struct_size = sizeof r };
	if (!plan || !report || !report->struct_size || report->struct_size > sizeof r)
		return CLAST_ERROR_ARGUMENT;
	count_steps(plan, &r);
	const clast_status s = measure((clast_plan *)plan, &r); /* the pool of packed weights has its own lock */
	/* The bound is that of all costs of the layout problem; where it meets them, what is moved inside is least too. */
	r.optimal = plan->layout_bound && plan->layout_bound == plan->layout_cost;
	r.optimal |= !r.transposes && !plan->layout_cost;
	r.lower_bound_bytes = r.optimal ? r.transpose_bytes : 0;
	r.weights_bytes = plan->weight_bytes;
	r.packings = plan->weight_count;
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

static const plan_block *block_of(const clast_plan *p, size_t index)
{
	for (size_t i = 0; i < p->block_count; i++)
		if (index >= p->blocks[i].first_step && index - p->blocks[i].first_step < p->blocks[i].step_count)
			return &p->blocks[i];
	return NULL;
}

/* With an extent of 1 several orders are the same; the usual name is preferred. */
static void order_text(const clast_plan *p, const order *o, const shape *s, char *text, size_t size)
{
	static const char *const last[] = { "N W C", "N H W C", "N D H W C" };
	order l;
	if (o->n && s->rank >= 3 && s->rank <= 5 && order_last(p->model->dims, s, &l) && order_equal(o, &l))
		snprintf(text, size, "%s", last[s->rank - 3]);
	else
		order_format(p->model->dims, o, s, text, size);
}

static clast_status describe_output(const clast_plan *p, size_t index, clast_step_info *info, char *text, size_t size)
{
	const plan_block *b = block_of(p, index);
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
	order_text(p, &p->orders[p->values[pv].order], &s, text, size);
	info->output = p->model->values[v].name;
	return value_describe(p->model, v, info->output, &info->shape);
}

clast_status clast_plan_step(const clast_plan *plan, size_t index, clast_step_info *out)
{
	clast_plan *p = (clast_plan *)plan; /* texts are kept in its region */
	char with[512], written[256];
	if (!p || !out || !out->struct_size || out->struct_size > sizeof *out || index >= p->step_count)
		return CLAST_ERROR_ARGUMENT;
	const plan_step *step = &p->steps[index];
	clast_step_info info = { .struct_size = out->struct_size, .conversion = step->kind == STEP_CONVERT };
	info.node = step->node_count ? node_name(p->model, p->nodes[p->step_nodes[step->nodes]].node) : "";
	info.op = step->node == NO_ID ? "Transpose" : p->model->nodes[step->node].op->name;
	info.kernel = kernel_name(step);
	pthread_mutex_lock(&p->lock);
	fused_text(p, step, with, sizeof with);
	clast_status s = describe_output(p, index, &info, written, sizeof written);
	info.fused = bump_string(&p->region, with, strlen(with));
	info.order = bump_string(&p->region, written, strlen(written));
	pthread_mutex_unlock(&p->lock);
	if (!s && (!info.fused || !info.order))
		s = CLAST_ERROR_MEMORY;
	if (!s)
		memcpy(out, &info, out->struct_size);
	return s;
}
