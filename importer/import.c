/* The way from bytes to a graph: map, scan, unpack, read. */
#include "import.h"

#include <stdio.h>
#include <string.h>

#include "importer.h"
#include "prescan.h"

/* ---- Beginning and end ---- */

static void begin(importer *x, clast_model *m, const char *path, const clast_model_options *options,
		  clast_diag *d)
{
	mem *memory = &m->memory;
	*x = (importer){ .m = m, .d = d, .options = options };
	bump_init(&x->scratch, memory);
	external_init(&x->external, memory, path, m->limits.file_bytes);
	names_init(&x->names, memory);
	findings_init(&x->findings, memory);
	map_init(&x->functions, memory);
	map_init(&x->prefixes, memory);
	map_init(&x->fixed, memory);
	x->max_depth = m->limits.nesting < PRESCAN_MAX_NESTING ? m->limits.nesting : PRESCAN_MAX_NESTING;
	x->tensors = (tensor_reader){
		.region = &m->region, .limits = &m->limits, .file = &x->file, .external = &x->external
	};
}

/* Files that constants point into now belong to the model. */
static clast_status keep_file(clast_model *m, mapped_file *f, clast_diag *d)
{
	if (!f->kept || !f->bytes)
		return CLAST_OK;
	if (!grow(&m->memory, &m->mappings, &m->mapping_capacity, m->mapping_count + 1, sizeof(*m->mappings)))
		return fail_memory(d, sizeof(*m->mappings));
	m->mappings[m->mapping_count++] = (struct mapping){ (void *)f->bytes, f->size };
	*f = (mapped_file){ 0 };
	return CLAST_OK;
}

static clast_status keep_files(importer *x)
{
	clast_status status = keep_file(x->m, &x->file, x->d);
	for (size_t i = 0; !status && i < x->external.count; i++)
		status = keep_file(x->m, &x->external.files[i], x->d);
	return status;
}

static void end(importer *x)
{
	mem *memory = &x->m->memory;
	for (size_t i = 0; i < x->external.count; i++)
		x->external.files[i].kept = false; /* those that the model took are empty by now */
	external_release(&x->external);
	mem_free(memory, x->ids, x->id_capacity * sizeof(*x->ids));
	mem_free(memory, x->attrs, x->attr_capacity * sizeof(*x->attrs));
	mem_free(memory, x->fixed_dims, x->fixed_capacity * sizeof(*x->fixed_dims));
	map_release(&x->fixed);
	map_release(&x->prefixes);
	map_release(&x->functions);
	findings_release(&x->findings);
	names_release(&x->names);
	bump_release(&x->scratch);
}

/* ---- The model ---- */

