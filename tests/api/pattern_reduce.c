/* Reductions, resizing, recurrent layers, gathering, control flow. */
#include "pattern.h"

void pattern_reduce_channels(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	const val mean = net_node(g, "ReduceMean", IN(x), WITH(INTS("axes", 1)));
	const val most = net_node(g, "ReduceMax", IN(x), WITH(INTS("axes", -3)));
	const val gate = unary(g, "Sigmoid", conv(g, net_node(g, "Concat", IN(mean, most), WITH(INT("axis", 1))), 2, 1, 3));
	net_output(g, conv(g, binary(g, "Mul", x, gate), e->c, e->d, 3));
}

void pattern_reduce_channels_away(net *g)
{
	const extents *e = g->e;
	val x = net_node(g, "ReduceSum", IN(stem(g), integers(g, 1)), WITH(INT("keepdims", 0)));
	x = net_node(g, "Unsqueeze", IN(x, integers(g, 1)), NULL);
	net_output(g, conv(g, x, 1, e->d, 3));
}

void pattern_reduce_space(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	const val mean = net_node(g, "ReduceMean", IN(x), WITH(INTS("axes", 2, 3)));
	net_output(g, conv(g, binary(g, "Sub", x, mean), e->c, e->d, 3));
	const val rows = net_node(g, "ReduceMin", IN(x), WITH(INTS("axes", 3), INT("keepdims", 0)));
	net_output(g, net_node(g, "Conv", IN(rows, weight(g, e->d, e->c, 3)), NULL));
}

void pattern_reduce_space_away(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "ReduceMean", IN(stem(g)), WITH(INTS("axes", -1, -2), INT("keepdims", 0)));
	net_output(g, net_node(g, "Gemm", IN(x, weight(g, e->c, e->d)), NULL));
}

void pattern_l2_normalisation(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	const val norm = net_node(g, "ReduceL2", IN(x), WITH(INTS("axes", 1)));
	const val safe = net_node(g, "Clip", IN(norm, net_scalar(g, CLAST_FLOAT32, 1e-3)), NULL);
	net_output(g, conv(g, binary(g, "Div", x, safe), e->c, e->d, 1));
}

static val enlarged(net *g, val x, const char *mode, const char *how)
{
	const extents *e = g->e;
	const val sizes = integers(g, e->n, e->c, 2 * e->h, 2 * e->w + 1);
	return net_node(g, "Resize", IN(x, "", "", sizes), WITH(TEXT("mode", mode), TEXT("coordinate_transformation_mode", how)));
}

void pattern_resize_nearest(net *g)
{
	net_output(g, conv(g, enlarged(g, stem(g), "nearest", "asymmetric"), g->e->c, g->e->d, 3));
}

void pattern_resize_linear(net *g)
{
	net_output(g, conv(g, enlarged(g, stem(g), "linear", "align_corners"), g->e->c, g->e->d, 3));
}

void pattern_resize_cubic(net *g)
{
	net_output(g, conv(g, enlarged(g, stem(g), "cubic", "half_pixel"), g->e->c, g->e->d, 3));
}

/* Scales as exporters write them: integers converted to floating point. */
void pattern_resize_by_scales(net *g)
{
	const val scales = net_node(g, "Cast", IN(integers(g, 1, 1, 2, 3)), WITH(INT("to", CLAST_FLOAT32)));
	const val x = net_node(g, "Resize", IN(stem(g), "", scales), WITH(TEXT("mode", "linear")));
	net_output(g, conv(g, x, g->e->c, g->e->d, 3));
}

void pattern_resize_in_a_loop(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	net_begin_body(g);
	net_body_input(g, CLAST_INT64, 0, NULL);
	const val going = net_body_input(g, CLAST_BOOL, 0, NULL);
	const val carried = net_body_input(g, CLAST_FLOAT32, DIMS(e->n, e->c, e->h, e->w));
	const val large = net_node(g, "Resize", IN(carried, "", net_node(g, "Cast", IN(integers(g, 1, 1, 2, 2)), WITH(INT("to", CLAST_FLOAT32)))),
	                           WITH(TEXT("mode", "linear")));
	const val small = net_node(g, "AveragePool", IN(conv(g, large, e->c, e->c, 3)), WITH(INTS("kernel_shape", 2, 2), INTS("strides", 2, 2)));
	net_output(g, unary(g, "Identity", going));
	net_output(g, small);
	const int64_t body = net_end_body(g);
	const val y = net_node(g, "Loop", IN(net_scalar(g, CLAST_INT64, 3), "", x), WITH(BODY("body", body)));
	net_output(g, conv(g, y, e->c, e->d, 1));
}

void pattern_argmax_of_channels(net *g)
{
	const val x = conv(g, stem(g), g->e->c, g->e->d, 1);
	net_output(g, net_node(g, "ArgMax", IN(x), WITH(INT("axis", 1))));
	net_output(g, net_node(g, "ArgMax", IN(x), WITH(INT("axis", 1), INT("keepdims", 0))));
}

void pattern_conv1d(net *g)
{
	const extents *e = g->e;
	val x = net_input(g, DIMS(e->n, e->c, e->w));
	x = net_node(g, "Conv", IN(x, weight(g, e->d, e->c, 3), weight(g, e->d)), WITH(INTS("pads", 1, 1)));
	x = net_node(g, "MaxPool", IN(unary(g, "Relu", x)), WITH(INTS("kernel_shape", 2)));
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->c, e->d, 2)), NULL));
}

