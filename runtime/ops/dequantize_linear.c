/* ONNX DequantizeLinear: y = (x - zero_point) * scale, per tensor, per index of an axis or per block
 * (quant.h). */
#include <stddef.h>

#include "elementwise.h"
#include "quant.h"

#define HALVES (DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16))

static uint32_t scale_dtypes(int version)
{
	return DTYPE_BIT(CLAST_FLOAT32) | (version >= 19 ? HALVES : 0) |
	       (version >= 24 ? DTYPE_BIT(CLAST_FLOAT8E8M0) : 0);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const quant_attrs *a = in->attrs;
	const clast_dtype t = a->output_dtype != CLAST_UNDEFINED ? a->output_dtype : in->in[1].dtype;
	clast_status s = infer_dtype(in, 1, scale_dtypes(in->version), d);
	if (!s && t != CLAST_UNDEFINED && !dtype_in(t, DTYPE_BIT(CLAST_FLOAT32) | HALVES))
		s = fail(d, CLAST_ERROR_MODEL, "the result cannot have dtype %s", clast_dtype_name(t));
	if (!s && has_input(in, 2))
		s = infer_same_dtype(in, 0, 2, d);
	if (!s)
		s = infer_quant(in, a, 1, "x_scale", d);
	if (!s && has_input(in, 2))
		s = infer_quant(in, a, 2, "x_zero_point", d);
	if (!s)
		infer_set(out, 0, t, &in->in[0].shape);
	return s;
}

static clast_status reference(call *c)
{
	const quant_attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool has_zero = c->n_in > 2 && c->in[2];
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
			const double z = has_zero ? load_real(&zero, z_row + along(&zero, i)) : 0;
			store_real(y, to + along(y, i),
				   (load_real(x, from + along(x, i)) - z) *
					   load_real(&scale, s_row + along(&scale, i)));
		}
	}
	return r.status;
}

#define INT8_32 (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8) | DTYPE_BIT(CLAST_INT32))
#define SINCE_19 (INT8_32 | DTYPES_FLOAT8)
#define SINCE_21 (SINCE_19 | DTYPE_BIT(CLAST_INT16) | DTYPE_BIT(CLAST_UINT16) | DTYPES_INT4)
#define SINCE_23 (SINCE_21 | DTYPE_BIT(CLAST_FLOAT4E2M1))
static const op_version versions[] = { { 10, INT8_32 },
				       { 13, INT8_32 },
				       { 19, SINCE_19 },
				       { 21, SINCE_21 },
				       { 23, SINCE_23 },
				       { 24, SINCE_23 },
				       { 25, SINCE_23 | DTYPES_INT2 },
				       { 28, SINCE_23 | DTYPES_INT2 },
				       { 0 } };
#define AT(member) offsetof(quant_attrs, member)
static const attr_spec spec[] = { { "axis", ATTR_INT, AT(axis), .i = 1, .since = 13 },
				  { "block_size", ATTR_INT, AT(block_size), .since = 21 },
				  { "output_dtype", ATTR_DTYPE, AT(output_dtype), .since = 23 },
				  { 0 } };
const op op_dequantize_linear = { .name = "DequantizeLinear",
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
