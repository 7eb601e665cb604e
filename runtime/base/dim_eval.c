#include "dim_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "checked.h"
#include "diag.h"

/* Recursion is bounded by DIM_MAX_LEAVES: larger expressions are only reached through their symbols. */
typedef struct evaluation {
	const dim_table *t;
	const int64_t *symbol_values;
} evaluation;

static bool eval(const evaluation *e, dim d, int64_t *out);

static bool eval_sum(const evaluation *e, const int64_t *words, size_t count, int64_t *out)
{
	/* 128 bits: partial sums may leave int64 though the sum does not. There are less than 2^8 terms. */
	__int128 sum = words[0];
	for (size_t i = 1; i < count; i += 2) {
		int64_t term;
		if (!eval(e, words[i + 1], &term) || !int64_mul(term, words[i], &term))
			return false;
		sum += term;
	}
	*out = (int64_t)sum;
	return sum == *out;
}

static bool eval_product(const evaluation *e, const int64_t *words, size_t count, int64_t *out)
{
	int64_t product = 1;
	bool zero = false, fits = true;
	for (size_t i = 0; i < count; i++) {
		int64_t factor;
		if (!eval(e, words[i], &factor))
			return false;
		zero |= factor == 0;
		fits &= int64_mul(product, factor, &product);
	}
	*out = zero ? 0 : product;
	return zero || fits;
}

static bool eval_floor(const evaluation *e, const int64_t *words, int64_t *out)
{
	int64_t a, b;
	if (!eval(e, words[0], &a) || !eval(e, words[1], &b) || !b || (a == INT64_MIN && b == -1))
		return false;
	*out = floor_div64(a, b);
	return true;
}

static bool eval_choice(const evaluation *e, bool max, const int64_t *words, size_t count, int64_t *out)
{
	for (size_t i = 0; i < count; i++) {
		int64_t value;
		if (!eval(e, words[i], &value))
			return false;
		if (!i || (value > *out) == max)
			*out = value;
	}
	return true;
}

static bool eval(const evaluation *e, dim d, int64_t *out)
{
	if (!dim_is_expr(d)) {
		*out = d;
		return dim_is_number(d);
	}
	const dim_entry *entry = dim_at(e->t, d);
	const int64_t *words = dim_words(e->t, d);
	switch ((dim_kind)entry->kind) {
	case DIM_SYMBOL:
		*out = e->symbol_values[entry->symbol];
		return *out != DIM_UNKNOWN;
	case DIM_PRODUCT:
		return eval_product(e, words, entry->word_count, out);
	case DIM_SUM:
		return eval_sum(e, words, entry->word_count, out);
	case DIM_FLOOR:
		return eval_floor(e, words, out);
	case DIM_MIN:
	case DIM_MAX:
		return eval_choice(e, entry->kind == DIM_MAX, words, entry->word_count, out);
	}
	return false;
}

clast_status dim_eval(const dim_table *t, dim d, const int64_t *symbol_values, int64_t *out)
{
	const evaluation e = { t, symbol_values };
	return eval(&e, d, out) ? CLAST_OK : CLAST_ERROR_DATA;
}

void dim_complete(const dim_table *t, int64_t *symbol_values)
{
	const evaluation e = { t, symbol_values };
	for (size_t i = 0; i < t->symbol_count; i++) {
		int64_t value;
		const dim definition = t->symbols[i].definition;
		if (definition != DIM_UNKNOWN && symbol_values[i] == DIM_UNKNOWN &&
		    eval(&e, definition, &value))
			symbol_values[i] = value;
	}
}

/* ---- Text ---- */

typedef struct text {
	char *buffer;
	size_t size, length; /* length of the whole text, whether it fits or not */
} text;

__attribute__((format(printf, 2, 3))) static void put(text *out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const size_t at = out->length < out->size ? out->length : out->size;
	const int n = vsnprintf(out->buffer ? out->buffer + at : NULL, out->size - at, format, arguments);
	out->length += n > 0 ? (size_t)n : 0;
	va_end(arguments);
}

static void put_dim(const dim_table *t, dim d, text *out);

static void put_factor(const dim_table *t, dim d, bool bracket_product, text *out)
{
	const bool bracket =
		dim_has_kind(t, d, DIM_SUM) || (bracket_product && dim_has_kind(t, d, DIM_PRODUCT));
	put(out, "%s", bracket ? "(" : "");
	put_dim(t, d, out);
	put(out, "%s", bracket ? ")" : "");
}

static void put_sum(const dim_table *t, const int64_t *words, size_t count, text *out)
{
	for (size_t i = 1; i < count; i += 2) {
		const bool negative = words[i] < 0;
		const uint64_t magnitude = magnitude64(words[i]);
		put(out, "%s", i > 1 ? negative ? " - " : " + " : negative ? "-" : "");
		if (magnitude != 1)
			put(out, "%" PRIu64 "*", magnitude);
		put_dim(t, words[i + 1], out);
	}
	if (words[0])
		put(out, " %c %" PRIu64, words[0] < 0 ? '-' : '+', magnitude64(words[0]));
}

static void put_list(const dim_table *t, const char *separator, const int64_t *words, size_t count, text *out)
{
	for (size_t i = 0; i < count; i++) {
		put(out, "%s", i ? separator : "");
		put_dim(t, words[i], out);
	}
}

static void put_dim(const dim_table *t, dim d, text *out)
{
	if (!dim_is_expr(d)) {
		if (dim_is_number(d))
			put(out, "%" PRId64, d);
		else
			put(out, "%s", d == DIM_UNKNOWN ? "?" : "error");
		return;
	}
	const dim_entry *e = dim_at(t, d);
	const int64_t *words = dim_words(t, d);
	switch ((dim_kind)e->kind) {
	case DIM_SYMBOL:
		put(out, "%s", quote(t->symbols[e->symbol].name).text);
		break;
	case DIM_PRODUCT:
		put_list(t, "*", words, e->word_count, out);
		break;
	case DIM_SUM:
		put_sum(t, words, e->word_count, out);
		break;
	case DIM_FLOOR:
		put(out, "floor(");
		put_factor(t, words[0], false, out);
		put(out, "/");
		put_factor(t, words[1], true, out);
		put(out, ")");
		break;
	case DIM_MIN:
	case DIM_MAX:
		put(out, "%s(", e->kind == DIM_MIN ? "min" : "max");
		put_list(t, ", ", words, e->word_count, out);
		put(out, ")");
		break;
	}
}

size_t dim_format(const dim_table *t, dim d, char *buffer, size_t n)
{
	text out = { n ? buffer : NULL, n, 0 };
	if (n)
		buffer[0] = '\0';
	put_dim(t, d, &out);
	return out.length;
}
