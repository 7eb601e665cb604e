#include "conv_attrs.h"

const char *const auto_pad_names[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL };

/* Attribute values and extents stay below 2^31, so that sums and products of two of them fit int64_t. */
#define MAX_WINDOW INT32_MAX

static clast_status read_list(const int_list *list, const char *name, int count, int64_t lowest,
			      int64_t otherwise, int64_t *out, clast_diag *d)
{
	if (list->given && list->n && list->n != (size_t)count)
		return fail(d, CLAST_ERROR_MODEL, "attribute %s: expected %d values, found %zu", name, count,
			    list->n);
	for (int i = 0; i < count; i++) {
		out[i] = list->given && list->n ? list->v[i] : otherwise;
		if (out[i] < lowest || out[i] > MAX_WINDOW)
			return fail(d, CLAST_ERROR_MODEL, "attribute %s[%d]: expected %lld to %d, found %lld",
				    name, i, (long long)lowest, MAX_WINDOW, (long long)out[i]);
	}
	return CLAST_OK;
}

clast_status window_read(const window_attrs *a, int spatial, conv_geometry *g, clast_diag *d)
{
	*g = (conv_geometry){ .spatial = spatial, .group = 1 };
	if (spatial < 0 || spatial > MAX_SPATIAL)
		return fail(d, CLAST_ERROR_MODEL, "expected 1 to %d spatial axes, found %d", MAX_SPATIAL,
			    spatial);
	const bool given = a->kernel_shape.given && a->kernel_shape.n;
	clast_status s = read_list(&a->kernel_shape, "kernel_shape", spatial, given, 0, g->kernel, d);
	if (!s)
		s = read_list(&a->strides, "strides", spatial, 1, 1, g->stride, d);
	if (!s)
		s = read_list(&a->dilations, "dilations", spatial, 1, 1, g->dilation, d);
	int64_t pads[2 * MAX_SPATIAL] = { 0 };
	if (!s && a->auto_pad == PAD_NOTSET)
		s = read_list(&a->pads, "pads", 2 * spatial, 0, 0, pads, d);
	for (int i = 0; i < spatial; i++) {
		g->pad_begin[i] = pads[i];
		g->pad_end[i] = pads[spatial + i];
	}
	return s;
}

clast_status window_kernel(const conv_geometry *g, int i, dim w, dim *kernel, clast_diag *d)
{
	*kernel = g->kernel[i] ? g->kernel[i] : w;
	if (dim_is_number(w) && *kernel != w)
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute kernel_shape[%d] is %lld but the weights have extent %lld", i,
			    (long long)g->kernel[i], (long long)w);
	if (dim_is_number(*kernel) && (*kernel < 1 || *kernel > MAX_WINDOW))
		return fail(d, CLAST_ERROR_MODEL,
			    "kernel extent of spatial axis %d: expected 1 to %d, found %lld", i, MAX_WINDOW,
			    (long long)*kernel);
	return CLAST_OK;
}

/* The extent that the taps of one position span. */
static dim span(dim_table *t, dim kernel, int64_t dilation)
{
	return dim_add(t, dim_mul(t, dim_sub(t, kernel, 1), dilation), 1);
}

/* With ceil_mode a last, incomplete window counts, unless it would start in the end padding (as in PyTorch).
 * It cannot when the windows overlap enough, and then the expression stays simple. */
static dim ceil_extent(dim_table *t, dim extent, dim room, dim taps, const conv_geometry *g, int i)
{
	const dim all = dim_add(t, dim_ceil_div(t, room, g->stride[i]), 1);
	if (dim_known_le(t, dim_add(t, g->stride[i], g->pad_end[i]), taps))
		return all;
	const dim starts = dim_sub(t, dim_add(t, extent, g->pad_begin[i]), 1);
	return dim_min(t, all, dim_add(t, dim_floor_div(t, starts, g->stride[i]), 1));
}

