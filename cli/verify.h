/* One model against its reference data. */
#ifndef CLAST_CLI_VERIFY_H
#define CLAST_CLI_VERIFY_H

#include "compare.h"
#include "dataset.h"
#include "engine.h"
#include "emit.h"

typedef enum case_status { CASE_FAILED, CASE_PASSED, CASE_SKIPPED } case_status;

/* The worst over all outputs and data sets of a case. Plain data: it travels through a pipe. */
typedef struct case_result {
	case_status status;
	double max_abs, seconds;
	char reason[1000];
} case_result;

const char *case_status_name(case_status s);
const char *case_status_colour(case_status s);

/* The default tolerance, that of the case's folder (NULL: none), or the options'. */
CLAST_MUST_CHECK clast_status verify_tolerance(const options *o, const char *folder, tolerance *t,
					       problem *p);
/* Runs the model of e on a data set and compares; each(), if not NULL, is called for every output compared.
 */
typedef void (*verify_each)(void *context, const clast_value_info *output, const clast_tensor *got,
			    const comparison *c);
CLAST_MUST_CHECK clast_status verify_dataset(const engine *e, const dataset *d, tolerance t, verify_each each,
					     void *context, case_result *r, problem *p);
/* Loads the model and verifies all data sets of the folder. threads 0: as the options say. */
void verify_case(const options *o, const char *model, const char *folder, size_t threads, case_result *r);

/* verify --suite; the exit code. */
int verify_suite(const options *o);

/* Members of a case in JSON. */
void verify_json(emitter *j, const char *name, const case_result *r);

#endif
