/* ONNX Cast and CastLike: every element converted. y: shape and order of x. */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elementwise.h"

typedef struct attrs {
	clast_dtype to;
	const char *to_name; /* opset 1 to 5 */
	bool saturate;
	int round_mode; /* e8m0_round */
	int_list unused;
} attrs;

/* ---- Inference ---- */

static uint32_t allowed(int version)
{
	const uint32_t no_complex = ~DTYPES_COMPLEX;
	if (version >= 25)
		return DTYPES_ALL_25 & no_complex;
	if (version >= 24)
		return DTYPES_ALL_24 & no_complex;
	if (version >= 23)
		return DTYPES_ALL_23 & no_complex;
	if (version >= 21)
		return DTYPES_ALL_21 & no_complex;
	if (version >= 19)
		return DTYPES_ALL_19 & no_complex;
	if (version >= 13)
		return DTYPES_ALL_13 & no_complex;
	return DTYPES_ALL_12 & no_complex & ~(version < 9 ? DTYPES_STRING : 0);
}

/* The names of TensorProto.DataType, as opset 1 spelt them. */
static clast_dtype dtype_named(const char *name)
{
	static const struct {
		const char *name;
		clast_dtype t;
	} names[] = { { "FLOAT", CLAST_FLOAT32 },  { "UINT8", CLAST_UINT8 },   { "INT8", CLAST_INT8 },
		      { "UINT16", CLAST_UINT16 },  { "INT16", CLAST_INT16 },   { "INT32", CLAST_INT32 },
		      { "INT64", CLAST_INT64 },    { "BOOL", CLAST_BOOL },     { "FLOAT16", CLAST_FLOAT16 },
		      { "DOUBLE", CLAST_FLOAT64 }, { "UINT32", CLAST_UINT32 }, { "UINT64", CLAST_UINT64 } };
	for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i].name, name))
			return names[i].t;
	return CLAST_UNDEFINED;
}

static dim element(const infer_in *in, size_t n, const dim *x)
{
	(void)n;
	const attrs *a = in->attrs;
	if ((in->op->family == SCALAR_CAST ? a->to : in->in[1].dtype) != CLAST_BOOL)
		return x[0];
	return dim_surely_less(in, 0, x[0]) == 1 || dim_surely_less(in, x[0], 0) == 1 ? 1
	       : x[0] == 0                                                            ? 0
										      : DIM_UNKNOWN;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const bool like = in->op->family != SCALAR_CAST;
	const clast_dtype to = like ? in->in[1].dtype : in->version < 6 ? dtype_named(a->to_name) : a->to;
	/* The dtype to be like may not be known yet. */
	if (!dtype_in(to, allowed(in->version)) && !(like && to == CLAST_UNDEFINED))
		return fail(d, CLAST_ERROR_MODEL, "%s-%d does not convert to %s", in->op->name, in->version,
			    clast_dtype_name(to));
	infer_set(out, 0, to, &in->in[0].shape);
	return to == CLAST_UNDEFINED ? CLAST_OK : infer_elements(in, 1, out, element, d);
}

/* ---- Reference ---- */

/* ONNX leaves a real outside the integer range undefined. This gives what x86 processors and thus the other
 * runtimes give: the conversion goes to 32 bits, or to 64 for the wider types, where the lowest number stands
 * for what does not fit, and is then cut. */
static int64_t real_to_int(double x, clast_dtype to)
{
	if (to == CLAST_UINT64 && x >= 0x1p63 && x < 0x1p64)
		return (int64_t)(uint64_t)x;
	if (to == CLAST_INT64 || to == CLAST_UINT64 || to == CLAST_UINT32)
		return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
	return x > -0x1p31 - 1 && x < 0x1p31 ? (int64_t)x : INT32_MIN;
}

