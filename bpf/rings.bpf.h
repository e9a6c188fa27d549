/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way out: ring buffers, sharded by CPU, emptied by user space on a timer or when they fill. */
#ifndef BPF_RINGS_BPF_H
#define BPF_RINGS_BPF_H

#include <bpf/bpf_helpers.h>

#include "shared/record.h"
#include "stats.bpf.h"

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* collect/ makes the real ones */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RINGS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, struct ring);
} rings SEC(".maps") __weak;

const volatile __u32 cfg_ring_count __weak = 1;
const volatile __u32 cfg_ring_wakeup __weak = 65536; /* bytes that are worth a wake-up: a quarter */

/* Is there room for something that can be left out? */
static __always_inline bool ring_has_room(__u32 cpu)
{
	__u32 shard = cpu % cfg_ring_count;
	void *ring = bpf_map_lookup_elem(&rings, &shard);

	return ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < 3ULL * cfg_ring_wakeup;
}

/* 0, or what the ring said when it had no room. */
static __always_inline long ring_output(__u32 cpu, void *data, __u64 len, bool wake)
{
	__u32 shard = cpu % cfg_ring_count;
	void *ring = bpf_map_lookup_elem(&rings, &shard);

	if (!ring)
		return -2; /* ENOENT */
	return bpf_ringbuf_output(ring, data, len, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

#endif
