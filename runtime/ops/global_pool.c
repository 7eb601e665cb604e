/* ONNX GlobalAveragePool, GlobalMaxPool and GlobalLpPool: the mean, the maximum or the p-norm of each channel
 * over all spatial positions. x: [N, C, D1...], y: [N, C, 1...]. */
#include <math.h>

#include "offsets.h"
#include "pool_attrs.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (s)
		return s;
	if (in->op->family == FAMILY_LP_POOL) {
		const global_pool_attrs *a = in->attrs;
		if (!(pool_exponent(in->version, a->p, a->p_real) > 0))
			return fail(d, CLAST_ERROR_MODEL, "attribute p: expected a positive number");
	}
	shape y = in->in[0].shape;
	for (int i = 2; i < y.rank; i++)
		y.dims[i] = 1;
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

static double maximum(const tensor_view *x, int64_t base, int64_t n, const int64_t *offsets)
{
	double y = -INFINITY;
	for (int64_t i = 0; i < n; i++) {
		const double v = load_real(x, base + offsets[i]);
		if (v > y || isnan(v))
			y = v;
	}
	return y;
}

static double mean(const tensor_view *x, int64_t base, int64_t n, const int64_t *offsets)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += load_real(x, base + offsets[i]);
	return sum / (double)n;
}

static double norm(const tensor_view *x, int64_t base, int64_t n, const int64_t *offsets, double p)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += pow(fabs(load_real(x, base + offsets[i])), p);
	return pow(sum, 1 / p);
}

static double pool(const call *c, int64_t base, int64_t n, const int64_t *offsets)
{
	if (c->op->family == FAMILY_MAX_POOL)
		return maximum(c->in[0], base, n, offsets);
	if (c->op->family == FAMILY_AVERAGE_POOL)
		return mean(c->in[0], base, n, offsets);
	const global_pool_attrs *a = c->attrs;
	return norm(c->in[0], base, n, offsets, pool_exponent(c->version, a->p, a->p_real));
}

static clast_status reference(call *c)
{
	bump b;
	bump_init(&b, c->memory);
	int64_t planes = 0, n = 0;
	const int64_t *x = offset_table(&b, c->in[0], 0, 2, &planes),
		      *y = offset_table(&b, c->out[0], 0, 2, NULL);
	const int64_t *offsets = offset_table(&b, c->in[0], 2, c->in[0]->rank, &n);
	clast_status s = x && y && offsets ? CLAST_OK : fail_memory(c->diag, 0);
	for (int64_t i = 0; !s && i < planes; i++) {
		store_real(c->out[0], y[i], pool(c, x[i], n, offsets));
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_global_average_pool = { .name = "GlobalAveragePool",
				    .domain = "",
				    .versions = versions,
				    .min_in = 1,
				    .max_in = 1,
				    .min_out = 1,
				    .max_out = 1,
				    .rule = RULE_CHANNELS,
				    .infer = infer,
				    .reference = reference,
				    .family = FAMILY_AVERAGE_POOL };
const op op_global_max_pool = { .name = "GlobalMaxPool",
				.domain = "",
				.versions = versions,
				.min_in = 1,
				.max_in = 1,
				.min_out = 1,
				.max_out = 1,
				.rule = RULE_CHANNELS,
				.infer = infer,
				.reference = reference,
				.family = FAMILY_MAX_POOL };

static const attr_spec lp_spec[] = { { "p", ATTR_INT, offsetof(global_pool_attrs, p), .i = 2, .since = 2 },
				     { "p", ATTR_FLOAT, offsetof(global_pool_attrs, p_real), .f = 2,
				       .until = 2 },
				     { 0 } };
static const op_version lp_versions[] = {
	{ 1, DTYPES_FLOAT }, { 2, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_global_lp_pool = { .name = "GlobalLpPool",
			       .domain = "",
			       .versions = lp_versions,
			       .attrs = lp_spec,
			       .attrs_bytes = sizeof(global_pool_attrs),
			       .min_in = 1,
			       .max_in = 1,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_CHANNELS,
			       .infer = infer,
			       .reference = reference,
			       .family = FAMILY_LP_POOL };
