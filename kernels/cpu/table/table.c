/* The table of one ISA. */
#include "cpu_kernels.h"
#include "vector/vec.h"

#define STRINGIFY(x) #x
#define NAME(isa) STRINGIFY(isa)

#define KERNEL(id, params) extern const compute_kernel ISA(id);
#include "kernels.def"
#undef KERNEL
extern const weights_packing ISA(packing_gemm), ISA(packing_depthwise), ISA(packing_transpose);
extern const weights_packing ISA(packing_winograd2), ISA(packing_winograd4);
extern const weights_packing ISA(packing_first), ISA(packing_depthwise_first);

extern const cpu_kernels ISA(cpu_kernels);
const cpu_kernels ISA(cpu_kernels) = {
	.isa = NAME(KERNEL_ISA),
	.vector = VEC,
	.kernel = {
#define KERNEL(id, params) [KERNEL_##id] = &ISA(id),
#include "kernels.def"
#undef KERNEL
	},
	.packing = {
		[PACKING_GEMM] = &ISA(packing_gemm),
		[PACKING_DEPTHWISE] = &ISA(packing_depthwise),
		[PACKING_TRANSPOSE] = &ISA(packing_transpose),
		[PACKING_WINOGRAD2] = &ISA(packing_winograd2),
		[PACKING_WINOGRAD4] = &ISA(packing_winograd4),
		[PACKING_FIRST] = &ISA(packing_first),
		[PACKING_DEPTHWISE_FIRST] = &ISA(packing_depthwise_first),
	},
};
