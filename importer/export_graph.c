/* Graphs, nodes and attributes as messages. */
#include <stdio.h>
#include <string.h>

#include "exporter.h"
#include "import.h"

/* ---- Names ---- */

/* Subgraphs see the names around them, so that one set serves all graphs. */
static clast_status claim(exporter *x, map *taken, const char *wanted, const char **out)
{
	char text[1300];
	const char *name = wanted;
	for (size_t i = 1; !*name || map_get(taken, name, NULL); i++) {
		snprintf(text, sizeof(text), "%.1200s_%zu", *wanted ? wanted : "value", i);
		name = text;
	}
	if (!map_put(taken, name, 0))
		return export_memory(x);
	*out = bump_string(&x->scratch, name, strlen(name));
	return *out ? CLAST_OK : export_memory(x);
}

static clast_status name_value(exporter *x, value_id v)
{
	return v == NO_ID || x->name[v] ? CLAST_OK : claim(x, &x->taken, x->m->values[v].name, &x->name[v]);
}

static char *name_of(const exporter *x, value_id v)
{
	return (char *)(v == NO_ID ? "" : x->name[v]);
}

/* ---- Types ---- */

static clast_status put_dim(exporter *x, dim e, Clast__TensorShapeProto__Dimension **out)
{
	char text[200];
	Clast__TensorShapeProto__Dimension *d = bump_alloc(&x->scratch, sizeof(*d));
	*out = d;
	if (!d)
		return export_memory(x);
	clast__tensor_shape_proto__dimension__init(d);
	if (dim_is_number(e)) {
		d->has_dim_value = true;
		d->dim_value = e;
		return CLAST_OK;
	}
	/* Unknowns without a name of their own are numbered with '#'. */
	const size_t n = dim_format(x->m->dims, e, text, sizeof(text));
	if (n >= sizeof(text) || strchr(text, '#'))
		return CLAST_OK;
	d->dim_param = bump_string(&x->scratch, text, n);
	return d->dim_param ? CLAST_OK : export_memory(x);
}

static clast_status put_tensor_type(exporter *x, const value *v, Clast__TypeProto *type)
{
	Clast__TypeProto__Tensor *t = bump_alloc(&x->scratch, sizeof(*t));
	Clast__TensorShapeProto *s = bump_alloc(&x->scratch, sizeof(*s));
	if (!t || !s)
		return export_memory(x);
	clast__type_proto__tensor__init(t);
	clast__tensor_shape_proto__init(s);
	type->tensor_type = t;
	t->has_elem_type = true;
	t->elem_type = v->dtype;
	if (v->rank < 0)
		return CLAST_OK;
	t->shape = s;
	s->dim = bump_array(&x->scratch, v->rank ? (size_t)v->rank : 1, sizeof(*s->dim));
	clast_status status = s->dim ? CLAST_OK : export_memory(x);
	for (int a = 0; !status && a < v->rank; a++)
		status = put_dim(x, v->dims[a], &s->dim[s->n_dim++]);
	return status;
}

static clast_status put_value_info(exporter *x, value_id id, const char *name, Clast__ValueInfoProto **out)
{
	const value *v = &x->m->values[id];
	Clast__ValueInfoProto *info = bump_alloc(&x->scratch, sizeof(*info));
	*out = info;
	if (!info)
		return export_memory(x);
	clast__value_info_proto__init(info);
	info->name = (char *)name;
	if (v->dtype == CLAST_UNDEFINED && v->graph)
		return CLAST_OK; /* of a subgraph: what the node around it gives */
	if (v->kind != KIND_TENSOR || v->dtype == CLAST_UNDEFINED)
		return v->graph ? CLAST_OK
				: fail(x->d, CLAST_ERROR_UNSUPPORTED,
				       "\"%s\" cannot be written: only tensors of known type can be inputs "
				       "and outputs",
				       quote(name).text);
	info->type = bump_alloc(&x->scratch, sizeof(*info->type));
	if (!info->type)
		return export_memory(x);
	clast__type_proto__init(info->type);
	return put_tensor_type(x, v, info->type);
}

/* ---- Attributes: the operator's table backwards ---- */

static clast_status export_graph(exporter *x, graph_id id, Clast__GraphProto **out);

