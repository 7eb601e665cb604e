/* The host of lowering: records kernel calls with their operands, on the CPU and on the device, and one step of the plan. */
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "spec_parts.h"

typedef struct recorder {
	specialisation *s;
	uint32_t step;
	const plan_step *plan_step;
	spec_place *in, *out, *fused;   /* of the step's operands */
	uint32_t temps[16], temp_count;
	void *tables[32];
	size_t table_bytes[32];
	uint32_t table_count;
	const void *weights[8];
	device_memory *device_weights[8];
	uint32_t weight_count;
} recorder;

/* ---- Operands of calls on the device ---- */

/* Constants are copied to the device once a plan. */
static clast_status device_constant(recorder *r, const spec_place *p, ptrdiff_t offset, spec_arg *out, clast_diag *d)
{
	ptrdiff_t low;
	size_t bytes;
	view_span(&p->view, &low, &bytes);
	*out = (spec_arg){ BASE_ABSOLUTE, offset - low, NULL };
	return plan_device_constant(r->s->plan, (const char *)p->view.data + low, bytes, &out->memory, d);
}

/* The table is complete when a call that reads it is emitted. */
static clast_status device_table(recorder *r, uint32_t index, ptrdiff_t offset, spec_arg *out, clast_diag *d)
{
	specialisation *s = r->s;
	*out = (spec_arg){ BASE_ABSOLUTE, offset, NULL };
	if (!grow(s->memory, &s->tables, &s->table_capacity, s->table_count + 1, sizeof *s->tables))
		return fail_memory(d, 0);
	const clast_status status = device_alloc(s->plan->device, r->table_bytes[index], r->tables[index], &out->memory, d);
	if (!status)
		s->tables[s->table_count++] = out->memory;
	return status;
}

static clast_status record_arg(recorder *r, const lower_arg *a, spec_arg *out, clast_diag *d)
{
	const spec_place *p = NULL;
	*out = (spec_arg){ BASE_NONE, 0, NULL };
	switch (a->kind) {
	case ARG_NONE:
		return CLAST_OK;
	case ARG_IN:
		p = &r->in[a->index];
		break;
	case ARG_OUT:
		p = &r->out[a->index];
		break;
	case ARG_FUSED:
		p = &r->fused[a->index];
		break;
	case ARG_WEIGHT:
		if (r->s->on_device)
			*out = (spec_arg){ BASE_ABSOLUTE, a->offset_bytes, r->device_weights[a->index] };
		else
			*out = (spec_arg){ BASE_ABSOLUTE, (ptrdiff_t)r->weights[a->index] + a->offset_bytes, NULL };
		return CLAST_OK;
	case ARG_TABLE:
		if (r->s->on_device)
			return device_table(r, a->index, a->offset_bytes, out, d);
		*out = (spec_arg){ BASE_ABSOLUTE, (ptrdiff_t)r->tables[a->index] + a->offset_bytes, NULL };
		return CLAST_OK;
	case ARG_TEMP:
		*out = (spec_arg){ r->temps[a->index], a->offset_bytes, NULL };
		return CLAST_OK;
	}
	if (r->s->on_device && p->base == BASE_ABSOLUTE)
		return device_constant(r, p, a->offset_bytes, out, d);
	*out = (spec_arg){ p->base, (ptrdiff_t)p->view.data + a->offset_bytes, NULL };
	return CLAST_OK;
}

/* What a call needs where it will run. */
static clast_status prepare_call(recorder *r, kernel_id id, spec_call *c, clast_diag *d)
{
	specialisation *s = r->s;
	const compute_kernel *k = c->kernel;
	if (!s->on_device) {
		const size_t scratch = k->scratch_bytes ? k->scratch_bytes(c->params) : 0;
		if (scratch > s->scratch_bytes)
			s->scratch_bytes = scratch;
		c->tasks = k->tasks(c->params);
		return CLAST_OK;
	}
	uint32_t present = 0;
	for (uint32_t i = 0; i < c->arg_count; i++)
		present |= (uint32_t)(s->args[c->first_arg + i].base != BASE_NONE) << i;
	const clast_status status = device_call_create(s->plan->device, id, c->params, present, s->plan->tuned_device, &s->region, &c->on_device, d);
	if (status == CLAST_ERROR_UNSUPPORTED)
		s->refused = id;
	return status;
}

