/* clast verify: compares a model's outputs with references. */
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"

const char *case_status_name(case_status s)
{
	return s == CASE_PASSED ? "passed" : s == CASE_SKIPPED ? "skipped" : "failed";
}

const char *case_status_colour(case_status s)
{
	return colour_out(s == CASE_PASSED ? COLOUR_GREEN : s == CASE_SKIPPED ? COLOUR_YELLOW : COLOUR_RED);
}

void verify_json(emitter *j, const char *name, const case_result *r)
{
	emit_string(j, "name", name);
	emit_string(j, "status", case_status_name(r->status));
	emit_string(j, "reason", r->reason);
	emit_real(j, "max_abs", r->max_abs);
	emit_real(j, "seconds", r->seconds);
}

clast_status verify_tolerance(const options *o, const char *folder, tolerance *t, problem *p)
{
	*t = (tolerance){ 1e-3, 1e-7 };
	const clast_status s = folder ? dataset_tolerance(folder, t, p) : CLAST_OK;
	if (o->rtol.count)
		t->rtol = o->rtol.real;
	if (o->atol.count)
		t->atol = o->atol.real;
	return s;
}

static void note_output(case_result *r, const clast_value_info *output, const comparison *c)
{
	r->max_abs = fmax(r->max_abs, c->max_abs);
	if (c->agrees || r->reason[0])
		return;
	r->status = CASE_FAILED;
	if (c->mismatches)
		snprintf(r->reason, sizeof(r->reason),
			 "output \"%.100s\": %zu of %zu elements differ by up to %.3g: %s", output->name,
			 c->mismatches, c->count, c->max_abs, c->reason);
	else
		snprintf(r->reason, sizeof(r->reason), "output \"%.100s\": %s", output->name, c->reason);
}

clast_status verify_dataset(const engine *e, const dataset *d, tolerance t, verify_each each, void *context,
			    case_result *r, problem *p)
{
	*r = (case_result){ .status = CASE_PASSED };
	size_t compared = 0;
	const double start = now_ms();
	clast_tensor **got = calloc(e->output_count + 1, sizeof(*got));
	clast_status s = got ? engine_run(e, d->inputs, got, p)
			     : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	r->seconds = (now_ms() - start) * 1e-3;
	for (size_t i = 0; !s && i < e->output_count; i++) {
		comparison c;
		if (!d->outputs[i].tensor)
			continue;
		s = compare_tensors(got[i], d->outputs[i].tensor, t, &c);
		if (s)
			problem_set(p, s, e->path, "%s", c.reason);
		else if (each)
			each(context, &e->outputs[i], got[i], &c);
		if (!s)
			note_output(r, &e->outputs[i], &c);
		compared++;
	}
	if (!s && !compared) {
		r->status = CASE_FAILED;
		snprintf(r->reason, sizeof(r->reason), "no output has a reference");
	}
	free(got);
	return s;
}

/* What became of a case that ended with a failure. */
static void note_problem(case_result *r, clast_status s, const problem *p)
{
	r->status = s == CLAST_ERROR_UNSUPPORTED ? CASE_SKIPPED : CASE_FAILED;
	problem_line(p, r->reason, sizeof(r->reason));
	for (char *c = r->reason; *c; c++) /* a list of findings on one line */
		if (*c == '\n')
			*c = c[1] ? ';' : 0;
}

void verify_case(const options *o, const char *model, const char *folder, size_t threads, case_result *r)
{
	engine e = { 0 };
	problem p = { 0 };
	tolerance t;
	char **sets = NULL;
	size_t count = 0;
	*r = (case_result){ .status = CASE_PASSED };
	clast_status s = verify_tolerance(o, folder, &t, &p);
	if (!s)
		s = engine_open(&e, o, model, threads, NULL, NULL, &p);
	if (!s)
		s = dataset_list(folder, &sets, &count, &p);
	for (size_t i = 0; !s && i < count && r->status == CASE_PASSED; i++) {
		dataset d;
		case_result one;
		s = dataset_read(&e, sets[i], &d, &p);
		if (s)
			break;
		s = verify_dataset(&e, &d, t, NULL, NULL, &one, &p);
		dataset_free(&d);
		one.max_abs = fmax(one.max_abs, r->max_abs);
		*r = one;
	}
	if (s)
		note_problem(r, s, &p);
	dataset_list_free(&sets, count);
	engine_close(&e);
}

/* ---- verify MODEL --ref ---- */

typedef struct printer {
	emitter *j; /* NULL: text */
	const char *set;
} printer;

