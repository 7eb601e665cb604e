/* One kernel call on the device and on the CPU, from the same operands; every byte of every operand is compared afterwards, so that
 * gaps between elements have to stay as they are. Each operand is a buffer of exactly its size: under oclgrind any access outside shows.
 *
 * The device is "opencl" or what CLAST_TEST_DEVICE names. Where there is none, tests skip and say why. */
#ifndef TESTS_DEVICE_PAIR_H
#define TESTS_DEVICE_PAIR_H

#include <criterion/criterion.h>

#include "cpu_kernels.h"
#include "device.h"

typedef struct rng {
	uint64_t state;
} rng;

size_t rng_range(rng *r, size_t low, size_t high);
bool rng_chance(rng *r, unsigned percent);
float rng_float(rng *r); /* in [-1, 1) */

/* The device to test on, and the same where the test is skipped if there is none. */
const char *tested_device(void);
const char *device_or_skip(void);

/* Opens the device, or skips the test. */
void pair_open(void);
/* The same device with packed weights in float16; random_weights are such as it holds exactly. */
void pair_open_half(void);
void pair_close(void);
/* Calls each_case(r) with a device that takes variant 1, 2, ... of the kernel, where a call has it. In place of pair_open. */
void pair_each_variant(kernel_id kernel, void (*each_case)(rng *r));

typedef struct pair {
	kernel_id kernel;
	const void *params;
	size_t count;
	struct {
		void *cpu, *gpu; /* the same bytes; for packed weights each side's own */
		size_t cpu_bytes, bytes;
		bool floats;     /* compared as numbers */
	} operand[24];
} pair;

void pair_begin(pair *p, kernel_id kernel, const void *params);
/* Random floats, or any bytes; content may be changed in both copies through the pointer of pair_set. */
void pair_floats(pair *p, size_t at, rng *r, size_t count);
void pair_bytes(pair *p, size_t at, const void *content, size_t bytes);
void pair_weights(pair *p, size_t at, packing_id packing, const weights_shape *shape, const weights_source *source);
/* Runs both and compares; tolerance is relative to the largest magnitude of the operand. Frees everything. */
void pair_run(pair *p, double tolerance, const char *what);

/* One more than the offset of the last element; strides are not negative. */
size_t span_of(size_t rank, const size_t *extent, const ptrdiff_t *stride);
float *random_floats(rng *r, size_t count); /* freed by pair_run */
float *random_weights(rng *r, size_t count);

#endif
