/* ONNX QuantizeLinear: y = saturate(round(x / scale) + zero_point), per tensor, per index of an axis or per
 * block (quant.h). */
#include <stddef.h>

#include "elementwise.h"
#include "quant.h"

static uint32_t result_dtypes(int version)
{
	const uint32_t int8 = DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8);
	const uint32_t int16 = DTYPE_BIT(CLAST_INT16) | DTYPE_BIT(CLAST_UINT16);
	return int8 | (version >= 19 ? DTYPES_FLOAT8 : 0) | (version >= 21 ? int16 | DTYPES_INT4 : 0) |
	       (version >= 23 ? DTYPE_BIT(CLAST_FLOAT4E2M1) : 0) | (version >= 25 ? DTYPES_INT2 : 0);
}

static uint32_t scale_dtypes(int version)
{
	const uint32_t float32 = DTYPE_BIT(CLAST_FLOAT32);
	if (version < 19)
		return float32;
	return float32 | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16) | DTYPE_BIT(CLAST_INT32) |
	       (version >= 24 ? DTYPE_BIT(CLAST_FLOAT8E8M0) : 0);
}

static clast_status infer_result(const infer_in *in, clast_dtype *t, clast_diag *d)
{
	const quant_attrs *a = in->attrs;
	*t = a->output_dtype != CLAST_UNDEFINED ? a->output_dtype : CLAST_UINT8;
	if (has_input(in, 2)) {
		const clast_dtype zero = in->in[2].dtype;
		if (a->output_dtype != CLAST_UNDEFINED && zero != CLAST_UNDEFINED && a->output_dtype != zero)
			return fail(d, CLAST_ERROR_MODEL,
				    "attribute output_dtype: expected %s as of input 2, found %s",
				    clast_dtype_name(zero), clast_dtype_name(a->output_dtype));
		*t = zero;
	}
	if (*t != CLAST_UNDEFINED && !dtype_in(*t, result_dtypes(in->version)))
		return fail(d, CLAST_ERROR_MODEL, "%s is no dtype to quantise to", clast_dtype_name(*t));
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const quant_attrs *a = in->attrs;
	clast_dtype t;
	clast_status s = infer_result(in, &t, d);
	if (!s)
		s = infer_dtype(in, 1, scale_dtypes(in->version), d);
	if (!s && in->version >= 19 && in->version < 23)
		s = infer_same_dtype(in, 0, 1, d);
	if (!s && a->precision != CLAST_UNDEFINED && !dtype_in(a->precision, DTYPES_FLOAT_BF16))
		s = fail(d, CLAST_ERROR_MODEL, "attribute precision: %s is not allowed",
			 clast_dtype_name(a->precision));
	if (!s)
		s = infer_quant(in, a, 1, "y_scale", d);
	if (!s && has_input(in, 2))
		s = infer_quant(in, a, 2, "y_zero_point", d);
	if (!s)
		infer_set(out, 0, t, &in->in[0].shape);
	return s;
}

/* The precision of the division: of the scale, where that is one to divide in. */
static clast_dtype precision_of(const quant_attrs *a, clast_dtype scale)
{
	if (a->precision != CLAST_UNDEFINED)
		return a->precision;
	return dtype_in(scale, DTYPES_FLOAT_BF16) ? scale : CLAST_FLOAT32;
}

static clast_status reference(call *c)
{
	const quant_attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool has_zero = c->n_in > 2 && c->in[2];
	const clast_dtype precision = precision_of(a, c->in[1]->dtype);
	tensor_view scale = *c->in[1], zero = has_zero ? *c->in[2] : (tensor_view){ 0 };
	clast_status s = quant_broadcast(&scale, x, a, c->diag);
	if (!s && has_zero)
		s = quant_broadcast(&zero, x, a, c->diag);
	if (s)
		return s;
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it),
			      s_row = iter_offset(&scale, &r.it);
		const int64_t z_row = has_zero ? iter_offset(&zero, &r.it) : 0;
		for (int64_t i = 0; i < r.length; i++) {
			double v = load_real(x, from + along(x, i)),
			       by = load_real(&scale, s_row + along(&scale, i));
			if (a->precision != CLAST_UNDEFINED) {
				v = quant_round(precision, v);
				by = quant_round(precision, by);
			}
			quant_store(y, to + along(y, i), quant_round(precision, v / by),
				    has_zero ? load_real(&zero, z_row + along(&zero, i)) : 0, a->saturate);
		}
	}
	return r.status;
}

#define OLD (DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_INT32))
#define NEW (OLD | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16))
static const op_version versions[] = { { 10, OLD }, { 13, OLD }, { 19, NEW }, { 21, NEW }, { 23, NEW },
				       { 24, NEW }, { 25, NEW }, { 28, NEW }, { 0 } };
#define AT(member) offsetof(quant_attrs, member)
static const attr_spec spec[] = { { "axis", ATTR_INT, AT(axis), .i = 1, .since = 13 },
				  { "saturate", ATTR_BOOL, AT(saturate), .i = 1, .since = 19 },
				  { "block_size", ATTR_INT, AT(block_size), .since = 21 },
				  { "output_dtype", ATTR_DTYPE, AT(output_dtype), .since = 21 },
				  { "precision", ATTR_DTYPE, AT(precision), .since = 23 },
				  { 0 } };
const op op_quantize_linear = { .name = "QuantizeLinear",
				.domain = "",
				.versions = versions,
				.attrs = spec,
				.attrs_bytes = sizeof(quant_attrs),
				.min_in = 2,
				.max_in = 3,
				.min_out = 1,
				.max_out = 1,
				.rule = RULE_AXIS,
				.infer = infer,
				.reference = reference,
				.cut = quant_cut };
