/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/proc_event.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "leak_check.h"

/* A record put together field by field, as perf_event_open(2) documents them. */
static struct {
	uint64_t words[64];
	size_t len;
} rec;

static void put(const void *bytes, size_t len)
{
	memcpy((char *)rec.words + rec.len, bytes, len);
	rec.len += len;
}

static void put_u32(uint32_t v)
{
	put(&v, sizeof(v));
}

static void put_u64(uint64_t v)
{
	put(&v, sizeof(v));
}

/* As the kernel pads them: with NULs, to 8 bytes. */
static void put_string(const char *str)
{
	static const char zeros[8];

	put(str, strlen(str) + 1);
	put(zeros, -rec.len % 8);
}

static void begin(uint32_t type, uint16_t misc)
{
	struct perf_event_header header = { .type = type, .misc = misc };

	memset(&rec, 0, sizeof(rec));
	put(&header, sizeof(header));
}

static void end(void)
{
	put_u64(987654321);
	((struct perf_event_header *)rec.words)->size = rec.len;
}

static struct proc_event decode(void)
{
	struct proc_event ev;

	cr_assert(zero(int, proc_event_decode(rec.words, rec.len, &ev)));
	cr_assert(eq(u64, ev.time_ns, 987654321));
	return ev;
}

static void assert_malformed(void)
{
	struct proc_event ev = { .pid = 77 };

	cr_assert(eq(int, proc_event_decode(rec.words, rec.len, &ev), -EBADMSG));
	cr_assert(eq(int, ev.pid, 77));
}

TestSuite(proc_event, .fini = leak_check);

static void task(uint32_t type, uint32_t pid, uint32_t ppid, uint32_t tid)
{
	begin(type, 0);
	put_u32(pid);
	put_u32(ppid);
	put_u32(tid);
	put_u32(ppid);
	put_u64(1); /* the record's own time, of another clock */
	end();
}

Test(proc_event, fork_of_a_process_and_of_a_thread)
{
	struct proc_event ev;

	task(PERF_RECORD_FORK, 11, 10, 11);
	ev = decode();
	cr_assert(eq(int, ev.kind, PROC_EVENT_FORK));
	cr_assert(eq(int, ev.pid, 11));
	cr_assert(eq(int, ev.parent, 10));
	task(PERF_RECORD_FORK, 10, 10, 12);
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
}

Test(proc_event, exit_of_a_process_and_of_a_thread)
{
	task(PERF_RECORD_EXIT, 11, 10, 11);
	cr_assert(eq(int, decode().kind, PROC_EVENT_EXIT));
	cr_assert(eq(int, decode().pid, 11));
	task(PERF_RECORD_EXIT, 11, 10, 12);
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
}

static void comm(uint16_t misc, uint32_t pid, uint32_t tid, const char *name)
{
	begin(PERF_RECORD_COMM, misc);
	put_u32(pid);
	put_u32(tid);
	put_string(name);
	end();
}

/* The kernel has no pid for it in our namespace. */
Test(proc_event, processes_outside_our_pid_namespace)
{
	task(PERF_RECORD_EXIT, 0, 0, 0);
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
	comm(PERF_RECORD_MISC_COMM_EXEC, 0, 0, "sh");
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
	comm(PERF_RECORD_MISC_COMM_EXEC, -1, -1, "sh");
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
	task(PERF_RECORD_FORK, 11, 0, 11); /* it has come in */
	cr_assert(eq(int, decode().kind, PROC_EVENT_FORK));
}

Test(proc_event, exec_and_names)
{
	comm(PERF_RECORD_MISC_COMM_EXEC, 10, 10, "sh");
	cr_assert(eq(int, decode().kind, PROC_EVENT_EXEC));
	cr_assert(eq(str, (char *)decode().comm, "sh"));
	cr_assert(eq(int, decode().pid, 10));
	comm(0, 10, 10, "a name of 15 b.");
	cr_assert(eq(int, decode().kind, PROC_EVENT_COMM));
	cr_assert(eq(str, (char *)decode().comm, "a name of 15 b."));
	comm(0, 10, 11, "thread");
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
	comm(0, 10, 10, "");
	cr_assert(eq(str, (char *)decode().comm, ""));
}