static bool known_at(const attr_spec *spec, int version)
{
	return (!spec->since || version >= spec->since) && (!spec->until || version < spec->until);
}

/* Whether an attribute has the value that it has if a model does not give it. */
static bool is_default(const attr_spec *spec, const char *at)
{
	switch (spec->type) {
	case ATTR_FLOAT:
		return !memcmp(at, &spec->f, sizeof(float));
	case ATTR_INT:
		return *(const int64_t *)at == spec->i;
	case ATTR_BOOL:
		return *(const bool *)at == (spec->i != 0);
	case ATTR_DTYPE:
		return *(const clast_dtype *)at == (clast_dtype)spec->i;
	case ATTR_STRING: {
		const char *s = *(const char *const *)at;
		return s == spec->s || (s && spec->s && !strcmp(s, spec->s));
	}
	case ATTR_ENUM:
		return *(const int *)at == (int)spec->i;
	case ATTR_TENSOR:
		return !*(const tensor_view *const *)at;
	case ATTR_FLOATS:
		return !((const float_list *)at)->v;
	case ATTR_INTS:
		return !((const int_list *)at)->given;
	case ATTR_STRINGS:
		return !((const string_list *)at)->v;
	case ATTR_GRAPH:
		return *(const int *)at < 0;
	}
	return true;
}

static void attr_int(Clast__AttributeProto *p, int64_t i)
{
	p->type = CLAST_ATTRIBUTE_INT;
	p->has_i = true;
	p->i = i;
}

static void attr_string(Clast__AttributeProto *p, const char *s)
{
	p->type = CLAST_ATTRIBUTE_STRING;
	p->has_s = true;
	p->s = (ProtobufCBinaryData){ strlen(s), (uint8_t *)s };
}

static clast_status put_strings(exporter *x, Clast__AttributeProto *p, const string_list *list)
{
	p->type = CLAST_ATTRIBUTE_STRINGS;
	p->strings = bump_array(&x->scratch, list->n ? list->n : 1, sizeof(*p->strings));
	if (!p->strings)
		return export_memory(x);
	for (; p->n_strings < list->n; p->n_strings++) {
		const char *s = list->v[p->n_strings];
		p->strings[p->n_strings] = (ProtobufCBinaryData){ strlen(s), (uint8_t *)s };
	}
	return CLAST_OK;
}

static clast_status put_attribute(exporter *x, const node *n, const attr_spec *spec, Clast__AttributeProto *p)
{
	const char *at = (const char *)n->attrs + spec->offset;
	p->name = (char *)spec->name;
	p->has_type = true;
	switch (spec->type) {
	case ATTR_FLOAT:
		p->type = CLAST_ATTRIBUTE_FLOAT;
		p->has_f = true;
		p->f = *(const float *)at;
		break;
	case ATTR_INT:
		attr_int(p, *(const int64_t *)at);
		break;
	case ATTR_BOOL:
		attr_int(p, *(const bool *)at);
		break;
	case ATTR_DTYPE:
		attr_int(p, *(const clast_dtype *)at);
		break;
	case ATTR_STRING:
		attr_string(p, *(const char *const *)at);
		break;
	case ATTR_ENUM:
		attr_string(p, spec->names[*(const int *)at]);
		break;
	case ATTR_TENSOR:
		p->type = CLAST_ATTRIBUTE_TENSOR;
		return export_tensor(x, *(const tensor_view *const *)at, "", &p->t);
	case ATTR_FLOATS:
		p->type = CLAST_ATTRIBUTE_FLOATS;
		p->n_floats = ((const float_list *)at)->n;
		p->floats = (float *)((const float_list *)at)->v;
		break;
	case ATTR_INTS:
		p->type = CLAST_ATTRIBUTE_INTS;
		p->n_ints = ((const int_list *)at)->n;
		p->ints = (int64_t *)((const int_list *)at)->v;
		break;
	case ATTR_STRINGS:
		return put_strings(x, p, (const string_list *)at);
	case ATTR_GRAPH:
		p->type = 5;
		return export_graph(x, n->bodies[*(const int *)at], &p->g);
	}
	return CLAST_OK;
}

