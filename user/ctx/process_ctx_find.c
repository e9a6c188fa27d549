/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/process_ctx_find.h"

#include <string.h>

#include "ctx/process_ctx.h"

/*
 * The whole name, not a prefix: "/memfd:OTEL_CTX_BACKUP" is somebody else's. Which one it is
 * depends on whether the publisher got a memfd and whether the kernel names anonymous memory.
 */
static const char *const names[] = {
	"[anon_shmem:OTEL_CTX]",
	"[anon:OTEL_CTX]",
	"/memfd:OTEL_CTX (deleted)",
	"/memfd:OTEL_CTX",
};

static bool is_name(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0)
			return true;
	return false;
}

bool process_ctx_is_mapping(const char *name)
{
	return is_name(name, strlen(name));
}

bool process_ctx_is_candidate(const struct map_entry *e)
{
	return !e->exec && is_name(e->path, e->path_len);
}

size_t process_ctx_find(const char *maps, size_t len, uint64_t *ret, size_t max)
{
	struct maps_cursor c = { .buf = maps, .len = len };
	struct map_entry e;
	size_t n = 0;

	while (n < max && maps_next(&c, &e))
		if (process_ctx_is_candidate(&e))
			ret[n++] = e.start;
	return n;
}
