#include "view.h"

#include <math.h>
#include <string.h>

void view_dense(tensor_view *v, clast_dtype dtype, int rank, const int64_t *dims, void *data)
{
	memset(v, 0, sizeof *v);
	v->dtype = dtype;
	v->rank = rank;
	v->data = data;
	int64_t stride = 1;
	for (int a = rank - 1; a >= 0; a--) {
		v->dims[a] = dims[a];
		v->strides[a] = stride;
		stride *= dims[a] > 0 ? dims[a] : 1;
	}
}

int64_t view_count(const tensor_view *v)
{
	int64_t count = 1;
	for (int a = 0; a < v->rank; a++)
		count *= v->dims[a];
	return count;
}

bool view_is_dense(const tensor_view *v)
{
	int64_t stride = 1;
	for (int a = v->rank - 1; a >= 0; a--) {
		if (v->split[a])
			return false;
		if (v->dims[a] != 1 && v->strides[a] != stride)
			return false;
		stride *= v->dims[a] > 0 ? v->dims[a] : 1;
	}
	return true;
}

static size_t element_bytes(const tensor_view *v)
{
	return clast_dtype_bytes(v->dtype);
}

/* data may be an offset from a base that is not known yet, also 0. */
static void move_origin(tensor_view *v, int64_t elements)
{
	v->data = (void *)((uintptr_t)v->data + (uintptr_t)(elements * (int64_t)element_bytes(v)));
}

/* A split axis can be cut at multiples of the product of its inner factors, or within one outermost block. */
static bool slice_split(tensor_view *v, int axis, int64_t start, int64_t count, int64_t step)
{
	axis_factor *f = v->factors + v->first_factor[axis];
	int64_t inner = 1;
	for (int i = 1; i < v->split[axis]; i++)
		inner *= f[i].extent;
	if (step != 1 || start % inner || count % inner)
		return false;
	move_origin(v, axis_offset(v, axis, start));
	f[0].extent = count / inner;
	v->dims[axis] = count;
	return true;
}

bool view_slice(tensor_view *v, int axis, int64_t start, int64_t count, int64_t step)
{
	if (count <= 0 || (count == v->dims[axis] && step == 1)) {
		v->dims[axis] = count;
		return true;
	}
	if (v->split[axis])
		return slice_split(v, axis, start, count, step);
	move_origin(v, start * v->strides[axis]);
	v->strides[axis] *= count > 1 ? step : 1; /* one element may come with a step of any size */
	v->dims[axis] = count;
	return true;
}

void view_permute(tensor_view *v, const int *perm)
{
	const tensor_view old = *v;
	for (int a = 0; a < old.rank; a++) {
		v->dims[a] = old.dims[perm[a]];
		v->strides[a] = old.strides[perm[a]];
		v->split[a] = old.split[perm[a]];
		v->first_factor[a] = old.first_factor[perm[a]];
	}
}

void view_broadcast(tensor_view *v, int rank, const int64_t *dims)
{
	const tensor_view old = *v;
	const int shift = rank - old.rank;
	v->rank = rank;
	for (int a = 0; a < rank; a++) {
		v->dims[a] = dims[a];
		v->split[a] = 0;
		v->strides[a] = 0;
		if (a < shift || old.dims[a - shift] == 1)
			continue;
		v->strides[a] = old.strides[a - shift];
		v->split[a] = old.split[a - shift];
		v->first_factor[a] = old.first_factor[a - shift];
	}
}

void view_span(const tensor_view *v, ptrdiff_t *low, size_t *bytes)
{
	const ptrdiff_t element = (ptrdiff_t)element_bytes(v);
	ptrdiff_t from = 0, to = 0;
	for (int a = 0; a < v->rank; a++) {
		const ptrdiff_t reach = v->dims[a] > 1 ? (ptrdiff_t)axis_offset(v, a, v->dims[a] - 1) : 0;
		*(reach < 0 ? &from : &to) += reach;
	}
	*low = from * element;
	*bytes = view_count(v) ? (size_t)((to - from + 1) * element) : 0;
}

void view_copy(const tensor_view *to, const tensor_view *from)
{
	const size_t bytes = element_bytes(to);
	if (view_is_dense(to) && view_is_dense(from)) {
		if (view_count(to))
			memcpy(to->data, from->data, (size_t)view_count(to) * bytes);
		return;
	}
	for (iter it = iter_over(to); iter_next(&it);)
		copy_element(to, iter_offset(to, &it), from, iter_offset(from, &it));
}

int64_t *axis_table(mem *m, const tensor_view *v, int axis)
{
	const int64_t n = v->dims[axis];
	int64_t *table = mem_array(m, (size_t)(n > 0 ? n : 1), sizeof *table);
	for (int64_t i = 0; table && i < n; i++)
		table[i] = axis_offset(v, axis, i);
	return table;
}

