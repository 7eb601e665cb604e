/* Single elements of the dtypes of the public header, as double, and dense copies of tensors. */
#ifndef CLAST_CLI_ELEMENTS_H
#define CLAST_CLI_ELEMENTS_H

#include "clast/clast.h"

/* Element i of a dense array as double; 0 for strings. imaginary, if not NULL, receives the imaginary part.
 */
double element_get(clast_dtype t, const void *elements, size_t i, double *imaginary);
/* Stores x, rounded to the dtype's nearest value and clamped where it is an integer. Strings stay as they
 * are. */
void element_put(clast_dtype t, void *elements, size_t i, double x);

bool dtype_is_floating(clast_dtype t);
bool dtype_is_complex_number(clast_dtype t);

/* The elements of a tensor in row-major order: its own memory if they lie so, else a copy that *copy owns
 * (release with free). NULL if memory is short; a tensor without elements gives a valid pointer. */
const void *elements_of(const clast_tensor *t, void **copy);

/* "1x3x224x224", or "scalar". */
void shape_text(size_t rank, const int64_t *dims, char *text, size_t size);

#endif
