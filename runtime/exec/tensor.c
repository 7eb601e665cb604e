#include "tensor.h"

#include <string.h>

#include "checked.h"
#include "diag.h"

clast_status tensor_create(clast_dtype dtype, size_t rank, const int64_t *dims, const clast_allocator *allocator,
                           clast_tensor **out, clast_diag *d)
{
	size_t bytes;
	mem boot;
	*out = NULL;
	if (rank > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_LIMIT, "a tensor of rank %zu; at most %d is possible", rank, CLAST_MAX_RANK);
	if (!clast_dtype_bytes(dtype))
		return fail(d, CLAST_ERROR_ARGUMENT, "%d is no data type", (int)dtype);
	if (!tensor_bytes(dtype, rank, dims, &bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of the tensor overflows or is negative");
	mem_init(&boot, allocator, 0);
	clast_tensor *t = mem_calloc(&boot, sizeof *t);
	if (!t)
		return fail_memory(d, sizeof *t);
	mem_init(&t->memory, allocator, 0);
	t->owned = mem_calloc(&t->memory, bytes);
	t->owned_bytes = bytes;
	if (!t->owned) {
		mem_free(&boot, t, sizeof *t);
		return fail_memory(d, bytes);
	}
	view_dense(&t->view, dtype, (int)rank, dims, t->owned);
	*out = t;
	return CLAST_OK;
}

clast_status clast_tensor_create(clast_dtype dtype, size_t rank, const int64_t *dims, const clast_allocator *allocator,
                                 clast_tensor **tensor, clast_diag *d)
{
	if (!tensor || (rank && !dims))
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_create: dims or tensor is NULL");
	return tensor_create(dtype, rank, dims, allocator, tensor, d);
}

clast_status clast_tensor_wrap(clast_dtype dtype, size_t rank, const int64_t *dims, const int64_t *strides, void *data,
                               clast_tensor **tensor, clast_diag *d)
{
	size_t bytes;
	mem boot;
	if (!tensor || (rank && !dims))
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_wrap: dims or tensor is NULL");
	*tensor = NULL;
	if (rank > CLAST_MAX_RANK || !tensor_bytes(dtype, rank, dims, &bytes))
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_wrap: impossible dtype, rank or dims");
	if (!data && bytes)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_wrap: data is NULL");
	mem_init(&boot, NULL, 0);
	clast_tensor *t = mem_calloc(&boot, sizeof *t);
	if (!t)
		return fail_memory(d, sizeof *t);
	mem_init(&t->memory, NULL, 0);
	view_dense(&t->view, dtype, (int)rank, dims, data);
	for (size_t a = 0; strides && a < rank; a++)
		t->view.strides[a] = strides[a];
	*tensor = t;
	return CLAST_OK;
}

void clast_tensor_free(clast_tensor **tensor)
{
	clast_tensor *t = tensor ? *tensor : NULL;
	if (!t)
		return;
	*tensor = NULL;
	mem_free(&t->memory, t->owned, t->owned_bytes);
	mem_free(&t->memory, t->name, t->name_bytes);
	mem_free(&t->memory, t->strings, t->string_bytes);
	mem boot = t->memory;
	mem_free(&boot, t, sizeof *t);
}

clast_dtype clast_tensor_dtype(const clast_tensor *t)
{
	return t->view.dtype;
}

size_t clast_tensor_rank(const clast_tensor *t)
{
	return (size_t)t->view.rank;
}

const int64_t *clast_tensor_dims(const clast_tensor *t)
{
	return t->view.dims;
}

const int64_t *clast_tensor_strides(const clast_tensor *t)
{
	return t->view.strides;
}

size_t clast_tensor_count(const clast_tensor *t)
{
	return (size_t)view_count(&t->view);
}

void *clast_tensor_data(const clast_tensor *t)
{
	return t->view.data;
}

const char *clast_tensor_name(const clast_tensor *t)
{
	return t->name ? t->name : "";
}

clast_status clast_tensor_read(const clast_tensor *t, void *elements, size_t bytes)
{
	if (!t || bytes != clast_tensor_count(t) * clast_dtype_bytes(t->view.dtype) || (bytes && !elements))
		return CLAST_ERROR_ARGUMENT;
	tensor_view to;
	view_dense(&to, t->view.dtype, t->view.rank, t->view.dims, elements);
	view_copy(&to, &t->view);
	return CLAST_OK;
}
