/* How the order of one operand of a node follows from that of another, where nothing moves: views, windows on an input, slots of an output.
 *
 * Windows and slots are cut out of a view at sample values of the symbols, by the code that cuts them at run time; the order of what is
 * left does not depend on the samples, since axes of unknown extent must be whole in it. */
#include <string.h>

#include "move.h"
#include "plan.h"

#define SAMPLE 240 /* many divisors: rounded extents stay consistent */
#define MAX_WINDOW_INPUTS 8
#define MAX_WINDOW_OUTPUTS 64
#define MAX_WINDOW_INTS 64

/* The steps of a view and the shapes at its ends; negative if it is none as far as is known. */
static int view_steps(const clast_model *m, const node *n, view_step steps[MAX_VIEW_STEPS], shape *source, shape *result)
{
	infer_value in, out;
	value_infer(m, n->in[0], &in);
	value_infer(m, n->out[0], &out);
	const infer_in query = { .op = n->op, .dims = m->dims, .attrs = n->attrs, .version = n->version, .n_in = 1, .n_out = 1, .in = &in };
	*source = in.shape;
	*result = out.shape;
	return in.shape.rank < 0 || out.shape.rank < 0 ? -1 : n->op->views(&query, &out, steps);
}

bool plan_view_order(clast_plan *p, const node *n, uint32_t from, uint32_t *to)
{
	clast_model *m = p->model;
	shape source, result;
	view_step steps[MAX_VIEW_STEPS];
	const int count = view_steps(m, n, steps, &source, &result);
	order o = p->orders[from], next;
	shape s = source;
	for (int i = 0; i < count; i++) {
		if (steps[i].permute) {
			if (!order_transpose(m->dims, &o, &s, steps[i].perm, &next))
				return false;
			o = next;
		}
		s = steps[i].shape;
	}
	if (count < 0 || !order_refine(m->dims, &o, &result, &next))
		return false;
	*to = plan_order(p, &o);
	return *to != UINT32_MAX;
}

bool plan_view_order_back(clast_plan *p, const node *n, uint32_t to, uint32_t *from)
{
	clast_model *m = p->model;
	shape source, result;
	view_step steps[MAX_VIEW_STEPS];
	const int count = view_steps(m, n, steps, &source, &result);
	order o = p->orders[to], before;
	uint32_t check;
	for (int i = count - 1; i >= 0; i--) {
		int inverse[CLAST_MAX_RANK];
		if (!steps[i].permute)
			continue;
		for (int a = 0; a < steps[i].shape.rank; a++)
			inverse[steps[i].perm[a]] = a;
		if (!order_transpose(m->dims, &o, &steps[i].shape, inverse, &before))
			return false;
		o = before;
	}
	if (count < 0 || !order_refine(m->dims, &o, &source, &before))
		return false;
	*from = plan_order(p, &o);
	return *from != UINT32_MAX && plan_view_order(p, n, *from, &check) && check == to;
}

/* ---- At sample values ---- */

static bool sample(clast_plan *p, dim d, int64_t *out)
{
	const size_t n = dim_symbol_count(p->model->dims);
	if (dim_is_number(d)) {
		*out = d;
		return true;
	}
	if (p->sample_count < n || !p->samples) {
		p->samples = bump_array(&p->region, n + 1, sizeof *p->samples);
		p->sample_count = p->samples ? n : 0;
		for (size_t i = 0; i < p->sample_count; i++)
			p->samples[i] = SAMPLE;
	}
	return p->samples && dim_is_expr(d) && !dim_eval(p->model->dims, d, p->samples, out);
}

static bool sample_shape(clast_plan *p, const shape *s, int64_t *dims)
{
	for (int a = 0; a < s->rank; a++)
		if (!sample(p, s->dims[a], &dims[a]) || dims[a] <= 0)
			return false;
	return s->rank >= 0;
}

static bool sample_view(clast_plan *p, uint32_t from, const shape *s, tensor_view *v)
{
	int64_t dims[CLAST_MAX_RANK];
	order o = p->orders[from];
	for (int i = 0; i < o.n; i++)
		if (!sample(p, o.factors[i].stride, &o.factors[i].stride) || !sample(p, o.factors[i].extent, &o.factors[i].extent))
			return false;
	return sample_shape(p, s, dims) && order_view(&o, CLAST_FLOAT32, s->rank, dims, NULL, v);
}

/* Whether an axis in several factors has gaps between them that the dense view of that order has not: kernels that walk the axis as one
 * run need a copy then. */
static bool has_gaps(const tensor_view *v, const tensor_view *dense)
{
	for (int a = 0; a < v->rank; a++) {
		int k = 0;
		for (int i = 0; i < v->split[a] && dense->split[a]; i++) {
			const axis_factor *f = &v->factors[v->first_factor[a] + i];
			if (f->extent == 1)
				continue;
			if (k == dense->split[a] || dense->factors[dense->first_factor[a] + k].stride != f->stride)
				return true;
			k++;
		}
	}
	return false;
}

static bool order_of_part(clast_plan *p, const tensor_view *v, const shape *s, uint32_t *to, bool *copies)
{
	tensor_view dense;
	order o;
	if (!order_of_view(p->model->dims, v, s, &o))
		return false;
	*to = plan_order(p, &o);
	*copies = *to != UINT32_MAX && *to && sample_view(p, *to, s, &dense) && has_gaps(v, &dense);
	return *to != UINT32_MAX;
}

/* ---- Windows ---- */

typedef struct window_facts {
	infer_value in[MAX_WINDOW_INPUTS], out[MAX_WINDOW_OUTPUTS];
	dim ints[MAX_WINDOW_INTS];
} window_facts;

