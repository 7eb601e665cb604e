/* Writes small ONNX files, right or wrong, field by field. */
#ifndef CLAST_TESTS_IMPORTER_WRITE_ONNX_H
#define CLAST_TESTS_IMPORTER_WRITE_ONNX_H

#include <stddef.h>
#include <stdint.h>

typedef struct file {
	uint8_t *bytes;
	size_t size, capacity;
	size_t open[64], depth;
} file;

void file_free(file *f);

/* Fields. */
void put_raw(file *f, const void *bytes, size_t size);
void put_plain_varint(file *f, uint64_t x);
void put_varint(file *f, unsigned field, uint64_t x);
void put_bytes(file *f, unsigned field, const void *bytes, size_t size);
void put_string(file *f, unsigned field, const char *s);
void put_float(file *f, unsigned field, float x);
void open_message(file *f, unsigned field);
void close_message(file *f);

/* Parts of a model. Lists of names are separated by blanks; "-" is an absent one. */
void begin_model(file *f, int64_t ir, int64_t opset);
void begin_graph(file *f, const char *name); /* of the model */
void put_opset(file *f, unsigned field, const char *domain, int64_t version);
void begin_node(file *f, unsigned field, const char *domain, const char *type, const char *inputs,
		const char *outputs);
void put_node(file *f, const char *type, const char *inputs, const char *outputs); /* in a graph */
/* A graph's input (11), output (12) or value_info (13); dims as "2 N ?", NULL for no shape. */
void put_value(file *f, unsigned field, const char *name, int dtype, const char *dims);
void begin_attribute(file *f, unsigned field, const char *name, int type);
/* Name, dtype and dims ("2 3") of a TensorProto; closed by close_message. */
void begin_tensor(file *f, unsigned field, const char *name, int dtype, const char *dims);

/* A model with a bit of everything, of less than 4 KiB. */
void put_mixed_model(file *f);

#endif
