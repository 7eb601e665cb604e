/* Imports what write_onnx wrote. */
#ifndef CLAST_TESTS_IMPORTER_BUILD_H
#define CLAST_TESTS_IMPORTER_BUILD_H

#include "import.h"
#include "write_onnx.h"

/* Imports from memory. The result is released by model_release. */
clast_model *import_good(const file *f);
/* Expects this status and a message that holds every one of the NULL-terminated strings. */
void import_bad(const file *f, clast_status status, ...);
clast_status import_bytes(const void *bytes, size_t size, const clast_model_options *options, clast_model **m,
			  clast_diag *d);

/* The value of this name, or NULL. */
const value *find_value(const clast_model *m, const char *name);
value_id find_id(const clast_model *m, const char *name);

#endif
