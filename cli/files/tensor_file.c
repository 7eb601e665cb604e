#include "tensor_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elements.h"
#include "npy.h"
#include "npz.h"

void file_tensor_free(file_tensor *t)
{
	clast_tensor_free(&t->tensor);
	free(t->memory);
	t->memory = NULL;
}

clast_status file_tensor_strings(size_t rank, const int64_t *dims, void *memory, file_tensor *out, problem *p)
{
	out->memory = memory;
	return clast_tensor_wrap(CLAST_STRING, rank, dims, NULL, memory, &out->tensor, &p->diag);
}

bool has_extension(const char *path, const char *extension)
{
	const size_t n = strlen(path), m = strlen(extension);
	return n >= m && !strcasecmp(path + n - m, extension);
}

/* ---- Whole files ---- */

clast_status file_read(const char *path, void **bytes, size_t *size, problem *p)
{
	struct stat info;
	*bytes = NULL;
	*size = 0;
	FILE *f = fopen(path, "rb");
	if (!f || fstat(fileno(f), &info))
		goto failed;
	if (!S_ISREG(info.st_mode)) {
		fclose(f);
		return problem_set(p, CLAST_ERROR_IO, path, "not a regular file");
	}
	*size = (size_t)info.st_size;
	*bytes = malloc(*size + 1);
	if (!*bytes) {
		fclose(f);
		return problem_set(p, CLAST_ERROR_MEMORY, path, "not enough memory for its %zu bytes", *size);
	}
	*size = fread(*bytes, 1, *size, f);
	if (!ferror(f)) {
		fclose(f);
		return CLAST_OK;
	}
failed:
	problem_set(p, CLAST_ERROR_IO, path, "%s", strerror(errno));
	if (f)
		fclose(f);
	free(*bytes);
	*bytes = NULL;
	return CLAST_ERROR_IO;
}

clast_status file_write(const char *path, const void *bytes, size_t size, problem *p)
{
	FILE *f = fopen(path, "wb");
	bool written = f && (!size || fwrite(bytes, 1, size, f) == size);
	if (f && fclose(f))
		written = false;
	return written ? CLAST_OK : problem_set(p, CLAST_ERROR_IO, path, "%s", strerror(errno));
}

/* ---- Reading ---- */

static clast_status read_npy(const char *path, clast_dtype expected, file_tensor *out, problem *p)
{
	void *bytes;
	size_t size;
	clast_status s = file_read(path, &bytes, &size, p);
	if (!s)
		s = npy_parse(bytes, size, path, expected, out, p);
	free(bytes);
	return s;
}

static clast_status read_npz(const char *path, const char *entry, clast_dtype expected, file_tensor *out,
			     problem *p)
{
	npz *a;
	clast_status s = npz_open(path, &a, p);
	if (s)
		return s;
	size_t arrays = 0, only = SIZE_MAX, at = entry ? npz_find(a, entry) : SIZE_MAX;
	for (size_t i = 0; i < npz_count(a); i++)
		if (npz_name(a, i)) {
			only = i;
			arrays++;
		}
	if (at == SIZE_MAX && arrays == 1)
		at = only;
	s = at != SIZE_MAX ? npz_read(a, at, expected, out, p)
			   : problem_set(p, CLAST_ERROR_IO, path, "has no array \"%s\" among its %zu",
					 entry ? entry : "", arrays);
	npz_close(&a);
	return s;
}

/* A file of nothing but elements, in this machine's byte order. One unknown dim follows from the size. */
static clast_status read_raw(const char *path, const clast_value_info *v, file_tensor *out, problem *p)
{
	void *bytes = NULL;
	size_t size, known;
	int64_t dims[CLAST_MAX_RANK];
	if (!v || v->rank < 0 || !v->dtype || v->dtype == CLAST_STRING)
		return problem_set(p, CLAST_ERROR_ARGUMENT, path,
				   "a raw file needs an input whose dtype and rank the model declares");
	known = clast_dtype_bytes(v->dtype);
	int unknown = -1, unknowns = 0;
	bool fits = true;
	for (int a = 0; a < v->rank; a++) {
		dims[a] = v->dims[a];
		if (dims[a] < 0) {
			unknown = a;
			unknowns++;
		} else {
			fits &= !__builtin_mul_overflow(known, (size_t)dims[a], &known);
		}
	}
	if (!fits || unknowns > 1)
		return problem_set(
			p, CLAST_ERROR_ARGUMENT, path,
			"a raw file leaves more than one dim of the input \"%s\" open: give --shape",
			v->name);
	clast_status s = file_read(path, &bytes, &size, p);
	if (!s && unknowns && known && size % known == 0) {
		dims[unknown] = (int64_t)(size / known);
		known = size;
	}
	if (!s && size != known)
		s = problem_set(p, CLAST_ERROR_IO, path, "holds %zu bytes, the input \"%s\" needs %zu", size,
				v->name, known);
	if (!s)
		s = problem_in(
			p, path,
			clast_tensor_create(v->dtype, (size_t)v->rank, dims, NULL, &out->tensor, &p->diag));
	if (!s && size)
		memcpy(clast_tensor_data(out->tensor), bytes, size);
	free(bytes);
	return s;
}

