/* ONNX LinearAttention: for every key head a state S of [d_k, d_v], updated by each position t in turn:
 *
 *   S = exp(decay) * S                      (gated, gated_delta)
 *   v = beta * (v - S^T k)                  (delta, gated_delta)
 *   S = S + k v^T,   y = scale * S^T q      for each of the query heads that share the key head
 *
 * query: [B, T, Hq * d_k], key: [B, T, H * d_k], value: [B, T, H * d_v], states: [B, H, d_k, d_v],
 * decay: [B, T, H * d_k] or [B, T, H], beta: [B, T, H] or [B, T, 1], y: [B, T, Hq * d_v]. */
#include <math.h>

#include "infer.h"
#include "offsets.h"

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA };
enum { LINEAR, GATED, DELTA, GATED_DELTA };

#define DTYPES_STATE (DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16))

typedef struct attrs {
	int64_t q_num_heads, kv_num_heads;
	int64_t chunk_size; /* how others divide the work; without effect on the result */
	float scale;        /* 0: 1 / sqrt(d_k) */
	int rule;
} attrs;

static bool is_gated(const attrs *a)
{
	return a->rule == GATED || a->rule == GATED_DELTA;
}

static bool is_delta(const attrs *a)
{
	return a->rule == DELTA || a->rule == GATED_DELTA;
}

static clast_status check_inputs(const infer_in *in, clast_diag *d)
{
	const attrs *a = in->attrs;
	if (a->q_num_heads < 1 || a->kv_num_heads < 1 || a->q_num_heads % a->kv_num_heads)
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute q_num_heads: expected a multiple of kv_num_heads, found %lld and %lld",
			    (long long)a->q_num_heads, (long long)a->kv_num_heads);
	if (has_input(in, DECAY) != is_gated(a) || has_input(in, BETA) != is_delta(a))
		return fail(
			d, CLAST_ERROR_MODEL,
			"decay belongs to the gated update rules, beta to the delta ones, and to no others");
	clast_status s = CLAST_OK;
	for (size_t i = QUERY; !s && i <= BETA; i++) {
		if (!has_input(in, i))
			continue;
		s = i == PAST ? infer_dtype(in, i, DTYPES_STATE, d) : infer_same_dtype(in, QUERY, i, d);
		if (!s)
			s = infer_rank(in, i, i == PAST ? 4 : 3, i == PAST ? 4 : 3, d);
	}
	return s;
}

/* Extent of axis a of input i. */
static dim extent(const infer_in *in, size_t i, int a)
{
	return has_input(in, i) && in->in[i].shape.rank > a ? in->in[i].shape.dims[a] : DIM_UNKNOWN;
}

static clast_status agree(dim have, dim want, dim or_want, const char *what, clast_diag *d)
{
	if (!dim_is_number(have) || !dim_is_number(want) || !dim_is_number(or_want) || have == want ||
	    have == or_want)
		return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "%s: expected extent %lld, found %lld", what, (long long)want,
		    (long long)have);
}

static clast_status head_size(dim_table *t, dim packed, int64_t heads, dim *size, clast_diag *d)
{
	if (dim_is_number(packed) && packed % heads)
		return fail(d, CLAST_ERROR_MODEL, "%lld elements cannot be divided into %lld heads",
			    (long long)packed, (long long)heads);
	*size = dim_floor_div(t, packed, heads);
	return CLAST_OK;
}

