/* Branch and bound over networks of cost functions. A node of the tree tightens what it has as long as
 * that helps: impossible and dominated labels go, narrow variables are eliminated, dual ascent raises the
 * bound, and labels that cannot beat the best known plan go too. Then elimination with large tables is
 * tried, and only then it branches. */
#include <string.h>
#include <time.h>

#include "solve_search.h"

#define CHEAP_ENTRIES 64 /* tables that dual ascent may have to pass over many times */
#define CHEAP_WORK ((uint64_t)1 << 28)
#define WIDE_WORK ((uint64_t)1 << 27) /* additions, at the root; less below */
#define ROOT_ROUNDS 400
#define NODE_ROUNDS 40
#define MAX_DEPTH 200 /* the checker nests 250 deep */

typedef struct searcher {
	const search_options *o;
	trail *trail;
	size_t trail_start;
	uint32_t *id, ids; /* of the variables asked for */
	int64_t best;      /* value of the best labels */
	int64_t open;      /* least bound of the cases left open */
	uint64_t nodes;
} searcher;

double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What a case has to cost at least to be of no use: values are multiples of the scale. */
static int64_t target_of(const searcher *s)
{
	return s->best == COST_INFINITE ? COST_INFINITE : s->best - s->o->scale + 1;
}

/* Takes labels over as the best known; position is by variable of n, and not needed when none is left. */
static void accept(searcher *s, const network *n, const uint16_t *position, int64_t value)
{
	if (value >= s->best)
		return;
	s->best = value;
	for (uint32_t i = 0; i < n->vars; i++)
		if (!n->var[i].gone)
			s->o->scratch[n->var[i].id] = network_label(n, i, position[i]);
	trail_replay(s->trail, s->trail_start, s->o->scratch);
	for (uint32_t k = 0; k < s->ids; k++)
		s->o->label[s->id[k]] = s->o->scratch[s->id[k]];
}

/* Ends a case whose bound is known. */
static bool close_case(searcher *s, network *n, int64_t bound)
{
	if (bound < target_of(s) && bound < s->open)
		s->open = bound;
	return proof_append(n->proof, (int64_t[]){ PROOF_END }, 1);
}

static int64_t least_entry(const int64_t *table, size_t entries)
{
	int64_t least = COST_INFINITE;
	for (size_t e = 0; e < entries; e++)
		least = table[e] < least ? table[e] : least;
	return least;
}

/* The sum of all minima; those of functions stay in factor.slot's place of least[]. */
static int64_t sum_of_minima(network *n, int64_t *least)
{
	int64_t sum = n->constant;
	uint32_t factors = 0;
	for (uint32_t i = 0; i < n->vars; i++) {
		factor *f;
		if (n->var[i].gone)
			continue;
		sum = cost_add(sum, least_entry(n->var[i].unary, n->var[i].labels));
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++) {
			if (f->var[0] != i)
				continue;
			f->slot = factors;
			least[factors] = least_entry(f->table, f->entries);
			sum = cost_add(sum, least[factors++]);
		}
	}
	return sum;
}

/* rise[a]: by how much the minima around variable i rise when it takes label a. */
static void measure_rise(network *n, uint32_t i, const int64_t *least, int64_t *rise)
{
	const variable *v = &n->var[i];
	const int64_t own = least_entry(v->unary, v->labels);
	factor *f;
	for (uint32_t a = 0; a < v->labels; a++)
		rise[a] = v->unary[a] - own;
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++) {
		size_t inner = 1;
		for (uint32_t k = f->arity; f->var[--k] != i;)
			inner *= n->var[f->var[k]].labels;
		for (uint32_t a = 0; a < v->labels; a++) {
			int64_t with = COST_INFINITE;
			for (size_t o = a * inner; o < f->entries; o += v->labels * inner) {
				const int64_t part = least_entry(f->table + o, inner);
				with = part < with ? part : with;
			}
			rise[a] = cost_add(rise[a], with - least[f->slot]);
		}
	}
}

typedef struct mark {
	uint32_t var, label;
} mark;

/* Notes a PRUNE step for marks[0 .. count) and removes the labels; *possible: no variable lost its last
 * one. If one did, its marks are at the end, and only they are noted. */
static bool prune_marks(network *n, const mark *marks, size_t count, bool last_closes, bool *gone,
			bool *possible)
{
	size_t first = 0;
	*possible = !last_closes;
	if (last_closes) {
		first = count - 1;
		while (first > 0 && marks[first - 1].var == marks[count - 1].var)
			first--;
	}
	bool ok = proof_append(n->proof, (int64_t[]){ PROOF_PRUNE, (int64_t)(count - first) }, 2);
	for (size_t k = first; ok && k < count; k++)
		ok = proof_append(n->proof,
				  (int64_t[]){ n->var[marks[k].var].id,
					       network_label(n, marks[k].var, marks[k].label) },
				  2);
	for (size_t k = first, next; ok && !last_closes && k < count; k = next) {
		const uint32_t i = marks[k].var;
		memset(gone, 0, n->var[i].labels * sizeof *gone);
		for (next = k; next < count && marks[next].var == i; next++)
			gone[marks[next].label] = true;
		ok = network_remove_labels(n, i, gone);
	}
	return ok;
}

