/* The model: values, nodes and graphs in three flat arrays that refer to one another by index.
 *
 * All graphs (the main one and the bodies of If, Loop, Scan) share the arrays; a body that captures a value of an outer graph simply
 * names its id. Values keep their ONNX shapes and axes for ever. Everything lives in the model's region and goes with it. */
#ifndef CLAST_GRAPH_H
#define CLAST_GRAPH_H

#include <pthread.h>

#include "map.h"
#include "op.h"
#include "infer.h"

typedef uint32_t value_id, node_id, graph_id;
#define NO_ID UINT32_MAX

typedef struct value {
	const char *name;
	value_kind kind;
	clast_dtype dtype;      /* CLAST_UNDEFINED: not known yet */
	int rank;               /* -1: unknown */
	const dim *dims;
	const dim *ints;        /* as infer_value */
	size_t int_count;
	const tensor_view *constant; /* dense; all strides 0 where one element stands for all (fold.c), then of float32 */
	node_id producer;       /* NO_ID: an input or a constant */
	graph_id graph;         /* where it is defined */
	uint32_t uses;          /* by nodes of any graph and by graph outputs; kept by graph_count_uses */
	value_id replaced_by;   /* NO_ID, or the value whose uses took over; resolved by graph_sweep */
} value;

typedef struct node {
	const char *name;       /* "" if the model gave none; messages then use the first output's name */
	const op *op;
	int version;
	void *attrs;            /* op->attrs_bytes */
	uint32_t n_in, n_out, n_bodies;
	value_id *in, *out;     /* NO_ID where absent; out follows in in one array */
	graph_id *bodies;
	graph_id graph;
	bool dead;
} node;

typedef struct graph {
	const char *name;
	graph_id parent;        /* NO_ID for the main graph */
	node_id *nodes;         /* topological order */
	size_t node_count, node_capacity;
	value_id *inputs, *outputs;
	const char **output_names;   /* as the model wrote them: a pass may let another value take an output's place */
	size_t input_count, output_count, input_capacity, output_capacity, name_capacity;
	value_id *captures;          /* values of outer graphs used here or deeper; kept by graph_sort */
	size_t capture_count, capture_capacity;
	const char *refusal;         /* why the graph cannot run: a branch that contradicts the shapes at hand, which matters if it is taken */
} graph;

/* A domain and its version that a model was written against. */
typedef struct opset_import {
	const char *domain;
	int64_t version;
} opset_import;

typedef struct clast_model {
	_Atomic uint32_t references; /* the handle and every plan */
	mem memory;
	bump region;
	dim_table *dims;
	clast_limits limits;
	clast_log log;
	bool low_memory;
	bool (*progress)(void *context, double fraction);
	void *progress_context;
	value *values;
	node *nodes;
	graph *graphs;               /* graphs[0] is the main one */
	size_t value_count, value_capacity, node_count, node_capacity, graph_count, graph_capacity;
	/* What changes in a finished model: the table of dims, while plans are made and described, and names of dims for callers. Recursive. */
	pthread_mutex_t lock;
	const char **dim_texts;      /* by dim id - DIM_FIRST_ID; NULL: not asked for yet */
	size_t dim_text_capacity;
	uint64_t inferred;           /* nodes inferred so far: bodies inside bodies may be walked many times, but not without end */
	/* Files mapped for constants; unmapped at the end. */
	struct mapping {
		void *address;
		size_t bytes;
	} *mappings;
	size_t mapping_count, mapping_capacity;
	/* As the file says, for writing the model again; nothing in a model built by calls. */
	opset_import *opsets;
	size_t opset_count;
	int64_t ir_version;
	bool keep_compact;           /* folding leaves nodes that are fewer bytes than their constants: of quantised ones, large equal ones */
} clast_model;

/* Subgraphs of one node. */
#define MAX_BODIES 4

