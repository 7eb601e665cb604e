/* Products, elementwise programs, copies, reductions and normalisations on the device over small odd shapes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(tensors, .init = pair_open, .fini = pair_close, .timeout = 600);

/* Strides of a dense tensor whose axes follow one another in memory as perm says, with gaps. */
static size_t random_strides(rng *r, size_t rank, const size_t *extent, bool gaps, ptrdiff_t *stride)
{
	size_t perm[KERNEL_MAX_AXES];
	ptrdiff_t at = 1;
	for (size_t i = 0; i < rank; i++)
		perm[i] = i;
	for (size_t i = rank; i > 1; i--) {
		const size_t j = rng_range(r, 0, i - 1), x = perm[i - 1];
		perm[i - 1] = perm[j];
		perm[j] = x;
	}
	for (size_t i = 0; i < rank; i++) {
		stride[perm[i]] = at;
		at *= (ptrdiff_t)extent[perm[i]];
		at += gaps ? (ptrdiff_t)rng_range(r, 0, 3) : 0;
	}
	return span_of(rank, extent, stride);
}

static void gemm_case(rng *r, unsigned form, size_t most)
{
	gemm_params p = { .m = rng_range(r, 1, most / 2), .n = rng_range(r, 1, most), .k = rng_range(r, 1, 33), .slices = 1 };
	const bool batched = rng_chance(r, 50);
	pair x;
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		p.batch[i] = batched && i > 1 ? rng_range(r, 1, 3) : 1;
	const size_t a[6] = { p.batch[0], p.batch[1], p.batch[2], p.batch[3], p.m, p.k };
	const size_t b[6] = { p.batch[0], p.batch[1], p.batch[2], p.batch[3], p.k, p.n };
	const size_t c[6] = { p.batch[0], p.batch[1], p.batch[2], p.batch[3], p.m, p.n };
	ptrdiff_t sa[6], sb[6], sc[6];
	pair_begin(&x, KERNEL_gemm_f32, &p);
	pair_floats(&x, GEMM_A, r, random_strides(r, 6, a, rng_chance(r, 50), sa));
	sc[5] = 1;
	for (int i = 4; i >= 0; i--)
		sc[i] = sc[i + 1] * (ptrdiff_t)c[i + 1] + (ptrdiff_t)rng_range(r, 0, 2);
	pair_floats(&x, GEMM_OUT, r, span_of(6, c, sc));
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		p.a_batch[i] = p.batch[i] > 1 ? sa[i] : 0;
		p.out_batch[i] = p.batch[i] > 1 ? sc[i] : 0;
	}
	p.a_row = sa[4];
	p.a_col = sa[5];
	p.out_row = sc[4];
	if (form == 0) {
		if (rng_chance(r, 50)) { /* rows (i, j) are written as (j, i) */
			p.row_digits = 2;
			p.digit[1] = p.m % 3 ? p.m % 2 ? 1 : 2 : 3;
			p.digit[0] = p.m / p.digit[1];
			p.out_digit[0] = p.out_row;
			p.out_digit[1] = p.out_row * (ptrdiff_t)p.digit[0];
		}
		const weights_shape s = { .groups = p.batch[3], .out_channels = p.n, .in_channels = p.k, .kernel = { 1, 1, 1 } };
		const weights_source w = { .data = random_weights(r, p.batch[3] * p.k * p.n), .bias = random_floats(r, p.batch[3] * p.n),
			                   .bias_stride = 1, .group = (ptrdiff_t)(p.k * p.n), .in = (ptrdiff_t)p.n, .out = 1 };
		p.packed = 1;
		p.slices = p.batch[3];
		p.b_batch[3] = p.batch[3] > 1;
		pair_weights(&x, GEMM_B, PACKING_GEMM, &s, &w);
	} else {
		pair_floats(&x, GEMM_B, r, random_strides(r, 6, b, form == 2, sb));
		for (int i = 0; i < GEMM_BATCH_AXES; i++)
			p.b_batch[i] = p.batch[i] > 1 ? sb[i] : 0;
		p.b_row = sb[4];
		p.b_col = sb[5];
	}
	char what[100];
	snprintf(what, sizeof what, "form %u, %zux%zux%zu, b strides %td %td", form, p.m, p.n, p.k, p.b_row, p.b_col);
	pair_run(&x, 1e-5, what);
}

Test(tensors, products_agree_with_the_cpu)
{
	rng r = { 10 };
	for (unsigned i = 0; i < 18; i++)
		gemm_case(&r, i % 3, 37);
}

