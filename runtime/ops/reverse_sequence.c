/* ONNX ReverseSequence: for every batch the first sequence_lens[batch] elements of the time axis in reverse,
 * the others as they are. Batch and time are axes 0 and 1, in either order. */
#include "move.h"

typedef struct attrs {
	int64_t batch_axis, time_axis;
} attrs;
static const attr_spec spec[] = { { "batch_axis", ATTR_INT, offsetof(attrs, batch_axis), .i = 1 },
				  { "time_axis", ATTR_INT, offsetof(attrs, time_axis) },
				  { 0 } };

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	const shape *x = &in->in[0].shape, *lengths = &in->in[1].shape;
	if ((at->batch_axis != 0 && at->batch_axis != 1) || at->time_axis != 1 - at->batch_axis)
		return fail(d, CLAST_ERROR_MODEL,
			    "batch_axis and time_axis: expected 0 and 1 or 1 and 0, found %lld and %lld",
			    (long long)at->batch_axis, (long long)at->time_axis);
	clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	s = s ? s : infer_rank(in, 1, 1, 1, d);
	s = s ? s : infer_dtype(in, 1, DTYPE_BIT(CLAST_INT64), d);
	if (s)
		return s;
	if (x->rank >= 0 && lengths->rank >= 0) {
		dim batch = x->dims[at->batch_axis];
		if (!dims_unify(&batch, lengths->dims[0]))
			return fail(d, CLAST_ERROR_MODEL, "sequence_lens: expected %lld elements, found %lld",
				    (long long)batch, (long long)lengths->dims[0]);
	}
	return infer_same_as_input(in, 0, out, d);
}

static clast_status reverse_batch(call *c, int64_t batch, int64_t *source)
{
	const attrs *at = c->attrs;
	const tensor_view *x = c->in[0], *lengths = c->in[1];
	const int64_t steps = x->dims[at->time_axis],
		      length = load_int(lengths, axis_offset(lengths, 0, batch));
	if (length < 0 || length > steps)
		return fail(c->diag, CLAST_ERROR_DATA,
			    "sequence_lens: expected a length in [0, %lld], found %lld", (long long)steps,
			    (long long)length);
	for (int64_t t = 0; t < steps; t++)
		source[t] = t < length ? length - 1 - t : t;
	move m;
	move_start(&m, c, c->out[0], x);
	for (int a = 0; a < x->rank; a++) {
		if (a == at->batch_axis)
			move_range(&m, 1, a, batch, 1, a, batch, 1);
		else if (a == at->time_axis)
			move_indexed(&m, steps, a, a, source);
		else
			move_whole(&m, a, a);
	}
	return move_run(&m);
}

static clast_status reference(call *c)
{
	const attrs *at = c->attrs;
	const size_t bytes = (size_t)c->in[0]->dims[at->time_axis] * sizeof(int64_t);
	int64_t *source = mem_alloc(c->memory, bytes);
	clast_status s = source ? CLAST_OK : fail_memory(c->diag, bytes);
	for (int64_t b = 0; b < c->in[0]->dims[at->batch_axis] && !s; b++)
		s = reverse_batch(c, b, source);
	mem_free(c->memory, source, bytes);
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in;
	return operand == 1 ? 1 : 3;
}

static const op_version versions[] = { { 10, DTYPES_ALL_12 }, { 28, DTYPES_ALL_13 }, { 0 } };
const op op_reverse_sequence = { .name = "ReverseSequence",
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
