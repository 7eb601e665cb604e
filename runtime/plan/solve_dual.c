/* Dual ascent by sequential min-sum message passing: Kolmogorov, Convergent tree-reweighted message
 * passing (2006), and A new look at reweighted message passing (2015) for functions of more than two
 * variables.
 *
 * Variables are visited in one direction and then in the other. A visited variable first draws all that
 * its functions can spare: the minimum of each over the other variables, label by label, so that these
 * minima become 0. Then it gives equal shares of the sum to those of its functions that go on to variables
 * not yet visited. The bound, the sum of all minima, never falls. Amounts are integers; what does not
 * divide stays with the variable. The fixed points are not always the best of the relaxation; branch and
 * bound makes up for that. */
#include <stdlib.h>
#include <string.h>

#include "solve_search.h"

/* A function as seen from one of its variables. */
typedef struct incidence {
	uint32_t factor;        /* among dual.factor */
	uint32_t place;         /* of the variable in the function */
	size_t inner;           /* entries of the function for each label of the variables up to it */
	bool is_first, is_last; /* of the function's variables in the order of visits */
} incidence;

struct dual {
	pool memory; /* holds this struct too */
	network *n;
	uint32_t vars, factors;
	uint32_t *var;  /* in the order of visits */
	uint32_t *rank; /* of each variable of the network */
	factor **factor;
	size_t *message_first; /* of each function */
	int64_t *message;      /* moved away from the function, for each of its variables and labels */
	size_t *residual_first;
	int64_t *residual; /* the function less what was moved away from it */
	uint32_t *first;   /* of each variable of the network: its incidences */
	incidence *incidence;
	size_t *belief_first;    /* of each variable of the network */
	int64_t *belief;         /* unary costs and all that was moved to them */
	int64_t *drawn;          /* scratch: for the visited variable, functions x labels */
	uint16_t *fixed, *other; /* scratch of decoding: position of each variable, NOT_FIXED */
	int64_t bound;
};

#define NOT_FIXED UINT16_MAX

/* The order of visits: breadth first, so that the functions of neighbours lie along it. */
static void order_variables(dual *d)
{
	network *n = d->n;
	for (uint32_t i = 0; i < n->vars; i++)
		d->rank[i] = PROBLEM_NONE;
	for (uint32_t root = 0; root < n->vars; root++) {
		uint32_t next = d->vars;
		if (n->var[root].gone || d->rank[root] != PROBLEM_NONE)
			continue;
		d->rank[root] = d->vars;
		d->var[d->vars++] = root;
		for (; next < d->vars; next++) {
			factor *f;
			for (uint32_t at = 0; (f = network_next(n, d->var[next], &at)); at++)
				for (uint32_t k = 0; k < f->arity; k++)
					if (d->rank[f->var[k]] == PROBLEM_NONE) {
						d->rank[f->var[k]] = d->vars;
						d->var[d->vars++] = f->var[k];
					}
		}
	}
}

static void list_incidences(dual *d)
{
	network *n = d->n;
	size_t messages = 0, entries = 0;
	uint32_t incidences = 0;
	for (uint32_t r = 0; r < d->vars; r++) {
		const uint32_t i = d->var[r];
		factor *f;
		d->first[i] = incidences;
		incidences += n->var[i].live;
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++) {
			if (f->var[0] != i)
				continue;
			f->slot = d->factors;
			d->message_first[d->factors] = messages;
			for (uint32_t k = 0; k < f->arity; k++)
				messages += n->var[f->var[k]].labels;
			d->residual_first[d->factors] = entries;
			memcpy(d->residual + entries, f->table, f->entries * sizeof *f->table);
			entries += f->entries;
			d->factor[d->factors++] = f;
		}
	}
	for (uint32_t r = 0; r < d->vars; r++) {
		const uint32_t i = d->var[r];
		factor *f;
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++) {
			incidence *c = &d->incidence[d->first[i] + at];
			*c = (incidence){ .factor = f->slot, .inner = 1, .is_first = true, .is_last = true };
			for (uint32_t k = 0; k < f->arity; k++) {
				c->inner *= n->var[f->var[k]].labels;
				if (f->var[k] == i) {
					c->place = k;
					c->inner = 1;
				}
				c->is_first = c->is_first && d->rank[f->var[k]] >= r;
				c->is_last = c->is_last && d->rank[f->var[k]] <= r;
			}
		}
	}
}

