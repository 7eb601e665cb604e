#include "conv/collect.h"

#include "copy/transpose.h"

static size_t tap_rows(const conv_window *w)
{
	return w->kernel[DEPTH] * w->kernel[ROW];
}

bool collector_keeps(const conv_params *p)
{
	const conv_window *w = &p->window;
	return p->weights.in_channels <= FEW_CHANNELS && !p->in_block && w->kernel[DEPTH] == 1 && w->in[DEPTH] == 1 &&
	       w->out[DEPTH] == 1 && w->pad[DEPTH] == 0 && w->dilation[ROW] == 1 && w->dilation[PIXEL] == 1 &&
	       w->kernel[ROW] > 0;
}

collector collector_make(const conv_params *p, bool kept, char *scratch, size_t *used)
{
	const conv_window *w = &p->window;
	const size_t channels = p->weights.in_channels;
	collector c = { .p = p, .in_channel = p->in_channel ? p->in_channel : 1, .pixel = p->in.axis[PIXEL], .kept = kept };
	c.rows = scratch_part(scratch, used, tap_rows(w) * sizeof *c.rows);
	c.few = channels <= FEW_CHANNELS && !p->in_block;
	if (!c.few)
		return c;
	const ptrdiff_t last = (ptrdiff_t)((size_max(1, w->out[PIXEL]) - 1) * w->stride[PIXEL]) +
			       ((ptrdiff_t)w->kernel[PIXEL] - 1) * (ptrdiff_t)w->dilation[PIXEL] -
			       w->pad[PIXEL];
	const size_t right = last >= (ptrdiff_t)w->in[PIXEL] ? (size_t)last + 1 - w->in[PIXEL] : 0;
	c.left = w->pad[PIXEL] > 0 ? (size_t)w->pad[PIXEL] : 0;
	c.pixel = (ptrdiff_t)channels;
	c.line_floats = (c.left + w->in[PIXEL] + right) * channels;
	/* Kept lines are there twice, so that any tap_rows of them follow one another. */
	const size_t lines = kept ? 2 * tap_rows(w) : tap_rows(w);
	c.lines = scratch_part(scratch, used, lines * c.line_floats * sizeof(float));
	c.held = scratch_part(scratch, used, tap_rows(w) * sizeof *c.held);
	if (scratch)
		memset(c.lines, 0, lines * c.line_floats * sizeof(float));
	return c;
}

void collector_image(collector *c, const float *in)
{
	if (c->in == in)
		return;
	c->in = in;
	if (c->few)
		memset(c->held, 0, tap_rows(&c->p->window) * sizeof *c->held);
}

/* ---- Lines ---- */

static void copy_line(const collector *c, const float *from, float *to)
{
	const size_t channels = c->p->weights.in_channels, width = c->p->window.in[PIXEL];
	const ptrdiff_t column = c->p->in.axis[PIXEL];
	if (c->in_channel == 1 && column == (ptrdiff_t)channels) {
		copy_floats(to, from, width * channels);
	} else if (column == 1) {
		transpose_floats(from, c->in_channel, to, (ptrdiff_t)channels, width, channels);
	} else {
		for (size_t x = 0; x < width; x++)
			for (size_t i = 0; i < channels; i++)
				to[x * channels + i] =
					from[(ptrdiff_t)x * column + (ptrdiff_t)i * c->in_channel];
	}
}

/* The image's line y of slice z, copied into slot `slot` unless that holds it already. */
static const float *held_line(const collector *c, size_t n, size_t z, size_t y, size_t slot)
{
	const conv_window *w = &c->p->window;
	const size_t id = (n * w->in[DEPTH] + z) * w->in[ROW] + y + 1;
	float *line = c->lines + slot * c->line_floats + c->left * c->p->weights.in_channels;
	if (c->held[slot] != id) {
		const float *from = c->in + (ptrdiff_t)n * c->p->in.batch +
				    (ptrdiff_t)z * c->p->in.axis[DEPTH] +
				    (ptrdiff_t)ring_slot(w->in_ring, y) * c->p->in.axis[ROW];
		copy_line(c, from, line);
		c->held[slot] = id;
	}
	return line;
}

