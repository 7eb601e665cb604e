/* Hash tables. */
#ifndef CLAST_BASE_MAP_H
#define CLAST_BASE_MAP_H

#include "mem.h"

#include <stdint.h>

/* A set of indices into an array that belongs to the caller, found by hash: the base of map and of
 * hash-consing. Open addressing; a slot holds 32 bits of the hash, so that growing does not touch the
 * caller's array. */
typedef struct index_set {
	mem *m;
	uint64_t *slots; /* hash << 32 | index + 1; 0 is empty */
	size_t capacity; /* a power of two, or 0 */
	size_t count;
} index_set;

#define INDEX_NONE UINT32_MAX

void index_set_init(index_set *s, mem *m);
void index_set_release(index_set *s);
/* The index with this hash for which same(context, index) holds, or INDEX_NONE. */
uint32_t index_set_find(const index_set *s, uint64_t hash, bool (*same)(const void *context, uint32_t index),
			const void *context);
/* Adds an index that is not in the set. false when memory runs out; the set is as before then. */
bool index_set_add(index_set *s, uint64_t hash, uint32_t index);

/* A hash with a seed drawn once per process, so that a file cannot be made to collide. */
uint64_t hash_bytes(const void *bytes, size_t length);

/* From strings to uint32_t. Keys are copied. */
typedef struct map {
	bump names;
	index_set set;
	struct map_entry *entries;
	size_t capacity;
	uint32_t count;
} map;

void map_init(map *t, mem *m);
void map_release(map *t);
/* false if the key is not there; *value is left alone then. value may be NULL. */
bool map_get(const map *t, const char *key, uint32_t *value);
/* Adds a key or replaces its value. false when memory runs out. */
bool map_put(map *t, const char *key, uint32_t value);

#endif
