/* The checker of certificates. It derives everything from the problem anew and has no code in common with the solver. */
#include <stdlib.h>
#include <string.h>

#include "certificate.h"

/* A cost that no plan pays. Finite values stay within FINITE on both sides, which is checked where they change. */
#define INFINITE INT64_MAX
#define FINITE ((int64_t)1 << 61)
/* Proofs nested deeper are refused, and so are tables of words that would not fit. */
#define MAX_DEPTH 2000
/* Larger tables are freed one by one. */
#define LARGE_ENTRIES 256

typedef struct function {
	uint32_t arity;
	bool gone;
	size_t entries;
	int64_t *table; /* last variable fastest */
	uint32_t *var;  /* numbers in the state, ascending */
} function;

typedef struct link {
	function *f;
	struct link *next;
} link;

typedef struct unknown {
	bool gone;
	uint32_t labels, functions;
	uint16_t *label; /* original labels left, ascending */
	int64_t *cost;
	link *first;
} unknown;

typedef struct checker {
	const problem *p;
	const certificate *c;
	mem *m;
	clast_diag *d;
	clast_status status;
	size_t at; /* next word */
} checker;

typedef struct place {
	uint32_t number; /* in the copy */
	bool is_inside;
} place;

/* What is left of the network at one place of the proof. */
typedef struct state {
	checker *k;
	bump b;
	unknown *var;
	size_t var_capacity;
	uint32_t vars;
	uint32_t *id; /* of each variable, ascending; NULL: its number */
	function **all;
	size_t functions, capacity;
	int64_t constant;
	bool integral; /* every number is a multiple of the scale */
	bool refuted;  /* some variable has no label left: nothing here costs less than the target */
	place *place;
	size_t places, place_capacity;
} state;

void certificate_release(certificate *c)
{
	if (c->m)
		mem_free(c->m, c->word, c->capacity * sizeof *c->word);
	*c = (certificate){ .m = NULL };
}

static bool reject(checker *k, const char *reason)
{
	if (k->status == CLAST_OK)
		k->status = fail(k->d, CLAST_ERROR_DATA, "certificate rejected at word %zu of %zu: %s", k->at, k->c->words,
		                 reason);
	return false;
}

static bool out_of_memory(checker *k)
{
	if (k->status == CLAST_OK)
		k->status = fail_memory(k->d, 0);
	return false;
}

static int64_t add(checker *k, int64_t a, int64_t b)
{
	if (a == INFINITE || b == INFINITE)
		return INFINITE;
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum) || sum > FINITE || sum < -FINITE)
		reject(k, "a number out of range");
	return sum;
}

static bool next_word(checker *k, int64_t *word)
{
	if (k->at >= k->c->words)
		return reject(k, "it ends too early");
	*word = k->c->word[k->at++];
	return true;
}

/* A count of items of at least `words` words each, which must still be there. */
static bool next_count(checker *k, size_t words, size_t *count)
{
	int64_t n;
	if (!next_word(k, &n))
		return false;
	if (n < 0 || (uint64_t)n > (k->c->words - k->at) / words)
		return reject(k, "a count out of range");
	*count = (size_t)n;
	return true;
}

/* ---- Networks ---- */

/* vars variables, still without labels. */
static bool state_init(state *s, checker *k, uint32_t vars)
{
	*s = (state){ .k = k };
	bump_init(&s->b, k->m);
	if (!grow(k->m, &s->var, &s->var_capacity, vars, sizeof *s->var))
		return out_of_memory(k);
	s->vars = vars;
	memset(s->var, 0, vars * sizeof *s->var);
	return true;
}

static void state_release(state *s)
{
	for (size_t i = 0; i < s->functions; i++)
		if (s->all[i]->entries > LARGE_ENTRIES)
			mem_free(s->k->m, s->all[i]->table, s->all[i]->entries * sizeof(int64_t));
	mem_free(s->k->m, s->all, s->capacity * sizeof *s->all);
	mem_free(s->k->m, s->var, s->var_capacity * sizeof *s->var);
	mem_free(s->k->m, s->place, s->place_capacity * sizeof *s->place);
	bump_release(&s->b);
}

static void remove_function(state *s, function *f)
{
	f->gone = true;
	for (uint32_t i = 0; i < f->arity; i++)
		s->var[f->var[i]].functions--;
	if (f->entries > LARGE_ENTRIES)
		mem_free(s->k->m, f->table, f->entries * sizeof *f->table);
	f->table = NULL;
	f->entries = 0;
}

/* Goes through the functions of a variable and unlinks those that are gone: start with *at = &var->first. */
static function *live_function(link ***at)
{
	while (**at && (**at)->f->gone)
		**at = (**at)->next;
	if (!**at)
		return NULL;
	function *f = (**at)->f;
	*at = &(**at)->next;
	return f;
}

static bool init_variable(state *s, uint32_t i, uint32_t labels)
{
	unknown *v = &s->var[i];
	v->labels = labels;
	v->label = bump_array(&s->b, labels, sizeof *v->label);
	v->cost = bump_array(&s->b, labels, sizeof *v->cost);
	if (!v->label || !v->cost)
		return out_of_memory(s->k);
	for (uint32_t a = 0; a < labels; a++)
		v->label[a] = (uint16_t)a;
	return true;
}

