/* What the tests of kernels share: memory with guard pages, random numbers, running a kernel in pieces. */
#ifndef TESTS_KERNELS_HARNESS_H
#define TESTS_KERNELS_HARNESS_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_kernels.h"

/* ---- Random numbers: the same in every run ---- */

typedef struct rng {
	uint64_t state;
} rng;

uint32_t rng_next(rng *r);
/* low <= result <= high */
size_t rng_range(rng *r, size_t low, size_t high);
float rng_float(rng *r); /* in [-1, 1) */
bool rng_chance(rng *r, unsigned percent);
/* Any kind of float: ordinary, huge, tiny, denormal, zeros, infinities, NaN. */
float rng_any(rng *r);

/* ---- Memory whose last byte is followed, and whose page is preceded, by a page that may not be touched ----
 */

/* Freed with the rest by memory_free_all. count may be 0. */
void *memory_new(size_t bytes);
float *floats_new(size_t count);
float *floats_random(rng *r, size_t count);
/* Filled with a pattern that no kernel produces. */
float *floats_untouched(size_t count);
bool is_untouched(float x);
void memory_free_all(void);

/* ---- Running ---- */

/* All tasks in one call. Scratch is guarded and holds NaN. */
void run_whole(const compute_kernel *k, const void *params, void *const *args);
/* All tasks, cut at random places, last piece first. */
void run_pieces(rng *r, const compute_kernel *k, const void *params, void *const *args);

kernel_hint random_hint(rng *r);
uint32_t random_chain(rng *r);

/* One more than the offset of the last element of a strided block (0 if it is empty); strides are not
 * negative. */
size_t span(size_t rank, const size_t *extent, const ptrdiff_t *stride);

bool same_bits(const void *a, const void *b, size_t bytes);

/* For each instruction set that runs here. */
#define EACH_ISA(table)                                                                                      \
	for (size_t isa_ = 0; isa_ < 8; isa_++)                                                              \
		for (const cpu_kernels *table = cpu_kernels_at(isa_); table; table = NULL)

#endif
