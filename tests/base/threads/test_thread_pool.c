#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "thread_pool.h"

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

static mem memory;

static thread_pool *create(size_t threads)
{
	thread_pool *pool = NULL;
	clast_diag d = { 0 };
	if (thread_pool_create(&memory, threads, &pool, &d)) {
		fprintf(stderr, "%s\n", d.message);
		exit(1);
	}
	return pool;
}

/* Plain memory, so that ThreadSanitizer sees every missing edge between a run, a barrier and what follows. */
typedef struct work {
	size_t rounds, n;
	uint64_t *a, *b;
	size_t entered[THREAD_POOL_MAX];
	thread_pool *pool;
} work;

/* Each round every element becomes the sum of its neighbours: a worker reads what others wrote before the
 * barrier. */
static void smooth(void *context, size_t worker, size_t workers)
{
	work *w = context;
	uint64_t *from = w->a, *to = w->b;
	size_t begin, end;
	task_range(w->n, worker, workers, &begin, &end);
	w->entered[worker]++;
	for (size_t r = 0; r < w->rounds; r++) {
		for (size_t i = begin; i < end; i++)
			to[i] = from[(i + w->n - 1) % w->n] + 3 * from[i] + from[(i + 1) % w->n];
		thread_pool_barrier(w->pool, worker);
		uint64_t *swap = from;
		from = to;
		to = swap;
	}
}

static void barriers_order_all_writes(size_t threads, size_t rounds, size_t runs)
{
	enum { N = 257 };
	uint64_t a[N], b[N], c[N], d[N];
	thread_pool *pool = create(threads);
	thread_pool *single = create(1);
	work w = { .rounds = rounds, .n = N, .a = a, .b = b, .pool = pool };
	work alone = { .rounds = rounds, .n = N, .a = c, .b = d, .pool = single };
	for (size_t i = 0; i < N; i++)
		a[i] = c[i] = i * i;
	for (size_t run = 0; run < runs; run++) {
		thread_pool_run(pool, smooth, &w);
		thread_pool_run(single, smooth, &alone);
		CHECK(!memcmp(a, c, sizeof(a)) && !memcmp(b, d, sizeof(b)));
	}
	for (size_t i = 0; i < thread_pool_threads(pool); i++)
		CHECK(w.entered[i] == runs);
	CHECK(thread_pool_threads(pool) == threads);
	thread_pool_free(&pool);
	thread_pool_free(&single);
	CHECK(!pool);
}

typedef struct counter {
	size_t counts[8]; /* by worker: no two workers share one */
	size_t total;     /* guarded by the turns that callers take */
} counter;

static void count(void *context, size_t worker, size_t workers)
{
	counter *c = context;
	c->counts[worker]++;
	if (worker == 0)
		c->total += workers;
}

typedef struct caller {
	thread_pool *pool;
	counter *c;
} caller;

static void *call_many_times(void *argument)
{
	const caller *c = argument;
	for (int i = 0; i < 500; i++)
		thread_pool_run(c->pool, count, c->c);
	return NULL;
}

static void callers_take_turns(void)
{
	thread_pool *pool = create(3);
	counter c = { 0 };
	caller shared = { pool, &c };
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, call_many_times, &shared));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(c.total == 4 * 500 * 3);
	for (int i = 0; i < 3; i++)
		CHECK(c.counts[i] == 2000);
	thread_pool_free(&pool);
}

/* Pauses longer than the spin put the workers to sleep; they must wake all the same. */
static void sleepers_wake(void)
{
	thread_pool *pool = create(2);
	counter c = { 0 };
	for (int i = 0; i < 50; i++) {
		usleep(i % 5 * 60);
		thread_pool_run(pool, count, &c);
	}
	CHECK(c.counts[0] == 50 && c.counts[1] == 50);
	thread_pool_free(&pool);
}

static void slow_worker(void *context, size_t worker, size_t workers)
{
	work *w = context;
	(void)workers;
	for (size_t r = 0; r < 10; r++) {
		if (worker == r % 2)
			usleep(300);
		w->entered[worker]++;
		thread_pool_barrier(w->pool, worker);
		CHECK(w->entered[!worker] == r + 1);
		thread_pool_barrier(w->pool, worker);
	}
}

