/* ONNX Dropout. For inference y = x and mask is all true. In training mode (opset 1 to 6: is_test = 0; from
 * opset 12 an input) an element is dropped with probability ratio and the others are multiplied by 1 / (1 -
 * ratio). */
#include <stddef.h>

#include "dropout.h"
#include "random.h"

bool dropout_is_training(const infer_in *in)
{
	double number;
	if (in->version < 7)
		return !((const dropout_attrs *)in->attrs)->is_test;
	if (in->version < 12 || !has_input(in, 2) || (infer_real(in, 2, 0, &number) && number == 0))
		return false;
	/* Nothing is dropped either where the ratio is 0, as exporters write it that keep the training flag.
	 */
	return !has_input(in, 1) || !infer_real(in, 1, 0, &number) || number != 0;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_same_as_input(in, 0, out, d);
	if (!s && has_input(in, 1))
		s = infer_dtype(in, 1, DTYPES_FLOAT_BF16 | DTYPES_FLOAT8, d);
	if (!s && has_input(in, 2))
		s = infer_dtype(in, 2, DTYPES_BOOL, d);
	if (!s && wants_output(in, out, 1))
		infer_set(out, 1, in->version < 10 ? in->in[0].dtype : CLAST_BOOL, &in->in[0].shape);
	return s;
}

static bool is_training(const call *c)
{
	if (c->version < 7)
		return !((const dropout_attrs *)c->attrs)->is_test;
	return c->version >= 12 && c->n_in > 2 && c->in[2] && load_int(c->in[2], 0);
}

static clast_status train(call *c)
{
	const dropout_attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0], *mask = c->n_out > 1 ? c->out[1] : NULL;
	const double fixed = c->version >= 12 ? 0.5 : a->ratio;
	const double ratio = c->n_in > 1 && c->in[1] ? load_real(c->in[1], 0) : fixed;
	if (!(ratio >= 0 && ratio < 1))
		return fail(c->diag, CLAST_ERROR_DATA, "ratio: expected a number in [0, 1), found %g", ratio);
	uint64_t i = 0;
	for (iter it = iter_over(y); iter_next(&it); i++) {
		const bool kept = random_uniform((uint64_t)a->seed, i) >= ratio;
		put_real(y, &it, kept ? get_real(x, &it) / (1 - ratio) : 0);
		if (mask)
			put_int(mask, &it, kept);
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	if (is_training(c))
		return train(c);
	view_copy(c->out[0], c->in[0]);
	if (c->n_out > 1 && c->out[1])
		for (iter it = iter_over(c->out[1]); iter_next(&it);)
			put_int(c->out[1], &it, 1);
	return CLAST_OK;
}

static const op_version versions[] = { { 1, DTYPES_FLOAT },
				       { 6, DTYPES_FLOAT },
				       { 7, DTYPES_FLOAT },
				       { 10, DTYPES_FLOAT },
				       { 12, DTYPES_FLOAT },
				       { 13, DTYPES_FLOAT_BF16 },
				       { 22, DTYPES_FLOAT_BF16 | DTYPES_FLOAT8 },
				       { 0 } };
#define AT(member) offsetof(dropout_attrs, member)
static const attr_spec spec[] = { { "ratio", ATTR_FLOAT, AT(ratio), .f = 0.5f, .until = 12 },
				  { "is_test", ATTR_BOOL, AT(is_test), .until = 7 },
				  { "consumed_inputs", ATTR_INTS, AT(unused), .until = 6 },
				  { "seed", ATTR_INT, AT(seed), .since = 12 },
				  { 0 } };
const op op_dropout = { .name = "Dropout",
			.domain = "",
			.versions = versions,
			.attrs = spec,
			.attrs_bytes = sizeof(dropout_attrs),
			.min_in = 1,
			.max_in = 3,
			.min_out = 1,
			.max_out = 2,
			.rule = RULE_ANY,
			.infer = infer,
			.reference = reference };
