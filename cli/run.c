/* clast run: one inference. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "classes.h"
#include "elements.h"
#include "engine.h"
#include "inputs.h"
#include "emit.h"
#include "npz.h"
#include "picture.h"
#include "trace.h"

/* ---- Inputs ---- */

static clast_status read_image(const engine *e, const options *o, file_tensor *inputs, problem *p)
{
	size_t index;
	const char *path;
	preprocessing how;
	if (!o->image.count)
		return CLAST_OK;
	if (!named_file(o->image.text, e->inputs, e->input_count, &index, &path)) {
		path = o->image.text;
		for (index = 0; index < e->input_count; index++)
			if (!inputs[index].tensor && picture_fits(&e->inputs[index]))
				break;
	}
	if (index == e->input_count)
		return problem_set(p, CLAST_ERROR_ARGUMENT, e->path, "no input takes a picture");
	const clast_value_info *v = &e->inputs[index];
	clast_status s = preprocessing_parse(o->preprocess.text, o->fit.text, v->dtype, &how, p);
	if (!s)
		s = picture_read(path, &how, v, &inputs[index], p);
	return s;
}

/* ---- Outputs ---- */

static char *output_path(const char *folder, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s.npy", folder, name) < 0)
		return NULL;
	for (char *c = path + strlen(folder) + 1; *c; c++)
		if (*c == '/')
			*c = '_';
	return path;
}

static clast_status write_folder(const engine *e, const char *folder, clast_tensor *const *outputs,
				 problem *p)
{
	if (mkdir(folder, 0777) && errno != EEXIST)
		return problem_set(p, CLAST_ERROR_IO, folder, "%s", strerror(errno));
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < e->output_count; i++) {
		char *path = output_path(folder, e->outputs[i].name);
		s = path ? tensor_file_write(outputs[i], e->outputs[i].name, path, p)
			 : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
		free(path);
	}
	return s;
}

static clast_status write_archive(const engine *e, const char *path, clast_tensor *const *outputs, problem *p)
{
	const char **names = calloc(e->output_count + 1, sizeof(*names));
	for (size_t i = 0; names && i < e->output_count; i++)
		names[i] = e->outputs[i].name;
	const clast_status s = names ? npz_write(path, e->output_count, names, outputs, p)
				     : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	free(names);
	return s;
}

static clast_status write_outputs(const engine *e, const options *o, clast_tensor *const *outputs, problem *p)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < o->output.count; i++) {
		const char *text = o->output.texts[i], *path;
		size_t index;
		if (named_file(text, e->outputs, e->output_count, &index, &path))
			s = tensor_file_write(outputs[index], e->outputs[index].name, path, p);
		else if (strchr(text, '='))
			s = problem_set(p, CLAST_ERROR_ARGUMENT, e->path,
					"--output %s: the model has no such output", text);
		else if (has_extension(text, ".npz"))
			s = write_archive(e, text, outputs, p);
		else
			s = write_folder(e, text, outputs, p);
	}
	return s;
}

/* ---- What is printed ---- */

typedef struct summary {
	double least, most, mean;
	size_t nans;
} summary;

static summary summarise(clast_dtype t, const void *elements, size_t count)
{
	summary s = { INFINITY, -INFINITY, 0, 0 };
	for (size_t i = 0; i < count; i++) {
		const double x = element_get(t, elements, i, NULL);
		s.least = fmin(s.least, x);
		s.most = fmax(s.most, x);
		s.nans += isnan(x);
		s.mean += isnan(x) ? 0 : x;
	}
	s.mean /= count > s.nans ? (double)(count - s.nans) : 1;
	return s;
}

static void print_values(clast_dtype t, const void *elements, size_t count)
{
	const size_t shown = count < 6 ? count : 6;
	for (size_t i = 0; i < shown; i++) {
		const clast_string *s = (const clast_string *)elements + i;
		if (t == CLAST_STRING)
			printf("%s\"%.*s\"", i ? " " : "  ", (int)(s->length < 40 ? s->length : 40),
			       s->length ? s->bytes : "");
		else
			printf("%s%.6g", i ? " " : "  ", element_get(t, elements, i, NULL));
	}
	puts(shown < count ? " ..." : "");
}

