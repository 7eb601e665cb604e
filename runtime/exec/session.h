/* A session: runs a plan. Specialisations for the last few input shapes are kept, each with its arena. */
#ifndef CLAST_EXEC_SESSION_H
#define CLAST_EXEC_SESSION_H

#include "balance.h"
#include "recycler.h"
#include "sides.h"
#include "spec.h"
#include "tensor.h"
#include "thread_pool.h"

#define SESSION_CACHE 16 /* specialisations kept, all blocks together */

struct clast_pool {
	mem memory;
	thread_pool *threads;
};

typedef struct cached {
	specialisation *spec;
	tensor_view *key;       /* views of the inputs, data NULL */
	size_t key_count;
	void *arena;
	char *arena_at;         /* within arena, where the plan's begins */
	size_t arena_bytes;     /* of arena */
	device_memory *device_arena;   /* the same on the plan's device, for the main block; the same bytes where memory is shared */
	device_memory **device_inputs; /* [key_count]: memory of their own there; NULL where memory is shared: then that of the caller */
	_Atomic uint32_t *microseconds; /* by step: how long it took last, kept if the caller wants to be asked in between */
	balance *balance;       /* if the caller wants to know */
	uint64_t used;          /* time of the last use */
	bool busy;
} cached;

typedef struct session_runner session_runner;

struct clast_session {
	clast_plan *plan;
	mem memory;
	recycler runtime;       /* what runs allocate; above memory */
	clast_session_options options;
	clast_limits limits;
	clast_pool *pool;       /* the caller's or own_pool */
	clast_pool *own_pool;
	_Atomic bool cancel;    /* the run under way is to end; set from any thread */
	session_runner *runner; /* of asynchronous runs, made for the first of them */
	device_queue *queue;    /* NULL: the plan has no device */
	cached cache[SESSION_CACHE];
	uint64_t clock;
	void *scratch;          /* of all workers */
	size_t scratch_bytes;   /* of one */
	size_t handed_bytes;    /* copied because results of bodies could not be handed on as they were */
	struct run *last;       /* the last run of the main block: its late values live until the next */
	bump strings;           /* bytes of strings made during the last run */
	clast_tensor **outputs;
	void **copies;          /* dense copies of outputs that strides cannot describe */
	size_t *copy_bytes;
	tensor_view *staged;    /* inputs that had to be brought into the plan's order */
	size_t *staged_bytes;
};

/* Runs a block on views with addresses. Outputs are views that stay valid until block_done; those of bodies are computed where wanted[i] says,
 * if it has an address and lies as the plan has the output. wanted may be NULL. */
typedef struct run run;
clast_status block_run(clast_session *s, uint32_t block, const tensor_view *inputs, const tensor_view *wanted, run **out, clast_diag *d);
tensor_view block_output(const run *r, uint32_t index);
void block_done(run **r);

/* The specialisation for these inputs, made if it is not cached. */
clast_status session_specialise(clast_session *s, uint32_t block, const tensor_view *inputs, cached **out, clast_diag *d);
/* What clast_session_run does, and its checks of the arguments. */
clast_status session_run(clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                         clast_tensor **outputs, clast_diag *d);
clast_status session_check_run(const clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                               clast_tensor **outputs, clast_diag *d);
/* Asynchronous runs (async.c): whether one is under way or waits to be waited for; cancels it and ends the thread. */
bool session_is_taken(const clast_session *s);
void session_end_runner(clast_session *s);

/* Profile: what the device did in a run, now that it has ended; forgotten if it failed. */
void session_tell_times(clast_session *s, clast_status of_run);
/* Copies a view by the copy kernel where it can, else element by element. */
void fast_copy(const tensor_view *to, const tensor_view *from);

#endif
