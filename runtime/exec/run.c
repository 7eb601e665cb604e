/* Running a block: stretches of steps with known shapes by all workers together, the others one by one.
 *
 * Workers walk the same list of kernel calls and take fixed parts of each call's tasks; a barrier stands between calls that depend on one
 * another. References run in worker 0. Steps with bodies, and steps whose shapes were not known ahead, run between stretches. */
#include "run.h"

#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "checked.h"

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

unsigned run_enter_float_mode(const run *r)
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

void run_leave_float_mode(unsigned old)
{
#if defined(__x86_64__)
	_mm_setcsr(old);
#else
	(void)old;
#endif
}

tensor_view run_resolve(const run *r, const spec_place *p)
{
	tensor_view v = p->view;
	if (p->base < BASE_ABSOLUTE)
		v.data = (char *)r->bases[p->base] + (ptrdiff_t)p->view.data;
	return v;
}

/* ---- Memory ---- */

clast_status run_keep(run *r, size_t bytes, void **out)
{
	mem *a = &r->s->runtime.memory;
	if (!grow(a, &r->allocations, &r->allocation_capacity, r->allocation_count + 1, sizeof *r->allocations))
		return fail_memory(r->d, 0);
	if (r->s->limits.tensor_bytes && bytes > r->s->limits.tensor_bytes)
		return fail(r->d, CLAST_ERROR_LIMIT, "a tensor of %zu bytes; at most %zu are allowed", bytes, r->s->limits.tensor_bytes);
	*out = mem_alloc(a, bytes);
	if (!*out)
		return fail_memory(r->d, bytes);
	r->allocations[r->allocation_count++] = (allocation){ *out, bytes, 1 };
	return CLAST_OK;
}

clast_status run_add_base(run *r, void *memory, size_t bytes, device_memory *on_device, size_t offset, bool written)
{
	if (!grow(&r->s->runtime.memory, &r->bases, &r->base_capacity, r->base_count + 1, sizeof *r->bases))
		return fail_memory(r->d, 0);
	r->bases[r->base_count++] = memory;
	return sides_add(&r->sides, bytes, on_device, offset, written, r->base_count <= r->spec->input_count, r->d);
}

clast_status run_scratch(clast_session *s, size_t bytes)
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

/* ---- Kernel calls ---- */

/* A call that took longer than LONG is run in pieces of about PIECE, so that the caller can end it. Shorter ones are not: a kernel
 * streams its weights once a piece. */
enum { LONG_MICROSECONDS = 8000, PIECE_MICROSECONDS = 5000 };

void run_args(const run *r, const specialisation *s, const spec_call *c, void **args)
{
	for (uint32_t i = 0; i < c->arg_count; i++) {
		const spec_arg *a = &s->args[c->first_arg + i];
		args[i] = a->base == BASE_NONE ? NULL
		          : a->base == BASE_ABSOLUTE ? (void *)a->offset : (char *)r->bases[a->base] + a->offset;
	}
}

static void run_call(run *r, const specialisation *s, const spec_call *c, size_t pieces, size_t worker, size_t workers)
{
	void *args[MAX_ARGS];
	size_t begin, end;
	task_range(c->tasks, worker, workers, &begin, &end);
	if (begin < end)
		run_args(r, s, c, args);
	const size_t step = (end - begin + pieces - 1) / pieces;
	for (size_t at = begin; at < end; at += step) {
		if (atomic_load_explicit(&r->cancelled, memory_order_relaxed))
			return;
		c->kernel->run(c->params, args, at, end - at < step ? end : at + step,
		               (char *)r->s->scratch + worker * r->s->scratch_bytes);
		if (!worker && pieces > 1 && !run_proceed(r))
			return;
	}
}

