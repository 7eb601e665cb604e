/* Exact reductions: elimination of variables, removal of labels, dominance. */
#include <string.h>

#include "solve_network.h"

/* No pair table of the cheap rounds is larger. */
#define PAIR_ENTRIES ((size_t)1 << 20)

static void push_variable(network *n, uint32_t i)
{
	if (n->var[i].waiting || n->var[i].gone || n->var[i].held)
		return;
	n->var[i].waiting = true;
	n->stack[n->waiting++] = i;
}

static uint32_t pop_variable(network *n)
{
	const uint32_t i = n->stack[--n->waiting];
	n->var[i].waiting = false;
	return i;
}

/* Pushes all variables, so that they come up in the order of work. */
static void push_all(network *n)
{
	for (uint32_t k = n->vars; k-- > 0;)
		push_variable(n, n->order[k]);
}

static void push_neighbours(network *n, uint32_t i)
{
	factor *f;
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
		for (uint32_t k = 0; k < f->arity; k++)
			if (f->var[k] != i)
				push_variable(n, f->var[k]);
}

/* Consecutive eliminations share a step. */
bool network_note_elimination(network *n, uint32_t id)
{
	certificate *c = n->proof;
	if (c->words == n->batch_end && n->batch_end > 0) {
		if (!proof_append(c, &(int64_t){ id }, 1))
			return false;
		c->word[n->batch + 1]++;
	} else {
		n->batch = c->words;
		if (!proof_append(c, (int64_t[]){ PROOF_ELIMINATE, 1, id }, 3))
			return false;
	}
	n->batch_end = c->words;
	return true;
}

/* Opens the record of variable i in the trail, with room for the best label of each entry; NULL: out of
 * memory. */
static uint16_t *open_record(network *n, uint32_t i, uint32_t neighbours, const uint32_t *neighbour,
			     size_t entries)
{
	uint32_t *record = trail_open(n->trail, n->var[i].id, neighbours, entries);
	if (!record)
		return NULL;
	record += 2;
	for (uint32_t k = 0; k < neighbours; k++) {
		const variable *v = &n->var[neighbour[k]];
		*record++ = v->id;
		*record++ = v->names;
		*record++ = v->labels;
	}
	return (uint16_t *)record;
}

bool network_note_label(network *n, uint32_t i, uint16_t label)
{
	uint16_t *record = open_record(n, i, 0, NULL, 1);
	if (record)
		*record = label;
	return record != NULL;
}

void network_take_out(network *n, uint32_t i)
{
	factor *f;
	variable *v = &n->var[i];
	for (uint32_t at = 0; (f = network_next(n, i, &at));)
		network_kill(n, f);
	pool_free(&n->memory, v->unary, v->labels * sizeof *v->unary);
	pool_free(&n->memory, v->factor, v->capacity * sizeof *v->factor);
	v->unary = NULL;
	v->factor = NULL;
	v->factors = v->capacity = 0;
	v->gone = true;
	n->left--;
}

static bool finish_elimination(network *n, uint32_t i)
{
	network_take_out(n, i);
	return network_note_elimination(n, n->var[i].id);
}

/* A variable without choice: its functions become functions of the others. */
static bool restrict_to_only_label(network *n, uint32_t i)
{
	factor *f;
	uint16_t *best = open_record(n, i, 0, NULL, 1);
	if (!best)
		return false;
	best[0] = network_label(n, i, 0);
	n->constant = cost_add(n->constant, n->var[i].unary[0]);
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++) {
		uint32_t var[PROOF_MAX_ARITY], arity = 0;
		for (uint32_t k = 0; k < f->arity; k++)
			if (f->var[k] != i)
				var[arity++] = f->var[k];
		int64_t *table = n->var[var[0]].unary;
		if (arity > 1) {
			factor *rest = network_factor(n, arity, var);
			if (!rest)
				return false;
			table = rest->table;
		}
		for (uint32_t e = 0; e < f->entries; e++)
			table[e] = cost_add(table[e], f->table[e]);
	}
	return finish_elimination(n, i);
}

static bool eliminate_isolated(network *n, uint32_t i)
{
	const variable *v = &n->var[i];
	uint16_t *best = open_record(n, i, 0, NULL, 1);
	if (!best)
		return false;
	uint32_t least = 0;
	for (uint32_t a = 1; a < v->labels; a++)
		if (v->unary[a] < v->unary[least])
			least = a;
	best[0] = network_label(n, i, least);
	n->constant = cost_add(n->constant, v->unary[least]);
	return finish_elimination(n, i);
}

