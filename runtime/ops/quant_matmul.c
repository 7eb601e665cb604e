/* ONNX MatMulInteger: y = (a - a_zero_point) (b - b_zero_point) in int32, and QLinearMatMul: the same product scaled and quantised again.
 * a: [..., M, K]; its parameters: one, one for each row ([M] or [..., M, 1]). b: [..., K, N]; one, or one for each column ([N] or
 * [..., 1, N]). Shapes as MatMul. Sums are exact: they stay far below 2^53. */
#include "gemm_attrs.h"
#include "offsets.h"
#include "product.h"
#include "quant.h"

/* Numbers of the inputs; -1 where the operator has none. */
typedef struct roles {
	int a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero;
} roles;

static const roles integer_roles = { 0, -1, 2, 1, -1, 3, -1, -1 };
static const roles linear_roles = { 0, 1, 2, 3, 4, 5, 6, 7 };

static const roles *roles_of(const op *o)
{
	return o->family ? &linear_roles : &integer_roles;
}

/* ---- Inference ---- */

static clast_status infer_parameter(const infer_in *in, int i, int matrix, bool rows, clast_diag *d)
{
	const shape *m = &in->in[matrix].shape, *v = i < 0 || !has_input(in, (size_t)i) ? NULL : &in->in[i].shape;
	int64_t count;
	if (!v || v->rank < 0 || m->rank < 0 || (infer_count(in, (size_t)i, &count) && count == 1))
		return CLAST_OK;
	/* The axis that has a parameter for each index, counted from the end, in the matrix and in the parameter. */
	const int from_end = rows && m->rank > 1 ? 2 : 1, own = v->rank == 1 ? 1 : from_end;
	const bool ok = (v->rank == 1 || v->rank == m->rank) && m->rank >= from_end && v->rank >= own;
	const dim want = ok ? m->dims[m->rank - from_end] : 0, found = ok ? v->dims[v->rank - own] : 0;
	if (!ok || (want != DIM_UNKNOWN && found != DIM_UNKNOWN &&
	            (dim_known_less(in->dims, want, found) || dim_known_less(in->dims, found, want)))) {
		char x[160], y[160];
		shape_format(in->dims, m, x, sizeof x);
		shape_format(in->dims, v, y, sizeof y);
		return fail(d, CLAST_ERROR_MODEL, "input %d: shape %s does not give one number for each %s of a matrix of shape %s", i,
		            y, rows ? "row" : "column", x);
	}
	return CLAST_OK;
}

static clast_status infer_parameters(const infer_in *in, const roles *r, clast_diag *d)
{
	const int list[][2] = { { r->a_scale, r->a }, { r->a_zero, r->a }, { r->b_scale, r->b }, { r->b_zero, r->b } };
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < sizeof list / sizeof *list; i++)
		s = infer_parameter(in, list[i][0], list[i][1], i < 2, d);
	for (int k = 0; !s && k < 2; k++) {
		const int zero = k ? r->b_zero : r->a_zero, matrix = k ? r->b : r->a;
		if (has_input(in, (size_t)zero))
			s = infer_same_dtype(in, (size_t)matrix, (size_t)zero, d);
	}
	return s;
}

#define INT8 (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))
#define SCALES (DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16))

static clast_status infer_linear_dtypes(const infer_in *in, clast_diag *d)
{
	const uint32_t scales = in->version >= 21 ? SCALES : DTYPE_BIT(CLAST_FLOAT32);
	const uint32_t quantised = INT8 | (in->version >= 21 ? DTYPES_FLOAT8 : 0);
	clast_status s = infer_dtype(in, 1, scales, d);
	if (!s)
		s = infer_dtype(in, 3, quantised, d);
	if (!s)
		s = infer_same_dtype(in, 1, 4, d);
	if (!s)
		s = infer_same_dtype(in, 1, 6, d);
	return s ? s : infer_dtype(in, 7, quantised, d);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const roles *r = roles_of(in->op);
	const bool linear = r->y_zero >= 0;
	shape y;
	clast_status s = linear ? infer_linear_dtypes(in, d) : infer_dtype(in, 1, INT8, d);
	if (!s)
		s = infer_parameters(in, r, d);
	if (!s)
		s = infer_matmul_shape(in, (size_t)r->a, (size_t)r->b, &y, d);
	if (!s)
		infer_set(out, 0, linear ? in->in[r->y_zero].dtype : CLAST_INT32, &y);
	return s;
}

/* ---- Reference ---- */

/* A scale or zero point as it goes with one matrix of a batch: one number, or a table. */
typedef struct parameter {
	const tensor_view *v; /* NULL: `fixed` */
	double fixed;
	int axis; /* -1: one number */
	int64_t base;
} parameter;

static double parameter_at(const parameter *p, int64_t i)
{
	return p->v ? load_real(p->v, p->base + (p->axis < 0 ? 0 : axis_offset(p->v, p->axis, i))) : p->fixed;
}

static parameter parameter_of(const call *c, int input, double fixed, bool rows)
{
	const tensor_view *v = input >= 0 && (size_t)input < c->n_in ? c->in[input] : NULL;
	parameter p = { .v = v, .fixed = fixed, .axis = -1 };
	if (v && view_count(v) != 1)
		p.axis = v->rank == 1 ? 0 : v->rank - (rows ? 2 : 1);
	return p;
}

/* Moves a parameter with its own batch axes to that of a batch. */
static void parameter_move(parameter *p, int batch_rank, const int64_t *index)
{
	if (p->v && p->v->rank > 2)
		p->base = matmul_batch_offset(p->v, 2, batch_rank, index);
}

