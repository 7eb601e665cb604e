/* Speed of single kernels on one core, against what the machine can do in the same run.
 *
 * clast_bench_kernels [--isa NAME] [--ms N] [FILTER]
 * Arithmetic is compared with the rate of independent multiply-adds of the same instruction set, moving of
 * data with memcpy between buffers of the same size. Each figure is the best of repeated runs of N ms
 * (default 100). */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu_kernels.h"

static double best_ms = 100;
static const cpu_kernels *kernels;
static double peak_gflops;

/* Time of this thread alone: other work on the machine then shows only through the caches. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *memory(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
	if (!p)
		exit(1);
	return p;
}

static float *floats(size_t count)
{
	float *p = memory(count * sizeof(float));
	for (size_t i = 0; i < count; i++)
		p[i] = (float)(i * 2654435761u % 1024) / 1024 - 0.5f;
	return p;
}

/* ---- The rate of multiply-adds ---- */

#define ROUNDS 20000
#define PEAK(name, attribute, lanes, CHAINS)                                                                 \
	typedef float vec_##name __attribute__((vector_size(4 * lanes)));                                    \
	attribute static double chains_##name(float *sink)                                                   \
	{                                                                                                    \
		vec_##name sum[CHAINS], a, b;                                                                \
		memset(sum, 0, sizeof sum);                                                                  \
		memset(&a, 0, sizeof a);                                                                     \
		b = a + 0.5f;                                                                                \
		__asm__ volatile("" : "+m"(a), "+m"(b));                                                     \
		for (int i = 0; i < ROUNDS; i++) {                                                           \
			_Pragma("GCC unroll 24") for (int j = 0; j < CHAINS; j++) sum[j] = sum[j] * b + a;   \
		}                                                                                            \
		for (int j = 1; j < CHAINS; j++)                                                             \
			sum[0] += sum[j];                                                                    \
		memcpy(sink, &sum[0], sizeof sum[0]);                                                        \
		return 2.0 * CHAINS * ROUNDS * lanes;                                                        \
	}

#pragma GCC optimize("fp-contract=fast")
#if defined(__x86_64__)
PEAK(avx512, __attribute__((target("avx512f"))), 16, 24)
PEAK(avx2, __attribute__((target("avx2,fma"))), 8, 12)
#endif
#if defined(__aarch64__)
PEAK(base, , 4, 24)
#else
PEAK(base, , 4, 7)
#endif

static double measure_peak(void)
{
	float sink[16];
	double best = 0;
	const double until = now() + best_ms / 1000;
	do {
		double flops;
		const double start = now();
#if defined(__x86_64__)
		if (kernels->vector == 16)
			flops = chains_avx512(sink);
		else if (kernels->vector == 8)
			flops = chains_avx2(sink);
		else
#endif
			flops = chains_base(sink);
		const double rate = 1e-9 * flops / (now() - start);
		best = rate > best ? rate : best;
	} while (now() < until);
	return best;
}

/* ---- Running one kernel ---- */

static double seconds(kernel_id id, const void *params, void *const *args)
{
	const compute_kernel *k = kernels->kernel[id];
	void *scratch = memory(k->scratch_bytes(params) + 1);
	const size_t tasks = k->tasks(params);
	double best = INFINITY;
	const double until = now() + best_ms / 1000;
	int runs = 0;
	do {
		const double start = now();
		k->run(params, args, 0, tasks, scratch);
		const double time = now() - start;
		best = time < best ? time : best;
		runs++;
	} while (now() < until || runs < 3);
	free(scratch);
	return best;
}

static void report_flops(const char *name, double flops, double time, size_t tasks)
{
	const double rate = flops / time * 1e-9;
	printf("%-34s %9.1f us %8.1f GFLOP/s %6.1f %% of peak %5zu tasks\n", name, time * 1e6, rate,
	       100 * rate / peak_gflops, tasks);
	fflush(stdout);
}

