/* Files made to hurt: whatever the bytes, a status and a message. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failing.h"
#include "build.h"
#include "onnx.pb-c.h"
#include "prescan.h"

static file f;

static void teardown(void)
{
	file_free(&f);
}

TestSuite(hostile, .fini = teardown);

/* Imports a copy that ends where the bytes end, so that sanitizers see each byte too far. */
static clast_status import_exact(const uint8_t *bytes, size_t size, const clast_model_options *options,
				 clast_diag *d)
{
	uint8_t *exact = malloc(size + !size);
	clast_model *m;
	cr_assert(exact);
	memcpy(exact, bytes, size);
	*d = (clast_diag){ 0 };
	const clast_status status = import_bytes(exact, size, options, &m, d);
	if (!status)
		model_release(m);
	free(exact);
	return status;
}

/* An import of anything ends well, or with one of these and a message. */
static bool is_sound(clast_status status, const clast_diag *d)
{
	if (status == CLAST_OK)
		return true;
	const bool expected = status == CLAST_ERROR_MODEL || status == CLAST_ERROR_UNSUPPORTED ||
			      status == CLAST_ERROR_LIMIT;
	return expected && d->status == status && d->message[0] && memchr(d->message, 0, sizeof(d->message));
}

Test(hostile, cut_at_every_byte)
{
	clast_diag d;
	put_mixed_model(&f);
	for (size_t size = 0; size < f.size; size++) {
		const clast_status status = import_exact(f.bytes, size, NULL, &d);
		cr_assert(is_sound(status, &d), "cut at %zu: %s", size, clast_status_name(status));
		cr_assert_neq(status, CLAST_OK, "cut at %zu of %zu: the function is missing", size, f.size);
	}
	cr_assert_eq(import_exact(f.bytes, f.size, NULL, &d), CLAST_OK, "%s", d.message);
}

