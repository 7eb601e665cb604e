/* Tensors in files: .npy, .npz, ONNX TensorProto (.pb), and raw elements (.raw, .bin). */
#ifndef CLAST_CLI_TENSOR_FILE_H
#define CLAST_CLI_TENSOR_FILE_H

#include "clast/clast.h"
#include "report.h"

/* A tensor with the memory that it may lie over. Zeroed: empty. */
typedef struct file_tensor {
	clast_tensor *tensor;
	void *memory; /* elements of a string tensor, or NULL */
} file_tensor;

void file_tensor_free(file_tensor *t);

/* A tensor of `count` strings; memory is one block from malloc that begins with the clast_string of every
 * element and belongs to the result, also on failure. */
CLAST_MUST_CHECK clast_status file_tensor_strings(size_t rank, const int64_t *dims, void *memory,
						  file_tensor *out, problem *p);

/* Reads the file by its extension. `expected` describes the value that it is for, or is NULL: raw files need
 * it, and it settles what numpy has no dtype for. `entry` names the array wanted of an .npz; NULL or a name
 * that is missing takes the only one. */
CLAST_MUST_CHECK clast_status tensor_file_read(const char *path, const char *entry,
					       const clast_value_info *expected, file_tensor *out,
					       problem *p);
/* Writes .npy, .npz (one array of this name), .pb, .raw or .bin. */
CLAST_MUST_CHECK clast_status tensor_file_write(const clast_tensor *t, const char *name, const char *path,
						problem *p);
/* Whether the path ends in extension, such as ".npy". */
bool has_extension(const char *path, const char *extension);

/* The whole file in memory from malloc. */
CLAST_MUST_CHECK clast_status file_read(const char *path, void **bytes, size_t *size, problem *p);
CLAST_MUST_CHECK clast_status file_write(const char *path, const void *bytes, size_t size, problem *p);

#endif
