/* The public interface from end to end, on models built by calls. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "clast/clast.h"

static float noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (float)(*state >> 8) / (1 << 23) - 1;
}

static clast_tensor *random_tensor(size_t rank, const int64_t *dims, uint32_t seed)
{
	clast_tensor *t;
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, rank, dims, NULL, &t, NULL), CLAST_OK);
	float *x = clast_tensor_data(t);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		x[i] = noise(&seed);
	return t;
}

static void constant(clast_builder *b, const char *name, size_t rank, const int64_t *dims, uint32_t seed)
{
	clast_diag d = { 0 };
	clast_tensor *t = random_tensor(rank, dims, seed);
	cr_assert_eq(clast_builder_constant(b, name, t, &d), CLAST_OK, "%s", d.message);
	clast_tensor_free(&t);
}

static void node(clast_builder *b, const char *op, const char *in0, const char *in1, const char *in2, const char *out,
                 size_t attrs, const clast_attribute *attr)
{
	const char *in[] = { in0, in1, in2 };
	clast_diag d = { 0 };
	const size_t n = in2 ? 3 : in1 ? 2 : 1;
	cr_assert_eq(clast_builder_node(b, op, "", out, n, in, 1, &out, attrs, attr, &d), CLAST_OK, "%s", d.message);
}

/* A small residual network with a squeeze-and-excite block, a concat, a split by slices and a head; H and W unknown. */
static clast_model *network(void)
{
	static const int64_t pads[] = { 1, 1, 1, 1 }, strides[] = { 2, 2 }, perm[] = { 0, 2, 3, 1 };
	const clast_attribute same[] = { { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 } };
	const clast_attribute halve[] = { { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 },
		                          { .name = "strides", .type = CLAST_ATTRIBUTE_INTS, .ints = strides, .count = 2 } };
	const clast_attribute channels[] = { { .name = "axis", .type = CLAST_ATTRIBUTE_INT, .i = 1 } };
	const clast_attribute last[] = { { .name = "perm", .type = CLAST_ATTRIBUTE_INTS, .ints = perm, .count = 4 } };
	const int64_t dims[] = { -1, 3, -1, -1 };
	const char *const names[] = { "n", NULL, "h", "w" };
	clast_builder *b;
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 4, dims, names, &d), CLAST_OK, "%s", d.message);
	constant(b, "w1", 4, (int64_t[]){ 12, 3, 3, 3 }, 1);
	constant(b, "b1", 1, (int64_t[]){ 12 }, 2);
	constant(b, "w2", 4, (int64_t[]){ 12, 12, 3, 3 }, 3);
	constant(b, "w3", 4, (int64_t[]){ 4, 12, 1, 1 }, 4);
	constant(b, "w4", 4, (int64_t[]){ 12, 4, 1, 1 }, 5);
	constant(b, "scale", 3, (int64_t[]){ 24, 1, 1 }, 6);
	node(b, "Conv", "x", "w1", "b1", "c1", 2, halve);
	node(b, "Relu", "c1", NULL, NULL, "r1", 0, NULL);
	node(b, "Conv", "r1", "w2", NULL, "c2", 1, same);
	node(b, "Add", "r1", "c2", NULL, "sum", 0, NULL);
	node(b, "GlobalAveragePool", "sum", NULL, NULL, "pool", 0, NULL);
	node(b, "Conv", "pool", "w3", NULL, "squeeze", 0, NULL);
	node(b, "Relu", "squeeze", NULL, NULL, "squeezed", 0, NULL);
	node(b, "Conv", "squeezed", "w4", NULL, "excite", 0, NULL);
	node(b, "Sigmoid", "excite", NULL, NULL, "gate", 0, NULL);
	node(b, "Mul", "sum", "gate", NULL, "gated", 0, NULL);
	node(b, "Concat", "gated", "r1", NULL, "cat", 1, channels);
	node(b, "Mul", "cat", "scale", NULL, "scaled", 0, NULL);
	node(b, "Transpose", "scaled", NULL, NULL, "y", 1, last);
	cr_assert_eq(clast_builder_output(b, "y", &d), CLAST_OK);
	cr_assert_eq(clast_builder_output(b, "gate", &d), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, &d), CLAST_OK, "%s", d.message);
	return m;
}

