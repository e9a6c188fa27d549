/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/packed_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"

TestSuite(packed_names, .fini = leak_check);

#define MANY 20000

static const char *name_of(size_t i, char ret[64])
{
	snprintf(ret, 64, "%.*s%zu", (int)(i % 40), "a_function_of_the_kernel_with_a_long_name", i);
	return ret;
}

static struct packed_names *many(void)
{
	struct packed_names *p;
	char name[64];

	cr_assert(zero(int, packed_names_new(&p)));
	for (size_t i = 0; i < MANY; i++)
		cr_assert(zero(int, packed_names_add(p, name_of(i, name))));
	cr_assert(zero(int, packed_names_end(p)));
	return p;
}

/* Forwards, backwards, and from block to block. */
Test(packed_names, each_has_its_number)
{
	CLEANUP(packed_names_freep) struct packed_names *p = many();
	char name[64];

	for (size_t i = 0; i < MANY; i++)
		cr_assert(eq(str, (char *)packed_names_get(p, i), (char *)name_of(i, name)));
	for (size_t i = MANY; i-- > 0;)
		cr_assert(eq(str, (char *)packed_names_get(p, i), (char *)name_of(i, name)));
	for (size_t k = 0, i = 0; k < 5000; k++, i = (i + 7919) % MANY)
		cr_assert(eq(str, (char *)packed_names_get(p, i), (char *)name_of(i, name)));
	cr_assert(eq(ptr, (void *)packed_names_get(p, MANY), NULL));
}

Test(packed_names, take_less_memory_than_they_are_long)
{
	CLEANUP(packed_names_freep) struct packed_names *p = many();
	size_t plain = 0;
	char name[64];

	for (size_t i = 0; i < MANY; i++)
		plain += strlen(name_of(i, name)) + 1;
	cr_assert(lt(sz, packed_names_bytes(p), plain / 3));
}

Test(packed_names, none_empty_and_overlong)
{
	CLEANUP(packed_names_freep) struct packed_names *p = NULL;
	static char longest[PACKED_NAME_MAX + 1];

	cr_assert(zero(int, packed_names_new(&p)));
	cr_assert(eq(ptr, (void *)packed_names_get(p, 0), NULL));
	memset(longest, 'x', PACKED_NAME_MAX);
	cr_assert(eq(int, packed_names_add(p, longest), -EINVAL));
	longest[PACKED_NAME_MAX - 1] = '\0';
	for (int i = 0; i < 10; i++) {
		cr_assert(zero(int, packed_names_add(p, longest)));
		cr_assert(zero(int, packed_names_add(p, "")));
	}
	cr_assert(zero(int, packed_names_end(p)));
	cr_assert(eq(str, (char *)packed_names_get(p, 18), longest));
	cr_assert(eq(str, (char *)packed_names_get(p, 1), ""));
}
