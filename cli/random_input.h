/* Seeded random inputs, for timing only. */
#ifndef CLAST_CLI_RANDOM_INPUT_H
#define CLAST_CLI_RANDOM_INPUT_H

#include "tensor_file.h"

/* Floating-point elements are uniform in [0, 1), integers and bool 0 or 1, strings empty. A dim that the
 * model leaves open is 1, or 224 for height and width of an input of rank 4; *guessed tells. */
CLAST_MUST_CHECK clast_status random_input(const clast_value_info *v, uint64_t seed, file_tensor *out,
					   bool *guessed, problem *p);

/* 64 random bits; the state may start anywhere. */
uint64_t random_bits(uint64_t *state);

#endif
