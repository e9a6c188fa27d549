/* SPDX-License-Identifier: Apache-2.0 */
/* The sampling program, compiled natively over a fake kernel and a fake user memory. */
#include "oncpu.bpf.c"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_fields.h"
#include "leak_check.h"
#include "unwind/row_store.h"

#define PID	    4711
#define TID	    4712
#define USER_CS	    0x33
#define KERNEL_CS   0x10
#define STACK_BASE  0x7ffc00000000ULL
#define STACK_WORDS 16384 /* in memory; the mapping is larger */
#define STACK_END   (STACK_BASE + 2 * sizeof(__u64) * STACK_WORDS)
#define CODE	    0x401000ULL
#define TP	    0x7f5500001000ULL
#define TP_OFF	    (-64)
#define RECORD	    0x7f5500002000ULL
#define START_STACK 0x7ffc00001230ULL
#define TIME_NS	    (77ULL << 30 | 12345)
#define CPU	    5
#define CPUS	    8
#define LIB_A	    0x7f0000000000ULL
#define LIB_B	    0x7f0000100000ULL
#define LIB_SIZE    0x10000ULL
#define ARENAS	    8
#define VMAS_MAX    16
#define LEAF_VMAS   5
#define LEAVES	    4

/* What the program sees, and what it did. */
static struct {
	struct arch_regs regs;	 /* of the interrupt */
	struct arch_regs *entry; /* of the system call below */
	struct task_struct task;
	struct mm_struct mm;
	struct super_block sb;
	struct inode inode[VMAS_MAX];
	struct file file[VMAS_MAX];
	struct vm_area_struct vma[VMAS_MAX];
	int n_vmas;
	struct maple_range_64 node[LEAVES + 1] __attribute__((aligned(256)));
	__u64 pid_tgid;
	int comm_fails, target, under_cgroup, ring_full;
	__u64 waiting; /* bytes in the ring */
	long n_kernel; /* or negative: bpf_get_stack fails */
	__u32 cpu;
	__u64 time_ns;
	__s64 runs_for_ns; /* the clock goes on by it from one look to the next */
	struct proc_info proc;
	int has_proc, proc_lookups;
	__u64 stack[STACK_WORDS];
	__u64 absent, absent_end; /* bytes of it that are not in memory: from, to */
	__u64 tls;
	struct thread_ctx record;
	__u64 record_at;
	__u8 behind[THREAD_CTX_ATTRS_MAX]; /* the record */
	struct obi_context obi;
	int has_obi;
	struct elastic_ctx elastic;
	__u64 elastic_at; /* 0: there is none */
	__u8 code[64];
	__u64 code_at; /* 0: code cannot be read */
} k;

static struct scratch all_scratch[CPUS];
static struct spaces all_spaces;
static __u8 arena_memory[ARENAS][UNWIND_ARENA_SIZE] __attribute__((aligned(8)));
static __u32 n_arenas;
static struct row_store *rows;
static struct cpu_stats all_stats[CPUS];
static __u64 *const counts = all_stats[CPU].n;
static __u8 sent[sizeof(struct scratch)];
static __u64 sent_len, sent_flags;
static int n_sent;
int bpfhost_enum_value_exists = 1;

static int ring_object;

void *bpf_map_lookup_elem(const void *map, const void *key)
{
	__u32 k32 = *(const __u32 *)key;

	if (map == &stats)
		return k32 < CPUS ? &all_stats[k32] : NULL;
	if (map == &scratches)
		return k32 < CPUS ? &all_scratch[k32] : NULL;
	if (map == &spaces)
		return &all_spaces;
	if (map == &arenas)
		return k32 < n_arenas ? arena_memory[k32] : NULL;
	if ((__u64)map - (__u64)arena_memory < sizeof(arena_memory))
		return (void *)map; /* the only element of an arena */
	if (map == &procs) {
		k.proc_lookups++;
		return k.has_proc && k32 == PID ? &k.proc : NULL;
	}
	if (map == &obi_contexts)
		return k.has_obi && *(const __u64 *)key == k.pid_tgid ? &k.obi : NULL;
	if (map == &targets)
		return k.target && k32 == PID ? &k.target : NULL;
	if (map == &rings)
		return k32 < cfg_ring_count ? &ring_object : NULL;
	abort();
}

/* Reads must lie in one of the regions, to the last byte. */
static const void *user_memory(__u64 addr, __u32 size)
{
	const struct {
		__u64 addr, size;
		const void *bytes;
	} regions[] = {
		{ STACK_BASE, sizeof(k.stack), k.stack },
		{ TP + TP_OFF, sizeof(k.tls), &k.tls },
		{ k.record_at, sizeof(k.record), &k.record },
		{ k.record_at + sizeof(k.record), sizeof(k.behind), k.behind },
		{ k.elastic_at, k.elastic_at ? sizeof(k.elastic) : 0, &k.elastic },
		{ k.code_at, k.code_at ? sizeof(k.code) : 0, k.code },
	};

	if (addr + size > STACK_BASE + k.absent && addr < STACK_BASE + k.absent_end)
		return NULL;
	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
		if (size <= regions[i].size && addr >= regions[i].addr &&
		    addr - regions[i].addr <= regions[i].size - size)
			return (const char *)regions[i].bytes + (addr - regions[i].addr);
	return NULL;
}

/* As the kernel's: what cannot be read is zeroed. */
long bpf_probe_read_user(void *dst, __u32 size, const void *addr)
{
	const void *src = user_memory((__u64)addr, size);

	memset(dst, 0, size);
	if (!src)
		return -14;
	memcpy(dst, src, size);
	return 0;
}

long bpf_probe_read_kernel(void *dst, __u32 size, const void *addr)
{
	memset(dst, 0, size);
	if ((__u64)addr < 4096)
		return -14;
	memcpy(dst, addr, size);
	return 0;
}

__u64 bpf_ktime_get_ns(void)
{
	__u64 now = k.time_ns;

	k.time_ns += k.runs_for_ns;
	return now;
}

__u64 bpf_get_current_pid_tgid(void)
{
	return k.pid_tgid;
}

__u32 bpf_get_smp_processor_id(void)
{
	return k.cpu;
}

long bpf_get_current_comm(void *buf, __u32 size)
{
	if (k.comm_fails)
		return -22;
	memset(buf, 0, size);
	strcpy(buf, "worker");
	return 0;
}

__u64 bpf_get_current_task(void)
{
	return (__u64)&k.task;
}

struct task_struct *bpf_get_current_task_btf(void)
{
	return &k.task;
}

long bpf_task_pt_regs(struct task_struct *task)
{
	return (long)k.entry;
}

long bpf_current_task_under_cgroup(const void *map, __u32 index)
{
	return k.under_cgroup;
}

#define KERNEL_IP(i) (0xffffffff81000000ULL + (i))

long bpf_get_stack(void *ctx, void *buf, __u32 size, __u64 flags)
{
	__u64 *ips = buf;

	if (k.n_kernel < 0)
		return k.n_kernel;
	for (long i = 0; i < k.n_kernel && i < size / 8; i++)
		ips[i] = KERNEL_IP(i);
	return k.n_kernel * 8 < size ? k.n_kernel * 8 : size;
}

__u64 bpf_ringbuf_query(void *ring, __u64 flags)
{
	cr_assert(eq(ptr, ring, &ring_object));
	cr_assert(eq(u64, flags, BPF_RB_AVAIL_DATA));
	return k.waiting;
}

long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags)
{
	cr_assert(eq(ptr, ring, &ring_object));
	cr_assert(le(u64, size, sizeof(sent)));
	if (k.ring_full)
		return -11;
	memcpy(sent, data, size);
	sent_len = size;
	sent_flags = flags;
	n_sent++;
	return 0;
}

long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags)
{
	abort();
}

long bpf_map_delete_elem(const void *map, const void *key)
{
	abort();
}

/* --- set-up ----------------------------------------------------------------------------------- */

/* Settings are constants to the program, as the verifier sees them. */
static void set_cfg(const volatile void *cfg, const void *value, size_t len)
{
	uintptr_t page_size = sysconf(_SC_PAGESIZE);
	uintptr_t page = (uintptr_t)cfg & ~(page_size - 1);

	cr_assert(zero(int, mprotect((void *)page, 2 * page_size, PROT_READ | PROT_WRITE)));
	memcpy((void *)(uintptr_t)cfg, value, len);
}

static void set_user_regs(struct arch_regs *regs, __u64 ip, __u64 sp, __u64 fp)
{
	memset(regs, 0, sizeof(*regs));
#if defined(__x86_64__)
	regs->rip = ip;
	regs->rsp = sp;
	regs->rbp = fp;
	regs->cs = USER_CS;
#else
	regs->pc = ip;
	regs->sp = sp;
	regs->regs[29] = fp;
#endif
}

static void set_kernel_regs(struct arch_regs *regs)
{
	memset(regs, 0xff, sizeof(*regs));
#if defined(__x86_64__)
	regs->cs = KERNEL_CS;
#else
	regs->pstate = 5; /* EL1h */
#endif
}

static __u64 at(int word)
{
	return STACK_BASE + word * 8;
}

/* Frame @word: its caller's frame is at word @next, the return address is @ra. */
static void set_frame(int word, __u64 next_fp, __u64 ra)
{
	k.stack[word] = next_fp;
	k.stack[word + 1] = ra;
}

/* The tree of all mappings, which are in the order of their addresses. */
static void plant_tree(void)
{
	struct maple_range_64 *leaf = NULL, *root = &k.node[LEAVES];
	int n = 0, leaves = 0;

	memset(k.node, 0, sizeof(k.node));
	for (int i = 0; i < k.n_vmas; i++) {
		if (i % LEAF_VMAS == 0) {
			leaf = &k.node[leaves];
			root->slot[leaves] = (void *)((__u64)leaf | maple_leaf_64 << 3 | 4);
			root->pivot[leaves++] = UINT64_MAX;
			n = 0;
		}
		leaf->pivot[n++] = k.vma[i].vm_start - 1;
		leaf->slot[n] = &k.vma[i];
		leaf->pivot[n++] = k.vma[i].vm_end - 1;
		leaf->pivot[n] = UINT64_MAX;
		root->pivot[leaves - 1] = i + 1 < k.n_vmas ? k.vma[i].vm_end - 1 : UINT64_MAX;
	}
	k.mm.mm_mt.ma_root = (void *)((__u64)root | maple_range_64 << 3 | 4 | 2);
}

static struct vm_area_struct *add_vma(__u64 start, __u64 end, unsigned long flags,
				      struct file *file)
{
	int i = k.n_vmas++;

	for (; i > 0 && k.vma[i - 1].vm_start > start; i--)
		k.vma[i] = k.vma[i - 1];
	k.vma[i] = (struct vm_area_struct){
		.vm_start = start, .vm_end = end, .vm_mm = &k.mm, .vm_flags = flags, .vm_file = file
	};
	plant_tree();
	return &k.vma[i];
}

static struct vm_area_struct *vma_at(__u64 start)
{
	for (int i = 0; i < k.n_vmas; i++)
		if (k.vma[i].vm_start == start)
			return &k.vma[i];
	abort();
}

static void reset_counts(void)
{
	memset(all_stats, 0, sizeof(all_stats));
}

