#include "pair.h"
#if __has_include("opencl_kernels.h")
#include "opencl_kernels.h"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static device *dev;
static device_queue *queue;
static bool half;
static void *owned[64];
static size_t owned_count;

static void *keep(size_t bytes)
{
	const size_t rounded = (bytes + 64) / 64 * 64;
	void *p = aligned_alloc(64, rounded);
	cr_assert(p && owned_count < sizeof owned / sizeof *owned);
	memset(p, 0x5a, rounded);
	return owned[owned_count++] = p;
}

size_t rng_range(rng *r, size_t low, size_t high)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return low + (size_t)(z >> 33) % (high - low + 1);
}

bool rng_chance(rng *r, unsigned percent)
{
	return rng_range(r, 0, 99) < percent;
}

float rng_float(rng *r)
{
	return (float)rng_range(r, 0, 1u << 20) / (1u << 19) - 1.0f;
}

const char *tested_device(void)
{
	const char *name = getenv("CLAST_TEST_DEVICE");
	return name ? name : "opencl";
}

const char *device_or_skip(void)
{
	clast_diag d = { 0 };
	if (!clast_device_count(&d))
		cr_skip_test("no OpenCL device to test on: %s", d.message);
	return tested_device();
}

static void open_named(const char *suffix)
{
	clast_diag d = { 0 };
	char name[64];
	snprintf(name, sizeof name, "%.40s%s", tested_device(), suffix);
	half = *suffix;
	if (device_open(name, &dev, &d))
		cr_skip_test("no OpenCL device to test on: %s", d.message);
	cr_assert_eq(device_queue_create(dev, false, &queue, &d), CLAST_OK, "%s", d.message);
}

void pair_open(void)
{
	open_named("");
}

void pair_open_half(void)
{
	open_named("+half");
}

void pair_close(void)
{
	device_queue_free(&queue);
	device_close(&dev);
}

/* A build without OpenCL has none. */
static uint32_t variants_of(kernel_id kernel)
{
#if __has_include("opencl_kernels.h")
	cr_assert_gt(opencl_variant_count(kernel), 1);
	return opencl_variant_count(kernel);
#else
	(void)kernel;
	return 1;
#endif
}

void pair_each_variant(kernel_id kernel, void (*each_case)(rng *r))
{
	rng r = { 40 };
	char number[16];
	const uint32_t count = variants_of(kernel);
	for (uint32_t v = 1; v <= count; v++) { /* the last is that of CLBlast, else no variant at all */
		snprintf(number, sizeof number, "%u", v);
		setenv("CLAST_OPENCL_VARIANT", number, 1);
		pair_open();
		each_case(&r);
		pair_close();
	}
}

void pair_begin(pair *p, kernel_id kernel, const void *params)
{
	*p = (pair){ .kernel = kernel, .params = params };
}

static void set(pair *p, size_t at, const void *cpu, size_t cpu_bytes, const void *gpu, size_t bytes)
{
	p->operand[at].cpu = keep(cpu_bytes);
	p->operand[at].gpu = keep(bytes);
	memcpy(p->operand[at].cpu, cpu, cpu_bytes);
	memcpy(p->operand[at].gpu, gpu, bytes);
	p->operand[at].cpu_bytes = cpu_bytes;
	p->operand[at].bytes = bytes;
	p->count = at + 1 > p->count ? at + 1 : p->count;
}

void pair_bytes(pair *p, size_t at, const void *content, size_t bytes)
{
	set(p, at, content, bytes, content, bytes);
}

float *random_floats(rng *r, size_t count)
{
	float *x = keep(count * sizeof *x);
	for (size_t i = 0; i < count; i++)
		x[i] = rng_float(r);
	return x;
}

float *random_weights(rng *r, size_t count)
{
	float *x = random_floats(r, count);
	for (size_t i = 0; half && i < count; i++)
		x[i] = f16_to_float(f16_from_float(x[i]));
	return x;
}

void pair_floats(pair *p, size_t at, rng *r, size_t count)
{
	pair_bytes(p, at, random_floats(r, count), count * sizeof(float));
	p->operand[at].floats = true;
}

