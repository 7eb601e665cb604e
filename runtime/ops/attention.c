/* ONNX Attention: for each batch element and query head
 *
 *   y = softmax(cap(scale * q k^T) + bias) v,   cap(x) = softcap * tanh(x / softcap) if softcap > 0
 *
 * where bias adds up attn_mask (boolean: 0 or -infinity), the causal frontier, the window and the padding.
 * A row that leaves nothing to attend gives 0.
 *
 * q: [B, Hq, S, D], k: [B, Hkv, T, D], v: [B, Hkv, T, E], or each [B, S, H * D] with the heads given by
 * attributes. Hq is a multiple of Hkv, and neighbouring query heads share a key head.
 * past_key, past_value: [B, Hkv, P, D or E], put in front of k and v. nonpad_kv_seqlen: [B].
 * attn_mask: broadcast to [B, Hq, S, P + T]; beyond the end of a shorter last axis everything is masked.
 * Outputs: y like q, with E for D; keys and values with the past; the scores at the stage that
 * qk_matmul_output_mode names.
 *
 * Query i stands at position offset + i, where offset is P, or nonpad_kv_seqlen - S, or 0. */
#include <math.h>

#include "attention_attrs.h"
#include "offsets.h"
#include "product.h"

enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, LENGTHS };
enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };

/* ---- Inference ---- */

/* An operand as [batch, heads, length, size]. */
typedef struct heads {
	dim batch, heads, length, size;
} heads;

static clast_status read_heads(const infer_in *in, size_t i, int64_t count, heads *out, clast_diag *d)
{
	const shape *s = &in->in[i].shape;
	*out = (heads){ DIM_UNKNOWN, DIM_UNKNOWN, DIM_UNKNOWN, DIM_UNKNOWN };
	if (s->rank == 4)
		*out = (heads){ s->dims[0], s->dims[1], s->dims[2], s->dims[3] };
	if (s->rank != 3)
		return CLAST_OK;
	if (count < 1)
		return fail(d, CLAST_ERROR_MODEL,
			    "attributes q_num_heads and kv_num_heads are required with inputs of rank 3");
	if (dim_is_number(s->dims[2]) && s->dims[2] % count)
		return fail(d, CLAST_ERROR_MODEL,
			    "input %zu: extent %lld of axis 2 cannot be divided into %lld heads", i,
			    (long long)s->dims[2], (long long)count);
	*out = (heads){ s->dims[0], count, s->dims[1], dim_floor_div(in->dims, s->dims[2], count) };
	return CLAST_OK;
}

static clast_status same(dim a, dim b, const char *what, clast_diag *d)
{
	if (!dim_is_number(a) || !dim_is_number(b) || a == b)
		return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "%s: %lld and %lld do not agree", what, (long long)a, (long long)b);
}

static clast_status check_inputs(const infer_in *in, clast_diag *d)
{
	const attention_attrs *a = in->attrs;
	clast_status s = infer_same_dtype(in, Q, K, d);
	for (size_t i = Q; !s && i <= V; i++)
		s = infer_rank(in, i, 3, 4, d);
	if (!s)
		s = infer_dtype(in, V, DTYPES_FLOAT_BF16, d);
	if (!s && has_input(in, MASK))
		s = infer_dtype(in, MASK, DTYPES_REAL_BF16 | DTYPES_BOOL, d);
	for (size_t i = PAST_KEY; !s && i <= PAST_VALUE; i++)
		if (has_input(in, i))
			s = infer_rank(in, i, 4, 4, d);
	if (!s && has_input(in, LENGTHS))
		s = infer_dtype(in, LENGTHS, DTYPE_BIT(CLAST_INT64), d);
	if (!s && has_input(in, LENGTHS))
		s = infer_rank(in, LENGTHS, 1, 1, d);
	if (s)
		return s;
	if (has_input(in, PAST_KEY) != has_input(in, PAST_VALUE))
		return fail(d, CLAST_ERROR_MODEL, "past_key and past_value go together");
	if (has_input(in, PAST_KEY) && has_input(in, LENGTHS))
		return fail(d, CLAST_ERROR_MODEL, "past_key and nonpad_kv_seqlen exclude each other");
	if (a->scores < SCORES_PRODUCT || a->scores > SCORES_SOFTMAX)
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute qk_matmul_output_mode: expected 0 to 3, found %lld",
			    (long long)a->scores);
	if (a->left_window < -1 || a->right_window < -1)
		return fail(d, CLAST_ERROR_MODEL, "a window size: expected -1 or more, found %lld and %lld",
			    (long long)a->left_window, (long long)a->right_window);
	return CLAST_OK;
}

