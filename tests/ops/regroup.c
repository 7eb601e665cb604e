/* Reshape, Flatten, Squeeze, Unsqueeze, Transpose, DepthToSpace, SpaceToDepth: the elements stay, the axes
 * change. */
#include <criterion/criterion.h>

#include "harness.h"
#include "infer.h"

#define F CLAST_FLOAT32
#define I64 CLAST_INT64

Test(reshape, zero_copies_and_minus_one_is_what_is_left)
{
	op_case *c = case_new("Reshape", 14);
	case_random(c, F, INTS(2, 3, 4), -1, 1);
	case_in_ints(c, I64, INTS(3), INTS(0, -1, 2));
	case_out(c, F, INTS(2, 6, 2), NONE);
	case_complete(c);
	case_run(c);
}

Test(reshape, opset_1_has_an_attribute)
{
	op_case *c = case_new("Reshape", 1);
	case_ints(c, "shape", INTS(3, -1));
	case_in(c, F, INTS(2, 3), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, F, INTS(3, 2), REALS(1, 2, 3, 4, 5, 6));
	case_complete(c);
	case_run(c);
}

Test(reshape, allowzero_takes_zero_as_it_is)
{
	op_case *c = case_new("Reshape", 14);
	case_int(c, "allowzero", 1);
	case_in(c, F, INTS(0, 3), NONE);
	case_in_ints(c, I64, INTS(2), INTS(3, 0));
	case_out(c, F, INTS(3, 0), NONE);
	case_run(c);
	c = case_new("Reshape", 14);
	case_int(c, "allowzero", 1);
	case_in(c, F, INTS(0, 3), NONE);
	case_in_ints(c, I64, INTS(2), INTS(-1, 0));
	case_out(c, F, INTS(0, 0), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "allowzero");
}

Test(reshape, an_empty_tensor_and_a_scalar)
{
	op_case *c = case_new("Reshape", 13);
	case_in(c, F, INTS(0, 3, 4), NONE);
	case_in_ints(c, I64, INTS(2), INTS(0, -1));
	case_out(c, F, INTS(0, 12), NONE);
	case_run(c);
	c = case_new("Reshape", 13);
	case_in(c, F, INTS(1, 1), REALS(7));
	case_in_ints(c, I64, INTS(0), NONE);
	case_out(c, F, NONE, REALS(7));
	case_run(c);
}

Test(reshape, what_does_not_fit_is_an_error)
{
	static const struct {
		int64_t shape[2];
		const char *text;
	} bad[] = { { { 4, 2 }, "6 elements" },
		    { { 4, -1 }, "-1" },
		    { { -1, -1 }, "2 times" },
		    { { -2, 3 }, "is -2" } };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		op_case *c = case_new("Reshape", 13);
		case_random(c, F, INTS(2, 3), -1, 1);
		case_in_ints(c, I64, INTS(2), 2, bad[i].shape);
		case_out(c, F, INTS(6), NONE);
		case_fails(c, CLAST_ERROR_MODEL, bad[i].text);
	}
	op_case *c = case_new("Reshape", 13);
	case_random(c, F, INTS(6), -1, 1);
	case_in_ints(c, I64, INTS(2), INTS(6, 0));
	case_out(c, F, INTS(6), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "rank 1");
}

/* Infers an operator with symbolic dims; ints gives the elements of input 1. */
static shape infer_symbolic(clast_model *m, const char *name, const void *attrs, int version, shape x,
			    size_t n, const dim *ints)
{
	const op *o = op_find("", name);
	const infer_value in[2] = { { .present = true, .dtype = F, .shape = x },
				    { .present = true,
				      .dtype = I64,
				      .shape = { .rank = 1, .dims = { (dim)n } },
				      .ints = ints,
				      .int_count = n } };
	infer_value out[1] = { { .present = true, .shape.rank = -1 } };
	const infer_in i = { .op = o,
			     .dims = m->dims,
			     .attrs = attrs,
			     .version = version,
			     .n_in = 2,
			     .n_out = 1,
			     .in = in,
			     .memory = &m->region };
	clast_diag d = { 0 };
	cr_assert_eq(o->infer(&i, &(infer_out){ out }, &d), CLAST_OK, "%s", d.message);
	return out[0].shape;
}

