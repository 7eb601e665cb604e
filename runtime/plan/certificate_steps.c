/* The steps of a proof that need no proof of their own: each changes the network so that its least sum
 * does not rise, or is rejected. */
#include <string.h>

#include "certificate_state.h"

static int64_t least_entry(const int64_t *table, size_t entries)
{
	int64_t smallest = PROOF_INFINITE;
	for (size_t i = 0; i < entries; i++)
		smallest = table[i] < smallest ? table[i] : smallest;
	return smallest;
}

/* ---- ELIMINATE ---- */

/* The other variables of i's functions, ascending. */
static bool list_neighbours(proof_state *s, uint32_t i, uint32_t *count, uint32_t *list)
{
	proof_link **at = &s->var[i].first;
	*count = 0;
	for (proof_function *f; (f = state_next_function(&at));)
		for (uint32_t j = 0; j < f->arity; j++) {
			uint32_t before = 0;
			while (before < *count && list[before] < f->var[j])
				before++;
			if (f->var[j] == i || (before < *count && list[before] == f->var[j]))
				continue;
			if (*count == PROOF_MAX_ARITY)
				return proof_reject(s->k, "too many variables at once");
			memmove(list + before + 1, list + before, (*count - before) * sizeof *list);
			list[before] = f->var[j];
			++*count;
		}
	return true;
}

/* A function in the sum over which variable i is minimised: where its entry is, and how far it moves when
 * the label of variable i (own) or of one of the neighbours goes up by one. */
typedef struct term {
	const int64_t *entry;
	size_t own, step[PROOF_MAX_ARITY];
} term;

static void init_term(const proof_state *s, const proof_function *f, uint32_t i, uint32_t count,
		      const uint32_t *list, term *t)
{
	*t = (term){ .entry = f->table };
	for (uint32_t j = 0; j < f->arity; j++) {
		const size_t stride = state_stride(s, f, j);
		if (f->var[j] == i)
			t->own = stride;
		for (uint32_t k = 0; k < count; k++)
			if (list[k] == f->var[j])
				t->step[k] = stride;
	}
}

static int64_t least_sum(proof_checker *k, const proof_variable *v, const term *t, size_t terms)
{
	int64_t smallest = PROOF_INFINITE;
	for (uint32_t a = 0; a < v->labels; a++) {
		int64_t sum = v->cost[a];
		for (size_t j = 0; j < terms; j++)
			sum = proof_add(k, sum, t[j].entry[a * t[j].own]);
		smallest = sum < smallest ? sum : smallest;
	}
	return smallest;
}

/* Goes to the next combination of the neighbours' labels, the last one fastest; false after the last
 * combination. */
static bool next_combination(const proof_state *s, uint32_t count, const uint32_t *list, uint32_t *digit,
			     term *t, size_t terms)
{
	for (uint32_t j = count; j-- > 0; digit[j] = 0) {
		const uint32_t labels = s->var[list[j]].labels;
		if (++digit[j] < labels) {
			for (size_t k = 0; k < terms; k++)
				t[k].entry += t[k].step[j];
			return true;
		}
		for (size_t k = 0; k < terms; k++)
			t[k].entry -= (labels - 1) * t[k].step[j];
	}
	return false;
}

/* Adds the minimum over variable i of all that contains it to a table over its neighbours. */
static bool minimise(proof_state *s, uint32_t i, uint32_t count, const uint32_t *list, int64_t *table)
{
	uint32_t digit[PROOF_MAX_ARITY] = { 0 };
	const size_t terms = s->var[i].functions;
	term *t = mem_array(s->k->m, terms, sizeof *t);
	if (!t)
		return proof_out_of_memory(s->k);
	proof_link **at = &s->var[i].first;
	for (size_t j = 0; j < terms; j++)
		init_term(s, state_next_function(&at), i, count, list, &t[j]);
	do {
		*table = proof_add(s->k, *table, least_sum(s->k, &s->var[i], t, terms));
		table++;
	} while (next_combination(s, count, list, digit, t, terms));
	mem_free(s->k->m, t, terms * sizeof *t);
	return s->k->status == CLAST_OK;
}

