/* ONNX DFT: the discrete Fourier transform along an axis of x: [..., 1] (real) or [..., 2] (real and
 * imaginary parts). The signal is cut or padded with zeros to dft_length = n. The inverse divides by n. With
 * onesided the forward transform takes a real signal and gives the first n / 2 + 1 terms, the inverse takes
 * such terms and gives a real signal of n. */
#include "fourier.h"
#include "infer.h"
#include "offsets.h"

/* Bounds what a hostile length may ask for; extents beyond have no use. */
#define MAX_LENGTH ((int64_t)1 << 40)

typedef struct attrs {
	bool inverse, onesided;
	int64_t axis; /* before version 20 */
} attrs;

enum { X, LENGTH, AXIS };

static clast_status check(const infer_in *in, clast_diag *d)
{
	const attrs *a = in->attrs;
	const shape *x = &in->in[X].shape;
	clast_status s = infer_rank(in, X, 2, CLAST_MAX_RANK, d);
	const uint32_t lengths = DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64);
	for (size_t i = LENGTH; !s && i <= AXIS; i++)
		if (has_input(in, i)) {
			s = infer_dtype(in, i, i == AXIS ? DTYPE_BIT(CLAST_INT64) : lengths, d);
			if (!s)
				s = infer_rank(in, i, 0, 1, d);
		}
	if (s || x->rank < 0)
		return s;
	const dim parts = x->dims[x->rank - 1];
	const bool real_in = a->onesided && !a->inverse, complex_in = a->onesided && a->inverse;
	if (dim_is_number(parts) && (real_in      ? parts != 1
				     : complex_in ? parts != 2
						  : parts != 1 && parts != 2))
		return fail(d, CLAST_ERROR_MODEL, "input 0: the last axis has extent %lld, expected %s",
			    (long long)parts,
			    real_in      ? "1"
			    : complex_in ? "2"
					 : "1 or 2");
	return CLAST_OK;
}

/* The axis, or -1 where it is not known. */
static clast_status find_axis(const infer_in *in, int *axis, clast_diag *d)
{
	const int rank = in->in[X].shape.rank;
	int64_t given = in->version < 20 ? ((const attrs *)in->attrs)->axis : -2;
	size_t n;
	*axis = -1;
	if (has_input(in, AXIS)) {
		const int64_t *list = infer_numbers(in, AXIS, &n);
		if (!list || n != 1)
			return CLAST_OK;
		given = *list;
	}
	const clast_status s = infer_axis(given, rank, "axis", axis, d);
	if (!s && *axis == rank - 1)
		return fail(d, CLAST_ERROR_MODEL, "axis: %lld is that of the real and imaginary parts",
			    (long long)given);
	return s;
}

static clast_status find_length(const infer_in *in, dim extent, dim *n, clast_diag *d)
{
	const attrs *a = in->attrs;
	size_t count;
	*n = a->inverse && a->onesided ? dim_mul(in->dims, dim_sub(in->dims, extent, 1), 2) : extent;
	if (has_input(in, LENGTH)) {
		const dim *list = infer_ints(in, LENGTH, &count);
		*n = list && count == 1 ? *list : infer_fresh(in, "dft_length", 1, MAX_LENGTH);
	}
	if (dim_is_number(*n) && (*n < 1 || *n > MAX_LENGTH))
		return fail(d, CLAST_ERROR_MODEL, "dft_length: expected 1 or more, found %lld",
			    (long long)*n);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	shape y = in->in[X].shape;
	clast_status s = check(in, d);
	if (!s && y.rank >= 0) {
		int axis;
		s = find_axis(in, &axis, d);
		for (int i = 0; !s && axis < 0 && i < y.rank - 1; i++)
			y.dims[i] = infer_fresh(in, "dft", 0, DIM_NO_MAX);
		if (!s && axis >= 0) {
			dim n;
			s = find_length(in, y.dims[axis], &n, d);
			y.dims[axis] = a->onesided && !a->inverse
					       ? dim_add(in->dims, dim_floor_div(in->dims, n, 2), 1)
					       : n;
		}
		y.dims[y.rank - 1] = a->onesided && a->inverse ? 1 : 2;
	}
	if (!s)
		infer_set(out, 0, in->in[X].dtype, &y);
	return s;
}

typedef struct work {
	call *c;
	int axis;
	int64_t n, rows;
	int64_t *x_row, *y_row, *x_at, *y_at, x_extent, y_extent;
	int64_t x_imaginary, y_imaginary; /* distance of the imaginary part; 0: there is none */
	complex_number *from, *to;
	fourier plan;
} work;