static void mmap2(uint64_t addr, uint64_t len, const char *path)
{
	begin(PERF_RECORD_MMAP2, 0);
	put_u32(10);
	put_u32(12);
	put_u64(addr);
	put_u64(len);
	put_u64(0x3000);
	put_u32(0xfd);
	put_u32(7);
	put_u64(123456789012);
	put_u64(0);
	put_u32(5);
	put_u32(2);
	put_string(path);
	end();
}

Test(proc_event, mapping)
{
	struct proc_event ev;

	mmap2(0x7f0000001000, 0x2000, "/usr/lib/a b (deleted)");
	ev = decode();
	cr_assert(eq(int, ev.kind, PROC_EVENT_MMAP));
	cr_assert(eq(int, ev.pid, 10));
	cr_assert(eq(u64, ev.map.start, 0x7f0000001000));
	cr_assert(eq(u64, ev.map.end, 0x7f0000003000));
	cr_assert(eq(u64, ev.map.offset, 0x3000));
	cr_assert(eq(str, (char *)ev.map.file.path, "/usr/lib/a b (deleted)"));
	cr_assert(eq(ulong, ev.map.file.dev, makedev(0xfd, 7)));
	cr_assert(eq(ulong, ev.map.file.ino, 123456789012));
}

Test(proc_event, mapping_that_wraps_around)
{
	mmap2(UINT64_MAX - 0xfff, 0x1001, "/x");
	assert_malformed();
	mmap2(UINT64_MAX - 0xfff, 0xfff, "/x");
	cr_assert(eq(int, decode().kind, PROC_EVENT_MMAP));
}

Test(proc_event, lost_and_throttled)
{
	begin(PERF_RECORD_LOST, 0);
	put_u64(1);
	put_u64(4242);
	end();
	cr_assert(eq(int, decode().kind, PROC_EVENT_LOST));
	cr_assert(eq(u64, decode().lost, 4242));
	begin(PERF_RECORD_THROTTLE, 0);
	put_u64(1);
	put_u64(2);
	put_u64(3);
	end();
	cr_assert(eq(int, decode().kind, PROC_EVENT_THROTTLED));
}

Test(proc_event, what_a_newer_kernel_may_write)
{
	begin(999, 0xffff);
	put_u64(1);
	end();
	cr_assert(eq(int, decode().kind, PROC_EVENT_OTHER));
}

/* Every record, cut at every length, with its header telling either. */
Test(proc_event, cut_records)
{
	for (int kind = 0; kind < 4; kind++)
		for (size_t len = 0;; len++) {
			struct proc_event ev;
			uint64_t copy[64];

			task(PERF_RECORD_FORK, 11, 10, 11);
			if (kind == 1)
				comm(0, 10, 10, "0123456");
			else if (kind == 2)
				mmap2(0x1000, 0x1000, "/0123456");
			else if (kind == 3)
				task(PERF_RECORD_EXIT, 11, 10, 11);
			if (len >= rec.len)
				break;
			rec.len = len;
			if (len >= sizeof(struct perf_event_header))
				assert_malformed();
			/* Ends exactly where its header says: what is left must not be enough. */
			((struct perf_event_header *)rec.words)->size = len;
			memcpy(copy, rec.words, sizeof(copy));
			if (proc_event_decode(copy, len, &ev) == 0)
				cr_assert(eq(int, ev.kind, PROC_EVENT_OTHER), "%d %zu", kind, len);
		}
}

/* The name reaches to the time stamp with no NUL between. */
Test(proc_event, names_that_do_not_end)
{
	begin(PERF_RECORD_COMM, 0);
	put_u32(1);
	put_u32(1);
	put("01234567", 8);
	end();
	assert_malformed();
	mmap2(0x1000, 0x1000, "/012345");
	memset((char *)rec.words + rec.len - 16, 'x', 8);
	assert_malformed();
}

Test(proc_event, header_that_lies)
{
	task(PERF_RECORD_FORK, 11, 10, 11);
	((struct perf_event_header *)rec.words)->size += 8;
	assert_malformed();
	((struct perf_event_header *)rec.words)->size -= 16;
	assert_malformed();
	rec.len = 0;
	assert_malformed();
}
