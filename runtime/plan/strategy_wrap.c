/* Each operator whose kernel is not channels-first is wrapped: what it reads is converted from `first` for it alone,
 * what it writes is converted to `first`, and nothing is shared or cancelled. */
#include "strategy.h"

static clast_status add_conversion(assignment *a, uint32_t class, uint16_t order, uint32_t from, uint32_t *made,
                                   clast_diag *d)
{
	if (!grow(a->m, &a->conversion, &a->conversion_capacity, a->conversions + 1, sizeof *a->conversion))
		return fail_memory(d, 0);
	*made = (uint32_t)a->conversions++;
	a->conversion[*made] = (conversion_step){ class, order, from };
	return CLAST_OK;
}

/* Readers of `first` read the value or its conversion, the others a conversion of that for themselves. A class that
 * has no `first` passes as if what its producer wrote were it. */
static clast_status wrap_class(const problem *p, assignment *a, uint32_t class, clast_diag *d)
{
	const problem_class *c = &p->class[class];
	const uint32_t first = c->tag[TAG_FIRST] == PROBLEM_NONE ? a->produced[class] : c->tag[TAG_FIRST];
	uint32_t source = PROBLEM_NONE;
	clast_status s = CLAST_OK;
	if (a->produced[class] != first && c->readers > 0)
		s = add_conversion(a, class, (uint16_t)first, PROBLEM_NONE, &source, d);
	for (uint32_t r = 0; s == CLAST_OK && r < c->readers; r++) {
		const uint32_t port = p->reader[c->first_reader + r];
		const uint16_t q = problem_order(p, port, a->config[p->port[port].group]);
		a->reads[port] = source;
		if (q != first && q != PROBLEM_ANY)
			s = add_conversion(a, class, q, source, &a->reads[port], d);
	}
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
	clast_status s = assignment_complete(a, p, d); /* for the orders produced */
	a->conversions = 0;
	for (uint32_t v = 0; s == CLAST_OK && v < p->classes; v++)
		if (!p->class[v].constant)
			s = wrap_class(p, a, v, d);
	return s == CLAST_OK ? assignment_evaluate(a, p, d) : s;
}
