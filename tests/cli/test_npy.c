#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"
#include "npy.h"
#include "npz.h"
#include "program.h"

/* An array of version 1, 2 or 3 with this header and these elements. Returns the size. */
static size_t array(unsigned char *to, int version, const char *dict, const void *data, size_t bytes)
{
	const size_t fixed = version > 1 ? 12 : 10, length = strlen(dict) + 1;
	memcpy(to, "\x93NUMPY", 6);
	to[6] = (unsigned char)version;
	to[7] = 0;
	for (size_t i = 8; i < fixed; i++)
		to[i] = (unsigned char)(length >> 8 * (i - 8));
	memcpy(to + fixed, dict, length - 1);
	to[fixed + length - 1] = '\n';
	if (bytes)
		memcpy(to + fixed + length, data, bytes);
	return fixed + length + bytes;
}

static clast_status parse(const unsigned char *bytes, size_t size, clast_dtype expected, file_tensor *t)
{
	problem p = { 0 };
	/* A block of exactly the size, so that a sanitizer sees what is read beyond it. */
	unsigned char *copy = malloc(size + !size);
	memcpy(copy, bytes, size);
	const clast_status s = npy_parse(copy, size, "f.npy", expected, t, &p);
	free(copy);
	if (s) {
		cr_expect_str_eq(p.file, "f.npy");
		cr_expect(p.diag.message[0]);
		cr_expect_null(t->tensor);
	}
	return s;
}

static const int16_t counted[6] = { 0, 1, 2, 3, 4, 5 };

Test(npy, versions_1_to_3_hold_the_same)
{
	for (int version = 1; version <= 3; version++) {
		unsigned char bytes[512];
		file_tensor t;
		const size_t size =
			array(bytes, version, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }",
			      counted, sizeof(counted));
		cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
		cr_expect_eq(clast_tensor_dtype(t.tensor), CLAST_INT16);
		cr_expect_eq(clast_tensor_rank(t.tensor), 2);
		cr_expect_eq(clast_tensor_dims(t.tensor)[1], 3);
		cr_expect_arr_eq(clast_tensor_data(t.tensor), counted, sizeof(counted));
		file_tensor_free(&t);
	}
}

Test(npy, big_endian_elements_are_turned_round)
{
	const unsigned char data[] = { 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5 };
	unsigned char bytes[512];
	file_tensor t;
	const size_t size = array(bytes, 1, "{'descr': '>i2', 'fortran_order': False, 'shape': (6,), }", data,
				  sizeof(data));
	cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	cr_expect_arr_eq(clast_tensor_data(t.tensor), counted, sizeof(counted));
	file_tensor_free(&t);
}

Test(npy, big_endian_complex_numbers_keep_their_parts_apart)
{
	const unsigned char data[] = { 0x3f, 0x80, 0, 0, 0x40, 0, 0, 0 };
	unsigned char bytes[512];
	file_tensor t;
	double imaginary;
	const size_t size = array(bytes, 1, "{'descr': '>c8', 'fortran_order': False, 'shape': (), }", data,
				  sizeof(data));
	cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	cr_expect_eq(clast_tensor_rank(t.tensor), 0);
	cr_expect_eq(element_get(CLAST_COMPLEX64, clast_tensor_data(t.tensor), 0, &imaginary), 1);
	cr_expect_eq(imaginary, 2);
	file_tensor_free(&t);
}

Test(npy, fortran_order_becomes_row_major)
{
	const int16_t data[] = { 0, 3, 1, 4, 2, 5 };
	unsigned char bytes[512];
	file_tensor t;
	const size_t size = array(bytes, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
				  data, sizeof(data));
	cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	cr_expect_arr_eq(clast_tensor_data(t.tensor), counted, sizeof(counted));
	file_tensor_free(&t);
}

Test(npy, strings_of_both_kinds)
{
	const uint32_t unicode[] = { 'a', 0, 0xe9, 0x1f600 };
	unsigned char bytes[512];
	file_tensor t;
	size_t size = array(bytes, 1, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", unicode,
			    sizeof(unicode));
	cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	const clast_string *s = clast_tensor_data(t.tensor);
	cr_expect_eq(s[0].length, 1);
	cr_expect_eq(s[1].length, 6);
	cr_expect_arr_eq(s[1].bytes, "\xc3\xa9\xf0\x9f\x98\x80", 6);
	file_tensor_free(&t);
	size = array(bytes, 1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }", "ab\0xyz", 6);
	cr_assert_eq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	s = clast_tensor_data(t.tensor);
	cr_expect_eq(s[0].length, 2);
	cr_expect_arr_eq(s[1].bytes, "xyz", 3);
	file_tensor_free(&t);
}

