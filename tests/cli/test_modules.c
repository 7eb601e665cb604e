/* Options, JSON, comparison, classes, elements, statistics. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "compare.h"
#include "elements.h"
#include "emit.h"
#include "options.h"
#include "statistics.h"

/* ---- Options ---- */

static bool parse(options *o, const char *name, size_t count, const char *const *words)
{
	*o = (options){ 0 };
	freopen("/dev/null", "w", stderr);
	return options_parse(o, command_find(name), count, (char *const *)words);
}
#define PARSE(o, command, ...)                                                                               \
	parse(o, command, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                          \
	      (const char *[]){ __VA_ARGS__ })

Test(options, all_ways_to_write_them)
{
	options o;
	cr_assert(PARSE(&o, "run", "--threads", "3", "-ia=b", "-i", "c=d", "m.onnx", "--top=5", "--json"));
	cr_expect_eq(o.threads.number, 3);
	cr_expect_eq(o.input.count, 2);
	cr_expect_str_eq(o.input.texts[0], "a=b");
	cr_expect_str_eq(o.input.texts[1], "c=d");
	cr_expect_eq(o.top.number, 5);
	cr_expect_eq(o.argument_count, 1);
	cr_expect(o.json.count && !o.json.text);
	options_free(&o);
}

Test(options, json_takes_the_next_word_only_if_it_is_a_json_file)
{
	options o;
	cr_assert(PARSE(&o, "bench", "--json", "out.json", "m.onnx"));
	cr_expect_str_eq(o.json.text, "out.json");
	options_free(&o);
	cr_assert(PARSE(&o, "bench", "--json", "m.onnx"));
	cr_expect_null(o.json.text);
	cr_expect_eq(o.argument_count, 1);
	options_free(&o);
	cr_assert(PARSE(&o, "bench", "--json=x", "m.onnx"));
	cr_expect_str_eq(o.json.text, "x");
	options_free(&o);
}

Test(options, names_may_be_shortened_and_words_after_two_dashes_are_arguments)
{
	options o;
	cr_assert(PARSE(&o, "verify", "--ato", "1e-3", "--", "--rtol"));
	cr_expect_eq(o.atol.real, 1e-3);
	cr_expect_str_eq(o.arguments[0], "--rtol");
	options_free(&o);
}

Test(options, bytes_take_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = { { "1000", 1000 },   { "2k", 2048 },
		      { "3M", 3 << 20 },  { "4GiB", UINT64_C(4) << 30 },
		      { "5MB", 5 << 20 }, { "1T", UINT64_C(1) << 40 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		options o;
		cr_assert(PARSE(&o, "run", "--max-memory", cases[i].text));
		cr_expect_eq(o.max_memory.number, cases[i].bytes, "%s", cases[i].text);
		options_free(&o);
	}
}

Test(options, mistakes_are_found)
{
	static const char *const wrong[][2] = {
		{ "--threads", "x" },
		{ "--threads", "-1" },
		{ "--threads", "1.5" },
		{ "--threads", "" },
		{ "--top", "99999999999999999999" },
		{ "--max-memory", "1Q" },
		{ "--max-memory", "99999999T" },
		{ "--objective", "fun" },
		{ "--objective", "" },
		{ "--help=x", NULL },
		{ "--nothing", NULL },
		{ "-z", NULL },
		{ "--threads", NULL },
		{ "--out", NULL },
		{ "--precision", "exac" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		options o;
		cr_expect_not(parse(&o, "run", wrong[i][1] ? 2 : 1, wrong[i]), "%s %s", wrong[i][0],
			      wrong[i][1]);
		options_free(&o);
	}
}

/* ---- JSON ---- */

static json_t *written(void (*write)(emitter *j))
{
	char *text = NULL;
	size_t size;
	json_error_t error;
	emitter j = { .file = open_memstream(&text, &size), .first = true };
	write(&j);
	fclose(j.file);
	json_t *root = json_loads(text, 0, &error);
	cr_assert_not_null(root, "%s in %s", error.text, text);
	free(text);
	return root;
}

static void write_all(emitter *j)
{
	emit_object(j, NULL);
	emit_string(j, "quoted \"\\\n\t\x01", "\xc3\xa9 \xff\xc3 \xed\xa0\x80 \xf4\x90\x80\x80 end");
	emit_real(j, "third", 1.0 / 3);
	emit_real(j, "tenth", 0.1);
	emit_real(j, "infinite", INFINITY);
	emit_real(j, "nan", NAN);
	emit_real(j, "tiny", 5e-324);
	emit_count(j, "count", UINT64_C(1) << 62);
	emit_integer(j, "negative", INT64_MIN);
	emit_boolean(j, "yes", true);
	emit_string(j, "null", NULL);
	emit_array(j, "empty");
	emit_end_array(j);
	emit_object(j, "object");
	emit_end_object(j);
	emit_integers(j, "list", 3, (int64_t[]){ 1, -2, 3 });
	emit_end_object(j);
}

Test(json, what_is_written_is_read_by_another_reader)
{
	json_t *root = written(write_all);
	cr_expect_eq(json_real_value(json_object_get(root, "third")), 1.0 / 3);
	cr_expect_eq(json_real_value(json_object_get(root, "tenth")), 0.1);
	cr_expect_eq(json_real_value(json_object_get(root, "tiny")), 5e-324);
	cr_expect(json_is_null(json_object_get(root, "infinite")));
	cr_expect(json_is_null(json_object_get(root, "nan")));
	cr_expect_eq(json_integer_value(json_object_get(root, "count")), INT64_C(1) << 62);
	cr_expect_eq(json_integer_value(json_object_get(root, "negative")), INT64_MIN);
	cr_expect_eq(json_integer_value(json_array_get(json_object_get(root, "list"), 1)), -2);
	cr_expect(json_is_true(json_object_get(root, "yes")));
	const char *text = json_string_value(json_object_get(root, "quoted \"\\\n\t\x01"));
	cr_assert_not_null(text);
	cr_expect_eq(strncmp(text, "\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd ", 10), 0);
	json_decref(root);
}

/* ---- Comparison ---- */

static comparison compare(clast_dtype d, const void *a, const void *b, size_t n, double rtol, double atol)
{
	clast_tensor *x, *y;
	comparison c;
	const int64_t dims[] = { (int64_t)n };
	cr_assert_eq(clast_tensor_wrap(d, 1, dims, NULL, (void *)a, &x, NULL), CLAST_OK);
	cr_assert_eq(clast_tensor_wrap(d, 1, dims, NULL, (void *)b, &y, NULL), CLAST_OK);
	cr_assert_eq(compare_tensors(x, y, (tolerance){ rtol, atol }, &c), CLAST_OK);
	clast_tensor_free(&x);
	clast_tensor_free(&y);
	return c;
}
#define FLOATS(...) ((const float[]){ __VA_ARGS__ })

Test(compare, tolerances_add_and_scale_with_the_expected_value)
{
	cr_expect(compare(CLAST_FLOAT32, FLOATS(100.0625f), FLOATS(100), 1, 0.000625, 0).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(100.0625f), FLOATS(100), 1, 0.000624, 0).agrees);
	cr_expect(compare(CLAST_FLOAT32, FLOATS(100.0625f), FLOATS(100), 1, 0.0005, 0.0125).agrees);
	cr_expect(compare(CLAST_FLOAT32, FLOATS(0), FLOATS(1), 1, 1, 0).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(1), FLOATS(0), 1, 1, 0).agrees);
}

