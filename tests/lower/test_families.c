#include <criterion/criterion.h>
#include <string.h>

#include "harness.h"

#ifndef TRIALS
#define TRIALS 90
#endif
#define EACH_TRIAL(s) for (uint64_t trial_ = 1, s = 0x9E3779B97F4A7C15u; trial_ <= TRIALS; s = ++trial_ * 0x9E3779B97F4A7C15u)

static void random_dims(uint64_t *s, int rank, int64_t most, int64_t *dims)
{
	for (int a = 0; a < rank; a++)
		dims[a] = between(s, 1, most);
}

/* Up to `most` channels, or as many as a few vectors hold: then they may lie in blocks. */
static int64_t random_channels(uint64_t *s, int64_t most)
{
	return below(s, 4) ? between(s, 1, most) : (int64_t)cpu_kernels_get()->vector * between(s, 1, 3);
}

static void window(uint64_t *s, lower_case *c, int spatial, const int64_t *extent, int64_t *kernel, int64_t buffer[4][8], bool pads_small)
{
	for (int i = 0; i < spatial; i++) {
		kernel[i] = between(s, 1, extent[i] < 3 ? extent[i] : 3);
		buffer[0][i] = kernel[i];
		buffer[1][i] = between(s, 1, 2);
		buffer[2][i] = (kernel[i] - 1) * 2 < extent[i] ? between(s, 1, 2) : 1;
		buffer[3][i] = between(s, 0, pads_small ? kernel[i] - 1 : 2);
		buffer[3][spatial + i] = between(s, 0, pads_small ? kernel[i] - 1 : 2);
	}
	case_attr_ints(c, "kernel_shape", (size_t)spatial, buffer[0]);
	case_attr_ints(c, "strides", (size_t)spatial, buffer[1]);
	case_attr_ints(c, "dilations", (size_t)spatial, buffer[2]);
	case_attr_ints(c, "pads", 2 * (size_t)spatial, buffer[3]);
}

Test(families, convolutions)
{
	EACH_TRIAL(s) {
		const int spatial = (int)between(&s, 1, 3);
		const int64_t groups = below(&s, 3) ? 1 : between(&s, 1, 4), in = random_channels(&s, 5), out = random_channels(&s, 9);
		const bool transposed = !below(&s, 3), depthwise = !transposed && !below(&s, 4);
		int64_t x[5] = { between(&s, 1, 2), depthwise ? in : groups * in }, w[5], buffer[4][8], bias;
		for (int i = 0; i < spatial; i++)
			x[2 + i] = between(&s, 1, 9);
		lower_case *c = case_new(transposed ? "ConvTranspose" : "Conv", 11, &s);
		window(&s, c, spatial, x + 2, w + 2, buffer, transposed);
		case_attr_int(c, "group", depthwise ? in : groups);
		w[0] = depthwise ? in : transposed ? groups * in : groups * out;
		w[1] = depthwise ? 1 : transposed ? out : in;
		bias = depthwise ? in : groups * out;
		if (transposed) /* pads may leave nothing */
			for (int i = 0; i < spatial; i++)
				buffer[3][i] = buffer[3][spatial + i] = 0;
		case_input(c, 2 + spatial, x);
		case_constant(c, 2 + spatial, w);
		if (below(&s, 2))
			case_constant(c, 1, &bias);
		case_run(c, transposed ? "conv_transpose" : "conv", below(&s, 2));
	}
}

/* Kernels as large as their stride; few output channels become columns of one product. */
Test(families, patches)
{
	EACH_TRIAL(s) {
		const int64_t in = random_channels(&s, 40), out = between(&s, 1, 5), pads[4] = { 0 };
		const int64_t kernel[2] = { between(&s, 1, 4), between(&s, 1, 4) };
		const int64_t x[4] = { between(&s, 1, 3), in, between(&s, 1, 9), between(&s, 1, 20) }, w[4] = { in, out, kernel[0], kernel[1] };
		lower_case *c = case_new("ConvTranspose", 11, &s);
		case_attr_ints(c, "kernel_shape", 2, kernel);
		case_attr_ints(c, "strides", 2, kernel);
		case_attr_ints(c, "pads", 4, pads);
		case_input(c, 4, x);
		case_constant(c, 4, w);
		if (below(&s, 2))
			case_constant(c, 1, &out);
		case_run(c, "conv_transpose", below(&s, 2));
	}
}

Test(families, products)
{
	EACH_TRIAL(s) {
		const int64_t m = between(&s, 1, 20), n = between(&s, 1, 40), k = between(&s, 1, 30);
		const bool ta = below(&s, 2), tb = below(&s, 2), constant = below(&s, 2), matrix = below(&s, 2);
		const int64_t a[2] = { ta ? k : m, ta ? m : k }, b[2] = { tb ? n : k, tb ? k : n }, full[2] = { m, n };
		lower_case *c = case_new("Gemm", 13, &s);
		case_attr_int(c, "transA", ta);
		case_attr_int(c, "transB", tb);
		case_attr_float(c, "alpha", below(&s, 2) ? 1 : 0.5f);
		case_attr_float(c, "beta", below(&s, 2) ? 1 : -2);
		case_input(c, 2, a);
		if (constant)
			case_constant(c, 2, b);
		else
			case_input(c, 2, b);
		if (matrix)
			case_input(c, 2, full);
		else if (below(&s, 2))
			case_constant(c, 1, &n);
		case_run(c, "gemm", below(&s, 2));
	}
}

