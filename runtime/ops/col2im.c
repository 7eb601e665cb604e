/* ONNX Col2Im: columns of blocks added up to an image, the transpose of im2col. X: [N, C * prod(block), L], L
 * the blocks in row-major order of their places; Y: [N, C, image...]. */
#include "move.h"

typedef struct attrs {
	int_list strides, pads, dilations;
} attrs;
static const attr_spec spec[] = { { "strides", ATTR_INTS, offsetof(attrs, strides) },
				  { "pads", ATTR_INTS, offsetof(attrs, pads) },
				  { "dilations", ATTR_INTS, offsetof(attrs, dilations) },
				  { 0 } };

static clast_status check_attrs(const attrs *at, size_t r, clast_diag *d)
{
	if ((at->strides.given && at->strides.n != r) || (at->dilations.given && at->dilations.n != r) ||
	    (at->pads.given && at->pads.n != 2 * r))
		return fail(d, CLAST_ERROR_MODEL,
			    "strides, dilations and pads: expected %zu, %zu and %zu elements, found %zu, %zu "
			    "and %zu",
			    r, r, 2 * r, at->strides.n, at->dilations.n, at->pads.n);
	for (size_t i = 0; i < r; i++)
		if ((at->strides.given && (at->strides.v[i] < 1 || at->strides.v[i] > INT32_MAX)) ||
		    (at->dilations.given && (at->dilations.v[i] < 1 || at->dilations.v[i] > INT32_MAX)))
			return fail(d, CLAST_ERROR_MODEL, "strides or dilations: element %zu is out of range",
				    i);
	for (size_t i = 0; i < at->pads.n; i++)
		if (at->pads.v[i] < 0 || at->pads.v[i] > INT32_MAX)
			return fail(d, CLAST_ERROR_MODEL, "pads: element %zu is out of range", i);
	return CLAST_OK;
}

/* Places of a block along axis a of the image; at most 0 if it does not fit. */
static int64_t places(const attrs *at, size_t r, size_t a, int64_t image, int64_t block)
{
	const int64_t dilation = at->dilations.given ? at->dilations.v[a] : 1,
		      stride = at->strides.given ? at->strides.v[a] : 1;
	const int64_t pads = at->pads.given ? at->pads.v[a] + at->pads.v[r + a] : 0;
	const int64_t free = image + pads - dilation * (block - 1) - 1;
	return free < 0 ? 0 : free / stride + 1;
}

static clast_status check_numbers(const infer_in *in, size_t r, const int64_t *image, const int64_t *block,
				  clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	int64_t length = 1;
	for (size_t a = 0; a < r; a++) {
		if (image[a] < 0 || image[a] > INT32_MAX || block[a] < 1 || block[a] > INT32_MAX)
			return fail(d, CLAST_ERROR_MODEL,
				    "image_shape %lld or block_shape %lld on axis %zu is out of range",
				    (long long)image[a], (long long)block[a], a);
		if (__builtin_mul_overflow(length, places(in->attrs, r, a, image[a], block[a]), &length))
			return fail(d, CLAST_ERROR_MODEL, "image_shape: the number of blocks overflows");
	}
	if (x->rank == 3 && dim_is_number(x->dims[2]) && x->dims[2] != length)
		return fail(d, CLAST_ERROR_MODEL, "input 0: expected %lld blocks for this image, found %lld",
			    (long long)length, (long long)x->dims[2]);
	return CLAST_OK;
}

