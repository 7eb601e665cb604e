/* Orders that the caller gives for values by name: strategy manual. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "plan.h"

/* "C", "d1", or the first letters of a longer text where no blanks separate the axes, as in NHWC. -1 if there is no such axis. */
static int read_axis(const shape *s, const char **at)
{
	static const char *const names[] = { "NCW", "NCHW", "NCDHW" };
	char *end;
	if (**at == 'd' && isdigit((unsigned char)(*at)[1])) {
		const unsigned long axis = strtoul(*at + 1, &end, 10);
		*at = end;
		return axis < (unsigned long)s->rank ? (int)axis : -1;
	}
	if (s->rank < 3 || s->rank > 5)
		return -1;
	const char *letters = names[s->rank - 3], *found = **at ? strchr(letters, toupper((unsigned char)**at)) : NULL;
	*at += found != NULL;
	return found ? (int)(found - letters) : -1;
}

static bool read_number(const char **at, dim *out)
{
	char *end;
	if (!isdigit((unsigned char)**at))
		return false;
	*out = (dim)strtoll(*at, &end, 10);
	*at = end;
	return *out > 0;
}

/* AXIS[%m][/k]: the digit (index % m) / k of an axis. */
static bool read_digit(dim_table *t, const shape *s, const char **at, int *axis, order_factor *digit)
{
	*axis = read_axis(s, at);
	if (*axis < 0)
		return false;
	dim end = s->dims[*axis];
	digit->stride = 1;
	if (**at == '%' && (++*at, !read_number(at, &end)))
		return false;
	if (**at == '/' && (++*at, !read_number(at, &digit->stride)))
		return false;
	return dim_divide(t, end, digit->stride, &digit->extent);
}

/* Whether the digits of each axis make up the whole of it, each once. */
static bool covers(dim_table *t, const shape *s, int n, const int *axis, const order_factor *digit, int *missing)
{
	for (int a = 0; a < s->rank; a++) {
		dim done = 1;
		int used = 0, have = 0;
		for (int i = 0; i < n; i++)
			have += axis[i] == a;
		for (bool more = true; more;) {
			more = false;
			for (int i = 0; i < n; i++) {
				if (axis[i] != a || digit[i].stride != done || (digit[i].extent == 1 && have > 1))
					continue;
				done = dim_mul(t, done, digit[i].extent);
				used++;
				more = digit[i].extent != 1;
				break;
			}
		}
		*missing = a;
		if (done != s->dims[a] || used != (have ? have : used))
			return false;
	}
	return true;
}

static void axis_name(const shape *s, int axis, char text[16])
{
	static const char *const names[] = { "NCW", "NCHW", "NCDHW" };
	if (s->rank >= 3 && s->rank <= 5)
		snprintf(text, 16, "%c", names[s->rank - 3][axis]);
	else
		snprintf(text, 16, "d%d", axis);
}

static clast_status read_order(dim_table *t, const shape *s, const char *text, order *out, clast_diag *d)
{
	int axis[ORDER_MAX_FACTORS], n = 0, missing;
	order_factor digit[ORDER_MAX_FACTORS];
	char plain[128], name[16];
	const order row_major = { 0 };
	order_format(t, &row_major, s, plain, sizeof plain);
	if (!strcmp(text, "first")) {
		*out = row_major;
		return CLAST_OK;
	}
	if (!strcmp(text, "last")) {
		if (s->rank >= 3 && order_last(t, s, out))
			return CLAST_OK;
		return fail(d, CLAST_ERROR_ARGUMENT, "the order last needs axes %s", "N C and one or more behind them");
	}
	for (const char *at = text; *at;) {
		if (isspace((unsigned char)*at)) {
			at++;
			continue;
		}
		const char *from = at;
		if (n == ORDER_MAX_FACTORS || !read_digit(t, s, &at, &axis[n], &digit[n]))
			return fail(d, CLAST_ERROR_ARGUMENT,
			            "order \"%s\": \"%s\" is no factor of this value; expected first, last, or axes of %s, also in parts such as %s/8",
			            quote(text).text, quote(from).text, plain, s->rank >= 3 && s->rank <= 5 ? "C" : "d1");
		n++;
	}
	if (!covers(t, s, n, axis, digit, &missing)) {
		axis_name(s, missing, name);
		return fail(d, CLAST_ERROR_ARGUMENT, "order \"%s\": expected each axis of %s once and as a whole, which %s is not",
		            quote(text).text, plain, name);
	}
	return order_of_digits(t, s, n, axis, digit, out) ? CLAST_OK :
	                                                    fail(d, CLAST_ERROR_ARGUMENT, "order \"%s\" has too many factors", quote(text).text);
}