static dual *allocate(network *n)
{
	pool memory, *m = &memory;
	size_t incidences = 0, messages = 0, beliefs = 0, entries = 0;
	uint32_t most = 0, most_live = 0;
	for (uint32_t i = 0; i < n->vars; i++) {
		const variable *v = &n->var[i];
		factor *f;
		if (v->gone)
			continue;
		for (uint32_t at = 0; (f = network_next(n, i, &at)); at++)
			entries += f->var[0] == i ? f->entries : 0;
		incidences += v->live;
		messages += (size_t)v->live * v->labels;
		beliefs += v->labels;
		most = v->labels > most ? v->labels : most;
		most_live = v->live > most_live ? v->live : most_live;
	}
	pool_init(m, n->m);
	dual *d = pool_alloc(m, sizeof *d);
	if (!d)
		return NULL;
	*d = (dual){ .n = n, .bound = -COST_INFINITE };
	d->var = pool_alloc(m, n->left * sizeof *d->var);
	d->rank = pool_alloc(m, n->vars * sizeof *d->rank);
	d->factor = pool_alloc(m, incidences * sizeof *d->factor);
	d->message_first = pool_alloc(m, incidences * sizeof *d->message_first);
	d->message = pool_alloc(m, messages * sizeof *d->message);
	d->residual_first = pool_alloc(m, incidences * sizeof *d->residual_first);
	d->residual = pool_alloc(m, entries * sizeof *d->residual);
	d->first = pool_alloc(m, n->vars * sizeof *d->first);
	d->incidence = pool_alloc(m, incidences * sizeof *d->incidence);
	d->belief_first = pool_alloc(m, n->vars * sizeof *d->belief_first);
	d->belief = pool_alloc(m, beliefs * sizeof *d->belief);
	d->drawn = pool_alloc(m, ((size_t)most_live + 2) * most * sizeof *d->drawn);
	d->fixed = pool_alloc(m, n->vars * sizeof *d->fixed);
	d->other = pool_alloc(m, n->vars * sizeof *d->other);
	if (d->message)
		memset(d->message, 0, messages * sizeof *d->message);
	const bool ok = d->var && d->rank && d->factor && d->message_first && d->message &&
			d->residual_first && d->residual && d->first && d->incidence && d->belief_first &&
			d->belief && d->drawn && d->fixed && d->other;
	d->memory = memory;
	if (!ok)
		dual_free(d);
	return ok ? d : NULL;
}

dual *dual_create(network *n)
{
	dual *d = allocate(n);
	size_t beliefs = 0;
	if (!d)
		return NULL;
	order_variables(d);
	list_incidences(d);
	for (uint32_t r = 0; r < d->vars; r++) {
		const variable *v = &n->var[d->var[r]];
		d->belief_first[d->var[r]] = beliefs;
		memcpy(d->belief + beliefs, v->unary, v->labels * sizeof *d->belief);
		beliefs += v->labels;
	}
	return d;
}

/* The messages of a function to its variable number `place`. */
static int64_t *message_to(const dual *d, uint32_t f, uint32_t place)
{
	int64_t *message = d->message + d->message_first[f];
	for (uint32_t k = 0; k < place; k++)
		message += d->n->var[d->factor[f]->var[k]].labels;
	return message;
}

/* least[a] = min of the function's residual where the variable has label a. */
static void draw(const dual *d, const incidence *t, uint32_t labels, int64_t *least)
{
	const int64_t *left = d->residual + d->residual_first[t->factor];
	const size_t entries = d->factor[t->factor]->entries;
	for (uint32_t a = 0; a < labels; a++)
		least[a] = INT64_MAX;
	for (size_t o = 0; o < entries; o += labels * t->inner)
		for (uint32_t a = 0; a < labels; a++) {
			int64_t smallest = least[a];
			for (size_t r = 0; r < t->inner; r++, left++)
				smallest = *left < smallest ? *left : smallest;
			least[a] = smallest;
		}
}

/* Moves amount[a] from the function to the variable. */
static void move(dual *d, const incidence *t, uint32_t labels, const int64_t *amount)
{
	int64_t *left = d->residual + d->residual_first[t->factor];
	const size_t entries = d->factor[t->factor]->entries;
	int64_t *message = message_to(d, t->factor, t->place);
	for (uint32_t a = 0; a < labels; a++)
		message[a] += amount[a];
	for (size_t o = 0; o < entries; o += labels * t->inner)
		for (uint32_t a = 0; a < labels; a++)
			for (size_t r = 0; r < t->inner; r++, left++)
				*left -= amount[a];
}