/* A function seen from variable i: where label a of i and label b of the other variable meet. */
typedef struct pair_view {
	const int64_t *table;
	size_t own, other; /* strides */
	uint32_t neighbour;
} pair_view;

static pair_view view_pair(const network *n, const factor *f, uint32_t i)
{
	const bool is_first = f->var[0] == i;
	const uint32_t neighbour = f->var[is_first];
	const size_t inner = n->var[f->var[1]].labels;
	return (pair_view){ f->table, is_first ? inner : 1, is_first ? 1 : inner, neighbour };
}

static bool eliminate_leaf(network *n, uint32_t i, const factor *f)
{
	const pair_view p = view_pair(n, f, i);
	const variable *v = &n->var[i], *w = &n->var[p.neighbour];
	uint16_t *best = open_record(n, i, 1, &p.neighbour, w->labels);
	if (!best)
		return false;
	for (uint32_t b = 0; b < w->labels; b++) {
		int64_t least = INT64_MAX;
		uint32_t least_at = 0;
		for (uint32_t a = 0; a < v->labels; a++) {
			const int64_t sum = v->unary[a] + p.table[a * p.own + b * p.other];
			least_at = sum < least ? a : least_at;
			least = sum < least ? sum : least;
		}
		best[b] = network_label(n, i, least_at);
		w->unary[b] = cost_add(w->unary[b], least);
	}
	return finish_elimination(n, i);
}

static bool eliminate_series(network *n, uint32_t i, const factor *f, const factor *g)
{
	pair_view p = view_pair(n, f, i), q = view_pair(n, g, i);
	if (p.neighbour > q.neighbour) {
		const pair_view swap = p;
		p = q;
		q = swap;
	}
	const uint32_t scope[2] = { p.neighbour, q.neighbour };
	const uint32_t rows = n->var[scope[0]].labels, columns = n->var[scope[1]].labels;
	uint16_t *best = open_record(n, i, 2, scope, (size_t)rows * columns);
	factor *result = network_factor(n, 2, scope);
	if (!best || !result)
		return false;
	const variable *v = &n->var[i];
	size_t entry = 0;
	for (uint32_t b = 0; b < rows; b++)
		for (uint32_t c = 0; c < columns; c++, entry++) {
			int64_t least = INT64_MAX;
			uint32_t least_at = 0;
			for (uint32_t a = 0; a < v->labels; a++) {
				const int64_t sum = v->unary[a] + p.table[a * p.own + b * p.other] +
						    q.table[a * q.own + c * q.other];
				least_at = sum < least ? a : least_at;
				least = sum < least ? sum : least;
			}
			best[entry] = network_label(n, i, least_at);
			result->table[entry] = cost_add(result->table[entry], least);
		}
	return finish_elimination(n, i);
}

/* The neighbours of variable i, ascending, at most limit of them; more: returns limit + 1. */
static uint32_t list_neighbours(network *n, uint32_t i, uint32_t limit, uint32_t *list)
{
	uint32_t count = 0;
	factor *f;
	n->var[i].stamp = ++n->stamp;
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
		for (uint32_t k = 0; k < f->arity; k++) {
			variable *w = &n->var[f->var[k]];
			if (w->stamp == n->stamp)
				continue;
			if (count == limit)
				return limit + 1;
			w->stamp = n->stamp;
			uint32_t at_list = count++;
			for (; at_list > 0 && list[at_list - 1] > f->var[k]; at_list--)
				list[at_list] = list[at_list - 1];
			list[at_list] = f->var[k];
		}
	return count;
}

size_t network_bucket(network *n, uint32_t i, size_t limit)
{
	uint32_t list[PROOF_MAX_ARITY];
	if (n->var[i].labels == 1)
		return 1;
	const uint32_t count = list_neighbours(n, i, PROOF_MAX_ARITY, list);
	if (count > PROOF_MAX_ARITY)
		return SIZE_MAX;
	size_t entries = 1;
	for (uint32_t k = 0; k < count && entries <= limit; k++)
		entries *= n->var[list[k]].labels;
	return entries <= limit ? entries : SIZE_MAX;
}

/* One function in a sum over a scope: the strides of its table for the scope's variables and for the one
 * eliminated. */