/* A table of zeros of its own, or NULL. */
static int64_t *new_table(state *s, size_t entries)
{
	return entries > LARGE_ENTRIES ? mem_calloc(s->k->m, entries * sizeof(int64_t))
	                               : bump_array(&s->b, entries, sizeof(int64_t));
}

/* The function of these variables, ascending; a new one is zero. NULL after a failure. */
static function *function_of(state *s, uint32_t arity, const uint32_t *var)
{
	uint32_t rarest = var[0];
	size_t entries = 1;
	for (uint32_t i = 0; i < arity; i++) {
		if (s->var[var[i]].functions < s->var[rarest].functions)
			rarest = var[i];
		entries *= s->var[var[i]].labels;
		if (entries > PROOF_MAX_ENTRIES || arity > PROOF_MAX_ARITY) {
			reject(s->k, "a table too large");
			return NULL;
		}
	}
	link **at = &s->var[rarest].first;
	for (function *f; (f = live_function(&at));)
		if (f->arity == arity && memcmp(f->var, var, arity * sizeof *var) == 0)
			return f;
	function *f = bump_alloc(&s->b, sizeof *f);
	uint32_t *scope = bump_array(&s->b, arity, sizeof *scope);
	link *links = bump_array(&s->b, arity, sizeof *links);
	if (!f || !scope || !links || !grow(s->k->m, &s->all, &s->capacity, s->functions + 1, sizeof *s->all) ||
	    !(f->table = new_table(s, entries))) {
		out_of_memory(s->k);
		return NULL;
	}
	f->arity = arity;
	f->entries = entries;
	f->var = scope;
	s->all[s->functions++] = f;
	for (uint32_t i = 0; i < arity; i++) {
		unknown *v = &s->var[var[i]];
		scope[i] = var[i];
		links[i] = (link){ f, v->first };
		v->first = &links[i];
		v->functions++;
	}
	return f;
}

/* table[i] stands for labels of f's variables: the stride of variable number `which` of f. */
static size_t stride_of(const state *s, const function *f, uint32_t which)
{
	size_t stride = 1;
	for (uint32_t i = f->arity; --i > which;)
		stride *= s->var[f->var[i]].labels;
	return stride;
}

static uint32_t index_in(const function *f, uint32_t var)
{
	uint32_t i = 0;
	while (f->var[i] != var)
		i++;
	return i;
}

static int64_t least(const int64_t *table, size_t entries)
{
	int64_t smallest = INFINITE;
	for (size_t i = 0; i < entries; i++)
		smallest = table[i] < smallest ? table[i] : smallest;
	return smallest;
}

