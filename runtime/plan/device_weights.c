/* The pool of constants on the plan's device, packed and plain: one copy for all shapes and sessions. */
#include <string.h>

#include "checked.h"
#include "plan.h"

struct device_weight {
	packing_id packing;
	weights_shape shape;
	void *key;
	size_t key_bytes;
	device_memory *memory;
};

/* Elements as they are. */
#define PACKING_NONE PACKING_COUNT

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
	const device_weight *x = &w->p->device_weights[index];
	return x->packing == w->packing && x->key_bytes == w->key_bytes && !memcmp(&x->shape, w->shape, sizeof x->shape) &&
	       !memcmp(x->key, w->key, w->key_bytes);
}

/* Copies `bytes` of content, under the lock. */
static clast_status add(clast_plan *p, const wanted *w, uint64_t hash, const void *content, size_t bytes, uint32_t *index,
                        clast_diag *d)
{
	device_memory *memory;
	if (!grow(&p->memory, &p->device_weights, &p->device_weight_capacity, p->device_weight_count + 1, sizeof *p->device_weights))
		return fail_memory(d, 0);
	void *key = bump_alloc(&p->region, w->key_bytes);
	if (!key)
		return fail_memory(d, w->key_bytes);
	memcpy(key, w->key, w->key_bytes);
	const clast_status s = device_alloc(p->device, bytes, content, &memory, d);
	if (s)
		return s;
	if (!index_set_add(&p->device_weight_set, hash, (uint32_t)p->device_weight_count)) {
		device_free(&memory);
		return fail_memory(d, 0);
	}
	p->device_weights[p->device_weight_count] = (device_weight){ w->packing, *w->shape, key, w->key_bytes, memory };
	p->weight_bytes += bytes;
	*index = (uint32_t)p->device_weight_count++;
	return CLAST_OK;
}

/* Packed on the host, in memory that lives until it is copied. */
static clast_status pack(clast_plan *p, const wanted *w, uint64_t hash, const weights_packing *how, const weights_source *source,
                         uint32_t *index, clast_diag *d)
{
	const size_t bytes = how->bytes(w->shape);
	if (bytes == SIZE_MAX)
		return fail(d, CLAST_ERROR_LIMIT, "the size of packed weights overflows");
	void *data = mem_alloc(&p->memory, bytes);
	if (!data)
		return fail_memory(d, bytes);
	how->pack(w->shape, source, data);
	const clast_status s = add(p, w, hash, data, bytes, index, d);
	mem_free(&p->memory, data, bytes);
	return s;
}

clast_status plan_device_weight(clast_plan *p, packing_id how, const weights_shape *form, const weights_source *source,
                                const void *key, size_t key_bytes, device_memory **packed, clast_diag *d)
{
	const weights_packing *packing = device_packing(p->device, how);
	const wanted w = { p, how, form, key, key_bytes };
	const uint64_t hash = hash_bytes(key, key_bytes) ^ hash_bytes(form, sizeof *form) * 31 ^ (uint64_t)how;
	clast_status s = CLAST_OK;
	if (!packing)
		return CLAST_ERROR_UNSUPPORTED;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->device_weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE)
		s = pack(p, &w, hash, packing, source, &index, d);
	if (!s)
		*packed = p->device_weights[index].memory;
	pthread_mutex_unlock(&p->lock);
	return s;
}

clast_status plan_device_constant(clast_plan *p, const void *data, size_t bytes, device_memory **out, clast_diag *d)
{
	const weights_shape none = { 0 };
	uintptr_t key[2] = { (uintptr_t)data, bytes };
	const wanted w = { p, PACKING_NONE, &none, key, sizeof key };
	const uint64_t hash = hash_bytes(key, sizeof key);
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->device_weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE)
		s = add(p, &w, hash, data, bytes, &index, d);
	if (!s)
		*out = p->device_weights[index].memory;
	pthread_mutex_unlock(&p->lock);
	return s;
}

void plan_release_device(clast_plan *p)
{
	for (size_t i = 0; i < p->device_weight_count; i++)
		device_free(&p->device_weights[i].memory);
	mem_free(&p->memory, p->device_weights, p->device_weight_capacity * sizeof *p->device_weights);
	index_set_release(&p->device_weight_set);
	device_close(&p->device);
}