typedef struct addend {
	const int64_t *table;
	size_t at, own;
	size_t stride[PROOF_MAX_ARITY];
} addend;

static void set_strides(const network *n, const factor *f, uint32_t i, uint32_t arity, const uint32_t *scope,
			addend *s)
{
	size_t stride = 1;
	*s = (addend){ .table = f->table };
	for (uint32_t k = f->arity; k-- > 0; stride *= n->var[f->var[k]].labels) {
		if (f->var[k] == i) {
			s->own = stride;
			continue;
		}
		for (uint32_t j = 0; j < arity; j++)
			if (scope[j] == f->var[k])
				s->stride[j] = stride;
	}
}

/* table[entry] += min over a of the sum, for all entries over the scope; best[entry] is where. */
static void minimise_sum(const network *n, uint32_t i, uint32_t arity, const uint32_t *scope,
			 uint32_t addends, addend *s, int64_t *table, uint16_t *best)
{
	const variable *v = &n->var[i];
	uint32_t digit[PROOF_MAX_ARITY] = { 0 };
	for (size_t entry = 0;; entry++) {
		int64_t least = INT64_MAX;
		uint32_t least_at = 0;
		for (uint32_t a = 0; a < v->labels; a++) {
			int64_t sum = v->unary[a];
			for (uint32_t k = 0; k < addends; k++)
				sum = cost_add(sum, s[k].table[s[k].at + a * s[k].own]);
			least_at = sum < least ? a : least_at;
			least = sum < least ? sum : least;
		}
		best[entry] = network_label(n, i, least_at);
		table[entry] = cost_add(table[entry], least);
		uint32_t j = arity;
		while (j-- > 0) {
			const uint32_t labels = n->var[scope[j]].labels;
			const bool wraps = ++digit[j] == labels;
			for (uint32_t k = 0; k < addends; k++)
				s[k].at += wraps ? s[k].stride[j] - labels * s[k].stride[j] : s[k].stride[j];
			if (!wraps)
				break;
			digit[j] = 0;
		}
		if (j == UINT32_MAX)
			return;
	}
}

static bool eliminate_general(network *n, uint32_t i)
{
	uint32_t scope[PROOF_MAX_ARITY], addends = 0;
	const uint32_t arity = list_neighbours(n, i, PROOF_MAX_ARITY, scope), live = n->var[i].live;
	size_t entries = 1;
	for (uint32_t k = 0; k < arity; k++)
		entries *= n->var[scope[k]].labels;
	addend *s = pool_alloc(&n->memory, live * sizeof *s);
	uint16_t *best = open_record(n, i, arity, scope, entries);
	if (!s || !best)
		return false;
	factor *f, *result = NULL;
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
		set_strides(n, f, i, arity, scope, &s[addends++]);
	if (arity > 1 && !(result = network_factor(n, arity, scope)))
		return false;
	minimise_sum(n, i, arity, scope, addends, s, result ? result->table : n->var[scope[0]].unary, best);
	pool_free(&n->memory, s, live * sizeof *s);
	return finish_elimination(n, i);
}

/* What elimination does to the ties. */
static bool eliminate_dry(network *n, uint32_t i)
{
	uint32_t scope[PROOF_MAX_ARITY];
	factor *f;
	if (n->var[i].labels > 1) {
		const uint32_t arity = list_neighbours(n, i, PROOF_MAX_ARITY, scope);
		if (arity > 1 && !network_factor(n, arity, scope))
			return false;
	}
	for (uint32_t at = 0; n->var[i].labels == 1 && (f = network_next(n, i, &at)); at++) {
		uint32_t arity = 0;
		for (uint32_t k = 0; k < f->arity; k++)
			if (f->var[k] != i)
				scope[arity++] = f->var[k];
		if (arity > 1 && !network_factor(n, arity, scope))
			return false;
	}
	network_take_out(n, i);
	return true;
}

bool network_eliminate(network *n, uint32_t i)
{
	const variable *v = &n->var[i];
	if (n->dry)
		return eliminate_dry(n, i);
	if (v->labels == 1)
		return restrict_to_only_label(n, i);
	if (v->live == 0)
		return eliminate_isolated(n, i);
	uint32_t at = 0;
	const factor *f = v->live <= 2 ? network_next(n, i, &at) : NULL;
	if (f && f->arity == 2) {
		if (v->live == 1)
			return eliminate_leaf(n, i, f);
		at++;
		const factor *g = network_next(n, i, &at);
		if (g->arity == 2)
			return eliminate_series(n, i, f, g);
	}
	return eliminate_general(n, i);
}

