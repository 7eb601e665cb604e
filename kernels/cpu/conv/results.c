#include "conv/results.h"

#include "conv/runs.h"
#include "copy/transpose.h"
#include "program/run.h"

static float *output_at(const results *r, const pixel *at)
{
	const conv_params *p = r->g->p;
	return (float *)r->args[CONV_OUT] + output_offset(&p->window, &p->out, at);
}

void results_turn(const results *r)
{
	const plan *g = r->g;
	const work *w = r->w;
	const conv_params *p = g->p;
	for (size_t m = r->begin; m < r->end;) {
		const size_t count = size_min(r->end - m, g->turn_run - m % g->turn_run);
		const pixel at = pixel_of(g, m);
		const size_t position[5] = { at.n, at.z, at.y, at.x, r->channel };
		float *out = output_at(r, &at) + (ptrdiff_t)r->channel * p->out_channel;
		transpose_floats(w->sums + (m - r->begin) * g->sums_row, (ptrdiff_t)g->sums_row,
				 w->turned ? w->turned : out, w->turned ? (ptrdiff_t)count : p->out_channel,
				 r->cols, count);
		const bool spread = p->out.axis[PIXEL] != 1;
		if (p->epilogue.flags & EPILOGUE_PROGRAM)
			epilogue_run_along(&p->epilogue, r->args, CONV_OPERANDS, 5, position, 4, 3, r->cols,
					   count, w->turned, (ptrdiff_t)count, spread ? w->turned : out,
					   spread ? (ptrdiff_t)count : p->out_channel, w->program);
		for (size_t c = 0; spread && c < r->cols; c++)
			for (size_t x = 0; x < count; x++)
				out[(ptrdiff_t)c * p->out_channel + (ptrdiff_t)x * p->out.axis[PIXEL]] =
					w->turned[c * count + x];
		m += count;
	}
}

/* Channels in blocks. */
static void write_blocks(const results *r, const pixel *at, size_t count, const float *sums)
{
	const conv_params *p = r->g->p;
	for (size_t c = 0; c < r->cols; c += VEC) {
		const size_t position[6] = { at->n, at->z, at->y, at->x, (r->channel + c) / VEC, 0 };
		epilogue_run_along(&p->epilogue, r->args, CONV_OPERANDS, 6, position, 3, 5, count, VEC,
				   sums + c, (ptrdiff_t)r->g->sums_row,
				   output_at(r, at) + channel_offset(p->out_block, r->channel + c),
				   p->out.axis[PIXEL], r->w->program);
	}
}

/* Line by line. */
void results_write(const results *r)
{
	const plan *g = r->g;
	const conv_params *p = g->p;
	pixel at = pixel_of(g, r->begin);
	for (size_t m = r->begin; m < r->end;) {
		const size_t count = size_min(r->end - m, p->window.out[PIXEL] - at.x);
		const size_t position[5] = { at.n, at.z, at.y, at.x, r->channel };
		const float *sums = r->w->sums + (m - r->begin) * g->sums_row;
		if (p->out_run)
			runs_write(p, r->args, &at, count, r->channel, r->cols, sums, (ptrdiff_t)g->sums_row,
				   r->w->program);
		else if (p->out_block)
			write_blocks(r, &at, count, sums);
		else
			epilogue_run(&p->epilogue, r->args, CONV_OPERANDS, 5, position, count, r->cols, sums,
				     (ptrdiff_t)g->sums_row, output_at(r, &at) + r->channel,
				     p->out.axis[PIXEL], r->w->program);
		m += count;
		at.x += count - 1;
		pixel_next(&p->window, &at);
	}
}

/* Channels that take turns: `count` pixels, `step` apart. */
static void interleave(const plan *g, const float *sums, size_t count, float *to, ptrdiff_t step)
{
	const size_t groups = g->p->weights.groups, rows = step == (ptrdiff_t)g->columns ? count : 1;
	for (size_t i = 0; i < count; i += rows)
		transpose_floats(sums + i * g->n, (ptrdiff_t)(g->cut.rows * g->n), to + (ptrdiff_t)i * step,
				 (ptrdiff_t)groups, rows * g->n, groups);
}

void results_interleave(const results *r)
{
	const plan *g = r->g;
	const conv_params *p = g->p;
	pixel at = pixel_of(g, r->begin);
	for (size_t m = r->begin; m < r->end;) {
		const size_t count = size_min(r->end - m, p->window.out[PIXEL] - at.x);
		const size_t position[5] = { at.n, at.z, at.y, at.x, 0 };
		const float *sums = r->w->sums + (m - r->begin) * g->n;
		float *out = output_at(r, &at), *turned = r->w->turned;
		interleave(g, sums, count, turned ? turned : out,
			   turned ? (ptrdiff_t)g->columns : p->out.axis[PIXEL]);
		if (turned)
			epilogue_run(&p->epilogue, r->args, CONV_OPERANDS, 5, position, count, g->columns,
				     turned, (ptrdiff_t)g->columns, out, p->out.axis[PIXEL], r->w->program);
		m += count;
		at.x += count - 1;
		pixel_next(&p->window, &at);
	}
}
