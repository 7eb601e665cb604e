#include "infer.h"

#include <stdio.h>
#include <string.h>

#define MAX_FOLLOWED 1024

void infer_set(infer_out *out, size_t i, clast_dtype dtype, const shape *s)
{
	out->out[i].dtype = dtype;
	out->out[i].shape = *s;
}

clast_status infer_same_as_input(const infer_in *in, size_t i, infer_out *out, clast_diag *d)
{
	(void)d;
	infer_set(out, 0, in->in[i].dtype, &in->in[i].shape);
	return CLAST_OK;
}

void shape_format(dim_table *t, const shape *s, char *buffer, size_t bytes)
{
	size_t used = 0;
	if (s->rank < 0) {
		snprintf(buffer, bytes, "[unknown rank]");
		return;
	}
	used += (size_t)snprintf(buffer, bytes, "[");
	for (int a = 0; a < s->rank && used + 1 < bytes; a++) {
		char text[64];
		dim_format(t, s->dims[a], text, sizeof text);
		used += (size_t)snprintf(buffer + used, bytes - used, "%s%s", a ? "," : "", text);
	}
	if (used + 1 < bytes)
		snprintf(buffer + used, bytes - used, "]");
}

clast_status infer_broadcast(const infer_in *in, size_t n, const shape *const *shapes, shape *out, clast_diag *d)
{
	shape result = { .rank = 0 };
	for (size_t i = 0; i < n; i++) {
		if (shapes[i]->rank < 0) {
			out->rank = -1;
			return CLAST_OK;
		}
		if (shapes[i]->rank > result.rank)
			result.rank = shapes[i]->rank;
	}
	for (int a = 0; a < result.rank; a++)
		result.dims[a] = 1;
	for (size_t i = 0; i < n; i++) {
		const int shift = result.rank - shapes[i]->rank;
		for (int a = 0; a < shapes[i]->rank; a++) {
			bool impossible = false;
			const dim e = dim_broadcast(in->dims, result.dims[a + shift], shapes[i]->dims[a], &impossible);
			if (impossible) {
				char x[160], y[160];
				shape_format(in->dims, shapes[0], x, sizeof x);
				shape_format(in->dims, shapes[i], y, sizeof y);
				return fail(d, CLAST_ERROR_MODEL, "shapes %s and %s do not broadcast at axis %d", x, y, a + shift);
			}
			result.dims[a + shift] = e;
		}
	}
	*out = result;
	return CLAST_OK;
}

clast_status infer_rank(const infer_in *in, size_t i, int lo, int hi, clast_diag *d)
{
	const int rank = in->in[i].shape.rank;
	if (rank < 0 || (rank >= lo && rank <= hi))
		return CLAST_OK;
	if (lo == hi)
		return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d, found %d", i, lo, rank);
	if (hi >= CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d or more, found %d", i, lo, rank);
	return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d to %d, found %d", i, lo, hi, rank);
}

clast_status infer_dtype(const infer_in *in, size_t i, uint32_t dtype_bits_wanted, clast_diag *d)
{
	const clast_dtype t = in->in[i].dtype;
	if (t == CLAST_UNDEFINED || dtype_in(t, dtype_bits_wanted))
		return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "input %zu: dtype %s is not allowed here", i, clast_dtype_name(t));
}

clast_status infer_same_dtype(const infer_in *in, size_t i, size_t j, clast_diag *d)
{
	const clast_dtype a = in->in[i].dtype, b = in->in[j].dtype;
	if (a == b || a == CLAST_UNDEFINED || b == CLAST_UNDEFINED)
		return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "inputs %zu and %zu must have one dtype, found %s and %s", i, j, clast_dtype_name(a),
	            clast_dtype_name(b));
}

clast_status infer_axis(int64_t axis, int rank, const char *what, int *out, clast_diag *d)
{
	if (axis < -rank || axis >= rank)
		return fail(d, CLAST_ERROR_MODEL, "%s: expected a value in [%d, %d), found %lld", what, -rank, rank,
		            (long long)axis);
	*out = (int)(axis < 0 ? axis + rank : axis);
	return CLAST_OK;
}

clast_status infer_axes(const int64_t *axes, size_t n, int rank, uint32_t *mask, clast_diag *d)
{
	*mask = 0;
	for (size_t i = 0; i < n; i++) {
		int axis = 0;
		const clast_status s = infer_axis(axes[i], rank, "axes", &axis, d);
		if (s)
			return s;
		if (*mask & (1u << axis))
			return fail(d, CLAST_ERROR_MODEL, "axes: axis %d is listed twice", axis);
		*mask |= 1u << axis;
	}
	return CLAST_OK;
}

const dim *infer_ints(const infer_in *in, size_t i, size_t *count)
{
	if (!has_input(in, i))
		return NULL;
	const infer_value *v = &in->in[i];
	if (v->ints) {
		*count = v->int_count;
		return v->ints;
	}
	const tensor_view *t = v->data;
	if (!t || !t->data || !(dtype_is_integer(t->dtype) || t->dtype == CLAST_BOOL))
		return NULL;
	const int64_t n = view_count(t);
	dim *ints = n >= 0 && n <= MAX_FOLLOWED ? infer_new_ints(in, (size_t)n) : NULL;
	if (!ints)
		return NULL;
	*count = 0;
	for (iter it = iter_over(t); iter_next(&it);) {
		const int64_t x = get_int(t, &it);
		ints[(*count)++] = dim_is_number(x) ? x : DIM_END_ID; /* the lowest few of int64 clamp */
	}
	return ints;
}

const int64_t *infer_numbers(const infer_in *in, size_t i, size_t *count)
{
	const dim *ints = infer_ints(in, i, count);
	for (size_t j = 0; ints && j < *count; j++)
		if (!dim_is_number(ints[j]))
			return NULL;
	return ints;
}

bool infer_real(const infer_in *in, size_t i, int64_t j, double *out)
{
	if (!has_input(in, i) || !in->in[i].data || !in->in[i].data->data)
		return false;
	const tensor_view *t = in->in[i].data;
	for (iter it = iter_over(t); iter_next(&it); j--)
		if (!j) {
			*out = get_real(t, &it);
			return true;
		}
	return false;
}

bool infer_count(const infer_in *in, size_t i, int64_t *count)
{
	const shape *s = &in->in[i].shape;
	const dim product = s->rank < 0 ? DIM_UNKNOWN : dim_product(in->dims, (size_t)s->rank, s->dims);
	*count = product;
	return dim_is_number(product);
}

bool infer_small(clast_dtype dtype, const shape *s, size_t *count)
{
	if (!(dtype_is_integer(dtype) || dtype == CLAST_BOOL) || s->rank < 0)
		return false;
	int64_t n = 1;
	for (int a = 0; a < s->rank; a++) {
		if (!dim_is_number(s->dims[a]) || s->dims[a] < 0 || s->dims[a] > MAX_FOLLOWED)
			return false;
		n *= s->dims[a];
		if (n > MAX_FOLLOWED)
			return false;
	}
	*count = (size_t)n;
	return true;
}

dim *infer_new_ints(const infer_in *in, size_t count)
{
	return bump_array(in->memory, count ? count : 1, sizeof(dim));
}

dim infer_fresh(const infer_in *in, const char *hint, int64_t lo, int64_t hi)
{
	return dim_fresh(in->dims, hint, lo, hi);
}