void pair_weights(pair *p, size_t at, packing_id packing, const weights_shape *shape, const weights_source *source)
{
	const weights_packing *cpu = cpu_kernels_at(0)->packing[packing], *gpu = device_packing(dev, packing);
	const size_t cpu_bytes = cpu->bytes(shape), bytes = gpu->bytes(shape);
	void *a = keep(cpu_bytes), *b = keep(bytes);
	cpu->pack(shape, source, a);
	gpu->pack(shape, source, b);
	set(p, at, a, cpu_bytes, b, bytes);
	p->operand[at].cpu_bytes = 0; /* not to be compared */
}

static void run_cpu(const pair *p)
{
	const compute_kernel *k = cpu_kernels_at(0)->kernel[p->kernel];
	void *args[24] = { NULL };
	for (size_t i = 0; i < p->count; i++)
		args[i] = p->operand[i].cpu;
	cr_assert(!k->supports || k->supports(p->params));
	k->run(p->params, args, 0, k->tasks(p->params), keep(k->scratch_bytes ? k->scratch_bytes(p->params) : 0));
}

static void run_device(const pair *p, const char *what)
{
	clast_diag d = { 0 };
	mem m;
	bump region;
	device_call *call;
	device_arg args[24] = { { NULL, 0 } };
	uint32_t present = 0;
	mem_init(&m, NULL, 0);
	bump_init(&region, &m);
	for (size_t i = 0; i < p->count; i++) {
		if (!p->operand[i].gpu)
			continue;
		present |= 1u << i;
		cr_assert_eq(device_alloc(dev, p->operand[i].bytes, p->operand[i].gpu, &args[i].memory, &d), CLAST_OK, "%s", d.message);
	}
	cr_assert_eq(device_call_create(dev, p->kernel, p->params, present, false, &region, &call, &d), CLAST_OK, "%s: %s", what, d.message);
	cr_assert_eq(device_launch(queue, call, p->count, args, &d), CLAST_OK, "%s: %s", what, d.message);
	for (size_t i = 0; i < p->count; i++) {
		if (!p->operand[i].gpu)
			continue;
		cr_assert_eq(device_read(queue, args[i].memory, 0, p->operand[i].gpu, p->operand[i].bytes, &d), CLAST_OK, "%s", d.message);
		device_free(&args[i].memory);
	}
	bump_release(&region);
}

static void compare(const pair *p, size_t at, double tolerance, const char *what)
{
	const float *a = p->operand[at].cpu, *b = p->operand[at].gpu;
	const size_t n = p->operand[at].bytes / sizeof(float);
	double scale = 1e-3;
	for (size_t i = 0; i < n; i++)
		if (isfinite(a[i]) && fabs((double)a[i]) > scale)
			scale = fabs((double)a[i]);
	for (size_t i = 0; i < n; i++) {
		const bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i])) || fabs((double)a[i] - b[i]) <= tolerance * scale;
		cr_assert(same, "%s: operand %zu, element %zu: %.9g on the CPU, %.9g on the device", what, at, i, (double)a[i], (double)b[i]);
	}
}

void pair_run(pair *p, double tolerance, const char *what)
{
	run_cpu(p);
	run_device(p, what);
	for (size_t i = 0; i < p->count; i++) {
		if (!p->operand[i].cpu_bytes)
			continue;
		if (p->operand[i].floats)
			compare(p, i, tolerance, what);
		else
			cr_assert_arr_eq(p->operand[i].cpu, p->operand[i].gpu, p->operand[i].bytes, "%s: operand %zu differs", what, i);
	}
	while (owned_count)
		free(owned[--owned_count]);
}

size_t span_of(size_t rank, const size_t *extent, const ptrdiff_t *stride)
{
	size_t last = 0;
	for (size_t i = 0; i < rank; i++) {
		if (!extent[i])
			return 0;
		last += (extent[i] - 1) * (size_t)stride[i];
	}
	return last + 1;
}
