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
} opencl_device;

struct device_call {
	opencl_program *program; /* NULL: nothing to launch */
	uint32_t operands;
	size_t args_bytes;
	size_t global[3], local[3];
	unsigned char args[];
};

/* The program of a launch, compiled or taken from the cache. Called without the lock. */
clast_status opencl_compile(opencl_device *x, const opencl_work *w, opencl_program **out, clast_diag *d);
void opencl_release_programs(opencl_device *x);

/* ---- Binaries on disk ---- */

typedef struct opencl_binary {
	unsigned char *bytes;
	size_t size;
} opencl_binary;

/* False where there is none, or it is damaged. Free with free(). */
bool opencl_cache_read(const opencl_device *x, const uint64_t key[2], opencl_binary *out);
/* Failures are of no consequence and stay silent. */
void opencl_cache_write(const opencl_device *x, const uint64_t key[2], const opencl_binary *b);

#endif
