/* ONNX Trilu: the upper or lower triangle of the last two axes from diagonal k on; zeros elsewhere. */
#include <stddef.h>

#include "elementwise.h"

typedef struct attrs {
	bool upper;
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	int64_t count;
	clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (!s && has_input(in, 1))
		s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	if (s)
		return s;
	if (has_input(in, 1) && infer_count(in, 1, &count) && count != 1)
		return fail(d, CLAST_ERROR_MODEL, "input 1 (k): expected one element, found %lld",
			    (long long)count);
	return infer_same_as_input(in, 0, out, d);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	return operand == 1 && in->n_in > 1 ? UINT32_MAX : rank < 2 ? UINT32_MAX : 3u << (rank - 2);
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool upper = ((const attrs *)c->attrs)->upper;
	const int64_t k = c->n_in > 1 && c->in[1] ? load_int(c->in[1], 0) : 0;
	static const double zeros[2]; /* as wide as the widest element; no bytes are a zero of every dtype */
	tensor_view zero;
	view_dense(&zero, x->dtype, 0, NULL, (void *)zeros);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t row = r.it.index[y->rank - 2], from = iter_offset(x, &r.it),
			      to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			const bool kept = upper ? i - row >= k : i - row <= k;
			copy_element(y, to + along(y, i), kept ? x : &zero, kept ? from + along(x, i) : 0);
		}
	}
	return r.status;
}

static const op_version versions[] = { { 14, DTYPES_ALL_13 }, { 0 } };
static const attr_spec spec[] = { { "upper", ATTR_BOOL, offsetof(attrs, upper), .i = 1 }, { 0 } };
const op op_trilu = { .name = "Trilu",
		      .domain = "",
		      .versions = versions,
		      .attrs = spec,
		      .attrs_bytes = sizeof(attrs),
		      .min_in = 1,
		      .max_in = 2,
		      .min_out = 1,
		      .max_out = 1,
		      .rule = RULE_AXIS,
		      .infer = infer,
		      .reference = reference,
		      .cut = cut };
