/* From a graph to ONNX. */
#ifndef CLAST_IMPORTER_EXPORT_H
#define CLAST_IMPORTER_EXPORT_H

#include "graph.h"

typedef struct export_options {
	bool external_data; /* large constants go to a file of their own; happens anyway where they exceed
			       what one protobuf message holds */
	const char *producer_version; /* NULL: none */
} export_options;

/* Writes a model as it is now, every graph sorted. Opsets and IR version are those that it was read with, or
 * the newest ones that fit its operators. Names stay as far as each is the only one of its kind. Constants
 * become initializers; those of PATH.data, where there is one, start at multiples of 64 bytes.
 *
 * Files are written beside path and then renamed, so that whoever reads sees the old model or the new one. On
 * failure nothing is left behind and an existing file stays. CLAST_ERROR_IO, _MEMORY, _LIMIT (a message of
 * more than 2 GiB), or _UNSUPPORTED for a graph that no single set of opsets describes. */
clast_status export_file(const clast_model *m, const char *path, const export_options *o, clast_diag *d);

#endif
