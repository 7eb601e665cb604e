/* Each operator whose kernel is not channels-first is wrapped: what it reads is converted from `first` for
 * it alone, what it writes is converted to `first`, and nothing is shared or cancelled. */
#include <string.h>

#include "strategy.h"

static clast_status add_conversion(assignment *a, uint32_t class, uint16_t order, uint32_t from,
				   uint32_t *made, clast_diag *d)
{
	if (!grow(a->m, &a->conversion, &a->conversion_capacity, a->conversions + 1, sizeof *a->conversion))
		return fail_memory(d, 0);
	*made = (uint32_t)a->conversions++;
	a->conversion[*made] = (conversion_step){ class, order, from };
	return CLAST_OK;
}

/* The order that counts as `first`: a class without it passes as if what its producer wrote were it. */
static uint16_t first_of(const problem *p, const assignment *a, uint32_t class)
{
	const uint32_t first = p->class[class].tag[TAG_FIRST];
	return first == PROBLEM_NONE ? a->produced[class] : (uint16_t)first;
}

/* Costs of converting class v to `first` and from there for each reader, and straight, once an order. */
static void compare_ways(const problem *p, const assignment *a, uint32_t class, uint8_t *wanted,
			 uint64_t *around, uint64_t *straight)
{
	const problem_class *c = &p->class[class];
	const uint16_t first = first_of(p, a, class), written = a->produced[class];
	*around = c->readers > 0 ? problem_conversion(p, class, written, first) : 0;
	*straight = 0;
	memset(wanted, 0, c->orders);
	for (uint32_t r = 0; r < c->readers; r++) {
		const uint32_t port = p->reader[c->first_reader + r];
		const uint16_t q = problem_order(p, port, a->config[p->port[port].group]);
		if (q == PROBLEM_ANY)
			continue;
		*around += problem_conversion(p, class, first, q);
		*straight += wanted[q] ? 0 : problem_conversion(p, class, written, q);
		wanted[q] = 1;
	}
}

/* Readers of `first` read the value or its conversion, the others a conversion of that for themselves. */
static clast_status wrap_class(const problem *p, assignment *a, uint32_t class, clast_diag *d)
{
	const problem_class *c = &p->class[class];
	const uint16_t first = first_of(p, a, class);
	uint32_t source = PROBLEM_NONE;
	clast_status s = CLAST_OK;
	if (a->produced[class] != first && c->readers > 0)
		s = add_conversion(a, class, first, PROBLEM_NONE, &source, d);
	for (uint32_t r = 0; s == CLAST_OK && r < c->readers; r++) {
		const uint32_t port = p->reader[c->first_reader + r];
		const uint16_t q = problem_order(p, port, a->config[p->port[port].group]);
		a->reads[port] = source;
		if (q != first && q != PROBLEM_ANY)
			s = add_conversion(a, class, q, source, &a->reads[port], d);
	}
	return s;
}

/* Rewires all classes. Where going round by way of `first` is the cheaper way, by sharing that copy as the
 * source of several orders, which no strategy is offered (problem.h), the straight conversions stay. */
static clast_status wrap_classes(const problem *p, assignment *a, clast_diag *d)
{
	assignment straight = *a;
	uint32_t most = 0;
	a->conversion = NULL;
	a->conversions = a->conversion_capacity = 0;
	for (size_t v = 0; v < p->classes; v++)
		most = p->class[v].orders > most ? p->class[v].orders : most;
	uint8_t *wanted = mem_alloc(a->m, most);
	clast_status s = wanted ? CLAST_OK : fail_memory(d, most);
	size_t next = 0;
	for (uint32_t v = 0; s == CLAST_OK && v < p->classes; v++) {
		const problem_class *c = &p->class[v];
		const size_t begin = next, first = a->conversions;
		uint64_t around_cost, straight_cost;
		if (c->constant)
			continue;
		while (next < straight.conversions && straight.conversion[next].class == v)
			next++;
		compare_ways(p, a, v, wanted, &around_cost, &straight_cost);
		if (around_cost >= straight_cost) {
			s = wrap_class(p, a, v, d);
			continue;
		}
		for (uint32_t r = 0; r < c->readers; r++) {
			uint32_t *reads = &a->reads[p->reader[c->first_reader + r]];
			*reads = *reads == PROBLEM_NONE ? PROBLEM_NONE : (uint32_t)(*reads - begin + first);
		}
		uint32_t made;
		for (size_t i = begin; s == CLAST_OK && i < next; i++)
			s = add_conversion(a, v, straight.conversion[i].order, PROBLEM_NONE, &made, d);
	}
	mem_free(a->m, wanted, most);
	mem_free(a->m, straight.conversion, straight.conversion_capacity * sizeof *straight.conversion);
	return s;
}

clast_status strategy_wrap(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	(void)options;
	order_tag tag = TAG_FIRST;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = p->group[g].native != PROBLEM_NONE ? p->group[g].native
								  : best_config(p, a, g, score_tag, &tag);
	for (uint32_t v = 0; v < p->classes; v++)
		if (p->class[v].tag[tag] != PROBLEM_NONE)
			a->produced[v] = (uint16_t)p->class[v].tag[tag];
	clast_status s = assignment_complete(a, p, d);
	if (s == CLAST_OK)
		s = wrap_classes(p, a, d);
	return s == CLAST_OK ? assignment_evaluate(a, p, d) : s;
}
