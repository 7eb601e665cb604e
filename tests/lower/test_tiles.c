/* Which convolutions get Winograd tiles, on chains of 3x3 convolutions of 64 channels. */
#include <criterion/criterion.h>
#include <string.h>

#include "lower.h"

typedef struct network {
	clast_model *m;
	value_id last;
	uint64_t seed;
	clast_diag d;
} network;

/* What a layer is like. */
typedef struct form {
	bool edges;     /* taps at the corners only, all alike */
	int64_t stride; /* 0: 1 */
	int64_t group;  /* 0: 1 */
	int64_t taps;   /* 0: 3 */
} form;

static double random_tap(network *n)
{
	n->seed = n->seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(n->seed >> 40) / (1 << 23) - 1;
}

static value_id constant(network *n, int rank, const int64_t *dims, bool edges)
{
	tensor_view *t;
	value_id v;
	cr_assert_eq(model_constant(n->m, CLAST_FLOAT32, rank, dims, &t, &n->d), CLAST_OK);
	for (int64_t i = 0; i < view_count(t); i++)
		store_real(t, i, !edges ? random_tap(n) : i % 9 == 0 || i % 9 == 2 || i % 9 == 6 || i % 9 == 8 ? 1 : 0);
	cr_assert_eq(graph_add_value(n->m, 0, "w", &v, &n->d), CLAST_OK);
	graph_set_constant(n->m, v, t);
	return v;
}

static void add(network *n, const char *name, size_t count, const value_id *in, size_t attr_count, const attr_value *attrs)
{
	node_id id;
	value_id out;
	cr_assert_eq(graph_add_value(n->m, 0, "y", &out, &n->d), CLAST_OK);
	cr_assert_eq(graph_add_node(n->m, 0, "", name, 17, "node", count, in, 1, &out, attr_count, attrs, &id, &n->d), CLAST_OK, "%s",
	             n->d.message);
	cr_assert_eq(graph_infer_node(n->m, id, &n->d), CLAST_OK, "%s", n->d.message);
	n->last = out;
}

static network begin(void)
{
	network n = { .seed = 1 };
	const shape s = { .rank = 4, .dims = { 1, 64, 56, 56 } };
	graph_id g;
	cr_assert_eq(model_create(NULL, &n.m, &n.d), CLAST_OK);
	if (!n.m->graph_count)
		cr_assert_eq(graph_add(n.m, "main", NO_ID, &g, &n.d), CLAST_OK);
	cr_assert_eq(graph_add_value(n.m, 0, "x", &n.last, &n.d), CLAST_OK);
	cr_assert_eq(graph_set_shape(n.m, n.last, CLAST_FLOAT32, &s, &n.d), CLAST_OK);
	cr_assert_eq(graph_add_input(n.m, 0, n.last, &n.d), CLAST_OK);
	return n;
}

static void add_conv(network *n, form f)
{
	const int64_t taps = f.taps ? f.taps : 3, group = f.group ? f.group : 1, stride = f.stride ? f.stride : 1;
	const int64_t dims[4] = { 64, 64 / group, taps, taps }, strides[2] = { stride, stride }, pads[4] = { 1, 1, 1, 1 };
	const attr_value attrs[3] = { { .name = "strides", .type = CLAST_ATTRIBUTE_INTS, .ints = strides, .count = 2 },
		                      { .name = "group", .type = CLAST_ATTRIBUTE_INT, .i = group },
		                      { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 } };
	const value_id in[2] = { n->last, constant(n, 4, dims, f.edges) };
	add(n, "Conv", 2, in, 3, attrs);
}

/* How many nodes got tiles of 0, 2 and 4. */
typedef struct counts {
	int of[5];
	uint32_t chain;
} counts;

