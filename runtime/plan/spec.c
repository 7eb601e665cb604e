#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

bool fact_known(const infer_value *f)
{
	if (f->dtype == CLAST_UNDEFINED || f->shape.rank < 0 || f->kind != KIND_TENSOR)
		return false;
	for (int a = 0; a < f->shape.rank; a++)
		if (!dim_is_number(f->shape.dims[a]))
			return false;
	return true;
}

/* ---- Numeric inference ---- */

static clast_status check_result(const specialisation *s, const plan_node *pn, const infer_value *f, clast_diag *d)
{
	for (int a = 0; a < f->shape.rank; a++)
		if (f->shape.dims[a] == DIM_ERROR || (dim_is_number(f->shape.dims[a]) && f->shape.dims[a] < 0))
			return node_fail(s->plan->model, pn->node,
			                 fail(d, CLAST_ERROR_MODEL, "axis %d of the output would have an impossible extent", a), d);
	return CLAST_OK;
}

/* Elements that were not all known ahead, and are computed now. */
static void drop_partial_ints(infer_value *x)
{
	for (size_t i = 0; x->data && x->ints && i < x->int_count; i++)
		if (!dim_is_number(x->ints[i]))
			x->ints = NULL;
}

static clast_status infer_node(specialisation *s, const plan_node *pn, infer_value *values, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const node *n = &p->model->nodes[pn->node];
	const uint32_t *facts = p->fact_refs + pn->facts;
	bool known = true;
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		memset(&values[i], 0, sizeof *values);
		values[i].shape.rank = -1;
		if (facts[i] == NO_ID)
			continue;
		if (i < n->n_in) {
			values[i] = s->facts[facts[i]];
			drop_partial_ints(&values[i]);
		}
		values[i].present = true;
		known &= i >= n->n_in || fact_known(&values[i]);
	}
	const infer_in in = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out,
		              .in = values, .memory = &s->region };
	infer_out out = { .out = values + n->n_in };
	clast_status status = CLAST_OK;
	if (known && !(n->op->flags & OP_BODIES))
		status = n->op->infer(&in, &out, d);
	if (status)
		return node_fail(p->model, pn->node, status, d);
	for (uint32_t j = 0; !status && j < n->n_out; j++) {
		const uint32_t f = facts[n->n_in + j];
		if (f == NO_ID)
			continue;
		infer_value *to = &s->facts[f];
		const infer_value *from = &out.out[j];
		status = check_result(s, pn, from, d);
		if (!to->data) { /* a constant stays what it is */
			*to = *from;
			to->data = NULL;
		}
		to->present = true;
	}
	return status;
}

static clast_status infer_plan_node(specialisation *s, const plan_node *pn, clast_diag *d)
{
	enum { FEW = 12 };
	const node *n = &s->plan->model->nodes[pn->node];
	const size_t count = (size_t)n->n_in + n->n_out;
	infer_value few[FEW], *many = count > FEW ? mem_array(s->memory, count, sizeof *many) : NULL;
	if (count > FEW && !many)
		return fail_memory(d, count * sizeof *many);
	const clast_status status = infer_node(s, pn, many ? many : few, d);
	mem_free(s->memory, many, count * sizeof *many);
	return status;
}

clast_status spec_infer_step(specialisation *s, const plan_step *step, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (uint32_t i = 0; !status && i < step->node_count; i++)
		status = infer_plan_node(s, &s->plan->nodes[s->plan->step_nodes[step->nodes + i]], d);
	return status;
}

static void set_facts(specialisation *s, const tensor_view *inputs)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t f = 0; f < b->fact_count; f++) {
		infer_value *x = &s->facts[f];
		const value *v = &p->model->values[p->facts[b->first_fact + f]];
		x->present = true;
		x->kind = v->kind;
		x->shape.rank = -1;
		if (v->constant) {
			value_infer(p->model, p->facts[b->first_fact + f], x);
			x->ints = v->ints;
		}
	}
	for (uint32_t i = 0; i < s->input_count; i++) {
		const uint32_t pv = p->refs[(i < b->input_count ? b->inputs : b->captures - b->input_count) + i];
		infer_value *x = &s->facts[p->values[pv].fact];
		if (p->values[pv].constant)
			continue;
		x->dtype = inputs[i].dtype;
		x->shape.rank = inputs[i].rank;
		for (int a = 0; a < inputs[i].rank; a++)
			x->shape.dims[a] = inputs[i].dims[a];
	}
}

