/* Pad, Tile and ConstantOfShape as fills and strided copies. */
#include <string.h>

#include "constant_of_shape.h"
#include "lower.h"
#include "pad.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

/* Integers that are constants or follow from the shapes. */
static bool foreseeable(const lower_node *x, uint32_t i)
{
	return i >= x->n->n_in || !x->in[i].present || x->in[i].data || x->in[i].ints;
}

static void read_nothing(const lower_node *x, port *ports, uint32_t from)
{
	for (uint32_t i = from; i < x->n->n_in; i++)
		ports[i] = (port){ PORT_ABSENT, false };
}

/* Fills the part of the output that v, cut out of it with data NULL, describes. */
static clast_status emit_fill(lowering *l, const tensor_view *v, const void *element)
{
	fill_params p = { .element_bytes = (uint32_t)clast_dtype_bytes(v->dtype) };
	size_t extent[CLAST_MAX_RANK];
	ptrdiff_t stride[CLAST_MAX_RANK], *strides[1] = { stride };
	for (int a = 0; a < v->rank; a++) {
		extent[a] = (size_t)v->dims[a];
		stride[a] = v->strides[a];
	}
	const size_t rank = strided_merge((size_t)v->rank, extent, 1, strides);
	if (rank > KERNEL_MAX_AXES)
		return CLAST_ERROR_UNSUPPORTED;
	p.rank = (uint32_t)rank;
	for (size_t a = 0; a < rank; a++) {
		p.extent[a] = extent[a];
		p.out[a] = stride[a];
	}
	memcpy(p.value, element, p.element_bytes);
	const lower_arg args[] = { [FILL_OUT] = { ARG_OUT, 0, (ptrdiff_t)v->data } };
	return lower_emit_beside(l, KERNEL_fill, &p, 1, args);
}

/* ---- Pad ---- */

/* A copy for each run of border elements that come from equidistant ones; more are left to the reference. */
#define MAX_BORDER_COPIES 64

static infer_in query_of(const node *n, const infer_value *in, size_t n_in)
{
	return (infer_in){ .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n_in, .n_out = 1, .in = in };
}

static bool accepts_pad(const lower_node *x, port *ports)
{
	if (!is(x->n, "Pad") || x->in[0].dtype == CLAST_STRING || !foreseeable(x, 1) || !foreseeable(x, 3) ||
	    (x->n->n_in > 2 && x->in[2].present && !x->in[2].data))
		return false;
	read_nothing(x, ports, 1);
	ports[0] = ports[x->n->n_in] = (port){ PORT_WHOLE, false };
	return true;
}

typedef struct padding {
	int mode;
	int64_t extent[CLAST_MAX_RANK], before[CLAST_MAX_RANK], after[CLAST_MAX_RANK];
	int64_t begin[CLAST_MAX_RANK], end[CLAST_MAX_RANK]; /* the part of the output that holds input elements where they belong */
	unsigned char fill[16];
} padding;

static bool read_padding(const lowering *l, padding *p)
{
	const node *n = l->n;
	const pad_attrs *at = n->attrs;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	infer_in in = query_of(n, l->in, l->n_in);
	pad_params pads;
	tensor_view element;
	in.memory = l->memory;
	if (pad_read(&in, x->rank, &pads, NULL) || !pads.known_axes)
		return false;
	p->mode = at->mode;
	for (int a = 0; a < x->rank; a++) {
		if (!dim_is_number(pads.before[a]) || !dim_is_number(pads.after[a]))
			return false;
		p->extent[a] = x->dims[a];
		p->before[a] = pads.before[a];
		p->after[a] = pads.after[a];
		const int64_t begin = pads.before[a] > 0 ? pads.before[a] : 0, end = x->dims[a] + pads.before[a];
		p->begin[a] = begin < y->dims[a] ? begin : y->dims[a];
		p->end[a] = end < y->dims[a] ? end : y->dims[a];
		p->end[a] = p->end[a] > p->begin[a] ? p->end[a] : p->begin[a];
	}
	view_dense(&element, y->dtype, 0, NULL, p->fill);
	if (l->n_in > 2 && l->in[2].present)
		copy_element(&element, 0, l->in[2].data, 0);
	else if (n->version < 11)
		store_real(&element, 0, at->value);
	return true;
}

