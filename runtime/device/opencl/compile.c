/* Programs: compiled once a device, found again by a hash of their text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

#define OPTIONS "-cl-std=CL1.2 -cl-mad-enable -w"

/* Two runs of FNV-1a from different bases: 128 bits, enough that no two of our sources meet. */
static void hash_text(uint64_t key[2], const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		key[0] = (key[0] ^ (unsigned char)text[i]) * 0x100000001b3u;
		key[1] = (key[1] ^ (unsigned char)text[i]) * 0x100000001b3u;
		key[1] ^= key[1] >> 29;
	}
}

typedef struct pieces {
	const char *text[8];
	size_t length[8];
	cl_uint count;
} pieces;

static void add(pieces *p, const char *text, size_t length)
{
	p->text[p->count] = text;
	p->length[p->count++] = length;
}

static void gather(const opencl_work *w, pieces *p)
{
	p->count = 0;
	add(p, w->text, w->generated_at);
	for (size_t i = 0; i < sizeof w->library / sizeof *w->library; i++)
		if (w->library[i])
			add(p, w->library[i], strlen(w->library[i]));
	add(p, w->text + w->generated_at, w->text_length - w->generated_at);
	add(p, w->body, strlen(w->body));
}

static void key_of(const opencl_device *x, const pieces *p, uint64_t key[2])
{
	key[0] = 0xcbf29ce484222325u;
	key[1] = 0x84222325cbf29ce4u;
	hash_text(key, OPTIONS, strlen(OPTIONS));
	hash_text(key, x->info.name, strlen(x->info.name));
	hash_text(key, x->info.platform, strlen(x->info.platform));
	hash_text(key, x->info.driver, strlen(x->info.driver));
	hash_text(key, x->info.version, strlen(x->info.version));
	for (cl_uint i = 0; i < p->count; i++)
		hash_text(key, p->text[i], p->length[i]);
}

/* CLAST_OPENCL_DUMP names a folder into which every source is written, for reading and for oclgrind. */
static void dump(const pieces *p, const opencl_work *w, const uint64_t key[2])
{
	const char *folder = getenv("CLAST_OPENCL_DUMP");
	char path[512];
	if (!folder)
		return;
	snprintf(path, sizeof path, "%s/%s_%016llx.cl", folder, w->function, (unsigned long long)key[0]);
	FILE *f = fopen(path, "w");
	for (cl_uint i = 0; f && i < p->count; i++)
		fwrite(p->text[i], 1, p->length[i], f);
	if (f)
		fclose(f);
}

/* The end of the compiler's log, which names the error. */
static clast_status build_failed(const opencl_device *x, cl_program built, const opencl_work *w, cl_int e, clast_diag *d)
{
	size_t bytes = 0;
	x->cl->clGetProgramBuildInfo(built, x->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
	char *log = bytes && bytes < 1u << 24 ? calloc(1, bytes + 1) : NULL;
	if (log)
		x->cl->clGetProgramBuildInfo(built, x->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL);
	const clast_status s = fail(d, CLAST_ERROR_DEVICE, "OpenCL: %s does not compile the kernel %s (%s): %.1500s", x->info.name,
	                            w->function, opencl_error_name(e), log ? log : "no log");
	free(log);
	return s;
}

static clast_status build_source(const opencl_device *x, const opencl_work *w, const pieces *p, cl_program *out, clast_diag *d)
{
	cl_int e;
	*out = x->cl->clCreateProgramWithSource(x->context, p->count, (const char **)p->text, p->length, &e);
	if (e)
		return opencl_failed(e, "clCreateProgramWithSource", d);
	e = x->cl->clBuildProgram(*out, 1, &x->id, OPTIONS, NULL, NULL);
	return e ? build_failed(x, *out, w, e, d) : CLAST_OK;
}

/* A binary that the driver does not want any more is as good as none. */
static bool build_binary(opencl_device *x, const uint64_t key[2], cl_program *out)
{
	opencl_binary b;
	cl_int e, loaded = CL_SUCCESS;
	if (!opencl_cache_read(x, key, &b))
		return false;
	const unsigned char *bytes = b.bytes;
	*out = x->cl->clCreateProgramWithBinary(x->context, 1, &x->id, &b.size, &bytes, &loaded, &e);
	mem_free(&x->memory, b.bytes, b.size);
	if (e || loaded) {
		if (*out && !e)
			x->cl->clReleaseProgram(*out);
		*out = NULL;
		return false;
	}
	if (!x->cl->clBuildProgram(*out, 1, &x->id, OPTIONS, NULL, NULL))
		return true;
	x->cl->clReleaseProgram(*out);
	*out = NULL;
	return false;
}

static clast_status make(opencl_device *x, const opencl_work *w, const pieces *p, const uint64_t key[2], opencl_program **out,
                         clast_diag *d)
{
	opencl_program *made = mem_calloc(&x->memory, sizeof *made);
	cl_int e = CL_SUCCESS;
	if (!made)
		return fail_memory(d, sizeof *made);
	memcpy(made->key, key, sizeof made->key);
	made->cached = build_binary(x, key, &made->program);
	clast_status s = made->cached ? CLAST_OK : build_source(x, w, p, &made->program, d);
	if (!s) {
		made->kernel = x->cl->clCreateKernel(made->program, w->function, &e);
		s = opencl_failed(e, "clCreateKernel", d);
	}
	if (!s) {
		*out = made;
		return CLAST_OK;
	}
	if (made->program)
		x->cl->clReleaseProgram(made->program);
	mem_free(&x->memory, made, sizeof *made);
	return s;
}

clast_status opencl_compile(opencl_device *x, const opencl_work *w, opencl_program **out, clast_diag *d)
{
	pieces p;
	uint64_t key[2];
	gather(w, &p);
	key_of(x, &p, key);
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&x->lock);
	opencl_program **slot = &x->programs[key[0] % OPENCL_SLOTS], *found = *slot;
	while (found && (found->key[0] != key[0] || found->key[1] != key[1]))
		found = found->next;
	if (!found) {
		dump(&p, w, key);
		s = make(x, w, &p, key, &found, d);
		if (!s) {
			found->next = *slot;
			*slot = found;
		}
	}
	pthread_mutex_unlock(&x->lock);
	*out = found;
	return s;
}

/* Binaries are written when the device closes: some drivers finish compiling at the first launch, for its local size. */
static void save(const opencl_device *x, const opencl_program *p)
{
	opencl_binary b = { NULL, 0 };
	if (p->cached || x->cl->clGetProgramInfo(p->program, CL_PROGRAM_BINARY_SIZES, sizeof b.size, &b.size, NULL) || !b.size)
		return;
	b.bytes = malloc(b.size);
	if (b.bytes && !x->cl->clGetProgramInfo(p->program, CL_PROGRAM_BINARIES, sizeof b.bytes, &b.bytes, NULL))
		opencl_cache_write(p->key, &b);
	free(b.bytes);
}

void opencl_release_programs(opencl_device *x)
{
	for (size_t i = 0; i < OPENCL_SLOTS; i++)
		while (x->programs[i]) {
			opencl_program *p = x->programs[i];
			x->programs[i] = p->next;
			save(x, p);
			x->cl->clReleaseKernel(p->kernel);
			x->cl->clReleaseProgram(p->program);
			mem_free(&x->memory, p, sizeof *p);
		}
}