/* bytes: read and written. Compared with memcpy of half of them. */
static void report_bytes(const char *name, double bytes, double time, size_t tasks)
{
	const size_t half = (size_t)bytes / 2;
	char *a = memory(half), *b = memory(half);
	memset(a, 1, half);
	memset(b, 1, half);
	double best = INFINITY;
	const double until = now() + best_ms / 1000;
	do {
		const double start = now();
		memcpy(a, b, half);
		__asm__ volatile("" : : "r"(a) : "memory");
		const double t = now() - start;
		best = t < best ? t : best;
	} while (now() < until);
	free(a);
	free(b);
	printf("%-34s %9.1f us %8.1f GB/s    %6.1f %% of memcpy %3zu tasks\n", name, time * 1e6,
	       bytes / time * 1e-9, 100 * best / time, tasks);
	fflush(stdout);
}

/* ---- Convolutions ---- */

static void *pack(packing_id id, const weights_shape *s, size_t floats_in)
{
	float *data = floats(floats_in);
	const size_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
	const weights_source source = { .data = data,
					.group = (ptrdiff_t)(taps * s->in_channels * s->out_channels),
					.out = (ptrdiff_t)(taps * s->in_channels),
					.in = (ptrdiff_t)taps,
					.tap = { 0, (ptrdiff_t)s->kernel[2], 1 } };
	void *packed = memory(kernels->packing[id]->bytes(s));
	kernels->packing[id]->pack(s, &source, packed);
	free(data);
	return packed;
}

typedef struct layer {
	size_t size, in, out, kernel, stride, groups;
} layer;

/* way: 2 or 4 for Winograd tiles. */
static void bench_conv(const layer *l, int way, const char *filter)
{
	const bool depthwise = l->groups == l->in && l->groups == l->out && l->groups > 1;
	const kernel_id id = depthwise  ? KERNEL_depthwise_f32
			     : way == 2 ? KERNEL_winograd2_f32
			     : way == 4 ? KERNEL_winograd4_f32
					: KERNEL_conv_f32;
	const packing_id form = depthwise  ? PACKING_DEPTHWISE
				: way == 2 ? PACKING_WINOGRAD2
				: way == 4 ? PACKING_WINOGRAD4
					   : PACKING_GEMM;
	const size_t pad = l->kernel / 2, out = (l->size + 2 * pad - l->kernel) / l->stride + 1;
	conv_params p = {
		.batch = 1,
		.weights = { l->groups, l->out / l->groups, l->in / l->groups, { 1, l->kernel, l->kernel } }
	};
	p.window = (conv_window){ .in = { 1, l->size, l->size },
				  .out = { 1, out, out },
				  .kernel = { 1, l->kernel, l->kernel },
				  .stride = { 1, l->stride, l->stride },
				  .dilation = { 1, 1, 1 },
				  .pad = { 0, (ptrdiff_t)pad, (ptrdiff_t)pad },
				  .row_end = out };
	p.in = (image_strides){ .axis = { 0, (ptrdiff_t)(l->size * l->in), (ptrdiff_t)l->in } };
	p.out = (image_strides){ .axis = { 0, (ptrdiff_t)(out * l->out), (ptrdiff_t)l->out } };
	p.epilogue.flags = EPILOGUE_CLAMP;
	p.epilogue.max = INFINITY;
	char name[96];
	const char *what = depthwise ? "depthwise" : way == 2 ? "winograd2" : way == 4 ? "winograd4" : "conv";
	snprintf(name, sizeof name, "%s %zux%zu s%zu %zux%zu %zu>%zu%s", what, l->kernel, l->kernel,
		 l->stride, out, out, l->in, l->out, l->groups > 1 && !depthwise ? " grouped" : "");
	if (filter && !strstr(name, filter))
		return;
	float *in = floats(l->size * l->size * l->in), *o = floats(out * out * l->out);
	void *w = pack(form, &p.weights, l->out * l->in / l->groups * l->kernel * l->kernel);
	void *args[] = { o, in, w };
	const double flops =
		2.0 * (double)(out * out * l->out) * (double)(l->in / l->groups * l->kernel * l->kernel);
	report_flops(name, flops, seconds(id, &p, args), kernels->kernel[id]->tasks(&p));
	free(in);
	free(o);
	free(w);
}

