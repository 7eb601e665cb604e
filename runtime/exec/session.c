#include "session.h"

#include <string.h>

#include "checked.h"
#include "lower.h"

/* ---- Copies ---- */

void fast_copy(const tensor_view *to, const tensor_view *from)
{
	copy_params c = { .element_bytes = (uint32_t)clast_dtype_bytes(to->dtype) };
	const compute_kernel *k = cpu_kernels_get()->kernel[KERNEL_copy];
	if (!view_count(to))
		return;
	if (!lower_copy_params(to, from, &c) || k->scratch_bytes(&c) || (k->supports && !k->supports(&c))) {
		view_copy(to, from);
		return;
	}
	void *args[] = { [COPY_OUT] = to->data, [COPY_IN] = from->data };
	k->run(&c, args, 0, k->tasks(&c), NULL);
}

/* ---- Specialisations ---- */

static bool same_view(const tensor_view *a, const tensor_view *b)
{
	if (a->dtype != b->dtype || a->rank != b->rank || a->factor_count != b->factor_count)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dims[i] != b->dims[i] || a->strides[i] != b->strides[i] || a->split[i] != b->split[i] ||
		    (a->split[i] && a->first_factor[i] != b->first_factor[i]))
			return false;
	return !memcmp(a->factors, b->factors, a->factor_count * sizeof *a->factors);
}

static void drop_device(clast_session *s, cached *c)
{
	device_free(&c->device_arena);
	for (size_t i = 0; c->device_inputs && i < c->key_count; i++)
		device_free(&c->device_inputs[i]);
	mem_free(&s->memory, c->device_inputs, c->key_count * sizeof *c->device_inputs + 1);
	c->device_inputs = NULL;
}

static void drop(clast_session *s, cached *c)
{
	drop_device(s, c);
	if (c->spec)
		mem_free(&s->memory, c->microseconds, (c->spec->block->step_count + 1) * sizeof *c->microseconds);
	balance_free(&c->balance, &s->memory);
	spec_free(&c->spec);
	mem_free(&s->memory, c->key, c->key_count * sizeof *c->key + 1);
	mem_free(&s->memory, c->arena, c->arena_bytes);
	memset(c, 0, sizeof *c);
}

static cached *find(clast_session *s, uint32_t block, const tensor_view *inputs, size_t count)
{
	for (size_t i = 0; i < SESSION_CACHE; i++) {
		cached *c = &s->cache[i];
		if (!c->spec || c->busy || c->spec->block != &s->plan->blocks[block] || c->key_count != count)
			continue;
		size_t k = 0;
		while (k < count && same_view(&c->key[k], &inputs[k]))
			k++;
		if (k == count)
			return c;
	}
	return NULL;
}

static cached *oldest(clast_session *s)
{
	cached *best = NULL;
	for (size_t i = 0; i < SESSION_CACHE; i++)
		if (!s->cache[i].busy && (!best || s->cache[i].used < best->used))
			best = &s->cache[i];
	return best;
}

static clast_status reserve_inputs(clast_session *s, cached *c, clast_diag *d)
{
	clast_status status = CLAST_OK;
	c->device_inputs = mem_calloc(&s->memory, c->key_count * sizeof *c->device_inputs + 1);
	if (!c->device_inputs)
		return fail_memory(d, 0);
	for (size_t i = 0; !status && i < c->key_count; i++) {
		ptrdiff_t low;
		size_t bytes;
		view_span(&c->key[i], &low, &bytes);
		status = device_alloc(s->plan->device, bytes, NULL, &c->device_inputs[i], d);
	}
	return status;
}

static bool uses_device(const specialisation *s)
{
	for (uint32_t i = 0; i < s->block->step_count; i++)
		if (s->steps[i].mode == MODE_DEVICE || s->steps[i].why == WHY_LATE)
			return true;
	return false;
}

/* Room on the device for the arena and the inputs. What a body reads is somewhere in the memory of the block around it, which the device
 * may share already: bodies have copies of their own. */
static clast_status reserve_device(clast_session *s, cached *c, clast_diag *d)
{
	device *dev = s->plan->device;
	const bool main_block = c->spec->block == &s->plan->blocks[0];
	if (!dev || !uses_device(c->spec))
		return CLAST_OK;
	clast_status status = device_share(dev, c->arena_at, c->spec->arena_bytes, false, &c->device_arena, d);
	const bool shared = !status;
	if (status == CLAST_ERROR_UNSUPPORTED)
		status = device_alloc(dev, c->spec->arena_bytes, NULL, &c->device_arena, d);
	return status || (shared && main_block) ? status : reserve_inputs(s, c, d);
}

