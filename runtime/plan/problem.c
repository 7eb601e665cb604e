/* Building and evaluating layout problems. */
#include <string.h>

#include "problem.h"

void problem_init(problem *p, mem *m)
{
	*p = (problem){ .m = m };
}

void problem_release(problem *p)
{
	mem *m = p->m;
	mem_free(m, p->class, p->class_capacity * sizeof *p->class);
	mem_free(m, p->group, p->group_capacity * sizeof *p->group);
	mem_free(m, p->port, p->port_capacity * sizeof *p->port);
	mem_free(m, p->reader, p->reader_capacity * sizeof *p->reader);
	mem_free(m, p->cost, p->cost_capacity * sizeof *p->cost);
	mem_free(m, p->order, p->order_capacity * sizeof *p->order);
	mem_free(m, p->conversion, p->conversion_capacity * sizeof *p->conversion);
	problem_init(p, m);
}

/* Adds to the total of all costs; false when that would reach the limit. */
static bool count_costs(problem *p, const uint64_t *cost, size_t n, uint64_t *total)
{
	*total = p->cost_total;
	for (size_t i = 0; i < n; i++) {
		if (cost[i] >= PROBLEM_COST_LIMIT - *total)
			return false;
		*total += cost[i];
	}
	return true;
}

clast_status problem_add_class(problem *p, uint32_t orders, const uint64_t *conversion, bool constant,
			       uint32_t *class, clast_diag *d)
{
	const size_t entries = (size_t)orders * orders;
	uint64_t total = p->cost_total;
	if (orders == 0 || orders > PROBLEM_MAX_ORDERS || p->classes >= PROBLEM_NONE - 1)
		return fail(d, CLAST_ERROR_LIMIT, "a class of %u orders: 1 to %u are possible", orders,
			    PROBLEM_MAX_ORDERS);
	if (!grow(p->m, &p->class, &p->class_capacity, p->classes + 1, sizeof *p->class) ||
	    !grow(p->m, &p->conversion, &p->conversion_capacity, p->conversion_entries + entries,
		  sizeof *p->conversion))
		return fail_memory(d, 0);
	uint64_t *table = p->conversion + p->conversion_entries;
	for (size_t i = 0; i < entries; i++)
		table[i] = conversion && i % (orders + 1) != 0 ? conversion[i] : 0;
	if (!count_costs(p, table, entries, &total))
		return fail(d, CLAST_ERROR_LIMIT, "the costs of the layout problem exceed 2^56");
	problem_class *c = &p->class[p->classes];
	*c = (problem_class){ .orders = orders,
			      .constant = constant,
			      .producer = PROBLEM_NONE,
			      .conversion = p->conversion_entries };
	for (int t = 0; t < TAG_COUNT; t++)
		c->tag[t] = PROBLEM_NONE;
	p->conversion_entries += entries;
	p->cost_total = total;
	*class = (uint32_t)p->classes++;
	return CLAST_OK;
}

clast_status problem_set_tag(problem *p, uint32_t class, order_tag tag, uint32_t order, clast_diag *d)
{
	if (class >= p->classes || (unsigned)tag >= TAG_COUNT || order >= p->class[class].orders)
		return fail(d, CLAST_ERROR_ARGUMENT, "tag %d of class %u: no order %u", (int)tag, class,
			    order);
	p->class[class].tag[tag] = order;
	return CLAST_OK;
}

