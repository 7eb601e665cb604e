/* Narrowing nested fan-outs. In a dense block value i is read by the concats i, i+1, .., n, so that the
 * copies of n values are tied to up to n readers each and nothing can be eliminated cheaply. But the
 * readers of value i+1 are among those of value i: with a variable "some reader of value i+1 wants this
 * order" the ties become a chain. */
#include <stdlib.h>
#include <string.h>

#include "solve_network.h"

/* Fewer readers in common are not worth a variable. */
#define SHARED_READERS 3
/* Copies with more readers that are looked at, those with the fewest more first. */
#define TRIES 16

/* A wish is a reader with the configurations in which it wants a copy: what copies can have in common. */
typedef struct wish {
	const factor *example;
	uint64_t hash;
	uint32_t reader;
	uint32_t next; /* wish of the same reader + 1, or 0 */
	uint32_t stamp;
	uint32_t copies; /* that have the wish, at ranked[first_copy ..) */
	size_t first_copy;
} wish;

/* A variable that stands for a copy, with its wishes. */
typedef struct copy {
	uint32_t var;    /* that the wishes are tied to now */
	uint32_t wishes; /* at wish_of[first_wish ..) */
	size_t first_wish;
} copy;

typedef struct sharing {
	network *n;
	uint32_t groups, first_bit;
	uint32_t *next_id;
	wish *wish;
	copy *copy; /* by falling number of wishes */
	uint32_t wishes, copies, stamp;
	uint32_t *wish_of, *ranked; /* numbers of wishes; places in copy[] */
	size_t readings;
} sharing;

/* A function that ties a copy with several readers to one of them. */
static bool is_reading(const sharing *s, const factor *f)
{
	const network *n = s->n;
	return f->arity == 2 && n->var[f->var[0]].id < s->groups && n->var[f->var[1]].id >= s->first_bit &&
	       network_is_demand(n, f);
}

bool network_is_demand(const network *n, const factor *f)
{
	if (f->arity != 2 || n->var[f->var[1]].labels != 2)
		return false;
	for (uint32_t e = 0; e < f->entries; e += 2)
		if (f->table[e + 1] != 0 || (f->table[e] != 0 && f->table[e] != COST_INFINITE))
			return false;
	return true;
}

static uint64_t hash_table(const factor *f)
{
	uint64_t hash = f->entries;
	for (uint32_t e = 0; e < f->entries; e++)
		hash = (hash ^ (uint64_t)f->table[e]) * 0x9e3779b97f4a7c15;
	return hash;
}

/* Finds the wish that a reading is, among those of its reader, which are chained from variable.bucket on. */
static uint32_t number_wish(sharing *s, const factor *f)
{
	const uint64_t hash = hash_table(f);
	uint32_t *first = &s->n->var[f->var[0]].bucket;
	for (uint32_t w = *first; w > 0; w = s->wish[w - 1].next) {
		const wish *known = &s->wish[w - 1];
		if (known->hash == hash && f->entries == known->example->entries &&
		    memcmp(known->example->table, f->table, f->entries * sizeof *f->table) == 0)
			return w - 1;
	}
	s->wish[s->wishes] = (wish){ .example = f, .hash = hash, .reader = f->var[0], .next = *first };
	*first = ++s->wishes;
	return s->wishes - 1;
}

static int compare_copies(const void *a, const void *b)
{
	const copy *x = a, *y = b;
	if (x->wishes != y->wishes)
		return x->wishes > y->wishes ? -1 : 1;
	return x->var < y->var ? -1 : x->var > y->var;
}

/* Lists the copies with their wishes, and for each wish the copies by rank. */
static void list_copies(sharing *s, uint32_t count, const uint32_t *copies)
{
	network *n = s->n;
	size_t next = 0;
	for (uint32_t k = 0; k < count; k++) {
		const uint32_t b = copies[k];
		factor *f;
		if (n->var[b].live <= SHARED_READERS)
			continue;
		copy *c = &s->copy[s->copies++];
		*c = (copy){ .var = b, .first_wish = next };
		for (uint32_t at = 0; (f = network_next(n, b, &at)); at++)
			if (is_reading(s, f)) {
				const uint32_t w = number_wish(s, f);
				s->wish_of[next++] = w;
				s->wish[w].copies++;
			}
		c->wishes = (uint32_t)(next - c->first_wish);
	}
	for (uint32_t w = 0; w < s->wishes; w++)
		n->var[s->wish[w].reader].bucket = 0;
	qsort(s->copy, s->copies, sizeof *s->copy, compare_copies);
	next = 0;
	for (uint32_t w = 0; w < s->wishes; w++) {
		s->wish[w].first_copy = next;
		next += s->wish[w].copies;
		s->wish[w].copies = 0;
	}
	for (uint32_t c = 0; c < s->copies; c++)
		for (uint32_t k = 0; k < s->copy[c].wishes; k++) {
			wish *w = &s->wish[s->wish_of[s->copy[c].first_wish + k]];
			s->ranked[w->first_copy + w->copies++] = c;
		}
}

