#include "graph.h"

#include <string.h>

clast_status graph_add(clast_model *m, const char *name, graph_id parent, graph_id *out, clast_diag *d)
{
	if (!grow(&m->memory, &m->graphs, &m->graph_capacity, m->graph_count + 1, sizeof *m->graphs))
		return fail_memory(d, sizeof *m->graphs);
	graph *g = &m->graphs[m->graph_count];
	memset(g, 0, sizeof *g);
	g->parent = parent;
	g->name = bump_string(&m->region, name, strlen(name));
	if (!g->name)
		return fail_memory(d, 0);
	*out = (graph_id)m->graph_count++;
	return CLAST_OK;
}

clast_status graph_add_value(clast_model *m, graph_id g, const char *name, value_id *out, clast_diag *d)
{
	if (!grow(&m->memory, &m->values, &m->value_capacity, m->value_count + 1, sizeof *m->values))
		return fail_memory(d, sizeof *m->values);
	char *copy = bump_string(&m->region, name, strlen(name));
	if (!copy)
		return fail_memory(d, 0);
	m->values[m->value_count] = (value){ .name = copy, .rank = -1, .producer = NO_ID, .graph = g, .replaced_by = NO_ID };
	*out = (value_id)m->value_count++;
	return CLAST_OK;
}

static clast_status append(clast_model *m, uint32_t **list, size_t *count, size_t *capacity, uint32_t id, clast_diag *d)
{
	if (!grow(&m->memory, list, capacity, *count + 1, sizeof **list))
		return fail_memory(d, sizeof **list);
	(*list)[(*count)++] = id;
	return CLAST_OK;
}

clast_status graph_add_input(clast_model *m, graph_id g, value_id v, clast_diag *d)
{
	graph *x = &m->graphs[g];
	return append(m, &x->inputs, &x->input_count, &x->input_capacity, v, d);
}

clast_status graph_add_output(clast_model *m, graph_id g, value_id v, clast_diag *d)
{
	graph *x = &m->graphs[g];
	if (!grow(&m->memory, &x->output_names, &x->name_capacity, x->output_count + 1, sizeof *x->output_names))
		return fail_memory(d, 0);
	x->output_names[x->output_count] = m->values[v].name;
	return append(m, &x->outputs, &x->output_count, &x->output_capacity, v, d);
}

clast_status graph_set_shape(clast_model *m, value_id id, clast_dtype dtype, const shape *s, clast_diag *d)
{
	value *v = &m->values[id];
	v->dtype = dtype;
	if (s->rank < 0) {
		v->rank = -1;
		return CLAST_OK;
	}
	/* A value keeps the storage of its dims as long as the rank stays. */
	if (v->rank != s->rank || !v->dims) {
		v->dims = bump_array(&m->region, s->rank ? (size_t)s->rank : 1, sizeof(dim));
		if (!v->dims)
			return fail_memory(d, 0);
	}
	v->rank = s->rank;
	for (int a = 0; a < s->rank; a++) /* an extent without a name is equal to no other */
		((dim *)v->dims)[a] = s->dims[a] == DIM_UNKNOWN ? dim_fresh(m->dims, "unknown", 1, DIM_NO_MAX) : s->dims[a];
	return CLAST_OK;
}

void graph_set_constant(clast_model *m, value_id id, const tensor_view *constant)
{
	value *v = &m->values[id];
	shape s = { .rank = constant->rank };
	for (int a = 0; a < s.rank; a++)
		s.dims[a] = constant->dims[a];
	v->constant = constant;
	v->producer = NO_ID;
	v->dtype = constant->dtype;
	v->kind = KIND_TENSOR;
	v->rank = s.rank;
	v->dims = constant->dims;
}

const char *node_name(const clast_model *m, node_id id)
{
	const node *n = &m->nodes[id];
	if (n->name[0])
		return n->name;
	for (uint32_t i = 0; i < n->n_out; i++)
		if (n->out[i] != NO_ID)
			return m->values[n->out[i]].name;
	return "";
}

static clast_status check_counts(const op *o, size_t n_in, const value_id *in, size_t n_out, clast_diag *d)
{
	if (n_in < o->min_in || (n_in > o->max_in && o->max_in != UINT16_MAX))
		return fail(d, CLAST_ERROR_MODEL, "%s takes %u to %u inputs, found %zu", o->name, o->min_in, o->max_in, n_in);
	if (n_out < o->min_out || (n_out > o->max_out && o->max_out != UINT16_MAX))
		return fail(d, CLAST_ERROR_MODEL, "%s has %u to %u outputs, found %zu", o->name, o->min_out, o->max_out, n_out);
	for (size_t i = 0; i < o->min_in; i++)
		if (in[i] == NO_ID)
			return fail(d, CLAST_ERROR_MODEL, "input %zu of %s is required and missing", i, o->name);
	return CLAST_OK;
}