typedef struct work {
	operand a, b, y;
	parameter a_zero, b_zero, a_scale, b_scale;
	double y_scale, y_zero;
	clast_dtype scale_dtype;
	bool linear;
} work;

static void row(const product *p, int64_t m, double *a)
{
	const work *w = p->context;
	const double zero = parameter_at(&w->a_zero, m);
	load_reals(w->a.view, w->a.base + w->a.rows[m], w->a.columns, p->k, a, 1);
	for (int64_t k = 0; k < p->k; k++)
		a[k] -= zero;
}

static void panel(const product *p, int64_t n0, int count, double *b)
{
	const work *w = p->context;
	double zero[PRODUCT_LANES];
	for (int lane = 0; lane < count; lane++)
		zero[lane] = parameter_at(&w->b_zero, n0 + lane);
	for (int64_t k = 0; k < p->k; k++) {
		double *to = b + k * PRODUCT_LANES;
		load_reals(w->b.view, w->b.base + w->b.rows[k], w->b.columns + n0, count, to, 1);
		for (int lane = 0; lane < count; lane++)
			to[lane] -= zero[lane];
	}
}

/* The multiplier is rounded as the scales are, the product is not. */
static void store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const work *w = p->context;
	const clast_dtype t = w->scale_dtype;
	for (int lane = 0; lane < count; lane++) {
		const int64_t at = w->y.base + w->y.rows[m] + w->y.columns[n0 + lane];
		if (!w->linear) {
			store_int(w->y.view, at, (int64_t)sums[lane]);
			continue;
		}
		const double both = quant_round(t, parameter_at(&w->a_scale, m) * parameter_at(&w->b_scale, n0 + lane));
		quant_store(w->y.view, at, sums[lane] * quant_round(t, both / w->y_scale), w->y_zero, true);
	}
}

static operand operand_of(bump *t, const tensor_view *v, int row_axis, int column_axis)
{
	return (operand){ v, 0, offset_table_of(t, v, 1, &row_axis, NULL), offset_table_of(t, v, 1, &column_axis, NULL) };
}

static clast_status run(call *c, bump *t, const matmul_geometry *g, work *w)
{
	const tensor_view *va = w->a.view, *vb = w->b.view, *vy = c->out[0];
	clast_status s = CLAST_OK;
	w->a = operand_of(t, va, g->a_row, g->a_column);
	w->b = operand_of(t, vb, g->b_row, g->b_column);
	w->y = operand_of(t, vy, g->y_row, g->y_column);
	if (!w->a.rows || !w->a.columns || !w->b.rows || !w->b.columns || !w->y.rows || !w->y.columns)
		return fail_memory(c->diag, 0);
	const product p = { .m = g->m, .n = g->n, .k = g->k, .row = row, .panel = panel, .store = store, .context = w };
	for (iter it = iter_dims(g->batch_rank, g->batch); !s && iter_next(&it);) {
		w->a.base = matmul_batch_offset(va, va->rank > 1 ? 2 : 1, g->batch_rank, it.index);
		w->b.base = matmul_batch_offset(vb, vb->rank > 1 ? 2 : 1, g->batch_rank, it.index);
		w->y.base = matmul_batch_offset(vy, vy->rank - g->batch_rank, g->batch_rank, it.index);
		parameter *const moved[] = { &w->a_zero, &w->b_zero, &w->a_scale, &w->b_scale };
		for (int i = 0; i < 4; i++)
			parameter_move(moved[i], g->batch_rank, it.index);
		s = product_run(c, &p);
	}
	return s;
}

static clast_status reference(call *c)
{
	const roles *r = roles_of(c->op);
	work w = { .a.view = c->in[r->a],
		   .b.view = c->in[r->b],
		   .a_zero = parameter_of(c, r->a_zero, 0, true),
		   .b_zero = parameter_of(c, r->b_zero, 0, false),
		   .a_scale = parameter_of(c, r->a_scale, 1, true),
		   .b_scale = parameter_of(c, r->b_scale, 1, false),
		   .linear = r->y_zero >= 0 };
	if (w.linear) {
		w.scale_dtype = c->in[r->y_scale]->dtype;
		w.y_scale = load_real(c->in[r->y_scale], 0);
		w.y_zero = load_real(c->in[r->y_zero], 0);
	}
	const matmul_geometry g = matmul_geometry_of(w.a.view, w.b.view);
	bump t;
	bump_init(&t, c->memory);
	const clast_status s = run(c, &t, &g, &w);
	bump_release(&t);
	return s;
}

static const op_version integer_versions[] = { { 10, INT8 }, { 0 } };
static const op_version linear_versions[] = { { 10, INT8 }, { 21, INT8 | DTYPES_FLOAT8 }, { 0 } };
const op op_matmul_integer = { .name = "MatMulInteger",
	                       .domain = "",
	                       .versions = integer_versions,
	                       .min_in = 2,
	                       .max_in = 4,
	                       .min_out = 1,
	                       .max_out = 1,
	                       .rule = RULE_CONTRACT,
	                       .infer = infer,
	                       .reference = reference };
const op op_qlinear_matmul = { .name = "QLinearMatMul",
	                       .domain = "",
	                       .versions = linear_versions,
	                       .min_in = 8,
	                       .max_in = 8,
	                       .min_out = 1,
	                       .max_out = 1,
	                       .rule = RULE_CONTRACT,
	                       .infer = infer,
	                       .reference = reference,
	                       .family = 1 };
