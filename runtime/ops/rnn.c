/* ONNX RNN, GRU and LSTM. For every direction and step, with x the step's input, h and c the state before it:
 *
 *   RNN   h' = f(W x + R h + b)
 *   GRU   z = f(Wz x + Rz h + bz), r = f(Wr x + Rr h + br), h' = (1 - z) g(.) + z h
 *         with g's argument Wh x + Rh (r h) + bh, or with linear_before_reset Wh x + r (Rh h + Rbh) + Wbh
 *   LSTM  i = f(Wi x + Ri h + Pi c + bi), f = f(Wf x + Rf h + Pf c + bf), or with input_forget 1 - i,
 *         c' = f c + i g(Wc x + Rc h + bc), o = f(Wo x + Ro h + Po c' + bo), h' = o h(c')
 *
 * X: [T, B, I], W: [D, G H, I], R: [D, G H, H], biases: [D, 2 G H] (of W, then of R), sequence_lens: [B],
 * initial h and c: [D, B, H], P: [D, 3 H] (i, o, f); Y: [T, D, B, H], Y_h and Y_c: [D, B, H].
 * With layout 1 the batch comes first everywhere. Gates lie in the order z r h and i o f c.
 * Y is 0 beyond the end of a sequence; the reverse direction begins at that end.
 * clip bounds the arguments of the gates' activations, but not that of h(c'), where the specification is
 * silent and ONNX Runtime and OpenVINO agree. */
#include <math.h>
#include <string.h>

#include "offsets.h"
#include "product.h"
#include "rnn_attrs.h"

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES };
enum { Y, Y_H, Y_C };

/* ---- Inference ---- */

static clast_status expect(const infer_in *in, size_t i, int rank, const dim *dims, clast_diag *d)
{
	if (!has_input(in, i))
		return CLAST_OK;
	const shape *s = &in->in[i].shape;
	clast_status status =
		i == LENGTHS ? infer_dtype(in, i, DTYPE_BIT(CLAST_INT32), d) : infer_same_dtype(in, X, i, d);
	if (!status)
		status = infer_rank(in, i, rank, rank, d);
	for (int a = 0; !status && a < s->rank; a++)
		if (dim_is_number(s->dims[a]) && dim_is_number(dims[a]) && s->dims[a] != dims[a])
			return fail(d, CLAST_ERROR_MODEL, "input %zu: axis %d has extent %lld, expected %lld",
				    i, a, (long long)s->dims[a], (long long)dims[a]);
	return status;
}

static dim extent(const infer_in *in, size_t i, int axis)
{
	return has_input(in, i) && in->in[i].shape.rank > axis ? in->in[i].shape.dims[axis] : DIM_UNKNOWN;
}

static clast_status check_attributes(const infer_in *in, clast_diag *d)
{
	const rnn_attrs *a = in->attrs;
	rnn_activation activations[RNN_MAX_ACTIVATIONS];
	if (a->clip < 0)
		return fail(d, CLAST_ERROR_MODEL, "attribute clip: expected a positive number, found %g",
			    (double)a->clip);
	if (a->hidden_size < 0)
		return fail(d, CLAST_ERROR_MODEL, "attribute hidden_size: found %lld",
			    (long long)a->hidden_size);
	return rnn_activations(a, in->op->family, activations, d);
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const rnn_attrs *a = in->attrs;
	dim_table *t = in->dims;
	const dim gates = in->op->family, directions = rnn_directions(a);
	clast_status s = check_attributes(in, d);
	if (!s)
		s = infer_rank(in, X, 3, 3, d);
	if (!s)
		s = infer_rank(in, R, 3, 3, d);
	if (s)
		return s;
	const dim steps = extent(in, X, a->batch_first), batch = extent(in, X, !a->batch_first),
		  size = extent(in, X, 2);
	const dim hidden = a->hidden_size ? a->hidden_size : extent(in, R, 2),
		  rows = dim_mul(t, hidden, gates);
	const dim state[] = { a->batch_first ? batch : directions, a->batch_first ? directions : batch,
			      hidden };
	s = expect(in, W, 3, (dim[]){ directions, rows, size }, d);
	if (!s)
		s = expect(in, R, 3, (dim[]){ directions, rows, hidden }, d);
	if (!s)
		s = expect(in, B, 2, (dim[]){ directions, dim_mul(t, rows, 2) }, d);
	if (!s)
		s = expect(in, LENGTHS, 1, &batch, d);
	if (!s)
		s = expect(in, INITIAL_H, 3, state, d);
	if (!s)
		s = expect(in, INITIAL_C, 3, state, d);
	if (!s)
		s = expect(in, PEEPHOLES, 2, (dim[]){ directions, dim_mul(t, hidden, 3) }, d);
	if (s || in->in[X].shape.rank < 0 || hidden == DIM_UNKNOWN)
		return s;
	const shape all = a->batch_first ? (shape){ 4, { batch, steps, directions, hidden } }
					 : (shape){ 4, { steps, directions, batch, hidden } };
	for (size_t i = 0; i < in->n_out; i++)
		if (wants_output(in, out, i))
			infer_set(out, i, in->in[X].dtype,
				  i == Y ? &all : &(shape){ 3, { state[0], state[1], state[2] } });
	return CLAST_OK;
}

