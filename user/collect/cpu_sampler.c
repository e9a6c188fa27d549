/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cpu_sampler.h"

#include <bpf/libbpf.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"

int cpu_sampler_open(struct cpu_sampler *s, int cpu, size_t ring_size)
{
	int r = perf_ring_open(cpu, ring_size, &s->ring);

	if (r < 0)
		return r;
	s->cpu = cpu;
	s->enabled_ns = 0;
	s->open = true;
	return 0;
}

void cpu_sampler_stop(struct cpu_sampler *s)
{
	bpf_link__destroy(s->link);
	s->link = NULL;
}

void cpu_sampler_close(struct cpu_sampler *s)
{
	if (!s->open)
		return;
	cpu_sampler_stop(s);
	perf_ring_close(&s->ring);
	s->open = false;
}

bool cpu_sampler_is_alive(struct cpu_sampler *s)
{
	uint64_t before = s->enabled_ns;

	s->enabled_ns = perf_ring_enabled_ns(&s->ring);
	return s->enabled_ns > before;
}

int cpu_sampler_start(struct cpu_sampler *s, const struct sampling_event *how,
		      const struct bpf_program *prog)
{
	CLEANUP(closep) int fd = sampling_event_open(how, s->cpu);

	if (fd < 0)
		return fd;
	/* Samples go the BPF way; this is for the news that the kernel throttled the event. */
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->ring.fd) < 0)
		return -errno;

	s->link = bpf_program__attach_perf_event(prog, fd);
	if (!s->link)
		return -errno;
	s->event_fd = fd;
	fd = -1; /* the link's now */
	return 0;
}

int cpu_sampler_set_period(struct cpu_sampler *s, uint64_t period)
{
	return ioctl(s->event_fd, PERF_EVENT_IOC_PERIOD, &period) < 0 ? -errno : 0;
}
