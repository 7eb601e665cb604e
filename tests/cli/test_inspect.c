/* clast inspect: reports of conversions, and pictures. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

#define MODEL CLAST_MODELS "/digits/model.onnx"

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	char *text = NULL;
	size_t size = 0;
	cr_assert_geq(getdelim(&text, &size, '\0', f), 0);
	fclose(f);
	return text;
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

/* Names of elements match, quotes too: enough for what one function writes. */
static void expect_well_formed(const char *text)
{
	char open[64][16];
	size_t depth = 0;
	for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
		const char *end = strchr(at, '>');
		cr_assert(end && at[1], "an element does not end: %.60s", at);
		const size_t n = strcspn(at + 1 + (at[1] == '/'), " />");
		if (at[1] == '?' || at[1] == '!' || end[-1] == '/')
			continue;
		if (at[1] == '/') {
			cr_assert(depth && n == strlen(open[depth - 1]) && !strncmp(at + 2, open[depth - 1], n), "%.60s", at);
			depth--;
			continue;
		}
		if (!strncmp(at + 1, "br>", 3) || !strncmp(at + 1, "meta ", 5))
			continue;
		cr_assert(depth < 64 && n < 16);
		snprintf(open[depth++], 16, "%.*s", (int)n, at + 1);
	}
	cr_expect_eq(depth, 0);
}

Test(inspect, reports_each_conversion_with_what_forces_it)
{
	static const char *const texts[] = { "value", "from", "to", "op", "node", "reason", "remedy" };
	json_error_t error;
	result r = RUN("inspect", MODEL, "--strategy", "wrap", "--json");
	json_t *root = json_loads(r.out, 0, &error), *list = json_object_get(root, "surviving");
	cr_assert(json_is_array(list), "%s", r.out);
	json_int_t bytes = 0, inside = 0, border = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *t = json_array_get(list, i);
		for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++)
			cr_expect(json_is_string(json_object_get(t, texts[k])), "%s", texts[k]);
		cr_expect(strcmp(json_string_value(json_object_get(t, "from")), json_string_value(json_object_get(t, "to"))) != 0);
		const bool io = json_is_true(json_object_get(t, "io"));
		*(io ? &border : &inside) += 1;
		bytes += io ? 0 : json_integer_value(json_object_get(t, "bytes"));
	}
	cr_expect_gt(inside, 0);
	cr_expect_eq(inside, json_integer_value(json_object_get(root, "transposes")));
	cr_expect_eq(border, json_integer_value(json_object_get(root, "io_transposes")));
	cr_expect_eq(bytes, json_integer_value(json_object_get(root, "transpose_bytes")));
	json_decref(root);
	result_free(&r);
}

Test(inspect, prints_the_certificate)
{
	json_error_t error;
	result r = RUN("inspect", MODEL, "--json");
	json_t *root = json_loads(r.out, 0, &error), *c = json_object_get(root, "certificate");
	cr_assert(json_is_object(c), "%s", r.out);
	const json_int_t cost = json_integer_value(json_object_get(c, "cost")), bound = json_integer_value(json_object_get(c, "lower_bound"));
	cr_expect_eq(json_integer_value(json_object_get(c, "gap")), cost - bound);
	cr_expect(json_is_true(json_object_get(c, "optimal")));
	cr_expect_str_eq(json_string_value(json_object_get(c, "objective")), "time");
	json_decref(root);
	result_free(&r);
}

Test(inspect, draws_every_step_and_conversion)
{
	const char *folder = make_folder(), *svg = in_folder(folder, "plan.svg"), *html = in_folder(folder, "plan.html");
	json_error_t error;
	result r = RUN("inspect", MODEL, "--strategy", "wrap", "--svg", svg, "--html", html, "--json", "--layout");
	cr_assert_eq(r.status, 0, "%s", r.err);
	json_t *root = json_loads(r.out, 0, &error);
	const size_t steps = json_array_size(json_object_get(root, "steps"));
	char *picture = read_all(svg), *page = read_all(html);
	expect_well_formed(picture);
	expect_well_formed(page);
	cr_expect_eq(count_of(picture, "<title>"), steps);
	cr_expect_eq(count_of(picture, "\xE2\x86\x92"), json_array_size(json_object_get(root, "surviving")));
	cr_expect_eq(count_of(page, "<title>"), steps + 1);
	cr_expect_null(strstr(page, "src="), "the page needs other files");
	free(picture);
	free(page);
	json_decref(root);
	result_free(&r);
	remove_folder(folder);
}

Test(inspect, says_which_picture_cannot_be_written)
{
	result r = RUN("inspect", MODEL, "--svg", "/nowhere/plan.svg");
	cr_expect_eq(r.status, 4);
	cr_expect_not_null(strstr(r.err, "/nowhere/plan.svg"), "%s", r.err);
	result_free(&r);
}

/* ---- Orders given by the caller ---- */

static void expect_orders_refused(const char *order, const char *part)
{
	result r = RUN("inspect", MODEL, "--order", order);
	cr_expect_eq(r.status, 2, "%s: %d %s", order, r.status, r.err);
	cr_expect_not_null(strstr(r.err, part), "%s: %s", order, r.err);
	result_free(&r);
}

/* The name of the first convolution's output and its order. */
static char *first_convolution(const char *file, char order[64])
{
	json_error_t error;
	result r = file ? RUN("inspect", MODEL, "--orders", file, "--layout", "--json") : RUN("inspect", MODEL, "--layout", "--json");
	json_t *root = json_loads(r.out, 0, &error), *steps = json_object_get(root, "steps");
	char *name = NULL;
	for (size_t i = 0; !name && i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);
		if (strcmp(json_string_value(json_object_get(s, "op")), "Conv") != 0)
			continue;
		name = strdup(json_string_value(json_object_get(s, "output")));
		snprintf(order, 64, "%s", json_string_value(json_object_get(s, "order")));
	}
	cr_assert_not_null(name, "%s%s", r.out, r.err);
	json_decref(root);
	result_free(&r);
	return name;
}

Test(inspect, takes_orders_of_values_from_options_and_files)
{
	static const char *const orders[] = { "N H W C", "N C H W" };
	const char *folder = make_folder(), *file = in_folder(folder, "orders.json");
	char found[64], text[512], option[512];
	char *name = first_convolution(NULL, found);
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "{ \"%s\": \"%s\" }", name, orders[i]);
		write_file(file, text, strlen(text));
		free(first_convolution(file, found));
		cr_expect_str_eq(found, orders[i]);
		snprintf(option, sizeof(option), "%s=%s", name, orders[i]);
		result r = RUN("verify", MODEL, "--ref", CLAST_MODELS "/digits", "--order", option);
		cr_expect_eq(r.status, 0, "%s%s", r.out, r.err);
		result_free(&r);
	}
	free(name);
	remove_folder(folder);
}

Test(inspect, names_the_value_whose_order_cannot_be)
{
	char found[64], option[512];
	char *name = first_convolution(NULL, found);
	snprintf(option, sizeof(option), "%s=N H W", name);
	expect_orders_refused(option, name);
	expect_orders_refused(option, "each axis of N C H W once");
	expect_orders_refused("/block3/project/project.1/BatchNormalization_output_0=W C N H", "but Conv writes N H W C");
	expect_orders_refused("nothing=first", "\"nothing\"");
	expect_orders_refused("nothing", "expected VALUE=ORDER");
	free(name);
	result r = RUN("inspect", MODEL, "--strategy", "manual");
	cr_expect_eq(r.status, 2);
	cr_expect_not_null(strstr(r.err, "--order"), "%s", r.err);
	result_free(&r);
}
