/* ONNX ConvTranspose, for any number of spatial axes:
 *
 *   y[n, m, q] = bias[m] + sum over channels c of the group of m, positions p and taps k
 *                with p * stride + k * dilation - pad = q of x[n, c, p] * w[c, m, k]
 *
 * x: [N, C, D1...], w: [C, M / group, K1...], bias: [M], y: [N, M, O1...]. */
#include "conv_attrs.h"
#include "offsets.h"
#include "product.h"

static clast_status check(const infer_in *in, clast_diag *d)
{
	clast_status s = infer_same_dtype(in, 0, 1, d);
	if (!s && has_input(in, 2))
		s = infer_same_dtype(in, 0, 2, d);
	if (!s)
		s = infer_rank(in, 0, 3, CLAST_MAX_RANK, d);
	if (!s)
		s = infer_rank(in, 1, 3, CLAST_MAX_RANK, d);
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const conv_transpose_attrs *a = in->attrs;
	const shape *x = &in->in[0].shape, *w = &in->in[1].shape;
	shape y = { .rank = -1 };
	clast_status s = check(in, d);
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &y);
	if (x->rank < 0 || w->rank < 0)
		return CLAST_OK;
	s = infer_rank(in, 1, x->rank, x->rank, d);
	if (!s && (a->group < 1 || (dim_is_number(x->dims[1]) && x->dims[1] % a->group)))
		s = fail(d, CLAST_ERROR_MODEL, "attribute group: %lld does not divide the input channels",
			 (long long)a->group);
	if (!s && dim_is_number(x->dims[1]) && dim_is_number(w->dims[0]) && x->dims[1] != w->dims[0])
		s = fail(d, CLAST_ERROR_MODEL, "the input has %lld channels, but the weights take %lld",
			 (long long)x->dims[1], (long long)w->dims[0]);
	y = (shape){ .rank = x->rank, .dims = { x->dims[0], dim_mul(in->dims, w->dims[1], a->group) } };
	if (!s)
		s = infer_channel_vector(in, 2, y.dims[1], d);
	conv_geometry g;
	if (!s)
		s = window_read(&a->window, x->rank - 2, &g, d);
	for (int i = 0; !s && i < x->rank - 2; i++) {
		dim kernel;
		s = window_kernel(&g, i, w->dims[2 + i], &kernel, d);
		if (!s)
			s = transpose_extent(in->dims, a, &g, i, x->dims[2 + i], kernel, &y.dims[2 + i], d);
	}
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

/* Along one axis, output position q gathers from input positions p = (q + pad - k * dilation) / stride where
 * that is whole and inside. So the sum runs over channels and taps as in a convolution; taps that do not fit
 * contribute zeros. */
typedef struct work {
	conv_geometry geometry;
	const tensor_view *x, *w, *y;
	const double *bias;
	int64_t taps, channels, outputs; /* of a group */
	int64_t x_base, y_base, group;
	int64_t *x_channel, *x_axis[MAX_SPATIAL], *w_in, *w_out, *w_tap, *y_channel, *y_position, positions;
} work;

static void row(const product *p, int64_t m, double *a)
{
	const work *w = p->context;
	for (int64_t c = 0; c < w->channels; c++)
		load_reals(w->w, w->w_in[w->group * w->channels + c] + w->w_out[m], w->w_tap, w->taps,
			   a + c * w->taps, 1);
}

static bool source(const work *w, int64_t position, const int64_t *tap, int64_t *offset)
{
	const conv_geometry *g = &w->geometry;
	*offset = 0;
	for (int i = g->spatial - 1; i >= 0; i--) {
		const int64_t at = position % g->out[i] + g->pad_begin[i] - tap[i] * g->dilation[i];
		position /= g->out[i];
		if (at < 0 || at % g->stride[i] || at / g->stride[i] >= g->in[i])
			return *offset = 0, false;
		*offset += w->x_axis[i][at / g->stride[i]];
	}
	return true;
}

static void panel(const product *p, int64_t n0, int count, double *b)
{
	const work *w = p->context;
	const conv_geometry *g = &w->geometry;
	int64_t t = 0;
	for (iter tap = iter_dims(g->spatial, g->kernel); iter_next(&tap); t++) {
		int64_t offsets[PRODUCT_LANES];
		bool inside[PRODUCT_LANES];
		for (int lane = 0; lane < count; lane++)
			inside[lane] = source(w, n0 + lane, tap.index, &offsets[lane]);
		for (int64_t c = 0; c < w->channels; c++) {
			double *to = b + (c * w->taps + t) * PRODUCT_LANES;
			const int64_t base = w->x_base + w->x_channel[w->group * w->channels + c];
			for (int lane = 0; lane < count; lane++)
				to[lane] = inside[lane] ? load_real(w->x, base + offsets[lane]) : 0;
		}
	}
}

static void store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const work *w = p->context;
	const int64_t channel = w->group * w->outputs + m;
	for (int i = 0; i < count; i++)
		store_real(w->y, w->y_base + w->y_channel[channel] + w->y_position[n0 + i],
			   sums[i] + (w->bias ? w->bias[channel] : 0));
}

static bool prepare(work *w, bump *b, const tensor_view *bias)
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
	w->w_in = offset_table(b, w->w, 0, 1, NULL);
	w->w_out = offset_table(b, w->w, 1, 2, NULL);
	w->w_tap = offset_table(b, w->w, 2, w->w->rank, NULL);
	w->y_channel = offset_table(b, w->y, 1, 2, NULL);
	w->y_position = offset_table(b, w->y, 2, w->y->rank, &w->positions);
	w->bias = bias ? real_table(b, bias) : NULL;
	return ok && w->x_channel && w->w_in && w->w_out && w->w_tap && w->y_channel && w->y_position &&
	       (!bias || w->bias);
}

static clast_status reference(call *c)
{
	work w = { .x = c->in[0], .w = c->in[1], .y = c->out[0] };
	conv_geometry *g = &w.geometry;
	clast_status s = conv_transpose_geometry_of(c->attrs, w.x->rank, w.x->dims, w.w->dims, g, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	if (!prepare(&w, &b, c->n_in > 2 ? c->in[2] : NULL))
		s = fail_memory(c->diag, 0);
	const product p = { .m = w.outputs,
			    .n = w.positions,
			    .k = w.channels * w.taps,
			    .row = row,
			    .panel = panel,
			    .store = store,
			    .context = &w };
	for (int64_t n = 0; !s && n < g->batch; n++) {
		w.x_base = axis_offset(w.x, 0, n);
		w.y_base = axis_offset(w.y, 0, n);
		for (w.group = 0; !s && w.group < g->group; w.group++)
			s = product_run(c, &p);
	}
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { WINDOW_ATTRS(conv_transpose_attrs, window, false, 1),
				  { "group", ATTR_INT, offsetof(conv_transpose_attrs, group), .i = 1 },
				  { "output_padding", ATTR_INTS,
				    offsetof(conv_transpose_attrs, output_padding) },
				  { "output_shape", ATTR_INTS, offsetof(conv_transpose_attrs, output_shape) },
				  { 0 } };
static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 11, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_conv_transpose = { .name = "ConvTranspose",
			       .domain = "",
			       .versions = versions,
			       .attrs = spec,
			       .attrs_bytes = sizeof(conv_transpose_attrs),
			       .min_in = 2,
			       .max_in = 3,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_CHANNELS,
			       .infer = infer,
			       .reference = reference };
