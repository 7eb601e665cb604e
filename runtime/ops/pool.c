/* ONNX MaxPool, AveragePool and LpPool, for any number of spatial axes: y[n, c, o] is the maximum, the mean
 * or the p-norm of x[n, c, o * stride + k * dilation - pad] over the taps k that lie inside x.
 *
 * x: [N, C, D1...], y: [N, C, O1...].
 * The mean is over the taps inside x or, with count_include_pad, over those inside x and its pads.
 * A maximum over no tap at all is -infinity (the lowest integer), with index -1. */
#include <math.h>

#include "offsets.h"
#include "pool_attrs.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const pool_attrs *a = in->attrs;
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	clast_status s = infer_rank(in, 0, 3, CLAST_MAX_RANK, d);
	if (!s && in->op->family == FAMILY_LP_POOL && !(pool_exponent(in->version, a->p, a->p_real) > 0))
		s = fail(d, CLAST_ERROR_MODEL, "attribute p: expected a positive number");
	if (!s && x->rank >= 0) {
		conv_geometry g;
		s = window_read(&a->window, x->rank - 2, &g, d);
		y = (shape){ .rank = x->rank, .dims = { x->dims[0], x->dims[1] } };
		for (int i = 0; !s && i < g.spatial; i++)
			s = window_extent(in->dims, &a->window, &g, i, x->dims[2 + i], g.kernel[i],
					  &y.dims[2 + i], d);
	}
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &y);
	if (wants_output(in, out, 1))
		infer_set(out, 1, CLAST_INT64, &y);
	return CLAST_OK;
}

/* The taps of one output position, the same for every image and channel. */
typedef struct taps {
	int64_t n;       /* inside x */
	double counted;  /* what a mean divides by */
	int64_t *offset; /* in x */
	int64_t *index;  /* among the spatial positions, row-major or column-major */
} taps;

typedef struct axis_taps {
	int64_t first, end, padded; /* taps inside are [first, end); padded: number inside x and pads */
} axis_taps;

static axis_taps taps_of_axis(const conv_geometry *g, int i, int64_t o)
{
	const int64_t start = o * g->stride[i] - g->pad_begin[i], step = g->dilation[i];
	axis_taps t = { .first = 0 };
	if (start < 0)
		t.first = (-start + step - 1) / step;
	t.end = start >= g->in[i] ? 0 : (g->in[i] - 1 - start) / step + 1;
	t.padded = (g->in[i] + g->pad_end[i] - 1 - start) / step + 1;
	t.end = t.end < g->kernel[i] ? t.end : g->kernel[i];
	t.first = t.first < t.end ? t.first : t.end;
	t.padded = t.padded < g->kernel[i] ? t.padded : g->kernel[i];
	return t;
}

/* Distance of the index between neighbours along spatial axis i. */
static int64_t index_stride(const conv_geometry *g, int i, bool column_major)
{
	int64_t stride = 1;
	for (int j = 0; j < g->spatial; j++)
		if (column_major ? j < i : j > i)
			stride *= g->in[j];
	return stride;
}

/* The most taps inside x that any position can have. */
static int64_t max_taps(const conv_geometry *g)
{
	int64_t n = 1;
	for (int i = 0; i < g->spatial; i++)
		n *= g->kernel[i] < g->in[i] ? g->kernel[i] : g->in[i];
	return n;
}

static void find_taps(const conv_geometry *g, const pool_attrs *a, int64_t *const *axes,
		      const int64_t *position, taps *t)
{
	t->n = 1;
	t->counted = 1;
	t->offset[0] = t->index[0] = 0;
	/* Each axis multiplies the list, from the innermost outwards, so that it ends row-major. */
	for (int i = g->spatial - 1; i >= 0; i--) {
		const axis_taps r = taps_of_axis(g, i, position[i]);
		const int64_t start = position[i] * g->stride[i] - g->pad_begin[i], have = t->n,
			      count = r.end - r.first;
		const int64_t stride = index_stride(g, i, a->column_major);
		for (int64_t k = count - 1; k >= 0 && have; k--) {
			const int64_t at = start + (r.first + k) * g->dilation[i];
			for (int64_t j = 0; j < have; j++) {
				t->offset[k * have + j] = t->offset[j] + axes[i][at];
				t->index[k * have + j] = t->index[j] + at * stride;
			}
		}
		t->n *= count;
		t->counted *= (double)(a->count_include_pad ? r.padded : count);
	}
}