/* Bits of types that numpy lacks were stored as unsigned integers, by ONNX's own test data among others: the value's dtype
 * settles what they are. */
static clast_status adopt_dtype(const char *path, clast_dtype wanted, file_tensor *t, problem *p)
{
	const clast_dtype found = clast_tensor_dtype(t->tensor);
	const bool bits = (found == CLAST_UINT16 && wanted == CLAST_BFLOAT16) ||
			  (found == CLAST_UINT8 && dtype_is_floating(wanted) && clast_dtype_bytes(wanted) == 1);
	file_tensor typed = { 0 };
	if (!bits)
		return CLAST_OK;
	clast_status s = clast_tensor_create(wanted, clast_tensor_rank(t->tensor), clast_tensor_dims(t->tensor), NULL,
					     &typed.tensor, &p->diag);
	if (!s)
		s = clast_tensor_read(t->tensor, clast_tensor_data(typed.tensor),
				      clast_tensor_count(t->tensor) * clast_dtype_bytes(wanted));
	file_tensor_free(s ? &typed : t);
	if (!s)
		*t = typed;
	return problem_in(p, path, s);
}

static clast_status read_proto(const char *path, const clast_value_info *expected, file_tensor *out, problem *p)
{
	const clast_status s = problem_in(p, path, clast_tensor_load(path, &out->tensor, &p->diag));
	if (s && expected && !expected->dtype)
		return problem_set(p, CLAST_ERROR_UNSUPPORTED, path, "holds no tensor; sequences and optionals cannot be read");
	return s || !expected ? s : adopt_dtype(path, expected->dtype, out, p);
}

clast_status tensor_file_read(const char *path, const char *entry, const clast_value_info *expected,
			      file_tensor *out, problem *p)
{
	const clast_dtype dtype = expected ? expected->dtype : CLAST_UNDEFINED;
	*out = (file_tensor){ 0 };
	if (has_extension(path, ".npy"))
		return read_npy(path, dtype, out, p);
	if (has_extension(path, ".npz"))
		return read_npz(path, entry, dtype, out, p);
	if (has_extension(path, ".pb"))
		return read_proto(path, expected, out, p);
	if (has_extension(path, ".raw") || has_extension(path, ".bin"))
		return read_raw(path, expected, out, p);
	return problem_set(p, CLAST_ERROR_ARGUMENT, path,
			   "its name must end in .npy, .npz, .pb, .raw or .bin");
}

/* ---- Writing ---- */

static clast_status write_raw(const clast_tensor *t, const char *path, problem *p)
{
	void *copy;
	if (clast_tensor_dtype(t) == CLAST_STRING)
		return problem_set(p, CLAST_ERROR_ARGUMENT, path,
				   "strings cannot be written as raw elements");
	const void *elements = elements_of(t, &copy);
	const size_t bytes = clast_tensor_count(t) * clast_dtype_bytes(clast_tensor_dtype(t));
	const clast_status s =
		elements ? file_write(path, elements, bytes, p)
			 : problem_set(p, CLAST_ERROR_MEMORY, path, "not enough memory for %zu bytes", bytes);
	free(copy);
	return s;
}

static clast_status write_npy(const clast_tensor *t, const char *path, problem *p)
{
	void *bytes;
	size_t size;
	clast_status s = npy_format(t, &bytes, &size, p);
	if (!s)
		s = file_write(path, bytes, size, p);
	free(bytes);
	return problem_in(p, path, s);
}

clast_status tensor_file_write(const clast_tensor *t, const char *name, const char *path, problem *p)
{
	if (has_extension(path, ".npy"))
		return write_npy(t, path, p);
	if (has_extension(path, ".npz")) {
		clast_tensor *const tensors[] = { (clast_tensor *)t };
		return npz_write(path, 1, &name, tensors, p);
	}
	if (has_extension(path, ".pb"))
		return problem_in(p, path, clast_tensor_save(t, path, &p->diag));
	if (has_extension(path, ".raw") || has_extension(path, ".bin"))
		return write_raw(t, path, p);
	return problem_set(p, CLAST_ERROR_ARGUMENT, path,
			   "its name must end in .npy, .npz, .pb, .raw or .bin");
}
