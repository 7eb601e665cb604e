/* Bodies of If, Loop and Scan, made by calls. */
#include <string.h>

#include <criterion/criterion.h>

#include "net.h"

static const extents small = { .n = 1, .c = 2, .h = 3, .w = 4, .d = 2, .g = 1, .wh = 1, .ww = 1 };

static void expect_refused(clast_status s, const clast_diag *d, const char *part)
{
	cr_expect_neq(s, CLAST_OK);
	cr_expect_not_null(strstr(d->message, part), "expected '%s' in: %s", part, d->message);
}

Test(builder, a_body_ends_before_the_model_does)
{
	clast_diag d = { 0 };
	clast_model *m;
	net g;
	net_begin(&g, &small, 17);
	net_output(&g, unary(&g, "Relu", net_input(&g, DIMS(2))));
	net_begin_body(&g);
	expect_refused(clast_builder_finish(&g.b, &m, &d), &d, "has not ended");
	cr_expect_null(m);
	net_free_inputs(&g);
}

Test(builder, no_body_ends_that_has_not_begun)
{
	clast_diag d = { 0 };
	int64_t body;
	net g;
	net_begin(&g, &small, 17);
	expect_refused(clast_builder_end_body(g.b, &body, &d), &d, "no body has begun");
	clast_builder_free(&g.b);
}

Test(builder, a_body_belongs_to_a_node)
{
	clast_diag d = { 0 };
	clast_model *m;
	net g;
	net_begin(&g, &small, 17);
	const val x = net_input(&g, DIMS(2));
	net_output(&g, unary(&g, "Relu", x));
	net_begin_body(&g);
	net_output(&g, unary(&g, "Neg", x));
	net_end_body(&g);
	expect_refused(clast_builder_finish(&g.b, &m, &d), &d, "belongs to no node");
	net_free_inputs(&g);
}

Test(builder, a_body_belongs_to_one_node)
{
	clast_diag d = { 0 };
	net g;
	net_begin(&g, &small, 17);
	const val x = net_input(&g, DIMS(2)), yes = net_scalar(&g, CLAST_BOOL, 1);
	net_begin_body(&g);
	net_output(&g, unary(&g, "Neg", x));
	const int64_t body = net_end_body(&g);
	const clast_attribute twice[] = { BODY("then_branch", body), BODY("else_branch", body) };
	const char *const out[] = { "y" };
	expect_refused(clast_builder_node(g.b, "If", "", "choice", 1, &yes, 1, out, 2, twice, &d), &d, "no node has taken");
	cr_expect_str_eq(d.node, "choice");
	clast_builder_free(&g.b);
	net_free_inputs(&g);
}

Test(builder, what_a_body_computes_is_not_seen_outside)
{
	clast_diag d = { 0 };
	net g;
	net_begin(&g, &small, 17);
	const val x = net_input(&g, DIMS(2));
	net_begin_body(&g);
	const val inner = unary(&g, "Neg", x);
	net_output(&g, inner);
	net_end_body(&g);
	const char *const out[] = { "y" };
	expect_refused(clast_builder_node(g.b, "Relu", "", "", 1, &inner, 1, out, 0, NULL, &d), &d, "belongs to a body that has ended");
	clast_builder_free(&g.b);
	net_free_inputs(&g);
}

/* y = x < 0 ? (x < -1 ? -x : 2x) : 3x by two Ifs, the inner one in a branch of the outer. */
Test(builder, bodies_may_be_nested)
{
	static const float given[] = { -2, -0.5f, 4 }, expected[] = { 2, -1, 12 };
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	int64_t body[4];
	net g;
	net_begin(&g, &small, 17);
	const val x = net_input(&g, 0, NULL);
	const val low = net_node(&g, "Less", IN(x, net_scalar(&g, CLAST_FLOAT32, 0)), NULL);
	net_begin_body(&g);
	const val lower = net_node(&g, "Less", IN(x, net_scalar(&g, CLAST_FLOAT32, -1)), NULL);
	for (int i = 0; i < 2; i++) {
		net_begin_body(&g);
		net_output(&g, i ? binary(&g, "Add", x, x) : unary(&g, "Neg", x));
		body[i] = net_end_body(&g);
	}
	net_output(&g, net_node(&g, "If", IN(lower), WITH(BODY("then_branch", body[0]), BODY("else_branch", body[1]))));
	body[2] = net_end_body(&g);
	net_begin_body(&g);
	net_output(&g, binary(&g, "Mul", x, net_scalar(&g, CLAST_FLOAT32, 3)));
	body[3] = net_end_body(&g);
	net_output(&g, net_node(&g, "If", IN(low), WITH(BODY("then_branch", body[2]), BODY("else_branch", body[3]))));
	clast_model *m = net_end(&g);
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	for (int i = 0; i < 3; i++) {
		clast_tensor *y = NULL;
		*(float *)clast_tensor_data(g.inputs[0]) = given[i];
		cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const *)g.inputs, 1, &y, &d), CLAST_OK, "%s", d.message);
		cr_expect_eq(*(float *)clast_tensor_data(y), expected[i], "%g gives %g", given[i], *(float *)clast_tensor_data(y));
	}
	clast_session_free(&s);
	clast_plan_free(&p);
	clast_model_free(&m);
	net_free_inputs(&g);
}
