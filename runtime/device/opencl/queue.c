/* Memory of the device, and queues that run calls and copies in order. */
#include "opencl.h"

/* ---- Memory ---- */

static clast_status create(opencl_device *x, cl_mem_flags flags, size_t bytes, void *host, device_memory **out, clast_diag *d)
{
	cl_int e;
	if (bytes > x->info.largest_bytes)
		return fail(d, CLAST_ERROR_MEMORY, "OpenCL: a buffer of %zu bytes; %s allows %llu", bytes, x->info.name,
		            (unsigned long long)x->info.largest_bytes);
	opencl_memory *m = mem_calloc(&x->memory, sizeof *m);
	if (!m)
		return fail_memory(d, sizeof *m);
	m->buffer = x->cl->clCreateBuffer(x->context, flags, bytes ? bytes : 4, host, &e);
	if (e) {
		mem_free(&x->memory, m, sizeof *m);
		return opencl_failed(e, "clCreateBuffer", d);
	}
	m->base = (device_memory){ .backend = &device_opencl, .bytes = bytes, .shared = flags & CL_MEM_USE_HOST_PTR };
	m->device = x;
	m->host = m->base.shared ? host : NULL;
	*out = &m->base;
	return CLAST_OK;
}

clast_status opencl_alloc(device *dev, size_t bytes, const void *content, device_memory **out, clast_diag *d)
{
	const bool copy = content && bytes;
	return create((opencl_device *)dev, CL_MEM_READ_WRITE | (copy ? CL_MEM_COPY_HOST_PTR : 0), bytes, copy ? (void *)content : NULL, out, d);
}

clast_status opencl_share(device *dev, void *host, size_t bytes, bool constant, device_memory **out, clast_diag *d)
{
	opencl_device *x = (opencl_device *)dev;
	if ((uintptr_t)host % MEM_ALIGNMENT || bytes > x->info.largest_bytes)
		return CLAST_ERROR_UNSUPPORTED;
	return create(x, (constant ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE) | CL_MEM_USE_HOST_PTR, bytes, host, out, d);
}

void opencl_free(device_memory *base)
{
	opencl_memory *m = (opencl_memory *)base;
	opencl_device *x = m->device;
	x->cl->clReleaseMemObject(m->buffer);
	mem_free(&x->memory, m, sizeof *m);
}

/* ---- Queues ---- */

clast_status opencl_queue_create(device *dev, bool timed, device_queue **out, clast_diag *d)
{
	opencl_device *x = (opencl_device *)dev;
	cl_int e;
	opencl_queue *q = mem_calloc(&x->memory, sizeof *q);
	if (!q)
		return fail_memory(d, sizeof *q);
	q->queue = x->cl->clCreateCommandQueue(x->context, x->id, timed ? CL_QUEUE_PROFILING_ENABLE : 0, &e);
	if (e) {
		mem_free(&x->memory, q, sizeof *q);
		return opencl_failed(e, "clCreateCommandQueue", d);
	}
	q->base.backend = &device_opencl;
	q->device = x;
	q->timed = timed;
	*out = &q->base;
	return CLAST_OK;
}

void opencl_queue_free(device_queue *base)
{
	opencl_queue *q = (opencl_queue *)base;
	opencl_device *x = q->device;
	x->cl->clFinish(q->queue);
	opencl_forget_times(q);
	mem_free(&x->memory, q->stamps, q->stamp_capacity * sizeof *q->stamps);
	x->cl->clReleaseCommandQueue(q->queue);
	mem_free(&x->memory, q, sizeof *q);
}

