/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/proc_event.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

/* What PERF_SAMPLE_TIME with sample_id_all puts behind each record. */
struct trailer {
	uint64_t time;
};

struct task_record { /* FORK, EXIT */
	struct perf_event_header header;
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

/* A string in the last part of a record; it must end there. */
static int check_string(const char *str, const void *buf, size_t body_len)
{
	const char *end = (const char *)buf + body_len;

	return str < end && memchr(str, '\0', end - str) ? 0 : -EBADMSG;
}

static int decode_task(const void *buf, size_t body_len, struct proc_event *ev)
{
	const struct task_record *rec = buf;

	if (body_len < sizeof(*rec))
		return -EBADMSG;
	ev->pid = rec->pid;
	ev->parent = rec->ppid;
	if (rec->header.type == PERF_RECORD_FORK)
		ev->kind = rec->pid != rec->ppid ? PROC_EVENT_FORK : PROC_EVENT_OTHER;
	else
		ev->kind = rec->pid == rec->tid ? PROC_EVENT_EXIT : PROC_EVENT_OTHER;
	return 0;
}

static int decode_comm(const void *buf, size_t body_len, struct proc_event *ev)
{
	const struct comm_record *rec = buf;

	if (body_len < sizeof(*rec) || check_string(rec->comm, buf, body_len) < 0)
		return -EBADMSG;
	ev->pid = rec->pid;
	ev->comm = rec->comm;
	if (rec->header.misc & PERF_RECORD_MISC_COMM_EXEC)
		ev->kind = PROC_EVENT_EXEC;
	else
		ev->kind = rec->pid == rec->tid ? PROC_EVENT_COMM : PROC_EVENT_OTHER;
	return 0;
}

static int decode_mmap2(const void *buf, size_t body_len, struct proc_event *ev)
{
	const struct mmap2_record *rec = buf;

	if (body_len < sizeof(*rec) || check_string(rec->filename, buf, body_len) < 0)
		return -EBADMSG;
	if (rec->addr + rec->len < rec->addr)
		return -EBADMSG;
	ev->kind = PROC_EVENT_MMAP;
	ev->pid = rec->pid;
	ev->map = (struct mapping_event){
		.start = rec->addr,
		.end = rec->addr + rec->len,
		.offset = rec->pgoff,
		.file = { rec->filename, makedev(rec->maj, rec->min), rec->ino },
	};
	return 0;
}

static int decode_lost(const void *buf, size_t body_len, struct proc_event *ev)
{
	const struct lost_record *rec = buf;

	if (body_len < sizeof(*rec))
		return -EBADMSG;
	ev->kind = PROC_EVENT_LOST;
	ev->lost = rec->lost;
	return 0;
}

/* One outside our PID namespace has no pid in it: 0. */
static bool is_of_process(enum proc_event_kind kind)
{
	return kind != PROC_EVENT_LOST && kind != PROC_EVENT_THROTTLED;
}

int proc_event_decode(const void *buf, size_t len, struct proc_event *ret)
{
	const struct perf_event_header *header = buf;
	struct proc_event ev = { .kind = PROC_EVENT_OTHER };
	struct trailer trailer;
	size_t body_len;
	int r = 0;

	if (len < sizeof(*header) + sizeof(trailer) || header->size != len || len % 8)
		return -EBADMSG;
	body_len = len - sizeof(trailer);
	memcpy(&trailer, (const char *)buf + body_len, sizeof(trailer));
	ev.time_ns = trailer.time;

	switch (header->type) {
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		r = decode_task(buf, body_len, &ev);
		break;
	case PERF_RECORD_COMM:
		r = decode_comm(buf, body_len, &ev);
		break;
	case PERF_RECORD_MMAP2:
		r = decode_mmap2(buf, body_len, &ev);
		break;
	case PERF_RECORD_LOST:
		r = decode_lost(buf, body_len, &ev);
		break;
	case PERF_RECORD_THROTTLE:
		ev.kind = PROC_EVENT_THROTTLED;
		break;
	default:
		break;
	}
	if (r < 0)
		return r;
	if (is_of_process(ev.kind) && ev.pid <= 0)
		ev.kind = PROC_EVENT_OTHER;
	*ret = ev;
	return 0;
}