static void store_converted(const attrs *a, const tensor_view *y, int64_t at, double x)
{
	uint8_t *bytes = y->data;
	if (dtype_in(y->dtype, DTYPES_FLOAT8))
		bytes[at] = f8_from_double(y->dtype, x, a->saturate);
	else if (y->dtype == CLAST_FLOAT8E8M0)
		bytes[at] = e8m0_from_double(x, (e8m0_round)a->round_mode, a->saturate);
	else if (y->dtype == CLAST_FLOAT4E2M1 && isnan(x))
		bytes[at] = 8; /* -0, as in the cases of ONNX; the format has no NaN */
	else if (dtype_is_float(y->dtype))
		store_real(y, at, x);
	else if (y->dtype == CLAST_BOOL)
		store_int(y, at, x != 0);
	else
		store_int(y, at, real_to_int(x, y->dtype));
}

static void convert(const attrs *a, const tensor_view *y, int64_t to, const tensor_view *x, int64_t from)
{
	if (dtype_is_float(x->dtype)) {
		store_converted(a, y, to, load_real(x, from));
	} else if (y->dtype == CLAST_FLOAT32) {
		/* Directly: by way of double it would be rounded twice. */
		const int64_t v = load_int(x, from);
		((float *)y->data)[to] = x->dtype == CLAST_UINT64 ? (float)(uint64_t)v : (float)v;
	} else if (dtype_is_float(y->dtype)) {
		store_converted(a, y, to, load_real(x, from));
	} else {
		store_int(y, to, load_int(x, from));
	}
}

/* Numerals have a dot or an exponent of the C locale, whatever the program's is. */
static bool parse(locale_t c_locale, const clast_string *s, clast_dtype to, double *real, int64_t *integer)
{
	char text[128], *end;
	size_t n = s->length, skip = 0;
	while (skip < n && isspace((unsigned char)s->bytes[skip]))
		skip++;
	while (n > skip && isspace((unsigned char)s->bytes[n - 1]))
		n--;
	if (n == skip || n - skip >= sizeof text)
		return false;
	memcpy(text, s->bytes + skip, n - skip);
	text[n - skip] = 0;
	errno = 0;
	*integer = to == CLAST_UINT64 && text[0] != '-' ? (int64_t)strtoull(text, &end, 10)
							: strtoll(text, &end, 10);
	const bool whole = !*end && !errno;
	*real = strtod_l(text, &end, c_locale);
	if (*end)
		return false;
	if (!whole)
		*integer = real_to_int(*real, to);
	return true;
}

static clast_status from_strings(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	clast_status status = CLAST_OK;
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		return fail_memory(c->diag, 0);
	for (iter it = iter_over(y); !status && iter_next(&it);) {
		const clast_string *s = (const clast_string *)x->data + iter_offset(x, &it);
		const int64_t to = iter_offset(y, &it);
		double real;
		int64_t integer;
		if (!parse(c_locale, s, y->dtype, &real, &integer))
			status = fail(c->diag, CLAST_ERROR_DATA, "\"%s\" is no number",
				      quote_bytes(s->bytes, s->length).text);
		else if (dtype_is_float(y->dtype) || y->dtype == CLAST_BOOL)
			store_converted(c->attrs, y, to, real);
		else
			store_int(y, to, integer);
	}
	freelocale(c_locale);
	return status;
}

/* The shortest decimal that is read back as the same number of the dtype, as numpy writes it: with an
 * exponent only where the number is below 1e-4 or from 1e16 on. */
