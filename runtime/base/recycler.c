#include "recycler.h"

#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { LEAST_BITS = 6, STEPS = 4 };

/* The class of a size, and the bytes that its blocks have. Sizes up to 64 bytes are one class. */
static size_t class_of(size_t bytes, size_t *rounded)
{
	size_t least = (size_t)1 << LEAST_BITS;
	if (bytes <= least) {
		*rounded = least;
		return 0;
	}
	const size_t octave = 63 - (size_t)__builtin_clzll(bytes - 1), step = (size_t)1 << (octave - 2);
	const size_t over = bytes - ((size_t)1 << octave), steps = (over + step - 1) / step;
	*rounded = ((size_t)1 << octave) + steps * step;
	return (octave - LEAST_BITS) * STEPS + steps;
}

static void *allocate(void *context, size_t bytes, size_t alignment)
{
	recycler *r = context;
	size_t rounded;
	(void)alignment; /* that of every mem */
	const size_t class = class_of(bytes, &rounded);
	void *p = r->free[class];
	if (p) {
		ASAN_UNPOISON_MEMORY_REGION(p, rounded);
		memcpy(&r->free[class], p, sizeof p);
		return p;
	}
	p = mem_alloc(r->below, rounded);
	if (!p) {
		recycler_flush(r); /* what is kept may be in the way */
		p = mem_alloc(r->below, rounded);
	}
	return p;
}

static void release(void *context, void *p, size_t bytes)
{
	recycler *r = context;
	size_t rounded;
	const size_t class = class_of(bytes, &rounded);
	memcpy(p, &r->free[class], sizeof p);
	r->free[class] = p;
	ASAN_POISON_MEMORY_REGION(p, rounded);
}

void recycler_init(recycler *r, mem *below)
{
	const clast_allocator own = { allocate, release, r };
	memset(r, 0, sizeof *r);
	r->below = below;
	mem_init(&r->memory, &own, 0);
}

void recycler_flush(recycler *r)
{
	for (size_t class = 0; class < RECYCLER_CLASSES; class++) {
		const size_t steps = class ? (class - 1) % STEPS + 1 : 0, octave = LEAST_BITS + (class ? (class - 1) / STEPS : 0);
		while (r->free[class]) {
			void *p = r->free[class];
			const size_t bytes = ((size_t)1 << octave) + (steps << (octave - 2));
			ASAN_UNPOISON_MEMORY_REGION(p, bytes);
			memcpy(&r->free[class], p, sizeof p);
			mem_free(r->below, p, bytes);
		}
	}
}