Test(hostile, every_bit_flipped)
{
	clast_diag d;
	put_mixed_model(&f);
	for (size_t bit = 0; bit < 8 * f.size; bit++) {
		f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		const clast_status status = import_exact(f.bytes, f.size, NULL, &d);
		cr_assert(is_sound(status, &d), "bit %zu: %s", bit, clast_status_name(status));
		f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

Test(hostile, random_bytes_in_a_model)
{
	enum { ROUNDS = 20000 };
	clast_diag d;
	uint64_t state = 1;
	put_mixed_model(&f);
	uint8_t *changed = malloc(f.size);
	cr_assert(changed);
	for (int round = 0; round < ROUNDS; round++) {
		memcpy(changed, f.bytes, f.size);
		for (int i = 0; i < 1 + round % 4; i++) {
			state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
			changed[(state >> 33) % f.size] = (uint8_t)(state >> 25);
		}
		const clast_status status = import_exact(changed, f.size, NULL, &d);
		cr_assert(is_sound(status, &d), "round %d: %s", round, clast_status_name(status));
	}
	free(changed);
}

/* Each allocation failing once, and for ever after. */
Test(hostile, every_allocation_fails)
{
	put_mixed_model(&f);
	failing count = { 0 };
	for (int for_ever = 0; for_ever < 2; for_ever++) {
		for (size_t at = 1;; at++) {
			failing x = { .fail_at = at, .for_ever = for_ever };
			const clast_allocator allocator = failing_allocator(&x);
			const clast_model_options options = { .struct_size = sizeof(options),
							      .allocator = &allocator };
			clast_diag d;
			const clast_status status = import_exact(f.bytes, f.size, &options, &d);
			cr_assert_eq(x.live_bytes, 0, "allocation %zu: a leak", at);
			if (x.calls < at) {
				cr_assert_eq(status, CLAST_OK, "%s", d.message);
				count = x;
				break;
			}
			cr_assert_eq(status, CLAST_ERROR_MEMORY, "allocation %zu: %s", at,
				     clast_status_name(status));
			cr_assert(d.message[0]);
		}
	}
	cr_assert_gt(count.calls, 10);
}

Test(hostile, every_budget)
{
	put_mixed_model(&f);
	clast_diag d;
	clast_status status = CLAST_ERROR_MEMORY;
	for (size_t budget = 1000; status; budget += 500) {
		const clast_model_options options = { .struct_size = sizeof(options),
						      .limits = { .memory_bytes = budget } };
		status = import_exact(f.bytes, f.size, &options, &d);
		cr_assert(status == CLAST_OK || status == CLAST_ERROR_MEMORY || status == CLAST_ERROR_LIMIT,
			  "%s: %s", clast_status_name(status), d.message);
		cr_assert_lt(budget, 10000000);
	}
}

/* ---- Nesting ---- */

/* Wraps what is in the file in messages, from the inside; fields[0] is outermost, and repeats. */
static void wrap(const unsigned *fields, size_t n, size_t depth)
{
	/* Written backwards, so that the whole is linear. */
	const size_t capacity = f.size + depth * 12;
	uint8_t *all = malloc(capacity), *at = all + capacity - f.size;
	cr_assert(all);
	if (f.size)
		memcpy(at, f.bytes, f.size);
	for (size_t i = depth; i-- > 0;) {
		uint8_t length[10];
		size_t k = 0, size = (size_t)(all + capacity - at);
		for (; size >= 0x80; size >>= 7)
			length[k++] = (uint8_t)(size | 0x80);
		length[k++] = (uint8_t)size;
		at -= k;
		memcpy(at, length, k);
		*--at = (uint8_t)(fields[i % n] << 3 | 2);
	}
	const size_t size = (size_t)(all + capacity - at);
	file_free(&f);
	put_raw(&f, at, size);
	free(all);
}

typedef struct deep {
	clast_status status;
	clast_diag d;
	const clast_model_options *options;
} deep;

static void *import_deep(void *argument)
{
	deep *x = argument;
	clast_model *m = NULL;
	x->status = import_bytes(f.bytes, f.size, x->options, &m, &x->d);
	if (m)
		model_release(m);
	return NULL;
}

static deep on_small_stack(size_t stack, const clast_model_options *options)
{
	deep x = { .options = options };
	pthread_t thread;
	pthread_attr_t attr;
	cr_assert_eq(pthread_attr_init(&attr), 0);
	cr_assert_eq(pthread_attr_setstacksize(&attr, stack), 0);
	cr_assert_eq(pthread_create(&thread, &attr, import_deep, &x), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
	return x;
}

Test(hostile, nesting)
{
	static const struct {
		unsigned fields[8];
		size_t n, head;
	} kinds[] = {
		{ { 1, 5, 6 }, 3, 0 }, /* graph, node, attribute, graph, ... */
		{ { 4, 1 }, 2, 1 },    /* sequences of sequences, in a type */
		{ { 9, 1 }, 2, 1 },    /* optionals of optionals */
	};
	static const size_t depths[] = { 50, 100, 1000, 100000 };
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
			file_free(&f);
			wrap(kinds[k].fields, kinds[k].n, depths[i] / kinds[k].n * kinds[k].n);
			if (kinds[k].head)
				wrap((unsigned[]){ 7, 11, 2 }, 3, 3);
			else
				wrap((unsigned[]){ 7 }, 1, 1);
			const deep x = on_small_stack(192 << 10, NULL);
			cr_assert(is_sound(x.status, &x.d));
			cr_assert_neq(x.status, CLAST_OK);
			if (depths[i] > 64) {
				cr_assert_eq(x.status, CLAST_ERROR_LIMIT, "%s", x.d.message);
				cr_assert(strstr(x.d.message, "limit nesting"), "%s", x.d.message);
			}
		}
	}
}

/* A limit raised without bound is still one. */
Test(hostile, nesting_with_a_large_limit)
{
	const clast_model_options options = { .struct_size = sizeof(options),
					      .limits = { .nesting = SIZE_MAX } };
	wrap((unsigned[]){ 1, 5, 6 }, 3, 30000);
	wrap((unsigned[]){ 7 }, 1, 1);
	const deep x = on_small_stack(8 << 20, &options);
	cr_assert_eq(x.status, CLAST_ERROR_LIMIT, "%s", x.d.message);
}

/* Ifs in Ifs: valid, as deep as the default allows. */
static void put_ifs(int depth, const char *condition)
{
	char out[16];
	snprintf(out, sizeof(out), "r%d", depth);
	if (!depth) {
		put_node(&f, "Identity", condition, out);
		return;
	}
	begin_node(&f, 1, "", "If", condition, out);
	for (int i = 0; i < 2; i++) {
		begin_attribute(&f, 5, i ? "else_branch" : "then_branch", 5);
		open_message(&f, 6);
		/* The other branch is flat. */
		char inner[16];
		snprintf(inner, sizeof(inner), i ? "e%d" : "r%d", i ? depth : depth - 1);
		if (i)
			put_node(&f, "Identity", condition, inner);
		else
			put_ifs(depth - 1, condition);
		open_message(&f, 12);
		put_string(&f, 1, inner);
		close_message(&f);
		close_message(&f);
		close_message(&f);
	}
	close_message(&f);
}

Test(hostile, valid_nesting_works_on_a_small_stack)
{
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	put_value(&f, 11, "c", 9, "");
	put_ifs(18, "c");
	put_value(&f, 12, "r18", 9, NULL);
	close_message(&f);
	const deep x = on_small_stack(512 << 10, NULL);
	cr_assert_eq(x.status, CLAST_OK, "%s", x.d.message);
	const clast_model_options few = { .struct_size = sizeof(few), .limits = { .nesting = 40 } };
	const deep y = on_small_stack(512 << 10, &few);
	cr_assert_eq(y.status, CLAST_ERROR_LIMIT, "%s", y.d.message);
}

/* ---- Amplification ---- */

static void put_many(unsigned field, size_t n, const char *body)
{
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	for (size_t i = 0; i < n; i++)
		put_string(&f, field, body);
	close_message(&f);
}

static void expect_limit(const clast_limits *limits, const char *say, size_t peak)
{
	failing x = { 0 };
	const clast_allocator allocator = failing_allocator(&x);
	const clast_model_options options = { .struct_size = sizeof(options),
					      .allocator = &allocator,
					      .limits = *limits };
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(model_create(&options, &m, &d), CLAST_OK);
	cr_assert_eq(import_memory(m, f.bytes, f.size, NULL, &d), CLAST_ERROR_LIMIT, "%s", d.message);
	cr_assert(strstr(d.message, say), "expected \"%s\" in: %s", say, d.message);
	cr_assert_lt(m->memory.peak_bytes, peak, "%zu", m->memory.peak_bytes);
	model_release(m);
	cr_assert_eq(x.live_bytes, 0);
}

Test(hostile, ten_million_empty_nodes)
{
	put_many(1, 10000000, "");
	expect_limit(&(clast_limits){ 0 }, "more than 4000000 nodes (limit nodes)", 64 << 20);
}

Test(hostile, ten_million_empty_tensors)
{
	put_many(5, 10000000, "");
	expect_limit(&(clast_limits){ 0 }, "more than 4000000 tensors", 256 << 20);
}

Test(hostile, empty_messages_within_a_budget)
{
	put_many(13, 1000000, "");
	expect_limit(&(clast_limits){ .memory_bytes = 32 << 20 }, "limit memory_bytes", 32 << 20);
	file_free(&f);
	put_many(13, 1000000, "");
	expect_limit(&(clast_limits){ .nodes = 1000 }, "messages", 1 << 20);
}

/* ---- The wire format ---- */

/* One field in the graph of a model. */
static void graph_with(const void *bytes, size_t size)
{
	file_free(&f);
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	put_raw(&f, bytes, size);
	close_message(&f);
}

Test(hostile, wire_format)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *say;
	} cases[] = {
		{ "\x0b\x0c", 2, "wire type that ONNX does not use" },         /* a group */
		{ "\xbb\x3f\xbc\x3f", 4, "wire type that ONNX does not use" }, /* a group, unknown field */
		{ "\x0e", 1, "wire type that ONNX does not use" },
		{ "\x02\x00", 2, "impossible number" }, /* field 0 */
		{ "\xff\xff\xff\xff\xff\x01\x00", 7, "impossible number" },
		{ "\x08\x01", 2, "GraphProto.node: the field has the wire type of another" },
		{ "\x0a\x7f", 2, "reaches beyond the end" },
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "reaches beyond the end" },
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "length is cut off" },
		{ "\xb8\x3f\xff", 3, "varint is cut off" }, /* unknown fields are checked too */
		{ "\xb9\x3f\x00\x00", 4, "number is cut off" },
		{ "\xbd\x3f\x00\x00", 4, "number is cut off" },
		{ "\x12\x01\x61", 3, "GraphProto.name: the field occurs twice" },
		{ "\x0a\x05\x22\x03\x61\x00\x62", 7, "NodeProto.op_type: the string holds a zero byte" },
		{ "\x2a\x0a\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12, "32 bits" }, /* data_type */
		{ "\x2a\x04\x0a\x02\x81\x80", 6, "TensorProto.dims: a number of the list is cut off" },
		{ "\x0a\x07\x2a\x05\x3a\x03\x00\x00\x00", 9,
		  "AttributeProto.floats: the length of the list" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		graph_with(cases[i].bytes, cases[i].size);
		import_bad(&f, CLAST_ERROR_MODEL, "malformed at byte", cases[i].say, NULL);
	}
}

