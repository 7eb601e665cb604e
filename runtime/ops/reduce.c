/* ONNX ReduceL1, L2, LogSum, LogSumExp, Max, Mean, Min, Prod, Sum, SumSquare over any axes, accumulated in
 * double, integers exactly (modulo 2^64). The order of summation is that of the logical indices, so the
 * result does not depend on the memory order. */
#include <math.h>
#include <stddef.h>

#include "elementwise.h"
#include "reduce.h"
#include "subspace.h"
#include "tick.h"

/* ---- Inference ---- */

/* The listed axes; none listed means all, unless noop_with_empty_axes. */
static clast_status mask_of(const reduce_attrs *a, size_t n, const int64_t *axes, int rank, uint32_t *mask,
			    clast_diag *d)
{
	if (n)
		return infer_axes(axes, n, rank, mask, d);
	*mask = a->noop_with_empty_axes ? 0 : (1u << rank) - 1;
	return CLAST_OK;
}

/* rank >= 0. *known is false where the axes are computed by the graph. */
static clast_status find_axes(const infer_in *in, int rank, uint32_t *mask, bool *known, clast_diag *d)
{
	const reduce_attrs *a = in->attrs;
	int64_t elements;
	size_t count = 0;
	*known = true;
	if (!has_input(in, 1))
		return mask_of(a, a->axes.n, a->axes.v, rank, mask, d);
	if (infer_count(in, 1, &elements) && !elements)
		return mask_of(a, 0, NULL, rank, mask, d);
	const int64_t *axes = infer_numbers(in, 1, &count);
	*known = axes != NULL;
	return axes ? mask_of(a, count, axes, rank, mask, d) : CLAST_OK;
}

bool reduce_axes(const infer_in *in, uint32_t *mask)
{
	bool known;
	return in->in[0].shape.rank >= 0 && !find_axes(in, in->in[0].shape.rank, mask, &known, NULL) && known;
}

void reduce_shape(const shape *x, uint32_t mask, bool keepdims, shape *y)
{
	y->rank = 0;
	for (int a = 0; a < x->rank; a++)
		if (!(mask >> a & 1))
			y->dims[y->rank++] = x->dims[a];
		else if (keepdims)
			y->dims[y->rank++] = 1;
}

/* Which axes go is not known: at best the rank is. */
static void unknown_axes(const infer_in *in, shape *y)
{
	const reduce_attrs *a = in->attrs;
	const int rank = in->in[0].shape.rank;
	int64_t n;
	y->rank = a->keepdims ? rank : infer_count(in, 1, &n) && n > 0 && n <= rank ? rank - (int)n : -1;
	for (int i = 0; i < y->rank; i++)
		y->dims[i] = DIM_UNKNOWN;
}

static dim combine(const infer_in *in, dim a, dim b)
{
	switch ((reduction)in->op->family) {
	case REDUCTION_SUM:
		return dim_add(in->dims, a, b);
	case REDUCTION_PROD:
		return dim_mul(in->dims, a, b);
	case REDUCTION_MAX:
		return dim_max(in->dims, a, b);
	case REDUCTION_MIN:
		return dim_min(in->dims, a, b);
	default:
		return DIM_UNKNOWN;
	}
}

/* A list of integers reduced to one, as exporters do to count elements. */
static clast_status follow(const infer_in *in, infer_out *out, clast_diag *d)
{
	size_t count, n;
	const dim *x = infer_ints(in, 0, &count);
	if (!x || !count || in->in[0].shape.rank != 1 ||
	    !infer_small(in->in[0].dtype, &out->out[0].shape, &n) || n != 1)
		return CLAST_OK;
	const clast_dtype t = in->in[0].dtype;
	dim y = dim_of_element(t, x[0]);
	for (size_t i = 1; i < count; i++) {
		const dim next = dim_of_element(t, x[i]);
		y = y == DIM_UNKNOWN || next == DIM_UNKNOWN ? DIM_UNKNOWN : combine(in, y, next);
	}
	const bool fits = !dim_is_number(y) || (y >= dtype_min(t) && y <= dtype_max(t));
	if (y == DIM_UNKNOWN || y == DIM_ERROR || !fits || combine(in, 1, 1) == DIM_UNKNOWN)
		return CLAST_OK;
	dim *ints = infer_new_ints(in, 1);
	if (!ints)
		return fail_memory(d, sizeof *ints);
	ints[0] = y;
	out->out[0].ints = ints;
	out->out[0].int_count = 1;
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	uint32_t mask;
	bool known;
	if (has_input(in, 1)) {
		clast_status status = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
		if (!status)
			status = infer_rank(in, 1, 0, 1, d);
		if (status)
			return status;
	}
	if (x->rank < 0) {
		infer_set(out, 0, in->in[0].dtype, &y);
		return CLAST_OK;
	}
	const clast_status status = find_axes(in, x->rank, &mask, &known, d);
	if (status)
		return status;
	if (known)
		reduce_shape(x, mask, ((const reduce_attrs *)in->attrs)->keepdims, &y);
	else
		unknown_axes(in, &y);
	infer_set(out, 0, in->in[0].dtype, &y);
	return follow(in, out, d);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	uint32_t mask;
	if (operand == 1 && in->n_in > 1)
		return UINT32_MAX;
	if (!reduce_axes(in, &mask))
		return UINT32_MAX;
	return operand == 0 || ((const reduce_attrs *)in->attrs)->keepdims ? mask : 0;
}

