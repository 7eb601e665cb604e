/* What If, Loop and Scan share: values that leave a subgraph, and runs of a body that carry values on and
 * stack others. */
#ifndef CLAST_BODY_H
#define CLAST_BODY_H

#include "move.h"

/* ---- Inference ---- */

/* An extent computed in a subgraph, for a value outside: kept where it depends only on the first n_outer
 * unknowns of the table, those that existed before the subgraph was inferred; else a fresh one. */
dim body_outer_dim(const infer_in *in, dim d, size_t n_outer, const char *hint);
size_t body_symbols(const infer_in *in);
/* Removes what two values do not have in common: a different rank makes the rank unknown, different extents
 * become fresh. Different dtypes are an error, named by `what`. */
clast_status body_unify(const infer_in *in, infer_value *a, const infer_value *b, const char *what,
			clast_diag *d);

/* Infers a body until what it carries no longer changes: args[lead_in + i] is carried value i on entry,
 * results[lead_out + i] the same on leaving. Extents that differ become fresh unknowns, marked in
 * changing[i]. */
typedef struct body_rounds {
	size_t carried, lead_in, lead_out, n_in, n_out;
	infer_value *args, *results;
	uint32_t *changing;
} body_rounds;

clast_status body_rounds_new(const infer_in *in, size_t carried, size_t lead_in, size_t lead_out, size_t n_in,
			     size_t n_out, body_rounds *r, clast_diag *d);
clast_status body_infer(const infer_in *in, int graph, body_rounds *r, clast_diag *d);
/* Shape of carried value i outside. */
void body_carried_shape(const infer_in *in, const body_rounds *r, size_t i, size_t n_outer, shape *y);

/* The subgraph of an If, given its attributes and its condition. */
int if_branch(const void *attrs, bool condition);

/* ---- Running ---- */

/* Where the pieces of a stacked value go. */
typedef struct body_stack {
	size_t out;  /* of the node */
	int64_t axis; /* negative: from the end */
	bool reverse; /* run t at index runs - 1 - t */
	tensor_view whole; /* once the first piece is there, if it is known how many will come */
} body_stack;

typedef struct body_run {
	call *c;
	int graph;
	size_t lead, carried,
		stacked; /* results of the body: `lead` that are left to the caller, carried, stacked */
	int64_t trips;
	tensor_view *state;   /* carried values */
	bool *owned;          /* by carried value: a run left it, and nobody else has it */
	tensor_view *results; /* of the last run */
	int64_t runs;         /* how many there will be; -1: not known, and pieces are kept until the end */
	body_stack *stacks;   /* set by the caller where runs are known */
	tensor_view *pieces;  /* stacked values of all runs, owned */
	size_t piece_count, piece_capacity;
} body_run;

/* In every case to be ended by body_end. The caller sets state[]. */
clast_status body_start(body_run *r, call *c, int graph, size_t lead, size_t carried, size_t stacked);
/* One run. results[0 .. lead) are the caller's to release; nothing is owned after a failure. */
clast_status body_step(body_run *r, size_t n_in, const tensor_view *const *args);
/* Output i of the node becomes carried value k, after the last run. */
clast_status body_leave(body_run *r, size_t k, size_t i);
/* Piece k of run t. */
const tensor_view *body_piece(const body_run *r, int64_t t, size_t k);
/* Writes stacked value k into y along an axis: run t at index t, or trips - 1 - t in reverse. y may have more
 * room. */
clast_status body_write_stack(body_run *r, size_t k, const tensor_view *y, int axis, bool reverse);
/* Dims of stacked value k: those of a piece with the runs on an axis. Fails if pieces differ. */
clast_status body_stack_dims(body_run *r, size_t k, int axis, int *rank, int64_t *dims);
/* Output i where nothing ran: no elements, of the shape that inference knows. */
clast_status body_stack_nothing(call *c, size_t i, int axis);
void body_end(body_run *r);

#endif
