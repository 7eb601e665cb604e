/* Networks of cost functions: construction, lookup, copies, and the trail that undoes eliminations. */
#include <string.h>

#include "solve_network.h"

bool proof_append(certificate *c, const int64_t *word, size_t words)
{
	if (!grow(c->m, &c->word, &c->capacity, c->words + words, sizeof *c->word))
		return false;
	memcpy(c->word + c->words, word, words * sizeof *word);
	c->words += words;
	return true;
}

bool network_init(network *n, uint32_t vars, uint32_t capacity, mem *m, trail *t, certificate *proof)
{
	*n = (network){ .m = m, .trail = t, .proof = proof, .vars = vars, .capacity = capacity, .left = vars };
	pool_init(&n->memory, m);
	n->var = pool_alloc(&n->memory, (size_t)capacity * sizeof *n->var);
	n->queue = pool_alloc(&n->memory, (size_t)capacity * sizeof *n->queue);
	return n->var && n->queue;
}

void network_release(network *n)
{
	if (n->m)
		pool_release(&n->memory);
	*n = (network){ .m = NULL };
}

bool network_variable(network *n, uint32_t i, uint32_t id, uint32_t labels)
{
	int64_t *unary = pool_alloc(&n->memory, labels * sizeof *unary);
	if (!unary)
		return false;
	memset(unary, 0, labels * sizeof *unary);
	n->var[i] = (variable){ .id = id, .labels = labels, .unary = unary };
	return true;
}

static bool add_incidence(network *n, uint32_t i, factor *f)
{
	variable *v = &n->var[i];
	if (v->factors == v->capacity) {
		uint32_t at = 0;
		if (v->live < v->factors) { /* compacts */
			while (network_next(n, i, &at))
				at++;
		}
	}
	if (v->factors == v->capacity) {
		const uint32_t capacity = v->capacity ? 2 * v->capacity : 4;
		factor **list = pool_alloc(&n->memory, capacity * sizeof *list);
		if (!list)
			return false;
		if (v->factors)
			memcpy(list, v->factor, v->factors * sizeof *list);
		pool_free(&n->memory, v->factor, v->capacity * sizeof *list);
		v->factor = list;
		v->capacity = capacity;
	}
	v->factor[v->factors++] = f;
	v->live++;
	return true;
}

factor *network_next(network *n, uint32_t i, uint32_t *at)
{
	variable *v = &n->var[i];
	while (*at < v->factors) {
		factor *f = v->factor[*at];
		if (!f->gone)
			return f;
		v->factor[*at] = v->factor[--v->factors];
	}
	return NULL;
}

static factor *find_factor(network *n, uint32_t arity, const uint32_t *var)
{
	uint32_t rarest = var[0];
	for (uint32_t k = 1; k < arity; k++)
		if (n->var[var[k]].factors < n->var[rarest].factors)
			rarest = var[k];
	factor *f;
	for (uint32_t at = 0; (f = network_next(n, rarest, &at)); at++)
		if (f->arity == arity && memcmp(f->var, var, arity * sizeof *var) == 0)
			return f;
	return NULL;
}

factor *network_factor(network *n, uint32_t arity, const uint32_t *var)
{
	factor *f = find_factor(n, arity, var);
	if (f)
		return f;
	size_t entries = 1;
	for (uint32_t k = 0; k < arity; k++)
		entries *= n->var[var[k]].labels;
	f = pool_alloc(&n->memory, sizeof *f + arity * sizeof *f->var);
	int64_t *table = pool_alloc(&n->memory, entries * sizeof *table);
	if (!f || !table)
		return NULL;
	memset(table, 0, entries * sizeof *table);
	*f = (factor){ .arity = arity, .entries = (uint32_t)entries, .table = table };
	for (uint32_t k = 0; k < arity; k++) {
		f->var[k] = var[k];
		if (!add_incidence(n, var[k], f))
			return NULL;
	}
	return f;
}

void network_kill(network *n, factor *f)
{
	f->gone = true;
	for (uint32_t k = 0; k < f->arity; k++)
		n->var[f->var[k]].live--;
	pool_free(&n->memory, f->table, f->entries * sizeof *f->table);
	f->table = NULL;
}

/* Where variable i stands among the borders; borders: it is none. */
static uint32_t find_border(const excerpt *e, uint32_t i)
{
	uint32_t k = 0;
	while (k < e->borders && e->border[k] != i)
		k++;
	return k;
}

static bool extract_variable(network *to, const network *from, const excerpt *e, uint32_t number, uint32_t i)
{
	const variable *v = &from->var[i];
	const uint32_t border = find_border(e, i);
	if (border == e->borders) {
		if (!network_variable(to, number, v->id, v->labels))
			return false;
		memcpy(to->var[number].unary, v->unary, v->labels * sizeof *v->unary);
		to->var[number].names = v->names;
		return true;
	}
	trail *t = from->trail;
	uint16_t *label = mem_array(t->m, 1, sizeof *label);
	if (!label || !grow(t->m, &t->name, &t->name_capacity, t->names + 1, sizeof *t->name) ||
	    !network_variable(to, number, v->id, 1)) {
		mem_free(t->m, label, sizeof *label);
		return false;
	}
	*label = network_label(from, i, e->held[border]);
	t->name[t->names] = (label_names){ 1, label };
	to->var[number].names = (uint32_t)t->names++;
	return true;
}

