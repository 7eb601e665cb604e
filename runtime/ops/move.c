#include "move.h"

#include <string.h>

/* ---- Copies along axes ---- */

void move_start(move *m, call *c, const tensor_view *to, const tensor_view *from)
{
	*m = (move){ .c = c, .to = to, .from = from };
}

void move_offsets(move *m, int64_t n, int64_t *to, int64_t *from)
{
	const size_t bytes = (size_t)n * sizeof *to;
	if (!m->status && to && from) {
		m->axes[m->n++] = (move_axis){ .n = n, .to = to, .from = from };
		return;
	}
	mem_free(m->c->memory, to, to ? bytes : 0);
	mem_free(m->c->memory, from, from ? bytes : 0);
	if (!m->status)
		m->status = fail_memory(m->c->diag, bytes);
}

/* The stride of an axis that moves in steps, or false where it is split and does not. */
static bool affine(const tensor_view *v, int axis, int64_t start, int64_t step, int64_t *base,
		   int64_t *stride)
{
	if (axis >= 0 && v->split[axis])
		return false;
	*base += axis < 0 ? 0 : start * v->strides[axis];
	*stride = axis < 0 ? 0 : step * v->strides[axis];
	return true;
}

static int64_t *stepped(mem *m, const tensor_view *v, int64_t n, int axis, int64_t start, int64_t step)
{
	int64_t *table = mem_array(m, (size_t)n, sizeof *table);
	for (int64_t i = 0; table && i < n; i++)
		table[i] = axis < 0 ? 0 : axis_offset(v, axis, start + i * step);
	return table;
}

void move_range(move *m, int64_t n, int to_axis, int64_t to_start, int64_t to_step, int from_axis,
		int64_t from_start, int64_t from_step)
{
	move_axis a = { .n = n };
	int64_t to_base = m->to_base, from_base = m->from_base;
	/* The step of a single element may be any number of a file. */
	to_step = n > 1 ? to_step : 1;
	from_step = n > 1 ? from_step : 1;
	if (n == 0 || (affine(m->to, to_axis, to_start, to_step, &to_base, &a.to_stride) &&
		       affine(m->from, from_axis, from_start, from_step, &from_base, &a.from_stride))) {
		m->to_base = to_base;
		m->from_base = from_base;
		m->axes[m->n++] = a;
		return;
	}
	move_offsets(m, n, stepped(m->c->memory, m->to, n, to_axis, to_start, to_step),
		     stepped(m->c->memory, m->from, n, from_axis, from_start, from_step));
}

void move_whole(move *m, int to_axis, int from_axis)
{
	move_range(m, m->to->dims[to_axis], to_axis, 0, 1, from_axis, 0, 1);
}

void move_indexed(move *m, int64_t n, int to_axis, int from_axis, const int64_t *source)
{
	int64_t *from = mem_array(m->c->memory, (size_t)n, sizeof *from);
	for (int64_t i = 0; from && i < n; i++)
		from[i] = source[i] < 0 ? MOVE_FILL : axis_offset(m->from, from_axis, source[i]);
	move_offsets(m, n, stepped(m->c->memory, m->to, n, to_axis, 0, 1), from);
}

/* Drops axes of extent 1 and joins an affine axis with the one inside it where both sides allow. */
static void merge(move *m)
{
	int n = 0;
	for (int i = 0; i < m->n; i++) {
		const move_axis *a = &m->axes[i];
		move_axis *outer = n ? &m->axes[n - 1] : NULL;
		if (a->n == 1 && !a->to)
			continue;
		if (outer && !outer->to && !a->to && outer->to_stride == a->n * a->to_stride &&
		    outer->from_stride == a->n * a->from_stride)
			*outer = (move_axis){ outer->n * a->n, NULL, NULL, a->to_stride, a->from_stride };
		else
			m->axes[n++] = *a;
	}
	m->n = n;
}

/* size is a constant at every call, so that each becomes a loop of plain loads and stores. */
static inline __attribute__((always_inline)) void copy_axis(const move_axis *a, char *to, const char *from,
							    const void *fill, size_t size)
{
	for (int64_t i = 0; i < a->n; i++) {
		const int64_t t = a->to ? a->to[i] : i * a->to_stride;
		const int64_t f = a->from ? a->from[i] : i * a->from_stride;
		memcpy(to + t * (int64_t)size, f == MOVE_FILL ? fill : from + f * (int64_t)size, size);
	}
}

static void copy_innermost(const move *m, const move_axis *a, char *to, const char *from)
{
	const size_t size = clast_dtype_bytes(m->to->dtype);
	if (!a->to && a->to_stride == 1 && a->from_stride == 1) {
		memcpy(to, from, (size_t)a->n * size);
		return;
	}
	switch (size) {
	case 1:
		copy_axis(a, to, from, m->fill, 1);
		break;
	case 2:
		copy_axis(a, to, from, m->fill, 2);
		break;
	case 4:
		copy_axis(a, to, from, m->fill, 4);
		break;
	case 8:
		copy_axis(a, to, from, m->fill, 8);
		break;
	default:
		copy_axis(a, to, from, m->fill, 16);
	}
}

