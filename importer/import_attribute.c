/* Attributes, and the constants that Constant nodes give. */
#include "importer.h"

#include <stdio.h>
#include <string.h>

/* AttributeProto.AttributeType beyond clast_attribute_type. */
enum {
	TYPE_GRAPH = 5,
	TYPE_TENSORS = 9,
	TYPE_GRAPHS,
	TYPE_SPARSE,
	TYPE_SPARSES,
	TYPE_TYPE,
	TYPE_TYPES,
	TYPE_COUNT
};

static const char *const type_names[TYPE_COUNT] = { "undefined",      "float",   "int",    "string",
						    "tensor",         "graph",   "floats", "ints",
						    "strings",        "tensors", "graphs", "a sparse tensor",
						    "sparse tensors", "a type",  "types" };

/* Bit t: the field of type t is there. */
static unsigned fields_present(const Clast__AttributeProto *a)
{
	return (unsigned)(!!a->has_f << CLAST_ATTRIBUTE_FLOAT | !!a->has_i << CLAST_ATTRIBUTE_INT |
			  !!a->has_s << CLAST_ATTRIBUTE_STRING | !!a->t << CLAST_ATTRIBUTE_TENSOR |
			  !!a->g << TYPE_GRAPH | !!a->n_floats << CLAST_ATTRIBUTE_FLOATS |
			  !!a->n_ints << CLAST_ATTRIBUTE_INTS | !!a->n_strings << CLAST_ATTRIBUTE_STRINGS |
			  !!a->n_tensors << TYPE_TENSORS | !!a->n_graphs << TYPE_GRAPHS |
			  !!a->sparse_tensor << TYPE_SPARSE | !!a->n_sparse_tensors << TYPE_SPARSES |
			  !!a->tp << TYPE_TYPE | !!a->n_type_protos << TYPE_TYPES);
}

int attribute_type(const Clast__AttributeProto *a)
{
	const unsigned present = fields_present(a);
	return a->type ? a->type : present ? __builtin_ctz(present) : 0;
}

static clast_status check_type(importer *x, const Clast__AttributeProto *a, const char *name)
{
	const int type = attribute_type(a);
	const unsigned present = fields_present(a);
	if (type <= 0 || type >= TYPE_COUNT)
		return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\" has the unknown type %d",
			    quote(name).text, type);
	if (present & ~(1u << type))
		return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\": declared as %s, but holds %s",
			    quote(name).text, type_names[type],
			    type_names[__builtin_ctz(present & ~(1u << type))]);
	/* Writers may leave out what equals 0 or is empty. */
	if (!present && (type == CLAST_ATTRIBUTE_TENSOR || type == TYPE_GRAPH || type == TYPE_SPARSE ||
			 type == TYPE_TYPE))
		return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\": declared as %s, but holds none",
			    quote(name).text, type_names[type]);
	return CLAST_OK;
}

clast_status resolve_attribute(importer *x, const scope *s, Clast__AttributeProto *a, argument *out)
{
	const char *wanted = or_empty(a->ref_attr_name);
	*out = (argument){ .name = or_empty(a->name), .proto = a, .origin = s };
	if (!*out->name)
		return fail(x->d, CLAST_ERROR_MODEL, "an attribute has no name");
	if (!*wanted)
		return check_type(x, a, out->name);
	if (!s->frame->function)
		return fail(x->d, CLAST_ERROR_MODEL,
			    "attribute \"%s\" refers to \"%s\", an attribute of a function; this is none",
			    quote(out->name).text, quote(wanted).text);
	out->proto = NULL;
	for (size_t i = 0; i < s->frame->argument_count; i++) {
		const argument *given = &s->frame->arguments[i];
		if (strcmp(given->name, wanted))
			continue;
		out->proto = given->proto;
		out->origin = given->origin;
		if (a->type && a->type != attribute_type(given->proto))
			return fail(x->d, CLAST_ERROR_MODEL,
				    "attribute \"%s\" of the function: type %d is expected, %d was given",
				    quote(wanted).text, a->type, attribute_type(given->proto));
	}
	return CLAST_OK;
}

