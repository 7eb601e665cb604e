/* ONNX DynamicQuantizeLinear: y = saturate(round(x / scale) + zero_point) to uint8, with
 * scale = (max(x, 0) - min(x, 0)) / 255 and zero_point = round(saturate(-min(x, 0) / scale)), computed in
 * float32 as its definition. */
#include <math.h>

#include "elementwise.h"
#include "quant.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape scalar_shape = { .rank = 0 };
	(void)d;
	if (wants_output(in, out, 0))
		infer_set(out, 0, CLAST_UINT8, &in->in[0].shape);
	if (wants_output(in, out, 1))
		infer_set(out, 1, CLAST_FLOAT32, &scalar_shape);
	if (wants_output(in, out, 2))
		infer_set(out, 2, CLAST_UINT8, &scalar_shape);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return 0;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	float lo = 0, hi = 0;
	rows r = rows_over(c, x);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const float v = (float)load_real(x, from + along(x, i));
			lo = v < lo ? v : lo;
			hi = v > hi ? v : hi;
		}
	}
	if (r.status)
		return r.status;
	const float scale = (hi == lo ? 1 : hi - lo) / 255;
	const float zero = rintf(fminf(fmaxf(0 - lo / scale, 0), 255));
	if (c->out[1])
		store_real(c->out[1], 0, scale);
	if (c->out[2])
		store_real(c->out[2], 0, zero);
	r = rows_over(c, x);
	while (y && rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++)
			quant_store(y, to + along(y, i), (float)load_real(x, from + along(x, i)) / scale,
				    zero, true);
	}
	return r.status;
}

static const op_version versions[] = { { 11, DTYPE_BIT(CLAST_FLOAT32) }, { 0 } };
const op op_dynamic_quantize_linear = { .name = "DynamicQuantizeLinear",
					.domain = "",
					.versions = versions,
					.min_in = 1,
					.max_in = 1,
					.min_out = 3,
					.max_out = 3,
					.rule = RULE_AXIS,
					.infer = infer,
					.reference = reference,
					.cut = cut };
