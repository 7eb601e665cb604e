/* TensorProto messages: from their bytes to tensors and back. */
#ifndef CLAST_IMPORTER_TENSOR_PROTO_H
#define CLAST_IMPORTER_TENSOR_PROTO_H

#include "external.h"
#include "onnx.pb-c.h"
#include "view.h"

/* Reads the tensors of one file. */
typedef struct tensor_reader {
	bump *region;               /* owns what is read */
	const clast_limits *limits; /* NULL: none */
	mapped_file *file;          /* TensorProto.at counts from its first byte */
	bool keep; /* file stays mapped as long as region: large aligned constants may point into it */
	external_files *external; /* NULL: refused. Its files stay mapped where constants point into them */
	size_t sparse_bytes, dense_bytes; /* read as sparse tensors, and what they grew to */
} tensor_reader;

/* t comes from prescan. All dtypes of clast_dtype, raw, typed or external payload, whose size is compared
 * with the dims before anything is allocated. Elements of 4 and 2 bits are unpacked to one a byte, bool is
 * made 0 or 1. The result is kept in t: asked again, it is given again. CLAST_ERROR_MODEL, _UNSUPPORTED (a
 * dtype, a segment), _LIMIT, _IO, _MEMORY; the message names the tensor. */
clast_status tensor_read(tensor_reader *r, Clast__TensorProto *t, const tensor_view **out, clast_diag *d);
/* The dense tensor of a sparse one. */
clast_status sparse_tensor_read(tensor_reader *r, Clast__SparseTensorProto *t, const tensor_view **out,
				clast_diag *d);

/* A TensorProto alone. External data is refused. The elements and the name (never NULL) belong to region. */
clast_status tensor_proto_parse(bump *region, const clast_limits *limits, const void *bytes, size_t size,
				tensor_view *out, const char **name, clast_diag *d);
/* Writes a TensorProto: raw payload, strings as string_data. *bytes is to be freed with mem_free(m, *bytes,
 * *capacity), of which the first *size are the message. */
clast_status tensor_proto_write(mem *m, const tensor_view *v, const char *name, uint8_t **bytes, size_t *size,
				size_t *capacity, clast_diag *d);

#endif
