/* Running a block: stretches of steps with known shapes by all workers together, the others one by one.
 *
 * Workers walk the same list of kernel calls and take fixed parts of each call's tasks; a barrier stands between calls that depend on one
 * another. References run in worker 0. Steps with bodies, and steps whose shapes were not known ahead, run between stretches. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "checked.h"
#include "session.h"

typedef struct allocation {
	void *memory;
	size_t bytes;
} allocation;

struct run {
	clast_session *s;
	cached *cached;
	specialisation *spec;   /* static part */
	specialisation late;    /* copy whose facts and places are filled in while running; used if the block has late steps */
	void **bases;           /* inputs, then buffers */
	size_t base_count, base_capacity;
	allocation *allocations;
	size_t allocation_count, allocation_capacity;
	_Atomic int status;
	clast_diag *d;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Denormals are flushed inside kernels only, and not where exactness was asked for. */
static unsigned enter_float_mode(const run *r)
{
#if defined(__x86_64__)
	const unsigned old = _mm_getcsr();
	if (r->s->plan->precision == CLAST_PRECISION_DEFAULT || r->s->plan->precision == CLAST_PRECISION_FAST)
		_mm_setcsr(old | 0x8040);
	return old;
#else
	(void)r;
	return 0;
#endif
}

static void leave_float_mode(unsigned old)
{
#if defined(__x86_64__)
	_mm_setcsr(old);
#else
	(void)old;
#endif
}

static const specialisation *current(const run *r)
{
	return r->spec->late_steps ? &r->late : r->spec;
}

static const spec_place *place_of(const run *r, uint32_t pv)
{
	const specialisation *s = current(r);
	return &s->places[pv - s->block->first_value];
}

static tensor_view resolve(const run *r, const spec_place *p)
{
	tensor_view v = p->view;
	if (p->base < BASE_ABSOLUTE)
		v.data = (char *)r->bases[p->base] + (ptrdiff_t)p->view.data;
	return v;
}

/* ---- Kernel calls ---- */

#define MAX_ARGS 24

static void run_call(const run *r, const specialisation *s, const spec_call *c, size_t worker, size_t workers)
{
	void *args[MAX_ARGS];
	size_t begin, end;
	task_range(c->tasks, worker, workers, &begin, &end);
	if (begin == end)
		return;
	for (uint32_t i = 0; i < c->arg_count; i++) {
		const spec_arg *a = &s->args[c->first_arg + i];
		args[i] = a->base == BASE_NONE ? NULL
		          : a->base == BASE_ABSOLUTE ? (void *)a->offset : (char *)r->bases[a->base] + a->offset;
	}
	c->kernel->run(c->params, args, begin, end, (char *)r->s->scratch + worker * r->s->scratch_bytes);
}