/* ---- Storage ---- */

static spec_place *place_of(const specialisation *s, uint32_t pv)
{
	return &s->places[pv - s->block->first_value];
}

static const infer_value *fact_of(const specialisation *s, uint32_t pv)
{
	return &s->facts[s->plan->values[pv].fact];
}

static clast_status new_buffer(specialisation *s, size_t bytes, uint32_t step, uint32_t *base, clast_diag *d)
{
	if (!grow(s->memory, &s->buffers, &s->buffer_capacity, s->buffer_count + 1, sizeof *s->buffers))
		return fail_memory(d, 0);
	s->buffers[s->buffer_count] = (spec_buffer){ .bytes = bytes, .first = step, .last = step };
	*base = s->input_count + (uint32_t)s->buffer_count++;
	return CLAST_OK;
}

static void touch(specialisation *s, uint32_t base, uint32_t step)
{
	if (base >= BASE_ABSOLUTE || base < s->input_count)
		return;
	spec_buffer *b = &s->buffers[base - s->input_count];
	if (step > b->last)
		b->last = step;
	if (step < b->first)
		b->first = step;
}

/* The buffer at a base now holds this value too. */
static void hold(specialisation *s, uint32_t base, uint32_t pv)
{
	if (!s->last_use || base < s->input_count || base >= BASE_ABSOLUTE)
		return;
	spec_buffer *b = &s->buffers[base - s->input_count];
	const uint32_t last = s->last_use[pv - s->block->first_value];
	if (last > b->last_read)
		b->last_read = last;
}

/* The symbols' values, from every shape known by now. */
static bool bind_symbols(specialisation *s)
{
	const clast_plan *p = s->plan;
	const size_t n = dim_symbol_count(p->model->dims);
	if (!s->symbols && !(s->symbols = bump_array(&s->region, n + 1, sizeof *s->symbols)))
		return false;
	for (size_t i = 0; i < n; i++)
		s->symbols[i] = DIM_UNKNOWN;
	for (uint32_t f = 0; f < s->block->fact_count; f++) {
		const value *v = &p->model->values[p->facts[s->block->first_fact + f]];
		const infer_value *x = &s->facts[f];
		if (!fact_known(x) || v->rank != x->shape.rank)
			continue;
		for (int a = 0; a < v->rank; a++) {
			const size_t at = (size_t)(v->dims[a] - DIM_FIRST_ID);
			if (dim_is_expr(v->dims[a]) && at < p->symbol_of_count && p->symbol_of[at] != NO_ID)
				s->symbols[p->symbol_of[at]] = x->shape.dims[a];
		}
	}
	dim_complete(p->model->dims, s->symbols);
	return true;
}

static bool numbers_only(const order *o)
{
	bool known = true;
	for (int i = 0; i < o->n; i++)
		known &= dim_is_number(o->factors[i].stride) && dim_is_number(o->factors[i].extent);
	return known;
}

static bool substitute_symbols(specialisation *s, order *o)
{
	const dim_table *t = s->plan->model->dims;
	bool fine = bind_symbols(s);
	for (int i = 0; fine && i < o->n; i++)
		fine = !dim_eval(t, o->factors[i].stride, s->symbols, &o->factors[i].stride) &&
		       !dim_eval(t, o->factors[i].extent, s->symbols, &o->factors[i].extent);
	return fine && numbers_only(o);
}

/* An order with numbers in place of symbols. */
static bool evaluate_order(specialisation *s, order *o)
{
	pthread_mutex_t *lock = &s->plan->model->lock;
	if (numbers_only(o))
		return true;
	pthread_mutex_lock(lock); /* another plan of the model may be in the making */
	const bool fine = substitute_symbols(s, o);
	pthread_mutex_unlock(lock);
	return fine;
}

