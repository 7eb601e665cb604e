/* What must hold for every plan of every model, tried on random ones. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random_graph.h"
#include "session.h"

#define MAX_OUTPUTS 8

typedef struct answer {
	size_t count;
	clast_tensor *tensor[MAX_OUTPUTS];
	float *elements[MAX_OUTPUTS];
	size_t sizes[MAX_OUTPUTS];
} answer;

static void answer_free(answer *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->elements[i]);
}

static clast_session *session_of(clast_model *m, const char *strategy, clast_precision precision, size_t threads, const char *text)
{
	const clast_plan_options o = { .struct_size = sizeof o, .strategy = strategy, .precision = precision };
	const clast_session_options so = { .struct_size = sizeof so, .threads = threads };
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s: %s%s", strategy, d.message, text);
	cr_assert_eq(clast_session_create(p, &so, &s, &d), CLAST_OK, "%s", d.message);
	clast_plan_free(&p);
	return s;
}

static void run_session(clast_session *s, const random_graph *g, answer *a)
{
	clast_tensor *outputs[MAX_OUTPUTS] = { NULL };
	clast_diag d = { 0 };
	*a = (answer){ .count = clast_model_output_count(g->model) };
	cr_assert_eq(clast_session_run(s, RANDOM_GRAPH_INPUTS, (const clast_tensor *const *)g->inputs, a->count, outputs, &d), CLAST_OK,
	             "%s%s", d.message, g->text);
	for (size_t i = 0; i < a->count; i++) {
		a->sizes[i] = clast_tensor_count(outputs[i]);
		a->elements[i] = calloc(a->sizes[i] + 1, sizeof(float));
		cr_assert_eq(clast_tensor_read(outputs[i], a->elements[i], a->sizes[i] * sizeof(float)), CLAST_OK);
	}
}

static void answer_of(const random_graph *g, const char *strategy, clast_precision precision, answer *a)
{
	clast_session *s = session_of(g->model, strategy, precision, 1, g->text);
	run_session(s, g, a);
	clast_session_free(&s);
}

/* Errors of early nodes grow through later ones; a misplaced element is off by far more. */
static void expect_close(const answer *a, const answer *b, uint64_t seed, const char *what, const char *text)
{
	for (size_t i = 0; i < a->count; i++) {
		float largest = 1;
		cr_assert_eq(a->sizes[i], b->sizes[i], "graph %llu, %s: sizes differ%s", (unsigned long long)seed, what, text);
		for (size_t k = 0; k < a->sizes[i]; k++)
			largest = fmaxf(largest, fabsf(a->elements[i][k]));
		for (size_t k = 0; k < a->sizes[i]; k++)
			cr_assert(fabsf(a->elements[i][k] - b->elements[i][k]) <= 1e-4f * largest,
			          "graph %llu, %s: output %zu, element %zu is %g, expected %g%s", (unsigned long long)seed, what, i, k,
			          b->elements[i][k], a->elements[i][k], text);
	}
}

static void expect_same_bits(const answer *a, const answer *b, uint64_t seed, const char *what, const char *text)
{
	for (size_t i = 0; i < a->count; i++)
		cr_assert(a->sizes[i] == b->sizes[i] && !memcmp(a->elements[i], b->elements[i], a->sizes[i] * sizeof(float)),
		          "graph %llu, %s: output %zu differs%s", (unsigned long long)seed, what, i, text);
}

#ifndef GRAPHS
#define GRAPHS 150
#endif
#define SEEDS 10

static void check_strategies(uint64_t seed, int nodes)
{
	random_graph g;
	answer expected, got;
	char strategy[32] = "min";
	random_graph_create(seed, nodes, &g);
	answer_of(&g, "min", CLAST_PRECISION_REFERENCE, &expected);
	for (int k = 0; k <= SEEDS; k++) {
		if (k)
			snprintf(strategy, sizeof strategy, "random:%d", k);
		answer_of(&g, strategy, CLAST_PRECISION_DEFAULT, &got);
		expect_close(&expected, &got, seed, strategy, g.text);
		answer_free(&got);
	}
	answer_of(&g, "random:77", CLAST_PRECISION_REFERENCE, &got);
	expect_close(&expected, &got, seed, "random:77 by references", g.text);
	answer_free(&got);
	answer_free(&expected);
	random_graph_free(&g);
}

Test(random_graphs, every_plan_gives_the_answer_of_the_references)
{
	for (uint64_t seed = 1; seed <= GRAPHS; seed++)
		check_strategies(seed, 12);
}

Test(random_graphs, so_do_plans_of_deep_graphs)
{
	for (uint64_t seed = 1001; seed <= 1000 + GRAPHS / 5; seed++)
		check_strategies(seed, 50);
}

static void poison(clast_session *s)
{
	for (size_t i = 0; i < SESSION_CACHE; i++)
		if (s->cache[i].arena)
			memset(s->cache[i].arena, 0xff, s->cache[i].arena_bytes);
	if (s->scratch)
		memset(s->scratch, 0xff, s->scratch_bytes * thread_pool_threads(s->pool->threads));
}

Test(random_graphs, neither_threads_nor_runs_nor_old_memory_change_a_bit)
{
	for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
		random_graph g;
		answer expected, got;
		random_graph_create(seed, 12 + (int)(seed % 3) * 10, &g);
		for (size_t threads = 1; threads <= 4; threads++) {
			clast_session *s = session_of(g.model, seed % 2 ? "min" : "random:5", CLAST_PRECISION_DEFAULT, threads, g.text);
			run_session(s, &g, threads == 1 ? &expected : &got);
			if (threads > 1) {
				expect_same_bits(&expected, &got, seed, "more threads", g.text);
				answer_free(&got);
			}
			poison(s);
			run_session(s, &g, &got);
			expect_same_bits(&expected, &got, seed, "a second run on poisoned memory", g.text);
			answer_free(&got);
			clast_session_free(&s);
		}
		answer_free(&expected);
		random_graph_free(&g);
	}
}
