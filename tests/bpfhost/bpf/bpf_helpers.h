/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The helpers, to be defined by the test; map definitions become plain objects whose address
 * counts.
 */
#ifndef BPFHOST_BPF_HELPERS_H
#define BPFHOST_BPF_HELPERS_H

#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  __typeof__(val) *name
#define __array(name, val) __typeof__(val) *name[]
#define SEC(name)
#define __weak __attribute__((weak))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

struct task_struct;

void *bpf_map_lookup_elem(const void *map, const void *key);
long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(const void *map, const void *key);
long bpf_probe_read_user(void *dst, __u32 size, const void *addr);
long bpf_probe_read_kernel(void *dst, __u32 size, const void *addr);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_get_current_pid_tgid(void);
__u32 bpf_get_smp_processor_id(void);
long bpf_get_current_comm(void *buf, __u32 size);
__u64 bpf_get_current_task(void);
struct task_struct *bpf_get_current_task_btf(void);
long bpf_task_pt_regs(struct task_struct *task);
long bpf_current_task_under_cgroup(const void *map, __u32 index);
long bpf_get_stack(void *ctx, void *buf, __u32 size, __u64 flags);
long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags);

#endif
