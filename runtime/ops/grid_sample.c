/* ONNX GridSample: X sampled at places given by a grid of normalised coordinates, the innermost axis first;
 * -1 and 1 are the outer borders of the image, or with align_corners the centres of its outer pixels. X: [N,
 * C, D1, ..., Dr]; grid: [N, O1, ..., Or, r]; Y: [N, C, O1, ..., Or]. Interpolation is a product of one
 * filter an axis. A coordinate that is no number counts as far outside. */
#include <math.h>

#include "move.h"

enum { LINEAR, NEAREST, CUBIC };
static const char *const modes_16[] = { "bilinear", "nearest", "bicubic", NULL };
static const char *const modes_20[] = { "linear", "nearest", "cubic", NULL };
enum { ZEROS, BORDER, REFLECTION };
static const char *const paddings[] = { "zeros", "border", "reflection", NULL };

typedef struct attrs {
	int mode, padding;
	bool align_corners;
} attrs;
static const attr_spec spec[] = {
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes_16, .until = 20 },
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes_20, .since = 20 },
	{ "padding_mode", ATTR_ENUM, offsetof(attrs, padding), .names = paddings },
	{ "align_corners", ATTR_BOOL, offsetof(attrs, align_corners) },
	{ 0 }
};

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *grid = &in->in[1].shape;
	const clast_dtype t = in->in[0].dtype;
	const int lo = in->version < 20 ? 4 : 3, hi = in->version < 20 ? 4 : CLAST_MAX_RANK;
	clast_status s = infer_rank(in, 0, lo, hi, d);
	s = s ? s : infer_rank(in, 1, lo, hi, d);
	s = s ? s : infer_dtype(in, 1, in->version < 22 ? DTYPES_FLOAT : DTYPES_FLOAT_BF16, d);
	if (s)
		return s;
	if (((const attrs *)in->attrs)->mode != NEAREST && (t == CLAST_STRING || dtype_is_complex(t)))
		return fail(d, CLAST_ERROR_UNSUPPORTED, "interpolation is not implemented for %s",
			    clast_dtype_name(t));
	shape y = { .rank = -1 };
	if (x->rank >= 0 && grid->rank >= 0) {
		const dim axes = grid->dims[grid->rank - 1];
		if (x->rank != grid->rank || (dim_is_number(axes) && axes != x->rank - 2))
			return fail(d, CLAST_ERROR_MODEL,
				    "grid: expected rank %d and %d coordinates, found rank %d and %lld",
				    x->rank, x->rank - 2, grid->rank, (long long)axes);
		y = *x;
		if (!dims_unify(&y.dims[0], grid->dims[0]))
			return fail(d, CLAST_ERROR_MODEL, "grid: expected %lld batches, found %lld",
				    (long long)x->dims[0], (long long)grid->dims[0]);
		for (int a = 2; a < y.rank; a++)
			y.dims[a] = grid->dims[a - 1];
	}
	infer_set(out, 0, t, &y);
	return CLAST_OK;
}

/* The filter of one axis at one place: offsets in X, NONE outside. */
#define NONE INT64_MIN
typedef struct filter {
	int taps;
	int64_t offset[4];
	double weight[4];
} filter;

static double reflect(double x, double lo, double hi)
{
	const double range = hi - lo, from = x < lo ? lo - x : x - hi;
	if (x >= lo && x <= hi)
		return x;
	if (range <= 0)
		return lo;
	const double rest = fmod(from, range);
	const bool even = fmod(floor(from / range), 2) == 0;
	return (x < lo) == even ? lo + rest : hi - rest;
}

/* The pixel that stands for index i of an axis; -1: none. */
static int64_t pixel(const attrs *at, double i, int64_t extent)
{
	const double last = (double)extent - 1;
	if (at->padding == ZEROS)
		return i >= 0 && i <= last ? (int64_t)i : -1;
	if (at->padding == REFLECTION)
		i = trunc(at->align_corners ? reflect(i, 0, last) : reflect(i, -0.5, last + 0.5));
	return (int64_t)fmin(fmax(i, 0), last);
}

static double place(const attrs *at, double n, int64_t extent)
{
	const double length = (double)extent, far = 0x1p40;
	const double x = at->align_corners ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;
	return x > far ? far : x >= -far ? x : -far;
}

