/* Pad with zeros in front of Conv or AveragePool, into their own pads. */
#include <string.h>

#include "conv_attrs.h"
#include "pad.h"
#include "pass.h"
#include "pool_attrs.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

static bool pads_zeros(const clast_model *m, const node *n)
{
	const pad_attrs *at = n->attrs;
	if (at->mode != PAD_CONSTANT)
		return false;
	if (n->n_in < 3 || n->in[2] == NO_ID)
		return n->version >= 11 || at->value == 0;
	const tensor_view *t = m->values[n->in[2]].constant;
	return t && dtype_is_float(t->dtype) && view_count(t) == 1 && load_real(t, 0) == 0;
}

/* Pads of the spatial axes, all begins before all ends as Conv has them; false if others are padded or something is cut off. */
static bool spatial_pads(const clast_model *m, const node *n, int64_t *pads)
{
	infer_value in[4];
	pad_params p;
	const int rank = m->values[n->in[0]].rank;
	if (rank < 3 || n->n_in > 4)
		return false;
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(m, n->in[i], &in[i]);
	const infer_in query = { .op = n->op, .dims = m->dims, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = 1,
		                 .in = in, .memory = (bump *)&m->region };
	if (pad_read(&query, rank, &p, NULL) || !p.known_axes)
		return false;
	for (int a = 0; a < rank; a++) {
		if (!dim_is_number(p.before[a]) || !dim_is_number(p.after[a]) || p.before[a] < 0 || p.after[a] < 0 ||
		    p.before[a] > INT32_MAX || p.after[a] > INT32_MAX || (a < 2 && (p.before[a] || p.after[a])))
			return false;
		if (a >= 2) {
			pads[a - 2] = p.before[a];
			pads[rank - 2 + a - 2] = p.after[a];
		}
	}
	return true;
}

static bool has_pads(const window_attrs *w)
{
	for (size_t i = 0; i < w->pads.n; i++)
		if (w->pads.v[i])
			return true;
	return false;
}

/* An average counts the zeros of Pad; its own pads may be left out of the count. */
static window_attrs *target_window(const node *n, void *attrs)
{
	if (is(n, "Conv"))
		return &((conv_attrs *)attrs)->window;
	pool_attrs *a = attrs;
	if (!is(n, "AveragePool") || n->version < 7 || a->window.ceil_mode || (has_pads(&a->window) && !a->count_include_pad))
		return NULL;
	a->count_include_pad = true;
	return &a->window;
}

static clast_status try_merge(clast_model *m, node_id id, const user_table *users, clast_diag *d)
{
	const node *pad = &m->nodes[id];
	int64_t pads[2 * CLAST_MAX_RANK];
	if (pad->dead || !pad->op || !is(pad, "Pad") || !pads_zeros(m, pad) || !spatial_pads(m, pad, pads))
		return CLAST_OK;
	const node_id user = only_user(m, users, pad->out[0]);
	if (user == NO_ID || m->nodes[user].dead || m->nodes[user].in[0] != pad->out[0])
		return CLAST_OK;
	node *n = &m->nodes[user];
	const size_t count = 2 * (size_t)(m->values[pad->in[0]].rank - 2);
	void *attrs = bump_alloc(&m->region, n->op->attrs_bytes + 1);
	int64_t *sum = bump_array(&m->region, count, sizeof *sum);
	if (!attrs || !sum)
		return fail_memory(d, 0);
	if (!is(n, "Conv") && !is(n, "AveragePool"))
		return CLAST_OK;
	memcpy(attrs, n->attrs, n->op->attrs_bytes);
	window_attrs *w = target_window(n, attrs);
	if (!w || (w->auto_pad != PAD_NOTSET && w->auto_pad != PAD_VALID) || (w->pads.n && w->pads.n != count))
		return CLAST_OK;
	for (size_t i = 0; i < count; i++)
		sum[i] = pads[i] + (w->auto_pad == PAD_NOTSET && w->pads.n ? w->pads.v[i] : 0);
	w->auto_pad = PAD_NOTSET;
	w->pads = (int_list){ sum, count, true };
	n->attrs = attrs;
	n->in[0] = pad->in[0];
	return CLAST_OK;
}

static clast_status run(clast_model *m, clast_diag *d)
{
	user_table users;
	clast_status s = pass_users(m, &users, d);
	for (size_t i = 0; !s && i < m->node_count; i++)
		s = try_merge(m, (node_id)i, &users, d);
	pass_users_free(m, &users);
	return s;
}

const pass pass_pad = { "pad", run };
