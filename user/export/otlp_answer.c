/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_answer.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "export/answer_line.h"
#include "export/gunzip.h"
#include "export/otlp_answer.pb-c.h"

#define BODY_MAX    (64 * 1024)
#define DETAILS_MAX (16 * 1024)
#define WORDS_MAX   320
#define RETRY_MAX   86400 /* s; who names a later time is not believed */

struct words {
	char text[WORDS_MAX];
	int64_t retry_s; /* of a RetryInfo; -1: there is none */
};

struct body {
	const void *data;
	size_t len;
	uint8_t *own; /* inflated */
};

static void body_clear(struct body *b)
{
	free(b->own);
}

/* What is no gzip, or too much of it, stays as it is: it makes no message then. */
static struct body body_of(const void *data, size_t len)
{
	struct body b = { data, len, NULL };
	size_t inflated;

	if (len && gunzip_is(data, len) && gunzip(data, len, BODY_MAX, &b.own, &inflated) == 0) {
		b.data = b.own;
		b.len = inflated;
	}
	if (b.len > BODY_MAX)
		b.len = BODY_MAX;
	return b;
}

static bool is_page(const struct body *b)
{
	const char *text = b->data;
	size_t i = 0;

	while (i < b->len && isspace((unsigned char)text[i]))
		i++;
	return i < b->len && text[i] == '<';
}

static int64_t clamp_retry(int64_t s)
{
	return s < 0 ? 0 : s > RETRY_MAX ? RETRY_MAX : s;
}

/* --- google.rpc.Status ------------------------------------------------------------------------ */

static void free_status(OtlpAnswer__Status **s)
{
	if (*s)
		otlp_answer__status__free_unpacked(*s, NULL);
}

static bool is_retry_info(const OtlpAnswer__Any *any)
{
	static const char name[] = "/google.rpc.RetryInfo";
	size_t n = sizeof(name) - 1, len = any->type_url.len;

	return len >= n && memcmp(any->type_url.data + len - n, name, n) == 0;
}

/* Seconds, rounded up; -1: it is none. */
static int64_t retry_of(const OtlpAnswer__Any *any)
{
	OtlpAnswer__RetryInfo *info;
	int64_t s = 0;

	if (!is_retry_info(any))
		return -1;
	info = otlp_answer__retry_info__unpack(NULL, any->value.len, any->value.data);
	if (!info)
		return -1;
	if (info->retry_delay) {
		s = clamp_retry(info->retry_delay->seconds);
		s += s < RETRY_MAX && info->retry_delay->nanos > 0;
	}
	otlp_answer__retry_info__free_unpacked(info, NULL);
	return s;
}

/* False: these bytes are no Status that says something. */
static bool words_of_status(const void *data, size_t len, struct words *ret)
{
	CLEANUP(free_status)
	OtlpAnswer__Status *s = otlp_answer__status__unpack(NULL, len, data);

	if (!s || (!s->message.len && !s->n_details))
		return false;
	answer_line(ret->text, sizeof(ret->text), s->message.data, s->message.len);
	for (size_t i = 0; i < s->n_details && ret->retry_s < 0; i++)
		ret->retry_s = retry_of(s->details[i]);
	return true;
}

static bool words_of_json(const struct body *b, struct words *ret)
{
	json_t *json = json_loadb(b->data, b->len, 0, NULL);
	const char *text = json_string_value(json_object_get(json, "message"));

	if (!text)
		text = json_string_value(json_object_get(json, "error"));
	if (text)
		answer_line(ret->text, sizeof(ret->text), text, strlen(text));
	json_decref(json);
	return text;
}

static struct words words_of(const struct body *b)
{
	struct words w = { .retry_s = -1 };

	if (b->len && !words_of_status(b->data, b->len, &w) && !words_of_json(b, &w) && !is_page(b))
		answer_line(w.text, sizeof(w.text), b->data, b->len);
	return w;
}

/* --- success ---------------------------------------------------------------------------------- */

struct partial {
	int64_t rejected;
	char words[WORDS_MAX];
};

static bool read_protobuf(const struct body *b, struct partial *ret)
{
	OtlpAnswer__ExportResponse *resp =
		otlp_answer__export_response__unpack(NULL, b->len, b->data);

	if (!resp)
		return false;
	if (resp->partial_success) {
		const OtlpAnswer__PartialSuccess *p = resp->partial_success;

		ret->rejected = p->rejected_profiles;
		answer_line(ret->words, sizeof(ret->words), p->error_message.data,
			    p->error_message.len);
	}
	otlp_answer__export_response__free_unpacked(resp, NULL);
	return true;
}