static void one_product(rng *r)
{
	gemm_case(r, (unsigned)rng_range(r, 0, 2), 150);
}

Test(half, products_read_float16_weights, .timeout = 900)
{
	rng r = { 42 };
	static const char *const variants[] = { "0", "8" };
	for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
		setenv("CLAST_OPENCL_VARIANT", variants[v], 1);
		pair_open_half();
		for (unsigned i = 0; i < 3; i++)
			gemm_case(&r, 0, 70);
		pair_close();
	}
}

Test(variants, of_products_agree_with_the_cpu, .timeout = 900)
{
	pair_each_variant(KERNEL_gemm_f32, one_product);
}

/* Every instruction, a few at a time, each result stored. */
Test(tensors, every_instruction_agrees_with_the_cpu)
{
	enum { N = 101, EACH = 9 };
	rng r = { 11 };
	for (unsigned op = PROGRAM_MOVE; op < PROGRAM_OP_COUNT; op += EACH) {
		eltwise_params p = { .rank = 1, .operands = 3 + EACH, .extent = { N } };
		program *g = &p.program;
		pair x;
		pair_begin(&x, KERNEL_eltwise, &p);
		for (uint32_t i = 0; i < p.operands; i++) {
			p.operand[i] = (eltwise_operand){ KERNEL_F32, { 1 } };
			pair_floats(&x, i, &r, N);
		}
		static const float special[] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0.5f, -2.5f, 1.5f, 30.0f, -30.0f };
		for (size_t i = 0; i < sizeof special / sizeof *special; i++)
			((float *)x.operand[0].cpu)[i] = ((float *)x.operand[0].gpu)[i] = special[i];
		for (uint8_t i = 0; i < 3; i++)
			g->code[g->count++] = (program_instr){ .op = PROGRAM_LOAD, .dst = i, .a = i };
		for (unsigned k = 0; k < EACH && op + k < PROGRAM_OP_COUNT; k++) {
			if (op + k == PROGRAM_LOAD || op + k == PROGRAM_STORE || op + k == PROGRAM_POW)
				continue; /* pow of negative numbers and infinities: the next test */
			g->code[g->count++] = (program_instr){ .op = (uint8_t)(op + k), .dst = 3, .a = 0, .b = 1, .c = 2, .imm = { 0.75f, 1.5f } };
			g->code[g->count++] = (program_instr){ .op = PROGRAM_STORE, .dst = (uint8_t)(3 + k), .a = 3 };
		}
		cr_assert(program_valid(g, p.operands, 0));
		char what[60];
		snprintf(what, sizeof what, "instructions from %s on", program_op_name(op));
		pair_run(&x, 4e-6, what);
	}
}

Test(tensors, programs_take_every_element_type_and_stride)
{
	rng r = { 12 };
	for (unsigned type = 0; type < KERNEL_DTYPE_COUNT; type++) {
		static const size_t extent[3] = { 3, 5, 19 };
		eltwise_params p = { .rank = 3, .operands = 4, .extent = { 3, 5, 19 } };
		pair x;
		pair_begin(&x, KERNEL_eltwise, &p);
		const size_t size = kernel_dtype_bytes(type);
		uint8_t bytes[3 * 5 * 19 * 8];
		for (uint32_t i = 0; i < p.operands; i++) {
			ptrdiff_t *s = p.operand[i].stride;
			p.operand[i].dtype = i == 0 || i == 3 ? type : KERNEL_F32;
			const size_t count = random_strides(&r, 3, extent, false, s);
			if (i == 1)
				s[1] = s[2] = 0; /* broadcast */
			if (p.operand[i].dtype == KERNEL_F32) {
				pair_floats(&x, i, &r, count);
				continue;
			}
			for (size_t k = 0; k < count * size; k++)
				bytes[k] = (uint8_t)(type == KERNEL_F16 || type == KERNEL_BF16 ? k % 2 ? 0x38 + rng_range(&r, 0, 8) : rng_range(&r, 0, 255) :
				                     type == KERNEL_I32 ? k % 4 < 2 ? rng_range(&r, 0, 255) : 0 : rng_range(&r, 0, 255));
			pair_bytes(&x, i, bytes, count * size);
		}
		p.program.count = 6;
		p.program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 0, .a = 0 };
		p.program.code[1] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = 1 };
		p.program.code[2] = (program_instr){ .op = PROGRAM_ADD_CONST, .dst = 2, .a = 0, .imm = { 0.5f } };
		p.program.code[3] = (program_instr){ .op = PROGRAM_STORE, .dst = 3, .a = 2 };
		p.program.code[4] = (program_instr){ .op = PROGRAM_MUL, .dst = 0, .a = 0, .b = 1 };
		p.program.code[5] = (program_instr){ .op = PROGRAM_STORE, .dst = 2, .a = 0 };
		char what[40];
		snprintf(what, sizeof what, "element type %u", type);
		pair_run(&x, 1e-6, what);
	}
}

