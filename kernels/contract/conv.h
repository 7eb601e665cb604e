/* Convolution and what shares its geometry, channels innermost.
 *
 * Images are [batch, depth, row, pixel, channel] with stride 1 along channels and free strides along the
 * others, so that slots of a concatenation, channel slices and padded storage are just strides. 2-D images
 * have depth 1 with kernel 1, stride 1, dilation 1, pad 0 along it; 1-D images have row 1 likewise. */
#ifndef CONTRACT_CONV_H
#define CONTRACT_CONV_H

#include "program.h"
#include "weights.h"

enum { DEPTH, ROW, PIXEL };

typedef struct image_strides {
	ptrdiff_t batch;
	ptrdiff_t axis[3]; /* depth, row, pixel */
} image_strides;

/* Along each axis, tap t of output position o reads input position o * stride + t * dilation - pad; positions
 * outside [0, in) read zero (max pooling: nothing). pad may be negative, which crops. The end pad follows
 * from `out`.
 *
 * Strips: only the output rows [row_begin, row_end) are computed. With in_ring (out_ring) not 0, the input
 * (output) holds that many rows in a ring: row r lies at slot r % ring; the caller sees to it that the rows
 * the strip reads are there. Operands of the epilogue are never rings. */
typedef struct conv_window {
	size_t in[3], out[3];
	size_t kernel[3], stride[3], dilation[3];
	ptrdiff_t pad[3];
	size_t row_begin, row_end;
	size_t in_ring, out_ring;
} conv_window;

/* out[n, o, z, y, x] = bias[o] + sum over taps and the channels i of the group of o of in[n, i, ..] * w[o, i,
 * taps], then the epilogue, whose axes are batch, depth, row, pixel, channel. ONNX Conv. Groups with one
 * input and one output channel are much faster as depthwise_f32. The order of summation is fixed by weights
 * shape and ISA. */
typedef struct conv_params {
	size_t batch;
	weights_shape weights; /* kernel equals window.kernel */
	conv_window window;
	image_strides in, out;
	/* Strides along the channels; 0 means 1. conv_f32 takes any for the input (fast where pixels are 1
	 * apart, as in `first` order) and for the output; with one but 1 for that it takes no residual. So
	 * does conv_transpose_f32. The other channels-last kernels need 1. */
	ptrdiff_t in_channel, out_channel;
	/* Strides from group to group; 0: groups follow one another. conv_f32 and conv_transpose_f32 take any
	 * for the input, and for the output groups that are interleaved, as a channel shuffle leaves them:
	 * out_group 1 and out_channel the number of groups. There is no residual then, and the epilogue sees
	 * channels in the order in which they lie. */
	ptrdiff_t in_group, out_group;
	/* Output channels in runs of out_run, as many as out_runs[0] times out_runs[1], that lie
	 * out_run_stride apart: channels of a pixel shuffle go straight to the rows and pixels that they
	 * become. 0: side by side. conv_f32 and winograd take them, without residual; the axes of the
	 * epilogue are batch, depth, row, pixel, the two of the runs, channel of the run. */
	size_t out_run, out_runs[2];
	ptrdiff_t out_run_stride[2];
	/* Channels in blocks of one vector (order N C/8 H W C%8), each block an image of its own: the strides
	 * from block to block; 0: all channels side by side. Both counts of channels, of each group too, are
	 * then whole blocks. conv_f32, winograd and depthwise_f32 take them. With out_block the axes of the
	 * epilogue are batch, depth, row, pixel, block, channel of the block. */
	ptrdiff_t in_block, out_block;
	size_t block; /* how many channels that are; not read where both strides are 0 */
	/* The most steps of k that are added up one after the other before their sum is added to others; 0: as accurate
	 * as it gets at little cost. conv_f32, conv_first_f32 and winograd read it. */
	uint32_t chain;
	kernel_hint hint; /* conv_f32, winograd and depthwise_f32 take one */
	epilogue epilogue;
} conv_params;

