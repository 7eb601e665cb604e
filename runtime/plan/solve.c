/* The exact planner. The problem falls into connected parts. A part is reduced by elimination, which
 * finishes most of them; of what is left, connected blocks with two labels and submodular functions are
 * minimum cuts, and the others are searched. */
#include <stdlib.h>

#include "solve.h"
#include "solve_build.h"
#include "solve_search.h"
#include "strategy.h"

#define DEFAULT_SECONDS 10
#define DEFAULT_ENTRIES ((size_t)1 << 20)
/* Tables made already while a part is built, those of the first attempt after that, and its additions: enough
 * for chains, residual and dense blocks of up to 8 orders. */
#define NARROW_ENTRIES ((size_t)64)
#define FIRST_ENTRIES ((size_t)4096)
#define FIRST_WORK(VARS) (((uint64_t)1 << 24) + 4096 * (uint64_t)(VARS))
/* Additions for a block in the second attempt: a few seconds. */
#define WIDE_WORK ((uint64_t)1 << 31)

typedef struct solver {
	const problem *p;
	mem *m;
	const solve_options *o;
	double deadline;
	parts parts;
	trail trail;
	certificate *proof;
	uint16_t *label, *scratch; /* by id */
	size_t ids;
	uint32_t next_id; /* of variables that are made on the way */
	int64_t scale;
	int64_t bound; /* of the parts done, times scale */
	bool unproved; /* some block has labels that may not be the best */
} solver;

/* A connected block of what is left of a network. */
typedef struct block {
	uint32_t *var; /* ascending */
	uint32_t vars;
	int64_t value; /* of its variables' labels; infinite: they have none */
	int64_t bound;
} block;

/* Tries to solve an extracted block as a minimum cut. */
static bool cut_block(solver *s, network *n, block *b, bool *solved)
{
	bool possible;
	const size_t words = s->trail.words;
	if (!network_prune_impossible(n, &possible) || !network_reduce_pairs(n))
		return false;
	b->value = n->constant;
	*solved = n->left == 0;
	if (n->left > 0 && !network_cut(n, s->label, &b->value, solved))
		return false;
	b->bound = b->value;
	if (*solved)
		trail_replay(&s->trail, words, s->label);
	return !*solved || proof_append(s->proof, (int64_t[]){ PROOF_END }, 1);
}

static size_t most_entries(const solver *s, size_t cap)
{
	const size_t entries = s->o && s->o->table_entries ? s->o->table_entries : DEFAULT_ENTRIES;
	cap = cap < PROOF_MAX_ENTRIES ? cap : PROOF_MAX_ENTRIES;
	return entries < cap ? entries : cap;
}

/* Eliminates with large tables where that will succeed. */
static bool eliminate_block(solver *s, network *n, block *b, bool *solved)
{
	const size_t words = s->trail.words;
	const effort e = { most_entries(s, SIZE_MAX), WIDE_WORK };
	if (!network_foresee(n, e, solved))
		return false;
	if (!*solved)
		return true;
	if (!network_reduce(n, e))
		return false;
	b->bound = b->value = n->constant;
	trail_replay(&s->trail, words, s->label);
	return proof_append(s->proof, (int64_t[]){ PROOF_END }, 1);
}

/* Half of the time left is for this block, so that others get their share. */
static bool search_block(solver *s, network *n, block *b, bool *solved)
{
	const double now = seconds_now();
	search_result r;
	const search_options o = { .deadline = now + (s->deadline - now) / 2,
				   .entries = most_entries(s, SIZE_MAX),
				   .scale = s->scale,
				   .label = s->label,
				   .scratch = s->scratch };
	*solved = network_search(n, &o, &r);
	b->value = r.value;
	b->bound = r.bound;
	return *solved;
}

/* What a proved bound means for numbers that are multiples of scale. */
static int64_t round_up(int64_t bound, int64_t scale)
{
	const int64_t rest = bound % scale;
	return bound - rest + (rest > 0 ? scale : 0);
}

