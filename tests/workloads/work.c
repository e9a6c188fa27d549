/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#define CALIBRATE_STEPS	 200000
#define CALIBRATE_ROUNDS 8

uint64_t work_steps_per_ms;

/* The fastest round counts: the others were disturbed. */
WORK_FUNCTION void work_calibrate(void)
{
	uint64_t best = UINT64_MAX, x = 1;

	for (int i = 0; i < CALIBRATE_ROUNDS; i++) {
		uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		uint64_t took;

		x = work_chain(x, CALIBRATE_STEPS);
		took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
		best = took < best ? took : best;
	}

	work_steps_per_ms = CALIBRATE_STEPS * 1000000ull / (best ? best : 1);
}
