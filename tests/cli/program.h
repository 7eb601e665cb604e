/* Starting the program, and files for it. */
#ifndef CLAST_TESTS_CLI_PROGRAM_H
#define CLAST_TESTS_CLI_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct result {
	int status;      /* exit status, or 128 + the number of the signal */
	char *out, *err; /* what it wrote; freed by result_free */
} result;

/* Runs clast with these words; the last is NULL. */
result run_clast(const char *const *words);
#define RUN(...) run_clast((const char *const[]){ __VA_ARGS__, NULL })
/* Runs a line by sh, in which $CLAST is the program. */
result run_shell(const char *line);
void result_free(result *r);

/* A new folder for the files of a test, removed by remove_folder. The text is one of a few static buffers. */
const char *make_folder(void);
void remove_folder(const char *folder);
/* Path of a file in it; valid until 16 further calls. */
const char *in_folder(const char *folder, const char *name);
void write_file(const char *path, const void *bytes, size_t size);

/* A model of one node y = op(x) with float32 x and y; dims of -1 are named "n", "m". */
void write_model(const char *path, const char *op, size_t rank, const int64_t *dims);

/* A case of a suite in folder/name: y = Relu(x) of two elements, with the expected second element given. */
void write_case(const char *folder, const char *name, const char *op, float expected);

#endif
