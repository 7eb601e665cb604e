/* Constants of equal elements that are too large to be folded: one element stands for all of them, wherever a constant may be read. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "net.h"

static const extents sizes = { .n = 2, .c = 12, .h = 6, .w = 10, .d = 20, .g = 2 };

static val filled(net *g, double value, size_t rank, const int64_t *dims)
{
	clast_tensor *t;
	clast_diag d = { 0 };
	const int64_t one[] = { 1 };
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 1, one, NULL, &t, &d), CLAST_OK);
	*(float *)clast_tensor_data(t) = (float)value;
	const val v = net_node(g, "ConstantOfShape", IN(net_integers(g, rank, dims)),
	                       WITH({ .name = "value", .type = CLAST_ATTRIBUTE_TENSOR, .t = t }));
	clast_tensor_free(&t);
	return v;
}
#define filled(g, value, ...) filled(g, value, DIMS(__VA_ARGS__))

/* fold_bytes: 4 makes every constant of more than one element too large. */
static clast_model *begin_end(net *g, size_t fold_bytes, void (*build)(net *g))
{
	const clast_model_options o = { .struct_size = sizeof o, .limits = { .fold_bytes = fold_bytes } };
	clast_diag d = { 0 };
	*g = (net){ .e = &sizes, .opset = 17, .seed = 1 };
	cr_assert_eq(clast_builder_create(17, &o, &g->b, &d), CLAST_OK, "%s", d.message);
	build(g);
	return net_end(g);
}

/* Every kernel that packs weights, and what may follow them. */
static void build_weights(net *g)
{
	const int64_t c = sizes.c, h = sizes.h, w = sizes.w, all = c * h * w;
	val x = conv(g, net_input(g, DIMS(sizes.n, c, h, w)), c, c, 3);
	val y = net_node(g, "Conv", IN(x, filled(g, 0.5, c, c, 3, 3), filled(g, -0.25, c)), WITH(INTS("pads", 1, 1, 1, 1)));
	y = net_node(g, "BatchNormalization", IN(y, weight(g, c), weight(g, c), weight(g, c), filled(g, 0.75, c)), NULL);
	x = binary(g, "Add", x, y);
	x = binary(g, "Add", x, net_node(g, "Conv", IN(x, filled(g, 2, c, 1, 3, 3)), WITH(INTS("pads", 1, 1, 1, 1), INT("group", c))));
	y = net_node(g, "ConvTranspose", IN(x, filled(g, -0.5, c, c, 2, 2)), WITH(INTS("strides", 2, 2)));
	y = net_node(g, "AveragePool", IN(y), WITH(INTS("kernel_shape", 2, 2), INTS("strides", 2, 2)));
	x = binary(g, "Mul", binary(g, "Add", x, y), filled(g, 0.125, c, 1, 1));
	y = reshape(g, transpose(g, x, 0, 2, 3, 1), sizes.n, h * w, c);
	y = net_node(g, "LayerNormalization", IN(y, filled(g, 0.5, c), filled(g, 0.25, c)), NULL);
	y = binary(g, "Add", binary(g, "MatMul", y, filled(g, 0.125, c, c)), filled(g, 3, c));
	y = binary(g, "MatMul", y, filled(g, 0.25, sizes.n, c, c));
	net_output(g, y);
	net_output(g, net_node(g, "Gemm", IN(net_node(g, "Flatten", IN(x), NULL), filled(g, 0.5, 9, all), filled(g, 0.25, 9)),
	                       WITH(REAL("alpha", 0.5f), REAL("beta", 2), INT("transB", 1))));
}

/* Operators that read constants in other ways, each of which may want another form of it. */
static void build_others(net *g)
{
	const int64_t c = sizes.c, h = sizes.h, w = sizes.w;
	const val x = net_input(g, DIMS(sizes.n, c, h, w));
	val part[2] = { filled(g, 0.5, 1, c, h, w), filled(g, 0.75, 1, c, h, w) };
	const val joined = net_node(g, "Concat", IN(part[0], part[1]), WITH(INT("axis", 0)));
	val y = binary(g, "Sub", x, joined);
	y = binary(g, "Mul", y, transpose(g, filled(g, 0.25, w, h), 1, 0));
	y = net_node(g, "PRelu", IN(y, filled(g, 0.125, c, 1, 1)), NULL);
	y = net_node(g, "InstanceNormalization", IN(y, filled(g, 2, c), filled(g, 0.5, c)), NULL);
	net_output(g, binary(g, "Max", y, net_node(g, "Slice", IN(filled(g, -0.5, c, h + 2, w), integers(g, 1), integers(g, h + 1), integers(g, 1)), NULL)));
	net_output(g, filled(g, 1.5, 3, c));
}

