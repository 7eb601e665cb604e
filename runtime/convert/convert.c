#include "convert.h"

#include <string.h>

#include "pass.h"
#include "rewrite.h"

static clast_status begin(converter *c)
{
	clast_model *m = c->m;
	const graph *g = &m->graphs[c->g];
	bump_init(&c->scratch, &m->memory);
	problem_init(&c->problem, &m->memory);
	c->value_count = m->value_count;
	c->node_count = g->node_count;
	c->values = bump_array(&c->scratch, m->value_count + 1, sizeof *c->values);
	c->nodes = bump_array(&c->scratch, g->node_count + 1, sizeof *c->nodes);
	if (!c->values || !c->nodes)
		return fail_memory(c->d, 0);
	for (size_t i = 0; i < m->value_count; i++) {
		c->values[i].class = PROBLEM_NONE;
		c->values[i].role = NO_ROLE;
		c->values[i].alias = NO_ID;
	}
	for (size_t i = 0; i < g->node_count; i++)
		c->nodes[i].node = g->nodes[i];
	c->opset = NEWEST_OPSET;
	for (size_t i = 0; i < m->opset_count; i++)
		if (!m->opsets[i].domain[0] || !strcmp(m->opsets[i].domain, "ai.onnx"))
			c->opset = m->opsets[i].version;
	return CLAST_OK;
}

static void end(converter *c)
{
	problem_release(&c->problem);
	mem_free(&c->m->memory, c->class_value, c->class_capacity * sizeof *c->class_value);
	bump_release(&c->scratch);
}

/* A graph, then the bodies of its nodes; their depth is bounded by the importer. */
static clast_status convert_graph(clast_model *m, graph_id g, const convert_options *o, convert_report *r,
				  clast_diag *d)
{
	converter c = { .m = m, .g = g, .o = o, .r = r, .d = d };
	clast_status s = begin(&c);
	if (!s)
		s = convert_choose(&c);
	if (o->straighten && s == CLAST_ERROR_LIMIT) { /* of the layout problem */
		s = CLAST_OK;
		if (d)
			*d = (clast_diag){ 0 };
	} else if (!s && (!o->straighten || 2 * c.transposes <= c.transposes_before))
		s = convert_emit(&c);
	end(&c);
	for (size_t i = 0; !s && i < m->graphs[g].node_count; i++)
		for (uint32_t b = 0; !s && b < m->nodes[m->graphs[g].nodes[i]].n_bodies; b++)
			s = convert_graph(m, m->nodes[m->graphs[g].nodes[i]].bodies[b], o, r, d);
	return s;
}

static void count(const clast_model *m, graph_id g, size_t *nodes, size_t *transposes)
{
	for (size_t i = 0; i < m->graphs[g].node_count; i++) {
		const node *n = &m->nodes[m->graphs[g].nodes[i]];
		*nodes += 1;
		*transposes += n->op->rule == RULE_PERMUTE;
		for (uint32_t b = 0; b < n->n_bodies; b++)
			count(m, n->bodies[b], nodes, transposes);
	}
}

/* ---- Channels-last exports ---- */

#define LONGEST_CHAIN 8

/* Whether nodes end here that begin with a Transpose, some channels-first operators among them and nothing else that has two operands. */
static bool is_wrapped(const clast_model *m, node_id id)
{
	bool channels = false;
	for (int i = 0; i < LONGEST_CHAIN && id != NO_ID; i++) {
		const node *n = &m->nodes[id];
		if (n->op->rule == RULE_PERMUTE)
			return channels;
		if (!n->n_in || n->in[0] == NO_ID || (!has_channels(n) && (n->op->rule != RULE_ANY || n->n_in > 1)))
			return false;
		channels |= has_channels(n);
		id = m->values[n->in[0]].producer;
	}
	return false;
}

bool convert_is_wrapped(const clast_model *m)
{
	const graph *g = &m->graphs[0];
	for (size_t i = 0; i < g->node_count; i++) {
		const node *t = &m->nodes[g->nodes[i]];
		if (t->op->rule == RULE_PERMUTE && t->n_in && t->in[0] != NO_ID && is_wrapped(m, m->values[t->in[0]].producer))
			return true;
	}
	return false;
}

clast_status convert_straighten(clast_model *m, clast_diag *d)
{
	const convert_options o = {
		.layout = CONVERT_FIRST, .inputs = CONVERT_KEEP, .outputs = CONVERT_KEEP, .straighten = true
	};
	convert_report r;
	clast_status s = passes_clean(m, d);
	m->keep_compact = false;
	return s ? s : convert_model(m, &o, &r, d);
}

clast_status convert_model(clast_model *m, const convert_options *o, convert_report *r, clast_diag *d)
{
	*r = (convert_report){ .optimal = true };
	count(m, 0, &r->nodes_before, &r->transposes_before);
	clast_status s = convert_graph(m, 0, o, r, d);
	if (!s)
		s = graph_sweep(m, d);
	count(m, 0, &r->nodes, &r->transposes);
	return s;
}