/* The number in the state of a variable that a proof names by its id. */
static bool find_variable(state *s, int64_t id, uint32_t *i)
{
	uint32_t low = 0, high = s->vars;
	while (s->id && low < high) {
		const uint32_t middle = low + (high - low) / 2;
		if (s->id[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (!s->id)
		low = id >= 0 && id < s->vars ? (uint32_t)id : s->vars;
	if (low >= s->vars || (s->id && s->id[low] != id) || s->var[low].gone)
		return reject(s->k, "no such variable");
	*i = low;
	return true;
}

static bool next_variable(state *s, uint32_t *i)
{
	int64_t id;
	return next_word(s->k, &id) && find_variable(s, id, i);
}

static bool find_label(state *s, uint32_t i, int64_t label, uint32_t *position)
{
	for (*position = 0; *position < s->var[i].labels; ++*position)
		if (s->var[i].label[*position] == label)
			return true;
	return reject(s->k, "no such label");
}

static bool next_label(state *s, uint32_t i, uint32_t *position)
{
	int64_t label;
	return next_word(s->k, &label) && find_label(s, i, label, position);
}

/* Takes label number `a` of a variable away, with its slices of the functions. */
static bool remove_label(state *s, uint32_t i, uint32_t a)
{
	unknown *v = &s->var[i];
	link **at = &v->first;
	for (function *f; (f = live_function(&at));) {
		const size_t inner = stride_of(s, f, index_in(f, i)), entries = f->entries / v->labels * (v->labels - 1);
		int64_t *table = new_table(s, entries);
		if (!table)
			return out_of_memory(s->k);
		for (size_t e = 0, to = 0; e < f->entries; e++)
			if (e / inner % v->labels != a)
				table[to++] = f->table[e];
		if (f->entries > LARGE_ENTRIES)
			mem_free(s->k->m, f->table, f->entries * sizeof *table);
		f->table = table;
		f->entries = entries;
	}
	v->labels--;
	s->refuted = s->refuted || v->labels == 0;
	memmove(v->label + a, v->label + a + 1, (v->labels - a) * sizeof *v->label);
	memmove(v->cost + a, v->cost + a + 1, (v->labels - a) * sizeof *v->cost);
	return true;
}

/* ---- The network of a problem ---- */

static bool is_reader(const problem *p, const problem_port *t)
{
	return !t->produced && !p->class[t->class].constant;
}

static bool add_group(state *s, uint32_t g, const size_t *first_bit)
{
	const problem *p = s->k->p;
	const problem_group *group = &p->group[g];
	const int64_t scale = (int64_t)s->k->c->scale;
	for (uint32_t c = 0; c < group->configs; c++)
		s->var[g].cost[c] = (int64_t)p->cost[group->first_config + c] * scale;
	for (uint32_t i = 0; i < group->ports; i++) {
		const problem_port *t = &p->port[group->first_port + i];
		const uint32_t class = (uint32_t)(p->groups + t->class);
		for (uint32_t c = 0; c < group->configs; c++) {
			const uint16_t q = p->order[group->order + (size_t)c * group->ports + i];
			if (t->produced) {
				function *f = function_of(s, 2, (uint32_t[]){ g, class });
				for (uint32_t x = 0; f && x < s->var[class].labels; x++)
					f->table[c * s->var[class].labels + x] = x == q ? 0 : INFINITE;
			} else if (is_reader(p, t) && q != PROBLEM_ANY) {
				function *f = function_of(s, 2, (uint32_t[]){ g, (uint32_t)(first_bit[t->class] + q) });
				if (f)
					f->table[2 * c] = INFINITE;
			}
			if (s->k->status != CLAST_OK)
				return false;
		}
	}
	return true;
}

/* Only orders that some port may ask for matter. */
static bool add_class(state *s, uint32_t v, size_t first_bit)
{
	const problem *p = s->k->p;
	const problem_class *class = &p->class[v];
	const uint32_t x = (uint32_t)(p->groups + v);
	for (uint32_t q = 0; q < class->orders && !class->constant; q++) {
		const uint32_t bit = (uint32_t)(first_bit + q);
		if (s->var[bit].functions == 0)
			continue;
		function *f = function_of(s, 2, (uint32_t[]){ x, bit });
		if (!f)
			return false;
		for (uint32_t from = 0; from < class->orders; from++)
			f->table[2 * from + 1] = from == q ? 0
			                                   : (int64_t)problem_conversion(p, v, from, q) *
			                                             (int64_t)s->k->c->scale;
	}
	return true;
}

static bool build_root(state *s, checker *k)
{
	const problem *p = k->p;
	size_t vars = p->groups + p->classes;
	size_t *const first_bit = mem_array(k->m, p->classes, sizeof *first_bit);
	for (size_t v = 0; first_bit && v < p->classes; v++) {
		first_bit[v] = vars;
		vars += p->class[v].orders;
	}
	bool ok = state_init(s, k, (uint32_t)vars) && (first_bit || out_of_memory(k));
	s->integral = true;
	for (uint32_t g = 0; ok && g < p->groups; g++)
		ok = init_variable(s, g, p->group[g].configs);
	for (uint32_t v = 0; ok && v < p->classes; v++) {
		ok = init_variable(s, (uint32_t)p->groups + v, p->class[v].orders);
		for (uint32_t q = 0; ok && q < p->class[v].orders; q++)
			ok = init_variable(s, (uint32_t)first_bit[v] + q, 2);
	}
	for (uint32_t g = 0; ok && g < p->groups; g++)
		ok = add_group(s, g, first_bit);
	for (uint32_t v = 0; ok && v < p->classes; v++)
		ok = add_class(s, v, first_bit[v]);
	mem_free(k->m, first_bit, p->classes * sizeof *first_bit);
	return ok;
}

/* ---- ELIMINATE ---- */

/* The other variables of i's functions, ascending. */
static bool list_neighbours(state *s, uint32_t i, uint32_t *count, uint32_t *list)
{
	link **at = &s->var[i].first;
	*count = 0;
	for (function *f; (f = live_function(&at));)
		for (uint32_t j = 0; j < f->arity; j++) {
			uint32_t before = 0;
			while (before < *count && list[before] < f->var[j])
				before++;
			if (f->var[j] == i || (before < *count && list[before] == f->var[j]))
				continue;
			if (*count == PROOF_MAX_ARITY)
				return reject(s->k, "too many variables at once");
			memmove(list + before + 1, list + before, (*count - before) * sizeof *list);
			list[before] = f->var[j];
			++*count;
		}
	return true;
}

/* Value of f where variable i has label number a and the variables in list the labels in digit. */
static int64_t value_at(const state *s, const function *f, uint32_t i, uint32_t a, uint32_t count, const uint32_t *list,
                        const uint32_t *digit)
{
	size_t entry = 0;
	for (uint32_t j = 0, k = 0; j < f->arity; j++) {
		uint32_t at = a;
		if (f->var[j] != i) {
			while (k < count && list[k] != f->var[j])
				k++;
			at = digit[k];
		}
		entry = entry * s->var[f->var[j]].labels + at;
	}
	return f->table[entry];
}

/* Counts digits up, the last one fastest; false after the last combination. */
static bool next_digits(const state *s, uint32_t count, const uint32_t *list, uint32_t *digit)
{
	for (uint32_t j = count; j-- > 0; digit[j] = 0)
		if (++digit[j] < s->var[list[j]].labels)
			return true;
	return false;
}

static int64_t least_sum(state *s, uint32_t i, uint32_t count, const uint32_t *list, const uint32_t *digit)
{
	int64_t smallest = INFINITE;
	for (uint32_t a = 0; a < s->var[i].labels; a++) {
		int64_t sum = s->var[i].cost[a];
		link **at = &s->var[i].first;
		for (function *f; (f = live_function(&at));)
			sum = add(s->k, sum, value_at(s, f, i, a, count, list, digit));
		smallest = sum < smallest ? sum : smallest;
	}
	return smallest;
}

static void remove_variable(state *s, uint32_t i)
{
	link **at = &s->var[i].first;
	for (function *f; (f = live_function(&at));)
		remove_function(s, f);
	s->var[i].gone = true;
}

static bool restrict_variable(state *s, uint32_t i)
{
	link **at = &s->var[i].first;
	s->constant = add(s->k, s->constant, s->var[i].cost[0]);
	for (function *f; (f = live_function(&at));) {
		uint32_t rest[PROOF_MAX_ARITY], arity = 0;
		for (uint32_t j = 0; j < f->arity; j++)
			if (f->var[j] != i)
				rest[arity++] = f->var[j];
		function *g = arity > 1 ? function_of(s, arity, rest) : NULL;
		if (arity > 1 && !g)
			return false;
		int64_t *table = g ? g->table : s->var[rest[0]].cost;
		for (size_t e = 0; e < f->entries; e++)
			table[e] = add(s->k, table[e], f->table[e]);
	}
	remove_variable(s, i);
	return s->k->status == CLAST_OK;
}

static bool eliminate(state *s, uint32_t i)
{
	uint32_t list[PROOF_MAX_ARITY + 1], digit[PROOF_MAX_ARITY] = { 0 }, count;
	if (s->var[i].labels == 1)
		return restrict_variable(s, i);
	if (!list_neighbours(s, i, &count, list))
		return false;
	int64_t *table = &s->constant;
	if (count == 1)
		table = s->var[list[0]].cost;
	if (count > 1) {
		function *f = function_of(s, count, list);
		if (!f)
			return false;
		table = f->table;
	}
	size_t entry = 0;
	do {
		table[entry] = add(s->k, table[entry], least_sum(s, i, count, list, digit));
		entry++;
	} while (next_digits(s, count, list, digit) && s->k->status == CLAST_OK);
	remove_variable(s, i);
	return s->k->status == CLAST_OK;
}

static bool step_eliminate(state *s)
{
	size_t count;
	uint32_t i;
	bool ok = next_count(s->k, 1, &count);
	for (size_t j = 0; ok && j < count; j++)
		ok = next_variable(s, &i) && eliminate(s, i);
	return ok;
}

/* ---- DROP, PRUNE, MOVE ---- */

/* The least of f(a, .) - f(b, .) over the other variables, where f(a, .) is possible at all; false: not bounded. */
static bool least_difference(checker *k, const state *s, const function *f, uint32_t i, uint32_t a, uint32_t b,
                             int64_t *difference)
{
	const size_t inner = stride_of(s, f, index_in(f, i)), labels = s->var[i].labels;
	*difference = INFINITE;
	for (size_t e = 0; e < f->entries; e++) {
		if (e / inner % labels != a || f->table[e] == INFINITE)
			continue;
		const int64_t other = f->table[e - a * inner + b * inner];
		if (other == INFINITE)
			return false;
		const int64_t more = add(k, f->table[e], -other);
		*difference = more < *difference ? more : *difference;
	}
	return true;
}

static bool is_dominated(state *s, uint32_t i, uint32_t a, uint32_t b)
{
	const unknown *v = &s->var[i];
	int64_t sum = v->cost[a], difference;
	if (a == b || (v->cost[b] == INFINITE && v->cost[a] != INFINITE))
		return false;
	if (v->cost[b] != INFINITE)
		sum = add(s->k, sum, -v->cost[b]);
	link **at = &s->var[i].first;
	for (function *f; (f = live_function(&at)); sum = add(s->k, sum, difference))
		if (!least_difference(s->k, s, f, i, a, b, &difference))
			return false;
	return sum >= 0;
}

static bool step_drop(state *s)
{
	size_t count;
	uint32_t i, a, b;
	bool ok = next_count(s->k, 3, &count);
	for (size_t j = 0; ok && j < count; j++) {
		ok = next_variable(s, &i) && next_label(s, i, &a) && next_label(s, i, &b);
		if (ok && !is_dominated(s, i, a, b))
			ok = reject(s->k, "a label is dropped that is not dominated");
		ok = ok && remove_label(s, i, a);
	}
	return ok;
}

/* A lower bound of the whole state. */
static int64_t bound(state *s)
{
	int64_t sum = s->constant;
	for (uint32_t i = 0; i < s->vars; i++)
		if (!s->var[i].gone)
			sum = add(s->k, sum, least(s->var[i].cost, s->var[i].labels));
	for (size_t i = 0; i < s->functions; i++)
		if (!s->all[i]->gone)
			sum = add(s->k, sum, least(s->all[i]->table, s->all[i]->entries));
	return sum;
}

/* By how much the minima around variable i rise when it takes label number a. */
static int64_t rise(state *s, uint32_t i, uint32_t a)
{
	const unknown *v = &s->var[i];
	const int64_t own = least(v->cost, v->labels);
	if (v->cost[a] == INFINITE)
		return INFINITE;
	int64_t sum = add(s->k, v->cost[a], -own);
	link **at = &s->var[i].first;
	for (function *f; (f = live_function(&at));) {
		const size_t inner = stride_of(s, f, index_in(f, i));
		const int64_t all = least(f->table, f->entries);
		int64_t with = INFINITE;
		for (size_t e = 0; e < f->entries; e++)
			if (e / inner % v->labels == a && f->table[e] < with)
				with = f->table[e];
		if (with == INFINITE)
			return INFINITE;
		sum = add(s->k, sum, add(s->k, with, -all));
	}
	return sum;
}

/* Judges the labels of a PRUNE step on the network before it. */
static bool judge_prune(state *s, int64_t target, size_t count)
{
	uint32_t i, a;
	bool ok = true, bound_known = false;
	int64_t before = 0;
	for (size_t j = 0; ok && j < count; j++) {
		ok = next_variable(s, &i) && next_label(s, i, &a);
		const int64_t more = ok ? rise(s, i, a) : INFINITE;
		if (!ok || more == INFINITE)
			continue;
		before = bound_known ? before : bound(s);
		bound_known = true;
		if (add(s->k, before, more) < target)
			ok = reject(s->k, "a label is pruned that may cost less than the bound");
	}
	return ok && s->k->status == CLAST_OK;
}

static bool step_prune(state *s, int64_t target)
{
	size_t count;
	uint32_t i, a;
	if (!next_count(s->k, 2, &count))
		return false;
	const size_t first = s->k->at;
	bool ok = judge_prune(s, target, count);
	s->k->at = first;
	for (size_t j = 0; ok && j < count; j++) {
		ok = !s->refuted || reject(s->k, "a case is closed, but its proof goes on");
		ok = ok && next_variable(s, &i) && next_label(s, i, &a) && remove_label(s, i, a);
	}
	return ok;
}

/* Moves the amounts that follow from function f to variable i. */
static bool move(state *s, function *f, uint32_t i)
{
	unknown *v = &s->var[i];
	const size_t inner = stride_of(s, f, index_in(f, i));
	for (uint32_t a = 0; a < v->labels; a++) {
		int64_t amount;
		if (!next_word(s->k, &amount))
			return false;
		if (amount < -FINITE || amount > FINITE)
			return reject(s->k, "an amount out of range");
		s->integral = s->integral && amount % (int64_t)s->k->c->scale == 0;
		v->cost[a] = add(s->k, v->cost[a], amount);
		for (size_t e = a * inner; e < f->entries; e += v->labels * inner)
			for (size_t r = 0; r < inner; r++)
				f->table[e + r] = add(s->k, f->table[e + r], -amount);
	}
	return s->k->status == CLAST_OK;
}

static bool move_one(state *s)
{
	int64_t arity;
	uint32_t named[PROOF_MAX_ARITY], scope[PROOF_MAX_ARITY];
	if (!next_word(s->k, &arity))
		return false;
	if (arity < 2 || arity > PROOF_MAX_ARITY)
		return reject(s->k, "a function of too few or too many variables");
	for (uint32_t j = 0; j < arity; j++) {
		if (!next_variable(s, &named[j]))
			return false;
		uint32_t at = j;
		for (; at > 0 && scope[at - 1] > named[j]; at--)
			scope[at] = scope[at - 1];
		if (at > 0 && scope[at - 1] == named[j])
			return reject(s->k, "a variable twice");
		scope[at] = named[j];
	}
	function *f = function_of(s, (uint32_t)arity, scope);
	bool ok = f != NULL;
	for (uint32_t j = 0; ok && j < arity; j++)
		ok = move(s, f, named[j]);
	return ok;
}

static bool step_move(state *s)
{
	size_t count;
	bool ok = next_count(s->k, 3, &count);
	for (size_t j = 0; ok && j < count; j++)
		ok = move_one(s);
	return ok;
}

/* ---- SHARE ---- */

static function *find_pair(state *s, uint32_t a, uint32_t b)
{
	link **at = &s->var[b].first;
	if (s->var[a].functions < s->var[b].functions)
		at = &s->var[a].first;
	for (function *f; (f = live_function(&at));)
		if (f->arity == 2 && f->var[0] == (a < b ? a : b) && f->var[1] == (a < b ? b : a))
			return f;
	return NULL;
}

/* Whether f(y, b) only forbids b = 0 with some labels of y; forbidden[a] says which. */
static bool is_demand(const state *s, const function *f, uint32_t y, bool *forbidden)
{
	const bool y_first = f->var[0] == y;
	const uint32_t labels = s->var[y].labels, b = f->var[y_first];
	if (s->var[b].labels != 2)
		return false;
	for (uint32_t a = 0; a < labels; a++) {
		const int64_t zero = f->table[y_first ? 2 * a : a], one = f->table[y_first ? 2 * a + 1 : labels + a];
		if (one != 0 || (zero != 0 && zero != INFINITE))
			return false;
		forbidden[a] = zero == INFINITE;
	}
	return true;
}

/* Takes the functions between y and all b away and puts one between y and the new variable. */
static bool share_one(state *s, uint32_t y, size_t bits, const uint32_t *bit, uint32_t made)
{
	const uint32_t labels = s->var[y].labels;
	bool *demand = bump_array(&s->b, labels, sizeof *demand), *other = bump_array(&s->b, labels, sizeof *other);
	if (!demand || !other)
		return out_of_memory(s->k);
	for (size_t j = 0; j < bits; j++) {
		function *f = find_pair(s, y, bit[j]);
		if (!f || !is_demand(s, f, y, j == 0 ? demand : other) ||
		    (j > 0 && memcmp(demand, other, labels * sizeof *demand) != 0))
			return reject(s->k, "readers are shared that are not the same");
		remove_function(s, f);
	}
	function *f = function_of(s, 2, (uint32_t[]){ y, made });
	for (uint32_t a = 0; f && a < labels; a++)
		f->table[2 * a] = demand[a] ? INFINITE : 0;
	return f != NULL;
}

/* A new variable of so many labels, outside all parts. */
static bool make_variable(state *s, uint32_t labels, uint32_t *made)
{
	*made = s->vars;
	if (s->id || s->vars == PROBLEM_NONE - 1)
		return reject(s->k, "a variable is made inside a part");
	if (!grow(s->k->m, &s->var, &s->var_capacity, s->vars + (size_t)1, sizeof *s->var))
		return out_of_memory(s->k);
	s->var[s->vars++] = (unknown){ .gone = false };
	return init_variable(s, *made, labels);
}

/* The variables that follow in the proof. The caller frees them. */
static uint32_t *next_variables(state *s, size_t count)
{
	uint32_t *var = mem_array(s->k->m, count, sizeof *var);
	bool ok = var ? true : out_of_memory(s->k);
	for (size_t j = 0; ok && j < count; j++)
		ok = next_variable(s, &var[j]);
	if (!ok)
		mem_free(s->k->m, var, count * sizeof *var);
	return ok ? var : NULL;
}

static bool step_share(state *s)
{
	size_t readers, bits;
	uint32_t made;
	if (!next_count(s->k, 1, &readers) || !next_count(s->k, 1, &bits))
		return false;
	if (bits == 0)
		return reject(s->k, "nothing is shared");
	uint32_t *var = next_variables(s, readers + bits);
	bool ok = var && make_variable(s, 2, &made);
	for (size_t j = 0; ok && j < readers; j++)
		ok = share_one(s, var[j], bits, var + readers, made);
	for (size_t j = 0; ok && j < bits; j++) {
		ok = s->var[var[readers + j]].labels == 2 || reject(s->k, "readers share what is no copy");
		function *f = ok ? function_of(s, 2, (uint32_t[]){ var[readers + j], made }) : NULL;
		if (f)
			f->table[1] = INFINITE;
		ok = f != NULL;
	}
	if (var)
		mem_free(s->k->m, var, (readers + bits) * sizeof *var);
	return ok;
}

/* ---- PROJECT ---- */

/* The sets of copies that the labels of y ask for: asks[j * labels + a] for copy j. set[a] is the number of the set of
 * label a, in the order of first labels. */
static bool number_sets(state *s, uint32_t y, size_t bits, const uint32_t *bit, bool *asks, uint32_t *set, uint32_t *sets)
{
	const uint32_t labels = s->var[y].labels;
	for (size_t j = 0; j < bits; j++) {
		function *f = find_pair(s, y, bit[j]);
		if (!f || !is_demand(s, f, y, asks + j * labels))
			return reject(s->k, "a projection of what is no reader");
		remove_function(s, f);
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

static bool project(state *s, uint32_t y, size_t bits, const uint32_t *bit, bool *asks, uint32_t *set)
{
	const uint32_t labels = s->var[y].labels;
	uint32_t sets, made;
	if (!number_sets(s, y, bits, bit, asks, set, &sets) || !make_variable(s, sets, &made))
		return false;
	function *f = function_of(s, 2, (uint32_t[]){ y, made });
	for (uint32_t a = 0; f && a < labels; a++)
		for (uint32_t k = 0; k < sets; k++)
			f->table[a * sets + k] = set[a] == k ? 0 : INFINITE;
	for (size_t j = 0; f && j < bits; j++) {
		f = function_of(s, 2, (uint32_t[]){ bit[j], made });
		for (uint32_t a = 0; f && a < labels; a++)
			if (asks[j * labels + a])
				f->table[set[a]] = INFINITE;
	}
	return f != NULL;
}

static bool step_project(state *s)
{
	size_t bits;
	uint32_t y;
	if (!next_variable(s, &y) || !next_count(s->k, 1, &bits))
		return false;
	const size_t labels = s->var[y].labels;
	uint32_t *bit = next_variables(s, bits), *set = mem_array(s->k->m, labels, sizeof *set);
	bool *asks = mem_array(s->k->m, bits, labels);
	bool ok = set && asks ? true : out_of_memory(s->k);
	ok = ok && bit && project(s, y, bits, bit, asks, set);
	if (bit)
		mem_free(s->k->m, bit, bits * sizeof *bit);
	mem_free(s->k->m, set, labels * sizeof *set);
	mem_free(s->k->m, asks, bits * labels);
	return ok;
}

/* ---- BRANCH and BLOCK: proofs of parts ---- */

static bool check_proof(state *s, int64_t target, uint32_t depth);

/* Part of a state: variables that no function ties to others, and how many labels the copy has of them. */
typedef struct part {
	uint32_t *var;
	uint32_t vars;
	uint32_t single, label; /* one of them that has only this label in the copy; PROBLEM_NONE: none */
} part;

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Scratch of a state, made when needed: where each variable is found in the part in hand. */
static bool need_places(state *s)
{
	if (!grow(s->k->m, &s->place, &s->place_capacity, s->vars, sizeof *s->place))
		return out_of_memory(s->k);
	for (; s->places < s->vars; s->places++)
		s->place[s->places] = (place){ .number = 0 };
	return true;
}

/* Copies f, whose variables are all in the part. */
static bool copy_function(state *to, const state *from, const part *t, const function *f)
{
	uint32_t scope[PROOF_MAX_ARITY], where = PROBLEM_NONE;
	for (uint32_t i = 0; i < f->arity; i++) {
		scope[i] = from->place[f->var[i]].number;
		where = f->var[i] == t->single ? i : where;
	}
	function *g = function_of(to, f->arity, scope);
	if (!g)
		return false;
	if (where == PROBLEM_NONE) {
		memcpy(g->table, f->table, f->entries * sizeof *f->table);
		return true;
	}
	const size_t inner = stride_of(from, f, where), labels = from->var[t->single].labels;
	for (size_t e = 0, next = 0; e < f->entries; e++)
		if (e / inner % labels == t->label)
			g->table[next++] = f->table[e];
	return true;
}

static bool copy_variable(state *to, const state *from, const part *t, uint32_t i)
{
	const unknown *v = &from->var[i];
	const uint32_t number = from->place[i].number, skip = i == t->single ? t->label : 0;
	unknown *w = &to->var[number];
	to->id[number] = from->id ? from->id[i] : i;
	if (!init_variable(to, number, i == t->single ? 1 : v->labels))
		return false;
	memcpy(w->label, v->label + skip, w->labels * sizeof *w->label);
	memcpy(w->cost, v->cost + skip, w->labels * sizeof *w->cost);
	return true;
}

/* Checks the proof that follows for a part of the state. */
static bool check_part(state *s, part *t, int64_t constant, int64_t target, uint32_t depth)
{
	state copy;
	if (depth >= MAX_DEPTH)
		return reject(s->k, "nested too deep");
	bool ok = state_init(&copy, s->k, t->vars);
	copy.integral = s->integral;
	copy.constant = constant;
	if (ok && !(copy.id = bump_array(&copy.b, copy.vars, sizeof *copy.id)))
		ok = out_of_memory(s->k);
	qsort(t->var, t->vars, sizeof *t->var, compare_numbers);
	for (uint32_t i = 0; i < t->vars; i++)
		s->place[t->var[i]].number = i;
	for (uint32_t i = 0; ok && i < t->vars; i++)
		ok = copy_variable(&copy, s, t, t->var[i]);
	for (uint32_t i = 0; ok && i < t->vars; i++) {
		link **at = &s->var[t->var[i]].first;
		for (function *f; ok && (f = live_function(&at));)
			ok = f->var[0] != t->var[i] || copy_function(&copy, s, t, f);
	}
	ok = ok && check_proof(&copy, target, depth + 1);
	state_release(&copy);
	return ok;
}

/* The case that variable i has label number a; the caller goes on with the state without that label. */
static bool step_branch(state *s, int64_t target, uint32_t depth)
{
	part t = { .vars = 0 };
	if (!next_variable(s, &t.single) || !next_label(s, t.single, &t.label) || !need_places(s))
		return false;
	t.var = mem_array(s->k->m, s->vars, sizeof *t.var);
	if (!t.var)
		return out_of_memory(s->k);
	for (uint32_t j = 0; j < s->vars; j++)
		if (!s->var[j].gone)
			t.var[t.vars++] = j;
	const bool ok = check_part(s, &t, s->constant, target, depth);
	mem_free(s->k->m, t.var, s->vars * sizeof *t.var);
	return ok && remove_label(s, t.single, t.label);
}

/* Adds a variable to the part, unless it is there. */
static bool reach(state *s, part *t, size_t *capacity, uint32_t i)
{
	if (s->place[i].is_inside)
		return true;
	if (!grow(s->k->m, &t->var, capacity, t->vars + 1, sizeof *t->var))
		return out_of_memory(s->k);
	s->place[i].is_inside = true;
	t->var[t->vars++] = i;
	return true;
}

/* Finds what hangs together with the first variable. */
static bool flood(state *s, part *t, size_t *capacity, uint32_t first)
{
	bool ok = reach(s, t, capacity, first);
	for (uint32_t next = 0; ok && next < t->vars; next++) {
		link **at = &s->var[t->var[next]].first;
		for (function *f; ok && (f = live_function(&at));)
			for (uint32_t j = 0; ok && j < f->arity; j++)
				ok = reach(s, t, capacity, f->var[j]);
	}
	return ok;
}

/* u, as the least sum can be where all numbers are multiples of the scale. */
static int64_t round_up(const state *s, int64_t u)
{
	const int64_t scale = (int64_t)s->k->c->scale, rest = u % scale;
	return s->integral && rest != 0 ? u - rest + (rest > 0 ? scale : 0) : u;
}

static bool step_block(state *s, uint32_t depth)
{
	part t = { .single = PROBLEM_NONE };
	size_t capacity = 0;
	uint32_t first;
	int64_t u;
	if (!need_places(s) || !next_variable(s, &first) || !next_word(s->k, &u))
		return false;
	if (u < -FINITE || u > FINITE)
		return reject(s->k, "a number out of range");
	const bool ok = flood(s, &t, &capacity, first) && check_part(s, &t, 0, u, depth);
	for (uint32_t j = 0; ok && j < t.vars; j++)
		remove_variable(s, t.var[j]);
	if (ok)
		s->constant = add(s->k, s->constant, round_up(s, u));
	mem_free(s->k->m, t.var, capacity * sizeof *t.var);
	return ok && s->k->status == CLAST_OK;
}

static bool check_proof(state *s, int64_t target, uint32_t depth)
{
	for (bool ok = true; ok;) {
		int64_t step;
		if (!next_word(s->k, &step))
			return false;
		if (s->refuted && step != PROOF_END)
			return reject(s->k, "a case is closed, but its proof goes on");
		switch (step) {
		case PROOF_END:
			ok = s->refuted || bound(s) >= target;
			return s->k->status == CLAST_OK && (ok || reject(s->k, "the bound is not reached"));
		case PROOF_ELIMINATE:
			ok = step_eliminate(s);
			break;
		case PROOF_DROP:
			ok = step_drop(s);
			break;
		case PROOF_MOVE:
			ok = step_move(s);
			break;
		case PROOF_PRUNE:
			ok = step_prune(s, target);
			break;
		case PROOF_SHARE:
			ok = step_share(s);
			break;
		case PROOF_PROJECT:
			ok = step_project(s);
			break;
		case PROOF_BLOCK:
			ok = step_block(s, depth);
			break;
		case PROOF_BRANCH:
			ok = step_branch(s, target, depth);
			break;
		default:
			ok = reject(s->k, "no such step");
		}
	}
	return false;
}

/* ---- The cost of the assignment ---- */

/* Which order a reading port finds at what it reads. */
static bool order_found(const problem *p, const assignment *a, uint32_t port, uint32_t *order)
{
	const uint32_t class = p->port[port].class, from = a->reads[port];
	if (from == PROBLEM_NONE) {
		*order = a->produced[class];
		return true;
	}
	*order = from < a->conversions ? a->conversion[from].order : PROBLEM_NONE;
	return from < a->conversions && a->conversion[from].class == class;
}

static bool check_group(checker *k, const assignment *a, uint32_t g, uint64_t *cost)
{
	const problem *p = k->p;
	const problem_group *group = &p->group[g];
	if (a->config[g] >= group->configs)
		return reject(k, "the assignment has a configuration that does not exist");
	*cost += p->cost[group->first_config + a->config[g]];
	for (uint32_t i = 0; i < group->ports; i++) {
		const uint32_t port = group->first_port + i, class = p->port[port].class;
		const uint16_t wanted = p->order[group->order + (size_t)a->config[g] * group->ports + i];
		uint32_t found = a->produced[class];
		if (p->class[class].constant)
			continue;
		if (!p->port[port].produced && !order_found(p, a, port, &found))
			return reject(k, "the assignment reads a conversion that does not exist");
		if (found != wanted && (wanted != PROBLEM_ANY || p->port[port].produced))
			return reject(k, "the assignment has a port that does not find its order");
	}
	return true;
}

static bool check_assignment(checker *k, const assignment *a)
{
	const problem *p = k->p;
	uint64_t cost = 0;
	if (a->groups != p->groups || a->classes != p->classes || a->ports != p->ports)
		return reject(k, "the assignment belongs to another problem");
	for (uint32_t v = 0; v < p->classes; v++)
		if (!p->class[v].constant && a->produced[v] >= p->class[v].orders)
			return reject(k, "the assignment has an order that does not exist");
	for (size_t i = 0; i < a->conversions; i++) {
		const conversion_step *c = &a->conversion[i];
		if (c->class >= p->classes || p->class[c->class].constant || c->order >= p->class[c->class].orders ||
		    (c->from != PROBLEM_NONE && (c->from >= i || a->conversion[c->from].class != c->class)))
			return reject(k, "the assignment has a conversion that makes no sense");
		const uint32_t from = c->from == PROBLEM_NONE ? a->produced[c->class] : a->conversion[c->from].order;
		cost += problem_conversion(p, c->class, from, c->order);
		if (cost >= PROOF_COST_LIMIT)
			return reject(k, "the assignment costs too much");
	}
	for (uint32_t g = 0; g < p->groups; g++)
		if (!check_group(k, a, g, &cost))
			return false;
	return cost == k->c->cost || reject(k, "the assignment has another cost");
}

clast_status certificate_check(const problem *p, const assignment *a, const certificate *c, mem *m, clast_diag *d)
{
	checker k = { .p = p, .c = c, .m = m, .d = d };
	state root;
	if (!check_assignment(&k, a))
		return k.status;
	if (c->scale == 0 || c->scale >= PROOF_COST_LIMIT / (p->cost_total + 1) || c->bound > p->cost_total ||
	    c->bound > c->cost) {
		reject(&k, "its figures make no sense");
		return k.status;
	}
	const int64_t target = ((int64_t)c->bound - 1) * (int64_t)c->scale + 1;
	if (build_root(&root, &k) && check_proof(&root, target, 0) && k.at != c->words)
		reject(&k, "there is more after its end");
	state_release(&root);
	return k.status;
}
