/* Layers as models, by the calls of the builder. */
#include "layer_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random_input.h"

enum { OPSET = 17 };

/* ---- Parts ---- */

static clast_status add_input(clast_builder *b, const char *name, size_t rank, const int64_t *dims, clast_diag *d)
{
	return clast_builder_input(b, name, CLAST_FLOAT32, rank, dims, NULL, d);
}

static clast_status add_image(const layer *l, clast_builder *b, const char *name, clast_diag *d)
{
	const int64_t dims[] = { l->value[KEY_N], l->value[KEY_C], l->value[KEY_H], l->value[KEY_W] };
	return add_input(b, name, 4, dims, d);
}

/* Uniform in [-1, 1] over the square root of the number of products that meet in one result. */
static clast_status add_weights(clast_builder *b, const char *name, size_t rank, const int64_t *dims, int64_t products, clast_diag *d)
{
	clast_tensor *t;
	uint64_t state = (uint64_t)name[0];
	clast_status s = clast_tensor_create(CLAST_FLOAT32, rank, dims, NULL, &t, d);
	if (s)
		return s;
	const double scale = 1 / sqrt((double)products);
	float *x = clast_tensor_data(t);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		x[i] = (float)(((double)(random_bits(&state) >> 11) * 0x1p-52 - 1) * scale);
	s = clast_builder_constant(b, name, t, d);
	clast_tensor_free(&t);
	return s;
}

static clast_status add_node(clast_builder *b, const char *op, size_t n, const char *const *inputs, size_t attribute_count,
			     const clast_attribute *attributes, clast_diag *d)
{
	const char *const output = "y";
	return clast_builder_node(b, op, "", op, n, inputs, 1, &output, attribute_count, attributes, d);
}

static clast_attribute ints(const char *name, const int64_t *values, size_t count)
{
	return (clast_attribute){ .name = name, .type = CLAST_ATTRIBUTE_INTS, .ints = values, .count = count };
}

static clast_attribute number(const char *name, int64_t value)
{
	return (clast_attribute){ .name = name, .type = CLAST_ATTRIBUTE_INT, .i = value };
}

/* ---- Windows ---- */

static const char *check_window(const layer *l)
{
	const int64_t *v = l->value, dilation = v[KEY_DILATION] ? v[KEY_DILATION] : 1, reach = dilation * (v[KEY_K] - 1) + 1;
	if (v[KEY_H] + 2 * v[KEY_PAD] < reach || v[KEY_W] + 2 * v[KEY_PAD] < reach)
		return "the kernel is larger than the padded image";
	return NULL;
}

static const char *check_conv(const layer *l)
{
	if (l->value[KEY_C] % l->value[KEY_GROUP] || l->value[KEY_M] % l->value[KEY_GROUP])
		return "group has to divide c and m";
	return check_window(l);
}

static const char *check_pool(const layer *l)
{
	if (l->value[KEY_PAD] >= l->value[KEY_K])
		return "the pad has to be smaller than the kernel";
	return check_window(l);
}

static clast_status add_window(const layer *l, clast_builder *b, const char *op, size_t n, const char *const *inputs, int64_t group,
			       clast_diag *d)
{
	const int64_t *v = l->value, dilation = v[KEY_DILATION] ? v[KEY_DILATION] : 1;
	const int64_t kernel[] = { v[KEY_K], v[KEY_K] }, stride[] = { v[KEY_STRIDE], v[KEY_STRIDE] };
	const int64_t pads[] = { v[KEY_PAD], v[KEY_PAD], v[KEY_PAD], v[KEY_PAD] }, dilations[] = { dilation, dilation };
	const clast_attribute attributes[] = { ints("kernel_shape", kernel, 2), ints("strides", stride, 2), ints("pads", pads, 4),
					       ints("dilations", dilations, 2), number("group", group) };
	return add_node(b, op, n, inputs, group ? 5 : 3, attributes, d);
}

