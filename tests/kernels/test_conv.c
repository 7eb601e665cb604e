/* Convolution, depthwise and transposed, against a direct sum in double. */
#include "harness.h"

typedef struct conv_case {
	conv_params p;
	bool transposed;
	weights_source source;
	float *in, *out, *residual, *operand;
	size_t out_count;
	size_t axes[5];
	size_t block;  /* of channels: only instruction sets with such vectors run the case */
	double looser; /* Winograd: errors relative to the largest input instead of each, and so many times
			  larger */
} conv_case;

static void random_window(rng *r, conv_window *w, size_t rank, size_t most)
{
	for (size_t a = 0; a < 3; a++) {
		const bool used = a + rank >= 3;
		w->kernel[a] = used ? rng_range(r, 1, rng_chance(r, 20) ? 5 : 3) : 1;
		w->stride[a] = used ? rng_range(r, 1, 3) : 1;
		w->dilation[a] = used && rng_chance(r, 30) ? rng_range(r, 2, 3) : 1;
		const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
		w->in[a] = used ? rng_range(r, 1, most) : 1;
		w->pad[a] =
			used ? (ptrdiff_t)rng_range(r, 0, reach) - (rng_chance(r, 10) && w->in[a] > 2) : 0;
		const ptrdiff_t end = used ? (ptrdiff_t)rng_range(r, 0, reach) : 0;
		const ptrdiff_t room = (ptrdiff_t)w->in[a] + w->pad[a] + end - (ptrdiff_t)reach;
		w->out[a] = room < 0 ? 1 : (size_t)room / w->stride[a] + 1;
	}
	w->row_begin = 0;
	w->row_end = w->out[ROW];
}

/* Dense or with gaps; returns the span of the image. */
static size_t random_strides(rng *r, image_strides *s, size_t batch, const size_t *extent, size_t channels,
			     bool gaps)
{
	s->axis[PIXEL] = (ptrdiff_t)(channels + (gaps ? rng_range(r, 0, 5) : 0));
	s->axis[ROW] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL] + (gaps ? (ptrdiff_t)rng_range(r, 0, 9) : 0);
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW] + (gaps ? (ptrdiff_t)rng_range(r, 0, 9) : 0);
	s->batch = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH];
	const size_t extents[5] = { batch, extent[0], extent[1], extent[2], channels };
	const ptrdiff_t strides[5] = { s->batch, s->axis[0], s->axis[1], s->axis[2], 1 };
	return span(5, extents, strides);
}

static void copy_strides(ptrdiff_t *to, const image_strides *s)
{
	to[0] = s->batch;
	for (int a = 0; a < 3; a++)
		to[1 + a] = s->axis[a];
	to[4] = 1;
}

/* residual, clamp, and v * operand + 0.25 where operand is a full tensor or one value a channel */
static void random_epilogue(rng *r, conv_case *c, size_t channels)
{
	epilogue *e = &c->p.epilogue;
	const size_t extents[5] = { c->p.batch, c->p.window.out[0], c->p.window.out[1], c->p.window.out[2],
				    channels };
	memcpy(c->axes, extents, sizeof extents);
	if (rng_chance(r, 40)) {
		image_strides s;
		e->flags |= EPILOGUE_RESIDUAL;
		const size_t count =
			random_strides(r, &s, c->p.batch, c->p.window.out, channels, rng_chance(r, 50));
		copy_strides(e->residual, &s);
		c->residual = floats_random(r, count);
	}
	if (rng_chance(r, 40)) {
		e->flags |= EPILOGUE_CLAMP;
		e->min = -0.5f;
		e->max = rng_chance(r, 50) ? 0.75f : INFINITY;
	}
	if (rng_chance(r, 40)) {
		image_strides s = { .batch = 0 };
		size_t count = channels;
		if (rng_chance(r, 50))
			count = random_strides(r, &s, c->p.batch, c->p.window.out, channels, true);
		e->flags |= EPILOGUE_PROGRAM;
		e->operands = 1;
		copy_strides(e->operand[0].stride, &s);
		c->operand = floats_random(r, count);
		e->program.count = 3;
		e->program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = 0 };
		e->program.code[1] = (program_instr){ .op = PROGRAM_MUL, .dst = 0, .a = 0, .b = 1 };
		e->program.code[2] =
			(program_instr){ .op = PROGRAM_ADD_CONST, .dst = 0, .a = 0, .imm = { 0.25f } };
		cr_assert(program_valid(&e->program, 1, 1));
	}
}

static size_t div_up(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* block: what channels are a multiple of; 0: any number. */
static conv_case random_case_of(rng *r, bool depthwise, bool transposed, size_t channels, size_t block)
{
	conv_case c = { .transposed = transposed };
	conv_params *p = &c.p;
	p->chain = random_chain(r);
	const size_t rank = rng_chance(r, 20) ? 3 : rng_chance(r, 20) ? 1 : 2;
	p->batch = rng_range(r, 1, 2);
	random_window(r, &p->window, rank, rank == 3 ? 6 : 12);
	if (transposed) {
		conv_window *w = &p->window;
		for (int a = 0; a < 3; a++) {
			const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
			const ptrdiff_t full = (ptrdiff_t)((w->in[a] - 1) * w->stride[a] + reach);
			w->pad[a] = rank + (size_t)a >= 3 ? (ptrdiff_t)rng_range(r, 0, reach / 2) : 0;
			const ptrdiff_t out = full - w->pad[a] - (ptrdiff_t)rng_range(r, 0, 1) +
					      (ptrdiff_t)rng_range(r, 0, 2);
			w->out[a] = out < 1 ? 1 : (size_t)out;
		}
		w->row_end = w->out[ROW];
	}
	weights_shape *s = &p->weights;
	s->groups = depthwise ? rng_range(r, 1, channels) : rng_chance(r, 30) ? rng_range(r, 2, 3) : 1;
	s->in_channels = depthwise ? 1 : rng_range(r, 1, channels);
	s->out_channels = depthwise ? 1 : rng_range(r, 1, channels);
	if (block) {
		s->groups = depthwise ? div_up(s->groups, block) * block : s->groups;
		s->in_channels = depthwise ? 1 : div_up(s->in_channels, block) * block;
		s->out_channels = depthwise ? 1 : div_up(s->out_channels, block) * block;
	}
	memcpy(s->kernel, p->window.kernel, sizeof s->kernel);
	memcpy(s->stride, p->window.stride, sizeof s->stride);
	memcpy(s->dilation, p->window.dilation, sizeof s->dilation);
	const size_t in_channels = s->groups * s->in_channels, out_channels = s->groups * s->out_channels;
	c.in = floats_random(
		r, random_strides(r, &p->in, p->batch, p->window.in, in_channels, rng_chance(r, 50)));
	c.out_count = random_strides(r, &p->out, p->batch, p->window.out, out_channels, rng_chance(r, 50));
	random_epilogue(r, &c, out_channels);

	/* Weights as ONNX has them for the one, as for the other: [out][in] and [in][out]. */
	const ptrdiff_t taps = (ptrdiff_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]);
	weights_source *w = &c.source;
	w->data = floats_random(r, out_channels * s->in_channels * (size_t)taps);
	w->tap[2] = 1;
	w->tap[1] = (ptrdiff_t)s->kernel[2];
	w->tap[0] = (ptrdiff_t)(s->kernel[1] * s->kernel[2]);
	w->in = taps * (transposed ? (ptrdiff_t)s->out_channels : 1);
	w->out = taps * (transposed ? 1 : (ptrdiff_t)s->in_channels);
	w->group = taps * (ptrdiff_t)(s->in_channels * s->out_channels);
	if (rng_chance(r, 70)) {
		w->bias = floats_random(r, out_channels);
		w->bias_stride = 1;
	}
	return c;
}

