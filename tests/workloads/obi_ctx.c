/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of otel_ctx.h over the map that OpenTelemetry eBPF Instrumentation pins, at
 * OBI_MAP: what OBI's BPF programs write there for a thread, the thread writes for itself.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "otel_ctx.h"

struct entry {
	uint8_t trace_id[16];
	uint8_t span_id[8];
};

_Static_assert(sizeof(struct entry) == 24, "traces_ctx_v1");

static int map_fd = -1;
static __thread uint64_t pid_tgid;

static long bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int otel_process_publish(const struct otel_process *p)
{
	union bpf_attr attr = { .pathname = (uintptr_t)getenv("OBI_MAP") };

	(void)p;
	map_fd = (int)bpf(BPF_OBJ_GET, &attr);
	if (map_fd >= 0)
		return 0;
	perror("OBI_MAP");
	return -errno;
}

int otel_thread_init(enum otel_style style)
{
	(void)style;
	pid_tgid = (uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid);
	return 0;
}

void otel_thread_exit(void)
{
}

static void must(long r)
{
	if (r == 0)
		return;
	perror("bpf");
	exit(1);
}

void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	struct entry entry;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map_fd,
		.key = (uintptr_t)&pid_tgid,
		.value = (uintptr_t)&entry,
	};

	(void)name;
	memcpy(entry.trace_id, trace_id, sizeof(entry.trace_id));
	memcpy(entry.span_id, span_id, sizeof(entry.span_id));
	must(bpf(BPF_MAP_UPDATE_ELEM, &attr));
}

void otel_thread_detach(void)
{
	union bpf_attr attr = { .map_fd = (uint32_t)map_fd, .key = (uintptr_t)&pid_tgid };

	must(bpf(BPF_MAP_DELETE_ELEM, &attr));
}

void otel_thread_second(uint8_t index, const char *value)
{
	(void)index;
	(void)value;
}
