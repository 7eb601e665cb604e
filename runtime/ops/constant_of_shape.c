/* ONNX ConstantOfShape: a tensor of the given shape, every element the one of `value` (0 of float32 by
 * default). */
#include <stddef.h>

#include "constant_of_shape.h"

typedef constant_of_shape_attrs attrs;

static clast_status infer_dims(const infer_in *in, shape *s, clast_diag *d)
{
	size_t count;
	const dim *ints = infer_ints(in, 0, &count);
	const shape *x = &in->in[0].shape;
	if (!ints && (x->rank < 0 || !dim_is_number(x->dims[0])))
		return CLAST_OK;
	if (!ints)
		count = x->dims[0] < 0 ? 0 : (size_t)x->dims[0];
	if (count > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_LIMIT, "input 0: %zu axes, more than %d", count, CLAST_MAX_RANK);
	s->rank = (int)count;
	for (size_t i = 0; i < count; i++) {
		s->dims[i] =
			ints && ints[i] != DIM_UNKNOWN ? ints[i] : infer_fresh(in, "shape", 0, DIM_NO_MAX);
		if (dim_is_number(s->dims[i]) && s->dims[i] < 0)
			return fail(d, CLAST_ERROR_MODEL,
				    "input 0: element %zu: expected an extent, found %lld", i,
				    (long long)s->dims[i]);
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const tensor_view *value = ((const attrs *)in->attrs)->value;
	shape s = { .rank = -1 };
	size_t count;
	if (value && view_count(value) != 1)
		return fail(d, CLAST_ERROR_MODEL, "attribute value: expected one element, found %lld",
			    (long long)view_count(value));
	clast_status status = infer_rank(in, 0, 1, 1, d);
	if (!status)
		status = infer_dims(in, &s, d);
	if (status)
		return status;
	const clast_dtype dtype = value ? value->dtype : CLAST_FLOAT32;
	infer_set(out, 0, dtype, &s);
	if (!infer_small(dtype, &s, &count))
		return CLAST_OK;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return fail_memory(d, count * sizeof *ints);
	const int64_t x = load_int(value, 0);
	for (size_t i = 0; i < count; i++)
		ints[i] = dim_is_number(x) ? x : DIM_UNKNOWN;
	out->out[0].ints = ints;
	out->out[0].int_count = count;
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const tensor_view *value = ((const attrs *)c->attrs)->value, *y = c->out[0];
	const float zero = 0;
	tensor_view v;
	if (value)
		v = *value;
	else
		view_dense(&v, CLAST_FLOAT32, 0, NULL, (void *)&zero);
	for (iter it = iter_over(y); iter_next(&it);)
		copy_element(y, iter_offset(y, &it), &v, 0);
	return CLAST_OK;
}

/* Every element is the same: the output is in any order. */
static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in;
	return operand ? 0 : UINT32_MAX;
}

static const op_version versions[] = { { 9, DTYPE_BIT(CLAST_INT64) },
				       { 20, DTYPE_BIT(CLAST_INT64) },
				       { 21, DTYPE_BIT(CLAST_INT64) },
				       { 23, DTYPE_BIT(CLAST_INT64) },
				       { 24, DTYPE_BIT(CLAST_INT64) },
				       { 25, DTYPE_BIT(CLAST_INT64) },
				       { 0 } };
static const attr_spec spec[] = { { "value", ATTR_TENSOR, offsetof(attrs, value) }, { 0 } };
const op op_constant_of_shape = { .name = "ConstantOfShape",
				  .domain = "",
				  .versions = versions,
				  .attrs = spec,
				  .attrs_bytes = sizeof(attrs),
				  .min_in = 1,
				  .max_in = 1,
				  .min_out = 1,
				  .max_out = 1,
				  .shape_inputs = 1,
				  .flags = OP_UNIFORM,
				  .rule = RULE_AXIS,
				  .infer = infer,
				  .reference = reference,
				  .cut = cut };