/* The mask against [B, Hq, S, total], aligned from the right. */
static clast_status check_mask(const infer_in *in, const dim *target, clast_diag *d)
{
	if (!has_input(in, MASK) || in->in[MASK].shape.rank < 0)
		return CLAST_OK;
	const shape *m = &in->in[MASK].shape;
	const clast_status s = infer_rank(in, MASK, 1, 4, d);
	for (int i = 0; !s && i < m->rank; i++) {
		const dim have = m->dims[i], want = target[4 - m->rank + i];
		const bool last = i == m->rank - 1;
		if (!dim_is_number(have) || !dim_is_number(want) ||
		    (last ? have <= want : have == want || have == 1))
			continue;
		return fail(d, CLAST_ERROR_MODEL,
			    "input 3 (attn_mask): axis %d has extent %lld, which does not fit %lld", i,
			    (long long)have, (long long)want);
	}
	return s;
}

static clast_status check_heads(const heads *q, const heads *k, const heads *v, clast_diag *d)
{
	clast_status s = same(q->batch, k->batch, "batch of q and k", d);
	if (!s)
		s = same(k->batch, v->batch, "batch of k and v", d);
	if (!s)
		s = same(k->heads, v->heads, "heads of k and v", d);
	if (!s)
		s = same(k->length, v->length, "length of k and v", d);
	if (!s)
		s = same(q->size, k->size, "head size of q and k", d);
	if (!s && dim_is_number(q->heads) && dim_is_number(k->heads) && (k->heads < 1 || q->heads % k->heads))
		s = fail(d, CLAST_ERROR_MODEL, "%lld query heads cannot share %lld key heads",
			 (long long)q->heads, (long long)k->heads);
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attention_attrs *a = in->attrs;
	dim_table *t = in->dims;
	heads q, k, v;
	clast_status s = check_inputs(in, d);
	if (!s)
		s = read_heads(in, Q, a->q_num_heads, &q, d);
	if (!s)
		s = read_heads(in, K, a->kv_num_heads, &k, d);
	if (!s)
		s = read_heads(in, V, a->kv_num_heads, &v, d);
	if (!s)
		s = check_heads(&q, &k, &v, d);
	if (s)
		return s;
	dim total = k.length;
	const shape *past = has_input(in, PAST_KEY) ? &in->in[PAST_KEY].shape : NULL;
	if (past)
		total = past->rank == 4 ? dim_add(t, past->dims[2], k.length) : DIM_UNKNOWN;
	s = check_mask(in, (dim[]){ q.batch, q.heads, q.length, total }, d);
	if (s)
		return s;
	const int rank = in->in[Q].shape.rank;
	shape y = { .rank = rank, .dims = { q.batch, q.heads, q.length, v.size } };
	if (rank == 3)
		y = (shape){ 3, { q.batch, q.length, dim_mul(t, q.heads, v.size) } };
	const shape shapes[] = { y,
				 { 4, { k.batch, k.heads, total, k.size } },
				 { 4, { v.batch, v.heads, total, v.size } },
				 { 4, { q.batch, q.heads, q.length, total } } };
	/* Unknown inputs leave unknown extents, which are only told apart where the rank is known. */
	for (size_t i = 0; i < in->n_out; i++)
		if (wants_output(in, out, i) && (i != Y || rank >= 0))
			infer_set(out, i, in->in[i == PRESENT_VALUE ? V : Q].dtype, &shapes[i]);
	return CLAST_OK;
}

/* ---- Reference ---- */

