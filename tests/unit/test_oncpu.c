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

#include "leak_check.h"

#define PID	    4711
#define TID	    4712
#define USER_CS	    0x33
#define KERNEL_CS   0x10
#define STACK_BASE  0x7ffc00000000ULL
#define STACK_WORDS 4096
#define CODE	    0x401000ULL
#define TP	    0x7f5500001000ULL
#define TP_OFF	    (-64)
#define RECORD	    0x7f5500002000ULL
#define START_STACK 0x7ffc00001230ULL

/* What the program sees, and what it did. */
static struct {
	struct arch_regs regs;	 /* of the interrupt */
	struct arch_regs *entry; /* of the system call below */
	struct task_struct task;
	struct mm_struct mm;
	__u64 pid_tgid;
	int comm_fails, target, under_cgroup, ring_full;
	long n_kernel; /* or negative: bpf_get_stack fails */
	__u64 waiting; /* bytes in the ring */
	struct proc_info proc;
	int has_proc;
	__u64 stack[STACK_WORDS];
	__u64 tls;
	struct thread_ctx record;
	__u64 record_at;
} k;

static struct scratch scratch;
static __u64 counts[STAT_KERNEL_COUNT];
static __u8 sent[sizeof(struct scratch)];
static __u64 sent_len, sent_flags;
static int n_sent;
int bpfhost_enum_value_exists = 1;

static int ring_object;

void *bpf_map_lookup_elem(const void *map, const void *key)
{
	__u32 k32 = *(const __u32 *)key;

	if (map == &stats)
		return k32 < STAT_KERNEL_COUNT ? &counts[k32] : NULL;
	if (map == &scratches)
		return &scratch;
	if (map == &procs)
		return k.has_proc && k32 == PID ? &k.proc : NULL;
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
	};

	for (int i = 0; i < 3; i++)
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
	if (!addr)
		return -14;
	memcpy(dst, addr, size);
	return 0;
}

__u64 bpf_ktime_get_ns(void)
{
	return 123456789;
}

__u64 bpf_get_current_pid_tgid(void)
{
	return k.pid_tgid;
}

__u32 bpf_get_smp_processor_id(void)
{
	return 5;
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

__u64 bpf_ringbuf_query(void *ring, __u64 flags)
{
	return k.waiting;
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

static void set_up(void)
{
	memset(&k, 0, sizeof(k));
	memset(counts, 0, sizeof(counts));
	memset(&scratch, 0xa5, sizeof(scratch));
	n_sent = 0;
	k.pid_tgid = (__u64)PID << 32 | TID;
	k.task.mm = &k.mm;
	k.task.thread.fsbase = TP;
	k.task.thread.uw.tp_value = TP;
	k.mm.start_stack = START_STACK;
	k.record_at = RECORD;
	set_user_regs(&k.regs, CODE, at(0), 0);
}

TestSuite(oncpu, .init = set_up, .fini = leak_check);

static const struct sample_record *fire(void)
{
	n_sent = 0;
	cr_assert(zero(int, oncpu_sample((struct bpf_perf_event_data *)&k.regs)));
	cr_assert(eq(int, n_sent, !k.ring_full));
	return (const struct sample_record *)sent;
}

static const __u64 *ips_of(const struct sample_record *rec)
{
	cr_assert(eq(u64, sent_len, sizeof(*rec) + 8 * (rec->n_kernel + rec->n_user)));
	return (const __u64 *)(rec + 1);
}

/* --- record ----------------------------------------------------------------------------------- */

Test(oncpu, who_when_where)
{
	const struct sample_record *rec = fire();

	cr_assert(eq(u64, rec->time_ns, 123456789));
	cr_assert(eq(uint, rec->tgid, PID));
	cr_assert(eq(uint, rec->tid, TID));
	cr_assert(eq(uint, rec->cpu, 5));
	cr_assert(eq(str, (char *)rec->comm, "worker"));
	cr_assert(zero(uint, rec->flags));
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], 1));
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

	memset(&scratch, 0xa5, sizeof(scratch));
	fire();
	len = sent_len;
	memcpy(first, sent, sizeof(first));
	memset(&scratch, 0x5a, sizeof(scratch));
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

