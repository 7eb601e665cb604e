/* Compares a result with its reference: numpy.testing.assert_allclose's rule, with the reference as the
 * expected side. */
#ifndef CLAST_CLI_COMPARE_H
#define CLAST_CLI_COMPARE_H

#include "clast/clast.h"

typedef struct tolerance {
	double rtol, atol;
} tolerance;

typedef struct comparison {
	bool agrees;
	char reason[256]; /* why not */
	size_t count, mismatches;
	double max_abs; /* largest |got - expected|; infinite where only one is a NaN or they are other
			   infinities */
	double mean_abs;
	double largest; /* largest finite |expected| */
} comparison;

/* CLAST_ERROR_MEMORY if a dense copy of an operand cannot be made. */
CLAST_MUST_CHECK clast_status compare_tensors(const clast_tensor *got, const clast_tensor *expected,
					      tolerance t, comparison *c);

#endif
