/* The plan: orders, groups and kernels for a model, without concrete shapes.
 *
 * Flat arrays that refer to one another by index. A block is a graph (the main one, or a body of If, Loop, Scan); its steps run in order.
 * A fact is what is known of one graph value in one block; a plan value is that graph value in one order, and there may be several of
 * them. Nodes are listed beside the steps, because shape inference at concrete shapes walks nodes, also those fused into a step. */
#ifndef CLAST_PLAN_PLAN_H
#define CLAST_PLAN_PLAN_H

#include <pthread.h>

#include "device.h"
#include "lower.h"

typedef struct plan_value {
	uint32_t fact;          /* within the block */
	uint32_t order;         /* plan.orders */
	bool whole;             /* the order keeps every axis whole: memory axis i holds logical axis perm[i] */
	bool constant;
	bool read;              /* somebody reads it as it is, beside those that pack it */
	uint8_t perm[CLAST_MAX_RANK];
} plan_value;

typedef enum step_kind {
	STEP_NODE,    /* the anchor by its family's kernels or its reference, with fused nodes after it */
	STEP_ELTWISE, /* elementwise nodes alone, as one program */
	STEP_VIEW,    /* nothing moves: permute, regroup, identity */
	STEP_CONVERT  /* in[0] to another order */
} step_kind;

typedef struct plan_step {
	uint8_t kind;
	bool barred;            /* STEP_VIEW whose orders do not follow from one another: copies unless the concrete shape says otherwise */
	uint16_t family;        /* of STEP_NODE; FAMILY_REFERENCE */
	node_id node;           /* anchor, or the first elementwise node; NO_ID for conversions */
	uint16_t n_in, n_out, n_fused;
	uint32_t refs;          /* plan.refs: inputs and outputs of the anchor, then operands of the program: plan values or NO_ID.
	                           out[0] is what the group leaves */
	uint32_t fused;         /* plan.fused, or NO_ID */
	uint32_t captures, capture_count; /* plan.refs: what the bodies of a control-flow node capture, body after body */
	uint32_t unmoved;       /* of a barred view: the order its output would have if nothing moved, or NO_ID */
	uint32_t nodes, node_count; /* plan.step_nodes: plan nodes of the group in order; none for conversions */
} plan_step;

typedef struct plan_node {
	node_id node;
	uint32_t facts;         /* plan.fact_refs: inputs, then outputs; facts of the block or NO_ID */
} plan_node;

typedef struct plan_block {
	graph_id graph;
	uint32_t first_value, value_count; /* plan.values */
	uint32_t first_step, step_count;
	uint32_t first_node, node_count;   /* plan.nodes */
	uint32_t fact_count;
	uint32_t first_fact;    /* plan.facts: the graph value of each fact */
	/* Offsets into plan.refs: plan values of the inputs, the captures and the outputs, as the caller sees them. */
	uint32_t inputs, input_count, captures, capture_count, outputs, output_count;
} plan_block;

/* One packed constant. Made once, shared by every specialisation. */
typedef struct packed_weight packed_weight;
typedef struct device_weight device_weight;

/* What the orders make small: estimated or measured time of kernels and conversions; or the bytes or the number of conversions alone,
 * within the kernels that are made for channels-last. */
typedef enum plan_objective { OBJECTIVE_TIME, OBJECTIVE_MEASURED, OBJECTIVE_BYTES, OBJECTIVE_COUNT } plan_objective;

/* Times taken on this machine, in nanoseconds. */
typedef struct way_times {
	size_t count;
	struct way_time {
		port_need in, out;
		double ns;
	} way[LOWER_MAX_WAYS];
} way_times;

typedef struct plan_times {
	way_times *node;        /* by node: the ways in which it was run */
	double conversion;      /* of a byte of a value that is converted */
	double estimate;        /* what lower_time is to be multiplied by where a way was not run */
} plan_times;

/* What timing chose for a node (runtime/api/tune.c). */
typedef struct node_choice {
	bool set;
	lower_choice choice;
} node_choice;

