/* UTF-8. */
#ifndef CLAST_CLI_UTF8_H
#define CLAST_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one code point of the well-formed UTF-8 text of at most `length` bytes; returns its bytes, 0 if
 * malformed. */
static inline size_t utf8_decode(const char *text, size_t length, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *t = (const unsigned char *)text;
	if (!length)
		return 0;
	const size_t n = t[0] < 0x80 ? 1 : t[0] >> 5 == 6 ? 2 : t[0] >> 4 == 14 ? 3 : t[0] >> 3 == 30 ? 4 : 0;
	if (!n || n > length)
		return 0;
	*code = n == 1 ? t[0] : t[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (t[i] >> 6 != 2)
			return 0;
		*code = *code << 6 | (t[i] & 0x3f);
	}
	const bool surrogate = *code >= 0xd800 && *code < 0xe000;
	return n > 1 && (*code < least[n] || *code > 0x10ffff || surrogate) ? 0 : n;
}

/* Writes one code point of at most 0x10ffff; returns its bytes, at most 4. */
static inline size_t utf8_encode(uint32_t code, char *text)
{
	if (code < 0x80) {
		text[0] = (char)code;
		return 1;
	}
	const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		text[i] = (char)(0x80 | (code & 0x3f));
	text[0] = (char)(lead[n] | code);
	return n;
}

#endif
