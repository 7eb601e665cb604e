/* The parts of running a block that live in files of their own: references (reference.c), steps whose shapes were not known ahead
 * (late.c), and what the caller sees of a run (watch.c). */
#ifndef CLAST_EXEC_RUN_H
#define CLAST_EXEC_RUN_H

#include <stdatomic.h>

#include "session.h"

typedef struct allocation {
	void *memory;
	size_t bytes;
	uint32_t users;         /* the run itself, or the result of a body that it is; and other results in it */
} allocation;

struct run {
	clast_session *s;
	cached *cached;
	specialisation *spec;   /* static part */
	specialisation late;    /* copy whose facts and places are filled in while running; used if the block has late steps */
	void **bases;           /* inputs, then buffers */
	size_t base_count, base_capacity;
	sides sides;            /* where the bytes of the bases are, if the block runs on a device */
	allocation *allocations;
	size_t allocation_count, allocation_capacity;
	_Atomic int status;
	/* The step after whose barrier all workers stop. A worker that is behind must not see the end that one ahead has met: it
	 * would miss a barrier. */
	_Atomic uint32_t stop;
	bool on_device;         /* where the step at hand runs */
	_Atomic bool cancelled; /* calls leave out the tasks that they have not begun */
	uint64_t asked;         /* when worker 0 last asked the caller whether to go on */
	double fraction;        /* of the steps, for the caller */
	clast_diag *d;
};

uint64_t now_ns(void);

static inline const specialisation *run_current(const run *r)
{
	return r->spec->late_steps ? &r->late : r->spec;
}

static inline const spec_place *run_place(const run *r, uint32_t pv)
{
	const specialisation *s = run_current(r);
	return &s->places[pv - s->block->first_value];
}

tensor_view run_resolve(const run *r, const spec_place *p);
/* Memory until the end of the run; checked against the limit of a tensor. */
clast_status run_keep(run *r, size_t bytes, void **out);
/* memory and on_device (which may be NULL) are the base on either side; written: it holds a value already, on the host. */
clast_status run_add_base(run *r, void *memory, size_t bytes, device_memory *on_device, size_t offset, bool written);

/* Denormals are flushed inside kernels only, and not where exactness was asked for. */
unsigned run_enter_float_mode(const run *r);
void run_leave_float_mode(unsigned old);

#define MAX_ARGS 24 /* of a call */
/* The addresses of a call's operands; args has room for MAX_ARGS. */
void run_args(const run *r, const specialisation *s, const spec_call *c, void **args);
/* The part of a worker in a strip group (strips.c). ask: the caller wants to be asked in between whether to go on. */
struct strip_group;
void run_strips(run *r, const specialisation *s, const struct strip_group *g, bool ask, size_t worker, size_t workers);
/* The part of a worker in the calls of a step, in so many pieces. */
void run_calls(run *r, const specialisation *s, const spec_step *step, size_t pieces, size_t worker, size_t workers);
clast_status run_scratch(clast_session *s, size_t bytes);

/* What a reference is run with. */
typedef struct host_frame {
	run *r;
	const plan_step *step;
	tensor_view *views;             /* inputs, outputs */
	const tensor_view **in;
	tensor_view **out;
	size_t rounds;                  /* of bodies */
} host_frame;

clast_status run_reference(run *r, const plan_step *step);
/* Bodies of a step (bodies.c), as operators ask for them: see call_body, call_release, call_give. */
clast_status host_body(call *c, int body, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out);
/* The place that the caller of a body would like for what buffer `index` holds, NULL: none that fits. */
void *run_wanted(const run *r, uint32_t index, const tensor_view *wanted);
void host_release(call *c, const tensor_view *v);
clast_status host_give(call *c, size_t index, const tensor_view *v);

/* The calls of a step that was made for the device. Without a device the others do nothing: before a step runs on the CPU, before its
 * shapes are inferred from data, before a value is read. */
clast_status run_on_device(run *r, const specialisation *s, const spec_step *made, const plan_step *step);
clast_status run_before_host(run *r, const plan_step *step);
clast_status run_before_inference(run *r, const plan_step *step);
clast_status run_bring_value(run *r, uint32_t pv);

clast_status late_begin(run *r);
clast_status late_step(run *r, uint32_t index);
void late_end(run *r);

/* After a step, in worker 0, when no other worker computes: profile and observer. */
void run_watch(run *r, uint32_t index, uint64_t start);
/* Asks the caller whether to go on, if the last answer is old; false sets r->cancelled. In worker 0. */
bool run_proceed(run *r);

#endif
