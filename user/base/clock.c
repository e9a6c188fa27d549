/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

const char *realtime_text(uint64_t ns, char out[REALTIME_TEXT_MAX])
{
	time_t s = ns / NSEC_PER_SEC;
	struct tm tm;

	if (!gmtime_r(&s, &tm) || !strftime(out, REALTIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "?";
	return out;
}
