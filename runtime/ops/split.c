/* ONNX Split: x cut along an axis into the outputs. Sizes are an attribute before opset 13 and an input
 * since; without them the parts are equal, or since opset 18 num_outputs parts of which the last may be
 * smaller. */
#include "move.h"

typedef struct attrs {
	int64_t axis, num_outputs;
	int_list split;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis) },
				  { "split", ATTR_INTS, offsetof(attrs, split), .until = 13 },
				  { "num_outputs", ATTR_INT, offsetof(attrs, num_outputs), .since = 18 },
				  { 0 } };

static clast_status check_sizes(const infer_in *in, dim extent, const dim *sizes, clast_diag *d)
{
	dim sum = 0;
	for (size_t i = 0; i < in->n_out; i++) {
		if (dim_is_number(sizes[i]) && sizes[i] < 0)
			return fail(d, CLAST_ERROR_MODEL, "split: size %zu is %lld", i, (long long)sizes[i]);
		sum = dim_add(in->dims, sum, sizes[i]);
	}
	if (dim_is_number(sum) && dim_is_number(extent) && sum != extent)
		return fail(d, CLAST_ERROR_MODEL, "split: the sizes add up to %lld, the axis has extent %lld",
			    (long long)sum, (long long)extent);
	return CLAST_OK;
}

static clast_status check_equal(const infer_in *in, dim extent, clast_diag *d)
{
	const attrs *at = in->attrs;
	const int64_t n = (int64_t)in->n_out;
	if (in->version >= 18 && at->num_outputs != n)
		return fail(d, CLAST_ERROR_MODEL,
			    "num_outputs: expected %lld as there are outputs, found %lld", (long long)n,
			    (long long)at->num_outputs);
	if (in->version < 18 && dim_is_number(extent) && extent % n)
		return fail(d, CLAST_ERROR_MODEL,
			    "an axis of extent %lld cannot be split into %lld equal parts", (long long)extent,
			    (long long)n);
	if (dim_is_number(extent) && (extent + n - 1) / n * (n - 1) > extent)
		return fail(d, CLAST_ERROR_MODEL,
			    "num_outputs: an axis of extent %lld cannot be split into %lld parts",
			    (long long)extent, (long long)n);
	return CLAST_OK;
}

/* Extent of part i; sizes NULL: equal parts. */
static dim part(const infer_in *in, dim extent, const dim *sizes, size_t i)
{
	const int64_t n = (int64_t)in->n_out;
	if (sizes)
		return sizes[i] == DIM_UNKNOWN ? fresh_like(in, "split") : sizes[i];
	const dim each =
		in->version >= 18 ? dim_ceil_div(in->dims, extent, n) : dim_floor_div(in->dims, extent, n);
	return i + 1 < in->n_out || in->version < 18
		       ? each
		       : dim_sub(in->dims, extent, dim_mul(in->dims, each, n - 1));
}

