/* ONNX Resize (opset 10 on) and Upsample (1 to 9): x sampled at other places along its axes. Interpolation is
 * separable: the axes are done one after the other in double. Coordinates, filters and rounding are in
 * resize_table.c. */
#include "resize.h"

#include <math.h>

#include "move.h"

enum { RESIZE, UPSAMPLE };
enum { STRETCH, NOT_LARGER, NOT_SMALLER };
static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
static const char *const modes_10[] = { "nearest", "linear", NULL };
static const char *const modes_1[] = { "nearest", "bilinear", NULL };
static const char *const coordinates_11[] = { "half_pixel", "pytorch_half_pixel", "align_corners",
					      "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn",
					      NULL };
static const char *const coordinates_19[] = { "half_pixel",           "pytorch_half_pixel",
					      "align_corners",        "asymmetric",
					      "tf_crop_and_resize",   "tf_half_pixel_for_nn",
					      "half_pixel_symmetric", NULL };
static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL };
static const char *const policies[] = { "stretch", "not_larger", "not_smaller", NULL };

#define AT(member) offsetof(resize_attrs, member)
static const attr_spec spec[] = {
	{ "mode", ATTR_ENUM, AT(mode), .names = modes_10, .until = 11 },
	{ "mode", ATTR_ENUM, AT(mode), .names = modes, .since = 11 },
	{ "coordinate_transformation_mode", ATTR_ENUM, AT(coordinates), .names = coordinates_11, .since = 11,
	  .until = 19 },
	{ "coordinate_transformation_mode", ATTR_ENUM, AT(coordinates), .names = coordinates_19,
	  .since = 19 },
	{ "nearest_mode", ATTR_ENUM, AT(rounding), .names = roundings, .since = 11 },
	{ "cubic_coeff_a", ATTR_FLOAT, AT(cubic_a), .f = -0.75f, .since = 11 },
	{ "exclude_outside", ATTR_BOOL, AT(exclude_outside), .since = 11 },
	{ "extrapolation_value", ATTR_FLOAT, AT(extrapolation), .since = 11 },
	{ "antialias", ATTR_BOOL, AT(antialias), .since = 18 },
	{ "axes", ATTR_INTS, AT(axes), .since = 18 },
	{ "keep_aspect_ratio_policy", ATTR_ENUM, AT(policy), .names = policies, .since = 18 },
	{ 0 }
};
static const attr_spec spec_upsample[] = {
	{ "mode", ATTR_ENUM, AT(mode), .names = modes_1, .until = 7 },
	{ "mode", ATTR_ENUM, AT(mode), .names = modes_10, .since = 7 },
	{ "height_scale", ATTR_FLOAT, AT(height_scale), .required = true, .until = 7 },
	{ "width_scale", ATTR_FLOAT, AT(width_scale), .required = true, .until = 7 },
	{ "scales", ATTR_FLOATS, AT(scales), .required = true, .since = 7, .until = 9 },
	{ 0 }
};

resize_attrs resize_settings(const op *o, int version, const resize_attrs *at)
{
	resize_attrs r = *at;
	if (o->family == UPSAMPLE || version < 11) {
		r.coordinates = RESIZE_ASYMMETRIC;
		r.rounding = RESIZE_SIMPLE;
	}
	return r;
}

/* Inputs by version; 0 where there is none. */
static size_t scales_input(const op *o, int version)
{
	if (o->family == UPSAMPLE)
		return version >= 9 ? 1 : 0;
	return version >= 11 ? 2 : 1;
}

static size_t sizes_input(const op *o, int version)
{
	return o->family == RESIZE && version >= 11 ? 3 : 0;
}

/* axes[i] is the axis that element i of scales, sizes and roi is about; returns their number. */
static int listed_axes(const resize_attrs *at, int rank, int *axes)
{
	const int n = at->axes.given ? (int)at->axes.n : rank;
	for (int i = 0; i < n; i++)
		axes[i] = at->axes.given ? wrap_axis(at->axes.v[i], rank) : i;
	return n;
}

/* ---- Inference ---- */

static bool is_empty(const infer_in *in, size_t i)
{
	int64_t count;
	return !i || !has_input(in, i) || (infer_count(in, i, &count) && count == 0);
}