static void run_calls(const run *r, const specialisation *s, const spec_step *step, size_t worker, size_t workers)
{
	for (uint32_t i = 0; i < step->call_count; i++) {
		const spec_call *c = &s->calls[step->first_call + i];
		if (i && !c->beside && workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		run_call(r, s, c, worker, workers);
	}
}

/* ---- References ---- */

typedef struct host_frame {
	run *r;
	const plan_step *step;
	tensor_view *views;             /* inputs, outputs */
	const tensor_view **in;
	tensor_view **out;
} host_frame;

static clast_status keep_memory(run *r, size_t bytes, void **out)
{
	if (!grow(&r->s->memory, &r->allocations, &r->allocation_capacity, r->allocation_count + 1, sizeof *r->allocations))
		return fail_memory(r->d, 0);
	if (r->s->limits.tensor_bytes && bytes > r->s->limits.tensor_bytes)
		return fail(r->d, CLAST_ERROR_LIMIT, "a tensor of %zu bytes; at most %zu are allowed", bytes, r->s->limits.tensor_bytes);
	*out = mem_alloc(&r->s->memory, bytes);
	if (!*out)
		return fail_memory(r->d, bytes);
	r->allocations[r->allocation_count++] = (allocation){ *out, bytes };
	return CLAST_OK;
}

static clast_status add_base(run *r, void *memory)
{
	if (!grow(&r->s->memory, &r->bases, &r->base_capacity, r->base_count + 1, sizeof *r->bases))
		return fail_memory(r->d, 0);
	r->bases[r->base_count++] = memory;
	return CLAST_OK;
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
	clast_status s = keep_memory(r, bytes, &memory);
	if (s)
		return s;
	view_dense(v, dtype, rank, dims, memory);
	return CLAST_OK;
}

static clast_status host_body(call *c, int body, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out)
{
	host_frame *f = c->context;
	run *r = f->r, *inner = NULL;
	const clast_plan *p = r->s->plan;
	const node *n = &p->model->nodes[f->step->node];
	if (body < 0 || (uint32_t)body >= n->n_bodies)
		return fail(r->d, CLAST_ERROR_MODEL, "a subgraph is missing");
	const plan_block *b = &p->blocks[n->bodies[body]];
	uint32_t capture = f->step->captures;
	for (int j = 0; j < body; j++)
		capture += p->blocks[n->bodies[j]].capture_count;
	if (b->input_count != n_in || b->output_count != n_out)
		return fail(r->d, CLAST_ERROR_MODEL, "a subgraph has %u inputs and %u outputs, expected %zu and %zu", b->input_count,
		            b->output_count, n_in, n_out);
	const size_t count = n_in + b->capture_count;
	tensor_view *views = mem_array(&r->s->memory, count + 1, sizeof *views);
	if (!views)
		return fail_memory(r->d, 0);
	for (size_t i = 0; i < n_in; i++)
		views[i] = *in[i];
	for (uint32_t i = 0; i < b->capture_count; i++)
		views[n_in + i] = resolve(r, place_of(r, p->refs[capture + i]));
	clast_status s = block_run(r->s, n->bodies[body], views, &inner, r->d);
	for (size_t i = 0; !s && i < n_out; i++) {
		const tensor_view from = block_output(inner, (uint32_t)i);
		void *memory;
		s = keep_memory(r, (size_t)view_count(&from) * clast_dtype_bytes(from.dtype), &memory);
		if (s)
			break;
		view_dense(&out[i], from.dtype, from.rank, from.dims, memory);
		fast_copy(&out[i], &from);
	}
	block_done(&inner);
	mem_free(&r->s->memory, views, (count + 1) * sizeof *views);
	return s;
}

static void host_release(call *c, const tensor_view *v)
{
	const host_frame *f = c->context;
	run *r = f->r;
	for (size_t i = r->allocation_count; i-- > 0;) {
		if (r->allocations[i].memory != v->data)
			continue;
		mem_free(&r->s->memory, r->allocations[i].memory, r->allocations[i].bytes);
		r->allocations[i] = r->allocations[--r->allocation_count];
		return;
	}
}

static bool host_proceed(call *c)
{
	const host_frame *f = c->context;
	const clast_session_options *o = &f->r->s->options;
	return !o->progress || o->progress(o->progress_context, 0);
}

/* They live until the session's next run: a result of a loop's body outlives the body. */
static clast_status host_string(call *c, const char *bytes, size_t length, clast_string *out)
{
	const host_frame *f = c->context;
	const char *copy = bump_string(&f->r->s->strings, bytes, length);
	*out = (clast_string){ copy, length };
	return copy ? CLAST_OK : fail_memory(f->r->d, length);
}

static const struct call_host host = { host_output, host_body, host_release, host_proceed, host_string };

/* Results whose memory came from the operator become places. */
static clast_status adopt_outputs(run *r, const plan_step *step, const host_frame *f, const node *n)
{
	for (uint32_t j = 0; j < step->n_out; j++) {
		const uint32_t pv = step_out(r->s->plan, step)[j];
		if (pv == NO_ID || place_of(r, pv)->known)
			continue;
		const tensor_view *v = f->out[j];
		if (!v->data && view_count(v))
			return fail(r->d, CLAST_ERROR_INTERNAL, "output %u was not computed", j);
		spec_place *p = (spec_place *)place_of(r, pv);
		*p = (spec_place){ true, (uint32_t)r->base_count, *v };
		p->view.data = NULL;
		const clast_status s = add_base(r, v->data);
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
		   .out = f->out, .memory = &r->s->memory, .diag = r->d, .host = &host, .context = f };
	return n->op->reference(&c);
}

/* The operand of a step, or a new tensor, that holds a fact of one of its nodes. */
static clast_status group_value(run *r, const plan_step *step, uint32_t fact, uint32_t *facts, tensor_view *views, size_t *count,
                                tensor_view **out)
{
	const clast_plan *p = r->s->plan;
	const infer_value *x = &current(r)->facts[fact];
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
		views[(*count)++] = resolve(r, place_of(r, pv));
		return CLAST_OK;
	}
	for (int a = 0; a < x->shape.rank; a++)
		dims[a] = x->shape.dims[a];
	view_dense(*out, x->dtype, x->shape.rank, dims, NULL);
	const clast_status s = keep_memory(r, (size_t)view_count(*out) * clast_dtype_bytes(x->dtype), &memory);
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
	tensor_view *views = mem_calloc(&r->s->memory, bytes), **list = (tensor_view **)(views + total);
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
	mem_free(&r->s->memory, views, bytes);
	return s;
}

