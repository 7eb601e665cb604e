/* If on a constant condition: the nodes of the branch that runs move to the graph around it, and the other branch goes. A branch that
 * never runs may contradict the shapes at hand, as functions written for any rank do; nothing asks it for them any more. */
#include <string.h>

#include "body.h"
#include "checked.h"
#include "pass.h"

/* The branch that always runs; NO_ID if that depends on data. */
static graph_id constant_branch(const clast_model *m, const node *n)
{
	const tensor_view *condition = n->n_in == 1 && n->in[0] != NO_ID ? m->values[n->in[0]].constant : NULL;
	if (n->op->domain[0] || strcmp(n->op->name, "If") || !condition || condition->dtype != CLAST_BOOL || view_count(condition) != 1)
		return NO_ID;
	const int body = if_branch(n->attrs, load_int(condition, 0) != 0);
	const graph_id g = body >= 0 && (uint32_t)body < n->n_bodies ? n->bodies[body] : NO_ID;
	if (g == NO_ID || m->graphs[g].input_count || m->graphs[g].output_count != n->n_out)
		return NO_ID;
	for (uint32_t j = 0; j < n->n_out; j++)
		if (m->values[m->graphs[g].outputs[j]].kind != KIND_TENSOR)
			return NO_ID;
	return g;
}

/* Depth is bounded by the importer. */
static void remove_graph(clast_model *m, graph_id id)
{
	graph *g = &m->graphs[id];
	for (size_t i = 0; i < g->node_count; i++) {
		node *n = &m->nodes[g->nodes[i]];
		n->dead = true;
		for (uint32_t j = 0; j < n->n_bodies; j++)
			remove_graph(m, n->bodies[j]);
	}
	g->node_count = g->output_count = 0;
}

static void rehome(clast_model *m, value_id v, graph_id from, graph_id to)
{
	if (v != NO_ID && m->values[v].graph == from)
		m->values[v].graph = to;
}

static clast_status move_nodes(clast_model *m, graph_id from, graph_id to, clast_diag *d)
{
	graph *a = &m->graphs[from], *b = &m->graphs[to];
	if (!grow(&m->memory, &b->nodes, &b->node_capacity, b->node_count + a->node_count, sizeof *b->nodes))
		return fail_memory(d, a->node_count * sizeof *b->nodes);
	for (size_t i = 0; i < a->node_count; i++) {
		node *n = &m->nodes[a->nodes[i]];
		b->nodes[b->node_count++] = a->nodes[i];
		n->graph = to;
		for (uint32_t j = 0; j < n->n_in; j++)
			rehome(m, n->in[j], from, to);
		for (uint32_t j = 0; j < n->n_out; j++)
			rehome(m, n->out[j], from, to);
		for (uint32_t j = 0; j < n->n_bodies; j++)
			m->graphs[n->bodies[j]].parent = to;
	}
	a->node_count = 0;
	return CLAST_OK;
}

graph_id branch_take(clast_model *m, node_id id)
{
	const node *n = &m->nodes[id];
	const graph_id taken = constant_branch(m, n);
	for (uint32_t j = 0; taken != NO_ID && j < n->n_bodies; j++)
		if (n->bodies[j] != taken)
			remove_graph(m, n->bodies[j]);
	return taken;
}

clast_status branch_inline(clast_model *m, node_id id, graph_id taken, clast_diag *d)
{
	const node n = m->nodes[id];
	const op *identity = op_find("", "Identity");
	clast_status s = move_nodes(m, taken, n.graph, d);
	m->nodes[id].dead = true;
	m->nodes[id].n_bodies = 0;
	for (uint32_t j = 0; !s && j < n.n_out; j++) {
		value_id from = m->graphs[taken].outputs[j];
		node_id copy;
		rehome(m, from, taken, n.graph);
		if (n.out[j] == NO_ID)
			continue;
		s = graph_add_op_node(m, n.graph, identity, op_resolve(identity, NEWEST_OPSET)->since, n.name, 1, &from, 1, &n.out[j], NULL,
		                      &copy, d);
		if (!s)
			s = fold_visit(m, copy, d);
	}
	m->graphs[taken].output_count = 0;
	return s;
}
