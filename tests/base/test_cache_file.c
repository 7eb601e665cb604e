/* Files of the cache: what was written comes back whole or not at all. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_file.h"

static cache_file in_new_folder(char folder[40])
{
	cache_file f = { .magic = "testing1", .key = { 3, 4 }, .most_bytes = 1000 };
	strcpy(folder, "/tmp/clast-cache-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	setenv("XDG_CACHE_HOME", folder, 1);
	cr_assert(cache_file_at(&f, "kind", "name.bin"));
	return f;
}

/* SIZE_MAX: nothing. */
static size_t length_of(const cache_file *f, void *copy, size_t room)
{
	mem m;
	void *bytes;
	size_t size;
	mem_init(&m, NULL, 0);
	if (!cache_file_read(f, &m, &bytes, &size)) {
		cr_assert_null(bytes);
		cr_assert_eq(m.used_bytes, 0);
		return SIZE_MAX;
	}
	cr_assert(size <= room);
	memcpy(copy, bytes, size);
	mem_free(&m, bytes, size);
	cr_assert_eq(m.used_bytes, 0);
	return size;
}

static size_t load(const char *path, char *to, size_t room)
{
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f);
	const size_t n = fread(to, 1, room, f);
	fclose(f);
	return n;
}

static void store(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

Test(cache_file, gives_back_what_was_written)
{
	char folder[40], copy[1000], bytes[1000];
	cache_file f = in_new_folder(folder);
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	for (size_t n = 1; n <= sizeof(bytes); n += 111) {
		cr_assert_null(cache_file_write(&f, bytes, n));
		cr_assert_eq(length_of(&f, copy, sizeof(copy)), n);
		cr_assert_eq(memcmp(copy, bytes, n), 0);
	}
	f.most_bytes = 10;
	cr_assert_not_null(cache_file_write(&f, bytes, 11));
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "longer than is wanted");
}

Test(cache_file, is_not_there_when_cut_changed_or_of_another_kind)
{
	char folder[40], copy[1000], whole[1000];
	const char text[] = "some bytes that are worth keeping";
	cache_file f = in_new_folder(folder);
	cr_assert_null(cache_file_write(&f, text, sizeof(text)));
	const size_t n = load(f.path, whole, sizeof(whole));
	for (size_t cut = 0; cut < n; cut++) {
		store(f.path, whole, cut);
		cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "cut after %zu bytes", cut);
	}
	for (size_t at = 0; at < n; at++) {
		whole[at] ^= 0x10;
		store(f.path, whole, n);
		cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "byte %zu is another", at);
		whole[at] ^= 0x10;
	}
	store(f.path, whole, n);
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), sizeof(text));
	cache_file other = f;
	other.key[1]++;
	cr_assert_eq(length_of(&other, copy, sizeof(copy)), SIZE_MAX);
	other = f;
	other.magic[7]++;
	cr_assert_eq(length_of(&other, copy, sizeof(copy)), SIZE_MAX);
	cr_assert_eq(truncate(f.path, (off_t)1 << 40), 0);
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "a file of a terabyte");
}

Test(cache_file, does_not_wait_for_what_is_no_file, .timeout = 60)
{
	char folder[40], copy[100];
	cache_file f = in_new_folder(folder);
	cr_assert_null(cache_file_write(&f, "x", 1));
	cr_assert_eq(unlink(f.path), 0);
	cr_assert_eq(mkfifo(f.path, 0600), 0);
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "a pipe");
	cr_assert_null(cache_file_write(&f, "x", 1));
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), 1, "a pipe is replaced");
	cr_assert_eq(unlink(f.path), 0);
	cr_assert_eq(mkdir(f.path, 0700), 0);
	cr_assert_eq(length_of(&f, copy, sizeof(copy)), SIZE_MAX, "a folder");
	cr_assert_not_null(cache_file_write(&f, "x", 1));
}

Test(cache_file, says_why_it_cannot_be_written)
{
	char folder[40];
	cache_file f = in_new_folder(folder);
	char path[80];
	snprintf(path, sizeof(path), "%s/clast", folder);
	store(path, "in the way", 10);
	cr_assert_not_null(cache_file_write(&f, "x", 1));
	setenv("XDG_CACHE_HOME", "not/absolute", 1);
	unsetenv("HOME");
	cr_assert_not(cache_file_at(&f, "kind", "name.bin"));
}

/* Readers among them see one of the files, never part of one. */
Test(cache_file, many_may_write_at_once, .timeout = 120)
{
	enum { WRITERS = 6, ROUNDS = 200, BYTES = 900 };
	char folder[40], bytes[BYTES], copy[1000];
	cache_file f = in_new_folder(folder);
	memset(bytes, 'a', sizeof(bytes));
	cr_assert_null(cache_file_write(&f, bytes, sizeof(bytes)));
	pid_t child[WRITERS];
	for (int w = 0; w < WRITERS; w++) {
		child[w] = fork();
		if (child[w])
			continue;
		bool good = true;
		memset(bytes, 'a' + w, sizeof(bytes));
		for (int i = 0; good && i < ROUNDS; i++)
			good = !cache_file_write(&f, bytes, (size_t)(BYTES - 100 * w));
		_exit(!good);
	}
	for (int i = 0; i < 2000; i++) {
		const size_t n = length_of(&f, copy, sizeof(copy));
		cr_assert_neq(n, SIZE_MAX);
		const size_t w = (size_t)(copy[0] - 'a');
		cr_assert(w < WRITERS && n == BYTES - 100 * w && copy[n - 1] == copy[0]);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;
		cr_assert_eq(waitpid(child[w], &status, 0), child[w]);
		cr_assert_eq(status, 0);
	}
}
