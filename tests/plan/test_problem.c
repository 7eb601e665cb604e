/* Layout problems and the strategies that need no search. */
#include <criterion/criterion.h>

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

TestSuite(problem, .init = set_up, .fini = all_is_freed);

/* Two orders, first = 0 and last = 1, moved at the cost given. */
static uint32_t two_orders(problem *p, uint64_t cost)
{
	uint32_t v;
	cr_assert_eq(problem_add_class(p, 2, (uint64_t[]){ 0, cost, cost, 0 }, false, &v, NULL), CLAST_OK);
	cr_assert_eq(problem_set_tag(p, v, TAG_FIRST, 0, NULL), CLAST_OK);
	cr_assert_eq(problem_set_tag(p, v, TAG_LAST, 1, NULL), CLAST_OK);
	return v;
}

static void unary(problem *p, uint32_t in, uint32_t out, uint64_t first, uint64_t last, uint32_t native)
{
	uint32_t g;
	const problem_port ports[] = { { .class = in }, { .class = out, .produced = true } };
	cr_assert_eq(problem_add_group(p, 2, ports, 2, (uint64_t[]){ first, last },
				       (uint16_t[]){ 0, 0, 1, 1 }, native, &g, NULL),
		     CLAST_OK);
}

/* An input or output that must lie in `first`. */
static void end(problem *p, uint32_t class, bool produced)
{
	uint32_t g;
	const problem_port port = { .class = class, .produced = produced };
	cr_assert_eq(problem_add_group(p, 1, &port, 1, (uint64_t[]){ 0 }, (uint16_t[]){ 0 }, PROBLEM_NONE, &g,
				       NULL),
		     CLAST_OK);
}

/* input -> conv -> relu -> relu -> conv -> output, each value of 10 bytes. */
static void build_chain(problem *p)
{
	uint32_t v[5];
	problem_init(p, &m);
	for (int i = 0; i < 5; i++)
		v[i] = two_orders(p, 10);
	end(p, v[0], true);
	unary(p, v[0], v[1], 9, 5, 1);
	unary(p, v[1], v[2], 1, 1, PROBLEM_NONE);
	unary(p, v[2], v[3], 1, 1, PROBLEM_NONE);
	unary(p, v[3], v[4], 9, 5, 1);
	end(p, v[4], false);
	cr_assert_eq(problem_finish(p, NULL), CLAST_OK);
}

static void check_strategy(const problem *p, const char *name, size_t conversions, uint64_t cost)
{
	assignment a;
	strategy_options options = { 0 };
	const strategy *s = strategy_find(name, &options);
	cr_assert_not_null(s, "%s", name);
	cr_assert_eq(assignment_init(&a, p, &m, NULL), CLAST_OK);
	cr_assert_eq(s->choose(p, &options, &a, NULL), CLAST_OK);
	cr_expect_eq(a.conversions, conversions, "%s: %zu conversions", name, a.conversions);
	cr_expect_eq(assignment_cost(&a), cost, "%s: cost %zu", name, (size_t)assignment_cost(&a));
	assignment_release(&a);
}

Test(problem, strategies_differ_on_a_chain_as_described)
{
	problem p;
	build_chain(&p);
	check_strategy(&p, "wrap", 4, 12 + 40);
	check_strategy(&p, "first", 0, 20);
	check_strategy(&p, "last", 2, 12 + 20);
	check_strategy(&p, "lazy", 2, 12 + 20);
	check_strategy(&p, "push", 2, 12 + 20);
	problem_release(&p);
}

Test(problem, a_copy_is_shared_by_all_its_readers)
{
	problem p;
	assignment a;
	uint32_t g;
	problem_init(&p, &m);
	const uint32_t v = two_orders(&p, 7);
	end(&p, v, true);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(problem_add_group(&p, 1, &(problem_port){ .class = v }, 1, (uint64_t[]){ 2 },
					       (uint16_t[]){ 1 }, 0, &g, NULL),
			     CLAST_OK);
	cr_assert_eq(problem_finish(&p, NULL), CLAST_OK);
	cr_assert_eq(assignment_init(&a, &p, &m, NULL), CLAST_OK);
	cr_assert_eq(assignment_complete(&a, &p, NULL), CLAST_OK);
	cr_expect_eq(a.conversions, 1);
	cr_expect_eq(assignment_cost(&a), 7 + 6);
	a.reads[p.reader[1]] = PROBLEM_NONE;
	cr_expect_eq(assignment_evaluate(&a, &p, NULL), CLAST_ERROR_INTERNAL);
	assignment_release(&a);
	problem_release(&p);
}

