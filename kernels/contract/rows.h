/* Kernels that walk a tensor along one or more axes: reductions, softmax, normalisations. */
#ifndef CONTRACT_ROWS_H
#define CONTRACT_ROWS_H

#include "program.h"

typedef enum reduce_kind {
	REDUCE_SUM,
	REDUCE_MEAN,
	REDUCE_MAX, /* NaN if any is NaN; -inf of nothing */
	REDUCE_MIN, /* NaN if any is NaN; +inf of nothing */
	REDUCE_PROD,
	REDUCE_SUM_SQUARE,
	REDUCE_L1,
	REDUCE_L2,
	REDUCE_LOG_SUM,
	REDUCE_LOG_SUM_EXP
} reduce_kind;

/* out[kept] = reduction over the reduced axes of in[kept, reduced]. Sums are pairwise or blocked, so that the
 * error stays small for long axes; the order is fixed by the extents. Fast where the innermost kept or the
 * innermost reduced axis is contiguous in `in`. ONNX Reduce*, GlobalAveragePool, GlobalMaxPool. */
typedef struct reduce_params {
	uint32_t kind;
	uint32_t kept_rank, reduced_rank;
	size_t kept[KERNEL_MAX_AXES];
	ptrdiff_t in_kept[KERNEL_MAX_AXES], out_kept[KERNEL_MAX_AXES];
	size_t reduced[KERNEL_MAX_AXES];
	ptrdiff_t in_reduced[KERNEL_MAX_AXES];
} reduce_params;

enum { REDUCE_OUT, REDUCE_IN };

/* Softmax (or its logarithm) over one axis of `extent` elements, for each position of the outer axes. Out may
 * be in if strides are equal. Fast where the axis or the innermost outer axis is contiguous. ONNX Softmax,
 * LogSoftmax. */
typedef struct softmax_params {
	uint32_t log;
	uint32_t rank;
	size_t outer[KERNEL_MAX_AXES];
	ptrdiff_t in_outer[KERNEL_MAX_AXES], out_outer[KERNEL_MAX_AXES];
	size_t extent;
	ptrdiff_t in_stride, out_stride;
} softmax_params;

enum { SOFTMAX_OUT, SOFTMAX_IN };

/* out = (in - mean) / sqrt(variance + epsilon) * scale[i] + bias[i] over the innermost, contiguous axis of
 * `extent` elements. rms: mean is not subtracted. scale and bias are contiguous, NULL for 1 and 0. mean and
 * inverse deviation are written where their args are not NULL, one for each outer position, densely in the
 * order of the outer axes. Out may be in if strides are equal. ONNX LayerNormalization, RMSNormalization,
 * MeanVarianceNormalization. */
typedef struct layer_norm_params {
	uint32_t rank;
	uint32_t rms;
	size_t outer[KERNEL_MAX_AXES];
	ptrdiff_t in_outer[KERNEL_MAX_AXES], out_outer[KERNEL_MAX_AXES];
	size_t extent;
	float epsilon;
} layer_norm_params;

enum {
	LAYER_NORM_OUT,
	LAYER_NORM_IN,
	LAYER_NORM_SCALE,
	LAYER_NORM_BIAS,
	LAYER_NORM_MEAN,
	LAYER_NORM_INV_STD
};

/* Images [batch, rows, pixels, channels], channels contiguous; each of `groups` equal runs of channels of
 * each image is normalised over its pixels and channels, then scaled and shifted by channel. NULL scale,
 * bias: 1, 0. Out may be in if strides are equal. ONNX InstanceNormalization (groups = channels),
 * GroupNormalization. */
typedef struct group_norm_params {
	size_t batch, rows, pixels, channels, groups;
	ptrdiff_t in_batch, in_row, in_pixel;
	ptrdiff_t out_batch, out_row, out_pixel;
	/* Strides along the channels; 0 means 1. Others are for channels-first images: then pixels are 1
	 * apart. */
	ptrdiff_t in_channel, out_channel;
	float epsilon;
} group_norm_params;

enum { GROUP_NORM_OUT, GROUP_NORM_IN, GROUP_NORM_SCALE, GROUP_NORM_BIAS };

/* out = in / (bias + alpha / size * sum of in^2 over the channels [c - (size - 1) / 2, c + size / 2])^beta.
 * Positions of the outer axes each have `channels` contiguous elements. ONNX LRN. */
typedef struct lrn_params {
	uint32_t rank;
	size_t outer[KERNEL_MAX_AXES];
	ptrdiff_t in_outer[KERNEL_MAX_AXES], out_outer[KERNEL_MAX_AXES];
	size_t channels, size;
	/* Strides along the channels; 0 means 1. Others are for channels-first images: then the innermost of
	 * the outer axes has stride 1. */
	ptrdiff_t in_channel, out_channel;
	float alpha, beta, bias;
} lrn_params;

enum { LRN_OUT, LRN_IN };

#endif
