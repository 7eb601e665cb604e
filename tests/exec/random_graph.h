/* Small random models, made by calls: joins in joins, windows, views, elementwise chains, kernels, values used twice. */
#ifndef TESTS_EXEC_RANDOM_GRAPH_H
#define TESTS_EXEC_RANDOM_GRAPH_H

#include "clast/clast.h"

#define RANDOM_GRAPH_INPUTS 2

typedef struct random_graph {
	clast_model *model;
	clast_tensor *inputs[RANDOM_GRAPH_INPUTS];
	char text[8192]; /* the nodes, for messages */
} random_graph;

/* The same seed gives the same model. Fails the test if the model cannot be built. */
void random_graph_create(uint64_t seed, int nodes, random_graph *g);
void random_graph_free(random_graph *g);

#endif
