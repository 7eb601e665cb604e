/* Steps that operators' references compute, in worker 0, and the host that lends them memory and strings. */
#include <string.h>

#include "checked.h"
#include "run.h"
#include "spec_parts.h"

/* The dense view of an output of the step in its order. */
static bool output_view(const host_frame *f, size_t index, clast_dtype dtype, int rank, const int64_t *dims, tensor_view *v)
{
	const clast_plan *p = f->r->s->plan;
	const uint32_t pv = f->step->fused == NO_ID && index < f->step->n_out ? step_out(p, f->step)[index] : NO_ID;
	specialisation *l = &f->r->late;
	view_dense(v, dtype, rank, dims, NULL);
	if (pv == NO_ID || !p->values[pv].order || l->plan != p)
		return true;
	infer_value *x = &l->facts[p->values[pv].fact];
	x->dtype = dtype;
	x->shape.rank = rank;
	for (int a = 0; a < rank; a++)
		x->shape.dims[a] = dims[a];
	return spec_dense_view(l, pv, v);
}

/* An output whose size the operator has found out. */
static clast_status host_output(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims)
{
	host_frame *f = c->context;
	run *r = f->r;
	size_t bytes;
	void *memory;
	if (index >= c->n_out || !c->out[index])
		return CLAST_OK;
	tensor_view *v = c->out[index];
	if (rank < 0 || rank > CLAST_MAX_RANK || !tensor_bytes(dtype, (size_t)rank, dims, &bytes))
		return fail(r->d, CLAST_ERROR_LIMIT, "the size of output %zu overflows", index);
	if (v->data) {
		bool same = v->dtype == dtype && v->rank == rank;
		for (int a = 0; same && a < rank; a++)
			same = v->dims[a] == dims[a];
		return same ? CLAST_OK : fail(r->d, CLAST_ERROR_INTERNAL, "output %zu differs from its inferred shape", index);
	}
	clast_status s = run_keep(r, bytes, &memory);
	if (s)
		return s;
	if (!output_view(f, index, dtype, rank, dims, v))
		view_dense(v, dtype, rank, dims, NULL);
	v->data = memory;
	return CLAST_OK;
}

static bool host_proceed(call *c)
{
	const host_frame *f = c->context;
	return run_proceed(f->r);
}

/* They live until the session's next run: a result of a loop's body outlives the body. */
static clast_status host_string(call *c, const char *bytes, size_t length, clast_string *out)
{
	const host_frame *f = c->context;
	const char *copy = bump_string(&f->r->s->strings, bytes, length);
	*out = (clast_string){ copy, length };
	return copy ? CLAST_OK : fail_memory(f->r->d, length);
}

static const struct call_host host = { host_output, host_body, host_release, host_proceed, host_string,
	                               host_give };

/* Results whose memory came from the operator become places. */
static clast_status adopt_outputs(run *r, const plan_step *step, const host_frame *f, const node *n)
{
	for (uint32_t j = 0; j < step->n_out; j++) {
		const uint32_t pv = step_out(r->s->plan, step)[j];
		if (pv == NO_ID || run_place(r, pv)->known)
			continue;
		const tensor_view *v = f->out[j];
		if (!v->data && view_count(v))
			return fail(r->d, CLAST_ERROR_INTERNAL, "output %u was not computed", j);
		spec_place *p = (spec_place *)run_place(r, pv);
		ptrdiff_t low;
		size_t bytes;
		view_span(v, &low, &bytes);
		*p = (spec_place){ true, (uint32_t)r->base_count, *v };
		p->view.data = (void *)-low;
		const clast_status s = run_add_base(r, (char *)v->data + low, bytes, NULL, 0, true);
		if (s)
			return s;
		infer_value *x = &r->late.facts[r->s->plan->values[pv].fact];
		x->dtype = v->dtype;
		x->shape.rank = v->rank;
		for (int a = 0; a < v->rank; a++)
			x->shape.dims[a] = v->dims[a];
	}
	(void)n;
	return CLAST_OK;
}

static clast_status call_reference(run *r, const plan_step *step, node_id id, host_frame *f)
{
	const clast_plan *p = r->s->plan;
	const node *n = &p->model->nodes[id];
	f->r = r;
	f->step = step;
	call c = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out, .in = f->in,
		   .out = f->out, .memory = &r->s->runtime.memory, .diag = r->d, .host = &host, .context = f };
	return n->op->reference(&c);
}

