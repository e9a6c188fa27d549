/* SPDX-License-Identifier: Apache-2.0 */
/* Where to push, and how to speak of it without giving credentials away. */
#ifndef EXPORT_PYROSCOPE_URL_H
#define EXPORT_PYROSCOPE_URL_H

#include <stddef.h>

struct pyroscope_url {
	char *endpoint; /* with credentials, if there are any: for libcurl only */
	char *shown;	/* scheme://host[:port][/prefix], for messages */
};

/* -EINVAL, with the cause and the remedy in @message, or -ENOMEM. */
int pyroscope_url_parse(const char *url, struct pyroscope_url *ret, char *message, size_t size);
void pyroscope_url_clear(struct pyroscope_url *u);

/* The part of any URL, well formed or not, that holds no credentials. */
const char *pyroscope_url_redact(const char *url);

#endif
