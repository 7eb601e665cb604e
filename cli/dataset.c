#include "dataset.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "npz.h"

/* ---- Paths ---- */

char *path_join(const char *folder, const char *name)
{
	char *path;
	const size_t n = strlen(folder);
	return asprintf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) < 0 ? NULL
												 : path;
}

bool is_folder(const char *path)
{
	struct stat info;
	return !stat(path, &info) && S_ISDIR(info.st_mode);
}

bool is_file(const char *path)
{
	struct stat info;
	return !stat(path, &info) && S_ISREG(info.st_mode);
}

int compare_natural(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static clast_status out_of_memory(problem *p)
{
	return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

/* ---- Lists of data sets ---- */

static clast_status add_path(char ***paths, size_t *count, char *path, problem *p)
{
	char **more = path ? realloc(*paths, (*count + 1) * sizeof(*more)) : NULL;
	if (!more) {
		free(path);
		return out_of_memory(p);
	}
	*paths = more;
	more[(*count)++] = path;
	return CLAST_OK;
}

static bool has_part(const char *folder, const char *stem, size_t index, char **path)
{
	static const char *const endings[] = { "pb", "npy" };
	*path = NULL;
	for (size_t i = 0; i < 2; i++) {
		free(*path);
		if (asprintf(path, "%s/%s_%zu.%s", folder, stem, index, endings[i]) < 0)
			*path = NULL;
		else if (is_file(*path))
			return true;
	}
	free(*path);
	*path = NULL;
	return false;
}

static bool is_dataset(const char *folder)
{
	char *path;
	const bool found = has_part(folder, "output", 0, &path) || has_part(folder, "input", 0, &path);
	free(path);
	return found;
}

clast_status dataset_list(const char *path, char ***paths, size_t *count, problem *p)
{
	*paths = NULL;
	*count = 0;
	if (has_extension(path, ".npz") || is_dataset(path))
		return add_path(paths, count, strdup(path), p);
	DIR *folder = opendir(path);
	if (!folder)
		return problem_set(p, CLAST_ERROR_IO, path, "%s",
				   errno == ENOTDIR ? "neither a folder nor an .npz file" : strerror(errno));
	clast_status s = CLAST_OK;
	for (struct dirent *entry; !s && (entry = readdir(folder));)
		if (!strncmp(entry->d_name, "test_data_set_", 14))
			s = add_path(paths, count, path_join(path, entry->d_name), p);
	closedir(folder);
	if (!s && !*count)
		s = problem_set(p, CLAST_ERROR_IO, path,
				"holds no reference data: expected test_data_set_*, or input_N.pb and "
				"output_N.pb");
	if (*count)
		qsort(*paths, *count, sizeof(**paths), compare_natural);
	if (s)
		dataset_list_free(paths, *count);
	return s;
}

void dataset_list_free(char ***paths, size_t count)
{
	for (size_t i = 0; *paths && i < count; i++)
		free((*paths)[i]);
	free(*paths);
	*paths = NULL;
}

/* ---- One data set ---- */

void dataset_free(dataset *d)
{
	for (size_t i = 0; d->inputs && i < d->input_count; i++)
		file_tensor_free(&d->inputs[i]);
	for (size_t i = 0; d->outputs && i < d->output_count; i++)
		file_tensor_free(&d->outputs[i]);
	free(d->inputs);
	free(d->outputs);
	free(d->name);
	*d = (dataset){ 0 };
}

static bool all_named(const file_tensor *t, size_t count, const clast_value_info *values, size_t value_count,
		      size_t *slots)
{
	for (size_t i = 0; i < count; i++) {
		slots[i] = SIZE_MAX;
		for (size_t v = 0; v < value_count; v++)
			if (!strcmp(clast_tensor_name(t[i].tensor), values[v].name))
				slots[i] = v;
		for (size_t k = 0; k < i; k++)
			if (slots[k] == slots[i])
				return false;
		if (slots[i] == SIZE_MAX)
			return false;
	}
	return true;
}

/* The files stem_0, stem_1, ... belong to the model's values in their order, unless each carries the name of
 * one. */
static clast_status read_parts(const char *folder, const char *stem, const clast_value_info *values,
			       size_t value_count, file_tensor *out, problem *p)
{
	clast_status s = CLAST_OK;
	size_t count = 0;
	char *path = NULL;
	file_tensor *read = calloc(value_count + 1, sizeof(*read));
	size_t *slots = calloc(value_count + 1, sizeof(*slots));
	if (!read || !slots)
		s = out_of_memory(p);
	for (; !s && has_part(folder, stem, count, &path); count++) {
		if (count == value_count)
			s = problem_set(p, CLAST_ERROR_IO, path, "the model has only %zu %ss", value_count,
					stem);
		else
			s = tensor_file_read(path, NULL, &values[count], &read[count], p);
		free(path);
		if (s)
			break;
	}
	const bool named = !s && all_named(read, count, values, value_count, slots);
	for (size_t i = 0; !s && i < count; i++) {
		out[named ? slots[i] : i] = read[i];
		read[i] = (file_tensor){ 0 };
	}
	for (size_t i = 0; read && i < count; i++)
		file_tensor_free(&read[i]);
	free(read);
	free(slots);
	return s;
}

static clast_status read_arrays(const char *path, const clast_value_info *values, size_t count, npz *a,
				file_tensor *out, size_t *found, problem *p)
{
	clast_status s = CLAST_OK;
	*found = 0;
	for (size_t i = 0; !s && i < count; i++) {
		const size_t at = npz_find(a, values[i].name);
		if (at == SIZE_MAX)
			continue;
		s = problem_in(p, path, npz_read(a, at, values[i].dtype, &out[i], p));
		++*found;
	}
	return s;
}

static clast_status read_npz(const engine *e, const char *path, dataset *d, problem *p)
{
	npz *a;
	size_t inputs, outputs;
	clast_status s = npz_open(path, &a, p);
	if (s)
		return s;
	s = read_arrays(path, e->inputs, e->input_count, a, d->inputs, &inputs, p);
	if (!s)
		s = read_arrays(path, e->outputs, e->output_count, a, d->outputs, &outputs, p);
	if (!s && !outputs)
		s = problem_set(p, CLAST_ERROR_IO, path,
				"has no array named like an output of the model, such as \"%s\"",
				e->output_count ? e->outputs[0].name : "");
	npz_close(&a);
	return s;
}

clast_status dataset_read(const engine *e, const char *path, dataset *d, problem *p)
{
	const char *slash = strrchr(path, '/');
	*d = (dataset){ .input_count = e->input_count, .output_count = e->output_count };
	d->name = strdup(slash && slash[1] ? slash + 1 : path);
	d->inputs = calloc(e->input_count + 1, sizeof(*d->inputs));
	d->outputs = calloc(e->output_count + 1, sizeof(*d->outputs));
	clast_status s = d->name && d->inputs && d->outputs ? CLAST_OK : out_of_memory(p);
	if (!s && has_extension(path, ".npz")) {
		s = read_npz(e, path, d, p);
	} else if (!s) {
		s = read_parts(path, "input", e->inputs, e->input_count, d->inputs, p);
		if (!s)
			s = read_parts(path, "output", e->outputs, e->output_count, d->outputs, p);
	}
	for (size_t i = 0; !s && i < d->input_count; i++)
		s = d->inputs[i].tensor ? engine_arrange(e, i, &d->inputs[i], p)
					: problem_set(p, CLAST_ERROR_IO, path,
						      "has no data for the input \"%s\"", e->inputs[i].name);
	if (s)
		dataset_free(d);
	return s;
}

/* ---- Tolerances ---- */

static clast_status read_json(const char *path, tolerance *t, problem *p)
{
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	if (!json_is_object(root)) {
		json_decref(root);
		return problem_set(p, CLAST_ERROR_IO, path, "line %d: %s", error.line, error.text);
	}
	const json_t *rtol = json_object_get(root, "rtol"), *atol = json_object_get(root, "atol");
	if (json_is_number(rtol))
		t->rtol = json_number_value(rtol);
	if (json_is_number(atol))
		t->atol = json_number_value(atol);
	json_decref(root);
	return CLAST_OK;
}

static clast_status read_tol(const char *path, tolerance *t, problem *p)
{
	tolerance found;
	FILE *f = fopen(path, "r");
	const bool read = f && fscanf(f, "%lf %lf", &found.rtol, &found.atol) == 2 && found.rtol >= 0 &&
			  found.atol >= 0;
	if (f)
		fclose(f);
	if (!read)
		return problem_set(p, CLAST_ERROR_IO, path, "expected two numbers: rtol atol");
	*t = found;
	return CLAST_OK;
}

clast_status dataset_tolerance(const char *folder, tolerance *t, problem *p)
{
	char *tol = path_join(folder, "tol"), *data = path_join(folder, "data.json");
	clast_status s = tol && data ? CLAST_OK : out_of_memory(p);
	if (!s && is_file(tol))
		s = read_tol(tol, t, p);
	else if (!s && is_file(data))
		s = read_json(data, t, p);
	free(tol);
	free(data);
	return s;
}
