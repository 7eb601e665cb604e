/* Reductions, softmax, normalisations. */
#include "work.h"

static size_t product(size_t n, const size_t *extent)
{
	size_t p = 1;
	for (size_t i = 0; i < n; i++)
		p *= extent[i];
	return p;
}

static void axes(opencl_work *w, size_t n, const size_t *extent, const ptrdiff_t *stride, int32_t *extents, int32_t *strides)
{
	work_span(w, n, extent, stride);
	for (size_t i = 0; i < n; i++) {
		if (extents)
			extents[i] = work_int(w, (ptrdiff_t)extent[i]);
		strides[i] = work_int(w, stride[i]);
	}
}

bool opencl_make_reduce_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	reduce_params p = *(const reduce_params *)params;
	reduce_args a = { 0 };
	(void)present;
	if (!p.kept_rank)
		p.kept[p.kept_rank++] = 1;
	if (!p.reduced_rank)
		p.reduced[p.reduced_rank++] = 1;
	const size_t inner = p.kept[p.kept_rank - 1], count = product(p.reduced_rank, p.reduced);
	const uint32_t vector = p.in_kept[p.kept_rank - 1] == 1 && inner >= t->vector ? t->vector : 1;
	const uint32_t lanes = lanes_for(t, count);
	work_begin(w, "reduce", opencl_source_reduce, vector, 1u << REDUCE_OUT | 1u << REDUCE_IN);
	work_define(w, "KIND", (long)p.kind);
	work_define(w, "KEPT", p.kept_rank);
	work_define(w, "REDUCED", p.reduced_rank);
	work_define(w, "LANES", lanes);
	work_define(w, "OUT_UNIT", p.out_kept[p.kept_rank - 1] == 1);
	axes(w, p.kept_rank, p.kept, p.in_kept, a.kept, a.in_kept);
	axes(w, p.kept_rank, p.kept, p.out_kept, NULL, a.out_kept);
	axes(w, p.reduced_rank, p.reduced, p.in_reduced, a.reduced, a.in_reduced);
	a.count = work_int(w, (ptrdiff_t)count);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, lanes, (inner + vector - 1) / vector, product(p.kept_rank - 1, p.kept), lanes, 1);
	return !w->overflow;
}

static void row_axes(opencl_work *w, size_t *rank, size_t *outer, ptrdiff_t *in, ptrdiff_t *out, rows_args *a)
{
	if (!*rank) {
		outer[0] = 1;
		in[0] = out[0] = 0;
		*rank = 1;
	}
	axes(w, *rank, outer, in, a->outer, a->in_outer);
	axes(w, *rank, outer, out, NULL, a->out_outer);
}

bool opencl_make_softmax_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	softmax_params p = *(const softmax_params *)params;
	rows_args a = { 0 };
	size_t rank = p.rank;
	(void)present;
	const uint32_t lanes = lanes_for(t, p.extent);
	work_begin(w, "softmax", opencl_source_softmax, 1, 1u << SOFTMAX_OUT | 1u << SOFTMAX_IN);
	row_axes(w, &rank, p.outer, p.in_outer, p.out_outer, &a);
	work_define(w, "RANK", (long)rank);
	work_define(w, "LANES", lanes);
	work_define(w, "LOGARITHM", p.log);
	a.extent = work_int(w, (ptrdiff_t)p.extent);
	a.in_stride = work_int(w, p.in_stride);
	a.out_stride = work_int(w, p.out_stride);
	work_span(w, 1, &p.extent, &p.in_stride);
	work_span(w, 1, &p.extent, &p.out_stride);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, p.extent ? lanes : 0, product(rank, p.outer), 1, lanes, 1);
	return !w->overflow;
}

