/* Copying every s-th element of a line: what a stride leaves of it. */
#ifndef CPU_FIRST_EVERY_H
#define CPU_FIRST_EVERY_H

#include "vector/vec.h"

/* Elements 0, 2, 4, ... of a and then of b. */
ALWAYS_INLINE vec vec_even(vec a, vec b)
{
#if VEC == 16
	return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VEC == 8
	return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
	return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
}

/* to[i] = from[i * s] for i < n. */
static inline void copy_every(float *restrict to, const float *restrict from, size_t s, size_t n)
{
	size_t i = 0;
	if (s == 1) {
		copy_floats(to, from, n);
		return;
	}
	/* The last vector would read one element too many. */
	for (; s == 2 && i + VEC < n; i += VEC)
		store(to + i, vec_even(load(from + 2 * i), load(from + 2 * i + VEC)));
	for (; i < n; i++)
		to[i] = from[i * s];
}

#endif