/* ---- Reference ---- */

static double log_sum_exp(const tensor_view *x, int64_t base)
{
	double top = -INFINITY, sum = 0;
	cells k = cells_of(x);
	for (int64_t at; cells_next(&k, &at);) {
		const double v = load_real(x, base + at);
		if (isnan(v))
			return v;
		top = v > top ? v : top;
	}
	if (isinf(top))
		return top;
	k = cells_of(x);
	for (int64_t at; cells_next(&k, &at);)
		sum += exp(load_real(x, base + at) - top);
	return top + log(sum);
}

static double neutral(reduction f)
{
	return f == REDUCTION_MAX ? -INFINITY : f == REDUCTION_MIN ? INFINITY : f == REDUCTION_PROD ? 1 : 0;
}

static double accumulate(reduction f, double y, double v)
{
	switch (f) {
	case REDUCTION_L1:
		return y + fabs(v);
	case REDUCTION_L2:
	case REDUCTION_SUM_SQUARE:
		return y + v * v;
	case REDUCTION_MAX:
		return isnan(y) || y > v ? y : v;
	case REDUCTION_MIN:
		return isnan(y) || y < v ? y : v;
	case REDUCTION_PROD:
		return y * v;
	default:
		return y + v;
	}
}

static double finish(reduction f, double y, double n)
{
	return f == REDUCTION_MEAN ? y / n : f == REDUCTION_L2 ? sqrt(y) : f == REDUCTION_LOG_SUM ? log(y) : y;
}

static double reduce_real(reduction f, const tensor_view *x, int64_t base)
{
	if (f == REDUCTION_LOG_SUM_EXP)
		return log_sum_exp(x, base);
	double y = neutral(f);
	cells k = cells_of(x);
	for (int64_t at; cells_next(&k, &at);)
		y = accumulate(f, y, load_real(x, base + at));
	return finish(f, y, (double)view_count(x));
}

static bool exact(reduction f)
{
	return f != REDUCTION_L2 && f != REDUCTION_LOG_SUM && f != REDUCTION_LOG_SUM_EXP;
}

/* What the extremes of nothing are: the ends of the range. */
static int64_t neutral_int(reduction f, clast_dtype t)
{
	if (f == REDUCTION_MIN)
		return t == CLAST_UINT64 ? -1 : dtype_max(t);
	return f == REDUCTION_MAX ? dtype_min(t) : f == REDUCTION_PROD;
}

static int64_t accumulate_int(reduction f, bool is_signed, int64_t y, int64_t v)
{
	const bool less = is_signed ? v < y : (uint64_t)v < (uint64_t)y;
	switch (f) {
	case REDUCTION_L1:
		return (int64_t)((uint64_t)y + (is_signed && v < 0 ? 0 - (uint64_t)v : (uint64_t)v));
	case REDUCTION_SUM_SQUARE:
		return (int64_t)((uint64_t)y + (uint64_t)v * (uint64_t)v);
	case REDUCTION_MAX:
		return less ? y : v;
	case REDUCTION_MIN:
		return less ? v : y;
	case REDUCTION_PROD:
		return (int64_t)((uint64_t)y * (uint64_t)v);
	default:
		return (int64_t)((uint64_t)y + (uint64_t)v);
	}
}

static int64_t reduce_int(reduction f, const tensor_view *x, int64_t base)
{
	const bool is_signed = dtype_is_signed(x->dtype);
	const int64_t n = view_count(x);
	int64_t y = neutral_int(f, x->dtype);
	cells k = cells_of(x);
	for (int64_t at; cells_next(&k, &at);)
		y = accumulate_int(f, is_signed, y, load_int(x, base + at));
	if (f != REDUCTION_MEAN || !n)
		return y;
	return is_signed ? y / n : (int64_t)((uint64_t)y / (uint64_t)n);
}

