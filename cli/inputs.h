/* --input NAME=FILE for run and bench. */
#ifndef CLAST_CLI_INPUTS_H
#define CLAST_CLI_INPUTS_H

#include "engine.h"

/* Splits NAME=FILE where NAME is one of the values. Names may hold '=', and paths too. */
bool named_file(const char *text, const clast_value_info *values, size_t count, size_t *index,
		const char **path);
/* One tensor for each input of the model, empty where no file was given. */
CLAST_MUST_CHECK clast_status inputs_read(const engine *e, const options *o, file_tensor **inputs,
					  problem *p);
void inputs_free(file_tensor **inputs, size_t count);

#endif
