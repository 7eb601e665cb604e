/* A model's graph in another order: the same network, its activations channels-first or channels-last, with
 * as few Transpose nodes as the operators of ONNX allow.
 *
 * In a plan axes never move and orders do; a graph of ONNX has no orders, so here an order becomes a shape. A
 * value of shape s in order o is written as a tensor whose row-major order is o: the axes of s permuted, or,
 * where o splits an axis, its elements permuted along it. Which order each value gets is the planner's layout
 * problem again, with the operators of ONNX in the place of kernels (convert_choose). */
#ifndef CLAST_CONVERT_H
#define CLAST_CONVERT_H

#include "graph.h"

typedef enum convert_layout { CONVERT_KEEP, CONVERT_FIRST, CONVERT_LAST } convert_layout;

typedef struct convert_options {
	convert_layout layout; /* what to prefer where it costs nothing, and what strategies aim at; not
				  CONVERT_KEEP */
	convert_layout inputs, outputs; /* of the graph, where a value has a channel axis */
	const char *strategy;           /* NULL: "min" */
	bool straighten;                /* see convert_straighten */
	bool count_bytes;               /* the objective is bytes, else the number of Transpose nodes */
} convert_options;

typedef struct convert_report {
	size_t nodes_before, nodes;
	size_t transposes_before, transposes;
	uint64_t cost,
		bound; /* of the layout problems of all graphs; bound is proved with strategy min only */
	bool optimal;
} convert_report;

/* Whether the model looks like the export of a channels-last framework: some operator that ONNX defines
 * channels-first stands between Transposes. */
bool convert_is_wrapped(const clast_model *m);
/* Such a graph without the Transposes around its operators, so that passes and plans find what they find in
 * its channels-first twin. Inputs and outputs stay, and so does a graph that would keep more than half of its
 * Transposes; what has other axes than before gets another name. The model has been imported; constants are
 * folded, passes_run is still to come. */
clast_status convert_straighten(clast_model *m, clast_diag *d);

/* Rewrites the graphs of an inferred model in place. Operators, constants and names stay where nothing has to
 * change. A model whose conversion failed is only good for being released. */
clast_status convert_model(clast_model *m, const convert_options *o, convert_report *r, clast_diag *d);

#endif