static clast_status emit_copy(lowering *l, const tensor_view *to, arg_kind kind, const tensor_view *from, bool beside)
{
	copy_params c;
	if (!view_count(to))
		return CLAST_OK;
	if (!lower_copy_params(to, from, &c))
		return CLAST_ERROR_UNSUPPORTED;
	const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, 0, (ptrdiff_t)to->data }, [COPY_IN] = { kind, 0, (ptrdiff_t)from->data } };
	return beside ? lower_emit_beside(l, KERNEL_copy, &c, 2, args) : lower_emit(l, KERNEL_copy, &c, 2, args);
}

static clast_status copy_interior(lowering *l, const padding *p)
{
	tensor_view x = l->in_view[0], y = l->out_view[0];
	x.data = y.data = NULL;
	for (int a = 0; a < x.rank; a++) {
		const int64_t n = p->end[a] - p->begin[a];
		if (!view_slice(&y, a, p->begin[a], n, 1) || !view_slice(&x, a, p->begin[a] - p->before[a], n, 1))
			return CLAST_ERROR_UNSUPPORTED;
	}
	return emit_copy(l, &y, ARG_IN, &x, true);
}

/* Elements [from, to) of axis a of the output; earlier axes whole, later ones only where the input lies. */
static bool slab(const lowering *l, const padding *p, int a, int64_t from, int64_t count, int64_t step, tensor_view *v)
{
	*v = l->out_view[0];
	v->data = NULL;
	if (!view_slice(v, a, from, count, step))
		return false;
	for (int b = a + 1; b < v->rank; b++)
		if (!view_slice(v, b, p->begin[b], p->end[b] - p->begin[b], 1))
			return false;
	return true;
}

static clast_status fill_borders(lowering *l, const padding *p)
{
	clast_status s = CLAST_OK;
	for (int a = 0; a < l->out_view[0].rank && !s; a++) {
		const int64_t from[2] = { 0, p->end[a] }, to[2] = { p->begin[a], l->out_view[0].dims[a] };
		for (int side = 0; side < 2 && !s; side++) {
			tensor_view v;
			if (from[side] == to[side])
				continue;
			if (!slab(l, p, a, from[side], to[side] - from[side], 1, &v))
				return CLAST_ERROR_UNSUPPORTED;
			s = view_count(&v) ? emit_fill(l, &v, p->fill) : CLAST_OK;
		}
	}
	return s;
}

/* Element i of the output's axis repeats another one of the output. */
static int64_t origin(const padding *p, int a, int64_t i)
{
	return pad_source(p->mode, i, p->extent[a], p->before[a], p->after[a]) + p->before[a];
}

/* Elements [i, end) of an axis, in runs of equal distances. Each run but the first may start beside the one before. */
static clast_status repeat_range(lowering *l, const padding *p, int a, int64_t i, int64_t end, bool *beside, int *copies)
{
	clast_status s = CLAST_OK;
	while (i < end && !s) {
		int64_t n = 1;
		const int64_t first = origin(p, a, i), step = i + 1 < end ? origin(p, a, i + 1) - first : 1;
		while (i + n < end && origin(p, a, i + n) == first + n * step)
			n++;
		tensor_view to, from;
		if (++*copies > MAX_BORDER_COPIES || !slab(l, p, a, i, n, 1, &to) || !slab(l, p, a, first, n, step, &from))
			return CLAST_ERROR_UNSUPPORTED;
		s = emit_copy(l, &to, ARG_OUT, &from, *beside);
		*beside = true;
		i += n;
	}
	return s;
}

