/* What the files of the importer share. */
#ifndef CLAST_IMPORTER_IMPORTER_H
#define CLAST_IMPORTER_IMPORTER_H

#include "findings.h"
#include "graph.h"
#include "onnx.pb-c.h"
#include "scope.h"
#include "tensor_proto.h"

typedef struct importer {
	clast_model *m;
	clast_diag *d;
	bump scratch; /* the unpacked protobuf and what else goes when the import ends */
	Clast__ModelProto *proto;
	mapped_file file;
	external_files external;
	tensor_reader tensors;
	names names;
	findings findings;
	map functions;           /* key made by function_key -> index */
	uint8_t *function_state; /* flags of function_flag, by function */
	map prefixes;            /* of names of inlined nodes */
	size_t depth, max_depth; /* of subgraphs and function calls */
	size_t nodes, calls;
	size_t inlined_bytes;
	char full_name[1200]; /* see prefixed() */
	/* Stacks of what is gathered for a node; a subgraph's nodes use the part above. */
	value_id *ids;
	attr_value *attrs;
	size_t id_count, id_capacity, attr_count, attr_capacity;
	/* Extents that the caller fixed. */
	const clast_model_options *options;
	map fixed; /* dim_param -> index */
	int64_t *fixed_dims;
	size_t fixed_count, fixed_capacity;
} importer;

/* An attribute given to a function, and the scope in which it was written: its graphs may capture from there.
 */
typedef struct argument {
	const char *name;
	Clast__AttributeProto *proto;
	const scope *origin;
} argument;

enum function_flag { FUNCTION_ACTIVE = 1, FUNCTION_CHECKED = 2 };

/* Whose body is being read: the model's, or that of a function for one call. */
typedef struct frame {
	const Clast__FunctionProto *function; /* NULL: the model */
	Clast__OperatorSetIdProto **opsets;
	size_t opset_count;
	const argument *arguments;
	size_t argument_count;
	const char *prefix; /* of the names of its values and nodes */
} frame;

static inline const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* ---- import_type.c ---- */

/* Records the extents that options->shapes fixes; inputs are those of the main graph. */
clast_status fix_shapes(importer *x, const Clast__GraphProto *g);
/* Declared type of an input of the main graph: what is missing is an error. */
clast_status set_input_type(importer *x, value_id v, const Clast__ValueInfoProto *info);
/* Declared type of any other value: a hint. */
clast_status set_value_type(importer *x, value_id v, const Clast__TypeProto *type);

/* ---- import_graph.c ---- */

/* Reads a graph into `into`. outer: the scope around it, or NULL. */
clast_status import_graph(importer *x, Clast__GraphProto *g, const frame *f, const scope *outer,
			  graph_id into);
/* Reads nodes whose outputs have been named. */
clast_status import_nodes(importer *x, const scope *s, size_t n, Clast__NodeProto **nodes);
/* A new value with a name of the file. */
clast_status new_value(importer *x, const scope *s, const char *name, value_id *out);
/* Counts what a function call adds to the model: a small file may call functions exponentially often. */
clast_status charge(importer *x, const scope *s, size_t bytes);
/* False, and the diag says so, if the caller wants to stop. */
bool import_proceed(importer *x);

/* ---- import_node.c ---- */

/* A node's name, or that of its first output. */
const char *node_label(const Clast__NodeProto *n);
clast_status import_node(importer *x, const scope *s, const Clast__NodeProto *n);

/* ---- import_attribute.c ---- */

/* Appends to x->attrs what a node is given, or nothing for a reference to an argument that the call did not
 * give. */
clast_status import_attribute(importer *x, const scope *s, const Clast__NodeProto *n, const argument *a);
/* The argument that an attribute stands for: itself, or one of the function's. proto is NULL if it was not
 * given. */
clast_status resolve_attribute(importer *x, const scope *s, Clast__AttributeProto *a, argument *out);
/* AttributeProto.type, or, in old files without it, the type of the field that is there. 0 if there is none.
 */
int attribute_type(const Clast__AttributeProto *a);
/* Makes the value that a Constant node gives. */
clast_status import_constant(importer *x, const argument *a, value_id v);

/* ---- import_function.c ---- */

/* Enters the model's functions into x->functions. */
clast_status list_functions(importer *x);
/* Index of the function that a node calls, or INDEX_NONE. */
clast_status find_function(importer *x, const Clast__NodeProto *n, uint32_t *index);
/* The name of a value or node with the prefix of the calls around it. Valid until the next call. */
const char *prefixed(importer *x, const scope *s, const char *name);
clast_status inline_function(importer *x, const scope *s, const Clast__NodeProto *n, uint32_t index);
/* Version of a domain's opset in force, or 0. */
int64_t opset_of(const frame *f, const char *domain);
clast_status check_opsets(importer *x, size_t n, Clast__OperatorSetIdProto **opsets);

#endif
