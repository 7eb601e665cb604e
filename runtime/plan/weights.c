/* The pool of packed weights of a plan: one copy for all shapes and sessions. */
#include <string.h>

#include "checked.h"
#include "plan.h"

struct packed_weight {
	packing_id packing;
	weights_shape shape;
	void *key;
	size_t key_bytes;
	const void *data;
};

/* Memory for weights comes in chunks that double: small tensors side by side cost fewer pages than one block each. */
struct weight_chunk {
	struct weight_chunk *next;
	size_t bytes, used;
	_Alignas(MEM_ALIGNMENT) char data[];
};

enum { FIRST_CHUNK_BYTES = 1 << 16, LAST_CHUNK_BYTES = 8 << 20 };

/* Elements as they are, at an aligned address. */
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
	const packed_weight *x = &w->p->weights[index];
	return x->packing == w->packing && x->key_bytes == w->key_bytes && !memcmp(&x->shape, w->shape, sizeof x->shape) &&
	       !memcmp(x->key, w->key, w->key_bytes);
}

static void *chunk_alloc(clast_plan *p, size_t bytes)
{
	struct weight_chunk *c = p->weight_chunks;
	bytes = (bytes + MEM_ALIGNMENT - 1) / MEM_ALIGNMENT * MEM_ALIGNMENT;
	if (!c || bytes > c->bytes - c->used) {
		size_t size = c ? 2 * c->bytes : FIRST_CHUNK_BYTES, whole;
		size = size > LAST_CHUNK_BYTES ? LAST_CHUNK_BYTES : size;
		size = bytes > size / 2 ? bytes : size; /* a large one alone */
		if (!size_add(size, sizeof *c, &whole) || !(c = mem_alloc(&p->memory, whole)))
			return NULL;
		*c = (struct weight_chunk){ .bytes = size };
		/* The one with most room stays in front. */
		struct weight_chunk **at = &p->weight_chunks;
		if (*at && (*at)->bytes - (*at)->used > size - bytes)
			at = &(*at)->next;
		c->next = *at;
		*at = c;
	}
	void *data = c->data + c->used;
	c->used += bytes;
	return data;
}

/* The bytes that hold the source's elements are not needed soon. */
static void forget_source(const clast_plan *p, const weights_shape *s, const weights_source *source)
{
	const size_t count[] = { s->groups, s->out_channels, s->in_channels, s->kernel[0], s->kernel[1], s->kernel[2] };
	const ptrdiff_t stride[] = { source->group, source->out, source->in, source->tap[0], source->tap[1], source->tap[2] };
	ptrdiff_t low = 0, high = 1;
	for (int i = 0; i < 6; i++) {
		const ptrdiff_t reach = count[i] ? (ptrdiff_t)(count[i] - 1) * stride[i] : 0;
		low += reach < 0 ? reach : 0;
		high += reach > 0 ? reach : 0;
	}
	model_forget(p->model, source->data + low, (size_t)(high - low) * sizeof(float));
}

static clast_status new_weight(clast_plan *p, const wanted *w, size_t bytes, uint64_t hash, void **data, uint32_t *index,
                               clast_diag *d)
{
	if (bytes > PTRDIFF_MAX - MEM_ALIGNMENT)
		return fail(d, CLAST_ERROR_LIMIT, "the size of packed weights overflows");
	if (!grow(&p->memory, &p->weights, &p->weight_capacity, p->weight_count + 1, sizeof *p->weights))
		return fail_memory(d, 0);
	void *key = bump_alloc(&p->region, w->key_bytes);
	*data = key ? chunk_alloc(p, bytes) : NULL;
	if (!*data || !index_set_add(&p->weight_set, hash, (uint32_t)p->weight_count))
		return fail_memory(d, bytes);
	memcpy(key, w->key, w->key_bytes);
	p->weights[p->weight_count] = (packed_weight){ w->packing, *w->shape, key, w->key_bytes, *data };
	p->weight_bytes += bytes;
	*index = (uint32_t)p->weight_count++;
	return CLAST_OK;
}

clast_status plan_weight(clast_plan *p, packing_id how, const weights_shape *form, const weights_source *source,
                         const void *key, size_t key_bytes, const void **packed, clast_diag *d)
{
	const weights_packing *packing = cpu_kernels_get()->packing[how];
	const wanted w = { p, how, form, key, key_bytes };
	const uint64_t hash = hash_bytes(key, key_bytes) ^ hash_bytes(form, sizeof *form) * 31 ^ (uint64_t)how;
	void *data;
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE) {
		s = new_weight(p, &w, packing->bytes(form), hash, &data, &index, d);
		if (!s) {
			packing->pack(form, source, data);
			forget_source(p, form, source);
		}
	}
	if (!s)
		*packed = p->weights[index].data;
	pthread_mutex_unlock(&p->lock);
	return s;
}

clast_status plan_aligned(clast_plan *p, const tensor_view *constant, const void **out, clast_diag *d)
{
	const weights_shape none = { 0 };
	const size_t bytes = (size_t)view_count(constant) * clast_dtype_bytes(constant->dtype);
	const void *from = constant->data;
	const wanted w = { p, PACKING_NONE, &none, &from, sizeof from };
	const uint64_t hash = hash_bytes(&from, sizeof from);
	void *data;
	clast_status s = CLAST_OK;
	*out = from;
	if (view_is_aligned(constant))
		return CLAST_OK;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE) {
		s = new_weight(p, &w, bytes, hash, &data, &index, d);
		if (!s) {
			memcpy(data, from, bytes);
			model_forget(p->model, from, bytes);
		}
	}
	if (!s)
		*out = p->weights[index].data;
	pthread_mutex_unlock(&p->lock);
	return s;
}

/* What tells a constant in an order from others: its elements and how they lie. */
typedef struct turned {
	const void *from;
	int64_t strides[CLAST_MAX_RANK];
	uint8_t split[CLAST_MAX_RANK];
	axis_factor factors[VIEW_MAX_FACTORS];
} turned;

clast_status plan_turned(clast_plan *p, const tensor_view *constant, tensor_view *to, clast_diag *d)
{
	const weights_shape none = { 0 };
	const size_t bytes = (size_t)view_count(constant) * clast_dtype_bytes(constant->dtype);
	turned key;
	memset(&key, 0, sizeof key);
	key.from = constant->data;
	memcpy(key.strides, to->strides, sizeof key.strides);
	memcpy(key.split, to->split, sizeof key.split);
	memcpy(key.factors, to->factors, sizeof key.factors);
	const wanted w = { p, PACKING_NONE, &none, &key, sizeof key };
	const uint64_t hash = hash_bytes(&key, sizeof key);
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&p->lock);
	uint32_t index = index_set_find(&p->weight_set, hash, same_weight, &w);
	if (index == INDEX_NONE) {
		s = new_weight(p, &w, bytes, hash, &to->data, &index, d);
		if (!s) {
			view_copy(to, constant);
			model_forget(p->model, constant->data, bytes);
		}
	}
	if (!s)
		to->data = (void *)p->weights[index].data;
	pthread_mutex_unlock(&p->lock);
	return s;
}

void plan_release_weights(clast_plan *p)
{
	for (struct weight_chunk *c = p->weight_chunks, *next; c; c = next) {
		next = c->next;
		mem_free(&p->memory, c, c->bytes + sizeof *c);
	}
	mem_free(&p->memory, p->weights, p->weight_capacity * sizeof *p->weights);
	index_set_release(&p->weight_set);
}
