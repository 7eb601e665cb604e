/* Files in the user's cache folder, $XDG_CACHE_HOME/clast or ~/.cache/clast: bytes that can be made again.
 *
 * A file says what it holds (magic), for which key, how many bytes, and their checksum. One that is damaged, cut
 * off or made for another key counts as absent. Writing replaces a file as a whole, so that readers and other
 * writers see the old one or the new one. */
#ifndef CLAST_BASE_CACHE_FILE_H
#define CLAST_BASE_CACHE_FILE_H

#include "mem.h"

typedef struct cache_file {
	char path[512];
	char magic[9]; /* 8 characters */
	uint64_t key[2];
	size_t most_bytes; /* what is longer is neither read nor written */
} cache_file;

/* The path of folder/name in the cache; false where the user has no cache folder. */
bool cache_file_at(cache_file *f, const char *folder, const char *name);
/* The bytes, to be freed with mem_free; false if there are none. */
bool cache_file_read(const cache_file *f, mem *m, void **bytes, size_t *size);
/* Makes the folders that are missing. What went wrong, or NULL; errno says more. */
const char *cache_file_write(const cache_file *f, const void *bytes, size_t size);

/* Keys of bytes, the same in every process: begin one, add what decides. */
void cache_key_begin(uint64_t key[2]);
void cache_key_add(uint64_t key[2], const void *bytes, size_t size);

#endif
