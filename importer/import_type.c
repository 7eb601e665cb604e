/* Types and shapes that a file declares. */
#include "importer.h"

#include <stdio.h>
#include <string.h>

typedef Clast__TensorShapeProto__Dimension dimension;

/* ---- Extents fixed by the caller ---- */

static const clast_input_shape *given_shape(const importer *x, const char *name)
{
	for (size_t i = 0; x->options && i < x->options->shape_count; i++)
		if (!strcmp(x->options->shapes[i].name, name))
			return &x->options->shapes[i];
	return NULL;
}

/* Some writers call every unknown extent "?". */
static bool is_name(const char *s)
{
	return s && *s && strcmp(s, "?");
}

static clast_status fix_symbol(importer *x, const char *symbol, int64_t extent, const char *input)
{
	uint32_t index;
	if (map_get(&x->fixed, symbol, &index)) {
		if (x->fixed_dims[index] == extent)
			return CLAST_OK;
		return fail(x->d, CLAST_ERROR_ARGUMENT,
			    "shape of input \"%s\": %s is %lld here and %lld elsewhere", quote(input).text,
			    quote(symbol).text, (long long)extent, (long long)x->fixed_dims[index]);
	}
	if (!grow(&x->m->memory, &x->fixed_dims, &x->fixed_capacity, x->fixed_count + 1, sizeof(int64_t)) ||
	    !map_put(&x->fixed, symbol, (uint32_t)x->fixed_count))
		return fail_memory(x->d, 0);
	x->fixed_dims[x->fixed_count++] = extent;
	return CLAST_OK;
}

static clast_status fix_shape(importer *x, const clast_input_shape *given, const Clast__ValueInfoProto *info)
{
	const quoted name = quote(given->name);
	const Clast__TensorShapeProto *s =
		info->type && info->type->tensor_type ? info->type->tensor_type->shape : NULL;
	if (given->rank > CLAST_MAX_RANK || (s && given->rank != s->n_dim))
		return fail(x->d, CLAST_ERROR_ARGUMENT, "shape of input \"%s\": expected %zu axes, found %zu",
			    name.text, s ? s->n_dim : CLAST_MAX_RANK, given->rank);
	clast_status status = CLAST_OK;
	for (size_t a = 0; !status && a < given->rank; a++) {
		const int64_t extent = given->dims[a];
		const dimension *p = s ? s->dim[a] : NULL;
		if (extent < -1)
			return fail(x->d, CLAST_ERROR_ARGUMENT, "shape of input \"%s\": axis %zu is %lld",
				    name.text, a, (long long)extent);
		if (extent < 0 || !p)
			continue;
		if (p->has_dim_value && p->dim_value >= 0 && p->dim_value != extent)
			return fail(x->d, CLAST_ERROR_ARGUMENT,
				    "shape of input \"%s\": axis %zu is %lld in the model, not %lld",
				    name.text, a, (long long)p->dim_value, (long long)extent);
		if (is_name(p->dim_param))
			status = fix_symbol(x, p->dim_param, extent, given->name);
	}
	return status;
}

static clast_status fix_one(importer *x, const Clast__GraphProto *g, const clast_input_shape *given)
{
	if (!given->name || (given->rank && !given->dims))
		return fail(x->d, CLAST_ERROR_ARGUMENT, "a shape is given without a name or without dims");
	for (size_t i = 0; i < g->n_input; i++)
		if (!strcmp(or_empty(g->input[i]->name), given->name))
			return fix_shape(x, given, g->input[i]);
	return fail(x->d, CLAST_ERROR_ARGUMENT, "a shape is given for \"%s\", which is no input",
		    quote(given->name).text);
}

clast_status fix_shapes(importer *x, const Clast__GraphProto *g)
{
	clast_status status = CLAST_OK;
	if (x->options && x->options->shape_count && !x->options->shapes)
		return fail(x->d, CLAST_ERROR_ARGUMENT, "shapes is NULL");
	for (size_t i = 0; !status && x->options && i < x->options->shape_count; i++)
		status = fix_one(x, g, &x->options->shapes[i]);
	return status;
}

/* ---- Shapes ---- */

static dim named_dim(importer *x, const char *name)
{
	uint32_t index;
	if (map_get(&x->fixed, name, &index))
		return x->fixed_dims[index];
	return dim_symbol(x->m->dims, name, 1, DIM_NO_MAX);
}

static clast_status read_dim(importer *x, const dimension *p, const char *of, size_t axis, dim *out)
{
	const bool named = is_name(p->dim_param);
	if (p->has_dim_value && p->dim_param)
		return fail(x->d, CLAST_ERROR_MODEL, "axis %zu of \"%s\" has an extent and a name", axis,
			    quote(of).text);
	/* -1 is how some writers say that an extent is not known. */
	if (p->has_dim_value && p->dim_value < -1)
		return fail(x->d, CLAST_ERROR_MODEL, "axis %zu of \"%s\" has the extent %lld", axis,
			    quote(of).text, (long long)p->dim_value);
	if (p->has_dim_value && p->dim_value >= 0) {
		*out = p->dim_value;
	} else if (named) {
		*out = named_dim(x, p->dim_param);
	} else {
		char hint[96];
		snprintf(hint, sizeof(hint), "%.60s.%zu", of, axis);
		*out = dim_fresh(x->m->dims, hint, 1, DIM_NO_MAX);
	}
	return *out == DIM_ERROR ? fail_memory(x->d, 0) : CLAST_OK;
}

