/* CPU kernels: the tables. kernels.def lists the kernels, isa.def the instruction sets they are compiled for.
 */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include "kernels.h"

typedef struct cpu_kernels {
	const char *isa; /* "avx2" */
	size_t vector;   /* floats in a vector */
	const compute_kernel *kernel[KERNEL_COUNT];
	const weights_packing *packing[PACKING_COUNT];
} cpu_kernels;

/* The kernels for the best instruction set that this machine has and the environment variable CLAST_ISA
 * allows: it names an instruction set as cpu.h does, and better ones are left unused. Read once. Packed
 * weights belong to the table that packed them. */
const cpu_kernels *cpu_kernels_get(void);
/* The kernels for one instruction set ("sse2", "avx2", ...); NULL if unknown, not compiled in, or the machine
 * lacks it. */
const cpu_kernels *cpu_kernels_for_isa(const char *isa);
/* All that this machine runs, baseline first; NULL past the end. */
const cpu_kernels *cpu_kernels_at(size_t index);

#endif
