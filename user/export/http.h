/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP POST on libcurl: bounded in time and in what it keeps of the answer, follows no redirect,
 * prints nothing, raises no signal. Proxies are taken from the environment as curl(1) does (and
 * from HTTP_PROXY), unless the options name one.
 */
#ifndef EXPORT_HTTP_H
#define EXPORT_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "export/endpoint_options.h"

#define HTTP_BODY_MAX	 (64 * 1024)
#define HTTP_HEADERS_MAX (64 * 1024) /* of all answers to a request, 1xx too */

struct http; /* one connection at a time, kept open from request to request */

struct http_request {
	const char *url; /* http or https; user:password@ in it become basic authentication */
	const char *content_type;
	const void *body;
	size_t len;
	long timeout_ms;	/* from name look-up to the last byte of the answer; > 0 */
	const atomic_int *stop; /* not NULL: gives up within about a second of its becoming != 0 */
	const atomic_int *stop_unsent; /* likewise, as long as nothing of it was sent */
	/*
	 * Not NULL: its headers, tenant, credentials, tls and proxy_url. Files are read anew when
	 * they have changed; the same for all requests of a struct http.
	 */
	const struct endpoint_options *options;
	bool gzip; /* the body is: Content-Encoding, or grpc-encoding */
	bool grpc; /* HTTP/2, of http:// without asking whether the server has it; trailers */
	bool once; /* never sent again by ourselves when a kept connection turns out to be dead */
};

struct http_response {
	long status; /* 0: no answer */
	char *body;  /* what came of it, at most HTTP_BODY_MAX bytes, with a NUL behind; inflated
		      */
	size_t body_len;
	long retry_after_s; /* Retry-After; 0: none */
	char *redirect;	    /* where a 3xx points, or NULL */
	bool sent;	    /* false: the server cannot have acted on the request */
	char *grpc_status;  /* as it came, like the next two; NULL: none */
	char *grpc_message; /* percent-encoded */
	char *grpc_details; /* base64 */
	char error[256];    /* status == 0: why, in curl's words; never holds credentials */
};

int http_new(struct http **ret); /* -ENOMEM */
void http_free(struct http *h);	 /* NULL is fine */
DEFINE_CLEANUP(struct http *, http_free)

void http_response_clear(struct http_response *resp);

/*
 * 0: some answer came, whatever its status; of one that is no success perhaps without all of its
 * body. Otherwise *ret holds the error: -ETIMEDOUT, -ECANCELED (stop), -ECONNREFUSED (nobody to
 * connect to, for the proxy either), -EACCES (the proxy refuses to connect us), -EHOSTUNREACH (name
 * not found), -EKEYREJECTED (TLS does not come about), -ENOKEY (a file of the options cannot be
 * used), -EIO (all else), -ENOMEM. *ret is always filled and the caller clears it.
 */
int http_post(struct http *h, const struct http_request *req, struct http_response *ret);

#endif
