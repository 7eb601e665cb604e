/* What can go wrong with a device, and what lies on disk. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

TestSuite(devices, .timeout = 300);

Test(devices, the_cpu_is_no_device)
{
	clast_diag d = { 0 };
	device *x = (device *)1;
	cr_expect_eq(device_open("cpu", &x, &d), CLAST_OK);
	cr_expect_null(x);
	cr_expect_eq(device_open(NULL, &x, &d), CLAST_OK);
}

Test(devices, unknown_names_and_numbers_are_refused)
{
	static const char *const names[] = { "gpu", "opencl:", "opencl:x", "opencl:-1", "opencl:998", "openclx", "opencl:99999999999999999999",
		                             "opencl+", "opencl+halves", "opencl:0half", "opencl:998+half" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		clast_diag d = { 0 };
		device *x = NULL;
		cr_expect_eq(device_open(names[i], &x, &d), CLAST_ERROR_DEVICE, "%s", names[i]);
		cr_expect_null(x);
		cr_expect_neq(d.message[0], 0);
	}
}

Test(devices, without_a_platform_there_is_a_message)
{
	clast_diag d = { 0 };
	device *x = NULL;
	setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
	cr_expect_eq(device_open("opencl", &x, &d), CLAST_ERROR_DEVICE);
	cr_expect_neq(d.message[0], 0);
	cr_expect_eq(device_count(&d), 0);
}

static device *open_or_skip(void)
{
	clast_diag d = { 0 };
	device *x = NULL;
	if (device_open(tested_device(), &x, &d))
		cr_skip_test("no OpenCL device to test on: %s", d.message);
	return x;
}

Test(devices, too_large_a_buffer_is_an_error_of_memory)
{
	clast_diag d = { 0 };
	device_memory *m = NULL;
	device *x = open_or_skip();
	cr_expect_eq(device_alloc(x, SIZE_MAX / 4, NULL, &m, &d), CLAST_ERROR_MEMORY);
	cr_expect_null(m);
	cr_expect_eq(device_alloc(x, 0, NULL, &m, &d), CLAST_OK);
	device_free(&m);
	device_close(&x);
}

/* y = op(x) over a few elements. */
static clast_status make_call(device *x, uint8_t op, bump *region, device_call **call, clast_diag *d)
{
	eltwise_params p = { .rank = 1, .operands = 2, .extent = { 5 }, .operand = { { KERNEL_F32, { 1 } }, { KERNEL_F32, { 1 } } } };
	p.program.count = 3;
	p.program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 0, .a = 0 };
	p.program.code[1] = (program_instr){ .op = op, .dst = 0, .a = 0 };
	p.program.code[2] = (program_instr){ .op = PROGRAM_STORE, .dst = 1, .a = 0 };
	return device_call_create(x, KERNEL_eltwise, &p, 3, false, region, call, d);
}

Test(devices, a_source_that_does_not_compile_comes_with_the_log)
{
	clast_diag d = { 0 };
	mem m;
	bump region;
	device_call *call;
	device *x = open_or_skip();
	mem_init(&m, NULL, 0);
	bump_init(&region, &m);
	cr_expect_eq(make_call(x, PROGRAM_OP_COUNT, &region, &call, &d), CLAST_ERROR_DEVICE); /* an instruction without a name */
	cr_expect(strstr(d.message, "eltwise") && strstr(d.message, "error"), "%s", d.message);
	cr_expect_null(call);
	bump_release(&region);
	device_close(&x);
}

Test(devices, what_no_kernel_takes_is_unsupported)
{
	clast_diag d = { 0 };
	mem m;
	bump region;
	device_call *call;
	device *x = open_or_skip();
	/* 2^33 elements from end to end: offsets do not fit */
	const copy_params p = { .element_bytes = 4, .rank = 2, .extent = { 3, 2 }, .in = { 1, 1 }, .out = { (ptrdiff_t)1 << 32, 1 } };
	mem_init(&m, NULL, 0);
	bump_init(&region, &m);
	cr_expect_eq(device_call_create(x, KERNEL_copy, &p, 3, false, &region, &call, &d), CLAST_ERROR_UNSUPPORTED);
	bump_release(&region);
	device_close(&x);
}

/* ---- Binaries on disk ---- */

static float run_once(uint8_t op)
{
	clast_diag d = { 0 };
	mem m;
	bump region;
	device_call *call;
	device_queue *q;
	device_arg args[2] = { { NULL, 0 } };
	float v[5] = { 4, 9, 16, 25, 36 };
	device *x = open_or_skip();
	mem_init(&m, NULL, 0);
	bump_init(&region, &m);
	cr_assert_eq(device_queue_create(x, false, &q, &d), CLAST_OK);
	cr_assert_eq(make_call(x, op, &region, &call, &d), CLAST_OK, "%s", d.message);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(device_alloc(x, sizeof v, v, &args[i].memory, &d), CLAST_OK);
	cr_assert_eq(device_launch(q, call, 2, args, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(device_read(q, args[1].memory, 0, v, sizeof v, &d), CLAST_OK);
	for (int i = 0; i < 2; i++)
		device_free(&args[i].memory);
	device_queue_free(&q);
	bump_release(&region);
	device_close(&x);
	return v[4];
}

/* The one file in the cache's folder. */
static void cached_file(const char *cache, char *path, size_t size)
{
	char folder[200];
	snprintf(folder, sizeof folder, "%s/clast/opencl", cache);
	DIR *f = opendir(folder);
	int count = 0;
	cr_assert_not_null(f, "no cache was written");
	for (struct dirent *e; (e = readdir(f));)
		if (e->d_name[0] != '.') {
			snprintf(path, size, "%s/%.200s", folder, e->d_name);
			count++;
		}
	closedir(f);
	cr_assert_eq(count, 1);
}

static void change_byte(const char *path, long at)
{
	FILE *f = fopen(path, "r+b");
	cr_assert_not_null(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	const int c = fgetc(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	fputc(c ^ 0x55, f);
	fclose(f);
}

Test(devices, a_damaged_cache_is_ignored_and_replaced)
{
	char cache[] = "/tmp/clast-cache-XXXXXX", path[500];
	cr_assert_not_null(mkdtemp(cache));
	setenv("XDG_CACHE_HOME", cache, 1);
	unsetenv("CLAST_OPENCL_CACHE");
	cr_expect_float_eq(run_once(PROGRAM_SQRT), 6.0f, 1e-5f);
	cached_file(cache, path, sizeof path);
	cr_expect_float_eq(run_once(PROGRAM_SQRT), 6.0f, 1e-5f); /* from the file */
	static const long places[] = { 0, 9, 30, 100, -5 };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		change_byte(path, places[i]);
		cr_expect_float_eq(run_once(PROGRAM_SQRT), 6.0f, 1e-5f);
	}
	cr_assert_eq(truncate(path, 20), 0);
	cr_expect_float_eq(run_once(PROGRAM_SQRT), 6.0f, 1e-5f);
	cached_file(cache, path, sizeof path);
	unlink(path);
}

Test(devices, what_a_device_can_do_is_measured)
{
	clast_diag d = { 0 };
	device *x = open_or_skip();
	clast_device_speed speed = { 0 };
	cr_expect_eq(clast_device_measure(tested_device(), &speed, &d), CLAST_OK, "%s", d.message);
	cr_expect(speed.gflops > 0 && speed.gbytes > 0);
	cr_expect_eq(clast_device_measure("cpu", &speed, &d), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_device_measure("opencl", NULL, &d), CLAST_ERROR_ARGUMENT);
	device_close(&x);
}
