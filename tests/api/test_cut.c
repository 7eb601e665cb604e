/* The embedded model cut at every border of a field, at every depth of the wire format: an error with a message, or a complete model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "clast/clast.h"

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	cr_assert(f, "%s", path);
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	uint8_t *bytes = malloc(*size);
	cr_assert_eq(fread(bytes, 1, *size, f), *size);
	fclose(f);
	return bytes;
}

static bool varint(const uint8_t *b, size_t end, size_t *at, uint64_t *x)
{
	*x = 0;
	for (int shift = 0; shift < 64 && *at < end; shift += 7) {
		const uint8_t c = b[(*at)++];
		*x |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

/* Marks the borders of the fields in [begin, end); false if the bytes are no message. Payloads that look like messages are entered. */
static bool mark(const uint8_t *b, size_t begin, size_t end, uint8_t *border, int depth)
{
	for (size_t at = begin; at < end;) {
		uint64_t key, n;
		border[at] = 1;
		if (!varint(b, end, &at, &key) || key >> 3 == 0 || key >> 3 > 10000)
			return false;
		switch (key & 7) {
		case 0:
			if (!varint(b, end, &at, &n))
				return false;
			break;
		case 1:
			at += 8;
			break;
		case 2:
			if (!varint(b, end, &at, &n) || n > end - at)
				return false;
			if (depth < 12)
				mark(b, at, at + (size_t)n, border, depth + 1);
			border[at] = 1;
			at += (size_t)n;
			break;
		case 5:
			at += 4;
			break;
		default:
			return false;
		}
		if (at > end)
			return false;
	}
	return true;
}

Test(cut, every_field_border_of_the_embedded_model_gives_a_message_or_a_model, .timeout = 600)
{
	size_t size, tried = 0, accepted = 0;
	uint8_t *bytes = read_file(CLAST_MODELS "/digits/model.onnx", &size);
	uint8_t *border = calloc(size + 1, 1);
	cr_assert(mark(bytes, 0, size, border, 0));
	for (size_t n = 0; n < size; n++) {
		clast_model *m;
		clast_diag d = { 0 };
		if (!border[n])
			continue;
		/* In a block of its own, so that a read past the end is seen. */
		uint8_t *part = malloc(n ? n : 1);
		memcpy(part, bytes, n);
		const clast_status s = clast_model_parse(part, n, NULL, &m, &d);
		tried++;
		accepted += !s;
		if (s) {
			cr_assert(s == CLAST_ERROR_MODEL || s == CLAST_ERROR_LIMIT || s == CLAST_ERROR_UNSUPPORTED, "cut after %zu: %s: %s",
			          n, clast_status_name(s), d.message);
			cr_assert(d.message[0] && !m, "cut after %zu", n);
		}
		clast_model_free(&m);
		free(part);
	}
	cr_assert_gt(tried, 500);
	cr_assert_lt(accepted, tried);
	free(border);
	free(bytes);
}
