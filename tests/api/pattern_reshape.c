/* Flatten, reshapes, broadcast operands, concatenation. */
#include "pattern.h"

void pattern_flatten_gemm(net *g)
{
	const extents *e = g->e;
	const val flat = unary(g, "Flatten", conv(g, stem(g), e->c, e->d, 1));
	net_output(g, net_node(g, "Gemm", IN(flat, weight(g, e->d * e->h * e->w, e->c), weight(g, e->c)), NULL));
}

void pattern_flatten_gemm_transposed(net *g)
{
	const extents *e = g->e;
	const val pooled = net_node(g, "MaxPool", IN(stem(g)), WITH(INTS("kernel_shape", 2, 2)));
	const val flat = unary(g, "Flatten", unary(g, "Relu", pooled));
	const val w = weight(g, e->d, e->c * (e->h - 1) * (e->w - 1));
	net_output(g, net_node(g, "Gemm", IN(flat, w, weight(g, e->d)), WITH(INT("transB", 1))));
}

void pattern_reshape_matmul(net *g)
{
	const extents *e = g->e;
	const val rows = reshape(g, stem(g), 0, -1);
	net_output(g, binary(g, "MatMul", rows, weight(g, e->c * e->h * e->w, e->d)));
}

/* Batch, height and width swap places in the shape alone: nothing of the sort happens to the elements. */
void pattern_reshape_of_equal_extents(net *g)
{
	const extents *e = g->e;
	const val rows = reshape(g, stem(g), e->n, e->c * e->h, e->w);
	const val other = reshape(g, unary(g, "Relu", rows), e->n, e->c, e->h * e->w);
	const val back = reshape(g, binary(g, "Mul", other, net_scalar(g, CLAST_FLOAT32, 0.5)), e->n, e->c, e->h, e->w);
	net_output(g, conv(g, back, e->c, e->d, 1));
}

/* A reshape that looks like a transposition of channels and columns. */
void pattern_reshape_like_a_transpose(net *g)
{
	const extents *e = g->e;
	const val x = unary(g, "Sigmoid", reshape(g, stem(g), e->n, e->w, e->h, e->c));
	const val rows = reshape(g, x, e->n, -1);
	net_output(g, net_node(g, "Gemm", IN(rows, weight(g, e->c * e->h * e->w, e->d)), NULL));
}

void pattern_tokens_join_a_skip(net *g)
{
	const extents *e = g->e;
	const val image = stem(g), tokens = net_input(g, DIMS(e->n, e->h * e->w, e->c));
	const val mixed = linear(g, tokens, e->c, e->c);
	const val other = reshape(g, transpose(g, mixed, 0, 2, 1), e->n, e->c, e->h, e->w);
	net_output(g, conv(g, binary(g, "Add", image, other), e->c, e->d, 1));
}

void pattern_constants_broadcast(net *g)
{
	const extents *e = g->e;
	val x = stem(g);
	x = binary(g, "Mul", x, weight(g, e->c, 1, 1));
	x = binary(g, "Add", x, weight(g, e->w));
	x = binary(g, "Mul", x, net_scalar(g, CLAST_FLOAT32, 0.75));
	x = binary(g, "Add", x, weight(g, 1, e->c, 1, 1));
	x = binary(g, "Sub", weight(g, e->h, 1), x);
	x = binary(g, "Mul", x, weight(g, 1, 1, e->h, e->w));
	x = binary(g, "Add", x, weight(g, e->c, e->h, e->w));
	net_output(g, conv(g, x, e->c, e->d, 1));
}

void pattern_tensors_broadcast(net *g)
{
	const extents *e = g->e;
	val x = stem(g);
	x = binary(g, "Mul", x, net_input(g, DIMS(e->c, 1, 1)));
	x = binary(g, "Add", net_input(g, DIMS(e->w)), x);
	x = binary(g, "Mul", x, net_input(g, DIMS(e->n, e->c, 1, 1)));
	net_output(g, conv(g, x, e->c, e->d, 1));
}

