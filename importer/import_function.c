/* Functions of the model, which are inlined, and opset versions. */
#include "importer.h"

#include <stdio.h>
#include <string.h>

#include "import.h"

/* ---- Opsets ---- */

static bool is_default(const char *domain)
{
	return !*domain || !strcmp(domain, "ai.onnx");
}

static bool same_domain(const char *a, const char *b)
{
	return is_default(a) ? is_default(b) : !strcmp(a, b);
}

int64_t opset_of(const frame *f, const char *domain)
{
	for (size_t i = 0; i < f->opset_count; i++)
		if (same_domain(or_empty(f->opsets[i]->domain), domain))
			return f->opsets[i]->version;
	return 0;
}

clast_status check_opsets(importer *x, size_t n, Clast__OperatorSetIdProto **opsets)
{
	enum { MANY = 100 }; /* models import a handful of domains; opset_of searches them one by one */
	if (n > MANY)
		return fail(x->d, CLAST_ERROR_LIMIT, "%zu opset imports, allowed are %d", n, MANY);
	for (size_t i = 0; i < n; i++) {
		const char *domain = or_empty(opsets[i]->domain);
		const long long version = opsets[i]->version;
		const frame before = { .opsets = opsets, .opset_count = i };
		const int64_t other = opset_of(&before, domain);
		if (version <= 0)
			return fail(x->d, CLAST_ERROR_MODEL,
				    "opset import of domain \"%s\": %lld is no version", quote(domain).text,
				    version);
		if (other && other != version)
			return fail(x->d, CLAST_ERROR_MODEL,
				    "domain \"%s\" is imported with the opsets %lld and %lld",
				    quote(domain).text, (long long)other, version);
		if (is_default(domain) && (version < IMPORT_FIRST_OPSET || version > NEWEST_OPSET))
			return fail(x->d, CLAST_ERROR_UNSUPPORTED,
				    "opset %lld of domain ai.onnx is not supported; supported are %d to %d",
				    version, IMPORT_FIRST_OPSET, NEWEST_OPSET);
	}
	return CLAST_OK;
}

/* ---- The list of functions ---- */

/* Domain, name and overload in one string; names of a file hold no zero byte but may hold any other. */
static char *function_key(importer *x, const char *domain, const char *name, const char *overload,
			  size_t *bytes)
{
	if (is_default(domain))
		domain = "";
	const size_t size = strlen(domain) + strlen(name) + strlen(overload) + 64;
	char *key = mem_alloc(&x->m->memory, size);
	*bytes = size;
	if (key)
		snprintf(key, size, "%zu %zu %s%s%s", strlen(domain), strlen(name), domain, name, overload);
	return key;
}

static clast_status list_function(importer *x, const Clast__FunctionProto *f, uint32_t index)
{
	size_t bytes;
	const char *name = or_empty(f->name);
	if (!*name)
		return fail(x->d, CLAST_ERROR_MODEL, "function %u of the model has no name", index);
	char *key = function_key(x, or_empty(f->domain), name, or_empty(f->overload), &bytes);
	clast_status status = CLAST_OK;
	if (!key)
		return fail_memory(x->d, bytes);
	if (map_get(&x->functions, key, NULL))
		status = fail(x->d, CLAST_ERROR_MODEL, "the function \"%s\" is defined twice",
			      quote(name).text);
	else if (!map_put(&x->functions, key, index))
		status = fail_memory(x->d, 0);
	mem_free(&x->m->memory, key, bytes);
	return status;
}

clast_status list_functions(importer *x)
{
	const size_t n = x->proto->n_functions;
	x->function_state = bump_array(&x->scratch, n, 1);
	clast_status status = x->function_state ? CLAST_OK : fail_memory(x->d, n);
	for (size_t i = 0; !status && i < n; i++)
		status = list_function(x, x->proto->functions[i], (uint32_t)i);
	return status;
}

clast_status find_function(importer *x, const Clast__NodeProto *n, uint32_t *index)
{
	size_t bytes;
	*index = INDEX_NONE;
	if (!x->proto->n_functions)
		return CLAST_OK;
	char *key = function_key(x, or_empty(n->domain), or_empty(n->op_type), or_empty(n->overload), &bytes);
	if (!key)
		return fail_memory(x->d, bytes);
	map_get(&x->functions, key, index);
	mem_free(&x->m->memory, key, bytes);
	return CLAST_OK;
}

/* ---- Names ---- */

