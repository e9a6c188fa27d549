/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctx/process_ctx_find.h"
#include "proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct maps_cursor *c, const struct map_entry *e)
{
	CLEANUP(freep) char *path = NULL;

	assert(e->start < e->end);
	assert(e->path >= c->buf && e->path + e->path_len < c->buf + c->pos);
	assert(!memchr(e->path, '\n', e->path_len));
	assert(map_entry_path(e, &path) == 0);
	assert(strlen(path) <= e->path_len);
	(void)map_entry_is_deleted(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maps_cursor c = { .buf = (const char *)data, .len = size };
	uint64_t found[4];
	struct map_entry e;
	size_t lines = 0, n = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	lines += size && data[size - 1] != '\n';

	while (maps_next(&c, &e)) {
		check_entry(&c, &e);
		n++;
	}
	assert(n + c.n_malformed == lines);
	assert(process_ctx_find((const char *)data, size, found, 4) <= 4);
	return 0;
}
