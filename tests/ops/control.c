/* If, Loop and Scan with bodies played by functions, and their inference with bodies played by shapes. */
#include <criterion/criterion.h>

#include "harness.h"
#include "infer.h"

#define F CLAST_FLOAT32
#define I64 CLAST_INT64

/* Gives the number of the body. */
static clast_status which(call *k, int body, size_t n_in, const tensor_view *const *in, size_t n_out,
			  tensor_view *out)
{
	(void)in;
	cr_assert(n_in == 0 && n_out == 1);
	out[0] = case_new_tensor(k, I64, 1, (int64_t[]){ 2 });
	store_int(&out[0], 0, body);
	store_int(&out[0], 1, 7);
	return CLAST_OK;
}

Test(if, takes_one_branch)
{
	for (int64_t cond = 0; cond < 2; cond++) {
		op_case *c = case_new("If", 16);
		case_body(c, which);
		case_in_ints(c, CLAST_BOOL, INTS(1), INTS(cond));
		case_out_ints(c, I64, INTS(2), INTS(!cond, 7));
		case_run(c);
	}
}

/* cond, sum + i, and a row (i, sum): stops when the sum exceeds 5. */
static clast_status add_up(call *k, int body, size_t n_in, const tensor_view *const *in, size_t n_out,
			   tensor_view *out)
{
	(void)body;
	cr_assert(n_in == 3 && n_out == 3);
	const int64_t i = load_int(in[0], 0), sum = load_int(in[2], 0) + i;
	out[0] = case_new_tensor(k, CLAST_BOOL, 0, NULL);
	out[1] = case_new_tensor(k, I64, 0, NULL);
	out[2] = case_new_tensor(k, I64, 1, (int64_t[]){ 2 });
	store_int(&out[0], 0, sum <= 5);
	store_int(&out[1], 0, sum);
	store_int(&out[2], 0, i);
	store_int(&out[2], 1, sum);
	return CLAST_OK;
}

static op_case *loop(int64_t trips, int cond)
{
	op_case *c = case_new("Loop", 13);
	case_body(c, add_up);
	if (trips < 0)
		case_absent(c);
	else
		case_in_ints(c, I64, NONE, INTS(trips));
	if (cond < 0)
		case_absent(c);
	else
		case_in_ints(c, CLAST_BOOL, NONE, INTS(cond));
	case_in_ints(c, I64, NONE, INTS(1));
	return c;
}

Test(loop, counts_stops_and_stacks)
{
	op_case *c = loop(3, 1);
	case_out_ints(c, I64, NONE, INTS(4));
	case_out_ints(c, I64, INTS(3, 2), INTS(0, 1, 1, 2, 2, 4));
	case_run(c);
	/* By the condition, without a limit. */
	c = loop(-1, 1);
	case_out_ints(c, I64, NONE, INTS(7));
	case_out_ints(c, I64, INTS(4, 2), INTS(0, 1, 1, 2, 2, 4, 3, 7));
	case_run(c);
	/* Without an input, the body's condition is ignored. */
	c = loop(6, -1);
	case_out_ints(c, I64, NONE, INTS(16));
	case_out_absent(c);
	case_run(c);
	/* Not at all: the carried value passes through. */
	c = loop(3, 0);
	case_out_ints(c, I64, NONE, INTS(1));
	case_out(c, CLAST_UNDEFINED, INTS(0), NONE);
	case_run(c);
}

/* state + x, and state before. */
static clast_status accumulate(call *k, int body, size_t n_in, const tensor_view *const *in, size_t n_out,
			       tensor_view *out)
{
	(void)body;
	cr_assert(n_in == 2 && n_out == 2 && in[0]->rank == 1 && in[1]->rank == 1);
	for (int o = 0; o < 2; o++) {
		out[o] = case_new_tensor(k, F, 1, in[0]->dims);
		for (int64_t i = 0; i < in[0]->dims[0]; i++)
			store_real(&out[o], i,
				   load_real(in[0], axis_offset(in[0], 0, i)) +
					   (o ? 0 : load_real(in[1], axis_offset(in[1], 0, i))));
	}
	return CLAST_OK;
}

Test(scan, axes_and_directions)
{
	op_case *c = case_new("Scan", 9);
	case_body(c, accumulate);
	case_int(c, "num_scan_inputs", 1);
	case_in(c, F, INTS(2), REALS(0, 0));
	case_in(c, F, INTS(3, 2), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, F, INTS(2), REALS(9, 12));
	case_out(c, F, INTS(3, 2), REALS(0, 0, 1, 2, 4, 6));
	case_run(c);
	c = case_new("Scan", 11);
	case_body(c, accumulate);
	case_int(c, "num_scan_inputs", 1);
	case_ints(c, "scan_input_axes", INTS(-1));
	case_ints(c, "scan_input_directions", INTS(1));
	case_ints(c, "scan_output_axes", INTS(1));
	case_ints(c, "scan_output_directions", INTS(1));
	case_in(c, F, INTS(2), REALS(0, 0));
	case_in(c, F, INTS(2, 3), REALS(1, 3, 5, 2, 4, 6));
	case_out(c, F, INTS(2), REALS(9, 12));
	case_out(c, F, INTS(2, 3), REALS(8, 5, 0, 10, 6, 0));
	case_run(c);
}