const char *prefixed(importer *x, const scope *s, const char *name)
{
	if (!*s->frame->prefix)
		return name;
	/* Names only serve people here; those that are longer are cut. */
	snprintf(x->full_name, sizeof(x->full_name), "%s%.900s", s->frame->prefix, name);
	return x->full_name;
}

/* The prefix for one call: the call's node, numbered where that alone is not unique. */
static clast_status make_prefix(importer *x, const scope *s, const Clast__NodeProto *n, char *prefix,
				size_t size)
{
	const char *name = n->name && *n->name ? n->name : n->op_type;
	snprintf(prefix, size, "%.150s%.40s/", s->frame->prefix, name);
	if (map_get(&x->prefixes, prefix, NULL))
		snprintf(prefix, size, "%.150s%.40s#%zu/", s->frame->prefix, name, x->calls);
	return map_put(&x->prefixes, prefix, 0) ? CLAST_OK : fail_memory(x->d, 0);
}

/* ---- A call ---- */

static clast_status add_argument(importer *x, argument *list, size_t *count, const argument *a,
				 bool must_be_new)
{
	for (size_t i = 0; i < *count; i++)
		if (!strcmp(list[i].name, a->name))
			return must_be_new ? fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\" is given twice",
						  quote(a->name).text)
					   : CLAST_OK;
	list[(*count)++] = *a;
	return CLAST_OK;
}

static bool is_declared(const Clast__FunctionProto *f, const char *name)
{
	for (size_t i = 0; i < f->n_attribute; i++)
		if (!strcmp(f->attribute[i], name))
			return true;
	for (size_t i = 0; i < f->n_attribute_proto; i++)
		if (!strcmp(or_empty(f->attribute_proto[i]->name), name))
			return true;
	return false;
}

/* What the call gives, then the defaults of what it does not. inner: the function's scope. */
static clast_status gather_arguments(importer *x, const scope *s, const Clast__NodeProto *n,
				     const Clast__FunctionProto *f, const scope *inner, argument *list,
				     size_t *count)
{
	clast_status status = CLAST_OK;
	*count = 0;
	for (size_t i = 0; !status && i < n->n_attribute; i++) {
		argument a;
		status = resolve_attribute(x, s, n->attribute[i], &a);
		if (!status && !is_declared(f, a.name))
			return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\" is unknown to the function",
				    quote(a.name).text);
		if (!status && a.proto)
			status = add_argument(x, list, count, &a, true);
	}
	for (size_t i = 0; !status && i < f->n_attribute_proto; i++) {
		const argument a = { or_empty(f->attribute_proto[i]->name), f->attribute_proto[i], inner };
		if (attribute_type(a.proto))
			status = add_argument(x, list, count, &a, false);
	}
	return status;
}

static clast_status check_call(importer *x, const Clast__NodeProto *n, const Clast__FunctionProto *f,
			       uint32_t index)
{
	enum { MANY = 100 }; /* attributes are searched one by one */
	if (x->function_state[index] & FUNCTION_ACTIVE)
		return fail(x->d, CLAST_ERROR_MODEL, "the function \"%s\" calls itself", quote(f->name).text);
	if (x->depth >= x->max_depth)
		return fail(x->d, CLAST_ERROR_LIMIT,
			    "subgraphs and functions are nested more than %zu deep (limit nesting)",
			    x->max_depth);
	if (n->n_input > f->n_input || n->n_output > f->n_output)
		return fail(x->d, CLAST_ERROR_MODEL,
			    "the function has %zu inputs and %zu outputs, the call %zu and %zu", f->n_input,
			    f->n_output, n->n_input, n->n_output);
	if (n->n_attribute > MANY || f->n_attribute > MANY || f->n_attribute_proto > MANY)
		return fail(x->d, CLAST_ERROR_LIMIT, "a function with more than %d attributes", MANY);
	if (x->function_state[index] & FUNCTION_CHECKED)
		return CLAST_OK;
	x->function_state[index] |= FUNCTION_CHECKED;
	return check_opsets(x, f->n_opset_import, f->opset_import);
}

static clast_status bind_inputs(importer *x, const scope *outer, const Clast__NodeProto *n,
				const Clast__FunctionProto *f, const scope *inner)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < f->n_input; i++) {
		value_id v = NO_ID;
		if (i < n->n_input && *n->input[i] && !names_find(&x->names, outer, n->input[i], &v))
			return fail(x->d, CLAST_ERROR_MODEL,
				    "input %zu, \"%s\", is defined nowhere: no input, initializer or node "
				    "has this name",
				    i, quote(n->input[i]).text);
		status = names_bind(&x->names, inner, f->input[i], v, x->d);
	}
	return status;
}

