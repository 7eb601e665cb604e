/* ONNX MatMulInteger: the product of (a - a_zero_point) and (b - b_zero_point) in 32-bit integers.
 * ONNX QLinearMatMul: y = saturate(round(that product * a_scale * b_scale / y_scale) + y_zero_point), ties to
 * even.
 *
 * Shapes as in MatMul. Scales and zero points of a are one element, [M] or [..., M, 1], those of b one
 * element, [N] or [..., 1, N], those of y one element. */
#include <math.h>

#include "gemm_attrs.h"
#include "offsets.h"
#include "product.h"

#define DTYPES_8BIT (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))

enum { INTEGER, QLINEAR };

/* Inputs of the two operators by role; -1: none. */
typedef struct roles {
	int a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero;
} roles;

static const roles *roles_of(const op *o)
{
	static const roles list[] = {
		[INTEGER] = { 0, -1, 2, 1, -1, 3, -1, -1 }, [QLINEAR] = { 0, 1, 2, 3, 4, 5, 6, 7 }
	};
	return &list[o->family];
}

/* Whether a scale or zero point fits matrix input m: one element, a vector along the free axis, or all axes
 * with extent 1 along the summed one. */
static clast_status check_parameter(const infer_in *in, int i, int m, bool of_a, clast_diag *d)
{
	if (i < 0 || !has_input(in, (size_t)i))
		return CLAST_OK;
	const shape *v = &in->in[i].shape, *x = &in->in[m].shape;
	bool one = true;
	for (int a = 0; a < v->rank; a++)
		one = one && v->dims[a] == 1;
	if (v->rank < 0 || x->rank < 0 || one)
		return CLAST_OK;
	const int free_axis = of_a ? x->rank - 2 : x->rank - 1;
	bool fits = x->rank >= 2 && (v->rank == 1 || v->rank == x->rank);
	for (int a = 0; fits && a < v->rank; a++) {
		const int at = v->rank == 1 ? free_axis : a;
		const bool summed = at >= x->rank - 2 && at != free_axis;
		const dim have = v->dims[a], want = summed ? 1 : x->dims[at];
		fits = !dim_is_number(have) || !dim_is_number(want) || have == want || have == 1;
	}
	if (fits)
		return CLAST_OK;
	char x_text[160], v_text[160];
	shape_format(in->dims, x, x_text, sizeof x_text);
	shape_format(in->dims, v, v_text, sizeof v_text);
	return fail(d, CLAST_ERROR_MODEL, "input %d: shape %s does not fit the rows or columns of %s", i,
		    v_text, x_text);
}

static clast_status check_dtypes(const infer_in *in, const roles *r, clast_diag *d)
{
	const bool float8 = in->op->family == QLINEAR && in->version >= 21;
	const uint32_t scales =
		float8 ? DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16)
		       : DTYPE_BIT(CLAST_FLOAT32);
	clast_status s = infer_dtype(in, (size_t)r->b, DTYPES_8BIT | (float8 ? DTYPES_FLOAT8 : 0), d);
	const int scale_inputs[] = { r->a_scale, r->b_scale, r->y_scale };
	for (int i = 0; !s && i < 3; i++)
		if (scale_inputs[i] >= 0)
			s = infer_dtype(in, (size_t)scale_inputs[i], scales, d);
	if (!s && has_input(in, (size_t)r->a_zero))
		s = infer_same_dtype(in, (size_t)r->a, (size_t)r->a_zero, d);
	if (!s && has_input(in, (size_t)r->b_zero))
		s = infer_same_dtype(in, (size_t)r->b, (size_t)r->b_zero, d);
	if (!s && r->y_zero >= 0)
		s = infer_dtype(in, (size_t)r->y_zero, DTYPES_8BIT | (float8 ? DTYPES_FLOAT8 : 0), d);
	return s;
}

static clast_status check_one(const infer_in *in, int i, clast_diag *d)
{
	int64_t n;
	if (i >= 0 && infer_count(in, (size_t)i, &n) && n != 1)
		return fail(d, CLAST_ERROR_MODEL, "input %d: expected one element, found %lld", i,
			    (long long)n);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const roles *r = roles_of(in->op);
	const struct {
		int input, matrix;
	} parameters[] = {
		{ r->a_scale, r->a }, { r->a_zero, r->a }, { r->b_scale, r->b }, { r->b_zero, r->b }
	};
	clast_status s = check_dtypes(in, r, d);
	for (int i = 0; !s && i < 4; i++)
		s = check_parameter(in, parameters[i].input, parameters[i].matrix, i < 2, d);
	if (!s)
		s = check_one(in, r->y_scale, d);
	if (!s)
		s = check_one(in, r->y_zero, d);
	shape y;
	if (!s)
		s = infer_matmul_shape(in, (size_t)r->a, (size_t)r->b, &y, d);
	if (!s)
		infer_set(out, 0, r->y_zero < 0 ? CLAST_INT32 : in->in[r->y_zero].dtype, &y);
	return s;
}

/* A matrix with its scale and zero point broadcast to its shape; views of rank 0 where absent. */
typedef struct quantised {
	const tensor_view *values;
	tensor_view scale, zero;
	bool has_scale, has_zero;
	int64_t base, scale_base, zero_base; /* of the batch element at hand */
	int rows, columns;                   /* axes; -1: none */
} quantised;