static clast_status check_extents(const infer_in *in, dim d_k, dim d_v, clast_diag *d)
{
	const attrs *a = in->attrs;
	const dim batch = extent(in, QUERY, 0), steps = extent(in, QUERY, 1), heads = a->kv_num_heads;
	const dim keys = dim_mul(in->dims, d_k, heads);
	clast_status s = CLAST_OK;
	for (size_t i = KEY; !s && i <= BETA; i++) {
		s = agree(extent(in, i, 0), batch, batch, "batch", d);
		if (!s && i != PAST)
			s = agree(extent(in, i, 1), steps, steps, "sequence", d);
	}
	if (!s)
		s = agree(extent(in, KEY, 2), keys, keys, "key", d);
	if (!s)
		s = agree(extent(in, DECAY, 2), keys, heads, "decay", d);
	if (!s)
		s = agree(extent(in, BETA, 2), heads, 1, "beta", d);
	const dim state[] = { heads, d_k, d_v };
	for (int i = 0; !s && i < 3; i++)
		s = agree(extent(in, PAST, 1 + i), state[i], state[i], "past_state", d);
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	dim d_k = DIM_UNKNOWN, d_v = DIM_UNKNOWN;
	clast_status s = check_inputs(in, d);
	if (!s)
		s = head_size(in->dims, extent(in, QUERY, 2), a->q_num_heads, &d_k, d);
	if (!s)
		s = head_size(in->dims, extent(in, VALUE, 2), a->kv_num_heads, &d_v, d);
	if (!s)
		s = check_extents(in, d_k, d_v, d);
	if (s)
		return s;
	const dim batch = extent(in, QUERY, 0);
	const clast_dtype state = has_input(in, PAST) ? in->in[PAST].dtype : in->in[QUERY].dtype;
	infer_set(out, 0, in->in[QUERY].dtype,
		  &(shape){ 3, { batch, extent(in, QUERY, 1), dim_mul(in->dims, d_v, a->q_num_heads) } });
	if (wants_output(in, out, 1))
		infer_set(out, 1, state, &(shape){ 4, { batch, a->kv_num_heads, d_k, d_v } });
	return CLAST_OK;
}

typedef struct work {
	call *c;
	const attrs *attrs;
	int64_t d_k, d_v;
	double scale;
	double *state, *key, *value, *y; /* of one head: [d_k, d_v], [d_k], [d_v], [d_v] */
} work;

static double element(const tensor_view *v, int64_t batch, int64_t t, int64_t i)
{
	return load_real(v, view_offset(v, (int64_t[]){ batch, t, i }));
}

static void decay_state(work *w, int64_t batch, int64_t t, int64_t head)
{
	const tensor_view *decay = w->c->in[DECAY];
	const bool shared = decay->dims[2] == w->attrs->kv_num_heads;
	for (int64_t i = 0; i < w->d_k; i++) {
		const double factor = exp(element(decay, batch, t, shared ? head : head * w->d_k + i));
		for (int64_t j = 0; j < w->d_v; j++)
			w->state[i * w->d_v + j] *= factor;
	}
}

static void correct_value(work *w, int64_t batch, int64_t t, int64_t head)
{
	const tensor_view *beta = w->c->in[BETA];
	const double rate = element(beta, batch, t, beta->dims[2] == 1 ? 0 : head);
	for (int64_t j = 0; j < w->d_v; j++) {
		double stored = 0;
		for (int64_t i = 0; i < w->d_k; i++)
			stored += w->state[i * w->d_v + j] * w->key[i];
		w->value[j] = rate * (w->value[j] - stored);
	}
}

static void answer(work *w, int64_t batch, int64_t t, int64_t q_head)
{
	const tensor_view *y = w->c->out[0];
	for (int64_t j = 0; j < w->d_v; j++)
		w->y[j] = 0;
	for (int64_t i = 0; i < w->d_k; i++) {
		const double q = element(w->c->in[QUERY], batch, t, q_head * w->d_k + i);
		for (int64_t j = 0; j < w->d_v; j++)
			w->y[j] += q * w->state[i * w->d_v + j];
	}
	for (int64_t j = 0; j < w->d_v; j++)
		store_real(y, view_offset(y, (int64_t[]){ batch, t, q_head * w->d_v + j }),
			   w->scale * w->y[j]);
}

