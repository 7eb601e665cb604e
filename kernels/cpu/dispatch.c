#include "cpu_kernels.h"

#include <string.h>

#include "cpu.h"

#define ISA(name, needs) extern const cpu_kernels cpu_kernels_##name;
#include "isa.def"
#undef ISA

static const struct {
	cpu_isa needs;
	const cpu_kernels *kernels;
} tables[] = {
#define ISA(name, needs) { needs, &cpu_kernels_##name },
#include "isa.def"
#undef ISA
};
static const size_t table_count = sizeof(tables) / sizeof(*tables);

const cpu_kernels *cpu_kernels_at(size_t index)
{
	return index < table_count && cpu_runs(tables[index].needs) ? tables[index].kernels : NULL;
}

const cpu_kernels *cpu_kernels_get(void)
{
	size_t best = 0;
	while (cpu_kernels_at(best + 1))
		best++;
	return tables[best].kernels;
}

const cpu_kernels *cpu_kernels_for_isa(const char *isa)
{
	for (size_t i = 0; i < table_count; i++)
		if (strcmp(tables[i].kernels->isa, isa) == 0)
			return cpu_kernels_at(i);
	return NULL;
}
