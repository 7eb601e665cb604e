/* Devices and calls of OpenCL, and the table of all that the backend does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

/* ---- What there is ---- */

#define MOST_PLATFORMS 16
#define MOST_DEVICES 64

typedef struct listing {
	cl_platform_id platform[MOST_DEVICES];
	cl_device_id id[MOST_DEVICES];
	size_t count;
} listing;

static clast_status list_devices(const opencl_api *cl, listing *l, clast_diag *d)
{
	cl_platform_id platforms[MOST_PLATFORMS];
	cl_uint count = 0;
	l->count = 0;
	if (cl->clGetPlatformIDs(MOST_PLATFORMS, platforms, &count) || !count)
		return fail(d, CLAST_ERROR_DEVICE, "OpenCL: no platform is installed (drivers register in /etc/OpenCL/vendors)");
	for (cl_uint i = 0; i < count && i < MOST_PLATFORMS; i++) {
		cl_uint found = 0;
		const size_t room = MOST_DEVICES - l->count;
		if (cl->clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, (cl_uint)room, l->id + l->count, &found))
			continue;
		for (cl_uint k = 0; k < found && k < room; k++)
			l->platform[l->count++] = platforms[i];
	}
	return l->count ? CLAST_OK : fail(d, CLAST_ERROR_DEVICE, "OpenCL: the platforms installed have no device");
}

static void describe(const opencl_api *cl, cl_platform_id platform, cl_device_id id, device_info *info)
{
	cl_device_type type = 0;
	cl_bool shared = CL_FALSE;
	cl_uint units = 0, half = 0;
	cl_ulong all = 0, largest = 0;
	memset(info, 0, sizeof *info);
	cl->clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform - 1, info->platform, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof info->name - 1, info->name, NULL);
	cl->clGetDeviceInfo(id, CL_DRIVER_VERSION, sizeof info->driver - 1, info->driver, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_VERSION, sizeof info->version - 1, info->version, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof shared, &shared, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof all, &all, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
	cl->clGetDeviceInfo(id, CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, sizeof half, &half, NULL);
	snprintf(info->type, sizeof info->type, "%s",
	         type & CL_DEVICE_TYPE_GPU ? "gpu" : type & CL_DEVICE_TYPE_CPU ? "cpu" : "accelerator");
	info->compute_units = units;
	info->memory_bytes = all;
	info->largest_bytes = largest;
	info->host_memory = shared;
	info->half = half > 0;
}

static size_t count_devices(clast_diag *d)
{
	listing l;
	const opencl_api *cl = opencl_load(d);
	return cl && !list_devices(cl, &l, d) ? l.count : 0;
}

static clast_status describe_device(size_t index, device_info *info)
{
	listing l;
	const opencl_api *cl = opencl_load(NULL);
	if (!cl || list_devices(cl, &l, NULL) || index >= l.count)
		return CLAST_ERROR_ARGUMENT;
	describe(cl, l.platform[index], l.id[index], info);
	return CLAST_OK;
}

/* ---- A device ---- */

static size_t best_of(const opencl_api *cl, const listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		cl_device_type type = 0;
		if (!cl->clGetDeviceInfo(l->id[i], CL_DEVICE_TYPE, sizeof type, &type, NULL) && type & CL_DEVICE_TYPE_GPU)
			return i;
	}
	return 0;
}

/* CLAST_OPENCL_TARGET=cpu or gpu makes the kernels of the one run on the other, for tests. */
static bool is_cpu(const opencl_device *x)
{
	const char *forced = getenv("CLAST_OPENCL_TARGET");
	return !strcmp(forced && *forced ? forced : x->info.type, "cpu");
}

static void set_target(opencl_device *x)
{
	cl_uint width = 4;
	size_t group = 64;
	cl_ulong local = 0;
	const char *variant = getenv("CLAST_OPENCL_VARIANT");
	const bool cpu = is_cpu(x);
	x->cl->clGetDeviceInfo(x->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof width, &width, NULL);
	x->cl->clGetDeviceInfo(x->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
	x->target.host_cpu = cpu;
	x->target.vector = cpu && width >= 8 ? 8 : 4;
	x->target.lanes = cpu ? 1 : 64;
	x->target.max_group = group < 256 ? group : 256;
	x->cl->clGetDeviceInfo(x->id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
	x->target.local_bytes = (size_t)local;
	x->target.units = x->info.compute_units;
	x->target.variant = variant ? (uint32_t)strtoul(variant, NULL, 10) : 0;
	while (x->target.lanes > x->target.max_group)
		x->target.lanes /= 2;
}

static void close_device(device *base)
{
	opencl_device *x = (opencl_device *)base;
	opencl_save_choices(x);
	opencl_release_programs(x);
#if CLAST_CLBLAST
	opencl_blas_forget();
#endif
	if (x->context)
		x->cl->clReleaseContext(x->context);
	pthread_mutex_destroy(&x->lock);
	mem boot = x->memory;
	mem_free(&boot, x, sizeof *x);
}

static clast_status open_device(size_t index, bool half, device **out, clast_diag *d)
{
	listing l;
	cl_int e;
	mem boot;
	const opencl_api *cl = opencl_load(d);
	if (!cl)
		return CLAST_ERROR_DEVICE;
	clast_status s = list_devices(cl, &l, d);
	if (s)
		return s;
	const size_t at = index == SIZE_MAX ? best_of(cl, &l) : index;
	if (at >= l.count)
		return fail(d, CLAST_ERROR_DEVICE, "OpenCL: there is no device %zu; 'clast devices' lists %zu of them", at, l.count);
	mem_init(&boot, NULL, 0);
	opencl_device *x = mem_calloc(&boot, sizeof *x);
	if (!x)
		return fail_memory(d, sizeof *x);
	mem_init(&x->memory, NULL, 0);
	pthread_mutex_init(&x->lock, NULL);
	x->cl = cl;
	x->id = l.id[at];
	describe(cl, l.platform[at], x->id, &x->info);
	memcpy(x->base.name, x->info.name, sizeof x->base.name);
	const cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)l.platform[at], 0 };
	x->context = cl->clCreateContext(properties, 1, &x->id, NULL, NULL, &e);
	if (e) {
		x->context = NULL;
		close_device(&x->base);
		return opencl_failed(e, "clCreateContext", d);
	}
	set_target(x);
	x->target.half = half;
	const char *apart = getenv("CLAST_OPENCL_SHARED");
	const char *placement = getenv("CLAST_OPENCL_PLACEMENT");
	x->base.takes_all = placement && !strcmp(placement, "all");
	x->base.shared = x->info.host_memory && !(apart && !strcmp(apart, "0"));
	*out = &x->base;
	return CLAST_OK;
}

