/* ONNX MaxRoiPool: every region of interest, rounded to whole pixels, cut into pooled_shape bins (which may
 * overlap by a pixel); a bin gives its maximum, an empty one 0. X: [N, C, H, W]; rois: [R, 5] as (batch, x1,
 * y1, x2, y2), corners included. */
#include <math.h>

#include "move.h"

typedef struct attrs {
	int_list pooled_shape;
	float spatial_scale;
} attrs;
static const attr_spec spec[] = { { "pooled_shape", ATTR_INTS, offsetof(attrs, pooled_shape),
				    .required = true },
				  { "spatial_scale", ATTR_FLOAT, offsetof(attrs, spatial_scale), .f = 1 },
				  { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	const shape *x = &in->in[0].shape, *rois = &in->in[1].shape;
	clast_status s = infer_rank(in, 0, 4, 4, d);
	s = s ? s : infer_rank(in, 1, 2, 2, d);
	s = s ? s : infer_same_dtype(in, 0, 1, d);
	if (s)
		return s;
	if (at->pooled_shape.n != 2 || at->pooled_shape.v[0] < 1 || at->pooled_shape.v[1] < 1)
		return fail(d, CLAST_ERROR_MODEL, "pooled_shape: expected two positive extents");
	if (rois->rank == 2 && dim_is_number(rois->dims[1]) && rois->dims[1] != 5)
		return fail(d, CLAST_ERROR_MODEL, "rois: expected 5 numbers a region, found %lld",
			    (long long)rois->dims[1]);
	const shape y = { .rank = 4,
			  .dims = { rois->rank == 2 ? rois->dims[0] : fresh_like(in, "rois"),
				    x->rank == 4 ? x->dims[1] : fresh_like(in, "channels"),
				    at->pooled_shape.v[0], at->pooled_shape.v[1] } };
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

/* Pixels [*lo, *hi) of a bin. */
static void bin_range(double start, double end, int64_t bins, int64_t bin, int64_t extent, int64_t *lo,
		      int64_t *hi)
{
	const double size = fmax(end - start + 1, 1) / (double)bins;
	*lo = (int64_t)fmin(fmax(floor((double)bin * size) + start, 0), (double)extent);
	*hi = (int64_t)fmin(fmax(ceil((double)(bin + 1) * size) + start, 0), (double)extent);
}

static double bin_maximum(const walk *x, int64_t base, const int64_t *rows, const int64_t *columns)
{
	double largest = -INFINITY;
	if (rows[0] >= rows[1] || columns[0] >= columns[1])
		return 0;
	for (int64_t i = rows[0]; i < rows[1]; i++)
		for (int64_t j = columns[0]; j < columns[1]; j++) {
			const double v = load_real(x->v, base + x->table[2][i] + x->table[3][j]);
			largest = v > largest || isnan(v) ? v : largest;
		}
	return largest;
}

static clast_status pool_region(call *c, const walk *x, int64_t r)
{
	const tensor_view *y = c->out[0], *rois = c->in[1];
	const double scale = ((const attrs *)c->attrs)->spatial_scale;
	double p[5];
	int64_t batch;
	for (int64_t k = 0; k < 5; k++)
		p[k] = load_real(rois, axis_offset(rois, 0, r) + axis_offset(rois, 1, k)) * (k ? scale : 1);
	for (int k = 0; k < 5; k++)
		if (!(fabs(p[k]) < 0x1p53))
			return fail(c->diag, CLAST_ERROR_DATA, "rois: element [%lld, %d] is out of range",
				    (long long)r, k);
	clast_status s = wrap_index(c, "rois", (int64_t)p[0], x->v->dims[0], &batch);
	for (int64_t k = 0; k < y->dims[1] && !s; k++)
		for (int64_t i = 0; i < y->dims[2]; i++)
			for (int64_t j = 0; j < y->dims[3]; j++) {
				int64_t rows[2], columns[2];
				bin_range(round(p[2]), round(p[4]), y->dims[2], i, x->v->dims[2], &rows[0],
					  &rows[1]);
				bin_range(round(p[1]), round(p[3]), y->dims[3], j, x->v->dims[3], &columns[0],
					  &columns[1]);
				store_real(
					y, view_offset(y, (const int64_t[]){ r, k, i, j }),
					bin_maximum(x, x->table[0][batch] + x->table[1][k], rows, columns));
			}
	return s || call_proceed(c) ? s : CLAST_ERROR_CANCELLED;
}

static clast_status reference(call *c)
{
	walk x;
	clast_status s = CLAST_OK;
	if (!walk_start(&x, c->memory, c->in[0]))
		return fail_memory(c->diag, 0);
	for (int64_t r = 0; r < c->out[0]->dims[0] && !s; r++)
		s = pool_region(c, &x, r);
	walk_end(&x, c->memory);
	return s;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_max_roi_pool = { .name = "MaxRoiPool",
			     .domain = "",
			     .versions = versions,
			     .attrs = spec,
			     .attrs_bytes = sizeof(attrs),
			     .min_in = 2,
			     .max_in = 2,
			     .min_out = 1,
			     .max_out = 1,
			     .rule = RULE_FIXED,
			     .infer = infer,
			     .reference = reference };
