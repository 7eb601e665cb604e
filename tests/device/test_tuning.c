/* Kernels of the device chosen by timing: timed once, kept on disk, timed again where the file is damaged, and the answer stays. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(tuning, .timeout = 900);

#define OK(call) cr_assert_eq((call), CLAST_OK, "%s", diag.message)

/* x [1, 8, 9, 9] -> Conv 3x3 -> Relu -> y */
static clast_model *network(void)
{
	clast_diag diag = { 0 };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	static float weights[8 * 8 * 9];
	static const int64_t pads[] = { 1, 1, 1, 1 };
	const clast_attribute same = { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 };
	clast_tensor *w = NULL;
	rng r = { 9 };
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
		weights[i] = 0.1f * rng_float(&r);
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "x", CLAST_FLOAT32, 4, (int64_t[]){ 1, 8, 9, 9 }, NULL, &diag));
	OK(clast_tensor_wrap(CLAST_FLOAT32, 4, (int64_t[]){ 8, 8, 3, 3 }, NULL, weights, &w, &diag));
	OK(clast_builder_constant(b, "w", w, &diag));
	clast_tensor_free(&w);
	OK(clast_builder_node(b, "Conv", "", "conv", 2, (const char *[]){ "x", "w" }, 1, (const char *[]){ "c" }, 1, &same, &diag));
	OK(clast_builder_node(b, "Relu", "", "relu", 1, (const char *[]){ "c" }, 1, (const char *[]){ "y" }, 0, NULL, &diag));
	OK(clast_builder_output(b, "y", &diag));
	OK(clast_builder_finish(&b, &m, &diag));
	return m;
}

static void run(clast_model *m, const char *device_, bool tune, float *out, clast_plan_report *report)
{
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *x = NULL, *y = NULL;
	rng r = { 4 };
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_, .tune = tune };
	OK(clast_plan_create(m, &po, &plan, &diag));
	OK(clast_session_create(plan, NULL, &session, &diag));
	OK(clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ 1, 8, 9, 9 }, NULL, &x, &diag));
	for (size_t i = 0; i < 648; i++)
		((float *)clast_tensor_data(x))[i] = rng_float(&r);
	OK(clast_session_run(session, 1, (const clast_tensor *const *)&x, 1, &y, &diag));
	OK(clast_tensor_read(y, out, 648 * sizeof(float)));
	report->struct_size = sizeof *report;
	OK(clast_plan_get_report(plan, report));
	clast_tensor_free(&x);
	clast_session_free(&session);
	clast_plan_free(&plan); /* the device closes and writes */
}

static void damage(const char *cache)
{
	char folder[200], path[500];
	snprintf(folder, sizeof folder, "%s/clast/opencl", cache);
	DIR *f = opendir(folder);
	int count = 0;
	cr_assert_not_null(f);
	for (struct dirent *e; (e = readdir(f));)
		if (!strncmp(e->d_name, "tune-", 5)) {
			snprintf(path, sizeof path, "%s/%.200s", folder, e->d_name);
			FILE *file = fopen(path, "r+b");
			cr_assert_not_null(file);
			fseek(file, -3, SEEK_END);
			fputc(0x7f, file);
			fclose(file);
			count++;
		}
	closedir(f);
	cr_assert_eq(count, 1);
}

Test(tuning, times_once_and_keeps_the_answer)
{
	const char *name = device_or_skip();
	char cache[] = "/tmp/clast-tune-XXXXXX";
	static float cpu[648], plain[648], tuned[648], again[648];
	clast_plan_report r;
	cr_assert_not_null(mkdtemp(cache));
	setenv("XDG_CACHE_HOME", cache, 1);
	unsetenv("CLAST_OPENCL_CACHE");
	clast_model *m = network();
	run(m, "cpu", false, cpu, &r);
	run(m, name, false, plain, &r);
	cr_expect_eq(r.tuned_layers, 0);
	run(m, name, true, tuned, &r);
	cr_expect_eq(r.tuned_layers, 1);
	cr_expect_eq(r.timed_layers, 1);
	const size_t changed = r.changed_layers;
	run(m, name, true, again, &r);
	cr_expect_eq(r.timed_layers, 0, "it is known from the disk");
	cr_expect_eq(r.changed_layers, changed);
	cr_expect_arr_eq(tuned, again, sizeof tuned);
	damage(cache);
	run(m, name, true, again, &r);
	cr_expect_eq(r.timed_layers, 1);
	for (size_t i = 0; i < 648; i++) {
		cr_assert_float_eq(cpu[i], tuned[i], 1e-5f);
		cr_assert_float_eq(cpu[i], plain[i], 1e-5f);
	}
	clast_model_free(&m);
}
