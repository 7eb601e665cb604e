/* Pooling: every output pixel combines its taps, some vectors of channels at a time. */
#include <math.h>

#include "conv/spatial.h"
#include "pool/combine.h"
#include "program/run.h"

/* Vectors that one pass over the taps of a pixel keeps in registers. */
#define GROUP 4

/* Taps of a line that are summed up before they meet the others. */
#define BLOCK 16

typedef struct plan {
	const pool_params *p;
	size_t lines, line_step, line_tasks;
	size_t channel_step, channel_tasks;
} plan;

/* Threads to whom even a single line, as of global pooling, should give something to do. */
#define FEW_TASKS 4

static plan plan_of(const pool_params *p)
{
	const conv_window *w = &p->window;
	plan g = { .p = p, .lines = line_count(w, p->batch) };
	const size_t line = w->out[PIXEL] * p->channels * w->kernel[0] * w->kernel[1] * w->kernel[2];
	g.line_step = size_max(1, 65536 / size_max(1, line));
	g.line_tasks = div_up(g.lines, g.line_step);
	g.channel_step = size_max(1, p->channels);
	if (g.line_tasks && g.line_tasks < FEW_TASKS && g.lines * line > 32768) {
		const size_t each = div_up(p->channels, div_up(FEW_TASKS, g.line_tasks)), unit = each > GROUP * VEC ? GROUP * VEC : VEC;
		g.channel_step = div_up(each, unit) * unit;
	}
	g.channel_tasks = div_up(p->channels, g.channel_step);
	return g;
}

static size_t pool_tasks(const void *params)
{
	const plan g = plan_of(params);
	return g.line_tasks * g.channel_tasks;
}

/* The tap rows of an output line that lie inside, as offsets. */
typedef struct work {
	ptrdiff_t *row;
	float *results; /* of a line, for the residual, the clamp and the program */
	void *program;
	size_t bytes;
} work;

static work work_of(const plan *g, char *scratch)
{
	work w = { .bytes = 0 };
	const conv_window *win = &g->p->window;
	w.row = scratch_part(scratch, &w.bytes, win->kernel[DEPTH] * win->kernel[ROW] * sizeof(*w.row));
	if (g->p->epilogue.flags & EPILOGUE_PROGRAM) {
		w.results = scratch_part(scratch, &w.bytes, win->out[PIXEL] * size_min(g->channel_step, g->p->channels) * sizeof(float));
		w.program = scratch_part(scratch, &w.bytes, PROGRAM_SCRATCH_BYTES);
	}
	return w;
}

static size_t pool_scratch(const void *params)
{
	const plan g = plan_of(params);
	return work_of(&g, NULL).bytes;
}

/* One output pixel. */
typedef struct spot {
	const float *in; /* first column inside, before the offset of a row */
	const ptrdiff_t *row;
	size_t rows, columns; /* of taps inside */
	ptrdiff_t column;     /* between columns */
	float divisor;
	float *out;
	const float *residual; /* or NULL */
	const epilogue *e;
} spot;

ALWAYS_INLINE vec conclude(uint32_t kind, vec a, float divisor)
{
	switch (kind) {
	case POOL_L2:
		return vec_sqrt(a);
	case POOL_AVERAGE:
	case POOL_AVERAGE_PADDED:
		return a / divisor;
	default:
		return a;
	}
}

/* Moves sums of some taps into those of all. */
ALWAYS_INLINE void move_sums(vec *to, vec *from, const int vectors)
{
	UNROLL for (int i = 0; i < vectors; i++)
	{
		to[i] += from[i];
		from[i] = splat(0);
	}
}

/* Inlined with constants for all but s and c. Channels [c, c + vectors * VEC), or the tail of one vector.
 * Sums of more than BLOCK taps are sums of lines, which are sums of blocks: rounding grows with the length of
 * a sum. */
ALWAYS_INLINE void pool_vectors(const spot *s, size_t c, const uint32_t kind, const int vectors, size_t tail)
{
	vec acc[GROUP], of_line[GROUP], all[GROUP];
	const vec_tail t = tail_of(tail ? tail : VEC);
	const bool blocks = kind != POOL_MAX && s->rows * s->columns > BLOCK;
	UNROLL for (int i = 0; i < vectors; i++)
	{
		acc[i] = pool_start(kind);
		of_line[i] = all[i] = splat(0);
	}
	for (size_t r = 0; r < s->rows; r++) {
		const float *from = s->in + s->row[r] + c;
		for (size_t x = 0; x < s->columns;) {
			const size_t end = blocks ? size_min(s->columns, x + BLOCK) : s->columns;
			for (; x < end; x++, from += s->column) {
				UNROLL for (int i = 0; i < vectors; i++) acc[i] = pool_combine(
					kind, acc[i], tail ? load_tail(from, t) : load(from + i * VEC));
			}
			if (blocks)
				move_sums(of_line, acc, vectors);
		}
		if (blocks)
			move_sums(all, of_line, vectors);
	}
	if (blocks)
		move_sums(acc, all, vectors);
	UNROLL for (int i = 0; i < vectors; i++)
	{
		vec v = conclude(kind, acc[i], s->divisor);
		const size_t at = c + (size_t)i * VEC;
		if (s->residual)
			v += tail ? load_tail(s->residual + at, t) : load(s->residual + at);
		if (s->e->flags & EPILOGUE_CLAMP)
			v = vec_clamp(v, splat(s->e->min), splat(s->e->max));
		if (tail)
			store_tail(s->out + at, v, t);
		else
			store(s->out + at, v);
	}
}

