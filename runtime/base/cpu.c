#include "cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static struct {
	uint32_t features;
	char text[256];
	char model[128];
	cpu_caches caches;
} machine;

static const struct {
	uint32_t feature;
	const char *name;
} feature_names[] = {
	{ CPU_FEATURE_AVX2, "avx2+fma+f16c" },
	{ CPU_FEATURE_AVX512, "avx512f+bw+vl+dq" },
	{ CPU_FEATURE_AVX512_VNNI, "avx512_vnni" },
	{ CPU_FEATURE_AVX_VNNI, "avx_vnni" },
	{ CPU_FEATURE_AVX512_BF16, "avx512_bf16" },
	{ CPU_FEATURE_AVX512_FP16, "avx512_fp16" },
	{ CPU_FEATURE_NEON, "neon" },
	{ CPU_FEATURE_DOTPROD, "dotprod" },
	{ CPU_FEATURE_FP16, "fp16" },
	{ CPU_FEATURE_I8MM, "i8mm" },
};

#if defined(__x86_64__)

static uint32_t detect(void)
{
	uint32_t a, b, c, d, features = 0;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	/* The operating system must save the wide registers: XCR0 says which of them it does. */
	uint32_t xcr0, high;
	__asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
	const bool fma = (c & bit_AVX) && (c & bit_FMA) && (c & bit_F16C);
	if (!fma || (xcr0 & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
		return 0;
	features |= CPU_FEATURE_AVX2;
	const uint32_t wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
	const bool avx512 = (b & wanted) == wanted && (xcr0 & 0xe6) == 0xe6;
	if (avx512) {
		features |= CPU_FEATURE_AVX512;
		features |= c & bit_AVX512VNNI ? CPU_FEATURE_AVX512_VNNI : 0;
		features |= d & (1u << 23) ? CPU_FEATURE_AVX512_FP16 : 0;
	}
	if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
		features |= a & (1u << 4) ? CPU_FEATURE_AVX_VNNI : 0;
		features |= avx512 && (a & (1u << 5)) ? CPU_FEATURE_AVX512_BF16 : 0;
	}
	return features;
}

#elif defined(__aarch64__)

static uint32_t detect(void)
{
	/* Bits of the Linux ABI (arch/arm64/include/uapi/asm/hwcap.h). */
	const unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
	uint32_t features = 0;
	features |= hwcap & (1ul << 1) ? CPU_FEATURE_NEON : 0;
	features |= hwcap & (1ul << 20) ? CPU_FEATURE_DOTPROD : 0;
	features |= hwcap & (1ul << 10) ? CPU_FEATURE_FP16 : 0;
	features |= hwcap2 & (1ul << 13) ? CPU_FEATURE_I8MM : 0;
	return features;
}

#else

static uint32_t detect(void)
{
	return 0;
}

#endif

/* Reads one line of a sysfs file. */
static bool read_line(char *line, int bytes, unsigned index, const char *file)
{
	char path[96];
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, file);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	const bool ok = fgets(line, bytes, f) != NULL;
	fclose(f);
	return ok;
}

/* Counts the CPUs of a list such as "0-3,8". */
static size_t count_list(const char *list)
{
	size_t count = 0;
	for (char *end; *list >= '0' && *list <= '9'; list = *end == ',' ? end + 1 : end) {
		const unsigned long first = strtoul(list, &end, 10);
		unsigned long last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		count += last >= first ? last - first + 1 : 0;
	}
	return count;
}

static void detect_caches(cpu_caches *caches)
{
	/* What most machines of the last ten years have at least; used where sysfs says nothing. */
	*caches = (cpu_caches){ .l1d = 32 << 10, .l2 = 256 << 10, .l3 = 4 << 20, .l3_sharing = 4 };
	char line[256];
	bool l3 = false, any = false;
	for (unsigned index = 0; index < 16 && read_line(line, sizeof(line), index, "type"); index++) {
		const bool data = !strncmp(line, "Data", 4) || !strncmp(line, "Unified", 7);
		if (!data || !read_line(line, sizeof(line), index, "size"))
			continue;
		char *end;
		size_t bytes = strtoul(line, &end, 10);
		bytes <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
		if (!bytes || !read_line(line, sizeof(line), index, "level"))
			continue;
		any = true;
		switch (atoi(line)) {
		case 1:
			caches->l1d = bytes;
			break;
		case 2:
			caches->l2 = bytes;
			break;
		case 3:
			l3 = true;
			caches->l3 = bytes;
			caches->l3_sharing = read_line(line, sizeof(line), index, "shared_cpu_list")
						     ? count_list(line)
						     : 1;
			break;
		}
	}
	if (any && !l3)
		caches->l3 = caches->l3_sharing = 0;
}