static clast_plan *plan_of(clast_model *m, const char *strategy, clast_precision precision)
{
	clast_plan *p;
	clast_diag d = { 0 };
	const clast_plan_options o = { .struct_size = sizeof o, .strategy = strategy, .precision = precision };
	cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
	return p;
}

static clast_session *session_of(clast_plan *p, size_t threads)
{
	clast_session *s;
	clast_diag d = { 0 };
	const clast_session_options o = { .struct_size = sizeof o, .threads = threads };
	cr_assert_eq(clast_session_create(p, &o, &s, &d), CLAST_OK, "%s", d.message);
	return s;
}

/* Row-major copy of output i. */
static float *answer(clast_session *s, const clast_tensor *x, size_t i, size_t *count)
{
	clast_tensor *out[2] = { NULL, NULL };
	clast_diag d = { 0 };
	cr_assert_eq(clast_session_run(s, 1, &x, 2, out, &d), CLAST_OK, "%s", d.message);
	*count = clast_tensor_count(out[i]);
	float *copy = malloc(*count * sizeof *copy);
	cr_assert_eq(clast_tensor_read(out[i], copy, *count * sizeof *copy), CLAST_OK);
	return copy;
}

Test(api, every_strategy_agrees_with_the_references_at_every_size)
{
	const char *const strategies[] = { "min", "random:0", "random:1", "random:2", "random:3", "random:4" };
	const int64_t sizes[][4] = { { 1, 3, 8, 8 }, { 2, 3, 17, 9 }, { 1, 3, 1, 1 }, { 3, 3, 5, 32 }, { 1, 3, 8, 8 } };
	clast_model *m = network();
	clast_plan *exact = plan_of(m, NULL, CLAST_PRECISION_REFERENCE);
	clast_session *reference = session_of(exact, 1);
	for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
		clast_plan *p = plan_of(m, strategies[k], CLAST_PRECISION_DEFAULT);
		clast_session *s = session_of(p, 2);
		clast_plan_report first = { .struct_size = sizeof first }, last = { .struct_size = sizeof last };
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			clast_tensor *x = random_tensor(4, sizes[i], 77 + (uint32_t)i);
			size_t n, expected;
			float *want = answer(reference, x, 0, &expected), *got = answer(s, x, 0, &n);
			cr_assert_eq(n, expected);
			float largest = 0;
			for (size_t e = 0; e < n; e++)
				largest = fmaxf(largest, fabsf(want[e]));
			for (size_t e = 0; e < n; e++)
				cr_assert(fabsf(want[e] - got[e]) <= 1e-5f * largest, "%s, size %zu, element %zu: %g, expected %g",
				          strategies[k], i, e, got[e], want[e]);
			free(want);
			free(got);
			clast_tensor_free(&x);
			cr_assert_eq(clast_plan_get_report(p, i ? &last : &first), CLAST_OK);
		}
		cr_assert_gt(first.packings, 0);
		cr_assert_eq(first.packings, last.packings, "weights were packed again for another size");
		clast_session_free(&s);
		clast_plan_free(&p);
	}
	clast_session_free(&reference);
	clast_plan_free(&exact);
	clast_model_free(&m);
}

Test(api, output_bits_depend_neither_on_threads_nor_on_the_run)
{
	clast_model *m = network();
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	clast_tensor *x = random_tensor(4, (int64_t[]){ 1, 3, 37, 41 }, 5);
	float *want = NULL;
	clast_model_free(&m); /* the plan keeps what it needs */
	for (size_t threads = 1; threads <= 8; threads++) {
		clast_session *s = session_of(p, threads);
		for (int k = 0; k < 3; k++) {
			size_t n;
			float *got = answer(s, x, 0, &n);
			if (!want)
				want = got;
			cr_assert_eq(memcmp(want, got, n * sizeof *got), 0, "%zu threads, run %d", threads, k);
			if (got != want)
				free(got);
		}
		clast_session_free(&s);
	}
	free(want);
	clast_tensor_free(&x);
	clast_plan_free(&p);
}