static void visit(dual *d, uint32_t i, bool forward)
{
	const variable *v = &d->n->var[i];
	int64_t *belief = d->belief + d->belief_first[i], *drawn = d->drawn;
	uint32_t ahead = 0, behind = 0;
	for (uint32_t c = 0; c < v->live; c++, drawn += v->labels) {
		const incidence *t = &d->incidence[d->first[i] + c];
		draw(d, t, v->labels, drawn);
		ahead += !(forward ? t->is_last : t->is_first);
		behind += !(forward ? t->is_first : t->is_last);
		for (uint32_t a = 0; a < v->labels; a++)
			belief[a] += drawn[a];
	}
	const int64_t shares = ahead > behind ? ahead : behind;
	int64_t *share = drawn; /* after the last function's */
	for (uint32_t a = 0; a < v->labels; a++)
		share[a] = shares > 0 ? belief[a] / shares : 0;
	drawn = d->drawn;
	for (uint32_t c = 0; c < v->live; c++, drawn += v->labels) {
		const incidence *t = &d->incidence[d->first[i] + c];
		const bool goes_on = !(forward ? t->is_last : t->is_first);
		for (uint32_t a = 0; goes_on && a < v->labels; a++) {
			drawn[a] -= share[a];
			belief[a] -= share[a];
		}
		move(d, t, v->labels, drawn);
	}
}

static int64_t least_of(const int64_t *value, size_t count)
{
	int64_t least = value[0];
	for (size_t a = 1; a < count; a++)
		least = value[a] < least ? value[a] : least;
	return least;
}

static int64_t measure(const dual *d)
{
	int64_t sum = d->n->constant;
	for (uint32_t r = 0; r < d->vars; r++)
		sum += least_of(d->belief + d->belief_first[d->var[r]], d->n->var[d->var[r]].labels);
	for (uint32_t f = 0; f < d->factors; f++)
		sum += least_of(d->residual + d->residual_first[f], d->factor[f]->entries);
	return sum;
}

/* Rounds in a row that add less than 1/256 of what was gained so far before it is given up. */
#define PATIENCE 10

void dual_ascend(dual *d, uint32_t rounds, int64_t target, double deadline)
{
	uint32_t still = 0;
	const int64_t start = d->bound = measure(d);
	for (uint32_t round = 0; round < rounds && still < PATIENCE && d->bound < target; round++) {
		for (uint32_t r = 0; r < d->vars; r++)
			visit(d, d->var[r], true);
		for (uint32_t r = d->vars; r-- > 0;)
			visit(d, d->var[r], false);
		const int64_t bound = measure(d);
		if (seconds_now() > deadline)
			rounds = 0;
		still = bound - d->bound <= (bound - start) / 256 ? still + 1 : 0;
		d->bound = bound;
	}
}

int64_t dual_bound(const dual *d)
{
	return d->bound;
}

/* least[a] = min of the function where the variable has label a and those fixed before have theirs, less
 * what was moved to the others, who will pay it. */
static void look_ahead(const dual *d, const incidence *c, int64_t *least)
{
	const factor *t = d->factor[c->factor];
	const network *n = d->n;
	uint32_t digit[PROOF_MAX_ARITY] = { 0 };
	const int64_t *message[PROOF_MAX_ARITY];
	for (uint32_t k = 0; k < t->arity; k++)
		message[k] = message_to(d, c->factor, k);
	for (uint32_t a = 0; a < n->var[t->var[c->place]].labels; a++)
		least[a] = INT64_MAX;
	for (uint32_t e = 0; e < t->entries; e++) {
		int64_t left = t->table[e];
		bool counts = true;
		for (uint32_t k = 0; k < t->arity; k++) {
			const uint16_t at = d->fixed[t->var[k]];
			if (k != c->place && at == NOT_FIXED)
				left -= message[k][digit[k]];
			else if (k != c->place)
				counts = counts && at == digit[k];
		}
		if (counts && left < least[digit[c->place]])
			least[digit[c->place]] = left;
		for (uint32_t k = t->arity; k-- > 0 && ++digit[k] == n->var[t->var[k]].labels;)
			digit[k] = 0;
	}
}

/* The cheapest position of variable i given those fixed before. */
static uint16_t decode_variable(dual *d, uint32_t i)
{
	const variable *v = &d->n->var[i];
	int64_t *sum = d->drawn, *least = d->drawn + v->labels;
	memcpy(sum, v->unary, v->labels * sizeof *sum);
	for (uint32_t c = 0; c < v->live; c++) {
		look_ahead(d, &d->incidence[d->first[i] + c], least);
		for (uint32_t a = 0; a < v->labels; a++)
			sum[a] = cost_add(sum[a], least[a] > COST_INFINITE ? COST_INFINITE : least[a]);
	}
	uint16_t best = 0;
	for (uint16_t a = 1; a < v->labels; a++)
		best = sum[a] < sum[best] ? a : best;
	return best;
}