static void format_real(locale_t c_locale, double x, clast_dtype t, char text[40])
{
	char digits[40];
	int precision = 1;
	if (isnan(x) || isinf(x)) {
		strcpy(text, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
		return;
	}
	for (; precision < 17; precision++) {
		snprintf(digits, sizeof digits, "%.*e", precision - 1, x);
		const double back = strtod_l(digits, NULL, c_locale);
		if (t == CLAST_FLOAT64   ? back == x
		    : t == CLAST_FLOAT16 ? f16_from_double(back) == f16_from_double(x)
					 : (float)back == (float)x)
			break;
	}
	snprintf(digits, sizeof digits, "%.*e", precision - 1, x);
	const int exponent = atoi(strchr(digits, 'e') + 1);
	if (x != 0 && (exponent < -4 || exponent >= 16)) {
		strcpy(text, digits);
		return;
	}
	const int decimals = precision - 1 - exponent;
	snprintf(text, 40, "%.*f", decimals > 1 ? decimals : 1, x);
}

static clast_status to_strings(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	clast_status status = CLAST_OK;
	char text[40];
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		return fail_memory(c->diag, 0);
	const locale_t before = uselocale(c_locale);
	for (iter it = iter_over(y); !status && iter_next(&it);) {
		if (dtype_is_float(x->dtype))
			format_real(c_locale, get_real(x, &it), x->dtype, text);
		else if (x->dtype == CLAST_BOOL)
			strcpy(text, get_int(x, &it) ? "True" : "False");
		else if (x->dtype == CLAST_UINT64)
			snprintf(text, sizeof text, "%llu", (unsigned long long)get_int(x, &it));
		else
			snprintf(text, sizeof text, "%lld", (long long)get_int(x, &it));
		status = call_string(c, text, strlen(text), (clast_string *)y->data + iter_offset(y, &it));
	}
	uselocale(before);
	freelocale(c_locale);
	return status;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	if (x->dtype == y->dtype) {
		view_copy(y, x);
		return CLAST_OK;
	}
	if (x->dtype == CLAST_STRING)
		return from_strings(c);
	if (y->dtype == CLAST_STRING)
		return to_strings(c);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++)
			convert(c->attrs, y, to + along(y, i), x, from + along(x, i));
	}
	return r.status;
}

/* Of CastLike's second input only the dtype is used. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in;
	return operand == 1 ? UINT32_MAX : 0;
}

#define OLD (DTYPES_REAL | DTYPES_BOOL)
#define NO_COMPLEX(set) ((set) & ~DTYPES_COMPLEX)
static const op_version versions[] = { { 1, OLD },
				       { 6, OLD },
				       { 9, NO_COMPLEX(DTYPES_ALL_12) },
				       { 13, NO_COMPLEX(DTYPES_ALL_13) },
				       { 19, NO_COMPLEX(DTYPES_ALL_19) },
				       { 21, NO_COMPLEX(DTYPES_ALL_21) },
				       { 23, NO_COMPLEX(DTYPES_ALL_23) },
				       { 24, NO_COMPLEX(DTYPES_ALL_24) },
				       { 25, NO_COMPLEX(DTYPES_ALL_25) },
				       { 28, NO_COMPLEX(DTYPES_ALL_25) },
				       { 0 } };
static const op_version like_versions[] = { { 15, NO_COMPLEX(DTYPES_ALL_13) },
					    { 19, NO_COMPLEX(DTYPES_ALL_19) },
					    { 21, NO_COMPLEX(DTYPES_ALL_21) },
					    { 23, NO_COMPLEX(DTYPES_ALL_23) },
					    { 24, NO_COMPLEX(DTYPES_ALL_24) },
					    { 25, NO_COMPLEX(DTYPES_ALL_25) },
					    { 0 } };

#define AT(member) offsetof(attrs, member)
/* In the order of e8m0_round. */
static const char *const round_modes[] = { "up", "down", "nearest", NULL };
#define HOW                                                                                                  \
	{ "saturate", ATTR_BOOL, AT(saturate), .i = 1, .since = 19 },                                        \
	{                                                                                                    \
		"round_mode", ATTR_ENUM, AT(round_mode), .names = round_modes, .since = 24                   \
	}
static const attr_spec spec[] = { { "to", ATTR_STRING, AT(to_name), .required = true, .until = 6 },
				  { "to", ATTR_DTYPE, AT(to), .required = true, .since = 6 },
				  HOW,
				  { 0 } };
static const attr_spec like_spec[] = { HOW, { 0 } };
const op op_cast = { .name = "Cast",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(attrs),
		     .min_in = 1,
		     .max_in = 1,
		     .min_out = 1,
		     .max_out = 1,
		     .rule = RULE_ANY,
		     .infer = infer,
		     .reference = reference,
		     .family = SCALAR_CAST };
const op op_cast_like = { .name = "CastLike",
			  .domain = "",
			  .versions = like_versions,
			  .attrs = like_spec,
			  .attrs_bytes = sizeof(attrs),
			  .min_in = 2,
			  .max_in = 2,
			  .min_out = 1,
			  .max_out = 1,
			  .rule = RULE_AXIS,
			  .infer = infer,
			  .reference = reference,
			  .cut = cut };
