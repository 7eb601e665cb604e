/* ONNX Loop: a subgraph run again and again while fewer than M runs were made and its condition holds. It takes the number of the
 * run, the condition and N carried values, and gives the condition, the carried values and K values that are stacked
 * along a new first axis. Without an input cond its condition is ignored. */
#include "body.h"

#include <stdio.h>

typedef struct attrs {
	int body;
} attrs;
static const attr_spec spec[] = { { "body", ATTR_GRAPH, offsetof(attrs, body), .required = true }, { 0 } };

/* More rounds of inference than a loop that changes the shape of one carried value after another needs. */
#define MAX_ROUNDS 4

static clast_status check_inputs(const infer_in *in, clast_diag *d)
{
	int64_t count;
	for (size_t i = 0; i < 2 && i < in->n_in; i++) {
		if (!has_input(in, i))
			continue;
		const clast_status s = infer_dtype(in, i, i ? DTYPES_BOOL : DTYPE_BIT(CLAST_INT64), d);
		if (s)
			return s;
		if (infer_count(in, i, &count) && count != 1)
			return fail(d, CLAST_ERROR_MODEL, "input %zu: expected one element, found %lld", i, (long long)count);
	}
	for (size_t i = 2; i < in->n_in; i++)
		if (!has_input(in, i))
			return fail(d, CLAST_ERROR_MODEL, "input %zu is missing", i);
	if (in->n_out + 2 < in->n_in)
		return fail(d, CLAST_ERROR_MODEL, "%zu carried values but only %zu outputs", in->n_in - 2, in->n_out);
	return CLAST_OK;
}

/* What is known of a carried value within the body: bit a of changing[i] says that the extent of axis a differs between runs. */
typedef struct rounds {
	size_t carried;
	infer_value *args, *results; /* of the body */
	uint32_t *changing;
} rounds;

/* Forgets what the last round found to change; *stable if that is nothing. */
static clast_status compare(const infer_in *in, rounds *r, bool last, bool *stable, clast_diag *d)
{
	*stable = true;
	for (size_t i = 0; i < r->carried; i++) {
		infer_value *before = &r->args[2 + i];
		const infer_value *after = &r->results[1 + i];
		if (before->kind != after->kind || (before->dtype && after->dtype && before->dtype != after->dtype))
			return fail(d, CLAST_ERROR_MODEL, "carried value %zu comes in as %s and goes out as %s", i,
			            clast_dtype_name(before->dtype), clast_dtype_name(after->dtype));
		if (before->shape.rank >= 0 && before->shape.rank != after->shape.rank) {
			before->shape.rank = -1;
			*stable = false;
		}
		for (int a = 0; a < before->shape.rank; a++) {
			if (r->changing[i] >> a & 1 || (!last && before->shape.dims[a] == after->shape.dims[a]))
				continue;
			r->changing[i] |= 1u << a;
			before->shape.dims[a] = fresh_like(in, "carried");
			*stable = false;
		}
	}
	return CLAST_OK;
}

static clast_status infer_rounds(const infer_in *in, rounds *r, clast_diag *d)
{
	static const dim holds[1] = { 1 };
	const size_t n_in = 2 + r->carried, n_out = 1 + in->n_out;
	r->args[0] = (infer_value){ .present = true, .dtype = CLAST_INT64 };
	r->args[1] = (infer_value){ .present = true, .dtype = CLAST_BOOL };
	/* The body only runs while the condition holds. */
	if (has_input(in, 1)) {
		r->args[1].ints = holds;
		r->args[1].int_count = 1;
	}
	for (size_t i = 0; i < r->carried; i++) {
		r->args[2 + i] = in->in[2 + i];
		r->args[2 + i].ints = NULL;
		r->args[2 + i].data = NULL;
	}
	bool stable = false;
	for (int round = 0; !stable; round++) {
		clast_status s = in->body(in, ((const attrs *)in->attrs)->body, n_in, r->args, n_out, r->results, d);
		s = s ? s : compare(in, r, round == MAX_ROUNDS, &stable, d);
		if (s)
			return s;
	}
	return CLAST_OK;
}

