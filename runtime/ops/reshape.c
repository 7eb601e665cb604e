/* ONNX Reshape: the elements of x, in row-major order, in another shape. An extent of 0 stands for that of x
 * on the same axis (unless allowzero), one extent of -1 for what is left. Opset 1 has the shape as an
 * attribute, opset 5 as an input. */
#include "move.h"

typedef struct attrs {
	int_list shape, consumed_inputs;
	bool allowzero;
} attrs;
static const attr_spec spec[] = { { "shape", ATTR_INTS, offsetof(attrs, shape), .until = 5 },
				  { "consumed_inputs", ATTR_INTS, offsetof(attrs, consumed_inputs),
				    .until = 5 },
				  { "allowzero", ATTR_BOOL, offsetof(attrs, allowzero), .since = 14 },
				  { 0 } };

/* Takes factors that both lists hold out of both. */
static void cancel(dim *a, size_t *n_a, dim *b, size_t *n_b)
{
	for (size_t i = 0; i < *n_a;) {
		size_t j = 0;
		while (j < *n_b && b[j] != a[i])
			j++;
		if (j == *n_b) {
			i++;
			continue;
		}
		a[i] = a[--*n_a];
		b[j] = b[--*n_b];
	}
}

/* The extent that makes both products equal. */
static clast_status resolve_hole(const infer_in *in, shape *y, int hole, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	dim num[CLAST_MAX_RANK], den[CLAST_MAX_RANK];
	size_t n_num = 0, n_den = 0;
	for (int a = 0; a < x->rank; a++)
		num[n_num++] = x->dims[a];
	for (int a = 0; a < y->rank; a++)
		if (a != hole)
			den[n_den++] = y->dims[a];
	cancel(num, &n_num, den, &n_den);
	const dim all = dim_product(in->dims, n_num, num), rest = dim_product(in->dims, n_den, den);
	if (all == DIM_UNKNOWN || rest == DIM_UNKNOWN) {
		y->dims[hole] = fresh_like(in, "reshape");
		return CLAST_OK;
	}
	if (dim_is_number(all) && dim_is_number(rest) && (rest == 0 || all % rest))
		return fail(d, CLAST_ERROR_MODEL,
			    "shape: %lld elements cannot be divided into parts of %lld for the extent of -1",
			    (long long)all, (long long)rest);
	y->dims[hole] = dim_floor_div(in->dims, all, rest);
	return y->dims[hole] == DIM_ERROR ? fail(d, CLAST_ERROR_MODEL, "shape: the extents overflow")
					  : CLAST_OK;
}

static clast_status check_count(const infer_in *in, const shape *y, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	const dim a = dim_product(in->dims, (size_t)x->rank, x->dims),
		  b = dim_product(in->dims, (size_t)y->rank, y->dims);
	if (!dim_is_number(a) || !dim_is_number(b) || a == b)
		return CLAST_OK;
	char from[200], to[200];
	shape_format(in->dims, x, from, sizeof from);
	shape_format(in->dims, y, to, sizeof to);
	return fail(d, CLAST_ERROR_MODEL, "data of shape %s has %lld elements and cannot take the shape %s",
		    from, (long long)a, to);
}

/* Which extent is computed from the others: the -1, or else a single one whose value is not known. */
static clast_status find_hole(const dim *want, size_t n, int *hole, clast_diag *d)
{
	int holes = 0, unknown = 0, last_unknown = -1;
	*hole = -1;
	for (size_t i = 0; i < n; i++) {
		if (want[i] == -1) {
			holes++;
			*hole = (int)i;
		} else if (want[i] == DIM_UNKNOWN) {
			unknown++;
			last_unknown = (int)i;
		} else if (dim_is_number(want[i]) && want[i] < 0) {
			return fail(d, CLAST_ERROR_MODEL, "shape: extent %zu is %lld", i, (long long)want[i]);
		}
	}
	if (holes > 1)
		return fail(d, CLAST_ERROR_MODEL, "shape: -1 occurs %d times", holes);
	if (!holes && unknown == 1)
		*hole = last_unknown;
	return CLAST_OK;
}

static clast_status resolve(const infer_in *in, const dim *want, size_t n, shape *y, clast_diag *d)
{
	const bool allowzero = ((const attrs *)in->attrs)->allowzero;
	const shape *x = &in->in[0].shape;
	int hole;
	clast_status s = find_hole(want, n, &hole, d);
	if (s)
		return s;
	y->rank = (int)n;
	for (int a = 0; a < y->rank; a++) {
		y->dims[a] = want[a];
		if (want[a] == 0 && !allowzero) {
			if (x->rank >= 0 && a >= x->rank)
				return fail(d, CLAST_ERROR_MODEL,
					    "shape: extent %d is 0 but data has rank %d", a, x->rank);
			y->dims[a] = x->rank >= 0 ? x->dims[a] : fresh_like(in, "reshape");
		} else if (want[a] == DIM_UNKNOWN || (a == hole && x->rank < 0)) {
			y->dims[a] = fresh_like(in, "reshape");
		}
		if (want[a] == 0 && allowzero && hole >= 0 && want[hole] == -1)
			return fail(d, CLAST_ERROR_MODEL, "shape: 0 and -1 occur together with allowzero");
	}
	if (x->rank < 0)
		return CLAST_OK;
	if (hole >= 0)
		s = resolve_hole(in, y, hole, d);
	return s ? s : check_count(in, y, d);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	if (in->version >= 5 && !has_input(in, 1))
		return fail(d, CLAST_ERROR_MODEL, "input 1 (shape) is missing");
	size_t n = 0;
	bool given;
	const dim *want = list_or_input(in, &at->shape, 1, &n, &given);
	shape y = { .rank = -1 };
	if (!want && has_input(in, 1) && in->in[1].shape.rank == 1 &&
	    dim_is_number(in->in[1].shape.dims[0])) {
		n = (size_t)in->in[1].shape.dims[0];
		if (n <= CLAST_MAX_RANK)
			infer_fresh_shape(in, "reshape", (int)n, &y);
	}
	if (n > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "shape: %zu axes, at most %d are possible", n,
			    CLAST_MAX_RANK);
	clast_status s = want ? resolve(in, want, n, &y, d) : CLAST_OK;
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &y);
	infer_same_ints(in, out);
	return CLAST_OK;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT },   { 5, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 }, { 14, DTYPES_ALL_13 },
				       { 19, DTYPES_ALL_19 }, { 21, DTYPES_ALL_21 },
				       { 23, DTYPES_ALL_23 }, { 24, DTYPES_ALL_24 },
				       { 25, DTYPES_ALL_25 }, { 0 } };
const op op_reshape = { .name = "Reshape",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(attrs),
			.min_in = 1,
			.max_in = 2,
			.min_out = 1,
			.max_out = 1,
			.shape_inputs = 1u << 1,
			.rule = RULE_REGROUP,
			.infer = infer,
			.reference = regroup_reference,
			.views = regroup_views };
