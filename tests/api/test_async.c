/* Runs that nobody waits for: ownership, errors, cancelling, and the end of a session in the middle of one. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "clast/clast.h"

TestSuite(async, .timeout = 120);

#define OK(call) cr_assert_eq((call), CLAST_OK, "%s", diag.message)

enum { STEPS = 24 };

typedef struct setting {
	clast_model *m;
	clast_plan *plan;
	clast_session *session;
	clast_tensor *x;
	_Atomic int steps;     /* seen by the profile */
	_Atomic bool hold;     /* the profile waits until it is false */
} setting;

static void pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

static void watch(void *context, size_t step, uint64_t start, uint64_t end)
{
	setting *x = context;
	(void)step, (void)start, (void)end;
	x->steps++;
	while (x->hold)
		pause_ms(1);
}

/* A chain of cumulative sums and exponentials of their negatives, no two of which fuse. */
static void begin(setting *x)
{
	clast_diag diag = { 0 };
	clast_builder *b;
	const int64_t zero = 0, dims[] = { -1 };
	const char *const names[] = { "n" };
	char from[16] = "x", to[16];
	clast_tensor *axis;
	*x = (setting){ 0 };
	OK(clast_builder_create(17, NULL, &b, &diag));
	OK(clast_builder_input(b, "x", CLAST_FLOAT32, 1, dims, names, &diag));
	OK(clast_tensor_wrap(CLAST_INT64, 0, NULL, NULL, (void *)&zero, &axis, &diag));
	OK(clast_builder_constant(b, "axis", axis, &diag));
	clast_tensor_free(&axis);
	for (int i = 0; i < STEPS; i++) {
		const char *in[] = { from, "axis" }, *out[] = { to };
		snprintf(to, sizeof to, "v%d", i);
		OK(clast_builder_node(b, i % 2 ? "Tanh" : "CumSum", "", to, i % 2 ? 1 : 2, in, 1, out, 0, NULL, &diag));
		strcpy(from, to);
	}
	OK(clast_builder_output(b, from, &diag));
	OK(clast_builder_finish(&b, &x->m, &diag));
	OK(clast_plan_create(x->m, NULL, &x->plan, &diag));
	const clast_session_options so = { .struct_size = sizeof so, .threads = 2, .profile = watch, .profile_context = x };
	OK(clast_session_create(x->plan, &so, &x->session, &diag));
	OK(clast_tensor_create(CLAST_FLOAT32, 1, (int64_t[]){ 100 }, NULL, &x->x, &diag));
	for (int i = 0; i < 100; i++)
		((float *)clast_tensor_data(x->x))[i] = (float)(i % 7) * 0.01f - 0.03f;
}

static void end(setting *x)
{
	clast_tensor_free(&x->x);
	clast_session_free(&x->session);
	clast_plan_free(&x->plan);
	clast_model_free(&x->m);
}

static clast_status start(setting *x, clast_tensor **y, clast_diag *d)
{
	return clast_session_run_async(x->session, 1, (const clast_tensor *const *)&x->x, 1, y, d);
}

Test(async, the_answer_is_that_of_a_run_that_is_waited_for)
{
	setting x;
	clast_diag diag = { 0 };
	clast_tensor *y = NULL, *mine = NULL;
	float now[100], later[100];
	begin(&x);
	OK(clast_session_run(x.session, 1, (const clast_tensor *const *)&x.x, 1, &y, &diag));
	OK(clast_tensor_read(y, now, sizeof now));
	for (int i = 0; i < 20; i++) {
		y = NULL;
		OK(start(&x, &y, &diag));
		OK(clast_session_wait(x.session, &diag));
		cr_assert_not_null(y);
		OK(clast_tensor_read(y, later, sizeof later));
		cr_assert_arr_eq(now, later, sizeof now);
	}
	OK(clast_tensor_create(CLAST_FLOAT32, 1, (int64_t[]){ 100 }, NULL, &mine, &diag)); /* the caller's own */
	y = mine;
	OK(start(&x, &y, &diag));
	OK(clast_session_wait(x.session, &diag));
	cr_expect_eq(y, mine);
	cr_expect_arr_eq(now, clast_tensor_data(mine), sizeof now);
	clast_tensor_free(&mine);
	end(&x);
}