typedef struct prune_scratch {
	size_t factors, labels;
	uint32_t most;
	int64_t *least, *rise;
	mark *mark;
	bool *gone;
} prune_scratch;

static void count_prune_scratch(const network *n, prune_scratch *c)
{
	*c = (prune_scratch){ .most = 1 };
	for (uint32_t i = 0; i < n->vars; i++) {
		const variable *v = &n->var[i];
		if (v->gone)
			continue;
		c->factors += v->live;
		c->labels += v->labels;
		c->most = v->labels > c->most ? v->labels : c->most;
	}
}

/* Removes the labels with which no plan can be better than the best known. */
static bool prune_by_bound(network *n, int64_t target, size_t *pruned, bool *possible)
{
	prune_scratch c;
	count_prune_scratch(n, &c);
	c.least = mem_array(n->m, c.factors, sizeof *c.least);
	c.rise = mem_array(n->m, c.most, sizeof *c.rise);
	c.mark = mem_array(n->m, c.labels, sizeof *c.mark);
	c.gone = mem_array(n->m, c.most, sizeof *c.gone);
	bool ok = c.least && c.rise && c.mark && c.gone, closes = false;
	const int64_t bound = ok ? sum_of_minima(n, c.least) : 0;
	*pruned = 0;
	*possible = true;
	for (uint32_t i = 0; ok && !closes && i < n->vars; i++) {
		const variable *v = &n->var[i];
		uint32_t marked = 0;
		if (v->gone)
			continue;
		measure_rise(n, i, c.least, c.rise);
		for (uint32_t a = 0; a < v->labels; a++)
			if (cost_add(bound, c.rise[a]) >= target) {
				c.mark[*pruned] = (mark){ i, a };
				++*pruned;
				marked++;
			}
		closes = marked == v->labels;
	}
	if (ok && *pruned > 0)
		ok = prune_marks(n, c.mark, *pruned, closes, c.gone, possible);
	mem_free(n->m, c.least, c.factors * sizeof *c.least);
	mem_free(n->m, c.rise, c.most * sizeof *c.rise);
	mem_free(n->m, c.mark, c.labels * sizeof *c.mark);
	mem_free(n->m, c.gone, c.most * sizeof *c.gone);
	return ok;
}

/* Raises the bound by moves, and looks for better labels on the way. */
static bool ascend(searcher *s, network *n, uint32_t rounds, int64_t *bound)
{
	dual *d = dual_create(n);
	uint16_t *position = mem_array(n->m, n->vars, sizeof *position);
	bool ok = d && position;
	if (ok) {
		dual_ascend(d, rounds, target_of(s), s->o->deadline);
		accept(s, n, position, dual_decode(d, position));
		*bound = dual_bound(d);
		ok = dual_commit(d);
	}
	dual_free(d);
	mem_free(n->m, position, n->vars * sizeof *position);
	return ok;
}

/* Finishes a case by elimination, on a copy, where that is possible. */
static bool eliminate_all(searcher *s, network *n, uint64_t work, bool *finished)
{
	network copy;
	const effort e = { s->o->entries, work };
	const size_t trail_words = s->trail->words, names = s->trail->names;
	if (!network_foresee(n, e, finished))
		return false;
	if (!*finished)
		return true;
	bool ok = network_copy(&copy, n) && network_reduce(&copy, e);
	if (ok) {
		accept(s, &copy, NULL, copy.constant);
		ok = close_case(s, &copy, copy.constant);
	}
	trail_cut(s->trail, trail_words, names);
	network_release(&copy);
	return ok;
}

static void choose_branch(const network *n, int64_t missing, uint32_t *var, uint32_t *label)
{
	double best_score = -1;
	for (uint32_t i = 0; i < n->vars; i++) {
		const variable *v = &n->var[i];
		uint32_t least = 0;
		int64_t gap = COST_INFINITE;
		if (v->gone || v->labels < 2)
			continue;
		for (uint32_t a = 1; a < v->labels; a++)
			least = v->unary[a] < v->unary[least] ? a : least;
		for (uint32_t a = 0; a < v->labels; a++)
			if (a != least && v->unary[a] - v->unary[least] < gap)
				gap = v->unary[a] - v->unary[least];
		/* Undecided variables that tie much together, before those whose choice is clear. */
		const double score =
			(double)v->live / v->labels / (1 + (double)gap / (double)(missing > 0 ? missing : 1));
		if (score > best_score) {
			best_score = score;
			*var = i;
			*label = least;
		}
	}
}