static clast_status record_emit(lowering *l, kernel_id id, const void *params, size_t n, const lower_arg *args, bool beside)
{
	recorder *r = l->context;
	specialisation *s = r->s;
	const compute_kernel *k = cpu_kernels_get()->kernel[id];
	if (!k || (!s->on_device && k->supports && !k->supports(params)) || (s->on_device && n > SPEC_MAX_DEVICE_ARGS))
		return CLAST_ERROR_UNSUPPORTED;
	void *copy = bump_alloc(&s->region, k->params_bytes);
	if (!copy || !grow(s->memory, &s->calls, &s->call_capacity, s->call_count + 1, sizeof *s->calls) ||
	    !grow(s->memory, &s->args, &s->arg_capacity, s->arg_count + n, sizeof *s->args))
		return fail_memory(l->diag, 0);
	memcpy(copy, params, k->params_bytes);
	spec_call *c = &s->calls[s->call_count];
	*c = (spec_call){ .kernel = k, .params = copy, .first_arg = (uint32_t)s->arg_count, .arg_count = (uint32_t)n, .beside = beside };
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n; i++)
		status = record_arg(r, &args[i], &s->args[s->arg_count++], l->diag);
	if (!status)
		status = prepare_call(r, id, c, l->diag);
	if (!status)
		s->call_count++;
	return status;
}

static clast_status record_weight(lowering *l, packing_id how, const weights_shape *form, const weights_source *source,
                                  const void *key, size_t key_bytes, uint32_t *index)
{
	recorder *r = l->context;
	if (r->weight_count == sizeof r->weights / sizeof *r->weights)
		return CLAST_ERROR_UNSUPPORTED;
	*index = r->weight_count++;
	if (r->s->on_device)
		return plan_device_weight(r->s->plan, how, form, source, key, key_bytes, &r->device_weights[*index], l->diag);
	return plan_weight(r->s->plan, how, form, source, key, key_bytes, &r->weights[*index], l->diag);
}

static clast_status record_table(lowering *l, size_t bytes, void **data, uint32_t *index)
{
	recorder *r = l->context;
	if (r->table_count == sizeof r->tables / sizeof *r->tables)
		return CLAST_ERROR_UNSUPPORTED;
	*data = bump_alloc(&r->s->region, bytes);
	r->tables[r->table_count] = *data;
	r->table_bytes[r->table_count] = bytes;
	*index = r->table_count++;
	return *data ? CLAST_OK : fail_memory(l->diag, bytes);
}

static clast_status record_temp(lowering *l, size_t bytes, uint32_t *index)
{
	recorder *r = l->context;
	if (r->temp_count == sizeof r->temps / sizeof *r->temps)
		return CLAST_ERROR_UNSUPPORTED;
	*index = r->temp_count;
	return spec_new_buffer(r->s, bytes, r->step, &r->temps[r->temp_count++], l->diag);
}

static const struct lowering_host recording = { record_emit, record_weight, record_table, record_temp };

/* ---- One step ---- */

static int innermost(const tensor_view *v)
{
	int best = -1;
	for (int a = 0; a < v->rank; a++)
		if (v->dims[a] != 1 && (best < 0 || llabs(v->strides[a]) < llabs(v->strides[best])))
			best = a;
	return best;
}

