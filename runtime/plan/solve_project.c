/* Splitting what a group reads from what it writes. A product that may read in k orders and write in k
 * orders has k * k configurations. Tied to the copies that it may read it would make wide tables; a
 * variable for "what it reads" of k labels takes over these ties, and the group itself is then eliminated
 * at once. */
#include <string.h>

#include "solve_network.h"

/* Fewer configurations are not worth a variable. */
#define LEAST_CONFIGS 4

typedef struct projection {
	network *n;
	uint32_t first_bit;
	factor **reading; /* of the group in hand */
	uint32_t readings;
	uint64_t *hash;          /* of the set of copies that each configuration asks for */
	uint32_t *set, *example; /* of each configuration; configuration of each set */
	uint32_t sets;
} projection;

static bool same_set(const projection *s, uint32_t a, uint32_t b)
{
	for (uint32_t k = 0; k < s->readings; k++)
		if (s->reading[k]->table[2 * a] != s->reading[k]->table[2 * b])
			return false;
	return true;
}

static void list_readings(projection *s, uint32_t y)
{
	factor *f;
	s->readings = 0;
	for (uint32_t at = 0; (f = network_next(s->n, y, &at)); at++)
		if (f->arity == 2 && s->n->var[f->var[1]].id >= s->first_bit && network_is_demand(s->n, f))
			s->reading[s->readings++] = f;
}

/* Numbers the sets; false: there are too many for it to be worth while. */
static bool number_sets(projection *s, uint32_t configs)
{
	memset(s->hash, 0, configs * sizeof *s->hash);
	for (uint32_t k = 0; k < s->readings; k++)
		for (uint32_t c = 0; c < configs; c++)
			s->hash[c] =
				(s->hash[c] + 1 + (s->reading[k]->table[2 * c] != 0)) * 0x9e3779b97f4a7c15;
	s->sets = 0;
	for (uint32_t c = 0; c < configs; c++) {
		uint32_t k = 0;
		while (k < s->sets &&
		       (s->hash[s->example[k]] != s->hash[c] || !same_set(s, s->example[k], c)))
			k++;
		s->set[c] = k;
		if (k < s->sets)
			continue;
		s->example[s->sets++] = c;
		if (2 * s->sets > configs || (size_t)s->sets * configs > PROBLEM_MAX_PAIRS)
			return false;
	}
	return true;
}

static bool note_projection(const projection *s, uint32_t y)
{
	const network *n = s->n;
	bool ok = proof_append(n->proof, (int64_t[]){ PROOF_PROJECT, n->var[y].id, s->readings }, 3);
	for (uint32_t k = 0; ok && k < s->readings; k++)
		ok = proof_append(n->proof, &(int64_t){ n->var[s->reading[k]->var[1]].id }, 1);
	return ok;
}

static bool project(projection *s, uint32_t y, uint32_t *next_id)
{
	network *n = s->n;
	const uint32_t made = n->vars, configs = n->var[y].labels;
	if (!note_projection(s, y))
		return false;
	n->order[n->vars++] = made;
	n->left++;
	if (!network_variable(n, made, (*next_id)++, s->sets))
		return false;
	factor *f = network_factor(n, 2, (uint32_t[]){ y, made });
	if (!f)
		return false;
	for (uint32_t e = 0; e < f->entries; e++)
		f->table[e] = COST_INFINITE;
	for (uint32_t c = 0; c < configs; c++)
		f->table[c * s->sets + s->set[c]] = 0;
	for (uint32_t k = 0; k < s->readings; k++) {
		factor *g = network_factor(n, 2, (uint32_t[]){ s->reading[k]->var[1], made });
		if (!g)
			return false;
		for (uint32_t c = 0; c < configs; c++)
			g->table[s->set[c]] = s->reading[k]->table[2 * c];
		network_kill(n, s->reading[k]);
	}
	return true;
}

bool network_project(network *n, uint32_t y, uint32_t first_bit, uint32_t *next_id)
{
	projection s = { .n = n, .first_bit = first_bit };
	const size_t live = n->var[y].live, configs = n->var[y].labels;
	if (configs < LEAST_CONFIGS)
		return true;
	s.reading = pool_alloc(&n->memory, live * sizeof *s.reading);
	s.hash = pool_alloc(&n->memory, configs * sizeof *s.hash);
	s.set = pool_alloc(&n->memory, configs * sizeof *s.set);
	s.example = pool_alloc(&n->memory, configs * sizeof *s.example);
	bool ok = s.reading && s.hash && s.set && s.example;
	if (ok) {
		list_readings(&s, y);
		if (s.readings > 0 && number_sets(&s, (uint32_t)configs))
			ok = project(&s, y, next_id);
	}
	pool_free(&n->memory, s.reading, live * sizeof *s.reading);
	pool_free(&n->memory, s.hash, configs * sizeof *s.hash);
	pool_free(&n->memory, s.set, configs * sizeof *s.set);
	pool_free(&n->memory, s.example, configs * sizeof *s.example);
	return ok;
}
