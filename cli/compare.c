#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"

static bool same_form(const clast_tensor *got, const clast_tensor *expected, comparison *c)
{
	const size_t rank = clast_tensor_rank(got), expected_rank = clast_tensor_rank(expected);
	if (clast_tensor_dtype(got) != clast_tensor_dtype(expected)) {
		snprintf(c->reason, sizeof(c->reason), "dtype %s, expected %s",
			 clast_dtype_name(clast_tensor_dtype(got)),
			 clast_dtype_name(clast_tensor_dtype(expected)));
		return false;
	}
	bool same = rank == expected_rank;
	for (size_t a = 0; same && a < rank; a++)
		same = clast_tensor_dims(got)[a] == clast_tensor_dims(expected)[a];
	if (!same) {
		char x[100], y[100];
		shape_text(rank, clast_tensor_dims(got), x, sizeof(x));
		shape_text(expected_rank, clast_tensor_dims(expected), y, sizeof(y));
		snprintf(c->reason, sizeof(c->reason), "shape %s, expected %s", x, y);
	}
	return same;
}

/* |a - b| where equal infinities and two NaN count as equal, and infinity where only one of them is special.
 */
static double difference(double a, double b)
{
	if (a == b || (isnan(a) && isnan(b)))
		return 0;
	const double d = fabs(a - b);
	return isnan(d) ? INFINITY : d;
}

static void note(comparison *c, clast_dtype t, const void *got, const void *expected, size_t i, double d,
		 bool agrees)
{
	c->mean_abs += d / (double)c->count;
	if (agrees && d <= c->max_abs)
		return;
	c->max_abs = fmax(c->max_abs, d);
	if (agrees)
		return;
	if (c->mismatches++)
		return;
	snprintf(c->reason, sizeof(c->reason), "element %zu is %.9g, expected %.9g", i,
		 element_get(t, got, i, NULL), element_get(t, expected, i, NULL));
}

static void compare_floating(clast_dtype t, const void *got, const void *expected, tolerance tol,
			     comparison *c)
{
	for (size_t i = 0; i < c->count; i++) {
		double imaginary[2];
		const double a = element_get(t, got, i, &imaginary[0]),
			     b = element_get(t, expected, i, &imaginary[1]);
		const double d = hypot(difference(a, b), difference(imaginary[0], imaginary[1]));
		const double size = hypot(b, imaginary[1]);
		if (isfinite(size) && size > c->largest)
			c->largest = size;
		note(c, t, got, expected, i, d, d == 0 || (isfinite(d) && d <= tol.atol + tol.rtol * size));
	}
}

static void compare_exact(clast_dtype t, const void *got, const void *expected, comparison *c)
{
	const size_t bytes = clast_dtype_bytes(t);
	for (size_t i = 0; i < c->count; i++) {
		const double a = element_get(t, got, i, NULL), b = element_get(t, expected, i, NULL);
		const bool same =
			!memcmp((const char *)got + i * bytes, (const char *)expected + i * bytes, bytes);
		c->largest = fmax(c->largest, fabs(b));
		/* Neighbouring 64-bit integers may be the same double. */
		note(c, t, got, expected, i, same ? 0 : fmax(fabs(a - b), 1), same);
	}
}

static void compare_strings(const clast_string *got, const clast_string *expected, comparison *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const clast_string *a = &got[i], *b = &expected[i];
		if (a->length == b->length && (!a->length || !memcmp(a->bytes, b->bytes, a->length)))
			continue;
		c->max_abs = INFINITY;
		if (!c->mismatches++)
			snprintf(c->reason, sizeof(c->reason), "element %zu is \"%.*s\", expected \"%.*s\"",
				 i, (int)(a->length < 60 ? a->length : 60), a->length ? a->bytes : "",
				 (int)(b->length < 60 ? b->length : 60), b->length ? b->bytes : "");
	}
}

clast_status compare_tensors(const clast_tensor *got, const clast_tensor *expected, tolerance tol,
			     comparison *c)
{
	*c = (comparison){ 0 };
	if (!same_form(got, expected, c)) {
		c->max_abs = INFINITY;
		return CLAST_OK;
	}
	const clast_dtype t = clast_tensor_dtype(got);
	c->count = clast_tensor_count(got);
	void *copies[2];
	const void *a = elements_of(got, &copies[0]), *b = elements_of(expected, &copies[1]);
	clast_status s = a && b ? CLAST_OK : CLAST_ERROR_MEMORY;
	if (s)
		snprintf(c->reason, sizeof(c->reason), "not enough memory to compare");
	else if (t == CLAST_STRING)
		compare_strings(a, b, c);
	else if (dtype_is_floating(t) || dtype_is_complex_number(t))
		compare_floating(t, a, b, tol, c);
	else
		compare_exact(t, a, b, c);
	free(copies[0]);
	free(copies[1]);
	c->agrees = !s && !c->mismatches;
	return s;
}
