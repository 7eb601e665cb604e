/* Loop and If whose bodies run on the device: the CPU's answer, at several sizes and branches, with captured values and views. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(bodies, .timeout = 600);

#define OK(call) cr_assert_eq((call), CLAST_OK, "%s", diag.message)

static void constant(clast_builder *b, const char *name, clast_dtype type, size_t rank, const int64_t *dims, void *data)
{
	clast_diag diag = { 0 };
	clast_tensor *t = NULL;
	OK(clast_tensor_wrap(type, rank, dims, NULL, data, &t, &diag));
	OK(clast_builder_constant(b, name, t, &diag));
	clast_tensor_free(&t);
}

static void node(clast_builder *b, const char *op, const char *in0, const char *in1, const char *out, size_t attrs, const clast_attribute *a)
{
	clast_diag diag = { 0 };
	const char *in[] = { in0, in1 };
	OK(clast_builder_node(b, op, "", out, in1 ? 2 : 1, in, 1, &out, attrs, a, &diag));
}

/* A branch of an If on a value of the Loop's body: softmax(v) * w, or tanh(v) + w, w captured from the outermost graph. */
static int64_t branch(clast_builder *b, int which)
{
	clast_diag diag = { 0 };
	int64_t body;
	const char *const inner[] = { "i0", "i1" }, *const out[] = { "o0", "o1" };
	OK(clast_builder_begin_body(b, which ? "tanh" : "softmax", &diag));
	node(b, which ? "Tanh" : "Softmax", "v", NULL, inner[which], 0, NULL);
	node(b, which ? "Add" : "Mul", inner[which], "w", out[which], 0, NULL);
	OK(clast_builder_output(b, out[which], &diag));
	OK(clast_builder_end_body(b, &body, &diag));
	return body;
}

/* for i in 0 .. n: v = MatMul(state, m); state = sum(v) > 0 ? softmax(v) * w : tanh(v) + w; scan row 0 of state. w = sigmoid(x). */
static clast_model *network(void)
{
	clast_diag diag = { 0 };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	int64_t body;
	static float matrix[64], zero = 0;
	static int64_t start = 0, end = 1, axis = 0;
	rng r = { 3 };
	for (int i = 0; i < 64; i++)
		matrix[i] = rng_float(&r);
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "x", CLAST_FLOAT32, 2, (int64_t[]){ -1, 8 }, (const char *[]){ "n", NULL }, &diag));
	OK(clast_builder_input(b, "rounds", CLAST_INT64, 0, NULL, NULL, &diag));
	constant(b, "m", CLAST_FLOAT32, 2, (int64_t[]){ 8, 8 }, matrix);
	constant(b, "zero", CLAST_FLOAT32, 0, NULL, &zero);
	constant(b, "start", CLAST_INT64, 1, (int64_t[]){ 1 }, &start);
	constant(b, "end", CLAST_INT64, 1, (int64_t[]){ 1 }, &end);
	constant(b, "axis", CLAST_INT64, 1, (int64_t[]){ 1 }, &axis);
	node(b, "Sigmoid", "x", NULL, "w", 0, NULL);
	OK(clast_builder_begin_body(b, "round", &diag));
	OK(clast_builder_input(b, "i", CLAST_INT64, 0, NULL, NULL, &diag));
	OK(clast_builder_input(b, "go", CLAST_BOOL, 0, NULL, NULL, &diag));
	OK(clast_builder_input(b, "state", CLAST_FLOAT32, 2, (int64_t[]){ -1, 8 }, (const char *[]){ "n", NULL }, &diag));
	node(b, "MatMul", "state", "m", "v", 0, NULL);
	const clast_attribute flat = { .name = "keepdims", .type = CLAST_ATTRIBUTE_INT, .i = 0 };
	node(b, "ReduceSum", "v", NULL, "sum", 1, &flat);
	node(b, "Greater", "sum", "zero", "positive", 0, NULL);
	const int64_t then_body = branch(b, 0), else_body = branch(b, 1);
	const clast_attribute branches[] = { { .name = "then_branch", .type = CLAST_ATTRIBUTE_GRAPH, .i = then_body },
		                             { .name = "else_branch", .type = CLAST_ATTRIBUTE_GRAPH, .i = else_body } };
	node(b, "If", "positive", NULL, "next", 2, branches);
	node(b, "Identity", "go", NULL, "still", 0, NULL);
	OK(clast_builder_node(b, "Slice", "", "row", 4, (const char *[]){ "next", "start", "end", "axis" }, 1, (const char *[]){ "row" }, 0, NULL,
	                      &diag));
	OK(clast_builder_output(b, "still", &diag));
	OK(clast_builder_output(b, "next", &diag));
	OK(clast_builder_output(b, "row", &diag));
	OK(clast_builder_end_body(b, &body, &diag));
	const clast_attribute loop = { .name = "body", .type = CLAST_ATTRIBUTE_GRAPH, .i = body };
	OK(clast_builder_node(b, "Loop", "", "loop", 3, (const char *[]){ "rounds", "", "w" }, 2, (const char *[]){ "last", "rows" }, 1, &loop, &diag));
	node(b, "Softmax", "last", NULL, "y", 0, NULL);
	OK(clast_builder_output(b, "y", &diag));
	OK(clast_builder_output(b, "rows", &diag));
	OK(clast_builder_finish(&b, &m, &diag));
	return m;
}

