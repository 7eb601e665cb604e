/* ONNX LpNormalization: y = x / p-norm of x along axis, p = 1 or 2; 0 where the norm is 0.
 * ONNX MeanVarianceNormalization: y = (x - mean) / (sqrt(mean of (x - mean)^2) + 1e-9), means over `axes`. */
#include <math.h>

#include "infer.h"
#include "offsets.h"

enum { LP, MEAN_VARIANCE };

typedef struct attrs {
	int64_t axis, p;
	int_list axes;
} attrs;

/* The axes that are normalised over. */
static clast_status find_axes(const op *o, const attrs *a, int rank, uint32_t *mask, clast_diag *d)
{
	static const int64_t usual[] = { 0, 2, 3 };
	if (o->family == LP)
		return infer_axes(&a->axis, 1, rank, mask, d);
	return infer_axes(a->axes.given ? a->axes.v : usual, a->axes.given ? a->axes.n : 3, rank, mask, d);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	uint32_t mask;
	if (in->op->family == LP && a->p != 1 && a->p != 2)
		return fail(d, CLAST_ERROR_MODEL, "attribute p: expected 1 or 2, found %lld",
			    (long long)a->p);
	const int rank = in->in[0].shape.rank;
	const clast_status s = rank < 0 ? CLAST_OK : find_axes(in->op, a, rank, &mask, d);
	return s ? s : infer_same_as_input(in, 0, out, d);
}

static void normalise_lp(call *c, int64_t p, int64_t x, int64_t y, int64_t n, const int64_t *from,
			 const int64_t *to)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		const double v = load_real(c->in[0], x + from[i]);
		sum += p == 1 ? fabs(v) : v * v;
	}
	const double norm = p == 1 ? sum : sqrt(sum);
	for (int64_t i = 0; i < n; i++)
		store_real(c->out[0], y + to[i], norm == 0 ? 0 : load_real(c->in[0], x + from[i]) / norm);
}

static void normalise_variance(call *c, int64_t x, int64_t y, int64_t n, const int64_t *from,
			       const int64_t *to)
{
	double sum = 0, squares = 0;
	for (int64_t i = 0; i < n; i++)
		sum += load_real(c->in[0], x + from[i]);
	const double mean = sum / (double)n;
	for (int64_t i = 0; i < n; i++) {
		const double v = load_real(c->in[0], x + from[i]) - mean;
		squares += v * v;
	}
	const double deviation = sqrt(squares / (double)n) + 1e-9;
	for (int64_t i = 0; i < n; i++)
		store_real(c->out[0], y + to[i], (load_real(c->in[0], x + from[i]) - mean) / deviation);
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	uint32_t mask;
	clast_status s = find_axes(c->op, a, x->rank, &mask, c->diag);
	if (s)
		return s;
	int inner[CLAST_MAX_RANK], outer[CLAST_MAX_RANK], n_inner = 0, n_outer = 0;
	for (int i = 0; i < x->rank; i++)
		*(mask >> i & 1 ? &inner[n_inner++] : &outer[n_outer++]) = i;
	bump b;
	bump_init(&b, c->memory);
	int64_t rows = 0, n = 0;
	const int64_t *x_row = offset_table_of(&b, x, n_outer, outer, &rows),
		      *y_row = offset_table_of(&b, y, n_outer, outer, NULL);
	const int64_t *from = offset_table_of(&b, x, n_inner, inner, &n),
		      *to = offset_table_of(&b, y, n_inner, inner, NULL);
	if (!x_row || !y_row || !from || !to)
		s = fail_memory(c->diag, 0);
	for (int64_t i = 0; !s && i < rows; i++) {
		if (c->op->family == LP)
			normalise_lp(c, a->p, x_row[i], y_row[i], n, from, to);
		else
			normalise_variance(c, x_row[i], y_row[i], n, from, to);
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)operand;
	uint32_t mask = 0;
	return find_axes(in->op, in->attrs, in->in[0].shape.rank, &mask, NULL) ? UINT32_MAX : mask;
}

static const attr_spec lp_spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = -1 },
				     { "p", ATTR_INT, offsetof(attrs, p), .i = 2 },
				     { 0 } };
static const op_version lp_versions[] = { { 1, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_lp_normalization = { .name = "LpNormalization",
				 .domain = "",
				 .versions = lp_versions,
				 .attrs = lp_spec,
				 .attrs_bytes = sizeof(attrs),
				 .min_in = 1,
				 .max_in = 1,
				 .min_out = 1,
				 .max_out = 1,
				 .rule = RULE_AXIS,
				 .infer = infer,
				 .reference = reference,
				 .cut = cut,
				 .family = LP };
static const attr_spec mean_variance_spec[] = { { "axes", ATTR_INTS, offsetof(attrs, axes) }, { 0 } };
static const op_version mean_variance_versions[] = { { 9, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_mean_variance_normalization = { .name = "MeanVarianceNormalization",
					    .domain = "",
					    .versions = mean_variance_versions,
					    .attrs = mean_variance_spec,
					    .attrs_bytes = sizeof(attrs),
					    .min_in = 1,
					    .max_in = 1,
					    .min_out = 1,
					    .max_out = 1,
					    .rule = RULE_AXIS,
					    .infer = infer,
					    .reference = reference,
					    .cut = cut,
					    .family = MEAN_VARIANCE };
