/* ONNX EyeLike: ones on diagonal k of a matrix with the shape of x, zeros elsewhere. */
#include <stddef.h>

#include "infer.h"

typedef struct attrs {
	clast_dtype dtype; /* undefined: that of x */
	int64_t k;         /* above 0: above the main diagonal */
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const clast_dtype t = a->dtype != CLAST_UNDEFINED ? a->dtype : in->in[0].dtype;
	const uint32_t allowed = DTYPES_BOOL | (in->version >= 22 ? DTYPES_REAL_BF16 : DTYPES_REAL);
	if (t != CLAST_UNDEFINED && !dtype_in(t, allowed))
		return fail(d, CLAST_ERROR_MODEL, "attribute dtype: %s is not allowed", clast_dtype_name(t));
	const clast_status s = infer_rank(in, 0, 2, 2, d);
	if (!s)
		infer_set(out, 0, t, &in->in[0].shape);
	return s;
}

static clast_status reference(call *c)
{
	const int64_t k = ((const attrs *)c->attrs)->k;
	for (iter it = iter_over(c->out[0]); iter_next(&it);)
		put_int(c->out[0], &it, it.index[1] - it.index[0] == k);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return UINT32_MAX;
}

static const op_version versions[] = { { 9, DTYPES_REAL | DTYPES_BOOL },
				       { 22, DTYPES_REAL_BF16 | DTYPES_BOOL },
				       { 0 } };
static const attr_spec spec[] = { { "dtype", ATTR_DTYPE, offsetof(attrs, dtype) },
				  { "k", ATTR_INT, offsetof(attrs, k) },
				  { 0 } };
const op op_eye_like = { .name = "EyeLike",
			 .domain = "",
			 .versions = versions,
			 .attrs = spec,
			 .attrs_bytes = sizeof(attrs),
			 .min_in = 1,
			 .max_in = 1,
			 .min_out = 1,
			 .max_out = 1,
			 .rule = RULE_AXIS,
			 .infer = infer,
			 .reference = reference,
			 .cut = cut };
