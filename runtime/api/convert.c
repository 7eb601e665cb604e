/* The public function that converts models. */
#include <string.h>

#include "api.h"
#include "convert.h"
#include "export.h"
#include "import.h"
#include "pass.h"

static clast_status read_layout(const char *what, const char *text, convert_layout none, bool keep,
				convert_layout *out, clast_diag *d)
{
	static const char *const names[] = {
		[CONVERT_KEEP] = "keep", [CONVERT_FIRST] = "first", [CONVERT_LAST] = "last"
	};
	*out = none;
	if (!text)
		return CLAST_OK;
	for (convert_layout i = keep ? CONVERT_KEEP : CONVERT_FIRST; i <= CONVERT_LAST; i++)
		if (!strcmp(names[i], text)) {
			*out = i;
			return CLAST_OK;
		}
	return fail(d, CLAST_ERROR_ARGUMENT, "%s \"%s\": expected %sfirst or last", what, quote(text).text,
		    keep ? "keep, " : "");
}

static clast_status read_options(const clast_convert_options *o, convert_options *to, clast_diag *d)
{
	clast_status s = read_layout("layout", o->layout, CONVERT_FIRST, false, &to->layout, d);
	if (!s)
		s = read_layout("input_layout", o->input_layout, to->layout, true, &to->inputs, d);
	if (!s)
		s = read_layout("output_layout", o->output_layout, to->layout, true, &to->outputs, d);
	if (!s && o->objective && strcmp(o->objective, "count") && strcmp(o->objective, "bytes"))
		s = fail(d, CLAST_ERROR_ARGUMENT, "objective \"%s\": expected count or bytes",
			 quote(o->objective).text);
	to->strategy = o->strategy;
	to->count_bytes = o->objective && !strcmp(o->objective, "bytes");
	return s;
}

static clast_status convert(const char *path, const char *converted_path, const clast_convert_options *o,
			    convert_report *r, clast_diag *d)
{
	clast_model_options mo;
	convert_options co = { 0 };
	clast_model *m = NULL;
	const export_options eo = { .external_data = o->external_data, .producer_version = clast_version() };
	read_model_options(&mo, o->model);
	clast_status s = read_options(o, &co, d);
	if (!s)
		s = model_create(&mo, &m, d);
	if (!s)
		s = import_file(m, path, &mo, d);
	if (!s)
		s = passes_clean(m, d);
	if (!s)
		s = convert_model(m, &co, r, d);
	if (!s)
		s = export_file(m, converted_path, &eo, d);
	model_release(m);
	return s;
}

clast_status clast_model_convert(const char *path, const char *converted_path,
				 const clast_convert_options *options, clast_convert_report *report,
				 clast_diag *d)
{
	clast_convert_options o = { 0 };
	convert_report r = { 0 };
	if (!path || !converted_path)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_model_convert: a path is NULL");
	if (options)
		memcpy(&o, options,
		       options->struct_size && options->struct_size < sizeof o ? options->struct_size
									       : sizeof o);
	const clast_status s = convert(path, converted_path, &o, &r, d);
	if (d)
		d->status = s;
	if (s || !report)
		return s;
	const clast_convert_report full = { report->struct_size, r.nodes_before, r.nodes,
					    r.transposes_before, r.transposes,   r.optimal };
	memcpy(report, &full,
	       report->struct_size && report->struct_size < sizeof full ? report->struct_size : sizeof full);
	return CLAST_OK;
}
