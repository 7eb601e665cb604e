/* Constants may lie at any address, as the payloads of a model file do. */
#include <criterion/criterion.h>
#include <string.h>

#include "pass.h"
#include "session.h"

enum { CHANNELS = 8, SIZE = 6, PLANE = SIZE * SIZE, COUNT = CHANNELS * PLANE, WEIGHTS = CHANNELS * CHANNELS * 9 };

static _Alignas(16) char memory[8][sizeof(float) * (WEIGHTS + COUNT) + 16];

static value_id add_value(clast_model *m, const char *name, int rank, const int64_t *dims)
{
	value_id v;
	shape s = { .rank = rank };
	for (int a = 0; a < rank; a++)
		s.dims[a] = dims[a];
	cr_assert_eq(graph_add_value(m, 0, name, &v, NULL), CLAST_OK);
	cr_assert_eq(graph_set_shape(m, v, CLAST_FLOAT32, &s, NULL), CLAST_OK);
	return v;
}

static value_id add_floats(clast_model *m, const char *name, size_t slot, size_t offset, int rank, const int64_t *dims)
{
	const value_id v = add_value(m, name, rank, dims);
	tensor_view *t = bump_alloc(&m->region, sizeof *t);
	view_dense(t, CLAST_FLOAT32, rank, dims, memory[slot] + offset);
	for (int64_t i = 0; i < view_count(t); i++) {
		const float x = (float)((i * 37 + (int64_t)slot * 11) % 29) / 16 + 0.25f;
		memcpy(memory[slot] + offset + (size_t)i * sizeof x, &x, sizeof x);
	}
	graph_set_constant(m, v, t);
	return v;
}

static value_id add_node(clast_model *m, const char *type, const char *name, size_t n, const value_id *in, const attr_value *attr)
{
	clast_diag d = { 0 };
	value_id out;
	node_id id;
	cr_assert_eq(graph_add_value(m, 0, name, &out, NULL), CLAST_OK);
	cr_assert_eq(graph_add_node(m, 0, "", type, 13, name, n, in, 1, &out, attr != NULL, attr, &id, &d), CLAST_OK, "%s", d.message);
	return out;
}

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }
#define IN(...) sizeof((value_id[]){ __VA_ARGS__ }) / sizeof(value_id), (value_id[]){ __VA_ARGS__ }

/* A convolution that a normalisation goes into, one that packs its weights as they are, a constant that an elementwise program reads, one
 * that a reference reads, and one that is folded. */
static clast_model *network(size_t offset)
{
	static const int64_t pads[] = { 1, 1, 1, 1 };
	static int64_t at[] = { 0, 3 };
	const attr_value same = { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 };
	tensor_view indices;
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(model_create(NULL, &m, NULL), CLAST_OK);
	const value_id x = add_value(m, "x", 4, DIMS(1, CHANNELS, SIZE, SIZE));
	cr_assert_eq(graph_add_input(m, 0, x, NULL), CLAST_OK);
	const value_id w0 = add_floats(m, "w0", 0, offset, 4, DIMS(CHANNELS, CHANNELS, 3, 3)),
	               w1 = add_floats(m, "w1", 1, offset, 4, DIMS(CHANNELS, CHANNELS, 3, 3)),
	               k = add_floats(m, "k", 2, offset, 1, DIMS(CHANNELS)), c = add_floats(m, "c", 3, offset, 4, DIMS(1, CHANNELS, SIZE, SIZE)),
	               table = add_floats(m, "table", 4, offset, 4, DIMS(4, CHANNELS, SIZE, SIZE)),
	               part = add_floats(m, "part", 5, offset, 4, DIMS(1, CHANNELS, SIZE, SIZE));
	const value_id c0 = add_node(m, "Conv", "c0", IN(x, w0), &same);
	const value_id n0 = add_node(m, "BatchNormalization", "n0", IN(c0, k, k, k, k), NULL);
	const value_id c1 = add_node(m, "Conv", "c1", IN(n0, w1, k), &same);
	const value_id s = add_node(m, "Mul", "s", IN(c1, c), NULL);
	const value_id folded = add_node(m, "Mul", "folded", IN(part, c), NULL);
	const value_id t = add_node(m, "Sub", "t", IN(s, folded), NULL);
	value_id index, y;
	cr_assert_eq(graph_add_value(m, 0, "index", &index, NULL), CLAST_OK);
	view_dense(&indices, CLAST_INT64, 2, DIMS(1, 1), &at[1]);
	tensor_view *kept = bump_alloc(&m->region, sizeof *kept);
	*kept = indices;
	graph_set_constant(m, index, kept);
	y = add_node(m, "ScatterND", "y", IN(table, index, t), NULL);
	cr_assert_eq(graph_add_output(m, 0, y, NULL), CLAST_OK);
	cr_assert_eq(graph_sort(m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(passes_run(m, &d), CLAST_OK, "%s", d.message);
	return m;
}

static void answer(size_t offset, clast_precision precision, float *y)
{
	static float x[COUNT];
	const clast_plan_options o = { .struct_size = sizeof o, .precision = precision };
	clast_model *m = network(offset);
	clast_tensor *in, *out = NULL;
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	for (size_t i = 0; i < COUNT; i++)
		x[i] = (float)(i % 13) - 6;
	cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 4, DIMS(1, CHANNELS, SIZE, SIZE), NULL, x, &in, &d), CLAST_OK);
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)&in, 1, &out, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_tensor_read(out, y, 4 * COUNT * sizeof(float)), CLAST_OK);
	clast_tensor_free(&in);
	clast_session_free(&s);
	clast_plan_free(&p);
	model_release(m);
}

Test(constants, may_lie_at_any_address)
{
	static float aligned[4 * COUNT], odd[4 * COUNT];
	static const clast_precision precisions[] = { CLAST_PRECISION_DEFAULT, CLAST_PRECISION_REFERENCE };
	for (size_t i = 0; i < 2; i++) {
		answer(0, precisions[i], aligned);
		for (size_t offset = 1; offset < 4; offset++) {
			answer(offset, precisions[i], odd);
			cr_assert_eq(memcmp(aligned, odd, sizeof odd), 0, "offset %zu", offset);
		}
	}
}
