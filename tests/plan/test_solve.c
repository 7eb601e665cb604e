/* The exact planner against brute force and against the other strategies, on random graphs. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "generate.h"
#include "solve.h"
#include "strategy.h"

static mem m;

static void set_up(void)
{
	mem_init(&m, NULL, 0);
}

static void all_is_freed(void)
{
	cr_assert_eq(m.used_bytes, 0);
}

TestSuite(solve, .init = set_up, .fini = all_is_freed);

/* Solves and has the certificate checked. */
static solution solve_and_check(const problem *p, const solve_options *options, uint64_t seed)
{
	solution r;
	clast_diag d = { 0 };
	cr_assert_eq(solve(p, options, &m, &r, &d), CLAST_OK, "seed %zu: %s", (size_t)seed, d.message);
	cr_expect_eq(certificate_check(p, &r.best, &r.proof, &m, &d), CLAST_OK, "seed %zu: %s", (size_t)seed,
		     d.message);
	cr_expect_leq(r.bound, assignment_cost(&r.best));
	cr_expect_eq(r.optimal, r.bound == assignment_cost(&r.best));
	return r;
}

Test(solve, brute_force_agrees_on_random_graphs)
{
	uint32_t compared = 0;
	for (uint64_t seed = 0; compared < 6000; seed++) {
		problem p;
		problem_init(&p, &m);
		generate_random(&p, seed, 12, 4);
		if (brute_force_size(&p) <= 2e4) {
			const uint64_t least = brute_force(&p);
			solution r = solve_and_check(&p, NULL, seed);
			cr_expect(r.optimal, "seed %zu", (size_t)seed);
			cr_expect_eq(r.bound, least, "seed %zu: %zu, brute force %zu", (size_t)seed,
				     (size_t)r.bound, (size_t)least);
			solution_release(&r);
			compared++;
		}
		problem_release(&p);
	}
}

/* With tables of one entry nothing but pairs is eliminated: cuts, dual ascent and branching must do the
 * rest. */
Test(solve, search_without_elimination_finds_the_same_costs)
{
	for (uint64_t seed = 0; seed < 1500; seed++) {
		problem p;
		uint64_t state = seed;
		problem_init(&p, &m);
		if (seed % 3 == 0)
			generate_random(&p, seed, 30 + random_below(&state, 40), 4);
		else
			generate_wide(&p, 10 + random_below(&state, 40), 2 + seed % 3, 6, seed);
		solution by_elimination = solve_and_check(&p, NULL, seed);
		cr_expect(by_elimination.optimal);
		for (size_t entries = 1; entries <= 16; entries *= 16) {
			solution by_search =
				solve_and_check(&p, &(solve_options){ .table_entries = entries }, seed);
			cr_expect(by_search.optimal, "seed %zu", (size_t)seed);
			cr_expect_eq(by_search.bound, by_elimination.bound,
				     "seed %zu: %zu, by elimination %zu", (size_t)seed,
				     (size_t)by_search.bound, (size_t)by_elimination.bound);
			solution_release(&by_search);
		}
		solution_release(&by_elimination);
		problem_release(&p);
	}
}

Test(solve, min_costs_at_most_as_much_as_any_other_strategy)
{
	for (uint64_t seed = 0; seed < 10000; seed++) {
		problem p;
		assignment min, other;
		uint64_t state = seed;
		problem_init(&p, &m);
		generate_random(&p, seed, 20 + random_below(&state, 40), 4);
		uint16_t *wish = calloc(p.classes, sizeof *wish);
		for (uint32_t v = 0; v < p.classes; v++)
			wish[v] = (uint16_t)random_below(&state, p.class[v].orders);
		strategy_options options = { .seed = seed, .manual = wish };
		cr_assert_eq(assignment_init(&min, &p, &m, NULL), CLAST_OK);
		cr_assert_eq(strategy_min(&p, &options, &min, NULL), CLAST_OK);
		for (size_t i = 0; i < strategy_count; i++) {
			cr_assert_eq(assignment_init(&other, &p, &m, NULL), CLAST_OK);
			cr_assert_eq(strategies[i].choose(&p, &options, &other, NULL), CLAST_OK);
			cr_expect_leq(assignment_cost(&min), assignment_cost(&other), "seed %zu, %s",
				      (size_t)seed, strategies[i].name);
			assignment_release(&other);
		}
		assignment_release(&min);
		free(wish);
		problem_release(&p);
	}
}

Test(solve, the_same_problem_gives_the_same_plan_and_proof)
{
	for (uint32_t orders = 2; orders <= 3; orders++) {
		problem p;
		problem_init(&p, &m);
		generate_wide(&p, 300, orders, 40, orders);
		solution a = solve_and_check(&p, NULL, orders), b = solve_and_check(&p, NULL, orders);
		cr_expect_arr_eq(a.best.config, b.best.config, p.groups * sizeof *a.best.config);
		cr_assert_eq(a.proof.words, b.proof.words);
		cr_expect_arr_eq(a.proof.word, b.proof.word, a.proof.words * sizeof *a.proof.word);
		solution_release(&a);
		solution_release(&b);
		problem_release(&p);
	}
}

