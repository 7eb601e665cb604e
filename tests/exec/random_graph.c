#include "random_graph.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_VALUES 96
#define MAX_AXES 5
#define MAX_ELEMENTS 3000

typedef struct val {
	char name[16];
	int rank;
	int64_t dims[MAX_AXES];
	bool constant;
} val;

typedef struct gen {
	clast_builder *b;
	uint64_t state;
	val values[MAX_VALUES];
	int count, names;
	random_graph *out;
	clast_diag d;
} gen;

static uint64_t next(gen *g)
{
	g->state ^= g->state << 13;
	g->state ^= g->state >> 7;
	g->state ^= g->state << 17;
	return g->state * 0x2545F4914F6CDD1Du >> 16;
}

static int64_t below(gen *g, int64_t n)
{
	return (int64_t)(next(g) % (uint64_t)n);
}

static bool chance(gen *g, int percent)
{
	return below(g, 100) < percent;
}

static int64_t elements(const val *v)
{
	int64_t n = 1;
	for (int a = 0; a < v->rank; a++)
		n *= v->dims[a];
	return n;
}

static void note(gen *g, const char *format, ...)
{
	const size_t used = strlen(g->out->text);
	va_list args;
	va_start(args, format);
	vsnprintf(g->out->text + used, sizeof g->out->text - used, format, args);
	va_end(args);
}

static void note_value(gen *g, const val *v)
{
	note(g, "%s[", v->name);
	for (int a = 0; a < v->rank; a++)
		note(g, a ? ",%lld" : "%lld", (long long)v->dims[a]);
	note(g, "]");
}

static clast_tensor *random_tensor(gen *g, int rank, const int64_t *dims)
{
	clast_tensor *t;
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, (size_t)rank, dims, NULL, &t, NULL), CLAST_OK);
	float *x = clast_tensor_data(t);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		x[i] = (float)(below(g, 2001) - 1000) / 1000.f;
	return t;
}

static val constant(gen *g, int rank, const int64_t *dims)
{
	val v = { .rank = rank, .constant = true };
	clast_tensor *t = random_tensor(g, rank, dims);
	snprintf(v.name, sizeof v.name, "k%d", g->names++);
	for (int a = 0; a < rank; a++)
		v.dims[a] = dims[a];
	cr_assert_eq(clast_builder_constant(g->b, v.name, t, &g->d), CLAST_OK, "%s", g->d.message);
	clast_tensor_free(&t);
	return v;
}

static val integers(gen *g, int n, const int64_t *x)
{
	val v = { .rank = 1, .dims = { n }, .constant = true };
	clast_tensor *t;
	snprintf(v.name, sizeof v.name, "k%d", g->names++);
	cr_assert_eq(clast_tensor_create(CLAST_INT64, 1, (int64_t[]){ n }, NULL, &t, NULL), CLAST_OK);
	memcpy(clast_tensor_data(t), x, (size_t)n * sizeof *x);
	cr_assert_eq(clast_builder_constant(g->b, v.name, t, &g->d), CLAST_OK, "%s", g->d.message);
	clast_tensor_free(&t);
	note(g, " %s=(", v.name);
	for (int i = 0; i < n; i++)
		note(g, "%lld ", (long long)x[i]);
	note(g, ")");
	return v;
}

static val result(gen *g, int rank, const int64_t *dims)
{
	val v = { .rank = rank };
	snprintf(v.name, sizeof v.name, "v%d", g->names++);
	memcpy(v.dims, dims, (size_t)rank * sizeof *dims);
	return v;
}

static void add(gen *g, const char *op, int n_in, const val *const *in, int n_out, const val *out, int n_attrs,
                const clast_attribute *attrs)
{
	const char *ins[8], *outs[4];
	for (int i = 0; i < n_in; i++)
		ins[i] = in[i] ? in[i]->name : "";
	for (int i = 0; i < n_out; i++)
		outs[i] = out[i].name;
	note(g, "\n  ");
	for (int i = 0; i < n_out; i++)
		note_value(g, &out[i]);
	note(g, " = %s(", op);
	for (int i = 0; i < n_in; i++) {
		note(g, i ? ", " : "");
		if (in[i])
			note_value(g, in[i]);
	}
	note(g, ")");
	for (int i = 0; i < n_attrs; i++) {
		note(g, " %s=%lld", attrs[i].name, (long long)attrs[i].i);
		for (size_t j = 0; attrs[i].ints && j < attrs[i].count; j++)
			note(g, ",%lld", (long long)attrs[i].ints[j]);
	}
	cr_assert_eq(clast_builder_node(g->b, op, "", NULL, (size_t)n_in, ins, (size_t)n_out, outs, (size_t)n_attrs, attrs, &g->d),
	             CLAST_OK, "%s%s", g->d.message, g->out->text);
	for (int i = 0; i < n_out && g->count < MAX_VALUES; i++)
		g->values[g->count++] = out[i];
}

