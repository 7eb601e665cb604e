/* Convolutions, pools and interpolation on the device over small odd shapes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(images, .init = pair_open, .fini = pair_close, .timeout = 600);

static void random_window(rng *r, conv_window *w, size_t rank)
{
	for (size_t a = 0; a < 3; a++) {
		const bool used = a + rank >= 3;
		w->kernel[a] = used ? rng_range(r, 1, 3) : 1;
		w->stride[a] = used ? rng_range(r, 1, 3) : 1;
		w->dilation[a] = used && rng_chance(r, 30) ? 2 : 1;
		const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
		w->in[a] = used ? rng_range(r, 1, 11) : 1;
		w->pad[a] = used ? (ptrdiff_t)rng_range(r, 0, reach) : 0;
		const ptrdiff_t room = (ptrdiff_t)w->in[a] + w->pad[a] + (used ? (ptrdiff_t)rng_range(r, 0, reach) : 0) - (ptrdiff_t)reach;
		w->out[a] = room < 0 ? 1 : (size_t)room / w->stride[a] + 1;
	}
	w->row_end = w->out[ROW];
}

/* Channels innermost, with gaps; returns the elements that the image spans. */
static size_t random_image(rng *r, image_strides *s, size_t batch, const size_t *extent, size_t channels)
{
	const bool gaps = rng_chance(r, 50);
	s->axis[PIXEL] = (ptrdiff_t)(channels + (gaps ? rng_range(r, 0, 5) : 0));
	s->axis[ROW] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL] + (gaps ? (ptrdiff_t)rng_range(r, 0, 9) : 0);
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW];
	s->batch = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH];
	const size_t extents[5] = { batch, extent[0], extent[1], extent[2], channels };
	const ptrdiff_t strides[5] = { s->batch, s->axis[0], s->axis[1], s->axis[2], 1 };
	return span_of(5, extents, strides);
}

static void image_axes(ptrdiff_t *to, const image_strides *s)
{
	to[0] = s->batch;
	for (int a = 0; a < 3; a++)
		to[1 + a] = s->axis[a];
	to[4] = 1;
}

/* kind 0: nothing; 1: residual and clamp; 2: v * operand + 0.25, the operand full or one value a channel, twice stored. */
static void add_epilogue(rng *r, pair *p, epilogue *e, unsigned kind, size_t residual, size_t batch, const size_t *out, size_t channels)
{
	image_strides s = { 0 };
	memset(e, 0, sizeof *e);
	if (kind == 1) {
		e->flags = EPILOGUE_RESIDUAL | EPILOGUE_CLAMP;
		e->min = -0.5f;
		e->max = 0.75f;
		pair_floats(p, residual, r, random_image(r, &s, batch, out, channels));
		image_axes(e->residual, &s);
	}
	if (kind == 2) {
		const bool full = rng_chance(r, 50);
		e->flags = EPILOGUE_PROGRAM;
		e->operands = 1;
		pair_floats(p, residual + 1, r, full ? random_image(r, &s, batch, out, channels) : channels);
		image_axes(e->operand[0].stride, &s);
		e->program.count = 3;
		e->program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = 0 };
		e->program.code[1] = (program_instr){ .op = PROGRAM_MUL, .dst = 0, .a = 0, .b = 1 };
		e->program.code[2] = (program_instr){ .op = PROGRAM_ADD_CONST, .dst = 0, .a = 0, .imm = { 0.25f } };
	}
}

typedef enum conv_form { CONV_PLAIN, CONV_DEPTHWISE, CONV_TRANSPOSED } conv_form;

static void transposed_window(rng *r, conv_window *w, size_t rank)
{
	for (size_t a = 0; a < 3; a++) {
		const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
		const ptrdiff_t full = (ptrdiff_t)((w->in[a] - 1) * w->stride[a] + reach);
		w->pad[a] = a + rank >= 3 ? (ptrdiff_t)rng_range(r, 0, reach / 2) : 0;
		const ptrdiff_t out = full - w->pad[a] - (ptrdiff_t)rng_range(r, 0, 1) + (ptrdiff_t)rng_range(r, 0, 2);
		w->out[a] = out < 1 ? 1 : (size_t)out;
	}
	w->row_end = w->out[ROW];
}

