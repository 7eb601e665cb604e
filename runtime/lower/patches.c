/* ConvTranspose whose kernel is as large as its stride: every input pixel becomes a patch of the output that no other touches. With few
 * channels all elements of a patch are columns of one product, where phase by phase most lanes of a vector would stay empty; then a copy
 * puts them in their places. */
#include "patches.h"

#include <string.h>

#include "conv_attrs.h"

enum { H, W }; /* of conv_geometry */

/* What follows the sum must be a function of it alone. */
static bool is_patches(const lowering *l, const conv_geometry *g)
{
	bool ok = g->spatial == 2 && g->group == 1 && (!l->fused || !l->fused->operand_count) && lower_lies(&l->in_view[0], PORT_LAST);
	for (int a = 0; ok && a < 2; a++)
		ok = g->kernel[a] == g->stride[a] && g->dilation[a] == 1 && !g->pad_begin[a] && g->out[a] == g->in[a] * g->stride[a];
	ok = ok && (!l->fused || l->fused->program.count + 2 <= PROGRAM_MAX_CODE);
	return ok && g->kernel[H] * g->kernel[W] * g->out_channels <= (int64_t)cpu_kernels_get()->vector;
}

typedef struct patch_key {
	value_id weights, bias;
	uint32_t kind;
	axis_run in;
} patch_key;

/* The weights [in][out][h][w] as a matrix whose columns are [h][w][out]. */
static clast_status pack_patches(lowering *l, const conv_geometry *g, const axis_run *in, conv_params *p, uint32_t *weight)
{
	const tensor_view *w = l->in[1].data, *b = l->n_in > 2 && l->in[2].present ? l->in[2].data : NULL;
	const uint32_t out = (uint32_t)g->out_channels, taps = (uint32_t)(g->kernel[H] * g->kernel[W]), n = out * taps;
	uint32_t *column = bump_array(l->memory, n, sizeof *column);
	float *bias = bump_array(l->memory, n, sizeof *bias);
	patch_key key;
	memset(&key, 0, sizeof key);
	if (!column || !bias)
		return CLAST_ERROR_MEMORY;
	for (uint32_t i = 0; i < n; i++) { /* element i of the weights of an input channel */
		const uint32_t at = i % taps * out + i / taps;
		column[at] = i;
		bias[i] = b ? ((const loose_float *)b->data)[i / taps] : 0;
	}
	key.weights = l->n->in[1];
	key.bias = b ? l->n->in[2] : NO_ID;
	key.kind = 8;
	key.in.key = in->key;
	p->weights = (weights_shape){ .groups = 1, .out_channels = n, .in_channels = (size_t)g->in_channels, .kernel = { 1, 1, 1 } };
	const weights_source source = { .data = w->data, .group = n, .out = 1, .in = w->strides[0], .in_index = in->index,
		                        .out_index = column, .bias = bias, .bias_stride = 1 };
	return lower_weight(l, PACKING_GEMM, &p->weights, &source, &key, sizeof key, weight);
}

static clast_status emit_product(lowering *l, const conv_geometry *g, uint32_t temp)
{
	const tensor_view *x = &l->in_view[0];
	const size_t rows = (size_t)g->in[H], pixels = (size_t)g->in[W];
	conv_params p = { .batch = (size_t)g->batch, .chain = l->chain };
	uint32_t weight;
	axis_run in;
	if (!lower_run(l, x, 1, &in))
		return CLAST_ERROR_UNSUPPORTED;
	const clast_status s = pack_patches(l, g, &in, &p, &weight);
	if (s)
		return s;
	const ptrdiff_t n = (ptrdiff_t)p.weights.out_channels;
	p.window = (conv_window){ .in = { 1, rows, pixels }, .out = { 1, rows, pixels }, .kernel = { 1, 1, 1 }, .stride = { 1, 1, 1 },
		                  .dilation = { 1, 1, 1 }, .row_end = rows };
	p.in = (image_strides){ x->strides[0], { 0, x->strides[2], x->strides[3] } };
	p.out = (image_strides){ (ptrdiff_t)(rows * pixels) * n, { 0, (ptrdiff_t)pixels * n, n } };
	p.in_channel = p.out_channel = 1;
	const lower_arg args[] = { [CONV_OUT] = { ARG_TEMP, temp, 0 }, [CONV_IN] = { ARG_IN, 0, 0 }, [CONV_WEIGHTS] = { ARG_WEIGHT, weight, 0 } };
	return lower_emit(l, KERNEL_conv_f32, &p, sizeof args / sizeof *args, args);
}

/* The program over all sums, as one row: it is a function of each alone. */
static clast_status emit_program(lowering *l, uint32_t temp, size_t count)
{
	eltwise_params p = { .rank = 1, .operands = 1, .extent = { count }, .operand = { { KERNEL_F32, { 1 } } } };
	const program *from = &l->fused->program;
	const lower_arg args[] = { { ARG_TEMP, temp, 0 } };
	p.program.code[p.program.count++] = (program_instr){ .op = PROGRAM_LOAD };
	memcpy(p.program.code + 1, from->code, from->count * sizeof *from->code);
	p.program.count += from->count;
	p.program.code[p.program.count++] = (program_instr){ .op = PROGRAM_STORE };
	return lower_emit(l, KERNEL_eltwise, &p, 1, args);
}

/* [batch][row][pixel][h][w][channel] to where the output has them. */
static clast_status emit_places(lowering *l, const conv_geometry *g, uint32_t temp)
{
	const tensor_view *y = &l->out_view[0];
	const int64_t dims[6] = { g->batch, g->in[H], g->kernel[H], g->in[W], g->kernel[W], g->out_channels };
	const int64_t kw = g->kernel[W], c = g->out_channels, patch = g->kernel[H] * kw * c;
	const int64_t from[6] = { g->in[H] * g->in[W] * patch, g->in[W] * patch, kw * c, patch, c, 1 };
	const int64_t to[6] = { y->strides[0], g->kernel[H] * y->strides[2], y->strides[2], kw * y->strides[3], y->strides[3], y->strides[1] };
	tensor_view a, b;
	copy_params copy;
	view_dense(&a, CLAST_FLOAT32, 6, dims, NULL);
	view_dense(&b, CLAST_FLOAT32, 6, dims, NULL);
	memcpy(a.strides, from, sizeof from);
	memcpy(b.strides, to, sizeof to);
	const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, 0, 0 }, [COPY_IN] = { ARG_TEMP, temp, 0 } };
	return lower_copy_params(&b, &a, &copy) ? lower_emit(l, KERNEL_copy, &copy, 2, args) : CLAST_ERROR_UNSUPPORTED;
}

clast_status lower_patches(lowering *l, const conv_geometry *g)
{
	const tensor_view *y = &l->out_view[0];
	const size_t count = (size_t)view_count(y);
	uint32_t temp;
	if (!is_patches(l, g) || !count || y->split[1])
		return CLAST_ERROR_UNSUPPORTED;
	clast_status s = lower_temp(l, count * sizeof(float), &temp);
	if (!s)
		s = emit_product(l, g, temp);
	if (!s && l->fused)
		s = emit_program(l, temp, count);
	return s ? s : emit_places(l, g, temp);
}