/* Keys's cubic with a = -0.75 at distance x. */
static double cubic(double x)
{
	const double a = -0.75;
	x = fabs(x);
	return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static void filter_at(const attrs *at, const walk *x, int axis, double n, filter *f)
{
	const int64_t extent = x->v->dims[axis];
	double p = place(at, n, extent);
	const double lo = at->align_corners ? 0 : -0.5,
		     hi = at->align_corners ? (double)extent - 1 : (double)extent - 0.5;
	if (at->mode == NEAREST)
		p = nearbyint(p);
	if (at->padding == BORDER && (p < lo || p > hi))
		p = fmin(fmax(p, 0), (double)extent - 1);
	else if (at->padding == REFLECTION)
		p = reflect(p, lo, hi);
	f->taps = at->mode == NEAREST ? 1 : at->mode == LINEAR ? 2 : 4;
	const double base = at->mode == NEAREST ? trunc(p) : floor(p) - (at->mode == CUBIC);
	for (int k = 0; k < f->taps; k++) {
		const int64_t i = extent ? pixel(at, base + k, extent) : -1;
		const double away = p - (base + k);
		f->offset[k] = i < 0 ? NONE : x->table[axis][i];
		f->weight[k] = at->mode == NEAREST ? 1 : at->mode == LINEAR ? 1 - fabs(away) : cubic(away);
	}
}

/* The product of the filters: every pixel with its weight. */
typedef struct tap {
	int64_t offset;
	double weight;
} tap;

static size_t multiply(const filter *f, int n, tap *taps)
{
	size_t count = 1;
	taps[0] = (tap){ 0, 1 };
	for (int a = 0; a < n; a++) {
		/* From the end, so that those not yet multiplied stay. */
		size_t kept = 0;
		tap *from = taps + count * (size_t)(f[a].taps - 1);
		memmove(from, taps, count * sizeof *taps);
		for (size_t i = 0; i < count; i++) {
			const tap t = from[i];
			for (int k = 0; k < f[a].taps; k++)
				if (f[a].offset[k] != NONE && f[a].weight[k] != 0)
					taps[kept++] =
						(tap){ t.offset + f[a].offset[k], t.weight * f[a].weight[k] };
		}
		count = kept;
	}
	return count;
}

static double sample(const tensor_view *x, size_t n, const tap *taps, int64_t base)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += taps[i].weight * load_real_inline(x, base + taps[i].offset);
	return sum;
}

/* mode nearest keeps elements of any dtype. */
static void pick(const tensor_view *y, int64_t to, const tensor_view *x, const filter *f, int n, int64_t base)
{
	static const _Alignas(16) unsigned char zero[16];
	tensor_view nothing;
	view_dense(&nothing, y->dtype, 0, NULL, (void *)zero);
	for (int a = 0; a < n; a++) {
		if (f[a].offset[0] == NONE) {
			copy_element(y, to, &nothing, 0);
			return;
		}
		base += f[a].offset[0];
	}
	copy_element(y, to, x, base);
}

/* ONNX casts to integers at the end, towards zero. */
static void put_sample(const tensor_view *y, int64_t to, double v)
{
	store_real(y, to, dtype_is_integer(y->dtype) ? trunc(v) : v);
}

/* All channels at one place of the grid. */
static void sample_place(call *c, const walk *x, const iter *it, tap *taps)
{
	const attrs *at = c->attrs;
	const tensor_view *grid = c->in[1], *y = c->out[0];
	const int n = x->v->rank - 2;
	filter f[CLAST_MAX_RANK];
	int64_t from = 0, to = axis_offset(y, 0, it->index[0]);
	for (int a = 0; a <= n; a++) {
		from += axis_offset(grid, a, it->index[a]);
		to += a ? axis_offset(y, a + 1, it->index[a]) : 0;
	}
	for (int a = 0; a < n; a++)
		filter_at(at, x, a + 2, load_real(grid, from + axis_offset(grid, n + 1, n - 1 - a)), &f[a]);
	const size_t count = at->mode == NEAREST ? 0 : multiply(f, n, taps);
	for (int64_t k = 0; k < y->dims[1]; k++) {
		const int64_t base = x->table[0][it->index[0]] + x->table[1][k],
			      at_y = to + axis_offset(y, 1, k);
		if (at->mode == NEAREST)
			pick(y, at_y, x->v, f, n, base);
		else
			put_sample(y, at_y, sample(x->v, count, taps, base));
	}
}

static clast_status sample_all(call *c, const walk *x, tap *taps)
{
	for (iter it = iter_dims(c->in[1]->rank - 1, c->in[1]->dims); iter_next(&it);) {
		sample_place(c, x, &it, taps);
		if (!it.index[it.rank - 1] && !call_proceed(c))
			return CLAST_ERROR_CANCELLED;
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	walk x;
	size_t room = 1;
	for (int a = 2; a < c->in[0]->rank; a++)
		room *= ((const attrs *)c->attrs)->mode == CUBIC ? 4 : 2;
	tap *taps = mem_array(c->memory, room, sizeof *taps);
	clast_status s = CLAST_ERROR_MEMORY;
	if (taps && walk_start(&x, c->memory, c->in[0])) {
		s = sample_all(c, &x, taps);
		walk_end(&x, c->memory);
	} else {
		fail_memory(c->diag, room * sizeof *taps);
	}
	mem_free(c->memory, taps, taps ? room * sizeof *taps : 0);
	return s;
}

static const op_version versions[] = {
	{ 16, DTYPES_ALL_12 }, { 20, DTYPES_ALL_12 }, { 22, DTYPES_ALL_13 }, { 0 }
};
const op op_grid_sample = { .name = "GridSample",
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
