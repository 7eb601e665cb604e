/* Arithmetic on sizes that come from files: each function says whether the result fits, and leaves *out alone
 * if not. */
#ifndef CLAST_BASE_CHECKED_H
#define CLAST_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clast/clast.h"

static inline bool size_add(size_t a, size_t b, size_t *out)
{
	size_t r;
	return !__builtin_add_overflow(a, b, &r) && (*out = r, true);
}

static inline bool size_mul(size_t a, size_t b, size_t *out)
{
	size_t r;
	return !__builtin_mul_overflow(a, b, &r) && (*out = r, true);
}

static inline bool int64_add(int64_t a, int64_t b, int64_t *out)
{
	int64_t r;
	return !__builtin_add_overflow(a, b, &r) && (*out = r, true);
}

static inline bool int64_sub(int64_t a, int64_t b, int64_t *out)
{
	int64_t r;
	return !__builtin_sub_overflow(a, b, &r) && (*out = r, true);
}

static inline bool int64_mul(int64_t a, int64_t b, int64_t *out)
{
	int64_t r;
	return !__builtin_mul_overflow(a, b, &r) && (*out = r, true);
}

/* The next multiple of `step`, which is not 0. */
static inline bool size_round_up(size_t a, size_t step, size_t *out)
{
	size_t r;
	return size_add(a, step - 1, &r) && (*out = r - r % step, true);
}

/* Number of elements of a shape. Fails for a negative extent, and also where only a zero among the extents
 * keeps the product small: so every product of a part of the extents, such as a stride, fits whenever this
 * succeeds. */
static inline bool dims_count(size_t rank, const int64_t *dims, size_t *count)
{
	int64_t product = 1;
	bool empty = false;
	for (size_t i = 0; i < rank; i++) {
		if (dims[i] < 0 || (dims[i] && !int64_mul(product, dims[i], &product)))
			return false;
		empty |= dims[i] == 0;
	}
	*count = empty ? 0 : (size_t)product;
	return true;
}

/* Bytes of a dense tensor. Fails for an unknown dtype and for more than PTRDIFF_MAX bytes. */
static inline bool tensor_bytes(clast_dtype dtype, size_t rank, const int64_t *dims, size_t *bytes)
{
	const size_t element = clast_dtype_bytes(dtype);
	size_t count, r;
	return element && dims_count(rank, dims, &count) && size_mul(count, element, &r) &&
	       r <= PTRDIFF_MAX && (*bytes = r, true);
}

#endif
