/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "leak_check.h"
#include "shared/thread_ctx.h"

TestSuite(thread_ctx, .fini = leak_check);

/* OTEP 4947, "thread local storage record": the bytes as a writer lays them down. */
#define TRACE                                                                                      \
	0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47,  \
		0x36
#define SPAN 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7

static const uint8_t good[28] = { TRACE, SPAN, 1, 1, 0, 0 };

static enum thread_ctx_state check(const uint8_t bytes[28])
{
	struct thread_ctx tc;

	memcpy(&tc, bytes, sizeof(tc));
	return thread_ctx_check(&tc);
}

Test(thread_ctx, fields_lie_where_the_specification_has_them)
{
	cr_assert(eq(sz, offsetof(struct thread_ctx, trace_id), 0));
	cr_assert(eq(sz, offsetof(struct thread_ctx, span_id), 16));
	cr_assert(eq(sz, offsetof(struct thread_ctx, valid), 24));
	cr_assert(eq(sz, offsetof(struct thread_ctx, trace_flags), 25));
	cr_assert(eq(sz, offsetof(struct thread_ctx, attrs_len), 26));
	cr_assert(eq(sz, sizeof(struct thread_ctx) + THREAD_CTX_ATTRS_MAX, 640));
}

Test(thread_ctx, good_record_is_accepted)
{
	cr_assert(eq(int, check(good), THREAD_CTX_OK));
}

/* Whatever the valid byte is: 1 alone makes a record that may be used, 0 one in the making. */
Test(thread_ctx, valid_is_exactly_one)
{
	uint8_t bytes[28];

	memcpy(bytes, good, sizeof(bytes));
	for (int v = 0; v < 256; v++) {
		enum thread_ctx_state want = v == 0   ? THREAD_CTX_NOT_VALID
					     : v == 1 ? THREAD_CTX_OK
						      : THREAD_CTX_INVALID;

		bytes[24] = v;
		cr_assert(eq(int, check(bytes), want), "valid %d", v);
	}
}

Test(thread_ctx, trace_flags_do_not_matter)
{
	uint8_t bytes[28];

	memcpy(bytes, good, sizeof(bytes));
	for (int v = 0; v < 256; v++) {
		bytes[25] = v;
		cr_assert(eq(int, check(bytes), THREAD_CTX_OK));
	}
}

Test(thread_ctx, attributes_longer_than_a_record_are_refused)
{
	uint8_t bytes[28];

	memcpy(bytes, good, sizeof(bytes));
	for (int len = 0; len <= UINT16_MAX; len++) {
		uint16_t u = len;

		memcpy(bytes + 26, &u, 2);
		cr_assert(eq(int, check(bytes), len <= 612 ? THREAD_CTX_OK : THREAD_CTX_INVALID),
			  "length %d", len);
	}
}

/* One byte of an id, anywhere, makes the id non-zero; both or none must be. */
Test(thread_ctx, ids_are_both_there_or_neither)
{
	uint8_t bytes[28] = { [24] = 1 };

	cr_assert(eq(int, check(bytes), THREAD_CTX_NO_IDS));

	for (int i = 0; i < 24; i++) {
		bytes[i] = 0x80;
		cr_assert(eq(int, check(bytes), THREAD_CTX_INVALID), "byte %d alone", i);
		for (int j = i < 16 ? 16 : 0; j < (i < 16 ? 24 : 16); j++) {
			bytes[j] = 1;
			cr_assert(eq(int, check(bytes), THREAD_CTX_OK), "bytes %d, %d", i, j);
			bytes[j] = 0;
		}
		bytes[i] = 0;
	}
}

/* A record that is being written says nothing about the rest of its bytes. */
Test(thread_ctx, torn_comes_before_all_else)
{
	uint8_t bytes[28];

	memset(bytes, 0xff, sizeof(bytes));
	bytes[24] = 0;
	cr_assert(eq(int, check(bytes), THREAD_CTX_NOT_VALID));
	memset(bytes, 0, sizeof(bytes));
	cr_assert(eq(int, check(bytes), THREAD_CTX_NOT_VALID));
}
