/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own news of processes, as perf events write them (perf_event_open(2), "MMAP
 * layout"). Decoding only: bytes in, struct out. Paths and names are foreign. Never logs.
 */
#ifndef COLLECT_PROC_EVENT_H
#define COLLECT_PROC_EVENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/process.h"

enum proc_event_kind {
	PROC_EVENT_FORK, /* a new process; new threads are not reported */
	PROC_EVENT_EXEC,
	PROC_EVENT_COMM, /* a process (not a thread) changed its name */
	PROC_EVENT_MMAP, /* an executable mapping */
	PROC_EVENT_EXIT, /* end of a main thread */
	PROC_EVENT_LOST, /* the kernel had no room for some of these */
	PROC_EVENT_THROTTLED,
	PROC_EVENT_OTHER, /* well formed, of no interest: of processes outside our PID namespace, …
			   */
};

struct proc_event {
	enum proc_event_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	pid_t pid;
	pid_t parent;		  /* FORK */
	const char *comm;	  /* EXEC, COMM: in the decoded bytes */
	struct mapping_event map; /* MMAP: path in the decoded bytes */
	uint64_t lost;		  /* LOST: how many */
};

/*
 * Decodes one whole record of @len bytes, aligned to 8 (as perf aligns them), written by an event
 * whose sample_type is PERF_SAMPLE_TIME with sample_id_all. -EBADMSG: not such a record.
 */
int proc_event_decode(const void *buf, size_t len, struct proc_event *ret);

#endif
