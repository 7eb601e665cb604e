/* Pooling and interpolation against plain loops in double. */
#include "harness.h"

typedef struct image {
	size_t batch, extent[3], channels;
	image_strides stride;
	ptrdiff_t channel;
	size_t count;
	float *data;
} image;

/* first: channels outside pixels. */
static image random_image(rng *r, size_t batch, const size_t *extent, size_t channels, bool first)
{
	image m = { .batch = batch, .channels = channels };
	memcpy(m.extent, extent, sizeof m.extent);
	const bool gaps = rng_chance(r, 50);
	m.stride.axis[2] = first ? 1 : (ptrdiff_t)(channels + (gaps ? rng_range(r, 0, 5) : 0));
	m.stride.axis[1] =
		m.stride.axis[2] * (ptrdiff_t)extent[2] + (gaps ? (ptrdiff_t)rng_range(r, 0, 9) : 0);
	m.stride.axis[0] = m.stride.axis[1] * (ptrdiff_t)extent[1];
	m.channel = first ? m.stride.axis[0] * (ptrdiff_t)extent[0] + (gaps ? 2 : 0) : 1;
	m.stride.batch = (first ? m.channel * (ptrdiff_t)channels : m.stride.axis[0] * (ptrdiff_t)extent[0]) +
			 (gaps ? 3 : 0);
	const size_t extents[5] = { batch, extent[0], extent[1], extent[2], channels };
	const ptrdiff_t strides[5] = { m.stride.batch, m.stride.axis[0], m.stride.axis[1], m.stride.axis[2],
				       m.channel };
	m.count = span(5, extents, strides);
	return m;
}

static ptrdiff_t offset(const image *m, size_t n, const size_t *at, size_t c)
{
	ptrdiff_t o = (ptrdiff_t)n * m->stride.batch + (ptrdiff_t)c * m->channel;
	for (int a = 0; a < 3; a++)
		o += (ptrdiff_t)at[a] * m->stride.axis[a];
	return o;
}

static void image_epilogue(rng *r, epilogue *e, const image *out, float **residual)
{
	*residual = NULL;
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_RESIDUAL;
		e->residual[0] = out->stride.batch;
		for (int a = 0; a < 3; a++)
			e->residual[1 + a] = out->stride.axis[a];
		e->residual[4] = out->channel;
		*residual = floats_random(r, out->count);
	}
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_CLAMP;
		e->min = -0.25f;
		e->max = 0.5f;
	}
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_PROGRAM;
		e->program.count = 1;
		e->program.code[0] = (program_instr){ .op = PROGRAM_ADD_CONST, .imm = { 2 } };
	}
}

static double after_epilogue(const epilogue *e, double v, const float *residual, ptrdiff_t at)
{
	if (e->flags & EPILOGUE_RESIDUAL)
		v += residual[at];
	if (e->flags & EPILOGUE_CLAMP)
		v = isnan(v) ? v : fmin(fmax(v, (double)e->min), (double)e->max);
	return e->flags & EPILOGUE_PROGRAM ? v + 2 : v;
}

static bool agrees(float got, double want, double slack)
{
	return (isnan(got) && isnan(want)) || got == want || fabs(got - want) <= slack;
}

static double pooled(const pool_params *p, const image *in, size_t n, const size_t *o, size_t c)
{
	const conv_window *w = &p->window;
	double v = p->kind == POOL_MAX ? -INFINITY : 0;
	size_t inside = 0, padded = 0, t[3], at[3];
	for (t[0] = 0; t[0] < w->kernel[0]; t[0]++)
		for (t[1] = 0; t[1] < w->kernel[1]; t[1]++)
			for (t[2] = 0; t[2] < w->kernel[2]; t[2]++) {
				bool in_image = true, in_pads = true;
				for (int a = 0; a < 3; a++) {
					const ptrdiff_t x =
						(ptrdiff_t)(o[a] * w->stride[a] + t[a] * w->dilation[a]) -
						w->pad[a];
					in_image &= x >= 0 && x < (ptrdiff_t)w->in[a];
					in_pads &= x >= -w->pad[a] && x < (ptrdiff_t)w->in[a] + p->pad_end[a];
					at[a] = (size_t)x;
				}
				padded += in_pads;
				if (!in_image)
					continue;
				inside++;
				const double x = in->data[offset(in, n, at, c)];
				switch (p->kind) {
				case POOL_MAX:
					v = isnan(x) || isnan(v) ? NAN : fmax(v, x);
					break;
				case POOL_L1:
					v += fabs(x);
					break;
				case POOL_L2:
					v += x * x;
					break;
				default:
					v += x;
					break;
				}
			}
	switch (p->kind) {
	case POOL_AVERAGE:
		return v / (double)inside;
	case POOL_AVERAGE_PADDED:
		return v / (double)padded;
	case POOL_L2:
		return sqrt(v);
	default:
		return v;
	}
}