static void bench_gemm(size_t batch, size_t m, size_t n, size_t k, bool packed, bool turned,
		       const char *filter)
{
	gemm_params p = {
		.batch = { 1, 1, 1, batch }, .m = m, .n = n, .k = k, .packed = packed, .slices = 1
	};
	p.a_row = (ptrdiff_t)k;
	p.a_col = 1;
	p.b_row = turned ? 1 : (ptrdiff_t)n;
	p.b_col = turned ? (ptrdiff_t)k : 1;
	p.out_row = (ptrdiff_t)n;
	p.a_batch[3] = (ptrdiff_t)(m * k);
	p.b_batch[3] = packed ? 0 : (ptrdiff_t)(k * n);
	p.out_batch[3] = (ptrdiff_t)(m * n);
	char name[96];
	snprintf(name, sizeof name, "gemm %zux %zux%zux%zu%s", batch, m, n, k,
		 packed   ? " packed"
		 : turned ? " NT"
			  : " NN");
	if (filter && !strstr(name, filter))
		return;
	const weights_shape s = { 1, n, k, { 1, 1, 1 } };
	float *a = floats(batch * m * k), *o = floats(batch * m * n);
	void *b = packed ? pack(PACKING_GEMM, &s, n * k) : floats(batch * n * k);
	void *args[] = { o, a, b };
	report_flops(name, 2.0 * (double)(batch * m * n) * (double)k, seconds(KERNEL_gemm_f32, &p, args),
		     kernels->kernel[KERNEL_gemm_f32]->tasks(&p));
	free(a);
	free(o);
	free(b);
}

/* ---- Moving data ---- */

static void bench_order(size_t channels, size_t pixels, bool to_last, const char *filter)
{
	char name[96];
	snprintf(name, sizeof name, "copy %s %zux%zu", to_last ? "first>last" : "last>first", channels,
		 pixels);
	if (filter && !strstr(name, filter))
		return;
	copy_params p = { .element_bytes = 4, .rank = 2, .extent = { channels, pixels } };
	ptrdiff_t *first = to_last ? p.in : p.out, *last = to_last ? p.out : p.in;
	first[0] = (ptrdiff_t)pixels;
	first[1] = 1;
	last[0] = 1;
	last[1] = (ptrdiff_t)channels;
	float *a = floats(channels * pixels), *b = floats(channels * pixels);
	void *args[] = { a, b };
	report_bytes(name, 8.0 * (double)(channels * pixels), seconds(KERNEL_copy, &p, args),
		     kernels->kernel[KERNEL_copy]->tasks(&p));
	free(a);
	free(b);
}

static void bench_program(const char *what, program_op op, unsigned inputs, size_t count, const char *filter)
{
	char name[96];
	snprintf(name, sizeof name, "eltwise %s %zu", what, count);
	if (filter && !strstr(name, filter))
		return;
	eltwise_params p = { .rank = 1, .operands = inputs + 1, .extent = { count } };
	float *data[3];
	program *code = &p.program;
	for (unsigned i = 0; i <= inputs; i++) {
		p.operand[i].stride[0] = 1;
		data[i] = floats(count);
		if (i < inputs)
			code->code[code->count++] =
				(program_instr){ .op = PROGRAM_LOAD, .dst = (uint8_t)i, .a = (uint8_t)i };
	}
	code->code[code->count++] = (program_instr){ .op = (uint8_t)op, .dst = 0, .a = 0, .b = 1 };
	code->code[code->count++] = (program_instr){ .op = PROGRAM_STORE, .dst = (uint8_t)inputs, .a = 0 };
	report_bytes(name, 4.0 * (inputs + 1) * (double)count, seconds(KERNEL_eltwise, &p, (void **)data),
		     kernels->kernel[KERNEL_eltwise]->tasks(&p));
	for (unsigned i = 0; i <= inputs; i++)
		free(data[i]);
}