iter iter_dims(int rank, const int64_t *dims)
{
	iter it;
	it.rank = rank;
	it.started = it.empty = false;
	for (int a = 0; a < rank; a++) {
		it.dims[a] = dims[a];
		it.index[a] = 0;
		it.empty |= dims[a] <= 0;
	}
	return it;
}

iter iter_over(const tensor_view *v)
{
	return iter_dims(v->rank, v->dims);
}

bool iter_next(iter *it)
{
	if (it->empty)
		return false;
	if (!it->started)
		return it->started = true;
	for (int a = it->rank - 1; a >= 0; a--) {
		if (++it->index[a] < it->dims[a])
			return true;
		it->index[a] = 0;
	}
	return false;
}

int64_t iter_offset(const tensor_view *v, const iter *it)
{
	const int shift = it->rank - v->rank;
	int64_t offset = 0;
	for (int a = 0; a < v->rank; a++)
		if (v->dims[a] != 1)
			offset += axis_offset(v, a, it->index[a + shift]);
	return offset;
}

double load_real(const tensor_view *v, int64_t i)
{
	const void *p = v->data;
	switch (v->dtype) {
	case CLAST_FLOAT32: {
		float x;
		memcpy(&x, (const char *)p + i * (int64_t)sizeof x, sizeof x);
		return x;
	}
	case CLAST_FLOAT64:
		return ((const double *)p)[i];
	case CLAST_UINT64:
		return (double)((const uint64_t *)p)[i];
	case CLAST_FLOAT16:
		return f16_to_float(((const uint16_t *)p)[i]);
	case CLAST_BFLOAT16:
		return bf16_to_float(((const uint16_t *)p)[i]);
	case CLAST_FLOAT8E4M3FN:
	case CLAST_FLOAT8E4M3FNUZ:
	case CLAST_FLOAT8E5M2:
	case CLAST_FLOAT8E5M2FNUZ:
		return f8_to_float(v->dtype, ((const uint8_t *)p)[i]);
	case CLAST_FLOAT8E8M0:
		return e8m0_to_float(((const uint8_t *)p)[i]);
	case CLAST_FLOAT4E2M1:
		return f4_to_float(((const uint8_t *)p)[i]);
	default:
		return (double)load_int(v, i);
	}
}

void store_real(const tensor_view *v, int64_t i, double x)
{
	void *p = v->data;
	switch (v->dtype) {
	case CLAST_FLOAT32:
		((float *)p)[i] = (float)x;
		break;
	case CLAST_FLOAT64:
		((double *)p)[i] = x;
		break;
	case CLAST_FLOAT16:
		((uint16_t *)p)[i] = f16_from_double(x);
		break;
	case CLAST_BFLOAT16:
		((uint16_t *)p)[i] = bf16_from_double(x);
		break;
	case CLAST_FLOAT8E4M3FN:
	case CLAST_FLOAT8E4M3FNUZ:
	case CLAST_FLOAT8E5M2:
	case CLAST_FLOAT8E5M2FNUZ:
		((uint8_t *)p)[i] = f8_from_double(v->dtype, x, true);
		break;
	case CLAST_FLOAT8E8M0:
		((uint8_t *)p)[i] = e8m0_from_double(x, E8M0_UP, true);
		break;
	case CLAST_FLOAT4E2M1:
		((uint8_t *)p)[i] = f4_from_double(x);
		break;
	case CLAST_BOOL:
		((uint8_t *)p)[i] = x != 0;
		break;
	case CLAST_UINT64:
		((uint64_t *)p)[i] = !(x > 0) ? 0 : x >= 0x1p64 ? UINT64_MAX : (uint64_t)x;
		break;
	default: {
		const int64_t lo = dtype_min(v->dtype), hi = dtype_max(v->dtype);
		const int64_t n = isnan(x) ? 0 : x <= (double)lo ? lo : x >= (double)hi ? hi : (int64_t)x;
		store_int(v, i, n);
	}
	}
}

int64_t load_int(const tensor_view *v, int64_t i)
{
	const void *p = v->data;
	switch (v->dtype) {
	case CLAST_INT64:
	case CLAST_UINT64:
		return ((const int64_t *)p)[i];
	case CLAST_INT32:
		return ((const int32_t *)p)[i];
	case CLAST_UINT32:
		return ((const uint32_t *)p)[i];
	case CLAST_INT16:
		return ((const int16_t *)p)[i];
	case CLAST_UINT16:
		return ((const uint16_t *)p)[i];
	case CLAST_INT8:
	case CLAST_INT4:
	case CLAST_INT2:
		return ((const int8_t *)p)[i];
	case CLAST_UINT8:
	case CLAST_UINT4:
	case CLAST_UINT2:
		return ((const uint8_t *)p)[i];
	case CLAST_BOOL:
		return ((const uint8_t *)p)[i] != 0;
	default:
		return dtype_is_float(v->dtype) ? (int64_t)load_real(v, i) : 0;
	}
}

