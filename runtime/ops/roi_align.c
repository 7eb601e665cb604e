/* ONNX RoiAlign: every region of interest cut into output_height x output_width bins; a bin is the mean (or
 * in mode max the largest weighted neighbour, as in the reference of ONNX) of bilinear samples on a regular
 * grid inside it. X: [N, C, H, W]; rois: [R, 4] as (x1, y1, x2, y2); batch_indices: [R]. Y: [R, C,
 * output_height, output_width]. */
#include <math.h>

#include "move.h"

enum { AVG, MAX };
static const char *const modes[] = { "avg", "max", NULL };
enum { HALF_PIXEL, OUTPUT_HALF_PIXEL };
static const char *const coordinates[] = { "half_pixel", "output_half_pixel", NULL };

typedef struct attrs {
	int64_t output_height, output_width, sampling_ratio;
	float spatial_scale;
	int mode, coordinates;
} attrs;
static const attr_spec spec[] = { { "output_height", ATTR_INT, offsetof(attrs, output_height), .i = 1 },
				  { "output_width", ATTR_INT, offsetof(attrs, output_width), .i = 1 },
				  { "sampling_ratio", ATTR_INT, offsetof(attrs, sampling_ratio) },
				  { "spatial_scale", ATTR_FLOAT, offsetof(attrs, spatial_scale), .f = 1 },
				  { "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes },
				  { "coordinate_transformation_mode", ATTR_ENUM, offsetof(attrs, coordinates),
				    .names = coordinates, .since = 16 },
				  { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	const shape *x = &in->in[0].shape, *rois = &in->in[1].shape, *batch = &in->in[2].shape;
	clast_status s = infer_rank(in, 0, 4, 4, d);
	s = s ? s : infer_rank(in, 1, 2, 2, d);
	s = s ? s : infer_rank(in, 2, 1, 1, d);
	s = s ? s : infer_same_dtype(in, 0, 1, d);
	s = s ? s : infer_dtype(in, 2, DTYPE_BIT(CLAST_INT64), d);
	if (s)
		return s;
	if (at->output_height < 1 || at->output_width < 1 || at->sampling_ratio < 0)
		return fail(d, CLAST_ERROR_MODEL,
			    "output_height %lld, output_width %lld or sampling_ratio %lld is out of range",
			    (long long)at->output_height, (long long)at->output_width,
			    (long long)at->sampling_ratio);
	if (rois->rank == 2 && dim_is_number(rois->dims[1]) && rois->dims[1] != 4)
		return fail(d, CLAST_ERROR_MODEL, "rois: expected 4 numbers a region, found %lld",
			    (long long)rois->dims[1]);
	shape y = { .rank = 4, .dims = { DIM_UNKNOWN, DIM_UNKNOWN, at->output_height, at->output_width } };
	if (rois->rank == 2)
		y.dims[0] = rois->dims[0];
	if (batch->rank == 1 && !dims_unify(&y.dims[0], batch->dims[0]))
		return fail(d, CLAST_ERROR_MODEL,
			    "batch_indices: expected %lld elements as there are regions, found %lld",
			    (long long)y.dims[0], (long long)batch->dims[0]);
	y.dims[0] = y.dims[0] == DIM_UNKNOWN ? fresh_like(in, "rois") : y.dims[0];
	y.dims[1] = x->rank == 4 ? x->dims[1] : fresh_like(in, "channels");
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

/* One sample along one axis: two neighbours and the weight of the upper one; low is -1 outside the image. */
typedef struct sample {
	int64_t low, high;
	double w;
} sample;

/* The samples of one region along one axis: bins x per_bin. */
typedef struct grid {
	int64_t bins, per_bin;
	sample *samples;
} grid;

/* No image that fits in memory needs more samples in a bin. */
#define MAX_PER_BIN (1 << 16)

static sample sample_at(double x, int64_t extent)
{
	if (!(x >= -1 && x <= (double)extent) || !extent)
		return (sample){ -1, -1, 0 };
	x = x < 0 ? 0 : x;
	const int64_t low = (int64_t)x;
	if (low >= extent - 1)
		return (sample){ extent - 1, extent - 1, 0 };
	return (sample){ low, low + 1, x - (double)low };
}

static clast_status grid_make(call *c, double start, double end, int64_t bins, int64_t extent, grid *g)
{
	const attrs *at = c->attrs;
	const double half = c->version >= 16 && at->coordinates == HALF_PIXEL ? 0.5 : 0;
	const double from = start * (double)at->spatial_scale - half;
	double size = end * (double)at->spatial_scale - half - from;
	if (!half)
		size = fmax(size, 1);
	const double bin = size / (double)bins,
		     wanted = at->sampling_ratio ? (double)at->sampling_ratio : ceil(bin);
	if (!(wanted <= MAX_PER_BIN))
		return fail(c->diag, CLAST_ERROR_DATA, "rois: a region from %g to %g needs too many samples",
			    start, end);
	*g = (grid){ bins, wanted > 0 ? (int64_t)wanted : 0, NULL };
	g->samples = mem_array(c->memory, (size_t)(bins * g->per_bin), sizeof *g->samples);
	if (!g->samples)
		return fail_memory(c->diag, 0);
	for (int64_t b = 0; b < bins; b++)
		for (int64_t i = 0; i < g->per_bin; i++) {
			const double x =
				from + (double)b * bin + ((double)i + 0.5) * bin / (double)g->per_bin;
			g->samples[b * g->per_bin + i] = sample_at(x, extent);
		}
	return CLAST_OK;
}

static void grid_free(call *c, grid *g)
{
	mem_free(c->memory, g->samples, g->samples ? (size_t)(g->bins * g->per_bin) * sizeof *g->samples : 0);
}

/* The four weighted neighbours of a sample. */
static void neighbours(const walk *x, int64_t base, const sample *v, const sample *h, double *out)
{
	out[0] = out[1] = out[2] = out[3] = 0;
	if (v->low < 0 || h->low < 0)
		return;
	const int64_t top = base + x->table[2][v->low], bottom = base + x->table[2][v->high];
	const int64_t left = x->table[3][h->low], right = x->table[3][h->high];
	out[0] = (1 - v->w) * (1 - h->w) * load_real_inline(x->v, top + left);
	out[1] = (1 - v->w) * h->w * load_real_inline(x->v, top + right);
	out[2] = v->w * (1 - h->w) * load_real_inline(x->v, bottom + left);
	out[3] = v->w * h->w * load_real_inline(x->v, bottom + right);
}

static double pool_bin(int mode, const walk *x, int64_t base, const grid *rows, const grid *columns,
		       int64_t row, int64_t column)
{
	double result = 0, p[4];
	bool first = true;
	for (int64_t i = 0; i < rows->per_bin; i++)
		for (int64_t j = 0; j < columns->per_bin; j++) {
			neighbours(x, base, &rows->samples[row * rows->per_bin + i],
				   &columns->samples[column * columns->per_bin + j], p);
			if (mode == AVG) {
				result += p[0] + p[1] + p[2] + p[3];
				continue;
			}
			for (int k = 0; k < 4; k++, first = false)
				result = first || p[k] > result ? p[k] : result;
		}
	const int64_t count = rows->per_bin * columns->per_bin;
	return mode == AVG && count ? result / (double)count : result;
}

static clast_status pool_region(call *c, const walk *x, int64_t r)
{
	const attrs *at = c->attrs;
	const tensor_view *y = c->out[0], *rois = c->in[1], *batches = c->in[2];
	int64_t batch;
	double p[4];
	grid rows = { 0 }, columns = { 0 };
	for (int64_t k = 0; k < 4; k++)
		p[k] = load_real(rois, axis_offset(rois, 0, r) + axis_offset(rois, 1, k));
	clast_status s = wrap_index(c, "batch_indices", load_int(batches, axis_offset(batches, 0, r)),
				    x->v->dims[0], &batch);
	s = s ? s : grid_make(c, p[1], p[3], y->dims[2], x->v->dims[2], &rows);
	s = s ? s : grid_make(c, p[0], p[2], y->dims[3], x->v->dims[3], &columns);
	for (int64_t k = 0; k < y->dims[1] && !s; k++) {
		const int64_t base = x->table[0][batch] + x->table[1][k];
		for (int64_t i = 0; i < y->dims[2]; i++)
			for (int64_t j = 0; j < y->dims[3]; j++)
				store_real(y, view_offset(y, (const int64_t[]){ r, k, i, j }),
					   pool_bin(at->mode, x, base, &rows, &columns, i, j));
		if (!call_proceed(c))
			s = CLAST_ERROR_CANCELLED;
	}
	grid_free(c, &rows);
	grid_free(c, &columns);
	return s;
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

static const op_version versions[] = {
	{ 10, DTYPES_FLOAT }, { 16, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_roi_align = { .name = "RoiAlign",
			  .domain = "",
			  .versions = versions,
			  .attrs = spec,
			  .attrs_bytes = sizeof(attrs),
			  .min_in = 3,
			  .max_in = 3,
			  .min_out = 1,
			  .max_out = 1,
			  .rule = RULE_FIXED,
			  .infer = infer,
			  .reference = reference };