Test(npy, the_expected_dtype_settles_raw_bytes)
{
	const uint16_t data[] = { 0x3f80, 0xc000 };
	unsigned char bytes[512];
	file_tensor t;
	const size_t size = array(bytes, 1, "{'descr': '|V2', 'fortran_order': False, 'shape': (2,), }", data,
				  sizeof(data));
	cr_expect_neq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK);
	cr_assert_eq(parse(bytes, size, CLAST_BFLOAT16, &t), CLAST_OK);
	cr_expect_eq(element_get(CLAST_BFLOAT16, clast_tensor_data(t.tensor), 1, NULL), -2);
	file_tensor_free(&t);
}

static const char *const bad_headers[] = {
	"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 4), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (18446744073709551617,), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (-6,), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (2 3), }",
	"{'descr': '<i2', 'fortran_order': False, }",
	"{'descr': '<i2', 'shape': (2, 3), }",
	"{'fortran_order': False, 'shape': (2, 3), }",
	"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }",
	"{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (6,), }",
	"{'descr': '<i3', 'fortran_order': False, 'shape': (4,), }",
	"{'descr': '<f16', 'fortran_order': False, 'shape': (0,), }",
	"{'descr': '<U0', 'fortran_order': False, 'shape': (1152921504606846976,), }",
	"{'descr': '<U4611686018427387904', 'fortran_order': False, 'shape': (1,), }",
	"{'descr': '<i2', 'fortran_order': Maybe, 'shape': (6,), }",
	"{'descr': '<i2', 'fortran_order': False, 'shape': (6,), 'more': 1}",
	"{'descr': '<i2",
	"",
};

Test(npy, wrong_headers_are_refused)
{
	for (size_t i = 0; i < sizeof(bad_headers) / sizeof(*bad_headers); i++) {
		unsigned char bytes[512];
		file_tensor t = { 0 };
		const size_t size = array(bytes, 1, bad_headers[i], counted, sizeof(counted));
		cr_expect_neq(parse(bytes, size, CLAST_UNDEFINED, &t), CLAST_OK, "%s", bad_headers[i]);
		file_tensor_free(&t);
	}
}

Test(npy, a_file_cut_anywhere_is_refused)
{
	for (int version = 1; version <= 3; version++) {
		unsigned char bytes[512];
		const size_t size =
			array(bytes, version, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }",
			      counted, sizeof(counted));
		for (size_t n = 0; n < size; n++) {
			file_tensor t = { 0 };
			cr_expect_neq(parse(bytes, n, CLAST_UNDEFINED, &t), CLAST_OK, "%zu bytes", n);
			file_tensor_free(&t);
		}
	}
}

Test(npy, every_dtype_survives_the_round_trip)
{
	for (clast_dtype d = CLAST_FLOAT32; d < CLAST_DTYPE_COUNT; d++) {
		file_tensor t = { 0 }, back = { 0 };
		void *bytes;
		size_t size;
		problem p = { 0 };
		if (d == CLAST_STRING)
			continue;
		cr_assert_eq(clast_tensor_create(d, 2, (int64_t[]){ 2, 3 }, NULL, &t.tensor, NULL), CLAST_OK);
		for (size_t i = 0; i < 6; i++)
			element_put(d, clast_tensor_data(t.tensor), i, (double)i - 2);
		cr_assert_eq(npy_format(t.tensor, &bytes, &size, &p), CLAST_OK);
		cr_expect_eq((size - 6 * clast_dtype_bytes(d)) % 64, 0);
		cr_assert_eq(parse(bytes, size, d, &back), CLAST_OK, "%s", clast_dtype_name(d));
		cr_expect_eq(clast_tensor_dtype(back.tensor), d);
		cr_expect_arr_eq(clast_tensor_data(back.tensor), clast_tensor_data(t.tensor),
				 6 * clast_dtype_bytes(d));
		free(bytes);
		file_tensor_free(&t);
		file_tensor_free(&back);
	}
}

