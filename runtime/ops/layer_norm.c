/* ONNX LayerNormalization: y = (x - mean) / sqrt(variance + epsilon) * scale + b.
 * ONNX RMSNormalization: y = x / sqrt(mean of x^2 + epsilon) * scale.
 *
 * Statistics are taken over the axes from `axis` on; scale and b broadcast to x.
 * Outputs of LayerNormalization: y, mean and 1 / sqrt(variance + epsilon), the latter two with extent 1 along
 * those axes and of dtype stash_type. That attribute also names the precision of the first stage; here
 * everything is double. */
#include <math.h>

#include "norm_attrs.h"
#include "offsets.h"

enum { LAYER, RMS };

static clast_status check_broadcast(const infer_in *in, size_t i, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *v = &in->in[i].shape;
	if (x->rank < 0 || v->rank < 0)
		return CLAST_OK;
	const clast_status s = infer_rank(in, i, 0, x->rank, d);
	for (int k = 0; !s && k < v->rank; k++) {
		const dim have = v->dims[k], want = x->dims[x->rank - v->rank + k];
		if (dim_is_number(have) && dim_is_number(want) && have != want && have != 1)
			return fail(d, CLAST_ERROR_MODEL,
				    "input %zu: axis %d has extent %lld, which does not broadcast to %lld", i,
				    k, (long long)have, (long long)want);
	}
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const layer_norm_attrs *a = in->attrs;
	const shape *x = &in->in[0].shape;
	const bool layer = in->op->family == LAYER;
	if (!dtype_in(a->stash_type, DTYPES_FLOAT_BF16))
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute stash_type: expected a floating-point type, found %d",
			    (int)a->stash_type);
	int axis = 0;
	clast_status s = infer_dtype(in, 1, DTYPES_FLOAT_BF16, d);
	for (size_t i = 1; !s && i < 3; i++) {
		if (!has_input(in, i))
			continue;
		s = layer ? infer_same_dtype(in, 0, i, d) : CLAST_OK;
		if (!s)
			s = check_broadcast(in, i, d);
	}
	if (!s && x->rank >= 0)
		s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
	if (s)
		return s;
	infer_set(out, 0, in->in[layer ? 0 : 1].dtype, x);
	shape statistics = *x;
	for (int i = axis; i < statistics.rank; i++)
		statistics.dims[i] = 1;
	for (size_t i = 1; i < in->n_out; i++)
		if (wants_output(in, out, i))
			infer_set(out, i, a->stash_type, &statistics);
	return CLAST_OK;
}

/* Offsets of a value by outer index (axes before `axis`) and by inner index. */
typedef struct grid {
	const tensor_view *view;
	int64_t *outer, *inner;
} grid;

static bool make_grid(bump *b, const tensor_view *v, int axis, grid *g)
{
	g->view = v;
	g->outer = offset_table(b, v, 0, axis, NULL);
	g->inner = offset_table(b, v, axis, v->rank, NULL);
	return g->outer && g->inner;
}

static double at(const grid *g, int64_t i, int64_t j)
{
	return load_real(g->view, g->outer[i] + g->inner[j]);
}

static void measure(const grid *x, int64_t i, int64_t n, bool layer, double *mean, double *variance)
{
	double sum = 0, squares = 0;
	for (int64_t j = 0; layer && j < n; j++)
		sum += at(x, i, j);
	*mean = layer ? sum / (double)n : 0;
	for (int64_t j = 0; j < n; j++) {
		const double v = at(x, i, j) - *mean;
		squares += v * v;
	}
	*variance = squares / (double)n;
}

typedef struct work {
	int64_t outer, inner;
	grid x, scale, bias, y, statistics[2];
} work;

static clast_status normalise(call *c, const work *w)
{
	const layer_norm_attrs *a = c->attrs;
	for (int64_t i = 0; i < w->outer; i++) {
		double mean, variance;
		measure(&w->x, i, w->inner, c->op->family == LAYER, &mean, &variance);
		const double deviation = sqrt(variance + (double)a->epsilon), out[] = { mean, 1 / deviation };
		for (int k = 0; k < 2; k++)
			if (w->statistics[k].view)
				store_real(w->statistics[k].view, w->statistics[k].outer[i], out[k]);
		for (int64_t j = 0; j < w->inner; j++) {
			double y = (at(&w->x, i, j) - mean) / deviation * at(&w->scale, i, j);
			if (w->bias.view)
				y += at(&w->bias, i, j);
			store_real(w->y.view, w->y.outer[i] + w->y.inner[j], y);
		}
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const layer_norm_attrs *a = c->attrs;
	const tensor_view *x = c->in[0];
	const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
	work w = { .outer = 1, .inner = 1 };
	for (int i = 0; i < x->rank; i++)
		*(i < axis ? &w.outer : &w.inner) *= x->dims[i];
	bump b;
	bump_init(&b, c->memory);
	tensor_view scale = *c->in[1], bias;
	view_broadcast(&scale, x->rank, x->dims);
	bool ok = make_grid(&b, x, axis, &w.x) && make_grid(&b, c->out[0], axis, &w.y) &&
		  make_grid(&b, &scale, axis, &w.scale);
	if (ok && c->n_in > 2 && c->in[2]) {
		bias = *c->in[2];
		view_broadcast(&bias, x->rank, x->dims);
		ok = make_grid(&b, &bias, axis, &w.bias);
	}
	for (size_t i = 1; ok && i < c->n_out && i < 3; i++)
		if (c->out[i])
			ok = make_grid(&b, c->out[i], axis, &w.statistics[i - 1]);
	const clast_status s = ok ? normalise(c, &w) : fail_memory(c->diag, 0);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(layer_norm_attrs, axis), .i = -1 },
				  { "epsilon", ATTR_FLOAT, offsetof(layer_norm_attrs, epsilon), .f = 1e-5f },
				  { "stash_type", ATTR_DTYPE, offsetof(layer_norm_attrs, stash_type),
				    .i = CLAST_FLOAT32 },
				  { 0 } };
static const op_version layer_versions[] = { { 17, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_layer_normalization = { .name = "LayerNormalization",
				    .domain = "",
				    .versions = layer_versions,
				    .attrs = spec,
				    .attrs_bytes = sizeof(layer_norm_attrs),
				    .min_in = 2,
				    .max_in = 3,
				    .min_out = 1,
				    .max_out = 3,
				    .rule = RULE_CONTRACT,
				    .infer = infer,
				    .reference = reference,
				    .family = LAYER };
static const op_version rms_versions[] = { { 23, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_rms_normalization = { .name = "RMSNormalization",
				  .domain = "",
				  .versions = rms_versions,
				  .attrs = spec,
				  .attrs_bytes = sizeof(layer_norm_attrs),
				  .min_in = 2,
				  .max_in = 2,
				  .min_out = 1,
				  .max_out = 1,
				  .rule = RULE_CONTRACT,
				  .infer = infer,
				  .reference = reference,
				  .family = RMS };
