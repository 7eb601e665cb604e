#include <string.h>

#include "rewrite.h"

/* ---- Copies of nodes ---- */

static clast_status add_copy(converter *c, const node *n, uint32_t n_in, const value_id *in,
			     const value_id *out, const void *attrs)
{
	node_id id;
	graph_id *bodies = NULL;
	clast_status s = graph_add_op_node(c->m, c->g, n->op, n->version, n->name, n_in, in, n->n_out, out,
					   attrs, &id, c->d);
	if (!s && n->n_bodies) {
		bodies = bump_array(&c->m->region, n->n_bodies, sizeof *bodies);
		if (!bodies)
			return fail_memory(c->d, 0);
		memcpy(bodies, n->bodies, n->n_bodies * sizeof *bodies);
		c->m->nodes[id].bodies = bodies;
		c->m->nodes[id].n_bodies = n->n_bodies;
	}
	return s;
}

/* An output that is as the old graph has it. */
static clast_status plain_output(converter *c, value_id v, value_id *out)
{
	static const order first = { 0 };
	shape s;
	*out = v;
	if (!has_class(c, v))
		return CLAST_OK;
	value_shape(c->m, v, &s);
	return form_new(c, v, &first, &s, false, out);
}

/* What a body captures has to be there under its own name. */
static clast_status provide_captures(converter *c, const node *n)
{
	clast_status s = CLAST_OK;
	for (uint32_t b = 0; !s && b < n->n_bodies; b++)
		for (size_t i = 0; !s && i < c->m->graphs[n->bodies[b]].capture_count; i++) {
			const value_id v = c->m->graphs[n->bodies[b]].captures[i];
			value_id id;
			if (!has_class(c, v) || c->values[v].class == PROBLEM_NONE)
				continue;
			s = form_plain(c, v, &id);
			if (!s && id != v)
				c->m->values[v].replaced_by = id;
		}
	return s;
}

/* One array for inputs and outputs; n is a copy, since nodes move in memory when one is added. */
static value_id *room(converter *c, const node *n)
{
	value_id *ids =
		bump_array(&c->scratch, (size_t)n->n_in + n->n_out + FRAME_MORE_INPUTS + 1, sizeof *ids);
	for (uint32_t i = 0; ids && i < n->n_in; i++)
		ids[i] = n->in[i];
	return ids;
}

/* The inputs that are not tied, and the outputs, as they were. */
static clast_status plain_inputs(converter *c, const node *n, const frame *f, value_id *in)
{
	clast_status s = CLAST_OK;
	for (uint32_t i = 0; !s && i < n->n_in; i++)
		if (!f || !f->operand[i].tied)
			s = form_plain(c, n->in[i], &in[i]);
	return s;
}

static clast_status emit_fixed(converter *c, const node *n)
{
	value_id *in = room(c, n), *out = in ? in + n->n_in + FRAME_MORE_INPUTS : NULL;
	if (!in)
		return fail_memory(c->d, 0);
	clast_status s = plain_inputs(c, n, NULL, in);
	if (!s)
		s = provide_captures(c, n);
	for (uint32_t j = 0; !s && j < n->n_out; j++)
		s = plain_output(c, n->out[j], &out[j]);
	return s ? s : add_copy(c, n, n->n_in, in, out, n->attrs);
}

/* ---- Views ---- */

static clast_status emit_view(converter *c, const node *n, const node_plan *p)
{
	if (!p->renamed)
		return emit_fixed(c, n);
	c->values[n->out[0]].alias = n->in[0];
	c->values[n->out[0]].alias_order = p->in;
	return CLAST_OK;
}

/* ---- Frames ---- */

