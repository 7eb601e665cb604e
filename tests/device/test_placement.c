/* Where steps run: the placement is proved to be the best, its copies are those of a run, and the answer is the CPU's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(placement, .timeout = 600);

#define OK(call) cr_assert_eq((call), CLAST_OK, "%s", diag.message)

static void add_axis(clast_builder *b)
{
	const int64_t axis = 1;
	clast_diag diag = { 0 };
	clast_tensor *t = NULL;
	OK(clast_tensor_wrap(CLAST_INT64, 0, NULL, NULL, (void *)&axis, &t, &diag));
	OK(clast_builder_constant(b, "axis", t, &diag));
	clast_tensor_free(&t);
}

/* Nodes on [rows, 8] in any order: CumSum, which no device computes, MatMul of a value with itself turned, sums and functions. */
static clast_model *random_model(rng *r, size_t rows, size_t nodes)
{
	static const char *const functions[] = { "Tanh", "Sigmoid", "Abs" };
	clast_diag diag = { 0 };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	const int64_t dims[2] = { (int64_t)rows, 8 };
	char name[40][24];
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "v0", CLAST_FLOAT32, 2, dims, NULL, &diag));
	OK(clast_builder_input(b, "v1", CLAST_FLOAT32, 2, dims, NULL, &diag));
	add_axis(b);
	for (size_t i = 0; i < nodes + 2; i++)
		snprintf(name[i], sizeof name[i], "v%zu", i);
	for (size_t i = 2; i < nodes + 2; i++) {
		const size_t from = i - 1 - rng_range(r, 0, i > 4 ? 3 : 1), other = rng_range(r, 0, i - 1), kind = rng_range(r, 0, 9);
		const char *sum[] = { name[from], "axis" }, *two[] = { name[from], name[other] }, *out[] = { name[i] };
		if (kind < 3)
			OK(clast_builder_node(b, "CumSum", "", name[i], 2, sum, 1, out, 0, NULL, &diag));
		else if (kind < 6)
			OK(clast_builder_node(b, "Softmax", "", name[i], 1, two, 1, out, 0, NULL, &diag));
		else if (kind < 8)
			OK(clast_builder_node(b, "Add", "", name[i], 2, two, 1, out, 0, NULL, &diag));
		else
			OK(clast_builder_node(b, functions[kind % 3], "", name[i], 1, two, 1, out, 0, NULL, &diag));
	}
	OK(clast_builder_output(b, name[nodes + 1], &diag));
	OK(clast_builder_output(b, name[nodes], &diag));
	OK(clast_builder_finish(&b, &m, &diag));
	return m;
}

typedef struct moved {
	size_t count, bytes;
} moved;

static void note(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start, uint64_t end)
{
	moved *x = context;
	(void)step, (void)start, (void)end;
	if (what == CLAST_ACTIVITY_UPLOAD || what == CLAST_ACTIVITY_DOWNLOAD)
		x->bytes += bytes;
}

static void run(clast_model *m, const char *device_, size_t rows, float *out, moved *counted, clast_plan_report *report)
{
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *x[2] = { NULL }, *y[2] = { NULL };
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_ };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 1, .activity = note, .activity_context = counted };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, &so, &session, &diag));
	for (int i = 0; i < 2; i++) {
		rng r = { (uint64_t)i };
		OK(clast_tensor_create(CLAST_FLOAT32, 2, (int64_t[]){ (int64_t)rows, 8 }, NULL, &x[i], &diag));
		for (size_t k = 0; k < rows * 8; k++)
			((float *)clast_tensor_data(x[i]))[k] = 0.5f * rng_float(&r);
	}
	OK(clast_session_run(session, 2, (const clast_tensor *const *)x, 2, y, &diag));
	for (int i = 0; i < 2; i++) {
		OK(clast_tensor_read(y[i], out + (size_t)i * rows * 8, rows * 8 * sizeof(float)));
		clast_tensor_free(&x[i]);
	}
	report->struct_size = sizeof *report;
	OK(clast_plan_get_report(plan, report));
	clast_session_free(&session);
	clast_plan_free(&plan);
}

