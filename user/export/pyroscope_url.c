/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pyroscope_url.h"

#include <string.h>

#include "export/curl_cleanup.h"

#define PUSH_PATH "/push.v1.PusherService/Push"

void pyroscope_url_clear(struct pyroscope_url *u)
{
	free(u->endpoint);
	free(u->shown);
	*u = (struct pyroscope_url){ 0 };
}

const char *pyroscope_url_redact(const char *url)
{
	const char *at = strrchr(url, '@');

	return at ? at + 1 : url;
}

/* The path without a trailing slash or PUSH_PATH, both of which a user may have given. */
static char *prefix_of(CURLU *u)
{
	CLEANUP(curl_freep) char *path = NULL;
	size_t len, push = strlen(PUSH_PATH);

	if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return NULL;
	len = strlen(path);
	if (len >= push && strcmp(path + len - push, PUSH_PATH) == 0)
		len -= push;
	while (len > 0 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

static char *url_of(CURLU *u)
{
	CLEANUP(curl_freep) char *url = NULL;

	return curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK ? strdup(url) : NULL;
}

static int fill(CURLU *u, struct pyroscope_url *ret)
{
	CLEANUP(pyroscope_url_clear) struct pyroscope_url url = { 0 };
	CLEANUP(freep) char *prefix = prefix_of(u);
	CLEANUP(freep) char *path = NULL;

	if (!prefix || asprintf(&path, "%s" PUSH_PATH, prefix) < 0)
		return -ENOMEM;
	curl_url_set(u, CURLUPART_PATH, path, 0);
	url.endpoint = url_of(u);

	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(u, CURLUPART_PATH, prefix, 0);
	url.shown = url_of(u);
	if (!url.endpoint || !url.shown)
		return -ENOMEM;
	if (!*prefix && url.shown[strlen(url.shown) - 1] == '/')
		url.shown[strlen(url.shown) - 1] = '\0';

	*ret = url;
	url = (struct pyroscope_url){ 0 };
	return 0;
}

/* NULL: the URL is one that we can push to. */
static const char *complaint(CURLU *u, const char *url)
{
	CLEANUP(curl_freep) char *query = NULL;
	CLEANUP(curl_freep) char *fragment = NULL;

	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return "is no http:// or https:// URL, such as http://localhost:4040";
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		return "is malformed; give http(s)://[USER:PASSWORD@]HOST[:PORT][/PREFIX], with "
		       "special characters as %XX";
	curl_url_get(u, CURLUPART_QUERY, &query, 0);
	curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0);
	if (query || fragment)
		return "has a query or fragment; give only the server's address and prefix";
	return NULL;
}

int pyroscope_url_parse(const char *url, struct pyroscope_url *ret, char *message, size_t size)
{
	CLEANUP(curlup) CURLU *u = curl_url();
	const char *wrong;

	if (!u)
		return -ENOMEM;

	wrong = complaint(u, url);
	if (wrong) {
		snprintf(message, size, "'%s' %s", pyroscope_url_redact(url), wrong);
		return -EINVAL;
	}
	return fill(u, ret);
}
