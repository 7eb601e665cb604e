/* What runs allocate: nothing, once they have run. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "clast/clast.h"

typedef struct counter {
	size_t calls, live_bytes;
} counter;

static void *count_allocate(void *context, size_t bytes, size_t alignment)
{
	counter *c = context;
	void *p;
	c->calls++;
	c->live_bytes += bytes;
	return posix_memalign(&p, alignment, bytes) ? NULL : p;
}

static void count_release(void *context, void *memory, size_t bytes)
{
	((counter *)context)->live_bytes -= bytes;
	free(memory);
}

static void constant(clast_builder *b, const char *name, size_t rank, const int64_t *dims)
{
	clast_tensor *t;
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, rank, dims, NULL, &t, NULL), CLAST_OK);
	float *x = clast_tensor_data(t);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		x[i] = (float)(i % 7) - 2.5f;
	cr_assert_eq(clast_builder_constant(b, name, t, NULL), CLAST_OK);
	clast_tensor_free(&t);
}

static void node(clast_builder *b, const char *op, size_t n, const char *const *in, const char *out, size_t attrs,
                 const clast_attribute *attr)
{
	clast_diag d = { 0 };
	cr_assert_eq(clast_builder_node(b, op, "", out, n, in, 1, &out, attrs, attr, &d), CLAST_OK, "%s", d.message);
}

#define NODE(b, op, out, ...) node(b, op, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[]){ __VA_ARGS__ }, out, 0, NULL)

static clast_builder *begin(int64_t batch)
{
	const int64_t dims[] = { batch, 8, 10, 10 };
	clast_builder *b;
	cr_assert_eq(clast_builder_create(17, NULL, &b, NULL), CLAST_OK);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 4, dims, NULL, NULL), CLAST_OK);
	return b;
}

/* Convolution, elementwise, a reference in the middle (CumSum), a transposed output. */
static clast_model *known_shapes(int64_t batch)
{
	const int64_t axis = 1, perm[] = { 0, 2, 3, 1 };
	const clast_attribute last[] = { { .name = "perm", .type = CLAST_ATTRIBUTE_INTS, .ints = perm, .count = 4 } };
	clast_builder *b = begin(batch);
	clast_tensor *t;
	clast_model *m;
	cr_assert_eq(clast_tensor_wrap(CLAST_INT64, 0, NULL, NULL, (void *)&axis, &t, NULL), CLAST_OK);
	cr_assert_eq(clast_builder_constant(b, "axis", t, NULL), CLAST_OK);
	clast_tensor_free(&t);
	constant(b, "w", 4, (int64_t[]){ 16, 8, 3, 3 });
	NODE(b, "Conv", "c", "x", "w");
	NODE(b, "Relu", "r", "c");
	NODE(b, "CumSum", "s", "r", "axis");
	NODE(b, "Add", "sum", "s", "r");
	node(b, "Transpose", 1, (const char *[]){ "sum" }, "y", 1, last);
	cr_assert_eq(clast_builder_output(b, "y", NULL), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, NULL), CLAST_OK);
	return m;
}

/* Shapes that depend on the data: the positive elements, their sum and their products with a constant. */
static clast_model *shapes_of_data(int64_t batch)
{
	clast_builder *b = begin(batch);
	clast_model *m;
	constant(b, "two", 0, NULL);
	NODE(b, "Relu", "r", "x");
	NODE(b, "NonZero", "at", "r");
	NODE(b, "Transpose", "rows", "at");
	NODE(b, "GatherND", "kept", "x", "rows");
	NODE(b, "Mul", "y", "kept", "two");
	cr_assert_eq(clast_builder_output(b, "y", NULL), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, NULL), CLAST_OK);
	return m;
}

static void expect_no_allocations(clast_model *m, size_t threads, int64_t batch)
{
	counter c = { 0 };
	const clast_allocator own = { count_allocate, count_release, &c };
	const clast_session_options so = { .struct_size = sizeof so, .threads = threads, .allocator = &own };
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *x, *y = NULL;
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, &so, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ batch, 8, 10, 10 }, NULL, &x, NULL), CLAST_OK);
	float *data = clast_tensor_data(x);
	for (size_t i = 0; i < clast_tensor_count(x); i++)
		data[i] = (float)(i % 5) - 2;
	for (int i = 0; i < 2; i++, y = NULL) /* buffers for an output's copy come with the first run that needs one */
		cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 1, &y, &d), CLAST_OK, "%s", d.message);
	const counter before = c;
	cr_assert(before.calls);
	for (int i = 0; i < 10; i++, y = NULL)
		cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 1, &y, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(c.calls, before.calls, "%zu allocations in ten runs", c.calls - before.calls);
	cr_assert_eq(c.live_bytes, before.live_bytes);

	clast_tensor_free(&x);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
	cr_assert_eq(c.live_bytes, 0);
}

