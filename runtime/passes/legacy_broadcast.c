/* Arithmetic, comparison and logic from before opset 7, whose second operand may lie at any axis of the
 * first, and PRelu, whose slopes belonged to the channels: the operand gets the axes of extent 1 that it
 * lacks at its end, the node the version 7, which aligns at the end. So nothing behind this pass knows but
 * one kind of broadcasting. */
#include <string.h>

#include "elementwise.h"
#include "pass.h"

/* Where axis 0 of the second operand lies among the axes of the first; -1: the shapes do not say, the node
 * stays as it is. */
static int operand_axis(const clast_model *m, const node *n)
{
	const elementwise_attrs *a = n->attrs;
	const value *x = &m->values[n->in[0]], *y = &m->values[n->in[1]];
	const bool prelu = n->op->family == SCALAR_PRELU;
	if (x->rank < 0 || y->rank < 0 || y->rank > x->rank)
		return -1;
	bool one = true;
	for (int i = 0; i < y->rank; i++)
		one = one && y->dims[i] == 1;
	if (one || (!prelu && !a->broadcast))
		return x->rank - y->rank;
	int axis = x->rank - y->rank;
	if (prelu && y->rank == 1 && x->rank >= 2)
		axis = 1;
	else if (!prelu && a->axis != NO_AXIS)
		axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
	for (int i = 0; i < y->rank && axis >= 0; i++)
		if (axis + i >= x->rank || (x->dims[axis + i] != y->dims[i] && !(prelu && y->dims[i] == 1)))
			return -1;
	return axis;
}

static bool is_legacy(const node *n)
{
	const int f = n->op ? n->op->family : 0;
	return n->op && !n->dead && !n->op->domain[0] && n->op->rule == RULE_ANY && n->version < 7 &&
	       n->n_in == 2 && f >= SCALAR_ADD && f <= SCALAR_XOR && f != SCALAR_MAX && f != SCALAR_MIN;
}

/* A constant is seen with the longer shape; its elements stay where they are. */
static clast_status reshape_constant(clast_model *m, const node *n, int added, value_id *out, clast_diag *d)
{
	const value *from = &m->values[n->in[1]];
	tensor_view *t = bump_alloc(&m->region, sizeof *t);
	if (!t)
		return fail_memory(d, sizeof *t);
	*t = *from->constant;
	for (int i = 0; i < added; i++) {
		t->dims[t->rank] = 1;
		t->strides[t->rank] = 0;
		t->split[t->rank++] = 0;
	}
	const clast_status s = graph_add_value(m, n->graph, from->name, out, d);
	if (!s)
		graph_set_constant(m, *out, t);
	return s;
}

static clast_status unsqueeze(clast_model *m, const node *n, int added, value_id *out, clast_diag *d)
{
	int64_t axes[CLAST_MAX_RANK];
	const int rank = m->values[n->in[1]].rank;
	for (int i = 0; i < added; i++)
		axes[i] = rank + i;
	const attr_value list = {
		.name = "axes", .type = CLAST_ATTRIBUTE_INTS, .ints = axes, .count = (size_t)added
	};
	node_id id;
	clast_status s = graph_add_value(m, n->graph, m->values[n->in[1]].name, out, d);
	if (!s)
		s = graph_add_node(m, n->graph, "", "Unsqueeze", 11, n->name, 1, &n->in[1], 1, out, 1, &list,
				   &id, d);
	return s ? s : graph_infer_node(m, id, d);
}

static clast_status modernise(clast_model *m, node_id id, clast_diag *d)
{
	const node n = m->nodes[id]; /* by value: the array may move */
	const int axis = operand_axis(m, &n);
	if (axis < 0)
		return CLAST_OK;
	const int added = m->values[n.in[0]].rank - m->values[n.in[1]].rank - axis;
	if (added > 0) {
		value_id longer;
		const clast_status s = m->values[n.in[1]].constant
					       ? reshape_constant(m, &n, added, &longer, d)
					       : unsqueeze(m, &n, added, &longer, d);
		if (s)
			return s;
		n.in[1] = longer;
	}
	m->nodes[id].version = 7;
	return graph_infer_node(m, id, d);
}

static clast_status run(clast_model *m, clast_diag *d)
{
	const size_t nodes = m->node_count;
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < nodes; i++)
		if (is_legacy(&m->nodes[i]))
			s = modernise(m, (node_id)i, d);
	return s;
}

const pass pass_legacy_broadcast = { "legacy_broadcast", run };