static void assert_filtered(int yes)
{
	memset(counts, 0, sizeof(counts));
	n_sent = 0;
	oncpu_sample((struct bpf_perf_event_data *)&k.regs);
	cr_assert(eq(int, n_sent, !yes));
	cr_assert(eq(u64, counts[STAT_SAMPLE_FILTERED], yes));
	cr_assert(eq(u64, counts[STAT_SAMPLE_TAKEN], !yes));
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

Test(oncpu, reader_is_woken_only_when_it_is_worth_it)
{
	k.waiting = cfg_ring_wakeup - 1;
	fire();
	cr_assert(eq(u64, sent_flags, BPF_RB_NO_WAKEUP));
	k.waiting = cfg_ring_wakeup;
	fire();
	cr_assert(eq(u64, sent_flags, BPF_RB_FORCE_WAKEUP));
}

/* --- kernel stack ----------------------------------------------------------------------------- */

Test(oncpu, kernel_stack_then_user_stack)
{
	const struct sample_record *rec;
	const __u64 *ips;

	make_full_sample();
	rec = fire();
	ips = ips_of(rec);
	cr_assert(eq(uint, rec->n_kernel, 3));
	cr_assert(eq(uint, rec->n_user, 3));
	for (int i = 0; i < 3; i++) {
		cr_assert(eq(u64, ips[i], KERNEL_IP(i)));
		cr_assert(eq(u64, ips[3 + i], CODE + i));
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
	cr_assert(eq(u64, ips_of(rec)[3], CODE));
}

Test(oncpu, failed_kernel_stack_is_counted_and_sample_still_sent)
{
	const struct sample_record *rec;

	make_full_sample();
	k.n_kernel = -14;
	rec = fire();
	cr_assert(zero(uint, rec->n_kernel));
	cr_assert(eq(uint, rec->n_user, 3));
	cr_assert(eq(u64, ips_of(rec)[0], CODE));
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
	cr_assert(eq(u64, ips_of(rec)[KERNEL_FRAMES_MAX], CODE));
	cr_assert(eq(u64, counts[STAT_KSTACK_TRUNCATED], 1));
}

Test(oncpu, kernel_thread_has_no_user_stack)
{
	const struct sample_record *rec;

	set_kernel_regs(&k.regs);
	k.n_kernel = 2;
	k.task.flags = PF_KTHREAD;
	rec = fire();
	cr_assert(eq(uint, rec->flags, SAMPLE_KERNEL_THREAD));
	cr_assert(eq(uint, rec->n_kernel, 2));
	cr_assert(zero(uint, rec->n_user));
	cr_assert(eq(uint, rec->user_end, USER_END_NONE));
}

/* --- user stack ------------------------------------------------------------------------------- */

static void assert_walk(const __u64 *want, int n, enum user_end end, enum stat_id counter)
{
	const struct sample_record *rec = fire();
	const __u64 *ips = ips_of(rec);

	cr_assert(eq(uint, rec->n_user, n));
	cr_assert(eq(uint, rec->user_end, end));
	cr_assert(eq(u64, counts[counter], 1));
	for (int i = 0; i < n; i++)
		cr_assert(eq(u64, ips[rec->n_kernel + i], want[i]), "frame %d", i);
}

static const __u64 walk[] = { CODE, CODE + 1, CODE + 2 };

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
		assert_walk(walk, 3, USER_END_NOT_RISING, STAT_USTACK_NOT_RISING);
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
		assert_walk(walk, 1, USER_END_NOT_RISING, STAT_USTACK_NOT_RISING);
	}
}

Test(oncpu, chain_that_leads_out_of_memory)
{
	const __u64 bad[] = { at(STACK_WORDS), at(STACK_WORDS - 1), (1ULL << 56) - 16 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(bad[i]);
		assert_walk(walk, 3, USER_END_UNREADABLE, STAT_USTACK_UNREADABLE);
	}
}

Test(oncpu, return_address_that_is_none)
{
	const __u64 bad[] = { 0, 1, 4095, 1ULL << 56, 0xffffffff81000000ULL, UINT64_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		set_chain(at(10));
		set_frame(10, 0, bad[i]);
		assert_walk(walk, 3, USER_END_BAD_RETURN, STAT_USTACK_BAD_RETURN);
	}
}

