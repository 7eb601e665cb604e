/* Topological order of every graph, and the values that bodies capture. */
#include <string.h>

#include "graph.h"

enum { WHITE, GREY, BLACK };

typedef struct frame {
	node_id node;
	size_t next; /* dependency to visit next */
} frame;

typedef struct sorter {
	clast_model *m;
	uint8_t *colour; /* by node */
	frame *stack;
	size_t depth, capacity;
	node_id *order; /* result for the graph at hand */
	size_t count;
	clast_diag *d;
} sorter;

static clast_status add_capture(clast_model *m, graph *g, value_id v, clast_diag *d)
{
	if (!grow(&m->memory, &g->captures, &g->capture_capacity, g->capture_count + 1, sizeof *g->captures))
		return fail_memory(d, 0);
	g->captures[g->capture_count++] = v;
	return CLAST_OK;
}

static bool is_inside(const clast_model *m, graph_id inner, graph_id outer)
{
	for (; inner != NO_ID; inner = m->graphs[inner].parent)
		if (inner == outer)
			return true;
	return false;
}

/* by[v]: the graph that value v was last noted for. */
static clast_status note_use(clast_model *m, graph_id *by, graph_id id, value_id v, clast_diag *d)
{
	if (v == NO_ID || by[v] == id)
		return CLAST_OK;
	by[v] = id;
	return is_inside(m, m->values[v].graph, id) ? CLAST_OK : add_capture(m, &m->graphs[id], v, d);
}

/* Bodies first, so that no other graph is noted while this one is. */
static clast_status find_captures(clast_model *m, graph_id *by, graph_id id, clast_diag *d)
{
	clast_status s = CLAST_OK;
	graph *g = &m->graphs[id];
	g->capture_count = 0;
	for (size_t i = 0; !s && i < g->node_count; i++)
		for (uint32_t j = 0; !s && j < m->nodes[g->nodes[i]].n_bodies; j++)
			s = find_captures(m, by, m->nodes[g->nodes[i]].bodies[j], d);
	for (size_t i = 0; !s && id && i < g->output_count; i++)
		s = note_use(m, by, id, g->outputs[i], d);
	for (size_t i = 0; !s && id && i < g->node_count; i++) {
		const node *n = &m->nodes[g->nodes[i]];
		for (uint32_t j = 0; !s && j < n->n_in; j++)
			s = note_use(m, by, id, n->in[j], d);
		for (uint32_t j = 0; !s && j < n->n_bodies; j++) {
			const graph *body = &m->graphs[n->bodies[j]];
			for (size_t k = 0; !s && k < body->capture_count; k++)
				s = note_use(m, by, id, body->captures[k], d);
		}
	}
	return s;
}

static clast_status find_all_captures(clast_model *m, clast_diag *d)
{
	if (m->graph_count == 1)
		return CLAST_OK;
	graph_id *by = mem_array(&m->memory, m->value_count + 1, sizeof *by);
	if (!by)
		return fail_memory(d, (m->value_count + 1) * sizeof *by);
	memset(by, 0xff, (m->value_count + 1) * sizeof *by);
	const clast_status s = find_captures(m, by, 0, d);
	mem_free(&m->memory, by, (m->value_count + 1) * sizeof *by);
	return s;
}

/* Dependency k of a node: its inputs, then what its bodies capture. NO_ID after the last. */
static bool dependency(const clast_model *m, const node *n, size_t k, value_id *v)
{
	if (k < n->n_in) {
		*v = n->in[k];
		return true;
	}
	k -= n->n_in;
	for (uint32_t j = 0; j < n->n_bodies; j++) {
		const graph *g = &m->graphs[n->bodies[j]];
		if (k < g->capture_count) {
			*v = g->captures[k];
			return true;
		}
		k -= g->capture_count;
	}
	return false;
}

static clast_status push(sorter *s, node_id id)
{
	if (!grow(&s->m->memory, &s->stack, &s->capacity, s->depth + 1, sizeof *s->stack))
		return fail_memory(s->d, 0);
	s->stack[s->depth++] = (frame){ id, 0 };
	s->colour[id] = GREY;
	return CLAST_OK;
}

static clast_status cycle(sorter *s, node_id id)
{
	char list[512] = "";
	size_t i = s->depth, shown = 0;
	while (i > 0 && s->stack[i - 1].node != id)
		i--;
	for (i = i ? i - 1 : 0; i < s->depth && shown < 8; i++, shown++) {
		strncat(list, shown ? " -> " : "", sizeof list - strlen(list) - 1);
		strncat(list, quote(node_name(s->m, s->stack[i].node)).text, sizeof list - strlen(list) - 1);
	}
	diag_node(s->d, node_name(s->m, id));
	return fail(s->d, CLAST_ERROR_MODEL, "the graph has a cycle: %s", list);
}

/* Depth-first search with its own stack: the depth is that of the graph. */
static clast_status visit(sorter *s, graph_id g, node_id root)
{
	clast_status status = push(s, root);
	while (!status && s->depth) {
		frame *f = &s->stack[s->depth - 1];
		const node *n = &s->m->nodes[f->node];
		value_id v;
		if (!dependency(s->m, n, f->next++, &v)) {
			s->colour[f->node] = BLACK;
			s->order[s->count++] = f->node;
			s->depth--;
			continue;
		}
		const node_id p = v == NO_ID ? NO_ID : s->m->values[v].producer;
		if (p == NO_ID || s->m->nodes[p].graph != g || s->m->nodes[p].dead || s->colour[p] == BLACK)
			continue;
		status = s->colour[p] == GREY ? cycle(s, p) : push(s, p);
	}
	return status;
}

static clast_status sort_graph(sorter *s, graph_id id)
{
	graph *g = &s->m->graphs[id];
	clast_status status = CLAST_OK;
	if (!g->node_count)
		return CLAST_OK;
	s->order = mem_array(&s->m->memory, g->node_count, sizeof *s->order);
	if (!s->order)
		return fail_memory(s->d, g->node_count * sizeof *s->order);
	s->count = s->depth = 0;
	for (size_t i = 0; !status && i < g->node_count; i++)
		if (s->colour[g->nodes[i]] == WHITE)
			status = visit(s, id, g->nodes[i]);
	if (!status)
		memcpy(g->nodes, s->order, g->node_count * sizeof *g->nodes);
	mem_free(&s->m->memory, s->order, g->node_count * sizeof *s->order);
	return status;
}

clast_status graph_sort(clast_model *m, clast_diag *d)
{
	sorter s = { .m = m, .d = d };
	clast_status status = find_all_captures(m, d);
	if (status)
		return status;
	s.colour = mem_calloc(&m->memory, m->node_count ? m->node_count : 1);
	if (!s.colour)
		return fail_memory(d, m->node_count);
	for (size_t g = 0; !status && g < m->graph_count; g++)
		status = sort_graph(&s, (graph_id)g);
	mem_free(&m->memory, s.colour, m->node_count ? m->node_count : 1);
	mem_free(&m->memory, s.stack, s.capacity * sizeof *s.stack);
	return status;
}
