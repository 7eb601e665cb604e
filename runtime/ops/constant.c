/* ONNX Constant: y is what an attribute holds. A sparse tensor comes as the dense one under the same name. */
#include <stddef.h>
#include <string.h>

#include "infer.h"

typedef struct attrs {
	const tensor_view *value, *sparse;
	float f;
	int64_t i;
	const char *s;
	float_list floats;
	int_list ints;
	string_list strings;
} attrs;

/* Defaults that say "absent": numbers without meaning to any model. */
#define NO_INT INT64_C(-0x6e6f5f76616c7565)
#define NO_FLOAT __builtin_nanf("0x25c3e1")

static bool float_given(const attrs *a)
{
	const float none = NO_FLOAT;
	return memcmp(&a->f, &none, sizeof none) != 0;
}

/* The view of the value; data may be left NULL for strings, whose elements are made by the reference. */
static bool find(const attrs *a, tensor_view *v)
{
	const int64_t floats = (int64_t)a->floats.n, ints = (int64_t)a->ints.n,
		      strings = (int64_t)a->strings.n;
	if (a->value || a->sparse)
		*v = a->value ? *a->value : *a->sparse;
	else if (a->floats.v)
		view_dense(v, CLAST_FLOAT32, 1, &floats, (void *)a->floats.v);
	else if (a->ints.given)
		view_dense(v, CLAST_INT64, 1, &ints, (void *)a->ints.v);
	else if (a->strings.v)
		view_dense(v, CLAST_STRING, 1, &strings, NULL);
	else if (a->s)
		view_dense(v, CLAST_STRING, 0, NULL, NULL);
	else if (a->i != NO_INT)
		view_dense(v, CLAST_INT64, 0, NULL, (void *)&a->i);
	else if (float_given(a))
		view_dense(v, CLAST_FLOAT32, 0, NULL, (void *)&a->f);
	else
		return false;
	return true;
}

static int given(const attrs *a)
{
	return (a->value != NULL) + (a->sparse != NULL) + (a->floats.v != NULL) + a->ints.given +
	       (a->strings.v != NULL) + (a->s != NULL) + (a->i != NO_INT) + float_given(a);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	tensor_view v;
	size_t count;
	if (given(in->attrs) != 1 || !find(in->attrs, &v))
		return fail(d, CLAST_ERROR_MODEL,
			    "expected exactly one attribute that holds the value, found %d",
			    given(in->attrs));
	shape s = { .rank = v.rank };
	for (int a = 0; a < v.rank; a++)
		s.dims[a] = v.dims[a];
	infer_set(out, 0, v.dtype, &s);
	if (!v.data || !infer_small(v.dtype, &s, &count))
		return CLAST_OK;
	infer_value x = out->out[0];
	x.present = true;
	x.data = &v;
	const infer_in one = { .op = in->op, .dims = in->dims, .n_in = 1, .in = &x, .memory = in->memory };
	out->out[0].ints = infer_ints(&one, 0, &out->out[0].int_count);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	tensor_view v;
	if (!find(a, &v))
		return fail(c->diag, CLAST_ERROR_MODEL, "no attribute holds a value");
	if (v.data || v.dtype != CLAST_STRING) {
		view_copy(c->out[0], &v);
		return CLAST_OK;
	}
	for (iter it = iter_over(c->out[0]); iter_next(&it);) {
		const char *s = a->s ? a->s : a->strings.v[it.index[0]];
		((clast_string *)c->out[0]->data)[iter_offset(c->out[0], &it)] =
			(clast_string){ s, strlen(s) };
	}
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return 0;
}

static const op_version versions[] = { { 1, 0 },  { 9, 0 },  { 11, 0 }, { 12, 0 }, { 13, 0 }, { 19, 0 },
				       { 21, 0 }, { 23, 0 }, { 24, 0 }, { 25, 0 }, { 0 } };
#define AT(member) offsetof(attrs, member)
static const attr_spec spec[] = { { "value", ATTR_TENSOR, AT(value) },
				  { "sparse_value", ATTR_TENSOR, AT(sparse) },
				  { "value_float", ATTR_FLOAT, AT(f), .f = NO_FLOAT },
				  { "value_int", ATTR_INT, AT(i), .i = NO_INT },
				  { "value_string", ATTR_STRING, AT(s) },
				  { "value_floats", ATTR_FLOATS, AT(floats) },
				  { "value_ints", ATTR_INTS, AT(ints) },
				  { "value_strings", ATTR_STRINGS, AT(strings) },
				  { 0 } };
const op op_constant = { .name = "Constant",
			 .domain = "",
			 .versions = versions,
			 .attrs = spec,
			 .attrs_bytes = sizeof(attrs),
			 .min_out = 1,
			 .max_out = 1,
			 .rule = RULE_AXIS,
			 .infer = infer,
			 .reference = reference,
			 .cut = cut };
