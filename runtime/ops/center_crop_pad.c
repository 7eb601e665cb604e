/* ONNX CenterCropPad: the middle of every axis that is longer than wanted, the axis between zeros where it is
 * shorter. Where the difference is odd, one element more is dropped or added at the end. */
#include "move.h"

typedef struct attrs {
	int_list axes;
} attrs;
static const attr_spec spec[] = { { "axes", ATTR_INTS, offsetof(attrs, axes) }, { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const int_list *axes = &((const attrs *)in->attrs)->axes;
	shape y = in->in[0].shape;
	size_t n;
	uint32_t mask;
	clast_status s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	out->out[0].dtype = in->in[0].dtype;
	if (s || y.rank < 0)
		return s;
	if (axes->given && (s = infer_axes(axes->v, axes->n, y.rank, &mask, d)))
		return s;
	const size_t listed = axes->given ? axes->n : (size_t)y.rank;
	const dim *want = infer_ints(in, 1, &n);
	if (want && n != listed)
		return fail(d, CLAST_ERROR_MODEL, "shape: expected %zu elements, found %zu", listed, n);
	for (size_t i = 0; i < listed; i++) {
		const int a = axes->given ? wrap_axis(axes->v[i], y.rank) : (int)i;
		if (want && dim_is_number(want[i]) && want[i] < 0)
			return fail(d, CLAST_ERROR_MODEL, "shape: extent %zu is %lld", i, (long long)want[i]);
		y.dims[a] = want && want[i] != DIM_UNKNOWN ? want[i] : fresh_like(in, "crop");
	}
	infer_set(out, 0, in->in[0].dtype, &y);
	return CLAST_OK;
}

static clast_status move_axis_of(move *m, int a)
{
	mem *memory = m->c->memory;
	const int64_t x = m->from->dims[a], y = m->to->dims[a], bytes = y * (int64_t)sizeof(int64_t);
	if (y <= x) {
		move_range(m, y, a, 0, 1, a, (x - y) / 2, 1);
		return m->status;
	}
	int64_t *source = mem_alloc(memory, (size_t)bytes);
	if (!source)
		return m->status ? m->status : (m->status = fail_memory(m->c->diag, (size_t)bytes));
	for (int64_t i = 0; i < y; i++) {
		const int64_t from = i - (y - x) / 2;
		source[i] = from >= 0 && from < x ? from : -1;
	}
	move_indexed(m, y, a, a, source);
	mem_free(memory, source, (size_t)bytes);
	return m->status;
}

static clast_status reference(call *c)
{
	static const _Alignas(16) unsigned char zero[16];
	move m;
	move_start(&m, c, c->out[0], c->in[0]);
	m.fill = zero;
	for (int a = 0; a < c->out[0]->rank && !m.status; a++)
		move_axis_of(&m, a);
	return move_run(&m);
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int_list *axes = &((const attrs *)in->attrs)->axes;
	const int rank = in->in[0].shape.rank;
	uint32_t mask;
	if (operand == 1)
		return 0;
	return rank < 0 || !axes->given || infer_axes(axes->v, axes->n, rank, &mask, NULL) ? all_axes(rank)
											   : mask;
}

static const op_version versions[] = { { 18, DTYPES_ALL_13 }, { 0 } };
const op op_center_crop_pad = { .name = "CenterCropPad",
				.domain = "",
				.versions = versions,
				.attrs = spec,
				.attrs_bytes = sizeof(attrs),
				.min_in = 2,
				.max_in = 2,
				.min_out = 1,
				.max_out = 1,
				.shape_inputs = 1u << 1,
				.rule = RULE_AXIS,
				.infer = infer,
				.reference = reference,
				.cut = cut };