static clast_status put_attributes(exporter *x, const node *n, Clast__NodeProto *p)
{
	size_t count = 0;
	clast_status s = CLAST_OK;
	for (const attr_spec *spec = n->op->attrs; spec && spec->name; spec++)
		count++;
	p->attribute = bump_array(&x->scratch, count + 1, sizeof(*p->attribute));
	if (!p->attribute)
		return export_memory(x);
	for (const attr_spec *spec = n->op->attrs; !s && n->attrs && spec && spec->name; spec++) {
		if (!known_at(spec, n->version) ||
		    (!spec->required && is_default(spec, (const char *)n->attrs + spec->offset)))
			continue;
		Clast__AttributeProto *a = bump_alloc(&x->scratch, sizeof(*a));
		if (!a)
			return export_memory(x);
		clast__attribute_proto__init(a);
		p->attribute[p->n_attribute++] = a;
		s = put_attribute(x, n, spec, a);
	}
	return s;
}

/* ---- Nodes ---- */

static clast_status new_node(exporter *x, size_t n_in, size_t n_out, Clast__NodeProto **out)
{
	Clast__NodeProto *p = bump_alloc(&x->scratch, sizeof(*p));
	*out = p;
	if (!p)
		return export_memory(x);
	clast__node_proto__init(p);
	p->input = bump_array(&x->scratch, n_in + 1, sizeof(*p->input));
	p->output = bump_array(&x->scratch, n_out + 1, sizeof(*p->output));
	return p->input && p->output ? CLAST_OK : export_memory(x);
}

static clast_status put_node(exporter *x, const node *n, Clast__NodeProto **out)
{
	clast_status s = new_node(x, n->n_in, n->n_out, out);
	if (s)
		return s;
	Clast__NodeProto *p = *out;
	if (*n->name)
		s = claim(x, &x->nodes, n->name, (const char **)&p->name);
	p->op_type = (char *)n->op->name;
	p->domain = *n->op->domain ? (char *)n->op->domain : NULL;
	while (p->n_input < n->n_in) {
		p->input[p->n_input] = name_of(x, n->in[p->n_input]);
		p->n_input++;
	}
	while (p->n_output < n->n_out) {
		p->output[p->n_output] = name_of(x, n->out[p->n_output]);
		p->n_output++;
	}
	return s ? s : put_attributes(x, n, p);
}

/* A graph output that is an input, a constant, another graph's value or a second name of a value needs a
 * node. */
static clast_status put_copy(exporter *x, value_id from, const char *to, Clast__NodeProto **out)
{
	const clast_status s = new_node(x, 1, 1, out);
	if (s)
		return s;
	(*out)->op_type = "Identity";
	(*out)->input[(*out)->n_input++] = name_of(x, from);
	(*out)->output[(*out)->n_output++] = (char *)to;
	return CLAST_OK;
}

/* ---- Graphs ---- */

/* Names of inputs and outputs come first, so that those of the main graph stay. */
static clast_status name_interface(exporter *x, graph_id id, const char **outputs)
{
	const graph *g = &x->m->graphs[id];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++)
		s = name_value(x, g->inputs[i]);
	for (size_t i = 0; !s && i < g->output_count; i++) {
		const value_id v = g->outputs[i];
		const value *o = &x->m->values[v];
		s = claim(x, &x->taken, g->output_names[i], &outputs[i]);
		if (!s && o->graph == id && o->producer != NO_ID && !x->name[v])
			x->name[v] = outputs[i];
	}
	return s;
}

static clast_status put_initializer(exporter *x, value_id v, Clast__GraphProto *p, size_t *capacity)
{
	if (p->n_initializer == *capacity) {
		const size_t more = *capacity ? 2 * *capacity : 16;
		Clast__TensorProto **list = bump_array(&x->scratch, more, sizeof(*list));
		if (!list)
			return export_memory(x);
		if (*capacity)
			memcpy(list, p->initializer, *capacity * sizeof(*list));
		p->initializer = list;
		*capacity = more;
	}
	const clast_status s = name_value(x, v);
	return s ? s
		 : export_tensor(x, x->m->values[v].constant, x->name[v],
				 &p->initializer[p->n_initializer++]);
}

