/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server answers to a profile, from the lines of its headers to the verdict and the message.
 * Input: kind of the endpoint and what failed (1 byte), HTTP status (2), grpc-status (1: 0 to 19 is
 * that code; else only what the headers say), Retry-After as libcurl has read it (8), room for the
 * message of `record --push` (1); then lines of headers, an empty one, and the body. The numbers
 * are little endian.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "export/endpoint_answer.h"
#include "export/otlp_answer.h"
#include "export/pyroscope_answer.h"

/* For what libcurl calls, and for how long is waited. */
#include "export/delivery.c"
#include "export/http_answer.c"

#define WHERE	"http://h\xc3\xa9.example:4040"
#define PROFILE 1000003 /* samples */
/* As otlp_answer.c has it. */
#define DAY 86400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct head {
	uint8_t kind;
	uint16_t status;
	uint8_t code;
	int64_t retry_after_s;
	uint8_t room;
} __attribute__((packed));

static const int errors[] = {
	0, 0, 0, 0, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -EKEYREJECTED, -ENOKEY, -EIO
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* One line that a terminal does not act on: U+0080 to U+009f are control characters as well. */
static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	check(len < size && utf8_is_printable(text, len));
	for (size_t i = 0; i + 1 < len; i++)
		check((uint8_t)text[i] != 0xc2 || (uint8_t)text[i + 1] >= 0xa0);
}

static void check_verdict(const struct verdict_detail *v)
{
	check(v->verdict <= VERDICT_HOPELESS);
	check(v->retry_after_s >= 0);
	check(v->rejected <= INT64_MAX && (!v->rejected || v->verdict == VERDICT_TAKEN));
	check_text(v->message, sizeof(v->message));
}

/* Not before Retry-After, up to an hour; never longer than that or than 5 minutes and a quarter. */
static void check_wait(const struct verdict_detail *v)
{
	uint64_t wish = v->retry_after_s < RETRY_AFTER_MAX ? v->retry_after_s : RETRY_AFTER_MAX;

	for (unsigned failures = 1; failures < 40; failures += 6) {
		const struct courier c = { .failures = failures };
		uint64_t ms = backoff_ms(&c, v);

		check(ms >= wish * 1000 && ms >= BACKOFF_MS * 3 / 4);
		check(ms <= RETRY_AFTER_MAX * 1000);
		check(wish || ms <= BACKOFF_MAX_MS * 5 / 4);
	}
}

/* --- as libcurl hands it over ----------------------------------------------------------------- */

/* On its own, so that a byte too many is seen; libcurl's lines end without a NUL. */
static bool hand_over(size_t (*fn)(char *, size_t, size_t, void *), struct http_answer *a,
		      const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = malloc(len + !len);
	size_t taken;

	check(copy);
	memcpy(copy, data, len);
	taken = fn(copy, 1, len, a);
	check(taken <= len);
	return taken == len;
}

/* Returns where the body begins. */
static const uint8_t *take_headers(struct http_answer *a, const uint8_t *data, const uint8_t *end)
{
	while (data < end) {
		const uint8_t *line_end = memchr(data, '\n', end - data);
		size_t len = line_end ? (size_t)(line_end - data) + 1 : (size_t)(end - data);

		if (!hand_over(on_header, a, data, len))
			return NULL;
		data += len;
		if (len == 1)
			break;
	}
	return data;
}

static void receive(struct http_answer *a, const struct head *h, const uint8_t *data,
		    const uint8_t *end)
{
	struct http_response *resp = a->resp;

	data = take_headers(a, data, end);
	check(a->flooded == !data);
	if (data)
		hand_over(on_body, a, data, end - data);
	http_answer_finish(a);
	check(resp->body_len <= HTTP_BODY_MAX && resp->body[resp->body_len] == '\0');
	resp->status = h->status % 600;
	resp->retry_after_s = h->retry_after_s;
	if (h->code < 20) {
		free(resp->grpc_status);
		check(asprintf(&resp->grpc_status, "%u", h->code) > 0);
	}
	if (resp->status / 100 == 3)
		resp->redirect = strdup(resp->body);
	snprintf(resp->error, sizeof(resp->error), "%s", resp->body);
	resp->sent = h->code & 1;
}

/* --- what it means ---------------------------------------------------------------------------- */

static void judge_alone(const struct http_response *resp)
{
	const struct otlp_http_answer http = { resp->status, resp->retry_after_s, resp->body,
					       resp->body_len };
	const struct otlp_grpc_answer grpc = { resp->status,	   resp->grpc_status,
					       resp->grpc_message, resp->grpc_details,
					       resp->body,	   resp->body_len };
	struct verdict_detail v;

	otlp_judge_http(&http, &v);
	check_verdict(&v);
	check(v.retry_after_s <= DAY && (!v.retry_after_s || v.verdict == VERDICT_RETRY));
	otlp_judge_grpc(&grpc, &v);
	check_verdict(&v);
	check(v.retry_after_s <= DAY && (!v.retry_after_s || v.verdict == VERDICT_RETRY));
}

static void push_alone(const struct head *h, int err, const struct http_response *resp)
{
	char message[512];
	size_t size = h->room ? 2 * h->room : sizeof(message);

	check(pyroscope_judge(err, resp) <= PYROSCOPE_HOPELESS);
	pyroscope_explain(WHERE, err, resp, message, size);
	check_text(message, size);
}

static void judge(enum endpoint_type type, int err, const struct http_response *resp)
{
	struct verdict_detail v = { .message = "said before" };

	endpoint_judge(type, WHERE, err, resp, &v);
	check_verdict(&v);
	check(endpoint_outcome(err, resp, &v) < DELIVERY_OUTCOMES);
	check(endpoint_rejected(&v, resp->body_len % 7, PROFILE) <= PROFILE);
	check_wait(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };
	struct http_answer a = { .resp = &resp };
	struct head h;
	int err;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	err = errors[h.kind / 4 % (sizeof(errors) / sizeof(errors[0]))];
	resp.body = malloc(HTTP_BODY_MAX + 1);
	check(resp.body);
	receive(&a, &h, data + sizeof(h), data + size);
	switch (h.kind % 4) {
	case 0:
		judge_alone(&resp);
		break;
	case 1:
		push_alone(&h, err, &resp);
		break;
	default:
		judge(ENDPOINT_PYROSCOPE, err, &resp);
		judge(ENDPOINT_OTLP_HTTP, err, &resp);
		judge(ENDPOINT_OTLP_GRPC, err, &resp);
	}
	return 0;
}