const float *collected_lines(collector *c, const pixel *at)
{
	const conv_window *w = &c->p->window;
	const size_t height = w->kernel[ROW], channels = c->p->weights.in_channels, first = at->y * w->stride[ROW];
	for (size_t i = first; i < first + height; i++) { /* lines of the image with its padding */
		const ptrdiff_t y = (ptrdiff_t)i - w->pad[ROW];
		const size_t slot = i % height, id = at->n * (w->out[ROW] * w->stride[ROW] + height) + i + 1;
		float *line = c->lines + slot * c->line_floats;
		if (c->held[slot] == id)
			continue;
		if (y >= 0 && y < (ptrdiff_t)w->in[ROW])
			copy_line(c,
				  c->in + (ptrdiff_t)at->n * c->p->in.batch +
					  (ptrdiff_t)ring_slot(w->in_ring, (size_t)y) * c->p->in.axis[ROW],
				  line + c->left * channels);
		else
			memset(line, 0, c->line_floats * sizeof *line);
		memcpy(line + height * c->line_floats, line, c->line_floats * sizeof *line);
		c->held[slot] = id;
	}
	/* Column -pad is `left` before column 0, or where the image is cut, as much behind it. */
	return c->lines + first % height * c->line_floats +
	       (ptrdiff_t)channels * ((ptrdiff_t)c->left + first_tap(w, PIXEL, at->x));
}

