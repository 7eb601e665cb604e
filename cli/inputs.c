#include "inputs.h"

#include <stdlib.h>
#include <string.h>

#include "npz.h"

bool named_file(const char *text, const clast_value_info *values, size_t count, size_t *index,
		const char **path)
{
	for (const char *equals = strchr(text, '='); equals; equals = strchr(equals + 1, '=')) {
		const size_t length = (size_t)(equals - text);
		for (*index = 0; *index < count; ++*index)
			if (!strncmp(values[*index].name, text, length) && !values[*index].name[length]) {
				*path = equals + 1;
				return true;
			}
	}
	return false;
}

/* All arrays of an .npz whose names are inputs. */
static clast_status read_archive(const engine *e, const char *path, file_tensor *inputs, problem *p)
{
	npz *a;
	size_t found = 0;
	clast_status s = npz_open(path, &a, p);
	if (s)
		return s;
	for (size_t i = 0; !s && i < e->input_count; i++) {
		const size_t at = npz_find(a, e->inputs[i].name);
		if (at == SIZE_MAX)
			continue;
		file_tensor_free(&inputs[i]);
		s = npz_read(a, at, e->inputs[i].dtype, &inputs[i], p);
		found++;
	}
	npz_close(&a);
	if (!s && !found)
		s = problem_set(p, CLAST_ERROR_ARGUMENT, path,
				"has no array named like an input of the model");
	return s;
}

static clast_status read_one(const engine *e, const char *text, file_tensor *inputs, problem *p)
{
	size_t index = 0;
	const char *path = text;
	if (!named_file(text, e->inputs, e->input_count, &index, &path)) {
		if (strchr(text, '='))
			return problem_set(p, CLAST_ERROR_ARGUMENT, e->path,
					   "--input %s: the model has no such input", text);
		if (e->input_count != 1 && has_extension(text, ".npz"))
			return read_archive(e, text, inputs, p);
		if (e->input_count != 1)
			return problem_set(p, CLAST_ERROR_ARGUMENT, e->path,
					   "--input %s: the model has %zu inputs, expected NAME=FILE", text,
					   e->input_count);
		index = 0;
	}
	file_tensor_free(&inputs[index]);
	return tensor_file_read(path, e->inputs[index].name, &e->inputs[index], &inputs[index], p);
}

clast_status inputs_read(const engine *e, const options *o, file_tensor **inputs, problem *p)
{
	*inputs = calloc(e->input_count + 1, sizeof(**inputs));
	if (!*inputs)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < o->input.count; i++)
		s = read_one(e, o->input.texts[i], *inputs, p);
	return s;
}

void inputs_free(file_tensor **inputs, size_t count)
{
	for (size_t i = 0; *inputs && i < count; i++)
		file_tensor_free(&(*inputs)[i]);
	free(*inputs);
	*inputs = NULL;
}
