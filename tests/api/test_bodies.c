/* Bodies in bodies: random networks of images in which branches, loops and scans capture images, carry them on, let them grow, stack them,
 * run as often as data say or not at all. Every strategy must give the answer of the references. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define STEPS 4
#define INNER_STEPS 2
#define DEPTH 2
#define GRAPHS 45
#define TOLERANCE 1e-5
#define IMAGES 3

/* What a step can see: images of one shape, the newest last, and scalars that only data decide. */
typedef struct scope {
	net *g;
	uint32_t *seed;
	int depth;
	val image[IMAGES], data; /* data: [4], from the caller */
	size_t images;
} scope;

static uint32_t pick(scope *s, uint32_t n)
{
	*s->seed = *s->seed * 1664525u + 1013904223u;
	return (*s->seed >> 16) % n;
}

static val newest(const scope *s)
{
	return s->image[s->images - 1];
}

static void put(scope *s, val v)
{
	if (s->images == IMAGES)
		memmove(s->image, s->image + 1, --s->images * sizeof *s->image);
	s->image[s->images++] = v;
}

static void steps(scope *s, int count);

/* Inside, values that come up are seen there alone. */
static scope inner(const scope *s)
{
	scope x = *s;
	x.depth++;
	return x;
}

static val number(scope *s, double x)
{
	return net_scalar(s->g, CLAST_FLOAT32, x);
}

/* One of the caller's numbers, -1 .. 1. */
static val datum(scope *s)
{
	return net_node(s->g, "Gather", IN(s->data, net_scalar(s->g, CLAST_INT64, pick(s, 4))), NULL);
}

static val small(scope *s, val v)
{
	return unary(s->g, "Tanh", v);
}

/* So that errors do not grow from one convolution to the next. */
static val tamed(scope *s, val v)
{
	return small(s, binary(s->g, "Mul", v, number(s, 0.03)));
}

/* Done twice, it is undone: one that is undone only after many trips gives every value of a loop as many orders, and no order of what the loop
 * carries is better than another, which makes a small network as hard to plan as a large one. */
static val shuffled(scope *s, val v)
{
	const extents *e = s->g->e;
	const val parts = reshape(s->g, v, e->n, 2, e->c / 4, 2, e->h, e->w);
	return reshape(s->g, transpose(s->g, parts, 0, 3, 2, 1, 4, 5), e->n, e->c, e->h, e->w);
}

static val rescaled(scope *s, val v)
{
	const val scales = net_node(s->g, "Cast", IN(integers(s->g, 1, 1, 2, 2)), WITH(INT("to", CLAST_FLOAT32)));
	const val large = net_node(s->g, "Resize", IN(v, "", scales), WITH(TEXT("mode", "nearest")));
	return net_node(s->g, "MaxPool", IN(large), WITH(INTS("kernel_shape", 2, 2), INTS("strides", 2, 2)));
}

/* A branch that computes, hands a captured image back as it is, or leaves a constant. */
static int64_t branch(scope *s)
{
	const extents *e = s->g->e;
	scope x = inner(s);
	net_begin_body(s->g);
	switch (pick(s, 4)) {
	case 0:
		net_output(s->g, weight(s->g, e->n, e->c, e->h, e->w));
		break;
	case 1:
		net_output(s->g, unary(s->g, "Identity", x.image[pick(s, (uint32_t)x.images)]));
		break;
	default:
		steps(&x, INNER_STEPS);
		net_output(s->g, newest(&x));
	}
	return net_end_body(s->g);
}

static val branches(scope *s)
{
	const val taken = net_node(s->g, "Greater", IN(datum(s), number(s, 0)), NULL);
	const int64_t yes = branch(s), no = branch(s);
	return net_node(s->g, "If", IN(taken), WITH(BODY("then_branch", yes), BODY("else_branch", no)));
}