/* Where the elements of an operand with heads lie, whether the heads have an axis of their own or not. */
typedef struct headed {
	const tensor_view *view;
	int64_t batch, heads, length, size;
	int64_t *position, *element,
		*head; /* offsets; head is NULL where elements of all heads share an axis */
} headed;

static bool make_headed(bump *b, const tensor_view *v, int64_t count, headed *h)
{
	if (v->rank == 4) {
		*h = (headed){ v, v->dims[0], v->dims[1], v->dims[2], v->dims[3] };
		h->head = offset_table(b, v, 1, 2, NULL);
		h->position = offset_table(b, v, 2, 3, NULL);
		h->element = offset_table(b, v, 3, 4, NULL);
		return h->head && h->position && h->element;
	}
	*h = (headed){ v, v->dims[0], count, v->dims[1], v->dims[2] / count };
	h->position = offset_table(b, v, 1, 2, NULL);
	h->element = offset_table(b, v, 2, 3, NULL);
	return h->position && h->element;
}

static int64_t at(const headed *h, int64_t batch, int64_t head, int64_t position, int64_t element)
{
	const int64_t base = axis_offset(h->view, 0, batch) + h->position[position];
	return base + (h->head ? h->head[head] + h->element[element] : h->element[head * h->size + element]);
}

typedef struct work {
	call *c;
	const attention_attrs *attrs;
	headed q, k, v, y, past_k, past_v;
	int64_t past, total;
	tensor_view mask;
	int64_t masked_from; /* where the mask ends */
	bool has_mask;
	double scale;
	/* Of one key head: keys with positions in lanes, values with elements in lanes, as product_lanes()
	 * takes them. */
	double *keys, *values;
	/* Of one query */
	double *query, *scores, *bias;
} work;

static int64_t round_up(int64_t n)
{
	return (n + PRODUCT_LANES - 1) / PRODUCT_LANES * PRODUCT_LANES;
}

/* Row-major index [outer][inner] of a matrix whose inner axis lies in lanes: groups of lanes, then the outer
 * axis. */
static int64_t lane_index(int64_t outer, int64_t n_outer, int64_t inner)
{
	return (inner / PRODUCT_LANES * n_outer + outer) * PRODUCT_LANES + inner % PRODUCT_LANES;
}

static double load_headed(const headed *past, const headed *now, int64_t n_past, int64_t batch, int64_t head,
			  int64_t t, int64_t e)
{
	const headed *h = t < n_past ? past : now;
	return load_real(h->view, at(h, batch, head, t < n_past ? t : t - n_past, e));
}

static void load_keys(work *w, int64_t batch, int64_t head)
{
	const int64_t d = w->k.size, e = w->v.size;
	const tensor_view *present[] = { w->c->n_out > PRESENT_KEY ? w->c->out[PRESENT_KEY] : NULL,
					 w->c->n_out > PRESENT_VALUE ? w->c->out[PRESENT_VALUE] : NULL };
	for (int64_t t = 0; t < w->total; t++) {
		for (int64_t i = 0; i < d; i++) {
			const double x = load_headed(&w->past_k, &w->k, w->past, batch, head, t, i);
			w->keys[lane_index(i, d, t)] = x;
			if (present[0])
				store_real(present[0],
					   view_offset(present[0], (int64_t[]){ batch, head, t, i }), x);
		}
		for (int64_t i = 0; i < e; i++) {
			const double x = load_headed(&w->past_v, &w->v, w->past, batch, head, t, i);
			w->values[lane_index(t, w->total, i)] = x;
			if (present[1])
				store_real(present[1],
					   view_offset(present[1], (int64_t[]){ batch, head, t, i }), x);
		}
	}
}

static double mask_at(const work *w, int64_t batch, int64_t head, int64_t i, int64_t j)
{
	if (!w->has_mask)
		return 0;
	if (j >= w->masked_from)
		return -INFINITY;
	const double m = load_real(&w->mask, view_offset(&w->mask, (int64_t[]){ batch, head, i, j }));
	return w->mask.dtype != CLAST_BOOL ? m : m != 0 ? 0 : -INFINITY;
}