static void print_output(void *context, const clast_value_info *output, const clast_tensor *got,
			 const comparison *c)
{
	const printer *out = context;
	char shape[100];
	shape_text(clast_tensor_rank(got), clast_tensor_dims(got), shape, sizeof(shape));
	if (out->j) {
		emit_object(out->j, NULL);
		emit_string(out->j, "name", output->name);
		emit_integers(out->j, "shape", clast_tensor_rank(got), clast_tensor_dims(got));
		emit_boolean(out->j, "agrees", c->agrees);
		emit_real(out->j, "max_abs", c->max_abs);
		emit_real(out->j, "mean_abs", c->mean_abs);
		emit_real(out->j, "largest", c->largest);
		emit_count(out->j, "mismatches", c->mismatches);
		emit_end_object(out->j);
		return;
	}
	printf("%-18s %-24s %-16s max error %-9.3g mean %-9.3g largest %-9.3g %s%s%s\n", out->set,
	       output->name, shape, c->max_abs, c->mean_abs, c->largest,
	       case_status_colour(c->agrees ? CASE_PASSED : CASE_FAILED), c->agrees ? "ok" : "MISMATCH",
	       colour_out(COLOUR_NONE));
}

/* One data set with its outputs. A failure to run counts as a failed case, a failure to read ends the
 * command. */
static clast_status verify_one(const options *o, const engine *e, const char *path, tolerance t, emitter *j,
			       case_result *r, problem *p)
{
	dataset d;
	clast_status s = dataset_read(e, path, &d, p);
	if (s)
		return s;
	printer out = { o->json.count ? j : NULL, d.name };
	if (out.j) {
		emit_object(j, NULL);
		emit_array(j, "outputs");
	}
	s = verify_dataset(e, &d, t, print_output, &out, r, p);
	if (s)
		note_problem(r, s, p);
	if (out.j) {
		emit_end_array(j);
		verify_json(j, d.name, r);
		emit_end_object(j);
	} else if (r->status != CASE_PASSED) {
		printf("%-18s %s%s%s: %s\n", d.name, case_status_colour(r->status),
		       case_status_name(r->status), colour_out(COLOUR_NONE), r->reason);
	}
	dataset_free(&d);
	return s == CLAST_ERROR_CANCELLED ? s : CLAST_OK;
}

static clast_status verify_sets(const options *o, const engine *e, char *const *sets, size_t count,
				tolerance t, emitter *j, size_t totals[3], problem *p)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < count; i++) {
		case_result r;
		s = verify_one(o, e, sets[i], t, j, &r, p);
		if (!s)
			totals[r.status]++;
	}
	return s;
}

static clast_status find_tolerance(const options *o, const char *ref, char *const *sets, tolerance *t,
				   problem *p)
{
	const bool inner =
		is_folder(ref) && !strcmp(sets[0], ref); /* a single data set: its case is one above */
	char *folder = !is_folder(ref) ? NULL : inner ? path_join(ref, "..") : strdup(ref);
	const clast_status s = verify_tolerance(o, folder, t, p);
	free(folder);
	return s;
}

static int verify_reference(const options *o)
{
	engine e = { 0 };
	problem p = { 0 };
	tolerance t;
	emitter j;
	char **sets = NULL;
	size_t count = 0, totals[3] = { 0 };
	int code = EXIT_IO;
	clast_status s = engine_open(&e, o, o->arguments[0], 0, NULL, NULL, &p);
	if (!s)
		s = dataset_list(o->ref.text, &sets, &count, &p);
	if (!s)
		s = find_tolerance(o, o->ref.text, sets, &t, &p);
	if (!s && o->json.count) {
		if (!emit_open(&j, o))
			goto done;
		emit_object(&j, NULL);
		emit_array(&j, "cases");
	}
	const bool open = !s && o->json.count;
	if (!s)
		s = verify_sets(o, &e, sets, count, t, &j, totals, &p);
	if (open) {
		emit_end_array(&j);
		emit_count(&j, "passed", totals[CASE_PASSED]);
		emit_count(&j, "failed", totals[CASE_FAILED]);
		emit_count(&j, "skipped", totals[CASE_SKIPPED]);
		emit_end_object(&j);
		if (!emit_close(&j))
			goto done;
	} else if (!s) {
		printf("%zu passed, %zu failed, %zu skipped\n", totals[CASE_PASSED], totals[CASE_FAILED],
		       totals[CASE_SKIPPED]);
	}
	code = s                      ? problem_report(&p)
	       : totals[CASE_FAILED]  ? EXIT_MISMATCH
	       : totals[CASE_SKIPPED] ? EXIT_MODEL
				      : EXIT_FINE;
done:
	dataset_list_free(&sets, count);
	engine_close(&e);
	return code;
}

int command_verify(const options *o)
{
	if (o->suite.count && !o->argument_count && !o->ref.count)
		return verify_suite(o);
	if (!o->suite.count && o->argument_count == 1 && o->ref.count)
		return verify_reference(o);
	report_error(NULL, "expected MODEL and --ref, or --suite alone");
	report_hint("'clast verify --help' shows how to use it");
	return EXIT_USAGE;
}
