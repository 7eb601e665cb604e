/* Pooling and interpolation. */
#include "work.h"

static void strides(opencl_work *w, const image_strides *s, ptrdiff_t channel, const size_t *extent, size_t batch, size_t channels,
		    int32_t *out)
{
	const size_t extents[5] = { batch, extent[0], extent[1], extent[2], channels };
	const ptrdiff_t all[5] = { s->batch, s->axis[0], s->axis[1], s->axis[2], channel ? channel : 1 };
	work_span(w, 5, extents, all);
	for (int i = 0; i < 5; i++)
		out[i] = work_int(w, all[i]);
}

static void numbers(opencl_work *w, const size_t *from, int32_t *to)
{
	for (int i = 0; i < 3; i++)
		to[i] = work_int(w, (ptrdiff_t)from[i]);
}

static void launch(opencl_work *w, const opencl_target *t, size_t batch, const size_t *out, size_t channels)
{
	work_launch(w, t, (channels + t->vector - 1) / t->vector, out[2], batch * out[0] * out[1], t->host_cpu ? 4 : 16,
		    t->host_cpu ? 8 : 4);
}

bool opencl_make_pool_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const pool_params *p = params;
	const conv_window *v = &p->window;
	pool_args a = { 0 };
	(void)present;
	if (v->in_ring || v->out_ring || v->row_begin || v->row_end != v->out[ROW])
		return false;
	work_begin(w, "pool", opencl_source_pool, t->vector, 1u << POOL_OUT | 1u << POOL_IN);
	work_define(w, "KIND", (long)p->kind);
	work_channels(w, p->in_channel, p->out_channel);
	a.batch = work_int(w, (ptrdiff_t)p->batch);
	a.channels = work_int(w, (ptrdiff_t)p->channels);
	numbers(w, v->in, a.in);
	numbers(w, v->out, a.out);
	numbers(w, v->kernel, a.taps);
	numbers(w, v->stride, a.stride);
	numbers(w, v->dilation, a.dilation);
	for (int i = 0; i < 3; i++) {
		a.pad[i] = work_int(w, v->pad[i]);
		a.pad_end[i] = work_int(w, p->pad_end[i]);
	}
	strides(w, &p->in, p->in_channel, v->in, p->batch, p->channels, a.in_stride);
	strides(w, &p->out, p->out_channel, v->out, p->batch, p->channels, a.out_stride);
	work_epilogue(w, &p->epilogue, NULL, 5, POOL_RESIDUAL, POOL_RESIDUAL + 1, &a.e);
	work_arguments(w, &a, sizeof a);
	launch(w, t, p->batch, v->out, p->channels);
	return !w->overflow;
}

bool opencl_make_resize_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const resize_params *p = params;
	resize_args a = { .outside = p->outside };
	uint32_t operands = 1u << RESIZE_OUT | 1u << RESIZE_IN;
	for (int k = 0; k < 3; k++) {
		const bool weighted = p->taps[k] > 1 || present >> (RESIZE_WEIGHT + k) & 1;
		if (!(present >> (RESIZE_INDEX + k) & 1) || (p->taps[k] > 1 && !(present >> (RESIZE_WEIGHT + k) & 1)))
			return false;
		operands |= 1u << (RESIZE_INDEX + k) | (uint32_t)(weighted && p->taps[k] > 1) << (RESIZE_WEIGHT + k);
	}
	work_begin(w, "resize", opencl_source_resize, t->vector, operands);
	work_channels(w, p->in_channel, p->out_channel);
	work_define(w, "WEIGHTS_Z", p->taps[0] > 1);
	work_define(w, "WEIGHTS_Y", p->taps[1] > 1);
	work_define(w, "WEIGHTS_X", p->taps[2] > 1);
	a.batch = work_int(w, (ptrdiff_t)p->batch);
	a.channels = work_int(w, (ptrdiff_t)p->channels);
	numbers(w, p->in, a.in);
	numbers(w, p->out, a.out);
	numbers(w, p->taps, a.taps);
	strides(w, &p->in_stride, p->in_channel, p->in, p->batch, p->channels, a.in_stride);
	strides(w, &p->out_stride, p->out_channel, p->out, p->batch, p->channels, a.out_stride);
	work_epilogue(w, &p->epilogue, NULL, 5, RESIZE_RESIDUAL, RESIZE_OPERANDS, &a.e);
	work_arguments(w, &a, sizeof a);
	launch(w, t, p->batch, p->out, p->channels);
	return !w->overflow;
}