static void broadcast_parameter(const tensor_view *v, const tensor_view *matrix, bool of_a, tensor_view *out)
{
	*out = *v;
	if (of_a && v->rank == 1 && v->dims[0] != 1) {
		out->rank = 2;
		out->dims[1] = 1;
		out->strides[1] = 0;
		out->split[1] = 0;
	}
	/* Surplus leading axes have extent 1: a parameter of one element may have any rank. */
	while (out->rank > matrix->rank) {
		int perm[CLAST_MAX_RANK];
		for (int a = 0; a < out->rank; a++)
			perm[a] = a + 1 < out->rank ? a + 1 : 0;
		view_permute(out, perm);
		out->rank--;
	}
	view_broadcast(out, matrix->rank, matrix->dims);
}

static void make_quantised(const call *c, int values, int scale, int zero, bool of_a, quantised *q)
{
	*q = (quantised){ .values = c->in[values] };
	q->has_scale = scale >= 0;
	q->has_zero = zero >= 0 && (size_t)zero < c->n_in && c->in[zero];
	if (q->has_scale)
		broadcast_parameter(c->in[scale], q->values, of_a, &q->scale);
	if (q->has_zero)
		broadcast_parameter(c->in[zero], q->values, of_a, &q->zero);
}

static void select_batch(quantised *q, const matmul_geometry *g, const int64_t *index)
{
	const int matrix_axes = q->values->rank > 1 ? 2 : 1;
	q->base = matmul_batch_offset(q->values, matrix_axes, g->batch_rank, index);
	q->scale_base = q->has_scale ? matmul_batch_offset(&q->scale, matrix_axes, g->batch_rank, index) : 0;
	q->zero_base = q->has_zero ? matmul_batch_offset(&q->zero, matrix_axes, g->batch_rank, index) : 0;
}

static int64_t offset_at(const tensor_view *v, int axis, int64_t i)
{
	return axis < 0 ? 0 : axis_offset(v, axis, i);
}

/* Element minus zero point. */
static double centred(const quantised *q, int64_t row, int64_t column)
{
	const double x = load_real(q->values, q->base + offset_at(q->values, q->rows, row) +
						      offset_at(q->values, q->columns, column));
	if (!q->has_zero)
		return x;
	return x - load_real(&q->zero, q->zero_base + offset_at(&q->zero, q->rows, row) +
					       offset_at(&q->zero, q->columns, column));
}

typedef struct work {
	quantised a, b;
	const tensor_view *y;
	int64_t y_base;
	int y_row, y_column;
	double y_scale, y_zero;
} work;

static void row(const product *p, int64_t m, double *a)
{
	const work *w = p->context;
	for (int64_t k = 0; k < p->k; k++)
		a[k] = centred(&w->a, m, k);
}

static void panel(const product *p, int64_t n0, int count, double *b)
{
	const work *w = p->context;
	for (int64_t k = 0; k < p->k; k++)
		for (int i = 0; i < count; i++)
			b[k * PRODUCT_LANES + i] = centred(&w->b, k, n0 + i);
}

static double requantise(const work *w, int64_t m, int64_t n, double sum)
{
	const quantised *a = &w->a, *b = &w->b;
	const double a_scale = load_real(&a->scale, a->scale_base + offset_at(&a->scale, a->rows, m));
	const double b_scale = load_real(&b->scale, b->scale_base + offset_at(&b->scale, b->columns, n));
	const double y = sum * (a_scale * b_scale / w->y_scale);
	return (dtype_is_float(w->y->dtype) ? y : rint(y)) + w->y_zero;
}

static void store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const work *w = p->context;
	for (int i = 0; i < count; i++)
		store_real(w->y,
			   w->y_base + offset_at(w->y, w->y_row, m) + offset_at(w->y, w->y_column, n0 + i),
			   w->a.has_scale ? requantise(w, m, n0 + i, sums[i]) : sums[i]);
}

static clast_status reference(call *c)
{
	const roles *r = roles_of(c->op);
	work w = { .y = c->out[0] };
	make_quantised(c, r->a, r->a_scale, r->a_zero, true, &w.a);
	make_quantised(c, r->b, r->b_scale, r->b_zero, false, &w.b);
	const matmul_geometry g = matmul_geometry_of(w.a.values, w.b.values);
	w.a.rows = g.a_row;
	w.a.columns = g.a_column;
	w.b.rows = g.b_row;
	w.b.columns = g.b_column;
	w.y_row = g.y_row;
	w.y_column = g.y_column;
	if (r->y_scale >= 0) {
		w.y_scale = load_real(c->in[r->y_scale], 0);
		w.y_zero = load_real(c->in[r->y_zero], 0);
	}
	const product p = {
		.m = g.m, .n = g.n, .k = g.k, .row = row, .panel = panel, .store = store, .context = &w
	};
	clast_status s = CLAST_OK;
	for (iter it = iter_dims(g.batch_rank, g.batch); !s && iter_next(&it);) {
		select_batch(&w.a, &g, it.index);
		select_batch(&w.b, &g, it.index);
		w.y_base = matmul_batch_offset(w.y, w.y->rank - g.batch_rank, g.batch_rank, it.index);
		s = product_run(c, &p);
	}
	return s;
}

static const op_version integer_versions[] = { { 10, DTYPES_8BIT }, { 0 } };
const op op_matmul_integer = { .name = "MatMulInteger",
			       .domain = "",
			       .versions = integer_versions,
			       .min_in = 2,
			       .max_in = 4,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_CONTRACT,
			       .infer = infer,
			       .reference = reference,
			       .family = INTEGER };
static const op_version qlinear_versions[] = { { 10, DTYPES_8BIT },
					       { 21, DTYPES_8BIT | DTYPES_FLOAT8 },
					       { 0 } };
const op op_qlinear_matmul = { .name = "QLinearMatMul",
			       .domain = "",
			       .versions = qlinear_versions,
			       .min_in = 8,
			       .max_in = 8,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_CONTRACT,
			       .infer = infer,
			       .reference = reference,
			       .family = QLINEAR };
