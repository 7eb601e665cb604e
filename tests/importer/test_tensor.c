/* TensorProto messages: every kind of payload, what contradicts its dims, and the way back. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "tensor_proto.h"

static file f;
static mem memory;
static bump region;
static clast_diag d;

static void setup(void)
{
	mem_init(&memory, NULL, 0);
	bump_init(&region, &memory);
}

static void teardown(void)
{
	bump_release(&region);
	cr_assert_eq(memory.used_bytes, 0);
	file_free(&f);
}

TestSuite(tensor, .init = setup, .fini = teardown);

/* A TensorProto alone: the fields that begin_tensor writes, without a message around them. */
static void begin(int dtype, const char *dims)
{
	file_free(&f);
	begin_tensor(&f, 1, "name", dtype, dims);
}

static clast_status parse(tensor_view *v)
{
	const char *name = NULL;
	d = (clast_diag){ 0 };
	const size_t at = f.open[0];
	/* A copy of exactly the right size: sanitizers see each byte too far. */
	uint8_t *exact = malloc(f.size - at + !(f.size - at));
	cr_assert(exact);
	memcpy(exact, f.bytes + at, f.size - at);
	const clast_status status = tensor_proto_parse(&region, NULL, exact, f.size - at, v, &name, &d);
	free(exact);
	if (!status)
		cr_assert_str_eq(name, "name");
	return status;
}

static tensor_view good(void)
{
	tensor_view v;
	const clast_status status = parse(&v);
	cr_assert_eq(status, CLAST_OK, "%s", d.message);
	return v;
}

static void bad(clast_status expected, const char *say)
{
	tensor_view v;
	const clast_status status = parse(&v);
	cr_assert_eq(status, expected, "found %s: %s", clast_status_name(status), d.message);
	cr_assert(strstr(d.message, say), "expected \"%s\" in: %s", say, d.message);
}

Test(tensor, raw)
{
	const float x[] = { 1, 2, 3, 4, 5, 6 };
	begin(CLAST_FLOAT32, "2 3");
	put_bytes(&f, 9, x, sizeof(x));
	tensor_view v = good();
	cr_assert_eq(v.dtype, CLAST_FLOAT32);
	cr_assert_eq(v.rank, 2);
	cr_assert_eq(v.dims[1], 3);
	cr_assert_eq(memcmp(v.data, x, sizeof(x)), 0);
}

Test(tensor, raw_bool_becomes_0_or_1)
{
	begin(CLAST_BOOL, "3");
	put_bytes(&f, 9, "\0\1\7", 3);
	tensor_view v = good();
	cr_assert_eq(memcmp(v.data, "\0\1\1", 3), 0);
}

Test(tensor, raw_4_and_2_bits_one_element_a_byte)
{
	const uint8_t bytes[] = { 0x8f, 0x07 };
	begin(CLAST_INT4, "3");
	put_bytes(&f, 9, bytes, 2);
	cr_assert_eq(memcmp(good().data, (int8_t[]){ -1, -8, 7 }, 3), 0);
	begin(CLAST_UINT4, "3");
	put_bytes(&f, 9, bytes, 2);
	cr_assert_eq(memcmp(good().data, (uint8_t[]){ 15, 8, 7 }, 3), 0);
	begin(CLAST_FLOAT4E2M1, "4");
	put_bytes(&f, 9, bytes, 2);
	cr_assert_eq(memcmp(good().data, (uint8_t[]){ 15, 8, 7, 0 }, 4), 0);
	begin(CLAST_INT2, "5");
	put_bytes(&f, 9, (uint8_t[]){ 0xe4, 0x02 }, 2);
	cr_assert_eq(memcmp(good().data, (int8_t[]){ 0, 1, -2, -1, -2 }, 5), 0);
	begin(CLAST_UINT2, "5");
	put_bytes(&f, 9, (uint8_t[]){ 0xe4, 0x02 }, 2);
	cr_assert_eq(memcmp(good().data, (uint8_t[]){ 0, 1, 2, 3, 2 }, 5), 0);
	begin(CLAST_INT4, "3");
	put_bytes(&f, 9, bytes, 1);
	bad(CLAST_ERROR_MODEL, "raw_data of the tensor, int4 [3]: expected 2 bytes, found 1");
}