/* ---- Reference ---- */

/* Rows of a matrix side by side in lanes, as product_lanes() takes them: rows in groups of PRODUCT_LANES, the
 * last padded with 0. */
typedef struct matrix {
	int64_t rows, columns;
	double *panels;
} matrix;

typedef struct work {
	call *c;
	const rnn_attrs *attrs;
	int family;
	int64_t steps, batch, size, hidden, direction;
	rnn_activation activations[RNN_MAX_ACTIVATIONS];
	matrix w, r;
	/* Of one direction; the biases of W and R apart, the peepholes of i, o, f. */
	double *bias_w, *bias_r, *peepholes;
	/* Of one sequence and step */
	double *x, *h, *cell, *from_x, *from_h, *gated;
} work;

static bool matrix_new(bump *b, matrix *m, int64_t rows, int64_t columns)
{
	*m = (matrix){ rows, columns, NULL };
	const int64_t groups = (rows + PRODUCT_LANES - 1) / PRODUCT_LANES;
	m->panels = bump_array(b, (size_t)(groups * columns + 1), PRODUCT_LANES * sizeof(double));
	return m->panels;
}

static void matrix_load(matrix *m, const tensor_view *v, int64_t direction)
{
	const int64_t base = axis_offset(v, 0, direction);
	for (int64_t i = 0; i < m->rows; i++) {
		double *to = m->panels + i / PRODUCT_LANES * m->columns * PRODUCT_LANES + i % PRODUCT_LANES;
		const int64_t row = base + axis_offset(v, 1, i);
		for (int64_t k = 0; k < m->columns; k++)
			to[k * PRODUCT_LANES] = load_real(v, row + axis_offset(v, 2, k));
	}
}

/* y[first..end) of m x; first and end need not be multiples of the lanes. */
static void matrix_apply(const matrix *m, const double *x, int64_t first, int64_t end, double *y)
{
	for (int64_t i = first - first % PRODUCT_LANES; i < end; i += PRODUCT_LANES) {
		double sums[PRODUCT_LANES];
		product_lanes(m->columns, x, m->panels + i * m->columns, sums);
		for (int64_t k = i < first ? first : i; k < end && k < i + PRODUCT_LANES; k++)
			y[k] = sums[k - i];
	}
}

/* v[direction, :] or zeros where v is absent. */
static void load_vector(const tensor_view *v, int64_t direction, int64_t first, int64_t n, double *to)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = v ? load_real(v, axis_offset(v, 0, direction) + axis_offset(v, 1, first + i)) : 0;
}

static const tensor_view *input(const call *c, size_t i)
{
	return i < c->n_in ? c->in[i] : NULL;
}

static int64_t state_offset(const work *k, const tensor_view *v, int64_t batch)
{
	return axis_offset(v, k->attrs->batch_first, k->direction) +
	       axis_offset(v, !k->attrs->batch_first, batch);
}

static void load_state(const work *k, const tensor_view *v, int64_t batch, double *to)
{
	for (int64_t i = 0; i < k->hidden; i++)
		to[i] = v ? load_real(v, state_offset(k, v, batch) + axis_offset(v, 2, i)) : 0;
}

static void store_state(const work *k, size_t output, int64_t batch, const double *from)
{
	const tensor_view *v = output < k->c->n_out ? k->c->out[output] : NULL;
	for (int64_t i = 0; v && i < k->hidden; i++)
		store_real(v, state_offset(k, v, batch) + axis_offset(v, 2, i), from[i]);
}

/* from NULL: zeros. */
static void store_step(const work *k, int64_t step, int64_t batch, const double *from)
{
	const tensor_view *v = k->c->n_out ? k->c->out[Y] : NULL;
	if (!v)
		return;
	const bool first = k->attrs->batch_first;
	const int64_t base = axis_offset(v, first ? 0 : 2, batch) + axis_offset(v, first ? 1 : 0, step) +
			     axis_offset(v, first ? 2 : 1, k->direction);
	for (int64_t i = 0; i < k->hidden; i++)
		store_real(v, base + axis_offset(v, 3, i), from ? from[i] : 0);
}

static double activate_plain(const work *k, int which, double x)
{
	return rnn_activate(&k->activations[k->direction * rnn_activation_count(k->family) + which], x);
}

