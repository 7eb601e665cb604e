/* Graphs: constants, inputs, nodes, outputs. */
#include "importer.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"

bool import_proceed(importer *x)
{
	enum { STEP = 4096 };
	if (!x->m->progress || x->nodes % STEP)
		return true;
	const size_t total = x->proto->graph ? x->proto->graph->n_node : 0;
	const double fraction = total ? (double)x->nodes / (double)total : 0;
	if (x->m->progress(x->m->progress_context, fraction < 1 ? fraction : 1))
		return true;
	fail(x->d, CLAST_ERROR_CANCELLED, "the import was cancelled");
	return false;
}

clast_status charge(importer *x, const scope *s, size_t bytes)
{
	enum { BYTES_PER_NODE = 64 };
	if (!s->frame->function)
		return CLAST_OK;
	if (size_add(x->inlined_bytes, bytes, &x->inlined_bytes) &&
	    x->inlined_bytes / BYTES_PER_NODE <= x->m->limits.nodes)
		return CLAST_OK;
	return fail(x->d, CLAST_ERROR_LIMIT,
		    "inlined functions need more than %d bytes for each of %zu nodes (limit nodes)",
		    BYTES_PER_NODE, x->m->limits.nodes);
}

clast_status new_value(importer *x, const scope *s, const char *name, value_id *out)
{
	const char *full = prefixed(x, s, name);
	clast_status status = charge(x, s, strlen(full) + sizeof(value));
	if (!status)
		status = graph_add_value(x->m, s->graph, full, out, x->d);
	return status ? status : names_bind(&x->names, s, name, *out, x->d);
}

/* ---- Initializers ---- */

/* What a tensor makes unsupported is gathered like an operator; everything else stops the import. */
static clast_status set_constant(importer *x, value_id v, const char *name, const tensor_view *tensor,
				 clast_status status)
{
	if (!status) {
		graph_set_constant(x->m, v, tensor);
		return CLAST_OK;
	}
	char head[200];
	if (status == CLAST_ERROR_UNSUPPORTED)
		return findings_add(&x->findings, x->d->message, name, x->d);
	snprintf(head, sizeof(head), "initializer \"%s\": ", quote(name).text);
	message_prefix(x->d, head);
	return status;
}

static clast_status import_initializers(importer *x, Clast__GraphProto *g, const scope *s)
{
	const tensor_view *tensor = NULL;
	clast_status status = CLAST_OK;
	value_id v;
	for (size_t i = 0; !status && i < g->n_initializer; i++) {
		const char *name = or_empty(g->initializer[i]->name);
		status = new_value(x, s, name, &v);
		if (status)
			break;
		status = tensor_read(&x->tensors, g->initializer[i], &tensor, x->d);
		status = set_constant(x, v, name, tensor, status);
	}
	for (size_t i = 0; !status && i < g->n_sparse_initializer; i++) {
		Clast__SparseTensorProto *sparse = g->sparse_initializer[i];
		const char *name = sparse->values ? or_empty(sparse->values->name) : "";
		status = new_value(x, s, name, &v);
		if (status)
			break;
		status = sparse_tensor_read(&x->tensors, sparse, &tensor, x->d);
		status = set_constant(x, v, name, tensor, status);
	}
	return status;
}

/* ---- Inputs and outputs ---- */

/* An initializer gives an input its value: older files list all of them among the inputs. */
static clast_status check_default(importer *x, value_id v, const Clast__ValueInfoProto *info)
{
	const value *c = &x->m->values[v];
	const int declared = info->type && info->type->tensor_type ? info->type->tensor_type->elem_type : 0;
	if (!declared || !c->constant || c->dtype == (clast_dtype)declared)
		return CLAST_OK;
	diag_value(x->d, info->name);
	return fail(x->d, CLAST_ERROR_MODEL, "input \"%s\": declared as %s, its initializer is %s",
		    quote(info->name).text, clast_dtype_name((clast_dtype)declared),
		    clast_dtype_name(c->dtype));
}