/* A parsed attribute, whatever it came from; strings and arrays need to live only during graph_add_node. */
typedef struct attr_value {
	const char *name;
	clast_attribute_type type; /* 5 is a graph */
	float f;
	int64_t i;
	const char *s;             /* may hold NUL: length */
	size_t s_length;
	const tensor_view *tensor; /* must live as long as the model */
	graph_id graph;
	const float *floats;
	const int64_t *ints;
	const char *const *strings;
	size_t count;
} attr_value;

clast_status model_create(const clast_model_options *options, clast_model **out, clast_diag *d);
void model_retain(clast_model *m);
void model_release(clast_model *m);

clast_status graph_add(clast_model *m, const char *name, graph_id parent, graph_id *out, clast_diag *d);
/* A new value without producer. name is copied. */
clast_status graph_add_value(clast_model *m, graph_id g, const char *name, value_id *out, clast_diag *d);
clast_status graph_add_input(clast_model *m, graph_id g, value_id v, clast_diag *d);
clast_status graph_add_output(clast_model *m, graph_id g, value_id v, clast_diag *d);
clast_status graph_set_shape(clast_model *m, value_id v, clast_dtype dtype, const shape *s, clast_diag *d);
/* The view and its data must live as long as the model (model_constant copies). */
void graph_set_constant(clast_model *m, value_id v, const tensor_view *constant);
/* A dense tensor in the model's region, elements uninitialised. Checks dims and limits. */
clast_status model_constant(clast_model *m, clast_dtype dtype, int rank, const int64_t *dims, tensor_view **out,
                            clast_diag *d);
/* Makes a constant aligned by copying it, if it is not. */
clast_status model_align(clast_model *m, value_id v, clast_diag *d);
/* Tells the kernel that constants in [data, data + bytes) are not needed soon, if a file is mapped there. */
void model_forget(const clast_model *m, const void *data, size_t bytes);
/* Resolves operator and version, reads attributes, checks counts. CLAST_ERROR_UNSUPPORTED if there is no such operator. */
clast_status graph_add_node(clast_model *m, graph_id g, const char *domain, const char *type, int64_t opset,
                            const char *name, size_t n_in, const value_id *in, size_t n_out, const value_id *out,
                            size_t n_attrs, const attr_value *attrs, node_id *id, clast_diag *d);
/* Same, for passes: operator known, attrs struct (may be NULL for defaults) copied. */
clast_status graph_add_op_node(clast_model *m, graph_id g, const op *o, int version, const char *name, size_t n_in,
                               const value_id *in, size_t n_out, const value_id *out, const void *attrs, node_id *id,
                               clast_diag *d);
/* Reads attributes by the operator's table; bodies[MAX_BODIES] receives its subgraphs. */
clast_status attrs_read(clast_model *m, const op *o, int version, size_t n, const attr_value *values, void *attrs,
                        graph_id *bodies, uint32_t *body_count, clast_diag *d);
/* Fills an attrs struct with the defaults of a version. */
void attrs_default(const op *o, int version, void *attrs);
/* Topological sort of every graph; a cycle is an error that names its nodes. */
clast_status graph_sort(clast_model *m, clast_diag *d);
/* Infers every value, symbolically. Called after import and after passes that change shapes. */
clast_status graph_infer(clast_model *m, clast_diag *d);
/* Infers one node from what is known of its inputs and stores the result. */
clast_status graph_infer_node(clast_model *m, node_id n, clast_diag *d);
/* Names the node in a failure that does not name one yet. Returns s. */
clast_status node_fail(const clast_model *m, node_id n, clast_status s, clast_diag *d);
void graph_count_uses(clast_model *m);
/* Applies replacements, marks nodes without used outputs dead, removes dead nodes from the lists and recounts uses. */
clast_status graph_sweep(clast_model *m, clast_diag *d);
/* Makes every use of `from` a use of `to`, graph outputs too; takes effect in graph_sweep, until then ask graph_resolve. */
void graph_replace_uses(clast_model *m, value_id from, value_id to);
value_id graph_resolve(clast_model *m, value_id v);
void value_shape(const clast_model *m, value_id v, shape *s);
void value_infer(const clast_model *m, value_id v, infer_value *out);
const char *node_name(const clast_model *m, node_id n);

#endif
