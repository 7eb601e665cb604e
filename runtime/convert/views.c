#include <string.h>

#include "rewrite.h"

/* ---- Views ---- */

static int steps_of(const converter *c, const node *n, view_step *steps)
{
	enum { MOST = 4 };
	infer_value in[MOST], out;
	if (n->n_in > MOST)
		return -1;
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(c->m, n->in[i], &in[i]);
	value_infer(c->m, n->out[0], &out);
	const infer_in query = { .op = n->op,
				 .dims = c->m->dims,
				 .attrs = n->attrs,
				 .version = n->version,
				 .n_in = n->n_in,
				 .n_out = 1,
				 .in = in,
				 .memory = (bump *)&c->scratch };
	return n->op->views(&query, &out, steps);
}

/* DepthToSpace and SpaceToDepth are chains of views too, but operators that everybody has. */
bool is_view(const converter *c, const node *n)
{
	view_step steps[MAX_VIEW_STEPS];
	if ((n->op->rule != RULE_PERMUTE && n->op->rule != RULE_REGROUP) || !n->op->views || n->n_out != 1 ||
	    !n->n_in)
		return false;
	const int k = has_class(c, n->in[0]) && has_class(c, n->out[0]) ? steps_of(c, n, steps) : -1;
	return k == 0 || k == 1;
}

bool view_forward(const converter *c, const node *n, const order *from, order *to)
{
	view_step step[MAX_VIEW_STEPS];
	shape in, out;
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	const int k = steps_of(c, n, step);
	value_shape(c->m, n->in[0], &in);
	value_shape(c->m, n->out[0], &out);
	*to = *from;
	if (k < 0 || (k && step[0].permute && !order_transpose(c->m->dims, from, &in, step[0].perm, to)))
		return false;
	return !to->n || order_split(c->m->dims, to, &out, &fine, axes, inner);
}

bool view_backward(const converter *c, const node *n, const order *to, order *from)
{
	view_step step[MAX_VIEW_STEPS];
	shape in, out;
	order fine;
	int axes[ORDER_MAX_FACTORS], inverse[CLAST_MAX_RANK];
	dim inner[ORDER_MAX_FACTORS];
	const int k = steps_of(c, n, step);
	value_shape(c->m, n->in[0], &in);
	value_shape(c->m, n->out[0], &out);
	*from = *to;
	if (k < 0)
		return false;
	if (k && step[0].permute) {
		for (int i = 0; i < in.rank; i++)
			inverse[step[0].perm[i]] = i;
		if (!order_transpose(c->m->dims, to, &out, inverse, from))
			return false;
	}
	return !from->n || order_split(c->m->dims, from, &in, &fine, axes, inner);
}

/* ---- Orders along the axes of a shape ---- */

/* Extents of 1 stay at their own place among the others, a batch in front. */
static void place_units(const shape *s, int *perm, int n)
{
	for (int a = 0; a < s->rank; a++)
		if (s->dims[a] == 1) {
			const int at = a < n ? a : n;
			memmove(perm + at + 1, perm + at, (size_t)(n++ - at) * sizeof *perm);
			perm[at] = a;
		}
}

bool whole_axes(const converter *c, const order *o, const shape *s, int *perm)
{
	int found[CLAST_MAX_RANK], n = 0;
	for (int a = 0; a < s->rank; a++)
		perm[a] = found[a] = a;
	if (s->rank < 0 || !o->n)
		return s->rank >= 0;
	if (!order_axes(c->m->dims, o, s, found))
		return false;
	for (int i = 0; i < s->rank; i++)
		if (s->dims[found[i]] != 1)
			perm[n++] = found[i];
	place_units(s, perm, n);
	return true;
}

bool only_along(const converter *c, const order *o, const shape *s, int axis)
{
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	if (!o->n)
		return true;
	if (!dim_is_number(s->dims[axis]) || !order_split(c->m->dims, o, s, &fine, axes, inner))
		return false;
	for (int i = 1; i < fine.n; i++)
		if (axes[i] < axes[i - 1] || (axes[i] == axes[i - 1] && axes[i] != axis))
			return false;
	return true;
}

bool same_dims(const shape *a, const shape *b)
{
	return a->rank == b->rank &&
	       (a->rank <= 0 || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

void permute_dims(const shape *s, const int *perm, shape *out)
{
	out->rank = s->rank;
	for (int i = 0; i < s->rank; i++)
		out->dims[i] = s->dims[perm[i]];
}

bool natural_dims(const converter *c, const order *o, const shape *s, shape *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], perm[CLAST_MAX_RANK], unknown = 0;
	dim inner[ORDER_MAX_FACTORS];
	if (whole_axes(c, o, s, perm)) {
		permute_dims(s, perm, out);
		return true;
	}
	if (s->rank < 0 || !order_split(c->m->dims, o, s, &fine, axes, inner))
		return false;
	out->rank = 0;
	uint32_t seen = 0;
	bool together = true; /* each axis in one piece */
	for (int i = 0; i < fine.n; i++) {
		if (i && axes[i] == axes[i - 1]) {
			dim *last = &out->dims[out->rank - 1];
			*last = dim_mul(c->m->dims, *last, fine.factors[i].extent);
			continue;
		}
		if (out->rank == CLAST_MAX_RANK)
			return false;
		together = together && !(seen >> axes[i] & 1);
		seen |= 1u << axes[i];
		perm[out->rank] = axes[i];
		out->dims[out->rank++] = fine.factors[i].extent;
	}
	if (together) {
		place_units(s, perm, out->rank);
		permute_dims(s, perm, out);
	}
	for (int i = 0; i < out->rank; i++)
		unknown += !dim_is_number(out->dims[i]);
	return unknown <= 1; /* the one -1 of a Reshape */
}

int64_t *axis_indices(converter *c, const order *o, const shape *s, int axis)
{
	order fine = { 0 };
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	const int64_t n = s->dims[axis];
	int64_t *index = bump_array(&c->scratch, (size_t)n + 1, sizeof *index);
	if (!index)
		return NULL;
	if (o->n)
		order_split(c->m->dims, o, s, &fine, axes, inner);
	for (int64_t i = 0; i < n; i++) {
		int64_t rest = i;
		index[i] = o->n ? 0 : i;
		for (int k = fine.n - 1; k >= 0; k--) {
			if (axes[k] != axis)
				continue;
			index[i] += rest % fine.factors[k].extent * inner[k];
			rest /= fine.factors[k].extent;
		}
	}
	return index;
}
