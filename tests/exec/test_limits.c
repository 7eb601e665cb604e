/* What a run may not do: go on beyond its limits, or write to the model. */
#include <criterion/criterion.h>
#include <string.h>

#include "session.h"
#include "pass.h"

static value_id add_value(clast_model *m, graph_id g, const char *name, clast_dtype dtype, int rank, dim extent)
{
	value_id v;
	const shape s = { .rank = rank, .dims = { extent } };
	cr_assert_eq(graph_add_value(m, g, name, &v, NULL), CLAST_OK);
	cr_assert_eq(graph_set_shape(m, v, dtype, &s, NULL), CLAST_OK);
	return v;
}

static value_id add_input(clast_model *m, graph_id g, const char *name, clast_dtype dtype, int rank, dim extent)
{
	const value_id v = add_value(m, g, name, dtype, rank, extent);
	cr_assert_eq(graph_add_input(m, g, v, NULL), CLAST_OK);
	return v;
}

static void add_node(clast_model *m, graph_id g, const char *type, size_t n_in, const value_id *in, size_t n_out, const value_id *out,
                     size_t n_attrs, const attr_value *attrs)
{
	clast_diag d = { 0 };
	node_id id;
	cr_assert_eq(graph_add_node(m, g, "", type, 13, type, n_in, in, n_out, out, n_attrs, attrs, &id, &d), CLAST_OK, "%s", d.message);
}

