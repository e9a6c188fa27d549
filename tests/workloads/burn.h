/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that burn CPU time below a chain of calls that is known by name:
 *
 *   PROGRAM MODE [--cpu-seconds S]
 *
 * main() calls the function of the mode again and again until the time is spent. They are built
 * without frame pointers, so that only .eh_frame tells who called whom.
 */
#ifndef WORKLOADS_BURN_H
#define WORKLOADS_BURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "work.h"

#define BURN_STEPS  400000 /* 0.4 to 1 ms */
#define BURN_MEMORY __asm__ volatile("" ::: "memory")

/* Behind a call: what keeps it a call, which a compiler would else make a jump. */
#define BURN_NO_TAIL_CALL() BURN_MEMORY

/* Keeps @p's memory in the frame. */
#define BURN_KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

struct burn_mode {
	const char *name;
	void (*run)(void);
};

static uint64_t burn_budget_ns; /* of CPU time */

/* Burns in the function that it is written in, which so stays one that needs no stack. */
WORK_INLINE void burn(uint64_t steps)
{
	work_chain(1, steps);
}

WORK_INLINE bool burn_goes_on(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) < burn_budget_ns;
}

static inline const struct burn_mode *burn_mode_find(const struct burn_mode *modes,
						     const char *name)
{
	const struct burn_mode *m;

	for (m = modes; m->name; m++) {
		if (name && strcmp(m->name, name) == 0)
			return m;
	}
	fprintf(stderr, "the first argument is one of:");
	for (m = modes; m->name; m++)
		fprintf(stderr, " %s", m->name);
	fprintf(stderr, "\n");
	exit(2);
}

/* All of main(). @modes ends with a name of NULL. */
WORK_INLINE int burn_main(char **argv, const struct burn_mode *modes)
{
	const struct burn_mode *mode = burn_mode_find(modes, argv[1]);

	burn_budget_ns = (uint64_t)(arg_number(argv, "cpu-seconds", 3) * 1e9);
	while (burn_goes_on())
		mode->run();
	return 0;
}

#endif