static bool restrict_variable(proof_state *s, uint32_t i)
{
	proof_link **at = &s->var[i].first;
	s->constant = proof_add(s->k, s->constant, s->var[i].cost[0]);
	for (proof_function *f; (f = state_next_function(&at));) {
		uint32_t rest[PROOF_MAX_ARITY], arity = 0;
		for (uint32_t j = 0; j < f->arity; j++)
			if (f->var[j] != i)
				rest[arity++] = f->var[j];
		proof_function *g = arity > 1 ? state_function(s, arity, rest) : NULL;
		if (arity > 1 && !g)
			return false;
		int64_t *table = g ? g->table : s->var[rest[0]].cost;
		for (size_t e = 0; e < f->entries; e++)
			table[e] = proof_add(s->k, table[e], f->table[e]);
	}
	state_remove_variable(s, i);
	return s->k->status == CLAST_OK;
}

static bool eliminate(proof_state *s, uint32_t i)
{
	uint32_t list[PROOF_MAX_ARITY + 1], count;
	if (s->var[i].labels == 1)
		return restrict_variable(s, i);
	if (!list_neighbours(s, i, &count, list))
		return false;
	int64_t *table = &s->constant;
	if (count == 1)
		table = s->var[list[0]].cost;
	if (count > 1) {
		proof_function *f = state_function(s, count, list);
		if (!f)
			return false;
		table = f->table;
	}
	if (!minimise(s, i, count, list, table))
		return false;
	state_remove_variable(s, i);
	return true;
}

bool proof_eliminate(proof_state *s)
{
	size_t count;
	uint32_t i;
	bool ok = proof_next_count(s->k, 1, &count);
	for (size_t j = 0; ok && j < count; j++)
		ok = state_next_variable(s, &i) && eliminate(s, i);
	return ok;
}

/* ---- DROP, PRUNE, MOVE ---- */

/* The least of f(a, .) - f(b, .) over the other variables, where f(a, .) is possible at all; false: not
 * bounded. */
static bool least_difference(proof_checker *k, const proof_state *s, const proof_function *f, uint32_t i,
			     uint32_t a, uint32_t b, int64_t *difference)
{
	const size_t inner = state_stride(s, f, state_place_of(f, i)), labels = s->var[i].labels;
	*difference = PROOF_INFINITE;
	for (size_t e = 0; e < f->entries; e++) {
		if (e / inner % labels != a || f->table[e] == PROOF_INFINITE)
			continue;
		const int64_t other = f->table[e - a * inner + b * inner];
		if (other == PROOF_INFINITE)
			return false;
		const int64_t more = proof_add(k, f->table[e], -other);
		*difference = more < *difference ? more : *difference;
	}
	return true;
}

static bool is_dominated(proof_state *s, uint32_t i, uint32_t a, uint32_t b)
{
	const proof_variable *v = &s->var[i];
	int64_t sum = v->cost[a], difference;
	if (a == b || (v->cost[b] == PROOF_INFINITE && v->cost[a] != PROOF_INFINITE))
		return false;
	if (v->cost[b] != PROOF_INFINITE)
		sum = proof_add(s->k, sum, -v->cost[b]);
	proof_link **at = &s->var[i].first;
	for (proof_function *f; (f = state_next_function(&at)); sum = proof_add(s->k, sum, difference))
		if (!least_difference(s->k, s, f, i, a, b, &difference))
			return false;
	return sum >= 0;
}

bool proof_drop(proof_state *s)
{
	size_t count;
	uint32_t i, a, b;
	bool ok = proof_next_count(s->k, 3, &count);
	for (size_t j = 0; ok && j < count; j++) {
		ok = state_next_variable(s, &i) && state_next_label(s, i, &a) && state_next_label(s, i, &b);
		if (ok && !is_dominated(s, i, a, b))
			ok = proof_reject(s->k, "a label is dropped that is not dominated");
		ok = ok && state_remove_label(s, i, a);
	}
	return ok;
}

