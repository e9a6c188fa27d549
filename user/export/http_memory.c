/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http_memory.h"

#include <curl/curl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>

static void wiping_free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc(3) would leave the old place as it is. */
static void *wiping_realloc(void *p, size_t size)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *now = malloc(size);

	if (!now)
		return NULL;
	if (p)
		memcpy(now, p, old < size ? old : size);
	wiping_free(p);
	return now;
}

/* curl_global_init() must not run twice at once; it is never undone. */
static void init_once(void)
{
	curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup,
			     calloc);
}

void http_memory_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
}