bool spec_serves(const tensor_view *v, port need)
{
	const bool last = need.need == PORT_LAST || need.need == PORT_INTERLEAVED;
	if (need.need == PORT_ABSENT || need.need == PORT_VIEW)
		return true;
	if (need.need == PORT_BLOCKED)
		return lower_lies(v, PORT_BLOCKED);
	if (need.need == PORT_COLUMNS) {
		const int64_t stride = lower_run_stride(v, v->rank - 1);
		return need.unit ? stride == 1 || v->dims[v->rank - 1] == 1 : stride != 0;
	}
	if (need.need == PORT_GROUPS)
		return v->rank == 3 && !v->split[0] && !v->split[1];
	for (int a = 0; a < v->rank; a++)
		if (v->split[a] && need.need != PORT_SAME && !(a == 1 && last && lower_run_stride(v, 1) == 1))
			return false;
	if (last && v->rank > 1 && v->split[1])
		return true;
	const int axis = last ? 1 : need.need == PORT_TURNED ? v->rank - 2 : need.need == PORT_FIRST || need.need == PORT_ROWS ? v->rank - 1 : innermost(v);
	return !need.unit || axis < 0 || axis >= v->rank || v->dims[axis] == 1 || (!v->split[axis] && v->strides[axis] == 1);
}

static clast_status lower_one(recorder *r, lowering *l, const kernel_family *family, clast_diag *d)
{
	specialisation *s = r->s;
	const size_t calls = s->call_count, args = s->arg_count;
	const clast_status status = family ? family->lower(l) : l->fused ? lower_eltwise(l) : lower_copy(l);
	if (status == CLAST_ERROR_UNSUPPORTED) { /* take back what was recorded */
		s->call_count = calls;
		s->arg_count = args;
		r->temp_count = r->table_count = r->weight_count = 0;
	}
	(void)d;
	return status;
}

/* A dense row-major or dense in-order copy of an operand whose storage does not serve; lives during the step. */
static clast_status densify(recorder *r, spec_place *x, uint32_t pv, clast_diag *d)
{
	specialisation *s = r->s;
	spec_place from = *x, to = { .known = true };
	size_t bytes;
	if (!spec_dense_view(s, pv, &to.view) || !tensor_bytes(to.view.dtype, (size_t)to.view.rank, to.view.dims, &bytes))
		return CLAST_ERROR_UNSUPPORTED;
	clast_status status = spec_new_buffer(s, bytes, r->step, &to.base, d);
	recorder copy = { .s = s, .step = r->step, .in = &from, .out = &to };
	lowering l = { .m = s->plan->model, .n_in = 1, .n_out = 1, .in_view = &from.view, .out_view = &to.view, .host = &recording,
		       .context = &copy, .memory = &s->region, .diag = d };
	if (!status)
		status = lower_copy(&l);
	s->copy_bytes += bytes;
	*x = to;
	return status;
}

clast_status spec_record_copy(specialisation *s, const spec_place *from, const spec_place *to, uint32_t index, clast_diag *d)
{
	recorder copy = { .s = s, .step = index, .in = (spec_place *)from, .out = (spec_place *)to };
	lowering l = { .m = s->plan->model, .n_in = 1, .n_out = 1, .in_view = &from->view, .out_view = &to->view, .host = &recording,
		       .context = &copy, .memory = &s->region, .diag = d };
	spec_touch(s, from->base, index);
	spec_touch(s, to->base, index);
	return lower_copy(&l);
}

clast_status spec_copy_row_major(specialisation *s, const spec_place *from, spec_place *to, uint32_t index, clast_diag *d)
{
	size_t bytes;
	*to = (spec_place){ .known = true };
	view_dense(&to->view, from->view.dtype, from->view.rank, from->view.dims, NULL);
	if (!tensor_bytes(to->view.dtype, (size_t)to->view.rank, to->view.dims, &bytes))
		return CLAST_ERROR_UNSUPPORTED;
	const clast_status status = spec_new_buffer(s, bytes, index, &to->base, d);
	s->copy_bytes += bytes;
	return status ? status : spec_record_copy(s, from, to, index, d);
}