static void strings_return(const clast_string *strings, size_t count)
{
	file_tensor t = { 0 }, back = { 0 };
	void *bytes;
	size_t size;
	problem p = { 0 };
	const int64_t dims[] = { (int64_t)count };
	cr_assert_eq(clast_tensor_wrap(CLAST_STRING, 1, dims, NULL, (void *)strings, &t.tensor, NULL),
		     CLAST_OK);
	cr_assert_eq(npy_format(t.tensor, &bytes, &size, &p), CLAST_OK);
	cr_assert_eq(parse(bytes, size, CLAST_STRING, &back), CLAST_OK);
	const clast_string *got = clast_tensor_data(back.tensor);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(got[i].length, strings[i].length);
		cr_expect(!got[i].length || !memcmp(got[i].bytes, strings[i].bytes, got[i].length));
	}
	free(bytes);
	file_tensor_free(&t);
	file_tensor_free(&back);
}

Test(npy, strings_survive_the_round_trip)
{
	strings_return(
		(const clast_string[]){ { "caf\xc3\xa9", 5 }, { NULL, 0 }, { "\xf0\x9f\x98\x80!", 5 } }, 3);
	strings_return((const clast_string[]){ { "no \xff text", 9 }, { "x", 1 } }, 2);
	strings_return((const clast_string[]){ { NULL, 0 } }, 1);
}

Test(npy, tensors_with_strides_are_written_in_row_major_order)
{
	float data[] = { 0, 3, 1, 4, 2, 5 };
	file_tensor t = { 0 }, back = { 0 };
	void *bytes;
	size_t size;
	problem p = { 0 };
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 2, (int64_t[]){ 2, 3 }, (int64_t[]){ 1, 2 }, data,
				       &t.tensor, NULL),
		     CLAST_OK);
	cr_assert_eq(npy_format(t.tensor, &bytes, &size, &p), CLAST_OK);
	cr_assert_eq(parse(bytes, size, CLAST_FLOAT32, &back), CLAST_OK);
	for (size_t i = 0; i < 6; i++)
		cr_expect_eq(((float *)clast_tensor_data(back.tensor))[i], (float)i);
	free(bytes);
	file_tensor_free(&t);
	file_tensor_free(&back);
}

/* ---- npz ---- */

/* numpy.savez_compressed: 'a/b' holds 0, 1, 2 as >i2, 'c' two strings. */
static const unsigned char from_numpy[] = {
	80,  75,  3,   4,   20,  0,   0,   0,   8,   0,   0,   0,   33,  0,   205, 109, 106, 131, 74,  0,
	0,   0,   134, 0,   0,   0,   7,   0,   20,  0,   97,  47,  98,  46,  110, 112, 121, 1,   0,   16,
	0,   134, 0,   0,   0,   0,   0,   0,   0,   74,  0,   0,   0,   0,   0,   0,   0,   155, 236, 23,
	234, 27,  16,  201, 200, 80,  198, 80,  173, 158, 146, 90,  156, 92,  164, 110, 165, 160, 110, 151,
	105, 164, 174, 163, 160, 158, 150, 95,  84,  82,  148, 152, 23,  159, 95,  148, 146, 10,  18,  119,
	75,  204, 41,  78,  5,   138, 23,  103, 36,  22,  164, 2,   249, 26,  198, 58,  154, 58,  10,  181,
	10,  20,  0,   46,  6,   6,   6,   70,  6,   38,  0,   80,  75,  3,   4,   20,  0,   0,   0,   8,
	0,   0,   0,   33,  0,   77,  85,  176, 143, 77,  0,   0,   0,   144, 0,   0,   0,   5,   0,   20,
	0,   99,  46,  110, 112, 121, 1,   0,   16,  0,   144, 0,   0,   0,   0,   0,   0,   0,   77,  0,
	0,   0,   0,   0,   0,   0,   155, 236, 23,  234, 27,  16,  201, 200, 80,  198, 80,  173, 158, 146,
	90,  156, 92,  164, 110, 165, 160, 110, 19,  106, 164, 174, 163, 160, 158, 150, 95,  84,  82,  148,
	152, 23,  159, 95,  148, 146, 10,  18,  119, 75,  204, 41,  78,  5,   138, 23,  103, 36,  22,  164,
	2,   249, 26,  70,  58,  154, 58,  10,  181, 10,  20,  0,   174, 151, 12,  16,  144, 8,   196, 73,
	64,  12,  0,   80,  75,  1,   2,   20,  3,   20,  0,   0,   0,   8,   0,   0,   0,   33,  0,   205,
	109, 106, 131, 74,  0,   0,   0,   134, 0,   0,   0,   7,   0,   0,   0,   0,   0,   0,   0,   0,
	0,   0,   0,   128, 1,   0,   0,   0,   0,   97,  47,  98,  46,  110, 112, 121, 80,  75,  1,   2,
	20,  3,   20,  0,   0,   0,   8,   0,   0,   0,   33,  0,   77,  85,  176, 143, 77,  0,   0,   0,
	144, 0,   0,   0,   5,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   128, 1,   131, 0,
	0,   0,   99,  46,  110, 112, 121, 80,  75,  5,   6,   0,   0,   0,   0,   2,   0,   2,   0,   104,
	0,   0,   0,   7,   1,   0,   0,   0,   0
};