/* Extents of a tied operand under the axes perm; a broadcast one has 1 where it has no axis. */
static void operand_dims(const converter *c, const frame *f, uint32_t k, value_id v, const int *perm,
			 shape *out)
{
	shape s;
	value_shape(c->m, v, &s);
	out->rank = 0;
	for (int i = 0; i < f->dims.rank; i++) {
		const int axis = f->operand[k].axis[perm[i]];
		if (axis >= 0)
			out->dims[out->rank++] = s.dims[axis];
		else if (f->operand[k].broadcast)
			out->dims[out->rank++] = 1;
	}
}

static clast_status frame_order(converter *c, const node *n, const frame *f, uint32_t k, const int *perm,
				order **out)
{
	shape s;
	int own[CLAST_MAX_RANK];
	value_shape(c->m, n->in[k], &s);
	*out = bump_alloc(&c->scratch, sizeof **out);
	if (!*out)
		return fail_memory(c->d, sizeof **out);
	frame_restrict(f, k, perm, own);
	bool identity = true;
	for (int i = 0; i < s.rank; i++)
		identity = identity && own[i] == i;
	if (!identity)
		order_permuted(c->m->dims, &s, own, *out);
	return CLAST_OK;
}

static bool is_identity(const frame *f, const int *perm)
{
	for (int i = 0; i < f->dims.rank; i++)
		if (perm[i] != i)
			return false;
	return true;
}

static clast_status frame_input(converter *c, const node *n, const frame *f, uint32_t k, const int *perm,
				value_id *in)
{
	const value_id v = n->in[k];
	order *o;
	shape dims;
	if (v == NO_ID)
		return CLAST_OK;
	if (c->m->values[v].constant)
		return constant_permuted(c, v, f->dims.rank, perm, f->operand[k].broadcast, in);
	if (is_identity(f, perm))
		return form_plain(c, v, in);
	const clast_status s = frame_order(c, n, f, k, perm, &o);
	operand_dims(c, f, k, v, perm, &dims);
	return s ? s : form_get(c, v, o, &dims, f->operand[k].broadcast, in);
}

static clast_status frame_output(converter *c, const node *n, const frame *f, uint32_t k, const int *perm,
				 value_id *out)
{
	const value_id v = n->in[k];
	order *o;
	shape dims;
	if (v == NO_ID || !f->operand[k].tied || !has_class(c, v))
		return v == NO_ID ? CLAST_OK : plain_output(c, v, out);
	const clast_status s = frame_order(c, n, f, k, perm, &o);
	operand_dims(c, f, k, v, perm, &dims);
	return s ? s : form_new(c, v, o, &dims, false, out);
}

/* Whether an input of the frame is there already as these axes have it. */
static bool input_is_there(converter *c, const node *n, const frame *f, const int *perm)
{
	for (uint32_t k = 0; k < n->n_in; k++) {
		order *o;
		shape dims;
		if (!f->operand[k].tied || !has_class(c, n->in[k]))
			continue;
		if (frame_order(c, n, f, k, perm, &o))
			return false;
		operand_dims(c, f, k, n->in[k], perm, &dims);
		return form_exists(c, n->in[k], o, &dims);
	}
	return false;
}

/* Whether every operand lies as the planner has it under other axes too. */
static bool same_orders(converter *c, const node *n, const frame *f, const int *perm, const int *other)
{
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		order *a, *b;
		if (!f->operand[k].tied || !has_class(c, n->in[k]))
			continue;
		if (frame_order(c, n, f, k, perm, &a) || frame_order(c, n, f, k, other, &b) ||
		    !order_equal(a, b))
			return false;
	}
	return true;
}

/* Where extents are 1, several permutations are the same order, and the planner does not care which: take the
 * one in which the input comes, so that no Reshape has to follow. */
static void choose_axes(converter *c, const node *n, const frame *f, int *perm)
{
	int other[CLAST_MAX_RANK];
	if (input_is_there(c, n, f, perm))
		return;
	for (convert_layout l = CONVERT_FIRST; l <= CONVERT_LAST; l++)
		if (role_axes(c, f->whole, l, other) && frame_allows(c->m, n, f, other) &&
		    input_is_there(c, n, f, other) && same_orders(c, n, f, perm, other)) {
			memcpy(perm, other, sizeof other);
			return;
		}
}