/* Axis by axis: the borders of an axis repeat its middle together with the borders of the axes before it. */
static clast_status repeat_borders(lowering *l, const padding *p)
{
	int copies = 0;
	clast_status s = CLAST_OK;
	for (int a = 0; a < l->out_view[0].rank && !s; a++) {
		bool beside = false;
		s = repeat_range(l, p, a, 0, p->begin[a], &beside, &copies);
		if (!s)
			s = repeat_range(l, p, a, p->end[a], l->out_view[0].dims[a], &beside, &copies);
	}
	return s;
}

static clast_status lower_pad(lowering *l)
{
	padding p = { 0 };
	if (!view_count(&l->out_view[0]))
		return CLAST_OK;
	if (!read_padding(l, &p))
		return CLAST_ERROR_UNSUPPORTED;
	clast_status s = copy_interior(l, &p);
	if (!s)
		s = p.mode == PAD_CONSTANT ? fill_borders(l, &p) : repeat_borders(l, &p);
	return s;
}

const kernel_family family_pad = { .name = "pad", .accepts = accepts_pad, .lower = lower_pad };

/* ---- Tile ---- */

static bool accepts_tile(const lower_node *x, port *ports)
{
	if (!is(x->n, "Tile") || x->n->version < 6 || x->in[0].dtype == CLAST_STRING)
		return false;
	read_nothing(x, ports, 1);
	ports[0] = ports[x->n->n_in] = (port){ PORT_WHOLE, false };
	return foreseeable(x, 1);
}

/* Every axis of the output as (repeat, element), the input standing still along the first. */
static clast_status lower_tile(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	size_t extent[2 * CLAST_MAX_RANK];
	ptrdiff_t in[2 * CLAST_MAX_RANK], out[2 * CLAST_MAX_RANK], *strides[2] = { out, in };
	copy_params c = { .element_bytes = (uint32_t)clast_dtype_bytes(y->dtype) };
	if (!view_count(y))
		return CLAST_OK;
	for (int a = 0; a < y->rank; a++) {
		extent[2 * a] = (size_t)(y->dims[a] / x->dims[a]);
		extent[2 * a + 1] = (size_t)x->dims[a];
		out[2 * a] = x->dims[a] * y->strides[a];
		out[2 * a + 1] = y->strides[a];
		in[2 * a] = 0;
		in[2 * a + 1] = x->strides[a];
	}
	const size_t rank = strided_merge(2 * (size_t)y->rank, extent, 2, strides);
	if (rank > KERNEL_MAX_AXES)
		return CLAST_ERROR_UNSUPPORTED;
	c.rank = (uint32_t)rank;
	for (size_t a = 0; a < rank; a++) {
		c.extent[a] = extent[a];
		c.in[a] = in[a];
		c.out[a] = out[a];
	}
	const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, 0, 0 }, [COPY_IN] = { ARG_IN, 0, 0 } };
	return lower_emit(l, KERNEL_copy, &c, 2, args);
}

const kernel_family family_tile = { .name = "tile", .accepts = accepts_tile, .lower = lower_tile };

/* ---- ConstantOfShape ---- */

static bool accepts_constant(const lower_node *x, port *ports)
{
	if (!is(x->n, "ConstantOfShape") || x->out[0].dtype == CLAST_STRING)
		return false;
	ports[0] = (port){ PORT_ABSENT, false };
	ports[1] = (port){ PORT_WHOLE, false };
	return true;
}

static clast_status lower_constant(lowering *l)
{
	const tensor_view *element = ((const constant_of_shape_attrs *)l->n->attrs)->value;
	const unsigned char zero[16] = { 0 };
	tensor_view y = l->out_view[0];
	y.data = NULL;
	return view_count(&y) ? emit_fill(l, &y, element ? element->data : zero) : CLAST_OK;
}

const kernel_family family_constant = { .name = "constant", .accepts = accepts_constant, .lower = lower_constant };
