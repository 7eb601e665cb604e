/* The list of kernels as ids and tables. */
#ifndef CONTRACT_KERNELS_H
#define CONTRACT_KERNELS_H

#include "conv.h"
#include "copy.h"
#include "gemm.h"
#include "rows.h"

typedef enum kernel_id {
#define KERNEL(id, params) KERNEL_##id,
#include "kernels.def"
#undef KERNEL
	KERNEL_COUNT
} kernel_id;

/* "conv_f32" */
const char *kernel_id_name(kernel_id id);
/* KERNEL_COUNT for an unknown name. */
kernel_id kernel_id_find(const char *name);

#endif