static clast_plan *finish(clast_model *m)
{
	clast_diag d = { 0 };
	clast_plan *p;
	cr_assert_eq(graph_sort(m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(passes_run(m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s", d.message);
	model_release(m);
	return p;
}

/* A loop without a trip count and with a condition that stays what it was. */
static clast_plan *endless_loop(void)
{
	clast_model *m;
	graph_id body;
	cr_assert_eq(model_create(NULL, &m, NULL), CLAST_OK);
	const value_id cond = add_input(m, 0, "cond", CLAST_BOOL, 0, 0), x = add_input(m, 0, "x", CLAST_FLOAT32, 1, 2);
	cr_assert_eq(graph_add(m, "body", 0, &body, NULL), CLAST_OK);
	add_input(m, body, "i", CLAST_INT64, 0, 0);
	const value_id again = add_input(m, body, "c", CLAST_BOOL, 0, 0), v = add_input(m, body, "v", CLAST_FLOAT32, 1, 2);
	value_id more, next, y;
	cr_assert_eq(graph_add_value(m, body, "more", &more, NULL), CLAST_OK);
	cr_assert_eq(graph_add_value(m, body, "next", &next, NULL), CLAST_OK);
	add_node(m, body, "Identity", 1, &again, 1, &more, 0, NULL);
	add_node(m, body, "Relu", 1, &v, 1, &next, 0, NULL);
	cr_assert_eq(graph_add_output(m, body, more, NULL), CLAST_OK);
	cr_assert_eq(graph_add_output(m, body, next, NULL), CLAST_OK);
	cr_assert_eq(graph_add_value(m, 0, "y", &y, NULL), CLAST_OK);
	const attr_value attr = { .name = "body", .type = 5, .graph = body };
	add_node(m, 0, "Loop", 3, (value_id[]){ NO_ID, cond, x }, 1, &y, 1, &attr);
	cr_assert_eq(graph_add_output(m, 0, y, NULL), CLAST_OK);
	return finish(m);
}

static clast_status run_loop(clast_plan *p, bool cond, clast_session_options o, clast_diag *d)
{
	float x[2] = { 1, -1 };
	uint8_t c = cond;
	clast_tensor *in[2], *out = NULL;
	clast_session *s;
	o.struct_size = sizeof o;
	cr_assert_eq(clast_session_create(p, &o, &s, d), CLAST_OK);
	cr_assert_eq(clast_tensor_wrap(CLAST_BOOL, 0, NULL, NULL, &c, &in[0], d), CLAST_OK);
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 1, (int64_t[]){ 2 }, NULL, x, &in[1], d), CLAST_OK);
	const clast_status status = clast_session_run(s, 2, (const clast_tensor *const *)in, 1, &out, d);
	clast_tensor_free(&in[0]);
	clast_tensor_free(&in[1]);
	clast_session_free(&s);
	return status;
}

static bool stop_at_zero(void *context, double fraction)
{
	(void)fraction;
	return --*(int *)context > 0;
}

Test(limits, a_loop_ends_at_its_limit)
{
	clast_plan *p = endless_loop();
	clast_diag d = { 0 };
	for (size_t threads = 1; threads <= 3; threads++) {
		const clast_session_options o = { .threads = threads, .limits.loop_iterations = 1000 };
		cr_assert_eq(run_loop(p, false, o, &d), CLAST_OK, "%s", d.message);
		cr_assert_eq(run_loop(p, true, o, &d), CLAST_ERROR_LIMIT);
		cr_assert(strstr(d.message, "loop_iterations") && strstr(d.message, "1000"), "%s", d.message);
	}
	clast_plan_free(&p);
}

Test(limits, a_loop_without_end_can_be_cancelled, .timeout = 60)
{
	clast_plan *p = endless_loop();
	for (size_t threads = 1; threads <= 3; threads++) {
		clast_diag d = { 0 };
		int left = 50;
		const clast_session_options o = { .threads = threads, .progress = stop_at_zero, .progress_context = &left };
		cr_assert_eq(run_loop(p, true, o, &d), CLAST_ERROR_CANCELLED);
	}
	clast_plan_free(&p);
}

/* Shape of [N, 3] split in two: one half is known, and yet the node has to run for the other. */
Test(limits, nodes_do_not_write_to_constants)
{
	clast_model *m;
	cr_assert_eq(model_create(NULL, &m, NULL), CLAST_OK);
	const dim n = dim_symbol(m->dims, "N", 0, DIM_NO_MAX);
	value_id x = add_input(m, 0, "x", CLAST_FLOAT32, 1, n), sum, both, half[2];
	shape s = { .rank = 2, .dims = { n, 3 } };
	cr_assert_eq(graph_set_shape(m, x, CLAST_FLOAT32, &s, NULL), CLAST_OK);
	cr_assert_eq(graph_add_value(m, 0, "sum", &sum, NULL), CLAST_OK);
	cr_assert_eq(graph_add_value(m, 0, "both", &both, NULL), CLAST_OK);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(graph_add_value(m, 0, i ? "known" : "open", &half[i], NULL), CLAST_OK);
	add_node(m, 0, "Shape", 1, &x, 1, &both, 0, NULL);
	add_node(m, 0, "Split", 1, &both, 2, half, 0, NULL);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(graph_add_output(m, 0, half[i], NULL), CLAST_OK);
	clast_plan *p = finish(m);
	size_t constants = 0;
	for (size_t i = 0; i < p->step_count; i++)
		for (uint32_t j = 0; j < p->steps[i].n_out; j++) {
			const uint32_t pv = step_out(p, &p->steps[i])[j];
			if (pv == NO_ID)
				continue;
			cr_assert_not(p->values[pv].constant);
			constants += p->model->values[p->facts[p->values[pv].fact]].constant != NULL;
		}
	cr_assert_eq(constants, 1, "the case that this test is about does not occur");
	clast_session *session;
	clast_tensor *in, *out[2] = { NULL };
	float data[15];
	clast_diag d = { 0 };
	cr_assert_eq(clast_session_create(p, NULL, &session, &d), CLAST_OK);
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 2, (int64_t[]){ 5, 3 }, NULL, data, &in, &d), CLAST_OK);
	cr_assert_eq(clast_session_run(session, 1, (const clast_tensor *const *)&in, 2, out, &d), CLAST_OK, "%s", d.message);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(*(int64_t *)clast_tensor_data(out[i]), i ? 3 : 5);
	clast_tensor_free(&in);
	clast_session_free(&session);
	clast_plan_free(&p);
}