void run_calls(run *r, const specialisation *s, const spec_step *step, size_t pieces, size_t worker, size_t workers)
{
	for (uint32_t i = 0; i < step->call_count; i++) {
		const spec_call *c = &s->calls[step->first_call + i];
		balance *b = s == r->spec ? r->cached->balance : NULL;
		if (i && !c->beside && workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		const uint64_t start = balance_start(b);
		run_call(r, s, c, pieces, worker, workers);
		if (b)
			balance_call(b, (size_t)(c - s->calls), worker, start);
	}
}

/* ---- Stretches of static steps ---- */

typedef struct stretch {
	run *r;
	uint32_t first, end;
} stretch;

/* Worker 0 alone: what the others must find decided after the step's barrier. */
static void finish_step(run *r, uint32_t i, uint64_t start)
{
	const clast_session_options *o = &r->s->options;
	if (o->progress) {
		r->cached->microseconds[i] = (uint32_t)((now_ns() - start) / 1000);
		r->fraction = (double)(i + 1) / r->spec->block->step_count;
		r->asked = 0;
	}
	if (!run_proceed(r))
		atomic_store(&r->status, (int)CLAST_ERROR_CANCELLED);
	if (atomic_load_explicit(&r->status, memory_order_relaxed))
		atomic_store_explicit(&r->stop, i, memory_order_relaxed);
}

static size_t pieces_of(const run *r, uint32_t i)
{
	const uint32_t last = r->s->options.progress ? r->cached->microseconds[i] : 0;
	return last > LONG_MICROSECONDS ? last / PIECE_MICROSECONDS : 1;
}

static void run_stretch(void *context, size_t worker, size_t workers)
{
	const stretch *x = context;
	run *r = x->r;
	const specialisation *s = r->spec;
	const unsigned mode = run_enter_float_mode(r);
	const clast_session_options *o = &r->s->options;
	const bool profiled = o->profile || o->activity, watched = profiled || o->observe, timed = !worker && (profiled || o->progress);
	for (uint32_t i = x->first; i < x->end; i++) {
		const spec_step *step = &s->steps[i];
		const uint64_t start = timed ? now_ns() : 0;
		if (step->mode == MODE_CALLS) {
			run_calls(r, s, step, pieces_of(r, i), worker, workers);
		} else if (step->mode == MODE_STRIPS) {
			const uint64_t cpu_start = balance_start(r->cached->balance);
			run_strips(r, s, step->strips, pieces_of(r, i) > 1, worker, workers);
			if (r->cached->balance)
				balance_whole(r->cached->balance, i, worker, cpu_start);
		} else if (step->mode == MODE_REFERENCE && !worker) {
			run_leave_float_mode(mode);
			const uint64_t cpu_start = balance_start(r->cached->balance);
			const clast_status status = run_reference(r, &r->s->plan->steps[s->block->first_step + i]);
			run_enter_float_mode(r);
			if (r->cached->balance)
				balance_whole(r->cached->balance, i, 0, cpu_start);
			if (status)
				atomic_store(&r->status, (int)status);
		}
		if (step->mode == MODE_NOTHING && !watched)
			continue;
		if (!worker)
			finish_step(r, i, start);
		if (workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		if (watched && !worker)
			run_watch(r, i, start);
		if (watched && workers > 1)
			thread_pool_barrier(r->s->pool->threads, worker);
		if (atomic_load_explicit(&r->stop, memory_order_relaxed) <= i)
			break;
	}
	run_leave_float_mode(mode);
}

/* ---- A block ---- */

/* One step between stretches: its shapes are not known, or it runs on the device. */
static clast_status run_single(run *r, uint32_t i)
{
	const specialisation *s = r->spec;
	const uint64_t start = now_ns();
	r->on_device = false;
	const clast_status status = s->steps[i].mode == MODE_LATE ?
	                                    late_step(r, i) :
	                                    run_on_device(r, s, &s->steps[i], &r->s->plan->steps[s->block->first_step + i]);
	if (status)
		return status;
	finish_step(r, i, start);
	run_watch(r, i, start);
	return CLAST_OK;
}

/* Steps that the CPU runs one after the other; next to a device each by itself, after what it reads has been brought. */
static clast_status run_host(run *r, uint32_t *i)
{
	const specialisation *s = r->spec;
	const plan_block *b = s->block;
	stretch x = { r, *i, *i };
	r->on_device = false;
	if (r->sides.dev && s->steps[*i].mode == MODE_NOTHING) { /* no reason to wake the pool, whose CPUs the device may use */
		run_watch(r, *i, now_ns());
		++*i;
		return CLAST_OK;
	}
	if (r->sides.dev) {
		x.end++;
		const clast_status status = run_before_host(r, &r->s->plan->steps[b->first_step + *i]);
		if (status)
			return status;
	}
	while (!r->sides.dev && x.end < b->step_count && s->steps[x.end].mode != MODE_LATE)
		x.end++;
	thread_pool_run(r->s->pool->threads, run_stretch, &x);
	*i = x.end;
	return CLAST_OK;
}

static clast_status run_steps(run *r)
{
	const specialisation *s = r->spec;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->step_count;) {
		const bool single = s->steps[i].mode == MODE_LATE || s->steps[i].mode == MODE_DEVICE;
		clast_status status = single ? run_single(r, i++) : run_host(r, &i);
		if (!status)
			status = (clast_status)atomic_load(&r->status);
		if (status)
			return status;
	}
	return CLAST_OK;
}

/* Inputs in the caller's memory, buffers in the arena, and both on the device if the block runs there. What a body leaves is handed on with its
 * memory. */
static clast_status list_bases(run *r, const tensor_view *inputs, const tensor_view *wanted)
{
	const cached *c = r->cached;
	const specialisation *spec = r->spec;
	clast_status status = CLAST_OK;
	device *dev = r->s->plan->device;
	if (c->device_arena)
		r->sides = (sides){ .dev = dev, .queue = r->s->queue, .memory = &r->s->runtime.memory,
			            .shares = device_shares_memory(dev) && spec->block == &r->s->plan->blocks[0] };
	for (uint32_t i = 0; !status && i < spec->input_count; i++) {
		ptrdiff_t low;
		size_t bytes;
		view_span(&inputs[i], &low, &bytes);
		status = run_add_base(r, inputs[i].data, bytes, c->device_inputs ? c->device_inputs[i] : NULL, 0, true);
	}
	for (size_t i = 0; !status && i < spec->buffer_count; i++) {
		const spec_buffer *b = &spec->buffers[i];
		void *memory = c->arena_at + b->offset;
		if (b->given && !(memory = run_wanted(r, (uint32_t)i, wanted)))
			status = run_keep(r, b->bytes, &memory);
		if (!status)
			status = run_add_base(r, memory, b->bytes, b->given ? NULL : c->device_arena, b->offset, false);
	}
	return status;
}

/* Results are read on the host. */
static clast_status bring_outputs(run *r)
{
	clast_status status = CLAST_OK;
	if (r->sides.dev)
		device_queue_mark(r->sides.queue, SIZE_MAX);
	for (uint32_t i = 0; !status && i < r->spec->block->output_count; i++)
		status = run_bring_value(r, r->s->plan->refs[r->spec->block->outputs + i]);
	return status;
}

clast_status block_run(clast_session *s, uint32_t block, const tensor_view *inputs, const tensor_view *wanted, run **out, clast_diag *d)
{
	*out = NULL;
	run *r = mem_calloc(&s->runtime.memory, sizeof *r);
	if (!r)
		return fail_memory(d, sizeof *r);
	r->s = s;
	r->d = d;
	r->stop = UINT32_MAX;
	clast_status status = session_specialise(s, block, inputs, &r->cached, d);
	if (!status) {
		r->spec = r->cached->spec;
		r->cached->busy = true;
		status = run_scratch(s, r->spec->scratch_bytes) ? fail_memory(d, r->spec->scratch_bytes) : CLAST_OK;
	}
	if (!status)
		status = list_bases(r, inputs, wanted);
	if (!status)
		status = late_begin(r);
	if (!status)
		status = run_steps(r);
	if (!status)
		status = bring_outputs(r);
	if (!status && r->cached->balance)
		balance_run(r->cached->balance, r->spec);
	if (!status && r->sides.dev)
		status = sides_leave_inputs(&r->sides, r->spec->input_count, d);
	if (status)
		block_done(&r);
	*out = r;
	return status;
}

tensor_view block_output(const run *r, uint32_t index)
{
	return run_resolve(r, run_place(r, r->s->plan->refs[r->spec->block->outputs + index]));
}

void block_done(run **handle)
{
	run *r = *handle;
	*handle = NULL;
	if (!r)
		return;
	mem *a = &r->s->runtime.memory;
	if (r->cached)
		r->cached->busy = false;
	sides_release(&r->sides);
	for (size_t i = 0; i < r->allocation_count; i++)
		mem_free(a, r->allocations[i].memory, r->allocations[i].bytes);
	mem_free(a, r->allocations, r->allocation_capacity * sizeof *r->allocations);
	mem_free(a, r->bases, r->base_capacity * sizeof *r->bases);
	late_end(r);
	mem_free(a, r, sizeof *r);
}
