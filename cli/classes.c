#include "classes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"

/* ---- Labels ---- */

clast_status labels_read(const char *path, labels *out, problem *p)
{
	void *bytes;
	size_t size;
	*out = (labels){ 0 };
	if (!path)
		return CLAST_OK;
	const clast_status s = file_read(path, &bytes, &size, p);
	if (s)
		return s;
	out->text = bytes;
	out->text[size] = 0; /* file_read leaves room for it */
	out->lines = calloc(size + 1, sizeof(*out->lines));
	if (!out->lines) {
		labels_free(out);
		return problem_set(p, CLAST_ERROR_MEMORY, path, "out of memory");
	}
	for (char *line = out->text, *next; line < out->text + size; line = next) {
		const size_t length = strcspn(line, "\r\n");
		next = line + length + strspn(line + length, "\r") + 1;
		line[length] = 0;
		out->lines[out->count++] = line;
	}
	return CLAST_OK;
}

void labels_free(labels *l)
{
	free(l->lines);
	free(l->text);
	*l = (labels){ 0 };
}

const char *labels_get(const labels *l, size_t index)
{
	return index < l->count ? l->lines[index] : "";
}

/* ---- Ranking ---- */

static bool is_distribution(const double *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++) {
		if (!(x[i] >= 0 && x[i] <= 1))
			return false;
		sum += x[i];
	}
	return fabs(sum - 1) < 1e-3;
}

static int by_probability(const void *a, const void *b)
{
	const class_rank *x = a, *y = b;
	if (x->probability != y->probability) /* NaN last */
		return isnan(y->probability) || x->probability > y->probability ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

size_t classes_top(const double *x, size_t n, size_t k, class_rank *out)
{
	const bool plain = is_distribution(x, n);
	double most = -INFINITY, sum = 0;
	for (size_t i = 0; i < n; i++)
		most = fmax(most, x[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp(x[i] - most);
	class_rank *all = malloc(n * sizeof(*all));
	if (!all)
		return 0;
	for (size_t i = 0; i < n; i++)
		all[i] = (class_rank){ i, plain ? x[i] : exp(x[i] - most) / sum };
	qsort(all, n, sizeof(*all), by_probability);
	k = k < n ? k : n;
	memcpy(out, all, k * sizeof(*all));
	free(all);
	return k;
}

static bool holds_classes(const clast_tensor *t)
{
	const size_t rank = clast_tensor_rank(t), count = clast_tensor_count(t);
	const int64_t *dims = clast_tensor_dims(t);
	if (!rank || !dtype_is_floating(clast_tensor_dtype(t)) || !count)
		return false;
	const size_t rows = rank > 1 ? (size_t)dims[0] : 1, classes = count / rows;
	bool one_axis = classes > 1;
	for (size_t a = rank > 1; one_axis && a < rank; a++)
		one_axis = dims[a] == 1 || (size_t)dims[a] == classes;
	return one_axis;
}

size_t classes_find(const engine *e, const char *name, clast_tensor *const *outputs)
{
	if (name)
		return engine_find_output(e, name);
	for (size_t i = 0; i < e->output_count; i++)
		if (holds_classes(outputs[i]))
			return i;
	return SIZE_MAX;
}

static void print_row(const class_rank *top, size_t k, const labels *l, emitter *j)
{
	for (size_t i = 0; i < k; i++) {
		const char *label = labels_get(l, top[i].index);
		if (j) {
			emit_object(j, NULL);
			emit_string(j, "label", *label ? label : NULL);
			emit_count(j, "index", top[i].index);
			emit_real(j, "probability", top[i].probability);
			emit_end_object(j);
		} else {
			printf("%s%-24s%s %5zu  %.4f\n", colour_out(i ? COLOUR_NONE : COLOUR_BOLD),
			       *label ? label : "-", colour_out(COLOUR_NONE), top[i].index,
			       top[i].probability);
		}
	}
}

clast_status classes_print(const clast_tensor *t, size_t k, const labels *l, emitter *j, problem *p)
{
	const size_t count = clast_tensor_count(t), rank = clast_tensor_rank(t);
	const size_t rows = rank > 1 && holds_classes(t) ? (size_t)clast_tensor_dims(t)[0] : 1;
	const size_t classes = rows ? count / rows : 0;
	void *copy;
	const void *elements = elements_of(t, &copy);
	double *x = malloc((classes + 1) * sizeof(*x));
	class_rank *top = malloc((classes + 1) * sizeof(*top));
	const bool ready = elements && x && top;
	for (size_t r = 0; ready && r < rows; r++) {
		for (size_t i = 0; i < classes; i++)
			x[i] = element_get(clast_tensor_dtype(t), elements, r * classes + i, NULL);
		if (rows > 1 && !j)
			printf("row %zu\n", r);
		if (j)
			emit_array(j, NULL);
		print_row(top, classes_top(x, classes, k, top), l, j);
		if (j)
			emit_end_array(j);
	}
	free(copy);
	free(x);
	free(top);
	return ready ? CLAST_OK : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}
