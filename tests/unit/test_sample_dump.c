/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_dump.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

TestSuite(sample_dump, .fini = leak_check);

static const struct sample_context no_context;

static void assert_dump(const struct sample_record *rec, const struct sample_context *context,
			const uint64_t *frames, bool finished, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	sample_dump(f, rec, context, frames, finished);
	fclose(f);
	cr_assert(eq(str, text, (char *)want));
	free(text);
}

Test(sample_dump, sample_in_a_span)
{
	static const uint64_t frames[] = { 0xffffffff81000001, 0x1234 | FRAME_EXACT,
					   0x5678 | FRAME_BY_FALLBACK };
	struct sample_record rec = {
		.time_ns = 18446744073709551615ULL,
		.tgid = 10,
		.tid = 4294967295,
		.cpu = 3,
		.n_kernel = 1,
		.n_user = 2,
		.user_end = USER_END_ZERO,
	};
	static const struct sample_context context = {
		.trace_id = { 0x4b, 0xf9, [15] = 0x36 },
		.span_id = { 0x00, 0xf0, [7] = 0xb7 },
		.local_root_id = { 0x01 },
		.labels = { { "a\"b", "\xc3\xa9" }, { "c", "" } },
		.n_labels = 2,
	};

	assert_dump(&rec, &context, frames, false,
		    "{\"time_ns\":18446744073709551615,\"pid\":10,\"tid\":4294967295,\"cpu\":3,"
		    "\"span_id\":\"00f00000000000b7\","
		    "\"trace_id\":\"4bf90000000000000000000000000036\","
		    "\"local_root_span_id\":\"0100000000000000\","
		    "\"labels\":{\"a\\\"b\":\"\xc3\xa9\",\"c\":\"\"},"
		    "\"kernel\":[\"0xffffffff81000001\"],\"frames\":[\"0x1234\",\"0x5678\"],"
		    "\"end\":\"zero\",\"by_fallback\":1,\"finished\":false,\"truncated\":false}\n");
}

Test(sample_dump, sample_without_one)
{
	struct sample_record rec = { .user_end = USER_END_UNREADABLE };

	assert_dump(
		&rec, &no_context, NULL, true,
		"{\"time_ns\":0,\"pid\":0,\"tid\":0,\"cpu\":0,\"kernel\":[],\"frames\":[],"
		"\"end\":\"unreadable\",\"by_fallback\":0,\"finished\":true,\"truncated\":true}\n");
	rec.user_end = USER_END_NONE;
	assert_dump(&rec, &no_context, NULL, false,
		    "{\"time_ns\":0,\"pid\":0,\"tid\":0,\"cpu\":0,\"kernel\":[],\"frames\":[],"
		    "\"end\":\"none\",\"by_fallback\":0,\"finished\":false,\"truncated\":false}\n");
}

static json_t *dumped_with_end(int end)
{
	struct sample_record rec = { .user_end = end };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *obj;

	sample_dump(f, &rec, &no_context, NULL, false);
	fclose(f);
	obj = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	cr_assert(ne(ptr, obj, NULL));
	return obj;
}

Test(sample_dump, each_end_has_a_name_of_its_own)
{
	json_t *names = json_object();

	for (int end = 0; end <= USER_END_COUNT; end++) {
		json_t *obj = dumped_with_end(end);
		const char *name = json_string_value(json_object_get(obj, "end"));

		cr_assert(eq(int, strcmp(name, "unknown") == 0, end == USER_END_COUNT));
		json_object_set_new(names, name, json_true());
		cr_assert(
			eq(int, json_is_true(json_object_get(obj, "truncated")),
			   end != USER_END_NONE && end != USER_END_ENTRY && end != USER_END_ZERO));
		json_decref(obj);
	}
	cr_assert(eq(sz, json_object_size(names), USER_END_COUNT + 1));
	json_decref(names);
}