Test(tensors, copies_and_fills_agree_with_the_cpu)
{
	rng r = { 13 };
	for (unsigned i = 0; i < 20; i++) {
		static const uint32_t sizes[] = { 1, 2, 4, 8, 16 };
		copy_params p = { .element_bytes = sizes[i % 5], .rank = (uint32_t)rng_range(&r, 1, 5) };
		uint8_t bytes[16384];
		pair x;
		for (uint32_t a = 0; a < p.rank; a++)
			p.extent[a] = rng_range(&r, 1, p.rank < 3 ? 21 : 4);
		const size_t in = random_strides(&r, p.rank, p.extent, false, p.in);
		const size_t out = random_strides(&r, p.rank, p.extent, rng_chance(&r, 50), p.out);
		if (rng_chance(&r, 20))
			p.in[0] = 0;
		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)rng_range(&r, 0, 255);
		cr_assert_leq(in * p.element_bytes, sizeof bytes);
		cr_assert_leq(out * p.element_bytes, sizeof bytes);
		if (i % 4 == 3) {
			fill_params f = { .element_bytes = p.element_bytes, .rank = p.rank };
			memcpy(f.extent, p.extent, sizeof f.extent);
			memcpy(f.out, p.out, sizeof f.out);
			memcpy(f.value, bytes, sizeof f.value);
			pair_begin(&x, KERNEL_fill, &f);
			pair_bytes(&x, FILL_OUT, bytes, out * p.element_bytes);
			pair_run(&x, 0, "fill");
			continue;
		}
		pair_begin(&x, KERNEL_copy, &p);
		pair_bytes(&x, COPY_IN, bytes, in * p.element_bytes);
		pair_bytes(&x, COPY_OUT, bytes, out * p.element_bytes);
		pair_run(&x, 0, "copy");
	}
}

Test(tensors, reductions_agree_with_the_cpu)
{
	rng r = { 14 };
	for (unsigned i = 0; i < 20; i++) {
		reduce_params p = { .kind = i % 10, .kept_rank = (uint32_t)rng_range(&r, 1, 2), .reduced_rank = (uint32_t)rng_range(&r, 1, 2) };
		size_t extent[4];
		ptrdiff_t stride[4];
		const size_t n = p.kept_rank + p.reduced_rank;
		pair x;
		for (size_t a = 0; a < n; a++)
			extent[a] = rng_range(&r, 1, i < 10 ? 9 : 23);
		if (i % 10 == REDUCE_PROD)
			extent[n - 1] = extent[n - 1] > 5 ? 5 : extent[n - 1];
		const size_t in = random_strides(&r, n, extent, rng_chance(&r, 50), stride);
		memcpy(p.kept, extent, p.kept_rank * sizeof *extent);
		memcpy(p.in_kept, stride, p.kept_rank * sizeof *stride);
		memcpy(p.reduced, extent + p.kept_rank, p.reduced_rank * sizeof *extent);
		memcpy(p.in_reduced, stride + p.kept_rank, p.reduced_rank * sizeof *stride);
		const size_t out = random_strides(&r, p.kept_rank, p.kept, rng_chance(&r, 50), p.out_kept);
		pair_begin(&x, KERNEL_reduce_f32, &p);
		pair_floats(&x, REDUCE_IN, &r, in);
		pair_floats(&x, REDUCE_OUT, &r, out);
		for (size_t k = 0; k < in && p.kind == REDUCE_LOG_SUM; k++)
			((float *)x.operand[REDUCE_IN].cpu)[k] = ((float *)x.operand[REDUCE_IN].gpu)[k] += 1.5f;
		char what[40];
		snprintf(what, sizeof what, "reduction of kind %u", p.kind);
		pair_run(&x, 1e-5, what);
	}
}

