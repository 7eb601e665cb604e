/* External data: read from the model's folder, and from nowhere else. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build.h"
#include "external.h"

static file f;
static char folder[64], path[128];

static const char *in_folder(const char *name)
{
	static char full[256];
	snprintf(full, sizeof(full), "%s/%s", folder, name);
	return full;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *out = fopen(in_folder(name), "wb");
	cr_assert(out && fwrite(bytes, 1, size, out) == size && !fclose(out));
}

static void setup(void)
{
	const char *base = getenv("TMPDIR");
	float numbers[2048];
	for (int i = 0; i < 2048; i++)
		numbers[i] = (float)i;
	snprintf(folder, sizeof(folder), "%.40s/clast-XXXXXX", base ? base : "/tmp");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	write_file("data.bin", numbers, sizeof(numbers));
	write_file("empty.bin", "", 0);
	cr_assert_eq(mkdir(in_folder("sub"), 0700), 0);
	write_file("sub/more.bin", numbers, sizeof(numbers));
}

static void teardown(void)
{
	char command[128];
	file_free(&f);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(external, .init = setup, .fini = teardown);

static void put_entry(const char *key, const char *text)
{
	if (!text)
		return;
	open_message(&f, 13);
	put_string(&f, 1, key);
	put_string(&f, 2, text);
	close_message(&f);
}

static void put_external(unsigned field, const char *dims, const char *location, const char *offset,
			 const char *length)
{
	begin_tensor(&f, field, "w", CLAST_FLOAT32, dims);
	put_entry("location", location);
	put_entry("offset", offset);
	put_entry("length", length);
	put_entry("checksum", "ignored");
	put_varint(&f, 14, 1);
	close_message(&f);
}

static void make(const char *dims, const char *location, const char *offset, const char *length)
{
	file_free(&f);
	begin_model(&f, 10, 20);
	begin_graph(&f, "g");
	put_external(5, dims, location, offset, length);
	put_value(&f, 12, "w", 1, NULL);
	close_message(&f);
	write_file("model.onnx", f.bytes, f.size);
}

static clast_status import(clast_model **m, clast_diag *d)
{
	*d = (clast_diag){ 0 };
	clast_status status = model_create(NULL, m, d);
	if (!status)
		status = import_file(*m, path, NULL, d);
	if (status) {
		model_release(*m);
		*m = NULL;
	}
	return status;
}

static void good(float first, size_t mappings)
{
	clast_model *m;
	clast_diag d;
	cr_assert_eq(import(&m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(((const float *)find_value(m, "w")->constant->data)[0], first);
	cr_assert_eq(m->mapping_count, mappings);
	model_release(m);
}

static void bad(clast_status expected, const char *say)
{
	clast_model *m;
	clast_diag d;
	const clast_status status = import(&m, &d);
	cr_assert_eq(status, expected, "found %s: %s", clast_status_name(status), d.message);
	cr_assert(strstr(d.message, say), "expected \"%s\" in: %s", say, d.message);
	cr_assert(strstr(d.message, "model.onnx"), "the file is named: %s", d.message);
}

Test(external, is_read)
{
	make("4", "data.bin", "8", "16");
	good(2, 0);
	make("4", "./data.bin", NULL, NULL);
	good(0, 0);
	make("4", "sub/more.bin", "4", NULL);
	good(1, 0);
	make("4", "sub//./more.bin", "4", NULL);
	good(1, 0);
	make("2", "data.bin", "3", "8"); /* not aligned: copied */
	clast_model *m;
	clast_diag d;
	cr_assert_eq(import(&m, &d), CLAST_OK, "%s", d.message);
	model_release(m);
}

