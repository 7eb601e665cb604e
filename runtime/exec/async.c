/* Runs that the caller does not wait for: a thread of the session's own runs them one by one. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "session.h"

typedef enum runner_state {
	RUNNER_IDLE,
	RUNNER_RUNNING,
	RUNNER_DONE, /* nobody has asked for the result yet */
	RUNNER_END   /* the thread is to end */
} runner_state;

struct session_runner {
	clast_session *s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	runner_state state;
	size_t input_count, output_count;
	const clast_tensor **inputs;    /* the caller's tensors; the arrays are ours */
	clast_tensor **outputs, **asked; /* asked: the caller's array, written when he waits */
	clast_status status;
	clast_diag diag;
};

static void *runner_main(void *argument)
{
	session_runner *r = argument;
	pthread_mutex_lock(&r->lock);
	while (r->state != RUNNER_END) {
		if (r->state != RUNNER_RUNNING) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		const clast_status s = session_run(r->s, r->input_count, r->inputs, r->output_count, r->outputs, &r->diag);
		pthread_mutex_lock(&r->lock);
		r->status = s;
		r->state = RUNNER_DONE;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void release(session_runner *r)
{
	mem *m = &r->s->memory;
	const plan_block *b = &r->s->plan->blocks[0];
	mem_free(m, r->inputs, ((size_t)b->input_count + 1) * sizeof *r->inputs);
	mem_free(m, r->outputs, ((size_t)b->output_count + 1) * sizeof *r->outputs);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	mem_free(m, r, sizeof *r);
}

/* Signals are the program's business: its handlers must not run on our thread. */
static int start_thread(session_runner *r)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&r->thread, NULL, runner_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static clast_status create(clast_session *s, clast_diag *d)
{
	const plan_block *b = &s->plan->blocks[0];
	session_runner *r = mem_calloc(&s->memory, sizeof *r);
	if (!r)
		return fail_memory(d, sizeof *r);
	r->s = s;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->inputs = mem_calloc(&s->memory, ((size_t)b->input_count + 1) * sizeof *r->inputs);
	r->outputs = mem_calloc(&s->memory, ((size_t)b->output_count + 1) * sizeof *r->outputs);
	clast_status status = r->inputs && r->outputs ? CLAST_OK : fail_memory(d, 0);
	int error = 0;
	if (!status && (error = start_thread(r)))
		status = fail(d, CLAST_ERROR_MEMORY, "cannot start a thread: %s", strerror(error));
	if (status)
		release(r);
	else
		s->runner = r;
	return status;
}

static runner_state state_of(session_runner *r)
{
	if (!r)
		return RUNNER_IDLE;
	pthread_mutex_lock(&r->lock);
	const runner_state state = r->state;
	pthread_mutex_unlock(&r->lock);
	return state;
}

bool session_is_taken(const clast_session *s)
{
	return state_of(s->runner) != RUNNER_IDLE;
}

bool clast_session_running(const clast_session *session)
{
	return session && state_of(session->runner) == RUNNER_RUNNING;
}

clast_status clast_session_run_async(clast_session *s, size_t input_count, const clast_tensor *const *inputs, size_t output_count,
                                     clast_tensor **outputs, clast_diag *d)
{
	clast_status status = session_check_run(s, input_count, inputs, output_count, outputs, d);
	if (!status && !s->runner)
		status = create(s, d);
	if (status)
		return status;
	session_runner *r = s->runner;
	pthread_mutex_lock(&r->lock);
	r->input_count = input_count;
	r->output_count = output_count;
	r->asked = outputs;
	if (input_count)
		memcpy(r->inputs, inputs, input_count * sizeof *inputs);
	if (output_count)
		memcpy(r->outputs, outputs, output_count * sizeof *outputs);
	memset(&r->diag, 0, sizeof r->diag);
	atomic_store(&s->cancel, false);
	r->state = RUNNER_RUNNING;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return CLAST_OK;
}

clast_status clast_session_wait(clast_session *s, clast_diag *d)
{
	session_runner *r = s ? s->runner : NULL;
	if (state_of(r) == RUNNER_IDLE)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_session_wait: no run was started");
	pthread_mutex_lock(&r->lock);
	while (r->state == RUNNER_RUNNING)
		pthread_cond_wait(&r->changed, &r->lock);
	const clast_status status = r->status;
	if (!status && r->output_count)
		memcpy(r->asked, r->outputs, r->output_count * sizeof *r->asked);
	if (status && d)
		*d = r->diag;
	r->state = RUNNER_IDLE;
	pthread_mutex_unlock(&r->lock);
	return status;
}

void clast_session_cancel(clast_session *s)
{
	if (s)
		atomic_store(&s->cancel, true);
}

void session_end_runner(clast_session *s)
{
	session_runner *r = s->runner;
	if (!r)
		return;
	clast_session_cancel(s);
	pthread_mutex_lock(&r->lock);
	while (r->state == RUNNER_RUNNING)
		pthread_cond_wait(&r->changed, &r->lock);
	r->state = RUNNER_END;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	release(r);
	s->runner = NULL;
}
