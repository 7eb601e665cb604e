/* The discrete Fourier transform of any length, in double: y[k] = sum over t of x[t] * exp(-2 pi i k t / n),
 * for the inverse with +, without the factor 1 / n. Mixed radix (Cooley and Tukey 1965): n times the sum of
 * the prime factors of n steps. */
#ifndef CLAST_FOURIER_H
#define CLAST_FOURIER_H

#include "mem.h"

#include <stdint.h>

typedef struct complex_number {
	double re, im;
} complex_number;

typedef struct fourier {
	int64_t n;
	complex_number *roots, *scratch; /* n each */
} fourier;

/* False if out of memory; what it takes lives in b. n is at least 1. */
bool fourier_init(fourier *f, bump *b, int64_t n, bool inverse);
/* x and y are different arrays of n. */
void fourier_run(const fourier *f, const complex_number *x, complex_number *y);

#endif
