/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "export/http_answer.h"
#include "export/http_memory.h"
#include "export/http_setup.h"

struct http {
	CURL *curl;
	struct http_files files;
	char error[CURL_ERROR_SIZE];
};

int http_new(struct http **ret)
{
	CLEANUP(http_freep) struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;

	http_memory_init();
	h->curl = curl_easy_init();
	if (!h->curl)
		return -ENOMEM;

	*ret = TAKE_PTR(h);
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;

	curl_easy_cleanup(h->curl);
	free(h);
}

void http_response_clear(struct http_response *resp)
{
	free(resp->body);
	free(resp->redirect);
	free(resp->grpc_status);
	free(resp->grpc_message);
	free(resp->grpc_details);
	*resp = (struct http_response){ 0 };
}

static bool is_set(const atomic_int *stop)
{
	return stop && atomic_load(stop) != 0;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	const struct http_answer *a = arg;

	return is_set(a->req->stop) || (!a->resp->sent && is_set(a->req->stop_unsent));
}

static void set_bounds(CURL *c, const struct http_request *req, struct http_answer *a)
{
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, req->timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, req->timeout_ms);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, a);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* those of a proxy */
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Or a name server that does not answer holds up the clean-up past every deadline. */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	/* A day is a long time for authorities that have been replaced; and they are large. */
	curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_request(struct http *h, const struct http_request *req, struct http_answer *a)
{
	CURL *c = h->curl;

	curl_easy_reset(c); /* keeps the connection */
	set_bounds(c, req, a);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_URL, req->url);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "spanprof/" SPANPROF_VERSION);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->body);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->len);
}

/*
 * Connections that were made with other certificates than are there now are closed. libcurl 7.88
 * cannot use a kept one of HTTP/2 again: "Error in the HTTP2 framing layer", or it crashes.
 */
static int renew(struct http *h, const struct http_request *req)
{
	bool changed = req->options && http_files_changed(req->options, &h->files);
	CURL *fresh;

	if (!changed && !req->grpc)
		return 0;
	fresh = curl_easy_init();
	if (!fresh)
		return -ENOMEM;
	curl_easy_cleanup(h->curl);
	h->curl = fresh;
	return 0;
}

/* TLS libraries write(2) to a connection that may be gone: keep their SIGPIPE from the program. */
static CURLcode perform_without_sigpipe(CURL *c)
{
	const struct timespec now = { 0 };
	sigset_t pipe_set, old, pending;
	CURLcode code;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	code = curl_easy_perform(c);
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return code;
}

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ISSUER_ERROR:
		return -EKEYREJECTED;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return -ENOKEY;
	default:
		return -EIO;
	}
}

/* An answer that was cut off at its body is an answer, unless we were told to stop. */
static bool is_answer(const struct http_answer *a, CURLcode code, long status)
{
	if (code == CURLE_OK)
		return true;
	if (!a->resp->sent || a->flooded || a->repeated || code == CURLE_ABORTED_BY_CALLBACK)
		return false;
	return (status >= 200 && code == CURLE_WRITE_ERROR) || status >= 300;
}

/* Of a proxy's URL that it cannot use libcurl shows all, with user and password. */
static const char *words_of(const struct http *h, CURLcode code)
{
	if (strstr(h->error, "Unsupported proxy"))
		return "the URL of the proxy cannot be used";
	if (h->error[0] && !strchr(h->error, '@'))
		return h->error;
	return strstr(h->error, "proxy") ? "the URL of the proxy cannot be used"
					 : curl_easy_strerror(code);
}

/* What a proxy answered to CONNECT instead of doing so; 0: nothing of the kind. */
static long proxy_refusal(struct http *h, const struct http_answer *a)
{
	long status = 0;

	if (a->resp->sent)
		return 0;
	curl_easy_getinfo(h->curl, CURLINFO_HTTP_CONNECTCODE, &status);
	return status >= 300 ? status : 0;
}

static int explain_refusal(long status, struct http_response *resp)
{
	bool later = status == 408 || status == 429 || status >= 500;

	snprintf(resp->error, sizeof(resp->error), "the proxy answered %ld to CONNECT%s", status,
		 status == 407 ? ": it needs credentials" : "");
	return later ? -ECONNREFUSED : -EACCES;
}

static int explain(struct http *h, const struct http_answer *a, CURLcode code)
{
	const char *why = words_of(h, code);
	long refusal = proxy_refusal(h, a);
	int r = errno_of(code);

	if (refusal)
		return explain_refusal(refusal, a->resp);
	/* For a line of 100 kB and more libcurl says that it has no memory. */
	if (r == -ENOMEM && a->resp->sent) {
		why = "the answer's headers have no end, or there is no memory for them";
		r = -EIO;
	}
	if (a->flooded)
		why = "the answer's headers have no end";
	if (a->repeated)
		why = "the connection was closed before an answer came";
	snprintf(a->resp->error, sizeof(a->resp->error), "%s", why);
	return a->repeated ? -EIO : r;
}

static int take_info(struct http *h, CURLcode code, struct http_answer *a)
{
	struct http_response *resp = a->resp;
	curl_off_t retry_after = 0;
	const char *redirect = NULL;

	http_answer_finish(a);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &resp->status);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &retry_after);
	resp->retry_after_s = retry_after;
	curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &redirect);
	resp->redirect = redirect ? strdup(redirect) : NULL;

	if (is_answer(a, code, resp->status))
		return 0;
	resp->status = 0;
	return explain(h, a, code);
}

static void hide_in(const struct http_lists *l, char *text)
{
	if (text)
		http_lists_hide(l, text, strlen(text));
}

/* What the server says is shown to people; it may say what it was sent. */
static void hide_secrets(const struct http_lists *l, struct http_response *resp)
{
	http_lists_hide(l, resp->body, resp->body_len);
	hide_in(l, resp->redirect);
	hide_in(l, resp->grpc_message);
	hide_in(l, resp->error);
}

static int perform(struct http *h, const struct http_request *req, struct http_answer *a)
{
	CLEANUP(http_lists_clear) struct http_lists lists = { 0 };
	int r;

	set_request(h, req, a);
	http_answer_listen(h->curl, a);
	r = http_setup(h->curl, req, &lists, a->resp->error, sizeof(a->resp->error));
	if (r >= 0)
		r = take_info(h, perform_without_sigpipe(h->curl), a);
	hide_secrets(&lists, a->resp);
	/* Headers, credentials and the buffers die here, the handle lives on. */
	curl_easy_reset(h->curl);
	return r == -EINVAL ? -ENOKEY : r;
}

int http_post(struct http *h, const struct http_request *req, struct http_response *ret)
{
	struct http_answer answer = { .req = req, .resp = ret };
	int r;

	*ret = (struct http_response){ .body = malloc(HTTP_BODY_MAX + 1) };
	if (!ret->body)
		return -ENOMEM;
	ret->body[0] = '\0';

	r = renew(h, req);
	if (r < 0)
		return r;
	h->error[0] = '\0';
	return perform(h, req, &answer);
}
