/* The checker of certificates: the cost of the assignment, and the proof with the proofs inside it. It
 * derives everything from the problem anew and has no code in common with the solver. */
#include <stdlib.h>
#include <string.h>

#include "certificate_state.h"

/* Proofs nested deeper are refused. */
#define MAX_DEPTH 250

void certificate_release(certificate *c)
{
	if (c->m)
		mem_free(c->m, c->word, c->capacity * sizeof *c->word);
	*c = (certificate){ .m = NULL };
}

/* ---- BRANCH and BLOCK: proofs of parts ---- */

static bool check_proof(proof_state *s, int64_t target, uint32_t depth);

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
static bool need_places(proof_state *s)
{
	if (!grow(s->k->m, &s->place, &s->place_capacity, s->vars, sizeof *s->place))
		return proof_out_of_memory(s->k);
	for (; s->places < s->vars; s->places++)
		s->place[s->places] = (proof_place){ .number = 0 };
	return true;
}

/* Copies f, whose variables are all in the part. */
static bool copy_function(proof_state *to, const proof_state *from, const part *t, const proof_function *f)
{
	uint32_t scope[PROOF_MAX_ARITY], where = PROBLEM_NONE;
	for (uint32_t i = 0; i < f->arity; i++) {
		scope[i] = from->place[f->var[i]].number;
		where = f->var[i] == t->single ? i : where;
	}
	proof_function *g = state_function(to, f->arity, scope);
	if (!g)
		return false;
	if (where == PROBLEM_NONE) {
		memcpy(g->table, f->table, f->entries * sizeof *f->table);
		return true;
	}
	const size_t inner = state_stride(from, f, where), labels = from->var[t->single].labels;
	for (size_t e = 0, next = 0; e < f->entries; e++)
		if (e / inner % labels == t->label)
			g->table[next++] = f->table[e];
	return true;
}

static bool copy_variable(proof_state *to, const proof_state *from, const part *t, uint32_t i)
{
	const proof_variable *v = &from->var[i];
	const uint32_t number = from->place[i].number, skip = i == t->single ? t->label : 0;
	proof_variable *w = &to->var[number];
	to->id[number] = from->id ? from->id[i] : i;
	if (!state_init_variable(to, number, i == t->single ? 1 : v->labels))
		return false;
	memcpy(w->label, v->label + skip, w->labels * sizeof *w->label);
	memcpy(w->cost, v->cost + skip, w->labels * sizeof *w->cost);
	return true;
}

/* Checks the proof that follows for a part of the state. */
static bool check_part(proof_state *s, part *t, int64_t constant, int64_t target, uint32_t depth)
{
	proof_state copy;
	if (depth >= MAX_DEPTH)
		return proof_reject(s->k, "nested too deep");
	bool ok = state_init(&copy, s->k, t->vars);
	copy.integral = s->integral;
	copy.constant = constant;
	if (ok && !(copy.id = bump_array(&copy.b, copy.vars, sizeof *copy.id)))
		ok = proof_out_of_memory(s->k);
	qsort(t->var, t->vars, sizeof *t->var, compare_numbers);
	for (uint32_t i = 0; i < t->vars; i++)
		s->place[t->var[i]].number = i;
	for (uint32_t i = 0; ok && i < t->vars; i++)
		ok = copy_variable(&copy, s, t, t->var[i]);
	for (uint32_t i = 0; ok && i < t->vars; i++) {
		proof_link **at = &s->var[t->var[i]].first;
		for (proof_function *f; ok && (f = state_next_function(&at));)
			ok = f->var[0] != t->var[i] || copy_function(&copy, s, t, f);
	}
	ok = ok && check_proof(&copy, target, depth + 1);
	state_release(&copy);
	return ok;
}

/* The case that variable i has label number a; the caller goes on with the state without that label. */
static bool step_branch(proof_state *s, int64_t target, uint32_t depth)
{
	part t = { .vars = 0 };
	if (!state_next_variable(s, &t.single) || !state_next_label(s, t.single, &t.label) || !need_places(s))
		return false;
	t.var = mem_array(s->k->m, s->vars, sizeof *t.var);
	if (!t.var)
		return proof_out_of_memory(s->k);
	for (uint32_t j = 0; j < s->vars; j++)
		if (!s->var[j].gone)
			t.var[t.vars++] = j;
	const bool ok = check_part(s, &t, s->constant, target, depth);
	mem_free(s->k->m, t.var, s->vars * sizeof *t.var);
	return ok && state_remove_label(s, t.single, t.label);
}

/* Adds a variable to the part, unless it is there. */
static bool reach(proof_state *s, part *t, size_t *capacity, uint32_t i)
{
	if (s->place[i].is_inside)
		return true;
	if (!grow(s->k->m, &t->var, capacity, t->vars + 1, sizeof *t->var))
		return proof_out_of_memory(s->k);
	s->place[i].is_inside = true;
	t->var[t->vars++] = i;
	return true;
}

/* Finds what hangs together with the first variable. */
static bool flood(proof_state *s, part *t, size_t *capacity, uint32_t first)
{
	bool ok = reach(s, t, capacity, first);
	for (uint32_t next = 0; ok && next < t->vars; next++) {
		proof_link **at = &s->var[t->var[next]].first;
		for (proof_function *f; ok && (f = state_next_function(&at));)
			for (uint32_t j = 0; ok && j < f->arity; j++)
				ok = reach(s, t, capacity, f->var[j]);
	}
	return ok;
}