/* Fields that only the pre-scan may write are unknown ones on the wire: `decoded` would be taken for a
 * pointer. */
Test(hostile, private_fields_are_dropped)
{
	for (unsigned field = 1000; field <= 1002; field++) {
		file_free(&f);
		begin_model(&f, 8, 17);
		begin_graph(&f, "g");
		begin_tensor(&f, 5, "w", 1, "1");
		put_float(&f, 4, 3);
		put_plain_varint(&f, (uint64_t)field << 3 | 1);
		put_raw(&f, "AAAAAAAA", 8);
		close_message(&f);
		put_value(&f, 12, "w", 1, NULL);
		close_message(&f);
		clast_model *m = import_good(&f);
		cr_assert_eq(*(const float *)find_value(m, "w")->constant->data, 3);
		model_release(m);
	}
}

/* The pre-scan keeps 64 bits for the fields of a message. */
Test(hostile, descriptors_fit_the_pre_scan)
{
	const ProtobufCMessageDescriptor *all[] = {
		&clast__model_proto__descriptor,     &clast__graph_proto__descriptor,
		&clast__node_proto__descriptor,      &clast__tensor_proto__descriptor,
		&clast__attribute_proto__descriptor, &clast__function_proto__descriptor,
		&clast__sequence_proto__descriptor,  &clast__optional_proto__descriptor,
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		cr_assert_leq(all[i]->n_fields, 64);
}

/* Unknown fields and large ones of no interest take no room. */
Test(hostile, skeleton_is_small)
{
	skeleton s;
	mem memory;
	clast_diag d = { 0 };
	char *text = calloc(1, 1000000);
	cr_assert(text);
	mem_init(&memory, NULL, 0);
	begin_model(&f, 8, 17);
	put_bytes(&f, 6, text, 1000000); /* doc_string */
	put_bytes(&f, 500, text, 1000000);
	begin_graph(&f, "g");
	begin_tensor(&f, 5, "w", 1, "250000");
	put_bytes(&f, 9, text, 1000000);
	close_message(&f);
	close_message(&f);
	cr_assert_eq(prescan(&memory, NULL, &clast__model_proto__descriptor, f.bytes, f.size, &s, &d),
		     CLAST_OK);
	cr_assert_lt(s.size, 200);
	skeleton_free(&memory, &s);
	cr_assert_eq(memory.used_bytes, 0);
	free(text);
}
