#include "body.h"

#include <stdio.h>

/* ---- Inference ---- */

/* More rounds than a body needs that changes the shape of one carried value after another. */
#define MAX_ROUNDS 4

size_t body_symbols(const infer_in *in)
{
	return in->dims ? dim_symbol_count(in->dims) : 0;
}

dim body_outer_dim(const infer_in *in, dim d, size_t n_outer, const char *hint)
{
	if (!dim_is_expr(d))
		return d;
	/* Evaluation with the inner unknowns left out tells whether any of them matters. */
	const size_t n = dim_symbol_count(in->dims);
	int64_t *values = bump_array(in->memory, n, sizeof *values), result;
	for (size_t i = 0; values && i < n; i++)
		values[i] = i < n_outer ? 1 : DIM_UNKNOWN;
	return values && !dim_eval(in->dims, d, values, &result) ? d : fresh_like(in, hint);
}

static bool same_ints(const infer_value *a, const infer_value *b)
{
	if (!a->ints || !b->ints || a->int_count != b->int_count)
		return false;
	for (size_t i = 0; i < a->int_count; i++)
		if (a->ints[i] != b->ints[i])
			return false;
	return true;
}

static clast_status check_type(const infer_value *a, const infer_value *b, const char *what, clast_diag *d)
{
	if (a->kind != b->kind)
		return fail(d, CLAST_ERROR_MODEL,
			    "%s is a tensor in one place and a sequence or optional in the other", what);
	if (a->dtype != CLAST_UNDEFINED && b->dtype != CLAST_UNDEFINED && a->dtype != b->dtype)
		return fail(d, CLAST_ERROR_MODEL, "%s has dtype %s in one place and %s in the other", what,
			    clast_dtype_name(a->dtype), clast_dtype_name(b->dtype));
	return CLAST_OK;
}

clast_status body_unify(const infer_in *in, infer_value *a, const infer_value *b, const char *what,
			clast_diag *d)
{
	const clast_status s = check_type(a, b, what, d);
	if (s)
		return s;
	if (a->dtype == CLAST_UNDEFINED)
		a->dtype = b->dtype;
	if (!same_ints(a, b))
		a->ints = NULL;
	if (a->shape.rank != b->shape.rank)
		a->shape.rank = -1;
	for (int i = 0; i < a->shape.rank; i++)
		if (a->shape.dims[i] != b->shape.dims[i])
			a->shape.dims[i] = fresh_like(in, "branch");
	return CLAST_OK;
}

clast_status body_rounds_new(const infer_in *in, size_t carried, size_t lead_in, size_t lead_out, size_t n_in,
			     size_t n_out, body_rounds *r, clast_diag *d)
{
	*r = (body_rounds){
		.carried = carried, .lead_in = lead_in, .lead_out = lead_out, .n_in = n_in, .n_out = n_out
	};
	r->args = bump_array(in->memory, n_in + n_out, sizeof *r->args);
	r->changing = bump_array(in->memory, carried + 1, sizeof *r->changing);
	if (!r->args || !r->changing)
		return fail_memory(d, 0);
	r->results = r->args + n_in;
	return CLAST_OK;
}

/* Forgets what the last round found to change; in the last one every extent. *stable if that is nothing. */
static clast_status compare(const infer_in *in, body_rounds *r, bool last, bool *stable, clast_diag *d)
{
	*stable = true;
	for (size_t i = 0; i < r->carried; i++) {
		infer_value *before = &r->args[r->lead_in + i];
		const infer_value *after = &r->results[r->lead_out + i];
		char what[40];
		snprintf(what, sizeof what, "carried value %zu", i);
		const clast_status s = check_type(before, after, what, d);
		if (s)
			return s;
		if (before->shape.rank >= 0 && before->shape.rank != after->shape.rank) {
			before->shape.rank = -1;
			*stable = false;
		}
		for (int a = 0; a < before->shape.rank; a++) {
			if (r->changing[i] >> a & 1 ||
			    (!last && before->shape.dims[a] == after->shape.dims[a]))
				continue;
			r->changing[i] |= 1u << a;
			before->shape.dims[a] = fresh_like(in, "carried");
			*stable = false;
		}
	}
	return CLAST_OK;
}

