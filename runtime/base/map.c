#include "map.h"

#include <string.h>
#include <sys/auxv.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t length)
{
	static _Atomic uint64_t seed;
	uint64_t s = atomic_load_explicit(&seed, memory_order_relaxed);
	if (!s) {
		/* 16 random bytes that the kernel hands to every process; every thread reads the same. */
		const void *random = (const void *)getauxval(AT_RANDOM);
		if (random)
			memcpy(&s, random, sizeof(s));
		s |= 1;
		atomic_store_explicit(&seed, s, memory_order_relaxed);
	}
	return XXH3_64bits_withSeed(bytes, length, s);
}

void index_set_init(index_set *s, mem *m)
{
	*s = (index_set){ .m = m };
}

void index_set_release(index_set *s)
{
	mem_free(s->m, s->slots, s->capacity * sizeof(*s->slots));
	index_set_init(s, s->m);
}

uint32_t index_set_find(const index_set *s, uint64_t hash, bool (*same)(const void *context, uint32_t index),
			const void *context)
{
	if (!s->capacity)
		return INDEX_NONE;
	const uint64_t tag = hash >> 32;
	for (size_t at = tag & (s->capacity - 1); s->slots[at]; at = (at + 1) & (s->capacity - 1)) {
		const uint32_t index = (uint32_t)s->slots[at] - 1;
		if (s->slots[at] >> 32 == tag && same(context, index))
			return index;
	}
	return INDEX_NONE;
}

static void insert(uint64_t *slots, size_t capacity, uint64_t slot)
{
	size_t at = (slot >> 32) & (capacity - 1);
	while (slots[at])
		at = (at + 1) & (capacity - 1);
	slots[at] = slot;
}

bool index_set_add(index_set *s, uint64_t hash, uint32_t index)
{
	/* At most three quarters full. */
	if (s->count + 1 > s->capacity - s->capacity / 4) {
		const size_t capacity = s->capacity ? 2 * s->capacity : 16;
		uint64_t *slots =
			capacity <= SIZE_MAX / 16 ? mem_calloc(s->m, capacity * sizeof(*slots)) : NULL;
		if (!slots)
			return false;
		for (size_t i = 0; i < s->capacity; i++)
			if (s->slots[i])
				insert(slots, capacity, s->slots[i]);
		mem_free(s->m, s->slots, s->capacity * sizeof(*s->slots));
		s->slots = slots;
		s->capacity = capacity;
	}
	insert(s->slots, s->capacity, hash >> 32 << 32 | (index + 1u));
	s->count++;
	return true;
}

typedef struct map_entry {
	const char *key;
	uint32_t value;
} map_entry;

void map_init(map *t, mem *m)
{
	*t = (map){ 0 };
	bump_init(&t->names, m);
	index_set_init(&t->set, m);
}

void map_release(map *t)
{
	mem *m = t->names.m;
	mem_free(m, t->entries, t->capacity * sizeof(*t->entries));
	index_set_release(&t->set);
	bump_release(&t->names);
	map_init(t, m);
}

typedef struct lookup {
	const map *t;
	const char *key;
} lookup;

static bool same_key(const void *context, uint32_t index)
{
	const lookup *l = context;
	return !strcmp(l->t->entries[index].key, l->key);
}

bool map_get(const map *t, const char *key, uint32_t *value)
{
	const lookup l = { t, key };
	const uint32_t index = index_set_find(&t->set, hash_bytes(key, strlen(key)), same_key, &l);
	if (index == INDEX_NONE)
		return false;
	if (value)
		*value = t->entries[index].value;
	return true;
}

bool map_put(map *t, const char *key, uint32_t value)
{
	const size_t length = strlen(key);
	const uint64_t hash = hash_bytes(key, length);
	const lookup l = { t, key };
	const uint32_t index = index_set_find(&t->set, hash, same_key, &l);
	if (index != INDEX_NONE) {
		t->entries[index].value = value;
		return true;
	}
	if (t->count == INDEX_NONE - 1 ||
	    !grow(t->names.m, &t->entries, &t->capacity, (size_t)t->count + 1, sizeof(*t->entries)))
		return false;
	char *copy = bump_string(&t->names, key, length);
	if (!copy || !index_set_add(&t->set, hash, t->count))
		return false;
	t->entries[t->count++] = (map_entry){ copy, value };
	return true;
}