Test(compare, special_values_must_be_the_same)
{
	cr_expect(compare(CLAST_FLOAT32, FLOATS(NAN, INFINITY, -INFINITY), FLOATS(NAN, INFINITY, -INFINITY),
			  3, 0, 0)
			  .agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(NAN), FLOATS(1), 1, 1, 1e30).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(1), FLOATS(NAN), 1, 1, 1e30).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(INFINITY), FLOATS(-INFINITY), 1, 0.1, 1).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(3e38f), FLOATS(INFINITY), 1, 0, 1e30).agrees);
	cr_expect_not(compare(CLAST_FLOAT32, FLOATS(INFINITY), FLOATS(3e38f), 1, 0.5, 1e30).agrees);
}

Test(compare, figures_describe_the_difference)
{
	const comparison c = compare(CLAST_FLOAT32, FLOATS(1, 2, 3, -8), FLOATS(1, 2.5f, 3, -9), 4, 0, 0.6);
	cr_expect_eq(c.max_abs, 1);
	cr_expect_eq(c.mean_abs, 0.375);
	cr_expect_eq(c.largest, 9);
	cr_expect_eq(c.mismatches, 1);
	cr_expect_not_null(strstr(c.reason, "element 3 is -8, expected -9"), "%s", c.reason);
}

Test(compare, integers_and_strings_must_be_equal)
{
	const int64_t a[] = { INT64_MAX }, b[] = { INT64_MAX - 1 };
	const clast_string s[] = { { "ab", 2 } }, t[] = { { "ac", 2 } };
	cr_expect(compare(CLAST_INT64, a, a, 1, 0, 0).agrees);
	cr_expect_not(compare(CLAST_INT64, a, b, 1, 1, 1e30).agrees);
	cr_expect(compare(CLAST_STRING, s, s, 1, 0, 0).agrees);
	cr_expect_not(compare(CLAST_STRING, s, t, 1, 1, 1).agrees);
	cr_expect_not(compare(CLAST_BOOL, "\1", "\0", 1, 1, 1).agrees);
}

Test(compare, dtype_and_shape_must_match)
{
	clast_tensor *x, *y, *z;
	comparison c;
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 2, (int64_t[]){ 1, 2 }, NULL, &x, NULL), CLAST_OK);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 1, (int64_t[]){ 2 }, NULL, &y, NULL), CLAST_OK);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT64, 2, (int64_t[]){ 1, 2 }, NULL, &z, NULL), CLAST_OK);
	cr_assert_eq(compare_tensors(x, y, (tolerance){ 1, 1 }, &c), CLAST_OK);
	cr_expect(!c.agrees && isinf(c.max_abs) && strstr(c.reason, "1x2"));
	cr_assert_eq(compare_tensors(x, z, (tolerance){ 1, 1 }, &c), CLAST_OK);
	cr_expect(!c.agrees && strstr(c.reason, "float64"));
	clast_tensor_free(&x);
	clast_tensor_free(&y);
	clast_tensor_free(&z);
}