/* Bias of query i; false if it leaves nothing to attend. valid is the number of keys that are no padding. */
static bool make_bias(work *w, int64_t batch, int64_t head, int64_t i, int64_t offset, int64_t valid)
{
	const attention_attrs *a = w->attrs;
	bool any = false;
	for (int64_t j = 0; j < w->total; j++) {
		const int64_t ahead = j - (offset + i);
		const bool hidden = (a->is_causal && ahead > 0) ||
				    (a->left_window >= 0 && -ahead > a->left_window) ||
				    (a->right_window >= 0 && ahead > a->right_window) || j >= valid;
		w->bias[j] = hidden ? -INFINITY : mask_at(w, batch, head, i, j);
		any |= w->bias[j] != -INFINITY;
	}
	return any;
}

static void store_scores(const work *w, attention_scores stage, int64_t batch, int64_t head, int64_t i)
{
	const tensor_view *v = w->c->n_out > SCORES ? w->c->out[SCORES] : NULL;
	if (!v || w->attrs->scores != (int64_t)stage)
		return;
	for (int64_t j = 0; j < w->total; j++)
		store_real(v, view_offset(v, (int64_t[]){ batch, head, i, j }), w->scores[j]);
}

static void softmax(work *w, bool any)
{
	double top = -INFINITY, sum = 0;
	for (int64_t j = 0; j < w->total; j++)
		top = w->scores[j] > top ? w->scores[j] : top;
	for (int64_t j = 0; j < w->total; j++)
		sum += w->scores[j] = any ? exp(w->scores[j] - (top == -INFINITY ? 0 : top)) : 0;
	for (int64_t j = 0; j < w->total; j++)
		w->scores[j] = sum == 0 ? 0 : w->scores[j] / sum;
}

static void attend(work *w, int64_t batch, int64_t head, int64_t i, int64_t offset, int64_t valid)
{
	const double cap = (double)w->attrs->softcap;
	const int64_t d = w->q.size, e = w->v.size;
	for (int64_t k = 0; k < d; k++)
		w->query[k] = load_real(w->q.view, at(&w->q, batch, head, i, k)) * w->scale;
	for (int64_t j = 0; j < w->total; j += PRODUCT_LANES)
		product_lanes(d, w->query, w->keys + j * d, w->scores + j);
	store_scores(w, SCORES_PRODUCT, batch, head, i);
	for (int64_t j = 0; cap > 0 && j < w->total; j++)
		w->scores[j] = cap * tanh(w->scores[j] / cap);
	store_scores(w, SCORES_CAPPED, batch, head, i);
	const bool any = make_bias(w, batch, head, i, offset, valid);
	for (int64_t j = 0; j < w->total; j++)
		w->scores[j] += w->bias[j];
	store_scores(w, SCORES_BIASED, batch, head, i);
	softmax(w, any);
	store_scores(w, SCORES_SOFTMAX, batch, head, i);
	for (int64_t k = 0; k < e; k += PRODUCT_LANES) {
		double y[PRODUCT_LANES];
		product_lanes(w->total, w->scores, w->values + k * w->total, y);
		for (int64_t lane = 0; lane < PRODUCT_LANES && k + lane < e; lane++)
			store_real(w->y.view, at(&w->y, batch, head, i, k + lane), y[lane]);
	}
}

static clast_status attend_head(work *w, int64_t batch, int64_t kv_head)
{
	call *c = w->c;
	const tensor_view *lengths = c->n_in > LENGTHS ? c->in[LENGTHS] : NULL;
	const int64_t valid = lengths ? load_int(lengths, axis_offset(lengths, 0, batch)) : w->total;
	if (valid < 0 || valid > w->total)
		return fail(c->diag, CLAST_ERROR_DATA,
			    "nonpad_kv_seqlen[%lld]: expected 0 to %lld, found %lld", (long long)batch,
			    (long long)w->total, (long long)valid);
	const int64_t offset = lengths ? valid - w->q.length : w->past, group = w->q.heads / w->k.heads;
	load_keys(w, batch, kv_head);
	for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++)
		for (int64_t i = 0; i < w->q.length; i++) {
			attend(w, batch, head, i, offset, valid);
			if (!call_proceed(c))
				return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
		}
	return CLAST_OK;
}

