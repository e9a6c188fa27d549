/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_answer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "export/otlp_answer.pb-c.h"
#include "leak_check.h"

TestSuite(otlp_answer, .fini = leak_check);

#define BYTES(text) ((ProtobufCBinaryData){ strlen(text), (uint8_t *)(text) })

static struct verdict_detail http(long status, const void *body, size_t len, int64_t retry_after)
{
	struct otlp_http_answer a = { status, retry_after, body, len };
	struct verdict_detail d;

	memset(&d, 0xa5, sizeof(d)); /* all of it is to be filled */
	otlp_judge_http(&a, &d);
	return d;
}

static struct verdict_detail http_text(long status, const char *body)
{
	return http(status, body, strlen(body), 0);
}

static struct verdict_detail grpc(const char *status, const char *message, const char *details)
{
	struct otlp_grpc_answer a = {
		.http_status = 200, .status = status, .message = message, .details = details
	};
	struct verdict_detail d;

	memset(&d, 0xa5, sizeof(d));
	otlp_judge_grpc(&a, &d);
	return d;
}

static struct verdict_detail grpc_ok(const void *body, size_t len)
{
	struct otlp_grpc_answer a = { .http_status = 200, .status = "0", .body = body, .len = len };
	struct verdict_detail d;

	otlp_judge_grpc(&a, &d);
	return d;
}

#define assert_verdict(d, want, retry)                                                             \
	do {                                                                                       \
		struct verdict_detail d_ = (d);                                                    \
		cr_assert(eq(int, d_.verdict, want), "%s", d_.message);                            \
		cr_assert(eq(i64, d_.retry_after_s, retry), "%s", d_.message);                     \
	} while (0)

static void assert_says(struct verdict_detail d, const char *part)
{
	cr_assert(strstr(d.message, part) != NULL, "'%s' is missing in '%s'", part, d.message);
}

/* An ExportProfilesServiceResponse, in static memory. */
static size_t partial(int64_t rejected, const char *words, uint8_t *buf)
{
	OtlpAnswer__PartialSuccess p = OTLP_ANSWER__PARTIAL_SUCCESS__INIT;
	OtlpAnswer__ExportResponse resp = OTLP_ANSWER__EXPORT_RESPONSE__INIT;

	p.rejected_profiles = rejected;
	p.error_message = BYTES(words);
	resp.partial_success = &p;
	return otlp_answer__export_response__pack(&resp, buf);
}

/* A google.rpc.Status; @retry_s < 0: without a RetryInfo. */
static size_t status(const char *words, int64_t retry_s, int nanos, uint8_t *buf)
{
	OtlpAnswer__Duration delay = OTLP_ANSWER__DURATION__INIT;
	OtlpAnswer__RetryInfo info = OTLP_ANSWER__RETRY_INFO__INIT;
	OtlpAnswer__Any any = OTLP_ANSWER__ANY__INIT, *anys = &any;
	OtlpAnswer__Status s = OTLP_ANSWER__STATUS__INIT;
	uint8_t packed[64];

	s.code = 8;
	s.message = BYTES(words);
	delay.seconds = retry_s;
	delay.nanos = nanos;
	info.retry_delay = &delay;
	any.type_url = BYTES("type.googleapis.com/google.rpc.RetryInfo");
	any.value.data = packed;
	any.value.len = otlp_answer__retry_info__pack(&info, packed);
	s.details = &anys;
	s.n_details = retry_s >= 0;
	return otlp_answer__status__pack(&s, buf);
}

static void base64(const uint8_t *buf, size_t len, char *ret)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | buf[i];
		for (have += 8; have >= 6; have -= 6)
			*ret++ = digits[bits >> (have - 6) & 63];
	}
	if (have)
		*ret++ = digits[bits << (6 - have) & 63];
	*ret = '\0';
}

/* --- HTTP --- */

Test(otlp_answer, success_says_nothing)
{
	assert_verdict(http(200, NULL, 0, 0), VERDICT_TAKEN, 0);
	cr_assert(eq(str, http(200, NULL, 0, 0).message, ""));
	assert_verdict(http_text(202, "{}"), VERDICT_TAKEN, 0);
	cr_assert(eq(str, http_text(202, "{}").message, ""));
}

Test(otlp_answer, partial_success_is_taken_and_told)
{
	uint8_t buf[256];
	size_t len = partial(3, "clock\nskew", buf);
	struct verdict_detail d = http(200, buf, len, 0);

	assert_verdict(d, VERDICT_TAKEN, 0);
	cr_assert(eq(u64, d.rejected, 3));
	assert_says(d, "rejected 3 profiles: clock skew");

	d = http(200, buf, partial(0, "use TLS", buf), 0);
	cr_assert(zero(u64, d.rejected));
	assert_says(d, "warns: use TLS");
	/* Less than nothing was rejected: a server that lies. */
	cr_assert(zero(u64, http(200, buf, partial(-5, "", buf), 0).rejected));
}