static void excite(net *g, val x, val squeezed)
{
	const extents *e = g->e;
	const val hidden = unary(g, "Relu", conv(g, squeezed, e->c, e->d, 1));
	const val gate = unary(g, "Sigmoid", conv(g, hidden, e->d, e->c, 1));
	net_output(g, conv(g, binary(g, "Mul", x, gate), e->c, e->d, 1));
}

void pattern_squeeze_excite(net *g)
{
	const val x = stem(g);
	excite(g, x, unary(g, "GlobalAveragePool", x));
}

void pattern_squeeze_excite_by_mean(net *g)
{
	const val x = stem(g);
	excite(g, x, net_node(g, "ReduceMean", IN(x), WITH(INTS("axes", 2, 3))));
}

void pattern_squeeze_excite_by_gemm(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	val s = net_node(g, "ReduceMean", IN(x), WITH(INTS("axes", 2, 3), INT("keepdims", 0)));
	s = unary(g, "Relu", net_node(g, "Gemm", IN(s, weight(g, e->c, e->d), weight(g, e->d)), NULL));
	s = unary(g, "Sigmoid", net_node(g, "Gemm", IN(s, weight(g, e->c, e->d)), WITH(INT("transB", 1))));
	s = net_node(g, "Unsqueeze", IN(s, integers(g, 2)), NULL);
	s = net_node(g, "Unsqueeze", IN(s, integers(g, -1)), NULL);
	net_output(g, conv(g, binary(g, "Mul", s, x), e->c, e->d, 1));
}

static val joined(net *g, int64_t axis, val a, val b)
{
	return net_node(g, "Concat", IN(a, b), WITH(INT("axis", axis)));
}

void pattern_concat_channels(net *g)
{
	const extents *e = g->e;
	const val x = stem(g), y = conv(g, x, e->c, e->d, 3);
	net_output(g, conv(g, joined(g, 1, x, unary(g, "Relu", y)), e->c + e->d, e->d, 3));
}

void pattern_concat_from_behind(net *g)
{
	const extents *e = g->e;
	const val x = stem(g), y = conv(g, x, e->c, e->d, 3);
	net_output(g, conv(g, joined(g, -3, y, x), e->c + e->d, e->d, 1));
}

void pattern_concat_rows(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	net_output(g, conv(g, joined(g, 2, x, conv(g, x, e->c, e->c, 1)), e->c, e->d, 3));
}

void pattern_concat_columns(net *g)
{
	const extents *e = g->e;
	const val x = stem(g);
	net_output(g, conv(g, joined(g, -1, conv(g, x, e->c, e->c, 1), x), e->c, e->d, 3));
}

/* One operand comes from a graph exported channels-last. */
void pattern_concat_behind_a_transpose(net *g)
{
	const extents *e = g->e;
	const val x = stem(g), y = unary(g, "Relu", transpose(g, conv(g, x, e->c, e->d, 1), 0, 2, 3, 1));
	net_output(g, conv(g, joined(g, 1, x, transpose(g, y, 0, 3, 1, 2)), e->c + e->d, e->c, 1));
}

static val quantised(net *g, val x, double scale)
{
	const val s = net_scalar(g, CLAST_FLOAT32, scale), zero = net_scalar(g, CLAST_UINT8, 128);
	return net_node(g, "DequantizeLinear", IN(net_node(g, "QuantizeLinear", IN(x, s, zero), NULL), s, zero), NULL);
}

void pattern_concat_quantised(net *g)
{
	const extents *e = g->e;
	g->coarse = true;
	const val x = quantised(g, stem(g), 0.125), y = quantised(g, conv(g, x, e->c, e->d, 1), 0.25);
	const val both = quantised(g, joined(g, 1, x, y), 0.25);
	net_output(g, conv(g, both, e->c + e->d, e->c, 1));
}
