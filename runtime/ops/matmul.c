/* ONNX MatMul: numpy.matmul. a: [..., M, K] or [K], b: [..., K, N] or [N]; leading axes broadcast; a 1-D
 * operand's axis vanishes from the result. */
#include "gemm_attrs.h"
#include "offsets.h"
#include "product.h"

clast_status infer_matmul_shape(const infer_in *in, size_t a_input, size_t b_input, shape *out, clast_diag *d)
{
	const shape *a = &in->in[a_input].shape, *b = &in->in[b_input].shape;
	out->rank = -1;
	clast_status s = infer_rank(in, a_input, 1, CLAST_MAX_RANK, d);
	if (!s)
		s = infer_rank(in, b_input, 1, CLAST_MAX_RANK, d);
	if (s || a->rank < 0 || b->rank < 0)
		return s;
	const dim k_a = a->dims[a->rank - 1], k_b = b->dims[b->rank > 1 ? b->rank - 2 : 0];
	if (dim_is_number(k_a) && dim_is_number(k_b) && k_a != k_b) {
		char x[160], y[160];
		shape_format(in->dims, a, x, sizeof x);
		shape_format(in->dims, b, y, sizeof y);
		return fail(d, CLAST_ERROR_MODEL,
			    "matrices of shapes %s and %s cannot be multiplied: %lld columns, %lld rows", x,
			    y, (long long)k_a, (long long)k_b);
	}
	shape batch_a = *a, batch_b = *b;
	batch_a.rank = a->rank > 2 ? a->rank - 2 : 0;
	batch_b.rank = b->rank > 2 ? b->rank - 2 : 0;
	shape y;
	s = infer_broadcast(in, 2, (const shape *[]){ &batch_a, &batch_b }, &y, d);
	if (s)
		return s;
	if (a->rank > 1)
		y.dims[y.rank++] = a->dims[a->rank - 2];
	if (b->rank > 1)
		y.dims[y.rank++] = b->dims[b->rank - 1];
	*out = y;
	return CLAST_OK;
}

matmul_geometry matmul_geometry_of(const tensor_view *a, const tensor_view *b)
{
	matmul_geometry g = { .m = 1, .n = 1, .a_row = -1, .b_column = -1, .y_row = -1, .y_column = -1 };
	const int batch_a = a->rank > 2 ? a->rank - 2 : 0, batch_b = b->rank > 2 ? b->rank - 2 : 0;
	g.batch_rank = batch_a > batch_b ? batch_a : batch_b;
	for (int i = 0; i < g.batch_rank; i++) {
		const int at_a = i - (g.batch_rank - batch_a), at_b = i - (g.batch_rank - batch_b);
		const int64_t x = at_a < 0 ? 1 : a->dims[at_a], y = at_b < 0 ? 1 : b->dims[at_b];
		g.batch[i] = x == 1 ? y : x;
	}
	g.a_column = a->rank - 1;
	g.b_row = b->rank > 1 ? b->rank - 2 : 0;
	g.k = a->dims[g.a_column];
	int axis = g.batch_rank;
	if (a->rank > 1) {
		g.a_row = a->rank - 2;
		g.m = a->dims[g.a_row];
		g.y_row = axis++;
	}
	if (b->rank > 1) {
		g.b_column = b->rank - 1;
		g.n = b->dims[g.b_column];
		g.y_column = axis;
	}
	return g;
}

int64_t matmul_batch_offset(const tensor_view *v, int matrix_axes, int batch_rank, const int64_t *index)
{
	const int own = v->rank - matrix_axes;
	int64_t offset = 0;
	for (int i = 0; i < own; i++)
		if (v->dims[i] != 1)
			offset += axis_offset(v, i, index[batch_rank - own + i]);
	return offset;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y;
	clast_status s = infer_same_dtype(in, 0, 1, d);
	if (!s)
		s = infer_matmul_shape(in, 0, 1, &y, d);
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

static operand operand_of(bump *t, const tensor_view *v, int row, int column)
{
	return (operand){ v, 0, offset_table_of(t, v, 1, &row, NULL),
			  offset_table_of(t, v, 1, &column, NULL) };
}

static clast_status reference(call *c)
{
	const tensor_view *va = c->in[0], *vb = c->in[1], *vy = c->out[0];
	const matmul_geometry g = matmul_geometry_of(va, vb);
	bump t;
	bump_init(&t, c->memory);
	operand a = operand_of(&t, va, g.a_row, g.a_column), b = operand_of(&t, vb, g.b_row, g.b_column),
		y = operand_of(&t, vy, g.y_row, g.y_column);
	clast_status s = CLAST_OK;
	if (!a.rows || !a.columns || !b.rows || !b.columns || !y.rows || !y.columns)
		s = fail_memory(c->diag, 0);
	for (iter it = iter_dims(g.batch_rank, g.batch); !s && iter_next(&it);) {
		a.base = matmul_batch_offset(va, va->rank > 1 ? 2 : 1, g.batch_rank, it.index);
		b.base = matmul_batch_offset(vb, vb->rank > 1 ? 2 : 1, g.batch_rank, it.index);
		y.base = matmul_batch_offset(vy, vy->rank - g.batch_rank, g.batch_rank, it.index);
		s = product_of_tables(c, g.m, g.n, g.k, &a, &b, NULL, &y, 1, 0);
	}
	bump_release(&t);
	return s;
}

#define DTYPES_PRODUCT                                                                                       \
	(DTYPES_FLOAT | DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) | DTYPE_BIT(CLAST_UINT32) |          \
	 DTYPE_BIT(CLAST_UINT64))
static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 9, DTYPES_PRODUCT }, { 13, DTYPES_PRODUCT | DTYPE_BIT(CLAST_BFLOAT16) }, { 0 }
};
const op op_matmul = { .name = "MatMul",
		       .domain = "",
		       .versions = versions,
		       .min_in = 2,
		       .max_in = 2,
		       .min_out = 1,
		       .max_out = 1,
		       .rule = RULE_CONTRACT,
		       .infer = infer,
		       .reference = reference };
