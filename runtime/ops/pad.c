/* ONNX Pad: elements added before and after along axes, or taken away where a pad is negative. What is added
 * is a constant, the axis mirrored without its border (reflect), the border repeated (edge), or the axis
 * repeated (wrap). Negative pads are applied first; the other modes then see the axis that is left. Opset 1
 * and 2 have attributes, opset 11 inputs, opset 18 an input axes. */
#include "move.h"
#include "pad.h"

static const char *const modes[] = { "constant", "reflect", "edge", NULL };
static const char *const modes_19[] = { "constant", "reflect", "edge", "wrap", NULL };

typedef pad_attrs attrs;
static const attr_spec spec[] = {
	{ "paddings", ATTR_INTS, offsetof(attrs, pads), .required = true, .until = 2 },
	{ "pads", ATTR_INTS, offsetof(attrs, pads), .required = true, .since = 2, .until = 11 },
	{ "value", ATTR_FLOAT, offsetof(attrs, value), .until = 11 },
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes, .until = 19 },
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes_19, .since = 19 },
	{ 0 }
};

typedef pad_params params;

clast_status pad_read(const infer_in *in, int rank, pad_params *p, clast_diag *d)
{
	const int_list none = { 0 };
	size_t n = 0, n_axes = 0;
	bool given, axes_given;
	const dim *pads = list_or_input(in, &((const attrs *)in->attrs)->pads, 1, &n, &given);
	const int64_t *axes = numbers_or_input(in, &none, 3, &n_axes, &axes_given);
	clast_status s = CLAST_OK;
	p->known_axes = axes || !axes_given;
	p->mask = all_axes(rank);
	if (axes)
		s = infer_axes(axes, n_axes, rank, &p->mask, d);
	if (s || !p->known_axes)
		return s;
	const size_t listed = axes ? n_axes : (size_t)rank;
	if (pads && n != 2 * listed)
		return fail(d, CLAST_ERROR_MODEL, "pads: expected %zu elements for %zu axes, found %zu",
			    2 * listed, listed, n);
	for (int a = 0; a < rank; a++)
		p->before[a] = p->after[a] = 0;
	for (size_t i = 0; i < listed; i++) {
		const int a = axes ? wrap_axis(axes[i], rank) : (int)i;
		p->before[a] = pads ? pads[i] : DIM_UNKNOWN;
		p->after[a] = pads ? pads[listed + i] : DIM_UNKNOWN;
	}
	return CLAST_OK;
}

static clast_status check_value(const infer_in *in, clast_diag *d)
{
	if (in->version >= 11 && !has_input(in, 1))
		return fail(d, CLAST_ERROR_MODEL, "input 1 (pads) is missing");
	int64_t count;
	if (!has_input(in, 2))
		return CLAST_OK;
	if (infer_count(in, 2, &count) && count != 1)
		return fail(d, CLAST_ERROR_MODEL,
			    "input 2 (constant_value): expected one element, found %lld", (long long)count);
	return infer_same_dtype(in, 0, 2, d);
}

