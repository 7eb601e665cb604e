#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "checked.h"
#include "diag.h"

Test(diag, fail_returns_its_status_with_and_without_a_diag)
{
	clast_diag d = { 0 };
	cr_assert_eq(fail(NULL, CLAST_ERROR_IO, "%s", "x"), CLAST_ERROR_IO);
	cr_assert_eq(fail(&d, CLAST_ERROR_MODEL, "axis %d of %s", 7, "y"), CLAST_ERROR_MODEL);
	cr_assert_eq(d.status, CLAST_ERROR_MODEL);
	cr_assert_str_eq(d.message, "axis 7 of y");
	cr_assert_eq(fail_memory(&d, 123), CLAST_ERROR_MEMORY);
	cr_assert_str_eq(d.message, "cannot allocate 123 bytes");
	cr_assert_eq(fail_memory(NULL, 0), CLAST_ERROR_MEMORY);
}

Test(diag, a_long_message_is_cut_within_its_array)
{
	clast_diag d = { 0 };
	static char longest[5000];
	memset(longest, 'a', sizeof(longest) - 1);
	cr_assert_eq(fail(&d, CLAST_ERROR_MODEL, "%s", longest), CLAST_ERROR_MODEL);
	cr_assert_eq(strlen(d.message), sizeof(d.message) - 1);
}

Test(diag, the_innermost_name_stays)
{
	clast_diag d = { 0 };
	diag_node(&d, NULL);
	diag_node(&d, "inner");
	diag_node(&d, "outer");
	diag_value(&d, "v");
	diag_value(&d, "w");
	diag_node(NULL, "x");
	diag_value(NULL, NULL);
	cr_assert_str_eq(d.node, "inner");
	cr_assert_str_eq(d.value, "v");
}

Test(diag, quote_escapes_what_could_deceive)
{
	cr_assert_str_eq(quote("conv1/weights:0").text, "conv1/weights:0");
	cr_assert_str_eq(quote("a\nb\x1b[31m\"\\").text, "a\\x0ab\\x1b[31m\\\"\\\\");
	cr_assert_str_eq(quote("\x7f").text, "\\x7f");
	cr_assert_str_eq(quote("Größe 層").text, "Größe 層");
	cr_assert_str_eq(quote("\xc3").text, "\\xc3");                            /* cut short */
	cr_assert_str_eq(quote("\xc0\x80").text, "\\xc0\\x80");                   /* overlong */
	cr_assert_str_eq(quote("\xe0\x80\xaf").text, "\\xe0\\x80\\xaf");          /* overlong */
	cr_assert_str_eq(quote("\xed\xa0\x80").text, "\\xed\\xa0\\x80");          /* surrogate */
	cr_assert_str_eq(quote("\xf4\x90\x80\x80").text, "\\xf4\\x90\\x80\\x80"); /* beyond Unicode */
	cr_assert_str_eq(quote("\xc2\x85").text, "\\xc2\\x85");                   /* a control character */
	cr_assert_str_eq(quote("\xe2\x80\xae"
			       "abc")
				 .text,
			 "\\xe2\\x80\\xae"
			 "abc"); /* right to left */
	cr_assert_str_eq(quote(NULL).text, "");
	cr_assert_str_eq(quote_bytes("a\0b", 3).text, "a\\x00b");
}

Test(diag, quote_cuts_between_characters)
{
	for (size_t n = 0; n < 300; n++) {
		char s[900] = "";
		for (size_t i = 0; i < n; i++)
			strcat(s, i % 3 ? "é" : "\n");
		const quoted q = quote(s);
		const size_t length = strlen(q.text);
		size_t whole = 0;
		for (size_t i = 0; i < n; i++)
			whole += i % 3 ? 2 : 4;
		if (whole < sizeof(q.text)) {
			cr_assert_eq(length, whole);
			continue;
		}
		cr_assert_geq(length, sizeof(q.text) - 8);
		cr_assert_str_eq(q.text + length - 3, "...");
		/* What is left is well-formed: quoting it again only doubles the backslashes. */
		const size_t last = length - 4;
		cr_assert((q.text[last] & 0xc0) == 0x80 || q.text[last] == 'a');
	}
}

Test(diag, every_status_has_a_name_of_its_own)
{
	for (int i = 0; i <= CLAST_ERROR_INTERNAL; i++)
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(clast_status_name(i), clast_status_name(j));
	cr_assert_str_eq(clast_status_name(12345), "unknown status");
	cr_assert_str_eq(clast_status_name(-1), "unknown status");
}

Test(checked, sizes)
{
	size_t r = 42;
	cr_assert_not(size_add(SIZE_MAX, 1, &r));
	cr_assert_not(size_mul(SIZE_MAX / 2 + 1, 2, &r));
	cr_assert_not(size_round_up(SIZE_MAX - 2, 64, &r));
	cr_assert_eq(r, 42);
	cr_assert(size_add(SIZE_MAX - 1, 1, &r) && r == SIZE_MAX);
	cr_assert(size_mul(SIZE_MAX, 0, &r) && r == 0);
	cr_assert(size_round_up(65, 64, &r) && r == 128);
	cr_assert(size_round_up(64, 64, &r) && r == 64);
	int64_t s = 42;
	cr_assert_not(int64_add(INT64_MAX, 1, &s));
	cr_assert_not(int64_sub(INT64_MIN, 1, &s));
	cr_assert_not(int64_mul(INT64_MIN, -1, &s));
	cr_assert_eq(s, 42);
}

Test(checked, shapes)
{
	size_t n = 42;
	cr_assert(dims_count(0, NULL, &n) && n == 1);
	cr_assert(dims_count(3, (int64_t[]){ 2, 3, 4 }, &n) && n == 24);
	cr_assert(dims_count(3, (int64_t[]){ 2, 0, 4 }, &n) && n == 0);
	n = 42;
	cr_assert_not(dims_count(2, (int64_t[]){ 2, -1 }, &n));
	cr_assert_not(dims_count(2, (int64_t[]){ 0, -1 }, &n));
	cr_assert_not(dims_count(2, (int64_t[]){ INT64_MIN, INT64_MIN }, &n));
	cr_assert_not(dims_count(2, (int64_t[]){ (int64_t)1 << 32, (int64_t)1 << 31 }, &n));
	cr_assert_not(dims_count(3, (int64_t[]){ 0, (int64_t)1 << 32, (int64_t)1 << 32 }, &n));
	cr_assert(tensor_bytes(CLAST_FLOAT64, 1, (int64_t[]){ INT64_MAX / 8 }, &n) &&
		  n == (size_t)INT64_MAX / 8 * 8);
	n = 42;
	cr_assert_not(tensor_bytes(CLAST_FLOAT64, 1, (int64_t[]){ INT64_MAX / 8 + 1 }, &n));
	cr_assert_not(tensor_bytes(CLAST_UNDEFINED, 1, (int64_t[]){ 1 }, &n));
	cr_assert_not(tensor_bytes(999, 1, (int64_t[]){ 1 }, &n));
	cr_assert_eq(n, 42);
}