/* Keeps or removes one label. */
static bool restrict_label(network *n, uint32_t i, uint32_t label, bool keep)
{
	bool *gone = mem_array(n->m, n->var[i].labels, sizeof *gone);
	if (!gone)
		return false;
	const uint32_t labels = n->var[i].labels;
	for (uint32_t a = 0; a < labels; a++)
		gone[a] = (a == label) != keep;
	const bool ok = network_remove_labels(n, i, gone);
	mem_free(n->m, gone, labels * sizeof *gone);
	return ok;
}

static bool explore(searcher *s, network *n, uint32_t depth);

/* The case that the variable has the label; n goes on without that label. */
static bool branch(searcher *s, network *n, int64_t bound, uint32_t depth)
{
	uint32_t i = 0, label = 0;
	network with;
	choose_branch(n, s->best == COST_INFINITE ? 1 : target_of(s) - bound, &i, &label);
	const size_t trail_words = s->trail->words;
	bool ok = proof_append(n->proof,
			       (int64_t[]){ PROOF_BRANCH, n->var[i].id, network_label(n, i, label) }, 3);
	const size_t names = s->trail->names;
	with.m = NULL;
	ok = ok && network_copy(&with, n);
	if (ok) {
		uint32_t copied = 0;
		for (uint32_t j = 0; j < i; j++)
			copied += !n->var[j].gone;
		ok = restrict_label(&with, copied, label, true) && explore(s, &with, depth + 1);
	}
	network_release(&with);
	trail_cut(s->trail, trail_words, names);
	return ok && restrict_label(n, i, label, false);
}

/* Does all that needs no branching. *closed: the case is done. */
static bool tighten(searcher *s, network *n, uint32_t depth, int64_t *bound, bool *closed)
{
	const effort cheap = { s->o->entries < CHEAP_ENTRIES ? s->o->entries : CHEAP_ENTRIES, CHEAP_WORK };
	for (size_t pruned = 1; pruned > 0;) {
		bool possible;
		*closed = true;
		if (!network_prune_impossible(n, &possible))
			return false;
		if (!possible)
			return close_case(s, n, COST_INFINITE);
		if (!network_reduce_pairs(n) || !network_drop_dominated(n) || !network_reduce(n, cheap))
			return false;
		if (n->left == 0) {
			accept(s, n, NULL, n->constant);
			return close_case(s, n, n->constant);
		}
		if (!ascend(s, n, depth == 0 ? ROOT_ROUNDS : NODE_ROUNDS, bound))
			return false;
		if (*bound >= target_of(s))
			return close_case(s, n, *bound);
		if (!prune_by_bound(n, target_of(s), &pruned, &possible))
			return false;
		if (!possible)
			return close_case(s, n, COST_INFINITE);
		if (seconds_now() > s->o->deadline)
			return close_case(s, n, *bound);
	}
	*closed = false;
	return true;
}

static bool explore(searcher *s, network *n, uint32_t depth)
{
	for (uint64_t work = depth == 0 ? WIDE_WORK : WIDE_WORK / 64;; work = WIDE_WORK / 64) {
		int64_t bound = 0;
		bool closed;
		s->nodes++;
		if (!tighten(s, n, depth, &bound, &closed))
			return false;
		if (!closed && !eliminate_all(s, n, work, &closed))
			return false;
		if (closed)
			return true;
		if (depth == MAX_DEPTH || seconds_now() > s->o->deadline)
			return close_case(s, n, bound);
		if (!branch(s, n, bound, depth))
			return false;
	}
}

bool network_search(network *n, const search_options *options, search_result *r)
{
	searcher s = { .o = options,
		       .trail = n->trail,
		       .trail_start = n->trail->words,
		       .best = COST_INFINITE,
		       .open = COST_INFINITE };
	const size_t names = n->trail->names, vars = n->vars;
	s.id = mem_array(n->m, vars, sizeof *s.id);
	bool ok = s.id != NULL;
	for (uint32_t i = 0; ok && i < n->vars; i++)
		if (!n->var[i].gone)
			s.id[s.ids++] = n->var[i].id;
	ok = ok && explore(&s, n, 0);
	mem_free(n->m, s.id, vars * sizeof *s.id);
	trail_cut(s.trail, s.trail_start, names);
	*r = (search_result){ .value = s.best, .bound = s.open, .nodes = s.nodes };
	if (target_of(&s) < s.open)
		r->bound = target_of(&s);
	return ok;
}
