/* What passes through bodies is handed on and not copied. */
#include <criterion/criterion.h>
#include <string.h>

#include "session.h"

#define IN(...) (sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), ((const char *[]){ __VA_ARGS__ })

static void add(clast_builder *b, const char *type, size_t n_in, const char *const *in, const char *out, const char *out2, size_t n_attrs,
                const clast_attribute *attrs)
{
	clast_diag d = { 0 };
	const char *const outs[] = { out, out2 };
	cr_assert_eq(clast_builder_node(b, type, "", NULL, n_in, in, out2 ? 2 : 1, outs, n_attrs, attrs, &d), CLAST_OK, "%s", d.message);
}

static void constant(clast_builder *b, const char *name, clast_dtype type, size_t rank, const int64_t *dims, double x)
{
	clast_tensor *t;
	cr_assert_eq(clast_tensor_create(type, rank, dims, NULL, &t, NULL), CLAST_OK);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		if (type == CLAST_INT64)
			((int64_t *)clast_tensor_data(t))[i] = (int64_t)x;
		else
			((float *)clast_tensor_data(t))[i] = (float)x;
	cr_assert_eq(clast_builder_constant(b, name, t, NULL), CLAST_OK);
	clast_tensor_free(&t);
}

static void input(clast_builder *b, const char *name, clast_dtype type, size_t rank, const int64_t *dims)
{
	cr_assert_eq(clast_builder_input(b, name, type, rank, dims, NULL, NULL), CLAST_OK);
}

static void output(clast_builder *b, const char *name)
{
	cr_assert_eq(clast_builder_output(b, name, NULL), CLAST_OK);
}

/* Three runs that carry an image on through a convolution and stack what they carry, in a branch. */
static clast_model *image_in_a_loop(void)
{
	static const int64_t image[] = { 1, 4, 5, 6 }, filters[] = { 4, 4, 1, 1 }, one[] = { 1 };
	clast_builder *b;
	clast_model *m;
	clast_diag d = { 0 };
	int64_t body, yes, no;
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK);
	input(b, "x", CLAST_FLOAT32, 4, image);
	input(b, "sign", CLAST_FLOAT32, 1, one);
	constant(b, "w", CLAST_FLOAT32, 4, filters, 0.25);
	constant(b, "trips", CLAST_INT64, 0, NULL, 3);
	constant(b, "zero", CLAST_FLOAT32, 0, NULL, 0);
	add(b, "Conv", IN("x", "w"), "a", NULL, 0, NULL);
	add(b, "Greater", IN("sign", "zero"), "c", NULL, 0, NULL);
	cr_assert_eq(clast_builder_begin_body(b, "yes", &d), CLAST_OK);
	cr_assert_eq(clast_builder_begin_body(b, "body", &d), CLAST_OK);
	input(b, "i", CLAST_INT64, 0, NULL);
	input(b, "going", CLAST_BOOL, 0, NULL);
	input(b, "v", CLAST_FLOAT32, 4, image);
	add(b, "Identity", IN("going"), "on", NULL, 0, NULL);
	add(b, "Conv", IN("v", "w"), "v1", NULL, 0, NULL);
	add(b, "Add", IN("v1", "a"), "v2", NULL, 0, NULL);
	add(b, "Neg", IN("v2"), "p", NULL, 0, NULL);
	output(b, "on");
	output(b, "v2");
	output(b, "p");
	cr_assert_eq(clast_builder_end_body(b, &body, &d), CLAST_OK, "%s", d.message);
	const clast_attribute of_loop = { .name = "body", .type = CLAST_ATTRIBUTE_GRAPH, .i = body };
	add(b, "Loop", IN("trips", "", "a"), "last", "all", 1, &of_loop);
	output(b, "last");
	output(b, "all");
	cr_assert_eq(clast_builder_end_body(b, &yes, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_builder_begin_body(b, "no", &d), CLAST_OK);
	add(b, "Relu", IN("a"), "r", NULL, 0, NULL);
	constant(b, "k", CLAST_FLOAT32, 5, (const int64_t[]){ 3, 1, 4, 5, 6 }, 1);
	output(b, "r");
	output(b, "k");
	cr_assert_eq(clast_builder_end_body(b, &no, &d), CLAST_OK, "%s", d.message);
	const clast_attribute of_if[] = { { .name = "then_branch", .type = CLAST_ATTRIBUTE_GRAPH, .i = yes },
		                          { .name = "else_branch", .type = CLAST_ATTRIBUTE_GRAPH, .i = no } };
	add(b, "If", IN("c"), "y", "stack", 2, of_if);
	add(b, "Conv", IN("y", "w"), "z", NULL, 0, NULL);
	output(b, "z");
	output(b, "stack");
	cr_assert_eq(clast_builder_finish(&b, &m, &d), CLAST_OK, "%s", d.message);
	return m;
}

/* x is all 1, and so is the convolution of what is equal everywhere: a = 1, v = 2, 3, 4. */
static void expect_answer(clast_session *s, clast_tensor *const *inputs, bool yes)
{
	clast_tensor *out[2] = { NULL, NULL };
	clast_diag d = { 0 };
	*(float *)clast_tensor_data(inputs[1]) = yes ? 1 : -1;
	cr_assert_eq(clast_session_run(s, 2, (const clast_tensor *const *)inputs, 2, out, &d), CLAST_OK, "%s", d.message);
	float z[120], stack[360];
	cr_assert_eq(clast_tensor_read(out[0], z, sizeof z), CLAST_OK);
	cr_assert_eq(clast_tensor_read(out[1], stack, sizeof stack), CLAST_OK);
	for (int i = 0; i < 120; i++)
		cr_expect_float_eq(z[i], yes ? 4 : 1, 1e-6);
	for (int i = 0; i < 360; i++)
		cr_expect_float_eq(stack[i], yes ? -(2 + i / 120) : 1, 1e-6);
}

Test(bodies, results_are_handed_on_with_their_memory)
{
	static const int64_t image[] = { 1, 4, 5, 6 }, one[] = { 1 };
	static const char *const strategies[] = { "min", "first", "last", "random:2" };
	clast_model *m = image_in_a_loop();
	clast_tensor *inputs[2];
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, image, NULL, &inputs[0], NULL), CLAST_OK);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 1, one, NULL, &inputs[1], NULL), CLAST_OK);
	for (size_t i = 0; i < 120; i++)
		((float *)clast_tensor_data(inputs[0]))[i] = 1;
	for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
		const clast_plan_options o = { .struct_size = sizeof o, .strategy = strategies[k] };
		clast_diag d = { 0 };
		clast_plan *p;
		clast_session *s;
		cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
		cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK);
		expect_answer(s, inputs, true);
		cr_expect_eq(s->handed_bytes, 0, "%s: %zu bytes copied", strategies[k], s->handed_bytes);
		expect_answer(s, inputs, false);
		expect_answer(s, inputs, true);
		clast_session_free(&s);
		clast_plan_free(&p);
	}
	for (int i = 0; i < 2; i++)
		clast_tensor_free(&inputs[i]);
	clast_model_free(&m);
}