static void read_mask(work *w)
{
	const tensor_view *m = w->c->n_in > MASK ? w->c->in[MASK] : NULL;
	if (!m)
		return;
	w->has_mask = true;
	w->mask = *m;
	w->masked_from = m->dims[m->rank - 1];
	view_broadcast(&w->mask, 4, (int64_t[]){ w->q.batch, w->q.heads, w->q.length, w->masked_from });
}

static bool prepare(work *w, bump *b)
{
	const attention_attrs *a = w->attrs;
	const tensor_view *const *in = w->c->in;
	const bool past = w->c->n_in > PAST_VALUE && in[PAST_KEY];
	bool ok = make_headed(b, in[Q], a->q_num_heads, &w->q) &&
		  make_headed(b, in[K], a->kv_num_heads, &w->k) &&
		  make_headed(b, in[V], a->kv_num_heads, &w->v) &&
		  make_headed(b, w->c->out[Y], a->q_num_heads, &w->y);
	if (past)
		ok = ok && make_headed(b, in[PAST_KEY], 0, &w->past_k) &&
		     make_headed(b, in[PAST_VALUE], 0, &w->past_v);
	if (!ok)
		return false;
	w->past = past ? w->past_k.length : 0;
	w->total = w->past + w->k.length;
	w->scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)w->q.size);
	const int64_t positions = round_up(w->total) + 1, elements = round_up(w->v.size) + 1;
	w->keys = bump_array(b, (size_t)(positions * w->k.size + 1), sizeof(double));
	w->values = bump_array(b, (size_t)(elements * w->total + 1), sizeof(double));
	w->query = bump_array(b, (size_t)w->q.size + 1, sizeof(double));
	w->scores = bump_array(b, (size_t)positions, sizeof(double));
	w->bias = bump_array(b, (size_t)positions, sizeof(double));
	return w->keys && w->values && w->query && w->scores && w->bias;
}

static clast_status reference(call *c)
{
	work w = { .c = c, .attrs = c->attrs };
	bump b;
	bump_init(&b, c->memory);
	clast_status s = prepare(&w, &b) ? CLAST_OK : fail_memory(c->diag, 0);
	if (!s)
		read_mask(&w);
	for (int64_t batch = 0; !s && batch < w.q.batch; batch++)
		for (int64_t head = 0; !s && head < w.k.heads; head++)
			s = attend_head(&w, batch, head);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = {
	{ "is_causal", ATTR_BOOL, offsetof(attention_attrs, is_causal) },
	{ "q_num_heads", ATTR_INT, offsetof(attention_attrs, q_num_heads) },
	{ "kv_num_heads", ATTR_INT, offsetof(attention_attrs, kv_num_heads) },
	{ "qk_matmul_output_mode", ATTR_INT, offsetof(attention_attrs, scores) },
	{ "scale", ATTR_FLOAT, offsetof(attention_attrs, scale) },
	{ "softcap", ATTR_FLOAT, offsetof(attention_attrs, softcap) },
	{ "softmax_precision", ATTR_DTYPE, offsetof(attention_attrs, softmax_precision) },
	/* New in version 25. Older nodes are not refused them, as the default must hold there too. */
	{ "left_window_size", ATTR_INT, offsetof(attention_attrs, left_window), .i = -1 },
	{ "right_window_size", ATTR_INT, offsetof(attention_attrs, right_window), .i = -1 },
	{ 0 }
};
static const op_version versions[] = {
	{ 23, DTYPES_FLOAT_BF16 }, { 24, DTYPES_FLOAT_BF16 }, { 25, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_attention = { .name = "Attention",
			  .domain = "",
			  .versions = versions,
			  .attrs = spec,
			  .attrs_bytes = sizeof(attention_attrs),
			  .min_in = 3,
			  .max_in = 7,
			  .min_out = 1,
			  .max_out = 4,
			  .rule = RULE_CONTRACT,
			  .infer = infer,
			  .reference = reference };
