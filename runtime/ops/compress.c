/* ONNX Compress: the elements along an axis where condition is true, or without an axis those of the
 * flattened input. The condition may be shorter than the axis; what lies beyond it is left out. */
#include "move.h"

#define FLAT INT64_MIN /* no axis given */

typedef struct attrs {
	int64_t axis;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = FLAT }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const int64_t axis = ((const attrs *)in->attrs)->axis;
	shape y = in->in[0].shape;
	size_t n;
	int along = 0;
	clast_status s = infer_rank(in, 1, 1, 1, d);
	s = s ? s : infer_dtype(in, 1, DTYPES_BOOL, d);
	s = s ? s : infer_rank(in, 0, 1, CLAST_MAX_RANK, d);
	if (!s && axis != FLAT && y.rank >= 0)
		s = infer_axis(axis, y.rank, "axis", &along, d);
	if (s)
		return s;
	const int64_t *condition = infer_numbers(in, 1, &n);
	dim chosen = condition ? 0 : infer_fresh(in, "compress", 0, DIM_NO_MAX);
	for (size_t i = 0; condition && i < n; i++)
		chosen += condition[i] != 0;
	if (axis == FLAT)
		y.rank = 1;
	if (y.rank >= 0)
		y.dims[along] = chosen;
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

/* Indices of the true elements. */
static clast_status find_true(call *c, int64_t extent, int64_t *chosen, int64_t *n)
{
	const tensor_view *condition = c->in[1];
	*n = 0;
	for (int64_t i = 0; i < condition->dims[0]; i++) {
		if (!load_int(condition, axis_offset(condition, 0, i)))
			continue;
		if (i >= extent)
			return fail(c->diag, CLAST_ERROR_DATA,
				    "condition: element %lld is true, the axis has %lld elements",
				    (long long)i, (long long)extent);
		chosen[(*n)++] = i;
	}
	return CLAST_OK;
}

static clast_status along_axis(call *c, int axis, const int64_t *chosen, int64_t n)
{
	const tensor_view *x = c->in[0];
	int64_t dims[CLAST_MAX_RANK];
	memcpy(dims, x->dims, sizeof dims);
	dims[axis] = n;
	const clast_status s = call_output(c, 0, x->dtype, x->rank, dims);
	if (s)
		return s;
	move m;
	move_start(&m, c, c->out[0], x);
	for (int a = 0; a < x->rank; a++) {
		if (a == axis)
			move_indexed(&m, n, a, a, chosen);
		else
			move_whole(&m, a, a);
	}
	return move_run(&m);
}

static clast_status flattened(call *c, const int64_t *chosen, int64_t n)
{
	const tensor_view *x = c->in[0];
	walk w;
	clast_status s = call_output(c, 0, x->dtype, 1, &n);
	if (s)
		return s;
	if (!walk_start(&w, c->memory, x))
		return fail_memory(c->diag, 0);
	for (int64_t i = 0, k = 0; k < n; i++, walk_next(&w))
		if (i == chosen[k])
			copy_element(c->out[0], axis_offset(c->out[0], 0, k++), x, walk_offset(&w));
	walk_end(&w, c->memory);
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const attrs *at = c->attrs;
	const tensor_view *x = c->in[0];
	const bool flat = at->axis == FLAT;
	const int axis = flat ? 0 : wrap_axis(at->axis, x->rank);
	const size_t bytes = (size_t)c->in[1]->dims[0] * sizeof(int64_t);
	int64_t *chosen = mem_alloc(c->memory, bytes), n = 0;
	clast_status s = chosen ? find_true(c, flat ? view_count(x) : x->dims[axis], chosen, &n)
				: fail_memory(c->diag, bytes);
	if (!s)
		s = flat ? flattened(c, chosen, n) : along_axis(c, axis, chosen, n);
	mem_free(c->memory, chosen, chosen ? bytes : 0);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int64_t axis = ((const attrs *)in->attrs)->axis;
	const int rank = in->in[0].shape.rank;
	return operand == 1 ? 0 : rank < 0 || axis == FLAT ? UINT32_MAX : 1u << wrap_axis(axis, rank);
}

static const op_version versions[] = {
	{ 9, DTYPES_ALL_12 }, { 11, DTYPES_ALL_12 }, { 28, DTYPES_ALL_13 }, { 0 }
};
const op op_compress = { .name = "Compress",
			 .domain = "",
			 .versions = versions,
			 .attrs = spec,
			 .attrs_bytes = sizeof(attrs),
			 .min_in = 2,
			 .max_in = 2,
			 .min_out = 1,
			 .max_out = 1,
			 .flags = OP_DATA_SHAPED,
			 .rule = RULE_AXIS,
			 .infer = infer,
			 .reference = reference,
			 .cut = cut };
