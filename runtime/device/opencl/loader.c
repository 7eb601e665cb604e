#include "loader.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static opencl_api api;
static char missing[256];
static bool ready;

static void load(void)
{
	static const char *const names[] = { "libOpenCL.so.1", "libOpenCL.so" };
	void *library = NULL;
#ifdef __linux__
	/* PoCL learns from there how much memory the machine has, and ends the process where it learns nothing. */
	if (access("/sys/devices/system", F_OK)) {
		snprintf(missing, sizeof missing, "OpenCL drivers need /sys, which is not mounted");
		return;
	}
#endif
	for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(missing, sizeof missing, "no OpenCL loader: libOpenCL.so.1 cannot be opened");
		return;
	}
	ready = true;
#define FUNCTION(name)                                                                                                           \
	if (!(api.name = (__typeof__(&name))dlsym(library, #name))) {                                                            \
		snprintf(missing, sizeof missing, "libOpenCL.so.1 lacks " #name);                                                \
		ready = false;                                                                                                   \
	}
#include "functions.def"
#undef FUNCTION
}

const opencl_api *opencl_load(clast_diag *d)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	if (!ready)
		fail(d, CLAST_ERROR_DEVICE, "%s", missing);
	return ready ? &api : NULL;
}

const char *opencl_error_name(cl_int e)
{
	static const char *const names[] = { "CL_SUCCESS", "CL_DEVICE_NOT_FOUND", "CL_DEVICE_NOT_AVAILABLE",
		                             "CL_COMPILER_NOT_AVAILABLE", "CL_MEM_OBJECT_ALLOCATION_FAILURE",
		                             "CL_OUT_OF_RESOURCES", "CL_OUT_OF_HOST_MEMORY", "CL_PROFILING_INFO_NOT_AVAILABLE",
		                             "CL_MEM_COPY_OVERLAP", "CL_IMAGE_FORMAT_MISMATCH", "CL_IMAGE_FORMAT_NOT_SUPPORTED",
		                             "CL_BUILD_PROGRAM_FAILURE", "CL_MAP_FAILURE" };
	static const char *const invalid[] = { "CL_INVALID_VALUE", "CL_INVALID_DEVICE_TYPE", "CL_INVALID_PLATFORM",
		                               "CL_INVALID_DEVICE", "CL_INVALID_CONTEXT", "CL_INVALID_QUEUE_PROPERTIES",
		                               "CL_INVALID_COMMAND_QUEUE", "CL_INVALID_HOST_PTR", "CL_INVALID_MEM_OBJECT",
		                               "CL_INVALID_IMAGE_FORMAT_DESCRIPTOR", "CL_INVALID_IMAGE_SIZE", "CL_INVALID_SAMPLER",
		                               "CL_INVALID_BINARY", "CL_INVALID_BUILD_OPTIONS", "CL_INVALID_PROGRAM",
		                               "CL_INVALID_PROGRAM_EXECUTABLE", "CL_INVALID_KERNEL_NAME",
		                               "CL_INVALID_KERNEL_DEFINITION", "CL_INVALID_KERNEL", "CL_INVALID_ARG_INDEX",
		                               "CL_INVALID_ARG_VALUE", "CL_INVALID_ARG_SIZE", "CL_INVALID_KERNEL_ARGS",
		                               "CL_INVALID_WORK_DIMENSION", "CL_INVALID_WORK_GROUP_SIZE",
		                               "CL_INVALID_WORK_ITEM_SIZE", "CL_INVALID_GLOBAL_OFFSET",
		                               "CL_INVALID_EVENT_WAIT_LIST", "CL_INVALID_EVENT", "CL_INVALID_OPERATION",
		                               "CL_INVALID_GL_OBJECT", "CL_INVALID_BUFFER_SIZE" };
	if (e <= 0 && (size_t)-e < sizeof names / sizeof *names)
		return names[-e];
	if (e <= -30 && (size_t)(-e - 30) < sizeof invalid / sizeof *invalid)
		return invalid[-e - 30];
	return e == -1001 ? "CL_PLATFORM_NOT_FOUND_KHR" : "an unknown error";
}

clast_status opencl_failed(cl_int e, const char *function, clast_diag *d)
{
	if (e == CL_SUCCESS)
		return CLAST_OK;
	const bool memory = e == CL_MEM_OBJECT_ALLOCATION_FAILURE || e == CL_OUT_OF_HOST_MEMORY || e == CL_OUT_OF_RESOURCES ||
	                    e == CL_INVALID_BUFFER_SIZE;
	return fail(d, memory ? CLAST_ERROR_MEMORY : CLAST_ERROR_DEVICE, "OpenCL: %s returned %s (%d)", function,
	            opencl_error_name(e), (int)e);
}
