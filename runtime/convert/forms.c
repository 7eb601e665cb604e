#include <stdio.h>
#include <string.h>

#include "rewrite.h"

/* ---- New values and nodes ---- */

/* "conv1_0231": what was made of conv1 for readers that want other axes. */
static void derived_name(converter *c, value_id v, const order *o, char *text, size_t size)
{
	shape s;
	int perm[CLAST_MAX_RANK];
	value_shape(c->m, v, &s);
	size_t n = (size_t)snprintf(text, size, "%.180s_", c->m->values[v].name);
	const bool whole = whole_axes(c, o, &s, perm);
	for (int i = 0; i < s.rank && whole && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%d", perm[i]);
	if (!whole)
		snprintf(text + n, size - n, "split");
}

static clast_status note_form(converter *c, value_id v, const order *o, const shape *dims, value_id id)
{
	form *f = bump_alloc(&c->scratch, sizeof *f), **end = &c->values[v].forms;
	if (!f)
		return fail_memory(c->d, sizeof *f);
	while (*end)
		end = &(*end)->next;
	*f = (form){ .order = o, .dims = *dims, .id = id };
	*end = f;
	return CLAST_OK;
}

clast_status form_new(converter *c, value_id v, const order *o, const shape *dims, bool derived,
		      value_id *out)
{
	char name[256];
	shape s;
	value_shape(c->m, v, &s);
	*out = v;
	if (o->n || !same_dims(&s, dims)) {
		snprintf(name, sizeof name, "%.250s", c->m->values[v].name);
		if (derived || c->o->straighten)
			derived_name(c, v, o, name, sizeof name);
		clast_status status = graph_add_value(c->m, c->g, name, out, c->d);
		if (!status)
			status = graph_set_shape(c->m, *out, c->m->values[v].dtype, dims, c->d);
		if (status)
			return status;
	}
	return note_form(c, v, o, dims, *out);
}

clast_status add_op(converter *c, const char *type, const char *name, size_t n_in, const value_id *in,
		    value_id out, size_t n_attrs, const attr_value *attrs)
{
	node_id id;
	return graph_add_node(c->m, c->g, "", type, c->opset, name, n_in, in, 1, &out, n_attrs, attrs, &id,
			      c->d);
}

static attr_value ints_attribute(const char *name, const int64_t *list, size_t n)
{
	return (attr_value){ .name = name, .type = CLAST_ATTRIBUTE_INTS, .ints = list, .count = n };
}

/* ---- The same order under other extents ---- */

/* What Reshape is told: 0 takes the extent at this place over, one -1 is worked out. False where that does
 * not say it. */
static bool reshape_target(const shape *from, const shape *to, int64_t *target)
{
	int holes = 0;
	for (int i = 0; i < to->rank; i++) {
		const dim e = to->dims[i];
		if (i < from->rank && from->dims[i] == e && (!dim_is_number(e) || e == 0))
			target[i] = 0;
		else if (dim_is_number(e) && e)
			target[i] = e;
		else {
			target[i] = -1;
			holes += dim_is_number(e) ? 2 : 1;
		}
	}
	return holes <= 1;
}

/* Squeeze or Unsqueeze of the axes of extent 1 of `wide`. */
static clast_status unit_axes(converter *c, const char *type, value_id v, const order *o, const shape *wide,
			      const shape *to, value_id from, value_id *out)
{
	int64_t axes[CLAST_MAX_RANK];
	size_t n = 0;
	for (int i = 0; i < wide->rank; i++)
		if (wide->dims[i] == 1)
			axes[n++] = i;
	value_id in[2] = { from, NO_ID };
	clast_status s = form_new(c, v, o, to, true, out);
	if (s)
		return s;
	if (c->opset < 13) {
		const attr_value a = ints_attribute("axes", axes, n);
		return add_op(c, type, "", 1, in, *out, 1, &a);
	}
	s = convert_integers(c->m, c->g, "axes", CLAST_INT64, 1, &(int64_t){ (int64_t)n }, axes, &in[1],
			     c->d);
	return s ? s : add_op(c, type, "", 2, in, *out, 0, NULL);
}

static void without_units(const shape *s, shape *out)
{
	out->rank = 0;
	for (int i = 0; i < s->rank; i++)
		if (s->dims[i] != 1)
			out->dims[out->rank++] = s->dims[i];
}

static clast_status reshape(converter *c, value_id v, const order *o, const shape *have, value_id from,
			    const shape *want, value_id *out)
{
	int64_t target[CLAST_MAX_RANK + 1];
	shape a, b;
	value_id in[2] = { from, NO_ID };
	without_units(have, &a);
	without_units(want, &b);
	if (!reshape_target(have, want, target)) {
		if (!same_dims(&a, &b))
			return fail(c->d, CLAST_ERROR_UNSUPPORTED,
				    "value \"%s\": too many of its extents are unknown to write its shape",
				    quote(c->m->values[v].name).text);
		clast_status s =
			same_dims(&a, have) ? CLAST_OK : unit_axes(c, "Squeeze", v, o, have, &a, from, &from);
		*out = from;
		return s || same_dims(&a, want) ? s : unit_axes(c, "Unsqueeze", v, o, want, want, from, out);
	}
	clast_status s = convert_integers(c->m, c->g, "shape", CLAST_INT64, 1, &(int64_t){ want->rank },
					  target, &in[1], c->d);
	if (!s)
		s = form_new(c, v, o, want, true, out);
	return s ? s : add_op(c, "Reshape", "", 2, in, *out, 0, NULL);
}

/* ---- Another order ---- */

/* A part of an axis: index / inner % extent. */
typedef struct digit {
	int axis;
	dim inner, extent;
} digit;

/* Cuts digits of `d` where those of `by` begin or end inside them; numbers only. */
static int refine_by(const digit *d, int n, const digit *by, int m, digit *out)
{
	int count = 0;
	for (int i = 0; i < n; i++) {
		digit x = d[i];
		dim cuts[2 * ORDER_MAX_FACTORS];
		int k = 0;
		for (int j = 0; j < m; j++) {
			if (by[j].axis != x.axis || !dim_is_number(x.extent) || !dim_is_number(x.inner) ||
			    !dim_is_number(by[j].inner) || !dim_is_number(by[j].extent))
				continue;
			const dim ends[] = { by[j].inner, by[j].inner * by[j].extent };
			for (int e = 0; e < 2; e++) {
				int at = k;
				if (ends[e] <= x.inner || ends[e] >= x.inner * x.extent)
					continue;
				while (at > 0 && cuts[at - 1] < ends[e])
					at--;
				if (at > 0 && cuts[at - 1] == ends[e])
					continue;
				if (at < k && cuts[at] == ends[e])
					continue;
				memmove(cuts + at + 1, cuts + at, (size_t)(k - at) * sizeof *cuts);
				cuts[at] = ends[e];
				k++;
			}
		}
		dim top = x.inner * x.extent;
		if (count + k + 1 > ORDER_MAX_FACTORS)
			return -1;
		for (int j = 0; j < k; j++) { /* outermost first */
			if (top % cuts[j] || cuts[j] % x.inner)
				return -1;
			out[count++] = (digit){ x.axis, cuts[j], top / cuts[j] };
			top = cuts[j];
		}
		out[count++] = (digit){ x.axis, x.inner, k ? top / x.inner : x.extent };
	}
	return count;
}

static int digits_of(const converter *c, const order *o, const shape *s, digit *out)
{
	order fine;
	int axes[ORDER_MAX_FACTORS];
	dim inner[ORDER_MAX_FACTORS];
	if (!order_split(c->m->dims, o, s, &fine, axes, inner))
		return -1;
	for (int i = 0; i < fine.n; i++)
		out[i] = (digit){ axes[i], inner[i], fine.factors[i].extent };
	return fine.n;
}

/* Digits that stay neighbours are one axis of the Transpose: perm[i] is the place in `from` of axis i of the
 * result. */
static int transpose_axes(const converter *c, const digit *from, const digit *to, int n, shape *have,
			  shape *made, int64_t *perm)
{
	int place[ORDER_MAX_FACTORS], run[ORDER_MAX_FACTORS], runs = 0;
	for (int i = 0; i < n; i++) {
		place[i] = -1;
		for (int j = 0; j < n; j++)
			if (from[j].axis == to[i].axis && from[j].inner == to[i].inner &&
			    from[j].extent == to[i].extent)
				place[i] = j;
		if (place[i] < 0)
			return -1;
	}
	bool joined[ORDER_MAX_FACTORS] = { false }; /* digit j of `from` goes with the one before it */
	for (int i = 1; i < n; i++)
		joined[place[i]] = place[i] == place[i - 1] + 1;
	joined[place[0]] = false;
	have->rank = made->rank = 0;
	for (int j = 0; j < n; j++) {
		if (!joined[j]) {
			if (runs == CLAST_MAX_RANK)
				return -1;
			have->dims[runs++] = from[j].extent;
		} else {
			have->dims[runs - 1] = dim_mul(c->m->dims, have->dims[runs - 1], from[j].extent);
		}
		run[j] = runs - 1;
	}
	have->rank = runs;
	for (int i = 0; i < n; i++)
		if (!joined[place[i]]) {
			perm[made->rank] = run[place[i]];
			made->dims[made->rank++] = have->dims[run[place[i]]];
		}
	return runs;
}

/* Where both tensors have the value's axes, whole, one Transpose of all of them; extents of 1 go where the
 * result wants them. */
static bool transpose_whole(const converter *c, const order *from, const shape *have, const order *to,
			    const shape *want, const shape *s, int64_t *perm)
{
	int p[CLAST_MAX_RANK], q[CLAST_MAX_RANK], where[CLAST_MAX_RANK], units[CLAST_MAX_RANK], n = 0, k = 0,
												at = 0;
	if (have->rank != want->rank || !whole_axes(c, from, s, p) || !whole_axes(c, to, s, q))
		return false;
	for (int i = 0, j = 0; i < have->rank; i++) {
		if (have->dims[i] == 1) {
			units[n++] = i;
			continue;
		}
		while (j < s->rank && s->dims[p[j]] == 1)
			j++;
		if (j == s->rank || s->dims[p[j]] != have->dims[i])
			return false;
		where[p[j++]] = i;
	}
	for (int i = 0; i < want->rank; i++) {
		if (want->dims[i] == 1) {
			if (k == n)
				return false;
			perm[i] = units[k++];
			continue;
		}
		while (at < s->rank && s->dims[q[at]] == 1)
			at++;
		if (at == s->rank || s->dims[q[at]] != want->dims[i])
			return false;
		perm[i] = where[q[at++]];
	}
	return k == n;
}

static clast_status add_transpose(converter *c, value_id v, value_id from, const int64_t *perm, int rank,
				  const order *o, const shape *dims, value_id *out)
{
	const attr_value a = ints_attribute("perm", perm, (size_t)rank);
	const clast_status s = form_new(c, v, o, dims, true, out);
	return s ? s : add_op(c, "Transpose", "", 1, &from, *out, 1, &a);
}

/* The Transpose that leads from one order to another, between lists of digits; its rank, or -1 if there is
 * none. */
static int digit_transpose(const converter *c, const order *from, const order *to, const shape *s,
			   shape *have, shape *made, int64_t *perm)
{
	digit a[ORDER_MAX_FACTORS], b[ORDER_MAX_FACTORS], x[ORDER_MAX_FACTORS], y[ORDER_MAX_FACTORS];
	const int n = digits_of(c, from, s, a), m = digits_of(c, to, s, b);
	if (n < 0 || m < 0)
		return -1;
	const int nx = refine_by(a, n, b, m, x), ny = refine_by(b, m, a, n, y);
	return nx < 1 || nx != ny ? -1 : transpose_axes(c, x, y, nx, have, made, perm);
}

bool form_transposes(const converter *c, value_id v, const order *from, const order *to)
{
	shape s, have, made;
	int p[CLAST_MAX_RANK];
	int64_t perm[ORDER_MAX_FACTORS];
	value_shape(c->m, v, &s);
	return (whole_axes(c, from, &s, p) && whole_axes(c, to, &s, p)) ||
	       digit_transpose(c, from, to, &s, &have, &made, perm) > 0;
}

static clast_status transpose(converter *c, value_id v, const order *source, const order *to,
			      const shape *want, value_id *out)
{
	static const order first = { 0 };
	const value_plan *p = &c->values[v];
	shape s, have, made;
	int64_t perm[ORDER_MAX_FACTORS];
	value_id from;
	value_shape(c->m, v, &s);
	for (const form *f = p->forms; f; f = f->next)
		if (order_equal(f->order, source) && transpose_whole(c, source, &f->dims, to, want, &s, perm))
			return add_transpose(c, v, f->id, perm, want->rank, to, want, out);
	if (natural_dims(c, source, &s, &have) && transpose_whole(c, source, &have, to, want, &s, perm)) {
		const clast_status status = form_get(c, v, source, &have, false, &from);
		return status ? status : add_transpose(c, v, from, perm, want->rank, to, want, out);
	}
	if (digit_transpose(c, source, to, &s, &have, &made, perm) > 0) {
		clast_status status = form_get(c, v, source, &have, false, &from);
		if (!status)
			status = add_transpose(c, v, from, perm, have.rank, to, &made, out);
		return status ? status : form_get(c, v, to, want, false, out);
	}
	if (!source->n || !to->n)
		return fail(c->d, CLAST_ERROR_UNSUPPORTED,
			    "value \"%s\": no Transpose leads from one of its orders to another",
			    quote(c->m->values[v].name).text);
	/* 3 x 8 and 4 x 6 have nothing in common but 24: by way of row-major. */
	const clast_status status = form_get(c, v, &first, &s, false, &from);
	return status ? status : transpose(c, v, &first, to, want, out);
}

/* ---- Asking for a tensor ---- */

/* Whether dims is `full` but for extents of 1 in front. */
static bool same_but_leading(const shape *dims, const shape *full)
{
	const int more = full->rank - dims->rank;
	if (more < 0)
		return false;
	for (int i = 0; i < full->rank; i++)
		if (full->dims[i] != (i < more ? 1 : dims->dims[i - more]))
			return false;
	return true;
}

bool form_reshapes(const shape *from, const shape *to)
{
	int64_t target[CLAST_MAX_RANK + 1];
	shape a, b;
	without_units(from, &a);
	without_units(to, &b);
	return reshape_target(from, to, target) || same_dims(&a, &b);
}

/* A view whose node is gone shows its input's tensors. */
static clast_status show_alias(converter *c, value_id v)
{
	value_plan *p = &c->values[v];
	value_id id;
	shape s, dims, want;
	if (p->alias == NO_ID || p->forms)
		return CLAST_OK;
	value_shape(c->m, v, &s);
	const bool known = natural_dims(c, p->produced, &s, &want);
	for (const form *f = c->values[p->alias].forms; f && known; f = f->next)
		if (order_equal(f->order, p->alias_order) && form_reshapes(&f->dims, &want))
			return note_form(c, v, p->produced, &f->dims, f->id);
	value_shape(c->m, p->alias, &s);
	natural_dims(c, p->alias_order, &s, &dims);
	const clast_status status = form_get(c, p->alias, p->alias_order, &dims, false, &id);
	return status ? status : note_form(c, v, p->produced, &dims, id);
}

bool form_exists(converter *c, value_id v, const order *o, const shape *dims)
{
	if (show_alias(c, v))
		return false;
	for (const form *f = c->values[v].forms; f; f = f->next)
		if (order_equal(f->order, o) && same_dims(&f->dims, dims))
			return true;
	return false;
}

clast_status form_get(converter *c, value_id v, const order *o, const shape *dims, bool leading,
		      value_id *out)
{
	value_plan *p = &c->values[v];
	clast_status s = show_alias(c, v);
	if (s)
		return s;
	const form *any = NULL, *plain = NULL;
	int64_t target[CLAST_MAX_RANK + 1];
	for (const form *f = p->forms; f; f = f->next) {
		if (!order_equal(f->order, o))
			continue;
		if (same_dims(&f->dims, dims) || (leading && same_but_leading(&f->dims, dims))) {
			*out = f->id;
			return CLAST_OK;
		}
		any = f;
		if (!plain && reshape_target(&f->dims, dims, target))
			plain = f;
	}
	plain = plain ? plain : any;
	if (plain)
		return reshape(c, v, o, &plain->dims, plain->id, dims, out);
	if (p->class == PROBLEM_NONE || order_equal(o, p->produced))
		return fail(c->d, CLAST_ERROR_INTERNAL, "value \"%s\" was asked for before it was made",
			    quote(c->m->values[v].name).text);
	return transpose(c, v, p->produced, o, dims, out);
}

clast_status form_plain(converter *c, value_id v, value_id *out)
{
	static const order first = { 0 };
	shape s;
	*out = v;
	if (!has_class(c, v))
		return CLAST_OK;
	value_shape(c->m, v, &s);
	return form_get(c, v, &first, &s, false, out);
}

/* ---- Constants ---- */

static clast_status new_constant(converter *c, value_id v, int rank, const int64_t *dims, tensor_view **t,
				 value_id *out)
{
	char name[256];
	snprintf(name, sizeof name, "%.250s", c->m->values[v].name);
	clast_status s = model_constant(c->m, c->m->values[v].constant->dtype, rank, dims, t, c->d);
	return s ? s : graph_add_value(c->m, c->g, name, out, c->d);
}

/* One made before for the same purpose; the key says how its elements lie. */
static bool find_constant(const converter *c, value_id v, const order *key, const shape *dims, value_id *out)
{
	for (const form *f = c->values[v].forms; f; f = f->next)
		if (order_equal(f->order, key) && same_dims(&f->dims, dims)) {
			*out = f->id;
			return true;
		}
	return false;
}

/* A permutation as a key that is no order of any value. */
static order *permutation_key(converter *c, int rank, const int *perm)
{
	order *key = bump_alloc(&c->scratch, sizeof *key);
	for (int i = 0; key && i < rank; i++)
		key->factors[key->n++] = (order_factor){ perm[i], -1 };
	return key;
}

clast_status constant_permuted(converter *c, value_id v, int rank, const int *perm, bool broadcast,
			       value_id *out)
{
	const tensor_view *from = c->m->values[v].constant;
	const int more = rank - from->rank;
	tensor_view seen = { .dtype = from->dtype, .data = from->data }, *t;
	shape dims = { 0 };
	bool same = true;
	*out = v;
	for (int i = 0; i < rank; i++)
		same = same && perm[i] == i;
	if (same || (broadcast && view_count(from) == 1))
		return CLAST_OK;
	for (int i = 0; i < rank; i++) {
		const int axis = perm[i] - more;
		const int64_t extent = axis < 0 ? 1 : from->dims[axis];
		if (broadcast && !seen.rank && extent == 1)
			continue;
		seen.strides[seen.rank] = axis < 0 ? 0 : from->strides[axis];
		seen.dims[seen.rank] = dims.dims[seen.rank] = extent;
		dims.rank = ++seen.rank;
	}
	order *key = permutation_key(c, rank, perm);
	if (!key)
		return fail_memory(c->d, sizeof *key);
	if (find_constant(c, v, key, &dims, out))
		return CLAST_OK;
	const clast_status s = new_constant(c, v, seen.rank, seen.dims, &t, out);
	if (s)
		return s;
	view_copy(t, &seen);
	graph_set_constant(c->m, *out, t);
	return note_form(c, v, key, &dims, *out);
}

clast_status constant_along(converter *c, value_id v, const order *o, const shape *s, const shape *dims,
			    value_id *out)
{
	const tensor_view *from = c->m->values[v].constant;
	digit x[ORDER_MAX_FACTORS];
	tensor_view *t;
	const int n = digits_of(c, o, s, x), more = s->rank - from->rank;
	*out = v;
	if (view_count(from) == 1)
		return CLAST_OK;
	shape own = { .rank = dims->rank };
	for (int i = 0, k = 0; i < dims->rank; i++) { /* an axis that the constant lacks has extent 1 */
		const int axis = k < n ? x[k].axis : -1;
		own.dims[i] = axis < more || from->dims[axis - more] == 1 ? 1 : dims->dims[i];
		for (dim e = 1; k < n && x[k].axis == axis && e != dims->dims[i]; k++)
			e = dim_mul(c->m->dims, e, x[k].extent);
	}
	if (find_constant(c, v, o, &own, out))
		return CLAST_OK;
	for (int i = 0; i < own.rank; i++)
		if (!dim_is_number(own.dims[i]))
			return fail(c->d, CLAST_ERROR_INTERNAL, "a constant of unknown extents");
	clast_status status = new_constant(c, v, own.rank, own.dims, &t, out);
	if (status)
		return status;
	int64_t to = 0, index[CLAST_MAX_RANK];
	for (iter it = iter_over(t); iter_next(&it); to++) {
		int64_t offset = 0;
		memset(index, 0, sizeof index);
		for (int i = 0, k = 0; i < dims->rank; i++) { /* digits of this place, innermost last */
			int last = k;
			for (dim e = 1; last < n && e != dims->dims[i]; last++)
				e = dim_mul(c->m->dims, e, x[last].extent);
			int64_t rest = it.index[i];
			for (int j = last - 1; j >= k; j--) {
				index[x[j].axis] += own.dims[i] == 1 ? 0 : rest % x[j].extent * x[j].inner;
				rest = own.dims[i] == 1 ? 0 : rest / x[j].extent;
			}
			k = last;
		}
		for (int a = 0; a < from->rank; a++)
			offset += from->dims[a] == 1 ? 0 : axis_offset(from, a, index[a + more]);
		copy_element(t, to, from, offset);
	}
	graph_set_constant(c->m, *out, t);
	return note_form(c, v, o, &own, *out);
}

clast_status constant_gathered(converter *c, value_id v, int axis, const int64_t *index, value_id *out)
{
	const tensor_view *from = c->m->values[v].constant;
	tensor_view *t;
	bool same = true;
	for (int64_t i = 0; i < from->dims[axis] && same; i++)
		same = index[i] == i;
	*out = v;
	if (same)
		return CLAST_OK;
	const clast_status s = new_constant(c, v, from->rank, from->dims, &t, out);
	if (s)
		return s;
	for (int64_t i = 0; i < from->dims[axis]; i++) {
		tensor_view to = *t, part = *from;
		view_slice(&to, axis, i, 1, 1);
		view_slice(&part, axis, index[i], 1, 1);
		view_copy(&to, &part);
	}
	graph_set_constant(c->m, *out, t);
	return CLAST_OK;
}
