/* Networks built twice: as PyTorch exports them, and as exporters of channels-last frameworks do, with Transposes around every convolution,
 * pool and normalisation, weights as H W I O that nodes transpose, other axes in Concat, Pad, Softmax and reductions, and matrices
 * after Flatten whose rows lie in H W C order. Both have to give the same plan and the same bits. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failing.h"

typedef struct twin {
	bool last;
	clast_builder *b;
	int names;
	uint32_t seed;
	char name[400][8];
	int64_t n;
} twin;

/* A picture between layers; axes are those of N C H W. */
typedef struct image {
	const char *name;
	int64_t c, h, w;
} image;

static const char *new_name(twin *t)
{
	cr_assert_lt(t->names, 400);
	snprintf(t->name[t->names], sizeof t->name[0], "v%d", t->names);
	return t->name[t->names++];
}

static const char *node(twin *t, const char *op, size_t n, const char *const *inputs, size_t attrs, const clast_attribute *a)
{
	clast_diag d = { 0 };
	const char *out = new_name(t);
	cr_assert_eq(clast_builder_node(t->b, op, "", NULL, n, inputs, 1, &out, attrs, a, &d), CLAST_OK, "%s: %s", op, d.message);
	return out;
}

#define LIST(NAME, ...)                                                                                                         \
	{                                                                                                                       \
		.name = NAME, .type = CLAST_ATTRIBUTE_INTS, .ints = (const int64_t[]){ __VA_ARGS__ },                           \
		.count = sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)                                             \
	}
#define ONE(NAME, I) { .name = NAME, .type = CLAST_ATTRIBUTE_INT, .i = (I) }
#define WITH(...) sizeof((const clast_attribute[]){ __VA_ARGS__ }) / sizeof(clast_attribute), (const clast_attribute[]){ __VA_ARGS__ }
#define FROM(...) sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), (const char *const[]){ __VA_ARGS__ }

/* Element k of a constant, whichever way it is written down. */
static float element(uint32_t seed, int64_t k)
{
	return (float)(int32_t)(((uint32_t)(k + 1) * 2654435769u + seed * 40503u * 65537u) & ~0xffu) / 2147483648.0f;
}

/* A constant of up to four axes, given as the channels-first twin has it; written with axis i being axis order[i] of that. */
static const char *constant(twin *t, int rank, const int64_t *dims, const int *order)
{
	clast_diag d = { 0 };
	clast_tensor *x;
	const char *name = new_name(t);
	int64_t stride[4] = { 0 }, written[4], at[4] = { 0 }, total = 1;
	const uint32_t seed = t->seed++;
	for (int i = rank - 1; i >= 0; i--) {
		stride[i] = total;
		total *= dims[i];
	}
	for (int i = 0; i < rank; i++)
		written[i] = dims[order[i]];
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, (size_t)rank, written, NULL, &x, &d), CLAST_OK);
	for (int64_t k = 0; k < total; k++) {
		int64_t from = 0;
		for (int i = 0; i < rank; i++)
			from += at[i] * stride[order[i]];
		((float *)clast_tensor_data(x))[k] = element(seed, from);
		for (int i = rank - 1; i >= 0 && ++at[i] == written[i]; i--)
			at[i] = 0;
	}
	cr_assert_eq(clast_builder_constant(t->b, name, x, &d), CLAST_OK, "%s", d.message);
	clast_tensor_free(&x);
	return name;
}

static const int same[] = { 0, 1, 2, 3 };

static const char *vector(twin *t, int64_t n, bool positive)
{
	clast_diag d = { 0 };
	clast_tensor *x;
	const char *name = new_name(t);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 1, &n, NULL, &x, &d), CLAST_OK);
	for (int64_t k = 0; k < n; k++)
		((float *)clast_tensor_data(x))[k] = positive ? 1.5f + element(t->seed, k) : element(t->seed, k);
	t->seed++;
	cr_assert_eq(clast_builder_constant(t->b, name, x, &d), CLAST_OK);
	clast_tensor_free(&x);
	return name;
}