static dim trip_count(const infer_in *in, const rounds *r)
{
	size_t n;
	const dim *limit = infer_ints(in, 0, &n);
	if (!limit || n != 1)
		return infer_fresh(in, "trip", 0, DIM_NO_MAX);
	const int64_t *cond = has_input(in, 1) ? infer_numbers(in, 1, &n) : NULL;
	const infer_value *next = &r->results[0];
	const bool always = !has_input(in, 1) || (cond && cond[0] && next->ints && next->int_count == 1 && next->ints[0] == 1);
	if (cond && !cond[0])
		return 0;
	return always && limit[0] != DIM_UNKNOWN ? dim_max(in->dims, 0, limit[0]) : infer_fresh(in, "trip", 0, DIM_NO_MAX);
}

static clast_status leave(const infer_in *in, const rounds *r, size_t n_outer, infer_out *out, clast_diag *d)
{
	const dim trip = trip_count(in, r);
	for (size_t i = 0; i < in->n_out; i++) {
		const bool carried = i < r->carried;
		const infer_value *v = carried ? &r->args[2 + i] : &r->results[1 + i];
		shape y = { .rank = -1 };
		if (v->shape.rank == CLAST_MAX_RANK && !carried)
			return fail(d, CLAST_ERROR_MODEL, "output %zu has more than %d axes", i, CLAST_MAX_RANK);
		if (v->shape.rank >= 0) {
			y.rank = 0;
			if (!carried)
				y.dims[y.rank++] = trip;
			for (int a = 0; a < v->shape.rank; a++)
				y.dims[y.rank++] = carried && r->changing[i] >> a & 1
				                           ? fresh_like(in, "carried")
				                           : body_outer_dim(in, v->shape.dims[a], n_outer, "loop");
		}
		out->out[i].kind = v->kind;
		infer_set(out, i, v->dtype ? v->dtype : r->results[1 + i].dtype, &y);
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = check_inputs(in, d);
	if (s)
		return s;
	rounds r = { .carried = in->n_in > 2 ? in->n_in - 2 : 0 };
	for (size_t i = 0; i < r.carried; i++)
		out->out[i].dtype = in->in[2 + i].dtype;
	if (!in->body)
		return CLAST_OK;
	r.args = bump_array(in->memory, 3 + r.carried + in->n_out, sizeof *r.args);
	r.changing = bump_array(in->memory, r.carried + 1, sizeof *r.changing);
	if (!r.args || !r.changing)
		return fail_memory(d, 0);
	r.results = r.args + 2 + r.carried;
	const size_t n_outer = body_symbols(in);
	s = infer_rounds(in, &r, d);
	return s ? s : leave(in, &r, n_outer, out, d);
}

/* ---- Running ---- */

typedef struct run {
	call *c;
	size_t carried, stacked;
	int64_t trips;
	const tensor_view **args; /* of the body: number, condition, carried values */
	tensor_view *state;       /* carried values; the caller's until the first run, then owned */
	tensor_view *results;     /* of the body: condition, carried values, stacked values */
	tensor_view *pieces;      /* stacked values of all runs, owned */
	size_t piece_count, piece_capacity;
} run;

static bool is_true(const tensor_view *v)
{
	return view_count(v) && load_int(v, 0) != 0;
}

static void release_state(run *r)
{
	for (size_t i = 0; i < r->carried && r->trips; i++)
		call_release(r->c, &r->state[i]);
}

/* Takes over what one run gave. */
static clast_status take_results(run *r, bool *go_on)
{
	*go_on = is_true(&r->results[0]);
	call_release(r->c, &r->results[0]);
	release_state(r);
	if (r->carried)
		memcpy(r->state, r->results + 1, r->carried * sizeof *r->state);
	const bool room = grow(r->c->memory, &r->pieces, &r->piece_capacity, r->piece_count + r->stacked, sizeof *r->pieces);
	for (size_t k = 0; k < r->stacked; k++) {
		const tensor_view *v = &r->results[1 + r->carried + k];
		if (room)
			r->pieces[r->piece_count++] = *v;
		else
			call_release(r->c, v);
	}
	r->trips++;
	return room ? CLAST_OK : fail_memory(r->c->diag, 0);
}

static clast_status iterate(run *r)
{
	call *c = r->c;
	const int64_t limit = c->in[0] ? load_int(c->in[0], 0) : INT64_MAX;
	const bool conditional = c->n_in > 1 && c->in[1];
	bool go_on = conditional ? is_true(c->in[1]) : true;
	int64_t number = 0;
	uint8_t cond = go_on;
	tensor_view number_view, cond_view;
	view_dense(&number_view, CLAST_INT64, 0, NULL, &number);
	view_dense(&cond_view, CLAST_BOOL, 0, NULL, &cond);
	r->args[0] = &number_view;
	r->args[1] = &cond_view;
	for (size_t i = 0; i < r->carried; i++) {
		r->state[i] = *c->in[2 + i];
		r->args[2 + i] = &r->state[i];
	}
	for (; number < limit && (go_on || !conditional); number++) {
		if (!call_proceed(c))
			return CLAST_ERROR_CANCELLED;
		clast_status s = call_body(c, ((const attrs *)c->attrs)->body, 2 + r->carried, r->args, 1 + c->n_out, r->results);
		s = s ? s : take_results(r, &go_on);
		if (s)
			return s;
		cond = go_on;
	}
	return CLAST_OK;
}

/* A loop that never ran gives no elements, of the shape that inference knows. */
static clast_status stack_nothing(call *c, size_t i)
{
	const tensor_view *y = c->out[i];
	int64_t dims[CLAST_MAX_RANK] = { 0 };
	const int rank = y->rank > 0 ? y->rank : 1;
	for (int a = 1; a < rank; a++)
		dims[a] = y->dims[a] > 0 ? y->dims[a] : 0;
	return call_output(c, i, y->dtype, rank, dims);
}

static clast_status stack(run *r, size_t k)
{
	call *c = r->c;
	const size_t i = r->carried + k;
	const tensor_view *first = r->pieces + k;
	int64_t dims[CLAST_MAX_RANK] = { r->trips };
	if (!c->out[i])
		return CLAST_OK;
	if (!r->trips)
		return stack_nothing(c, i);
	if (first->rank >= CLAST_MAX_RANK)
		return fail(c->diag, CLAST_ERROR_DATA, "output %zu has more than %d axes", i, CLAST_MAX_RANK);
	memcpy(dims + 1, first->dims, (size_t)first->rank * sizeof *dims);
	clast_status s = call_output(c, i, first->dtype, first->rank + 1, dims);
	for (int64_t t = 0; t < r->trips && !s; t++) {
		const tensor_view *piece = &r->pieces[(size_t)t * r->stacked + k];
		if (piece->dtype != first->dtype || piece->rank != first->rank ||
		    memcmp(piece->dims, first->dims, (size_t)first->rank * sizeof *dims))
			return fail(c->diag, CLAST_ERROR_DATA, "output %zu: run %lld gave another shape or dtype than the first", i,
			            (long long)t);
		tensor_view to = *c->out[i];
		view_select(&to, 0, t);
		s = move_same(c, &to, piece);
	}
	return s;
}

static clast_status reference(call *c)
{
	run r = { .c = c, .carried = c->n_in > 2 ? c->n_in - 2 : 0 };
	r.stacked = c->n_out - r.carried;
	const size_t n_args = 2 + r.carried, n_views = r.carried + 1 + c->n_out;
	r.args = mem_array(c->memory, n_args, sizeof *r.args);
	r.state = mem_array(c->memory, n_views, sizeof *r.state);
	r.results = r.state + r.carried;
	clast_status s = r.args && r.state ? iterate(&r) : fail_memory(c->diag, 0);
	for (size_t i = 0; i < r.carried && !s; i++)
		s = body_output(c, i, &r.state[i]);
	for (size_t k = 0; k < r.stacked && !s; k++)
		s = stack(&r, k);
	release_state(&r);
	for (size_t i = 0; i < r.piece_count; i++)
		call_release(c, &r.pieces[i]);
	mem_free(c->memory, r.pieces, r.piece_capacity * sizeof *r.pieces);
	mem_free(c->memory, r.args, r.args ? n_args * sizeof *r.args : 0);
	mem_free(c->memory, r.state, r.state ? n_views * sizeof *r.state : 0);
	return s;
}

static const op_version versions[] = { { 1, 0 },  { 11, 0 }, { 13, 0 }, { 16, 0 }, { 19, 0 },
	                               { 21, 0 }, { 23, 0 }, { 24, 0 }, { 25, 0 }, { 0 } };
const op op_loop = { .name = "Loop", .domain = "", .versions = versions, .attrs = spec, .attrs_bytes = sizeof(attrs), .min_in = 2,
	             .max_in = UINT16_MAX, .min_out = 1, .max_out = UINT16_MAX, .flags = OP_BODIES | OP_DATA_SHAPED,
	             .rule = RULE_FIXED, .infer = infer, .reference = reference };
