/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The least that a profiler can do: a walk over frame pointers, two words a frame, and the
 * addresses into a ring buffer. What table-driven unwinding costs is measured against this.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define FRAMES 1024

/* Of struct pt_regs (asm/ptrace.h), in words. */
#if defined(__TARGET_ARCH_x86)
#define REG_FP 4
#define REG_IP 16
#else
#define REG_FP 29
#define REG_IP 32
#endif

struct record {
	__u64 pid_tgid;
	__u64 n;
	__u64 ip[FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

SEC("perf_event")
int fp_floor(struct bpf_perf_event_data *ctx)
{
	const __u64 *regs = (const __u64 *)ctx;
	__u64 frame[2] = { regs[REG_FP], regs[REG_IP] };
	__u32 zero = 0, n;
	struct record *r = bpf_map_lookup_elem(&records, &zero);

	if (!r || !bpf_get_current_pid_tgid())
		return 0;
	r->pid_tgid = bpf_get_current_pid_tgid();
	for (n = 0; n < FRAMES; n++) {
		r->ip[n] = frame[1];
		if (!frame[0] || bpf_probe_read_user(frame, sizeof(frame), (void *)frame[0]))
			break;
	}
	r->n = n;
	if (n < FRAMES)
		bpf_ringbuf_output(&ring, r, 16 + n * 8, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