Test(reshape, symbols_cancel)
{
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	const dim n = dim_symbol(m->dims, "n", 1, DIM_NO_MAX), h = dim_symbol(m->dims, "h", 1, DIM_NO_MAX);
	const dim w = dim_symbol(m->dims, "w", 1, DIM_NO_MAX), hw = dim_mul(m->dims, h, w);
	char attrs[256] = { 0 };
	const shape x = { .rank = 4, .dims = { n, 32, h, w } };
	/* [n, 32, h, w] to [n, 8, -1, w] */
	shape y = infer_symbolic(m, "Reshape", attrs, 13, x, 4, (dim[]){ n, 8, -1, w });
	cr_expect(y.dims[2] == dim_mul(m->dims, 4, h));
	/* to [0, 32, -1]: h * w, computed by division of the product */
	y = infer_symbolic(m, "Reshape", attrs, 13, x, 3, (dim[]){ 0, 32, -1 });
	cr_expect(y.dims[2] == hw);
	/* A single extent that is not known follows from the others, whatever it says. */
	y = infer_symbolic(m, "Reshape", attrs, 13, x, 3, (dim[]){ n, DIM_UNKNOWN, hw });
	cr_expect(y.dims[1] == 32);
	y = infer_symbolic(m, "Reshape", attrs, 13, x, 2, (dim[]){ hw, -1 });
	cr_expect(y.dims[1] == dim_mul(m->dims, 32, n));
	model_release(m);
}

