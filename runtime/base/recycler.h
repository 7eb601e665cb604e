/* An allocator that keeps what it is given back, for work that allocates the same again and again: from the second time on the one
 * below is not asked. Blocks that are kept count as used there. */
#ifndef CLAST_BASE_RECYCLER_H
#define CLAST_BASE_RECYCLER_H

#include "mem.h"

/* Sizes are rounded up to four steps an octave. */
#define RECYCLER_CLASSES 256

typedef struct recycler {
	mem *below;
	void *free[RECYCLER_CLASSES]; /* lists of blocks, linked through their first bytes */
	mem memory;                   /* what users allocate from; belongs to one thread at a time */
} recycler;

/* below must stay where it is, and so must the recycler while blocks exist. */
void recycler_init(recycler *r, mem *below);
/* Gives everything that is kept back to the mem below. */
void recycler_flush(recycler *r);

#endif
