#include "kernels.h"

#include <string.h>

size_t kernel_dtype_bytes(kernel_dtype dtype)
{
	static const uint8_t bytes[KERNEL_DTYPE_COUNT] = {
		[KERNEL_F32] = 4, [KERNEL_U8] = 1,   [KERNEL_I8] = 1,
		[KERNEL_F16] = 2, [KERNEL_BF16] = 2, [KERNEL_I32] = 4,
	};
	return (unsigned)dtype < KERNEL_DTYPE_COUNT ? bytes[dtype] : 0;
}

static const char *const names[KERNEL_COUNT] = {
#define KERNEL(id, params) #id,
#include "kernels.def"
#undef KERNEL
};

const char *kernel_id_name(kernel_id id)
{
	return (unsigned)id < KERNEL_COUNT ? names[id] : "";
}

kernel_id kernel_id_find(const char *name)
{
	for (unsigned id = 0; id < KERNEL_COUNT; id++)
		if (strcmp(names[id], name) == 0)
			return id;
	return KERNEL_COUNT;
}

/* Axis `inner` continues `outer` for every operand. */
static bool one_axis(size_t outer, size_t inner, const size_t *extent, size_t operands,
		     ptrdiff_t *const *stride)
{
	for (size_t o = 0; o < operands; o++)
		if (stride[o][outer] != stride[o][inner] * (ptrdiff_t)extent[inner])
			return false;
	return true;
}

size_t strided_merge(size_t rank, size_t *extent, size_t operands, ptrdiff_t *const *stride)
{
	size_t kept = 0;
	for (size_t i = 0; i < rank; i++) {
		if (extent[i] == 1 && (kept > 0 || i + 1 < rank))
			continue;
		if (kept > 0 && extent[kept - 1] == 1)
			kept--;
		const bool merge = kept > 0 && one_axis(kept - 1, i, extent, operands, stride);
		const size_t to = merge ? kept - 1 : kept++;
		extent[to] = merge ? extent[to] * extent[i] : extent[i];
		for (size_t o = 0; o < operands; o++)
			stride[o][to] = stride[o][i];
	}
	return kept;
}
