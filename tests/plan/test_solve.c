/* The exact planner against brute force and against the other strategies, on random graphs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

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
	cr_expect_eq(certificate_check(p, &r.best, &r.proof, &m, &d), CLAST_OK, "seed %zu: %s", (size_t)seed, d.message);
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
		if (brute_force_size(&p) <= 3e4) {
			solution r = solve_and_check(&p, NULL, seed);
			cr_expect(r.optimal, "seed %zu", (size_t)seed);
			cr_expect_eq(r.bound, brute_force(&p), "seed %zu: %zu, brute force %zu", (size_t)seed, (size_t)r.bound, (size_t)brute_force(&p));
			solution_release(&r);
			compared++;
		}
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
			cr_expect_leq(assignment_cost(&min), assignment_cost(&other), "seed %zu, %s", (size_t)seed, strategies[i].name);
			assignment_release(&other);
		}
		assignment_release(&min);
		free(wish);
		problem_release(&p);
	}
}