/* A value of the body that is an output of the function is the caller's value; others are new. */
static clast_status name_values(importer *x, const scope *outer, const Clast__NodeProto *n,
				const Clast__FunctionProto *f, const scope *inner, const map *outputs)
{
	clast_status status = charge(x, inner, f->n_node + f->n_input + f->n_output);
	for (size_t k = 0; k < f->n_node; k++)
		for (size_t i = 0; !status && i < f->node[k]->n_output; i++) {
			const char *name = f->node[k]->output[i];
			uint32_t index;
			value_id v;
			if (!*name)
				continue;
			if (map_get(outputs, name, &index) && index < n->n_output &&
			    names_find_here(&x->names, outer, n->output[index], &v))
				status = names_bind(&x->names, inner, name, v, x->d);
			else
				status = new_value(x, inner, name, &v);
		}
	return status;
}

static clast_status list_outputs(importer *x, const Clast__FunctionProto *f, map *outputs)
{
	for (size_t i = 0; i < f->n_output; i++) {
		if (map_get(outputs, f->output[i], NULL))
			return fail(x->d, CLAST_ERROR_MODEL, "output \"%s\" of the function is listed twice",
				    quote(f->output[i]).text);
		if (!map_put(outputs, f->output[i], (uint32_t)i))
			return fail_memory(x->d, 0);
	}
	return CLAST_OK;
}

/* An output that is an input of the function needs an operator that makes it. */
static clast_status finish_outputs(importer *x, const scope *outer, const Clast__NodeProto *n,
				   const Clast__FunctionProto *f, const scope *inner)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n->n_output; i++) {
		value_id from = NO_ID, to = NO_ID;
		node_id id;
		if (!*n->output[i])
			continue;
		if (!names_find(&x->names, inner, f->output[i], &from) || from == NO_ID)
			return fail(x->d, CLAST_ERROR_MODEL,
				    "output \"%s\" of the function is made by no node",
				    quote(f->output[i]).text);
		names_find(&x->names, outer, n->output[i], &to);
		const op *identity = op_find("", "Identity");
		if (from != to)
			status = graph_add_op_node(
				x->m, outer->graph, identity, op_resolve(identity, NEWEST_OPSET)->since,
				prefixed(x, outer, or_empty(n->name)), 1, &from, 1, &to, NULL, &id, x->d);
	}
	return status;
}

static clast_status inline_body(importer *x, const scope *outer, const Clast__NodeProto *n,
				const Clast__FunctionProto *f, const scope *inner)
{
	map outputs;
	map_init(&outputs, &x->m->memory);
	clast_status status = list_outputs(x, f, &outputs);
	if (!status)
		status = bind_inputs(x, outer, n, f, inner);
	if (!status)
		status = name_values(x, outer, n, f, inner, &outputs);
	map_release(&outputs);
	if (!status)
		status = import_nodes(x, inner, f->n_node, f->node);
	return status ? status : finish_outputs(x, outer, n, f, inner);
}

clast_status inline_function(importer *x, const scope *s, const Clast__NodeProto *n, uint32_t index)
{
	const Clast__FunctionProto *f = x->proto->functions[index];
	char prefix[256];
	const size_t room = n->n_attribute + f->n_attribute_proto + 1;
	clast_status status = check_call(x, n, f, index);
	if (!status)
		status = charge(x, s, sizeof(prefix) + room * sizeof(argument));
	if (!status)
		status = make_prefix(x, s, n, prefix, sizeof(prefix));
	if (status)
		return status;
	argument *arguments = mem_array(&x->m->memory, room, sizeof(*arguments));
	if (!arguments)
		return fail_memory(x->d, room * sizeof(*arguments));
	frame inside = { .function = f,
			 .opsets = f->n_opset_import ? f->opset_import : s->frame->opsets,
			 .opset_count = f->n_opset_import ? f->n_opset_import : s->frame->opset_count,
			 .arguments = arguments,
			 .prefix = prefix };
	const scope inner = names_open(&x->names, NULL, &inside, s->graph);
	x->function_state[index] |= FUNCTION_ACTIVE;
	x->depth++;
	x->calls++;
	status = gather_arguments(x, s, n, f, &inner, arguments, &inside.argument_count);
	if (!status)
		status = inline_body(x, s, n, f, &inner);
	x->depth--;
	x->function_state[index] &= (uint8_t)~FUNCTION_ACTIVE;
	mem_free(&x->m->memory, arguments, room * sizeof(*arguments));
	return status;
}
