/* clast convert: a model's graph in another order. */
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "engine.h"

static const char *text_of(const option_value *v)
{
	return v->count ? v->text : NULL;
}

/* A missing -o is a mistake like a missing argument. */
static bool output_given(const options *o)
{
	if (o->converted.count == 1)
		return true;
	report_error(NULL, "'clast convert' expects MODEL and one -o FILE");
	report_hint("'clast convert --help' lists the options");
	return false;
}

static clast_status convert(const options *o, engine *e, clast_convert_report *r, problem *p)
{
	clast_model_options mo;
	clast_status s = engine_model_options(e, o, o->arguments[0], &mo, p);
	const clast_convert_options co = {
		.struct_size = sizeof(co),
		.model = &mo,
		.layout = text_of(&o->convert_layout),
		.input_layout = text_of(&o->convert_inputs),
		.output_layout = text_of(&o->convert_outputs),
		.strategy = text_of(&o->convert_strategy),
		.objective = text_of(&o->convert_objective),
		.external_data = o->external_data.count > 0,
	};
	if (!s)
		s = clast_model_convert(o->arguments[0], o->converted.text, &co, r, &p->diag);
	return s == CLAST_ERROR_IO ? s : problem_in(p, o->arguments[0], s);
}

static void print_value(const char *title, const clast_value_info *v)
{
	char text[300];
	value_text(v, text, sizeof(text));
	printf("%-9s %-28s %s\n", title, v->name, text);
}

static void print_report(const options *o, const engine *e, const clast_convert_report *r)
{
	const bool proved = !o->convert_strategy.count || !strcmp(o->convert_strategy.text, "min");
	printf("nodes     %zu of %zu\n", r->nodes, r->nodes_before);
	printf("transpose %zu of %zu%s\n", r->transposes, r->transposes_before,
	       proved ? r->optimal ? " (optimal)" : " (not proved optimal)" : "");
	for (size_t i = 0; i < e->input_count; i++)
		print_value("input", &e->inputs[i]);
	for (size_t i = 0; i < e->output_count; i++)
		print_value("output", &e->outputs[i]);
}

static void write_values(emitter *j, const char *key, const clast_value_info *values, size_t count)
{
	emit_array(j, key);
	for (size_t i = 0; i < count; i++) {
		emit_object(j, NULL);
		emit_string(j, "name", values[i].name);
		emit_string(j, "dtype", clast_dtype_name(values[i].dtype));
		if (values[i].rank >= 0)
			emit_integers(j, "shape", (size_t)values[i].rank, values[i].dims);
		else
			emit_string(j, "shape", NULL);
		emit_end_object(j);
	}
	emit_end_array(j);
}

static int write_json(const options *o, const engine *e, const clast_convert_report *r)
{
	emitter j;
	if (!emit_open(&j, o))
		return EXIT_IO;
	emit_object(&j, NULL);
	emit_string(&j, "file", o->converted.text);
	emit_count(&j, "nodes_before", r->nodes_before);
	emit_count(&j, "nodes", r->nodes);
	emit_count(&j, "transposes_before", r->transposes_before);
	emit_count(&j, "transposes", r->transposes);
	emit_boolean(&j, "optimal", r->optimal);
	write_values(&j, "inputs", e->inputs, e->input_count);
	write_values(&j, "outputs", e->outputs, e->output_count);
	emit_end_object(&j);
	return emit_close(&j) ? EXIT_FINE : EXIT_IO;
}

int command_convert(const options *o)
{
	if (!arguments_expected(o, 1) || !output_given(o))
		return EXIT_USAGE;
	engine e = { 0 }, written = { 0 };
	problem p = { 0 };
	clast_convert_report r = { .struct_size = sizeof(r) };
	clast_status s = convert(o, &e, &r, &p);
	if (!s) /* what was written is what is reported */
		s = engine_load(&written, &(options){ .command = o->command }, o->converted.text, &p);
	int code = s ? problem_report(&p) : EXIT_FINE;
	if (!s && o->json.count)
		code = write_json(o, &written, &r);
	else if (!s)
		print_report(o, &written, &r);
	engine_close(&written);
	engine_close(&e);
	return code;
}
