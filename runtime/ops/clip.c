/* ONNX Clip: y = min(max(x, low), high), so that high wins where low > high. Bounds are attributes before
 * opset 11, then scalar inputs. y: shape and order of x; may alias x. */
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "clip_attrs.h"
#include "elementwise.h"

/* The bounds are 2^24 or less where followed: extents. */
static dim element(const infer_in *in, size_t n, const dim *x)
{
	dim y = x[0];
	if (in->version < 11 || y == DIM_UNKNOWN)
		return DIM_UNKNOWN;
	for (size_t i = 1; i < n; i++)
		if (has_input(in, i)) {
			if (x[i] == DIM_UNKNOWN)
				return DIM_UNKNOWN;
			y = i == 1 ? dim_max(in->dims, y, x[i]) : dim_min(in->dims, y, x[i]);
		}
	return y;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	bool all = true;
	for (size_t i = 1; i < in->n_in; i++) {
		int64_t count;
		if (!has_input(in, i)) {
			all = false;
			continue;
		}
		const clast_status s = infer_same_dtype(in, 0, i, d);
		if (s)
			return s;
		if (infer_count(in, i, &count) && count != 1)
			return fail(d, CLAST_ERROR_MODEL,
				    "input %zu (%s): expected a scalar, found %lld elements", i,
				    i == 1 ? "min" : "max", (long long)count);
	}
	infer_set(out, 0, in->in[0].dtype, &in->in[0].shape);
	return all ? infer_elements(in, in->n_in, out, element, d) : CLAST_OK;
}

static clast_status reference_int(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool is_signed = dtype_is_signed(x->dtype), has_low = c->n_in > 1 && c->in[1],
		   has_high = c->n_in > 2 && c->in[2];
	const int64_t flip = is_signed ? 0 : INT64_MIN; /* makes unsigned numbers compare as signed ones */
	const int64_t low = has_low ? load_int(c->in[1], 0) ^ flip : INT64_MIN;
	const int64_t high = has_high ? load_int(c->in[2], 0) ^ flip : INT64_MAX;
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			int64_t v = load_int(x, from + along(x, i)) ^ flip;
			v = v < low ? low : v;
			v = v > high ? high : v;
			store_int(y, to + along(y, i), v ^ flip);
		}
	}
	return r.status;
}

static double bound(const call *c, size_t i, double attribute)
{
	if (c->version < 11)
		return attribute;
	return c->n_in > i && c->in[i] ? load_real(c->in[i], 0) : i == 1 ? -INFINITY : INFINITY;
}

static clast_status reference(call *c)
{
	const clip_attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	if (!dtype_is_float(x->dtype))
		return reference_int(c);
	const double low = bound(c, 1, a->min), high = bound(c, 2, a->max);
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t from = iter_offset(x, &r.it), to = iter_offset(y, &r.it);
		for (int64_t i = 0; i < r.length; i++) {
			double v = load_real(x, from + along(x, i));
			v = v < low ? low : v; /* NaN stays */
			v = v > high ? high : v;
			store_real(y, to + along(y, i), v);
		}
	}
	return r.status;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT },      { 11, DTYPES_FLOAT },
				       { 12, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 } };
static const attr_spec spec[] = { { "min", ATTR_FLOAT, offsetof(clip_attrs, min), .f = -FLT_MAX,
				    .until = 11 },
				  { "max", ATTR_FLOAT, offsetof(clip_attrs, max), .f = FLT_MAX, .until = 11 },
				  { "consumed_inputs", ATTR_INTS, offsetof(clip_attrs, unused), .until = 6 },
				  { 0 } };
const op op_clip = { .name = "Clip",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(clip_attrs),
		     .min_in = 1,
		     .max_in = 3,
		     .min_out = 1,
		     .max_out = 1,
		     .rule = RULE_ANY,
		     .infer = infer,
		     .reference = reference,
		     .family = SCALAR_CLIP };
