/* ONNX Scan: a subgraph run for every index of an axis of the scan inputs. It takes the state values and one
 * slice of every scan input, and gives the state values and slices that are stacked to the scan outputs.
 * Directions and axes may be chosen for each. Opset 8 has a batch axis 0 everywhere (each batch is scanned
 * apart, by axis 1) and lengths for it; elements of scan outputs beyond a batch's length are 0. */
#include "body.h"

typedef struct attrs {
	int body;
	int64_t num_scan_inputs;
	int_list input_axes, output_axes, input_directions, output_directions;
} attrs;
static const attr_spec spec[] = {
	{ "body", ATTR_GRAPH, offsetof(attrs, body), .required = true },
	{ "num_scan_inputs", ATTR_INT, offsetof(attrs, num_scan_inputs), .required = true },
	{ "directions", ATTR_INTS, offsetof(attrs, input_directions), .until = 9 },
	{ "scan_input_directions", ATTR_INTS, offsetof(attrs, input_directions), .since = 9 },
	{ "scan_output_directions", ATTR_INTS, offsetof(attrs, output_directions), .since = 9 },
	{ "scan_input_axes", ATTR_INTS, offsetof(attrs, input_axes), .since = 9 },
	{ "scan_output_axes", ATTR_INTS, offsetof(attrs, output_axes), .since = 9 },
	{ 0 }
};

/* Where the operands are. */
typedef struct parts {
	size_t first, states, scans,
		stacked; /* input of the first state; numbers of states, scan inputs, scan outputs */
	bool batched;
} parts;

static parts find_parts(const attrs *at, int version, size_t n_in, size_t n_out)
{
	parts p = { .first = version < 9 ? 1 : 0, .batched = version < 9 };
	p.scans = (size_t)at->num_scan_inputs;
	p.states = n_in - p.first - p.scans;
	p.stacked = n_out - p.states;
	return p;
}

static clast_status check_list(const int_list *list, size_t n, const char *what, clast_diag *d)
{
	if (list->given && list->n != n)
		return fail(d, CLAST_ERROR_MODEL, "%s: expected %zu elements, found %zu", what, n, list->n);
	return CLAST_OK;
}

static clast_status check_parts(const infer_in *in, clast_diag *d)
{
	const attrs *at = in->attrs;
	const size_t first = in->version < 9 ? 1 : 0;
	if (at->num_scan_inputs < 1 || in->n_in < first || (uint64_t)at->num_scan_inputs > in->n_in - first)
		return fail(d, CLAST_ERROR_MODEL, "num_scan_inputs: expected 1 to %zu, found %lld",
			    in->n_in - first, (long long)at->num_scan_inputs);
	if (in->n_in - first - (size_t)at->num_scan_inputs > in->n_out)
		return fail(d, CLAST_ERROR_MODEL, "%zu outputs are fewer than there are state values",
			    in->n_out);
	for (size_t i = first; i < in->n_in; i++)
		if (!has_input(in, i))
			return fail(d, CLAST_ERROR_MODEL, "input %zu is missing", i);
	const parts p = find_parts(at, in->version, in->n_in, in->n_out);
	clast_status s = check_list(&at->input_axes, p.scans, "scan_input_axes", d);
	s = s ? s : check_list(&at->input_directions, p.scans, "scan_input_directions", d);
	s = s ? s : check_list(&at->output_axes, p.stacked, "scan_output_axes", d);
	return s ? s : check_list(&at->output_directions, p.stacked, "scan_output_directions", d);
}

static void drop_axis(shape *s, int axis)
{
	s->rank--;
	for (int a = axis; a < s->rank; a++)
		s->dims[a] = s->dims[a + 1];
}

static bool put_axis(shape *s, int axis, dim extent)
{
	if (s->rank < 0 || s->rank >= CLAST_MAX_RANK || axis < 0 || axis > s->rank)
		return false;
	for (int a = s->rank; a > axis; a--)
		s->dims[a] = s->dims[a - 1];
	s->dims[axis] = extent;
	s->rank++;
	return true;
}

/* ---- Inference ---- */

/* What is common to the operands. */
typedef struct extents {
	dim batch, steps;
} extents;

static clast_status common(dim *have, dim found, const char *what, size_t i, clast_diag *d)
{
	if (!dims_unify(have, found))
		return fail(d, CLAST_ERROR_MODEL,
			    "input %zu: expected %s extent %lld as those before it, found %lld", i, what,
			    (long long)*have, (long long)found);
	return CLAST_OK;
}

