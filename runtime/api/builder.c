/* Models built by calls: names to values, nodes as they come, then the same passes as after import. */
#include <string.h>

#include "api.h"
#include "checked.h"
#include "import.h"
#include "map.h"
#include "pass.h"
#include "tensor.h"

struct clast_builder {
	clast_model *m;
	map names;
	int64_t opset;
	graph_id at; /* the graph that calls add to */
	graph_id *free_bodies; /* ended and not taken by a node yet */
	size_t free_count, free_capacity;
	clast_status failed; /* the first failure; the builder is then good for being freed only */
};

clast_status clast_builder_create(int64_t opset, const clast_model_options *options, clast_builder **builder, clast_diag *d)
{
	clast_model_options o;
	clast_model *m;
	if (!builder)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_builder_create: builder is NULL");
	*builder = NULL;
	if (opset < IMPORT_FIRST_OPSET || opset > NEWEST_OPSET)
		return fail(d, CLAST_ERROR_UNSUPPORTED, "opset %lld is not supported; supported are %d to %d", (long long)opset,
		            IMPORT_FIRST_OPSET, NEWEST_OPSET);
	read_model_options(&o, options);
	const clast_status s = model_create(&o, &m, d);
	if (s)
		return s;
	clast_builder *b = mem_calloc(&m->memory, sizeof *b);
	m->opsets = bump_alloc(&m->region, sizeof *m->opsets);
	if (!b || !m->opsets) {
		mem_free(&m->memory, b, sizeof *b);
		model_release(m);
		return fail_memory(d, sizeof *b);
	}
	b->m = m;
	b->opset = opset;
	m->opsets[m->opset_count++] = (opset_import){ "", opset };
	map_init(&b->names, &m->memory);
	*builder = b;
	return CLAST_OK;
}

void clast_builder_free(clast_builder **builder)
{
	clast_builder *b = builder ? *builder : NULL;
	if (!b)
		return;
	*builder = NULL;
	clast_model *m = b->m;
	map_release(&b->names);
	mem_free(&m->memory, b->free_bodies, b->free_capacity * sizeof *b->free_bodies);
	mem_free(&m->memory, b, sizeof *b);
	model_release(m);
}

static clast_status note(clast_builder *b, clast_status s, clast_diag *d)
{
	if (s && !b->failed)
		b->failed = s;
	if (d && s)
		d->status = s;
	return s;
}

static clast_status check(const clast_builder *b, const char *what, const void *pointer, clast_diag *d)
{
	if (!b || !pointer)
		return fail(d, CLAST_ERROR_ARGUMENT, "%s: an argument is NULL", what);
	return b->failed ? fail(d, b->failed, "%s: an earlier call has failed", what) : CLAST_OK;
}

/* A new value of this name; an error if there is one already. */
static clast_status define(clast_builder *b, const char *name, value_id *out, clast_diag *d)
{
	if (!*name)
		return fail(d, CLAST_ERROR_ARGUMENT, "a value needs a name");
	if (map_get(&b->names, name, NULL))
		return fail(d, CLAST_ERROR_MODEL, "value \"%s\" is defined twice", quote(name).text);
	const clast_status s = graph_add_value(b->m, b->at, name, out, d);
	if (s)
		return s;
	return map_put(&b->names, name, *out) ? CLAST_OK : fail_memory(d, 0);
}

static clast_status add_input(clast_builder *b, const char *name, clast_dtype dtype, size_t rank, const int64_t *dims,
                              const char *const *dim_names, clast_diag *d)
{
	shape s = { .rank = (int)rank };
	value_id v;
	if (!clast_dtype_bytes(dtype))
		return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\": %d is no data type", quote(name).text, (int)dtype);
	if (rank > CLAST_MAX_RANK || (rank && !dims))
		return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\": a rank of %zu with%s dims", quote(name).text, rank,
		            dims ? "" : "out");
	for (size_t a = 0; a < rank; a++) {
		const bool named = dims[a] == -1 && dim_names && dim_names[a] && *dim_names[a];
		if (dims[a] < -1)
			return fail(d, CLAST_ERROR_ARGUMENT, "input \"%s\": axis %zu has the extent %lld", quote(name).text, a,
			            (long long)dims[a]);
		s.dims[a] = named ? dim_symbol(b->m->dims, dim_names[a], 1, DIM_NO_MAX) : dims[a] == -1 ? DIM_UNKNOWN : dims[a];
	}
	clast_status status = define(b, name, &v, d);
	if (!status)
		status = graph_set_shape(b->m, v, dtype, &s, d);
	return status ? status : graph_add_input(b->m, b->at, v, d);
}

