/* The most probable classes of an output, with their labels. */
#ifndef CLAST_CLI_CLASSES_H
#define CLAST_CLI_CLASSES_H

#include "engine.h"
#include "emit.h"

typedef struct labels {
	char *text;
	char **lines;
	size_t count;
} labels;

/* One label a line; path may be NULL. */
CLAST_MUST_CHECK clast_status labels_read(const char *path, labels *out, problem *p);
void labels_free(labels *l);
const char *labels_get(const labels *l, size_t index); /* "" if there is none */

typedef struct class_rank {
	size_t index;
	double probability;
} class_rank;

/* The K most probable of n numbers, largest first, equal ones by index; softmax is applied unless they are a
 * distribution. Returns how many were written: K, or n if that is less. */
size_t classes_top(const double *x, size_t n, size_t k, class_rank *out);

/* The output that holds one number a class: `name`, or the first with two or more elements along one axis and
 * 1 along the others, a batch axis in front excepted. SIZE_MAX if there is none. */
size_t classes_find(const engine *e, const char *name, clast_tensor *const *outputs);
/* Prints the top of every row of the output. */
CLAST_MUST_CHECK clast_status classes_print(const clast_tensor *t, size_t k, const labels *l, emitter *j,
					    problem *p);

#endif