Test(solve, out_of_time_the_best_plan_comes_with_the_proved_bound)
{
	problem p;
	assignment other;
	problem_init(&p, &m);
	generate_wide(&p, 400, 6, 100, 7);
	solution hurried = solve_and_check(&p, &(solve_options){ .seconds = 1e-9, .table_entries = 1 }, 7);
	cr_expect(!hurried.optimal);
	cr_expect_gt(hurried.bound, 0);
	for (size_t i = 0; i < strategy_count; i++) {
		if (strategies[i].choose == strategy_min)
			continue;
		cr_assert_eq(assignment_init(&other, &p, &m, NULL), CLAST_OK);
		cr_assert_eq(strategies[i].choose(&p, NULL, &other, NULL), CLAST_OK);
		cr_expect_leq(assignment_cost(&hurried.best), assignment_cost(&other), "%s",
			      strategies[i].name);
		assignment_release(&other);
	}
	solution patient = solve_and_check(&p, NULL, 7);
	cr_expect_geq(patient.bound, hurried.bound);
	cr_expect_leq(assignment_cost(&patient.best), assignment_cost(&hurried.best));
	solution_release(&hurried);
	solution_release(&patient);
	problem_release(&p);
}

/* An allocator that fails once, at the given allocation, or from there on. */
typedef struct failing {
	size_t left;
	bool for_ever;
} failing;

static void *allocate_or_fail(void *context, size_t bytes, size_t alignment)
{
	failing *f = context;
	if (f->left == 0 || --f->left == 0) {
		f->left = f->for_ever ? 0 : SIZE_MAX;
		return NULL;
	}
	return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

Test(solve, every_failing_allocation_is_survived)
{
	for (int kind = 0; kind < 4; kind++) {
		problem p;
		problem_init(&p, &m);
		if (kind < 2)
			generate_wide(&p, 40, 2 + (uint32_t)kind, 12, 5);
		else
			generate_densenet(&p, 40, 2, (uint64_t)kind);
		const solve_options options = { .table_entries = 1 };
		for (size_t at = 1, done = 0; !done; at += 1 + at / 64) {
			failing f = { at, kind % 2 };
			const clast_allocator allocator = { allocate_or_fail, release, &f };
			mem failing_mem;
			solution r;
			mem_init(&failing_mem, &allocator, 0);
			const clast_status s = solve(&p, &options, &failing_mem, &r, NULL);
			done = s == CLAST_OK;
			cr_expect(s == CLAST_OK || s == CLAST_ERROR_MEMORY);
			for (size_t n = 1; s == CLAST_OK; n += 1 + n / 64) {
				f = (failing){ n, kind % 2 };
				const clast_status checked =
					certificate_check(&p, &r.best, &r.proof, &failing_mem, NULL);
				cr_expect(checked == CLAST_OK || checked == CLAST_ERROR_MEMORY);
				if (checked == CLAST_OK)
					break;
			}
			if (s == CLAST_OK)
				solution_release(&r);
			cr_assert_eq(failing_mem.used_bytes, 0, "allocation %zu", at);
		}
		problem_release(&p);
	}
}

typedef void generator(problem *p, uint32_t operators, uint32_t orders, uint64_t seed);

#ifndef __has_feature
#define __has_feature(NAME) 0
#endif
/* Sanitizers change the times, not all by the same factor. */
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
/* Seconds of this thread, so that a busy machine matters less. */
static double time_to_solve(const problem *p)
{
	struct timespec from, to;
	solution r;
	malloc_trim(0); /* a planner runs once: no size profits from memory that the last round has left */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	cr_assert_eq(solve(p, NULL, &m, &r, NULL), CLAST_OK);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	cr_expect(r.optimal);
	solution_release(&r);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
}

/* Alternates the sizes, so that all meet the same weather, and takes the best of each; more rounds where other work
 * on the machine disturbed the first. */
static void check_growth(const char *name, generator *generate, uint32_t orders)
{
	static const uint32_t operators[] = { 1000, 10000, 100000 };
	double best[] = { 1e9, 1e9, 1e9 };
	problem p[3];
	for (int i = 0; i < 3; i++) {
		problem_init(&p[i], &m);
		generate(&p[i], operators[i], orders, 1);
	}
	for (int round = 0; round < 4 || (round < 24 && best[2] / best[1] > 12); round++)
		for (int i = 0; i < 3; i++) {
			const double time = time_to_solve(&p[i]);
			best[i] = time < best[i] ? time : best[i];
		}
	printf("%s, %u orders: 1,000 operators %.4f s, 10,000 %.4f s, 100,000 %.3f s, ratio %.1f\n", name,
	       orders, best[0], best[1], best[2], best[2] / best[1]);
	cr_expect_lt(best[1], 1, "%s: %g s", name, best[1]);
	cr_expect_leq(best[2] / best[1], 12, "%s: %g s and %g s", name, best[1], best[2]);
	for (int i = 0; i < 3; i++) {
		solution r = solve_and_check(&p[i], NULL, 1);
		solution_release(&r);
		problem_release(&p[i]);
	}
}

Test(solve, time_grows_with_the_network)
{
	check_growth("chain", generate_chain, 2);
	check_growth("resnet", generate_resnet, 2);
	check_growth("densenet", generate_densenet, 2);
	check_growth("swin", generate_swin, 4);
}
#endif
