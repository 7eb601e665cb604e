#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* Open devices are shared: plans of several strategies compile the same sources once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static device *opened;

#if CLAST_OPENCL
static const device_backend *const backend = &device_opencl;
#else
static const device_backend *const backend = NULL;
#endif

size_t device_count(clast_diag *d)
{
	if (backend)
		return backend->count(d);
	fail(d, CLAST_ERROR_DEVICE, "this build has no OpenCL (CLAST_OPENCL=OFF)");
	return 0;
}

clast_status device_describe(size_t index, device_info *info)
{
	return backend ? backend->describe(index, info) : CLAST_ERROR_ARGUMENT;
}

/* "opencl" and "opencl:N", then perhaps "+half". */
static bool parse_name(const char *name, size_t *index, bool *half)
{
	const char *at = name + 6;
	*index = SIZE_MAX;
	if (strncmp(name, "opencl", 6))
		return false;
	if (*at == ':') {
		char *end;
		*index = at[1] >= '0' && at[1] <= '9' ? strtoul(at + 1, &end, 10) : SIZE_MAX;
		if (*index >= 1000)
			return false;
		at = end;
	}
	*half = !strcmp(at, "+half");
	return *half || !*at;
}

clast_status device_open(const char *name, device **out, clast_diag *d)
{
	size_t index;
	bool half;
	*out = NULL;
	if (!name || !*name || !strcmp(name, "cpu"))
		return CLAST_OK;
	if (!parse_name(name, &index, &half))
		return fail(d, CLAST_ERROR_DEVICE, "device \"%s\" is unknown; known are cpu, opencl, opencl:N, opencl+half and opencl:N+half", quote(name).text);
	if (!backend)
		return fail(d, CLAST_ERROR_DEVICE, "device \"%s\": this build has no OpenCL (CLAST_OPENCL=OFF)", quote(name).text);
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&lock);
	device *x = opened;
	while (x && (x->index != index || x->half != half))
		x = x->next;
	if (!x && !(s = backend->open(index, half, &x, d))) {
		x->backend = backend;
		x->index = index;
		x->half = half;
		x->next = opened;
		opened = x;
	}
	if (!s) {
		x->references++;
		*out = x;
	}
	pthread_mutex_unlock(&lock);
	return s;
}

void device_close(device **handle)
{
	device *x = *handle;
	*handle = NULL;
	if (!x)
		return;
	pthread_mutex_lock(&lock);
	if (!--x->references) {
		device **at = &opened;
		while (*at != x)
			at = &(*at)->next;
		*at = x->next;
		x->backend->close(x);
	}
	pthread_mutex_unlock(&lock);
}

const char *device_name(const device *x)
{
	return x->name;
}

bool device_shares_memory(const device *x)
{
	return x->shared;
}

bool device_takes_all(const device *x)
{
	return x->takes_all;
}

bool device_computes(const device *x, kernel_id kernel)
{
	return x->backend->computes(x, kernel);
}

const weights_packing *device_packing(const device *x, packing_id packing)
{
	return x->backend->packing(x, packing);
}

clast_status device_measure(device *x, double *gflops, double *gbytes, clast_diag *d)
{
	return x->backend->measure(x, gflops, gbytes, d);
}

clast_status device_alloc(device *x, size_t bytes, const void *content, device_memory **out, clast_diag *d)
{
	*out = NULL;
	return x->backend->alloc(x, bytes, content, out, d);
}

clast_status device_share(device *x, void *host, size_t bytes, bool constant, device_memory **out, clast_diag *d)
{
	*out = NULL;
	return x->shared && bytes ? x->backend->share(x, host, bytes, constant, out, d) : CLAST_ERROR_UNSUPPORTED;
}

bool device_memory_shared(const device_memory *memory)
{
	return memory->shared;
}

void device_free(device_memory **memory)
{
	device_memory *x = *memory;
	*memory = NULL;
	if (x)
		x->backend->free(x);
}

clast_status device_call_create(device *x, kernel_id kernel, const void *params, uint32_t present, bool tuned, bump *region,
                                device_call **out, clast_diag *d)
{
	*out = NULL;
	return x->backend->call_create(x, kernel, params, present, tuned, region, out, d);
}

clast_status device_queue_create(device *x, bool timed, device_queue **out, clast_diag *d)
{
	*out = NULL;
	return x->backend->queue_create(x, timed, out, d);
}

void device_queue_free(device_queue **queue)
{
	device_queue *x = *queue;
	*queue = NULL;
	if (x)
		x->backend->queue_free(x);
}

clast_status device_launch(device_queue *q, const device_call *call, size_t n, const device_arg *args, clast_diag *d)
{
	return q->backend->launch(q, call, n, args, d);
}

clast_status device_write(device_queue *q, device_memory *to, size_t offset, const void *from, size_t bytes, clast_diag *d)
{
	return bytes ? q->backend->write(q, to, offset, from, bytes, d) : CLAST_OK;
}

clast_status device_read(device_queue *q, const device_memory *from, size_t offset, void *to, size_t bytes, clast_diag *d)
{
	return bytes ? q->backend->read(q, from, offset, to, bytes, d) : CLAST_OK;
}

clast_status device_map(device_queue *q, device_memory *memory, size_t offset, size_t bytes, clast_diag *d)
{
	return bytes ? q->backend->map(q, memory, offset, bytes, d) : CLAST_OK;
}

clast_status device_unmap(device_queue *q, device_memory *memory, size_t offset, clast_diag *d)
{
	return q->backend->unmap(q, memory, offset, d);
}

clast_status device_finish(device_queue *q, clast_diag *d)
{
	return q->backend->finish(q, d);
}

void device_queue_mark(device_queue *q, size_t tag)
{
	q->backend->mark(q, tag);
}

clast_status device_queue_times(device_queue *q, void (*tell)(void *context, const device_time *t), void *context, clast_diag *d)
{
	return q->backend->times(q, tell, context, d);
}

void device_queue_tune(device_queue *q, bool on, device_tuning *found)
{
	q->backend->tune(q, on, found);
}
