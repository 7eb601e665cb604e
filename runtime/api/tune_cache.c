#include "tune_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cache_file.h"
#include "cpu.h"

/* Some 70 networks. */
enum { MOST_ENTRIES = 8192 };

/* Times say nothing about kernels of another build: KERNELS_KEY is made of their sources (CMakeLists.txt). */
static bool file_of(cache_file *f)
{
	const char *off = getenv("CLAST_TUNE_CACHE"), *isa = cpu_kernels_get()->isa, *model = cpu_model_text();
	const cpu_caches *caches = cpu_cache_sizes();
	char name[64];
	uint64_t cpu[2];
	*f = (cache_file){ .magic = "clasttu1", .most_bytes = MOST_ENTRIES * sizeof(tune_entry) };
	cache_key_begin(cpu);
	cache_key_add(cpu, model, strlen(model) + 1);
	cache_key_add(cpu, &caches->l2, sizeof caches->l2);
	memcpy(f->key, cpu, sizeof cpu);
	cache_key_add(f->key, isa, strlen(isa) + 1);
	cache_key_add(f->key, KERNELS_KEY, sizeof KERNELS_KEY);
	snprintf(name, sizeof name, "%s-%016llx.bin", isa, (unsigned long long)cpu[0]);
	return !(off && !strcmp(off, "0")) && cache_file_at(f, "tune", name);
}

static void read_file(const cache_file *f, tune_list *l)
{
	void *bytes;
	size_t size;
	if (!cache_file_read(f, l->memory, &bytes, &size))
		return;
	if (size % sizeof *l->entries) {
		mem_free(l->memory, bytes, size);
		return;
	}
	l->entries = bytes;
	l->count = l->capacity = size / sizeof *l->entries;
}

void tune_list_read(tune_list *l, mem *m)
{
	cache_file f;
	*l = (tune_list){ .memory = m };
	if (file_of(&f))
		read_file(&f, l);
}

const tune_entry *tune_list_find(const tune_list *l, const uint64_t key[2])
{
	for (size_t i = l->count; i-- > 0;)
		if (l->entries[i].key[0] == key[0] && l->entries[i].key[1] == key[1])
			return &l->entries[i];
	return NULL;
}

bool tune_list_add(tune_list *l, const uint64_t key[2], const lower_choice *choice)
{
	if (!grow(l->memory, &l->entries, &l->capacity, l->count + 1, sizeof *l->entries))
		return false;
	l->entries[l->count++] = (tune_entry){ { key[0], key[1] }, *choice, { 0 } };
	return true;
}

/* One writer at a time, so that none loses what another adds; but nobody waits long for one that has stopped. Returns the lock, or -1. */
static int lock_folder(const cache_file *f)
{
	char folder[sizeof f->path];
	const size_t length = (size_t)(strrchr(f->path, '/') - f->path);
	memcpy(folder, f->path, length);
	folder[length] = 0;
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < 50 && flock(fd, LOCK_EX | LOCK_NB); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 4000000 }, NULL);
	return fd;
}

/* The file's entries that are not among the new ones, then these; the last MOST_ENTRIES of all. */
static const char *merge(const cache_file *f, const tune_list *more)
{
	tune_list all = { .memory = more->memory };
	size_t kept = 0;
	read_file(f, &all);
	for (size_t i = 0; i < all.count; i++)
		if (!tune_list_find(more, all.entries[i].key))
			all.entries[kept++] = all.entries[i];
	all.count = kept;
	bool room = true;
	for (size_t i = 0; room && i < more->count; i++)
		room = tune_list_add(&all, more->entries[i].key, &more->entries[i].choice);
	const size_t count = all.count < MOST_ENTRIES ? all.count : MOST_ENTRIES;
	const char *wrong = room ? cache_file_write(f, all.entries + (all.count - count), count * sizeof *all.entries) : "out of memory";
	tune_list_free(&all);
	return wrong;
}

const char *tune_list_write(const tune_list *more)
{
	cache_file f;
	if (!more->count || !file_of(&f))
		return NULL;
	const int lock = lock_folder(&f);
	const char *wrong = merge(&f, more);
	if (lock >= 0)
		close(lock);
	return wrong;
}

void tune_list_free(tune_list *l)
{
	mem_free(l->memory, l->entries, l->capacity * sizeof *l->entries);
	*l = (tune_list){ .memory = l->memory };
}
