/* The way from a graph to files: messages first, then bytes, then names that others see. */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checked.h"
#include "exporter.h"

/* What a protobuf message may hold, with room for everything but constants. */
#define MESSAGE_MOST_BYTES ((size_t)INT32_MAX)
#define CONSTANTS_MOST_BYTES (MESSAGE_MOST_BYTES - ((size_t)64 << 20))

/* A file that gets its name when it is complete. */
typedef struct draft {
	const char *path;
	char *temporary;
	FILE *file;
	int error; /* errno of the first failure */
} draft;

static clast_status io_failed(const draft *f, clast_diag *d)
{
	return fail(d, CLAST_ERROR_IO, "%s: %s", quote(f->path).text, strerror(f->error));
}

static clast_status draft_open(exporter *x, const char *path, draft *f)
{
	const size_t bytes = strlen(path) + 32;
	*f = (draft){ .path = path, .temporary = bump_alloc(&x->scratch, bytes) };
	if (!f->temporary)
		return export_memory(x);
	int fd = -1;
	for (unsigned i = 0; fd < 0 && i < 1000; i++) {
		snprintf(f->temporary, bytes, "%s.%ld-%u.tmp", path, (long)getpid(), i);
		fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	f->file = fd < 0 ? NULL : fdopen(fd, "wb");
	if (f->file)
		return CLAST_OK;
	f->error = errno;
	if (fd >= 0) {
		close(fd);
		unlink(f->temporary);
	}
	f->temporary = NULL;
	return io_failed(f, x->d);
}

static void draft_write(draft *f, const void *bytes, size_t size)
{
	if (!f->error && size && fwrite(bytes, 1, size, f->file) != size)
		f->error = errno ? errno : EIO;
}

/* Everything on the disk, still under its temporary name. */
static clast_status draft_finish(draft *f, clast_diag *d)
{
	if (!f->error && fflush(f->file))
		f->error = errno;
	if (fclose(f->file) && !f->error)
		f->error = errno;
	f->file = NULL;
	return f->error ? io_failed(f, d) : CLAST_OK;
}

static clast_status draft_publish(draft *f, clast_diag *d)
{
	if (rename(f->temporary, f->path)) {
		f->error = errno;
		return io_failed(f, d);
	}
	f->temporary = NULL;
	return CLAST_OK;
}

static void draft_abandon(draft *f)
{
	if (f->file)
		fclose(f->file);
	if (f->temporary)
		unlink(f->temporary);
}

/* ---- Contents ---- */

typedef struct stream {
	ProtobufCBuffer base;
	draft *to;
} stream;

static void stream_append(ProtobufCBuffer *base, size_t size, const uint8_t *bytes)
{
	draft_write(((stream *)base)->to, bytes, size);
}

static clast_status write_message(exporter *x, draft *f)
{
	stream s = { { stream_append }, f };
	const size_t size = protobuf_c_message_get_packed_size(&x->model.base);
	if (size > MESSAGE_MOST_BYTES)
		return fail(x->d, CLAST_ERROR_LIMIT,
			    "the model has %zu bytes beside its constants, a message holds %zu", size,
			    MESSAGE_MOST_BYTES);
	protobuf_c_message_pack_to_buffer(&x->model.base, &s.base);
	return draft_finish(f, x->d);
}

static clast_status write_parts(exporter *x, draft *f)
{
	static const uint8_t zeros[64];
	uint64_t at = 0;
	for (size_t i = 0; i < x->part_count; i++) {
		const external_part *p = &x->parts[i];
		bump copy;
		bump_init(&copy, x->memory);
		const void *data = tensor_raw_data(&copy, p->tensor, p->bytes);
		draft_write(f, zeros, p->offset - at);
		if (data)
			draft_write(f, data, p->bytes);
		bump_release(&copy);
		if (!data)
			return export_memory(x);
		at = p->offset + p->bytes;
	}
	return draft_finish(f, x->d);
}

/* ---- All of it ---- */

static bool constants_fit(const clast_model *m)
{
	size_t total = 0, bytes;
	for (size_t i = 0; i < m->value_count; i++) {
		const tensor_view *v = m->values[i].constant;
		if (v && v->dtype != CLAST_STRING &&
		    (!tensor_raw_bytes(v, &bytes) || !size_add(total, bytes, &total)))
			return false;
	}
	return total <= CONSTANTS_MOST_BYTES;
}

static clast_status write_files(exporter *x, const char *path, const char *data_path)
{
	draft model, data = { 0 };
	clast_status s = draft_open(x, path, &model);
	if (!s && x->part_count) {
		s = draft_open(x, data_path, &data);
		if (!s)
			s = write_parts(x, &data);
	}
	if (!s)
		s = write_message(x, &model);
	if (!s && x->part_count)
		s = draft_publish(&data, x->d);
	if (!s)
		s = draft_publish(&model, x->d);
	if (s) {
		draft_abandon(&model);
		draft_abandon(&data);
	}
	return s;
}

static clast_status begin(exporter *x, const export_options *o, const char *path, char **data_path)
{
	static const char suffix[] = ".data";
	x->name = bump_array(&x->scratch, x->m->value_count + 1, sizeof(*x->name));
	*data_path = bump_alloc(&x->scratch, strlen(path) + sizeof(suffix));
	if (!x->name || !*data_path)
		return export_memory(x);
	sprintf(*data_path, "%s%s", path, suffix);
	if ((o && o->external_data) || !constants_fit(x->m)) {
		const char *slash = strrchr(*data_path, '/');
		x->location = slash ? slash + 1 : *data_path;
	}
	return CLAST_OK;
}

clast_status export_file(const clast_model *m, const char *path, const export_options *o, clast_diag *d)
{
	char *data_path;
	exporter x = { .m = m, .d = d, .memory = (mem *)&m->memory };
	bump_init(&x.scratch, x.memory);
	map_init(&x.taken, x.memory);
	map_init(&x.nodes, x.memory);
	clast_status s = begin(&x, o, path, &data_path);
	if (!s)
		s = export_model(&x);
	if (!s && o && o->producer_version)
		x.model.producer_version = (char *)o->producer_version;
	if (!s)
		s = write_files(&x, path, data_path);
	mem_free(x.memory, x.parts, x.part_capacity * sizeof(*x.parts));
	map_release(&x.nodes);
	map_release(&x.taken);
	bump_release(&x.scratch);
	return s;
}