/* Whatever is put together there; what is kept in it from one sample to the next is not touched. */
static void fill_scratch(__u8 with)
{
	struct scratch *s = &all_scratch[k.cpu];
	const __u64 woken_ns = s->woken_ns;
	const __u32 sent_bytes = s->sent;

	memset(s, with, sizeof(*s));
	s->woken_ns = woken_ns;
	s->sent = sent_bytes;
}

static void set_up(void)
{
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq",
					     "struct task_struct.in_execve", NULL };

	memset(&k, 0, sizeof(k));
	k.cpu = CPU;
	k.time_ns = TIME_NS;
	memset(&all_spaces, 0, sizeof(all_spaces));
	kernel_fields = v6_13;
	reset_counts();
	memset(all_scratch, 0, sizeof(all_scratch));
	fill_scratch(0xa5);
	n_sent = 0;
	k.pid_tgid = (__u64)PID << 32 | TID;
	k.task.mm = &k.mm;
	k.task.thread.fsbase = TP;
	k.task.thread.uw.tp_value = TP;
	k.mm.start_stack = START_STACK;
	k.record_at = RECORD;
	set_user_regs(&k.regs, CODE, at(0), 0);
	add_vma(0x400000, 0x500000, VM_EXEC, NULL); /* code that a JIT compiler wrote */
	add_vma(STACK_BASE, STACK_END, 0, NULL);
}

static void tear_down(void)
{
	row_store_free(rows);
	rows = NULL;
	leak_check();
}

TestSuite(oncpu, .init = set_up, .fini = tear_down);

static const struct sample_record *fire(void)
{
	n_sent = 0;
	cr_assert(zero(int, oncpu_sample((struct bpf_perf_event_data *)&k.regs)));
	cr_assert(eq(int, n_sent, !k.ring_full));
	return (const struct sample_record *)sent;
}

static const __u64 *frames_of(const struct sample_record *rec)
{
	cr_assert(ne(uint, rec->user_end, USER_END_NOT_LOADED));
	cr_assert(eq(u64, sent_len, sizeof(*rec) + 8 * (rec->n_kernel + rec->n_user)));
	return (const __u64 *)(rec + 1);
}

/* Of the chains below: the program counter, and what frame pointers lead to. */
static const __u64 walk[] = { CODE | FRAME_EXACT, (CODE + 1) | FRAME_BY_FALLBACK,
			      (CODE + 2) | FRAME_BY_FALLBACK };

/* --- record ----------------------------------------------------------------------------------- */

Test(oncpu, who_when_where)
{
	const struct sample_record *rec = fire();

	cr_assert(eq(u64, rec->time_ns, TIME_NS));
	cr_assert(eq(uint, rec->tgid, PID));
	cr_assert(eq(uint, rec->tid, TID));
	cr_assert(eq(uint, rec->cpu, CPU));
	cr_assert(eq(str, (char *)rec->comm, "worker"));
	cr_assert(zero(uint, rec->flags));
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], 1));
}

Test(oncpu, each_cpu_has_its_counters)
{
	fire();
	k.cpu = 2;
	fire();
	fire();
	cr_assert(eq(u64, all_stats[CPU].n[STAT_SAMPLE_TAKEN], 1));
	cr_assert(eq(u64, all_stats[2].n[STAT_SAMPLE_TAKEN], 2));
	cr_assert(eq(u64, all_stats[2].n[STAT_USTACK_END_ZERO], 2));
}

/* Also those that leave early. */
Test(oncpu, every_run_is_measured)
{
	const bool yes = true;

	k.runs_for_ns = 700;
	fire();
	k.pid_tgid = 0;
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	k.pid_tgid = (__u64)PID << 32 | TID;
	set_cfg(&cfg_filter_tgid, &yes, sizeof(yes));
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(eq(u64, counts[STAT_SAMPLE_FILTERED], 1));
	cr_assert(eq(u64, all_stats[CPU].runs, 3));
	cr_assert(eq(u64, all_stats[CPU].run_ns, 3 * 700));
	k.runs_for_ns = -1; /* the clock steps back */
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(eq(u64, all_stats[CPU].runs, 4));
	cr_assert(eq(u64, all_stats[CPU].run_ns, 3 * 700));
}

static void make_full_sample(void)
{
	static struct arch_regs entry;

	set_kernel_regs(&k.regs);
	set_user_regs(&entry, CODE, at(0), at(10));
	set_frame(10, at(20), CODE + 1);
	set_frame(20, 0, CODE + 2);
	k.entry = &entry;
	k.n_kernel = 3;
}

/* Whatever was in the scratch memory before, the record is the same: no byte of it gets out. */
static void assert_every_byte_written(void)
{
	static __u8 first[sizeof(sent)];
	__u64 len;

	fill_scratch(0xa5);
	fire();
	len = sent_len;
	memcpy(first, sent, sizeof(first));
	fill_scratch(0x5a);
	fire();
	cr_assert(eq(u64, sent_len, len));
	for (__u64 i = 0; i < len; i++)
		cr_assert(eq(u8, first[i], sent[i]), "byte %d", (int)i);
}

Test(oncpu, every_byte_is_written)
{
	assert_every_byte_written();
	k.comm_fails = 1;
	assert_every_byte_written();
	k.task.flags = PF_KTHREAD;
	assert_every_byte_written();
	k.task.flags = 0;
	make_full_sample();
	assert_every_byte_written();
	k.n_kernel = -14;
	assert_every_byte_written();
	k.n_kernel = 200;
	k.entry = NULL;
	assert_every_byte_written();
}

Test(oncpu, idle_is_no_sample)
{
	k.pid_tgid = 0;
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(zero(int, n_sent));
	for (int i = 0; i < STAT_KERNEL_COUNT; i++)
		cr_assert(zero(u64, counts[i]), "counter %d", i);
}

/* --- PID namespaces --------------------------------------------------------------------------- */

#define OURS 4026532001u

/* Ours is the one at level @ours of @n; the task has pid 100 + level, its thread 200 + level. */
static void nest(unsigned int n, unsigned int ours)
{
	static struct pid_namespace spaces_[4];
	static struct task_struct leader;
	static struct pid pids[2];
	__u32 inode = OURS;

	for (unsigned int i = 0; i < 4; i++) {
		spaces_[i].ns.inum = i == ours ? OURS : i + 1;
		pids[0].numbers[i] = (struct upid){ 100 + i, &spaces_[i] };
		pids[1].numbers[i] = (struct upid){ 200 + i, &spaces_[i] };
	}
	pids[0].level = pids[1].level = n - 1;
	leader.thread_pid = &pids[0];
	k.task.group_leader = &leader;
	k.task.thread_pid = &pids[1];
	set_cfg(&cfg_pidns, &inode, sizeof(inode));
}

Test(oncpu, pids_are_those_of_our_namespace)
{
	const struct sample_record *rec = (const void *)sent;

	for (unsigned int n = 1; n <= 4; n++)
		for (unsigned int ours = 0; ours < n; ours++) {
			nest(n, ours);
			oncpu_sample((struct bpf_perf_event_data *)&k.regs);
			cr_assert(eq(u32, rec->tgid, 100 + ours));
			cr_assert(eq(u32, rec->tid, 200 + ours));
		}
	cr_assert(zero(u64, counts[STAT_SAMPLE_OUTSIDE]));
}

Test(oncpu, processes_outside_our_namespace_are_counted)
{
	nest(2, 3); /* deeper than it is */
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(zero(int, n_sent));
	cr_assert(eq(u64, counts[STAT_SAMPLE_OUTSIDE], 1));
	cr_assert(zero(u64, counts[STAT_SAMPLE_TAKEN]));
	k.task.group_leader = NULL; /* on its way out */
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(eq(u64, counts[STAT_SAMPLE_OUTSIDE], 2));
}

static void assert_filtered(int yes)
{
	reset_counts();
	n_sent = 0;
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(eq(int, n_sent, !yes));
	cr_assert(eq(u64, counts[STAT_SAMPLE_FILTERED], yes));
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], !yes));
}

/* At which of @n ticks is there a sample, as bits from the first one on? *@extra: with the flag. */
static __u32 sampled_ticks(int n, __u32 *extra)
{
	__u32 yes = 0;

	*extra = 0;
	for (int i = 0; i < n; i++) {
		n_sent = 0;
		oncpu_sample((struct bpf_perf_event_data *)&k.regs);
		yes |= (__u32)n_sent << i;
		if (n_sent && ((const struct sample_record *)sent)->flags & SAMPLE_EXTRA)
			*extra |= 1u << i;
	}
	return yes;
}

Test(oncpu, focus_on_a_process)
{
	__u32 extra, tgid = k.pid_tgid >> 32;

	cr_assert(eq(u32, sampled_ticks(3, &extra), 7));
	cr_assert(zero(u32, extra));

	focus = (struct sample_focus){ .every = 3, .tgid = tgid + 1 };
	reset_counts();
	cr_assert(eq(u32, sampled_ticks(9, &extra), 0444));
	cr_assert(zero(u32, extra), "each third one, of all");
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], 3));

	focus.tgid = tgid;
	cr_assert(eq(u32, sampled_ticks(9, &extra), 0777));
	cr_assert(eq(u32, extra, 0333));
	focus = (struct sample_focus){ 0 };
	cr_assert(eq(u32, sampled_ticks(3, &extra), 7));
	cr_assert(zero(u32, extra));
}

Test(oncpu, filters)
{
	bool on = true, off = false;

	set_cfg(&cfg_filter_tgid, &on, 1);
	assert_filtered(1);
	k.target = 1;
	assert_filtered(0);
	set_cfg(&cfg_filter_cgroup, &on, 1);
	assert_filtered(1);
	k.under_cgroup = 1;
	assert_filtered(0);
	k.target = 0;
	assert_filtered(1);
	set_cfg(&cfg_filter_tgid, &off, 1);
	k.under_cgroup = -22; /* no cgroup set: an error is no yes */
	assert_filtered(1);
}

Test(oncpu, full_ring_is_counted)
{
	k.ring_full = 1;
	fire();
	fire();
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], 2));
	cr_assert(eq(u64, counts[STAT_SAMPLE_LOST_RING], 2));
}

/* Of what has come into the ring since the last time. */
Test(oncpu, reader_is_woken_when_enough_was_sent)
{
	for (int again = 0; again < 3; again++) {
		for (__u64 sum = 0; sum < cfg_ring_wakeup;) {
			fire();
			sum += sent_len;
			cr_assert(
				eq(u64, sent_flags,
				   sum < cfg_ring_wakeup ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP));
		}
	}
}

/* --- kernel stack ----------------------------------------------------------------------------- */

Test(oncpu, kernel_stack_then_user_stack)
{
	const struct sample_record *rec;
	const __u64 *frames;

	make_full_sample();
	rec = fire();
	frames = frames_of(rec);
	cr_assert(eq(uint, rec->n_kernel, 3));
	cr_assert(eq(uint, rec->n_user, 3));
	for (int i = 0; i < 3; i++) {
		cr_assert(eq(u64, frames[i], KERNEL_IP(i)));
		cr_assert(eq(u64, frames[3 + i], walk[i]));
	}
	cr_assert(eq(uint, rec->user_end, USER_END_ZERO));
}