clast_status body_infer(const infer_in *in, int graph, body_rounds *r, clast_diag *d)
{
	bool stable = false;
	for (int round = 0; !stable; round++) {
		clast_status s = in->body(in, graph, r->n_in, r->args, r->n_out, r->results, d);
		s = s ? s : compare(in, r, round >= MAX_ROUNDS, &stable, d);
		if (s)
			return s;
	}
	return CLAST_OK;
}

void body_carried_shape(const infer_in *in, const body_rounds *r, size_t i, size_t n_outer, shape *y)
{
	*y = r->args[r->lead_in + i].shape;
	for (int a = 0; a < y->rank; a++)
		y->dims[a] = r->changing[i] >> a & 1 ? fresh_like(in, "carried")
						     : body_outer_dim(in, y->dims[a], n_outer, "carried");
}

/* ---- Running ---- */

clast_status body_start(body_run *r, call *c, int graph, size_t lead, size_t carried, size_t stacked)
{
	*r = (body_run){ .c = c, .graph = graph, .lead = lead, .carried = carried, .stacked = stacked, .runs = -1 };
	r->state = mem_array(c->memory, lead + 2 * carried + stacked, sizeof *r->state);
	r->owned = mem_calloc(c->memory, carried + 1);
	r->stacks = mem_calloc(c->memory, (stacked + 1) * sizeof *r->stacks);
	if (!r->state || !r->owned || !r->stacks)
		return fail_memory(c->diag, 0);
	r->results = r->state + carried;
	return CLAST_OK;
}

static void release_state(body_run *r)
{
	for (size_t i = 0; i < r->carried && r->owned; i++)
		if (r->owned[i])
			call_release(r->c, &r->state[i]);
}

clast_status body_leave(body_run *r, size_t k, size_t i)
{
	call *c = r->c;
	const tensor_view *v = &r->state[k];
	if (!c->out[i])
		return CLAST_OK;
	if (r->owned[k]) {
		r->owned[k] = false;
		return call_give(c, i, v);
	}
	const clast_status s = call_output(c, i, v->dtype, v->rank, v->dims); /* it never ran: what came in */
	return s ? s : move_same(c, c->out[i], v);
}

static void slot_of(const body_run *r, const body_stack *x, tensor_view *slot)
{
	const int axis = (int)(x->axis < 0 ? x->axis + x->whole.rank : x->axis);
	*slot = x->whole;
	view_select(slot, axis, x->reverse ? r->runs - 1 - r->trips : r->trips);
}

static bool same_dims(const tensor_view *a, const tensor_view *b)
{
	return a->dtype == b->dtype && a->rank == b->rank && !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims);
}

static clast_status differs(const body_run *r, size_t k, int64_t run)
{
	return fail(r->c->diag, CLAST_ERROR_DATA, "stacked value %zu: run %lld gave another shape or dtype than the first", k,
		    (long long)run);
}

/* Memory for all pieces, when the first is there. */
static clast_status start_stack(body_run *r, body_stack *x, const tensor_view *piece)
{
	int64_t dims[CLAST_MAX_RANK];
	const int64_t axis = x->axis < 0 ? x->axis + piece->rank + 1 : x->axis;
	if (piece->rank >= CLAST_MAX_RANK || axis < 0 || axis > piece->rank)
		return fail(r->c->diag, CLAST_ERROR_DATA, "a stacked value has rank %d and cannot get an axis %lld", piece->rank,
			    (long long)axis);
	for (int a = 0; a <= piece->rank; a++)
		dims[a] = a == axis ? r->runs : piece->dims[a - (a > axis)];
	const clast_status s = call_output(r->c, x->out, piece->dtype, piece->rank + 1, dims);
	if (!s)
		x->whole = *r->c->out[x->out];
	return s;
}

