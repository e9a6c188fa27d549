/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp_floor HZ SECONDS: samples all CPUs with fp_floor.bpf.c and empties its ring. The caller reads
 * the program's run time from the kernel (kernel.bpf_stats_enabled).
 */
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fp_floor.skel.h"

static int on_record(void *ctx, void *data, size_t len)
{
	uint64_t *frames = ctx;

	*frames += ((uint64_t *)data)[1];
	return 0;
}

static int attach(struct fp_floor_bpf *bpf, int cpu, uint64_t hz)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000 / hz,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd >= 0 && bpf_program__attach_perf_event(bpf->progs.fp_floor, fd) ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct fp_floor_bpf *bpf = fp_floor_bpf__open_and_load();
	struct ring_buffer *ring;
	uint64_t frames = 0;
	time_t end;

	if (argc != 3 || !bpf) {
		fprintf(stderr, "usage: fp_floor HZ SECONDS (as root)\n");
		return 2;
	}
	ring = ring_buffer__new(bpf_map__fd(bpf->maps.ring), on_record, &frames, NULL);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		if (attach(bpf, cpu, strtoul(argv[1], NULL, 10))) {
			perror("fp_floor: perf event");
			return 1;
		}
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end) {
		usleep(100000);
		ring_buffer__consume(ring);
	}
	printf("%llu\n", (unsigned long long)frames);
	return 0;
}
