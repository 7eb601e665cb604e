/* ONNX GatherElements: y has the shape of indices; y[i, j, ...] = x[i, indices[i, j, ...], ...] with the
 * index on one axis. */
#include "move.h"

typedef struct attrs {
	int64_t axis;
} attrs;
static const attr_spec spec[] = { { "axis", ATTR_INT, offsetof(attrs, axis) }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	int axis = 0;
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	s = s ? s : infer_rank(in, 0, 1, CLAST_MAX_RANK, d);
	if (!s && x->rank >= 0)
		s = infer_axis(((const attrs *)in->attrs)->axis, x->rank, "axis", &axis, d);
	if (!s && x->rank >= 0 && index->rank >= 0 && x->rank != index->rank)
		return fail(d, CLAST_ERROR_MODEL, "indices: expected rank %d as data, found %d", x->rank,
			    index->rank);
	for (int a = 0; !s && x->rank >= 0 && a < index->rank; a++)
		if (a != axis && dim_is_number(x->dims[a]) && dim_is_number(index->dims[a]) &&
		    index->dims[a] > x->dims[a])
			return fail(d, CLAST_ERROR_MODEL,
				    "indices: expected an extent of at most %lld on axis %d, found %lld",
				    (long long)x->dims[a], a, (long long)index->dims[a]);
	infer_set(out, 0, in->in[0].dtype, index);
	return s;
}

/* One row of the last axis. Offsets of the row in index and y; base in x of the other axes but the indexed
 * one. */
static clast_status copy_row(call *c, int axis, const walk *x, const walk *index, const walk *y)
{
	const int last = c->in[0]->rank - 1;
	const int64_t extent = c->in[0]->dims[axis], n = c->in[1]->dims[last];
	int64_t base = 0;
	for (int a = 0; a < last; a++)
		base += a == axis ? 0 : x->table[a][index->index[a]];
	for (int64_t k = 0; k < n; k++) {
		int64_t i = load_int_inline(c->in[1], index->outer[last] + index->table[last][k]);
		if (i < -extent || i >= extent)
			return wrap_index(c, "indices", i, extent, &i);
		i += i < 0 ? extent : 0;
		const int64_t from = base + x->table[axis][i] + (axis == last ? 0 : x->table[last][k]);
		copy_element(c->out[0], y->outer[last] + y->table[last][k], c->in[0], from);
	}
	return CLAST_OK;
}

static clast_status copy_elements(call *c, int axis, walk *x, walk *index, walk *y)
{
	const int64_t n = c->in[1]->dims[c->in[1]->rank - 1], rows = n ? view_count(c->in[1]) / n : 0;
	for (int64_t r = 0; r < rows; r++) {
		const clast_status s = copy_row(c, axis, x, index, y);
		if (s)
			return s;
		walk_next_row(index);
		walk_next_row(y);
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const int axis = wrap_axis(((const attrs *)c->attrs)->axis, c->in[0]->rank);
	walk x = { 0 }, index = { 0 }, y = { 0 };
	clast_status s;
	if (walk_start(&x, c->memory, c->in[0]) && walk_start(&index, c->memory, c->in[1]) &&
	    walk_start(&y, c->memory, c->out[0]))
		s = copy_elements(c, axis, &x, &index, &y);
	else
		s = fail_memory(c->diag, 0);
	walk_end(&x, c->memory);
	walk_end(&index, c->memory);
	walk_end(&y, c->memory);
	return s;
}

/* Of data the axis is indexed; the others may be longer than those of indices, so they are cut, too. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	const shape *x = &in->in[0].shape, *index = &in->in[1].shape;
	(void)operand;
	if (x->rank < 0 || index->rank != x->rank)
		return UINT32_MAX;
	uint32_t mask = 1u << wrap_axis(((const attrs *)in->attrs)->axis, x->rank);
	for (int a = 0; a < x->rank; a++)
		mask |= x->dims[a] == index->dims[a] ? 0 : 1u << a;
	return mask;
}

static const op_version versions[] = { { 11, DTYPES_ALL_12 }, { 13, DTYPES_ALL_13 }, { 0 } };
const op op_gather_elements = { .name = "GatherElements",
				.domain = "",
				.versions = versions,
				.attrs = spec,
				.attrs_bytes = sizeof(attrs),
				.min_in = 2,
				.max_in = 2,
				.min_out = 1,
				.max_out = 1,
				.rule = RULE_AXIS,
				.infer = infer,
				.reference = reference,
				.cut = cut };
