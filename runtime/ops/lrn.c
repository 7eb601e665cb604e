/* ONNX LRN: y[n, c, d] = x[n, c, d] / (bias + alpha / size * sum of x[n, i, d]^2)^beta over the channels i
 * from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2). x, y: [N, C, D1...]. */
#include <math.h>

#include "norm_attrs.h"
#include "offsets.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const lrn_attrs *a = in->attrs;
	const clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (s)
		return s;
	if (a->size < 1)
		return fail(d, CLAST_ERROR_MODEL, "attribute size: expected 1 or more, found %lld",
			    (long long)a->size);
	return infer_same_as_input(in, 0, out, d);
}

/* One pixel: the channels' squares are summed anew for each channel, which keeps rounding independent of the
 * position. */
static void normalise(const lrn_attrs *a, int64_t channels, const double *x, double *y)
{
	const int64_t before = (a->size - 1) / 2, after = a->size - 1 - before;
	for (int64_t c = 0; c < channels; c++) {
		const int64_t first = c > before ? c - before : 0,
			      last = channels - 1 - c < after ? channels - 1 : c + after;
		double sum = 0;
		for (int64_t i = first; i <= last; i++)
			sum += x[i] * x[i];
		y[c] = x[c] /
		       pow((double)a->bias + (double)a->alpha / (double)a->size * sum, (double)a->beta);
	}
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	int others[CLAST_MAX_RANK] = { 0 }, n = 1;
	for (int i = 2; i < x->rank; i++)
		others[n++] = i;
	bump b;
	bump_init(&b, c->memory);
	int64_t pixels = 0, channels = 0;
	const int64_t *x_pixel = offset_table_of(&b, x, n, others, &pixels),
		      *y_pixel = offset_table_of(&b, y, n, others, NULL);
	const int64_t *x_channel = offset_table(&b, x, 1, 2, &channels),
		      *y_channel = offset_table(&b, y, 1, 2, NULL);
	double *from = bump_array(&b, (size_t)channels + 1, sizeof *from),
	       *to = bump_array(&b, (size_t)channels + 1, sizeof *to);
	clast_status s = x_pixel && y_pixel && x_channel && y_channel && from && to ? CLAST_OK
										    : fail_memory(c->diag, 0);
	for (int64_t p = 0; !s && p < pixels; p++) {
		for (int64_t k = 0; k < channels; k++)
			from[k] = load_real(x, x_pixel[p] + x_channel[k]);
		normalise(c->attrs, channels, from, to);
		for (int64_t k = 0; k < channels; k++)
			store_real(y, y_pixel[p] + y_channel[k], to[k]);
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return 1u << 1;
}

static const attr_spec spec[] = { { "alpha", ATTR_FLOAT, offsetof(lrn_attrs, alpha), .f = 1e-4f },
				  { "beta", ATTR_FLOAT, offsetof(lrn_attrs, beta), .f = 0.75f },
				  { "bias", ATTR_FLOAT, offsetof(lrn_attrs, bias), .f = 1 },
				  { "size", ATTR_INT, offsetof(lrn_attrs, size), .required = true },
				  { 0 } };
static const op_version versions[] = { { 1, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_lrn = { .name = "LRN",
		    .domain = "",
		    .versions = versions,
		    .attrs = spec,
		    .attrs_bytes = sizeof(lrn_attrs),
		    .min_in = 1,
		    .max_in = 1,
		    .min_out = 1,
		    .max_out = 1,
		    .rule = RULE_AXIS,
		    .infer = infer,
		    .reference = reference,
		    .cut = cut };
