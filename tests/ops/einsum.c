#include <criterion/criterion.h>

#include "harness.h"

#define F CLAST_FLOAT32

static op_case *einsum(const char *equation)
{
	op_case *c = case_new("Einsum", 12);
	case_string(c, "equation", equation);
	return c;
}

static void check_one(const char *equation, size_t rank, const int64_t *dims, size_t n,
		      const double *expected)
{
	op_case *c = einsum(equation);
	case_in(c, F, INTS(2, 3), REALS(1, 2, 3, 4, 5, 6));
	case_out(c, F, rank, dims, n, expected);
	case_complete(c);
	case_run(c);
}

Test(einsum, of_one_operand)
{
	check_one("ij->ji", INTS(3, 2), REALS(1, 4, 2, 5, 3, 6));
	check_one("ij", INTS(2, 3), REALS(1, 2, 3, 4, 5, 6));
	check_one("ba", INTS(3, 2), REALS(1, 4, 2, 5, 3, 6)); /* implicit outputs are sorted */
	check_one(" i j -> i ", INTS(2), REALS(6, 15));
	check_one("ij->", NONE, REALS(21));
	check_one("...j->...", INTS(2), REALS(6, 15));
	check_one("i...->...i", INTS(3, 2), REALS(1, 4, 2, 5, 3, 6));
	op_case *c = einsum("ii->i");
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_out(c, F, INTS(2), REALS(1, 4));
	case_run(c);
	c = einsum("ii");
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_out(c, F, NONE, REALS(5));
	case_run(c);
}

Test(einsum, of_two_operands)
{
	op_case *c = einsum("ij,jk");
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(2, 2), REALS(1, 10, 100, 1000));
	case_out(c, F, INTS(2, 2), REALS(201, 2010, 403, 4030));
	case_complete(c);
	case_run(c);
	c = einsum("ij,kl->ik"); /* labels of one operand alone are summed too */
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 2), REALS(5, 6));
	case_out(c, F, INTS(2, 1), REALS(33, 77));
	case_run(c);
	c = einsum("bhid,bhjd->bhij");
	case_random(c, F, INTS(2, 3, 4, 5), -1, 1);
	case_random(c, F, INTS(2, 3, 6, 5), -1, 1);
	case_out(c, F, INTS(2, 3, 4, 6), NONE);
	case_complete(c);
	case_run(c);
	c = einsum("...ij,jk...->k...i");
	case_random(c, F, INTS(4, 2, 3), -1, 1);
	case_random(c, F, INTS(3, 5, 4), -1, 1);
	case_out(c, F, INTS(5, 4, 2), NONE);
	case_run(c);
	c = einsum("iij,j->i");
	case_in(c, CLAST_INT64, INTS(2, 2, 1), REALS(1, 2, 3, 4));
	case_in(c, CLAST_INT64, INTS(1), REALS(10));
	case_out(c, CLAST_INT64, INTS(2), REALS(10, 40));
	case_run(c);
}

Test(einsum, of_three_operands)
{
	op_case *c = einsum("i,ij,j->");
	case_in(c, F, INTS(2), REALS(1, 2));
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(2), REALS(10, 100));
	case_out(c, F, NONE, REALS(1070));
	case_complete(c);
	case_run(c);
	c = einsum("ab,bc,ca->abc");
	case_random(c, CLAST_INT32, INTS(2, 3), -9, 9);
	case_random(c, CLAST_INT32, INTS(3, 4), -9, 9);
	case_random(c, CLAST_INT32, INTS(4, 2), -9, 9);
	case_out(c, CLAST_INT32, INTS(2, 3, 4), NONE);
	case_run(c);
}

Test(einsum, nothing_to_sum)
{
	op_case *c = einsum("ij,jk->ik");
	case_in(c, F, INTS(2, 0), NONE);
	case_in(c, F, INTS(0, 3), NONE);
	case_out(c, F, INTS(2, 3), REALS(0, 0, 0, 0, 0, 0));
	case_run(c);
}

Test(einsum, refuses_what_makes_no_sense)
{
	const struct {
		const char *equation, *message;
	} list[] = {
		{ "ij,jk->il", "belongs to no input" },
		{ "ij,jk->ii", "repeated" },
		{ "ij", "fewer terms" },
		{ "ij,jk,kl", "more terms" },
		{ "i,jk", "term 0 has 1 labels" },
		{ "ij1,jk", "no label" },
		{ "i.j,jk", "dot" },
		{ "ij,jk->i,k", "behind" },
		{ "ij,ik", "does not agree" },
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		op_case *c = einsum(list[i].equation);
		case_random(c, F, INTS(2, 3), 0, 1);
		case_random(c, F, INTS(3, 4), 0, 1);
		case_out(c, CLAST_UNDEFINED, NONE, NONE);
		case_fails(c, CLAST_ERROR_MODEL, list[i].message);
	}
}
