/* ONNX CumSum, CumProd: running sums and products along one axis; `exclusive` leaves out the element itself,
 * `reverse` runs from the end. y: shape of x. */
#include <stddef.h>

#include "infer.h"
#include "subspace.h"
#include "tick.h"

typedef struct attrs {
	bool exclusive, reverse;
} attrs;

enum { CUMULATIVE_SUM = 1, CUMULATIVE_PRODUCT };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	size_t count;
	int64_t elements;
	int axis;
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	if (s)
		return s;
	if (infer_count(in, 1, &elements) && elements != 1)
		return fail(d, CLAST_ERROR_MODEL, "input 1 (axis): expected one element, found %lld",
			    (long long)elements);
	const int64_t *given = infer_numbers(in, 1, &count);
	if (given && in->in[0].shape.rank >= 0 &&
	    (s = infer_axis(given[0], in->in[0].shape.rank, "input 1 (axis)", &axis, d)))
		return s;
	return infer_same_as_input(in, 0, out, d);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	size_t count;
	int axis;
	const int64_t *given = infer_numbers(in, 1, &count);
	if (operand == 1 || !given || in->in[0].shape.rank < 0 ||
	    infer_axis(given[0], in->in[0].shape.rank, "", &axis, NULL))
		return UINT32_MAX;
	return 1u << axis;
}

/* One line: x and y have only the axis. */
static void line(const call *c, const tensor_view *x, int64_t from, const tensor_view *y, int64_t to)
{
	const attrs *a = c->attrs;
	const bool whole = !dtype_is_float(x->dtype), product = c->op->family == CUMULATIVE_PRODUCT;
	double real = product;
	uint64_t integer = product;
	for (int64_t i = 0; i < x->dims[0]; i++) {
		const int64_t j = a->reverse ? x->dims[0] - 1 - i : i;
		const int64_t at_x = from + axis_offset(x, 0, j), at_y = to + axis_offset(y, 0, j);
		if (whole) {
			const uint64_t v = (uint64_t)load_int(x, at_x),
				       next = product ? integer * v : integer + v;
			store_int(y, at_y, (int64_t)(a->exclusive ? integer : next));
			integer = next;
		} else {
			const double v = load_real(x, at_x), next = product ? real * v : real + v;
			store_real(y, at_y, a->exclusive ? real : next);
			real = next;
		}
	}
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	int axis;
	const int64_t given = load_int(c->in[1], 0);
	clast_status s = CLAST_OK;
	if (infer_axis(given, x->rank, "", &axis, NULL))
		return fail(c->diag, CLAST_ERROR_DATA,
			    "input 1 (axis): expected a value in [%d, %d), found %lld", -x->rank, x->rank,
			    (long long)given);
	const uint32_t mask = 1u << axis;
	const tensor_view x_line = view_axes(x, mask), y_line = view_axes(y, mask);
	const tensor_view x_rest = view_axes(x, ~mask), y_rest = view_axes(y, ~mask);
	ticker t = { .c = c };
	for (iter it = iter_over(&x_rest); !s && iter_next(&it);) {
		line(c, &x_line, iter_offset(&x_rest, &it), &y_line, iter_offset(&y_rest, &it));
		s = tick(&t, x_line.dims[0]);
	}
	return s;
}

#define INT32_UP                                                                                             \
	(DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) | DTYPE_BIT(CLAST_UINT32) | DTYPE_BIT(CLAST_UINT64))
static const op_version sum_11[] = { { 11, INT32_UP | DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT64) },
				     { 14, INT32_UP | DTYPES_FLOAT_BF16 },
				     { 0 } };
static const op_version product_26[] = { { 26, INT32_UP | DTYPES_FLOAT_BF16 }, { 0 } };
static const attr_spec spec[] = { { "exclusive", ATTR_BOOL, offsetof(attrs, exclusive) },
				  { "reverse", ATTR_BOOL, offsetof(attrs, reverse) },
				  { 0 } };

#define CUMULATIVE(symbol, onnx, number, since)                                                              \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = since,                                                          \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(attrs),                                               \
				 .min_in = 2,                                                                \
				 .max_in = 2,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .rule = RULE_AXIS,                                                          \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .cut = cut,                                                                 \
				 .family = number }

CUMULATIVE(cum_prod, "CumProd", CUMULATIVE_PRODUCT, product_26);
CUMULATIVE(cum_sum, "CumSum", CUMULATIVE_SUM, sum_11);
