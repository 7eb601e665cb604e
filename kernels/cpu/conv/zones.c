#include "conv/zones.h"

#include "conv/collect.h"
#include "gemm/tile.h"

/* The output positions for which tap t of an axis is inside. */
static span tap_span(const conv_window *w, int axis, size_t t)
{
	const ptrdiff_t s = (ptrdiff_t)w->stride[axis], out = (ptrdiff_t)w->out[axis];
	const ptrdiff_t first = w->pad[axis] - (ptrdiff_t)(t * w->dilation[axis]); /* o * s >= first */
	const ptrdiff_t beyond = first + (ptrdiff_t)w->in[axis];                   /* o * s < beyond */
	const ptrdiff_t begin = first <= 0 ? 0 : (first + s - 1) / s,
			end = beyond <= 0 ? 0 : (beyond + s - 1) / s;
	span r = { .tap = t, .taps = 1 };
	r.begin = (size_t)(begin < out ? begin : out);
	r.end = (size_t)(end < out ? end : out);
	r.end = size_max(r.begin, r.end);
	return r;
}

/* Cuts an axis where a tap enters or leaves. Returns the number of zones, 0 if there are too many. */
static size_t cut_axis(const conv_window *w, int axis, span *zone)
{
	const size_t taps = w->kernel[axis];
	size_t count = 0;
	for (size_t at = 0; at < w->out[axis];) {
		span z = { .begin = at, .end = w->out[axis], .tap = 0, .taps = 0 };
		for (size_t t = 0; t < taps; t++) {
			const span s = tap_span(w, axis, t);
			if (s.begin <= at && at < s.end) {
				z.tap = z.taps ? z.tap : t;
				z.taps = t + 1 - z.tap;
				z.end = size_min(z.end, s.end);
			} else if (s.begin > at && s.begin < s.end) {
				z.end = size_min(z.end, s.begin);
			}
		}
		z.taps = size_max(z.taps, 1); /* all outside: zeros */
		if (count == ZONES_MOST)
			return 0;
		zone[count++] = z;
		at = z.end;
	}
	return count;
}

/* Rows of tiles times taps, where each zone ends with a tile of its own. */
static double work_of(const zones *z)
{
	double sum = 0;
	for (size_t i = 0; i < z->rows; i++)
		for (size_t j = 0; j < z->columns; j++) {
			const span *r = &z->row[i], *c = &z->column[j];
			const size_t pixels = (r->end - r->begin) * (c->end - c->begin);
			sum += (double)(div_up(pixels, TILE_ROWS) * TILE_ROWS) * (double)(r->taps * c->taps);
		}
	return sum;
}

zones zones_of(const conv_params *p)
{
	const conv_window *w = &p->window;
	zones z = { .rows = 0 };
	const bool whole_image =
		!w->in_ring && !w->out_ring && w->row_begin == 0 && w->row_end == w->out[ROW];
	const size_t taps = w->kernel[ROW] * w->kernel[PIXEL];
	/* At small dilations only borders one or two pixels wide would be saved. */
	if (size_max(w->dilation[ROW], w->dilation[PIXEL]) < 3 || taps < 2 || w->kernel[DEPTH] != 1 ||
	    !whole_image || p->weights.in_channels <= FEW_CHANNELS || (p->out_channel | 1) != 1)
		return z;
	z.rows = cut_axis(w, ROW, z.row);
	z.columns = cut_axis(w, PIXEL, z.column);
	const double whole = (double)(w->out[ROW] * w->out[PIXEL]) * (double)taps;
	if (z.columns == 0 || work_of(&z) > 0.85 * whole)
		z.rows = 0;
	return z;
}

static void narrow(conv_window *w, int axis, const span *s)
{
	w->out[axis] = s->end - s->begin;
	w->kernel[axis] = s->taps;
	w->pad[axis] -= (ptrdiff_t)(s->tap * w->dilation[axis] + s->begin * w->stride[axis]);
}

conv_params zone_params(const conv_params *p, const span *row, const span *column)
{
	conv_params zone = *p;
	narrow(&zone.window, ROW, row);
	narrow(&zone.window, PIXEL, column);
	zone.window.row_end = zone.window.out[ROW];
	return zone;
}

void zone_args(const conv_params *p, const span *row, const span *column, void *const *args, void **to)
{
	const epilogue *e = &p->epilogue;
	const ptrdiff_t y = (ptrdiff_t)row->begin, x = (ptrdiff_t)column->begin;
	to[CONV_OUT] = (float *)args[CONV_OUT] + y * p->out.axis[ROW] + x * p->out.axis[PIXEL];
	to[CONV_IN] = args[CONV_IN];
	to[CONV_WEIGHTS] = args[CONV_WEIGHTS];
	if (e->flags & EPILOGUE_RESIDUAL)
		to[CONV_RESIDUAL] = (float *)args[CONV_RESIDUAL] + y * e->residual[2] + x * e->residual[3];
	if (!(e->flags & EPILOGUE_PROGRAM))
		return;
	for (uint32_t i = 0; i < e->operands; i++) {
		const ptrdiff_t at = y * e->operand[i].stride[2] + x * e->operand[i].stride[3];
		to[CONV_OPERANDS + i] = (char *)args[CONV_OPERANDS + i] +
					at * (ptrdiff_t)kernel_dtype_bytes(e->operand[i].dtype);
	}
}
