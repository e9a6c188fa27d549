/* SPDX-License-Identifier: Apache-2.0 */
/* What is open for one CPU: the ring of process events and the sampling event. */
#ifndef COLLECT_CPU_SAMPLER_H
#define COLLECT_CPU_SAMPLER_H

#include "collect/collector.h"
#include "collect/perf_ring.h"

struct bpf_link;
struct bpf_program;

struct cpu_sampler {
	int cpu;
	bool open;
	uint64_t enabled_ns; /* as cpu_sampler_is_alive() saw it last */
	struct perf_ring ring;
	struct bpf_link *link; /* NULL: not sampling */
};

int cpu_sampler_open(struct cpu_sampler *s, int cpu, size_t ring_size);
void cpu_sampler_close(struct cpu_sampler *s);

/* Has it been on since the last time this was asked, or since it was opened? */
bool cpu_sampler_is_alive(struct cpu_sampler *s);

/* How a sampling event is to be opened; what was AUTO has been decided. */
struct sampling {
	enum collector_event event;
	unsigned frequency;
	struct bpf_program *prog;
};

/* The file descriptor of a sampling event that is not switched on yet, or a negative errno. */
int sampling_event_open(enum collector_event event, unsigned frequency, int cpu);

/* Attaches the program, which switches the event on. */
int cpu_sampler_start(struct cpu_sampler *s, const struct sampling *how);
void cpu_sampler_stop(struct cpu_sampler *s);

#endif
