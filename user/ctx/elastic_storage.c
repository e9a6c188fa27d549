/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/elastic_storage.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "proc/remote_mem.h"

#define STRING_MAX   128
#define PATH_LEN_MAX 1024

bool elastic_is_library(const char *path)
{
	return fnmatch("*/elastic-jvmti-linux-*.so", path, 0) == 0;
}

void elastic_storage_free(struct elastic_storage *es)
{
	if (!es)
		return;
	free(es->service_name);
	free(es->service_environment);
	free(es->socket_path);
	free(es);
}

/* A string of the storage, at *@addr, which is moved behind it: u32 length, bytes. */
static int read_string(pid_t pid, uint64_t *addr, uint32_t max, char **ret)
{
	CLEANUP(freep) char *text = NULL;
	uint32_t len;
	int r = remote_mem_read(pid, *addr, &len, sizeof(len));

	if (r < 0)
		return r;
	if (len > max)
		return -EBADMSG;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	r = len ? remote_mem_read(pid, *addr + sizeof(len), text, len) : 0;
	if (r < 0)
		return r;
	*addr += sizeof(len) + len;
	len = (uint32_t)utf8_valid_len(text, strnlen(text, len));
	text[len] = '\0';
	*ret = len ? TAKE_PTR(text) : NULL;
	return 0;
}

int elastic_storage_read(pid_t pid, uint64_t addr, struct elastic_storage **ret)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;
	uint64_t at = 0;
	uint16_t minor;
	int r = remote_mem_read(pid, addr, &at, sizeof(at));

	if (r < 0)
		return r;
	if (!at)
		return -EAGAIN;
	r = remote_mem_read(pid, at, &minor, sizeof(minor));
	if (r < 0)
		return r;
	if (minor == 0)
		return -EBADMSG;

	es = calloc(1, sizeof(*es));
	if (!es)
		return -ENOMEM;
	at += sizeof(minor);
	r = read_string(pid, &at, STRING_MAX, &es->service_name);
	if (r == 0)
		r = read_string(pid, &at, STRING_MAX, &es->service_environment);
	if (r == 0)
		r = read_string(pid, &at, PATH_LEN_MAX, &es->socket_path);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(es);
	return 0;
}