int64_t state_bound(proof_state *s)
{
	int64_t sum = s->constant;
	for (uint32_t i = 0; i < s->vars; i++)
		if (!s->var[i].gone)
			sum = proof_add(s->k, sum, least_entry(s->var[i].cost, s->var[i].labels));
	for (size_t i = 0; i < s->functions; i++)
		if (!s->all[i]->gone)
			sum = proof_add(s->k, sum, least_entry(s->all[i]->table, s->all[i]->entries));
	return sum;
}

/* By how much the minima around variable i rise when it takes label number a. */
static int64_t rise(proof_state *s, uint32_t i, uint32_t a)
{
	const proof_variable *v = &s->var[i];
	const int64_t own = least_entry(v->cost, v->labels);
	if (v->cost[a] == PROOF_INFINITE)
		return PROOF_INFINITE;
	int64_t sum = proof_add(s->k, v->cost[a], -own);
	proof_link **at = &s->var[i].first;
	for (proof_function *f; (f = state_next_function(&at));) {
		const size_t inner = state_stride(s, f, state_place_of(f, i));
		const int64_t all = least_entry(f->table, f->entries);
		int64_t with = PROOF_INFINITE;
		for (size_t e = 0; e < f->entries; e++)
			if (e / inner % v->labels == a && f->table[e] < with)
				with = f->table[e];
		if (with == PROOF_INFINITE)
			return PROOF_INFINITE;
		sum = proof_add(s->k, sum, proof_add(s->k, with, -all));
	}
	return sum;
}

/* Judges the labels of a PRUNE step on the network before it. */
static bool judge_prune(proof_state *s, int64_t target, size_t count)
{
	uint32_t i, a;
	bool ok = true, bound_known = false;
	int64_t before = 0;
	for (size_t j = 0; ok && j < count; j++) {
		ok = state_next_variable(s, &i) && state_next_label(s, i, &a);
		const int64_t more = ok ? rise(s, i, a) : PROOF_INFINITE;
		if (!ok || more == PROOF_INFINITE)
			continue;
		before = bound_known ? before : state_bound(s);
		bound_known = true;
		if (proof_add(s->k, before, more) < target)
			ok = proof_reject(s->k, "a label is pruned that may cost less than the bound");
	}
	return ok && s->k->status == CLAST_OK;
}

bool proof_prune(proof_state *s, int64_t target)
{
	size_t count;
	uint32_t i, a;
	if (!proof_next_count(s->k, 2, &count))
		return false;
	const size_t first = s->k->at;
	bool ok = judge_prune(s, target, count);
	s->k->at = first;
	for (size_t j = 0; ok && j < count; j++) {
		ok = !s->refuted || proof_reject(s->k, "a case is closed, but its proof goes on");
		ok = ok && state_next_variable(s, &i) && state_next_label(s, i, &a) &&
		     state_remove_label(s, i, a);
	}
	return ok;
}

/* Moves the amounts that follow from function f to variable i. */
static bool move(proof_state *s, proof_function *f, uint32_t i)
{
	proof_variable *v = &s->var[i];
	const size_t inner = state_stride(s, f, state_place_of(f, i));
	for (uint32_t a = 0; a < v->labels; a++) {
		int64_t amount;
		if (!proof_next_word(s->k, &amount))
			return false;
		if (amount < -PROOF_FINITE || amount > PROOF_FINITE)
			return proof_reject(s->k, "an amount out of range");
		s->integral = s->integral && amount % (int64_t)s->k->c->scale == 0;
		v->cost[a] = proof_add(s->k, v->cost[a], amount);
		for (size_t e = a * inner; e < f->entries; e += v->labels * inner)
			for (size_t r = 0; r < inner; r++)
				f->table[e + r] = proof_add(s->k, f->table[e + r], -amount);
	}
	return s->k->status == CLAST_OK;
}

