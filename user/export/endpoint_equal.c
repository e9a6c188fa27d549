/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint_equal.h"

#include <string.h>

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_tls(const struct endpoint_tls *a, const struct endpoint_tls *b)
{
	return same(a->ca_file, b->ca_file) && same(a->cert_file, b->cert_file) &&
	       same(a->key_file, b->key_file) && same(a->server_name, b->server_name) &&
	       a->min_version == b->min_version &&
	       a->insecure_skip_verify == b->insecure_skip_verify;
}

static bool same_headers(const struct endpoint_options *a, const struct endpoint_options *b)
{
	if (a->n_headers != b->n_headers)
		return false;
	for (size_t i = 0; i < a->n_headers; i++)
		if (!same(a->headers[i].name, b->headers[i].name) ||
		    !same(a->headers[i].value, b->headers[i].value) ||
		    !same(a->headers[i].value_file, b->headers[i].value_file))
			return false;
	return true;
}

static bool same_labels(const struct endpoint_options *a, const struct endpoint_options *b)
{
	if (a->n_series_labels != b->n_series_labels)
		return false;
	for (size_t i = 0; i < a->n_series_labels; i++)
		if (!same(a->series_labels[i], b->series_labels[i]))
			return false;
	return true;
}

static bool same_credentials(const struct endpoint_options *a, const struct endpoint_options *b)
{
	return same(a->tenant, b->tenant) && same(a->bearer_token_file, b->bearer_token_file) &&
	       same(a->username, b->username) && same(a->password_file, b->password_file);
}

bool endpoint_options_equal(const struct endpoint_options *a, const struct endpoint_options *b)
{
	return same(a->name, b->name) && a->type == b->type && same(a->url, b->url) &&
	       same(a->path, b->path) && same(a->proxy_url, b->proxy_url) &&
	       a->timeout_ms == b->timeout_ms && a->max_bytes == b->max_bytes &&
	       a->max_age_s == b->max_age_s && same_headers(a, b) && same_credentials(a, b) &&
	       same_tls(&a->tls, &b->tls) && same_labels(a, b);
}
