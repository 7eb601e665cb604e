/* An allocator for tests: fails at will, and knows what was not released. */
#ifndef CLAST_TESTS_FAILING_H
#define CLAST_TESTS_FAILING_H

#include <stdlib.h>

#include "clast/clast.h"

typedef struct failing {
	size_t calls;      /* allocations asked for so far */
	size_t fail_at;    /* the first call, counted from 1, that fails; 0: none */
	bool for_ever;     /* so do all after it */
	size_t live_bytes; /* allocated and not released */
	int64_t live;      /* the same in blocks */
} failing;

static inline void *failing_allocate(void *context, size_t bytes, size_t alignment)
{
	failing *f = context;
	f->calls++;
	if (f->fail_at && (f->for_ever ? f->calls >= f->fail_at : f->calls == f->fail_at))
		return NULL;
	void *p;
	if (posix_memalign(&p, alignment, bytes))
		return NULL;
	f->live_bytes += bytes;
	f->live++;
	return p;
}

static inline void failing_release(void *context, void *memory, size_t bytes)
{
	failing *f = context;
	f->live_bytes -= bytes;
	f->live -= memory != NULL;
	free(memory);
}

static inline clast_allocator failing_allocator(failing *f)
{
	return (clast_allocator){ failing_allocate, failing_release, f };
}

#endif
