/* Names of values: which value a name means where. */
#ifndef CLAST_IMPORTER_SCOPE_H
#define CLAST_IMPORTER_SCOPE_H

#include "graph.h"

/* A graph's or function body's names. A subgraph sees those around it, a function body none but its own. */
typedef struct scope {
	const struct scope *outer;
	const struct frame *frame;
	graph_id graph;
	uint32_t number;
} scope;

typedef struct names {
	index_set set;
	struct name_entry {
		const char *name; /* belongs to the file */
		uint32_t scope;
		value_id value;
	} * entries;
	size_t count, capacity;
	uint32_t scopes;
} names;

void names_init(names *n, mem *m);
void names_release(names *n);
/* A new scope with nothing in it. */
scope names_open(names *n, const scope *outer, const struct frame *frame, graph_id g);
/* Gives a name in a scope a value; NO_ID stands for an input that a call left out. The name must outlive n.
 * CLAST_ERROR_MODEL if it is empty, or already taken here or around here. */
clast_status names_bind(names *n, const scope *s, const char *name, value_id v, clast_diag *d);
/* Whether a name means something in s alone, or in s and around. */
bool names_find_here(const names *n, const scope *s, const char *name, value_id *out);
bool names_find(const names *n, const scope *s, const char *name, value_id *out);

#endif
