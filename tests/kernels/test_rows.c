/* Reductions, softmax and normalisation against sums in double. */
#include "harness.h"

/* Axes with strides of a random order of axes, with gaps. Returns the span. */
static size_t random_layout(rng *r, size_t rank, const size_t *extent, ptrdiff_t *stride, bool shuffle)
{
	size_t order[2 * KERNEL_MAX_AXES];
	for (size_t i = 0; i < rank; i++)
		order[i] = i;
	for (size_t i = 0; shuffle && i + 1 < rank; i++) {
		const size_t j = rng_range(r, i, rank - 1), k = order[i];
		order[i] = order[j];
		order[j] = k;
	}
	ptrdiff_t step = rng_chance(r, 10) ? 2 : 1;
	const bool gaps = rng_chance(r, 40);
	for (size_t i = rank; i-- > 0;) {
		stride[order[i]] = step;
		step = step * (ptrdiff_t)extent[order[i]] + (gaps ? (ptrdiff_t)rng_range(r, 0, 3) : 0);
	}
	return span(rank, extent, stride);
}

static size_t product(size_t rank, const size_t *extent)
{
	size_t n = 1;
	for (size_t i = 0; i < rank; i++)
		n *= extent[i];
	return n;
}

static ptrdiff_t offset_at(size_t rank, const size_t *extent, const ptrdiff_t *stride, size_t index)
{
	ptrdiff_t at = 0;
	for (size_t i = rank; i-- > 0;) {
		at += (ptrdiff_t)(index % extent[i]) * stride[i];
		index /= extent[i];
	}
	return at;
}

static double reduced(const reduce_params *p, const float *in, double *slack)
{
	const size_t n = product(p->reduced_rank, p->reduced);
	double v = p->kind == REDUCE_MAX   ? -INFINITY
		   : p->kind == REDUCE_MIN ? INFINITY
					   : p->kind == REDUCE_PROD;
	double size = 0, top = -INFINITY;
	for (size_t i = 0; i < n; i++)
		top = fmax(top, in[offset_at(p->reduced_rank, p->reduced, p->in_reduced, i)]);
	for (size_t i = 0; i < n; i++) {
		const double x = in[offset_at(p->reduced_rank, p->reduced, p->in_reduced, i)];
		switch (p->kind) {
		case REDUCE_MAX:
			v = isnan(x) || isnan(v) ? NAN : fmax(v, x);
			break;
		case REDUCE_MIN:
			v = isnan(x) || isnan(v) ? NAN : fmin(v, x);
			break;
		case REDUCE_PROD:
			v *= x;
			break;
		case REDUCE_SUM_SQUARE:
		case REDUCE_L2:
			v += x * x;
			break;
		case REDUCE_L1:
			v += fabs(x);
			break;
		case REDUCE_LOG_SUM_EXP:
			v += exp(x - top);
			break;
		default:
			v += x;
			break;
		}
		size += fabs(x) + x * x;
	}
	*slack = (size + 1) * 1e-6;
	switch (p->kind) {
	case REDUCE_MAX:
	case REDUCE_MIN:
		*slack = 0;
		return v;
	case REDUCE_PROD:
		*slack = fabs(v) * 1e-6 * (double)n + 1e-37;
		return v;
	case REDUCE_MEAN:
		*slack /= (double)n;
		return v / (double)n;
	case REDUCE_L2:
		return sqrt(v);
	case REDUCE_LOG_SUM:
		*slack = *slack / fabs(v) + 1e-6;
		return log(v);
	case REDUCE_LOG_SUM_EXP:
		*slack = 1e-5;
		return log(v) + top;
	default:
		return v;
	}
}

static void check_reduce(rng *r, const reduce_params *p, const float *in, size_t out_count)
{
	EACH_ISA(t)
	{
		float *out = floats_untouched(out_count), *again = floats_untouched(out_count);
		void *args[] = { out, (void *)in };
		run_whole(t->kernel[KERNEL_reduce_f32], p, args);
		const size_t kept = product(p->kept_rank, p->kept);
		for (size_t i = 0; i < kept; i++) {
			double slack;
			const double want =
				reduced(p, in + offset_at(p->kept_rank, p->kept, p->in_kept, i), &slack);
			const float got = out[offset_at(p->kept_rank, p->kept, p->out_kept, i)];
			cr_assert((isnan(want) && isnan(got)) || got == want || fabs(got - want) <= slack,
				  "%s: kind %u is %.9g, expected %.9g", t->isa, p->kind, (double)got, want);
		}
		args[0] = again;
		run_pieces(r, t->kernel[KERNEL_reduce_f32], p, args);
		cr_assert(same_bits(out, again, out_count * sizeof(float)), "%s: the cut into pieces shows",
			  t->isa);
	}
	memory_free_all();
}

