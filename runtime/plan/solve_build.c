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

/* Whether a port reads a class in some orders only, not in whichever there is. */
static bool port_asks(const problem *p, uint32_t i)
{
	const problem_port *t = &p->port[i];
	bool asks = false;
	for (uint32_t c = 0;
	     !asks && !t->produced && !p->class[t->class].constant && c < p->group[t->group].configs; c++)
		asks = problem_order(p, i, c) != PROBLEM_ANY;
	return asks;
}

/* Marks what port i asks for; whether its group and its class have anything to do with each other. */
static bool mark_asked(parts *s, uint32_t i)
{
	const problem_port *t = &s->p->port[i];
	if (t->produced || !port_asks(s->p, i))
		return t->produced;
	s->readers[t->class]++;
	for (uint32_t c = 0; c < s->p->group[t->group].configs; c++) {
		const uint16_t q = problem_order(s->p, i, c);
		if (q != PROBLEM_ANY)
			s->asked[s->first_order[t->class] + q] = true;
	}
	return true;
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
	s->readers = mem_calloc(m, p->classes * sizeof *s->readers);
	s->unread = mem_array(m, p->classes, sizeof *s->unread);
	s->unwritten = mem_array(m, p->classes, sizeof *s->unwritten);
	s->member = mem_array(m, members, sizeof *s->member);
	s->first = mem_array(m, members + 1, sizeof *s->first);
	uint32_t *parent = mem_array(m, members, sizeof *parent),
		 *number = mem_array(m, members, sizeof *number);
	const bool ok = s->first_order && s->asked && s->local && s->readers && s->unread && s->unwritten &&
			s->member && s->first && parent && number && s->ids < PROBLEM_NONE;
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
	mem_free(s->m, s->readers, s->p->classes * sizeof *s->readers);
	mem_free(s->m, s->unread, s->p->classes * sizeof *s->unread);
	mem_free(s->m, s->unwritten, s->p->classes * sizeof *s->unwritten);
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

/* A class with so many readers may have them all in common with another one: network_share has to see
 * them. */
#define HUB_READERS 3

/* Variables after which those at hand are eliminated further, while they are in the cache. */
#define BATCH 4096

typedef struct builder {
	parts *s;
	const problem *p;
	network *n;
	int64_t scale;
	uint32_t *next_id;
	uint32_t next_in_order;
	/* Copies of hubs and the groups that read them, held until all hubs so far have got all their
	 * readers. */
	uint32_t *copy, *group;
	uint32_t copies, groups, open_hubs;
	size_t copy_capacity, group_capacity;
} builder;

static bool is_hub(const builder *b, uint32_t class)
{
	return b->s->readers[class] >= HUB_READERS;
}

/* A class with one reader needs no bits: eliminated at once, they leave the conversion as a function of
 * what is written and what is read. */
static bool has_bits(const parts *s, uint32_t class)
{
	return s->readers[class] > 1;
}

/* Numbers the variables of a part by ascending id: groups, classes, bits. Returns how many there are. */
static uint32_t number_variables(parts *s, uint32_t part)
{
	const uint32_t groups = (uint32_t)s->p->groups;
	uint32_t next = 0;
	for (size_t k = s->first[part]; k < s->first[part + 1]; k++)
		s->local[s->member[k]] = next++;
	for (size_t k = s->first[part]; k < s->first[part + 1]; k++) {
		if (s->member[k] < groups)
			continue;
		const uint32_t v = s->member[k] - groups;
		for (uint32_t q = 0; has_bits(s, v) && q < s->p->class[v].orders; q++)
			if (s->asked[s->first_order[v] + q])
				s->local[bit_id(s, v, q)] = next++;
	}
	return next;
}

static bool add_variable(builder *b, uint32_t id, uint32_t labels)
{
	const uint32_t i = b->s->local[id];
	if (!network_variable(b->n, i, id, labels))
		return false;
	b->n->var[i].held = true;
	b->n->order[b->next_in_order++] = i;
	return true;
}

/* The variables of a class and its conversions. */
static bool add_class(builder *b, uint32_t class)
{
	parts *s = b->s;
	const uint32_t orders = b->p->class[class].orders;
	bool ok = add_variable(b, class_id(s, class), orders);
	for (uint32_t q = 0; ok && has_bits(s, class) && q < orders; q++) {
		if (!s->asked[s->first_order[class] + q])
			continue;
		const uint32_t x = s->local[class_id(s, class)], bit = s->local[bit_id(s, class, q)];
		ok = add_variable(b, bit_id(s, class, q), 2);
		factor *f = ok ? network_factor(b->n, 2, (uint32_t[]){ x, bit }) : NULL;
		for (uint32_t from = 0; f && from < orders; from++)
			f->table[2 * from + 1] =
				from == q ? 0 : (int64_t)problem_conversion(b->p, class, from, q) * b->scale;
		ok = f != NULL;
		if (ok && is_hub(b, class)) {
			ok = grow(s->m, &b->copy, &b->copy_capacity, b->copies + (size_t)1, sizeof *b->copy);
			if (ok)
				b->copy[b->copies++] = bit;
		}
	}
	b->open_hubs += is_hub(b, class);
	return ok;
}

static bool add_writer(builder *b, uint32_t port)
{
	const problem_port *t = &b->p->port[port];
	const uint32_t orders = b->p->class[t->class].orders, configs = b->p->group[t->group].configs;
	const uint32_t x = b->s->local[class_id(b->s, t->class)];
	factor *f = network_factor(b->n, 2, (uint32_t[]){ b->s->local[t->group], x });
	for (uint32_t c = 0; f && c < configs; c++)
		for (uint32_t q = 0; q < orders; q++)
			if (q != problem_order(b->p, port, c))
				f->table[(size_t)c * orders + q] = COST_INFINITE;
	return f != NULL;
}

static bool add_reader(builder *b, uint32_t port)
{
	const problem_port *t = &b->p->port[port];
	for (uint32_t c = 0; c < b->p->group[t->group].configs; c++) {
		const uint16_t q = problem_order(b->p, port, c);
		if (q == PROBLEM_ANY)
			continue;
		const uint32_t bit = b->s->local[bit_id(b->s, t->class, q)];
		factor *f = network_factor(b->n, 2, (uint32_t[]){ b->s->local[t->group], bit });
		if (!f)
			return false;
		f->table[2 * c] = COST_INFINITE;
	}
	return true;
}

/* The only reader of a class. */
static bool add_only_reader(builder *b, uint32_t port)
{
	const problem_port *t = &b->p->port[port];
	const uint32_t orders = b->p->class[t->class].orders;
	const size_t first = b->s->first_order[t->class];
	const uint32_t x = b->s->local[class_id(b->s, t->class)];
	factor *f = network_factor(b->n, 2, (uint32_t[]){ b->s->local[t->group], x });
	bool ok = f != NULL;
	for (uint32_t c = 0; ok && c < b->p->group[t->group].configs; c++) {
		const uint16_t q = problem_order(b->p, port, c);
		int64_t *row = f->table + (size_t)c * orders;
		for (uint32_t from = 0; q != PROBLEM_ANY && from < orders; from++)
			if (from != q)
				row[from] = cost_add(row[from],
						     (int64_t)problem_conversion(b->p, t->class, from, q) *
							     b->scale);
	}
	for (uint32_t q = 0; ok && q < orders; q++)
		if (b->s->asked[first + q])
			ok = network_note_elimination(b->n, bit_id(b->s, t->class, q));
	return ok;
}

/* Lets the copies of a class go that has got all its readers. */
static void let_copies_go(builder *b, uint32_t class)
{
	for (uint32_t q = 0; has_bits(b->s, class) && q < b->p->class[class].orders; q++)
		if (b->s->asked[b->s->first_order[class] + q])
			network_let_go(b->n, b->s->local[bit_id(b->s, class, q)]);
}

/* A class is added with whatever mentions it first: loops may read it before it is written. */
static bool need_class(builder *b, uint32_t class)
{
	uint32_t *unread = &b->s->unread[class];
	if (*unread != PROBLEM_NONE)
		return true;
	*unread = b->s->readers[class];
	b->s->unwritten[class] = b->p->class[class].producer != PROBLEM_NONE;
	return add_class(b, class);
}

/* Lets what the producer writes go when all functions of it are there. */
static void let_written_go(builder *b, uint32_t class)
{
	if (!b->s->unwritten[class] && (has_bits(b->s, class) || b->s->unread[class] == 0))
		network_let_go(b->n, b->s->local[class_id(b->s, class)]);
}

static bool add_port(builder *b, uint32_t port, bool *reads_hub)
{
	const problem_port *t = &b->p->port[port];
	if (!t->produced && !port_asks(b->p, port))
		return true;
	if (!need_class(b, t->class))
		return false;
	if (t->produced) {
		b->s->unwritten[t->class] = false;
		let_written_go(b, t->class);
		return add_writer(b, port);
	}
	*reads_hub = *reads_hub || is_hub(b, t->class);
	if (!(has_bits(b->s, t->class) ? add_reader(b, port) : add_only_reader(b, port)))
		return false;
	--b->s->unread[t->class];
	let_written_go(b, t->class);
	if (b->s->unread[t->class] == 0) {
		if (is_hub(b, t->class))
			b->open_hubs--;
		else
			let_copies_go(b, t->class);
	}
	return true;
}

static bool let_group_go(builder *b, uint32_t group)
{
	const uint32_t first_bit = (uint32_t)(b->p->groups + b->p->classes), y = b->s->local[group];
	network_let_go(b->n, y);
	return network_project(b->n, y, first_bit, b->next_id);
}

static bool let_hubs_go(builder *b)
{
	const uint32_t groups = (uint32_t)b->p->groups, first_bit = (uint32_t)(groups + b->p->classes);
	bool ok = network_share(b->n, groups, first_bit, b->copies, b->copy, b->next_id);
	for (uint32_t k = 0; ok && k < b->groups; k++)
		ok = let_group_go(b, b->group[k]);
	for (uint32_t k = 0; ok && k < b->copies; k++)
		network_let_go(b->n, b->copy[k]);
	b->copies = b->groups = 0;
	return ok;
}

static bool add_group(builder *b, uint32_t group)
{
	const problem_group *g = &b->p->group[group];
	bool reads_hub = false, ok = add_variable(b, group, g->configs);
	for (uint32_t c = 0; ok && c < g->configs; c++)
		b->n->var[b->s->local[group]].unary[c] = (int64_t)b->p->cost[g->first_config + c] * b->scale;
	for (uint32_t port = g->first_port; ok && port < g->first_port + g->ports; port++)
		ok = add_port(b, port, &reads_hub);
	if (ok && reads_hub) {
		ok = grow(b->s->m, &b->group, &b->group_capacity, b->groups + (size_t)1, sizeof *b->group);
		if (ok)
			b->group[b->groups++] = group;
	} else if (ok) {
		ok = let_group_go(b, group);
	}
	if (ok && b->open_hubs == 0 && b->copies > 0)
		ok = let_hubs_go(b);
	return ok && network_drain(b->n);
}

bool parts_network(parts *s, uint32_t part, int64_t scale, size_t narrow, network *n, trail *t,
		   certificate *proof, uint32_t *next_id)
{
	const uint32_t groups = (uint32_t)s->p->groups, vars = number_variables(s, part);
	builder b = { .s = s, .p = s->p, .n = n, .scale = scale, .next_id = next_id };
	bool ok = network_init(n, vars, 2 * vars, s->m, t, proof);
	for (size_t k = s->first[part]; k < s->first[part + 1]; k++)
		if (s->member[k] >= groups)
			s->unread[s->member[k] - groups] = PROBLEM_NONE;
	uint32_t done = 0; /* of n->order */
	for (size_t k = s->first[part]; ok && k < s->first[part + 1] && s->member[k] < groups; k++) {
		ok = add_group(&b, s->member[k]);
		if (ok && narrow > 0 && b.next_in_order - done > BATCH) {
			ok = network_reduce_range(n, done, b.next_in_order, &(effort){ narrow, UINT64_MAX });
			done = b.next_in_order;
		}
	}
	if (ok)
		ok = let_hubs_go(&b) && network_drain(n);
	mem_free(s->m, b.copy, b.copy_capacity * sizeof *b.copy);
	mem_free(s->m, b.group, b.group_capacity * sizeof *b.group);
	return ok;
}
