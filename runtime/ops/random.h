/* Random numbers for the operators that draw some: number i of a seed is a hash of both, so that it belongs
 * to an element whatever the order in memory and the order of evaluation. Without a seed in the model the
 * numbers are the same in every run. */
#ifndef CLAST_RANDOM_H
#define CLAST_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Twice the finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
 * 2014). */
static inline uint64_t random_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline uint64_t random_bits(uint64_t seed, uint64_t i)
{
	return random_mix(random_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^
			  (i * UINT64_C(0x9e3779b97f4a7c15) + 1));
}

/* Uniform in [0, 1), a multiple of 2^-53. */
static inline double random_uniform(uint64_t seed, uint64_t i)
{
	return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

/* Normal with mean 0 and deviation 1, after Box and Muller; uses numbers 2i and 2i + 1. */
static inline double random_normal(uint64_t seed, uint64_t i)
{
	const double u = 1 - random_uniform(seed, 2 * i), v = random_uniform(seed, 2 * i + 1); /* u > 0 */
	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static inline uint64_t random_seed(float seed)
{
	uint32_t bits;
	memcpy(&bits, &seed, sizeof bits);
	return bits;
}

#endif