static double maximum(const tensor_view *x, int64_t base, const taps *t, int64_t *best)
{
	double y = -INFINITY;
	*best = -1;
	for (int64_t i = 0; i < t->n; i++) {
		const double v = load_real(x, base + t->offset[i]);
		if (*best >= 0 && !(v > y) && !(isnan(v) && !isnan(y)))
			continue;
		y = v;
		*best = t->index[i];
	}
	return y;
}

static double mean(const tensor_view *x, int64_t base, const taps *t)
{
	double sum = 0;
	for (int64_t i = 0; i < t->n; i++)
		sum += load_real(x, base + t->offset[i]);
	return sum / t->counted;
}

static double norm(const tensor_view *x, int64_t base, const taps *t, double p)
{
	double sum = 0;
	for (int64_t i = 0; i < t->n; i++) {
		const double v = fabs(load_real(x, base + t->offset[i]));
		sum += p == 2 ? v * v : pow(v, p);
	}
	return p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}

typedef struct planes {
	int64_t n, *x, *y, *indices; /* offsets of every (image, channel) */
	int64_t *axes[MAX_SPATIAL];
	int64_t size; /* spatial elements of x */
} planes;

/* Every image and channel of one output position; y_at and index_at are its offsets within a plane. */
static void pool_position(call *c, const planes *p, const taps *t, int64_t y_at, int64_t index_at)
{
	const pool_attrs *a = c->attrs;
	const tensor_view *x = c->in[0];
	const double exponent = pool_exponent(c->version, a->p, a->p_real);
	for (int64_t i = 0; i < p->n; i++) {
		double y;
		if (c->op->family == FAMILY_MAX_POOL) {
			int64_t best;
			y = maximum(x, p->x[i], t, &best);
			if (p->indices)
				store_int(c->out[1], p->indices[i] + index_at,
					  best < 0 ? -1 : i * p->size + best);
		} else if (c->op->family == FAMILY_AVERAGE_POOL) {
			y = mean(x, p->x[i], t);
		} else {
			y = norm(x, p->x[i], t, exponent);
		}
		store_real(c->out[0], p->y[i] + y_at, y);
	}
}

static bool prepare(call *c, const conv_geometry *g, bump *b, planes *p, taps *t)
{
	const tensor_view *x = c->in[0], *indices = c->n_out > 1 ? c->out[1] : NULL;
	bool ok = true;
	p->size = 1;
	for (int i = 0; i < g->spatial; i++) {
		p->size *= g->in[i];
		ok = ok && (p->axes[i] = offset_table(b, x, 2 + i, 3 + i, NULL));
	}
	const int64_t most = max_taps(g);
	t->offset = bump_array(b, most > 0 ? (size_t)most : 1, sizeof *t->offset);
	t->index = bump_array(b, most > 0 ? (size_t)most : 1, sizeof *t->index);
	p->x = offset_table(b, x, 0, 2, &p->n);
	p->y = offset_table(b, c->out[0], 0, 2, NULL);
	p->indices = indices ? offset_table(b, indices, 0, 2, NULL) : NULL;
	return ok && t->offset && t->index && p->x && p->y && (!indices || p->indices);
}

