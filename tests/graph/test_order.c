#include <criterion/criterion.h>

#include "order.h"

Test(order, axes_stay_whole_where_extents_may_be_zero)
{
	mem m;
	mem_init(&m, NULL, 0);
	dim_table *t = dim_table_create(&m);
	const dim a = dim_fresh(t, "a", 0, 1000), b = dim_fresh(t, "b", 0, 1000);
	const shape s = { .rank = 3, .dims = { dim_add(t, dim_floor_div(t, a, 2), 1), b, 4 } };
	static const int perms[][3] = { { 1, 0, 2 }, { 2, 1, 0 }, { 2, 0, 1 }, { 1, 2, 0 }, { 0, 2, 1 } };
	for (size_t i = 0; i < sizeof perms / sizeof *perms; i++) {
		order o;
		int perm[CLAST_MAX_RANK];
		cr_assert(order_permuted(t, &s, perms[i], &o));
		cr_assert(order_axes(t, &o, &s, perm), "permutation %zu", i);
		cr_assert_arr_eq(perm, perms[i], sizeof perms[i]);
	}
	dim_table_free(&t);
}

Test(order, axes_merge_and_split_where_extents_may_be_zero)
{
	mem m;
	mem_init(&m, NULL, 0);
	dim_table *t = dim_table_create(&m);
	const dim b = dim_fresh(t, "b", 0, 1000), w = dim_floor_div(t, dim_fresh(t, "w", 0, 1000), 2);
	const shape image = { .rank = 4, .dims = { b, 96, 4, w } }, columns = { .rank = 3, .dims = { b, 384, w } };
	order last, fine;
	int perm[CLAST_MAX_RANK];
	cr_assert(order_last(t, &image, &last));
	cr_assert(order_refine(t, &last, &columns, &fine));
	cr_assert_eq(fine.n, 4); /* batch, rows of the image, columns, channels */
	cr_assert(fine.factors[1].extent == 4 && fine.factors[1].stride == w);
	cr_assert(fine.factors[2].extent == w && fine.factors[2].stride == 1);
	cr_assert(fine.factors[3].extent == 96 && fine.factors[3].stride == dim_mul(t, 4, w));
	cr_assert_not(order_axes(t, &last, &columns, perm));
	/* Back through the other shape it is the same order. */
	cr_assert(order_axes(t, &fine, &image, perm));
	static const int nhwc[] = { 0, 2, 3, 1 };
	cr_assert_arr_eq(perm, nhwc, sizeof nhwc);
	dim_table_free(&t);
}
