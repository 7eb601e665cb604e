/* Random networks of convolutions, shuffles, windows and products: permutations that weights, rows and windows absorb change no result,
 * whatever orders are chosen, with equal and with distinct extents. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random_net.h"

/* A wrong permutation is wrong by as much as the output is large; twelve layers without a normalisation between them magnify rounding. */
#define TOLERANCE 1e-4
#define GRAPHS 200
#define STEPS 12

typedef struct answer {
	size_t count[2];
	float *element[2];
} answer;

static answer run(const net *g, clast_model *m, const clast_plan_options *o)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *out[2] = { NULL, NULL };
	answer a = { { 0 }, { NULL } };
	cr_assert_eq(clast_plan_create(m, o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	const size_t outputs = clast_model_output_count(m);
	cr_assert_eq(clast_session_run(s, g->input_count, (const clast_tensor *const *)g->inputs, outputs, out, &d), CLAST_OK, "%s: %s", d.node,
	             d.message);
	for (size_t i = 0; i < outputs; i++) {
		a.count[i] = clast_tensor_count(out[i]);
		a.element[i] = malloc(a.count[i] * sizeof(float));
		cr_assert_eq(clast_tensor_read(out[i], a.element[i], a.count[i] * sizeof(float)), CLAST_OK);
	}
	clast_session_free(&s);
	clast_plan_free(&p);
	return a;
}

static void compare(const answer *want, const answer *got, const char *strategy, uint32_t seed)
{
	for (int i = 0; i < 2; i++) {
		double largest = 0, error = 0;
		for (size_t k = 0; k < want->count[i]; k++) {
			largest = fmax(largest, fabs((double)want->element[i][k]));
			error = fmax(error, fabs((double)want->element[i][k] - (double)got->element[i][k]));
		}
		cr_assert(error <= TOLERANCE * largest, "network %u, %s: output %d is off by %g of %g", seed, strategy, i, error, largest);
	}
}

static void forget(answer *a)
{
	free(a->element[0]);
	free(a->element[1]);
}

static void check(const extents *e, uint32_t seed)
{
	char random[32];
	const char *const strategies[] = { "min", "last", "first", "lazy", random };
	net g;
	snprintf(random, sizeof random, "random:%u", seed);
	clast_model *m = random_network(&g, e, seed, STEPS);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	answer want = run(&g, m, &o);
	o.precision = CLAST_PRECISION_DEFAULT;
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
		o.strategy = strategies[i];
		answer got = run(&g, m, &o);
		compare(&want, &got, strategies[i], seed);
		forget(&got);
	}
	forget(&want);
	clast_model_free(&m);
	net_free_inputs(&g);
}

Test(absorb, random_networks_of_distinct_extents_agree_with_the_references)
{
	static const extents e = { .n = 2, .c = 12, .h = 6, .w = 10, .d = 20, .g = 2, .wh = 3, .ww = 5 };
	for (uint32_t seed = 1; seed <= GRAPHS; seed++)
		check(&e, seed);
}

Test(absorb, random_networks_of_equal_extents_agree_with_the_references)
{
	static const extents e = { .n = 6, .c = 6, .h = 6, .w = 6, .d = 6, .g = 2, .wh = 3, .ww = 3 };
	for (uint32_t seed = 1001; seed <= 1000 + GRAPHS; seed++)
		check(&e, seed);
}
