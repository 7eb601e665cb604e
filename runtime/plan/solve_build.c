/* Connected parts of a layout problem and their networks. */
#include <string.h>

#include "solve_build.h"

static uint32_t find_root(uint32_t *parent, uint32_t i)
{
	while (parent[i] != i)
		i = parent[i] = parent[parent[i]];
	return i;
}

static void join(uint32_t *parent, uint32_t i, uint32_t j)
{
	i = find_root(parent, i);
	j = find_root(parent, j);
	if (i < j)
		parent[j] = i;
	else
		parent[i] = j;
}

/* Marks what port i asks for; whether its group and its class have anything to do with each other. */
static bool mark_asked(parts *s, uint32_t i)
{
	const problem_port *t = &s->p->port[i];
	if (t->produced || s->p->class[t->class].constant)
		return t->produced;
	bool any = false;
	for (uint32_t c = 0; c < s->p->group[t->group].configs; c++) {
		const uint16_t q = problem_order(s->p, i, c);
		if (q != PROBLEM_ANY)
			s->asked[s->first_order[t->class] + q] = any = true;
	}
	return any;
}

/* Lists members by part: parts in the order of their first group, members ascending. */
static void list_parts(parts *s, uint32_t *parent, uint32_t *number)
{
	const size_t groups = s->p->groups, members = groups + s->p->classes;
	s->count = 0;
	for (uint32_t i = 0; i < members; i++)
		number[i] = PROBLEM_NONE;
	for (uint32_t i = 0; i < groups; i++) {
		const uint32_t root = find_root(parent, i);
		if (number[root] == PROBLEM_NONE)
			number[root] = s->count++;
	}
	memset(s->first, 0, (s->count + 1) * sizeof *s->first);
	for (uint32_t i = 0; i < members; i++) {
		const uint32_t part = number[find_root(parent, i)];
		if (part != PROBLEM_NONE)
			s->first[part + 1]++;
	}
	for (uint32_t k = 0; k < s->count; k++)
		s->first[k + 1] += s->first[k];
	for (uint32_t i = 0; i < members; i++) {
		const uint32_t part = number[find_root(parent, i)];
		if (part != PROBLEM_NONE)
			s->member[s->first[part]++] = i;
	}
	for (uint32_t k = s->count; k > 0; k--)
		s->first[k] = s->first[k - 1];
	s->first[0] = 0;
}

bool parts_find(parts *s, const problem *p, mem *m)
{
	const size_t members = p->groups + p->classes;
	*s = (parts){ .p = p, .m = m };
	s->first_order = mem_array(m, p->classes, sizeof *s->first_order);
	for (size_t v = 0; s->first_order && v < p->classes; v++) {
		s->first_order[v] = s->order_entries;
		s->order_entries += p->class[v].orders;
	}
	s->ids = members + s->order_entries;
	s->asked = mem_calloc(m, s->order_entries * sizeof *s->asked);
	s->local = mem_array(m, s->ids, sizeof *s->local);
	s->member = mem_array(m, members, sizeof *s->member);
	s->first = mem_array(m, members + 1, sizeof *s->first);
	uint32_t *parent = mem_array(m, members, sizeof *parent), *number = mem_array(m, members, sizeof *number);
	const bool ok = s->first_order && s->asked && s->local && s->member && s->first && parent && number &&
	                s->ids < PROBLEM_NONE;
	if (ok) {
		for (uint32_t i = 0; i < members; i++)
			parent[i] = i;
		for (uint32_t i = 0; i < p->ports; i++)
			if (mark_asked(s, i))
				join(parent, p->port[i].group, (uint32_t)p->groups + p->port[i].class);
		list_parts(s, parent, number);
	}
	mem_free(m, parent, members * sizeof *parent);
	mem_free(m, number, members * sizeof *number);
	return ok;
}

void parts_release(parts *s)
{
	if (!s->m)
		return;
	const size_t members = s->p->groups + s->p->classes;
	mem_free(s->m, s->first_order, s->p->classes * sizeof *s->first_order);
	mem_free(s->m, s->asked, s->order_entries * sizeof *s->asked);
	mem_free(s->m, s->local, s->ids * sizeof *s->local);
	mem_free(s->m, s->member, members * sizeof *s->member);
	mem_free(s->m, s->first, (members + 1) * sizeof *s->first);
	*s = (parts){ .m = NULL };
}

static uint32_t class_id(const parts *s, uint32_t class)
{
	return (uint32_t)s->p->groups + class;
}

