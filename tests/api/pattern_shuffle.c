/* Channels and pixels that change places, are split, sliced or padded. */
#include "pattern.h"

static val depth_to_space(net *g, val x, const char *mode)
{
	return net_node(g, "DepthToSpace", IN(x), WITH(INT("blocksize", 2), TEXT("mode", mode)));
}

static val space_to_depth(net *g, val x)
{
	return net_node(g, "SpaceToDepth", IN(x), WITH(INT("blocksize", 2)));
}

void pattern_depth_to_space_and_back(net *g)
{
	const extents *e = g->e;
	const val x = conv(g, stem(g), e->c, 4 * e->d, 1);
	net_output(g, conv(g, space_to_depth(g, unary(g, "Relu", depth_to_space(g, x, "DCR"))), 4 * e->d, e->c, 3));
}

void pattern_space_to_depth_and_back(net *g)
{
	const extents *e = g->e;
	const val x = space_to_depth(g, stem(g));
	net_output(g, conv(g, depth_to_space(g, unary(g, "Relu", x), "DCR"), e->c, e->d, 3));
}

void pattern_depth_to_space_dcr(net *g)
{
	const extents *e = g->e;
	const val x = conv(g, stem(g), e->c, 4 * e->d, 1);
	net_output(g, conv(g, depth_to_space(g, x, "DCR"), e->d, e->c, 3));
}

void pattern_depth_to_space_crd(net *g)
{
	const extents *e = g->e;
	const val x = conv(g, stem(g), e->c, 4 * e->d, 1);
	net_output(g, conv(g, depth_to_space(g, x, "CRD"), e->d, e->c, 3));
}

void pattern_space_to_depth(net *g)
{
	net_output(g, conv(g, space_to_depth(g, stem(g)), 4 * g->e->c, g->e->d, 3));
}

void pattern_pixel_shuffle_written_out(net *g)
{
	const extents *e = g->e;
	const val image = stem(g);
	val x = conv(g, image, e->c, 4 * e->d, 1);
	x = transpose(g, reshape_like(g, x, image, OF(0), e->d, 2, 2, OF(2), OF(3)), 0, 1, 4, 2, 5, 3);
	net_output(g, conv(g, reshape_like(g, x, image, OF(0), e->d, TWICE(2), TWICE(3)), e->d, e->c, 3));
}

/* DepthToSpace's other mode, and back, each as Reshape, Transpose, Reshape. */
void pattern_pixel_shuffle_written_out_and_back(net *g)
{
	const extents *e = g->e;
	const val image = stem(g);
	val x = conv(g, image, e->c, 4 * e->d, 1);
	x = transpose(g, reshape_like(g, x, image, OF(0), 2, 2, e->d, OF(2), OF(3)), 0, 3, 4, 1, 5, 2);
	x = unary(g, "Relu", reshape_like(g, x, image, OF(0), e->d, TWICE(2), TWICE(3)));
	x = transpose(g, reshape_like(g, x, image, OF(0), e->d, OF(2), 2, OF(3), 2), 0, 3, 5, 1, 2, 4);
	net_output(g, conv(g, reshape_like(g, x, image, OF(0), 4 * e->d, OF(2), OF(3)), 4 * e->d, e->c, 1));
}

static val shuffled(net *g, val x, int64_t channels)
{
	const val image = x;
	x = reshape_like(g, x, image, OF(0), g->e->g, channels / g->e->g, OF(2), OF(3));
	return reshape_like(g, transpose(g, x, 0, 2, 1, 3, 4), image, OF(0), channels, OF(2), OF(3));
}

void pattern_channel_shuffle(net *g)
{
	const extents *e = g->e;
	net_output(g, conv(g, unary(g, "Relu", shuffled(g, stem(g), e->c)), e->c, e->d, 3));
}

void pattern_channel_shuffle_before_depthwise(net *g)
{
	const extents *e = g->e;
	const val x = shuffled(g, conv(g, stem(g), e->c, e->d, 1), e->d);
	const val y = net_node(g, "Conv", IN(x, weight(g, e->d, 1, 3, 3)), WITH(INT("group", e->d), INTS("pads", 1, 1, 1, 1)));
	net_output(g, conv(g, y, e->d, e->c, 1));
}

/* A unit of ShuffleNet: half of the channels pass by, both halves are joined, shuffled and split again. */
void pattern_channel_shuffle_split(net *g)
{
	const extents *e = g->e;
	val x = conv(g, stem(g), e->c, 2 * e->d, 1), image, half[2];
	for (int i = 0; i < 2; i++) {
		net_nodes(g, "Split", IN(x, integers(g, e->d, e->d)), WITH(INT("axis", 1)), 2, half);
		const val y = unary(g, "Relu", conv(g, half[1], e->d, e->d, 1));
		image = net_node(g, "Concat", IN(half[0], y), WITH(INT("axis", 1)));
		x = transpose(g, reshape_like(g, image, image, OF(0), 2, e->d, OF(2), OF(3)), 0, 2, 1, 3, 4);
		x = reshape_like(g, x, image, OF(0), -1, OF(2), OF(3));
	}
	net_output(g, conv(g, x, 2 * e->d, e->c, 1));
}

