/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <string.h>

#include "leak_check.h"

TestSuite(arena, .fini = leak_check);

Test(arena, objects_are_aligned_and_apart)
{
	struct arena a = { 0 };
	uint64_t *last = NULL;

	for (size_t i = 0; i < 100000; i++) {
		uint64_t *p;

		cr_assert(ne(ptr, arena_strndup(&a, "x", 1), NULL)); /* disturbs the alignment */
		p = arena_alloc(&a, sizeof(*p));
		cr_assert(ne(ptr, p, NULL));
		cr_assert(zero(u64, (uintptr_t)p % 8));
		*p = i;
		if (last)
			cr_assert(eq(u64, *last, i - 1));
		last = p;
	}
	arena_clear(&a);
	cr_assert(zero(sz, a.total));
}

Test(arena, strings_end_where_told)
{
	struct arena a = { 0 };

	cr_assert(eq(str, arena_strndup(&a, "abcdef", 3), "abc"));
	cr_assert(eq(str, arena_strndup(&a, "", 0), ""));
	arena_clear(&a);
}

Test(arena, object_larger_than_a_chunk)
{
	struct arena a = { 0 };
	char *big = arena_alloc(&a, 10 << 20);

	cr_assert(ne(ptr, big, NULL));
	memset(big, 1, 10 << 20);
	cr_assert(ne(ptr, arena_memdup(&a, "12345678", 8), NULL));
	arena_clear(&a);
}

Test(arena, limit_holds)
{
	struct arena a = { .limit = 1 << 20 };
	size_t got = 0;

	while (arena_alloc(&a, 1000))
		got += 1000;
	cr_assert(le(sz, a.total, 1 << 20));
	cr_assert(gt(sz, got, 1 << 19));
	cr_assert(eq(ptr, arena_alloc(&a, SIZE_MAX), NULL));
	cr_assert(eq(ptr, arena_alloc(&a, SIZE_MAX - 64), NULL));
	arena_clear(&a);
}

Test(arena, reset_reuses_memory)
{
	struct arena a = { 0 };
	size_t total;

	for (int i = 0; i < 10; i++)
		arena_alloc(&a, 10000);
	arena_reset(&a);
	total = a.total;
	for (int i = 0; i < 1000; i++) {
		cr_assert(ne(ptr, arena_alloc(&a, 1000), NULL));
		arena_reset(&a);
	}
	cr_assert(eq(sz, a.total, total));
	arena_clear(&a);
}
