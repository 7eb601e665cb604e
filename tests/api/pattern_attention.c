/* Sequences, normalisation, attention. */
#include "pattern.h"

/* Tokens mixed along the sequence, as MLP-Mixer does: the Transpose is there for the product's sake. */
void pattern_token_mixing(net *g)
{
	const extents *e = g->e;
	const int64_t t = e->h * e->w;
	val x = net_input(g, DIMS(e->n, t, e->c));
	x = linear(g, x, e->c, e->c);
	const val y = transpose(g, linear(g, transpose(g, x, 0, 2, 1), t, t), 0, 2, 1);
	net_output(g, linear(g, binary(g, "Add", x, unary(g, "Relu", y)), e->c, e->d));
}

/* Between convolutions over a sequence the Transpose makes of channels positions and of positions channels. */
void pattern_transpose_between_conv1d(net *g)
{
	const extents *e = g->e;
	val x = net_input(g, DIMS(e->n, e->c, e->w));
	x = net_node(g, "Conv", IN(x, weight(g, e->c, e->c, 3)), WITH(INTS("pads", 1, 1)));
	x = transpose(g, unary(g, "Relu", x), 0, 2, 1);
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->d, e->w, 1)), NULL));
}

void pattern_softmax_on_channels(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Softmax", IN(stem(g)), WITH(INT("axis", 1)));
	net_output(g, conv(g, x, e->c, e->d, 3));
}

void pattern_log_softmax_on_rows(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "LogSoftmax", IN(stem(g)), WITH(INT("axis", 2)));
	net_output(g, conv(g, x, e->c, e->d, 1));
}

/* Until opset 12 all axes from `axis` on were one. */
void pattern_softmax_flattening(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Softmax", IN(stem(g)), WITH(INT("axis", 1)));
	net_output(g, conv(g, x, e->c, e->d, 1));
}

static val scaled(net *g, val x, int64_t features)
{
	return binary(g, "Add", binary(g, "Mul", x, weight(g, features)), weight(g, features));
}

void pattern_layer_norm_on_channels(net *g)
{
	const extents *e = g->e;
	const val skip = stem(g), x = transpose(g, skip, 0, 2, 3, 1);
	val y = net_node(g, "LayerNormalization", IN(x, weight(g, e->c), weight(g, e->c)), WITH(INT("axis", -1)));
	y = linear(g, unary(g, "Relu", linear(g, y, e->c, e->d)), e->d, e->c);
	y = binary(g, "Mul", transpose(g, y, 0, 3, 1, 2), weight(g, e->c, 1, 1));
	net_output(g, conv(g, binary(g, "Add", skip, y), e->c, e->d, 3));
}

static val decomposed_norm(net *g, val x, int64_t axis)
{
	const val mean = net_node(g, "ReduceMean", IN(x), WITH(INTS("axes", axis)));
	const val centred = binary(g, "Sub", x, mean);
	const val variance = net_node(g, "ReduceMean", IN(binary(g, "Pow", centred, net_scalar(g, CLAST_FLOAT32, 2))),
	                              WITH(INTS("axes", axis)));
	const val deviation = unary(g, "Sqrt", binary(g, "Add", variance, net_scalar(g, CLAST_FLOAT32, 1e-5)));
	return binary(g, "Div", centred, deviation);
}

void pattern_layer_norm_decomposed(net *g)
{
	const extents *e = g->e;
	const val x = transpose(g, stem(g), 0, 2, 3, 1);
	const val y = transpose(g, scaled(g, decomposed_norm(g, x, -1), e->c), 0, 3, 1, 2);
	net_output(g, conv(g, y, e->c, e->d, 1));
}

void pattern_layer_norm_decomposed_in_place(net *g)
{
	const extents *e = g->e;
	const val y = decomposed_norm(g, stem(g), 1);
	net_output(g, conv(g, binary(g, "Mul", y, weight(g, e->c, 1, 1)), e->c, e->d, 1));
}

static val group_affine(net *g, val x)
{
	return binary(g, "Add", binary(g, "Mul", x, weight(g, g->e->c, 1, 1)), weight(g, g->e->c, 1, 1));
}