static bool move_one(proof_state *s)
{
	int64_t arity;
	uint32_t named[PROOF_MAX_ARITY], scope[PROOF_MAX_ARITY];
	if (!proof_next_word(s->k, &arity))
		return false;
	if (arity < 2 || arity > PROOF_MAX_ARITY)
		return proof_reject(s->k, "a function of too few or too many variables");
	for (uint32_t j = 0; j < arity; j++) {
		if (!state_next_variable(s, &named[j]))
			return false;
		uint32_t at = j;
		for (; at > 0 && scope[at - 1] > named[j]; at--)
			scope[at] = scope[at - 1];
		if (at > 0 && scope[at - 1] == named[j])
			return proof_reject(s->k, "a variable twice");
		scope[at] = named[j];
	}
	proof_function *f = state_function(s, (uint32_t)arity, scope);
	bool ok = f != NULL;
	for (uint32_t j = 0; ok && j < arity; j++)
		ok = move(s, f, named[j]);
	return ok;
}

bool proof_move(proof_state *s)
{
	size_t count;
	bool ok = proof_next_count(s->k, 3, &count);
	for (size_t j = 0; ok && j < count; j++)
		ok = move_one(s);
	return ok;
}

/* ---- SHARE ---- */

static proof_function *find_pair(proof_state *s, uint32_t a, uint32_t b)
{
	proof_link **at = &s->var[b].first;
	if (s->var[a].functions < s->var[b].functions)
		at = &s->var[a].first;
	for (proof_function *f; (f = state_next_function(&at));)
		if (f->arity == 2 && f->var[0] == (a < b ? a : b) && f->var[1] == (a < b ? b : a))
			return f;
	return NULL;
}

/* Whether f(y, b) only forbids b = 0 with some labels of y; forbidden[a] says which. */
static bool is_demand(const proof_state *s, const proof_function *f, uint32_t y, bool *forbidden)
{
	const bool y_first = f->var[0] == y;
	const uint32_t labels = s->var[y].labels, b = f->var[y_first];
	if (s->var[b].labels != 2)
		return false;
	for (uint32_t a = 0; a < labels; a++) {
		const int64_t zero = f->table[y_first ? 2 * a : a],
			      one = f->table[y_first ? 2 * a + 1 : labels + a];
		if (one != 0 || (zero != 0 && zero != PROOF_INFINITE))
			return false;
		forbidden[a] = zero == PROOF_INFINITE;
	}
	return true;
}

/* Takes the functions between y and all b away and puts one between y and the new variable. */
static bool share_one(proof_state *s, uint32_t y, size_t bits, const uint32_t *bit, uint32_t made)
{
	const uint32_t labels = s->var[y].labels;
	bool *demand = bump_array(&s->b, labels, sizeof *demand),
	     *other = bump_array(&s->b, labels, sizeof *other);
	if (!demand || !other)
		return proof_out_of_memory(s->k);
	for (size_t j = 0; j < bits; j++) {
		proof_function *f = find_pair(s, y, bit[j]);
		if (!f || !is_demand(s, f, y, j == 0 ? demand : other) ||
		    (j > 0 && memcmp(demand, other, labels * sizeof *demand) != 0))
			return proof_reject(s->k, "readers are shared that are not the same");
		state_remove_function(s, f);
	}
	proof_function *f = state_function(s, 2, (uint32_t[]){ y, made });
	for (uint32_t a = 0; f && a < labels; a++)
		f->table[2 * a] = demand[a] ? PROOF_INFINITE : 0;
	return f != NULL;
}

/* A new variable of so many labels, outside all parts. */
static bool make_variable(proof_state *s, uint32_t labels, uint32_t *made)
{
	*made = s->vars;
	if (s->id || s->vars == PROBLEM_NONE - 1)
		return proof_reject(s->k, "a variable is made inside a part");
	if (!grow(s->k->m, &s->var, &s->var_capacity, s->vars + (size_t)1, sizeof *s->var))
		return proof_out_of_memory(s->k);
	s->var[s->vars++] = (proof_variable){ .gone = false };
	return state_init_variable(s, *made, labels);
}

/* The variables that follow in the proof. The caller frees them. */
static uint32_t *next_variables(proof_state *s, size_t count)
{
	uint32_t *var = mem_array(s->k->m, count, sizeof *var);
	bool ok = var ? true : proof_out_of_memory(s->k);
	for (size_t j = 0; ok && j < count; j++)
		ok = state_next_variable(s, &var[j]);
	if (!ok)
		mem_free(s->k->m, var, count * sizeof *var);
	return ok ? var : NULL;
}