/* The argument of the body that input i becomes: without the batch, and a scan input without its axis. */
static clast_status make_arg(const infer_in *in, const parts *p, size_t i, extents *e, infer_value *arg,
			     clast_diag *d)
{
	const attrs *at = in->attrs;
	const size_t scan = i - p->first - p->states;
	const bool scanned = i >= p->first + p->states;
	clast_status s = CLAST_OK;
	*arg = in->in[i];
	arg->ints = NULL;
	arg->data = NULL;
	if (arg->shape.rank < 0)
		return CLAST_OK;
	if (arg->shape.rank < (int)p->batched + (int)scanned)
		return fail(d, CLAST_ERROR_MODEL, "input %zu: expected rank %d or more, found %d", i,
			    (int)p->batched + (int)scanned, arg->shape.rank);
	if (p->batched) {
		s = common(&e->batch, arg->shape.dims[0], "batch", i, d);
		drop_axis(&arg->shape, 0);
	}
	int axis = 0;
	if (!s && scanned && at->input_axes.given)
		s = infer_axis(at->input_axes.v[scan], arg->shape.rank, "scan_input_axes", &axis, d);
	if (!s && scanned) {
		s = common(&e->steps, arg->shape.dims[axis], "scanned", i, d);
		drop_axis(&arg->shape, axis);
	}
	return s;
}

static clast_status leave(const infer_in *in, const parts *p, const body_rounds *r, extents e, size_t n_outer,
			  infer_out *out, clast_diag *d)
{
	const attrs *at = in->attrs;
	for (size_t i = 0; i < in->n_out; i++) {
		const infer_value *v = &r->results[i];
		const size_t k = i - p->states;
		shape y;
		body_carried_shape(in, r, i < p->states ? i : 0, n_outer, &y);
		if (i >= p->states) {
			y = v->shape;
			for (int a = 0; a < y.rank; a++)
				y.dims[a] = body_outer_dim(in, y.dims[a], n_outer, "scan");
			int axis = 0;
			clast_status s = CLAST_OK;
			if (at->output_axes.given && y.rank >= 0)
				s = infer_axis(at->output_axes.v[k], y.rank + 1, "scan_output_axes", &axis,
					       d);
			if (s)
				return s;
			if (!put_axis(&y, axis, e.steps))
				y.rank = -1;
		}
		if (p->batched && !put_axis(&y, 0, e.batch))
			y.rank = -1;
		out->out[i].kind = v->kind;
		infer_set(out, i, v->dtype, &y);
	}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = check_parts(in, d);
	if (s)
		return s;
	const parts p = find_parts(in->attrs, in->version, in->n_in, in->n_out);
	const size_t n_outer = body_symbols(in);
	body_rounds r;
	extents e = { DIM_UNKNOWN, DIM_UNKNOWN };
	for (size_t i = 0; i < p.states; i++)
		out->out[i].dtype = in->in[p.first + i].dtype;
	s = body_rounds_new(in, p.states, 0, 0, p.states + p.scans, in->n_out, &r, d);
	for (size_t i = 0; i < p.states + p.scans && !s; i++)
		s = make_arg(in, &p, p.first + i, &e, &r.args[i], d);
	if (s || !in->body)
		return s;
	s = body_infer(in, ((const attrs *)in->attrs)->body, &r, d);
	e.batch = e.batch == DIM_UNKNOWN ? fresh_like(in, "batch") : e.batch;
	e.steps = e.steps == DIM_UNKNOWN ? fresh_like(in, "steps") : e.steps;
	return s ? s : leave(in, &p, &r, e, n_outer, out, d);
}

/* ---- Running ---- */

typedef struct scan {
	call *c;
	parts p;
	tensor_view *inputs; /* states and scan inputs of one batch */
	tensor_view *slices; /* of the scan inputs at one step */
	const tensor_view **args;
} scan;

static int input_axis(const attrs *at, const scan *x, size_t k)
{
	return at->input_axes.given ? wrap_axis(at->input_axes.v[k], x->inputs[x->p.states + k].rank) : 0;
}

static bool backwards(const int_list *directions, size_t k)
{
	return directions->given && directions->v[k] != 0;
}

static clast_status iterate(scan *x, body_run *r, int64_t steps)
{
	const attrs *at = x->c->attrs;
	for (size_t i = 0; i < x->p.states; i++) {
		r->state[i] = x->inputs[i];
		x->args[i] = &r->state[i];
	}
	for (int64_t t = 0; t < steps; t++) {
		for (size_t k = 0; k < x->p.scans; k++) {
			x->slices[k] = x->inputs[x->p.states + k];
			view_select(&x->slices[k], input_axis(at, x, k),
				    backwards(&at->input_directions, k) ? steps - 1 - t : t);
			x->args[x->p.states + k] = &x->slices[k];
		}
		const clast_status s = body_step(r, x->p.states + x->p.scans, x->args);
		if (s)
			return s;
	}
	return CLAST_OK;
}

