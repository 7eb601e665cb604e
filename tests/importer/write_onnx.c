#include "write_onnx.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A mistake of the test, or no memory. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

void file_free(file *f)
{
	free(f->bytes);
	*f = (file){ 0 };
}

void put_raw(file *f, const void *bytes, size_t size)
{
	if (f->size + size > f->capacity) {
		f->capacity = 2 * (f->size + size) + 64;
		f->bytes = realloc(f->bytes, f->capacity);
		must(f->bytes);
	}
	if (size)
		memcpy(f->bytes + f->size, bytes, size);
	f->size += size;
}

static size_t encode(uint8_t *to, uint64_t x)
{
	size_t n = 0;
	for (; x >= 0x80; x >>= 7)
		to[n++] = (uint8_t)(x | 0x80);
	to[n++] = (uint8_t)x;
	return n;
}

void put_plain_varint(file *f, uint64_t x)
{
	uint8_t bytes[10];
	put_raw(f, bytes, encode(bytes, x));
}

void put_varint(file *f, unsigned field, uint64_t x)
{
	put_plain_varint(f, (uint64_t)field << 3);
	put_plain_varint(f, x);
}

void put_bytes(file *f, unsigned field, const void *bytes, size_t size)
{
	put_plain_varint(f, (uint64_t)field << 3 | 2);
	put_plain_varint(f, size);
	put_raw(f, bytes, size);
}

void put_string(file *f, unsigned field, const char *s)
{
	put_bytes(f, field, s, strlen(s));
}

void put_float(file *f, unsigned field, float x)
{
	put_plain_varint(f, (uint64_t)field << 3 | 5);
	put_raw(f, &x, sizeof(x));
}

void open_message(file *f, unsigned field)
{
	put_plain_varint(f, (uint64_t)field << 3 | 2);
	must(f->depth < sizeof(f->open) / sizeof(*f->open));
	f->open[f->depth++] = f->size;
}

void close_message(file *f)
{
	uint8_t length[10];
	const size_t at = f->open[--f->depth], size = f->size - at, n = encode(length, size);
	put_raw(f, length, n);
	memmove(f->bytes + at + n, f->bytes + at, size);
	memcpy(f->bytes + at, length, n);
}

/* Calls use(f, field, word) for each word of a list. */
static void each_word(file *f, unsigned field, const char *list, void (*use)(file *, unsigned, const char *))
{
	while (list && *list) {
		char word[64];
		const size_t n = strcspn(list, " ");
		must(n < sizeof(word));
		memcpy(word, list, n);
		word[n] = 0;
		use(f, field, word);
		list += n + strspn(list + n, " ");
	}
}

static void put_name(file *f, unsigned field, const char *word)
{
	put_string(f, field, strcmp(word, "-") ? word : "");
}

static void put_extent(file *f, unsigned field, const char *word)
{
	put_varint(f, field, (uint64_t)strtoll(word, NULL, 10));
}

static void put_dim(file *f, unsigned field, const char *word)
{
	open_message(f, field);
	if ((*word >= '0' && *word <= '9') || *word == '-')
		put_extent(f, 1, word);
	else if (*word != '?')
		put_string(f, 2, word);
	close_message(f);
}

void put_opset(file *f, unsigned field, const char *domain, int64_t version)
{
	open_message(f, field);
	put_string(f, 1, domain);
	put_varint(f, 2, (uint64_t)version);
	close_message(f);
}

void begin_model(file *f, int64_t ir, int64_t opset)
{
	*f = (file){ 0 };
	put_varint(f, 1, (uint64_t)ir);
	put_opset(f, 8, "", opset);
}

void begin_graph(file *f, const char *name)
{
	open_message(f, 7);
	put_string(f, 2, name);
}

void begin_node(file *f, unsigned field, const char *domain, const char *type, const char *inputs,
		const char *outputs)
{
	open_message(f, field);
	each_word(f, 1, inputs, put_name);
	each_word(f, 2, outputs, put_name);
	put_string(f, 4, type);
	if (*domain)
		put_string(f, 7, domain);
}