static clast_status reference(call *c)
{
	const pool_attrs *a = c->attrs;
	const tensor_view *y = c->out[0], *indices = c->n_out > 1 ? c->out[1] : NULL;
	conv_geometry g;
	clast_status s = pool_geometry_of(&a->window, c->in[0]->rank, c->in[0]->dims, &g, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	planes p;
	taps t;
	if (!prepare(c, &g, &b, &p, &t))
		s = fail_memory(c->diag, 0);
	for (iter it = iter_dims(g.spatial, g.out); !s && iter_next(&it);) {
		int64_t y_at = 0, index_at = 0;
		for (int i = 0; i < g.spatial; i++) {
			y_at += axis_offset(y, 2 + i, it.index[i]);
			index_at += indices ? axis_offset(indices, 2 + i, it.index[i]) : 0;
		}
		find_taps(&g, a, p.axes, it.index, &t);
		pool_position(c, &p, &t, y_at, index_at);
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

#define DTYPES_MAX (DTYPES_FLOAT | DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))
static const attr_spec max_spec[] = {
	WINDOW_ATTRS(pool_attrs, window, true, 10),
	{ "ceil_mode", ATTR_BOOL, offsetof(pool_attrs, window.ceil_mode), .since = 10 },
	{ "storage_order", ATTR_BOOL, offsetof(pool_attrs, column_major), .since = 8 },
	{ 0 }
};
static const op_version max_versions[] = { { 1, DTYPES_FLOAT },
					   { 8, DTYPES_FLOAT },
					   { 10, DTYPES_FLOAT },
					   { 11, DTYPES_FLOAT },
					   { 12, DTYPES_MAX },
					   { 22, DTYPES_MAX | DTYPE_BIT(CLAST_BFLOAT16) },
					   { 0 } };
const op op_max_pool = { .name = "MaxPool",
			 .domain = "",
			 .versions = max_versions,
			 .attrs = max_spec,
			 .attrs_bytes = sizeof(pool_attrs),
			 .min_in = 1,
			 .max_in = 1,
			 .min_out = 1,
			 .max_out = 2,
			 .rule = RULE_CHANNELS,
			 .infer = infer,
			 .reference = reference,
			 .family = FAMILY_MAX_POOL };

static const attr_spec average_spec[] = {
	WINDOW_ATTRS(pool_attrs, window, true, 19),
	{ "ceil_mode", ATTR_BOOL, offsetof(pool_attrs, window.ceil_mode), .since = 10 },
	{ "count_include_pad", ATTR_BOOL, offsetof(pool_attrs, count_include_pad), .since = 7 },
	{ 0 }
};
static const op_version average_versions[] = { { 1, DTYPES_FLOAT },
					       { 7, DTYPES_FLOAT },
					       { 10, DTYPES_FLOAT },
					       { 11, DTYPES_FLOAT },
					       { 19, DTYPES_FLOAT },
					       { 22, DTYPES_FLOAT_BF16 },
					       { 0 } };
const op op_average_pool = { .name = "AveragePool",
			     .domain = "",
			     .versions = average_versions,
			     .attrs = average_spec,
			     .attrs_bytes = sizeof(pool_attrs),
			     .min_in = 1,
			     .max_in = 1,
			     .min_out = 1,
			     .max_out = 1,
			     .rule = RULE_CHANNELS,
			     .infer = infer,
			     .reference = reference,
			     .family = FAMILY_AVERAGE_POOL };

static const attr_spec lp_spec[] = { WINDOW_ATTRS(pool_attrs, window, true, 18),
				     { "ceil_mode", ATTR_BOOL, offsetof(pool_attrs, window.ceil_mode),
				       .since = 18 },
				     { "p", ATTR_INT, offsetof(pool_attrs, p), .i = 2, .since = 2 },
				     { "p", ATTR_FLOAT, offsetof(pool_attrs, p_real), .f = 2, .until = 2 },
				     { 0 } };
static const op_version lp_versions[] = { { 1, DTYPES_FLOAT },       { 2, DTYPES_FLOAT },
					  { 11, DTYPES_FLOAT },      { 18, DTYPES_FLOAT },
					  { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_lp_pool = { .name = "LpPool",
			.domain = "",
			.versions = lp_versions,
			.attrs = lp_spec,
			.attrs_bytes = sizeof(pool_attrs),
			.min_in = 1,
			.max_in = 1,
			.min_out = 1,
			.max_out = 1,
			.rule = RULE_CHANNELS,
			.infer = infer,
			.reference = reference,
			.family = FAMILY_LP_POOL };