static void group_norm_by_instances(net *g, int64_t groups)
{
	const extents *e = g->e;
	const val image = stem(g), x = reshape(g, image, 0, groups, -1);
	const val y = net_node(g, "InstanceNormalization", IN(x, weight(g, groups), weight(g, groups)), NULL);
	const val z = group_affine(g, binary(g, "Reshape", y, unary(g, "Shape", image)));
	net_output(g, conv(g, unary(g, "Relu", z), e->c, e->d, 3));
}

void pattern_group_norm_by_instances(net *g)
{
	group_norm_by_instances(g, g->e->g);
}

void pattern_group_norm_of_one_group(net *g)
{
	group_norm_by_instances(g, 1);
}

void pattern_group_norm(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	const val y = net_node(g, "GroupNormalization", IN(x, weight(g, e->c), weight(g, e->c)), WITH(INT("num_groups", e->g)));
	net_output(g, conv(g, unary(g, "Relu", y), e->c, e->d, 3));
}

/* n x h x w x c to windows of rows, one window after another. */
static val windows(net *g, val x)
{
	const extents *e = g->e;
	x = reshape(g, x, e->n, e->h / e->wh, e->wh, e->w / e->ww, e->ww, e->c);
	return reshape(g, transpose(g, x, 0, 1, 3, 2, 4, 5), -1, e->wh * e->ww, e->c);
}

static val from_windows(net *g, val x)
{
	const extents *e = g->e;
	x = reshape(g, x, e->n, e->h / e->wh, e->w / e->ww, e->wh, e->ww, e->c);
	return reshape(g, transpose(g, x, 0, 1, 3, 2, 4, 5), e->n, e->h, e->w, e->c);
}

void pattern_window_linear(net *g)
{
	const extents *e = g->e;
	const val x = transpose(g, stem(g), 0, 2, 3, 1);
	const val y = from_windows(g, linear(g, windows(g, x), e->c, e->c));
	net_output(g, conv(g, transpose(g, binary(g, "Add", x, y), 0, 3, 1, 2), e->c, e->d, 3));
}

/* Scaled dot product attention of rows x t x c in e->g heads; qkv by one product, as exporters write it. */
static val attention(net *g, val x, int64_t t, int64_t c)
{
	const int64_t heads = g->e->g, size = c / heads;
	const val qkv = transpose(g, reshape(g, linear(g, x, c, 3 * c), -1, t, 3, heads, size), 2, 0, 3, 1, 4);
	val part[3];
	for (int i = 0; i < 3; i++)
		part[i] = net_node(g, "Gather", IN(qkv, net_scalar(g, CLAST_INT64, i)), WITH(INT("axis", 0)));
	const val q = binary(g, "Mul", part[0], net_scalar(g, CLAST_FLOAT32, 0.25));
	const val scores = binary(g, "MatMul", q, transpose(g, part[1], 0, 1, 3, 2));
	const val mixed = binary(g, "MatMul", net_node(g, "Softmax", IN(scores), WITH(INT("axis", -1))), part[2]);
	return linear(g, reshape(g, transpose(g, mixed, 0, 2, 1, 3), -1, t, c), c, c);
}

void pattern_window_attention(net *g)
{
	const extents *e = g->e;
	const val x = transpose(g, stem(g), 0, 2, 3, 1);
	val y = net_node(g, "LayerNormalization", IN(x, weight(g, e->c), weight(g, e->c)), NULL);
	y = binary(g, "Add", x, from_windows(g, attention(g, windows(g, y), e->wh * e->ww, e->c)));
	net_output(g, linear(g, y, e->c, e->d));
}

/* The same on an image rolled by half a window. */
void pattern_shifted_window_attention(net *g)
{
	const extents *e = g->e;
	const val x = transpose(g, stem(g), 0, 2, 3, 1);
	val y = net_node(g, "LayerNormalization", IN(x, weight(g, e->c), weight(g, e->c)), NULL);
	for (int axis = 1; axis <= 2; axis++) {
		const val top = net_node(g, "Slice", IN(y, integers(g, 1), integers(g, 1000), integers(g, axis)), NULL);
		const val end = net_node(g, "Slice", IN(y, integers(g, 0), integers(g, 1), integers(g, axis)), NULL);
		y = net_node(g, "Concat", IN(top, end), WITH(INT("axis", axis)));
	}
	y = from_windows(g, attention(g, windows(g, y), e->wh * e->ww, e->c));
	net_output(g, linear(g, binary(g, "Add", x, y), e->c, e->d));
}

