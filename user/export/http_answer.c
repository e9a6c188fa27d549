/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http_answer.h"

#include <string.h>
#include <strings.h>

#include "export/gunzip.h"

#define GRPC_TEXT_MAX 4096

/* Taking less than was offered ends the transfer: what counts is in the first bytes. */
static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct http_response *resp = ((struct http_answer *)arg)->resp;
	size_t room = HTTP_BODY_MAX - resp->body_len;
	size_t take = len < room ? len : room;

	memcpy(resp->body + resp->body_len, data, take);
	resp->body_len += take;
	return take;
}

/* The value of a header line that has this name, without blanks around it, or NULL. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);
	const char *value;

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	value = line + n + 1;
	len -= n + 1;
	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", value[len - 1]))
		len--;
	*ret_len = len;
	return value;
}

static void take_text(const char *value, size_t len, char **ret)
{
	if (*ret || !value)
		return;
	*ret = strndup(value, len < GRPC_TEXT_MAX ? len : GRPC_TEXT_MAX);
}

static void take_grpc(struct http_response *resp, const char *line, size_t len)
{
	size_t n = 0;
	const char *value = value_of(line, len, "grpc-status", &n);

	take_text(value, n, &resp->grpc_status);
	value = value_of(line, len, "grpc-message", &n);
	take_text(value, n, &resp->grpc_message);
	value = value_of(line, len, "grpc-status-details-bin", &n);
	take_text(value, n, &resp->grpc_details);
}

/* Also of trailers, and of every 1xx: an endless number of those ends here, too. */
static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct http_answer *a = arg;
	const char *value;
	size_t n;

	a->header_bytes += len;
	if (a->header_bytes > HTTP_HEADERS_MAX) {
		a->flooded = true;
		return 0;
	}
	value = value_of(line, len, "content-encoding", &n);
	if (value)
		a->gzip = n == 4 && strncasecmp(value, "gzip", 4) == 0;
	take_grpc(a->resp, line, len);
	return len;
}

/*
 * The connection stands, proxy and TLS included, and the request is about to be written. libcurl
 * does so again by itself when a kept connection breaks before an answer; the server may have acted
 * on the request nevertheless.
 */
static int on_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct http_answer *a = arg;

	a->repeated = a->req->once && a->resp->sent;
	a->resp->sent = true;
	return a->repeated ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

void http_answer_listen(CURL *curl, struct http_answer *a)
{
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, a);
}

/* We ask for no compression, but some answer a gzip'd body in kind. A bomb leaves nothing. */
static void inflate_body(struct http_response *resp)
{
	CLEANUP(freep) uint8_t *plain = NULL;
	size_t len;

	if (gunzip(resp->body, resp->body_len, HTTP_BODY_MAX, &plain, &len) < 0)
		return;
	memcpy(resp->body, plain, len);
	resp->body_len = len;
}

void http_answer_finish(struct http_answer *a)
{
	if (a->gzip && gunzip_is(a->resp->body, a->resp->body_len))
		inflate_body(a->resp);
	a->resp->body[a->resp->body_len] = '\0';
}
