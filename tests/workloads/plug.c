/* SPDX-License-Identifier: Apache-2.0 */
/* A library of which there are two: same interface, another function inside. See procs.c. */
#include "work.h"

#ifndef PLUG_WORK
#define PLUG_WORK plug_work
#endif

/* The caller's work_steps_per_ms is not known here. */
uint64_t plug_run(uint64_t ns, uint64_t steps_per_ms);

WORK_FUNCTION static uint64_t PLUG_WORK(uint64_t ns, uint64_t steps_per_ms)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t spent = 0, x = start;

	while (spent < ns) {
		x = work_chain(x, steps_per_ms);
		spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	}
	return spent;
}

WORK_FUNCTION uint64_t plug_run(uint64_t ns, uint64_t steps_per_ms)
{
	return PLUG_WORK(ns, steps_per_ms);
}
