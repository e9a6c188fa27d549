/* SPDX-License-Identifier: Apache-2.0 */
/* CLEANUP() of what libcurl gives. */
#ifndef EXPORT_CURL_CLEANUP_H
#define EXPORT_CURL_CLEANUP_H

#include <curl/curl.h>

#include "base/cleanup.h"

static inline void curlup(CURLU **u)
{
	curl_url_cleanup(*u);
}

static inline void curl_freep(char **s)
{
	curl_free(*s);
}

#endif