clast_status window_extent(dim_table *t, const window_attrs *a, const conv_geometry *g, int i, dim extent,
			   dim kernel, dim *out, clast_diag *d)
{
	if (a->auto_pad == PAD_SAME_UPPER || a->auto_pad == PAD_SAME_LOWER) {
		*out = dim_ceil_div(t, extent, g->stride[i]);
		return CLAST_OK;
	}
	const dim taps = span(t, kernel, g->dilation[i]);
	const dim padded = dim_add(t, extent, g->pad_begin[i] + g->pad_end[i]),
		  room = dim_sub(t, padded, taps);
	if (dim_is_number(room) && room < 0)
		return fail(d, CLAST_ERROR_MODEL,
			    "the window spans %lld elements of spatial axis %d, which has %lld with padding",
			    (long long)taps, i, (long long)padded);
	*out = a->ceil_mode && a->auto_pad == PAD_NOTSET
		       ? ceil_extent(t, extent, room, taps, g, i)
		       : dim_add(t, dim_floor_div(t, room, g->stride[i]), 1);
	return CLAST_OK;
}

/* Pads that give every input position a window: the odd one at the end for SAME_UPPER, at the beginning for
 * SAME_LOWER. */
static void place_same(const window_attrs *a, conv_geometry *g, int i)
{
	int64_t total = (g->out[i] - 1) * g->stride[i] + (g->kernel[i] - 1) * g->dilation[i] + 1 - g->in[i];
	total = total > 0 ? total : 0;
	g->pad_begin[i] = a->auto_pad == PAD_SAME_UPPER ? total / 2 : total - total / 2;
	g->pad_end[i] = total - g->pad_begin[i];
}

/* Output extents and automatic pads, once in and kernel are known. */
static clast_status place_windows(const window_attrs *a, conv_geometry *g, clast_diag *d)
{
	for (int i = 0; i < g->spatial; i++) {
		const clast_status s = window_extent(NULL, a, g, i, g->in[i], g->kernel[i], &g->out[i], d);
		if (s)
			return s;
		if (a->auto_pad == PAD_SAME_UPPER || a->auto_pad == PAD_SAME_LOWER)
			place_same(a, g, i);
	}
	return CLAST_OK;
}

static clast_status read_kernel(int rank, const int64_t *w, conv_geometry *g, clast_diag *d)
{
	for (int i = 0; i < rank - 2; i++) {
		const clast_status s = window_kernel(g, i, w[2 + i], &g->kernel[i], d);
		if (s)
			return s;
	}
	return CLAST_OK;
}

clast_status conv_geometry_of(const conv_attrs *a, int rank, const int64_t *x, const int64_t *w,
			      conv_geometry *g, clast_diag *d)
{
	clast_status s = window_read(&a->window, rank - 2, g, d);
	if (!s)
		s = read_kernel(rank, w, g, d);
	if (s)
		return s;
	g->batch = x[0];
	g->in_channels = x[1];
	g->out_channels = w[0];
	g->group = a->group;
	if (g->group < 1 || g->in_channels % g->group || g->in_channels / g->group != w[1] ||
	    g->out_channels % g->group)
		return fail(d, CLAST_ERROR_MODEL,
			    "%lld input channels, %lld output channels and weights for %lld do not fit group "
			    "%lld",
			    (long long)x[1], (long long)w[0], (long long)w[1], (long long)a->group);
	for (int i = 0; i < g->spatial; i++)
		g->in[i] = x[2 + i];
	return place_windows(&a->window, g, d);
}

clast_status pool_geometry_of(const window_attrs *a, int rank, const int64_t *x, conv_geometry *g,
			      clast_diag *d)
{
	const clast_status s = window_read(a, rank - 2, g, d);
	if (s)
		return s;
	g->batch = x[0];
	g->in_channels = g->out_channels = x[1];
	for (int i = 0; i < g->spatial; i++)
		g->in[i] = x[2 + i];
	return place_windows(a, g, d);
}