static void barriers_wake_sleepers(void)
{
	thread_pool *pool = create(2);
	work w = { .pool = pool };
	thread_pool_run(pool, slow_worker, &w);
	CHECK(w.entered[0] == 10 && w.entered[1] == 10);
	thread_pool_free(&pool);
}

/* ---- Threads that have nothing to do ---- */

enum { PAUSE_MS = 300, BURNT_MS = 60 }; /* threads that kept spinning would burn all of the pause */

static double burnt_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void pause_of_first(void *context, size_t worker, size_t workers)
{
	(void)workers;
	thread_pool *pool = context;
	if (!worker)
		usleep(PAUSE_MS * 1000);
	thread_pool_barrier(pool, worker);
}

/* After a run, and at a barrier that somebody reaches late. */
static void waiting_threads_sleep(void)
{
	for (size_t threads = 2; threads <= 4; threads++) {
		thread_pool *pool = create(threads);
		thread_pool_run(pool, pause_of_first, pool);
		double before = burnt_ms();
		usleep(PAUSE_MS * 1000);
		CHECK(burnt_ms() - before < BURNT_MS);
		before = burnt_ms();
		thread_pool_run(pool, pause_of_first, pool);
		CHECK(burnt_ms() - before < BURNT_MS);
		thread_pool_free(&pool);
	}
}

static void look_where(void *context, size_t worker, size_t workers)
{
	(void)workers;
	CHECK(!sched_getaffinity(0, sizeof(cpu_set_t), (cpu_set_t *)context + worker));
}

/* One thread for each CPU that the process may use, and none beside them. */
static void affinity_is_honoured(void)
{
	cpu_set_t all, one, seen[3];
	int cpu = 0;
	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	thread_pool *pool = create(0);
	CHECK(thread_pool_threads(pool) == 1);
	thread_pool_free(&pool);
	pool = create(3);
	thread_pool_run(pool, look_where, seen);
	for (int i = 0; i < 3; i++)
		CHECK(CPU_EQUAL(&seen[i], &one));
	thread_pool_free(&pool);
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
	pool = create(0);
	CHECK(thread_pool_threads(pool) == (size_t)CPU_COUNT(&all));
	thread_pool_free(&pool);
}

static void *no_memory(void *context, size_t bytes, size_t alignment)
{
	(void)context;
	(void)bytes;
	(void)alignment;
	return NULL;
}

static void failures_are_reported(void)
{
	const clast_allocator allocator = { .allocate = no_memory };
	mem m;
	mem_init(&m, &allocator, 0);
	thread_pool *pool = (thread_pool *)&m;
	clast_diag d = { 0 };
	CHECK(thread_pool_create(&m, 4, &pool, &d) == CLAST_ERROR_MEMORY);
	CHECK(!pool && d.message[0]);
	thread_pool_free(&pool);
}

static void ranges_cover_everything_once(void)
{
	for (size_t total = 0; total < 70; total++)
		for (size_t workers = 1; workers < 20; workers++) {
			size_t next = 0;
			for (size_t worker = 0; worker < workers; worker++) {
				size_t begin, end;
				task_range(total, worker, workers, &begin, &end);
				CHECK(begin == next && end >= begin);
				CHECK(end - begin == total / workers || end - begin == total / workers + 1);
				next = end;
			}
			CHECK(next == total);
		}
}

int main(void)
{
	mem_init(&memory, NULL, 0);
	ranges_cover_everything_once();
	barriers_order_all_writes(1, 20, 3);
	barriers_order_all_writes(2, 200, 20);
	barriers_order_all_writes(7, 20, 10);
	callers_take_turns();
	sleepers_wake();
	barriers_wake_sleepers();
	waiting_threads_sleep();
	affinity_is_honoured();
	failures_are_reported();
	thread_pool *pool = create(0);
	CHECK(thread_pool_threads(pool) >= 1);
	thread_pool_free(&pool);
	pool = create(100000);
	CHECK(thread_pool_threads(pool) == THREAD_POOL_MAX);
	thread_pool_free(&pool);
	CHECK(memory.used_bytes == 0);
	return 0;
}