Test(api, inputs_and_outputs_may_be_the_callers_in_any_layout)
{
	clast_model *m = network();
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	clast_session *s = session_of(p, 1);
	const int64_t dims[] = { 1, 3, 6, 8 }, last[] = { 144, 1, 24, 3 };
	clast_tensor *x = random_tensor(4, dims, 9), *view, *y;
	float *moved = malloc(144 * sizeof *moved);
	const float *from = clast_tensor_data(x);
	for (int c = 0; c < 3; c++)
		for (int i = 0; i < 48; i++)
			moved[i * 3 + c] = from[c * 48 + i];
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 4, dims, last, moved, &view, NULL), CLAST_OK);
	size_t n;
	float *want = answer(s, x, 0, &n);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ 1, 3, 4, 24 }, NULL, &y, NULL), CLAST_OK);
	clast_tensor *out[] = { y };
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&view, 1, out, NULL), CLAST_OK);
	cr_assert_eq(out[0], y);
	cr_assert_eq(memcmp(clast_tensor_data(y), want, n * sizeof *want), 0);
	free(want);
	free(moved);
	clast_tensor_free(&x);
	clast_tensor_free(&view);
	clast_tensor_free(&y);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
}

static void *run_many(void *context)
{
	clast_session *s = session_of(context, 1);
	clast_tensor *x = random_tensor(4, (int64_t[]){ 1, 3, 11, 13 }, 3);
	float *first = NULL;
	for (int i = 0; i < 20; i++) {
		size_t n;
		float *got = answer(s, x, 0, &n);
		if (!first)
			first = got;
		cr_assert_eq(memcmp(first, got, n * sizeof *got), 0);
		if (got != first)
			free(got);
	}
	free(first);
	clast_tensor_free(&x);
	clast_session_free(&s);
	return NULL;
}

Test(api, sessions_run_side_by_side_on_one_plan)
{
	clast_model *m = network();
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_many, p), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	clast_plan_free(&p);
	clast_model_free(&m);
}

typedef struct seen {
	int values;
	bool relu;
} seen;

static void observe(void *context, const char *value, const clast_tensor *t)
{
	seen *s = context;
	s->values++;
	s->relu |= !strcmp(value, "r1") && clast_tensor_rank(t) == 4 && clast_tensor_dims(t)[1] == 12;
}

Test(api, an_observer_sees_every_value_under_its_name_and_shape)
{
	clast_model *m = network();
	clast_plan *p;
	clast_session *s;
	seen count = { 0 };
	const clast_plan_options po = { .struct_size = sizeof po, .keep_values = true };
	const clast_session_options so = { .struct_size = sizeof so, .observe = observe, .observe_context = &count };
	cr_assert_eq(clast_plan_create(m, &po, &p, NULL), CLAST_OK);
	cr_assert_eq(clast_session_create(p, &so, &s, NULL), CLAST_OK);
	clast_tensor *x = random_tensor(4, (int64_t[]){ 1, 3, 8, 8 }, 1), *out[2] = { NULL, NULL };
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 2, out, NULL), CLAST_OK);
	cr_assert_eq(count.values, 13);
	cr_assert(count.relu);
	clast_tensor_free(&x);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
}

static bool stop(void *context, double fraction)
{
	(void)fraction;
	return --*(int *)context > 0;
}

Test(api, a_run_can_be_cancelled_and_the_session_used_again)
{
	clast_model *m = network();
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	clast_session *s;
	int left = 3;
	const clast_session_options so = { .struct_size = sizeof so, .threads = 2, .progress = stop, .progress_context = &left };
	cr_assert_eq(clast_session_create(p, &so, &s, NULL), CLAST_OK);
	clast_tensor *x = random_tensor(4, (int64_t[]){ 1, 3, 8, 8 }, 1), *out[2] = { NULL, NULL };
	clast_diag d = { 0 };
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 2, out, &d), CLAST_ERROR_CANCELLED);
	left = 1000;
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 2, out, &d), CLAST_OK);
	clast_tensor_free(&x);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
}

