/* What the files of the OpenCL backend share. */
#ifndef CLAST_OPENCL_H
#define CLAST_OPENCL_H

#include <pthread.h>

#include "backend.h"
#include "loader.h"
#include "opencl_kernels.h"

/* A compiled variant. Arguments of a kernel object are set and enqueued under the device's lock. */
typedef struct opencl_program {
	struct opencl_program *next; /* of the same slot */
	uint64_t key[2];
	cl_program program;
	cl_kernel kernel;
	bool cached; /* came from the disk or has been written to it */
} opencl_program;

#define OPENCL_SLOTS 256

/* Of a call: its fastest variant. */
typedef struct opencl_choice {
	uint64_t key[2];
	char text[48]; /* opencl_variant_text */
} opencl_choice;

typedef struct opencl_device {
	device base;
	const opencl_api *cl;
	cl_platform_id platform;
	cl_device_id id;
	cl_context context;
	opencl_target target;
	device_info info;
	mem memory;
	pthread_mutex_t lock; /* of programs and of setting arguments */
	opencl_program *programs[OPENCL_SLOTS];
	opencl_choice *choices; /* under the lock, like what follows */
	size_t choice_count, choice_capacity;
	bool choices_read, choices_fresh; /* taken from the disk; to be written there */
} opencl_device;

struct device_call {
	kernel_id kernel;
	const void *params;
	uint32_t present;
	bool varies;          /* it has variants */
	uint64_t key[2];      /* of tuning, if it varies */
	opencl_program *program; /* NULL: nothing to launch */
	uint32_t operands;
	size_t args_bytes;
	size_t global[3], local[3];
	bool blas; /* CLBlast's, which args describe */
	unsigned char args[];
};

/* The program of a launch, compiled or taken from the cache. Called without the lock. */
clast_status opencl_compile(opencl_device *x, const opencl_work *w, opencl_program **out, clast_diag *d);
void opencl_release_programs(opencl_device *x);

/* ---- Memory and queues (queue.c) ---- */

typedef struct opencl_memory {
	device_memory base;
	opencl_device *device;
	cl_mem buffer;
	char *host; /* of shared memory */
} opencl_memory;

/* One thing enqueued on a queue that keeps times. */
typedef struct opencl_stamp {
	cl_event event;       /* NULL: it could not be enqueued */
	uint64_t asked_ns;    /* by the host's clock, just before it was enqueued */
	device_work what;
	uint32_t mark;
	size_t tag, bytes;
} opencl_stamp;

typedef struct opencl_queue {
	device_queue base;
	opencl_device *device;
	cl_command_queue queue;
	bool timed, tunes;
	device_tuning tuned;
	size_t tag;
	uint32_t mark;
	opencl_stamp *stamps;
	size_t stamp_count, stamp_capacity;
} opencl_queue;

clast_status opencl_alloc(device *dev, size_t bytes, const void *content, device_memory **out, clast_diag *d);
clast_status opencl_share(device *dev, void *host, size_t bytes, bool constant, device_memory **out, clast_diag *d);
void opencl_free(device_memory *memory);
clast_status opencl_queue_create(device *dev, bool timed, device_queue **out, clast_diag *d);
void opencl_queue_free(device_queue *queue);
/* The launch itself; d may be NULL. */
clast_status opencl_enqueue(opencl_queue *q, const device_call *c, size_t n, const device_arg *args, clast_diag *d);
clast_status opencl_launch(device_queue *queue, const device_call *c, size_t n, const device_arg *args, clast_diag *d);
clast_status opencl_write(device_queue *queue, device_memory *to, size_t offset, const void *from, size_t bytes, clast_diag *d);
clast_status opencl_read(device_queue *queue, const device_memory *from, size_t offset, void *to, size_t bytes, clast_diag *d);
clast_status opencl_map(device_queue *queue, device_memory *memory, size_t offset, size_t bytes, clast_diag *d);
clast_status opencl_unmap(device_queue *queue, device_memory *memory, size_t offset, clast_diag *d);
clast_status opencl_finish(device_queue *queue, clast_diag *d);

/* Everything but what tuning needs. */
void opencl_fill_call(device_call *c, const opencl_work *w, opencl_program *compiled);

/* ---- Tuning (tune.c) ---- */

void opencl_call_key(const opencl_work *w, kernel_id kernel, uint32_t present, uint64_t key[2]);
/* 0 where the guess is best or nothing is known. */
uint32_t opencl_chosen_variant(opencl_device *x, kernel_id kernel, const uint64_t key[2]);
void opencl_tune(device_queue *queue, bool on, device_tuning *found);
/* Times the call's variants, unless the fastest is known. */
void opencl_tune_call(opencl_queue *q, const device_call *c, size_t n, const device_arg *args);
/* Writes what is new and forgets all. */
void opencl_save_choices(opencl_device *x);

/* ---- Times (times.c) ---- */

/* Where the event of what is enqueued next goes; NULL where no times are kept. */
cl_event *opencl_stamp_next(opencl_queue *q, device_work what, size_t bytes);
void opencl_mark(device_queue *queue, size_t tag);
clast_status opencl_times(device_queue *queue, void (*tell)(void *context, const device_time *t), void *context, clast_diag *d);
void opencl_forget_times(opencl_queue *q);

/* speed.c */
clast_status opencl_measure(device *dev, double *gflops, double *gbytes, clast_diag *d);

/* ---- Binaries on disk ---- */

typedef struct opencl_binary {
	unsigned char *bytes;
	size_t size;
} opencl_binary;

/* False where there is none, or it is damaged. The bytes are the device's memory. */
bool opencl_cache_read(opencl_device *x, const uint64_t key[2], opencl_binary *out);
/* Failures are of no consequence and stay silent. */
void opencl_cache_write(const uint64_t key[2], const opencl_binary *b);

/* ---- CLBlast (clblast.c), where it is built in ---- */

#if CLAST_CLBLAST
/* CLAST_ERROR_UNSUPPORTED without a message where the target's variant is another or the product is none of its kind. */
clast_status opencl_blas_create(const opencl_device *x, kernel_id kernel, const void *params, bump *region, device_call **out,
                                clast_diag *d);
clast_status opencl_blas_launch(opencl_queue *q, const device_call *c, const device_arg *args, cl_event *event, clast_diag *d);
void opencl_blas_forget(void);
#endif

#endif
