/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of answer means is in test_otlp_answer.c and test_pyroscope.c. */
#include "export/endpoint_answer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "export/answer_line.h"
#include "export/pyroscope_answer.h"
#include "leak_check.h"

TestSuite(endpoint_answer, .fini = leak_check);

#define WHERE "http://localhost:4040"

static const enum endpoint_type servers[] = { ENDPOINT_PYROSCOPE, ENDPOINT_OTLP_HTTP,
					      ENDPOINT_OTLP_GRPC };

static struct http_response answer(long status, char *body)
{
	return (struct http_response){ .status = status, .body = body, .body_len = strlen(body) };
}

/* Wherever the text is cut, which the length of what stands before it decides. */
Test(endpoint_answer, message_is_not_cut_within_a_character)
{
	char words[402] = "x";

	for (size_t i = 1; i < sizeof(words) - 1; i += 2)
		memcpy(words + i, "\xc3\xa9", 2);
	for (size_t from = 0; from < 2; from++) {
		struct http_response resp = answer(400, words + from);
		struct verdict_detail v = { 0 };

		for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
			endpoint_judge(servers[i], WHERE, 0, &resp, &v);
			cr_assert(utf8_is_printable(v.message, strlen(v.message)), "%s", v.message);
			cr_assert(strstr(v.message, "\xc3\xa9") != NULL, "%s", v.message);
		}
	}
}

Test(endpoint_answer, push_message_is_not_cut_within_a_character)
{
	struct http_response resp = answer(400, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
	char message[48];

	for (size_t size = sizeof(WHERE) + 16; size < sizeof(message); size++) {
		pyroscope_explain(WHERE, 0, &resp, message, size);
		cr_assert(strlen(message) < size);
		cr_assert(utf8_is_printable(message, strlen(message)), "%s", message);
	}
}

Test(endpoint_answer, invalid_byte_of_a_long_text_costs_only_itself)
{
	char words[401], line[64];

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	words[3] = '\xff';
	answer_line(line, sizeof(line), words, strlen(words));
	cr_assert(eq(sz, strlen(line), sizeof(line) - 1));
	cr_assert(zero(int, strncmp(line, "xxx?xxx", 7)));
}

/* A date that has passed. */
Test(endpoint_answer, negative_retry_after_is_none)
{
	struct http_response resp = answer(429, "");

	resp.retry_after_s = -86400;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct verdict_detail v = { 0 };

		endpoint_judge(servers[i], WHERE, 0, &resp, &v);
		cr_assert(eq(i64, v.retry_after_s, 0));
	}
}

/* Whatever number the server gives. */
Test(endpoint_answer, rejected_samples_are_a_share_of_those_sent)
{
	const struct verdict_detail none = { 0 }, two = { .rejected = 2 },
				    most = { .rejected = INT64_MAX };

	cr_assert(eq(u64, endpoint_rejected(&none, 5, 100), 0));
	cr_assert(eq(u64, endpoint_rejected(&two, 5, 100), 40));
	cr_assert(eq(u64, endpoint_rejected(&two, 0, 100), 100));
	cr_assert(eq(u64, endpoint_rejected(&most, 5, 100), 100));
}

/* Nobody but a person changes that: the tries begin with a minute. */
Test(endpoint_answer, proxy_that_refuses_is_hopeless)
{
	struct http_response resp = { .error = "the proxy answered 407 to CONNECT" };

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct verdict_detail v = { 0 };

		endpoint_judge(servers[i], WHERE, -EACCES, &resp, &v);
		cr_assert(eq(int, v.verdict, VERDICT_HOPELESS));
		cr_assert(strstr(v.message, resp.error) != NULL, "%s", v.message);
		cr_assert(eq(int, endpoint_outcome(-EACCES, &resp, &v), DELIVERY_DENIED));
	}
}
