/* Networks of cost functions: construction, lookup, copies. */
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
	*n = (network){
		.m = m, .trail = t, .proof = proof, .vars = vars, .capacity = capacity, .left = vars
	};
	pool_init(&n->memory, m);
	n->var = pool_alloc(&n->memory, (size_t)capacity * sizeof *n->var);
	n->order = pool_alloc(&n->memory, (size_t)capacity * sizeof *n->order);
	n->stack = pool_alloc(&n->memory, (size_t)capacity * sizeof *n->stack);
	return n->var && n->order && n->stack;
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
	v->bucket = 0;
	f->lists++;
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
		if (--f->lists == 0)
			pool_free(&n->memory, f, sizeof *f + f->arity * sizeof *f->var);
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
	int64_t *table = n->dry ? NULL : pool_alloc(&n->memory, entries * sizeof *table);
	if (!f || (!table && !n->dry))
		return NULL;
	if (table)
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

bool network_extract(network *to, const network *from, const excerpt *e)
{
	uint32_t *number = mem_array(from->m, from->vars, sizeof *number);
	bool ok = network_init(to, e->vars, e->vars, from->m, from->trail, from->proof) && number;
	for (uint32_t k = 0; ok && k < e->vars; k++) {
		const variable *v = &from->var[e->var[k]];
		number[e->var[k]] = to->order[k] = k;
		ok = network_variable(to, k, v->id, v->labels);
		if (ok) {
			memcpy(to->var[k].unary, v->unary, v->labels * sizeof *v->unary);
			to->var[k].names = v->names;
		}
	}
	for (uint32_t k = 0; ok && k < e->vars; k++) {
		const variable *v = &from->var[e->var[k]];
		for (uint32_t at = 0; ok && at < v->factors; at++) {
			const factor *f = v->factor[at];
			uint32_t var[PROOF_MAX_ARITY] = { 0 };
			if (f->gone || f->var[0] != e->var[k])
				continue;
			for (uint32_t j = 0; j < f->arity; j++)
				var[j] = number[f->var[j]];
			factor *copy = network_factor(to, f->arity, var);
			ok = copy != NULL;
			if (ok)
				memcpy(copy->table, f->table, f->entries * sizeof *f->table);
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
