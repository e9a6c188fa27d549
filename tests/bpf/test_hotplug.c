/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs that go away and come back while the collector runs: a program of its own, as it disturbs
 * others. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "leak_check.h"
#include "sink.h"

static int set_online(int cpu, bool online)
{
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, online ? "1" : "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return r;
}

/* One test at a time, and the CPU is back at its end, however that came. */
static int lock_fd = -1;

static void take_turn(void)
{
	if (access("/sys/devices/system/cpu/cpu1/online", W_OK) < 0)
		cr_skip_test("this machine has no CPU 1 that can be taken away");
	lock_fd = open("/sys/devices/system/cpu/cpu1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(ge(int, lock_fd, 0));
	cr_assert(zero(int, flock(lock_fd, LOCK_EX)));
}

static void online_again(void)
{
	set_online(1, true);
	close(lock_fd);
	leak_check();
}

TestSuite(hotplug, .init = take_turn, .fini = online_again);

static void spin_on_cpu1(void)
{
	spin_on_cpu(1);
	spin_ms(SPIN_MS);
}

static void poll_for(struct sink *s, unsigned ms)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000L;
	do {
		cr_assert(zero(int, collector_poll(s->c)));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

/* Takes CPU 1 away for @ms; its samples, and its news of processes, must come again. */
static void take_cpu_away(unsigned ms)
{
	struct worker w;
	size_t n;
	struct sink s;
	char life[16];

	sink_open(&s, whole_system());
	cr_assert(zero(int, collector_start(s.c)));
	cr_assert(zero(int, set_online(1, false)));
	if (ms)
		poll_for(&s, ms);
	cr_assert(zero(int, set_online(1, true)));
	poll_for(&s, 2500);

	w = worker_start(spin_on_cpu1);
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);
	n = count_samples(&s, w.pid);
	cr_assert(n > TICKS - TICKS_OK && n < TICKS + TICKS_OK, "%zu of %d", n, TICKS);
	life_of(&s, w.pid, life, sizeof(life));
	cr_assert(eq(str, life, "FX"));
	cr_assert(ge(u64, s.counters[STAT_EVENT_LOST], 1), "what happened meanwhile is unknown");
	sink_clear(&s);
}

Test(hotplug, cpu_that_comes_back)
{
	take_cpu_away(1500);
}

/* Between two looks at the list of CPUs, which is the same before and after. */
Test(hotplug, cpu_that_comes_back_at_once)
{
	take_cpu_away(0);
}
