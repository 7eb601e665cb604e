/* ONNX Slice: along each listed axis the elements from start up to, not including, end, at distance step.
 * Negative starts and ends count from the end of the axis; both are clamped to it. Opset 1 has attributes and
 * no steps, opset 10 has inputs. */
#include "move.h"

typedef struct attrs {
	int_list starts, ends, axes;
} attrs;
static const attr_spec spec[] = { { "starts", ATTR_INTS, offsetof(attrs, starts), .required = true,
				    .until = 10 },
				  { "ends", ATTR_INTS, offsetof(attrs, ends), .required = true, .until = 10 },
				  { "axes", ATTR_INTS, offsetof(attrs, axes), .until = 10 },
				  { 0 } };

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

static int64_t bounds(int64_t extent, int64_t start, int64_t end, int64_t step, int64_t *first)
{
	start += start < 0 ? extent : 0;
	end += end < 0 ? extent : 0;
	*first = 0;
	if (!extent)
		return 0;
	if (step > 0) {
		*first = clamp(start, 0, extent);
		end = clamp(end, 0, extent);
		return end > *first ? (end - *first - 1) / step + 1 : 0;
	}
	*first = clamp(start, 0, extent - 1);
	end = clamp(end, -1, extent - 1);
	return *first > end ? (int64_t)((uint64_t)(*first - end - 1) / -(uint64_t)step) + 1 : 0;
}

/* Beyond the end of every axis that fits in memory: what exporters write for "to the end". */
#define FAR INT32_MAX

/* start or end counted from the beginning of an axis of symbolic extent; DIM_UNKNOWN if its sign is not
 * known. */
static dim from_beginning(const infer_in *in, dim x, dim extent)
{
	int64_t lo, hi;
	if (!dim_range(in->dims, x, &lo, &hi))
		return DIM_UNKNOWN;
	if (lo >= 0)
		return x;
	return hi < 0 ? dim_add(in->dims, x, extent) : DIM_UNKNOWN;
}

static dim clamp_dim(const infer_in *in, dim x, dim lo, dim hi)
{
	return dim_min(in->dims, dim_max(in->dims, x, lo), hi);
}

static dim symbolic_extent(const infer_in *in, dim extent, dim start, dim end, int64_t step)
{
	const dim last = step > 0 ? extent : dim_sub(in->dims, extent, 1), before = step > 0 ? 0 : -1;
	const dim first = dim_is_number(start) && start >= FAR ? last
			  : dim_is_number(start) && start < -FAR
				  ? 0
				  : clamp_dim(in, from_beginning(in, start, extent), 0, last);
	const dim stop = dim_is_number(end) && end >= FAR ? last
			 : dim_is_number(end) && end < -FAR
				 ? before
				 : clamp_dim(in, from_beginning(in, end, extent), before, last);
	const dim length = step > 0 ? dim_sub(in->dims, stop, first) : dim_sub(in->dims, first, stop);
	const int64_t distance = step > FAR || step < -FAR ? FAR : step > 0 ? step : -step;
	const dim n = dim_max(in->dims, 0, dim_ceil_div(in->dims, length, distance));
	return n == DIM_UNKNOWN ? infer_fresh(in, "slice", 0, DIM_NO_MAX) : n;
}

typedef struct params {
	const dim *starts, *ends, *steps; /* NULL where not known; steps is NULL with no_steps, too */
	bool no_steps;
	bool known_axes;
	int n;
	int axes[CLAST_MAX_RANK];
	uint32_t mask;
} params;

static clast_status read_axes(const infer_in *in, int rank, size_t n, params *p, clast_diag *d)
{
	size_t n_axes = 0;
	bool given;
	const int64_t *axes = numbers_or_input(in, &((const attrs *)in->attrs)->axes, 3, &n_axes, &given);
	p->known_axes = axes || (!given && n);
	if (!given)
		n_axes = n;
	if (!p->known_axes)
		return CLAST_OK;
	if (n_axes > (size_t)rank || (n && n != n_axes))
		return fail(d, CLAST_ERROR_MODEL,
			    "axes: expected as many as there are starts (%zu) and at most %d, found %zu", n,
			    rank, n_axes);
	p->n = (int)n_axes;
	p->mask = all_axes(p->n);
	for (int i = 0; i < p->n; i++)
		p->axes[i] = axes ? wrap_axis(axes[i], rank) : i;
	return axes ? infer_axes(axes, n_axes, rank, &p->mask, d) : CLAST_OK;
}

static clast_status read_params(const infer_in *in, int rank, params *p, clast_diag *d)
{
	const attrs *at = in->attrs;
	const int_list none = { 0 };
	size_t n_starts = 0, n_ends = 0, n_steps = 0;
	bool given;
	*p = (params){ 0 };
	if (in->version >= 10 && (!has_input(in, 1) || !has_input(in, 2)))
		return fail(d, CLAST_ERROR_MODEL, "input %d (%s) is missing", has_input(in, 1) ? 2 : 1,
			    has_input(in, 1) ? "ends" : "starts");
	p->starts = list_or_input(in, &at->starts, 1, &n_starts, &given);
	p->ends = list_or_input(in, &at->ends, 2, &n_ends, &given);
	p->steps = list_or_input(in, &none, 4, &n_steps, &given);
	p->no_steps = !given;
	if ((p->starts && p->ends && n_starts != n_ends) || (p->starts && p->steps && n_starts != n_steps))
		return fail(d, CLAST_ERROR_MODEL, "starts, ends and steps have %zu, %zu and %zu elements",
			    n_starts, n_ends, n_steps);
	return read_axes(in, rank, p->starts ? n_starts : p->ends ? n_ends : 0, p, d);
}

