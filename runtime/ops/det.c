/* ONNX Det: the determinant of the last two axes, by elimination with row pivots in double. */
#include <math.h>

#include "checked.h"
#include "infer.h"
#include "subspace.h"
#include "tick.h"

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	shape s = in->in[0].shape;
	const clast_status status = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (status)
		return status;
	if (s.rank >= 2) {
		const dim rows = s.dims[s.rank - 2], columns = s.dims[s.rank - 1];
		if (rows != DIM_UNKNOWN && columns != DIM_UNKNOWN &&
		    (dim_known_less(in->dims, rows, columns) || dim_known_less(in->dims, columns, rows))) {
			char text[160];
			shape_format(in->dims, &s, text, sizeof text);
			return fail(d, CLAST_ERROR_MODEL, "input 0: expected square matrices, found shape %s",
				    text);
		}
		s.rank -= 2;
	}
	infer_set(out, 0, in->in[0].dtype, &s);
	return CLAST_OK;
}

static uint32_t cut(const infer_in *in, size_t operand)
{
	const int rank = in->in[0].shape.rank;
	return rank < 2 ? UINT32_MAX : operand ? 0 : 3u << (rank - 2);
}

static double determinant(double *a, int64_t n)
{
	double result = 1;
	for (int64_t k = 0; k < n; k++) {
		int64_t pivot = k;
		for (int64_t i = k + 1; i < n; i++)
			if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
				pivot = i;
		const double p = a[pivot * n + k];
		if (p == 0)
			return 0;
		result *= pivot == k ? p : -p;
		for (int64_t j = k; j < n; j++) {
			const double swapped = a[pivot * n + j];
			a[pivot * n + j] = a[k * n + j];
			a[k * n + j] = swapped;
		}
		for (int64_t i = k + 1; i < n; i++) {
			const double f = a[i * n + k] / p;
			for (int64_t j = k + 1; j < n; j++)
				a[i * n + j] -= f * a[k * n + j];
		}
	}
	return result;
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0];
	const int64_t n = x->dims[x->rank - 1];
	const uint32_t mask = 3u << (x->rank - 2);
	const tensor_view matrix = view_axes(x, mask), rest = view_axes(x, ~mask);
	clast_status s = CLAST_OK;
	if (x->dims[x->rank - 2] != n)
		return fail(c->diag, CLAST_ERROR_DATA, "input 0: expected square matrices, found %lld x %lld",
			    (long long)x->dims[x->rank - 2], (long long)n);
	size_t bytes;
	if (!tensor_bytes(CLAST_FLOAT64, 2, (const int64_t[]){ n, n }, &bytes))
		return fail_memory(c->diag, 0);
	double *a = mem_alloc(c->memory, bytes);
	if (!a)
		return fail_memory(c->diag, bytes);
	ticker t = { .c = c };
	for (iter it = iter_over(&rest); !s && iter_next(&it);) {
		const int64_t base = iter_offset(&rest, &it);
		int64_t i = 0;
		cells k = cells_of(&matrix);
		for (int64_t at; cells_next(&k, &at);)
			a[i++] = load_real(x, base + at);
		put_real(c->out[0], &it, determinant(a, n));
		s = tick(&t, n * n * n);
	}
	mem_free(c->memory, a, bytes);
	return s;
}

static const op_version versions[] = { { 11, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_det = { .name = "Det",
		    .domain = "",
		    .versions = versions,
		    .min_in = 1,
		    .max_in = 1,
		    .min_out = 1,
		    .max_out = 1,
		    .rule = RULE_AXIS,
		    .infer = infer,
		    .reference = reference,
		    .cut = cut };
