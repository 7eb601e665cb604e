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