static clast_status slice_axis(const infer_in *in, const params *p, int i, dim *extent, clast_diag *d)
{
	const dim step = p->no_steps ? 1 : p->steps ? p->steps[i] : DIM_UNKNOWN;
	int64_t first;
	if (step == 0)
		return fail(d, CLAST_ERROR_MODEL, "steps: step %d is 0", i);
	if (!p->starts || !p->ends || !dim_is_number(step))
		*extent = fresh_like(in, "slice");
	else if (dim_is_number(*extent) && dim_is_number(p->starts[i]) && dim_is_number(p->ends[i]))
		*extent = bounds(*extent, p->starts[i], p->ends[i], step, &first);
	else
		*extent = symbolic_extent(in, *extent, p->starts[i], p->ends[i], step);
	return *extent == DIM_ERROR ? fail(d, CLAST_ERROR_MODEL, "the extent of the result overflows")
				    : CLAST_OK;
}

static clast_status slice_ints(const infer_in *in, const params *p, infer_out *out, clast_diag *d)
{
	tensor_view ints;
	if (!p->known_axes || !ints_view(in, 0, &ints))
		return CLAST_OK;
	for (int i = 0; i < p->n; i++) {
		int64_t first;
		const dim step = p->no_steps ? 1 : p->steps ? p->steps[i] : DIM_UNKNOWN;
		if (!p->starts || !p->ends || !dim_is_number(p->starts[i]) || !dim_is_number(p->ends[i]) ||
		    !dim_is_number(step))
			return CLAST_OK;
		const int64_t n = bounds(ints.dims[p->axes[i]], p->starts[i], p->ends[i], step, &first);
		view_slice(&ints, p->axes[i], first, n, step);
	}
	return infer_view_ints(in, out, 0, &ints, d);
}

static bool window(const infer_in *in, const infer_value *out, size_t j, tensor_view *v)
{
	params p;
	(void)out, (void)j;
	if (read_params(in, v->rank, &p, NULL) || !p.known_axes || !p.starts || !p.ends)
		return false;
	for (int i = 0; i < p.n; i++) {
		int64_t first;
		const dim step = p.no_steps ? 1 : p.steps ? p.steps[i] : DIM_UNKNOWN;
		if (!dim_is_number(p.starts[i]) || !dim_is_number(p.ends[i]) || !dim_is_number(step) || !step)
			return false;
		const int64_t n = bounds(v->dims[p.axes[i]], p.starts[i], p.ends[i], step, &first);
		if (!view_slice(v, p.axes[i], first, n, step))
			return false;
	}
	return true;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y = in->in[0].shape;
	out->out[0].dtype = in->in[0].dtype;
	if (y.rank < 0)
		return CLAST_OK;
	params p;
	clast_status s = read_params(in, y.rank, &p, d);
	if (!p.known_axes)
		infer_fresh_shape(in, "slice", y.rank, &y);
	for (int i = 0; i < p.n && !s; i++)
		s = slice_axis(in, &p, i, &y.dims[p.axes[i]], d);
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &y);
	return slice_ints(in, &p, out, d);
}

static clast_status reference(call *c)
{
	const attrs *at = c->attrs;
	const int_list none = { 0 };
	const tensor_view *x = c->in[0], *y = c->out[0];
	int64_t starts[CLAST_MAX_RANK], ends[CLAST_MAX_RANK], axes[CLAST_MAX_RANK], steps[CLAST_MAX_RANK];
	int64_t first[CLAST_MAX_RANK] = { 0 }, step[CLAST_MAX_RANK];
	size_t n, n_ends, n_axes, n_steps;
	bool given, axes_given, steps_given;
	clast_status s = list_or_call(c, &at->starts, 1, CLAST_MAX_RANK, starts, &n, &given);
	s = s ? s : list_or_call(c, &at->ends, 2, CLAST_MAX_RANK, ends, &n_ends, &given);
	s = s ? s : list_or_call(c, &at->axes, 3, CLAST_MAX_RANK, axes, &n_axes, &axes_given);
	s = s ? s : list_or_call(c, &none, 4, CLAST_MAX_RANK, steps, &n_steps, &steps_given);
	if (s)
		return s;
	for (int a = 0; a < x->rank; a++)
		step[a] = 1;
	for (size_t i = 0; i < n; i++) {
		const int a = axes_given ? wrap_axis(axes[i], x->rank) : (int)i;
		step[a] = steps_given ? steps[i] : 1;
		bounds(x->dims[a], starts[i], ends[i], step[a], &first[a]);
	}
	move m;
	move_start(&m, c, y, x);
	for (int a = 0; a < x->rank; a++)
		move_range(&m, y->dims[a], a, 0, 1, a, first[a], step[a]);
	return move_run(&m);
}

/* The listed axes of data and result; the vectors of numbers are read in any order. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	params p;
	const int rank = in->in[0].shape.rank;
	if (operand > 0 && operand < in->n_in)
		return 0;
	if (rank < 0 || read_params(in, rank, &p, NULL) || !p.known_axes)
		return all_axes(rank);
	return p.mask;
}

static const op_version versions[] = {
	{ 1, DTYPES_ALL_12 }, { 10, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 }
};
const op op_slice = { .name = "Slice",
		      .domain = "",
		      .versions = versions,
		      .attrs = spec,
		      .attrs_bytes = sizeof(attrs),
		      .min_in = 1,
		      .max_in = 5,
		      .min_out = 1,
		      .max_out = 1,
		      .shape_inputs = 0x1e,
		      .rule = RULE_AXIS,
		      .infer = infer,
		      .reference = reference,
		      .window = window,
		      .cut = cut };