Test(npz, an_archive_of_numpy_is_read)
{
	const char *folder = make_folder(), *path = in_folder(folder, "a.npz");
	problem p = { 0 };
	npz *a;
	file_tensor t;
	write_file(path, from_numpy, sizeof(from_numpy));
	cr_assert_eq(npz_open(path, &a, &p), CLAST_OK, "%s", p.diag.message);
	cr_expect_eq(npz_count(a), 2);
	cr_expect_eq(npz_find(a, "missing"), SIZE_MAX);
	cr_assert_eq(npz_read(a, npz_find(a, "a/b"), CLAST_UNDEFINED, &t, &p), CLAST_OK, "%s",
		     p.diag.message);
	cr_expect_arr_eq(clast_tensor_data(t.tensor), counted, 6);
	file_tensor_free(&t);
	cr_assert_eq(npz_read(a, npz_find(a, "c"), CLAST_UNDEFINED, &t, &p), CLAST_OK, "%s", p.diag.message);
	cr_expect_eq(((clast_string *)clast_tensor_data(t.tensor))[0].length, 2);
	file_tensor_free(&t);
	npz_close(&a);
	remove_folder(folder);
}

Test(npz, a_damaged_archive_is_refused)
{
	const char *folder = make_folder(), *path = in_folder(folder, "a.npz");
	for (size_t n = 0; n < sizeof(from_numpy); n++) {
		unsigned char bytes[sizeof(from_numpy)];
		problem p = { 0 };
		npz *a;
		file_tensor t = { 0 };
		memcpy(bytes, from_numpy, sizeof(bytes));
		bytes[n] ^= 0x55;
		write_file(path, bytes,
			   sizeof(bytes)); /* one byte changed: an answer or a failure, never a crash */
		if (!npz_open(path, &a, &p)) {
			const size_t at = npz_find(a, "a/b");
			if (at != SIZE_MAX && !npz_read(a, at, CLAST_UNDEFINED, &t, &p))
				cr_expect_arr_eq(clast_tensor_data(t.tensor), counted, 6);
			file_tensor_free(&t);
			npz_close(&a);
		}
		write_file(path, from_numpy, n); /* cut */
		cr_expect_neq(npz_open(path, &a, &p), CLAST_OK);
	}
	remove_folder(folder);
}

Test(npz, what_is_written_can_be_read)
{
	const char *folder = make_folder(), *path = in_folder(folder, "b.npz");
	const char *const names[] = { "first", "a/b" };
	problem p = { 0 };
	file_tensor t[2] = { { 0 } }, back;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(
			clast_tensor_create(CLAST_FLOAT64, 1, (int64_t[]){ 3 }, NULL, &t[i].tensor, NULL),
			CLAST_OK);
		((double *)clast_tensor_data(t[i].tensor))[2] = i + 1;
	}
	cr_assert_eq(npz_write(path, 2, names, (clast_tensor *const[]){ t[0].tensor, t[1].tensor }, &p),
		     CLAST_OK);
	cr_assert_eq(tensor_file_read(path, "a/b", NULL, &back, &p), CLAST_OK);
	cr_expect_eq(((double *)clast_tensor_data(back.tensor))[2], 2);
	file_tensor_free(&back);
	cr_expect_eq(tensor_file_read(path, "c", NULL, &back, &p), CLAST_ERROR_IO);
	file_tensor_free(&t[0]);
	file_tensor_free(&t[1]);
	remove_folder(folder);
}

