/* Memory and processors of this process, from Linux's /proc. */
#ifndef CLAST_CLI_RESIDENT_H
#define CLAST_CLI_RESIDENT_H

#include <stddef.h>

/* Forgets the peak so far and returns the bytes that are resident now. */
size_t resident_start(void);
/* The largest number of resident bytes since. */
size_t resident_peak(void);
/* CPUs that this process may use. */
size_t resident_cpus(void);

#endif
