#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "checked.h"

/* Blocks of this size lie in huge pages where the system lets them: one page fault and one entry of the TLB for
 * each 2 MiB. First touching packed weights and arenas by small pages took a third of the time to the first answer. */
#define HUGE_BYTES ((size_t)2 << 20)

static void *default_allocate(void *context, size_t bytes, size_t alignment)
{
	(void)context;
	void *p = NULL;
	const bool huge = bytes >= HUGE_BYTES;
	if (posix_memalign(&p, huge ? HUGE_BYTES : alignment, bytes))
		return NULL;
	if (huge)
		madvise(p, bytes, MADV_HUGEPAGE); /* only a wish */
	return p;
}

static void default_release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

void mem_init(mem *m, const clast_allocator *allocator, size_t limit_bytes)
{
	m->allocator = allocator ? *allocator : (clast_allocator){ default_allocate, default_release, NULL };
	m->limit_bytes = limit_bytes;
	atomic_init(&m->used_bytes, 0);
	atomic_init(&m->peak_bytes, 0);
}

/* Counts bytes in, unless they would overrun the budget. */
static bool reserve(mem *m, size_t bytes)
{
	size_t used = atomic_load_explicit(&m->used_bytes, memory_order_relaxed), sum;
	do {
		if (!size_add(used, bytes, &sum) || (m->limit_bytes && sum > m->limit_bytes))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&m->used_bytes, &used, sum, memory_order_relaxed,
							memory_order_relaxed));
	size_t peak = atomic_load_explicit(&m->peak_bytes, memory_order_relaxed);
	while (sum > peak && !atomic_compare_exchange_weak_explicit(
				     &m->peak_bytes, &peak, sum, memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

static void unreserve(mem *m, size_t bytes)
{
	atomic_fetch_sub_explicit(&m->used_bytes, bytes, memory_order_relaxed);
}

void *mem_alloc(mem *m, size_t bytes)
{
	bytes = bytes ? bytes : 1;
	/* No object may be larger than half the address space: differences of pointers into it must fit
	 * ptrdiff_t. */
	if (bytes > PTRDIFF_MAX || !reserve(m, bytes))
		return NULL;
	void *p = m->allocator.allocate(m->allocator.context, bytes, MEM_ALIGNMENT);
	if (!p)
		unreserve(m, bytes);
	return p;
}

void *mem_calloc(mem *m, size_t bytes)
{
	void *p = mem_alloc(m, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *mem_array(mem *m, size_t n, size_t element_bytes)
{
	size_t bytes;
	return size_mul(n, element_bytes, &bytes) ? mem_alloc(m, bytes) : NULL;
}

void *mem_resize(mem *m, void *p, size_t old_bytes, size_t new_bytes)
{
	void *q = mem_alloc(m, new_bytes);
	if (!q || !p)
		return q;
	memcpy(q, p, old_bytes < new_bytes ? old_bytes : new_bytes);
	mem_free(m, p, old_bytes);
	return q;
}

void mem_free(mem *m, void *p, size_t bytes)
{
	if (!p)
		return;
	bytes = bytes ? bytes : 1;
	m->allocator.release(m->allocator.context, p, bytes);
	unreserve(m, bytes);
}

bool grow(mem *m, void *array, size_t *capacity, size_t need, size_t element_bytes)
{
	if (need <= *capacity)
		return true;
	size_t wanted = *capacity + *capacity / 2, bytes;
	wanted = wanted < 8 ? 8 : wanted;
	wanted = wanted < need ? need : wanted;
	if (!size_mul(wanted, element_bytes, &bytes))
		return false;
	/* The caller's pointer has a type of its own, hence the copies of its bytes. */
	void *old;
	memcpy(&old, array, sizeof(old));
	void *p = mem_resize(m, old, *capacity * element_bytes, bytes);
	if (!p)
		return false;
	memcpy(array, &p, sizeof(p));
	*capacity = wanted;
	return true;
}

typedef struct bump_chunk {
	struct bump_chunk *next;
	size_t bytes; /* of the whole block */
	_Alignas(16) char data[];
} bump_chunk;

enum { BUMP_FIRST_BYTES = 4096, BUMP_LAST_BYTES = 1 << 20 };

void bump_init(bump *b, mem *m)
{
	*b = (bump){ .m = m, .next_bytes = BUMP_FIRST_BYTES };
}

/* A block of its own for a large request: it goes behind the chunk in use, whose rest stays usable. */
static void *bump_large(bump *b, size_t bytes)
{
	bump_chunk *chunk = mem_alloc(b->m, bytes + sizeof(bump_chunk));
	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->bytes = bytes + sizeof(bump_chunk);
	if (b->chunks) {
		chunk->next = b->chunks->next;
		b->chunks->next = chunk;
	} else {
		b->chunks = chunk;
	}
	return chunk->data;
}

static bool bump_refill(bump *b)
{
	bump_chunk *chunk = mem_calloc(b->m, b->next_bytes);
	if (!chunk)
		return false;
	chunk->bytes = b->next_bytes;
	chunk->next = b->chunks;
	b->chunks = chunk;
	b->at = chunk->data;
	b->end = (char *)chunk + chunk->bytes;
	if (b->next_bytes < BUMP_LAST_BYTES)
		b->next_bytes *= 2;
	return true;
}

static size_t bump_round(size_t bytes)
{
	return bytes ? (bytes + 15) & ~(size_t)15 : 16;
}

void *bump_raw(bump *b, size_t bytes)
{
	if (bytes > PTRDIFF_MAX - sizeof(bump_chunk) - 16)
		return NULL;
	bytes = bump_round(bytes);
	if (bytes > (size_t)(b->end - b->at)) {
		if (bytes > (b->next_bytes - sizeof(bump_chunk)) / 4)
			return bump_large(b, bytes);
		if (!bump_refill(b))
			return NULL;
	}
	void *p = b->at;
	b->at += bytes;
	return p;
}

void *bump_alloc(bump *b, size_t bytes)
{
	void *p = bump_raw(b, bytes);
	if (p && (char *)p + bump_round(bytes) != b->at) /* a block of its own; chunks are zeroed */
		memset(p, 0, bytes);
	return p;
}

void *bump_array(bump *b, size_t n, size_t element_bytes)
{
	size_t bytes;
	return size_mul(n, element_bytes, &bytes) ? bump_alloc(b, bytes) : NULL;
}

char *bump_string(bump *b, const char *bytes, size_t length)
{
	size_t with_zero;
	char *s = size_add(length, 1, &with_zero) ? bump_alloc(b, with_zero) : NULL;
	if (s && length)
		memcpy(s, bytes, length);
	return s;
}

void bump_release(bump *b)
{
	for (bump_chunk *chunk = b->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		mem_free(b->m, chunk, chunk->bytes);
	}
	bump_init(b, b->m);
}
