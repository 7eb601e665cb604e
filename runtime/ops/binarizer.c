/* ai.onnx.ml Binarizer: y = x > threshold ? 1 : 0, elementwise; NaN gives 0. x: any shape. y: dtype, shape
 * and order of x, and may alias it. */
#include <math.h>
#include <stddef.h>

#include "elementwise.h"

typedef struct attrs {
	float threshold;
} attrs;
static const attr_spec spec[] = { { "threshold", ATTR_FLOAT, offsetof(attrs, threshold), .f = 0 }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	return infer_same_as_input(in, 0, out, d);
}

/* Integers are compared exactly: not every int64 is a double. */
static bool int_is_above(int64_t x, double threshold)
{
	if (!(threshold < 0x1p63)) /* NaN too */
		return false;
	return threshold < -0x1p63 || x > (int64_t)floor(threshold);
}

static clast_status reference(call *c)
{
	const double threshold = ((const attrs *)c->attrs)->threshold;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool whole = !dtype_is_float(x->dtype);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const int64_t at = from + along(x, i);
			const bool above = whole ? int_is_above(load_int(x, at), threshold)
						 : load_real(x, at) > threshold;
			if (whole)
				store_int(y, to + along(y, i), above);
			else
				store_real(y, to + along(y, i), above);
		}
	}
	return r.status;
}

static const op_version versions[] = { { 1, DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT64) |
						    DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) },
				       { 0 } };
const op op_binarizer = { .name = "Binarizer",
			  .domain = "ai.onnx.ml",
			  .versions = versions,
			  .attrs = spec,
			  .attrs_bytes = sizeof(attrs),
			  .min_in = 1,
			  .max_in = 1,
			  .min_out = 1,
			  .max_out = 1,
			  .rule = RULE_ANY,
			  .infer = infer,
			  .reference = reference };
