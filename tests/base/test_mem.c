#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "failing.h"
#include "mem.h"

Test(mem, blocks_are_aligned_and_counted)
{
	mem m;
	mem_init(&m, NULL, 0);
	void *blocks[20];
	size_t total = 0;
	for (size_t i = 0; i < 20; i++) {
		const size_t bytes = i * i * 37;
		blocks[i] = mem_alloc(&m, bytes);
		cr_assert_not_null(blocks[i]);
		cr_assert_eq((uintptr_t)blocks[i] % MEM_ALIGNMENT, 0);
		memset(blocks[i], 0xaa, bytes);
		total += bytes ? bytes : 1;
		cr_assert_eq(m.used_bytes, total);
	}
	cr_assert_eq(m.peak_bytes, total);
	for (size_t i = 0; i < 20; i++)
		mem_free(&m, blocks[i], i * i * 37);
	mem_free(&m, NULL, 0);
	cr_assert_eq(m.used_bytes, 0);
	cr_assert_eq(m.peak_bytes, total);
}

Test(mem, budget_is_exact)
{
	mem m;
	mem_init(&m, NULL, 1000);
	void *a = mem_alloc(&m, 600);
	cr_assert_not_null(a);
	cr_assert_null(mem_alloc(&m, 401));
	cr_assert_eq(m.used_bytes, 600);
	void *b = mem_calloc(&m, 400);
	cr_assert_not_null(b);
	cr_assert_null(mem_alloc(&m, 0));
	mem_free(&m, a, 600);
	a = mem_alloc(&m, 599);
	cr_assert_not_null(a);
	mem_free(&m, a, 599);
	mem_free(&m, b, 400);
	cr_assert_eq(m.used_bytes, 0);
}

