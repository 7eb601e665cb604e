#include <string.h>

#include "checked.h"
#include "tensor_proto.h"

typedef struct writer {
	uint8_t *at;
} writer;

static void put_varint(writer *w, uint64_t x)
{
	for (; x >= 0x80; x >>= 7)
		*w->at++ = (uint8_t)(x | 0x80);
	*w->at++ = (uint8_t)x;
}

static void put_number(writer *w, unsigned field, int64_t x)
{
	put_varint(w, field << 3);
	put_varint(w, (uint64_t)x);
}

/* The tag and the length of a field of bytes. */
static void put_length(writer *w, unsigned field, size_t length)
{
	put_varint(w, field << 3 | 2);
	put_varint(w, length);
}

static void put_bytes(writer *w, unsigned field, const void *bytes, size_t length)
{
	put_length(w, field, length);
	if (length)
		memcpy(w->at, bytes, length);
	w->at += length;
}

enum { HEAD_BYTES = 11 }; /* of a tag and a varint: at least */

static bool message_bound(const tensor_view *v, size_t count, const char *name, size_t *bound)
{
	size_t total = HEAD_BYTES * ((size_t)v->rank + 4);
	if (!size_add(total, strlen(name), &total))
		return false;
	if (v->dtype == CLAST_STRING) {
		for (iter it = iter_over(v); iter_next(&it);) {
			const clast_string *s = (const clast_string *)v->data + iter_offset(v, &it);
			if (!size_add(total, HEAD_BYTES, &total) || !size_add(total, s->length, &total))
				return false;
		}
	} else {
		size_t bytes;
		if (!size_mul(count, clast_dtype_bytes(v->dtype), &bytes) || !size_add(total, bytes, &total))
			return false;
	}
	*bound = total;
	return true;
}

static void put_packed(writer *w, const tensor_view *v, size_t count, unsigned bits)
{
	const size_t each = 8 / bits, bytes = count / each + (count % each != 0);
	size_t i = 0;
	put_length(w, 9, bytes);
	memset(w->at, 0, bytes);
	for (iter it = iter_over(v); iter_next(&it); i++) {
		const unsigned x = ((const uint8_t *)v->data)[iter_offset(v, &it)];
		w->at[i / each] |= (uint8_t)((x & ((1u << bits) - 1)) << i % each * bits);
	}
	w->at += bytes;
}

static void put_raw(writer *w, const tensor_view *v, size_t count)
{
	const size_t element = clast_dtype_bytes(v->dtype);
	if (view_is_dense(v)) {
		put_bytes(w, 9, v->data, count * element);
		return;
	}
	put_length(w, 9, count * element);
	for (iter it = iter_over(v); iter_next(&it); w->at += element)
		memcpy(w->at, (const uint8_t *)v->data + iter_offset(v, &it) * (int64_t)element, element);
}

static void put_strings(writer *w, const tensor_view *v)
{
	for (iter it = iter_over(v); iter_next(&it);) {
		const clast_string *s = (const clast_string *)v->data + iter_offset(v, &it);
		put_bytes(w, 6, s->bytes, s->length);
	}
}

clast_status tensor_proto_write(mem *m, const tensor_view *v, const char *name, uint8_t **bytes, size_t *size,
				size_t *capacity, clast_diag *d)
{
	const size_t count = (size_t)view_count(v);
	*bytes = NULL;
	if (!dtype_is_valid(v->dtype))
		return fail(d, CLAST_ERROR_ARGUMENT, "a tensor of no known dtype cannot be written");
	if (!message_bound(v, count, name, capacity))
		return fail(d, CLAST_ERROR_LIMIT, "the tensor is too large to be written");
	*bytes = mem_alloc(m, *capacity);
	if (!*bytes)
		return fail_memory(d, *capacity);
	writer w = { *bytes };
	for (int a = 0; a < v->rank; a++)
		put_number(&w, 1, v->dims[a]);
	put_number(&w, 2, v->dtype);
	if (*name)
		put_bytes(&w, 8, name, strlen(name));
	if (v->dtype == CLAST_STRING)
		put_strings(&w, v);
	else if (dtype_bits(v->dtype) < 8)
		put_packed(&w, v, count, (unsigned)dtype_bits(v->dtype));
	else
		put_raw(&w, v, count);
	*size = (size_t)(w.at - *bytes);
	return CLAST_OK;
}