/* Each position of an image attends to all others, between convolutions. */
void pattern_spatial_attention(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	val part[3];
	for (int i = 0; i < 3; i++)
		part[i] = reshape(g, conv(g, x, e->c, e->c, 1), 0, e->c, -1);
	const val scores = binary(g, "MatMul", transpose(g, part[0], 0, 2, 1), part[1]);
	const val weights = net_node(g, "Softmax", IN(scores), WITH(INT("axis", -1)));
	const val mixed = binary(g, "MatMul", part[2], transpose(g, weights, 0, 2, 1));
	const val y = reshape_like(g, mixed, x, OF(0), OF(1), OF(2), OF(3));
	net_output(g, conv(g, binary(g, "Add", x, y), e->c, e->d, 3));
}

/* x divided by its norm along the last axis, as exporters write it. */
static val normalised(net *g, val x, int64_t rows, int64_t columns)
{
	const val norm = net_node(g, "ReduceL2", IN(x), WITH(INTS("axes", -1)));
	const val bounded = net_node(g, "Max", IN(norm, net_scalar(g, CLAST_FLOAT32, 1e-6)), NULL);
	return binary(g, "Div", x, net_node(g, "Expand", IN(bounded, integers(g, g->e->n, rows, columns)), NULL));
}

/* Each channel attends to all others: the product's rows are channels, and what reads it wants those innermost. */
void pattern_channel_attention(net *g)
{
	const extents *e = g->e;
	const int64_t t = e->h * e->w;
	const val x = stem(g);
	val part[3];
	for (int i = 0; i < 3; i++)
		part[i] = reshape(g, conv(g, x, e->c, e->c, 1), e->n, e->c, t);
	const val scores = binary(g, "MatMul", normalised(g, part[0], e->c, t), transpose(g, normalised(g, part[1], e->c, t), 0, 2, 1));
	const val weights = net_node(g, "Softmax", IN(scores), WITH(INT("axis", -1)));
	const val y = reshape_like(g, binary(g, "MatMul", weights, part[2]), x, OF(0), OF(1), OF(2), OF(3));
	net_output(g, conv(g, binary(g, "Add", x, y), e->c, e->d, 3));
}

/* Patches to tokens, a class token in front, attention, the class token out. */
static void vision_transformer(net *g, int64_t t)
{
	const extents *e = g->e;
	const val image = net_input(g, DIMS(e->n, 3, e->h * 2, e->w * 2));
	val x = net_node(g, "Conv", IN(image, weight(g, e->c, 3, 2, 2), weight(g, e->c)), WITH(INTS("strides", 2, 2)));
	x = transpose(g, reshape(g, x, e->n, e->c, e->h * e->w), 0, 2, 1);
	const val token = net_node(g, "Expand", IN(weight(g, 1, 1, e->c), integers(g, e->n, 1, e->c)), NULL);
	x = binary(g, "Add", net_node(g, "Concat", IN(token, x), WITH(INT("axis", 1))), weight(g, 1, t, e->c));
	const val y = net_node(g, "LayerNormalization", IN(x, weight(g, e->c), weight(g, e->c)), NULL);
	x = binary(g, "Add", x, attention(g, y, t, e->c));
	x = net_node(g, "Gather", IN(x, net_scalar(g, CLAST_INT64, 0)), WITH(INT("axis", 1)));
	net_output(g, net_node(g, "Gemm", IN(x, weight(g, e->c, e->d)), NULL));
}

void pattern_patch_embedding(net *g)
{
	vision_transformer(g, g->e->h * g->e->w + 1);
}

/* As many tokens as a head has features, and as many heads. */
void pattern_square_heads(net *g)
{
	const int64_t s = g->e->g;
	val x = net_input(g, DIMS(g->e->n, s, s * s));
	x = binary(g, "Add", x, attention(g, x, s, s * s));
	net_output(g, linear(g, x, s * s, s));
}
