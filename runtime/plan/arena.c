/* Offsets for buffers with known lifetimes: greedy, largest first, each at the lowest place that is free while it lives. Where that leaves
 * gaps, other orders are tried until one reaches the most bytes that live at one time, below which no arena can be. Large plans use a
 * sweep over time with a free list instead, which is nearly linear. */
#include <stdlib.h>
#include <string.h>

#include "spec.h"

#define ALIGNMENT 64
#define GREEDY_LIMIT 3000

static size_t round_up(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

typedef struct item {
	uint32_t buffer;
	size_t bytes, weight;   /* weight: greedy takes the heaviest first */
	uint32_t first, last;
} item;

static int by_weight(const void *a, const void *b)
{
	const item *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return x->buffer < y->buffer ? -1 : 1;
}

static int by_first(const void *a, const void *b)
{
	const item *x = a, *y = b;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->buffer < y->buffer ? -1 : 1;
}

static int by_last(const void *a, const void *b)
{
	const item *x = a, *y = b;
	if (x->last != y->last)
		return x->last < y->last ? -1 : 1;
	return x->buffer < y->buffer ? -1 : 1;
}

/* Placed items in the order of their offsets. */
typedef struct placed {
	size_t offset, end;
	uint32_t first, last;
} placed;

/* offsets: by buffer. */
static size_t greedy(const item *items, size_t n, placed *list, size_t *offsets)
{
	size_t top = 0;
	for (size_t i = 0; i < n; i++) {
		size_t at = 0, j;
		for (j = 0; j < i; j++) {
			const placed *p = &list[j];
			if (p->last < items[i].first || p->first > items[i].last)
				continue;
			if (p->offset >= at + items[i].bytes)
				break;
			if (p->end > at)
				at = p->end;
		}
		size_t k = i; /* keep the list sorted by offset */
		for (; k > 0 && list[k - 1].offset > at; k--)
			list[k] = list[k - 1];
		list[k] = (placed){ at, at + items[i].bytes, items[i].first, items[i].last };
		offsets[items[i].buffer] = at;
		if (at + items[i].bytes > top)
			top = at + items[i].bytes;
	}
	return top;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Orders in turn: by size, by size times lifetime, by lifetime, then by size with noise. */
static void weigh(item *items, size_t n, size_t attempt, uint64_t *state)
{
	for (size_t i = 0; i < n; i++) {
		const size_t life = (size_t)items[i].last - items[i].first + 1, kilobytes = items[i].bytes / 1024 + 1;
		items[i].weight = attempt == 0 ? items[i].bytes : attempt == 1 ? kilobytes * life :
		                  attempt == 2 ? life : items[i].bytes / 256 * (128 + next_random(state) % 256);
	}
	qsort(items, n, sizeof *items, by_weight);
}

/* Steps of the greedy placement that all attempts together may cost: some milliseconds. */
enum { ATTEMPTS = 300, PLACEMENT_STEPS = 4000000 };

static size_t place(specialisation *s, item *items, size_t n, placed *list, size_t *offsets)
{
	uint64_t state = 1;
	size_t best = SIZE_MAX, spent = 0;
	for (size_t attempt = 0; attempt < ATTEMPTS && best > s->live_bytes; attempt++) {
		if (attempt && (spent += n * n / 2 + n) > PLACEMENT_STEPS)
			break;
		weigh(items, n, attempt, &state);
		const size_t top = greedy(items, n, list, offsets);
		if (top >= best)
			continue;
		best = top;
		for (size_t i = 0; i < n; i++)
			s->buffers[items[i].buffer].offset = offsets[items[i].buffer];
	}
	return best;
}

/* Free ranges, sorted by offset, with a bounded search. */
typedef struct range {
	size_t offset, bytes;
} range;

static void give_back(range *list, size_t *count, size_t offset, size_t bytes)
{
	size_t lo = 0, hi = *count;
	while (lo < hi) {
		const size_t middle = lo + (hi - lo) / 2;
		if (list[middle].offset < offset)
			lo = middle + 1;
		else
			hi = middle;
	}
	const bool left = lo > 0 && list[lo - 1].offset + list[lo - 1].bytes == offset;
	const bool right = lo < *count && offset + bytes == list[lo].offset;
	if (left && right) {
		list[lo - 1].bytes += bytes + list[lo].bytes;
		memmove(list + lo, list + lo + 1, (*count - lo - 1) * sizeof *list);
		(*count)--;
	} else if (left) {
		list[lo - 1].bytes += bytes;
	} else if (right) {
		list[lo].offset = offset;
		list[lo].bytes += bytes;
	} else {
		memmove(list + lo + 1, list + lo, (*count - lo) * sizeof *list);
		list[lo] = (range){ offset, bytes };
		(*count)++;
	}
}

static size_t take(range *list, size_t *count, size_t bytes, size_t *top)
{
	size_t best = *count;
	for (size_t i = 0; i < *count && i < 256; i++)
		if (list[i].bytes >= bytes && (best == *count || list[i].bytes < list[best].bytes))
			best = i;
	if (best == *count) {
		const size_t at = *top;
		*top += bytes;
		return at;
	}
	const size_t at = list[best].offset;
	list[best].offset += bytes;
	list[best].bytes -= bytes;
	if (!list[best].bytes) {
		memmove(list + best, list + best + 1, (*count - best - 1) * sizeof *list);
		(*count)--;
	}
	return at;
}

static size_t sweep(specialisation *s, item *items, size_t n, range *list, item *ends)
{
	size_t top = 0, count = 0, ended = 0;
	memcpy(ends, items, n * sizeof *items);
	qsort(ends, n, sizeof *ends, by_last);
	for (size_t i = 0; i < n; i++) {
		for (; ended < n && ends[ended].last < items[i].first; ended++)
			give_back(list, &count, s->buffers[ends[ended].buffer].offset, ends[ended].bytes);
		s->buffers[items[i].buffer].offset = take(list, &count, items[i].bytes, &top);
	}
	return top;
}

/* items by first step. */
static size_t most_alive(const item *items, size_t n, item *ends)
{
	size_t alive = 0, most = 0, ended = 0;
	memcpy(ends, items, n * sizeof *items);
	qsort(ends, n, sizeof *ends, by_last);
	for (size_t i = 0; i < n; i++) {
		for (; ended < n && ends[ended].last < items[i].first; ended++)
			alive -= ends[ended].bytes;
		alive += items[i].bytes;
		if (alive > most)
			most = alive;
	}
	return most;
}

clast_status arena_plan(specialisation *s, clast_diag *d)
{
	const size_t n = s->buffer_count;
	const size_t bytes = n * (2 * sizeof(item) + sizeof(placed) + sizeof(size_t)) + 1;
	char *work = mem_alloc(s->memory, bytes);
	if (!work)
		return fail_memory(d, bytes);
	item *items = (item *)work, *ends = items + n;
	placed *list = (placed *)(ends + n);
	size_t *offsets = (size_t *)(list + n);
	size_t total = 0, count = 0;
	for (size_t i = 0; i < n; i++) {
		const spec_buffer *b = &s->buffers[i];
		const size_t size = round_up(b->bytes);
		if (b->bytes > SIZE_MAX / 4 || total > SIZE_MAX / 2) {
			mem_free(s->memory, work, bytes);
			return fail(d, CLAST_ERROR_LIMIT, "the tensors of this model do not fit into the address space");
		}
		total += b->given ? 0 : size;
		if (size && !b->given)
			items[count++] = (item){ (uint32_t)i, size, 0, b->first, b->last };
	}
	qsort(items, count, sizeof *items, by_first);
	s->live_bytes = most_alive(items, count, ends);
	if (s->keep) {
		size_t at = 0;
		for (size_t i = 0; i < count; i++, at += items[i - 1].bytes)
			s->buffers[items[i].buffer].offset = at;
		s->arena_bytes = total;
	} else if (count <= GREEDY_LIMIT) {
		s->arena_bytes = count ? place(s, items, count, list, offsets) : 0;
	} else {
		s->arena_bytes = sweep(s, items, count, (range *)list, ends);
	}
	mem_free(s->memory, work, bytes);
	return CLAST_OK;
}