static clast_status split_ints(const infer_in *in, infer_out *out, int axis, clast_diag *d)
{
	tensor_view ints;
	if (!ints_view(in, 0, &ints))
		return CLAST_OK;
	int64_t at = 0;
	for (size_t i = 0; i < in->n_out; i++) {
		const dim n = out->out[i].shape.dims[axis];
		tensor_view piece = ints;
		if (!dim_is_number(n) || n < 0 || at + n > ints.dims[axis] ||
		    !view_slice(&piece, axis, at, n, 1))
			return CLAST_OK;
		const clast_status s = infer_view_ints(in, out, i, &piece, d);
		if (s)
			return s;
		at += n;
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	for (size_t i = 0; i < in->n_out; i++)
		out->out[i].dtype = in->in[0].dtype;
	if (in->version < 2 && has_input(in, 1))
		return fail(d, CLAST_ERROR_UNSUPPORTED,
			    "input 1 (split) of opset 1 is not supported; its attribute is");
	if (in->in[0].shape.rank < 0)
		return CLAST_OK;
	int axis;
	clast_status s = infer_axis(at->axis, in->in[0].shape.rank, "axis", &axis, d);
	if (s)
		return s;
	size_t n = 0;
	bool given;
	const dim extent = in->in[0].shape.dims[axis];
	const dim *sizes = list_or_input(in, &at->split, 1, &n, &given);
	if (sizes && n != in->n_out)
		return fail(d, CLAST_ERROR_MODEL, "split: expected %zu sizes as there are outputs, found %zu",
			    in->n_out, n);
	if (sizes)
		s = check_sizes(in, extent, sizes, d);
	else if (!given)
		s = check_equal(in, extent, d);
	for (size_t i = 0; i < in->n_out && !s; i++) {
		shape y = in->in[0].shape;
		y.dims[axis] = given && !sizes ? fresh_like(in, "split") : part(in, extent, sizes, i);
		infer_set(out, i, in->in[0].dtype, &y);
	}
	return s ? s : split_ints(in, out, axis, d);
}

static clast_status read_sizes(call *c, int64_t extent, int64_t *sizes)
{
	const attrs *at = c->attrs;
	const int64_t parts = (int64_t)c->n_out, each = (extent + parts - 1) / parts;
	size_t n;
	bool given;
	const clast_status s = list_or_call(c, &at->split, 1, c->n_out, sizes, &n, &given);
	int64_t sum = 0;
	for (size_t i = 0; i < c->n_out; i++) {
		if (!given)
			sizes[i] = i + 1 < c->n_out ? each : extent - each * (parts - 1);
		sum += i < n || !given ? sizes[i] : 0;
	}
	if (!s && sum != extent)
		return fail(c->diag, CLAST_ERROR_DATA,
			    "split: the sizes add up to %lld, the axis has extent %lld", (long long)sum,
			    (long long)extent);
	return s;
}

static clast_status copy_part(call *c, size_t i, int axis, int64_t start, int64_t n)
{
	move m;
	move_start(&m, c, c->out[i], c->in[0]);
	for (int a = 0; a < c->in[0]->rank; a++) {
		if (a == axis)
			move_range(&m, n, a, 0, 1, a, start, 1);
		else
			move_whole(&m, a, a);
	}
	return move_run(&m);
}

static clast_status reference(call *c)
{
	const int axis = wrap_axis(((const attrs *)c->attrs)->axis, c->in[0]->rank);
	const size_t bytes = c->n_out * sizeof(int64_t);
	int64_t *sizes = mem_alloc(c->memory, bytes), at = 0;
	if (!sizes)
		return fail_memory(c->diag, bytes);
	clast_status s = read_sizes(c, c->in[0]->dims[axis], sizes);
	for (size_t i = 0; i < c->n_out && !s; i++) {
		if (c->out[i])
			s = copy_part(c, i, axis, at, sizes[i]);
		at += sizes[i];
	}
	mem_free(c->memory, sizes, bytes);
	return s;
}

static bool window(const infer_in *in, const infer_value *out, size_t j, tensor_view *v)
{
	const int axis = wrap_axis(((const attrs *)in->attrs)->axis, v->rank);
	int64_t at = 0;
	for (size_t i = 0; i < j; i++) {
		if (!out[i].present)
			return false;
		at += out[i].shape.dims[axis];
	}
	return view_slice(v, axis, at, out[j].shape.dims[axis], 1);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	if (operand > 0 && operand < in->n_in)
		return 0;
	return rank < 0 ? UINT32_MAX : 1u << wrap_axis(((const attrs *)in->attrs)->axis, rank);
}

static const op_version versions[] = { { 1, DTYPES_FLOAT },   { 2, DTYPES_ALL_12 },  { 11, DTYPES_ALL_12 },
				       { 13, DTYPES_ALL_13 }, { 18, DTYPES_ALL_13 }, { 0 } };
const op op_split = { .name = "Split",
		      .domain = "",
		      .versions = versions,
		      .attrs = spec,
		      .attrs_bytes = sizeof(attrs),
		      .min_in = 1,
		      .max_in = 2,
		      .min_out = 1,
		      .max_out = UINT16_MAX,
		      .shape_inputs = 1u << 1,
		      .rule = RULE_AXIS,
		      .infer = infer,
		      .reference = reference,
		      .cut = cut,
		      .window = window };
