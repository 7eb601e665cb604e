/* What the files of the writer share. */
#ifndef CLAST_IMPORTER_EXPORTER_H
#define CLAST_IMPORTER_EXPORTER_H

#include "export.h"
#include "map.h"
#include "onnx.pb-c.h"

/* A constant that lies in the file beside the model. */
typedef struct external_part {
	const tensor_view *tensor;
	uint64_t offset, bytes;
} external_part;

typedef struct exporter {
	const clast_model *m;
	clast_diag *d;
	mem *memory;
	bump scratch;      /* the messages and all that they point to */
	map nodes;     /* names of nodes */
	map taken;         /* names of values */
	const char **name; /* by value; NULL: not named yet */
	Clast__ModelProto model;
	const char *location; /* of external data, relative to the model; NULL: none */
	external_part *parts;
	size_t part_count, part_capacity;
	uint64_t external_bytes;
} exporter;

/* ---- export_graph.c ---- */

/* Fills x->model. */
clast_status export_model(exporter *x);

/* ---- export_tensor.c ---- */

/* A TensorProto of a constant; its payload points to the constant where that is possible. */
clast_status export_tensor(exporter *x, const tensor_view *v, const char *name, Clast__TensorProto **out);
/* Bytes of the payload as raw_data, for numbers. */
bool tensor_raw_bytes(const tensor_view *v, size_t *bytes);
/* The payload: the constant's own memory, or a copy in the region. NULL if out of memory. */
const void *tensor_raw_data(bump *region, const tensor_view *v, size_t bytes);

static inline clast_status export_memory(exporter *x)
{
	return fail_memory(x->d, 0);
}

#endif