/* Scale of the i-th listed axis; false if it is not known. */
static bool known_scale(const infer_in *in, int rank, int i, double *scale)
{
	const resize_attrs *at = in->attrs;
	if (in->op->family == UPSAMPLE && in->version < 7) {
		*scale = i == rank - 2 ? at->height_scale : i == rank - 1 ? at->width_scale : 1;
		return true;
	}
	if (in->op->family == UPSAMPLE && in->version < 9) {
		*scale = at->scales.v[i];
		return true;
	}
	return infer_real(in, scales_input(in->op, in->version), i, scale);
}

/* floor(extent * scale), in float32 as ONNX's own shape inference does; roi plays no part in any
 * implementation. */
static clast_status scaled(const infer_in *in, double scale, dim *extent, clast_diag *d)
{
	if (!(scale > 0) || isinf(scale))
		return fail(d, CLAST_ERROR_MODEL, "scales: expected positive numbers, found %g", scale);
	if (dim_is_number(*extent)) {
		const float y = floorf((float)*extent * (float)scale);
		if (!(y < 0x1p53f))
			return fail(d, CLAST_ERROR_MODEL, "scales: an extent of %lld times %g is too large",
				    (long long)*extent, scale);
		*extent = (int64_t)y;
		return CLAST_OK;
	}
	/* A dyadic factor stays an expression. */
	for (int64_t q = 1; q <= 1024; q *= 2)
		if (scale * (double)q == floor(scale * (double)q) && scale < 0x1p31) {
			*extent = dim_floor_div(in->dims,
						dim_mul(in->dims, *extent, (int64_t)(scale * (double)q)), q);
			return CLAST_OK;
		}
	*extent = fresh_like(in, "resize");
	return CLAST_OK;
}

static clast_status by_scales(const infer_in *in, int n, const int *axes, shape *y, clast_diag *d)
{
	const size_t from = scales_input(in->op, in->version);
	const resize_attrs *at = in->attrs;
	int64_t count = from ? -1 : in->version < 7 ? n : (int64_t)at->scales.n;
	if ((!from || infer_count(in, from, &count)) && count != n)
		return fail(d, CLAST_ERROR_MODEL, "scales: expected %d elements, found %lld", n,
			    (long long)count);
	for (int i = 0; i < n; i++) {
		double scale;
		clast_status s = CLAST_OK;
		if (known_scale(in, y->rank, i, &scale))
			s = scaled(in, scale, &y->dims[axes[i]], d);
		else
			y->dims[axes[i]] = fresh_like(in, "resize");
		if (s)
			return s;
	}
	return CLAST_OK;
}

/* The one scale of all listed axes that keeps the aspect ratio. */
static double common_scale(int policy, int n, const int *axes, const int64_t *extents, const int64_t *sizes)
{
	double scale = 0;
	for (int i = 0; i < n; i++) {
		const double s = (double)sizes[i] / (double)extents[axes[i]];
		if (!i || (policy == NOT_LARGER ? s < scale : s > scale))
			scale = s;
	}
	return scale;
}

static clast_status by_sizes(const infer_in *in, int n, const int *axes, shape *y, clast_diag *d)
{
	size_t count = 0;
	const int policy = ((const resize_attrs *)in->attrs)->policy;
	const dim *sizes = infer_ints(in, 3, &count);
	if (sizes && count != (size_t)n)
		return fail(d, CLAST_ERROR_MODEL, "sizes: expected %d elements, found %zu", n, count);
	bool numbers = sizes != NULL;
	for (int i = 0; i < n; i++) {
		numbers = numbers && dim_is_number(sizes[i]) && dim_is_number(y->dims[axes[i]]);
		if (sizes && dim_is_number(sizes[i]) &&
		    (sizes[i] < 0 || (sizes[i] && y->dims[axes[i]] == 0) || sizes[i] > INT64_C(1) << 53))
			return fail(d, CLAST_ERROR_MODEL,
				    "sizes: an extent of %lld cannot be resized to %lld",
				    (long long)y->dims[axes[i]], (long long)sizes[i]);
	}
	const double scale = policy != STRETCH && numbers ? common_scale(policy, n, axes, y->dims, sizes) : 1;
	for (int i = 0; i < n; i++) {
		dim *e = &y->dims[axes[i]];
		if (policy == STRETCH)
			*e = sizes && sizes[i] != DIM_UNKNOWN ? sizes[i] : fresh_like(in, "resize");
		else if (!numbers)
			*e = fresh_like(in, "resize");
		else if ((double)*e * scale < 0x1p53)
			*e = (int64_t)floor((double)*e * scale + 0.5);
	}
	return CLAST_OK;
}