Test(reduce, agrees_for_any_axes)
{
	rng r = { 51 };
	for (int n = 0; n < 600; n++) {
		reduce_params p = { .kind = (uint32_t)n % 10,
				    .kept_rank = (uint32_t)rng_range(&r, 0, 3),
				    .reduced_rank = (uint32_t)rng_range(&r, 0, 3) };
		size_t extent[6];
		ptrdiff_t stride[6];
		const size_t rank = p.kept_rank + p.reduced_rank;
		for (size_t i = 0; i < rank; i++)
			extent[i] = rng_range(&r, 1, rng_chance(&r, 20) ? (i < p.kept_rank ? 150 : 700) : 5);
		const size_t count = random_layout(&r, rank, extent, stride, rng_chance(&r, 70));
		for (size_t i = 0; i < p.kept_rank; i++) {
			p.kept[i] = extent[i];
			p.in_kept[i] = stride[i];
		}
		for (size_t i = 0; i < p.reduced_rank; i++) {
			p.reduced[i] = extent[p.kept_rank + i];
			p.in_reduced[i] = stride[p.kept_rank + i];
		}
		if (count > 400000)
			continue;
		const size_t out_count =
			random_layout(&r, p.kept_rank, p.kept, p.out_kept, rng_chance(&r, 30));
		float *in = floats_random(&r, count);
		for (size_t i = 0; i < count && p.kind == REDUCE_LOG_SUM; i++)
			in[i] = fabsf(in[i]) + 0.01f;
		if (n % 40 < 4)
			in[rng_range(&r, 0, count - 1)] = n % 2 ? NAN : INFINITY;
		if (p.kind == REDUCE_LOG_SUM_EXP && n % 40 < 4)
			in[0] = rng_float(&r);
		check_reduce(&r, &p, in, out_count);
	}
}

Test(reduce, of_nothing_is_the_neutral_value)
{
	EACH_ISA(t)
	{
		/* Two reduced axes, which no stride merges, either of them empty. */
		static const size_t extents[][2] = { { 0, 1 }, { 0, 5 }, { 5, 0 }, { 0, 0 } };
		float in = 0, out[3];
		void *args[] = { out, &in };
		const float want[] = { 0, NAN, -INFINITY, INFINITY, 1, 0, 0, 0, -INFINITY, -INFINITY };
		for (uint32_t n = 0; n < 80; n++) {
			const size_t *e = extents[n / 10 % 4];
			reduce_params p = { .kind = n % 10, .kept_rank = 1, .kept = { 3 }, .in_kept = { n < 40 ? 1 : 100 }, .out_kept = { 1 },
				            .reduced_rank = 2, .reduced = { e[0], e[1] }, .in_reduced = { 1000, n < 40 ? 7 : 1 } };
			out[2] = 7;
			run_whole(t->kernel[KERNEL_reduce_f32], &p, args);
			cr_assert((isnan(out[2]) && isnan(want[p.kind])) || out[2] == want[p.kind],
				  "%s: kind %u is %g", t->isa, p.kind, (double)out[2]);
		}
	}
	memory_free_all();
}

static void check_softmax(rng *r, const softmax_params *p, const float *in, size_t out_count)
{
	EACH_ISA(t)
	{
		float *out = floats_untouched(out_count), *again = floats_untouched(out_count);
		void *args[] = { out, (void *)in };
		run_whole(t->kernel[KERNEL_softmax_f32], p, args);
		for (size_t i = 0; i < product(p->rank, p->outer); i++) {
			const float *x = in + offset_at(p->rank, p->outer, p->in_outer, i);
			const float *y = out + offset_at(p->rank, p->outer, p->out_outer, i);
			double top = -INFINITY, sum = 0;
			bool nan = false;
			for (size_t k = 0; k < p->extent; k++) {
				top = fmax(top, x[(ptrdiff_t)k * p->in_stride]);
				nan |= isnan(x[(ptrdiff_t)k * p->in_stride]);
			}
			for (size_t k = 0; k < p->extent; k++)
				sum += exp(x[(ptrdiff_t)k * p->in_stride] - top);
			for (size_t k = 0; k < p->extent; k++) {
				const double d = x[(ptrdiff_t)k * p->in_stride] - top;
				const double want = p->log ? d - log(sum) : exp(d) / sum;
				const float got = y[(ptrdiff_t)k * p->out_stride];
				/* The difference d is rounded before its exponential is taken. */
				const double bound = p->log ? 1e-6 + 1e-6 * fabs(want)
							    : (2e-6 + 1.2e-7 * fabs(d)) * want + 1e-37;
				if (nan)
					cr_assert(isnan(got));
				else
					cr_assert(got == want || fabs(got - want) <= bound,
						  "%s: %g, expected %g", t->isa, (double)got, want);
			}
		}
		args[0] = again;
		run_pieces(r, t->kernel[KERNEL_softmax_f32], p, args);
		cr_assert(same_bits(out, again, out_count * sizeof(float)), "%s: the cut into pieces shows",
			  t->isa);
	}
	memory_free_all();
}

