/* What kind each node is, and which axis of each value holds channels. */
#include <string.h>

#include "conv_attrs.h"
#include "gemm_attrs.h"
#include "rewrite.h"

bool has_class(const converter *c, value_id v)
{
	const value *x = v == NO_ID ? NULL : &c->m->values[v];
	return x && v < c->value_count && !x->constant && x->rank >= 0 && x->kind == KIND_TENSOR;
}

/* ---- Kinds of nodes ---- */

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

static bool is_constant(const converter *c, const node *n, uint32_t i, int rank)
{
	const value *v = i < n->n_in && n->in[i] != NO_ID ? &c->m->values[n->in[i]] : NULL;
	return v && v->constant && (rank < 0 || v->rank == rank);
}

/* A bias that can be permuted with the result: absent, or a constant. */
static bool bias_known(const converter *c, const node *n)
{
	return n->n_in < 3 || n->in[2] == NO_ID || is_constant(c, n, 2, -1);
}

static bool dense_of(const converter *c, const node *n, dense *x)
{
	if (n->n_in < 2 || n->n_out != 1 || !has_class(c, n->in[0]) || !has_class(c, n->out[0]) ||
	    !is_constant(c, n, 1, -1) || !bias_known(c, n))
		return false;
	const int rank = c->m->values[n->in[0]].rank, weights = c->m->values[n->in[1]].rank;
	if (is(n, "Conv") && ((const conv_attrs *)n->attrs)->group == 1)
		*x = (dense){ 1, 1, 1, 0, false };
	else if (is(n, "ConvTranspose") && ((const conv_transpose_attrs *)n->attrs)->group == 1)
		*x = (dense){ 1, 1, 0, 1, false };
	else if (is(n, "Gemm") && !((const gemm_attrs *)n->attrs)->trans_a && rank == 2)
		*x = ((const gemm_attrs *)n->attrs)->trans_b ? (dense){ 1, 1, 1, 0, false }
							     : (dense){ 1, 1, 0, 1, false };
	else if (is(n, "MatMul") && weights == 2 && rank >= 2)
		*x = (dense){ rank - 1, rank - 1, 0, 1, true };
	else
		return false;
	return rank >= 2 && c->m->values[n->out[0]].rank == rank;
}

bool has_channels(const node *n)
{
	static const char *const more[] = { "DepthToSpace", "SpaceToDepth", "LRN",
					    "GridSample",   "MaxRoiPool",   "RoiAlign" };
	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		if (is(n, more[i]))
			return true;
	return n->op->rule == RULE_CHANNELS && !is(n, "Resize") && !is(n, "Upsample");
}

static void find_kind(converter *c, node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	p->group = PROBLEM_NONE;
	p->how = HOW_FIXED;
	if (n->n_bodies || !n->n_out)
		return;
	if (is_view(c, n))
		p->how = HOW_VIEW;
	else if ((is(n, "Shape") || is(n, "Size")) && has_class(c, n->in[0]))
		p->how = HOW_SHAPE;
	else if (dense_of(c, n, &p->dense))
		p->how = HOW_DENSE;
	else if (frame_of(c->m, n, &c->scratch, &p->f, &c->failed) && has_class(c, p->f.whole))
		p->how = HOW_FRAME;
}

void find_kinds(converter *c)
{
	for (size_t i = 0; i < c->node_count; i++)
		find_kind(c, &c->nodes[i]);
}

/* ---- Roles: which axis holds channels ---- */

static bool give_role(converter *c, value_id v, int role)
{
	if (!has_class(c, v) || role == NO_ROLE || role == c->values[v].role ||
	    c->values[v].role == MANY_ROLES)
		return false;
	c->values[v].role = c->values[v].role == NO_ROLE ? role : MANY_ROLES;
	return true;
}

static bool view_roles(converter *c, const node *n)
{
	view_step step[MAX_VIEW_STEPS];
	infer_value in, out;
	const int x = c->values[n->in[0]].role, y = c->values[n->out[0]].role;
	bool changed = false;
	if (n->op->rule != RULE_PERMUTE) {
		if (n->n_in != 1 || !is(n, "Identity"))
			return false;
		changed = give_role(c, n->out[0], x);
		return give_role(c, n->in[0], y) || changed;
	}
	value_infer(c->m, n->in[0], &in);
	value_infer(c->m, n->out[0], &out);
	const infer_in query = { .op = n->op,
				 .dims = c->m->dims,
				 .attrs = n->attrs,
				 .version = n->version,
				 .n_in = 1,
				 .n_out = 1,
				 .in = &in,
				 .memory = &c->scratch };
	if (n->op->views(&query, &out, step) != 1)
		return false;
	for (int i = 0; i < in.shape.rank; i++) {
		if (x >= 0 && step[0].perm[i] == x)
			changed |= give_role(c, n->out[0], i);
		if (y == i)
			changed |= give_role(c, n->in[0], step[0].perm[i]);
	}
	return changed;
}

static bool frame_roles(converter *c, const node *n, const frame *f)
{
	bool changed = false;
	int role = NO_ROLE; /* among the axes of the frame */
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		const frame_operand *o = &f->operand[k];
		if (!o->tied || !has_class(c, n->in[k]))
			continue;
		for (int a = 0; a < f->dims.rank; a++)
			if (c->values[n->in[k]].role >= 0 && o->axis[a] == c->values[n->in[k]].role)
				role = a;
	}
	for (uint32_t k = 0; role >= 0 && k < n->n_in + n->n_out; k++)
		if (f->operand[k].tied && has_class(c, n->in[k]) && f->operand[k].axis[role] >= 0 &&
		    c->m->values[n->in[k]].rank >= 3)
			changed |= give_role(c, n->in[k], f->operand[k].axis[role]);
	return changed;
}

static bool node_roles(converter *c, const node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	bool changed = false;
	if (p->how == HOW_VIEW)
		return view_roles(c, n);
	if (p->how == HOW_FRAME)
		return frame_roles(c, n, &p->f);
	if (n->n_bodies || !n->n_in || !n->n_out || !has_channels(n))
		return false;
	if (has_class(c, n->in[0]) && c->m->values[n->in[0]].rank >= 3)
		changed |= give_role(c, n->in[0], 1);
	if (n->out[0] != NO_ID && has_class(c, n->out[0]) && c->m->values[n->out[0]].rank >= 3)
		changed |= give_role(c, n->out[0], 1);
	return changed;
}

void find_roles(converter *c)
{
	bool changed = true;
	for (int sweep = 0; changed && sweep < MOST_SWEEPS; sweep++) {
		changed = false;
		for (size_t i = 0; i < c->node_count; i++)
			changed |= node_roles(c, &c->nodes[i]);
		for (size_t i = c->node_count; i-- > 0;)
			changed |= node_roles(c, &c->nodes[i]);
	}
}
