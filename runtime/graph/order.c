#include "order.h"

#include <stdio.h>
#include <string.h>

bool order_equal(const order *a, const order *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->factors[i].stride != b->factors[i].stride || a->factors[i].extent != b->factors[i].extent)
			return false;
	return true;
}

/* Row-major strides of a shape. */
static bool flat_strides(dim_table *t, const shape *s, dim *strides)
{
	dim stride = 1;
	for (int a = s->rank - 1; a >= 0; a--) {
		strides[a] = stride;
		stride = dim_mul(t, stride, s->dims[a]);
		if (stride == DIM_ERROR || stride == DIM_UNKNOWN)
			return false;
	}
	return s->rank >= 0;
}

static bool append(order *o, dim stride, dim extent)
{
	if (extent == 1)
		return true;
	if (o->n == ORDER_MAX_FACTORS)
		return false;
	o->factors[o->n++] = (order_factor){ stride, extent };
	return true;
}

/* Merges a factor with the one below it; the row-major order becomes n = 0. */
static void normalise(dim_table *t, order *o)
{
	int n = 0;
	for (int i = 0; i < o->n; i++) {
		order_factor f = o->factors[i];
		while (n > 0 && o->factors[n - 1].stride == dim_mul(t, f.stride, f.extent)) {
			f.extent = dim_mul(t, o->factors[n - 1].extent, f.extent);
			n--;
		}
		o->factors[n++] = f;
	}
	o->n = n;
	if (n == 1 && o->factors[0].stride == 1)
		o->n = 0;
}

bool order_permuted(dim_table *t, const shape *s, const int *perm, order *out)
{
	dim strides[CLAST_MAX_RANK];
	if (!flat_strides(t, s, strides))
		return false;
	out->n = 0;
	for (int i = 0; i < s->rank; i++)
		if (!append(out, strides[perm[i]], s->dims[perm[i]]))
			return false;
	normalise(t, out);
	return true;
}

bool order_last(dim_table *t, const shape *s, order *out)
{
	if (s->rank < 3) {
		*out = order_first();
		return s->rank >= 0;
	}
	int perm[CLAST_MAX_RANK] = { 0 };
	for (int i = 1; i < s->rank - 1; i++)
		perm[i] = i + 1;
	perm[s->rank - 1] = 1;
	return order_permuted(t, s, perm, out);
}

bool order_blocked(dim_table *t, const shape *s, int axis, int64_t block, order *out)
{
	dim strides[CLAST_MAX_RANK], blocks;
	if (!flat_strides(t, s, strides) || axis >= s->rank || !dim_divide_extents(t, s->dims[axis], block, &blocks))
		return false;
	out->n = 0;
	for (int a = 0; a < s->rank; a++)
		if (!append(out, a == axis ? dim_mul(t, strides[a], block) : strides[a], a == axis ? blocks : s->dims[a]))
			return false;
	if (!append(out, strides[axis], block))
		return false;
	normalise(t, out);
	return true;
}

/* A factor that is the product of whole axes, found without a division, which unknown extents that may be 0 do not allow. */
static int whole_axes(dim_table *t, order_factor f, const shape *s, const dim *strides, order_factor *parts)
{
	dim covered = 1;
	int n = 0;
	for (int a = s->rank - 1; a >= 0; a--) {
		if (s->dims[a] == 1 || (!n && strides[a] != f.stride))
			continue;
		parts[n++] = (order_factor){ strides[a], s->dims[a] };
		covered = dim_mul(t, covered, s->dims[a]);
		if (covered == f.extent)
			return n;
	}
	return 0;
}

/* Splits f at the axis boundaries inside it; boundaries ascend with falling axis number. */
static bool split_factor(dim_table *t, order_factor f, const shape *s, const dim *strides, order *out)
{
	order_factor parts[CLAST_MAX_RANK + 1];
	int n = whole_axes(t, f, s, strides, parts);
	for (int i = n; i-- > 0;)
		if (!append(out, parts[i].stride, parts[i].extent))
			return false;
	if (n)
		return true;
	for (int a = s->rank - 1; a >= 0; a--) {
		dim below, above;
		if (s->dims[a] == 1 || strides[a] == f.stride || !dim_divide_extents(t, strides[a], f.stride, &below) || below == 1)
			continue;
		if (below == f.extent)
			continue;
		above = s->dims[a]; /* without a division if it fits: what lies below may be 0 */
		if (dim_mul(t, below, above) != f.extent && (!dim_divide_extents(t, f.extent, below, &above) || above == 1))
			continue;
		parts[n++] = (order_factor){ f.stride, below };
		f = (order_factor){ strides[a], above };
	}
	parts[n++] = f;
	while (n > 0) {
		n--;
		if (!append(out, parts[n].stride, parts[n].extent))
			return false;
	}
	return true;
}

