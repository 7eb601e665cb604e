#include "thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"
#include "diag.h"

/* How long a thread spins before it sleeps: about the cost of a sleep and a wake, so that waiting never costs
 * more than twice the best choice. */
enum { SPIN_NANOSECONDS = 50000 };

/* A word that threads wait on until it changes. */
typedef struct event {
	_Alignas(MEM_ALIGNMENT) _Atomic uint32_t word;
	_Atomic uint32_t sleepers;
} event;

typedef struct pool_thread {
	pthread_t thread;
	struct thread_pool *pool;
	size_t index;
} pool_thread;

struct thread_pool {
	mem *m;
	size_t workers;
	bool spin; /* false where the threads outnumber the CPUs: the one waited for may need this CPU */
	pthread_mutex_t run; /* held by the caller of a run */
	void (*body)(void *context, size_t worker, size_t workers);
	void *context;
	bool stop;
	event start; /* counts runs */
	event phase; /* counts barriers */
	_Alignas(MEM_ALIGNMENT) _Atomic uint32_t arrived;
	pool_thread threads[]; /* workers - 1 of them: the caller of a run is worker 0 */
};

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile(
		"isb" ::
			: "memory"); /* about as long as x86's pause; yield is a no-op on most cores */
#endif
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Returns when the word differs from `old`, having seen all that was written before it changed. */
static void event_wait(event *e, uint32_t old, bool spin)
{
	if (spin) {
		const uint64_t start = now();
		do {
			for (int i = 0; i < 32; i++) {
				if (atomic_load_explicit(&e->word, memory_order_acquire) != old)
					return;
				pause_cpu();
			}
		} while (now() - start < SPIN_NANOSECONDS);
	}
	/* Sequentially consistent against event_set: either it sees the sleeper, or the sleeper sees the new
	 * word. */
	atomic_fetch_add(&e->sleepers, 1);
	while (atomic_load(&e->word) == old)
		syscall(SYS_futex, &e->word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
	atomic_fetch_sub(&e->sleepers, 1);
}

static void event_advance(event *e)
{
	atomic_fetch_add(&e->word, 1);
	if (atomic_load(&e->sleepers))
		syscall(SYS_futex, &e->word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* All workers count themselves in; the last one lets the others go. The phase cannot advance before this
 * worker has arrived, so reading it first is safe. */
void thread_pool_barrier(thread_pool *pool, size_t worker)
{
	(void)worker;
	if (pool->workers == 1)
		return;
	const uint32_t phase = atomic_load_explicit(&pool->phase.word, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1 < pool->workers) {
		event_wait(&pool->phase, phase, pool->spin);
		return;
	}
	atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
	event_advance(&pool->phase);
}

static void *worker_main(void *argument)
{
	const pool_thread *w = argument;
	thread_pool *pool = w->pool;
	for (uint32_t seen = 0;; seen++) {
		event_wait(&pool->start, seen, pool->spin);
		if (pool->stop)
			return NULL;
		pool->body(pool->context, w->index, pool->workers);
		thread_pool_barrier(pool, w->index);
	}
}

void thread_pool_run(thread_pool *pool, void (*body)(void *context, size_t worker, size_t workers),
		     void *context)
{
	pthread_mutex_lock(&pool->run);
	pool->body = body;
	pool->context = context;
	if (pool->workers > 1)
		event_advance(&pool->start);
	body(context, 0, pool->workers);
	thread_pool_barrier(pool, 0);
	pthread_mutex_unlock(&pool->run);
}

static size_t pool_bytes(size_t workers)
{
	return sizeof(thread_pool) + workers * sizeof(pool_thread);
}

/* Stops the first `started` threads and frees the pool. */
static void destroy(thread_pool *pool, size_t started)
{
	pool->stop = true;
	event_advance(&pool->start);
	for (size_t i = 0; i < started; i++)
		pthread_join(pool->threads[i].thread, NULL);
	pthread_mutex_destroy(&pool->run);
	mem_free(pool->m, pool, pool_bytes(pool->workers));
}

clast_status thread_pool_create(mem *m, size_t threads, thread_pool **out, clast_diag *d)
{
	*out = NULL;
	const size_t cpus = cpu_allowed();
	size_t workers = threads ? threads : cpus;
	workers = workers < THREAD_POOL_MAX ? workers : THREAD_POOL_MAX;
	thread_pool *pool = mem_calloc(m, pool_bytes(workers));
	if (!pool)
		return fail_memory(d, pool_bytes(workers));
	pool->m = m;
	pool->workers = workers;
	pool->spin = workers <= cpus;
	pthread_mutex_init(&pool->run, NULL);
	/* Signals are the program's business: its handlers must not run on our threads. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = 0;
	size_t started = 0;
	while (!error && started < workers - 1) {
		pool_thread *w = &pool->threads[started];
		*w = (pool_thread){ .pool = pool, .index = started + 1 };
		error = pthread_create(&w->thread, NULL, worker_main, w);
		started += !error;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		destroy(pool, started);
		return fail(d, CLAST_ERROR_MEMORY, "cannot start thread %zu of %zu: %s", started + 2, workers,
			    strerror(error));
	}
	*out = pool;
	return CLAST_OK;
}

void thread_pool_free(thread_pool **pool)
{
	if (*pool)
		destroy(*pool, (*pool)->workers - 1);
	*pool = NULL;
}

size_t thread_pool_threads(const thread_pool *pool)
{
	return pool->workers;
}