/* A constant is written where it is read first: outer graphs come before the bodies that may capture it. */
static clast_status need_constant(exporter *x, value_id v, Clast__GraphProto *p, size_t *capacity)
{
	if (v == NO_ID || !x->m->values[v].constant || x->name[v])
		return CLAST_OK;
	return put_initializer(x, v, p, capacity);
}

static bool is_inside(const clast_model *m, graph_id inner, graph_id outer)
{
	for (; inner != NO_ID; inner = m->graphs[inner].parent)
		if (inner == outer)
			return true;
	return false;
}

static clast_status put_constants(exporter *x, graph_id id, Clast__GraphProto *p)
{
	const graph *g = &x->m->graphs[id];
	size_t capacity = 0;
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->node_count; i++) {
		const node *n = &x->m->nodes[g->nodes[i]];
		for (uint32_t j = 0; !s && j < n->n_in; j++)
			s = need_constant(x, n->in[j], p, &capacity);
		for (uint32_t b = 0; !s && b < n->n_bodies; b++) {
			const graph *body = &x->m->graphs[n->bodies[b]];
			for (size_t k = 0; !s && k < body->capture_count; k++)
				if (is_inside(x->m, id, x->m->values[body->captures[k]].graph))
					s = need_constant(x, body->captures[k], p, &capacity);
		}
	}
	for (size_t i = 0; !s && i < g->output_count; i++)
		s = need_constant(x, g->outputs[i], p, &capacity);
	return s;
}

static clast_status put_nodes(exporter *x, graph_id id, const char *const *outputs, Clast__GraphProto *p)
{
	const graph *g = &x->m->graphs[id];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->node_count; i++) {
		const node *n = &x->m->nodes[g->nodes[i]];
		for (uint32_t j = 0; !s && j < n->n_out; j++)
			s = name_value(x, n->out[j]);
	}
	for (size_t i = 0; !s && i < g->node_count; i++)
		s = put_node(x, &x->m->nodes[g->nodes[i]], &p->node[p->n_node++]);
	for (size_t i = 0; !s && i < g->output_count; i++)
		if (x->name[g->outputs[i]] != outputs[i])
			s = put_copy(x, g->outputs[i], outputs[i], &p->node[p->n_node++]);
	return s;
}

static clast_status put_interface(exporter *x, graph_id id, const char *const *outputs, Clast__GraphProto *p)
{
	const graph *g = &x->m->graphs[id];
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++)
		s = put_value_info(x, g->inputs[i], name_of(x, g->inputs[i]), &p->input[p->n_input++]);
	for (size_t i = 0; !s && i < g->output_count; i++)
		s = put_value_info(x, g->outputs[i], outputs[i], &p->output[p->n_output++]);
	return s;
}

/* Depth is bounded by the importer. */
static clast_status export_graph(exporter *x, graph_id id, Clast__GraphProto **out)
{
	const graph *g = &x->m->graphs[id];
	Clast__GraphProto *p = bump_alloc(&x->scratch, sizeof(*p));
	const char **outputs = bump_array(&x->scratch, g->output_count + 1, sizeof(*outputs));
	*out = p;
	if (!p || !outputs)
		return export_memory(x);
	clast__graph_proto__init(p);
	p->name = (char *)(*g->name ? g->name : "graph");
	p->node = bump_array(&x->scratch, g->node_count + g->output_count + 1, sizeof(*p->node));
	p->input = bump_array(&x->scratch, g->input_count + 1, sizeof(*p->input));
	p->output = bump_array(&x->scratch, g->output_count + 1, sizeof(*p->output));
	if (!p->node || !p->input || !p->output)
		return export_memory(x);
	clast_status s = name_interface(x, id, outputs);
	if (!s)
		s = put_constants(x, id, p);
	if (!s)
		s = put_nodes(x, id, outputs, p);
	return s ? s : put_interface(x, id, outputs, p);
}

/* ---- Versions ---- */

static bool same_domain(const char *a, const char *b)
{
	a = strcmp(a, "ai.onnx") ? a : "";
	b = strcmp(b, "ai.onnx") ? b : "";
	return !strcmp(a, b);
}