static clast_status given_axes(const call *c, int rank, uint32_t *mask)
{
	const reduce_attrs *a = c->attrs;
	int64_t axes[CLAST_MAX_RANK];
	size_t n = 0;
	if (c->n_in < 2 || !c->in[1])
		return mask_of(a, a->axes.n, a->axes.v, rank, mask, c->diag);
	if (view_count(c->in[1]) > CLAST_MAX_RANK)
		return fail(c->diag, CLAST_ERROR_DATA, "input 1 (axes): more than %d elements",
			    CLAST_MAX_RANK);
	for (iter it = iter_over(c->in[1]); iter_next(&it);)
		axes[n++] = get_int(c->in[1], &it);
	if (mask_of(a, n, axes, rank, mask, NULL))
		return fail(c->diag, CLAST_ERROR_DATA, "input 1 (axes): expected different axes in [%d, %d)",
			    -rank, rank);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const reduction f = (reduction)c->op->family;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool whole = !dtype_is_float(x->dtype);
	uint32_t mask;
	clast_status s = given_axes(c, x->rank, &mask);
	if (s)
		return s;
	const bool kept = ((const reduce_attrs *)c->attrs)->keepdims;
	const tensor_view inner = view_axes(x, mask), outer = view_axes(x, ~mask),
			  to = kept ? view_axes(y, ~mask) : *y;
	ticker t = { .c = c };
	for (iter it = iter_over(&to); !s && iter_next(&it);) {
		const int64_t base = iter_offset(&outer, &it);
		if (whole && exact(f)) {
			put_int(&to, &it, reduce_int(f, &inner, base));
		} else {
			const double v = reduce_real(f, &inner, base);
			put_real(&to, &it, whole ? trunc(v) : v);
		}
		s = tick(&t, view_count(&inner));
	}
	return s;
}

/* ---- The operators ---- */

#define INT32_UP                                                                                             \
	(DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) | DTYPE_BIT(CLAST_UINT32) | DTYPE_BIT(CLAST_UINT64))
#define INT8 (DTYPE_BIT(CLAST_INT8) | DTYPE_BIT(CLAST_UINT8))
#define OLD (DTYPES_FLOAT | INT32_UP)
#define NEW (DTYPES_FLOAT_BF16 | INT32_UP)
static const op_version sum_1[] = { { 1, OLD }, { 11, OLD }, { 13, NEW }, { 0 } };
static const op_version plain_1[] = { { 1, OLD }, { 11, OLD }, { 13, NEW }, { 18, NEW }, { 0 } };
static const op_version log_1[] = {
	{ 1, OLD }, { 11, OLD }, { 13, NEW }, { 18, NEW }, { 28, DTYPES_FLOAT_BF16 }, { 0 }
};
static const op_version extreme_1[] = { { 1, OLD },
					{ 11, OLD },
					{ 12, OLD | INT8 },
					{ 13, NEW | INT8 },
					{ 18, NEW | INT8 },
					{ 20, NEW | INT8 | DTYPES_BOOL },
					{ 0 } };
#define AT(member) offsetof(reduce_attrs, member)
#define KEEPDIMS                                                                                             \
	{                                                                                                    \
		"keepdims", ATTR_BOOL, AT(keepdims), .i = 1                                                  \
	}
static const attr_spec until_13[] = { { "axes", ATTR_INTS, AT(axes), .until = 13 },
				      { "noop_with_empty_axes", ATTR_BOOL, AT(noop_with_empty_axes),
					.since = 13 },
				      KEEPDIMS,
				      { 0 } };
static const attr_spec until_18[] = { { "axes", ATTR_INTS, AT(axes), .until = 18 },
				      { "noop_with_empty_axes", ATTR_BOOL, AT(noop_with_empty_axes),
					.since = 18 },
				      KEEPDIMS,
				      { 0 } };

#define REDUCE(symbol, onnx, number, since, spec)                                                            \
	const op op_reduce_##symbol = { .name = onnx,                                                        \
					.domain = "",                                                        \
					.versions = since,                                                   \
					.attrs = spec,                                                       \
					.attrs_bytes = sizeof(reduce_attrs),                                 \
					.min_in = 1,                                                         \
					.max_in = 2,                                                         \
					.min_out = 1,                                                        \
					.max_out = 1,                                                        \
					.shape_inputs = 2,                                                   \
					.rule = RULE_AXIS,                                                   \
					.infer = infer,                                                      \
					.reference = reference,                                              \
					.cut = cut,                                                          \
					.family = number }

REDUCE(l1, "ReduceL1", REDUCTION_L1, plain_1, until_18);
REDUCE(l2, "ReduceL2", REDUCTION_L2, plain_1, until_18);
REDUCE(log_sum, "ReduceLogSum", REDUCTION_LOG_SUM, log_1, until_18);
REDUCE(log_sum_exp, "ReduceLogSumExp", REDUCTION_LOG_SUM_EXP, log_1, until_18);
REDUCE(max, "ReduceMax", REDUCTION_MAX, extreme_1, until_18);
REDUCE(mean, "ReduceMean", REDUCTION_MEAN, plain_1, until_18);
REDUCE(min, "ReduceMin", REDUCTION_MIN, extreme_1, until_18);
REDUCE(prod, "ReduceProd", REDUCTION_PROD, plain_1, until_18);
REDUCE(sum, "ReduceSum", REDUCTION_SUM, sum_1, until_13);
REDUCE(sum_square, "ReduceSumSquare", REDUCTION_SUM_SQUARE, plain_1, until_18);
