/* TopK, NonZero, Unique, OneHot. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define I CLAST_INT64
#define NAN_ ((double)NAN)

Test(topk, best_first_and_lower_index_first)
{
	op_case *c = case_new("TopK", 11);
	case_int(c, "axis", 0);
	case_in(c, F, INTS(6, 1), REALS(2, 5, NAN_, 5, -0.0, 0));
	case_in(c, I, INTS(1), REALS(6));
	case_out(c, F, INTS(6, 1), REALS(NAN_, 5, 5, 2, -0.0, 0));
	case_out(c, I, INTS(6, 1), REALS(2, 1, 3, 0, 4, 5));
	case_complete(c);
	case_run(c);
	c = case_new("TopK", 11);
	case_int(c, "largest", 0);
	case_in(c, F, INTS(1, 5), REALS(2, 5, NAN_, -5, 2));
	case_in(c, I, INTS(1), REALS(4));
	case_out(c, F, INTS(1, 4), REALS(-5, 2, 2, 5));
	case_out(c, I, INTS(1, 4), REALS(3, 0, 4, 1));
	case_run(c);
}

Test(topk, of_many)
{
	enum { N = 997 };
	double x[N], best[10], index[10];
	for (int i = 0; i < N; i++)
		x[i] = (i * 331 + 7) % N;
	for (int k = 0; k < 10; k++)
		for (int i = 0; i < N; i++)
			if (x[i] == N - 1 - k) {
				best[k] = x[i];
				index[k] = i;
			}
	op_case *c = case_new("TopK", 24);
	case_in(c, CLAST_INT32, INTS(1, N), N, x);
	case_in(c, I, INTS(1), REALS(10));
	case_out(c, CLAST_INT32, INTS(1, 10), 10, best);
	case_out(c, I, INTS(1, 10), 10, index);
	case_run(c);
}

Test(topk, integers_exactly_and_unsigned)
{
	op_case *c = case_new("TopK", 11);
	case_in_ints(c, CLAST_UINT64, INTS(3), INTS(1, -1, -2));
	case_in(c, I, INTS(1), REALS(2));
	case_out_ints(c, CLAST_UINT64, INTS(2), INTS(-1, -2));
	case_out(c, I, INTS(2), REALS(1, 2));
	case_run(c);
	c = case_new("TopK", 11);
	case_in_ints(c, I, INTS(3), INTS((INT64_C(1) << 53) + 1, INT64_C(1) << 53, INT64_MIN));
	case_in(c, I, INTS(1), REALS(3));
	case_out_ints(c, I, INTS(3), INTS((INT64_C(1) << 53) + 1, INT64_C(1) << 53, INT64_MIN));
	case_out(c, I, INTS(3), REALS(0, 1, 2));
	case_run(c);
}

Test(topk, of_old_versions_and_none)
{
	op_case *c = case_new("TopK", 1);
	case_int(c, "k", 1);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 4, 3));
	case_out(c, F, INTS(2, 1), REALS(2, 4));
	case_out(c, I, INTS(2, 1), REALS(1, 0));
	case_complete(c);
	case_run(c);
	c = case_new("TopK", 10);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 4, 3));
	case_in(c, I, INTS(1), REALS(0));
	case_out(c, F, INTS(2, 0), NONE);
	case_out(c, I, INTS(2, 0), NONE);
	case_run(c);
	c = case_new("TopK", 11);
	case_random(c, F, INTS(2, 2), 0, 1);
	case_in(c, I, INTS(1), REALS(3));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "K");
}

Test(non_zero, columns_in_row_major_order)
{
	op_case *c = case_new("NonZero", 13);
	case_in(c, F, INTS(2, 2), REALS(1, 0, NAN_, -1));
	case_out(c, I, INTS(2, 3), REALS(0, 1, 1, 0, 0, 1));
	case_run(c);
	c = case_new("NonZero", 9);
	case_in(c, CLAST_BOOL, NONE, REALS(1));
	case_out(c, I, INTS(1, 1), REALS(0));
	case_run(c);
	c = case_new("NonZero", 13);
	case_in(c, F, INTS(0, 2), NONE);
	case_out(c, I, INTS(2, 0), NONE);
	case_run(c);
	c = case_new("NonZero", 13);
	case_in_strings(c, INTS(3), 3, (const char *const[]){ "", "a", "" });
	case_out(c, I, INTS(1, 1), REALS(1));
	case_run(c);
}

/* Words of zeros are skipped whole: elements at every place of a word, and of the words before and after it. */
Test(non_zero, sparse_masks_at_every_place)
{
	static const clast_dtype dtypes[] = { CLAST_BOOL, CLAST_INT16, F, CLAST_FLOAT64 };
	for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
		for (int64_t at = 0; at < 35; at++) {
			double x[35] = { [0] = -0.0, [17] = -0.0 };
			x[at] = 1;
			x[34] = 1;
			op_case *c = case_new("NonZero", 13);
			case_in(c, dtypes[d], INTS(5, 7), 35, x);
			const double y[] = { (double)(at / 7), 4, (double)(at % 7), 6 };
			const double last[] = { 4, 6 };
			case_out(c, I, INTS(2, at < 34 ? 2 : 1), at < 34 ? 4 : 2, at < 34 ? y : last);
			case_run(c);
		}
}