Test(async, one_run_at_a_time)
{
	setting x;
	clast_diag diag = { 0 };
	clast_tensor *y = NULL, *z = NULL;
	begin(&x);
	cr_expect_eq(clast_session_wait(x.session, &diag), CLAST_ERROR_ARGUMENT);
	cr_expect_not(clast_session_running(x.session));
	x.hold = true;
	OK(start(&x, &y, &diag));
	cr_expect(clast_session_running(x.session));
	cr_expect_eq(start(&x, &z, &diag), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_session_run(x.session, 1, (const clast_tensor *const *)&x.x, 1, &z, &diag), CLAST_ERROR_ARGUMENT);
	cr_expect(strstr(diag.message, "clast_session_wait"), "%s", diag.message);
	x.hold = false;
	while (clast_session_running(x.session))
		pause_ms(1);
	cr_expect_null(y, "outputs are given by the wait");
	cr_expect_eq(start(&x, &z, &diag), CLAST_ERROR_ARGUMENT, "nobody has waited yet");
	OK(clast_session_wait(x.session, &diag));
	cr_expect_not_null(y);
	cr_expect_eq(clast_session_wait(x.session, &diag), CLAST_ERROR_ARGUMENT);
	end(&x);
}

Test(async, errors_of_the_run_come_with_the_wait)
{
	setting x;
	clast_diag diag = { 0 };
	clast_tensor *y = NULL, *wrong;
	begin(&x);
	cr_expect_eq(clast_session_run_async(x.session, 0, NULL, 0, NULL, &diag), CLAST_ERROR_ARGUMENT);
	cr_expect_eq(clast_session_run_async(NULL, 0, NULL, 0, NULL, &diag), CLAST_ERROR_ARGUMENT);
	OK(clast_tensor_create(CLAST_INT32, 1, (int64_t[]){ 4 }, NULL, &wrong, &diag));
	memset(&diag, 0, sizeof diag);
	OK(clast_session_run_async(x.session, 1, (const clast_tensor *const *)&wrong, 1, &y, &diag));
	cr_expect_eq(clast_session_wait(x.session, &diag), CLAST_ERROR_ARGUMENT);
	cr_expect(strstr(diag.message, "float32"), "%s", diag.message);
	cr_expect_eq(diag.status, CLAST_ERROR_ARGUMENT);
	cr_expect_null(y);
	clast_tensor_free(&wrong);
	OK(start(&x, &y, &diag)); /* and the next one is none the worse */
	OK(clast_session_wait(x.session, &diag));
	end(&x);
}

Test(async, a_run_ends_when_it_is_cancelled)
{
	setting x;
	clast_diag diag = { 0 };
	clast_tensor *y = NULL;
	begin(&x);
	clast_session_cancel(x.session); /* of nothing */
	OK(clast_session_run(x.session, 1, (const clast_tensor *const *)&x.x, 1, &y, &diag));
	const int all = x.steps;
	x.steps = 0;
	x.hold = true;
	y = NULL;
	OK(start(&x, &y, &diag));
	while (!x.steps)
		pause_ms(1);
	clast_session_cancel(x.session);
	x.hold = false;
	cr_expect_eq(clast_session_wait(x.session, &diag), CLAST_ERROR_CANCELLED);
	cr_expect_lt(x.steps, all);
	cr_expect_null(y);
	OK(start(&x, &y, &diag));
	OK(clast_session_wait(x.session, &diag));
	end(&x);
}

static void *cancel_soon(void *context)
{
	setting *x = context;
	while (!x->steps)
		pause_ms(1);
	clast_session_cancel(x->session);
	x->hold = false;
	return NULL;
}

Test(async, another_thread_may_cancel_a_run_that_is_waited_for)
{
	setting x;
	clast_diag diag = { 0 };
	clast_tensor *y = NULL;
	pthread_t other;
	begin(&x);
	x.hold = true;
	cr_assert_eq(pthread_create(&other, NULL, cancel_soon, &x), 0);
	cr_expect_eq(clast_session_run(x.session, 1, (const clast_tensor *const *)&x.x, 1, &y, &diag), CLAST_ERROR_CANCELLED);
	pthread_join(other, NULL);
	end(&x);
}

Test(async, a_session_may_be_freed_in_the_middle_of_a_run)
{
	for (int i = 0; i < 8; i++) {
		setting x;
		clast_diag diag = { 0 };
		clast_tensor *y = NULL;
		begin(&x);
		OK(start(&x, &y, &diag));
		if (i % 2)
			pause_ms(i % 4);
		clast_session_free(&x.session);
		cr_expect_null(y);
		end(&x);
	}
}
