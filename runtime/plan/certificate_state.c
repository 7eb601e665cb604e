/* Words and networks of the checker. */
#include <string.h>

#include "certificate_state.h"

/* Larger tables are freed one by one. */
#define LARGE_ENTRIES 256

bool proof_reject(proof_checker *k, const char *reason)
{
	if (k->status == CLAST_OK)
		k->status = fail(k->d, CLAST_ERROR_DATA, "certificate rejected at word %zu of %zu: %s", k->at,
				 k->c->words, reason);
	return false;
}

bool proof_out_of_memory(proof_checker *k)
{
	if (k->status == CLAST_OK)
		k->status = fail_memory(k->d, 0);
	return false;
}

int64_t proof_add(proof_checker *k, int64_t a, int64_t b)
{
	if (a == PROOF_INFINITE || b == PROOF_INFINITE)
		return PROOF_INFINITE;
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum) || sum > PROOF_FINITE || sum < -PROOF_FINITE)
		proof_reject(k, "a number out of range");
	return sum;
}

bool proof_next_word(proof_checker *k, int64_t *word)
{
	if (k->at >= k->c->words)
		return proof_reject(k, "it ends too early");
	*word = k->c->word[k->at++];
	return true;
}

bool proof_next_count(proof_checker *k, size_t words, size_t *count)
{
	int64_t n;
	if (!proof_next_word(k, &n))
		return false;
	if (n < 0 || (uint64_t)n > (k->c->words - k->at) / words)
		return proof_reject(k, "a count out of range");
	*count = (size_t)n;
	return true;
}

bool state_init(proof_state *s, proof_checker *k, uint32_t vars)
{
	*s = (proof_state){ .k = k };
	bump_init(&s->b, k->m);
	if (!grow(k->m, &s->var, &s->var_capacity, vars, sizeof *s->var))
		return proof_out_of_memory(k);
	s->vars = vars;
	memset(s->var, 0, vars * sizeof *s->var);
	return true;
}

void state_release(proof_state *s)
{
	for (size_t i = 0; i < s->functions; i++)
		if (s->all[i]->entries > LARGE_ENTRIES)
			mem_free(s->k->m, s->all[i]->table, s->all[i]->entries * sizeof(int64_t));
	mem_free(s->k->m, s->all, s->capacity * sizeof *s->all);
	mem_free(s->k->m, s->var, s->var_capacity * sizeof *s->var);
	mem_free(s->k->m, s->place, s->place_capacity * sizeof *s->place);
	bump_release(&s->b);
}

void state_remove_function(proof_state *s, proof_function *f)
{
	f->gone = true;
	for (uint32_t i = 0; i < f->arity; i++)
		s->var[f->var[i]].functions--;
	if (f->entries > LARGE_ENTRIES)
		mem_free(s->k->m, f->table, f->entries * sizeof *f->table);
	f->table = NULL;
	f->entries = 0;
}

proof_function *state_next_function(proof_link ***at)
{
	while (**at && (**at)->f->gone)
		**at = (**at)->next;
	if (!**at)
		return NULL;
	proof_function *f = (**at)->f;
	*at = &(**at)->next;
	return f;
}

bool state_init_variable(proof_state *s, uint32_t i, uint32_t labels)
{
	proof_variable *v = &s->var[i];
	v->labels = labels;
	v->label = bump_array(&s->b, labels, sizeof *v->label);
	v->cost = bump_array(&s->b, labels, sizeof *v->cost);
	if (!v->label || !v->cost)
		return proof_out_of_memory(s->k);
	for (uint32_t a = 0; a < labels; a++)
		v->label[a] = (uint16_t)a;
	return true;
}

/* A table of zeros of its own, or NULL. */
static int64_t *new_table(proof_state *s, size_t entries)
{
	return entries > LARGE_ENTRIES ? mem_calloc(s->k->m, entries * sizeof(int64_t))
				       : bump_array(&s->b, entries, sizeof(int64_t));
}

proof_function *state_function(proof_state *s, uint32_t arity, const uint32_t *var)
{
	uint32_t rarest = var[0];
	size_t entries = 1;
	for (uint32_t i = 0; i < arity; i++) {
		if (s->var[var[i]].functions < s->var[rarest].functions)
			rarest = var[i];
		entries *= s->var[var[i]].labels;
		if (entries > PROOF_MAX_ENTRIES || arity > PROOF_MAX_ARITY) {
			proof_reject(s->k, "a table too large");
			return NULL;
		}
	}
	proof_link **at = &s->var[rarest].first;
	for (proof_function *f; (f = state_next_function(&at));)
		if (f->arity == arity && memcmp(f->var, var, arity * sizeof *var) == 0)
			return f;
	proof_function *f = bump_alloc(&s->b, sizeof *f);
	uint32_t *scope = bump_array(&s->b, arity, sizeof *scope);
	proof_link *links = bump_array(&s->b, arity, sizeof *links);
	if (!f || !scope || !links ||
	    !grow(s->k->m, &s->all, &s->capacity, s->functions + 1, sizeof *s->all) ||
	    !(f->table = new_table(s, entries))) {
		proof_out_of_memory(s->k);
		return NULL;
	}
	f->arity = arity;
	f->entries = entries;
	f->var = scope;
	s->all[s->functions++] = f;
	for (uint32_t i = 0; i < arity; i++) {
		proof_variable *v = &s->var[var[i]];
		scope[i] = var[i];
		links[i] = (proof_link){ f, v->first };
		v->first = &links[i];
		v->functions++;
	}
	return f;
}