ALWAYS_INLINE void pool_pixel(const spot *s, size_t channels, const uint32_t kind)
{
	size_t c = 0;
	for (; c + GROUP * VEC <= channels; c += GROUP * VEC)
		pool_vectors(s, c, kind, GROUP, 0);
	for (; c + VEC <= channels; c += VEC)
		pool_vectors(s, c, kind, 1, 0);
	if (c < channels)
		pool_vectors(s, c, kind, 1, channels - c);
}

static void run_pixel(const spot *s, size_t channels, uint32_t kind)
{
	switch (kind) {
	case POOL_MAX:
		pool_pixel(s, channels, POOL_MAX);
		break;
	case POOL_AVERAGE:
	case POOL_AVERAGE_PADDED:
		pool_pixel(s, channels, POOL_AVERAGE);
		break;
	case POOL_L1:
		pool_pixel(s, channels, POOL_L1);
		break;
	case POOL_L2:
		pool_pixel(s, channels, POOL_L2);
		break;
	}
}

static size_t find_rows(const pool_params *p, const pixel *at, ptrdiff_t *row)
{
	const conv_window *w = &p->window;
	const ptrdiff_t z0 = first_tap(w, DEPTH, at->z), y0 = first_tap(w, ROW, at->y);
	const range z = taps_inside(z0, w->kernel[DEPTH], w->dilation[DEPTH], w->in[DEPTH]);
	const range y = taps_inside(y0, w->kernel[ROW], w->dilation[ROW], w->in[ROW]);
	size_t rows = 0;
	for (size_t tz = z.begin; tz < z.end; tz++)
		for (size_t ty = y.begin; ty < y.end; ty++) {
			const size_t line = (size_t)(y0 + (ptrdiff_t)(ty * w->dilation[ROW]));
			row[rows++] = (ptrdiff_t)at->n * p->in.batch +
				      (z0 + (ptrdiff_t)(tz * w->dilation[DEPTH])) * p->in.axis[DEPTH] +
				      (ptrdiff_t)ring_slot(w->in_ring, line) * p->in.axis[ROW];
		}
	return rows;
}

/* Channels [channel, channel + channels) of a line. */
static void run_line(const plan *g, void *const *args, size_t line, size_t channel, size_t channels, const work *wk)
{
	const pool_params *p = g->p;
	const conv_window *w = &p->window;
	const epilogue *e = &p->epilogue;
	const pixel at = line_at(w, line);
	float *out = (float *)args[POOL_OUT] + output_offset(w, &p->out, &at) + channel;
	spot s = { .row = wk->row, .rows = find_rows(p, &at, wk->row), .e = e };
	s.column = (ptrdiff_t)w->dilation[PIXEL] * p->in.axis[PIXEL];
	const float *residual = NULL;
	if (e->flags & EPILOGUE_RESIDUAL)
		residual = (const float *)args[POOL_RESIDUAL] + residual_offset(e, &at) + channel;
	const size_t lines_counted = taps_counted(p, DEPTH, at.z) * taps_counted(p, ROW, at.y);
	for (size_t x = 0; x < w->out[PIXEL]; x++) {
		const ptrdiff_t x0 = first_tap(w, PIXEL, x);
		const range r = taps_inside(x0, w->kernel[PIXEL], w->dilation[PIXEL], w->in[PIXEL]);
		s.in = (const float *)args[POOL_IN] + channel + x0 * p->in.axis[PIXEL] + (ptrdiff_t)r.begin * s.column;
		s.columns = r.end - r.begin;
		s.divisor = (float)(lines_counted * taps_counted(p, PIXEL, x));
		s.out = wk->results ? wk->results + x * channels : out + (ptrdiff_t)x * p->out.axis[PIXEL];
		s.residual = residual ? residual + (ptrdiff_t)x * e->residual[3] : NULL;
		run_pixel(&s, channels, p->kind);
	}
	if (wk->results) {
		const size_t position[5] = { at.n, at.z, at.y, 0, channel };
		epilogue_run(e, args, POOL_OPERANDS, 5, position, w->out[PIXEL], channels, wk->results,
			     (ptrdiff_t)channels, out, p->out.axis[PIXEL], wk->program);
	}
}

static void pool_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const pool_params *p = params;
	const plan g = plan_of(p);
	const work w = work_of(&g, scratch);
	for (size_t task = begin; task < end; task++) {
		const size_t channel = task % g.channel_tasks * g.channel_step, first = task / g.channel_tasks * g.line_step;
		for (size_t line = first; line < size_min(g.lines, first + g.line_step); line++)
			run_line(&g, args, line, channel, size_min(g.channel_step, p->channels - channel), &w);
	}
}

extern const compute_kernel ISA(pool_f32);
const compute_kernel ISA(pool_f32) = { "pool_f32", sizeof(pool_params), pool_tasks, pool_scratch, pool_run };
