/* ONNX Multinomial: for each row of unnormalised log-probabilities, sample_size classes drawn by inverting
 * the distribution function. x: [batch, classes]; y: [batch, sample_size]. */
#include <math.h>
#include <stddef.h>

#include "infer.h"
#include "random.h"
#include "tick.h"

typedef struct attrs {
	clast_dtype dtype;
	int64_t sample_size;
	float seed;
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	if (a->dtype != CLAST_INT32 && a->dtype != CLAST_INT64)
		return fail(d, CLAST_ERROR_MODEL, "attribute dtype: expected int32 or int64, found %s",
			    clast_dtype_name(a->dtype));
	if (a->sample_size < 0)
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute sample_size: expected a number from 0 on, found %lld",
			    (long long)a->sample_size);
	const clast_status status = infer_rank(in, 0, 2, 2, d);
	if (status)
		return status;
	shape s = { .rank = 2, .dims = { DIM_UNKNOWN, a->sample_size } };
	if (in->in[0].shape.rank == 2)
		s.dims[0] = in->in[0].shape.dims[0];
	infer_set(out, 0, a->dtype, &s);
	return CLAST_OK;
}

/* The class at which the running sum of exp(x - top) passes u times the total. */
static int64_t draw(const tensor_view *x, int64_t row, double top, double target)
{
	double sum = 0;
	int64_t last = 0;
	for (int64_t k = 0; k < x->dims[1]; k++) {
		const double p = exp(load_real(x, row + axis_offset(x, 1, k)) - top);
		sum += p;
		if (p > 0)
			last = k;
		if (sum > target)
			return k;
	}
	return last;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *y = c->out[0];
	const int64_t classes = x->dims[1];
	clast_status s = CLAST_OK;
	ticker t = { .c = c };
	uint64_t number = 0;
	if (!classes && view_count(y))
		return fail(c->diag, CLAST_ERROR_DATA, "input 0: there are no classes to draw from");
	for (int64_t i = 0; i < x->dims[0]; i++) {
		const int64_t row = axis_offset(x, 0, i);
		double top = -INFINITY, total = 0;
		for (int64_t k = 0; k < classes; k++)
			top = fmax(top, load_real(x, row + axis_offset(x, 1, k)));
		for (int64_t k = 0; k < classes; k++)
			total += exp(load_real(x, row + axis_offset(x, 1, k)) - top);
		if (!(total > 0 && isfinite(total)) && a->sample_size)
			return fail(c->diag, CLAST_ERROR_DATA, "input 0: row %lld is no distribution",
				    (long long)i);
		for (int64_t j = 0; !s && j < a->sample_size; j++) {
			const double u = random_uniform(random_seed(a->seed), number++);
			store_int(y, axis_offset(y, 0, i) + axis_offset(y, 1, j),
				  draw(x, row, top, u * total));
			s = tick(&t, classes);
		}
		if (s)
			break;
	}
	return s;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	(void)in, (void)operand;
	return 2;
}

static const op_version versions[] = { { 7, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
static const attr_spec spec[] = { { "dtype", ATTR_DTYPE, offsetof(attrs, dtype), .i = CLAST_INT32 },
				  { "sample_size", ATTR_INT, offsetof(attrs, sample_size), .i = 1 },
				  { "seed", ATTR_FLOAT, offsetof(attrs, seed) },
				  { 0 } };
const op op_multinomial = { .name = "Multinomial",
			    .domain = "",
			    .versions = versions,
			    .attrs = spec,
			    .attrs_bytes = sizeof(attrs),
			    .min_in = 1,
			    .max_in = 1,
			    .min_out = 1,
			    .max_out = 1,
			    .flags = OP_RANDOM,
			    .rule = RULE_AXIS,
			    .infer = infer,
			    .reference = reference,
			    .cut = cut };
