/* Kernels on the device for images that do not lie channels-last: channels in blocks, channels-first. */
#include <stdio.h>
#include <string.h>

#include "pair.h"

TestSuite(orders, .init = pair_open, .fini = pair_close, .timeout = 600);

/* Blocks of channels, each an image of its own, or all channels side by side; gaps between lines and blocks. */
static size_t block_image(rng *r, bool blocked, image_strides *s, ptrdiff_t *from_block, size_t batch, const size_t *extent,
                          size_t channels)
{
	const size_t block = cpu_kernels_at(0)->vector, blocks = channels / block;
	const ptrdiff_t gap = (ptrdiff_t)rng_range(r, 0, 3);
	s->axis[PIXEL] = (ptrdiff_t)(blocked ? block : channels);
	s->axis[ROW] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL] + gap;
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW];
	const ptrdiff_t image = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH];
	*from_block = blocked ? image + gap : 0;
	s->batch = blocked ? *from_block * (ptrdiff_t)blocks : image;
	return (size_t)s->batch * batch;
}

static void window_of(rng *r, conv_window *w)
{
	*w = (conv_window){ .in = { 1, rng_range(r, 3, 9), rng_range(r, 3, 9) }, .kernel = { 1, rng_range(r, 1, 3), rng_range(r, 1, 3) },
		            .stride = { 1, rng_range(r, 1, 2), 1 }, .dilation = { 1, 1, 1 }, .out = { 1 } };
	for (int a = 1; a < 3; a++) {
		w->pad[a] = (ptrdiff_t)w->kernel[a] / 2;
		w->out[a] = (w->in[a] + 2 * (size_t)w->pad[a] - w->kernel[a]) / w->stride[a] + 1;
	}
	w->row_end = w->out[ROW];
}

static weights_source weights_for(rng *r, const weights_shape *s)
{
	const size_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2], out = s->groups * s->out_channels;
	return (weights_source){ .data = random_floats(r, out * s->in_channels * taps), .bias = random_floats(r, out), .bias_stride = 1,
		                 .tap = { (ptrdiff_t)(s->kernel[1] * s->kernel[2]), (ptrdiff_t)s->kernel[2], 1 }, .in = (ptrdiff_t)taps,
		                 .out = (ptrdiff_t)(taps * s->in_channels), .group = (ptrdiff_t)(taps * s->in_channels * s->out_channels) };
}

/* Result times an operand that lies as the output does, plus a number. */
static void scale_by_operand(rng *r, pair *x, epilogue *e, const image_strides *s, ptrdiff_t block, size_t count)
{
	const ptrdiff_t stride[6] = { s->batch, s->axis[0], s->axis[1], s->axis[2], block ? block : 1, block != 0 };
	e->flags = EPILOGUE_PROGRAM;
	e->operands = 1;
	memcpy(e->operand[0].stride, stride, sizeof stride);
	pair_floats(x, CONV_OPERANDS, r, count);
	e->program.count = 3;
	e->program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = 0 };
	e->program.code[1] = (program_instr){ .op = PROGRAM_MUL, .dst = 0, .a = 0, .b = 1 };
	e->program.code[2] = (program_instr){ .op = PROGRAM_ADD_CONST, .dst = 0, .a = 0, .imm = { 0.25f } };
}

static void blocked_case(rng *r, bool depthwise)
{
	const size_t block = cpu_kernels_at(0)->vector;
	conv_params p = { .batch = rng_range(r, 1, 2), .block = block };
	weights_shape *s = &p.weights;
	pair x;
	char what[100];
	window_of(r, &p.window);
	s->groups = depthwise ? block * rng_range(r, 1, 5) : rng_range(r, 1, 2);
	s->in_channels = depthwise ? 1 : block * rng_range(r, 1, 5);
	s->out_channels = depthwise ? 1 : block * rng_range(r, 1, 5);
	memcpy(s->kernel, p.window.kernel, sizeof s->kernel);
	const bool from = rng_chance(r, 70), to = !from || rng_chance(r, 70);
	pair_begin(&x, depthwise ? KERNEL_depthwise_f32 : KERNEL_conv_f32, &p);
	pair_floats(&x, CONV_IN, r, block_image(r, from, &p.in, &p.in_block, p.batch, p.window.in, s->groups * s->in_channels));
	const size_t count = block_image(r, to, &p.out, &p.out_block, p.batch, p.window.out, s->groups * s->out_channels);
	pair_floats(&x, CONV_OUT, r, count);
	const weights_source w = weights_for(r, s);
	pair_weights(&x, CONV_WEIGHTS, depthwise ? PACKING_DEPTHWISE : PACKING_GEMM, s, &w);
	if (to && rng_chance(r, 50))
		scale_by_operand(r, &x, &p.epilogue, &p.out, p.out_block, count);
	snprintf(what, sizeof what, "depthwise %d, groups %zu, channels %zu to %zu, blocks %d %d", depthwise, s->groups, s->in_channels,
	         s->out_channels, from, to);
	pair_run(&x, 1e-5, what);
}

