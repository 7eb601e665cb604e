/* TensorProto files to public tensors and back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "tensor.h"
#include "tensor_proto.h"

/* A tensor of the reader's elements; strings are packed behind one another. */
static clast_status adopt(const tensor_view *v, const char *name, clast_tensor **out, clast_diag *d)
{
	clast_tensor *t;
	clast_status s = tensor_create(v->dtype, (size_t)v->rank, v->dims, NULL, &t, d);
	if (s)
		return s;
	const size_t count = (size_t)view_count(v);
	memcpy(t->view.data, v->data, count * clast_dtype_bytes(v->dtype));
	t->name_bytes = strlen(name) + 1;
	t->name = mem_alloc(&t->memory, t->name_bytes);
	if (t->name)
		memcpy(t->name, name, t->name_bytes);
	else
		s = fail_memory(d, t->name_bytes);
	if (v->dtype == CLAST_STRING) {
		clast_string *e = t->view.data;
		for (size_t i = 0; i < count; i++)
			t->string_bytes += e[i].length;
		t->strings = mem_alloc(&t->memory, t->string_bytes);
		char *at = t->strings;
		for (size_t i = 0; at && i < count; i++) {
			memcpy(at, e[i].bytes, e[i].length);
			e[i].bytes = at;
			at += e[i].length;
		}
		if (!t->strings)
			s = fail_memory(d, t->string_bytes);
	}
	if (s)
		clast_tensor_free(&t);
	*out = t;
	return s;
}

clast_status clast_tensor_parse(const void *bytes, size_t size, clast_tensor **tensor, clast_diag *d)
{
	mem m;
	bump region;
	tensor_view v;
	const char *name = "";
	if (!tensor || (!bytes && size))
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_parse: bytes or tensor is NULL");
	*tensor = NULL;
	mem_init(&m, NULL, 0);
	bump_init(&region, &m);
	clast_status s = tensor_proto_parse(&region, NULL, bytes, size, &v, &name, d);
	if (!s)
		s = adopt(&v, name, tensor, d);
	bump_release(&region);
	if (s && d)
		d->status = s;
	return s;
}

clast_status clast_tensor_load(const char *path, clast_tensor **tensor, clast_diag *d)
{
	mapped_file file;
	if (!path || !tensor)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_load: path or tensor is NULL");
	*tensor = NULL;
	clast_status s = file_map(path, SIZE_MAX, &file, d);
	if (!s) {
		s = clast_tensor_parse(file.bytes, file.size, tensor, d);
		file_unmap(&file);
	}
	if (s && d)
		d->status = s;
	return s;
}

clast_status clast_tensor_save(const clast_tensor *t, const char *path, clast_diag *d)
{
	mem m;
	uint8_t *bytes;
	size_t size, capacity;
	if (!t || !path)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_tensor_save: tensor or path is NULL");
	mem_init(&m, NULL, 0);
	clast_status s = tensor_proto_write(&m, &t->view, clast_tensor_name(t), &bytes, &size, &capacity, d);
	if (s)
		return s;
	FILE *f = fopen(path, "wb");
	const bool written = f && fwrite(bytes, 1, size, f) == size;
	if (!f || (fclose(f) | !written))
		s = fail(d, CLAST_ERROR_IO, "%s: %s", quote(path).text, strerror(errno));
	mem_free(&m, bytes, capacity);
	return s;
}
