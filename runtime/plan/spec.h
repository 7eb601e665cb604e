/* A specialisation: a block of a plan at concrete shapes. Storage for every value, kernel calls with their parameters, one arena.
 *
 * Made from the plan, which it only reads (but for the pool of packed weights), and immutable afterwards. */
#ifndef CLAST_PLAN_SPEC_H
#define CLAST_PLAN_SPEC_H

#include "plan.h"

/* Where a pointer starts. Inputs and captures of the block come first, then buffers of the arena. */
#define BASE_ABSOLUTE (UINT32_MAX - 1) /* constants, packed weights, tables */
#define BASE_NONE UINT32_MAX           /* NULL */

typedef struct spec_buffer {
	size_t bytes, offset;       /* in the arena */
	uint32_t first, last;       /* steps during which it is needed */
	uint32_t last_read;         /* the last step that reads any value in it, UINT32_MAX: an output */
	bool shared;                /* holds several values side by side */
	bool given;                 /* holds an output of a body: memory of its own, which goes to those around it */
} spec_buffer;

/* Storage of a plan value. view.data is the address for BASE_ABSOLUTE, else the offset in bytes from the base. */
typedef struct spec_place {
	bool known;                 /* false: shape not known before running */
	uint32_t base;              /* < inputs: input or capture; else inputs + buffer */
	tensor_view view;
} spec_place;

typedef struct spec_arg {
	uint32_t base;
	ptrdiff_t offset;           /* or the address */
	device_memory *memory;      /* of BASE_ABSOLUTE in calls on the device: offset counts from its beginning */
} spec_arg;

#define SPEC_MAX_DEVICE_ARGS 24

typedef struct spec_call {
	const compute_kernel *kernel;
	const void *params;
	device_call *on_device;     /* NULL: kernel runs on the CPU */
	uint32_t first_arg, arg_count;
	size_t tasks;
	bool beside;                /* may run beside the call before it */
} spec_call;

typedef enum step_mode {
	MODE_CALLS,                 /* kernel calls */
	MODE_DEVICE,                /* kernel calls on the plan's device */
	MODE_REFERENCE,             /* the operator's reference, or a plain copy for conversions, on places */
	MODE_STRIPS,                /* the last step of a strip group; the others do nothing */
	MODE_NOTHING,               /* a view */
	MODE_LATE                   /* shapes are not known before the steps ahead have run */
} step_mode;

typedef struct spec_step {
	uint8_t mode, why;          /* why: step_why */
	uint32_t first_call, call_count;
	const struct strip_group *strips; /* of MODE_STRIPS */
} spec_step;

typedef struct specialisation {
	clast_plan *plan;
	const plan_block *block;
	mem *memory;
	bump region;
	infer_value *facts;         /* by fact */
	spec_place *places;         /* by plan value of the block */
	int64_t *symbols;           /* values of dim symbols, DIM_UNKNOWN where not met; NULL until an order needs them */
	spec_step *steps;
	spec_call *calls;
	spec_arg *args;
	spec_buffer *buffers;
	size_t call_count, call_capacity, arg_count, arg_capacity, buffer_count, buffer_capacity;
	uint32_t input_count;       /* inputs and captures */
	size_t arena_bytes, live_bytes; /* live: the largest sum of buffers needed at one time, a lower bound of the arena */
	size_t scratch_bytes;       /* of one worker */
	size_t copy_bytes;          /* moved because a view was impossible */
	size_t late_steps;
	bool *follows;              /* by step: it may run with the one before it, strip by strip */
	uint32_t *last_use;         /* by plan value: the last step that reads it or a view of it */
	device_memory **tables;     /* of calls on the device */
	size_t table_count, table_capacity;
	const bool *off;            /* by step: the CPU had better compute it; NULL: none */
	size_t copies, moved_bytes; /* between the host and the device in a run */
	uint64_t placement_cost, placement_bound; /* of placement.c's problem; equal: no other placement costs less */
	kernel_id refused;          /* by the device, last */
	bool on_device;             /* the step at hand is recorded for the plan's device */
	bool keep;                  /* no buffer is reused: an observer may look at every value */
} specialisation;

/* inputs: views of the block's inputs, then of its captures, at their real strides; data is not kept. */
clast_status spec_create(clast_plan *p, uint32_t block, const tensor_view *inputs, mem *memory, bool keep,
                         specialisation **out, clast_diag *d);
void spec_free(specialisation **s);
void spec_free_tables(specialisation *s);

/* One step: storage for its outputs and kernel calls, appended. While running, late steps are made one by one this way. */
clast_status spec_step_create(specialisation *s, const plan_step *step, uint32_t index, spec_step *out, clast_diag *d);
/* Storage for those outputs of a step whose shapes are known. */
clast_status spec_place_outputs(specialisation *s, const plan_step *step, uint32_t index, clast_diag *d);
/* Infers the nodes of a step numerically. Facts of outputs that stay unknown have rank -1 or unknown dims. */
clast_status spec_infer_step(specialisation *s, const plan_step *step, clast_diag *d);
bool fact_known(const infer_value *f);

/* How much a step had to do at these shapes (spec_work.c): operations by the definition of its operators, a multiplication and an addition
 * counted as two; those that its kernels execute where they differ, else 0; bytes of its operands, each once. */
double spec_step_operations(const specialisation *s, const plan_step *step);
double spec_step_executed(const specialisation *s, const spec_step *made);
double spec_step_bytes(const specialisation *s, const plan_step *step);

/* Gives every buffer its offset; sets arena_bytes and live_bytes. */
clast_status arena_plan(specialisation *s, clast_diag *d);

#endif
