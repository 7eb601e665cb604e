/* Constants as TensorProto messages. */
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "exporter.h"

/* Smaller ones stay in the message, where tools look for shapes and axes. */
#define EXTERNAL_LEAST_BYTES 1024
#define EXTERNAL_ALIGNMENT 64

bool tensor_raw_bytes(const tensor_view *v, size_t *bytes)
{
	size_t count;
	const size_t bits = (size_t)dtype_bits(v->dtype);
	if (!dims_count((size_t)v->rank, v->dims, &count))
		return false;
	if (bits >= 8)
		return size_mul(count, bits / 8, bytes);
	const size_t each = 8 / bits;
	*bytes = count / each + (count % each != 0);
	return true;
}

/* Several elements a byte, the first one in the lowest bits. */
static void pack(const tensor_view *v, uint8_t *to, size_t bytes)
{
	const unsigned bits = (unsigned)dtype_bits(v->dtype), each = 8 / bits;
	size_t i = 0;
	memset(to, 0, bytes);
	for (iter it = iter_over(v); iter_next(&it); i++) {
		const unsigned element = ((const uint8_t *)v->data)[iter_offset(v, &it)] & ((1u << bits) - 1);
		to[i / each] |= (uint8_t)(element << i % each * bits);
	}
}

const void *tensor_raw_data(bump *region, const tensor_view *v, size_t bytes)
{
	const bool packed = dtype_bits(v->dtype) < 8;
	if (view_is_dense(v) && !packed)
		return v->data;
	void *copy = bump_alloc(region, bytes ? bytes : 1);
	if (!copy)
		return NULL;
	if (packed) {
		pack(v, copy, bytes);
	} else {
		tensor_view dense;
		view_dense(&dense, v->dtype, v->rank, v->dims, copy);
		view_copy(&dense, v);
	}
	return copy;
}

static clast_status put_strings(exporter *x, const tensor_view *v, Clast__TensorProto *t)
{
	const size_t n = (size_t)view_count(v);
	t->string_data = bump_array(&x->scratch, n ? n : 1, sizeof(*t->string_data));
	if (!t->string_data)
		return export_memory(x);
	for (iter it = iter_over(v); iter_next(&it);) {
		const clast_string *s = (const clast_string *)v->data + iter_offset(v, &it);
		t->string_data[t->n_string_data++] = (ProtobufCBinaryData){ s->length, (uint8_t *)s->bytes };
	}
	return CLAST_OK;
}

static clast_status put_entry(exporter *x, Clast__TensorProto *t, const char *key, const char *text)
{
	Clast__StringStringEntryProto *e = bump_alloc(&x->scratch, sizeof(*e));
	if (!e)
		return export_memory(x);
	clast__string_string_entry_proto__init(e);
	e->key = (char *)key;
	e->value = bump_string(&x->scratch, text, strlen(text));
	t->external_data[t->n_external_data++] = e;
	return e->value ? CLAST_OK : export_memory(x);
}

static clast_status put_external(exporter *x, const tensor_view *v, size_t bytes, Clast__TensorProto *t)
{
	char number[32];
	size_t at;
	if (!size_round_up(x->external_bytes, EXTERNAL_ALIGNMENT, &at) ||
	    !grow(x->memory, &x->parts, &x->part_capacity, x->part_count + 1, sizeof(*x->parts)))
		return export_memory(x);
	x->parts[x->part_count++] = (external_part){ v, at, bytes };
	x->external_bytes = at + bytes;
	t->has_data_location = true;
	t->data_location = 1;
	t->external_data = bump_array(&x->scratch, 3, sizeof(*t->external_data));
	if (!t->external_data)
		return export_memory(x);
	clast_status s = put_entry(x, t, "location", x->location);
	snprintf(number, sizeof(number), "%zu", at);
	s = s ? s : put_entry(x, t, "offset", number);
	snprintf(number, sizeof(number), "%zu", bytes);
	return s ? s : put_entry(x, t, "length", number);
}

clast_status export_tensor(exporter *x, const tensor_view *v, const char *name, Clast__TensorProto **out)
{
	size_t bytes;
	Clast__TensorProto *t = bump_alloc(&x->scratch, sizeof(*t));
	*out = t;
	if (!t)
		return export_memory(x);
	clast__tensor_proto__init(t);
	t->n_dims = (size_t)v->rank;
	t->dims = (int64_t *)v->dims;
	t->has_data_type = true;
	t->data_type = v->dtype;
	t->name = *name ? (char *)name : NULL;
	if (v->dtype == CLAST_STRING)
		return put_strings(x, v, t);
	if (!tensor_raw_bytes(v, &bytes))
		return fail(x->d, CLAST_ERROR_LIMIT, "constant \"%s\" is too large to be written",
			    quote(name).text);
	if (x->location && *name && bytes >= EXTERNAL_LEAST_BYTES)
		return put_external(x, v, bytes, t);
	t->has_raw_data = true;
	t->raw_data = (ProtobufCBinaryData){ bytes, (uint8_t *)tensor_raw_data(&x->scratch, v, bytes) };
	return t->raw_data.data ? CLAST_OK : export_memory(x);
}
