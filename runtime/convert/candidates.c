/* The orders that each value may get: row-major, channels first and last, and what views and tied operands
 * make of those, forwards and backwards, until nothing new turns up. */
#include <string.h>

#include "rewrite.h"

uint32_t find_candidate(const value_plan *p, const order *o)
{
	for (uint32_t i = 0; i < p->candidates; i++)
		if (order_equal(p->candidate[i], o))
			return i;
	return PROBLEM_NONE;
}

/* Whether it is new. */
static bool add(converter *c, value_id v, const order *o)
{
	value_plan *p = &c->values[v];
	shape s, dims;
	value_shape(c->m, v, &s);
	if (!has_class(c, v) || p->candidates == MOST_CANDIDATES || find_candidate(p, o) != PROBLEM_NONE ||
	    !natural_dims(c, o, &s, &dims))
		return false;
	order *copy = bump_alloc(&c->scratch, sizeof *copy);
	if (!copy) {
		c->failed = true;
		return false;
	}
	*copy = *o;
	p->candidate[p->candidates++] = copy;
	return true;
}

/* Axis `role` in second place or last, the others in their order; false for values without channels. */
bool role_axes(const converter *c, value_id v, convert_layout layout, int *perm)
{
	const int role = c->values[v].role, rank = c->m->values[v].rank;
	int n = 0;
	if (rank < 3 || role < 1)
		return false;
	perm[n++] = 0;
	if (layout == CONVERT_FIRST)
		perm[n++] = role;
	for (int a = 1; a < rank; a++)
		if (a != role)
			perm[n++] = a;
	if (layout == CONVERT_LAST)
		perm[n++] = role;
	return true;
}

bool role_order(converter *c, value_id v, convert_layout layout, order *out)
{
	shape s;
	int perm[CLAST_MAX_RANK];
	value_shape(c->m, v, &s);
	return role_axes(c, v, layout, perm) && order_permuted(c->m->dims, &s, perm, out);
}

const order *convert_contract(converter *c, value_id v, bool output, shape *dims)
{
	static const order first = { 0 };
	const convert_layout layout = c->g ? CONVERT_KEEP : output ? c->o->outputs : c->o->inputs;
	int perm[CLAST_MAX_RANK];
	shape s;
	order o;
	value_shape(c->m, v, &s);
	*dims = s;
	if (layout == CONVERT_KEEP || !role_order(c, v, layout, &o))
		return &first;
	const uint32_t i = find_candidate(&c->values[v], &o);
	if (i == PROBLEM_NONE)
		return &first;
	role_axes(c, v, layout, perm);
	permute_dims(&s, perm, dims);
	return c->values[v].candidate[i];
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void add_random(converter *c, value_id v, uint64_t *state)
{
	shape s;
	int perm[CLAST_MAX_RANK];
	order o;
	value_shape(c->m, v, &s);
	for (int a = 0; a < s.rank; a++)
		perm[a] = a;
	for (int a = s.rank - 1; a > 0; a--) {
		const int b = (int)(next_random(state) % (uint64_t)(a + 1)), t = perm[a];
		perm[a] = perm[b];
		perm[b] = t;
	}
	if (order_permuted(c->m->dims, &s, perm, &o))
		add(c, v, &o);
}

static void seed(converter *c)
{
	static const order first = { 0 };
	uint64_t state = c->seed;
	order o;
	for (value_id v = 0; v < c->value_count; v++) {
		if (!has_class(c, v))
			continue;
		add(c, v, &first);
		if (role_order(c, v, CONVERT_FIRST, &o))
			add(c, v, &o);
		if (role_order(c, v, CONVERT_LAST, &o))
			add(c, v, &o);
		if (c->seed)
			add_random(c, v, &state);
	}
}

bool operand_order(converter *c, const node *n, const frame *f, uint32_t k, const int *perm, order *out)
{
	shape s;
	int own[CLAST_MAX_RANK];
	value_shape(c->m, n->in[k], &s);
	return frame_restrict(f, k, perm, own) == s.rank && order_permuted(c->m->dims, &s, own, out);
}

bool all_of_shape(const converter *c, const node *n, const frame *f)
{
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		shape s;
		if (!f->operand[k].tied || n->in[k] == NO_ID || c->m->values[n->in[k]].constant)
			continue;
		value_shape(c->m, n->in[k], &s);
		if (!has_class(c, n->in[k]) || !same_dims(&s, &f->dims))
			return false;
	}
	return f->elementwise;
}

static bool has_every_axis(const frame *f, uint32_t k, int rank)
{
	return f->operand[k].tied && rank == f->dims.rank;
}

static bool spread_frame(converter *c, const node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	const frame *f = &p->f;
	const bool alike = all_of_shape(c, n, f);
	int perm[CLAST_MAX_RANK];
	bool changed = false;
	order o;
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		shape s;
		if (!has_class(c, n->in[k]) || !has_every_axis(f, k, c->m->values[n->in[k]].rank))
			continue;
		value_shape(c->m, n->in[k], &s);
		for (uint32_t i = 0; i < c->values[n->in[k]].candidates; i++) {
			const order *from = c->values[n->in[k]].candidate[i];
			const bool whole = whole_axes(c, from, &s, perm);
			if (!whole && !alike)
				continue;
			for (uint32_t j = 0; j < n->n_in + n->n_out; j++) {
				if (j == k || !f->operand[j].tied || !has_class(c, n->in[j]))
					continue;
				if (!whole)
					changed |= add(c, n->in[j], from);
				else if (operand_order(c, n, f, j, perm, &o))
					changed |= add(c, n->in[j], &o);
			}
		}
	}
	return changed;
}

bool row_order(converter *c, const node *n, const dense *x, const order *from, bool forward, order *to)
{
	shape a, b;
	int perm[CLAST_MAX_RANK];
	value_shape(c->m, n->in[0], &a);
	value_shape(c->m, n->out[0], &b);
	return x->rows && whole_axes(c, from, forward ? &a : &b, perm) && perm[a.rank - 1] == a.rank - 1 &&
	       order_permuted(c->m->dims, forward ? &b : &a, perm, to);
}

static bool spread(converter *c, const node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	bool changed = false;
	order o;
	if (p->how == HOW_FRAME)
		return spread_frame(c, p);
	if (p->how != HOW_VIEW && p->how != HOW_DENSE)
		return false;
	const value_plan *x = &c->values[n->in[0]], *y = &c->values[n->out[0]];
	for (uint32_t i = 0; i < x->candidates; i++)
		if (p->how == HOW_VIEW ? view_forward(c, n, x->candidate[i], &o)
				       : row_order(c, n, &p->dense, x->candidate[i], true, &o))
			changed |= add(c, n->out[0], &o);
	for (uint32_t i = 0; i < y->candidates; i++)
		if (p->how == HOW_VIEW ? view_backward(c, n, y->candidate[i], &o)
				       : row_order(c, n, &p->dense, y->candidate[i], false, &o))
			changed |= add(c, n->in[0], &o);
	return changed;
}

void find_candidates(converter *c)
{
	bool changed = true;
	seed(c);
	for (int sweep = 0; changed && sweep < MOST_SWEEPS; sweep++) {
		changed = false;
		for (size_t i = 0; i < c->node_count; i++)
			changed |= spread(c, &c->nodes[i]);
		for (size_t i = c->node_count; i-- > 0;)
			changed |= spread(c, &c->nodes[i]);
	}
}