static void bench_pool(size_t size, size_t channels, size_t kernel, size_t stride, const char *filter)
{
	char name[96];
	snprintf(name, sizeof name, "max pool %zux%zu s%zu %zu %zu", kernel, kernel, stride, size, channels);
	if (filter && !strstr(name, filter))
		return;
	const size_t pad = kernel / 2, out = (size + 2 * pad - kernel) / stride + 1;
	pool_params p = { .kind = POOL_MAX, .batch = 1, .channels = channels };
	p.window = (conv_window){ .in = { 1, size, size },
				  .out = { 1, out, out },
				  .kernel = { 1, kernel, kernel },
				  .stride = { 1, stride, stride },
				  .dilation = { 1, 1, 1 },
				  .pad = { 0, (ptrdiff_t)pad, (ptrdiff_t)pad },
				  .row_end = out };
	p.in = (image_strides){ .axis = { 0, (ptrdiff_t)(size * channels), (ptrdiff_t)channels } };
	p.out = (image_strides){ .axis = { 0, (ptrdiff_t)(out * channels), (ptrdiff_t)channels } };
	float *in = floats(size * size * channels), *o = floats(out * out * channels);
	void *args[] = { o, in };
	report_bytes(name, 4.0 * (double)((size * size + out * out) * channels),
		     seconds(KERNEL_pool_f32, &p, args), kernels->kernel[KERNEL_pool_f32]->tasks(&p));
	free(in);
	free(o);
}

static void bench_rows(const char *filter)
{
	float *a = floats(197 * 3072), *b = floats(197 * 3072);
	softmax_params s = {
		.rank = 1, .outer = { 2364 }, .in_outer = { 197 }, .out_outer = { 197 }, .extent = 197
	};
	s.in_stride = s.out_stride = 1;
	float *sa = floats(2364 * 197), *sb = floats(2364 * 197);
	void *soft[] = { sa, sb }, *norm[] = { a, b, NULL, NULL, NULL, NULL };
	if (!filter || strstr("softmax 2364x197", filter))
		report_bytes("softmax 2364x197", 8.0 * 2364 * 197, seconds(KERNEL_softmax_f32, &s, soft), 1);
	layer_norm_params l = { .rank = 1,
				.outer = { 197 },
				.in_outer = { 768 },
				.out_outer = { 768 },
				.extent = 768,
				.epsilon = 1e-5f };
	if (!filter || strstr("layer norm 197x768", filter))
		report_bytes("layer norm 197x768", 8.0 * 197 * 768, seconds(KERNEL_layer_norm_f32, &l, norm),
			     1);
	reduce_params r = { .kind = REDUCE_MEAN,
			    .kept_rank = 1,
			    .kept = { 2048 },
			    .in_kept = { 1 },
			    .out_kept = { 1 },
			    .reduced_rank = 1,
			    .reduced = { 49 },
			    .in_reduced = { 2048 } };
	if (!filter || strstr("global average 7x7x2048", filter))
		report_bytes("global average 7x7x2048", 4.0 * 50 * 2048, seconds(KERNEL_reduce_f32, &r, norm),
			     1);
	free(a);
	free(b);
	free(sa);
	free(sb);
}

static const layer layers[] = {
	/* resnet50, 1x1 */
	{ 56, 64, 64, 1, 1, 1 },
	{ 56, 64, 256, 1, 1, 1 },
	{ 56, 256, 64, 1, 1, 1 },
	{ 56, 256, 128, 1, 1, 1 },
	{ 28, 128, 512, 1, 1, 1 },
	{ 28, 512, 128, 1, 1, 1 },
	{ 56, 256, 512, 1, 2, 1 },
	{ 14, 256, 1024, 1, 1, 1 },
	{ 14, 1024, 256, 1, 1, 1 },
	{ 28, 512, 1024, 1, 2, 1 },
	{ 7, 512, 2048, 1, 1, 1 },
	{ 7, 2048, 512, 1, 1, 1 },
	/* mobilenet_v2, 1x1 */
	{ 112, 32, 16, 1, 1, 1 },
	{ 112, 16, 96, 1, 1, 1 },
	{ 56, 96, 24, 1, 1, 1 },
	{ 56, 24, 144, 1, 1, 1 },
	{ 28, 144, 32, 1, 1, 1 },
	{ 28, 32, 192, 1, 1, 1 },
	{ 14, 64, 384, 1, 1, 1 },
	{ 14, 384, 64, 1, 1, 1 },
	{ 14, 576, 96, 1, 1, 1 },
	{ 7, 160, 960, 1, 1, 1 },
	{ 7, 960, 160, 1, 1, 1 },
	{ 7, 320, 1280, 1, 1, 1 },
	/* 3x3 */
	{ 56, 64, 64, 3, 1, 1 },
	{ 28, 128, 128, 3, 1, 1 },
	{ 14, 256, 256, 3, 1, 1 },
	{ 7, 512, 512, 3, 1, 1 },
	{ 56, 64, 128, 3, 2, 1 },
	{ 28, 128, 256, 3, 2, 1 },
	{ 14, 256, 512, 3, 2, 1 },
	{ 56, 128, 32, 3, 1, 1 },
	{ 56, 26, 26, 3, 1, 1 },
	{ 56, 128, 128, 3, 1, 32 },
	/* stems */
	{ 224, 3, 64, 7, 2, 1 },
	{ 224, 3, 32, 3, 2, 1 },
	/* depthwise */
	{ 112, 32, 32, 3, 1, 32 },
	{ 112, 96, 96, 3, 2, 96 },
	{ 56, 144, 144, 3, 1, 144 },
	{ 56, 144, 144, 3, 2, 144 },
	{ 28, 192, 192, 3, 1, 192 },
	{ 14, 384, 384, 3, 1, 384 },
	{ 14, 576, 576, 3, 2, 576 },
	{ 7, 960, 960, 3, 1, 960 },
	{ 28, 120, 120, 5, 1, 120 },
	{ 56, 72, 72, 5, 2, 72 },
	{ 7, 960, 960, 5, 1, 960 },
	{ 56, 96, 96, 7, 1, 96 },
};

