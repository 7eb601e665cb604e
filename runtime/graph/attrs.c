/* Attributes: a table of the operator drives reading and checking. */
#include <string.h>

#include "graph.h"

static const char *type_name(int type)
{
	static const char *const names[] = { "undefined", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings" };
	return type >= 0 && type < 9 ? names[type] : "another type";
}

static int wire_type(attr_type t)
{
	switch (t) {
	case ATTR_FLOAT:
		return CLAST_ATTRIBUTE_FLOAT;
	case ATTR_INT:
	case ATTR_BOOL:
	case ATTR_DTYPE:
		return CLAST_ATTRIBUTE_INT;
	case ATTR_STRING:
	case ATTR_ENUM:
		return CLAST_ATTRIBUTE_STRING;
	case ATTR_TENSOR:
		return CLAST_ATTRIBUTE_TENSOR;
	case ATTR_FLOATS:
		return CLAST_ATTRIBUTE_FLOATS;
	case ATTR_INTS:
		return CLAST_ATTRIBUTE_INTS;
	case ATTR_STRINGS:
		return CLAST_ATTRIBUTE_STRINGS;
	default:
		return 5;
	}
}

static bool known_at(const attr_spec *spec, int version)
{
	return (!spec->since || version >= spec->since) && (!spec->until || version < spec->until);
}

void attrs_default(const op *o, int version, void *attrs)
{
	memset(attrs, 0, o->attrs_bytes);
	for (const attr_spec *spec = o->attrs; spec && spec->name; spec++) {
		char *at = (char *)attrs + spec->offset;
		/* Two rows of one name with other versions have other defaults; the row in force writes last. */
		if (!known_at(spec, version) && spec->type != ATTR_GRAPH)
			continue;
		switch (spec->type) {
		case ATTR_FLOAT:
			*(float *)at = spec->f;
			break;
		case ATTR_INT:
			*(int64_t *)at = spec->i;
			break;
		case ATTR_BOOL:
			*(bool *)at = spec->i;
			break;
		case ATTR_DTYPE:
			*(clast_dtype *)at = (clast_dtype)spec->i;
			break;
		case ATTR_STRING:
			*(const char **)at = spec->s;
			break;
		case ATTR_ENUM:
			*(int *)at = (int)spec->i;
			break;
		case ATTR_GRAPH:
			*(int *)at = -1;
			break;
		default:
			break;
		}
	}
}

static const char *const *copy_strings(clast_model *m, const attr_value *v)
{
	char **list = bump_array(&m->region, v->count ? v->count : 1, sizeof *list);
	for (size_t i = 0; list && i < v->count; i++)
		if (!(list[i] = bump_string(&m->region, v->strings[i], strlen(v->strings[i]))))
			return NULL;
	return (const char *const *)list;
}

static clast_status read_enum(const attr_spec *spec, const attr_value *v, int *out, clast_diag *d)
{
	for (int i = 0; spec->names[i]; i++)
		if (strlen(spec->names[i]) == v->s_length && !memcmp(spec->names[i], v->s, v->s_length)) {
			*out = i;
			return CLAST_OK;
		}
	char list[256] = "";
	for (int i = 0; spec->names[i]; i++) {
		strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
		strncat(list, spec->names[i], sizeof list - strlen(list) - 1);
	}
	return fail(d, CLAST_ERROR_MODEL, "attribute %s: expected one of %s, found \"%s\"", spec->name, list,
	            quote_bytes(v->s, v->s_length).text);
}

static clast_status read_one(clast_model *m, const attr_spec *spec, const attr_value *v, char *at, clast_diag *d)
{
	switch (spec->type) {
	case ATTR_FLOAT:
		*(float *)at = v->f;
		return CLAST_OK;
	case ATTR_INT:
		*(int64_t *)at = v->i;
		return CLAST_OK;
	case ATTR_BOOL:
		*(bool *)at = v->i != 0;
		return CLAST_OK;
	case ATTR_DTYPE:
		if (v->i < 0 || v->i >= CLAST_DTYPE_COUNT)
			return fail(d, CLAST_ERROR_MODEL, "attribute %s: %lld is no data type", spec->name, (long long)v->i);
		*(clast_dtype *)at = (clast_dtype)v->i;
		return CLAST_OK;
	case ATTR_STRING: {
		char *s = bump_string(&m->region, v->s, v->s_length);
		*(const char **)at = s;
		return s ? CLAST_OK : fail_memory(d, v->s_length);
	}
	case ATTR_ENUM:
		return read_enum(spec, v, (int *)at, d);
	case ATTR_TENSOR:
		*(const tensor_view **)at = v->tensor;
		return CLAST_OK;
	case ATTR_FLOATS:
	case ATTR_INTS: {
		const bool ints = spec->type == ATTR_INTS;
		const size_t each = ints ? sizeof(int64_t) : sizeof(float);
		void *list = bump_array(&m->region, v->count ? v->count : 1, each);
		if (!list)
			return fail_memory(d, v->count * each);
		if (v->count)
			memcpy(list, ints ? (const void *)v->ints : (const void *)v->floats, v->count * each);
		if (ints)
			*(int_list *)at = (int_list){ list, v->count, true };
		else
			*(float_list *)at = (float_list){ list, v->count };
		return CLAST_OK;
	}
	case ATTR_STRINGS:
		*(string_list *)at = (string_list){ copy_strings(m, v), v->count };
		return ((string_list *)at)->v ? CLAST_OK : fail_memory(d, 0);
	case ATTR_GRAPH:
		break;
	}
	return CLAST_OK;
}

static const attr_value *find(size_t n, const attr_value *values, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, name))
			return &values[i];
	return NULL;
}