/* ---- Other files ---- */

static clast_value_info info(clast_dtype dtype, int64_t a, int64_t b)
{
	return (clast_value_info){ .name = "x", .dtype = dtype, .rank = 2, .dims = { a, b } };
}

Test(tensor_file, raw_and_proto_files_return)
{
	static const char *const names[] = { "t.raw", "t.bin", "t.pb", "t.npy", "t.npz" };
	const char *folder = make_folder();
	const clast_value_info v = info(CLAST_INT64, 2, -1);
	file_tensor t = { 0 }, back;
	problem p = { 0 };
	cr_assert_eq(clast_tensor_create(CLAST_INT64, 2, (int64_t[]){ 2, 3 }, NULL, &t.tensor, NULL),
		     CLAST_OK);
	for (int i = 0; i < 6; i++)
		((int64_t *)clast_tensor_data(t.tensor))[i] = i - INT64_C(5000000000);
	for (size_t i = 0; i < 5; i++) {
		const char *path = in_folder(folder, names[i]);
		cr_assert_eq(tensor_file_write(t.tensor, "x", path, &p), CLAST_OK, "%s", p.diag.message);
		cr_assert_eq(tensor_file_read(path, "x", &v, &back, &p), CLAST_OK, "%s", p.diag.message);
		cr_expect_eq(clast_tensor_dims(back.tensor)[1], 3);
		cr_expect_arr_eq(clast_tensor_data(back.tensor), clast_tensor_data(t.tensor), 48);
		file_tensor_free(&back);
	}
	cr_expect_eq(tensor_file_write(t.tensor, "x", in_folder(folder, "t.txt"), &p), CLAST_ERROR_ARGUMENT);
	file_tensor_free(&t);
	remove_folder(folder);
}

Test(tensor_file, a_raw_file_must_fit_the_input)
{
	const char *folder = make_folder(), *path = in_folder(folder, "t.raw");
	problem p = { 0 };
	file_tensor t;
	write_file(path, "0123456789", 10);
	const clast_value_info fixed = info(CLAST_FLOAT32, 2, 3), open = info(CLAST_FLOAT32, -1, -1),
			       uneven = info(CLAST_INT16, 3, -1), bytes = info(CLAST_UINT8, 5, -1);
	cr_expect_eq(tensor_file_read(path, NULL, &fixed, &t, &p), CLAST_ERROR_IO);
	cr_expect_eq(tensor_file_read(path, NULL, &open, &t, &p), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(tensor_file_read(path, NULL, &uneven, &t, &p), CLAST_ERROR_IO);
	cr_expect_eq(tensor_file_read(path, NULL, NULL, &t, &p), CLAST_ERROR_ARGUMENT);
	cr_assert_eq(tensor_file_read(path, NULL, &bytes, &t, &p), CLAST_OK);
	cr_expect_eq(clast_tensor_dims(t.tensor)[1], 2);
	file_tensor_free(&t);
	remove_folder(folder);
}

/* ONNX 1.12 stored bfloat16 test data as uint16. */
Test(tensor_file, unsigned_integers_may_hold_the_bits_of_small_floats)
{
	const char *folder = make_folder(), *path = in_folder(folder, "t.pb");
	const clast_value_info v = info(CLAST_BFLOAT16, 1, 1);
	uint16_t bits = 0x4040;
	file_tensor t = { 0 }, back;
	problem p = { 0 };
	cr_assert_eq(clast_tensor_wrap(CLAST_UINT16, 2, (int64_t[]){ 1, 1 }, NULL, &bits, &t.tensor, NULL),
		     CLAST_OK);
	cr_assert_eq(tensor_file_write(t.tensor, "x", path, &p), CLAST_OK);
	cr_assert_eq(tensor_file_read(path, NULL, &v, &back, &p), CLAST_OK);
	cr_expect_eq(clast_tensor_dtype(back.tensor), CLAST_BFLOAT16);
	cr_expect_eq(element_get(CLAST_BFLOAT16, clast_tensor_data(back.tensor), 0, NULL), 3);
	file_tensor_free(&t);
	file_tensor_free(&back);
	remove_folder(folder);
}