/* What a group must hold to before anything is added. */
static clast_status check_group(const problem *p, uint32_t ports, const problem_port *port, uint32_t configs,
				const uint16_t *order, uint32_t native, clast_diag *d)
{
	if (configs == 0 || configs > PROBLEM_MAX_CONFIGS)
		return fail(d, CLAST_ERROR_LIMIT, "a group of %u configurations: 1 to %u are possible",
			    configs, PROBLEM_MAX_CONFIGS);
	if (native != PROBLEM_NONE && native >= configs)
		return fail(d, CLAST_ERROR_ARGUMENT, "native configuration %u of %u", native, configs);
	for (uint32_t i = 0; i < ports; i++) {
		if (port[i].class >= p->classes)
			return fail(d, CLAST_ERROR_ARGUMENT, "port %u: no class %u", i, port[i].class);
		const problem_class *c = &p->class[port[i].class];
		if ((size_t)configs * c->orders > PROBLEM_MAX_PAIRS)
			return fail(d, CLAST_ERROR_LIMIT, "port %u: %u configurations with %u orders", i,
				    configs, c->orders);
		bool taken = c->constant || c->producer != PROBLEM_NONE;
		for (uint32_t j = 0; port[i].produced && j < i; j++)
			taken = taken || (port[j].produced && port[j].class == port[i].class);
		if (port[i].produced && taken)
			return fail(d, CLAST_ERROR_ARGUMENT,
				    "port %u: class %u is constant or has a producer", i, port[i].class);
		for (uint32_t k = 0; k < configs; k++) {
			const uint16_t q = order[(size_t)k * ports + i];
			if (q >= c->orders && (port[i].produced || q != PROBLEM_ANY))
				return fail(d, CLAST_ERROR_ARGUMENT, "port %u: class %u has no order %u", i,
					    port[i].class, q);
		}
	}
	return CLAST_OK;
}

clast_status problem_add_group(problem *p, uint32_t ports, const problem_port *port, uint32_t configs,
			       const uint64_t *cost, const uint16_t *order, uint32_t native, uint32_t *group,
			       clast_diag *d)
{
	const size_t entries = (size_t)ports * configs;
	uint64_t total = p->cost_total;
	clast_status s = check_group(p, ports, port, configs, order, native, d);
	if (s != CLAST_OK)
		return s;
	if (!count_costs(p, cost, configs, &total) || p->groups >= PROBLEM_NONE - 1 ||
	    p->ports + ports >= PROBLEM_NONE - 1 || p->configs + configs >= PROBLEM_NONE - 1)
		return fail(d, CLAST_ERROR_LIMIT,
			    "the layout problem is too large, or its costs exceed 2^56");
	if (!grow(p->m, &p->group, &p->group_capacity, p->groups + 1, sizeof *p->group) ||
	    !grow(p->m, &p->port, &p->port_capacity, p->ports + ports, sizeof *p->port) ||
	    !grow(p->m, &p->cost, &p->cost_capacity, p->configs + configs, sizeof *p->cost) ||
	    !grow(p->m, &p->order, &p->order_capacity, p->order_entries + entries, sizeof *p->order))
		return fail_memory(d, 0);
	p->group[p->groups] = (problem_group){ .first_port = (uint32_t)p->ports,
					       .ports = ports,
					       .first_config = (uint32_t)p->configs,
					       .configs = configs,
					       .order = p->order_entries,
					       .native = native };
	for (uint32_t i = 0; i < ports; i++) {
		p->port[p->ports + i] =
			(problem_port){ port[i].class, (uint32_t)p->groups, port[i].produced };
		if (port[i].produced)
			p->class[port[i].class].producer = (uint32_t)(p->ports + i);
	}
	memcpy(p->cost + p->configs, cost, configs * sizeof *cost);
	if (entries)
		memcpy(p->order + p->order_entries, order, entries * sizeof *order);
	p->ports += ports;
	p->configs += configs;
	p->order_entries += entries;
	p->cost_total = total;
	*group = (uint32_t)p->groups++;
	return CLAST_OK;
}

clast_status problem_finish(problem *p, clast_diag *d)
{
	if (!grow(p->m, &p->reader, &p->reader_capacity, p->ports, sizeof *p->reader))
		return fail_memory(d, p->ports * sizeof *p->reader);
	for (size_t v = 0; v < p->classes; v++)
		p->class[v].readers = 0;
	for (size_t i = 0; i < p->ports; i++)
		p->class[p->port[i].class].readers += !p->port[i].produced;
	size_t first = 0;
	for (size_t v = 0; v < p->classes; v++) {
		p->class[v].first_reader = first;
		first += p->class[v].readers;
		p->class[v].readers = 0;
	}
	p->readers = first;
	for (size_t i = 0; i < p->ports; i++) {
		problem_class *c = &p->class[p->port[i].class];
		if (!p->port[i].produced)
			p->reader[c->first_reader + c->readers++] = (uint32_t)i;
	}
	return CLAST_OK;
}

