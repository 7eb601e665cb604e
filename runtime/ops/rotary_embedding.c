/* ONNX RotaryEmbedding: of every head's first `dimension` elements, pairs (a, b) become
 * (cos * a - sin * b, sin * a + cos * b). The pairs are the first half with the second or, interleaved,
 * neighbours. The rest is copied.
 *
 * x: [B, H, S, D] or [B, S, H * D].
 * Caches: [B, S, dimension / 2], or [P, dimension / 2] with position_ids [B, S] choosing rows. */
#include "attention_attrs.h"
#include "offsets.h"

enum { X, COSINES, SINES, POSITIONS };

static clast_status check_size(const infer_in *in, dim size, clast_diag *d)
{
	const rotary_attrs *a = in->attrs;
	if (a->dimension < 0 || a->dimension % 2 || (dim_is_number(size) && a->dimension > size))
		return fail(d, CLAST_ERROR_MODEL,
			    "attribute rotary_embedding_dim: %lld does not fit heads of %lld elements",
			    (long long)a->dimension, dim_is_number(size) ? (long long)size : -1);
	if (!a->dimension && dim_is_number(size) && size % 2)
		return fail(d, CLAST_ERROR_MODEL, "heads of %lld elements have no pairs", (long long)size);
	const dim rotated = a->dimension ? a->dimension : size;
	for (size_t i = COSINES; dim_is_number(rotated) && i <= SINES; i++) {
		const shape *cache = &in->in[i].shape;
		const dim have = cache->rank > 0 ? cache->dims[cache->rank - 1] : DIM_UNKNOWN;
		if (dim_is_number(have) && have != rotated / 2)
			return fail(d, CLAST_ERROR_MODEL,
				    "input %zu: expected %lld elements in the last axis, found %lld", i,
				    (long long)rotated / 2, (long long)have);
	}
	return CLAST_OK;
}

/* Caches without position_ids have the extents [batch, sequence] of x in front, with them position_ids has.
 */
static clast_status check_sequence(const infer_in *in, const dim *want, clast_diag *d)
{
	const bool positions = has_input(in, POSITIONS);
	for (size_t i = positions ? POSITIONS : COSINES; i <= (positions ? POSITIONS : SINES); i++)
		for (int k = 0; k < 2; k++) {
			const shape *s = &in->in[i].shape;
			const dim have = s->rank > k ? s->dims[k] : DIM_UNKNOWN;
			if (dim_is_number(have) && dim_is_number(want[k]) && have != want[k])
				return fail(d, CLAST_ERROR_MODEL,
					    "input %zu: axis %d has extent %lld, expected %lld", i, k,
					    (long long)have, (long long)want[k]);
		}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const rotary_attrs *a = in->attrs;
	const shape *x = &in->in[X].shape;
	const bool positions = has_input(in, POSITIONS);
	clast_status s = infer_rank(in, X, 3, 4, d);
	for (size_t i = COSINES; !s && i <= SINES; i++) {
		s = infer_same_dtype(in, X, i, d);
		if (!s)
			s = infer_rank(in, i, positions ? 2 : 3, positions ? 2 : 3, d);
	}
	if (!s && positions)
		s = infer_dtype(in, POSITIONS, DTYPE_BIT(CLAST_INT64), d);
	if (!s && positions)
		s = infer_rank(in, POSITIONS, 2, 2, d);
	if (s)
		return s;
	if (x->rank == 3 && (a->num_heads < 1 || (dim_is_number(x->dims[2]) && x->dims[2] % a->num_heads)))
		return fail(d, CLAST_ERROR_MODEL, "attribute num_heads: %lld does not divide the last axis",
			    (long long)a->num_heads);
	dim size = DIM_UNKNOWN;
	if (x->rank >= 3)
		size = x->rank == 4 ? x->dims[3] : dim_floor_div(in->dims, x->dims[2], a->num_heads);
	s = check_size(in, size, d);
	if (!s && x->rank >= 3)
		s = check_sequence(in, (dim[]){ x->dims[0], x->dims[x->rank == 4 ? 2 : 1] }, d);
	return s ? s : infer_same_as_input(in, X, out, d);
}

typedef struct work {
	call *c;
	int64_t heads, size, rotated, batch, length;
} work;

