/* Memory of the solver: many small blocks that come and go. All of it is released at once. */
#ifndef CLAST_PLAN_SOLVE_POOL_H
#define CLAST_PLAN_SOLVE_POOL_H

#include "mem.h"

#define POOL_CLASSES 64

typedef struct pool {
	bump small;
	void *free[POOL_CLASSES +
		   1]; /* released blocks of 16 * index bytes, chained through their first word */
	struct pool_large *large;
} pool;

void pool_init(pool *p, mem *m);
void pool_release(pool *p);
/* An uninitialised block, aligned to 16 bytes; NULL on failure. */
void *pool_alloc(pool *p, size_t bytes);
/* bytes must be those asked for. */
void pool_free(pool *p, void *block, size_t bytes);

#endif