Test(tensor, typed_floats_packed_and_not)
{
	const float x[] = { 1, 2, 3 };
	begin(CLAST_FLOAT32, "3");
	put_bytes(&f, 4, x, sizeof(x));
	cr_assert_eq(memcmp(good().data, x, sizeof(x)), 0);
	begin(CLAST_FLOAT32, "3");
	put_float(&f, 4, 1);
	put_bytes(&f, 4, x + 1, 4);
	put_float(&f, 4, 3);
	cr_assert_eq(memcmp(good().data, x, sizeof(x)), 0, "one by one and packed, mixed");
	begin(CLAST_COMPLEX64, "1");
	put_bytes(&f, 4, x, 8);
	cr_assert_eq(((float *)good().data)[1], 2);
	begin(CLAST_COMPLEX128, "1");
	put_bytes(&f, 10, (double[]){ 4, 5 }, 16);
	cr_assert_eq(((double *)good().data)[1], 5);
	begin(CLAST_FLOAT64, "1");
	put_bytes(&f, 10, (double[]){ 4 }, 8);
	cr_assert_eq(*(double *)good().data, 4);
}

Test(tensor, typed_integers)
{
	begin(CLAST_INT64, "2");
	put_varint(&f, 7, (uint64_t)INT64_MIN);
	put_varint(&f, 7, 7);
	cr_assert_eq(memcmp(good().data, (int64_t[]){ INT64_MIN, 7 }, 16), 0);
	begin(CLAST_UINT64, "1");
	put_varint(&f, 11, UINT64_MAX);
	cr_assert_eq(*(uint64_t *)good().data, UINT64_MAX);
	begin(CLAST_UINT32, "1");
	put_varint(&f, 11, UINT32_MAX);
	cr_assert_eq(*(uint32_t *)good().data, UINT32_MAX);
	begin(CLAST_INT8, "3");
	put_varint(&f, 5, (uint64_t)-128);
	put_bytes(&f, 5, (uint8_t[]){ 0x7f, 0xff, 0x01 }, 3); /* 127, 255 */
	cr_assert_eq(memcmp(good().data, (int8_t[]){ -128, 127, -1 }, 3), 0);
	begin(CLAST_FLOAT16, "1");
	put_varint(&f, 5, 0x3c00);
	cr_assert_eq(*(uint16_t *)good().data, 0x3c00);
	begin(CLAST_BOOL, "2");
	put_varint(&f, 5, 0);
	put_varint(&f, 5, 1);
	cr_assert_eq(memcmp(good().data, "\0\1", 2), 0);
	begin(CLAST_UINT4, "3");
	put_varint(&f, 5, 0x21);
	put_varint(&f, 5, 0x03);
	cr_assert_eq(memcmp(good().data, "\1\2\3", 3), 0);
	begin(CLAST_INT16, "1");
	put_varint(&f, 5, 65536);
	bad(CLAST_ERROR_MODEL, "65536 does not fit");
	begin(CLAST_UINT32, "1");
	put_varint(&f, 11, UINT64_C(1) << 33);
	bad(CLAST_ERROR_MODEL, "does not fit");
}

Test(tensor, strings)
{
	begin(CLAST_STRING, "3");
	put_bytes(&f, 6, "a\0b", 3);
	put_bytes(&f, 6, "", 0);
	put_bytes(&f, 6, "xyz", 3);
	const clast_string *s = good().data;
	cr_assert_eq(s[0].length, 3);
	cr_assert_eq(memcmp(s[0].bytes, "a\0b", 4), 0);
	cr_assert_eq(s[1].length, 0);
	cr_assert_eq(s[1].bytes[0], 0);
	begin(CLAST_STRING, "1");
	bad(CLAST_ERROR_MODEL, "string [1], has no data");
	begin(CLAST_STRING, "1");
	put_bytes(&f, 9, "x", 1);
	bad(CLAST_ERROR_MODEL, "expected string_data, found raw_data");
	begin(CLAST_STRING, "1");
	put_bytes(&f, 6, "", 0);
	put_bytes(&f, 6, "", 0);
	bad(CLAST_ERROR_MODEL, "expected 1 entries, found 2");
}

