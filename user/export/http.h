/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP POST on libcurl: bounded in time and in what it keeps of the answer, follows no redirect,
 * prints nothing, raises no signal. Proxies are taken from the environment as curl(1) does.
 */
#ifndef EXPORT_HTTP_H
#define EXPORT_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define HTTP_BODY_MAX (64 * 1024)

struct http; /* one connection at a time, kept open from request to request */

struct http_request {
	const char *url; /* http or https; user:password@ in it become basic authentication */
	const char *content_type;
	const void *body;
	size_t len;
	long timeout_ms;	/* from name look-up to the last byte of the answer; > 0 */
	const atomic_int *stop; /* not NULL: gives up within about a second of its becoming != 0 */
};

struct http_response {
	long status; /* 0: no answer */
	char *body;  /* what came of it, at most HTTP_BODY_MAX bytes, with a NUL behind */
	size_t body_len;
	long retry_after_s; /* Retry-After; 0: none */
	char *redirect;	    /* where a 3xx points, or NULL */
	bool sent;	    /* false: the server cannot have acted on the request */
	char error[256];    /* status == 0: why, in curl's words; never holds credentials */
};

int http_new(struct http **ret); /* -ENOMEM */
void http_free(struct http *h);	 /* NULL is fine */
DEFINE_CLEANUP(struct http *, http_free)

void http_response_clear(struct http_response *resp);

/*
 * 0: some answer came, whatever its status; otherwise *ret holds the error: -ETIMEDOUT, -ECANCELED
 * (stop), -ECONNREFUSED (nobody to connect to), -EHOSTUNREACH (name not found), -EIO (all else),
 * -ENOMEM. *ret is always filled and the caller clears it.
 */
int http_post(struct http *h, const struct http_request *req, struct http_response *ret);

#endif
