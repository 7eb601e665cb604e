#include "npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "npy.h"

struct npz {
	zip_t *zip;
	char *path;
	size_t count;
	char **names;
};

static const char *error_text(int code, char *text, size_t size)
{
	zip_error_t e;
	zip_error_init_with_code(&e, code);
	snprintf(text, size, "%s", zip_error_strerror(&e));
	zip_error_fini(&e);
	return text;
}

static clast_status out_of_memory(problem *p, const char *path)
{
	return problem_set(p, CLAST_ERROR_MEMORY, path, "not enough memory to read the archive");
}

static clast_status read_names(npz *a, problem *p)
{
	const zip_int64_t count = zip_get_num_entries(a->zip, 0);
	a->count = count > 0 ? (size_t)count : 0;
	a->names = calloc(a->count + 1, sizeof(*a->names));
	for (size_t i = 0; a->names && i < a->count; i++) {
		const char *name = zip_get_name(a->zip, i, 0);
		if (!name || !has_extension(name, ".npy"))
			continue;
		a->names[i] = strndup(name, strlen(name) - 4);
		if (!a->names[i])
			return out_of_memory(p, a->path);
	}
	return a->names ? CLAST_OK : out_of_memory(p, a->path);
}

clast_status npz_open(const char *path, npz **out, problem *p)
{
	int code;
	char text[200];
	*out = NULL;
	npz *a = calloc(1, sizeof(*a));
	if (!a)
		return out_of_memory(p, path);
	a->path = strdup(path);
	a->zip = zip_open(path, ZIP_RDONLY, &code);
	clast_status s = a->path ? CLAST_OK : out_of_memory(p, path);
	if (!s && !a->zip)
		s = problem_set(p, CLAST_ERROR_IO, path, "%s", error_text(code, text, sizeof(text)));
	if (!s)
		s = read_names(a, p);
	if (s)
		npz_close(&a);
	*out = a;
	return s;
}

void npz_close(npz **archive)
{
	npz *a = *archive;
	*archive = NULL;
	if (!a)
		return;
	if (a->zip)
		zip_discard(a->zip);
	for (size_t i = 0; a->names && i < a->count; i++)
		free(a->names[i]);
	free(a->names);
	free(a->path);
	free(a);
}

size_t npz_count(const npz *a)
{
	return a->count;
}

const char *npz_name(const npz *a, size_t index)
{
	return a->names[index];
}

static bool same_name(const char *entry, const char *name)
{
	for (; *entry && *name; entry++, name++)
		if (*entry != *name && !(*entry == '_' && *name == '/'))
			return false;
	return !*entry && !*name;
}

size_t npz_find(const npz *a, const char *name)
{
	size_t found = SIZE_MAX;
	for (size_t i = 0; i < a->count; i++) {
		if (!a->names[i])
			continue;
		if (!strcmp(a->names[i], name))
			return i;
		if (found == SIZE_MAX && same_name(a->names[i], name))
			found = i;
	}
	return found;
}

/* The bytes of an entry, in memory from malloc. The size in the directory may lie: memory grows with what
 * arrives. */
static clast_status read_entry(npz *a, size_t index, unsigned char **bytes, size_t *size, problem *p)
{
	zip_file_t *f = zip_fopen_index(a->zip, index, 0);
	size_t room = 0;
	*bytes = NULL;
	*size = 0;
	zip_int64_t n = f ? 1 : -1;
	while (n > 0) {
		if (*size == room) {
			room = room ? 2 * room : 1 << 16;
			unsigned char *more = realloc(*bytes, room);
			if (!more)
				break;
			*bytes = more;
		}
		n = zip_fread(f, *bytes + *size, room - *size);
		*size += n > 0 ? (size_t)n : 0;
	}
	const clast_status s =
		n > 0   ? out_of_memory(p, a->path)
		: n < 0 ? problem_set(p, CLAST_ERROR_IO, a->path, "entry %s: %s", a->names[index],
				      f ? zip_file_strerror(f) : zip_strerror(a->zip))
			: CLAST_OK;
	if (f)
		zip_fclose(f);
	return s;
}

clast_status npz_read(npz *a, size_t index, clast_dtype expected, file_tensor *out, problem *p)
{
	unsigned char *bytes;
	size_t size;
	char file[1024];
	*out = (file_tensor){ 0 };
	snprintf(file, sizeof(file), "%s: entry %s", a->path, a->names[index]);
	clast_status s = read_entry(a, index, &bytes, &size, p);
	if (!s)
		s = npy_parse(bytes, size, file, expected, out, p);
	free(bytes);
	return s;
}

static clast_status add_array(zip_t *z, const char *path, const char *name, const clast_tensor *t, problem *p)
{
	void *bytes = NULL;
	size_t size;
	char *entry = NULL;
	clast_status s = npy_format(t, &bytes, &size, p);
	zip_source_t *source =
		s ? NULL : zip_source_buffer(z, bytes, size, 1); /* frees the bytes from now on */
	if (!s && (!source || asprintf(&entry, "%s.npy", name) < 0))
		s = out_of_memory(p, path);
	if (!source)
		free(bytes);
	if (!s && zip_file_add(z, entry, source, ZIP_FL_ENC_UTF_8 | ZIP_FL_OVERWRITE) < 0)
		s = problem_set(p, CLAST_ERROR_IO, path, "%s: %s", entry, zip_strerror(z));
	if (s && source)
		zip_source_free(source);
	free(entry);
	return problem_in(p, path, s);
}

clast_status npz_write(const char *path, size_t count, const char *const *names, clast_tensor *const *tensors,
		       problem *p)
{
	int code;
	char text[200];
	zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
	if (!z)
		return problem_set(p, CLAST_ERROR_IO, path, "%s", error_text(code, text, sizeof(text)));
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < count; i++)
		s = add_array(z, path, names[i], tensors[i], p);
	if (!s && zip_close(z))
		s = problem_set(p, CLAST_ERROR_IO, path, "%s", zip_strerror(z));
	else if (!s)
		return CLAST_OK;
	zip_discard(z);
	return s;
}
