/* The arguments of kernels, for C and for OpenCL C. 32-bit members only: the two sides agree on the layout. */
#ifdef __OPENCL_VERSION__
#define INT int
#else
#ifndef OPENCL_ARGS_H
#define OPENCL_ARGS_H
#include <stdint.h>
#define INT int32_t
#endif
#endif

#if defined(__OPENCL_VERSION__) || !defined(OPENCL_ARGS_DEFINED)
#define OPENCL_ARGS_DEFINED

typedef struct epilogue_args {
	float low, high;
	INT residual[11]; /* by axis of the output, the vectors' axis last */
	INT operand[8][11];
} epilogue_args;

typedef struct conv_args {
	INT batch, groups, tiles, blocks; /* tiles: of Winograd; blocks of tile channels a group */
	INT out_channels, in_channels; /* of a group */
	INT weight_blocks, weights;  /* blocks of 16 channels a group; floats ahead of the weights, of which the last are zeros */
	INT in[3], out[3], taps[3], stride[3], dilation[3], pad[3];
	INT in_stride[5], out_stride[5]; /* batch, depth, row, pixel, channel */
	INT in_group, out_group;     /* from group to group, where that is not their channels */
	INT out_run, out_runs, out_run_stride[2]; /* channels of a run, runs of the inner axis */
	INT block, in_block, out_block; /* channels of a block, and from block to block, where they lie in blocks */
	INT zeros;                   /* where those begin */
	epilogue_args e;
} conv_args;

typedef struct gemm_args {
	INT batch[4], m, n, k;
	INT a_batch[4], b_batch[4], out_batch[4];
	INT a_row, a_col, b_row, b_col, out_row;
	INT weights, weight_blocks, bias_slice;
	INT digit[6], out_digit[6]; /* of rows that are written in another order */
	epilogue_args e;
} gemm_args;

typedef struct pool_args {
	INT batch, channels;
	INT in[3], out[3], taps[3], stride[3], dilation[3], pad[3], pad_end[3];
	INT in_stride[5], out_stride[5];
	epilogue_args e;
} pool_args;

typedef struct resize_args {
	INT batch, channels;
	INT in[3], out[3], taps[3];
	INT in_stride[5], out_stride[5];
	float outside;
	epilogue_args e;
} resize_args;

typedef struct eltwise_args {
	INT extent[8];
	INT stride[12][8];
} eltwise_args;

typedef struct copy_args {
	INT extent[8], in[8], out[8];
	INT value[4];
} copy_args;

typedef struct reduce_args {
	INT kept[8], in_kept[8], out_kept[8];
	INT reduced[8], in_reduced[8];
	INT count;
} reduce_args;

typedef struct rows_args {
	INT outer[8], in_outer[8], out_outer[8];
	INT extent, in_stride, out_stride;
	float epsilon;
} rows_args;

typedef struct group_norm_args {
	INT rows, pixels, channels, groups;
	INT in_batch, in_row, in_pixel, in_channel, out_batch, out_row, out_pixel, out_channel;
	float epsilon;
} group_norm_args;

typedef struct lrn_args {
	INT outer[8], in_outer[8], out_outer[8];
	INT channels, size, in_channel, out_channel;
	float alpha, beta, bias;
} lrn_args;

#endif
