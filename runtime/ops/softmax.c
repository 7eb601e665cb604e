/* ONNX Softmax, LogSoftmax, Hardmax: over one axis from opset 13 (the last by default), before over all axes
 * from `axis` on together (1 by default). y: shape of x, order of x, and may alias it. */
#include <math.h>
#include <stddef.h>

#include "softmax.h"
#include "subspace.h"
#include "tick.h"

static clast_status axis_of(const softmax_attrs *a, int version, int rank, int *axis, clast_diag *d)
{
	/* Without axes to flatten, axis = rank leaves rows of one element. */
	if (version < 13 && a->axis == rank) {
		*axis = rank;
		return CLAST_OK;
	}
	return infer_axis(a->axis, rank, "attribute axis", axis, d);
}

static uint32_t mask_of(int version, int rank, int axis)
{
	const uint32_t all = (1u << rank) - 1;
	return version < 13 ? all & ~((1u << axis) - 1) : 1u << axis;
}

bool softmax_axes(const softmax_attrs *a, int version, int rank, uint32_t *mask)
{
	int axis;
	if (rank < 0 || axis_of(a, version, rank, &axis, NULL))
		return false;
	*mask = mask_of(version, rank, axis);
	return true;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	int axis;
	const int rank = in->in[0].shape.rank;
	const clast_status s = rank < 0 ? CLAST_OK : axis_of(in->attrs, in->version, rank, &axis, d);
	return s ? s : infer_same_as_input(in, 0, out, d);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)operand;
	uint32_t mask;
	return softmax_axes(in->attrs, in->version, in->in[0].shape.rank, &mask) ? mask : UINT32_MAX;
}

static double largest(const tensor_view *x, int64_t base)
{
	double top = -INFINITY;
	cells k = cells_of(x);
	for (int64_t at; cells_next(&k, &at);) {
		const double v = load_real(x, base + at);
		if (isnan(v))
			return v;
		top = v > top ? v : top;
	}
	return top;
}

static void soft(bool logarithm, const tensor_view *x, int64_t from, const tensor_view *y, int64_t to)
{
	const double top = largest(x, from);
	double sum = 0;
	cells k = cells_of(x), out = cells_of(y);
	for (int64_t at; cells_next(&k, &at);)
		sum += exp(load_real(x, from + at) - top);
	k = cells_of(x);
	for (int64_t at, at_y; cells_next(&k, &at) && cells_next(&out, &at_y);) {
		const double v = load_real(x, from + at) - top;
		store_real(y, to + at_y, logarithm ? v - log(sum) : exp(v) / sum);
	}
}

/* 1 at the first of the largest; a NaN counts as larger than all, as in numpy.argmax. */
static void hard(const tensor_view *x, int64_t from, const tensor_view *y, int64_t to)
{
	const double top = largest(x, from);
	bool found = false;
	cells k = cells_of(x), out = cells_of(y);
	for (int64_t at, at_y; cells_next(&k, &at) && cells_next(&out, &at_y);) {
		const double v = load_real(x, from + at);
		const bool hit = !found && (v == top || isnan(v));
		found |= hit;
		store_real(y, to + at_y, hit);
	}
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	uint32_t mask;
	clast_status s = CLAST_OK;
	if (!softmax_axes(c->attrs, c->version, x->rank, &mask))
		return fail(c->diag, CLAST_ERROR_DATA, "attribute axis: not valid for rank %d", x->rank);
	const tensor_view x_in = view_axes(x, mask), y_in = view_axes(y, mask);
	const tensor_view x_out = view_axes(x, ~mask), y_out = view_axes(y, ~mask);
	ticker t = { .c = c };
	for (iter it = iter_over(&x_out); !s && iter_next(&it);) {
		const int64_t from = iter_offset(&x_out, &it), to = iter_offset(&y_out, &it);
		if (c->op->family == SOFTMAX_HARD)
			hard(&x_in, from, &y_in, to);
		else
			soft(c->op->family == SOFTMAX_LOG, &x_in, from, &y_in, to);
		s = tick(&t, view_count(&x_in));
	}
	return s;
}

static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 11, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 }
};
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(softmax_attrs, axis), .i = 1, .until = 13 },
				  { "axis", ATTR_INT, offsetof(softmax_attrs, axis), .i = -1, .since = 13 },
				  { 0 } };

#define SOFTMAX(symbol, onnx, number)                                                                        \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = versions,                                                       \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(softmax_attrs),                                       \
				 .min_in = 1,                                                                \
				 .max_in = 1,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_AXIS,                                                          \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .cut = cut,                                                                 \
				 .family = number }

SOFTMAX(hardmax, "Hardmax", SOFTMAX_HARD);
SOFTMAX(log_softmax, "LogSoftmax", SOFTMAX_LOG);
SOFTMAX(softmax, "Softmax", SOFTMAX_SOFT);