/* The dense view of a value in its order. */
static bool dense_view(specialisation *s, uint32_t pv, tensor_view *v)
{
	const clast_plan *p = s->plan;
	const plan_value *x = &p->values[pv];
	const infer_value *f = fact_of(s, pv);
	int64_t dims[CLAST_MAX_RANK];
	for (int a = 0; a < f->shape.rank; a++)
		dims[a] = f->shape.dims[a];
	if (!x->whole) {
		order o = p->orders[x->order];
		return evaluate_order(s, &o) && order_view(&o, f->dtype, f->shape.rank, dims, NULL, v);
	}
	view_dense(v, f->dtype, f->shape.rank, dims, NULL);
	int64_t stride = 1;
	for (int i = f->shape.rank - 1; i >= 0; i--) {
		const int a = x->order ? x->perm[i] : i;
		v->strides[a] = stride;
		stride *= dims[a] > 0 ? dims[a] : 1;
	}
	return true;
}

/* New storage in the arena for an output. */
static clast_status allocate(specialisation *s, uint32_t pv, uint32_t step, clast_diag *d)
{
	spec_place *x = place_of(s, pv);
	size_t bytes;
	if (!dense_view(s, pv, &x->view))
		return fail(d, CLAST_ERROR_UNSUPPORTED, "a value's order depends on an extent that is not known");
	if (!tensor_bytes(x->view.dtype, (size_t)x->view.rank, x->view.dims, &bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of value %s overflows",
		            quote(s->plan->model->values[s->plan->facts[s->block->first_fact + s->plan->values[pv].fact]].name).text);
	const clast_status status = new_buffer(s, bytes, step, &x->base, d);
	x->view.data = NULL;
	x->known = !status;
	if (!status)
		hold(s, x->base, pv);
	return status;
}

/* ---- Lowering host: records calls ---- */

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

/* The bytes around the elements of a view, counted from its first element. */
static void byte_range(const tensor_view *v, ptrdiff_t *low, size_t *bytes)
{
	const ptrdiff_t element = (ptrdiff_t)clast_dtype_bytes(v->dtype);
	ptrdiff_t from = 0, to = 0;
	for (int a = 0; a < v->rank; a++) {
		const ptrdiff_t reach = v->dims[a] > 1 ? (ptrdiff_t)axis_offset(v, a, v->dims[a] - 1) : 0;
		*(reach < 0 ? &from : &to) += reach;
	}
	*low = from * element;
	*bytes = view_count(v) ? (size_t)((to - from + 1) * element) : 0;
}

/* Constants are copied to the device once a plan. */
static clast_status device_constant(recorder *r, const spec_place *p, ptrdiff_t offset, spec_arg *out, clast_diag *d)
{
	ptrdiff_t low;
	size_t bytes;
	byte_range(&p->view, &low, &bytes);
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
	return device_call_create(s->plan->device, id, c->params, present, &s->region, &c->on_device, d);
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
	return new_buffer(r->s, bytes, r->step, &r->temps[r->temp_count++], l->diag);
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

/* Whether storage as it is serves the port. The order was seen to when planning; strides are known only now. */
static bool serves(const tensor_view *v, port need)
{
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
		if (v->split[a] && need.need != PORT_SAME && !(a == 1 && need.need == PORT_LAST && lower_run_stride(v, 1) == 1))
			return false;
	if (need.need == PORT_LAST && v->rank > 1 && v->split[1])
		return true;
	const int axis = need.need == PORT_LAST ? 1 : need.need == PORT_TURNED ? v->rank - 2 : need.need == PORT_FIRST || need.need == PORT_ROWS ? v->rank - 1 : innermost(v);
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
	if (!dense_view(s, pv, &to.view) || !tensor_bytes(to.view.dtype, (size_t)to.view.rank, to.view.dims, &bytes))
		return CLAST_ERROR_UNSUPPORTED;
	clast_status status = new_buffer(s, bytes, r->step, &to.base, d);
	recorder copy = { .s = s, .step = r->step, .in = &from, .out = &to };
	lowering l = { .m = s->plan->model, .n_in = 1, .n_out = 1, .in_view = &from.view, .out_view = &to.view, .host = &recording,
		       .context = &copy, .memory = &s->region, .diag = d };
	if (!status)
		status = lower_copy(&l);
	s->copy_bytes += bytes;
	*x = to;
	return status;
}

/* A copy call on places, apart from the operands of the step at hand. */
static clast_status record_copy(specialisation *s, const spec_place *from, const spec_place *to, uint32_t index, clast_diag *d)
{
	recorder copy = { .s = s, .step = index, .in = (spec_place *)from, .out = (spec_place *)to };
	lowering l = { .m = s->plan->model, .n_in = 1, .n_out = 1, .in_view = &from->view, .out_view = &to->view, .host = &recording,
		       .context = &copy, .memory = &s->region, .diag = d };
	touch(s, from->base, index);
	touch(s, to->base, index);
	return lower_copy(&l);
}

/* A new buffer with the elements of a place in row-major order. */
static clast_status copy_row_major(specialisation *s, const spec_place *from, spec_place *to, uint32_t index, clast_diag *d)
{
	size_t bytes;
	*to = (spec_place){ .known = true };
	view_dense(&to->view, from->view.dtype, from->view.rank, from->view.dims, NULL);
	if (!tensor_bytes(to->view.dtype, (size_t)to->view.rank, to->view.dims, &bytes))
		return CLAST_ERROR_UNSUPPORTED;
	const clast_status status = new_buffer(s, bytes, index, &to->base, d);
	s->copy_bytes += bytes;
	return status ? status : record_copy(s, from, to, index, d);
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

static bool *slotted_inputs(specialisation *s, const plan_step *step);

/* Kernel calls for a step whose operands have places. CLAST_ERROR_UNSUPPORTED: the reference has to do it. */
static clast_status record_step(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d)
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
		if (!output && !serves(&f.places[i].view, p->ports[step->refs + i]))
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
		       .slotted = slotted_inputs(s, step),
		       .exact = p->precision == CLAST_PRECISION_EXACT || p->precision == CLAST_PRECISION_REFERENCE || p->model->low_memory,
		       .host = &recording,
		       .context = &r,
		       .memory = &s->region,
		       .diag = d };
	status = lower_one(&r, &l, step->kind == STEP_NODE ? family_at(step->family) : NULL, d);
done:
	free_frame(s, step, &f);
	return status;
}

/* ---- Views ---- */

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

static bool follows_order(specialisation *s, uint32_t pv, const tensor_view *v);

/* Whether v certainly lies in another order than the plan gave the value: kernels may count on it. */
static bool contradicts_order(specialisation *s, uint32_t pv, const tensor_view *v)
{
	tensor_view dense;
	if (!dense_view(s, pv, &dense))
		return false;
	for (int a = 0; a < v->rank; a++)
		if (v->split[a] || dense.split[a])
			return false;
	return !follows_order(s, pv, v);
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
	clast_status status = string ? CLAST_ERROR_UNSUPPORTED : copy_row_major(s, x, &dense, index, d);
	whole = dense;
	if (!status && !follow_view(s, step, &dense.view, &whole.view))
		status = CLAST_ERROR_UNSUPPORTED;
	if (!status && !y->known && follows_order(s, to, &whole.view)) {
		*y = whole;
	} else {
		const clast_status made = y->known ? CLAST_OK : allocate(s, to, index, d);
		if (made)
			return made;
		if (!status)
			status = record_copy(s, &whole, y, index, d);
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

static clast_status place_view(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
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
		touch(s, y->base, index);
		hold(s, y->base, to);
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

/* Whether the elements of v follow one another as those of the value's order do; axes that do not move may be anywhere. The factors of a
 * split axis lie as closely as in dense memory. */
static bool follows_order(specialisation *s, uint32_t pv, const tensor_view *v)
{
	tensor_view dense;
	piece x[CLAST_MAX_RANK + VIEW_MAX_FACTORS], y[CLAST_MAX_RANK + VIEW_MAX_FACTORS];
	if (!dense_view(s, pv, &dense) || dense.rank != v->rank)
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

/* Outputs that are windows on the input become views of it. */
static bool place_windows(specialisation *s, const plan_step *step, uint32_t index)
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
		                        !follows_order(s, out[j], &views[j])))
			return false;
	}
	for (uint32_t j = 0; j < step->n_out; j++)
		if (out[j] != NO_ID) {
			*place_of(s, out[j]) = (spec_place){ true, x->base, views[j] };
			hold(s, x->base, out[j]);
		}
	touch(s, x->base, index);
	return true;
}

/* ---- Joins: inputs produced within the output ---- */

static bool is_window_step(const clast_plan *p, const plan_step *step)
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
	if (!follows_order(s, pv, &whole))
		return false;
	*out = (spec_place){ true, first->base, whole };
	return true;
}