Test(softmax, agrees_along_any_axis)
{
	rng r = { 52 };
	for (int n = 0; n < 300; n++) {
		softmax_params p = { .log = (uint32_t)n % 2, .rank = (uint32_t)rng_range(&r, 0, 3) };
		size_t extent[4];
		ptrdiff_t stride[4];
		for (size_t i = 0; i < p.rank; i++)
			extent[i] = p.outer[i] = rng_range(&r, 1, rng_chance(&r, 20) ? 40 : 5);
		extent[p.rank] = p.extent = rng_range(&r, 1, rng_chance(&r, 30) ? 200 : 20);
		const size_t count = random_layout(&r, p.rank + 1, extent, stride, rng_chance(&r, 50));
		memcpy(p.in_outer, stride, p.rank * sizeof *stride);
		p.in_stride = stride[p.rank];
		const bool same = rng_chance(&r, 60);
		const size_t out_count =
			same ? count : random_layout(&r, p.rank + 1, extent, stride, rng_chance(&r, 50));
		memcpy(p.out_outer, stride, p.rank * sizeof *stride);
		p.out_stride = stride[p.rank];
		float *in = floats_random(&r, count);
		for (size_t i = 0; i < count; i++)
			in[i] *= n % 3 ? 10 : 100;
		if (n % 20 == 0)
			in[rng_range(&r, 0, count - 1)] = NAN;
		if (n % 20 == 1)
			for (size_t i = 0; i < count; i += 3)
				in[i] = -1e30f;
		check_softmax(&r, &p, in, out_count);
	}
}

Test(softmax, rounding_does_not_grow_with_the_extent)
{
	rng r = { 54 };
	enum { EXTENT = 30000, NEIGHBOURS = 17 };
	for (int n = 0; n < 4; n++) {
		const bool columns = n & 1;
		softmax_params p = {
			.log = (uint32_t)n / 2, .rank = 1, .outer = { NEIGHBOURS }, .extent = EXTENT
		};
		p.in_stride = p.out_stride = columns ? NEIGHBOURS : 1;
		p.in_outer[0] = p.out_outer[0] = columns ? 1 : EXTENT;
		check_softmax(&r, &p, floats_random(&r, EXTENT * NEIGHBOURS), EXTENT * NEIGHBOURS);
	}
}

Test(layer_norm, agrees_with_sums_in_double)
{
	rng r = { 53 };
	for (int n = 0; n < 150; n++) {
		const size_t extent = rng_range(&r, 1, 300), rows = rng_range(&r, 1, 6),
			     planes = rng_range(&r, 1, 3);
		const size_t gap = rng_range(&r, 0, 4);
		layer_norm_params p = { .rank = 2,
					.rms = n % 4 == 0,
					.outer = { planes, rows },
					.extent = extent,
					.epsilon = 1e-5f };
		p.in_outer[1] = p.out_outer[1] = (ptrdiff_t)(extent + gap);
		p.in_outer[0] = p.out_outer[0] = p.in_outer[1] * (ptrdiff_t)rows;
		const size_t count = (planes * rows - 1) * (extent + gap) + extent;
		float *in = floats_random(&r, count), *scale = n % 3 ? floats_random(&r, extent) : NULL;
		float *bias = n % 5 ? floats_random(&r, extent) : NULL;
		for (size_t i = 0; i < count; i++)
			in[i] += n % 2 ? 100.0f : 0.0f;
		EACH_ISA(t)
		{
			float *out = floats_untouched(count), *means = floats_new(planes * rows),
			      *invs = floats_new(planes * rows);
			void *args[] = { out, in, scale, bias, means, invs };
			run_pieces(&r, t->kernel[KERNEL_layer_norm_f32], &p, args);
			for (size_t row = 0; row < planes * rows; row++) {
				const float *x = in + row * (extent + gap), *y = out + row * (extent + gap);
				double mean = 0, variance = 0;
				for (size_t i = 0; i < extent && !p.rms; i++)
					mean += x[i] / (double)extent;
				for (size_t i = 0; i < extent; i++)
					variance += (x[i] - mean) * (x[i] - mean) / (double)extent;
				const double inv = 1 / sqrt(variance + (double)p.epsilon);
				cr_assert(fabs(means[row] - mean) <= 1e-4 &&
					  fabs(invs[row] - inv) <= 2e-4 * inv + 1e-5 * inv * inv);
				for (size_t i = 0; i < extent; i++) {
					const double s = scale ? scale[i] : 1, b = bias ? bias[i] : 0;
					const double want = (x[i] - mean) * inv * s + b;
					/* The mean itself is rounded: that is the error's scale. */
					const double slack = 2e-5 * (1 + fabs(want)) +
							     2e-7 * fabs(mean) * inv * fabs(s) * 8;
					cr_assert(fabs(y[i] - want) <= slack, "%s: %g, expected %g", t->isa,
						  (double)y[i], want);
				}
			}
			cr_assert(gap == 0 || planes * rows == 1 || is_untouched(out[extent]));
		}
		memory_free_all();
	}
}