static void unique(int sorted, size_t n, const double *y, const double *indices, const double *inverse,
		   const double *counts)
{
	const int64_t dims = (int64_t)n;
	op_case *c = case_new("Unique", 11);
	case_int(c, "sorted", sorted);
	case_in(c, F, INTS(2, 4), REALS(2, 1, NAN_, 1, 3, NAN_, 4, 3));
	case_out(c, F, 1, &dims, n, y);
	case_out(c, I, 1, &dims, n, indices);
	case_out(c, I, INTS(8), 8, inverse);
	case_out(c, I, 1, &dims, n, counts);
	case_run(c);
}

Test(unique, elements)
{
	unique(1, REALS(1, 2, 3, 4, NAN_), (double[]){ 1, 0, 4, 6, 2 }, (double[]){ 1, 0, 4, 0, 2, 4, 3, 2 },
	       (double[]){ 2, 1, 2, 1, 2 });
	unique(0, REALS(2, 1, NAN_, 3, 4), (double[]){ 0, 1, 2, 4, 6 }, (double[]){ 0, 1, 2, 1, 3, 2, 4, 3 },
	       (double[]){ 1, 2, 2, 2, 1 });
}

Test(unique, slices)
{
	op_case *c = case_new("Unique", 28);
	case_int(c, "axis", -2);
	case_in(c, CLAST_INT8, INTS(2, 4, 2), REALS(1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1));
	case_out(c, CLAST_INT8, INTS(2, 3, 2), REALS(0, 1, 1, 1, 2, 1, 0, 1, 1, 1, 2, 1));
	case_out(c, I, INTS(3), REALS(1, 0, 2));
	case_out(c, I, INTS(4), REALS(1, 0, 2, 0));
	case_out(c, I, INTS(3), REALS(2, 1, 1));
	case_run(c);
}

Test(unique, strings_and_nothing)
{
	op_case *c = case_new("Unique", 11);
	case_in_strings(c, INTS(4), 4, (const char *const[]){ "b", "", "ba", "b" });
	case_out_strings(c, INTS(3), 3, (const char *const[]){ "", "b", "ba" });
	case_out_absent(c);
	case_out_absent(c);
	case_out(c, I, INTS(3), REALS(1, 2, 1));
	case_run(c);
	c = case_new("Unique", 11);
	case_in(c, F, INTS(0), NONE);
	case_out(c, F, INTS(0), NONE);
	case_out(c, I, INTS(0), NONE);
	case_run(c);
}

Test(one_hot, anywhere)
{
	op_case *c = case_new("OneHot", 11);
	case_int(c, "axis", 1);
	case_in(c, I, INTS(2, 2), REALS(0, -1, 3, 1));
	case_in(c, I, NONE, REALS(3));
	case_in(c, F, INTS(2), REALS(-1, 5));
	case_out(c, F, INTS(2, 3, 2), REALS(5, -1, -1, -1, -1, 5, -1, -1, -1, 5, -1, -1));
	case_complete(c);
	case_run(c);
	c = case_new("OneHot", 9);
	case_in(c, F, INTS(2), REALS(1, NAN_));
	case_in(c, F, INTS(1), REALS(2.5));
	case_in_strings(c, INTS(2), 2, (const char *const[]){ "off", "on" });
	case_out_strings(c, INTS(2, 2), 4, (const char *const[]){ "off", "on", "off", "off" });
	case_run(c);
	c = case_new("OneHot", 11);
	case_in(c, I, INTS(2), REALS(1, 0));
	case_in(c, I, NONE, REALS(-1));
	case_in(c, F, INTS(2), REALS(0, 1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "depth");
}
