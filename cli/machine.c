#include "machine.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clast/clast.h"
#include "engine.h"

/* ---- Multiply-adds ---- */

/* Independent chains of multiply-adds, as many as hide their latency: 4 cycles times 2 units and some. */
#define ROUNDS 40000
#define CHAINS_OF(name, attribute, lanes, CHAINS)                                                            \
	typedef float vec_##name __attribute__((vector_size(4 * lanes)));                                    \
	attribute static double chains_##name(float *sink)                                                   \
	{                                                                                                    \
		vec_##name sum[CHAINS], a, b;                                                                \
		memset(sum, 0, sizeof(sum));                                                                 \
		memset(&a, 0, sizeof(a));                                                                    \
		b = a + 0.5f;                                                                                \
		__asm__ volatile("" : "+m"(a), "+m"(b));                                                     \
		for (int i = 0; i < ROUNDS; i++) {                                                           \
			_Pragma("GCC unroll 24") for (int j = 0; j < CHAINS; j++) sum[j] = sum[j] * b + a;   \
		}                                                                                            \
		for (int j = 1; j < CHAINS; j++)                                                             \
			sum[0] += sum[j];                                                                    \
		memcpy(sink, &sum[0], sizeof(float));                                                        \
		return 2.0 * CHAINS * ROUNDS * lanes;                                                        \
	}

#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
#else
#pragma GCC optimize("fp-contract=fast")
#endif
#if defined(__x86_64__)
CHAINS_OF(avx512, __attribute__((target("avx512f"))), 16, 24)
CHAINS_OF(avx2, __attribute__((target("avx2,fma"))), 8, 12)
CHAINS_OF(base, , 4, 12)
#else
CHAINS_OF(base, , 4, 24)
#endif

static double chains(void)
{
	static _Thread_local float sink;
#if defined(__x86_64__)
	const char *isa = clast_cpu_isa();
	if (!strcmp(isa, "avx512"))
		return chains_avx512(&sink);
	if (!strcmp(isa, "avx2"))
		return chains_avx2(&sink);
#endif
	return chains_base(&sink);
}

/* ---- Threads that do the same at once ---- */

enum { TRIES = 8, COPY_BYTES = 32 << 20, COPIES = 4 };

typedef struct crew {
	pthread_barrier_t barrier;
	double rate[2][TRIES]; /* work a millisecond of all threads, from the first start to the last end */
	double work;           /* of one thread in one try */
	size_t threads;
	double start;
	bool failed;
	pthread_mutex_t lock;
} crew;

static double arithmetic(char *memory)
{
	(void)memory;
	double sum = 0;
	for (int i = 0; i < 4; i++)
		sum += chains();
	return sum;
}

static double copying(char *memory)
{
	for (int i = 0; i < COPIES; i++)
		memcpy(memory + (i & 1 ? COPY_BYTES : 0), memory + (i & 1 ? 0 : COPY_BYTES), COPY_BYTES);
	return 2.0 * COPIES * COPY_BYTES;
}

static void *member(void *context)
{
	static double (*const tasks[])(char *) = { arithmetic, copying };
	crew *c = context;
	char *memory = malloc(2 * (size_t)COPY_BYTES);
	if (memory)
		memset(memory, 1, 2 * (size_t)COPY_BYTES);
	pthread_mutex_lock(&c->lock);
	c->failed |= !memory;
	pthread_mutex_unlock(&c->lock);
	pthread_barrier_wait(&c->barrier);
	for (int task = 0; task < 2 && !c->failed; task++)
		for (int i = 0; i < TRIES; i++) {
			if (pthread_barrier_wait(&c->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
				c->start = now_ms();
			pthread_barrier_wait(&c->barrier);
			const double work = tasks[task](memory);
			if (pthread_barrier_wait(&c->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
				c->rate[task][i] = work * (double)c->threads / (now_ms() - c->start);
		}
	free(memory);
	return NULL;
}

static double best(const double *x)
{
	double most = 0;
	for (int i = 0; i < TRIES; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

bool machine_measure(size_t threads, machine *out)
{
	crew c = { .threads = 1 };
	pthread_t *others = calloc(threads, sizeof(*others));
	if (!others)
		return false;
	/* Members wait for the lock until it is known how many there are. */
	pthread_mutex_init(&c.lock, NULL);
	pthread_mutex_lock(&c.lock);
	while (c.threads < threads && !pthread_create(&others[c.threads], NULL, member, &c))
		c.threads++;
	pthread_barrier_init(&c.barrier, NULL, (unsigned)c.threads);
	pthread_mutex_unlock(&c.lock);
	member(&c);
	for (size_t i = 1; i < c.threads; i++)
		pthread_join(others[i], NULL);
	out->gflops = best(c.rate[0]) * 1e-6;
	out->gbytes = best(c.rate[1]) * 1e-6;
	pthread_barrier_destroy(&c.barrier);
	pthread_mutex_destroy(&c.lock);
	free(others);
	return !c.failed && c.threads == threads;
}