/* Whether eliminating variable i leaves a function of at most two variables. */
static bool is_simple(network *n, uint32_t i)
{
	const variable *v = &n->var[i];
	uint32_t neighbour[2];
	if (v->labels == 1 || v->live == 0)
		return true;
	if (v->live > 3) /* functions of distinct sets: {i, j}, {i, k}, {i, j, k} */
		return false;
	const uint32_t count = list_neighbours(n, i, 2, neighbour);
	return count < 2 ||
	       (count == 2 &&
		(size_t)n->var[neighbour[0]].labels * n->var[neighbour[1]].labels <= PAIR_ENTRIES);
}

bool network_drain(network *n)
{
	while (n->waiting > 0) {
		const uint32_t i = pop_variable(n);
		if (n->var[i].gone || !is_simple(n, i))
			continue;
		push_neighbours(n, i);
		if (!network_eliminate(n, i))
			return false;
	}
	return true;
}

bool network_reduce_pairs(network *n)
{
	push_all(n);
	return network_drain(n);
}

void network_let_go(network *n, uint32_t i)
{
	n->var[i].held = false;
	push_variable(n, i);
}

/* Looks at variable i, whose table may have `entries`, and eliminates it if it is no larger and there is
 * work left. */
static bool try_elimination(network *n, uint32_t i, size_t entries, effort *e)
{
	variable *v = &n->var[i];
	uint32_t neighbour[PROOF_MAX_ARITY];
	if (v->bucket == 0) {
		const size_t bucket = network_bucket(n, i, e->entries);
		v->bucket = bucket < UINT32_MAX ? (uint32_t)bucket : UINT32_MAX;
	}
	const uint64_t steps = (uint64_t)v->bucket * v->labels * (v->live + 1);
	if (v->bucket > entries || steps > e->work)
		return true;
	e->work -= steps;
	const uint32_t count = list_neighbours(n, i, PROOF_MAX_ARITY, neighbour);
	for (uint32_t k = 0; k < count; k++) {
		n->var[neighbour[k]].bucket = 0;
		push_variable(n, neighbour[k]);
	}
	return network_eliminate(n, i);
}

/* Rounds with doubled table sizes come close to taking the smallest table each time, but work from one end
 * of the graph to the other, which the cache likes. */
bool network_reduce_range(network *n, uint32_t from, uint32_t to, effort *e)
{
	for (size_t entries = 4; n->left > 0 && entries / 2 < e->entries; entries *= 2) {
		for (uint32_t k = to; k-- > from;)
			push_variable(n, n->order[k]);
		while (n->waiting > 0) {
			const uint32_t i = pop_variable(n);
			if (!n->var[i].gone &&
			    !try_elimination(n, i, entries < e->entries ? entries : e->entries, e))
				return false;
		}
	}
	return true;
}

bool network_reduce(network *n, effort e)
{
	if (!network_reduce_pairs(n))
		return false;
	for (uint32_t i = 0; i < n->vars; i++)
		n->var[i].bucket = 0;
	return network_reduce_range(n, 0, n->vars, &e);
}

bool network_foresee(const network *n, effort e, bool *finishes)
{
	network dry;
	bool ok = network_init(&dry, n->vars, n->vars, n->m, NULL, NULL);
	dry.dry = true;
	dry.left = n->left;
	for (uint32_t i = 0; ok && i < n->vars; i++) {
		dry.var[i] = (variable){ .gone = n->var[i].gone, .labels = n->var[i].labels };
		dry.order[i] = n->order[i];
	}
	for (uint32_t i = 0; ok && i < n->vars; i++)
		for (uint32_t at = 0; ok && !n->var[i].gone && at < n->var[i].factors; at++) {
			const factor *f = n->var[i].factor[at];
			if (!f->gone && f->var[0] == i)
				ok = network_factor(&dry, f->arity, f->var) != NULL;
		}
	ok = ok && network_reduce(&dry, e);
	*finishes = ok && dry.left == 0;
	network_release(&dry);
	return ok;
}

