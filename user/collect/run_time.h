/* SPDX-License-Identifier: Apache-2.0 */
/* How long the kernel side has run, which the kernel counts if it is told to. */
#ifndef COLLECT_RUN_TIME_H
#define COLLECT_RUN_TIME_H

#include <stdint.h>

struct run_time {
	uint64_t ns, runs;
};

/*
 * From now on it is counted, of all BPF programs of the host, as long as the descriptor that is
 * returned stays open: two looks at the clock for each run. -EPERM: needs CAP_SYS_ADMIN.
 */
int run_time_enable(void);

/* Adds what program @prog_fd has run, since it was loaded. Negative errno. */
int run_time_add(int prog_fd, struct run_time *to);

#endif