static void conv_case(rng *r, conv_form form, unsigned epilogue_kind, size_t most)
{
	static const packing_id packings[] = { PACKING_GEMM, PACKING_DEPTHWISE, PACKING_TRANSPOSE };
	static const kernel_id kernels[] = { KERNEL_conv_f32, KERNEL_depthwise_f32, KERNEL_conv_transpose_f32 };
	conv_params p = { .batch = rng_range(r, 1, 2) };
	weights_shape *s = &p.weights;
	weights_source w = { 0 };
	pair x;
	char what[200];
	const size_t rank = rng_chance(r, 20) ? 3 : rng_chance(r, 20) ? 1 : 2;
	random_window(r, &p.window, rank);
	if (form == CONV_TRANSPOSED)
		transposed_window(r, &p.window, rank);
	s->groups = form == CONV_DEPTHWISE ? rng_range(r, 2, most) : rng_chance(r, 30) ? rng_range(r, 2, 3) : 1;
	s->in_channels = form == CONV_DEPTHWISE ? 1 : rng_range(r, 1, most);
	s->out_channels = form == CONV_DEPTHWISE ? 1 : rng_range(r, 1, most);
	memcpy(s->kernel, p.window.kernel, sizeof s->kernel);
	memcpy(s->stride, p.window.stride, sizeof s->stride);
	memcpy(s->dilation, p.window.dilation, sizeof s->dilation);
	const size_t in = s->groups * s->in_channels, out = s->groups * s->out_channels;
	pair_begin(&x, kernels[form], &p);
	pair_floats(&x, CONV_IN, r, random_image(r, &p.in, p.batch, p.window.in, in));
	pair_floats(&x, CONV_OUT, r, random_image(r, &p.out, p.batch, p.window.out, out));
	const ptrdiff_t taps = (ptrdiff_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]);
	w.data = random_weights(r, out * s->in_channels * (size_t)taps);
	w.tap[2] = 1;
	w.tap[1] = (ptrdiff_t)s->kernel[2];
	w.tap[0] = (ptrdiff_t)(s->kernel[1] * s->kernel[2]);
	w.in = taps;
	w.out = taps * (ptrdiff_t)s->in_channels;
	w.group = taps * (ptrdiff_t)(s->in_channels * s->out_channels);
	if (rng_chance(r, 70)) {
		w.bias = random_floats(r, out);
		w.bias_stride = 1;
	}
	pair_weights(&x, CONV_WEIGHTS, packings[form], s, &w);
	add_epilogue(r, &x, &p.epilogue, epilogue_kind, CONV_RESIDUAL, p.batch, p.window.out, out);
	snprintf(what, sizeof what, "form %d, batch %zu, groups %zu, channels %zu to %zu, %zux%zux%zu to %zux%zux%zu, kernel %zux%zux%zu, stride %zu",
	         (int)form, p.batch, s->groups, s->in_channels, s->out_channels, p.window.in[0], p.window.in[1], p.window.in[2],
	         p.window.out[0], p.window.out[1], p.window.out[2], s->kernel[0], s->kernel[1], s->kernel[2], s->stride[2]);
	pair_run(&x, 2e-6 * (1 + (double)s->in_channels * (double)taps / 16), what);
}

Test(images, convolutions_agree_with_the_cpu)
{
	rng r = { 1 };
	for (int i = 0; i < 18; i++)
		conv_case(&r, CONV_PLAIN, (unsigned)i % 3, i % 2 ? 35 : 7);
}

Test(images, depthwise_convolutions_agree_with_the_cpu)
{
	rng r = { 2 };
	for (int i = 0; i < 12; i++)
		conv_case(&r, CONV_DEPTHWISE, (unsigned)i % 3, 37);
}

Test(images, transposed_convolutions_agree_with_the_cpu)
{
	rng r = { 3 };
	for (int i = 0; i < 12; i++)
		conv_case(&r, CONV_TRANSPOSED, (unsigned)i % 3, 20);
}