/* u, as the least sum can be where all numbers are multiples of the scale. */
static int64_t round_up(const proof_state *s, int64_t u)
{
	const int64_t scale = (int64_t)s->k->c->scale, rest = u % scale;
	return s->integral && rest != 0 ? u - rest + (rest > 0 ? scale : 0) : u;
}

static bool step_block(proof_state *s, uint32_t depth)
{
	part t = { .single = PROBLEM_NONE };
	size_t capacity = 0;
	uint32_t first;
	int64_t u;
	if (!need_places(s) || !state_next_variable(s, &first) || !proof_next_word(s->k, &u))
		return false;
	if (u < -PROOF_FINITE || u > PROOF_FINITE)
		return proof_reject(s->k, "a number out of range");
	const bool ok = flood(s, &t, &capacity, first) && check_part(s, &t, 0, u, depth);
	for (uint32_t j = 0; ok && j < t.vars; j++)
		state_remove_variable(s, t.var[j]);
	if (ok)
		s->constant = proof_add(s->k, s->constant, round_up(s, u));
	mem_free(s->k->m, t.var, capacity * sizeof *t.var);
	return ok && s->k->status == CLAST_OK;
}

static bool check_proof(proof_state *s, int64_t target, uint32_t depth)
{
	for (bool ok = true; ok;) {
		int64_t step;
		if (!proof_next_word(s->k, &step))
			return false;
		if (s->refuted && step != PROOF_END)
			return proof_reject(s->k, "a case is closed, but its proof goes on");
		switch (step) {
		case PROOF_END:
			ok = s->refuted || state_bound(s) >= target;
			return s->k->status == CLAST_OK &&
			       (ok || proof_reject(s->k, "the bound is not reached"));
		case PROOF_ELIMINATE:
			ok = proof_eliminate(s);
			break;
		case PROOF_DROP:
			ok = proof_drop(s);
			break;
		case PROOF_MOVE:
			ok = proof_move(s);
			break;
		case PROOF_PRUNE:
			ok = proof_prune(s, target);
			break;
		case PROOF_SHARE:
			ok = proof_share(s);
			break;
		case PROOF_PROJECT:
			ok = proof_project(s);
			break;
		case PROOF_BLOCK:
			ok = step_block(s, depth);
			break;
		case PROOF_BRANCH:
			ok = step_branch(s, target, depth);
			break;
		default:
			ok = proof_reject(s->k, "no such step");
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

static bool check_group(proof_checker *k, const assignment *a, uint32_t g, uint64_t *cost)
{
	const problem *p = k->p;
	const problem_group *group = &p->group[g];
	if (a->config[g] >= group->configs)
		return proof_reject(k, "the assignment has a configuration that does not exist");
	*cost += p->cost[group->first_config + a->config[g]];
	for (uint32_t i = 0; i < group->ports; i++) {
		const uint32_t port = group->first_port + i, class = p->port[port].class;
		const uint16_t wanted = p->order[group->order + (size_t)a->config[g] * group->ports + i];
		uint32_t found = a->produced[class];
		if (p->class[class].constant)
			continue;
		if (!p->port[port].produced && !order_found(p, a, port, &found))
			return proof_reject(k, "the assignment reads a conversion that does not exist");
		if (found != wanted && (wanted != PROBLEM_ANY || p->port[port].produced))
			return proof_reject(k, "the assignment has a port that does not find its order");
	}
	return true;
}

static bool check_assignment(proof_checker *k, const assignment *a)
{
	const problem *p = k->p;
	uint64_t cost = 0;
	if (a->groups != p->groups || a->classes != p->classes || a->ports != p->ports)
		return proof_reject(k, "the assignment belongs to another problem");
	for (uint32_t v = 0; v < p->classes; v++)
		if (!p->class[v].constant && a->produced[v] >= p->class[v].orders)
			return proof_reject(k, "the assignment has an order that does not exist");
	for (size_t i = 0; i < a->conversions; i++) {
		const conversion_step *c = &a->conversion[i];
		if (c->class >= p->classes || p->class[c->class].constant ||
		    c->order >= p->class[c->class].orders ||
		    (c->from != PROBLEM_NONE && (c->from >= i || a->conversion[c->from].class != c->class)))
			return proof_reject(k, "the assignment has a conversion that makes no sense");
		const uint32_t from =
			c->from == PROBLEM_NONE ? a->produced[c->class] : a->conversion[c->from].order;
		cost += problem_conversion(p, c->class, from, c->order);
		if (cost >= PROOF_COST_LIMIT)
			return proof_reject(k, "the assignment costs too much");
	}
	for (uint32_t g = 0; g < p->groups; g++)
		if (!check_group(k, a, g, &cost))
			return false;
	return cost == k->c->cost || proof_reject(k, "the assignment has another cost");
}

clast_status certificate_check(const problem *p, const assignment *a, const certificate *c, mem *m,
			       clast_diag *d)
{
	proof_checker k = { .p = p, .c = c, .m = m, .d = d };
	proof_state root;
	if (!check_assignment(&k, a))
		return k.status;
	if (c->scale == 0 || c->scale >= PROOF_COST_LIMIT / (p->cost_total + 1) || c->bound > p->cost_total ||
	    c->bound > c->cost) {
		proof_reject(&k, "its figures make no sense");
		return k.status;
	}
	const int64_t target = ((int64_t)c->bound - 1) * (int64_t)c->scale + 1;
	if (state_build(&root, &k) && check_proof(&root, target, 0) && k.at != c->words)
		proof_reject(&k, "there is more after its end");
	state_release(&root);
	return k.status;
}
