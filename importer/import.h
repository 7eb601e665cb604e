/* From ONNX to a graph. */
#ifndef CLAST_IMPORTER_IMPORT_H
#define CLAST_IMPORTER_IMPORT_H

#include "graph.h"

/* What is accepted: IR versions and opsets of the default domain. */
#define IMPORT_FIRST_IR 3
#define IMPORT_NEWEST_IR 14
#define IMPORT_FIRST_OPSET 6

/* Fills an empty model from a file, with its external data, or from memory, which may go away afterwards. Of
 * options (may be NULL) only `shapes` is read; the rest has gone into the model. The result is sorted, its
 * shapes are those that the file declares: graph_infer is up to the caller. After a failure the model is only
 * good for being released.
 *
 * Functions of the model are inlined and Constant nodes become constants; graph inputs with an initializer
 * are constants. CLAST_ERROR_IO, CLAST_ERROR_MODEL (malformed), CLAST_ERROR_LIMIT, CLAST_ERROR_MEMORY,
 * CLAST_ERROR_CANCELLED, CLAST_ERROR_ARGUMENT (shapes that do not fit the inputs), or CLAST_ERROR_UNSUPPORTED
 * with a line for every kind of thing that is not supported. */
clast_status import_file(clast_model *m, const char *path, const clast_model_options *options, clast_diag *d);
clast_status import_memory(clast_model *m, const void *bytes, size_t size, const clast_model_options *options,
			   clast_diag *d);

#endif