/* All operands of one shape in an order that splits axes. */
static clast_status emit_split(converter *c, const node *n, const node_plan *p, value_id *in, value_id *out)
{
	shape dims;
	clast_status s = CLAST_OK;
	if (!natural_dims(c, p->in, &p->f.dims, &dims))
		return fail(c->d, CLAST_ERROR_INTERNAL, "an order without extents");
	for (uint32_t k = 0; !s && k < n->n_in; k++) {
		if (n->in[k] == NO_ID || !p->f.operand[k].tied)
			continue;
		if (c->m->values[n->in[k]].constant)
			s = constant_along(c, n->in[k], p->in, &p->f.dims, &dims, &in[k]);
		else
			s = form_get(c, n->in[k], p->in, &dims, false, &in[k]);
	}
	for (uint32_t j = 0; !s && j < n->n_out; j++)
		if (n->out[j] != NO_ID)
			s = form_new(c, n->out[j], p->in, &dims, false, &out[j]);
	return s ? s : add_copy(c, n, n->n_in, in, out, n->attrs);
}

static clast_status emit_frame(converter *c, const node *n, const node_plan *p)
{
	const frame *f = &p->f;
	value_id *in = room(c, n), *out = in ? in + n->n_in + FRAME_MORE_INPUTS : NULL;
	void *attrs = bump_alloc(&c->scratch, n->op->attrs_bytes + 1);
	int perm[CLAST_MAX_RANK];
	uint32_t n_in = n->n_in;
	if (!in || !attrs)
		return fail_memory(c->d, 0);
	for (uint32_t j = 0; j < n->n_out; j++)
		out[j] = n->out[j];
	clast_status s = plain_inputs(c, n, f, in);
	if (s)
		return s;
	if (!whole_axes(c, p->in, &f->dims, perm))
		return emit_split(c, n, p, in, out);
	choose_axes(c, n, f, perm);
	if (n->attrs)
		memcpy(attrs, n->attrs, n->op->attrs_bytes);
	for (uint32_t k = 0; !s && k < n->n_in; k++)
		if (f->operand[k].tied)
			s = frame_input(c, n, f, k, perm, &in[k]);
	if (!s)
		s = frame_rewrite(c->m, n, f, perm, attrs, in, &n_in, c->d);
	for (uint32_t j = 0; !s && j < n->n_out; j++)
		s = frame_output(c, n, f, n->n_in + j, perm, &out[j]);
	return s ? s : add_copy(c, n, n_in, in, out, attrs);
}

/* ---- Dense operators ---- */

static clast_status emit_rows(converter *c, const node *n, const node_plan *p)
{
	shape s, dims;
	int perm[CLAST_MAX_RANK];
	value_id in[2] = { NO_ID, n->in[1] }, out;
	value_shape(c->m, n->in[0], &s);
	whole_axes(c, p->in, &s, perm);
	permute_dims(&s, perm, &dims);
	clast_status status = form_get(c, n->in[0], p->in, &dims, false, &in[0]);
	value_shape(c->m, n->out[0], &s);
	permute_dims(&s, perm, &dims);
	if (!status)
		status = form_new(c, n->out[0], p->out, &dims, false, &out);
	return status ? status : add_copy(c, n, 2, in, &out, n->attrs);
}