/* Whether the step that makes a value can write it there. */
static bool maker_serves(const clast_plan *p, const plan_step *maker, uint32_t pv, const tensor_view *slot)
{
	for (uint32_t j = 0; j < maker->n_out; j++)
		if (step_out(p, maker)[j] == pv)
			return serves(slot, p->ports[maker->refs + maker->n_in + j]);
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
		const clast_status status = allocate(s, pv, index, d);
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
		    follows_order(s, in[i], &slot)) {
			const plan_step *maker = &p->steps[s->block->first_step + made];
			if (!is_window_step(p, maker) && !p->values[in[i]].constant && maker_serves(p, maker, in[i], &slot)) {
				*x = (spec_place){ true, y->base, slot };
				touch(s, y->base, made);
				s->buffers[y->base - s->input_count].shared = true;
			}
		}
		at += extent;
	}
	touch(s, y->base, index);
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

/* From the last join to the first, so that the joins inside larger ones find their own slot given. */
static clast_status place_joins(specialisation *s, clast_diag *d)
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

/* Which inputs of a join need no copy. */
static bool *slotted_inputs(specialisation *s, const plan_step *step)
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

/* ---- In place ---- */

/* By plan value: the value whose memory it may lie in. */
static void find_roots(const specialisation *s, uint32_t *root)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->value_count; i++)
		root[i] = i;
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		for (uint32_t j = 0; is_window_step(p, step) && j < step->n_out; j++)
			if (step_out(p, step)[j] != NO_ID)
				root[step_out(p, step)[j] - b->first_value] = root[step_in(p, step)[0] - b->first_value];
	}
}