static conv_case random_case(rng *r, bool depthwise, bool transposed, size_t channels)
{
	return random_case_of(r, depthwise, transposed, channels, 0);
}

/* Where a channel of the input lies. */
static ptrdiff_t input_channel(const conv_case *c, size_t channel)
{
	const size_t each = c->p.weights.in_channels;
	if (c->p.in_group)
		return (ptrdiff_t)(channel / each) * c->p.in_group +
		       (ptrdiff_t)(channel % each) * c->p.in_channel;
	if (c->p.in_block)
		return (ptrdiff_t)(channel / c->block) * c->p.in_block + (ptrdiff_t)(channel % c->block);
	return (ptrdiff_t)channel * (c->p.in_channel ? c->p.in_channel : 1);
}

static float weight_at(const conv_case *c, size_t channel, size_t i, const size_t *t, float *bias)
{
	const weights_source *w = &c->source;
	const size_t oc = c->p.weights.out_channels, q = w->out_index ? w->out_index[channel] : channel;
	if (w->in_index)
		i = w->in_index[i];
	*bias = w->bias ? w->bias[(ptrdiff_t)q * w->bias_stride] : 0;
	ptrdiff_t at = (ptrdiff_t)(q / oc) * w->group + (ptrdiff_t)(q % oc) * w->out + (ptrdiff_t)i * w->in;
	for (int a = 0; a < 3; a++)
		at += (ptrdiff_t)t[a] * w->tap[a];
	return w->data[at];
}

/* The input position that tap t of output position o reads along axis a; false if there is none. */
static bool position(const conv_case *c, int a, size_t o, size_t t, size_t *in)
{
	const conv_window *w = &c->p.window;
	ptrdiff_t at;
	if (c->transposed) {
		at = (ptrdiff_t)o + w->pad[a] - (ptrdiff_t)(t * w->dilation[a]);
		if (at < 0 || at % (ptrdiff_t)w->stride[a])
			return false;
		at /= (ptrdiff_t)w->stride[a];
	} else {
		at = (ptrdiff_t)(o * w->stride[a] + t * w->dilation[a]) - w->pad[a];
	}
	*in = (size_t)at;
	return at >= 0 && at < (ptrdiff_t)w->in[a];
}

/* The exact value before the epilogue, and the sum of magnitudes for the error bound. */
static double exact(const conv_case *c, const size_t *o, double *magnitude, size_t *terms)
{
	const conv_params *p = &c->p;
	const weights_shape *s = &p->weights;
	const size_t channel = o[4], group = channel / s->out_channels;
	float bias = 0;
	size_t t[3], at[3];
	double sum = 0;
	*magnitude = 0;
	*terms = 0;
	memset(t, 0, sizeof t);
	weight_at(c, channel, 0, t, &bias);
	for (t[0] = 0; t[0] < s->kernel[0]; t[0]++)
		for (t[1] = 0; t[1] < s->kernel[1]; t[1]++)
			for (t[2] = 0; t[2] < s->kernel[2]; t[2]++) {
				if (!position(c, 0, o[1], t[0], &at[0]) ||
				    !position(c, 1, o[2], t[1], &at[1]) ||
				    !position(c, 2, o[3], t[2], &at[2]))
					continue;
				const size_t row = p->window.in_ring ? at[1] % p->window.in_ring : at[1];
				const float *in = c->in + (ptrdiff_t)o[0] * p->in.batch +
						  (ptrdiff_t)at[0] * p->in.axis[0] +
						  (ptrdiff_t)row * p->in.axis[1] +
						  (ptrdiff_t)at[2] * p->in.axis[2];
				for (size_t i = 0; i < s->in_channels; i++) {
					const double x = in[input_channel(c, group * s->in_channels + i)];
					const double weight = weight_at(c, channel, i, t, &bias);
					sum += x * weight;
					*magnitude +=
						c->looser > 0 ? c->looser * fabs(weight) : fabs(x * weight);
				}
				*terms += s->in_channels;
			}
	*magnitude += fabs((double)bias);
	return sum + bias;
}

/* stride: of batch, depth, row, pixel and channel, or block and channel of the block. */
static ptrdiff_t offset_of(const conv_case *c, const ptrdiff_t *stride, const size_t *o)
{
	ptrdiff_t at = 0;
	for (int i = 0; i < 4; i++)
		at += (ptrdiff_t)o[i] * stride[i];
	const size_t each = c->p.weights.out_channels;
	if (c->p.out_group) /* channels are counted as they lie */
		return at + (ptrdiff_t)(o[4] % each * c->p.weights.groups + o[4] / each) * stride[4];
	if (c->p.out_run) {
		const size_t run = o[4] / c->p.out_run;
		return at + (ptrdiff_t)(run / c->p.out_runs[1]) * stride[4] +
		       (ptrdiff_t)(run % c->p.out_runs[1]) * stride[5] +
		       (ptrdiff_t)(o[4] % c->p.out_run) * stride[6];
	}
	if (!c->p.out_block)
		return at + (ptrdiff_t)o[4] * stride[4];
	return at + (ptrdiff_t)(o[4] / c->block) * stride[4] + (ptrdiff_t)(o[4] % c->block) * stride[5];
}

