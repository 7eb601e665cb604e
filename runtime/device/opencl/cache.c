/* Program binaries on disk: clast/opencl in the user's cache folder, one file a program, named by the hash of device, driver and
 * source. CLAST_OPENCL_CACHE=0 does without. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_file.h"
#include "opencl.h"

static bool file_of(const uint64_t key[2], cache_file *f)
{
	const char *off = getenv("CLAST_OPENCL_CACHE");
	char name[48];
	*f = (cache_file){ .magic = "clastcl2", .key = { key[0], key[1] }, .most_bytes = 64u << 20 };
	snprintf(name, sizeof name, "%016llx%016llx.bin", (unsigned long long)key[0], (unsigned long long)key[1]);
	return !(off && !strcmp(off, "0")) && cache_file_at(f, "opencl", name);
}

bool opencl_cache_read(opencl_device *x, const uint64_t key[2], opencl_binary *out)
{
	cache_file f;
	void *bytes = NULL;
	*out = (opencl_binary){ NULL, 0 };
	const bool good = file_of(key, &f) && cache_file_read(&f, &x->memory, &bytes, &out->size);
	out->bytes = bytes;
	return good;
}

void opencl_cache_write(const uint64_t key[2], const opencl_binary *b)
{
	cache_file f;
	if (file_of(key, &f))
		(void)cache_file_write(&f, b->bytes, b->size);
}
