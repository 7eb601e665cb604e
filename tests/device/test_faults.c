/* A driver that refuses: each function of OpenCL fails in turn, and what comes back is a status with a message, never a crash. Afterwards
 * everything works again. */
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(faults, .timeout = 900);

#if __has_include("opencl_kernels.h")

#define CL_TARGET_OPENCL_VERSION 120
#include "opencl/loader.h"

/* The functions through which the library calls the driver, which it takes from its own table. */
static opencl_api *api, real;
static struct {
	const char *function; /* NULL: none fails */
	long after;           /* that many calls of it succeed first */
	cl_int error;
	bool forever;         /* or once */
	size_t failed;
} fault;

static bool fails(const char *function)
{
	if (!fault.function || strcmp(fault.function, function) || fault.after-- > 0 || (fault.failed && !fault.forever))
		return false;
	fault.failed++;
	return true;
}

/* CODE: functions that return their error; HANDLE: those that return an object. */
#define CODE(name, parameters, arguments) \
	static cl_int CL_API_CALL fake_##name parameters \
	{ \
		return fails(#name) ? fault.error : real.name arguments; \
	}
#define HANDLE(type, name, parameters, arguments) \
	static type CL_API_CALL fake_##name parameters \
	{ \
		if (!fails(#name)) \
			return real.name arguments; \
		*e = fault.error; \
		return NULL; \
	}
CODE(clGetPlatformIDs, (cl_uint n, cl_platform_id *list, cl_uint *found), (n, list, found))
CODE(clGetDeviceIDs, (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *list, cl_uint *found), (p, t, n, list, found))
HANDLE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *list,
        void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *u, cl_int *e),
       (p, n, list, f, u, e))
HANDLE(cl_command_queue, clCreateCommandQueue, (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *e), (c, d, p, e))
HANDLE(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags f, size_t n, void *h, cl_int *e), (c, f, n, h, e))
HANDLE(cl_program, clCreateProgramWithSource, (cl_context c, cl_uint n, const char **t, const size_t *l, cl_int *e), (c, n, t, l, e))
CODE(clBuildProgram,
     (cl_program p, cl_uint n, const cl_device_id *d, const char *o, void(CL_CALLBACK *f)(cl_program, void *), void *u), (p, n, d, o, f, u))
HANDLE(cl_kernel, clCreateKernel, (cl_program p, const char *name, cl_int *e), (p, name, e))
CODE(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v))
CODE(clEnqueueNDRangeKernel,
     (cl_command_queue q, cl_kernel k, cl_uint n, const size_t *o, const size_t *g, const size_t *l, cl_uint w, const cl_event *list,
      cl_event *out),
     (q, k, n, o, g, l, w, list, out))
CODE(clEnqueueWriteBuffer,
     (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t n, const void *p, cl_uint w, const cl_event *list, cl_event *out),
     (q, m, b, o, n, p, w, list, out))
CODE(clEnqueueReadBuffer,
     (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t n, void *p, cl_uint w, const cl_event *list, cl_event *out),
     (q, m, b, o, n, p, w, list, out))
HANDLE(void *, clEnqueueMapBuffer,
       (cl_command_queue q, cl_mem m, cl_bool b, cl_map_flags f, size_t o, size_t n, cl_uint w, const cl_event *list, cl_event *out, cl_int *e),
       (q, m, b, f, o, n, w, list, out, e))
CODE(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *p, cl_uint w, const cl_event *list, cl_event *out), (q, m, p, w, list, out))
CODE(clFinish, (cl_command_queue q), (q))

static void take_over(void)
{
	device_or_skip();
	api = (opencl_api *)opencl_load(NULL);
	cr_assert_not_null(api);
	real = *api;
#define FAKE(name) api->name = fake_##name;
	FAKE(clGetPlatformIDs)
	FAKE(clGetDeviceIDs)
	FAKE(clCreateContext)
	FAKE(clCreateCommandQueue)
	FAKE(clCreateBuffer)
	FAKE(clCreateProgramWithSource)
	FAKE(clBuildProgram)
	FAKE(clCreateKernel)
	FAKE(clSetKernelArg)
	FAKE(clEnqueueNDRangeKernel)
	FAKE(clEnqueueWriteBuffer)
	FAKE(clEnqueueReadBuffer)
	FAKE(clEnqueueMapBuffer)
	FAKE(clEnqueueUnmapMemObject)
	FAKE(clFinish)
	setenv("CLAST_OPENCL_CACHE", "0", 1);
	setenv("CLAST_OPENCL_PLACEMENT", "all", 1);
}

