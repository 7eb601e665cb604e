/* NumPy's .npy format, versions 1 to 3: numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef CLAST_CLI_NPY_H
#define CLAST_CLI_NPY_H

#include "tensor_file.h"

/* Reads an array; file names it in failures. expected may be CLAST_UNDEFINED; it settles arrays of raw bytes
 * (V1, V2), as numpy stores types that it does not know, and 8-bit integers that stand for smaller ones. */
CLAST_MUST_CHECK clast_status npy_parse(const void *bytes, size_t size, const char *file,
					clast_dtype expected, file_tensor *out, problem *p);
/* Formats an array into memory from malloc. */
CLAST_MUST_CHECK clast_status npy_format(const clast_tensor *t, void **bytes, size_t *size, problem *p);

#endif