/* The last step that reads the memory of each value, be it through another view of it. Slots of joins are read for ever. */
static clast_status find_last_uses(specialisation *s, clast_diag *d)
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

/* An elementwise operand that nobody needs afterwards lends its memory to the output, if nothing else of the step lies in it. */
static bool place_over_operand(specialisation *s, const plan_step *step, uint32_t index)
{
	const clast_plan *p = s->plan;
	const uint32_t out = step_out(p, step)[0];
	tensor_view dense;
	if (step->fused == NO_ID || s->keep || s->late_steps || place_of(s, out)->known || !dense_view(s, out, &dense))
		return false;
	for (uint32_t i = 0; i < step->n_fused; i++) {
		const uint32_t pv = step_fused(p, step)[i];
		const spec_place *x = place_of(s, pv);
		if (x->base < s->input_count || x->base >= BASE_ABSOLUTE || s->buffers[x->base - s->input_count].shared ||
		    x->view.dtype != dense.dtype ||
		    s->buffers[x->base - s->input_count].last_read != index || x->view.rank != dense.rank)
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
		touch(s, x->base, index);
		hold(s, x->base, out);
		return true;
	}
	return false;
}

/* ---- The whole ---- */

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
			touch(s, place_of(s, pv)->base, index);
	}
	for (uint32_t i = 0; i < step->capture_count; i++)
		if (place_of(s, p->refs[step->captures + i])->known)
			touch(s, place_of(s, p->refs[step->captures + i])->base, index);
}

