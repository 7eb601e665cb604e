#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

Test(cpu, mask_lowers_and_never_raises)
{
	unsetenv("CLAST_ISA");
	const cpu_isa best = cpu_best();
	cr_assert(cpu_runs(best));
	cr_assert(cpu_runs(CPU_PORTABLE));
	for (int isa = 0; isa < CPU_ISA_COUNT; isa++) {
		unsetenv("CLAST_ISA");
		const bool could = cpu_runs(isa);
		cr_assert(could <= (isa <= (int)best));
		setenv("CLAST_ISA", cpu_isa_name(isa), 1);
		cr_assert_leq((int)cpu_best(), isa);
		cr_assert_leq(cpu_best(), best);
		if (could)
			cr_assert_eq((int)cpu_best(), isa);
		for (int higher = isa + 1; higher < CPU_ISA_COUNT; higher++)
			cr_assert_not(cpu_runs(higher));
	}
	setenv("CLAST_ISA", "no such thing", 1);
	cr_assert_eq(cpu_best(), best);
	setenv("CLAST_ISA", "sse2", 1);
	cr_assert_eq(cpu_best(), CPU_PORTABLE);
	cr_assert_eq(cpu_features(), 0);
}

Test(cpu, features_match_the_instruction_set)
{
	unsetenv("CLAST_ISA");
	cr_assert_eq(cpu_runs(CPU_AVX2), !!(cpu_features() & CPU_FEATURE_AVX2));
	cr_assert_eq(cpu_runs(CPU_AVX512), !!(cpu_features() & CPU_FEATURE_AVX512));
	cr_assert_eq(cpu_runs(CPU_AVX512), !!strstr(cpu_features_text(), "avx512f"));
#if defined(__x86_64__)
	cr_assert_eq(cpu_runs(CPU_AVX2), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
	cr_assert_eq(cpu_runs(CPU_AVX512),
		     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
	cr_assert_eq(!!(cpu_features() & CPU_FEATURE_AVX512_VNNI), !!__builtin_cpu_supports("avx512vnni"));
	setenv("CLAST_ISA", "avx2", 1);
	cr_assert_not(cpu_features() & (CPU_FEATURE_AVX512 | CPU_FEATURE_AVX512_VNNI));
#endif
}

Test(cpu, caches_grow_with_their_level)
{
	const cpu_caches *c = cpu_cache_sizes();
	cr_assert_geq(c->l1d, 4 << 10);
	cr_assert_gt(c->l2, c->l1d);
	cr_assert(c->l3 == 0 || (c->l3 > c->l1d && c->l3_sharing >= 1));
	cr_assert_geq(cpu_allowed(), 1);
}
