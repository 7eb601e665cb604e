#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checked.h"
#include "graph.h"

static void set_limits(clast_limits *l, const clast_limits *given)
{
	if (given)
		*l = *given;
	if (!l->file_bytes)
		l->file_bytes = (size_t)64 << 30;
	if (!l->nodes)
		l->nodes = 4000000;
	if (!l->nesting)
		l->nesting = 64;
	if (!l->tensor_bytes)
		l->tensor_bytes = l->memory_bytes ? l->memory_bytes : (size_t)16 << 30;
	if (!l->fold_bytes)
		l->fold_bytes = (size_t)64 << 20;
	if (!l->loop_iterations)
		l->loop_iterations = INT32_MAX;
}

clast_status model_create(const clast_model_options *o, clast_model **out, clast_diag *d)
{
	const clast_allocator *allocator = o ? o->allocator : NULL;
	mem boot;
	*out = NULL;
	mem_init(&boot, allocator, 0);
	clast_model *m = mem_calloc(&boot, sizeof *m);
	if (!m)
		return fail_memory(d, sizeof *m);
	m->references = 1;
	set_limits(&m->limits, o ? &o->limits : NULL);
	mem_init(&m->memory, allocator, m->limits.memory_bytes);
	bump_init(&m->region, &m->memory);
	pthread_mutexattr_t recursive;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	if (o && o->log)
		m->log = *o->log;
	if (o) {
		m->progress = o->progress;
		m->low_memory = o->low_memory;
		m->progress_context = o->progress_context;
	}
	graph_id main_graph;
	m->dims = dim_table_create(&m->memory);
	if (!m->dims || graph_add(m, "", NO_ID, &main_graph, d)) {
		model_release(m);
		return fail_memory(d, 0);
	}
	*out = m;
	return CLAST_OK;
}

void model_retain(clast_model *m)
{
	atomic_fetch_add(&m->references, 1);
}

static void free_graph(clast_model *m, graph *g)
{
	mem *a = &m->memory;
	mem_free(a, g->nodes, g->node_capacity * sizeof *g->nodes);
	mem_free(a, g->inputs, g->input_capacity * sizeof *g->inputs);
	mem_free(a, g->outputs, g->output_capacity * sizeof *g->outputs);
	mem_free(a, g->output_names, g->name_capacity * sizeof *g->output_names);
	mem_free(a, g->captures, g->capture_capacity * sizeof *g->captures);
}

void model_release(clast_model *m)
{
	if (!m || atomic_fetch_sub(&m->references, 1) != 1)
		return;
	for (size_t i = 0; i < m->graph_count; i++)
		free_graph(m, &m->graphs[i]);
	for (size_t i = 0; i < m->mapping_count; i++)
		munmap(m->mappings[i].address, m->mappings[i].bytes);
	mem *a = &m->memory;
	mem_free(a, m->values, m->value_capacity * sizeof *m->values);
	mem_free(a, m->nodes, m->node_capacity * sizeof *m->nodes);
	mem_free(a, m->graphs, m->graph_capacity * sizeof *m->graphs);
	mem_free(a, m->dim_texts, m->dim_text_capacity * sizeof *m->dim_texts);
	pthread_mutex_destroy(&m->lock);
	mem_free(a, m->mappings, m->mapping_capacity * sizeof *m->mappings);
	if (m->dims)
		dim_table_free(&m->dims);
	bump_release(&m->region);
	mem boot = m->memory;
	mem_free(&boot, m, sizeof *m);
}

clast_status model_constant(clast_model *m, clast_dtype dtype, int rank, const int64_t *dims, tensor_view **out,
                            clast_diag *d)
{
	size_t bytes;
	*out = NULL;
	if (rank < 0 || rank > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_LIMIT, "a tensor of rank %d; at most %d is possible", rank, CLAST_MAX_RANK);
	if (!tensor_bytes(dtype, rank, dims, &bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of a tensor overflows or is negative");
	if (bytes > m->limits.tensor_bytes)
		return fail(d, CLAST_ERROR_LIMIT, "a tensor of %zu bytes; at most %zu are allowed", bytes, m->limits.tensor_bytes);
	tensor_view *v = bump_alloc(&m->region, sizeof *v);
	/* Strings have to be there if filling them fails half-way. */
	void *data = (dtype == CLAST_STRING ? bump_alloc : bump_raw)(&m->region, bytes ? bytes : 1);
	if (!v || !data)
		return fail_memory(d, bytes);
	view_dense(v, dtype, rank, dims, data);
	*out = v;
	return CLAST_OK;
}

clast_status model_align(clast_model *m, value_id v, clast_diag *d)
{
	const tensor_view *from = m->values[v].constant;
	tensor_view *to;
	if (!from || view_is_aligned(from))
		return CLAST_OK;
	const clast_status s = model_constant(m, from->dtype, from->rank, from->dims, &to, d);
	if (s)
		return s;
	const size_t bytes = (size_t)view_count(from) * clast_dtype_bytes(from->dtype);
	memcpy(to->data, from->data, bytes); /* constants in files are dense */
	model_forget(m, from->data, bytes);
	m->values[v].constant = to;
	return CLAST_OK;
}

void model_forget(const clast_model *m, const void *data, size_t bytes)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
	for (size_t i = 0; i < m->mapping_count; i++) {
		const uintptr_t start = (uintptr_t)m->mappings[i].address;
		if (at < start || at - start >= m->mappings[i].bytes)
			continue;
		/* Neighbours that share a page are read again from the page cache. */
		const uintptr_t first = at / page * page, end = (at + bytes + page - 1) / page * page;
		madvise((void *)first, end - first, MADV_DONTNEED);
	}
}