static clast_status padded_extent(const infer_in *in, const params *p, int a, dim *extent, clast_diag *d)
{
	const dim x = *extent;
	*extent = dim_add(in->dims, x, dim_add(in->dims, p->before[a], p->after[a]));
	if (*extent == DIM_UNKNOWN)
		*extent = fresh_like(in, "pad");
	if (*extent == DIM_ERROR || (dim_is_number(*extent) && *extent < 0))
		return fail(d, CLAST_ERROR_MODEL,
			    "pads: axis %d with pads %lld and %lld gets no valid extent", a,
			    (long long)p->before[a], (long long)p->after[a]);
	const int mode = ((const attrs *)in->attrs)->mode;
	if (mode != PAD_CONSTANT && dim_is_number(x) && dim_is_number(*extent) && *extent &&
	    (x <= 0 || p->before[a] <= -x || p->after[a] <= -x))
		return fail(d, CLAST_ERROR_MODEL,
			    "pads: axis %d has no element left that mode %s could repeat", a, modes_19[mode]);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y = in->in[0].shape;
	out->out[0].dtype = in->in[0].dtype;
	clast_status s = check_value(in, d);
	if (s || y.rank < 0)
		return s;
	params p;
	if ((s = pad_read(in, y.rank, &p, d)))
		return s;
	if (!p.known_axes)
		infer_fresh_shape(in, "pad", y.rank, &y);
	for (int a = 0; a < y.rank && p.known_axes && !s; a++)
		s = padded_extent(in, &p, a, &y.dims[a], d);
	infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

int64_t pad_source(int mode, int64_t i, int64_t extent, int64_t before, int64_t after)
{
	const int64_t lo = before < 0 ? -before : 0, hi = after < 0 ? extent + after : extent, n = hi - lo;
	int64_t x = i - before;
	if (mode == PAD_CONSTANT)
		return x >= 0 && x < extent ? x : -1;
	x -= lo;
	if (mode == PAD_EDGE)
		x = x < 0 ? 0 : x >= n ? n - 1 : x;
	else if (mode == PAD_WRAP)
		x = (x % n + n) % n;
	else if (n == 1)
		x = 0;
	else {
		const int64_t period = 2 * (n - 1);
		x = (x % period + period) % period;
		x = x < n ? x : period - x;
	}
	return lo + x;
}

static clast_status pad(call *c, const int64_t *before, const int64_t *after, const void *fill)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	const int mode = ((const attrs *)c->attrs)->mode;
	move m;
	move_start(&m, c, y, x);
	m.fill = fill;
	for (int a = 0; a < y->rank; a++) {
		if (!before[a] && !after[a]) {
			move_whole(&m, a, a);
			continue;
		}
		int64_t *from = mem_array(c->memory, (size_t)y->dims[a], sizeof *from);
		if (!from) {
			m.status = fail_memory(c->diag, (size_t)y->dims[a] * sizeof *from);
			break;
		}
		for (int64_t i = 0; i < y->dims[a]; i++)
			from[i] = pad_source(mode, i, x->dims[a], before[a], after[a]);
		move_indexed(&m, y->dims[a], a, a, from);
		mem_free(c->memory, from, (size_t)y->dims[a] * sizeof *from);
	}
	return move_run(&m);
}

static clast_status reference(call *c)
{
	const attrs *at = c->attrs;
	const int_list none = { 0 };
	const int rank = c->in[0]->rank;
	int64_t pads[2 * CLAST_MAX_RANK], axes[CLAST_MAX_RANK], before[CLAST_MAX_RANK] = { 0 },
								after[CLAST_MAX_RANK] = { 0 };
	size_t n, n_axes;
	bool given, axes_given;
	clast_status s = list_or_call(c, &at->pads, 1, 2 * CLAST_MAX_RANK, pads, &n, &given);
	s = s ? s : list_or_call(c, &none, 3, CLAST_MAX_RANK, axes, &n_axes, &axes_given);
	if (s)
		return s;
	for (size_t i = 0; i < n / 2; i++) {
		const int a = axes_given ? wrap_axis(axes[i], rank) : (int)i;
		before[a] = pads[i];
		after[a] = pads[n / 2 + i];
	}
	_Alignas(16) unsigned char fill[16] = { 0 };
	tensor_view value;
	view_dense(&value, c->out[0]->dtype, 0, NULL, fill);
	if (c->n_in > 2 && c->in[2])
		copy_element(&value, 0, c->in[2], 0);
	else if (c->version < 11)
		store_real(&value, 0, at->value);
	return pad(c, before, after, fill);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	params p;
	const int rank = in->in[0].shape.rank;
	uint32_t mask = 0;
	if (operand > 0 && operand < in->n_in)
		return 0;
	if (rank < 0 || pad_read(in, rank, &p, NULL) || !p.known_axes)
		return all_axes(rank);
	for (int a = 0; a < rank; a++)
		mask |= p.before[a] || p.after[a] ? 1u << a : 0;
	return mask;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT },
				       { 2, DTYPES_FLOAT },
				       { 11, DTYPES_REAL },
				       { 13, DTYPES_ALL_13 },
				       { 18, DTYPES_ALL_13 },
				       { 19, DTYPES_ALL_13 },
				       { 21, DTYPES_ALL_21 },
				       { 23, DTYPES_ALL_23 },
				       { 24, DTYPES_ALL_24 },
				       { 25, DTYPES_ALL_25 },
				       { 0 } };
const op op_pad = { .name = "Pad",
		    .domain = "",
		    .versions = versions,
		    .attrs = spec,
		    .attrs_bytes = sizeof(attrs),
		    .min_in = 1,
		    .max_in = 4,
		    .min_out = 1,
		    .max_out = 1,
		    .shape_inputs = 1u << 1 | 1u << 3,
		    .rule = RULE_AXIS,
		    .infer = infer,
		    .reference = reference,
		    .cut = cut };
