/* Nodes that change nothing: Identity, Dropout outside of training, Pad by nothing. Without them their neighbours meet and can be
 * computed together. Optional outputs that nobody uses are not asked for. */
#include <string.h>

#include "pad.h"
#include "pass.h"

/* Outputs that have a place of their own in the operator's list; those of variadic operators count. */
static void drop_unused_outputs(clast_model *m, node *n)
{
	if (n->n_bodies || n->op->max_out == UINT16_MAX)
		return;
	while (n->n_out > 1 && n->n_out > n->op->min_out &&
	       (n->out[n->n_out - 1] == NO_ID || !m->values[n->out[n->n_out - 1]].uses))
		n->n_out--;
}

static bool pads_nothing(const infer_in *in)
{
	pad_params p;
	if (strcmp(in->op->name, "Pad") || in->op->domain[0] || in->in[0].shape.rank < 0 ||
	    pad_read(in, in->in[0].shape.rank, &p, NULL) || !p.known_axes)
		return false;
	for (int a = 0; a < in->in[0].shape.rank; a++)
		if (p.before[a] != 0 || p.after[a] != 0)
			return false;
	return true;
}

#define MOST_INPUTS 4

/* Whether output 0 is input 0, whatever it holds. */
static bool is_identity(const clast_model *m, const node *n)
{
	infer_value in[MOST_INPUTS], out;
	view_step steps[MAX_VIEW_STEPS];
	if (!n->n_in || n->n_in > MOST_INPUTS || n->n_out != 1 || n->in[0] == NO_ID || n->n_bodies)
		return false;
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(m, n->in[i], &in[i]);
	value_infer(m, n->out[0], &out);
	const infer_in query = { .op = n->op, .dims = m->dims, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = 1,
		                 .in = in, .memory = (bump *)&m->region };
	return (n->op->views && n->op->rule == RULE_REGROUP && !n->op->views(&query, &out, steps)) || pads_nothing(&query);
}

/* An output of a graph stays a value that a node of this graph makes. */
static bool is_replaceable(const clast_model *m, const node *n)
{
	const graph *g = &m->graphs[n->graph];
	const value *x = &m->values[n->in[0]];
	if (x->graph == n->graph && x->producer != NO_ID)
		return true;
	for (size_t i = 0; i < g->output_count; i++)
		if (g->outputs[i] == n->out[0])
			return false;
	return x->graph == n->graph;
}

static clast_status run(clast_model *m, clast_diag *d)
{
	(void)d;
	for (size_t i = 0; i < m->node_count; i++) {
		node *n = &m->nodes[i];
		if (n->dead || !n->op)
			continue;
		drop_unused_outputs(m, n);
		if (is_identity(m, n) && is_replaceable(m, n))
			graph_replace_uses(m, n->out[0], n->in[0]);
	}
	return CLAST_OK;
}

const pass pass_identity = { "identity", run };
