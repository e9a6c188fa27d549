/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of perf records, as a ring holds them, through the decoder into a process table. */
#include <assert.h>
#include <linux/perf_event.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/proc_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int apply(struct process_table *t, const struct proc_event *ev)
{
	switch (ev->kind) {
	case PROC_EVENT_FORK:
		return process_on_fork(t, ev->parent, ev->pid, ev->time_ns);
	case PROC_EVENT_EXEC:
		return process_on_exec(t, ev->pid, ev->comm);
	case PROC_EVENT_COMM:
		return process_on_comm(t, ev->pid, ev->comm);
	case PROC_EVENT_MMAP:
		return process_on_mmap(t, ev->pid, &ev->map);
	case PROC_EVENT_EXIT:
		process_on_exit(t, ev->pid, ev->time_ns);
		return 0;
	default:
		return 0;
	}
}

static void check_maps(const struct process *p)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		assert(m->start < m->end && m->dso);
		assert(i == 0 || m[-1].end <= m->start);
		assert(process_find_mapping(p, m->start) == m);
		assert(process_find_mapping(p, m->end - 1) == m);
	}
	assert(strnlen(p->comm, sizeof(p->comm)) < sizeof(p->comm));
	assert(process_name(p));
}

static void check(const struct process_table *t, const struct proc_event *ev)
{
	const struct process *p = process_find(t, ev->pid);

	if (p)
		check_maps(p);
	if (!p || ev->kind != PROC_EVENT_MMAP || ev->map.start == ev->map.end)
		return;
	assert(process_find_mapping(p, ev->map.start)->offset == ev->map.offset);
	assert(strcmp(process_find_mapping(p, ev->map.start)->dso->path, ev->map.file.path) == 0);
}

/* The bytes are copied, so that a read behind the record is seen. */
static void take(struct process_table *t, const uint8_t *data, size_t len)
{
	CLEANUP(freep) struct perf_event_header *rec = malloc(len);
	struct proc_event ev;

	assert(rec);
	memcpy(rec, data, len);
	rec->size = len;
	if (proc_event_decode(rec, len, &ev) < 0)
		return;
	assert(apply(t, &ev) == 0);
	check(t, &ev);
}

static void gone(void *ctx, const struct process *p)
{
	assert(process_find(ctx, p->pid) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct process_table t;
	struct perf_event_header header;

	assert(process_table_init(&t) == 0);
	while (size >= sizeof(header)) {
		size_t len;

		memcpy(&header, data, sizeof(header));
		len = header.size < sizeof(header) || header.size > size ? size : header.size;
		take(&t, data, len);
		data += len;
		size -= len;
	}
	process_sweep(&t, UINT64_MAX, gone, &t);
	process_table_clear(&t);
	return 0;
}