static void count(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start, uint64_t end)
{
	(void)step, (void)bytes, (void)start, (void)end;
	*(size_t *)context += what == CLAST_ACTIVITY_DEVICE;
}

static size_t run(clast_model *m, const char *device_, float *out, size_t *launches)
{
	static const int64_t sizes[][2] = { { 3, 4 }, { 5, 1 }, { 1, 6 }, { 3, 4 } };
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	size_t at = 0;
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_ };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 2, .activity = count, .activity_context = launches };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, &so, &session, &diag));
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		clast_tensor *in[2] = { NULL }, *y[2] = { NULL };
		rng r = { k };
		OK(clast_tensor_create(CLAST_FLOAT32, 2, (int64_t[]){ sizes[k][0], 8 }, NULL, &in[0], &diag));
		OK(clast_tensor_create(CLAST_INT64, 0, NULL, NULL, &in[1], &diag));
		for (size_t i = 0; i < clast_tensor_count(in[0]); i++)
			((float *)clast_tensor_data(in[0]))[i] = rng_float(&r);
		*(int64_t *)clast_tensor_data(in[1]) = sizes[k][1];
		OK(clast_session_run(session, 2, (const clast_tensor *const *)in, 2, y, &diag));
		for (int i = 0; i < 2; i++) {
			OK(clast_tensor_read(y[i], out + at, clast_tensor_count(y[i]) * sizeof(float)));
			at += clast_tensor_count(y[i]);
			clast_tensor_free(&in[i]);
		}
	}
	clast_session_free(&session);
	clast_plan_free(&plan);
	return at;
}

static void compare(const char *shared, const char *placement, size_t fewest)
{
	const char *name = device_or_skip();
	static float a[2000], b[2000];
	size_t none = 0, launches = 0;
	setenv("CLAST_OPENCL_SHARED", shared, 1);
	setenv("CLAST_OPENCL_PLACEMENT", placement, 1);
	clast_model *m = network();
	const size_t n = run(m, "cpu", a, &none);
	cr_assert_eq(run(m, name, b, &launches), n);
	for (size_t i = 0; i < n; i++)
		cr_assert(fabs((double)a[i] - b[i]) <= 1e-5, "element %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
	cr_expect_eq(none, 0);
	cr_expect_geq(launches, fewest, "%zu launches", launches);
	clast_model_free(&m);
}

/* 15 rounds of at least two steps each. */
Test(bodies, run_on_the_device)
{
	compare("0", "all", 30);
}

Test(bodies, run_on_a_device_that_shares_memory)
{
	compare("1", "all", 30);
}

Test(bodies, are_placed_by_what_they_cost)
{
	compare("0", "", 0);
}