/* ---- Elements ---- */

Test(elements, every_code_of_the_small_types_survives)
{
	static const clast_dtype types[] = { CLAST_FLOAT16,        CLAST_BFLOAT16,   CLAST_FLOAT8E4M3FN,
					     CLAST_FLOAT8E4M3FNUZ, CLAST_FLOAT8E5M2, CLAST_FLOAT8E5M2FNUZ,
					     CLAST_FLOAT4E2M1,     CLAST_FLOAT8E8M0 };
	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		const bool wide = clast_dtype_bytes(types[t]) == 2;
		const uint32_t codes = wide ? 65536 : types[t] == CLAST_FLOAT4E2M1 ? 16 : 256;
		for (uint32_t code = 0; code < codes; code++) {
			uint16_t from = (uint16_t)code, to = 0;
			const double x = element_get(types[t], &from, 0, NULL);
			element_put(types[t], &to, 0, x);
			if (isnan(x))
				cr_assert(isnan(element_get(types[t], &to, 0, NULL)), "%s %u",
					  clast_dtype_name(types[t]), code);
			else
				cr_assert_eq(to, from, "%s %u", clast_dtype_name(types[t]), code);
		}
	}
}

Test(elements, halves_are_rounded_to_even)
{
	uint16_t h;
	static const struct {
		double x;
		uint16_t bits;
	} cases[] = { { 1 + 0x1p-11, 0x3c00 }, { 1 + 0x3p-11, 0x3c02 }, { 65519, 0x7bff }, { 65520, 0x7c00 },
		      { 0x1p-25, 0 },          { 0x1.8p-25, 1 },        { -1e9, 0xfc00 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		element_put(CLAST_FLOAT16, &h, 0, cases[i].x);
		cr_expect_eq(h, cases[i].bits, "%a gives %x", cases[i].x, h);
	}
}

Test(elements, integers_are_clamped)
{
	int8_t i;
	uint64_t u;
	element_put(CLAST_INT8, &i, 0, -1000);
	cr_expect_eq(i, -128);
	element_put(CLAST_INT4, &i, 0, 9);
	cr_expect_eq(i, 7);
	element_put(CLAST_INT8, &i, 0, 2.5);
	cr_expect_eq(i, 2);
	element_put(CLAST_UINT64, &u, 0, 1e30);
	cr_expect_eq(u, UINT64_C(18446744073709549568));
}

/* ---- Classes ---- */

Test(classes, softmax_unless_it_is_a_distribution)
{
	class_rank top[3];
	cr_assert_eq(classes_top((double[]){ 0.2, 0.7, 0.1 }, 3, 3, top), 3);
	cr_expect(top[0].index == 1 && top[0].probability == 0.7);
	cr_assert_eq(classes_top((double[]){ 1, 3, 2 }, 3, 2, top), 2);
	cr_expect_eq(top[0].index, 1);
	cr_expect_float_eq(top[0].probability, exp(2) / (1 + exp(1) + exp(2)), 1e-12);
	cr_assert_eq(classes_top((double[]){ 1000, 1000 }, 2, 9, top),
		     2); /* large numbers do not overflow, ties go by index */
	cr_expect(top[0].index == 0 && top[0].probability == 0.5);
}

/* ---- Statistics ---- */

Test(statistics, known_values)
{
	double x[] = { 9, 1, 2, 3, 100 };
	const statistics s = statistics_of(x, 5);
	cr_expect_eq(s.median, 3);
	cr_expect_eq(s.least, 1);
	cr_expect_eq(s.mad, 2); /* deviations 0, 1, 2, 6, 97 */
	cr_expect_float_eq(s.p95, 9 + 0.8 * 91, 1e-9);
	cr_expect(s.low <= 3 && s.high >= 3);
	double one[] = { 5 };
	const statistics t = statistics_of(one, 1);
	cr_expect(t.median == 5 && t.mad == 0 && t.low == 5 && t.high == 5);
}

static int rising(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

Test(statistics, mad_is_the_median_of_the_deviations)
{
	uint64_t state = 1;
	for (size_t n = 1; n < 40; n++) {
		double x[40], deviations[40];
		for (size_t i = 0; i < n; i++)
			x[i] = (double)((state = state * 6364136223846793005u + 1) >> 58);
		const statistics s = statistics_of(x, n);
		for (size_t i = 0; i < n; i++)
			deviations[i] = fabs(x[i] - s.median);
		qsort(deviations, n, sizeof(double), rising);
		cr_expect_eq(s.mad, deviations[n / 2], "n %zu: %g, %g", n, s.mad, deviations[n / 2]);
	}
}