static clast_status new_node(clast_model *m, graph_id g, const op *o, int version, const char *name, size_t n_in,
                             const value_id *in, size_t n_out, const value_id *out, node_id *id, clast_diag *d)
{
	const clast_status s = check_counts(o, n_in, in, n_out, d);
	if (s)
		return s;
	if (m->node_count >= m->limits.nodes)
		return fail(d, CLAST_ERROR_LIMIT, "more than %zu nodes", m->limits.nodes);
	if (!grow(&m->memory, &m->nodes, &m->node_capacity, m->node_count + 1, sizeof *m->nodes))
		return fail_memory(d, sizeof *m->nodes);
	value_id *ids = bump_array(&m->region, n_in + n_out + 1, sizeof *ids);
	char *copy = bump_string(&m->region, name ? name : "", name ? strlen(name) : 0);
	void *attrs = bump_alloc(&m->region, o->attrs_bytes ? o->attrs_bytes : 1);
	if (!ids || !copy || !attrs)
		return fail_memory(d, 0);
	if (n_in)
		memcpy(ids, in, n_in * sizeof *ids);
	if (n_out)
		memcpy(ids + n_in, out, n_out * sizeof *ids);
	m->nodes[m->node_count] = (node){ .name = copy,
		                          .op = o,
		                          .version = version,
		                          .attrs = attrs,
		                          .n_in = (uint32_t)n_in,
		                          .n_out = (uint32_t)n_out,
		                          .in = ids,
		                          .out = ids + n_in,
		                          .graph = g };
	*id = (node_id)m->node_count;
	return CLAST_OK;
}

static clast_status enlist(clast_model *m, graph_id g, node_id id, clast_diag *d)
{
	graph *x = &m->graphs[g];
	const clast_status s = append(m, &x->nodes, &x->node_count, &x->node_capacity, id, d);
	if (s)
		return s;
	const node *n = &m->nodes[id];
	for (uint32_t i = 0; i < n->n_out; i++)
		if (n->out[i] != NO_ID)
			m->values[n->out[i]].producer = id;
	m->node_count++;
	return CLAST_OK;
}

clast_status graph_add_node(clast_model *m, graph_id g, const char *domain, const char *type, int64_t opset,
                            const char *name, size_t n_in, const value_id *in, size_t n_out, const value_id *out,
                            size_t n_attrs, const attr_value *attrs, node_id *id, clast_diag *d)
{
	const op *o = op_find(domain, type);
	const op_version *v = o ? op_resolve(o, opset) : NULL;
	if (!o)
		return fail(d, CLAST_ERROR_UNSUPPORTED, "operator %s of domain \"%s\" is not supported", quote(type).text,
		            quote(domain).text);
	if (!v)
		return fail(d, CLAST_ERROR_UNSUPPORTED, "operator %s does not exist in opset %lld; supported since %d", o->name,
		            (long long)opset, o->versions[0].since);
	clast_status s = new_node(m, g, o, v->since, name, n_in, in, n_out, out, id, d);
	if (s)
		return s;
	node *n = &m->nodes[*id];
	graph_id bodies[MAX_BODIES];
	s = attrs_read(m, o, v->since, n_attrs, attrs, n->attrs, bodies, &n->n_bodies, d);
	if (s)
		return s;
	if (n->n_bodies) {
		n->bodies = bump_array(&m->region, n->n_bodies, sizeof *n->bodies);
		if (!n->bodies)
			return fail_memory(d, 0);
		memcpy(n->bodies, bodies, n->n_bodies * sizeof *bodies);
	}
	if (o->check) {
		const infer_in probe = { .op = o, .dims = m->dims, .attrs = n->attrs, .version = v->since, .n_in = n_in, .n_out = n_out };
		s = o->check(&probe, d);
		if (s)
			return s;
	}
	return enlist(m, g, *id, d);
}

