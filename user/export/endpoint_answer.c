/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint_answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "export/answer_line.h"
#include "export/otlp_answer.h"
#include "export/pyroscope_answer.h"

enum delivery_outcome endpoint_outcome(int err, const struct http_response *resp,
				       const struct verdict_detail *v)
{
	if (err == -EACCES)
		return DELIVERY_DENIED;
	if (err < 0)
		return resp->sent ? DELIVERY_NO_ANSWER : DELIVERY_UNREACHED;
	switch (v->verdict) {
	case VERDICT_TAKEN:
		return v->rejected ? DELIVERY_PARTIAL : DELIVERY_TAKEN;
	case VERDICT_REFUSED:
		return DELIVERY_REFUSED;
	case VERDICT_TOO_LARGE:
		return DELIVERY_TOO_LARGE;
	case VERDICT_HOPELESS:
		return DELIVERY_DENIED;
	default:
		return DELIVERY_LATER;
	}
}

/* In the words of the server's limits for body and profile; that of the rate is another one. */
static bool is_too_large(const struct http_response *resp)
{
	if (resp->status == 413)
		return true;
	if (resp->status != 400 && resp->status != 429)
		return false;
	return strstr(resp->body, "larger than") || strstr(resp->body, "exceeds limit of");
}

static enum verdict pyroscope_verdict(const struct http_response *resp)
{
	if (is_too_large(resp))
		return VERDICT_TOO_LARGE;
	switch (pyroscope_judge(0, resp)) {
	case PYROSCOPE_TAKEN:
		return VERDICT_TAKEN;
	case PYROSCOPE_REFUSED:
		return VERDICT_REFUSED;
	case PYROSCOPE_RETRY:
		return VERDICT_RETRY;
	default:
		return VERDICT_HOPELESS;
	}
}

/* Of a date that has passed libcurl says how long ago that was. */
static int64_t retry_of(const struct http_response *resp)
{
	return resp->retry_after_s > 0 ? resp->retry_after_s : 0;
}

static void judge_otlp(enum endpoint_type type, int err, const struct http_response *resp,
		       struct verdict_detail *ret)
{
	const struct otlp_http_answer http = { resp->status, resp->retry_after_s, resp->body,
					       resp->body_len };
	const struct otlp_grpc_answer grpc = { resp->status,	   resp->grpc_status,
					       resp->grpc_message, resp->grpc_details,
					       resp->body,	   resp->body_len };

	if (err < 0)
		answer_line(ret->message, sizeof(ret->message), resp->error, strlen(resp->error));
	else if (type == ENDPOINT_OTLP_GRPC)
		otlp_judge_grpc(&grpc, ret);
	else
		otlp_judge_http(&http, ret);
	if (!ret->retry_after_s)
		ret->retry_after_s = retry_of(resp);
}

/* Where, for the messages that do not say it. */
static void prefix(const char *where, struct verdict_detail *ret)
{
	char words[VERDICT_MESSAGE_MAX];

	if (!*ret->message)
		return;
	memcpy(words, ret->message, sizeof(words));
	snprintf(ret->message, sizeof(ret->message), "%.200s: %.300s", where, words);
	/* It may have been cut in the middle of a character. */
	utf8_make_printable(ret->message, strlen(ret->message));
}

void endpoint_judge(enum endpoint_type type, const char *where, int err,
		    const struct http_response *resp, struct verdict_detail *ret)
{
	/* A proxy that refuses us a person mends, as a server that does. */
	ret->verdict = err == -EACCES ? VERDICT_HOPELESS : VERDICT_RETRY;
	ret->retry_after_s = retry_of(resp);
	ret->rejected = 0;
	if (type != ENDPOINT_PYROSCOPE) {
		/* What was refused before of the same profile is told, if nothing else is. */
		struct verdict_detail now = *ret;

		*now.message = '\0';
		judge_otlp(type, err, resp, &now);
		prefix(where, &now);
		if (!*now.message ||
		    (ret->refused && now.verdict == VERDICT_TAKEN && !now.rejected))
			memcpy(now.message, ret->message, sizeof(now.message));
		now.refused = ret->refused;
		*ret = now;
		return;
	}
	if (err == 0)
		ret->verdict = pyroscope_verdict(resp);
	if (ret->verdict != VERDICT_TAKEN)
		pyroscope_explain(where, err, resp, ret->message, sizeof(ret->message));
}

uint64_t endpoint_rejected(const struct verdict_detail *v, uint64_t n_profiles, uint64_t samples)
{
	uint64_t n = n_profiles > v->rejected ? n_profiles : v->rejected;

	return v->rejected ? (double)samples * v->rejected / n + 0.5 : 0;
}