static void add1(gen *g, const char *op, const val *x, val y, int n_attrs, const clast_attribute *attrs)
{
	const val *in[] = { x };
	add(g, op, 1, in, 1, &y, n_attrs, attrs);
}

static clast_attribute int_attr(const char *name, int64_t i)
{
	return (clast_attribute){ .name = name, .type = CLAST_ATTRIBUTE_INT, .i = i };
}

static clast_attribute ints_attr(const char *name, size_t n, const int64_t *v)
{
	return (clast_attribute){ .name = name, .type = CLAST_ATTRIBUTE_INTS, .ints = v, .count = n };
}

/* ---- One node of each kind; nothing if the value does not suit ---- */

static void unary(gen *g, val x)
{
	static const char *const ops[] = { "Relu", "Sigmoid", "Tanh", "Neg", "Abs", "HardSwish", "Identity", "Softplus" };
	add1(g, ops[below(g, 8)], &x, result(g, x.rank, x.dims), 0, NULL);
}

static val like(gen *g, const val *x)
{
	for (int tries = 0; tries < 20; tries++) {
		const val *v = &g->values[below(g, g->count)];
		if (v->rank == x->rank && !memcmp(v->dims, x->dims, (size_t)x->rank * sizeof *x->dims))
			return *v;
	}
	return *x;
}

static void binary(gen *g, val x)
{
	static const char *const ops[] = { "Add", "Mul", "Sub", "Max" };
	const char *op = ops[below(g, 4)];
	val y = like(g, &x);
	if (chance(g, 40)) {
		int64_t dims[MAX_AXES];
		const int drop = (int)below(g, x.rank + 1);
		for (int a = drop; a < x.rank; a++)
			dims[a - drop] = chance(g, 50) ? x.dims[a] : 1;
		y = constant(g, x.rank - drop, dims);
	}
	const bool swap = chance(g, 30);
	const val *in[] = { swap ? &y : &x, swap ? &x : &y };
	const val out = result(g, x.rank, x.dims);
	add(g, op, 2, in, 1, &out, 0, NULL);
}

static void conv(gen *g, val x)
{
	if (x.rank != 4)
		return;
	const int64_t k = chance(g, 50) ? 1 : 3, c = x.dims[1];
	const bool depthwise = chance(g, 30), transposed = !depthwise && chance(g, 15);
	const int64_t m = depthwise ? c : 1 + below(g, 12);
	const int64_t w[4] = { transposed ? c : m, transposed ? m : depthwise ? 1 : c, k, k };
	const val weights = constant(g, 4, w), bias = constant(g, 1, (int64_t[]){ m });
	const int64_t pads[4] = { k / 2, k / 2, k / 2, k / 2 }, dims[4] = { x.dims[0], m, x.dims[2], x.dims[3] };
	const clast_attribute attrs[] = { ints_attr("pads", 4, pads), int_attr("group", depthwise ? c : 1) };
	const val *in[] = { &x, &weights, &bias };
	const val out = result(g, 4, dims);
	add(g, transposed ? "ConvTranspose" : "Conv", chance(g, 70) ? 3 : 2, in, 1, &out, 2, attrs);
}

static void pool(gen *g, val x)
{
	if (x.rank != 4 || x.dims[2] < 2 || x.dims[3] < 2)
		return;
	if (chance(g, 20)) {
		add1(g, "GlobalAveragePool", &x, result(g, 4, (int64_t[]){ x.dims[0], x.dims[1], 1, 1 }), 0, NULL);
		return;
	}
	const int64_t kernel[2] = { 2, 2 }, stride[2] = { 1 + below(g, 2), 1 };
	const int64_t dims[4] = { x.dims[0], x.dims[1], (x.dims[2] - 2) / stride[0] + 1, x.dims[3] - 1 };
	const clast_attribute attrs[] = { ints_attr("kernel_shape", 2, kernel), ints_attr("strides", 2, stride) };
	add1(g, chance(g, 50) ? "MaxPool" : "AveragePool", &x, result(g, 4, dims), 2, attrs);
}

