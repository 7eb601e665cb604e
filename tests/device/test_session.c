/* Whole runs on the device through the public API: the CPU's answer, whatever has to run where. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pair.h"

/* The networks are too small for a device to pay: here it is to compute what it can. */
static void take_all(void)
{
	setenv("CLAST_OPENCL_PLACEMENT", "all", 1);
}

TestSuite(sessions, .init = take_all, .timeout = 300);

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
/* ---- Times ---- */

typedef struct record {
	size_t kinds[4], bytes[4], outside, steps;
	uint64_t start; /* of the run */
	uint64_t last;
} record;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What is told of a run lies between its start and now, but for how well two clocks can be compared. */
static void note(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start, uint64_t end)
{
	record *r = context;
	r->kinds[what]++;
	r->bytes[what] += bytes;
	r->outside += end < start || start + 1000000 < r->start || end > now_ns() + 1000000;
	(void)step;
}

static void note_step(void *context, size_t step, uint64_t start, uint64_t end)
{
	record *r = context;
	(void)step, (void)start, (void)end;
	r->steps++;
}

Test(sessions, times_of_the_device_are_told_on_the_clock_of_the_host)
{
	const char *name = device_or_skip();
	clast_diag diag = { 0 };
	clast_model *m = make_model();
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *x = NULL;
	record r = { 0 };
	setenv("CLAST_OPENCL_SHARED", "0", 1); /* bytes are to be copied */
	const clast_plan_options po = { .struct_size = sizeof po, .device = name };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 1, .profile = note_step, .profile_context = &r,
		                           .activity = note, .activity_context = &r };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, &so, &session, &diag));
	OK(clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ 1, 5, 7, 9 }, NULL, &x, &diag));
	for (int i = 0; i < 2; i++) {
		clast_tensor *y = NULL;
		memset(&r, 0, sizeof r);
		r.start = now_ns();
		OK(clast_session_run(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
		cr_expect_eq(r.outside, 0);
		cr_expect_geq(r.kinds[CLAST_ACTIVITY_DEVICE], 2);
		cr_expect_geq(r.kinds[CLAST_ACTIVITY_CPU], 1);
		cr_expect_eq(r.steps, r.kinds[CLAST_ACTIVITY_DEVICE] + r.kinds[CLAST_ACTIVITY_CPU]);
		/* CumSum between two convolutions: its input down and its output up, the model's input up and its output down. */
		cr_expect_eq(r.bytes[CLAST_ACTIVITY_UPLOAD], 2 * 5 * 7 * 9 * sizeof(float));
		cr_expect_eq(r.bytes[CLAST_ACTIVITY_DOWNLOAD], 2 * 5 * 7 * 9 * sizeof(float));
	}
	clast_tensor_free(&x);
	clast_session_free(&session);
	clast_plan_free(&plan);
	clast_model_free(&m);
}

/* ---- Runs that nobody waits for ---- */

Test(sessions, the_device_runs_while_the_caller_does_not_wait)
{
	const char *name = device_or_skip();
	clast_diag diag = { 0 };
	clast_model *m = make_model();
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	const clast_plan_options po = { .struct_size = sizeof po, .device = name };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 1 };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, &so, &session, &diag));
	for (int i = 0; i < 4; i++) {
		const int64_t dims[4] = { 1, 5, 6 + i % 2, 9 };
		float now[400], later[400];
		clast_tensor *x = NULL, *y = NULL;
		rng r = { (uint64_t)i };
		OK(clast_tensor_create(CLAST_FLOAT32, 4, dims, NULL, &x, &diag));
		for (size_t k = 0; k < clast_tensor_count(x); k++)
			((float *)clast_tensor_data(x))[k] = rng_float(&r);
		OK(clast_session_run(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
		OK(clast_tensor_read(y, now, clast_tensor_count(y) * sizeof(float)));
		y = NULL;
		OK(clast_session_run_async(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
		OK(clast_session_wait(session, &diag));
		OK(clast_tensor_read(y, later, clast_tensor_count(y) * sizeof(float)));
		cr_expect_arr_eq(now, later, clast_tensor_count(y) * sizeof(float));
		y = NULL;
		OK(clast_session_run_async(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
		if (i < 3) {
			clast_session_cancel(session);
			const clast_status s = clast_session_wait(session, &diag);
			cr_expect(s == CLAST_OK || s == CLAST_ERROR_CANCELLED);
		} else {
			clast_session_free(&session); /* while it runs */
		}
		clast_tensor_free(&x);
	}
	clast_plan_free(&plan);
	clast_model_free(&m);
}
