/* A pool of threads that all run the same function on parts of the same work (SPMD). */
#ifndef CLAST_BASE_THREAD_POOL_H
#define CLAST_BASE_THREAD_POOL_H

#include <stddef.h>

#include "mem.h"

typedef struct thread_pool thread_pool;

#define THREAD_POOL_MAX 256

/* threads counts the caller of thread_pool_run as one; 0 means one for each CPU the caller may run on. More
 * than THREAD_POOL_MAX are cut to that. m must outlive the pool. */
CLAST_MUST_CHECK clast_status thread_pool_create(mem *m, size_t threads, thread_pool **pool, clast_diag *d);
/* No run may be in progress. Sets the pointer to NULL. */
void thread_pool_free(thread_pool **pool);
size_t thread_pool_threads(const thread_pool *pool);

/* Calls body once in every worker, with workers numbered from 0 (the caller), and returns when all have
 * returned: what they wrote is then visible to the caller. Calls from several threads take turns. body must
 * not call it. */
void thread_pool_run(thread_pool *pool, void (*body)(void *context, size_t worker, size_t workers),
		     void *context);
/* Called by all workers of a run: returns when all have called it, and makes their writes visible to one
 * another. */
void thread_pool_barrier(thread_pool *pool, size_t worker);

/* The part of [0, total) that a worker takes: parts differ by one at most and depend on nothing else. */
static inline void task_range(size_t total, size_t worker, size_t workers, size_t *begin, size_t *end)
{
	const size_t share = total / workers, rest = total % workers;
	*begin = worker * share + (worker < rest ? worker : rest);
	*end = *begin + share + (worker < rest);
}

#endif