typedef struct answer {
	size_t count[2];
	float element[2][4096];
	clast_plan_report report;
} answer;

static void run(const net *g, clast_model *m, const clast_plan_options *o, answer *a)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *out[2] = { NULL };
	cr_assert_eq(clast_plan_create(m, o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_run(s, g->input_count, (const clast_tensor *const *)g->inputs, 2, out, &d), CLAST_OK, "%s: %s", d.node,
	             d.message);
	for (size_t i = 0; i < 2; i++) {
		a->count[i] = clast_tensor_count(out[i]);
		cr_assert_leq(a->count[i], sizeof a->element[i] / sizeof *a->element[i]);
		cr_assert_eq(clast_tensor_read(out[i], a->element[i], a->count[i] * sizeof(float)), CLAST_OK);
	}
	a->report.struct_size = sizeof a->report;
	cr_assert_eq(clast_plan_get_report(p, &a->report), CLAST_OK);
	clast_session_free(&s);
	clast_plan_free(&p);
}

static void check(void (*build)(net *g), const char *strategy)
{
	static answer want, got;
	clast_plan_options o = { .struct_size = sizeof o, .precision = CLAST_PRECISION_REFERENCE };
	net folded, uniform;
	clast_model *m = begin_end(&folded, 0, build), *u = begin_end(&uniform, 4, build);
	run(&folded, m, &o, &want);
	for (int precise = 0; precise < 2; precise++) {
		o = (clast_plan_options){ .struct_size = sizeof o, .strategy = strategy };
		o.precision = precise ? CLAST_PRECISION_REFERENCE : CLAST_PRECISION_DEFAULT;
		run(&uniform, u, &o, &got);
		for (size_t i = 0; i < 2; i++) {
			double largest = 0, error = 0;
			cr_assert_eq(want.count[i], got.count[i]);
			for (size_t k = 0; k < want.count[i]; k++) {
				largest = fmax(largest, fabs((double)want.element[i][k]));
				error = fmax(error, fabs((double)want.element[i][k] - (double)got.element[i][k]));
			}
			cr_assert(error <= 1e-5 * largest, "%s, output %zu: off by %g of %g", strategy, i, error, largest);
		}
	}
	cr_assert(strcmp(strategy, "min") || build != build_weights || !got.report.transposes);
	clast_model_free(&m);
	clast_model_free(&u);
	net_free_inputs(&folded);
	net_free_inputs(&uniform);
}

static void check_all(void (*build)(net *g))
{
	static const char *const strategies[] = { "min", "first", "last", "blocked", "random:1", "random:2", "random:3" };
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
		check(build, strategies[i]);
}

Test(uniform, constants_are_packed_like_folded_ones)
{
	check_all(build_weights);
}

Test(uniform, constants_serve_whatever_reads_them)
{
	check_all(build_others);
}

/* 8 MiB of weights that are held once, packed. */
Test(uniform, constants_take_no_memory_beside_packed_weights)
{
	enum { K = 4096, N = 512, MIB = 1 << 20 };
	clast_diag d = { 0 };
	net g = { .e = &sizes, .opset = 17, .seed = 1 };
	clast_plan *p;
	clast_plan_report r = { .struct_size = sizeof r };
	const clast_model_options o = { .struct_size = sizeof o, .limits = { .memory_bytes = 10 * MIB, .tensor_bytes = 16 * MIB, .fold_bytes = MIB } };
	cr_assert_eq(clast_builder_create(17, &o, &g.b, &d), CLAST_OK, "%s", d.message);
	net_output(&g, net_node(&g, "Gemm", IN(net_input(&g, DIMS(1, K)), filled(&g, 0.5, N, K)), WITH(INT("transB", 1))));
	clast_model *m = net_end(&g);
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
	cr_assert_eq(r.steps, 1);
	cr_assert_lt(r.arena_bytes, MIB);
	cr_assert_geq(r.weights_bytes, 8 * MIB);
	clast_plan_free(&p);
	clast_model_free(&m);
	net_free_inputs(&g);
}