typedef struct frame {
	spec_place *places;       /* copies: in, out, fused */
	tensor_view *views;
	bool *constant;           /* by operand of the program */
	infer_value *facts;       /* of the inputs */
	size_t count;
} frame;

static clast_status load_frame(specialisation *s, const plan_step *step, frame *f, clast_diag *d)
{
	const clast_plan *p = s->plan;
	f->count = (size_t)step->n_in + step->n_out + step->n_fused;
	f->places = mem_calloc(s->memory, f->count * sizeof *f->places + 1);
	f->views = mem_calloc(s->memory, f->count * sizeof *f->views + 1);
	f->facts = mem_calloc(s->memory, step->n_in * sizeof *f->facts + 1);
	f->constant = mem_calloc(s->memory, step->n_fused * sizeof *f->constant + 1);
	if (!f->places || !f->views || !f->facts || !f->constant)
		return fail_memory(d, 0);
	for (size_t i = 0; i < f->count; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv == NO_ID)
			continue;
		f->places[i] = *place_of(s, pv);
		if (i < step->n_in)
			f->facts[i] = *fact_of(s, pv);
		if (i >= (size_t)step->n_in + step->n_out)
			f->constant[i - step->n_in - step->n_out] = p->values[pv].constant;
	}
	return CLAST_OK;
}

static void free_frame(specialisation *s, const plan_step *step, frame *f)
{
	mem_free(s->memory, f->places, f->count * sizeof *f->places + 1);
	mem_free(s->memory, f->views, f->count * sizeof *f->views + 1);
	mem_free(s->memory, f->facts, step->n_in * sizeof *f->facts + 1);
	mem_free(s->memory, f->constant, step->n_fused * sizeof *f->constant + 1);
}

clast_status spec_record_step(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d)
{
	const clast_plan *p = s->plan;
	frame f = { 0 };
	clast_status status = load_frame(s, step, &f, d);
	if (status)
		goto done;
	recorder r = { .s = s, .step = index, .plan_step = step, .in = f.places, .out = f.places + step->n_in,
		       .fused = f.places + step->n_in + step->n_out };
	for (size_t i = 0; i < f.count && !status; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv == NO_ID)
			continue;
		const bool output = i >= step->n_in && i < (size_t)step->n_in + step->n_out;
		if (!output && !spec_serves(&f.places[i].view, p->ports[step->refs + i]))
			status = densify(&r, &f.places[i], pv, d);
		f.views[i] = f.places[i].view;
	}
	if (status)
		goto done;
	tensor_view *fused_views = f.views + step->n_in + step->n_out;
	const tensor_view *out = f.views + step->n_in;
	for (uint32_t i = 0; i < step->n_fused; i++)
		view_broadcast(&fused_views[i], out->rank, out->dims);
	lowering l = { .m = p->model,
		       .n = step->kind == STEP_NODE ? &p->model->nodes[step->node] : NULL,
		       .n_in = step->n_in,
		       .n_out = step->n_out,
		       .in = f.facts,
		       .in_view = f.views,
		       .out_view = out,
		       .fused = step->fused == NO_ID ? NULL : &p->fused[step->fused],
		       .fused_view = fused_views,
		       .fused_constant = f.constant,
		       .ports = step->kind == STEP_NODE ? p->ports + step->refs : NULL,
		       .slotted = spec_slotted_inputs(s, step),
		       .tile = step->kind == STEP_NODE && p->tiles ? p->tiles[step->node] : 0,
		       .chain = p->chain,
		       .choice = step->kind == STEP_NODE && p->choices && p->choices[step->node].set ? &p->choices[step->node].choice : NULL,
		       .host = &recording,
		       .context = &r,
		       .memory = &s->region,
		       .diag = d };
	status = lower_one(&r, &l, step->kind == STEP_NODE ? family_at(step->family) : NULL, d);
done:
	free_frame(s, step, &f);
	return status;
}