static void concat(gen *g, val x)
{
	const val *in[4];
	const int axis = (int)below(g, x.rank);
	val list[4] = { x }, out = result(g, x.rank, x.dims);
	int n = 1;
	for (int tries = 0; tries < 40 && n < 4; tries++) {
		const val *v = &g->values[below(g, g->count)];
		bool fits = v->rank == x.rank;
		for (int a = 0; fits && a < x.rank; a++)
			fits = a == axis || v->dims[a] == x.dims[a];
		if (fits)
			list[n++] = *v;
	}
	out.dims[axis] = 0;
	for (int i = 0; i < n; i++) {
		in[i] = &list[i];
		out.dims[axis] += list[i].dims[axis];
	}
	const clast_attribute attrs[] = { int_attr("axis", axis) };
	if (elements(&out) <= MAX_ELEMENTS)
		add(g, "Concat", n, in, 1, &out, 1, attrs);
}

static void split(gen *g, val x)
{
	const int axis = (int)below(g, x.rank);
	if (x.dims[axis] < 2)
		return;
	const int64_t first = 1 + below(g, x.dims[axis] - 1), sizes[2] = { first, x.dims[axis] - first };
	const val k = integers(g, 2, sizes), *in[] = { &x, &k };
	val out[2] = { result(g, x.rank, x.dims), result(g, x.rank, x.dims) };
	out[0].dims[axis] = sizes[0];
	out[1].dims[axis] = sizes[1];
	const clast_attribute attrs[] = { int_attr("axis", axis) };
	add(g, "Split", 2, in, 2, out, 1, attrs);
}

static void slice(gen *g, val x)
{
	const int axis = (int)below(g, x.rank);
	const int64_t extent = x.dims[axis];
	const bool back = chance(g, 25);
	const int64_t start = back ? extent - 1 : below(g, extent), step = back ? -1 : 1 + below(g, 2), end = back ? -extent - 1 : extent;
	const val starts = integers(g, 1, &start), ends = integers(g, 1, &end), steps = integers(g, 1, &step);
	const val axes = integers(g, 1, (int64_t[]){ axis }), *in[] = { &x, &starts, &ends, &axes, &steps };
	val out = result(g, x.rank, x.dims);
	out.dims[axis] = back ? extent : (extent - start - 1) / step + 1;
	add(g, "Slice", 5, in, 1, &out, 0, NULL);
}

static void transpose(gen *g, val x)
{
	int64_t perm[MAX_AXES], dims[MAX_AXES];
	for (int a = 0; a < x.rank; a++) {
		const int b = (int)below(g, a + 1);
		perm[a] = perm[b];
		perm[b] = a;
	}
	for (int a = 0; a < x.rank; a++)
		dims[a] = x.dims[perm[a]];
	const clast_attribute attrs[] = { ints_attr("perm", (size_t)x.rank, perm) };
	add1(g, "Transpose", &x, result(g, x.rank, dims), 1, attrs);
}

/* Two axes become one, or one two. */
static void reshape(gen *g, val x)
{
	int64_t dims[MAX_AXES + 1];
	int rank = 0;
	const int at = (int)below(g, x.rank);
	const bool merge = x.rank > 1 && at + 1 < x.rank && (x.rank == MAX_AXES || chance(g, 60));
	for (int a = 0; a < x.rank; a++) {
		if (merge && a == at) {
			dims[rank++] = x.dims[a] * x.dims[a + 1];
			a++;
		} else if (!merge && a == at && x.rank < MAX_AXES && x.dims[a] % 2 == 0) {
			dims[rank++] = 2;
			dims[rank++] = x.dims[a] / 2;
		} else {
			dims[rank++] = x.dims[a];
		}
	}
	const val k = integers(g, rank, dims), *in[] = { &x, &k };
	const val out = result(g, rank, dims);
	add(g, "Reshape", 2, in, 1, &out, 0, NULL);
}

static void pad(gen *g, val x)
{
	static const char *const modes[] = { "constant", "reflect", "edge" };
	const char *mode = modes[below(g, 3)];
	int64_t pads[2 * MAX_AXES] = { 0 };
	val out = result(g, x.rank, x.dims);
	for (int a = 0; a < x.rank; a++)
		for (int side = 0; side < 2; side++) {
			int64_t p = chance(g, 50) ? 0 : below(g, 3);
			p = x.dims[a] <= 3 ? p && *mode == 'c' : chance(g, 20) ? -p / 2 : p;
			pads[side * x.rank + a] = p;
			out.dims[a] += p;
		}
	const clast_attribute attrs[] = { { .name = "mode", .type = CLAST_ATTRIBUTE_STRING, .s = mode } };
	if (elements(&out) > MAX_ELEMENTS)
		return;
	note(g, "\n  (%s)", mode);
	const val k = integers(g, 2 * x.rank, pads), *in[] = { &x, &k };
	add(g, "Pad", 2, in, 1, &out, 1, attrs);
}