/* Before bpf_task_pt_regs() came, 5.15: from the top of the kernel's stack. */
Test(oncpu, user_registers_on_an_older_kernel)
{
	static char stack[16384] __attribute__((aligned(16)));
	const struct sample_record *rec;

	make_full_sample();
	memcpy(stack + sizeof(stack) - sizeof(struct pt_regs), k.entry, sizeof(struct pt_regs));
	k.entry = NULL;
	k.task.stack = stack;
	bpfhost_enum_value_exists = 0;
	rec = fire();
	cr_assert(eq(uint, rec->n_user, 3));
	cr_assert(eq(u64, frames_of(rec)[3], walk[0]));
}

Test(oncpu, failed_kernel_stack_is_counted_and_sample_still_sent)
{
	const struct sample_record *rec;

	make_full_sample();
	k.n_kernel = -14;
	rec = fire();
	cr_assert(zero(uint, rec->n_kernel));
	cr_assert(eq(uint, rec->n_user, 3));
	cr_assert(eq(u64, frames_of(rec)[0], walk[0]));
	cr_assert(eq(u64, counts[STAT_KSTACK_FAILED], 1));
}

Test(oncpu, deep_kernel_stack_is_marked)
{
	const struct sample_record *rec;

	make_full_sample();
	k.n_kernel = KERNEL_FRAMES_MAX - 1;
	rec = fire();
	cr_assert(zero(uint, rec->flags));
	k.n_kernel = 1000;
	rec = fire();
	cr_assert(eq(uint, rec->n_kernel, KERNEL_FRAMES_MAX));
	cr_assert(eq(uint, rec->flags, SAMPLE_KERNEL_TRUNCATED));
	cr_assert(eq(u64, frames_of(rec)[KERNEL_FRAMES_MAX], walk[0]));
	cr_assert(eq(u64, counts[STAT_KSTACK_TRUNCATED], 1));
}

/* kernel.perf_event_max_stack is lower: the kernel's helper does not say that it has cut. */
Test(oncpu, kernel_stack_as_deep_as_the_kernel_allows)
{
	const __u32 allowed = 20, usual = KERNEL_FRAMES_MAX;

	make_full_sample();
	set_cfg(&cfg_kernel_frames, &allowed, sizeof(allowed));
	k.n_kernel = 19;
	cr_assert(zero(uint, fire()->flags));
	k.n_kernel = 20;
	cr_assert(eq(uint, fire()->flags, SAMPLE_KERNEL_TRUNCATED));
	set_cfg(&cfg_kernel_frames, &usual, sizeof(usual));
}

Test(oncpu, kernel_thread_has_no_user_stack)
{
	const struct sample_record *rec;

	set_kernel_regs(&k.regs);
	k.n_kernel = 2;
	k.task.flags = PF_KTHREAD;
	rec = fire();
	cr_assert(eq(uint, rec->flags, SAMPLE_KERNEL_THREAD));
	cr_assert(eq(u64, counts[STAT_USTACK_NONE], 1));
	cr_assert(eq(uint, rec->n_kernel, 2));
	cr_assert(zero(uint, rec->n_user));
	cr_assert(eq(uint, rec->user_end, USER_END_NONE));
}

/* --- user stack ------------------------------------------------------------------------------- */

static void assert_walk(const __u64 *want, int n, enum user_end end, enum stat_id counter)
{
	const struct sample_record *rec = fire();
	const __u64 *frames = frames_of(rec);

	cr_assert(eq(uint, rec->n_user, n));
	cr_assert(eq(uint, rec->user_end, end));
	cr_assert(eq(u64, counts[counter], 1));
	for (int i = 0; i < n; i++)
		cr_assert(eq(u64, frames[rec->n_kernel + i], want[i]), "frame %d", i);
}

static void set_chain(__u64 end_fp)
{
	set_user_regs(&k.regs, CODE, at(0), at(4));
	set_frame(4, at(6), CODE + 1); /* the smallest distance there is */
	set_frame(6, end_fp, CODE + 2);
}

Test(oncpu, chain_that_ends_with_zero)
{
	set_chain(0);
	assert_walk(walk, 3, USER_END_ZERO, STAT_USTACK_END_ZERO);
	cr_assert(eq(u64, counts[STAT_FRAME_BY_FALLBACK], 2));
}

