/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of the kernel, filled by processes that this test makes. */
#include "collect/perf_ring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collect/proc_event.h"
#include "leak_check.h"

TestSuite(perf_ring, .fini = leak_check);

#define RING_SIZE 32768
#define CHILDREN  800

static struct {
	pid_t pids[CHILDREN];
	size_t n;     /* children made */
	size_t named; /* of which the name was seen, in order */
	size_t records, bytes;
	uint64_t last_ns, lost;
} seen;

/* Names tell the children: the records of one round come in order. */
static void note(void *ctx, const void *record, size_t len)
{
	struct proc_event ev;

	cr_assert(zero(uint, (uintptr_t)record % 8));
	cr_assert(zero(int, proc_event_decode(record, len, &ev)));
	cr_assert(ge(u64, ev.time_ns, seen.last_ns));
	seen.last_ns = ev.time_ns;
	seen.records++;
	seen.bytes += len;
	if (ev.kind == PROC_EVENT_LOST)
		seen.lost += ev.lost;
	if (ev.kind == PROC_EVENT_COMM && seen.named < seen.n && ev.pid == seen.pids[seen.named]) {
		char want[16];

		snprintf(want, sizeof(want), "child-%zu", seen.named++);
		cr_assert(eq(str, (char *)ev.comm, want));
	}
}

static void stay_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	cr_assert(zero(int, sched_setaffinity(0, sizeof(set), &set)));
}

static void make_child(void)
{
	char name[16];
	pid_t pid;

	snprintf(name, sizeof(name), "child-%zu", seen.n);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		_exit(0);
	}
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	seen.pids[seen.n++] = pid;
}

Test(perf_ring, wraps_around_many_times_and_loses_nothing)
{
	struct perf_ring ring;

	stay_on_cpu(0);
	cr_assert(zero(int, perf_ring_open(0, RING_SIZE, &ring)));
	while (seen.n < CHILDREN) {
		make_child();
		/* Others use this CPU too, and fill the ring with their own. */
		if (seen.n % 4 == 0)
			cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	}
	cr_assert(zero(u64, seen.lost));
	cr_assert(eq(sz, seen.named, seen.n));
	cr_assert(gt(sz, seen.bytes, 2 * RING_SIZE));
	cr_assert(gt(sz, ring.whole.cap, 0), "no record has wrapped");
	perf_ring_close(&ring);
	perf_ring_close(&ring);
}

Test(perf_ring, full_ring_says_how_much_was_lost)
{
	struct perf_ring ring;

	stay_on_cpu(0);
	cr_assert(zero(int, perf_ring_open(0, 4096, &ring)));
	for (int i = 0; i < 100; i++)
		make_child();
	cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	make_child(); /* the kernel tells with the next record that fits */
	cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	cr_assert(gt(u64, seen.lost, 100));
	cr_assert(lt(sz, seen.named, 100));
	perf_ring_close(&ring);
}

Test(perf_ring, empty_ring)
{
	struct perf_ring ring;

	cr_assert(zero(int, perf_ring_open(0, 4096, &ring)));
	cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	perf_ring_close(&ring);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

Test(perf_ring, stamps_are_of_the_monotonic_clock)
{
	uint64_t before = now_ns();
	struct perf_ring ring;

	stay_on_cpu(0);
	cr_assert(zero(int, perf_ring_open(0, RING_SIZE, &ring)));
	make_child();
	cr_assert(zero(int, perf_ring_drain(&ring, note, NULL)));
	cr_assert(gt(u64, seen.last_ns, before));
	cr_assert(le(u64, seen.last_ns, now_ns()));
	perf_ring_close(&ring);
}

Test(perf_ring, time_goes_on_while_it_is_on)
{
	struct perf_ring ring;
	uint64_t first;

	cr_assert(zero(int, perf_ring_open(0, 4096, &ring)));
	usleep(1000);
	first = perf_ring_enabled_ns(&ring);
	cr_assert(ge(u64, first, 1000000));
	usleep(1000);
	cr_assert(ge(u64, perf_ring_enabled_ns(&ring), first + 1000000));
	perf_ring_close(&ring);
}

Test(perf_ring, header_that_cannot_be_is_passed_over)
{
	uint64_t memory[512 * 2] __attribute__((aligned(4096))) = { 0 };
	struct perf_ring ring = { .fd = -1, .page = (void *)memory, .data_size = 4096 };
	struct perf_event_header *header = (void *)(memory + 512);
	static const uint16_t bad[] = { 0, 7, 1000 };

	ring.page->data_offset = 4096;
	for (int i = 0; i < 3; i++) {
		ring.page->data_tail = 0;
		ring.page->data_head = 64;
		header->size = bad[i];
		cr_assert(eq(int, perf_ring_drain(&ring, note, NULL), -EBADMSG));
		cr_assert(eq(u64, ring.page->data_tail, 64));
		cr_assert(zero(sz, seen.records));
	}
}

Test(perf_ring, cpu_that_there_is_not)
{
	struct perf_ring ring = { .fd = -1 };

	cr_assert(lt(int, perf_ring_open(1 << 20, 4096, &ring), 0));
	cr_assert(eq(int, ring.fd, -1));
	cr_assert(zero(ptr, ring.page));
}