static void step(work *w, int64_t batch, int64_t t, int64_t head)
{
	const int64_t group = w->attrs->q_num_heads / w->attrs->kv_num_heads;
	for (int64_t i = 0; i < w->d_k; i++)
		w->key[i] = element(w->c->in[KEY], batch, t, head * w->d_k + i);
	for (int64_t j = 0; j < w->d_v; j++)
		w->value[j] = element(w->c->in[VALUE], batch, t, head * w->d_v + j);
	if (is_gated(w->attrs))
		decay_state(w, batch, t, head);
	if (is_delta(w->attrs))
		correct_value(w, batch, t, head);
	for (int64_t i = 0; i < w->d_k; i++)
		for (int64_t j = 0; j < w->d_v; j++)
			w->state[i * w->d_v + j] += w->key[i] * w->value[j];
	for (int64_t q = head * group; q < (head + 1) * group; q++)
		answer(w, batch, t, q);
}

static clast_status run_head(work *w, int64_t batch, int64_t head)
{
	const tensor_view *past = w->c->n_in > PAST ? w->c->in[PAST] : NULL,
			  *present = w->c->n_out > 1 ? w->c->out[1] : NULL;
	for (int64_t i = 0; i < w->d_k * w->d_v; i++) {
		const int64_t index[] = { batch, head, i / w->d_v, i % w->d_v };
		w->state[i] = past ? load_real(past, view_offset(past, index)) : 0;
	}
	for (int64_t t = 0; t < w->c->in[QUERY]->dims[1]; t++) {
		step(w, batch, t, head);
		if (!call_proceed(w->c))
			return fail(w->c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	for (int64_t i = 0; present && i < w->d_k * w->d_v; i++) {
		const int64_t index[] = { batch, head, i / w->d_v, i % w->d_v };
		store_real(present, view_offset(present, index), w->state[i]);
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	work w = { .c = c,
		   .attrs = a,
		   .d_k = c->in[QUERY]->dims[2] / a->q_num_heads,
		   .d_v = c->in[VALUE]->dims[2] / a->kv_num_heads };
	w.scale = a->scale != 0 ? (double)a->scale : 1 / sqrt((double)w.d_k);
	bump b;
	bump_init(&b, c->memory);
	w.state = bump_array(&b, (size_t)(w.d_k * w.d_v + 1), sizeof(double));
	w.key = bump_array(&b, (size_t)w.d_k + 1, sizeof(double));
	w.value = bump_array(&b, (size_t)w.d_v + 1, sizeof(double));
	w.y = bump_array(&b, (size_t)w.d_v + 1, sizeof(double));
	clast_status s = w.state && w.key && w.value && w.y ? CLAST_OK : fail_memory(c->diag, 0);
	for (int64_t batch = 0; !s && batch < c->in[QUERY]->dims[0]; batch++)
		for (int64_t head = 0; !s && head < a->kv_num_heads; head++)
			s = run_head(&w, batch, head);
	bump_release(&b);
	return s;
}

static const char *const rules[] = { "linear", "gated", "delta", "gated_delta", NULL };
static const attr_spec spec[] = {
	{ "q_num_heads", ATTR_INT, offsetof(attrs, q_num_heads), .required = true },
	{ "kv_num_heads", ATTR_INT, offsetof(attrs, kv_num_heads), .required = true },
	{ "chunk_size", ATTR_INT, offsetof(attrs, chunk_size), .i = 64 },
	{ "scale", ATTR_FLOAT, offsetof(attrs, scale) },
	{ "update_rule", ATTR_ENUM, offsetof(attrs, rule), .i = GATED_DELTA, .names = rules },
	{ 0 }
};
static const op_version versions[] = { { 27, DTYPES_STATE }, { 0 } };
const op op_linear_attention = { .name = "LinearAttention",
				 .domain = "",
				 .versions = versions,
				 .attrs = spec,
				 .attrs_bytes = sizeof(attrs),
				 .min_in = 3,
				 .max_in = 6,
				 .min_out = 1,
				 .max_out = 2,
				 .rule = RULE_FIXED,
				 .infer = infer,
				 .reference = reference };