clast_status session_specialise(clast_session *s, uint32_t block, const tensor_view *inputs, cached **out, clast_diag *d)
{
	const plan_block *b = &s->plan->blocks[block];
	const size_t count = (size_t)b->input_count + b->capture_count;
	cached *c = find(s, block, inputs, count);
	*out = c;
	if (c) {
		c->used = ++s->clock;
		return CLAST_OK;
	}
	c = oldest(s);
	if (!c)
		return fail(d, CLAST_ERROR_LIMIT, "more than %d nested subgraphs run at once", SESSION_CACHE);
	drop(s, c);
	recycler_flush(&s->runtime); /* other shapes need other sizes */
	clast_status status = spec_create(s->plan, block, inputs, &s->memory, s->options.observe != NULL, &c->spec, d);
	if (status)
		return status;
	const bool pages = s->plan->device && device_shares_memory(s->plan->device);
	c->arena_bytes = c->spec->arena_bytes + (pages ? 2 * DEVICE_PAGE : 0);
	c->arena = mem_alloc(&s->memory, c->arena_bytes);
	c->arena_at = pages && c->arena ? (char *)c->arena + (DEVICE_PAGE - (uintptr_t)c->arena % DEVICE_PAGE) : c->arena;
	c->key = mem_calloc(&s->memory, count * sizeof *c->key + 1);
	c->key_count = count;
	if (s->options.progress)
		c->microseconds = mem_calloc(&s->memory, (b->step_count + 1) * sizeof *c->microseconds);
	if (!c->arena || !c->key || (s->options.progress && !c->microseconds)) {
		status = fail_memory(d, c->arena_bytes);
		drop(s, c);
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		c->key[i] = inputs[i];
		c->key[i].data = NULL;
	}
	status = reserve_device(s, c, d);
	if (!status && s->options.balance)
		status = balance_create(c->spec, thread_pool_threads(s->pool->threads), &s->memory, &c->balance, d);
	if (status) {
		drop(s, c);
		return status;
	}
	c->used = ++s->clock;
	*out = c;
	return CLAST_OK;
}

/* ---- Pool ---- */

clast_status clast_pool_create(size_t threads, clast_pool **pool, clast_diag *d)
{
	if (!pool)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_pool_create: pool is NULL");
	*pool = NULL;
	mem boot;
	mem_init(&boot, NULL, 0);
	clast_pool *p = mem_calloc(&boot, sizeof *p);
	if (!p)
		return fail_memory(d, sizeof *p);
	mem_init(&p->memory, NULL, 0);
	const clast_status s = thread_pool_create(&p->memory, threads, &p->threads, d);
	if (s) {
		mem_free(&boot, p, sizeof *p);
		return s;
	}
	*pool = p;
	return CLAST_OK;
}

void clast_pool_free(clast_pool **pool)
{
	clast_pool *p = pool ? *pool : NULL;
	if (!p)
		return;
	*pool = NULL;
	thread_pool_free(&p->threads);
	mem boot = p->memory;
	mem_free(&boot, p, sizeof *p);
}

/* ---- Session ---- */