static clast_status gather_weights(converter *c, const node *n, const node_plan *p, value_id *in)
{
	const dense *x = &p->dense;
	shape a, z;
	clast_status s = CLAST_OK;
	value_shape(c->m, n->in[0], &a);
	value_shape(c->m, n->out[0], &z);
	int64_t *from = p->in->n ? axis_indices(c, p->in, &a, x->data_axis) : NULL;
	int64_t *to = p->out->n ? axis_indices(c, p->out, &z, x->result_axis) : NULL;
	if ((p->in->n && !from) || (p->out->n && !to))
		return fail_memory(c->d, 0);
	if (from)
		s = constant_gathered(c, in[1], x->weight_in, from, &in[1]);
	if (!s && to)
		s = constant_gathered(c, in[1], x->weight_out, to, &in[1]);
	if (s || !to || n->n_in < 3 || in[2] == NO_ID)
		return s;
	const tensor_view *bias = c->m->values[in[2]].constant; /* Gemm's may be broadcast */
	if (!bias->rank || bias->dims[bias->rank - 1] == 1)
		return CLAST_OK;
	return constant_gathered(c, in[2], bias->rank - 1, to, &in[2]);
}

static clast_status emit_dense(converter *c, const node *n, const node_plan *p)
{
	shape s;
	value_shape(c->m, n->in[0], &s);
	if (!only_along(c, p->in, &s, p->dense.data_axis))
		return emit_rows(c, n, p);
	value_id *in = room(c, n), out;
	if (!in)
		return fail_memory(c->d, 0);
	clast_status status = form_get(c, n->in[0], p->in, &s, false, &in[0]);
	if (!status)
		status = gather_weights(c, n, p, in);
	value_shape(c->m, n->out[0], &s);
	if (!status)
		status = form_new(c, n->out[0], p->out, &s, false, &out);
	return status ? status : add_copy(c, n, n->n_in, in, &out, n->attrs);
}

/* ---- Shape, Size ---- */

/* Places in the new tensor of the axes that a Shape node asks for; returns how many. */
static int64_t asked_places(const node *n, int rank, const int *perm, int64_t *places)
{
	const int64_t *start = convert_attribute(n, n->attrs, "start"),
		      *end = convert_attribute(n, n->attrs, "end");
	int64_t where[CLAST_MAX_RANK], at = start ? *start : 0, stop = end ? *end : rank, count = 0;
	for (int i = 0; i < rank; i++)
		where[perm[i]] = i;
	at = at < 0 ? at + rank : at;
	stop = stop < 0 ? stop + rank : stop;
	for (at = at < 0 ? 0 : at; at < stop && at < rank; at++)
		places[count++] = where[at];
	return count;
}

/* Extents are there whatever the order: read what the producer wrote and bring the list into the old order.
 */
static clast_status emit_shape(converter *c, const node *n)
{
	const value_plan *v = &c->values[n->in[0]];
	shape s, dims;
	int perm[CLAST_MAX_RANK];
	int64_t places[CLAST_MAX_RANK];
	value_id from, all, index, out;
	value_shape(c->m, n->in[0], &s);
	const bool whole = whole_axes(c, v->produced, &s, perm), size = !strcmp(n->op->name, "Size");
	if (!v->produced->n || (!whole && !size) || !natural_dims(c, v->produced, &s, &dims))
		return emit_fixed(c, n);
	clast_status status = form_get(c, n->in[0], v->produced, &dims, false, &from);
	if (!status)
		status = plain_output(c, n->out[0], &out);
	if (status || size)
		return status ? status : add_copy(c, n, 1, &from, &out, n->attrs);
	status = graph_add_value(c->m, c->g, c->m->values[n->out[0]].name, &all, c->d);
	if (!status)
		status = add_op(c, "Shape", n->name, 1, &from, all, 0, NULL);
	const int64_t count = asked_places(n, s.rank, perm, places);
	if (!status)
		status = convert_integers(c->m, c->g, "axes", CLAST_INT64, 1, &count, places, &index, c->d);
	return status ? status : add_op(c, "Gather", "", 2, (value_id[]){ all, index }, out, 0, NULL);
}

/* ---- A graph ---- */