/* Appends what /proc/cpuinfo says of the first CPU in lines that begin with one of the names. */
static void detect_model(char *text, size_t size)
{
	static const char *const names[] = { "model name", "CPU implementer", "CPU variant", "CPU part", "CPU revision" };
	char line[256];
	size_t at = 0;
	FILE *f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f) && line[0] != '\n') {
		const char *value = strchr(line, ':');
		line[strcspn(line, "\n")] = 0;
		for (size_t i = 0; value && value[1] && i < sizeof(names) / sizeof(*names) && at < size; i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				at += (size_t)snprintf(text + at, size - at, "%s%s", at ? " " : "", value + 2);
	}
	if (f)
		fclose(f);
}

static void detect_all(void)
{
	machine.features = detect();
	detect_model(machine.model, sizeof(machine.model));
	size_t at = 0;
	for (size_t i = 0; i < sizeof(feature_names) / sizeof(*feature_names); i++)
		if (machine.features & feature_names[i].feature)
			at += (size_t)snprintf(machine.text + at, sizeof(machine.text) - at, "%s%s",
					       at ? " " : "", feature_names[i].name);
	detect_caches(&machine.caches);
}

static void detect_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, detect_all);
}

static const char *const isa_names[CPU_ISA_COUNT] = {
	[CPU_PORTABLE] = "portable", [CPU_AVX2] = "avx2",         [CPU_AVX512] = "avx512",
	[CPU_NEON] = "neon",         [CPU_NEON_DOT] = "neon_dot",
};

const char *cpu_isa_name(cpu_isa isa)
{
	return (unsigned)isa < CPU_ISA_COUNT ? isa_names[isa] : "unknown";
}

static bool machine_runs(cpu_isa isa)
{
	static const uint32_t needs[CPU_ISA_COUNT] = {
		[CPU_AVX2] = CPU_FEATURE_AVX2,
		[CPU_AVX512] = CPU_FEATURE_AVX512,
		[CPU_NEON] = CPU_FEATURE_NEON,
		[CPU_NEON_DOT] = CPU_FEATURE_DOTPROD,
	};
	detect_once();
	return (machine.features & needs[isa]) == needs[isa];
}

/* The highest instruction set that CLAST_ISA lets through. */
static cpu_isa ceiling(void)
{
	const char *name = getenv("CLAST_ISA");
	if (name && !strcmp(name, "sse2"))
		return CPU_PORTABLE;
	for (int isa = CPU_PORTABLE; name && isa < CPU_ISA_COUNT; isa++)
		if (!strcmp(name, isa_names[isa]))
			return isa;
	return CPU_ISA_COUNT - 1;
}

bool cpu_runs(cpu_isa isa)
{
	return (unsigned)isa < CPU_ISA_COUNT && isa <= ceiling() && machine_runs(isa);
}

cpu_isa cpu_best(void)
{
	cpu_isa best = ceiling();
	while (best > CPU_PORTABLE && !machine_runs(best))
		best--;
	return best;
}

uint32_t cpu_features(void)
{
	static const uint32_t beyond[CPU_ISA_COUNT] = {
		[CPU_PORTABLE] = ~0u,
		[CPU_AVX2] = CPU_FEATURE_AVX512 | CPU_FEATURE_AVX512_VNNI | CPU_FEATURE_AVX512_BF16 |
			     CPU_FEATURE_AVX512_FP16,
		[CPU_NEON] = CPU_FEATURE_DOTPROD | CPU_FEATURE_I8MM,
	};
	detect_once();
	return machine.features & ~beyond[cpu_best()];
}

const char *cpu_features_text(void)
{
	detect_once();
	return machine.text;
}

const char *cpu_model_text(void)
{
	detect_once();
	return machine.model;
}

const cpu_caches *cpu_cache_sizes(void)
{
	detect_once();
	return &machine.caches;
}

size_t cpu_allowed(void)
{
	/* The kernel refuses a set smaller than its own; machines of more than 1024 CPUs exist. */
	for (size_t cpus = 1024; cpus <= 1 << 16; cpus *= 4) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		const size_t bytes = CPU_ALLOC_SIZE(cpus);
		if (!set)
			return 1;
		const bool ok = sched_getaffinity(0, bytes, set) == 0;
		const int error = errno, count = ok ? CPU_COUNT_S(bytes, set) : 0;
		CPU_FREE(set);
		if (ok)
			return count > 0 ? (size_t)count : 1;
		if (error != EINVAL)
			break;
	}
	return 1;
}