/* Also dilated, images of odd extents, channels that fill neither chunk nor block. Where the device is a CPU, as if it were none. */
Test(winograd, tiles_agree_with_the_cpu, .timeout = 900)
{
	rng r = { 43 };
	setenv("CLAST_OPENCL_TARGET", "gpu", 1);
	pair_open();
	for (unsigned i = 0; i < 8; i++) {
		conv_params p = { .batch = rng_range(&r, 1, 2), .weights = { .groups = 1, .out_channels = rng_range(&r, 1, 50),
			                                                    .in_channels = rng_range(&r, 1, 21), .kernel = { 1, 3, 3 } } };
		conv_window *v = &p.window;
		weights_shape *s = &p.weights;
		pair x;
		char what[120];
		*v = (conv_window){ .in = { rng_range(&r, 1, 2), rng_range(&r, 5, 13), rng_range(&r, 5, 13) }, .kernel = { 1, 3, 3 }, .stride = { 1, 1, 1 },
			            .dilation = { 1, rng_range(&r, 1, 2), rng_range(&r, 1, 2) } };
		v->out[0] = v->in[0];
		for (int a = 1; a < 3; a++) {
			v->pad[a] = (ptrdiff_t)rng_range(&r, 0, 2);
			v->out[a] = v->in[a] + (size_t)v->pad[a] + rng_range(&r, 0, 1) - 2 * v->dilation[a];
		}
		v->row_end = v->out[ROW];
		memcpy(s->stride, v->stride, sizeof s->stride);
		memcpy(s->dilation, v->dilation, sizeof s->dilation);
		pair_begin(&x, KERNEL_winograd2_f32, &p);
		pair_floats(&x, CONV_IN, &r, random_image(&r, &p.in, p.batch, v->in, s->in_channels));
		pair_floats(&x, CONV_OUT, &r, random_image(&r, &p.out, p.batch, v->out, s->out_channels));
		const weights_source w = { .data = random_floats(&r, 9 * s->in_channels * s->out_channels), .tap = { 9, 3, 1 }, .in = 9,
			                   .out = 9 * (ptrdiff_t)s->in_channels, .bias = random_floats(&r, s->out_channels), .bias_stride = 1 };
		pair_weights(&x, CONV_WEIGHTS, PACKING_WINOGRAD2, s, &w);
		add_epilogue(&r, &x, &p.epilogue, i % 3, CONV_RESIDUAL, p.batch, v->out, s->out_channels);
		snprintf(what, sizeof what, "channels %zu to %zu, %zux%zux%zu, dilation %zu %zu", s->in_channels, s->out_channels, v->in[0],
		         v->in[1], v->in[2], v->dilation[1], v->dilation[2]);
		pair_run(&x, 1e-5, what);
	}
	pair_close();
}

static void one_convolution(rng *r)
{
	conv_case(r, CONV_PLAIN, (unsigned)rng_range(r, 0, 2), 80);
}

static void one_depthwise(rng *r)
{
	conv_case(r, CONV_DEPTHWISE, (unsigned)rng_range(r, 0, 2), 37);
}

/* In registers, by tiles in local memory, depthwise, transposed. */
Test(half, convolutions_read_float16_weights, .timeout = 900)
{
	rng r = { 41 };
	static const char *const variants[] = { "0", "8", "9" };
	for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
		setenv("CLAST_OPENCL_VARIANT", variants[v], 1);
		pair_open_half();
		conv_case(&r, CONV_PLAIN, 1, 40);
		conv_case(&r, CONV_PLAIN, 0, 9);
		pair_close();
	}
	unsetenv("CLAST_OPENCL_VARIANT");
	pair_open_half();
	for (int i = 0; i < 3; i++) {
		conv_case(&r, CONV_DEPTHWISE, 0, 37);
		conv_case(&r, CONV_TRANSPOSED, 0, 20);
	}
	pair_close();
}

Test(variants, of_convolutions_agree_with_the_cpu, .timeout = 900)
{
	pair_each_variant(KERNEL_conv_f32, one_convolution);
}

Test(variants, of_depthwise_convolutions_agree_with_the_cpu, .timeout = 900)
{
	pair_each_variant(KERNEL_depthwise_f32, one_depthwise);
}

