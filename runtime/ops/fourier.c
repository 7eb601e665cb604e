#include "fourier.h"

#include <math.h>

bool fourier_init(fourier *f, bump *b, int64_t n, bool inverse)
{
	f->n = n;
	f->roots = bump_array(b, (size_t)n, sizeof *f->roots);
	f->scratch = bump_array(b, (size_t)n, sizeof *f->scratch);
	if (!f->roots || !f->scratch)
		return false;
	for (int64_t k = 0; k < n; k++) {
		const double angle = 2 * M_PI * (double)k / (double)n;
		f->roots[k] = (complex_number){ cos(angle), inverse ? sin(angle) : -sin(angle) };
	}
	return true;
}

static int64_t smallest_factor(int64_t n)
{
	for (int64_t p = 2; p * p <= n; p++)
		if (n % p == 0)
			return p;
	return n;
}

static complex_number multiply(complex_number a, complex_number b)
{
	return (complex_number){ a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re };
}

/* The n-th root of unity to the power of `power`, where n divides the length of the plan. */
static complex_number root(const fourier *f, int64_t n, int64_t power)
{
	return f->roots[power % n * (f->n / n)];
}

/* Transforms n elements at distance step: those of each residue modulo the smallest prime factor first, then
 * across residues. */
static void transform(const fourier *f, int64_t n, const complex_number *x, int64_t step, complex_number *y)
{
	if (n == 1) {
		*y = *x;
		return;
	}
	const int64_t p = smallest_factor(n), m = n / p;
	for (int64_t r = 0; r < p; r++)
		transform(f, m, x + r * step, step * p, y + r * m);
	for (int64_t k = 0; k < m; k++) {
		for (int64_t r = 0; r < p; r++)
			f->scratch[r] = multiply(y[r * m + k], root(f, n, r * k));
		for (int64_t q = 0; q < p; q++) {
			complex_number sum = f->scratch[0];
			for (int64_t r = 1; r < p; r++) {
				const complex_number term = multiply(f->scratch[r], root(f, p, r * q));
				sum.re += term.re;
				sum.im += term.im;
			}
			y[q * m + k] = sum;
		}
	}
}

void fourier_run(const fourier *f, const complex_number *x, complex_number *y)
{
	transform(f, f->n, x, 1, y);
}