static val grouped(net *g, val x, int64_t from, int64_t to, int64_t groups)
{
	return net_node(g, "Conv", IN(x, weight(g, to, from / groups, 1, 1), weight(g, to)), WITH(INT("group", groups)));
}

/* ShuffleNet's first version. */
void pattern_channel_shuffle_between_groups(net *g)
{
	const extents *e = g->e;
	val x = unary(g, "Relu", grouped(g, stem(g), e->c, e->d, e->g));
	x = net_node(g, "Conv", IN(shuffled(g, x, e->d), weight(g, e->d, 1, 3, 3)), WITH(INTS("pads", 1, 1, 1, 1), INT("group", e->d)));
	net_output(g, grouped(g, x, e->d, e->c, e->g));
}

/* The sum and the slopes have to follow the groups. */
void pattern_channel_shuffle_of_a_skip(net *g)
{
	const extents *e = g->e;
	const val image = stem(g), skip = conv(g, image, e->c, e->d, 1);
	val x = binary(g, "Add", grouped(g, image, e->c, e->d, e->g), skip);
	x = net_node(g, "PRelu", IN(x, weight(g, e->d, 1, 1)), NULL);
	net_output(g, grouped(g, shuffled(g, x, e->d), e->d, e->c, e->g));
}

void pattern_split_by_attribute(net *g)
{
	const extents *e = g->e;
	val part[2];
	net_nodes(g, "Split", IN(conv(g, stem(g), e->c, e->c + e->d, 1)), WITH(INT("axis", 1), INTS("split", e->c, e->d)), 2, part);
	net_output(g, conv(g, part[0], e->c, e->d, 3));
	net_output(g, conv(g, part[1], e->d, e->c, 3));
}

/* Res2Net: each part is convolved with what the part before it became. */
void pattern_split_chain(net *g)
{
	const extents *e = g->e;
	const int64_t size = e->c / e->g, parts = 3;
	val part[3];
	const val x = conv(g, stem(g), e->c, parts * size, 1);
	net_nodes(g, "Split", IN(x, integers(g, size, size, size)), WITH(INT("axis", -3)), 3, part);
	for (int i = 1; i < 3; i++)
		part[i] = unary(g, "Relu", conv(g, i > 1 ? binary(g, "Add", part[i], part[i - 1]) : part[i], size, size, 3));
	const val joined = net_node(g, "Concat", IN(part[0], part[1], part[2]), WITH(INT("axis", 1)));
	net_output(g, conv(g, joined, parts * size, e->d, 1));
}

void pattern_slice_channels(net *g)
{
	const extents *e = g->e;
	const val x = conv(g, stem(g), e->c, 2 * e->d, 1);
	const val y = net_node(g, "Slice", IN(x, integers(g, e->d), integers(g, 2 * e->d), integers(g, 1)), NULL);
	net_output(g, conv(g, y, e->d, e->c, 3));
}

/* Every second channel, from the last one down. */
void pattern_slice_channels_with_steps(net *g)
{
	const extents *e = g->e;
	const val x = conv(g, stem(g), e->c, 2 * e->d, 1);
	const val y = net_node(g, "Slice", IN(x, integers(g, -1), integers(g, -1000), integers(g, 1), integers(g, -2)), NULL);
	net_output(g, conv(g, y, e->d, e->c, 1));
}

void pattern_pad_before_conv(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Pad", IN(stem(g), integers(g, 0, 0, 1, 2, 0, 0, 0, 1)), NULL);
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->d, e->c, 3, 3)), WITH(INTS("strides", 2, 2))));
}

void pattern_pad_same(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Conv", IN(stem(g), weight(g, e->d, e->c, 2, 4)), WITH(TEXT("auto_pad", "SAME_UPPER")));
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->c, e->d, 4, 2)), WITH(TEXT("auto_pad", "SAME_LOWER"), INTS("strides", 2, 2))));
}

void pattern_pad_channels(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Pad", IN(stem(g), integers(g, 0, 1, 0, 0, 0, e->d, 0, 0)), NULL);
	net_output(g, conv(g, x, e->c + e->d + 1, e->c, 3));
}

void pattern_pad_reflect(net *g)
{
	const extents *e = g->e;
	const val x = net_node(g, "Pad", IN(stem(g), integers(g, 0, 0, 1, 2, 0, 0, 2, 1)), WITH(TEXT("mode", "reflect")));
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->d, e->c, 3, 3)), NULL));
}

/* The second kernel sees rows as columns. */
void pattern_transpose_of_the_image(net *g)
{
	const extents *e = g->e;
	const val x = transpose(g, unary(g, "Relu", stem(g)), 0, 1, 3, 2);
	net_output(g, net_node(g, "Conv", IN(x, weight(g, e->d, e->c, 3, 1)), WITH(INTS("pads", 1, 0, 1, 0))));
}