void put_node(file *f, const char *type, const char *inputs, const char *outputs)
{
	begin_node(f, 1, "", type, inputs, outputs);
	close_message(f);
}

void put_value(file *f, unsigned field, const char *name, int dtype, const char *dims)
{
	open_message(f, field);
	put_string(f, 1, name);
	open_message(f, 2);
	open_message(f, 1);
	put_varint(f, 1, (uint64_t)dtype);
	if (dims) {
		open_message(f, 2);
		each_word(f, 1, dims, put_dim);
		close_message(f);
	}
	close_message(f);
	close_message(f);
	close_message(f);
}

void begin_attribute(file *f, unsigned field, const char *name, int type)
{
	open_message(f, field);
	put_string(f, 1, name);
	put_varint(f, 20, (uint64_t)type);
}

void begin_tensor(file *f, unsigned field, const char *name, int dtype, const char *dims)
{
	open_message(f, field);
	each_word(f, 1, dims, put_extent);
	put_varint(f, 2, (uint64_t)dtype);
	if (name)
		put_string(f, 8, name);
}

/* ---- A model with a bit of everything ---- */

static void put_function(file *f)
{
	open_message(f, 25);
	put_string(f, 1, "Twice");
	put_string(f, 4, "a");
	put_string(f, 5, "b");
	put_string(f, 6, "shape");
	begin_node(f, 7, "", "Constant", "", "s");
	begin_attribute(f, 5, "value_ints", 7);
	put_string(f, 21, "shape");
	close_message(f);
	close_message(f);
	begin_node(f, 7, "", "Identity", "a", "c");
	close_message(f);
	begin_node(f, 7, "", "Identity", "c", "b");
	close_message(f);
	put_opset(f, 9, "", 17);
	put_string(f, 10, "local");
	close_message(f);
}

static void put_branch(file *f, const char *name, const char *from, const char *to)
{
	begin_attribute(f, 5, name, 5);
	open_message(f, 6);
	put_string(f, 2, name);
	put_node(f, "Identity", from, to);
	open_message(f, 12);
	put_string(f, 1, to);
	close_message(f);
	close_message(f);
	close_message(f);
}

void put_mixed_model(file *f)
{
	const float weights[] = { 1, -2, 0.5f, 8 };
	const uint8_t packed[] = { 1, 2, 3 };
	begin_model(f, 8, 17);
	put_string(f, 2, "tests");
	put_opset(f, 8, "local", 1);
	begin_graph(f, "mixed");
	put_value(f, 11, "x", 1, "N 2 ?");
	put_value(f, 11, "flag", 9, "");
	begin_tensor(f, 5, "w", 1, "2 2");
	put_bytes(f, 9, weights, sizeof(weights));
	close_message(f);
	begin_tensor(f, 5, "bytes", 2, "3");
	put_bytes(f, 5, packed, sizeof(packed));
	close_message(f);
	begin_tensor(f, 5, "text", 8, "2");
	put_string(f, 6, "one");
	put_string(f, 6, "");
	close_message(f);
	open_message(f, 15); /* sparse: 1 at 2 of 4 */
	begin_tensor(f, 1, "sparse", 7, "1");
	put_varint(f, 7, 1);
	close_message(f);
	begin_tensor(f, 2, NULL, 7, "1");
	put_varint(f, 7, 2);
	close_message(f);
	put_varint(f, 3, 4);
	close_message(f);
	put_node(f, "Identity", "x", "y1");
	begin_node(f, 1, "local", "Twice", "y1", "y2");
	begin_attribute(f, 5, "shape", 7);
	put_varint(f, 8, 3);
	put_varint(f, 8, 4);
	close_message(f);
	close_message(f);
	begin_node(f, 1, "", "If", "flag", "y3");
	put_branch(f, "then_branch", "y2", "t");
	put_branch(f, "else_branch", "y1", "e");
	close_message(f);
	put_value(f, 13, "y1", 1, "N 2 ?");
	put_value(f, 12, "y3", 1, "N 2 ?");
	put_value(f, 12, "w", 1, NULL);
	close_message(f);
	put_function(f);
}
