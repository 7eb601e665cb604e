/* A picture of a plan: steps as boxes in layers, from inputs at the top to outputs at the bottom, coloured by the order of what they
 * make, conversions of order drawn as such. */
#ifndef CLAST_CLI_DRAWING_H
#define CLAST_CLI_DRAWING_H

#include <stdio.h>

#include "clast/clast.h"

/* Writes an <svg> element with everything it needs; standalone adds what makes a file of it. steps are those of clast_plan_step;
 * transposes those of clast_plan_transpose. False if memory ran out. */
bool drawing_write(FILE *f, const clast_step_info *steps, size_t step_count, const clast_transpose_info *transposes,
		   size_t transpose_count, bool standalone);
/* Writes text with what XML reserves replaced. */
void drawing_text(FILE *f, const char *text);

#endif
