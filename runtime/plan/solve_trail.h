/* What undoes eliminations: for each variable the best label for each combination of its neighbours'
 * labels. */
#ifndef CLAST_PLAN_SOLVE_TRAIL_H
#define CLAST_PLAN_SOLVE_TRAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "mem.h"

/* The original labels that are left of a variable. */
typedef struct label_names {
	uint32_t labels;
	uint16_t *label; /* ascending; NULL: 0 .. labels-1 */
} label_names;

/* Records lie in chunks, so that they never move however long the trail becomes. */
typedef struct trail_chunk {
	size_t start; /* words in the chunks before it */
	size_t words, capacity;
	uint32_t *word;
} trail_chunk;

typedef struct trail {
	mem *m;
	size_t words; /* in all chunks: how far the trail goes */
	trail_chunk *chunk;
	size_t chunks, chunk_capacity;
	label_names *name; /* name[0] is the identity */
	size_t names, name_capacity;
} trail;

bool trail_init(trail *t, mem *m);
/* Also after trail_init has failed, and on a trail whose m is NULL. */
void trail_release(trail *t);
/* Opens a record: the id of a variable, and for each of its neighbours the id, the names and the number of
 * labels, three words each, to be filled in by the caller after the first two words; then room for the best
 * labels, which follow. NULL: out of memory. */
uint32_t *trail_open(trail *t, uint32_t id, uint32_t neighbours, size_t entries);
/* The names of labels[0 .. count), which it takes over; 0: out of memory, and it has freed them. */
uint32_t trail_name(trail *t, uint32_t count, uint16_t *label);
/* Forgets what came after a state of the trail. */
void trail_cut(trail *t, size_t words, size_t names);
/* Sets the labels of the variables eliminated since `words`, last first, from those of the variables left. */
void trail_replay(const trail *t, size_t words, uint16_t *label);

#endif
