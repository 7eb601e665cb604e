/* ONNX ArgMax, ArgMin: the index of the extreme along one axis; of several the first, or the last with
 * select_last_index. A NaN counts as more extreme than any number, as in numpy. */
#include <math.h>
#include <stddef.h>

#include "reduce.h"
#include "subspace.h"
#include "tick.h"

typedef struct attrs {
	int64_t axis;
	bool keepdims, last;
} attrs;

enum { ARG_MAX = 1, ARG_MIN };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	int axis;
	if (x->rank >= 0) {
		const clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, d);
		if (s)
			return s;
		if (x->dims[axis] == 0)
			return fail(d, CLAST_ERROR_MODEL, "input 0: axis %d has no element", axis);
		reduce_shape(x, 1u << axis, a->keepdims, &y);
	}
	infer_set(out, 0, CLAST_INT64, &y);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const attrs *a = in->attrs;
	int axis;
	if (in->in[0].shape.rank < 0 || infer_axis(a->axis, in->in[0].shape.rank, "", &axis, NULL))
		return UINT32_MAX;
	return operand == 0 || a->keepdims ? 1u << axis : 0;
}

/* Whether v beats the best so far; equal ones do with select_last_index. */
static bool beats_real(bool min, bool last, double v, double best)
{
	if (isnan(v) || isnan(best))
		return isnan(v) && (last || !isnan(best));
	return (min ? v < best : v > best) || (last && v == best);
}

static bool beats_int(bool min, bool last, bool is_signed, int64_t v, int64_t best)
{
	const bool less = is_signed ? v < best : (uint64_t)v < (uint64_t)best;
	return v == best ? last : less == min;
}

static int64_t extreme(const call *c, const tensor_view *x, int64_t base)
{
	const attrs *a = c->attrs;
	const bool whole = !dtype_is_float(x->dtype), is_signed = dtype_is_signed(x->dtype),
		   min = c->op->family == ARG_MIN;
	int64_t best = 0, best_int = 0;
	double best_real = 0;
	for (int64_t i = 0; i < x->dims[0]; i++) {
		const int64_t at = base + axis_offset(x, 0, i);
		if (whole) {
			const int64_t v = load_int(x, at);
			if (i && !beats_int(min, a->last, is_signed, v, best_int))
				continue;
			best_int = v;
		} else {
			const double v = load_real(x, at);
			if (i && !beats_real(min, a->last, v, best_real))
				continue;
			best_real = v;
		}
		best = i;
	}
	return best;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	int axis;
	clast_status s = infer_axis(a->axis, x->rank, "attribute axis", &axis, c->diag);
	if (s)
		return s;
	if (!x->dims[axis])
		return fail(c->diag, CLAST_ERROR_DATA, "input 0: axis %d has no element", axis);
	const uint32_t mask = 1u << axis;
	const tensor_view inner = view_axes(x, mask), outer = view_axes(x, ~mask);
	const tensor_view to = a->keepdims ? view_axes(y, ~mask) : *y;
	ticker t = { .c = c };
	for (iter it = iter_over(&to); !s && iter_next(&it);) {
		put_int(&to, &it, extreme(c, &inner, iter_offset(&outer, &it)));
		s = tick(&t, inner.dims[0]);
	}
	return s;
}

static const op_version versions[] = {
	{ 1, DTYPES_REAL }, { 11, DTYPES_REAL }, { 12, DTYPES_REAL }, { 13, DTYPES_REAL_BF16 }, { 0 }
};
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis) },
				  { "keepdims", ATTR_BOOL, offsetof(attrs, keepdims), .i = 1 },
				  { "select_last_index", ATTR_BOOL, offsetof(attrs, last), .since = 12 },
				  { 0 } };

#define ARG_REDUCE(symbol, onnx, number)                                                                     \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = versions,                                                       \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(attrs),                                               \
				 .min_in = 1,                                                                \
				 .max_in = 1,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_AXIS,                                                          \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .cut = cut,                                                                 \
				 .family = number }

ARG_REDUCE(arg_max, "ArgMax", ARG_MAX);
ARG_REDUCE(arg_min, "ArgMin", ARG_MIN);