static void check_output(const conv_case *c, const float *out, const char *isa)
{
	const epilogue *e = &c->p.epilogue;
	ptrdiff_t stride[7];
	size_t o[5], written = 0, untouched = 0;
	copy_strides(stride, &c->p.out);
	stride[4] = c->p.out_block                        ? c->p.out_block
		    : c->p.out_channel && !c->p.out_group ? c->p.out_channel
							  : 1;
	stride[5] = stride[6] = 1;
	if (c->p.out_run)
		memcpy(stride + 4, c->p.out_run_stride, sizeof c->p.out_run_stride);
	for (o[0] = 0; o[0] < c->axes[0]; o[0]++)
		for (o[1] = 0; o[1] < c->axes[1]; o[1]++)
			for (o[2] = c->p.window.row_begin; o[2] < c->p.window.row_end; o[2]++)
				for (o[3] = 0; o[3] < c->axes[3]; o[3]++)
					for (o[4] = 0; o[4] < c->axes[4]; o[4]++) {
						double magnitude;
						size_t terms;
						double v = exact(c, o, &magnitude, &terms);
						if (e->flags & EPILOGUE_RESIDUAL) {
							const double x =
								c->residual[offset_of(c, e->residual, o)];
							v += x;
							magnitude += fabs(x);
						}
						if (e->flags & EPILOGUE_CLAMP)
							v = fmin(fmax(v, (double)e->min), (double)e->max);
						if (e->flags & EPILOGUE_PROGRAM)
							v = v * c->operand[offset_of(c, e->operand[0].stride,
										     o)] +
							    0.25;
						const double bound =
							((double)terms + 8) * 0x1p-24 * (magnitude + 1);
						size_t at[5];
						memcpy(at, o, sizeof at);
						if (c->p.window.out_ring)
							at[2] %= c->p.window.out_ring;
						const float got = out[offset_of(c, stride, at)];
						written++;
						cr_assert(fabs(got - v) <= bound,
							  "%s: at %zu %zu %zu %zu %zu: %.9g, expected %.9g",
							  isa, o[0], o[1], o[2], o[3], o[4], (double)got, v);
					}
	for (size_t i = 0; i < c->out_count; i++)
		untouched += is_untouched(out[i]);
	if (!c->p.window.out_ring)
		cr_assert_eq(untouched, c->out_count - written, "%s: wrote between the elements", isa);
}

static void check(rng *r, const conv_case *c, kernel_id id, packing_id packing)
{
	EACH_ISA(t)
	{
		if (c->block && t->vector != c->block)
			continue;
		const size_t bytes = t->packing[packing]->bytes(&c->p.weights);
		void *packed = memory_new((bytes + 63) / 64 * 64);
		memset(packed, 0xff, bytes);
		t->packing[packing]->pack(&c->p.weights, &c->source, packed);
		float *out = floats_untouched(c->out_count), *again = floats_untouched(c->out_count);
		void *args[CONV_OPERANDS + 1] = { out, c->in, packed, c->residual, c->operand };
		run_whole(t->kernel[id], &c->p, args);
		check_output(c, out, t->isa);
		args[CONV_OUT] = again;
		run_pieces(r, t->kernel[id], &c->p, args);
		cr_assert(same_bits(out, again, c->out_count * sizeof(float)),
			  "%s: the cut into pieces shows", t->isa);
		conv_params hinted = c->p;
		hinted.hint = random_hint(r);
		for (size_t i = 0; i < c->out_count; i++)
			again[i] = is_untouched(out[i]) ? out[i] : 0;
		run_pieces(r, t->kernel[id], &hinted, args);
		cr_assert(same_bits(out, again, c->out_count * sizeof(float)), "%s: the hint %d %d shows",
			  t->isa, hinted.hint.size, hinted.hint.pass);
	}
	memory_free_all();
}