static void fill_innermost(const move *m, const move_axis *a, char *to)
{
	const size_t size = clast_dtype_bytes(m->to->dtype);
	for (int64_t i = 0; i < a->n; i++)
		memcpy(to + (a->to ? a->to[i] : i * a->to_stride) * (int64_t)size, m->fill, size);
}

/* from NULL: everything below is fill. */
static void copy_axes(const move *m, int axis, char *to, const char *from)
{
	const int64_t size = (int64_t)clast_dtype_bytes(m->to->dtype);
	const move_axis *a = &m->axes[axis];
	if (axis == m->n - 1) {
		if (from)
			copy_innermost(m, a, to, from);
		else
			fill_innermost(m, a, to);
		return;
	}
	for (int64_t i = 0; i < a->n; i++) {
		const int64_t t = a->to ? a->to[i] : i * a->to_stride;
		const int64_t f = a->from ? a->from[i] : i * a->from_stride;
		copy_axes(m, axis + 1, to + t * size, from && f != MOVE_FILL ? from + f * size : NULL);
	}
}

static void copy_all(move *m)
{
	for (int i = 0; i < m->n; i++)
		if (!m->axes[i].n)
			return;
	merge(m);
	if (!m->n)
		m->axes[m->n++] = (move_axis){ .n = 1 };
	const int64_t size = (int64_t)clast_dtype_bytes(m->to->dtype);
	copy_axes(m, 0, (char *)m->to->data + m->to_base * size,
		  (const char *)m->from->data + m->from_base * size);
}

clast_status move_run(move *m)
{
	if (!m->status && !call_proceed(m->c))
		m->status = CLAST_ERROR_CANCELLED;
	if (!m->status)
		copy_all(m);
	for (int i = 0; i < m->n; i++) {
		const size_t bytes = (size_t)m->axes[i].n * sizeof(int64_t);
		mem_free(m->c->memory, m->axes[i].to, m->axes[i].to ? bytes : 0);
		mem_free(m->c->memory, m->axes[i].from, m->axes[i].from ? bytes : 0);
	}
	return m->status;
}

clast_status move_same(call *c, const tensor_view *to, const tensor_view *from)
{
	move m;
	move_start(&m, c, to, from);
	for (int a = 0; a < to->rank; a++)
		move_whole(&m, a, a);
	return move_run(&m);
}

/* ---- Elements in row-major order ---- */

static size_t table_bytes(const tensor_view *v, int axis)
{
	return (size_t)(v->dims[axis] > 0 ? v->dims[axis] : 1) * sizeof(int64_t);
}

bool walk_start(walk *w, mem *m, const tensor_view *v)
{
	memset(w, 0, sizeof *w);
	w->v = v;
	for (int a = 0; a < v->rank; a++)
		if (!(w->table[a] = axis_table(m, v, a))) {
			walk_end(w, m);
			return false;
		}
	return true;
}

void walk_end(walk *w, mem *m)
{
	for (int a = 0; w->v && a < w->v->rank; a++)
		mem_free(m, w->table[a], w->table[a] ? table_bytes(w->v, a) : 0);
	w->v = NULL;
}

clast_status move_flat(call *c, const tensor_view *to, const tensor_view *from)
{
	const int64_t count = view_count(to);
	if (!count)
		return CLAST_OK;
	if (view_is_dense(to) && view_is_dense(from)) {
		memcpy(to->data, from->data, (size_t)count * clast_dtype_bytes(to->dtype));
		return CLAST_OK;
	}
	walk t = { 0 }, f = { 0 };
	if (!walk_start(&t, c->memory, to) || !walk_start(&f, c->memory, from)) {
		walk_end(&t, c->memory);
		return fail_memory(c->diag, 0);
	}
	for (int64_t i = 0; i < count; i++, walk_next(&t), walk_next(&f))
		copy_element(to, walk_offset(&t), from, walk_offset(&f));
	walk_end(&t, c->memory);
	walk_end(&f, c->memory);
	return CLAST_OK;
}

void view_select(tensor_view *v, int axis, int64_t index)
{
	v->data = (char *)v->data + axis_offset(v, axis, index) * (int64_t)clast_dtype_bytes(v->dtype);
	v->rank--;
	for (int a = axis; a < v->rank; a++) {
		v->dims[a] = v->dims[a + 1];
		v->strides[a] = v->strides[a + 1];
		v->split[a] = v->split[a + 1];
		v->first_factor[a] = v->first_factor[a + 1];
	}
}

/* ---- Integers given as attribute or as input ---- */

