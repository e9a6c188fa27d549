/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_dump.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "leak_check.h"

TestSuite(sample_dump, .fini = leak_check);

static void assert_dump(const struct sample_record *rec, const uint64_t *ips, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	sample_dump(f, rec, ips);
	fclose(f);
	cr_assert(eq(str, text, (char *)want));
	free(text);
}

Test(sample_dump, sample_in_a_span)
{
	static const uint64_t ips[] = { 0xffffffff81000001, 0x1234, 0x5678 };
	struct sample_record rec = {
		.time_ns = 18446744073709551615ULL,
		.tgid = 10,
		.tid = 4294967295,
		.cpu = 3,
		.n_kernel = 1,
		.n_user = 2,
		.flags = SAMPLE_HAS_CONTEXT,
		.user_end = USER_END_ZERO,
		.trace_id = { 0x4b, 0xf9, [15] = 0x36 },
		.span_id = { 0x00, 0xf0, [7] = 0xb7 },
	};

	assert_dump(&rec, ips,
		    "{\"time_ns\":18446744073709551615,\"pid\":10,\"tid\":4294967295,\"cpu\":3,"
		    "\"span_id\":\"00f00000000000b7\","
		    "\"trace_id\":\"4bf90000000000000000000000000036\","
		    "\"kernel\":[\"0xffffffff81000001\"],\"frames\":[\"0x1234\",\"0x5678\"],"
		    "\"truncated\":false}\n");
}

Test(sample_dump, sample_without_one)
{
	struct sample_record rec = { .user_end = USER_END_UNREADABLE, .span_id = { 1 } };

	assert_dump(&rec, NULL,
		    "{\"time_ns\":0,\"pid\":0,\"tid\":0,\"cpu\":0,\"kernel\":[],\"frames\":[],"
		    "\"truncated\":true}\n");
	rec.user_end = USER_END_NONE;
	assert_dump(&rec, NULL,
		    "{\"time_ns\":0,\"pid\":0,\"tid\":0,\"cpu\":0,\"kernel\":[],\"frames\":[],"
		    "\"truncated\":false}\n");
}
