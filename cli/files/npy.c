#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"
#include "utf8.h"

static const char magic[] = "\x93NUMPY";

typedef struct header {
	char order;   /* '<', '>', '|' or '=' */
	char kind;    /* numpy's letter */
	size_t width; /* bytes an element; of 'U' characters */
	bool fortran;
	size_t rank, count;
	int64_t dims[CLAST_MAX_RANK];
	size_t data; /* where the elements begin */
} header;

/* numpy's letter and width of a dtype. Small types that numpy lacks are written as raw bytes, as ml_dtypes
 * has them; 4- and 2-bit integers as 8-bit ones, as Clast holds them. */
static const struct {
	clast_dtype dtype;
	char kind;
	size_t width;
} kinds[] = {
	{ CLAST_FLOAT32, 'f', 4 },        { CLAST_FLOAT64, 'f', 8 },        { CLAST_FLOAT16, 'f', 2 },
	{ CLAST_UINT8, 'u', 1 },          { CLAST_UINT16, 'u', 2 },         { CLAST_UINT32, 'u', 4 },
	{ CLAST_UINT64, 'u', 8 },         { CLAST_INT8, 'i', 1 },           { CLAST_INT16, 'i', 2 },
	{ CLAST_INT32, 'i', 4 },          { CLAST_INT64, 'i', 8 },          { CLAST_BOOL, 'b', 1 },
	{ CLAST_COMPLEX64, 'c', 8 },      { CLAST_COMPLEX128, 'c', 16 },    { CLAST_BFLOAT16, 'V', 2 },
	{ CLAST_FLOAT8E4M3FN, 'V', 1 },   { CLAST_FLOAT8E4M3FNUZ, 'V', 1 }, { CLAST_FLOAT8E5M2, 'V', 1 },
	{ CLAST_FLOAT8E5M2FNUZ, 'V', 1 }, { CLAST_FLOAT8E8M0, 'V', 1 },     { CLAST_FLOAT4E2M1, 'V', 1 },
	{ CLAST_INT4, 'i', 1 },           { CLAST_INT2, 'i', 1 },           { CLAST_UINT4, 'u', 1 },
	{ CLAST_UINT2, 'u', 1 },
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(*kinds) };

/* The dtype of an array: the expected one if its kind and width fit, else the first that does. */
static clast_dtype dtype_of(const header *h, clast_dtype expected)
{
	clast_dtype found = CLAST_UNDEFINED;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const bool fits = kinds[i].width == h->width && (kinds[i].kind == h->kind || h->kind == 'V');
		if (fits && kinds[i].dtype == expected)
			return expected;
		if (fits && !found && kinds[i].kind == h->kind && h->kind != 'V')
			found = kinds[i].dtype;
	}
	return found;
}

/* ---- The header: a Python dict ---- */

typedef struct cursor {
	const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n'))
		c->at++;
}

static bool take(cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool take_word(cursor *c, const char *word)
{
	const size_t n = strlen(word);
	skip_blanks(c);
	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n))
		return false;
	c->at += n;
	return true;
}

static bool take_string(cursor *c, char *text, size_t size)
{
	skip_blanks(c);
	if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
		return false;
	const char quote = *c->at++;
	const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
	if (!close || (size_t)(close - c->at) >= size)
		return false;
	memcpy(text, c->at, (size_t)(close - c->at));
	text[close - c->at] = 0;
	c->at = close + 1;
	return true;
}

