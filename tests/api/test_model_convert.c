/* Converting as a caller does it: options, reports, and what remains when memory runs out. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/failing.h"

#define DIGITS CLAST_MODELS "/digits/model.onnx"

static char folder[] = "/tmp/clast-convert-XXXXXX";
static char path[64];

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/model.onnx", folder);
}

static void remove_folder(void)
{
	unlink(path);
	cr_expect_eq(rmdir(folder), 0, "something was left behind in %s", folder);
}

TestSuite(model_convert, .init = make_folder, .fini = remove_folder);

static size_t files_in_folder(void)
{
	size_t n = 0;
	DIR *d = opendir(folder);
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

Test(model_convert, wrong_options_are_refused)
{
	clast_diag d = { 0 };
	clast_convert_options o = { .struct_size = sizeof o, .layout = "keep" };
	cr_expect_eq(clast_model_convert(DIGITS, path, &o, NULL, &d), CLAST_ERROR_ARGUMENT);
	cr_expect_not_null(strstr(d.message, "layout \"keep\""), "%s", d.message);
	o = (clast_convert_options){ .struct_size = sizeof o, .input_layout = "N H W C" };
	cr_expect_eq(clast_model_convert(DIGITS, path, &o, NULL, &d), CLAST_ERROR_ARGUMENT);
	cr_expect_not_null(strstr(d.message, "keep, first or last"), "%s", d.message);
	o = (clast_convert_options){ .struct_size = sizeof o, .objective = "time" };
	cr_expect_eq(clast_model_convert(DIGITS, path, &o, NULL, &d), CLAST_ERROR_ARGUMENT);
	o = (clast_convert_options){ .struct_size = sizeof o, .strategy = "best" };
	cr_expect_eq(clast_model_convert(DIGITS, path, &o, NULL, &d), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_model_convert(NULL, path, NULL, NULL, &d), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_model_convert(DIGITS, NULL, NULL, NULL, NULL), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_model_convert(CLAST_MODELS "/none.onnx", path, NULL, NULL, &d), CLAST_ERROR_IO);
	cr_expect_eq(files_in_folder(), 0);
}

Test(model_convert, without_options_the_graph_stays_channels_first)
{
	clast_diag d = { 0 };
	clast_convert_report r = { .struct_size = sizeof r };
	clast_model *m;
	clast_value_info x;
	cr_assert_eq(clast_model_convert(DIGITS, path, NULL, &r, &d), CLAST_OK, "%s", d.message);
	cr_expect_eq(r.transposes, 0);
	cr_expect(r.optimal);
	cr_expect_gt(r.nodes, 10);
	cr_assert_eq(clast_model_load(path, NULL, &m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_model_input(m, 0, &x), CLAST_OK);
	cr_expect_eq(x.dims[1], 3);
	clast_model_free(&m);
}

/* ---- Failing allocations ---- */

static clast_status convert_with(failing *f, const char *layout, clast_diag *d)
{
	const clast_allocator allocator = failing_allocator(f);
	const clast_model_options mo = { .struct_size = sizeof mo, .allocator = &allocator };
	const clast_convert_options o = { .struct_size = sizeof o, .model = &mo, .layout = layout };
	return clast_model_convert(DIGITS, path, &o, NULL, d);
}

Test(model_convert, every_failed_allocation_is_said_and_leaves_nothing)
{
	failing f = { 0 };
	clast_diag d = { 0 };
	cr_assert_eq(convert_with(&f, "last", &d), CLAST_OK, "%s", d.message);
	cr_expect_eq(f.live, 0);
	unlink(path);
	const size_t calls = f.calls, step = calls > 400 ? calls / 400 : 1;
	for (size_t n = 0; n < calls; n += n < 40 ? 1 : step) {
		f = (failing){ .fail_at = n + 1, .for_ever = true };
		d = (clast_diag){ 0 };
		cr_assert_eq(convert_with(&f, "last", &d), CLAST_ERROR_MEMORY, "allocation %zu of %zu: %s", n, calls, d.message);
		cr_assert_eq(f.live, 0, "allocation %zu of %zu: %lld blocks are left", n, calls, (long long)f.live);
		cr_assert_eq(files_in_folder(), 0, "allocation %zu of %zu: a file is left", n, calls);
	}
}
