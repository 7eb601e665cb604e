/* A chain of nodes gives the same answer whether passes may rewrite it or not: they may not where what lies between is an output too. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "clast/clast.h"

#define MAX_NODES 12

typedef struct step {
	const char *op;
	const char *in[3];
	clast_attribute attr[3];
} step;

typedef struct chain {
	const char *name;
	int64_t x[4];
	struct {
		const char *name;
		size_t rank;
		int64_t dims[4];
		bool integer;
		int64_t ints[8];
		float value; /* 0: different ones */
	} constant[8];
	step steps[MAX_NODES]; /* step i makes "t<i>" */
	size_t fewest;         /* steps of the plan at most, conversions apart */
} chain;

#define INTS_ATTR(n, ...)                                                                                                          \
	{ .name = n, .type = CLAST_ATTRIBUTE_INTS, .ints = (int64_t[]){ __VA_ARGS__ },                                             \
	  .count = sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t) }

static const chain chains[] = {
	{ "layer normalisation", { 1, 2, 5, 12 },
	  { { "two", 0, { 0 }, false, { 0 }, 2 }, { "e", 0, { 0 }, false, { 0 }, 0.25f }, { "g", 1, { 12 } }, { "b", 1, { 12 } } },
	  { { "ReduceMean", { "x" }, { INTS_ATTR("axes", -1) } }, { "Sub", { "x", "t0" } }, { "Pow", { "t1", "two" } },
	    { "ReduceMean", { "t2" }, { INTS_ATTR("axes", -1) } }, { "Add", { "t3", "e" } }, { "Sqrt", { "t4" } }, { "Div", { "t1", "t5" } },
	    { "Mul", { "t6", "g" } }, { "Add", { "t7", "b" } } },
	  1 },
	{ "normalisation of two axes without scale", { 2, 3, 5, 4 },
	  { { "e", 0, { 0 }, false, { 0 }, 0.25f } },
	  { { "ReduceMean", { "x" }, { INTS_ATTR("axes", 2, 3) } }, { "Sub", { "x", "t0" } }, { "Mul", { "t1", "t1" } },
	    { "ReduceMean", { "t2" }, { INTS_ATTR("axes", 2, 3) } }, { "Add", { "e", "t3" } }, { "Sqrt", { "t4" } }, { "Div", { "t1", "t5" } } },
	  1 },
	{ "convolution and channel arithmetic", { 1, 4, 6, 5 },
	  { { "w", 4, { 3, 4, 3, 3 } }, { "c", 3, { 3, 1, 1 } }, { "k", 0, { 0 }, false, { 0 }, 3 }, { "d", 4, { 1, 3, 1, 1 } } },
	  { { "Conv", { "x", "w" } }, { "Mul", { "t0", "c" } }, { "Sub", { "c", "t1" } }, { "Div", { "t2", "k" } }, { "Add", { "d", "t3" } } },
	  1 },
	{ "transposed convolution and sums", { 1, 4, 6, 5 },
	  { { "w", 4, { 4, 3, 2, 2 } }, { "c", 3, { 3, 1, 1 } } },
	  { { "ConvTranspose", { "x", "w" } }, { "Add", { "t0", "c" } }, { "Mul", { "c", "t1" } } },
	  1 },
	{ "zeros before an average", { 1, 4, 6, 5 },
	  { { "p", 1, { 8 }, true, { 0, 0, 1, 0, 0, 0, 1, 2 } } },
	  { { "Pad", { "x", "p" } }, { "AveragePool", { "t0" }, { INTS_ATTR("kernel_shape", 3, 3) } } },
	  1 },
	{ "zeros before a convolution", { 1, 4, 6, 5 },
	  { { "p", 1, { 8 }, true, { 0, 0, 1, 0, 0, 0, 1, 2 } }, { "w", 4, { 3, 4, 3, 3 } } },
	  { { "Pad", { "x", "p" } }, { "Conv", { "t0", "w" }, { INTS_ATTR("pads", 1, 0, 0, 1) } } },
	  1 },
	{ "zeros before a maximum stay", { 1, 4, 6, 5 },
	  { { "p", 1, { 8 }, true, { 0, 0, 1, 0, 0, 0, 1, 2 } } },
	  { { "Abs", { "x" } }, { "Neg", { "t0" } }, { "Pad", { "t1", "p" } }, { "MaxPool", { "t2" }, { INTS_ATTR("kernel_shape", 3, 3) } } },
	  3 },
	{ "expanded to the other operand", { 2, 3, 4, 5 },
	  { { "s", 1, { 4 }, true, { 2, 3, 4, 5 } } },
	  { { "ReduceMax", { "x" }, { INTS_ATTR("axes", 1, 3) } }, { "Expand", { "t0", "s" } }, { "Sub", { "x", "t1" } }, { "Mul", { "t1", "t2" } } },
	  2 },
	{ "expanded further than the other operand", { 2, 3, 1, 5 },
	  { { "s", 1, { 4 }, true, { 2, 3, 4, 5 } } },
	  { { "ReduceMax", { "x" }, { INTS_ATTR("axes", 1) } }, { "Expand", { "t0", "s" } }, { "Sub", { "x", "t1" } } },
	  3 },
	{ "nothing at all", { 1, 4, 6, 5 },
	  { { "p", 1, { 8 }, true, { 0 } } },
	  { { "Relu", { "x" } }, { "Dropout", { "t0" } }, { "Pad", { "t1", "p" } }, { "Identity", { "t2" } }, { "Neg", { "t3" } } },
	  1 },
};

