#include "external.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO that nobody writes to would block for ever. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static clast_status map_descriptor(int fd, bool one_name, size_t limit_bytes, const char *path,
				   mapped_file *out, clast_diag *d)
{
	struct stat st;
	if (fstat(fd, &st))
		return fail(d, CLAST_ERROR_IO, "cannot examine \"%s\": %s", quote(path).text,
			    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(d, CLAST_ERROR_IO, "\"%s\" is not a regular file", quote(path).text);
	if (one_name && st.st_nlink > 1)
		return fail(d, CLAST_ERROR_IO,
			    "\"%s\" has more than one name (hard links), so it may belong elsewhere",
			    quote(path).text);
	if ((uint64_t)st.st_size > limit_bytes || (uint64_t)st.st_size > PTRDIFF_MAX)
		return fail(d, CLAST_ERROR_LIMIT, "\"%s\" has %lld bytes, allowed are %zu (limit file_bytes)",
			    quote(path).text, (long long)st.st_size, limit_bytes);
	*out = (mapped_file){ .size = (size_t)st.st_size, .device = st.st_dev, .inode = st.st_ino };
	if (!st.st_size)
		return CLAST_OK;
	void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return fail(d, CLAST_ERROR_IO, "cannot map \"%s\": %s", quote(path).text, strerror(errno));
	out->bytes = bytes;
	return CLAST_OK;
}

clast_status file_map(const char *path, size_t limit_bytes, mapped_file *out, clast_diag *d)
{
	*out = (mapped_file){ 0 };
	const int fd = open(path, OPEN_FLAGS);
	if (fd < 0)
		return fail(d, CLAST_ERROR_IO, "cannot open \"%s\": %s", quote(path).text, strerror(errno));
	clast_status status = map_descriptor(fd, false, limit_bytes, path, out, d);
	close(fd);
	return status;
}

void file_unmap(mapped_file *f)
{
	if (f->bytes)
		munmap((void *)f->bytes, f->size);
	*f = (mapped_file){ 0 };
}

void file_forget(const mapped_file *f, size_t at, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t first = (at + page - 1) / page * page, last = (at + size) / page * page;
	if (f->bytes && first < last)
		madvise((void *)(f->bytes + first), last - first, MADV_DONTNEED);
}

/* ---- Opening beneath the model's folder ---- */

static int open_by_kernel(int folder, const char *location)
{
	const struct open_how how = { .flags = OPEN_FLAGS,
				      .resolve =
					      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, folder, location, &how, sizeof(how));
}

/* One component after the other. Each is opened relative to a descriptor of its folder, so that nothing that
 * is renamed meanwhile can lead outside; the location holds no "..". */
static int open_by_steps(int folder, const char *location)
{
	int at = folder;
	for (;;) {
		char name[256]; /* NAME_MAX + 1 */
		const size_t length = strcspn(location, "/");
		if (length >= sizeof(name)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(name, location, length);
		name[length] = 0;
		location += length + strspn(location + length, "/");
		const int flags = *location ? O_PATH | O_DIRECTORY | O_CLOEXEC : OPEN_FLAGS;
		const int next = openat(at, length ? name : ".", flags | O_NOFOLLOW);
		const int error = errno;
		if (at != folder)
			close(at);
		errno = error;
		if (next < 0 || !*location)
			return next;
		at = next;
	}
	if (at != folder)
		close(at);
	errno = ENAMETOOLONG;
	return -1;
}

static int open_beneath(external_files *x, const char *location)
{
	if (!x->no_openat2) {
		const int fd = open_by_kernel(x->folder, location);
		/* Kernels before 5.6 answer ENOSYS, sandboxes that do not know the call often EPERM. */
		if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
			return fd;
		x->no_openat2 = true;
	}
	return open_by_steps(x->folder, location);
}

static clast_status check_location(const char *location, clast_diag *d)
{
	const char *wrong = NULL;
	if (!*location)
		wrong = "the location of external data is empty";
	else if (*location == '/')
		wrong = "the location of external data is absolute";
	for (const char *at = location; !wrong && *at; at += strspn(at, "/")) {
		const size_t length = strcspn(at, "/");
		if (length == 2 && !memcmp(at, "..", 2))
			wrong = "the location of external data leads outside of the model's folder";
		at += length;
	}
	if (wrong)
		return fail(d, CLAST_ERROR_MODEL, "%s: \"%s\"", wrong, quote(location).text);
	return CLAST_OK;
}

static clast_status open_folder(external_files *x, clast_diag *d)
{
	const char *slash = strrchr(x->model_path, '/');
	/* "/model.onnx" lies in "/". */
	const size_t length = !slash ? 1 : slash == x->model_path ? 1 : (size_t)(slash - x->model_path);
	char *folder = mem_alloc(x->m, length + 1);
	if (!folder)
		return fail_memory(d, length + 1);
	memcpy(folder, slash ? x->model_path : ".", length);
	folder[length] = 0;
	x->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x->folder < 0)
		fail(d, CLAST_ERROR_IO, "cannot open the model's folder \"%s\": %s", quote(folder).text,
		     strerror(errno));
	mem_free(x->m, folder, length + 1);
	return x->folder < 0 ? CLAST_ERROR_IO : CLAST_OK;
}

static clast_status open_new(external_files *x, const char *location, mapped_file *out, clast_diag *d)
{
	clast_status status = check_location(location, d);
	if (!status && x->folder < 0)
		status = open_folder(x, d);
	if (status)
		return status;
	const int fd = open_beneath(x, location);
	if (fd < 0) {
		const bool escapes = errno == ELOOP || errno == EXDEV;
		return fail(d, CLAST_ERROR_IO, "cannot open the external data \"%s\": %s",
			    quote(location).text,
			    escapes ? "symbolic links are not followed" : strerror(errno));
	}
	status = map_descriptor(fd, true, x->limit_bytes, location, out, d);
	close(fd);
	return status;
}

void external_init(external_files *x, mem *m, const char *model_path, size_t limit_bytes)
{
	*x = (external_files){ .m = m, .model_path = model_path, .limit_bytes = limit_bytes, .folder = -1 };
	map_init(&x->names, m);
}

void external_release(external_files *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (!x->files[i].kept)
			file_unmap(&x->files[i]);
	mem_free(x->m, x->files, x->capacity * sizeof(mapped_file));
	map_release(&x->names);
	if (x->folder >= 0)
		close(x->folder);
	external_init(x, x->m, NULL, 0);
}

clast_status external_open(external_files *x, const char *location, mapped_file **out, clast_diag *d)
{
	uint32_t index;
	if (!x->model_path)
		return fail(d, CLAST_ERROR_MODEL,
			    "external data \"%s\": a model from memory has no folder to look in",
			    quote(location).text);
	if (map_get(&x->names, location, &index)) {
		*out = &x->files[index];
		return CLAST_OK;
	}
	if (!grow(x->m, &x->files, &x->capacity, x->count + 1, sizeof(mapped_file)))
		return fail_memory(d, sizeof(mapped_file));
	mapped_file file = { 0 };
	clast_status status = open_new(x, location, &file, d);
	if (status)
		return status;
	index = 0;
	while (index < x->count &&
	       (x->files[index].device != file.device || x->files[index].inode != file.inode))
		index++;
	if (index < x->count)
		file_unmap(&file);
	else
		x->files[x->count++] = file;
	*out = &x->files[index];
	return map_put(&x->names, location, index) ? CLAST_OK : fail_memory(d, 0);
}
