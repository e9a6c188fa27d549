/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>

#include "leak_check.h"

TestSuite(vec, .fini = leak_check);

struct pair {
	int a, b;
};

Test(vec, grows_and_keeps_what_is_in_it)
{
	VEC(struct pair) v = { 0 };

	for (int i = 0; i < 1000; i++)
		cr_assert(zero(int, vec_push(&v, (struct pair){ i, -i })));
	cr_assert(eq(sz, v.n, 1000));
	cr_assert(ge(sz, v.cap, 1000));
	for (int i = 0; i < 1000; i++)
		cr_assert(v.data[i].a == i && v.data[i].b == -i);
	vec_free(&v);
	cr_assert(zero(ptr, v.data));
	cr_assert(zero(sz, v.n + v.cap));
}

Test(vec, reserve_makes_room_without_adding)
{
	VEC(int) v = { 0 };
	int *data;

	cr_assert(zero(int, vec_reserve(&v, 100)));
	cr_assert(zero(sz, v.n));
	data = v.data;
	for (int i = 0; i < 100; i++)
		cr_assert(zero(int, vec_push(&v, i)));
	cr_assert(eq(ptr, v.data, data));
	vec_free(&v);
}

Test(vec, size_that_overflows_is_refused_and_the_old_one_stays)
{
	VEC(struct pair) v = { 0 };

	cr_assert(zero(int, vec_push(&v, (struct pair){ 1, 2 })));
	cr_assert(eq(int, vec_reserve(&v, SIZE_MAX / 2), -ENOMEM));
	cr_assert(eq(int, vec_reserve(&v, SIZE_MAX / sizeof(struct pair)), -ENOMEM));
	cr_assert(eq(sz, v.n, 1));
	cr_assert(eq(int, v.data[0].b, 2));
	vec_free(&v);
}