size_t state_stride(const proof_state *s, const proof_function *f, uint32_t which)
{
	size_t stride = 1;
	for (uint32_t i = f->arity; --i > which;)
		stride *= s->var[f->var[i]].labels;
	return stride;
}

/* The number in the state of a variable that a proof names by its id. */
static bool find_variable(proof_state *s, int64_t id, uint32_t *i)
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
		return proof_reject(s->k, "no such variable");
	*i = low;
	return true;
}

bool state_next_variable(proof_state *s, uint32_t *i)
{
	int64_t id;
	return proof_next_word(s->k, &id) && find_variable(s, id, i);
}

static bool find_label(proof_state *s, uint32_t i, int64_t label, uint32_t *position)
{
	for (*position = 0; *position < s->var[i].labels; ++*position)
		if (s->var[i].label[*position] == label)
			return true;
	return proof_reject(s->k, "no such label");
}

bool state_next_label(proof_state *s, uint32_t i, uint32_t *position)
{
	int64_t label;
	return proof_next_word(s->k, &label) && find_label(s, i, label, position);
}

bool state_remove_label(proof_state *s, uint32_t i, uint32_t a)
{
	proof_variable *v = &s->var[i];
	proof_link **at = &v->first;
	for (proof_function *f; (f = state_next_function(&at));) {
		const size_t inner = state_stride(s, f, state_place_of(f, i)),
			     entries = f->entries / v->labels * (v->labels - 1);
		int64_t *table = new_table(s, entries);
		if (!table)
			return proof_out_of_memory(s->k);
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

void state_remove_variable(proof_state *s, uint32_t i)
{
	proof_link **at = &s->var[i].first;
	for (proof_function *f; (f = state_next_function(&at));)
		state_remove_function(s, f);
	s->var[i].gone = true;
}

/* ---- The network of a problem ---- */

static bool is_reader(const problem *p, const problem_port *t)
{
	return !t->produced && !p->class[t->class].constant;
}

static bool add_group(proof_state *s, uint32_t g, const size_t *first_bit)
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
				proof_function *f = state_function(s, 2, (uint32_t[]){ g, class });
				for (uint32_t x = 0; f && x < s->var[class].labels; x++)
					f->table[c * s->var[class].labels + x] = x == q ? 0 : PROOF_INFINITE;
			} else if (is_reader(p, t) && q != PROBLEM_ANY) {
				proof_function *f = state_function(
					s, 2, (uint32_t[]){ g, (uint32_t)(first_bit[t->class] + q) });
				if (f)
					f->table[2 * c] = PROOF_INFINITE;
			}
			if (s->k->status != CLAST_OK)
				return false;
		}
	}
	return true;
}

/* Only orders that some port may ask for matter. */
static bool add_class(proof_state *s, uint32_t v, size_t first_bit)
{
	const problem *p = s->k->p;
	const problem_class *class = &p->class[v];
	const uint32_t x = (uint32_t)(p->groups + v);
	for (uint32_t q = 0; q < class->orders && !class->constant; q++) {
		const uint32_t bit = (uint32_t)(first_bit + q);
		if (s->var[bit].functions == 0)
			continue;
		proof_function *f = state_function(s, 2, (uint32_t[]){ x, bit });
		if (!f)
			return false;
		for (uint32_t from = 0; from < class->orders; from++)
			f->table[2 * from + 1] = from == q ? 0
							   : (int64_t)problem_conversion(p, v, from, q) *
								     (int64_t)s->k->c->scale;
	}
	return true;
}

bool state_build(proof_state *s, proof_checker *k)
{
	const problem *p = k->p;
	size_t vars = p->groups + p->classes;
	size_t *const first_bit = mem_array(k->m, p->classes, sizeof *first_bit);
	for (size_t v = 0; first_bit && v < p->classes; v++) {
		first_bit[v] = vars;
		vars += p->class[v].orders;
	}
	bool ok = state_init(s, k, (uint32_t)vars) && (first_bit || proof_out_of_memory(k));
	s->integral = true;
	for (uint32_t g = 0; ok && g < p->groups; g++)
		ok = state_init_variable(s, g, p->group[g].configs);
	for (uint32_t v = 0; ok && v < p->classes; v++) {
		ok = state_init_variable(s, (uint32_t)p->groups + v, p->class[v].orders);
		for (uint32_t q = 0; ok && q < p->class[v].orders; q++)
			ok = state_init_variable(s, (uint32_t)first_bit[v] + q, 2);
	}
	for (uint32_t g = 0; ok && g < p->groups; g++)
		ok = add_group(s, g, first_bit);
	for (uint32_t v = 0; ok && v < p->classes; v++)
		ok = add_class(s, v, first_bit[v]);
	mem_free(k->m, first_bit, p->classes * sizeof *first_bit);
	return ok;
}