Test(scan, opset_8_has_batches_and_lengths)
{
	op_case *c = case_new("Scan", 8);
	case_body(c, accumulate);
	case_int(c, "num_scan_inputs", 1);
	case_in_ints(c, I64, INTS(2), INTS(2, 1));
	case_in(c, F, INTS(2, 1), REALS(0, 10));
	case_in(c, F, INTS(2, 2, 1), REALS(1, 2, 3, 4));
	case_out(c, F, INTS(2, 1), REALS(3, 13));
	case_out(c, F, INTS(2, 2, 1), REALS(0, 1, 10, 0));
	case_run(c);
	c = case_new("Scan", 9);
	case_body(c, accumulate);
	case_int(c, "num_scan_inputs", 3);
	case_in(c, F, INTS(2), REALS(0, 0));
	case_in(c, F, INTS(3, 2), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, F, INTS(2), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "num_scan_inputs");
}

/* ---- Inference ---- */

typedef struct shapes {
	clast_model *m;
	dim batch;
	int calls;
} shapes;

/* Then-branch: [batch, 3]; else-branch: [batch, 4]. */
static clast_status branches(const infer_in *in, int body, size_t n_in, const infer_value *inputs,
			     size_t n_out, infer_value *outputs, clast_diag *d)
{
	(void)n_in, (void)inputs, (void)d;
	cr_assert_eq(n_out, 1);
	const shapes *s = in->driver;
	outputs[0] = (infer_value){ .present = true,
				    .dtype = F,
				    .shape = { .rank = 2, .dims = { s->batch, 3 + body } } };
	return CLAST_OK;
}

/* Appends a row to the carried matrix [n, batch] and gives one of unknown length, and one of fixed. */
static clast_status growing(const infer_in *in, int body, size_t n_in, const infer_value *inputs,
			    size_t n_out, infer_value *outputs, clast_diag *d)
{
	(void)body, (void)d;
	shapes *s = in->driver;
	cr_assert(n_in == 3 && n_out == 4);
	s->calls++;
	outputs[0] = inputs[1];
	outputs[1] = inputs[2];
	outputs[1].shape.dims[0] = dim_add(in->dims, inputs[2].shape.dims[0], 1);
	outputs[2] = (infer_value){ .present = true,
				    .dtype = F,
				    .shape = { .rank = 1,
					       .dims = { dim_fresh(in->dims, "inner", 0, DIM_NO_MAX) } } };
	outputs[3] = (infer_value){ .present = true,
				    .dtype = F,
				    .shape = { .rank = 1, .dims = { dim_mul(in->dims, 2, s->batch) } } };
	return CLAST_OK;
}

static void infer_with(shapes *s, const char *name, void *attrs, size_t n_in, const infer_value *in,
		       size_t n_out, infer_value *out,
		       clast_status (*body)(const infer_in *, int, size_t, const infer_value *, size_t,
					    infer_value *, clast_diag *))
{
	const op *o = op_find("", name);
	clast_diag d = { 0 };
	for (size_t i = 0; i < n_out; i++)
		out[i] = (infer_value){ .present = true, .shape.rank = -1 };
	const infer_in i = { .op = o,
			     .dims = s->m->dims,
			     .attrs = attrs,
			     .version = 16,
			     .n_in = n_in,
			     .n_out = n_out,
			     .in = in,
			     .memory = &s->m->region,
			     .body = body,
			     .driver = s };
	cr_assert_eq(o->infer(&i, &(infer_out){ out }, &d), CLAST_OK, "%s", d.message);
}

static shapes new_shapes(void)
{
	shapes s = { 0 };
	clast_diag d = { 0 };
	cr_assert_eq(model_create(NULL, &s.m, &d), CLAST_OK);
	s.batch = dim_symbol(s.m->dims, "batch", 1, DIM_NO_MAX);
	return s;
}

Test(if, infers_what_both_branches_share)
{
	shapes s = new_shapes();
	int graphs[2] = { 0, 1 };
	infer_value cond = { .present = true, .dtype = CLAST_BOOL, .shape = { .rank = 0 } }, out;
	infer_with(&s, "If", graphs, 1, &cond, 1, &out, branches);
	cr_expect(out.shape.rank == 2 && out.shape.dims[0] == s.batch && dim_is_expr(out.shape.dims[1]));
	/* A known condition takes one. */
	const dim no = 0;
	cond.ints = &no;
	cond.int_count = 1;
	infer_with(&s, "If", graphs, 1, &cond, 1, &out, branches);
	cr_expect(out.shape.dims[0] == s.batch && out.shape.dims[1] == 4);
	model_release(s.m);
}

Test(loop, infers_growing_values_and_trip_counts)
{
	shapes s = new_shapes();
	int body = 0;
	const dim trips = dim_symbol(s.m->dims, "trips", 0, DIM_NO_MAX), yes = 1;
	const infer_value in[3] = {
		{ .present = true, .dtype = I64, .shape = { .rank = 0 }, .ints = &trips, .int_count = 1 },
		{ .present = true,
		  .dtype = CLAST_BOOL,
		  .shape = { .rank = 0 },
		  .ints = &yes,
		  .int_count = 1 },
		{ .present = true, .dtype = F, .shape = { .rank = 2, .dims = { 1, s.batch } } }
	};
	infer_value out[3];
	infer_with(&s, "Loop", &body, 3, in, 3, out, growing);
	cr_expect_eq(s.calls, 2);
	/* The carried matrix: its length is unknown, its width is not. */
	cr_expect(out[0].shape.rank == 2 && dim_is_expr(out[0].shape.dims[0]) &&
		  out[0].shape.dims[1] == s.batch);
	/* The condition comes in true and is passed on: as many rows as trips; an unknown of the body does
	 * not leave it. */
	cr_expect(out[1].shape.rank == 2 && out[1].shape.dims[0] == trips &&
		  dim_is_expr(out[1].shape.dims[1]));
	cr_expect(strncmp(dim_symbol_name(s.m->dims, 0), "inner", 5) != 0);
	cr_expect(out[2].shape.dims[1] == dim_mul(s.m->dims, 2, s.batch));
	model_release(s.m);
}