/* Options of a caller that knew fewer members than this build. */
static void read_session_options(clast_session_options *to, const clast_session_options *from)
{
	memset(to, 0, sizeof *to);
	if (from)
		memcpy(to, from, from->struct_size && from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
}

clast_status clast_session_create(clast_plan *plan, const clast_session_options *options, clast_session **session,
                                  clast_diag *d)
{
	if (!plan || !session)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_session_create: plan or session is NULL");
	*session = NULL;
	clast_session_options o;
	read_session_options(&o, options);
	mem boot;
	mem_init(&boot, o.allocator, 0);
	clast_session *s = mem_calloc(&boot, sizeof *s);
	if (!s)
		return fail_memory(d, sizeof *s);
	mem_init(&s->memory, o.allocator, o.limits.memory_bytes);
	recycler_init(&s->runtime, &s->memory);
	bump_init(&s->strings, &s->runtime.memory);
	s->options = o;
	s->limits = o.limits;
	if (!s->limits.tensor_bytes)
		s->limits.tensor_bytes = o.limits.memory_bytes ? o.limits.memory_bytes : plan->model->limits.tensor_bytes;
	if (!s->limits.loop_iterations)
		s->limits.loop_iterations = plan->model->limits.loop_iterations;
	s->plan = plan;
	plan_retain(plan);
	s->pool = o.pool;
	clast_status status = o.pool ? CLAST_OK : clast_pool_create(o.threads, &s->own_pool, d);
	if (!o.pool)
		s->pool = s->own_pool;
	if (!status && plan->device)
		status = device_queue_create(plan->device, o.profile || o.activity, &s->queue, d);
	const plan_block *b = &plan->blocks[0];
	s->outputs = mem_calloc(&s->memory, b->output_count * sizeof *s->outputs + 1);
	s->copies = mem_calloc(&s->memory, b->output_count * sizeof *s->copies + 1);
	s->copy_bytes = mem_calloc(&s->memory, b->output_count * sizeof *s->copy_bytes + 1);
	s->staged = mem_calloc(&s->memory, b->input_count * sizeof *s->staged + 1);
	s->staged_bytes = mem_calloc(&s->memory, b->input_count * sizeof *s->staged_bytes + 1);
	if (!status && !(s->outputs && s->copies && s->copy_bytes && s->staged && s->staged_bytes))
		status = fail_memory(d, 0);
	if (status)
		clast_session_free(&s);
	*session = s;
	return status;
}

void clast_session_free(clast_session **session)
{
	clast_session *s = session ? *session : NULL;
	if (!s)
		return;
	*session = NULL;
	const plan_block *b = &s->plan->blocks[0];
	mem *a = &s->memory;
	session_end_runner(s);
	block_done(&s->last);
	bump_release(&s->strings);
	device_queue_free(&s->queue); /* which waits for what still reads the memory freed next */
	for (size_t i = 0; i < SESSION_CACHE; i++)
		drop(s, &s->cache[i]);
	for (uint32_t i = 0; i < b->output_count; i++) {
		if (s->outputs)
			clast_tensor_free(&s->outputs[i]);
		if (s->copies)
			mem_free(a, s->copies[i], s->copy_bytes[i]);
	}
	for (uint32_t i = 0; s->staged && i < b->input_count; i++)
		mem_free(a, s->staged[i].data, s->staged_bytes[i]);
	mem_free(a, s->outputs, b->output_count * sizeof *s->outputs + 1);
	mem_free(a, s->copies, b->output_count * sizeof *s->copies + 1);
	mem_free(a, s->copy_bytes, b->output_count * sizeof *s->copy_bytes + 1);
	mem_free(a, s->staged, b->input_count * sizeof *s->staged + 1);
	mem_free(a, s->staged_bytes, b->input_count * sizeof *s->staged_bytes + 1);
	if (s->pool)
		mem_free(a, s->scratch, s->scratch_bytes * thread_pool_threads(s->pool->threads));
	recycler_flush(&s->runtime);
	clast_pool_free(&s->own_pool);
	plan_release(s->plan);
	mem boot = s->memory;
	mem_free(&boot, s, sizeof *s);
}

size_t clast_session_bytes(const clast_session *s)
{
	return s ? s->memory.used_bytes : 0;
}

/* ---- Inputs ---- */

static clast_status check_input(const clast_session *s, uint32_t i, const clast_tensor *t, clast_diag *d)
{
	const clast_model *m = s->plan->model;
	const value *v = &m->values[m->graphs[0].inputs[i]];
	diag_value(d, v->name);
	if (!t)
		return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\" is missing", quote(v->name).text);
	if (v->dtype != CLAST_UNDEFINED && t->view.dtype != v->dtype)
		return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\": expected dtype %s, found %s", quote(v->name).text,
		            clast_dtype_name(v->dtype), clast_dtype_name(t->view.dtype));
	bool fits = v->rank < 0 || v->rank == t->view.rank;
	for (int a = 0; fits && a < v->rank; a++)
		fits = !dim_is_number(v->dims[a]) || v->dims[a] == t->view.dims[a];
	for (int a = 0; fits && a < v->rank; a++) /* one name, one extent */
		for (int b = 0; b < a; b++)
			fits &= v->dims[a] != v->dims[b] || t->view.dims[a] == t->view.dims[b];
	if (!fits) {
		shape want, got = { .rank = t->view.rank };
		char x[160], y[160];
		value_shape(m, m->graphs[0].inputs[i], &want);
		for (int a = 0; a < got.rank; a++)
			got.dims[a] = t->view.dims[a];
		pthread_mutex_lock(&s->plan->model->lock);
		shape_format(m->dims, &want, x, sizeof x);
		pthread_mutex_unlock(&s->plan->model->lock);
		shape_format(NULL, &got, y, sizeof y);
		return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\": expected shape %s, found %s", quote(v->name).text, x, y);
	}
	if (d)
		d->value[0] = 0;
	return CLAST_OK;
}

