#include <criterion/criterion.h>

#include "harness.h"

#define F CLAST_FLOAT32

Test(gemm, transposes_and_scales)
{
	const int64_t a_dims[2][2] = { { 2, 3 }, { 3, 2 } }, b_dims[2][2] = { { 3, 2 }, { 2, 3 } };
	const double a[2][6] = { { 1, 2, 3, 4, 5, 6 }, { 1, 4, 2, 5, 3, 6 } },
		     b[2][6] = { { 1, 2, 3, 4, 5, 6 }, { 1, 3, 5, 2, 4, 6 } };
	for (int i = 0; i < 4; i++) {
		op_case *c = case_new("Gemm", 13);
		case_int(c, "transA", i & 1);
		case_int(c, "transB", i >> 1);
		case_float(c, "alpha", 2);
		case_float(c, "beta", 0.5f);
		case_in(c, F, 2, a_dims[i & 1], 6, a[i & 1]);
		case_in(c, F, 2, b_dims[i >> 1], 6, b[i >> 1]);
		case_in(c, F, INTS(2), REALS(2, 4));
		case_out(c, F, INTS(2, 2), REALS(45, 58, 99, 130));
		case_complete(c);
		case_run(c);
	}
}

Test(gemm, addend_broadcasts)
{
	const int64_t dims[][2] = { { 1, 1 }, { 2, 1 }, { 1, 3 }, { 2, 3 } };
	const double expected[4][6] = {
		{ 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 2, 2, 2 }, { 1, 2, 3, 1, 2, 3 }, { 1, 2, 3, 4, 5, 6 }
	};
	const double values[] = { 1, 2, 3, 4, 5, 6 };
	for (int i = 0; i < 4; i++) {
		op_case *c = case_new("Gemm", 7);
		case_in(c, F, INTS(2, 0), NONE);
		case_in(c, F, INTS(0, 3), NONE);
		case_in(c, F, 2, dims[i], (size_t)(dims[i][0] * dims[i][1]), values);
		case_out(c, F, INTS(2, 3), 6, expected[i]);
		case_run(c);
	}
	op_case *c = case_new("Gemm", 11); /* a scalar, and none */
	case_in(c, F, INTS(1, 1), REALS(3));
	case_in(c, F, INTS(1, 1), REALS(4));
	case_in(c, F, NONE, REALS(1));
	case_out(c, F, INTS(1, 1), REALS(13));
	case_run(c);
	c = case_new("Gemm", 11);
	case_in(c, F, INTS(1, 1), REALS(3));
	case_in(c, F, INTS(1, 1), REALS(4));
	case_out(c, F, INTS(1, 1), REALS(12));
	case_run(c);
}

Test(gemm, broadcast_attribute_before_version_7)
{
	for (int broadcast = 0; broadcast < 2; broadcast++) {
		op_case *c = case_new("Gemm", 6);
		case_int(c, "broadcast", broadcast);
		case_in(c, F, INTS(1, 1), REALS(3));
		case_in(c, F, INTS(1, 2), REALS(4, 5));
		case_in(c, F, INTS(2), REALS(1, 2));
		case_out(c, F, INTS(1, 2), REALS(13, 17));
		if (broadcast)
			case_run(c);
		else
			case_fails(c, CLAST_ERROR_MODEL, "broadcast");
	}
}

Test(gemm, integers_are_exact)
{
	op_case *c = case_new("Gemm", 9);
	case_in_ints(c, CLAST_INT64, INTS(1, 2), INTS(INT64_C(3037000499), 1));
	case_in_ints(c, CLAST_INT64, INTS(2, 1), INTS(INT64_C(3037000499), 7));
	case_in_ints(c, CLAST_INT64, INTS(1), INTS(-8));
	case_out_ints(c, CLAST_INT64, INTS(1, 1), INTS(INT64_C(9223372030926249000)));
	case_run(c);
}

Test(gemm, refuses_what_does_not_fit)
{
	op_case *c = case_new("Gemm", 11);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(4, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "extents 3 and 4");
	c = case_new("Gemm", 11);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(3, 2), 0, 1);
	case_random(c, F, INTS(3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 2 (c)");
	c = case_new("Gemm", 11);
	case_random(c, F, INTS(3), 0, 1);
	case_random(c, F, INTS(3, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "rank");
}

typedef struct shapes {
	size_t a_rank, b_rank, y_rank;
	int64_t a[4], b[4], y[4];
} shapes;

Test(matmul, shapes_as_in_numpy)
{
	const shapes list[] = {
		{ 2, 2, 2, { 2, 3 }, { 3, 4 }, { 2, 4 } },
		{ 1, 1, 0, { 3 }, { 3 }, { 0 } },
		{ 1, 2, 1, { 3 }, { 3, 4 }, { 4 } },
		{ 2, 1, 1, { 2, 3 }, { 3 }, { 2 } },
		{ 1, 3, 2, { 3 }, { 5, 3, 4 }, { 5, 4 } },
		{ 3, 1, 2, { 5, 2, 3 }, { 3 }, { 5, 2 } },
		{ 3, 2, 3, { 5, 2, 3 }, { 3, 4 }, { 5, 2, 4 } },
		{ 4, 3, 4, { 5, 1, 2, 3 }, { 6, 3, 4 }, { 5, 6, 2, 4 } },
		{ 3, 4, 4, { 1, 2, 3 }, { 2, 6, 3, 4 }, { 2, 6, 2, 4 } },
		{ 2, 2, 2, { 2, 0 }, { 0, 4 }, { 2, 4 } },
		{ 3, 3, 3, { 0, 2, 3 }, { 1, 3, 4 }, { 0, 2, 4 } },
		{ 2, 2, 2, { 40, 30 }, { 30, 35 }, { 40, 35 } },
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		op_case *c = case_new("MatMul", 13);
		case_random(c, F, list[i].a_rank, list[i].a, -1, 1);
		case_random(c, F, list[i].b_rank, list[i].b, -1, 1);
		case_out(c, F, list[i].y_rank, list[i].y, NONE);
		case_complete(c);
		case_run(c);
	}
}

Test(matmul, batches_meet_their_partners)
{
	op_case *c = case_new("MatMul", 9);
	case_in(c, F, INTS(2, 1, 1, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(3, 2, 1), REALS(1, 10, 2, 20, 3, 30));
	case_out(c, F, INTS(2, 3, 1, 1), REALS(21, 42, 63, 43, 86, 129));
	case_run(c);
}

Test(matmul, integers_wrap)
{
	op_case *c = case_new("MatMul", 9);
	case_in_ints(c, CLAST_INT32, INTS(2), INTS(65536, 1));
	case_in_ints(c, CLAST_INT32, INTS(2), INTS(65536, 5));
	case_out_ints(c, CLAST_INT32, NONE, INTS(5));
	case_run(c);
}

Test(matmul, refuses_what_does_not_fit)
{
	op_case *c = case_new("MatMul", 9);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_random(c, F, INTS(2, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "[2,3] and [2,3]");
	c = case_new("MatMul", 9);
	case_random(c, F, INTS(2, 1, 3), 0, 1);
	case_random(c, F, INTS(3, 3, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "broadcast");
	c = case_new("MatMul", 9);
	case_random(c, F, NONE, 0, 1);
	case_random(c, F, INTS(3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "rank");
}