static clast_status run_reference(run *r, const plan_step *step)
{
	if (step->fused != NO_ID)
		return run_group_references(r, step);
	const clast_plan *p = r->s->plan;
	if (step->kind == STEP_CONVERT) {
		const tensor_view from = resolve(r, place_of(r, step_in(p, step)[0]));
		const tensor_view to = resolve(r, place_of(r, step_out(p, step)[0]));
		fast_copy(&to, &from);
		return CLAST_OK;
	}
	const node *n = &p->model->nodes[step->node];
	const size_t count = (size_t)n->n_in + n->n_out + 1;
	const size_t bytes = count * (sizeof(tensor_view) + sizeof(tensor_view *));
	tensor_view *views = mem_calloc(&r->s->memory, bytes);
	if (!views)
		return fail_memory(r->d, bytes);
	host_frame f = { r, step, views, (const tensor_view **)(views + count), NULL };
	f.out = (tensor_view **)(f.in + n->n_in);
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv == NO_ID)
			continue;
		const spec_place *x = place_of(r, pv);
		views[i].rank = -1;
		if (x->known)
			views[i] = resolve(r, x);
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
	mem_free(&r->s->memory, views, bytes);
	return s;
}

/* ---- Stretches of static steps ---- */

typedef struct stretch {
	run *r;
	uint32_t first, end;
} stretch;

static void observe(run *r, const plan_step *step)
{
	const clast_plan *p = r->s->plan;
	const clast_session_options *o = &r->s->options;
	for (uint32_t j = 0; j < step->n_out && step->kind != STEP_CONVERT; j++) {
		const uint32_t pv = step_out(p, step)[j];
		if (pv == NO_ID || !place_of(r, pv)->known)
			continue;
		clast_tensor t = { .view = resolve(r, place_of(r, pv)) };
		const value_id v = p->facts[r->spec->block->first_fact + p->values[pv].fact];
		clast_tensor *dense = NULL;
		bool split = false;
		for (int a = 0; a < t.view.rank; a++)
			split |= t.view.split[a] != 0;
		if (split && !tensor_create(t.view.dtype, (size_t)t.view.rank, t.view.dims, NULL, &dense, NULL))
			fast_copy(&dense->view, &t.view);
		if (!split || dense)
			o->observe(o->observe_context, p->model->values[v].name, dense ? dense : &t);
		clast_tensor_free(&dense);
	}
}

static void after_step(run *r, uint32_t i, uint64_t start)
{
	const clast_session_options *o = &r->s->options;
	const plan_block *b = r->spec->block;
	const plan_step *step = &r->s->plan->steps[b->first_step + i];
	if (o->profile)
		o->profile(o->profile_context, b->first_step + i, start, now_ns());
	if (o->observe && !atomic_load_explicit(&r->status, memory_order_relaxed))
		observe(r, step);
	if (o->progress && !o->progress(o->progress_context, (double)(i + 1) / b->step_count))
		atomic_store(&r->status, fail(r->d, CLAST_ERROR_CANCELLED, "the run was cancelled"));
}

