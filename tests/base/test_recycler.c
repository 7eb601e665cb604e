#include <criterion/criterion.h>
#include <string.h>

#include "failing.h"
#include "recycler.h"

Test(recycler, serves_again_what_it_was_given_back)
{
	failing f = { 0 };
	const clast_allocator a = failing_allocator(&f);
	mem below;
	recycler r;
	mem_init(&below, &a, 0);
	recycler_init(&r, &below);
	for (int round = 0; round < 3; round++) {
		void *blocks[600];
		for (size_t i = 0; i < 600; i++) {
			const size_t bytes = i * i * 3;
			blocks[i] = mem_alloc(&r.memory, bytes);
			cr_assert_not_null(blocks[i]);
			cr_assert_eq((uintptr_t)blocks[i] % MEM_ALIGNMENT, 0);
			memset(blocks[i], (int)i, bytes);
		}
		for (size_t i = 0; i < 600; i++) {
			const unsigned char *x = blocks[i];
			const size_t bytes = i * i * 3;
			cr_assert(!bytes || (x[0] == (unsigned char)i && x[bytes - 1] == (unsigned char)i));
			mem_free(&r.memory, blocks[i], bytes);
		}
		cr_assert_eq(f.calls, 600);
	}
	cr_assert_eq(below.used_bytes, f.live_bytes);
	cr_assert(f.live_bytes > 0);
	recycler_flush(&r);
	cr_assert_eq(f.live_bytes, 0);
}

/* What is kept is not in the way of a budget. */
Test(recycler, gives_back_what_it_keeps_before_it_fails)
{
	mem below;
	recycler r;
	mem_init(&below, NULL, 1000);
	recycler_init(&r, &below);
	void *p = mem_alloc(&r.memory, 800);
	cr_assert_not_null(p);
	cr_assert_null(mem_alloc(&r.memory, 800));
	mem_free(&r.memory, p, 800);
	p = mem_alloc(&r.memory, 500);
	cr_assert_not_null(p);
	mem_free(&r.memory, p, 500);
	cr_assert_null(mem_alloc(&r.memory, 2000));
	recycler_flush(&r);
	cr_assert_eq(below.used_bytes, 0);
}