static counts choose(network *n, bool fast)
{
	counts c = { { 0 } };
	uint8_t *tile = calloc(n->m->node_count + 1, 1);
	uint32_t chain;
	graph_count_uses(n->m);
	cr_assert_eq(lower_tiles(n->m, fast, &n->m->memory, tile, &chain, &n->d), CLAST_OK);
	for (size_t i = 0; i < n->m->node_count; i++)
		c.of[tile[i]]++;
	c.chain = chain;
	free(tile);
	model_release(n->m);
	return c;
}

static counts chain(int layers, const char *end, bool fast)
{
	network n = begin();
	for (int i = 0; i < layers; i++)
		add_conv(&n, (form){ 0 });
	if (end)
		add(&n, end, 1, &n.last, 0, NULL);
	return choose(&n, fast);
}

Test(tiles, layers_get_large_tiles_until_the_error_is_spent)
{
	cr_assert_eq(chain(20, NULL, false).of[4], 20);
	const counts c = chain(120, NULL, false);
	cr_assert(c.of[4] > 30 && c.of[4] < 90 && c.of[2] == 120 - c.of[4], "%d and %d", c.of[4], c.of[2]);
}

Test(tiles, an_exponential_behind_them_leaves_less)
{
	const counts c = chain(20, "Softmax", false), relu = chain(20, "Relu", false);
	cr_assert(c.of[4] < 5 && c.of[2] == 20 - c.of[4], "%d and %d", c.of[4], c.of[2]);
	cr_assert_eq(relu.of[4], 20);
	cr_assert_eq(chain(1, "Softmax", false).of[4], 1);
	cr_assert_eq(chain(20, "Sigmoid", false).of[4], c.of[4]);
}

Test(tiles, a_swish_is_no_exponential)
{
	network n = begin();
	for (int i = 0; i < 20; i++) {
		add_conv(&n, (form){ 0 });
		const value_id x = n.last;
		add(&n, "Sigmoid", 1, &x, 0, NULL);
		const value_id in[2] = { n.last, x };
		add(&n, "Mul", 2, in, 0, NULL);
	}
	cr_assert_eq(choose(&n, false).of[4], 20);
}

Test(tiles, fast_precision_takes_all)
{
	cr_assert_eq(chain(200, "Softmax", true).of[4], 200);
}

/* For such filters the output transform lets errors of products grow three times as much as in the direct form, or nine. */
Test(tiles, filters_that_tiles_would_spoil_get_none)
{
	network n = begin();
	add_conv(&n, (form){ .edges = true });
	cr_assert_eq(choose(&n, false).of[0], 1);
}

Test(tiles, only_convolutions_of_nine_taps_and_stride_one)
{
	network n = begin();
	add_conv(&n, (form){ .stride = 2 });
	add_conv(&n, (form){ .group = 64 });
	add_conv(&n, (form){ .taps = 1 });
	add(&n, "Relu", 1, &n.last, 0, NULL);
	cr_assert_eq(choose(&n, true).of[0], 4);
}

Test(tiles, chains_grow_as_far_as_the_error_allows)
{
	/* 64 channels: chains end at 48 or not at all. */
	cr_assert_gt(chain(4, NULL, false).chain, 1 << 20);
	cr_assert_eq(chain(40, NULL, false).chain, 0);
	cr_assert_eq(chain(4, "Softmax", false).chain, 24);
	cr_assert_gt(chain(40, "Softmax", true).chain, 1 << 20);
}

Test(tiles, an_exponential_before_further_products_does_not_count)
{
	network n = begin();
	for (int i = 0; i < 20; i++)
		add_conv(&n, (form){ 0 });
	const value_id x = n.last;
	add(&n, "Sigmoid", 1, &x, 0, NULL);
	const value_id in[2] = { n.last, x };
	add(&n, "Add", 2, in, 0, NULL);
	add_conv(&n, (form){ 0 });
	const counts c = choose(&n, false), without = chain(21, NULL, false);
	cr_assert_eq(c.of[4], 21);
	cr_assert_eq(c.chain, without.chain);
}