static void check_pool(rng *r, const pool_params *p, const image *in, const image *out, const float *residual,
		       kernel_id id)
{
	EACH_ISA(t)
	{
		float *got = floats_untouched(out->count), *again = floats_untouched(out->count);
		void *args[] = { got, in->data, (void *)residual };
		run_whole(t->kernel[id], p, args);
		size_t o[3], written = 0, untouched = 0;
		for (size_t n = 0; n < p->batch; n++)
			for (o[0] = 0; o[0] < out->extent[0]; o[0]++)
				for (o[1] = 0; o[1] < out->extent[1]; o[1]++)
					for (o[2] = 0; o[2] < out->extent[2]; o[2]++)
						for (size_t c = 0; c < p->channels; c++, written++) {
							const ptrdiff_t at = offset(out, n, o, c);
							const double want = after_epilogue(
								&p->epilogue, pooled(p, in, n, o, c),
								residual, at);
							cr_assert(agrees(got[at], want, 1e-5 + 1e-6 * fabs(want)),
								  "%s: kind %u at %zu %zu %zu %zu: %g, "
								  "expected %g",
								  t->isa, p->kind, o[0], o[1], o[2], c,
								  (double)got[at], want);
						}
		for (size_t i = 0; i < out->count; i++)
			untouched += is_untouched(got[i]);
		cr_assert_eq(untouched, out->count - written, "%s: wrote between the elements", t->isa);
		args[0] = again;
		run_pieces(r, t->kernel[id], p, args);
		cr_assert(same_bits(got, again, out->count * sizeof(float)), "%s: the cut into pieces shows",
			  t->isa);
	}
	memory_free_all();
}

Test(pool, agrees_with_plain_loops)
{
	rng r = { 41 };
	for (int i = 0; i < 400; i++) {
		pool_params p = { .kind = (uint32_t)i % 5,
				  .batch = rng_range(&r, 1, 2),
				  .channels = rng_range(&r, 1, 80) };
		conv_window *w = &p.window;
		const bool deep = rng_chance(&r, 20);
		for (int a = 0; a < 3; a++) {
			const bool used = a > 0 || deep;
			w->kernel[a] = used ? rng_range(&r, 1, 4) : 1;
			w->stride[a] = used ? rng_range(&r, 1, 3) : 1;
			w->dilation[a] = used && rng_chance(&r, 20) ? 2 : 1;
			const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
			w->in[a] = used ? rng_range(&r, 1, 9) : 1;
			w->pad[a] = used ? (ptrdiff_t)rng_range(&r, 0, w->kernel[a] - 1) : 0;
			p.pad_end[a] = used ? (ptrdiff_t)rng_range(&r, 0, w->kernel[a] - 1) : 0;
			const ptrdiff_t room =
				(ptrdiff_t)w->in[a] + w->pad[a] + p.pad_end[a] - (ptrdiff_t)reach;
			/* Sometimes one more, as with ceil_mode. */
			w->out[a] =
				room < 0 ? 1 : (size_t)room / w->stride[a] + 1 + (used && rng_chance(&r, 20));
		}
		const bool first = i % 3 == 0;
		for (int a = 0; a < 3 && i % 4 == 0; a++) { /* the whole image, of some vectors */
			w->kernel[a] = w->in[a] = a == PIXEL ? rng_range(&r, 1, 90) : w->in[a];
			w->stride[a] = w->dilation[a] = w->out[a] = 1;
			w->pad[a] = p.pad_end[a] = 0;
		}
		w->row_end = w->out[ROW];
		image in = random_image(&r, p.batch, w->in, p.channels, first),
		      out = random_image(&r, p.batch, w->out, p.channels, first);
		in.data = floats_random(&r, in.count);
		if (i % 10 == 0)
			in.data[rng_range(&r, 0, in.count - 1)] = NAN;
		p.in = in.stride;
		p.out = out.stride;
		p.in_channel = in.channel;
		p.out_channel = out.channel;
		float *residual;
		image_epilogue(&r, &p.epilogue, &out, &residual);
		check_pool(&r, &p, &in, &out, residual, first ? KERNEL_pool_first_f32 : KERNEL_pool_f32);
	}
}

static double interpolated(const resize_params *p, const image *in, int32_t *const *index,
			   float *const *weight, size_t n, const size_t *o, size_t c)
{
	size_t t[3], at[3];
	double v = 0;
	for (t[0] = 0; t[0] < p->taps[0]; t[0]++)
		for (t[1] = 0; t[1] < p->taps[1]; t[1]++)
			for (t[2] = 0; t[2] < p->taps[2]; t[2]++) {
				double w = 1;
				bool outside = false;
				for (int a = 0; a < 3; a++) {
					const size_t i = o[a] * p->taps[a] + t[a];
					w *= p->taps[a] > 1 ? weight[a][i] : 1;
					outside |= index[a][i] < 0;
					at[a] = index[a][i] < 0 ? 0 : (size_t)index[a][i];
				}
				if (outside)
					return p->outside;
				v += w * in->data[offset(in, n, at, c)];
			}
	return v;
}

