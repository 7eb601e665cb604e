#include "value_orders.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static clast_status append(value_orders *v, const char *value, size_t length, const char *order, problem *p)
{
	clast_value_order *more = realloc(v->list, (v->count + 1) * sizeof(*more));
	if (!more)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	v->list = more;
	more[v->count] = (clast_value_order){ strndup(value, length), strdup(order) };
	const clast_value_order *added = &more[v->count++];
	return added->value && added->order ? CLAST_OK : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

static clast_status read_file(const char *path, value_orders *v, problem *p)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	clast_status s = CLAST_OK;
	const char *value;
	json_t *order;
	if (!root)
		return error.line > 0 ? problem_set(p, CLAST_ERROR_ARGUMENT, path, "line %d: %s", error.line, error.text) :
					problem_set(p, CLAST_ERROR_IO, path, "%s", strerror(errno));
	if (!json_is_object(root))
		s = problem_set(p, CLAST_ERROR_ARGUMENT, path, "expected an object of orders by name of value");
	json_object_foreach(root, value, order) {
		if (s)
			break;
		s = json_is_string(order) ? append(v, value, strlen(value), json_string_value(order), p) :
					    problem_set(p, CLAST_ERROR_ARGUMENT, path, "\"%s\": expected an order in quotes, such as \"N H W C\"", value);
	}
	json_decref(root);
	return s;
}

clast_status value_orders_read(const options *o, value_orders *v, problem *p)
{
	clast_status s = o->orders.count ? read_file(o->orders.text, v, p) : CLAST_OK;
	for (size_t i = 0; !s && i < o->order.count; i++) {
		const char *text = o->order.texts[i], *equals = strrchr(text, '=');
		s = equals && equals > text ? append(v, text, (size_t)(equals - text), equals + 1, p) :
					      problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--order %s: expected VALUE=ORDER", text);
	}
	return s;
}

void value_orders_free(value_orders *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free((char *)v->list[i].value);
		free((char *)v->list[i].order);
	}
	free(v->list);
	*v = (value_orders){ 0 };
}