static void bench_all(const char *filter)
{
	peak_gflops = measure_peak();
	printf("%s: %.1f GFLOP/s multiply-add peak\n", kernels->isa, peak_gflops);
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		for (int way = 0; way <= 4; way += 2)
			if (way == 0 ||
			    (layers[i].kernel == 3 && layers[i].stride == 1 && layers[i].groups == 1))
				bench_conv(&layers[i], way, filter);
	bench_gemm(1, 1, 1000, 2048, true, false, filter);
	bench_gemm(1, 197, 768, 192, true, false, filter);
	bench_gemm(1, 197, 192, 768, true, false, filter);
	bench_gemm(1, 256, 256, 256, false, false, filter);
	bench_gemm(1, 1024, 1024, 1024, false, false, filter);
	bench_gemm(1, 1024, 1024, 1024, true, false, filter);
	bench_gemm(1, 1000, 1000, 1000, false, false, filter);
	bench_gemm(1, 1024, 1024, 1024, false, true, filter);
	bench_gemm(12, 197, 197, 64, false, true, filter);
	bench_gemm(12, 197, 64, 197, false, false, filter);
	for (int last = 0; last < 2; last++) {
		bench_order(3, 224 * 224, last, filter);
		bench_order(64, 56 * 56, last, filter);
		bench_order(256, 14 * 14, last, filter);
		bench_order(64, 112 * 112, last, filter);
		bench_order(512, 56 * 56, last, filter);
	}
	bench_program("relu", PROGRAM_RELU, 1, 200704, filter);
	bench_program("add", PROGRAM_ADD, 2, 200704, filter);
	bench_program("add", PROGRAM_ADD, 2, 3211264, filter);
	bench_program("hard_swish", PROGRAM_HARD_SWISH, 1, 200704, filter);
	bench_program("sigmoid", PROGRAM_SIGMOID, 1, 200704, filter);
	bench_program("exp", PROGRAM_EXP, 1, 200704, filter);
	bench_program("gelu", PROGRAM_GELU, 1, 200704, filter);
	bench_program("tanh", PROGRAM_TANH, 1, 200704, filter);
	bench_program("pow", PROGRAM_POW, 2, 200704, filter);
	bench_pool(112, 64, 3, 2, filter);
	bench_pool(28, 256, 2, 2, filter);
	bench_rows(filter);
}

int main(int argc, char **argv)
{
	const char *filter = NULL, *isa = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc)
			isa = argv[++i];
		else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc)
			best_ms = atof(argv[++i]);
		else
			filter = argv[i];
	}
	kernels = isa ? cpu_kernels_for_isa(isa) : cpu_kernels_get();
	if (!kernels) {
		fprintf(stderr, "no such instruction set here: %s\n", isa);
		return 2;
	}
	bench_all(filter);
	return 0;
}