static cl_int set_arguments(const opencl_api *cl, const device_call *c, size_t n, const device_arg *args)
{
	cl_uint at = 0;
	cl_int e = CL_SUCCESS;
	for (size_t i = 0; i < n && i < OPENCL_MAX_OPERANDS && !e; i++) {
		if (!(c->operands >> i & 1))
			continue;
		const cl_ulong offset = args[i].offset_bytes;
		const opencl_memory *m = (const opencl_memory *)args[i].memory;
		e = m ? cl->clSetKernelArg(c->program->kernel, at++, sizeof m->buffer, &m->buffer) : CL_INVALID_ARG_VALUE;
		if (!e)
			e = cl->clSetKernelArg(c->program->kernel, at++, sizeof offset, &offset);
	}
	return e ? e : cl->clSetKernelArg(c->program->kernel, at, c->args_bytes, c->args);
}

clast_status opencl_launch(device_queue *base, const device_call *c, size_t n, const device_arg *args, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	if (q->tunes && c->varies && c->program)
		opencl_tune_call(q, c, n, args);
	return opencl_enqueue(q, c, n, args, d);
}

clast_status opencl_enqueue(opencl_queue *q, const device_call *c, size_t n, const device_arg *args, clast_diag *d)
{
	opencl_device *x = q->device;
#if CLAST_CLBLAST
	if (c->blas)
		return opencl_blas_launch(q, c, args, opencl_stamp_next(q, DEVICE_KERNEL, 0), d);
#endif
	if (!c->program)
		return CLAST_OK;
	pthread_mutex_lock(&x->lock);
	cl_int e = set_arguments(x->cl, c, n, args);
	const bool set = !e;
	if (set)
		e = x->cl->clEnqueueNDRangeKernel(q->queue, c->program->kernel, 3, NULL, c->global, c->local, 0, NULL,
		                                  opencl_stamp_next(q, DEVICE_KERNEL, 0));
	pthread_mutex_unlock(&x->lock);
	return opencl_failed(e, set ? "clEnqueueNDRangeKernel" : "clSetKernelArg", d);
}

clast_status opencl_write(device_queue *base, device_memory *to, size_t offset, const void *from, size_t bytes, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	const opencl_memory *m = (const opencl_memory *)to;
	return opencl_failed(q->device->cl->clEnqueueWriteBuffer(q->queue, m->buffer, CL_TRUE, offset, bytes, from, 0, NULL,
	                                                       opencl_stamp_next(q, DEVICE_WRITE, bytes)),
	                     "clEnqueueWriteBuffer", d);
}

clast_status opencl_read(device_queue *base, const device_memory *from, size_t offset, void *to, size_t bytes, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	const opencl_memory *m = (const opencl_memory *)from;
	return opencl_failed(q->device->cl->clEnqueueReadBuffer(q->queue, m->buffer, CL_TRUE, offset, bytes, to, 0, NULL,
	                                                       opencl_stamp_next(q, DEVICE_READ, bytes)),
	                     "clEnqueueReadBuffer", d);
}

clast_status opencl_map(device_queue *base, device_memory *memory, size_t offset, size_t bytes, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	const opencl_memory *m = (const opencl_memory *)memory;
	cl_int e = CL_SUCCESS;
	const void *at = q->device->cl->clEnqueueMapBuffer(q->queue, m->buffer, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, offset, bytes, 0, NULL,
	                                                   opencl_stamp_next(q, DEVICE_READ, 0), &e);
	if (!e && at != m->host + offset) /* which the standard promises of memory that was the host's */
		return fail(d, CLAST_ERROR_DEVICE, "OpenCL: %s maps shared memory to another address", q->device->info.name);
	return opencl_failed(e, "clEnqueueMapBuffer", d);
}

clast_status opencl_unmap(device_queue *base, device_memory *memory, size_t offset, clast_diag *d)
{
	opencl_queue *q = (opencl_queue *)base;
	const opencl_memory *m = (const opencl_memory *)memory;
	return opencl_failed(q->device->cl->clEnqueueUnmapMemObject(q->queue, m->buffer, m->host + offset, 0, NULL, NULL),
	                     "clEnqueueUnmapMemObject", d);
}

clast_status opencl_finish(device_queue *base, clast_diag *d)
{
	const opencl_queue *q = (opencl_queue *)base;
	return opencl_failed(q->device->cl->clFinish(q->queue), "clFinish", d);
}

