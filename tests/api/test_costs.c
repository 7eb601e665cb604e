/* What plans of random networks cost: no strategy costs less than min under the same objective and kernels, min costs what its conversions
 * cost, and no orders given by hand cost less. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random_net.h"

#define NETWORKS 60
#define STEPS 12

static const extents distinct = { .n = 2, .c = 12, .h = 6, .w = 10, .d = 20, .g = 2, .wh = 3, .ww = 5 };
static const extents equal = { .n = 6, .c = 6, .h = 6, .w = 6, .d = 6, .g = 2, .wh = 3, .ww = 3 };

/* A conversion as the layout problem weighs it by bytes: one more than its bytes, so that fewer win where bytes are equal. */
static uint64_t conversions_of(const clast_plan *p, bool count)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < clast_plan_transpose_count(p); i++) {
		clast_transpose_info t = { .struct_size = sizeof t };
		cr_assert_eq(clast_plan_transpose(p, i, &t), CLAST_OK);
		sum += count ? 1 : t.bytes + 1;
	}
	return sum;
}

static clast_plan_report report_of(clast_model *m, const clast_plan_options *o, uint64_t *moved)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_plan_report r = { .struct_size = sizeof r };
	cr_assert_eq(clast_plan_create(m, o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
	if (moved)
		*moved = conversions_of(p, o->objective[0] == 'c');
	clast_plan_free(&p);
	r.left_out_at = NULL; /* went with the plan */
	return r;
}

/* Under bytes and count the strategies `first` and `blocked` use kernels that min leaves out; `blocked` always does. */
static void compare_strategies(clast_model *m, uint32_t seed, const char *objective)
{
	static const char *const others[] = { "last", "lazy", "push", "wrap", "first" };
	const size_t count = objective[0] == 't' ? 5 : 4;
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .objective = objective };
	uint64_t moved;
	const clast_plan_report min = report_of(m, &o, &moved);
	cr_expect(min.optimal && min.layout_bound == min.layout_cost && !min.left_out, "network %u by %s", seed, objective);
	if (objective[0] == 'c')
		cr_expect_eq(min.layout_cost, moved, "network %u: %zu by count, %zu conversions", seed, (size_t)min.layout_cost, (size_t)moved);
	else if (objective[0] == 'b' && !min.copy_bytes)
		cr_expect_eq(min.layout_cost, moved, "network %u: %zu by bytes, %zu moved", seed, (size_t)min.layout_cost, (size_t)moved);
	for (size_t i = 0; i < count; i++) {
		o.strategy = others[i];
		const clast_plan_report r = report_of(m, &o, NULL);
		cr_expect_leq(min.layout_cost, r.layout_cost, "network %u by %s: %s costs %zu, min %zu", seed, objective, others[i],
		              (size_t)r.layout_cost, (size_t)min.layout_cost);
		cr_expect_eq(r.layout_bound, 0);
	}
}

static void compare_on(const extents *e, uint32_t first)
{
	static const char *const objectives[] = { "time", "bytes", "count" };
	for (uint32_t seed = first; seed < first + NETWORKS; seed++) {
		net g;
		clast_model *m = random_network(&g, e, seed, STEPS);
		for (size_t i = 0; i < 3; i++)
			compare_strategies(m, seed, objectives[i]);
		clast_model_free(&m);
		net_free_inputs(&g);
	}
}

Test(costs, no_strategy_costs_less_than_min_on_random_networks_of_distinct_extents, .timeout = 600)
{
	compare_on(&distinct, 5000);
}

Test(costs, no_strategy_costs_less_than_min_on_random_networks_of_equal_extents, .timeout = 600)
{
	compare_on(&equal, 6000);
}

/* ---- Orders given by hand ---- */

#define BY_HAND 6
#define SMALL 24