/* Carries an image, one that grows along an axis, and stacks images. */
static val loop(scope *s)
{
	net *g = s->g;
	const extents *e = g->e;
	const bool grows = pick(s, 2), stacks = pick(s, 2), stops = pick(s, 2), swaps = pick(s, 3) == 0;
	const int64_t axis = 2 + pick(s, 2);
	const val first = pick(s, 4) ? newest(s) : weight(g, e->n, e->c, e->h, e->w);
	const val other = s->image[pick(s, (uint32_t)s->images)];
	const val trips = pick(s, 2) ? net_scalar(g, CLAST_INT64, pick(s, 4)) :
	                               net_node(g, "Cast", IN(binary(g, "Mul", binary(g, "Add", datum(s), number(s, 1)), number(s, 1.9))),
	                                        WITH(INT("to", CLAST_INT64)));
	scope x = inner(s);
	net_begin_body(g);
	const val i = net_body_input(g, CLAST_INT64, 0, NULL), going = net_body_input(g, CLAST_BOOL, 0, NULL);
	const val a = net_body_input(g, CLAST_FLOAT32, 0, NULL), b = net_body_input(g, CLAST_FLOAT32, 0, NULL);
	const val long_one = grows ? net_body_input(g, CLAST_FLOAT32, 0, NULL) : NULL;
	put(&x, b);
	put(&x, a);
	steps(&x, INNER_STEPS);
	const val limit = stops ? net_node(g, "Less", IN(net_node(g, "Cast", IN(i), WITH(INT("to", CLAST_FLOAT32))),
	                                              binary(g, "Mul", datum(s), number(s, 3))), NULL) : unary(g, "Identity", going);
	net_output(g, limit);
	net_output(g, swaps ? b : newest(&x));
	net_output(g, swaps ? newest(&x) : small(&x, binary(g, "Add", b, a)));
	if (grows)
		net_output(g, net_node(g, "Concat", IN(long_one, newest(&x)), WITH(INT("axis", axis))));
	if (stacks)
		net_output(g, newest(&x));
	const int64_t body = net_end_body(g);
	val out[4], in[6] = { trips, stops ? net_scalar(g, CLAST_BOOL, 1) : "", first, other, grows ? first : NULL, NULL };
	net_nodes(g, "Loop", in, WITH(BODY("body", body)), (size_t)2 + grows + stacks, out);
	val y = binary(g, "Add", out[0], out[1]);
	if (grows)
		y = binary(g, "Add", y, unary(g, "GlobalMaxPool", out[2]));
	if (stacks) /* a sum over no elements is 0, whatever their shape would have been */
		y = binary(g, "Sub", y, binary(g, "Mul", net_node(g, "ReduceSum", IN(out[2 + grows]), WITH(INT("keepdims", 0))), number(s, 0.01)));
	return small(s, y);
}

/* From row to row of an image, or from column to column. */
static val scan(scope *s)
{
	net *g = s->g;
	const extents *e = g->e;
	const int64_t axis = 2 + pick(s, 2), side = axis == 2 ? e->w : e->h;
	const val start = weight(g, e->n, e->c, side);
	net_begin_body(g);
	const val state = net_body_input(g, CLAST_FLOAT32, 0, NULL), row = net_body_input(g, CLAST_FLOAT32, 0, NULL);
	const val mixed = net_node(g, "Conv", IN(binary(g, "Add", state, row), weight(g, e->c, e->c, 3), weight(g, e->c)), WITH(INTS("pads", 1, 1)));
	const val left = tamed(s, mixed);
	net_output(g, left);
	net_output(g, pick(s, 2) ? left : binary(g, "Sub", state, row));
	const int64_t body = net_end_body(g);
	val out[2];
	net_nodes(g, "Scan", IN(start, newest(s)),
	          WITH(BODY("body", body), INT("num_scan_inputs", 1), INTS("scan_input_axes", pick(s, 2) ? axis : axis - 4),
	               INTS("scan_output_axes", pick(s, 2) ? axis : axis - 4), INTS("scan_input_directions", pick(s, 2)),
	               INTS("scan_output_directions", pick(s, 2))),
	          2, out);
	const val state_image = net_node(g, "Unsqueeze", IN(out[0], integers(g, axis)), NULL);
	return small(s, binary(g, "Add", out[1], state_image));
}

static val step(scope *s)
{
	const extents *e = s->g->e;
	const uint32_t kind = pick(s, s->depth < DEPTH ? 9 : 5);
	switch (kind) {
	case 0:
		return shuffled(s, newest(s));
	case 1:
		return small(s, binary(s->g, "Add", newest(s), s->image[pick(s, (uint32_t)s->images)]));
	case 2:
		return rescaled(s, newest(s));
	case 3:
	case 4:
		return tamed(s, conv(s->g, newest(s), e->c, e->c, kind == 3 ? 3 : 1));
	case 5:
		return branches(s);
	case 6:
	case 7:
		return loop(s);
	default:
		return scan(s);
	}
}