Test(orders, convolutions_read_and_write_blocks)
{
	rng r = { 30 };
	for (int i = 0; i < 16; i++)
		blocked_case(&r, i % 3 == 2);
}

/* Channels-first with a gap between channels; returns the elements. */
static size_t first_image(rng *r, image_strides *s, ptrdiff_t *channel, size_t batch, const size_t *extent, size_t channels)
{
	s->axis[PIXEL] = 1;
	s->axis[ROW] = (ptrdiff_t)extent[PIXEL];
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW];
	*channel = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH] + (ptrdiff_t)rng_range(r, 0, 3);
	s->batch = *channel * (ptrdiff_t)channels;
	return (size_t)s->batch * batch;
}

Test(orders, convolutions_read_and_write_channels_first)
{
	rng r = { 31 };
	for (int i = 0; i < 10; i++) {
		const bool depthwise = i % 2;
		conv_params p = { .batch = rng_range(&r, 1, 2) };
		weights_shape *s = &p.weights;
		pair x;
		window_of(&r, &p.window);
		s->groups = depthwise ? rng_range(&r, 2, 19) : rng_range(&r, 1, 2);
		s->in_channels = depthwise ? 1 : rng_range(&r, 1, 19);
		s->out_channels = depthwise ? 1 : rng_range(&r, 1, 19);
		memcpy(s->kernel, p.window.kernel, sizeof s->kernel);
		pair_begin(&x, depthwise ? KERNEL_depthwise_first_f32 : KERNEL_conv_first_f32, &p);
		pair_floats(&x, CONV_IN, &r, first_image(&r, &p.in, &p.in_channel, p.batch, p.window.in, s->groups * s->in_channels));
		pair_floats(&x, CONV_OUT, &r, first_image(&r, &p.out, &p.out_channel, p.batch, p.window.out, s->groups * s->out_channels));
		const weights_source w = weights_for(&r, s);
		pair_weights(&x, CONV_WEIGHTS, depthwise ? PACKING_DEPTHWISE_FIRST : PACKING_FIRST, s, &w);
		pair_run(&x, 1e-5, depthwise ? "depthwise, channels-first" : "channels-first");
	}
}

Test(orders, group_norms_walk_channels_first_images)
{
	rng r = { 32 };
	for (int i = 0; i < 10; i++) {
		const size_t groups = rng_range(&r, 1, 4), c = groups * rng_range(&r, 1, 4);
		group_norm_params p = { .batch = 2, .rows = rng_range(&r, 1, 5), .pixels = rng_range(&r, 1, 6), .channels = c, .groups = groups,
			                .in_pixel = 1, .out_pixel = 1, .epsilon = 1e-5f };
		pair x;
		p.in_row = (ptrdiff_t)p.pixels + 1;
		p.out_row = (ptrdiff_t)p.pixels;
		p.in_channel = p.in_row * (ptrdiff_t)p.rows + 2;
		p.out_channel = p.out_row * (ptrdiff_t)p.rows;
		p.in_batch = p.in_channel * (ptrdiff_t)c;
		p.out_batch = p.out_channel * (ptrdiff_t)c;
		pair_begin(&x, KERNEL_group_norm_f32, &p);
		pair_floats(&x, GROUP_NORM_IN, &r, 2 * (size_t)p.in_batch);
		pair_floats(&x, GROUP_NORM_OUT, &r, 2 * (size_t)p.out_batch);
		if (i % 2) {
			pair_floats(&x, GROUP_NORM_SCALE, &r, c);
			pair_floats(&x, GROUP_NORM_BIAS, &r, c);
		}
		pair_run(&x, 1e-5, "group norm, channels-first");
	}
}