static bool take_number(cursor *c, size_t *n)
{
	skip_blanks(c);
	const char *start = c->at;
	for (*n = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		if (__builtin_mul_overflow(*n, 10, n) ||
		    __builtin_add_overflow(*n, (size_t)(*c->at - '0'), n))
			return false;
	if (c->at < c->end && *c->at == 'L') /* Python 2 wrote long integers so */
		c->at++;
	return c->at > start;
}

static bool take_shape(cursor *c, header *h)
{
	if (!take(c, '('))
		return false;
	h->count = 1;
	for (h->rank = 0; !take(c, ')'); h->rank++) {
		size_t n;
		if (h->rank == CLAST_MAX_RANK || !take_number(c, &n) || n > INT64_MAX ||
		    __builtin_mul_overflow(h->count, n, &h->count))
			return false;
		h->dims[h->rank] = (int64_t)n;
		if (!take(c, ',') && (c->at == c->end || *c->at != ')'))
			return false;
	}
	return true;
}

static bool read_descr(const char *descr, header *h)
{
	const char *d = descr;
	h->order = *d == '<' || *d == '>' || *d == '|' || *d == '=' ? *d++ : '|';
	h->kind = *d ? *d++ : 0;
	cursor c = { d, d + strlen(d) };
	if (h->kind == '?') {
		h->kind = 'b';
		h->width = 1;
		return !*d;
	}
	return take_number(&c, &h->width) && c.at == c.end && h->width <= UINT32_MAX;
}

static bool read_dict(cursor *c, header *h, char *descr, size_t size)
{
	bool have[3] = { false };
	if (!take(c, '{'))
		return false;
	while (!take(c, '}')) {
		char key[20];
		if (!take_string(c, key, sizeof(key)) || !take(c, ':'))
			return false;
		if (!strcmp(key, "descr")) {
			have[0] = take_string(c, descr, size);
			if (!have[0]) /* a list: fields of a structure */
				snprintf(descr, size, "a structure");
			if (!have[0])
				return false;
		} else if (!strcmp(key, "fortran_order")) {
			h->fortran = take_word(c, "True");
			have[1] = h->fortran || take_word(c, "False");
		} else if (!strcmp(key, "shape")) {
			have[2] = take_shape(c, h);
		} else {
			return false;
		}
		take(c, ',');
	}
	return have[0] && have[1] && have[2];
}

static clast_status read_header(const unsigned char *b, size_t size, const char *file, header *h, problem *p)
{
	const bool wide = size > 6 && b[6] >= 2;
	const size_t fixed = wide ? 12 : 10;
	if (size < fixed || memcmp(b, magic, 6))
		return problem_set(p, CLAST_ERROR_IO, file,
				   "no .npy array: it does not begin with \\x93NUMPY");
	if (b[6] < 1 || b[6] > 3)
		return problem_set(p, CLAST_ERROR_IO, file, ".npy version %d.%d is unknown", b[6], b[7]);
	const size_t length =
		b[8] | (size_t)b[9] << 8 | (wide ? (size_t)b[10] << 16 | (size_t)b[11] << 24 : 0);
	if (length > size - fixed)
		return problem_set(p, CLAST_ERROR_IO, file, "the array's header is cut off");
	char descr[40] = "";
	cursor c = { (const char *)b + fixed, (const char *)b + fixed + length };
	h->data = fixed + length;
	const bool read = read_dict(&c, h, descr, sizeof(descr));
	if (!read || !read_descr(descr, h))
		return problem_set(p, CLAST_ERROR_IO, file, "the array's header cannot be understood%s%s",
				   *descr ? ": its dtype is " : "", descr);
	return CLAST_OK;
}

/* ---- Elements ---- */

static void swap_bytes(unsigned char *b, size_t width, size_t count)
{
	for (size_t i = 0; i < count; i++, b += width)
		for (size_t k = 0; k < width / 2; k++) {
			const unsigned char x = b[k];
			b[k] = b[width - 1 - k];
			b[width - 1 - k] = x;
		}
}

static bool foreign_order(const header *h)
{
	const uint16_t one = 1;
	const char mine = *(const char *)&one ? '<' : '>';
	return (h->order == '<' || h->order == '>') && h->order != mine;
}

/* Where element i, in row-major order, lies in Fortran order. */
static size_t fortran_index(const header *h, size_t i)
{
	size_t at = 0, stride = h->count;
	for (size_t a = h->rank; a-- > 0;) {
		const size_t n = (size_t)h->dims[a];
		stride /= n;
		at += i % n * stride;
		i /= n;
	}
	return at;
}

static clast_status read_numbers(const header *h, const unsigned char *data, clast_dtype dtype,
				 const char *file, file_tensor *out, problem *p)
{
	const size_t width = h->width;
	const clast_status s = clast_tensor_create(dtype, h->rank, h->dims, NULL, &out->tensor, &p->diag);
	if (s)
		return problem_in(p, file, s);
	unsigned char *to = clast_tensor_data(out->tensor);
	if (!h->count)
		return CLAST_OK;
	if (h->fortran)
		for (size_t i = 0; i < h->count; i++)
			memcpy(to + i * width, data + fortran_index(h, i) * width, width);
	else
		memcpy(to, data, h->count * width);
	const bool complex = h->kind == 'c';
	if (foreign_order(h))
		swap_bytes(to, complex ? width / 2 : width, complex ? 2 * h->count : h->count);
	if (dtype == CLAST_BOOL)
		for (size_t i = 0; i < h->count; i++)
			to[i] = to[i] != 0;
	return CLAST_OK;
}

/* One element of kind 'S' or 'U' as UTF-8; zeros at its end are padding. Returns the length. */
static size_t read_text(const header *h, const unsigned char *from, char *to)
{
	size_t length = 0;
	if (h->kind == 'S') {
		for (size_t i = 0; i < h->width; i++)
			if (from[i])
				length = i + 1;
		memcpy(to, from, length);
		return length;
	}
	size_t used = 0;
	for (size_t i = 0; i < h->width; i++) {
		uint32_t code;
		memcpy(&code, from + 4 * i, 4);
		if (foreign_order(h))
			code = __builtin_bswap32(code);
		length += utf8_encode(code <= 0x10ffff ? code : 0xfffd, to + length);
		if (code)
			used = length;
	}
	return used;
}

static clast_status read_strings(const header *h, const unsigned char *data, const char *file,
				 file_tensor *out, problem *p)
{
	const size_t width = h->kind == 'U' ? 4 * h->width : h->width; /* also the most bytes as UTF-8 */
	size_t bytes;
	clast_string *strings = NULL;
	if (!__builtin_mul_overflow(h->count, sizeof(*strings) + width, &bytes))
		strings = calloc(1, bytes + 1);
	if (!strings)
		return problem_set(p, CLAST_ERROR_MEMORY, file, "not enough memory for %zu strings",
				   h->count);
	char *to = (char *)(strings + h->count);
	for (size_t i = 0; i < h->count; i++) {
		const size_t at = h->fortran ? fortran_index(h, i) : i;
		strings[i].bytes = to;
		strings[i].length = read_text(h, data + at * width, to);
		to += strings[i].length;
	}
	return problem_in(p, file, file_tensor_strings(h->rank, h->dims, strings, out, p));
}

clast_status npy_parse(const void *bytes, size_t size, const char *file, clast_dtype expected,
		       file_tensor *out, problem *p)
{
	header h = { 0 };
	*out = (file_tensor){ 0 };
	const clast_status s = read_header(bytes, size, file, &h, p);
	if (s)
		return s;
	const bool text = h.kind == 'S' || h.kind == 'U';
	const clast_dtype dtype = text ? CLAST_STRING : dtype_of(&h, expected);
	if (!dtype)
		return problem_set(p, CLAST_ERROR_IO, file, "arrays of numpy's dtype %c%zu cannot be read%s",
				   h.kind, h.width,
				   h.kind == 'O' ? " (pickled Python objects): save it with a numeric dtype"
						 : "");
	size_t needed;
	if (__builtin_mul_overflow(h.count, h.kind == 'U' ? 4 * h.width : h.width, &needed) ||
	    needed != size - h.data)
		return problem_set(p, CLAST_ERROR_IO, file, "the array holds %zu bytes, its shape needs %zu",
				   size - h.data, needed);
	const unsigned char *data = (const unsigned char *)bytes + h.data;
	return text ? read_strings(&h, data, file, out, p) : read_numbers(&h, data, dtype, file, out, p);
}

/* ---- Writing ---- */

static size_t shape_format(const clast_tensor *t, char *text, size_t size)
{
	const size_t rank = clast_tensor_rank(t);
	size_t n = (size_t)snprintf(text, size, "(");
	for (size_t a = 0; a < rank; a++)
		n += (size_t)snprintf(text + n, size - n, "%lld%s", (long long)clast_tensor_dims(t)[a],
				      a + 1 < rank ? ", "
				      : rank == 1  ? ","
						   : "");
	return n + (size_t)snprintf(text + n, size - n, ")");
}

/* Version 1 with the header padded so that the elements begin at a multiple of 64. Returns where. */
static size_t header_format(const clast_tensor *t, const char *descr, unsigned char out[1024])
{
	char shape[CLAST_MAX_RANK * 24], *text = (char *)out + 10;
	shape_format(t, shape, sizeof(shape));
	size_t n = (size_t)snprintf(text, 1024 - 10, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
				    descr, shape);
	while ((10 + n + 1) % 64)
		text[n++] = ' ';
	text[n++] = '\n';
	memcpy(out, magic, 6);
	out[6] = 1;
	out[7] = 0;
	out[8] = n & 255;
	out[9] = (unsigned char)(n >> 8);
	return 10 + n;
}

static size_t code_points(const clast_string *s, bool *valid)
{
	size_t n = 0;
	for (size_t i = 0; i < s->length; n++) {
		uint32_t code;
		const size_t length = utf8_decode(s->bytes + i, s->length - i, &code);
		*valid &= length > 0;
		i += length ? length : 1;
	}
	return n;
}

/* Text as kind 'U', or as 'S' where it is not UTF-8. width in characters. */
static void put_strings(const clast_string *s, size_t count, bool unicode, size_t width, unsigned char *to)
{
	for (size_t k = 0; k < count; k++, to += unicode ? 4 * width : width) {
		if (!unicode && s[k].length)
			memcpy(to, s[k].bytes, s[k].length);
		for (size_t i = 0, n = 0; unicode && i < s[k].length; n++) {
			uint32_t code = 0;
			i += utf8_decode(s[k].bytes + i, s[k].length - i, &code);
			memcpy(to + 4 * n, &code, 4);
		}
	}
}

static clast_status format_strings(const clast_tensor *t, const clast_string *s, void **bytes, size_t *size,
				   problem *p)
{
	const size_t count = clast_tensor_count(t);
	size_t characters = 1, longest = 1;
	bool unicode = true;
	for (size_t i = 0; i < count; i++) {
		const size_t n = code_points(&s[i], &unicode);
		characters = n > characters ? n : characters;
		longest = s[i].length > longest ? s[i].length : longest;
	}
	unsigned char head[1024];
	char descr[32];
	const size_t width = unicode ? characters : longest;
	const uint16_t one = 1;
	snprintf(descr, sizeof(descr), "%c%c%zu", unicode ? (*(const char *)&one ? '<' : '>') : '|',
		 unicode ? 'U' : 'S', width);
	const size_t start = header_format(t, descr, head);
	*size = start + count * width * (unicode ? 4 : 1);
	*bytes = calloc(1, *size);
	if (!*bytes)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "not enough memory for %zu bytes", *size);
	memcpy(*bytes, head, start);
	put_strings(s, count, unicode, width, (unsigned char *)*bytes + start);
	return CLAST_OK;
}