struct clast_plan {
	_Atomic uint32_t references;
	clast_model *model;
	mem memory;
	bump region;
	clast_precision precision;
	bool keep_values;
	device *device;         /* NULL: the CPU alone */
	bool tuned_device;      /* kernels of the device in the variants that timing chose */
	uint64_t seed;          /* of strategy random */
	const char *strategy, *input_layout, *output_layout;
	plan_objective objective;
	const plan_times *times; /* of OBJECTIVE_MEASURED, while the plan is made */
	uint64_t layout_cost, layout_bound; /* of the layout problems of all blocks; the bound is proved */
	size_t left_out;        /* orders and ways for which those problems had no room, about which nothing is proved */
	const char *left_out_at; /* "value x", "node y": the first of them */

	plan_block *blocks;     /* blocks[i] is graph i; an unreachable graph has no steps */
	plan_value *values;
	plan_step *steps;
	plan_node *nodes;
	fused *fused;
	uint32_t *refs, *fact_refs;
	port *ports;            /* parallel to refs: what the step needs of that operand */
	value_id *facts;
	uint32_t *step_nodes;
	order *orders;          /* orders[0] is row-major */
	size_t block_count, value_count, step_count, node_count, fused_count, ref_count, fact_ref_count, fact_count,
		step_node_count, order_count;
	size_t value_capacity, step_capacity, node_capacity, fused_capacity, ref_capacity, fact_ref_capacity, fact_capacity,
		step_node_capacity, order_capacity, port_capacity;
	index_set order_set;
	uint32_t *symbol_of;    /* by dim id - DIM_FIRST_ID: the symbol's index, or NO_ID */
	size_t symbol_of_count;
	int64_t *samples;       /* a value for each symbol, made when first asked for (relate.c) */
	size_t sample_count;
	int64_t *extents;       /* the same for representative extents (extent.c) */
	size_t extent_count;

	size_t strip_cache;     /* bytes of this machine's second-level cache, in which strips stay (strips.h) */
	uint64_t *runs;         /* by graph: how often a run of the plan runs it, as costs count it (ties.c) */
	uint8_t *tiles;         /* by node: see lower_tiles; NULL: none */
	uint32_t chain;         /* the same */
	node_choice *choices;   /* by node; NULL: nothing was timed */
	size_t tuned_layers, tuned_timed, tuned_other; /* that have a choice; that were timed for it; that do not run the family's own way */
	uint32_t *wishes;       /* by graph value: the order that the caller gives it, or NO_ID; NULL: none */

	pthread_mutex_t lock;   /* of the pool of packed weights */
	packed_weight *weights;
	size_t weight_count, weight_capacity, weight_bytes;
	struct weight_chunk *weight_chunks;
	index_set weight_set;
	device_weight *device_weights;
	size_t device_weight_count, device_weight_capacity;
	index_set device_weight_set;
	uint8_t *places;        /* by step: step_why at representative extents, made when first asked for by reports */
	clast_transpose_info *transposes; /* made when first asked for by reports */
	size_t transpose_count;
	uint32_t *makers;       /* by value: the step that makes it, or NO_ID; made with them */
};

/* What a strategy decides: the order each graph value is produced in, by value id (indices into plan.orders), and, where reads is set, which
 * conversion each input of a node reads. */
typedef struct order_conversion {
	value_id value;
	uint32_t order;
	uint32_t from;          /* an earlier conversion of the value, or NO_ID: what its producer wrote */
} order_conversion;

typedef struct order_choice {
	uint32_t *produced;
	uint32_t **reads;       /* by node: for each input a conversion or NO_ID; NULL: what its ports ask for */
	order_conversion *conversions;
	size_t conversion_count, conversion_capacity;
} order_choice;

/* Node facts a strategy and the grouping need; made once for all nodes of a graph. */
typedef struct node_view {
	uint16_t family;
	port *ports;            /* n_in + n_out */
} node_view;

/* times: for the objective "measured" (runtime/api/measure.c), else NULL. */
clast_status plan_create(clast_model *m, const clast_plan_options *o, const plan_times *times, clast_plan **out, clast_diag *d);
void plan_retain(clast_plan *p);
void plan_release(clast_plan *p);