static const char *integers(twin *t, size_t n, const int64_t *values)
{
	clast_diag d = { 0 };
	clast_tensor *x;
	const char *name = new_name(t);
	cr_assert_eq(clast_tensor_create(CLAST_INT64, 1, &(int64_t){ (int64_t)n }, NULL, &x, &d), CLAST_OK);
	memcpy(clast_tensor_data(x), values, n * sizeof *values);
	cr_assert_eq(clast_builder_constant(t->b, name, x, &d), CLAST_OK);
	clast_tensor_free(&x);
	return name;
}

/* ---- Layers ---- */

static const char *to_first(twin *t, const char *x)
{
	return t->last ? node(t, "Transpose", FROM(x), WITH(LIST("perm", 0, 3, 1, 2))) : x;
}

static const char *to_last(twin *t, const char *x)
{
	return t->last ? node(t, "Transpose", FROM(x), WITH(LIST("perm", 0, 2, 3, 1))) : x;
}

/* Channels-first, as ONNX has it. */
static const char *conv_first(twin *t, const char *x, int64_t from, int64_t to, int64_t k, int64_t stride, bool depthwise)
{
	static const int hwio[] = { 2, 3, 1, 0 }, hwoi[] = { 2, 3, 0, 1 };
	const int64_t dims[] = { to, depthwise ? 1 : from, k, k };
	const char *w = constant(t, 4, dims, !t->last ? same : depthwise ? hwoi : hwio);
	if (t->last && depthwise)
		w = node(t, "Transpose", FROM(w), WITH(LIST("perm", 2, 3, 0, 1)));
	else if (t->last)
		w = node(t, "Transpose", FROM(w), WITH(LIST("perm", 3, 2, 0, 1)));
	const clast_attribute same_upper = { .name = "auto_pad", .type = CLAST_ATTRIBUTE_STRING, .s = "SAME_UPPER" };
	return node(t, "Conv", FROM(x, w, vector(t, to, false)),
	            WITH(LIST("strides", stride, stride), ONE("group", depthwise ? from : 1), same_upper));
}

static const char *batch_norm_first(twin *t, const char *x, int64_t c)
{
	const char *scale = vector(t, c, true), *shift = vector(t, c, false), *mean = vector(t, c, false), *variance = vector(t, c, true);
	return node(t, "BatchNormalization", FROM(x, scale, shift, mean, variance), 0, NULL);
}

static image conv(twin *t, image x, int64_t to, int64_t k, int64_t stride, bool depthwise)
{
	const char *y = conv_first(t, to_first(t, x.name), x.c, to, k, stride, depthwise);
	return (image){ to_last(t, y), to, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride };
}

static image batch_norm(twin *t, image x)
{
	x.name = to_last(t, batch_norm_first(t, to_first(t, x.name), x.c));
	return x;
}

/* Several operators between two Transposes. */
static image layer(twin *t, image x, int64_t to, int64_t stride)
{
	const char *y = batch_norm_first(t, conv_first(t, to_first(t, x.name), x.c, to, 3, stride, false), to);
	return (image){ to_last(t, node(t, "Relu", FROM(y), 0, NULL)), to, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride };
}

static image unary(twin *t, const char *op, image x)
{
	x.name = node(t, op, FROM(x.name), 0, NULL);
	return x;
}

static image binary(twin *t, const char *op, image x, image y)
{
	x.name = node(t, op, FROM(x.name, y.name), 0, NULL);
	return x;
}

/* A constant for each channel. */
static image scale(twin *t, image x)
{
	const int64_t dims[] = { x.c, 1, 1 };
	static const int behind[] = { 1, 2, 0 };
	x.name = node(t, "Mul", FROM(x.name, constant(t, 3, dims, t->last ? behind : same)), 0, NULL);
	return x;
}

static image pool(twin *t, const char *op, image x, int64_t k)
{
	const char *y = node(t, op, FROM(to_first(t, x.name)), WITH(LIST("kernel_shape", k, k), LIST("strides", k, k)));
	return (image){ to_last(t, y), x.c, x.h / k, x.w / k };
}

static image concat(twin *t, image x, image y)
{
	x.name = node(t, "Concat", FROM(x.name, y.name), WITH(ONE("axis", t->last ? -1 : 1)));
	x.c += y.c;
	return x;
}