static clast_status add_conv_of(const layer *l, int64_t out, int64_t group, clast_builder *b, clast_diag *d)
{
	static const char *const inputs[] = { "x", "w", "bias" };
	const int64_t *v = l->value, in = v[KEY_C] / group, products = in * v[KEY_K] * v[KEY_K];
	const int64_t dims[] = { out, in, v[KEY_K], v[KEY_K] };
	clast_status s = add_image(l, b, "x", d);
	if (!s)
		s = add_weights(b, "w", 4, dims, products, d);
	if (!s)
		s = add_weights(b, "bias", 1, &out, products, d);
	return s ? s : add_window(l, b, "Conv", 3, inputs, group, d);
}

static clast_status add_conv(const layer *l, clast_builder *b, clast_diag *d)
{
	return add_conv_of(l, l->value[KEY_M], l->value[KEY_GROUP], b, d);
}

static clast_status add_depthwise(const layer *l, clast_builder *b, clast_diag *d)
{
	return add_conv_of(l, l->value[KEY_C], l->value[KEY_C], b, d);
}

static clast_status add_pool_of(const layer *l, const char *op, clast_builder *b, clast_diag *d)
{
	static const char *const input = "x";
	const clast_status s = add_image(l, b, input, d);
	return s ? s : add_window(l, b, op, 1, &input, 0, d);
}

static clast_status add_pool(const layer *l, clast_builder *b, clast_diag *d)
{
	return add_pool_of(l, "MaxPool", b, d);
}

static clast_status add_average(const layer *l, clast_builder *b, clast_diag *d)
{
	return add_pool_of(l, "AveragePool", b, d);
}

/* ---- Products ---- */

static clast_status add_dense(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const inputs[] = { "x", "w", "bias" };
	const int64_t *v = l->value, x[] = { v[KEY_N], v[KEY_C] }, w[] = { v[KEY_M], v[KEY_C] };
	const clast_attribute turned = number("transB", 1);
	clast_status s = add_input(b, "x", 2, x, d);
	if (!s)
		s = add_weights(b, "w", 2, w, v[KEY_C], d);
	if (!s)
		s = add_weights(b, "bias", 1, &v[KEY_M], v[KEY_C], d);
	return s ? s : add_node(b, "Gemm", 3, inputs, 1, &turned, d);
}

static clast_status add_matmul(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const inputs[] = { "a", "b" };
	const int64_t *v = l->value, left[] = { v[KEY_N], v[KEY_H], v[KEY_K] }, right[] = { v[KEY_N], v[KEY_K], v[KEY_M] };
	clast_status s = add_input(b, "a", 3, left, d);
	if (!s)
		s = add_input(b, "b", 3, right, d);
	return s ? s : add_node(b, "MatMul", 2, inputs, 0, NULL, d);
}

/* ---- The others ---- */

static const char *check_concat(const layer *l)
{
	return l->value[KEY_PARTS] > 16 ? "at most 16 parts" : NULL;
}

static clast_status add_concat(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const names[] = { "x0", "x1", "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
					     "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15" };
	const size_t parts = (size_t)l->value[KEY_PARTS];
	const clast_attribute axis = number("axis", 1);
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < parts; i++)
		s = add_image(l, b, names[i], d);
	return s ? s : add_node(b, "Concat", parts, names, 1, &axis, d);
}

static clast_status add_upsample(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const inputs[] = { "x", "", "scales" };
	const int64_t four = 4;
	float scales[] = { 1, 1, (float)l->value[KEY_SCALE], (float)l->value[KEY_SCALE] };
	const clast_attribute mode = { .name = "mode", .type = CLAST_ATTRIBUTE_STRING, .s = l->value[KEY_LINEAR] ? "linear" : "nearest" };
	clast_tensor *t;
	clast_status s = add_image(l, b, "x", d);
	if (!s)
		s = clast_tensor_wrap(CLAST_FLOAT32, 1, &four, NULL, scales, &t, d);
	if (s)
		return s;
	s = clast_builder_constant(b, "scales", t, d);
	clast_tensor_free(&t);
	return s ? s : add_node(b, "Resize", 3, inputs, 1, &mode, d);
}

