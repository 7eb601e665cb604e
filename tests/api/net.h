/* Writing small models in few lines: values are names, weights are made as they are needed. A call that fails fails the test. */
#ifndef TESTS_API_NET_H
#define TESTS_API_NET_H

#include "clast/clast.h"

#define NET_INPUTS 4
#define NET_NAMES 512

typedef const char *val;

/* The extents that a model is built with. */
typedef struct extents {
	int64_t n, c, h, w;
	int64_t d;      /* another number of channels */
	int64_t g;      /* groups and heads; divides c and d */
	int64_t wh, ww; /* windows; divide h and w */
} extents;

typedef struct net {
	const extents *e;
	int64_t opset;
	clast_builder *b;
	char names[NET_NAMES][8];
	size_t name_count, input_count;
	clast_tensor *inputs[NET_INPUTS];
	uint32_t seed;
	bool coarse; /* elements are eighths: products and sums of them are exact */
	bool open;   /* the first input's batch, height and width are not known to the model, unless they are 1 */
} net;

void net_begin(net *g, const extents *e, int64_t opset);
clast_model *net_end(net *g);
void net_free_inputs(net *g);

/* Elements differ from one another as far as their number allows. */
val net_input(net *g, size_t rank, const int64_t *dims);
val net_weight(net *g, size_t rank, const int64_t *dims);
val net_integers(net *g, size_t count, const int64_t *values); /* 1-D */
val net_scalar(net *g, clast_dtype dtype, double value);
val net_node(net *g, const char *op, const val *inputs, const clast_attribute *attrs); /* lists end with NULL and {0} */
void net_nodes(net *g, const char *op, const val *inputs, const clast_attribute *attrs, size_t count, val *outputs);
void net_output(net *g, val v);
val net_body_input(net *g, clast_dtype dtype, size_t rank, const int64_t *dims);
void net_begin_body(net *g);
int64_t net_end_body(net *g);

#define COUNT(...) (sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define DIMS(...) COUNT(__VA_ARGS__), (const int64_t[]){ __VA_ARGS__ }
#define IN(...) ((const val[]){ __VA_ARGS__, NULL })
#define WITH(...) ((const clast_attribute[]){ __VA_ARGS__, { 0 } })
#define INTS(NAME, ...)                                                                                                          \
	{                                                                                                                        \
		.name = (NAME), .type = CLAST_ATTRIBUTE_INTS, .ints = (const int64_t[]){ __VA_ARGS__ }, .count = COUNT(__VA_ARGS__) \
	}
#define INT(NAME, X) { .name = (NAME), .type = CLAST_ATTRIBUTE_INT, .i = (X) }
#define REAL(NAME, X) { .name = (NAME), .type = CLAST_ATTRIBUTE_FLOAT, .f = (X) }
#define TEXT(NAME, X) { .name = (NAME), .type = CLAST_ATTRIBUTE_STRING, .s = (X) }
#define BODY(NAME, X) { .name = (NAME), .type = CLAST_ATTRIBUTE_GRAPH, .i = (X) }

#define weight(g, ...) net_weight(g, DIMS(__VA_ARGS__))
#define integers(g, ...) net_integers(g, DIMS(__VA_ARGS__))
#define reshape(g, x, ...) net_node(g, "Reshape", IN(x, integers(g, __VA_ARGS__)), NULL)
#define transpose(g, x, ...) net_node(g, "Transpose", IN(x), WITH(INTS("perm", __VA_ARGS__)))

/* Reshape to extents of which some are those of `like`, or twice as much, as exporters compute them for unknown ones. */
#define OF(axis) (-10 - (axis))
#define TWICE(axis) (-20 - (axis))
val net_reshape_like(net *g, val x, val like, size_t count, const int64_t *entries);
#define reshape_like(g, x, like, ...) net_reshape_like(g, x, like, DIMS(__VA_ARGS__))

val unary(net *g, const char *op, val x);
val binary(net *g, const char *op, val x, val y);
/* k x k, padded so that height and width stay. */
val conv(net *g, val x, int64_t from, int64_t to, int64_t k);
/* The input n x c x h x w and a 3x3 convolution on it that keeps its shape. */
val stem(net *g);
/* Along the last axis, from features to features. */
val linear(net *g, val x, int64_t from, int64_t to);

#endif