static void reduce(gen *g, val x)
{
	const int64_t axis = below(g, x.rank);
	const bool keep = x.rank < 2 || chance(g, 50);
	int64_t dims[MAX_AXES];
	int rank = 0;
	for (int a = 0; a < x.rank; a++)
		if (keep || a != axis)
			dims[rank++] = a == axis ? 1 : x.dims[a];
	const clast_attribute attrs[] = { ints_attr("axes", 1, &axis), int_attr("keepdims", keep) };
	add1(g, chance(g, 50) ? "ReduceMean" : "ReduceMax", &x, result(g, rank, dims), 2, attrs);
}

static void softmax(gen *g, val x)
{
	const clast_attribute attrs[] = { int_attr("axis", below(g, x.rank)) };
	add1(g, "Softmax", &x, result(g, x.rank, x.dims), 1, attrs);
}

static void layer_norm(gen *g, val x)
{
	const val scale = constant(g, 1, &x.dims[x.rank - 1]), bias = constant(g, 1, &x.dims[x.rank - 1]), *in[] = { &x, &scale, &bias };
	const val out = result(g, x.rank, x.dims);
	const clast_attribute attrs[] = { { .name = "epsilon", .type = CLAST_ATTRIBUTE_FLOAT, .f = 0.5f } };
	add(g, "LayerNormalization", 3, in, 1, &out, 1, attrs);
}

static void matmul(gen *g, val x)
{
	if (x.rank < 2)
		return;
	const int64_t w[2] = { x.dims[x.rank - 1], 1 + below(g, 20) };
	val out = result(g, x.rank, x.dims), k = constant(g, 2, w);
	out.dims[x.rank - 1] = w[1];
	const val *in[] = { &x, &k };
	if (elements(&out) <= MAX_ELEMENTS)
		add(g, "MatMul", 2, in, 1, &out, 0, NULL);
}

/* x times its own transpose. */
static void product(gen *g, val x)
{
	if (x.rank < 2)
		return;
	int64_t perm[MAX_AXES];
	val t = result(g, x.rank, x.dims), out = result(g, x.rank, x.dims);
	for (int a = 0; a < x.rank; a++)
		perm[a] = a < x.rank - 2 ? a : 2 * x.rank - 3 - a;
	t.dims[x.rank - 2] = x.dims[x.rank - 1];
	t.dims[x.rank - 1] = x.dims[x.rank - 2];
	out.dims[x.rank - 1] = x.dims[x.rank - 2];
	if (elements(&out) > MAX_ELEMENTS)
		return;
	const clast_attribute attrs[] = { ints_attr("perm", (size_t)x.rank, perm) };
	const val *in[] = { &x, &t };
	add1(g, "Transpose", &x, t, 1, attrs);
	add(g, "MatMul", 2, in, 1, &out, 0, NULL);
}

static void resize(gen *g, val x)
{
	if (x.rank != 4)
		return;
	const int64_t sizes[4] = { x.dims[0], x.dims[1], 1 + below(g, 9), 1 + below(g, 9) };
	const val k = integers(g, 4, sizes), *in[] = { &x, NULL, NULL, &k };
	const val out = result(g, 4, sizes);
	const clast_attribute attrs[] = { { .name = "mode", .type = CLAST_ATTRIBUTE_STRING, .s = chance(g, 50) ? "linear" : "nearest" } };
	add(g, "Resize", 4, in, 1, &out, 1, attrs);
}

static void tile(gen *g, val x)
{
	int64_t repeats[MAX_AXES];
	val out = result(g, x.rank, x.dims);
	for (int a = 0; a < x.rank; a++)
		out.dims[a] *= repeats[a] = chance(g, 25) ? 2 : 1;
	if (elements(&out) > MAX_ELEMENTS)
		return;
	const val k = integers(g, x.rank, repeats), *in[] = { &x, &k };
	add(g, "Tile", 2, in, 1, &out, 0, NULL);
}