static clast_status wish_for(clast_plan *p, value_id id, const char *text, clast_diag *d)
{
	const value *v = &p->model->values[id];
	shape s;
	order o;
	if (v->constant || v->kind != KIND_TENSOR || v->rank < 0)
		return fail(d, CLAST_ERROR_ARGUMENT, "%s, which has no order to choose",
		            v->constant ? "it is a constant" : v->rank < 0 ? "its rank is not known" : "it is no tensor");
	value_shape(p->model, id, &s);
	const clast_status status = read_order(p->model->dims, &s, text, &o, d);
	if (status)
		return status;
	p->wishes[id] = plan_order(p, &o);
	return p->wishes[id] == UINT32_MAX ? fail_memory(d, 0) : CLAST_OK;
}

/* Inputs, and what nodes make that are still there after the passes. */
static bool is_alive(const clast_model *m, value_id v)
{
	return m->values[v].producer == NO_ID ? m->values[v].uses > 0 : !m->nodes[m->values[v].producer].dead;
}

clast_status plan_wishes(clast_plan *p, const clast_plan_options *o, clast_diag *d)
{
	clast_model *m = p->model;
	clast_status s = CLAST_OK;
	map names;
	if (strcmp(p->strategy, "manual"))
		return CLAST_OK;
	if (!o->order_count || !o->orders)
		return fail(d, CLAST_ERROR_ARGUMENT, "strategy manual needs orders of values");
	if (p->precision == CLAST_PRECISION_REFERENCE)
		return fail(d, CLAST_ERROR_ARGUMENT, "strategy manual chooses among kernels, which the precision reference does not use");
	p->wishes = bump_array(&p->region, m->value_count + 1, sizeof *p->wishes);
	bool *met = mem_calloc(&p->memory, o->order_count);
	map_init(&names, &p->memory);
	if (!p->wishes || !met)
		s = fail_memory(d, 0);
	for (size_t i = 0; !s && i < m->value_count; i++)
		p->wishes[i] = NO_ID;
	for (size_t i = 0; !s && i < o->order_count; i++) {
		if (!o->orders[i].value || !o->orders[i].order)
			s = fail(d, CLAST_ERROR_ARGUMENT, "order %zu has no value or no text", i);
		else if (!map_put(&names, o->orders[i].value, (uint32_t)i))
			s = fail_memory(d, 0);
	}
	for (value_id v = 0; !s && v < m->value_count; v++) {
		uint32_t i;
		if (!map_get(&names, m->values[v].name, &i) || !is_alive(m, v))
			continue;
		met[i] = true;
		s = wish_for(p, v, o->orders[i].order, d);
		if (s && d)
			diag_value(d, m->values[v].name);
	}
	for (size_t i = 0; !s && i < o->order_count; i++) {
		uint32_t last;
		if (!met[i] && map_get(&names, o->orders[i].value, &last) && last == i)
			s = fail(d, CLAST_ERROR_ARGUMENT, "no value \"%s\" is computed: the model has none, or passes have folded it away",
			         quote(o->orders[i].value).text);
	}
	map_release(&names);
	mem_free(&p->memory, met, o->order_count);
	return s;
}