void store_int(const tensor_view *v, int64_t i, int64_t x)
{
	void *p = v->data;
	switch (v->dtype) {
	case CLAST_INT64:
	case CLAST_UINT64:
		((int64_t *)p)[i] = x;
		break;
	case CLAST_INT32:
	case CLAST_UINT32:
		((uint32_t *)p)[i] = (uint32_t)x;
		break;
	case CLAST_INT16:
	case CLAST_UINT16:
		((uint16_t *)p)[i] = (uint16_t)x;
		break;
	case CLAST_INT8:
	case CLAST_UINT8:
		((uint8_t *)p)[i] = (uint8_t)x;
		break;
	case CLAST_UINT4:
		((uint8_t *)p)[i] = x & 15;
		break;
	case CLAST_UINT2:
		((uint8_t *)p)[i] = x & 3;
		break;
	case CLAST_INT4:
		((int8_t *)p)[i] = (int8_t)(((x & 15) ^ 8) - 8);
		break;
	case CLAST_INT2:
		((int8_t *)p)[i] = (int8_t)(((x & 3) ^ 2) - 2);
		break;
	case CLAST_BOOL:
		((uint8_t *)p)[i] = x != 0;
		break;
	default:
		if (dtype_is_float(v->dtype))
			store_real(v, i, (double)x);
	}
}

void copy_element(const tensor_view *to, int64_t i, const tensor_view *from, int64_t j)
{
	switch (element_bytes(to)) {
	case 1:
		((uint8_t *)to->data)[i] = ((const uint8_t *)from->data)[j];
		break;
	case 2:
		((uint16_t *)to->data)[i] = ((const uint16_t *)from->data)[j];
		break;
	case 4:
		((uint32_t *)to->data)[i] = ((const uint32_t *)from->data)[j];
		break;
	case 8:
		((uint64_t *)to->data)[i] = ((const uint64_t *)from->data)[j];
		break;
	default:
		memcpy((char *)to->data + 16 * i, (const char *)from->data + 16 * j, 16);
	}
}

/* Factors of the elements in row-major order, outermost first, are dealt out again to the new axes. */
typedef struct dealer {
	axis_factor list[VIEW_MAX_FACTORS + CLAST_MAX_RANK];
	int n;
} dealer;

static void list_factors(const tensor_view *v, dealer *d)
{
	d->n = 0;
	for (int a = 0; a < v->rank; a++) {
		if (!v->split[a] && v->dims[a] != 1)
			d->list[d->n++] = (axis_factor){ v->dims[a], v->strides[a] };
		for (int i = 0; i < v->split[a]; i++)
			d->list[d->n++] = v->factors[v->first_factor[a] + i];
	}
}

/* Takes the innermost digits that make up `extent`, innermost first; merges those that one stride walks. -1 if they do not. */
static int deal(dealer *d, int64_t extent, axis_factor *out, int room)
{
	int n = 0;
	while (extent > 1) {
		if (!d->n)
			return -1;
		axis_factor *f = &d->list[d->n - 1], got = *f;
		if (f->extent <= extent && extent % f->extent == 0) {
			d->n--;
		} else if (f->extent > extent && f->extent % extent == 0) {
			got.extent = extent;
			f->extent /= extent;
			f->stride *= extent;
		} else {
			return -1;
		}
		extent /= got.extent;
		if (got.extent == 1)
			continue;
		if (n && got.stride == out[n - 1].stride * out[n - 1].extent) {
			out[n - 1].extent *= got.extent;
		} else {
			if (n == room)
				return -1;
			out[n++] = got;
		}
	}
	return n;
}

bool view_reshape(tensor_view *v, int rank, const int64_t *dims)
{
	if (view_count(v) == 0) {
		view_dense(v, v->dtype, rank, dims, v->data);
		return true;
	}
	dealer d;
	tensor_view out;
	list_factors(v, &d);
	view_dense(&out, v->dtype, rank, dims, v->data);
	for (int a = rank - 1; a >= 0; a--) {
		axis_factor parts[VIEW_MAX_FACTORS];
		const int n = deal(&d, dims[a], parts, VIEW_MAX_FACTORS);
		if (n < 0 || out.factor_count + (n > 1 ? n : 0) > VIEW_MAX_FACTORS)
			return false;
		if (n == 1)
			out.strides[a] = parts[0].stride;
		if (n < 2)
			continue;
		out.split[a] = (uint8_t)n;
		out.first_factor[a] = out.factor_count;
		for (int i = 0; i < n; i++)
			out.factors[out.factor_count++] = parts[n - 1 - i];
	}
	*v = out;
	return d.n == 0;
}