static clast_status print_output(const clast_value_info *v, const clast_tensor *t, emitter *j, problem *p)
{
	const clast_dtype dtype = clast_tensor_dtype(t);
	const size_t count = clast_tensor_count(t);
	char shape[100];
	void *copy;
	const void *elements = elements_of(t, &copy);
	if (!elements)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	const summary s = summarise(dtype, elements, count);
	shape_text(clast_tensor_rank(t), clast_tensor_dims(t), shape, sizeof(shape));
	if (j) {
		emit_object(j, NULL);
		emit_string(j, "name", v->name);
		emit_string(j, "dtype", clast_dtype_name(dtype));
		emit_integers(j, "shape", clast_tensor_rank(t), clast_tensor_dims(t));
		emit_real(j, "min", s.least);
		emit_real(j, "max", s.most);
		emit_real(j, "mean", s.mean);
		emit_count(j, "nan", s.nans);
		emit_end_object(j);
	} else {
		printf("%s%s%s  %s %s", colour_out(COLOUR_BOLD), v->name, colour_out(COLOUR_NONE),
		       clast_dtype_name(dtype), shape);
		if (count && dtype != CLAST_STRING)
			printf("  min %.6g  max %.6g  mean %.6g", s.least, s.most, s.mean);
		if (s.nans)
			printf("  %zu NaN", s.nans);
		print_values(dtype, elements, count);
	}
	free(copy);
	return CLAST_OK;
}

static clast_status print_top(const engine *e, const options *o, clast_tensor *const *outputs, emitter *j,
			      problem *p)
{
	labels l;
	if (!o->top.count)
		return CLAST_OK;
	const size_t index = classes_find(e, o->classes.text, outputs);
	if (index == SIZE_MAX)
		return problem_set(p, CLAST_ERROR_ARGUMENT, e->path, "--top: %s%s",
				   o->classes.count ? "the model has no output "
						    : "no output holds one number a class",
				   o->classes.count ? o->classes.text : "");
	clast_status s = labels_read(o->labels.text, &l, p);
	if (s)
		return s;
	if (j)
		emit_array(j, "top");
	s = classes_print(outputs[index], o->top.number, &l, j, p);
	if (j)
		emit_end_array(j);
	labels_free(&l);
	return s;
}

static clast_status print_results(const engine *e, const options *o, clast_tensor *const *outputs,
				  double load_ms, double run_ms, problem *p)
{
	emitter writer, *j = NULL;
	clast_status s = CLAST_OK;
	if (o->json.count) {
		if (!emit_open(&writer, o))
			return problem_set(p, CLAST_ERROR_IO, o->json.text, "cannot be written");
		j = &writer;
		emit_object(j, NULL);
		emit_array(j, "outputs");
	}
	for (size_t i = 0; !s && i < e->output_count && (j || !o->top.count); i++)
		s = print_output(&e->outputs[i], outputs[i], j, p);
	if (j)
		emit_end_array(j);
	if (!s)
		s = print_top(e, o, outputs, j, p);
	if (j) {
		emit_real(j, "load_ms", load_ms);
		emit_real(j, "run_ms", run_ms);
		emit_end_object(j);
		if (!emit_close(j) && !s)
			s = problem_set(p, CLAST_ERROR_IO, o->json.text, "cannot be written");
	}
	return s;
}

int command_run(const options *o)
{
	engine e = { 0 };
	problem p = { 0 };
	trace t = { 0 };
	file_tensor *inputs = NULL;
	clast_tensor **outputs = NULL;
	if (!arguments_expected(o, 1))
		return EXIT_USAGE;
	const double start = now_ms();
	clast_status s = engine_open(&e, o, o->arguments[0], 0, o->profile.count ? trace_add : NULL, &t, &p);
	const double loaded = now_ms();
	if (!s)
		s = inputs_read(&e, o, &inputs, &p);
	if (!s)
		s = read_image(&e, o, inputs, &p);
	for (size_t i = 0; !s && i < e.input_count; i++)
		if (inputs[i].tensor)
			s = engine_arrange(&e, i, &inputs[i], &p);
	if (!s) {
		outputs = calloc(e.output_count + 1, sizeof(*outputs));
		if (!outputs)
			s = problem_set(&p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	}
	const double ready = now_ms();
	if (!s)
		s = engine_run(&e, inputs, outputs, &p);
	const double ran = now_ms();
	if (!s)
		s = write_outputs(&e, o, outputs, &p);
	if (!s && o->profile.count)
		s = trace_write(&t, e.plan, o->profile.text, &p);
	if (!s)
		s = print_results(&e, o, outputs, loaded - start, ran - ready, &p);
	const int code = s ? problem_report(&p) : EXIT_FINE;
	inputs_free(&inputs, e.input_count);
	trace_free(&t);
	free(outputs);
	engine_close(&e);
	return code;
}