/* Some servers answer in JSON whatever they were sent. Its 64-bit numbers may be strings. */
static bool read_json(const struct body *b, struct partial *ret)
{
	json_t *json = json_loadb(b->data, b->len, 0, NULL);
	json_t *p = json_object_get(json, "partialSuccess");
	json_t *rejected = json_object_get(p, "rejectedProfiles");
	const char *words = json_string_value(json_object_get(p, "errorMessage"));
	bool is_object = json_is_object(json);
	uint64_t n = 0;

	if (json_is_string(rejected))
		(void)parse_u64(json_string_value(rejected), 0, INT64_MAX, &n);
	ret->rejected = json_is_integer(rejected) ? json_integer_value(rejected) : (int64_t)n;
	if (words)
		answer_line(ret->words, sizeof(ret->words), words, strlen(words));
	json_decref(json);
	return is_object;
}

static void say_partial(const struct partial *p, struct verdict_detail *ret)
{
	ret->rejected = p->rejected > 0 ? p->rejected : 0;
	if (ret->rejected)
		snprintf(ret->message, sizeof(ret->message), "rejected %" PRIu64 " profiles%s%s",
			 ret->rejected, *p->words ? ": " : "", p->words);
	else if (*p->words)
		snprintf(ret->message, sizeof(ret->message), "warns: %s", p->words);
}

static void judge_success(const struct body *b, struct verdict_detail *ret)
{
	struct partial p = { 0 };

	ret->verdict = VERDICT_TAKEN;
	if (b->len == 0)
		return;
	if (read_json(b, &p) || read_protobuf(b, &p)) {
		say_partial(&p, ret);
	} else if (is_page(b)) {
		ret->verdict = VERDICT_HOPELESS;
		snprintf(ret->message, sizeof(ret->message),
			 "answered with a web page, which is not how OTLP answers: is it its "
			 "address?");
	} else {
		snprintf(ret->message, sizeof(ret->message),
			 "reported success, but not in the way of OTLP: is it its address?");
	}
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static enum verdict verdict_of_http(long status)
{
	switch (status) {
	case 429:
	case 502:
	case 503:
	case 504:
		return VERDICT_RETRY;
	case 413:
		return VERDICT_TOO_LARGE;
	case 401:
	case 403:
	case 404:
	case 405:
	case 407:
	case 415:
		return VERDICT_HOPELESS;
	default:
		return status >= 400 ? VERDICT_REFUSED : VERDICT_HOPELESS;
	}
}

static const char *http_remedy(long status)
{
	switch (status) {
	case 401:
		return "; it needs credentials, or a tenant";
	case 403:
		return "; the credentials do not allow to write profiles";
	case 404:
	case 405:
		return "; is it an OTLP endpoint that takes profiles?";
	case 407:
		return "; the proxy needs credentials";
	case 415:
		return "; is it an OTLP endpoint?";
	default:
		return status >= 300 && status < 400 ? "; it redirects: give that address" : "";
	}
}

void otlp_judge_http(const struct otlp_http_answer *a, struct verdict_detail *ret)
{
	CLEANUP(body_clear) struct body b = body_of(a->body, a->len);
	struct words w;

	*ret = (struct verdict_detail){ 0 };
	if (a->status >= 200 && a->status < 300) {
		judge_success(&b, ret);
		return;
	}
	w = words_of(&b);
	ret->verdict = verdict_of_http(a->status);
	if (ret->verdict == VERDICT_RETRY)
		ret->retry_after_s =
			clamp_retry(a->retry_after_s > 0 ? a->retry_after_s : w.retry_s);
	snprintf(ret->message, sizeof(ret->message), "answered %ld%s%s%s", a->status,
		 *w.text ? ": " : "", w.text, http_remedy(a->status));
}

/* --- gRPC ------------------------------------------------------------------------------------- */

enum grpc_code {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16,
	GRPC_CODES,
};

static const char *const code_names[GRPC_CODES] = {
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
};

/* How servers say it; there is no code of its own for it. */
static bool says_too_large(const char *words)
{
	static const char *const phrases[] = { "larger than max", "exceeds max", "too large",
					       "exceeds the max" };

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strcasestr(words, phrases[i]))
			return true;
	return false;
}

