/* ONNX Where: y = condition ? a : b, all three broadcast together. */
#include "elementwise.h"

static dim element(const infer_in *in, size_t n, const dim *x)
{
	(void)n;
	if (dim_is_number(x[0]))
		return x[0] ? x[1] : x[2];
	return dim_surely_equal(in, x[1], x[2]) == 1 ? x[1] : DIM_UNKNOWN;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape s;
	const shape *const shapes[] = { &in->in[0].shape, &in->in[1].shape, &in->in[2].shape };
	clast_status status = infer_same_dtype(in, 1, 2, d);
	if (!status)
		status = infer_dtype(in, 1, in->version >= 16 ? DTYPES_ALL_13 : DTYPES_ALL_12, d);
	if (!status)
		status = infer_broadcast(in, 3, shapes, &s, d);
	if (status)
		return status;
	infer_set(out, 0, in->in[1].dtype != CLAST_UNDEFINED ? in->in[1].dtype : in->in[2].dtype, &s);
	return infer_elements(in, 3, out, element, d);
}

static clast_status reference(call *c)
{
	const tensor_view *y = c->out[0];
	tensor_view x[3];
	for (int j = 0; j < 3; j++) {
		x[j] = *c->in[j];
		view_broadcast(&x[j], y->rank, y->dims);
	}
	rows r = rows_over(c, y);
	while (rows_next(&r)) {
		const int64_t condition = iter_offset(&x[0], &r.it), to = iter_offset(y, &r.it);
		const int64_t base[] = { 0, iter_offset(&x[1], &r.it), iter_offset(&x[2], &r.it) };
		for (int64_t i = 0; i < r.length; i++) {
			const int j = load_int(&x[0], condition + along(&x[0], i)) ? 1 : 2;
			copy_element(y, to + along(y, i), &x[j], base[j] + along(&x[j], i));
		}
	}
	return r.status;
}

static const op_version versions[] = { { 9, DTYPES_BOOL }, { 16, DTYPES_BOOL }, { 0 } };
const op op_where = { .name = "Where",
		      .domain = "",
		      .versions = versions,
		      .min_in = 3,
		      .max_in = 3,
		      .min_out = 1,
		      .max_out = 1,
		      .rule = RULE_ANY,
		      .infer = infer,
		      .reference = reference,
		      .family = SCALAR_WHERE };