static void find_rows(collector *c, const pixel *at)
{
	const conv_window *w = &c->p->window;
	const ptrdiff_t z0 = first_tap(w, DEPTH, at->z), y0 = first_tap(w, ROW, at->y);
	const range z = taps_inside(z0, w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	const range y = taps_inside(y0, w->kernel[ROW], w->dilation[ROW], w->in[ROW]);
	const size_t height = w->kernel[ROW];
	for (size_t r = 0; r < tap_rows(w); r++) {
		const size_t tz = r / height, ty = r % height;
		c->rows[r] = NULL;
		if (tz < z.begin || tz >= z.end || ty < y.begin || ty >= y.end)
			continue;
		const size_t slice = (size_t)(z0 + (ptrdiff_t)(tz * w->dilation[DEPTH]));
		const size_t line = (size_t)(y0 + (ptrdiff_t)(ty * w->dilation[ROW]));
		if (c->few) {
			/* Lines that meet in one output line are consecutive multiples of the dilation. */
			const size_t slot = tz * height + line / w->dilation[ROW] % height;
			c->rows[r] = held_line(c, at->n, slice, line, slot);
		} else {
			c->rows[r] = c->in + (ptrdiff_t)at->n * c->p->in.batch +
				     (ptrdiff_t)slice * c->p->in.axis[DEPTH] +
				     (ptrdiff_t)ring_slot(w->in_ring, line) * c->p->in.axis[ROW];
		}
	}
}

/* ---- Runs ---- */

/* Some output pixels of one line and where their elements [k_begin, k_end) go. */
typedef struct segment {
	size_t x_begin, x_end;
	size_t k_begin, k_end;
	float *to;
	size_t to_row;
} segment;

/* `count` runs of n floats. Short ones are stored as whole vectors: what is too many is overwritten by the
 * run that follows, or falls into the room that collected_row leaves. */
static void copy_runs(const float *from, ptrdiff_t step, float *to, size_t to_row, size_t n, size_t count)
{
	if (n <= VEC) {
		const vec_tail tail = tail_of(n);
		for (size_t i = 0; i < count; i++)
			store(to + i * to_row, load_tail(from + (ptrdiff_t)i * step, tail));
	} else {
		for (size_t i = 0; i < count; i++)
			copy_floats(to + i * to_row, from + (ptrdiff_t)i * step, n);
	}
}

static void zero_runs(float *to, size_t to_row, size_t n, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memset(to + i * to_row, 0, n * sizeof(float));
}

/* The columns of taps [first, first + columns) of a line, which lie side by side in it; k: of the first. */
static void collect_run(const collector *c, const segment *s, const float *line, size_t k, size_t first,
			size_t columns)
{
	const conv_window *w = &c->p->window;
	const size_t channels = c->p->weights.in_channels;
	const size_t begin = size_max(k, s->k_begin), end = size_min(k + columns * channels, s->k_end);
	if (begin >= end)
		return;
	float *to = s->to + (begin - s->k_begin);
	for (size_t x = s->x_begin; x < s->x_end;) {
		const ptrdiff_t x0 = first_tap(w, PIXEL, x) + (ptrdiff_t)(first * w->dilation[PIXEL]);
		float *row = to + (x - s->x_begin) * s->to_row;
		const ptrdiff_t beyond = c->few ? 0 : x0 + (ptrdiff_t)columns - (ptrdiff_t)w->in[PIXEL];
		if (c->few || (x0 >= 0 && beyond <= 0)) {
			/* All columns are inside, for this pixel and some after it. */
			const size_t more = c->few ? s->x_end : (size_t)-beyond / w->stride[PIXEL] + 1;
			const size_t count = size_min(s->x_end - x, more);
			copy_runs(line + x0 * c->pixel + (ptrdiff_t)(begin - k),
				  (ptrdiff_t)w->stride[PIXEL] * c->pixel, row, s->to_row, end - begin, count);
			x += count;
			continue;
		}
		/* Some columns, or all, are outside: zeros, what is inside, zeros. */
		const size_t low = x0 < 0 ? size_min((size_t)-x0, columns) : 0;
		const size_t high = beyond > 0 ? columns - size_min((size_t)beyond, columns) : columns;
		const size_t in_begin = size_min(end, size_max(begin, k + low * channels));
		const size_t in_end = size_max(in_begin, size_min(end, k + high * channels));
		zero_runs(row, 0, in_begin - begin, 1);
		if (in_begin < in_end)
			copy_floats(row + (in_begin - begin),
				    line + x0 * c->pixel + (ptrdiff_t)(in_begin - k), in_end - in_begin);
		zero_runs(row + (in_end - begin), 0, end - in_end, 1);
		x++;
	}
}

/* One tap of channels in blocks. */
static void collect_blocks(const collector *c, const segment *s, const float *line, size_t k, size_t tap)
{
	const conv_window *w = &c->p->window;
	const size_t begin = size_max(k, s->k_begin), end = size_min(k + c->p->weights.in_channels, s->k_end);
	const ptrdiff_t step = (ptrdiff_t)w->stride[PIXEL] * c->pixel;
	const ptrdiff_t column = first_tap(w, PIXEL, s->x_begin) + (ptrdiff_t)(tap * w->dilation[PIXEL]);
	const size_t stride = w->stride[PIXEL], count = s->x_end - s->x_begin;
	const ptrdiff_t left = (ptrdiff_t)w->in[PIXEL] - column;
	const size_t low = column < 0 ? size_min(count, div_up((size_t)-column, stride)) : 0;
	const size_t high = left <= 0 ? low : size_max(low, size_min(count, div_up((size_t)left, stride)));
	for (size_t i = begin; i < end; i += VEC) {
		const float *from = line + column * c->pixel + channel_offset(c->p->in_block, i - k);
		float *to = s->to + (i - s->k_begin);
		zero_runs(to, s->to_row, VEC, low);
		for (size_t x = low; x < high; x++)
			store(to + x * s->to_row, load(from + (ptrdiff_t)x * step));
		zero_runs(to + high * s->to_row, s->to_row, VEC, count - high);
	}
}

/* One tap of neighbouring pixels whose channels are not side by side, but whose columns are. */
static void collect_turned(const collector *c, const segment *s, const float *line, size_t k, size_t tap)
{
	const conv_window *w = &c->p->window;
	const size_t begin = size_max(k, s->k_begin), end = size_min(k + c->p->weights.in_channels, s->k_end);
	const ptrdiff_t column = first_tap(w, PIXEL, s->x_begin) + (ptrdiff_t)(tap * w->dilation[PIXEL]);
	const size_t count = s->x_end - s->x_begin;
	const size_t low = column < 0 ? size_min(count, (size_t)-column) : 0;
	const ptrdiff_t left = (ptrdiff_t)w->in[PIXEL] - column;
	const size_t high = left < (ptrdiff_t)count ? (left < 0 ? low : size_max(low, (size_t)left)) : count;
	float *to = s->to + (begin - s->k_begin);
	if (begin >= end)
		return;
	zero_runs(to, s->to_row, end - begin, low);
	transpose_floats(line + column + (ptrdiff_t)low + (ptrdiff_t)(begin - k) * c->in_channel,
			 c->in_channel, to + low * s->to_row, (ptrdiff_t)s->to_row, high - low, end - begin);
	zero_runs(to + high * s->to_row, s->to_row, end - begin, count - high);
}

/* One tap whose channels are not side by side. */
static void collect_strided(const collector *c, const segment *s, const float *line, size_t k, size_t tap)
{
	const conv_window *w = &c->p->window;
	const size_t begin = size_max(k, s->k_begin), end = size_min(k + c->p->weights.in_channels, s->k_end);
	for (size_t x = s->x_begin; x < s->x_end; x++) {
		const ptrdiff_t column = first_tap(w, PIXEL, x) + (ptrdiff_t)(tap * w->dilation[PIXEL]);
		const bool inside = column >= 0 && column < (ptrdiff_t)w->in[PIXEL];
		float *to = s->to + (x - s->x_begin) * s->to_row;
		for (size_t i = begin; i < end; i++)
			to[i - s->k_begin] =
				inside ? line[column * c->pixel + (ptrdiff_t)(i - k) * c->in_channel] : 0;
	}
}

static void collect_segment(collector *c, const segment *s)
{
	const conv_window *w = &c->p->window;
	const size_t channels = c->p->weights.in_channels, columns = w->kernel[PIXEL];
	const bool dense = w->dilation[PIXEL] == 1 && c->pixel == (ptrdiff_t)channels;
	for (size_t r = 0; r < tap_rows(w); r++) {
		const size_t k = r * columns * channels;
		const size_t begin = size_max(k, s->k_begin),
			     end = size_min(k + columns * channels, s->k_end);
		if (begin >= end)
			continue;
		if (!c->rows[r]) {
			zero_runs(s->to + (begin - s->k_begin), s->to_row, end - begin,
				  s->x_end - s->x_begin);
		} else if (c->p->in_block) {
			for (size_t t = 0; t < columns; t++)
				collect_blocks(c, s, c->rows[r], k + t * channels, t);
		} else if (!c->few && c->in_channel != 1) {
			const bool turned = c->pixel == 1 && w->stride[PIXEL] == 1;
			for (size_t t = 0; t < columns; t++)
				(turned ? collect_turned : collect_strided)(c, s, c->rows[r],
									    k + t * channels, t);
		} else if (dense) {
			collect_run(c, s, c->rows[r], k, 0, columns);
		} else {
			for (size_t t = 0; t < columns; t++)
				collect_run(c, s, c->rows[r], k + t * channels, t, 1);
		}
	}
}

void collect(collector *c, pixel at, size_t count, size_t k_begin, size_t k_end, float *to, size_t to_row)
{
	const conv_window *w = &c->p->window;
	while (count > 0) {
		const size_t step = size_min(count, w->out[PIXEL] - at.x);
		const segment s = { at.x, at.x + step, k_begin, k_end, to, to_row };
		find_rows(c, &at);
		collect_segment(c, &s);
		to += step * to_row;
		count -= step;
		at.x += step - 1;
		pixel_next(w, &at);
	}
}