static void run_stretch(void *context, size_t worker, size_t workers)
{
	const stretch *x = context;
	run *r = x->r;
	const specialisation *s = r->spec;
	const unsigned mode = enter_float_mode(r);
	const clast_session_options *o = &r->s->options;
	const bool watched = o->profile || o->observe || o->progress;
	for (uint32_t i = x->first; i < x->end; i++) {
		const spec_step *step = &s->steps[i];
		const uint64_t start = watched && !worker && o->profile ? now_ns() : 0;
		if (step->mode == MODE_CALLS) {
			run_calls(r, s, step, worker, workers);
		} else if (step->mode == MODE_REFERENCE && !worker) {
			leave_float_mode(mode);
			const clast_status status = run_reference(r, &r->s->plan->steps[s->block->first_step + i]);
			enter_float_mode(r);
			if (status)
				atomic_store(&r->status, (int)status);
		}
		if (step->mode != MODE_NOTHING && workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		if (watched && !worker)
			after_step(r, i, start);
		if (watched && workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		if (atomic_load_explicit(&r->status, memory_order_relaxed))
			break;
	}
	leave_float_mode(mode);
}

static clast_status ensure_scratch(clast_session *s, size_t bytes)
{
	const size_t threads = thread_pool_threads(s->pool->threads);
	bytes = (bytes + 127) / 128 * 128;
	if (bytes <= s->scratch_bytes)
		return CLAST_OK;
	void *memory = mem_alloc(&s->memory, bytes * threads);
	if (!memory)
		return CLAST_ERROR_MEMORY;
	mem_free(&s->memory, s->scratch, s->scratch_bytes * threads);
	s->scratch = memory;
	s->scratch_bytes = bytes;
	return CLAST_OK;
}

/* ---- Late steps ---- */

/* The data of what inference may look into. */
static void lend_data(run *r, const plan_step *step, tensor_view *views)
{
	const clast_plan *p = r->s->plan;
	for (uint32_t i = 0; i < step->n_in; i++) {
		const uint32_t pv = step_in(p, step)[i];
		if (pv == NO_ID || !place_of(r, pv)->known || p->values[pv].constant)
			continue;
		views[i] = resolve(r, place_of(r, pv));
		r->late.facts[p->values[pv].fact].data = &views[i];
	}
}

static void take_data_back(run *r, const plan_step *step)
{
	const clast_plan *p = r->s->plan;
	for (uint32_t i = 0; i < step->n_in; i++) {
		const uint32_t pv = step_in(p, step)[i];
		if (pv != NO_ID && !p->values[pv].constant)
			r->late.facts[p->values[pv].fact].data = NULL;
	}
}

static clast_status infer_late(run *r, const plan_step *step)
{
	if (step->node == NO_ID)
		return CLAST_OK;
	const size_t bytes = ((size_t)step->n_in + 1) * sizeof(tensor_view);
	tensor_view *views = mem_alloc(&r->s->memory, bytes);
	if (!views)
		return fail_memory(r->d, bytes);
	lend_data(r, step, views);
	const clast_status s = spec_infer_step(&r->late, step, r->d);
	take_data_back(r, step);
	mem_free(&r->s->memory, views, bytes);
	return s;
}

typedef struct late_calls {
	run *r;
	const spec_step *step;
} late_calls;

static void run_late_calls(void *context, size_t worker, size_t workers)
{
	const late_calls *x = context;
	const unsigned mode = enter_float_mode(x->r);
	run_calls(x->r, &x->r->late, x->step, worker, workers);
	leave_float_mode(mode);
}

static clast_status back_buffers(run *r)
{
	clast_status s = CLAST_OK;
	while (!s && r->base_count < r->late.input_count + r->late.buffer_count) {
		void *memory;
		s = keep_memory(r, r->late.buffers[r->base_count - r->late.input_count].bytes, &memory);
		if (!s)
			s = add_base(r, memory);
	}
	return s;
}

static clast_status run_late(run *r, uint32_t i)
{
	const clast_plan *p = r->s->plan;
	const plan_step *step = &p->steps[r->spec->block->first_step + i];
	specialisation *l = &r->late;
	clast_status s = infer_late(r, step);
	if (s)
		return s;
	bool known = true;
	for (uint32_t j = 0; j < step->n_out; j++) {
		const uint32_t pv = step_out(p, step)[j];
		known &= pv == NO_ID || fact_known(&l->facts[p->values[pv].fact]);
	}
	spec_step made = { .mode = MODE_REFERENCE };
	/* Bases and buffers number the same things from here on. */
	while (!s && l->buffer_count + l->input_count < r->base_count) {
		if (!grow(l->memory, &l->buffers, &l->buffer_capacity, l->buffer_count + 1, sizeof *l->buffers))
			return fail_memory(r->d, 0);
		l->buffers[l->buffer_count++] = (spec_buffer){ 0 };
	}
	l->call_count = l->arg_count = 0;
	const bool bodies = step->node != NO_ID && p->model->nodes[step->node].op->flags & OP_BODIES;
	const bool sizes_itself = step->node != NO_ID && p->model->nodes[step->node].op->flags & (OP_BODIES | OP_DATA_SHAPED);
	if (!known && !sizes_itself)
		return node_fail(p->model, step->node, fail(r->d, CLAST_ERROR_UNSUPPORTED, "the shape of its output cannot be told"),
		                 r->d);
	if (known && !bodies)
		s = spec_step_create(l, step, i, &made, r->d);
	if (!s)
		s = back_buffers(r);
	if (s || made.mode == MODE_NOTHING)
		return s;
	if (made.mode == MODE_REFERENCE)
		return run_reference(r, step);
	s = ensure_scratch(r->s, l->scratch_bytes);
	if (s)
		return fail_memory(r->d, l->scratch_bytes);
	late_calls x = { r, &made };
	thread_pool_run(r->s->pool->threads, run_late_calls, &x);
	return CLAST_OK;
}

static clast_status begin_late(run *r)
{
	const specialisation *s = r->spec;
	specialisation *l = &r->late;
	if (!s->late_steps)
		return CLAST_OK;
	*l = *s;
	l->memory = &r->s->memory;
	bump_init(&l->region, l->memory);
	l->symbols = NULL;
	l->last_use = NULL; /* nothing is reused once memory comes piece by piece */
	l->calls = NULL;
	l->args = NULL;
	l->buffers = NULL;
	l->call_count = l->call_capacity = l->arg_count = l->arg_capacity = l->buffer_count = l->buffer_capacity = 0;
	l->facts = bump_array(&l->region, (size_t)s->block->fact_count + 1, sizeof *l->facts);
	l->places = bump_array(&l->region, (size_t)s->block->value_count + 1, sizeof *l->places);
	if (!l->facts || !l->places || !grow(l->memory, &l->buffers, &l->buffer_capacity, s->buffer_count + 1, sizeof *l->buffers))
		return fail_memory(r->d, 0);
	memcpy(l->facts, s->facts, s->block->fact_count * sizeof *l->facts);
	memcpy(l->places, s->places, s->block->value_count * sizeof *l->places);
	memset(l->buffers, 0, s->buffer_count * sizeof *l->buffers);
	l->buffer_count = s->buffer_count;
	return CLAST_OK;
}

/* ---- A block ---- */

static clast_status run_steps(run *r)
{
	const specialisation *s = r->spec;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->step_count;) {
		if (s->steps[i].mode == MODE_LATE) {
			const uint64_t start = r->s->options.profile ? now_ns() : 0;
			const clast_status status = run_late(r, i);
			if (status)
				return status;
			after_step(r, i++, start);
		} else {
			stretch x = { r, i, i };
			while (x.end < b->step_count && s->steps[x.end].mode != MODE_LATE)
				x.end++;
			thread_pool_run(r->s->pool->threads, run_stretch, &x);
			i = x.end;
		}
		const int status = atomic_load(&r->status);
		if (status)
			return (clast_status)status;
	}
	return CLAST_OK;
}

clast_status block_run(clast_session *s, uint32_t block, const tensor_view *inputs, run **out, clast_diag *d)
{
	*out = NULL;
	run *r = mem_calloc(&s->memory, sizeof *r);
	if (!r)
		return fail_memory(d, sizeof *r);
	r->s = s;
	r->d = d;
	clast_status status = session_specialise(s, block, inputs, &r->cached, d);
	if (!status) {
		r->spec = r->cached->spec;
		r->cached->busy = true;
		status = ensure_scratch(s, r->spec->scratch_bytes) ? fail_memory(d, r->spec->scratch_bytes) : CLAST_OK;
	}
	for (uint32_t i = 0; !status && i < r->spec->input_count; i++)
		status = add_base(r, inputs[i].data);
	for (size_t i = 0; !status && i < r->spec->buffer_count; i++)
		status = add_base(r, (char *)r->cached->arena + r->spec->buffers[i].offset);
	if (!status)
		status = begin_late(r);
	if (!status)
		status = run_steps(r);
	if (status)
		block_done(&r);
	*out = r;
	return status;
}

tensor_view block_output(const run *r, uint32_t index)
{
	return resolve(r, place_of(r, r->s->plan->refs[r->spec->block->outputs + index]));
}

void block_done(run **handle)
{
	run *r = *handle;
	*handle = NULL;
	if (!r)
		return;
	mem *a = &r->s->memory;
	if (r->cached)
		r->cached->busy = false;
	for (size_t i = 0; i < r->allocation_count; i++)
		mem_free(a, r->allocations[i].memory, r->allocations[i].bytes);
	mem_free(a, r->allocations, r->allocation_capacity * sizeof *r->allocations);
	mem_free(a, r->bases, r->base_capacity * sizeof *r->bases);
	if (r->late.memory) {
		mem_free(a, r->late.calls, r->late.call_capacity * sizeof *r->late.calls);
		mem_free(a, r->late.args, r->late.arg_capacity * sizeof *r->late.args);
		mem_free(a, r->late.buffers, r->late.buffer_capacity * sizeof *r->late.buffers);
		bump_release(&r->late.region);
	}
	mem_free(a, r, sizeof *r);
}
