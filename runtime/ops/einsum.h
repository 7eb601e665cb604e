/* Einsum's equation resolved against the ranks of the operands. */
#ifndef CLAST_EINSUM_H
#define CLAST_EINSUM_H

#include "infer.h"

/* Labels 0 to 51 are letters (A-Z, a-z), the rest are the axes of the ellipsis, counted from the right. */
#define EINSUM_LETTERS 52
#define EINSUM_LABELS (EINSUM_LETTERS + CLAST_MAX_RANK)

typedef struct einsum_term {
	int n;
	uint8_t labels[CLAST_MAX_RANK]; /* of each axis */
} einsum_term;

/* terms: n of them, one for each operand. ranks[i] < 0 is an error. Implicit outputs are made explicit. */
clast_status einsum_parse(const char *equation, size_t n, const int *ranks, einsum_term *terms,
			  einsum_term *output, clast_diag *d);

#endif
