#include <criterion/criterion.h>
#include <string.h>

#include "pass.h"

static value_id named(clast_model *m, graph_id g, const char *name)
{
	value_id v;
	clast_diag d;
	cr_assert_eq(graph_add_value(m, g, name, &v, &d), CLAST_OK);
	return v;
}

/* Splits x, of 5 elements, into parts: 5 can be, 4 cannot. */
static graph_id split(clast_model *m, value_id x, int64_t parts)
{
	const attr_value attr = { .name = "num_outputs", .type = CLAST_ATTRIBUTE_INT, .i = parts };
	graph_id g;
	clast_diag d = { 0 };
	value_id out[8];
	node_id n;
	cr_assert_eq(graph_add(m, "branch", 0, &g, &d), CLAST_OK);
	for (int64_t i = 0; i < parts; i++)
		out[i] = named(m, g, "part");
	cr_assert_eq(graph_add_node(m, g, "", "Split", 18, "split", 1, &x, (size_t)parts, out, 1, &attr, &n, &d), CLAST_OK);
	cr_assert_eq(graph_add_output(m, g, out[0], &d), CLAST_OK);
	return g;
}

/* z = -If(condition, part of 5, part of 4). */
static clast_status run(int condition, clast_model **out)
{
	clast_model *m;
	clast_diag d = { 0 };
	const shape s = { .rank = 1, .dims = { 5 } }, scalar = { .rank = 0 };
	graph_id g;
	node_id n;
	tensor_view *t;
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	if (!m->graph_count)
		cr_assert_eq(graph_add(m, "main", NO_ID, &g, &d), CLAST_OK);
	const value_id x = named(m, 0, "x"), c = named(m, 0, "c"), y = named(m, 0, "y"), z = named(m, 0, "z");
	cr_assert_eq(graph_set_shape(m, x, CLAST_FLOAT32, &s, &d), CLAST_OK);
	cr_assert_eq(graph_add_input(m, 0, x, &d), CLAST_OK);
	if (condition < 0) {
		cr_assert_eq(graph_set_shape(m, c, CLAST_BOOL, &scalar, &d), CLAST_OK);
		cr_assert_eq(graph_add_input(m, 0, c, &d), CLAST_OK);
	} else {
		cr_assert_eq(model_constant(m, CLAST_BOOL, 0, NULL, &t, &d), CLAST_OK);
		store_int(t, 0, condition);
		graph_set_constant(m, c, t);
	}
	const attr_value attrs[] = { { .name = "then_branch", .type = 5, .graph = split(m, x, 5) },
		                     { .name = "else_branch", .type = 5, .graph = split(m, x, 4) } };
	cr_assert_eq(graph_add_node(m, 0, "", "If", 18, "if", 1, &c, 1, &y, 2, attrs, &n, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(graph_add_node(m, 0, "", "Neg", 18, "neg", 1, &y, 1, &z, 0, NULL, &n, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(graph_add_output(m, 0, z, &d), CLAST_OK);
	cr_assert_eq(graph_sort(m, &d), CLAST_OK);
	graph_count_uses(m);
	*out = m;
	return passes_run(m, &d);
}

Test(branch, nodes_of_a_constant_condition_move_out)
{
	clast_model *m;
	cr_assert_eq(run(1, &m), CLAST_OK);
	const graph *g = &m->graphs[0];
	cr_assert_eq(g->node_count, 2);
	cr_assert_str_eq(m->nodes[g->nodes[0]].op->name, "Split");
	cr_assert_eq(m->nodes[g->nodes[0]].n_out, 5);
	cr_assert_str_eq(m->nodes[g->nodes[1]].op->name, "Neg");
	cr_assert_eq(m->nodes[g->nodes[1]].in[0], m->nodes[g->nodes[0]].out[0]);
	cr_assert_eq(m->values[g->outputs[0]].dims[0], 1);
	model_release(m);
}

Test(branch, what_runs_must_fit)
{
	clast_model *m;
	cr_assert_eq(run(0, &m), CLAST_ERROR_MODEL);
	model_release(m);
}

Test(branch, what_may_run_is_refused_when_it_does)
{
	clast_model *m;
	cr_assert_eq(run(-1, &m), CLAST_OK);
	cr_expect_null(m->graphs[1].refusal);
	cr_expect_not_null(m->graphs[2].refusal);
	cr_expect(m->graphs[2].refusal && strstr(m->graphs[2].refusal, "Split"), "%s", m->graphs[2].refusal);
	cr_expect_eq(m->values[m->graphs[0].outputs[0]].dims[0], 1);
	model_release(m);
}