static clast_status read_shape(importer *x, const Clast__TensorShapeProto *p, const char *of, shape *out)
{
	out->rank = -1;
	if (!p)
		return CLAST_OK;
	if (p->n_dim > CLAST_MAX_RANK)
		return fail(x->d, CLAST_ERROR_UNSUPPORTED, "\"%s\" has %zu axes, supported are %d",
			    quote(of).text, p->n_dim, CLAST_MAX_RANK);
	clast_status status = CLAST_OK;
	for (size_t a = 0; !status && a < p->n_dim; a++)
		status = read_dim(x, p->dim[a], of, a, &out->dims[a]);
	out->rank = (int)p->n_dim;
	return status;
}

/* ---- Types ---- */

typedef struct declared {
	value_kind kind;
	const Clast__TypeProto__Tensor *tensor; /* of elements, for a sequence or an optional */
	const char *unsupported;
} declared;

static declared read_type(const Clast__TypeProto *t)
{
	declared out = { .kind = KIND_TENSOR, .tensor = t->tensor_type };
	const Clast__TypeProto__Element *element = t->sequence_type ? t->sequence_type : t->optional_type;
	if (element) {
		out.kind = t->sequence_type ? KIND_SEQUENCE : KIND_OPTIONAL;
		out.tensor = element->elem_type ? element->elem_type->tensor_type : NULL;
		if (!out.tensor)
			out.unsupported = t->sequence_type ? "a sequence of anything but tensors"
							   : "an optional of anything but tensors";
	} else if (t->map_type || t->opaque_type || t->sparse_tensor_type) {
		out.unsupported = t->map_type      ? "a map"
				  : t->opaque_type ? "an opaque type"
						   : "a sparse tensor";
	}
	return out;
}

static bool has_one_member(const Clast__TypeProto *t)
{
	return !!t->tensor_type + !!t->sequence_type + !!t->map_type + !!t->opaque_type +
		       !!t->sparse_tensor_type + !!t->optional_type <=
	       1;
}

static void set_kind(importer *x, value_id v, value_kind kind)
{
	x->m->values[v].kind = kind;
}

/* The caller's extents replace what the file leaves open. */
static void use_given(const importer *x, const char *name, shape *s)
{
	const clast_input_shape *given = given_shape(x, name);
	if (!given)
		return;
	for (size_t a = 0; a < given->rank; a++) {
		if (given->dims[a] >= 0)
			s->dims[a] = given->dims[a];
		else if (s->rank < 0)
			s->dims[a] = dim_fresh(x->m->dims, name, 1, DIM_NO_MAX);
	}
	s->rank = (int)given->rank;
}

clast_status set_input_type(importer *x, value_id v, const Clast__ValueInfoProto *info)
{
	const quoted name = quote(info->name);
	shape s;
	if (!info->type || !has_one_member(info->type))
		return fail(x->d, CLAST_ERROR_MODEL, "input \"%s\": expected one type, found %s", name.text,
			    info->type ? "several" : "none");
	const declared type = read_type(info->type);
	if (type.unsupported) {
		char text[80];
		snprintf(text, sizeof(text), "%s as an input", type.unsupported);
		return findings_add(&x->findings, text, info->name, x->d);
	}
	if (!type.tensor || !type.tensor->elem_type)
		return fail(x->d, CLAST_ERROR_MODEL, "input \"%s\" has no element type", name.text);
	if (!dtype_is_valid((clast_dtype)type.tensor->elem_type)) {
		char text[80];
		snprintf(text, sizeof(text), "element type %d of an input", type.tensor->elem_type);
		return findings_add(&x->findings, text, info->name, x->d);
	}
	set_kind(x, v, type.kind);
	/* The shape of the elements of a sequence is not that of the sequence. */
	clast_status status =
		read_shape(x, type.kind == KIND_SEQUENCE ? NULL : type.tensor->shape, info->name, &s);
	if (status)
		return status;
	use_given(x, info->name, &s);
	return graph_set_shape(x->m, v, (clast_dtype)type.tensor->elem_type, &s, x->d);
}

clast_status set_value_type(importer *x, value_id v, const Clast__TypeProto *t)
{
	shape s;
	if (!t || x->m->values[v].constant)
		return CLAST_OK;
	if (!has_one_member(t))
		return fail(x->d, CLAST_ERROR_MODEL, "\"%s\": expected one type, found several",
			    quote(x->m->values[v].name).text);
	const declared type = read_type(t);
	if (type.unsupported || !type.tensor)
		return CLAST_OK;
	const clast_dtype declared_dtype = (clast_dtype)type.tensor->elem_type;
	const clast_dtype dtype = dtype_is_valid(declared_dtype) ? declared_dtype : x->m->values[v].dtype;
	set_kind(x, v, type.kind);
	/* An output may be declared among the values too, and better there. */
	if (type.kind == KIND_SEQUENCE || !type.tensor->shape) {
		x->m->values[v].dtype = dtype;
		return CLAST_OK;
	}
	clast_status status = read_shape(x, type.tensor->shape, x->m->values[v].name, &s);
	return status ? status : graph_set_shape(x->m, v, dtype, &s, x->d);
}
