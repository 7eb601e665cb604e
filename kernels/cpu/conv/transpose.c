/* Transposed convolution as stride^n ordinary ones. Output position y = stride * q + phase is met only by the
 * taps t with t * dilation = phase + pad modulo stride. Those lie at equal distances, and read input
 * positions that also do: so each phase is a convolution of stride 1 whose output is every stride-th
 * position. Packed weights hold the classes of taps one after the other, the taps of each class in falling
 * order, since larger taps read earlier positions, and in the end the biases alone for phases that no tap
 * meets. */
#include "checked.h"
#include "conv/spatial.h"
#include "gemm/tile.h"

extern const compute_kernel ISA(conv_f32);
extern const weights_packing ISA(packing_gemm);

static size_t common_divisor(size_t a, size_t b)
{
	while (b) {
		const size_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

/* Along one axis: taps t = first, first + step, ... meet together; `classes` sets of them. */
typedef struct axis {
	size_t taps, stride, dilation;
	size_t step;
} axis;

static axis axis_of(const weights_shape *s, int a)
{
	axis x = { s->kernel[a], s->stride[a], s->dilation[a], 1 };
	x.step = x.stride / common_divisor(x.stride, x.dilation);
	return x;
}

static size_t class_size(const axis *x, size_t class)
{
	return class < x->taps ? (x->taps - class - 1) / x->step + 1 : 0;
}

/* ---- Packing ---- */

/* The classes of all three axes, those of the last axis fastest. */
typedef struct classes {
	axis axis[3];
	size_t at[3];
} classes;

static weights_shape class_shape(const weights_shape *s, const classes *c)
{
	weights_shape part = *s;
	for (int a = 0; a < 3; a++)
		part.kernel[a] = class_size(&c->axis[a], c->at[a]);
	return part;
}

static bool class_next(classes *c)
{
	for (int a = 3; a-- > 0;) {
		if (++c->at[a] < c->axis[a].step)
			return true;
		c->at[a] = 0;
	}
	return false;
}

static classes first_class(const weights_shape *s)
{
	classes c = { .at = { 0, 0, 0 } };
	for (int a = 0; a < 3; a++)
		c.axis[a] = axis_of(s, a);
	return c;
}

/* No taps: biases only. */
static weights_shape empty_shape(const weights_shape *s)
{
	weights_shape none = *s;
	none.kernel[0] = 0;
	return none;
}

static size_t pack_bytes(const weights_shape *shape)
{
	size_t bytes = 0;
	classes c = first_class(shape);
	do {
		const weights_shape part = class_shape(shape, &c);
		const size_t more = ISA(packing_gemm).bytes(&part);
		if (more == SIZE_MAX || !size_add(bytes, more, &bytes))
			return SIZE_MAX;
	} while (class_next(&c));
	const weights_shape none = empty_shape(shape);
	return size_add(bytes, ISA(packing_gemm).bytes(&none), &bytes) ? bytes : SIZE_MAX;
}

static void pack(const weights_shape *shape, const weights_source *source, void *packed)
{
	char *to = packed;
	classes c = first_class(shape);
	do {
		const weights_shape part = class_shape(shape, &c);
		weights_source from = *source;
		for (int a = 0; a < 3; a++) {
			const size_t step = c.axis[a].step,
				     last = c.at[a] + (part.kernel[a] ? part.kernel[a] - 1 : 0) * step;
			from.data += (ptrdiff_t)last * source->tap[a];
			from.tap[a] = -(ptrdiff_t)step * source->tap[a];
		}
		ISA(packing_gemm).pack(&part, &from, to);
		to += ISA(packing_gemm).bytes(&part);
	} while (class_next(&c));
	const weights_shape none = empty_shape(shape);
	ISA(packing_gemm).pack(&none, source, to);
}

extern const weights_packing ISA(packing_transpose);
const weights_packing ISA(packing_transpose) = { "transpose", pack_bytes, pack };

/* ---- Phases ---- */

typedef struct phase {
	conv_params conv;
	size_t weights_bytes; /* before those of its class */
	size_t offset[3];     /* first output position along each axis */
} phase;

/* The class of taps that phase f of an axis sums: the smallest t with t * dilation = f + pad modulo stride;
 * taps if none. */
static size_t class_of(const axis *x, size_t f, ptrdiff_t pad)
{
	const ptrdiff_t s = (ptrdiff_t)x->stride;
	const size_t want = (size_t)((((ptrdiff_t)f + pad) % s + s) % s);
	for (size_t t = 0; t < x->step; t++)
		if (t * x->dilation % x->stride == want)
			return t;
	return x->step;
}

static void phase_axis(phase *ph, const conv_params *p, int a, size_t f, size_t *class)
{
	const axis x = axis_of(&p->weights, a);
	conv_window *w = &ph->conv.window;
	const size_t s = x.stride;
	*class = class_of(&x, f, p->window.pad[a]);
	const size_t taps = *class < x.step ? class_size(&x, *class) : 0;
	ph->offset[a] = f;
	w->out[a] = p->window.out[a] > f ? (p->window.out[a] - f - 1) / s + 1 : 0;
	w->kernel[a] = ph->conv.weights.kernel[a] = taps;
	w->stride[a] = 1;
	w->dilation[a] = size_max(1, x.step * x.dilation / s);
	/* The last tap of the class, which is the first in packed order, reads the earliest position: -pad +
	 * q. */
	const size_t last = taps ? *class + (taps - 1) * x.step : 0;
	w->pad[a] = -((ptrdiff_t)f + p->window.pad[a] - (ptrdiff_t)(last * x.dilation)) / (ptrdiff_t)s;
	ph->conv.out.axis[a] *= (ptrdiff_t)s;
	epilogue *e = &ph->conv.epilogue;
	e->residual[1 + a] *= (ptrdiff_t)s;
	for (uint32_t i = 0; i < e->operands; i++)
		e->operand[i].stride[1 + a] *= (ptrdiff_t)s;
}

/* Bytes of packed weights before the given class; before the biases alone, if it has no taps. */
static size_t weights_before(const weights_shape *shape, const size_t *class, bool empty)
{
	size_t bytes = 0;
	classes c = first_class(shape);
	do {
		if (!empty && memcmp(c.at, class, sizeof c.at) == 0)
			break;
		const weights_shape part = class_shape(shape, &c);
		bytes += ISA(packing_gemm).bytes(&part);
	} while (class_next(&c));
	return bytes;
}

static size_t phase_count(const conv_params *p)
{
	const size_t *s = p->weights.stride;
	return s[0] * s[1] * s[2];
}

static phase phase_at(const conv_params *p, size_t index)
{
	phase ph = { .conv = *p };
	size_t class[3];
	for (int a = 3; a-- > 0;) {
		const size_t s = p->weights.stride[a];
		phase_axis(&ph, p, a, index % s, &class[a]);
		index /= s;
	}
	conv_window *w = &ph.conv.window;
	w->row_begin = 0;
	w->row_end = w->out[ROW];
	w->in_ring = w->out_ring = 0;
	const bool empty = w->kernel[0] * w->kernel[1] * w->kernel[2] == 0;
	ph.weights_bytes = weights_before(&p->weights, class, empty);
	return ph;
}

static size_t transpose_tasks(const void *params)
{
	const conv_params *p = params;
	size_t tasks = 0;
	for (size_t i = 0; i < phase_count(p); i++) {
		const phase ph = phase_at(p, i);
		tasks += ISA(conv_f32).tasks(&ph.conv);
	}
	return tasks;
}

static size_t transpose_scratch(const void *params)
{
	const conv_params *p = params;
	size_t bytes = 0;
	for (size_t i = 0; i < phase_count(p); i++) {
		const phase ph = phase_at(p, i);
		bytes = size_max(bytes, ISA(conv_f32).scratch_bytes(&ph.conv));
	}
	return bytes;
}

static void run_phase(const conv_params *p, const phase *ph, void *const *args, size_t begin, size_t end,
		      void *scratch)
{
	void *shifted[CONV_OPERANDS + EPILOGUE_MAX_OPERANDS];
	const epilogue *e = &p->epilogue;
	ptrdiff_t out = 0, residual = 0;
	for (int a = 0; a < 3; a++) {
		out += (ptrdiff_t)ph->offset[a] * p->out.axis[a];
		residual += (ptrdiff_t)ph->offset[a] * e->residual[1 + a];
	}
	shifted[CONV_OUT] = (float *)args[CONV_OUT] + out;
	shifted[CONV_IN] = args[CONV_IN];
	shifted[CONV_WEIGHTS] = (char *)args[CONV_WEIGHTS] + ph->weights_bytes;
	shifted[CONV_RESIDUAL] =
		e->flags & EPILOGUE_RESIDUAL ? (float *)args[CONV_RESIDUAL] + residual : NULL;
	for (uint32_t i = 0; i < e->operands; i++) {
		ptrdiff_t offset = 0;
		for (int a = 0; a < 3; a++)
			offset += (ptrdiff_t)ph->offset[a] * e->operand[i].stride[1 + a];
		shifted[CONV_OPERANDS + i] = (char *)args[CONV_OPERANDS + i] +
					     offset * (ptrdiff_t)kernel_dtype_bytes(e->operand[i].dtype);
	}
	ISA(conv_f32).run(&ph->conv, shifted, begin, end, scratch);
}

static void transpose_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const conv_params *p = params;
	size_t first = 0;
	for (size_t i = 0; i < phase_count(p) && first < end; i++) {
		const phase ph = phase_at(p, i);
		const size_t last = first + ISA(conv_f32).tasks(&ph.conv);
		const size_t from = size_max(begin, first), to = size_min(end, last);
		if (from < to)
			run_phase(p, &ph, args, from - first, to - first, scratch);
		first = last;
	}
}

static bool transpose_supports(const void *params)
{
	const conv_params *p = params;
	return !p->out_run && !p->in_block && !p->out_block && (!p->out_group || p->out_group == 1) &&
	       ((p->out_channel | 1) == 1 || !(p->epilogue.flags & EPILOGUE_RESIDUAL));
}

extern const compute_kernel ISA(conv_transpose_f32);
const compute_kernel
	ISA(conv_transpose_f32) = { "conv_transpose_f32", sizeof(conv_params), transpose_tasks,
				    transpose_scratch,    transpose_run,       transpose_supports };