static void load_signal(const work *w, int64_t row)
{
	const tensor_view *x = w->c->in[X];
	const attrs *a = w->c->attrs;
	const int64_t half = w->n / 2 + 1;
	for (int64_t t = 0; t < w->n; t++) {
		/* The second half of a one-sided spectrum is the conjugate of the first. */
		const bool mirrored = a->onesided && a->inverse && t >= half;
		const int64_t from = mirrored ? w->n - t : t;
		w->from[t] = (complex_number){ 0, 0 };
		if (from >= w->x_extent)
			continue;
		const int64_t at = w->x_row[row] + w->x_at[from];
		w->from[t].re = load_real(x, at);
		w->from[t].im = w->x_imaginary ? load_real(x, at + w->x_imaginary) : 0;
		if (mirrored)
			w->from[t].im = -w->from[t].im;
	}
}

static void store_result(const work *w, int64_t row)
{
	const tensor_view *y = w->c->out[0];
	const double scale = ((const attrs *)w->c->attrs)->inverse ? (double)w->n : 1;
	for (int64_t k = 0; k < w->y_extent; k++) {
		const int64_t at = w->y_row[row] + w->y_at[k];
		store_real(y, at, w->to[k].re / scale);
		if (w->y_imaginary)
			store_real(y, at + w->y_imaginary, w->to[k].im / scale);
	}
}

static bool prepare(work *w, bump *b)
{
	const tensor_view *x = w->c->in[X], *y = w->c->out[0];
	const int last = x->rank - 1;
	int others[CLAST_MAX_RANK], count = 0;
	for (int i = 0; i < last; i++)
		if (i != w->axis)
			others[count++] = i;
	w->x_row = offset_table_of(b, x, count, others, &w->rows);
	w->y_row = offset_table_of(b, y, count, others, NULL);
	w->x_at = offset_table(b, x, w->axis, w->axis + 1, &w->x_extent);
	w->y_at = offset_table(b, y, w->axis, w->axis + 1, &w->y_extent);
	w->x_imaginary = x->dims[last] > 1 ? axis_offset(x, last, 1) : 0;
	w->y_imaginary = y->dims[last] > 1 ? axis_offset(y, last, 1) : 0;
	w->from = bump_array(b, (size_t)w->n, sizeof *w->from);
	w->to = bump_array(b, (size_t)w->n, sizeof *w->to);
	return w->x_row && w->y_row && w->x_at && w->y_at && w->from && w->to &&
	       fourier_init(&w->plan, b, w->n, ((const attrs *)w->c->attrs)->inverse);
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[X], *length = c->n_in > LENGTH ? c->in[LENGTH] : NULL,
			  *axis = c->n_in > AXIS ? c->in[AXIS] : NULL;
	const int64_t given = axis ? load_int(axis, 0) : c->version < 20 ? a->axis : -2;
	work w = { .c = c };
	clast_status s = infer_axis(given, x->rank, "axis", &w.axis, c->diag);
	if (s)
		return s;
	w.n = a->inverse && a->onesided ? 2 * (x->dims[w.axis] - 1) : x->dims[w.axis];
	if (length)
		w.n = load_int(length, 0);
	if (w.n < 1)
		return fail(c->diag, CLAST_ERROR_DATA, "a transform of length %lld", (long long)w.n);
	bump b;
	bump_init(&b, c->memory);
	if (!prepare(&w, &b))
		s = fail_memory(c->diag, 0);
	for (int64_t i = 0; !s && i < w.rows; i++) {
		load_signal(&w, i);
		fourier_run(&w.plan, w.from, w.to);
		store_result(&w, i);
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = { { "inverse", ATTR_BOOL, offsetof(attrs, inverse) },
				  { "onesided", ATTR_BOOL, offsetof(attrs, onesided) },
				  { "axis", ATTR_INT, offsetof(attrs, axis), .i = 1, .until = 20 },
				  { 0 } };
static const op_version versions[] = { { 17, DTYPES_FLOAT_BF16 }, { 20, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_dft = { .name = "DFT",
		    .domain = "",
		    .versions = versions,
		    .attrs = spec,
		    .attrs_bytes = sizeof(attrs),
		    .min_in = 1,
		    .max_in = 3,
		    .min_out = 1,
		    .max_out = 1,
		    .shape_inputs = 1u << LENGTH | 1u << AXIS,
		    .rule = RULE_FIXED,
		    .infer = infer,
		    .reference = reference };
