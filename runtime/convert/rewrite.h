/* What the files that convert one graph share. */
#ifndef CLAST_CONVERT_REWRITE_H
#define CLAST_CONVERT_REWRITE_H

#include "axes.h"
#include "convert.h"
#include "problem.h"

#define MOST_CANDIDATES 16

/* A tensor of the new graph: the elements of a value in some order, as a list of extents. */
typedef struct form {
	const order *order;
	shape dims;
	value_id id;
	struct form *next;
} form;

enum { NO_ROLE = -1, MANY_ROLES = -2 };

typedef struct value_plan {
	const order *candidate[MOST_CANDIDATES];
	uint32_t candidates, class;
	int role;              /* the axis of its channels, or NO_ROLE, MANY_ROLES */
	const order *produced; /* what the new graph has of it before any Transpose */
	form *forms;
	/* A view whose node is gone: produced is alias_order of that value. NO_ID: none. */
	value_id alias;
	const order *alias_order;
} value_plan;

typedef enum node_how {
	HOW_FIXED, /* takes and gives tensors as the old graph has them */
	HOW_VIEW,  /* input 0 under another shape */
	HOW_FRAME, /* axes permuted */
	HOW_DENSE, /* constant weights absorb permutations along the axes that they contract and make */
	HOW_SHAPE  /* reads extents only */
} node_how;

typedef struct dense {
	int data_axis, result_axis; /* of input 0 and output 0 */
	int weight_in, weight_out;  /* the axes of input 1 that belong to them */
	bool rows;                  /* the other axes may be permuted, with the last one last */
} dense;

typedef struct node_plan {
	node_id node;
	node_how how;
	frame f;
	dense dense;
	uint32_t group; /* of the problem, PROBLEM_NONE: none */
	bool renamed;   /* HOW_VIEW: the node is gone */
	const order *in,
		*out; /* chosen: of the whole value of a frame, of the data and the result elsewhere */
} node_plan;

typedef struct converter {
	clast_model *m;
	graph_id g;
	const convert_options *o;
	convert_report *r;
	bump scratch;
	value_plan *values; /* of those that existed before */
	size_t value_count;
	node_plan *nodes;
	size_t node_count;
	problem problem;
	value_id *class_value;
	size_t class_capacity;
	int64_t opset;
	size_t transposes_before, transposes; /* of this graph alone, as it is and as it is planned */
	unsigned cost_bits;                   /* of one Transpose */
	uint64_t seed;                        /* of more candidates, for random orders; 0: none */
	bool failed;                          /* out of memory */
	clast_diag *d;
} converter;

#define MOST_SWEEPS 16

/* ---- roles.c ---- */

/* Whether a value takes part: a tensor of known rank that is no constant. */
bool has_class(const converter *c, value_id v);
/* Whether ONNX says which axis of input 0 and output 0 holds channels: the second. */
bool has_channels(const node *n);
void find_kinds(converter *c);
void find_roles(converter *c);

/* ---- candidates.c ---- */

void find_candidates(converter *c);
/* PROBLEM_NONE if the order is none of the candidates. */
uint32_t find_candidate(const value_plan *p, const order *o);
/* The order in which the axis of channels comes second, or last; false for values without one. */
bool role_axes(const converter *c, value_id v, convert_layout layout, int *perm);
bool role_order(converter *c, value_id v, convert_layout layout, order *out);
/* The contract of an input or output of the graph: its order, and its extents in the new graph. */
const order *convert_contract(converter *c, value_id v, bool output, shape *dims);
/* The order of an operand of a frame whose memory axes are perm. */
bool operand_order(converter *c, const node *n, const frame *f, uint32_t k, const int *perm, order *out);
/* Whether all operands are of one shape, so that they may lie in any order whatever. */
bool all_of_shape(const converter *c, const node *n, const frame *f);
/* Rows of a product lie in any order, the same for what comes and what goes: the other one's order. */
bool row_order(converter *c, const node *n, const dense *x, const order *from, bool forward, order *to);

/* ---- choose.c: which order for which value ---- */

/* Plans every node and sets value_plan.produced of inputs and of what nodes write. */
clast_status convert_choose(converter *c);

/* ---- views.c: orders through views and along axes ---- */

/* The order of a view's output when its input lies in `from`, or back; false where that cannot be said. */
bool view_forward(const converter *c, const node *n, const order *from, order *to);
bool view_backward(const converter *c, const node *n, const order *to, order *from);
bool is_view(const converter *c, const node *n);
/* The axes of s, outermost first; false if the order splits one. */
bool whole_axes(const converter *c, const order *o, const shape *s, int *perm);
/* Whether the order only permutes elements along one axis. */
bool only_along(const converter *c, const order *o, const shape *s, int axis);
/* The extents of a tensor that has a value's elements in this order; false where too little is known to write
 * them down. */
bool natural_dims(const converter *c, const order *o, const shape *s, shape *out);
/* Position in memory to index along the axis, for an order that keeps it together: extent numbers. NULL if
 * out of memory. */
int64_t *axis_indices(converter *c, const order *o, const shape *s, int axis);
bool same_dims(const shape *a, const shape *b);
void permute_dims(const shape *s, const int *perm, shape *out);

/* ---- forms.c: tensors of the new graph ---- */

/* The tensor that has v in this order with these extents, made by Transpose and Reshape where it is not there
 * yet. leading: extents of 1 may be missing in front. */
clast_status form_get(converter *c, value_id v, const order *o, const shape *dims, bool leading,
		      value_id *out);
/* Whether it would take no node. */
bool form_exists(converter *c, value_id v, const order *o, const shape *dims);
/* Whether one Transpose leads from one order to the other; else it takes two. */
bool form_transposes(const converter *c, value_id v, const order *from, const order *to);
/* As the old graph has it; values without class are themselves. */
clast_status form_plain(converter *c, value_id v, value_id *out);
/* A new tensor of v, or v itself where it is as the old graph has it. */
clast_status form_new(converter *c, value_id v, const order *o, const shape *dims, bool derived,
		      value_id *out);
/* Whether one Reshape, or a few steps over axes of extent 1, can be written that leads from one list of
 * extents to another. */
bool form_reshapes(const shape *from, const shape *to);
/* A constant under the axes perm, aligned at the end with `rank` axes; where it is broadcast, axes of extent
 * 1 in front are left out. */
clast_status constant_permuted(converter *c, value_id v, int rank, const int *perm, bool broadcast,
			       value_id *out);
/* A constant as an elementwise operand of values of shape s in order o with extents dims, which may split
 * axes. */
clast_status constant_along(converter *c, value_id v, const order *o, const shape *s, const shape *dims,
			    value_id *out);
/* A constant whose element i along the axis is element index[i] of v. */
clast_status constant_gathered(converter *c, value_id v, int axis, const int64_t *index, value_id *out);
clast_status add_op(converter *c, const char *type, const char *name, size_t n_in, const value_id *in,
		    value_id out, size_t n_attrs, const attr_value *attrs);

/* ---- emit.c ---- */

clast_status convert_emit(converter *c);

#endif