Test(problem, constants_have_every_order_for_nothing)
{
	problem p;
	assignment a;
	uint32_t v, g;
	problem_init(&p, &m);
	cr_assert_eq(problem_add_class(&p, 3, (uint64_t[]){ 0, 5, 5, 5, 0, 5, 5, 5, 0 }, true, &v, NULL),
		     CLAST_OK);
	for (uint16_t q = 0; q < 3; q++)
		cr_assert_eq(problem_add_group(&p, 1, &(problem_port){ .class = v }, 1, (uint64_t[]){ 0 }, &q,
					       0, &g, NULL),
			     CLAST_OK);
	cr_assert_eq(problem_finish(&p, NULL), CLAST_OK);
	cr_assert_eq(assignment_init(&a, &p, &m, NULL), CLAST_OK);
	cr_assert_eq(assignment_complete(&a, &p, NULL), CLAST_OK);
	cr_expect_eq(assignment_cost(&a), 0);
	cr_expect_eq(a.conversions, 0);
	assignment_release(&a);
	problem_release(&p);
}

Test(problem, what_makes_no_sense_is_refused)
{
	problem p;
	uint32_t v, c, g;
	problem_init(&p, &m);
	cr_expect_eq(problem_add_class(&p, 0, NULL, false, &v, NULL), CLAST_ERROR_LIMIT);
	cr_expect_eq(problem_add_class(&p, 2, (uint64_t[]){ 0, PROBLEM_COST_LIMIT, 0, 0 }, false, &v, NULL),
		     CLAST_ERROR_LIMIT);
	cr_assert_eq(
		problem_add_class(&p, 2, (uint64_t[]){ 9, PROBLEM_COST_LIMIT / 2, 0, 9 }, false, &v, NULL),
		CLAST_OK);
	cr_expect_eq(problem_conversion(&p, v, 0, 0), 0);
	cr_assert_eq(problem_add_class(&p, 2, NULL, true, &c, NULL), CLAST_OK);
	const uint64_t free_cost = 0, large = PROBLEM_COST_LIMIT / 2;
	const uint16_t order = 0, missing = 2, any = PROBLEM_ANY;
	const problem_port writes = { .class = v, .produced = true },
			   constant = { .class = c, .produced = true }, reads = { .class = v },
			   nowhere = { .class = 2 };
	cr_expect_eq(problem_add_group(&p, 1, &writes, 0, &free_cost, &order, 0, &g, NULL),
		     CLAST_ERROR_LIMIT);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &large, &order, 0, &g, NULL), CLAST_ERROR_LIMIT);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &free_cost, &missing, 0, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &free_cost, &any, 0, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &free_cost, &order, 1, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_add_group(&p, 1, &constant, 1, &free_cost, &order, 0, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_add_group(&p, 1, &nowhere, 1, &free_cost, &order, 0, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_add_group(&p, 1, &reads, 1, &free_cost, &any, 0, &g, NULL), CLAST_OK);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &free_cost, &order, 0, &g, NULL), CLAST_OK);
	cr_expect_eq(problem_add_group(&p, 1, &writes, 1, &free_cost, &order, 0, &g, NULL),
		     CLAST_ERROR_ARGUMENT);
	cr_expect_eq(problem_set_tag(&p, v, TAG_LAST, 2, NULL), CLAST_ERROR_ARGUMENT);
	problem_release(&p);
}

Test(problem, strategies_are_found_by_name)
{
	strategy_options options = { 0 };
	cr_expect_eq(strategy_find("random:41", &options)->choose, strategy_random);
	cr_expect_eq(options.seed, 41);
	cr_expect_null(strategy_find("random:", &options));
	cr_expect_null(strategy_find("random:4x", &options));
	cr_expect_null(strategy_find("first:4", &options));
	cr_expect_null(strategy_find("firs", &options));
	cr_expect_null(strategy_find("", &options));
}