static const attr_spec *find_spec(const op *o, int version, const char *name)
{
	for (const attr_spec *spec = o->attrs; spec && spec->name; spec++)
		if (!strcmp(spec->name, name) && known_at(spec, version))
			return spec;
	return NULL;
}

/* bodies[] receives the subgraphs in the order of the specification, and their number. */
clast_status attrs_read(clast_model *m, const op *o, int version, size_t n, const attr_value *values, void *attrs,
                        graph_id *bodies, uint32_t *body_count, clast_diag *d)
{
	attrs_default(o, version, attrs);
	*body_count = 0;
	for (size_t i = 0; i < n; i++) {
		const attr_spec *spec = find_spec(o, version, values[i].name);
		if (!spec)
			return fail(d, CLAST_ERROR_MODEL, "attribute \"%s\" is unknown to %s-%d", quote(values[i].name).text, o->name,
			            version);
		if (find(i, values, values[i].name))
			return fail(d, CLAST_ERROR_MODEL, "attribute %s is given twice", spec->name);
		if ((int)values[i].type != wire_type(spec->type))
			return fail(d, CLAST_ERROR_MODEL, "attribute %s: expected type %s, found %s", spec->name,
			            type_name(wire_type(spec->type)), type_name((int)values[i].type));
		char *at = (char *)attrs + spec->offset;
		if (spec->type == ATTR_GRAPH) {
			if (*body_count == MAX_BODIES)
				return fail(d, CLAST_ERROR_MODEL, "more than %d subgraphs", MAX_BODIES);
			*(int *)at = (int)*body_count;
			bodies[(*body_count)++] = values[i].graph;
			continue;
		}
		const clast_status s = read_one(m, spec, &values[i], at, d);
		if (s)
			return s;
	}
	for (const attr_spec *spec = o->attrs; spec && spec->name; spec++)
		if (spec->required && known_at(spec, version) && !find(n, values, spec->name))
			return fail(d, CLAST_ERROR_MODEL, "attribute %s is required and missing", spec->name);
	return CLAST_OK;
}
