/* Nodes: operators, constants, calls of functions. */
#include "importer.h"

#include <stdio.h>
#include <string.h>

static const char *domain_of(const Clast__NodeProto *n)
{
	const char *domain = or_empty(n->domain);
	return strcmp(domain, "ai.onnx") ? domain : "";
}

const char *node_label(const Clast__NodeProto *n)
{
	if (n->name && *n->name)
		return n->name;
	for (size_t i = 0; i < n->n_output; i++)
		if (*n->output[i])
			return n->output[i];
	return "";
}

/* "Conv (opset 17)", "com.microsoft:FusedConv (opset 1)" */
static void describe(const scope *s, const Clast__NodeProto *n, char *text, size_t size)
{
	const char *domain = domain_of(n);
	const int64_t opset = opset_of(s->frame, domain);
	int at = snprintf(text, size, "%s%s%s", quote(domain).text, *domain ? ":" : "",
			  quote(or_empty(n->op_type)).text);
	if (opset && at > 0 && (size_t)at < size)
		snprintf(text + at, size - (size_t)at, " (opset %lld)", (long long)opset);
}

/* Says once which node a failure belongs to: the innermost. */
static clast_status node_failed(importer *x, const scope *s, const Clast__NodeProto *n, clast_status status)
{
	char what[240], head[400];
	if (x->d->node[0])
		return status;
	const char *name = prefixed(x, s, node_label(n));
	describe(s, n, what, sizeof(what));
	snprintf(head, sizeof(head), "node \"%s\", %s: ", quote(name).text, what);
	message_prefix(x->d, head);
	diag_node(x->d, name);
	return status;
}

static clast_status not_supported(importer *x, const scope *s, const Clast__NodeProto *n, const char *why)
{
	char what[240], text[600];
	describe(s, n, what, sizeof(what));
	snprintf(text, sizeof(text), "operator %s%s", what, why);
	return findings_add(&x->findings, text, prefixed(x, s, node_label(n)), x->d);
}

/* ---- Inputs and outputs ---- */

static clast_status push_id(importer *x, value_id v)
{
	if (!grow(&x->m->memory, &x->ids, &x->id_capacity, x->id_count + 1, sizeof(value_id)))
		return fail_memory(x->d, 0);
	x->ids[x->id_count++] = v;
	return CLAST_OK;
}

static clast_status push_ids(importer *x, const scope *s, size_t n, char **list, const char *what)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n; i++) {
		value_id v = NO_ID;
		if (*list[i] && !names_find(&x->names, s, list[i], &v))
			return fail(x->d, CLAST_ERROR_MODEL,
				    "%s %zu, \"%s\", is defined nowhere: no input, initializer or node has "
				    "this name",
				    what, i, quote(list[i]).text);
		status = push_id(x, v);
	}
	return status;
}

/* Absent ones at the end say nothing. */
static size_t trimmed(size_t n, char **list)
{
	while (n && !*list[n - 1])
		n--;
	return n;
}

/* ---- Attributes ---- */

static clast_status push_attributes(importer *x, const scope *s, const Clast__NodeProto *n)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n->n_attribute; i++) {
		argument a;
		status = resolve_attribute(x, s, n->attribute[i], &a);
		if (!status && a.proto)
			status = import_attribute(x, s, n, &a);
	}
	return status;
}

/* ---- The kinds of nodes ---- */

static clast_status add_constant(importer *x, const scope *s, const Clast__NodeProto *n)
{
	argument a = { 0 }, last;
	clast_status status = CLAST_OK;
	size_t given = 0;
	value_id v;
	if (n->n_input || n->n_output != 1 || !*n->output[0])
		return fail(x->d, CLAST_ERROR_MODEL,
			    "Constant: expected no inputs and one output, found %zu and %zu", n->n_input,
			    n->n_output);
	for (size_t i = 0; !status && i < n->n_attribute; i++) {
		status = resolve_attribute(x, s, n->attribute[i], &last);
		if (!status && last.proto) {
			a = last;
			given++;
		}
	}
	if (status)
		return status;
	if (given != 1)
		return fail(x->d, CLAST_ERROR_MODEL, "Constant: expected one attribute, found %zu", given);
	names_find(&x->names, s, n->output[0], &v);
	status = charge(x, s, a.proto->s.len + 8 * (a.proto->n_ints + a.proto->n_floats));
	return status ? status : import_constant(x, &a, v);
}

static clast_status add_operator(importer *x, const scope *s, const Clast__NodeProto *n, size_t first_id,
				 size_t first_attr)
{
	const char *domain = domain_of(n);
	const int64_t opset = opset_of(s->frame, domain);
	const op *o = op_find(domain, n->op_type);
	if (!*domain && !opset)
		return fail(x->d, CLAST_ERROR_MODEL, "the model imports no opset of the default domain");
	if (!o)
		return not_supported(x, s, n, "");
	/* A model may leave out a domain that has one version. */
	const int64_t version = opset ? opset : 1;
	if (!op_resolve(o, version)) {
		char why[80];
		snprintf(why, sizeof(why), ", known from opset %d", o->versions[0].since);
		return not_supported(x, s, n, why);
	}
	node_id id;
	const size_t n_in = trimmed(n->n_input, n->input), n_out = trimmed(n->n_output, n->output);
	/* A node with neither inputs nor attributes may come before the stacks exist. */
	const value_id *in = x->ids ? x->ids + first_id : NULL, *out = in ? in + n->n_input : NULL;
	const attr_value *attrs = x->attrs ? x->attrs + first_attr : NULL;
	clast_status status = graph_add_node(x->m, s->graph, domain, n->op_type, version,
					     prefixed(x, s, or_empty(n->name)), n_in, in, n_out, out,
					     x->attr_count - first_attr, attrs, &id, x->d);
	if (status != CLAST_ERROR_UNSUPPORTED)
		return status;
	char why[400];
	snprintf(why, sizeof(why), ": %.380s", x->d->message);
	return not_supported(x, s, n, why);
}

static clast_status add_node(importer *x, const scope *s, const Clast__NodeProto *n)
{
	const size_t first_id = x->id_count, first_attr = x->attr_count;
	clast_status status = charge(x, s, sizeof(node) + sizeof(value_id) * (n->n_input + n->n_output));
	if (!status)
		status = push_attributes(x, s, n);
	if (!status)
		status = push_ids(x, s, n->n_input, n->input, "input");
	if (!status)
		status = push_ids(x, s, n->n_output, n->output, "output");
	if (!status)
		status = add_operator(x, s, n, first_id, first_attr);
	x->id_count = first_id;
	x->attr_count = first_attr;
	return status;
}

clast_status import_node(importer *x, const scope *s, const Clast__NodeProto *n)
{
	uint32_t function;
	clast_status status = find_function(x, n, &function);
	if (!status && (!n->op_type || !*n->op_type))
		status = fail(x->d, CLAST_ERROR_MODEL, "the node has no operator (op_type)");
	if (status)
		return node_failed(x, s, n, status);
	if (function != INDEX_NONE)
		status = inline_function(x, s, n, function);
	else if (!*domain_of(n) && !strcmp(n->op_type, "Constant"))
		status = add_constant(x, s, n);
	else
		status = add_node(x, s, n);
	if (status == CLAST_ERROR_UNSUPPORTED) {
		char why[400];
		snprintf(why, sizeof(why), ": %.380s", x->d->message);
		return not_supported(x, s, n, why);
	}
	return status ? node_failed(x, s, n, status) : CLAST_OK;
}