clast_status call_ints(call *c, size_t i, size_t max, int64_t *out, size_t *n)
{
	*n = 0;
	if (i >= c->n_in || !c->in[i])
		return CLAST_OK;
	const tensor_view *v = c->in[i];
	if (view_count(v) > (int64_t)max)
		return fail(c->diag, CLAST_ERROR_DATA, "input %zu: expected at most %zu elements, found %lld",
			    i, max, (long long)view_count(v));
	for (iter it = iter_over(v); iter_next(&it);)
		out[(*n)++] = get_int(v, &it);
	return CLAST_OK;
}

clast_status wrap_index(call *c, const char *what, int64_t index, int64_t extent, int64_t *out)
{
	if (index < -extent || index >= extent)
		return fail(c->diag, CLAST_ERROR_DATA, "%s: expected an index in [%lld, %lld), found %lld",
			    what, (long long)-extent, (long long)extent, (long long)index);
	*out = index < 0 ? index + extent : index;
	return CLAST_OK;
}

const dim *list_or_input(const infer_in *in, const int_list *list, size_t i, size_t *n, bool *given)
{
	*given = true;
	if (has_input(in, i))
		return infer_ints(in, i, n);
	*n = list->n;
	*given = list->given;
	dim *ints = list->given ? infer_new_ints(in, list->n) : NULL;
	for (size_t j = 0; ints && j < list->n; j++)
		ints[j] = dim_is_number(list->v[j]) ? list->v[j]
						    : DIM_END_ID; /* the lowest few of int64 are no dims */
	return ints;
}

const int64_t *numbers_or_input(const infer_in *in, const int_list *list, size_t i, size_t *n, bool *given)
{
	const dim *ints = list_or_input(in, list, i, n, given);
	for (size_t j = 0; ints && j < *n; j++)
		if (!dim_is_number(ints[j]))
			return NULL;
	return ints;
}

clast_status list_or_call(call *c, const int_list *list, size_t i, size_t max, int64_t *out, size_t *n,
			  bool *given)
{
	*given = true;
	if (i < c->n_in && c->in[i])
		return call_ints(c, i, max, out, n);
	*given = list->given;
	*n = list->n;
	if (list->n > max)
		return fail(c->diag, CLAST_ERROR_MODEL,
			    "attribute list: expected at most %zu elements, found %zu", max, list->n);
	if (list->n)
		memcpy(out, list->v, list->n * sizeof *out);
	return CLAST_OK;
}

/* ---- Plain changes of shape ---- */

clast_status regroup_reference(call *c)
{
	return move_flat(c, c->out[0], c->in[0]);
}

int regroup_views(const infer_in *in, const infer_value *out, view_step *steps)
{
	if (in->in[0].shape.rank < 0 || out->shape.rank < 0)
		return -1;
	steps[0] = (view_step){ .shape = out->shape };
	return 1;
}

void infer_same_ints(const infer_in *in, infer_out *out)
{
	size_t n, count;
	if (!infer_small(out->out[0].dtype, &out->out[0].shape, &count))
		return;
	const dim *ints = infer_ints(in, 0, &n);
	if (!ints || n != count)
		return;
	out->out[0].ints = ints;
	out->out[0].int_count = n;
}

bool ints_view(const infer_in *in, size_t i, tensor_view *v)
{
	size_t n, count;
	const shape *s = &in->in[i].shape;
	if (!infer_small(in->in[i].dtype, s, &count))
		return false;
	const dim *ints = infer_ints(in, i, &n);
	if (!ints || n != count)
		return false;
	view_dense(v, CLAST_INT64, s->rank, s->dims, (void *)ints);
	return true;
}

clast_status infer_view_ints(const infer_in *in, infer_out *out, size_t i, const tensor_view *v,
			     clast_diag *d)
{
	size_t count, n = 0;
	if (!infer_small(out->out[i].dtype, &out->out[i].shape, &count) || (int64_t)count != view_count(v))
		return CLAST_OK;
	dim *ints = infer_new_ints(in, count);
	if (!ints)
		return fail_memory(d, count * sizeof *ints);
	for (iter it = iter_over(v); iter_next(&it);)
		ints[n++] = get_int(v, &it);
	out->out[i].ints = ints;
	out->out[i].int_count = count;
	return CLAST_OK;
}

bool dims_unify(dim *a, dim b)
{
	if (*a == b || b == DIM_UNKNOWN)
		return true;
	if (dim_is_number(*a) && dim_is_number(b))
		return false;
	if (dim_is_number(b) || *a == DIM_UNKNOWN)
		*a = b;
	return true;
}

dim fresh_like(const infer_in *in, const char *hint)
{
	return infer_fresh(in, hint, 0, DIM_NO_MAX);
}

void infer_fresh_shape(const infer_in *in, const char *hint, int rank, shape *out)
{
	out->rank = rank;
	for (int a = 0; a < rank; a++)
		out->dims[a] = fresh_like(in, hint);
}