/* The piece that a run left, unless it is in its slot already. */
static clast_status put_piece(body_run *r, size_t k, const tensor_view *piece)
{
	body_stack *x = &r->stacks[k];
	tensor_view slot;
	clast_status s = CLAST_OK;
	if (r->c->out[x->out] && !x->whole.data)
		s = start_stack(r, x, piece);
	if (!s && x->whole.data) {
		slot_of(r, x, &slot);
		if (slot.data == piece->data)
			return CLAST_OK;
		s = same_dims(&slot, piece) ? move_same(r->c, &slot, piece) : differs(r, k, r->trips);
	}
	call_release(r->c, piece);
	return s;
}

clast_status body_step(body_run *r, size_t n_in, const tensor_view *const *args)
{
	call *c = r->c;
	const size_t n_out = r->lead + r->carried + r->stacked;
	tensor_view *stacked = r->results + r->lead + r->carried;
	if (!call_proceed(c))
		return CLAST_ERROR_CANCELLED;
	if (!grow(c->memory, &r->pieces, &r->piece_capacity, r->piece_count + r->stacked, sizeof *r->pieces))
		return fail_memory(c->diag, 0);
	memset(r->results, 0, n_out * sizeof *r->results);
	for (size_t k = 0; k < r->stacked; k++)
		if (r->stacks[k].whole.data)
			slot_of(r, &r->stacks[k], &stacked[k]);
	clast_status s = call_body(c, r->graph, n_in, args, n_out, r->results);
	if (s)
		return s;
	release_state(r);
	for (size_t i = 0; i < r->carried; i++) {
		r->state[i] = r->results[r->lead + i];
		r->owned[i] = true;
	}
	for (size_t k = 0; k < r->stacked; k++) {
		const clast_status put = r->runs < 0 ? CLAST_OK : put_piece(r, k, &stacked[k]);
		if (r->runs < 0)
			r->pieces[r->piece_count++] = stacked[k];
		s = s ? s : put;
	}
	r->trips++;
	return s;
}

const tensor_view *body_piece(const body_run *r, int64_t t, size_t k)
{
	return &r->pieces[(size_t)t * r->stacked + k];
}

clast_status body_stack_dims(body_run *r, size_t k, int axis, int *rank, int64_t *dims)
{
	const tensor_view *first = body_piece(r, 0, k);
	if (first->rank >= CLAST_MAX_RANK || axis < 0 || axis > first->rank)
		return fail(r->c->diag, CLAST_ERROR_DATA,
			    "a stacked value has rank %d and cannot get an axis %d", first->rank, axis);
	for (int64_t t = 1; t < r->trips; t++) {
		const tensor_view *piece = body_piece(r, t, k);
		if (!same_dims(piece, first))
			return differs(r, k, t);
	}
	*rank = first->rank + 1;
	for (int a = 0; a < *rank; a++)
		dims[a] = a == axis ? r->trips : first->dims[a - (a > axis)];
	return CLAST_OK;
}

clast_status body_write_stack(body_run *r, size_t k, const tensor_view *y, int axis, bool reverse)
{
	clast_status s = CLAST_OK;
	for (int64_t t = 0; t < r->trips && !s; t++) {
		tensor_view to = *y;
		view_select(&to, axis, reverse ? r->trips - 1 - t : t);
		s = move_same(r->c, &to, body_piece(r, t, k));
	}
	return s;
}

clast_status body_stack_nothing(call *c, size_t i, int axis)
{
	const tensor_view *y = c->out[i];
	int64_t dims[CLAST_MAX_RANK] = { 0 };
	const int rank = y->rank > 0 ? y->rank : axis + 1;
	for (int a = 0; a < rank; a++)
		dims[a] = a != axis && y->rank > 0 && y->dims[a] > 0 ? y->dims[a] : 0;
	return call_output(c, i, y->dtype, rank, dims);
}

void body_end(body_run *r)
{
	call *c = r->c;
	release_state(r);
	for (size_t i = r->piece_count; i-- > 0;)
		call_release(c, &r->pieces[i]);
	mem_free(c->memory, r->pieces, r->piece_capacity * sizeof *r->pieces);
	mem_free(c->memory, r->owned, r->carried + 1);
	mem_free(c->memory, r->stacks, (r->stacked + 1) * sizeof *r->stacks);
	mem_free(c->memory, r->state,
		 r->state ? (r->lead + 2 * r->carried + r->stacked) * sizeof *r->state : 0);
}