/* Without a batch axis. */
static clast_status write_outputs(scan *x, body_run *r)
{
	call *c = x->c;
	clast_status s = CLAST_OK;
	for (size_t i = 0; i < x->p.states && !s; i++)
		s = body_leave(r, i, i);
	for (size_t k = 0; k < x->p.stacked && !s; k++) {
		const size_t i = x->p.states + k;
		if (c->out[i] && !r->trips)
			s = body_stack_nothing(c, i, r->stacks[k].axis < 0 ? 0 : (int)r->stacks[k].axis);
	}
	return s;
}

static clast_status scan_once(scan *x)
{
	const attrs *at = x->c->attrs;
	body_run r;
	clast_status s = body_start(&r, x->c, at->body, 0, x->p.states, x->p.stacked);
	int64_t steps = 0;
	for (size_t k = 0; k < x->p.scans && !s; k++) {
		const tensor_view *v = &x->inputs[x->p.states + k];
		const int64_t n = v->dims[input_axis(at, x, k)];
		if (k && n != steps)
			s = fail(x->c->diag, CLAST_ERROR_DATA,
				 "scan input %zu has %lld steps, those before it %lld", k, (long long)n,
				 (long long)steps);
		steps = n;
	}
	r.runs = steps;
	for (size_t k = 0; k < x->p.stacked && !s; k++)
		r.stacks[k] = (body_stack){ .out = x->p.states + k,
					    .axis = at->output_axes.given ? at->output_axes.v[k] : 0,
					    .reverse = backwards(&at->output_directions, k) };
	s = s ? s : iterate(x, &r, steps);
	s = s ? s : write_outputs(x, &r);
	body_end(&r);
	return s;
}

/* Memory of output i of opset 8, zeroed, when the first result is there. */
static clast_status start_output(call *c, size_t i, clast_dtype dtype, int rank, const int64_t *dims)
{
	static const _Alignas(16) unsigned char zero[16];
	tensor_view nothing;
	const clast_status s = call_output(c, i, dtype, rank, dims);
	if (s)
		return s;
	view_dense(&nothing, dtype, 0, NULL, (void *)zero);
	view_broadcast(&nothing, rank, dims);
	return move_same(c, c->out[i], &nothing);
}

/* Batch b of output i; steps is -1 for a state. */
static clast_status batch_output(scan *x, size_t i, int64_t batch, int64_t steps, const tensor_view *piece,
				 tensor_view *y)
{
	call *c = x->c;
	clast_status s = CLAST_OK;
	if (!batch) {
		int64_t dims[CLAST_MAX_RANK] = { c->in[x->p.first]->dims[0], steps };
		const int lead = steps < 0 ? 1 : 2;
		if (piece->rank + lead > CLAST_MAX_RANK)
			return fail(c->diag, CLAST_ERROR_DATA, "output %zu has more than %d axes", i,
				    CLAST_MAX_RANK);
		memcpy(dims + lead, piece->dims, (size_t)piece->rank * sizeof *dims);
		s = start_output(c, i, piece->dtype, piece->rank + lead, dims);
	}
	if (s)
		return s;
	*y = *c->out[i];
	view_select(y, 0, batch);
	const int lead = steps < 0 ? 0 : 1;
	if (y->rank != piece->rank + lead ||
	    memcmp(y->dims + lead, piece->dims, (size_t)piece->rank * sizeof *y->dims))
		return fail(c->diag, CLAST_ERROR_DATA,
			    "output %zu: batch %lld gave another shape than the first", i, (long long)batch);
	return CLAST_OK;
}

static clast_status write_batch(scan *x, body_run *r, int64_t batch, int64_t steps)
{
	call *c = x->c;
	clast_status s = CLAST_OK;
	tensor_view y;
	for (size_t i = 0; i < x->p.states && !s; i++) {
		if (!c->out[i])
			continue;
		s = batch_output(x, i, batch, -1, &r->state[i], &y);
		s = s ? s : move_same(c, &y, &r->state[i]);
	}
	for (size_t k = 0; k < x->p.stacked && !s; k++) {
		const size_t i = x->p.states + k;
		int64_t dims[CLAST_MAX_RANK];
		int rank;
		if (!c->out[i])
			continue;
		if (!r->trips)
			return fail(c->diag, CLAST_ERROR_UNSUPPORTED,
				    "a batch without steps has no shape for scan outputs");
		s = body_stack_dims(r, k, 0, &rank, dims);
		s = s ? s : batch_output(x, i, batch, steps, body_piece(r, 0, k), &y);
		s = s ? s : body_write_stack(r, k, &y, 0, false);
	}
	return s;
}