static void expand(gen *g, val x)
{
	val out = result(g, x.rank, x.dims);
	for (int a = 0; a < x.rank; a++)
		out.dims[a] = x.dims[a] == 1 ? 1 + below(g, 4) : x.dims[a];
	if (elements(&out) > MAX_ELEMENTS)
		return;
	const val k = integers(g, x.rank, out.dims), *in[] = { &x, &k };
	add(g, "Expand", 2, in, 1, &out, 0, NULL);
}

static void gather(gen *g, val x)
{
	const int axis = (int)below(g, x.rank), n = 1 + (int)below(g, 3);
	int64_t index[3];
	val out = result(g, x.rank, x.dims);
	for (int i = 0; i < n; i++)
		index[i] = below(g, x.dims[axis]);
	out.dims[axis] = n;
	const val k = integers(g, n, index), *in[] = { &x, &k };
	const clast_attribute attrs[] = { int_attr("axis", axis) };
	add(g, "Gather", 2, in, 1, &out, 1, attrs);
}

static void depth_to_space(gen *g, val x)
{
	if (x.rank != 4)
		return;
	const clast_attribute attrs[] = { int_attr("blocksize", 2) };
	if (x.dims[1] % 4 == 0)
		add1(g, "DepthToSpace", &x, result(g, 4, (int64_t[]){ x.dims[0], x.dims[1] / 4, 2 * x.dims[2], 2 * x.dims[3] }), 1, attrs);
	else if (x.dims[2] % 2 == 0 && x.dims[3] % 2 == 0)
		add1(g, "SpaceToDepth", &x, result(g, 4, (int64_t[]){ x.dims[0], 4 * x.dims[1], x.dims[2] / 2, x.dims[3] / 2 }), 1, attrs);
}

static void (*const makers[])(gen *g, val x) = { unary,  unary,   binary, binary,     binary, conv,   conv,   pool,
	                                         concat, concat,  concat, split,      slice,  reduce, reshape, transpose,
	                                         pad,    softmax, matmul, layer_norm, resize, tile,   expand, gather,
	                                         product, depth_to_space };

/* Recent values more often than old ones, so that graphs get deep. */
static val choose(gen *g)
{
	const int back = (int)below(g, chance(g, 60) ? (g->count < 4 ? g->count : 4) : g->count);
	return g->values[g->count - 1 - back];
}

static void add_outputs(gen *g)
{
	bool taken[MAX_VALUES] = { false };
	for (int i = 0; i < 4; i++) {
		const int at = i ? (int)below(g, g->count) : g->count - 1;
		if (taken[at])
			continue;
		taken[at] = true;
		note(g, "\n  output %s", g->values[at].name);
		cr_assert_eq(clast_builder_output(g->b, g->values[at].name, &g->d), CLAST_OK, "%s", g->d.message);
	}
}

void random_graph_create(uint64_t seed, int nodes, random_graph *out)
{
	gen g = { .state = seed * 0x9E3779B97F4A7C15u + 0x1234567, .out = out };
	memset(out, 0, sizeof *out);
	cr_assert_eq(clast_builder_create(17, NULL, &g.b, &g.d), CLAST_OK, "%s", g.d.message);
	for (int i = 0; i < 8; i++)
		next(&g);
	const int64_t dims[4] = { 1 + below(&g, 2), 1 + below(&g, 8), 2 + below(&g, 5), 2 + below(&g, 5) };
	for (int i = 0; i < RANDOM_GRAPH_INPUTS; i++) {
		val x = result(&g, 4, dims);
		if (i)
			x.dims[1] = 1 + below(&g, 8);
		out->inputs[i] = random_tensor(&g, 4, x.dims);
		cr_assert_eq(clast_builder_input(g.b, x.name, CLAST_FLOAT32, 4, x.dims, NULL, &g.d), CLAST_OK, "%s", g.d.message);
		note_value(&g, &x);
		g.values[g.count++] = x;
	}
	if (chance(&g, 20))
		g.values[g.count++] = constant(&g, 4, dims);
	for (int i = 0; i < nodes && g.count < MAX_VALUES - 4; i++)
		makers[below(&g, sizeof makers / sizeof *makers)](&g, choose(&g));
	add_outputs(&g);
	cr_assert_eq(clast_builder_finish(&g.b, &out->model, &g.d), CLAST_OK, "%s%s", g.d.message, out->text);
}

void random_graph_free(random_graph *g)
{
	for (int i = 0; i < RANDOM_GRAPH_INPUTS; i++)
		clast_tensor_free(&g->inputs[i]);
	clast_model_free(&g->model);
}
