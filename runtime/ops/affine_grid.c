/* ONNX AffineGrid: the coordinates that GridSample takes, of a regular grid under an affine map for each
 * batch. theta: [N, r, r + 1]; size: (N, C, D1, ..., Dr), r = 2 or 3; grid: [N, D1, ..., Dr, r], the
 * innermost axis's coordinate first. */
#include "move.h"

typedef struct attrs {
	bool align_corners;
} attrs;
static const attr_spec spec[] = { { "align_corners", ATTR_BOOL, offsetof(attrs, align_corners) }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *theta = &in->in[0].shape;
	size_t n = 0;
	clast_status s = infer_rank(in, 0, 3, 3, d);
	s = s ? s : infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	const dim *size = infer_ints(in, 1, &n);
	shape y = { .rank = -1 };
	if (s)
		return s;
	if (size && n != 4 && n != 5)
		return fail(d, CLAST_ERROR_MODEL, "size: expected 4 or 5 elements, found %zu", n);
	if (!size && theta->rank == 3 && dim_is_number(theta->dims[1]))
		n = (size_t)theta->dims[1] + 2;
	if (n == 4 || n == 5) {
		const dim r = (dim)n - 2;
		y.rank = (int)n;
		/* [N, C, D1, ...] without C. */
		for (int a = 0; a < y.rank - 1; a++) {
			const dim e = size ? size[a ? a + 1 : 0] : DIM_UNKNOWN;
			y.dims[a] = e == DIM_UNKNOWN ? fresh_like(in, "grid") : e;
		}
		y.dims[y.rank - 1] = r;
		for (int a = 0; a < y.rank; a++)
			if (dim_is_number(y.dims[a]) && y.dims[a] < 0)
				return fail(d, CLAST_ERROR_MODEL, "size: an extent is %lld",
					    (long long)y.dims[a]);
		dim rows = r, columns = r + 1;
		if (theta->rank == 3 &&
		    (!dims_unify(&y.dims[0], theta->dims[0]) || !dims_unify(&rows, theta->dims[1]) ||
		     !dims_unify(&columns, theta->dims[2])))
			return fail(d, CLAST_ERROR_MODEL,
				    "theta: expected the shape [%lld, %lld, %lld], found [%lld, %lld, %lld]",
				    (long long)y.dims[0], (long long)r, (long long)r + 1,
				    (long long)theta->dims[0], (long long)theta->dims[1],
				    (long long)theta->dims[2]);
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

static double coordinate(bool align_corners, int64_t i, int64_t n)
{
	if (align_corners)
		return n > 1 ? -1 + 2 * (double)i / (double)(n - 1) : -1;
	return -1 + (2 * (double)i + 1) / (double)n;
}

static clast_status reference(call *c)
{
	const tensor_view *theta = c->in[0], *y = c->out[0];
	const bool align = ((const attrs *)c->attrs)->align_corners;
	const int r = y->rank - 2;
	for (iter it = iter_over(y); iter_next(&it);) {
		const int64_t row =
			axis_offset(theta, 0, it.index[0]) + axis_offset(theta, 1, it.index[r + 1]);
		double sum = load_real(theta, row + axis_offset(theta, 2, r));
		for (int k = 0; k < r; k++)
			sum += load_real(theta, row + axis_offset(theta, 2, k)) *
			       coordinate(align, it.index[r - k], y->dims[r - k]);
		put_real(y, &it, sum);
	}
	return CLAST_OK;
}

static const op_version versions[] = { { 20, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_affine_grid = { .name = "AffineGrid",
			    .domain = "",
			    .versions = versions,
			    .attrs = spec,
			    .attrs_bytes = sizeof(attrs),
			    .min_in = 2,
			    .max_in = 2,
			    .min_out = 1,
			    .max_out = 1,
			    .shape_inputs = 1u << 1,
			    .rule = RULE_FIXED,
			    .infer = infer,
			    .reference = reference };
