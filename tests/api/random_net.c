#include "random_net.h"

/* An image [n, c, h, w] on its way through the network. */
typedef struct image {
	val v;
	int64_t n, c, h, w;
} image;

uint32_t random_below(uint32_t *seed, uint32_t n)
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
	const uint32_t at = random_below(seed, 3);
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
	const uint32_t one = random_below(seed, (uint32_t)parts);
	part[one] = conv(g, part[one], each, each, 1);
	val list[6] = { part[0], part[1], parts > 2 ? part[2] : NULL, parts > 2 ? part[3] : NULL, parts > 2 ? part[4] : NULL, NULL };
	list[parts] = NULL;
	return net_node(g, "Concat", list, WITH(INT("axis", 1)));
}

/* To twice the height and width by a pixel shuffle behind an activation, a convolution there, and back. */
static val finer(net *g, uint32_t *seed, const image *x, int64_t to)
{
	const char *const mode = random_below(seed, 2) ? "DCR" : "CRD";
	val y = conv(g, x->v, x->c, 4 * to, random_below(seed, 2) ? 1 : 3);
	if (random_below(seed, 2))
		y = net_node(g, "PRelu", IN(y, weight(g, 4 * to, 1, 1)), NULL);
	if (random_below(seed, 2))
		y = binary(g, "Add", y, conv(g, x->v, x->c, 4 * to, 1));
	y = net_node(g, "DepthToSpace", IN(y), WITH(INT("blocksize", 2), TEXT("mode", mode)));
	y = conv(g, y, to, to, 3);
	if (random_below(seed, 2))
		return net_node(g, "AveragePool", IN(y), WITH(INTS("kernel_shape", 2, 2), INTS("strides", 2, 2)));
	return conv(g, net_node(g, "SpaceToDepth", IN(y), WITH(INT("blocksize", 2))), 4 * to, to, 1);
}

static void step(net *g, uint32_t *seed, image *x)
{
	const int64_t to = random_below(seed, 2) ? g->e->c : g->e->d, parts = divisor(seed, x->c), a = divisor(seed, x->h), b = divisor(seed, x->w);
	const uint32_t what = random_below(seed, 14);
	const int64_t height = x->h;
	switch (what) {
	case 0:
		x->v = conv(g, x->v, x->c, to, random_below(seed, 2) ? 1 : 3);
		x->c = to;
		break;
	case 1:
		x->v = conv_grouped(g, x->v, x->c, x->c, x->c, 3);
		break;
	case 2:
		x->v = conv_grouped(g, x->v, x->c, to % parts ? x->c : to, parts, random_below(seed, 2) ? 1 : 3);
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

clast_model *random_network(net *g, const extents *e, uint32_t seed, int steps)
{
	net_begin(g, e, 17);
	image x = { stem(g), e->n, e->c, e->h, e->w };
	for (int i = 0; i < steps; i++)
		step(g, &seed, &x);
	const int64_t all = x.c * x.h * x.w;
	if (random_below(&seed, 2))
		net_output(g, x.v);
	net_output(g, net_node(g, "Gemm", IN(net_node(g, "Flatten", IN(x.v), NULL), weight(g, all, 7), weight(g, 7)), NULL));
	return net_end(g);
}
