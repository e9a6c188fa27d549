/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

struct http {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
};

/* curl_global_init() must not run twice at once; it is never undone. */
static void init_once(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_new(struct http **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CLEANUP(http_freep) struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;

	pthread_once(&once, init_once);
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
	*resp = (struct http_response){ 0 };
}

/* Taking less than was offered ends the transfer: what counts is in the first bytes. */
static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct http_response *resp = arg;
	size_t room = HTTP_BODY_MAX - resp->body_len;
	size_t take = len < room ? len : room;

	memcpy(resp->body + resp->body_len, data, take);
	resp->body_len += take;
	return take;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	const atomic_int *stop = arg;

	return stop && atomic_load(stop) != 0;
}

static void set_bounds(CURL *c, const struct http_request *req)
{
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, req->timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, req->timeout_ms);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, (void *)req->stop);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Or a name server that does not answer holds up the clean-up past every deadline. */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_request(struct http *h, const struct http_request *req, struct http_response *resp)
{
	CURL *c = h->curl;

	curl_easy_reset(c); /* keeps the connection */
	set_bounds(c, req);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_URL, req->url);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "spanprof/" SPANPROF_VERSION);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->body);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->len);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, resp);
}

static void slist_freep(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static int set_headers(CURL *c, const struct http_request *req, struct curl_slist **list)
{
	CLEANUP(freep) char *type = NULL;
	struct curl_slist *head;

	if (asprintf(&type, "Content-Type: %s", req->content_type) < 0) {
		type = NULL;
		return -ENOMEM;
	}
	head = curl_slist_append(NULL, type);
	if (!head)
		return -ENOMEM;
	*list = head;
	/* Bodies over 1 MB would wait a second for a "100 Continue" that many servers never send.
	 */
	if (!curl_slist_append(head, "Expect:"))
		return -ENOMEM;
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, head);
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
	default:
		return -EIO;
	}
}

static int take_info(struct http *h, CURLcode code, struct http_response *resp)
{
	curl_off_t retry_after = 0;
	const char *redirect = NULL;
	long request_size = 0;

	resp->body[resp->body_len] = '\0';
	curl_easy_getinfo(h->curl, CURLINFO_REQUEST_SIZE, &request_size);
	resp->sent = request_size > 0;
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &resp->status);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &retry_after);
	resp->retry_after_s = retry_after;
	curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &redirect);
	resp->redirect = redirect ? strdup(redirect) : NULL;

	/* An answer that was cut off at its body is an answer, unless we were told to stop. */
	if (code == CURLE_OK || (resp->status >= 200 && code == CURLE_WRITE_ERROR))
		return 0;
	resp->status = 0;
	snprintf(resp->error, sizeof(resp->error), "%s",
		 h->error[0] ? h->error : curl_easy_strerror(code));
	return errno_of(code);
}

int http_post(struct http *h, const struct http_request *req, struct http_response *ret)
{
	CLEANUP(slist_freep) struct curl_slist *headers = NULL;
	CURLcode code;
	int r;

	*ret = (struct http_response){ .body = malloc(HTTP_BODY_MAX + 1) };
	if (!ret->body)
		return -ENOMEM;
	ret->body[0] = '\0';

	h->error[0] = '\0';
	set_request(h, req, ret);
	r = set_headers(h->curl, req, &headers);
	if (r < 0)
		return r;
	code = perform_without_sigpipe(h->curl);
	r = take_info(h, code, ret);
	/* Headers and the buffers die here, the handle lives on. */
	curl_easy_reset(h->curl);
	return r;
}
