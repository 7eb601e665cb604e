/* Passes: algebra on the graph, before any order is chosen. One file each, listed in passes.def in the order in which they run.
 *
 * A pass leaves a valid, inferred graph whose outputs have the same values up to rounding; replaced values are recorded with
 * graph_replace_uses, and the driver sweeps after each pass. */
#ifndef CLAST_PASSES_PASS_H
#define CLAST_PASSES_PASS_H

#include "graph.h"

typedef struct pass {
	const char *name;
	clast_status (*run)(clast_model *m, clast_diag *d);
} pass;

/* Infers, folds and simplifies; called once after import. */
clast_status passes_run(clast_model *m, clast_diag *d);
/* Only those that leave every operator as the model has it: folding (but for quantised weights), and no nodes that change nothing. For models that are written again. */
clast_status passes_clean(clast_model *m, clast_diag *d);

/* The only user of a value: a live node of the same graph; NO_ID if there are others or it is an output. Valid after graph_count_uses
 * and with users[] as made by pass_users. */
typedef struct user_table {
	node_id *user; /* by value: the last node seen that uses it */
} user_table;
clast_status pass_users(clast_model *m, user_table *t, clast_diag *d);
void pass_users_free(clast_model *m, user_table *t);
node_id only_user(const clast_model *m, const user_table *t, value_id v);

/* The branch of an If that always runs, the other one removed; NO_ID if node id is no If or its condition is not constant. */
graph_id branch_take(clast_model *m, node_id id);
/* Moves the nodes of that branch to the end of the list of the If's graph, which graph_sort has to put in order again. */
clast_status branch_inline(clast_model *m, node_id id, graph_id taken, clast_diag *d);
/* Infers a node and folds what it can of its outputs. */
clast_status fold_visit(clast_model *m, node_id id, clast_diag *d);

#endif
