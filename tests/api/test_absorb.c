/* Random networks of convolutions, shuffles, windows and products: permutations that weights, rows and windows absorb change no result,
 * whatever orders are chosen, with equal and with distinct extents. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

/* A wrong permutation is wrong by as much as the output is large; twelve layers without a normalisation between them magnify rounding. */
#define TOLERANCE 1e-4
#define GRAPHS 200
#define STEPS 12

/* An image [n, c, h, w] on its way through the network. */
typedef struct image {
	val v;
	int64_t n, c, h, w;
} image;

static uint32_t pick(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

static val conv_grouped(net *g, val x, int64_t from, int64_t to, int64_t groups, int64_t k)
{
	const int64_t p = k / 2;
	return net_node(g, "Conv", IN(x, weight(g, to, from / groups, k, k), weight(g, to)), WITH(INTS("pads", p, p, p, p), INT("group", groups)));
}

static int64_t divisor(uint32_t *seed, int64_t n)
{
	static const int64_t small[] = { 2, 3, 5 };
	const uint32_t at = pick(seed, 3);
	for (uint32_t i = 0; i < 3; i++)
		if (n % small[(at + i) % 3] == 0)
			return small[(at + i) % 3];
	return 1;
}

static val shuffle(net *g, const image *x, int64_t groups)
{
	const val y = transpose(g, reshape(g, x->v, x->n, groups, x->c / groups, x->h, x->w), 0, 2, 1, 3, 4);
	return reshape(g, y, x->n, x->c, x->h, x->w);
}

/* [n, c, h, w] as rows of windows [n * h / a * w / b, a * b, c], through a product, and back. */
static val windows(net *g, image *x, int64_t a, int64_t b, int64_t to)
{
	val y = reshape(g, transpose(g, x->v, 0, 2, 3, 1), x->n, x->h / a, a, x->w / b, b, x->c);
	y = reshape(g, transpose(g, y, 0, 1, 3, 2, 4, 5), -1, a * b, x->c);
	y = unary(g, "Relu", linear(g, y, x->c, to));
	y = transpose(g, reshape(g, y, x->n, x->h / a, x->w / b, a, b, to), 0, 1, 3, 2, 4, 5);
	return transpose(g, reshape(g, y, x->n, x->h, x->w, to), 0, 3, 1, 2);
}

static val tokens(net *g, const image *x, int64_t to)
{
	const val y = linear(g, transpose(g, reshape(g, x->v, x->n, x->c, x->h * x->w), 0, 2, 1), x->c, to);
	return reshape(g, transpose(g, y, 0, 2, 1), x->n, to, x->h, x->w);
}

static val gate(net *g, const image *x)
{
	const val s = conv(g, unary(g, "GlobalAveragePool", x->v), x->c, x->c, 1);
	return binary(g, "Mul", x->v, unary(g, "Sigmoid", s));
}

/* The parts of a Split, one of them convolved, side by side again. */
static val branches(net *g, uint32_t *seed, const image *x, int64_t parts)
{
	val part[5];
	const int64_t each = x->c / parts;
	const val sizes[] = { integers(g, each, each), integers(g, each, each, each), NULL, integers(g, each, each, each, each, each) };
	net_nodes(g, "Split", IN(x->v, sizes[parts - 2]), WITH(INT("axis", 1)), (size_t)parts, part);
	const uint32_t one = pick(seed, (uint32_t)parts);
	part[one] = conv(g, part[one], each, each, 1);
	val list[6] = { part[0], part[1], parts > 2 ? part[2] : NULL, parts > 2 ? part[3] : NULL, parts > 2 ? part[4] : NULL, NULL };
	list[parts] = NULL;
	return net_node(g, "Concat", list, WITH(INT("axis", 1)));
}

/* To twice the height and width by a pixel shuffle behind an activation, a convolution there, and back. */
static val finer(net *g, uint32_t *seed, const image *x, int64_t to)
{
	const char *const mode = pick(seed, 2) ? "DCR" : "CRD";
	val y = conv(g, x->v, x->c, 4 * to, pick(seed, 2) ? 1 : 3);
	if (pick(seed, 2))
		y = net_node(g, "PRelu", IN(y, weight(g, 4 * to, 1, 1)), NULL);
	if (pick(seed, 2))
		y = binary(g, "Add", y, conv(g, x->v, x->c, 4 * to, 1));
	y = net_node(g, "DepthToSpace", IN(y), WITH(INT("blocksize", 2), TEXT("mode", mode)));
	y = conv(g, y, to, to, 3);
	if (pick(seed, 2))
		return net_node(g, "AveragePool", IN(y), WITH(INTS("kernel_shape", 2, 2), INTS("strides", 2, 2)));
	return conv(g, net_node(g, "SpaceToDepth", IN(y), WITH(INT("blocksize", 2))), 4 * to, to, 1);
}

static void step(net *g, uint32_t *seed, image *x)
{
	const int64_t to = pick(seed, 2) ? g->e->c : g->e->d, parts = divisor(seed, x->c), a = divisor(seed, x->h), b = divisor(seed, x->w);
	const uint32_t what = pick(seed, 14);
	const int64_t height = x->h;
	switch (what) {
	case 0:
		x->v = conv(g, x->v, x->c, to, pick(seed, 2) ? 1 : 3);
		x->c = to;
		break;
	case 1:
		x->v = conv_grouped(g, x->v, x->c, x->c, x->c, 3);
		break;
	case 2:
		x->v = conv_grouped(g, x->v, x->c, to % parts ? x->c : to, parts, pick(seed, 2) ? 1 : 3);
		x->c = to % parts ? x->c : to;
		break;
	case 3:
		x->v = shuffle(g, x, parts);
		break;
	case 4:
		x->v = binary(g, "Mul", x->v, weight(g, x->c, 1, 1));
		break;
	case 5:
		x->v = gate(g, x);
		break;
	case 6:
		x->v = windows(g, x, a, b, to);
		x->c = to;
		break;
	case 7:
		x->v = tokens(g, x, to);
		x->c = to;
		break;
	case 8:
		if (parts > 1)
			x->v = branches(g, seed, x, parts);
		break;
	case 9:
		x->v = net_node(g, "AveragePool", IN(x->v), WITH(INTS("kernel_shape", 3, 3), INTS("pads", 1, 1, 1, 1)));
		break;
	case 10:
		x->v = transpose(g, x->v, 0, 1, 3, 2);
		x->h = x->w;
		x->w = height;
		break;
	case 11:
		x->v = binary(g, "Add", x->v, shuffle(g, x, parts));
		break;
	case 12:
		x->v = finer(g, seed, x, to);
		x->c = to;
		break;
	default:
		x->v = binary(g, "Add", x->v, unary(g, "Relu", conv(g, x->v, x->c, x->c, 1)));
	}
}

/* An image, steps on it, and a classifier over all of it. */
static clast_model *random_network(net *g, const extents *e, uint32_t seed)
{
	net_begin(g, e, 17);
	image x = { stem(g), e->n, e->c, e->h, e->w };
	for (int i = 0; i < STEPS; i++)
		step(g, &seed, &x);
	const int64_t all = x.c * x.h * x.w;
	if (pick(&seed, 2))
		net_output(g, x.v);
	net_output(g, net_node(g, "Gemm", IN(net_node(g, "Flatten", IN(x.v), NULL), weight(g, all, 7), weight(g, 7)), NULL));
	return net_end(g);
}

typedef struct answer {
	size_t count[2];
	float *element[2];
} answer;

static answer run(const net *g, clast_model *m, const clast_plan_options *o)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *out[2] = { NULL, NULL };
	answer a = { { 0 }, { NULL } };
	cr_assert_eq(clast_plan_create(m, o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	const size_t outputs = clast_model_output_count(m);
	cr_assert_eq(clast_session_run(s, g->input_count, (const clast_tensor *const *)g->inputs, outputs, out, &d), CLAST_OK, "%s: %s", d.node,
	             d.message);
	for (size_t i = 0; i < outputs; i++) {
		a.count[i] = clast_tensor_count(out[i]);
		a.element[i] = malloc(a.count[i] * sizeof(float));
		cr_assert_eq(clast_tensor_read(out[i], a.element[i], a.count[i] * sizeof(float)), CLAST_OK);
	}
	clast_session_free(&s);
	clast_plan_free(&p);
	return a;
}

static void compare(const answer *want, const answer *got, const char *strategy, uint32_t seed)
{
	for (int i = 0; i < 2; i++) {
		double largest = 0, error = 0;
		for (size_t k = 0; k < want->count[i]; k++) {
			largest = fmax(largest, fabs((double)want->element[i][k]));
			error = fmax(error, fabs((double)want->element[i][k] - (double)got->element[i][k]));
		}
		cr_assert(error <= TOLERANCE * largest, "network %u, %s: output %d is off by %g of %g", seed, strategy, i, error, largest);
	}
}

static void forget(answer *a)
{
	free(a->element[0]);
	free(a->element[1]);
}

static void check(const extents *e, uint32_t seed)
{
	char random[32];
	const char *const strategies[] = { "min", "last", "first", "lazy", random };
	net g;
	snprintf(random, sizeof random, "random:%u", seed);
	clast_model *m = random_network(&g, e, seed);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	answer want = run(&g, m, &o);
	o.precision = CLAST_PRECISION_DEFAULT;
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
		o.strategy = strategies[i];
		answer got = run(&g, m, &o);
		compare(&want, &got, strategies[i], seed);
		forget(&got);
	}
	forget(&want);
	clast_model_free(&m);
	net_free_inputs(&g);
}

Test(absorb, random_networks_of_distinct_extents_agree_with_the_references)
{
	static const extents e = { .n = 2, .c = 12, .h = 6, .w = 10, .d = 20, .g = 2, .wh = 3, .ww = 5 };
	for (uint32_t seed = 1; seed <= GRAPHS; seed++)
		check(&e, seed);
}

Test(absorb, random_networks_of_equal_extents_agree_with_the_references)
{
	static const extents e = { .n = 6, .c = 6, .h = 6, .w = 6, .d = 6, .g = 2, .wh = 3, .ww = 3 };
	for (uint32_t seed = 1001; seed <= 1000 + GRAPHS; seed++)
		check(&e, seed);
}