/* ---- ConvTranspose ---- */

static clast_status read_transpose(const conv_transpose_attrs *a, conv_geometry *g, int64_t *extra,
				   int64_t *wanted, clast_diag *d)
{
	clast_status s = read_list(&a->output_padding, "output_padding", g->spatial, 0, 0, extra, d);
	/* Some exporters list batch and channels too. */
	int_list extents = a->output_shape;
	if (extents.n == (size_t)g->spatial + 2)
		extents = (int_list){ extents.v + 2, (size_t)g->spatial, true };
	return s ? s : read_list(&extents, "output_shape", g->spatial, extents.n ? 1 : 0, 0, wanted, d);
}

/* Output extent without any pads. */
static dim full_extent(dim_table *t, const conv_geometry *g, int i, dim extent, dim kernel, int64_t extra)
{
	const dim reach = dim_mul(t, dim_sub(t, extent, 1), g->stride[i]);
	return dim_add(t, dim_add(t, reach, extra), span(t, kernel, g->dilation[i]));
}

clast_status transpose_extent(dim_table *t, const conv_transpose_attrs *a, const conv_geometry *g, int i,
			      dim extent, dim kernel, dim *out, clast_diag *d)
{
	conv_geometry copy = *g;
	int64_t extra[MAX_SPATIAL], wanted[MAX_SPATIAL];
	const clast_status s = read_transpose(a, &copy, extra, wanted, d);
	if (s)
		return s;
	const int mode = a->window.auto_pad;
	if (wanted[i])
		*out = wanted[i];
	else if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER)
		*out = dim_mul(t, extent, g->stride[i]);
	else
		*out = dim_sub(t, full_extent(t, g, i, extent, kernel, extra[i]),
			       g->pad_begin[i] + g->pad_end[i]);
	if (dim_is_number(*out) && *out < 0)
		return fail(d, CLAST_ERROR_MODEL, "the pads of spatial axis %d are larger than the output",
			    i);
	return CLAST_OK;
}

static clast_status place_transposed(const conv_transpose_attrs *a, conv_geometry *g, clast_diag *d)
{
	int64_t extra[MAX_SPATIAL], wanted[MAX_SPATIAL];
	clast_status s = read_transpose(a, g, extra, wanted, d);
	const int mode = a->window.auto_pad;
	for (int i = 0; !s && i < g->spatial; i++) {
		s = transpose_extent(NULL, a, g, i, g->in[i], g->kernel[i], &g->out[i], d);
		if (s || (!wanted[i] && mode != PAD_SAME_UPPER && mode != PAD_SAME_LOWER))
			continue;
		int64_t total = full_extent(NULL, g, i, g->in[i], g->kernel[i], extra[i]) - g->out[i];
		total = total > 0 ? total : 0;
		g->pad_begin[i] = mode == PAD_SAME_UPPER ? total / 2 : total - total / 2;
		g->pad_end[i] = total - g->pad_begin[i];
	}
	return s;
}

clast_status conv_transpose_geometry_of(const conv_transpose_attrs *a, int rank, const int64_t *x,
					const int64_t *w, conv_geometry *g, clast_diag *d)
{
	clast_status s = window_read(&a->window, rank - 2, g, d);
	if (!s)
		s = read_kernel(rank, w, g, d);
	if (s)
		return s;
	g->batch = x[0];
	g->in_channels = x[1];
	g->group = a->group;
	if (g->group < 1 || g->in_channels % g->group || g->in_channels != w[0])
		return fail(d, CLAST_ERROR_MODEL,
			    "%lld input channels and weights for %lld do not fit group %lld", (long long)x[1],
			    (long long)w[0], (long long)a->group);
	if (__builtin_mul_overflow(w[1], a->group, &g->out_channels))
		return fail(d, CLAST_ERROR_MODEL, "the number of output channels overflows");
	for (int i = 0; i < g->spatial; i++)
		g->in[i] = x[2 + i];
	return place_transposed(a, g, d);
}