static void steps(scope *s, int count)
{
	for (int i = 0; i < count; i++)
		put(s, step(s));
}

static clast_model *random_network(net *g, const extents *e, bool open, uint32_t seed)
{
	net_begin(g, e, 17);
	g->open = open;
	scope s = { .g = g, .seed = &seed };
	put(&s, stem(g));
	s.data = net_input(g, DIMS(4));
	steps(&s, STEPS);
	put(&s, loop(&s));
	net_output(g, newest(&s));
	net_output(g, unary(g, "Relu", s.image[pick(&s, (uint32_t)s.images)]));
	return net_end(g);
}

/* ---- Answers ---- */

typedef struct answer {
	size_t count[2];
	float *element[2];
} answer;

static clast_session *session_of(clast_model *m, const clast_plan_options *o, uint32_t seed)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	cr_assert_eq(clast_plan_create(m, o, &p, &d), CLAST_OK, "network %u, %s: %s", seed, o->strategy, d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	clast_plan_free(&p);
	return s;
}

static answer run(clast_session *s, const net *g, const char *strategy, uint32_t seed)
{
	clast_diag d = { 0 };
	clast_tensor *out[2] = { NULL, NULL };
	answer a;
	cr_assert_eq(clast_session_run(s, g->input_count, (const clast_tensor *const *)g->inputs, 2, out, &d), CLAST_OK, "network %u, %s: %s: %s",
	             seed, strategy, d.node, d.message);
	for (size_t i = 0; i < 2; i++) {
		a.count[i] = clast_tensor_count(out[i]);
		a.element[i] = malloc(a.count[i] * sizeof(float));
		cr_assert_eq(clast_tensor_read(out[i], a.element[i], a.count[i] * sizeof(float)), CLAST_OK);
	}
	return a;
}