Test(tensors, softmax_agrees_with_the_cpu)
{
	rng r = { 15 };
	for (unsigned i = 0; i < 16; i++) {
		softmax_params p = { .log = i % 2, .rank = (uint32_t)rng_range(&r, 1, 2), .extent = rng_range(&r, 1, 70) };
		size_t extent[3];
		ptrdiff_t in[3], out[3];
		pair x;
		for (uint32_t a = 0; a < p.rank; a++)
			extent[a] = p.outer[a] = rng_range(&r, 1, 6);
		extent[p.rank] = p.extent;
		pair_begin(&x, KERNEL_softmax_f32, &p);
		pair_floats(&x, SOFTMAX_IN, &r, random_strides(&r, p.rank + 1, extent, true, in));
		pair_floats(&x, SOFTMAX_OUT, &r, random_strides(&r, p.rank + 1, extent, true, out));
		memcpy(p.in_outer, in, p.rank * sizeof *in);
		memcpy(p.out_outer, out, p.rank * sizeof *out);
		p.in_stride = in[p.rank];
		p.out_stride = out[p.rank];
		pair_run(&x, 1e-5, "softmax");
	}
}

Test(tensors, layer_norms_agree_with_the_cpu)
{
	rng r = { 16 };
	for (unsigned i = 0; i < 12; i++) {
		const size_t n = rng_range(&r, 1, 70), rows = rng_range(&r, 1, 7);
		layer_norm_params p = { .rank = 1, .rms = i % 2, .outer = { rows }, .in_outer = { (ptrdiff_t)n + 3 },
			                .out_outer = { (ptrdiff_t)n }, .extent = n, .epsilon = 1e-5f };
		pair x;
		pair_begin(&x, KERNEL_layer_norm_f32, &p);
		pair_floats(&x, LAYER_NORM_IN, &r, rows * (n + 3));
		pair_floats(&x, LAYER_NORM_OUT, &r, rows * n);
		if (i % 4 < 2)
			pair_floats(&x, LAYER_NORM_SCALE, &r, n);
		if (i % 3)
			pair_floats(&x, LAYER_NORM_BIAS, &r, n);
		if (i % 4 == 0) {
			pair_floats(&x, LAYER_NORM_MEAN, &r, rows);
			pair_floats(&x, LAYER_NORM_INV_STD, &r, rows);
		}
		pair_run(&x, 1e-5, "layer norm");
	}
}

Test(tensors, group_norms_agree_with_the_cpu)
{
	rng r = { 17 };
	for (unsigned i = 0; i < 10; i++) {
		const size_t groups = rng_range(&r, 1, 4), width = rng_range(&r, 1, 5), c = groups * width;
		group_norm_params p = { .batch = 2, .rows = rng_range(&r, 1, 4), .pixels = rng_range(&r, 1, 5), .channels = c, .groups = groups,
			                .epsilon = 1e-5f };
		pair x;
		p.in_pixel = (ptrdiff_t)c + 1;
		p.in_row = p.in_pixel * (ptrdiff_t)p.pixels + 2;
		p.in_batch = p.in_row * (ptrdiff_t)p.rows;
		p.out_pixel = (ptrdiff_t)c;
		p.out_row = p.out_pixel * (ptrdiff_t)p.pixels;
		p.out_batch = p.out_row * (ptrdiff_t)p.rows;
		pair_begin(&x, KERNEL_group_norm_f32, &p);
		pair_floats(&x, GROUP_NORM_IN, &r, (size_t)p.in_batch * 2);
		pair_floats(&x, GROUP_NORM_OUT, &r, (size_t)p.out_batch * 2);
		if (i % 2) {
			pair_floats(&x, GROUP_NORM_SCALE, &r, c);
			pair_floats(&x, GROUP_NORM_BIAS, &r, c);
		}
		pair_run(&x, 1e-5, "group norm");
	}
}

Test(tensors, local_response_normalisation_agrees_with_the_cpu)
{
	rng r = { 18 };
	for (unsigned i = 0; i < 6; i++) {
		const size_t c = rng_range(&r, 1, 20), rows = rng_range(&r, 1, 9);
		lrn_params p = { .rank = 1, .outer = { rows }, .in_outer = { (ptrdiff_t)c + 2 }, .out_outer = { (ptrdiff_t)c }, .channels = c,
			         .size = rng_range(&r, 1, 6), .alpha = 0.3f, .beta = 0.75f, .bias = 1.5f };
		pair x;
		pair_begin(&x, KERNEL_lrn_f32, &p);
		pair_floats(&x, LRN_IN, &r, rows * (c + 2));
		pair_floats(&x, LRN_OUT, &r, rows * c);
		pair_run(&x, 1e-5, "lrn");
	}
}
