/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint_copy.h"

#include <errno.h>
#include <string.h>

/* Of a text that may be NULL. True: there is no memory. */
static bool fails(struct arena *memory, const char **text)
{
	if (!*text)
		return false;
	*text = arena_strndup(memory, *text, strlen(*text));
	return !*text;
}

static int copy_headers(struct arena *memory, struct endpoint_options *o)
{
	struct endpoint_header *own = arena_memdup(memory, o->headers, o->n_headers * sizeof(*own));

	o->headers = own;
	if (!own)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_headers; i++)
		if (fails(memory, &own[i].name) || fails(memory, &own[i].value) ||
		    fails(memory, &own[i].value_file))
			return -ENOMEM;
	return 0;
}

static int copy_labels(struct arena *memory, struct endpoint_options *o)
{
	const char **own =
		arena_memdup(memory, o->series_labels, o->n_series_labels * sizeof(*own));

	o->series_labels = own;
	if (!own)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_series_labels; i++)
		if (fails(memory, &own[i]))
			return -ENOMEM;
	return 0;
}

static int copy_texts(struct arena *memory, struct endpoint_options *o)
{
	const char **const texts[] = {
		&o->name,
		&o->url,
		&o->path,
		&o->tenant,
		&o->bearer_token_file,
		&o->username,
		&o->password_file,
		&o->tls.ca_file,
		&o->tls.cert_file,
		&o->tls.key_file,
		&o->tls.server_name,
		&o->proxy_url,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (fails(memory, texts[i]))
			return -ENOMEM;
	return 0;
}

int endpoint_options_copy(struct arena *memory, const struct endpoint_options *from,
			  struct endpoint_options *ret)
{
	int r;

	*ret = *from;
	r = copy_texts(memory, ret);
	if (r == 0 && ret->n_headers)
		r = copy_headers(memory, ret);
	if (r == 0 && ret->n_series_labels)
		r = copy_labels(memory, ret);
	return r;
}
