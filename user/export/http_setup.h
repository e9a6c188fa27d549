/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of an endpoint mean to libcurl: inside of http.c. */
#ifndef EXPORT_HTTP_SETUP_H
#define EXPORT_HTTP_SETUP_H

#include <curl/curl.h>
#include <sys/stat.h>

#include "export/http.h"

/* Lists that libcurl borrows for the time of a request. */
struct http_lists {
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct curl_slist *secrets; /* each as it is in its file; libcurl's memory is wiped */
	size_t basic_len;	    /* of basic authentication's base64; 0: there is none */
};

void http_lists_clear(struct http_lists *l);

/* Overwrites what is a secret of the request in @text: servers repeat what they were sent. */
void http_lists_hide(const struct http_lists *l, char *text, size_t len);

/* Of the files that a TLS connection is made with. */
struct http_files {
	struct {
		dev_t dev;
		ino_t ino;
		off_t size;
		struct timespec mtime, ctime;
	} stamp[3];
};

/* Looks at them; true if one is another than when *f was made. Missing ones count as well. */
bool http_files_changed(const struct endpoint_options *opt, struct http_files *f);

/*
 * Headers, credentials, TLS, proxy. -ENOMEM; -ENOKEY: a file of the options cannot be used,
 * -EINVAL: a header or URL cannot be; both with a message, which never holds a secret.
 */
int http_setup(CURL *curl, const struct http_request *req, struct http_lists *ret, char *message,
	       size_t size);

#endif