Test(oncpu, frame_right_at_the_stack_pointer)
{
	set_user_regs(&k.regs, CODE, at(4), at(4));
	set_frame(4, 0, CODE + 1);
	assert_walk(walk, 2, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

Test(oncpu, no_frame_at_all)
{
	assert_walk(walk, 1, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

Test(oncpu, loops_and_steps_back)
{
	const __u64 bad[] = { at(6), at(4), at(0), at(7), at(5), at(6) + 1, at(20) + 4, 1, 4095 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(bad[i]);
		assert_walk(walk, 3, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	}
}

Test(oncpu, frame_pointer_that_is_none)
{
	const __u64 bad[] = { at(0) - 8,
			      at(0) - 1,
			      at(1) + 1,
			      0x10,
			      UINT64_MAX,
			      UINT64_MAX - 7,
			      0xffffffff81000000ULL,
			      1ULL << 56 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_user_regs(&k.regs, CODE, at(0), bad[i]);
		assert_walk(walk, 1, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	}
}

Test(oncpu, chain_that_leads_out_of_the_stack)
{
	const __u64 bad[] = { STACK_END, STACK_END - 8, (1ULL << 56) - 16 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(bad[i]);
		assert_walk(walk, 3, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	}
}

Test(oncpu, chain_that_leads_out_of_memory)
{
	const __u64 bad[] = { at(STACK_WORDS), at(STACK_WORDS - 1), STACK_END - 16 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(bad[i]);
		assert_walk(walk, 3, USER_END_UNREADABLE, STAT_USTACK_UNREADABLE);
	}
}

/* The stack has not grown yet, by up to as much as a copy of it has. */
Test(oncpu, stack_pointer_below_its_mapping)
{
	const __u64 below[] = { 8, 64, 4096, 3 * 4096 + 8, 15 * 4096 };

	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		set_up();
		set_user_regs(&k.regs, CODE, STACK_BASE - below[i], at(4));
		set_frame(4, 0, CODE + 1);
		assert_walk(walk, 2, USER_END_ZERO, STAT_USTACK_END_ZERO);
	}
}

Test(oncpu, stack_pointer_in_no_mapping)
{
	const __u64 bad[] = { STACK_BASE - 16 * 4096, 8, 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_user_regs(&k.regs, CODE, bad[i], at(4));
		set_frame(4, 0, CODE + 1);
		assert_walk(walk, 1, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	}
}

Test(oncpu, return_address_that_is_none)
{
	const __u64 bad[] = { 0, 1, 4095, 1ULL << 56, 0xffffffff81000000ULL, UINT64_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(at(10));
		set_frame(10, 0, bad[i]);
		assert_walk(walk, 3, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	}
}

/* Where no code is, and just behind it: an address is looked up by the call that is before it. */
Test(oncpu, return_address_that_leads_to_no_code)
{
	const __u64 bad[] = { 0x300000, 0x400000, 0x500001, 0x7e0000001000ULL };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(at(10));
		set_frame(10, 0, bad[i]);
		assert_walk(walk, 3, USER_END_BAD_RETURN, STAT_USTACK_BAD_RETURN);
	}
}

Test(oncpu, call_at_the_end_of_its_mapping)
{
	const __u64 want[] = { walk[0], walk[1], walk[2], 0x500000 | FRAME_BY_FALLBACK };

	set_chain(at(10));
	set_frame(10, 0, 0x500000);
	assert_walk(want, 4, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

/* A jump to nowhere; what the frame pointer is then nobody knows. */
Test(oncpu, program_counter_that_is_no_code)
{
	set_chain(0);
	set_user_regs(&k.regs, 0x10, at(0), at(4));
	assert_walk((__u64[]){ 0x10 | FRAME_EXACT }, 1, USER_END_NO_CODE, STAT_USTACK_NO_CODE);
	cr_assert(zero(u64, counts[STAT_USTACK_REPLACED]));
}

/* The registers at the entry are still those of the old program, whose code is gone. */
Test(oncpu, program_that_execve_has_replaced)
{
	const struct sample_record *rec;

	make_full_sample();
	k.task.in_execve = 1;
	set_user_regs(k.entry, 0x7e0000001000ULL, at(0), at(10));
	rec = fire();
	frames_of(rec);
	cr_assert(eq(uint, rec->n_kernel, 3));
	cr_assert(zero(uint, rec->n_user));
	cr_assert(eq(uint, rec->user_end, USER_END_NONE));
	cr_assert(eq(u64, counts[STAT_USTACK_REPLACED], 1));
	cr_assert(eq(u64, counts[STAT_USTACK_NONE], 1));
	cr_assert(zero(u64, counts[STAT_USTACK_NO_CODE]));
}

/* A page fault at the address that a bad pointer led to: nothing of this stack is known. */
Test(oncpu, program_counter_that_is_no_code_in_the_kernel)
{
	const struct sample_record *rec;

	make_full_sample();
	set_user_regs(k.entry, 0x7e0000001000ULL, at(0), at(10));
	rec = fire();
	cr_assert(eq(uint, rec->n_user, 1));
	cr_assert(eq(uint, rec->user_end, USER_END_NO_CODE));
	cr_assert(eq(u64, counts[STAT_USTACK_NO_CODE], 1));
	cr_assert(zero(u64, counts[STAT_USTACK_REPLACED]));
}

static void make_deep_chain(int word)
{
	for (int i = 0; i < USER_FRAMES_MAX + 10; i++)
		set_frame(word + 2 * i, at(word + 2 * i + 2), CODE + i + 1);
}

Test(oncpu, stack_that_is_deeper_than_the_limit)
{
	__u64 want[USER_FRAMES_MAX] = { walk[0] };

	set_user_regs(&k.regs, CODE, at(0), at(0));
	make_deep_chain(0);
	for (int i = 1; i < USER_FRAMES_MAX; i++)
		want[i] = (CODE + i) | FRAME_BY_FALLBACK;
	assert_walk(want, USER_FRAMES_MAX, USER_END_DEPTH, STAT_USTACK_DEPTH);
}

Test(oncpu, deepest_kernel_and_user_stack_fit)
{
	const struct sample_record *rec;

	make_full_sample();
	k.n_kernel = 1000;
	make_deep_chain(10);
	rec = fire();
	cr_assert(eq(uint, rec->n_kernel + rec->n_user, KERNEL_FRAMES_MAX + USER_FRAMES_MAX));
	cr_assert(eq(u64, frames_of(rec)[KERNEL_FRAMES_MAX + USER_FRAMES_MAX - 1],
		     (CODE + USER_FRAMES_MAX - 1) | FRAME_BY_FALLBACK));
}

Test(oncpu, code_of_32_bits_keeps_its_program_counter)
{
	set_chain(0);
#if defined(__x86_64__)
	k.regs.cs = USER32_CS;
#else
	k.regs.pstate = PSR_MODE32_BIT;
#endif
	assert_walk(walk, 1, USER_END_COMPAT, STAT_USTACK_COMPAT);
}

Test(oncpu, registers_that_cannot_be_read)
{
	static struct arch_regs entry;
	const struct sample_record *rec;

	set_kernel_regs(&k.regs);
	k.n_kernel = 1;
	rec = fire(); /* no entry registers at all */
	cr_assert(zero(uint, rec->n_user));
	cr_assert(eq(uint, rec->user_end, USER_END_NO_REGS));

	set_kernel_regs(&entry); /* of an I/O worker: it never came from user space */
	k.entry = &entry;
	rec = fire();
	cr_assert(zero(uint, rec->n_user));
	cr_assert(eq(uint, rec->user_end, USER_END_NO_REGS));
	cr_assert(eq(u64, counts[STAT_USTACK_NO_REGS], 2));
}

/* --- user stack by rows ----------------------------------------------------------------------- */

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	cr_assert(eq(u32, index, n_arenas));
	memset(arena_memory[index], 0, UNWIND_ARENA_SIZE);
	*ret = arena_memory[n_arenas++];
	return 0;
}

static int wait_readers(void *ctx)
{
	return 0;
}

/* Rows as user space makes them, in the program's own maps. */
static struct row_store *row_store(void)
{
	const struct row_store_backing backing = {
		.control = &unwind_control,
		.add_arena = add_arena,
		.wait_readers = wait_readers,
	};

	if (rows)
		return rows;
	n_arenas = 0;
	memset(&unwind_control, 0, sizeof(unwind_control));
	cr_assert(zero(int, row_store_new(&backing, sizeof(arena_memory), &rows)));
	return rows;
}

static struct unwind_file_key key_of(int i)
{
	return (struct unwind_file_key){ .ino = 100 + i, .ctime_sec = 1000, .dev = 7 };
}

/* File number @i, which nobody has heard of. */
static struct file *make_file(int i)
{
	k.sb.s_dev = 7;
	k.inode[i] = (struct inode){ .i_ino = 100 + i, .i_sb = &k.sb, .i_ctime = { 1000, 0 } };
	k.file[i].f_inode = &k.inode[i];
	return &k.file[i];
}

/* … of which user space knows that there are rows for so many pages. */
static struct row_file *tell_file(int i, uint64_t first_page, uint64_t n)
{
	struct unwind_file_key key = key_of(i);
	struct row_file *f;

	cr_assert(zero(int, row_store_add_file(row_store(),
					       &(struct row_extent){ first_page, n, 0 }, &f)));
	cr_assert(zero(int, row_store_set_key(rows, &key, f)));
	return f;
}

/* The whole page by one rule. */
static void put_page(struct row_file *f, uint64_t page, uint32_t rule)
{
	static struct unwind_page p;

	p = (struct unwind_page){ .n_rows = 1, .rule = { rule } };
	cr_assert(zero(int, row_store_put(rows, f, page, &p, 0)));
}

/* The return address lies @words above the stack pointer. */
#if defined(__x86_64__)
#define BY_SP(words) ((words) << UNWIND_CFA_SHIFT | UNWIND_BASE_SP)
#else
#define BY_SP(words)                                                                               \
	((words) << UNWIND_CFA_SHIFT | UNWIND_A64_LR << UNWIND_A64_SAVED_SHIFT |                   \
	 1 << UNWIND_A64_AT_SHIFT | UNWIND_BASE_SP)
#endif
/* A frame as compilers make it with -fno-omit-frame-pointer. */
#if defined(__x86_64__)
#define BY_FP                                                                                      \
	(2 << UNWIND_CFA_SHIFT | 1 << (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS) |             \
	 UNWIND_BASE_FP)
#else
#define BY_FP                                                                                      \
	(2 << UNWIND_CFA_SHIFT | UNWIND_A64_PAIR << UNWIND_A64_SAVED_SHIFT |                       \
	 2 << UNWIND_A64_AT_SHIFT | UNWIND_BASE_FP)
#endif
#define END UNWIND_RULE_SPECIAL(UNWIND_END)

/* Two libraries: one calls the other from page 1 on, and its page 2 is where threads begin. */
static void make_libraries(void)
{
	struct row_file *a, *b;

	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(0));
	add_vma(LIB_B, LIB_B + LIB_SIZE, VM_EXEC, make_file(1));
	a = tell_file(0, 0, 16);
	b = tell_file(1, 0, 16);
	put_page(a, 1, BY_SP(2));
	put_page(b, 1, BY_SP(4));
	put_page(b, 2, END);
	set_user_regs(&k.regs, LIB_A + 0x1000, at(0), 1); /* no frame pointer to be followed */
	k.stack[1] = LIB_B + 0x1234;
	k.stack[5] = LIB_A + 0x1fff;
	k.stack[7] = LIB_B + 0x2001;
}

static const __u64 by_rows[] = { (LIB_A + 0x1000) | FRAME_EXACT, LIB_B + 0x1234, LIB_A + 0x1fff,
				 LIB_B + 0x2001 };

Test(oncpu, walk_by_rows)
{
	make_libraries();
	for (int i = 1; i < 4; i++) { /* … also by what is kept from the time before */
		assert_walk(by_rows, 4, USER_END_ENTRY, STAT_SAMPLE_TAKEN);
		cr_assert(eq(u64, counts[STAT_USTACK_ENTRY], 1));
		cr_assert(zero(u64, counts[STAT_FRAME_BY_FALLBACK]));
		reset_counts();
	}
}

Test(oncpu, return_address_of_zero)
{
	make_libraries();
	k.stack[5] = 0;
	assert_walk(by_rows, 2, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

/* Whoever goes to another stack may go down, but not for ever. */
Test(oncpu, frames_that_fall)
{
	__u64 want[UNWIND_FALLS_MAX + 1] = { (LIB_A + 0x1000) | FRAME_EXACT };

	make_libraries();
	put_page(tell_file(0, 0, 16), 1, BY_FP);
	set_user_regs(&k.regs, LIB_A + 0x1000, at(1000), at(900));
	for (int i = 0; i < 20; i++)
		set_frame(900 - 10 * i, at(890 - 10 * i), LIB_A + 0x1001 + i);
	for (int i = 1; i <= UNWIND_FALLS_MAX; i++)
		want[i] = LIB_A + 0x1000 + i;
	assert_walk(want, UNWIND_FALLS_MAX + 1, USER_END_NOT_RISING, STAT_USTACK_NOT_RISING);
	set_frame(900 - 10 * (UNWIND_FALLS_MAX - 1), 0, 0);
	reset_counts();
	assert_walk(want, UNWIND_FALLS_MAX, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

/* Nothing was called there: makecontext(3) has put it there for its function to return to. */
Test(oncpu, return_address_at_the_begin_of_a_table)
{
	const __u64 want[] = { by_rows[0], LIB_B + 0x4000 };
	struct row_file *b;

	make_libraries();
	b = tell_file(1, 0, 16);
	put_page(b, 3, UNWIND_RULE_SPECIAL(UNWIND_NONE));
	put_page(b, 4, UNWIND_RULE_SPECIAL(UNWIND_END));
	k.stack[1] = LIB_B + 0x4000;
	assert_walk(want, 2, USER_END_ENTRY, STAT_USTACK_ENTRY);
}

/* … or the kernel that of a signal's trampoline, where all registers come from the stack. */
Test(oncpu, return_address_at_a_trampoline)
{
	const __u64 want[] = { by_rows[0], (LIB_B + 0x4000) | FRAME_EXACT };
	struct row_file *b;

	make_libraries();
	b = tell_file(1, 0, 16);
	put_page(b, 3, UNWIND_RULE_SPECIAL(UNWIND_NONE));
	put_page(b, 4, UNWIND_RULE_SPECIAL(UNWIND_SIGNAL));
	k.stack[1] = LIB_B + 0x4000;
	assert_walk(want, 2, USER_END_BAD_RETURN, STAT_USTACK_BAD_RETURN);
}

/* Each page tells when it was used, or it would not be known which are not. */
Test(oncpu, use_of_pages_is_noted)
{
	int used = 0;

	make_libraries();
	fire();
	for (size_t at = 0; at < sizeof(arena_memory); at += UNWIND_LINE_SIZE)
		used += *(const __u32 *)((const __u8 *)arena_memory + at) == TIME_NS >> 30;
	cr_assert(eq(int, used, 3));
}

/* The page is one of the file, not of memory; and a call's last byte decides. */
Test(oncpu, mapping_of_a_part_of_a_file)
{
	const __u64 want[] = { (LIB_A + 0x3000) | FRAME_EXACT, LIB_A + 0x4000, LIB_A + 0x4001 };
	struct row_file *f;

	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(0))->vm_pgoff = 50;
	f = tell_file(0, 48, 10);
	put_page(f, 53, BY_SP(1));
	put_page(f, 54, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED));
	set_user_regs(&k.regs, LIB_A + 0x3000, at(0), 1);
	k.stack[0] = LIB_A + 0x4000;
	k.stack[1] = LIB_A + 0x4001;
	assert_walk(want, 3, USER_END_UNSUPPORTED, STAT_USTACK_UNSUPPORTED);
}

Test(oncpu, code_of_a_file_that_no_table_covers)
{
	const __u64 pages[] = { 1, 4, 15 };

	for (size_t i = 0; i < 3; i++) {
		set_up();
		row_store_free(rows);
		rows = NULL;
		add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(0));
		tell_file(0, 2, 2); /* its pages 2 and 3 have rows */
		set_user_regs(&k.regs, LIB_A + pages[i] * 4096 + 8, at(0), at(4));
		set_frame(4, 0, CODE + 1);
		assert_walk((__u64[]){ (LIB_A + pages[i] * 4096 + 8) | FRAME_EXACT, walk[1] }, 2,
			    USER_END_ZERO, STAT_USTACK_END_ZERO);
	}
}

Test(oncpu, file_that_is_known_to_have_no_rows)
{
	struct unwind_file_key key = key_of(0);

	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(0));
	cr_assert(zero(int, row_store_set_key(row_store(), &key, NULL)));
	set_user_regs(&k.regs, LIB_A, at(0), at(4));
	set_frame(4, 0, CODE + 1);
	assert_walk((__u64[]){ LIB_A | FRAME_EXACT, walk[1] }, 2, USER_END_ZERO,
		    STAT_USTACK_END_ZERO);
}

/* More than 1,024 pages: a list of directories. */
Test(oncpu, large_file)
{
	const uint64_t page = 5000;
	struct row_file *f;

	add_vma(LIB_A, LIB_A + 6000 * 4096, VM_EXEC, make_file(0));
	f = tell_file(0, 100, 5900);
	put_page(f, page, BY_SP(1));
	put_page(f, page + 1, END);
	put_page(f, page - 2048, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED));
	add_vma(LIB_A + 6000 * 4096, LIB_A + 6001 * 4096, VM_EXEC, make_file(1));
	set_user_regs(&k.regs, LIB_A + page * 4096 + 99, at(0), 1);
	k.stack[0] = LIB_A + (page + 1) * 4096 + 1;
	assert_walk((__u64[]){ (LIB_A + page * 4096 + 99) | FRAME_EXACT, k.stack[0] }, 2,
		    USER_END_ENTRY, STAT_USTACK_ENTRY);
}

Test(oncpu, extended_rule)
{
	static struct unwind_page p;
	struct row_file *f;

	p = (struct unwind_page){ .n_rows = 3, .n_ext = 2, .pc = { 0, 16, 32 } };
	p.rule[0] = p.rule[2] = UNWIND_RULE_EXT(0);
	p.rule[1] = UNWIND_RULE_EXT(1);
	p.ext[0] = (struct unwind_ext){ .ra = { .where = UNWIND_UNKNOWN } };
	p.ext[1] = (struct unwind_ext){ .cfa_reg = UNWIND_SP,
					.cfa_off = 80,
					.ra = { .where = UNWIND_AT_CFA, .off = -16 } };
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(0));
	f = tell_file(0, 0, 16);
	cr_assert(zero(int, row_store_put(rows, f, 1, &p, 0)));
	put_page(f, 2, END);
	set_user_regs(&k.regs, LIB_A + 0x1010, at(0), 1);
	k.stack[8] = LIB_A + 0x2001;
	assert_walk((__u64[]){ (LIB_A + 0x1010) | FRAME_EXACT, LIB_A + 0x2001 }, 2, USER_END_ENTRY,
		    STAT_USTACK_ENTRY);
}

Test(oncpu, vdso)
{
	struct row_file *f;

	add_vma(LIB_A, LIB_A + 0x2000, VM_EXEC, NULL)->vm_pgoff = LIB_A >> 12;
	k.mm.context.vdso = (void *)LIB_A;
	cr_assert(zero(int, row_store_add_file(row_store(), &(struct row_extent){ 0, 2, 0 }, &f)));
	row_store_set_vdso(rows, f);
	put_page(f, 1, END);
	set_user_regs(&k.regs, LIB_A + 0x1800, at(0), 1);
	assert_walk((__u64[]){ (LIB_A + 0x1800) | FRAME_EXACT }, 1, USER_END_ENTRY,
		    STAT_USTACK_ENTRY);
	k.mm.context.vdso = (void *)(LIB_A + 0x1000); /* it is some other code */
	k.mm.seq_6_13.sequence += 2;
	assert_walk((__u64[]){ (LIB_A + 0x1800) | FRAME_EXACT }, 1, USER_END_NO_RULE,
		    STAT_USTACK_NO_RULE);
}

/* --- anonymous code --------------------------------------------------------------------------- */

/* A frame whose return address can be read, and what is before it. */
static void set_frame_in_code(void)
{
	set_user_regs(&k.regs, CODE, at(0), at(4));
	set_frame(4, 0, CODE + 16);
	k.code_at = CODE;
}

static void put_call_before(__u64 ra)
{
#if defined(__x86_64__)
	k.code[ra - CODE - 5] = 0xe8; /* call */
#else
	memcpy(&k.code[ra - CODE - 4], &(__u32){ 0x94000000 }, 4); /* bl */
#endif
}

static const __u64 in_code[] = { CODE | FRAME_EXACT, (CODE + 16) | FRAME_BY_FALLBACK };

/* An interpreter that was made at run time pushes addresses and jumps. */
Test(oncpu, return_address_in_jit_code_needs_no_call)
{
	set_frame_in_code();
	assert_walk(in_code, 2, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

Test(oncpu, return_address_in_a_file_needs_a_call)
{
	struct unwind_file_key key = key_of(0);

	set_frame_in_code();
	cr_assert(zero(int, row_store_set_key(row_store(), &key, NULL)));
	vma_at(0x400000)->vm_file = make_file(0);
	assert_walk(in_code, 1, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
	put_call_before(CODE + 16);
	assert_walk(in_code, 2, USER_END_ZERO, STAT_USTACK_END_ZERO);
}

/* The vDSO has no file either. */
Test(oncpu, return_address_in_the_vdso_needs_a_call)
{
	set_frame_in_code();
	k.mm.context.vdso = (void *)0x400000;
	row_store();
	row_store_set_vdso(rows, NULL);
	assert_walk(in_code, 1, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
}

#define EXE	 0x10000000ULL /* where the code of the executable was */
#define CODE_OFF 0x3120	       /* in its file, number 4 */

/* Programs copy it to anonymous memory that is on huge pages: all of it, or what fills some. */
static void move_code(__u64 from)
{
	k.mm.start_code = EXE + (CODE_OFF & 0xfff);
	k.mm.end_code = EXE + 0x7ff8;
	k.mm.exe_file = make_file(4);
	add_vma(from, EXE + 0x8000, VM_EXEC, NULL);
	set_user_regs(&k.regs, EXE + 0x2010, at(0), 1);
	k.stack[0] = EXE + 0x3001;
}

static void tell_exe(void)
{
	const struct row_extent code = { 2, 9, CODE_OFF };
	struct unwind_file_key key = key_of(4);
	struct row_file *f;

	cr_assert(zero(int, row_store_add_file(row_store(), &code, &f)));
	cr_assert(zero(int, row_store_set_key(rows, &key, f)));
	put_page(f, 2, END); /* shows where it is taken for moved and was not */
	put_page(f, 5, BY_SP(1));
	put_page(f, 6, END);
}

static const __u64 in_moved[] = { (EXE + 0x2010) | FRAME_EXACT, EXE + 0x3001 };

Test(oncpu, moved_code)
{
	const __u64 from[] = { EXE, EXE + 0x1000, EXE + 0x2000 };

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		set_up();
		move_code(from[i]);
		tell_exe();
		assert_walk(in_moved, 2, USER_END_ENTRY, STAT_USTACK_ENTRY);
	}
}

static void assert_not_moved(void)
{
	k.mm.seq_6_13.sequence += 2;
	reset_counts();
	assert_walk(in_moved, 1, USER_END_NO_RULE, STAT_USTACK_NO_RULE);
}

Test(oncpu, anonymous_code_outside_of_the_executable_was_not_moved)
{
	move_code(EXE + 0x2000);
	tell_exe();
	k.mm.end_code = EXE + 0x2001;
	assert_walk(in_moved, 2, USER_END_ENTRY, STAT_USTACK_ENTRY);
	k.mm.end_code = EXE + 0x2000;
	assert_not_moved();
	k.mm.end_code = EXE + 0x8000;
	k.mm.start_code = EXE + 0x3000;
	assert_not_moved();
}

/* --- mappings that are kept ------------------------------------------------------------------- */

/* Where the first mapping of a library was there is another file now. */
static void exchange_files(void)
{
	struct row_file *c = tell_file(2, 0, 16);

	put_page(c, 1, END);
	vma_at(LIB_A)->vm_file = make_file(2);
}

static void assert_file_c(void)
{
	reset_counts();
	assert_walk(by_rows, 1, USER_END_ENTRY, STAT_USTACK_ENTRY);
}

Test(oncpu, changed_mappings_are_looked_up_anew)
{
	make_libraries();
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	exchange_files();
	k.mm.seq_6_13.sequence += 2;
	assert_file_c();
}

Test(oncpu, mappings_that_are_being_changed_are_not_kept)
{
	make_libraries();
	k.mm.seq_6_13.sequence = 1001;
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	exchange_files();
	assert_file_c();
}

/* From 6.1 to 6.3 nothing says whether they have changed. */
Test(oncpu, mappings_without_a_state_are_not_kept)
{
	make_libraries();
	kernel_fields = NULL;
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	exchange_files();
	assert_file_c();
}

Test(oncpu, mappings_of_another_address_space_are_not_used)
{
	make_libraries();
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	exchange_files();
	k.mm.context.ctx_id = k.mm.context.id.counter = 99; /* the same memory, used again */
	assert_file_c();
}

Test(oncpu, what_was_kept_of_a_file_is_void_when_its_entry_is_replaced)
{
	struct unwind_file_key key = key_of(0);
	struct row_file *f;

	make_libraries();
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	cr_assert(zero(int, row_store_add_file(rows, &(struct row_extent){ 0, 16, 0 }, &f)));
	put_page(f, 1, END);
	cr_assert(zero(int, row_store_set_key(rows, &key, f)));
	assert_file_c();
}

/* The test would fail without this: what is kept is used. */
Test(oncpu, unchanged_mappings_are_kept)
{
	make_libraries();
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
	k.n_vmas = 0;
	plant_tree();
	reset_counts();
	assert_walk(by_rows, 4, USER_END_ENTRY, STAT_USTACK_ENTRY);
}

/* More libraries in a stack than are kept. */
Test(oncpu, stack_through_many_libraries)
{
	enum { LIBS = 2 * SPACE_MAPPED };
	__u64 want[3 * LIBS];

	for (int i = 0; i < LIBS; i++) {
		struct row_file *f;

		add_vma(LIB_A + i * LIB_SIZE, LIB_A + (i + 1) * LIB_SIZE, VM_EXEC, make_file(i));
		f = tell_file(i, 0, 16);
		put_page(f, i, BY_SP(1));
		put_page(f, 15, END);
	}
	for (int i = 0; i < 3 * LIBS; i++) {
		int lib = i * 5 % LIBS;

		want[i] = LIB_A + lib * LIB_SIZE + lib * 4096 + 1 + i;
		k.stack[i - (i > 0)] = want[i];
	}
	want[3 * LIBS - 1] = k.stack[3 * LIBS - 2] = LIB_A + 15 * 4096 + 1;
	set_user_regs(&k.regs, want[0], at(0), 1);
	want[0] |= FRAME_EXACT;
	for (int again = 0; again < 3; again++) {
		k.stack[0] = want[1];
		reset_counts();
		assert_walk(want, 3 * LIBS, USER_END_ENTRY, STAT_USTACK_ENTRY);
	}
}

Test(oncpu, code_that_is_not_executable)
{
	make_libraries();
	vma_at(LIB_B)->vm_flags = 3;
	assert_walk(by_rows, 1, USER_END_BAD_RETURN, STAT_USTACK_BAD_RETURN);
}

/* --- what user space needs to go on ----------------------------------------------------------- */

static const struct sample_rest *rest_of(const struct sample_record *rec)
{
	const __u64 *frames = (const __u64 *)(rec + 1);
	__u32 n = rec->n_kernel + rec->n_user + (rec->labels_len + 7) / 8;
	const struct sample_rest *rest = (const void *)(frames + n);

	cr_assert(eq(uint, rec->user_end, USER_END_NOT_LOADED));
	cr_assert(eq(u64, sent_len, sizeof(*rec) + 8 * n + sizeof(*rest) + rest->stack_len));
	return rest;
}

/* The copy begins below the stack pointer, where code without calls keeps values. */
static void assert_copy(const struct sample_rest *rest, __u64 from, __u32 len)
{
	cr_assert(eq(u64, rest->stack_addr, from));
	cr_assert(eq(u32, rest->stack_len, len));
	cr_assert(zero(int, memcmp(rest + 1, (char *)k.stack + (from - STACK_BASE), len)));
}

static void fill_stack(void)
{
	for (int i = 0; i < STACK_WORDS; i++)
		k.stack[i] = 0x5a00000000ULL + i;
}

static void assert_backing(const struct sample_rest *rest, __u64 ino, __u32 dev)
{
	cr_assert(eq(u64, rest->backing.ino, ino));
	cr_assert(eq(u32, rest->backing.dev, dev));
	cr_assert(zero(u32, rest->backing.reserved));
}

Test(oncpu, file_that_user_space_has_not_heard_of)
{
	const struct unwind_file_key want = key_of(3);
	const struct sample_record *rec;
	const struct sample_rest *rest;

	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	set_user_regs(&k.regs, LIB_A + 1, at(1000), at(1010));
	rec = fire();
	rest = rest_of(rec);
	cr_assert(eq(uint, rec->n_user, 1));
	cr_assert(eq(u64, *(const __u64 *)(rec + 1), (LIB_A + 1) | FRAME_EXACT));
	cr_assert(zero(int, memcmp(&rest->key, &want, sizeof(want))));
	assert_backing(rest, 103, 7);
	cr_assert(eq(u64, rest->regs.pc, LIB_A + 1));
	cr_assert(eq(u64, rest->regs.reg[UNWIND_SP], at(1000)));
	cr_assert(eq(u64, rest->regs.reg[UNWIND_FP], at(1010)));
	cr_assert(eq(u32, rest->regs.known, UNWIND_KNOWN_ALL));
	cr_assert(rest->regs.is_exact);
	assert_copy(rest, at(1000) - 128, REST_STACK_MAX);
	cr_assert(eq(u64, counts[STAT_USTACK_NOT_LOADED], 1));

	/* It is looked for again each time. */
	put_page(tell_file(3, 0, 16), 0, END);
	assert_walk((__u64[]){ (LIB_A + 1) | FRAME_EXACT }, 1, USER_END_ENTRY, STAT_USTACK_ENTRY);
}

/* The registers are those of the frame that lacks its rule, not of the interrupt. */
Test(oncpu, rest_of_a_walk_that_had_begun)
{
	static const struct unwind_file_key none;
	const struct sample_record *rec;
	const struct sample_rest *rest;

	make_libraries();
	k.stack[5] = LIB_B + 0x5008; /* page 5 is not loaded */
	rec = fire();
	rest = rest_of(rec);
	cr_assert(eq(uint, rec->n_user, 3));
	cr_assert(eq(u64, rest->regs.pc, LIB_B + 0x5008));
	cr_assert(eq(u64, rest->regs.reg[UNWIND_SP], at(6)));
	cr_assert(not(rest->regs.is_exact));
	cr_assert(zero(int, memcmp(&rest->key, &none, sizeof(none))), "its file is known");
	assert_backing(rest, 0, 0);
}

/*
 * fork(2) marks each mapping as being changed, and changes none: user space knows them. The stack
 * is one of them, and copied all the same.
 */
Test(oncpu, mappings_that_fork_has_marked)
{
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq",
					     "struct vm_area_struct___6_4.vm_lock_seq", NULL };
	static const struct unwind_file_key none;
	const struct sample_record *rec;
	const struct sample_rest *rest;

	make_libraries();
	kernel_fields = v6_13;
	k.mm.seq_6_13.sequence = 7;
	for (int i = 0; i < k.n_vmas; i++)
		k.vma[i].seq_6_4 = 7;
	rec = fire();
	rest = rest_of(rec);
	cr_assert(eq(uint, rec->n_user, 1));
	cr_assert(zero(int, memcmp(&rest->key, &none, sizeof(none))));
	cr_assert(gt(u32, rest->stack_len, 0));
	/* As a mapping that is not executable it is none, whatever is done to it. */
	set_user_regs(&k.regs, STACK_BASE, at(0), 1);
	cr_assert(eq(uint, fire()->user_end, USER_END_NO_CODE));
}

/* A key belongs to the last frame, or it would bring rows under the name of another file. */
Test(oncpu, key_is_not_that_of_a_file_met_before)
{
	static const struct unwind_file_key none;

	make_libraries();
	k.stack[5] = LIB_A + 0x5008; /* back in the first file; its page 5 is not loaded */
	cr_assert(zero(int, memcmp(&rest_of(fire())->key, &none, sizeof(none))));
}

Test(oncpu, moved_code_of_which_user_space_has_not_heard)
{
	const struct unwind_file_key want = key_of(4);
	const struct sample_rest *rest;

	row_store();
	move_code(EXE);
	rest = rest_of(fire());
	cr_assert(zero(int, memcmp(&rest->key, &want, sizeof(want))));
	assert_backing(rest, 104, 7);
}

/* File 8 of another device, a layer's. It has been opened as file 3, if @mode says so. */
static struct file *make_layer_file(unsigned int mode)
{
	static struct super_block layer = { .s_dev = 9 };
	static struct dentry opened;
	struct file *f = make_file(8);

	make_file(3);
	k.inode[8].i_sb = &layer;
	opened.d_inode = &k.inode[3];
	f->user_6_7.dentry = &opened;
	f->f_mode = mode;
	return f;
}

#define BIT_24 (1u << 24)
#define BIT_25 (1u << 25)

Test(oncpu, file_on_overlayfs)
{
	static const char *const v6_10[] = { "struct backing_file___6_7.user_path",
					     "struct file_operations___6_10.fop_flags", NULL };
	static const char *const v6_7[] = { "struct backing_file___6_7.user_path", NULL };
	static const char *const v6_6[] = { NULL };
	const struct {
		const char *const *fields;
		unsigned int mode;
		int is_opened_one;
	} cases[] = {
		{ v6_10, BIT_24, 1 }, { v6_10, ~BIT_24, 0 }, { v6_7, BIT_25, 1 },
		{ v6_7, ~BIT_25, 0 }, { v6_6, ~0u, 0 },
	};

	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, NULL);
	set_user_regs(&k.regs, LIB_A + 1, at(1000), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct unwind_file_key opened = key_of(3);
		struct unwind_file_key want = key_of(8);
		const struct sample_rest *rest;

		want.dev = 9;
		if (cases[i].is_opened_one)
			want = opened;
		kernel_fields = cases[i].fields;
		vma_at(LIB_A)->vm_file = make_layer_file(cases[i].mode);
		rest = rest_of(fire());
		cr_assert(zero(int, memcmp(&rest->key, &want, sizeof(want))), "case %zu", i);
		assert_backing(rest, 108, 9);
	}
}

static const struct sample_rest *rest_at(__u64 sp)
{
	set_user_regs(&k.regs, LIB_A + 1, sp, 0);
	return rest_of(fire());
}

Test(oncpu, copy_of_the_stack)
{
	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	assert_copy(rest_at(STACK_BASE + 128), STACK_BASE, REST_STACK_MAX);
	/* Pages begin anywhere in it. */
	for (int i = 120; i < 700; i++)
		assert_copy(rest_at(at(i)), at(i) - 128, REST_STACK_MAX);
	/* A stack pointer in disorder. */
	assert_copy(rest_at(at(100) + 5), at(100) - 128, REST_STACK_MAX);
}

/* Samples come before copies of stacks. */
Test(oncpu, copy_is_left_out_when_the_ring_is_three_quarters_full)
{
	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	k.waiting = 3ULL * cfg_ring_wakeup - 1;
	assert_copy(rest_at(at(16)), STACK_BASE, REST_STACK_MAX);
	cr_assert(zero(u64, counts[STAT_REST_LEFT_OUT]));
	k.waiting++;
	cr_assert(zero(u32, rest_at(at(16))->stack_len));
	cr_assert(eq(u64, counts[STAT_REST_LEFT_OUT], 1));
}

Test(oncpu, copy_ends_with_what_is_in_memory)
{
	const __u64 end = at(STACK_WORDS);

	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	for (int i = 17; i < 1100; i++) {
		__u64 sp = at(STACK_WORDS - i);

		assert_copy(rest_at(sp), sp - 128, end - (sp - 128));
	}
	cr_assert(zero(u32, rest_at(end + 128)->stack_len));
	cr_assert(zero(u32, rest_at(0x1234)->stack_len), "no mapping there");
}

/*
 * The stack pointer has never been below this page, and there is no red zone to be copied; or it
 * is, and nothing below the frame was touched so far.
 */
Test(oncpu, copy_begins_with_an_absent_page)
{
	static const __u64 sps[] = { 0x1078, 0x1000, 0xff8, 0x200 };

	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	k.absent_end = 0x1000;
	for (size_t i = 0; i < sizeof(sps) / sizeof(sps[0]); i++) {
		const struct sample_rest *rest = rest_at(STACK_BASE + sps[i]);
		__u64 before = 0x1000 - (sps[i] - 128);

		cr_assert(eq(u64, rest->stack_addr, STACK_BASE + sps[i] - 128));
		cr_assert(eq(u32, rest->stack_len, REST_STACK_MAX));
		cr_assert(eq(u32, rest->absent, 1));
		cr_assert(zero(int, memcmp((const char *)(rest + 1) + before,
					   (char *)k.stack + 0x1000, REST_STACK_MAX - before)));
	}
	assert_copy(rest_at(STACK_BASE + 0x1080), STACK_BASE + 0x1000, REST_STACK_MAX);
	cr_assert(zero(u32, rest_at(STACK_BASE + 0x1080)->absent));
}

/* It has not grown down to the red zone, or to the stack pointer. */
Test(oncpu, copy_of_what_its_mapping_has)
{
	const __u64 sps[] = { STACK_BASE + 120,	 STACK_BASE + 64,	STACK_BASE,
			      STACK_BASE - 8,	 STACK_BASE - 4096,	STACK_BASE - 3 * 4096 - 8,
			      STACK_BASE - 3968, STACK_BASE - 15 * 4096 };

	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	for (size_t i = 0; i < sizeof(sps) / sizeof(sps[0]); i++) {
		const struct sample_rest *rest = rest_at(sps[i]);
		__u64 before = STACK_BASE - (sps[i] - 128);

		cr_assert(eq(u64, rest->stack_addr, STACK_BASE - before));
		cr_assert(eq(u32, rest->stack_len, REST_STACK_MAX));
		cr_assert(eq(u32, rest->absent, (1U << (before + 4095) / 4096) - 1));
		cr_assert(zero(int, memcmp((const char *)(rest + 1) + before, k.stack,
					   REST_STACK_MAX - before)));
	}
	cr_assert(zero(u32, rest_at(STACK_BASE - 16 * 4096)->stack_len));
}

/* A large array lies between two frames, of which the program has used little. */
Test(oncpu, copy_has_what_is_behind_absent_pages)
{
	const struct sample_rest *rest;
	const char *bytes;

	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	k.absent = 0x2000;
	k.absent_end = 0x4000;
	rest = rest_at(STACK_BASE + 0x200 + 128);
	bytes = (const char *)(rest + 1);
	cr_assert(eq(u64, rest->stack_addr, STACK_BASE + 0x200));
	cr_assert(eq(u32, rest->stack_len, REST_STACK_MAX));
	cr_assert(eq(u32, rest->absent, 1 << 2 | 1 << 3));
	cr_assert(zero(int, memcmp(bytes, (char *)k.stack + 0x200, 0x1e00)));
	cr_assert(zero(int,
		       memcmp(bytes + 0x3e00, (char *)k.stack + 0x4000, REST_STACK_MAX - 0x3e00)));
	/* The next one starts anew. */
	k.absent_end = k.absent;
	cr_assert(zero(u32, rest_at(STACK_BASE + 0x200 + 128)->absent));
	/* What is not there at the end is not sent. */
	k.absent = 0x3000;
	k.absent_end = sizeof(k.stack);
	assert_copy(rest_at(STACK_BASE + 128), STACK_BASE, 0x3000);
}

Test(oncpu, copy_ends_with_its_mapping)
{
	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	vma_at(STACK_BASE)->vm_end = STACK_BASE + 0x3000;
	plant_tree();
	assert_copy(rest_at(at(16)), STACK_BASE, 0x3000);
	assert_copy(rest_at(at(100)), at(84), 0x3000 - 84 * 8);
	assert_copy(rest_at(at(1535)), at(1535) - 128, 8 + 128);
}

Test(oncpu, deepest_stack_that_is_not_over)
{
	const struct sample_record *rec;

	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	make_full_sample();
	k.n_kernel = 1000;
	make_deep_chain(10);
	k.stack[10 + 2 * (USER_FRAMES_MAX - 2) + 1] = LIB_A + 1;
	rec = fire();
	cr_assert(eq(uint, rec->n_kernel + rec->n_user, KERNEL_FRAMES_MAX + USER_FRAMES_MAX));
	cr_assert(eq(u64, rest_of(rec)->regs.pc, LIB_A + 1));
	cr_assert(eq(u32, rest_of(rec)->stack_len, REST_STACK_MAX));
}

Test(oncpu, every_byte_of_the_rest_is_written)
{
	fill_stack();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	set_user_regs(&k.regs, LIB_A + 1, at(1000), at(1010));
	assert_every_byte_written();
	set_user_regs(&k.regs, LIB_A + 1, 0x1234, 0);
	assert_every_byte_written();
	make_libraries();
	k.stack[5] = LIB_B + 0x5008;
	assert_every_byte_written();
}

/* Not more often than the reader can load: every 5 ms. */
Test(oncpu, reader_is_woken_when_a_stack_waits_for_rows)
{
	struct arch_regs known = k.regs;

	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	rest_at(at(STACK_WORDS - 50)); /* a short copy: sizes are no cause here */
	cr_assert(eq(u64, sent_flags, BPF_RB_FORCE_WAKEUP));
	k.time_ns += 5000000;
	rest_at(at(STACK_WORDS - 50));
	cr_assert(eq(u64, sent_flags, BPF_RB_NO_WAKEUP));
	k.cpu = 2;
	rest_at(at(STACK_WORDS - 50));
	cr_assert(eq(u64, sent_flags, BPF_RB_FORCE_WAKEUP), "another CPU");
	k.cpu = CPU;
	k.time_ns++;
	k.regs = known;
	fire();
	cr_assert(eq(u64, sent_flags, BPF_RB_NO_WAKEUP), "nothing waits");
	rest_at(at(STACK_WORDS - 50));
	cr_assert(eq(u64, sent_flags, BPF_RB_FORCE_WAKEUP));
	rest_at(at(STACK_WORDS - 50));
	cr_assert(eq(u64, sent_flags, BPF_RB_NO_WAKEUP));
}

/* Whatever the reader was woken for, it has emptied the ring. */
Test(oncpu, bytes_are_counted_from_each_wake_up_on)
{
	struct arch_regs known = k.regs;

	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	fire();
	for (__u64 sum = sent_len; sum + 2 * sent_len < cfg_ring_wakeup; sum += sent_len)
		fire();
	rest_at(at(STACK_WORDS - 50));
	cr_assert(eq(u64, sent_flags, BPF_RB_FORCE_WAKEUP));
	k.regs = known;
	for (int i = 0; i < 10; i++) {
		fire();
		cr_assert(eq(u64, sent_flags, BPF_RB_NO_WAKEUP));
	}
}

/* --- trace context ---------------------------------------------------------------------------- */

static void publish(void)
{
	k.has_proc = 1;
	k.proc = (struct proc_info){
		.start_stack = START_STACK,
		.sources = { { .format = CTX_FORMAT_OTEL,
			       .var = { .model = TLS_MODEL_STATIC, .off = TP_OFF } } }
	};
	k.tls = RECORD;
	k.record =
		(struct thread_ctx){ .trace_id = { 1, 2, 3 }, .span_id = { 7, 8, 9 }, .valid = 1 };
}

static const enum stat_id context_counters[] = {
	STAT_CTX_NO_WRITER, STAT_CTX_STALE,	STAT_CTX_NO_TLS,  STAT_CTX_ABSENT,
	STAT_CTX_READ,	    STAT_CTX_NOT_VALID, STAT_CTX_INVALID, STAT_CTX_UNREADABLE,
};

/* Exactly one counter per sample, and ids only with STAT_CTX_READ. */
static void assert_context(enum stat_id want)
{
	static const __u8 none[TRACE_ID_LEN];
	const struct sample_record *rec;
	__u64 sum = 0;

	reset_counts();
	fill_scratch(0xa5);
	rec = fire();
	for (size_t i = 0; i < sizeof(context_counters) / sizeof(context_counters[0]); i++)
		sum += counts[context_counters[i]];
	cr_assert(eq(u64, counts[want], 1), "counter %d", want);
	cr_assert(eq(u64, sum, 1));
	cr_assert(eq(int, rec->ctx_format,
		     want == STAT_CTX_READ ? CTX_FORMAT_OTEL : CTX_FORMAT_NONE));
	cr_assert(thread_ctx_is_zero(rec->local_root_id, SPAN_ID_LEN));
	if (want != STAT_CTX_READ)
		cr_assert(zero(int, rec->labels_len));
	cr_assert(zero(int, memcmp(rec->trace_id, want == STAT_CTX_READ ? k.record.trace_id : none,
				   TRACE_ID_LEN)));
	cr_assert(zero(int, memcmp(rec->span_id, want == STAT_CTX_READ ? k.record.span_id : none,
				   SPAN_ID_LEN)));
}

Test(oncpu, context_is_read)
{
	publish();
	assert_context(STAT_CTX_READ);
	k.record.attrs_len = THREAD_CTX_ATTRS_MAX;
	assert_context(STAT_CTX_READ);
	k.ring_full = 0;
	set_kernel_regs(&k.regs);
	k.n_kernel = -14; /* context does not depend on stacks */
	assert_context(STAT_CTX_READ);
}

Test(oncpu, context_of_a_process_that_has_none)
{
	assert_context(STAT_CTX_NO_WRITER);
	publish();
	k.proc.sources[0].format = CTX_FORMAT_NONE;
	unwind_control.procs_generation++;
	assert_context(STAT_CTX_NO_WRITER);
	cr_assert(eq(int, k.proc_lookups, 2));
}

/* The map is not asked again until it has changed. */
Test(oncpu, what_a_process_publishes_is_remembered)
{
	assert_context(STAT_CTX_NO_WRITER);
	publish();
	assert_context(STAT_CTX_NO_WRITER);
	k.mm.seq_6_13.sequence += 2; /* mappings have nothing to do with it */
	assert_context(STAT_CTX_NO_WRITER);
	cr_assert(eq(int, k.proc_lookups, 1));
	unwind_control.procs_generation++;
	assert_context(STAT_CTX_READ);
	assert_context(STAT_CTX_READ);
	k.mm.seq_6_13.sequence += 2;
	assert_context(STAT_CTX_READ);
	cr_assert(eq(int, k.proc_lookups, 2));
	k.proc.sources[0].format = CTX_FORMAT_NONE;
	unwind_control.procs_generation++;
	assert_context(STAT_CTX_NO_WRITER);
	cr_assert(eq(int, k.proc_lookups, 3));
}

/* That it is not known yet is not. */
Test(oncpu, context_after_that_of_another_image)
{
	publish();
	k.mm.start_stack = START_STACK + 16;
	assert_context(STAT_CTX_STALE);
	assert_context(STAT_CTX_STALE);
	k.mm.start_stack = START_STACK;
	assert_context(STAT_CTX_READ);
}

Test(oncpu, address_space_that_is_used_again_may_have_a_context)
{
	assert_context(STAT_CTX_NO_WRITER);
	publish();
	k.mm.context.ctx_id = k.mm.context.id.counter = 99;
	assert_context(STAT_CTX_READ);
}

/* After vfork(2). */
Test(oncpu, process_that_shares_an_address_space_may_have_a_context)
{
	k.pid_tgid += 1ULL << 32;
	assert_context(STAT_CTX_NO_WRITER);
	publish();
	k.pid_tgid -= 1ULL << 32;
	assert_context(STAT_CTX_READ);
}

/* Where nothing says whether it still is the same address space, nothing is remembered. */
Test(oncpu, process_without_context_in_a_space_without_a_state)
{
	kernel_fields = NULL;
	assert_context(STAT_CTX_NO_WRITER);
	publish();
	assert_context(STAT_CTX_READ);
}

Test(oncpu, context_of_another_image_of_the_pid)
{
	publish();
	k.mm.start_stack = START_STACK + 16;
	assert_context(STAT_CTX_STALE);
	k.task.mm = NULL; /* exiting */
	assert_context(STAT_CTX_NO_WRITER);
}

Test(oncpu, context_of_a_thread_without_thread_pointer)
{
	publish();
	k.task.thread.fsbase = k.task.thread.uw.tp_value = 0;
	assert_context(STAT_CTX_NO_TLS);
	publish();
	k.proc.sources[0].var.model = 77; /* of a newer user space */
	assert_context(STAT_CTX_NO_TLS);
}

Test(oncpu, context_absent)
{
	publish();
	k.tls = 0;
	assert_context(STAT_CTX_ABSENT);
	publish();
	memset(k.record.trace_id, 0, TRACE_ID_LEN);
	memset(k.record.span_id, 0, SPAN_ID_LEN);
	assert_context(STAT_CTX_ABSENT);
}

Test(oncpu, context_not_valid)
{
	publish();
	k.record.valid = 0;
	assert_context(STAT_CTX_NOT_VALID);
}

Test(oncpu, context_invalid)
{
	publish();
	k.record.attrs_len = THREAD_CTX_ATTRS_MAX + 1;
	assert_context(STAT_CTX_INVALID);
	k.record.attrs_len = UINT16_MAX;
	assert_context(STAT_CTX_INVALID);
	publish();
	memset(k.record.trace_id, 0, TRACE_ID_LEN);
	assert_context(STAT_CTX_INVALID);
	publish();
	memset(k.record.span_id, 0, SPAN_ID_LEN);
	assert_context(STAT_CTX_INVALID);
	for (int v = 2; v < 256; v++) {
		publish();
		k.record.valid = v;
		assert_context(STAT_CTX_INVALID);
	}
}

Test(oncpu, context_unreadable)
{
	static const __u64 bad[] = { 1, RECORD + 1, RECORD - 1, UINT64_MAX, 0xffff888000000000ULL };

	publish();
	k.proc.sources[0].var.off = TP_OFF + 1; /* only a part of the pointer is mapped */
	assert_context(STAT_CTX_UNREADABLE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		publish();
		k.tls = bad[i];
		assert_context(STAT_CTX_UNREADABLE);
	}
}

/* A second variable of the process, which cannot be read. */
/* By the agent's filters; for the program that it was said of, and no other of the same pid. */
Test(oncpu, unwanted_processes)
{
	publish();
	k.proc.unwanted = 1;
	assert_filtered(1);
	assert_filtered(1);
	unwind_control.procs_generation++;
	k.proc.start_stack++;
	assert_filtered(0);
	unwind_control.procs_generation++;
	k.proc.start_stack--;
	assert_filtered(1);
	unwind_control.procs_generation++;
	k.proc.unwanted = 0;
	assert_filtered(0);
	unwind_control.procs_generation++;
	k.proc.unwanted = 1;
	assert_filtered(1);
	unwind_control.procs_generation++;
	k.has_proc = 0;
	assert_filtered(0);
}

Test(oncpu, focus_on_a_trace)
{
	__u32 extra;

	publish();
	cr_assert(eq(u32, sampled_ticks(1, &extra), 1));
	focus = (struct sample_focus){ .every = 2 };
	memcpy(focus.trace_id, k.record.trace_id, sizeof(focus.trace_id));
	cr_assert(eq(u32, sampled_ticks(4, &extra), 017));
	cr_assert(eq(u32, extra, 005));
	focus.trace_id[15] ^= 1;
	cr_assert(eq(u32, sampled_ticks(4, &extra), 012));
	cr_assert(zero(u32, extra));
	focus = (struct sample_focus){ 0 };
}

static void publish_elsewhere(enum ctx_format format)
{
	k.proc.sources[1] = (struct ctx_source){
		.format = format,
		.var = { .model = TLS_MODEL_STATIC, .off = (__s64)(RECORD - 40 - TP) },
	};
}

Test(oncpu, second_source_if_the_first_has_nothing)
{
	publish();
	k.proc.sources[1] = k.proc.sources[0];
	k.proc.sources[0].var.off = (__s64)(STACK_BASE - TP); /* a variable that is 0 */
	assert_context(STAT_CTX_READ);
}

Test(oncpu, first_source_counts)
{
	publish();
	publish_elsewhere(CTX_FORMAT_OTEL);
	assert_context(STAT_CTX_READ);
	k.record.attrs_len = UINT16_MAX; /* rubbish is not passed over */
	k.proc.sources[1] = k.proc.sources[0];
	assert_context(STAT_CTX_INVALID);
	publish();
	k.record.valid = 0; /* perhaps it is about to be valid: the others are asked, too */
	publish_elsewhere(CTX_FORMAT_OTEL);
	assert_context(STAT_CTX_UNREADABLE);
}

Test(oncpu, all_sources_have_nothing)
{
	publish();
	k.tls = 0;
	for (int i = 1; i < CTX_SOURCES_MAX; i++)
		k.proc.sources[i] = k.proc.sources[0];
	assert_context(STAT_CTX_ABSENT);
}

Test(oncpu, context_of_an_elastic_agent)
{
	struct elastic_ctx ec = { .minor_version = 1,
				  .valid = 1,
				  .trace_present = 1,
				  .trace_id = { 1, 2, 3 },
				  .span_id = { 7, 8, 9 },
				  .transaction_id = { 4, 4 } };
	const struct sample_record *rec;

	publish();
	k.proc.sources[0].format = CTX_FORMAT_ELASTIC;
	k.elastic = ec;
	k.record_at = 0;
	k.elastic_at = RECORD;
	rec = fire();
	cr_assert(eq(int, rec->ctx_format, CTX_FORMAT_ELASTIC));
	cr_assert(zero(int, memcmp(rec->trace_id, ec.trace_id, TRACE_ID_LEN)));
	cr_assert(zero(int, memcmp(rec->span_id, ec.span_id, SPAN_ID_LEN)));
	cr_assert(zero(int, memcmp(rec->local_root_id, ec.transaction_id, SPAN_ID_LEN)));
	k.elastic.trace_present = 0;
	rec = fire();
	cr_assert(thread_ctx_is_zero(rec->span_id, SPAN_ID_LEN));
	cr_assert(thread_ctx_is_zero(rec->span_id, SPAN_ID_LEN));
}

/* --- labels ----------------------------------------------------------------------------------- */

/* Behind the frames, @want of @len bytes. */
static void assert_labels(const struct sample_record *rec, const void *want, int len)
{
	const __u64 *frames = (const __u64 *)(rec + 1);

	cr_assert(eq(int, rec->labels_len, len));
	cr_assert(zero(int, memcmp(frames + rec->n_kernel + rec->n_user, want, len)));
	if (rec->user_end != USER_END_NOT_LOADED)
		cr_assert(eq(u64, sent_len,
			     sizeof(*rec) + 8 * (rec->n_kernel + rec->n_user) + (len + 7) / 8 * 8));
}

static const __u8 attributes[] = { 0, 3, 'a', 'b', 'c', 7, 0, 1, 1, 'x' };

static void publish_attributes(void)
{
	publish();
	memcpy(k.behind, attributes, sizeof(attributes));
	k.record.attrs_len = sizeof(attributes);
}

Test(oncpu, attributes_of_a_record)
{
	publish_attributes();
	assert_context(STAT_CTX_READ);
	assert_labels((const struct sample_record *)sent, attributes, sizeof(attributes));
	set_kernel_regs(&k.regs); /* frames of both kinds */
	k.n_kernel = 3;
	assert_context(STAT_CTX_READ);
	assert_labels((const struct sample_record *)sent, attributes, sizeof(attributes));
	k.record.attrs_len = THREAD_CTX_ATTRS_MAX;
	memset(k.behind, 0x5a, sizeof(k.behind));
	assert_context(STAT_CTX_READ);
	assert_labels((const struct sample_record *)sent, k.behind, sizeof(k.behind));
	cr_assert(zero(u64, counts[STAT_CTX_LABELS_CUT]));
}

/* No attributes are left over from the sample before. */
Test(oncpu, record_without_attributes)
{
	publish_attributes();
	assert_context(STAT_CTX_READ);
	k.record.attrs_len = 0;
	assert_context(STAT_CTX_READ);
	assert_labels((const struct sample_record *)sent, "", 0);
}

Test(oncpu, attributes_without_ids)
{
	const struct sample_record *rec;

	publish_attributes();
	memset(k.record.trace_id, 0, TRACE_ID_LEN);
	memset(k.record.span_id, 0, SPAN_ID_LEN);
	reset_counts();
	rec = fire();
	cr_assert(eq(u64, counts[STAT_CTX_READ], 1));
	cr_assert(zero(u64, counts[STAT_CTX_ABSENT]));
	cr_assert(thread_ctx_is_zero(rec->span_id, SPAN_ID_LEN));
	cr_assert(eq(int, rec->ctx_format, CTX_FORMAT_OTEL));
	assert_labels(rec, attributes, sizeof(attributes));
}

Test(oncpu, attributes_that_cannot_be_read)
{
	char *end = (char *)k.stack + sizeof(k.stack) - sizeof(k.record);

	publish();
	k.tls = STACK_BASE + (end - (char *)k.stack); /* at the end of what there is */
	k.record.attrs_len = 8;
	memcpy(end, &k.record, sizeof(k.record));
	assert_context(STAT_CTX_READ);
	cr_assert(eq(u64, counts[STAT_CTX_LABELS_CUT], 1));
}

/* What user space needs to go on comes behind the labels. */
Test(oncpu, labels_and_a_rest)
{
	const struct sample_record *rec = (const struct sample_record *)sent;

	publish_attributes();
	row_store();
	add_vma(LIB_A, LIB_A + LIB_SIZE, VM_EXEC, make_file(3));
	cr_assert(eq(u64, rest_at(at(1000))->regs.reg[UNWIND_SP], at(1000)));
	assert_labels(rec, attributes, sizeof(attributes));
}

Test(oncpu, custom_labels)
{
	/* In the memory of the record: a set, a label, its text. */
	__u64 words[] = { RECORD + 28, 1, 3, RECORD + 60, 2, RECORD + 63 };
	const struct sample_record *rec;

	publish();
	k.proc.sources[0].format = CTX_FORMAT_CUSTOM_LABELS;
	memcpy(&k.record, words, 16);
	memcpy(k.behind, words + 2, 32);
	memcpy(k.behind + 32, "keyok", 5);
	reset_counts();
	rec = fire();
	cr_assert(eq(u64, counts[STAT_CTX_READ], 1));
	cr_assert(thread_ctx_is_zero(rec->span_id, SPAN_ID_LEN));
	cr_assert(eq(int, rec->ctx_format, CTX_FORMAT_CUSTOM_LABELS));
	assert_labels(rec, "\3\2keyok", 7);
	k.tls = 0;
	rec = fire();
	cr_assert(eq(u64, counts[STAT_CTX_ABSENT], 1));
	assert_labels(rec, "", 0);
}

static void tell_variable(__u32 number, struct ctx_variable v)
{
	set_cfg(&cfg_variables[number], &v, sizeof(v));
}

static void publish_variable(int source, __u32 number)
{
	k.proc.sources[source] = (struct ctx_source){
		.format = CTX_FORMAT_VARIABLE,
		.number = number,
		.var = { .model = TLS_MODEL_STATIC, .off = TP_OFF },
	};
}

/* All that are there are read, whatever stands before them. */
Test(oncpu, variables_of_the_user_add_up)
{
	const struct sample_record *rec;
	__u8 want[64] = { 5, 8 };

	tell_variable(5, (struct ctx_variable){ .n_steps = 1, .len = 8, .off = { 0, 16 } });
	tell_variable(2, (struct ctx_variable){ .n_steps = 0, .len = 4 });
	publish();
	publish_variable(0, 5);
	publish_variable(1, 2);
	reset_counts();
	rec = fire();
	memcpy(want + 2, k.record.span_id, 8);
	memcpy(want + 10, "\2\4", 2);
	memcpy(want + 12, &k.tls, 4);
	cr_assert(eq(u64, counts[STAT_CTX_READ], 1));
	cr_assert(eq(int, rec->ctx_format, CTX_FORMAT_VARIABLE));
	assert_labels(rec, want, 16);

	k.tls = 0; /* the first one leads nowhere, the second is a number */
	reset_counts();
	rec = fire();
	cr_assert(eq(u64, counts[STAT_CTX_READ], 1));
	assert_labels(rec, "\2\4\0\0\0\0", 6);

	k.tls = 8; /* what one cannot read does not hide the other */
	reset_counts();
	rec = fire();
	assert_labels(rec, "\2\4\10\0\0\0", 6);
}

Test(oncpu, context_of_another_agent)
{
	bool yes = true;

	k.has_obi = 1;
	k.obi = (struct obi_context){ .trace_id = { 1, 2, 3 }, .span_id = { 7, 8, 9 } };
	assert_context(STAT_CTX_NO_WRITER); /* nobody has asked for it */
	set_cfg(&cfg_obi, &yes, sizeof(yes));
	cr_assert(eq(int, fire()->ctx_format, CTX_FORMAT_OBI));
	cr_assert(zero(int, memcmp(((struct sample_record *)sent)->span_id, k.obi.span_id, 8)));
	publish(); /* the process knows better */
	unwind_control.procs_generation++;
	k.obi.span_id[0] = 99;
	assert_context(STAT_CTX_READ);
	k.tls = 0;
	cr_assert(eq(int, fire()->ctx_format, CTX_FORMAT_OBI));
	k.obi.span_id[0] = k.obi.span_id[1] = k.obi.span_id[2] = 0;
	assert_context(STAT_CTX_ABSENT);
	k.record.valid = 3;
	k.tls = RECORD;
	assert_context(STAT_CTX_INVALID);
}

/* A goroutine's labels; how these are read has tests of its own (test_go_ctx.c). */
Test(oncpu, context_of_a_go_program)
{
	publish();
	k.proc.sources[0].format = CTX_FORMAT_GO;
	k.proc.sources[0].go = (struct go_var){ .g_off = TP_OFF, .form = GO_LABELS_SLICE };
	k.tls = 0;
	assert_context(STAT_CTX_ABSENT); /* a thread of C */
	k.tls = RECORD + 4096;
	assert_context(STAT_CTX_UNREADABLE);
	k.proc.sources[0].go.g_off = TP_OFF + 1;
	assert_context(STAT_CTX_UNREADABLE);
}