static clast_status check_settings(const infer_in *in, clast_diag *d)
{
	const resize_attrs *at = in->attrs;
	const clast_dtype t = in->in[0].dtype;
	const size_t scales = scales_input(in->op, in->version), sizes = sizes_input(in->op, in->version);
	uint32_t mask;
	if (at->mode != RESIZE_NEAREST && (t == CLAST_STRING || dtype_is_complex(t)))
		return fail(d, CLAST_ERROR_UNSUPPORTED, "mode %s is not implemented for %s", modes[at->mode],
			    clast_dtype_name(t));
	if (scales && !has_input(in, scales) && is_empty(in, sizes))
		return fail(d, CLAST_ERROR_MODEL, "neither scales nor sizes are given");
	if (in->in[0].shape.rank >= 0 && at->axes.given)
		return infer_axes(at->axes.v, at->axes.n, in->in[0].shape.rank, &mask, d);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y = in->in[0].shape;
	int axes[CLAST_MAX_RANK];
	out->out[0].dtype = in->in[0].dtype;
	clast_status s = check_settings(in, d);
	if (s || y.rank < 0)
		return s;
	const int n = listed_axes(in->attrs, y.rank, axes);
	const size_t scales = scales_input(in->op, in->version), sizes = sizes_input(in->op, in->version);
	int64_t count;
	if (scales && !is_empty(in, scales) && !is_empty(in, sizes)) {
		if (infer_count(in, scales, &count))
			return fail(d, CLAST_ERROR_MODEL, "both scales and sizes are given");
		for (int i = 0; i < n; i++)
			y.dims[axes[i]] = fresh_like(in, "resize");
	} else {
		s = is_empty(in, sizes) ? by_scales(in, n, axes, &y, d) : by_sizes(in, n, axes, &y, d);
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

/* ---- Running ---- */

static bool has_elements(const call *c, size_t i)
{
	return i && i < c->n_in && c->in[i] && view_count(c->in[i]) > 0;
}

static double element(const tensor_view *v, int64_t i)
{
	return load_real(v, axis_offset(v, 0, i));
}

static clast_status read_roi(call *c, int n, const int *axes, resize_axis *r)
{
	const tensor_view *roi = c->n_in > 1 ? c->in[1] : NULL;
	if (!roi || roi->rank != 1 || roi->dims[0] != 2 * n)
		return fail(c->diag, CLAST_ERROR_DATA,
			    "roi: expected %d elements for tf_crop_and_resize, found %lld", 2 * n,
			    roi ? (long long)view_count(roi) : 0);
	for (int i = 0; i < n; i++) {
		r[axes[i]].roi_start = element(roi, i);
		r[axes[i]].roi_end = element(roi, n + i);
	}
	return CLAST_OK;
}

static double call_scale(const call *c, int rank, int i)
{
	const resize_attrs *at = c->attrs;
	if (c->op->family == UPSAMPLE && c->version < 7)
		return i == rank - 2 ? at->height_scale : i == rank - 1 ? at->width_scale : 1;
	if (c->op->family == UPSAMPLE && c->version < 9)
		return at->scales.v[i];
	return element(c->in[scales_input(c->op, c->version)], i);
}

clast_status resize_read_axes(call *c, resize_axis *r)
{
	const resize_attrs at = resize_settings(c->op, c->version, c->attrs);
	const tensor_view *x = c->in[0], *y = c->out[0];
	const size_t sizes = sizes_input(c->op, c->version);
	int axes[CLAST_MAX_RANK];
	const int n = listed_axes(&at, x->rank, axes);
	int64_t size[CLAST_MAX_RANK];
	size_t n_sizes = 0;
	if (has_elements(c, sizes)) {
		const clast_status s = call_ints(c, sizes, CLAST_MAX_RANK, size, &n_sizes);
		if (s)
			return s;
	}
	for (int a = 0; a < x->rank; a++)
		r[a] = (resize_axis){ x->dims[a], y->dims[a], 1, (double)x->dims[a], 0, 1 };
	const double common =
		n_sizes && at.policy != STRETCH ? common_scale(at.policy, n, axes, x->dims, size) : 0;
	for (int i = 0; i < n; i++) {
		resize_axis *a = &r[axes[i]];
		a->scale = common    ? common
			   : n_sizes ? (double)a->out / (double)a->in
				     : call_scale(c, x->rank, i);
		a->width = n_sizes && !common ? (double)a->out : (double)a->in * a->scale;
		if (a->out && (!a->in || !(a->scale > 0) || isinf(a->scale)))
			return fail(c->diag, CLAST_ERROR_DATA,
				    "axis %d: cannot be resized from %lld to %lld by %g", axes[i],
				    (long long)a->in, (long long)a->out, a->scale);
	}
	return at.coordinates == RESIZE_CROP ? read_roi(c, n, axes, r) : CLAST_OK;
}

static clast_status pick_nearest(call *c, const resize_attrs *at, const resize_axis *axes)
{
	_Alignas(16) unsigned char fill[16] = { 0 };
	tensor_view value;
	view_dense(&value, c->out[0]->dtype, 0, NULL, fill);
	if (dtype_is_complex(value.dtype))
		value.dtype = value.dtype == CLAST_COMPLEX64 ? CLAST_FLOAT32
							     : CLAST_FLOAT64; /* the real part comes first */
	if (value.dtype != CLAST_STRING)
		store_real(&value, 0, at->extrapolation);
	move m;
	move_start(&m, c, c->out[0], c->in[0]);
	m.fill = fill;
	for (int a = 0; a < c->in[0]->rank && !m.status; a++) {
		resize_table t = { 0 };
		if (resize_is_identity(&axes[a])) {
			move_whole(&m, a, a);
			continue;
		}
		m.status = resize_table_make(c->memory, at, &axes[a], &t, c->diag);
		if (!m.status)
			move_indexed(&m, t.n, a, a, t.index);
		resize_table_free(c->memory, &t);
	}
	return move_run(&m);
}

static double weighted(const resize_table *t, int64_t o, const double *x)
{
	const int64_t *index = t->index + o * t->taps;
	const double *weight = t->weight + o * t->taps;
	double sum = 0;
	for (int64_t k = 0; k < t->taps; k++)
		sum += weight[k] * x[index[k]];
	return sum;
}

static void weighted_rows(const resize_table *t, int64_t o, int64_t inner, const double *x, double *y)
{
	const int64_t *index = t->index + o * t->taps;
	const double *weight = t->weight + o * t->taps;
	for (int64_t j = 0; j < inner; j++)
		y[j] = weight[0] * x[index[0] * inner + j];
	for (int64_t k = 1; k < t->taps; k++)
		for (int64_t j = 0; j < inner; j++)
			y[j] += weight[k] * x[index[k] * inner + j];
}

/* y[outer, o, inner] from x[outer, i, inner]. */
static void interpolate(const resize_table *t, double extrapolation, int64_t outer, int64_t extent,
			int64_t inner, const double *x, double *y)
{
	for (int64_t b = 0; b < outer; b++, x += extent * inner)
		for (int64_t o = 0; o < t->n; o++, y += inner) {
			if (t->index[o * t->taps] < 0)
				for (int64_t j = 0; j < inner; j++)
					y[j] = extrapolation;
			else if (inner == 1)
				*y = weighted(t, o, x);
			else
				weighted_rows(t, o, inner, x, y);
		}
}

/* A dense array of doubles between two axes. */
typedef struct stage {
	double *v;
	size_t count;
	int64_t dims[CLAST_MAX_RANK];
	int rank;
} stage;

static clast_status resize_axis_of(call *c, const resize_attrs *at, const resize_axis *a, int axis, stage *s)
{
	resize_table t;
	stage next = *s;
	int64_t outer = 1, inner = 1;
	for (int i = 0; i < s->rank; i++) {
		outer *= i < axis ? s->dims[i] : 1;
		inner *= i > axis ? s->dims[i] : 1;
	}
	clast_status status = resize_table_make(c->memory, at, a, &t, c->diag);
	if (status)
		return status;
	next.dims[axis] = t.n;
	next.count = (size_t)(outer * inner * t.n);
	next.v = mem_array(c->memory, next.count, sizeof *next.v);
	if (next.v) {
		interpolate(&t, at->extrapolation, outer, s->dims[axis], inner, s->v, next.v);
		mem_free(c->memory, s->v, s->count * sizeof *s->v);
		*s = next;
	} else {
		status = fail_memory(c->diag, next.count * sizeof *next.v);
	}
	resize_table_free(c->memory, &t);
	return status ? status : call_proceed(c) ? CLAST_OK : CLAST_ERROR_CANCELLED;
}

static clast_status load_stage(call *c, stage *s)
{
	const tensor_view *x = c->in[0];
	walk w;
	*s = (stage){ .count = (size_t)view_count(x), .rank = x->rank };
	memcpy(s->dims, x->dims, sizeof s->dims);
	s->v = mem_array(c->memory, s->count, sizeof *s->v);
	if (!s->v || !walk_start(&w, c->memory, x))
		return fail_memory(c->diag, s->count * sizeof *s->v);
	for (size_t i = 0; i < s->count; i++, walk_next(&w))
		s->v[i] = load_real_inline(x, walk_offset(&w));
	walk_end(&w, c->memory);
	return CLAST_OK;
}

static clast_status store_stage(call *c, const stage *s)
{
	walk w;
	if (!walk_start(&w, c->memory, c->out[0]))
		return fail_memory(c->diag, 0);
	for (size_t i = 0; i < s->count; i++, walk_next(&w))
		store_real(c->out[0], walk_offset(&w),
			   dtype_is_float(c->out[0]->dtype) ? s->v[i] : nearbyint(s->v[i]));
	walk_end(&w, c->memory);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const resize_attrs at = resize_settings(c->op, c->version, c->attrs);
	resize_axis axes[CLAST_MAX_RANK];
	stage s = { 0 };
	clast_status status = view_count(c->out[0]) ? resize_read_axes(c, axes) : CLAST_OK;
	if (status || !view_count(c->out[0]))
		return status;
	if (at.mode == RESIZE_NEAREST)
		return pick_nearest(c, &at, axes);
	status = load_stage(c, &s);
	for (int a = 0; a < s.rank && !status; a++)
		if (!resize_is_identity(&axes[a]))
			status = resize_axis_of(c, &at, &axes[a], a, &s);
	status = status ? status : store_stage(c, &s);
	mem_free(c->memory, s.v, s.v ? s.count * sizeof *s.v : 0);
	return status;
}

/* Axes whose extent changes; without numbers all. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	int axes[CLAST_MAX_RANK];
	uint32_t mask = 0;
	size_t count = 0;
	if (operand > 0 && operand < in->n_in)
		return 0;
	if (rank < 0 || check_settings(in, NULL))
		return UINT32_MAX;
	const bool crop = ((const resize_attrs *)in->attrs)->coordinates == RESIZE_CROP;
	const int n = listed_axes(in->attrs, rank, axes);
	const size_t from = sizes_input(in->op, in->version);
	const dim *sizes = is_empty(in, from) ? NULL : infer_ints(in, from, &count);
	for (int i = 0; i < n; i++) {
		double scale;
		const bool same =
			sizes ? count == (size_t)n && sizes[i] == in->in[0].shape.dims[axes[i]]
			      : is_empty(in, from) && known_scale(in, rank, i, &scale) && scale == 1;
		mask |= same && !crop ? 0 : 1u << axes[i];
	}
	return mask;
}

static const op_version versions[] = { { 10, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 },
				       { 18, DTYPES_ALL_13 }, { 19, DTYPES_ALL_13 }, { 0 } };
static const op_version versions_upsample[] = { { 1, DTYPES_FLOAT | DTYPES_BOOL | DTYPE_BIT(CLAST_INT32) |
							     DTYPE_BIT(CLAST_INT64) },
						{ 7, DTYPES_ALL_12 },
						{ 9, DTYPES_ALL_12 },
						{ 10, DTYPES_ALL_12 },
						{ 0 } };
const op op_resize = { .name = "Resize",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(resize_attrs),
		       .min_in = 1,
		       .max_in = 4,
		       .min_out = 1,
		       .max_out = 1,
		       .shape_inputs = 0xe,
		       .rule = RULE_CHANNELS,
		       .infer = infer,
		       .reference = reference,
		       .cut = cut,
		       .family = RESIZE };
const op op_upsample = { .name = "Upsample",
			 .domain = "",
			 .versions = versions_upsample,
			 .attrs = spec_upsample,
			 .attrs_bytes = sizeof(resize_attrs),
			 .min_in = 1,
			 .max_in = 2,
			 .min_out = 1,
			 .max_out = 1,
			 .shape_inputs = 1u << 1,
			 .rule = RULE_CHANNELS,
			 .infer = infer,
			 .reference = reference,
			 .cut = cut,
			 .family = UPSAMPLE };
