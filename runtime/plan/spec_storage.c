/* Storage of values: buffers of the arena, dense views in the order that the plan gave, values of symbols. */
#include "checked.h"
#include "spec_parts.h"

clast_status spec_new_buffer(specialisation *s, size_t bytes, uint32_t step, uint32_t *base, clast_diag *d)
{
	if (!grow(s->memory, &s->buffers, &s->buffer_capacity, s->buffer_count + 1, sizeof *s->buffers))
		return fail_memory(d, 0);
	s->buffers[s->buffer_count] = (spec_buffer){ .bytes = bytes, .first = step, .last = step };
	*base = s->input_count + (uint32_t)s->buffer_count++;
	return CLAST_OK;
}

void spec_touch(specialisation *s, uint32_t base, uint32_t step)
{
	if (base >= BASE_ABSOLUTE || base < s->input_count)
		return;
	spec_buffer *b = &s->buffers[base - s->input_count];
	if (step > b->last)
		b->last = step;
	if (step < b->first)
		b->first = step;
}

void spec_hold(specialisation *s, uint32_t base, uint32_t pv)
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

bool spec_declared_shape(specialisation *s, uint32_t pv, int64_t *dims, int *rank)
{
	const clast_model *m = s->plan->model;
	const value *v = &m->values[s->plan->facts[s->block->first_fact + s->plan->values[pv].fact]];
	pthread_mutex_t *lock = &s->plan->model->lock;
	pthread_mutex_lock(lock); /* another plan of the model may be in the making */
	const bool bound = bind_symbols(s);
	*rank = v->rank;
	for (int a = 0; bound && a < v->rank; a++)
		if (dim_eval(m->dims, v->dims[a], s->symbols, &dims[a]) || dims[a] < 0)
			dims[a] = 0;
	pthread_mutex_unlock(lock);
	return bound && v->rank >= 0;
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

bool spec_dense_view(specialisation *s, uint32_t pv, tensor_view *v)
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

clast_status spec_allocate(specialisation *s, uint32_t pv, uint32_t step, clast_diag *d)
{
	spec_place *x = place_of(s, pv);
	size_t bytes;
	if (!spec_dense_view(s, pv, &x->view)) { /* its order names extents that this block does not know: kernels take any */
		const infer_value *f = fact_of(s, pv);
		view_dense(&x->view, f->dtype, f->shape.rank, f->shape.dims, NULL);
	}
	if (!tensor_bytes(x->view.dtype, (size_t)x->view.rank, x->view.dims, &bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of value %s overflows",
		            quote(s->plan->model->values[s->plan->facts[s->block->first_fact + s->plan->values[pv].fact]].name).text);
	const clast_status status = spec_new_buffer(s, bytes, step, &x->base, d);
	x->view.data = NULL;
	x->known = !status;
	if (!status)
		spec_hold(s, x->base, pv);
	return status;
}