/* ---- Conversion ---- */

static clast_status convert_strings(importer *x, const Clast__AttributeProto *a, attr_value *out)
{
	char **list = bump_array(&x->scratch, a->n_strings ? a->n_strings : 1, sizeof(*list));
	if (!list)
		return fail_memory(x->d, a->n_strings * sizeof(*list));
	for (size_t i = 0; i < a->n_strings; i++) {
		const ProtobufCBinaryData *s = &a->strings[i];
		if (s->len && memchr(s->data, 0, s->len))
			return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\": string %zu holds a zero byte",
				    quote(a->name).text, i);
		list[i] = bump_string(&x->scratch, (const char *)s->data, s->len);
		if (!list[i])
			return fail_memory(x->d, s->len);
	}
	out->strings = (const char *const *)list;
	out->count = a->n_strings;
	return CLAST_OK;
}

static clast_status convert_graph(importer *x, const scope *s, const argument *a, attr_value *out)
{
	Clast__GraphProto *g = a->proto->g;
	clast_status status = charge(x, s, sizeof(graph));
	if (!status)
		status = graph_add(x->m, or_empty(g->name), s->graph, &out->graph, x->d);
	return status ? status : import_graph(x, g, a->origin->frame, a->origin, out->graph);
}

static clast_status convert_tensor(importer *x, const argument *a, attr_value *out)
{
	char head[200];
	clast_status status = tensor_read(&x->tensors, a->proto->t, &out->tensor, x->d);
	snprintf(head, sizeof(head), "attribute \"%s\": ", quote(a->name).text);
	if (status)
		message_prefix(x->d, head);
	return status;
}

static clast_status convert(importer *x, const scope *s, const argument *a, attr_value *out)
{
	const Clast__AttributeProto *p = a->proto;
	*out = (attr_value){ .name = a->name, .type = (clast_attribute_type)attribute_type(p) };
	switch ((int)out->type) {
	case CLAST_ATTRIBUTE_FLOAT:
		out->f = p->f;
		return CLAST_OK;
	case CLAST_ATTRIBUTE_INT:
		out->i = p->i;
		return CLAST_OK;
	case CLAST_ATTRIBUTE_STRING:
		out->s = p->s.len ? (const char *)p->s.data : "";
		out->s_length = p->s.len;
		return CLAST_OK;
	case CLAST_ATTRIBUTE_TENSOR:
		return convert_tensor(x, a, out);
	case TYPE_GRAPH:
		return convert_graph(x, s, a, out);
	case CLAST_ATTRIBUTE_FLOATS:
		out->floats = p->floats;
		out->count = p->n_floats;
		return CLAST_OK;
	case CLAST_ATTRIBUTE_INTS:
		out->ints = p->ints;
		out->count = p->n_ints;
		return CLAST_OK;
	case CLAST_ATTRIBUTE_STRINGS:
		return convert_strings(x, p, out);
	default:
		return fail(x->d, CLAST_ERROR_UNSUPPORTED, "an attribute that holds %s",
			    type_names[out->type]);
	}
}

static size_t attribute_bytes(const Clast__AttributeProto *a)
{
	size_t bytes = sizeof(attr_value) + a->s.len + 4 * a->n_floats + 8 * a->n_ints;
	for (size_t i = 0; i < a->n_strings; i++)
		bytes += a->strings[i].len + sizeof(char *);
	return bytes;
}

clast_status import_attribute(importer *x, const scope *s, const Clast__NodeProto *n, const argument *a)
{
	attr_value v;
	clast_status status = charge(x, s, attribute_bytes(a->proto));
	if (!status)
		status = convert(x, s, a, &v);
	if (status == CLAST_ERROR_UNSUPPORTED)
		return findings_add(&x->findings, x->d->message, prefixed(x, s, node_label(n)), x->d);
	if (status)
		return status;
	if (!grow(&x->m->memory, &x->attrs, &x->attr_capacity, x->attr_count + 1, sizeof(attr_value)))
		return fail_memory(x->d, 0);
	x->attrs[x->attr_count++] = v;
	return CLAST_OK;
}