Test(api, wrong_inputs_are_named)
{
	clast_model *m = network();
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	clast_session *s = session_of(p, 1);
	clast_tensor *x = random_tensor(4, (int64_t[]){ 1, 4, 8, 8 }, 1), *y, *out[2] = { NULL, NULL };
	clast_diag d = { 0 };
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, 2, out, &d), CLAST_ERROR_ARGUMENT);
	cr_assert(strstr(d.message, "\"x\"") && strstr(d.message, "[1,4,8,8]"), "%s", d.message);
	cr_assert_eq(clast_tensor_create(CLAST_INT32, 4, (int64_t[]){ 1, 3, 8, 8 }, NULL, &y, NULL), CLAST_OK);
	memset(&d, 0, sizeof d);
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&y, 2, out, &d), CLAST_ERROR_ARGUMENT);
	cr_assert(strstr(d.message, "float32") && strstr(d.message, "int32"), "%s", d.message);
	cr_assert_eq(clast_session_run(s, 0, NULL, 0, NULL, &d), CLAST_ERROR_ARGUMENT);
	cr_assert_eq(clast_session_run(NULL, 0, NULL, 0, NULL, NULL), CLAST_ERROR_ARGUMENT);
	clast_tensor_free(&x);
	clast_tensor_free(&y);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
}

Test(api, the_builder_says_what_is_wrong)
{
	clast_builder *b;
	clast_model *m = NULL;
	clast_diag d = { 0 };
	const char *in[] = { "x" }, *out[] = { "y" };
	cr_assert_eq(clast_builder_create(99, NULL, &b, &d), CLAST_ERROR_UNSUPPORTED);
	cr_assert_null(b);
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_node(b, "Relu", "", "r", 1, in, 1, out, 0, NULL, &d), CLAST_ERROR_MODEL);
	cr_assert(strstr(d.message, "\"x\""), "%s", d.message);
	cr_assert_neq(clast_builder_finish(&b, &m, &d), CLAST_OK);
	cr_assert_null(b);
	cr_assert_null(m);
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 1, (int64_t[]){ 3 }, NULL, &d), CLAST_OK);
	cr_assert_eq(clast_builder_node(b, "Gleep", "", "g", 1, in, 1, out, 0, NULL, &d), CLAST_ERROR_UNSUPPORTED);
	cr_assert(strstr(d.message, "Gleep"), "%s", d.message);
	clast_builder_free(&b);
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, &d), CLAST_ERROR_MODEL);
}

/* The extents of Expand are known in part ahead, the rest only once n is read. */
Test(session, shapes_computed_while_running)
{
	const int64_t one = 1;
	const clast_attribute axis = { .name = "axis", .type = CLAST_ATTRIBUTE_INT, .i = 0 };
	clast_builder *b;
	clast_model *m;
	clast_diag d = { 0 };
	clast_tensor *two, *in[2], *out;
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_builder_input(b, "n", CLAST_INT64, 1, &one, NULL, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 1, &one, NULL, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_tensor_create(CLAST_INT64, 1, &one, NULL, &two, &d), CLAST_OK);
	*(int64_t *)clast_tensor_data(two) = 2;
	cr_assert_eq(clast_builder_constant(b, "two", two, &d), CLAST_OK);
	clast_tensor_free(&two);
	node(b, "Concat", "n", "two", NULL, "dims", 1, &axis);
	node(b, "Expand", "x", "dims", NULL, "y", 0, NULL);
	cr_assert_eq(clast_builder_output(b, "y", &d), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, &d), CLAST_OK, "%s", d.message);
	clast_plan *p = plan_of(m, NULL, CLAST_PRECISION_DEFAULT);
	clast_session *s = session_of(p, 1);
	in[1] = random_tensor(1, &one, 3);
	cr_assert_eq(clast_tensor_create(CLAST_INT64, 1, &one, NULL, &in[0], &d), CLAST_OK);
	for (int64_t n = 3; n < 5; n++) {
		*(int64_t *)clast_tensor_data(in[0]) = n;
		float y[8] = { 0 };
		out = NULL;
		cr_assert_eq(clast_session_run(s, 2, (const clast_tensor *const *)in, 1, &out, &d), CLAST_OK, "%s", d.message);
		cr_assert_eq(clast_tensor_read(out, y, (size_t)n * 2 * sizeof *y), CLAST_OK);
		cr_assert_eq(y[n * 2 - 1], ((float *)clast_tensor_data(in[1]))[0]);
	}
	clast_tensor_free(&in[0]);
	clast_tensor_free(&in[1]);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
}