static int64_t element(const work *w, const tensor_view *v, int64_t batch, int64_t head, int64_t position,
		       int64_t i)
{
	if (v->rank == 4)
		return view_offset(v, (int64_t[]){ batch, head, position, i });
	return view_offset(v, (int64_t[]){ batch, position, head * w->size + i });
}

static clast_status cache_base(const work *w, const tensor_view *cache, int64_t batch, int64_t position,
			       int64_t *base)
{
	const tensor_view *ids = w->c->n_in > POSITIONS ? w->c->in[POSITIONS] : NULL;
	if (!ids) {
		*base = axis_offset(cache, 0, batch) + axis_offset(cache, 1, position);
		return CLAST_OK;
	}
	const int64_t id = load_int(ids, axis_offset(ids, 0, batch) + axis_offset(ids, 1, position));
	if (id < 0 || id >= cache->dims[0])
		return fail(w->c->diag, CLAST_ERROR_DATA,
			    "position_ids[%lld, %lld]: expected 0 to %lld, found %lld", (long long)batch,
			    (long long)position, (long long)cache->dims[0] - 1, (long long)id);
	*base = axis_offset(cache, 0, id);
	return CLAST_OK;
}

static void rotate(const work *w, int64_t batch, int64_t head, int64_t position, int64_t cosines,
		   int64_t sines)
{
	const call *c = w->c;
	const tensor_view *x = c->in[X], *y = c->out[0];
	const bool interleaved = ((const rotary_attrs *)c->attrs)->interleaved;
	const int last = c->in[COSINES]->rank - 1;
	for (int64_t i = 0; i < w->rotated / 2; i++) {
		const int64_t first = interleaved ? 2 * i : i,
			      second = interleaved ? 2 * i + 1 : i + w->rotated / 2;
		const double a = load_real(x, element(w, x, batch, head, position, first));
		const double b = load_real(x, element(w, x, batch, head, position, second));
		const double cosine =
			load_real(c->in[COSINES], cosines + axis_offset(c->in[COSINES], last, i));
		const double sine = load_real(c->in[SINES], sines + axis_offset(c->in[SINES], last, i));
		store_real(y, element(w, y, batch, head, position, first), cosine * a - sine * b);
		store_real(y, element(w, y, batch, head, position, second), sine * a + cosine * b);
	}
	for (int64_t i = w->rotated; i < w->size; i++)
		copy_element(y, element(w, y, batch, head, position, i), x,
			     element(w, x, batch, head, position, i));
}

static clast_status reference(call *c)
{
	const rotary_attrs *a = c->attrs;
	const tensor_view *x = c->in[X];
	const bool split = x->rank == 4;
	work w = { .c = c,
		   .heads = split ? x->dims[1] : a->num_heads,
		   .batch = x->dims[0],
		   .length = x->dims[split ? 2 : 1] };
	w.size = split ? x->dims[3] : x->dims[2] / w.heads;
	w.rotated = a->dimension ? a->dimension : w.size;
	for (int64_t batch = 0; batch < w.batch; batch++)
		for (int64_t position = 0; position < w.length; position++) {
			int64_t cosines, sines;
			clast_status s = cache_base(&w, c->in[COSINES], batch, position, &cosines);
			if (!s)
				s = cache_base(&w, c->in[SINES], batch, position, &sines);
			if (!s && !call_proceed(c))
				s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
			if (s)
				return s;
			for (int64_t head = 0; head < w.heads; head++)
				rotate(&w, batch, head, position, cosines, sines);
		}
	return CLAST_OK;
}

static const attr_spec spec[] = { { "interleaved", ATTR_BOOL, offsetof(rotary_attrs, interleaved) },
				  { "num_heads", ATTR_INT, offsetof(rotary_attrs, num_heads) },
				  { "rotary_embedding_dim", ATTR_INT, offsetof(rotary_attrs, dimension) },
				  { 0 } };
static const op_version versions[] = {
	{ 23, DTYPE_BIT(CLAST_FLOAT32) | DTYPE_BIT(CLAST_FLOAT16) | DTYPE_BIT(CLAST_BFLOAT16) }, { 0 }
};
const op op_rotary_embedding = { .name = "RotaryEmbedding",
				 .domain = "",
				 .versions = versions,
				 .attrs = spec,
				 .attrs_bytes = sizeof(rotary_attrs),
				 .min_in = 3,
				 .max_in = 4,
				 .min_out = 1,
				 .max_out = 1,
				 .rule = RULE_FIXED,
				 .infer = infer,
				 .reference = reference };