clast_status assignment_init(assignment *a, const problem *p, mem *m, clast_diag *d)
{
	*a = (assignment){ .m = m, .classes = p->classes, .groups = p->groups, .ports = p->ports };
	a->config = mem_calloc(m, p->groups * sizeof *a->config);
	a->produced = mem_array(m, p->classes, sizeof *a->produced);
	a->reads = mem_array(m, p->ports, sizeof *a->reads);
	if (!a->config || !a->produced || !a->reads) {
		assignment_release(a);
		return fail_memory(d, 0);
	}
	for (size_t v = 0; v < p->classes; v++)
		a->produced[v] = PROBLEM_ANY;
	for (size_t i = 0; i < p->ports; i++)
		a->reads[i] = PROBLEM_NONE;
	return CLAST_OK;
}

void assignment_release(assignment *a)
{
	if (!a->m)
		return;
	mem_free(a->m, a->config, a->groups * sizeof *a->config);
	mem_free(a->m, a->produced, a->classes * sizeof *a->produced);
	mem_free(a->m, a->reads, a->ports * sizeof *a->reads);
	mem_free(a->m, a->conversion, a->conversion_capacity * sizeof *a->conversion);
	*a = (assignment){ .m = NULL };
}

/* The order in which reader r of class c reads it, PROBLEM_ANY: as it is. */
static uint16_t reader_order(const problem *p, const assignment *a, const problem_class *c, uint32_t r)
{
	const uint32_t port = p->reader[c->first_reader + r];
	return problem_order(p, port, a->config[p->port[port].group]);
}

/* The cheapest order for a class that nothing in the problem produces. */
static uint16_t cheapest_produced(const problem *p, const assignment *a, uint32_t class, uint8_t *wanted)
{
	const problem_class *c = &p->class[class];
	uint64_t least = UINT64_MAX;
	uint16_t best = 0;
	memset(wanted, 0, c->orders);
	for (uint32_t r = 0; r < c->readers; r++) {
		const uint16_t q = reader_order(p, a, c, r);
		if (q != PROBLEM_ANY)
			wanted[q] = 1;
	}
	for (uint32_t from = 0; from < c->orders; from++) {
		uint64_t sum = 0;
		for (uint32_t q = 0; q < c->orders; q++)
			sum += wanted[q] ? problem_conversion(p, class, from, q) : 0;
		if (sum < least) {
			least = sum;
			best = (uint16_t)from;
		}
	}
	return best;
}

/* Points the readers of a class at what the producer wrote or at conversions, adding those that are missing.
 * made[q]: the conversion that makes order q of this class, PROBLEM_NONE on entry and on return. */
static clast_status connect_readers(assignment *a, const problem *p, uint32_t class, uint32_t *made,
				    clast_diag *d)
{
	const problem_class *c = &p->class[class];
	for (uint32_t r = 0; r < c->readers; r++) {
		const uint16_t q = reader_order(p, a, c, r);
		uint32_t *reads = &a->reads[p->reader[c->first_reader + r]];
		*reads = PROBLEM_NONE;
		if (q == PROBLEM_ANY || q == a->produced[class])
			continue;
		if (made[q] == PROBLEM_NONE) {
			if (!grow(a->m, &a->conversion, &a->conversion_capacity, a->conversions + 1,
				  sizeof *a->conversion))
				return fail_memory(d, 0);
			made[q] = (uint32_t)a->conversions++;
			a->conversion[made[q]] = (conversion_step){ class, q, PROBLEM_NONE };
		}
		*reads = made[q];
	}
	for (uint32_t r = 0; r < c->readers; r++) {
		const uint16_t q = reader_order(p, a, c, r);
		if (q != PROBLEM_ANY)
			made[q] = PROBLEM_NONE;
	}
	return CLAST_OK;
}