static uint32_t bit_id(const parts *s, uint32_t class, uint32_t order)
{
	return (uint32_t)(s->p->groups + s->p->classes + s->first_order[class] + order);
}

/* Numbers the variables of a part by ascending id: groups, classes, bits. */
static bool add_variables(parts *s, uint32_t part, int64_t scale, network *n)
{
	const problem *p = s->p;
	uint32_t next = 0;
	bool ok = true;
	for (size_t k = s->first[part]; ok && k < s->first[part + 1]; k++) {
		const uint32_t i = s->member[k];
		const bool is_group = i < p->groups;
		s->local[i] = next;
		ok = network_variable(n, next, i, is_group ? p->group[i].configs : p->class[i - p->groups].orders);
		for (uint32_t c = 0; ok && is_group && c < p->group[i].configs; c++)
			n->var[next].unary[c] = (int64_t)p->cost[p->group[i].first_config + c] * scale;
		next++;
	}
	for (size_t k = s->first[part]; ok && k < s->first[part + 1]; k++) {
		if (s->member[k] < p->groups)
			continue;
		const uint32_t v = s->member[k] - (uint32_t)p->groups;
		for (uint32_t q = 0; ok && q < p->class[v].orders; q++) {
			if (!s->asked[s->first_order[v] + q])
				continue;
			s->local[bit_id(s, v, q)] = next;
			ok = network_variable(n, next++, bit_id(s, v, q), 2);
		}
	}
	return ok;
}

static bool add_writer(parts *s, network *n, uint32_t port)
{
	const problem_port *t = &s->p->port[port];
	const uint32_t orders = s->p->class[t->class].orders, configs = s->p->group[t->group].configs;
	factor *f = network_factor(n, 2, (uint32_t[]){ s->local[t->group], s->local[class_id(s, t->class)] });
	for (uint32_t c = 0; f && c < configs; c++)
		for (uint32_t x = 0; x < orders; x++)
			if (x != problem_order(s->p, port, c))
				f->table[(size_t)c * orders + x] = COST_INFINITE;
	return f != NULL;
}

static bool add_reader(parts *s, network *n, uint32_t port)
{
	const problem_port *t = &s->p->port[port];
	for (uint32_t c = 0; c < s->p->group[t->group].configs; c++) {
		const uint16_t q = problem_order(s->p, port, c);
		if (q == PROBLEM_ANY)
			continue;
		factor *f = network_factor(n, 2, (uint32_t[]){ s->local[t->group], s->local[bit_id(s, t->class, q)] });
		if (!f)
			return false;
		f->table[2 * c] = COST_INFINITE;
	}
	return true;
}

static bool add_conversions(parts *s, network *n, uint32_t class, int64_t scale)
{
	const uint32_t orders = s->p->class[class].orders;
	for (uint32_t q = 0; q < orders; q++) {
		if (!s->asked[s->first_order[class] + q])
			continue;
		factor *f = network_factor(n, 2, (uint32_t[]){ s->local[class_id(s, class)],
		                                               s->local[bit_id(s, class, q)] });
		if (!f)
			return false;
		for (uint32_t x = 0; x < orders; x++)
			f->table[2 * x + 1] = x == q ? 0 : (int64_t)problem_conversion(s->p, class, x, q) * scale;
	}
	return true;
}

bool parts_network(parts *s, uint32_t part, int64_t scale, network *n, trail *t, certificate *proof)
{
	const problem *p = s->p;
	uint32_t vars = (uint32_t)(s->first[part + 1] - s->first[part]);
	for (size_t k = s->first[part]; k < s->first[part + 1]; k++) {
		if (s->member[k] < p->groups)
			continue;
		const uint32_t v = s->member[k] - (uint32_t)p->groups;
		for (uint32_t q = 0; q < p->class[v].orders; q++)
			vars += s->asked[s->first_order[v] + q];
	}
	bool ok = network_init(n, vars, 2 * vars, s->m, t, proof) && add_variables(s, part, scale, n);
	for (size_t k = s->first[part]; ok && k < s->first[part + 1]; k++) {
		const uint32_t i = s->member[k];
		if (i >= p->groups) {
			ok = add_conversions(s, n, i - (uint32_t)p->groups, scale);
			continue;
		}
		const problem_group *g = &p->group[i];
		for (uint32_t port = g->first_port; ok && port < g->first_port + g->ports; port++) {
			if (p->port[port].produced)
				ok = add_writer(s, n, port);
			else if (!p->class[p->port[port].class].constant)
				ok = add_reader(s, n, port);
		}
	}
	return ok;
}
