/* What If, Loop and Scan share: types of values that leave a subgraph. */
#ifndef CLAST_BODY_H
#define CLAST_BODY_H

#include "move.h"

/* An extent computed in a subgraph, for a value outside: kept where it depends only on the first n_outer unknowns of the table,
 * those that existed before the subgraph was inferred; else a fresh one. */
dim body_outer_dim(const infer_in *in, dim d, size_t n_outer, const char *hint);
size_t body_symbols(const infer_in *in);
/* Removes what two values do not have in common: a different rank makes the rank unknown, different extents become fresh. Different
 * dtypes are an error, named by `what`. */
clast_status body_unify(const infer_in *in, infer_value *a, const infer_value *b, const char *what, clast_diag *d);
/* Output i gets the elements of v, a tensor that a subgraph gave. */
clast_status body_output(call *c, size_t i, const tensor_view *v);

#endif
