#include <criterion/criterion.h>
#include <string.h>

#include "pass.h"

static value_id scalar(clast_model *m, clast_dtype dtype, double x)
{
	tensor_view *t;
	value_id v;
	clast_diag d;
	cr_assert_eq(model_constant(m, dtype, 0, NULL, &t, &d), CLAST_OK);
	store_real(t, 0, x);
	cr_assert_eq(graph_add_value(m, 0, "constant", &v, &d), CLAST_OK);
	graph_set_constant(m, v, t);
	return v;
}

/* The operator that y = Dropout(x, ratio, training) has become. */
static const char *run(double ratio, double training, bool mask_used)
{
	clast_model *m;
	clast_diag d = { 0 };
	const shape s = { .rank = 1, .dims = { 4 } };
	value_id in[3], out[2];
	node_id n;
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	if (!m->graph_count) {
		graph_id g;
		cr_assert_eq(graph_add(m, "main", NO_ID, &g, &d), CLAST_OK);
	}
	cr_assert_eq(graph_add_value(m, 0, "x", &in[0], &d), CLAST_OK);
	cr_assert_eq(graph_set_shape(m, in[0], CLAST_FLOAT32, &s, &d), CLAST_OK);
	cr_assert_eq(graph_add_input(m, 0, in[0], &d), CLAST_OK);
	in[1] = scalar(m, CLAST_FLOAT32, ratio);
	in[2] = scalar(m, CLAST_BOOL, training);
	cr_assert_eq(graph_add_value(m, 0, "y", &out[0], &d), CLAST_OK);
	cr_assert_eq(graph_add_value(m, 0, "mask", &out[1], &d), CLAST_OK);
	cr_assert_eq(graph_add_node(m, 0, "", "Dropout", 13, "node", 3, in, 2, out, 0, NULL, &n, &d),
		     CLAST_OK);
	cr_assert_eq(graph_add_output(m, 0, out[0], &d), CLAST_OK);
	if (mask_used)
		cr_assert_eq(graph_add_output(m, 0, out[1], &d), CLAST_OK);
	graph_count_uses(m);
	cr_assert_eq(passes_run(m, &d), CLAST_OK, "%s", d.message);
	const char *name = m->nodes[n].op->name;
	cr_assert_eq(m->nodes[n].out[0], out[0]);
	cr_assert_eq(m->nodes[n].out, m->nodes[n].in + m->nodes[n].n_in);
	cr_assert(!strcmp(name, "Dropout") || (m->nodes[n].n_in == 1 && m->nodes[n].n_out == 1));
	model_release(m);
	return name;
}

Test(dropout, is_a_copy_outside_training)
{
	cr_assert_str_eq(run(0.5, 0, false), "Identity");
	cr_assert_str_eq(run(0, 1, false), "Identity");
	cr_assert_str_eq(run(0.5, 1, false), "Dropout");
	cr_assert_str_eq(run(0.5, 0, true), "Dropout");
}