/* What an extent counts as in costs and reports where it is not known. */
int64_t plan_extent(clast_plan *p, dim d);

/* Writes an order of a value of this shape: "N H W C" (order_text.c). */
void plan_order_text(const clast_plan *p, const order *o, const shape *s, char *text, size_t size);
/* Reads the orders of strategy manual (wish.c). */
clast_status plan_wishes(clast_plan *p, const clast_plan_options *o, clast_diag *d);

/* Index of an order in plan.orders; UINT32_MAX if out of memory. */
uint32_t plan_order(clast_plan *p, const order *o);
/* The order in which the value must be for a port, given the order it is in now and the common order of PORT_SAME operands. Equal to
 * `now` if that is good enough. */
uint32_t plan_port_order(clast_plan *p, const shape *s, port need, uint32_t now, uint32_t same);

/* The ways in which the node's family can run it (lower.h), 0 where there is no choice. What is chosen becomes what the ports need. */
size_t plan_ways(clast_plan *p, const node *n, const node_view *view, lower_way *ways);
void plan_take_way(const node *n, node_view *view, const lower_way *way);

/* What timing may choose between for a step, best guesses first; 0: nothing. key says the same in every process for layers that
 * are alike: operator, attributes, extents, orders, what is fused into it, and the choices (choice.c). */
size_t plan_choices(clast_plan *p, const plan_step *step, lower_choice *choice, uint64_t key[2]);

/* The order of a pure view's output when its input is in order `from` and nothing moves; false if that cannot be proved possible. */
bool plan_view_order(clast_plan *p, const node *n, uint32_t from, uint32_t *to);

/* The order of its input that leaves a pure view's output in order `to`. */
bool plan_view_order_back(clast_plan *p, const node *n, uint32_t to, uint32_t *from);

/* The order of output j of a node that cuts windows out of input 0, when that is in order `from` and nothing moves; false if no window can
 * be cut there. *copies: the window has gaps that make a copy of it necessary. */
bool plan_window_order(clast_plan *p, const node *n, uint32_t j, uint32_t from, uint32_t *to, bool *copies);
/* The orders of all inputs of a node that joins them, as they would lie in their slots of output 0 in order `from`; false if there are no
 * such slots. *copies: no kernel could write into them. */
bool plan_slot_orders(clast_plan *p, const node *n, uint32_t from, uint32_t *to, bool *copies);

/* The order of one index of an axis of a value when nothing moves, and an order of the value that leaves its indices in order `from`: that with
 * the axis outermost. *copies: no axis of the index has its elements side by side, or kernels would meet gaps. */
bool plan_part_order(clast_plan *p, value_id whole, int axis, uint32_t from, value_id part, uint32_t *to, bool *copies);
bool plan_whole_order(clast_plan *p, value_id part, uint32_t from, value_id whole, int axis, uint32_t *to);

/* The ends of a tie of a node with bodies (ties.c). */
typedef enum end_role { END_IN, END_BODY_IN, END_BODY_OUT, END_OUT } end_role;
typedef struct tie_end {
	value_id value;
	end_role role;
	uint32_t body, index;   /* operand of the node, or input or output of that body */
} tie_end;
typedef struct tie {
	uint8_t kind;           /* as body_tie */
	bool bound;             /* all ends have a rank; else all are row-major */
	int axis;
	uint32_t n, lead;       /* the end whose order decides those of the others; n: they are free */
	tie_end end[2 + 2 * MAX_BODIES];
} tie;
/* The index-th tie of a node; false after the last. */
bool plan_tie(const clast_model *m, const node *n, size_t index, tie *t);
/* The order of end k when that which leads is in order `from`, and the other way round; false if there is none. */
bool plan_tie_order(clast_plan *p, const tie *t, uint32_t k, uint32_t from, uint32_t *to, bool *copies);
bool plan_tie_lead_order(clast_plan *p, const tie *t, uint32_t k, uint32_t from, uint32_t *to);
/* The order in which a node with bodies takes an operand, or a body leaves an output, given what is produced. */
uint32_t plan_end_order(clast_plan *p, const node *n, end_role role, uint32_t body, uint32_t index, const uint32_t *produced);
/* How often each graph runs: known, or a sample. */
clast_status plan_count_runs(clast_plan *p, clast_diag *d);