static void random_networks(const char *shared)
{
	const char *name = device_or_skip();
	rng r = { 5 };
	size_t sent_back = 0;
	setenv("CLAST_OPENCL_SHARED", shared, 1);
	for (int k = 0; k < 24; k++) {
		const size_t rows = k % 3 ? rng_range(&r, 1, 40) : rng_range(&r, 20000, 40000), n = rows * 16;
		clast_model *m = random_model(&r, rows, rng_range(&r, 1, 24));
		float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
		clast_plan_report cpu, there;
		moved none = { 0 }, counted = { 0 };
		run(m, "cpu", rows, a, &none, &cpu);
		run(m, name, rows, b, &counted, &there);
		cr_expect_eq(none.bytes, 0);
		cr_expect_eq(counted.bytes, there.device_copy_bytes, "network %d: %zu bytes were copied, %zu reported", k, counted.bytes,
		             there.device_copy_bytes);
		for (size_t i = 0; i < n; i++) {
			const double scale = fmax(1, fabs((double)a[i]));
			cr_assert(fabs((double)a[i] - b[i]) <= 1e-4 * scale || (isnan(a[i]) && isnan(b[i])), "network %d, element %zu: %g and %g",
			          k, i, (double)a[i], (double)b[i]);
		}
		cr_expect_gt(there.placement_cost, 0);
		cr_expect_eq(there.placement_cost, there.placement_bound);
		sent_back += there.cpu_steps > 0;
		free(a);
		free(b);
		clast_model_free(&m);
	}
	cr_expect_gt(sent_back, 10);
}

Test(placement, of_random_networks_is_proved_and_its_copies_are_those_of_a_run)
{
	random_networks("0");
}

Test(placement, holds_where_memory_is_shared)
{
	random_networks("1");
}

/* x -> CumSum -> Softmax -> CumSum -> y */
static const char *place_between(const char *device_, int64_t rows, const char **reason)
{
	static char place[16], text[200];
	clast_diag diag = { 0 };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	clast_plan *plan = NULL;
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_ };
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "x", CLAST_FLOAT32, 2, (int64_t[]){ rows, 64 }, NULL, &diag));
	add_axis(b);
	OK(clast_builder_node(b, "CumSum", "", "before", 2, (const char *[]){ "x", "axis" }, 1, (const char *[]){ "a" }, 0, NULL, &diag));
	OK(clast_builder_node(b, "Softmax", "", "between", 1, (const char *[]){ "a" }, 1, (const char *[]){ "b" }, 0, NULL, &diag));
	OK(clast_builder_node(b, "CumSum", "", "after", 2, (const char *[]){ "b", "axis" }, 1, (const char *[]){ "y" }, 0, NULL, &diag));
	OK(clast_builder_output(b, "y", &diag));
	OK(clast_builder_finish(&b, &m, &diag));
	OK(clast_plan_create(m, &po, &plan, &diag));
	for (size_t i = 0; i < clast_plan_step_count(plan); i++) {
		clast_step_info s = { .struct_size = sizeof s };
		OK(clast_plan_step(plan, i, &s));
		if (!strcmp(s.node, "between")) {
			snprintf(place, sizeof place, "%s", s.place);
			snprintf(text, sizeof text, "%s", s.place_reason);
		} else {
			cr_expect_str_eq(s.place, *device_ == 'c' ? "" : "cpu");
		}
	}
	clast_plan_free(&plan);
	clast_model_free(&m);
	*reason = text;
	return place;
}

Test(placement, a_small_step_between_two_of_the_cpu_stays_there)
{
	const char *name = device_or_skip(), *reason;
	setenv("CLAST_OPENCL_SHARED", "0", 1);
	cr_expect_str_eq(place_between(name, 2, &reason), "cpu");
	cr_expect(strstr(reason, "longer"), "%s", reason);
	cr_expect_str_eq(place_between(name, 2, &reason), "cpu");
	cr_expect_str_eq(place_between("cpu", 2, &reason), "");
}