static int64_t cost_of(const dual *d, const uint16_t *position)
{
	int64_t sum = d->n->constant;
	for (uint32_t r = 0; r < d->vars; r++)
		sum = cost_add(sum, d->n->var[d->var[r]].unary[position[d->var[r]]]);
	for (uint32_t f = 0; f < d->factors; f++) {
		const factor *t = d->factor[f];
		size_t entry = 0;
		for (uint32_t k = 0; k < t->arity; k++)
			entry = entry * d->n->var[t->var[k]].labels + position[t->var[k]];
		sum = cost_add(sum, t->table[entry]);
	}
	return sum;
}

/* What the choice of position a for variable i costs where all others are fixed. */
static int64_t local_cost(const dual *d, uint32_t i, uint16_t a)
{
	int64_t sum = d->n->var[i].unary[a];
	for (uint32_t c = 0; c < d->n->var[i].live; c++) {
		const factor *t = d->factor[d->incidence[d->first[i] + c].factor];
		size_t entry = 0;
		for (uint32_t k = 0; k < t->arity; k++)
			entry = entry * d->n->var[t->var[k]].labels +
				(t->var[k] == i ? a : d->fixed[t->var[k]]);
		sum = cost_add(sum, t->table[entry]);
	}
	return sum;
}

/* Moves one variable after the other to its best position given all others, while that helps. */
static void polish(dual *d)
{
	for (bool better = true; better;) {
		better = false;
		for (uint32_t r = 0; r < d->vars; r++) {
			const uint32_t i = d->var[r];
			int64_t least = local_cost(d, i, d->fixed[i]);
			for (uint16_t a = 0; a < d->n->var[i].labels; a++) {
				const int64_t cost = local_cost(d, i, a);
				if (cost >= least)
					continue;
				least = cost;
				d->fixed[i] = a;
				better = true;
			}
		}
	}
}

/* Variables in the order of visits, or by number: choices of groups first, and what follows from them
 * after. */
static int64_t decode_in_order(dual *d, bool by_number, uint16_t *position)
{
	const network *n = d->n;
	for (uint32_t i = 0; i < n->vars; i++)
		d->fixed[i] = NOT_FIXED;
	for (uint32_t k = 0; k < (by_number ? n->vars : d->vars); k++) {
		const uint32_t i = by_number ? k : d->var[k];
		if (!n->var[i].gone)
			d->fixed[i] = decode_variable(d, i);
	}
	if (!cost_is_infinite(cost_of(d, d->fixed)))
		polish(d);
	memcpy(position, d->fixed, n->vars * sizeof *position);
	return cost_of(d, position);
}

int64_t dual_decode(dual *d, uint16_t *position)
{
	const int64_t by_number = decode_in_order(d, true, position);
	const int64_t by_visit = decode_in_order(d, false, d->other);
	if (by_visit >= by_number)
		return by_number;
	memcpy(position, d->other, d->n->vars * sizeof *position);
	return by_visit;
}

/* Puts the residual in the place of function f and notes the moves; nothing if they are all 0. */
static bool commit_factor(dual *d, uint32_t f, bool *moved)
{
	network *n = d->n;
	factor *t = d->factor[f];
	const int64_t *message = d->message + d->message_first[f], *left = d->residual + d->residual_first[f];
	int64_t id[PROOF_MAX_ARITY];
	uint32_t count = 0;
	for (uint32_t k = 0; k < t->arity; k++) {
		id[k] = n->var[t->var[k]].id;
		count += n->var[t->var[k]].labels;
	}
	*moved = false;
	for (uint32_t k = 0; k < count; k++)
		*moved = *moved || message[k] != 0;
	if (!*moved)
		return true;
	for (uint32_t e = 0; e < t->entries; e++)
		t->table[e] = cost_is_infinite(t->table[e]) ? COST_INFINITE : left[e];
	return proof_append(n->proof, &(int64_t){ t->arity }, 1) && proof_append(n->proof, id, t->arity) &&
	       proof_append(n->proof, message, count);
}

bool dual_commit(dual *d)
{
	network *n = d->n;
	const size_t header = n->proof->words;
	bool ok = proof_append(n->proof, (int64_t[]){ PROOF_MOVE, 0 }, 2), moved;
	for (uint32_t f = 0; ok && f < d->factors; f++) {
		ok = commit_factor(d, f, &moved);
		n->proof->word[header + 1] += moved;
	}
	for (uint32_t r = 0; r < d->vars; r++) {
		variable *v = &n->var[d->var[r]];
		memcpy(v->unary, d->belief + d->belief_first[d->var[r]], v->labels * sizeof *v->unary);
	}
	return ok;
}

void dual_free(dual *d)
{
	if (!d)
		return;
	pool memory = d->memory;
	pool_release(&memory);
}