static image pad(twin *t, image x)
{
	const char *pads = t->last ? integers(t, 8, (int64_t[]){ 0, 1, 2, 0, 0, 1, 0, 0 })
				   : integers(t, 8, (int64_t[]){ 0, 0, 1, 2, 0, 0, 1, 0 });
	return (image){ node(t, "Pad", FROM(x.name, pads), 0, NULL), x.c, x.h + 2, x.w + 2 };
}

static image upsample(twin *t, image x)
{
	clast_diag d = { 0 };
	clast_tensor *s;
	const char *scales = new_name(t);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 1, (int64_t[]){ 4 }, NULL, &s, &d), CLAST_OK);
	memcpy(clast_tensor_data(s), (float[]){ 1, 1, 2, 2 }, 4 * sizeof(float));
	cr_assert_eq(clast_builder_constant(t->b, scales, s, &d), CLAST_OK);
	clast_tensor_free(&s);
	return (image){ to_last(t, node(t, "Resize", FROM(to_first(t, x.name), "", scales), 0, NULL)), x.c, 2 * x.h, 2 * x.w };
}

static image mean(twin *t, image x)
{
	const clast_attribute axes = t->last ? (clast_attribute)LIST("axes", 1, 2) : (clast_attribute)LIST("axes", 2, 3);
	return (image){ node(t, "ReduceMean", FROM(x.name), WITH(axes)), x.c, 1, 1 };
}

/* Flatten and a dense layer. */
static const char *classifier(twin *t, image x, int64_t to)
{
	const int64_t k = x.c * x.h * x.w, dims[] = { x.c, x.h, x.w, to };
	static const int rows_last[] = { 1, 2, 0, 3 };
	const char *flat = node(t, "Reshape", FROM(x.name, integers(t, 2, (int64_t[]){ t->n, k })), 0, NULL);
	const char *four = constant(t, 4, dims, t->last ? rows_last : same);
	const char *w = node(t, "Reshape", FROM(four, integers(t, 2, (int64_t[]){ k, to })), 0, NULL);
	const char *y = node(t, "MatMul", FROM(flat, w), 0, NULL);
	return node(t, "Add", FROM(y, vector(t, to, false)), 0, NULL);
}

static image stem(twin *t, int64_t h, int64_t w)
{
	clast_diag d = { 0 };
	const int64_t first[] = { t->n, 3, h, w }, last[] = { t->n, h, w, 3 };
	cr_assert_eq(clast_builder_input(t->b, "x", CLAST_FLOAT32, 4, t->last ? last : first, NULL, &d), CLAST_OK);
	return (image){ "x", 3, h, w };
}

/* ---- Networks ---- */

static const char *residual(twin *t)
{
	image x = unary(t, "Relu", batch_norm(t, conv(t, stem(t, 32, 40), 16, 3, 2, false)));
	for (int i = 0; i < 3; i++) {
		image y = unary(t, "Relu", batch_norm(t, conv(t, x, 16, 3, 1, false)));
		x = unary(t, "Relu", binary(t, "Add", batch_norm(t, conv(t, y, 16, 3, 1, false)), x));
	}
	return classifier(t, mean(t, x), 10);
}

static const char *layers(twin *t)
{
	image x = layer(t, stem(t, 32, 40), 16, 2);
	for (int i = 0; i < 3; i++)
		x = binary(t, "Add", layer(t, x, 16, 1), x);
	return classifier(t, mean(t, x), 10);
}

static const char *before_convolutions(twin *t)
{
	image x = pool(t, "MaxPool", conv(t, stem(t, 48, 48), 32, 5, 2, false), 2);
	for (int i = 0; i < 2; i++) {
		image y = conv(t, unary(t, "Relu", batch_norm(t, x)), 32, 3, 2, false);
		y = conv(t, unary(t, "Relu", batch_norm(t, y)), 32, 3, 1, false);
		x = binary(t, "Add", conv(t, x, 32, 1, 2, false), y);
	}
	return classifier(t, unary(t, "Relu", x), 7);
}

