/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sampling_event.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/perf_ring.h"

#define CALIBRATION_NS (10 * NSEC_PER_MSEC)

static struct perf_event_attr cycles_attr(void)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.disabled = 1,
		.exclude_guest = 1,
	};
}

/* Cycles that this thread takes for @ns of its CPU time, or more: *ret_ns is how much it was. */
static int count_cycles(int fd, uint64_t ns, uint64_t *ret_cycles, uint64_t *ret_ns)
{
	uint64_t start, now;

	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	start = thread_cpu_ns();
	do
		now = thread_cpu_ns();
	while (now - start < ns);
	if (read(fd, ret_cycles, sizeof(*ret_cycles)) != sizeof(*ret_cycles))
		return -EIO;
	*ret_ns = now - start;
	return 0;
}

static int cycles_per_second(uint64_t *ret)
{
	struct perf_event_attr attr = cycles_attr();
	CLEANUP(closep) int fd = -1;
	uint64_t cycles = 0, ns = 0;
	int r;

	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = count_cycles(fd, CALIBRATION_NS, &cycles, &ns);
	if (r < 0)
		return r;
	/* A counter that another program holds counts nothing. */
	if (!cycles)
		return -EBUSY;
	*ret = (double)cycles / ns * NSEC_PER_SEC;
	return 0;
}

static int choose_cycles(unsigned frequency, struct sampling_event *ret)
{
	uint64_t a_second = 0;
	int r = cycles_per_second(&a_second);

	if (r < 0)
		return r;
	*ret = (struct sampling_event){ COLLECTOR_EVENT_CYCLES, a_second / frequency, a_second };
	return 0;
}

int sampling_event_choose(enum collector_event wanted, unsigned frequency,
			  struct sampling_event *ret)
{
	int r;

	if (wanted != COLLECTOR_EVENT_CPU_CLOCK) {
		r = choose_cycles(frequency, ret);
		if (r == 0 || wanted == COLLECTOR_EVENT_CYCLES)
			return r;
	}
	*ret = (struct sampling_event){ COLLECTOR_EVENT_CPU_CLOCK, NSEC_PER_SEC / frequency,
					NSEC_PER_SEC };
	return 0;
}

int sampling_event_open(const struct sampling_event *how, int cpu)
{
	struct perf_event_attr attr = cycles_attr();

	if (how->event == COLLECTOR_EVENT_CPU_CLOCK) {
		attr.type = PERF_TYPE_SOFTWARE;
		attr.config = PERF_COUNT_SW_CPU_CLOCK;
		attr.exclude_guest = 0;
		attr.exclude_idle = 1;
	}
	attr.sample_period = how->period;
	attr.sample_type = PERF_SAMPLE_TIME; /* as in perf_ring: they share its buffer */
	attr.sample_id_all = 1;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	return perf_event_open_cpu(&attr, cpu);
}