Test(oncpu, stack_that_is_deeper_than_the_limit)
{
	__u64 want[USER_FRAMES_MAX] = { CODE };

	set_user_regs(&k.regs, CODE, at(0), at(0));
	for (int i = 0; i < 1000; i++) {
		set_frame(4 * i, at(4 * i + 4), CODE + i + 1);
		if (i + 1 < USER_FRAMES_MAX)
			want[i + 1] = CODE + i + 1;
	}
	assert_walk(want, USER_FRAMES_MAX, USER_END_DEPTH, STAT_USTACK_DEPTH);
}

Test(oncpu, deepest_kernel_and_user_stack_fit)
{
	const struct sample_record *rec;

	make_full_sample();
	k.n_kernel = 1000;
	for (int i = 0; i < 1000; i++)
		set_frame(10 + 4 * i, at(10 + 4 * i + 4), CODE + i + 1);
	rec = fire();
	cr_assert(eq(uint, rec->n_kernel + rec->n_user, KERNEL_FRAMES_MAX + USER_FRAMES_MAX));
	cr_assert(eq(u64, ips_of(rec)[KERNEL_FRAMES_MAX + USER_FRAMES_MAX - 1],
		     CODE + USER_FRAMES_MAX - 1));
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

/* --- trace context ---------------------------------------------------------------------------- */

static void publish(void)
{
	k.has_proc = 1;
	k.proc =
		(struct proc_info){ .start_stack = START_STACK,
				    .thread_ctx = { .model = TLS_MODEL_STATIC, .tp_off = TP_OFF } };
	k.tls = RECORD;
	k.record =
		(struct thread_ctx){ .trace_id = { 1, 2, 3 }, .span_id = { 7, 8, 9 }, .valid = 1 };
}

static const enum stat_id context_counters[] = {
	STAT_CTX_NO_WRITER, STAT_CTX_STALE, STAT_CTX_NO_TLS,  STAT_CTX_ABSENT,
	STAT_CTX_READ,	    STAT_CTX_TORN,  STAT_CTX_INVALID, STAT_CTX_UNREADABLE,
};

/* Exactly one counter per sample, and ids only with STAT_CTX_READ. */
static void assert_context(enum stat_id want)
{
	static const __u8 none[TRACE_ID_LEN];
	const struct sample_record *rec;
	__u64 sum = 0;

	memset(counts, 0, sizeof(counts));
	memset(&scratch, 0xa5, sizeof(scratch));
	rec = fire();
	for (size_t i = 0; i < sizeof(context_counters) / sizeof(context_counters[0]); i++)
		sum += counts[context_counters[i]];
	cr_assert(eq(u64, counts[want], 1), "counter %d", want);
	cr_assert(eq(u64, sum, 1));
	cr_assert(eq(int, !!(rec->flags & SAMPLE_HAS_CONTEXT), want == STAT_CTX_READ));
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
	k.proc.thread_ctx.model = TLS_MODEL_NONE;
	assert_context(STAT_CTX_NO_WRITER);
}

Test(oncpu, context_of_another_image_of_the_pid)
{
	publish();
	k.mm.start_stack = START_STACK + 16;
	assert_context(STAT_CTX_STALE);
	k.task.mm = NULL; /* exiting */
	assert_context(STAT_CTX_STALE);
}

Test(oncpu, context_of_a_thread_without_thread_pointer)
{
	publish();
	k.task.thread.fsbase = k.task.thread.uw.tp_value = 0;
	assert_context(STAT_CTX_NO_TLS);
	publish();
	k.proc.thread_ctx.model = 77; /* of a newer user space */
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

Test(oncpu, context_torn)
{
	publish();
	k.record.valid = 0;
	assert_context(STAT_CTX_TORN);
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
	k.proc.thread_ctx.tp_off = TP_OFF + 1; /* only a part of the pointer is mapped */
	assert_context(STAT_CTX_UNREADABLE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		publish();
		k.tls = bad[i];
		assert_context(STAT_CTX_UNREADABLE);
	}
}
