/* ONNX Loop: a subgraph run again and again while fewer than M runs were made and its condition holds. It
 * takes the number of the run, the condition and N carried values, and gives the condition, the carried
 * values and K values that are stacked along a new first axis. Without an input cond its condition is
 * ignored. */
#include "body.h"

typedef struct attrs {
	int body;
} attrs;
static const attr_spec spec[] = { { "body", ATTR_GRAPH, offsetof(attrs, body), .required = true }, { 0 } };

static clast_status check_inputs(const infer_in *in, clast_diag *d)
{
	int64_t count;
	if (in->n_in < 2)
		return fail(d, CLAST_ERROR_MODEL, "expected 2 inputs or more, found %zu", in->n_in);
	for (size_t i = 0; i < 2; i++) {
		if (!has_input(in, i))
			continue;
		const clast_status s = infer_dtype(in, i, i ? DTYPES_BOOL : DTYPE_BIT(CLAST_INT64), d);
		if (s)
			return s;
		if (infer_count(in, i, &count) && count != 1)
			return fail(d, CLAST_ERROR_MODEL, "input %zu: expected one element, found %lld", i,
				    (long long)count);
	}
	for (size_t i = 2; i < in->n_in; i++)
		if (!has_input(in, i))
			return fail(d, CLAST_ERROR_MODEL, "input %zu is missing", i);
	if (in->n_out + 2 < in->n_in)
		return fail(d, CLAST_ERROR_MODEL, "%zu carried values but only %zu outputs", in->n_in - 2,
			    in->n_out);
	return CLAST_OK;
}

/* Arguments and results of the body, its carried values as they come in. */
static clast_status set_args(const infer_in *in, size_t carried, body_rounds *r, clast_diag *d)
{
	static const dim holds[1] = { 1 };
	const clast_status s = body_rounds_new(in, carried, 2, 1, 2 + carried, 1 + in->n_out, r, d);
	if (s)
		return s;
	r->args[0] = (infer_value){ .present = true, .dtype = CLAST_INT64 };
	r->args[1] = (infer_value){ .present = true, .dtype = CLAST_BOOL };
	/* The body only runs while the condition holds. */
	if (has_input(in, 1)) {
		r->args[1].ints = holds;
		r->args[1].int_count = 1;
	}
	for (size_t i = 0; i < carried; i++) {
		r->args[2 + i] = in->in[2 + i];
		r->args[2 + i].ints = NULL;
		r->args[2 + i].data = NULL;
	}
	return CLAST_OK;
}

/* next: what is known of the condition that the body leaves. */
static dim trips(const infer_in *in, const infer_value *next)
{
	size_t n;
	const int64_t *cond = has_input(in, 1) ? infer_numbers(in, 1, &n) : NULL;
	const bool always = !has_input(in, 1) ||
			    (cond && cond[0] && next->ints && next->int_count == 1 && next->ints[0] == 1);
	if (cond && !cond[0])
		return 0;
	const dim *limit = has_input(in, 0) ? infer_ints(in, 0, &n) : NULL;
	return always && limit && n == 1 && limit[0] != DIM_UNKNOWN ? dim_max(in->dims, 0, limit[0])
								    : DIM_UNKNOWN;
}

static clast_status stacked_shape(const infer_in *in, const infer_value *piece, dim trip, size_t n_outer,
				  shape *y, clast_diag *d)
{
	y->rank = -1;
	if (piece->shape.rank < 0)
		return CLAST_OK;
	if (piece->shape.rank >= CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_MODEL, "a stacked value would have more than %d axes",
			    CLAST_MAX_RANK);
	y->rank = piece->shape.rank + 1;
	y->dims[0] = trip;
	for (int a = 1; a < y->rank; a++)
		y->dims[a] = body_outer_dim(in, piece->shape.dims[a - 1], n_outer, "loop");
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const size_t carried = in->n_in > 2 ? in->n_in - 2 : 0, n_outer = body_symbols(in);
	body_rounds r;
	clast_status s = check_inputs(in, d);
	for (size_t i = 0; i < carried && !s; i++)
		out->out[i].dtype = in->in[2 + i].dtype;
	if (s || !in->body)
		return s;
	s = set_args(in, carried, &r, d);
	s = s ? s : body_infer(in, ((const attrs *)in->attrs)->body, &r, d);
	if (s)
		return s;
	dim trip = trips(in, &r.results[0]);
	if (trip == DIM_UNKNOWN)
		trip = infer_fresh(in, "trip", 0, DIM_NO_MAX);
	for (size_t i = 0; i < in->n_out && !s; i++) {
		const infer_value *v = &r.results[1 + i];
		shape y;
		if (i < carried)
			body_carried_shape(in, &r, i, n_outer, &y);
		else
			s = stacked_shape(in, v, trip, n_outer, &y, d);
		out->out[i].kind = v->kind;
		infer_set(out, i, i < carried && r.args[2 + i].dtype ? r.args[2 + i].dtype : v->dtype, &y);
	}
	return s;
}

