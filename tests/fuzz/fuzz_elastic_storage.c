/* SPDX-License-Identifier: Apache-2.0 */
/* The storage of an Elastic APM agent, at the end of this process's readable memory. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/utf8.h"
#include "ctx/elastic_storage.h"

#define ROOM 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *room;

static void make_room(void)
{
	if (room)
		return;
	room = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(room != MAP_FAILED);
	munmap(room + ROOM, ROOM);
}

static void check_string(const char *s)
{
	assert(!s || (s[0] && utf8_valid_len(s, strlen(s)) == strlen(s)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;
	uint64_t at;
	int r;

	if (!size || size > ROOM)
		return 0;
	make_room();
	at = (uintptr_t)room + ROOM - size;
	memcpy(room + ROOM - size, data, size);
	r = elastic_storage_read(getpid(), (uintptr_t)&at, &es);
	assert(r == 0 || ((r == -EBADMSG || r == -EFAULT) && !es));
	if (r < 0)
		return 0;
	check_string(es->service_name);
	check_string(es->service_environment);
	return 0;
}