/* Keeps the slices of a table that belong to the labels kept of its variable k. */
static bool cut_table(network *n, factor *f, uint32_t i, const bool *gone, uint32_t kept)
{
	const uint32_t labels = n->var[i].labels;
	size_t inner = 1, outer = 1;
	bool before = true;
	for (uint32_t k = 0; k < f->arity; k++) {
		if (f->var[k] == i)
			before = false;
		else if (before)
			outer *= n->var[f->var[k]].labels;
		else
			inner *= n->var[f->var[k]].labels;
	}
	const size_t entries = outer * inner * kept;
	int64_t *table = pool_alloc(&n->memory, entries * sizeof *table), *to = table;
	if (!table)
		return false;
	for (size_t o = 0; o < outer; o++)
		for (uint32_t a = 0; a < labels; a++) {
			if (gone[a])
				continue;
			memcpy(to, f->table + (o * labels + a) * inner, inner * sizeof *table);
			to += inner;
		}
	pool_free(&n->memory, f->table, f->entries * sizeof *table);
	f->table = table;
	f->entries = (uint32_t)entries;
	return true;
}

bool network_remove_labels(network *n, uint32_t i, const bool *gone)
{
	variable *v = &n->var[i];
	uint32_t kept = 0;
	for (uint32_t a = 0; a < v->labels; a++)
		kept += !gone[a];
	uint16_t *label = mem_array(n->trail->m, kept, sizeof *label);
	int64_t *unary = pool_alloc(&n->memory, kept * sizeof *unary);
	if (!label || !unary) {
		mem_free(n->trail->m, label, label ? kept * sizeof *label : 0);
		return false;
	}
	for (uint32_t a = 0, k = 0; a < v->labels; a++) {
		if (gone[a])
			continue;
		label[k] = network_label(n, i, a);
		unary[k++] = v->unary[a];
	}
	factor *f;
	bool ok = true;
	for (uint32_t at = 0; ok && (f = network_next(n, i, &at)); at++)
		ok = cut_table(n, f, i, gone, kept);
	pool_free(&n->memory, v->unary, v->labels * sizeof *unary);
	v->unary = unary;
	v->labels = kept;
	v->names = trail_name(n->trail, kept, label);
	return ok && v->names > 0;
}

/* Marks the labels of variable i that f forbids whatever the others have. */
static uint32_t mark_impossible(const network *n, const factor *f, uint32_t i, bool *gone)
{
	const uint32_t labels = n->var[i].labels;
	uint32_t marked = 0;
	size_t inner = 1;
	for (uint32_t k = f->arity; f->var[--k] != i;)
		inner *= n->var[f->var[k]].labels;
	for (uint32_t a = 0; a < labels; a++) {
		bool possible = false;
		for (size_t o = a * inner; !possible && o < f->entries; o += labels * inner)
			for (size_t r = 0; !possible && r < inner; r++)
				possible = !cost_is_infinite(f->table[o + r]);
		marked += !possible && !gone[a];
		gone[a] = gone[a] || !possible;
	}
	return marked;
}

static bool note_prune(network *n, uint32_t i, uint32_t marked, const bool *gone)
{
	bool ok = proof_append(n->proof, (int64_t[]){ PROOF_PRUNE, marked }, 2);
	for (uint32_t a = 0; ok && a < n->var[i].labels; a++)
		if (gone[a])
			ok = proof_append(n->proof, (int64_t[]){ n->var[i].id, network_label(n, i, a) }, 2);
	return ok;
}

bool network_prune(network *n, uint32_t i, const bool *gone, bool *possible)
{
	uint32_t marked = 0;
	for (uint32_t a = 0; a < n->var[i].labels; a++)
		marked += gone[a];
	*possible = marked < n->var[i].labels;
	return note_prune(n, i, marked, gone) && (!*possible || network_remove_labels(n, i, gone));
}

bool network_prune_impossible(network *n, bool *possible)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < n->vars; i++)
		if (!n->var[i].gone) {
			push_variable(n, i);
			most = n->var[i].labels > most ? n->var[i].labels : most;
		}
	bool *gone = mem_array(n->m, most, sizeof *gone);
	bool ok = gone != NULL;
	*possible = true;
	while (ok && n->waiting > 0) {
		const uint32_t i = pop_variable(n);
		uint32_t marked = 0;
		factor *f;
		if (n->var[i].gone || !*possible)
			continue;
		memset(gone, 0, n->var[i].labels * sizeof *gone);
		for (uint32_t a = 0; a < n->var[i].labels; a++) {
			gone[a] = cost_is_infinite(n->var[i].unary[a]);
			marked += gone[a];
		}
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
			marked += mark_impossible(n, f, i, gone);
		if (marked == 0)
			continue;
		push_neighbours(n, i);
		ok = network_prune(n, i, gone, possible);
	}
	mem_free(n->m, gone, most * sizeof *gone);
	return ok;
}

