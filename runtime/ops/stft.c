/* ONNX STFT: y[b, f] is the Fourier transform of signal[b, f * frame_step + t] * window[t], t < frame_length;
 * with onesided its first frame_length / 2 + 1 terms.
 *
 * signal: [B, L, 1] or [B, L, 2]; y: [B, frames, terms, 2], frames = (L - frame_length) / frame_step + 1.
 * frame_length is that of the window, or of the signal, where it is not given. */
#include "fourier.h"
#include "infer.h"
#include "offsets.h"

enum { SIGNAL, STEP, WINDOW, LENGTH };

typedef struct attrs {
	bool onesided;
} attrs;

static clast_status check(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[SIGNAL].shape;
	const uint32_t integers = DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64);
	clast_status s = infer_rank(in, SIGNAL, 3, 3, d);
	for (size_t i = STEP; !s && i <= LENGTH; i++) {
		if (!has_input(in, i))
			continue;
		s = i == WINDOW ? infer_same_dtype(in, SIGNAL, i, d) : infer_dtype(in, i, integers, d);
		if (!s)
			s = infer_rank(in, i, i == WINDOW, 1, d);
	}
	if (s || x->rank < 0 || !dim_is_number(x->dims[2]))
		return s;
	const bool onesided = ((const attrs *)in->attrs)->onesided;
	if (x->dims[2] != 1 && (x->dims[2] != 2 || onesided))
		return fail(d, CLAST_ERROR_MODEL, "input 0: the last axis has extent %lld, expected %s",
			    (long long)x->dims[2], onesided ? "1" : "1 or 2");
	return CLAST_OK;
}

/* A scalar input's element; DIM_UNKNOWN if it is not known. */
static dim scalar(const infer_in *in, size_t i)
{
	size_t n;
	const dim *list = infer_ints(in, i, &n);
	return list && n == 1 ? *list : DIM_UNKNOWN;
}

static clast_status frame_length(const infer_in *in, dim signal, dim *length, clast_diag *d)
{
	const shape *window = &in->in[WINDOW].shape;
	const dim own = has_input(in, WINDOW) ? (window->rank == 1 ? window->dims[0] : DIM_UNKNOWN) : signal;
	*length = has_input(in, LENGTH) ? scalar(in, LENGTH) : own;
	if (dim_is_number(*length) && *length < 1)
		return fail(d, CLAST_ERROR_MODEL, "frame_length: expected 1 or more, found %lld",
			    (long long)*length);
	if (has_input(in, LENGTH) && has_input(in, WINDOW) && dim_is_number(*length) && dim_is_number(own) &&
	    *length != own)
		return fail(d, CLAST_ERROR_MODEL, "the window has %lld elements, frame_length is %lld",
			    (long long)own, (long long)*length);
	if (dim_is_number(*length) && dim_is_number(signal) && *length > signal)
		return fail(d, CLAST_ERROR_MODEL, "a frame has %lld elements, the signal %lld",
			    (long long)*length, (long long)signal);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	dim_table *t = in->dims;
	const shape *x = &in->in[SIGNAL].shape;
	const dim signal = x->rank == 3 ? x->dims[1] : DIM_UNKNOWN, step = scalar(in, STEP);
	dim length;
	clast_status s = check(in, d);
	if (!s)
		s = frame_length(in, signal, &length, d);
	if (!s && dim_is_number(step) && step < 1)
		s = fail(d, CLAST_ERROR_MODEL, "frame_step: expected 1 or more, found %lld", (long long)step);
	if (s)
		return s;
	const bool onesided = ((const attrs *)in->attrs)->onesided;
	const dim frames = dim_add(t, dim_floor_div(t, dim_sub(t, signal, length), step), 1);
	const dim terms = onesided ? dim_add(t, dim_floor_div(t, length, 2), 1) : length;
	infer_set(out, 0, in->in[SIGNAL].dtype,
		  &(shape){ 4, { x->rank == 3 ? x->dims[0] : DIM_UNKNOWN, frames, terms, 2 } });
	return CLAST_OK;
}

typedef struct work {
	int64_t n;
	complex_number *from, *to;
	double *window;
	fourier plan;
} work;

static void transform_frame(call *c, const work *w, int64_t batch, int64_t frame, int64_t first)
{
	const tensor_view *x = c->in[SIGNAL], *y = c->out[0];
	for (int64_t t = 0; t < w->n; t++) {
		const int64_t at = axis_offset(x, 0, batch) + axis_offset(x, 1, first + t);
		const double weight = w->window ? w->window[t] : 1;
		w->from[t].re = weight * load_real(x, at);
		w->from[t].im = x->dims[2] > 1 ? weight * load_real(x, at + axis_offset(x, 2, 1)) : 0;
	}
	fourier_run(&w->plan, w->from, w->to);
	for (int64_t k = 0; k < y->dims[2]; k++) {
		store_real(y, view_offset(y, (int64_t[]){ batch, frame, k, 0 }), w->to[k].re);
		store_real(y, view_offset(y, (int64_t[]){ batch, frame, k, 1 }), w->to[k].im);
	}
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[SIGNAL], *window = c->n_in > WINDOW ? c->in[WINDOW] : NULL,
			  *length = c->n_in > LENGTH ? c->in[LENGTH] : NULL, *y = c->out[0];
	const int64_t step = load_int(c->in[STEP], 0);
	work w = { .n = length ? load_int(length, 0) : window ? window->dims[0] : x->dims[1] };
	if (w.n < 1 || w.n > x->dims[1] || step < 1)
		return fail(c->diag, CLAST_ERROR_DATA,
			    "frames of %lld at distance %lld from a signal of %lld", (long long)w.n,
			    (long long)step, (long long)x->dims[1]);
	bump b;
	bump_init(&b, c->memory);
	w.from = bump_array(&b, (size_t)w.n, sizeof *w.from);
	w.to = bump_array(&b, (size_t)w.n, sizeof *w.to);
	w.window = window ? real_table(&b, window) : NULL;
	clast_status s = CLAST_OK;
	if (!w.from || !w.to || (window && !w.window) || !fourier_init(&w.plan, &b, w.n, false))
		s = fail_memory(c->diag, 0);
	for (int64_t batch = 0; !s && batch < y->dims[0]; batch++)
		for (int64_t frame = 0; !s && frame < y->dims[1]; frame++) {
			transform_frame(c, &w, batch, frame, frame * step);
			if (!call_proceed(c))
				s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
		}
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { { "onesided", ATTR_BOOL, offsetof(attrs, onesided), .i = 1 }, { 0 } };
static const op_version versions[] = { { 17, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_stft = { .name = "STFT",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(attrs),
		     .min_in = 2,
		     .max_in = 4,
		     .min_out = 1,
		     .max_out = 1,
		     .shape_inputs = 1u << STEP | 1u << LENGTH,
		     .rule = RULE_FIXED,
		     .infer = infer,
		     .reference = reference };