static bool is_true(const tensor_view *v)
{
	return view_count(v) && load_int(v, 0) != 0;
}

static clast_status iterate(body_run *r)
{
	call *c = r->c;
	const int64_t limit = c->in[0] ? load_int(c->in[0], 0) : INT64_MAX;
	const bool conditional = c->in[1] != NULL;
	int64_t number = 0;
	uint8_t cond = conditional ? is_true(c->in[1]) : 1;
	tensor_view number_view, cond_view;
	const tensor_view **args = mem_array(c->memory, 2 + r->carried, sizeof *args);
	clast_status s = args ? CLAST_OK : fail_memory(c->diag, 0);
	view_dense(&number_view, CLAST_INT64, 0, NULL, &number);
	view_dense(&cond_view, CLAST_BOOL, 0, NULL, &cond);
	for (size_t i = 0; i < 2 + r->carried && !s; i++) {
		args[i] = i == 0 ? &number_view : i == 1 ? &cond_view : &r->state[i - 2];
		if (i >= 2)
			r->state[i - 2] = *c->in[i];
	}
	for (; !s && number < limit && (cond || !conditional); number++) {
		s = body_step(r, 2 + r->carried, args);
		if (s)
			break;
		cond = is_true(&r->results[0]);
		call_release(c, &r->results[0]);
	}
	mem_free(c->memory, args, args ? (2 + r->carried) * sizeof *args : 0);
	return s;
}

static clast_status stack(body_run *r, size_t k)
{
	call *c = r->c;
	const size_t i = r->carried + k;
	int64_t dims[CLAST_MAX_RANK];
	int rank;
	if (!c->out[i])
		return CLAST_OK;
	if (!r->trips)
		return body_stack_nothing(c, i, 0);
	if (r->runs >= 0)
		return CLAST_OK;
	clast_status s = body_stack_dims(r, k, 0, &rank, dims);
	s = s ? s : call_output(c, i, body_piece(r, 0, k)->dtype, rank, dims);
	return s ? s : body_write_stack(r, k, c->out[i], 0, false);
}

/* Memory for as many pieces is asked for at once; a body without a condition is to run as often as its model says. */
#define MOST_SLOTS 65536

static clast_status reference(call *c)
{
	const size_t carried = c->n_in - 2;
	body_run r;
	clast_status s = body_start(&r, c, ((const attrs *)c->attrs)->body, 1, carried, c->n_out - carried);
	if (c->in[0] && !c->in[1] && load_int(c->in[0], 0) <= MOST_SLOTS)
		r.runs = load_int(c->in[0], 0);
	for (size_t k = 0; !s && k < r.stacked; k++)
		r.stacks[k].out = carried + k;
	s = s ? s : iterate(&r);
	for (size_t i = 0; i < carried && !s; i++)
		s = body_leave(&r, i, i);
	for (size_t k = 0; k < r.stacked && !s; k++)
		s = stack(&r, k);
	body_end(&r);
	return s;
}

/* Carried values, then stacked ones. */
static bool tie(const infer_in *in, size_t index, body_tie *t)
{
	const int i = (int)index, carried = (int)in->n_in - 2;
	if (i < carried)
		*t = (body_tie){ .kind = TIE_SAME, .in = 2 + i, .out = i, .body_in = 2 + i, .body_out = 1 + i };
	else
		*t = (body_tie){ .kind = TIE_STACK, .in = -1, .out = i, .body_in = -1, .body_out = 1 + i };
	return index < in->n_out;
}

static const op_version versions[] = { { 1, 0 },  { 11, 0 }, { 13, 0 }, { 16, 0 }, { 19, 0 },
				       { 21, 0 }, { 23, 0 }, { 24, 0 }, { 25, 0 }, { 0 } };
const op op_loop = { .name = "Loop",
		     .domain = "",
		     .versions = versions,
		     .attrs = spec,
		     .attrs_bytes = sizeof(attrs),
		     .min_in = 0,
		     .max_in = UINT16_MAX,
		     .min_out = 1,
		     .max_out = UINT16_MAX,
		     .flags = OP_BODIES | OP_DATA_SHAPED,
		     .rule = RULE_FIXED,
		     .infer = infer,
		     .reference = reference,
		     .tie = tie,
		     .trips = trips };
