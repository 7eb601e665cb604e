/* What clast inspect knows of a model, for the forms in which it is shown. */
#ifndef CLAST_CLI_INSPECTION_H
#define CLAST_CLI_INSPECTION_H

#include <stdio.h>

#include "engine.h"
#include "strategies.h"

typedef struct inspection {
	engine e;
	clast_plan_report report;
	clast_step_info *steps;
	size_t step_count;
	clast_transpose_info *transposes;
	size_t transpose_count;
	strategy_plan plans[STRATEGIES_MOST];
	clast_plan_report reports[STRATEGIES_MOST];
	size_t plan_count;
} inspection;

/* "1.5 MiB" */
void bytes_text(size_t bytes, char text[24]);
const char *engine_objective(const options *o);
/* Both return an exit code. */
int inspection_json(const options *o, const inspection *i);
/* Writes the files of --svg and --html. */
int inspection_pictures(const options *o, const inspection *i);

#endif