/* Takes a solved block out of its network. Without labels it gets the first ones. */
static bool settle_block(solver *s, network *n, const block *b)
{
	bool ok = true;
	n->constant += round_up(b->bound, s->scale);
	s->unproved = s->unproved || round_up(b->bound, s->scale) < b->value;
	for (uint32_t k = 0; ok && k < b->vars; k++) {
		const uint32_t id = n->var[b->var[k]].id;
		if (cost_is_infinite(b->value))
			s->label[id] = network_label(n, b->var[k], 0);
		ok = network_note_label(n, b->var[k], s->label[id]);
		network_take_out(n, b->var[k]);
	}
	return ok;
}

typedef bool solve_block(solver *s, network *n, block *b, bool *solved);

/* Solves one block by itself and notes the step; where that does not work out, all is as before. */
static bool try_block(solver *s, network *n, block *b, solve_block *attempt)
{
	network own = { .m = NULL };
	bool solved = false;
	const size_t words = s->proof->words, trail_words = s->trail.words, names = s->trail.names;
	const excerpt e = { .var = b->var, .vars = b->vars };
	bool ok = proof_append(s->proof, (int64_t[]){ PROOF_BLOCK, n->var[b->var[0]].id, 0 }, 3) &&
		  network_extract(&own, n, &e);
	if (ok)
		ok = attempt(s, &own, b, &solved);
	trail_cut(&s->trail, trail_words, names);
	network_release(&own);
	if (ok && solved) {
		s->proof->word[words + 2] = b->bound;
		return settle_block(s, n, b);
	}
	s->proof->words = words;
	return ok;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* The variables that hang together with the first one, ascending. They are marked in found[]. */
static void flood(network *n, block *b, bool *found)
{
	found[b->var[0]] = true;
	b->vars = 1;
	for (uint32_t next = 0; next < b->vars; next++) {
		factor *f;
		for (uint32_t at = 0; (f = network_next(n, b->var[next], &at)); at++)
			for (uint32_t k = 0; k < f->arity; k++)
				if (!found[f->var[k]]) {
					found[f->var[k]] = true;
					b->var[b->vars++] = f->var[k];
				}
	}
	qsort(b->var, b->vars, sizeof *b->var, compare_numbers);
}

/* Tries to solve each connected block. */
static bool try_blocks(solver *s, network *n, solve_block *attempt)
{
	block b = { .var = mem_array(n->m, n->vars, sizeof *b.var) };
	bool *found = mem_calloc(n->m, n->vars * sizeof *found);
	bool ok = b.var && found;
	for (uint32_t i = 0; ok && i < n->vars; i++) {
		if (n->var[i].gone || found[i])
			continue;
		b.var[0] = i;
		flood(n, &b, found);
		ok = try_block(s, n, &b, attempt);
	}
	mem_free(n->m, b.var, n->vars * sizeof *b.var);
	mem_free(n->m, found, n->vars * sizeof *found);
	return ok;
}

/* Solves a part in which elimination with small tables gets stuck. Cuts come before the eliminations that
 * tie more than two variables together. */
static bool solve_hard_part(solver *s, network *n)
{
	return network_drop_dominated(n) && network_reduce_pairs(n) && try_blocks(s, n, cut_block) &&
	       try_blocks(s, n, eliminate_block) && try_blocks(s, n, search_block);
}

static bool solve_part(solver *s, uint32_t part)
{
	network n;
	const size_t words = s->proof->words, trail_words = s->trail.words, names = s->trail.names;
	const uint32_t next_id = s->next_id;
	bool ok = parts_network(&s->parts, part, s->scale, NARROW_ENTRIES, &n, &s->trail, s->proof,
				&s->next_id);
	ok = ok && network_reduce(&n, (effort){ most_entries(s, FIRST_ENTRIES), FIRST_WORK(n.vars) });
	if (ok && n.left > 0) {
		network_release(&n);
		s->proof->words = words;
		s->next_id = next_id;
		trail_cut(&s->trail, trail_words, names);
		ok = parts_network(&s->parts, part, s->scale, 0, &n, &s->trail, s->proof, &s->next_id) &&
		     solve_hard_part(s, &n);
	}
	if (ok) {
		trail_replay(&s->trail, trail_words, s->label);
		s->bound += n.constant;
	}
	trail_cut(&s->trail, trail_words, names);
	network_release(&n);
	return ok;
}

/* Puts the assignment of a strategy in the place of *best if it costs less. */
static clast_status try_strategy(const solver *s, const strategy *how, assignment *best, clast_diag *d)
{
	assignment a;
	const strategy_options options = { .manual = s->o ? s->o->manual : NULL };
	clast_status status = assignment_init(&a, s->p, s->m, d);
	if (status == CLAST_OK)
		status = how->choose(s->p, &options, &a, d);
	if (status == CLAST_OK && assignment_cost(&a) < assignment_cost(best)) {
		const assignment swap = *best;
		*best = a;
		a = swap;
	}
	assignment_release(&a);
	return status;
}

/* The assignment that the labels mean, or a strategy's if that is better. */
static clast_status extract(const solver *s, assignment *a, clast_diag *d)
{
	const problem *p = s->p;
	clast_status status = assignment_init(a, p, s->m, d);
	if (status != CLAST_OK)
		return status;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = s->label[g];
	for (uint32_t v = 0; v < p->classes; v++)
		if (p->class[v].producer == PROBLEM_NONE)
			a->produced[v] = s->label[p->groups + v];
	status = assignment_complete(a, p, d);
	for (size_t i = 0; status == CLAST_OK && s->unproved && i < strategy_count; i++)
		if (strategies[i].choose != strategy_min)
			status = try_strategy(s, &strategies[i], a, d);
	return status;
}

/* Potentials are fractions of the costs' unit as fine as 64 bits allow, but no finer than 2^-20. */
static int64_t choose_scale(const problem *p)
{
	int64_t scale = 1;
	while (scale < (int64_t)1 << 20 && p->cost_total * (uint64_t)(2 * scale) < PROOF_COST_LIMIT / 4)
		scale *= 2;
	return scale;
}

static bool solver_init(solver *s, const problem *p, const solve_options *o, mem *m, certificate *proof)
{
	*s = (solver){ .p = p, .m = m, .o = o, .proof = proof, .scale = choose_scale(p) };
	s->deadline = seconds_now() + (o && o->seconds > 0 ? o->seconds : DEFAULT_SECONDS);
	if (!trail_init(&s->trail, m) || !parts_find(&s->parts, p, m))
		return false;
	s->next_id = (uint32_t)s->parts.ids;
	s->ids = 2 * s->parts.ids; /* sharing makes at most one new variable for each */
	s->label = mem_calloc(m, s->ids * sizeof *s->label);
	s->scratch = mem_array(m, s->ids, sizeof *s->scratch);
	return s->label && s->scratch &&
	       grow(m, &proof->word, &proof->capacity, s->parts.ids, sizeof *proof->word);
}

static void solver_release(solver *s)
{
	mem_free(s->m, s->label, s->ids * sizeof *s->label);
	mem_free(s->m, s->scratch, s->ids * sizeof *s->scratch);
	parts_release(&s->parts);
	trail_release(&s->trail);
}

clast_status solve(const problem *p, const solve_options *options, mem *m, solution *r, clast_diag *d)
{
	*r = (solution){ .proof = { .m = m } };
	solver s;
	bool ok = solver_init(&s, p, options, m, &r->proof);
	for (uint32_t part = 0; ok && part < s.parts.count; part++)
		ok = solve_part(&s, part);
	ok = ok && proof_append(&r->proof, (int64_t[]){ PROOF_END }, 1);
	clast_status status = ok ? extract(&s, &r->best, d) : fail_memory(d, 0);
	r->proof.scale = (uint64_t)s.scale;
	r->bound = r->proof.bound = s.bound > 0 ? (uint64_t)(s.bound / s.scale) : 0;
	r->proof.cost = assignment_cost(&r->best);
	r->optimal = r->bound == r->proof.cost;
	solver_release(&s);
	if (status != CLAST_OK)
		solution_release(r);
	return status;
}

void solution_release(solution *s)
{
	assignment_release(&s->best);
	certificate_release(&s->proof);
}