Test(mem, absurd_sizes_fail_without_reaching_the_allocator)
{
	failing f = { 0 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	cr_assert_null(mem_alloc(&m, SIZE_MAX));
	cr_assert_null(mem_alloc(&m, (size_t)PTRDIFF_MAX + 1));
	cr_assert_null(mem_array(&m, SIZE_MAX / 2, 3));
	cr_assert_null(mem_array(&m, (size_t)1 << 33, (size_t)1 << 33));
	bump b;
	bump_init(&b, &m);
	cr_assert_null(bump_alloc(&b, SIZE_MAX));
	cr_assert_null(bump_alloc(&b, SIZE_MAX - 20));
	cr_assert_null(bump_array(&b, SIZE_MAX / 4, 8));
	cr_assert_null(bump_string(&b, "", SIZE_MAX));
	void *p = NULL;
	size_t capacity = 0;
	cr_assert_not(grow(&m, &p, &capacity, SIZE_MAX / 8, 16));
	cr_assert_eq(f.calls, 0);
	cr_assert_eq(m.used_bytes, 0);
}

Test(mem, a_failed_allocation_is_not_counted)
{
	failing f = { .fail_at = 1 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	cr_assert_null(mem_alloc(&m, 100));
	cr_assert_eq(m.used_bytes, 0);
	void *p = mem_calloc(&m, 100);
	cr_assert_not_null(p);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(((char *)p)[i], 0);
	f.fail_at = f.calls + 1;
	cr_assert_null(mem_resize(&m, p, 100, 200));
	cr_assert_eq(m.used_bytes, 100);
	mem_free(&m, p, 100);
	cr_assert_eq(f.live_bytes, 0);
}

Test(mem, resize_keeps_the_common_part)
{
	mem m;
	mem_init(&m, NULL, 0);
	unsigned char *p = mem_resize(&m, NULL, 0, 10);
	for (int i = 0; i < 10; i++)
		p[i] = (unsigned char)i;
	p = mem_resize(&m, p, 10, 1000);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(p[i], i);
	p = mem_resize(&m, p, 1000, 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(p[i], i);
	cr_assert_eq(m.used_bytes, 3);
	mem_free(&m, p, 3);
}

Test(mem, growing_one_by_one_takes_few_allocations)
{
	failing f = { 0 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	uint32_t *array = NULL;
	size_t capacity = 0;
	for (uint32_t i = 0; i < 100000; i++) {
		cr_assert(grow(&m, &array, &capacity, i + 1, sizeof(*array)));
		array[i] = i;
	}
	for (uint32_t i = 0; i < 100000; i++)
		cr_assert_eq(array[i], i);
	cr_assert_lt(f.calls, 40);
	mem_free(&m, array, capacity * sizeof(*array));
	cr_assert_eq(f.live_bytes, 0);
}

Test(mem, a_failed_growth_changes_nothing)
{
	failing f = { .fail_at = 2, .for_ever = true };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	int *array = NULL;
	size_t capacity = 0;
	cr_assert(grow(&m, &array, &capacity, 1, sizeof(*array)));
	const size_t before = capacity;
	int *const address = array;
	cr_assert_not(grow(&m, &array, &capacity, before + 1, sizeof(*array)));
	cr_assert_eq(capacity, before);
	cr_assert_eq(array, address);
	mem_free(&m, array, capacity * sizeof(*array));
	cr_assert_eq(f.live_bytes, 0);
}

static bool all_zero(const unsigned char *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

Test(bump, blocks_are_zeroed_aligned_and_apart)
{
	failing f = { 0 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	bump b;
	bump_init(&b, &m);
	enum { N = 3000 };
	static unsigned char *blocks[N];
	static size_t sizes[N];
	uint32_t seed = 1;
	for (int i = 0; i < N; i++) {
		seed = seed * 1664525 + 1013904223;
		sizes[i] = (seed >> 8) % (i % 50 ? 300 : 20000);
		blocks[i] = bump_alloc(&b, sizes[i]);
		cr_assert_not_null(blocks[i]);
		cr_assert_eq((uintptr_t)blocks[i] % 16, 0);
		cr_assert(all_zero(blocks[i], sizes[i]));
		memset(blocks[i], i % 255 + 1, sizes[i]);
	}
	for (int i = 0; i < N; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			cr_assert_eq(blocks[i][j], i % 255 + 1);
	cr_assert_lt(f.calls, 100, "%zu chunks", f.calls);
	bump_release(&b);
	cr_assert_eq(f.live_bytes, 0);
	cr_assert_eq(m.used_bytes, 0);
	cr_assert_not_null(bump_alloc(&b, 5));
	bump_release(&b);
	bump_release(&b);
}

Test(bump, large_requests_do_not_waste_the_chunk_in_use)
{
	failing f = { 0 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	bump b;
	bump_init(&b, &m);
	char *first = bump_alloc(&b, 16);
	for (int i = 0; i < 10; i++)
		cr_assert_not_null(bump_alloc(&b, 10 << 20));
	char *second = bump_alloc(&b, 16);
	cr_assert_eq(second, first + 16);
	cr_assert_eq(f.calls, 11);
	bump_release(&b);
	cr_assert_eq(f.live_bytes, 0);
}

Test(bump, strings_are_copied_with_their_end)
{
	mem m;
	mem_init(&m, NULL, 0);
	bump b;
	bump_init(&b, &m);
	const char source[] = { 'a', 'b', 'c', 'd' };
	cr_assert_str_eq(bump_string(&b, source, 4), "abcd");
	cr_assert_str_eq(bump_string(&b, source, 2), "ab");
	cr_assert_str_eq(bump_string(&b, NULL, 0), "");
	bump_release(&b);
}

Test(bump, failure_leaves_it_usable)
{
	failing f = { .fail_at = 1 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	bump b;
	bump_init(&b, &m);
	cr_assert_null(bump_alloc(&b, 8));
	cr_assert_not_null(bump_alloc(&b, 8));
	f.fail_at = f.calls + 1;
	cr_assert_null(bump_alloc(&b, 1 << 22));
	cr_assert_not_null(bump_alloc(&b, 1 << 22));
	bump_release(&b);
	cr_assert_eq(f.live_bytes, 0);
}