Test(images, a_picture_in_first_order_is_read_by_its_channel_stride)
{
	rng r = { 4 };
	for (int i = 0; i < 6; i++) {
		conv_params p = { .batch = 2, .weights = { 1, 9, 3, { 1, 3, 3 }, { 1, 2, 2 }, { 1, 1, 1 } } };
		conv_window *v = &p.window;
		const size_t side = rng_range(&r, 5, 13);
		*v = (conv_window){ .in = { 1, side, side }, .out = { 1, (side + 1) / 2, (side + 1) / 2 }, .kernel = { 1, 3, 3 },
			            .stride = { 1, 2, 2 }, .dilation = { 1, 1, 1 }, .pad = { 0, 1, 1 } };
		v->row_end = v->out[ROW];
		p.in_channel = (ptrdiff_t)(side * side);
		p.in = (image_strides){ 3 * p.in_channel, { 0, (ptrdiff_t)side, 1 } };
		pair x;
		pair_begin(&x, KERNEL_conv_f32, &p);
		pair_floats(&x, CONV_IN, &r, 6 * side * side);
		pair_floats(&x, CONV_OUT, &r, random_image(&r, &p.out, 2, v->out, 9));
		const weights_source w = { .data = random_floats(&r, 9 * 27), .out = 27, .in = 9, .tap = { 9, 3, 1 } };
		pair_weights(&x, CONV_WEIGHTS, PACKING_GEMM, &p.weights, &w);
		pair_run(&x, 1e-5, "first order");
	}
}

Test(images, pools_agree_with_the_cpu)
{
	rng r = { 5 };
	for (int i = 0; i < 20; i++) {
		pool_params p = { .kind = (uint32_t)i % 5, .batch = rng_range(&r, 1, 2), .channels = rng_range(&r, 1, 21) };
		pair x;
		random_window(&r, &p.window, rng_chance(&r, 20) ? 3 : 2);
		for (int a = 0; a < 3; a++)
			p.pad_end[a] = a ? (ptrdiff_t)rng_range(&r, 0, 2) : 0;
		pair_begin(&x, KERNEL_pool_f32, &p);
		pair_floats(&x, POOL_IN, &r, random_image(&r, &p.in, p.batch, p.window.in, p.channels));
		pair_floats(&x, POOL_OUT, &r, random_image(&r, &p.out, p.batch, p.window.out, p.channels));
		add_epilogue(&r, &x, &p.epilogue, i < 10 ? 0 : 1, POOL_RESIDUAL, p.batch, p.window.out, p.channels);
		pair_run(&x, 1e-5, "pool");
	}
}

Test(images, interpolation_agrees_with_the_cpu)
{
	rng r = { 6 };
	for (int i = 0; i < 10; i++) {
		resize_params p = { .batch = rng_range(&r, 1, 2), .channels = rng_range(&r, 1, 19), .outside = 7.5f };
		pair x;
		pair_begin(&x, KERNEL_resize_f32, &p);
		for (int a = 0; a < 3; a++) {
			p.in[a] = a ? rng_range(&r, 1, 7) : 1;
			p.out[a] = a ? rng_range(&r, 1, 12) : 1;
			p.taps[a] = a && i % 2 ? (i % 4 == 1 ? 2 : 4) : 1;
			int32_t index[64];
			float weight[64];
			for (size_t k = 0; k < p.out[a] * p.taps[a]; k++) {
				index[k] = (int32_t)rng_range(&r, 0, p.in[a] - 1);
				weight[k] = rng_float(&r);
			}
			if (a == 2 && rng_chance(&r, 30))
				index[0] = -1;
			pair_bytes(&x, RESIZE_INDEX + (size_t)a, index, p.out[a] * p.taps[a] * sizeof *index);
			if (p.taps[a] > 1)
				pair_bytes(&x, RESIZE_WEIGHT + (size_t)a, weight, p.out[a] * p.taps[a] * sizeof *weight);
		}
		pair_floats(&x, RESIZE_IN, &r, random_image(&r, &p.in_stride, p.batch, p.in, p.channels));
		pair_floats(&x, RESIZE_OUT, &r, random_image(&r, &p.out_stride, p.batch, p.out, p.channels));
		pair_run(&x, 1e-5, "resize");
	}
}
