#include <criterion/criterion.h>
#include <stdio.h>

#include "failing.h"
#include "map.h"

Test(map, every_key_put_is_found_with_its_last_value)
{
	mem m;
	mem_init(&m, NULL, 0);
	map t;
	map_init(&t, &m);
	enum { N = 100000 };
	char key[32];
	for (uint32_t i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "value_%u", i);
		cr_assert(map_put(&t, key, i));
	}
	for (uint32_t i = 0; i < N; i += 3) {
		snprintf(key, sizeof(key), "value_%u", i);
		cr_assert(map_put(&t, key, i + 7));
	}
	cr_assert_eq(t.count, N);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t value = 0;
		snprintf(key, sizeof(key), "value_%u", i);
		cr_assert(map_get(&t, key, &value));
		cr_assert_eq(value, i % 3 ? i : i + 7);
		snprintf(key, sizeof(key), "value-%u", i);
		cr_assert_not(map_get(&t, key, &value));
		cr_assert_eq(value, i % 3 ? i : i + 7);
	}
	map_release(&t);
	cr_assert_eq(m.used_bytes, 0);
}

Test(map, empty_map_and_empty_key)
{
	mem m;
	mem_init(&m, NULL, 0);
	map t;
	map_init(&t, &m);
	cr_assert_not(map_get(&t, "", NULL));
	cr_assert(map_put(&t, "", 0));
	cr_assert(map_get(&t, "", NULL));
	cr_assert_not(map_get(&t, "a", NULL));
	map_release(&t);
	map_release(&t);
	cr_assert_eq(m.used_bytes, 0);
}

Test(map, each_failing_allocation_loses_no_key_and_no_byte)
{
	for (size_t n = 1; n < 30; n++) {
		failing f = { .fail_at = n };
		const clast_allocator allocator = failing_allocator(&f);
		mem m;
		mem_init(&m, &allocator, 0);
		map t;
		map_init(&t, &m);
		bool there[200];
		char key[16];
		for (uint32_t i = 0; i < 200; i++) {
			snprintf(key, sizeof(key), "%u", i);
			there[i] = map_put(&t, key, i);
		}
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t value = 0;
			snprintf(key, sizeof(key), "%u", i);
			cr_assert_eq(map_get(&t, key, &value), there[i]);
			cr_assert(!there[i] || value == i);
		}
		map_release(&t);
		cr_assert_eq(f.live_bytes, 0);
	}
}

static bool same_number(const void *context, uint32_t index)
{
	return *(const uint32_t *)context == index;
}

Test(index_set, entries_of_equal_hash_are_told_apart)
{
	mem m;
	mem_init(&m, NULL, 0);
	index_set s;
	index_set_init(&s, &m);
	for (uint32_t i = 0; i < 500; i++)
		cr_assert(index_set_add(&s, UINT64_C(0xdeadbeef) << 32, i));
	for (uint32_t i = 0; i < 500; i++)
		cr_assert_eq(index_set_find(&s, UINT64_C(0xdeadbeef) << 32, same_number, &i), i);
	const uint32_t absent = 500;
	cr_assert_eq(index_set_find(&s, UINT64_C(0xdeadbeef) << 32, same_number, &absent), INDEX_NONE);
	index_set_release(&s);
	cr_assert_eq(m.used_bytes, 0);
}