static double activate(const work *k, int which, double x)
{
	const double clip = (double)k->attrs->clip;
	return activate_plain(k, which, clip > 0 && x < -clip ? -clip : clip > 0 && x > clip ? clip : x);
}

/* The argument of gate g's activation, peepholes aside. */
static double gate(const work *k, int g, int64_t i)
{
	const int64_t at = g * k->hidden + i;
	return k->from_x[at] + k->from_h[at] + k->bias_w[at] + k->bias_r[at];
}

static void step_rnn(work *k)
{
	for (int64_t i = 0; i < k->hidden; i++)
		k->h[i] = activate(k, 0, gate(k, 0, i));
}

static void step_gru(work *k)
{
	const int64_t n = k->hidden;
	if (!k->attrs->linear_before_reset) {
		for (int64_t i = 0; i < n; i++)
			k->gated[i] = activate(k, 0, gate(k, 1, i)) * k->h[i];
		matrix_apply(&k->r, k->gated, 2 * n, 3 * n, k->from_h);
	} else {
		for (int64_t i = 0; i < n; i++) {
			const int64_t at = 2 * n + i;
			k->from_h[at] = activate(k, 0, gate(k, 1, i)) * (k->from_h[at] + k->bias_r[at]) -
					k->bias_r[at];
		}
	}
	for (int64_t i = 0; i < n; i++) {
		const double z = activate(k, 0, gate(k, 0, i));
		k->h[i] = (1 - z) * activate(k, 1, gate(k, 2, i)) + z * k->h[i];
	}
}

static void step_lstm(work *k)
{
	const int64_t n = k->hidden;
	for (int64_t j = 0; j < n; j++) {
		const double c = k->cell[j];
		const double i = activate(k, 0, gate(k, 0, j) + k->peepholes[j] * c);
		const double f = k->attrs->input_forget
					 ? 1 - i
					 : activate(k, 0, gate(k, 2, j) + k->peepholes[2 * n + j] * c);
		k->cell[j] = f * c + i * activate(k, 1, gate(k, 3, j));
		const double o = activate(k, 0, gate(k, 1, j) + k->peepholes[n + j] * k->cell[j]);
		k->h[j] = o * activate_plain(k, 2, k->cell[j]);
	}
}

static void step(work *k, int64_t t, int64_t batch)
{
	const tensor_view *x = k->c->in[X];
	const int64_t base =
		axis_offset(x, k->attrs->batch_first, t) + axis_offset(x, !k->attrs->batch_first, batch);
	for (int64_t i = 0; i < k->size; i++)
		k->x[i] = load_real(x, base + axis_offset(x, 2, i));
	matrix_apply(&k->w, k->x, 0, k->w.rows, k->from_x);
	matrix_apply(&k->r, k->h, 0, k->r.rows, k->from_h);
	if (k->family == FAMILY_RNN)
		step_rnn(k);
	else if (k->family == FAMILY_GRU)
		step_gru(k);
	else
		step_lstm(k);
	store_step(k, t, batch, k->h);
}