/* ---- Constant ---- */

static clast_status constant_strings(importer *x, size_t n, const ProtobufCBinaryData *from, int rank,
				     const tensor_view **out)
{
	const int64_t dims[] = { (int64_t)n };
	tensor_view *v;
	clast_status status = model_constant(x->m, CLAST_STRING, rank, dims, &v, x->d);
	for (size_t i = 0; !status && i < n; i++) {
		clast_string *to = (clast_string *)v->data + i;
		to->length = from[i].len;
		to->bytes = bump_string(&x->m->region, (const char *)from[i].data, from[i].len);
		if (!to->bytes)
			status = fail_memory(x->d, from[i].len);
	}
	*out = v;
	return status;
}

static clast_status constant_numbers(importer *x, clast_dtype dtype, size_t n, const void *from, int rank,
				     const tensor_view **out)
{
	const int64_t dims[] = { (int64_t)n };
	tensor_view *v;
	clast_status status = model_constant(x->m, dtype, rank, dims, &v, x->d);
	if (!status && n)
		memcpy(v->data, from, n * clast_dtype_bytes(dtype));
	*out = v;
	return status;
}

static const struct constant_form {
	const char *name;
	int type;
} constant_forms[] = {
	{ "value", CLAST_ATTRIBUTE_TENSOR },        { "sparse_value", TYPE_SPARSE },
	{ "value_float", CLAST_ATTRIBUTE_FLOAT },   { "value_floats", CLAST_ATTRIBUTE_FLOATS },
	{ "value_int", CLAST_ATTRIBUTE_INT },       { "value_ints", CLAST_ATTRIBUTE_INTS },
	{ "value_string", CLAST_ATTRIBUTE_STRING }, { "value_strings", CLAST_ATTRIBUTE_STRINGS },
};

static clast_status check_constant(importer *x, const argument *a)
{
	const int type = attribute_type(a->proto);
	for (size_t i = 0; i < sizeof(constant_forms) / sizeof(*constant_forms); i++) {
		if (strcmp(a->name, constant_forms[i].name))
			continue;
		if (type == constant_forms[i].type)
			return CLAST_OK;
		return fail(x->d, CLAST_ERROR_MODEL, "attribute %s of Constant: expected %s, found %s",
			    a->name, type_names[constant_forms[i].type], type_names[type]);
	}
	return fail(x->d, CLAST_ERROR_MODEL, "attribute \"%s\" is unknown to Constant", quote(a->name).text);
}

clast_status import_constant(importer *x, const argument *a, value_id v)
{
	Clast__AttributeProto *p = a->proto;
	const tensor_view *tensor = NULL;
	clast_status status = check_constant(x, a);
	if (status)
		return status;
	switch (attribute_type(p)) {
	case CLAST_ATTRIBUTE_TENSOR:
		status = tensor_read(&x->tensors, p->t, &tensor, x->d);
		break;
	case TYPE_SPARSE:
		status = sparse_tensor_read(&x->tensors, p->sparse_tensor, &tensor, x->d);
		break;
	case CLAST_ATTRIBUTE_FLOAT:
		status = constant_numbers(x, CLAST_FLOAT32, 1, &p->f, 0, &tensor);
		break;
	case CLAST_ATTRIBUTE_FLOATS:
		status = constant_numbers(x, CLAST_FLOAT32, p->n_floats, p->floats, 1, &tensor);
		break;
	case CLAST_ATTRIBUTE_INT:
		status = constant_numbers(x, CLAST_INT64, 1, &p->i, 0, &tensor);
		break;
	case CLAST_ATTRIBUTE_INTS:
		status = constant_numbers(x, CLAST_INT64, p->n_ints, p->ints, 1, &tensor);
		break;
	case CLAST_ATTRIBUTE_STRING:
		status = constant_strings(x, 1, &p->s, 0, &tensor);
		break;
	default:
		status = constant_strings(x, p->n_strings, p->strings, 1, &tensor);
		break;
	}
	if (!status)
		graph_set_constant(x->m, v, tensor);
	return status;
}
