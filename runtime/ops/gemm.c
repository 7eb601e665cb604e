/* ONNX Gemm: y = alpha * a' b' + beta * c, with a' = a or its transpose and b' likewise; c broadcasts to [M,
 * N]. a: [M, K] or [K, M], b: [K, N] or [N, K], y: [M, N]. beta = 0 leaves c out altogether, as BLAS does. */
#include "gemm_attrs.h"
#include "offsets.h"
#include "product.h"

/* c is [M, N], or may be broadcast to it: always since version 7, before that where the attribute says so. */
static clast_status check_c(const infer_in *in, const shape *y, clast_diag *d)
{
	if (!has_input(in, 2) || in->in[2].shape.rank < 0 || y->rank < 0)
		return CLAST_OK;
	const shape *c = &in->in[2].shape;
	clast_status s = infer_same_dtype(in, 0, 2, d);
	if (!s)
		s = infer_rank(in, 2, 0, 2, d);
	for (int i = 0; !s && i < c->rank; i++) {
		const dim have = c->dims[i], want = y->dims[2 - c->rank + i];
		if (dim_is_number(have) && dim_is_number(want) && have != want && have != 1)
			s = fail(d, CLAST_ERROR_MODEL,
				 "input 2 (c): axis %d has extent %lld, expected %lld or 1", i,
				 (long long)have, (long long)want);
	}
	const gemm_attrs *a = in->attrs;
	if (s || in->version >= 7 || a->broadcast || c->rank == 2)
		return s;
	return fail(d, CLAST_ERROR_MODEL, "input 2 (c): rank %d needs the attribute broadcast", c->rank);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const gemm_attrs *g = in->attrs;
	const shape *a = &in->in[0].shape, *b = &in->in[1].shape;
	clast_status s = infer_rank(in, 0, 2, 2, d);
	if (!s)
		s = infer_rank(in, 1, 2, 2, d);
	if (!s)
		s = infer_same_dtype(in, 0, 1, d);
	shape y = { .rank = -1 };
	if (!s && a->rank == 2 && b->rank == 2) {
		const dim k_a = a->dims[!g->trans_a], k_b = b->dims[g->trans_b];
		if (dim_is_number(k_a) && dim_is_number(k_b) && k_a != k_b)
			s = fail(d, CLAST_ERROR_MODEL,
				 "inputs 0 and 1 are multiplied along axes of extents %lld and %lld",
				 (long long)k_a, (long long)k_b);
		y = (shape){ .rank = 2, .dims = { a->dims[g->trans_a], b->dims[!g->trans_b] } };
	}
	if (!s)
		s = check_c(in, &y, d);
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

static clast_status reference(call *c)
{
	const gemm_attrs *g = c->attrs;
	const tensor_view *va = c->in[0], *vb = c->in[1], *vy = c->out[0];
	tensor_view vc = { 0 };
	const bool add = c->n_in > 2 && c->in[2] && g->beta != 0;
	if (add) {
		vc = *c->in[2];
		view_broadcast(&vc, 2, vy->dims);
	}
	bump t;
	bump_init(&t, c->memory);
	int64_t k = 0;
	const int a_row = g->trans_a, b_row = g->trans_b;
	const operand a = { va, 0, offset_table(&t, va, a_row, a_row + 1, NULL),
			    offset_table(&t, va, !a_row, !a_row + 1, &k) };
	const operand b = { vb, 0, offset_table(&t, vb, b_row, b_row + 1, NULL),
			    offset_table(&t, vb, !b_row, !b_row + 1, NULL) };
	const operand y = { vy, 0, offset_table(&t, vy, 0, 1, NULL), offset_table(&t, vy, 1, 2, NULL) };
	operand addend = { 0 };
	if (add)
		addend = (operand){ &vc, 0, offset_table(&t, &vc, 0, 1, NULL),
				    offset_table(&t, &vc, 1, 2, NULL) };
	clast_status s = CLAST_OK;
	if (!a.rows || !a.columns || !b.rows || !b.columns || !y.rows || !y.columns ||
	    (add && (!addend.rows || !addend.columns)))
		s = fail_memory(c->diag, 0);
	else
		s = product_of_tables(c, vy->dims[0], vy->dims[1], k, &a, &b, &addend, &y, g->alpha, g->beta);
	bump_release(&t);
	return s;
}

static const attr_spec spec[] = { { "alpha", ATTR_FLOAT, offsetof(gemm_attrs, alpha), .f = 1 },
				  { "beta", ATTR_FLOAT, offsetof(gemm_attrs, beta), .f = 1 },
				  { "transA", ATTR_BOOL, offsetof(gemm_attrs, trans_a) },
				  { "transB", ATTR_BOOL, offsetof(gemm_attrs, trans_b) },
				  { "broadcast", ATTR_BOOL, offsetof(gemm_attrs, broadcast), .until = 7 },
				  { 0 } };
#define DTYPES_PRODUCT                                                                                       \
	(DTYPES_FLOAT | DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) | DTYPE_BIT(CLAST_UINT32) |          \
	 DTYPE_BIT(CLAST_UINT64))
static const op_version versions[] = { { 1, DTYPES_FLOAT },
				       { 6, DTYPES_FLOAT },
				       { 7, DTYPES_FLOAT },
				       { 9, DTYPES_PRODUCT },
				       { 11, DTYPES_PRODUCT },
				       { 13, DTYPES_PRODUCT | DTYPE_BIT(CLAST_BFLOAT16) },
				       { 0 } };
const op op_gemm = { .name = "Gemm",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(gemm_attrs),
		     .min_in = 2,
		     .max_in = 3,
		     .min_out = 1,
		     .max_out = 1,
		     .rule = RULE_CONTRACT,
		     .infer = infer,
		     .reference = reference };
