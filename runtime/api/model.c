/* The public functions on models. */
#include <string.h>

#include "api.h"
#include "convert.h"
#include "import.h"
#include "pass.h"
#include "plan.h"

/* Options of a caller that was built against a header with fewer members. */
void read_model_options(clast_model_options *to, const clast_model_options *from)
{
	memset(to, 0, sizeof *to);
	if (from)
		memcpy(to, from, from->struct_size && from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
}

clast_status model_prepare(clast_model *m, clast_diag *d)
{
	const clast_status s = convert_is_wrapped(m) ? convert_straighten(m, d) : CLAST_OK;
	return s ? s : passes_run(m, d);
}

static clast_status load(const char *path, const void *bytes, size_t size, const clast_model_options *options,
                         clast_model **model, clast_diag *d)
{
	clast_model_options o;
	clast_model *m;
	*model = NULL;
	read_model_options(&o, options);
	clast_status s = model_create(&o, &m, d);
	if (s)
		goto done;
	s = path ? import_file(m, path, &o, d) : import_memory(m, bytes, size, &o, d);
	if (!s)
		s = model_prepare(m, d);
	if (s)
		model_release(m);
	else
		*model = m;
done:
	if (d)
		d->status = s;
	return s;
}

clast_status clast_model_load(const char *path, const clast_model_options *options, clast_model **model, clast_diag *d)
{
	if (!path || !model)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_model_load: path or model is NULL");
	return load(path, NULL, 0, options, model, d);
}

clast_status clast_model_parse(const void *bytes, size_t size, const clast_model_options *options, clast_model **model,
                               clast_diag *d)
{
	if ((!bytes && size) || !model)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_model_parse: bytes or model is NULL");
	return load(NULL, bytes, size, options, model, d);
}

void clast_model_free(clast_model **model)
{
	if (!model || !*model)
		return;
	model_release(*model);
	*model = NULL;
}

size_t clast_model_input_count(const clast_model *m)
{
	return m ? m->graphs[0].input_count : 0;
}

size_t clast_model_output_count(const clast_model *m)
{
	return m ? m->graphs[0].output_count : 0;
}

static const char *new_dim_text(clast_model *m, dim e)
{
	const size_t at = (size_t)(e - DIM_FIRST_ID), before = m->dim_text_capacity;
	if (!grow(&m->memory, &m->dim_texts, &m->dim_text_capacity, at + 1, sizeof *m->dim_texts))
		return NULL;
	for (size_t i = before; i < m->dim_text_capacity; i++)
		m->dim_texts[i] = NULL;
	if (!m->dim_texts[at]) {
		char text[128];
		const size_t n = dim_format(m->dims, e, text, sizeof text);
		m->dim_texts[at] = bump_string(&m->region, text, n < sizeof text ? n : sizeof text - 1);
	}
	return m->dim_texts[at];
}

/* Text for an unknown dim; lives as long as the model. */
static const char *dim_text(clast_model *m, dim e)
{
	if (!dim_is_expr(e))
		return "?";
	pthread_mutex_lock(&m->lock);
	const char *text = new_dim_text(m, e);
	pthread_mutex_unlock(&m->lock);
	return text;
}

clast_status value_describe(const clast_model *model, value_id id, const char *name, clast_value_info *info)
{
	clast_model *m = (clast_model *)model; /* names of dims are made on demand */
	const value *v = &m->values[id];
	memset(info, 0, sizeof *info);
	info->name = name;
	info->dtype = v->kind == KIND_TENSOR ? v->dtype : CLAST_UNDEFINED;
	info->rank = v->rank;
	for (int a = 0; a < v->rank; a++) {
		info->dims[a] = dim_is_number(v->dims[a]) ? v->dims[a] : -1;
		if (info->dims[a] < 0 && !(info->dim_names[a] = dim_text(m, v->dims[a])))
			return CLAST_ERROR_MEMORY;
	}
	return CLAST_OK;
}

clast_status clast_model_input(const clast_model *m, size_t index, clast_value_info *info)
{
	if (!m || !info || index >= m->graphs[0].input_count)
		return CLAST_ERROR_ARGUMENT;
	return value_describe(m, m->graphs[0].inputs[index], m->values[m->graphs[0].inputs[index]].name, info);
}

clast_status clast_model_output(const clast_model *m, size_t index, clast_value_info *info)
{
	if (!m || !info || index >= m->graphs[0].output_count)
		return CLAST_ERROR_ARGUMENT;
	return value_describe(m, m->graphs[0].outputs[index], m->graphs[0].output_names[index], info);
}