Test(orders, local_response_normalisation_walks_channels_first_images)
{
	rng r = { 33 };
	for (int i = 0; i < 6; i++) {
		const size_t c = rng_range(&r, 2, 20), pixels = rng_range(&r, 1, 9);
		lrn_params p = { .rank = 1, .outer = { pixels }, .in_outer = { 1 }, .out_outer = { 1 }, .channels = c,
			         .in_channel = (ptrdiff_t)pixels + 1, .out_channel = (ptrdiff_t)pixels, .size = rng_range(&r, 1, 6),
			         .alpha = 0.3f, .beta = 0.75f, .bias = 1.5f };
		pair x;
		pair_begin(&x, KERNEL_lrn_f32, &p);
		pair_floats(&x, LRN_IN, &r, c * (pixels + 1));
		pair_floats(&x, LRN_OUT, &r, c * pixels);
		pair_run(&x, 1e-5, "lrn, channels-first");
	}
}

/* Channels innermost; returns the elements. */
static size_t last_image(image_strides *s, size_t batch, const size_t *extent, size_t channels)
{
	s->axis[PIXEL] = (ptrdiff_t)channels;
	s->axis[ROW] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL];
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW];
	s->batch = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH];
	return (size_t)s->batch * batch;
}

Test(orders, convolutions_read_and_write_groups_that_take_turns)
{
	rng r = { 34 };
	for (int i = 0; i < 10; i++) {
		conv_params p = { .batch = rng_range(&r, 1, 2) };
		weights_shape *s = &p.weights;
		pair x;
		window_of(&r, &p.window);
		s->groups = rng_range(&r, 2, 4);
		s->in_channels = rng_range(&r, 1, 9);
		s->out_channels = rng_range(&r, 1, 19);
		memcpy(s->kernel, p.window.kernel, sizeof s->kernel);
		const size_t in = s->groups * s->in_channels, out = s->groups * s->out_channels;
		if (i % 3 != 1) {
			p.in_group = 1;
			p.in_channel = (ptrdiff_t)s->groups;
		}
		if (i % 3) {
			p.out_group = 1;
			p.out_channel = (ptrdiff_t)s->groups;
		}
		pair_begin(&x, KERNEL_conv_f32, &p);
		pair_floats(&x, CONV_IN, &r, last_image(&p.in, p.batch, p.window.in, in));
		const size_t count = last_image(&p.out, p.batch, p.window.out, out);
		pair_floats(&x, CONV_OUT, &r, count);
		const weights_source w = weights_for(&r, s);
		pair_weights(&x, CONV_WEIGHTS, PACKING_GEMM, s, &w);
		if (i % 2)
			scale_by_operand(&r, &x, &p.epilogue, &p.out, 0, count);
		pair_run(&x, 1e-5, "groups that take turns");
	}
}

/* Output channels in runs, as a pixel shuffle has them: an image twice as high and wide. */
Test(orders, convolutions_write_runs_of_channels)
{
	static const size_t runs[] = { 3, 8, 1, 4, 6, 16 };
	rng r = { 35 };
	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
		const size_t run = runs[i];
		conv_params p = { .batch = rng_range(&r, 1, 2), .out_run = run, .out_runs = { 2, 2 } };
		weights_shape *s = &p.weights;
		pair x;
		window_of(&r, &p.window);
		*s = (weights_shape){ .groups = 1, .in_channels = rng_range(&r, 1, 9), .out_channels = 4 * run };
		memcpy(s->kernel, p.window.kernel, sizeof s->kernel);
		p.out_run_stride[1] = (ptrdiff_t)run;
		p.out.axis[PIXEL] = 2 * p.out_run_stride[1];
		p.out_run_stride[0] = p.out.axis[PIXEL] * (ptrdiff_t)p.window.out[PIXEL];
		p.out.axis[ROW] = 2 * p.out_run_stride[0];
		p.out.axis[DEPTH] = p.out.batch = p.out.axis[ROW] * (ptrdiff_t)p.window.out[ROW];
		const size_t count = (size_t)p.out.batch * p.batch;
		pair_begin(&x, KERNEL_conv_f32, &p);
		pair_floats(&x, CONV_IN, &r, last_image(&p.in, p.batch, p.window.in, s->in_channels));
		pair_floats(&x, CONV_OUT, &r, count);
		const weights_source w = weights_for(&r, s);
		pair_weights(&x, CONV_WEIGHTS, PACKING_GEMM, s, &w);
		if (i % 2) {
			const ptrdiff_t stride[7] = { p.out.batch, p.out.axis[0], p.out.axis[1], p.out.axis[2], p.out_run_stride[0],
				                      p.out_run_stride[1], 1 };
			scale_by_operand(&r, &x, &p.epilogue, &p.out, 0, count);
			memcpy(p.epilogue.operand[0].stride, stride, sizeof stride);
		}
		pair_run(&x, 1e-5, "runs of channels");
	}
}
