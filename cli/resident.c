#include "resident.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* A line of /proc/self/status such as "VmHWM:   1234 kB", in bytes; 0 if there is none. */
static size_t status_bytes(const char *field)
{
	char line[256];
	size_t kilobytes = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), ": %zu", &kilobytes);
	if (f)
		fclose(f);
	return kilobytes * 1024;
}

size_t resident_start(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");
	if (f) {
		fputs("5", f); /* resets the peak, see proc(5) */
		fclose(f);
	}
	return status_bytes("VmRSS");
}

size_t resident_peak(void)
{
	const size_t peak = status_bytes("VmHWM");
	struct rusage use;
	if (!peak && !getrusage(RUSAGE_SELF, &use))
		return (size_t)use.ru_maxrss * 1024;
	return peak;
}

size_t resident_cpus(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (size_t)CPU_COUNT(&set);
}