static clast_status run_sequence(work *k, int64_t batch)
{
	call *c = k->c;
	const tensor_view *lengths = input(c, LENGTHS);
	const int64_t length = lengths ? load_int(lengths, axis_offset(lengths, 0, batch)) : k->steps;
	if (length < 0 || length > k->steps)
		return fail(c->diag, CLAST_ERROR_DATA, "sequence_lens[%lld]: expected 0 to %lld, found %lld",
			    (long long)batch, (long long)k->steps, (long long)length);
	const bool reverse = k->attrs->direction == RNN_REVERSE || k->direction == 1;
	load_state(k, input(c, INITIAL_H), batch, k->h);
	load_state(k, input(c, INITIAL_C), batch, k->cell);
	for (int64_t i = 0; i < length; i++) {
		step(k, reverse ? length - 1 - i : i, batch);
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	for (int64_t t = length; t < k->steps; t++)
		store_step(k, t, batch, NULL);
	store_state(k, Y_H, batch, k->h);
	store_state(k, Y_C, batch, k->cell);
	return CLAST_OK;
}

static bool allocate(work *k, bump *b)
{
	const int64_t rows = k->family * k->hidden;
	double **const vectors[] = { &k->bias_w, &k->bias_r, &k->peepholes, &k->x,    &k->h,
				     &k->cell,   &k->from_x, &k->from_h,    &k->gated };
	const int64_t counts[] = { rows,      rows, 3 * k->hidden, k->size,  k->hidden,
				   k->hidden, rows, rows,          k->hidden };
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		if (!(*vectors[i] = bump_array(b, (size_t)counts[i] + 1, sizeof(double))))
			return false;
	return matrix_new(b, &k->w, rows, k->size) && matrix_new(b, &k->r, rows, k->hidden);
}

static clast_status reference(call *c)
{
	const rnn_attrs *a = c->attrs;
	const tensor_view *x = c->in[X];
	const int64_t hidden = c->in[R]->dims[2], rows = c->op->family * hidden;
	work k = { .c = c,
		   .attrs = a,
		   .family = c->op->family,
		   .steps = x->dims[a->batch_first],
		   .batch = x->dims[!a->batch_first],
		   .size = x->dims[2],
		   .hidden = hidden };
	clast_status s = rnn_activations(a, k.family, k.activations, c->diag);
	if (s)
		return s;
	bump b;
	bump_init(&b, c->memory);
	if (!allocate(&k, &b))
		s = fail_memory(c->diag, 0);
	for (k.direction = 0; !s && k.direction < rnn_directions(a); k.direction++) {
		matrix_load(&k.w, c->in[W], k.direction);
		matrix_load(&k.r, c->in[R], k.direction);
		load_vector(input(c, B), k.direction, 0, rows, k.bias_w);
		load_vector(input(c, B), k.direction, rows, rows, k.bias_r);
		load_vector(input(c, PEEPHOLES), k.direction, 0, 3 * hidden, k.peepholes);
		for (int64_t i = 0; !s && i < k.batch; i++)
			s = run_sequence(&k, i);
	}
	bump_release(&b);
	return s;
}

/* ---- The operators ---- */

static const char *const directions[] = { "forward", "reverse", "bidirectional", NULL };
#define RNN_ATTRS                                                                                            \
	{ "activations", ATTR_STRINGS, offsetof(rnn_attrs, activations) },                                   \
		{ "activation_alpha", ATTR_FLOATS, offsetof(rnn_attrs, activation_alpha) },                  \
		{ "activation_beta", ATTR_FLOATS, offsetof(rnn_attrs, activation_beta) },                    \
		{ "clip", ATTR_FLOAT, offsetof(rnn_attrs, clip) },                                           \
		{ "direction", ATTR_ENUM, offsetof(rnn_attrs, direction), .names = directions },             \
		{ "hidden_size", ATTR_INT, offsetof(rnn_attrs, hidden_size) },                               \
		{ "layout", ATTR_BOOL, offsetof(rnn_attrs, batch_first), .since = 14 },                      \
	{                                                                                                    \
		"output_sequence", ATTR_INT, offsetof(rnn_attrs, output_sequence), .until = 7                \
	}

static const attr_spec rnn_spec[] = { RNN_ATTRS, { 0 } };
static const op_version rnn_versions[] = {
	{ 1, DTYPES_FLOAT }, { 7, DTYPES_FLOAT }, { 14, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_rnn = { .name = "RNN",
		    .domain = "",
		    .versions = rnn_versions,
		    .attrs = rnn_spec,
		    .attrs_bytes = sizeof(rnn_attrs),
		    .min_in = 3,
		    .max_in = 6,
		    .min_out = 0,
		    .max_out = 2,
		    .rule = RULE_CONTRACT,
		    .infer = infer,
		    .reference = reference,
		    .family = FAMILY_RNN };

static const attr_spec gru_spec[] = { RNN_ATTRS,
				      { "linear_before_reset", ATTR_BOOL,
					offsetof(rnn_attrs, linear_before_reset), .since = 3 },
				      { 0 } };
static const op_version gru_versions[] = { { 1, DTYPES_FLOAT },       { 3, DTYPES_FLOAT },
					   { 7, DTYPES_FLOAT },       { 14, DTYPES_FLOAT },
					   { 22, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_gru = { .name = "GRU",
		    .domain = "",
		    .versions = gru_versions,
		    .attrs = gru_spec,
		    .attrs_bytes = sizeof(rnn_attrs),
		    .min_in = 3,
		    .max_in = 6,
		    .min_out = 0,
		    .max_out = 2,
		    .rule = RULE_CONTRACT,
		    .infer = infer,
		    .reference = reference,
		    .family = FAMILY_GRU };

static const attr_spec lstm_spec[] = { RNN_ATTRS,
				       { "input_forget", ATTR_BOOL, offsetof(rnn_attrs, input_forget) },
				       { 0 } };
static const op_version lstm_versions[] = {
	{ 1, DTYPES_FLOAT }, { 7, DTYPES_FLOAT }, { 14, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_lstm = { .name = "LSTM",
		     .domain = "",
		     .versions = lstm_versions,
		     .attrs = lstm_spec,
		     .attrs_bytes = sizeof(rnn_attrs),
		     .min_in = 3,
		     .max_in = 8,
		     .min_out = 0,
		     .max_out = 3,
		     .rule = RULE_CONTRACT,
		     .infer = infer,
		     .reference = reference,
		     .family = FAMILY_LSTM };