static void compare(const answer *want, const answer *got, const char *strategy, uint32_t seed)
{
	for (int i = 0; i < 2; i++) {
		double largest = 0, error = 0;
		cr_assert_eq(want->count[i], got->count[i]);
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

/* Other numbers, so that loops run as often as they did not before and the other branches are taken. */
static void turn_data(net *g)
{
	float *x = clast_tensor_data(g->inputs[1]);
	for (int i = 0; i < 4; i++)
		x[i] = -x[i];
}

static void check(const extents *e, bool open, uint32_t seed)
{
	char random[32], other[32];
	const char *const strategies[] = { "min", "wrap", "first", "last", "blocked", "lazy", "push", random, other };
	net g;
	snprintf(random, sizeof random, "random:%u", seed);
	snprintf(other, sizeof other, "random:%u", seed + 7919);
	clast_model *m = random_network(&g, e, open, seed);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	answer want[2];
	clast_session *s = session_of(m, &o, seed);
	for (int k = 0; k < 2; k++, turn_data(&g))
		want[k] = run(s, &g, "references", seed);
	clast_session_free(&s);
	o.precision = CLAST_PRECISION_EXACT;
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
		clast_plan_report r = { .struct_size = sizeof r };
		clast_plan *p;
		o.strategy = strategies[i];
		cr_assert_eq(clast_plan_create(m, &o, &p, NULL), CLAST_OK);
		cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
		cr_expect(i || r.optimal, "network %u: cost %llu, bound %llu", seed, (unsigned long long)r.layout_cost,
		          (unsigned long long)r.layout_bound);
		clast_plan_free(&p);
		s = session_of(m, &o, seed);
		for (int k = 0; k < 2; k++, turn_data(&g)) {
			answer got = run(s, &g, strategies[i], seed);
			compare(&want[k], &got, strategies[i], seed);
			forget(&got);
		}
		clast_session_free(&s);
	}
	forget(&want[0]);
	forget(&want[1]);
	clast_model_free(&m);
	net_free_inputs(&g);
}

static const extents distinct = { .n = 2, .c = 8, .h = 4, .w = 6, .d = 8, .g = 2, .wh = 2, .ww = 2 };

Test(bodies, random_networks_of_known_extents_agree_with_the_references)
{
	for (uint32_t seed = 1; seed <= GRAPHS; seed++)
		check(&distinct, false, seed);
}

Test(bodies, random_networks_of_equal_extents_agree_with_the_references)
{
	static const extents equal = { .n = 4, .c = 4, .h = 4, .w = 4, .d = 4, .g = 2, .wh = 2, .ww = 2 };
	for (uint32_t seed = 1001; seed <= 1000 + GRAPHS / 2; seed++)
		check(&equal, false, seed);
}

Test(bodies, random_networks_of_unknown_extents_agree_with_the_references)
{
	for (uint32_t seed = 2001; seed <= 2000 + GRAPHS / 3; seed++)
		check(&distinct, true, seed);
}

/* ---- Branches that contradict the shapes ---- */

/* One branch is right, the other adds a vector of 5 to rows of 4; in a loop where `nested`. */
static clast_builder *contradiction(net *g, bool nested, int wrong)
{
	static const extents none;
	net_begin(g, &none, 17);
	const val x = net_input(g, DIMS(2, 4)), sign = net_input(g, DIMS(1));
	const val taken = net_node(g, "Greater", IN(sign, net_scalar(g, CLAST_FLOAT32, 0)), NULL);
	val carried = x;
	if (nested) {
		net_begin_body(g);
		net_body_input(g, CLAST_INT64, 0, NULL);
		net_output(g, unary(g, "Identity", net_body_input(g, CLAST_BOOL, 0, NULL)));
		carried = net_body_input(g, CLAST_FLOAT32, 0, NULL);
	}
	int64_t body[2];
	for (int i = 0; i < 2; i++) {
		net_begin_body(g);
		net_output(g, wrong >> i & 1 ? binary(g, "Add", carried, weight(g, 5)) : unary(g, "Neg", carried));
		body[i] = net_end_body(g);
	}
	val y = net_node(g, "If", IN(taken), WITH(BODY("then_branch", body[0]), BODY("else_branch", body[1])));
	if (nested) {
		net_output(g, y);
		const int64_t loop_body = net_end_body(g);
		y = net_node(g, "Loop", IN(net_scalar(g, CLAST_INT64, 3), "", x), WITH(BODY("body", loop_body)));
	}
	net_output(g, unary(g, "Relu", y));
	return g->b;
}

static clast_status run_branch(const net *g, clast_model *m, const char *strategy, bool yes, clast_diag *d)
{
	const clast_plan_options o = { .struct_size = sizeof o, .strategy = strategy };
	clast_session *s = session_of(m, &o, 0);
	clast_tensor *out = NULL;
	((float *)clast_tensor_data(g->inputs[1]))[0] = yes ? 1 : -1;
	const clast_status status = clast_session_run(s, 2, (const clast_tensor *const *)g->inputs, 1, &out, d);
	for (size_t i = 0; !status && i < 8; i++) {
		const float x = ((const float *)clast_tensor_data(g->inputs[0]))[i], y = ((const float *)clast_tensor_data(out))[i];
		cr_expect_float_eq(y, -x > 0 ? -x : 0, 0);
	}
	clast_session_free(&s);
	return status;
}

Test(bodies, a_branch_that_contradicts_the_shapes_is_an_error_when_it_is_taken)
{
	static const char *const strategies[] = { "min", "wrap", "random:3" };
	for (int k = 0; k < 12; k++) {
		net g;
		const int wrong = 1 + k % 2;
		clast_diag d = { 0 };
		contradiction(&g, k / 2 % 2, wrong);
		clast_model *m = net_end(&g);
		cr_expect_eq(run_branch(&g, m, strategies[k / 4], wrong == 2, &d), CLAST_OK, "%s", d.message);
		cr_expect_eq(run_branch(&g, m, strategies[k / 4], wrong == 1, &d), CLAST_ERROR_MODEL);
		cr_expect(strstr(d.message, "contradicts the shapes") && strstr(d.message, "broadcast"), "%s", d.message);
		cr_expect_eq(run_branch(&g, m, strategies[k / 4], wrong == 2, &d), CLAST_OK, "%s", d.message);
		clast_model_free(&m);
		net_free_inputs(&g);
	}
}

Test(bodies, branches_that_all_contradict_the_shapes_are_refused_when_the_model_is_loaded)
{
	for (int nested = 0; nested < 2; nested++) {
		net g;
		clast_diag d = { 0 };
		clast_model *m = NULL;
		clast_builder *b = contradiction(&g, nested, 3);
		cr_expect_eq(clast_builder_finish(&b, &m, &d), CLAST_ERROR_MODEL);
		cr_expect(strstr(d.message, "broadcast"), "%s", d.message);
		net_free_inputs(&g);
	}
}