/* An image that comes as one long line: what is lost in its sums must not grow with its length. */
Test(group_norm, sums_long_lines_in_stretches)
{
	enum { PIXELS = 20000 };
	rng r = { 55 };
	group_norm_params p = { .batch = 1, .rows = 1, .pixels = PIXELS, .groups = 3, .channels = 21, .epsilon = 1e-5f };
	p.in_pixel = p.out_pixel = (ptrdiff_t)p.channels;
	p.in_batch = p.out_batch = p.in_row = p.out_row = p.in_pixel * PIXELS;
	const size_t count = p.channels * PIXELS, group = p.channels / p.groups;
	float *in = floats_random(&r, count), *out = floats_new(count);
	double inv[3], mean[3] = { 0 }, variance[3] = { 0 };
	for (size_t i = 0; i < count; i++)
		mean[i % p.channels / group] += in[i] += 0.5f;
	for (size_t g = 0; g < 3; g++)
		mean[g] /= (double)(group * PIXELS);
	for (size_t i = 0; i < count; i++)
		variance[i % p.channels / group] += pow(in[i] - mean[i % p.channels / group], 2);
	for (size_t g = 0; g < 3; g++)
		inv[g] = 1 / sqrt(variance[g] / (double)(group * PIXELS) + (double)p.epsilon);
	EACH_ISA(t)
	{
		void *args[] = { out, in, NULL, NULL };
		run_pieces(&r, t->kernel[KERNEL_group_norm_f32], &p, args);
		for (size_t i = 0; i < count; i++) {
			const size_t g = i % p.channels / group;
			const double want = (in[i] - mean[g]) * inv[g];
			cr_assert(fabs(out[i] - want) <= 1.5e-6, "%s: %g, expected %g", t->isa, (double)out[i], want);
		}
	}
	memory_free_all();
}