/* Random taps; some positions lie outside. */
static void random_table(rng *r, const resize_params *p, int a, int32_t **index, float **weight)
{
	const size_t taps = p->taps[a];
	*index = memory_new(p->out[a] * taps * sizeof(int32_t));
	*weight = floats_random(r, p->out[a] * taps);
	for (size_t o = 0; o < p->out[a]; o++) {
		const bool outside = rng_chance(r, 10);
		for (size_t t = 0; t < taps; t++) {
			(*index)[o * taps + t] = outside ? -1 : (int32_t)rng_range(r, 0, p->in[a] - 1);
		}
	}
}

Test(resize, agrees_with_plain_loops)
{
	rng r = { 42 };
	for (int i = 0; i < 500; i++) {
		resize_params p = { .batch = rng_range(&r, 1, 2),
				    .channels = rng_range(&r, 1, 40),
				    .outside = 0.5f };
		int32_t *index[3];
		float *weight[3], *residual;
		static const size_t taps[] = { 1, 2, 4, 3 };
		const size_t kind = rng_range(&r, 0, 3);
		for (int a = 0; a < 3; a++) {
			const bool used = a > 0 || rng_chance(&r, 20);
			p.in[a] = used ? rng_range(&r, 1, 7) : 1;
			p.out[a] = used ? rng_range(&r, 1, 9) : 1;
			p.taps[a] = used && rng_chance(&r, 80) ? taps[kind] : 1;
			random_table(&r, &p, a, &index[a], &weight[a]);
		}
		const bool in_first = rng_chance(&r, 50), out_first = rng_chance(&r, 50);
		const bool first = in_first && out_first && rng_chance(&r, 80);
		image in = random_image(&r, p.batch, p.in, p.channels, in_first),
		      out = random_image(&r, p.batch, p.out, p.channels, out_first);
		in.data = floats_random(&r, in.count);
		p.in_stride = in.stride;
		p.out_stride = out.stride;
		p.in_channel = in.channel;
		p.out_channel = out.channel;
		image_epilogue(&r, &p.epilogue, &out, &residual);
		if (out_first && !first)
			p.epilogue.flags &= ~(uint32_t)EPILOGUE_RESIDUAL;
		const kernel_id id = first ? KERNEL_resize_first_f32 : KERNEL_resize_f32;
		EACH_ISA(t)
		{
			float *got = floats_untouched(out.count), *again = floats_untouched(out.count);
			void *args[RESIZE_OPERANDS] = { got, in.data, residual };
			for (int a = 0; a < 3; a++) {
				args[RESIZE_INDEX + a] = index[a];
				args[RESIZE_WEIGHT + a] = p.taps[a] > 1 ? weight[a] : NULL;
			}
			run_whole(t->kernel[id], &p, args);
			size_t o[3];
			for (size_t n = 0; n < p.batch; n++)
				for (o[0] = 0; o[0] < p.out[0]; o[0]++)
					for (o[1] = 0; o[1] < p.out[1]; o[1]++)
						for (o[2] = 0; o[2] < p.out[2]; o[2]++)
							for (size_t c = 0; c < p.channels; c++) {
								const ptrdiff_t at = offset(&out, n, o, c);
								const double v = interpolated(
									&p, &in, index, weight, n, o, c);
								const double want = after_epilogue(
									&p.epilogue, v, residual, at);
								cr_assert(agrees(got[at], want, 2e-5),
									  "%s: %g, expected %g", t->isa,
									  (double)got[at], want);
							}
			args[0] = again;
			run_pieces(&r, t->kernel[id], &p, args);
			cr_assert(same_bits(got, again, out.count * sizeof(float)), "%s: the cut shows",
				  t->isa);
		}
		memory_free_all();
	}
}

/* A sum of equal terms rounds the same way again and again: 240 units of 2^-24 in one chain over an image of
 * 80x80, 1 in sums of blocks and lines. */
Test(pool, means_of_whole_images_stay_accurate)
{
	rng r = { 42 };
	const size_t whole[3] = { 1, 80, 80 }, one[3] = { 1, 1, 1 };
	image in = random_image(&r, 1, whole, 70, false), out = random_image(&r, 1, one, 70, false);
	in.data = floats_random(&r, in.count);
	for (size_t i = 0; i < in.count; i++)
		in.data[i] = 0.1f;
	pool_params p = { .kind = POOL_AVERAGE,
			  .batch = 1,
			  .channels = 70,
			  .window = { .in = { 1, 80, 80 },
				      .out = { 1, 1, 1 },
				      .kernel = { 1, 80, 80 },
				      .stride = { 1, 1, 1 },
				      .dilation = { 1, 1, 1 },
				      .row_end = 1 },
			  .in = in.stride,
			  .out = out.stride };
	EACH_ISA(t)
	{
		float *got = floats_untouched(out.count);
		void *args[] = { got, in.data, NULL };
		run_whole(t->kernel[KERNEL_pool_f32], &p, args);
		for (size_t c = 0; c < p.channels; c++)
			cr_assert(fabs((double)got[c] / (double)0.1f - 1) <= 4 * 0x1p-24, "%s: %g units",
				  t->isa, ((double)got[c] / (double)0.1f - 1) * 0x1p24);
	}
	memory_free_all();
}