clast_status npy_format(const clast_tensor *t, void **bytes, size_t *size, problem *p)
{
	void *copy;
	*bytes = NULL;
	const void *elements = elements_of(t, &copy);
	const clast_dtype dtype = clast_tensor_dtype(t);
	clast_status s = CLAST_OK;
	if (!elements) {
		s = problem_set(p, CLAST_ERROR_MEMORY, NULL, "not enough memory for a tensor's elements");
	} else if (dtype == CLAST_STRING) {
		s = format_strings(t, elements, bytes, size, p);
	} else {
		size_t k = 0;
		while (kinds[k].dtype != dtype)
			k++;
		const size_t data = clast_tensor_count(t) * kinds[k].width;
		const uint16_t one = 1;
		const bool single = kinds[k].width == 1 || kinds[k].kind == 'V';
		unsigned char head[1024];
		char descr[32];
		snprintf(descr, sizeof(descr), "%c%c%zu",
			 single                ? '|'
			 : *(const char *)&one ? '<'
					       : '>',
			 kinds[k].kind, kinds[k].width);
		const size_t start = header_format(t, descr, head);
		*size = start + data;
		*bytes = malloc(*size);
		if (!*bytes)
			s = problem_set(p, CLAST_ERROR_MEMORY, NULL, "not enough memory for %zu bytes",
					*size);
		if (!s)
			memcpy(*bytes, head, start);
		if (!s && data)
			memcpy((char *)*bytes + start, elements, data);
	}
	free(copy);
	return s;
}