Test(group_norm, agrees_with_sums_in_double)
{
	rng r = { 54 };
	for (int n = 0; n < 120; n++) {
		const size_t group = rng_chance(&r, 40) ? 1 : rng_range(&r, 1, 9);
		group_norm_params p = { .batch = rng_range(&r, 1, 2),
					.rows = rng_range(&r, 1, 6),
					.pixels = rng_range(&r, 1, 7),
					.groups = rng_range(&r, 1, 40),
					.epsilon = 1e-5f };
		p.channels = p.groups * group;
		p.in_pixel = p.out_pixel = (ptrdiff_t)(p.channels + rng_range(&r, 0, 3));
		p.in_row = p.out_row = p.in_pixel * (ptrdiff_t)p.pixels + 2;
		p.in_batch = p.out_batch = p.in_row * (ptrdiff_t)p.rows;
		if (n % 4 == 0) { /* channels first */
			p.in_pixel = p.out_pixel = 1;
			p.in_row = p.out_row = (ptrdiff_t)(p.pixels + rng_range(&r, 0, 2));
			p.in_channel = p.out_channel = p.in_row * (ptrdiff_t)p.rows + 2;
			p.in_batch = p.out_batch = p.in_channel * (ptrdiff_t)p.channels;
		}
		const size_t extents[] = { p.batch, p.rows, p.pixels, p.channels };
		const ptrdiff_t channel = p.in_channel ? p.in_channel : 1;
		const ptrdiff_t strides[] = { p.in_batch, p.in_row, p.in_pixel, channel };
		const size_t count = span(4, extents, strides);
		float *in = floats_random(&r, count), *scale = n % 3 ? floats_random(&r, p.channels) : NULL;
		float *bias = n % 5 ? floats_random(&r, p.channels) : NULL;
		EACH_ISA(t)
		{
			float *out = floats_untouched(count);
			void *args[] = { out, in, scale, bias };
			run_pieces(&r, t->kernel[KERNEL_group_norm_f32], &p, args);
			for (size_t b = 0; b < p.batch; b++)
				for (size_t c = 0; c < p.channels; c++) {
					const size_t first = c / group * group;
					double mean = 0, variance = 0;
					const double total = (double)(p.rows * p.pixels * group);
					for (int pass = 0; pass < 2; pass++)
						for (size_t y = 0; y < p.rows; y++)
							for (size_t x = 0; x < p.pixels; x++)
								for (size_t i = first; i < first + group;
								     i++) {
									const size_t at[] = { b, y, x, i };
									ptrdiff_t o = 0;
									for (int a = 0; a < 4; a++)
										o += (ptrdiff_t)at[a] *
										     strides[a];
									if (pass)
										variance += (in[o] - mean) *
											    (in[o] - mean) /
											    total;
									else
										mean += in[o] / total;
								}
					const double inv = 1 / sqrt(variance + (double)p.epsilon);
					const ptrdiff_t o = (ptrdiff_t)b * p.in_batch + (ptrdiff_t)c * channel;
					const double want = (in[o] - mean) * inv * (scale ? scale[c] : 1) +
							    (bias ? bias[c] : 0);
					cr_assert(fabs(out[o] - want) <= 2e-5 * (1 + fabs(want)) + 1e-6 * inv,
						  "%s: %g, expected %g", t->isa, (double)out[o], want);
				}
		}
		memory_free_all();
	}
}

Test(lrn, agrees_with_sums_in_double)
{
	rng r = { 55 };
	for (int n = 0; n < 80; n++) {
		lrn_params p = { .rank = 1,
				 .outer = { rng_range(&r, 1, 5) },
				 .channels = rng_range(&r, 1, 70),
				 .size = rng_range(&r, 1, 8),
				 .alpha = 0.5f,
				 .beta = n % 2 ? 0.75f : 0.6f,
				 .bias = 1.5f };
		size_t row_step = p.channels + 1, step = 1, count = p.outer[0] * row_step - 1;
		if (n % 3 == 0) { /* channels first: two images of some pixels */
			p.rank = 2;
			p.outer[0] = 2;
			p.outer[1] = rng_chance(&r, 20) ? rng_range(&r, 200, 600) : rng_range(&r, 1, 40);
			step = p.outer[1] + rng_range(&r, 0, 2);
			p.in_outer[0] = p.out_outer[0] = (ptrdiff_t)(step * p.channels + 3);
			p.in_outer[1] = p.out_outer[1] = 1;
			p.in_channel = p.out_channel = (ptrdiff_t)step;
			count = (size_t)p.in_outer[0] + step * (p.channels - 1) + p.outer[1];
			if (step == 1) /* what then lies side by side are channels */
				continue;
		} else {
			p.in_outer[0] = p.out_outer[0] = (ptrdiff_t)row_step;
		}
		float *in = floats_random(&r, count);
		EACH_ISA(t)
		{
			float *out = floats_untouched(count);
			void *args[] = { out, in };
			run_pieces(&r, t->kernel[KERNEL_lrn_f32], &p, args);
			const size_t rows = p.rank == 2 ? 2 * p.outer[1] : p.outer[0];
			for (size_t row = 0; row < rows; row++)
				for (size_t c = 0; c < p.channels; c++) {
					const size_t at = p.rank == 1
								  ? row * row_step
								  : row / p.outer[1] * (size_t)p.in_outer[0] +
									    row % p.outer[1];
					const float *x = in + at;
					const size_t before = (p.size - 1) / 2, after = p.size / 2;
					double sum = 0;
					for (size_t i = c < before ? 0 : c - before;
					     i <= c + after && i < p.channels; i++)
						sum += (double)x[i * step] * x[i * step];
					const double base =
						(double)p.bias + (double)p.alpha / (double)p.size * sum;
					const double want = x[c * step] / pow(base, (double)p.beta);
					const float got = out[at + c * step];
					cr_assert(fabs(got - want) <= 1e-6 + 1e-6 * fabs(want),
						  "%s: %g, expected %g", t->isa, (double)got, want);
				}
		}
		memory_free_all();
	}
}