Test(memory, a_run_after_the_first_allocates_nothing)
{
	for (size_t threads = 1; threads <= 3; threads++) {
		expect_no_allocations(known_shapes(1), threads, 1);
		expect_no_allocations(known_shapes(-1), threads, 2);
	}
}

Test(memory, runs_with_shapes_that_depend_on_data_use_the_same_memory_again)
{
	expect_no_allocations(shapes_of_data(1), 1, 1);
	expect_no_allocations(shapes_of_data(-1), 2, 3);
}

/* A convolution that a normalisation follows, wide enough for Winograd tiles. */
static clast_model *normalised(bool low_memory)
{
	enum { CHANNELS = 64 };
	static const int64_t pads[] = { 1, 1, 1, 1 }, dims[] = { 1, CHANNELS, 16, 16 };
	const clast_attribute same = { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 };
	const clast_model_options o = { .struct_size = sizeof o, .low_memory = low_memory };
	clast_builder *b;
	clast_model *m;
	clast_tensor *t;
	float ones[CHANNELS];
	for (size_t i = 0; i < CHANNELS; i++)
		ones[i] = 1 + (float)(i % 8) / 8;
	cr_assert_eq(clast_builder_create(17, &o, &b, NULL), CLAST_OK);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 4, dims, NULL, NULL), CLAST_OK);
	constant(b, "w", 4, (int64_t[]){ CHANNELS, CHANNELS, 3, 3 });
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 1, (int64_t[]){ CHANNELS }, NULL, ones, &t, NULL), CLAST_OK);
	cr_assert_eq(clast_builder_constant(b, "k", t, NULL), CLAST_OK);
	clast_tensor_free(&t);
	node(b, "Conv", 2, (const char *[]){ "x", "w" }, "c", 1, &same);
	NODE(b, "BatchNormalization", "n", "c", "k", "k", "k", "k");
	NODE(b, "Relu", "y", "n");
	cr_assert_eq(clast_builder_output(b, "y", NULL), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, NULL), CLAST_OK);
	return m;
}

Test(memory, low_memory_packs_no_more_than_the_weights)
{
	enum { COUNT = 64 * 256 };
	static float answers[2][COUNT], x[COUNT];
	clast_plan_report report[2];
	for (size_t i = 0; i < COUNT; i++)
		x[i] = (float)(i % 11) / 8 - 0.5f;
	for (int low = 0; low < 2; low++) {
		clast_model *m = normalised(low);
		clast_plan *p;
		clast_session *s;
		clast_tensor *in, *out = NULL;
		cr_assert_eq(clast_plan_create(m, NULL, &p, NULL), CLAST_OK);
		cr_assert_eq(clast_session_create(p, NULL, &s, NULL), CLAST_OK);
		cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 4, (int64_t[]){ 1, 64, 16, 16 }, NULL, x, &in, NULL), CLAST_OK);
		cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&in, 1, &out, NULL), CLAST_OK);
		cr_assert_eq(clast_tensor_read(out, answers[low], sizeof answers[low]), CLAST_OK);
		report[low].struct_size = sizeof report[low];
		cr_assert_eq(clast_plan_get_report(p, &report[low]), CLAST_OK);
		clast_tensor_free(&in);
		clast_session_free(&s);
		clast_plan_free(&p);
		clast_model_free(&m);
	}
	cr_assert_leq(report[1].weights_bytes, 64 * (64 * 9 + 1) * sizeof(float));
	cr_assert_lt(report[1].weights_bytes, report[0].weights_bytes);
	for (size_t i = 0; i < COUNT; i++)
		cr_assert_float_eq(answers[0][i], answers[1][i], 1e-3f, "%zu: %g %g", i, (double)answers[0][i], (double)answers[1][i]);
}
