/* Program binaries on disk: $XDG_CACHE_HOME/clast/opencl (or ~/.cache/...), one file a program, named by the hash of device,
 * driver and source. A file is written beside its place and renamed into it; one that is damaged is ignored and replaced.
 * CLAST_OPENCL_CACHE=0 does without. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl.h"

#define MAGIC "clastcl1"
#define MOST_BYTES (64u << 20)

typedef struct header {
	char magic[8];
	uint64_t key[2];
	uint64_t size, check;
} header;

static uint64_t check_of(const unsigned char *bytes, size_t size)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ bytes[i]) * 0x100000001b3u;
	return h ^ size;
}

static bool folder_of(char *path, size_t size)
{
	const char *off = getenv("CLAST_OPENCL_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (off && !strcmp(off, "0"))
		return false;
	if (xdg && xdg[0] == '/')
		return (size_t)snprintf(path, size, "%s/clast/opencl", xdg) < size;
	return home && home[0] == '/' && (size_t)snprintf(path, size, "%s/.cache/clast/opencl", home) < size;
}

static bool make_folders(char *path)
{
	for (char *at = path + 1; *at; at++)
		if (*at == '/') {
			*at = 0;
			const bool bad = mkdir(path, 0700) && errno != EEXIST;
			*at = '/';
			if (bad)
				return false;
		}
	return !mkdir(path, 0700) || errno == EEXIST;
}

static bool file_of(const uint64_t key[2], char *path, size_t size)
{
	char folder[400];
	return folder_of(folder, sizeof folder) && (size_t)snprintf(path, size, "%s/%016llx%016llx.bin", folder,
	                                                            (unsigned long long)key[0], (unsigned long long)key[1]) < size;
}

bool opencl_cache_read(const opencl_device *x, const uint64_t key[2], opencl_binary *out)
{
	char path[512];
	header h;
	struct stat st;
	(void)x;
	*out = (opencl_binary){ NULL, 0 };
	if (!file_of(key, path, sizeof path))
		return false;
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	bool good = fread(&h, sizeof h, 1, f) == 1 && !memcmp(h.magic, MAGIC, sizeof h.magic) && h.key[0] == key[0] &&
	            h.key[1] == key[1] && h.size && h.size <= MOST_BYTES && !fstat(fileno(f), &st) &&
	            (uint64_t)st.st_size == sizeof h + h.size;
	if (good)
		out->bytes = malloc(h.size);
	good = good && out->bytes && fread(out->bytes, 1, h.size, f) == h.size && check_of(out->bytes, h.size) == h.check;
	fclose(f);
	if (good) {
		out->size = h.size;
		return true;
	}
	free(out->bytes);
	*out = (opencl_binary){ NULL, 0 };
	return false;
}

void opencl_cache_write(const opencl_device *x, const uint64_t key[2], const opencl_binary *b)
{
	char folder[400], path[512], beside[560];
	(void)x;
	if (b->size > MOST_BYTES || !folder_of(folder, sizeof folder) || !make_folders(folder) || !file_of(key, path, sizeof path))
		return;
	header h = { .key = { key[0], key[1] }, .size = b->size, .check = check_of(b->bytes, b->size) };
	memcpy(h.magic, MAGIC, sizeof h.magic);
	snprintf(beside, sizeof beside, "%s.XXXXXX", path);
	const int fd = mkstemp(beside);
	FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!f) {
		if (fd >= 0)
			close(fd);
		return;
	}
	bool good = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(b->bytes, 1, b->size, f) == b->size;
	good = !fclose(f) && good;
	if (!good || rename(beside, path))
		unlink(beside);
}