/* ---- Shapes ---- */

/* Channels against weights and group, as far as they are numbers. */
static clast_status check_channels(const infer_in *in, dim channels, dim per_group, dim out_channels,
				   int64_t group, clast_diag *d)
{
	if (group < 1)
		return fail(d, CLAST_ERROR_MODEL, "attribute group: expected 1 or more, found %lld",
			    (long long)group);
	const dim wanted = dim_mul(in->dims, per_group, group);
	if (dim_is_number(channels) && dim_is_number(wanted) && channels != wanted)
		return fail(d, CLAST_ERROR_MODEL,
			    "the input has %lld channels, but the weights take %lld in each of %lld groups",
			    (long long)channels, (long long)per_group, (long long)group);
	if (dim_is_number(out_channels) && out_channels % group)
		return fail(d, CLAST_ERROR_MODEL, "%lld output channels cannot be divided into %lld groups",
			    (long long)out_channels, (long long)group);
	return CLAST_OK;
}

clast_status infer_channel_vector(const infer_in *in, size_t i, dim channels, clast_diag *d)
{
	if (!has_input(in, i))
		return CLAST_OK;
	const shape *b = &in->in[i].shape;
	const clast_status s = infer_rank(in, i, 1, 1, d);
	if (s || b->rank < 0)
		return s;
	if (dim_is_number(b->dims[0]) && dim_is_number(channels) && b->dims[0] != channels)
		return fail(d, CLAST_ERROR_MODEL,
			    "input %zu: expected %lld elements, one for each channel, found %lld", i,
			    (long long)channels, (long long)b->dims[0]);
	return CLAST_OK;
}

clast_status infer_zero_point(const infer_in *in, size_t i, dim channels, clast_diag *d)
{
	if (!has_input(in, i) || in->in[i].shape.rank < 0)
		return CLAST_OK;
	const shape *v = &in->in[i].shape;
	const clast_status s = infer_rank(in, i, 0, 1, d);
	const dim n = v->rank == 1 ? v->dims[0] : 1;
	if (s || n == 1 || !dim_is_number(n) || !dim_is_number(channels) || n == channels)
		return s;
	return fail(d, CLAST_ERROR_MODEL, "input %zu: expected 1 or %lld elements, found %lld", i,
		    (long long)channels, (long long)n);
}

clast_status infer_conv_shape(const infer_in *in, size_t w_input, size_t bias_input, shape *out,
			      clast_diag *d)
{
	const conv_attrs *a = in->attrs;
	const shape *x = &in->in[0].shape, *w = &in->in[w_input].shape;
	clast_status s = infer_rank(in, 0, 3, CLAST_MAX_RANK, d);
	if (!s)
		s = x->rank < 0 ? infer_rank(in, w_input, 3, CLAST_MAX_RANK, d)
				: infer_rank(in, w_input, x->rank, x->rank, d);
	out->rank = -1;
	if (s || x->rank < 0 || w->rank < 0)
		return s;
	s = check_channels(in, x->dims[1], w->dims[1], w->dims[0], a->group, d);
	if (!s)
		s = infer_channel_vector(in, bias_input, w->dims[0], d);
	conv_geometry g;
	if (!s)
		s = window_read(&a->window, x->rank - 2, &g, d);
	shape y = { .rank = x->rank, .dims = { x->dims[0], w->dims[0] } };
	for (int i = 0; !s && i < x->rank - 2; i++) {
		dim kernel;
		s = window_kernel(&g, i, w->dims[2 + i], &kernel, d);
		if (!s)
			s = window_extent(in->dims, &a->window, &g, i, x->dims[2 + i], kernel, &y.dims[2 + i],
					  d);
	}
	if (!s)
		*out = y;
	return s;
}
