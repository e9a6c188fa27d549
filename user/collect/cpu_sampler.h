/* SPDX-License-Identifier: Apache-2.0 */
/* What is open for one CPU: the ring of process events and the sampling event. */
#ifndef COLLECT_CPU_SAMPLER_H
#define COLLECT_CPU_SAMPLER_H

#include "collect/collector.h"
#include "collect/perf_ring.h"
#include "collect/sampling_event.h"

struct bpf_link;
struct bpf_program;

struct cpu_sampler {
	int cpu;
	bool open;
	uint64_t enabled_ns; /* as cpu_sampler_is_alive() saw it last */
	struct perf_ring ring;
	struct bpf_link *link; /* NULL: not sampling */
	int event_fd;	       /* the link's */
};

int cpu_sampler_open(struct cpu_sampler *s, int cpu, size_t ring_size);
void cpu_sampler_close(struct cpu_sampler *s);

/* Has it been on since the last time this was asked, or since it was opened? */
bool cpu_sampler_is_alive(struct cpu_sampler *s);

/* Attaches the program, which switches the event on. */
int cpu_sampler_start(struct cpu_sampler *s, const struct sampling_event *how,
		      const struct bpf_program *prog);
void cpu_sampler_stop(struct cpu_sampler *s);

/* Of one that samples: another distance of its ticks from the next one on. Negative errno. */
int cpu_sampler_set_period(struct cpu_sampler *s, uint64_t period);

#endif