Test(otlp_answer, partial_success_in_json)
{
	struct verdict_detail d = http_text(
		200, "{\"partialSuccess\":{\"rejectedProfiles\":\"2\",\"errorMessage\":\"old\"}}");

	assert_verdict(d, VERDICT_TAKEN, 0);
	cr_assert(eq(u64, d.rejected, 2));
	assert_says(d, "rejected 2 profiles: old");
}

Test(otlp_answer, success_of_others)
{
	assert_verdict(http_text(200, "ok"), VERDICT_TAKEN, 0);
	assert_says(http_text(200, "ok"), "not in the way of OTLP");
	assert_verdict(http_text(200, " \n<!DOCTYPE html>"), VERDICT_HOPELESS, 0);
	assert_says(http_text(200, "<html>"), "web page");
}

Test(otlp_answer, statuses)
{
	static const struct {
		long status;
		enum verdict want;
	} table[] = {
		{ 0, VERDICT_HOPELESS },   { 101, VERDICT_HOPELESS },  { 302, VERDICT_HOPELESS },
		{ 400, VERDICT_REFUSED },  { 401, VERDICT_HOPELESS },  { 403, VERDICT_HOPELESS },
		{ 404, VERDICT_HOPELESS }, { 405, VERDICT_HOPELESS },  { 407, VERDICT_HOPELESS },
		{ 408, VERDICT_REFUSED },  { 413, VERDICT_TOO_LARGE }, { 415, VERDICT_HOPELESS },
		{ 422, VERDICT_REFUSED },  { 429, VERDICT_RETRY },     { 500, VERDICT_REFUSED },
		{ 501, VERDICT_REFUSED },  { 502, VERDICT_RETRY },     { 503, VERDICT_RETRY },
		{ 504, VERDICT_RETRY },	   { 599, VERDICT_REFUSED },   { -1, VERDICT_HOPELESS },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		cr_assert(eq(int, http(table[i].status, NULL, 0, 0).verdict, table[i].want), "%ld",
			  table[i].status);
}

Test(otlp_answer, retry_after_is_honoured_within_reason)
{
	uint8_t buf[256];
	size_t len = status("busy", 7, 0, buf);

	assert_verdict(http(503, NULL, 0, 30), VERDICT_RETRY, 30);
	assert_verdict(http(429, NULL, 0, -1), VERDICT_RETRY, 0);
	assert_verdict(http(429, NULL, 0, INT64_MAX), VERDICT_RETRY, 86400);
	/* The header comes before the body. */
	assert_verdict(http(503, buf, len, 30), VERDICT_RETRY, 30);
	assert_verdict(http(503, buf, len, 0), VERDICT_RETRY, 7);
	assert_verdict(http(400, buf, len, 30), VERDICT_REFUSED, 0);
}

Test(otlp_answer, words_of_the_server)
{
	uint8_t buf[256];
	size_t len = status("bad stack_index\x1b[31m \xff", -1, 0, buf);

	cr_assert(eq(str, http(400, buf, len, 0).message, "answered 400: bad stack_index [31m ?"));
	cr_assert(eq(str, http_text(400, "parse error\r\n").message, "answered 400: parse error"));
	cr_assert(eq(str, http_text(400, "{\"code\":3,\"message\":\"no\"}").message,
		     "answered 400: no"));
	cr_assert(eq(str, http_text(500, "<html>oops</html>").message, "answered 500"));
	assert_says(http_text(302, ""), "redirects");
}

Test(otlp_answer, long_words_are_cut_between_characters)
{
	char text[4096];

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "é", 2);
	cr_assert(lt(sz, strlen(http(400, text, sizeof(text), 0).message), VERDICT_MESSAGE_MAX));
	cr_assert(strchr(http(400, text, sizeof(text), 0).message, '?') == NULL);
}

static size_t gzip(const void *in, size_t len, uint8_t *out, size_t size)
{
	z_stream z = {
		.next_in = (Bytef *)in, .avail_in = len, .next_out = out, .avail_out = size
	};

	cr_assert(eq(int, deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK));
	cr_assert(eq(int, deflate(&z, Z_FINISH), Z_STREAM_END));
	deflateEnd(&z);
	return z.total_out;
}

Test(otlp_answer, answers_may_be_compressed)
{
	uint8_t buf[256], packed[256];
	size_t len = gzip(buf, partial(4, "late", buf), packed, sizeof(packed));

	cr_assert(eq(u64, http(200, packed, len, 0).rejected, 4));
}

Test(otlp_answer, bombs_are_not_inflated)
{
	char *zeros = calloc(1, 64 << 20);
	uint8_t *packed = malloc(1 << 20);
	size_t len = gzip(zeros, 64 << 20, packed, 1 << 20);

	assert_verdict(http(200, packed, len, 0), VERDICT_TAKEN, 0);
	assert_says(http(200, packed, len, 0), "not in the way of OTLP");
	free(packed);
	free(zeros);
}

