/* What this machine can do: the rate of multiply-adds and of memory, measured. */
#ifndef CLAST_CLI_MACHINE_H
#define CLAST_CLI_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct machine {
	double gflops; /* 10^9 operations a second, all threads together */
	double gbytes; /* 10^9 bytes a second read and written by copying blocks far larger than the caches */
} machine;

/* Takes about half a second. The best of several tries, each with so many threads at once; false if memory or threads are short. */
bool machine_measure(size_t threads, machine *out);

#endif