Test(families, batched_products)
{
	EACH_TRIAL(s) {
		const int ra = (int)between(&s, 1, 5), rb = (int)between(&s, 1, 5);
		const int64_t k = between(&s, 1, 20);
		int64_t batch[4], a[6], b[6];
		random_dims(&s, 4, 3, batch);
		for (int i = 0; i < ra; i++)
			a[i] = i == ra - 1 ? k : i == ra - 2 ? between(&s, 1, 9) : below(&s, 3) ? batch[ra - 3 - i] : 1;
		for (int i = 0; i < rb; i++)
			b[i] = i == (rb > 1 ? rb - 2 : 0) ? k : i == rb - 1 ? between(&s, 1, 20) : below(&s, 3) ? batch[rb - 3 - i] : 1;
		lower_case *c = case_new("MatMul", 13, &s);
		case_input(c, ra, a);
		if (below(&s, 2))
			case_constant(c, rb, b);
		else
			case_input(c, rb, b);
		case_run(c, "matmul", below(&s, 2));
	}
}

Test(families, pools)
{
	static const char *const ops[] = { "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool" };
	EACH_TRIAL(s) {
		const int spatial = (int)between(&s, 1, 3), which = (int)below(&s, 4);
		int64_t x[5] = { between(&s, 1, 2), random_channels(&s, 12) }, kernel[3], buffer[4][8];
		for (int i = 0; i < spatial; i++)
			x[2 + i] = between(&s, 1, 9);
		lower_case *c = case_new(ops[which], 19, &s);
		if (which < 2) {
			window(&s, c, spatial, x + 2, kernel, buffer, true);
			case_attr_int(c, "ceil_mode", below(&s, 2));
		}
		if (which == 1)
			case_attr_int(c, "count_include_pad", below(&s, 2));
		case_input(c, 2 + spatial, x);
		case_run(c, which < 2 ? "pool" : "global_pool", below(&s, 2));
	}
}