/* x [1, 3, 6, 6] -> Softmax -> CumSum (on the CPU) -> Softmax -> y */
static clast_model *network(void)
{
	clast_builder *b = NULL;
	clast_model *m = NULL;
	clast_tensor *t = NULL;
	const int64_t axis = 1;
	cr_assert(!clast_builder_create(17, NULL, &b, NULL));
	cr_assert(!clast_builder_input(b, "x", CLAST_FLOAT32, 4, (int64_t[]){ 1, 3, 6, 6 }, NULL, NULL));
	cr_assert(!clast_tensor_wrap(CLAST_INT64, 0, NULL, NULL, (void *)&axis, &t, NULL));
	cr_assert(!clast_builder_constant(b, "axis", t, NULL));
	clast_tensor_free(&t);
	cr_assert(!clast_builder_node(b, "Softmax", "", "a", 1, (const char *[]){ "x" }, 1, (const char *[]){ "a" }, 0, NULL, NULL));
	cr_assert(!clast_builder_node(b, "CumSum", "", "b", 2, (const char *[]){ "a", "axis" }, 1, (const char *[]){ "b" }, 0, NULL, NULL));
	cr_assert(!clast_builder_node(b, "Softmax", "", "y", 1, (const char *[]){ "b" }, 1, (const char *[]){ "y" }, 0, NULL, NULL));
	cr_assert(!clast_builder_output(b, "y", NULL));
	cr_assert(!clast_builder_finish(&b, &m, NULL));
	return m;
}

/* From the plan to the answer, twice in one session. */
static clast_status run(clast_model *m, clast_diag *d)
{
	const clast_plan_options po = { .struct_size = sizeof po, .device = tested_device() };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 1 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *x = NULL;
	clast_status s = clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ 1, 3, 6, 6 }, NULL, &x, d);
	if (!s)
		s = clast_plan_create(m, &po, &plan, d);
	if (!s)
		s = clast_session_create(plan, &so, &session, d);
	for (int i = 0; !s && i < 2; i++) {
		clast_tensor *y = NULL;
		s = clast_session_run(session, 1, (const clast_tensor *const *)&x, 1, &y, d);
	}
	clast_session_free(&session);
	clast_plan_free(&plan);
	clast_tensor_free(&x);
	return s;
}

static void each_call_fails(const char *shared)
{
	static const char *const functions[] = { "clGetPlatformIDs",       "clGetDeviceIDs",      "clCreateContext",
		                                 "clCreateCommandQueue",   "clCreateBuffer",      "clCreateProgramWithSource",
		                                 "clBuildProgram",         "clCreateKernel",      "clSetKernelArg",
		                                 "clEnqueueNDRangeKernel", "clEnqueueWriteBuffer", "clEnqueueReadBuffer",
		                                 "clEnqueueMapBuffer",     "clEnqueueUnmapMemObject", "clFinish" };
	static const cl_int errors[] = { CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_DEVICE_NOT_AVAILABLE,
		                         CL_INVALID_COMMAND_QUEUE, -9999 };
	size_t failed = 0, errors_seen = 0;
	setenv("CLAST_OPENCL_SHARED", shared, 1);
	take_over();
	clast_model *m = network();
	for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
		for (long after = 0; after < 40; after += 1 + after / 4) {
			clast_diag d = { 0 };
			fault.function = functions[f];
			fault.after = after;
			fault.error = errors[(f + (size_t)after) % (sizeof errors / sizeof *errors)];
			fault.forever = after % 2;
			fault.failed = 0;
			const clast_status s = run(m, &d);
			if (!fault.failed)
				break; /* it is not called that often */
			failed++;
			errors_seen += s != CLAST_OK;
			cr_expect(s == CLAST_OK || s == CLAST_ERROR_DEVICE || s == CLAST_ERROR_MEMORY, "%s, call %ld: status %d", functions[f], after,
			          (int)s);
			cr_expect(s == CLAST_OK || d.message[0], "%s, call %ld: no message", functions[f], after);
			fault.function = NULL;
			memset(&d, 0, sizeof d);
			cr_assert_eq(run(m, &d), CLAST_OK, "after %s, call %ld: %s", functions[f], after, d.message);
		}
	clast_model_free(&m);
	cr_expect_gt(failed, 25);
	cr_expect_gt(errors_seen, 20);
}

Test(faults, any_call_of_a_driver_may_fail)
{
	each_call_fails("0");
}

Test(faults, any_call_may_fail_where_memory_is_shared)
{
	each_call_fails("1");
}

Test(faults, a_platform_without_devices_has_a_message)
{
	clast_diag d = { 0 };
	device *x = NULL;
	take_over();
	fault.function = "clGetDeviceIDs";
	fault.error = CL_DEVICE_NOT_FOUND;
	fault.forever = true;
	cr_expect_eq(device_open("opencl", &x, &d), CLAST_ERROR_DEVICE);
	cr_expect(strstr(d.message, "no device"), "%s", d.message);
}

#else

Test(faults, any_call_of_a_driver_may_fail)
{
	cr_skip_test("this build has no OpenCL");
}

#endif