Test(external, large_floats_stay_in_the_file)
{
	make("1024", "data.bin", "4096", "4096");
	good(1024, 1);
	make("1024", "data.bin", "4", "4096");
	good(1, 1);
	make("1024", "data.bin", "2", "4096");
	clast_model *m;
	clast_diag d;
	cr_assert_eq(import(&m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(m->mapping_count, 1);
	const value_id w = 0;
	cr_assert_not(view_is_aligned(m->values[w].constant));
	cr_assert_eq(model_align(m, w, &d), CLAST_OK);
	cr_assert(view_is_aligned(m->values[w].constant));
	model_release(m);
}

Test(external, places)
{
	make("4", "data.bin", "-1", "16");
	bad(CLAST_ERROR_MODEL, "expected a number of bytes as offset, found \"-1\"");
	make("4", "data.bin", "18446744073709551616", "16");
	bad(CLAST_ERROR_MODEL, "as offset");
	make("4", "data.bin", "18446744073709551615", "16");
	bad(CLAST_ERROR_MODEL, "which has 8192 bytes");
	make("4", "data.bin", "9223372036854775800", "16");
	bad(CLAST_ERROR_MODEL, "which has 8192 bytes");
	make("4", "data.bin", "8180", "16");
	bad(CLAST_ERROR_MODEL, "bytes 8180 to 8180 + 16 of \"data.bin\", which has 8192 bytes");
	make("4", "data.bin", "0", "15");
	bad(CLAST_ERROR_MODEL, "expected a length of 16 bytes, found 15");
	make("4", "data.bin", "0", "1e3");
	bad(CLAST_ERROR_MODEL, "as length, found \"1e3\"");
	make("4", "data.bin", "", "16");
	bad(CLAST_ERROR_MODEL, "as offset");
	make("4", NULL, "0", "16");
	bad(CLAST_ERROR_MODEL, "without a location");
	make("1", "empty.bin", "0", "4");
	bad(CLAST_ERROR_MODEL, "which has 0 bytes");
	make("0", "empty.bin", "0", "0");
	clast_model *m;
	clast_diag d;
	cr_assert_eq(import(&m, &d), CLAST_OK, "%s", d.message);
	model_release(m);
}

Test(external, duplicate_keys_and_payloads)
{
	file_free(&f);
	begin_model(&f, 10, 20);
	begin_graph(&f, "g");
	begin_tensor(&f, 5, "w", CLAST_FLOAT32, "4");
	put_entry("location", "data.bin");
	put_entry("location", "data.bin");
	put_varint(&f, 14, 1);
	close_message(&f);
	close_message(&f);
	write_file("model.onnx", f.bytes, f.size);
	bad(CLAST_ERROR_MODEL, "the key location occurs twice");
	file_free(&f);
	begin_model(&f, 10, 20);
	begin_graph(&f, "g");
	begin_tensor(&f, 5, "w", CLAST_FLOAT32, "1");
	put_entry("location", "data.bin");
	put_float(&f, 4, 1);
	put_varint(&f, 14, 1);
	close_message(&f);
	close_message(&f);
	write_file("model.onnx", f.bytes, f.size);
	bad(CLAST_ERROR_MODEL, "float_data and external data");
}

static void cannot_escape(void)
{
	static const char *const locations[] = { "/etc/passwd",   "../x", "sub/../../x", "..", "sub/..",
						 "a/../data.bin", "" };
	for (size_t i = 0; i < sizeof(locations) / sizeof(*locations); i++) {
		make("4", locations[i], NULL, NULL);
		bad(CLAST_ERROR_MODEL, "location");
	}
	make("4", "...", NULL, NULL);
	bad(CLAST_ERROR_IO, "No such file");
	make("4", "missing.bin", NULL, NULL);
	bad(CLAST_ERROR_IO, "cannot open the external data \"missing.bin\": No such file");
	make("4", "sub", NULL, NULL);
	bad(CLAST_ERROR_IO, "not a regular file");
	make("4", "data.bin/x", NULL, NULL);
	bad(CLAST_ERROR_IO, "Not a directory");
}

static void links_are_refused(void)
{
	cr_assert_eq(symlink("/etc/passwd", in_folder("link")), 0);
	make("4", "link", NULL, NULL);
	bad(CLAST_ERROR_IO, "symbolic links");
	cr_assert_eq(symlink("data.bin", in_folder("inner")), 0);
	make("4", "inner", NULL, NULL);
	bad(CLAST_ERROR_IO, "symbolic links");
	cr_assert_eq(symlink("/etc", in_folder("etc")), 0);
	make("4", "etc/passwd", NULL, NULL);
	bad(CLAST_ERROR_IO, "cannot open");
	cr_assert_eq(symlink("sub", in_folder("other")), 0);
	make("4", "other/more.bin", NULL, NULL);
	bad(CLAST_ERROR_IO, "cannot open");
	char from[256];
	snprintf(from, sizeof(from), "%s", in_folder("data.bin"));
	cr_assert_eq(link(from, in_folder("hard")), 0);
	make("4", "hard", NULL, NULL);
	bad(CLAST_ERROR_IO, "more than one name");
}

Test(external, cannot_escape)
{
	cannot_escape();
}

Test(external, links_are_refused)
{
	links_are_refused();
}

Test(external, fifo_is_refused_and_does_not_block, .timeout = 20)
{
	cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
	make("4", "fifo", NULL, NULL);
	bad(CLAST_ERROR_IO, "not a regular file");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	bad(CLAST_ERROR_IO, "not a regular file");
}

/* What open_beneath does where the kernel has no openat2. */
Test(external, fallback_is_as_strict)
{
	static const struct {
		const char *location;
		clast_status status;
	} cases[] = {
		{ "data.bin", CLAST_OK },
		{ "./data.bin", CLAST_OK },
		{ "sub//more.bin", CLAST_OK },
		{ "link", CLAST_ERROR_IO },
		{ "inner", CLAST_ERROR_IO },
		{ "etc/passwd", CLAST_ERROR_IO },
		{ "other/more.bin", CLAST_ERROR_IO },
		{ "missing", CLAST_ERROR_IO },
		{ "sub", CLAST_ERROR_IO },
		{ "../x", CLAST_ERROR_MODEL },
		{ "data.bin/", CLAST_OK },
		{ "data.bin/x", CLAST_ERROR_IO },
	};
	cr_assert_eq(symlink("/etc/passwd", in_folder("link")), 0);
	cr_assert_eq(symlink("data.bin", in_folder("inner")), 0);
	cr_assert_eq(symlink("/etc", in_folder("etc")), 0);
	cr_assert_eq(symlink("sub", in_folder("other")), 0);
	char long_name[400];
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = 0;
	for (int fallback = 0; fallback < 2; fallback++) {
		mem memory;
		external_files x;
		mapped_file *found;
		clast_diag d = { 0 };
		mem_init(&memory, NULL, 0);
		external_init(&x, &memory, path, 1 << 20);
		x.no_openat2 = fallback;
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			const clast_status status = external_open(&x, cases[i].location, &found, &d);
			/* A slash at the end makes a file a folder for the kernel; the fallback does not
			 * mind. */
			if (strcmp(cases[i].location, "data.bin/"))
				cr_assert_eq(status, cases[i].status, "%s: %s", cases[i].location, d.message);
		}
		cr_assert_eq(external_open(&x, long_name, &found, &d), CLAST_ERROR_IO);
		cr_assert_eq(x.count, 2, "each file is mapped once, whatever it is called");
		external_release(&x);
		cr_assert_eq(memory.used_bytes, 0);
	}
}

Test(external, size_limits)
{
	clast_model *m;
	clast_diag d = { 0 };
	make("4", "data.bin", NULL, NULL);
	const clast_model_options options = { .struct_size = sizeof(options),
					      .limits = { .file_bytes = 8000 } };
	cr_assert_eq(model_create(&options, &m, &d), CLAST_OK);
	cr_assert_eq(import_file(m, path, NULL, &d), CLAST_ERROR_LIMIT);
	cr_assert(strstr(d.message, "\"data.bin\" has 8192 bytes, allowed are 8000"), "%s", d.message);
	model_release(m);
}

/* Many tensors over the same bytes. */
Test(external, overlap_is_bounded)
{
	file_free(&f);
	begin_model(&f, 10, 20);
	begin_graph(&f, "g");
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "w%d", i);
		begin_tensor(&f, 5, name, CLAST_FLOAT64, "1023");
		put_entry("location", "data.bin");
		put_entry("offset", "1"); /* doubles have to be copied */
		put_varint(&f, 14, 1);
		close_message(&f);
	}
	put_value(&f, 12, "w0", 1, NULL);
	close_message(&f);
	write_file("model.onnx", f.bytes, f.size);
	bad(CLAST_ERROR_LIMIT, "tensors overlap in \"data.bin\"");
}

