/* What a device can do at most, measured: multiply-adds in registers, and copying memory of its own. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "opencl.h"

/* Eight chains of vectors, more than any pipeline is deep for each work item; what is stored keeps the compiler from leaving them out. */
static const char source[] =
	"#define CAT_(a, b) a##b\n#define CAT(a, b) CAT_(a, b)\n"
	"typedef CAT(float, WIDTH) vec;\n"
	"__kernel void spin(__global float *out, int rounds, float a, float b)\n{\n"
	"\tvec x[8], sum = (vec)(0.0f);\n\tfloat part[WIDTH];\n"
	"\tfor (int i = 0; i < 8; i++)\n\t\tx[i] = (vec)(i + get_local_id(0));\n"
	"\tfor (int k = 0; k < rounds; k++)\n#pragma unroll\n\t\tfor (int i = 0; i < 8; i++)\n\t\t\tx[i] = fma(x[i], (vec)(a), (vec)(b));\n"
	"\tfor (int i = 0; i < 8; i++)\n\t\tsum += x[i];\n"
	"\tCAT(vstore, WIDTH)(sum, 0, part);\n"
	"\tif (part[0] == 12345.678f)\n\t\tout[get_global_id(0)] = part[WIDTH - 1];\n}\n";

enum { CHAINS = 8, ITEMS_PER_UNIT = 4096, TRIES = 5 };

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct probe {
	opencl_device *x;
	cl_command_queue queue;
	cl_program program;
	cl_kernel kernel;
	cl_mem a, b;
	size_t bytes, items, group;
	cl_uint width;
} probe;

static clast_status build(probe *p, clast_diag *d)
{
	const opencl_api *cl = p->x->cl;
	const char *text = source;
	char options[64];
	cl_int e;
	p->program = cl->clCreateProgramWithSource(p->x->context, 1, &text, NULL, &e);
	if (e)
		return opencl_failed(e, "clCreateProgramWithSource", d);
	snprintf(options, sizeof options, "-cl-std=CL1.2 -w -DWIDTH=%u", p->width);
	e = cl->clBuildProgram(p->program, 1, &p->x->id, options, NULL, NULL);
	if (e)
		return opencl_failed(e, "clBuildProgram", d);
	p->kernel = cl->clCreateKernel(p->program, "spin", &e);
	return opencl_failed(e, "clCreateKernel", d);
}

static clast_status prepare(probe *p, clast_diag *d)
{
	const opencl_api *cl = p->x->cl;
	cl_int e;
	p->width = p->x->target.host_cpu ? 8 : 4;
	if (p->x->target.host_cpu)
		cl->clGetDeviceInfo(p->x->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof p->width, &p->width, NULL);
	p->width = p->width >= 16 ? 16 : p->width >= 8 ? 8 : 4;
	p->group = p->x->target.max_group < 64 ? 1 : 64;
	p->items = ITEMS_PER_UNIT * (p->x->info.compute_units ? p->x->info.compute_units : 1);
	p->bytes = p->x->info.largest_bytes / 4 < 128u << 20 ? (size_t)(p->x->info.largest_bytes / 4) : 128u << 20;
	p->queue = cl->clCreateCommandQueue(p->x->context, p->x->id, 0, &e);
	if (e)
		return opencl_failed(e, "clCreateCommandQueue", d);
	p->a = cl->clCreateBuffer(p->x->context, CL_MEM_READ_WRITE, p->bytes, NULL, &e);
	if (!e)
		p->b = cl->clCreateBuffer(p->x->context, CL_MEM_READ_WRITE, p->bytes, NULL, &e);
	return e ? opencl_failed(e, "clCreateBuffer", d) : build(p, d);
}

static clast_status spin(const probe *p, cl_int rounds, double *seconds, clast_diag *d)
{
	const opencl_api *cl = p->x->cl;
	const float a = 0.999f, b = 0.001f;
	cl_int e = cl->clSetKernelArg(p->kernel, 0, sizeof p->a, &p->a);
	e = e ? e : cl->clSetKernelArg(p->kernel, 1, sizeof rounds, &rounds);
	e = e ? e : cl->clSetKernelArg(p->kernel, 2, sizeof a, &a);
	e = e ? e : cl->clSetKernelArg(p->kernel, 3, sizeof b, &b);
	const double start = now_s();
	e = e ? e : cl->clEnqueueNDRangeKernel(p->queue, p->kernel, 1, NULL, &p->items, &p->group, 0, NULL, NULL);
	e = e ? e : cl->clFinish(p->queue);
	*seconds = now_s() - start;
	return opencl_failed(e, "clEnqueueNDRangeKernel", d);
}

static clast_status measure_arithmetic(const probe *p, double *gflops, clast_diag *d)
{
	double seconds = 0;
	cl_int rounds = 16;
	clast_status s = spin(p, rounds, &seconds, d); /* compiles */
	for (seconds = 0; !s && seconds < 0.02 && rounds < 1 << 24; rounds *= 2)
		s = spin(p, rounds, &seconds, d);
	for (int i = 0; !s && i < TRIES; i++) {
		s = spin(p, rounds, &seconds, d);
		const double rate = 2e-9 * CHAINS * (double)p->width * (double)p->items * rounds / seconds;
		*gflops = rate > *gflops ? rate : *gflops;
	}
	return s;
}

static clast_status measure_copying(const probe *p, double *gbytes, clast_diag *d)
{
	const opencl_api *cl = p->x->cl;
	cl_int e = CL_SUCCESS;
	for (int i = 0; !e && i < TRIES + 1; i++) {
		const double start = now_s();
		e = cl->clEnqueueCopyBuffer(p->queue, i % 2 ? p->b : p->a, i % 2 ? p->a : p->b, 0, 0, p->bytes, 0, NULL, NULL);
		e = e ? e : cl->clFinish(p->queue);
		const double rate = 2e-9 * (double)p->bytes / (now_s() - start);
		*gbytes = i && rate > *gbytes ? rate : *gbytes; /* the first time it gets its pages */
	}
	return opencl_failed(e, "clEnqueueCopyBuffer", d);
}

clast_status opencl_measure(device *dev, double *gflops, double *gbytes, clast_diag *d)
{
	probe p = { .x = (opencl_device *)dev };
	const opencl_api *cl = p.x->cl;
	*gflops = *gbytes = 0;
	clast_status s = prepare(&p, d);
	if (!s)
		s = measure_arithmetic(&p, gflops, d);
	if (!s)
		s = measure_copying(&p, gbytes, d);
	if (p.kernel)
		cl->clReleaseKernel(p.kernel);
	if (p.program)
		cl->clReleaseProgram(p.program);
	if (p.a)
		cl->clReleaseMemObject(p.a);
	if (p.b)
		cl->clReleaseMemObject(p.b);
	if (p.queue)
		cl->clReleaseCommandQueue(p.queue);
	return s;
}
