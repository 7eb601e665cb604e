/* ONNX BitCast: the bits of every element taken as another type of the same width. Bool must be 0 or 1, so
 * any bit makes it 1. */
#include "infer.h"

typedef struct attrs {
	clast_dtype to;
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const clast_dtype from = in->in[0].dtype, to = ((const attrs *)in->attrs)->to;
	if (!dtype_is_valid(to) || to == CLAST_STRING)
		return fail(d, CLAST_ERROR_MODEL, "attribute to: %s is not possible", clast_dtype_name(to));
	if (from != CLAST_UNDEFINED && dtype_bits(from) != dtype_bits(to))
		return fail(d, CLAST_ERROR_MODEL, "attribute to: %s has %zu bits, but the input, %s, has %zu",
			    clast_dtype_name(to), dtype_bits(to), clast_dtype_name(from), dtype_bits(from));
	infer_set(out, 0, to, &in->in[0].shape);
	return CLAST_OK;
}

/* Small types lie one a byte, signed ones sign-extended. */
static uint8_t small_bits(clast_dtype to, uint8_t bits)
{
	const unsigned width = (unsigned)dtype_bits(to), sign = 1u << (width - 1);
	if (to == CLAST_BOOL)
		return bits != 0;
	if (width == 8)
		return bits;
	bits &= (uint8_t)(2 * sign - 1);
	return dtype_is_integer(to) && dtype_is_signed(to) ? (uint8_t)((bits ^ sign) - sign) : bits;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	const bool small = clast_dtype_bytes(y->dtype) == 1;
	for (iter it = iter_over(y); iter_next(&it);) {
		const int64_t from = iter_offset(x, &it), to = iter_offset(y, &it);
		if (small)
			((uint8_t *)y->data)[to] = small_bits(y->dtype, ((const uint8_t *)x->data)[from]);
		else
			copy_element(y, to, x, from);
	}
	return CLAST_OK;
}

static const attr_spec spec[] = { { "to", ATTR_DTYPE, offsetof(attrs, to), .required = true }, { 0 } };
static const op_version versions[] = { { 26, DTYPES_ALL & ~DTYPES_STRING }, { 0 } };
const op op_bit_cast = { .name = "BitCast",
			 .domain = "",
			 .versions = versions,
			 .attrs = spec,
			 .attrs_bytes = sizeof(attrs),
			 .min_in = 1,
			 .max_in = 1,
			 .min_out = 1,
			 .max_out = 1,
			 .rule = RULE_ANY,
			 .infer = infer,
			 .reference = reference };