/* Identity is the same in every version: passes put it in without asking. */
static bool fits(const node *n, int64_t opset)
{
	const op_version *v = op_resolve(n->op, opset);
	return (v && v->since == n->version) || (v && !strcmp(n->op->name, "Identity"));
}

static const node *misfit(const clast_model *m, const char *domain, int64_t opset)
{
	for (size_t g = 0; g < m->graph_count; g++)
		for (size_t i = 0; i < m->graphs[g].node_count; i++) {
			const node *n = &m->nodes[m->graphs[g].nodes[i]];
			if (same_domain(n->op->domain, domain) && !fits(n, opset))
				return n;
		}
	return NULL;
}

/* The given opset if every operator has its version there, else the newest one at which all have. */
static clast_status find_opset(exporter *x, const char *domain, int64_t given, int64_t *out)
{
	const node *first = given ? misfit(x->m, domain, given) : NULL;
	*out = given;
	if (given && !first)
		return CLAST_OK;
	for (int64_t opset = NEWEST_OPSET; opset > 0; opset--) {
		*out = opset;
		const node *n = misfit(x->m, domain, opset);
		if (!n)
			return CLAST_OK;
		first = first ? first : n;
	}
	diag_node(x->d, first->name);
	return fail(x->d, CLAST_ERROR_UNSUPPORTED,
		    "node \"%s\" (%s): the graph mixes operators of opsets that no one opset contains, so it "
		    "cannot be written "
		    "as one graph",
		    quote(first->name).text, first->op->name);
}

static int64_t given_opset(const clast_model *m, const char *domain)
{
	for (size_t i = 0; i < m->opset_count; i++)
		if (same_domain(m->opsets[i].domain, domain))
			return m->opsets[i].version;
	return 0;
}

static clast_status put_opset(exporter *x, const char *domain)
{
	Clast__ModelProto *p = &x->model;
	for (size_t i = 0; i < p->n_opset_import; i++)
		if (same_domain(p->opset_import[i]->domain, domain))
			return CLAST_OK;
	Clast__OperatorSetIdProto *o = bump_alloc(&x->scratch, sizeof(*o));
	if (!o)
		return export_memory(x);
	clast__operator_set_id_proto__init(o);
	o->domain = (char *)domain;
	o->has_version = true;
	p->opset_import[p->n_opset_import++] = o;
	return find_opset(x, domain, given_opset(x->m, domain), &o->version);
}

static clast_status put_opsets(exporter *x)
{
	enum { MOST_DOMAINS = 16 };
	const clast_model *m = x->m;
	x->model.opset_import = bump_array(&x->scratch, MOST_DOMAINS, sizeof(*x->model.opset_import));
	clast_status s = x->model.opset_import ? put_opset(x, "") : export_memory(x);
	for (size_t g = 0; g < m->graph_count; g++)
		for (size_t i = 0;
		     !s && i < m->graphs[g].node_count && x->model.n_opset_import < MOST_DOMAINS; i++)
			s = put_opset(x, m->nodes[m->graphs[g].nodes[i]].op->domain);
	return s;
}

/* IR 4 is the first in which initializers need not be inputs too. */
static int64_t ir_version(const clast_model *m, int64_t opset)
{
	static const int since[][2] = { { 9, 4 },   { 10, 5 },  { 11, 6 },  { 12, 7 },  { 15, 8 }, { 19, 9 },
					{ 21, 10 }, { 23, 11 }, { 24, 12 }, { 25, 13 }, { 27, 14 } };
	int64_t ir = m->ir_version > 4 ? m->ir_version : 4;
	for (size_t i = 0; !m->ir_version && i < sizeof(since) / sizeof(*since); i++)
		ir = opset >= since[i][0] ? since[i][1] : ir;
	return ir < IMPORT_NEWEST_IR ? ir : IMPORT_NEWEST_IR;
}

clast_status export_model(exporter *x)
{
	clast__model_proto__init(&x->model);
	clast_status s = put_opsets(x);
	if (s)
		return s;
	x->model.has_ir_version = true;
	x->model.ir_version = ir_version(x->m, x->model.opset_import[0]->version);
	x->model.producer_name = "clast";
	return export_graph(x, 0, &x->model.graph);
}
