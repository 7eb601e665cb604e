/* ONNX NonZero: the indices of all elements that are not zero, one column each, in row-major order. A string
 * is zero when empty. */
#include <string.h>

#include "infer.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	const dim all = x->rank < 0 ? DIM_UNKNOWN : dim_product(in->dims, (size_t)x->rank, x->dims);
	shape s = { .rank = 2 };
	(void)d;
	/* A scalar counts as a tensor of one element. */
	s.dims[0] = x->rank < 0 ? infer_fresh(in, "rank", 1, CLAST_MAX_RANK) : x->rank ? x->rank : 1;
	s.dims[1] = infer_fresh(in, "nonzero", 0, dim_is_number(all) ? all : DIM_NO_MAX);
	infer_set(out, 0, CLAST_INT64, &s);
	return CLAST_OK;
}

static bool is_nonzero(const tensor_view *x, int64_t at)
{
	if (x->dtype == CLAST_STRING)
		return ((const clast_string *)x->data)[at].length != 0;
	if (x->dtype == CLAST_COMPLEX64)
		return ((const float *)x->data)[2 * at] != 0 || ((const float *)x->data)[2 * at + 1] != 0;
	if (x->dtype == CLAST_COMPLEX128)
		return ((const double *)x->data)[2 * at] != 0 || ((const double *)x->data)[2 * at + 1] != 0;
	return dtype_is_float(x->dtype) ? load_real(x, at) != 0 : load_int(x, at) != 0;
}

/* The first element from `at` on that is not zero, or count. x is dense. Most elements of a mask are zero, and
 * words of zeros are skipped whole. */
static int64_t next_nonzero(const tensor_view *x, int64_t at, int64_t count)
{
	const int64_t bytes = (int64_t)clast_dtype_bytes(x->dtype);
	const int64_t word = bytes < 8 ? 8 / bytes : 1;
	while (at < count) {
		uint64_t bits;
		if (bytes <= 8 && at + word <= count) {
			memcpy(&bits, (const char *)x->data + at * bytes, sizeof bits);
			if (!bits) {
				at += word;
				continue;
			}
		}
		for (const int64_t end = at + word < count ? at + word : count; at < end; at++)
			if (is_nonzero(x, at))
				return at;
	}
	return count;
}

static clast_status dense(call *c, const tensor_view *x)
{
	const int64_t count = view_count(x);
	int64_t dims[] = { x->rank ? x->rank : 1, 0 }, column = 0;
	for (int64_t i = next_nonzero(x, 0, count); i < count; i = next_nonzero(x, i + 1, count))
		dims[1]++;
	const clast_status s = call_output(c, 0, CLAST_INT64, 2, dims);
	if (s)
		return s;
	const tensor_view *y = c->out[0];
	for (int64_t i = next_nonzero(x, 0, count); i < count; i = next_nonzero(x, i + 1, count), column++) {
		int64_t rest = i;
		for (int a = (int)dims[0] - 1; a >= 0; a--) {
			const int64_t extent = x->rank ? x->dims[a] : 1;
			store_int(y, axis_offset(y, 0, a) + axis_offset(y, 1, column), rest % extent);
			rest /= extent;
		}
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0];
	if (view_is_dense(x))
		return dense(c, x);
	int64_t dims[] = { x->rank ? x->rank : 1, 0 }, column = 0;
	for (iter it = iter_over(x); iter_next(&it);)
		dims[1] += is_nonzero(x, iter_offset(x, &it));
	const clast_status s = call_output(c, 0, CLAST_INT64, 2, dims);
	if (s)
		return s;
	const tensor_view *y = c->out[0];
	for (iter it = iter_over(x); iter_next(&it);) {
		if (!is_nonzero(x, iter_offset(x, &it)))
			continue;
		for (int a = 0; a < dims[0]; a++)
			store_int(y, axis_offset(y, 0, a) + axis_offset(y, 1, column),
				  x->rank ? it.index[a] : 0);
		column++;
	}
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return UINT32_MAX;
}

static const op_version versions[] = { { 9, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 } };
const op op_non_zero = { .name = "NonZero",
			 .domain = "",
			 .versions = versions,
			 .min_in = 1,
			 .max_in = 1,
			 .min_out = 1,
			 .max_out = 1,
			 .flags = OP_DATA_SHAPED,
			 .rule = RULE_AXIS,
			 .infer = infer,
			 .reference = reference,
			 .cut = cut };
