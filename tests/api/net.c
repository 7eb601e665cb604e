#include "net.h"

#include <stdio.h>

#include <criterion/criterion.h>

static void expect(clast_status s, const clast_diag *d, const char *what)
{
	cr_assert_eq(s, CLAST_OK, "%s: %s", what, d->message);
}

void net_begin(net *g, const extents *e, int64_t opset)
{
	clast_diag d = { 0 };
	*g = (net){ .e = e, .opset = opset, .seed = 1 };
	expect(clast_builder_create(opset, NULL, &g->b, &d), &d, "clast_builder_create");
}

clast_model *net_end(net *g)
{
	clast_diag d = { 0 };
	clast_model *m;
	expect(clast_builder_finish(&g->b, &m, &d), &d, "clast_builder_finish");
	return m;
}

void net_free_inputs(net *g)
{
	for (size_t i = 0; i < g->input_count; i++)
		clast_tensor_free(&g->inputs[i]);
}

static val new_name(net *g)
{
	cr_assert_lt(g->name_count, NET_NAMES);
	char *name = g->names[g->name_count];
	snprintf(name, sizeof g->names[0], "v%zu", g->name_count++);
	return name;
}

/* A walk through -1 .. 1 by the golden ratio, where no two of a few million elements are equal; or all multiples of 1/8 there in turn. */
static clast_tensor *fill(net *g, size_t rank, const int64_t *dims)
{
	clast_diag d = { 0 };
	clast_tensor *t;
	expect(clast_tensor_create(CLAST_FLOAT32, rank, dims, NULL, &t, &d), &d, "clast_tensor_create");
	float *x = clast_tensor_data(t);
	const uint32_t seed = g->seed++;
	for (size_t i = 0; i < clast_tensor_count(t); i++) {
		const uint32_t at = (uint32_t)(i + 1) * 2654435769u + seed * 40503u * 65537u;
		x[i] = g->coarse ? ((float)(at >> 28) - 8) / 8 : (float)(int32_t)(at & ~0xffu) / 2147483648.0f;
	}
	return t;
}

val net_input(net *g, size_t rank, const int64_t *dims)
{
	clast_diag d = { 0 };
	int64_t declared[CLAST_MAX_RANK];
	const char *const names[] = { "n", NULL, "h", "w" };
	const bool open = g->open && rank == 4 && !g->input_count;
	const val v = new_name(g);
	cr_assert_lt(g->input_count, NET_INPUTS);
	for (size_t a = 0; a < rank; a++)
		declared[a] = open && a != 1 && dims[a] != 1 ? -1 : dims[a];
	expect(clast_builder_input(g->b, v, CLAST_FLOAT32, rank, declared, open ? names : NULL, &d), &d, "an input");
	g->inputs[g->input_count++] = fill(g, rank, dims);
	return v;
}

static val add_constant(net *g, clast_tensor *t)
{
	clast_diag d = { 0 };
	const val v = new_name(g);
	expect(clast_builder_constant(g->b, v, t, &d), &d, "a constant");
	clast_tensor_free(&t);
	return v;
}

val net_weight(net *g, size_t rank, const int64_t *dims)
{
	return add_constant(g, fill(g, rank, dims));
}

val net_integers(net *g, size_t count, const int64_t *values)
{
	clast_diag d = { 0 };
	clast_tensor *t;
	const int64_t dims[] = { (int64_t)count };
	expect(clast_tensor_create(CLAST_INT64, 1, dims, NULL, &t, &d), &d, "clast_tensor_create");
	for (size_t i = 0; i < count; i++)
		((int64_t *)clast_tensor_data(t))[i] = values[i];
	return add_constant(g, t);
}

val net_scalar(net *g, clast_dtype dtype, double value)
{
	clast_diag d = { 0 };
	clast_tensor *t;
	expect(clast_tensor_create(dtype, 0, NULL, NULL, &t, &d), &d, "clast_tensor_create");
	void *data = clast_tensor_data(t);
	switch (dtype) {
	case CLAST_FLOAT32:
		*(float *)data = (float)value;
		break;
	case CLAST_INT64:
		*(int64_t *)data = (int64_t)value;
		break;
	default: /* of one byte */
		*(uint8_t *)data = (uint8_t)value;
	}
	return add_constant(g, t);
}

void net_nodes(net *g, const char *op, const val *inputs, const clast_attribute *attrs, size_t count, val *outputs)
{
	clast_diag d = { 0 };
	size_t n = 0, a = 0;
	while (inputs[n])
		n++;
	while (attrs && attrs[a].name)
		a++;
	for (size_t i = 0; i < count; i++)
		outputs[i] = new_name(g);
	expect(clast_builder_node(g->b, op, "", NULL, n, inputs, count, outputs, a, attrs, &d), &d, op);
}

val net_node(net *g, const char *op, const val *inputs, const clast_attribute *attrs)
{
	val out;
	net_nodes(g, op, inputs, attrs, 1, &out);
	return out;
}

void net_output(net *g, val v)
{
	clast_diag d = { 0 };
	expect(clast_builder_output(g->b, v, &d), &d, "an output");
}

val net_body_input(net *g, clast_dtype dtype, size_t rank, const int64_t *dims)
{
	clast_diag d = { 0 };
	const val v = new_name(g);
	expect(clast_builder_input(g->b, v, dtype, rank, dims, NULL, &d), &d, "an input of a body");
	return v;
}

void net_begin_body(net *g)
{
	clast_diag d = { 0 };
	expect(clast_builder_begin_body(g->b, "body", &d), &d, "clast_builder_begin_body");
}

int64_t net_end_body(net *g)
{
	clast_diag d = { 0 };
	int64_t body;
	expect(clast_builder_end_body(g->b, &body, &d), &d, "clast_builder_end_body");
	return body;
}

val unary(net *g, const char *op, val x)
{
	return net_node(g, op, IN(x), NULL);
}

val binary(net *g, const char *op, val x, val y)
{
	return net_node(g, op, IN(x, y), NULL);
}

val net_reshape_like(net *g, val x, val like, size_t count, const int64_t *entries)
{
	val part[CLAST_MAX_RANK + 1] = { NULL };
	const val shape = unary(g, "Shape", like);
	for (size_t i = 0; i < count; i++) {
		const int64_t n = entries[i];
		part[i] = integers(g, n);
		if (n > OF(0))
			continue;
		const bool twice = n <= TWICE(0);
		part[i] = net_node(g, "Gather", IN(shape, integers(g, twice ? TWICE(0) - n : OF(0) - n)), NULL);
		if (twice)
			part[i] = binary(g, "Mul", part[i], integers(g, 2));
	}
	return binary(g, "Reshape", x, net_node(g, "Concat", part, WITH(INT("axis", 0))));
}

val conv(net *g, val x, int64_t from, int64_t to, int64_t k)
{
	const int64_t p = k / 2, q = (k - 1) / 2;
	return net_node(g, "Conv", IN(x, weight(g, to, from, k, k), weight(g, to)), WITH(INTS("pads", q, q, p, p)));
}

val stem(net *g)
{
	const extents *e = g->e;
	return conv(g, net_input(g, DIMS(e->n, e->c, e->h, e->w)), e->c, e->c, 3);
}

val linear(net *g, val x, int64_t from, int64_t to)
{
	return binary(g, "Add", net_node(g, "MatMul", IN(x, weight(g, from, to)), NULL), weight(g, to));
}
