/* Drawing a directed graph in layers: where each node goes and by which points each edge passes.
 *
 * Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical system structures (1981): nodes get the layer of their longest
 * path from a source, edges that skip layers get a point in each, barycentres order each layer, and coordinates are pulled towards
 * neighbours. */
#ifndef CLAST_CLI_LAYERS_H
#define CLAST_CLI_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct layer_edge {
	uint32_t from, to; /* nodes; from < to */
	uint32_t first_point, point_count; /* between both, set by layers_place: indices into layers.x and .layer */
} layer_edge;

typedef struct layers {
	size_t nodes;         /* given */
	layer_edge *edges;    /* given */
	size_t edge_count;
	double *width;        /* given, by node: how much room it needs from side to side */
	/* Found: by node, then by point. */
	double *x;            /* of the middle */
	uint32_t *layer;
	size_t places;        /* nodes and points */
	uint32_t layer_count;
	double total_width;
} layers;

#define LAYERS_POINT_WIDTH 14.0
/* More points than this are not made: long edges are then drawn straight. */
#define LAYERS_MOST_POINTS 200000

/* False if memory ran out. layers_free releases what was found. */
bool layers_place(layers *g);
void layers_free(layers *g);

#endif