static const char *inverted(twin *t)
{
	image x = unary(t, "HardSigmoid", batch_norm(t, conv(t, stem(t, 32, 24), 8, 3, 2, false)));
	for (int i = 0; i < 2; i++) {
		image y = unary(t, "HardSigmoid", batch_norm(t, conv(t, x, 24, 1, 1, false)));
		y = unary(t, "Relu", batch_norm(t, conv(t, y, 24, 3, 1, true)));
		image gate = unary(t, "Sigmoid", conv(t, unary(t, "Relu", conv(t, mean(t, y), 8, 1, 1, false)), 24, 1, 1, false));
		y = batch_norm(t, conv(t, binary(t, "Mul", y, gate), 8, 1, 1, false));
		x = binary(t, "Add", x, y);
	}
	return classifier(t, x, 5);
}

static const char *dense(twin *t)
{
	image x = conv(t, pad(t, stem(t, 22, 22)), 16, 3, 1, false);
	for (int i = 0; i < 3; i++)
		x = concat(t, x, conv(t, unary(t, "Relu", batch_norm(t, x)), 8, 3, 1, false));
	return classifier(t, pool(t, "AveragePool", scale(t, x), 4), 6);
}

static const char *branches(twin *t)
{
	image x = unary(t, "Relu", conv(t, stem(t, 32, 32), 16, 3, 2, false));
	image down = pool(t, "MaxPool", x, 2);
	image up = upsample(t, unary(t, "Relu", conv(t, down, 16, 3, 1, false)));
	image y = concat(t, x, up);
	y = scale(t, unary(t, "LeakyRelu", conv(t, y, 12, 3, 1, false)));
	y.name = node(t, "Softmax", FROM(y.name), WITH(ONE("axis", t->last ? 3 : 1)));
	return classifier(t, pool(t, "MaxPool", y, 2), 4);
}

static const struct {
	const char *name;
	const char *(*build)(twin *t);
	int64_t h, w; /* of the picture */
} networks[] = { { "residual", residual, 32, 40 },
	         { "several operators between Transposes", layers, 32, 40 },
	         { "normalised before convolutions", before_convolutions, 48, 48 },
	         { "inverted bottlenecks", inverted, 32, 24 },
	         { "dense blocks", dense, 22, 22 },
	         { "branches", branches, 32, 32 } };
enum { NETWORKS = sizeof networks / sizeof *networks, MOST_STEPS = 128 };

/* ---- Comparing ---- */

typedef struct result {
	clast_plan_report report;
	char step[MOST_STEPS][400]; /* but for views */
	size_t steps, count;
	float y[64];
} result;

/* What a step does: kernel, what runs with it, the order of its result and its extents in memory. */
static void note_steps(const clast_plan *p, result *r)
{
	for (size_t i = 0; i < clast_plan_step_count(p); i++) {
		clast_step_info s = { .struct_size = sizeof s };
		cr_assert_eq(clast_plan_step(p, i, &s), CLAST_OK);
		if (!strcmp(s.kernel, "view"))
			continue;
		cr_assert_lt(r->steps, MOST_STEPS);
		snprintf(r->step[r->steps++], sizeof r->step[0], "%s, %s +%s: %lldx%lldx%lldx%lld as %s", s.kernel, s.op, s.fused,
		         (long long)s.shape.dims[0], (long long)s.shape.dims[1], (long long)s.shape.dims[2],
		         (long long)s.shape.dims[3], s.order);
	}
}

/* Both get the same picture from channels-last memory. */
static void run(twin *t, clast_model *m, const char *objective, int64_t h, int64_t w, result *r)
{
	const clast_plan_options o = { .struct_size = sizeof o, .objective = objective,
		                       .input_layout = t->last ? "first" : "last" };
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *x, *y = NULL;
	const int64_t first[] = { t->n, 3, h, w }, last[] = { t->n, h, w, 3 }, strides[] = { h * w * 3, 1, w * 3, 3 };
	float *data = malloc((size_t)(t->n * h * w * 3) * sizeof *data);
	for (int64_t k = 0; k < t->n * h * w * 3; k++)
		data[k] = element(999, k);
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 4, t->last ? last : first, t->last ? NULL : strides, data, &x, &d), CLAST_OK);
	cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const[]){ x }, 1, &y, &d), CLAST_OK, "%s", d.message);
	r->count = clast_tensor_count(y);
	cr_assert_leq(r->count, 64);
	cr_assert_eq(clast_tensor_read(y, r->y, r->count * sizeof(float)), CLAST_OK);
	r->report.struct_size = sizeof r->report;
	cr_assert_eq(clast_plan_get_report(p, &r->report), CLAST_OK);
	note_steps(p, r);
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_tensor_free(&x);
	free(data);
}

