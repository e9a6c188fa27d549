/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back of a request, as libcurl hands it over: inside of http.c. */
#ifndef EXPORT_HTTP_ANSWER_H
#define EXPORT_HTTP_ANSWER_H

#include <curl/curl.h>

#include "export/http.h"

struct http_answer {
	const struct http_request *req;
	struct http_response *resp; /* its body has room for HTTP_BODY_MAX + 1 bytes */
	size_t header_bytes;
	bool flooded;  /* more headers than we read: the transfer has been ended */
	bool gzip;     /* Content-Encoding of the answer */
	bool repeated; /* libcurl was about to send it again, and was kept from it */
};

void http_answer_listen(CURL *curl, struct http_answer *a);

/* After the transfer: ends the body with a NUL, inflates it if it is gzip'd. */
void http_answer_finish(struct http_answer *a);

#endif
