/* ONNX BlackmanWindow, HannWindow, HammingWindow: y[i] = a0 - a1 * cos(2 pi i / n) + a2 * cos(4 pi i / n),
 * where n is the size of a periodic window and one less of a symmetric one. */
#include <math.h>
#include <stddef.h>

#include "infer.h"
#include "tick.h"

typedef struct attrs {
	clast_dtype dtype;
	bool periodic;
} attrs;

enum { WINDOW_BLACKMAN, WINDOW_HAMMING, WINDOW_HANN };
static const double terms[][3] = { { 0.42, 0.5, 0.08 }, { 25.0 / 46, 21.0 / 46, 0 }, { 0.5, 0.5, 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	shape s = { .rank = 1, .dims = { DIM_UNKNOWN } };
	size_t count;
	int64_t elements;
	if (!dtype_in(a->dtype, DTYPES_REAL_BF16))
		return fail(d, CLAST_ERROR_MODEL, "attribute output_datatype: %s is not allowed",
			    clast_dtype_name(a->dtype));
	if (infer_count(in, 0, &elements) && elements != 1)
		return fail(d, CLAST_ERROR_MODEL, "input 0 (size): expected a scalar, found %lld elements",
			    (long long)elements);
	const dim *size = infer_ints(in, 0, &count);
	if (size)
		s.dims[0] = size[0];
	if (dim_is_number(s.dims[0]) && s.dims[0] < 0)
		return fail(d, CLAST_ERROR_MODEL, "input 0 (size): expected a number from 0 on, found %lld",
			    (long long)s.dims[0]);
	if (s.dims[0] == DIM_UNKNOWN)
		s.dims[0] = infer_fresh(in, "window", 0, DIM_NO_MAX);
	infer_set(out, 0, a->dtype, &s);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *y = c->out[0];
	const double *t = terms[c->op->family], n = (double)(y->dims[0] - !a->periodic);
	clast_status s = CLAST_OK;
	ticker ticks = { .c = c };
	for (int64_t i = 0; !s && i < y->dims[0]; i++) {
		/* A symmetric window of one element has no period: it is its middle. */
		const double angle = n > 0 ? 2 * M_PI * (double)i / n : M_PI;
		const double v = t[0] - t[1] * cos(angle) + t[2] * cos(2 * angle);
		store_real(y, axis_offset(y, 0, i), dtype_is_float(y->dtype) ? v : trunc(v));
		s = tick(&ticks, 1);
	}
	return s;
}

#define SIZES (DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64))
static const op_version versions[] = { { 17, SIZES }, { 0 } };
static const attr_spec spec[] = { { "output_datatype", ATTR_DTYPE, offsetof(attrs, dtype),
				    .i = CLAST_FLOAT32 },
				  { "periodic", ATTR_BOOL, offsetof(attrs, periodic), .i = 1 },
				  { 0 } };

#define WINDOW(symbol, onnx, number)                                                                         \
	const op op_##symbol = { .name = onnx,                                                               \
				 .domain = "",                                                               \
				 .versions = versions,                                                       \
				 .attrs = spec,                                                              \
				 .attrs_bytes = sizeof(attrs),                                               \
				 .min_in = 1,                                                                \
				 .max_in = 1,                                                                \
				 .min_out = 1,                                                               \
				 .max_out = 1,                                                               \
				 .shape_inputs = 1,                                                          \
				 .rule = RULE_FIXED,                                                         \
				 .infer = infer,                                                             \
				 .reference = reference,                                                     \
				 .family = number }

WINDOW(blackman_window, "BlackmanWindow", WINDOW_BLACKMAN);
WINDOW(hamming_window, "HammingWindow", WINDOW_HAMMING);
WINDOW(hann_window, "HannWindow", WINDOW_HANN);