static bool computes(const device *dev, kernel_id kernel)
{
	(void)dev;
	return opencl_kernel(kernel) != NULL;
}

static const weights_packing *packing(const device *dev, packing_id id)
{
	return opencl_packing(&((const opencl_device *)dev)->target, id);
}

/* ---- Calls ---- */

/* The variant that the device is told to take, where the call has it. */
static bool make_work(const opencl_device *x, opencl_make make, const void *params, uint32_t present, opencl_work *w)
{
	opencl_target t = x->target;
	bool made = t.variant && make(&t, params, present, w);
	t.variant = 0;
	made = made || make(&t, params, present, w);
	return made && !(w->operands & ~present);
}

void opencl_fill_call(device_call *c, const opencl_work *w, opencl_program *compiled)
{
	*c = (device_call){ .program = compiled, .operands = w->operands, .args_bytes = w->args_bytes };
	memcpy(c->global, w->global, sizeof c->global);
	memcpy(c->local, w->local, sizeof c->local);
	memcpy(c->args, w->args, w->args_bytes);
}

/* The variant that timing chose, in place of the guess in w. */
static bool take_choice(opencl_device *x, opencl_make make, kernel_id kernel, const void *params, uint32_t present, const uint64_t key[2],
                        opencl_work *w)
{
	opencl_target t = x->target;
	t.variant = opencl_chosen_variant(x, kernel, key);
	return !t.variant || (make(&t, params, present, w) && !(w->operands & ~present)) || make_work(x, make, params, present, w);
}

static clast_status create_call(device *dev, kernel_id kernel, const void *params, uint32_t present, bool tuned, bump *region,
                                device_call **out, clast_diag *d)
{
	opencl_device *x = (opencl_device *)dev;
#if CLAST_CLBLAST
	const clast_status taken = opencl_blas_create(x, kernel, params, region, out, d);
	if (taken != CLAST_ERROR_UNSUPPORTED)
		return taken;
#endif
	const opencl_make make = opencl_kernel(kernel);
	opencl_work *w = make ? mem_alloc(&x->memory, sizeof *w) : NULL;
	opencl_program *compiled = NULL;
	clast_status s = CLAST_OK;
	if (!make)
		return CLAST_ERROR_UNSUPPORTED;
	if (!w)
		return fail_memory(d, sizeof *w);
	uint64_t key[2] = { 0 };
	const bool varies = opencl_variant_count(kernel) > 1;
	if (!make_work(x, make, params, present, w))
		s = CLAST_ERROR_UNSUPPORTED;
	if (!s && varies)
		opencl_call_key(w, kernel, present, key);
	if (!s && varies && tuned && !take_choice(x, make, kernel, params, present, key, w))
		s = CLAST_ERROR_UNSUPPORTED;
	if (!s && w->global[0] && w->global[1] && w->global[2])
		s = opencl_compile(x, w, &compiled, d);
	device_call *c = s ? NULL : bump_alloc(region, sizeof *c + w->args_bytes);
	if (!s && !c)
		s = fail_memory(d, sizeof *c);
	if (c) {
		opencl_fill_call(c, w, compiled);
		c->kernel = kernel;
		c->params = params;
		c->present = present;
		c->varies = varies;
		memcpy(c->key, key, sizeof key);
		*out = c;
	}
	mem_free(&x->memory, w, sizeof *w);
	return s;
}

const device_backend device_opencl = {
	.name = "opencl",
	.count = count_devices,
	.describe = describe_device,
	.open = open_device,
	.close = close_device,
	.computes = computes,
	.packing = packing,
	.alloc = opencl_alloc,
	.share = opencl_share,
	.free = opencl_free,
	.call_create = create_call,
	.queue_create = opencl_queue_create,
	.queue_free = opencl_queue_free,
	.launch = opencl_launch,
	.write = opencl_write,
	.read = opencl_read,
	.map = opencl_map,
	.unmap = opencl_unmap,
	.finish = opencl_finish,
	.mark = opencl_mark,
	.times = opencl_times,
	.measure = opencl_measure,
	.tune = opencl_tune,
};