static bool sample_facts(clast_plan *p, const node *n, window_facts *f)
{
	size_t used = 0;
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		infer_value *x = i < n->n_in ? &f->in[i] : &f->out[i - n->n_in];
		memset(x, 0, sizeof *x);
		if (n->in[i] == NO_ID) /* one array */
			continue;
		value_infer(p->model, n->in[i], x);
		for (int a = 0; a < x->shape.rank; a++)
			if (!sample(p, x->shape.dims[a], &x->shape.dims[a]))
				return false;
		if (!x->ints)
			continue;
		if (used + x->int_count > MAX_WINDOW_INTS)
			return false;
		for (size_t k = 0; k < x->int_count; k++)
			if (!sample(p, x->ints[k], &f->ints[used + k]))
				return false;
		x->ints = f->ints + used;
		used += x->int_count;
	}
	return true;
}

static bool carried(clast_plan *p, const shape *x, uint32_t from, const shape *y, uint32_t *to)
{
	order o;
	if (!order_carried(p->model->dims, &p->orders[from], x, y, &o))
		return false;
	*to = plan_order(p, &o);
	return *to != UINT32_MAX;
}

bool plan_window_order(clast_plan *p, const node *n, uint32_t j, uint32_t from, uint32_t *to, bool *copies)
{
	window_facts f;
	tensor_view v;
	shape x, y;
	value_shape(p->model, n->in[0], &x);
	value_shape(p->model, n->out[j], &y);
	*copies = false;
	if (n->n_in <= MAX_WINDOW_INPUTS && n->n_out <= MAX_WINDOW_OUTPUTS && sample_facts(p, n, &f) && sample_view(p, from, &x, &v)) {
		const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out,
			                 .in = f.in };
		const bool split = !p->orders[from].n ? false : memcmp(v.split, (uint8_t[CLAST_MAX_RANK]){ 0 }, sizeof v.split) != 0;
		const bool is = n->op->window(&query, f.out, j, &v) && v.rank == y.rank &&
		                !memcmp(v.dims, f.out[j].shape.dims, (size_t)v.rank * sizeof *v.dims);
		if (is && order_of_part(p, &v, &y, to, copies))
			return true;
		if (split)
			return false;
	}
	return carried(p, &x, from, &y, to);
}

/* ---- One index of an axis ---- */

static bool is_unit(const tensor_view *v)
{
	bool unit = view_count(v) == 1;
	for (int a = 0; a < v->rank; a++) {
		unit |= !v->split[a] && v->dims[a] > 1 && v->strides[a] == 1;
		for (int i = 0; i < v->split[a]; i++)
			unit |= v->factors[v->first_factor[a] + i].extent > 1 && v->factors[v->first_factor[a] + i].stride == 1;
	}
	return unit;
}

bool plan_part_order(clast_plan *p, value_id whole, int axis, uint32_t from, value_id part, uint32_t *to, bool *copies)
{
	tensor_view v;
	shape x, y;
	value_shape(p->model, whole, &x);
	value_shape(p->model, part, &y);
	*copies = false;
	*to = 0;
	if (!sample_view(p, from, &x, &v))
		return !from;
	view_select(&v, axis, 0);
	if (!order_of_part(p, &v, &y, to, copies))
		return false;
	*copies |= !is_unit(&v);
	return true;
}

bool plan_whole_order(clast_plan *p, value_id part, uint32_t from, value_id whole, int axis, uint32_t *to)
{
	dim_table *t = p->model->dims;
	shape x, y;
	order fine, o;
	int axes[ORDER_MAX_FACTORS], n = 0, to_axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	order_factor digit[ORDER_MAX_FACTORS];
	value_shape(p->model, part, &y);
	value_shape(p->model, whole, &x);
	*to = 0;
	if (x.rank != y.rank + 1 || !order_split(t, &p->orders[from], &y, &fine, axes, inner) || fine.n >= ORDER_MAX_FACTORS)
		return false;
	to_axes[n] = axis;
	digit[n++] = (order_factor){ 1, x.dims[axis] };
	for (int i = 0; i < fine.n; i++) {
		to_axes[n] = axes[i] + (axes[i] >= axis);
		digit[n++] = (order_factor){ inner[i], fine.factors[i].extent };
	}
	if (!order_of_digits(t, &x, n, to_axes, digit, &o))
		return false;
	*to = plan_order(p, &o);
	return *to != UINT32_MAX;
}

/* ---- Slots ---- */

bool plan_slot_orders(clast_plan *p, const node *n, uint32_t from, uint32_t *to, bool *copies)
{
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out };
	tensor_view whole;
	shape y, x;
	int64_t at = 0;
	value_shape(p->model, n->out[0], &y);
	const int axis = y.rank < 0 ? -1 : n->op->join(&query, y.rank);
	if (axis < 0)
		return false;
	const bool sampled = sample_view(p, from, &y, &whole);
	*copies = false;
	for (uint32_t i = 0; i < n->n_in; i++) {
		tensor_view slot = whole;
		bool gaps;
		int64_t extent;
		value_shape(p->model, n->in[i], &x);
		if (sampled && x.rank == y.rank && sample(p, x.dims[axis], &extent) && extent > 0 &&
		    view_slice(&slot, axis, at, extent, 1) && order_of_part(p, &slot, &x, &to[i], &gaps)) {
			*copies |= whole.split[axis] > 0;
			at += extent;
		} else if ((sampled && whole.split[axis]) || !carried(p, &y, from, &x, &to[i])) {
			return false;
		}
	}
	return true;
}