void pattern_conv3d(net *g)
{
	const extents *e = g->e;
	val x = net_input(g, DIMS(e->n, e->c, e->wh + 1, e->h, e->w));
	x = net_node(g, "Conv", IN(x, weight(g, e->d, e->c, 2, 3, 3), weight(g, e->d)), WITH(INTS("pads", 0, 1, 1, 0, 1, 1)));
	x = unary(g, "Relu", x);
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->c, e->d, 2, 1, 1)), NULL));
}

/* Columns of a picture read as a sequence, the way text is recognised. */
static val columns(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "MaxPool", IN(stem(g)), WITH(INTS("kernel_shape", e->h, 1)));
	return transpose(g, net_node(g, "Squeeze", IN(x, integers(g, 2)), NULL), 2, 0, 1);
}

void pattern_lstm(net *g)
{
	const extents *e = g->e;
	const val x = columns(g);
	const val y = net_node(g, "LSTM", IN(x, weight(g, 2, 4 * e->d, e->c), weight(g, 2, 4 * e->d, e->d)),
	                       WITH(INT("hidden_size", e->d), TEXT("direction", "bidirectional")));
	const val rows = reshape(g, transpose(g, y, 0, 2, 1, 3), 0, 0, -1);
	net_output(g, linear(g, rows, 2 * e->d, e->c));
}

void pattern_gru(net *g)
{
	const extents *e = g->e;
	const val y = net_node(g, "GRU", IN(columns(g), weight(g, 1, 3 * e->d, e->c), weight(g, 1, 3 * e->d, e->d)),
	                       WITH(INT("hidden_size", e->d)));
	net_output(g, linear(g, net_node(g, "Squeeze", IN(y, integers(g, 1)), NULL), e->d, e->c));
}

void pattern_prelu(net *g)
{
	const extents *e = g->e;
	const val x = binary(g, "PRelu", stem(g), weight(g, e->c, 1, 1));
	net_output(g, conv(g, binary(g, "PRelu", x, weight(g, 1)), e->c, e->d, 3));
}

void pattern_expand(net *g)
{
	const extents *e = g->e;
	const val x = unary(g, "GlobalAveragePool", stem(g));
	net_output(g, conv(g, net_node(g, "Expand", IN(x, integers(g, 1, 1, e->h, e->w)), NULL), e->c, e->d, 3));
}

void pattern_gather_channels(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Gather", IN(stem(g), integers(g, e->c - 1, 0, 1)), WITH(INT("axis", 1)));
	net_output(g, conv(g, x, 3, e->d, 3));
}

void pattern_gather_one_channel(net *g)
{
	const val x = net_node(g, "Gather", IN(stem(g), net_scalar(g, CLAST_INT64, 1)), WITH(INT("axis", 1)));
	net_output(g, conv(g, net_node(g, "Unsqueeze", IN(x, integers(g, 1)), NULL), 1, g->e->d, 3));
}

/* The same channels by indices of [image, channel]. */
void pattern_gather_nd_channels(net *g)
{
	const extents *e = g->e;
	int64_t at[64 * 4];
	for (int64_t i = 0; i < 2 * e->n; i++) {
		at[2 * i] = i / 2;
		at[2 * i + 1] = i % 2 ? e->c - 1 : 0;
	}
	const val indices = reshape(g, net_integers(g, (size_t)(4 * e->n), at), e->n, 2, 2);
	net_output(g, conv(g, binary(g, "GatherND", stem(g), indices), 2, e->d, 3));
}

/* x[:, 1:3] = y, as exporters write an assignment to a slice. */
void pattern_scatter_nd_slice(net *g)
{
	const extents *e = g->e;
	const val x = stem(g), y = conv(g, x, e->c, 2, 1);
	int64_t at[64 * 4];
	for (int64_t i = 0; i < 2 * e->n; i++) {
		at[2 * i] = i / 2;
		at[2 * i + 1] = 1 + i % 2;
	}
	const val indices = reshape(g, net_integers(g, (size_t)(4 * e->n), at), e->n, 2, 2);
	net_output(g, conv(g, net_node(g, "ScatterND", IN(x, indices, y), NULL), e->c, e->d, 3));
}

void pattern_conv_in_branches(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	const val much = binary(g, "Greater", net_node(g, "ReduceSum", IN(x), WITH(INT("keepdims", 0))), net_scalar(g, CLAST_FLOAT32, 0));
	int64_t body[2];
	for (int i = 0; i < 2; i++) {
		net_begin_body(g);
		net_output(g, conv(g, x, e->c, e->d, 1 + 2 * i));
		body[i] = net_end_body(g);
	}
	const val y = net_node(g, "If", IN(much), WITH(BODY("then_branch", body[0]), BODY("else_branch", body[1])));
	net_output(g, conv(g, y, e->d, e->c, 3));
}

void pattern_loop_carrying_an_image(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	net_begin_body(g);
	net_body_input(g, CLAST_INT64, 0, NULL);
	const val going = net_body_input(g, CLAST_BOOL, 0, NULL);
	const val carried = net_body_input(g, CLAST_FLOAT32, DIMS(e->n, e->c, e->h, e->w));
	net_output(g, unary(g, "Identity", going));
	net_output(g, unary(g, "Tanh", binary(g, "Add", x, conv(g, carried, e->c, e->c, 3))));
	const int64_t body = net_end_body(g);
	const val y = net_node(g, "Loop", IN(net_scalar(g, CLAST_INT64, 3), "", x), WITH(BODY("body", body)));
	net_output(g, conv(g, y, e->c, e->d, 1));
}
