/* The parts of the planner that turn a model, bodies and all, into one layout problem: candidate orders (layout_candidates.c), classes and
 * groups (layout_groups.c), what nodes with bodies pass through them (layout_ties.c), and the way there and back (layout.c). */
#ifndef CLAST_PLAN_LAYOUT_H
#define CLAST_PLAN_LAYOUT_H

#include "plan.h"
#include "problem.h"

/* Orders of one value, far beyond what networks need (ShuffleNet: 8): a bound of memory. What does not fit is counted. */
#define LAYOUT_MAX_CANDIDATES 256

typedef struct candidates {
	uint32_t n, class, refused;
	uint32_t *order; /* indices into plan.orders: n candidates, then those refused */
	size_t capacity;
} candidates;

typedef struct port_owner {
	node_id node;
	uint32_t input;
} port_owner;

/* All nodes of the model in an order in which they could run: a node with bodies, then what its bodies hold, then the node once more, to
 * leave them. */
typedef struct visit {
	node_id node;
	bool enters;
} visit;

typedef struct layout {
	clast_plan *p;
	clast_model *m;
	visit *visits;
	size_t visit_count, visit_capacity;
	node_view *views;
	order_choice *choice;
	candidates *values;      /* by graph value */
	value_id *class_value;   /* by class */
	size_t class_capacity;
	port_owner *owner;       /* by port of the problem */
	size_t owner_count, owner_capacity;
	uint32_t *slots;         /* scratch: orders of the inputs of a join */
	size_t slot_capacity;
	problem problem;
	value_id grown;          /* the last value that got another candidate */
	bool changed, failed;    /* failed: out of memory */
	clast_diag *d;
} layout;

static inline bool has_class(const layout *l, value_id v)
{
	return v != NO_ID && !l->m->values[v].constant && l->m->values[v].rank >= 0 && l->m->values[v].kind == KIND_TENSOR;
}

static inline uint32_t find(const candidates *c, uint32_t wanted)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->order[i] == wanted)
			return i;
	return NO_ID;
}

static inline bool is_view(const node *n)
{
	for (uint32_t j = 1; j < n->n_out; j++)
		if (n->out[j] != NO_ID)
			return false;
	return (n->op->rule == RULE_PERMUTE || n->op->rule == RULE_REGROUP) && n->op->views;
}

static inline const port *port_of(const layout *l, node_id id, uint32_t operand)
{
	return &l->views[id].ports[operand];
}

/* Operand k of a node: inputs, then outputs. */
static inline value_id operand_of(const node *n, uint32_t k)
{
	return n->in[k]; /* one array */
}

static inline bool same_rank(const layout *l, value_id a, value_id b)
{
	return has_class(l, a) && has_class(l, b) && l->m->values[a].rank == l->m->values[b].rank;
}

/* The orders that values may lie in: row-major, what kernels ask for, and what follows from those, until nothing new turns up. */
void layout_find_candidates(layout *l);
/* Notes that the problem lacks `count` orders of a value, or ways to run a node, so that nothing is proved about them. One of value and
 * node is NO_ID. */
void layout_leave_out(layout *l, size_t count, value_id v, node_id id);
/* The problem: a class for each value, groups for each node, the contract of inputs and outputs. */
clast_status layout_build(layout *l, const uint32_t *output_orders);
/* Orders that one end of a tie leaves to the others. */
void layout_propagate_ties(layout *l, node_id id);

void layout_add(layout *l, value_id v, uint32_t made);
/* Bytes of a value, or what else the objective counts, as often as a run makes it. */
uint64_t layout_value_cost(const layout *l, value_id id);
/* How often a run makes a value. */
uint64_t layout_runs(const layout *l, value_id v);
/* The bytes of a value that a kernel copies on the way, a little less than a conversion, which is a step of its own; nothing where
 * conversions are counted. */
uint64_t layout_copy_cost(const layout *l, value_id v);

/* What order `from` of value a is for value b of another shape, or NO_ID. */
uint32_t layout_carry(layout *l, value_id a, uint32_t from, value_id b);
/* Whether the operands of a node are free to lie in whatever order they share. */
bool layout_ties_axes(const layout *l, node_id id, const node *n);
/* Nodes whose kernels leave inputs or outputs where they are. */
bool layout_is_window(const layout *l, node_id id);
bool layout_is_join(const layout *l, node_id id);
/* Orders of the inputs of a join in their slots, in l->slots; false if there are none. */
bool layout_slots(layout *l, const node *n, uint32_t from, bool *copies);
/* The ways to run a node; false if there is no choice that concerns its orders. */
bool layout_ways(const layout *l, const node *n, node_id id, lower_way *ways, size_t *count);
/* Whether operand k of a node may be in an order if its port needs `need`. */
bool layout_serves_way(layout *l, node_id id, uint32_t k, port_need need, uint32_t o);
/* The order of a value that a way is made for. */
uint32_t layout_way_order(layout *l, value_id v, port_need need);
bool layout_is_whole(const layout *l, value_id v, uint32_t o);
bool layout_has_split(const layout *l, value_id v);
/* The order of an operand that is broadcast to value v in order o, or NO_ID. */
uint32_t layout_restricted(layout *l, value_id v, uint32_t o, value_id operand);
bool layout_is_broadcast(const layout *l, node_id id, uint32_t k);
/* The order that the caller gives the value, or NO_ID. */
uint32_t layout_wish(const layout *l, value_id v);

#endif