static clast_status add_softmax(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const input = "x";
	const int64_t dims[] = { l->value[KEY_N], l->value[KEY_M], l->value[KEY_C] };
	const clast_attribute axis = number("axis", -1);
	const clast_status s = add_input(b, input, 3, dims, d);
	return s ? s : add_node(b, "Softmax", 1, &input, 1, &axis, d);
}

static clast_status add_layer_norm(const layer *l, clast_builder *b, clast_diag *d)
{
	static const char *const inputs[] = { "x", "scale", "bias" };
	const int64_t dims[] = { l->value[KEY_N], l->value[KEY_M], l->value[KEY_C] };
	clast_status s = add_input(b, "x", 3, dims, d);
	for (int i = 1; !s && i < 3; i++)
		s = add_weights(b, inputs[i], 1, &dims[2], 1, d);
	return s ? s : add_node(b, "LayerNormalization", 3, inputs, 0, NULL, d);
}

#define IMAGE { KEY_N, "1" }, { KEY_C, "64" }, { KEY_H, "56" }, { KEY_W, "h" }

const layer_kind layer_kinds[] = {
	{ "conv", "Convolution of n images of c channels, h by w, with m output channels and a k by k kernel.",
	  { IMAGE, { KEY_K, "3" }, { KEY_M, "c" }, { KEY_STRIDE, "1" }, { KEY_GROUP, "1" }, { KEY_DILATION, "1" }, { KEY_PAD, "same" } },
	  check_conv, add_conv },
	{ "depthwise", "Convolution of every channel by itself.",
	  { IMAGE, { KEY_K, "3" }, { KEY_STRIDE, "1" }, { KEY_DILATION, "1" }, { KEY_PAD, "same" } }, check_window, add_depthwise },
	{ "pool", "Largest of k by k elements.", { IMAGE, { KEY_K, "2" }, { KEY_STRIDE, "k" }, { KEY_PAD, "0" } }, check_pool, add_pool },
	{ "average", "Mean of k by k elements.", { IMAGE, { KEY_K, "2" }, { KEY_STRIDE, "k" }, { KEY_PAD, "0" } }, check_pool,
	  add_average },
	{ "dense", "Product of n rows of c inputs with constant weights for m outputs.",
	  { { KEY_N, "1" }, { KEY_C, "1024" }, { KEY_M, "1000" } }, NULL, add_dense },
	{ "matmul", "n products of two runtime matrices, h by k and k by m.",
	  { { KEY_N, "1" }, { KEY_H, "256" }, { KEY_K, "h" }, { KEY_M, "h" } }, NULL, add_matmul },
	{ "concat", "Concatenation of `parts` images along their channels.", { IMAGE, { KEY_PARTS, "2" } }, check_concat, add_concat },
	{ "upsample", "Resize by the factor `scale`, nearest or linear=1.", { IMAGE, { KEY_SCALE, "2" }, { KEY_LINEAR, "0" } }, NULL,
	  add_upsample },
	{ "softmax", "Softmax over the last axis of [n, m, c].", { { KEY_N, "12" }, { KEY_M, "197" }, { KEY_C, "m" } }, NULL,
	  add_softmax },
	{ "layernorm", "Layer normalisation over the last axis of [n, m, c].",
	  { { KEY_N, "1" }, { KEY_M, "197" }, { KEY_C, "768" } }, NULL, add_layer_norm },
	{ 0 }
};

clast_status layer_build(const layer *l, clast_model **model, problem *p)
{
	clast_builder *b;
	*model = NULL;
	clast_status s = clast_builder_create(OPSET, NULL, &b, &p->diag);
	if (s)
		return s;
	s = l->kind->add(l, b, &p->diag);
	if (!s)
		s = clast_builder_output(b, "y", &p->diag);
	if (!s)
		s = clast_builder_finish(&b, model, &p->diag);
	clast_builder_free(&b);
	return s;
}
