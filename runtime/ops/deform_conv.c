/* ONNX DeformConv: Conv whose taps read x at offsets of their own, by linear interpolation, weighted by a
 * mask:
 *
 *   y[n, m, o] = bias[m] + sum over channels c of the group of m and taps k of w[m, c, k] *
 *                mask[n, (g, k), o] * x[n, c, o * stride + k * dilation - pad + offset[n, (g, k, :), o]]
 *
 * where g is the offset group of c and x counts as 0 outside.
 * offset: [N, G * K * spatial, O1...], mask: [N, G * K, O1...], taps and axes in row-major order. */
#include <math.h>

#include "conv_attrs.h"
#include "offsets.h"
#include "product.h"

enum { X, W, OFFSET, BIAS, MASK };

typedef struct attrs {
	conv_attrs conv; /* first: infer_conv_shape() reads it */
	int64_t offset_group;
} attrs;

/* Extents of the offsets (parts = spatial axes) or the mask (parts = 1). */
static clast_status check_extents(const infer_in *in, size_t i, int64_t parts, const shape *y, clast_diag *d)
{
	const shape *v = &in->in[i].shape, *w = &in->in[W].shape;
	if (!has_input(in, i))
		return CLAST_OK;
	clast_status s = infer_same_dtype(in, X, i, d);
	if (s || y->rank < 0)
		return s;
	s = infer_rank(in, i, y->rank, y->rank, d);
	dim channels = dim_mul(in->dims, ((const attrs *)in->attrs)->offset_group, parts);
	for (int a = 2; a < w->rank; a++)
		channels = dim_mul(in->dims, channels, w->dims[a]);
	for (int a = 0; !s && a < v->rank; a++) {
		const dim want = a == 1 ? channels : y->dims[a];
		if (dim_is_number(want) && dim_is_number(v->dims[a]) && v->dims[a] != want)
			return fail(d, CLAST_ERROR_MODEL, "input %zu: axis %d has extent %lld, expected %lld",
				    i, a, (long long)v->dims[a], (long long)want);
	}
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const shape *x = &in->in[X].shape;
	shape y;
	clast_status s = infer_same_dtype(in, X, W, d);
	if (!s && has_input(in, BIAS))
		s = infer_same_dtype(in, X, BIAS, d);
	if (!s && (a->offset_group < 1 ||
		   (x->rank > 1 && dim_is_number(x->dims[1]) && x->dims[1] % a->offset_group)))
		s = fail(d, CLAST_ERROR_MODEL,
			 "attribute offset_group: %lld does not divide the input channels",
			 (long long)a->offset_group);
	if (!s)
		s = infer_conv_shape(in, W, BIAS, &y, d);
	if (!s)
		s = check_extents(in, OFFSET, x->rank - 2, &y, d);
	if (!s)
		s = check_extents(in, MASK, 1, &y, d);
	if (!s)
		infer_set(out, 0, in->in[X].dtype, &y);
	return s;
}

typedef struct work {
	conv_geometry geometry;
	const tensor_view *x, *w, *y, *offset, *mask;
	const double *bias;
	int64_t taps, channels, outputs; /* of a group */
	int64_t offset_channels;         /* input channels of an offset group */
	int64_t batch, group;
	int64_t *x_channel, *x_axis[MAX_SPATIAL], *w_out, *w_k, *y_channel, *y_position, *offset_position,
		*mask_position;
} work;

static void row(const product *p, int64_t m, double *a)
{
	const work *w = p->context;
	load_reals(w->w, w->w_out[w->group * w->outputs + m], w->w_k, p->k, a, 1);
}

/* Linear interpolation of a channel at a position: the sum over the corners of the cell that lie inside. */
static double sample(const work *w, int64_t base, const double *at)
{
	const conv_geometry *g = &w->geometry;
	double sum = 0;
	for (int corner = 0; corner < 1 << g->spatial; corner++) {
		double weight = 1;
		int64_t offset = base;
		for (int i = 0; i < g->spatial && weight != 0; i++) {
			const double below = floor(at[i]), part = at[i] - below,
				     p = below + (corner >> i & 1);
			weight *= corner >> i & 1 ? part : 1 - part;
			if (!(p >= 0 && p < (double)g->in[i]))
				weight = 0;
			else
				offset += w->x_axis[i][(int64_t)p];
		}
		if (weight != 0)
			sum += weight * load_real(w->x, offset);
	}
	return sum;
}

/* Where a tap of offset group g reads for output position n, and its weight. */
static double find_tap(const work *w, int64_t n, const iter *tap, int64_t t, int64_t offset_group, double *at)
{
	const conv_geometry *g = &w->geometry;
	int64_t rest = n;
	for (int i = g->spatial - 1; i >= 0; i--) {
		const int64_t channel = (offset_group * w->taps + t) * g->spatial + i;
		const int64_t o = rest % g->out[i];
		rest /= g->out[i];
		at[i] = (double)(o * g->stride[i] - g->pad_begin[i] + tap->index[i] * g->dilation[i]) +
			load_real(w->offset, axis_offset(w->offset, 0, w->batch) +
						     axis_offset(w->offset, 1, channel) +
						     w->offset_position[n]);
	}
	if (!w->mask)
		return 1;
	return load_real(w->mask, axis_offset(w->mask, 0, w->batch) +
					  axis_offset(w->mask, 1, offset_group * w->taps + t) +
					  w->mask_position[n]);
}

