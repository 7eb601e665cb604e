/* The public tensor: a view, the memory it may own, and a name. */
#ifndef CLAST_EXEC_TENSOR_H
#define CLAST_EXEC_TENSOR_H

#include "view.h"

struct clast_tensor {
	tensor_view view;       /* never split */
	mem memory;             /* of the tensor itself and what it owns */
	void *owned;
	size_t owned_bytes;
	char *name;             /* may be NULL */
	size_t name_bytes;
	char *strings;          /* bytes of string elements, if owned */
	size_t string_bytes;
};

clast_status tensor_create(clast_dtype dtype, size_t rank, const int64_t *dims, const clast_allocator *allocator,
                           clast_tensor **out, clast_diag *d);

#endif
