/* Reference data: inputs and expected outputs of one run, from an ONNX backend folder or an .npz. */
#ifndef CLAST_CLI_DATASET_H
#define CLAST_CLI_DATASET_H

#include "compare.h"
#include "engine.h"

typedef struct dataset {
	char *name;
	file_tensor *inputs;  /* one for each input of the model; empty where missing */
	file_tensor *outputs; /* one for each output of the model; empty where there is no reference */
	size_t input_count, output_count;
} dataset;

/* The data sets of a path: an .npz, a folder with input_N.pb or .npy, or a folder with test_data_set_N.
 * Returns a list of paths in natural order that dataset_list_free releases. */
CLAST_MUST_CHECK clast_status dataset_list(const char *path, char ***paths, size_t *count, problem *p);
void dataset_list_free(char ***paths, size_t count);
CLAST_MUST_CHECK clast_status dataset_read(const engine *e, const char *path, dataset *d, problem *p);
void dataset_free(dataset *d);

/* Tolerances of the case in this folder: a file `tol` or `data.json`; else left alone. Either must be well
 * formed. */
CLAST_MUST_CHECK clast_status dataset_tolerance(const char *folder, tolerance *t, problem *p);

/* Joins folder and name into memory from malloc; NULL if memory is short. */
char *path_join(const char *folder, const char *name);
bool is_folder(const char *path);
bool is_file(const char *path);
/* Compares text so that numbers in it rise: case_2 before case_10. For qsort over char *. */
int compare_natural(const void *a, const void *b);

#endif
