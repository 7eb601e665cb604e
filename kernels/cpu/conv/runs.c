#include "conv/runs.h"

#include "program/run.h"

void runs_write(const conv_params *p, void *const *args, const pixel *at, size_t count, size_t channel,
		size_t cols, const float *from, ptrdiff_t from_row, void *scratch)
{
	float *out = (float *)args[CONV_OUT] + output_offset(&p->window, &p->out, at);
	for (size_t c = 0, n; c < cols; c += n) {
		const size_t run = (channel + c) / p->out_run, in_run = (channel + c) % p->out_run;
		const size_t outer = run / p->out_runs[1], inner = run % p->out_runs[1];
		const size_t position[7] = { at->n, at->z, at->y, at->x, outer, inner, in_run };
		n = size_min(cols - c, p->out_run - in_run);
		epilogue_run_along(&p->epilogue, args, CONV_OPERANDS, 7, position, 3, 6, count, n, from + c,
				   from_row,
				   out + (ptrdiff_t)outer * p->out_run_stride[0] +
					   (ptrdiff_t)inner * p->out_run_stride[1] + in_run,
				   p->out.axis[PIXEL], scratch);
	}
}
