/* ONNX Tile: x repeated along every axis, repeats[a] times along axis a. Opset 1 has one axis and one number
 * of repeats. */
#include "move.h"

/* Repeats of every axis, DIM_UNKNOWN where not known. */
static clast_status read_repeats(const infer_in *in, int rank, dim *repeats, clast_diag *d)
{
	for (int a = 0; a < rank; a++)
		repeats[a] = in->version >= 6 ? DIM_UNKNOWN : 1;
	if (in->version < 6) {
		double tiles, axis;
		int a;
		if (!infer_real(in, 1, 0, &tiles) || !infer_real(in, 2, 0, &axis)) {
			for (a = 0; a < rank; a++)
				repeats[a] = DIM_UNKNOWN;
			return CLAST_OK;
		}
		if (!(tiles >= 0 && tiles < 0x1p31 && axis >= -rank && axis < rank))
			return fail(d, CLAST_ERROR_MODEL, "tiles %g or axis %g is out of range", tiles, axis);
		a = wrap_axis((int64_t)axis, rank);
		repeats[a] = (int64_t)tiles;
		return CLAST_OK;
	}
	size_t n = 0;
	const dim *given = infer_ints(in, 1, &n);
	if (!given)
		return CLAST_OK;
	if (n != (size_t)rank)
		return fail(d, CLAST_ERROR_MODEL,
			    "repeats: expected %d elements as input 0 has axes, found %zu", rank, n);
	for (int a = 0; a < rank; a++) {
		if (dim_is_number(given[a]) && given[a] < 0)
			return fail(d, CLAST_ERROR_MODEL, "repeats: element %d is %lld", a,
				    (long long)given[a]);
		repeats[a] = given[a];
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape y = in->in[0].shape;
	dim repeats[CLAST_MAX_RANK];
	out->out[0].dtype = in->in[0].dtype;
	if (in->version < 6 && !has_input(in, 2))
		return fail(d, CLAST_ERROR_MODEL, "input 2 (axis) is missing");
	if (y.rank < 0)
		return CLAST_OK;
	const clast_status s = read_repeats(in, y.rank, repeats, d);
	if (s)
		return s;
	for (int a = 0; a < y.rank; a++) {
		y.dims[a] = repeats[a] == DIM_UNKNOWN ? fresh_like(in, "tile")
						      : dim_mul(in->dims, y.dims[a], repeats[a]);
		if (y.dims[a] == DIM_ERROR)
			return fail(d, CLAST_ERROR_MODEL, "the extent of axis %d overflows", a);
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	tensor_view ints;
	/* A scalar or a single element repeated: the rest of Tile does not occur in shape arithmetic. */
	if (!ints_view(in, 0, &ints) || view_count(&ints) != 1)
		return CLAST_OK;
	size_t count;
	if (!infer_small(in->in[0].dtype, &y, &count))
		return CLAST_OK;
	view_broadcast(&ints, y.rank, y.dims);
	return infer_view_ints(in, out, 0, &ints, d);
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	move m;
	move_start(&m, c, y, x);
	int64_t *source = NULL, longest = 0;
	for (int a = 0; a < y->rank; a++)
		longest = y->dims[a] > longest ? y->dims[a] : longest;
	source = mem_array(c->memory, (size_t)longest, sizeof *source);
	if (!source)
		m.status = fail_memory(c->diag, (size_t)longest * sizeof *source);
	for (int a = 0; a < y->rank; a++) {
		if (y->dims[a] == x->dims[a]) {
			move_whole(&m, a, a);
			continue;
		}
		for (int64_t i = 0; source && i < y->dims[a]; i++)
			source[i] = i % x->dims[a];
		if (source)
			move_indexed(&m, y->dims[a], a, a, source);
	}
	const clast_status s = move_run(&m);
	mem_free(c->memory, source, source ? (size_t)longest * sizeof *source : 0);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	dim repeats[CLAST_MAX_RANK];
	uint32_t mask = 0;
	if (operand > 0 && operand < in->n_in)
		return 0;
	if (rank < 0 || read_repeats(in, rank, repeats, NULL))
		return UINT32_MAX;
	for (int a = 0; a < rank; a++)
		mask |= repeats[a] == 1 ? 0 : 1u << a;
	return mask;
}

static const op_version versions[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 }
};
const op op_tile = { .name = "Tile",
		     .domain = "",
		     .versions = versions,
		     .min_in = 2,
		     .max_in = 3,
		     .min_out = 1,
		     .max_out = 1,
		     .shape_inputs = 6,
		     .rule = RULE_AXIS,
		     .infer = infer,
		     .reference = reference,
		     .cut = cut };
