/* What clast_session_get_work says of the processor time of threads. */
#include <criterion/criterion.h>

#include "net.h"

static void run(net *g, clast_session *s)
{
	const clast_tensor *in[] = { g->inputs[0] };
	clast_tensor *out[1] = { NULL };
	clast_diag d = { 0 };
	cr_assert_eq(clast_session_run(s, 1, in, 1, out, &d), CLAST_OK, "%s", d.message);
}

/* The processor time of all steps together; each one's busiest thread takes its share or more, and not more than all. */
static double total_of(net *g, clast_plan *p, size_t threads, bool balance)
{
	const clast_session_options o = { .struct_size = sizeof o, .threads = threads, .balance = balance };
	clast_session *s;
	double sum = 0;
	cr_assert_eq(clast_session_create(p, &o, &s, NULL), CLAST_OK);
	for (int i = 0; i < 3; i++)
		run(g, s);
	for (size_t i = 0; i < clast_plan_step_count(p); i++) {
		clast_step_work w = { .struct_size = sizeof w };
		cr_assert_eq(clast_session_get_work(s, i, &w), CLAST_OK);
		cr_assert(w.critical_ns <= w.total_ns && w.critical_ns * (double)threads >= w.total_ns * 0.999, "step %zu: %g of %g ns in %zu threads",
			  i, w.critical_ns, w.total_ns, threads);
		cr_assert(!balance || !w.tasks || w.total_ns > 0);
		sum += w.total_ns;
	}
	clast_session_free(&s);
	return sum;
}

Test(balance, adds_up_for_any_number_of_threads)
{
	const extents e = { .n = 1, .c = 48, .h = 20, .w = 24, .d = 40 };
	net g;
	clast_plan *p;
	net_begin(&g, &e, 17);
	val x = unary(&g, "Relu", conv(&g, stem(&g), e.c, e.d, 3));
	x = net_node(&g, "CumSum", IN(x, net_scalar(&g, CLAST_INT64, 1)), NULL); /* by its reference */
	x = unary(&g, "Flatten", unary(&g, "GlobalAveragePool", conv(&g, x, e.d, e.c, 1)));
	net_output(&g, linear(&g, x, e.c, 100));
	clast_model *m = net_end(&g);
	cr_assert_eq(clast_plan_create(m, NULL, &p, NULL), CLAST_OK);
	for (size_t threads = 1; threads <= 4; threads++)
		cr_assert(total_of(&g, p, threads, true) > 0);
	cr_assert_eq(total_of(&g, p, 2, false), 0);
	clast_plan_free(&p);
	clast_model_free(&m);
	net_free_inputs(&g);
}