static enum verdict verdict_of_code(uint64_t code, const struct words *w)
{
	switch (code) {
	case GRPC_RESOURCE_EXHAUSTED:
		if (w->retry_s >= 0) /* the server can recover */
			return VERDICT_RETRY;
		return says_too_large(w->text) ? VERDICT_TOO_LARGE : VERDICT_REFUSED;
	case GRPC_OUT_OF_RANGE:
		return says_too_large(w->text) ? VERDICT_TOO_LARGE : VERDICT_RETRY;
	case GRPC_CANCELLED:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_ABORTED:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS:
		return VERDICT_RETRY;
	case GRPC_PERMISSION_DENIED:
	case GRPC_UNIMPLEMENTED:
	case GRPC_UNAUTHENTICATED:
		return VERDICT_HOPELESS;
	default:
		return VERDICT_REFUSED;
	}
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* As far as it is base64, with or without padding; at most DETAILS_MAX bytes. */
static size_t decode_base64(const char *text, uint8_t *ret)
{
	uint32_t bits = 0;
	size_t n = 0;

	for (unsigned have = 0; n < DETAILS_MAX; text++) {
		int digit = base64_digit(*text);

		if (digit < 0)
			break;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			ret[n++] = bits >> have;
		}
	}
	return n;
}

/* Bytes of the message are %XX where they are not plain. */
static void decode_percent(const char *text, char *ret, size_t size)
{
	char plain[WORDS_MAX];
	size_t n = 0;

	while (*text && n < sizeof(plain)) {
		char hex[3] = { text[0] == '%' ? text[1] : '\0' };
		uint8_t byte;

		hex[1] = hex[0] ? text[2] : '\0';
		if (hex[0] && parse_hex(hex, &byte, 1) == 0) {
			plain[n++] = (char)byte;
			text += 3;
		} else {
			plain[n++] = *text++;
		}
	}
	answer_line(ret, size, plain, n);
}

static struct words words_of_grpc(const struct otlp_grpc_answer *a)
{
	CLEANUP(freep) uint8_t *details = a->details ? malloc(DETAILS_MAX) : NULL;
	struct words w = { .retry_s = -1 };

	if (details)
		words_of_status(details, decode_base64(a->details, details), &w);
	if (a->message && *a->message)
		decode_percent(a->message, w.text, sizeof(w.text));
	return w;
}

/* The message in the frame; a frame that is cut off gives one that is no answer of OTLP. */
static struct body framed_body(const struct otlp_grpc_answer *a)
{
	const uint8_t *p = a->body;
	size_t len;

	if (a->len < 5)
		return body_of(a->body, a->len);
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	return len == a->len - 5 && p[0] <= 1 ? body_of(p + 5, len) : body_of(p, a->len);
}

static void judge_no_grpc(const struct otlp_grpc_answer *a, struct verdict_detail *ret)
{
	/* Proxies in between answer in HTTP. gRPC's table of what that means agrees with OTLP's. */
	const struct otlp_http_answer http = { .status = a->http_status,
					       .body = a->body,
					       .len = a->len };

	if (a->http_status < 200 || a->http_status >= 300) {
		otlp_judge_http(&http, ret);
		return;
	}
	ret->verdict = VERDICT_HOPELESS;
	snprintf(ret->message, sizeof(ret->message),
		 "answered without a grpc-status: is it a gRPC endpoint?");
}

void otlp_judge_grpc(const struct otlp_grpc_answer *a, struct verdict_detail *ret)
{
	struct words w = words_of_grpc(a);
	uint64_t code;

	*ret = (struct verdict_detail){ 0 };
	if (!a->status) {
		judge_no_grpc(a, ret);
		return;
	}
	/* A code that nobody knows counts as UNKNOWN. */
	if (parse_u64(a->status, 0, GRPC_CODES - 1, &code) < 0)
		code = GRPC_UNKNOWN;
	if (code == GRPC_OK) {
		CLEANUP(body_clear) struct body b = framed_body(a);

		judge_success(&b, ret);
		return;
	}
	ret->verdict = verdict_of_code(code, &w);
	if (ret->verdict == VERDICT_RETRY)
		ret->retry_after_s = clamp_retry(w.retry_s);
	snprintf(ret->message, sizeof(ret->message), "answered %s%s%s", code_names[code],
		 *w.text ? ": " : "", w.text);
}
