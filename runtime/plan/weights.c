/* The pool of packed weights of a plan: one copy for all shapes and sessions. */
#include <string.h>

#include "plan.h"

struct packed_weight {
	packing_id packing;
	weights_shape shape;
	void *key;
	size_t key_bytes;
	void *data;
	size_t bytes;
};

typedef struct wanted {
	const clast_plan *p;
	packing_id packing;
	const weights_shape *shape;
	const void *key;
	size_t key_bytes;
} wanted;

static bool same_weight(const void *context, uint32_t index)
{
	const wanted *w = context;
	const packed_weight *x = &w->p->weights[index];
	return x->packing == w->packing && x->key_bytes == w->key_bytes && !memcmp(&x->shape, w->shape, sizeof x->shape) &&
	       !memcmp(x->key, w->key, w->key_bytes);
}

static clast_status pack_new(clast_plan *p, const wanted *w, const weights_source *source, uint64_t hash, uint32_t *index,
                             clast_diag *d)
{
	const weights_packing *how = cpu_kernels_get()->packing[w->packing];
	const size_t bytes = how->bytes(w->shape);
	if (bytes == SIZE_MAX)
		return fail(d, CLAST_ERROR_LIMIT, "the size of packed weights overflows");
	if (!grow(&p->memory, &p->weights, &p->weight_capacity, p->weight_count + 1, sizeof *p->weights))
		return fail_memory(d, 0);
	void *key = bump_alloc(&p->region, w->key_bytes);
	void *data = mem_alloc(&p->memory, bytes);
	if (!key || !data || !index_set_add(&p->weight_set, hash, (uint32_t)p->weight_count)) {
		mem_free(&p->memory, data, bytes);
		return fail_memory(d, bytes);
	}
	memcpy(key, w->key, w->key_bytes);
	how->pack(w->shape, source, data);
	p->weights[p->weight_count] = (packed_weight){ w->packing, *w->shape, key, w->key_bytes, data, bytes };
	p->weight_bytes += bytes;
	*index = (uint32_t)p->weight_count++;
	return CLAST_OK;
}

clast_status plan_weight(clast_plan *p, packing_id how, const weights_shape *form, const weights_source *source,
                         const void *key, size_t key_bytes, const void **packed, clast_diag *d)
{
	const wanted w = { p, how, form, key, key_bytes };
	const uint64_t hash = hash_bytes(key, key_bytes) ^ hash_bytes(form, sizeof *form) * 31 ^ (uint64_t)how;
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE)
		s = pack_new(p, &w, source, hash, &index, d);
	if (!s)
		*packed = p->weights[index].data;
	pthread_mutex_unlock(&p->lock);
	return s;
}

void plan_release_weights(clast_plan *p)
{
	for (size_t i = 0; i < p->weight_count; i++)
		mem_free(&p->memory, p->weights[i].data, p->weights[i].bytes);
	mem_free(&p->memory, p->weights, p->weight_capacity * sizeof *p->weights);
	index_set_release(&p->weight_set);
}