Test(conv, agrees_with_the_sum_for_random_shapes)
{
	rng r = { 1 };
	for (int i = 0; i < 300; i++) {
		const conv_case c = random_case(&r, false, false, i % 10 == 0 ? 70 : 20);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

Test(conv, is_exact_at_every_number_of_columns)
{
	rng r = { 2 };
	for (size_t n = 1; n <= 100; n++) {
		conv_case c = random_case(&r, false, false, 8);
		c.p.weights.groups = 1;
		c = (conv_case){ .p = { .batch = 1, .weights = { 1, n, 5, { 1, 1, 1 } } } };
		c.p.window = (conv_window){ .in = { 1, 1, 31 },
					    .out = { 1, 1, 31 },
					    .kernel = { 1, 1, 1 },
					    .stride = { 1, 1, 1 },
					    .dilation = { 1, 1, 1 },
					    .row_end = 1 };
		c.in = floats_random(&r, random_strides(&r, &c.p.in, 1, c.p.window.in, 5, false));
		c.out_count = random_strides(&r, &c.p.out, 1, c.p.window.out, n, n % 2);
		c.source = (weights_source){ .data = floats_random(&r, 5 * n), .out = 5, .in = 1 };
		random_epilogue(&r, &c, n);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

Test(conv, adds_up_long_sums_in_blocks)
{
	rng r = { 3 };
	for (int i = 0; i < 12; i++) {
		conv_case c = { .p = { .batch = 1, .weights = { 1, 19 + (size_t)i, 300, { 1, 3, 1 } } } };
		c.p.window = (conv_window){ .in = { 1, 5, 3 },
					    .out = { 1, 5, 3 },
					    .kernel = { 1, 3, 1 },
					    .stride = { 1, 1, 1 },
					    .dilation = { 1, 1, 1 },
					    .pad = { 0, 1, 0 },
					    .row_end = 5 };
		c.in = floats_random(&r, random_strides(&r, &c.p.in, 1, c.p.window.in, 300, i % 2));
		c.out_count =
			random_strides(&r, &c.p.out, 1, c.p.window.out, c.p.weights.out_channels, i % 3 == 0);
		c.source = (weights_source){ .data = floats_random(&r, 900 * c.p.weights.out_channels),
					     .out = 900,
					     .in = 3,
					     .tap = { 0, 1, 0 } };
		random_epilogue(&r, &c, c.p.weights.out_channels);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

/* Taps so far apart that many, or all, of a line or of the image are outside: the output is cut into zones.
 */
Test(conv, leaves_out_taps_far_outside)
{
	rng r = { 33 };
	for (int i = 0; i < 120; i++) {
		conv_case c = random_case(&r, false, false, i % 10 == 0 ? 400 : 24);
		conv_window *w = &c.p.window;
		w->in[DEPTH] = w->out[DEPTH] = w->kernel[DEPTH] = w->stride[DEPTH] = w->dilation[DEPTH] = 1;
		w->pad[DEPTH] = 0;
		for (int a = ROW; a <= PIXEL; a++) {
			w->in[a] = rng_range(&r, 1, 30);
			w->kernel[a] = rng_chance(&r, 15) ? rng_range(&r, 1, 6) : 3;
			w->dilation[a] = rng_range(&r, 1, 20);
			w->stride[a] = rng_chance(&r, 80) ? 1 : rng_range(&r, 2, 3);
			const size_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
			w->pad[a] = (ptrdiff_t)(rng_chance(&r, 80) ? reach / 2 : rng_range(&r, 0, reach + 3));
			const size_t padded = w->in[a] + 2 * (size_t)w->pad[a];
			w->out[a] = padded < reach ? 1 : (padded - reach) / w->stride[a] + 1;
		}
		w->row_begin = 0;
		w->row_end = w->out[ROW];
		weights_shape *s = &c.p.weights;
		memcpy(s->kernel, w->kernel, sizeof s->kernel);
		const size_t in = s->groups * s->in_channels, out = s->groups * s->out_channels;
		const ptrdiff_t taps = (ptrdiff_t)(w->kernel[ROW] * w->kernel[PIXEL]);
		c.in = floats_random(&r,
				     random_strides(&r, &c.p.in, c.p.batch, w->in, in, rng_chance(&r, 50)));
		c.out_count = random_strides(&r, &c.p.out, c.p.batch, w->out, out, rng_chance(&r, 50));
		c.source = (weights_source){ .data = floats_random(&r, out * s->in_channels * (size_t)taps),
					     .group = taps * (ptrdiff_t)(s->in_channels * s->out_channels),
					     .out = taps * (ptrdiff_t)s->in_channels,
					     .in = taps,
					     .tap = { 0, (ptrdiff_t)w->kernel[PIXEL], 1 },
					     .bias = floats_random(&r, out),
					     .bias_stride = 1 };
		c.p.epilogue = (epilogue){ .flags = 0 };
		random_epilogue(&r, &c, out);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

Test(conv, takes_channels_in_any_order)
{
	rng r = { 4 };
	for (int i = 0; i < 60; i++) {
		conv_case c = random_case(&r, false, false, 24);
		const weights_shape *s = &c.p.weights;
		const size_t n = s->groups * s->out_channels;
		uint32_t *in = memory_new(s->in_channels * 4), *out = memory_new(n * 4);
		const size_t turn = rng_range(&r, 0, s->in_channels - 1),
			     swap = rng_range(&r, 0, s->groups - 1);
		for (size_t k = 0; k < s->in_channels; k++)
			in[k] = (uint32_t)((k + turn) % s->in_channels);
		/* Whole groups change places, and channels turn within each. */
		for (size_t k = 0; k < n; k++)
			out[k] = (uint32_t)((k / s->out_channels + swap) % s->groups * s->out_channels +
					    (k + turn) % s->out_channels);
		c.source.in_index = in;
		c.source.out_index = out;
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

Test(conv, reads_a_picture_in_first_order)
{
	rng r = { 5 };
	for (int i = 0; i < 40; i++) {
		conv_case c = random_case(&r, false, false, 5);
		conv_params *p = &c.p;
		const size_t pixels = p->window.in[0] * p->window.in[1] * p->window.in[2];
		const size_t channels = p->weights.groups * p->weights.in_channels;
		p->in_channel = (ptrdiff_t)pixels;
		p->in.axis[PIXEL] = 1;
		p->in.axis[ROW] = (ptrdiff_t)p->window.in[PIXEL];
		p->in.axis[DEPTH] = p->in.axis[ROW] * (ptrdiff_t)p->window.in[ROW];
		p->in.batch = (ptrdiff_t)(pixels * channels);
		c.in = floats_random(&r, p->batch * pixels * channels);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

/* A strip of rows, read from and written to rings that hold just the rows it needs. */
static void make_strip(rng *r, conv_case *c)
{
	conv_window *w = &c->p.window;
	w->row_begin = rng_range(r, 0, w->out[ROW] - 1);
	w->row_end = rng_range(r, w->row_begin, w->out[ROW]);
	const size_t reach = (w->kernel[ROW] - 1) * w->dilation[ROW] + 1;
	const size_t rows =
		w->row_end > w->row_begin ? (w->row_end - w->row_begin - 1) * w->stride[ROW] + reach : 1;
	if (rng_chance(r, 50) && w->in[DEPTH] == 1)
		w->in_ring = rows;
	if (rng_chance(r, 50) && w->out[DEPTH] == 1)
		w->out_ring = w->row_end - w->row_begin + rng_range(r, 1, 2);
	if (w->in_ring) {
		const size_t extent[3] = { 1, w->in_ring, w->in[PIXEL] };
		c->in = floats_random(r,
				      random_strides(r, &c->p.in, c->p.batch, extent,
						     c->p.weights.groups * c->p.weights.in_channels, true));
	}
	if (w->out_ring) {
		const size_t extent[3] = { 1, w->out_ring, w->out[PIXEL] };
		c->out_count = random_strides(r, &c->p.out, c->p.batch, extent,
					      c->p.weights.groups * c->p.weights.out_channels, true);
	}
}

Test(conv, computes_strips_of_rows_between_rings)
{
	rng r = { 6 };
	for (int i = 0; i < 150; i++) {
		const bool depthwise = i % 2;
		conv_case c = random_case(&r, depthwise, false, 20);
		make_strip(&r, &c);
		check(&r, &c, depthwise ? KERNEL_depthwise_f32 : KERNEL_conv_f32,
		      depthwise ? PACKING_DEPTHWISE : PACKING_GEMM);
	}
}

static void to_blocks(rng *r, conv_case *c, size_t block, bool in, bool out);

/* block: 0, or channels in blocks. */
/* Channels [a][b][run] at [row][a][pixel][b][run], as a pixel shuffle has them, with gaps or without; returns
 * the span. */
static size_t run_strides(rng *r, const conv_case *c, image_strides *s, ptrdiff_t *steps, bool gaps)
{
	const conv_params *p = &c->p;
	const size_t *extent = p->window.out;
	steps[1] = (ptrdiff_t)(p->out_run + (gaps ? rng_range(r, 0, 3) : 0));
	s->axis[PIXEL] = steps[1] * (ptrdiff_t)p->out_runs[1] + (gaps ? (ptrdiff_t)rng_range(r, 0, 3) : 0);
	steps[0] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL] + (gaps ? (ptrdiff_t)rng_range(r, 0, 3) : 0);
	s->axis[ROW] = steps[0] * (ptrdiff_t)p->out_runs[0];
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW];
	s->batch = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH];
	const size_t extents[7] = { p->batch,       extent[0],      extent[1], extent[2],
				    p->out_runs[0], p->out_runs[1], p->out_run };
	const ptrdiff_t strides[7] = { s->batch, s->axis[0], s->axis[1], s->axis[2], steps[0], steps[1], 1 };
	return span(7, extents, strides);
}

/* Moves the output of a case into runs of channels, with one operand that lies alike or holds a value a
 * channel. */
static void to_runs(rng *r, conv_case *c)
{
	conv_params *p = &c->p;
	weights_shape *s = &p->weights;
	epilogue *e = &p->epilogue;
	image_strides at;
	ptrdiff_t steps[2];
	p->out_runs[0] = rng_range(r, 1, 3);
	p->out_runs[1] = rng_range(r, 1, 3);
	p->out_run = rng_range(r, 1, rng_chance(r, 20) ? 40 : 9);
	s->groups = 1;
	s->out_channels = p->out_runs[0] * p->out_runs[1] * p->out_run;
	const size_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
	c->source.data = floats_random(r, s->out_channels * s->in_channels * taps);
	c->source.bias = c->source.bias ? floats_random(r, s->out_channels) : NULL;
	*e = (epilogue){ .flags = 0 };
	random_epilogue(r, c, s->out_channels);
	e->flags &= ~(uint32_t)EPILOGUE_RESIDUAL;
	c->out_count = run_strides(r, c, &p->out, p->out_run_stride, rng_chance(r, 50));
	if (!(e->flags & EPILOGUE_PROGRAM))
		return;
	if (e->operand[0].stride[0] > 0) {
		c->operand = floats_random(r, run_strides(r, c, &at, steps, true));
		copy_strides(e->operand[0].stride, &at);
	} else {
		steps[1] = (ptrdiff_t)p->out_run;
		steps[0] = steps[1] * (ptrdiff_t)p->out_runs[1];
	}
	memcpy(e->operand[0].stride + 4, steps, sizeof steps);
	e->operand[0].stride[6] = 1;
}

Test(conv, writes_channels_in_runs)
{
	rng r = { 19 };
	for (int i = 0; i < 200; i++) {
		conv_case c = random_case(&r, false, false, i % 20 == 0 ? 600 : 24);
		to_runs(&r, &c);
		check(&r, &c, KERNEL_conv_f32, PACKING_GEMM);
	}
}

static void winograd_case(rng *r, size_t channels, bool strip, bool small, size_t block)
{
	conv_case c = random_case_of(r, false, false, channels, block);
	conv_window *w = &c.p.window;
	for (int a = 0; a < 3; a++) {
		w->kernel[a] = c.p.weights.kernel[a] = a ? 3 : 1;
		w->stride[a] = 1;
		w->dilation[a] = a && rng_chance(r, 30) ? rng_range(r, 2, 5) : 1;
		w->in[a] = a ? rng_range(r, 1, 14) : 1;
		const size_t reach = 2 * w->dilation[a];
		w->pad[a] = a ? (ptrdiff_t)rng_range(r, 0, reach) : 0;
		const ptrdiff_t out = (ptrdiff_t)w->in[a] + w->pad[a] + (ptrdiff_t)rng_range(r, 0, reach) -
				      (ptrdiff_t)reach;
		w->out[a] = a ? (out < 1 ? 1 : (size_t)out) : 1;
	}
	w->row_begin = 0;
	w->row_end = w->out[ROW];
	const weights_shape *s = &c.p.weights;
	const size_t in_channels = s->groups * s->in_channels, out_channels = s->groups * s->out_channels;
	c.in = floats_random(r, random_strides(r, &c.p.in, c.p.batch, w->in, in_channels, rng_chance(r, 50)));
	c.out_count = random_strides(r, &c.p.out, c.p.batch, w->out, out_channels, rng_chance(r, 50));
	memset(&c.p.epilogue, 0, sizeof c.p.epilogue);
	random_epilogue(r, &c, out_channels);
	c.source.data = floats_random(r, out_channels * s->in_channels * 9);
	c.source.tap[0] = 0;
	c.source.tap[1] = 3;
	c.source.tap[2] = 1;
	c.source.in = 9;
	c.source.out = 9 * (ptrdiff_t)s->in_channels;
	c.source.group = c.source.out * (ptrdiff_t)s->out_channels;
	if (strip)
		make_strip(r, &c);
	if (block)
		to_blocks(r, &c, block, rng_chance(r, 80), rng_chance(r, 80));
	else if (!strip && rng_chance(r, 40))
		to_runs(r, &c);
	c.looser = small ? 2 : 8;
	check(r, &c, small ? KERNEL_winograd2_f32 : KERNEL_winograd4_f32,
	      small ? PACKING_WINOGRAD2 : PACKING_WINOGRAD4);
}

Test(winograd, agrees_with_the_sum_for_random_shapes)
{
	rng r = { 11 };
	for (int i = 0; i < 300; i++)
		winograd_case(&r, i % 20 == 0 ? 150 : 40, i % 3 == 0, i % 2, 0);
}

Test(winograd, agrees_with_the_sum_for_channels_in_blocks)
{
	static const size_t blocks[] = { 4, 8, 16 };
	rng r = { 15 };
	for (int i = 0; i < 150; i++)
		winograd_case(&r, 60, false, i % 2, blocks[i % 3]);
}

Test(depthwise, agrees_with_the_sum_for_random_shapes)
{
	rng r = { 7 };
	for (int i = 0; i < 300; i++) {
		const conv_case c = random_case(&r, true, false, 70);
		check(&r, &c, KERNEL_depthwise_f32, PACKING_DEPTHWISE);
	}
}

Test(depthwise, agrees_at_every_width_for_the_usual_filters)
{
	static const size_t filter[][2] = { { 3, 1 }, { 3, 2 }, { 5, 1 }, { 5, 2 }, { 7, 1 } };
	rng r = { 8 };
	for (size_t f = 0; f < 5; f++)
		for (size_t width = 1; width <= 33; width++) {
			const size_t k = filter[f][0], s = filter[f][1], out = (width - 1) / s + 1;
			conv_case c = { .p = { .batch = 1, .weights = { 17, 1, 1, { 1, k, k } } } };
			c.p.window = (conv_window){ .in = { 1, 6, width },
						    .out = { 1, 5 / s + 1, out },
						    .kernel = { 1, k, k },
						    .stride = { 1, s, s },
						    .dilation = { 1, 1, 1 },
						    .pad = { 0, (ptrdiff_t)k / 2, (ptrdiff_t)k / 2 },
						    .row_end = 5 / s + 1 };
			c.in = floats_random(&r,
					     random_strides(&r, &c.p.in, 1, c.p.window.in, 17, width % 2));
			c.out_count = random_strides(&r, &c.p.out, 1, c.p.window.out, 17, width % 3 == 0);
			c.source = (weights_source){ .data = floats_random(&r, 17 * k * k),
						     .group = (ptrdiff_t)(k * k),
						     .tap = { 0, (ptrdiff_t)k, 1 } };
			random_epilogue(&r, &c, 17);
			check(&r, &c, KERNEL_depthwise_f32, PACKING_DEPTHWISE);
		}
}

Test(conv_transpose, agrees_with_the_sum_for_random_shapes)
{
	rng r = { 9 };
	for (int i = 0; i < 300; i++) {
		const conv_case c = random_case(&r, false, true, 20);
		check(&r, &c, KERNEL_conv_transpose_f32, PACKING_TRANSPOSE);
	}
}

/* Channels outside pixels, dense or with gaps; returns the span. */
static size_t first_strides(rng *r, image_strides *s, ptrdiff_t *channel, size_t batch, const size_t *extent,
			    size_t channels, bool gaps)
{
	s->axis[PIXEL] = 1;
	s->axis[ROW] = (ptrdiff_t)(extent[PIXEL] + (gaps ? rng_range(r, 0, 5) : 0));
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW] + (gaps ? (ptrdiff_t)rng_range(r, 0, 5) : 0);
	*channel = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH] + (gaps ? (ptrdiff_t)rng_range(r, 0, 5) : 0);
	s->batch = *channel * (ptrdiff_t)channels;
	const size_t extents[5] = { batch, extent[0], extent[1], extent[2], channels };
	const ptrdiff_t strides[5] = { s->batch, s->axis[0], s->axis[1], 1, *channel };
	return span(5, extents, strides);
}

static void first_case(rng *r, bool depthwise, size_t channels)
{
	conv_case c = random_case(r, depthwise, false, channels);
	const weights_shape *s = &c.p.weights;
	const size_t in_channels = s->groups * s->in_channels, out_channels = s->groups * s->out_channels;
	const conv_window *w = &c.p.window;
	c.in = floats_random(r, first_strides(r, &c.p.in, &c.p.in_channel, c.p.batch, w->in, in_channels,
					      rng_chance(r, 50)));
	c.out_count = first_strides(r, &c.p.out, &c.p.out_channel, c.p.batch, w->out, out_channels,
				    rng_chance(r, 50));
	epilogue *e = &c.p.epilogue;
	image_strides strides;
	ptrdiff_t channel;
	if (e->flags & EPILOGUE_RESIDUAL) {
		c.residual = floats_random(r, first_strides(r, &strides, &channel, c.p.batch, w->out,
							    out_channels, rng_chance(r, 50)));
		copy_strides(e->residual, &strides);
		e->residual[4] = channel;
	}
	if (e->flags & EPILOGUE_PROGRAM && e->operand[0].stride[0] > 0) {
		c.operand = floats_random(
			r, first_strides(r, &strides, &channel, c.p.batch, w->out, out_channels, true));
		copy_strides(e->operand[0].stride, &strides);
		e->operand[0].stride[4] = channel;
	}
	check(r, &c, depthwise ? KERNEL_depthwise_first_f32 : KERNEL_conv_first_f32,
	      depthwise ? PACKING_DEPTHWISE_FIRST : PACKING_FIRST);
}

/* ---- Channels in blocks ---- */

/* Dense or with gaps; returns the span. */
static size_t block_strides(rng *r, image_strides *s, ptrdiff_t *step, size_t batch, const size_t *extent,
			    size_t channels, size_t block, bool gaps)
{
	s->axis[PIXEL] = (ptrdiff_t)(block + (gaps ? rng_range(r, 0, 5) : 0));
	s->axis[ROW] = s->axis[PIXEL] * (ptrdiff_t)extent[PIXEL] + (gaps ? (ptrdiff_t)rng_range(r, 0, 5) : 0);
	s->axis[DEPTH] = s->axis[ROW] * (ptrdiff_t)extent[ROW] + (gaps ? (ptrdiff_t)rng_range(r, 0, 5) : 0);
	*step = s->axis[DEPTH] * (ptrdiff_t)extent[DEPTH] + (gaps ? (ptrdiff_t)rng_range(r, 0, 5) : 0);
	s->batch = *step * (ptrdiff_t)(channels / block);
	const size_t extents[6] = { batch, channels / block, extent[0], extent[1], extent[2], block };
	const ptrdiff_t strides[6] = { s->batch, *step, s->axis[0], s->axis[1], s->axis[2], 1 };
	return span(6, extents, strides);
}

static void operand_blocks(rng *r, const conv_case *c, size_t channels, ptrdiff_t *stride, float **data)
{
	image_strides s;
	ptrdiff_t step;
	const size_t count = block_strides(r, &s, &step, c->p.batch, c->p.window.out, channels, c->block,
					   rng_chance(r, 50));
	copy_strides(stride, &s);
	stride[4] = step;
	stride[5] = 1;
	*data = floats_random(r, count);
}

/* Moves the input, the output or both of a case into blocks; the output takes the epilogue along. */
static void to_blocks(rng *r, conv_case *c, size_t block, bool in, bool out)
{
	conv_params *p = &c->p;
	const weights_shape *s = &p->weights;
	const size_t in_channels = s->groups * s->in_channels, out_channels = s->groups * s->out_channels;
	epilogue *e = &p->epilogue;
	c->block = block;
	if (in)
		c->in = floats_random(r, block_strides(r, &p->in, &p->in_block, p->batch, p->window.in,
						       in_channels, block, rng_chance(r, 50)));
	if (!out)
		return;
	c->out_count = block_strides(r, &p->out, &p->out_block, p->batch, p->window.out, out_channels, block,
				     rng_chance(r, 50));
	if (e->flags & EPILOGUE_RESIDUAL)
		operand_blocks(r, c, out_channels, e->residual, &c->residual);
	if (!(e->flags & EPILOGUE_PROGRAM))
		return;
	if (e->operand[0].stride[0] > 0) {
		operand_blocks(r, c, out_channels, e->operand[0].stride, &c->operand);
	} else { /* a value for each channel */
		e->operand[0].stride[4] = (ptrdiff_t)block;
		e->operand[0].stride[5] = 1;
	}
}

Test(blocks, convolutions_agree_with_the_sum_for_random_shapes)
{
	static const size_t blocks[] = { 4, 8, 16 };
	rng r = { 14 };
	for (int i = 0; i < 450; i++) {
		const size_t block = blocks[i % 3];
		const bool depthwise = i % 5 == 0;
		conv_case c = random_case_of(&r, depthwise, false, i % 20 == 1 ? 700 : 70, block);
		const bool in = depthwise || i % 4, out = depthwise || i % 4 != 1;
		to_blocks(&r, &c, block, in, out);
		check(&r, &c, depthwise ? KERNEL_depthwise_f32 : KERNEL_conv_f32,
		      depthwise ? PACKING_DEPTHWISE : PACKING_GEMM);
	}
}

/* conv_f32 or conv_transpose_f32 with a channels-first input, output or both. */
static void mixed_case(rng *r, size_t channels, bool transposed, bool in_first, bool out_first)
{
	conv_case c = random_case(r, false, transposed, channels);
	const weights_shape *s = &c.p.weights;
	const conv_window *w = &c.p.window;
	if (in_first)
		c.in = floats_random(r, first_strides(r, &c.p.in, &c.p.in_channel, c.p.batch, w->in,
						      s->groups * s->in_channels, rng_chance(r, 50)));
	if (out_first) {
		c.out_count = first_strides(r, &c.p.out, &c.p.out_channel, c.p.batch, w->out,
					    s->groups * s->out_channels, rng_chance(r, 50));
		c.p.epilogue.flags &= ~(uint32_t)EPILOGUE_RESIDUAL;
	}
	check(r, &c, transposed ? KERNEL_conv_transpose_f32 : KERNEL_conv_f32,
	      transposed ? PACKING_TRANSPOSE : PACKING_GEMM);
}

/* Groups whose channels take turns in the input, in the output or in both, or lie far apart in the input. */
static void interleaved_case(rng *r, size_t channels, bool transposed)
{
	conv_case c = random_case(r, false, transposed, channels);
	weights_shape *s = &c.p.weights;
	const conv_window *w = &c.p.window;
	const size_t groups = s->groups = rng_range(r, 2, rng_chance(r, 20) ? 19 : 5),
		     in = rng_range(r, 0, 2), out = in ? rng_range(r, 0, 1) : 1;
	const ptrdiff_t taps = (ptrdiff_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]);
	c.source.data = floats_random(r, groups * s->out_channels * s->in_channels * (size_t)taps);
	c.source.bias = c.source.bias ? floats_random(r, groups * s->out_channels) : NULL;
	c.p.epilogue = (epilogue){ .flags = 0 };
	random_epilogue(r, &c, groups * s->out_channels);
	const size_t gap = in == 2 ? rng_range(r, 0, 3) : 0; /* after a group */
	c.in = floats_random(r, random_strides(r, &c.p.in, c.p.batch, w->in, groups * (s->in_channels + gap),
					       rng_chance(r, 50)));
	c.out_count =
		random_strides(r, &c.p.out, c.p.batch, w->out, groups * s->out_channels, rng_chance(r, 50));
	if (in) {
		c.p.in_channel = in == 2 ? 1 : (ptrdiff_t)groups;
		c.p.in_group = in == 2 ? (ptrdiff_t)(s->in_channels + gap) : 1;
	}
	if (out) {
		c.p.out_channel = (ptrdiff_t)groups;
		c.p.out_group = 1;
		c.p.epilogue.flags &= ~(uint32_t)EPILOGUE_RESIDUAL;
	}
	check(r, &c, transposed ? KERNEL_conv_transpose_f32 : KERNEL_conv_f32,
	      transposed ? PACKING_TRANSPOSE : PACKING_GEMM);
}

Test(conv, reads_and_writes_groups_that_take_turns)
{
	rng r = { 18 };
	for (int i = 0; i < 300; i++)
		interleaved_case(&r, i % 20 == 0 ? 90 : 20, i % 4 == 3);
}

Test(conv_transpose, reads_and_writes_channels_first)
{
	rng r = { 16 };
	for (int i = 0; i < 150; i++)
		mixed_case(&r, 20, true, i % 3 > 0, i % 3 < 2);
}

Test(conv, reads_and_writes_channels_first)
{
	rng r = { 13 };
	for (int i = 0; i < 300; i++)
		mixed_case(&r, i % 20 == 0 ? 150 : 30, false, i % 3 > 0, i % 3 < 2);
}

Test(first, convolutions_agree_with_the_sum_for_random_shapes)
{
	rng r = { 12 };
	for (int i = 0; i < 300; i++)
		first_case(&r, i % 2, i % 20 == 0 ? 120 : 20);
}

Test(conv, lets_nan_through_the_clamp_and_may_add_in_place)
{
	rng r = { 10 };
	EACH_ISA(t)
	{
		conv_params p = { .batch = 1, .weights = { 1, 21, 2, { 1, 1, 1 } } };
		p.window = (conv_window){ .in = { 1, 1, 9 },
					  .out = { 1, 1, 9 },
					  .kernel = { 1, 1, 1 },
					  .stride = { 1, 1, 1 },
					  .dilation = { 1, 1, 1 },
					  .row_end = 1 };
		p.in.axis[PIXEL] = 2;
		p.out.axis[PIXEL] = 21;
		p.epilogue.flags = EPILOGUE_RESIDUAL | EPILOGUE_CLAMP;
		p.epilogue.max = INFINITY;
		copy_strides(p.epilogue.residual, &p.out);
		float *in = floats_random(&r, 18), *out = floats_random(&r, 9 * 21),
		      *w = floats_random(&r, 42);
		float *before = floats_new(9 * 21);
		in[8] = NAN;
		in[10] = INFINITY;
		w[0] = -1;
		memcpy(before, out, 9 * 21 * sizeof(float));
		void *packed = memory_new((t->packing[PACKING_GEMM]->bytes(&p.weights) + 63) / 64 * 64);
		const weights_source source = { .data = w, .out = 2, .in = 1 };
		t->packing[PACKING_GEMM]->pack(&p.weights, &source, packed);
		void *args[] = { out, in, packed, out };
		run_whole(t->kernel[KERNEL_conv_f32], &p, args);
		for (int x = 0; x < 9; x++)
			for (int c = 0; c < 21; c++) {
				const float v = in[2 * x] * w[2 * c] + in[2 * x + 1] * w[2 * c + 1] +
						before[x * 21 + c];
				const float got = out[x * 21 + c];
				if (x == 4)
					cr_assert(isnan(got));
				else
					cr_assert(got == fmaxf(v, 0) || fabsf(got - fmaxf(v, 0)) < 1e-6f);
			}
	}
	memory_free_all();
}

/* ---- Accuracy: what runtime/lower/tiles.c assumes when it decides which layers may use tiles ---- */

#define SIDE 24

/* The result of a 3x3 convolution with pads of 1 of a SIDE x SIDE image, k to 16 channels, at one place, in
 * double. */
static double sum_at(const float *in, const float *weights, size_t k, size_t y, size_t x, size_t channel)
{
	double sum = 0;
	for (size_t t = 0; t < 9; t++) {
		const size_t row = y + t / 3 - 1, pixel = x + t % 3 - 1; /* -1 wraps to a large number */
		for (size_t c = 0; row < SIDE && pixel < SIDE && c < k; c++)
			sum += (double)in[(row * SIDE + pixel) * k + c] *
			       (double)weights[(channel * k + c) * 9 + t];
	}
	return sum;
}

/* The error of a kernel in units of 2^-24, both as root mean squares. */
static double error_of(const cpu_kernels *t, kernel_id id, packing_id packing, const float *in,
		       const float *weights, const double *want, size_t k)
{
	const ptrdiff_t channels = (ptrdiff_t)k;
	const conv_params p = { .batch = 1,
				.weights = { 1, 16, k, { 1, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } },
				.window = { .in = { 1, SIDE, SIDE },
					    .out = { 1, SIDE, SIDE },
					    .kernel = { 1, 3, 3 },
					    .stride = { 1, 1, 1 },
					    .dilation = { 1, 1, 1 },
					    .pad = { 0, 1, 1 },
					    .row_end = SIDE },
				.in = { .axis = { SIDE * SIDE * channels, SIDE * channels, channels } },
				.out = { .axis = { SIDE * SIDE * 16, SIDE * 16, 16 } } };
	const weights_source source = { .data = weights, .out = 9 * channels, .in = 9, .tap = { 0, 3, 1 } };
	void *packed = memory_new((t->packing[packing]->bytes(&p.weights) + 63) / 64 * 64);
	float *out = floats_untouched(SIDE * SIDE * 16);
	void *args[] = { out, (void *)in, packed, NULL };
	t->packing[packing]->pack(&p.weights, &source, packed);
	run_whole(t->kernel[id], &p, args);
	double error = 0, size = 0;
	for (size_t i = 0; i < SIDE * SIDE * 16; i++) {
		error += (out[i] - want[i]) * (out[i] - want[i]);
		size += want[i] * want[i];
	}
	return sqrt(error / size) * 0x1p24;
}

Test(winograd, rounds_as_much_as_the_choice_of_tiles_assumes)
{
	/* Estimates for independent pixels and taps. */
	static const struct {
		size_t k;
		double direct, tiles_2, tiles_4;
	} cases[] = { { 64, 2.3, 4.2, 12.6 }, { 256, 3.6, 3.9, 11.8 } };
	rng r = { 17 };
	for (size_t i = 0; i < 2; i++) {
		const size_t k = cases[i].k;
		float *in = floats_random(&r, SIDE * SIDE * k), *weights = floats_random(&r, 16 * k * 9);
		double *want = memory_new(SIDE * SIDE * 16 * sizeof *want);
		for (size_t at = 0; at < SIDE * SIDE * 16; at++)
			want[at] = sum_at(in, weights, k, at / 16 / SIDE, at / 16 % SIDE, at % 16);
		EACH_ISA(t)
		{
			const double direct =
				error_of(t, KERNEL_conv_f32, PACKING_GEMM, in, weights, want, k);
			const double two =
				error_of(t, KERNEL_winograd2_f32, PACKING_WINOGRAD2, in, weights, want, k);
			const double four =
				error_of(t, KERNEL_winograd4_f32, PACKING_WINOGRAD4, in, weights, want, k);
			cr_assert(direct <= 1.2 * cases[i].direct && two <= 1.2 * cases[i].tiles_2 &&
					  four <= 1.2 * cases[i].tiles_4,
				  "%s, %zu channels: %g, %g and %g", t->isa, k, direct, two, four);
			cr_assert(direct > 0.5 && two > 0.5 && four > 3, "%s, %zu channels: %g, %g and %g",
				  t->isa, k, direct, two, four);
		}
		memory_free_all();
	}
}
