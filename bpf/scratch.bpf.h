/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a record is put together before it goes into a ring: too large for the 512-byte stack. */
#ifndef BPF_SCRATCH_BPF_H
#define BPF_SCRATCH_BPF_H

#include <bpf/bpf_helpers.h>

#include "shared/record.h"

#define SCRATCH_IPS	 512 /* a power of two, so that the verifier is content with a mask */
#define SCRATCH_IPS_MASK (SCRATCH_IPS - 1)

struct scratch {
	struct sample_record rec;
	__u64 ips[SCRATCH_IPS]; /* what follows rec in the ring */
};

_Static_assert(KERNEL_FRAMES_MAX + USER_FRAMES_MAX <= SCRATCH_IPS, "a record fits");

/* A tick runs to its end on its CPU: perf does not nest programs of one CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

#endif