/* Whether what is tied to copy `of` now has all the wishes of copy c. */
static bool has_wishes(sharing *s, uint32_t of, uint32_t c)
{
	s->stamp++;
	for (uint32_t k = 0; k < s->copy[of].wishes; k++)
		s->wish[s->wish_of[s->copy[of].first_wish + k]].stamp = s->stamp;
	for (uint32_t k = 0; k < s->copy[c].wishes; k++)
		if (s->wish[s->wish_of[s->copy[c].first_wish + k]].stamp != s->stamp)
			return false;
	return true;
}

/* The copy with the fewest more wishes than c, found by the wish that the fewest copies have. */
static uint32_t find_larger(sharing *s, uint32_t c)
{
	const copy *t = &s->copy[c];
	const wish *rarest = &s->wish[s->wish_of[t->first_wish]];
	for (uint32_t k = 1; k < t->wishes; k++) {
		const wish *w = &s->wish[s->wish_of[t->first_wish + k]];
		rarest = w->copies < rarest->copies ? w : rarest;
	}
	uint32_t at = 0, tries = 0;
	while (s->ranked[rarest->first_copy + at] != c)
		at++;
	while (at-- > 0 && tries++ < TRIES) {
		const uint32_t of = s->ranked[rarest->first_copy + at];
		if (has_wishes(s, of, c))
			return of;
	}
	return PROBLEM_NONE;
}

static bool note_sharing(const sharing *s, const copy *c, uint32_t larger)
{
	const network *n = s->n;
	certificate *proof = n->proof;
	bool ok = proof_append(proof, (int64_t[]){ PROOF_SHARE, c->wishes, 2 }, 3);
	for (uint32_t k = 0; ok && k < c->wishes; k++)
		ok = proof_append(proof,
				  &(int64_t){ n->var[s->wish[s->wish_of[c->first_wish + k]].reader].id }, 1);
	return ok && proof_append(proof, (int64_t[]){ n->var[c->var].id, n->var[larger].id }, 2);
}

/* Removes from copy `of` the wishes that has_wishes has found there last: those of c. */
static void take_wishes(sharing *s, copy *of, const copy *c)
{
	for (uint32_t k = 0; k < c->wishes; k++)
		s->wish[s->wish_of[c->first_wish + k]].stamp = 0;
	uint32_t left = 0;
	for (uint32_t k = 0; k < of->wishes; k++) {
		const uint32_t w = s->wish_of[of->first_wish + k];
		if (s->wish[w].stamp != 0)
			s->wish_of[of->first_wish + left++] = w;
	}
	of->wishes = left;
}

/* Puts a new variable between the readers of copy c and the two copies. */
static bool share(sharing *s, copy *c, copy *of)
{
	network *n = s->n;
	const uint32_t made = n->vars;
	if (!note_sharing(s, c, of->var))
		return false;
	n->order[n->vars++] = made;
	n->left++;
	if (!network_variable(n, made, (*s->next_id)++, 2))
		return false;
	for (uint32_t k = 0; k < c->wishes; k++) {
		const uint32_t y = s->wish[s->wish_of[c->first_wish + k]].reader;
		factor *f = network_factor(n, 2, (uint32_t[]){ y, c->var });
		factor *g = network_factor(n, 2, (uint32_t[]){ y, of->var });
		factor *made_by = network_factor(n, 2, (uint32_t[]){ y, made });
		if (!f || !g || !made_by)
			return false;
		memcpy(made_by->table, f->table, f->entries * sizeof *f->table);
		network_kill(n, f);
		network_kill(n, g);
	}
	factor *f = network_factor(n, 2, (uint32_t[]){ c->var, made });
	factor *g = network_factor(n, 2, (uint32_t[]){ of->var, made });
	if (!f || !g)
		return false;
	f->table[1] = g->table[1] = COST_INFINITE;
	take_wishes(s, of, c);
	c->var = made;
	return true;
}

bool network_share(network *n, uint32_t groups, uint32_t first_bit, uint32_t count, const uint32_t *copies,
		   uint32_t *next_id)
{
	sharing s = { .n = n, .groups = groups, .first_bit = first_bit, .next_id = next_id };
	uint32_t candidates = 0;
	for (uint32_t k = 0; k < count; k++)
		if (n->var[copies[k]].live > SHARED_READERS) {
			candidates++;
			s.readings += n->var[copies[k]].live;
		}
	if (candidates < 2)
		return true;
	s.wish = mem_array(n->m, s.readings, sizeof *s.wish);
	s.copy = mem_array(n->m, candidates, sizeof *s.copy);
	s.wish_of = mem_array(n->m, s.readings, sizeof *s.wish_of);
	s.ranked = mem_array(n->m, s.readings, sizeof *s.ranked);
	bool ok = s.wish && s.copy && s.wish_of && s.ranked;
	if (ok)
		list_copies(&s, count, copies);
	for (uint32_t c = 1; ok && c < s.copies; c++) {
		if (s.copy[c].wishes < SHARED_READERS) /* and so have those after it */
			break;
		const uint32_t of = find_larger(&s, c);
		ok = of == PROBLEM_NONE || share(&s, &s.copy[c], &s.copy[of]);
	}
	mem_free(n->m, s.wish, s.readings * sizeof *s.wish);
	mem_free(n->m, s.copy, candidates * sizeof *s.copy);
	mem_free(n->m, s.wish_of, s.readings * sizeof *s.wish_of);
	mem_free(n->m, s.ranked, s.readings * sizeof *s.ranked);
	return ok;
}
