/* SPDX-License-Identifier: Apache-2.0 */
/* The header in the process's memory, which its owner may be rewriting meanwhile. */
#include <errno.h>
#include <string.h>

#include "ctx/process_ctx.h"
#include "proc/remote_mem.h"

#define SIGNATURE     "OTEL_CTX"
#define VERSION	      2 /* 1: pre-release, of another layout */
#define READ_ATTEMPTS 3

/* Native byte order: publisher and reader share the machine. */
struct header {
	char signature[8];
	uint32_t version;
	uint32_t payload_size;
	uint64_t published_at_ns; /* 0: being written */
	uint64_t payload;	  /* address in the publisher */
};

_Static_assert(sizeof(struct header) == 32, "OTEP 4719");

static int read_timestamp(pid_t pid, uint64_t addr, uint64_t *ret)
{
	return remote_mem_read(pid, addr + offsetof(struct header, published_at_ns), ret,
			       sizeof(*ret));
}

static bool header_ok(const struct header *h)
{
	return memcmp(h->signature, SIGNATURE, sizeof(h->signature)) == 0 &&
	       h->version == VERSION && h->payload_size > 0 &&
	       h->payload_size <= PROCESS_CTX_PAYLOAD_MAX && h->payload != 0;
}

/* -EBADMSG also for a payload that is not there: the header promised it. */
static int read_payload(pid_t pid, uint64_t addr, char **ret, size_t *ret_len)
{
	CLEANUP(freep) char *buf = NULL;
	struct header h;
	int r = remote_mem_read(pid, addr, &h, sizeof(h));

	if (r < 0)
		return r;
	if (!header_ok(&h))
		return -EBADMSG;

	buf = malloc(h.payload_size);
	if (!buf)
		return -ENOMEM;
	r = remote_mem_read(pid, h.payload, buf, h.payload_size);
	if (r < 0)
		return r == -EFAULT ? -EBADMSG : r;

	*ret = TAKE_PTR(buf);
	*ret_len = h.payload_size;
	return 0;
}

/*
 * One attempt. What went wrong with header or payload counts only if the timestamp held: a writer
 * frees the old payload right after the update.
 */
static int read_once(pid_t pid, uint64_t addr, uint64_t known, struct process_ctx **ret)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	CLEANUP(freep) char *buf = NULL;
	uint64_t before, after;
	size_t len = 0;
	int r, payload;

	r = read_timestamp(pid, addr, &before);
	if (r < 0)
		return r;
	if (before == 0)
		return -EAGAIN;
	if (before == known)
		return -EALREADY;

	payload = read_payload(pid, addr, &buf, &len);
	r = read_timestamp(pid, addr, &after);
	if (r < 0)
		return r;
	if (after != before)
		return -EAGAIN;
	if (payload < 0)
		return payload;

	r = process_ctx_decode(buf, len, &pc);
	if (r < 0)
		return r;
	pc->published_at_ns = before;
	*ret = TAKE_PTR(pc);
	return 0;
}

int process_ctx_read(pid_t pid, uint64_t addr, uint64_t known_published_at_ns,
		     struct process_ctx **ret)
{
	int r = -EAGAIN;

	for (int i = 0; i < READ_ATTEMPTS && r == -EAGAIN; i++)
		r = read_once(pid, addr, known_published_at_ns, ret);
	return r;
}
