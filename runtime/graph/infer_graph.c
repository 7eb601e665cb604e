/* The driver of shape inference over a graph: symbolic, in topological order, into the values. */
#include <stdio.h>
#include <string.h>

#include "graph.h"

#define FEW 16
#define MOST_INFERENCES_A_NODE 256

void value_shape(const clast_model *m, value_id id, shape *s)
{
	const value *v = &m->values[id];
	s->rank = v->rank;
	if (v->rank > 0)
		memcpy(s->dims, v->dims, (size_t)v->rank * sizeof(dim));
}

void value_infer(const clast_model *m, value_id id, infer_value *out)
{
	memset(out, 0, sizeof *out);
	out->shape.rank = -1;
	if (id == NO_ID)
		return;
	const value *v = &m->values[id];
	out->present = true;
	out->kind = v->kind;
	out->dtype = v->dtype;
	value_shape(m, id, &out->shape);
	out->ints = v->ints;
	out->int_count = v->int_count;
	out->data = v->constant;
}

/* What inference says goes into the value; where it says nothing, a declaration of the model stays. */
static clast_status store(clast_model *m, value_id id, const infer_value *x, clast_diag *d)
{
	value *v = &m->values[id];
	const clast_dtype dtype = x->dtype != CLAST_UNDEFINED ? x->dtype : v->dtype;
	v->kind = x->kind;
	v->ints = x->ints;
	v->int_count = x->int_count;
	for (int a = 0; a < x->shape.rank; a++) {
		const dim e = x->shape.dims[a];
		if (e == DIM_ERROR)
			return fail(d, CLAST_ERROR_LIMIT, "axis %d of %s: its extent overflows", a, quote(v->name).text);
		if (dim_is_number(e) && e < 0)
			return fail(d, CLAST_ERROR_MODEL, "axis %d of %s would have the extent %lld", a, quote(v->name).text,
			            (long long)e);
	}
	if (x->shape.rank < 0) {
		v->dtype = dtype;
		return CLAST_OK;
	}
	return graph_set_shape(m, id, dtype, &x->shape, d);
}

typedef struct driver {
	clast_model *m;
	const node *n;
} driver;

static clast_status infer_body(const infer_in *in, int body, size_t n_in, const infer_value *inputs, size_t n_out,
                               infer_value *outputs, clast_diag *d)
{
	const driver *x = in->driver;
	clast_model *m = x->m;
	if (body < 0 || (uint32_t)body >= x->n->n_bodies)
		return fail(d, CLAST_ERROR_MODEL, "a subgraph attribute is missing");
	const graph_id g = x->n->bodies[body];
	if (m->graphs[g].input_count != n_in || m->graphs[g].output_count != n_out)
		return fail(d, CLAST_ERROR_MODEL, "subgraph %s: expected %zu inputs and %zu outputs, found %zu and %zu",
		            quote(m->graphs[g].name).text, n_in, n_out, m->graphs[g].input_count, m->graphs[g].output_count);
	clast_diag own = { 0 };
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < n_in; i++)
		s = store(m, m->graphs[g].inputs[i], &inputs[i], &own);
	for (size_t i = 0; !s && i < m->graphs[g].node_count; i++)
		s = graph_infer_node(m, m->graphs[g].nodes[i], &own);
	for (size_t i = 0; !s && i < n_out; i++)
		value_infer(m, m->graphs[g].outputs[i], &outputs[i]);
	m->graphs[g].refusal = s ? bump_string(&m->region, own.message, strlen(own.message)) : NULL;
	if (s && d)
		*d = own;
	return s && !m->graphs[g].refusal ? fail_memory(d, 0) : s;
}