static void build_and_run(size_t which, bool last, int64_t batch, const char *objective, result *r)
{
	twin t = { .last = last, .seed = 1, .n = batch };
	clast_diag d = { 0 };
	clast_model *m;
	cr_assert_eq(clast_builder_create(13, NULL, &t.b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_output(t.b, networks[which].build(&t), &d), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&t.b, &m, &d), CLAST_OK, "%s: %s", networks[which].name, d.message);
	run(&t, m, objective, networks[which].h, networks[which].w, r);
	clast_model_free(&m);
}

static void compare(size_t which, int64_t batch, const char *objective)
{
	result *a = calloc(2, sizeof *a), *b = a + 1;
	const char *name = networks[which].name;
	build_and_run(which, false, batch, objective, a);
	build_and_run(which, true, batch, objective, b);
	cr_expect_eq(b->report.transposes, a->report.transposes, "%s: %zu transposes, not %zu", name, b->report.transposes,
	             a->report.transposes);
	cr_expect_eq(b->report.io_transposes, a->report.io_transposes, "%s", name);
	cr_expect_eq(b->report.copy_bytes, a->report.copy_bytes, "%s", name);
	cr_expect_eq(b->report.weights_bytes, a->report.weights_bytes, "%s: %zu bytes of weights, not %zu", name,
	             b->report.weights_bytes, a->report.weights_bytes);
	cr_expect_eq(b->report.packings, a->report.packings, "%s", name);
	cr_expect_eq(b->report.arena_bytes, a->report.arena_bytes, "%s", name);
	cr_expect_eq(b->steps, a->steps, "%s: %zu steps, not %zu", name, b->steps, a->steps);
	for (size_t i = 0; i < a->steps && i < b->steps; i++)
		cr_expect_str_eq(b->step[i], a->step[i], "%s, step %zu: %s, not %s", name, i, b->step[i], a->step[i]);
	cr_assert_eq(b->count, a->count);
	for (size_t i = 0; i < a->count; i++)
		cr_expect_eq(b->y[i], a->y[i], "%s: output %zu is %g, not %g", name, i, b->y[i], a->y[i]);
	free(a);
}

ParameterizedTestParameters(twins, a_channels_last_export_gives_the_plan_of_its_twin)
{
	static size_t index[NETWORKS];
	for (size_t i = 0; i < NETWORKS; i++)
		index[i] = i;
	return cr_make_param_array(size_t, index, NETWORKS);
}

ParameterizedTest(size_t *index, twins, a_channels_last_export_gives_the_plan_of_its_twin)
{
	compare(*index, 1, "time");
	compare(*index, 2, "time");
	compare(*index, 2, "bytes");
}

/* ---- Memory ---- */

/* Calls of the allocator before the last step, which straightens. */
static size_t finish_with(failing *f, clast_status *s)
{
	const clast_allocator allocator = failing_allocator(f);
	const clast_model_options o = { .struct_size = sizeof o, .allocator = &allocator };
	twin t = { .last = true, .seed = 1, .n = 1 };
	clast_diag d = { 0 };
	clast_model *m;
	cr_assert_eq(clast_builder_create(13, &o, &t.b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_output(t.b, inverted(&t), &d), CLAST_OK);
	const size_t before = f->calls;
	*s = clast_builder_finish(&t.b, &m, &d);
	clast_model_free(&m);
	return before;
}

Test(twins, a_failed_allocation_while_straightening_is_said)
{
	failing f = { 0 };
	clast_status s;
	const size_t before = finish_with(&f, &s), calls = f.calls, step = (calls - before) / 200 + 1;
	cr_assert_eq(s, CLAST_OK);
	cr_assert_gt(calls, before);
	for (size_t n = before; n < calls; n += step) {
		f = (failing){ .fail_at = n + 1, .for_ever = true };
		finish_with(&f, &s);
		cr_assert_eq(s, CLAST_ERROR_MEMORY, "allocation %zu of %zu", n, calls);
		cr_assert_eq(f.live, 0, "allocation %zu of %zu: %lld blocks are left", n, calls, (long long)f.live);
	}
}