Test(tensor, empty_and_scalar)
{
	begin(CLAST_FLOAT32, "0 5");
	cr_assert_eq(view_count(&(tensor_view){ .rank = 2, .dims = { 0, 5 } }), 0);
	tensor_view v = good();
	cr_assert_eq(view_count(&v), 0);
	begin(CLAST_FLOAT32, "0");
	put_bytes(&f, 9, "", 0);
	good();
	begin(CLAST_FLOAT32, "");
	put_float(&f, 4, 9);
	v = good();
	cr_assert_eq(v.rank, 0);
	cr_assert_eq(*(float *)v.data, 9);
}

Test(tensor, payload_against_dims)
{
	const float x[] = { 1, 2, 3 };
	begin(CLAST_FLOAT32, "3");
	put_bytes(&f, 9, x, 11);
	bad(CLAST_ERROR_MODEL, "expected 12 bytes, found 11");
	begin(CLAST_FLOAT32, "2");
	put_bytes(&f, 9, x, 12);
	bad(CLAST_ERROR_MODEL, "raw_data of the tensor, float32 [2]: expected 8 bytes, found 12");
	begin(CLAST_FLOAT32, "3");
	put_bytes(&f, 4, x, 8);
	bad(CLAST_ERROR_MODEL, "float_data of the tensor, float32 [3]: expected 3 entries, found 2");
	begin(CLAST_FLOAT32, "3");
	bad(CLAST_ERROR_MODEL, "has no data");
	begin(CLAST_FLOAT32, "3");
	put_bytes(&f, 9, x, 12);
	put_bytes(&f, 4, x, 12);
	bad(CLAST_ERROR_MODEL, "the tensor has raw_data and float_data, expected one of them");
	begin(CLAST_FLOAT32, "1");
	put_varint(&f, 7, 1);
	bad(CLAST_ERROR_MODEL, "expected float_data or raw_data, found int64_data");
	begin(CLAST_INT64, "2");
	put_varint(&f, 7, 1);
	bad(CLAST_ERROR_MODEL, "expected 2 entries, found 1");
	begin(CLAST_INT64, "1");
	put_bytes(&f, 7, (uint8_t[]){ 0xff }, 1);
	bad(CLAST_ERROR_MODEL, "expected 1 entries, found 0");
	begin(CLAST_INT64, "1");
	put_bytes(&f, 7,
		  (uint8_t[]){ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, 12);
	bad(CLAST_ERROR_MODEL, "cut off or too large");
	begin(CLAST_INT64, "1");
	put_bytes(&f, 7, (uint8_t[]){ 0x01, 0xff }, 2);
	bad(CLAST_ERROR_MODEL, "cut off or too large");
	begin(CLAST_FLOAT32, "1");
	put_bytes(&f, 4, x, 3);
	bad(CLAST_ERROR_MODEL, "no multiple of 4");
}

Test(tensor, header)
{
	begin(0, "1");
	bad(CLAST_ERROR_MODEL, "no data_type");
	begin(-3, "1");
	bad(CLAST_ERROR_MODEL, "data_type -3");
	begin(27, "1");
	bad(CLAST_ERROR_UNSUPPORTED, "data_type 27");
	begin(CLAST_FLOAT32, "-1");
	bad(CLAST_ERROR_MODEL, "axis 0 of the tensor has the extent -1");
	begin(CLAST_FLOAT32, "-9223372036854775808");
	bad(CLAST_ERROR_MODEL, "extent -9223372036854775808");
	begin(CLAST_FLOAT32, "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
	bad(CLAST_ERROR_UNSUPPORTED, "17 axes");
	begin(CLAST_FLOAT32, "1");
	open_message(&f, 3);
	close_message(&f);
	bad(CLAST_ERROR_UNSUPPORTED, "segments");
	begin(CLAST_FLOAT32, "1");
	put_varint(&f, 14, 1);
	bad(CLAST_ERROR_MODEL, "external data is not allowed here");
	begin(CLAST_FLOAT32, "1");
	put_varint(&f, 14, 2);
	bad(CLAST_ERROR_MODEL, "data_location");
}

Test(tensor, sizes_that_wrap)
{
	static const char *const dims[] = { "2147483647 2147483647 4 1",
					    "65536 65536 65536 65536",
					    "4294967296 4294967296",
					    "9223372036854775807",
					    "0 9223372036854775807 9223372036854775807",
					    "2305843009213693952" };
	for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++) {
		begin(CLAST_FLOAT64, dims[i]);
		bad(CLAST_ERROR_LIMIT, "overflows");
	}
	begin(CLAST_FLOAT32, "65536 32768"); /* 8 GiB: nothing is allocated for a payload that is not there */
	bad(CLAST_ERROR_MODEL, "has no data");
	begin(CLAST_FLOAT32, "65536 32768");
	put_float(&f, 4, 1);
	bad(CLAST_ERROR_MODEL, "found 1");
	cr_assert_lt(memory.peak_bytes, 1 << 20);
}

/* Something different for each element, in the range of the dtype. */
static void fill(clast_dtype dtype, uint8_t *elements, size_t bytes)
{
	const unsigned bits = (unsigned)dtype_bits(dtype), mask = (1u << (bits & 7)) - 1;
	const unsigned sign = dtype == CLAST_INT4 ? 8 : dtype == CLAST_INT2 ? 2 : 0;
	for (size_t i = 0; i < bytes; i++) {
		elements[i] = (uint8_t)(i * 37 + 11);
		if (dtype == CLAST_BOOL)
			elements[i] &= 1;
		else if (bits < 8)
			elements[i] = (uint8_t)(((elements[i] & mask) ^ sign) - sign);
	}
	for (size_t i = 0; dtype == CLAST_STRING && i < bytes / sizeof(clast_string); i++)
		((clast_string *)elements)[i] = (clast_string){ "abcdefghijklmnopqrstuvwxyz0123", i };
}

static bool same_element(clast_dtype dtype, const uint8_t *a, const uint8_t *b)
{
	const clast_string *x = (const void *)a, *y = (const void *)b;
	if (dtype == CLAST_STRING)
		return x->length == y->length && !memcmp(x->bytes, y->bytes, x->length);
	return !memcmp(a, b, clast_dtype_bytes(dtype));
}

static void write_and_read(const tensor_view *v)
{
	uint8_t *bytes;
	size_t size, capacity;
	const char *name;
	tensor_view read;
	const int64_t element = (int64_t)clast_dtype_bytes(v->dtype);
	cr_assert_eq(tensor_proto_write(&memory, v, "w", &bytes, &size, &capacity, &d), CLAST_OK);
	const clast_status status = tensor_proto_parse(&region, NULL, bytes, size, &read, &name, &d);
	mem_free(&memory, bytes, capacity);
	cr_assert_eq(status, CLAST_OK, "%s: %s", clast_dtype_name(v->dtype), d.message);
	cr_assert_str_eq(name, "w");
	cr_assert_eq(read.dtype, v->dtype);
	cr_assert_eq(memcmp(read.dims, v->dims, 3 * sizeof(int64_t)), 0);
	for (iter it = iter_over(v); iter_next(&it);)
		cr_assert(same_element(v->dtype, (const uint8_t *)v->data + iter_offset(v, &it) * element,
				       (const uint8_t *)read.data + iter_offset(&read, &it) * element),
			  "%s", clast_dtype_name(v->dtype));
}

/* Written and read again, every dtype comes back, also from a transposed view. */
Test(tensor, round_trip)
{
	for (int t = 1; t < CLAST_DTYPE_COUNT; t++) {
		_Alignas(16) uint8_t elements[30 * 16];
		tensor_view v;
		fill((clast_dtype)t, elements, sizeof(elements));
		view_dense(&v, (clast_dtype)t, 3, (int64_t[]){ 2, 3, 5 }, elements);
		write_and_read(&v);
		view_permute(&v, (int[]){ 2, 0, 1 });
		write_and_read(&v);
	}
}

/* ---- Sparse tensors, as initializers ---- */

static void sparse(const char *value_dims, const char *index_dims, const int64_t *indices, size_t n,
		   const char *dims)
{
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	open_message(&f, 15);
	begin_tensor(&f, 1, "s", CLAST_INT32, value_dims);
	for (size_t i = 0; i < 2; i++)
		put_varint(&f, 5, i + 1);
	close_message(&f);
	begin_tensor(&f, 2, NULL, CLAST_INT64, index_dims);
	for (size_t i = 0; i < n; i++)
		put_varint(&f, 7, (uint64_t)indices[i]);
	close_message(&f);
	for (; *dims; dims += strcspn(dims, " "), dims += strspn(dims, " "))
		put_varint(&f, 3, (uint64_t)strtoll(dims, NULL, 10));
	close_message(&f);
	put_value(&f, 12, "s", 6, NULL);
	close_message(&f);
}

Test(tensor, sparse_is_made_dense)
{
	sparse("2", "2", (int64_t[]){ 1, 5 }, 2, "2 3");
	clast_model *m = import_good(&f);
	cr_assert_eq(memcmp(find_value(m, "s")->constant->data, (int32_t[]){ 0, 1, 0, 0, 0, 2 }, 24), 0);
	model_release(m);
	file_free(&f);
	sparse("2", "2 2", (int64_t[]){ 0, 2, 1, 0 }, 4, "2 3");
	m = import_good(&f);
	cr_assert_eq(memcmp(find_value(m, "s")->constant->data, (int32_t[]){ 0, 0, 1, 2, 0, 0 }, 24), 0);
	model_release(m);
}

Test(tensor, sparse_errors)
{
	static const struct {
		const char *values, *index, *dims;
		size_t n;
		int64_t indices[4];
		clast_status status;
		const char *say;
	} cases[] = {
		{ "2",
		  "2",
		  "2 3",
		  2,
		  { 1, 6 },
		  CLAST_ERROR_MODEL,
		  "index 1 of the sparse tensor lies outside" },
		{ "2", "2", "2 3", 2, { -1, 5 }, CLAST_ERROR_MODEL, "lies outside" },
		{ "2", "2", "2 3", 2, { 5, 1 }, CLAST_ERROR_MODEL, "is not above" },
		{ "2", "2", "2 3", 2, { 5, 5 }, CLAST_ERROR_MODEL, "is not above" },
		{ "2", "2 2", "2 3", 4, { 0, 3, 1, 0 }, CLAST_ERROR_MODEL, "lies outside" },
		{ "2", "2 2", "2 3", 4, { 0, INT64_MIN, 1, 0 }, CLAST_ERROR_MODEL, "lies outside" },
		{ "2", "3", "2 3", 3, { 0, 1, 2 }, CLAST_ERROR_MODEL, "expected the shape [2] or [2, 2]" },
		{ "2 1", "2", "2 3", 2, { 0, 1 }, CLAST_ERROR_MODEL, "expected one axis" },
		{ "2", "2", "4000000 1000", 2, { 0, 1 }, CLAST_ERROR_LIMIT, "limit fold_bytes" },
		{ "2", "2", "9223372036854775807 3", 2, { 0, 1 }, CLAST_ERROR_LIMIT, "overflows" },
		{ "2", "2", "-2 3", 2, { 0, 1 }, CLAST_ERROR_MODEL, "extent -2" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sparse(cases[i].values, cases[i].index, cases[i].indices, cases[i].n, cases[i].dims);
		import_bad(&f, cases[i].status, cases[i].say, NULL);
		file_free(&f);
	}
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	open_message(&f, 15);
	close_message(&f);
	close_message(&f);
	import_bad(&f, CLAST_ERROR_MODEL, "name", NULL);
}