clast_status graph_add_op_node(clast_model *m, graph_id g, const op *o, int version, const char *name, size_t n_in,
                               const value_id *in, size_t n_out, const value_id *out, const void *attrs, node_id *id,
                               clast_diag *d)
{
	const clast_status s = new_node(m, g, o, version, name, n_in, in, n_out, out, id, d);
	if (s)
		return s;
	node *n = &m->nodes[*id];
	if (attrs)
		memcpy(n->attrs, attrs, o->attrs_bytes);
	else
		attrs_default(o, version, n->attrs);
	return enlist(m, g, *id, d);
}

/* ---- Uses, replacement, removal ---- */

void graph_replace_uses(clast_model *m, value_id from, value_id to)
{
	to = graph_resolve(m, to);
	if (to != from)
		m->values[from].replaced_by = to;
}

value_id graph_resolve(clast_model *m, value_id v)
{
	value_id root = v;
	while (root != NO_ID && m->values[root].replaced_by != NO_ID)
		root = m->values[root].replaced_by;
	while (v != root) { /* shorten the path for the next one */
		const value_id next = m->values[v].replaced_by;
		m->values[v].replaced_by = root;
		v = next;
	}
	return root;
}

static void apply_replacements(clast_model *m)
{
	for (size_t i = 0; i < m->node_count; i++)
		for (uint32_t j = 0; j < m->nodes[i].n_in; j++)
			m->nodes[i].in[j] = graph_resolve(m, m->nodes[i].in[j]);
	for (size_t g = 0; g < m->graph_count; g++)
		for (size_t j = 0; j < m->graphs[g].output_count; j++)
			m->graphs[g].outputs[j] = graph_resolve(m, m->graphs[g].outputs[j]);
}

/* Counts a graph's uses and those of the bodies of its live nodes; depth is bounded by the importer. */
static void count_graph(clast_model *m, graph_id id)
{
	const graph *g = &m->graphs[id];
	for (size_t i = 0; i < g->output_count; i++)
		m->values[g->outputs[i]].uses++;
	for (size_t i = 0; i < g->node_count; i++) {
		const node *n = &m->nodes[g->nodes[i]];
		if (n->dead)
			continue;
		for (uint32_t j = 0; j < n->n_in; j++)
			if (n->in[j] != NO_ID)
				m->values[n->in[j]].uses++;
		for (uint32_t j = 0; j < n->n_bodies; j++)
			count_graph(m, n->bodies[j]);
	}
}

void graph_count_uses(clast_model *m)
{
	for (size_t i = 0; i < m->value_count; i++)
		m->values[i].uses = 0;
	count_graph(m, 0);
}

static void unuse_graph(clast_model *m, graph_id id);

static void unuse_node(clast_model *m, node *n)
{
	n->dead = true;
	for (uint32_t j = 0; j < n->n_in; j++)
		if (n->in[j] != NO_ID)
			m->values[n->in[j]].uses--;
	for (uint32_t j = 0; j < n->n_bodies; j++)
		unuse_graph(m, n->bodies[j]);
}

static void unuse_graph(clast_model *m, graph_id id)
{
	const graph *g = &m->graphs[id];
	for (size_t i = 0; i < g->output_count; i++)
		m->values[g->outputs[i]].uses--;
	for (size_t i = 0; i < g->node_count; i++)
		if (!m->nodes[g->nodes[i]].dead)
			unuse_node(m, &m->nodes[g->nodes[i]]);
}

static bool is_used(const clast_model *m, const node *n)
{
	for (uint32_t j = 0; j < n->n_out; j++)
		if (n->out[j] != NO_ID && m->values[n->out[j]].uses)
			return true;
	return false;
}

/* Bodies first, so that what only they captured becomes unused in time; consumers before producers. */
static void remove_unused(clast_model *m, graph_id id)
{
	graph *g = &m->graphs[id];
	for (size_t i = g->node_count; i-- > 0;) {
		node *n = &m->nodes[g->nodes[i]];
		if (n->dead)
			continue;
		if (!is_used(m, n)) {
			unuse_node(m, n);
			continue;
		}
		for (uint32_t j = 0; j < n->n_bodies; j++)
			remove_unused(m, n->bodies[j]);
	}
	size_t kept = 0;
	for (size_t i = 0; i < g->node_count; i++)
		if (!m->nodes[g->nodes[i]].dead)
			g->nodes[kept++] = g->nodes[i];
	g->node_count = kept;
}

clast_status graph_sweep(clast_model *m, clast_diag *d)
{
	apply_replacements(m);
	graph_count_uses(m);
	remove_unused(m, 0);
	return graph_sort(m, d);
}