static uint32_t most_orders(const problem *p)
{
	uint32_t most = 0;
	for (size_t v = 0; v < p->classes; v++)
		most = p->class[v].orders > most ? p->class[v].orders : most;
	return most;
}

clast_status assignment_complete(assignment *a, const problem *p, clast_diag *d)
{
	const uint32_t most = most_orders(p);
	uint32_t *made = mem_array(a->m, most, sizeof *made);
	uint8_t *wanted = mem_alloc(a->m, most);
	clast_status s = made && wanted ? CLAST_OK : fail_memory(d, most * sizeof *made);
	for (uint32_t q = 0; made && q < most; q++)
		made[q] = PROBLEM_NONE;
	a->conversions = 0;
	for (uint32_t v = 0; s == CLAST_OK && v < p->classes; v++) {
		const problem_class *c = &p->class[v];
		if (c->constant) {
			a->produced[v] = PROBLEM_ANY;
			for (uint32_t r = 0; r < c->readers; r++)
				a->reads[p->reader[c->first_reader + r]] = PROBLEM_NONE;
			continue;
		}
		if (c->producer != PROBLEM_NONE)
			a->produced[v] = problem_order(p, c->producer, a->config[p->port[c->producer].group]);
		else if (a->produced[v] >= c->orders)
			a->produced[v] = cheapest_produced(p, a, v, wanted);
		s = connect_readers(a, p, v, made, d);
	}
	mem_free(a->m, made, most * sizeof *made);
	mem_free(a->m, wanted, most);
	return s == CLAST_OK ? assignment_evaluate(a, p, d) : s;
}

/* What a port reads must be in the order that its configuration asks for. */
static bool port_is_served(const problem *p, const assignment *a, uint32_t port)
{
	const problem_port *t = &p->port[port];
	const uint16_t q = problem_order(p, port, a->config[t->group]);
	const uint32_t from = a->reads[port];
	if (t->produced)
		return q == a->produced[t->class];
	if (p->class[t->class].constant)
		return from == PROBLEM_NONE;
	if (from == PROBLEM_NONE)
		return q == PROBLEM_ANY || q == a->produced[t->class];
	return from < a->conversions && a->conversion[from].class == t->class &&
	       (q == PROBLEM_ANY || a->conversion[from].order == q);
}

clast_status assignment_evaluate(assignment *a, const problem *p, clast_diag *d)
{
	a->config_cost = a->conversion_cost = 0;
	for (size_t g = 0; g < p->groups; g++) {
		if (a->config[g] >= p->group[g].configs)
			return fail(d, CLAST_ERROR_INTERNAL, "group %zu has no configuration %u", g,
				    a->config[g]);
		a->config_cost += p->cost[p->group[g].first_config + a->config[g]];
	}
	for (uint32_t i = 0; i < p->ports; i++)
		if (!port_is_served(p, a, i))
			return fail(d, CLAST_ERROR_INTERNAL, "port %u does not find the order it works in",
				    i);
	for (size_t i = 0; i < a->conversions; i++) {
		const conversion_step *c = &a->conversion[i];
		const bool chained = c->from != PROBLEM_NONE;
		if (c->class >= p->classes || p->class[c->class].constant ||
		    c->order >= p->class[c->class].orders ||
		    (chained && (c->from >= i || a->conversion[c->from].class != c->class)))
			return fail(d, CLAST_ERROR_INTERNAL, "conversion %zu is malformed", i);
		const uint32_t source = chained ? a->conversion[c->from].order : a->produced[c->class];
		if (source >= p->class[c->class].orders)
			return fail(d, CLAST_ERROR_INTERNAL, "conversion %zu has no source", i);
		a->conversion_cost += problem_conversion(p, c->class, source, c->order);
	}
	return CLAST_OK;
}