enum { CONV_OUT, CONV_IN, CONV_WEIGHTS, CONV_RESIDUAL, CONV_OPERANDS };

/* winograd2_f32 and winograd4_f32 compute the same for kernels 1x3x3 of stride 1 with 2.25 and 4 times fewer
 * multiplications (Lavin and Gray, 2015: F(2x2, 3x3), F(4x4, 3x3)), at the price of rounding: the error is
 * about that of conv_f32 for winograd2 and some 4 times it for winograd4, relative to the largest magnitude
 * of the image's neighbourhood rather than to each output. A non-finite input makes every output of its tile
 * non-finite. Weights are read 1.8 and 4 times inflated: where the image is so small that they come from
 * memory for few pixels (512 channels at 7x7), conv_f32 is faster. Tiles begin at row_begin; a dilated
 * convolution is that of every d-th row and pixel, each with tiles of its own. */

/* depthwise_f32 takes conv_params too: weights.groups channels, one input and one output channel a group. */

/* conv_transpose_f32, ONNX ConvTranspose: out[n, o, y] += in[n, i, p] * w[o, i, t] for y = p * stride + t *
 * dilation - pad along each axis, for y in [0, out). It takes conv_params, where window.in is the input's
 * extents and out the output's. row_begin and row_end are whole, rings 0. */

/* conv_first_f32, depthwise_first_f32 and pool_first_f32 compute the same on channels-first images: the
 * stride along pixels (axis[PIXEL] of in and out, stride[3] of residual and operands) is 1, and in_channel,
 * out_channel and stride[4] of the epilogue are any. They are what a runtime without channels-last kernels
 * has: columns gathered for a matrix product, and vectors along lines. No rings. */

/* Pooling. The axes of the epilogue are those of conv. */
typedef enum pool_kind {
	POOL_MAX,            /* -inf where no tap is inside */
	POOL_AVERAGE,        /* divided by the number of taps inside the image (0 / 0 = NaN where none is) */
	POOL_AVERAGE_PADDED, /* divided by the number of taps inside the image and its pads */
	POOL_L1,             /* sum of |x| */
	POOL_L2              /* sqrt of sum of x^2 */
} pool_kind;

typedef struct pool_params {
	uint32_t kind;
	size_t batch, channels;
	conv_window window;
	ptrdiff_t pad_end[3]; /* what POOL_AVERAGE_PADDED counts as inside at the end */
	image_strides in, out;
	ptrdiff_t in_channel, out_channel; /* only the channels-first kernel reads these */
	epilogue epilogue;
} pool_params;

enum { POOL_OUT, POOL_IN, POOL_RESIDUAL, POOL_OPERANDS };

/* Interpolation, separable: along each axis output position o is the sum over t < taps of
 * weight[o * taps + t] * in[index[o * taps + t]]; the caller computes the tables, so that every coordinate
 * transformation, antialiasing and extrapolation is one kernel. With taps 1 the weights are not read. Where
 * the first index along any axis is -1, the result is `outside` (tf_crop_and_resize). ONNX Resize.
 *
 * The stride along channels, or else that along pixels, is 1 on each side, so that resize_f32 reads and
 * writes images channels-last or channels-first; with a channels-first output it takes no residual.
 * resize_first_f32 is for images that are channels-first on both sides. */
typedef struct resize_params {
	size_t batch, channels;
	size_t in[3], out[3];
	size_t taps[3];
	float outside;
	image_strides in_stride, out_stride;
	ptrdiff_t in_channel, out_channel; /* 0 means 1 */
	epilogue epilogue;
} resize_params;

/* The tables of axis a are args[RESIZE_INDEX + a] (int32_t) and args[RESIZE_WEIGHT + a] (float). */
enum { RESIZE_OUT, RESIZE_IN, RESIZE_RESIDUAL, RESIZE_INDEX, RESIZE_WEIGHT = 6, RESIZE_OPERANDS = 9 };

#endif