/* Small integer constants are followed as known elements; made once, kept with the value. */
static void follow_constant(clast_model *m, value_id id)
{
	value *v = &m->values[id];
	size_t count;
	const shape s = { .rank = 0 };
	(void)s;
	if (!v->constant || v->ints)
		return;
	infer_value x;
	value_infer(m, id, &x);
	if (!infer_small(v->dtype, &x.shape, &count))
		return;
	const infer_in one = { .dims = m->dims, .n_in = 1, .in = &x, .memory = &m->region };
	v->ints = infer_ints(&one, 0, &count);
	v->int_count = v->ints ? count : 0;
}

static clast_status infer_with(clast_model *m, node_id id, infer_value *inputs, infer_value *outputs, clast_diag *d)
{
	const node n = m->nodes[id]; /* by value: the array may move while bodies are inferred */
	driver x = { m, &n };
	for (uint32_t i = 0; i < n.n_in; i++) {
		if (n.in[i] != NO_ID)
			follow_constant(m, n.in[i]);
		value_infer(m, n.in[i], &inputs[i]);
	}
	for (uint32_t i = 0; i < n.n_out; i++) {
		memset(&outputs[i], 0, sizeof outputs[i]);
		outputs[i].present = n.out[i] != NO_ID;
		outputs[i].shape.rank = -1;
	}
	const infer_in in = { .op = n.op,
		              .dims = m->dims,
		              .attrs = n.attrs,
		              .version = n.version,
		              .n_in = n.n_in,
		              .n_out = n.n_out,
		              .in = inputs,
		              .memory = &m->region,
		              .body = infer_body,
		              .driver = &x };
	infer_out out = { .out = outputs };
	const op_version *v = op_resolve(n.op, n.version);
	if (v && v->dtypes && n.n_in && inputs[0].present && inputs[0].kind == KIND_TENSOR &&
	    inputs[0].dtype != CLAST_UNDEFINED && !dtype_in(inputs[0].dtype, v->dtypes))
		return fail(d, CLAST_ERROR_MODEL, "%s-%d does not take dtype %s", n.op->name, n.version,
		            clast_dtype_name(inputs[0].dtype));
	clast_status s = n.op->infer(&in, &out, d);
	for (uint32_t i = 0; !s && i < n.n_out; i++)
		if (outputs[i].present)
			s = store(m, n.out[i], &outputs[i], d);
	return s;
}

/* Puts "node NAME (OP): " in front of the message, once. */
clast_status node_fail(const clast_model *m, node_id id, clast_status s, clast_diag *d)
{
	if (d && !d->node[0]) {
		char head[300];
		const int n = snprintf(head, sizeof head, "node %s (%s): ", quote(node_name(m, id)).text, m->nodes[id].op->name);
		const size_t room = sizeof d->message - 1 - (size_t)n;
		memmove(d->message + n, d->message, strnlen(d->message, room) + 1);
		memcpy(d->message, head, (size_t)n);
		d->message[sizeof d->message - 1] = 0;
		diag_node(d, node_name(m, id));
	}
	return s;
}

clast_status graph_infer_node(clast_model *m, node_id id, clast_diag *d)
{
	infer_value few[FEW], *many = NULL;
	const size_t n = (size_t)m->nodes[id].n_in + m->nodes[id].n_out;
	if (++m->inferred > MOST_INFERENCES_A_NODE * (uint64_t)m->node_count)
		return fail(d, CLAST_ERROR_LIMIT, "nested bodies ask for too many rounds of shape inference");
	if (n > FEW && !(many = mem_array(&m->memory, n, sizeof *many)))
		return fail_memory(d, n * sizeof *many);
	infer_value *values = many ? many : few;
	const clast_status s = infer_with(m, id, values, values + m->nodes[id].n_in, d);
	if (s)
		node_fail(m, id, s, d);
	mem_free(&m->memory, many, n * sizeof *many);
	return s;
}

clast_status graph_infer(clast_model *m, clast_diag *d)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < m->graphs[0].node_count; i++)
		s = graph_infer_node(m, m->graphs[0].nodes[i], d);
	return s;
}
