#include "scope.h"

#include <string.h>

typedef struct name_key {
	const names *n;
	const char *name;
	uint32_t scope;
} name_key;

static bool same(const void *context, uint32_t index)
{
	const name_key *k = context;
	return k->n->entries[index].scope == k->scope && !strcmp(k->n->entries[index].name, k->name);
}

/* Golden-ratio multiples spread the scopes; the names' hash is seeded. */
static uint64_t name_hash(uint32_t number, const char *name)
{
	return hash_bytes(name, strlen(name)) ^ (number + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

void names_init(names *n, mem *m)
{
	*n = (names){ 0 };
	index_set_init(&n->set, m);
}

void names_release(names *n)
{
	mem *m = n->set.m;
	mem_free(m, n->entries, n->capacity * sizeof(*n->entries));
	index_set_release(&n->set);
	names_init(n, m);
}

scope names_open(names *n, const scope *outer, const struct frame *frame, graph_id g)
{
	return (scope){ .outer = outer, .frame = frame, .graph = g, .number = n->scopes++ };
}

bool names_find_here(const names *n, const scope *s, const char *name, value_id *out)
{
	const name_key key = { n, name, s->number };
	const uint32_t index = index_set_find(&n->set, name_hash(s->number, name), same, &key);
	if (index != INDEX_NONE)
		*out = n->entries[index].value;
	return index != INDEX_NONE;
}

bool names_find(const names *n, const scope *s, const char *name, value_id *out)
{
	for (; s; s = s->outer)
		if (names_find_here(n, s, name, out))
			return true;
	return false;
}

clast_status names_bind(names *n, const scope *s, const char *name, value_id v, clast_diag *d)
{
	value_id other;
	if (!*name)
		return fail(d, CLAST_ERROR_MODEL, "a value has an empty name");
	if (names_find(n, s, name, &other)) {
		diag_value(d, name);
		if (names_find_here(n, s, name, &other))
			return fail(d, CLAST_ERROR_MODEL, "the value \"%s\" is defined twice",
				    quote(name).text);
		return fail(d, CLAST_ERROR_MODEL,
			    "the value \"%s\" of a subgraph hides one of a graph around it",
			    quote(name).text);
	}
	if (n->count >= INDEX_NONE - 1)
		return fail(d, CLAST_ERROR_LIMIT, "too many values");
	if (!grow(n->set.m, &n->entries, &n->capacity, n->count + 1, sizeof(*n->entries)))
		return fail_memory(d, 0);
	n->entries[n->count] = (struct name_entry){ .name = name, .scope = s->number, .value = v };
	if (!index_set_add(&n->set, name_hash(s->number, name), (uint32_t)n->count))
		return fail_memory(d, 0);
	n->count++;
	return CLAST_OK;
}
