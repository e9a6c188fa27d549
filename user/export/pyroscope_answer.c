/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pyroscope_answer.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "export/answer_line.h"
#include "export/pyroscope_url.h"

#define WORDS_MAX 240 /* of the server's text, in bytes */

/* Connect's error: {"code":"…","message":"…"}. */
struct words {
	char code[32];
	char message[WORDS_MAX + 1];
};

static void copy_text(char *to, size_t size, const char *text)
{
	answer_line(to, size, text, strlen(text));
}

static void copy_member(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	copy_text(to, size, text ? text : "");
}

static struct words words_of(const struct http_response *resp)
{
	struct words w = { 0 };
	json_t *json = json_loadb(resp->body, resp->body_len, 0, NULL);

	if (json_is_object(json)) {
		copy_member(w.code, sizeof(w.code), json, "code");
		copy_member(w.message, sizeof(w.message), json, "message");
	} else if (resp->body_len && resp->body[0] != '<') { /* pages of HTML say little */
		answer_line(w.message, sizeof(w.message), resp->body, resp->body_len);
	}
	json_decref(json);
	return w;
}

static enum pyroscope_verdict judge_error(int err, const struct http_response *resp)
{
	/* The server may have counted what it was sent; sent again, it would be counted twice. */
	if (resp->sent)
		return PYROSCOPE_HOPELESS;
	return err == -ECONNREFUSED || err == -EHOSTUNREACH ? PYROSCOPE_RETRY : PYROSCOPE_HOPELESS;
}

enum pyroscope_verdict pyroscope_judge(int err, const struct http_response *resp)
{
	if (err < 0)
		return judge_error(err, resp);

	switch (resp->status) {
	case 200:
		/* Of success there is nothing to say; another kind of server would say something.
		 */
		return resp->body_len == 0 ? PYROSCOPE_TAKEN : PYROSCOPE_HOPELESS;
	case 400:
	case 413:
	case 422:
		return PYROSCOPE_REFUSED;
	case 408:
	case 429:
		return PYROSCOPE_RETRY;
	default:
		break;
	}
	if (resp->status < 500)
		return PYROSCOPE_HOPELESS;
	/* What the server cannot parse is 500 "unknown": it will be so each time. */
	return strcmp(words_of(resp).code, "unknown") == 0 ? PYROSCOPE_REFUSED : PYROSCOPE_RETRY;
}

static const char *remedy(long status)
{
	switch (status) {
	case 200:
		return "this is not how Pyroscope answers: is it its address?";
	case 401:
		return "it needs credentials (in the URL of --push, in files for the agent), or a "
		       "tenant";
	case 403:
		return "the credentials do not allow to write profiles";
	case 404:
	case 405:
	case 415:
		return "is it Pyroscope's address, with the right prefix?";
	case 407:
		return "the proxy needs credentials";
	case 408:
	case 503:
	case 504:
		return "it is overloaded or not ready: try again later";
	case 413:
		return "raise its limit for the size of requests";
	case 429:
		return "send less often, or raise the tenant's ingestion limits";
	case 502:
		return "the proxy does not reach Pyroscope: is it running?";
	default:
		return NULL;
	}
}

static void explain_status(const char *where, const struct http_response *resp, char *ret,
			   size_t size)
{
	struct words w = words_of(resp);
	const char *fix = remedy(resp->status);
	char redirect[WORDS_MAX + 1] = "";

	if (resp->redirect)
		copy_text(redirect, sizeof(redirect), pyroscope_url_redact(resp->redirect));
	if (*redirect)
		snprintf(ret, size, "%s answered %ld: it redirects to %s; give that address", where,
			 resp->status, redirect);
	else
		snprintf(ret, size, "%s answered %ld%s%s%s%s%s%s", where, resp->status,
			 *w.code ? " " : "", w.code, *w.message ? ": " : "", w.message,
			 fix ? "; " : "", fix ? fix : "");
}

static void explain_error(const char *where, int err, const struct http_response *resp, char *ret,
			  size_t size)
{
	char why[sizeof(resp->error)];

	copy_text(why, sizeof(why), resp->error);
	switch (err) {
	case -ECANCELED:
		snprintf(ret, size, "push to %s was interrupted", where);
		break;
	case -ECONNREFUSED:
		snprintf(ret, size, "%s; is the server running at %s?", why, where);
		break;
	case -EHOSTUNREACH:
		snprintf(ret, size, "%s; is the address %s right?", why, where);
		break;
	case -ETIMEDOUT:
		snprintf(ret, size, "no answer from %s in time (%s)", where, why);
		break;
	case -ENOMEM:
		snprintf(ret, size, "push to %s: out of memory", where);
		break;
	default:
		snprintf(ret, size, "push to %s failed: %s%s", where, why,
			 resp->sent ? "; not sent again, as it may have been counted" : "");
	}
}

void pyroscope_explain(const char *where, int err, const struct http_response *resp, char *ret,
		       size_t size)
{
	if (err < 0)
		explain_error(where, err, resp, ret, size);
	else
		explain_status(where, resp, ret, size);
	/* It may have been cut in the middle of a character. */
	utf8_make_printable(ret, strlen(ret));
}