/* Copies the entries of f that agree with what the borders are held at. */
static bool extract_factor(network *to, const network *from, const excerpt *e, const factor *f, const uint32_t *number)
{
	uint32_t var[PROOF_MAX_ARITY] = { 0 }, held[PROOF_MAX_ARITY] = { 0 }, digit[PROOF_MAX_ARITY] = { 0 };
	bool any_held = false;
	for (uint32_t k = 0; k < f->arity; k++) {
		const uint32_t border = e->borders ? find_border(e, f->var[k]) : e->borders;
		var[k] = number[f->var[k]];
		held[k] = border < e->borders ? e->held[border] : PROBLEM_NONE;
		any_held = any_held || border < e->borders;
	}
	factor *copy = network_factor(to, f->arity, var);
	if (!copy)
		return false;
	if (!any_held) {
		memcpy(copy->table, f->table, f->entries * sizeof *f->table);
		return true;
	}
	for (uint32_t at = 0, next = 0; at < f->entries; at++) {
		bool kept = true;
		for (uint32_t k = 0; k < f->arity; k++)
			kept = kept && (held[k] == PROBLEM_NONE || held[k] == digit[k]);
		if (kept)
			copy->table[next++] = f->table[at];
		for (uint32_t k = f->arity; k-- > 0 && ++digit[k] == from->var[f->var[k]].labels;)
			digit[k] = 0;
	}
	return true;
}

bool network_extract(network *to, const network *from, const excerpt *e)
{
	uint32_t *number = mem_array(from->m, from->vars, sizeof *number);
	bool ok = network_init(to, e->vars, e->vars, from->m, from->trail, from->proof) && number;
	for (uint32_t k = 0; ok && k < e->vars; k++) {
		number[e->var[k]] = k;
		ok = extract_variable(to, from, e, k, e->var[k]);
	}
	for (uint32_t k = 0; ok && k < e->vars; k++) {
		const variable *v = &from->var[e->var[k]];
		if (find_border(e, e->var[k]) < e->borders)
			continue;
		for (uint32_t at = 0; ok && at < v->factors; at++) {
			const factor *f = v->factor[at];
			uint32_t first = 0;
			while (!f->gone && find_border(e, f->var[first]) < e->borders)
				first++;
			if (!f->gone && f->var[first] == e->var[k])
				ok = extract_factor(to, from, e, f, number);
		}
	}
	mem_free(from->m, number, from->vars * sizeof *number);
	return ok;
}

bool network_copy(network *to, const network *from)
{
	uint32_t *left = mem_array(from->m, from->left, sizeof *left);
	excerpt e = { .var = left };
	if (!left) {
		*to = (network){ .m = NULL };
		return false;
	}
	for (uint32_t i = 0; i < from->vars; i++)
		if (!from->var[i].gone)
			left[e.vars++] = i;
	const bool ok = network_extract(to, from, &e);
	to->constant = from->constant;
	mem_free(from->m, left, from->left * sizeof *left);
	return ok;
}

uint32_t network_position(const network *n, uint32_t i, uint16_t label)
{
	const label_names *names = &n->trail->name[n->var[i].names];
	uint32_t low = 0, high = n->var[i].labels;
	if (!names->label)
		return label;
	while (low < high) {
		const uint32_t middle = (low + high) / 2;
		if (names->label[middle] < label)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n->var[i].labels && names->label[low] == label ? low : n->var[i].labels;
}

bool trail_init(trail *t, mem *m)
{
	*t = (trail){ .m = m };
	if (!grow(m, &t->name, &t->name_capacity, 1, sizeof *t->name))
		return false;
	t->name[t->names++] = (label_names){ .label = NULL };
	return true;
}

void trail_release(trail *t)
{
	if (!t->m)
		return;
	trail_cut(t, 0, 0);
	mem_free(t->m, t->word, t->capacity * sizeof *t->word);
	mem_free(t->m, t->name, t->name_capacity * sizeof *t->name);
	*t = (trail){ .m = NULL };
}

void trail_cut(trail *t, size_t words, size_t names)
{
	t->words = words;
	while (t->names > names) {
		label_names *n = &t->name[--t->names];
		mem_free(t->m, n->label, n->label ? n->labels * sizeof *n->label : 0);
	}
}

static uint32_t find_label(const label_names *names, uint16_t label)
{
	if (!names->label)
		return label;
	uint32_t k = 0;
	while (k + 1 < names->labels && names->label[k] != label)
		k++;
	return k;
}

/* A record: the variable; for each neighbour its id, its names and its labels then; the best labels, two a word;
 * the length of the record. */
void trail_replay(const trail *t, size_t words, uint16_t *label)
{
	for (size_t end = t->words; end > words;) {
		const size_t first = end - t->word[end - 1];
		const uint32_t *record = t->word + first, neighbours = record[1];
		size_t entry = 0;
		for (uint32_t k = 0; k < neighbours; k++) {
			const uint32_t *s = record + 2 + 3 * k;
			entry = entry * s[2] + find_label(&t->name[s[1]], label[s[0]]);
		}
		const uint16_t *best = (const uint16_t *)(record + 2 + 3 * neighbours);
		label[record[0]] = best[entry];
		end = first;
	}
}
