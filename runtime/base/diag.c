#include "diag.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

clast_status fail_list(clast_diag *d, clast_status s, const char *format, va_list arguments)
{
	if (d) {
		d->status = s;
		vsnprintf(d->message, sizeof(d->message), format, arguments);
	}
	return s;
}

clast_status fail(clast_diag *d, clast_status s, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fail_list(d, s, format, arguments);
	va_end(arguments);
	return s;
}

clast_status fail_memory(clast_diag *d, size_t bytes)
{
	if (bytes)
		return fail(d, CLAST_ERROR_MEMORY, "cannot allocate %zu bytes", bytes);
	return fail(d, CLAST_ERROR_MEMORY, "out of memory");
}

/* Length of the well-formed UTF-8 sequence of a printable character that starts at s, or 0 (Unicode, table
 * 3-7). Control characters and those that change the direction of writing count as not printable. */
static size_t printable(const unsigned char *s, size_t left)
{
	const unsigned char c = s[0];
	if (c < 0x80)
		return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
	const size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (!n || n > left)
		return 0;
	uint32_t code = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const bool valid = code >= smallest[n] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
	const bool control = code < 0xa0 || (code >= 0x200e && code <= 0x200f) ||
			     (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
	return valid && !control ? n : 0;
}

static void escape(char *out, size_t out_bytes, const char *bytes, size_t length)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t at = 0, cut = 0;
	/* cut is the last place where "..." and the terminating zero still fit. */
	for (size_t i = 0; i < length;) {
		char piece[5];
		size_t n = printable(s + i, length - i), used = n;
		if (n) {
			memcpy(piece, s + i, n);
		} else {
			used = 1;
			n = (size_t)(s[i] == '"' || s[i] == '\\'
					     ? snprintf(piece, sizeof(piece), "\\%c", s[i])
					     : snprintf(piece, sizeof(piece), "\\x%02x", s[i]));
		}
		if (at + n + 1 > out_bytes) {
			memcpy(out + cut, "...", 4);
			return;
		}
		memcpy(out + at, piece, n);
		at += n;
		i += used;
		if (at + 4 <= out_bytes)
			cut = at;
	}
	out[at] = '\0';
}

quoted quote_bytes(const char *bytes, size_t length)
{
	quoted q;
	escape(q.text, sizeof(q.text), bytes, length);
	return q;
}

quoted quote(const char *string)
{
	return quote_bytes(string, string ? strlen(string) : 0);
}

void diag_node(clast_diag *d, const char *name)
{
	if (d && name && !d->node[0])
		escape(d->node, sizeof(d->node), name, strlen(name));
}

void diag_value(clast_diag *d, const char *name)
{
	if (d && name && !d->value[0])
		escape(d->value, sizeof(d->value), name, strlen(name));
}

const char *clast_status_name(clast_status status)
{
	switch (status) {
	case CLAST_OK:
		return "ok";
	case CLAST_ERROR_ARGUMENT:
		return "bad argument";
	case CLAST_ERROR_MODEL:
		return "malformed model";
	case CLAST_ERROR_UNSUPPORTED:
		return "unsupported";
	case CLAST_ERROR_LIMIT:
		return "limit exceeded";
	case CLAST_ERROR_MEMORY:
		return "out of memory";
	case CLAST_ERROR_IO:
		return "input or output failed";
	case CLAST_ERROR_DATA:
		return "value out of range";
	case CLAST_ERROR_CANCELLED:
		return "cancelled";
	case CLAST_ERROR_DEVICE:
		return "device failed";
	case CLAST_ERROR_INTERNAL:
		return "internal error";
	}
	return "unknown status";
}