/* less[a * labels + b] += min over the other variables of f(a, .) - f(b, .); -COST_INFINITE: not bounded. */
static void add_differences(const network *n, const factor *f, uint32_t i, int64_t *less)
{
	const uint32_t labels = n->var[i].labels;
	size_t inner = 1;
	for (uint32_t k = f->arity; f->var[--k] != i;)
		inner *= n->var[f->var[k]].labels;
	for (uint32_t a = 0; a < labels; a++)
		for (uint32_t b = 0; b < labels; b++) {
			int64_t least = COST_INFINITE;
			int64_t *sum = &less[a * labels + b];
			for (size_t o = 0; a != b && *sum > -COST_INFINITE && o < f->entries;
			     o += labels * inner)
				for (size_t r = 0; r < inner; r++) {
					const int64_t x = f->table[o + a * inner + r],
						      y = f->table[o + b * inner + r];
					if (cost_is_infinite(x))
						continue;
					const int64_t difference =
						cost_is_infinite(y) ? -COST_INFINITE : x - y;
					least = difference < least ? difference : least;
				}
			*sum = least <= -COST_INFINITE || *sum <= -COST_INFINITE ? -COST_INFINITE
										 : cost_add(*sum, least);
		}
}

/* Marks the labels of variable i that another one dominates and notes them; their number, or UINT32_MAX on
 * failure. */
static uint32_t mark_dominated(network *n, uint32_t i, int64_t *less, bool *gone)
{
	const variable *v = &n->var[i];
	factor *f;
	uint32_t dropped = 0;
	for (uint32_t a = 0; a < v->labels; a++)
		for (uint32_t b = 0; b < v->labels; b++)
			less[a * v->labels + b] = cost_is_infinite(v->unary[a])   ? COST_INFINITE
						  : cost_is_infinite(v->unary[b]) ? -COST_INFINITE
										  : v->unary[a] - v->unary[b];
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
		add_differences(n, f, i, less);
	memset(gone, 0, v->labels * sizeof *gone);
	const size_t header = n->proof->words;
	for (uint32_t a = 0; a < v->labels; a++)
		for (uint32_t b = 0; b < v->labels && !gone[a]; b++) {
			if (a == b || gone[b] || less[a * v->labels + b] < 0)
				continue;
			gone[a] = true;
			if (dropped++ == 0 && !proof_append(n->proof, (int64_t[]){ PROOF_DROP, 0 }, 2))
				return UINT32_MAX;
			if (!proof_append(
				    n->proof,
				    (int64_t[]){ v->id, network_label(n, i, a), network_label(n, i, b) }, 3))
				return UINT32_MAX;
			n->proof->word[header + 1]++;
		}
	return dropped;
}

/* Looking for dominated labels costs labels times the tables around the variable; larger ones are left
 * alone. */
#define DOMINANCE_WORK ((size_t)1 << 24)

static size_t dominance_work(network *n, uint32_t i)
{
	size_t work = 0;
	factor *f;
	for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
		work += f->entries;
	return work * n->var[i].labels;
}

bool network_drop_dominated(network *n)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < n->vars; i++) {
		push_variable(n, i);
		most = !n->var[i].gone && n->var[i].labels > most ? n->var[i].labels : most;
	}
	int64_t *less = mem_array(n->m, (size_t)most * most, sizeof *less);
	bool *gone = mem_array(n->m, most, sizeof *gone);
	bool ok = less && gone;
	while (ok && n->waiting > 0) {
		const uint32_t i = pop_variable(n);
		if (n->var[i].gone || n->var[i].labels == 1 || dominance_work(n, i) > DOMINANCE_WORK)
			continue;
		const uint32_t dropped = mark_dominated(n, i, less, gone);
		ok = dropped != UINT32_MAX;
		if (ok && dropped > 0) {
			ok = network_remove_labels(n, i, gone);
			push_neighbours(n, i);
			push_variable(n, i);
		}
	}
	mem_free(n->m, less, (size_t)most * most * sizeof *less);
	mem_free(n->m, gone, most * sizeof *gone);
	return ok;
}