bool opencl_make_layer_norm_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	layer_norm_params p = *(const layer_norm_params *)params;
	rows_args a = { .epsilon = p.epsilon };
	size_t rank = p.rank;
	const uint32_t lanes = lanes_for(t, p.extent);
	work_begin(w, "layer_norm", opencl_source_norm, 1, present & ((1u << (LAYER_NORM_INV_STD + 1)) - 1));
	row_axes(w, &rank, p.outer, p.in_outer, p.out_outer, &a);
	work_define(w, "LAYER", 1);
	work_define(w, "RANK", (long)rank);
	work_define(w, "LANES", lanes);
	work_define(w, "RMS", p.rms);
	work_define(w, "HAS_SCALE", present >> LAYER_NORM_SCALE & 1);
	work_define(w, "HAS_BIAS", present >> LAYER_NORM_BIAS & 1);
	work_define(w, "HAS_MEAN", present >> LAYER_NORM_MEAN & 1);
	work_define(w, "HAS_INV_STD", present >> LAYER_NORM_INV_STD & 1);
	a.extent = work_int(w, (ptrdiff_t)p.extent);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, lanes, product(rank, p.outer), 1, lanes, 1);
	return !w->overflow;
}

static ptrdiff_t channel_stride(ptrdiff_t stride)
{
	return stride ? stride : 1;
}

bool opencl_make_group_norm_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const group_norm_params *p = params;
	group_norm_args a = { .epsilon = p->epsilon };
	const uint32_t lanes = lanes_for(t, p->rows * p->pixels);
	const size_t extent[4] = { p->batch, p->rows, p->pixels, p->channels };
	const ptrdiff_t in[4] = { p->in_batch, p->in_row, p->in_pixel, channel_stride(p->in_channel) };
	const ptrdiff_t out[4] = { p->out_batch, p->out_row, p->out_pixel, channel_stride(p->out_channel) };
	if (!p->groups)
		return false;
	work_begin(w, "group_norm", opencl_source_norm, 1, present & ((1u << (GROUP_NORM_BIAS + 1)) - 1));
	work_define(w, "LAYER", 0);
	work_define(w, "LANES", lanes);
	work_define(w, "HAS_SCALE", present >> GROUP_NORM_SCALE & 1);
	work_define(w, "HAS_BIAS", present >> GROUP_NORM_BIAS & 1);
	work_span(w, 4, extent, in);
	work_span(w, 4, extent, out);
	a.rows = work_int(w, (ptrdiff_t)p->rows);
	a.pixels = work_int(w, (ptrdiff_t)p->pixels);
	a.channels = work_int(w, (ptrdiff_t)p->channels);
	a.groups = work_int(w, (ptrdiff_t)p->groups);
	a.in_batch = work_int(w, p->in_batch);
	a.in_row = work_int(w, p->in_row);
	a.in_pixel = work_int(w, p->in_pixel);
	a.out_batch = work_int(w, p->out_batch);
	a.out_row = work_int(w, p->out_row);
	a.out_pixel = work_int(w, p->out_pixel);
	a.in_channel = work_int(w, in[3]);
	a.out_channel = work_int(w, out[3]);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, p->channels && p->rows && p->pixels ? lanes : 0, p->batch * p->groups, 1, lanes, 1);
	return !w->overflow;
}

bool opencl_make_lrn_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const lrn_params *p = params;
	lrn_args a = { .alpha = p->alpha, .beta = p->beta, .bias = p->bias };
	(void)present;
	if (!p->rank)
		return false;
	work_begin(w, "lrn", opencl_source_lrn, 1, 1u << LRN_OUT | 1u << LRN_IN);
	work_define(w, "RANK", p->rank);
	axes(w, p->rank, p->outer, p->in_outer, a.outer, a.in_outer);
	axes(w, p->rank, p->outer, p->out_outer, NULL, a.out_outer);
	a.channels = work_int(w, (ptrdiff_t)p->channels);
	a.size = work_int(w, (ptrdiff_t)p->size);
	a.in_channel = work_int(w, channel_stride(p->in_channel));
	a.out_channel = work_int(w, channel_stride(p->out_channel));
	work_span(w, 1, &p->channels, &p->in_channel);
	work_span(w, 1, &p->channels, &p->out_channel);
	work_arguments(w, &a, sizeof a);
	work_launch(w, t, p->channels, product(p->rank, p->outer), 1, t->host_cpu ? 16 : 32, t->host_cpu ? 4 : 4);
	return !w->overflow;
}