clast_status clast_builder_input(clast_builder *b, const char *name, clast_dtype dtype, size_t rank, const int64_t *dims,
                                 const char *const *dim_names, clast_diag *d)
{
	const clast_status s = check(b, "clast_builder_input", name, d);
	return s ? s : note(b, add_input(b, name, dtype, rank, dims, dim_names, d), d);
}

/* The value of a name, if the graph at hand sees it. */
static clast_status find_value(const clast_builder *b, const char *name, value_id *out, clast_diag *d)
{
	if (!map_get(&b->names, name, out))
		return fail(d, CLAST_ERROR_MODEL, "there is no value \"%s\"", quote(name).text);
	for (graph_id g = b->at; g != NO_ID; g = b->m->graphs[g].parent)
		if (b->m->values[*out].graph == g)
			return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "the value \"%s\" belongs to a body that has ended", quote(name).text);
}

/* A dense copy in the model's region. */
static clast_status copy_tensor(clast_builder *b, const clast_tensor *t, tensor_view **out, clast_diag *d)
{
	const clast_status s = model_constant(b->m, t->view.dtype, t->view.rank, t->view.dims, out, d);
	if (s)
		return s;
	view_copy(*out, &t->view);
	clast_string *e = (*out)->data;
	for (int64_t i = 0; t->view.dtype == CLAST_STRING && i < view_count(*out); i++)
		if (!(e[i].bytes = bump_string(&b->m->region, e[i].bytes, e[i].length)))
			return fail_memory(d, e[i].length);
	return CLAST_OK;
}

clast_status clast_builder_constant(clast_builder *b, const char *name, const clast_tensor *tensor, clast_diag *d)
{
	tensor_view *view;
	value_id v;
	clast_status s = check(b, "clast_builder_constant", name && tensor ? name : NULL, d);
	if (s)
		return s;
	s = define(b, name, &v, d);
	if (!s)
		s = copy_tensor(b, tensor, &view, d);
	if (!s)
		graph_set_constant(b->m, v, view);
	return note(b, s, d);
}

/* A body belongs to the node that takes it first. */
static clast_status take_body(clast_builder *b, const clast_attribute *a, graph_id *out, clast_diag *d)
{
	for (size_t i = 0; i < b->free_count; i++)
		if (b->free_bodies[i] == a->i && b->m->graphs[b->free_bodies[i]].parent == b->at) {
			*out = b->free_bodies[i];
			b->free_bodies[i] = b->free_bodies[--b->free_count];
			return CLAST_OK;
		}
	return fail(d, CLAST_ERROR_ARGUMENT, "attribute %s: %lld is no body that ended in this graph and that no node has taken",
	            quote(a->name).text, (long long)a->i);
}

static clast_status read_attribute(clast_builder *b, const clast_attribute *a, attr_value *v, clast_diag *d)
{
	tensor_view *t = NULL;
	if (!a->name)
		return fail(d, CLAST_ERROR_ARGUMENT, "an attribute without a name");
	*v = (attr_value){ .name = a->name, .type = a->type, .f = a->f, .i = a->i, .s = a->s ? a->s : "",
		           .s_length = a->s ? strlen(a->s) : 0, .floats = a->floats, .ints = a->ints, .strings = a->strings,
		           .count = a->count };
	if (a->type == CLAST_ATTRIBUTE_TENSOR) {
		if (!a->t)
			return fail(d, CLAST_ERROR_ARGUMENT, "attribute %s: no tensor is given", quote(a->name).text);
		const clast_status s = copy_tensor(b, a->t, &t, d);
		v->tensor = t;
		return s;
	}
	if (a->type == CLAST_ATTRIBUTE_GRAPH)
		return take_body(b, a, &v->graph, d);
	const void *list = a->type == CLAST_ATTRIBUTE_FLOATS ? (const void *)a->floats :
	                   a->type == CLAST_ATTRIBUTE_INTS   ? (const void *)a->ints :
	                   a->type == CLAST_ATTRIBUTE_STRINGS ? (const void *)a->strings : "";
	return a->count && !list ? fail(d, CLAST_ERROR_ARGUMENT, "attribute %s: its list is NULL", quote(a->name).text) : CLAST_OK;
}

typedef struct node_parts {
	value_id *ids; /* inputs, then outputs */
	attr_value *attrs;
} node_parts;

static clast_status find_inputs(clast_builder *b, size_t n, const char *const *names, value_id *ids, clast_diag *d)
{
	for (size_t i = 0; i < n; i++) {
		ids[i] = NO_ID;
		const clast_status s = names[i] && *names[i] ? find_value(b, names[i], &ids[i], d) : CLAST_OK;
		if (s)
			return s;
	}
	return CLAST_OK;
}