/* --- gRPC --- */

Test(otlp_answer, grpc_codes)
{
	static const enum verdict want[] = {
		VERDICT_TAKEN,	  VERDICT_RETRY,    VERDICT_REFUSED,
		VERDICT_REFUSED,  VERDICT_RETRY,    VERDICT_REFUSED,
		VERDICT_REFUSED,  VERDICT_HOPELESS, VERDICT_REFUSED,
		VERDICT_REFUSED,  VERDICT_RETRY,    VERDICT_RETRY,
		VERDICT_HOPELESS, VERDICT_REFUSED,  VERDICT_RETRY,
		VERDICT_RETRY,	  VERDICT_HOPELESS, VERDICT_REFUSED /* 17 */,
	};
	char code[8];

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		snprintf(code, sizeof(code), "%zu", i);
		cr_assert(eq(int, grpc(code, "", NULL).verdict, want[i]), "%zu", i);
	}
	assert_verdict(grpc("x", "", NULL), VERDICT_REFUSED, 0);
	assert_verdict(grpc("-1", "", NULL), VERDICT_REFUSED, 0);
	assert_verdict(grpc("", "", NULL), VERDICT_REFUSED, 0);
	assert_says(grpc("13", NULL, NULL), "answered INTERNAL");
}

Test(otlp_answer, grpc_success_with_its_frame)
{
	uint8_t buf[256] = { 0 };

	assert_verdict(grpc_ok("\0\0\0\0\0", 5), VERDICT_TAKEN, 0);
	cr_assert(eq(str, grpc_ok("\0\0\0\0\0", 5).message, ""));
	buf[4] = partial(3, "old", buf + 5);
	cr_assert(eq(u64, grpc_ok(buf, 5 + buf[4]).rejected, 3));
	/* Cut off, or longer than it says. */
	assert_verdict(grpc_ok(buf, 4 + buf[4]), VERDICT_TAKEN, 0);
	cr_assert(zero(u64, grpc_ok(buf, 4 + buf[4]).rejected));
	buf[1] = 0xff;
	assert_verdict(grpc_ok(buf, sizeof(buf)), VERDICT_TAKEN, 0);
	assert_verdict(grpc_ok(buf, 3), VERDICT_TAKEN, 0);
}

Test(otlp_answer, grpc_resource_exhausted)
{
	uint8_t buf[256];
	char details[512];

	base64(buf, status("slow down", 7, 500000000, buf), details);
	assert_verdict(grpc("8", "slow down", details), VERDICT_RETRY, 8);
	strcat(details, "==");
	assert_verdict(grpc("14", NULL, details), VERDICT_RETRY, 8);
	assert_says(grpc("14", NULL, details), "answered UNAVAILABLE: slow down");
	/* Whatever the delay is, this is the sign that the server can recover. */
	base64(buf, status("", 0, 0, buf), details);
	assert_verdict(grpc("8", "", details), VERDICT_RETRY, 0);
	base64(buf, status("", INT64_MAX, 999999999, buf), details);
	assert_verdict(grpc("8", "", details), VERDICT_RETRY, 86400);

	base64(buf, status("quota", -1, 0, buf), details);
	assert_verdict(grpc("8", "quota", details), VERDICT_REFUSED, 0);
	assert_verdict(grpc("8", "quota", "%%%"), VERDICT_REFUSED, 0);
	assert_verdict(grpc("8", "grpc: received message larger than max (9 vs. 4)", NULL),
		       VERDICT_TOO_LARGE, 0);
	assert_verdict(grpc("8", "gRPC message exceeds maximum size 4: 9", NULL), VERDICT_TOO_LARGE,
		       0);
	assert_verdict(grpc("11", "decoded message length too large", NULL), VERDICT_TOO_LARGE, 0);
}

Test(otlp_answer, grpc_message_is_percent_encoded)
{
	assert_says(grpc("3", "na%C3%AFve 100%25%0A%1b%zz%4", NULL),
		    "INVALID_ARGUMENT: naïve 100%  %zz%4");
	assert_says(grpc("3", "%ff", NULL), "INVALID_ARGUMENT: ?");
}

Test(otlp_answer, no_grpc_at_all)
{
	struct otlp_grpc_answer a = { .http_status = 503, .body = "no upstream", .len = 11 };
	struct verdict_detail d;

	otlp_judge_grpc(&a, &d);
	assert_verdict(d, VERDICT_RETRY, 0);
	assert_says(d, "answered 503: no upstream");
	a.http_status = 200;
	otlp_judge_grpc(&a, &d);
	assert_verdict(d, VERDICT_HOPELESS, 0);
	assert_says(d, "is it a gRPC endpoint?");
}

Test(otlp_answer, details_without_end)
{
	size_t len = 1 << 20;
	char *details = malloc(len + 1);

	memset(details, 'A', len);
	details[len] = '\0';
	assert_verdict(grpc("8", details, details), VERDICT_REFUSED, 0);
	free(details);
}