/* The axis that holds f whole: stride = strides[a] * k and k * extent divides the axis's extent; *inner = k. */
static int axis_of(dim_table *t, order_factor f, const shape *s, const dim *strides, dim *inner)
{
	for (int a = 0; a < s->rank; a++) {
		dim whole, rest;
		if (s->dims[a] == 1)
			continue;
		*inner = 1;
		if (f.stride != strides[a] && !dim_divide_extents(t, f.stride, strides[a], inner)) /* equal strides may be 0 */
			continue;
		whole = dim_mul(t, *inner, f.extent);
		if (whole == s->dims[a] || dim_divide_extents(t, s->dims[a], whole, &rest))
			return a;
	}
	return -1;
}

static bool refine(dim_table *t, const order *o, const shape *s, order *out, int *axes, dim *inner)
{
	dim strides[CLAST_MAX_RANK];
	if (!flat_strides(t, s, strides))
		return false;
	out->n = 0;
	if (!o->n) {
		for (int a = 0; a < s->rank; a++)
			if (!append(out, strides[a], s->dims[a]))
				return false;
	}
	for (int i = 0; i < o->n; i++)
		if (!split_factor(t, o->factors[i], s, strides, out))
			return false;
	for (int i = 0; i < out->n; i++)
		if ((axes[i] = axis_of(t, out->factors[i], s, strides, &inner[i])) < 0)
			return false;
	return true;
}

bool order_split(dim_table *t, const order *o, const shape *s, order *out, int *axes, dim *inner)
{
	return refine(t, o, s, out, axes, inner);
}

bool order_refine(dim_table *t, const order *o, const shape *s, order *out)
{
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	return refine(t, o, s, out, axes, inner);
}

bool order_transpose(dim_table *t, const order *o, const shape *s, const int *perm, order *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], inverse[CLAST_MAX_RANK];
	dim inner[ORDER_MAX_FACTORS], strides[CLAST_MAX_RANK];
	shape to = { .rank = s->rank };
	if (!refine(t, o, s, &fine, axes, inner))
		return false;
	for (int i = 0; i < s->rank; i++) {
		to.dims[i] = s->dims[perm[i]];
		inverse[perm[i]] = i;
	}
	if (!flat_strides(t, &to, strides))
		return false;
	out->n = 0;
	for (int i = 0; i < fine.n; i++)
		if (!append(out, dim_mul(t, strides[inverse[axes[i]]], inner[i]), fine.factors[i].extent))
			return false;
	normalise(t, out);
	return true;
}

bool order_innermost(dim_table *t, const order *o, const shape *s, int axis, order *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	if (!refine(t, o, s, &fine, axes, inner))
		return false;
	out->n = 0;
	for (int innermost = 0; innermost < 2; innermost++)
		for (int i = 0; i < fine.n; i++)
			if ((axes[i] == axis) == innermost && !append(out, fine.factors[i].stride, fine.factors[i].extent))
				return false;
	normalise(t, out);
	return true;
}

bool order_axes(dim_table *t, const order *o, const shape *s, int *perm)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], n = 0, place[CLAST_MAX_RANK];
	dim inner[ORDER_MAX_FACTORS];
	if (!refine(t, o, s, &fine, axes, inner))
		return false;
	for (int a = 0; a < s->rank; a++)
		place[a] = -1;
	for (int i = 0; i < fine.n; i++) {
		if (place[axes[i]] >= 0 || inner[i] != 1)
			return false;
		place[axes[i]] = i;
		perm[n++] = axes[i];
	}
	for (int a = 0; a < s->rank; a++) { /* extents of 1: right before the next axis that has a place */
		if (place[a] >= 0)
			continue;
		int at = n;
		for (int i = 0; i < n; i++)
			if (perm[i] == a + 1)
				at = i;
		memmove(perm + at + 1, perm + at, (size_t)(n - at) * sizeof *perm);
		perm[at] = a;
		n++;
		place[a] = at;
	}
	return n == s->rank;
}

