/* What the files of the public functions share. */
#ifndef CLAST_API_H
#define CLAST_API_H

#include "plan.h"

/* Options, zero for what the caller's header did not know yet; from may be NULL. */
void read_model_options(clast_model_options *to, const clast_model_options *from);

/* Fills info for a value of the model. */
clast_status value_describe(const clast_model *m, value_id id, const char *name, clast_value_info *info);

#endif
