/* ONNX TensorScatter: a copy of a cache in which, for every batch, the elements from write_indices[batch] on
 * along an axis are replaced by the update; in mode circular they go on at the beginning of the axis. */
#include "move.h"

enum { LINEAR, CIRCULAR };
static const char *const modes[] = { "linear", "circular", NULL };

typedef struct attrs {
	int64_t axis;
	int mode;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis), .i = -2 },
				  { "mode", ATTR_ENUM, offsetof(attrs, mode), .names = modes },
				  { 0 } };

static clast_status check_shapes(const infer_in *in, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *u = &in->in[1].shape;
	int axis;
	if (x->rank < 0)
		return CLAST_OK;
	const clast_status s = infer_axis(((const attrs *)in->attrs)->axis, x->rank, "axis", &axis, d);
	if (s)
		return s;
	if (axis == 0)
		return fail(d, CLAST_ERROR_MODEL, "axis: axis 0 is the batch");
	if (u->rank >= 0 && u->rank != x->rank)
		return fail(d, CLAST_ERROR_MODEL, "update: expected rank %d as past_cache, found %d", x->rank,
			    u->rank);
	for (int a = 0; a < u->rank; a++) {
		const bool numbers = dim_is_number(x->dims[a]) && dim_is_number(u->dims[a]);
		if (numbers && (a == axis ? u->dims[a] > x->dims[a] : u->dims[a] != x->dims[a]))
			return fail(d, CLAST_ERROR_MODEL,
				    "update: expected an extent of %s%lld on axis %d, found %lld",
				    a == axis ? "at most " : "", (long long)x->dims[a], a,
				    (long long)u->dims[a]);
	}
	int64_t count;
	if (has_input(in, 2) && infer_count(in, 2, &count) && dim_is_number(x->dims[0]) &&
	    count != x->dims[0])
		return fail(d, CLAST_ERROR_MODEL, "write_indices: expected %lld elements, found %lld",
			    (long long)x->dims[0], (long long)count);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	s = s ? s : infer_same_dtype(in, 0, 1, d);
	if (!s && has_input(in, 2))
		s = infer_dtype(in, 2, DTYPE_BIT(CLAST_INT64), d);
	s = s ? s : check_shapes(in, d);
	return s ? s : infer_same_as_input(in, 0, out, d);
}

/* n elements of the update of one batch, from its element first on, to the place at in the cache. */
static clast_status write_part(call *c, int64_t batch, int axis, int64_t at, int64_t first, int64_t n)
{
	move m;
	move_start(&m, c, c->out[0], c->in[1]);
	move_range(&m, 1, 0, batch, 1, 0, batch, 1);
	for (int a = 1; a < c->out[0]->rank; a++) {
		if (a == axis)
			move_range(&m, n, a, at, 1, a, first, 1);
		else
			move_whole(&m, a, a);
	}
	return move_run(&m);
}

static clast_status write_batch(call *c, int64_t batch, int axis)
{
	const tensor_view *index = c->n_in > 2 ? c->in[2] : NULL;
	const int64_t extent = c->out[0]->dims[axis], n = c->in[1]->dims[axis];
	int64_t at = index ? load_int(index, axis_offset(index, 0, batch)) : 0;
	const bool circular = ((const attrs *)c->attrs)->mode == CIRCULAR;
	if (at < 0 || (!circular && at > extent - n))
		return fail(c->diag, CLAST_ERROR_DATA,
			    "write_indices: expected an index in [0, %lld], found %lld",
			    (long long)(extent - n), (long long)at);
	at = extent ? at % extent : 0;
	const int64_t head = n < extent - at ? n : extent - at;
	const clast_status s = write_part(c, batch, axis, at, 0, head);
	return s || head == n ? s : write_part(c, batch, axis, 0, head, n - head);
}

static clast_status reference(call *c)
{
	const int axis = wrap_axis(((const attrs *)c->attrs)->axis, c->out[0]->rank);
	clast_status s = move_same(c, c->out[0], c->in[0]);
	for (int64_t b = 0; b < c->out[0]->dims[0] && !s && c->in[1]->dims[axis]; b++)
		s = write_batch(c, b, axis);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	if (rank < 0)
		return UINT32_MAX;
	return operand == 2 ? 1 : 1 | 1u << wrap_axis(((const attrs *)in->attrs)->axis, rank);
}

static const op_version versions[] = { { 24, DTYPES_ALL_24 }, { 0 } };
const op op_tensor_scatter = { .name = "TensorScatter",
			       .domain = "",
			       .versions = versions,
			       .attrs = spec,
			       .attrs_bytes = sizeof(attrs),
			       .min_in = 2,
			       .max_in = 3,
			       .min_out = 1,
			       .max_out = 1,
			       .rule = RULE_AXIS,
			       .infer = infer,
			       .reference = reference,
			       .cut = cut };
