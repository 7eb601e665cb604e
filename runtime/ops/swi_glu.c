/* ONNX SwiGLU: y = a * sigmoid(alpha * a) * b, elementwise; a, b and y have one shape. */
#include <math.h>

#include "infer.h"

typedef struct attrs {
	float alpha;
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *a = &in->in[0].shape, *b = &in->in[1].shape;
	clast_status s = infer_same_dtype(in, 0, 1, d);
	if (!s && a->rank >= 0)
		s = infer_rank(in, 1, a->rank, a->rank, d);
	shape y = a->rank < 0 ? *b : *a;
	for (int i = 0; !s && i < y.rank && a->rank >= 0 && b->rank >= 0; i++) {
		if (dim_is_number(a->dims[i]) && dim_is_number(b->dims[i]) && a->dims[i] != b->dims[i])
			s = fail(d, CLAST_ERROR_MODEL,
				 "the inputs have extents %lld and %lld at axis %d, which must be equal",
				 (long long)a->dims[i], (long long)b->dims[i], i);
		if (!dim_is_number(y.dims[i]))
			y.dims[i] = b->dims[i];
	}
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

static clast_status reference(call *c)
{
	const double alpha = (double)((const attrs *)c->attrs)->alpha;
	for (iter it = iter_over(c->out[0]); iter_next(&it);) {
		const double a = get_real(c->in[0], &it);
		put_real(c->out[0], &it, a / (1 + exp(-alpha * a)) * get_real(c->in[1], &it));
	}
	return CLAST_OK;
}

static const attr_spec spec[] = { { "alpha", ATTR_FLOAT, offsetof(attrs, alpha), .f = 1 }, { 0 } };
static const op_version versions[] = { { 28, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_swi_glu = { .name = "SwiGLU",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 2,
			.max_in = 2,
			.min_out = 1,
			.max_out = 1,
			.rule = RULE_ANY,
			.infer = infer,
			.reference = reference };