/* Orders by the strategy of the plan: the exact planner, or one of those it is compared with. output_orders are those the graph's outputs
 * have to be in. */
clast_status layout_choose(clast_plan *p, node_view *views, const uint32_t *output_orders, order_choice *choice, clast_diag *d);

/* Orders without a search, for references and random orders: channels-last around kernels that want it, elsewhere what comes in. */
clast_status choose_orders(clast_plan *p, node_view *views, order_choice *choice, clast_diag *d);

/* Groups: tail[i] is the node at which node i's group is emitted (itself if alone). */
typedef struct grouping {
	node_id *first;         /* by node: anchor of its group, NO_ID if not grouped */
	node_id *tail;          /* by anchor: last node of the group */
	uint32_t *fused;        /* by anchor: index into plan.fused */
	node_id **members;      /* by anchor */
	uint32_t *member_count;
	bool *elementwise;      /* by anchor: the anchor itself is part of the program */
	value_id **operands;    /* by anchor: graph values of the program's operands */
} grouping;
clast_status group_nodes(clast_plan *p, graph_id g, const node_view *views, const order_choice *choice, grouping *out,
                         clast_diag *d);

static inline const uint32_t *step_in(const clast_plan *p, const plan_step *s)
{
	return p->refs + s->refs;
}
static inline const uint32_t *step_out(const clast_plan *p, const plan_step *s)
{
	return p->refs + s->refs + s->n_in;
}
static inline const uint32_t *step_fused(const clast_plan *p, const plan_step *s)
{
	return p->refs + s->refs + s->n_in + s->n_out;
}

/* Packed weights (weights.c). */
clast_status plan_weight(clast_plan *p, packing_id packing, const weights_shape *shape, const weights_source *source,
                         const void *key, size_t key_bytes, const void **packed, clast_diag *d);
/* The constant as it is, at an aligned address: its own, or that of a copy in the pool. */
clast_status plan_aligned(clast_plan *p, const tensor_view *constant, const void **data, clast_diag *d);
/* The constant in another order: a copy in the pool that lies as `to` does, which gets its address. */
clast_status plan_turned(clast_plan *p, const tensor_view *constant, tensor_view *to, clast_diag *d);
void plan_release_weights(clast_plan *p);

/* Packed weights on the plan's device (device_weights.c); CLAST_ERROR_UNSUPPORTED where none of its kernels reads the packing. */
clast_status plan_device_weight(clast_plan *p, packing_id packing, const weights_shape *shape, const weights_source *source,
                                const void *key, size_t key_bytes, device_memory **packed, clast_diag *d);
/* A copy on the device of bytes that live as long as the plan. */
clast_status plan_device_constant(clast_plan *p, const void *data, size_t bytes, device_memory **out, clast_diag *d);
/* Gives back the device and what lies on it. */
void plan_release_device(clast_plan *p);

/* Why a step is where it is, next to a device. */
typedef enum step_why {
	WHY_DEVICE,             /* on the device */
	WHY_VIEW,               /* nothing to do */
	WHY_NO_DEVICE,          /* the plan has none, or is one by references */
	WHY_BODY,               /* has bodies, whose steps are placed for themselves */
	WHY_REFERENCE,          /* no kernel on either side */
	WHY_DTYPE,              /* of elements that no kernel of the device computes */
	WHY_NO_KERNEL,          /* a kernel on the CPU alone */
	WHY_REFUSED,            /* the device's kernel does not compute these extents or strides */
	WHY_COPIES,             /* the device could, but the copies would take longer than the CPU */
	WHY_LATE                /* settled while running, when its shape is known */
} step_why;
/* Whether the plan means the step for its device: WHY_DEVICE for kernels of the contract on numbers that networks compute with. A kernel
 * may still refuse the extents it meets. */
step_why plan_step_why(const clast_plan *p, const plan_block *b, const plan_step *step);

#endif