bool order_view(const order *o, clast_dtype dtype, int rank, const int64_t *dims, void *data, tensor_view *out)
{
	view_dense(out, dtype, rank, dims, data);
	if (!o->n)
		return true;
	for (int a = 0; a < rank; a++)
		if (dims[a] == 0)
			return true;
	shape s = { .rank = rank };
	memcpy(s.dims, dims, (size_t)rank * sizeof *dims);
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	if (!refine(NULL, o, &s, &fine, axes, inner))
		return false;
	int64_t stride = 1, memory[ORDER_MAX_FACTORS];
	for (int i = fine.n - 1; i >= 0; i--) {
		memory[i] = stride;
		stride *= fine.factors[i].extent;
	}
	if (stride != view_count(out))
		return false;
	for (int a = 0; a < rank; a++) {
		axis_factor parts[ORDER_MAX_FACTORS];
		dim at[ORDER_MAX_FACTORS];
		int n = 0;
		for (int i = 0; i < fine.n; i++) { /* insertion sort by digit weight, highest first */
			if (axes[i] != a)
				continue;
			int j = n++;
			for (; j > 0 && at[j - 1] < inner[i]; j--) {
				at[j] = at[j - 1];
				parts[j] = parts[j - 1];
			}
			at[j] = inner[i];
			parts[j] = (axis_factor){ fine.factors[i].extent, memory[i] };
		}
		if (n == 1) {
			out->strides[a] = parts[0].stride;
		} else if (n > 1) {
			if (out->factor_count + n > VIEW_MAX_FACTORS)
				return false;
			out->split[a] = (uint8_t)n;
			out->first_factor[a] = out->factor_count;
			memcpy(out->factors + out->factor_count, parts, (size_t)n * sizeof *parts);
			out->factor_count = (uint8_t)(out->factor_count + n);
		}
	}
	return true;
}

typedef struct placed {
	int axis;
	int64_t stride, inner, extent;
} placed;

static bool add_placed(placed *list, int *n, placed x)
{
	if (x.extent == 1)
		return true;
	if (x.stride <= 0 || *n == ORDER_MAX_FACTORS)
		return false;
	int at = (*n)++;
	for (; at > 0 && list[at - 1].stride < x.stride; at--)
		list[at] = list[at - 1];
	list[at] = x;
	return true;
}

bool order_of_view(dim_table *t, const tensor_view *v, const shape *s, order *out)
{
	placed list[ORDER_MAX_FACTORS];
	dim strides[CLAST_MAX_RANK];
	int n = 0;
	if (v->rank != s->rank || !flat_strides(t, s, strides))
		return false;
	for (int a = 0; a < v->rank; a++) {
		int64_t inner = 1;
		if (s->dims[a] == 1)
			continue;
		if (v->dims[a] == 1) /* known to the view alone: the axis has no place in it */
			return false;
		if (!v->split[a] && !add_placed(list, &n, (placed){ a, v->strides[a], 1, v->dims[a] }))
			return false;
		for (int i = v->split[a]; i-- > 0;) {
			const axis_factor *f = &v->factors[v->first_factor[a] + i];
			if (!add_placed(list, &n, (placed){ a, f->stride, inner, f->extent }))
				return false;
			inner *= f->extent;
		}
	}
	out->n = 0;
	for (int i = 0; i < n; i++) {
		const placed *x = &list[i];
		const bool whole = x->extent == v->dims[x->axis];
		if ((!whole && !dim_is_number(s->dims[x->axis])) ||
		    !append(out, dim_mul(t, strides[x->axis], x->inner), whole ? s->dims[x->axis] : x->extent))
			return false;
	}
	normalise(t, out);
	return true;
}

bool order_carried(dim_table *t, const order *o, const shape *from, const shape *to, order *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], perm[CLAST_MAX_RANK], have[CLAST_MAX_RANK] = { 0 };
	dim inner[ORDER_MAX_FACTORS], strides[CLAST_MAX_RANK];
	if (from->rank != to->rank)
		return false;
	if (order_axes(t, o, from, perm))
		return order_permuted(t, to, perm, out);
	if (!refine(t, o, from, &fine, axes, inner) || !flat_strides(t, to, strides))
		return false;
	out->n = 0;
	for (int i = 0; i < fine.n; i++) {
		const int a = axes[i];
		const bool same = from->dims[a] == to->dims[a], whole = inner[i] == 1 && fine.factors[i].extent == from->dims[a];
		have[a] = 1;
		if (!same && !whole)
			return false;
		if (!append(out, dim_mul(t, strides[a], inner[i]), same ? fine.factors[i].extent : to->dims[a]))
			return false;
	}
	for (int a = 0; a < to->rank; a++)
		if (!have[a] && to->dims[a] != 1)
			return false;
	normalise(t, out);
	return true;
}

