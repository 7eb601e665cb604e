#include <criterion/criterion.h>
#include <string.h>

#include "pass.h"

typedef struct fixture {
	clast_model *m;
	value_id x, b, y;
	node_id n;
	clast_diag d;
} fixture;

static void add_value(fixture *f, const char *name, int rank, const int64_t *dims, value_id *v)
{
	shape s = { .rank = rank };
	for (int i = 0; i < rank; i++)
		s.dims[i] = dims[i];
	cr_assert_eq(graph_add_value(f->m, 0, name, v, &f->d), CLAST_OK);
	cr_assert_eq(graph_set_shape(f->m, *v, CLAST_FLOAT32, &s, &f->d), CLAST_OK);
}

/* y = op(x, b), x of shape [2, 3, 4]. */
static fixture build(const char *type, int64_t axis, int rank, const int64_t *dims, bool constant)
{
	fixture f = { 0 };
	tensor_view *t;
	cr_assert_eq(model_create(NULL, &f.m, &f.d), CLAST_OK);
	if (!f.m->graph_count) {
		graph_id g;
		cr_assert_eq(graph_add(f.m, "main", NO_ID, &g, &f.d), CLAST_OK);
	}
	add_value(&f, "x", 3, (int64_t[]){ 2, 3, 4 }, &f.x);
	add_value(&f, "b", rank, dims, &f.b);
	cr_assert_eq(graph_add_input(f.m, 0, f.x, &f.d), CLAST_OK);
	if (constant) {
		cr_assert_eq(model_constant(f.m, CLAST_FLOAT32, rank, dims, &t, &f.d), CLAST_OK);
		for (int64_t i = 0; i < view_count(t); i++)
			store_real(t, i, (double)i);
		graph_set_constant(f.m, f.b, t);
	} else {
		cr_assert_eq(graph_add_input(f.m, 0, f.b, &f.d), CLAST_OK);
	}
	cr_assert_eq(graph_add_value(f.m, 0, "y", &f.y, &f.d), CLAST_OK);
	const attr_value attrs[] = { { .name = "broadcast", .type = CLAST_ATTRIBUTE_INT, .i = 1 },
				     { .name = "axis", .type = CLAST_ATTRIBUTE_INT, .i = axis } };
	const value_id in[] = { f.x, f.b };
	const bool prelu = !strcmp(type, "PRelu");
	cr_assert_eq(graph_add_node(f.m, 0, "", type, 6, "node", 2, in, 1, &f.y,
				    prelu               ? 0
				    : axis == INT64_MIN ? 1
							: 2,
				    attrs, &f.n, &f.d),
		     CLAST_OK, "%s", f.d.message);
	cr_assert_eq(graph_add_output(f.m, 0, f.y, &f.d), CLAST_OK);
	graph_count_uses(f.m);
	cr_assert_eq(passes_run(f.m, &f.d), CLAST_OK, "%s", f.d.message);
	return f;
}

static void check(const fixture *f, int rank, const int64_t *dims)
{
	const node *n = &f->m->nodes[f->n];
	const value *b = &f->m->values[n->in[1]], *y = &f->m->values[f->y];
	cr_assert_eq(n->version, 7);
	cr_assert_eq(b->rank, rank);
	for (int i = 0; i < rank; i++)
		cr_assert_eq(b->dims[i], dims[i]);
	cr_assert_eq(y->rank, 3);
	cr_assert(y->dims[0] == 2 && y->dims[1] == 3 && y->dims[2] == 4);
}

Test(legacy_broadcast, an_operand_gets_the_axes_it_lacks)
{
	for (int constant = 0; constant < 2; constant++) {
		fixture f = build("Add", 1, 1, (int64_t[]){ 3 }, constant);
		check(&f, 2, (int64_t[]){ 3, 1 });
		const tensor_view *t = f.m->values[f.m->nodes[f.n].in[1]].constant;
		cr_assert_eq(t != NULL, constant);
		for (int64_t i = 0; t && i < 3; i++)
			cr_assert_eq(load_real(t, axis_offset(t, 0, i)), (double)i);
		model_release(f.m);
		f = build("Mul", -3, 2, (int64_t[]){ 2, 3 }, constant);
		check(&f, 3, (int64_t[]){ 2, 3, 1 });
		model_release(f.m);
	}
}

Test(legacy_broadcast, operands_at_the_end_stay)
{
	fixture f = build("Sub", INT64_MIN, 2, (int64_t[]){ 3, 4 }, false);
	check(&f, 2, (int64_t[]){ 3, 4 });
	model_release(f.m);
	f = build("Sub", 0, 1, (int64_t[]){ 1 }, false);
	check(&f, 1, (int64_t[]){ 1 });
	model_release(f.m);
}

Test(legacy_broadcast, slopes_of_channels)
{
	fixture f = build("PRelu", INT64_MIN, 1, (int64_t[]){ 3 }, true);
	check(&f, 2, (int64_t[]){ 3, 1 });
	model_release(f.m);
}