/* The view in the plan's order: the caller's memory if it lies that way, else a copy. */
static clast_status stage_input(clast_session *s, uint32_t i, const clast_tensor *t, tensor_view *out, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_value *x = &p->values[p->refs[p->blocks[0].inputs + i]];
	tensor_view want;
	size_t bytes;
	view_dense(&want, t->view.dtype, t->view.rank, t->view.dims, NULL);
	int64_t stride = 1;
	for (int k = want.rank - 1; x->whole && x->order && k >= 0; k--) {
		want.strides[x->perm[k]] = stride;
		stride *= want.dims[x->perm[k]];
	}
	bool same = true;
	for (int a = 0; a < want.rank; a++)
		same &= want.dims[a] == 1 || want.strides[a] == t->view.strides[a];
	if (same) {
		want.data = t->view.data;
		*out = want;
		return CLAST_OK;
	}
	if (!tensor_bytes(want.dtype, (size_t)want.rank, want.dims, &bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of an input overflows");
	if (s->staged_bytes[i] < bytes) {
		mem_free(&s->memory, s->staged[i].data, s->staged_bytes[i]);
		s->staged_bytes[i] = 0;
		s->staged[i].data = mem_alloc(&s->memory, bytes);
		if (!s->staged[i].data)
			return fail_memory(d, bytes);
		s->staged_bytes[i] = bytes;
	}
	want.data = s->staged[i].data;
	fast_copy(&want, &t->view);
	*out = want;
	return CLAST_OK;
}

/* ---- Outputs ---- */

static clast_status own_output(clast_session *s, uint32_t i, tensor_view *v, clast_diag *d)
{
	size_t bytes;
	bool split = false;
	for (int a = 0; a < v->rank; a++)
		split |= v->split[a] != 0;
	if (split) {
		if (!tensor_bytes(v->dtype, (size_t)v->rank, v->dims, &bytes))
			return fail(d, CLAST_ERROR_LIMIT, "the size of an output overflows");
		if (s->copy_bytes[i] < bytes) {
			mem_free(&s->memory, s->copies[i], s->copy_bytes[i]);
			s->copy_bytes[i] = 0;
			s->copies[i] = mem_alloc(&s->memory, bytes);
			if (!s->copies[i])
				return fail_memory(d, bytes);
			s->copy_bytes[i] = bytes;
		}
		tensor_view dense;
		view_dense(&dense, v->dtype, v->rank, v->dims, s->copies[i]);
		fast_copy(&dense, v);
		*v = dense;
	}
	if (!s->outputs[i]) {
		const clast_status status = tensor_create(CLAST_UINT8, 0, NULL, NULL, &s->outputs[i], d);
		if (status)
			return status;
	}
	s->outputs[i]->view = *v;
	return CLAST_OK;
}

static clast_status give_output(clast_session *s, uint32_t i, clast_tensor **out, clast_diag *d)
{
	tensor_view v = block_output(s->last, i);
	if (!*out) {
		const clast_status status = own_output(s, i, &v, d);
		*out = s->outputs[i];
		return status;
	}
	const tensor_view *to = &(*out)->view;
	bool same = to->dtype == v.dtype && to->rank == v.rank;
	for (int a = 0; same && a < v.rank; a++)
		same = to->dims[a] == v.dims[a];
	if (!same)
		return fail(d, CLAST_ERROR_ARGUMENT, "output %u: the tensor given has another dtype or shape than the result", i);
	fast_copy(to, &v);
	return CLAST_OK;
}

clast_status session_check_run(const clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                               clast_tensor **outputs, clast_diag *d)
{
	if (!s || (input_count && !inputs) || (output_count && !outputs))
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_session_run: an argument is NULL");
	const plan_block *b = &s->plan->blocks[0];
	if (input_count != b->input_count || output_count > b->output_count)
		return fail(d, CLAST_ERROR_ARGUMENT, "the model has %u inputs and %u outputs, found %zu and %zu", b->input_count,
		            b->output_count, input_count, output_count);
	if (session_is_taken(s))
		return fail(d, CLAST_ERROR_ARGUMENT, "the session has a run under way: wait for it with clast_session_wait");
	return CLAST_OK;
}

clast_status session_run(clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                         clast_tensor **outputs, clast_diag *d)
{
	block_done(&s->last);
	bump_release(&s->strings);
	tensor_view *views = mem_array(&s->runtime.memory, input_count + 1, sizeof *views);
	clast_status status = views ? CLAST_OK : fail_memory(d, 0);
	for (uint32_t i = 0; !status && i < input_count; i++) {
		status = check_input(s, i, inputs[i], d);
		if (!status)
			status = stage_input(s, i, inputs[i], &views[i], d);
	}
	if (!status)
		status = block_run(s, 0, views, NULL, &s->last, d);
	session_tell_times(s, status);
	for (uint32_t i = 0; !status && i < output_count; i++)
		status = give_output(s, i, &outputs[i], d);
	mem_free(&s->runtime.memory, views, (input_count + 1) * sizeof *views);
	if (status && d)
		d->status = status;
	return status;
}

clast_status clast_session_run(clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                               clast_tensor **outputs, clast_diag *d)
{
	const clast_status status = session_check_run(s, input_count, inputs, output_count, outputs, d);
	if (status)
		return status;
	atomic_store(&s->cancel, false);
	return session_run(s, input_count, inputs, output_count, outputs, d);
}
