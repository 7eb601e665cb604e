/* Size classes of 16 bytes over a region; larger blocks come from the allocator and are chained for
 * release. */
#include "solve_pool.h"

typedef struct pool_large {
	struct pool_large *next, *previous;
	size_t bytes;
	char pad[40]; /* keeps the block aligned to a cache line */
} pool_large;

void pool_init(pool *p, mem *m)
{
	*p = (pool){ .large = NULL };
	bump_init(&p->small, m);
}

void pool_release(pool *p)
{
	while (p->large) {
		pool_large *l = p->large;
		p->large = l->next;
		mem_free(p->small.m, l, sizeof *l + l->bytes);
	}
	mem *m = p->small.m;
	bump_release(&p->small);
	pool_init(p, m);
}

static size_t size_class(size_t bytes)
{
	return bytes == 0 ? 1 : (bytes + 15) / 16;
}

void *pool_alloc(pool *p, size_t bytes)
{
	const size_t class = size_class(bytes);
	if (class <= POOL_CLASSES) {
		void **block = p->free[class];
		if (!block)
			return bump_alloc(&p->small, class * 16);
		p->free[class] = *block;
		return block;
	}
	if (bytes > SIZE_MAX / 2)
		return NULL;
	pool_large *l = mem_alloc(p->small.m, sizeof *l + bytes);
	if (!l)
		return NULL;
	*l = (pool_large){ .next = p->large, .bytes = bytes };
	if (p->large)
		p->large->previous = l;
	p->large = l;
	return l + 1;
}

void pool_free(pool *p, void *block, size_t bytes)
{
	const size_t class = size_class(bytes);
	if (!block)
		return;
	if (class <= POOL_CLASSES) {
		*(void **)block = p->free[class];
		p->free[class] = block;
		return;
	}
	pool_large *l = (pool_large *)block - 1;
	if (l->previous)
		l->previous->next = l->next;
	else
		p->large = l->next;
	if (l->next)
		l->next->previous = l->previous;
	mem_free(p->small.m, l, sizeof *l + l->bytes);
}