/* A chain of convolutions, pools, elementwise operators and skips, whose values take no orders but first and last. */
static clast_model *small_network(net *g, uint32_t seed, val *values)
{
	static const extents e = { .n = 1, .c = 8, .h = 6, .w = 7, .d = 8, .g = 2, .wh = 3, .ww = 7 };
	net_begin(g, &e, 17);
	val x = net_input(g, DIMS(e.n, e.c, e.h, e.w));
	for (int i = 0; i < BY_HAND; i++) {
		const val before = x;
		switch (random_below(&seed, 6)) {
		case 0:
			x = unary(g, "Relu", x);
			break;
		case 1:
			x = net_node(g, "MaxPool", IN(x), WITH(INTS("kernel_shape", 3, 3), INTS("pads", 1, 1, 1, 1)));
			break;
		case 2:
			x = net_node(g, "Conv", IN(x, weight(g, e.c, 1, 3, 3)), WITH(INTS("pads", 1, 1, 1, 1), INT("group", e.c)));
			break;
		case 3:
			x = binary(g, "Add", x, i ? values[random_below(&seed, (uint32_t)i)] : unary(g, "Sigmoid", x));
			break;
		default:
			x = conv(g, x, e.c, e.c, random_below(&seed, 2) ? 1 : 3);
		}
		values[i] = x;
		if (random_below(&seed, 4) == 0 && i + 1 < BY_HAND)
			net_output(g, before);
	}
	net_output(g, x);
	return net_end(g);
}

/* Every choice of first and last for all values, as far as kernels can write it: the cheapest is what min found. */
static void check_by_hand(uint32_t seed)
{
	net g;
	val values[BY_HAND];
	clast_model *m = small_network(&g, seed, values);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .objective = "time" };
	const clast_plan_report min = report_of(m, &o, NULL);
	uint64_t least = UINT64_MAX;
	o.strategy = "manual";
	for (uint32_t choice = 0; choice < 1u << BY_HAND; choice++) {
		clast_value_order orders[BY_HAND];
		clast_diag d = { 0 };
		clast_plan *p;
		for (int i = 0; i < BY_HAND; i++)
			orders[i] = (clast_value_order){ values[i], choice >> i & 1 ? "last" : "first" };
		o.orders = orders;
		o.order_count = BY_HAND;
		const clast_status s = clast_plan_create(m, &o, &p, &d);
		cr_assert(!s || s == CLAST_ERROR_ARGUMENT, "%s", d.message);
		if (s)
			continue;
		clast_plan_report r = { .struct_size = sizeof r };
		cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
		least = r.layout_cost < least ? r.layout_cost : least;
		clast_plan_free(&p);
	}
	cr_expect_eq(min.layout_cost, least, "network %u: min costs %zu, the best by hand %zu", seed, (size_t)min.layout_cost, (size_t)least);
	clast_model_free(&m);
	net_free_inputs(&g);
}

Test(costs, all_orders_by_hand_cost_at_least_what_min_costs, .timeout = 600)
{
	for (uint32_t seed = 1; seed <= SMALL; seed++)
		check_by_hand(seed);
}

/* ---- Too many to be weighed ---- */

static clast_model *wide_concat(net *g, size_t parts)
{
	static const extents e = { .n = 1, .c = 2, .h = 3, .w = 4 };
	val *list = calloc(parts + 1, sizeof *list);
	net_begin(g, &e, 17);
	const val x = stem(g);
	for (size_t i = 0; i < parts; i++)
		list[i] = unary(g, "Relu", x);
	net_output(g, net_node(g, "Concat", list, WITH(INT("axis", 1))));
	free(list);
	return net_end(g);
}

Test(costs, what_is_too_much_to_be_weighed_is_said)
{
	const clast_plan_options o = { .struct_size = sizeof o };
	for (size_t parts = 100; parts <= 300; parts += 200) {
		net g;
		clast_model *m = wide_concat(&g, parts);
		clast_diag d = { 0 };
		clast_plan *p;
		clast_plan_report r = { .struct_size = sizeof r };
		cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
		cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
		cr_expect_eq(r.layout_cost, r.layout_bound);
		cr_expect_eq(r.optimal, parts == 100);
		cr_expect_eq(r.left_out, parts == 100 ? 0 : 45, "%zu left out", r.left_out); /* 256 ports, one of them the output's */
		cr_expect_eq(!strncmp(r.left_out_at, "node ", 5), parts == 300, "%s", r.left_out_at);
		clast_plan_free(&p);
		clast_model_free(&m);
		net_free_inputs(&g);
	}
}
