/* ONNX MaxUnpool: zeros but for y[indices[i]] = x[i]. The indices count row-major in the shape that a MaxPool
 * with these attributes makes x from: (in - 1) * stride + kernel - pads along each spatial axis.
 * output_shape, where given, is at least that large; the rest of it is zero. Of equal indices the last one
 * counts. */
#include "conv_attrs.h"

static clast_status unpooled(dim_table *t, const window_attrs *a, const shape *x, shape *y, clast_diag *d)
{
	conv_geometry g;
	const clast_status s = window_read(a, x->rank - 2, &g, d);
	if (s)
		return s;
	*y = *x;
	for (int i = 0; i < g.spatial; i++) {
		const dim reach = dim_mul(t, dim_sub(t, x->dims[2 + i], 1), g.stride[i]);
		y->dims[2 + i] = dim_add(t, reach, g.kernel[i] - g.pad_begin[i] - g.pad_end[i]);
	}
	return CLAST_OK;
}

static clast_status check(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *indices = &in->in[1].shape;
	clast_status s = infer_rank(in, 0, 3, CLAST_MAX_RANK, d);
	if (!s)
		s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	if (!s && x->rank >= 0)
		s = infer_rank(in, 1, x->rank, x->rank, d);
	for (int i = 0; !s && x->rank >= 0 && i < indices->rank; i++)
		if (dim_is_number(x->dims[i]) && dim_is_number(indices->dims[i]) &&
		    x->dims[i] != indices->dims[i])
			s = fail(d, CLAST_ERROR_MODEL, "input 1: axis %d has extent %lld, expected %lld", i,
				 (long long)indices->dims[i], (long long)x->dims[i]);
	if (!s && has_input(in, 2))
		s = infer_dtype(in, 2, DTYPE_BIT(CLAST_INT64), d);
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	shape y = { .rank = -1 };
	clast_status s = check(in, d);
	if (!s && x->rank >= 0)
		s = unpooled(in->dims, in->attrs, x, &y, d);
	if (s)
		return s;
	size_t n = 0;
	const dim *wanted = infer_ints(in, 2, &n);
	if (y.rank >= 0 && wanted && n != (size_t)y.rank)
		return fail(d, CLAST_ERROR_MODEL, "input 2: expected %d elements, found %zu", y.rank, n);
	for (int i = 0; has_input(in, 2) && i < y.rank; i++) {
		const dim have = wanted ? wanted[i] : infer_fresh(in, "unpooled", 0, DIM_NO_MAX);
		if (dim_is_number(have) && dim_is_number(y.dims[i]) && have < y.dims[i])
			return fail(d, CLAST_ERROR_MODEL, "input 2: axis %d needs %lld elements, found %lld",
				    i, (long long)y.dims[i], (long long)have);
		y.dims[i] = have;
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

static clast_status place(call *c, const shape *pooled, int64_t index, double value)
{
	const tensor_view *y = c->out[0];
	int64_t position[CLAST_MAX_RANK], rest = index;
	bool inside = index >= 0;
	for (int i = pooled->rank - 1; i >= 0; i--) {
		const int64_t extent = pooled->dims[i] > 0 ? pooled->dims[i] : 1;
		position[i] = rest % extent;
		rest /= extent;
		inside = inside && position[i] < y->dims[i];
	}
	if (!inside || rest)
		return fail(c->diag, CLAST_ERROR_DATA, "index %lld lies outside the output",
			    (long long)index);
	store_real(y, view_offset(y, position), value);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *indices = c->in[1];
	shape in = { .rank = x->rank }, pooled;
	for (int i = 0; i < x->rank; i++)
		in.dims[i] = x->dims[i];
	clast_status s = unpooled(NULL, c->attrs, &in, &pooled, c->diag);
	for (iter it = iter_over(c->out[0]); !s && iter_next(&it);)
		put_real(c->out[0], &it, 0);
	for (iter it = iter_over(x); !s && iter_next(&it);)
		s = place(c, &pooled, get_int(indices, &it), get_real(x, &it));
	return s;
}

static const attr_spec spec[] = { { "kernel_shape", ATTR_INTS, offsetof(window_attrs, kernel_shape),
				    .required = true },
				  { "strides", ATTR_INTS, offsetof(window_attrs, strides) },
				  { "pads", ATTR_INTS, offsetof(window_attrs, pads) },
				  { 0 } };
static const op_version versions[] = {
	{ 9, DTYPES_FLOAT }, { 11, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_max_unpool = { .name = "MaxUnpool",
			   .domain = "",
			   .versions = versions,
			   .attrs = spec,
			   .attrs_bytes = sizeof(window_attrs),
			   .min_in = 2,
			   .max_in = 3,
			   .min_out = 1,
			   .max_out = 1,
			   .shape_inputs = 1u << 2,
			   .rule = RULE_FIXED,
			   .infer = infer,
			   .reference = reference };