static clast_status channels(const infer_in *in, size_t r, const int64_t *block, dim *c, clast_diag *d)
{
	const dim x = in->in[0].shape.rank == 3 ? in->in[0].shape.dims[1] : DIM_UNKNOWN;
	const dim size = block ? dim_product(in->dims, r, block) : DIM_UNKNOWN;
	*c = fresh_like(in, "channels");
	if (x == DIM_UNKNOWN || size == DIM_UNKNOWN)
		return CLAST_OK;
	if (size == DIM_ERROR || (dim_is_number(x) && x % size))
		return fail(d, CLAST_ERROR_MODEL,
			    "input 0: %lld rows cannot be divided into blocks of %lld elements", (long long)x,
			    (long long)size);
	*c = dim_floor_div(in->dims, x, size);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	size_t r = 0, n_block = 0;
	const uint32_t index = DTYPE_BIT(CLAST_INT64);
	clast_status s = infer_rank(in, 0, 3, 3, d);
	s = s ? s : infer_dtype(in, 1, index, d);
	s = s ? s : infer_dtype(in, 2, index, d);
	if (!s && (in->in[0].dtype == CLAST_STRING || dtype_is_complex(in->in[0].dtype)))
		s = fail(d, CLAST_ERROR_UNSUPPORTED, "not implemented for %s",
			 clast_dtype_name(in->in[0].dtype));
	out->out[0].dtype = in->in[0].dtype;
	const dim *image = infer_ints(in, 1, &r);
	const int64_t *numbers = infer_numbers(in, 1, &r), *block = infer_numbers(in, 2, &n_block);
	if (s || !image)
		return s;
	if (r < 1 || r > CLAST_MAX_RANK - 2 || (block && n_block != r))
		return fail(
			d, CLAST_ERROR_MODEL,
			"image_shape and block_shape: expected as many elements, 1 to %d, found %zu and %zu",
			CLAST_MAX_RANK - 2, r, n_block);
	if ((s = check_attrs(in->attrs, r, d)) ||
	    (numbers && block && (s = check_numbers(in, r, numbers, block, d))))
		return s;
	shape y = { .rank = 2 + (int)r };
	y.dims[0] = in->in[0].shape.rank == 3 ? in->in[0].shape.dims[0] : fresh_like(in, "batch");
	if ((s = channels(in, r, block, &y.dims[1], d)))
		return s;
	for (size_t a = 0; a < r; a++)
		y.dims[2 + a] = image[a] == DIM_UNKNOWN ? fresh_like(in, "image") : image[a];
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

typedef struct fold {
	const attrs *at;
	size_t r;
	int64_t image[CLAST_MAX_RANK], block[CLAST_MAX_RANK], places[CLAST_MAX_RANK];
} fold;

/* Row-major index in the image of element k of the block at place l; -1 in the padding. */
static int64_t image_index(const fold *f, const int64_t *k, const int64_t *l)
{
	int64_t index = 0;
	for (size_t a = 0; a < f->r; a++) {
		const int64_t dilation = f->at->dilations.given ? f->at->dilations.v[a] : 1;
		const int64_t stride = f->at->strides.given ? f->at->strides.v[a] : 1;
		const int64_t i =
			l[a] * stride + k[a] * dilation - (f->at->pads.given ? f->at->pads.v[a] : 0);
		if (i < 0 || i >= f->image[a])
			return -1;
		index = index * f->image[a] + i;
	}
	return index;
}

/* An element of the image: a sum in double or, for integers, modulo 2^64. */
typedef union cell {
	double real;
	uint64_t whole;
} cell;

static void add_channel(call *c, const fold *f, int64_t n, int64_t channel, cell *image)
{
	const tensor_view *x = c->in[0];
	const bool real = dtype_is_float(x->dtype);
	int64_t row = 1, column;
	for (size_t a = 0; a < f->r; a++)
		row *= f->block[a];
	row *= channel;
	for (iter k = iter_dims((int)f->r, f->block); iter_next(&k); row++) {
		const int64_t base = axis_offset(x, 0, n) + axis_offset(x, 1, row);
		column = 0;
		for (iter l = iter_dims((int)f->r, f->places); iter_next(&l); column++) {
			const int64_t i = image_index(f, k.index, l.index),
				      from = base + axis_offset(x, 2, column);
			if (i >= 0 && real)
				image[i].real += load_real(x, from);
			else if (i >= 0)
				image[i].whole += (uint64_t)load_int(x, from);
		}
	}
}

static void store_channel(const tensor_view *y, int64_t n, int64_t channel, const cell *image)
{
	const int64_t base = axis_offset(y, 0, n) + axis_offset(y, 1, channel);
	int64_t i = 0;
	for (iter it = iter_dims(y->rank - 2, y->dims + 2); iter_next(&it); i++) {
		int64_t to = base;
		for (int a = 2; a < y->rank; a++)
			to += axis_offset(y, a, it.index[a - 2]);
		if (dtype_is_float(y->dtype))
			store_real(y, to, image[i].real);
		else
			store_int(y, to, (int64_t)image[i].whole);
	}
}

static clast_status reference(call *c)
{
	const tensor_view *y = c->out[0];
	fold f = { .at = c->attrs };
	size_t n_block, cells = 1;
	clast_status s = call_ints(c, 1, CLAST_MAX_RANK, f.image, &f.r);
	s = s ? s : call_ints(c, 2, CLAST_MAX_RANK, f.block, &n_block);
	for (size_t a = 0; a < f.r; a++) {
		f.places[a] = places(f.at, f.r, a, f.image[a], f.block[a]);
		cells *= (size_t)f.image[a];
	}
	cell *image = s ? NULL : mem_array(c->memory, cells, sizeof *image);
	if (!image)
		return s ? s : fail_memory(c->diag, cells * sizeof *image);
	for (int64_t n = 0; n < y->dims[0] && !s; n++)
		for (int64_t k = 0; k < y->dims[1] && !s; k++) {
			memset(image, 0, cells * sizeof *image);
			add_channel(c, &f, n, k, image);
			store_channel(y, n, k, image);
			s = call_proceed(c) ? CLAST_OK : CLAST_ERROR_CANCELLED;
		}
	mem_free(c->memory, image, cells * sizeof *image);
	return s;
}

static const op_version versions[] = { { 18, DTYPES_ALL_13 }, { 0 } };
const op op_col2im = { .name = "Col2Im",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(attrs),
		       .min_in = 3,
		       .max_in = 3,
		       .min_out = 1,
		       .max_out = 1,
		       .shape_inputs = 6,
		       .rule = RULE_FIXED,
		       .infer = infer,
		       .reference = reference };