/* The operand of a step, or a new tensor, that holds a fact of one of its nodes. */
static clast_status group_value(run *r, const plan_step *step, uint32_t fact, uint32_t *facts, tensor_view *views, size_t *count,
                                tensor_view **out)
{
	const clast_plan *p = r->s->plan;
	const infer_value *x = &run_current(r)->facts[fact];
	int64_t dims[CLAST_MAX_RANK];
	void *memory;
	for (size_t i = 0; i < *count; i++)
		if (facts[i] == fact) {
			*out = &views[i];
			return CLAST_OK;
		}
	*out = &views[*count];
	facts[*count] = fact;
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out + step->n_fused; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv == NO_ID || p->values[pv].fact != fact)
			continue;
		views[(*count)++] = run_resolve(r, run_place(r, pv));
		return CLAST_OK;
	}
	for (int a = 0; a < x->shape.rank; a++)
		dims[a] = x->shape.dims[a];
	view_dense(*out, x->dtype, x->shape.rank, dims, NULL);
	const clast_status s = run_keep(r, (size_t)view_count(*out) * clast_dtype_bytes(x->dtype), &memory);
	(*out)->data = memory;
	(*count)++;
	return s;
}

/* A group whose shapes no kernel takes: node by node, what lies between them in tensors of its own. */
static clast_status run_group_references(run *r, const plan_step *step)
{
	const clast_plan *p = r->s->plan;
	size_t total = (size_t)step->n_in + step->n_out + step->n_fused, widest = 0, count = 0;
	for (uint32_t k = 0; k < step->node_count; k++) {
		const node *n = &p->model->nodes[p->nodes[p->step_nodes[step->nodes + k]].node];
		total += n->n_in + n->n_out;
		widest = n->n_in + n->n_out > widest ? n->n_in + n->n_out : widest;
	}
	const size_t bytes = total * (sizeof(tensor_view) + sizeof(uint32_t)) + widest * sizeof(tensor_view *);
	tensor_view *views = mem_calloc(&r->s->runtime.memory, bytes), **list = (tensor_view **)(views + total);
	uint32_t *facts = (uint32_t *)(list + widest);
	clast_status s = views ? CLAST_OK : fail_memory(r->d, bytes);
	for (uint32_t k = 0; !s && k < step->node_count; k++) {
		const plan_node *x = &p->nodes[p->step_nodes[step->nodes + k]];
		const node *n = &p->model->nodes[x->node];
		for (uint32_t i = 0; !s && i < n->n_in + n->n_out; i++) {
			list[i] = NULL;
			if (p->fact_refs[x->facts + i] != NO_ID)
				s = group_value(r, step, p->fact_refs[x->facts + i], facts, views, &count, &list[i]);
		}
		host_frame f = { .in = (const tensor_view **)list, .out = list + n->n_in };
		if (!s && (s = call_reference(r, step, x->node, &f)))
			node_fail(p->model, x->node, s, r->d);
	}
	mem_free(&r->s->runtime.memory, views, bytes);
	return s;
}

/* What a loop that never runs leaves has to have a shape. */
static void expect_output(run *r, uint32_t pv, tensor_view *v)
{
	const clast_plan *p = r->s->plan;
	int64_t dims[CLAST_MAX_RANK];
	int rank;
	if (spec_declared_shape(&r->late, pv, dims, &rank))
		view_dense(v, CLAST_UNDEFINED, rank, dims, NULL);
	v->dtype = p->model->values[p->facts[r->spec->block->first_fact + p->values[pv].fact]].dtype;
}

clast_status run_reference(run *r, const plan_step *step)
{
	if (step->fused != NO_ID)
		return run_group_references(r, step);
	const clast_plan *p = r->s->plan;
	if (step->kind == STEP_CONVERT) {
		const tensor_view from = run_resolve(r, run_place(r, step_in(p, step)[0]));
		const tensor_view to = run_resolve(r, run_place(r, step_out(p, step)[0]));
		fast_copy(&to, &from);
		return CLAST_OK;
	}
	const node *n = &p->model->nodes[step->node];
	const size_t count = (size_t)n->n_in + n->n_out + 1;
	const size_t bytes = count * (sizeof(tensor_view) + sizeof(tensor_view *));
	tensor_view *views = mem_calloc(&r->s->runtime.memory, bytes);
	if (!views)
		return fail_memory(r->d, bytes);
	host_frame f = { .r = r, .step = step, .views = views, .in = (const tensor_view **)(views + count) };
	f.out = (tensor_view **)(f.in + n->n_in);
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv == NO_ID)
			continue;
		const spec_place *x = run_place(r, pv);
		views[i].rank = -1;
		if (x->known)
			views[i] = run_resolve(r, x);
		else if (n->n_bodies && i >= step->n_in)
			expect_output(r, pv, &views[i]);
		if (i < step->n_in)
			f.in[i] = &views[i];
		else
			f.out[i - step->n_in] = &views[i];
	}
	clast_status s = call_reference(r, step, step->node, &f);
	if (!s)
		s = adopt_outputs(r, step, &f, n);
	if (s)
		node_fail(p->model, step->node, s, r->d);
	mem_free(&r->s->runtime.memory, views, bytes);
	return s;
}