bool order_restricted(dim_table *t, const order *o, const shape *s, const shape *operand, order *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS], strides[CLAST_MAX_RANK];
	const int shift = s->rank - operand->rank;
	if (shift < 0 || !refine(t, o, s, &fine, axes, inner) || !flat_strides(t, operand, strides))
		return false;
	out->n = 0;
	for (int i = 0; i < fine.n; i++) {
		const int a = axes[i] - shift;
		if (a < 0 || operand->dims[a] == 1)
			continue;
		if (operand->dims[a] != s->dims[axes[i]] || !append(out, dim_mul(t, strides[a], inner[i]), fine.factors[i].extent))
			return false;
	}
	normalise(t, out);
	return true;
}

bool order_of_digits(dim_table *t, const shape *s, int n, const int *axis, const order_factor *digit, order *out)
{
	dim strides[CLAST_MAX_RANK];
	if (!flat_strides(t, s, strides))
		return false;
	out->n = 0;
	for (int i = 0; i < n; i++)
		if (!append(out, dim_mul(t, strides[axis[i]], digit[i].stride), digit[i].extent))
			return false;
	normalise(t, out);
	return true;
}

bool order_digits(dim_table *t, const order *o, const shape *s, int axis, axis_digits *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], pieces[CLAST_MAX_RANK] = { 0 };
	dim inner[ORDER_MAX_FACTORS];
	if (!refine(t, o, s, &fine, axes, inner))
		return false;
	*out = (axis_digits){ .together = true, .innermost = true, .whole = true };
	for (int i = 0; i < fine.n; i++) {
		if (axes[i] == axis) {
			out->together &= out->innermost;
			out->digit[out->n++] = (order_factor){ inner[i], fine.factors[i].extent };
		} else if (out->n) {
			out->innermost = false;
		}
		out->whole &= axes[i] == axis || !pieces[axes[i]]++;
	}
	return true;
}

static void axis_name(const shape *s, int axis, char *buffer, size_t bytes)
{
	static const char *const names[] = { "NCW", "NCHW", "NCDHW" };
	if (s->rank >= 3 && s->rank <= 5)
		snprintf(buffer, bytes, "%c", names[s->rank - 3][axis]);
	else
		snprintf(buffer, bytes, "d%d", axis);
}

void order_format(dim_table *t, const order *o, const shape *s, char *buffer, size_t bytes)
{
	order fine;
	int axes[ORDER_MAX_FACTORS], perm[CLAST_MAX_RANK];
	dim inner[ORDER_MAX_FACTORS];
	char name[24], text[48];
	size_t used = 0;
	buffer[0] = 0;
	if (s->rank < 0 || !o->n || order_axes(t, o, s, perm)) {
		for (int i = 0; i < s->rank && used < bytes; i++) {
			axis_name(s, o->n ? perm[i] : i, name, sizeof name);
			used += (size_t)snprintf(buffer + used, bytes - used, "%s%s", i ? " " : "", name);
		}
		return;
	}
	if (!refine(t, o, s, &fine, axes, inner)) {
		snprintf(buffer, bytes, "?");
		return;
	}
	for (int i = 0; i < fine.n && used < bytes; i++) {
		char k[64], e[64];
		axis_name(s, axes[i], name, sizeof name);
		dim_format(t, inner[i], k, sizeof k);
		dim_format(t, dim_mul(t, inner[i], fine.factors[i].extent), e, sizeof e);
		const bool low = inner[i] == 1, high = dim_mul(t, inner[i], fine.factors[i].extent) == s->dims[axes[i]];
		if (low && high)
			snprintf(text, sizeof text, "%s", name);
		else if (low)
			snprintf(text, sizeof text, "%s%%%.16s", name, e);
		else if (high)
			snprintf(text, sizeof text, "%s/%.16s", name, k);
		else
			snprintf(text, sizeof text, "%s%%%.10s/%.10s", name, e, k);
		used += (size_t)snprintf(buffer + used, bytes - used, "%s%s", i ? " " : "", text);
	}
}