static float element(size_t i)
{
	return (float)((double)((i + 3) * 7919 % 1009) / 300 - 1.7);
}

static void fill(clast_tensor *t, float value)
{
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		((float *)clast_tensor_data(t))[i] = value != 0 ? value : element(i);
}

static void add_constants(clast_builder *b, const chain *c)
{
	for (int i = 0; i < 8 && c->constant[i].name; i++) {
		clast_tensor *t;
		const bool integer = c->constant[i].integer;
		cr_assert_eq(clast_tensor_create(integer ? CLAST_INT64 : CLAST_FLOAT32, c->constant[i].rank, c->constant[i].dims, NULL, &t, NULL), CLAST_OK);
		if (integer)
			memcpy(clast_tensor_data(t), c->constant[i].ints, clast_tensor_count(t) * sizeof(int64_t));
		else
			fill(t, c->constant[i].value);
		cr_assert_eq(clast_builder_constant(b, c->constant[i].name, t, NULL), CLAST_OK);
		clast_tensor_free(&t);
	}
}

static clast_model *build(const chain *c, bool exposed)
{
	clast_builder *b;
	clast_model *m;
	clast_diag d = { 0 };
	char names[MAX_NODES][16];
	int n = 0;
	cr_assert_eq(clast_builder_create(17, NULL, &b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_input(b, "x", CLAST_FLOAT32, 4, c->x, NULL, &d), CLAST_OK);
	add_constants(b, c);
	for (; n < MAX_NODES && c->steps[n].op; n++) {
		const step *s = &c->steps[n];
		const char *out = names[n];
		size_t inputs = 0, attrs = 0;
		snprintf(names[n], sizeof names[n], "t%d", n);
		while (inputs < 3 && s->in[inputs])
			inputs++;
		while (attrs < 3 && s->attr[attrs].name)
			attrs++;
		cr_assert_eq(clast_builder_node(b, s->op, "", NULL, inputs, s->in, 1, &out, attrs, s->attr, &d), CLAST_OK, "%s", d.message);
	}
	cr_assert_eq(clast_builder_output(b, names[n - 1], &d), CLAST_OK);
	for (int i = 0; exposed && i + 1 < n; i++)
		cr_assert_eq(clast_builder_output(b, names[i], &d), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, &d), CLAST_OK, "%s", d.message);
	return m;
}

