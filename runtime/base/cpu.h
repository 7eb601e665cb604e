/* What the machine offers: instruction sets, caches, allowed CPUs. */
#ifndef CLAST_BASE_CPU_H
#define CLAST_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction sets that kernels are compiled for. Each includes those before it of the same architecture. */
typedef enum cpu_isa {
	CPU_PORTABLE, /* the compiler's baseline; SSE2 on x86-64 */
	CPU_AVX2,     /* AVX2, FMA, F16C */
	CPU_AVX512,   /* AVX-512 F, BW, VL, DQ */
	CPU_NEON,
	CPU_NEON_DOT, /* int8 dot product */
	CPU_ISA_COUNT
} cpu_isa;

/* Single features, for kernels that need more than their instruction set promises. */
typedef enum cpu_feature {
	CPU_FEATURE_AVX2 = 1 << 0, /* with FMA and F16C */
	CPU_FEATURE_AVX512 = 1 << 1,
	CPU_FEATURE_AVX512_VNNI = 1 << 2,
	CPU_FEATURE_AVX_VNNI = 1 << 3,
	CPU_FEATURE_AVX512_BF16 = 1 << 4,
	CPU_FEATURE_AVX512_FP16 = 1 << 5,
	CPU_FEATURE_NEON = 1 << 8,
	CPU_FEATURE_DOTPROD = 1 << 9,
	CPU_FEATURE_FP16 = 1 << 10, /* half-precision arithmetic on vectors */
	CPU_FEATURE_I8MM = 1 << 11
} cpu_feature;

/* The best instruction set of the machine, no higher than the one that the environment variable CLAST_ISA
 * names (see cpu_isa_name; "sse2" also means "portable"). A name that is unknown or of another architecture
 * is ignored. */
cpu_isa cpu_best(void);
/* Whether code of this instruction set runs here, with the mask applied. */
bool cpu_runs(cpu_isa isa);
/* "portable", "avx2", "avx512", "neon", "neon_dot". */
const char *cpu_isa_name(cpu_isa isa);
/* Mask of the detected features. Those beyond CLAST_ISA are left out. */
uint32_t cpu_features(void);
/* Names of all detected features, whatever CLAST_ISA says, separated by blanks. */
const char *cpu_features_text(void);

/* The model of the first CPU as the machine names it, "AMD EPYC 9B14", or numbers where it has no name; "" if that is not known. */
const char *cpu_model_text(void);

/* Bytes of data cache. Level 3 is shared by `l3_sharing` CPUs; l3 is 0 if there is none. */
typedef struct cpu_caches {
	size_t l1d, l2, l3, l3_sharing;
} cpu_caches;
const cpu_caches *cpu_cache_sizes(void);

/* Number of CPUs that this thread may run on; at least 1. */
size_t cpu_allowed(void);

#endif