/* Every place that holds a tensor is confined in the same way. */
Test(external, on_every_carrier)
{
	for (int carrier = 0; carrier < 5; carrier++) {
		file_free(&f);
		begin_model(&f, 10, 20);
		put_opset(&f, 8, "local", 1);
		begin_graph(&f, "g");
		put_value(&f, 11, "x", 1, "1");
		put_value(&f, 11, "c", 9, "");
		if (carrier == 0) { /* an attribute */
			begin_node(&f, 1, "", "Constant", "", "y");
			begin_attribute(&f, 5, "value", 4);
			put_external(5, "4", "../out.bin", NULL, NULL);
			close_message(&f);
			close_message(&f);
		} else if (carrier == 1) { /* a sparse tensor */
			open_message(&f, 15);
			put_external(1, "4", "../out.bin", NULL, NULL);
			put_external(2, "4", "data.bin", NULL, NULL);
			put_varint(&f, 3, 9);
			close_message(&f);
		} else if (carrier == 2) { /* an initializer of a subgraph */
			begin_node(&f, 1, "", "If", "c", "y");
			begin_attribute(&f, 5, "then_branch", 5);
			open_message(&f, 6);
			put_external(5, "4", "../out.bin", NULL, NULL);
			close_message(&f);
			close_message(&f);
			close_message(&f);
		} else if (carrier == 3) { /* a function */
			begin_node(&f, 1, "local", "F", "x", "y");
			close_message(&f);
		} else { /* an attribute of an operator */
			begin_node(&f, 1, "", "ConstantOfShape", "x", "y");
			begin_attribute(&f, 5, "value", 4);
			put_external(5, "4", "../out.bin", NULL, NULL);
			close_message(&f);
			close_message(&f);
		}
		put_value(&f, 12, "x", 1, NULL);
		close_message(&f);
		if (carrier == 3) {
			open_message(&f, 25);
			put_string(&f, 1, "F");
			put_string(&f, 10, "local");
			put_string(&f, 4, "a");
			put_string(&f, 5, "b");
			begin_node(&f, 7, "", "Constant", "", "b");
			begin_attribute(&f, 5, "value", 4);
			put_external(5, "4", "../out.bin", NULL, NULL);
			close_message(&f);
			close_message(&f);
			close_message(&f);
		}
		write_file("model.onnx", f.bytes, f.size);
		bad(CLAST_ERROR_MODEL, "leads outside of the model's folder: \"../out.bin\"");
		/* From memory there is no folder at all. */
		import_bad(&f, CLAST_ERROR_MODEL, "a model from memory has no folder", NULL);
	}
}

