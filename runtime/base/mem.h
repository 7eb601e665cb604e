/* Memory: every allocation of a model, a plan or a session goes through a mem, which counts bytes against a
 * budget and takes them from the caller's allocator. Tests inject failures through that allocator. */
#ifndef CLAST_BASE_MEM_H
#define CLAST_BASE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "clast/clast.h"

/* Every block is aligned to a cache line, which is also the widest vector. */
#define MEM_ALIGNMENT 64

typedef struct mem {
	clast_allocator allocator;
	size_t limit_bytes; /* 0: none */
	_Atomic size_t used_bytes;
	_Atomic size_t peak_bytes;
} mem;

/* allocator may be NULL for the C library's. The mem must stay where it is while blocks of it exist. */
void mem_init(mem *m, const clast_allocator *allocator, size_t limit_bytes);

/* A block of at least `bytes` bytes, aligned to MEM_ALIGNMENT, uninitialised. NULL when the allocator fails
 * or the budget is spent. 0 bytes give a block too, to be freed as one of 0 bytes. Safe to call from many
 * threads. */
void *mem_alloc(mem *m, size_t bytes);
/* The same, zeroed. */
void *mem_calloc(mem *m, size_t bytes);
/* n elements of element_bytes, uninitialised; NULL also when the product overflows. */
void *mem_array(mem *m, size_t n, size_t element_bytes);
/* Moves a block to a new size and keeps the smaller number of bytes. p may be NULL with old_bytes 0.
 * On failure the result is NULL and the old block is untouched. */
void *mem_resize(mem *m, void *p, size_t old_bytes, size_t new_bytes);
/* bytes must be those asked for; p may be NULL. */
void mem_free(mem *m, void *p, size_t bytes);

/* Makes room for `need` elements in a growing array. array is the address of the element pointer (any type).
 * The capacity grows by half at least, so that appending one by one is linear. The array is released with
 * mem_free(m, array, capacity * element_bytes). On failure everything is as before. */
bool grow(mem *m, void *array, size_t *capacity, size_t need, size_t element_bytes);

/* A region: blocks are taken one after the other and released all at once. Belongs to one thread at a time.
 */
typedef struct bump {
	mem *m;
	struct bump_chunk *chunks; /* the one in use first, then the full and the large ones */
	char *at, *end;            /* free bytes of the chunk in use */
	size_t next_bytes;         /* size of the next chunk */
} bump;

void bump_init(bump *b, mem *m);
/* A zeroed block aligned to 16 bytes; NULL on failure. */
void *bump_alloc(bump *b, size_t bytes);
/* The same for what is filled at once: large blocks are not zeroed first. */
void *bump_raw(bump *b, size_t bytes);
void *bump_array(bump *b, size_t n, size_t element_bytes);
/* A copy of `length` bytes with a terminating zero. */
char *bump_string(bump *b, const char *bytes, size_t length);
/* Frees everything; the bump can be used again. */
void bump_release(bump *b);

#endif
