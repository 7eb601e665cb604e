/* ONNX MelWeightMatrix: y[k, m] is the weight of DFT bin k in mel band m: triangles of height 1 between
 * neighbouring edges, which are equidistant on the scale mel(f) = 2595 log10(1 + f / 700). y: [dft_length / 2
 * + 1, num_mel_bins]; all inputs are scalars. */
#include <math.h>

#include "infer.h"

enum { BANDS, DFT_LENGTH, SAMPLE_RATE, LOWER, UPPER };

/* Larger matrices have no use, and their sizes would overflow. */
#define MAX_EXTENT INT32_MAX

typedef struct attrs {
	clast_dtype dtype;
} attrs;

static dim scalar(const infer_in *in, size_t i)
{
	size_t n;
	const dim *list = infer_ints(in, i, &n);
	return list && n == 1 ? *list : infer_fresh(in, "mel", 0, MAX_EXTENT);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const clast_dtype dtype = ((const attrs *)in->attrs)->dtype;
	clast_status s = CLAST_OK;
	if (!dtype_in(dtype, DTYPES_REAL_BF16))
		return fail(d, CLAST_ERROR_MODEL, "attribute output_datatype: %s is no number",
			    clast_dtype_name(dtype));
	for (size_t i = BANDS; !s && i <= UPPER; i++) {
		s = infer_dtype(
			in, i,
			i >= LOWER ? DTYPES_FLOAT_BF16 : DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
		if (!s)
			s = infer_rank(in, i, 0, 1, d);
	}
	const dim bands = scalar(in, BANDS), length = scalar(in, DFT_LENGTH);
	if (!s && ((dim_is_number(bands) && (bands < 0 || bands > MAX_EXTENT)) ||
		   (dim_is_number(length) && (length < 0 || length > MAX_EXTENT))))
		s = fail(d, CLAST_ERROR_MODEL, "num_mel_bins and dft_length: expected 0 to %d", MAX_EXTENT);
	if (s)
		return s;
	const dim bins = dim_add(in->dims, dim_floor_div(in->dims, length, 2), 1);
	infer_set(out, 0, dtype, &(shape){ 2, { bins, bands } });
	return CLAST_OK;
}

typedef struct scale {
	double low, step; /* in mel */
	double bins_per_hertz;
} scale;

static double to_mel(double hertz)
{
	return 2595 * log10(1 + hertz / 700);
}

/* The DFT bin of edge i. */
static int64_t edge(const scale *s, int64_t i)
{
	const double hertz = 700 * (pow(10, (s->low + (double)i * s->step) / 2595) - 1);
	return (int64_t)floor(hertz * s->bins_per_hertz);
}

static void put(const tensor_view *y, int64_t bin, int64_t band, double x)
{
	store_real(y, view_offset(y, (int64_t[]){ bin, band }), dtype_is_integer(y->dtype) ? trunc(x) : x);
}

static clast_status fill_band(call *c, const scale *s, int64_t band)
{
	const tensor_view *y = c->out[0];
	const int64_t left = edge(s, band), centre = edge(s, band + 1), right = edge(s, band + 2);
	if (left < 0 || left > centre || centre > right || centre >= y->dims[0] || right > y->dims[0])
		return fail(c->diag, CLAST_ERROR_DATA, "band %lld reaches from bin %lld to %lld of %lld",
			    (long long)band, (long long)left, (long long)right, (long long)y->dims[0]);
	if (left == centre)
		put(y, centre, band, 1);
	for (int64_t k = left; left < centre && k <= centre; k++)
		put(y, k, band, (double)(k - left) / (double)(centre - left));
	for (int64_t k = centre; k < right; k++)
		put(y, k, band, (double)(right - k) / (double)(right - centre));
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *y = c->out[0];
	const int64_t rate = load_int(c->in[SAMPLE_RATE], 0), length = load_int(c->in[DFT_LENGTH], 0);
	const double low = to_mel(load_real(c->in[LOWER], 0)), high = to_mel(load_real(c->in[UPPER], 0));
	const scale s = { low, (high - low) / (double)(y->dims[1] + 2), (double)(length + 1) / (double)rate };
	if (rate < 1 || !isfinite(low) || !isfinite(high))
		return fail(c->diag, CLAST_ERROR_DATA,
			    "a sample rate of %lld or edges that are no frequencies", (long long)rate);
	for (iter it = iter_over(y); iter_next(&it);)
		put_real(y, &it, 0);
	clast_status status = CLAST_OK;
	for (int64_t band = 0; !status && band < y->dims[1]; band++)
		status = fill_band(c, &s, band);
	return status;
}

static const attr_spec spec[] = {
	{ "output_datatype", ATTR_DTYPE, offsetof(attrs, dtype), .i = CLAST_FLOAT32 }, { 0 }
};
static const op_version versions[] = { { 17, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64) }, { 0 } };
const op op_mel_weight_matrix = { .name = "MelWeightMatrix",
				  .domain = "",
				  .versions = versions,
				  .attrs = spec,
				  .attrs_bytes = sizeof(attrs),
				  .min_in = 5,
				  .max_in = 5,
				  .min_out = 1,
				  .max_out = 1,
				  .shape_inputs = 1u << BANDS | 1u << DFT_LENGTH,
				  .rule = RULE_FIXED,
				  .infer = infer,
				  .reference = reference };