static clast_status scan_batch(scan *x, int64_t batch)
{
	call *c = x->c;
	const size_t n = x->p.states + x->p.scans;
	body_run r;
	clast_status s = body_start(&r, c, ((const attrs *)c->attrs)->body, 0, x->p.states, x->p.stacked);
	for (size_t i = 0; i < n; i++) {
		x->inputs[i] = *c->in[x->p.first + i];
		view_select(&x->inputs[i], 0, batch);
	}
	const int64_t steps = x->inputs[x->p.states].dims[0];
	int64_t length = c->in[0] ? load_int(c->in[0], axis_offset(c->in[0], 0, batch)) : steps;
	if (!s && (length < 0 || length > steps))
		s = fail(c->diag, CLAST_ERROR_DATA,
			 "sequence_lens: expected a length in [0, %lld], found %lld", (long long)steps,
			 (long long)length);
	s = s ? s : iterate(x, &r, length);
	s = s ? s : write_batch(x, &r, batch, steps);
	body_end(&r);
	return s;
}

static clast_status reference(call *c)
{
	scan x = { .c = c, .p = find_parts(c->attrs, c->version, c->n_in, c->n_out) };
	const size_t n = x.p.states + x.p.scans;
	x.inputs = mem_array(c->memory, n + x.p.scans, sizeof *x.inputs);
	x.args = mem_array(c->memory, n, sizeof *x.args);
	clast_status s = x.inputs && x.args ? CLAST_OK : fail_memory(c->diag, 0);
	x.slices = x.inputs + n;
	if (!s && x.p.batched) {
		for (int64_t b = 0; b < c->in[x.p.first]->dims[0] && !s; b++)
			s = scan_batch(&x, b);
	} else if (!s) {
		for (size_t i = 0; i < n; i++)
			x.inputs[i] = *c->in[i];
		s = scan_once(&x);
	}
	mem_free(c->memory, x.inputs, x.inputs ? (n + x.p.scans) * sizeof *x.inputs : 0);
	mem_free(c->memory, x.args, x.args ? n * sizeof *x.args : 0);
	return s;
}

/* States, then scan inputs, then scan outputs. A batch axis is taken off what comes in and put back by copying. */
static bool tie(const infer_in *in, size_t index, body_tie *t)
{
	const attrs *at = in->attrs;
	const parts p = find_parts(at, in->version, in->n_in, in->n_out);
	const int i = (int)index, k = i - (int)p.states, o = k - (int)p.scans;
	if (p.batched)
		return false;
	if (k < 0)
		*t = (body_tie){ .kind = TIE_SAME, .in = i, .out = i, .body_in = i, .body_out = i };
	else if (o < 0)
		*t = (body_tie){ .kind = TIE_SLICE, .in = i, .out = -1, .body_in = i, .body_out = -1,
				 .axis = at->input_axes.given ? at->input_axes.v[k] : 0 };
	else
		*t = (body_tie){ .kind = TIE_STACK, .in = -1, .out = i - (int)p.scans, .body_in = -1, .body_out = i - (int)p.scans,
				 .axis = o < (int)p.stacked && at->output_axes.given ? at->output_axes.v[o] : 0 };
	return index < p.states + p.scans + p.stacked;
}

static dim trips(const infer_in *in, const infer_value *result)
{
	const attrs *at = in->attrs;
	const parts p = find_parts(at, in->version, in->n_in, in->n_out);
	const shape *s = &in->in[p.first + p.states].shape;
	const int64_t axis = at->input_axes.given ? at->input_axes.v[0] : 0, at_axis = (axis < 0 ? axis + s->rank : axis) + p.batched;
	(void)result;
	return at_axis >= 0 && at_axis < s->rank ? s->dims[at_axis] : DIM_UNKNOWN;
}

static const op_version versions[] = { { 8, 0 },  { 9, 0 },  { 11, 0 }, { 16, 0 }, { 19, 0 },
				       { 21, 0 }, { 23, 0 }, { 24, 0 }, { 25, 0 }, { 0 } };
const op op_scan = { .name = "Scan",
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