bool proof_share(proof_state *s)
{
	size_t readers, bits;
	uint32_t made;
	if (!proof_next_count(s->k, 1, &readers) || !proof_next_count(s->k, 1, &bits))
		return false;
	if (bits == 0)
		return proof_reject(s->k, "nothing is shared");
	uint32_t *var = next_variables(s, readers + bits);
	bool ok = var && make_variable(s, 2, &made);
	for (size_t j = 0; ok && j < readers; j++)
		ok = share_one(s, var[j], bits, var + readers, made);
	for (size_t j = 0; ok && j < bits; j++) {
		ok = s->var[var[readers + j]].labels == 2 ||
		     proof_reject(s->k, "readers share what is no copy");
		proof_function *f = ok ? state_function(s, 2, (uint32_t[]){ var[readers + j], made }) : NULL;
		if (f)
			f->table[1] = PROOF_INFINITE;
		ok = f != NULL;
	}
	if (var)
		mem_free(s->k->m, var, (readers + bits) * sizeof *var);
	return ok;
}

/* ---- PROJECT ---- */

/* The sets of copies that the labels of y ask for: asks[j * labels + a] for copy j. set[a] is the number
 * of the set of label a, in the order of first labels. */
static bool number_sets(proof_state *s, uint32_t y, size_t bits, const uint32_t *bit, bool *asks,
			uint32_t *set, uint32_t *sets)
{
	const uint32_t labels = s->var[y].labels;
	for (size_t j = 0; j < bits; j++) {
		proof_function *f = find_pair(s, y, bit[j]);
		if (!f || !is_demand(s, f, y, asks + j * labels))
			return proof_reject(s->k, "a projection of what is no reader");
		state_remove_function(s, f);
	}
	*sets = 0;
	for (uint32_t a = 0; a < labels; a++) {
		set[a] = *sets;
		for (uint32_t b = 0; b < a && set[a] == *sets; b++) {
			size_t j = 0;
			while (j < bits && asks[j * labels + a] == asks[j * labels + b])
				j++;
			if (j == bits)
				set[a] = set[b];
		}
		*sets += set[a] == *sets;
	}
	return true;
}

static bool project(proof_state *s, uint32_t y, size_t bits, const uint32_t *bit, bool *asks, uint32_t *set)
{
	const uint32_t labels = s->var[y].labels;
	uint32_t sets = 0, made;
	if (!number_sets(s, y, bits, bit, asks, set, &sets) || !make_variable(s, sets, &made))
		return false;
	proof_function *f = state_function(s, 2, (uint32_t[]){ y, made });
	for (uint32_t a = 0; f && a < labels; a++)
		for (uint32_t k = 0; k < sets; k++)
			f->table[a * sets + k] = set[a] == k ? 0 : PROOF_INFINITE;
	for (size_t j = 0; f && j < bits; j++) {
		f = state_function(s, 2, (uint32_t[]){ bit[j], made });
		for (uint32_t a = 0; f && a < labels; a++)
			if (asks[j * labels + a])
				f->table[set[a]] = PROOF_INFINITE;
	}
	return f != NULL;
}

bool proof_project(proof_state *s)
{
	size_t bits;
	uint32_t y;
	if (!state_next_variable(s, &y) || !proof_next_count(s->k, 1, &bits))
		return false;
	const size_t labels = s->var[y].labels;
	uint32_t *bit = next_variables(s, bits), *set = mem_array(s->k->m, labels, sizeof *set);
	bool *asks = mem_array(s->k->m, bits, labels);
	bool ok = set && asks ? true : proof_out_of_memory(s->k);
	ok = ok && bit && project(s, y, bits, bit, asks, set);
	if (bit)
		mem_free(s->k->m, bit, bits * sizeof *bit);
	mem_free(s->k->m, set, labels * sizeof *set);
	mem_free(s->k->m, asks, bits * labels);
	return ok;
}
