/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that keep the filter's set, compiled natively over a fake kernel. */
#include "follow.bpf.c"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

#define PIDS 100

static bool in[PIDS];
static struct cpu_stats cpu_stats;
#define counts cpu_stats.n
static __u64 current;
static bool full;

void *bpf_map_lookup_elem(const void *map, const void *key)
{
	__u32 k = *(const __u32 *)key;

	if (map == &stats)
		return &cpu_stats;
	cr_assert(eq(ptr, (void *)map, &targets));
	return in[k] ? &in[k] : NULL;
}

long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags)
{
	cr_assert(eq(ptr, (void *)map, &targets));
	cr_assert(eq(u64, flags, BPF_ANY));
	if (full)
		return -7;
	in[*(const __u32 *)key] = true;
	return 0;
}

long bpf_map_delete_elem(const void *map, const void *key)
{
	cr_assert(eq(ptr, (void *)map, &targets));
	in[*(const __u32 *)key] = false;
	return 0;
}

long bpf_probe_read_kernel(void *dst, __u32 size, const void *addr)
{
	memcpy(dst, addr, size);
	return 0;
}

__u32 bpf_get_smp_processor_id(void)
{
	return 0;
}

__u64 bpf_get_current_pid_tgid(void)
{
	return current;
}

__u64 bpf_get_current_task(void)
{
	abort(); /* in the first PID namespace nobody asks */
}

long bpf_current_task_under_cgroup(const void *map, __u32 index)
{
	abort();
}

static void set_up(void)
{
	memset(in, 0, sizeof(in));
	memset(counts, 0, sizeof(counts));
	full = false;
}

TestSuite(follow, .init = set_up, .fini = leak_check);

struct args {
	__u64 args[2];
};

static void fork_of(__u32 parent, __u32 child_tgid)
{
	struct task_struct task = { .tgid = child_tgid };
	struct args args = { .args = { 0, (__u64)&task } };

	current = (__u64)parent << 32 | (parent + 1);
	cr_assert(zero(int, follow_fork((struct bpf_raw_tracepoint_args *)&args)));
}

static void exit_of(__u32 tgid, int threads_left)
{
	struct signal_struct sig = { .live = { threads_left } };
	struct task_struct task = { .tgid = tgid, .signal = &sig };
	struct args args = { .args = { (__u64)&task, 0 } };

	current = (__u64)tgid << 32 | tgid;
	cr_assert(zero(int, follow_exit((struct bpf_raw_tracepoint_args *)&args)));
}

Test(follow, children_and_grandchildren_of_targets)
{
	in[10] = true;
	fork_of(10, 11);
	fork_of(11, 12);
	cr_assert(in[11]);
	cr_assert(in[12]);
}

Test(follow, children_of_others_are_not_taken_in)
{
	in[10] = true;
	fork_of(20, 21);
	cr_assert(not(in[21]));
	cr_assert(not(in[20]));
}

Test(follow, threads_need_nothing)
{
	fork_of(20, 20);
	cr_assert(not(in[20]));
	full = true;
	in[10] = true;
	fork_of(10, 10);
	cr_assert(zero(u64, counts[STAT_FILTER_FORK_FAILED]));
}

Test(follow, full_set_is_counted)
{
	in[10] = true;
	full = true;
	fork_of(10, 11);
	cr_assert(eq(u64, counts[STAT_FILTER_FORK_FAILED], 1));
}

Test(follow, only_the_last_thread_takes_the_process_out)
{
	in[10] = true;
	exit_of(10, 2);
	cr_assert(in[10]);
	exit_of(10, 0);
	cr_assert(not(in[10]));
	exit_of(11, 0);
}
