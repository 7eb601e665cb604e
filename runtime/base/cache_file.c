#include "cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct header {
	char magic[8];
	uint64_t key[2];
	uint64_t size, check;
} header;

void cache_key_begin(uint64_t key[2])
{
	key[0] = 0xcbf29ce484222325u;
	key[1] = 0x84222325cbf29ce4u;
}

void cache_key_add(uint64_t key[2], const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	for (size_t i = 0; i < size; i++) {
		key[0] = (key[0] ^ at[i]) * 0x100000001b3u;
		key[1] = (key[1] + at[i]) * 0x9e3779b97f4a7c15u;
		key[1] ^= key[1] >> 29;
	}
}

static uint64_t check_of(const void *bytes, size_t size)
{
	uint64_t key[2];
	cache_key_begin(key);
	cache_key_add(key, bytes, size);
	return key[0] ^ key[1] ^ size;
}

bool cache_file_at(cache_file *f, const char *folder, const char *name)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const size_t size = sizeof(f->path);
	if (xdg && xdg[0] == '/')
		return (size_t)snprintf(f->path, size, "%s/clast/%s/%s", xdg, folder, name) < size;
	return home && home[0] == '/' &&
	       (size_t)snprintf(f->path, size, "%s/.cache/clast/%s/%s", home, folder, name) < size;
}

/* Whether the header fits the file, whose length is known: only then is its size worth an allocation. */
static bool expected(const cache_file *f, const header *h, int fd)
{
	struct stat st;
	return !memcmp(h->magic, f->magic, sizeof(h->magic)) && h->key[0] == f->key[0] &&
	       h->key[1] == f->key[1] && h->size && h->size <= f->most_bytes && !fstat(fd, &st) &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == sizeof(*h) + h->size;
}

bool cache_file_read(const cache_file *f, mem *m, void **bytes, size_t *size)
{
	header h;
	*bytes = NULL;
	*size = 0;
	/* Not blocking: a pipe of that name is no cache. */
	const int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool good = fread(&h, sizeof(h), 1, file) == 1 && expected(f, &h, fd);
	void *to = good ? mem_alloc(m, h.size) : NULL;
	good = to && fread(to, 1, h.size, file) == h.size && check_of(to, h.size) == h.check;
	fclose(file);
	if (!good) {
		mem_free(m, to, to ? h.size : 0);
		return false;
	}
	*bytes = to;
	*size = h.size;
	return true;
}

static bool make_folders(const char *path)
{
	char folder[sizeof(((cache_file *)0)->path)];
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(folder, path, i);
		folder[i] = 0;
		if (mkdir(folder, 0700) && errno != EEXIST)
			return false;
	}
	return true;
}

const char *cache_file_write(const cache_file *f, const void *bytes, size_t size)
{
	char beside[sizeof(f->path) + 8];
	header h = { .key = { f->key[0], f->key[1] }, .size = size, .check = check_of(bytes, size) };
	memcpy(h.magic, f->magic, sizeof(h.magic));
	if (!size || size > f->most_bytes)
		return "too much for one file";
	if (!make_folders(f->path))
		return "the folder cannot be made";
	snprintf(beside, sizeof(beside), "%s.XXXXXX", f->path);
	const int fd = mkostemp(beside, O_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return "no file can be made in the folder";
	}
	bool good = fwrite(&h, sizeof(h), 1, file) == 1 && fwrite(bytes, 1, size, file) == size;
	good = !fclose(file) && good;
	if (good && !rename(beside, f->path))
		return NULL;
	unlink(beside);
	return "the file cannot be written";
}
