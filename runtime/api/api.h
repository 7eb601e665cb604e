/* What the files of the public functions share. */
#ifndef CLAST_API_H
#define CLAST_API_H

#include "spec.h"

/* Options, zero for what the caller's header did not know yet; from may be NULL. */
void read_model_options(clast_model_options *to, const clast_model_options *from);

/* What every model goes through before it is planned: channels-last exports lose their Transposes, then the passes. */
clast_status model_prepare(clast_model *m, clast_diag *d);

/* Fills info for a value of the model. */
clast_status value_describe(const clast_model *m, value_id id, const char *name, clast_value_info *info);

/* Runs the model on made up inputs by strategies that use different kernels, and notes what each took. Nothing is left after a failure. */
clast_status measure_ways(clast_model *m, const clast_plan_options *o, plan_times *t, clast_diag *d);
void measure_free(clast_model *m, plan_times *t);

/* Chooses between what p->steps could run by timing, or from what earlier timings left in the user's cache. o: what p was made from. A model
 * that cannot be run on made up inputs, or not within its limits, keeps the plan that it has. */
clast_status tune_plan(clast_plan *p, const clast_plan_options *o, clast_diag *d);

/* What is converted: by a step of its own, or by a view that could not be one. */
bool step_converts(const plan_step *step);
/* Fills the plan's list of conversions. */
clast_status plan_conversions(clast_plan *p);
const plan_block *plan_block_of(const clast_plan *p, size_t step);


/* A specialisation at representative extents; NULL where they do not fit the model, which is no failure. */
clast_status plan_representative(clast_plan *p, specialisation **out);
/* Where a step of a plan with a device runs, and why (places.c); "" without a device. */
clast_status plan_place_text(clast_plan *p, size_t step, const char **place, const char **reason);

#endif