static clast_status import_inputs(importer *x, const Clast__GraphProto *g, const scope *s, value_id first,
				  value_id end)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < g->n_input; i++) {
		const Clast__ValueInfoProto *info = g->input[i];
		const char *name = or_empty(info->name);
		value_id v;
		if (names_find_here(&x->names, s, name, &v) && v >= first && v < end) {
			status = check_default(x, v, info);
			continue;
		}
		status = *name ? new_value(x, s, name, &v)
			       : fail(x->d, CLAST_ERROR_MODEL, "input %zu of the graph has no name", i);
		if (!status)
			status = graph_add_input(x->m, s->graph, v, x->d);
		if (!status)
			status = s->outer ? set_value_type(x, v, info->type) : set_input_type(x, v, info);
	}
	return status;
}

static clast_status import_hints(importer *x, const Clast__GraphProto *g, const scope *s)
{
	clast_status status = CLAST_OK;
	value_id v;
	/* Inputs have no producer either, but have got their types. */
	const graph *into = &x->m->graphs[s->graph];
	const value_id inputs_end = into->input_count ? into->inputs[into->input_count - 1] + 1 : 0;
	for (size_t i = 0; !status && i < g->n_value_info + g->n_output; i++) {
		const Clast__ValueInfoProto *info =
			i < g->n_value_info ? g->value_info[i] : g->output[i - g->n_value_info];
		if (names_find_here(&x->names, s, or_empty(info->name), &v) && v >= inputs_end)
			status = set_value_type(x, v, info->type);
	}
	return status;
}

static clast_status import_outputs(importer *x, const Clast__GraphProto *g, const scope *s)
{
	clast_status status = CLAST_OK;
	if (!s->outer && !g->n_output)
		return fail(x->d, CLAST_ERROR_MODEL, "the graph has no outputs");
	for (size_t i = 0; !status && i < g->n_output; i++) {
		const char *name = or_empty(g->output[i]->name);
		value_id v;
		if (!names_find(&x->names, s, name, &v) || v == NO_ID)
			return fail(x->d, CLAST_ERROR_MODEL,
				    "output %zu of the graph, \"%s\", is made by no node", i,
				    quote(name).text);
		status = graph_add_output(x->m, s->graph, v, x->d);
	}
	return status;
}

/* ---- Nodes ---- */

static clast_status name_outputs(importer *x, const scope *s, const Clast__NodeProto *n)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n->n_output; i++) {
		value_id v;
		if (*n->output[i])
			status = new_value(x, s, n->output[i], &v);
	}
	return status;
}

clast_status import_nodes(importer *x, const scope *s, size_t n, Clast__NodeProto **nodes)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; !status && i < n; i++) {
		if (++x->nodes > x->m->limits.nodes)
			return fail(
				x->d, CLAST_ERROR_LIMIT,
				"more than %zu nodes, subgraphs and inlined functions counted (limit nodes)",
				x->m->limits.nodes);
		status = import_proceed(x) ? import_node(x, s, nodes[i]) : CLAST_ERROR_CANCELLED;
	}
	return status;
}

clast_status import_graph(importer *x, Clast__GraphProto *g, const frame *f, const scope *outer,
			  graph_id into)
{
	if (x->depth >= x->max_depth)
		return fail(x->d, CLAST_ERROR_LIMIT,
			    "subgraphs and functions are nested more than %zu deep (limit nesting)",
			    x->max_depth);
	x->depth++;
	const scope s = names_open(&x->names, outer, f, into);
	const value_id first = (value_id)x->m->value_count;
	clast_status status = import_initializers(x, g, &s);
	if (!status)
		status = import_inputs(x, g, &s, first, (value_id)x->m->value_count);
	for (size_t i = 0; !status && i < g->n_node; i++)
		status = name_outputs(x, &s, g->node[i]);
	if (!status)
		status = import_hints(x, g, &s);
	if (!status)
		status = import_nodes(x, &s, g->n_node, g->node);
	if (!status)
		status = import_outputs(x, g, &s);
	x->depth--;
	return status;
}
