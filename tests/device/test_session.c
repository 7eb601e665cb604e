/* Whole runs on the device through the public API: the CPU's answer, whatever has to run where. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(sessions, .timeout = 300);

static const char *device_or_skip(void)
{
	clast_diag d = { 0 };
	const char *name = getenv("CLAST_TEST_DEVICE");
	if (!clast_device_count(&d))
		cr_skip_test("no OpenCL device to test on: %s", d.message);
	return name ? name : "opencl";
}

#define OK(call) cr_assert_eq((call), CLAST_OK, "%s", diag.message)

/* x -> Conv -> Relu -> CumSum (no kernel on a device) -> Conv -> (+ first result, Sigmoid) -> y; rows and columns open. */
static clast_model *make_model(void)
{
	clast_diag diag = { 0 };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	const int64_t x[4] = { 1, 5, -1, -1 }, w[4] = { 5, 5, 3, 3 }, pads[4] = { 1, 1, 1, 1 };
	const char *dims[4] = { NULL, NULL, "h", "w" };
	clast_tensor *weights = NULL, *axis = NULL;
	rng r = { 77 };
	OK(clast_tensor_create(CLAST_FLOAT32, 4, w, NULL, &weights, &diag));
	for (size_t i = 0; i < 225; i++)
		((float *)clast_tensor_data(weights))[i] = 0.2f * rng_float(&r);
	OK(clast_tensor_create(CLAST_INT64, 0, NULL, NULL, &axis, &diag));
	*(int64_t *)clast_tensor_data(axis) = 2;
	const clast_attribute padded = { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 };
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "x", CLAST_FLOAT32, 4, x, dims, &diag));
	OK(clast_builder_constant(b, "w", weights, &diag));
	OK(clast_builder_constant(b, "axis", axis, &diag));
	OK(clast_builder_node(b, "Conv", "", "first", 2, (const char *[]){ "x", "w" }, 1, (const char *[]){ "a" }, 1, &padded, &diag));
	OK(clast_builder_node(b, "Relu", "", "relu", 1, (const char *[]){ "a" }, 1, (const char *[]){ "b" }, 0, NULL, &diag));
	OK(clast_builder_node(b, "CumSum", "", "sum", 2, (const char *[]){ "b", "axis" }, 1, (const char *[]){ "c" }, 0, NULL, &diag));
	OK(clast_builder_node(b, "Conv", "", "second", 2, (const char *[]){ "c", "w" }, 1, (const char *[]){ "d" }, 1, &padded, &diag));
	OK(clast_builder_node(b, "Add", "", "add", 2, (const char *[]){ "d", "b" }, 1, (const char *[]){ "e" }, 0, NULL, &diag));
	OK(clast_builder_node(b, "Sigmoid", "", "gate", 1, (const char *[]){ "e" }, 1, (const char *[]){ "y" }, 0, NULL, &diag));
	OK(clast_builder_output(b, "y", &diag));
	OK(clast_builder_finish(&b, &m, &diag));
	clast_tensor_free(&weights);
	clast_tensor_free(&axis);
	return m;
}

typedef struct seen {
	size_t count;
	double sum;
} seen;

static void observe(void *context, const char *value, const clast_tensor *t)
{
	seen *s = context;
	(void)value;
	if (clast_tensor_dtype(t) != CLAST_FLOAT32)
		return;
	const size_t n = clast_tensor_count(t);
	float *copy = malloc(n * sizeof *copy + 1);
	cr_assert_eq(clast_tensor_read(t, copy, n * sizeof *copy), CLAST_OK);
	for (size_t i = 0; i < n; i++)
		s->sum += (double)copy[i];
	s->count++;
	free(copy);
}

/* Runs at several sizes, the first one twice, and appends the results. */
static size_t run_sizes(clast_model *m, const char *device_name_, seen *s, float *out)
{
	static const int64_t sizes[][2] = { { 7, 9 }, { 12, 4 }, { 7, 9 }, { 1, 1 } };
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	size_t at = 0;
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_name_, .keep_values = s != NULL };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 2, .observe = s ? observe : NULL, .observe_context = s };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, &so, &session, &diag));
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		rng r = { 5 + (uint64_t)sizes[k][0] };
		const int64_t dims[4] = { 1, 5, sizes[k][0], sizes[k][1] };
		clast_tensor *x = NULL, *y = NULL;
		OK(clast_tensor_create(CLAST_FLOAT32, 4, dims, NULL, &x, &diag));
		for (size_t i = 0; i < clast_tensor_count(x); i++)
			((float *)clast_tensor_data(x))[i] = rng_float(&r);
		OK(clast_session_run(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
		OK(clast_tensor_read(y, out + at, clast_tensor_count(y) * sizeof(float)));
		at += clast_tensor_count(y);
		clast_tensor_free(&x);
	}
	clast_session_free(&session);
	clast_plan_free(&plan);
	return at;
}

Test(sessions, the_device_gives_the_answer_of_the_cpu_at_every_size)
{
	const char *name = device_or_skip();
	static float a[4096], b[4096];
	clast_model *m = make_model();
	const size_t n = run_sizes(m, "cpu", NULL, a);
	cr_assert_eq(run_sizes(m, name, NULL, b), n);
	for (size_t i = 0; i < n; i++)
		cr_assert_float_eq(a[i], b[i], 1e-5f, "element %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
	clast_model_free(&m);
}

Test(sessions, observers_see_every_value_of_the_device)
{
	const char *name = device_or_skip();
	static float out[4096];
	seen a = { 0 }, b = { 0 };
	clast_model *m = make_model();
	run_sizes(m, "cpu", &a, out);
	run_sizes(m, name, &b, out);
	cr_expect_eq(a.count, b.count);
	cr_expect_float_eq(a.sum, b.sum, 1e-3 * fabs(a.sum) + 1e-3);
	clast_model_free(&m);
}

Test(sessions, steps_on_either_side_are_counted)
{
	const char *name = device_or_skip();
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_model *m = make_model();
	const clast_plan_options po = { .struct_size = sizeof po, .device = name };
	clast_plan_report report = { .struct_size = sizeof report };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_plan_get_report(plan, &report));
	cr_expect_geq(report.device_steps, 2);
	cr_expect_eq(report.cpu_steps, 1); /* CumSum */
	clast_plan_free(&plan);
	clast_model_free(&m);
}
