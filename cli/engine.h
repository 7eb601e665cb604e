/* From a path and the common options to a session. */
#ifndef CLAST_CLI_ENGINE_H
#define CLAST_CLI_ENGINE_H

#include "clast/clast.h"
#include "options.h"
#include "report.h"
#include "tensor_file.h"

typedef struct engine {
	clast_model *model;
	clast_plan *plan;
	clast_session *session;
	size_t input_count, output_count;
	clast_value_info *inputs, *outputs;
	const char *path;
	bool last_inputs; /* --input-layout last */
	/* What clast_model_options points to. */
	clast_input_shape *shapes;
	int64_t (*shape_dims)[CLAST_MAX_RANK];
} engine;

/* What --strategy says, else "manual" where orders are given, else "min". */
const char *engine_strategy(const options *o);

/* How the options want the model at path read; e owns what mo points to. */
CLAST_MUST_CHECK clast_status engine_model_options(engine *e, const options *o, const char *path,
						   clast_model_options *mo, problem *p);
/* Imports the model and reads what is known of its inputs and outputs. */
CLAST_MUST_CHECK clast_status engine_load(engine *e, const options *o, const char *path, problem *p);
/* Takes a model that was built by calls; it belongs to the engine, also after a failure. name must live as long. */
CLAST_MUST_CHECK clast_status engine_adopt(engine *e, const options *o, clast_model *m, const char *name,
					   problem *p);
/* Plans it; strategy NULL: as the options say. */
CLAST_MUST_CHECK clast_status engine_plan(engine *e, const options *o, const char *strategy,
					  clast_plan **plan, problem *p);
/* Makes a session of a plan. activity may be NULL; threads 0: as the options say. */
typedef void (*engine_activity)(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start_ns, uint64_t end_ns);
CLAST_MUST_CHECK clast_status engine_start(const engine *e, const options *o, clast_plan *plan,
					   size_t threads, engine_activity activity, void *context,
					   clast_session **session, problem *p);
/* All three, into e. */
CLAST_MUST_CHECK clast_status engine_open(engine *e, const options *o, const char *path, size_t threads,
					  engine_activity activity, void *context, problem *p);
void engine_close(engine *e);

/* SIZE_MAX if there is none of this name. */
size_t engine_find_input(const engine *e, const char *name);
size_t engine_find_output(const engine *e, const char *name);
/* Brings an input into the order that --input-layout promised. With channels-last inputs the file may hold the
 * declared shape or, where that does not fit, the channels-last one. */
CLAST_MUST_CHECK clast_status engine_arrange(const engine *e, size_t input, file_tensor *t, problem *p);
/* Runs e->session; an input that is NULL is an error that names it. outputs has room for e->output_count. */
CLAST_MUST_CHECK clast_status engine_run(const engine *e, const file_tensor *inputs, clast_tensor **outputs,
					 problem *p);

/* "float32 1x3xHxW". */
void value_text(const clast_value_info *v, char *text, size_t size);

double now_ms(void);

#endif
