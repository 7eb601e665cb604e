/* ONNX DepthToSpace and SpaceToDepth: channels moved into blocks of b x b pixels and back. The deep side has
 * channels (b_h, b_w, c) in mode DCR and (c, b_h, b_w) in mode CRD; the wide side has rows (h, b_h) and
 * columns (w, b_w). */
#include "move.h"

enum { DEPTH_TO_SPACE, SPACE_TO_DEPTH };
enum { DCR, CRD };
static const char *const modes[] = { "DCR", "CRD", NULL };

typedef struct attrs {
	int64_t blocksize;
	int mode;
} attrs;
static const attr_spec spec_depth[] = {
	{ "blocksize", ATTR_INT, offsetof(attrs, blocksize), .required = true },
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes, .since = 11 },
	{ 0 }
};
static const attr_spec spec_space[] = {
	{ "blocksize", ATTR_INT, offsetof(attrs, blocksize), .required = true },
	{ "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes, .since = 28 },
	{ 0 }
};

static clast_status divide(const infer_in *in, int axis, int64_t by, dim *extent, clast_diag *d)
{
	if (dim_is_number(*extent) && *extent % by)
		return fail(d, CLAST_ERROR_MODEL,
			    "input 0: axis %d has extent %lld, which blocks of %lld do not divide", axis,
			    (long long)*extent, (long long)by);
	*extent = dim_floor_div(in->dims, *extent, by);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const int64_t b = ((const attrs *)in->attrs)->blocksize;
	if (b < 1 || b > INT32_MAX)
		return fail(d, CLAST_ERROR_MODEL, "blocksize: expected a positive number, found %lld",
			    (long long)b);
	clast_status s = infer_rank(in, 0, 4, 4, d);
	shape y = in->in[0].shape;
	out->out[0].dtype = in->in[0].dtype;
	if (s || y.rank < 0)
		return s;
	if (in->op->family == DEPTH_TO_SPACE) {
		s = divide(in, 1, b * b, &y.dims[1], d);
		y.dims[2] = dim_mul(in->dims, y.dims[2], b);
		y.dims[3] = dim_mul(in->dims, y.dims[3], b);
	} else {
		y.dims[1] = dim_mul(in->dims, y.dims[1], b * b);
		s = divide(in, 2, b, &y.dims[2], d);
		s = s ? s : divide(in, 3, b, &y.dims[3], d);
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

/* The pixels at one place of all blocks. */
static clast_status move_place(call *c, int64_t row, int64_t column)
{
	const attrs *at = c->attrs;
	const bool deepen = c->op->family == SPACE_TO_DEPTH;
	const tensor_view *deep = deepen ? c->out[0] : c->in[0], *wide = deepen ? c->in[0] : c->out[0];
	const int64_t b = at->blocksize, place = row * b + column;
	const int64_t start = at->mode == DCR ? place * wide->dims[1] : place,
		      step = at->mode == DCR ? 1 : b * b;
	move m;
	move_start(&m, c, c->out[0], c->in[0]);
	move_whole(&m, 0, 0);
	move_range(&m, wide->dims[1], 1, deepen ? start : 0, deepen ? step : 1, 1, deepen ? 0 : start,
		   deepen ? 1 : step);
	for (int a = 2; a < 4; a++) {
		const int64_t first = a == 2 ? row : column;
		move_range(&m, deep->dims[a], a, deepen ? 0 : first, deepen ? 1 : b, a, deepen ? first : 0,
			   deepen ? b : 1);
	}
	return move_run(&m);
}

static clast_status reference(call *c)
{
	const int64_t b = ((const attrs *)c->attrs)->blocksize;
	clast_status s = CLAST_OK;
	for (int64_t row = 0; row < b && !s; row++)
		for (int64_t column = 0; column < b && !s; column++)
			s = move_place(c, row, column);
	return s;
}

/* Split into six axes, permuted, joined. */
static int views(const infer_in *in, const infer_value *out, view_step *steps)
{
	static const int perms[2][2][6] = { { { 0, 3, 4, 1, 5, 2 }, { 0, 1, 4, 2, 5, 3 } },
					    { { 0, 3, 5, 1, 2, 4 }, { 0, 1, 3, 5, 2, 4 } } };
	const attrs *at = in->attrs;
	const shape *x = &in->in[0].shape, *y = &out->shape;
	const dim b = at->blocksize;
	dim unused;
	if (x->rank != 4 || y->rank != 4)
		return -1;
	steps[0] = steps[1] = steps[2] = (view_step){ .shape.rank = 6 };
	dim *split = steps[0].shape.dims;
	if (in->op->family == DEPTH_TO_SPACE) {
		const dim deep[2][6] = { { x->dims[0], b, b, y->dims[1], x->dims[2], x->dims[3] },
					 { x->dims[0], y->dims[1], b, b, x->dims[2], x->dims[3] } };
		if (!dim_divide(in->dims, x->dims[1], b * b, &unused))
			return -1;
		memcpy(split, deep[at->mode], sizeof deep[0]);
	} else {
		const dim wide[6] = { x->dims[0], x->dims[1], y->dims[2], b, y->dims[3], b };
		if (!dim_divide(in->dims, x->dims[2], b, &unused) ||
		    !dim_divide(in->dims, x->dims[3], b, &unused))
			return -1;
		memcpy(split, wide, sizeof wide);
	}
	steps[1].permute = true;
	for (int a = 0; a < 6; a++) {
		steps[1].perm[a] = perms[in->op->family][at->mode][a];
		steps[1].shape.dims[a] = split[steps[1].perm[a]];
	}
	steps[2].shape = *y;
	return 3;
}

static const op_version versions_depth[] = {
	{ 1, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 28, DTYPES_ALL_13 }, { 0 }
};
static const op_version versions_space[] = {
	{ 1, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 28, DTYPES_ALL_13 }, { 0 }
};
const op op_depth_to_space = { .name = "DepthToSpace",
			       .domain = "",
			       .versions = versions_depth,
			       .attrs = spec_depth,
			       .attrs_bytes = sizeof(attrs),
			       .min_in = 1,
			       .max_in = 1,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_REGROUP,
			       .infer = infer,
			       .reference = reference,
			       .views = views,
			       .family = DEPTH_TO_SPACE };
const op op_space_to_depth = { .name = "SpaceToDepth",
			       .domain = "",
			       .versions = versions_space,
			       .attrs = spec_space,
			       .attrs_bytes = sizeof(attrs),
			       .min_in = 1,
			       .max_in = 1,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_REGROUP,
			       .infer = infer,
			       .reference = reference,
			       .views = views,
			       .family = SPACE_TO_DEPTH };