clast_status spec_place_outputs(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (uint32_t j = 0; !status && j < step->n_out; j++) {
		const uint32_t pv = step_out(s->plan, step)[j];
		if (pv != NO_ID && !place_of(s, pv)->known && fact_known(fact_of(s, pv)))
			status = allocate(s, pv, index, d);
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

clast_status spec_step_create(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d)
{
	*out = (spec_step){ .mode = MODE_REFERENCE, .first_call = (uint32_t)s->call_count };
	clast_status status;
	s->on_device = plan_step_on_device(s->plan, s->block, step);
	if (step->kind == STEP_VIEW) {
		status = place_view(s, step, index, out, d);
		if (out->mode == MODE_CALLS && s->on_device)
			out->mode = MODE_DEVICE;
		if (status || out->mode == MODE_NOTHING)
			return status;
		touch_operands(s, step, index);
		return CLAST_OK;
	}
	if (place_windows(s, step, index)) {
		out->mode = MODE_NOTHING;
		return CLAST_OK;
	}
	if (s->last_use)
		place_over_operand(s, step, index);
	status = spec_place_outputs(s, step, index, d);
	if (status)
		return status;
	touch_operands(s, step, index);
	if (step->kind == STEP_NODE && step->family == FAMILY_REFERENCE)
		return CLAST_OK;
	const size_t args = s->arg_count;
	status = record_step(s, step, index, d);
	if (status == CLAST_ERROR_UNSUPPORTED && s->on_device) { /* then on the CPU */
		s->call_count = out->first_call;
		s->arg_count = args;
		s->on_device = false;
		status = record_step(s, step, index, d);
	}
	if (status == CLAST_ERROR_UNSUPPORTED)
		return align_inputs(s, step, d); /* references do it */
	if (!status) {
		out->call_count = (uint32_t)(s->call_count - out->first_call);
		out->mode = !out->call_count ? MODE_NOTHING : s->on_device ? MODE_DEVICE : MODE_CALLS;
	}
	return status;
}

static clast_status place_inputs(specialisation *s, const tensor_view *inputs, clast_diag *d)
{
	clast_status status = CLAST_OK;
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->value_count; i++) {
		const uint32_t pv = b->first_value + i;
		const infer_value *f = fact_of(s, pv);
		if (!p->values[pv].constant)
			continue;
		s->places[i] = (spec_place){ true, BASE_ABSOLUTE, *f->data };
		if (!status && p->values[pv].read)
			status = align_constant(s, pv, d);
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

/* Outputs are read after the last step. */
static void keep_outputs(specialisation *s)
{
	const clast_plan *p = s->plan;
	for (uint32_t i = 0; i < s->block->output_count; i++) {
		const spec_place *x = place_of(s, p->refs[s->block->outputs + i]);
		if (x->known)
			touch(s, x->base, s->block->step_count);
	}
}

static clast_status build(specialisation *s, const tensor_view *inputs, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	clast_status status = CLAST_OK;
	set_facts(s, inputs);
	for (uint32_t i = 0; !status && i < b->node_count; i++)
		status = infer_plan_node(s, &p->nodes[b->first_node + i], d);
	if (!status)
		status = place_inputs(s, inputs, d);
	if (!status)
		status = find_last_uses(s, d);
	if (!status && !s->keep)
		status = place_joins(s, d);
	for (uint32_t i = 0; !status && i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		if (step_known(s, step)) {
			status = spec_step_create(s, step, i, &s->steps[i], d);
		} else {
			s->steps[i].mode = MODE_LATE;
			s->late_steps++;
			touch_operands(s, step, i);
		}
	}
	if (status)
		return status;
	keep_outputs(s);
	return arena_plan(s, d);
}

clast_status spec_create(clast_plan *p, uint32_t block, const tensor_view *inputs, mem *memory, bool keep,
                         specialisation **out, clast_diag *d)
{
	*out = NULL;
	specialisation *s = mem_calloc(memory, sizeof *s);
	if (!s)
		return fail_memory(d, sizeof *s);
	const plan_block *b = &p->blocks[block];
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
	mem_free(a, s->calls, s->call_capacity * sizeof *s->calls);
	mem_free(a, s->args, s->arg_capacity * sizeof *s->args);
	mem_free(a, s->buffers, s->buffer_capacity * sizeof *s->buffers);
	spec_free_tables(s);
	bump_release(&s->region);
	mem_free(a, s, sizeof *s);
}