/* What people hand over in place of a model, by how it begins. */
static const char *known_stranger(const mapped_file *f)
{
	static const struct {
		const char *start, *say;
	} kinds[] = {
		{ "version https://git-lfs", "this is a Git LFS pointer, not the model itself" },
		{ "PK\003\004", "this is a ZIP archive, perhaps of PyTorch" },
		{ "<", "this is HTML or XML" },
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (f->size > strlen(kinds[i].start) &&
		    !memcmp(f->bytes, kinds[i].start, strlen(kinds[i].start)))
			return kinds[i].say;
	return NULL;
}

static clast_status unpack(importer *x)
{
	ProtobufCMessage *message;
	if (!x->file.size)
		return fail(x->d, CLAST_ERROR_MODEL, "the file is empty");
	const char *stranger = known_stranger(&x->file);
	if (stranger)
		return fail(x->d, CLAST_ERROR_MODEL, "not an ONNX model: %s", stranger);
	clast_status status = prescan_unpack(&x->scratch, &x->m->limits, &clast__model_proto__descriptor,
					     x->file.bytes, x->file.size, &message, x->d);
	if (status == CLAST_ERROR_MODEL)
		message_prefix(x->d, "not a whole ONNX model: ");
	x->proto = (Clast__ModelProto *)message;
	return status;
}

static clast_status check_model(importer *x)
{
	const Clast__ModelProto *p = x->proto;
	if (!p->has_ir_version || p->ir_version <= 0)
		return fail(x->d, CLAST_ERROR_MODEL, "not an ONNX model: it has no IR version");
	if (p->ir_version < IMPORT_FIRST_IR || p->ir_version > IMPORT_NEWEST_IR)
		return fail(x->d, CLAST_ERROR_UNSUPPORTED,
			    "ONNX IR version %lld is not supported; supported are %d to %d",
			    (long long)p->ir_version, IMPORT_FIRST_IR, IMPORT_NEWEST_IR);
	if (!p->graph)
		return fail(x->d, CLAST_ERROR_MODEL, "the model has no graph");
	if (!p->n_opset_import)
		return fail(x->d, CLAST_ERROR_MODEL, "the model imports no opset");
	return check_opsets(x, p->n_opset_import, p->opset_import);
}

static clast_status name_graph(importer *x)
{
	const char *name = or_empty(x->proto->graph->name);
	char *copy = bump_string(&x->m->region, name, strlen(name));
	if (!copy)
		return fail_memory(x->d, strlen(name));
	x->m->graphs[0].name = copy;
	return CLAST_OK;
}

/* Kept for whoever writes the model again. */
static clast_status note_versions(importer *x)
{
	clast_model *m = x->m;
	const Clast__ModelProto *p = x->proto;
	m->ir_version = p->ir_version;
	m->opsets = bump_array(&m->region, p->n_opset_import, sizeof(*m->opsets));
	for (size_t i = 0; m->opsets && i < p->n_opset_import; i++) {
		const char *domain = or_empty(p->opset_import[i]->domain);
		char *copy = bump_string(&m->region, domain, strlen(domain));
		if (!copy)
			return fail_memory(x->d, strlen(domain));
		m->opsets[m->opset_count++] = (opset_import){ copy, p->opset_import[i]->version };
	}
	return m->opsets ? CLAST_OK : fail_memory(x->d, 0);
}

static clast_status read_model(importer *x)
{
	clast_status status = unpack(x);
	if (!status)
		status = check_model(x);
	if (!status)
		status = note_versions(x);
	if (!status)
		status = list_functions(x);
	if (!status)
		status = name_graph(x);
	if (!status)
		status = fix_shapes(x, x->proto->graph);
	if (status)
		return status;
	const frame model = { .opsets = x->proto->opset_import,
			      .opset_count = x->proto->n_opset_import,
			      .prefix = "" };
	status = import_graph(x, x->proto->graph, &model, NULL, 0);
	if (!status)
		status = findings_report(&x->findings, x->d);
	if (!status)
		status = graph_sort(x->m, x->d);
	return status ? status : keep_files(x);
}

clast_status import_file(clast_model *m, const char *path, const clast_model_options *options, clast_diag *d)
{
	importer x;
	clast_diag own = { 0 };
	begin(&x, m, path, options, &own);
	clast_status status = file_map(path, m->limits.file_bytes, &x.file, &own);
	x.tensors.keep = true;
	if (!status) {
		status = read_model(&x);
		if (status) {
			char head[120];
			snprintf(head, sizeof(head), "%s: ", quote(path).text);
			message_prefix(&own, head);
		}
		file_unmap(&x.file);
	}
	end(&x);
	if (status && d)
		*d = own;
	return status;
}

clast_status import_memory(clast_model *m, const void *bytes, size_t size, const clast_model_options *options,
			   clast_diag *d)
{
	importer x;
	clast_diag own = { 0 };
	begin(&x, m, NULL, options, &own);
	x.file = (mapped_file){ .bytes = bytes, .size = size };
	clast_status status = size > m->limits.file_bytes
				      ? fail(&own, CLAST_ERROR_LIMIT,
					     "the model has %zu bytes, allowed are %zu (limit file_bytes)",
					     size, m->limits.file_bytes)
				      : read_model(&x);
	end(&x);
	if (status && d)
		*d = own;
	return status;
}