static clast_status define_outputs(clast_builder *b, size_t n, const char *const *names, value_id *ids, clast_diag *d)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < n; i++) {
		ids[i] = NO_ID;
		if (names[i] && *names[i])
			s = define(b, names[i], &ids[i], d);
	}
	return s;
}

clast_status clast_builder_node(clast_builder *b, const char *op_name, const char *domain, const char *name, size_t input_count,
                                const char *const *inputs, size_t output_count, const char *const *outputs,
                                size_t attribute_count, const clast_attribute *attributes, clast_diag *d)
{
	node_id id;
	size_t total;
	clast_status s = check(b, "clast_builder_node", op_name, d);
	if (s)
		return s;
	if ((input_count && !inputs) || (output_count && !outputs) || (attribute_count && !attributes) ||
	    !size_add(input_count, output_count, &total))
		return note(b, fail(d, CLAST_ERROR_ARGUMENT, "clast_builder_node: a list is NULL"), d);
	mem *a = &b->m->memory;
	value_id *ids = mem_array(a, total, sizeof *ids);
	attr_value *attrs = mem_array(a, attribute_count, sizeof *attrs);
	if (!ids || !attrs)
		s = fail_memory(d, 0);
	for (size_t i = 0; !s && i < attribute_count; i++)
		s = read_attribute(b, &attributes[i], &attrs[i], d);
	if (!s)
		s = find_inputs(b, input_count, inputs, ids, d);
	if (!s)
		s = define_outputs(b, output_count, outputs, ids + input_count, d);
	if (!s)
		s = graph_add_node(b->m, b->at, domain ? domain : "", op_name, b->opset, name, input_count, ids, output_count,
		                   ids + input_count, attribute_count, attrs, &id, d);
	if (s && d && !d->node[0])
		diag_node(d, name && *name ? name : op_name);
	mem_free(a, ids, total * sizeof *ids);
	mem_free(a, attrs, attribute_count * sizeof *attrs);
	return note(b, s, d);
}

clast_status clast_builder_output(clast_builder *b, const char *name, clast_diag *d)
{
	value_id v;
	clast_status s = check(b, "clast_builder_output", name, d);
	if (s)
		return s;
	s = find_value(b, name, &v, d);
	if (!s)
		s = graph_add_output(b->m, b->at, v, d);
	return note(b, s, d);
}

clast_status clast_builder_begin_body(clast_builder *b, const char *name, clast_diag *d)
{
	clast_status s = check(b, "clast_builder_begin_body", b, d);
	size_t depth = 1;
	if (s)
		return s;
	for (graph_id g = b->at; g != NO_ID; g = b->m->graphs[g].parent)
		depth++;
	if (depth > b->m->limits.nesting)
		s = fail(d, CLAST_ERROR_LIMIT, "bodies are nested more than %zu deep (limit nesting)", b->m->limits.nesting);
	if (!s)
		s = graph_add(b->m, name ? name : "", b->at, &b->at, d);
	return note(b, s, d);
}

clast_status clast_builder_end_body(clast_builder *b, int64_t *body, clast_diag *d)
{
	clast_status s = check(b, "clast_builder_end_body", body, d);
	if (s)
		return s;
	if (!b->at)
		s = fail(d, CLAST_ERROR_ARGUMENT, "clast_builder_end_body: no body has begun");
	else if (!grow(&b->m->memory, &b->free_bodies, &b->free_capacity, b->free_count + 1, sizeof *b->free_bodies))
		s = fail_memory(d, 0);
	if (s)
		return note(b, s, d);
	b->free_bodies[b->free_count++] = b->at;
	*body = b->at;
	b->at = b->m->graphs[b->at].parent;
	return CLAST_OK;
}

clast_status clast_builder_finish(clast_builder **builder, clast_model **model, clast_diag *d)
{
	if (model)
		*model = NULL;
	clast_builder *b = builder ? *builder : NULL;
	clast_status s = check(b, "clast_builder_finish", model, d);
	if (!s && (b->at || b->free_count))
		s = fail(d, CLAST_ERROR_ARGUMENT, b->at ? "a body has not ended" : "a body belongs to no node");
	if (!s && !b->m->graphs[0].output_count)
		s = fail(d, CLAST_ERROR_MODEL, "the model has no outputs");
	if (!s)
		s = graph_sort(b->m, d);
	if (!s)
		s = model_prepare(b->m, d);
	if (!s) {
		model_retain(b->m);
		*model = b->m;
	}
	clast_builder_free(builder);
	if (d && s)
		d->status = s;
	return s;
}