static void panel(const product *p, int64_t n0, int count, double *b)
{
	const work *w = p->context;
	const int64_t image = axis_offset(w->x, 0, w->batch);
	int64_t t = 0;
	for (iter tap = iter_dims(w->geometry.spatial, w->geometry.kernel); iter_next(&tap); t++)
		for (int lane = 0; lane < count; lane++) {
			double at[MAX_SPATIAL], weight = 0;
			int64_t known = -1;
			for (int64_t c = 0; c < w->channels; c++) {
				const int64_t channel = w->group * w->channels + c;
				const int64_t offset_group = channel / w->offset_channels;
				if (offset_group != known)
					weight = find_tap(w, n0 + lane, &tap, t, offset_group, at);
				known = offset_group;
				b[(c * w->taps + t) * PRODUCT_LANES + lane] =
					weight * sample(w, image + w->x_channel[channel], at);
			}
		}
}

static void store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const work *w = p->context;
	const int64_t channel = w->group * w->outputs + m;
	for (int i = 0; i < count; i++)
		store_real(w->y,
			   axis_offset(w->y, 0, w->batch) + w->y_channel[channel] + w->y_position[n0 + i],
			   sums[i] + (w->bias ? w->bias[channel] : 0));
}

static bool prepare(work *w, bump *b, const tensor_view *bias, int64_t *k, int64_t *positions)
{
	const conv_geometry *g = &w->geometry;
	w->taps = 1;
	w->channels = g->in_channels / g->group;
	w->outputs = g->out_channels / g->group;
	bool ok = true;
	for (int i = 0; i < g->spatial; i++) {
		w->taps *= g->kernel[i];
		ok = ok && (w->x_axis[i] = offset_table(b, w->x, 2 + i, 3 + i, NULL));
	}
	w->x_channel = offset_table(b, w->x, 1, 2, NULL);
	w->w_out = offset_table(b, w->w, 0, 1, NULL);
	w->w_k = offset_table(b, w->w, 1, w->w->rank, k);
	w->y_channel = offset_table(b, w->y, 1, 2, NULL);
	w->y_position = offset_table(b, w->y, 2, w->y->rank, positions);
	w->offset_position = offset_table(b, w->offset, 2, w->offset->rank, NULL);
	w->mask_position = w->mask ? offset_table(b, w->mask, 2, w->mask->rank, NULL) : NULL;
	w->bias = bias ? real_table(b, bias) : NULL;
	return ok && w->x_channel && w->w_out && w->w_k && w->y_channel && w->y_position &&
	       w->offset_position && (!w->mask || w->mask_position) && (!bias || w->bias);
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	work w = { .x = c->in[X],
		   .w = c->in[W],
		   .y = c->out[0],
		   .offset = c->in[OFFSET],
		   .mask = c->n_in > MASK ? c->in[MASK] : NULL };
	conv_geometry *g = &w.geometry;
	clast_status s = conv_geometry_of(&a->conv, w.x->rank, w.x->dims, w.w->dims, g, c->diag);
	if (s)
		return s;
	w.offset_channels = g->in_channels / a->offset_group;
	bump b;
	bump_init(&b, c->memory);
	int64_t k = 0, positions = 0;
	if (!prepare(&w, &b, c->n_in > BIAS ? c->in[BIAS] : NULL, &k, &positions))
		s = fail_memory(c->diag, 0);
	const product p = { .m = w.outputs,
			    .n = positions,
			    .k = k,
			    .row = row,
			    .panel = panel,
			    .store = store,
			    .context = &w };
	for (w.batch = 0; !s && w.batch < g->batch; w.batch++)
		for (w.group = 0; !s && w.group < g->group; w.group++)
			s = product_run(c, &p);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { { "kernel_shape", ATTR_INTS, offsetof(attrs, conv.window.kernel_shape) },
				  { "strides", ATTR_INTS, offsetof(attrs, conv.window.strides) },
				  { "pads", ATTR_INTS, offsetof(attrs, conv.window.pads) },
				  { "dilations", ATTR_INTS, offsetof(attrs, conv.window.dilations) },
				  { "group", ATTR_INT, offsetof(attrs, conv.group), .i = 1 },
				  { "offset_group", ATTR_INT, offsetof(attrs, offset_group), .i = 1 },
				  { 0 } };
static const op_version versions[] = { { 19, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_deform_conv = { .name = "DeformConv",
			    .domain = "",
			    .versions = versions,
			    .attrs = spec,
			    .attrs_bytes = sizeof(attrs),
			    .min_in = 3,
			    .max_in = 5,
			    .min_out = 1,
			    .max_out = 1,
			    .rule = RULE_CHANNELS,
			    .infer = infer,
			    .reference = reference };