Test(external, model_file)
{
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	cr_assert_eq(import_file(m, in_folder("nothing.onnx"), NULL, &d), CLAST_ERROR_IO);
	cr_assert(strstr(d.message, "nothing.onnx\": No such file"), "%s", d.message);
	cr_assert_eq(import_file(m, folder, NULL, &d), CLAST_ERROR_IO);
	cr_assert_eq(import_file(m, in_folder("empty.bin"), NULL, &d), CLAST_ERROR_MODEL);
	cr_assert(strstr(d.message, "the file is empty"), "%s", d.message);
	write_file("model.onnx", "This is plain text, not a model.\n", 33);
	cr_assert_eq(import_file(m, path, NULL, &d), CLAST_ERROR_MODEL);
	cr_assert(strstr(d.message, "not a whole ONNX model"), "%s", d.message);
	write_file("model.onnx", "version https://git-lfs.github.com/spec/v1\n", 43);
	cr_assert_eq(import_file(m, path, NULL, &d), CLAST_ERROR_MODEL);
	cr_assert(strstr(d.message, "Git LFS pointer"), "%s", d.message);
	model_release(m);
}

/* Paths without a folder, and weights of the main file. */
Test(external, relative_path_and_inline_weights)
{
	clast_model *m;
	clast_diag d = { 0 };
	make("4", "sub/more.bin", "4", NULL);
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	cr_assert_eq(import_file(m, "model.onnx", NULL, &d), CLAST_OK, "%s", d.message);
	model_release(m);
	float *numbers = malloc(400000);
	cr_assert(numbers);
	for (int i = 0; i < 100000; i++)
		numbers[i] = (float)i;
	for (int shift = 0; shift < 8; shift++) {
		static const char pad[] = "abcdefgh";
		file_free(&f);
		begin_model(&f, 10, 20);
		put_bytes(&f, 2, pad, (size_t)shift);
		begin_graph(&f, "g");
		begin_tensor(&f, 5, "w", 1, "100000");
		put_bytes(&f, 9, numbers, 400000);
		close_message(&f);
		put_value(&f, 12, "w", 1, NULL);
		close_message(&f);
		write_file("model.onnx", f.bytes, f.size);
		cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
		cr_assert_eq(import_file(m, "model.onnx", NULL, &d), CLAST_OK, "%s", d.message);
		cr_assert_eq(memcmp(find_value(m, "w")->constant->data, numbers, 400000), 0);
		cr_assert_leq(m->memory.peak_bytes, 500000, "the weights are in memory once");
		model_release(m);
	}
	free(numbers);
}