Test(flatten, by_axis)
{
	static const struct {
		int64_t axis, opset, rows, columns;
	} cases[] = {
		{ 1, 13, 2, 12 }, { 0, 13, 1, 24 }, { 3, 13, 24, 1 }, { -1, 13, 6, 4 }, { 2, 9, 6, 4 }
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		op_case *c = case_new("Flatten", cases[i].opset);
		case_int(c, "axis", cases[i].axis);
		case_random(c, F, INTS(2, 3, 4), -1, 1);
		case_out(c, F, INTS(cases[i].rows, cases[i].columns), NONE);
		case_complete(c);
		case_run(c);
	}
	op_case *c = case_new("Flatten", 9);
	case_int(c, "axis", -1);
	case_random(c, F, INTS(2, 3, 4), -1, 1);
	case_out(c, F, INTS(6, 4), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis: expected a value in [0, 3]");
}

Test(squeeze, attribute_input_and_none)
{
	op_case *c = case_new("Squeeze", 11);
	case_ints(c, "axes", INTS(0, -1));
	case_random(c, F, INTS(1, 3, 1, 2, 1), -1, 1);
	case_out(c, F, INTS(3, 1, 2), NONE);
	case_complete(c);
	case_run(c);
	c = case_new("Squeeze", 13);
	case_random(c, F, INTS(1, 3, 1), -1, 1);
	case_in_ints(c, I64, INTS(1), INTS(2));
	case_out(c, F, INTS(1, 3), NONE);
	case_complete(c);
	case_run(c);
	c = case_new("Squeeze", 13);
	case_random(c, F, INTS(1, 3, 1), -1, 1);
	case_out(c, F, INTS(3), NONE);
	case_run(c);
}

Test(squeeze, an_axis_that_is_not_1)
{
	op_case *c = case_new("Squeeze", 13);
	case_random(c, F, INTS(1, 3), -1, 1);
	case_in_ints(c, I64, INTS(1), INTS(1));
	case_out(c, F, INTS(1), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis 1 has extent 3, expected 1");
}

Test(unsqueeze, attribute_and_input)
{
	op_case *c = case_new("Unsqueeze", 11);
	case_ints(c, "axes", INTS(0, -1));
	case_random(c, F, INTS(3, 2), -1, 1);
	case_out(c, F, INTS(1, 3, 2, 1), NONE);
	case_complete(c);
	case_run(c);
	c = case_new("Unsqueeze", 13);
	case_in_ints(c, I64, NONE, INTS(5));
	case_in_ints(c, I64, INTS(1), INTS(0));
	case_out_ints(c, I64, INTS(1), INTS(5));
	case_complete(c);
	case_run(c);
	c = case_new("Unsqueeze", 13);
	case_random(c, F, INTS(3, 2), -1, 1);
	case_in_ints(c, I64, INTS(2), INTS(1, 1));
	case_out(c, F, INTS(3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "listed twice");
}

Test(transpose, given_and_reversed)
{
	op_case *c = case_new("Transpose", 13);
	case_ints(c, "perm", INTS(1, 2, 0));
	case_in(c, F, INTS(1, 2, 3), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, F, INTS(2, 3, 1), REALS(1, 2, 3, 4, 5, 6));
	case_complete(c);
	case_run(c);
	c = case_new("Transpose", 1);
	case_in(c, CLAST_INT8, INTS(2, 3), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, CLAST_INT8, INTS(3, 2), REALS(1, 4, 2, 5, 3, 6));
	case_complete(c);
	case_run(c);
	c = case_new("Transpose", 13);
	case_in_strings(c, INTS(2, 2), STRINGS("a", "b", "c", "d"));
	case_out_strings(c, INTS(2, 2), STRINGS("a", "c", "b", "d"));
	case_run(c);
}

Test(transpose, perm_must_be_one)
{
	op_case *c = case_new("Transpose", 13);
	case_ints(c, "perm", INTS(0, 0));
	case_random(c, F, INTS(2, 3), -1, 1);
	case_out(c, F, INTS(2, 3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "listed twice");
	c = case_new("Transpose", 13);
	case_ints(c, "perm", INTS(0));
	case_random(c, F, INTS(2, 3), -1, 1);
	case_out(c, F, INTS(2, 3), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "expected 2 axes, found 1");
}

/* pads computed in a graph: reshape to pairs, reverse, transpose, flatten. */
Test(transpose, small_integers_are_followed)
{
	op_case *c = case_new("Transpose", 13);
	case_in_ints(c, I64, INTS(2, 2), INTS(2, 3, 4, 5));
	case_out_ints(c, I64, INTS(2, 2), INTS(2, 4, 3, 5));
	case_run(c);
}

#define EIGHT REALS(0, 1, 2, 3, 4, 5, 6, 7)

Test(depth_to_space, modes)
{
	op_case *c = case_new("DepthToSpace", 13);
	case_int(c, "blocksize", 2);
	case_in(c, F, INTS(1, 8, 1, 1), EIGHT);
	case_out(c, F, INTS(1, 2, 2, 2), REALS(0, 2, 4, 6, 1, 3, 5, 7));
	case_complete(c);
	case_run(c);
	c = case_new("DepthToSpace", 13);
	case_int(c, "blocksize", 2);
	case_string(c, "mode", "CRD");
	case_in(c, F, INTS(1, 8, 1, 1), EIGHT);
	case_out(c, F, INTS(1, 2, 2, 2), EIGHT);
	case_complete(c);
	case_run(c);
	c = case_new("DepthToSpace", 1);
	case_int(c, "blocksize", 3);
	case_random(c, F, INTS(2, 18, 2, 3), -1, 1);
	case_out(c, F, INTS(2, 2, 6, 9), NONE);
	case_complete(c);
	case_run(c);
}

Test(space_to_depth, is_the_inverse)
{
	op_case *c = case_new("SpaceToDepth", 13);
	case_int(c, "blocksize", 2);
	case_in(c, F, INTS(1, 2, 2, 2), REALS(0, 2, 4, 6, 1, 3, 5, 7));
	case_out(c, F, INTS(1, 8, 1, 1), EIGHT);
	case_complete(c);
	case_run(c);
	c = case_new("SpaceToDepth", 28);
	case_int(c, "blocksize", 2);
	case_string(c, "mode", "CRD");
	case_in(c, F, INTS(1, 2, 2, 2), EIGHT);
	case_out(c, F, INTS(1, 8, 1, 1), EIGHT);
	case_complete(c);
	case_run(c);
	c = case_new("SpaceToDepth", 1);
	case_int(c, "blocksize", 3);
	case_random(c, CLAST_UINT8, INTS(2, 2, 6, 9), 0, 255);
	case_out(c, CLAST_UINT8, INTS(2, 18, 2, 3), NONE);
	case_complete(c);
	case_run(c);
}

Test(space_to_depth, blocks_must_fit)
{
	op_case *c = case_new("SpaceToDepth", 13);
	case_int(c, "blocksize", 2);
	case_random(c, F, INTS(1, 2, 3, 2), -1, 1);
	case_out(c, F, INTS(1, 8, 1, 1), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "axis 2 has extent 3");
	c = case_new("DepthToSpace", 13);
	case_int(c, "blocksize", 0);
	case_random(c, F, INTS(1, 4, 3, 2), -1, 1);
	case_out(c, F, INTS(1, 1, 6, 4), NONE);
	case_fails(c, CLAST_ERROR_MODEL, "blocksize");
}