static size_t count_steps(const clast_plan *p)
{
	size_t n = 0;
	for (size_t i = 0; i < clast_plan_step_count(p); i++) {
		clast_step_info info = { .struct_size = sizeof info };
		cr_assert_eq(clast_plan_step(p, i, &info), CLAST_OK);
		n += !info.conversion;
	}
	return n;
}

/* Output 0; *steps: how many the plan has. */
static float *answer(const chain *c, bool exposed, size_t *count, size_t *steps)
{
	clast_model *m = build(c, exposed);
	clast_plan *p;
	clast_session *s;
	clast_diag d = { 0 };
	clast_tensor *x, *out[MAX_NODES] = { NULL };
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, c->x, NULL, &x, NULL), CLAST_OK);
	fill(x, 0);
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK);
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&x, clast_model_output_count(m), out, &d), CLAST_OK, "%s", d.message);
	*count = clast_tensor_count(out[0]);
	*steps = count_steps(p);
	float *result = calloc(*count + 1, sizeof *result);
	cr_assert_eq(clast_tensor_read(out[0], result, *count * sizeof *result), CLAST_OK);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
	clast_tensor_free(&x);
	return result;
}

Test(algebra, rewritten_chains_keep_their_answer)
{
	for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
		size_t a_count, b_count, steps, more;
		float *a = answer(&chains[i], false, &a_count, &steps), *b = answer(&chains[i], true, &b_count, &more), largest = 0;
		cr_assert(a_count && a_count == b_count);
		for (size_t k = 0; k < b_count; k++)
			largest = fmaxf(largest, fabsf(b[k]));
		for (size_t k = 0; k < b_count; k++)
			cr_assert(fabsf(a[k] - b[k]) <= 1e-5f * largest, "%s: element %zu is %g, expected %g", chains[i].name, k, a[k], b[k]);
		cr_assert_eq(steps, chains[i].fewest, "%s: %zu steps", chains[i].name, steps);
		free(a);
		free(b);
	}
}

/* The normalisation is recognised with and without other outputs, so it is checked against its formula. */
Test(algebra, layer_normalisation_means_what_was_written)
{
	const chain *c = &chains[0];
	size_t count, steps;
	float *y = answer(c, false, &count, &steps);
	for (size_t i = 0; i < count; i++) {
		const size_t row = i / 12 * 12;
		double mean = 0, variance = 0;
		for (size_t k = 0; k < 12; k++)
			mean += (double)element(row + k) / 12;
		for (size_t k = 0; k < 12; k++)
			variance += ((double)element(row + k) - mean) * ((double)element(row + k) - mean) / 12;
		const double x = ((double)element(i) - mean) / sqrt(variance + 0.25);
		cr_assert(fabs(y[i] - (x * (double)element(i % 12) + (double)element(i % 12))) < 1e-5, "element %zu is %g", i, y[i]);
	}
	free(y);
}

/* Eight products after a convolution of one tap and one channel: its weights are as exact as one rounding makes them. */
Test(algebra, weights_of_a_chain_are_rounded_once)
{
	const chain c = { "products",
		          { 1, 1, 6, 5 },
		          { { "w", 4, { 3, 1, 1, 1 } }, { "c", 3, { 3, 1, 1 } } },
		          { { "Conv", { "x", "w" } }, { "Mul", { "t0", "c" } }, { "Mul", { "t1", "c" } }, { "Mul", { "t2", "c" } },
		            { "Mul", { "t3", "c" } }, { "Mul", { "t4", "c" } }, { "Mul", { "t5", "c" } }, { "Mul", { "t6", "c" } },
		            { "Mul", { "t7", "c" } } } };
	size_t count, steps;
	float *y = answer(&c, false, &count, &steps);
	cr_assert_eq(count, 90);
	for (size_t i = 0; i < count; i++) {
		double scale = 1;
		for (int k = 0; k < 8; k++)
			scale *= (double)element(i / 30);
		const float weight = (float)((double)element(i / 30) * scale);
		cr_assert_eq(y[i], (float)((double)weight * (double)element(i % 30)), "element %zu is %g", i, y[i]);
	}
	free(y);
}