static clast_status emit_node(converter *c, const node_plan *p)
{
	const node n = c->m->nodes[p->node]; /* by value: the array grows */
	switch (p->how) {
	case HOW_FIXED:
		break;
	case HOW_VIEW:
		return emit_view(c, &n, p);
	case HOW_FRAME:
		return emit_frame(c, &n, p);
	case HOW_DENSE:
		return emit_dense(c, &n, p);
	case HOW_SHAPE:
		return emit_shape(c, &n);
	}
	return emit_fixed(c, &n);
}

static clast_status emit_inputs(converter *c)
{
	const graph *g = &c->m->graphs[c->g];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++) {
		const value_id v = g->inputs[i];
		shape dims;
		if (!has_class(c, v))
			continue;
		const order *o = convert_contract(c, v, false, &dims);
		s = form_new(c, v, o, &dims, false, &g->inputs[i]);
	}
	for (size_t i = 0; !s && i < g->capture_count; i++) {
		value_id out;
		s = plain_output(c, g->captures[i], &out);
	}
	return s;
}

static clast_status emit_outputs(converter *c)
{
	const graph *g = &c->m->graphs[c->g];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->output_count; i++) {
		const value_id v = g->outputs[i];
		shape dims;
		if (!has_class(c, v))
			continue;
		const order *o = convert_contract(c, v, true, &dims);
		s = form_get(c, v, o, &dims, false, &c->m->graphs[c->g].outputs[i]);
	}
	return s;
}

static clast_status emit(converter *c)
{
	c->m->graphs[c->g].node_count = 0;
	clast_status s = emit_inputs(c);
	for (size_t i = 0; !s && i < c->node_count; i++) {
		s = emit_node(c, &c->nodes[i]);
		c->m->nodes[c->nodes[i].node].dead = true;
	}
	return s ? s : emit_outputs(c);
}

static void copy_ids(value_id *to, const value_id *from, size_t n)
{
	if (n) /* a body without inputs has no list */
		memcpy(to, from, n * sizeof *to);
}

/* The old graph again. */
static void restore(converter *c, size_t old_nodes, const value_id *inputs, const value_id *outputs)
{
	clast_model *m = c->m;
	graph *g = &m->graphs[c->g];
	for (size_t i = old_nodes; i < m->node_count; i++)
		m->nodes[i].dead = true;
	g->node_count = 0;
	for (size_t i = 0; i < c->node_count; i++) { /* there is room: they were there before */
		node *n = &m->nodes[c->nodes[i].node];
		n->dead = false;
		g->nodes[g->node_count++] = c->nodes[i].node;
		for (uint32_t j = 0; j < n->n_out; j++)
			if (n->out[j] != NO_ID)
				m->values[n->out[j]].producer = c->nodes[i].node;
	}
	for (size_t v = 0; v < c->value_count; v++) /* captures that stood for another value */
		if (c->values[v].class != PROBLEM_NONE)
			m->values[v].replaced_by = NO_ID;
	copy_ids(g->inputs, inputs, g->input_count);
	copy_ids(g->outputs, outputs, g->output_count);
}

clast_status convert_emit(converter *c)
{
	const graph *g = &c->m->graphs[c->g];
	const size_t old_nodes = c->m->node_count;
	value_id *inputs = bump_array(&c->scratch, g->input_count + 1, sizeof *inputs),
		 *outputs = bump_array(&c->scratch, g->output_count + 1, sizeof *outputs);
	if (!inputs || !outputs)
		return fail_memory(c->d, 0);
	copy_ids(inputs, g->inputs, g->input_count);
	copy_ids(outputs, g->outputs, g->output_count);
	const clast_status s = emit(c);
	/* Nobody has asked for a straight graph: where ONNX cannot express one, the model stays as it is. */
	if (c->o->straighten &&
	    (s == CLAST_ERROR_UNSUPPORTED || s == CLAST_ERROR_INTERNAL || s == CLAST_ERROR_LIMIT)) {
		restore(c, old_nodes, inputs, outputs);
		if (c->d)
			*c->d = (clast_diag){ 0 };
		return CLAST_OK;
	}
	return s;
}