Test(families, resizes)
{
	static const char *const modes[] = { "nearest", "linear", "cubic" };
	static const char *const coordinates[] = { "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "tf_crop_and_resize" };
	EACH_TRIAL(s) {
		const int spatial = (int)between(&s, 1, 3), where = (int)below(&s, 5);
		int64_t x[5] = { between(&s, 1, 2), random_channels(&s, 12) }, sizes[5] = { x[0], x[1] };
		for (int i = 0; i < spatial; i++) {
			x[2 + i] = between(&s, 1, 9);
			sizes[2 + i] = between(&s, 1, 12);
		}
		lower_case *c = case_new("Resize", 18, &s);
		case_attr_string(c, "mode", modes[below(&s, 3)]);
		case_attr_string(c, "coordinate_transformation_mode", coordinates[where]);
		case_attr_int(c, "antialias", below(&s, 2));
		case_attr_float(c, "extrapolation_value", 3);
		const int64_t axes[3] = { 2, 3, 4 }, region = 2 * spatial;
		case_attr_ints(c, "axes", (size_t)spatial, axes);
		case_input(c, 2 + spatial, x);
		if (where == 4)
			case_constant(c, 1, &region);
		else
			case_absent(c);
		case_absent(c);
		case_ints(c, (size_t)spatial, sizes + 2);
		case_run(c, "resize", below(&s, 2));
	}
}

Test(families, reductions)
{
	static const char *const ops[] = { "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2" };
	EACH_TRIAL(s) {
		const int rank = (int)between(&s, 1, 5), which = (int)below(&s, 7);
		int64_t x[5], axes[5];
		size_t n = 0;
		random_dims(&s, rank, 9, x);
		for (int a = 0; a < rank; a++)
			if (below(&s, 2))
				axes[n++] = a;
		lower_case *c = case_new(ops[which], 18, &s);
		case_attr_int(c, "keepdims", below(&s, 2));
		case_input(c, rank, x);
		if (n)
			case_ints(c, n, axes);
		case_run(c, "reduce", false);
	}
}

Test(families, normalisations)
{
	EACH_TRIAL(s) {
		const int rank = (int)between(&s, 1, 5), axis = (int)below(&s, rank);
		int64_t x[5];
		random_dims(&s, rank, 9, x);
		lower_case *c = case_new(below(&s, 2) ? "Softmax" : "LogSoftmax", 13, &s);
		case_attr_int(c, "axis", axis);
		case_input(c, rank, x);
		case_run(c, "softmax", false);
		c = case_new("LayerNormalization", 17, &s);
		case_attr_int(c, "axis", rank - 1);
		case_attr_float(c, "epsilon", 0.5f);
		case_input(c, rank, x);
		case_constant(c, 1, &x[rank - 1]);
		if (below(&s, 2))
			case_constant(c, 1, &x[rank - 1]);
		case_run(c, "layer_norm", false);
		if (rank < 3)
			continue;
		c = case_new("LRN", 13, &s);
		case_attr_int(c, "size", 1 + 2 * below(&s, 3));
		case_input(c, rank, x);
		case_run(c, "lrn", false);
		if (rank == 5)
			continue;
		c = case_new("InstanceNormalization", 6, &s);
		case_attr_float(c, "epsilon", 0.5f);
		case_input(c, rank, x);
		case_constant(c, 1, &x[1]);
		case_constant(c, 1, &x[1]);
		case_run(c, "group_norm", false);
	}
}

Test(families, pads)
{
	static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
	EACH_TRIAL(s) {
		const int rank = (int)between(&s, 1, 4), mode = (int)below(&s, 4);
		static const clast_dtype types[] = { CLAST_FLOAT32, CLAST_UINT8, CLAST_INT64 };
		int64_t x[4], pads[8];
		random_dims(&s, rank, 6, x);
		for (int i = 0; i < 2 * rank; i++) {
			pads[i] = below(&s, 2) ? 0 : between(&s, -1, 4);
			if (x[i % rank] <= 2 && pads[i] < 0)
				pads[i] = 0;
		}
		lower_case *c = case_new("Pad", 19, &s);
		case_attr_string(c, "mode", modes[mode]);
		case_input_of(c, types[below(&s, 3)], rank, x);
		case_ints(c, 2 * (size_t)rank, pads);
		case_run(c, "pad", false);
	}
}

Test(families, repetitions_and_joins)
{
	EACH_TRIAL(s) {
		const int rank = (int)between(&s, 1, 4), axis = (int)below(&s, rank), inputs = (int)between(&s, 1, 4);
		int64_t x[4], repeats[4];
		random_dims(&s, rank, 6, x);
		random_dims(&s, rank, 3, repeats);
		lower_case *c = case_new("Tile", 13, &s);
		case_input(c, rank, x);
		case_ints(c, (size_t)rank, repeats);
		case_run(c, "tile", false);
		c = case_new("ConstantOfShape", 9, &s);
		case_ints(c, (size_t)rank, x);
		case_run(c, "constant", false);
		c = case_new("Concat", 13, &s);
		case_attr_int(c, "axis", axis);
		for (int i = 0; i < inputs; i++) {
			x[axis] = between(&s, 0, 5);
			case_input(c, rank, x);
		}
		case_run(c, "concat", false);
	}
}

Test(families, elementwise)
{
	static const char *const ops[] = { "Add", "Mul", "Sub", "Max", "PRelu", "Less", "Equal", "GreaterOrEqual" };
	static const char *const masks[] = { "And", "Or", "Xor" };
	static const clast_dtype types[] = { CLAST_FLOAT32, CLAST_FLOAT16, CLAST_BFLOAT16 };
	EACH_TRIAL(s) {
		const int rank = (int)between(&s, 1, 5);
		int64_t x[5], y[5];
		random_dims(&s, rank, 6, x);
		for (int a = 0; a < rank; a++)
			y[a] = below(&s, 3) ? x[a] : 1;
		const int which = (int)below(&s, 8);
		const clast_dtype t = which == 5 || which == 7 ? CLAST_FLOAT32 : types[below(&s, which == 4 ? 2 : 3)];
		lower_case *c = case_new(ops[which], 16, &s);
		case_input_of(c, which == 6 ? CLAST_FLOAT32 : t, rank, x);
		case_input_of(c, which == 6 ? CLAST_FLOAT32 : t, rank, y);
		case_run(c, "eltwise", false);
		c = case_new(masks[below(&s, 3)], 13, &s);
		case_input_of(c, CLAST_BOOL, rank, y);
		case_input_of(c, CLAST_BOOL, rank, x);
		case_run(c, "eltwise", false);
		c = case_new("Where", 16, &s);
		case_input_of(c, CLAST_BOOL, rank, y);
		case_input(c, rank, x);
		case_input(c, rank, x);
		case_run(c, "eltwise", false);
		static const clast_dtype from[] = { CLAST_FLOAT32, CLAST_FLOAT16, CLAST_BFLOAT16, CLAST_BOOL, CLAST_UINT8, CLAST_INT8 };
		static const clast_dtype to[] = { CLAST_FLOAT32, CLAST_FLOAT16, CLAST_BFLOAT16, CLAST_BOOL };
		c = case_new("Cast", 13, &s);
		case_attr_int(c, "to", to[below(&s, 4)]);
		case_input_of(c, from[below(&s, 6)], rank, x);
		case_run(c, "eltwise", false);
	}
}
