/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker process gives up before it sees the first foreign byte. */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Parts that could not be set up: what is left stands without them. */
enum worker_gap {
	WORKER_GAP_SECCOMP = 1 << 0,
	WORKER_GAP_NEW_PRIVS = 1 << 1,
	WORKER_GAP_LIMITS = 1 << 2,
	WORKER_GAPS = 1 << 3, /* above all of them */
};

struct worker_sandbox {
	uint64_t memory; /* bytes, on top of what there is */
	bool prompt;	 /* keeps its priority */
};

/*
 * For good: no capabilities, no new privileges, no more memory than that, no files, processes,
 * sockets or system calls but those that computing needs, low priority. Dies with its parent.
 * Returns the enum worker_gap of what could not be had; a negative errno if capabilities would be
 * left: then there must be no work.
 */
int worker_sandbox_enter(const struct worker_sandbox *s);

#endif
